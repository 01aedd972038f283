//! Signed operands for families defined on unsigned ones: multiply the magnitudes, then apply the sign.

use super::family::Multiplier;
use super::spec::{Operands, Violation};
use crate::netlist::{NetId, NetlistBuilder};

/// A multiplier of unsigned operands.
pub(super) trait UnsignedMultiplier {
    /// Refuses widths and parameters for which the family is not defined.
    fn validate(&self, operands: Operands) -> Result<(), Violation>;

    /// Gates for the product of unsigned `a` and `b`; returns its `a.len() + b.len()` bits.
    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId>;

    /// The product of two unsigned operands.
    fn product(&self, operands: Operands, a: u64, b: u64) -> u64;
}

/// The unsigned multiplier as it is for unsigned operands, on magnitudes for signed ones.
///
/// A magnitude has as many bits as its operand, so that the most negative value has one.
pub(super) struct SignMagnitude<M>(pub(super) M);

impl<M: UnsignedMultiplier> Multiplier for SignMagnitude<M> {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        self.0.validate(operands)
    }

    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        if !operands.signed {
            return self.0.generate(circuit, a, b);
        }
        let (sign_a, sign_b) = (a[a.len() - 1], b[b.len() - 1]);
        let a = negated_if(circuit, a, sign_a);
        let b = negated_if(circuit, b, sign_b);
        let magnitude = self.0.generate(circuit, &a, &b);
        let negative = circuit.xor(sign_a, sign_b);
        negated_if(circuit, &magnitude, negative)
    }

    fn product(&self, operands: Operands, a: i64, b: i64) -> i64 {
        let magnitude = self.0.product(operands, a.unsigned_abs(), b.unsigned_abs()) as i64;
        if (a < 0) == (b < 0) { magnitude } else { -magnitude }
    }
}

/// The two's complement of `word` if `negate`, else `word`: complement, then add one.
fn negated_if(circuit: &mut NetlistBuilder, word: &[NetId], negate: NetId) -> Vec<NetId> {
    let mut carry = negate;
    let bits = word.iter().map(|&bit| {
        let complemented = circuit.xor(bit, negate);
        let added = circuit.half_adder(complemented, carry);
        carry = added.carry;
        added.sum
    });
    bits.collect()
}
