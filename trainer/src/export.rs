//! From trained parameters to the integers that the array loads.

use crate::mlp::Mlp;
use crate::quantizer::{self, ActivationQuantizer};
use axtrain_sim::workload::{Dense, Network, PIXEL_SCALE};

/// The integer network of `mlp` with the given scale of activations after each hidden layer.
pub(crate) fn export(mlp: &Mlp, hidden_scales: &[f32]) -> Network {
    let widths = mlp.widths();
    let mut input_scale = PIXEL_SCALE;
    let mut layers = Vec::with_capacity(widths.len() - 1);
    for (position, (weights, bias)) in mlp.parameters().into_iter().enumerate() {
        let weight_scale = quantizer::weight_scale(&weights);
        let accumulator_scale = input_scale * weight_scale;
        let next_scale = hidden_scales.get(position).copied();
        layers.push(Dense {
            name: format!("dense{}", position + 1),
            inputs: widths[position],
            outputs: widths[position + 1],
            weights: quantizer::weight_codes(&weights, weight_scale),
            bias: quantizer::bias_codes(&bias, accumulator_scale),
            input_scale,
            weight_scale,
            requantize: next_scale.map(|scale| ActivationQuantizer::new(accumulator_scale, scale).requantize()),
        });
        input_scale = next_scale.unwrap_or(input_scale);
    }
    Network::new(layers).expect("layers of one perceptron fit together")
}
