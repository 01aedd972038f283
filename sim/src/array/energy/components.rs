//! Where the joules go.

use serde::{Deserialize, Serialize};

/// Energy of an inference or a layer, µJ. Every joule stands in exactly one component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnergyComponents {
    /// Sum of the others.
    pub total: f64,
    /// Transitions inside multipliers and accumulators.
    pub mac_switching: f64,
    /// Leakage of elements in the cycles in which they multiply, registers included.
    pub mac_leakage: f64,
    /// Changing bits in the elements' registers.
    pub registers: f64,
    /// Clock of the elements' registers in the cycles in which they multiply.
    pub clock: f64,
    /// Clock and leakage of elements in all other cycles; leakage alone while they wait for memory.
    pub idle: f64,
    /// Reads and writes of the on-chip memories.
    pub sram_dynamic: f64,
    /// Leakage of the on-chip memories.
    pub sram_leakage: f64,
    /// Words to and from DRAM.
    pub dram: f64,
    /// Bits that cross from the lower supply to the higher; 0 if logic and memories share one.
    pub level_shifter: f64,
}

impl EnergyComponents {
    /// Name and value of each component, the total left out.
    pub fn parts(&self) -> [(&'static str, f64); 9] {
        [
            ("mac_switching", self.mac_switching),
            ("mac_leakage", self.mac_leakage),
            ("registers", self.registers),
            ("clock", self.clock),
            ("idle", self.idle),
            ("sram_dynamic", self.sram_dynamic),
            ("sram_leakage", self.sram_leakage),
            ("dram", self.dram),
            ("level_shifter", self.level_shifter),
        ]
    }

    /// Mean of each component; the total is again their sum.
    ///
    /// # Panics
    /// If there is nothing to average.
    pub fn mean<'a>(energies: impl IntoIterator<Item = &'a EnergyComponents>) -> Self {
        let mut mean = EnergyComponents::default();
        let mut count = 0.0;
        for energy in energies {
            mean = mean.plus(energy);
            count += 1.0;
        }
        assert!(count > 0.0, "a mean needs values");
        mean.scaled(1.0 / count).summed()
    }

    /// Layers taken together; the total is again the sum of the parts.
    pub fn sum<'a>(energies: impl IntoIterator<Item = &'a EnergyComponents>) -> Self {
        energies.into_iter().fold(EnergyComponents::default(), |sum, energy| sum.plus(energy)).summed()
    }

    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            total: 0.0,
            mac_switching: self.mac_switching + other.mac_switching,
            mac_leakage: self.mac_leakage + other.mac_leakage,
            registers: self.registers + other.registers,
            clock: self.clock + other.clock,
            idle: self.idle + other.idle,
            sram_dynamic: self.sram_dynamic + other.sram_dynamic,
            sram_leakage: self.sram_leakage + other.sram_leakage,
            dram: self.dram + other.dram,
            level_shifter: self.level_shifter + other.level_shifter,
        }
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        Self {
            total: 0.0,
            mac_switching: self.mac_switching * factor,
            mac_leakage: self.mac_leakage * factor,
            registers: self.registers * factor,
            clock: self.clock * factor,
            idle: self.idle * factor,
            sram_dynamic: self.sram_dynamic * factor,
            sram_leakage: self.sram_leakage * factor,
            dram: self.dram * factor,
            level_shifter: self.level_shifter * factor,
        }
    }

    pub(super) fn summed(mut self) -> Self {
        self.total = self.parts().iter().map(|(_, energy)| energy).sum();
        self
    }
}
