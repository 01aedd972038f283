//! A network in training: trainable real parameters, and the rounded layers a forward pass runs on.

use crate::calibration::Calibration;
use crate::geometry::{LayerGeometry, Selection};
use crate::ops::{self, Rounding};
use crate::optimizer::LayerOptimizer;
use crate::pass::{Noise, Numbers, Pass};
use crate::quantizer::{self, ActivationQuantizer};
use axtrain_sim::profile::sampler::Gaussian;
use axtrain_sim::workload::PIXEL_SCALE;
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::{Rng, RngExt};
use std::sync::LazyLock;

/// Real-valued parameters of a network.
#[derive(Module, Debug)]
pub(crate) struct RealNetwork {
    layers: Vec<RealLayer>,
}

/// Real-valued parameters of a multiplying layer.
#[derive(Module, Debug)]
struct RealLayer {
    /// `[output channel][channel of the group, kernel row, kernel column]`.
    weight: Param<Tensor<2>>,
    /// One an output channel.
    bias: Param<Tensor<1>>,
}

impl RealNetwork {
    /// Random weights, uniform with variance 2 / (activations that meet in a sum) (He et al. 2015, arXiv 1502.01852), and no
    /// bias.
    pub(crate) fn random(geometry: &[LayerGeometry], rng: &mut impl Rng, device: &Device) -> Self {
        let layer = |geometry: &LayerGeometry| {
            let bound = (6.0 / geometry.convolution.shape(1).k as f32).sqrt();
            let weights = (0..geometry.convolution.weights()).map(|_| rng.random_range(-bound..bound)).collect();
            (weights, vec![0.0; geometry.convolution.channels()])
        };
        Self::from_parameters(geometry.iter().map(layer).collect(), device)
    }

    /// From `(weights [output channel][k], bias)` of each layer.
    pub(crate) fn from_parameters(layers: Vec<(Vec<f32>, Vec<f32>)>, device: &Device) -> Self {
        let layer = |(weights, bias): (Vec<f32>, Vec<f32>)| {
            let shape = [bias.len(), weights.len() / bias.len()];
            let weight = Tensor::from_data(TensorData::new(weights, shape), device);
            let bias = Tensor::from_data(TensorData::new(bias, [shape[0]]), device);
            RealLayer { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias) }
        };
        Self { layers: layers.into_iter().map(layer).collect() }
    }

    /// Each layer's `(weights [output channel][k], bias)`.
    pub(crate) fn parameters(&self) -> Vec<(Vec<f32>, Vec<f32>)> {
        self.layers.iter().map(|layer| (to_vec(layer.weight.val()), to_vec(layer.bias.val()))).collect()
    }

    /// Each layer after a step at learning rate `rate`.
    pub(crate) fn step(mut self, optimizer: &mut LayerOptimizer, gradients: &Gradients, rate: f64) -> Self {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let values = (layer.weight.val(), layer.bias.val());
            let (weight, bias) = optimizer.step(index, values, gradients, rate);
            layer.weight = layer.weight.clone().map(|_| weight);
            layer.bias = layer.bias.clone().map(|_| bias);
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

    /// The layers with weights rounded to their grids. `None` if a weight is not finite.
    pub(crate) fn round(&self, geometry: &[LayerGeometry]) -> Option<RoundedNetwork> {
        let rounded = |weight, scale| ops::round(weight, Rounding::Weight(scale));
        self.layers_with(geometry, rounded)
    }

    /// The layers with weights as they are. `None` if one is not finite.
    pub(crate) fn unrounded(&self, geometry: &[LayerGeometry]) -> Option<RoundedNetwork> {
        self.layers_with(geometry, |weight, _| weight)
    }

    fn layers_with(
        &self,
        geometry: &[LayerGeometry],
        rounded: impl Fn(Tensor<2>, f32) -> Tensor<2>,
    ) -> Option<RoundedNetwork> {
        let layer = |(layer, geometry): (&RealLayer, &LayerGeometry)| {
            let weight = layer.weight.val();
            let weight_scale = quantizer::weight_scale(&to_vec(weight.clone()));
            weight_scale.is_finite().then(|| RoundedLayer {
                geometry: geometry.clone(),
                weight: rounded(weight, weight_scale),
                weight_scale,
                bias: layer.bias.val(),
            })
        };
        Some(RoundedNetwork { layers: self.layers.iter().zip(geometry).map(layer).collect::<Option<_>>()? })
    }
}

/// A tensor's elements.
pub(crate) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("single precision")
}

/// A layer whose weights lie on the grid of `weight_scale`; gradients reach the parameters it came from.
#[derive(Clone, Debug)]
pub(crate) struct RoundedLayer {
    pub(crate) geometry: LayerGeometry,
    /// `[output channel][k]`.
    pub(crate) weight: Tensor<2>,
    /// Real number of weight code 1.
    pub(crate) weight_scale: f32,
    /// Not yet rounded: its grid depends on the input's scale.
    pub(crate) bias: Tensor<1>,
}

/// A network as one training step sees it.
#[derive(Clone, Debug)]
pub(crate) struct RoundedNetwork {
    layers: Vec<RoundedLayer>,
}

/// What a forward pass computed in one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerTrace {
    /// Rounded activations that went in, `[image][activation]`.
    pub(crate) input: Tensor<2>,
    /// Pre-activations that came out, `[image][output channel, position]`; the last layer's are the class scores.
    pub(crate) output: Tensor<2>,
    /// What became of them; `None` for the last layer, which has no activation function.
    pub(crate) activation: Option<Activation>,
}

/// The activation function of a hidden layer in one pass.
#[derive(Clone, Debug)]
pub(crate) struct Activation {
    /// Where activations saturate.
    pub(crate) limit: f32,
    /// How they were pooled, if they were.
    pub(crate) pooling: Option<Selection>,
}

impl RoundedNetwork {
    /// The layers, first to last.
    pub(crate) fn layers(&self) -> &[RoundedLayer] {
        &self.layers
    }

    /// The same layers with `correction` added to one's bias.
    pub(crate) fn with_bias_added(mut self, layer: usize, correction: Tensor<1>) -> Self {
        let bias = &mut self.layers[layer].bias;
        *bias = bias.clone() + correction;
        self
    }

    /// The same layers with what `change` makes of the weight codes, `[output][weight]`, a slice a layer; gradients reach the
    /// parameters as if nothing had changed.
    pub(crate) fn with_changed_codes(&self, change: impl FnOnce(&mut [&mut [i8]])) -> Self {
        let before = self.codes();
        let mut after = before.clone();
        change(&mut after.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        let layer = |(layer, (before, after)): (&RoundedLayer, (Vec<i8>, Vec<i8>))| {
            let steps = before.iter().zip(&after).map(|(before, after)| f32::from(*after) - f32::from(*before));
            let change: Vec<f32> = steps.map(|steps| steps * layer.weight_scale).collect();
            let change = Tensor::from_data(TensorData::new(change, layer.weight.dims()), &layer.weight.device());
            RoundedLayer { weight: layer.weight.clone() + change, ..layer.clone() }
        };
        Self { layers: self.layers.iter().zip(before.into_iter().zip(after)).map(layer).collect() }
    }

    /// The same layers as if they were parameters themselves: gradients end at them.
    pub(crate) fn as_leaves(&self) -> Self {
        let leaf = |layer: &RoundedLayer| RoundedLayer {
            weight: layer.weight.clone().detach().require_grad(),
            bias: layer.bias.clone().detach().require_grad(),
            ..layer.clone()
        };
        Self { layers: self.layers.iter().map(leaf).collect() }
    }

    /// The same layers with `steps [output channel][k]` and `[output channel]` added to weights and bias, off their grids; gradients
    /// reach the parameters as if nothing had changed.
    pub(crate) fn moved(&self, steps: Vec<(Tensor<2>, Tensor<1>)>) -> Self {
        let layer = |(layer, (weight, bias)): (&RoundedLayer, (Tensor<2>, Tensor<1>))| RoundedLayer {
            weight: layer.weight.clone() + weight,
            bias: layer.bias.clone() + bias,
            ..layer.clone()
        };
        Self { layers: self.layers.iter().zip(steps).map(layer).collect() }
    }

    /// Each layer's weight codes `[output channel][k]`.
    pub(crate) fn codes(&self) -> Vec<Vec<i8>> {
        let codes = |layer: &RoundedLayer| quantizer::weight_codes(&to_vec(layer.weight.clone()), layer.weight_scale);
        self.layers.iter().map(codes).collect()
    }

    /// Runs `images [image][pixel]`, on the grid of [`PIXEL_SCALE`], through the layers as `pass` says.
    /// Scales of hidden activations come from `calibration`, which sees each layer's output first.
    pub(crate) fn forward(&self, images: Tensor<2>, pass: &Pass, calibration: &mut Calibration) -> Vec<LayerTrace> {
        let mut input = images;
        let mut activation_scale = PIXEL_SCALE;
        let mut trace = Vec::with_capacity(self.layers.len());
        for (position, layer) in self.layers.iter().enumerate() {
            let accumulator_scale = activation_scale * layer.weight_scale;
            let convolution = layer.geometry.convolution;
            let sums = match &pass.numbers {
                Numbers::Codes(products) => {
                    let table = products.in_layer(position, activation_scale, layer.weight_scale);
                    ops::multiply(input.clone(), layer.weight.clone(), convolution, table)
                }
                Numbers::Real | Numbers::RoundedActivations => {
                    ops::multiply_real(input.clone(), layer.weight.clone(), convolution)
                }
            };
            let bias = match &pass.numbers {
                Numbers::Codes(_) => ops::round(layer.bias.clone(), Rounding::Bias(accumulator_scale)),
                Numbers::Real | Numbers::RoundedActivations => layer.bias.clone(),
            };
            let mut output = ops::add_bias(sums, bias);
            if let Some(noise) = &pass.noise {
                output = with_noise(output, noise, position);
            }
            if position + 1 == self.layers.len() {
                trace.push(LayerTrace { input, output, activation: None });
                break;
            }
            activation_scale = calibration.scale(position, peak(&output));
            let quantizer = ActivationQuantizer::new(accumulator_scale, activation_scale);
            let (mut activations, grid, limit) = match &pass.numbers {
                Numbers::Real => (relu(output.clone()), None, f32::INFINITY),
                Numbers::RoundedActivations | Numbers::Codes(_) => {
                    let activations = ops::round(output.clone(), Rounding::Activation(quantizer));
                    (activations, Some(activation_scale), quantizer.limit())
                }
            };
            let windows = layer.geometry.pooling.as_ref();
            let pooling = windows.map(|windows| windows.selection(&to_vec(activations.clone().inner())));
            if let Some(selection) = &pooling {
                activations = ops::pool(activations, selection.clone(), grid);
            }
            let activation = Some(Activation { limit, pooling });
            trace.push(LayerTrace { input: std::mem::replace(&mut input, activations), output, activation });
        }
        trace
    }
}

/// A layer's pre-activations with noise; nothing is drawn where there is none.
fn with_noise(output: Tensor<2>, noise: &Noise, layer: usize) -> Tensor<2> {
    static GAUSSIAN: LazyLock<Gaussian> = LazyLock::new(Gaussian::new);
    let deviation = noise.deviations[layer];
    if deviation == 0.0 {
        return output;
    }
    let [images, outputs] = output.dims();
    let bits = |place: usize| noise.draws.stream(layer as u64, place as u64).bits(0);
    let values = (0..images * outputs).map(|place| deviation * GAUSSIAN.draw((bits(place) >> 32) as u32));
    let values = Tensor::from_data(TensorData::new(values.collect(), [images, outputs]), &output.device());
    output + values
}

/// The largest element.
fn peak(tensor: &Tensor<2>) -> f32 {
    tensor.clone().inner().max().into_scalar()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::export;
    use crate::methods::cross_entropy;
    use crate::testing::{Fixture, Surrogate, doubles, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::{Architecture, Pooling};

    #[test]
    fn training_and_integer_inference_compute_the_same_accumulators() {
        let exact = ProductTable::exact(8, 8, true);
        let fixtures = [
            Fixture::perceptron(&[30, 17, 9, 4], 40, &exact),
            Fixture::perceptron(&[30, 17, 9, 4], 40, &truncated(3)),
            Fixture::convolutional(Pooling::Maximum, 40, &exact),
            Fixture::convolutional(Pooling::Maximum, 40, &truncated(3)),
            Fixture::convolutional(Pooling::Average, 40, &truncated(3)),
        ];
        for fixture in fixtures {
            let network = export(&fixture.real, &fixture.geometry, &fixture.calibration.scales());
            let trace = fixture.forward(&fixture.network());
            let mut codes = quantizer::activation_codes(&to_vec(fixture.images.clone()), PIXEL_SCALE);
            for (layer, pass) in network.layers().iter().zip(&trace) {
                let accumulators = layer.accumulate(&fixture.gemm, &codes);
                let scale = f64::from(layer.input_scale * layer.weight_scale);
                let trained =
                    to_vec(pass.output.clone()).into_iter().map(|output| (f64::from(output) / scale).round());
                assert!(trained.eq(accumulators.iter().map(|&accumulator| f64::from(accumulator))), "{}", layer.name);
                if let Some(requantize) = layer.requantize {
                    let ends = [0, 127].map(|end| accumulators.iter().any(|&sum| requantize.apply(sum) == end));
                    assert_eq!(ends, [true; 2], "both ends of the range occur");
                    codes = layer.activate(&accumulators);
                }
            }
        }
    }

    #[test]
    fn gradients_are_those_of_the_network_with_frozen_errors() {
        for fixture in [
            Fixture::perceptron(&[6, 5, 4, 3], 8, &ProductTable::exact(8, 8, true)),
            Fixture::perceptron(&[6, 5, 4, 3], 8, &truncated(3)),
            Fixture::convolutional(Pooling::Maximum, 6, &truncated(3)),
            Fixture::convolutional(Pooling::Average, 6, &truncated(2)),
        ] {
            let network = fixture.network();
            let trace = fixture.forward(&network);
            let loss = cross_entropy(trace.last().unwrap().output.clone(), &fixture.targets);
            let found = fixture.real.gradients(&loss);

            let surrogate = Surrogate::new(&network, &trace);
            let targets = doubles(&fixture.targets);
            let expected = surrogate.gradient(|parameters| surrogate.cross_entropy(parameters, &targets));
            let expected = expected.iter().flatten().flatten();
            for (&found, &expected) in found.iter().flatten().flatten().zip(expected) {
                assert!((f64::from(found) - expected).abs() < 1e-5, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn clipping_confines_weights_and_keeps_them_trainable() {
        let fixture = Fixture::perceptron(&[6, 5, 3], 4, &ProductTable::exact(8, 8, true));
        let largest = |network: &RealNetwork| {
            network.parameters().into_iter().flat_map(|(weights, _)| weights).fold(0.0, f32::max)
        };
        assert!(largest(&fixture.real) > 0.3);
        let clipped = fixture.real.clone().clip(0.3);
        assert_eq!(largest(&clipped), 0.3);
        assert!(clipped.layers.iter().all(|layer| layer.weight.val().is_require_grad()));
    }

    #[test]
    fn weights_that_are_not_finite_are_noticed() {
        for weight in [f32::NAN, f32::INFINITY] {
            let parameters = vec![(vec![0.5, weight], vec![0.0])];
            let geometry = [LayerGeometry::new(&Architecture::perceptron(2, &[], 1).unwrap().layers()[0])];
            let network = RealNetwork::from_parameters(parameters, &Device::flex().autodiff());
            assert!(network.round(&geometry).is_none());
        }
    }
}
