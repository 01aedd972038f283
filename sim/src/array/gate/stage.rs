//! One pipeline stage of an element: gates between registers.

use super::super::Gates;
use super::statistics::StageErrors;
use super::stream::delayed;
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, HeldInputs, Lanes, TimedEngine};
use crate::multiplier::NumberFormat;
use crate::netlist::Netlist;
use crate::technology::Physical;
use crate::units::Picoseconds;

/// Gates between registers.
#[derive(Clone, Copy, Debug)]
pub struct StageSpec<'a> {
    /// Operands and one result.
    pub netlist: &'a Netlist,
    /// Delays and energies at nominal supply.
    pub physical: &'a Physical,
}

impl<'a> StageSpec<'a> {
    /// Of a netlist and what it weighs.
    pub fn of(gates: &'a Gates) -> Self {
        Self { netlist: &gates.netlist, physical: &gates.physical }
    }
}

/// A stage at work, its engine and what is left of the last block.
#[derive(Clone, Debug)]
pub(super) struct Stage<'a> {
    pub(super) spec: StageSpec<'a>,
    engine: TimedEngine<'a>,
    window: Picoseconds,
    /// What the register captured, a plane a bit.
    pub(super) captured: Vec<Lanes>,
    /// What it should have.
    pub(super) settled: Vec<Lanes>,
    format: NumberFormat,
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
    /// The result is a number of `format`.
    pub(super) fn new(spec: StageSpec<'a>, mode: DelayMode, format: NumberFormat) -> Self {
        let engine = TimedEngine::with_delays(spec.netlist, &spec.physical.delay, mode);
        let planes = || vec![Lanes::ZERO; spec.netlist.outputs()[0].width()];
        Self { spec, engine, window: Picoseconds(u32::MAX), captured: planes(), settled: planes(), format }
    }

    /// The same with a register behind the gates that captures `window` after their operands change, at nominal speed.
    pub(super) fn capturing(&self, window: Picoseconds) -> Self {
        Self { window, ..self.clone() }
    }

    /// The plan in which the operands behind the first are held at `codes`.
    pub(super) fn plan(&mut self, codes: &[u32]) -> HeldInputs {
        for (port, code) in (1..).zip(codes) {
            for bit in 0..self.width(port) {
                self.engine.hold_input(port, bit, code >> bit & 1 == 1);
            }
        }
        self.engine.plan().expect("a scheduled engine")
    }

    /// Bits of an operand.
    pub(super) fn width(&self, port: usize) -> usize {
        self.spec.netlist.inputs()[port].width()
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

    /// Lets the gates work on one block.
    pub(super) fn run(&mut self, activity: &mut SwitchingActivity) {
        self.engine.run();
        activity.record(self.spec.netlist, &self.engine, Lanes::ONES);
        for (bit, &net) in self.spec.netlist.outputs()[0].nets().iter().enumerate() {
            self.captured[bit] = self.engine.sampled(net, self.window);
            self.settled[bit] = self.engine.settled(net);
        }
    }

    /// The same, and looks at the operations of lanes in `counted`.
    pub(super) fn run_counted(&mut self, counted: Lanes, tally: &mut StageTally) {
        self.run(&mut tally.activity);
        tally.errors.record(&self.captured, &self.settled, counted, self.format);
    }

    /// Looks at the operations of lanes in `counted`, zero standing for the results of those in `dropped`.
    pub(super) fn look_at(&self, counted: Lanes, dropped: Lanes, errors: &mut StageErrors) {
        let sign = (self.format == NumberFormat::SignMagnitude).then(|| self.captured.len() - 1);
        let taken = self.captured.iter().zip(&self.settled).enumerate().map(|(bit, (&captured, &settled))| {
            // Signs come early: a zero has that of the result it stands for.
            captured & !dropped | if sign == Some(bit) { settled & dropped } else { Lanes::ZERO }
        });
        errors.record(&taken.collect::<Vec<_>>(), &self.settled, counted, self.format);
    }
}
