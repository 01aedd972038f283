//! Training methods compared at the same point, network by network.

use super::{Interval, Point, Record};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// What one training method gains over another, on networks of the same seeds at the same operating point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodComparison {
    /// The point, with the method that is compared; of the seed and the chip that came first.
    pub point: Point,
    /// Seeds that both methods have.
    pub pairs: usize,
    /// Mean share of images classified rightly, with its 95 % interval over seeds. Chips of a seed count as their mean: they share
    /// a network.
    pub accuracy: Interval,
    /// Lowest accuracy of a single seed and chip.
    pub worst: f64,
    /// Accuracy less the reference's, mean of the pairs with its 95 % interval; none of the reference itself, and none of one pair.
    pub gain: Option<Interval>,
    /// Probability of so large a gain or loss if there is none: Student's paired test, two-sided.
    pub p: Option<f64>,
    /// The same for all methods compared at this point together, after Holm (Scand. J. Statist. 6, 1979).
    pub p_holm: Option<f64>,
}

/// Compares all methods with the one called `reference` wherever it was measured: points in the order of the records, methods of a
/// point in that order. A method trained for a design is compared at that design.
pub fn compare_methods(records: &[Record], reference: &str) -> Vec<MethodComparison> {
    // Points without method, seed and chip; in each, methods with their accuracies by seed.
    type Methods = Vec<(Point, BTreeMap<u64, Vec<f64>>)>;
    let mut points: Vec<(String, Methods)> = Vec::new();
    for record in records {
        let key = condition(&record.point);
        let place = points.iter().position(|(found, _)| *found == key).unwrap_or_else(|| {
            points.push((key, Vec::new()));
            points.len() - 1
        });
        let methods = &mut points[place].1;
        let place = methods.iter().position(|(point, _)| point.method == record.point.method).unwrap_or_else(|| {
            methods.push((record.point.clone(), BTreeMap::new()));
            methods.len() - 1
        });
        methods[place].1.entry(record.point.seed).or_default().push(record.accuracy);
    }
    points.into_iter().flat_map(|(_, methods)| compare_at(methods, reference)).collect()
}

fn compare_at(methods: Vec<(Point, BTreeMap<u64, Vec<f64>>)>, reference: &str) -> Vec<MethodComparison> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of_reference = methods.iter().find(|(point, _)| point.method == reference).map(|(_, seeds)| seeds.clone());
    let mut compared: Vec<MethodComparison> = methods
        .into_iter()
        .map(|(point, seeds)| {
            let means: Vec<f64> = seeds.values().map(|chips| mean(chips)).collect();
            let other = of_reference.as_ref().filter(|_| point.method != reference);
            let gains: Vec<f64> = other.map_or(Vec::new(), |other| {
                let pairs = seeds.iter().filter_map(|(seed, chips)| Some((chips, other.get(seed)?)));
                pairs.map(|(own, other)| mean(own) - mean(other)).collect()
            });
            let gain = (gains.len() > 1).then(|| Interval::of(&gains));
            MethodComparison {
                point,
                pairs: gains.len(),
                accuracy: Interval::of(&means),
                worst: seeds.values().flatten().copied().fold(f64::INFINITY, f64::min),
                gain,
                p: gain.map(|gain| paired_probability(&gains, gain.mean)),
                p_holm: None,
            }
        })
        .collect();
    adjust(&mut compared);
    compared
}

/// Everything but method, seed and chip.
fn condition(point: &Point) -> String {
    let point = Point { method: String::new(), seed: 0, chip: None, ..point.clone() };
    serde_json::to_string(&point).expect("points serialise")
}

/// Two-sided probability of Student's test that differences with this mean come from a distribution of mean zero.
pub(super) fn paired_probability(differences: &[f64], mean: f64) -> f64 {
    let n = differences.len() as f64;
    let variance = differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if variance == 0.0 {
        return if mean == 0.0 { 1.0 } else { 0.0 };
    }
    let t = mean / (variance / n).sqrt();
    2.0 * StudentsT::new(0.0, 1.0, n - 1.0).expect("positive degrees of freedom").cdf(-t.abs())
}

/// Holm's step-down adjustment over the tests of one point.
fn adjust(compared: &mut [MethodComparison]) {
    let mut order: Vec<usize> = (0..compared.len()).filter(|&index| compared[index].p.is_some()).collect();
    order.sort_by(|&a, &b| compared[a].p.partial_cmp(&compared[b].p).expect("probabilities"));
    let mut largest = 0f64;
    for (rank, &index) in order.iter().enumerate() {
        let tests = (order.len() - rank) as f64;
        largest = largest.max(compared[index].p.expect("filtered") * tests).min(1.0);
        compared[index].p_holm = Some(largest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::difference::tests::record;

    fn records(method: &str, accuracies: &[f64]) -> Vec<Record> {
        let of_seed = |(seed, &accuracy): (usize, &f64)| {
            let mut record = record(seed as u64, 1.1, accuracy, 1.0);
            record.point.method = method.into();
            record
        };
        accuracies.iter().enumerate().map(of_seed).collect()
    }

    /// Differences 1, 2, 3, 4, 5 points: t = 3 / √(2.5 / 5) = 4.2426 with four degrees of freedom, p = 0.013236 (the table of
    /// Student's distribution has t(0.99, 4) = 3.747 and t(0.995, 4) = 4.604).
    #[test]
    fn gains_are_tested_in_pairs_and_adjusted_for_their_number() {
        let plain = records("plain", &[0.5, 0.6, 0.7, 0.8, 0.9]);
        let better = records("better", &[0.51, 0.62, 0.73, 0.84, 0.95]);
        let noise = records("noise", &[0.52, 0.58, 0.72, 0.78, 0.9]);
        let all: Vec<Record> = plain.into_iter().chain(better).chain(noise).collect();
        let found = compare_methods(&all, "plain");
        assert_eq!(
            found.iter().map(|method| method.point.method.as_str()).collect::<Vec<_>>(),
            ["plain", "better", "noise"]
        );
        assert_eq!((found[0].gain, found[0].p, found[0].pairs), (None, None, 0));
        let gain = found[1].gain.unwrap();
        assert!((gain.mean - 0.03).abs() < 1e-12 && gain.low > 0.0);
        let p = found[1].p.unwrap();
        assert!(0.01 < p && p < 0.02 && (p - 0.013_236).abs() < 1e-5, "{p}");
        // Two tests: the smaller p counts twice, the larger once.
        assert!((found[1].p_holm.unwrap() - 2.0 * p).abs() < 1e-12);
        assert!((found[2].p.unwrap() - 1.0).abs() < 1e-9 && found[2].p_holm.unwrap() <= 1.0);
        assert!(found[2].gain.unwrap().low < 0.0);
    }

    #[test]
    fn chips_of_a_seed_are_one_observation() {
        let chip = |method: &str, seed: u64, chip: u64, accuracy: f64| {
            let mut record = record(seed, 1.1, accuracy, 1.0);
            (record.point.method, record.point.chip) = (method.into(), Some(chip));
            record
        };
        let mut all = Vec::new();
        for seed in 0..2 {
            for number in 0..10 {
                let accuracy = 0.5 + 0.01 * number as f64;
                all.push(chip("plain", seed, number, accuracy));
                all.push(chip("other", seed, number, accuracy + 0.1 + 0.1 * seed as f64));
            }
        }
        let found = compare_methods(&all, "plain");
        assert_eq!(found[1].pairs, 2);
        // Gains of 0.1 and 0.2: t = 3, and with one degree of freedom p = 1 − 2 arctan(3) / π.
        let expected = 1.0 - 2.0 * 3f64.atan() / std::f64::consts::PI;
        assert!((found[1].p.unwrap() - expected).abs() < 1e-9);
        assert!((found[1].worst - 0.6).abs() < 1e-12);
    }

    #[test]
    fn points_without_the_reference_have_no_gain() {
        let found = compare_methods(&records("other", &[0.5, 0.6]), "plain");
        assert_eq!((found.len(), found[0].gain), (1, None));
    }
}
