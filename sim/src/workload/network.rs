//! A quantised network as the array computes it: integers only.

use super::{ACTIVATION_BITS, Architecture, LayerShape, QuantizedLayer, WiringError};
use crate::memory;

/// A feed-forward network of quantised layers. Activations are 0…127, weights −127…127. A residual joins the accumulators it is
/// added to in their own units, before they are requantised, and so rounds but once.
///
/// Invariant: shapes as of an [`Architecture`], one score a class at the end, and only the last layer has no
/// [`Requantize`](super::Requantize).
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layers: Vec<QuantizedLayer>,
}

/// Layers that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No layers at all.
    #[error("a network needs at least one layer")]
    Empty,
    /// A tensor's length contradicts the layer's dimensions.
    #[error("layer {layer}: {tensor} has {found} elements; {expected} are needed")]
    Length {
        /// The layer's name.
        layer: String,
        /// Which tensor.
        tensor: &'static str,
        /// Its length.
        found: usize,
        /// What the dimensions ask for.
        expected: usize,
    },
    /// Consecutive layers do not match.
    #[error("layer {layer} takes activations of {input:?} but is given {given:?} (channels, rows, columns)")]
    Chain {
        /// The layer's name.
        layer: String,
        /// Its input, or that of its pooling.
        input: [usize; 3],
        /// What comes before it.
        given: [usize; 3],
    },
    /// The last layer does not give one score a class.
    #[error(
        "layer {layer} is the last and gives {output:?} (channels, rows, columns); scores are one an image and class"
    )]
    Scores {
        /// The layer's name.
        layer: String,
        /// What it gives.
        output: [usize; 3],
    },
    /// Requantisation missing before the last layer, or present on it.
    #[error("layer {layer}: every layer but the last requantises its accumulators")]
    Requantize {
        /// The layer's name.
        layer: String,
    },
    /// The last layer's sums would be in different units.
    #[error(
        "layer {layer}: scores are compared with each other, so the last layer has one scale for all its channels"
    )]
    ScoreScales {
        /// The layer's name.
        layer: String,
    },
    /// Codes that no array takes.
    #[error("layer {layer}: activations of {bits} bits; they have 1 to 7")]
    Bits {
        /// The layer's name.
        layer: String,
        /// Bits asked for.
        bits: u32,
    },
    /// A residual without a scale, or a scale without a residual.
    #[error("layer {layer}: a residual and its scaling belong together")]
    Residual {
        /// The layer's name.
        layer: String,
    },
    /// Layers that cannot be joined as told.
    #[error("layer {layer}: {source}")]
    Wiring {
        /// The layer's name.
        layer: String,
        /// What is wrong.
        source: WiringError,
    },
}

impl Network {
    /// Checks that the layers fit together.
    pub fn new(layers: Vec<QuantizedLayer>) -> Result<Self, NetworkError> {
        let last = layers.len().checked_sub(1).ok_or(NetworkError::Empty)?;
        for (position, layer) in layers.iter().enumerate() {
            let lengths = [
                ("weight", layer.weights.len(), layer.convolution.weights()),
                ("bias", layer.bias.len(), layer.convolution.channels()),
            ];
            let scales = layer.channel_requantize.as_ref().map(|scales| {
                let expected = if position == last { 0 } else { layer.convolution.channels() };
                ("channel_requantize", scales.len(), expected)
            });
            let of_channels = layer.quantizer.channels();
            let of_channels = of_channels.map(|(tensor, found)| (tensor, found, layer.convolution.channels()));
            for (tensor, found, expected) in lengths.into_iter().chain(scales).chain(of_channels) {
                if found != expected {
                    return Err(NetworkError::Length { layer: layer.name.clone(), tensor, found, expected });
                }
            }
            if layer.requantize.is_some() == (position == last) {
                return Err(NetworkError::Requantize { layer: layer.name.clone() });
            }
            if position == last && layer.quantizer.channel_weight_scales.is_some() {
                return Err(NetworkError::ScoreScales { layer: layer.name.clone() });
            }
            if !(1..=ACTIVATION_BITS).contains(&layer.quantizer.activation_bits) {
                let bits = layer.quantizer.activation_bits;
                return Err(NetworkError::Bits { layer: layer.name.clone(), bits });
            }
            let residuals = [
                Some(layer.residual_scaling.is_some()),
                layer.quantizer.channel_residual_scaling.as_ref().map(|_| true),
            ];
            if residuals.into_iter().flatten().any(|scaled| scaled != layer.wiring.residual.is_some()) {
                return Err(NetworkError::Residual { layer: layer.name.clone() });
            }
        }
        let shape = |layer: &QuantizedLayer| LayerShape {
            wiring: layer.wiring,
            ..LayerShape::new(layer.convolution, layer.pooling)
        };
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        Architecture::of_shapes(layers.iter().map(shape).collect(), &names)?;
        Ok(Self { layers })
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[QuantizedLayer] {
        &self.layers
    }

    /// Activations the first layer takes.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    /// Class scores the last layer gives.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// Real number that one unit of a class score stands for.
    pub fn score_scale(&self) -> f64 {
        let last = &self.layers[self.layers.len() - 1];
        f64::from(last.input_scale) * f64::from(last.weight_scale)
    }

    /// Size of each layer's weight matrix.
    pub fn weight_shapes(&self) -> Vec<memory::LayerShape> {
        self.layers.iter().map(|layer| layer.convolution.weight_shape()).collect()
    }

    /// Each layer's weight codes, `[output channel][weight]`.
    pub fn weights_mut(&mut self) -> Vec<&mut [i8]> {
        self.layers.iter_mut().map(|layer| layer.weights.as_mut_slice()).collect()
    }

    /// Multiply-accumulates an image.
    pub fn multiply_accumulates(&self) -> u64 {
        self.layers.iter().map(|layer| layer.convolution.multiply_accumulates()).sum()
    }
}
