//! Parametric distributions fitted to errors, each with its misfit.

use super::MassFunction;
use statrs::distribution::{Continuous, ContinuousCDF, Laplace, Normal};

/// A distribution of integer errors. Continuous ones give an integer what they have within half of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ErrorModel {
    /// Normal.
    Gaussian {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        deviation: f64,
    },
    /// Laplace.
    Laplace {
        /// Centre.
        median: f64,
        /// Mean distance from the centre.
        scale: f64,
    },
    /// Probability falls by the same ratio with each step away from the centre.
    TwoSidedGeometric {
        /// Centre.
        centre: i32,
        /// Ratio of neighbouring probabilities, 0…1.
        ratio: f64,
    },
    /// Zero with a probability of its own, and otherwise normal without zero.
    SpikedGaussian {
        /// Probability of zero.
        spike: f64,
        /// Mean of the normal part.
        mean: f64,
        /// Standard deviation of the normal part.
        deviation: f64,
    },
}

/// A fitted distribution and how far it is from the errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The distribution.
    pub model: ErrorModel,
    /// Largest difference of the cumulative distributions (Kolmogorov–Smirnov), 0…1.
    pub ks: f64,
    /// Akaike's information criterion: twice the parameters less twice the logarithm of the likelihood.
    pub aic: f64,
}

impl ErrorModel {
    /// Name, as reports show it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gaussian { .. } => "normal",
            Self::Laplace { .. } => "Laplace",
            Self::TwoSidedGeometric { .. } => "two-sided geometric",
            Self::SpikedGaussian { .. } => "spike and normal",
        }
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u32 {
        match self {
            Self::SpikedGaussian { .. } => 3,
            _ => 2,
        }
    }

    /// Probability of an error of at most `value`.
    pub fn cumulative(&self, value: i32) -> f64 {
        let edge = f64::from(value) + 0.5;
        match *self {
            Self::Gaussian { mean, deviation } => normal(mean, deviation).cdf(edge),
            Self::Laplace { median, scale } => laplace(median, scale).cdf(edge),
            Self::TwoSidedGeometric { centre, ratio } if value < centre => {
                ratio.powf(f64::from(centre) - f64::from(value)) / (1.0 + ratio)
            }
            Self::TwoSidedGeometric { centre, ratio } => {
                1.0 - ratio.powf(f64::from(value) - f64::from(centre) + 1.0) / (1.0 + ratio)
            }
            Self::SpikedGaussian { spike, mean, deviation } => {
                let normal = normal(mean, deviation);
                let zero = interval(&normal, mean, 0);
                let below = normal.cdf(edge) - if value < 0 { 0.0 } else { zero };
                (1.0 - spike) * below / (1.0 - zero) + if value < 0 { 0.0 } else { spike }
            }
        }
    }

    /// Logarithm of the probability of an error of `value`.
    pub fn ln_probability(&self, value: i32) -> f64 {
        match *self {
            Self::Gaussian { mean, deviation } => ln_interval(&normal(mean, deviation), mean, value),
            Self::Laplace { median, scale } => match (f64::from(value) - median).abs() {
                // On one side of the centre the integral has a logarithm that cannot underflow.
                distance if distance >= 0.5 => (0.5 - distance) / scale + (-(-1.0 / scale).exp_m1() / 2.0).ln(),
                _ => interval(&laplace(median, scale), median, value).ln(),
            },
            Self::TwoSidedGeometric { centre, ratio } => {
                ((1.0 - ratio) / (1.0 + ratio)).ln() + (f64::from(value) - f64::from(centre)).abs() * ratio.ln()
            }
            Self::SpikedGaussian { spike, .. } if value == 0 => spike.ln(),
            Self::SpikedGaussian { spike, mean, deviation } => {
                let normal = normal(mean, deviation);
                ln_interval(&normal, mean, value) + ((1.0 - spike) / (1.0 - interval(&normal, mean, 0))).ln()
            }
        }
    }
}

fn normal(mean: f64, deviation: f64) -> Normal {
    Normal::new(mean, deviation).expect("a positive deviation")
}

fn laplace(median: f64, scale: f64) -> Laplace {
    Laplace::new(median, scale).expect("a positive scale")
}

/// Probability within half of `value`, from the nearer tail so that far ones keep their digits.
fn interval(distribution: &impl ContinuousCDF<f64, f64>, centre: f64, value: i32) -> f64 {
    let [low, high] = [-0.5, 0.5].map(|half| f64::from(value) + half);
    if f64::from(value) > centre {
        distribution.sf(low) - distribution.sf(high)
    } else {
        distribution.cdf(high) - distribution.cdf(low)
    }
}

/// Its logarithm; of the density where the probability is too small for a float.
fn ln_interval(normal: &Normal, mean: f64, value: i32) -> f64 {
    let probability = interval(normal, mean, value);
    if probability > 1e-290 { probability.ln() } else { normal.ln_pdf(f64::from(value)) }
}

/// Every model fitted to the errors of so many observations, best first by [`Fit::aic`]; models that need more different
/// errors than there are, are left out.
///
/// The normal distribution takes the errors' moments, the others maximise the likelihood; the normal part of the spike's
/// mixture takes the moments of errors that are not zero.
pub fn fits(errors: &MassFunction, observations: f64) -> Vec<Fit> {
    let models = [gaussian(errors), laplace_fit(errors), geometric(errors), spiked(errors)];
    let mut fits: Vec<Fit> = models.into_iter().flatten().map(|model| judged(model, errors, observations)).collect();
    fits.sort_by(|first, second| first.aic.total_cmp(&second.aic));
    fits
}

fn gaussian(errors: &MassFunction) -> Option<ErrorModel> {
    let (mean, deviation) = (errors.mean(), errors.variance().sqrt());
    (deviation > 0.0).then_some(ErrorModel::Gaussian { mean, deviation })
}

/// The median and the mean distance from it.
fn distance(errors: &MassFunction) -> Option<(i32, f64)> {
    let mut below = 0.0;
    let median = errors.iter().find(|(_, probability)| {
        below += probability;
        below >= 0.5
    });
    let (median, _) = median?;
    let distance: f64 =
        errors.iter().map(|(value, probability)| (f64::from(value) - f64::from(median)).abs() * probability).sum();
    (distance > 0.0).then_some((median, distance))
}

fn laplace_fit(errors: &MassFunction) -> Option<ErrorModel> {
    let (median, scale) = distance(errors)?;
    Some(ErrorModel::Laplace { median: f64::from(median), scale })
}

/// The mean distance of a two-sided geometric variate is 2q / (1 − q²), which is solved for q.
fn geometric(errors: &MassFunction) -> Option<ErrorModel> {
    let (centre, distance) = distance(errors)?;
    let ratio = ((1.0 + distance * distance).sqrt() - 1.0) / distance;
    (ratio > 0.0).then_some(ErrorModel::TwoSidedGeometric { centre, ratio })
}

fn spiked(errors: &MassFunction) -> Option<ErrorModel> {
    let rate = errors.error_rate();
    let moment = |power: i32| {
        let moments = errors.iter().filter(|(value, _)| *value != 0);
        moments.map(|(value, probability)| f64::from(value).powi(power) * probability).sum::<f64>() / rate
    };
    let (mean, square) = (moment(1), moment(2));
    let deviation = (square - mean * mean).sqrt();
    let fits = rate > 0.0 && rate < 1.0 && deviation > 1e-6 * square.sqrt();
    fits.then_some(ErrorModel::SpikedGaussian { spike: 1.0 - rate, mean, deviation })
}

fn judged(model: ErrorModel, errors: &MassFunction, observations: f64) -> Fit {
    let (mut below, mut ks, mut likelihood) = (0.0, 0.0f64, 0.0);
    for (value, probability) in errors.iter() {
        // The difference is largest at a value or just before the next.
        ks = ks.max((model.cumulative(value.saturating_sub(1)) - below).abs());
        below += probability;
        ks = ks.max((model.cumulative(value) - below).abs());
        likelihood += probability * model.ln_probability(value);
    }
    Fit { model, ks, aic: 2.0 * f64::from(model.parameters()) - 2.0 * observations * likelihood }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a model gives the integers of −400…400.
    fn mass(model: ErrorModel) -> MassFunction {
        let value: Vec<i32> = (-400..=400).collect();
        let probability = value.iter().map(|value| model.ln_probability(*value).exp()).collect();
        MassFunction { value, probability }
    }

    const MODELS: [ErrorModel; 4] = [
        ErrorModel::Gaussian { mean: 3.2, deviation: 21.0 },
        ErrorModel::Laplace { median: -4.0, scale: 15.0 },
        ErrorModel::TwoSidedGeometric { centre: 2, ratio: 0.4 },
        ErrorModel::SpikedGaussian { spike: 0.7, mean: 60.0, deviation: 14.0 },
    ];

    #[test]
    fn probabilities_and_cumulative_distributions_agree() {
        for model in MODELS {
            let mut below = 0.0;
            for (value, probability) in mass(model).iter() {
                below += probability;
                assert!((model.cumulative(value) - below).abs() < 1e-9, "{model:?} at {value}");
            }
            assert!((below - 1.0).abs() < 1e-9, "{model:?}");
            assert!(model.ln_probability(-30_000).is_finite(), "{model:?}");
        }
    }

    #[test]
    fn each_model_finds_itself() {
        for model in MODELS {
            let best = fits(&mass(model), 1e5)[0];
            assert_eq!(best.model.name(), model.name());
            assert!(best.ks < 2e-3, "{best:?}");
            let close = |found: f64, expected: f64| (found - expected).abs() < 0.01 * expected.abs().max(1.0);
            let same = match (best.model, model) {
                (ErrorModel::Gaussian { mean, deviation }, ErrorModel::Gaussian { mean: m, deviation: d }) => {
                    close(mean, m) && close(deviation, d)
                }
                (ErrorModel::Laplace { median, scale }, ErrorModel::Laplace { median: m, scale: s }) => {
                    close(median, m) && close(scale, s)
                }
                (
                    ErrorModel::TwoSidedGeometric { centre, ratio },
                    ErrorModel::TwoSidedGeometric { centre: c, ratio: r },
                ) => centre == c && (ratio - r).abs() < 1e-9,
                (
                    ErrorModel::SpikedGaussian { spike, mean, deviation },
                    ErrorModel::SpikedGaussian { spike: s, mean: m, deviation: d },
                ) => close(spike, s) && close(mean, m) && close(deviation, d),
                _ => false,
            };
            assert!(same, "{best:?} is not {model:?}");
        }
    }

    /// ±1 equally likely: the normal distribution of the same moments has Φ(−0.5) below zero where the errors have ½.
    #[test]
    fn the_misfit_is_the_largest_gap() {
        let errors = MassFunction { value: vec![-1, 1], probability: vec![0.5, 0.5] };
        let fits = fits(&errors, 10.0);
        let normal = fits.iter().find(|fit| fit.model.name() == "normal").unwrap();
        let standard = Normal::standard();
        assert_eq!(normal.model, ErrorModel::Gaussian { mean: 0.0, deviation: 1.0 });
        assert!((normal.ks - (0.5 - standard.cdf(-0.5))).abs() < 1e-12);
        let likelihood = 10.0 * (standard.cdf(1.5) - standard.cdf(0.5)).ln();
        assert!((normal.aic - (4.0 - 2.0 * likelihood)).abs() < 1e-9);
    }

    #[test]
    fn errors_that_never_vary_have_no_fit() {
        for value in [0, -7] {
            assert!(fits(&MassFunction { value: vec![value], probability: vec![1.0] }, 100.0).is_empty());
        }
    }
}
