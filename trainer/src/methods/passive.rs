//! AxTrain's passive method: the hardware's errors in the forward pass.

use super::compensation::mean_error_corrections;
use super::{Arithmetic, Batch, Objective, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::RoundedNetwork;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;

/// Minimises the mean of the cross-entropies on exact and on the hardware's arithmetic. The exact half keeps gradients
/// sound while the errors are large (Stutz et al., MLSys 2021, for bit errors).
pub(crate) struct Passive {
    /// Both multipliers.
    pub(crate) arithmetic: Arithmetic,
}

impl TrainingMethod for Passive {
    fn bias_corrections(&self, network: &RoundedNetwork, batch: &Batch, calibration: &Calibration) -> Vec<Tensor<1>> {
        mean_error_corrections(network, &self.arithmetic, &batch.images, calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        _rng: &mut ChaCha8Rng,
    ) -> Objective {
        let noisy = scores(&network.forward(batch.images.clone(), &self.arithmetic.deployed, calibration));
        let frozen = &mut calibration.frozen();
        let clean = scores(&network.forward(batch.images.clone(), &self.arithmetic.exact, frozen));
        let loss = cross_entropy(clean, &batch.targets) + cross_entropy(noisy.clone(), &batch.targets);
        Objective { loss: loss * 0.5, scores: noisy }
    }
}
