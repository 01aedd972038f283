//! One pipeline stage of an element: gates between registers.

use super::super::Gates;
use super::statistics::StageErrors;
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, FunctionalEngine, HeldInputs, Lanes, TimedEngine};
use crate::multiplier::NumberFormat;
use crate::netlist::{NetId, Netlist};
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

/// How the gates of a stage work.
#[derive(Clone, Debug)]
enum Engine<'a> {
    Timed(Box<TimedEngine<'a>>),
    /// In no time: what is captured has settled, and nothing is known of toggles.
    Settling(FunctionalEngine<'a>),
}

impl<'a> Engine<'a> {
    fn set_input(&mut self, port: usize, bit: usize, from: Lanes, to: Lanes) {
        match self {
            Self::Timed(engine) => engine.set_input(port, bit, from, to),
            Self::Settling(engine) => engine.set_input(port, bit, to),
        }
    }

    fn timed(&mut self) -> Option<&mut TimedEngine<'a>> {
        match self {
            Self::Timed(engine) => Some(engine),
            Self::Settling(_) => None,
        }
    }

    /// What `net` carries when a register captures and when all is at rest.
    fn ends(&self, net: NetId, window: Picoseconds) -> [Lanes; 2] {
        match self {
            Self::Timed(engine) => [engine.sampled(net, window), engine.settled(net)],
            Self::Settling(engine) => [engine.value(net); 2],
        }
    }
}

/// A stage at work, its engine and what is left of the last block.
#[derive(Clone, Debug)]
pub(super) struct Stage<'a> {
    pub(super) spec: StageSpec<'a>,
    engine: Engine<'a>,
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
    /// The result is a number of `format`; without a mode gates take no time.
    pub(super) fn new(spec: StageSpec<'a>, mode: Option<DelayMode>, format: NumberFormat) -> Self {
        let timed = |mode| TimedEngine::with_delays(spec.netlist, &spec.physical.delay, mode);
        let engine = match mode {
            Some(mode) => Engine::Timed(Box::new(timed(mode))),
            None => Engine::Settling(FunctionalEngine::new(spec.netlist)),
        };
        let planes = || vec![Lanes::ZERO; spec.netlist.outputs()[0].width()];
        Self { spec, engine, window: Picoseconds(u32::MAX), captured: planes(), settled: planes(), format }
    }

    /// The same with a register behind the gates that captures `window` after their operands change, at nominal speed.
    pub(super) fn capturing(&self, window: Picoseconds) -> Self {
        Self { window, ..self.clone() }
    }

    /// The plan in which operands are held, each given by its port and what that carries; gates that take no time need none.
    pub(super) fn plan(&mut self, held: &[(usize, u32)]) -> Option<HeldInputs> {
        let spec = self.spec;
        let engine = self.engine.timed()?;
        for &(port, code) in held {
            for bit in 0..spec.netlist.inputs()[port].width() {
                engine.hold_input(port, bit, code >> bit & 1 == 1);
            }
        }
        Some(engine.plan().expect("a scheduled engine"))
    }

    /// Bits of an operand.
    pub(super) fn width(&self, port: usize) -> usize {
        self.spec.netlist.inputs()[port].width()
    }

    /// Takes up a plan of the same stage.
    pub(super) fn follow(&mut self, plan: Option<&HeldInputs>) {
        if let Some((engine, plan)) = self.engine.timed().zip(plan) {
            engine.follow(plan);
        }
    }

    /// The same for a plan that holds all operands but the first at zero.
    pub(super) fn follow_zero(&mut self, plan: Option<&HeldInputs>) {
        self.follow(plan);
        if let Engine::Settling(engine) = &mut self.engine {
            for (port, input) in self.spec.netlist.inputs().iter().enumerate().skip(1) {
                (0..input.width()).for_each(|bit| engine.set_input(port, bit, Lanes::ZERO));
            }
        }
    }

    /// Lets a bit of an operand change from what it is in each lane to what follows there.
    #[inline]
    pub(super) fn change(&mut self, port: usize, bit: usize, from: Lanes, to: Lanes) {
        self.engine.set_input(port, bit, from, to);
    }

    /// Leaves a bit of an operand as it is in each lane.
    #[inline]
    pub(super) fn keep(&mut self, port: usize, bit: usize, lanes: Lanes) {
        self.engine.set_input(port, bit, lanes, lanes);
    }

    /// Lets the gates work on one block, whose toggles are counted.
    pub(super) fn run(&mut self, activity: &mut SwitchingActivity) {
        match &mut self.engine {
            Engine::Timed(engine) => {
                engine.run();
                activity.record(self.spec.netlist, engine, Lanes::ONES);
            }
            Engine::Settling(engine) => engine.settle(),
        }
        for (bit, &net) in self.spec.netlist.outputs()[0].nets().iter().enumerate() {
            [self.captured[bit], self.settled[bit]] = self.engine.ends(net, self.window);
        }
    }

    /// Lets the gates work on one block, whose toggles are counted as many times as is said of their lanes; nothing is captured.
    pub(super) fn run_times(&mut self, times: &[(Lanes, u64)], activity: &mut SwitchingActivity) {
        let Some(engine) = self.engine.timed() else { return };
        engine.run();
        for &(lanes, times) in times.iter().filter(|(lanes, _)| !lanes.is_zero()) {
            let mut once = SwitchingActivity::new(self.spec.netlist);
            once.record(self.spec.netlist, engine, lanes);
            activity.merge_times(&once, times);
        }
    }

    /// As [`Self::run`], and looks at the operations of lanes in `counted`.
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
