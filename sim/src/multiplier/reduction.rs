//! Reduction of columns of bits to two rows, and the addition of those.
//!
//! The schedule of adders is written once, over any kind of bit: nets while a circuit is built, truth values where a
//! reference needs the very rows that an approximate final adder sees.

use super::adder::FinalAdder;
use crate::netlist::{NetId, NetlistBuilder};

/// What can stand in a column.
pub(super) trait Bit: Copy + PartialEq {
    const ZERO: Self;
    const ONE: Self;
}

impl Bit for NetId {
    const ZERO: Self = NetId::ZERO;
    const ONE: Self = NetId::ONE;
}

impl Bit for bool {
    const ZERO: Self = false;
    const ONE: Self = true;
}

/// Adds bits of equal weight; returns (sum, carry).
pub(super) trait Adders<B> {
    fn half_adder(&mut self, x: [B; 2]) -> (B, B);
    fn full_adder(&mut self, x: [B; 3]) -> (B, B);
}

impl Adders<NetId> for NetlistBuilder {
    fn half_adder(&mut self, [a, b]: [NetId; 2]) -> (NetId, NetId) {
        let added = NetlistBuilder::half_adder(self, a, b);
        (added.sum, added.carry)
    }

    fn full_adder(&mut self, [a, b, c]: [NetId; 3]) -> (NetId, NetId) {
        let added = NetlistBuilder::full_adder(self, a, b, c);
        (added.sum, added.carry)
    }
}

/// Adds by counting.
pub(super) struct Counting;

impl Adders<bool> for Counting {
    fn half_adder(&mut self, [a, b]: [bool; 2]) -> (bool, bool) {
        self.full_adder([a, b, false])
    }

    fn full_adder(&mut self, bits: [bool; 3]) -> (bool, bool) {
        let ones = bits.into_iter().filter(|&bit| bit).count();
        (ones % 2 == 1, ones >= 2)
    }
}

/// Bits to be added modulo 2^width, by weight: bits of column `w` count 2^w.
#[derive(Clone, Debug)]
pub(super) struct Columns<B>(Vec<Vec<B>>);

impl<B: Bit> Columns<B> {
    /// No bits yet.
    pub(super) fn new(width: usize) -> Self {
        Self(vec![Vec::new(); width])
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.0.len()
    }

    /// Bits of a column.
    pub(super) fn column(&self, weight: usize) -> &[B] {
        self.0.get(weight).map_or(&[], Vec::as_slice)
    }

    /// Adds a bit at the end of a column; above the highest column it has no effect modulo 2^width.
    pub(super) fn push(&mut self, weight: usize, bit: B) {
        if let Some(column) = self.0.get_mut(weight) {
            column.push(bit);
        }
    }

    /// Adds bits at the front of a column, where the next stage takes them first.
    fn push_front(&mut self, weight: usize, bits: &[B]) {
        self.0[weight].splice(0..0, bits.iter().copied());
    }

    /// Adds consecutive bits from `weight` on.
    pub(super) fn push_word(&mut self, weight: usize, word: impl IntoIterator<Item = B>) {
        for (weight, bit) in (weight..).zip(word) {
            self.push(weight, bit);
        }
    }

    /// Adds the ones of a binary constant.
    pub(super) fn push_constant(&mut self, constant: u64) {
        for weight in (0..u64::BITS as usize).filter(|weight| constant >> weight & 1 == 1) {
            self.push(weight, B::ONE);
        }
    }

    /// Bits in the fullest column.
    pub(super) fn height(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The two rows of columns of at most two bits.
    fn rows(&self) -> [Vec<B>; 2] {
        debug_assert!(self.height() <= 2);
        [0, 1].map(|row| self.0.iter().map(|column| column.get(row).copied().unwrap_or(B::ZERO)).collect())
    }
}

impl Columns<bool> {
    /// The sum of all bits modulo 2^width.
    pub(super) fn value(&self) -> u64 {
        let weights = self.0.iter().enumerate();
        let ones = |column: &[bool]| column.iter().filter(|&&bit| bit).count() as u64;
        weights.map(|(weight, column)| ones(column) << weight).sum::<u64>() & ((1 << self.width()) - 1)
    }

    /// What an adder makes of columns of at most two bits.
    pub(super) fn added(&self, adder: FinalAdder) -> u64 {
        let word = |row: Vec<bool>| row.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
        let [x, y] = self.rows().map(word);
        adder.sum(x, y, self.width() as u32)
    }
}

impl Columns<NetId> {
    /// Gates of an adder for columns of at most two bits.
    pub(super) fn added(&self, circuit: &mut NetlistBuilder, adder: FinalAdder) -> Vec<NetId> {
        let [x, y] = self.rows();
        adder.build(circuit, &x, &y)
    }
}

/// The low `width` bits of a number, least significant first.
pub(super) fn bits(number: u64, width: u32) -> impl Iterator<Item = bool> {
    (0..width).map(move |bit| number >> bit & 1 == 1)
}

/// Schedule of half and full adders that reduces columns to two rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reduction {
    /// As early as possible: in every stage, each column adds three bits at a time, and the two that may remain
    /// (Wallace, IEEE Trans. Electronic Computers EC-13, 1964).
    Wallace,
    /// As late as possible: each stage reduces to the next height of 2, 3, 4, 6, 9, 13, …, each 3/2 of the one before
    /// (Dadda, Alta Frequenza 34, 1965).
    Dadda,
}

/// A tree and the adder of its last two rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeAdder {
    pub(super) reduction: Reduction,
    pub(super) final_adder: FinalAdder,
}

impl TreeAdder {
    /// Gates that add the columns.
    pub(super) fn build(self, circuit: &mut NetlistBuilder, columns: Columns<NetId>) -> Vec<NetId> {
        self.reduction.reduced(circuit, columns).added(circuit, self.final_adder)
    }

    /// What those gates compute: the sum, except for what an approximate final adder makes of the two rows.
    pub(super) fn sum(self, columns: Columns<bool>) -> u64 {
        if self.final_adder.is_exact() {
            columns.value()
        } else {
            self.reduction.reduced(&mut Counting, columns).added(self.final_adder)
        }
    }
}

impl Reduction {
    fn reduced<B: Bit>(self, adders: &mut impl Adders<B>, mut columns: Columns<B>) -> Columns<B> {
        while columns.height() > 2 {
            columns = match self {
                Reduction::Wallace => wallace_stage(adders, &columns),
                Reduction::Dadda => dadda_stage(adders, &columns),
            };
        }
        columns
    }
}

fn wallace_stage<B: Bit>(adders: &mut impl Adders<B>, columns: &Columns<B>) -> Columns<B> {
    let mut next = Columns::new(columns.width());
    for weight in 0..columns.width() {
        for group in columns.column(weight).chunks(3) {
            let (sum, carry) = match *group {
                [a, b, c] => adders.full_adder([a, b, c]),
                [a, b] => adders.half_adder([a, b]),
                _ => {
                    next.push(weight, group[0]);
                    continue;
                }
            };
            next.push(weight, sum);
            next.push(weight + 1, carry);
        }
    }
    next
}

fn dadda_stage<B: Bit>(adders: &mut impl Adders<B>, columns: &Columns<B>) -> Columns<B> {
    let heights = std::iter::successors(Some(2), |height| Some(height * 3 / 2));
    let target = heights.take_while(|&height| height < columns.height()).last().unwrap_or(2);
    let mut next = Columns::new(columns.width());
    for weight in 0..columns.width() {
        let mut waiting = columns.column(weight);
        // Sums of this column and carries of the one below already stand in `next`.
        while waiting.len() + next.column(weight).len() > target {
            let excess = waiting.len() + next.column(weight).len() - target;
            let (sum, carry) = match *waiting {
                [a, b, c, ref rest @ ..] if excess > 1 => {
                    waiting = rest;
                    adders.full_adder([a, b, c])
                }
                [a, b, ref rest @ ..] => {
                    waiting = rest;
                    adders.half_adder([a, b])
                }
                _ => unreachable!("carries alone never exceed the target height"),
            };
            next.push(weight, sum);
            next.push(weight + 1, carry);
        }
        next.push_front(weight, waiting);
    }
    next
}
