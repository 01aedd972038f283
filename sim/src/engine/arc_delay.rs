//! Simulating cells whose delay depends on the edge of the output, or on the pin that caused it, event by event.

use super::functional::evaluate;
use super::lanes::{Lanes, multiversion};
use super::timed::DelayMode;
use super::waveforms::{NEVER, Room, Waveforms};
use crate::netlist::{Cell, Delays, NetId, Netlist};

/// The arcs to one output.
#[derive(Clone, Debug, Default)]
pub(super) struct Arcs {
    /// To a rising and to a falling output: input pins of equal delay, ascending by delay.
    by_edge: [Vec<PinGroup>; 2],
}

/// Input pins from which a change takes equally long.
#[derive(Clone, Copy, Debug)]
struct PinGroup {
    delay: u32,
    /// Bit `pin` for each pin.
    pins: u8,
}

impl Arcs {
    fn new(cell: &Cell, net: NetId, delays: &Delays) -> Self {
        let pins = cell.inputs().len();
        let arcs = |delay: &dyn Fn(usize) -> u32| {
            let mut groups: Vec<PinGroup> = Vec::new();
            for pin in 0..pins {
                let delay = delay(pin);
                match groups.iter_mut().find(|group| group.delay == delay) {
                    Some(group) => group.pins |= 1 << pin,
                    None => groups.push(PinGroup { delay, pins: 1 << pin }),
                }
            }
            groups.sort_by_key(|group| group.delay);
            groups
        };
        Self { by_edge: [arcs(&|pin| delays.arc(net, pin).rise.0), arcs(&|pin| delays.arc(net, pin).fall.0)] }
    }

    /// The arcs to every net, indexed by net.
    pub(super) fn of(netlist: &Netlist, delays: &Delays) -> Vec<Arcs> {
        let mut arcs = vec![Arcs::default(); netlist.net_count()];
        for cell in netlist.cells() {
            for net in cell.outputs() {
                arcs[net.index()] = Arcs::new(cell, net, delays);
            }
        }
        arcs
    }

    /// The most events that one change of the function can schedule.
    fn fanout(&self) -> usize {
        self.by_edge.iter().map(Vec::len).sum()
    }
}

multiversion! {
    /// Simulates every cell; `arcs` is indexed by net.
    pub(super) fn run_arcs(netlist: &Netlist, arcs: &[Arcs], mode: DelayMode, waveforms: &mut Waveforms) = run
}

#[inline(always)]
fn run(netlist: &Netlist, arcs: &[Arcs], mode: DelayMode, waveforms: &mut Waveforms) {
    for cell in netlist.cells() {
        for (pin, net) in cell.outputs().enumerate() {
            let arcs = &arcs[net.index()];
            match cell.inputs().len() {
                1 => simulate::<1>(cell, pin, arcs, mode, waveforms),
                2 => simulate::<2>(cell, pin, arcs, mode, waveforms),
                3 => simulate::<3>(cell, pin, arcs, mode, waveforms),
                _ => simulate::<4>(cell, pin, arcs, mode, waveforms),
            }
            waveforms.close(net);
        }
    }
}

/// Simulates output `pin` of a cell: steps through the times at which any input changes.
#[inline(always)]
fn simulate<const IN: usize>(cell: &Cell, pin: usize, arcs: &Arcs, mode: DelayMode, waveforms: &mut Waveforms) {
    let inputs: [NetId; IN] = std::array::from_fn(|pin| cell.inputs()[pin]);
    let mut pins = [Lanes::ZERO; 4];
    for (pin, net) in inputs.into_iter().enumerate() {
        pins[pin] = waveforms.initial(net);
    }
    let mut current = evaluate(cell.kind(), pins)[pin];
    waveforms.set_initial(cell.output(pin), current);
    let steps: usize = inputs.into_iter().map(|net| waveforms.len(net)).sum();
    let capacity = 1 + steps * arcs.fanout();
    let (events, [room]) = waveforms.split::<IN, 1>(inputs, capacity);
    let mut output = Schedule { room, len: 0, pending: Lanes::ZERO, happened: 0 };
    let mut next = [0; IN];
    let mut heads = events.map(|events| events.times[0]);
    loop {
        let now = heads.into_iter().fold(NEVER, u32::min);
        if now == NEVER {
            break;
        }
        let mut changed = [Lanes::ZERO; 4];
        for pin in 0..IN {
            let changes = heads[pin] == now;
            changed[pin] = events[pin].toggles[next[pin]] & Lanes::splat(changes);
            pins[pin] ^= changed[pin];
            next[pin] += usize::from(changes);
            heads[pin] = events[pin].times[next[pin]];
        }
        let value = evaluate(cell.kind(), pins)[pin];
        let toggles = value ^ current;
        current = value;
        if toggles.is_zero() {
            continue;
        }
        for (groups, mut lanes) in arcs.by_edge.iter().zip([toggles & value, toggles & !value]) {
            if mode == DelayMode::Inertial {
                lanes = output.withdraw(now, lanes);
            }
            for (rank, group) in groups.iter().enumerate() {
                let mut through = lanes;
                // A lane that toggles has some changed pin: what no faster group took is left for the slowest.
                if rank + 1 < groups.len() {
                    let causes = (0..IN).filter(|pin| group.pins >> pin & 1 == 1);
                    through &= causes.fold(Lanes::ZERO, |any, pin| any | changed[pin]);
                }
                lanes &= !through;
                if !through.is_zero() {
                    output.schedule(now + group.delay, through, mode);
                }
            }
        }
    }
    let Schedule { mut room, len, .. } = output;
    let len = room.without_empty(len);
    waveforms.keep(cell.output(pin), [len], capacity);
}

/// Events of an output, in order of time, some of them emptied.
struct Schedule<'w> {
    room: Room<'w>,
    len: usize,
    /// Inertial: the lanes whose output is still to change.
    pending: Lanes,
    /// Inertial: number of events known to have happened.
    happened: usize,
}

impl Schedule<'_> {
    /// Inertial: takes back the changes that `lanes` have pending after `now`, at most one each, and returns the lanes
    /// that had none.
    #[inline(always)]
    fn withdraw(&mut self, now: u32, lanes: Lanes) -> Lanes {
        while self.happened < self.len && self.room.times[self.happened] <= now {
            self.pending &= !self.room.toggles[self.happened];
            self.happened += 1;
        }
        let mut cancelled = lanes & self.pending;
        let remaining = lanes ^ cancelled;
        self.pending ^= lanes;
        let mut event = self.len;
        while !cancelled.is_zero() {
            event -= 1;
            let here = cancelled & self.room.toggles[event];
            self.room.toggles[event] ^= here;
            cancelled ^= here;
        }
        remaining
    }

    /// Lets the output of `lanes` toggle at `due`. Under transport delay this deletes what the lanes have pending then
    /// or later; if that leaves a lane at its new value already, nothing is scheduled for it.
    #[inline(always)]
    fn schedule(&mut self, due: u32, mut lanes: Lanes, mode: DelayMode) {
        let mut event = self.len;
        let mut deleted = Lanes::ZERO;
        while event > 0 && self.room.times[event - 1] >= due {
            event -= 1;
            if mode == DelayMode::Transport {
                let here = lanes & self.room.toggles[event];
                self.room.toggles[event] ^= here;
                deleted ^= here;
            }
        }
        lanes &= !deleted;
        if lanes.is_zero() {
            return;
        }
        if event < self.len && self.room.times[event] == due {
            self.room.toggles[event] ^= lanes;
            return;
        }
        self.room.times.copy_within(event..self.len, event + 1);
        self.room.toggles.copy_within(event..self.len, event + 1);
        self.room.times[event] = due;
        self.room.toggles[event] = lanes;
        self.len += 1;
    }
}
