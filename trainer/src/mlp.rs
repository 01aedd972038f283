//! A multilayer perceptron: trainable real parameters, and the quantised layers a forward pass runs on.

use crate::calibration::Calibration;
use crate::ops::{self, Rounding, TableProduct};
use crate::product_gemm::ProductGemm;
use crate::quantizer::{self, ActivationQuantizer};
use axtrain_sim::workload::PIXEL_SCALE;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use std::sync::Arc;

/// Real-valued parameters of a multilayer perceptron.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    layers: Vec<DenseParameters>,
}

/// Real-valued parameters of a fully connected layer.
#[derive(Module, Debug)]
struct DenseParameters {
    /// `[outputs][inputs]`.
    weight: Param<Tensor<2>>,
    /// One an output.
    bias: Param<Tensor<1>>,
}

impl Mlp {
    /// Random weights, uniform with variance 2 / inputs (He et al. 2015, arXiv 1502.01852), and no bias.
    pub(crate) fn random(widths: &[usize], rng: &mut impl Rng, device: &Device) -> Self {
        let layer = |shape: &[usize]| {
            let (inputs, outputs) = (shape[0], shape[1]);
            let bound = (6.0 / inputs as f32).sqrt();
            let weights: Vec<f32> = (0..inputs * outputs).map(|_| rng.random_range(-bound..bound)).collect();
            (weights, vec![0.0; outputs])
        };
        let parameters: Vec<_> = widths.windows(2).map(layer).collect();
        Self::from_parameters(widths, parameters, device)
    }

    /// From `(weights [outputs][inputs], bias)` of each layer.
    pub(crate) fn from_parameters(widths: &[usize], layers: Vec<(Vec<f32>, Vec<f32>)>, device: &Device) -> Self {
        let layer = |(shape, (weights, bias)): (&[usize], (Vec<f32>, Vec<f32>))| {
            let (inputs, outputs) = (shape[0], shape[1]);
            let weight = Tensor::from_data(TensorData::new(weights, [outputs, inputs]), device);
            let bias = Tensor::from_data(TensorData::new(bias, [outputs]), device);
            DenseParameters { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias) }
        };
        Self { layers: widths.windows(2).zip(layers).map(layer).collect() }
    }

    /// Each layer's `(weights [outputs][inputs], bias)`.
    pub(crate) fn parameters(&self) -> Vec<(Vec<f32>, Vec<f32>)> {
        self.layers.iter().map(|layer| (to_vec(layer.weight.val()), to_vec(layer.bias.val()))).collect()
    }

    /// Activations into each layer, and scores out of the last.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let inputs = self.layers.first().map(|layer| layer.weight.dims()[1]);
        inputs.into_iter().chain(self.layers.iter().map(|layer| layer.weight.dims()[0])).collect()
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
        let layer = |layer: &DenseParameters| {
            let (weight, bias) = (layer.weight.val(), layer.bias.val());
            // What the loss does not depend on has no entry.
            let by_weight = weight.grad(&gradients).unwrap_or_else(|| weight.zeros_like().inner());
            let by_bias = bias.grad(&gradients).unwrap_or_else(|| bias.zeros_like().inner());
            [to_vec(by_weight), to_vec(by_bias)]
        };
        self.layers.iter().map(layer).collect()
    }

    /// The layers with weights rounded to their grids. `None` if a weight is not finite.
    pub(crate) fn quantize(&self) -> Option<QuantizedMlp> {
        let layer = |layer: &DenseParameters| {
            let weight = layer.weight.val();
            let weight_scale = quantizer::weight_scale(&to_vec(weight.clone()));
            weight_scale.is_finite().then(|| QuantizedDense {
                weight: ops::round(weight, Rounding::Weight(weight_scale)),
                weight_scale,
                bias: layer.bias.val(),
            })
        };
        Some(QuantizedMlp { layers: self.layers.iter().map(layer).collect::<Option<_>>()? })
    }
}

/// A tensor's elements.
pub(crate) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("single precision")
}

/// A layer whose weights lie on the grid of `weight_scale`; gradients reach the parameters it came from.
#[derive(Clone, Debug)]
pub(crate) struct QuantizedDense {
    /// `[outputs][inputs]`.
    pub(crate) weight: Tensor<2>,
    /// Real number of weight code 1.
    pub(crate) weight_scale: f32,
    /// Not yet rounded: its grid depends on the input's scale.
    pub(crate) bias: Tensor<1>,
}

/// A multilayer perceptron as one training step sees it.
#[derive(Clone, Debug)]
pub(crate) struct QuantizedMlp {
    layers: Vec<QuantizedDense>,
}

/// What a forward pass computed in one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerTrace {
    /// Quantised activations that went in, `[batch][inputs]`.
    pub(crate) input: Tensor<2>,
    /// Pre-activations that came out, `[batch][outputs]`; the last layer's are the class scores.
    pub(crate) output: Tensor<2>,
    /// Where the next layer's activations saturate; `None` for the last layer, which has no activation function.
    pub(crate) limit: Option<f32>,
}

impl QuantizedMlp {
    /// The layers, first to last.
    pub(crate) fn layers(&self) -> &[QuantizedDense] {
        &self.layers
    }

    /// The same layers with `correction` added to one's bias.
    pub(crate) fn with_bias_added(mut self, layer: usize, correction: Tensor<1>) -> Self {
        let bias = &mut self.layers[layer].bias;
        *bias = bias.clone() + correction;
        self
    }

    /// The same layers with what `change` makes of the weight codes, `[outputs][inputs]`, a slice a layer; gradients reach the
    /// parameters as if nothing had changed.
    pub(crate) fn with_changed_codes(&self, change: impl FnOnce(&mut [&mut [i8]])) -> Self {
        let codes =
            |layer: &QuantizedDense| quantizer::weight_codes(&to_vec(layer.weight.clone()), layer.weight_scale);
        let before: Vec<Vec<i8>> = self.layers.iter().map(codes).collect();
        let mut after = before.clone();
        change(&mut after.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        let layer = |(layer, (before, after)): (&QuantizedDense, (Vec<i8>, Vec<i8>))| {
            let steps = before.iter().zip(&after).map(|(before, after)| f32::from(*after) - f32::from(*before));
            let change: Vec<f32> = steps.map(|steps| steps * layer.weight_scale).collect();
            let change = Tensor::from_data(TensorData::new(change, layer.weight.dims()), &layer.weight.device());
            QuantizedDense { weight: layer.weight.clone() + change, ..layer.clone() }
        };
        Self { layers: self.layers.iter().zip(before.into_iter().zip(after)).map(layer).collect() }
    }

    /// Runs `images [batch][features]`, on the grid of [`PIXEL_SCALE`], through the layers on the arithmetic of `gemm`.
    /// Scales of hidden activations come from `calibration`, which sees each layer's output first.
    pub(crate) fn forward(
        &self,
        images: Tensor<2>,
        gemm: &Arc<ProductGemm>,
        calibration: &mut Calibration,
    ) -> Vec<LayerTrace> {
        let mut input = images;
        let mut activation_scale = PIXEL_SCALE;
        let mut trace = Vec::with_capacity(self.layers.len());
        for (position, layer) in self.layers.iter().enumerate() {
            let accumulator_scale = activation_scale * layer.weight_scale;
            let product = TableProduct { gemm: gemm.clone(), activation_scale, weight_scale: layer.weight_scale };
            let bias = ops::round(layer.bias.clone(), Rounding::Bias(accumulator_scale));
            let output = ops::multiply(input.clone(), layer.weight.clone(), product) + bias.unsqueeze();
            if position + 1 == self.layers.len() {
                trace.push(LayerTrace { input, output, limit: None });
                break;
            }
            activation_scale = calibration.scale(position, peak(&output));
            let quantizer = ActivationQuantizer::new(accumulator_scale, activation_scale);
            let activations = ops::round(output.clone(), Rounding::Activation(quantizer));
            let limit = Some(quantizer.limit());
            trace.push(LayerTrace { input: std::mem::replace(&mut input, activations), output, limit });
        }
        trace
    }
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
    use crate::metrics::layer_accumulators;
    use crate::testing::{Fixture, Surrogate, doubles, truncated};
    use axtrain_sim::multiplier::ProductTable;

    #[test]
    fn training_and_integer_inference_compute_the_same_accumulators() {
        for table in [ProductTable::exact(8, 8, true), truncated(3)] {
            let fixture = Fixture::new(&[30, 17, 9, 4], 40, &table);
            let network = export(&fixture.mlp, &fixture.calibration.scales());
            let trace = fixture.forward(&fixture.network());
            let mut codes = quantizer::activation_codes(&to_vec(fixture.images.clone()), PIXEL_SCALE);
            for (layer, pass) in network.layers().iter().zip(&trace) {
                let accumulators = layer_accumulators(layer, &fixture.gemm, &codes);
                let scale = f64::from(layer.input_scale * layer.weight_scale);
                let trained =
                    to_vec(pass.output.clone()).into_iter().map(|output| (f64::from(output) / scale).round());
                assert!(trained.eq(accumulators.iter().map(|&accumulator| f64::from(accumulator))), "{}", layer.name);
                if let Some(requantize) = layer.requantize {
                    codes = accumulators.into_iter().map(|accumulator| requantize.apply(accumulator)).collect();
                    assert!(codes.contains(&127) && codes.contains(&0), "both ends of the range occur");
                }
            }
        }
    }

    #[test]
    fn gradients_are_those_of_the_network_with_frozen_errors() {
        for table in [ProductTable::exact(8, 8, true), truncated(3)] {
            let fixture = Fixture::new(&[6, 5, 4, 3], 8, &table);
            let network = fixture.network();
            let trace = fixture.forward(&network);
            let loss = cross_entropy(trace[2].output.clone(), &fixture.targets);
            let found = fixture.mlp.gradients(&loss);

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
        let fixture = Fixture::new(&[6, 5, 3], 4, &ProductTable::exact(8, 8, true));
        let largest = |mlp: &Mlp| mlp.parameters().into_iter().flat_map(|(weights, _)| weights).fold(0.0, f32::max);
        assert!(largest(&fixture.mlp) > 0.3);
        let clipped = fixture.mlp.clone().clip(0.3);
        assert_eq!(largest(&clipped), 0.3);
        assert!(clipped.layers.iter().all(|layer| layer.weight.val().is_require_grad()));
    }

    #[test]
    fn weights_that_are_not_finite_are_noticed() {
        for weight in [f32::NAN, f32::INFINITY] {
            let parameters = vec![(vec![0.5, weight], vec![0.0])];
            assert!(Mlp::from_parameters(&[2, 1], parameters, &Device::flex().autodiff()).quantize().is_none());
        }
    }
}
