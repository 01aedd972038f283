//! From trained parameters to the integers that the array loads.

use crate::geometry::LayerGeometry;
use crate::network::RealNetwork;
use crate::quantizer::{self, ActivationQuantizer};
use axtrain_sim::workload::{Network, PIXEL_SCALE, QuantizedLayer};

/// The integer network of `real` with the given scale of activations after each hidden layer.
pub(crate) fn export(real: &RealNetwork, geometry: &[LayerGeometry], hidden_scales: &[f32]) -> Network {
    let mut input_scale = PIXEL_SCALE;
    let mut layers: Vec<QuantizedLayer> = Vec::with_capacity(geometry.len());
    for ((weights, bias), geometry) in real.parameters().into_iter().zip(geometry) {
        let position = layers.len();
        let weight_scale = quantizer::weight_scale(&weights);
        let accumulator_scale = input_scale * weight_scale;
        let next_scale = hidden_scales.get(position).copied();
        let kind = if geometry.convolution.is_connected() { "dense" } else { "conv" };
        layers.push(QuantizedLayer {
            name: format!("{kind}{}", position + 1),
            convolution: geometry.convolution,
            pooling: geometry.pooling.as_ref().map(|windows| windows.pool()),
            weights: quantizer::weight_codes(&weights, weight_scale),
            bias: quantizer::bias_codes(&bias, accumulator_scale),
            input_scale,
            weight_scale,
            requantize: next_scale.map(|scale| ActivationQuantizer::new(accumulator_scale, scale).requantize()),
            channel_requantize: None,
        });
        input_scale = next_scale.unwrap_or(input_scale);
    }
    Network::new(layers).expect("layers of one architecture fit together")
}
