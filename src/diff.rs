//! What changed between two runs, and whether it is more than noise.

use crate::arguments::DiffOptions;
use crate::failure::Failure;
use crate::figures::Run;
use crate::output::{print_json, print_line};
use crate::summary::{nanojoules, new_table};
use axtrain_sim::report::{Difference, RunDifferences, Verdict, differences};
use comfy_table::CellAlignment;

/// Compares two runs.
pub(crate) fn run(options: &DiffOptions) -> Result<(), Failure> {
    let [first, second] = [Run::read(&options.first)?, Run::read(&options.second)?];
    let found = differences(&first.records, &second.records);
    if found.common.is_empty() {
        let message = format!(
            "{} and {} have no point in common: {} and {} records",
            options.first.display(),
            options.second.display(),
            first.records.len(),
            second.records.len()
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
