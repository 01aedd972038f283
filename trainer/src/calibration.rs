//! What a network's layers put out: scales of hidden activations, and moments of sums that are normalised.

use crate::network::to_vec;
use crate::normalisation::RunningStatistics;
use crate::quantization::{Quantization, RangeEstimator};
use axtrain_sim::workload::CodeRange;
use burn::tensor::Tensor;

/// Share of the past in the running mean of a layer's largest output.
const MOMENTUM: f32 = 0.9;

/// Running scales of the hidden activations: the mean over recent batches of the largest output, over the largest code. Running
/// moments beside them.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    /// One a hidden layer, none before its first batch.
    peaks: Vec<Option<f32>>,
    statistics: RunningStatistics,
    quantization: Quantization,
    /// Whether scales stay as they are.
    keeps_scales: bool,
    /// Whether moments do.
    keeps_moments: bool,
}

impl Calibration {
    /// For a network of `hidden_layers`, none of them seen yet.
    pub(crate) fn new(hidden_layers: usize, quantization: Quantization) -> Self {
        Self::of(vec![None; hidden_layers], RunningStatistics::new(hidden_layers + 1), quantization)
    }

    /// As it was when its [`peaks`](Self::peaks) and [`statistics`](Self::statistics) were these.
    pub(crate) fn of(peaks: Vec<Option<f32>>, statistics: RunningStatistics, quantization: Quantization) -> Self {
        Self { peaks, statistics, quantization, keeps_scales: false, keeps_moments: false }
    }

    /// How activations are rounded.
    pub(crate) fn quantization(&self) -> &Quantization {
        &self.quantization
    }

    /// Running moments of the layers that are normalised.
    pub(crate) fn statistics(&self) -> &RunningStatistics {
        &self.statistics
    }

    /// Takes in mean and variance of each channel of a layer's sums.
    pub(crate) fn observe(&mut self, layer: usize, moments: &[Tensor<1>; 2]) {
        if !self.keeps_moments {
            self.statistics.observe(layer, moments.clone().map(to_vec));
        }
    }

    /// Running largest output of each hidden layer; none before its first batch.
    pub(crate) fn peaks(&self) -> &[Option<f32>] {
        &self.peaks
    }

    /// The same scales, to be used without being changed, with moments of the next batch alone.
    pub(crate) fn for_moments(&self) -> Self {
        let statistics = RunningStatistics::new(self.statistics.layers.len());
        Self { statistics, keeps_scales: true, ..self.clone() }
    }

    /// The same scales and moments, to be used without being changed. Layers that have seen no batch keep the scale of the first
    /// they see.
    pub(crate) fn frozen(&self) -> Self {
        Self { keeps_scales: true, keeps_moments: true, ..self.clone() }
    }

    /// The scale of the activations after hidden layer `layer`, whose output in this batch is `output`, as codes of `range`.
    pub(crate) fn scale(&mut self, layer: usize, output: &Tensor<2>, range: CodeRange) -> f32 {
        let known = self.peaks[layer];
        let is_used = !self.keeps_scales || known.is_none();
        let peak = if is_used { self.seen(output, range) } else { None };
        self.scale_of_peak(layer, peak)
    }

    /// The largest number of a batch that is to have a code.
    fn seen(&self, output: &Tensor<2>, range: CodeRange) -> Option<f32> {
        let values = output.clone().inner();
        let peak = match range.is_signed() {
            false => values.clone().max().into_scalar::<f32>(),
            true => values.clone().abs().max().into_scalar(),
        };
        let estimator = self.quantization.activation_range;
        let peak = match estimator {
            RangeEstimator::MinMax => peak,
            _ => estimator.peak(&to_vec(values), peak, range.highest() as f32, range.is_signed()),
        };
        // A layer that is silent in this batch says nothing about its range.
        Some(peak).filter(|peak| peak.is_finite() && *peak > 0.0)
    }

    /// The scale of the activations after hidden layer `layer`, whose largest number in this batch is `seen`.
    pub(crate) fn scale_of_peak(&mut self, layer: usize, seen: Option<f32>) -> f32 {
        let known = self.peaks[layer];
        let peak = match (known, seen) {
            (Some(known), Some(seen)) if !self.keeps_scales => Some(MOMENTUM * known + (1.0 - MOMENTUM) * seen),
            _ => known.or(seen),
        };
        if !self.keeps_scales || known.is_none() {
            self.peaks[layer] = peak;
        }
        peak.unwrap_or(1.0) / self.quantization.largest_activation()
    }

    /// The scale after each hidden layer; that of a largest output of 1 for one that has seen no batch.
    pub(crate) fn scales(&self) -> Vec<f32> {
        self.peaks.iter().map(|peak| peak.unwrap_or(1.0) / self.quantization.largest_activation()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_sets_the_scale_and_later_ones_move_it() {
        let quantization = Quantization { activation_bits: 4, ..Quantization::default() };
        let mut calibration = Calibration::new(1, quantization);
        assert_eq!(calibration.scale_of_peak(0, Some(2.0)), 2.0 / 15.0);
        assert_eq!(calibration.scale_of_peak(0, Some(3.0)), (0.9 * 2.0 + (1.0 - 0.9) * 3.0) / 15.0);
        let before = calibration.scales();
        assert_eq!(calibration.scale_of_peak(0, None), before[0], "a silent batch");
        assert_eq!(calibration.frozen().scale_of_peak(0, Some(50.0)), before[0], "frozen");
        assert_eq!(calibration.scales(), before);
        let mut fresh = Calibration::new(1, quantization).frozen();
        let scales = [fresh.scale_of_peak(0, Some(2.0)), fresh.scale_of_peak(0, Some(3.0)), fresh.scales()[0]];
        assert_eq!(scales, [2.0 / 15.0; 3]);
    }

    #[test]
    fn silent_batches_say_nothing_and_few_large_numbers_little() {
        let output = |values: [f32; 4]| Tensor::<2>::from_floats([values], &burn::tensor::Device::flex().autodiff());
        let calibration =
            |activation_range| Calibration::new(1, Quantization { activation_range, ..Quantization::default() });
        let (signed, unsigned) = (CodeRange::new(7, true), CodeRange::ACTIVATION);
        let mut usual = calibration(RangeEstimator::MinMax);
        assert_eq!(usual.scale(0, &output([-3.0, -1.0, 0.0, 0.0]), unsigned), 1.0 / 127.0);
        assert_eq!(usual.peaks(), [None]);
        assert_eq!(usual.scale(0, &output([-3.0, -1.0, 0.0, 2.0]), signed), 3.0 / 127.0);
        let mut percentile = calibration(RangeEstimator::Percentile(75.0));
        assert_eq!(percentile.scale(0, &output([-3.0, 1.0, 0.5, 2.0]), unsigned), 1.0 / 127.0);
    }
}
