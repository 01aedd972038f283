//! What makes good for errors without training: other weights, biases and scales, found from some images.
//!
//! Batch normalisation is folded into weights and biases before a network gets here: correcting each channel is what
//! re-estimating its statistics would be.

use super::inference::{Streams, for_each_block, for_each_transition};
use crate::engine::multiversion;
use crate::kernel::TableGemm;
use crate::multiplier::ProductTable;
use crate::profile::{SampledErrors, TransitionTable};
use crate::workload::{Flow, Network, QuantizedLayer, Requantize};
use serde::Deserialize;
use std::cell::LazyCell;
use std::fmt;
use std::str::FromStr;

/// How far from a weight its substitute may be, in codes.
const NEIGHBOURHOOD: i32 = 16;

/// What is done to a network before it runs on hardware that errs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Compensation {
    /// Each weight gives way to the neighbour whose products err least under the activations that its layer receives, as
    /// weights are tuned by Mrazek et al. (ALWANN, ICCAD 2019).
    pub remap: bool,
    /// What becomes of each output channel.
    pub correction: Correction,
}

/// Correction of output channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Correction {
    /// None.
    #[default]
    None,
    /// Biases give sums the mean that exact ones have.
    Bias,
    /// Scale and bias are the straight line from sums to exact ones with the least squared error. Scores keep their scale:
    /// nothing requantises them.
    Gain,
}

impl Compensation {
    /// Every compensation, from none to most.
    pub const ALL: [Compensation; 6] = {
        const fn both(remap: bool, correction: Correction) -> Compensation {
            Compensation { remap, correction }
        }
        [
            both(false, Correction::None),
            both(false, Correction::Bias),
            both(false, Correction::Gain),
            both(true, Correction::None),
            both(true, Correction::Bias),
            both(true, Correction::Gain),
        ]
    };

    /// Name, as files and records have it.
    pub fn name(self) -> &'static str {
        match (self.remap, self.correction) {
            (false, Correction::None) => "none",
            (false, Correction::Bias) => "bias",
            (false, Correction::Gain) => "gain",
            (true, Correction::None) => "remap",
            (true, Correction::Bias) => "remap+bias",
            (true, Correction::Gain) => "remap+gain",
        }
    }
}

impl fmt::Display for Compensation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No such compensation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compensation {text:?}; use none, bias, gain, remap, remap+bias or remap+gain")]
pub struct UnknownCompensation {
    text: String,
}

impl FromStr for Compensation {
    type Err = UnknownCompensation;

    fn from_str(text: &str) -> Result<Self, UnknownCompensation> {
        let named = Self::ALL.into_iter().find(|compensation| compensation.name() == text);
        named.ok_or_else(|| UnknownCompensation { text: text.to_owned() })
    }
}

impl TryFrom<String> for Compensation {
    type Error = UnknownCompensation;

    fn try_from(text: String) -> Result<Self, UnknownCompensation> {
        text.parse()
    }
}

/// Compensates networks for the errors of one multiplier.
#[derive(Clone, Copy, Debug)]
pub struct Compensator<'a> {
    /// Its settled products.
    pub product: &'a ProductTable,
    /// The same, ready to multiply matrices.
    pub gemm: &'a TableGemm,
    /// What its transitions do.
    pub table: &'a TransitionTable,
    /// Images that stream through each fold.
    pub batch: usize,
    /// Bits of sums, which wrap.
    pub accumulator_bits: u32,
    /// Activation codes of the images that corrections are found from, `[image][channel][row][column]`.
    pub images: &'a [u8],
}

impl Compensator<'_> {
    /// The network that makes good for errors: late products as in `errors`, one of the table's points, or none.
    ///
    /// Layers are compensated in order, each with what those before it make of the images, towards what exact
    /// multipliers would give.
    ///
    /// # Panics
    /// If the images are not whole, or operands are not of 8 bits.
    pub fn compensate(&self, network: &Network, errors: Option<&SampledErrors>, how: Compensation) -> Network {
        if how == Compensation::default() {
            return network.clone();
        }
        let exact = TableGemm::new(&ProductTable::exact(8, 8, true));
        let streams = Streams { table: self.table, batch: self.batch, accumulator_bits: self.accumulator_bits };
        let [mut wanted_flow, mut flow] = [(); 2].map(|()| Flow::new(network, self.images));
        let mut layers = Vec::new();
        for layer in network.layers() {
            let mut wanted = layer.accumulate(&exact, wanted_flow.input());
            let mut compensated = layer.clone();
            if how.remap {
                let substitutes = self.substitutes(layer, flow.input(), errors);
                compensated.weights.iter_mut().for_each(|weight| *weight = substitutes[usize::from(*weight as u8)]);
            }
            let mut sums = match errors {
                Some(errors) => {
                    let by_weight = LazyCell::new(|| errors.by_weight(self.table));
                    streams.layer_without_energy(self.gemm, (errors, &by_weight), &compensated, flow.input()).sums
                }
                None => compensated.accumulate(self.gemm, flow.input()),
            };
            // A channel's scale applies to what is added, too: the line is that of whole sums.
            for (sums, flow) in [(&mut wanted, &wanted_flow), (&mut sums, &flow)] {
                flow.complete(layer, sums);
            }
            correct(&mut compensated, &mut sums, &wanted, how.correction);
            if layer.requantize.is_some() {
                wanted_flow.put(layer.activate(&wanted));
                flow.put(compensated.activate(&sums));
            }
            layers.push(compensated);
        }
        Network::new(layers).expect("layers of the same shapes")
    }

    /// By weight code, the neighbour whose products with the activations that a layer receives are nearest to the weight's
    /// exact ones in the mean; the weight itself if none is nearer.
    fn substitutes(&self, layer: &QuantizedLayer, codes: &[u8], errors: Option<&SampledErrors>) -> [i8; 256] {
        let (pairs, counts) = self.transitions(layer, codes);
        let activations = 1usize << self.table.activation_bits();
        let operands: Vec<i32> = pairs.iter().map(|pair| (pair % activations) as i32).collect();
        // Sampled products `[weight code][pair]`.
        let mut sampled = vec![0i32; pairs.len() * 256];
        for (code, row) in sampled.chunks_exact_mut(pairs.len()).enumerate() {
            for (sampled, &activation) in row.iter_mut().zip(&operands) {
                *sampled = self.product.product(activation as u32, code as u32);
            }
        }
        for (index, &pair) in pairs.iter().enumerate() {
            let (codes, deltas) = errors.map_or((&[][..], &[][..]), |errors| errors.row(pair));
            for (&code, &delta) in codes.iter().zip(deltas) {
                sampled[usize::from(code) * pairs.len() + index] += delta;
            }
        }
        let mut substitutes: [i8; 256] = std::array::from_fn(|code| code as u8 as i8);
        for weight in (-127..=127i32).filter(|weight| layer.weights.contains(&(*weight as i8))) {
            let mut best = u64::MAX;
            for distance in 0..=NEIGHBOURHOOD {
                for candidate in [weight - distance, weight + distance] {
                    if candidate.abs() > 127 {
                        continue;
                    }
                    let row = &sampled[usize::from(candidate as i8 as u8) * pairs.len()..][..pairs.len()];
                    let error = total_error(&counts, &operands, row, weight);
                    if error < best {
                        best = error;
                        substitutes[usize::from(weight as i8 as u8)] = candidate as i8;
                    }
                }
            }
        }
        substitutes
    }

    /// The pairs of activations, one after the other, that a layer receives, and how often. Products with the bubble after a
    /// batch belong to no sum.
    fn transitions(&self, layer: &QuantizedLayer, codes: &[u8]) -> (Vec<usize>, Vec<u32>) {
        let mut counts = vec![0u32; 1 << (2 * self.table.activation_bits())];
        let inputs = layer.convolution.shape(1).k;
        let rows = self.batch.saturating_mul(layer.convolution.positions());
        for_each_block(layer, codes, self.batch, |_, _, activations| {
            for input in 0..inputs {
                for_each_transition(activations, (input, inputs), rows, |row, previous, activation| {
                    if row.is_some() {
                        counts[self.table.pair(previous, activation)] += 1;
                    }
                });
            }
        });
        let pairs: Vec<usize> = (0..counts.len()).filter(|&pair| counts[pair] > 0).collect();
        let counts = pairs.iter().map(|&pair| counts[pair]).collect();
        (pairs, counts)
    }
}

multiversion! {
    /// Sum of |sampled − activation · weight|, each `counts` times.
    fn total_error(counts: &[u32], activations: &[i32], sampled: &[i32], weight: i32) -> u64 = sum_of_errors
}

#[inline(always)]
fn sum_of_errors(counts: &[u32], activations: &[i32], sampled: &[i32], weight: i32) -> u64 {
    let pairs = activations.iter().zip(sampled).zip(counts);
    pairs
        .map(|((activation, sampled), &count)| {
            u64::from((sampled - activation * weight).unsigned_abs()) * u64::from(count)
        })
        .sum()
}

/// Gives each channel's `sums` (`[image][channel][position]`, bias and residual included) the mean of the `wanted` ones, or the line
/// nearest to them, and changes the sums as the new bias does.
fn correct(layer: &mut QuantizedLayer, sums: &mut [i32], wanted: &[i32], correction: Correction) {
    if correction == Correction::None {
        return;
    }
    let (channels, positions) = (layer.convolution.channels(), layer.convolution.positions());
    let mut scales = Vec::new();
    for channel in 0..channels {
        let own = |values: &[i32]| -> Vec<f64> {
            let rows = values.chunks_exact(positions).skip(channel).step_by(channels);
            rows.flatten().map(|&value| f64::from(value)).collect()
        };
        let Line { gain, offset } = Line::fit(&own(sums), &own(wanted), correction, layer.requantize.is_some());
        // g · sum + o = g · (sum + o / g): the scale is applied last.
        let offset = (offset / gain).round().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32;
        layer.bias[channel] = layer.bias[channel].wrapping_add(offset);
        for row in sums.chunks_exact_mut(positions).skip(channel).step_by(channels) {
            row.iter_mut().for_each(|sum| *sum = sum.wrapping_add(offset));
        }
        scales.extend(layer.requantize.map(|_| scaled(layer.channel_scaling(channel), gain)));
    }
    if correction == Correction::Gain && layer.requantize.is_some() {
        layer.channel_requantize = Some(scales);
    }
}

/// `requantize` after multiplication with `gain`, as near as it can be represented.
fn scaled(requantize: Requantize, gain: f64) -> Requantize {
    if gain == 1.0 {
        return requantize;
    }
    let factor = f64::from(requantize.multiplier) / 2f64.powi(requantize.shift as i32);
    Requantize::from_factor(factor * gain).unwrap_or(requantize)
}

/// `y = gain · x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    gain: f64,
    offset: f64,
}

impl Line {
    /// From sums to the wanted ones. A line that does not rise, or hardly, says nothing but the mean.
    fn fit(sums: &[f64], wanted: &[f64], correction: Correction, scalable: bool) -> Self {
        let count = sums.len() as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
        let (from, to) = (mean(sums), mean(wanted));
        let slope = || {
            let variance: f64 = sums.iter().map(|sum| (sum - from).powi(2)).sum();
            let covariance: f64 = sums.iter().zip(wanted).map(|(sum, wanted)| (sum - from) * (wanted - to)).sum();
            let slope = covariance / variance;
            if (LEAST_GAIN..=1.0 / LEAST_GAIN).contains(&slope) { slope } else { 1.0 }
        };
        let gain = if correction == Correction::Gain && scalable { slope() } else { 1.0 };
        Self { gain, offset: to - gain * from }
    }
}

/// Gains below this and above its reciprocal are taken for noise.
const LEAST_GAIN: f64 = 1.0 / 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for compensation in Compensation::ALL {
            assert_eq!(compensation.to_string().parse(), Ok(compensation));
        }
        assert!("gain+bias".parse::<Compensation>().unwrap_err().to_string().contains("remap+gain"));
    }

    /// By hand: (0, 0), (1, 3), (2, 3) have the line 0.5 + 1.5 x, and a mean of 2 against 1.
    #[test]
    fn a_line_has_the_least_squared_error() {
        let (sums, wanted) = ([0.0, 1.0, 2.0], [0.0, 3.0, 3.0]);
        let line = |correction, scalable| Line::fit(&sums, &wanted, correction, scalable);
        assert_eq!(line(Correction::Gain, true), Line { gain: 1.5, offset: 0.5 });
        let shifted = Line { gain: 1.0, offset: 1.0 };
        assert_eq!((line(Correction::Gain, false), line(Correction::Bias, true)), (shifted, shifted));
        assert_eq!(Line::fit(&[1.0, 1.0], &[2.0, 4.0], Correction::Gain, true), Line { gain: 1.0, offset: 2.0 });
        assert_eq!(Line::fit(&[0.0, 1.0], &[1.0, 0.0], Correction::Gain, true), Line { gain: 1.0, offset: 0.0 });
    }

    #[test]
    fn scales_multiply() {
        let half = Requantize::from_factor(0.5).unwrap();
        assert_eq!(scaled(half, 0.25), Requantize::from_factor(0.125).unwrap());
        assert_eq!(scaled(half, 1.0), half);
    }
}
