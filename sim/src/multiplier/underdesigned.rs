//! Multiplier of inexact 2×2 blocks.

use super::reduction::{Columns, TreeAdder, bits};
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation};
use crate::netlist::{NetId, NetlistBuilder};

/// Exact sum `Σ block(a_i, b_j)·4^(i+j)` over the base-4 digits of the operands, with block(x, y) = x·y except that
/// block(3, 3) = 7, so that three bits hold it. The recursion of the paper adds the same blocks.
///
/// Kulkarni, Gupta and Ercegovac, VLSI Design 2011. The paper leaves the adders open; here it is a Dadda tree.
pub(super) struct Underdesigned(pub(super) TreeAdder);

impl UnsignedMultiplier for Underdesigned {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        let even = (operands.width_a | operands.width_b).is_multiple_of(2);
        if even { Ok(()) } else { Err(Violation::Widths { requirement: "even widths" }) }
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let mut columns = Columns::new(a.len() + b.len());
        for (j, y) in b.chunks(2).enumerate() {
            for (i, x) in a.chunks(2).enumerate() {
                let cross = [circuit.and(x[0], y[1]), circuit.and(x[1], y[0])];
                let low = circuit.and(x[0], y[0]);
                let middle = circuit.or(cross[0], cross[1]);
                let high = circuit.and(x[1], y[1]);
                columns.push_word(2 * (i + j), [low, middle, high]);
            }
        }
        self.0.build(circuit, columns)
    }

    fn product(&self, operands: Operands, a: u64, b: u64) -> u64 {
        let mut columns = Columns::new(operands.product_width() as usize);
        let digits = |number: u64, width: u32| (0..width).step_by(2).map(move |bit| (bit, number >> bit & 3));
        for (j, y) in digits(b, operands.width_b) {
            for (i, x) in digits(a, operands.width_a) {
                let block = if (x, y) == (3, 3) { 7 } else { x * y };
                columns.push_word((i + j) as usize, bits(block, 3));
            }
        }
        self.0.sum(columns)
    }
}
