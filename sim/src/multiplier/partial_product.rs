//! Partial products of two binary operands, unsigned or in Baugh–Wooley form.
//!
//! Baugh and Wooley (IEEE Trans. Computers C-22, 1973), in the form with complemented terms: the product modulo
//! 2^(n+m) is Σ t_ij·2^(i+j) + 2^(n−1) + 2^(m−1) + 2^(n+m−1), where t_ij = a_i ∧ b_j, complemented if exactly one of i, j
//! is a sign bit. For n = m the constants are 2^n + 2^(2n−1).

use super::spec::Operands;
use crate::netlist::{NetId, NetlistBuilder};
use std::ops::Range;

/// The partial-product bits of two operands that a design adds.
#[derive(Clone, Debug)]
pub(super) struct PartialProducts {
    operands: Operands,
    omitted: Omitted,
}

/// Partial-product bits left out: a bit a_i·b_j that is left out reads 0, complemented or not, and the Baugh–Wooley
/// constants stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Omitted {
    /// Columns i + j below this.
    pub(super) columns: u32,
    /// Rows j.
    pub(super) rows: Range<u32>,
}

impl PartialProducts {
    /// All of them.
    pub(super) fn all(operands: Operands) -> Self {
        Self::without(operands, Omitted::default())
    }

    pub(super) fn without(operands: Operands, omitted: Omitted) -> Self {
        Self { operands, omitted }
    }

    /// Kept bits of row `j`.
    fn kept(&self, j: u32) -> u64 {
        if self.omitted.rows.contains(&j) {
            return 0;
        }
        let omitted = self.omitted.columns.saturating_sub(j);
        low_bits(self.operands.width_a) >> omitted << omitted
    }

    /// Complemented bits of row `j`, kept or not.
    fn complemented(&self, j: u32) -> u64 {
        let Operands { width_a, width_b, signed } = self.operands;
        match (signed, j == width_b - 1) {
            (false, _) => 0,
            (true, false) => 1 << (width_a - 1),
            (true, true) => low_bits(width_a - 1),
        }
    }

    /// The Baugh–Wooley constants modulo 2^(width_a + width_b); 0 for unsigned operands.
    pub(super) fn constants(&self) -> u64 {
        let Operands { width_a, width_b, signed } = self.operands;
        if !signed {
            return 0;
        }
        let sum = (1 << (width_a - 1)) + (1 << (width_b - 1)) + (1 << (width_a + width_b - 1));
        sum & low_bits(width_a + width_b)
    }

    /// Gates of row `j`, bit `i` of weight 2^(i+j); omitted bits are constant 0.
    pub(super) fn row(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId], j: u32) -> Vec<NetId> {
        let (kept, complemented) = (self.kept(j), self.complemented(j));
        let bits = a.iter().enumerate().map(|(i, &bit)| match (kept >> i & 1, complemented >> i & 1) {
            (0, _) => NetId::ZERO,
            (_, 0) => circuit.and(bit, b[j as usize]),
            _ => circuit.nand(bit, b[j as usize]),
        });
        bits.collect()
    }

    /// Row `j` for two operand values, in units of 2^j.
    pub(super) fn row_value(&self, a: i64, b: i64, j: u32) -> u64 {
        let product = if b >> j & 1 == 1 { a as u64 } else { 0 };
        (product ^ self.complemented(j)) & self.kept(j)
    }

    /// The sum of all kept bits and the constants for two operand values, not reduced modulo 2^(width_a + width_b).
    pub(super) fn sum(&self, a: i64, b: i64) -> u64 {
        let rows = (0..self.operands.width_b).map(|j| self.row_value(a, b, j) << j);
        rows.sum::<u64>() + self.constants()
    }
}

/// A mask of `count` ones, `count` ≤ 63.
fn low_bits(count: u32) -> u64 {
    (1 << count) - 1
}
