//! Scales of hidden activations, from what a network's layers put out.

use crate::quantizer::LARGEST_ACTIVATION;

/// Share of the past in the running mean of a layer's largest output.
const MOMENTUM: f32 = 0.9;

/// Running scales of the hidden activations: the mean over recent batches of the largest output, over the largest code.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    /// One a hidden layer, none before its first batch.
    peaks: Vec<Option<f32>>,
    frozen: bool,
}

impl Calibration {
    /// For a network of `hidden_layers`, none of them seen yet.
    pub(crate) fn new(hidden_layers: usize) -> Self {
        Self { peaks: vec![None; hidden_layers], frozen: false }
    }

    /// As it was when its [`peaks`](Self::peaks) were these.
    pub(crate) fn of(peaks: Vec<Option<f32>>) -> Self {
        Self { peaks, frozen: false }
    }

    /// Running largest output of each hidden layer; none before its first batch.
    pub(crate) fn peaks(&self) -> &[Option<f32>] {
        &self.peaks
    }

    /// The same scales, to be used without being changed. Layers that have seen no batch keep the scale of the first they see.
    pub(crate) fn frozen(&self) -> Self {
        Self { frozen: true, ..self.clone() }
    }

    /// The scale of the activations after hidden layer `layer`, whose largest output in this batch is `peak`.
    pub(crate) fn scale(&mut self, layer: usize, peak: f32) -> f32 {
        let known = self.peaks[layer];
        // A layer that is silent in this batch says nothing about its range.
        let seen = Some(peak).filter(|peak| peak.is_finite() && *peak > 0.0);
        let peak = match (known, seen) {
            (Some(known), Some(seen)) if !self.frozen => Some(MOMENTUM * known + (1.0 - MOMENTUM) * seen),
            _ => known.or(seen),
        };
        if !self.frozen || known.is_none() {
            self.peaks[layer] = peak;
        }
        peak.unwrap_or(1.0) / LARGEST_ACTIVATION
    }

    /// The scale after each hidden layer; 1 / 127 for one that has seen no batch.
    pub(crate) fn scales(&self) -> Vec<f32> {
        self.peaks.iter().map(|peak| peak.unwrap_or(1.0) / LARGEST_ACTIVATION).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_sets_the_scale_and_later_ones_move_it() {
        let mut calibration = Calibration::new(1);
        assert_eq!(calibration.scale(0, 2.0), 2.0 / 127.0);
        assert_eq!(calibration.scale(0, 3.0), (0.9 * 2.0 + (1.0 - 0.9) * 3.0) / 127.0);
        let before = calibration.scales();
        assert_eq!(calibration.scale(0, -1.0), before[0], "a silent batch");
        assert_eq!(calibration.frozen().scale(0, 50.0), before[0], "frozen");
        assert_eq!(calibration.scales(), before);
        let mut fresh = Calibration::new(1).frozen();
        assert_eq!([fresh.scale(0, 2.0), fresh.scale(0, 3.0), fresh.scales()[0]], [2.0 / 127.0; 3]);
    }
}
