//! Which cells of a memory fail, and how.

use super::CellGeometry;
use crate::profile::sampler::Draws;
use bitvec::vec::BitVec;
use std::borrow::Cow;

/// The weak cells of a memory at one supply.
///
/// A cell in `up` reads 1 for a stored 0, one in `down` 0 for a stored 1, one in both flips whatever it holds. Rows are kept
/// in whole 64-bit pieces. Planes that say nothing are not kept: a third of the memory, and of the time, where faults flip.
///
/// Invariant: planes have `all_rows · pieces · 64` bits, none set beyond a row's columns, and `transient` only where a cell
/// is weak.
#[derive(Clone, Debug)]
pub struct FaultMap {
    pub(super) geometry: CellGeometry,
    pub(super) up: BitVec<u64>,
    /// `None` where every fault flips: the same as `up`.
    pub(super) down: Option<BitVec<u64>>,
    /// `None` where every fault is persistent.
    pub(super) transient: Option<BitVec<u64>>,
    /// Decides what transient faults do at each read.
    pub(super) seed: u64,
}

impl PartialEq for FaultMap {
    fn eq(&self, other: &Self) -> bool {
        let alike = |plane: fn(&Self) -> Cow<'_, [u64]>| plane(self) == plane(other);
        (self.geometry, self.seed) == (other.geometry, other.seed)
            && self.up == other.up
            && alike(|map| map.down().into())
            && alike(Self::transient)
    }
}

impl Eq for FaultMap {}

/// How many cells fail, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Weak cells.
    pub weak: usize,
    /// Weak cells that read 1 for 0; flipping ones included.
    pub up: usize,
    /// Weak cells that read 0 for 1; flipping ones included.
    pub down: usize,
    /// Weak cells that fail at some reads only.
    pub transient: usize,
}

impl FaultMap {
    /// A memory without faults.
    pub fn sound(geometry: CellGeometry) -> Self {
        Self { geometry, up: Self::no_cells(geometry), down: None, transient: None, seed: 0 }
    }

    /// A plane without a cell.
    pub(super) fn no_cells(geometry: CellGeometry) -> BitVec<u64> {
        // Zeros from the system cost nothing until they are touched.
        BitVec::from_vec(vec![0; geometry.all_rows() * geometry.pieces()])
    }

    /// Cells that read 0 for 1.
    pub(super) fn down(&self) -> &[u64] {
        self.down.as_ref().unwrap_or(&self.up).as_raw_slice()
    }

    /// Cells that fail at some reads only.
    pub(super) fn transient(&self) -> Cow<'_, [u64]> {
        match &self.transient {
            Some(transient) => transient.as_raw_slice().into(),
            None => vec![0; self.up.as_raw_slice().len()].into(),
        }
    }

    /// Whether every fault acts at every read, so that all reads give the same.
    pub fn is_persistent(&self) -> bool {
        self.transient.as_ref().is_none_or(|transient| transient.not_any())
    }

    /// The cells' arrangement.
    pub fn geometry(&self) -> CellGeometry {
        self.geometry
    }

    /// How many cells fail.
    pub fn counts(&self) -> FaultCounts {
        let ones = |plane: &[u64]| plane.iter().map(|piece| piece.count_ones() as usize).sum();
        let pairs = self.up.as_raw_slice().iter().zip(self.down());
        FaultCounts {
            weak: pairs.map(|(up, down)| (up | down).count_ones() as usize).sum(),
            up: ones(self.up.as_raw_slice()),
            down: ones(self.down()),
            transient: self.transient.as_ref().map_or(0, |transient| ones(transient.as_raw_slice())),
        }
    }

    /// Share of cells that are weak.
    pub fn weak_share(&self) -> f64 {
        self.counts().weak as f64 / self.geometry.cells() as f64
    }

    /// Whether every weak cell is weak in `other` too, in the same way.
    pub fn is_within(&self, other: &FaultMap) -> bool {
        let within = |a: &[u64], b: &[u64]| a.iter().zip(b).all(|(a, b)| a & !b == 0);
        self.geometry == other.geometry
            && within(self.up.as_raw_slice(), other.up.as_raw_slice())
            && within(self.down(), other.down())
            && within(&self.transient(), &other.transient())
    }

    /// Marks a cell as weak; for maps that are put together cell by cell.
    pub(super) fn mark(&mut self, row: usize, column: usize, fault: [bool; 2], transient: bool) {
        let at = row * self.geometry.pieces() * 64 + column;
        if fault[0] != fault[1] && self.down.is_none() {
            self.down = Some(self.up.clone());
        }
        self.up.set(at, fault[0]);
        if let Some(down) = &mut self.down {
            down.set(at, fault[1]);
        }
        let transient = transient && fault != [false; 2];
        if transient || self.transient.is_some() {
            self.transient.get_or_insert_with(|| Self::no_cells(self.geometry)).set(at, transient);
        }
    }

    /// Fault of a cell: whether it reads 1 for 0, 0 for 1, and whether only at some reads.
    pub fn fault(&self, row: usize, column: usize) -> [bool; 3] {
        let at = row * self.geometry.pieces() * 64 + column;
        let down = self.down.as_ref().unwrap_or(&self.up)[at];
        [self.up[at], down, self.transient.as_ref().is_some_and(|transient| transient[at])]
    }

    /// The map with each word in a row of its own, wherever its cells are.
    pub(super) fn by_word(&self) -> Cow<'_, FaultMap> {
        let geometry = self.geometry;
        let (degree, cells) = (geometry.words_per_row(), geometry.cells_per_word());
        if degree == 1 {
            return Cow::Borrowed(self);
        }
        let words = CellGeometry::new(geometry.banks(), geometry.rows() * degree, 1, cells).expect("as many cells");
        let (from, to) = (geometry.pieces() * 64, words.pieces() * 64);
        let untangled = |source: &BitVec<u64>| {
            let mut plane = FaultMap::no_cells(words);
            let target = plane.as_raw_mut_slice();
            for (index, &piece) in source.as_raw_slice().iter().enumerate() {
                let mut left = piece;
                while left != 0 {
                    let at = index * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    // Bit b of word s is in column b · degree + s.
                    let (row, column) = (at / from, at % from);
                    let at = (row * degree + column % degree) * to + column / degree;
                    target[at / 64] |= 1 << (at % 64);
                }
            }
            plane
        };
        Cow::Owned(FaultMap {
            geometry: words,
            up: untangled(&self.up),
            down: self.down.as_ref().map(untangled),
            transient: self.transient.as_ref().map(untangled),
            seed: self.seed,
        })
    }

    /// The rows of a map that [`Self::by_word`] gave, of at most 64 cells each.
    pub(super) fn planes(&self) -> Planes<'_> {
        assert_eq!(self.geometry.pieces(), 1, "words of at most 64 cells");
        let transient = self.transient.as_ref().filter(|transient| transient.any());
        Planes {
            up: self.up.as_raw_slice(),
            down: self.down(),
            transient: transient.map(|plane| plane.as_raw_slice()),
        }
    }

    /// What acts at a read of one word, in a map that [`Self::by_word`] gave.
    #[inline(always)]
    pub(super) fn word(&self, word: usize, read: &ReadDraws) -> WordFaults {
        let pieces = self.geometry.pieces();
        let gather = |plane: &[u64]| match pieces {
            1 => u128::from(plane[word]),
            _ => u128::from(plane[2 * word]) | u128::from(plane[2 * word + 1]) << 64,
        };
        let (up, down) = (gather(self.up.as_raw_slice()), gather(self.down()));
        match &self.transient {
            Some(transient) if up | down != 0 => {
                WordFaults { up, down }.at_read(gather(transient.as_raw_slice()), word, read)
            }
            _ => WordFaults { up, down },
        }
    }
}

/// Faults of words, a number a word.
pub(super) struct Planes<'a> {
    pub(super) up: &'a [u64],
    pub(super) down: &'a [u64],
    /// If there is any.
    pub(super) transient: Option<&'a [u64]>,
}

/// The draws of one read of a whole memory.
pub(super) struct ReadDraws {
    draws: Draws,
    read: u64,
}

impl ReadDraws {
    pub(super) fn new(map: &FaultMap, read: u64) -> Self {
        Self { draws: Draws::new(map.seed ^ TRANSIENT), read }
    }

    /// Those of a word's `transient` faults that do not act; words have at most 64 cells.
    #[inline(always)]
    pub(super) fn silent(&self, transient: u64, word: usize) -> u64 {
        if transient == 0 { 0 } else { transient & self.draws.stream(self.read, word as u64).bits(0) }
    }

    fn coins(&self, word: usize) -> u128 {
        let stream = self.draws.stream(self.read, word as u64);
        u128::from(stream.bits(0)) | u128::from(stream.bits(1)) << 64
    }
}

/// Keeps the draws of reads apart from those that make a chip.
const TRANSIENT: u64 = 0x7261_6e73_6965_6e74;

/// Cells of a word that read wrong if they hold the other value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordFaults {
    pub(super) up: u128,
    pub(super) down: u128,
}

impl WordFaults {
    #[inline(always)]
    fn at_read(self, transient: u128, word: usize, read: &ReadDraws) -> Self {
        if transient == 0 {
            return self;
        }
        let silent = transient & read.coins(word);
        Self { up: self.up & !silent, down: self.down & !silent }
    }

    /// The same without the cells of `sound`.
    #[inline(always)]
    pub(super) fn without(self, sound: u128) -> Self {
        Self { up: self.up & !sound, down: self.down & !sound }
    }

    #[inline(always)]
    pub(super) fn none(self) -> bool {
        self.up | self.down == 0
    }

    /// What is read where `stored` was written.
    #[inline(always)]
    pub(super) fn read(self, stored: u128) -> u128 {
        stored & !self.down | !stored & self.up
    }
}
