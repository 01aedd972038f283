//! Gathering of table columns: a transposition of squares in registers.

use super::instructions::InstructionSet;
#[cfg(target_arch = "x86_64")]
use squares::{bytes_avx2, bytes_sse2, words_avx2, words_sse2};

/// Brings each place's products `[code]` into rows `[place]` of each code.
pub(super) fn gather_words<'a, const CODES: usize, const PLACES: usize>(
    instructions: InstructionSet,
    table: &mut [[i16; PLACES]; CODES],
    column: impl Fn(usize) -> &'a [i16; CODES],
) {
    let columns: [&[i16; CODES]; PLACES] = std::array::from_fn(column);
    #[cfg(target_arch = "x86_64")]
    {
        if let (Ok(columns), 32) = (<&[&[i16; CODES]; 32]>::try_from(&columns[..]), instructions.looked_up()) {
            let rows: &mut [[i16; 32]] = table.as_flattened_mut().as_chunks_mut().0;
            // SAFETY: thirty-two outputs are looked up by AVX-512 only, and the instruction set exists on CPUs that have it.
            return unsafe { words_avx512(rows, columns) };
        }
        let row_bytes = 2 * PLACES;
        if instructions != InstructionSet::Portable && PLACES.is_multiple_of(16) {
            // SAFETY: the other instruction sets exist only on CPUs with AVX2.
            return unsafe { words_avx2(bytes_mut(table.as_flattened_mut()), row_bytes, &columns) };
        }
        // SAFETY: SSE2 is part of x86-64.
        unsafe { words_sse2(bytes_mut(table.as_flattened_mut()), row_bytes, &columns) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for (place, column) in columns.iter().enumerate() {
        let _ = instructions;
        table.iter_mut().zip(*column).for_each(|(row, &product)| row[place] = product);
    }
}

/// Brings each output's bytes `[code]`, of which two neighbours share a place, into rows `[place]` of each code.
pub(super) fn gather_bytes<'a, const CODES: usize, const PLACES: usize>(
    instructions: InstructionSet,
    table: &mut [[i16; PLACES]; CODES],
    column: impl Fn(usize) -> &'a [u8; CODES],
) {
    let columns: [[&[u8; CODES]; 2]; PLACES] =
        std::array::from_fn(|place| [column(2 * place), column(2 * place + 1)]);
    let (columns, row_bytes) = (columns.as_flattened(), 2 * PLACES);
    let table = bytes_mut(table.as_flattened_mut());
    #[cfg(target_arch = "x86_64")]
    {
        if instructions != InstructionSet::Portable && PLACES.is_multiple_of(16) {
            // SAFETY: the other instruction sets exist only on CPUs with AVX2.
            return unsafe { bytes_avx2(table, row_bytes, columns) };
        }
        // SAFETY: SSE2 is part of x86-64.
        unsafe { bytes_sse2(table, row_bytes, columns) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for (output, column) in columns.iter().enumerate() {
        let _ = instructions;
        table.chunks_exact_mut(row_bytes).zip(*column).for_each(|(row, &byte)| row[output] = byte);
    }
}

/// Numbers as they lie in memory.
fn bytes_mut(numbers: &mut [i16]) -> &mut [u8] {
    // SAFETY: each number is two bytes, of which any value is valid.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}

/// Transposes squares of `$side` numbers, `$lanes` of them side by side in a vector.
///
/// In a place's binary digits, row before column, interleaving the first half of the rows with the second one moves the leading
/// digit to the end: as many times as a row's number has digits, and rows are columns.
#[cfg(target_arch = "x86_64")]
macro_rules! transpose_squares {
    ($name:ident, $feature:literal, $number:ty, $side:literal, $lanes:literal, $join:ident, $low:ident, $high:ident, $store:ident, $vector:ty) => {
        #[target_feature(enable = $feature)]
        pub(super) fn $name<const CODES: usize>(table: &mut [u8], row_bytes: usize, columns: &[&[$number; CODES]]) {
            const SIDE: usize = $side;
            for (group, columns) in columns.chunks_exact(SIDE * $lanes).enumerate() {
                for (block, rows) in table.chunks_exact_mut(SIDE * row_bytes).enumerate() {
                    // SAFETY: sixteen bytes of a column are loaded whole; that needs no alignment.
                    let square = |place: usize| unsafe {
                        _mm_loadu_si128(columns[place][block * SIDE..][..SIDE].as_ptr().cast())
                    };
                    let mut square_rows = [$join(square(0), square(0)); SIDE];
                    for (place, row) in square_rows.iter_mut().enumerate() {
                        *row = $join(square(place), square(place + SIDE * ($lanes - 1)));
                    }
                    for _ in 0..SIDE.trailing_zeros() {
                        let last = square_rows;
                        for pair in 0..SIDE / 2 {
                            square_rows[2 * pair] = $low(last[pair], last[pair + SIDE / 2]);
                            square_rows[2 * pair + 1] = $high(last[pair], last[pair + SIDE / 2]);
                        }
                    }
                    let bytes = size_of::<$vector>();
                    for (row, square_row) in rows.chunks_exact_mut(row_bytes).zip(square_rows) {
                        let row = &mut row[group * bytes..][..bytes];
                        // SAFETY: a vector's bytes are stored whole; that needs no alignment.
                        unsafe { $store(row.as_mut_ptr().cast(), square_row) };
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod squares {
    use std::arch::x86_64::*;

    #[inline(always)]
    fn one(first: __m128i, _: __m128i) -> __m128i {
        first
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn two(first: __m128i, second: __m128i) -> __m256i {
        _mm256_set_m128i(second, first)
    }

    transpose_squares!(
        words_sse2,
        "sse2",
        i16,
        8,
        1,
        one,
        _mm_unpacklo_epi16,
        _mm_unpackhi_epi16,
        _mm_storeu_si128,
        __m128i
    );
    transpose_squares!(
        bytes_sse2,
        "sse2",
        u8,
        16,
        1,
        one,
        _mm_unpacklo_epi8,
        _mm_unpackhi_epi8,
        _mm_storeu_si128,
        __m128i
    );
    transpose_squares!(
        words_avx2,
        "avx2",
        i16,
        8,
        2,
        two,
        _mm256_unpacklo_epi16,
        _mm256_unpackhi_epi16,
        _mm256_storeu_si256,
        __m256i
    );
    transpose_squares!(
        bytes_avx2,
        "avx2",
        u8,
        16,
        2,
        two,
        _mm256_unpacklo_epi8,
        _mm256_unpackhi_epi8,
        _mm256_storeu_si256,
        __m256i
    );
}

/// [`gather_words`] of thirty-two places: four squares of eight are transposed side by side.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn words_avx512<const CODES: usize>(table: &mut [[i16; 32]], columns: &[&[i16; CODES]; 32]) {
    use std::arch::x86_64::*;
    assert!(CODES.is_multiple_of(8) && table.len() == CODES, "a row for each code");
    for (block, rows) in table.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // Lane l holds eight products of output 8·l + place.
        let mut r = [_mm512_setzero_si512(); 8];
        for (place, row) in r.iter_mut().enumerate() {
            // SAFETY: each column has eight products of this block, which are read whole; that needs no alignment.
            unsafe {
                let load = |place: usize| _mm_loadu_si128(columns[place].as_ptr().add(8 * block).cast());
                *row = _mm512_castsi128_si512(load(place));
                *row = _mm512_inserti32x4::<1>(*row, load(place + 8));
                *row = _mm512_inserti32x4::<2>(*row, load(place + 16));
                *row = _mm512_inserti32x4::<3>(*row, load(place + 24));
            }
        }
        // Interleave neighbours three times: pairs, quadruples, whole columns.
        let pairs = |i: usize| (_mm512_unpacklo_epi16(r[i], r[i + 1]), _mm512_unpackhi_epi16(r[i], r[i + 1]));
        let ((a0, a4), (b0, b4), (c0, c4), (d0, d4)) = (pairs(0), pairs(2), pairs(4), pairs(6));
        let quads = |l, h| (_mm512_unpacklo_epi32(l, h), _mm512_unpackhi_epi32(l, h));
        let ((ab0, ab2), (ab4, ab6)) = (quads(a0, b0), quads(a4, b4));
        let ((cd0, cd2), (cd4, cd6)) = (quads(c0, d0), quads(c4, d4));
        let whole = |l, h| [_mm512_unpacklo_epi64(l, h), _mm512_unpackhi_epi64(l, h)];
        let codes = [whole(ab0, cd0), whole(ab2, cd2), whole(ab4, cd4), whole(ab6, cd6)];
        for (row, code) in rows.iter_mut().zip(codes.as_flattened()) {
            // SAFETY: the row is written whole, which needs no alignment.
            unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), *code) };
        }
    }
}
