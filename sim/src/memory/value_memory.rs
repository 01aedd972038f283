//! A memory of activations or of partial sums: what is read from it where cells fail.

use super::fault_map::{FaultMap, ReadDraws};
use super::scheme::SchemeError;
use super::{CellGeometry, Decoded, Protection, Scheme};
use std::borrow::Cow;

/// What a memory holds beside weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Activation codes, 0…127, one a byte. The highest bit of a byte has no cell: it is tied to zero.
    Activations,
    /// Partial sums of so many bits, two's complement in whole bytes, the lowest first. Bits beyond have no cells.
    PartialSums {
        /// 1…32.
        bits: u32,
    },
}

impl Stored {
    /// Bits of a value.
    pub fn bits(self) -> u32 {
        match self {
            Self::Activations => 7,
            Self::PartialSums { bits } => bits,
        }
    }

    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        self.bits().div_ceil(8) as usize
    }

    fn mask(self) -> u32 {
        u32::MAX >> (32 - self.bits())
    }

    /// The number that a code, as read, stands for; bits beyond the value's are left out.
    fn number(self, code: u32) -> i32 {
        let unused = 32 - self.bits();
        match self {
            Self::Activations => (code & self.mask()) as i32,
            Self::PartialSums { .. } => (code << unused) as i32 >> unused,
        }
    }

    /// A code with its wrong bits replaced so that the value moves towards zero: by zeros, or by copies of the sign. Of a sum
    /// whose sign is not known nothing is left.
    fn masked(self, read: u32, wrong: u32) -> u32 {
        match self {
            Self::Activations => read & !wrong,
            Self::PartialSums { bits } if wrong >> (bits - 1) & 1 == 1 => 0,
            Self::PartialSums { .. } => read & !wrong | if self.number(read) < 0 { wrong } else { 0 },
        }
    }
}

/// A memory of values that lie in it one after the other, word i of a stream in word i mod its words.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueMemory {
    scheme: Scheme,
    stored: Stored,
    geometry: CellGeometry,
    words: usize,
}

impl ValueMemory {
    /// A memory of `bytes` of data, in banks of `rows` rows. Of the scheme protection and interleaving count, not the code of
    /// weights.
    pub fn new(scheme: Scheme, stored: Stored, bytes: u64, rows: usize) -> Result<Self, SchemeError> {
        let (geometry, words) = scheme.laid_out(bytes, rows)?;
        Ok(Self { scheme, stored, geometry, words })
    }

    /// What it holds.
    pub fn stored(&self) -> Stored {
        self.stored
    }

    /// Arrangement of the cells, which a fault map must share.
    pub fn geometry(&self) -> CellGeometry {
        self.geometry
    }

    /// Words of the whole memory.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Words that so many values take.
    pub fn words_of(&self, values: usize) -> usize {
        (values * self.stored.bytes()).div_ceil(self.word_bytes())
    }

    /// The memory of a chip.
    ///
    /// # Panics
    /// If the map has another geometry.
    pub fn on<'a>(&'a self, map: &'a FaultMap) -> FailingValues<'a> {
        assert_eq!(map.geometry(), self.geometry, "a fault map of this memory");
        let bytes = self.stored.bytes();
        // Where a word begins within a value decides which of its cells hold what.
        let sound = (0..bytes).map(|phase| self.sound_cells(phase)).collect();
        FailingValues { memory: self, map: map.by_word(), sound }
    }

    fn word_bytes(&self) -> usize {
        self.scheme.word_bits() / 8
    }

    /// Cells that never read wrong in a word that begins with byte `phase` of a value: protected ones, and those that are not
    /// there.
    fn sound_cells(&self, phase: usize) -> u128 {
        let (bits, bytes) = (self.stored.bits(), self.stored.bytes());
        let protected = self.scheme.protected_bits().min(bits);
        let failing = (1u64 << (bits - protected)) - 1;
        let of_byte = |byte: usize| !(failing >> (8 * ((phase + byte) % bytes))) as u8;
        (0..self.word_bytes()).fold(0, |cells, byte| cells | u128::from(of_byte(byte)) << (8 * byte))
    }
}

/// A memory on one chip.
#[derive(Clone, Debug)]
pub struct FailingValues<'a> {
    memory: &'a ValueMemory,
    map: Cow<'a, FaultMap>,
    /// Cells of a word that never read wrong, by the byte of a value that it begins with.
    sound: Vec<u128>,
}

/// A value that is not what was written.
struct Hit {
    value: usize,
    wrong: u32,
    /// It stood in a word with errors beyond correction.
    zero: bool,
}

impl FailingValues<'_> {
    /// The memory.
    pub fn memory(&self) -> &ValueMemory {
        self.memory
    }

    /// Replaces activation codes, which lie from word `first` on, by what read number `read` of the memory gives.
    ///
    /// # Panics
    /// If the memory is one of partial sums.
    pub fn read_activations(&self, read: u64, first: usize, codes: &mut [u8]) {
        assert_eq!(self.memory.stored, Stored::Activations, "a memory of activations");
        let hits = self.hits(read, first, codes.len(), |index| codes[index].into());
        for (index, code) in self.outcomes(&hits, |index| codes[index].into()) {
            codes[index] = code as u8;
        }
    }

    /// Replaces partial sums, which lie from word `first` on, by what read number `read` of the memory gives.
    ///
    /// # Panics
    /// If the memory is one of activations.
    pub fn read_sums(&self, read: u64, first: usize, sums: &mut [i32]) {
        assert_ne!(self.memory.stored, Stored::Activations, "a memory of partial sums");
        let hits = self.hits(read, first, sums.len(), |index| sums[index] as u32);
        for (index, sum) in self.outcomes(&hits, |index| sums[index] as u32) {
            sums[index] = sum;
        }
    }

    /// Values that read wrong, in order; one that lies in several words may come several times in succession.
    fn hits(&self, read: u64, first: usize, values: usize, code: impl Fn(usize) -> u32) -> Vec<Hit> {
        let ValueMemory { scheme, stored, words, .. } = self.memory;
        let (bytes, word_bytes, mask) = (stored.bytes(), self.memory.word_bytes(), stored.mask());
        let draws = ReadDraws::new(&self.map, read);
        let mut hits = Vec::new();
        for word in 0..self.memory.words_of(values) {
            let start = word * word_bytes;
            let faults = self.map.word((first + word) % words, &draws).without(self.sound[start % bytes]);
            if faults.none() {
                continue;
            }
            let bytes_here = start..(start + word_bytes).min(values * bytes);
            let byte = |at: usize| u64::from((code(at / bytes) & mask) >> (8 * (at % bytes)) & 0xff);
            let data = bytes_here.clone().fold(0, |data, at| data | byte(at) << (8 * (at - start)));
            let (outcome, zero) = match scheme.protection() {
                Protection::SecDed { code, zero_detected } => match code.decode(faults.read(code.encode(data))) {
                    Decoded::Clean(data) | Decoded::Corrected(data) => (data, false),
                    Decoded::Detected(data) => (data, *zero_detected),
                },
                _ => (faults.read(data.into()) as u64, false),
            };
            if outcome == data && !zero {
                continue;
            }
            for value in bytes_here.start / bytes..bytes_here.end.div_ceil(bytes) {
                // This value's bytes in this word.
                let own = (value * bytes).max(start)..((value + 1) * bytes).min(bytes_here.end);
                let wrong = own.fold(0, |wrong, at| {
                    wrong | (((outcome ^ data) >> (8 * (at - start)) & 0xff) as u32) << (8 * (at % bytes))
                });
                if wrong & mask != 0 || zero {
                    hits.push(Hit { value, wrong: wrong & mask, zero });
                }
            }
        }
        hits
    }

    /// What is read in place of each value hit.
    fn outcomes(&self, hits: &[Hit], code: impl Fn(usize) -> u32) -> Vec<(usize, i32)> {
        let stored = self.memory.stored;
        let of_value = |hits: &[Hit]| {
            let value = hits[0].value;
            let wrong = hits.iter().fold(0, |wrong, hit| wrong | hit.wrong);
            let read = (code(value) & stored.mask()) ^ wrong;
            let outcome = match self.memory.scheme.protection() {
                Protection::BitMasking => stored.masked(read, wrong),
                Protection::WordMasking => 0,
                Protection::SecDed { .. } if hits.iter().any(|hit| hit.zero) => 0,
                Protection::None | Protection::SecDed { .. } => read,
            };
            (value, stored.number(outcome))
        };
        hits.chunk_by(|a, b| a.value == b.value).map(of_value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{FailureLaw, FaultModel};
    use crate::units::Volts;

    const SUMS: Stored = Stored::PartialSums { bits: 20 };

    fn model() -> FaultModel {
        FaultModel::new("test", FailureLaw::Probit { v50: 0.7056, sigma: 0.0552 }, Volts(0.7)).unwrap()
    }

    fn sums() -> Vec<i32> {
        (0..500).map(|index| (index * 7919 % (1 << 20)) - (1 << 19)).collect()
    }

    fn codes() -> Vec<u8> {
        (0..1000).map(|index| (index * 37 % 128) as u8).collect()
    }

    /// The definition: bit b of a word is cell b of its own, in row w / degree, column b · degree + w mod degree.
    fn cell(map: &FaultMap, degree: usize, word: usize, bit: usize) -> [bool; 3] {
        map.fault(word / degree, bit * degree + word % degree)
    }

    fn bit_by_bit(
        map: &FaultMap,
        degree: usize,
        words: usize,
        first: usize,
        stored: Stored,
        code: u32,
        value: usize,
    ) -> u32 {
        let mut read = code;
        for bit in 0..stored.bits() as usize {
            let place = value * stored.bytes() * 8 + bit;
            let [up, down, _] = cell(map, degree, (first + place / 64) % words, place % 64);
            let one = code >> bit & 1 == 1;
            if one && down || !one && up {
                read ^= 1 << bit;
            }
        }
        read
    }

    #[test]
    fn faults_hit_the_cells_that_values_are_in() {
        for degree in [1, 4] {
            let scheme = Scheme::default().with_interleave(degree).unwrap();
            let model = model().with_up_share(Some(0.6)).unwrap();
            // 64 words: both wrap.
            let memory = ValueMemory::new(scheme.clone(), Stored::Activations, 512, 16).unwrap();
            let map = model.chip(memory.geometry(), 3, 0).faults(0.05);
            let mut read = codes();
            memory.on(&map).read_activations(0, 50, &mut read);
            for (index, (code, read)) in codes().into_iter().zip(&read).enumerate() {
                let expected = bit_by_bit(&map, degree, 64, 50, Stored::Activations, code.into(), index);
                assert_eq!(u32::from(*read), expected);
            }
            assert_ne!(read, codes());
            let memory = ValueMemory::new(scheme, SUMS, 512, 16).unwrap();
            let mut read = sums();
            memory.on(&map).read_sums(0, 3, &mut read);
            for (index, (sum, read)) in sums().into_iter().zip(&read).enumerate() {
                // Three bytes a sum: some lie in two words.
                let code = bit_by_bit(&map, degree, 64, 3, SUMS, sum as u32 & 0xf_ffff, index);
                assert_eq!(*read, (code << 12) as i32 >> 12);
            }
            assert_ne!(read, sums());
        }
    }

    #[test]
    fn protection_does_for_values_what_it_does_for_weights() {
        let on_chip = |scheme: &Scheme, p: f64, chip: u64| -> Vec<(i32, i32)> {
            let memory = ValueMemory::new(scheme.clone(), SUMS, 4096, 64).unwrap();
            let map = model().chip(memory.geometry(), 3, chip).faults(p);
            let mut read = sums();
            memory.on(&map).read_sums(0, 0, &mut read);
            sums().into_iter().zip(read).filter(|(sum, read)| sum != read).collect()
        };
        let damage = |scheme: Scheme, p: f64| on_chip(&scheme, p, 0);
        let on_many = |scheme: &Scheme| (0..50).map(|chip| on_chip(scheme, 0.001, chip).len()).sum::<usize>();
        let plain = damage(Scheme::default(), 0.02);
        let words = damage(Scheme::default().with_protection(Protection::WordMasking), 0.02);
        assert_eq!(plain.len(), words.len());
        assert!(words.iter().all(|(_, read)| *read == 0));
        let masked = damage(Scheme::default().with_protection(Protection::BitMasking), 0.02);
        assert!(masked.iter().all(|(sum, read)| read.abs() <= sum.abs() && i64::from(*read) * i64::from(*sum) >= 0));
        // 5 of 20 bits protected: no error of 2^15 or more; all: none.
        let protected = damage(Scheme::default().with_protected_bits(5).unwrap(), 0.02);
        assert!(!protected.is_empty() && protected.iter().all(|(sum, read)| (sum ^ read) >> 15 == 0));
        for bits in [8, 16, 64] {
            let corrected = Scheme::default().with_sec_ded(bits, true).unwrap();
            assert_eq!(damage(corrected.clone(), 1e-4), [], "{bits} bits");
            // Where few words have two errors; beyond that zeroing them does more harm than good.
            assert!(3 * on_many(&corrected) < on_many(&Scheme::default()), "{bits} bits");
        }
    }

    #[test]
    fn transient_faults_differ_from_read_to_read() {
        let memory = ValueMemory::new(Scheme::default(), Stored::Activations, 4096, 64).unwrap();
        let model = model().with_persistent_share(0.0).unwrap();
        let map = model.chip(memory.geometry(), 3, 0).faults(0.1);
        let read = |number| {
            let mut read = codes();
            memory.on(&map).read_activations(number, 0, &mut read);
            read
        };
        assert_eq!(read(1), read(1));
        assert_ne!(read(1), read(2));
    }
}
