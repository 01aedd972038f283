//! The closed form of time: when folds start and when the last result is out.

use super::Sums;
use crate::array::SystolicArray;
use crate::array::gemm::{product, sum};

/// Start of folds and end of a layer, in cycles. Step t of fold f reaches element (r, c) in cycle
/// `lead + f·period + t + r + c`; the last fold's results are out `tail` cycles after its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Cycles before the first operand streams.
    pub(crate) lead: u64,
    /// Cycles from one fold's first step to the next one's.
    pub(crate) period: u64,
    /// Cycles from a fold's first step until all its results have been captured.
    pub(crate) tail: u64,
}

impl Schedule {
    /// Of folds of `steps` steps: T steps cross the R×C elements diagonally; operands that stay take R cycles to load
    /// before that, sums that stay R cycles to leave after it. `None` if a time does not fit 64 bits.
    pub(crate) fn new(array: &SystolicArray, sums: Sums, steps: u64) -> Option<Self> {
        let (rows, columns) = (array.rows(), array.columns());
        // R and C are below 2^32: only the steps can overflow.
        let wave = steps.checked_add(rows + columns - 2 + u64::from(array.product_register()))?;
        let fold = wave.checked_add(rows)?;
        let period = if array.double_buffering() { steps.max(rows) } else { fold };
        Some(match sums {
            Sums::Moving => Self { lead: rows, period, tail: wave },
            Sums::Stationary => Self { lead: 0, period, tail: fold },
        })
    }

    /// Cycles of a layer of `folds` folds.
    pub(crate) fn cycles(&self, folds: u64) -> Option<u64> {
        sum([self.lead, product([folds - 1, self.period])?, self.tail])
    }
}
