//! How often each operand occurs.

use crate::multiplier::operand_value;
use std::str::FromStr;
use thiserror::Error;

/// A distribution over the codes of one operand.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OperandDistribution {
    /// Every code equally often.
    #[default]
    Uniform,
    /// In proportion to the normal density at the number each code stands for.
    Normal {
        /// Mean, in the operand's units.
        mean: f64,
        /// Standard deviation, positive.
        standard_deviation: f64,
    },
    /// In proportion to a weight for each code, in code order.
    Histogram(Vec<f64>),
}

/// Why a distribution cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DistributionError {
    /// A histogram for another width.
    #[error("a histogram of {weights} weights for an operand of {width} bits; it needs {}", 1u64 << width)]
    Length {
        /// Weights given.
        weights: usize,
        /// Bits of the operand.
        width: u32,
    },
    /// A weight that is negative or not a number, or nothing but zeros.
    #[error("weights are finite and not negative, and some code has one")]
    Weights,
    /// A normal distribution without a width.
    #[error(
        "a normal distribution has a finite mean and a positive standard deviation, not {mean} and {standard_deviation}"
    )]
    Normal {
        /// Mean given.
        mean: f64,
        /// Standard deviation given.
        standard_deviation: f64,
    },
    /// A line of a histogram that is not a number.
    #[error("line {line}: \"{text}\" is not a weight; write one number a line, in code order")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// Neither `uniform` nor `normal:mean,sd`.
    #[error("\"{0}\" is neither \"uniform\" nor \"normal:mean,sd\"")]
    Name(String),
}

/// `uniform` or `normal:mean,sd`.
impl FromStr for OperandDistribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "uniform" {
            return Ok(Self::Uniform);
        }
        let numbers = text.strip_prefix("normal:").and_then(|rest| rest.split_once(','));
        let parsed = numbers.and_then(|(mean, sd)| Some((mean.trim().parse().ok()?, sd.trim().parse().ok()?)));
        let (mean, standard_deviation) = parsed.ok_or_else(|| DistributionError::Name(text.to_owned()))?;
        Ok(Self::Normal { mean, standard_deviation })
    }
}

impl OperandDistribution {
    /// Reads a histogram: one weight a line, in code order; empty lines and what follows `#` are ignored.
    pub fn histogram(text: &str) -> Result<Self, DistributionError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or("").trim()).enumerate();
        let weights = lines.filter(|(_, text)| !text.is_empty()).map(|(index, text)| {
            text.parse().map_err(|_| DistributionError::Line { line: index + 1, text: text.to_owned() })
        });
        Ok(Self::Histogram(weights.collect::<Result<_, _>>()?))
    }

    /// Probability of each code of an operand.
    pub fn probabilities(&self, width: u32, signed: bool) -> Result<Vec<f64>, DistributionError> {
        let codes = 0..1u32 << width;
        let weights: Vec<f64> = match *self {
            Self::Uniform => vec![1.0; codes.len()],
            Self::Normal { mean, standard_deviation } => {
                if !(mean.is_finite() && standard_deviation.is_finite() && standard_deviation > 0.0) {
                    return Err(DistributionError::Normal { mean, standard_deviation });
                }
                let exponent = |code| {
                    let deviation = (operand_value(code, width, signed) as f64 - mean) / standard_deviation;
                    -0.5 * deviation * deviation
                };
                // Relative to the likeliest code, so that a mean far outside the operand's range does not underflow.
                let highest = codes.clone().map(exponent).fold(f64::NEG_INFINITY, f64::max);
                codes.map(|code| (exponent(code) - highest).exp()).collect()
            }
            Self::Histogram(ref weights) if weights.len() != codes.len() => {
                return Err(DistributionError::Length { weights: weights.len(), width });
            }
            Self::Histogram(ref weights) => weights.clone(),
        };
        let total: f64 = weights.iter().sum();
        if !(weights.iter().all(|weight| *weight >= 0.0) && total.is_finite() && total > 0.0) {
            return Err(DistributionError::Weights);
        }
        Ok(weights.into_iter().map(|weight| weight / total).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_read_as_written() {
        assert_eq!("uniform".parse(), Ok(OperandDistribution::Uniform));
        let normal = OperandDistribution::Normal { mean: -3.5, standard_deviation: 2.0 };
        assert_eq!("normal:-3.5, 2".parse(), Ok(normal));
        for wrong in ["normal", "normal:1", "gauss:1,2", "normal:a,b"] {
            assert_eq!(wrong.parse::<OperandDistribution>(), Err(DistributionError::Name(wrong.to_owned())));
        }
        let histogram = OperandDistribution::histogram("# codes 0 to 3\n1\n2.5 # often\n\n0\n4e0\n");
        assert_eq!(histogram, Ok(OperandDistribution::Histogram(vec![1.0, 2.5, 0.0, 4.0])));
        let wrong = OperandDistribution::histogram("1\nmany\n").unwrap_err();
        assert_eq!(wrong, DistributionError::Line { line: 2, text: "many".to_owned() });
    }

    /// Three bits, signed: codes 0…3 are 0…3, codes 4…7 are −4…−1.
    #[test]
    fn a_normal_distribution_follows_values_not_codes() {
        let normal = OperandDistribution::Normal { mean: -1.0, standard_deviation: 1.5 };
        let probabilities = normal.probabilities(3, true).unwrap();
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // −2 and 0 lie one below and one above the mean, at density e^(−1/4.5) of its own.
        assert_eq!(probabilities[6], probabilities[0]);
        assert!((probabilities[0] / probabilities[7] - (-1.0f64 / 4.5).exp()).abs() < 1e-12);
        let far = OperandDistribution::Normal { mean: 1e6, standard_deviation: 1.0 };
        assert_eq!(far.probabilities(3, true).unwrap()[3], 1.0);
    }

    #[test]
    fn unusable_distributions_are_refused() {
        let probabilities = |distribution: OperandDistribution| distribution.probabilities(2, false).unwrap_err();
        let histogram = |weights: &[f64]| OperandDistribution::Histogram(weights.to_vec());
        assert_eq!(probabilities(histogram(&[1.0])), DistributionError::Length { weights: 1, width: 2 });
        for weights in [[0.0; 4], [1.0, -1.0, 1.0, 1.0], [f64::NAN; 4], [f64::INFINITY; 4]] {
            assert_eq!(probabilities(histogram(&weights)), DistributionError::Weights);
        }
        let flat = OperandDistribution::Normal { mean: 0.0, standard_deviation: 0.0 };
        assert_eq!(probabilities(flat.clone()), DistributionError::Normal { mean: 0.0, standard_deviation: 0.0 });
    }
}
