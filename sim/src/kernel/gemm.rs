//! Blocked integer matrix product on packed operands.

use super::aligned::Aligned;
use super::dot::{DotUnit, MAX_WORDS, Portable, Vector};
use super::instructions::InstructionSet;

/// How operands are packed into 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Four a word: activations unsigned, weights signed.
    Bytes,
    /// Two a word, signed.
    Halves,
}

impl Packing {
    /// Operands in a word.
    pub(super) fn per_word(self) -> usize {
        match self {
            Self::Bytes => 4,
            Self::Halves => 2,
        }
    }
}

/// What an operand code stands for in a product, as one function of all 256 codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OperandMap {
    values: Vec<i16>,
    /// If the low byte of every value is `code & mask`: packing bytes then needs no look-ups.
    mask: Option<u8>,
}

impl OperandMap {
    /// A map from its values for the codes 0…; codes beyond them never occur.
    pub(super) fn new(values: Vec<i16>) -> Self {
        let is_masked = |mask: u8| values.iter().zip(0..=u8::MAX).all(|(&value, code)| value as u8 == code & mask);
        Self { mask: (0..=255).find(|&mask| is_masked(mask)), values }
    }

    /// Whether packing bytes needs no look-ups.
    pub(super) fn is_mask(&self) -> bool {
        self.mask.is_some()
    }

    /// Whether every code stands for zero.
    pub(super) fn is_zero(&self) -> bool {
        self.values.iter().all(|&value| value == 0)
    }

    /// Sum of what the codes stand for.
    pub(super) fn sum(&self, codes: &[u8]) -> i32 {
        codes.iter().fold(0, |sum: i32, &code| sum.wrapping_add(self.values[usize::from(code)].into()))
    }

    /// Packs rows of `k` codes into rows of words; a row's last word is filled up with zeros.
    pub(super) fn pack(
        &self,
        instructions: InstructionSet,
        packing: Packing,
        codes: &[u8],
        k: usize,
        words: &mut [u32],
    ) {
        #[cfg(target_arch = "x86_64")]
        if packing == Packing::Bytes && self.mask.is_none() && instructions.permutes_bytes() {
            let byte = |code: usize| self.values.get(code).map_or(0, |&value| value as u8);
            // SAFETY: the instruction set exists only on CPUs that permute bytes.
            return unsafe { map_bytes(&std::array::from_fn(byte), codes, k, words) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = instructions;
        let value = |code: u8| self.values[usize::from(code)];
        match (packing, self.mask) {
            (Packing::Bytes, Some(mask)) => {
                let mask = u32::from_le_bytes([mask; 4]);
                pack_rows(codes, k, words, |codes: [u8; 4]| u32::from_le_bytes(codes) & mask);
            }
            (Packing::Bytes, None) => pack_rows(codes, k, words, |[a, b, c, d]: [u8; 4]| {
                u32::from_le_bytes([value(a) as u8, value(b) as u8, value(c) as u8, value(d) as u8])
            }),
            (Packing::Halves, _) => pack_rows(codes, k, words, |[a, b]: [u8; 2]| {
                u32::from(value(a) as u16) | u32::from(value(b) as u16) << 16
            }),
        }
    }
}

/// Packs rows by a function of `N` codes; what is missing from a row's last word stands for zero.
#[inline(always)]
fn pack_rows<const N: usize>(codes: &[u8], k: usize, words: &mut [u32], pack: impl Fn([u8; N]) -> u32) {
    for (codes, words) in codes.chunks_exact(k).zip(words.chunks_exact_mut(k.div_ceil(N))) {
        let (chunks, rest) = codes.as_chunks::<N>();
        for (word, &chunk) in words.iter_mut().zip(chunks) {
            *word = pack(chunk);
        }
        if !rest.is_empty() {
            let last = std::array::from_fn(|index| rest.get(index).copied().unwrap_or(0));
            words[chunks.len()] = pack(last) & u32::MAX >> (32 - 32 / N * rest.len());
        }
    }
}

/// Packs rows of bytes by look-ups in registers, 64 at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn map_bytes(values: &[u8; 256], codes: &[u8], k: usize, words: &mut [u32]) {
    use std::arch::x86_64::*;
    // SAFETY: four vectors of 64 bytes are the array.
    let table: [__m512i; 4] =
        std::array::from_fn(|part| unsafe { _mm512_loadu_si512(values[64 * part..].as_ptr().cast()) });
    for (codes, words) in codes.chunks_exact(k).zip(words.chunks_exact_mut(k.div_ceil(4))) {
        for (codes, words) in codes.chunks(64).zip(words.chunks_mut(16)) {
            let mask = u64::MAX >> (64 - codes.len());
            // SAFETY: as many codes are read as there are, and as many bytes written; the words have room for them. A
            // row's last word is zero beyond them, for it is written whole.
            unsafe {
                let index = _mm512_maskz_loadu_epi8(mask, codes.as_ptr().cast());
                let lower = _mm512_permutex2var_epi8(table[0], index, table[1]);
                let upper = _mm512_permutex2var_epi8(table[2], index, table[3]);
                let bytes = _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), lower, upper);
                let bytes = _mm512_maskz_mov_epi8(mask, bytes);
                let words_mask = (u32::MAX >> (32 - words.len())) as u16;
                _mm512_mask_storeu_epi32(words.as_mut_ptr().cast(), words_mask, bytes);
            }
        }
    }
}

/// Vectors of outputs that a tile is wide; the last panel of a matrix may be one vector wide.
const TILE_VECTORS: usize = 2;

/// A weight matrix packed for the dot units: panels of one or two vectors of columns, each panel `[word][column]`.
pub(super) struct Panels {
    words: Aligned<u32>,
    depth: usize,
    columns: usize,
    lanes: usize,
}

impl Panels {
    /// Packs weight codes `[columns][k]` for vectors of `lanes` outputs.
    pub(super) fn pack(
        weights: &[u8],
        k: usize,
        map: &OperandMap,
        packing: Packing,
        instructions: InstructionSet,
    ) -> Self {
        let lanes = instructions.lanes();
        let columns = weights.len() / k;
        let depth = k.div_ceil(packing.per_word());
        let len = columns.next_multiple_of(lanes) * depth;
        let mut words = Aligned::new(len);
        let mut column_words = vec![0; depth];
        let panel_columns = TILE_VECTORS * lanes;
        for (column, codes) in weights.chunks_exact(k).enumerate() {
            map.pack(instructions, packing, codes, k, &mut column_words);
            let first = column / panel_columns * panel_columns;
            let width = panel_columns.min(columns.next_multiple_of(lanes) - first);
            let panel = &mut words.first(len)[first * depth..][..width * depth];
            for (row, &word) in panel.chunks_exact_mut(width).zip(&column_words) {
                row[column - first] = word;
            }
        }
        Self { words, depth, columns, lanes }
    }

    /// Words in a row of activations.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}

/// Adds `2^shift · Σ activation · weight` to `out[row][column]`, for packed activations `[row][word]`.
///
/// Under AVX2 packed bytes of activations must not exceed 127.
pub(super) fn multiply_add(
    instructions: InstructionSet,
    packing: Packing,
    activations: &[u32],
    panels: &Panels,
    shift: u32,
    out: &mut [i32],
) {
    match (instructions, packing) {
        // SAFETY: these units need no particular CPU.
        (InstructionSet::Portable, Packing::Bytes) => unsafe {
            multiply_panels::<Portable<8>, 2, 4>(activations, panels, shift, out);
        },
        // SAFETY: as above.
        (InstructionSet::Portable, Packing::Halves) => unsafe {
            multiply_panels::<Portable<16>, 2, 4>(activations, panels, shift, out);
        },
        // SAFETY: an `InstructionSet` exists only on CPUs that have it.
        #[cfg(target_arch = "x86_64")]
        (InstructionSet::Avx2, Packing::Bytes) => unsafe { bytes_avx2(activations, panels, shift, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        (InstructionSet::Avx2, Packing::Halves) => unsafe { halves_avx2(activations, panels, shift, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        (InstructionSet::Avx512 | InstructionSet::Avx512Vbmi, Packing::Bytes) => unsafe {
            bytes_avx512(activations, panels, shift, out)
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        (InstructionSet::Avx512 | InstructionSet::Avx512Vbmi, Packing::Halves) => unsafe {
            halves_avx512(activations, panels, shift, out)
        },
    }
}

// Two rows leave registers for the two sums of each lane; four rows of single sums use as many.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn bytes_avx2(activations: &[u32], panels: &Panels, shift: u32, out: &mut [i32]) {
    // SAFETY: this function has AVX2.
    unsafe { multiply_panels::<super::dot::Avx2Bytes, 2, 4>(activations, panels, shift, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn halves_avx2(activations: &[u32], panels: &Panels, shift: u32, out: &mut [i32]) {
    // SAFETY: this function has AVX2.
    unsafe { multiply_panels::<super::dot::Avx2Halves, 4, 8>(activations, panels, shift, out) }
}

// Sixteen sums hide the four or five cycles that each addition to one of them takes at two a cycle.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn bytes_avx512(activations: &[u32], panels: &Panels, shift: u32, out: &mut [i32]) {
    // SAFETY: this function has AVX-512.
    unsafe { multiply_panels::<super::dot::Avx512Bytes, 8, 16>(activations, panels, shift, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn halves_avx512(activations: &[u32], panels: &Panels, shift: u32, out: &mut [i32]) {
    // SAFETY: this function has AVX-512.
    unsafe { multiply_panels::<super::dot::Avx512Halves, 8, 16>(activations, panels, shift, out) }
}

/// In tiles of `ROWS` rows and of `NARROW_ROWS` where a panel is one vector wide.
///
/// # Safety
/// The CPU has the unit's instructions.
#[inline(always)]
unsafe fn multiply_panels<U: DotUnit, const ROWS: usize, const NARROW_ROWS: usize>(
    activations: &[u32],
    panels: &Panels,
    shift: u32,
    out: &mut [i32],
) {
    let lanes = U::Vector::LANES;
    assert_eq!(lanes, panels.lanes, "panels packed for this unit");
    for first_word in (0..panels.depth).step_by(MAX_WORDS) {
        let words = MAX_WORDS.min(panels.depth - first_word);
        for first in (0..panels.columns).step_by(TILE_VECTORS * lanes) {
            let wide = panels.columns - first > lanes;
            let width = if wide { TILE_VECTORS * lanes } else { lanes };
            let weights = &panels.words.from(first * panels.depth + first_word * width)[..words * width];
            let tile = Tile { weights, depth: panels.depth, first_word, columns: panels.columns, first, shift };
            // SAFETY: the caller has the unit's instructions.
            unsafe {
                if wide {
                    tile.multiply_rows::<U, ROWS, TILE_VECTORS>(activations, out);
                } else {
                    tile.multiply_rows::<U, NARROW_ROWS, 1>(activations, out);
                }
            }
        }
    }
}

/// The part of a panel that is multiplied before its sums are stored, and its place in the matrices.
struct Tile<'a> {
    weights: &'a [u32],
    depth: usize,
    first_word: usize,
    columns: usize,
    first: usize,
    shift: u32,
}

impl Tile<'_> {
    /// # Safety
    /// The CPU has the unit's instructions.
    #[inline(always)]
    unsafe fn multiply_rows<U: DotUnit, const ROWS: usize, const VECTORS: usize>(
        &self,
        activations: &[u32],
        out: &mut [i32],
    ) {
        let blocks = activations.chunks(ROWS * self.depth).zip(out.chunks_mut(ROWS * self.columns));
        for (activations, out) in blocks {
            // SAFETY: the caller has the unit's instructions.
            unsafe {
                if activations.len() == ROWS * self.depth {
                    self.multiply::<U, ROWS, VECTORS>(activations, out);
                } else {
                    for (row, out) in activations.chunks_exact(self.depth).zip(out.chunks_exact_mut(self.columns)) {
                        self.multiply::<U, 1, VECTORS>(row, out);
                    }
                }
            }
        }
    }

    /// # Safety
    /// The CPU has the unit's instructions.
    #[inline(always)]
    unsafe fn multiply<U: DotUnit, const ROWS: usize, const VECTORS: usize>(
        &self,
        activations: &[u32],
        out: &mut [i32],
    ) {
        let lanes = U::Vector::LANES;
        let words = self.weights.len() / (VECTORS * lanes);
        let rows: [&[u32]; ROWS] =
            std::array::from_fn(|row| &activations[row * self.depth + self.first_word..][..words]);
        // SAFETY: the caller has the unit's instructions.
        unsafe {
            let mut sums = [[U::zero(); VECTORS]; ROWS];
            for (word, weights) in self.weights.chunks_exact(VECTORS * lanes).enumerate() {
                let weights: [U::Vector; VECTORS] =
                    std::array::from_fn(|vector| U::Vector::load(&weights[vector * lanes..]));
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let activation = U::Vector::splat(row[word]);
                    for (sum, &weight) in sums.iter_mut().zip(&weights) {
                        *sum = U::add(*sum, activation, weight);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let out = &mut out[row * self.columns + self.first..];
                for (vector, &sum) in sums.iter().enumerate() {
                    let mut stored = [0; 16];
                    U::store(sum, &mut stored);
                    let out = &mut out[vector * lanes..];
                    let count = lanes.min(self.columns - self.first - vector * lanes);
                    for (out, sum) in out[..count].iter_mut().zip(stored) {
                        *out = out.wrapping_add(sum << self.shift);
                    }
                }
            }
        }
    }
}
