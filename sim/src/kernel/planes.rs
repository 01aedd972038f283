//! Look-ups in registers: a weight's products with all activation codes, split into bytes, are a few vectors, and one
//! instruction looks 64 activations up in one or two of them (AVX-512 VBMI).
//!
//! Nothing is gathered first, so that a few rows suffice.

/// Rows that one vector of activation codes holds.
const VECTOR: usize = 64;

/// Products added in 16 bits before they are widened: the sum of as many bytes fits.
const MOST_BYTES: usize = 256;

/// Outputs of a row that are finished together: a cache line of them.
const COLUMNS: usize = 16;

/// A cache line of bytes.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u8; VECTOR]);

/// Numbers of one or two bytes, prepared for look-ups of activations.
#[derive(Clone, Debug)]
pub(super) struct BytePlanes {
    codes: usize,
    /// `[weight][low, high][activation]`, or `[weight][activation]` of single bytes.
    lines: Vec<Line>,
    /// How much too large each number is.
    offset: i32,
    /// Bytes of a number, 1 or 2.
    planes: usize,
}

impl BytePlanes {
    /// From numbers `[weight][activation]` of 128 or 256 activation codes.
    pub(super) fn new(residual: &[i16], codes: usize) -> Self {
        let byte = |value: i16, high: bool| {
            let [low, top] = (value as u16 ^ 0x8000).to_le_bytes();
            if high { top } else { low }
        };
        let lines = residual.chunks_exact(codes).flat_map(|column| {
            [false, true].into_iter().flat_map(move |high| {
                column.chunks_exact(VECTOR).map(move |part| Line(std::array::from_fn(|code| byte(part[code], high))))
            })
        });
        Self { codes, lines: lines.collect(), offset: 1 << 15, planes: 2 }
    }

    /// The same of numbers from 0 to 255.
    pub(super) fn of_bytes(numbers: &[u8], codes: usize) -> Self {
        let lines = numbers.as_chunks().0.iter().copied().map(Line);
        Self { codes, lines: lines.collect(), offset: 0, planes: 1 }
    }

    /// Adds `2^shift · Σ number[weights[column][k]][activations[row][k]]` to `out[row][column]`.
    pub(super) fn add(&self, activations: &[u8], weights: &[u8], k: usize, shift: u32, out: &mut [i32]) {
        let columns = weights.len() / k;
        let mut indices = Vec::new();
        let mut rest = activations.chunks(VECTOR * k).len();
        let (mut activations, mut out) = (activations, out);
        while rest > 0 {
            let vectors = if rest >= 4 {
                4
            } else if rest >= 2 {
                2
            } else {
                1
            };
            let rows = (vectors * VECTOR).min(activations.len() / k);
            let (block, later) = activations.split_at(rows * k);
            let (sums, later_sums) = std::mem::take(&mut out).split_at_mut(rows * columns);
            self.transpose(block, k, vectors, &mut indices);
            match (vectors, self.planes) {
                (4, 2) => self.add_rows::<4, 2>(&indices, weights, k, shift, sums),
                (2, 2) => self.add_rows::<2, 2>(&indices, weights, k, shift, sums),
                (_, 2) => self.add_rows::<1, 2>(&indices, weights, k, shift, sums),
                (4, _) => self.add_rows::<4, 1>(&indices, weights, k, shift, sums),
                (2, _) => self.add_rows::<2, 1>(&indices, weights, k, shift, sums),
                (_, _) => self.add_rows::<1, 1>(&indices, weights, k, shift, sums),
            }
            (activations, out, rest) = (later, later_sums, rest - vectors);
        }
    }

    /// Activations of at most `vectors` · 64 rows as `[k][row]`, filled up with code 0. Where two vectors hold all codes, bit
    /// 6 moves to bit 7, which masks are made of.
    fn transpose(&self, activations: &[u8], depth: usize, vectors: usize, indices: &mut Vec<Line>) {
        let prepare = |codes: u64| match self.codes {
            128 => codes & 0x3f3f_3f3f_3f3f_3f3f | (codes & 0x4040_4040_4040_4040) << 1,
            _ => codes,
        };
        indices.clear();
        indices.resize(depth * vectors, Line([0; VECTOR]));
        for (eight, rows) in activations.chunks(8 * depth).enumerate() {
            let place = |k: usize| (k * vectors + eight / 8, eight % 8 * 8);
            // What does not fill a square goes one by one.
            let whole = if rows.len() == 8 * depth { depth / 8 * 8 } else { 0 };
            for first in (0..whole).step_by(8) {
                let square = std::array::from_fn(|row| {
                    let codes = rows[row * depth + first..].first_chunk().expect("eight codes of a row");
                    prepare(u64::from_le_bytes(*codes))
                });
                for (k, column) in transpose_bytes(square).into_iter().enumerate() {
                    let (line, byte) = place(first + k);
                    indices[line].0[byte..][..8].copy_from_slice(&column.to_le_bytes());
                }
            }
            for k in whole..depth {
                let (line, byte) = place(k);
                for (index, row) in indices[line].0[byte..].iter_mut().zip(rows.chunks_exact(depth)) {
                    *index = prepare(row[k].into()) as u8;
                }
            }
        }
    }

    /// [`Self::add`] for at most `VECTORS` · 64 rows, whose activations are `indices`.
    fn add_rows<const VECTORS: usize, const PLANES: usize>(
        &self,
        indices: &[Line],
        weights: &[u8],
        k: usize,
        shift: u32,
        out: &mut [i32],
    ) {
        let columns = weights.len() / k;
        let mut totals = [[[0i32; VECTOR]; VECTORS]; COLUMNS];
        for (first, weights) in weights.chunks(COLUMNS * k).enumerate() {
            for (totals, weights) in totals.iter_mut().zip(weights.chunks_exact(k)) {
                self.add_column::<VECTORS, PLANES>(indices, weights, totals);
            }
            let count = weights.len() / k;
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                for (out, totals) in out[first * COLUMNS..][..count].iter_mut().zip(&totals) {
                    *out = out.wrapping_add(totals.as_flattened()[row] << shift);
                }
            }
        }
    }

    /// Sums the numbers of a column of weights for each row of each vector.
    fn add_column<const VECTORS: usize, const PLANES: usize>(
        &self,
        indices: &[Line],
        weights: &[u8],
        totals: &mut [[i32; VECTOR]; VECTORS],
    ) {
        *totals = [[0; VECTOR]; VECTORS];
        for (weights, indices) in weights.chunks(MOST_BYTES).zip(indices.chunks(MOST_BYTES * VECTORS)) {
            let offset = weights.len() as i32 * self.offset;
            for (total, planes) in totals.iter_mut().zip(&self.sums::<VECTORS, PLANES>(indices, weights)) {
                for (pair, total) in total.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    for (plane, Sums { whole, odd }) in planes.iter().enumerate() {
                        // A sum of whole pairs of bytes, modulo 2¹⁶, less the odd bytes' part.
                        let even = whole[pair].wrapping_sub(odd[pair] << 8);
                        total[0] += i32::from(even) << (8 * plane);
                        total[1] += i32::from(odd[pair]) << (8 * plane);
                    }
                    total[0] -= offset;
                    total[1] -= offset;
                }
            }
        }
    }

    /// Sums of at most [`MOST_BYTES`] numbers' bytes for each row of each vector.
    #[cfg(target_arch = "x86_64")]
    fn sums<const VECTORS: usize, const PLANES: usize>(
        &self,
        indices: &[Line],
        weights: &[u8],
    ) -> [[Sums; PLANES]; VECTORS] {
        // SAFETY: planes are made only where the CPU permutes bytes.
        unsafe {
            match self.codes {
                128 => avx512::sums::<128, VECTORS, PLANES>(&self.lines, indices, weights),
                _ => avx512::sums::<256, VECTORS, PLANES>(&self.lines, indices, weights),
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn sums<const VECTORS: usize, const PLANES: usize>(&self, _: &[Line], _: &[u8]) -> [[Sums; PLANES]; VECTORS] {
        unreachable!("planes are made only where the CPU permutes bytes")
    }
}

/// Sums of a vector's bytes: of pairs of neighbours as 16-bit numbers, modulo 2¹⁶, and of the odd bytes alone.
struct Sums {
    whole: [u16; 32],
    odd: [u16; 32],
}

/// Rows of eight bytes become columns: blocks of four, two and one are exchanged (Warren, *Hacker's Delight*, 2nd ed., §7-3,
/// on bytes).
#[inline]
pub(crate) fn transpose_bytes(mut rows: [u64; 8]) -> [u64; 8] {
    for (distance, mask) in [(4, 0xffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        for pair in 0..4 {
            let first = pair / distance * 2 * distance + pair % distance;
            let swap = (rows[first] >> (8 * distance) ^ rows[first + distance]) & mask;
            rows[first] ^= swap << (8 * distance);
            rows[first + distance] ^= swap;
        }
    }
    rows
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Line, Sums, VECTOR};
    use std::arch::x86_64::*;

    /// [`super::BytePlanes::sums`] for `CODES` activation codes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn sums<const CODES: usize, const VECTORS: usize, const PLANES: usize>(
        lines: &[Line],
        indices: &[Line],
        weights: &[u8],
    ) -> [[Sums; PLANES]; VECTORS] {
        let zero = [[_mm512_setzero_si512(); PLANES]; VECTORS];
        let (mut whole, mut odd) = (zero, zero);
        let parts = CODES / VECTOR;
        for (indices, &weight) in indices.chunks_exact(VECTORS).zip(weights) {
            let lines = &lines[usize::from(weight) * PLANES * parts..][..PLANES * parts];
            let tables: [_; PLANES] = std::array::from_fn(|plane| load::<CODES>(&lines[plane * parts..][..parts]));
            for vector in 0..VECTORS {
                // SAFETY: a line is 64 bytes.
                let index = unsafe { _mm512_load_si512(indices[vector].0.as_ptr().cast()) };
                for plane in 0..PLANES {
                    let bytes = look_up::<CODES>(tables[plane], index);
                    whole[vector][plane] = _mm512_add_epi16(whole[vector][plane], bytes);
                    odd[vector][plane] = _mm512_add_epi16(odd[vector][plane], _mm512_srli_epi16::<8>(bytes));
                }
            }
        }
        // SAFETY: both are 64 bytes of which every value is valid.
        let numbers = |vector: __m512i| unsafe { std::mem::transmute::<__m512i, [u16; 32]>(vector) };
        std::array::from_fn(|vector| {
            std::array::from_fn(|plane| Sums {
                whole: numbers(whole[vector][plane]),
                odd: numbers(odd[vector][plane]),
            })
        })
    }

    /// The vectors of a table of `CODES` bytes, the last repeated.
    #[inline(always)]
    fn load<const CODES: usize>(lines: &[Line]) -> [__m512i; 4] {
        // SAFETY: a line is 64 bytes, and callers have AVX-512.
        std::array::from_fn(|part| unsafe {
            _mm512_load_si512(lines[part.min(CODES / VECTOR - 1)].0.as_ptr().cast())
        })
    }

    /// The byte at each index. Of 128 codes the upper half has bit 7 set instead of bit 6: two look-ups of 64 under a mask are
    /// faster than one of 128.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn look_up<const CODES: usize>(table: [__m512i; 4], index: __m512i) -> __m512i {
        let upper = _mm512_movepi8_mask(index);
        if CODES == 128 {
            _mm512_mask_permutexvar_epi8(_mm512_permutexvar_epi8(index, table[0]), upper, index, table[1])
        } else {
            _mm512_mask_blend_epi8(
                upper,
                _mm512_permutex2var_epi8(table[0], index, table[1]),
                _mm512_permutex2var_epi8(table[2], index, table[3]),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_transposed() {
        let rows = std::array::from_fn(|row| u64::from_le_bytes(std::array::from_fn(|k| (8 * row + k) as u8)));
        for (k, column) in transpose_bytes(rows).into_iter().enumerate() {
            assert_eq!(column.to_le_bytes(), std::array::from_fn(|row| (8 * row + k) as u8));
        }
    }
}
