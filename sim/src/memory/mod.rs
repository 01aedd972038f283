//! On-chip memories: energy of an access and leakage of a macro, over capacity.

use serde::Deserialize;
use std::ops::Range;

/// One characterised macro.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SramMacro {
    /// Capacity, bytes.
    pub bytes: u64,
    /// Energy of reading a word, pJ.
    pub read_pj: f64,
    /// Energy of writing a word, pJ.
    pub write_pj: f64,
    /// Leakage power, mW.
    pub leakage_mw: f64,
    /// Area, mm².
    pub area_mm2: f64,
    /// Time of an access, ns.
    pub access_ns: f64,
}

/// A family of SRAM macros of one technology, and the DRAM behind them.
///
/// Invariant: at least one macro, capacities strictly ascending, every number positive or zero.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryTechnology {
    name: String,
    nominal_supply_v: f64,
    word_bits: u32,
    dram_pj_per_bit: f64,
    level_shifter_fj: f64,
    macros: Vec<SramMacro>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    nominal_supply_v: f64,
    word_bits: u32,
    dram_pj_per_bit: f64,
    #[serde(default)]
    level_shifter_fj: f64,
    macros: Vec<SramMacro>,
}

/// Why a memory file was refused, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct MemoryError {
    /// What is wrong and what would be right.
    pub message: String,
    /// Bytes of the file the message is about.
    pub span: Option<Range<usize>>,
}

impl MemoryTechnology {
    /// Reads a memory file.
    pub fn from_toml(text: &str) -> Result<Self, MemoryError> {
        let file: File = toml::from_str(text)
            .map_err(|error| MemoryError { message: error.message().to_owned(), span: error.span() })?;
        let refused = |message: String| Err(MemoryError { message, span: None });
        if file.macros.is_empty() || !file.macros.is_sorted_by(|a, b| a.bytes < b.bytes) {
            return refused("macros must be given in order of strictly growing capacity, one at least".into());
        }
        if file.word_bits == 0 || !file.word_bits.is_multiple_of(8) {
            return refused(format!("word_bits is {}; it must be a positive multiple of 8", file.word_bits));
        }
        let macros = file.macros.iter().flat_map(|entry| {
            [entry.bytes as f64, entry.read_pj, entry.write_pj, entry.leakage_mw, entry.area_mm2, entry.access_ns]
        });
        let mut numbers = macros.chain([file.nominal_supply_v, file.dram_pj_per_bit, file.level_shifter_fj]);
        if let Some(number) = numbers.find(|number| !(number.is_finite() && *number >= 0.0)) {
            return refused(format!("{number} is not a number of 0 or more"));
        }
        let File { name, nominal_supply_v, word_bits, dram_pj_per_bit, level_shifter_fj, macros } = file;
        Ok(Self { name, nominal_supply_v, word_bits, dram_pj_per_bit, level_shifter_fj, macros })
    }

    /// Name, as configurations use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Supply the numbers hold at, V.
    pub fn nominal_supply_v(&self) -> f64 {
        self.nominal_supply_v
    }

    /// Energy of moving a bit to or from DRAM, pJ.
    pub fn dram_pj_per_bit(&self) -> f64 {
        self.dram_pj_per_bit
    }

    /// A macro of `bytes`, interpolated between its neighbours as a power law (energy and leakage of an SRAM grow so
    /// with capacity); `None` outside the capacities given.
    pub fn sram(&self, bytes: u64) -> Option<SramMacro> {
        let above = self.macros.iter().position(|entry| entry.bytes >= bytes)?;
        let high = self.macros[above];
        if high.bytes == bytes {
            return Some(high);
        }
        let low = self.macros[above.checked_sub(1)?];
        let share = (bytes as f64 / low.bytes as f64).ln() / (high.bytes as f64 / low.bytes as f64).ln();
        let between = |low: f64, high: f64| if low > 0.0 { low * (high / low).powf(share) } else { high * share };
        Some(SramMacro {
            bytes,
            read_pj: between(low.read_pj, high.read_pj),
            write_pj: between(low.write_pj, high.write_pj),
            leakage_mw: between(low.leakage_mw, high.leakage_mw),
            area_mm2: between(low.area_mm2, high.area_mm2),
            access_ns: between(low.access_ns, high.access_ns),
        })
    }

    /// As [`Self::sram`]; capacities beyond the largest macro are made of equal banks, of which an access wakes one.
    /// Leakage and area are those of all banks; wires and decoders between them are left out.
    pub fn banked(&self, bytes: u64) -> Option<SramMacro> {
        let (_, largest) = self.capacities();
        let banks = bytes.div_ceil(largest).max(1);
        let bank = self.sram(bytes.div_ceil(banks))?;
        let (leakage_mw, area_mm2) = (bank.leakage_mw * banks as f64, bank.area_mm2 * banks as f64);
        Some(SramMacro { bytes, leakage_mw, area_mm2, ..bank })
    }

    /// Energy of a bit that changes on its way from the lower to the higher supply, fJ; 0 if the file does not say.
    pub fn level_shifter_fj(&self) -> f64 {
        self.level_shifter_fj
    }

    /// Energy of reading one byte of a word read whole, pJ.
    pub fn read_pj_per_byte(&self, sram: &SramMacro) -> f64 {
        sram.read_pj * 8.0 / f64::from(self.word_bits)
    }

    /// Energy of writing one byte of a word written whole, pJ.
    pub fn write_pj_per_byte(&self, sram: &SramMacro) -> f64 {
        sram.write_pj * 8.0 / f64::from(self.word_bits)
    }

    /// Smallest and largest capacity covered, bytes.
    pub fn capacities(&self) -> (u64, u64) {
        (self.macros[0].bytes, self.macros[self.macros.len() - 1].bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LSTP: &str = include_str!("../../../hwconfigs/memory/cacti7-45nm-lstp.toml");

    #[test]
    fn capacities_between_macros_lie_between_their_numbers() {
        let memory = MemoryTechnology::from_toml(LSTP).unwrap();
        assert_eq!(memory.sram(8192).unwrap().read_pj, 7.069);
        let middle = memory.sram(131_072).unwrap();
        // The geometric mean of capacities has the geometric mean of energies.
        assert!((middle.read_pj - (29.888f64 * 50.9).sqrt()).abs() < 1e-9);
        assert_eq!(memory.read_pj_per_byte(&memory.sram(8192).unwrap()), 7.069 / 8.0);
        assert_eq!((memory.sram(4096), memory.sram(1 << 21)), (None, None));
        // Three banks of a mebibyte: the energy of one, the leakage of all.
        let (bank, three) = (memory.sram(1 << 20).unwrap(), memory.banked(3 << 20).unwrap());
        assert_eq!((three.read_pj, three.leakage_mw), (bank.read_pj, 3.0 * bank.leakage_mw));
        assert_eq!((memory.banked(8192), memory.banked(4096)), (memory.sram(8192), None));
    }

    #[test]
    fn malformed_files_are_refused() {
        for (from, to) in [
            ("bytes = 65536", "bytes = 8192"),
            ("read_pj = 7.069", "read_pj = -1.0"),
            ("word_bits = 64", "word_bits = 0"),
            ("read_pj", "reed_pj"),
        ] {
            assert!(LSTP.contains(from));
            assert!(MemoryTechnology::from_toml(&LSTP.replace(from, to)).is_err(), "{to}");
        }
    }
}
