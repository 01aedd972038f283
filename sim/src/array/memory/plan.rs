//! How a layer uses the memories, fold by fold.

use super::{DramTraffic, MemorySystem, bits_of};
use crate::array::dataflow::{Operand, Reuse, Schedule, Sums};
use crate::array::gemm::{product, sum};
use crate::array::tiling::{Fold, Tiling};
use crate::array::{Layer, SystolicArray};
use std::num::NonZeroU64;

/// How one operand of a layer gets onto the chip.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supply {
    /// Words of a group.
    words: u64,
    /// Bits of a word.
    bits: u64,
    pub(super) reuse: Reuse,
    /// Whether it stays until it is no longer needed.
    pub(super) stays: bool,
    /// Whether it is there from the beginning.
    present: bool,
}

impl Supply {
    fn new(words: u64, bits: u64, sram: NonZeroU64, reuse: Reuse, tiling: &Tiling, present: bool) -> Option<Self> {
        let needed_again = match reuse {
            Reuse::None => 0,
            Reuse::AcrossColumns => words,
            Reuse::AcrossRows => share(words, tiling.columns.min(tiling.extent.columns), tiling.extent.columns)?,
        };
        let stays = product([needed_again, bits]).is_some_and(|bits| bits <= bits_of(sram) / 2);
        Some(Self { words, bits, reuse, stays, present })
    }

    /// Bits to be fetched for a fold.
    fn fetched(&self, tiling: &Tiling, fold: &Fold) -> Option<u64> {
        let (rows, columns) = (tiling.extent.rows, tiling.extent.columns);
        let words = match self.reuse {
            _ if self.present => 0,
            Reuse::AcrossColumns if self.stays && fold.column_offset > 0 => 0,
            Reuse::AcrossRows if self.stays && fold.row_offset > 0 => 0,
            Reuse::None => share(share(self.words, fold.rows, rows)?, fold.columns, columns)?,
            Reuse::AcrossColumns => share(self.words, fold.rows, rows)?,
            Reuse::AcrossRows => share(self.words, fold.columns, columns)?,
        };
        product([words, self.bits])
    }

    /// Words fetched in all.
    fn total(&self, tiling: &Tiling) -> Option<u64> {
        let passes = match self.reuse {
            _ if self.present => 0,
            Reuse::AcrossColumns if !self.stays => tiling.column_folds,
            Reuse::AcrossRows if !self.stays => tiling.row_folds,
            _ => 1,
        };
        product([tiling.groups, self.words, passes])
    }
}

/// ⌈whole · part / of⌉; overlapping windows do not divide evenly.
fn share(whole: u64, part: u64, of: u64) -> Option<u64> {
    u64::try_from((u128::from(whole) * u128::from(part)).div_ceil(of.into())).ok()
}

/// A layer on these memories.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    memory: &'a MemorySystem,
    accumulator_bits: u64,
    pub(super) tiling: Tiling,
    schedule: Schedule,
    pub(super) sums: Sums,
    row_operand: Operand,
    pub(super) input: Supply,
    pub(super) weight: Supply,
    /// Results of a group.
    outputs: u64,
    /// Whether partial sums go to DRAM.
    pub(super) spills: bool,
    /// Whether results stay on chip.
    pub(super) keeps_results: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        array: &SystolicArray,
        memory: &'a MemorySystem,
        layer: &Layer,
        tiling: Tiling,
        has_inputs: bool,
        keeps_results: bool,
    ) -> Option<Self> {
        let mapping = array.dataflow().mapping();
        let gemm = layer.gemm();
        let (inputs, weights) = (layer.input_count()? / layer.groups(), product([gemm.k(), gemm.n()])?);
        let (input, weight) = (mapping.reuse(Operand::Input), mapping.reuse(Operand::Weight));
        let (activation_bits, weight_bits) = (memory.activation_bits.get(), memory.weight_bits.get());
        let accumulator_bits = array.accumulator_bits().into();
        let column = product([tiling.extent.steps, tiling.columns.min(tiling.extent.columns), accumulator_bits]);
        let too_many_sums = column.is_none_or(|bits| bits > bits_of(memory.output_sram_kib) / 2);
        Some(Self {
            memory,
            accumulator_bits,
            tiling,
            schedule: array.schedule(&tiling)?,
            sums: mapping.sums(),
            row_operand: mapping.row_operand(),
            input: Supply::new(inputs, activation_bits, memory.input_sram_kib, input, &tiling, has_inputs)?,
            weight: Supply::new(weights, weight_bits, memory.weight_sram_kib, weight, &tiling, false)?,
            outputs: product([gemm.m(), gemm.n()])?,
            spills: mapping.sums() == Sums::Moving && too_many_sums,
            keeps_results,
        })
    }

    /// Words from and to DRAM.
    pub(super) fn traffic(&self) -> Option<DramTraffic> {
        let outputs = product([self.tiling.groups, self.outputs])?;
        let spilled = if self.spills { product([outputs, self.tiling.row_folds - 1])? } else { 0 };
        Some(DramTraffic {
            input_reads: self.input.total(&self.tiling)?,
            weight_reads: self.weight.total(&self.tiling)?,
            output_writes: if self.keeps_results { 0 } else { outputs },
            partial_sum_writes: spilled,
            partial_sum_reads: spilled,
        })
    }

    /// Cycles the array waits: before the first fold, between folds and until the last results are written.
    pub(super) fn stall_cycles(&self) -> Option<u64> {
        let Tiling { groups, column_folds, row_folds, folds, .. } = self.tiling;
        let first = self.port_cycles(self.fetched(0)?, 0)?;
        let last = self.port_cycles(0, self.written(folds - 1)?)?;
        let mut stalls = first.checked_add(last)?;
        // Slots far from any edge of the layer are all alike, so a few stand for all.
        for (group, group_count) in representatives(groups) {
            for (column_fold, column_count) in representatives(column_folds) {
                for (row_fold, row_count) in representatives(row_folds) {
                    let slot = (group * column_folds + column_fold) * row_folds + row_fold;
                    let waits = product([self.slot_stall(slot)?, group_count, column_count, row_count])?;
                    stalls = stalls.checked_add(waits)?;
                }
            }
        }
        Some(stalls)
    }

    /// Cycles the busiest port of an on-chip memory needs for a fold.
    fn sram_cycles(&self, index: u64) -> Option<u64> {
        let (memory, fold, steps) = (self.memory, self.tiling.fold(index), self.tiling.extent.steps);
        let along_rows = product([steps, fold.rows])?;
        let (along_columns, sums) = match self.sums {
            Sums::Stationary => (product([steps, fold.columns])?, fold.elements()),
            // All but the first folds of a sum read what the ones before have left.
            Sums::Moving => {
                (fold.elements(), product([steps, fold.columns, if fold.row_offset > 0 { 2 } else { 1 }])?)
            }
        };
        let (inputs, weights) = match self.row_operand {
            Operand::Input => (along_rows, along_columns),
            Operand::Weight => (along_columns, along_rows),
        };
        [
            (inputs, memory.activation_bits.get(), memory.input_sram_bits_per_cycle),
            (weights, memory.weight_bits.get(), memory.weight_sram_bits_per_cycle),
            (sums, self.accumulator_bits, memory.output_sram_bits_per_cycle),
        ]
        .into_iter()
        .try_fold(0, |most: u64, (words, bits, port)| {
            let busy = port.map_or(Some(0), |port| Some(product([words, bits])?.div_ceil(port.get())))?;
            Some(most.max(busy))
        })
    }

    /// Cycles the array waits at the end of fold `slot`.
    fn slot_stall(&self, slot: u64) -> Option<u64> {
        let last = slot + 1 == self.tiling.folds;
        let work = if last { self.schedule.lead.checked_add(self.schedule.tail)? } else { self.schedule.period };
        let fetched = if last { 0 } else { self.fetched(slot + 1)? };
        let written = if slot == 0 { 0 } else { self.written(slot - 1)? };
        let busy = self.port_cycles(fetched, written)?.max(self.sram_cycles(slot)?);
        Some(busy.saturating_sub(work))
    }

    /// Cycles the DRAM port is busy.
    fn port_cycles(&self, fetched_bits: u64, written_bits: u64) -> Option<u64> {
        let latency = if fetched_bits > 0 { self.memory.dram_latency_cycles } else { 0 };
        let burst = self.memory.dram_burst_bits.get();
        let bits =
            sum([fetched_bits.checked_next_multiple_of(burst)?, written_bits.checked_next_multiple_of(burst)?])?;
        latency.checked_add(self.memory.dram_bits_per_cycle.map_or(0, |width| bits.div_ceil(width.get())))
    }

    /// Bits a fold needs that are not on chip.
    fn fetched(&self, index: u64) -> Option<u64> {
        let fold = self.tiling.fold(index);
        let partial_sums = if self.spills && fold.row_offset > 0 { self.partial_sum_bits(&fold)? } else { 0 };
        sum([self.input.fetched(&self.tiling, &fold)?, self.weight.fetched(&self.tiling, &fold)?, partial_sums])
    }

    /// Bits a fold leaves that do not stay on chip.
    fn written(&self, index: u64) -> Option<u64> {
        let fold = self.tiling.fold(index);
        let complete = self.sums == Sums::Stationary || fold.row_offset + fold.rows == self.tiling.extent.rows;
        let result_bits = self.memory.activation_bits.get();
        match (complete, self.sums) {
            (true, _) if self.keeps_results => Some(0),
            (true, Sums::Stationary) => product([fold.elements(), result_bits]),
            (true, Sums::Moving) => product([self.tiling.extent.steps, fold.columns, result_bits]),
            (false, _) if self.spills => self.partial_sum_bits(&fold),
            (false, _) => Some(0),
        }
    }

    fn partial_sum_bits(&self, fold: &Fold) -> Option<u64> {
        product([self.tiling.extent.steps, fold.columns, self.accumulator_bits])
    }
}

/// Positions of `0..count` with how many each stands for: those within two of an end for themselves, one for the rest.
fn representatives(count: u64) -> impl Iterator<Item = (u64, u64)> {
    let ends = (0..count.min(2)).chain(count.saturating_sub(2).max(2)..count).map(|position| (position, 1));
    let between = if count > 4 { Some((2, count - 4)) } else { None };
    ends.chain(between)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::array::{Dataflow, Gemm};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::collections::HashSet;

    /// A layer, an array and memories of which some are too small.
    pub(in crate::array::memory) fn random_plan(random: &mut ChaCha8Rng) -> (SystolicArray, Layer, MemorySystem) {
        let dataflow = Dataflow::ALL[random.random_range(0..3)];
        let array = SystolicArray::new(random.random_range(1..=6), random.random_range(1..=6), dataflow).unwrap();
        let array = array.with_double_buffering(random.random());
        let mut size = || random.random_range(1..=40);
        let gemm = Gemm::new(size(), size(), size()).unwrap();
        let layer = Layer::new("random", gemm).grouped(random.random_range(1..=7)).unwrap();
        let kibibyte = NonZeroU64::MIN;
        // Wide words make a kibibyte small.
        let word = NonZeroU64::new(random.random_range(1..=64)).unwrap();
        let memory = MemorySystem {
            input_sram_kib: kibibyte,
            weight_sram_kib: kibibyte,
            output_sram_kib: kibibyte,
            dram_bits_per_cycle: NonZeroU64::new(random.random_range(1..=200)),
            dram_latency_cycles: random.random_range(0..=50),
            dram_burst_bits: NonZeroU64::new(random.random_range(1..=512)).unwrap(),
            input_sram_bits_per_cycle: NonZeroU64::new(random.random_range(0..=64)),
            weight_sram_bits_per_cycle: NonZeroU64::new(random.random_range(0..=64)),
            output_sram_bits_per_cycle: NonZeroU64::new(random.random_range(0..=256)),
            activation_bits: word,
            weight_bits: word,
        };
        (array, layer, memory)
    }

    fn plan<'a>(array: &SystolicArray, layer: &Layer, memory: &'a MemorySystem) -> Plan<'a> {
        Plan::new(array, memory, layer, array.tiling(layer).unwrap(), false, false).unwrap()
    }

    #[test]
    fn a_few_slots_stand_for_all() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..300 {
            let (array, layer, memory) = random_plan(&mut random);
            let plan = plan(&array, &layer, &memory);
            let folds = plan.tiling.folds;
            let first = plan.port_cycles(plan.fetched(0).unwrap(), 0).unwrap();
            let last = plan.port_cycles(0, plan.written(folds - 1).unwrap()).unwrap();
            let between: u64 = (0..folds).map(|slot| plan.slot_stall(slot).unwrap()).sum();
            assert_eq!(plan.stall_cycles(), Some(first + between + last), "{array:?} {layer:?} {memory:?}");
        }
    }

    /// Words of an operand fetched fold by fold, keeping the largest that fits: all of it, those of a column of folds,
    /// none.
    fn fetched_words(plan: &Plan<'_>, dataflow: Dataflow, operand: Operand, bits: u64, half: u64) -> u64 {
        let (mapping, tiling) = (dataflow.mapping(), plan.tiling);
        let words_of = |fold: &Fold| {
            let mut words = HashSet::new();
            for row in fold.row_offset..fold.row_offset + fold.rows {
                for column in fold.column_offset..fold.column_offset + fold.columns {
                    words.extend((0..tiling.extent.steps).map(|step| {
                        let point = mapping.point(row, column, step);
                        match operand {
                            Operand::Input => (fold.group, point.m, point.k),
                            Operand::Weight => (fold.group, point.k, point.n),
                        }
                    }));
                }
            }
            words
        };
        let folds: Vec<_> = (0..tiling.folds).map(|index| tiling.fold(index)).collect();
        let fits = |words: &HashSet<_>| words.len() as u64 * bits <= half;
        let union = |folds: &mut dyn Iterator<Item = &Fold>| folds.flat_map(words_of).collect::<HashSet<_>>();
        let all_fit = fits(&union(&mut folds.iter().filter(|fold| fold.group == 0)));
        let column_fits = fits(&union(&mut folds.iter().filter(|fold| (fold.group, fold.column_offset) == (0, 0))));
        let (mut held, mut fetched) = (HashSet::new(), 0);
        let mut column = None;
        for fold in &folds {
            let this_column = Some((fold.group, fold.column_offset));
            if !(all_fit || column_fits && column == this_column) {
                held.clear();
            }
            column = this_column;
            for word in words_of(fold) {
                fetched += u64::from(held.insert(word));
            }
        }
        fetched
    }

    #[test]
    fn traffic_is_what_a_memory_that_remembers_would_fetch() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (mut refetched, mut spilled) = (0, 0);
        for _ in 0..40 {
            let (array, layer, memory) = random_plan(&mut random);
            let plan = plan(&array, &layer, &memory);
            let traffic = plan.traffic().unwrap();
            let fetched =
                |operand, bits: NonZeroU64| fetched_words(&plan, array.dataflow(), operand, bits.get(), 1024 * 8 / 2);
            let name = format!("{array:?} {layer:?} {memory:?}");
            assert_eq!(traffic.input_reads, fetched(Operand::Input, memory.activation_bits), "{name}");
            assert_eq!(traffic.weight_reads, fetched(Operand::Weight, memory.weight_bits), "{name}");
            let compulsory = DramTraffic::compulsory(&layer).unwrap();
            refetched += u64::from(
                traffic.input_reads + traffic.weight_reads > compulsory.input_reads + compulsory.weight_reads,
            );
            spilled += u64::from(traffic.partial_sum_writes > 0);
            // What the folds fetch and write one by one, in bits, is the same as the words in all: no window overlaps.
            let bits: u64 = (0..plan.tiling.folds).map(|i| plan.fetched(i).unwrap() + plan.written(i).unwrap()).sum();
            assert_eq!(u128::from(bits), traffic.bits(&array, &memory), "{name}");
        }
        assert!(refetched >= 5 && spilled >= 5, "the cases are not all easy: {refetched}, {spilled}");
    }
}
