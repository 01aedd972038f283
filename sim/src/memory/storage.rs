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
    /// From 0 for a layer's least weight to 255 for its largest, as the robust quantiser of Stutz et al. (MLSys 2021) counts:
    /// a flip moves a weight by a share of the layer's own range.
    Range,
}

/// A storage code with what it takes of the weights that it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    storage: Storage,
    encode: [u8; 256],
    decode: [i8; 256],
}

impl Storage {
    /// All codes.
    pub const ALL: [Storage; 4] = [Storage::TwosComplement, Storage::Offset, Storage::SignMagnitude, Storage::Range];

    /// Name, as configurations use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwosComplement => "twos-complement",
            Self::Offset => "offset",
            Self::SignMagnitude => "sign-magnitude",
            Self::Range => "range",
        }
    }

    /// The code of a layer with these weights, which alone a [`Storage::Range`] can store.
    pub fn codec(self, weights: &[i8]) -> Codec {
        let (least, largest) = match self {
            Self::Range => weights
                .iter()
                .fold((i8::MAX, i8::MIN), |(least, largest), &weight| (least.min(weight), largest.max(weight))),
            _ => (0, 0),
        };
        let (least, range) = (i32::from(least), (i32::from(largest) - i32::from(least)).max(0));
        let mut codec = Codec { storage: self, encode: [0; 256], decode: [0; 256] };
        for code in 0..256 {
            let weight = i32::from(code as u8 as i8);
            codec.encode[code] = match self {
                Self::Range => rounded(255 * (weight - least).clamp(0, range), range.max(1)) as u8,
                _ => self.encode(weight as i8),
            };
            codec.decode[code] = match self {
                Self::Range => (least + rounded(code as i32 * range, 255)) as i8,
                _ => self.decode(code as u8),
            };
        }
        codec
    }

    /// The code of a weight; sign–magnitude has none for −128 and stores −127.
    fn encode(self, weight: i8) -> u8 {
        match self {
            Self::Range => unreachable!("depends on the layer"),
            Self::TwosComplement => weight as u8,
            Self::Offset => weight as u8 ^ 0x80,
            Self::SignMagnitude => (weight as u8 & 0x80) | weight.unsigned_abs().min(127),
        }
    }

    /// The weight of a code; every code has one.
    fn decode(self, code: u8) -> i8 {
        match self {
            Self::Range => unreachable!("depends on the layer"),
            Self::TwosComplement => code as i8,
            Self::Offset => (code ^ 0x80) as i8,
            Self::SignMagnitude => {
                let magnitude = (code & 0x7f) as i8;
                if code & 0x80 == 0 { magnitude } else { -magnitude }
            }
        }
    }
}

/// `numerator / denominator`, neither negative, to the nearest whole number.
fn rounded(numerator: i32, denominator: i32) -> i32 {
    (2 * numerator + denominator) / (2 * denominator)
}

impl Codec {
    /// The code of a weight.
    #[inline(always)]
    pub fn encode(&self, weight: i8) -> u8 {
        self.encode[usize::from(weight.cast_unsigned())]
    }

    /// The weight of a code; every code has one.
    #[inline(always)]
    pub fn decode(&self, code: u8) -> i8 {
        self.decode[usize::from(code)]
    }

    /// A code as read, with its wrong bits replaced so that the weight moves towards zero: in two's complement by copies of
    /// the sign, which offset code holds inverted, and by zeros in sign–magnitude (bit masking of Reagen et al., ISCA 2016).
    /// Of a weight whose sign is not known nothing is left, nor of one in a range's code, where no bit is a sign.
    #[inline(always)]
    pub(super) fn masked(&self, read: u8, wrong: u8) -> u8 {
        let towards_zero = match self.storage {
            Storage::TwosComplement => ((read as i8) >> 7) as u8,
            Storage::Offset => !((read as i8) >> 7) as u8,
            Storage::SignMagnitude => 0,
            Storage::Range => return self.encode(0),
        };
        if wrong & 0x80 != 0 { self.encode(0) } else { read & !wrong | towards_zero & wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: [[i8; 3]; 4] = [[-127, 0, 127], [-20, 0, 111], [0, 0, 5], [-3, -3, -3]];

    #[test]
    fn codes_are_inverse_to_each_other() {
        for storage in Storage::ALL {
            for weights in WEIGHTS {
                let codec = storage.codec(&weights);
                let mut seen = std::collections::BTreeSet::new();
                for weight in weights[0]..=weights[2] {
                    assert_eq!(codec.decode(codec.encode(weight)), weight, "{storage:?}");
                    assert!(seen.insert(codec.encode(weight)), "{storage:?} is unique");
                }
            }
        }
        // Twos' complement of −1 is all ones; offset 127; sign–magnitude one in either sign; 255 · 126 / 254 rounds to 127 here.
        let codes = |weight| Storage::ALL.map(|storage| storage.codec(&WEIGHTS[0]).encode(weight));
        assert_eq!((codes(-1), codes(1)), ([0xff, 0x7f, 0x81, 0x7e], [0x01, 0x81, 0x01, 0x81]));
    }

    /// The highest bit is worth half the range, whatever the range.
    #[test]
    fn a_flip_moves_a_weight_by_a_share_of_the_range() {
        for weights in &WEIGHTS[..3] {
            let codec = Storage::Range.codec(weights);
            let range = i32::from(weights[2]) - i32::from(weights[0]);
            for code in 0..=255u8 {
                for bit in 0..8 {
                    let moved = i32::from(codec.decode(code ^ 1 << bit)) - i32::from(codec.decode(code));
                    let expected = f64::from(range) * f64::from(1 << bit) / 255.0;
                    assert!((f64::from(moved.abs()) - expected).abs() <= 1.0, "{weights:?}: {code} bit {bit}");
                }
            }
            let ends = [0, 255].map(|code| codec.decode(code));
            assert_eq!(ends, [weights[0], weights[2]]);
        }
    }

    #[test]
    fn replacing_bits_never_moves_a_weight_away_from_zero() {
        for storage in Storage::ALL {
            let codec = storage.codec(&WEIGHTS[0]);
            for weight in -127..=127i8 {
                for bit in 0..8 {
                    let read = codec.encode(weight) ^ 1 << bit;
                    let moved = i32::from(codec.decode(codec.masked(read, 1 << bit)));
                    let weight = i32::from(weight);
                    let nearer = moved.abs() <= weight.abs() && moved * weight >= 0;
                    assert!(nearer, "{storage:?}: {weight} becomes {moved}");
                }
            }
        }
    }
}
