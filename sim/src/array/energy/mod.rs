//! From what happens in a layer to joules: events times the energy of each.
//!
//! Left out: the clock tree beyond the registers' pins, the sequencer, addresses, wires between elements and between
//! the banks of a memory; the zero detectors of data gating (the bits they hold count as flip-flops); what delays short paths so
//! that a shadow register can sample later; codes of weights that are stored in another format than they are multiplied in, which
//! one converter a column would take. Memories are taken to be pipelined where an access takes longer than a clock period.

mod components;
mod inference;
mod network;

pub use components::EnergyComponents;
pub use inference::{Arrivals, InferenceCost, LayerWork};

use super::accumulator::Accumulator;
use super::activity::Activity;
use super::dataflow::{Operand, Sums};
use super::element::ElementMeans;
use super::{MemorySystem, OnTimingError, SystolicArray};
use crate::memory::{MemoryTechnology, Overhead, SramMacro};
use crate::technology::{Physical, SupplyOutOfRange, Technology};
use crate::units::Volts;
use std::cmp::Ordering;

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

/// A memory that a technology cannot make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {bytes} bytes: {technology} has none under {smallest} bytes; choose a larger one")]
pub struct NoSuchMemory {
    what: &'static str,
    bytes: u64,
    technology: String,
    smallest: u64,
}

impl Memories {
    /// The on-chip memories of `system`, made in `technology`.
    pub fn new(system: &MemorySystem, technology: MemoryTechnology) -> Result<Self, NoSuchMemory> {
        let sram = |kib: std::num::NonZeroU64, what| {
            let bytes = kib.get().saturating_mul(1024);
            technology.banked(bytes).ok_or_else(|| {
                let (smallest, _) = technology.capacities();
                NoSuchMemory { what, bytes, technology: technology.name().to_owned(), smallest }
            })
        };
        Ok(Self {
            input: sram(system.input_sram_kib, "an input memory")?,
            weight: sram(system.weight_sram_kib, "a weight memory")?,
            partial_sum: sram(system.output_sram_kib, "an output memory")?,
            technology,
        })
    }
}

/// Where an on-chip memory runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemorySupply {
    /// Its supply.
    pub supply: Volts,
    /// What its protection costs.
    pub overhead: Overhead,
}

impl MemorySupply {
    /// A memory without protection.
    pub fn unprotected(supply: Volts) -> Self {
        Self { supply, overhead: Overhead::NONE }
    }
}

/// Supplies of the array and of the memories, and what else decides what memories cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Supplies {
    /// Of the array's elements.
    pub logic: Volts,
    /// Of the memory for activations.
    pub input: MemorySupply,
    /// Of the weight memory.
    pub weight: MemorySupply,
    /// Of the memory for partial sums.
    pub partial_sum: MemorySupply,
    /// Leakage of all memories over what their macros have, as temperature changes it.
    pub sram_leakage: f64,
}

impl Supplies {
    /// All memories at one supply, unprotected, at the temperature of their macros' data.
    pub fn new(logic: Volts, sram: Volts) -> Self {
        let memory = MemorySupply::unprotected(sram);
        Self { logic, input: memory, weight: memory, partial_sum: memory, sram_leakage: 1.0 }
    }
}

/// The machine whose energy is counted; its parts are described at nominal supply.
#[derive(Clone, Copy, Debug)]
pub struct EnergyModel<'a> {
    /// Geometry and timing.
    pub array: &'a SystolicArray,
    /// Cells and laws over voltage.
    pub technology: &'a Technology,
    /// The multiplier of every element.
    pub multiplier: &'a Physical,
    /// The accumulator of every element, made for this array and multiplier.
    pub accumulator: &'a Accumulator,
    /// On-chip memories, at their own nominal supply.
    pub memories: &'a Memories,
    /// Clock period, ps.
    pub clock_ps: f64,
}

/// Bytes through one on-chip memory.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    /// To and from the array's side, which has the logic's supply.
    read: f64,
    written: f64,
    /// To and from DRAM.
    spilled: f64,
    filled: f64,
}

/// What happens in a layer.
#[derive(Clone, Copy, Debug, Default)]
struct Events {
    activity: Activity,
    /// Cycles, and those of them in which the array waits with its clock stopped.
    cycles: u64,
    stall_cycles: u64,
    /// Switching of the multipliers, fJ at nominal supply.
    multiplier_fj: f64,
    input: Bytes,
    weight: Bytes,
    partial_sum: Bytes,
    dram_bits: f64,
}

/// Share of the bits of a word that differ from the word before it, words being unrelated.
const CHANGED_BITS: f64 = 0.5;
/// fJ in a µJ and pJ in a µJ.
const FJ: f64 = 1e-9;
const PJ: f64 = 1e-6;

impl EnergyModel<'_> {
    /// Energy of what happens, µJ.
    fn energy(&self, events: &Events, means: &ElementMeans, supplies: Supplies) -> EnergyComponents {
        let (technology, activity) = (self.technology, events.activity);
        let switching = technology.switching_factor(supplies.logic);
        let flip_flop = technology.flip_flop();
        let flip_flops = self.flip_flops();
        let pin = flip_flop.clock_capacitance_ff * technology.nominal_supply().0.powi(2);
        let clock_fj = flip_flops * (flip_flop.clock_energy_fj + pin) * switching;
        let gates = self.multiplier.leakage + self.accumulator.leakage();
        let leakage_nw = gates.0 + flip_flops * flip_flop.leakage_nw;
        let leakage_fj = leakage_nw * technology.leakage_factor(supplies.logic) * self.clock_ps * 1e-6;

        let active = activity.active as f64;
        let idle = (activity.bubble + activity.unmapped) as f64;
        let waiting = events.stall_cycles as f64 * self.array.elements() as f64;
        let writes = activity.register_writes;
        let changed_bits = writes.input as f64 * means.activation_toggles
            + writes.weight as f64 * means.weight_toggles
            + writes.product as f64 * means.product_toggles * self.product_registers()
            + writes.partial_sum as f64 * means.partial_sum_toggles;
        let (sram_dynamic, sram_leakage_mw, level_shifter) = self.sram(events, supplies);
        EnergyComponents {
            mac_switching: (events.multiplier_fj + active * means.accumulate_fj) * switching * FJ,
            mac_leakage: active * leakage_fj * FJ,
            registers: changed_bits * flip_flop.data_energy_fj * switching * FJ,
            clock: active * clock_fj * FJ,
            idle: (idle * (clock_fj + leakage_fj) + waiting * leakage_fj) * FJ,
            sram_dynamic,
            // mW · µs = nJ.
            sram_leakage: sram_leakage_mw * self.latency_us(events.cycles) * 1e-3,
            dram: events.dram_bits * self.memories.technology.dram_pj_per_bit() * PJ,
            level_shifter,
            total: 0.0,
        }
        .summed()
    }

    /// Dynamic energy of the memories in µJ, their leakage in mW, and energy of the crossings to and from them in µJ.
    fn sram(&self, events: &Events, supplies: Supplies) -> (f64, f64, f64) {
        let technology = &self.memories.technology;
        let nominal = Volts(technology.nominal_supply_v());
        let memories = [
            (&self.memories.input, events.input, supplies.input),
            (&self.memories.weight, events.weight, supplies.weight),
            (&self.memories.partial_sum, events.partial_sum, supplies.partial_sum),
        ];
        let (mut dynamic_pj, mut leakage_mw, mut crossing) = (0.0, 0.0, 0.0);
        for (sram, bytes, MemorySupply { supply, overhead }) in memories {
            let accesses_pj = (bytes.read + bytes.spilled) * technology.read_pj_per_byte(sram)
                + (bytes.written + bytes.filled) * technology.write_pj_per_byte(sram);
            dynamic_pj += accesses_pj * (supply / nominal).powi(2) * overhead.energy;
            let leakage_factor = self.technology.leakage_factor(supply) / self.technology.leakage_factor(nominal);
            leakage_mw += sram.leakage_mw * leakage_factor * supplies.sram_leakage * overhead.area;
            // Only towards the higher supply does a signal need a shifter.
            crossing += match supplies.logic.0.total_cmp(&supply.0) {
                Ordering::Less => bytes.written,
                Ordering::Greater => bytes.read,
                Ordering::Equal => 0.0,
            };
        }
        let level_shifter = crossing * 8.0 * CHANGED_BITS * technology.level_shifter_fj() * FJ;
        (dynamic_pj * PJ, leakage_mw, level_shifter)
    }

    /// Clock periods that an access of one of its memories takes at a supply; delays of memories are taken to grow as those of
    /// logic do.
    pub fn access_cycles(&self, sram: &SramMacro, supply: Volts) -> Result<f64, SupplyOutOfRange> {
        let nominal = Volts(self.memories.technology.nominal_supply_v());
        let slowdown = self.technology.slowdown(supply)? / self.technology.slowdown(nominal)?;
        Ok(sram.access_ns * 1e3 * slowdown / self.clock_ps)
    }

    /// Time of so many cycles, µs.
    fn latency_us(&self, cycles: u64) -> f64 {
        cycles as f64 * self.clock_ps * 1e-6
    }

    /// Registers that hold each product.
    fn product_registers(&self) -> f64 {
        if self.array.on_timing_error() == OnTimingError::Drop { 2.0 } else { 1.0 }
    }

    /// Register bits of an element: every register has a bit that says whether it holds something.
    fn flip_flops(&self) -> f64 {
        let coding = self.accumulator.coding();
        let [activation, weight] = coding.operand_bits();
        let (product, sum) = (coding.product_bits(), self.array.accumulator_bits());
        let mapping = self.array.dataflow().mapping();
        let second = match (mapping.sums(), mapping.row_operand()) {
            (Sums::Stationary, _) => sum + 1,
            (Sums::Moving, Operand::Input) => weight + 1,
            (Sums::Moving, Operand::Weight) => activation + 1,
        };
        let options = [
            (self.array.double_buffering(), second),
            (self.array.product_register(), product + 1),
            // What the multiplier saw last.
            (self.array.data_gating(), activation + weight),
            // The shadow register.
            (self.array.on_timing_error() == OnTimingError::Drop, product),
        ];
        let optional: u32 = options.into_iter().filter(|(present, _)| *present).map(|(_, bits)| bits).sum();
        f64::from((activation + 1) + (weight + 1) + (sum + 1) + optional)
    }
}

#[cfg(test)]
mod tests;
