//! Sums of gathered products: the inner loop of the vector look-ups, one implementation an instruction set.

use super::instructions::InstructionSet;

/// How products are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Summing {
    /// As numbers of 16 bits; so many of them, 4, 2 or 1, never exceed 16 bits together.
    Words(usize),
    /// As pairs of bytes, both from 0 to 255. A row's sums are two 16-bit numbers a pair, modulo 2¹⁶: those of whole pairs, then
    /// those of the second bytes alone.
    Bytes,
}

/// Sums of `OUTPUTS` outputs side by side.
///
/// # Safety
/// The functions need a CPU with the instructions of the implementing type.
trait SumUnit<const OUTPUTS: usize> {
    /// 16-bit sums.
    type Partial: Copy;
    /// 32-bit sums.
    type Total: Copy;
    unsafe fn partial(products: &[i16; OUTPUTS]) -> Self::Partial;
    unsafe fn add(partial: Self::Partial, products: &[i16; OUTPUTS]) -> Self::Partial;
    unsafe fn load(sums: &[i32; OUTPUTS]) -> Self::Total;
    unsafe fn widen(total: Self::Total, partial: Self::Partial) -> Self::Total;
    /// Adds pairs of bytes, as of [`Summing::Bytes`].
    unsafe fn add_pairs(total: Self::Total, pairs: Self::Partial) -> Self::Total;
    unsafe fn store(total: Self::Total, sums: &mut [i32; OUTPUTS]);
}

/// `sums[row] += Σ over depth of table[depth][codes[row][depth]]`, codes taken modulo `CODES`.
pub(super) type AddProducts<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize> = fn(
    instructions: InstructionSet,
    summing: Summing,
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
);

macro_rules! add_products {
    ($(#[$doc:meta])* $name:ident, $outputs:literal, $add_avx512:ident) => {
        $(#[$doc])*
        pub(super) fn $name<const CODES: usize, const DEPTH: usize>(
            instructions: InstructionSet,
            summing: Summing,
            table: &[[[i16; $outputs]; CODES]; DEPTH],
            codes: &[[u8; DEPTH]],
            sums: &mut [[i32; $outputs]],
        ) {
            // SAFETY: the portable unit needs no particular CPU; an `InstructionSet` exists only where the CPU has it.
            unsafe {
                match instructions {
                    InstructionSet::Portable => add::<Portable, _, _, $outputs>(summing, table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx2 => add_avx2(summing, table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx512 | InstructionSet::Avx512Vbmi => $add_avx512(summing, table, codes, sums),
                }
            }
        }
    };
}

add_products!(
    /// [`AddProducts`] for eight outputs.
    add_eight,
    8,
    add_avx2
);
add_products!(
    /// [`AddProducts`] for sixteen outputs.
    add_sixteen,
    16,
    add_avx512
);

/// [`AddProducts`] for thirty-two outputs; AVX-512 only.
///
/// # Panics
/// On another instruction set.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
pub(super) fn add_thirty_two<const CODES: usize, const DEPTH: usize>(
    instructions: InstructionSet,
    summing: Summing,
    table: &[[[i16; 32]; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; 32]],
) {
    #[cfg(target_arch = "x86_64")]
    if matches!(instructions, InstructionSet::Avx512 | InstructionSet::Avx512Vbmi) {
        // SAFETY: an `InstructionSet` exists only where the CPU has it.
        return unsafe { add_avx512(summing, table, codes, sums) };
    }
    unreachable!("{instructions} adds at most 16 outputs at once")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_avx2<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize>(
    summing: Summing,
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) where
    avx2::Avx2: SumUnit<OUTPUTS>,
{
    // SAFETY: this function has AVX2.
    unsafe { add::<avx2::Avx2, CODES, DEPTH, OUTPUTS>(summing, table, codes, sums) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn add_avx512<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize>(
    summing: Summing,
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) where
    avx512::Avx512: SumUnit<OUTPUTS>,
{
    // SAFETY: this function has AVX-512.
    unsafe { add::<avx512::Avx512, CODES, DEPTH, OUTPUTS>(summing, table, codes, sums) }
}

/// # Safety
/// The CPU has the unit's instructions.
#[inline(always)]
unsafe fn add<U: SumUnit<OUTPUTS>, const CODES: usize, const DEPTH: usize, const OUTPUTS: usize>(
    summing: Summing,
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) {
    // SAFETY: the caller has the unit's instructions.
    unsafe {
        match summing {
            Summing::Words(4) => add_groups::<U, CODES, DEPTH, OUTPUTS, 4, false>(table, codes, sums),
            Summing::Words(2) => add_groups::<U, CODES, DEPTH, OUTPUTS, 2, false>(table, codes, sums),
            Summing::Words(_) => add_groups::<U, CODES, DEPTH, OUTPUTS, 1, false>(table, codes, sums),
            Summing::Bytes => add_groups::<U, CODES, DEPTH, OUTPUTS, 1, true>(table, codes, sums),
        }
    }
}

/// # Safety
/// The CPU has the unit's instructions.
#[inline(always)]
unsafe fn add_groups<
    U: SumUnit<OUTPUTS>,
    const CODES: usize,
    const DEPTH: usize,
    const OUTPUTS: usize,
    const GROUP: usize,
    const PAIRS: bool,
>(
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) {
    const { assert!(CODES.is_power_of_two() && CODES <= 256) };
    for (sums, codes) in sums.iter_mut().zip(codes) {
        let word = word(codes);
        let products = |depth: usize| &table[depth][(word >> (8 * depth)) as usize & (CODES - 1)];
        // SAFETY: the caller has the unit's instructions.
        unsafe {
            let mut total = U::load(sums);
            for first in (0..DEPTH).step_by(GROUP) {
                let mut partial = U::partial(products(first));
                for depth in first + 1..first + GROUP {
                    partial = U::add(partial, products(depth));
                }
                total = if PAIRS { U::add_pairs(total, partial) } else { U::widen(total, partial) };
            }
            U::store(total, sums);
        }
    }
}

/// All codes by one load: shifts and masks make places of them without asking the load ports again, which byte by byte they would.
#[inline(always)]
fn word<const DEPTH: usize>(codes: &[u8; DEPTH]) -> u64 {
    const { assert!(DEPTH == 8 || DEPTH == 4) };
    match (codes.first_chunk(), codes.first_chunk()) {
        (Some(&eight), _) => u64::from_le_bytes(eight),
        (None, Some(&four)) => u32::from_le_bytes(four).into(),
        (None, None) => unreachable!("depths are checked when this is compiled"),
    }
}

/// A row's sums of pairs of bytes as they lie in memory, see [`Summing::Bytes`].
pub(super) fn halves_mut(sums: &mut [i32]) -> &mut [u16] {
    // SAFETY: each number is two of 16 bits, of which any value is valid, and they need less alignment.
    unsafe { std::slice::from_raw_parts_mut(sums.as_mut_ptr().cast(), 2 * sums.len()) }
}

/// Any CPU.
struct Portable;

impl<const OUTPUTS: usize> SumUnit<OUTPUTS> for Portable {
    type Partial = [i16; OUTPUTS];
    type Total = [i32; OUTPUTS];

    #[inline(always)]
    unsafe fn partial(products: &[i16; OUTPUTS]) -> [i16; OUTPUTS] {
        *products
    }

    #[inline(always)]
    unsafe fn add(mut partial: [i16; OUTPUTS], products: &[i16; OUTPUTS]) -> [i16; OUTPUTS] {
        for (partial, product) in partial.iter_mut().zip(products) {
            *partial = partial.wrapping_add(*product);
        }
        partial
    }

    #[inline(always)]
    unsafe fn load(sums: &[i32; OUTPUTS]) -> [i32; OUTPUTS] {
        *sums
    }

    #[inline(always)]
    unsafe fn widen(mut total: [i32; OUTPUTS], partial: [i16; OUTPUTS]) -> [i32; OUTPUTS] {
        for (total, partial) in total.iter_mut().zip(&partial) {
            *total = total.wrapping_add((*partial).into());
        }
        total
    }

    #[inline(always)]
    unsafe fn add_pairs(mut total: [i32; OUTPUTS], pairs: [i16; OUTPUTS]) -> [i32; OUTPUTS] {
        let (whole, second) = halves_mut(&mut total).split_at_mut(OUTPUTS);
        for ((whole, second), pair) in whole.iter_mut().zip(second).zip(pairs.map(i16::cast_unsigned)) {
            *whole = whole.wrapping_add(pair);
            *second = second.wrapping_add(pair >> 8);
        }
        total
    }

    #[inline(always)]
    unsafe fn store(total: [i32; OUTPUTS], sums: &mut [i32; OUTPUTS]) {
        *sums = total;
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::SumUnit;
    use std::arch::x86_64::*;

    pub(super) struct Avx2;

    // SAFETY of all functions: the caller has AVX2; arrays are read and written whole, which needs no alignment.
    impl SumUnit<8> for Avx2 {
        type Partial = __m128i;
        type Total = __m256i;

        #[inline(always)]
        unsafe fn partial(products: &[i16; 8]) -> __m128i {
            unsafe { _mm_loadu_si128(products.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn add(partial: __m128i, products: &[i16; 8]) -> __m128i {
            unsafe { _mm_add_epi16(partial, _mm_loadu_si128(products.as_ptr().cast())) }
        }

        #[inline(always)]
        unsafe fn load(sums: &[i32; 8]) -> __m256i {
            unsafe { _mm256_loadu_si256(sums.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn widen(total: __m256i, partial: __m128i) -> __m256i {
            unsafe { _mm256_add_epi32(total, _mm256_cvtepi16_epi32(partial)) }
        }

        #[inline(always)]
        unsafe fn add_pairs(total: __m256i, pairs: __m128i) -> __m256i {
            unsafe { _mm256_add_epi16(total, _mm256_set_m128i(_mm_srli_epi16(pairs, 8), pairs)) }
        }

        #[inline(always)]
        unsafe fn store(total: __m256i, sums: &mut [i32; 8]) {
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), total) }
        }
    }

    // SAFETY of all functions: as above.
    impl SumUnit<16> for Avx2 {
        type Partial = __m256i;
        type Total = [__m256i; 2];

        #[inline(always)]
        unsafe fn partial(products: &[i16; 16]) -> __m256i {
            unsafe { _mm256_loadu_si256(products.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn add(partial: __m256i, products: &[i16; 16]) -> __m256i {
            unsafe { _mm256_add_epi16(partial, _mm256_loadu_si256(products.as_ptr().cast())) }
        }

        #[inline(always)]
        unsafe fn load(sums: &[i32; 16]) -> [__m256i; 2] {
            unsafe { [_mm256_loadu_si256(sums.as_ptr().cast()), _mm256_loadu_si256(sums[8..].as_ptr().cast())] }
        }

        /// Dot products with (1, 0) and (0, 1) widen without crossing lanes: even outputs first, then odd ones.
        #[inline(always)]
        unsafe fn widen([even, odd]: [__m256i; 2], partial: __m256i) -> [__m256i; 2] {
            unsafe {
                [
                    _mm256_add_epi32(even, _mm256_madd_epi16(partial, _mm256_set1_epi32(1))),
                    _mm256_add_epi32(odd, _mm256_madd_epi16(partial, _mm256_set1_epi32(1 << 16))),
                ]
            }
        }

        #[inline(always)]
        unsafe fn add_pairs([whole, second]: [__m256i; 2], pairs: __m256i) -> [__m256i; 2] {
            unsafe { [_mm256_add_epi16(whole, pairs), _mm256_add_epi16(second, _mm256_srli_epi16(pairs, 8))] }
        }

        #[inline(always)]
        unsafe fn store([first, second]: [__m256i; 2], sums: &mut [i32; 16]) {
            unsafe {
                _mm256_storeu_si256(sums.as_mut_ptr().cast(), first);
                _mm256_storeu_si256(sums[8..].as_mut_ptr().cast(), second);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::SumUnit;
    use std::arch::x86_64::*;

    pub(super) struct Avx512;

    // SAFETY of all functions: the caller has AVX-512; arrays are read and written whole, which needs no alignment.
    impl SumUnit<16> for Avx512 {
        type Partial = __m256i;
        type Total = __m512i;

        #[inline(always)]
        unsafe fn partial(products: &[i16; 16]) -> __m256i {
            unsafe { _mm256_loadu_si256(products.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn add(partial: __m256i, products: &[i16; 16]) -> __m256i {
            unsafe { _mm256_add_epi16(partial, _mm256_loadu_si256(products.as_ptr().cast())) }
        }

        #[inline(always)]
        unsafe fn load(sums: &[i32; 16]) -> __m512i {
            unsafe { _mm512_loadu_si512(sums.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn widen(total: __m512i, partial: __m256i) -> __m512i {
            unsafe { _mm512_add_epi32(total, _mm512_cvtepi16_epi32(partial)) }
        }

        #[inline(always)]
        unsafe fn add_pairs(total: __m512i, pairs: __m256i) -> __m512i {
            unsafe {
                let second = _mm256_srli_epi16(pairs, 8);
                _mm512_add_epi16(total, _mm512_inserti64x4::<1>(_mm512_castsi256_si512(pairs), second))
            }
        }

        #[inline(always)]
        unsafe fn store(total: __m512i, sums: &mut [i32; 16]) {
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), total) }
        }
    }

    // SAFETY of all functions: as above.
    impl SumUnit<32> for Avx512 {
        type Partial = __m512i;
        type Total = [__m512i; 2];

        #[inline(always)]
        unsafe fn partial(products: &[i16; 32]) -> __m512i {
            unsafe { _mm512_loadu_si512(products.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn add(partial: __m512i, products: &[i16; 32]) -> __m512i {
            unsafe { _mm512_add_epi16(partial, _mm512_loadu_si512(products.as_ptr().cast())) }
        }

        #[inline(always)]
        unsafe fn load(sums: &[i32; 32]) -> [__m512i; 2] {
            unsafe { [_mm512_loadu_si512(sums.as_ptr().cast()), _mm512_loadu_si512(sums[16..].as_ptr().cast())] }
        }

        /// Dot products with (1, 0) and (0, 1) widen without crossing lanes: even outputs first, then odd ones.
        #[inline(always)]
        unsafe fn widen([even, odd]: [__m512i; 2], partial: __m512i) -> [__m512i; 2] {
            unsafe {
                [
                    _mm512_dpwssd_epi32(even, partial, _mm512_set1_epi32(1)),
                    _mm512_dpwssd_epi32(odd, partial, _mm512_set1_epi32(1 << 16)),
                ]
            }
        }

        #[inline(always)]
        unsafe fn add_pairs([whole, second]: [__m512i; 2], pairs: __m512i) -> [__m512i; 2] {
            unsafe { [_mm512_add_epi16(whole, pairs), _mm512_add_epi16(second, _mm512_srli_epi16::<8>(pairs))] }
        }

        #[inline(always)]
        unsafe fn store([first, second]: [__m512i; 2], sums: &mut [i32; 32]) {
            unsafe {
                _mm512_storeu_si512(sums.as_mut_ptr().cast(), first);
                _mm512_storeu_si512(sums[16..].as_mut_ptr().cast(), second);
            }
        }
    }
}
