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
        error(self.moments(activation, weight), self.gaussian.draw((bits >> 32) as u32), bits as u32)
    }

    #[inline(always)]
    fn moments(&self, activation: u8, weight: u8) -> [f32; 2] {
        self.cells[usize::from(activation) << self.weight_bits | usize::from(weight)]
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

/// A normal variate with these moments, rounded up or down at random so that its mean stays.
#[inline(always)]
fn error([mean, deviation]: [f32; 2], normal: f32, bits: u32) -> i32 {
    // 1.5 · 2²³: a float of at most 2²² in magnitude, added to it, is rounded to an integer, found in the last bits.
    const SHIFT: f32 = 12_582_912.0;
    let error = mean + deviation * normal;
    let shifted = error + SHIFT;
    let nearest = shifted.to_bits().wrapping_sub(SHIFT.to_bits()) as i32;
    let rest = error - (shifted - SHIFT);
    let place = (bits >> 8) as f32 * (1.0 / 16_777_216.0);
    let step = i32::from(place < rest) - i32::from(place < -rest);
    nearest + step
}

/// Products drawn together: only the two look-ups go one by one.
const TOGETHER: usize = 64;

#[inline(always)]
fn sum_draws(moments: &OperandMoments, activations: &[u8], weights: &[u8], stream: Stream) -> i32 {
    let mut sum = 0i32;
    let chunks = activations.chunks(TOGETHER).zip(weights.chunks(TOGETHER));
    for (first, (activations, weights)) in (0u64..).step_by(TOGETHER).zip(chunks) {
        let mut bits = [0; TOGETHER];
        for (k, bits) in (first..).zip(&mut bits) {
            *bits = stream.bits(k);
        }
        // Past the end, moments of zero make no error.
        let (mut cells, mut normal) = ([[0.0; 2]; TOGETHER], [0.0; TOGETHER]);
        for (index, (&activation, &weight)) in activations.iter().zip(weights).enumerate() {
            cells[index] = moments.moments(activation, weight);
            normal[index] = moments.gaussian.draw((bits[index] >> 32) as u32);
        }
        for ((&cell, &normal), &bits) in cells.iter().zip(&normal).zip(&bits) {
            sum = sum.wrapping_add(error(cell, normal, bits as u32));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sampler::Draws;

    /// Sums of any length are those of their products' draws.
    #[test]
    fn sums_are_of_single_draws() {
        let cells = (0..1 << 14).map(|cell| [(cell % 301 - 150) as f32 * 7.3, (cell % 89) as f32 * 11.7]);
        let moments = OperandMoments { weight_bits: 8, cells: cells.collect(), gaussian: Gaussian::new() };
        let stream = Draws::new(5).stream(1, 2);
        for length in [0, 1, 63, 64, 65, 200] {
            let codes = |factor: usize, limit: usize| (0..length).map(|k| (k * factor % limit) as u8).collect();
            let (activations, weights): (Vec<u8>, Vec<u8>) = (codes(37, 64), codes(91, 256));
            let draw = |k: usize| moments.draw(activations[k], weights[k], stream.bits(k as u64));
            let expected: i32 = (0..length).map(draw).sum();
            assert_eq!(moments.sum(&activations, &weights, stream), expected);
            assert!(length < 2 || expected != 0);
        }
    }
}
