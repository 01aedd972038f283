//! A network in training as a forward pass runs on it: layers whose weights are rounded.

use crate::calibration::Calibration;
use crate::geometry::{LayerGeometry, Selection};
use crate::normalisation;
use crate::ops::{self, Rounding};
use crate::pass::{Noise, Numbers, Pass};
use crate::quantizer::{self, ActivationQuantizer, ResidualScaling, WeightCoding};
use axtrain_sim::profile::sampler::Gaussian;
use axtrain_sim::workload::{CodeRange, PIXEL_SCALE};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, TensorData};
use std::sync::LazyLock;

/// A tensor's elements.
pub(crate) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("single precision")
}

/// A layer whose weights lie on the grid of `coding`; gradients reach the parameters it came from.
#[derive(Clone, Debug)]
pub(crate) struct RoundedLayer {
    pub(crate) geometry: LayerGeometry,
    /// `[output channel][k]`.
    pub(crate) weight: Tensor<2>,
    /// What weight codes stand for.
    pub(crate) coding: WeightCoding,
    /// Not yet rounded: its grid depends on the input's scale.
    pub(crate) bias: Tensor<1>,
    /// If sums are still to be normalised by their own moments, one an output channel.
    pub(crate) gain: Option<Tensor<1>>,
}

impl RoundedLayer {
    /// Its bias as numbers.
    pub(crate) fn bias_values(&self) -> Vec<f32> {
        to_vec(self.bias.clone())
    }
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
    /// What normalisation multiplied sums with, and what it then added, if they were normalised.
    pub(crate) line: Option<[Tensor<1>; 2]>,
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
    /// Of layers, first to last.
    pub(crate) fn new(layers: Vec<RoundedLayer>) -> Self {
        Self { layers }
    }

    /// The layers, first to last.
    pub(crate) fn layers(&self) -> &[RoundedLayer] {
        &self.layers
    }

    /// Whether sums of some layer are still to be normalised.
    pub(crate) fn is_normalised(&self) -> bool {
        self.layers.iter().any(|layer| layer.gain.is_some())
    }

    /// The network of a pass with its normalisation folded into weights and biases: the same codes, on the grids that the pass
    /// left. Gradients reach the parameters through that pass.
    pub(crate) fn folded(&self, trace: &[LayerTrace]) -> Self {
        let layer = |(layer, pass): (&RoundedLayer, &LayerTrace)| {
            let Some([factor, offset]) = pass.line.clone() else { return layer.clone() };
            let factors = to_vec(factor.clone());
            let coding = layer.coding.scaled(&factors);
            let weight = layer.weight.clone() * factor.reshape([factors.len(), 1]);
            RoundedLayer { geometry: layer.geometry.clone(), weight, coding, bias: offset, gain: None }
        };
        Self { layers: self.layers.iter().zip(trace).map(layer).collect() }
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
            let change = quantizer::times(&steps.collect::<Vec<_>>(), &layer.coding.steps);
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
        let codes = |layer: &RoundedLayer| layer.coding.codes(&to_vec(layer.weight.clone()));
        self.layers.iter().map(codes).collect()
    }

    /// Scale of each layer's input, given those of the hidden layers' outputs.
    pub(crate) fn input_scales(&self, hidden_scales: &[f32]) -> Vec<f32> {
        let sources = self.layers.iter().enumerate().map(|(number, layer)| layer.geometry.source(number));
        sources.map(|source| source.map_or(PIXEL_SCALE, |number| hidden_scales[number])).collect()
    }

    /// Runs `images [image][pixel]`, on the grid of [`PIXEL_SCALE`], through the layers as `pass` says.
    /// Scales of hidden activations come from `calibration`, which sees each layer's output first, and the moments of sums that
    /// are normalised, by these moments.
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
            let convolution = layer.geometry.convolution;
            let sums = match &pass.numbers {
                Numbers::Codes(products) => {
                    let table = products.in_layer(position, input_scale, &layer.coding);
                    ops::multiply(input.clone(), layer.weight.clone(), convolution, table)
                }
                Numbers::Real | Numbers::RoundedActivations => {
                    ops::multiply_real(input.clone(), layer.weight.clone(), convolution)
                }
            };
            let line = layer.gain.as_ref().map(|gain| {
                let moments = ops::moments(sums.clone(), convolution.channels());
                calibration.observe(position, &moments);
                normalisation::line(gain.clone(), layer.bias.clone(), moments)
            });
            let coding = match &line {
                Some([factor, _]) => &layer.coding.scaled(&to_vec(factor.clone())),
                None => &layer.coding,
            };
            let accumulator_scales: Vec<f32> = coding.steps.iter().map(|step| input_scale * step).collect();
            let rounded = |bias: Tensor<1>| match &pass.numbers {
                Numbers::Codes(_) => ops::round(bias, Rounding::Bias(accumulator_scales.clone())),
                Numbers::Real | Numbers::RoundedActivations => bias,
            };
            let mut output = match line.clone() {
                Some([factor, offset]) => ops::line(sums, [factor, rounded(offset)]),
                None => ops::add_bias(sums, rounded(layer.bias.clone())),
            };
            if let Some(number) = layer.geometry.wiring.residual {
                let scaling = ResidualScaling::new(scales[number], &accumulator_scales);
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
                trace.push(LayerTrace { input, output, line, activation: None });
                break;
            }
            let range = CodeRange::new(calibration.quantization().activation_bits, layer.geometry.wiring.linear);
            let activation_scale = calibration.scale(position, &output, range);
            scales.push(activation_scale);
            let quantizer = ActivationQuantizer::new(&accumulator_scales, activation_scale, range);
            let (mut activations, grid, limits) = match (&pass.numbers, range.is_signed()) {
                (Numbers::Real, false) => (relu(output.clone()), None, [0.0, f32::INFINITY]),
                (Numbers::Real, true) => (output.clone(), None, [f32::NEG_INFINITY, f32::INFINITY]),
                (Numbers::RoundedActivations | Numbers::Codes(_), _) => {
                    let limits = quantizer.limits();
                    let activations = ops::round(output.clone(), Rounding::Activation(quantizer));
                    (activations, Some(activation_scale), limits)
                }
            };
            let windows = layer.geometry.pooling.as_ref();
            let pooling = windows.map(|windows| windows.selection(&to_vec(activations.clone().inner())));
            if let Some(selection) = &pooling {
                activations = ops::pool(activations, selection.clone(), grid);
            }
            let activation = Some(Activation { limits, pooling, values: activations });
            trace.push(LayerTrace { input, output, line, activation });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::cross_entropy;
    use crate::quantization::{Granularity, Quantization, Scheme};
    use crate::testing::{Fixture, Surrogate, doubles, quantizations, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::{Flow, Pooling};

    /// All accumulators of a fixture's pass against those of the integer network that it exports.
    fn compare(fixture: &Fixture) {
        let trace = fixture.forward(&fixture.network());
        let network = fixture.exported(&trace);
        let codes = quantizer::activation_codes(&to_vec(fixture.images.clone()), PIXEL_SCALE);
        let mut flow = Flow::new(&network, codes);
        for (layer, pass) in network.layers().iter().zip(&trace) {
            let mut accumulators = layer.accumulate(&fixture.gemm, flow.input());
            flow.complete(layer, &mut accumulators);
            let channel_scales = layer.quantizer.channel_weight_scales.as_ref();
            let (positions, channels) = (layer.convolution.positions(), layer.convolution.channels());
            let scale = |place: usize| {
                let scale = channel_scales.map_or(layer.weight_scale, |scales| scales[place / positions % channels]);
                f64::from(layer.input_scale * scale)
            };
            let outputs = to_vec(pass.output.clone()).into_iter().enumerate();
            let trained = outputs.map(|(place, output)| (f64::from(output) / scale(place)).round());
            assert!(
                trained.eq(accumulators.iter().map(|&accumulator| f64::from(accumulator))),
                "{}, {:?}",
                layer.name,
                fixture.quantization
            );
            if layer.requantize.is_none() {
                continue;
            }
            let codes = layer.activate(&accumulators);
            let activation = pass.activation.as_ref().expect("a hidden layer");
            let scale = activation.limits[1] / layer.code_range().highest() as f32;
            let trained = to_vec(activation.values.clone()).into_iter().map(|value| (value / scale).round() as i8);
            assert!(trained.eq(codes.iter().map(|code| code.cast_signed())), "{}", layer.name);
            // Residuals and deep layers may not saturate.
            let is_usual = fixture.quantization == Quantization::default();
            if is_usual && network.layers().len() <= 4 && layer.pooling.is_none() {
                let largest = layer.code_range().highest() as u8;
                assert!([0, largest].iter().all(|end| codes.contains(end)), "both ends of the range occur");
            }
            flow.put(codes);
        }
    }

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
        fixtures.into_iter().chain(Fixture::models(16, &exact)).for_each(|fixture| compare(&fixture));
    }

    /// Every kind of layer with every quantiser.
    #[test]
    fn they_do_so_however_numbers_are_rounded() {
        for quantization in quantizations() {
            for fixture in [
                Fixture::perceptron(&[30, 17, 9, 4], 40, &truncated(2)),
                Fixture::convolutional(Pooling::Maximum, 20, &truncated(2)),
                Fixture::convolutional(Pooling::Average, 20, &truncated(2)),
                Fixture::residual(false, 20, &truncated(2)),
                Fixture::residual(true, 20, &truncated(2)),
            ] {
                let fixture = fixture.quantized(quantization);
                compare(&fixture);
                let deployed = fixture.deployed();
                let (last, hidden) = deployed.layers().split_last().unwrap();
                let by_channel = quantization.granularity == Granularity::PerChannel;
                for layer in hidden {
                    assert_eq!(layer.quantizer.channel_weight_scales.is_some(), by_channel, "{}", layer.name);
                    let largest = layer.weights.iter().map(|code| code.unsigned_abs()).max().unwrap();
                    assert!(f32::from(largest) <= quantization.largest_weight());
                }
                let affine = deployed.layers().iter().any(|layer| layer.quantizer.weight_zero_points.is_some());
                // Of few codes the one at zero may serve, as it does for all that are symmetric.
                match quantization.scheme {
                    Scheme::Symmetric => assert!(!affine),
                    Scheme::Affine => assert!(affine || quantization.weight_bits < 8),
                }
                assert!(last.quantizer.channel_weight_scales.is_none(), "scores are compared");
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
            Fixture::residual(false, 4, &truncated(3)).quantized(Quantization {
                scheme: Scheme::Affine,
                granularity: Granularity::PerChannel,
                activation_bits: 5,
                ..Quantization::default()
            }),
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
}
