//! Truncation- and rounding-based scalable multiplier.

use super::adder::sum;
use super::array::multiply;
use super::logarithm::{Logarithm, antilogarithm, logarithm};
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::enabled;
use crate::netlist::{NetId, NetlistBuilder};

/// With a = 2^k·(1 + x) and b = 2^l·(1 + y): `⌊2^(k+l)·(1 + x_t + y_t + x_h⁺·y_h⁺)⌋`; 0 if an operand is 0. x_t is x cut to
/// t fractional bits, x_h⁺ is x cut to h fractional bits with a further bit 1 appended.
///
/// Vahdat, Kamal, Afzali-Kusha and Pedram, IEEE TVLSI 27, 2019.
pub(super) struct Tosam {
    pub(super) h: u32,
    pub(super) t: u32,
}

impl UnsignedMultiplier for Tosam {
    /// h < t, and both mantissas have t bits.
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        require("t", self.t, 1..operands.width_a.min(operands.width_b))?;
        require("h", self.h, 0..self.t)
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let (h, t) = (self.h as usize, self.t as usize);
        let (log_a, log_b) = (logarithm(circuit, a, t), logarithm(circuit, b, t));
        let rounded = |log: &Logarithm| [&[NetId::ONE], &log.mantissa[t - h..]].concat();
        let product = multiply(circuit, &rounded(&log_a), &rounded(&log_b));
        let mantissas = sum(circuit, &log_a.mantissa, &log_b.mantissa);

        let fraction = t.max(product.len());
        let aligned = |word: Vec<NetId>, bits: usize| [vec![NetId::ZERO; fraction - bits], word].concat();
        // The product is below 1: its word has room for the 1 of the sum.
        let product = [aligned(product, 2 * h + 2), vec![NetId::ONE]].concat();
        let significand = sum(circuit, &product, &aligned(mantissas, t));
        let nonzero = circuit.and(log_a.nonzero, log_b.nonzero);
        let significand = enabled(circuit, &significand, nonzero);
        let exponent = sum(circuit, &log_a.characteristic, &log_b.characteristic);
        antilogarithm(circuit, &significand, fraction, &exponent, a.len() + b.len())
    }

    fn product(&self, _: Operands, a: u64, b: u64) -> u64 {
        let (Some(k), Some(l)) = (a.checked_ilog2(), b.checked_ilog2()) else { return 0 };
        // In units of 2^−(2t): h < t, so that every term is whole.
        let cut = |operand: u64, log: u32, bits: u32| ((operand - (1 << log)) << bits) >> log;
        let rounded = |operand, log| 2 * cut(operand, log, self.h) + 1;
        let one = 1 << (2 * self.t);
        let mantissas = (cut(a, k, self.t) + cut(b, l, self.t)) << self.t;
        let product = (rounded(a, k) * rounded(b, l)) << (2 * (self.t - self.h - 1));
        ((one + mantissas + product) << (k + l)) >> (2 * self.t)
    }
}
