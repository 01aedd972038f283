//! Sharpness-aware minimisation: the loss at the worst weights nearby.
//!
//! SAM (Foret et al., ICLR 2021) steps from w to w + ρ g / ‖g‖ and minimises the loss there; ASAM (Kwon et al., ICML 2021) measures
//! distance relative to each weight, w + ρ T² g / ‖T g‖ with T = |w| + η for weights and 1 for biases.

use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedLayer, RoundedNetwork, to_vec};
use crate::pass::{Numbers, Pass};
use axtrain_sim::kernel::TableGemm;
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// η of ASAM, as its authors have it.
const OFFSET: f32 = 0.01;

/// Minimises the cross-entropy at the worst weights within a distance. Steps are far shorter than the grid's, so there weights are not
/// rounded; activations are.
pub(crate) struct SharpnessAware {
    /// The exact multiplier.
    pub(crate) gemm: Arc<TableGemm>,
    /// The distance ρ.
    pub(crate) radius: f32,
    /// Whether it is relative to each weight.
    pub(crate) adaptive: bool,
}

impl TrainingMethod for SharpnessAware {
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
        let radius = self.radius * step.strength;
        let exact = Pass::settled(&self.gemm);
        if radius == 0.0 {
            let scores = scores(&network.forward(batch.images.clone(), &exact, calibration));
            return Objective { loss: cross_entropy(scores.clone(), &batch.targets), scores };
        }
        if network.is_normalised() {
            // What is moved are the weights of the folded network.
            let network = network.folded(&network.forward(batch.images.clone(), &exact, calibration));
            return self.at_worst(&network, batch, radius, &mut calibration.frozen());
        }
        self.at_worst(network, batch, radius, calibration)
    }
}

/// A layer's gradient, and how far each weight reaches.
struct Ascent {
    by_weight: Vec<f32>,
    by_bias: Vec<f32>,
    reach: Vec<f32>,
}

impl SharpnessAware {
    /// The loss at the worst weights within a distance, of a network without normalisation.
    fn at_worst(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        radius: f32,
        calibration: &mut Calibration,
    ) -> Objective {
        let leaves = network.as_leaves();
        let near = scores(&leaves.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration));
        let steps = self.steps(&leaves, cross_entropy(near.clone(), &batch.targets), radius);
        let far = network.moved(steps);
        let pass = Pass::of(Numbers::RoundedActivations);
        let far = scores(&far.forward(batch.images.clone(), &pass, &mut calibration.frozen()));
        Objective { loss: cross_entropy(far, &batch.targets), scores: near }
    }

    /// The way up the loss of `leaves`, as long as the radius.
    fn steps(&self, leaves: &RoundedNetwork, loss: Tensor<1>, radius: f32) -> Vec<(Tensor<2>, Tensor<1>)> {
        let gradients = loss.backward();
        let ascent = |layer: &RoundedLayer| {
            let by_weight = layer.weight.grad(&gradients).map(to_vec).expect("weights make the loss");
            let by_bias = layer.bias.grad(&gradients).map(to_vec).expect("biases make the loss");
            let reach = match self.adaptive {
                true => to_vec(layer.weight.clone()).iter().map(|weight| weight.abs() + OFFSET).collect(),
                false => vec![1.0; by_weight.len()],
            };
            Ascent { by_weight, by_bias, reach }
        };
        let ascents: Vec<Ascent> = leaves.layers().iter().map(ascent).collect();
        let length = ascents.iter().map(Ascent::square).sum::<f64>().sqrt();
        // Where the loss is flat there is no way up.
        let factor = if length > 0.0 { (f64::from(radius) / length) as f32 } else { 0.0 };
        let pairs = leaves.layers().iter().zip(&ascents);
        pairs.map(|(layer, ascent)| ascent.step(layer, factor)).collect()
    }
}

impl Ascent {
    /// Square of the gradient in units of each parameter's reach.
    fn square(&self) -> f64 {
        let square = |value: f32| f64::from(value).powi(2);
        let weights = self.by_weight.iter().zip(&self.reach).map(|(gradient, reach)| square(gradient * reach));
        weights.sum::<f64>() + self.by_bias.iter().map(|gradient| square(*gradient)).sum::<f64>()
    }

    fn step(&self, layer: &RoundedLayer, factor: f32) -> (Tensor<2>, Tensor<1>) {
        let weights = self.by_weight.iter().zip(&self.reach);
        let weights: Vec<f32> = weights.map(|(gradient, reach)| factor * reach * reach * gradient).collect();
        let biases: Vec<f32> = self.by_bias.iter().map(|gradient| factor * gradient).collect();
        let device = layer.weight.device();
        let weights = Tensor::from_data(TensorData::new(weights, layer.weight.dims()), &device);
        (weights, Tensor::from_data(TensorData::new(biases, layer.bias.dims()), &device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, Surrogate, doubles};
    use axtrain_sim::multiplier::ProductTable;

    #[test]
    fn steps_go_up_the_loss_and_have_their_length() {
        let fixture = Fixture::perceptron(&[6, 5, 4, 3], 8, &ProductTable::exact(8, 8, true));
        let network = fixture.network();
        let surrogate = Surrogate::new(&network, &fixture.forward(&network));
        let targets = doubles(&fixture.targets);
        let gradient = surrogate.gradient(|parameters| surrogate.cross_entropy(parameters, &targets));
        for adaptive in [false, true] {
            let method = SharpnessAware { gemm: fixture.gemm.clone(), radius: 0.05, adaptive };
            let leaves = network.as_leaves();
            let near = scores(&leaves.forward(
                fixture.images.clone(),
                &Pass::settled(&fixture.gemm),
                &mut fixture.calibration.frozen(),
            ));
            let steps = method.steps(&leaves, cross_entropy(near, &fixture.targets), 0.05);
            let reach = |layer: usize, tensor: usize, index: usize| match (adaptive, tensor) {
                (true, 0) => surrogate.parameters[layer][0][index].abs() + f64::from(OFFSET),
                _ => 1.0,
            };
            let mut length = 0.0;
            for (layer, tensors) in gradient.iter().enumerate() {
                for (tensor, values) in tensors.iter().enumerate() {
                    length +=
                        values.iter().enumerate().map(|(i, g)| (g * reach(layer, tensor, i)).powi(2)).sum::<f64>();
                }
            }
            for (layer, (weights, biases)) in steps.into_iter().enumerate() {
                for (tensor, found) in [to_vec(weights), to_vec(biases)].into_iter().enumerate() {
                    for (index, found) in found.into_iter().enumerate() {
                        let g = gradient[layer][tensor][index];
                        let expected = 0.05 * g * reach(layer, tensor, index).powi(2) / length.sqrt();
                        assert!((f64::from(found) - expected).abs() < 1e-6, "{found} is not {expected}");
                    }
                }
            }
        }
    }
}
