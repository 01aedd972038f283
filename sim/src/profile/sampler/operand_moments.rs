//! A normal variate for each product.

use super::{Gaussian, Stream};
use crate::engine::multiversion;
use crate::profile::ErrorProfile;

/// Errors of single products with the mean and variance that their operands have in a profile, normal otherwise.
#[derive(Clone, Debug)]
pub struct OperandMoments {
    weight_bits: u32,
    /// Mean and standard deviation, `[activation][weight]`.
    cells: Vec<[f32; 2]>,
    gaussian: Gaussian,
}

impl OperandMoments {
    /// The timing error of a profile.
    pub fn new(profile: &ErrorProfile) -> Self {
        let cells =
            profile.error_mean.iter().zip(&profile.error_var).map(|(&mean, &variance)| [mean, variance.sqrt()]);
        Self { weight_bits: profile.metadata.width_b, cells: cells.collect(), gaussian: Gaussian::new() }
    }

    /// Error of the product of these codes, from 64 random bits. The mean over many draws is exact: halves and other
    /// fractions are rounded at random.
    #[inline(always)]
    pub fn draw(&self, activation: u8, weight: u8, bits: u64) -> i32 {
        // 1.5 · 2²³: a float of at most 2²² in magnitude, added to it, is rounded to an integer, found in the last bits.
        const SHIFT: f32 = 12_582_912.0;
        let [mean, deviation] = self.cells[usize::from(activation) << self.weight_bits | usize::from(weight)];
        let error = mean + deviation * self.gaussian.draw((bits >> 32) as u32);
        let shifted = error + SHIFT;
        let nearest = shifted.to_bits().wrapping_sub(SHIFT.to_bits()) as i32;
        let rest = error - (shifted - SHIFT);
        let place = (bits as u32 >> 8) as f32 * (1.0 / 16_777_216.0);
        let step = i32::from(place < rest) - i32::from(place < -rest);
        nearest + step
    }

    /// Error of a sum: one draw for each product, at its place in the stream.
    ///
    /// # Panics
    /// If there is not a weight code for each activation code, or an activation is wider than the profile's.
    pub fn sum(&self, activations: &[u8], weights: &[u8], stream: Stream) -> i32 {
        assert_eq!(activations.len(), weights.len(), "two operands a product");
        sum(self, activations, weights, stream)
    }
}

multiversion! {
    fn sum(moments: &OperandMoments, activations: &[u8], weights: &[u8], stream: Stream) -> i32 = sum_draws
}

#[inline(always)]
fn sum_draws(moments: &OperandMoments, activations: &[u8], weights: &[u8], stream: Stream) -> i32 {
    let places = (0u64..).zip(activations.iter().zip(weights));
    places.fold(0, |sum: i32, (k, (&activation, &weight))| {
        sum.wrapping_add(moments.draw(activation, weight, stream.bits(k)))
    })
}
