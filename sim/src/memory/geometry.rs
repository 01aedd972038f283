//! How the cells of a memory are arranged.

/// Banks of equal arrays of cells. Words fill a row before the next one, and a bank before the next.
///
/// Invariant: every number is at least 1, a word has at most 128 cells, and there are fewer than 2^40 cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellGeometry {
    banks: usize,
    rows: usize,
    words_per_row: usize,
    cells_per_word: usize,
}

impl CellGeometry {
    /// Most cells of a word.
    pub const WIDEST_WORD: usize = 128;

    /// `None` if a number is zero or too large.
    pub fn new(banks: usize, rows: usize, words_per_row: usize, cells_per_word: usize) -> Option<Self> {
        let cells = banks.checked_mul(rows)?.checked_mul(words_per_row)?.checked_mul(cells_per_word)?;
        let sound = cells > 0 && cells < 1 << 40 && cells_per_word <= Self::WIDEST_WORD;
        sound.then_some(Self { banks, rows, words_per_row, cells_per_word })
    }

    /// Arrays of cells.
    pub fn banks(&self) -> usize {
        self.banks
    }

    /// Rows of each array.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Words of a row. With more than one their bits are interleaved: bit b of word s is in column b · words + s.
    pub fn words_per_row(&self) -> usize {
        self.words_per_row
    }

    /// Cells of a word, check bits included.
    pub fn cells_per_word(&self) -> usize {
        self.cells_per_word
    }

    /// Columns of each array.
    pub fn columns(&self) -> usize {
        self.words_per_row * self.cells_per_word
    }

    /// Rows of all banks.
    pub fn all_rows(&self) -> usize {
        self.banks * self.rows
    }

    /// Words of all banks.
    pub fn words(&self) -> usize {
        self.all_rows() * self.words_per_row
    }

    /// Cells of all banks.
    pub fn cells(&self) -> usize {
        self.all_rows() * self.columns()
    }

    /// 64-bit pieces that a row is kept in.
    pub(super) fn pieces(&self) -> usize {
        self.columns().div_ceil(64)
    }

    /// Cells of a row's piece that exist, as a mask.
    pub(super) fn existing(&self, piece: usize) -> u64 {
        match self.columns() - 64 * piece {
            64.. => !0,
            rest => (1 << rest) - 1,
        }
    }
}

impl std::fmt::Display for CellGeometry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { banks, rows, words_per_row, cells_per_word } = self;
        write!(f, "{banks} banks of {rows} rows of {words_per_row} × {cells_per_word} cells")
    }
}
