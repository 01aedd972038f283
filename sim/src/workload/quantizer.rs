//! How a layer's numbers are rounded, beyond one symmetric scale for all its weights.

use super::Requantize;
use serde::{Deserialize, Serialize};

/// Bits of activation codes unless said otherwise: 0…127, what a signed 8×8 multiplier takes without sign.
pub const ACTIVATION_BITS: u32 = 7;

/// What a layer's codes mean where one scale does not say it all; by default it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantizer {
    /// Real number that weight code 1 stands for, one an output channel, in place of the layer's own. The bias is in units of
    /// these then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_weight_scales: Option<Vec<f32>>,
    /// From the codes of the residual to units of each channel's accumulators, in place of the layer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_residual_scaling: Option<Vec<Requantize>>,
    /// The weight code that stands for zero, one an output channel; 0 for all if `None`. The array multiplies codes as they are,
    /// and the zero point times the sum of a filter's activations is taken off its sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_zero_points: Option<Vec<i8>>,
    /// Bits of the codes that leave: their largest is 2^bits − 1, at most 127.
    #[serde(default = "activation_bits", skip_serializing_if = "is_usual")]
    pub activation_bits: u32,
}

fn activation_bits() -> u32 {
    ACTIVATION_BITS
}

fn is_usual(bits: &u32) -> bool {
    *bits == ACTIVATION_BITS
}

impl Default for Quantizer {
    fn default() -> Self {
        Self {
            channel_weight_scales: None,
            channel_residual_scaling: None,
            weight_zero_points: None,
            activation_bits: ACTIVATION_BITS,
        }
    }
}

impl Quantizer {
    /// Lengths that must be the number of output channels.
    pub(super) fn channels(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let lengths = [
            ("channel_weight_scales", self.channel_weight_scales.as_ref().map(Vec::len)),
            ("channel_residual_scaling", self.channel_residual_scaling.as_ref().map(Vec::len)),
            ("weight_zero_points", self.weight_zero_points.as_ref().map(Vec::len)),
        ];
        lengths.into_iter().filter_map(|(name, length)| Some((name, length?)))
    }
}
