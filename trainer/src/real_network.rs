//! Trainable real parameters of a network.

use crate::geometry::LayerGeometry;
use crate::network::{RoundedLayer, RoundedNetwork, to_vec};
use crate::normalisation::RunningStatistics;
use crate::ops::{self, Rounding};
use crate::optimizer::LayerOptimizer;
use crate::quantization::{Granularity, Quantization};
use crate::quantizer::WeightGrid;
use axtrain_sim::workload::FloatLayer;
use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::{Rng, RngExt};

/// Real-valued parameters of a network.
#[derive(Module, Debug)]
pub(crate) struct RealNetwork {
    layers: Vec<RealLayer>,
}

/// Real-valued parameters of a multiplying layer.
#[derive(Module, Debug)]
pub(crate) struct RealLayer {
    /// `[output channel][channel of the group, kernel row, kernel column]`.
    pub(crate) weight: Param<Tensor<2>>,
    /// One an output channel.
    pub(crate) bias: Param<Tensor<1>>,
    /// One an output channel, if its sums are normalised.
    pub(crate) gain: Option<Param<Tensor<1>>>,
}

/// A layer's parameters as numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RealParameters {
    /// `[output channel][k]`.
    pub(crate) weights: Vec<f32>,
    /// One an output channel.
    pub(crate) bias: Vec<f32>,
    /// One an output channel, if its sums are normalised.
    pub(crate) gain: Option<Vec<f32>>,
}

impl RealParameters {
    /// Of a layer that is not normalised.
    pub(crate) fn of(layer: &FloatLayer) -> Self {
        Self { weights: layer.weights.clone(), bias: layer.bias.clone(), gain: None }
    }
}

impl RealNetwork {
    /// Random weights, uniform with variance 2 / (activations that meet in a sum) (He et al. 2015, arXiv 1502.01852), no bias,
    /// and gains of one.
    pub(crate) fn random(geometry: &[LayerGeometry], rng: &mut impl Rng, device: &Device) -> Self {
        let layer = |geometry: &LayerGeometry| {
            let bound = (6.0 / geometry.convolution.shape(1).k as f32).sqrt();
            let channels = geometry.convolution.channels();
            RealParameters {
                weights: (0..geometry.convolution.weights()).map(|_| rng.random_range(-bound..bound)).collect(),
                bias: vec![0.0; channels],
                gain: geometry.normalised.then(|| vec![1.0; channels]),
            }
        };
        Self::from_parameters(geometry.iter().map(layer).collect(), device)
    }

    /// From the parameters of each layer.
    pub(crate) fn from_parameters(layers: Vec<RealParameters>, device: &Device) -> Self {
        let of_channels = |values: Vec<f32>| {
            let count = values.len();
            Param::from_tensor(Tensor::from_data(TensorData::new(values, [count]), device))
        };
        let layer = |RealParameters { weights, bias, gain }: RealParameters| {
            let shape = [bias.len(), weights.len() / bias.len()];
            let weight = Tensor::from_data(TensorData::new(weights, shape), device);
            RealLayer { weight: Param::from_tensor(weight), bias: of_channels(bias), gain: gain.map(of_channels) }
        };
        Self { layers: layers.into_iter().map(layer).collect() }
    }

    /// Each layer's parameters.
    pub(crate) fn parameters(&self) -> Vec<RealParameters> {
        let layer = |layer: &RealLayer| RealParameters {
            weights: to_vec(layer.weight.val()),
            bias: to_vec(layer.bias.val()),
            gain: layer.gain.as_ref().map(|gain| to_vec(gain.val())),
        };
        self.layers.iter().map(layer).collect()
    }

    /// The layers, first to last.
    pub(crate) fn layers(&self) -> &[RealLayer] {
        &self.layers
    }

    /// Each layer after a step at learning rate `rate`.
    pub(crate) fn step(mut self, optimizer: &mut LayerOptimizer, gradients: &Gradients, rate: f64) -> Self {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let values = (layer.weight.val(), layer.bias.val(), layer.gain.as_ref().map(Param::val));
            let (weight, bias, gain) = optimizer.step(index, values, gradients, rate);
            layer.weight = layer.weight.clone().map(|_| weight);
            layer.bias = layer.bias.clone().map(|_| bias);
            layer.gain = layer.gain.take().zip(gain).map(|(parameter, gain)| parameter.map(|_| gain));
        }
        self
    }

    /// Confines every weight to ±`limit`.
    pub(crate) fn clip(mut self, limit: f32) -> Self {
        for layer in &mut self.layers {
            let clipped = |weight: Tensor<2>| Tensor::from_inner(weight.inner().clamp(-limit, limit)).require_grad();
            layer.weight = layer.weight.clone().map(clipped);
        }
        self
    }

    /// Adds to each layer's bias; nothing for layers beyond the end of `corrections`.
    pub(crate) fn with_bias_added(mut self, corrections: Vec<Tensor<1>>) -> Self {
        for (layer, correction) in self.layers.iter_mut().zip(corrections) {
            let added = |bias: Tensor<1>| Tensor::from_inner(bias.inner() + correction.inner()).require_grad();
            layer.bias = layer.bias.clone().map(added);
        }
        self
    }

    /// The gradient of `loss` by each layer's weights and bias.
    #[cfg(test)]
    pub(crate) fn gradients(&self, loss: &Tensor<1>) -> Vec<[Vec<f32>; 2]> {
        let gradients = loss.backward();
        let layer = |layer: &RealLayer| {
            let (weight, bias) = (layer.weight.val(), layer.bias.val());
            // What the loss does not depend on has no entry.
            let by_weight = weight.grad(&gradients).unwrap_or_else(|| weight.zeros_like().inner());
            let by_bias = bias.grad(&gradients).unwrap_or_else(|| bias.zeros_like().inner());
            [to_vec(by_weight), to_vec(by_bias)]
        };
        self.layers.iter().map(layer).collect()
    }

    /// The layers with weights rounded to the grids on which `statistics` put their codes. `None` if a weight is not finite.
    pub(crate) fn round(
        &self,
        geometry: &[LayerGeometry],
        statistics: &RunningStatistics,
        quantization: &Quantization,
    ) -> Option<RoundedNetwork> {
        self.layers_with(geometry, statistics, quantization, |weight, grid| {
            ops::round(weight, Rounding::Weight(grid))
        })
    }

    /// The layers with weights as they are. `None` if one is not finite.
    pub(crate) fn unrounded(
        &self,
        geometry: &[LayerGeometry],
        statistics: &RunningStatistics,
        quantization: &Quantization,
    ) -> Option<RoundedNetwork> {
        self.layers_with(geometry, statistics, quantization, |weight, _| weight)
    }

    fn layers_with(
        &self,
        geometry: &[LayerGeometry],
        statistics: &RunningStatistics,
        quantization: &Quantization,
        rounded: impl Fn(Tensor<2>, WeightGrid) -> Tensor<2>,
    ) -> Option<RoundedNetwork> {
        let last = geometry.len() - 1;
        let layer = |(number, (layer, geometry)): (usize, (&RealLayer, &LayerGeometry))| {
            let weight = layer.weight.val();
            // Scores are compared with each other: all of them have one scale.
            let granularity = match number == last {
                true => Granularity::PerTensor,
                false => quantization.granularity,
            };
            let quantization = Quantization { granularity, ..*quantization };
            let grid = WeightGrid::new(&to_vec(weight.clone()), &statistics.factors(number, layer), &quantization)?;
            Some(RoundedLayer {
                geometry: geometry.clone(),
                coding: grid.coding().clone(),
                weight: rounded(weight, grid),
                bias: layer.bias.val(),
                gain: layer.gain.as_ref().map(Param::val),
            })
        };
        let layers = self.layers.iter().zip(geometry).enumerate().map(layer);
        Some(RoundedNetwork::new(layers.collect::<Option<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::Architecture;

    #[test]
    fn clipping_confines_weights_and_keeps_them_trainable() {
        let fixture = Fixture::perceptron(&[6, 5, 3], 4, &ProductTable::exact(8, 8, true));
        let largest = |network: &RealNetwork| {
            network.parameters().into_iter().flat_map(|layer| layer.weights).fold(0.0, f32::max)
        };
        assert!(largest(&fixture.real) > 0.3);
        let clipped = fixture.real.clone().clip(0.3);
        assert_eq!(largest(&clipped), 0.3);
        assert!(clipped.layers.iter().all(|layer| layer.weight.val().is_require_grad()));
    }

    #[test]
    fn weights_that_are_not_finite_are_noticed() {
        for weight in [f32::NAN, f32::INFINITY] {
            let parameters = vec![RealParameters { weights: vec![0.5, weight], bias: vec![0.0], gain: None }];
            let geometry = [LayerGeometry::new(&Architecture::perceptron(2, &[], 1).unwrap().layers()[0])];
            let network = RealNetwork::from_parameters(parameters, &Device::flex().autodiff());
            assert!(network.round(&geometry, &RunningStatistics::new(1), &Quantization::default()).is_none());
        }
    }
}
