//! Normal noise as strong as the hardware's errors: what knowing only their variance is worth.

use super::hardware::Hardware;
use super::{Arithmetic, Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork, to_vec};
use crate::ops;
use crate::pass::{Noise, Numbers, Pass, Products};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::sampler::{Draws, Gaussian};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use std::sync::Arc;

/// Images of a step on which the errors of the multiplier are measured.
const MEASURED: usize = 16;

/// Minimises the mean of the cross-entropies without and with noise: on pre-activations with the variance that the multiplier's
/// errors have there, on weights with a given deviation. Their mean is left to compensation.
pub(crate) struct GaussianNoise {
    exact: Arc<TableGemm>,
    hardware: Hardware,
    /// Deviation of weights, in units of the layer's largest one.
    weights: f32,
    gaussian: Gaussian,
}

impl GaussianNoise {
    /// Noise like the multiplier's of `arithmetic`, and on weights.
    pub(crate) fn new(arithmetic: &Arithmetic, weights: f32) -> Self {
        let (exact, hardware) = (arithmetic.exact.clone(), Hardware::new(arithmetic));
        Self { exact, hardware, weights, gaussian: Gaussian::new() }
    }

    /// Root mean square of the multiplier's errors in each layer about their mean in each channel, given the inputs of a pass on exact
    /// arithmetic.
    fn deviations(
        &self,
        network: &RoundedNetwork,
        trace: &[LayerTrace],
        products: &Products,
        calibration: &Calibration,
    ) -> Vec<f32> {
        let scales = network.input_scales(&calibration.scales());
        let layers = network.layers().iter().zip(trace).zip(scales).enumerate();
        let deviation =
            |(position, ((layer, pass), scale)): (usize, ((&crate::network::RoundedLayer, &LayerTrace), f32))| {
                let convolution = layer.geometry.convolution;
                let images = pass.input.dims()[0].min(MEASURED);
                let input = pass.input.clone().detach().slice([0..images, 0..convolution.inputs()]);
                let weight = layer.weight.clone().detach();
                let sums = |products: &Products| {
                    let table = products.in_layer(position, scale, &layer.coding);
                    ops::multiply(input.clone(), weight.clone(), convolution, table)
                };
                let errors = sums(products) - sums(&Products::of(&self.exact));
                let (channels, positions) = (convolution.channels(), convolution.positions());
                let errors = errors
                    .reshape([images, channels, positions])
                    .swap_dims(0, 1)
                    .reshape([channels, images * positions]);
                let about_mean = errors.clone() - errors.mean_dim(1);
                f64::from(about_mean.square().mean().into_scalar::<f32>()).sqrt() as f32
            };
        layers.map(deviation).collect()
    }

    /// Steps of all weights, from one place to draw at.
    fn weight_steps(&self, network: &RoundedNetwork, deviation: f32, draws: Draws) -> Vec<(Tensor<2>, Tensor<1>)> {
        let step = |(position, layer): (usize, &crate::network::RoundedLayer)| {
            let range = to_vec(layer.weight.clone()).iter().fold(0f32, |range, weight| range.max(weight.abs()));
            let bits = |place: usize| (draws.stream(position as u64, place as u64).bits(1) >> 32) as u32;
            let [channels, inputs] = layer.weight.dims();
            let values = (0..channels * inputs).map(|place| deviation * range * self.gaussian.draw(bits(place)));
            let device = layer.weight.device();
            let weights =
                Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [channels, inputs]), &device);
            (weights, layer.bias.zeros_like().detach())
        };
        network.layers().iter().enumerate().map(step).collect()
    }
}

impl TrainingMethod for GaussianNoise {
    fn begin_epoch(&mut self, network: &RoundedNetwork, batch: &Batch, calibration: &Calibration) {
        self.hardware.begin_epoch(network, batch, calibration);
    }

    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        network.forward(batch.images.clone(), &Pass::settled(&self.exact), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        step: &mut Step,
    ) -> Objective {
        let trace = network.forward(batch.images.clone(), &Pass::settled(&self.exact), calibration);
        let network = &network.folded(&trace);
        let clean = scores(&trace);
        let loss = cross_entropy(clean.clone(), &batch.targets);
        let draws = Draws::new(step.rng.next_u64());
        // Errors of late products as often as they will be: the noise itself is raised below.
        let strength = std::mem::replace(&mut step.strength, 1.0);
        let Numbers::Codes(products) = self.hardware.pass(batch, step).numbers else {
            unreachable!("hardware has codes")
        };
        step.strength = strength;
        let mut deviations = self.deviations(network, &trace, &products, calibration);
        deviations.iter_mut().for_each(|deviation| *deviation *= strength);
        let weights = self.weights * strength;
        if weights == 0.0 && deviations.iter().all(|deviation| *deviation == 0.0) {
            return Objective { loss, scores: clean };
        }
        let numbers =
            if weights > 0.0 { Numbers::RoundedActivations } else { Numbers::Codes(Products::of(&self.exact)) };
        let pass = Pass { numbers, noise: Some(Noise { deviations, draws }) };
        let disturbed = match weights > 0.0 {
            true => network.moved(self.weight_steps(network, weights, draws)),
            false => network.clone(),
        };
        let noisy = scores(&disturbed.forward(batch.images.clone(), &pass, &mut calibration.frozen()));
        Objective { loss: (loss + cross_entropy(noisy, &batch.targets)) * 0.5, scores: clean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::Pooling;

    /// Variance of (truncated − exact) sums, one product after the other.
    #[test]
    fn noise_has_the_variance_of_the_multipliers_errors() {
        for fixture in [
            Fixture::perceptron(&[30, 17, 9, 4], 12, &truncated(4)),
            Fixture::convolutional(Pooling::Maximum, 12, &truncated(4)),
        ] {
            let exact = Arc::new(TableGemm::new(&ProductTable::exact(8, 8, true)));
            let arithmetic = Arithmetic { exact: exact.clone(), deployed: fixture.gemm.clone(), timing: None };
            let method = GaussianNoise::new(&arithmetic, 0.0);
            let network = fixture.network();
            let trace =
                network.forward(fixture.images.clone(), &Pass::settled(&exact), &mut fixture.calibration.frozen());
            let products = Products::of(&fixture.gemm);
            let found = method.deviations(&network, &trace, &products, &fixture.calibration);
            let scales = network.input_scales(&fixture.calibration.scales());
            for ((layer, (pass, found)), scale) in network.layers().iter().zip(trace.iter().zip(found)).zip(scales) {
                let convolution = layer.geometry.convolution;
                let images = crate::quantizer::activation_codes(&to_vec(pass.input.clone()), scale);
                let weights = layer.coding.codes(&to_vec(layer.weight.clone()));
                let mut of_channels = vec![Vec::new(); convolution.channels()];
                let shape = convolution.shape(12);
                for group in 0..convolution.groups() {
                    for (row, n) in (0..shape.m).flat_map(|row| (0..shape.n).map(move |n| (row, n))) {
                        let channel = group * shape.n + n;
                        let error: i32 = (0..shape.k)
                            .map(|k| {
                                let x = i32::from(convolution.code(&images, group, row, k));
                                let w = i32::from(weights[channel * shape.k + k]);
                                (x >> 4 << 4) * (w >> 4 << 4) - x * w
                            })
                            .sum();
                        of_channels[channel].push(f64::from(error));
                    }
                }
                let variance = |errors: &Vec<f64>| {
                    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
                    errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / errors.len() as f64
                };
                let mean = of_channels.iter().map(variance).sum::<f64>() / of_channels.len() as f64;
                let expected = mean.sqrt() * f64::from(scale) * f64::from(layer.coding.steps[0]);
                assert!((f64::from(found) / expected - 1.0).abs() < 1e-3, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn weights_are_disturbed_as_told() {
        let fixture = Fixture::perceptron(&[60, 50, 4], 4, &ProductTable::exact(8, 8, true));
        let exact = fixture.gemm.clone();
        let method = GaussianNoise::new(&Arithmetic { exact: exact.clone(), deployed: exact, timing: None }, 0.1);
        let network = fixture.network();
        let (weights, _) = method.weight_steps(&network, 0.1, Draws::new(3)).swap_remove(0);
        let range = to_vec(network.layers()[0].weight.clone()).iter().fold(0f32, |range, w| range.max(w.abs()));
        let steps = to_vec(weights);
        let mean = steps.iter().sum::<f32>() / 3_000.0;
        let deviation = (steps.iter().map(|step| step.powi(2)).sum::<f32>() / 3_000.0).sqrt();
        // Three standard errors of 3,000 draws.
        assert!(mean.abs() < 0.1 * range * 3.0 / 3_000f32.sqrt(), "{mean}");
        assert!((deviation / (0.1 * range) - 1.0).abs() < 3.0 / 6_000f32.sqrt(), "{deviation} {range}");
    }
}
