//! AxTrain's active method: search for weights to which the outputs are insensitive.
//!
//! He et al., ISLPED 2018 (arXiv 1805.08309) name the idea; the regularisers here are those of
//! [`sensitivity`](super::sensitivity).

use super::sensitivity::Penalty;
use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::pass::Pass;
use axtrain_sim::kernel::TableGemm;
use std::sync::Arc;

/// Minimises cross-entropy plus λ times the sensitivity, on exact arithmetic.
pub(crate) struct Active {
    /// The exact multiplier.
    pub(crate) gemm: Arc<TableGemm>,
    /// The regulariser.
    pub(crate) penalty: Penalty,
}

impl TrainingMethod for Active {
    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        network.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        step: &mut Step,
    ) -> Objective {
        let trace = network.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration);
        let scores = scores(&trace);
        let penalty = self.penalty.of(&network.folded(&trace), &trace, &batch.targets, step);
        Objective { loss: cross_entropy(scores.clone(), &batch.targets) + penalty, scores }
    }
}
