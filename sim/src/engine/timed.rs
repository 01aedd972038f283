//! Waveforms: what every net does, picosecond by picosecond, after the inputs change.
//!
//! Each net's waveform is a sorted list of times, each with the set of lanes that toggle then. A cell's output list
//! is a merge of its input lists, so 512 vector pairs share every step and quiet parts of the circuit cost nothing.
//!
//! The circuit is taken as settled before the inputs change (two-vector simulation).

use super::functional::evaluate;
use super::lanes::{Lanes, multiversion};
use crate::netlist::{CellKind, NetId, Netlist};
use crate::units::Picoseconds;

/// What a cell does with pulses shorter than its delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayMode {
    /// Every change passes, however short.
    Transport,
    /// A change is dropped if the output's next value differs before the delay is over, as in Verilog's primitives.
    Inertial,
}

/// The history of one net in every lane: its value before time 0 and the lanes that toggle at each time.
///
/// Invariant: times ascend strictly, and no toggle set is empty once the cell has been simulated.
#[derive(Clone, Debug, Default)]
struct Waveform {
    initial: Option<Lanes>,
    times: Vec<u32>,
    toggles: Vec<Lanes>,
}

impl Waveform {
    fn start(&mut self, initial: Lanes) {
        self.initial = Some(initial);
        self.times.clear();
        self.toggles.clear();
    }

    fn push(&mut self, time: u32, toggles: Lanes) {
        self.times.push(time);
        self.toggles.push(toggles);
    }

    #[inline(always)]
    fn initial(&self) -> Lanes {
        self.initial.unwrap_or(Lanes::ZERO)
    }

    /// Cancels the pulses that a change of `lanes` at `now` makes too short, and returns the lanes still to toggle.
    #[inline(always)]
    fn cancel_pending(&mut self, now: u32, mut lanes: Lanes) -> Lanes {
        let mut event = self.times.len();
        while event > 0 && self.times[event - 1] > now {
            event -= 1;
            let cancelled = lanes & self.toggles[event];
            self.toggles[event] ^= cancelled;
            lanes ^= cancelled;
        }
        lanes
    }

    fn drop_empty(&mut self) {
        let mut kept = 0;
        for event in 0..self.times.len() {
            if !self.toggles[event].is_zero() {
                self.times[kept] = self.times[event];
                self.toggles[kept] = self.toggles[event];
                kept += 1;
            }
        }
        self.times.truncate(kept);
        self.toggles.truncate(kept);
    }
}

/// Simulates [`super::LANES`] transitions from one input vector to another at once.
#[derive(Clone, Debug)]
pub struct TimedEngine<'n> {
    netlist: &'n Netlist,
    delay: Vec<u32>,
    mode: DelayMode,
    waveforms: Vec<Waveform>,
}

impl<'n> TimedEngine<'n> {
    /// An engine with constant inputs; `delay` is from any input of a net's driver to the net, indexed by net.
    ///
    /// # Panics
    /// If there is not one delay a net.
    pub fn new(netlist: &'n Netlist, delay: &[Picoseconds], mode: DelayMode) -> Self {
        assert_eq!(delay.len(), netlist.net_count(), "one delay a net");
        let mut waveforms = vec![Waveform::default(); netlist.net_count()];
        waveforms[NetId::ZERO.index()].start(Lanes::ZERO);
        waveforms[NetId::ONE.index()].start(Lanes::ONES);
        for net in netlist.inputs().iter().flat_map(|port| port.nets()) {
            waveforms[net.index()].start(Lanes::ZERO);
        }
        Self { netlist, delay: delay.iter().map(|delay| delay.0).collect(), mode, waveforms }
    }

    /// Lets bit `bit` of input port `port` go from `from` to `to` at time 0.
    pub fn set_input(&mut self, port: usize, bit: usize, from: Lanes, to: Lanes) {
        let net = self.netlist.inputs()[port].nets()[bit];
        let waveform = &mut self.waveforms[net.index()];
        waveform.start(from);
        if from != to {
            waveform.push(0, from ^ to);
        }
    }

    /// Computes every waveform.
    pub fn run(&mut self) {
        run(self.netlist, &self.delay, self.mode, &mut self.waveforms);
    }

    /// Value of `net` just before `time`: a change at `time` itself comes too late.
    pub fn sampled(&self, net: NetId, time: Picoseconds) -> Lanes {
        let waveform = &self.waveforms[net.index()];
        let captured = waveform.times.partition_point(|&event| event < time.0);
        waveform.toggles[..captured].iter().fold(waveform.initial(), |value, &toggles| value ^ toggles)
    }

    /// [`Self::sampled`] at several ascending times in one pass over the waveform.
    ///
    /// # Panics
    /// If there are more times than room in `values`.
    pub fn sample_all(&self, net: NetId, ascending: &[Picoseconds], values: &mut [Lanes]) {
        let waveform = &self.waveforms[net.index()];
        let mut event = 0;
        let mut value = waveform.initial();
        for (time, sample) in ascending.iter().zip(&mut values[..ascending.len()]) {
            while event < waveform.times.len() && waveform.times[event] < time.0 {
                value ^= waveform.toggles[event];
                event += 1;
            }
            *sample = value;
        }
    }

    /// Value of `net` before the inputs change.
    pub fn initial(&self, net: NetId) -> Lanes {
        self.waveforms[net.index()].initial()
    }

    /// Value of `net` after everything has settled.
    pub fn settled(&self, net: NetId) -> Lanes {
        self.sampled(net, Picoseconds(u32::MAX))
    }

    /// Time of the last change of `net` in any lane, if it changes at all.
    pub fn last_change(&self, net: NetId) -> Option<Picoseconds> {
        self.waveforms[net.index()].times.last().copied().map(Picoseconds)
    }

    /// The changes of `net`: time and toggling lanes, in order of time.
    pub fn changes(&self, net: NetId) -> impl Iterator<Item = (Picoseconds, Lanes)> {
        let waveform = &self.waveforms[net.index()];
        waveform.times.iter().copied().map(Picoseconds).zip(waveform.toggles.iter().copied())
    }
}

multiversion! {
    fn run(netlist: &Netlist, delay: &[u32], mode: DelayMode, waveforms: &mut [Waveform]) = run_cells
}

#[inline(always)]
fn run_cells(netlist: &Netlist, delay: &[u32], mode: DelayMode, waveforms: &mut [Waveform]) {
    for cell in netlist.cells() {
        let first = cell.output(0).index();
        let (before, after) = waveforms.split_at_mut(first);
        let pins = cell.inputs();
        let pin = |index: usize| &before[pins[index].index()];
        match (pins.len(), cell.kind().outputs()) {
            (1, _) => simulate::<1, 1>(cell.kind(), [pin(0)], &mut after[..1], &delay[first..], mode),
            (2, 1) => simulate::<2, 1>(cell.kind(), [pin(0), pin(1)], &mut after[..1], &delay[first..], mode),
            (2, _) => simulate::<2, 2>(cell.kind(), [pin(0), pin(1)], &mut after[..2], &delay[first..], mode),
            (3, 1) => simulate::<3, 1>(cell.kind(), [pin(0), pin(1), pin(2)], &mut after[..1], &delay[first..], mode),
            (3, _) => simulate::<3, 2>(cell.kind(), [pin(0), pin(1), pin(2)], &mut after[..2], &delay[first..], mode),
            _ => simulate::<4, 1>(
                cell.kind(),
                [pin(0), pin(1), pin(2), pin(3)],
                &mut after[..1],
                &delay[first..],
                mode,
            ),
        }
    }
}

/// Simulates one cell: steps through the times at which any input changes.
#[inline(always)]
fn simulate<const IN: usize, const OUT: usize>(
    kind: CellKind,
    inputs: [&Waveform; IN],
    outputs: &mut [Waveform],
    delay: &[u32],
    mode: DelayMode,
) {
    let mut pins = [Lanes::ZERO; 4];
    let mut heads = [u32::MAX; IN];
    let mut next = [0; IN];
    for index in 0..IN {
        pins[index] = inputs[index].initial();
        heads[index] = inputs[index].times.first().copied().unwrap_or(u32::MAX);
    }
    let mut current = evaluate(kind, pins);
    for (output, value) in outputs.iter_mut().zip(current) {
        output.start(value);
    }
    loop {
        let now = heads.into_iter().fold(u32::MAX, u32::min);
        if now == u32::MAX {
            break;
        }
        for index in 0..IN {
            if heads[index] == now {
                pins[index] ^= inputs[index].toggles[next[index]];
                next[index] += 1;
                heads[index] = inputs[index].times.get(next[index]).copied().unwrap_or(u32::MAX);
            }
        }
        let values = evaluate(kind, pins);
        for pin in 0..OUT {
            let mut toggles = values[pin] ^ current[pin];
            if toggles.is_zero() {
                continue;
            }
            if mode == DelayMode::Inertial {
                toggles = outputs[pin].cancel_pending(now, toggles);
            }
            outputs[pin].push(now + delay[pin], toggles);
        }
        current = values;
    }
    if mode == DelayMode::Inertial {
        for output in outputs {
            output.drop_empty();
        }
    }
}
