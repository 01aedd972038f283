//! Errors of single products with exactly the distribution that their operands have.

use super::{Draws, Stream};
use crate::engine::multiversion;
use crate::profile::{ErrorSample, SampledErrors, Stimulus, TransitionTable};
use std::sync::LazyLock;

/// For each activation and weight, how likely an error is and which values it takes, marginal over the previous activation.
#[derive(Clone, Debug)]
pub struct MassFunctions {
    weight_bits: u32,
    /// Probability of an error in units of 2^−32, `u32::MAX` for a certain one; `[activation][weight]`.
    rate: Vec<u32>,
    /// For each activation, −ln(1 − rate) by weight, in units of 2^−26, [`Self::CERTAIN`] for a certain error.
    hazard: Vec<[u32; 256]>,
    /// Where the values of each pair of operands begin.
    start: Vec<u32>,
    values: Vec<Alias>,
}

/// One of a list of equally likely entries: a value, or else another (Walker 1977, in Vose's form of 1991).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Alias {
    /// Probability of `value` in units of 2^−32, `u32::MAX` for certain.
    threshold: u32,
    value: i32,
    other: i32,
}

impl MassFunctions {
    const CERTAIN: u32 = 1 << 31;
    const UNIT: f64 = (1 << 26) as f64;

    /// The timing error of one operating point of a table, previous activations as the stimulus has them.
    ///
    /// # Panics
    /// If the stimulus has activations of other widths than the table.
    pub fn new(table: &TransitionTable, errors: &SampledErrors, stimulus: &Stimulus) -> Self {
        assert_eq!(stimulus.activation_bits(), table.activation_bits(), "activations of the table's width");
        let (activations, weights) = (1usize << table.activation_bits(), 1usize << table.weight_bits());
        let mut functions = Self::empty(activations, table.weight_bits());
        let mut cells: Vec<Vec<(i32, f64)>> = vec![Vec::new(); weights];
        for (activation, occurrence) in stimulus.activations().into_iter().enumerate() {
            for previous in 0..activations {
                let probability = stimulus.transitions()[previous * activations + activation];
                if probability > 0.0 {
                    let (codes, deltas) = errors.row(table.pair(previous as u8, activation as u8));
                    for (&code, &delta) in codes.iter().zip(deltas) {
                        cells[usize::from(code)].push((delta, probability / occurrence));
                    }
                }
            }
            for (weight, cell) in cells.iter_mut().enumerate() {
                functions.hazard[activation][weight] = functions.push(cell);
                cell.clear();
            }
        }
        functions
    }

    /// The errors of a sample. Operands that it does not have make none.
    ///
    /// # Panics
    /// If weights have more than 8 bits.
    pub fn sampled(sample: &ErrorSample) -> Self {
        let ErrorSample { activation_bits, weight_bits, .. } = *sample;
        let (activations, weights) = (1usize << activation_bits, 1usize << weight_bits);
        let mut functions = Self::empty(activations, weight_bits);
        let mut known = sample.of_operands().peekable();
        for activation in 0..activations {
            for weight in 0..weights {
                let own = known.next_if(|(codes, _)| codes.map(usize::from) == [activation, weight]);
                let entries = own.map_or(&[][..], |(_, entries)| entries);
                let share = 1.0 / entries.len().max(1) as f64;
                let wrong = entries.iter().filter(|(_, error)| *error != 0);
                let mut errors: Vec<(i32, f64)> = wrong.map(|&(_, error)| (error, share)).collect();
                functions.hazard[activation][weight] = functions.push(&mut errors);
            }
        }
        functions
    }

    fn empty(activations: usize, weight_bits: u32) -> Self {
        Self {
            weight_bits,
            rate: Vec::with_capacity(activations << weight_bits),
            hazard: vec![[0; 256]; activations],
            start: vec![0],
            values: Vec::new(),
        }
    }

    /// Adds a pair of operands with its errors, in any order; returns its hazard.
    fn push(&mut self, errors: &mut Vec<(i32, f64)>) -> u32 {
        errors.sort_unstable_by_key(|(value, _)| *value);
        errors.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        let rate: f64 = errors.iter().map(|(_, probability)| probability).sum();
        let certain = rate > 1.0 - 1e-9;
        self.rate.push(if certain { u32::MAX } else { share(rate) });
        self.values.extend(aliases(errors, rate));
        self.start.push(self.values.len() as u32);
        let hazard = (-(-rate).ln_1p() * Self::UNIT).round();
        if certain { Self::CERTAIN } else { hazard.min(f64::from(Self::CERTAIN - 1)) as u32 }
    }

    fn cell(&self, activation: u8, weight: u8) -> usize {
        usize::from(activation) << self.weight_bits | usize::from(weight)
    }

    /// Error of the product of these codes, from 64 random bits.
    #[inline(always)]
    pub fn draw(&self, activation: u8, weight: u8, bits: u64) -> i32 {
        let cell = self.cell(activation, weight);
        let rate = self.rate[cell];
        if (bits >> 32) as u32 >= rate && rate != u32::MAX { 0 } else { self.value(cell, bits as u32) }
    }

    /// Error of a sum: one draw for each product, at its place in the stream. [`Self::add_errors`] has the same
    /// distribution with fewer draws.
    ///
    /// # Panics
    /// If there is not a weight code for each activation code, or an activation is wider than the table's.
    pub fn sum(&self, activations: &[u8], weights: &[u8], stream: Stream) -> i32 {
        assert_eq!(activations.len(), weights.len(), "two operands a product");
        sum(self, activations, weights, stream)
    }

    /// The value of an error that has happened.
    #[inline(always)]
    fn value(&self, cell: usize, bits: u32) -> i32 {
        let entries = &self.values[self.start[cell] as usize..self.start[cell + 1] as usize];
        let scaled = u64::from(bits) * entries.len() as u64;
        let Alias { threshold, value, other } = entries[(scaled >> 32) as usize];
        if (scaled as u32) < threshold { value } else { other }
    }

    /// Adds the errors of a matrix product to its sums, output (m, n) of `layer` being number `first_output` + m · N + n.
    ///
    /// A product errs when a stretch of its sum has used up an exponential variate, so that draws are needed for errors
    /// alone; activations that never err are passed over with all weights at once.
    ///
    /// # Panics
    /// If `activations` are not rows of the weights' inputs, `sums` not as many rows of their outputs, or an activation is
    /// wider than the table's, or weights are not of 8 bits.
    pub fn add_errors(
        &self,
        activations: &[u8],
        weights: &WeightCodes,
        draws: Draws,
        (layer, first_output): (u64, u64),
        sums: &mut [i32],
    ) {
        assert_eq!(self.weight_bits, 8, "weight codes of 8 bits");
        let rows = activations.len() / weights.inputs.max(1);
        assert_eq!(activations.len(), rows * weights.inputs, "whole rows of activations");
        assert_eq!(sums.len(), rows * weights.outputs, "a sum for each output of each row");
        add_errors(self, activations, weights, draws, (layer, first_output), sums);
    }
}

/// A layer's weight codes, arranged so that all outputs meet an activation one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightCodes {
    inputs: usize,
    outputs: usize,
    /// `[input][output]`.
    codes: Vec<u8>,
}

impl WeightCodes {
    /// Of weights `[output][input]`.
    ///
    /// # Panics
    /// If they are not `inputs` for each output.
    pub fn new(weights: &[i8], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "a weight for each input of each output");
        let places = (0..inputs).flat_map(|input| (0..outputs).map(move |output| output * inputs + input));
        Self { inputs, outputs, codes: places.map(|place| weights[place].cast_unsigned()).collect() }
    }
}

multiversion! {
    fn sum(functions: &MassFunctions, activations: &[u8], weights: &[u8], stream: Stream) -> i32 = sum_draws
}

#[inline(always)]
fn sum_draws(functions: &MassFunctions, activations: &[u8], weights: &[u8], stream: Stream) -> i32 {
    let places = (0u64..).zip(activations.iter().zip(weights));
    places.fold(0, |sum: i32, (k, (&activation, &weight))| {
        sum.wrapping_add(functions.draw(activation, weight, stream.bits(k)))
    })
}

multiversion! {
    fn add_errors(
        functions: &MassFunctions,
        activations: &[u8],
        weights: &WeightCodes,
        draws: Draws,
        place: (u64, u64),
        sums: &mut [i32],
    ) = walk
}

#[inline(always)]
fn walk(
    functions: &MassFunctions,
    activations: &[u8],
    weights: &WeightCodes,
    draws: Draws,
    (layer, first_output): (u64, u64),
    sums: &mut [i32],
) {
    let outputs = weights.outputs;
    // Activations that ever err, with which weights.
    let rows: Vec<Option<&[u32; 256]>> =
        functions.hazard.iter().map(|row| row.iter().any(|hazard| *hazard > 0).then_some(row)).collect();
    let mut streams = Vec::with_capacity(outputs);
    let mut left = vec![0u32; outputs];
    for (row, (activations, sums)) in
        activations.chunks_exact(weights.inputs.max(1)).zip(sums.chunks_exact_mut(outputs.max(1))).enumerate()
    {
        streams.clear();
        streams
            .extend((0..outputs).map(|output| draws.stream(layer, first_output + (row * outputs + output) as u64)));
        for (left, stream) in left.iter_mut().zip(&streams) {
            *left = patience(*stream, 0);
        }
        for (input, &activation) in activations.iter().enumerate() {
            let Some(hazards) = rows[usize::from(activation)] else { continue };
            let codes = &weights.codes[input * outputs..][..outputs];
            for (output, (left, &code)) in left.iter_mut().zip(codes).enumerate() {
                let hazard = hazards[usize::from(code)];
                if hazard <= *left {
                    *left -= hazard;
                } else {
                    let stream = streams[output];
                    let value = functions.value(functions.cell(activation, code), stream.bits(input as u64) as u32);
                    sums[output] = sums[output].wrapping_add(value);
                    *left = patience(stream, input as u64 + 1);
                }
            }
        }
    }
}

/// How much hazard passes before the next error: an exponential variate for the products from `k` on, below
/// [`MassFunctions::CERTAIN`].
#[inline(always)]
fn patience(stream: Stream, k: u64) -> u32 {
    // The upper half of the counter's range is for these.
    let uniform = ((stream.bits(k | 1 << 63) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (negative_logarithm(uniform) * MassFunctions::UNIT).min(f64::from(MassFunctions::CERTAIN - 1)) as u32
}

/// −ln x of a normal number below 1, to 10⁻⁹: exponent, a table of the mantissa's first bits, and three terms of the series for
/// the rest.
#[inline(always)]
fn negative_logarithm(x: f64) -> f64 {
    const STEPS: usize = 512;
    static LOGARITHMS: LazyLock<[[f64; 2]; STEPS]> = LazyLock::new(|| {
        std::array::from_fn(|step| {
            // The middle of the step, so that the rest is at most 2⁻¹⁰.
            let middle = 1.0 + (step as f64 + 0.5) / STEPS as f64;
            [middle.recip(), middle.ln()]
        })
    });
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    let [reciprocal, logarithm] = LOGARITHMS[(bits >> (52 - 9)) as usize % STEPS];
    let rest = mantissa * reciprocal - 1.0;
    -(f64::from(exponent) * std::f64::consts::LN_2 + logarithm + rest * (1.0 - rest * (0.5 - rest * (1.0 / 3.0))))
}

/// A probability in units of 2^−32.
fn share(probability: f64) -> u32 {
    (probability * 4_294_967_296.0).round().min(f64::from(u32::MAX - 1)) as u32
}

/// Vose's alias table of values whose probabilities sum to `total`.
fn aliases(errors: &[(i32, f64)], total: f64) -> Vec<Alias> {
    let mut scaled: Vec<f64> =
        errors.iter().map(|(_, probability)| probability / total * errors.len() as f64).collect();
    let mut entries: Vec<Alias> =
        errors.iter().map(|&(value, _)| Alias { threshold: u32::MAX, value, other: value }).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..errors.len()).partition(|&index| scaled[index] < 1.0);
    while let (Some(low), Some(high)) = (small.pop(), large.pop()) {
        entries[low].threshold = share(scaled[low]);
        entries[low].other = entries[high].value;
        scaled[high] -= 1.0 - scaled[low];
        if scaled[high] < 1.0 { small.push(high) } else { large.push(high) }
    }
    // What is left is full but for rounding.
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right() {
        let mut x = 1.0 - f64::EPSILON;
        while x > 2f64.powi(-54) {
            let (found, expected) = (negative_logarithm(x), -x.ln());
            assert!((found - expected).abs() < 1e-9, "{x}: {found} is not {expected}");
            x *= 0.999_37;
        }
    }

    /// The share of 32-bit numbers that give each value, counted by the entries' thresholds.
    #[test]
    fn an_alias_table_holds_its_probabilities() {
        let errors: Vec<(i32, f64)> =
            [0.02, 0.3, 0.005, 0.1, 0.07].into_iter().zip(-2..).map(|(p, v)| (v, p)).collect();
        let total = errors.iter().map(|(_, probability)| probability).sum::<f64>();
        let entries = aliases(&errors, total);
        for (value, probability) in &errors {
            let share: f64 = entries
                .iter()
                .map(|entry| {
                    let own = f64::from(entry.threshold) / 2f64.powi(32);
                    own * f64::from(entry.value == *value) + (1.0 - own) * f64::from(entry.other == *value)
                })
                .sum();
            assert!((share / 5.0 - probability / total).abs() < 1e-8, "{value}: {share}");
        }
    }
}
