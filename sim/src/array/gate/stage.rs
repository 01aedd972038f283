//! One pipeline stage of an element: gates between registers.

use super::statistics::StageErrors;
use super::stream::delayed;
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, HeldInputs, Lanes, TimedEngine};
use crate::netlist::Netlist;
use crate::technology::Physical;
use crate::units::Picoseconds;

/// Gates between registers.
#[derive(Clone, Copy, Debug)]
pub struct StageSpec<'a> {
    /// Two operands and one result.
    pub netlist: &'a Netlist,
    /// Delays and energies at nominal supply.
    pub physical: &'a Physical,
}

/// A stage at work, its engine and what is left of the last block.
pub(super) struct Stage<'a> {
    pub(super) spec: StageSpec<'a>,
    engine: TimedEngine<'a>,
    window: Picoseconds,
    /// What the register captured, a plane a bit.
    pub(super) captured: Vec<Lanes>,
    settled: Vec<Lanes>,
    signed: bool,
}

/// What happened in a stage.
#[derive(Clone, Debug)]
pub(super) struct StageTally {
    pub(super) activity: SwitchingActivity,
    pub(super) errors: StageErrors,
}

impl StageTally {
    pub(super) fn new(netlist: &Netlist) -> Self {
        let bits = netlist.outputs()[0].width();
        Self { activity: SwitchingActivity::new(netlist), errors: StageErrors::new(bits) }
    }

    pub(super) fn merge(&mut self, other: &StageTally) {
        self.activity.merge(&other.activity);
        self.errors.merge(&other.errors);
    }
}

impl<'a> Stage<'a> {
    /// The register behind the gates captures `window` after their operands change, at nominal speed.
    pub(super) fn new(spec: StageSpec<'a>, mode: DelayMode, window: Picoseconds, signed: bool) -> Self {
        let engine = TimedEngine::with_delays(spec.netlist, &spec.physical.delay, mode);
        let bits = spec.netlist.outputs()[0].width();
        let planes = || vec![Lanes::ZERO; bits];
        Self { spec, engine, window, captured: planes(), settled: planes(), signed }
    }

    /// The plan in which the second operand is held at `code`.
    pub(super) fn plan(&mut self, code: u32) -> HeldInputs {
        for bit in 0..self.spec.netlist.inputs()[1].width() {
            self.engine.hold_input(1, bit, code >> bit & 1 == 1);
        }
        self.engine.plan().expect("a scheduled engine")
    }

    /// The plan in which no operand is held.
    pub(super) fn free_plan(&mut self) -> HeldInputs {
        for bit in 0..self.spec.netlist.inputs()[1].width() {
            self.engine.set_input(1, bit, Lanes::ZERO, Lanes::ZERO);
        }
        self.engine.plan().expect("a scheduled engine")
    }

    pub(super) fn follow(&mut self, plan: &HeldInputs) {
        self.engine.follow(plan);
    }

    /// Lets a bit of an operand go through `lanes`, step by step; `before` is that of the block before.
    #[inline]
    pub(super) fn stream(&mut self, port: usize, bit: usize, lanes: Lanes, before: Lanes) {
        self.engine.set_input(port, bit, delayed(lanes, before), lanes);
    }

    /// Leaves a bit of an operand as it is in each lane.
    #[inline]
    pub(super) fn keep(&mut self, port: usize, bit: usize, lanes: Lanes) {
        self.engine.set_input(port, bit, lanes, lanes);
    }

    /// Lets the gates work on one block; the operations of lanes in `counted` are looked at.
    pub(super) fn run(&mut self, counted: Lanes, tally: &mut StageTally) {
        self.engine.run();
        tally.activity.record(self.spec.netlist, &self.engine, Lanes::ONES);
        for (bit, &net) in self.spec.netlist.outputs()[0].nets().iter().enumerate() {
            self.captured[bit] = self.engine.sampled(net, self.window);
            self.settled[bit] = self.engine.settled(net);
        }
        tally.errors.record(&self.captured, &self.settled, counted, self.signed);
    }
}
