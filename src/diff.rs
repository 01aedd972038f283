//! What changed between two runs or from one training method to another, and whether it is more than noise.

use crate::arguments::DiffOptions;
use crate::failure::Failure;
use crate::figures::read_records;
use crate::output::{print_json, print_line};
use crate::summary::{nanojoules, new_table, probability};
use axtrain_sim::report::{
    Difference, Interval, MethodComparison, Record, RunDifferences, Verdict, compare_methods, differences,
};
use comfy_table::CellAlignment;

/// Compares two runs, or the methods of one.
pub(crate) fn run(options: &DiffOptions) -> Result<(), Failure> {
    let first = read_records(&options.first)?;
    let Some(path) = &options.second else {
        let reference = options.methods.as_deref().expect("one of the two is required");
        return methods(&first, reference, options);
    };
    let second = read_records(path)?;
    let found = differences(&first, &second);
    if found.common.is_empty() {
        let message = format!(
            "{} and {} have no point in common: {} and {} records",
            options.first.display(),
            path.display(),
            first.len(),
            second.len()
        );
        return Err(Failure::request(
            message,
            "compare runs with the same designs, data, model, array, methods, seeds and supplies",
        ));
    }
    if options.json {
        print_json(&found);
    } else {
        print(&found);
    }
    Ok(())
}

fn print(found: &RunDifferences) {
    let of = |verdict: Verdict| found.common.iter().filter(move |point| point.verdict == verdict);
    let [same, noise, changed] =
        [Verdict::Same, Verdict::WithinNoise, Verdict::Changed].map(|verdict| of(verdict).count());
    print_line(&format!(
        "{} points in common: {same} the same, {noise} within noise, {changed} changed",
        found.common.len()
    ));
    for (count, which) in [(found.only_first, "first"), (found.only_second, "second")] {
        if count > 0 {
            print_line(&format!("{count} records are in the {which} run only"));
        }
    }
    let several = |value: fn(&Difference) -> &Vec<String>| {
        found.common.iter().any(|point| value(point) != value(&found.common[0]))
    };
    let with_conditions = several(|point| &point.conditions);
    let mut table = new_table();
    table.set_header(["design", "training", "supply", "accuracy, %", "change", "energy"]);
    for point in of(Verdict::Changed).chain(of(Verdict::WithinNoise)) {
        let [before, after] = point.accuracy.map(|accuracy| accuracy * 100.0);
        let half = (point.accuracy_change.high - point.accuracy_change.mean) * 100.0;
        let mark = if point.verdict == Verdict::Changed { "" } else { " (noise)" };
        let energy = (point.energy_uj[1] / point.energy_uj[0] - 1.0) * 100.0;
        let design = match with_conditions {
            true => format!("{}\n{}", point.design, point.conditions.join("\n")),
            false => point.design.clone(),
        };
        table.add_row([
            design,
            point.method.clone(),
            format!("{:.3} V", point.supply_v),
            format!("{before:.1} → {after:.1}"),
            format!("{:+.2} ±{half:.2}{mark}", after - before),
            format!("{} {energy:+.1} %", nanojoules(point.energy_uj[1])),
        ]);
    }
    if changed + noise > 0 {
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        print_line(&table.to_string());
        print_line("Change: mean over the networks both runs have ± half its 95 % interval, in points.");
    }
}

/// Compares the methods of one run.
fn methods(records: &[Record], reference: &str, options: &DiffOptions) -> Result<(), Failure> {
    let known: std::collections::BTreeSet<&str> = records.iter().map(|record| record.point.method.as_str()).collect();
    if !known.contains(reference) {
        let message = format!("{} has no records of method \"{reference}\"", options.first.display());
        let known: Vec<&str> = known.into_iter().collect();
        return Err(Failure::request(message, format!("its methods are {}", known.join(", "))));
    }
    let found = compare_methods(records, reference);
    if options.json {
        print_json(&found);
    } else {
        print_methods(&found, reference);
    }
    Ok(())
}

fn print_methods(found: &[MethodComparison], reference: &str) {
    // Only what differs between points is worth a line, once for all points that share it.
    let all: Vec<Vec<String>> = found.iter().map(|method| method.point.conditions()).collect();
    let differs = |condition: &&String| all.iter().any(|conditions| !conditions.contains(condition));
    let heading = |conditions: &Vec<String>| -> String {
        conditions.iter().filter(differs).map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let headings: Vec<String> = all.iter().map(heading).collect();
    let mut distinct: Vec<&String> = Vec::new();
    for heading in &headings {
        if !distinct.contains(&heading) {
            distinct.push(heading);
        }
    }
    for shared in distinct {
        if !shared.is_empty() {
            print_line(shared);
        }
        let own = found.iter().zip(&headings).filter(|(_, heading)| *heading == shared);
        print_line(&methods_table(own.map(|(method, _)| method), reference));
    }
    print_line(
        "Means over seeds ± half their 95 % interval; p: Student's test in pairs of networks of one seed, two-sided;",
    );
    print_line("Holm: the same for all methods of a point together.");
}

fn methods_table<'a>(found: impl Iterator<Item = &'a MethodComparison>, reference: &str) -> String {
    let mut table = new_table();
    let less = format!("less {reference}");
    table.set_header(["design", "supply", "training", "accuracy, %", "worst", &less, "p", "Holm"]);
    for method in found {
        let points = |share: f64| share * 100.0;
        let half = |interval: &Interval| points(interval.high - interval.mean);
        let gain = |gain: Interval| format!("{:+.2} ±{:.2}", points(gain.mean), half(&gain)).replace('-', "−");
        table.add_row([
            method.point.design.clone(),
            format!("{:.3} V", method.point.supply_v),
            method.point.method.clone(),
            format!("{:.2} ±{:.2}", points(method.accuracy.mean), half(&method.accuracy)),
            format!("{:.1}", points(method.worst)),
            method.gain.map(gain).unwrap_or_default(),
            method.p.map(probability).unwrap_or_default(),
            method.p_holm.map(probability).unwrap_or_default(),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
