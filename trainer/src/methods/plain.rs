//! Quantisation-aware training on exact arithmetic.

use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::pass::Pass;
use axtrain_sim::kernel::TableGemm;
use std::sync::Arc;

/// Minimises the cross-entropy of the quantised network; knows nothing of the hardware but its number format.
pub(crate) struct Plain {
    /// The exact multiplier.
    pub(crate) gemm: Arc<TableGemm>,
}

impl TrainingMethod for Plain {
    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        network.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        _step: &mut Step,
    ) -> Objective {
        let scores = scores(&network.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration));
        Objective { loss: cross_entropy(scores.clone(), &batch.targets), scores }
    }
}
