//! Activations stay: rows are k, columns m, time n.

use super::{Extent, Mapping, Operand, Point, Reuse, Sums};
use crate::array::Gemm;
use crate::array::activity::RegisterWrites;
use crate::array::cycles::SramTraffic;
use crate::array::gemm::product;
use crate::array::tiling::Tiling;

/// Weight-stationary with the operands' parts exchanged: activations are loaded, weights stream.
pub(super) struct InputStationary;

impl Mapping for InputStationary {
    fn row_operand(&self) -> Operand {
        Operand::Weight
    }

    fn extent(&self, gemm: Gemm) -> Extent {
        Extent { rows: gemm.k(), columns: gemm.m(), steps: gemm.n() }
    }

    fn point(&self, row: u64, column: u64, step: u64) -> Point {
        Point { m: column, n: step, k: row }
    }

    fn sums(&self) -> Sums {
        Sums::Moving
    }

    fn reuse(&self, operand: Operand) -> Reuse {
        match operand {
            Operand::Input => Reuse::None,
            Operand::Weight => Reuse::AcrossColumns,
        }
    }

    fn sram(&self, gemm: Gemm, tiling: &Tiling) -> Option<SramTraffic> {
        let (m, n, k, groups) = (gemm.m(), gemm.n(), gemm.k(), tiling.groups);
        Some(SramTraffic {
            input_reads: product([groups, m, k])?,
            weight_reads: product([groups, k, n, tiling.column_folds])?,
            output_writes: product([groups, m, n, tiling.row_folds])?,
            partial_sum_reads: product([groups, m, n, tiling.row_folds - 1])?,
        })
    }

    fn register_writes(&self, tiling: &Tiling) -> Option<RegisterWrites> {
        let (extent, groups) = (tiling.extent, tiling.groups);
        Some(RegisterWrites {
            // The activation of row r is captured in r + 1 elements.
            input: product([groups, extent.columns, tiling.row_triangles()?])?,
            // Weights run on to the last column, whether it has work or not.
            weight: product([groups, extent.steps, extent.rows, tiling.column_folds, tiling.columns])?,
            // Partial sums run down to the last row.
            partial_sum: product([groups, extent.steps, extent.columns, tiling.row_folds, tiling.rows])?,
            product: 0,
        })
    }
}
