//! Dot products of small integers packed into 32-bit words, one implementation an instruction set.
//!
//! A word holds either four *bytes*, unsigned for the activation and signed for the weight, or two signed 16-bit
//! *halves*. Each lane of a vector sums one output, so every implementation adds exactly the same integers.

/// Most words that may be added to a sum before it is stored.
pub(super) const MAX_WORDS: usize = 256;

/// 32-bit words side by side, one for each of [`Self::LANES`] outputs.
///
/// # Safety
/// The functions need a CPU with the vector's instructions.
pub(super) trait Vector: Copy {
    /// Words in the vector.
    const LANES: usize;
    /// The first [`Self::LANES`] of `words`.
    unsafe fn load(words: &[u32]) -> Self;
    /// The same word in every lane.
    unsafe fn splat(word: u32) -> Self;
}

/// Multiplies words of packed operands lane by lane and sums each word's products, modulo 2^32.
///
/// # Safety
/// The functions need a CPU with the instructions of the implementing type.
pub(super) trait DotUnit {
    /// One word of operands a lane.
    type Vector: Vector;
    /// The running sum of each lane.
    type Sum: Copy;
    /// Empty sums.
    unsafe fn zero() -> Self::Sum;
    /// Adds each lane's dot product of `activations` and `weights`.
    unsafe fn add(sum: Self::Sum, activations: Self::Vector, weights: Self::Vector) -> Self::Sum;
    /// Writes the sums of at most [`MAX_WORDS`] words to the first lanes of `lanes`.
    unsafe fn store(sum: Self::Sum, lanes: &mut [i32]);
}

/// Any CPU, `BITS` (8 or 16) an operand; the compiler vectorises what it can.
pub(super) struct Portable<const BITS: u32>;

impl Vector for [u32; 8] {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(words: &[u32]) -> Self {
        *words.first_chunk().expect("a word for each lane")
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        [word; 8]
    }
}

impl<const BITS: u32> DotUnit for Portable<BITS> {
    type Vector = [u32; 8];
    type Sum = [i32; 8];

    #[inline(always)]
    unsafe fn zero() -> [i32; 8] {
        [0; 8]
    }

    #[inline(always)]
    unsafe fn add(mut sum: [i32; 8], activations: [u32; 8], weights: [u32; 8]) -> [i32; 8] {
        for ((sum, activation), weight) in sum.iter_mut().zip(activations).zip(weights) {
            for shift in (0..32).step_by(BITS as usize) {
                let (activation, weight) = (activation >> shift, weight >> shift);
                let product = if BITS == 8 {
                    i32::from(activation as u8) * i32::from(weight as i8)
                } else {
                    i32::from(activation as i16) * i32::from(weight as i16)
                };
                *sum = sum.wrapping_add(product);
            }
        }
        sum
    }

    #[inline(always)]
    unsafe fn store(sum: [i32; 8], lanes: &mut [i32]) {
        lanes[..8].copy_from_slice(&sum);
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use {
    avx2::{Avx2Bytes, Avx2Halves},
    avx512::{Avx512Bytes, Avx512Halves},
};

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{DotUnit, Vector};
    use std::arch::x86_64::*;

    impl Vector for __m256i {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn load(words: &[u32]) -> Self {
            assert!(words.len() >= 8);
            // SAFETY: the caller has AVX2; eight words are there; the load needs no alignment.
            unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn splat(word: u32) -> Self {
            // SAFETY: the caller has AVX2.
            unsafe { _mm256_set1_epi32(word.cast_signed()) }
        }
    }

    #[inline(always)]
    unsafe fn store(sum: __m256i, lanes: &mut [i32]) {
        assert!(lanes.len() >= 8);
        // SAFETY: the caller has AVX2; eight lanes are there; the store needs no alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) }
    }

    /// Bytes by `vpmaddubsw`. Activations are at most 127, for the sum of two products must fit 16 bits.
    pub(in super::super) struct Avx2Bytes;

    /// Sums of 16-bit p without widening each: Σ p modulo 2^16, and Σ ⌊p / 256⌋.
    ///
    /// The second is exact for up to 256 terms, and then Σ p − 256 Σ ⌊p / 256⌋ lies in 0…65,280, where the first
    /// determines it.
    #[derive(Clone, Copy)]
    pub(in super::super) struct SplitSum {
        modulo: __m256i,
        high: __m256i,
    }

    impl DotUnit for Avx2Bytes {
        type Vector = __m256i;
        type Sum = SplitSum;

        #[inline(always)]
        unsafe fn zero() -> SplitSum {
            // SAFETY: the caller has AVX2.
            let zero = unsafe { _mm256_setzero_si256() };
            SplitSum { modulo: zero, high: zero }
        }

        #[inline(always)]
        unsafe fn add(sum: SplitSum, activations: __m256i, weights: __m256i) -> SplitSum {
            // SAFETY: the caller has AVX2.
            unsafe {
                let pairs = _mm256_maddubs_epi16(activations, weights);
                SplitSum {
                    modulo: _mm256_add_epi16(sum.modulo, pairs),
                    high: _mm256_add_epi16(sum.high, _mm256_srai_epi16(pairs, 8)),
                }
            }
        }

        #[inline(always)]
        unsafe fn store(sum: SplitSum, lanes: &mut [i32]) {
            // SAFETY: the caller has AVX2.
            unsafe {
                let low = _mm256_sub_epi16(sum.modulo, _mm256_slli_epi16(sum.high, 8));
                let even = _mm256_and_si256(low, _mm256_set1_epi32(0xffff));
                let odd = _mm256_srli_epi32(low, 16);
                let high = _mm256_madd_epi16(sum.high, _mm256_set1_epi16(256));
                store(_mm256_add_epi32(_mm256_add_epi32(even, odd), high), lanes);
            }
        }
    }

    /// Halves by `vpmaddwd`.
    pub(in super::super) struct Avx2Halves;

    impl DotUnit for Avx2Halves {
        type Vector = __m256i;
        type Sum = __m256i;

        #[inline(always)]
        unsafe fn zero() -> __m256i {
            // SAFETY: the caller has AVX2.
            unsafe { _mm256_setzero_si256() }
        }

        #[inline(always)]
        unsafe fn add(sum: __m256i, activations: __m256i, weights: __m256i) -> __m256i {
            // SAFETY: the caller has AVX2.
            unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(activations, weights)) }
        }

        #[inline(always)]
        unsafe fn store(sum: __m256i, lanes: &mut [i32]) {
            // SAFETY: the caller has AVX2.
            unsafe { store(sum, lanes) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{DotUnit, Vector};
    use std::arch::x86_64::*;

    impl Vector for __m512i {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn load(words: &[u32]) -> Self {
            assert!(words.len() >= 16);
            // SAFETY: the caller has AVX-512; sixteen words are there; the load needs no alignment.
            unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn splat(word: u32) -> Self {
            // SAFETY: the caller has AVX-512.
            unsafe { _mm512_set1_epi32(word.cast_signed()) }
        }
    }

    #[inline(always)]
    unsafe fn store(sum: __m512i, lanes: &mut [i32]) {
        assert!(lanes.len() >= 16);
        // SAFETY: the caller has AVX-512; sixteen lanes are there; the store needs no alignment.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), sum) }
    }

    /// Bytes by `vpdpbusd`.
    pub(in super::super) struct Avx512Bytes;

    impl DotUnit for Avx512Bytes {
        type Vector = __m512i;
        type Sum = __m512i;

        #[inline(always)]
        unsafe fn zero() -> __m512i {
            // SAFETY: the caller has AVX-512.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        unsafe fn add(sum: __m512i, activations: __m512i, weights: __m512i) -> __m512i {
            // SAFETY: the caller has AVX-512 VNNI.
            unsafe { _mm512_dpbusd_epi32(sum, activations, weights) }
        }

        #[inline(always)]
        unsafe fn store(sum: __m512i, lanes: &mut [i32]) {
            // SAFETY: the caller has AVX-512.
            unsafe { store(sum, lanes) }
        }
    }

    /// Halves by `vpdpwssd`.
    pub(in super::super) struct Avx512Halves;

    impl DotUnit for Avx512Halves {
        type Vector = __m512i;
        type Sum = __m512i;

        #[inline(always)]
        unsafe fn zero() -> __m512i {
            // SAFETY: the caller has AVX-512.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        unsafe fn add(sum: __m512i, activations: __m512i, weights: __m512i) -> __m512i {
            // SAFETY: the caller has AVX-512 VNNI.
            unsafe { _mm512_dpwssd_epi32(sum, activations, weights) }
        }

        #[inline(always)]
        unsafe fn store(sum: __m512i, lanes: &mut [i32]) {
            // SAFETY: the caller has AVX-512.
            unsafe { store(sum, lanes) }
        }
    }
}
