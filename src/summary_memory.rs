//! What the user reads about failing memories.

use crate::output::{print_line, print_wrapped};
use crate::simulate_memory::report;
use crate::study::Study;
use crate::summary::{nanojoules, new_table};
use axtrain_sim::memory::Content;
use axtrain_sim::report::{MemoryPoint, MemoryReport, Record};
use comfy_table::CellAlignment;

/// Prints accuracy over the memory's supply, one table a design and memory, and the cheapest good pair of supplies.
pub(crate) fn print(study: &Study, records: &[Record]) {
    let Some(report) = report(study, records) else { return };
    let highest = report.points.iter().map(|point| point.supply_v).fold(f64::MIN, f64::max);
    let contents = Content::list(&report.memories);
    let mut tables: Vec<(&str, &str)> = Vec::new();
    for point in &report.points {
        if !tables.contains(&(&point.design, &point.memory)) {
            tables.push((&point.design, &point.memory));
        }
    }
    for (design, memory) in tables {
        let own: Vec<&MemoryPoint> = report
            .points
            .iter()
            .filter(|point| {
                (point.design.as_str(), point.memory.as_str(), point.supply_v) == (design, memory, highest)
            })
            .collect();
        let chips = own.iter().map(|point| point.chips).max().unwrap_or(0);
        let what = "accuracy in %, mean (worst) of";
        print_wrapped(
            &format!("\n{design} at {highest} V, {contents} in {memory}: {what} {chips} chips times seeds"),
            0,
        );
        print_line(&table(&own).to_string());
    }
    answer(&report);
}

fn table(points: &[&MemoryPoint]) -> comfy_table::Table {
    let mut methods: Vec<&str> = Vec::new();
    let mut supplies: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if !methods.contains(&point.method.as_str()) {
            methods.push(&point.method);
        }
        if !supplies.contains(&(point.sram_v, point.bit_error_rate)) {
            supplies.push((point.sram_v, point.bit_error_rate));
        }
    }
    let mut table = new_table();
    let fixed = ["memory", "cells fail"].into_iter().chain(methods.iter().copied()).chain(["energy"]);
    table.set_header(fixed.collect::<Vec<_>>());
    for (sram_v, rate) in supplies {
        let row: Vec<&&MemoryPoint> = points.iter().filter(|point| point.sram_v == sram_v).collect();
        let mut cells = vec![format!("{sram_v:.3} V"), format!("{:.3} %", rate * 100.0)];
        for method in &methods {
            let found = row.iter().find(|point| point.method == *method);
            cells.push(found.map_or(String::new(), |point| {
                format!("{:.1} ({:.1})", point.accuracy * 100.0, point.worst * 100.0)
            }));
        }
        let energy = row.iter().map(|point| point.energy_uj.total).sum::<f64>() / row.len() as f64;
        cells.push(nanojoules(energy));
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The cheapest good pair of supplies of each training method and memory.
fn cheapest_pairs(report: &MemoryReport, design: &str) -> comfy_table::Table {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for point in report.points.iter().filter(|point| point.design == design) {
        let line = (point.method.as_str(), point.memory.as_str());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut table = new_table();
    let contents = format!("{} in", Content::list(&report.memories));
    table.set_header(["training", &contents, "logic", "memory", "yield", "energy"]);
    for (method, memory) in lines {
        let own = |point: &MemoryPoint| (&*point.design, &*point.method, &*point.memory) == (design, method, memory);
        let mut cells = [method, memory].map(str::to_owned).to_vec();
        cells.extend(match report.cheapest(own) {
            None => ["–", "–", "–", "none"].map(str::to_owned),
            Some(best) => {
                let saving = (best.energy_uj.total / report.reference_uj - 1.0) * 100.0;
                [
                    format!("{:.2} V", best.supply_v),
                    format!("{:.3} V", best.sram_v),
                    format!("{:.0} %", best.yield_share * 100.0),
                    format!("{saving:+.0} %"),
                ]
            }
        });
        table.add_row(cells);
    }
    table
}

fn answer(report: &MemoryReport) {
    let [target, wanted] = [report.target, report.yield_wanted].map(|share| share * 100.0);
    print_line(&format!(
        "\nCheapest pair of supplies with at least {target:.1} % accuracy on {wanted:.0} % of chips,\nand its energy against {} at nominal supplies:",
        nanojoules(report.reference_uj)
    ));
    let mut designs: Vec<&str> = Vec::new();
    for point in &report.points {
        if !designs.contains(&point.design.as_str()) {
            designs.push(&point.design);
        }
    }
    for &design in &designs {
        if designs.len() > 1 {
            print_line(design);
        }
        print_line(&cheapest_pairs(report, design).to_string());
    }
    for warning in &report.warnings {
        print_wrapped(&format!("Warning: {warning}."), 0);
    }
    if !report.sensitivity.is_empty() {
        print_line("If the silicon's Vmin were another, the best pair would cost:");
        for other in &report.sensitivity {
            let change = (other.energy_uj / report.reference_uj - 1.0) * 100.0;
            print_line(&format!(
                "  Vmin {:.2} V: memory at {:.3} V, {} ({change:+.0} %)",
                other.vmin_v,
                other.sram_v,
                nanojoules(other.energy_uj)
            ));
        }
    }
}
