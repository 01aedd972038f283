//! Taking the mean out of a multiplier's errors.
//!
//! Truncating multipliers err to one side, and a layer sums hundreds of their errors: all pre-activations of a network
//! that has only known exact products can end up below zero, where no gradient passes. Training adjusts the bias from
//! there on, but has to start where activations live.

use crate::calibration::Calibration;
use crate::network::RoundedNetwork;
use crate::pass::Pass;
use burn::tensor::Tensor;

/// Additions to each layer's bias that give its outputs on the hardware, averaged over `images`, the mean they have on
/// exact arithmetic, the first of the two passes. Layers are corrected in order, each with those before it corrected.
pub(super) fn mean_error_corrections(
    network: &RoundedNetwork,
    [exact, deployed]: [Pass; 2],
    images: &Tensor<2>,
    calibration: &Calibration,
) -> Vec<Tensor<1>> {
    let wanted = network.forward(images.clone(), &exact, &mut calibration.frozen());
    let mut corrected = network.clone();
    let mut corrections = Vec::with_capacity(wanted.len());
    for (layer, pass) in wanted.iter().enumerate() {
        let found = corrected.forward(images.clone(), &deployed, &mut calibration.frozen());
        let error = pass.output.clone().detach() - found[layer].output.clone().detach();
        let correction = channel_means(error, network.layers()[layer].geometry.convolution.channels());
        corrected = corrected.with_bias_added(layer, correction.clone());
        corrections.push(correction);
    }
    corrections
}

/// Means of `values [image][channel, position]` over images and positions.
fn channel_means(values: Tensor<2>, channels: usize) -> Tensor<1> {
    let [images, outputs] = values.dims();
    values.reshape([images, channels, outputs / channels]).mean_dim(2).mean_dim(0).reshape([channels])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, truncated};
    use axtrain_sim::kernel::TableGemm;
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::Pooling;
    use std::sync::Arc;

    #[test]
    fn corrected_layers_have_the_mean_of_exact_ones() {
        for fixture in [
            Fixture::perceptron(&[30, 17, 9, 4], 40, &truncated(4)),
            Fixture::convolutional(Pooling::Maximum, 40, &truncated(4)),
        ] {
            check(&fixture);
        }
    }

    fn check(fixture: &Fixture) {
        let exact = Arc::new(TableGemm::new(&ProductTable::exact(8, 8, true)));
        let passes = [Pass::settled(&exact), Pass::settled(&fixture.gemm)];
        let network = fixture.network();
        let corrections = mean_error_corrections(&network, passes, &fixture.images, &fixture.calibration);
        let corrected = fixture.real.clone().with_bias_added(corrections);
        let corrected =
            corrected.round(&fixture.geometry, fixture.calibration.statistics(), &fixture.quantization).unwrap();

        let wanted =
            network.forward(fixture.images.clone(), &Pass::settled(&exact), &mut fixture.calibration.frozen());
        let (before, after) = (fixture.forward(&network), fixture.forward(&corrected));
        for layer in 0..wanted.len() {
            let mean_error = |trace: &[crate::network::LayerTrace]| {
                let error = wanted[layer].output.clone() - trace[layer].output.clone();
                let channels = network.layers()[layer].geometry.convolution.channels();
                channel_means(error, channels).abs().max().into_scalar::<f32>()
            };
            // A bias is rounded to whole accumulators, here below 10⁻³.
            assert!(mean_error(&before) > 0.05, "{}", mean_error(&before));
            assert!(mean_error(&after) < 1e-3, "{}", mean_error(&after));
        }
    }
}
