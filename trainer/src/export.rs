//! From trained parameters to the integers that the array loads.

use crate::network::RoundedNetwork;
use crate::quantizer::{self, ActivationQuantizer, ResidualScaling};
use axtrain_sim::workload::{CodeRange, Network, QuantizedLayer, Quantizer};

impl RoundedNetwork {
    /// The integer network with the given scale of activations, of so many bits, after each hidden layer.
    ///
    /// # Panics
    /// If sums are still to be normalised.
    pub(crate) fn export(&self, hidden_scales: &[f32], activation_bits: u32) -> Network {
        assert!(!self.is_normalised(), "normalisation is folded in before a network is exported");
        let mut layers: Vec<QuantizedLayer> = Vec::with_capacity(self.layers().len());
        let inputs = self.input_scales(hidden_scales);
        for ((layer, weights), input_scale) in self.layers().iter().zip(self.codes()).zip(inputs) {
            let (position, geometry) = (layers.len(), &layer.geometry);
            let steps = &layer.coding.steps;
            let weight_scale = steps.iter().copied().fold(f32::MIN, f32::max);
            let accumulator_scales: Vec<f32> = steps.iter().map(|step| input_scale * step).collect();
            let next_scale = hidden_scales.get(position).copied();
            let kind = if geometry.convolution.is_connected() { "dense" } else { "conv" };
            let wiring = geometry.wiring;
            let range = CodeRange::new(activation_bits, wiring.linear);
            let requantize = |scale| ActivationQuantizer::new(&accumulator_scales, scale, range).requantize().parts();
            let (requantize, channel_requantize) = next_scale.map(requantize).unzip();
            let added =
                |number: usize| ResidualScaling::new(hidden_scales[number], &accumulator_scales).requantize().parts();
            let (residual_scaling, channel_residual_scaling) = wiring.residual.map(added).unzip();
            let is_uniform = steps.iter().all(|step| *step == weight_scale);
            layers.push(QuantizedLayer {
                name: format!("{kind}{}", position + 1),
                convolution: geometry.convolution,
                pooling: geometry.pooling.as_ref().map(|windows| windows.pool()),
                weights,
                bias: quantizer::bias_codes(&layer.bias_values(), &accumulator_scales),
                input_scale,
                weight_scale,
                requantize,
                channel_requantize: channel_requantize.flatten(),
                wiring,
                residual_scaling,
                quantizer: Quantizer {
                    channel_weight_scales: (!is_uniform).then(|| steps.to_vec()),
                    channel_residual_scaling: channel_residual_scaling.flatten(),
                    weight_zero_points: (!layer.coding.is_symmetric()).then(|| layer.coding.zero_points.to_vec()),
                    activation_bits,
                },
            });
        }
        Network::new(layers).expect("layers of one architecture fit together")
    }
}
