//! Energy of an access and leakage of a macro, over capacity and temperature.

use crate::units::Volts;
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
/// Invariant: at least one macro, capacities strictly ascending, every number positive or zero; off-currents above zero, at
/// strictly ascending temperatures.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryTechnology {
    name: String,
    nominal_supply_v: f64,
    word_bits: u32,
    dram_pj_per_bit: f64,
    level_shifter_fj: f64,
    node_nm: Option<f64>,
    leakage: Option<LeakageTemperature>,
    macros: Vec<SramMacro>,
}

/// How leakage grows with temperature.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeakageTemperature {
    /// Temperature that the macros' leakage holds at, K.
    characterized_k: f64,
    /// Temperatures, K, growing.
    temperature_k: Vec<f64>,
    /// A transistor's off-current at each, in any unit.
    off_current: Vec<f64>,
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
    node_nm: Option<f64>,
    leakage: Option<LeakageTemperature>,
    macros: Vec<SramMacro>,
}

/// Why a memory or fault file was refused, and where.
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
        let file: File = toml::from_str(text)?;
        let refused = |message: String| Err(MemoryError::refused(message));
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
        if let Some(problem) = file.leakage.as_ref().and_then(LeakageTemperature::problem) {
            return refused(problem);
        }
        let File { name, nominal_supply_v, word_bits, dram_pj_per_bit, level_shifter_fj, node_nm, leakage, macros } =
            file;
        Ok(Self { name, nominal_supply_v, word_bits, dram_pj_per_bit, level_shifter_fj, node_nm, leakage, macros })
    }

    /// Name, as configurations use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Supply the numbers hold at, V.
    pub fn nominal_supply_v(&self) -> f64 {
        self.nominal_supply_v
    }

    /// Technology node, nm, if the file says.
    pub fn node_nm(&self) -> Option<f64> {
        self.node_nm
    }

    /// Leakage at a temperature over the leakage that macros have, as off-currents grow with temperature; between the
    /// temperatures given their logarithm is taken to be linear. Refused outside them, or if the file has none.
    pub fn leakage_temperature_factor(&self, celsius: f64) -> Result<f64, MemoryError> {
        let refused = |message: String| Err(MemoryError::refused(message));
        let Some(leakage) = &self.leakage else {
            return refused(format!("{} has no table [leakage]; add one or leave out temperature_c", self.name));
        };
        let kelvin = celsius + 273.15;
        match (leakage.off_current(kelvin), leakage.off_current(leakage.characterized_k)) {
            (Some(current), Some(characterized)) => Ok(current / characterized),
            _ => {
                let last = leakage.temperature_k.len() - 1;
                let [low, high] =
                    [leakage.temperature_k[0], leakage.temperature_k[last]].map(|kelvin| kelvin - 273.15);
                refused(format!("{celsius} °C; leakage of {} is known from {low:.2} to {high:.2} °C", self.name))
            }
        }
    }

    /// `Err` if `supply` is not one that the memories can be run at: above 0 and at most nominal.
    pub fn check_supply(&self, supply: Volts) -> Result<(), MemoryError> {
        if supply.0 > 0.0 && supply.0 <= self.nominal_supply_v {
            return Ok(());
        }
        let message =
            format!("a memory supply of {supply}; {} has supplies up to {} V", self.name, self.nominal_supply_v);
        Err(MemoryError::refused(message))
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

impl MemoryError {
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None }
    }
}

impl From<toml::de::Error> for MemoryError {
    fn from(error: toml::de::Error) -> Self {
        Self { message: error.message().to_owned(), span: error.span() }
    }
}

impl LeakageTemperature {
    fn problem(&self) -> Option<String> {
        let Self { characterized_k, temperature_k, off_current } = self;
        let positive = |values: &[f64]| values.iter().all(|value| value.is_finite() && *value > 0.0);
        let sound = temperature_k.len() == off_current.len()
            && temperature_k.len() >= 2
            && temperature_k.is_sorted_by(|a, b| a < b)
            && positive(temperature_k)
            && positive(off_current)
            && self.off_current(*characterized_k).is_some();
        (!sound).then(|| {
            "leakage needs two or more growing temperature_k around characterized_k and as many off_current above 0"
                .to_owned()
        })
    }

    /// `None` outside the temperatures given.
    fn off_current(&self, kelvin: f64) -> Option<f64> {
        let [first, .., last] = self.temperature_k[..] else { return None };
        if !(first..=last).contains(&kelvin) {
            return None;
        }
        let upper = self.temperature_k.partition_point(|t| *t < kelvin).max(1);
        let [low, high] = [upper - 1, upper].map(|index| (self.temperature_k[index], self.off_current[index].ln()));
        Some((low.1 + (kelvin - low.0) / (high.0 - low.0) * (high.1 - low.1)).exp())
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
    fn leakage_follows_off_currents_over_temperature() {
        let memory = MemoryTechnology::from_toml(LSTP).unwrap();
        // Macros hold at 350 K; 9.02e-11 there, 1.01e-11 A/µm at 300 K.
        assert!((memory.leakage_temperature_factor(350.0 - 273.15).unwrap() - 1.0).abs() < 1e-12);
        assert!((memory.leakage_temperature_factor(300.0 - 273.15).unwrap() - 1.01 / 9.02).abs() < 1e-9);
        // Independently, subthreshold current: T² exp(−Vth / (n kT/q)) with Vth = 0.502 V and n = 1.5, within a quarter.
        for celsius in [27.0, 40.0, 60.0, 100.0] {
            let subthreshold = |kelvin: f64| kelvin.powi(2) * (-0.502 / (1.5 * 8.617e-5 * kelvin)).exp();
            let expected = subthreshold(celsius + 273.15) / subthreshold(350.0);
            let ratio = memory.leakage_temperature_factor(celsius).unwrap() / expected;
            assert!((0.75..1.33).contains(&ratio), "{celsius}: {ratio}");
        }
        for celsius in [-40.0, 200.0, f64::NAN] {
            assert!(memory.leakage_temperature_factor(celsius).is_err());
        }
    }

    #[test]
    fn supplies_above_nominal_are_refused() {
        let memory = MemoryTechnology::from_toml(LSTP).unwrap();
        assert_eq!(memory.check_supply(Volts(1.1)), Ok(()));
        for supply in [1.11, 0.0, -0.5, f64::NAN] {
            let error = memory.check_supply(Volts(supply)).unwrap_err().message;
            assert!(error.contains("up to 1.1 V"), "{error}");
        }
    }

    #[test]
    fn malformed_files_are_refused() {
        for (from, to) in [
            ("bytes = 65536", "bytes = 8192"),
            ("read_pj = 7.069", "read_pj = -1.0"),
            ("word_bits = 64", "word_bits = 0"),
            ("read_pj", "reed_pj"),
            ("characterized_k = 350", "characterized_k = 450"),
            ("off_current = [1.01e-11", "off_current = [-1.01e-11"),
        ] {
            assert!(LSTP.contains(from));
            assert!(MemoryTechnology::from_toml(&LSTP.replace(from, to)).is_err(), "{to}");
        }
    }
}
