//! Options of an element that change what it computes or costs, but not when.

use serde::{Deserialize, Serialize};

/// What an accumulator does with a sum beyond its width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The sum modulo 2^bits; the order of additions does not matter.
    #[default]
    Wrap,
    /// The nearest number there is; the order of additions matters.
    Saturate,
}

/// An accumulator's addition: two's complement of 1 to 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adder {
    pub(crate) bits: u32,
    pub(crate) overflow: Overflow,
}

impl Adder {
    /// The sum as the accumulator keeps it.
    #[inline(always)]
    pub(crate) fn sum(self, left: i32, right: i32) -> i32 {
        match self.overflow {
            Overflow::Wrap => left.wrapping_add(right) << (32 - self.bits) >> (32 - self.bits),
            Overflow::Saturate => {
                let limit = 1_i64 << (self.bits - 1);
                (i64::from(left) + i64::from(right)).clamp(-limit, limit - 1) as i32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_wrap_or_saturate_at_the_width() {
        let adder = |bits, overflow| Adder { bits, overflow };
        for (left, right, bits, wrapped, saturated) in [
            (100, 27, 8, 127, 127),
            (100, 28, 8, -128, 127),
            (-100, -29, 8, 127, -128),
            (0, 300, 8, 44, 127),
            (i32::MAX, 1, 32, i32::MIN, i32::MAX),
            (0, 1, 1, -1, 0),
        ] {
            assert_eq!(adder(bits, Overflow::Wrap).sum(left, right), wrapped, "{left} + {right}");
            assert_eq!(adder(bits, Overflow::Saturate).sum(left, right), saturated, "{left} + {right}");
        }
    }
}
