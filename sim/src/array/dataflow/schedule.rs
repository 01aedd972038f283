//! The closed form of time: when folds start and when the last result is out.

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
    /// Loading takes R cycles before a fold; the last of T steps crosses the R×C elements diagonally.
    pub(crate) fn stationary_operand(array: &SystolicArray, steps: u64) -> Option<Self> {
        let lead = array.rows();
        let tail = wave(array, steps)?;
        let single = lead.checked_add(tail)?;
        Some(Self { lead, period: if array.double_buffering() { steps.max(lead) } else { single }, tail })
    }

    /// After the last step has crossed the array, its R rows of sums leave through the bottom row.
    pub(crate) fn stationary_sum(array: &SystolicArray, steps: u64) -> Option<Self> {
        let drain = array.rows();
        let tail = wave(array, steps)?.checked_add(drain)?;
        Some(Self { lead: 0, period: if array.double_buffering() { steps.max(drain) } else { tail }, tail })
    }

    /// Cycles of a layer of `folds` folds.
    pub(crate) fn cycles(&self, folds: u64) -> Option<u64> {
        sum([self.lead, product([folds - 1, self.period])?, self.tail])
    }
}

/// Cycles until T steps have passed the far corner of the array, and its product register if there is one.
fn wave(array: &SystolicArray, steps: u64) -> Option<u64> {
    // R and C are below 2^32, so only the steps can overflow.
    steps.checked_add(array.rows() + array.columns() - 2 + u64::from(array.product_register()))
}
