//! Error metrics, structure, timing errors and energy of multipliers.

use crate::arguments::CharacterizeOptions;
use crate::failure::Failure;
use crate::output::{print_json, print_line};
use crate::progress::Console;
use crate::study::{behaviour, multiplier, report, technology};
use axtrain_sim::config::Range;
use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec, ProductTable};
use axtrain_sim::profile::Design;
use axtrain_sim::report::Characterization;
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::Volts;
use comfy_table::{CellAlignment, Table, presets};
use std::path::Path;

/// Characterises each design file.
pub(crate) fn run(options: &CharacterizeOptions, console: &Console) -> Result<(), Failure> {
    let technology = technology(&options.technology, Path::new("."))?;
    let supplies = supplies(options, &technology)?;
    let mut reports = Vec::new();
    for path in &options.designs {
        let multiplier = multiplier(path)?;
        if !multiplier.is_tabulable() {
            let message = format!("{} has {} operand bits", multiplier.name(), multiplier.product_width());
            let help =
                format!("operands of at most {} bits together are characterised", ProductTable::MAX_INPUT_BITS);
            return Err(Failure::request(format!("{}: {message}", path.display()), help));
        }
        let design = build(multiplier, &technology)?;
        let clock_ps = match options.clock_ps {
            Some(clock) => clock,
            None => exact_clock(&design, &technology)?,
        };
        let mut summary = Characterization::new(&design);
        if !supplies.is_empty() {
            let points: Vec<OperatingPoint> =
                supplies.iter().map(|&supply| OperatingPoint { supply, clock_ps }).collect();
            let behaviour = behaviour(&design, &technology, &points, console)?;
            for reason in &behaviour.refused {
                console.note(&format!("{}: {reason}", design.name()));
            }
            summary = report(&design, &technology, &behaviour);
        }
        reports.push(summary);
    }
    if options.json {
        match &reports[..] {
            [single] => print_json(single),
            several => print_json(&several),
        }
    } else {
        reports.iter().for_each(print);
    }
    Ok(())
}

fn build(multiplier: Multiplier, technology: &Technology) -> Result<Design, Failure> {
    Design::new(multiplier, technology).map_err(|error| Failure::request(error, "complete the technology file"))
}

fn supplies(options: &CharacterizeOptions, technology: &Technology) -> Result<Vec<Volts>, Failure> {
    if let Some(clock) = options.clock_ps.filter(|clock| !(clock.is_finite() && *clock > 0.0)) {
        return Err(Failure::request(format!("a clock period of {clock} ps"), "--clock-ps takes a positive number"));
    }
    let Some(text) = &options.supply else { return Ok(Vec::new()) };
    let help = "--supply takes 0.9, a list as 0.8,0.9,1.0, or lo:hi:step";
    let range = if text.contains(':') {
        Range::Steps(text.clone())
    } else {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
        Range::List(numbers.map_err(|error| Failure::request(format!("\"{text}\": {error}"), help))?)
    };
    let values = range.values().map_err(|message| Failure::request(message, help))?;
    let supplies: Vec<Volts> = values.into_iter().map(Volts).collect();
    for &supply in &supplies {
        technology.slowdown(supply).map_err(|error| Failure::request(error, help))?;
    }
    Ok(supplies)
}

/// What the exact array multiplier of equal width and format needs at nominal supply.
fn exact_clock(design: &Design, technology: &Technology) -> Result<f64, Failure> {
    let multiplier = &design.multiplier;
    let (width_a, width_b) = (multiplier.width_a(), multiplier.width_b());
    let exact = MultiplierSpec::new("exact", Family::Array, width_a, width_b, multiplier.signed())
        .map_err(|error| Failure::request(error, "give --clock-ps: there is no exact array of this shape"))?;
    Ok(build(exact.into(), technology)?.minimum_clock_ps())
}

fn print(report: &Characterization) {
    let design = &report.design;
    let sign = if design.signed { "signed" } else { "unsigned" };
    print_line(&format!("{} ({}, {sign} {}×{})", design.name, design.family, design.width_a, design.width_b));
    let error = &report.error;
    print_line(&format!(
        "  error over {} pairs: MAE {:.4} ({:.4} %), WCE {} ({:.4} %), EP {:.2} %,",
        report.vectors, error.mae, error.mae_percent, error.wce, error.wce_percent, error.ep_percent
    ));
    print_line(&format!(
        "    MRE {:.3} %, WCRE {:.2} %, MSE {:.5}, mean {:.4}, NMED {:.2e}, NoEB {:.2}",
        error.mre_percent, error.wcre_percent, error.mse, error.mean_error, error.nmed, error.noeb
    ));
    if let Some(structure) = report.structure {
        print_line(&format!(
            "  {} cells, {:.1} µm², critical path {:.0} ps, leakage {:.2} µW",
            structure.cells,
            structure.area_um2,
            structure.critical_path_ps,
            structure.leakage_nw / 1e3
        ));
    }
    if report.operating_points.is_empty() {
        return;
    }
    let first = &report.operating_points[0];
    let critical = report.critical_supply_v.map_or("no supply".to_owned(), |supply| format!("{supply:.3} V"));
    print_line(&format!(
        "  clock {:.0} ps, met statically from {critical} up; {} operands",
        first.clock_ps, first.stimulus
    ));
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["supply", "wrong", "mean error", "MAE", "fJ an operation", "of it glitches"]);
    for point in &report.operating_points {
        table.add_row([
            format!("{:.3} V", point.supply_v),
            format!("{:.4} %", 100.0 * point.timing.error_rate),
            format!("{:.3}", point.timing.mean_error),
            format!("{:.3}", point.timing.mae),
            format!("{:.1}", point.energy.total_fj),
            format!("{:.0} %", 100.0 * point.energy.glitch_fj / point.energy.total_fj),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_line(&table.to_string());
}
