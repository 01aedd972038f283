//! Rounding to the integers that the array works on.
//!
//! Weights are codes on a scale of their layer or channel, around 0 or a zero point; activations are codes from 0 up after ReLU.

use crate::quantization::{Granularity, Quantization, Scheme};
use axtrain_sim::workload::{CodeRange, Requantize};
use std::sync::Arc;

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

/// The weights of each output channel with its scale.
fn channels<'a>(weights: &'a [f32], scales: &'a [f32]) -> impl Iterator<Item = (&'a [f32], f32)> {
    weights.chunks_exact(weights.len() / scales.len()).zip(scales.iter().copied())
}

/// Biases in units of their accumulators, rounded to nearest.
pub(crate) fn bias_codes(bias: &[f32], accumulator_scales: &[f32]) -> Vec<i32> {
    bias.iter().zip(accumulator_scales).map(|(&bias, scale)| (bias / scale).round_ties_even() as i32).collect()
}

/// Biases rounded to whole accumulator units, as real numbers.
pub(crate) fn round_bias(bias: &[f32], accumulator_scales: &[f32]) -> Vec<f32> {
    let codes = bias_codes(bias, accumulator_scales).into_iter();
    codes.zip(accumulator_scales).map(|(code, scale)| code as f32 * scale).collect()
}

/// What a layer's weight codes stand for: `step · (code − zero point)`, one of each an output channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightCoding {
    /// Real number of code 1 above that of 0; never 0, negative where normalisation turns the sign.
    pub(crate) steps: Arc<[f32]>,
    /// The code of zero.
    pub(crate) zero_points: Arc<[i8]>,
}

impl WeightCoding {
    /// The same codes of weights times a factor a channel.
    pub(crate) fn scaled(&self, factors: &[f32]) -> Self {
        // A factor of nothing leaves nothing of a channel but its bias.
        let scaled = |(step, factor): (&f32, &f32)| if *factor == 0.0 { f32::MIN_POSITIVE } else { step * factor };
        let steps = self.steps.iter().zip(factors).map(scaled).collect();
        Self { steps, zero_points: self.zero_points.clone() }
    }

    /// Codes of weights `[output channel][k]` that lie on the grid, or nearly so.
    pub(crate) fn codes(&self, weights: &[f32]) -> Vec<i8> {
        let mut codes = Vec::with_capacity(weights.len());
        for ((weights, step), zero) in channels(weights, &self.steps).zip(&*self.zero_points) {
            let inverse = step.recip();
            codes.extend(weights.iter().map(|&weight| code(weight, inverse).cast_signed().wrapping_add(*zero)));
        }
        codes
    }

    /// Whether code 0 is zero everywhere.
    pub(crate) fn is_symmetric(&self) -> bool {
        self.zero_points.iter().all(|zero| *zero == 0)
    }
}

/// How a layer's weights are rounded. Codes are those of the weights times a factor a channel, which the layer's normalisation
/// will bring, on scales of their own; what they stand for are the weights without it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightGrid {
    /// Finite and not 0; 1 without normalisation.
    factors: Arc<[f32]>,
    /// Real number of code 1, of weights times their factor; positive.
    scales: Arc<[f32]>,
    coding: WeightCoding,
    /// Largest magnitude of a code.
    largest: f32,
}

impl WeightGrid {
    /// Of weights `[output channel][k]` with these factors; `None` if a weight or a factor is not finite.
    pub(crate) fn new(weights: &[f32], factors: &[f32], quantization: &Quantization) -> Option<Self> {
        let weights = times(weights, factors);
        if !largest_magnitude(&weights).is_finite() {
            return None;
        }
        let largest = quantization.largest_weight();
        let (scales, zero_points): (Vec<f32>, Vec<i8>) = match quantization.granularity {
            Granularity::PerTensor => vec![scale_and_zero_point(&weights, quantization); factors.len()],
            Granularity::PerChannel => {
                channels(&weights, factors).map(|(weights, _)| scale_and_zero_point(weights, quantization)).collect()
            }
        }
        .into_iter()
        .unzip();
        let steps: Arc<[f32]> = scales.iter().zip(factors).map(|(scale, factor)| scale / factor).collect();
        let is_grid = steps.iter().all(|step| step.is_finite() && *step != 0.0);
        let coding = WeightCoding { steps, zero_points: zero_points.into() };
        is_grid.then(|| Self { factors: factors.into(), scales: scales.into(), coding, largest })
    }

    /// What the codes stand for.
    pub(crate) fn coding(&self) -> &WeightCoding {
        &self.coding
    }

    /// Weights rounded to the grid, as real numbers.
    pub(crate) fn round(&self, weights: &[f32]) -> Vec<f32> {
        let WeightCoding { steps, zero_points } = &self.coding;
        let mut rounded = Vec::with_capacity(weights.len());
        let grids = self.scales.iter().zip(&**steps).zip(&**zero_points);
        for ((weights, factor), ((scale, step), zero)) in channels(weights, &self.factors).zip(grids) {
            let (inverse, zero) = (scale.recip(), f32::from(*zero));
            let (least, most) = (-self.largest - zero, self.largest - zero);
            let round = |weight: &f32| nearest(weight * factor * inverse).clamp(least, most) * step;
            rounded.extend(weights.iter().map(round));
        }
        rounded
    }
}

/// Scale and zero point of weights that share them.
fn scale_and_zero_point(weights: &[f32], quantization: &Quantization) -> (f32, i8) {
    let largest = quantization.largest_weight();
    let peak = largest_magnitude(weights);
    if peak == 0.0 {
        return (largest.recip(), 0);
    }
    match quantization.scheme {
        Scheme::Symmetric => (quantization.weight_range.peak(weights, peak, largest, true) / largest, 0),
        Scheme::Affine => {
            let [least, most] = quantization.weight_range.ends(weights, 2.0 * largest);
            let scale = ((f64::from(most) - f64::from(least)) / f64::from(2.0 * largest)) as f32;
            let zero = (-largest - least / scale).round_ties_even().clamp(-largest, largest);
            (scale, zero as i8)
        }
    }
}

/// Weights `[output channel][k]` times a factor a channel.
pub(crate) fn times(weights: &[f32], factors: &[f32]) -> Vec<f32> {
    channels(weights, factors)
        .flat_map(|(weights, factor)| weights.iter().map(move |weight| weight * factor))
        .collect()
}

/// The largest magnitude; NaN if there is one.
fn largest_magnitude(weights: &[f32]) -> f32 {
    // Magnitudes compare as their bits do, and NaN's are the largest: it cannot be lost in the maximum.
    weights.iter().map(|weight| weight.to_bits() & !(1 << 31)).max().map_or(0.0, f32::from_bits)
}

/// From a layer's accumulators to the next layer's activations: ReLU, scale, round, saturate.
///
/// It works on the accumulator's integer with the [`Requantize`] that the exported network carries, so that training and
/// integer inference see the same codes, ties included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ActivationQuantizer {
    channels: Channels,
    activation_scale: f32,
    range: CodeRange,
}

/// The integer form of a positive factor; only a layer that has collapsed comes near the ends.
fn scaling(factor: f64) -> Requantize {
    let factor = factor.clamp(2f64.powi(-30), 2f64.powi(28));
    Requantize::from_factor(factor).expect("a factor within 2^-30…2^28")
}

/// Units of accumulators with what scales them, one a channel or one for all.
#[derive(Clone, Debug, PartialEq)]
struct Channels(Arc<[(f32, Requantize)]>);

impl Channels {
    /// Of accumulators in units of `accumulator_scales`, one a channel.
    fn new(accumulator_scales: &[f32], factor: impl Fn(f64) -> f64) -> Self {
        let first = accumulator_scales[0];
        let is_uniform = accumulator_scales.iter().all(|scale| *scale == first);
        let scales = if is_uniform { &accumulator_scales[..1] } else { accumulator_scales };
        Self(scales.iter().map(|&scale| (scale, scaling(factor(scale.into())))).collect())
    }

    /// The integer form of each channel's scaling.
    fn requantize(&self) -> Scaling {
        match &*self.0 {
            [(_, of_layer)] => Scaling::Layer(*of_layer),
            channels => Scaling::Channels(channels.iter().map(|(_, requantize)| *requantize).collect()),
        }
    }

    /// Visits each channel's part of `values [image][channel, position]`, so many an image, with its unit and scaling.
    fn for_each(&self, values: &[f32], columns: usize, mut visit: impl FnMut(&[f32], f32, Requantize)) {
        let positions = if self.0.len() == 1 { values.len().max(1) } else { columns / self.0.len() };
        for (values, &(scale, requantize)) in values.chunks(positions).zip(self.0.iter().cycle()) {
            visit(values, scale, requantize);
        }
    }
}

/// Numbers that are requantised together: few enough to stay in the first-level cache.
const BLOCK: usize = 1024;

/// The integer form of a layer's scaling.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scaling {
    /// One for all channels.
    Layer(Requantize),
    /// One a channel.
    Channels(Vec<Requantize>),
}

impl Scaling {
    /// The one of all channels, and those of each if they differ, as exported layers hold them.
    pub(crate) fn parts(self) -> (Requantize, Option<Vec<Requantize>>) {
        match self {
            Self::Layer(requantize) => (requantize, None),
            Self::Channels(channels) => (channels[0], Some(channels)),
        }
    }
}

impl ActivationQuantizer {
    /// From accumulators in units of `accumulator_scales`, one a channel, to activations in units of `activation_scale`, all
    /// positive and finite; `range` says whether negative ones are kept.
    pub(crate) fn new(accumulator_scales: &[f32], activation_scale: f32, range: CodeRange) -> Self {
        let channels = Channels::new(accumulator_scales, |scale| scale / f64::from(activation_scale));
        Self { channels, activation_scale, range }
    }

    /// The integer form of this quantiser.
    pub(crate) fn requantize(&self) -> Scaling {
        self.channels.requantize()
    }

    /// Least and largest activation, as real numbers: beyond them the code saturates.
    pub(crate) fn limits(&self) -> [f32; 2] {
        let limit = self.range.highest() as f32 * self.activation_scale;
        [if self.range.is_signed() { -limit } else { 0.0 }, limit]
    }

    /// Quantised activations of pre-activations `[image][channel, position]`, so many an image, that are whole accumulator units
    /// (exact to 2^22 units; beyond, an accumulator may be read one unit off).
    pub(crate) fn apply(&self, preactivations: &[f32], columns: usize) -> Vec<f32> {
        let mut activations = Vec::with_capacity(preactivations.len());
        let (mut accumulators, mut codes) = ([0i32; BLOCK], [0u8; BLOCK]);
        self.channels.for_each(preactivations, columns, |preactivations, scale, requantize| {
            let inverse = scale.recip();
            for preactivations in preactivations.chunks(BLOCK) {
                let (accumulators, codes) =
                    (&mut accumulators[..preactivations.len()], &mut codes[..preactivations.len()]);
                for (accumulator, preactivation) in accumulators.iter_mut().zip(preactivations) {
                    *accumulator = nearest(preactivation * inverse) as i32;
                }
                requantize.apply_all(accumulators, 0, self.range, codes);
                // Codes without sign are below 128, and so the same as signed ones.
                activations.extend(codes.iter().map(|code| f32::from(code.cast_signed()) * self.activation_scale));
            }
        });
        activations
    }
}

/// From codes of an earlier layer to the accumulators that they are added to, by the integers of the exported network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResidualScaling {
    scale: f32,
    channels: Channels,
}

impl ResidualScaling {
    /// From codes in units of `scale` to accumulators in units of `accumulator_scales`, one a channel, all positive and finite.
    pub(crate) fn new(scale: f32, accumulator_scales: &[f32]) -> Self {
        Self { scale, channels: Channels::new(accumulator_scales, |accumulator| f64::from(scale) / accumulator) }
    }

    /// The integer form of this scaling.
    pub(crate) fn requantize(&self) -> Scaling {
        self.channels.requantize()
    }

    /// Residuals `[image][channel, position]`, so many an image and on their grid, in whole accumulator units, as real numbers.
    pub(crate) fn apply(&self, residuals: &[f32], columns: usize) -> Vec<f32> {
        let inverse = self.scale.recip();
        let mut scaled = Vec::with_capacity(residuals.len());
        self.channels.for_each(residuals, columns, |residuals, accumulator_scale, requantize| {
            // Few codes, each many times.
            let of_code: [f32; 256] = std::array::from_fn(|code| {
                requantize.scale((code as u8).cast_signed().into()) as f32 * accumulator_scale
            });
            scaled.extend(residuals.iter().map(|&residual| of_code[usize::from(code(residual, inverse))]));
        });
        scaled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantization::RangeEstimator;
    use crate::testing::quantizations;

    /// By the definition of rounding, weight by weight: half a step at most where codes do not saturate, and what saturates is
    /// beyond what the range covers.
    #[test]
    fn codes_are_the_nearest_that_there_are() {
        // Two channels, of which the second has another range and another middle.
        let mut weights: Vec<f32> = (-2_000..=6_700).map(|value| value as f32 * 0.000_137).collect();
        weights.extend((-2_000..=6_700).map(|value| value as f32 * 0.000_05 + 0.2));
        for quantization in quantizations() {
            for factors in [[1.0, 1.0], [0.3, -2.0]] {
                let grid = WeightGrid::new(&weights, &factors, &quantization).unwrap();
                let WeightCoding { steps, zero_points } = grid.coding();
                let (rounded, codes) = (grid.round(&weights), grid.coding().codes(&grid.round(&weights)));
                let largest = quantization.largest_weight();
                let mut saturated = 0;
                for (place, ((&weight, &code), &rounded)) in weights.iter().zip(&codes).zip(&rounded).enumerate() {
                    let channel = place / (weights.len() / 2);
                    let (step, zero) = (steps[channel], f32::from(zero_points[channel]));
                    assert_eq!(step < 0.0, factors[channel] < 0.0);
                    let code = f32::from(code);
                    assert!(code.abs() <= largest);
                    assert!((step * (code - zero) - rounded).abs() < 1e-6 * step.abs() * largest);
                    let wanted = f64::from(weight) / f64::from(step) + f64::from(zero);
                    match code.abs() == largest {
                        true => saturated += usize::from((wanted - f64::from(code)).abs() > 0.500_1),
                        false => assert!((f64::from(code) - wanted).abs() < 0.500_1, "{wanted} → {code}"),
                    }
                }
                // Zero points are whole: up to a code's width is lost at an end.
                let is_whole = quantization.weight_range == RangeEstimator::MinMax;
                let limit = if is_whole { weights.len() / 10 } else { weights.len() / 2 };
                assert!(saturated < limit, "{saturated} of {quantization:?}");
                let (per_channel, affine) =
                    (quantization.granularity == Granularity::PerChannel, quantization.scheme == Scheme::Affine);
                let scaled: Vec<f32> = steps.iter().zip(&factors).map(|(step, factor)| step * factor).collect();
                let close = (scaled[0] / scaled[1] - 1.0).abs() < 1e-5;
                assert_eq!(close, !per_channel, "{scaled:?} of {quantization:?}");
                assert_eq!(grid.coding().is_symmetric(), !affine, "{zero_points:?} of {quantization:?}");
            }
        }
    }

    #[test]
    fn more_scales_and_narrower_ranges_round_less() {
        let mut weights: Vec<f32> =
            (0..4000).map(|place| ((place * 7919 % 4001) as f32 / 2000.0 - 1.0).powi(3)).collect();
        weights.extend((0..4000).map(|place| (place * 7919 % 4001) as f32 / 20_000.0 + 0.1));
        let error = |quantization: Quantization| -> f64 {
            let rounded = WeightGrid::new(&weights, &[1.0; 2], &quantization).unwrap().round(&weights);
            weights.iter().zip(rounded).map(|(weight, rounded)| f64::from(weight - rounded).powi(2)).sum()
        };
        let usual = Quantization { weight_bits: 4, ..Quantization::default() };
        let per_channel = Quantization { granularity: Granularity::PerChannel, ..usual };
        let affine = Quantization { scheme: Scheme::Affine, ..per_channel };
        assert!(error(per_channel) < 0.8 * error(usual));
        assert!(error(affine) < 0.95 * error(per_channel), "the second channel is not around zero");
        let narrow = |quantization| Quantization { weight_range: RangeEstimator::MeanSquare, ..quantization };
        for quantization in [usual, per_channel, affine] {
            assert!(error(narrow(quantization)) <= error(quantization), "{quantization:?}");
        }
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
        let coding = |weights: &[f32]| WeightGrid::new(weights, &[1.0], &Quantization::default());
        let weights = [0.02, -0.31, 0.3];
        let grid = coding(&weights).unwrap();
        assert_eq!(grid.coding().codes(&grid.round(&weights))[1], -127);
        assert_eq!([coding(&[0.1, f32::NAN, 0.2]), coding(&[1.0, f32::NEG_INFINITY])], [None, None]);
        assert!(coding(&[0.0; 3]).unwrap().coding().steps[0] > 0.0, "a layer of zeros still has a grid");
    }

    #[test]
    fn activations_are_those_of_the_integer_requantiser() {
        let accumulators: Vec<i32> = (-70_000..70_000).step_by(7).collect();
        // Two images of two channels.
        let positions = accumulators.len() / 4;
        for scales in [[3.1e-5, 3.1e-5], [3.1e-5, 1.7e-4]] {
            let quantizer = ActivationQuantizer::new(&scales, 0.011, CodeRange::ACTIVATION);
            let channel = |place: usize| place / positions % 2;
            let preactivations =
                accumulators.iter().enumerate().map(|(place, &sum)| sum as f32 * scales[channel(place)]);
            let found = quantizer.apply(&preactivations.collect::<Vec<_>>(), 2 * positions);
            for (place, (activation, &accumulator)) in found.into_iter().zip(&accumulators).enumerate() {
                let factor = f64::from(scales[channel(place)]) / f64::from(0.011f32);
                let requantize = Requantize::from_factor(factor).unwrap();
                assert_eq!(activation, f32::from(requantize.apply(accumulator)) * 0.011);
            }
        }
    }
}
