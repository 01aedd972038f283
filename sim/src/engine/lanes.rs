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
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt,bmi1,bmi2")]
                fn avx512 $(<$($generic: $bound),*>)? ($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
                fn avx2 $(<$($generic: $bound),*>)? ($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
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
    fn halves(self) -> [u32; 16] {
        std::array::from_fn(|half| (self.0[half / 2] >> (half % 2 * 32)) as u32)
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

/// The number in each lane, given its bits from the least significant up (at most 32).
///
/// Sixteen 32 × 32 bit matrices are transposed side by side (Warren, *Hacker's Delight*, 2nd ed., §7-3).
pub fn lane_values(planes: &[Lanes]) -> [u32; LANES] {
    transpose_planes(planes)
}

multiversion! {
    fn transpose_planes(planes: &[Lanes]) -> [u32; LANES] = transpose
}

/// [`lane_values`] for callers compiled for the processor's vectors themselves.
#[inline(always)]
pub(crate) fn transpose(planes: &[Lanes]) -> [u32; LANES] {
    let mut rows = [[0u32; 16]; 32];
    for (row, plane) in rows.iter_mut().zip(planes) {
        *row = plane.halves();
    }
    let mut mask = 0x0000_ffff_u32;
    let mut distance = 16;
    while distance != 0 {
        let mut low = 0;
        while low < 32 {
            let (upper, lower) = rows.split_at_mut(low + distance);
            for (upper, lower) in upper[low].iter_mut().zip(&mut lower[0]) {
                let swap = (*upper >> distance ^ *lower) & mask;
                *upper ^= swap << distance;
                *lower ^= swap;
            }
            low = (low + distance + 1) & !distance;
        }
        distance >>= 1;
        mask ^= mask << distance;
    }
    let mut values = [0; LANES];
    for (row, halves) in rows.iter().enumerate() {
        for (column, half) in halves.iter().enumerate() {
            values[column * 32 + row] = *half;
        }
    }
    values
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
