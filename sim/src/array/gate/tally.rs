//! What happens in elements, counted.

use super::GateInference;
use super::stage::StageTally;
use crate::energy::SwitchingActivity;

/// What happened in some columns.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) multiplier: StageTally,
    /// Toggles of what notices late products, if anything does.
    pub(super) detector: Option<SwitchingActivity>,
    /// Additions of products.
    pub(super) accumulator: StageTally,
    /// Additions in rows without work.
    pub(super) passing: StageTally,
    /// Additions below the columns.
    pub(super) below: StageTally,
    pub(super) sums: SumRegisters,
}

/// What sum registers did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SumRegisters {
    /// Bits that changed.
    pub(super) toggles: u64,
    /// Sums that they held.
    pub(super) sums: u64,
}

impl SumRegisters {
    pub(super) fn merge(&mut self, other: &SumRegisters) {
        self.toggles += other.toggles;
        self.sums += other.sums;
    }
}

impl Tally {
    pub(super) fn new(gates: &GateInference<'_>) -> Self {
        let spec = &gates.spec;
        let adder = StageTally::new(spec.accumulator.netlist);
        Self {
            multiplier: StageTally::new(spec.multiplier.netlist),
            detector: spec.detector.map(|detector| SwitchingActivity::new(detector.netlist)),
            passing: adder.clone(),
            accumulator: adder,
            below: StageTally::new(spec.column_adder.netlist),
            sums: SumRegisters::default(),
        }
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        self.multiplier.merge(&other.multiplier);
        if let (Some(mine), Some(theirs)) = (&mut self.detector, &other.detector) {
            mine.merge(theirs);
        }
        self.accumulator.merge(&other.accumulator);
        self.passing.merge(&other.passing);
        self.below.merge(&other.below);
        self.sums.merge(&other.sums);
    }
}
