//! A network in training: trainable real parameters, and the rounded layers a forward pass runs on.

use crate::calibration::Calibration;
use crate::geometry::{LayerGeometry, Selection};
use crate::normalisation::Statistics;
use crate::ops::{self, Rounding};
use crate::optimizer::LayerOptimizer;
use crate::pass::{Noise, Numbers, Pass};
use crate::quantizer::{self, ActivationQuantizer, ResidualScaling};
use axtrain_sim::profile::sampler::Gaussian;
use axtrain_sim::workload::{CodeRange, FloatLayer, PIXEL_SCALE};
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

    /// The layers with weights rounded to their grids, normalisation by `statistics` folded in. `None` if a weight is not finite.
    pub(crate) fn round(&self, geometry: &[LayerGeometry], statistics: &Statistics) -> Option<RoundedNetwork> {
        let rounded = |weight, scale| ops::round(weight, Rounding::Weight(scale));
        self.layers_with(geometry, statistics, rounded)
    }

    /// The layers with weights as they are, normalisation by `statistics` folded in. `None` if one is not finite.
    pub(crate) fn unrounded(&self, geometry: &[LayerGeometry], statistics: &Statistics) -> Option<RoundedNetwork> {
        self.layers_with(geometry, statistics, |weight, _| weight)
    }

    fn layers_with(
        &self,
        geometry: &[LayerGeometry],
        statistics: &Statistics,
        rounded: impl Fn(Tensor<2>, f32) -> Tensor<2>,
    ) -> Option<RoundedNetwork> {
        let layer = |((weight, bias), geometry): ((Tensor<2>, Tensor<1>), &LayerGeometry)| {
            let weight_scale = quantizer::weight_scale(&to_vec(weight.clone()));
            weight_scale.is_finite().then(|| RoundedLayer {
                geometry: geometry.clone(),
                weight: rounded(weight, weight_scale),
                weight_scale,
                bias,
            })
        };
        let layers = self.folded(statistics).into_iter().zip(geometry).map(layer);
        Some(RoundedNetwork { layers: layers.collect::<Option<_>>()? })
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
    /// Where activations saturate, below and above.
    pub(crate) limits: [f32; 2],
    /// How they were pooled, if they were.
    pub(crate) pooling: Option<Selection>,
    /// What left the layer, `[image][activation]`.
    pub(crate) values: Tensor<2>,
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

    /// Scale of each layer's input under a calibration.
    pub(crate) fn input_scales(&self, calibration: &Calibration) -> Vec<f32> {
        input_scales(self.layers.iter().map(|layer| &layer.geometry), &calibration.scales())
    }

    /// Runs `images [image][pixel]`, on the grid of [`PIXEL_SCALE`], through the layers as `pass` says.
    /// Scales of hidden activations come from `calibration`, which sees each layer's output first.
    pub(crate) fn forward(&self, images: Tensor<2>, pass: &Pass, calibration: &mut Calibration) -> Vec<LayerTrace> {
        let mut scales = Vec::with_capacity(self.layers.len());
        let mut trace: Vec<LayerTrace> = Vec::with_capacity(self.layers.len());
        for (position, layer) in self.layers.iter().enumerate() {
            let values = |number: usize| -> Tensor<2> {
                trace[number].activation.as_ref().expect("a hidden layer").values.clone()
            };
            let (input, input_scale) = match layer.geometry.source(position) {
                Some(number) => (values(number), scales[number]),
                None => (images.clone(), PIXEL_SCALE),
            };
            let accumulator_scale = input_scale * layer.weight_scale;
            let convolution = layer.geometry.convolution;
            let sums = match &pass.numbers {
                Numbers::Codes(products) => {
                    let table = products.in_layer(position, input_scale, layer.weight_scale);
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
            if let Some(number) = layer.geometry.wiring.residual {
                let scaling = ResidualScaling::new(scales[number], accumulator_scale);
                output = output
                    + match &pass.numbers {
                        Numbers::Codes(_) => ops::round(values(number), Rounding::Residual(scaling)),
                        Numbers::Real | Numbers::RoundedActivations => values(number),
                    };
            }
            if let Some(noise) = &pass.noise {
                output = with_noise(output, noise, position);
            }
            if position + 1 == self.layers.len() {
                trace.push(LayerTrace { input, output, activation: None });
                break;
            }
            let range = if layer.geometry.wiring.linear { CodeRange::Signed } else { CodeRange::Activation };
            let activation_scale = calibration.scale(position, peak(&output, range));
            scales.push(activation_scale);
            let quantizer = ActivationQuantizer::new(accumulator_scale, activation_scale, range);
            let (mut activations, grid, limits) = match (&pass.numbers, range) {
                (Numbers::Real, CodeRange::Activation) => (relu(output.clone()), None, [0.0, f32::INFINITY]),
                (Numbers::Real, CodeRange::Signed) => (output.clone(), None, [f32::NEG_INFINITY, f32::INFINITY]),
                (Numbers::RoundedActivations | Numbers::Codes(_), _) => {
                    let activations = ops::round(output.clone(), Rounding::Activation(quantizer));
                    (activations, Some(activation_scale), quantizer.limits())
                }
            };
            let windows = layer.geometry.pooling.as_ref();
            let pooling = windows.map(|windows| windows.selection(&to_vec(activations.clone().inner())));
            if let Some(selection) = &pooling {
                activations = ops::pool(activations, selection.clone(), grid);
            }
            let activation = Some(Activation { limits, pooling, values: activations });
            trace.push(LayerTrace { input, output, activation });
        }
        trace
    }
}

/// Scale of each layer's input, given those of the hidden layers' outputs.
pub(crate) fn input_scales<'a>(geometry: impl Iterator<Item = &'a LayerGeometry>, hidden_scales: &[f32]) -> Vec<f32> {
    let sources = geometry.enumerate().map(|(number, layer)| layer.source(number));
    sources.map(|source| source.map_or(PIXEL_SCALE, |number| hidden_scales[number])).collect()
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

/// The largest element, or magnitude if codes have signs.
fn peak(tensor: &Tensor<2>, range: CodeRange) -> f32 {
    let values = tensor.clone().inner();
    match range {
        CodeRange::Activation => values.max().into_scalar(),
        CodeRange::Signed => values.abs().max().into_scalar(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::cross_entropy;
    use crate::testing::{Fixture, Surrogate, doubles, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::{Architecture, Flow, Pooling};

    #[test]
    fn training_and_integer_inference_compute_the_same_accumulators() {
        let exact = ProductTable::exact(8, 8, true);
        let fixtures = [
            Fixture::perceptron(&[30, 17, 9, 4], 40, &exact),
            Fixture::perceptron(&[30, 17, 9, 4], 40, &truncated(3)),
            Fixture::convolutional(Pooling::Maximum, 40, &exact),
            Fixture::convolutional(Pooling::Maximum, 40, &truncated(3)),
            Fixture::convolutional(Pooling::Average, 40, &truncated(3)),
            Fixture::residual(false, 40, &truncated(3)),
            Fixture::residual(true, 40, &truncated(3)),
        ];
        for fixture in fixtures.into_iter().chain(Fixture::models(16, &exact)) {
            let network = fixture.exported();
            let trace = fixture.forward(&fixture.network());
            let codes = quantizer::activation_codes(&to_vec(fixture.images.clone()), PIXEL_SCALE);
            let mut flow = Flow::new(&network, codes);
            for (layer, pass) in network.layers().iter().zip(&trace) {
                let mut accumulators = layer.accumulate(&fixture.gemm, flow.input());
                if let Some(residual) = flow.residual() {
                    layer.add_residual(&mut accumulators, residual);
                }
                let scale = f64::from(layer.input_scale * layer.weight_scale);
                let trained =
                    to_vec(pass.output.clone()).into_iter().map(|output| (f64::from(output) / scale).round());
                assert!(trained.eq(accumulators.iter().map(|&accumulator| f64::from(accumulator))), "{}", layer.name);
                let Some(requantize) = layer.requantize else { continue };
                let reached = [0, 127]
                    .map(|end| accumulators.iter().any(|&sum| requantize.apply_in(sum, layer.code_range()) == end));
                // Residuals and deep layers may not saturate.
                if network.layers().len() <= 4 {
                    assert_eq!(reached, [true; 2], "both ends of the range occur");
                }
                flow.put(layer.activate(&accumulators));
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
            Fixture::residual(false, 4, &truncated(3)),
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
            let images = Tensor::zeros([1, 2], &Device::flex().autodiff());
            assert!(network.round(&geometry, &network.statistics(&images, &geometry)).is_none());
        }
    }
}
