//! AxTrain's passive method: the hardware's errors in the forward pass.

use super::compensation::mean_error_corrections;
use super::hardware::Hardware;
use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::pass::Pass;
use axtrain_sim::kernel::TableGemm;
use burn::tensor::Tensor;
use std::sync::Arc;

/// Minimises the mean of the cross-entropies on exact and on the hardware's arithmetic. The exact half keeps gradients
/// sound while the errors are large (Stutz et al., MLSys 2021, for bit errors).
///
/// With the hardware's own derivatives this is the method `table-gradient`: Meng et al. (DATE 2025) minimise the hardware's half alone.
pub(crate) struct Passive {
    /// The exact multiplier.
    pub(crate) exact: Arc<TableGemm>,
    /// The one trained for.
    pub(crate) hardware: Hardware,
}

impl TrainingMethod for Passive {
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
        let trace = network.forward(batch.images.clone(), &self.hardware.pass(batch, step), calibration);
        let noisy = scores(&trace);
        let frozen = &mut calibration.frozen();
        let clean =
            scores(&network.folded(&trace).forward(batch.images.clone(), &Pass::settled(&self.exact), frozen));
        let loss = cross_entropy(clean, &batch.targets) + cross_entropy(noisy.clone(), &batch.targets);
        Objective { loss: loss * 0.5, scores: noisy }
    }
}
