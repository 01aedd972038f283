//! Binary logarithm and antilogarithm circuits, as logarithmic multipliers use them.
//!
//! Mitchell (IRE Trans. Electronic Computers EC-11, 1962): a number x = 2^k·(1 + f) with 0 ≤ f < 1 has log2(x) ≈ k + f.

use super::word::{encode, leading_one, shift_left};
use crate::netlist::{NetId, NetlistBuilder};

/// k and f of an operand 2^k·(1 + f); both 0 if the operand is 0.
pub(super) struct Logarithm {
    /// k, binary.
    pub(super) characteristic: Vec<NetId>,
    /// f in units of 2^−fraction.
    pub(super) mantissa: Vec<NetId>,
    /// Whether the operand is not 0.
    pub(super) nonzero: NetId,
}

/// Leading-one detector, encoder and normalising shifter; f is cut to `fraction` bits.
pub(super) fn logarithm(circuit: &mut NetlistBuilder, operand: &[NetId], fraction: usize) -> Logarithm {
    let top = operand.len() - 1;
    let leading = leading_one(circuit, operand);
    let characteristic = encode(circuit, &leading.one_hot, |position| position);
    let distance = encode(circuit, &leading.one_hot, |position| top - position);
    let normalised = shift_left(circuit, operand, &distance, top);
    let padding = fraction.saturating_sub(top);
    let mantissa = [&vec![NetId::ZERO; padding], &normalised[(top + padding) - fraction..]].concat();
    Logarithm { characteristic, mantissa, nonzero: leading.found }
}

/// `⌊significand · 2^(exponent − fraction)⌋`, the low `width` bits.
pub(super) fn antilogarithm(
    circuit: &mut NetlistBuilder,
    significand: &[NetId],
    fraction: usize,
    exponent: &[NetId],
    width: usize,
) -> Vec<NetId> {
    shift_left(circuit, significand, exponent, fraction + width)[fraction..].to_vec()
}
