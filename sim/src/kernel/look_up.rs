//! Sums of gathered products: the inner loop of the vector look-ups, one implementation an instruction set.

use super::instructions::InstructionSet;

/// An activation code below `CODES`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Code<const CODES: usize>(u8);

impl<const CODES: usize> Code<CODES> {
    /// Code 0.
    pub(super) const ZERO: Self = Self(0);

    /// Codes that are all below `CODES`, a power of two.
    ///
    /// # Panics
    /// If one is not.
    pub(super) fn all(codes: &[u8]) -> &[Self] {
        const { assert!(CODES.is_power_of_two()) };
        let any = codes.iter().fold(0, |any, code| any | code);
        assert!(usize::from(any) < CODES, "activation codes below {CODES}");
        // SAFETY: a code is nothing but a byte, and each of these is below `CODES`.
        unsafe { std::slice::from_raw_parts(codes.as_ptr().cast(), codes.len()) }
    }

    #[inline(always)]
    fn index(self) -> usize {
        let index = usize::from(self.0);
        // SAFETY: no code is made otherwise. It saves the inner loop a mask or a check.
        unsafe { std::hint::assert_unchecked(index < CODES) };
        index
    }
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
    unsafe fn store(total: Self::Total, sums: &mut [i32; OUTPUTS]);
}

/// `sums[row] += Σ over depth of table[depth][codes[row][depth]]`, where `group` (4, 2 or 1) products never exceed 16
/// bits together.
pub(super) type AddProducts<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize> = fn(
    instructions: InstructionSet,
    group: usize,
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[Code<CODES>; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
);

macro_rules! add_products {
    ($(#[$doc:meta])* $name:ident, $outputs:literal, $add_groups_avx512:ident) => {
        $(#[$doc])*
        pub(super) fn $name<const CODES: usize, const DEPTH: usize>(
            instructions: InstructionSet,
            group: usize,
            table: &[[[i16; $outputs]; CODES]; DEPTH],
            codes: &[[Code<CODES>; DEPTH]],
            sums: &mut [[i32; $outputs]],
        ) {
            // SAFETY: the portable unit needs no particular CPU; an `InstructionSet` exists only where the CPU has it.
            unsafe {
                match (instructions, group) {
                    (InstructionSet::Portable, 4) => add_groups::<Portable, _, _, $outputs, 4>(table, codes, sums),
                    (InstructionSet::Portable, 2) => add_groups::<Portable, _, _, $outputs, 2>(table, codes, sums),
                    (InstructionSet::Portable, _) => add_groups::<Portable, _, _, $outputs, 1>(table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    (InstructionSet::Avx2, 4) => add_groups_avx2::<_, _, $outputs, 4>(table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    (InstructionSet::Avx2, 2) => add_groups_avx2::<_, _, $outputs, 2>(table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    (InstructionSet::Avx2, _) => add_groups_avx2::<_, _, $outputs, 1>(table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    (InstructionSet::Avx512 | InstructionSet::Avx512Vbmi, 4) => $add_groups_avx512::<_, _, $outputs, 4>(table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    (InstructionSet::Avx512 | InstructionSet::Avx512Vbmi, 2) => $add_groups_avx512::<_, _, $outputs, 2>(table, codes, sums),
                    #[cfg(target_arch = "x86_64")]
                    (InstructionSet::Avx512 | InstructionSet::Avx512Vbmi, _) => $add_groups_avx512::<_, _, $outputs, 1>(table, codes, sums),
                }
            }
        }
    };
}

add_products!(
    /// [`AddProducts`] for eight outputs.
    add_eight,
    8,
    add_groups_avx2
);
add_products!(
    /// [`AddProducts`] for sixteen outputs.
    add_sixteen,
    16,
    add_groups_avx512
);

/// [`AddProducts`] for thirty-two outputs, even ones of a sum before odd ones; AVX-512 only.
///
/// # Panics
/// On another instruction set.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
pub(super) fn add_thirty_two<const CODES: usize, const DEPTH: usize>(
    instructions: InstructionSet,
    group: usize,
    table: &[[[i16; 32]; CODES]; DEPTH],
    codes: &[[Code<CODES>; DEPTH]],
    sums: &mut [[i32; 32]],
) {
    #[cfg(target_arch = "x86_64")]
    if matches!(instructions, InstructionSet::Avx512 | InstructionSet::Avx512Vbmi) {
        // SAFETY: an `InstructionSet` exists only where the CPU has it.
        return unsafe {
            match group {
                4 => add_groups_avx512::<_, _, 32, 4>(table, codes, sums),
                2 => add_groups_avx512::<_, _, 32, 2>(table, codes, sums),
                _ => add_groups_avx512::<_, _, 32, 1>(table, codes, sums),
            }
        };
    }
    unreachable!("{instructions} adds at most 16 outputs at once")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_groups_avx2<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize, const GROUP: usize>(
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[Code<CODES>; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) where
    avx2::Avx2: SumUnit<OUTPUTS>,
{
    // SAFETY: this function has AVX2.
    unsafe { add_groups::<avx2::Avx2, CODES, DEPTH, OUTPUTS, GROUP>(table, codes, sums) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn add_groups_avx512<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize, const GROUP: usize>(
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[Code<CODES>; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) where
    avx512::Avx512: SumUnit<OUTPUTS>,
{
    // SAFETY: this function has AVX-512.
    unsafe { add_groups::<avx512::Avx512, CODES, DEPTH, OUTPUTS, GROUP>(table, codes, sums) }
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
>(
    table: &[[[i16; OUTPUTS]; CODES]; DEPTH],
    codes: &[[Code<CODES>; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) {
    for (sums, codes) in sums.iter_mut().zip(codes) {
        let products = |depth: usize| &table[depth][codes[depth].index()];
        // SAFETY: the caller has the unit's instructions.
        unsafe {
            let mut total = U::load(sums);
            for first in (0..DEPTH).step_by(GROUP) {
                let mut partial = U::partial(products(first));
                for depth in first + 1..first + GROUP {
                    partial = U::add(partial, products(depth));
                }
                total = U::widen(total, partial);
            }
            U::store(total, sums);
        }
    }
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

        #[inline(always)]
        unsafe fn widen([low, high]: [__m256i; 2], partial: __m256i) -> [__m256i; 2] {
            unsafe {
                [
                    _mm256_add_epi32(low, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(partial))),
                    _mm256_add_epi32(high, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(partial, 1))),
                ]
            }
        }

        #[inline(always)]
        unsafe fn store([low, high]: [__m256i; 2], sums: &mut [i32; 16]) {
            unsafe {
                _mm256_storeu_si256(sums.as_mut_ptr().cast(), low);
                _mm256_storeu_si256(sums[8..].as_mut_ptr().cast(), high);
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
        unsafe fn store([even, odd]: [__m512i; 2], sums: &mut [i32; 32]) {
            unsafe {
                _mm512_storeu_si512(sums.as_mut_ptr().cast(), even);
                _mm512_storeu_si512(sums[16..].as_mut_ptr().cast(), odd);
            }
        }
    }
}
