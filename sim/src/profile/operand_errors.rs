//! Timing errors by operands, condensed as far as sums need them.

use super::{ErrorSample, SampledErrors, Stimulus, TransitionTable};

/// Rate, mean and variance of the timing error of each pair of operands, marginal over the previous activation.
///
/// The same numbers as in an [`super::ErrorProfile`], without its distributions and its energy, and so found in less time.
#[derive(Clone, Debug, PartialEq)]
pub struct OperandErrors {
    activation_bits: u32,
    weight_bits: u32,
    rate: f64,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl OperandErrors {
    /// The errors of one operating point of a table under a stimulus. Activations that it does not have make no errors.
    ///
    /// # Panics
    /// If the stimulus has operands of other widths than the table.
    pub fn new(table: &TransitionTable, errors: &SampledErrors, stimulus: &Stimulus) -> Self {
        let bits = [stimulus.activation_bits(), stimulus.weight_bits()];
        assert_eq!(bits, [table.activation_bits(), table.weight_bits()], "a stimulus of the table's operands");
        let [activation_bits, weight_bits] = bits;
        let (activations, cells) = (1usize << activation_bits, 1usize << (activation_bits + weight_bits));
        let occurrence = stimulus.activations();
        let (mut mean, mut square) = (vec![0.0; cells], vec![0.0; cells]);
        let mut rate = 0.0;
        for (pair, &probability) in stimulus.transitions().iter().enumerate() {
            if probability == 0.0 {
                continue;
            }
            let activation = pair % activations;
            let share = probability / occurrence[activation];
            let (codes, deltas) = errors.row(pair);
            for (&code, &delta) in codes.iter().zip(deltas) {
                let (cell, delta) = (activation << weight_bits | usize::from(code), f64::from(delta));
                mean[cell] += share * delta;
                square[cell] += share * delta * delta;
                rate += probability * stimulus.weights()[usize::from(code)];
            }
        }
        let variance =
            square.iter().zip(&mean).map(|(square, mean)| (square - mean * mean).max(0.0) as f32).collect();
        let mean = mean.into_iter().map(|mean| mean as f32).collect();
        Self { activation_bits, weight_bits, rate, mean, variance }
    }

    /// The errors of a sample. Operands that it does not have make no errors.
    pub fn sampled(sample: &ErrorSample) -> Self {
        let ErrorSample { activation_bits, weight_bits, .. } = *sample;
        let cells = 1usize << (activation_bits + weight_bits);
        let (mut mean, mut variance) = (vec![0.0; cells], vec![0.0; cells]);
        for ([activation, weight], entries) in sample.of_operands() {
            let count = entries.len() as f64;
            let first = entries.iter().map(|&(_, error)| f64::from(error)).sum::<f64>() / count;
            let second = entries.iter().map(|&(_, error)| f64::from(error).powi(2)).sum::<f64>() / count;
            let cell = usize::from(activation) << weight_bits | usize::from(weight);
            (mean[cell], variance[cell]) = (first as f32, (second - first * first).max(0.0) as f32);
        }
        Self { activation_bits, weight_bits, rate: sample.rate(), mean, variance }
    }

    /// Bits of an activation code.
    pub fn activation_bits(&self) -> u32 {
        self.activation_bits
    }

    /// Bits of a weight code.
    pub fn weight_bits(&self) -> u32 {
        self.weight_bits
    }

    /// Share of products that err under the stimulus.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Mean of sampled − settled, `[activation][weight]`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Variance of sampled − settled, likewise.
    pub fn variance(&self) -> &[f32] {
        &self.variance
    }
}
