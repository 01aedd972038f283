//! Active and passive training at once.

use super::compensation::mean_error_corrections;
use super::hardware::Hardware;
use super::sensitivity::Penalty;
use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::pass::Pass;
use crate::spec::SensitivityPass;
use axtrain_sim::kernel::TableGemm;
use burn::tensor::Tensor;
use std::sync::Arc;

/// The passive loss plus λ times the sensitivity. By default that is taken at the noisy pass: there the network will run, and on
/// coarse multipliers what is insensitive on exact arithmetic is not what is insensitive on theirs.
pub(crate) struct Hybrid {
    /// The exact multiplier.
    pub(crate) exact: Arc<TableGemm>,
    /// The one trained for.
    pub(crate) hardware: Hardware,
    /// The regulariser.
    pub(crate) penalty: Penalty,
    /// Where it is taken.
    pub(crate) at: SensitivityPass,
}

impl TrainingMethod for Hybrid {
    fn begin_epoch(&mut self, network: &RoundedNetwork, batch: &Batch, calibration: &Calibration) {
        self.hardware.begin_epoch(network, batch, calibration);
    }

    fn bias_corrections(&self, network: &RoundedNetwork, batch: &Batch, calibration: &Calibration) -> Vec<Tensor<1>> {
        let passes = [Pass::settled(&self.exact), self.hardware.settled()];
        mean_error_corrections(network, passes, &batch.images, calibration)
    }

    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        network.forward(batch.images.clone(), &self.hardware.settled(), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        step: &mut Step,
    ) -> Objective {
        let noisy = network.forward(batch.images.clone(), &self.hardware.pass(batch, step), calibration);
        let network = &network.folded(&noisy);
        let frozen = &mut calibration.frozen();
        let clean = network.forward(batch.images.clone(), &Pass::settled(&self.exact), frozen);
        let trace = match self.at {
            SensitivityPass::Noisy => &noisy,
            SensitivityPass::Exact => &clean,
        };
        let penalty = self.penalty.of(network, trace, &batch.targets, step);
        let noisy = scores(&noisy);
        let loss = cross_entropy(scores(&clean), &batch.targets) + cross_entropy(noisy.clone(), &batch.targets);
        Objective { loss: loss * 0.5 + penalty, scores: noisy }
    }
}
