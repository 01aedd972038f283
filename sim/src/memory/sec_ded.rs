//! Single-error correction, double-error detection: Hamming's code with an overall parity bit (Hamming, BSTJ 29, 1950).

/// The code for words of one width. Data bits come first, then the check bits, the overall parity last.
///
/// Invariant: 1…64 data bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecDed {
    data_bits: u32,
    /// Data bits that each Hamming check bit covers.
    covers: Vec<u64>,
    /// For each syndrome, the codeword bit in error plus one; 0 where there is none.
    culprit: Vec<u8>,
}

/// What a decoder makes of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// No error seen.
    Clean(u64),
    /// One bit was put right, or what looked like it.
    Corrected(u64),
    /// More errors than can be corrected; the data as read.
    Detected(u64),
}

impl Decoded {
    /// The data bits.
    pub fn data(self) -> u64 {
        let (Self::Clean(data) | Self::Corrected(data) | Self::Detected(data)) = self;
        data
    }
}

impl SecDed {
    /// The code for words of `data_bits`; `None` unless 1…64.
    pub fn new(data_bits: u32) -> Option<Self> {
        if !(1..=64).contains(&data_bits) {
            return None;
        }
        let checks = Self::hamming_bits(data_bits);
        // Positions 1, 2, 3, … of Hamming's numbering; powers of two are check bits.
        let positions: Vec<u32> =
            (1u32..).filter(|place| !place.is_power_of_two()).take(data_bits as usize).collect();
        let mut culprit = vec![0; 1 << checks];
        for (bit, &position) in positions.iter().enumerate() {
            culprit[position as usize] = bit as u8 + 1;
        }
        for check in 0..checks {
            culprit[1 << check] = (data_bits + check) as u8 + 1;
        }
        let covered = |check: u32| {
            let bits = positions.iter().enumerate().filter(|(_, position)| **position >> check & 1 == 1);
            bits.fold(0, |mask, (bit, _)| mask | 1 << bit)
        };
        Some(Self { data_bits, covers: (0..checks).map(covered).collect(), culprit })
    }

    /// Data bits of a word.
    pub fn data_bits(&self) -> u32 {
        self.data_bits
    }

    fn hamming_bits(data_bits: u32) -> u32 {
        (1..).find(|checks| 1u32 << checks > data_bits + checks).expect("64 data bits need 7")
    }

    /// Check bits of a word, the overall parity included: 5 for 8, 6 for 16, 7 for 32, 8 for 64.
    pub fn check_bits(&self) -> u32 {
        self.covers.len() as u32 + 1
    }

    fn syndrome_bits(&self, data: u64) -> u64 {
        let parity = |covers: &u64| u64::from((data & covers).count_ones() & 1);
        self.covers.iter().enumerate().fold(0, |bits, (check, covers)| bits | parity(covers) << check)
    }

    /// The codeword of `data`.
    pub fn encode(&self, data: u64) -> u128 {
        let word = u128::from(data) | u128::from(self.syndrome_bits(data)) << self.data_bits;
        word | u128::from(word.count_ones() & 1) << (self.data_bits + self.check_bits() - 1)
    }

    /// The data of a codeword with up to one bit wrong; with two, what was read and that it is wrong. Three or more may look
    /// like one.
    pub fn decode(&self, word: u128) -> Decoded {
        let data = word as u64 & (!0 >> (64 - self.data_bits));
        let checks = self.covers.len() as u32;
        let stored = (word >> self.data_bits) as u64 & ((1 << checks) - 1);
        let syndrome = self.syndrome_bits(data) ^ stored;
        let odd = word.count_ones() & 1 == 1;
        match (syndrome, odd) {
            (0, false) => Decoded::Clean(data),
            (0, true) => Decoded::Corrected(data),
            (_, false) => Decoded::Detected(data),
            (_, true) => match self.culprit[syndrome as usize] {
                0 => Decoded::Detected(data),
                bit if u32::from(bit) <= self.data_bits => Decoded::Corrected(data ^ 1 << (bit - 1)),
                _ => Decoded::Corrected(data),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_bits_are_hammings() {
        for (data, checks) in [(8, 5), (16, 6), (32, 7), (64, 8)] {
            assert_eq!(SecDed::new(data).unwrap().check_bits(), checks);
        }
        assert_eq!((SecDed::new(0), SecDed::new(65)), (None, None));
    }

    #[test]
    fn every_single_error_is_corrected_and_every_double_error_detected() {
        for bits in [8, 16, 32, 64] {
            let code = SecDed::new(bits).unwrap();
            let width = bits + code.check_bits();
            let mask = !0 >> (64 - bits);
            for data in [0, mask, 0x0123_4567_89ab_cdef & mask, 0xa5a5_5a5a_3c3c_c3c3 & mask] {
                let word = code.encode(data);
                assert_eq!(code.decode(word), Decoded::Clean(data));
                for first in 0..width {
                    assert_eq!(code.decode(word ^ 1 << first), Decoded::Corrected(data), "{bits} bits, bit {first}");
                    for second in 0..first {
                        let decoded = code.decode(word ^ 1 << first ^ 1 << second);
                        assert!(matches!(decoded, Decoded::Detected(_)), "{bits} bits: {first} and {second}");
                    }
                }
            }
        }
    }

    #[test]
    fn all_data_of_one_byte_survive_every_single_error() {
        let code = SecDed::new(8).unwrap();
        for data in 0..256 {
            for bit in 0..13 {
                assert_eq!(code.decode(code.encode(data) ^ 1 << bit).data(), data);
            }
        }
    }
}
