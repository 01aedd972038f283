//! Characterisations as tables.

use crate::output::{print_line, print_wrapped};
use crate::summary::plain_table;
use axtrain_sim::multiplier::NumberFormat;
use axtrain_sim::profile::MetricIntervals;
use axtrain_sim::report::{
    Characterization, Drawn, MeasuredError, MultiplyAccumulatePoint, MultiplyAccumulateReport, SampledTiming,
    TimingReport, VariationReport,
};
use comfy_table::{CellAlignment, Table};

/// Prints what is known of a design.
pub(crate) fn print(report: &Characterization) {
    let design = &report.design;
    let format = match design.format {
        NumberFormat::TwosComplement => "signed",
        format => format.name(),
    };
    print_wrapped(&format!("{} ({}, {format} {}×{})", design.name, design.family, design.width_a, design.width_b), 4);
    let MeasuredError { method, vectors, error, ci95, .. } = &report.approximation;
    let first = format!(
        "  error ({method}, {vectors} pairs): MAE {:.4} ({:.4} %), WCE {} ({:.4} %), EP {:.2} %",
        error.mae, error.mae_percent, error.wce, error.wce_percent, error.ep_percent
    );
    let second = format!(
        "MRE {:.3} %, WCRE {:.2} %, MSE {:.5}, mean {:.4}, NMED {:.2e}, NoEB {:.2}",
        error.mre_percent, error.wcre_percent, error.mse, error.mean_error, error.nmed, error.noeb
    );
    print_wrapped(&format!("{first}, {second}"), 4);
    if let Some(MetricIntervals { mae: [low, high], ep_percent: ep, mre_percent: mre, .. }) = ci95 {
        print_wrapped(
            &format!(
                "    95 % confidence: MAE {low:.4} to {high:.4}, EP {:.2} to {:.2} %, MRE {:.3} to {:.3} %",
                ep[0], ep[1], mre[0], mre[1]
            ),
            4,
        );
    }
    if let Some(structure) = report.structure {
        print_wrapped(
            &format!(
                "  {} cells, {:.1} µm², critical path {:.0} ps, leakage {:.2} µW",
                structure.cells,
                structure.area_um2,
                structure.critical_path_ps,
                structure.leakage_nw / 1e3
            ),
            4,
        );
    }
    if let Some(timing) = &report.static_timing {
        print_timing(timing);
    }
    if report.operating_points.is_empty() {
        return;
    }
    let points = &report.operating_points;
    let first = points.iter().find(|point| point.drawn.is_none()).unwrap_or(&points[0]);
    if report.corner.is_some() || report.temperature_c.is_some() {
        let corner = report.corner.as_deref().map_or(String::new(), |corner| format!("corner {corner}, "));
        print_wrapped(&format!("  {corner}{:.0} °C", report.temperature_c.unwrap_or_default()), 4);
    }
    let critical = report.critical_supply_v.map_or("no supply".to_owned(), |supply| format!("{supply:.3} V"));
    print_wrapped(
        &format!("  clock {:.0} ps, met statically from {critical} up; {} operands", first.clock_ps, first.stimulus),
        4,
    );
    let mut table = plain_table();
    table.set_header(["supply", "wrong", "mean error", "MAE", "fJ an operation", "of it glitches", "after the edge"]);
    for point in &report.operating_points {
        let mark = if point.drawn.is_some() { "*" } else { "" };
        table.add_row([
            format!("{:.3} V{mark}", point.supply_v),
            format!("{:.4} %", 100.0 * point.timing.error_rate),
            format!("{:.3}", point.timing.mean_error),
            format!("{:.3}", point.timing.mae),
            format!("{:.1}", point.energy.total_fj),
            format!("{:.0} %", 100.0 * point.energy.glitch_fj / point.energy.total_fj),
            point
                .energy
                .late_fj
                .map_or(String::new(), |late| format!("{:.1} %", 100.0 * late / point.energy.total_fj)),
        ]);
    }
    print_aligned(&mut table);
    print_intervals(report);
    if let Some(whole) = &report.multiply_accumulate {
        print_multiply_accumulate(whole);
    }
    if let Some(variation) = &report.variation {
        print_variation(variation);
    }
    if let Some(minimum) = report.minimum_energy {
        let end = if minimum.at_end_of_law { ", where the delay law ends" } else { "" };
        print_wrapped(
            &format!(
                "  least energy: {:.1} fJ an operation at {:.3} V and its shortest clock of {:.0} ps{end}",
                minimum.energy.total_fj, minimum.supply_v, minimum.clock_ps
            ),
            4,
        );
    }
}

/// How sure drawn operating points are.
fn print_intervals(report: &Characterization) {
    let drawn: Vec<_> = report.operating_points.iter().filter_map(|point| Some((point, point.drawn?))).collect();
    let Some((first, _)) = drawn.first() else { return };
    print_wrapped(&format!("  * drawn, whether or not the circuit settles in between: {}", first.stimulus), 4);
    let mut table = plain_table();
    table.set_header(["95 % confidence", "wrong", "mean error", "fJ an operation"]);
    for (point, Drawn { error_rate_ci95, mean_error_ci95, total_fj_ci95, .. }) in drawn {
        table.add_row([
            format!("{:.3} V", point.supply_v),
            interval(error_rate_ci95.map(|share| 100.0 * share), 4, " %"),
            interval(mean_error_ci95, 3, ""),
            interval(total_fj_ci95, 1, ""),
        ]);
    }
    print_aligned(&mut table);
}

fn interval([low, high]: [f64; 2], decimals: usize, unit: &str) -> String {
    format!("{low:.decimals$} to {high:.decimals$}{unit}")
}

/// The multiplier with an accumulator behind it.
fn print_multiply_accumulate(whole: &MultiplyAccumulateReport) {
    let MultiplyAccumulateReport { accumulator_bits, accumulator, points, .. } = whole;
    print_wrapped(
        &format!(
            "  with an accumulator of {accumulator_bits} bits ({} cells, {:.1} µm², critical path {:.0} ps):",
            accumulator.cells, accumulator.area_um2, accumulator.critical_path_ps
        ),
        4,
    );
    let Some(first) = points.first() else { return };
    print_wrapped(
        &format!("    {}, {} operations drawn, clock {:.0} ps", first.stimulus, first.operations, first.clock_ps),
        4,
    );
    let mut table = plain_table();
    table.set_header([
        "supply",
        "wrong products",
        "wrong additions",
        "wrong sums",
        "mean error of a sum",
        "fJ an operation",
    ]);
    let rate = |timing: &SampledTiming| {
        let shares = timing.error_rate_ci95.map(|share| 100.0 * share);
        format!("{:.4} %\n{}", 100.0 * timing.errors.error_rate, interval(shares, 4, ""))
    };
    for point in points {
        let MultiplyAccumulatePoint { product, addition, sum, energy, total_fj_ci95, .. } = point;
        table.add_row([
            format!("{:.3} V", point.supply_v),
            rate(product),
            rate(addition),
            rate(sum),
            format!("{:.3}\n{}", sum.errors.mean_error, interval(sum.mean_error_ci95, 3, "")),
            format!("{:.1}\n{}", energy.total_fj, interval(*total_fj_ci95, 1, "")),
        ]);
    }
    print_aligned(&mut table);
}

/// How chips differ at each operating point.
fn print_variation(variation: &VariationReport) {
    let VariationReport { chips, operations, points, .. } = variation;
    print_wrapped(
        &format!("  {chips} chips, {operations} operations of each at each supply; mean ± deviation, worst 5 %:"),
        4,
    );
    let mut table = plain_table();
    table.set_header(["supply", "critical path, ps", "", "wrong", "", "fJ an operation", "yield"]);
    for point in points {
        let (path, wrong) = (point.critical_path_ps, point.error_rate);
        let energy = point.energy_fj.map_or("-".to_owned(), |fj| format!("{:.1} ± {:.1}", fj.mean, fj.sd));
        let [low, high] = point.yield_ci95.map(|share| 100.0 * share);
        table.add_row([
            format!("{:.3} V", point.supply_v),
            format!("{:.0} ± {:.0}", path.mean, path.sd),
            format!("> {:.0}", path.q95),
            format!("{:.4} ± {:.4} %", 100.0 * wrong.mean, 100.0 * wrong.sd),
            format!("> {:.4} %", 100.0 * wrong.q95),
            energy,
            format!("{:.1} % ({low:.0} to {high:.0})", 100.0 * point.yield_share),
        ]);
    }
    print_aligned(&mut table);
}

/// The critical path pin by pin, then every output.
fn print_timing(timing: &TimingReport) {
    print_wrapped(&format!("  critical path, sampled before {} ps:", timing.window_ps), 4);
    let mut table = plain_table();
    table.set_header(["net", "cell", "from", "to", "delay, ps", "arrival, ps"]);
    for step in &timing.critical_path {
        let [from, to] = step.pins.clone().unwrap_or_default();
        let cell = step.cell.clone().unwrap_or_else(|| "input".to_owned());
        table.add_row([step.net.clone(), cell, from, to, step.delay_ps.to_string(), step.arrival_ps.to_string()]);
    }
    print_aligned(&mut table);
    let mut table = plain_table();
    table.set_header(["output", "arrival, ps", "slack, ps"]);
    for output in &timing.outputs {
        table.add_row([output.output.clone(), output.arrival_ps.to_string(), output.slack_ps.to_string()]);
    }
    print_aligned(&mut table);
}

fn print_aligned(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_line(&table.to_string());
}
