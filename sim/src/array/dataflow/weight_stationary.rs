//! Weights stay: rows are k, columns n, time m.

use super::{Extent, Mapping, Operand, Point, Reuse, Sums};
use crate::array::Gemm;
use crate::array::activity::RegisterWrites;
use crate::array::cycles::SramTraffic;
use crate::array::gemm::product;
use crate::array::tiling::Tiling;

/// Weights enter from the top of their column, the bottom row's first, and stay; then activations stream.
pub(super) struct WeightStationary;

impl Mapping for WeightStationary {
    fn row_operand(&self) -> Operand {
        Operand::Input
    }

    fn extent(&self, gemm: Gemm) -> Extent {
        Extent { rows: gemm.k(), columns: gemm.n(), steps: gemm.m() }
    }

    fn point(&self, row: u64, column: u64, step: u64) -> Point {
        Point { m: step, n: column, k: row }
    }

    fn sums(&self) -> Sums {
        Sums::Moving
    }

    fn reuse(&self, operand: Operand) -> Reuse {
        match operand {
            Operand::Input => Reuse::AcrossColumns,
            Operand::Weight => Reuse::None,
        }
    }

    fn sram(&self, gemm: Gemm, tiling: &Tiling) -> Option<SramTraffic> {
        let (m, n, k, groups) = (gemm.m(), gemm.n(), gemm.k(), tiling.groups);
        Some(SramTraffic {
            input_reads: product([groups, m, k, tiling.column_folds])?,
            weight_reads: product([groups, k, n])?,
            output_writes: product([groups, m, n, tiling.row_folds])?,
            partial_sum_reads: product([groups, m, n, tiling.row_folds - 1])?,
        })
    }

    fn register_writes(&self, tiling: &Tiling) -> Option<RegisterWrites> {
        let (extent, groups) = (tiling.extent, tiling.groups);
        Some(RegisterWrites {
            // Activations run on to the last column, whether it has work or not.
            input: product([groups, extent.steps, extent.rows, tiling.column_folds, tiling.columns])?,
            // The weight of row r is captured in r + 1 elements.
            weight: product([groups, extent.columns, tiling.row_triangles()?])?,
            // Partial sums run down to the last row.
            partial_sum: product([groups, extent.steps, extent.columns, tiling.row_folds, tiling.rows])?,
            product: 0,
        })
    }
}
