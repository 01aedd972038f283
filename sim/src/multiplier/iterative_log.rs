//! Iterative logarithmic multiplier.

use super::adder::ripple;
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::{enabled, encode, leading_one, shift_left};
use crate::netlist::{NetId, NetlistBuilder};

/// With a = 2^k + r and b = 2^l + q: `2^(k+l) + r·2^l + q·2^k`, which lacks r·q; each correction adds the same
/// approximation of the product of the residues that remain. Never above the exact product.
///
/// Babić, Avramović and Bulić, Microprocessors and Microsystems 35, 2011. As gates, 2^(k+l) + q·2^k is b·2^k: a stage is
/// two leading-one detectors, two barrel shifters and an adder.
pub(super) struct IterativeLog {
    /// Stages after the first.
    pub(super) corrections: u32,
}

impl UnsignedMultiplier for IterativeLog {
    /// A stage removes a one from each operand, so that more stages than bits add nothing.
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        require("corrections", self.corrections, 0..operands.width_a.min(operands.width_b))
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let width = a.len() + b.len();
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        let mut total = vec![NetId::ZERO; width];
        for _ in 0..=self.corrections {
            let (leading_a, leading_b) = (leading_one(circuit, &a), leading_one(circuit, &b));
            let mut residue = |word: &[NetId], one_hot: &[NetId]| -> Vec<NetId> {
                word.iter().zip(one_hot).map(|(&bit, &line)| circuit.xor(bit, line)).collect()
            };
            let residue_a = residue(&a, &leading_a.one_hot);
            let residue_b = residue(&b, &leading_b.one_hot);
            let k = encode(circuit, &leading_a.one_hot, |position| position);
            let l = encode(circuit, &leading_b.one_hot, |position| position);
            let multiplied = enabled(circuit, &b, leading_a.found);
            let multiplied = shift_left(circuit, &multiplied, &k, width);
            let remaining = enabled(circuit, &residue_a, leading_b.found);
            let remaining = shift_left(circuit, &remaining, &l, width);
            let stage = ripple(circuit, &multiplied, &remaining, NetId::ZERO);
            total = ripple(circuit, &total, &stage, NetId::ZERO);
            (a, b) = (residue_a, residue_b);
        }
        total
    }

    fn product(&self, _: Operands, mut a: u64, mut b: u64) -> u64 {
        let mut total = 0;
        for _ in 0..=self.corrections {
            let (Some(k), Some(l)) = (a.checked_ilog2(), b.checked_ilog2()) else { break };
            (a, b) = (a - (1 << k), b - (1 << l));
            total += (1 << (k + l)) + (a << l) + (b << k);
        }
        total
    }
}
