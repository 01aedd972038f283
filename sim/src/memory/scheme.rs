//! How weights are stored and protected, and what that costs.

use super::{CellGeometry, MemoryError, SecDed, Storage};
use serde::{Deserialize, Serialize};

/// Costs relative to a plain 6T cell.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overhead {
    /// Area, and with it leakage.
    pub area: f64,
    /// Energy of an access.
    pub energy: f64,
}

impl Overhead {
    /// No more than a plain cell.
    pub const NONE: Self = Self { area: 1.0, energy: 1.0 };
}

/// What better cells and detection cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overheads {
    /// The cells themselves.
    pub cell: Overhead,
    /// A cell that does not fail, for protected bits.
    pub robust_cell: Overhead,
    /// Noticing which cells read wrong.
    pub detection: Overhead,
}

impl Default for Overheads {
    fn default() -> Self {
        Self { cell: Overhead::NONE, robust_cell: Overhead::NONE, detection: Overhead::NONE }
    }
}

impl Overheads {
    pub(super) fn check(&self) -> Result<(), MemoryError> {
        for (key, overhead) in [("cell", self.cell), ("robust_cell", self.robust_cell), ("detection", self.detection)]
        {
            for value in [overhead.area, overhead.energy] {
                if !(value.is_finite() && value > 0.0) {
                    return Err(MemoryError::refused(format!("{key}: {value} is not a factor above 0")));
                }
            }
        }
        Ok(())
    }
}

/// What is done about faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    None,
    /// Each word has check bits: one error is corrected; words with two are read as they are, or as zeros.
    SecDed {
        /// The code.
        code: SecDed,
        /// Whether the weights of a word with errors beyond correction are taken as zero.
        zero_detected: bool,
    },
    /// Which bits read wrong is noticed; they are replaced so that the weight moves towards zero, and a weight with a wrong
    /// sign becomes zero.
    BitMasking,
    /// Which bits read wrong is noticed; weights with one become zero.
    WordMasking,
}

/// Storage code and protection of a weight memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheme {
    name: String,
    storage: Storage,
    protection: Protection,
    protected_bits: u32,
    interleave: usize,
}

/// A scheme that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SchemeError(pub(super) String);

/// Bits of a word without check bits.
const PLAIN_WORD: usize = 64;

impl Default for Scheme {
    /// Two's complement without protection.
    fn default() -> Self {
        Self::plain(Storage::TwosComplement)
    }
}

impl Scheme {
    /// A code without protection, named after the code.
    pub fn plain(storage: Storage) -> Self {
        Self {
            name: storage.name().to_owned(),
            storage,
            protection: Protection::None,
            protected_bits: 0,
            interleave: 1,
        }
    }

    /// The same under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The same with something done about faults.
    pub fn with_protection(self, protection: Protection) -> Self {
        Self { protection, ..self }
    }

    /// The same with SEC-DED over words of `bits`, a multiple of 8 up to 64.
    pub fn with_sec_ded(self, bits: u32, zero_detected: bool) -> Result<Self, SchemeError> {
        let code = SecDed::new(bits).filter(|_| bits.is_multiple_of(8));
        let code = code.ok_or_else(|| {
            SchemeError(format!("SEC-DED over words of {bits} bits; choose 8, 16, 24 … 64, whole weights"))
        })?;
        Ok(self.with_protection(Protection::SecDed { code, zero_detected }))
    }

    /// The same with the highest `bits` of every weight in cells that do not fail, 0…8.
    pub fn with_protected_bits(self, bits: u32) -> Result<Self, SchemeError> {
        if bits > 8 {
            return Err(SchemeError(format!("{bits} protected bits; a weight has 8")));
        }
        Ok(Self { protected_bits: bits, ..self })
    }

    /// The same with the bits of `words` words interleaved in a row, 1…64.
    pub fn with_interleave(self, words: usize) -> Result<Self, SchemeError> {
        if !(1..=64).contains(&words) {
            return Err(SchemeError(format!("{words} interleaved words; choose 1 to 64, 1 for none")));
        }
        Ok(Self { interleave: words, ..self })
    }

    /// Name, as records use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The code.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// What is done about faults.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Words whose bits share a row.
    pub fn interleave(&self) -> usize {
        self.interleave
    }

    /// Data bits of a word.
    pub fn word_bits(&self) -> usize {
        match &self.protection {
            Protection::SecDed { code, .. } => code.data_bits() as usize,
            _ => PLAIN_WORD,
        }
    }

    /// Check bits of a word.
    pub fn check_bits(&self) -> usize {
        match &self.protection {
            Protection::SecDed { code, .. } => code.check_bits() as usize,
            _ => 0,
        }
    }

    /// Highest bits of every value in cells that do not fail.
    pub(super) fn protected_bits(&self) -> u32 {
        self.protected_bits
    }

    /// Cells of a memory of `bytes` of data in banks of `rows` rows, and its words.
    pub(super) fn laid_out(&self, bytes: u64, rows: usize) -> Result<(CellGeometry, usize), SchemeError> {
        let refused = || SchemeError(format!("a memory of {bytes} bytes for {} cannot be laid out", self.name()));
        let words = usize::try_from(bytes * 8 / self.word_bits() as u64).map_err(|_| refused())?;
        let banks = words.div_ceil((rows * self.interleave()).max(1));
        let cells = self.word_bits() + self.check_bits();
        let geometry = CellGeometry::new(banks, rows, self.interleave(), cells).ok_or_else(refused)?;
        Ok((geometry, words))
    }

    /// Data cells of a word of weights that do not fail.
    pub(super) fn sound_cells(&self) -> u128 {
        let one = u128::from(0xffu8 as u16 & !(0xffu16 >> self.protected_bits));
        (0..self.word_bits() / 8).fold(0, |cells, weight| cells | one << (8 * weight))
    }

    /// Area and access energy relative to the same memory of plain cells without protection, for values of so many bits in
    /// whole bytes. Check bits cost as data bits do; encoders, decoders and the zeroing of values are left out.
    pub fn cost(&self, overheads: &Overheads, value_bits: u32) -> Overhead {
        let robust = f64::from(self.protected_bits.min(value_bits)) / f64::from(value_bits.next_multiple_of(8));
        let word = self.word_bits() as f64;
        let bits = 1.0 + self.check_bits() as f64 / word;
        let detection = match self.protection {
            Protection::BitMasking | Protection::WordMasking => overheads.detection,
            Protection::None | Protection::SecDed { .. } => Overhead::NONE,
        };
        let of = |plain: f64, robust_cell: f64, detection: f64| {
            (bits * plain + robust * (robust_cell - plain).max(0.0)) * detection
        };
        let Overheads { cell, robust_cell, .. } = *overheads;
        Overhead {
            area: of(cell.area, robust_cell.area, detection.area),
            energy: of(cell.energy, robust_cell.energy, detection.energy),
        }
    }
}

/// What a scheme's entry in an experiment looks like.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemeFile {
    name: Option<String>,
    #[serde(default)]
    storage: Storage,
    #[serde(default)]
    protection: ProtectionName,
    word_bits: Option<u32>,
    zero_detected: Option<bool>,
    #[serde(default)]
    protected_bits: u32,
    interleave: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ProtectionName {
    #[default]
    None,
    SecDed,
    BitMasking,
    WordMasking,
}

impl SchemeFile {
    /// The scheme as meant.
    pub(crate) fn checked(self) -> Result<Scheme, SchemeError> {
        let mut scheme = Scheme::plain(self.storage);
        if self.protection != ProtectionName::SecDed && (self.word_bits.is_some() || self.zero_detected.is_some()) {
            let message =
                "word_bits and zero_detected belong to protection = \"sec-ded\"; set that or leave them out";
            return Err(SchemeError(message.to_owned()));
        }
        scheme = match self.protection {
            ProtectionName::None => scheme,
            ProtectionName::SecDed => {
                scheme.with_sec_ded(self.word_bits.unwrap_or(64), self.zero_detected.unwrap_or(true))?
            }
            ProtectionName::BitMasking => scheme.with_protection(Protection::BitMasking),
            ProtectionName::WordMasking => scheme.with_protection(Protection::WordMasking),
        };
        scheme = scheme.with_protected_bits(self.protected_bits)?.with_interleave(self.interleave.unwrap_or(1))?;
        Ok(match self.name {
            Some(name) => scheme.named(name),
            None => scheme,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_bits_are_what_protection_costs() {
        let overheads = Overheads {
            cell: Overhead::NONE,
            robust_cell: Overhead { area: 1.3, energy: 1.2 },
            detection: Overhead { area: 1.01, energy: 1.1 },
        };
        let plain = Scheme::plain(Storage::SignMagnitude);
        assert_eq!(plain.cost(&overheads, 8), Overhead::NONE);
        let corrected = plain.clone().with_sec_ded(64, true).unwrap().cost(&overheads, 8);
        assert_eq!(corrected, Overhead { area: 72.0 / 64.0, energy: 72.0 / 64.0 });
        let byte = plain.clone().with_sec_ded(8, true).unwrap().cost(&overheads, 8);
        assert_eq!(byte.area, 13.0 / 8.0);
        // Two of eight bits in larger cells.
        let protected = plain.clone().with_protected_bits(2).unwrap().cost(&overheads, 8);
        assert!((protected.area - 1.075).abs() < 1e-12 && (protected.energy - 1.05).abs() < 1e-12);
        // Two of 24 bits.
        assert!((plain.clone().with_protected_bits(2).unwrap().cost(&overheads, 20).area - 1.025).abs() < 1e-12);
        let masked = plain.with_protection(Protection::BitMasking).cost(&overheads, 8);
        assert_eq!(masked, overheads.detection);
    }

    #[test]
    fn protected_cells_are_the_highest_bits() {
        let scheme = Scheme::default().with_protected_bits(2).unwrap();
        assert_eq!(scheme.sound_cells(), 0xc0c0_c0c0_c0c0_c0c0);
        assert_eq!(Scheme::default().sound_cells(), 0);
        let all = Scheme::default().with_protected_bits(8).unwrap().with_sec_ded(16, true).unwrap();
        assert_eq!(all.sound_cells(), 0xffff);
    }

    #[test]
    fn schemes_that_cannot_be_built_are_refused() {
        let plain = Scheme::default();
        assert!(plain.clone().with_sec_ded(12, true).is_err() && plain.clone().with_sec_ded(72, true).is_err());
        assert!(plain.clone().with_protected_bits(9).is_err());
        assert!(plain.clone().with_interleave(0).is_err() && plain.with_interleave(65).is_err());
    }
}
