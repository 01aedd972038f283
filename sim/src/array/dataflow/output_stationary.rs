//! Sums stay: rows are m, columns n, time k.

use super::{Extent, Mapping, Operand, Point, Reuse, Sums};
use crate::array::Gemm;
use crate::array::activity::RegisterWrites;
use crate::array::cycles::SramTraffic;
use crate::array::gemm::product;
use crate::array::tiling::Tiling;

/// Activations enter from the left, weights from the top; finished sums leave down their column.
pub(super) struct OutputStationary;

impl Mapping for OutputStationary {
    fn row_operand(&self) -> Operand {
        Operand::Input
    }

    fn extent(&self, gemm: Gemm) -> Extent {
        Extent { rows: gemm.m(), columns: gemm.n(), steps: gemm.k() }
    }

    fn point(&self, row: u64, column: u64, step: u64) -> Point {
        Point { m: row, n: column, k: step }
    }

    fn sums(&self) -> Sums {
        Sums::Stationary
    }

    fn reuse(&self, operand: Operand) -> Reuse {
        match operand {
            Operand::Input => Reuse::AcrossColumns,
            Operand::Weight => Reuse::AcrossRows,
        }
    }

    fn sram(&self, gemm: Gemm, tiling: &Tiling) -> Option<SramTraffic> {
        let (m, n, k, groups) = (gemm.m(), gemm.n(), gemm.k(), tiling.groups);
        Some(SramTraffic {
            input_reads: product([groups, m, k, tiling.column_folds])?,
            weight_reads: product([groups, k, n, tiling.row_folds])?,
            output_writes: product([groups, m, n])?,
            partial_sum_reads: 0,
        })
    }

    fn register_writes(&self, tiling: &Tiling) -> Option<RegisterWrites> {
        let (extent, groups) = (tiling.extent, tiling.groups);
        let accumulations = product([groups, extent.rows, extent.columns, extent.steps])?;
        // A sum in row r is captured by the R − 1 − r elements below it on its way out: over the mapped rows of a
        // fold that is rows·R less the triangle of rows.
        let moves = product([extent.rows, tiling.rows])?.checked_sub(tiling.row_triangles()?)?;
        Some(RegisterWrites {
            input: product([groups, extent.steps, extent.rows, tiling.column_folds, tiling.columns])?,
            weight: product([groups, extent.steps, extent.columns, tiling.row_folds, tiling.rows])?,
            partial_sum: accumulations.checked_add(product([groups, extent.columns, moves])?)?,
            product: 0,
        })
    }
}
