//! Which vector instructions the kernels use.

use std::fmt;

/// A set of vector instructions that this CPU has; results do not depend on it.
///
/// Made by [`InstructionSet::available`] only: kernels rely on it that the CPU has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstructionSet {
    /// What the compiler may assume of every CPU.
    Portable,
    /// 256-bit integer vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit integer vectors with dot products: foundation, byte and word, vector length and neural network extensions.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The same with permutations of bytes (VBMI).
    #[cfg(target_arch = "x86_64")]
    Avx512Vbmi,
}

impl InstructionSet {
    /// All that this CPU has, the widest last.
    pub(super) fn available() -> Vec<Self> {
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            sets.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                sets.push(Self::Avx512);
                if is_x86_feature_detected!("avx512vbmi") {
                    sets.push(Self::Avx512Vbmi);
                }
            }
        }
        sets
    }

    /// 32-bit lanes of a vector of the matrix product.
    pub(super) fn lanes(self) -> usize {
        match self {
            Self::Portable => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Vbmi => 16,
        }
    }

    /// Outputs whose products vector look-ups add at once.
    pub(super) fn looked_up(self) -> usize {
        match self {
            Self::Portable => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Vbmi => 32,
        }
    }

    /// Whether 32-bit sums of so many numbers of 16 bits lie even numbers first, then odd ones.
    pub(super) fn sums_even_places_first(self, places: usize) -> bool {
        self != Self::Portable && places == self.looked_up()
    }

    /// Whether bytes can be looked up in registers.
    pub(super) fn permutes_bytes(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vbmi => true,
            _ => false,
        }
    }

    /// Largest activation that may be packed as a byte: 127 where two products must fit 16 bits.
    pub(super) fn largest_byte(self) -> i32 {
        match self {
            Self::Portable => 255,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 127,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Vbmi => 255,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vbmi => "AVX-512 with VBMI",
        })
    }
}
