//! Cutting a layer into folds that fit the array.

use super::dataflow::Extent;
use super::gemm::product;

/// A layer cut into folds: pieces of its extent that the array's elements hold at once.
///
/// Folds run group by group, then along the rows' dimension, then along the columns', so that with stationary operands
/// all contributions to a partial sum follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiling {
    pub(crate) extent: Extent,
    pub(crate) groups: u64,
    /// Rows and columns of the array.
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    /// Pieces the extent has along each side of the array.
    pub(crate) row_folds: u64,
    pub(crate) column_folds: u64,
    /// Folds of the whole layer.
    pub(crate) folds: u64,
}

/// One piece: which part of the extent it is, at the array's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) index: u64,
    pub(crate) group: u64,
    pub(crate) row_offset: u64,
    pub(crate) column_offset: u64,
    /// Rows and columns of the array that have work.
    pub(crate) rows: u64,
    pub(crate) columns: u64,
}

impl Fold {
    /// Elements that have work; rows and columns are below 2^32.
    pub(crate) fn elements(&self) -> u64 {
        self.rows * self.columns
    }
}

impl Tiling {
    /// Cuts `extent`; `None` if the number of folds does not fit 64 bits.
    pub(crate) fn new(extent: Extent, groups: u64, rows: u64, columns: u64) -> Option<Self> {
        let (row_folds, column_folds) = (extent.rows.div_ceil(rows), extent.columns.div_ceil(columns));
        let folds = product([row_folds, column_folds, groups])?;
        Some(Self { extent, groups, rows, columns, row_folds, column_folds, folds })
    }

    /// Fold number `index`, below [`Self::folds`].
    pub(crate) fn fold(&self, index: u64) -> Fold {
        let row_offset = index % self.row_folds * self.rows;
        let column_offset = index / self.row_folds % self.column_folds * self.columns;
        Fold {
            index,
            group: index / self.row_folds / self.column_folds,
            row_offset,
            column_offset,
            rows: self.rows.min(self.extent.rows - row_offset),
            columns: self.columns.min(self.extent.columns - column_offset),
        }
    }

    /// Σ rows·(rows + 1)/2 over the pieces along the rows' dimension.
    pub(crate) fn row_triangles(&self) -> Option<u64> {
        let triangle = |side: u64| product([side, side.checked_add(1)?]).map(|twice| twice / 2);
        let last = self.extent.rows - (self.row_folds - 1) * self.rows;
        product([self.row_folds - 1, triangle(self.rows)?])?.checked_add(triangle(last)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_cover_the_extent_once() {
        for (rows, columns, groups) in [(1, 1, 1), (4, 3, 2), (9, 10, 1), (5, 7, 3)] {
            let extent = Extent { rows, columns, steps: 1 };
            let tiling = Tiling::new(extent, groups, 4, 3).unwrap();
            let mut covered = vec![0; (groups * rows * columns) as usize];
            let mut triangles = 0;
            for fold in (0..tiling.folds).map(|index| tiling.fold(index)) {
                if (fold.group, fold.column_offset) == (0, 0) {
                    triangles += (1..=fold.rows).sum::<u64>();
                }
                for row in fold.row_offset..fold.row_offset + fold.rows {
                    for column in fold.column_offset..fold.column_offset + fold.columns {
                        covered[((fold.group * rows + row) * columns + column) as usize] += 1;
                    }
                }
            }
            assert!(covered.iter().all(|&count| count == 1));
            assert_eq!(tiling.row_triangles(), Some(triangles));
        }
    }
}
