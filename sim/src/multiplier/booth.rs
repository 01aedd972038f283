//! Radix-4 Booth multipliers, exact and with approximate partial products.
//!
//! The second operand is recoded to digits d_r = −2·b_(2r+1) + b_2r + b_(2r−1) of weight 4^r (MacSorley, Proc. IRE 49,
//! 1961). Row r is d_r·a in ones' complement, plus a correction bit at its lowest place if d_r < 0. Rows are not sign
//! extended: with the sign bit of each row complemented, a constant replaces all extensions. Unsigned operands are
//! extended by a zero. The rows are added by a Dadda tree.

use super::family::Multiplier;
use super::reduction::{Bit, Columns, TreeAdder};
use super::spec::{Operands, Violation, require};
use crate::netlist::{CellKind, NetId, NetlistBuilder};
use serde::{Deserialize, Serialize};

/// How an approximate Booth multiplier computes the partial products of its low columns; h, m and l are the recoded bits
/// b_(2r+1), b_2r and b_(2r−1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoothEncoder {
    /// (m ⊕ l) ∧ (h ⊕ a_j): digits ±2 become 0; 4 of 32 entries differ from the exact ones.
    Abe1,
    /// h ⊕ a_j: 0 and ±2 are encoded as ±1; 8 of 32 entries differ.
    Abe2,
}

impl BoothEncoder {
    /// Both encoders.
    pub const ALL: [BoothEncoder; 2] = [BoothEncoder::Abe1, BoothEncoder::Abe2];

    /// Name in design files.
    pub fn name(self) -> &'static str {
        match self {
            BoothEncoder::Abe1 => "abe1",
            BoothEncoder::Abe2 => "abe2",
        }
    }
}

/// Exact if no encoder is given and the final adder is exact; else partial products in columns below `columns` come from
/// the encoder.
///
/// Liu, Qian, Wang, Jiang, Han and Lombardi, IEEE Trans. Computers 66, 2017 (R4ABM1 and R4ABM2). The correction bit of a
/// row belongs to the encoder of its column: under ABE2 it is h, else it is that of a negative digit.
pub(super) struct Booth {
    pub(super) adder: TreeAdder,
    pub(super) approximate: Option<(BoothEncoder, u32)>,
}

/// A row of partial products, its highest bit the complemented sign.
struct Row<B> {
    bits: Vec<B>,
    correction: B,
}

impl Booth {
    /// The encoder of a column, `None` for the exact one.
    fn encoder(&self, column: usize) -> Option<BoothEncoder> {
        self.approximate.filter(|(_, columns)| column < *columns as usize).map(|(encoder, _)| encoder)
    }

    /// The columns of all rows and the constant that stands for their sign extensions.
    fn columns<B: Bit>(operands: Operands, rows: impl Iterator<Item = Row<B>>) -> Columns<B> {
        let mut columns = Columns::new(operands.product_width() as usize);
        let mut signs = 0u64;
        for (shift, row) in (0..).step_by(2).zip(rows) {
            signs += 1 << (shift + row.bits.len() - 1);
            columns.push_word(shift, row.bits);
            columns.push(shift, row.correction);
        }
        columns.push_constant(signs.wrapping_neg() & ((1 << operands.product_width()) - 1));
        columns
    }
}

/// A recoded digit as nets.
struct Digit {
    /// The digit is ±1.
    one: NetId,
    /// The digit is ±2.
    two: NetId,
    /// The digit is below 0; not the 0 that is written 111.
    negative: NetId,
    /// b_(2r+1)
    high: NetId,
}

impl Digit {
    fn recode(circuit: &mut NetlistBuilder, [low, middle, high]: [NetId; 3]) -> Self {
        let one = circuit.xor(middle, low);
        let not_one = circuit.inv(one);
        let differs = circuit.xor(high, middle);
        let two = circuit.and(not_one, differs);
        let not_ones = circuit.nand(middle, low);
        let negative = circuit.and(high, not_ones);
        Self { one, two, negative, high }
    }

    /// Bit j of the row, given bits j of a and of 2·a.
    fn partial_product(
        &self,
        circuit: &mut NetlistBuilder,
        encoder: Option<BoothEncoder>,
        [single, double]: [NetId; 2],
    ) -> NetId {
        match encoder {
            None => {
                let complement = circuit.cell(CellKind::Aoi22, &[single, self.one, double, self.two]).output(0);
                circuit.xnor(complement, self.negative)
            }
            Some(BoothEncoder::Abe1) => {
                let signed = circuit.xor(single, self.high);
                circuit.and(signed, self.one)
            }
            Some(BoothEncoder::Abe2) => circuit.xor(single, self.high),
        }
    }
}

/// Rows of the recoded operand.
fn row_count(operands: Operands) -> u32 {
    if operands.signed { operands.width_b.div_ceil(2) } else { operands.width_b / 2 + 1 }
}

/// Bits of a row: twice the first operand, in two's complement.
fn row_width(operands: Operands) -> u32 {
    operands.width_a + if operands.signed { 1 } else { 2 }
}

impl Multiplier for Booth {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        match self.approximate {
            Some((_, columns)) => require("columns", columns, 0..=operands.product_width()),
            None => Ok(()),
        }
    }

    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let extended = |word: &[NetId], bit: Option<usize>| match bit {
            None => NetId::ZERO,
            Some(bit) if bit < word.len() => word[bit],
            Some(_) if operands.signed => word[word.len() - 1],
            Some(_) => NetId::ZERO,
        };
        let rows = (0..row_count(operands) as usize).map(|r| {
            let recoded = [-1, 0, 1].map(|offset| extended(b, (2 * r).checked_add_signed(offset)));
            let digit = Digit::recode(circuit, recoded);
            let mut bits: Vec<NetId> = (0..row_width(operands) as usize)
                .map(|j| {
                    let multiples = [extended(a, Some(j)), extended(a, j.checked_sub(1))];
                    digit.partial_product(circuit, self.encoder(2 * r + j), multiples)
                })
                .collect();
            let sign = bits.len() - 1;
            bits[sign] = circuit.inv(bits[sign]);
            let abe2 = self.encoder(2 * r) == Some(BoothEncoder::Abe2);
            Row { bits, correction: if abe2 { digit.high } else { digit.negative } }
        });
        let rows: Vec<_> = rows.collect();
        self.adder.build(circuit, Booth::columns(operands, rows.into_iter()))
    }

    fn product(&self, operands: Operands, a: i64, b: i64) -> i64 {
        if self.approximate.is_none() && self.adder.final_adder.is_exact() {
            return a * b;
        }
        let width = row_width(operands);
        let rows = (0..row_count(operands)).map(|r| {
            let [low, middle, high] = [0, 1, 2].map(|offset| (b << 1) >> (2 * r + offset) & 1);
            let digit = low + middle - 2 * high;
            let (exact, flipped) = ((digit.abs() * a) ^ -i64::from(digit < 0), a ^ -high);
            let entry = |j: u32| match self.encoder((2 * r + j) as usize) {
                None => exact,
                Some(BoothEncoder::Abe1) if digit.abs() == 1 => flipped,
                Some(BoothEncoder::Abe1) => 0,
                Some(BoothEncoder::Abe2) => flipped,
            };
            let mut row: Vec<bool> = (0..width).map(|j| entry(j) >> j & 1 == 1).collect();
            row[width as usize - 1] ^= true;
            let abe2 = self.encoder(2 * r as usize) == Some(BoothEncoder::Abe2);
            Row { bits: row, correction: if abe2 { high == 1 } else { digit < 0 } }
        });
        self.adder.sum(Booth::columns(operands, rows)) as i64
    }
}
