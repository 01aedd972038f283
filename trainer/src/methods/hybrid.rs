//! Active and passive training at once.

use super::compensation::mean_error_corrections;
use super::sensitivity::output_sensitivity;
use super::{Arithmetic, Batch, Objective, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::RoundedNetwork;
use crate::spec::Sensitivity;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;

/// The passive loss plus λ times the sensitivity at the noisy pass: there the network will run, and on coarse multipliers
/// what is insensitive on exact arithmetic is not what is insensitive on theirs.
pub(crate) struct Hybrid {
    /// Both multipliers.
    pub(crate) arithmetic: Arithmetic,
    /// The regulariser.
    pub(crate) sensitivity: Sensitivity,
}

impl TrainingMethod for Hybrid {
    fn bias_corrections(&self, network: &RoundedNetwork, batch: &Batch, calibration: &Calibration) -> Vec<Tensor<1>> {
        mean_error_corrections(network, &self.arithmetic, &batch.images, calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        rng: &mut ChaCha8Rng,
    ) -> Objective {
        let noisy = network.forward(batch.images.clone(), &self.arithmetic.deployed, calibration);
        let frozen = &mut calibration.frozen();
        let clean = scores(&network.forward(batch.images.clone(), &self.arithmetic.exact, frozen));
        let sensitivity = output_sensitivity(network, &noisy, &self.sensitivity, rng);
        let noisy = scores(&noisy);
        let loss = cross_entropy(clean, &batch.targets) + cross_entropy(noisy.clone(), &batch.targets);
        Objective { loss: loss * 0.5 + sensitivity * self.sensitivity.lambda, scores: noisy }
    }
}
