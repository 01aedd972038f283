//! Layers of any shape, with what operations cost on average.

use super::{Bytes, EnergyComponents, EnergyModel, Events, Supplies};
use crate::array::dataflow::{Operand, Sums};
use crate::array::operations::OperationMeans;
use crate::array::tiling::Tiling;
use crate::array::{ArrayError, Layer, LayerCycles, MemorySystem};

impl EnergyModel<'_> {
    /// Energy of each layer of [`SystolicArray::network_cycles`], `memory` being the one counted with.
    ///
    /// [`SystolicArray::network_cycles`]: crate::array::SystolicArray::network_cycles
    pub fn network(
        &self,
        layers: &[Layer],
        counted: &[LayerCycles],
        memory: &MemorySystem,
        operations: &OperationMeans,
        supplies: Supplies,
    ) -> Result<Vec<EnergyComponents>, ArrayError> {
        let energy = |(layer, counted): (&Layer, &LayerCycles)| {
            let events = self.events(layer, counted, memory, operations)?;
            Ok(self.energy(&events, &operations.element, supplies))
        };
        layers.iter().zip(counted).map(energy).collect()
    }

    pub(super) fn events(
        &self,
        layer: &Layer,
        counted: &LayerCycles,
        memory: &MemorySystem,
        operations: &OperationMeans,
    ) -> Result<Events, ArrayError> {
        let activity = self.array.activity(layer)?;
        let results = layer.output_count().ok_or_else(|| layer.overflow())? as f64;
        let activation_bytes = memory.activation_bits.get() as f64 / 8.0;
        let weight_bytes = memory.weight_bits.get() as f64 / 8.0;
        let sum_bytes = f64::from(self.array.accumulator_bits().div_ceil(8));
        let (sram, dram) = (counted.sram, counted.dram);
        // What does not go to DRAM waits in the input memory for the next layer.
        let kept = if dram.output_writes == 0 { results } else { 0.0 };
        let mut events = Events {
            activity,
            cycles: counted.cycles,
            stall_cycles: counted.stall_cycles,
            multiplier_fj: 0.0,
            input: Bytes {
                read: sram.input_reads as f64 * activation_bytes,
                written: kept * activation_bytes,
                filled: dram.input_reads as f64 * activation_bytes,
                spilled: 0.0,
            },
            weight: Bytes {
                read: sram.weight_reads as f64 * weight_bytes,
                filled: dram.weight_reads as f64 * weight_bytes,
                ..Bytes::default()
            },
            partial_sum: Bytes {
                // Complete sums are read once more, to become activations.
                read: (sram.partial_sum_reads as f64 + results) * sum_bytes,
                written: sram.output_writes as f64 * sum_bytes,
                spilled: dram.partial_sum_writes as f64 * sum_bytes,
                filled: dram.partial_sum_reads as f64 * sum_bytes,
            },
            dram_bits: dram.bits(self.array, memory) as f64,
        };
        events.multiplier_fj = self.multiplier_fj(&events, &self.array.tiling(layer)?, operations);
        Ok(events)
    }

    /// Switching of all multipliers in a layer: from product to product, at the ends of each fold, while the held
    /// operand is loaded through elements at rest, and where what moves passes elements without work.
    fn multiplier_fj(&self, events: &Events, tiling: &Tiling, operations: &OperationMeans) -> f64 {
        let mapping = self.array.dataflow().mapping();
        let sums = mapping.sums();
        let active = events.activity.active as f64;
        let sequences = active / tiling.extent.steps as f64;
        let writes = events.activity.register_writes;
        let (input, weight) = (writes.input as f64, writes.weight as f64);
        let double_buffering = self.array.double_buffering();
        let follow_each_other = double_buffering && tiling.extent.steps >= tiling.rows;
        // The held operand changes behind the zeros that come between short folds, together with the one that moves.
        let held_fj = match (double_buffering, sums, mapping.row_operand()) {
            (false, ..) | (_, Sums::Stationary, _) => 0.0,
            (_, Sums::Moving, Operand::Input) => operations.weight_alone_fj,
            (_, Sums::Moving, Operand::Weight) => operations.activation_alone_fj,
        };
        let ends_fj =
            if follow_each_other { operations.swap_fj } else { operations.start_fj + operations.end_fj + held_fj };
        let loads = if double_buffering { 0.0 } else { 1.0 };
        // Captures of each operand by registers in front of a multiplier whose other operand is zero.
        let (activations_alone, weights_alone) = match (sums, mapping.row_operand()) {
            (Sums::Stationary, _) => (input - active, weight - active),
            (Sums::Moving, Operand::Input) => (input - active, weight * loads),
            (Sums::Moving, Operand::Weight) => (input * loads, weight - active),
        };
        (active - sequences) * operations.step_fj
            + sequences * ends_fj
            + activations_alone * operations.activation_alone_fj
            + weights_alone * operations.weight_alone_fj
    }
}
