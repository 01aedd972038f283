//! AxTrain's active method: search for weights to which the outputs are insensitive.
//!
//! He et al., ISLPED 2018 (arXiv 1805.08309) name the idea; the regulariser here is the Gauss–Newton output sensitivity
//! of [`sensitivity`](super::sensitivity).

use super::sensitivity::output_sensitivity;
use super::{Batch, Objective, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::RoundedNetwork;
use crate::spec::Sensitivity;
use axtrain_sim::kernel::TableGemm;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Minimises cross-entropy plus λ times the sensitivity, on exact arithmetic.
pub(crate) struct Active {
    /// The exact multiplier.
    pub(crate) gemm: Arc<TableGemm>,
    /// The regulariser.
    pub(crate) sensitivity: Sensitivity,
}

impl TrainingMethod for Active {
    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        rng: &mut ChaCha8Rng,
    ) -> Objective {
        let trace = network.forward(batch.images.clone(), &self.gemm, calibration);
        let scores = scores(&trace);
        let sensitivity = output_sensitivity(network, &trace, &self.sensitivity, rng);
        let loss = cross_entropy(scores.clone(), &batch.targets) + sensitivity * self.sensitivity.lambda;
        Objective { loss, scores }
    }
}
