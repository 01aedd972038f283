//! A quantised network as the array computes it: integers only.

use crate::memory::LayerShape;
use serde::{Deserialize, Serialize};

/// Turns a 32-bit accumulator into the next layer's activation code: `round(acc · multiplier / 2^shift)`, clamped to
/// 0…127, which is ReLU and quantisation in one step (halves round up).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requantize {
    /// Significand, 2^30 ≤ multiplier < 2^31 unless the factor is zero.
    pub multiplier: i32,
    /// Right shift, 1…62.
    pub shift: u32,
}

impl Requantize {
    /// The nearest representation of a positive real `factor`; relative error below 2^-30.
    ///
    /// Returns `None` if `factor` is not finite, not positive, or outside 2^-31…2^29.
    pub fn from_factor(factor: f64) -> Option<Self> {
        if !factor.is_finite() || factor <= 0.0 {
            return None;
        }
        let exponent = factor.log2().floor() as i32;
        let mut shift = 30 - exponent;
        let mut multiplier = (factor * 2f64.powi(shift)).round();
        if multiplier >= 2f64.powi(31) {
            multiplier /= 2.0;
            shift -= 1;
        }
        let shift = u32::try_from(shift).ok().filter(|shift| (1..=62).contains(shift))?;
        Some(Self { multiplier: multiplier as i32, shift })
    }

    /// The activation code of an accumulator.
    pub fn apply(self, accumulator: i32) -> u8 {
        let scaled = i64::from(accumulator) * i64::from(self.multiplier);
        // Two steps so that the rounding constant cannot overflow at shift 62.
        let rounded = ((scaled >> (self.shift - 1)) + 1) >> 1;
        rounded.clamp(0, 127) as u8
    }
}

/// A fully connected layer: `acc[o] = bias[o] + Σ product(activation[i], weight[o][i])`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Name, unique in the network.
    pub name: String,
    /// Number of activations in, K.
    pub inputs: usize,
    /// Number of outputs, N.
    pub outputs: usize,
    /// Weight codes `[outputs][inputs]`, −127…127.
    pub weights: Vec<i8>,
    /// Bias in units of `input_scale * weight_scale`, one an output.
    pub bias: Vec<i32>,
    /// Real number that activation code 1 stands for.
    pub input_scale: f32,
    /// Real number that weight code 1 stands for.
    pub weight_scale: f32,
    /// To the next layer's activations; `None` on the last layer, whose accumulators are the class scores.
    pub requantize: Option<Requantize>,
}

/// A feed-forward network of quantised layers. Activations are 0…127, weights −127…127.
///
/// Invariant: each layer's inputs are the previous layer's outputs, and only the last has no [`Requantize`].
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layers: Vec<Dense>,
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
    #[error("layer {layer} takes {inputs} activations but the layer before it gives {outputs}")]
    Chain {
        /// The second layer's name.
        layer: String,
        /// Its inputs.
        inputs: usize,
        /// The first layer's outputs.
        outputs: usize,
    },
    /// Requantisation missing before the last layer, or present on it.
    #[error("layer {layer}: every layer but the last requantises its accumulators")]
    Requantize {
        /// The layer's name.
        layer: String,
    },
}

impl Network {
    /// Checks that the layers fit together.
    pub fn new(layers: Vec<Dense>) -> Result<Self, NetworkError> {
        let last = layers.len().checked_sub(1).ok_or(NetworkError::Empty)?;
        for (position, layer) in layers.iter().enumerate() {
            let lengths = [
                ("weight", layer.weights.len(), layer.inputs * layer.outputs),
                ("bias", layer.bias.len(), layer.outputs),
            ];
            for (tensor, found, expected) in lengths {
                if found != expected {
                    return Err(NetworkError::Length { layer: layer.name.clone(), tensor, found, expected });
                }
            }
            if layer.requantize.is_some() == (position == last) {
                return Err(NetworkError::Requantize { layer: layer.name.clone() });
            }
            if position > 0 && layers[position - 1].outputs != layer.inputs {
                let outputs = layers[position - 1].outputs;
                return Err(NetworkError::Chain { layer: layer.name.clone(), inputs: layer.inputs, outputs });
            }
        }
        Ok(Self { layers })
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[Dense] {
        &self.layers
    }

    /// Activations the first layer takes.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Class scores the last layer gives.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Size of each layer's weight matrix.
    pub fn weight_shapes(&self) -> Vec<LayerShape> {
        self.layers.iter().map(|layer| LayerShape { inputs: layer.inputs, outputs: layer.outputs }).collect()
    }

    /// Each layer's weight codes, `[outputs][inputs]`.
    pub fn weights_mut(&mut self) -> Vec<&mut [i8]> {
        self.layers.iter_mut().map(|layer| layer.weights.as_mut_slice()).collect()
    }

    /// Multiply-accumulates an image.
    pub fn multiply_accumulates(&self) -> u64 {
        self.layers.iter().map(|layer| (layer.inputs * layer.outputs) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requantising_is_scaling_rounding_and_clamping() {
        for factor in [1e-4, 3.7e-3, 0.5, 0.731, 1.0, 1.5] {
            let requantize = Requantize::from_factor(factor).unwrap();
            for accumulator in (-70_000..70_000).step_by(37) {
                let exact = (f64::from(accumulator) * factor + 0.5).floor().clamp(0.0, 127.0);
                assert_eq!(f64::from(requantize.apply(accumulator)), exact, "{accumulator} × {factor}");
            }
        }
    }

    #[test]
    fn extreme_accumulators_do_not_overflow() {
        let smallest = Requantize { multiplier: i32::MAX, shift: 62 };
        assert_eq!(smallest.apply(i32::MAX), 1);
        assert_eq!(smallest.apply(i32::MIN), 0);
        assert_eq!(Requantize { multiplier: i32::MAX, shift: 1 }.apply(i32::MAX), 127);
    }

    #[test]
    fn factors_out_of_range_are_refused() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-12, 1e12] {
            assert_eq!(Requantize::from_factor(factor), None);
        }
    }
}
