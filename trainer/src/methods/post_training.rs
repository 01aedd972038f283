//! Training of real numbers, which are rounded when all is done.

use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::pass::{Numbers, Pass};

/// Minimises the cross-entropy of the real-valued network: post-training quantisation without retraining. Scales of
/// activations come from what its layers put out.
pub(crate) struct PostTraining;

impl TrainingMethod for PostTraining {
    fn rounds_weights(&self) -> bool {
        false
    }

    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        network.forward(batch.images.clone(), &Pass::of(Numbers::Real), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        _step: &mut Step,
    ) -> Objective {
        let scores = scores(&network.forward(batch.images.clone(), &Pass::of(Numbers::Real), calibration));
        Objective { loss: cross_entropy(scores.clone(), &batch.targets), scores }
    }
}
