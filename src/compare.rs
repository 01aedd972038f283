//! How far each level of fidelity is from the gates, on the same networks as they are trained, images and operating points.

use crate::behaviour::Behaviour;
use crate::failure::Failure;
use crate::output::{print_json, print_line, print_wrapped, write_atomically};
use crate::progress::Console;
use crate::simulate::{Evaluated, evaluate, evaluators, test_codes};
use crate::study::Study;
use crate::summary::{percentage, plain_table};
use crate::weights::pairings;
use axtrain_sim::array::{Compensation, Fidelity};
use axtrain_sim::report::{Point, StageErrorAverages};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;
use std::time::Instant;

/// Everything that was compared.
#[derive(Debug, Serialize)]
struct Comparison {
    schema: &'static str,
    images: usize,
    points: Vec<ComparedPoint>,
}

/// One network on a design at one operating point.
#[derive(Debug, Serialize)]
struct ComparedPoint {
    point: Point,
    /// From cheap to true; the last is `gate`.
    levels: Vec<Level>,
    /// What went wrong at the gates.
    stage_errors: StageErrorAverages,
}

/// What a level of fidelity says.
#[derive(Debug, Serialize)]
struct Level {
    fidelity: Fidelity,
    accuracy: f64,
    product_error_rate: f64,
    /// Switching energy of multipliers and accumulators, an image.
    mac_switching_uj: f64,
    /// Images whose class is not the one that the gates choose.
    disagreements: usize,
    /// Wall time an image, preparation shared out among operating points.
    seconds_per_image: f64,
}

/// Compares all levels and says what came of it; also in `fidelity.json` in the run's folder.
pub(crate) fn run(
    study: &Study,
    behaviours: &[Behaviour],
    seed: u64,
    json: bool,
    console: &Console,
) -> Result<(), Failure> {
    let comparison = Comparison {
        schema: "axtrain/fidelity/1",
        images: study.dataset.test.len(),
        points: points(study, behaviours, seed, console)?,
    };
    let text = serde_json::to_vec_pretty(&comparison).expect("comparisons serialise");
    write_atomically(&study.folder.join("fidelity.json"), &text)?;
    if json {
        print_json(&comparison);
    } else {
        print(study, &comparison);
    }
    Ok(())
}

fn points(
    study: &Study,
    behaviours: &[Behaviour],
    seed: u64,
    console: &Console,
) -> Result<Vec<ComparedPoint>, Failure> {
    let mut pairs = pairings(study);
    // Whatever becomes of them where they are deployed.
    pairs.iter_mut().for_each(|(_, job)| job.compensation = Compensation::default());
    pairs.dedup();
    let stage = console.stage("fidelity", (pairs.len() * Fidelity::ALL.len()) as u64);
    let codes = test_codes(study);
    // Networks one after the other, so that each has all threads and times mean something.
    let mut found: Vec<Vec<Vec<Evaluated>>> = pairs.iter().map(|_| Vec::new()).collect();
    // All of them before any runs: what gates cannot simulate is refused at once.
    let prepared = Fidelity::ALL.iter().map(|&fidelity| evaluators(study, behaviours, fidelity, seed));
    let prepared = prepared.collect::<Result<Vec<_>, Failure>>()?;
    for (fidelity, evaluators) in Fidelity::ALL.into_iter().zip(&prepared) {
        for ((design, job), levels) in pairs.iter().zip(&mut found) {
            let (evaluator, weights) = (&evaluators[*design], job.required(study)?);
            stage.message(format!("{fidelity}: {} {} s{}", evaluator.design.name(), job.method, job.seed));
            let start = Instant::now();
            let inference = evaluator.prepare(&weights.network, codes.clone(), study.dataset.test.labels())?;
            let count = evaluator.behaviour.operating_points().len();
            let preparation = start.elapsed().as_secs_f64() / count.max(1) as f64;
            let of_points = (0..count).map(|position| {
                let evaluated = evaluate(study, evaluator, &inference, (job, &weights), position, seed)?;
                Ok(Evaluated { seconds: evaluated.seconds + preparation, ..evaluated })
            });
            levels.push(of_points.collect::<Result<_, Failure>>()?);
            stage.step();
        }
    }
    Ok(found.into_iter().flat_map(by_point).collect())
}

/// One network's levels, `[level][point]`, point by point.
fn by_point(levels: Vec<Vec<Evaluated>>) -> Vec<ComparedPoint> {
    let gates = levels.last().expect("there are levels");
    let compared = |position: usize| {
        let truth = &gates[position];
        let level = |(fidelity, of_points): (Fidelity, &Vec<Evaluated>)| {
            let Evaluated { record, predictions, seconds, .. } = &of_points[position];
            Level {
                fidelity,
                accuracy: record.accuracy,
                product_error_rate: record.product_error_rate,
                mac_switching_uj: record.energy_uj.mac_switching,
                disagreements: predictions.iter().zip(&truth.predictions).filter(|(one, other)| one != other).count(),
                seconds_per_image: seconds / predictions.len().max(1) as f64,
            }
        };
        ComparedPoint {
            point: truth.record.point.clone(),
            levels: Fidelity::ALL.into_iter().zip(&levels).map(level).collect(),
            stage_errors: truth.record.stage_errors.clone().expect("gates know their errors"),
        }
    };
    (0..gates.len()).map(compared).collect()
}

fn print(study: &Study, comparison: &Comparison) {
    for design in &study.designs {
        let own: Vec<&ComparedPoint> =
            comparison.points.iter().filter(|compared| compared.point.design == design.name()).collect();
        if own.is_empty() {
            continue;
        }
        let mut supplies: Vec<f64> = own.iter().map(|compared| compared.point.supply_v).collect();
        supplies.sort_by(f64::total_cmp);
        supplies.dedup();
        let caption = format!(
            "\n{}: {} images, mean of all its networks; differences are from gate, others choose another class; energy switches in multipliers and \
             accumulators, an image",
            design.name(),
            comparison.images,
        );
        print_wrapped(&caption, 0);
        let mut table = plain_table();
        // Names stay whole, should differences of a hundred points make lines a column too long.
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["supply", "fidelity", "accuracy", "", "others", "wrong", "energy", "", "time"]);
        for supply in supplies {
            let here: Vec<&ComparedPoint> =
                own.iter().copied().filter(|compared| compared.point.supply_v == supply).collect();
            rows(&mut table, supply, &here, comparison.images);
        }
        for column in table.column_iter_mut() {
            column.set_padding((u16::from(column.index > 0), 0));
            if column.index > 1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        print_line(&table.to_string());
        errors(&own);
    }
}

/// A row for each level.
fn rows(table: &mut Table, supply: f64, points: &[&ComparedPoint], images: usize) {
    let mean = |level: usize, of: fn(&Level) -> f64| {
        points.iter().map(|compared| of(&compared.levels[level])).sum::<f64>() / points.len() as f64
    };
    let gate = Fidelity::ALL.len() - 1;
    for (level, fidelity) in Fidelity::ALL.into_iter().enumerate() {
        let accuracy = mean(level, |level| level.accuracy) * 100.0;
        let energy = mean(level, |level| level.mac_switching_uj) * 1e3;
        let seconds = mean(level, |level| level.seconds_per_image);
        let others = mean(level, |level| level.disagreements as f64) / images.max(1) as f64 * 100.0;
        let (truth, joules) =
            (mean(gate, |level| level.accuracy) * 100.0, mean(gate, |level| level.mac_switching_uj) * 1e3);
        let is_gate = level == gate;
        let unless_gate = |text: String| if is_gate { String::new() } else { text };
        table.add_row([
            if level == 0 { format!("{supply:.2} V") } else { String::new() },
            fidelity.to_string(),
            format!("{accuracy:.1} %"),
            unless_gate(format!("{:+.1}", accuracy - truth)),
            unless_gate(format!("{others:.1} %")),
            percentage(mean(level, |level| level.product_error_rate)),
            match energy {
                small if small < 1e3 => format!("{small:.1} nJ"),
                large => format!("{:.2} µJ", large / 1e3),
            },
            unless_gate(format!("{:+.1} %", (energy / joules - 1.0) * 100.0)),
            match seconds * 1e3 {
                short if short < 9.95 => format!("{short:.1} ms"),
                long => format!("{long:.0} ms"),
            },
        ]);
    }
}

/// Where accumulators fail, how often.
fn errors(points: &[&ComparedPoint]) {
    let rate = |compared: &ComparedPoint| {
        compared.stage_errors.accumulator.error_rate.max(compared.stage_errors.passing.error_rate)
    };
    let worst = points.iter().max_by(|one, other| rate(one).total_cmp(&rate(other))).expect("there are points");
    let said = match rate(worst) {
        0.0 => "No addition went wrong.".to_owned(),
        _ => format!(
            "Additions went wrong too, most of all at {:.2} V: {} of those of products, {} of the others.",
            worst.point.supply_v,
            percentage(worst.stage_errors.accumulator.error_rate),
            percentage(worst.stage_errors.passing.error_rate)
        ),
    };
    print_wrapped(&said, 0);
}
