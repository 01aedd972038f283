//! Cycles and port traffic of a layer in closed form.

use super::dataflow::Schedule;
use super::tiling::Tiling;
use super::{ArrayError, DramTraffic, Layer, SystolicArray};
use serde::Serialize;

/// Words that pass between the array and its on-chip memories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SramTraffic {
    /// Activations read.
    pub input_reads: u64,
    /// Weights read.
    pub weight_reads: u64,
    /// Results and partial sums written.
    pub output_writes: u64,
    /// Partial sums read back to be added to.
    pub partial_sum_reads: u64,
}

/// What a layer costs in time and traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LayerCycles {
    /// Pieces the layer is cut into.
    pub folds: u64,
    /// Cycles from the first operand into the array until the last result is out, waiting for memory included.
    pub cycles: u64,
    /// Cycles of these in which the array waits for memory.
    pub stall_cycles: u64,
    /// Share of all (element, cycle) pairs that do a multiply-accumulate of the layer, 0…1.
    pub utilization: f64,
    /// Share of the elements that have work in a fold, mean over the folds, 0…1.
    pub mapping_efficiency: f64,
    /// Words through the array's ports.
    pub sram: SramTraffic,
    /// Words between on-chip memory and DRAM.
    pub dram: DramTraffic,
}

impl SramTraffic {
    /// Both together, `None` if a count does not fit 64 bits.
    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            input_reads: self.input_reads.checked_add(other.input_reads)?,
            weight_reads: self.weight_reads.checked_add(other.weight_reads)?,
            output_writes: self.output_writes.checked_add(other.output_writes)?,
            partial_sum_reads: self.partial_sum_reads.checked_add(other.partial_sum_reads)?,
        })
    }
}

impl LayerCycles {
    /// Layers of one array taken together: counts add up, shares are weighted by cycles and by folds.
    pub fn total(layers: &[LayerCycles]) -> Result<LayerCycles, ArrayError> {
        layers.iter().try_fold(LayerCycles::default(), LayerCycles::plus).ok_or(ArrayError::TotalOverflow)
    }

    fn plus(self, other: &Self) -> Option<Self> {
        let mean = |(left, weight): (f64, u64), (right, other): (f64, u64)| {
            (left * weight as f64 + right * other as f64) / (weight as f64 + other as f64)
        };
        let mapping = (other.mapping_efficiency, other.folds);
        Some(Self {
            folds: self.folds.checked_add(other.folds)?,
            cycles: self.cycles.checked_add(other.cycles)?,
            stall_cycles: self.stall_cycles.checked_add(other.stall_cycles)?,
            utilization: mean((self.utilization, self.cycles), (other.utilization, other.cycles)),
            mapping_efficiency: mean((self.mapping_efficiency, self.folds), mapping),
            sram: self.sram.plus(other.sram)?,
            dram: self.dram.plus(other.dram)?,
        })
    }
}

impl SystolicArray {
    /// Cycles and traffic of a layer with memory that is unlimited: every word comes from DRAM once, in time.
    pub fn layer_cycles(&self, layer: &Layer) -> Result<LayerCycles, ArrayError> {
        let tiling = self.tiling(layer)?;
        let mapping = self.dataflow().mapping();
        let closed_form = || {
            let cycles = self.schedule(&tiling)?.cycles(tiling.folds)?;
            Some((cycles, mapping.sram(layer.gemm(), &tiling)?, DramTraffic::compulsory(layer)?))
        };
        let (cycles, sram, dram) = closed_form().ok_or_else(|| layer.overflow())?;
        let elements = self.elements() as f64;
        let mapped = [tiling.extent.rows, tiling.extent.columns, tiling.groups].map(|size| size as f64);
        Ok(LayerCycles {
            folds: tiling.folds,
            cycles,
            stall_cycles: 0,
            utilization: layer.multiply_accumulates()? as f64 / (elements * cycles as f64),
            mapping_efficiency: mapped.into_iter().product::<f64>() / (elements * tiling.folds as f64),
            sram,
            dram,
        })
    }

    /// How the layer is cut into folds.
    pub(super) fn tiling(&self, layer: &Layer) -> Result<Tiling, ArrayError> {
        let extent = self.dataflow().mapping().extent(layer.gemm());
        Tiling::new(extent, layer.groups(), self.rows(), self.columns()).ok_or_else(|| layer.overflow())
    }

    /// When the folds of a layer start.
    pub(super) fn schedule(&self, tiling: &Tiling) -> Option<Schedule> {
        Schedule::new(self, self.dataflow().mapping().sums(), tiling.extent.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Dataflow, Gemm};

    /// Sizes for which no two terms of a formula coincide.
    const ROWS: u64 = 8;
    const COLUMNS: u64 = 3;

    fn cycles(array: SystolicArray, gemm: &str) -> LayerCycles {
        array.layer_cycles(&Layer::new("layer", gemm.parse().unwrap())).unwrap()
    }

    /// A product with 2 row folds, 3 column folds and `steps` steps.
    fn six_folds(dataflow: Dataflow, steps: u64) -> String {
        let (rows, columns) = (2 * ROWS - 1, 3 * COLUMNS - 2);
        let [m, n, k] = match dataflow {
            Dataflow::WeightStationary => [steps, columns, rows],
            Dataflow::OutputStationary => [rows, columns, steps],
            Dataflow::InputStationary => [columns, steps, rows],
        };
        format!("{m}x{n}x{k}")
    }

    #[test]
    fn folds_take_their_published_times() {
        for dataflow in Dataflow::ALL {
            for steps in [1, 5, 8, 50] {
                let array = SystolicArray::new(ROWS as u32, COLUMNS as u32, dataflow).unwrap();
                let gemm = six_folds(dataflow, steps);
                let fold = 2 * ROWS + COLUMNS + steps - 2;
                assert_eq!(cycles(array, &gemm).folds, 6);
                assert_eq!(cycles(array, &gemm).cycles, 6 * fold);
                assert_eq!(cycles(array.with_product_register(true), &gemm).cycles, 6 * (fold + 1));
                let overlapped = ROWS + 5 * steps.max(ROWS) + steps + ROWS + COLUMNS - 2;
                let array = array.with_double_buffering(true);
                assert_eq!(cycles(array, &gemm).cycles, overlapped);
                assert_eq!(cycles(array.with_product_register(true), &gemm).cycles, overlapped + 1);
            }
        }
    }

    #[test]
    fn shares_are_of_elements_and_cycles() {
        let array = SystolicArray::new(4, 4, Dataflow::WeightStationary).unwrap();
        // K = 6 fills 4 and 2 rows, N = 3 of 4 columns, M = 10 steps: 2 folds of 2·4 + 4 + 10 − 2 = 20 cycles.
        let layer = cycles(array, "10x3x6");
        assert_eq!(layer.cycles, 40);
        assert_eq!(layer.mapping_efficiency, (4 + 2) as f64 * 3.0 / (2.0 * 16.0));
        assert_eq!(layer.utilization, f64::from(10 * 3 * 6) / (16.0 * 40.0));
        let grouped = Layer::new("grouped", "10x3x6".parse().unwrap()).grouped(5).unwrap();
        let grouped = array.layer_cycles(&grouped).unwrap();
        assert_eq!((grouped.folds, grouped.cycles), (10, 200));
        assert_eq!((grouped.utilization, grouped.mapping_efficiency), (layer.utilization, layer.mapping_efficiency));
    }

    #[test]
    fn counts_beyond_64_bits_are_refused_in_every_dataflow() {
        for dataflow in Dataflow::ALL {
            let array = SystolicArray::new(1, 1, dataflow).unwrap();
            for [m, n, k] in [[1 << 32, 1 << 32, 1], [1 << 32, 1, 1 << 32], [1, 1 << 32, 1 << 32], [u64::MAX, 1, 1]] {
                let layer = Layer::new("huge", Gemm::new(m, n, k).unwrap());
                assert!(
                    matches!(array.layer_cycles(&layer), Err(ArrayError::Overflow { .. })),
                    "{dataflow} {m} {n} {k}"
                );
            }
        }
    }
}
