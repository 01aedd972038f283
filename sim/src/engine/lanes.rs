//! 512 independent bits that gates are evaluated on at once.

use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Not};

/// Compiles a function body for AVX-512, AVX2 and the baseline from one source, and picks at run time.
///
/// The body is the same Rust in all three, so the results are the same bits.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$($generic:ident: $bound:path),*>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:path) => {
        $(#[$meta])*
        $vis fn $name $(<$($generic: $bound),*>)? ($($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,popcnt,bmi1,bmi2")]
                fn avx512 $(<$($generic: $bound),*>)? ($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
                fn avx2 $(<$($generic: $bound),*>)? ($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vpopcntdq")
                {
                    // SAFETY: the features were detected; every AVX-512 processor has POPCNT and BMI.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                {
                    // SAFETY: the features were detected; every AVX2 processor has POPCNT.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}
pub(crate) use multiversion;

/// Number of vectors simulated at once.
pub const LANES: usize = 512;

/// One bit of each of [`LANES`] vectors; lane `i` is bit `i % 64` of word `i / 64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
pub struct Lanes(pub [u64; 8]);

impl Lanes {
    /// No lane set.
    pub const ZERO: Lanes = Lanes([0; 8]);
    /// Every lane set.
    pub const ONES: Lanes = Lanes([!0; 8]);

    /// The same bit in every lane.
    #[inline(always)]
    pub fn splat(bit: bool) -> Lanes {
        // Arithmetic, so that no branch depends on the bit.
        Lanes([u64::from(bit).wrapping_neg(); 8])
    }

    /// Bit `bit` of the lane's own number: with bits 0…8 the lanes count from 0 to 511.
    ///
    /// # Panics
    /// If `bit` is 9 or more.
    pub fn counting(bit: usize) -> Lanes {
        const WITHIN_WORD: [u64; 6] = [
            0xaaaa_aaaa_aaaa_aaaa,
            0xcccc_cccc_cccc_cccc,
            0xf0f0_f0f0_f0f0_f0f0,
            0xff00_ff00_ff00_ff00,
            0xffff_0000_ffff_0000,
            0xffff_ffff_0000_0000,
        ];
        assert!(bit < 9, "lanes are numbered with 9 bits");
        match WITHIN_WORD.get(bit) {
            Some(&pattern) => Lanes([pattern; 8]),
            None => Lanes(std::array::from_fn(|word| if word >> (bit - 6) & 1 == 1 { !0 } else { 0 })),
        }
    }

    /// The first `count` lanes.
    pub fn first(count: usize) -> Lanes {
        Lanes(std::array::from_fn(|word| match count.saturating_sub(word * 64) {
            0 => 0,
            bits @ 1..=63 => (1 << bits) - 1,
            _ => !0,
        }))
    }

    /// Whether no lane is set.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        self.0.iter().fold(0, |any, word| any | word) == 0
    }

    /// Number of set lanes.
    #[inline(always)]
    pub fn count_ones(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Numbers of the set lanes, ascending.
    pub fn set_lanes(self) -> impl Iterator<Item = usize> {
        (0..8).flat_map(move |word| {
            let mut rest = self.0[word];
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(word * 64 + bit)
            })
        })
    }

    /// Gathers a lane bit from a vector of values: lane `i` is bit `bit` of `values[i]`; missing lanes are 0.
    pub fn gather(values: &[u32], bit: usize) -> Lanes {
        let mut lanes = Lanes::ZERO;
        for (lane, value) in values.iter().enumerate().take(LANES) {
            lanes.0[lane / 64] |= u64::from(value >> bit & 1) << (lane % 64);
        }
        lanes
    }

    #[inline(always)]
    fn zip(self, other: Lanes, op: impl Fn(u64, u64) -> u64) -> Lanes {
        Lanes(std::array::from_fn(|word| op(self.0[word], other.0[word])))
    }
}

macro_rules! operators {
    ($($operator:ident :: $method:ident, $assign:ident :: $assign_method:ident;)*) => {$(
        impl $operator for Lanes {
            type Output = Lanes;
            #[inline(always)]
            fn $method(self, other: Lanes) -> Lanes {
                self.zip(other, |a, b| a.$method(b))
            }
        }
        impl $assign for Lanes {
            #[inline(always)]
            fn $assign_method(&mut self, other: Lanes) {
                *self = (*self).$method(other);
            }
        }
    )*};
}
operators! {
    BitAnd::bitand, BitAndAssign::bitand_assign;
    BitOr::bitor, BitOrAssign::bitor_assign;
    BitXor::bitxor, BitXorAssign::bitxor_assign;
}

impl Not for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn not(self) -> Lanes {
        Lanes(self.0.map(|word| !word))
    }
}

/// A number in each lane, in the order in which transposing leaves them: lane 8·i + t at `[t][i]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Transposed(pub [[u32; 64]; 8]);

impl Transposed {
    /// All zero.
    pub const ZERO: Transposed = Transposed([[0; 64]; 8]);

    /// The lane at `[row][column]`.
    pub const fn lane_at(row: usize, column: usize) -> usize {
        8 * column + row
    }

    /// The number in a lane.
    #[inline(always)]
    pub fn lane(&self, lane: usize) -> u32 {
        self.0[lane % 8][lane / 8]
    }

    /// Takes the number in each lane, given its 32 bits from the least significant up.
    pub fn set(&mut self, planes: [&Lanes; 32]) {
        transpose(&planes, self);
    }
}

/// The number in each lane, given its bits from the least significant up (at most 32).
pub fn lane_values(planes: &[Lanes]) -> [u32; LANES] {
    let mut transposed = Transposed::ZERO;
    transposed.set(std::array::from_fn(|bit| planes.get(bit).unwrap_or(&Lanes::ZERO)));
    std::array::from_fn(|lane| transposed.lane(lane))
}

multiversion! {
    fn transpose(planes: &[&Lanes; 32], values: &mut Transposed) = transpose_bits
}

/// Bytes of four planes become a 32-bit word; then the 8 × 8 bit matrices in the bytes of eight words are transposed, many
/// side by side (Warren, *Hacker's Delight*, 2nd ed., §7-3).
#[inline(always)]
fn transpose_bits(planes: &[&Lanes; 32], values: &mut Transposed) {
    for (row, words) in values.0.iter_mut().enumerate() {
        let strings: [&Lanes; 4] = std::array::from_fn(|string| planes[row + 8 * string]);
        for half in (0..8).step_by(2) {
            let interleaved = interleave(strings.map(|lanes| [lanes.0[half], lanes.0[half + 1]]));
            words[8 * half..8 * half + 16].copy_from_slice(interleaved.as_flattened());
        }
    }
    for column in 0..64 {
        let mut words: [u32; 8] = std::array::from_fn(|row| values.0[row][column]);
        swap_bits::<4>(&mut words, 0x0f0f_0f0f);
        swap_bits::<2>(&mut words, 0x3333_3333);
        swap_bits::<1>(&mut words, 0x5555_5555);
        for (row, word) in words.into_iter().enumerate() {
            values.0[row][column] = word;
        }
    }
}

/// Words made of one byte of each of four byte strings, the first lowest.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
fn interleave(strings: [[u64; 2]; 4]) -> [[u32; 8]; 2] {
    use std::arch::x86_64::*;
    // SAFETY: every x86-64 processor has SSE2, and both types are 64 bytes of which every value is valid.
    unsafe {
        let [a, b, c, d] = strings.map(|[low, high]| _mm_set_epi64x(high as i64, low as i64));
        let halves =
            [(_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d)), (_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d))];
        let words = halves.map(|(low, high)| [_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high)]);
        std::mem::transmute::<[[__m128i; 2]; 2], [[u32; 8]; 2]>(words)
    }
}

/// Words made of one byte of each of four byte strings, the first lowest.
#[inline(always)]
#[cfg(not(target_arch = "x86_64"))]
fn interleave(strings: [[u64; 2]; 4]) -> [[u32; 8]; 2] {
    let byte = |string: usize, half: usize, word: usize| strings[string][half] >> (8 * word) as u32 & 0xff;
    std::array::from_fn(|half| {
        std::array::from_fn(|word| (0..4).map(|string| (byte(string, half, word) as u32) << (8 * string)).sum())
    })
}

/// Exchanges the upper bits (`!mask`) of each word with the lower bits (`mask`) of the word `DISTANCE` after it.
#[inline(always)]
fn swap_bits<const DISTANCE: usize>(words: &mut [u32; 8], mask: u32) {
    for pair in 0..4 {
        let first = pair / DISTANCE * 2 * DISTANCE + pair % DISTANCE;
        let swap = (words[first] >> DISTANCE ^ words[first + DISTANCE]) & mask;
        words[first] ^= swap << DISTANCE;
        words[first + DISTANCE] ^= swap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_lanes_transpose_to_their_numbers() {
        let planes: Vec<Lanes> = (0..9).map(Lanes::counting).collect();
        let numbers = lane_values(&planes);
        assert!(numbers.iter().enumerate().all(|(lane, &number)| lane == number as usize));
    }

    #[test]
    fn gathering_and_transposing_are_inverse() {
        let values: Vec<u32> = (0..LANES as u32).map(|lane| lane.wrapping_mul(0x9e37_79b9)).collect();
        let planes: Vec<Lanes> = (0..32).map(|bit| Lanes::gather(&values, bit)).collect();
        assert_eq!(lane_values(&planes)[..], values[..]);
    }

    #[test]
    fn set_lanes_are_listed_in_order() {
        let lanes = Lanes::first(130) ^ Lanes::first(3);
        assert!(lanes.set_lanes().eq(3..130));
        assert_eq!(lanes.count_ones(), 127);
        assert_eq!(Lanes::first(512), Lanes::ONES);
    }
}
