//! From trained parameters to the integers that the array loads.

use crate::geometry::LayerGeometry;
use crate::network::input_scales;
use crate::quantizer::{self, ActivationQuantizer, ResidualScaling};
use crate::training::LayerParameters;
use axtrain_sim::workload::{CodeRange, Network, QuantizedLayer};

/// The integer network of these parameters with the given scale of activations after each hidden layer.
pub(crate) fn export(parameters: &[LayerParameters], geometry: &[LayerGeometry], hidden_scales: &[f32]) -> Network {
    let mut layers: Vec<QuantizedLayer> = Vec::with_capacity(geometry.len());
    let inputs = input_scales(geometry.iter(), hidden_scales);
    for ((LayerParameters { weights, bias }, geometry), input_scale) in parameters.iter().zip(geometry).zip(inputs) {
        let position = layers.len();
        let weight_scale = quantizer::weight_scale(weights);
        let accumulator_scale = input_scale * weight_scale;
        let next_scale = hidden_scales.get(position).copied();
        let kind = if geometry.convolution.is_connected() { "dense" } else { "conv" };
        let wiring = geometry.wiring;
        let range = if wiring.linear { CodeRange::Signed } else { CodeRange::Activation };
        let requantize = |scale| ActivationQuantizer::new(accumulator_scale, scale, range).requantize();
        let added = |number: usize| ResidualScaling::new(hidden_scales[number], accumulator_scale).requantize();
        layers.push(QuantizedLayer {
            name: format!("{kind}{}", position + 1),
            convolution: geometry.convolution,
            pooling: geometry.pooling.as_ref().map(|windows| windows.pool()),
            weights: quantizer::weight_codes(weights, weight_scale),
            bias: quantizer::bias_codes(bias, accumulator_scale),
            input_scale,
            weight_scale,
            requantize: next_scale.map(requantize),
            channel_requantize: None,
            wiring,
            residual_scaling: wiring.residual.map(added),
        });
    }
    Network::new(layers).expect("layers of one architecture fit together")
}
