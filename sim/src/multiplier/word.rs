//! Gates on words: enabling, selecting, shifting, the leading one. Words are least significant bit first.

use crate::netlist::{NetId, NetlistBuilder};

/// The position of a word's most significant one.
pub(super) struct LeadingOne {
    /// One line a position, all 0 for a word of zeros.
    pub(super) one_hot: Vec<NetId>,
    /// Whether the word has a one.
    pub(super) found: NetId,
}

/// Leading-one detector: a chain from the top that remembers whether a one was seen.
pub(super) fn leading_one(circuit: &mut NetlistBuilder, word: &[NetId]) -> LeadingOne {
    let mut one_hot = vec![NetId::ZERO; word.len()];
    let mut found = NetId::ZERO;
    for (line, &bit) in one_hot.iter_mut().zip(word).rev() {
        let first = circuit.inv(found);
        *line = circuit.and(bit, first);
        found = circuit.or(found, bit);
    }
    LeadingOne { one_hot, found }
}

/// Binary encoder: `code(position)` of the line that is 1, or 0 if none is.
pub(super) fn encode(circuit: &mut NetlistBuilder, one_hot: &[NetId], code: impl Fn(usize) -> usize) -> Vec<NetId> {
    let codes: Vec<usize> = (0..one_hot.len()).map(code).collect();
    let bits = codes.iter().map(|code| usize::BITS - code.leading_zeros()).max().unwrap_or(0);
    let encoded = (0..bits).map(|bit| {
        let lines = one_hot.iter().zip(&codes).filter(|(_, code)| *code >> bit & 1 == 1);
        any(circuit, &lines.map(|(&line, _)| line).collect::<Vec<_>>())
    });
    encoded.collect()
}

/// Whether any net is 1, as a balanced tree.
pub(super) fn any(circuit: &mut NetlistBuilder, nets: &[NetId]) -> NetId {
    match nets {
        [] => NetId::ZERO,
        [only] => *only,
        _ => {
            let (low, high) = nets.split_at(nets.len() / 2);
            let (low, high) = (any(circuit, low), any(circuit, high));
            circuit.or(low, high)
        }
    }
}

/// The word if `enable`, else 0.
pub(super) fn enabled(circuit: &mut NetlistBuilder, word: &[NetId], enable: NetId) -> Vec<NetId> {
    word.iter().map(|&bit| circuit.and(bit, enable)).collect()
}

/// `select ? when_one : when_zero`, for words of equal width.
pub(super) fn select(
    circuit: &mut NetlistBuilder,
    select: NetId,
    when_one: &[NetId],
    when_zero: &[NetId],
) -> Vec<NetId> {
    when_one.iter().zip(when_zero).map(|(&one, &zero)| circuit.mux(select, one, zero)).collect()
}

/// The word of `choices` whose line is 1, or 0 if none is: AND and OR gates.
pub(super) fn select_one_hot(circuit: &mut NetlistBuilder, choices: &[(NetId, Vec<NetId>)]) -> Vec<NetId> {
    let width = choices.first().map_or(0, |(_, word)| word.len());
    let bits = (0..width).map(|bit| {
        let terms: Vec<NetId> = choices.iter().map(|(line, word)| circuit.and(*line, word[bit])).collect();
        any(circuit, &terms)
    });
    bits.collect()
}

/// `enable ? word · 2^distance : word`, the low `width` bits.
pub(super) fn shift_left_if(
    circuit: &mut NetlistBuilder,
    enable: NetId,
    word: &[NetId],
    distance: usize,
    width: usize,
) -> Vec<NetId> {
    let at = |position: usize| word.get(position).copied().unwrap_or(NetId::ZERO);
    let keep = circuit.inv(enable);
    let bits = (0..width).map(|to| match to.checked_sub(distance) {
        Some(from) => circuit.mux(enable, at(from), at(to)),
        None => circuit.and(keep, at(to)),
    });
    bits.collect()
}

/// Barrel shifter: `word · 2^amount`, the low `width` bits; one row of multiplexers for each bit of the amount.
pub(super) fn shift_left(circuit: &mut NetlistBuilder, word: &[NetId], amount: &[NetId], width: usize) -> Vec<NetId> {
    let mut shifted = word.to_vec();
    shifted.resize(width, NetId::ZERO);
    for (level, &enable) in amount.iter().enumerate() {
        shifted = shift_left_if(circuit, enable, &shifted, 1 << level, width);
    }
    shifted
}
