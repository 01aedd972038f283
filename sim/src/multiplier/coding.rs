//! How the ports of a multiplier code numbers.

use super::table::operand_value;
use serde::{Deserialize, Serialize};

/// A number format of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberFormat {
    /// No sign.
    Unsigned,
    /// Two's complement.
    TwosComplement,
    /// The magnitude, and the sign above it. Zero has two codes.
    SignMagnitude,
}

impl NumberFormat {
    /// Name, as configurations use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::TwosComplement => "twos-complement",
            Self::SignMagnitude => "sign-magnitude",
        }
    }
}

/// What the ports of a multiplier carry where tables, networks and files have an operand code.
///
/// Tables are indexed by codes of their own, two's complement where numbers have a sign. In all formats but sign–magnitude ports
/// carry these. There a magnitude of n bits takes codes of n + 1 bits, at most 8: one of 8 bits takes every code, −128 being a
/// magnitude of 128, while a narrower one takes the lowest code as the number above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding {
    format: NumberFormat,
    /// Bits of operand codes, the activation's first.
    codes: [u32; 2],
    /// Bits of the operands' ports.
    ports: [u32; 2],
}

impl Coding {
    /// Widest code of a sign–magnitude operand.
    pub const MAX_SIGNED_CODE: u32 = 8;

    /// Ports that carry codes of these widths as they are.
    pub fn plain(width_a: u32, width_b: u32, signed: bool) -> Self {
        let format = if signed { NumberFormat::TwosComplement } else { NumberFormat::Unsigned };
        Self { format, codes: [width_a, width_b], ports: [width_a, width_b] }
    }

    /// Signs above magnitudes of these widths, 1 to 8 bits.
    pub(super) fn sign_magnitude(magnitudes: [u32; 2]) -> Self {
        let ports = magnitudes.map(|bits| bits + 1);
        Self { format: NumberFormat::SignMagnitude, codes: ports.map(|bits| bits.min(Self::MAX_SIGNED_CODE)), ports }
    }

    /// What ports carry.
    pub fn format(self) -> NumberFormat {
        self.format
    }

    /// Whether numbers have a sign; codes are two's complement then.
    pub fn signed(self) -> bool {
        self.format != NumberFormat::Unsigned
    }

    /// Bits of operand codes, the activation's first.
    pub fn code_bits(self) -> [u32; 2] {
        self.codes
    }

    /// Bits of the operands' ports and so of the registers before them, the activation's first.
    pub fn operand_bits(self) -> [u32; 2] {
        self.ports
    }

    /// Bits of the product's port and so of the register behind it.
    pub fn product_bits(self) -> u32 {
        let both = self.ports[0] + self.ports[1];
        if self.format == NumberFormat::SignMagnitude { both - 1 } else { both }
    }

    /// What the port of operand `index` carries for a code.
    pub fn operand(self, index: usize, code: u32) -> u32 {
        if self.format != NumberFormat::SignMagnitude {
            return code;
        }
        let (value, bits) = (operand_value(code, self.codes[index], true), self.ports[index]);
        let largest = (1 << (bits - 1)) - 1;
        u32::from(value < 0) << (bits - 1) | (value.unsigned_abs() as u32).min(largest)
    }

    /// What both operands' ports carry.
    pub fn operands(self, codes: [u32; 2]) -> [u32; 2] {
        [self.operand(0, codes[0]), self.operand(1, codes[1])]
    }

    /// The number that the product's port carries.
    #[inline(always)]
    pub fn value(self, product: u32) -> i32 {
        self.format.value(product, self.product_bits())
    }

    /// What the product's port carries once a product of these operand codes has settled. The sign is that of the operands, also of
    /// a product of zero.
    pub fn product(self, codes: [u32; 2], product: i32) -> u32 {
        let negative = |index: usize| codes[index] >> (self.codes[index] - 1) & 1;
        self.format.code(product, self.product_bits(), negative(0) ^ negative(1) == 1)
    }
}

impl NumberFormat {
    /// The number that a code of `bits` bits, at most 32, stands for.
    #[inline(always)]
    pub fn value(self, code: u32, bits: u32) -> i32 {
        if self != Self::SignMagnitude {
            return operand_value(code, bits, self == Self::TwosComplement) as i32;
        }
        let magnitude = (code & ((1 << (bits - 1)) - 1)) as i32;
        if code >> (bits - 1) & 1 == 1 { -magnitude } else { magnitude }
    }

    /// The code of a number in `bits` bits; `negative_zero` chooses between the two of zero in sign–magnitude.
    #[inline(always)]
    pub fn code(self, value: i32, bits: u32, negative_zero: bool) -> u32 {
        if self != Self::SignMagnitude {
            return value as u32 & (u32::MAX >> (32 - bits));
        }
        u32::from(value < 0 || value == 0 && negative_zero) << (bits - 1) | value.unsigned_abs()
    }

    /// Codes of a settled and of a sampled number; the sign of a zero is that of the other number, for signs come early.
    #[inline(always)]
    pub fn settled_and_sampled(self, settled: i32, sampled: i32, bits: u32) -> [u32; 2] {
        [self.code(settled, bits, sampled < 0), self.code(sampled, bits, settled < 0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_of_8_bits_take_every_code_and_of_7_bits_all_but_the_lowest() {
        for bits in [7, 8] {
            let coding = Coding::sign_magnitude([bits, bits]);
            assert_eq!((coding.code_bits(), coding.product_bits()), ([8, 8], 2 * bits + 1));
            for value in -128..=127_i32 {
                let port = coding.operand(1, value as u32 & 255);
                let magnitude = value.abs().min((1 << bits) - 1);
                assert_eq!((port >> bits == 1, port & ((1 << bits) - 1)), (value < 0, magnitude as u32), "{value}");
            }
        }
    }

    #[test]
    fn products_are_read_as_they_are_coded() {
        let codings = [Coding::sign_magnitude([7, 8]), Coding::plain(8, 8, true), Coding::plain(8, 8, false)];
        for coding in codings {
            for value in [0, 1, 127 * 127, 12345, -1, -127 * 127] {
                if value >= 0 || coding.signed() {
                    let codes = coding.format().settled_and_sampled(value, 0, coding.product_bits());
                    assert_eq!(codes.map(|code| coding.value(code)), [value, 0], "{coding:?}");
                }
            }
        }
        let coding = Coding::sign_magnitude([8, 8]);
        // −3 · 0 keeps its sign; a sampled zero has the settled product's, so that it does not look as if the sign were wrong.
        assert_eq!(coding.product([0, 0xfd], 0), 1 << 16);
        let codes = |settled, sampled| coding.format().settled_and_sampled(settled, sampled, 17);
        assert_eq!((codes(-6, 0), codes(0, -6)), ([1 << 16 | 6, 1 << 16], [1 << 16, 1 << 16 | 6]));
    }
}
