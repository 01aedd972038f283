//! How real numbers become codes: bits, scales and zero points, and the range that they cover.

use crate::error::TrainError;

/// How weights and hidden activations are rounded. Pixels are codes 0…127 whatever is set here, and the last layer has one
/// scale for all its channels, because its sums are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Bits of a weight's code, its sign among them, 2 to 8: codes are ±(2^(bits − 1) − 1).
    pub weight_bits: u32,
    /// Bits of an activation's code, which has no sign, 2 to 7: codes are 0…2^bits − 1.
    pub activation_bits: u32,
    /// Whose weights share a scale.
    pub granularity: Granularity,
    /// Where code 0 of weights lies.
    pub scheme: Scheme,
    /// Which range of weights codes cover.
    pub weight_range: RangeEstimator,
    /// Which range of a batch's activations codes cover; scales follow its running mean.
    pub activation_range: RangeEstimator,
}

/// Whose weights share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// All of a layer.
    PerTensor,
    /// Those of an output channel.
    PerChannel,
}

/// Where code 0 of weights lies. Activations, which are not negative, have it at 0 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// At 0.
    Symmetric,
    /// Where it makes codes span the weights from their least to their largest (Jacob et al., CVPR 2018); 0 has a code of its own, the
    /// zero point.
    Affine,
}

/// Which range of some numbers codes cover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RangeEstimator {
    /// All of them.
    MinMax,
    /// All but those beyond this percentile, in percent: of magnitudes, or from either end in an affine scheme.
    Percentile(f64),
    /// The part of it that makes rounding's mean square error least.
    MeanSquare,
}

impl Default for Quantization {
    fn default() -> Self {
        Self {
            weight_bits: 8,
            activation_bits: 7,
            granularity: Granularity::PerTensor,
            scheme: Scheme::Symmetric,
            weight_range: RangeEstimator::MinMax,
            activation_range: RangeEstimator::MinMax,
        }
    }
}

impl Quantization {
    /// Largest magnitude of a weight's code.
    pub(crate) fn largest_weight(&self) -> f32 {
        ((1u32 << (self.weight_bits - 1)) - 1) as f32
    }

    /// Largest code of an activation.
    pub(crate) fn largest_activation(&self) -> f32 {
        ((1u32 << self.activation_bits) - 1) as f32
    }

    pub(crate) fn validate(&self) -> Result<(), TrainError> {
        let refused = |setting, found: String, needed: &str| {
            Err(TrainError::Setting { setting, found, needed: needed.to_owned() })
        };
        if !(2..=8).contains(&self.weight_bits) {
            return refused("quantization.weight_bits", self.weight_bits.to_string(), "2 to 8");
        }
        if !(2..=7).contains(&self.activation_bits) {
            return refused("quantization.activation_bits", self.activation_bits.to_string(), "2 to 7");
        }
        for (setting, range) in [
            ("quantization.weight_range", self.weight_range),
            ("quantization.activation_range", self.activation_range),
        ] {
            match range {
                RangeEstimator::Percentile(percent) if !(percent > 50.0 && percent <= 100.0) => {
                    return refused(setting, format!("a percentile of {percent}"), "above 50 and at most 100");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Bins of magnitudes in which ranges are looked for.
const BINS: usize = 2048;

/// Ranges that are tried, as shares of the whole one.
const SHARES: usize = 100;

impl RangeEstimator {
    /// Largest magnitude that codes of so many steps above 0 cover; that of `values` is `peak`.
    ///
    /// Values below 0 count as 0 if the codes have no sign.
    pub(crate) fn peak(self, values: &[f32], peak: f32, steps: f32, signed: bool) -> f32 {
        let magnitude = |&value: &f32| if signed { value.abs() } else { value.max(0.0) };
        let is_range = peak.is_finite() && peak > 0.0;
        match self {
            Self::Percentile(percent) if is_range => {
                let mut magnitudes: Vec<f32> = values.iter().map(magnitude).collect();
                let rank = rank(percent, magnitudes.len());
                let (_, found, _) = magnitudes.select_nth_unstable_by(rank, f32::total_cmp);
                // More than the percentile may be zeros.
                if *found > 0.0 { *found } else { peak }
            }
            Self::MeanSquare if is_range => least_error(values.iter().map(magnitude), [0.0, peak], steps)[1],
            _ => peak,
        }
    }

    /// Least and largest weight that codes `steps` apart in all cover; 0 lies between them.
    pub(crate) fn ends(self, weights: &[f32], steps: f32) -> [f32; 2] {
        let whole = weights.iter().fold([0f32; 2], |[least, most], &weight| [least.min(weight), most.max(weight)]);
        match self {
            Self::MinMax => whole,
            Self::Percentile(percent) => {
                let mut sorted = weights.to_vec();
                sorted.sort_unstable_by(f32::total_cmp);
                let rank = rank(percent, sorted.len());
                [sorted[sorted.len() - 1 - rank].min(0.0), sorted[rank].max(0.0)]
            }
            Self::MeanSquare => least_error(weights.iter().copied(), whole, steps),
        }
    }
}

/// Place of a percentile among so many sorted numbers.
fn rank(percent: f64, count: usize) -> usize {
    ((percent / 100.0 * count as f64).ceil() as usize).clamp(1, count) - 1
}

/// The share of a range in which rounding to `steps` steps, and saturating beyond, makes the least mean square error. Numbers count
/// as the middle of one of [`BINS`] bins.
fn least_error(values: impl Iterator<Item = f32>, [least, most]: [f32; 2], steps: f32) -> [f32; 2] {
    let width = f64::from(most - least) / BINS as f64;
    if width.is_nan() || width <= 0.0 {
        return [least, most];
    }
    let mut bins = vec![0u32; BINS];
    values.for_each(|value| bins[((f64::from(value - least) / width) as usize).min(BINS - 1)] += 1);
    let error = |share: f64| -> f64 {
        let step = share * f64::from(most - least) / f64::from(steps);
        // Ends on the grid, which has 0 on it.
        let [low, high] = [least, most].map(|end| (share * f64::from(end) / step).round());
        let of_bin = |(bin, &count): (usize, &u32)| {
            // A bin that begins at 0 without negative numbers is zeros for the most part, as activations are.
            let value = if bin == 0 && least == 0.0 { 0.0 } else { f64::from(least) + (bin as f64 + 0.5) * width };
            let rounded = (value / step).round().clamp(low, high) * step;
            f64::from(count) * (value - rounded).powi(2)
        };
        bins.iter().enumerate().filter(|(_, count)| **count > 0).map(of_bin).sum()
    };
    let shares = (1..=SHARES).rev().map(|share| share as f64 / SHARES as f64);
    // Of equal errors the wider range.
    let best =
        shares.map(|share| (error(share), share)).reduce(|best, next| if next.0 < best.0 { next } else { best });
    let (_, share) = best.expect("shares to try");
    [least, most].map(|end| (f64::from(end) * share) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_leaves_out_its_share() {
        let values: Vec<f32> = (1..=1000).map(|value| value as f32).collect();
        assert_eq!(RangeEstimator::Percentile(99.0).peak(&values, 1000.0, 127.0, false), 990.0);
        assert_eq!(RangeEstimator::Percentile(100.0).peak(&values, 1000.0, 127.0, false), 1000.0);
        assert_eq!(RangeEstimator::MinMax.peak(&values, 1000.0, 127.0, false), 1000.0);
        let signed: Vec<f32> = values.iter().map(|value| if *value > 500.0 { -value } else { *value }).collect();
        assert_eq!(RangeEstimator::Percentile(99.0).peak(&signed, 1000.0, 127.0, true), 990.0);
        assert_eq!(RangeEstimator::Percentile(99.0).peak(&signed, 500.0, 127.0, false), 490.0);
        assert_eq!(RangeEstimator::Percentile(90.0).ends(&signed, 254.0), [-900.0, 400.0]);
        let mostly_silent = [0.0, 0.0, 0.0, 2.0];
        assert_eq!(RangeEstimator::Percentile(60.0).peak(&mostly_silent, 2.0, 127.0, false), 2.0);
    }

    /// Against all ranges, each weight rounded by itself.
    #[test]
    fn the_range_of_least_error_has_the_least_error() {
        // Nearly normal numbers (sums of twelve), with a few far out.
        let mut state = 1u32;
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1u32 << 24)
        };
        let mut values: Vec<f32> =
            (0..2000).map(|_| ((0..12).map(|_| uniform()).sum::<f64>() - 6.0) as f32).collect();
        values.extend([9.0, -8.0]);
        for steps in [7.0f32, 127.0] {
            let error = |peak: f32| -> f64 {
                let step = peak / steps;
                let rounded = |value: f32| (value / step).round().clamp(-steps, steps) * step;
                values.iter().map(|&value| f64::from(value - rounded(value)).powi(2)).sum()
            };
            let found = RangeEstimator::MeanSquare.peak(&values, 9.0, steps, true);
            let best =
                (1..=900).map(|peak| peak as f32 * 0.01).min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap();
            assert!(error(found) <= 1.02 * error(best), "{steps} steps: {found}, not {best}");
            assert_eq!(found < 6.0, steps == 7.0, "few codes are better spent near zero: {found}");
        }
        let [low, high] = RangeEstimator::MeanSquare.ends(&values, 14.0);
        assert!(low > -6.0 && high < 6.0 && (low / high + 8.0 / 9.0).abs() < 1e-5, "{low} {high}");
    }

    #[test]
    fn settings_that_no_array_has_are_refused() {
        let usual = Quantization::default();
        assert!(usual.validate().is_ok());
        for wrong in [
            Quantization { weight_bits: 9, ..usual },
            Quantization { weight_bits: 1, ..usual },
            Quantization { activation_bits: 8, ..usual },
            Quantization { weight_range: RangeEstimator::Percentile(50.0), ..usual },
            Quantization { activation_range: RangeEstimator::Percentile(100.1), ..usual },
        ] {
            assert!(matches!(wrong.validate(), Err(TrainError::Setting { .. })), "{wrong:?}");
        }
    }
}
