//! Means over seeds, and the answer they give.

use super::Record;
use crate::array::EnergyComponents;
use crate::profile::half_interval;
use serde::Serialize;
use std::collections::HashMap;

/// A mean with its 95 % confidence interval over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Mean and Student's t interval of a sample; without spread if there is only one value.
    ///
    /// # Panics
    /// If there are no values.
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a mean needs values");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let half = half_interval(values);
        Self { mean, low: mean - half, high: mean + half }
    }
}

/// All seeds of one method on one design at one supply.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Multiplier.
    pub design: String,
    /// Training method.
    pub method: String,
    /// Supply of the logic, V.
    pub supply_v: f64,
    /// Share of images classified rightly.
    pub accuracy: Interval,
    /// Mean energy an image.
    pub energy_uj: EnergyComponents,
    /// Mean share of multiplications that sampled a wrong product.
    pub product_error_rate: f64,
    /// Number of seeds.
    pub seeds: usize,
}

/// Groups records by design, method and supply, in order of first appearance; networks on memories that fail are left out. A
/// method that trains for a memory is named with it.
pub fn aggregate(records: &[Record]) -> Vec<Aggregate> {
    type Key = (String, String, u64);
    let mut positions: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<(Key, Vec<&Record>)> = Vec::new();
    for record in records.iter().filter(|record| record.point.chip.is_none()) {
        let point = &record.point;
        let method = match &point.memory {
            Some(memory) => format!("{} ({memory})", point.method),
            None => point.method.clone(),
        };
        let key = (point.design.clone(), method, point.supply_v.to_bits());
        let position = *positions.entry(key.clone()).or_insert(groups.len());
        if position == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[position].1.push(record);
    }
    groups
        .into_iter()
        .map(|((design, method, supply_v), members)| {
            let accuracies: Vec<f64> = members.iter().map(|record| record.accuracy).collect();
            let rates: f64 = members.iter().map(|record| record.product_error_rate).sum();
            Aggregate {
                design,
                method,
                supply_v: f64::from_bits(supply_v),
                accuracy: Interval::of(&accuracies),
                energy_uj: EnergyComponents::mean(members.iter().map(|record| &record.energy_uj)),
                product_error_rate: rates / members.len() as f64,
                seeds: members.len(),
            }
        })
        .collect()
}

/// The point of least energy whose mean accuracy is at least `accuracy`, among those that `eligible` picks.
pub fn cheapest_within(
    points: &[Aggregate],
    accuracy: f64,
    eligible: impl Fn(&Aggregate) -> bool,
) -> Option<&Aggregate> {
    let good = points.iter().filter(|point| eligible(point) && point.accuracy.mean >= accuracy);
    good.min_by(|a, b| a.energy_uj.total.total_cmp(&b.energy_uj.total))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three values: t(0.975, 2) = 4.302653, standard error of 1, 2, 3 is 1/√3.
    #[test]
    fn the_interval_is_students() {
        let interval = Interval::of(&[1.0, 2.0, 3.0]);
        let half = 4.302_653 / 3f64.sqrt();
        assert!((interval.mean - 2.0).abs() < 1e-12);
        assert!((interval.high - 2.0 - half).abs() < 1e-5 && (2.0 - interval.low - half).abs() < 1e-5);
        assert_eq!(Interval::of(&[0.5]), Interval { mean: 0.5, low: 0.5, high: 0.5 });
    }
}
