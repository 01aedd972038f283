//! Multipliers of the bits from the leading one on: DRUM and DSM.
//!
//! With t the position of an operand's leading one and k the segment width: if t ≥ k, keep the k bits from the leading
//! one on and drop the t − k + 1 below; else keep the operand. The segments are multiplied exactly by a k×k array and
//! the product is shifted back.

use super::adder::sum;
use super::array::multiply;
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::{any, encode, leading_one, select_one_hot, shift_left};
use crate::netlist::{NetId, NetlistBuilder};

/// DRUM sets the lowest kept bit of a shortened operand to 1, which makes the error nearly unbiased (Hashemi, Bahar and
/// Reda, ICCAD 2015); DSM leaves it (Narayanamoorthy et al., IEEE TVLSI 23, 2015).
pub(super) struct DynamicSegment {
    pub(super) segment: u32,
    pub(super) unbiased: bool,
}

impl DynamicSegment {
    /// The segment of `operand` and the number of bits dropped below it.
    fn segment_of(&self, operand: u64) -> (u64, u32) {
        match operand.checked_ilog2() {
            Some(leading) if leading >= self.segment => {
                let dropped = leading - self.segment + 1;
                (operand >> dropped | u64::from(self.unbiased), dropped)
            }
            _ => (operand, 0),
        }
    }

    /// Gates for the same.
    fn segment_gates(&self, circuit: &mut NetlistBuilder, operand: &[NetId]) -> (Vec<NetId>, Vec<NetId>) {
        let segment = self.segment as usize;
        let leading = leading_one(circuit, operand).one_hot;
        let long = any(circuit, &operand[segment..]);
        let mut choices = vec![(circuit.inv(long), operand[..segment].to_vec())];
        for (dropped, &line) in (1..).zip(&leading[segment..]) {
            let mut kept = operand[dropped..dropped + segment].to_vec();
            if self.unbiased {
                kept[0] = NetId::ONE;
            }
            choices.push((line, kept));
        }
        let kept = select_one_hot(circuit, &choices);
        (kept, encode(circuit, &leading[segment..], |position| position + 1))
    }
}

impl UnsignedMultiplier for DynamicSegment {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        require("segment", self.segment, 2..=operands.width_a.min(operands.width_b))
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let (kept_a, dropped_a) = self.segment_gates(circuit, a);
        let (kept_b, dropped_b) = self.segment_gates(circuit, b);
        let product = multiply(circuit, &kept_a, &kept_b);
        let dropped = sum(circuit, &dropped_a, &dropped_b);
        shift_left(circuit, &product, &dropped, a.len() + b.len())
    }

    fn product(&self, _: Operands, a: u64, b: u64) -> u64 {
        let ((kept_a, dropped_a), (kept_b, dropped_b)) = (self.segment_of(a), self.segment_of(b));
        (kept_a * kept_b) << (dropped_a + dropped_b)
    }
}
