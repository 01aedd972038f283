//! Counting what elements do.

use super::ports::Ports;
use super::{ElementState, SteppedRun};
use crate::array::activity::{Activity, RegisterWrites};
use crate::array::tiling::Fold;

/// Counts of a run so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    pub(super) cycles: u64,
    pub(super) writes: RegisterWrites,
    /// (element, cycle) pairs: all, those with work in their fold, those that do it.
    pairs: u64,
    mapped: u64,
    active: u64,
    gated: u64,
}

impl Census {
    /// Counts one element in one cycle, and says what it does.
    #[inline(always)]
    pub(super) fn element(&mut self, fold: &Fold, row: usize, column: usize, active: bool) -> ElementState {
        let mapped = (row as u64) < fold.rows && (column as u64) < fold.columns;
        self.pairs += 1;
        self.mapped += u64::from(mapped);
        self.active += u64::from(active);
        match (active, mapped) {
            (true, _) => ElementState::Active,
            (false, true) => ElementState::Bubble,
            (false, false) => ElementState::Unmapped,
        }
    }

    /// The product of two operands that are there; with data gating that of zero is zero, and counted.
    #[inline(always)]
    pub(super) fn product(
        &mut self,
        gating: bool,
        operands: [i32; 2],
        multiply: impl FnOnce(i32, i32) -> i32,
    ) -> i32 {
        if gating && operands.contains(&0) {
            self.gated += 1;
            return 0;
        }
        multiply(operands[0], operands[1])
    }

    /// The run's result.
    pub(super) fn finish(self, ports: Ports<'_>) -> SteppedRun {
        let Self { cycles, writes: register_writes, pairs, mapped, active, gated } = self;
        let (bubble, unmapped) = (mapped - active, pairs - mapped);
        let (outputs, sram) = ports.finish();
        SteppedRun { cycles, outputs, sram, activity: Activity { active, bubble, unmapped, register_writes }, gated }
    }
}
