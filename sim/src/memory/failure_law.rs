//! How likely a cell is to fail, over supply.

use serde::Deserialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// A way of failing whose threshold is normally distributed over cells.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mechanism {
    /// Supply at which half of the cells fail so, in units of Vmin.
    pub mean: f64,
    /// Standard deviation over cells, in units of Vmin.
    pub sigma: f64,
}

impl Mechanism {
    fn probability(self, supply: f64) -> f64 {
        Normal::standard().cdf((self.mean - supply) / self.sigma)
    }
}

/// Failure probability of a cell over supply, in units of the lowest supply at which no cell fails (Vmin).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "model", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FailureLaw {
    /// Φ((v50 − V) / sigma).
    Probit {
        /// Supply at which half of the cells fail.
        v50: f64,
        /// Standard deviation over cells.
        sigma: f64,
    },
    /// Measured points; between them, and above the highest supply, Φ⁻¹(p) is linear in V. Lower supplies are refused.
    Table {
        /// Supplies, growing.
        v: Vec<f64>,
        /// Failure probabilities, falling.
        p: Vec<f64>,
    },
    /// Independent ways of failing: 1 − Π (1 − p).
    Mechanisms {
        /// Reading destroys the bit or is not finished in time.
        read: Option<Mechanism>,
        /// The bit cannot be overwritten.
        write: Option<Mechanism>,
        /// The bit is lost while nobody looks.
        hold: Option<Mechanism>,
    },
}

impl FailureLaw {
    /// What is wrong with the numbers, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match self {
            Self::Probit { v50, sigma } if !(v50.is_finite() && positive(*sigma)) => {
                Some(format!("v50 = {v50}, sigma = {sigma}: sigma must be above 0, both finite"))
            }
            Self::Probit { .. } => None,
            Self::Table { v, p } => {
                let increasing = v.iter().all(|v| positive(*v)) && v.is_sorted_by(|a, b| a < b);
                if v.len() != p.len() || v.len() < 2 || !increasing {
                    return Some(
                        "a table needs two or more growing supplies v and as many probabilities p".to_owned(),
                    );
                }
                if let Some(wrong) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
                    return Some(format!("a probability of {wrong}; probabilities lie in 0…1"));
                }
                let interior = p.iter().all(|p| *p > 0.0 && *p < 1.0) && p.is_sorted_by(|a, b| a > b);
                (!interior).then(|| {
                    "probabilities must fall as the supply grows, and lie between 0 and 1: leave out points without errors"
                        .to_owned()
                })
            }
            Self::Mechanisms { read, write, hold } => {
                let given: Vec<&Mechanism> = [read, write, hold].into_iter().flatten().collect();
                if given.is_empty() {
                    return Some("give one of read, write and hold at least".to_owned());
                }
                let wrong = given.iter().find(|one| !(one.mean.is_finite() && positive(one.sigma)));
                wrong.map(|one| format!("mean = {}, sigma = {}: sigma must be above 0", one.mean, one.sigma))
            }
        }
    }

    /// Share of cells that fail at `supply`, in units of Vmin; `None` below the lowest supply of a table.
    pub fn probability(&self, supply: f64) -> Option<f64> {
        match self {
            Self::Probit { v50, sigma } => Some(Mechanism { mean: *v50, sigma: *sigma }.probability(supply)),
            Self::Table { v, p } => {
                if supply < v[0] {
                    return None;
                }
                let upper = v.partition_point(|v| *v < supply).clamp(1, v.len() - 1);
                let normal = Normal::standard();
                let [low, high] = [p[upper - 1], p[upper]].map(|p| normal.inverse_cdf(p));
                let share = (supply - v[upper - 1]) / (v[upper] - v[upper - 1]);
                Some(normal.cdf(low + share * (high - low)))
            }
            Self::Mechanisms { read, write, hold } => {
                let survive = [read, write, hold].into_iter().flatten().map(|one| 1.0 - one.probability(supply));
                Some(1.0 - survive.product::<f64>())
            }
        }
    }

    /// The lowest supply the law covers.
    pub(super) fn lowest(&self) -> f64 {
        match self {
            Self::Table { v, .. } => v[0],
            Self::Probit { .. } | Self::Mechanisms { .. } => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: [f64; 6] = [0.750, 0.792, 0.833, 0.875, 0.917, 0.958];
    /// Bit errors of 14 nm silicon at these supplies: Chandramoorthy et al., HPCA 2019, digitised from figure 1 of Stutz et
    /// al., MLSys 2021.
    const P: [f64; 6] = [0.2056, 0.05573, 0.01115, 1.290e-3, 6.87e-5, 1.91e-6];

    #[test]
    fn the_fit_is_within_a_factor_of_1_3_of_silicon() {
        let law = FailureLaw::Probit { v50: 0.7056, sigma: 0.0552 };
        for (v, p) in V.into_iter().zip(P) {
            let ratio = law.probability(v).unwrap() / p;
            assert!((1.0 / 1.3..=1.3).contains(&ratio), "{v}: {ratio}");
        }
        // Half of the cells at v50; one standard deviation above it, Φ(−1).
        assert!((law.probability(0.7056).unwrap() - 0.5).abs() < 1e-9);
        assert!((law.probability(0.7056 + 0.0552).unwrap() - 0.158_655_25).abs() < 1e-6);
    }

    #[test]
    fn a_table_passes_through_its_points_and_falls_between_and_above_them() {
        let law = FailureLaw::Table { v: V.into(), p: P.into() };
        assert_eq!(law.problem(), None);
        for (v, p) in V.into_iter().zip(P) {
            assert!((law.probability(v).unwrap() / p - 1.0).abs() < 1e-6);
        }
        let fine: Vec<f64> = (0..300).map(|step| law.probability(0.75 + 0.001 * f64::from(step)).unwrap()).collect();
        assert!(fine.is_sorted_by(|a, b| a > b));
        assert_eq!(law.probability(0.749), None);
    }

    #[test]
    fn mechanisms_are_joined_as_independent_events() {
        let [read, write] = [Mechanism { mean: 0.7, sigma: 0.05 }, Mechanism { mean: 0.65, sigma: 0.08 }];
        let law = FailureLaw::Mechanisms { read: Some(read), write: Some(write), hold: None };
        let alone = |one: Mechanism| one.probability(0.68);
        let joined = alone(read) + alone(write) - alone(read) * alone(write);
        assert!((law.probability(0.68).unwrap() - joined).abs() < 1e-12);
    }

    #[test]
    fn impossible_numbers_are_named() {
        let table = |v: &[f64], p: &[f64]| FailureLaw::Table { v: v.into(), p: p.into() };
        for law in [
            FailureLaw::Probit { v50: 0.7, sigma: 0.0 },
            FailureLaw::Probit { v50: f64::NAN, sigma: 0.1 },
            table(&[0.8], &[0.1]),
            table(&[0.8, 0.7], &[0.1, 0.05]),
            table(&[0.7, 0.8], &[0.1, 1.5]),
            table(&[0.7, 0.8], &[0.1, 0.2]),
            table(&[0.7, 0.8], &[0.1, 0.0]),
            FailureLaw::Mechanisms { read: None, write: None, hold: None },
        ] {
            assert!(law.problem().is_some(), "{law:?}");
        }
    }
}
