//! What changed from one run to another, and whether it can be told from chance.

use super::{Interval, Point, Record};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// One operating point of two runs, over the networks (and chips) that both have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Multiplier.
    pub design: String,
    /// Training method.
    pub method: String,
    /// Everything else that tells the point from others, as `name value`.
    pub conditions: Vec<String>,
    /// Supply of the logic, V.
    pub supply_v: f64,
    /// Records compared in pairs.
    pub pairs: usize,
    /// Mean accuracy in the first and in the second run.
    pub accuracy: [f64; 2],
    /// Second less first, mean of the pairs with its 95 % interval.
    pub accuracy_change: Interval,
    /// Mean energy an image in the first and in the second run, µJ.
    pub energy_uj: [f64; 2],
    /// Whether anything changed.
    pub verdict: Verdict,
}

/// What a difference amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same numbers.
    Same,
    /// Accuracy differs no more than by chance, energy by at most a thousandth.
    WithinNoise,
    /// Accuracy, or energy by more than a thousandth, differs.
    Changed,
}

/// Two runs compared point by point.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunDifferences {
    /// Points that both runs have, in the first run's order.
    pub common: Vec<Difference>,
    /// Records that only the first run has.
    pub only_first: usize,
    /// Records that only the second run has.
    pub only_second: usize,
}

/// Energies nearer than this share of each other count as equal: they are means over sampled operations.
const ENERGY_TOLERANCE: f64 = 1e-3;

/// Compares records that are of the same point, seed and chip.
pub fn differences(first: &[Record], second: &[Record]) -> RunDifferences {
    let mut result = RunDifferences { only_second: second.len(), ..RunDifferences::default() };
    // The point without seed and chip, with the pairs found for it.
    let mut groups: Vec<(Point, Vec<[&Record; 2]>)> = Vec::new();
    let mut by_point: std::collections::BTreeMap<String, Vec<&Record>> = std::collections::BTreeMap::new();
    for record in second {
        by_point.entry(key(&record.point)).or_default().push(record);
    }
    let mut places = std::collections::BTreeMap::new();
    for record in first {
        let Some(other) = by_point.get_mut(&key(&record.point)).and_then(Vec::pop) else {
            result.only_first += 1;
            continue;
        };
        result.only_second -= 1;
        let point = Point { seed: 0, chip: None, ..record.point.clone() };
        let place = *places.entry(key(&point)).or_insert_with(|| {
            groups.push((point, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push([record, other]);
    }
    result.common = groups.into_iter().map(|(point, pairs)| difference(point, &pairs)).collect();
    result
}

fn key(point: &Point) -> String {
    serde_json::to_string(point).expect("points serialise")
}

fn difference(point: Point, pairs: &[[&Record; 2]]) -> Difference {
    let mean = |value: &dyn Fn(&Record) -> f64| {
        [0, 1].map(|run| pairs.iter().map(|pair| value(pair[run])).sum::<f64>() / pairs.len() as f64)
    };
    let changes: Vec<f64> = pairs.iter().map(|[before, after]| after.accuracy - before.accuracy).collect();
    let energy_uj = mean(&|record| record.energy_uj.total);
    let accuracy_change = match changes[..] {
        [change] => of_images(pairs[0], change),
        _ => Interval::of(&changes),
    };
    let energy_moved = (energy_uj[1] - energy_uj[0]).abs() > ENERGY_TOLERANCE * energy_uj[0].abs();
    let accuracy_moved = accuracy_change.low > 0.0 || accuracy_change.high < 0.0;
    let verdict = if changes.iter().all(|change| *change == 0.0) && energy_uj[0] == energy_uj[1] {
        Verdict::Same
    } else if energy_moved || accuracy_moved {
        Verdict::Changed
    } else {
        Verdict::WithinNoise
    };
    Difference {
        conditions: point.conditions(),
        design: point.design,
        method: point.method,
        supply_v: point.supply_v,
        pairs: pairs.len(),
        accuracy: mean(&|record| record.accuracy),
        accuracy_change,
        energy_uj,
        verdict,
    }
}

/// One pair has no spread of its own: that of its images, as if the two runs had drawn theirs independently, which is too
/// wide for the same images.
fn of_images(pair: [&Record; 2], change: f64) -> Interval {
    let variance = pair.map(|record| record.accuracy * (1.0 - record.accuracy) / record.images as f64);
    let half = Normal::standard().inverse_cdf(0.975) * (variance[0] + variance[1]).sqrt();
    Interval { mean: change, low: change - half, high: change + half }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::array::EnergyComponents;
    use crate::report::Provenance;

    pub(in crate::report) fn record(seed: u64, supply_v: f64, accuracy: f64, energy: f64) -> Record {
        Record {
            schema: Record::SCHEMA.into(),
            point: Point {
                design: "d".into(),
                technology: "t".into(),
                array: "a".into(),
                dataset: "s".into(),
                model: "m".into(),
                method: "plain".into(),
                seed,
                supply_v,
                sram_v: 1.1,
                clock_ps: 1000.0,
                fidelity: "transition".into(),
                chip: None,
                memory: None,
                bit_error_rate: None,
                settings: Default::default(),
            },
            accuracy,
            accuracy_ci95: [0.0, 1.0],
            images: 1000,
            cycles: 1.0,
            latency_us: 1.0,
            energy_uj: EnergyComponents { total: energy, ..EnergyComponents::default() },
            product_error_rate: 0.0,
            stage_errors: None,
            provenance: Provenance {
                version: "0".into(),
                experiment_sha256: String::new(),
                table_sha256: String::new(),
                weights_fingerprint: String::new(),
                warnings: Vec::new(),
            },
        }
    }

    #[test]
    fn a_run_is_the_same_as_itself() {
        let records = [record(1, 1.1, 0.8, 2.0), record(2, 1.1, 0.81, 2.0), record(1, 0.9, 0.5, 1.0)];
        let found = differences(&records, &records);
        assert_eq!((found.only_first, found.only_second, found.common.len()), (0, 0, 2));
        assert!(found.common.iter().all(|point| point.verdict == Verdict::Same));
        assert_eq!(found.common[0].pairs, 2);
    }

    #[test]
    fn pairs_tell_small_changes_from_noise() {
        let run = |accuracies: [f64; 3], energy: f64| -> Vec<Record> {
            (0..3).map(|seed| record(seed, 1.1, accuracies[seed as usize], energy)).collect()
        };
        let before = run([0.70, 0.80, 0.90], 2.0);
        let verdict = |after: &[Record]| differences(&before, after).common[0].verdict;
        // Every seed gains about a point: its spread is far smaller than that of the seeds.
        assert_eq!(verdict(&run([0.71, 0.811, 0.909], 2.0)), Verdict::Changed);
        // As large a gain on average, but not of every seed.
        assert_eq!(verdict(&run([0.76, 0.78, 0.89], 2.0)), Verdict::WithinNoise);
        assert_eq!(verdict(&run([0.70, 0.80, 0.90], 2.001)), Verdict::WithinNoise);
        assert_eq!(verdict(&run([0.70, 0.80, 0.90], 2.1)), Verdict::Changed);
        // One seed alone: 95 % of 1.96 · √(2 · 0.7 · 0.3 / 1000) = 4.0 points.
        let one = |accuracy: f64| differences(&before[..1], &[record(0, 1.1, accuracy, 2.0)]).common[0].verdict;
        assert_eq!((one(0.735), one(0.745)), (Verdict::WithinNoise, Verdict::Changed));
    }

    #[test]
    fn what_one_run_lacks_is_counted() {
        let first = [record(1, 1.1, 0.8, 2.0), record(1, 1.0, 0.8, 2.0), record(1, 0.9, 0.8, 2.0)];
        let second = [record(1, 1.0, 0.8, 2.0), record(2, 1.0, 0.8, 2.0)];
        let found = differences(&first, &second);
        assert_eq!((found.common.len(), found.only_first, found.only_second), (1, 2, 1));
    }
}
