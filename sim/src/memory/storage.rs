//! The code in which weights are stored.

use serde::{Deserialize, Serialize};

/// Code of a stored weight of −127…127. Faults act on the code, so it decides how far they move the weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Two's complement, as the arithmetic takes it: small negative weights are mostly ones.
    #[default]
    TwosComplement,
    /// Weight + 128.
    Offset,
    /// Sign in the highest bit, magnitude below: small weights are mostly zeros whatever their sign.
    SignMagnitude,
}

impl Storage {
    /// All codes.
    pub const ALL: [Storage; 3] = [Storage::TwosComplement, Storage::Offset, Storage::SignMagnitude];

    /// Name, as configurations use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwosComplement => "twos-complement",
            Self::Offset => "offset",
            Self::SignMagnitude => "sign-magnitude",
        }
    }

    /// The code of a weight; sign–magnitude has none for −128 and stores −127.
    #[inline(always)]
    pub fn encode(self, weight: i8) -> u8 {
        match self {
            Self::TwosComplement => weight as u8,
            Self::Offset => weight as u8 ^ 0x80,
            Self::SignMagnitude => (weight as u8 & 0x80) | weight.unsigned_abs().min(127),
        }
    }

    /// The weight of a code; every code has one.
    #[inline(always)]
    pub fn decode(self, code: u8) -> i8 {
        match self {
            Self::TwosComplement => code as i8,
            Self::Offset => (code ^ 0x80) as i8,
            Self::SignMagnitude => {
                let magnitude = (code & 0x7f) as i8;
                if code & 0x80 == 0 { magnitude } else { -magnitude }
            }
        }
    }

    /// What a bit of this code is replaced by to move the weight towards zero: in two's complement a copy of the sign, which
    /// offset code holds inverted, and zero in sign–magnitude (bit masking of Reagen et al., ISCA 2016).
    #[inline(always)]
    pub(super) fn towards_zero(self, code: u8) -> u8 {
        match self {
            Self::TwosComplement => ((code as i8) >> 7) as u8,
            Self::Offset => !((code as i8) >> 7) as u8,
            Self::SignMagnitude => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_inverse_to_each_other() {
        for storage in Storage::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for weight in -127..=127 {
                assert_eq!(storage.decode(storage.encode(weight)), weight, "{storage:?}");
                assert!(seen.insert(storage.encode(weight)), "{storage:?} is unique");
            }
        }
        // Twos' complement of −1 is all ones; offset 127; sign–magnitude one in either sign.
        let codes = |weight| Storage::ALL.map(|storage| storage.encode(weight));
        assert_eq!((codes(-1), codes(1)), ([0xff, 0x7f, 0x81], [0x01, 0x81, 0x01]));
    }

    #[test]
    fn replacing_bits_never_moves_a_weight_away_from_zero() {
        for storage in Storage::ALL {
            for weight in -127..=127i8 {
                let code = storage.encode(weight);
                for bit in 0..7 {
                    let replaced = code & !(1 << bit) | storage.towards_zero(code) & 1 << bit;
                    let moved = i32::from(storage.decode(replaced));
                    let weight = i32::from(weight);
                    let nearer = moved.abs() <= weight.abs() && moved * weight >= 0;
                    assert!(nearer, "{storage:?}: {weight} becomes {moved}");
                }
            }
        }
    }
}
