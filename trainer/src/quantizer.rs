//! Rounding to the integers that the array works on.
//!
//! Weights are symmetric, −127…127 times one scale a layer; activations are 0…127 after ReLU.

use axtrain_sim::workload::{CodeRange, Requantize};

/// Largest magnitude of a weight code.
pub(crate) const LARGEST_WEIGHT: f32 = 127.0;

/// Largest activation code.
pub(crate) const LARGEST_ACTIVATION: f32 = 127.0;

/// 1.5 · 2^23. Added to a float of magnitude up to 2^22 it leaves the nearest integer (ties to even) in the low bits of
/// the significand, which vectorises on every CPU; `f32::round` is a function call without SSE 4.1.
const ROUNDING: f32 = 12_582_912.0;

/// The nearest integer, ties to even; |value| ≤ 2^22.
#[inline(always)]
fn nearest(value: f32) -> f32 {
    (value + ROUNDING) - ROUNDING
}

/// The raw code of a number on the grid of `1 / inverse_scale`: its integer's low eight bits.
#[inline(always)]
fn code(value: f32, inverse_scale: f32) -> u8 {
    (value * inverse_scale + ROUNDING).to_bits() as u8
}

/// Codes of activations that lie on the grid of `scale`.
pub(crate) fn activation_codes(activations: &[f32], scale: f32) -> Vec<u8> {
    let inverse = scale.recip();
    activations.iter().map(|&activation| code(activation, inverse)).collect()
}

/// Codes of weights within ±127 `scale`, rounded to nearest.
pub(crate) fn weight_codes(weights: &[f32], scale: f32) -> Vec<i8> {
    let inverse = scale.recip();
    weights.iter().map(|&weight| code(weight, inverse) as i8).collect()
}

/// Weights within ±127 `scale` rounded to the grid of `scale`, as real numbers.
pub(crate) fn round_weights(weights: &[f32], scale: f32) -> Vec<f32> {
    let inverse = scale.recip();
    weights.iter().map(|&weight| nearest(weight * inverse) * scale).collect()
}

/// Bias in units of an accumulator, rounded to nearest.
pub(crate) fn bias_codes(bias: &[f32], accumulator_scale: f32) -> Vec<i32> {
    bias.iter().map(|&bias| (bias / accumulator_scale).round_ties_even() as i32).collect()
}

/// Bias rounded to whole accumulator units, as real numbers.
pub(crate) fn round_bias(bias: &[f32], accumulator_scale: f32) -> Vec<f32> {
    bias_codes(bias, accumulator_scale).into_iter().map(|code| code as f32 * accumulator_scale).collect()
}

/// The scale that maps the largest weight to code ±127. Not finite if a weight isn't.
pub(crate) fn weight_scale(weights: &[f32]) -> f32 {
    // Magnitudes compare as their bits do, and NaN's are the largest: it cannot be lost in the maximum.
    let peak = weights.iter().map(|weight| weight.to_bits() & !(1 << 31)).max().map_or(0.0, f32::from_bits);
    if peak == 0.0 { LARGEST_WEIGHT.recip() } else { peak / LARGEST_WEIGHT }
}

/// From a layer's accumulators to the next layer's activations: ReLU, scale, round, saturate.
///
/// It works on the accumulator's integer with the [`Requantize`] that the exported network carries, so that training and
/// integer inference see the same codes, ties included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ActivationQuantizer {
    accumulator_scale: f32,
    activation_scale: f32,
    requantize: Requantize,
    range: CodeRange,
}

/// The integer form of a positive factor; only a layer that has collapsed comes near the ends.
fn scaling(factor: f64) -> Requantize {
    let factor = factor.clamp(2f64.powi(-30), 2f64.powi(28));
    Requantize::from_factor(factor).expect("a factor within 2^-30…2^28")
}

impl ActivationQuantizer {
    /// From accumulators in units of `accumulator_scale` to activations in units of `activation_scale`, both positive and
    /// finite; `range` says whether negative ones are kept.
    pub(crate) fn new(accumulator_scale: f32, activation_scale: f32, range: CodeRange) -> Self {
        let requantize = scaling(f64::from(accumulator_scale) / f64::from(activation_scale));
        Self { accumulator_scale, activation_scale, requantize, range }
    }

    /// The integer form of this quantiser.
    pub(crate) fn requantize(self) -> Requantize {
        self.requantize
    }

    /// Least and largest activation, as real numbers: beyond them the code saturates.
    pub(crate) fn limits(self) -> [f32; 2] {
        let limit = LARGEST_ACTIVATION * self.activation_scale;
        [if self.range == CodeRange::Signed { -limit } else { 0.0 }, limit]
    }

    /// Quantised activations of pre-activations that are whole accumulator units (exact to 2^22 units; beyond, an
    /// accumulator may be read one unit off).
    pub(crate) fn apply(self, preactivations: &[f32]) -> Vec<f32> {
        let inverse = self.accumulator_scale.recip();
        let activation = |&preactivation: &f32| {
            let accumulator = nearest(preactivation * inverse) as i32;
            let code = self.requantize.apply_in(accumulator, self.range);
            // Codes without sign are below 128, and so the same as signed ones.
            f32::from(code.cast_signed()) * self.activation_scale
        };
        preactivations.iter().map(activation).collect()
    }
}

/// From codes of an earlier layer to the accumulators that they are added to, by the integers of the exported network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ResidualScaling {
    scale: f32,
    accumulator_scale: f32,
    requantize: Requantize,
}

impl ResidualScaling {
    /// From codes in units of `scale` to accumulators in units of `accumulator_scale`, both positive and finite.
    pub(crate) fn new(scale: f32, accumulator_scale: f32) -> Self {
        let requantize = scaling(f64::from(scale) / f64::from(accumulator_scale));
        Self { scale, accumulator_scale, requantize }
    }

    /// The integer form of this scaling.
    pub(crate) fn requantize(self) -> Requantize {
        self.requantize
    }

    /// Residuals on their grid in whole accumulator units, as real numbers.
    pub(crate) fn apply(self, residuals: &[f32]) -> Vec<f32> {
        let inverse = self.scale.recip();
        let scaled = |&residual: &f32| {
            let code = code(residual, inverse).cast_signed();
            self.requantize.scale(code.into()) as f32 * self.accumulator_scale
        };
        residuals.iter().map(scaled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_integers() {
        let scale = 0.0137;
        let values: Vec<f32> = (-12_690..=12_690).map(|value| value as f32 * 0.01 * scale).collect();
        let codes = weight_codes(&values, scale);
        let rounded = round_weights(&values, scale);
        for ((&value, &code), &rounded) in values.iter().zip(&codes).zip(&rounded) {
            let steps = f64::from(value) / f64::from(scale);
            assert!((f64::from(code) - steps).abs() <= 0.500_01, "{steps} → {code}");
            assert_eq!(f32::from(code) * scale, rounded);
        }
        assert_eq!(weight_codes(&rounded, scale), codes, "rounding twice changes nothing");
    }

    #[test]
    fn every_activation_code_survives_the_way_through_real_numbers() {
        for scale in [1.0 / 127.0, 0.03, 7.3] {
            let activations: Vec<f32> = (0..=127u8).map(|code| f32::from(code) * scale).collect();
            assert_eq!(activation_codes(&activations, scale), (0..=127).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn the_largest_weight_gets_the_largest_code() {
        let weights = [0.02, -0.31, 0.3];
        let scale = weight_scale(&weights);
        assert_eq!(weight_codes(&weights, scale)[1], -127);
        assert!(weight_scale(&[0.1, f32::NAN, 0.2]).is_nan());
        assert_eq!(weight_scale(&[1.0, f32::NEG_INFINITY]), f32::INFINITY);
        assert!(weight_scale(&[0.0; 3]) > 0.0, "a layer of zeros still has a grid");
    }

    #[test]
    fn activations_are_those_of_the_integer_requantiser() {
        let quantizer = ActivationQuantizer::new(3.1e-5, 0.011, CodeRange::Activation);
        let accumulators: Vec<i32> = (-70_000..70_000).step_by(7).collect();
        let preactivations: Vec<f32> = accumulators.iter().map(|&accumulator| accumulator as f32 * 3.1e-5).collect();
        for (activation, &accumulator) in quantizer.apply(&preactivations).into_iter().zip(&accumulators) {
            assert_eq!(activation, f32::from(quantizer.requantize().apply(accumulator)) * 0.011);
        }
    }
}
