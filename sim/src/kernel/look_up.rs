//! Sums of gathered products: the inner loop of the vector look-ups, one implementation an instruction set.

use super::instructions::InstructionSet;

/// Products of a few weights with an activation code, eight outputs a vector.
pub(super) type Products<const VECTORS: usize> = [[i16; 8]; VECTORS];

/// Eight outputs side by side.
///
/// # Safety
/// The functions need a CPU with the instructions of the implementing type.
trait SumUnit {
    /// Eight 16-bit sums.
    type Partial: Copy;
    /// Eight 32-bit sums.
    type Total: Copy;
    unsafe fn partial(products: &[i16; 8]) -> Self::Partial;
    unsafe fn add(partial: Self::Partial, products: &[i16; 8]) -> Self::Partial;
    unsafe fn load(sums: &[i32; 8]) -> Self::Total;
    unsafe fn widen(total: Self::Total, partial: Self::Partial) -> Self::Total;
    unsafe fn store(total: Self::Total, sums: &mut [i32; 8]);
}

/// `sums[row] += Σ over depth of table[depth][codes[row][depth]]`, where `group` (4, 2 or 1) products never exceed 16
/// bits together. Codes are below `CODES`.
pub(super) fn add_products<const CODES: usize, const DEPTH: usize, const VECTORS: usize>(
    instructions: InstructionSet,
    group: usize,
    table: &[[Products<VECTORS>; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[[i32; 8]; VECTORS]],
) {
    // SAFETY: the portable unit needs no particular CPU, and an `InstructionSet` exists only on a CPU that has it.
    unsafe {
        match (instructions, group) {
            (InstructionSet::Portable, 4) => add_groups::<Portable, CODES, DEPTH, VECTORS, 4>(table, codes, sums),
            (InstructionSet::Portable, 2) => add_groups::<Portable, CODES, DEPTH, VECTORS, 2>(table, codes, sums),
            (InstructionSet::Portable, _) => add_groups::<Portable, CODES, DEPTH, VECTORS, 1>(table, codes, sums),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, 4) => add_groups_avx2::<CODES, DEPTH, VECTORS, 4>(table, codes, sums),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, 2) => add_groups_avx2::<CODES, DEPTH, VECTORS, 2>(table, codes, sums),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, _) => add_groups_avx2::<CODES, DEPTH, VECTORS, 1>(table, codes, sums),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_groups_avx2<const CODES: usize, const DEPTH: usize, const VECTORS: usize, const GROUP: usize>(
    table: &[[Products<VECTORS>; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[[i32; 8]; VECTORS]],
) {
    // SAFETY: this function has AVX2.
    unsafe { add_groups::<avx2::Avx2, CODES, DEPTH, VECTORS, GROUP>(table, codes, sums) }
}

/// # Safety
/// The CPU has the unit's instructions.
#[inline(always)]
unsafe fn add_groups<U: SumUnit, const CODES: usize, const DEPTH: usize, const VECTORS: usize, const GROUP: usize>(
    table: &[[Products<VECTORS>; CODES]; DEPTH],
    codes: &[[u8; DEPTH]],
    sums: &mut [[[i32; 8]; VECTORS]],
) {
    for (sums, codes) in sums.iter_mut().zip(codes) {
        // The remainder tells the compiler what the caller promised.
        let products = |depth: usize| &table[depth][usize::from(codes[depth]) % CODES];
        // SAFETY: the caller has the unit's instructions.
        unsafe {
            let mut totals: [U::Total; VECTORS] = std::array::from_fn(|vector| U::load(&sums[vector]));
            for first in (0..DEPTH).step_by(GROUP) {
                for (vector, total) in totals.iter_mut().enumerate() {
                    let mut partial = U::partial(&products(first)[vector]);
                    for depth in first + 1..first + GROUP {
                        partial = U::add(partial, &products(depth)[vector]);
                    }
                    *total = U::widen(*total, partial);
                }
            }
            for (total, sums) in totals.into_iter().zip(sums) {
                U::store(total, sums);
            }
        }
    }
}

/// Any CPU.
struct Portable;

impl SumUnit for Portable {
    type Partial = [i16; 8];
    type Total = [i32; 8];

    #[inline(always)]
    unsafe fn partial(products: &[i16; 8]) -> [i16; 8] {
        *products
    }

    #[inline(always)]
    unsafe fn add(mut partial: [i16; 8], products: &[i16; 8]) -> [i16; 8] {
        for (partial, product) in partial.iter_mut().zip(products) {
            *partial = partial.wrapping_add(*product);
        }
        partial
    }

    #[inline(always)]
    unsafe fn load(sums: &[i32; 8]) -> [i32; 8] {
        *sums
    }

    #[inline(always)]
    unsafe fn widen(mut total: [i32; 8], partial: [i16; 8]) -> [i32; 8] {
        for (total, partial) in total.iter_mut().zip(partial) {
            *total = total.wrapping_add(partial.into());
        }
        total
    }

    #[inline(always)]
    unsafe fn store(total: [i32; 8], sums: &mut [i32; 8]) {
        *sums = total;
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::SumUnit;
    use std::arch::x86_64::*;

    pub(super) struct Avx2;

    // SAFETY of all functions: the caller has AVX2, and arrays of eight are read and written whole, unaligned.
    impl SumUnit for Avx2 {
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
        unsafe fn store(total: __m256i, sums: &mut [i32; 8]) {
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), total) }
        }
    }
}
