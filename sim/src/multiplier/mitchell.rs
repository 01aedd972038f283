//! Mitchell's logarithmic multiplier, and the same with an approximate mantissa adder (ALM-SOA).

use super::adder::sum_with_carry;
use super::logarithm::{Logarithm, antilogarithm, logarithm};
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::enabled;
use crate::netlist::{NetId, NetlistBuilder};

/// With a = 2^k·(1 + x) and b = 2^l·(1 + y): `2^(k+l)·(1 + x + y)` if x + y < 1, else `2^(k+l+1)·(x + y)`; 0 if an
/// operand is 0. Never above the exact product, below it by at most 1/9.
///
/// Mitchell, IRE Trans. Electronic Computers EC-11, 1962. The mantissas have one bit less than the wider operand. ALM-SOA
/// adds them with a set-one adder: the `lower` bits of x + y are 1, and the carry into the bits above is the AND of the
/// operands' highest bits below (Liu, Xu, Wang, Wang, Montuschi and Lombardi, IEEE TCAS-I 65, 2018).
pub(super) struct Mitchell {
    /// Mantissa bits the set-one adder does not add; 0 is Mitchell's own multiplier.
    pub(super) lower: u32,
}

/// Mantissa bits: enough for either operand.
fn fraction(width_a: u32, width_b: u32) -> u32 {
    width_a.max(width_b) - 1
}

impl UnsignedMultiplier for Mitchell {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        require("lower", self.lower, 0..=fraction(operands.width_a, operands.width_b))
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let (fraction, lower) = (fraction(a.len() as u32, b.len() as u32) as usize, self.lower as usize);
        let (log_a, log_b) = (logarithm(circuit, a, fraction), logarithm(circuit, b, fraction));
        let carry = match lower.checked_sub(1) {
            Some(top) => circuit.and(log_a.mantissa[top], log_b.mantissa[top]),
            None => NetId::ZERO,
        };
        // One adder for mantissa and characteristic: a carry out of the mantissas increments the exponent.
        let upper = |log: &Logarithm| [&log.mantissa[lower..], &log.characteristic].concat();
        let log = [vec![NetId::ONE; lower], sum_with_carry(circuit, &upper(&log_a), &upper(&log_b), carry)].concat();
        let (mantissa, exponent) = log.split_at(fraction);
        let nonzero = circuit.and(log_a.nonzero, log_b.nonzero);
        let significand = enabled(circuit, &[mantissa, &[NetId::ONE]].concat(), nonzero);
        antilogarithm(circuit, &significand, fraction, exponent, a.len() + b.len())
    }

    fn product(&self, operands: Operands, a: u64, b: u64) -> u64 {
        let (Some(k), Some(l)) = (a.checked_ilog2(), b.checked_ilog2()) else { return 0 };
        let fraction = fraction(operands.width_a, operands.width_b);
        let (one, ones) = (1 << fraction, (1 << self.lower) - 1);
        let (x, y) = ((a << (fraction - k)) - one, (b << (fraction - l)) - one);
        let carry = if self.lower > 0 { (x & y) >> (self.lower - 1) & 1 } else { 0 };
        let mantissas = ((x >> self.lower) + (y >> self.lower) + carry) << self.lower | ones;
        let product = if mantissas < one { (one + mantissas) << (k + l) } else { mantissas << (k + l + 1) };
        product >> fraction
    }
}
