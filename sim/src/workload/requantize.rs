//! From accumulators to activation codes.

use crate::engine::multiversion;
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

    /// The codes of accumulators to which `bias` is added first, modulo 2^32, clamped as `range` says.
    ///
    /// # Panics
    /// If there are not as many codes as accumulators.
    pub fn apply_all(self, accumulators: &[i32], bias: i32, range: CodeRange, codes: &mut [u8]) {
        assert_eq!(accumulators.len(), codes.len(), "a code for each accumulator");
        requantize(self, accumulators, bias, range, codes);
    }

    /// The activation code of an accumulator.
    #[inline]
    pub fn apply(self, accumulator: i32) -> u8 {
        self.apply_in(accumulator, CodeRange::ACTIVATION)
    }

    /// The code of an accumulator, clamped as `range` says.
    #[inline]
    pub fn apply_in(self, accumulator: i32, range: CodeRange) -> u8 {
        self.scale(accumulator).clamp(range.lowest, range.highest) as u8
    }

    /// `round(value · multiplier / 2^shift)`, halves up.
    #[inline]
    pub fn scale(self, value: i32) -> i64 {
        let scaled = i64::from(value) * i64::from(self.multiplier);
        // Two steps so that the rounding constant cannot overflow at shift 62.
        ((scaled >> (self.shift - 1)) + 1) >> 1
    }
}

/// The codes that leave a layer, in two's complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRange {
    lowest: i64,
    highest: i64,
}

impl CodeRange {
    /// 0…127: clamping is ReLU.
    pub const ACTIVATION: Self = Self { lowest: 0, highest: 127 };

    /// Magnitudes of so many bits, with their negatives where there is no activation function.
    ///
    /// # Panics
    /// If there are none, or more than 7.
    pub fn new(bits: u32, signed: bool) -> Self {
        assert!((1..=7).contains(&bits), "{bits} bits of a magnitude");
        let highest = (1 << bits) - 1;
        Self { lowest: if signed { -highest } else { 0 }, highest }
    }

    /// Whether negative codes are kept.
    pub fn is_signed(self) -> bool {
        self.lowest < 0
    }

    /// The largest code.
    pub fn highest(self) -> i64 {
        self.highest
    }
}

multiversion! {
    fn requantize(by: Requantize, accumulators: &[i32], bias: i32, range: CodeRange, codes: &mut [u8]) = requantize_each
}

#[inline(always)]
fn requantize_each(by: Requantize, accumulators: &[i32], bias: i32, range: CodeRange, codes: &mut [u8]) {
    for (code, &accumulator) in codes.iter_mut().zip(accumulators) {
        *code = by.scale(accumulator.wrapping_add(bias)).clamp(range.lowest, range.highest) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: CodeRange = CodeRange { lowest: -127, highest: 127 };
    const RANGES: [CodeRange; 3] = [CodeRange::ACTIVATION, SIGNED, CodeRange { lowest: 0, highest: 15 }];

    #[test]
    fn ranges_are_magnitudes_of_so_many_bits() {
        assert_eq!([CodeRange::new(7, false), CodeRange::new(7, true), CodeRange::new(4, false)], RANGES);
    }

    #[test]
    fn requantising_is_scaling_rounding_and_clamping() {
        for factor in [1e-4, 3.7e-3, 0.5, 0.731, 1.0, 1.5] {
            let requantize = Requantize::from_factor(factor).unwrap();
            for accumulator in (-70_000..70_000).step_by(37) {
                let exact = (f64::from(accumulator) * factor + 0.5).floor().clamp(0.0, 127.0);
                assert_eq!(f64::from(requantize.apply(accumulator)), exact, "{accumulator} × {factor}");
                let signed = (f64::from(accumulator) * factor + 0.5).floor().clamp(-127.0, 127.0);
                let code = requantize.apply_in(accumulator, SIGNED).cast_signed();
                assert_eq!(f64::from(code), signed, "{accumulator} × {factor}");
            }
        }
    }

    #[test]
    fn many_at_once_are_one_by_one() {
        let requantize = Requantize::from_factor(0.0037).unwrap();
        let accumulators: Vec<i32> = (-2_000_000_000..2_000_000_000).step_by(1_234_577).collect();
        let mut codes = vec![0; accumulators.len()];
        for (bias, range) in [0, -7, i32::MAX].into_iter().flat_map(|bias| RANGES.map(|range| (bias, range))) {
            requantize.apply_all(&accumulators, bias, range, &mut codes);
            let one_by_one = accumulators.iter().map(|sum| requantize.apply_in(sum.wrapping_add(bias), range));
            assert!(one_by_one.eq(codes.iter().copied()));
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
