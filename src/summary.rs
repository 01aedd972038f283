//! The table and the sentence that answer the experiment's question.

use crate::output::{print_line, print_wrapped};
use crate::study::Study;
use axtrain_sim::report::{Aggregate, Record, aggregate, cheapest_within};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle, presets};

/// Points of accuracy that may be lost against the baseline at nominal supply.
pub(crate) const ACCEPTED_LOSSES: [f64; 3] = [1.0, 2.0, 5.0];

/// Prints accuracy and energy over supply, one table a design, and the cheapest good point.
pub(crate) fn print(study: &Study, records: &[Record]) {
    let points = aggregate(records);
    for design in &study.designs {
        let own: Vec<&Aggregate> = points.iter().filter(|point| point.design == design.name()).collect();
        if own.is_empty() {
            continue;
        }
        let is_baseline = design.name() == study.baseline().name();
        let role = if is_baseline { " (baseline)" } else { "" };
        let what = "accuracy in % (mean of seeds ± half its 95 % interval), energy an image";
        print_wrapped(&format!("\n{}{role}: {what}", design.name()), 0);
        print_line(&table(&own).to_string());
    }
    answer(study, &points);
}

fn table(points: &[&Aggregate]) -> Table {
    let mut methods: Vec<&str> = Vec::new();
    let mut supplies: Vec<f64> = Vec::new();
    for point in points {
        if !methods.contains(&point.method.as_str()) {
            methods.push(&point.method);
        }
        if !supplies.contains(&point.supply_v) {
            supplies.push(point.supply_v);
        }
    }
    let mut table = new_table();
    let mut header = vec!["supply".to_owned(), "wrong".to_owned()];
    header.extend(methods.iter().map(|method| (*method).to_owned()));
    header.push("energy".to_owned());
    table.set_header(header);
    for supply in supplies {
        let row: Vec<&&Aggregate> = points.iter().filter(|point| point.supply_v == supply).collect();
        let count = row.len() as f64;
        let rate = row.iter().map(|point| point.product_error_rate).sum::<f64>() / count;
        let energy = row.iter().map(|point| point.energy_uj.total).sum::<f64>() / count;
        let mut cells = vec![format!("{supply:.2} V"), percentage(rate)];
        for method in &methods {
            let found = row.iter().find(|point| point.method == *method);
            cells.push(found.map_or(String::new(), |point| {
                let half = (point.accuracy.high - point.accuracy.mean) * 100.0;
                format!("{:.1} ±{half:.1}", point.accuracy.mean * 100.0)
            }));
        }
        cells.push(nanojoules(energy));
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table in the program's style.
pub(crate) fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table
}

/// A table without lines between columns, which would take a third of the width.
pub(crate) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
    table
}

/// A share that may be very small.
pub(crate) fn percentage(share: f64) -> String {
    match share * 100.0 {
        0.0 => "none".to_owned(),
        small if small < 0.01 => format!("{small:.0e} %"),
        percent => format!("{percent:.2} %"),
    }
}

/// Accuracy that may be lost, in words.
pub(crate) fn loss_in_points(loss: f64) -> String {
    format!("{loss} {}", if loss == 1.0 { "point" } else { "points" })
}

/// A probability of a test.
pub(crate) fn probability(p: f64) -> String {
    if p < 0.00005 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

/// An energy given in µJ.
pub(crate) fn nanojoules(microjoules: f64) -> String {
    format!("{:.0} nJ", microjoules * 1e3)
}

fn answer(study: &Study, points: &[Aggregate]) {
    let baseline = study.baseline().name();
    let nominal = study.technology.nominal_supply().0;
    let reference = points.iter().find(|point| point.design == baseline && point.supply_v == nominal);
    let Some(reference) = reference else {
        print_line("\nNo point runs the baseline at nominal supply, so there is nothing to compare with.");
        return;
    };
    print_line(&format!(
        "\n{baseline} at {nominal} V: {:.1} % accuracy, {} an image.",
        reference.accuracy.mean * 100.0,
        nanojoules(reference.energy_uj.total),
    ));
    print_line("Least energy an image, if at most this much accuracy may be lost against it:");
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for point in points {
        if !lines.contains(&(&point.design, &point.method)) {
            lines.push((&point.design, &point.method));
        }
    }
    let mut table = new_table();
    let mut header = vec!["design".to_owned(), "training".to_owned()];
    header.extend(ACCEPTED_LOSSES.map(loss_in_points));
    table.set_header(header);
    for (design, method) in lines {
        let mut cells = vec![design.to_owned(), method.to_owned()];
        cells.extend(ACCEPTED_LOSSES.map(|loss| {
            let accuracy = reference.accuracy.mean - loss / 100.0;
            let eligible = |point: &Aggregate| point.design == design && point.method == method;
            cheapest_within(points, accuracy, eligible).map_or("–".to_owned(), |best| {
                let saving = (best.energy_uj.total / reference.energy_uj.total - 1.0) * 100.0;
                format!("{saving:+.0} % at {:.2} V", best.supply_v)
            })
        }));
        table.add_row(cells);
    }
    print_line(&table.to_string());
}
