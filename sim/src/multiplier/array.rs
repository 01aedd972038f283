//! The exact array multiplier, and the same on truncated operands.
//!
//! Row j of the array adds the partial products a·b_j to the carry-save sum of the rows before; a ripple row merges
//! sums and carries at the end. Signed operands use Baugh–Wooley partial products.

use super::family::Multiplier;
use super::partial_product::PartialProducts;
use super::spec::{Operands, Violation, require};
use crate::netlist::{NetId, NetlistBuilder};

/// Exact: every partial product.
pub(super) struct Array;

/// The low bits of the operands tied to 0, then exact: `⌊a / 2^i⌋·2^i · ⌊b / 2^j⌋·2^j`.
///
/// Several signed circuits of EvoApproxLib (Mrazek et al., DATE 2017) compute exactly this, among them mul8s_1L2D (2, 2)
/// and mul8s_1KR3 (6, 0).
pub(super) struct OperandTruncated {
    pub(super) a: u32,
    pub(super) b: u32,
}

impl Multiplier for Array {
    fn validate(&self, _: Operands) -> Result<(), Violation> {
        Ok(())
    }

    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        carry_save_array(circuit, &PartialProducts::all(operands), a, b)
    }

    fn product(&self, _: Operands, a: i64, b: i64) -> i64 {
        a * b
    }
}

impl Multiplier for OperandTruncated {
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        require("a", self.a, 0..=operands.width_a - 1)?;
        require("b", self.b, 0..=operands.width_b - 1)
    }

    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let clear = |nets: &[NetId], low: u32| {
            let mut nets = nets.to_vec();
            nets[..low as usize].fill(NetId::ZERO);
            nets
        };
        Array.generate(circuit, operands, &clear(a, self.a), &clear(b, self.b))
    }

    fn product(&self, _: Operands, a: i64, b: i64) -> i64 {
        (a >> self.a << self.a) * (b >> self.b << self.b)
    }
}

/// The exact product of unsigned words.
pub(super) fn multiply(circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
    let operands = Operands { width_a: a.len() as u32, width_b: b.len() as u32, signed: false };
    carry_save_array(circuit, &PartialProducts::all(operands), a, b)
}

/// Adds the partial products row by row in carry-save form, then merges with a ripple row.
pub(super) fn carry_save_array(
    circuit: &mut NetlistBuilder,
    partial_products: &PartialProducts,
    a: &[NetId],
    b: &[NetId],
) -> Vec<NetId> {
    let width = a.len() + b.len();
    // Constants enter where the first row leaves an adder input free: in place of a carry.
    let constants = partial_products.constants();
    let mut carries: Vec<NetId> =
        (0..width).map(|bit| if constants >> bit & 1 == 1 { NetId::ONE } else { NetId::ZERO }).collect();
    let mut sums = vec![NetId::ZERO; width];
    for j in 0..b.len() {
        let row = partial_products.row(circuit, a, b, j as u32);
        if row.iter().all(|&bit| bit == NetId::ZERO) {
            continue;
        }
        let mut carry_out = NetId::ZERO;
        for (column, bit) in (j..).zip(row) {
            let added = circuit.full_adder(bit, sums[column], carries[column]);
            sums[column] = added.sum;
            carries[column] = carry_out;
            carry_out = added.carry;
        }
        // The column above the row holds at most a constant, in its carry place; the sum place is free.
        let above = j + a.len();
        debug_assert_eq!(sums[above], NetId::ZERO);
        sums[above] = carry_out;
    }
    super::adder::ripple(circuit, &sums, &carries, NetId::ZERO)
}
