//! Trees of 4:2 compressors, approximate in their low columns.
//!
//! A 4:2 compressor takes four bits of one column and a carry-in; its sum stays in the column, its carry goes to the next
//! column of the next stage, its carry-out to the carry-in of a compressor in the next column of the same stage. Each
//! stage reduces the columns to the next lower power of two, with as few cells as possible; bits of a column are taken in
//! the order carries, sums, bits left over. For 8×8 that is the tree of Momeni, Han, Montuschi and Lombardi (IEEE Trans.
//! Computers 64, 2015): 2 half adders, 2 full adders and 8 compressors, then 1, 1 and 10. The order of bits, which
//! the approximate results depend on, is not printed there; this one reproduces the published errors of its designs with
//! approximate low columns exactly.

use super::adder::FinalAdder;
use super::reduction::{Adders, Bit, Columns, Counting, bits};
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::enabled;
use crate::netlist::{CellKind, NetId, NetlistBuilder};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// An approximate 4:2 compressor of bits x1 … x4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compressor {
    /// Design 1 of Momeni et al.: carry = cin, cout = (x1 ∨ x2) ∧ (x3 ∨ x4), sum = ¬cin ∧ (¬(x1 ⊕ x2) ∨ ¬(x3 ⊕ x4)); 12 of
    /// 32 results are wrong.
    Momeni1,
    /// Design 2 of Momeni et al.: no carry-in or -out, carry = (x1 ∨ x2) ∧ (x3 ∨ x4), sum = ¬(x1 ⊕ x2) ∨ ¬(x3 ⊕ x4); 4 of 16
    /// results are wrong.
    Momeni2,
    /// min(x1 + x2 + x3 + x4, 3), no carry-in or -out; 1 of 16 results is wrong (Yang, Han and Lombardi, DFT 2015).
    Yang1,
}

impl Compressor {
    /// Every compressor.
    pub const ALL: [Compressor; 3] = [Compressor::Momeni1, Compressor::Momeni2, Compressor::Yang1];

    /// Name in design files.
    pub fn name(self) -> &'static str {
        match self {
            Compressor::Momeni1 => "momeni1",
            Compressor::Momeni2 => "momeni2",
            Compressor::Yang1 => "yang1",
        }
    }

    /// Whether it takes part in the chain of carry-ins and carry-outs.
    fn chained(self) -> bool {
        self == Compressor::Momeni1
    }
}

/// (sum, carry, carry-out) of a compressor.
type Compressed<B> = (B, B, B);

/// Approximate compressors on some kind of bit.
trait Compressors<B>: Adders<B> {
    fn approximate(&mut self, compressor: Compressor, x: [B; 4], carry_in: B) -> Compressed<B>;
}

impl Compressors<NetId> for NetlistBuilder {
    fn approximate(&mut self, compressor: Compressor, x: [NetId; 4], carry_in: NetId) -> Compressed<NetId> {
        let differs = [self.xor(x[0], x[1]), self.xor(x[2], x[3])];
        let neither = [self.nor(x[0], x[1]), self.nor(x[2], x[3])];
        let one_each = self.nor(neither[0], neither[1]);
        match compressor {
            Compressor::Momeni1 => {
                let sum = self.cell(CellKind::Aoi21, &[differs[0], differs[1], carry_in]).output(0);
                (sum, carry_in, one_each)
            }
            Compressor::Momeni2 => (self.nand(differs[0], differs[1]), one_each, NetId::ZERO),
            Compressor::Yang1 => {
                let both = [self.and(x[0], x[1]), self.and(x[2], x[3])];
                let odd = self.xor(differs[0], differs[1]);
                let all = self.and(both[0], both[1]);
                let two_together = self.or(both[0], both[1]);
                (self.or(odd, all), self.or(two_together, one_each), NetId::ZERO)
            }
        }
    }
}

impl Compressors<bool> for Counting {
    fn approximate(&mut self, compressor: Compressor, x: [bool; 4], carry_in: bool) -> Compressed<bool> {
        let one_each = (x[0] || x[1]) && (x[2] || x[3]);
        let alike = x[0] == x[1] || x[2] == x[3];
        match compressor {
            Compressor::Momeni1 => (!carry_in && alike, carry_in, one_each),
            Compressor::Momeni2 => (alike, one_each, false),
            Compressor::Yang1 => {
                let ones = x.into_iter().filter(|&bit| bit).count().min(3);
                (ones % 2 == 1, ones >= 2, false)
            }
        }
    }
}

/// The compressor in columns below `columns`, exact ones (two full adders) above.
pub(super) struct CompressorTree {
    pub(super) compressor: Compressor,
    pub(super) columns: u32,
    pub(super) final_adder: FinalAdder,
}

impl CompressorTree {
    /// The approximate compressor of a column, if it has one.
    fn approximate(&self, weight: usize) -> Option<Compressor> {
        (weight < self.columns as usize).then_some(self.compressor)
    }

    /// Whether the compressors of a column have a carry-in.
    fn takes_carry_in(&self, weight: usize) -> bool {
        self.approximate(weight).is_none_or(Compressor::chained)
    }

    /// Reduces columns to at most two bits.
    fn reduced<B: Bit>(&self, cells: &mut impl Compressors<B>, mut columns: Columns<B>) -> Columns<B> {
        while columns.height() > 2 {
            let target = columns.height().next_power_of_two() / 2;
            columns = self.stage(cells, &columns, target);
        }
        columns
    }

    /// Reduces columns to at most `target` bits.
    fn stage<B: Bit>(&self, cells: &mut impl Compressors<B>, columns: &Columns<B>, target: usize) -> Columns<B> {
        let mut next = Columns::new(columns.width());
        // What the column below offers to carry-ins of this one.
        let mut chain = VecDeque::new();
        for weight in 0..columns.width() {
            let mut waiting = VecDeque::from_iter(columns.column(weight).iter().copied());
            let mut chain_out = VecDeque::new();
            loop {
                let excess = (next.column(weight).len() + waiting.len() + chain.len()).saturating_sub(target);
                let compressible = waiting.len() >= 4 || waiting.len() == 3 && !chain.is_empty();
                if excess >= 3 && compressible {
                    let x = [(); 4].map(|()| waiting.pop_front().unwrap_or(B::ZERO));
                    let carry_in = chain.pop_front().unwrap_or(B::ZERO);
                    let (sum, carry, carry_out) = self.compressed(cells, weight, x, carry_in);
                    next.push(weight, sum);
                    next.push(weight + 1, carry);
                    chain_out.push_back(carry_out);
                    continue;
                }
                let available = waiting.len() + chain.len();
                let mut take = || waiting.pop_front().or_else(|| chain.pop_front()).unwrap_or(B::ZERO);
                if excess >= 2 && available >= 3 {
                    let (sum, carry) = cells.full_adder([take(), take(), take()]);
                    next.push(weight, sum);
                    next.push(weight + 1, carry);
                } else if excess >= 1 && available >= 2 {
                    let (sum, carry) = cells.half_adder([take(), take()]);
                    next.push(weight, sum);
                    if self.takes_carry_in(weight + 1) {
                        chain_out.push_back(carry);
                    } else {
                        next.push(weight + 1, carry);
                    }
                } else {
                    break;
                }
            }
            waiting.into_iter().chain(chain).for_each(|bit| next.push(weight, bit));
            chain = chain_out;
        }
        next
    }

    /// One compressor of column `weight`.
    fn compressed<B: Bit>(
        &self,
        cells: &mut impl Compressors<B>,
        weight: usize,
        x @ [x1, x2, x3, x4]: [B; 4],
        carry_in: B,
    ) -> Compressed<B> {
        if let Some(compressor) = self.approximate(weight) {
            return cells.approximate(compressor, x, carry_in);
        }
        let (partial, carry_out) = cells.full_adder([x1, x2, x3]);
        let (sum, carry) = cells.full_adder([partial, x4, carry_in]);
        (sum, carry, carry_out)
    }
}

impl UnsignedMultiplier for CompressorTree {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        require("columns", self.columns, 0..=operands.product_width())
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let mut columns = Columns::new(a.len() + b.len());
        for (j, &bit) in b.iter().enumerate() {
            columns.push_word(j, enabled(circuit, a, bit));
        }
        self.reduced(circuit, columns).added(circuit, self.final_adder)
    }

    fn product(&self, operands: Operands, a: u64, b: u64) -> u64 {
        let mut columns = Columns::new(operands.product_width() as usize);
        for (j, bit) in bits(b, operands.width_b).enumerate() {
            columns.push_word(j, bits(if bit { a } else { 0 }, operands.width_a));
        }
        self.reduced(&mut Counting, columns).added(self.final_adder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Momeni et al. 2015: 12 of 32 and 4 of 16 results are wrong; Yang et al. 2015: 1 of 16.
    #[test]
    fn compressors_err_as_published() {
        let bits_of = |code: u64| {
            let all: Vec<bool> = bits(code, 5).collect();
            ([all[0], all[1], all[2], all[3]], all[4])
        };
        let wrong = |compressor, codes: u64| {
            let codes = (0..codes).filter(|&code| {
                let (x, carry_in) = bits_of(code);
                let (sum, carry, carry_out) = Counting.approximate(compressor, x, carry_in);
                let value = u32::from(sum) + 2 * (u32::from(carry) + u32::from(carry_out));
                value != code.count_ones()
            });
            codes.count()
        };
        assert_eq!(wrong(Compressor::Momeni1, 32), 12);
        assert_eq!(wrong(Compressor::Momeni2, 16), 4);
        assert_eq!(wrong(Compressor::Yang1, 16), 1);
    }

    /// Momeni et al. 2015, 8×8: 3 half adders, 3 full adders and 18 compressors of two full adders each.
    #[test]
    fn the_exact_tree_has_the_published_cells() {
        let tree = CompressorTree { compressor: Compressor::Momeni1, columns: 0, final_adder: FinalAdder::Ripple };
        let mut circuit = NetlistBuilder::new("tree");
        let (a, b) = (circuit.input("a", 8), circuit.input("b", 8));
        let mut columns = Columns::new(16);
        for (j, &bit) in b.iter().enumerate() {
            columns.push_word(j, enabled(&mut circuit, &a, bit));
        }
        tree.reduced(&mut circuit, columns);
        let cells = circuit.finish().cell_counts();
        assert_eq!((cells[&CellKind::HalfAdder], cells[&CellKind::FullAdder]), (3, 3 + 2 * 18));
    }
}
