//! What elements and registers do in a layer: the counts an energy model multiplies.

use super::dataflow::Schedule;
use super::gemm::{product, sum};
use super::tiling::{Fold, Tiling};
use super::{ArrayError, Layer, SystolicArray};
use serde::Serialize;

/// Captures of valid data by the elements' registers.
///
/// Counted are captures of an operand, product or sum that belongs to the layer, wherever the register is: an
/// activation that crosses 32 columns counts 32 times. The zeros of bubbles are not counted: a register that captures
/// zero after zero changes nothing but its clock, and clocks are elements times cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RegisterWrites {
    /// By activation registers: hops to the right, or down while loading if activations are stationary.
    pub input: u64,
    /// By weight registers: hops down, or to the right if activations are stationary; loading included.
    pub weight: u64,
    /// By product registers: one a multiply-accumulate if the array has them.
    pub product: u64,
    /// By sum registers: a partial sum's hops down, or accumulation in place and hops down on the way out.
    pub partial_sum: u64,
}

/// What the elements do in every cycle of a layer, and their registers.
///
/// `active + bubble + unmapped` is R·C times the cycles, waiting for memory left out. An element belongs to a fold from
/// the cycle in which the fold's first step reaches it (row + column cycles after element (0, 0)) until the next fold's
/// does; before the first fold's first step it belongs to the first fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// (element, cycle) pairs with a multiplication of the layer: M·N·K in all.
    pub active: u64,
    /// Pairs in which an element has work in its fold, but not in this cycle: loading, draining, and the wave's edges.
    pub bubble: u64,
    /// Pairs in which the element has no work in its fold.
    pub unmapped: u64,
    /// Captures by registers.
    pub register_writes: RegisterWrites,
}

/// What elements do, as shares of all (element, cycle) pairs, waiting included; they sum to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ElementShares {
    /// Multiplying.
    pub active: f64,
    /// Loading, filling and draining.
    pub bubble: f64,
    /// Without work in their fold.
    pub unmapped: f64,
    /// Waiting for memory.
    pub waiting: f64,
}

impl Activity {
    /// Shares of a layer that waits for memory in `stall_cycles` of its `cycles`.
    pub fn shares(&self, cycles: u64, stall_cycles: u64) -> ElementShares {
        let pairs = (self.active + self.bubble + self.unmapped) as f64;
        let waiting = stall_cycles as f64 / cycles as f64;
        let share = |count: u64| count as f64 / pairs * (1.0 - waiting);
        ElementShares {
            active: share(self.active),
            bubble: share(self.bubble),
            unmapped: share(self.unmapped),
            waiting,
        }
    }
}

impl SystolicArray {
    /// Activity of a layer in closed form; the memories are taken to keep up.
    pub fn activity(&self, layer: &Layer) -> Result<Activity, ArrayError> {
        let active = layer.multiply_accumulates()?;
        let tiling = self.tiling(layer)?;
        let closed_form = || {
            let schedule = self.schedule(&tiling)?;
            let total = product([schedule.cycles(tiling.folds)?, self.elements()])?;
            let mapped = mapped_pairs(&tiling, &schedule)?;
            let mut register_writes = self.dataflow().mapping().register_writes(&tiling)?;
            register_writes.product = if self.product_register() { active } else { 0 };
            Some(Activity { active, bubble: mapped - active, unmapped: total - mapped, register_writes })
        };
        closed_form().ok_or_else(|| layer.overflow())
    }
}

/// (element, cycle) pairs in which the element has work in its fold.
fn mapped_pairs(tiling: &Tiling, schedule: &Schedule) -> Option<u64> {
    let (first, last) = (tiling.fold(0), tiling.fold(tiling.folds - 1));
    let mapped_over_folds = product([tiling.groups, tiling.extent.rows, tiling.extent.columns])?;
    // Every fold keeps its elements for one period; the first has them from the beginning on, the last to the end. An
    // element changes folds row + column cycles after element (0, 0), which the first fold gains and the last loses.
    let periods = product([schedule.period, mapped_over_folds - last.elements()])?;
    let beginning = product([schedule.lead, first.elements()])?.checked_add(delays(&first)?)?;
    let end = product([schedule.tail, last.elements()])?;
    sum([periods, beginning, end])?.checked_sub(delays(&last)?)
}

/// Σ (row + column) over the elements with work in a fold.
fn delays(fold: &Fold) -> Option<u64> {
    product([fold.elements(), fold.rows + fold.columns - 2]).map(|twice| twice / 2)
}
