//! Waveforms: what every net does, picosecond by picosecond, after the inputs change.
//!
//! Each net's waveform is a sorted list of times, each with the set of lanes that toggle then. A cell's output list
//! is a merge of its input lists, so 512 vector pairs share every step and quiet parts of the circuit cost nothing.
//!
//! The circuit is taken as settled before the inputs change (two-vector simulation).

use super::arc_delay::{Arcs, run_arcs};
use super::lanes::Lanes;
use super::single_delay::run_single;
use super::waveforms::Waveforms;
use crate::netlist::{Delays, NetId, Netlist};
use crate::units::Picoseconds;

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
    timing: Timing,
    mode: DelayMode,
    waveforms: Waveforms,
}

/// Delays in the form the simulation wants, indexed by net.
#[derive(Clone, Debug)]
enum Timing {
    Single(Vec<u32>),
    Arcs(Vec<Arcs>),
}

impl<'n> TimedEngine<'n> {
    /// An engine with constant inputs; `delay` is from any input of a net's driver to the net, indexed by net.
    ///
    /// # Panics
    /// If there is not one delay a net.
    pub fn new(netlist: &'n Netlist, delay: &[Picoseconds], mode: DelayMode) -> Self {
        assert_eq!(delay.len(), netlist.net_count(), "one delay a net");
        let timing = Timing::Single(delay.iter().map(|delay| delay.0).collect());
        Self { netlist, timing, mode, waveforms: Waveforms::new(netlist) }
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
        assert_eq!(delays.net_count(), netlist.net_count(), "delays of every net");
        let timing = match delays.merged(netlist) {
            Some(single) => return Self::new(netlist, &single, mode),
            None => Timing::Arcs(Arcs::of(netlist, delays)),
        };
        Self { netlist, timing, mode, waveforms: Waveforms::new(netlist) }
    }

    /// Lets bit `bit` of input port `port` go from `from` to `to` at time 0.
    pub fn set_input(&mut self, port: usize, bit: usize, from: Lanes, to: Lanes) {
        self.waveforms.set_input(self.netlist.inputs()[port].nets()[bit], from, to);
    }

    /// Computes every waveform.
    pub fn run(&mut self) {
        self.waveforms.restart();
        match &self.timing {
            Timing::Single(delay) => run_single(self.netlist, delay, self.mode, &mut self.waveforms),
            Timing::Arcs(arcs) => run_arcs(self.netlist, arcs, self.mode, &mut self.waveforms),
        }
    }

    /// Value of `net` just before `time`: a change at `time` itself comes too late.
    pub fn sampled(&self, net: NetId, time: Picoseconds) -> Lanes {
        let (times, toggles) = self.waveforms.changes(net);
        let captured = times.partition_point(|&event| event < time.0);
        toggles[..captured].iter().fold(self.initial(net), |value, &toggles| value ^ toggles)
    }

    /// [`Self::sampled`] at several ascending times in one pass over the waveform.
    ///
    /// # Panics
    /// If there are more times than room in `values`.
    pub fn sample_all(&self, net: NetId, ascending: &[Picoseconds], values: &mut [Lanes]) {
        let (times, toggles) = self.waveforms.changes(net);
        let mut changes = times.iter().zip(toggles).peekable();
        let mut value = self.initial(net);
        for (time, sample) in ascending.iter().zip(&mut values[..ascending.len()]) {
            while let Some((_, &toggles)) = changes.next_if(|&(&event, _)| event < time.0) {
                value ^= toggles;
            }
            *sample = value;
        }
    }

    /// Value of `net` before the inputs change.
    pub fn initial(&self, net: NetId) -> Lanes {
        self.waveforms.initial(net)
    }

    /// Value of `net` after everything has settled.
    pub fn settled(&self, net: NetId) -> Lanes {
        self.sampled(net, Picoseconds(u32::MAX))
    }

    /// Time of the last change of `net` in any lane, if it changes at all.
    pub fn last_change(&self, net: NetId) -> Option<Picoseconds> {
        self.waveforms.changes(net).0.last().copied().map(Picoseconds)
    }

    /// The changes of `net`: time and toggling lanes, in order of time.
    #[inline]
    pub fn changes(&self, net: NetId) -> impl Iterator<Item = (Picoseconds, Lanes)> {
        let (times, toggles) = self.waveforms.changes(net);
        times.iter().copied().map(Picoseconds).zip(toggles.iter().copied())
    }
}
