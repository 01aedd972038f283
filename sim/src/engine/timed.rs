//! Waveforms: what every net does, picosecond by picosecond, after the inputs change.
//!
//! 512 vector pairs share every step. The times at which a net
//! can change at all are few and are found once a netlist ([`super::schedule`]), also where delays depend on the pin
//! ([`super::by_pin`]). Lists of events, merged from those of a driver's inputs ([`super::arc_delay`]), are the simpler way that it is
//! held against.
//!
//! The circuit is taken as settled before the inputs change: once, from one vector to another (two-vector simulation), or at
//! every edge of a clock, whether or not it has settled again by then (continuous simulation).

use super::arc_delay::{Arcs, run_arcs};
use super::lanes::Lanes;
use super::schedule::Schedule;
use super::scheduled::Scheduled;
use super::waveforms::Waveforms;
use crate::netlist::{Delays, NetId, Netlist};
use crate::units::Picoseconds;
use std::sync::Arc;

/// What a cell does with pulses shorter than its delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayMode {
    /// Every change passes, however short.
    Transport,
    /// A change is dropped if the output's next value differs before the delay is over, as in Verilog's primitives.
    Inertial,
}

/// Simulates [`super::LANES`] transitions from one input vector to another at once.
#[derive(Clone, Debug)]
pub struct TimedEngine<'n> {
    netlist: &'n Netlist,
    delays: Delays,
    mode: DelayMode,
    /// When inputs may change, ascending.
    edges: Vec<u32>,
    /// Level of inputs that are held, indexed by net.
    held: Vec<Option<bool>>,
    /// The schedule is of other held inputs than these.
    outdated: bool,
    simulation: Simulation,
}

/// A choice of held inputs with what follows from it; see [`TimedEngine::plan`].
#[derive(Clone, Debug)]
pub struct HeldInputs {
    held: Vec<Option<bool>>,
    schedule: Arc<Schedule>,
}

#[derive(Clone, Debug)]
enum Simulation {
    /// Every possible time.
    Scheduled(Scheduled),
    /// The times at which something happens.
    Events { arcs: Vec<Arcs>, waveforms: Waveforms },
}

impl<'n> TimedEngine<'n> {
    /// An engine with inputs at 0; `delay` is from any input of a net's driver to the net, indexed by net.
    ///
    /// # Panics
    /// If there is not one delay a net.
    pub fn new(netlist: &'n Netlist, delay: &[Picoseconds], mode: DelayMode) -> Self {
        Self::with_delays(netlist, &Delays::Single(delay.to_vec()), mode)
    }

    /// The same with delays by edge or by pin, at several times the cost if they really differ.
    ///
    /// Of pins that change at once, the smallest arc to the output's new value counts. Under transport delay a new
    /// change of an output deletes those pending at its time or later; under inertial delay it deletes the one pending
    /// and, the output being at its new value already, is itself dropped.
    ///
    /// # Panics
    /// If the delays are not one entry a net.
    pub fn with_delays(netlist: &'n Netlist, delays: &Delays, mode: DelayMode) -> Self {
        Self::with_edges(netlist, delays, mode, vec![0])
    }

    /// The same by lists of events, which a schedule is held against: slower, and without plans.
    ///
    /// # Panics
    /// If the delays are not one entry a net.
    pub fn by_events(netlist: &'n Netlist, delays: &Delays, mode: DelayMode) -> Self {
        let edges = vec![0];
        let (arcs, waveforms) = (Arcs::of(netlist, delays), Waveforms::new(netlist, &edges));
        let engine = Self::with_edges(netlist, delays, mode, edges);
        Self { simulation: Simulation::Events { arcs, waveforms }, ..engine }
    }

    /// An engine whose inputs change `cycles` times, at time 0 and then every `period`, however long the circuit takes to
    /// settle: several operations may be in flight. It is settled before time 0.
    ///
    /// # Panics
    /// If the delays are not one entry a net, there are no cycles, the period is 0, or the last edge lies beyond 2³¹ ps.
    pub fn clocked(
        netlist: &'n Netlist,
        delays: &Delays,
        mode: DelayMode,
        period: Picoseconds,
        cycles: usize,
    ) -> Self {
        assert!(cycles > 0 && period.0 > 0, "one edge at least");
        let last = u64::from(period.0) * (cycles as u64 - 1);
        assert!(last < 1 << 31, "{cycles} cycles of {period} are too long");
        Self::with_edges(netlist, delays, mode, (0..cycles as u32).map(|cycle| cycle * period.0).collect())
    }

    fn with_edges(netlist: &'n Netlist, delays: &Delays, mode: DelayMode, edges: Vec<u32>) -> Self {
        assert_eq!(delays.net_count(), netlist.net_count(), "delays of every net");
        let held = vec![None; netlist.net_count()];
        let schedule = Schedule::new(netlist, delays, mode, &edges, &held);
        let simulation = Simulation::Scheduled(Scheduled::new(Arc::new(schedule)));
        Self { netlist, delays: delays.clone(), mode, edges, held, outdated: false, simulation }
    }

    /// Holds bit `bit` of input port `port` at `level` in every lane until it is set or held again. What it decides is
    /// left out of the simulation.
    pub fn hold_input(&mut self, port: usize, bit: usize, level: bool) {
        let net = self.netlist.inputs()[port].nets()[bit];
        match &mut self.simulation {
            Simulation::Scheduled(_) => {
                self.outdated |= self.held[net.index()] != Some(level);
                self.held[net.index()] = Some(level);
            }
            Simulation::Events { waveforms, .. } => {
                waveforms.set_input(net, &[], &[Lanes::splat(level)]);
            }
        }
    }

    /// Lets bit `bit` of input port `port` go from `from` to `to` at time 0.
    ///
    /// # Panics
    /// If the engine is clocked for more than one cycle.
    pub fn set_input(&mut self, port: usize, bit: usize, from: Lanes, to: Lanes) {
        self.set_sequence(port, bit, &[from, to]);
    }

    /// Gives bit `bit` of input port `port` its values: before time 0, then from each edge on.
    ///
    /// # Panics
    /// If there is not one value more than there are cycles.
    pub fn set_sequence(&mut self, port: usize, bit: usize, values: &[Lanes]) {
        assert_eq!(values.len(), self.edges.len() + 1, "a value before the first edge and one for each edge");
        let net = self.netlist.inputs()[port].nets()[bit];
        match &mut self.simulation {
            Simulation::Scheduled(_) => {
                self.outdated |= self.held[net.index()].take().is_some();
                if self.outdated {
                    self.reschedule();
                }
                let Simulation::Scheduled(scheduled) = &mut self.simulation else { unreachable!("just seen") };
                scheduled.set_input(net, values);
            }
            Simulation::Events { waveforms, .. } => waveforms.set_input(net, &self.edges, values),
        }
    }

    /// Plans anew for the inputs that are now held.
    fn reschedule(&mut self) {
        self.outdated = false;
        if let Simulation::Scheduled(scheduled) = &mut self.simulation {
            let schedule = Schedule::new(self.netlist, &self.delays, self.mode, &self.edges, &self.held);
            scheduled.replace(self.netlist, Arc::new(schedule));
        }
    }

    /// What holding inputs has come to, to be taken up again by engines of the same netlist, delays, mode and clock without
    /// working it out anew. `None` where [lists of events](Self::by_events) are simulated, and so there is nothing to work out.
    pub fn plan(&mut self) -> Option<HeldInputs> {
        if self.outdated {
            self.reschedule();
        }
        match &self.simulation {
            Simulation::Scheduled(scheduled) => {
                Some(HeldInputs { held: self.held.clone(), schedule: Arc::clone(scheduled.schedule()) })
            }
            Simulation::Events { .. } => None,
        }
    }

    /// Holds the inputs that an engine of the same netlist, delays, mode and clock held when it made this plan, and no others.
    ///
    /// # Panics
    /// If [lists of events](Self::by_events) are simulated.
    pub fn follow(&mut self, plan: &HeldInputs) {
        let Simulation::Scheduled(scheduled) = &mut self.simulation else { panic!("lists of events have no plans") };
        self.held.clone_from(&plan.held);
        self.outdated = false;
        scheduled.replace(self.netlist, Arc::clone(&plan.schedule));
    }

    /// Computes every waveform.
    pub fn run(&mut self) {
        if self.outdated {
            self.reschedule();
        }
        match &mut self.simulation {
            Simulation::Scheduled(scheduled) => scheduled.run(self.netlist, self.mode),
            Simulation::Events { arcs, waveforms } => {
                waveforms.restart();
                run_arcs(self.netlist, arcs, self.mode, waveforms);
            }
        }
    }

    /// Value of `net` just before `time`: a change at `time` itself comes too late.
    pub fn sampled(&self, net: NetId, time: Picoseconds) -> Lanes {
        match &self.simulation {
            Simulation::Scheduled(scheduled) => scheduled.value(scheduled.schedule().slot_before(net, time)),
            Simulation::Events { waveforms, .. } => {
                let (times, toggles) = waveforms.changes(net);
                let captured = times.partition_point(|&event| event < time.0);
                toggles[..captured].iter().fold(waveforms.initial(net), |value, &toggles| value ^ toggles)
            }
        }
    }

    /// [`Self::sampled`] at several ascending times in one pass over the waveform.
    ///
    /// # Panics
    /// If there are more times than room in `values`.
    pub fn sample_all(&self, net: NetId, ascending: &[Picoseconds], values: &mut [Lanes]) {
        let samples = ascending.iter().zip(&mut values[..ascending.len()]);
        match &self.simulation {
            Simulation::Scheduled(scheduled) => {
                let schedule = scheduled.schedule();
                for (&time, sample) in samples {
                    *sample = scheduled.value(schedule.slot_before(net, time));
                }
            }
            Simulation::Events { waveforms, .. } => {
                let (times, toggles) = waveforms.changes(net);
                let mut changes = times.iter().zip(toggles).peekable();
                let mut value = waveforms.initial(net);
                for (time, sample) in samples {
                    while let Some((_, &toggles)) = changes.next_if(|&(&event, _)| event < time.0) {
                        value ^= toggles;
                    }
                    *sample = value;
                }
            }
        }
    }

    /// Value of `net` before the inputs change.
    #[inline]
    pub fn initial(&self, net: NetId) -> Lanes {
        match &self.simulation {
            Simulation::Scheduled(scheduled) => scheduled.values(net)[0],
            Simulation::Events { waveforms, .. } => waveforms.initial(net),
        }
    }

    /// Value of `net` after everything has settled.
    #[inline]
    pub fn settled(&self, net: NetId) -> Lanes {
        match &self.simulation {
            Simulation::Scheduled(scheduled) => *scheduled.values(net).last().expect("every net has a value"),
            Simulation::Events { .. } => self.sampled(net, Picoseconds(u32::MAX)),
        }
    }

    /// Time of the last change of `net` in any lane, if it changes at all.
    pub fn last_change(&self, net: NetId) -> Option<Picoseconds> {
        self.changes(net).last().map(|(time, _)| time)
    }

    /// The changes of `net`: time and toggling lanes, in order of time.
    pub fn changes(&self, net: NetId) -> impl Iterator<Item = (Picoseconds, Lanes)> {
        self.changes_from(net, Picoseconds(0))
    }

    /// The changes of `net` at or after `from`.
    #[inline(always)]
    pub fn changes_from(&self, net: NetId, from: Picoseconds) -> impl Iterator<Item = (Picoseconds, Lanes)> {
        let (times, steps) = match &self.simulation {
            Simulation::Scheduled(scheduled) => {
                (scheduled.schedule().times(net), Steps::Values(scheduled.values(net)))
            }
            Simulation::Events { waveforms, .. } => {
                let (times, toggles) = waveforms.changes(net);
                (times, Steps::Toggles(toggles))
            }
        };
        let first = times.partition_point(|&time| time < from.0);
        let changes = times.iter().enumerate().skip(first).map(move |(index, &time)| {
            let toggles = match steps {
                Steps::Values(values) => values[index] ^ values[index + 1],
                Steps::Toggles(toggles) => toggles[index],
            };
            (Picoseconds(time), toggles)
        });
        changes.filter(|(_, toggles)| !toggles.is_zero())
    }

    /// What `net` does, for counting.
    #[inline(always)]
    pub(crate) fn steps(&self, net: NetId) -> Steps<'_> {
        match &self.simulation {
            Simulation::Scheduled(scheduled) => Steps::Values(scheduled.values(net)),
            Simulation::Events { waveforms, .. } => Steps::Toggles(waveforms.changes(net).1),
        }
    }
}

/// A net's successive values; two in a row may be equal.
#[derive(Clone, Copy)]
pub(crate) enum Steps<'e> {
    /// As they are.
    Values(&'e [Lanes]),
    /// The lanes in which each differs from the one before.
    Toggles(&'e [Lanes]),
}

impl Steps<'_> {
    /// Number of runs of eight steps.
    #[inline(always)]
    pub(crate) fn runs(self) -> usize {
        let steps = match self {
            Steps::Values(values) => values.len() - 1,
            Steps::Toggles(toggles) => toggles.len(),
        };
        steps.div_ceil(8)
    }

    /// The nine values of a run, inverted in some lanes perhaps; the last run repeats its last value. They lie in `room`
    /// if they have to be put together.
    #[inline(always)]
    pub(crate) fn run<'r>(&'r self, run: usize, room: &'r mut [Lanes; 9]) -> &'r [Lanes; 9] {
        match self {
            Steps::Values(values) => match values[8 * run..].first_chunk() {
                Some(nine) => nine,
                None => {
                    for (step, value) in room.iter_mut().enumerate() {
                        *value = values[(8 * run + step).min(values.len() - 1)];
                    }
                    room
                }
            },
            Steps::Toggles(toggles) => {
                for step in 0..8 {
                    let toggles = toggles.get(8 * run + step).copied().unwrap_or(Lanes::ZERO);
                    room[step + 1] = room[step] ^ toggles;
                }
                room
            }
        }
    }
}
