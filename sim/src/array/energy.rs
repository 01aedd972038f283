//! Where the joules of an inference go.

use super::element::{Accumulator, ElementMeans};
use super::{ArrayError, Gemm, Layer, SystolicArray};
use crate::memory::{MemoryTechnology, SramMacro};
use crate::technology::{Physical, Technology};
use crate::units::Volts;
use serde::{Deserialize, Serialize};

/// Energy of one inference, µJ. Every joule stands in exactly one component.
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
    /// Clock and leakage of elements in all other cycles.
    pub idle: f64,
    /// Reads and writes of the on-chip memories.
    pub sram_dynamic: f64,
    /// Leakage of the on-chip memories.
    pub sram_leakage: f64,
    /// Tensors that do not fit on chip.
    pub dram: f64,
    /// Crossings between supplies; 0 as long as logic drives the memories directly.
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

    fn plus(self, other: &Self) -> Self {
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

    fn scaled(self, factor: f64) -> Self {
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

    fn summed(mut self) -> Self {
        self.total = self.parts().iter().map(|(_, energy)| energy).sum();
        self
    }
}

/// The memories beside the array.
#[derive(Clone, Debug, PartialEq)]
pub struct Memories {
    /// Activations, in and out.
    pub input: SramMacro,
    /// Weights.
    pub weight: SramMacro,
    /// Partial sums.
    pub partial_sum: SramMacro,
    /// What they are made of.
    pub technology: MemoryTechnology,
}

/// The machine whose energy is counted, at nominal supply.
#[derive(Clone, Copy, Debug)]
pub struct EnergyModel<'a> {
    /// Geometry and timing.
    pub array: &'a SystolicArray,
    /// Cells and laws over voltage.
    pub technology: &'a Technology,
    /// The multiplier of every element.
    pub multiplier: &'a Physical,
    /// The accumulator of every element.
    pub accumulator: &'a Accumulator,
    /// On-chip memories, at their own nominal supply.
    pub memories: &'a Memories,
    /// Bits of a product.
    pub product_bits: u32,
    /// Clock period, ps.
    pub clock_ps: f64,
}

/// A layer's work per batch and what its operands did.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWork {
    /// Name.
    pub name: String,
    /// Activations in.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Switching energy of the layer's multipliers an image, fJ at nominal supply.
    pub multiplier_fj: f64,
    /// Means over multiply-accumulates.
    pub means: ElementMeans,
}

/// Cycles and energy of one inference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InferenceCost {
    /// Cycles an image (those of a batch over its images).
    pub cycles: f64,
    /// Time an image, µs.
    pub latency_us: f64,
    /// Energy an image.
    pub energy: EnergyComponents,
}

const ACTIVATION_BITS: f64 = 8.0;
const WEIGHT_BITS: f64 = 8.0;

impl EnergyModel<'_> {
    /// Cost of an image when `batch` images stream through each fold, logic supplied with `supply`.
    pub fn inference(&self, layers: &[LayerWork], batch: u64, supply: Volts) -> Result<InferenceCost, ArrayError> {
        let mut cost = InferenceCost::default();
        for layer in layers {
            let layer = self.layer(layer, batch, supply)?;
            cost.cycles += layer.cycles;
            cost.latency_us += layer.latency_us;
            cost.energy = cost.energy.plus(&layer.energy);
        }
        let memories = self.memories;
        let weights: u64 = layers.iter().map(|layer| (layer.inputs * layer.outputs) as u64).sum();
        if weights > memories.weight.bytes {
            // Fetched anew for every batch.
            cost.energy.dram = weights as f64 * 8.0 * memories.technology.dram_pj_per_bit() * 1e-6 / batch as f64;
        }
        cost.energy = cost.energy.summed();
        Ok(cost)
    }

    /// Cost of one layer for an image.
    pub fn layer(&self, work: &LayerWork, batch: u64, supply: Volts) -> Result<InferenceCost, ArrayError> {
        let (inputs, outputs) = (work.inputs as u64, work.outputs as u64);
        let layer = Layer::new(work.name.clone(), Gemm::new(batch, outputs, inputs)?);
        let cycles = self.array.layer_cycles(&layer)?;
        let activity = self.array.activity(&layer)?;
        let images = batch as f64;
        let switching = self.technology.switching_factor(supply);
        let leakage = self.technology.leakage_factor(supply);
        // fJ a batch → µJ an image.
        let per_image = 1e-9 / images;

        let flip_flop = self.technology.flip_flop();
        let accumulator_bits = f64::from(self.array.accumulator_bits());
        let product_bits = if self.array.product_register() { f64::from(self.product_bits) } else { 0.0 };
        let weight_registers = if self.array.double_buffering() { 2.0 } else { 1.0 };
        let flip_flops = ACTIVATION_BITS + weight_registers * WEIGHT_BITS + product_bits + accumulator_bits;
        let pin = flip_flop.clock_capacitance_ff * self.technology.nominal_supply().0.powi(2);
        let clock_fj = flip_flops * (flip_flop.clock_energy_fj + pin) * switching;
        let gates = self.multiplier.leakage + self.accumulator.physical.leakage;
        let leakage_nw = gates.0 + flip_flops * flip_flop.leakage_nw;
        let leakage_fj = leakage_nw * leakage * self.clock_ps * 1e-6;

        let active = activity.active as f64;
        let idle = (activity.bubble + activity.unmapped) as f64;
        let writes = activity.register_writes;
        let means = &work.means;
        let changed_bits = writes.input as f64 * means.activation_toggles
            + writes.weight as f64 * means.weight_toggles
            + writes.product as f64 * means.product_toggles
            + writes.partial_sum as f64 * means.partial_sum_toggles;

        let memories = self.memories;
        let read = |sram: &SramMacro, bytes: f64| bytes * memories.technology.read_pj_per_byte(sram);
        let write = |sram: &SramMacro, bytes: f64| bytes * memories.technology.write_pj_per_byte(sram);
        let sum_bytes = (accumulator_bits / 8.0).ceil();
        let traffic = cycles.sram;
        // Images arrive in the input memory, and each layer writes its activations back there.
        let arriving = (batch * inputs) as f64;
        let sram_pj = write(&memories.input, arriving)
            + read(&memories.input, traffic.input_reads as f64)
            + read(&memories.weight, traffic.weight_reads as f64)
            + write(&memories.partial_sum, traffic.output_writes as f64 * sum_bytes)
            + read(&memories.partial_sum, traffic.partial_sum_reads as f64 * sum_bytes);
        let sram_leakage_mw =
            memories.input.leakage_mw + memories.weight.leakage_mw + memories.partial_sum.leakage_mw;
        let latency_us = cycles.cycles as f64 * self.clock_ps * 1e-6 / images;

        let energy = EnergyComponents {
            mac_switching: (work.multiplier_fj + (inputs * outputs) as f64 * means.accumulate_fj) * switching * 1e-9,
            mac_leakage: active * leakage_fj * per_image,
            registers: changed_bits * flip_flop.data_energy_fj * switching * per_image,
            clock: active * clock_fj * per_image,
            idle: idle * (clock_fj + leakage_fj) * per_image,
            sram_dynamic: sram_pj * 1e3 * per_image,
            sram_leakage: sram_leakage_mw * latency_us * 1e-3,
            ..EnergyComponents::default()
        };
        Ok(InferenceCost { cycles: cycles.cycles as f64 / images, latency_us, energy: energy.summed() })
    }
}
