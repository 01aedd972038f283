//! Which cells of a memory fail, and how.

use super::CellGeometry;
use crate::profile::sampler::Draws;
use bitvec::vec::BitVec;
use std::borrow::Cow;

/// The weak cells of a memory at one supply.
///
/// A cell in `up` reads 1 for a stored 0, one in `down` 0 for a stored 1, one in both flips whatever it holds. Rows are kept
/// in whole 64-bit pieces.
///
/// Invariant: all three have `all_rows · pieces · 64` bits, none set beyond a row's columns, and `transient` only where a cell
/// is weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultMap {
    pub(super) geometry: CellGeometry,
    pub(super) up: BitVec<u64>,
    pub(super) down: BitVec<u64>,
    pub(super) transient: BitVec<u64>,
    /// Decides what transient faults do at each read.
    pub(super) seed: u64,
}

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
        // Zeros from the system cost nothing until they are touched.
        let none = || BitVec::from_vec(vec![0; geometry.all_rows() * geometry.pieces()]);
        Self { geometry, up: none(), down: none(), transient: none(), seed: 0 }
    }

    /// The cells' arrangement.
    pub fn geometry(&self) -> CellGeometry {
        self.geometry
    }

    /// How many cells fail.
    pub fn counts(&self) -> FaultCounts {
        let pairs = self.up.as_raw_slice().iter().zip(self.down.as_raw_slice());
        FaultCounts {
            weak: pairs.map(|(up, down)| (up | down).count_ones() as usize).sum(),
            up: self.up.count_ones(),
            down: self.down.count_ones(),
            transient: self.transient.count_ones(),
        }
    }

    /// Share of cells that are weak.
    pub fn weak_share(&self) -> f64 {
        self.counts().weak as f64 / self.geometry.cells() as f64
    }

    /// Whether every weak cell is weak in `other` too, in the same way.
    pub fn is_within(&self, other: &FaultMap) -> bool {
        let within = |a: &BitVec<u64>, b: &BitVec<u64>| {
            a.as_raw_slice().iter().zip(b.as_raw_slice()).all(|(a, b)| a & !b == 0)
        };
        self.geometry == other.geometry
            && within(&self.up, &other.up)
            && within(&self.down, &other.down)
            && within(&self.transient, &other.transient)
    }

    /// Marks a cell as weak; for maps that are put together cell by cell.
    pub(super) fn mark(&mut self, row: usize, column: usize, fault: [bool; 2], transient: bool) {
        let at = row * self.geometry.pieces() * 64 + column;
        self.up.set(at, fault[0]);
        self.down.set(at, fault[1]);
        self.transient.set(at, transient && fault != [false; 2]);
    }

    /// Fault of a cell: whether it reads 1 for 0, 0 for 1, and whether only at some reads.
    pub fn fault(&self, row: usize, column: usize) -> [bool; 3] {
        let at = row * self.geometry.pieces() * 64 + column;
        [&self.up, &self.down, &self.transient].map(|plane| plane[at])
    }

    /// The map with each word in a row of its own, wherever its cells are.
    pub(super) fn by_word(&self) -> Cow<'_, FaultMap> {
        let geometry = self.geometry;
        let (degree, cells) = (geometry.words_per_row(), geometry.cells_per_word());
        if degree == 1 {
            return Cow::Borrowed(self);
        }
        let words = CellGeometry::new(geometry.banks(), geometry.rows() * degree, 1, cells).expect("as many cells");
        let mut map = FaultMap { seed: self.seed, ..FaultMap::sound(words) };
        let (from, to) = (geometry.pieces() * 64, words.pieces() * 64);
        for (source, target) in
            [(&self.up, &mut map.up), (&self.down, &mut map.down), (&self.transient, &mut map.transient)]
        {
            let target = target.as_raw_mut_slice();
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
        }
        Cow::Owned(map)
    }

    /// The rows of a map that [`Self::by_word`] gave, of at most 64 cells each.
    pub(super) fn planes(&self) -> Planes<'_> {
        assert_eq!(self.geometry.pieces(), 1, "words of at most 64 cells");
        let transient = self.transient.as_raw_slice();
        let transient = transient.iter().any(|row| *row != 0).then_some(transient);
        Planes { up: self.up.as_raw_slice(), down: self.down.as_raw_slice(), transient }
    }

    /// What acts at a read of one word, in a map that [`Self::by_word`] gave.
    #[inline(always)]
    pub(super) fn word(&self, word: usize, read: &ReadDraws) -> WordFaults {
        let pieces = self.geometry.pieces();
        let gather = |plane: &[u64]| match pieces {
            1 => u128::from(plane[word]),
            _ => u128::from(plane[2 * word]) | u128::from(plane[2 * word + 1]) << 64,
        };
        let (up, down) = (gather(self.up.as_raw_slice()), gather(self.down.as_raw_slice()));
        if up | down == 0 {
            return WordFaults { up, down };
        }
        WordFaults { up, down }.at_read(gather(self.transient.as_raw_slice()), word, read)
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
