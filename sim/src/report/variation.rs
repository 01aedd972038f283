//! How chips differ, as `characterize --chips` says it.

use crate::profile::{ChipPoint, ChipSpec};
use crate::technology::OperatingPoint;
use crate::workload::Accuracy;
use serde::{Deserialize, Serialize};

/// A number over chips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of a chip.
    pub sd: f64,
    /// 5 % of chips are below.
    pub q05: f64,
    /// Half of them.
    pub median: f64,
    /// 95 %.
    pub q95: f64,
}

impl Spread {
    /// Of some values; `None` of none. Quantiles between two values are interpolated.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let quantile = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self {
            mean,
            sd: (squares / (count - 1.0).max(1.0)).sqrt(),
            q05: quantile(0.05),
            median: quantile(0.5),
            q95: quantile(0.95),
        })
    }
}

/// Chips at one operating point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariationPoint {
    /// Supply, V.
    pub supply_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// Static critical path, ps.
    pub critical_path_ps: Spread,
    /// Share of wrong products.
    pub error_rate: Spread,
    /// Energy of an operation, fJ; `null` if the registers of every chip take longer than the period.
    pub energy_fj: Option<Spread>,
    /// Share of chips whose critical path is over before the sampling edge: no operands fail.
    pub yield_share: f64,
    /// Its 95 % confidence interval.
    pub yield_ci95: [f64; 2],
    /// Share of chips with no wrong product among those drawn.
    pub error_free_share: f64,
}

/// Chips at all operating points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariationReport {
    /// Chips.
    pub chips: u64,
    /// What they and their operations were drawn from.
    pub seed: u64,
    /// Operations drawn at each point of each chip.
    pub operations: u64,
    /// Operating points, in the order asked for.
    pub points: Vec<VariationPoint>,
}

impl VariationReport {
    /// Sums up what [`crate::profile::simulate_chips`] found.
    ///
    /// # Panics
    /// If there is no chip.
    pub fn new(spec: ChipSpec, points: &[OperatingPoint], found: &[Vec<ChipPoint>]) -> Self {
        let points = points.iter().zip(found).map(|(point, chips)| {
            let share = |good: &dyn Fn(&ChipPoint) -> bool| {
                let correct = chips.iter().filter(|chip| good(chip)).count();
                Accuracy { correct, images: chips.len() }
            };
            let settled = share(&|chip| chip.settles);
            let spread = |value: fn(&ChipPoint) -> f64| Spread::of(chips.iter().map(value)).expect("a chip");
            VariationPoint {
                supply_v: point.supply.0,
                clock_ps: point.clock_ps,
                critical_path_ps: spread(|chip| chip.critical_ps),
                error_rate: spread(|chip| chip.error_rate),
                energy_fj: Spread::of(chips.iter().filter_map(|chip| chip.energy_fj)),
                yield_share: settled.fraction(),
                yield_ci95: settled.interval(0.95),
                error_free_share: share(&|chip| chip.error_rate == 0.0).fraction(),
            }
        });
        let ChipSpec { chips, operations, seed, .. } = spec;
        Self { chips, seed, operations, points: points.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_the_textbook() {
        // 0, 1, …, 20 in disorder: mean 10, variance 21 · 22 / 12.
        let spread = Spread::of((0..21).map(|value| f64::from(value * 8 % 21))).unwrap();
        let expected = Spread { mean: 10.0, sd: 38.5f64.sqrt(), q05: 1.0, median: 10.0, q95: 19.0 };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of([3.0]), Some(Spread { mean: 3.0, sd: 0.0, q05: 3.0, median: 3.0, q95: 3.0 }));
        assert_eq!(Spread::of([]), None);
    }
}
