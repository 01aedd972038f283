//! When nets can change at all: the times are found once a netlist, so that simulating needs no queue of events.

use super::by_pin::{PinPlan, PinPlans, common_delay};
use super::timed::DelayMode;
use crate::netlist::{Cell, Delays, EdgeDelay, NetId, Netlist};
use crate::units::Picoseconds;

/// The possible values of every net in order of time, as slots of one array, and where each comes from.
///
/// Invariant: a net's slots are consecutive, the first is its value before time 0, times ascend strictly; the slots of
/// a cell's outputs lie behind those of its inputs.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// First slot of each net; one more at the end.
    first: Vec<u32>,
    /// Time from which a slot's value holds.
    times: Vec<u32>,
    /// Nets that never change, and their level.
    constants: Vec<(NetId, bool)>,
    plans: Vec<CellPlan>,
    /// Slots of the input pins at each step of each cell.
    pins: Vec<u32>,
    captures: Vec<Capture>,
    by_pin: PinPlans,
    longest: usize,
}

/// What is to be done for one cell. It steps through the states of its inputs: the one before time 0, then one for each
/// time at which any of them can change.
#[derive(Clone, Debug)]
pub(super) struct CellPlan {
    pub(super) cell: usize,
    /// Number of states.
    pub(super) states: usize,
    /// Where the slots of its pins begin in [`Schedule::pins`].
    pub(super) pins: usize,
    pub(super) outputs: [OutputPlan; 2],
}

/// How an output follows the cell's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputPlan {
    /// It never changes; or the cell has no such output.
    Constant,
    /// Slot by slot the same, later.
    Delayed,
    /// Each slot is made of some states; entries from this one on in [`Schedule::captures`].
    Captured { captures: usize, delay: EdgeDelay },
    /// Its delay depends on the pin.
    ByPin(PinPlan),
}

/// Which states of the function decide an output's value from time T on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capture {
    /// The last state that began at T − rise or before.
    pub(super) rise: u32,
    /// The last state that began at T − fall or before.
    pub(super) fall: u32,
    /// Number of states that began before T.
    pub(super) end: u32,
}

impl Schedule {
    /// Plans a netlist whose primary inputs change at `edges`, which ascend, except those that `held` says stay at a level
    /// in all lanes (indexed by net).
    pub(super) fn new(
        netlist: &Netlist,
        delays: &Delays,
        mode: DelayMode,
        edges: &[u32],
        held: &[Option<bool>],
    ) -> Self {
        let mut level: Vec<Option<bool>> = held.to_vec();
        level[NetId::ZERO.index()] = Some(false);
        level[NetId::ONE.index()] = Some(true);
        let mut schedule = Self {
            first: vec![0],
            times: Vec::new(),
            constants: Vec::new(),
            plans: Vec::new(),
            pins: Vec::new(),
            captures: Vec::new(),
            by_pin: PinPlans::default(),
            longest: 0,
        };
        let sources = 2 + netlist.inputs().iter().map(|port| port.width()).sum::<usize>();
        for net in netlist.nets().take(sources) {
            match level[net.index()] {
                Some(level) => schedule.push_constant(net, level),
                None => schedule.push_net(edges),
            }
        }
        let mut starts = Vec::new();
        let mut times = Vec::new();
        for (index, cell) in netlist.cells().iter().enumerate() {
            let fixed = fixed_outputs(cell, &level);
            if fixed[..cell.kind().outputs()].iter().all(Option::is_some) {
                for (net, fixed) in cell.outputs().zip(fixed) {
                    level[net.index()] = fixed;
                    schedule.push_constant(net, fixed.expect("just looked"));
                }
                continue;
            }
            let pins = schedule.pins.len();
            schedule.push_states(cell, &mut starts);
            let mut plan = CellPlan { cell: index, states: starts.len(), pins, outputs: [OutputPlan::Constant; 2] };
            schedule.longest = schedule.longest.max(starts.len());
            for (pin, net) in cell.outputs().enumerate() {
                if let Some(fixed) = fixed[pin] {
                    level[net.index()] = Some(fixed);
                    schedule.push_constant(net, fixed);
                    continue;
                }
                times.clear();
                let changing =
                    cell.inputs().iter().enumerate().filter(|(_, input)| schedule.range(**input).len() > 1);
                plan.outputs[pin] = match common_delay(delays, net, changing.map(|(pin, _)| pin)) {
                    Some(delay) if delay.rise == delay.fall && mode == DelayMode::Transport => {
                        times.extend(starts[1..].iter().map(|start| start + delay.rise.0));
                        OutputPlan::Delayed
                    }
                    Some(delay) => {
                        let captures = schedule.captures.len();
                        schedule.push_captures(&starts, delay, &mut times);
                        OutputPlan::Captured { captures, delay }
                    }
                    None => {
                        OutputPlan::ByPin(schedule.push_by_pin(cell, (delays, net), mode, &plan, &starts, &mut times))
                    }
                };
                schedule.push_net(&times);
            }
            schedule.plans.push(plan);
        }
        schedule
    }

    fn push_net(&mut self, times: &[u32]) {
        self.times.push(0);
        self.times.extend(times);
        self.first.push(self.times.len() as u32);
    }

    fn push_constant(&mut self, net: NetId, level: bool) {
        self.constants.push((net, level));
        self.push_net(&[]);
    }

    /// Merges the times at which a cell's inputs change; `starts` becomes when each state begins.
    fn push_states(&mut self, cell: &Cell, starts: &mut Vec<u32>) {
        let inputs = cell.inputs().len();
        let mut slots = [0; 4];
        let mut ends = [0; 4];
        for (pin, &net) in cell.inputs().iter().enumerate() {
            (slots[pin], ends[pin]) = (self.first[net.index()], self.first[net.index() + 1]);
        }
        starts.clear();
        let mut now = 0;
        loop {
            starts.push(now);
            self.pins.extend(&slots[..inputs]);
            let next = (0..inputs).filter(|&pin| slots[pin] + 1 < ends[pin]);
            let Some(next) = next.map(|pin| self.times[slots[pin] as usize + 1]).min() else { break };
            for pin in 0..inputs {
                slots[pin] += u32::from(slots[pin] + 1 < ends[pin] && self.times[slots[pin] as usize + 1] == next);
            }
            now = next;
        }
    }

    /// Finds when an output can change, given when each state of its function begins, and which states decide it then.
    fn push_captures(&mut self, starts: &[u32], delay: EdgeDelay, times: &mut Vec<u32>) {
        let (rise, fall) = (delay.rise.0, delay.fall.0);
        // States 0…rising − 1 have risen by now, 0…falling − 1 have fallen.
        let (mut rising, mut falling, mut end) = (1, 1, 1);
        loop {
            let due = |state: usize, delay: u32| starts.get(state).map_or(u32::MAX, |start| start + delay);
            let now = due(rising, rise).min(due(falling, fall));
            if now == u32::MAX {
                break;
            }
            rising += usize::from(due(rising, rise) == now);
            falling += usize::from(due(falling, fall) == now);
            while end < starts.len() && starts[end] < now {
                end += 1;
            }
            times.push(now);
            self.captures.push(Capture { rise: rising as u32 - 1, fall: falling as u32 - 1, end: end as u32 });
        }
    }

    /// Plans an output whose delay depends on the pin.
    fn push_by_pin(
        &mut self,
        cell: &Cell,
        output: (&Delays, NetId),
        mode: DelayMode,
        plan: &CellPlan,
        starts: &[u32],
        times: &mut Vec<u32>,
    ) -> PinPlan {
        let slots = &self.pins[plan.pins..];
        match cell.inputs().len() {
            2 => self.by_pin.push::<2>(output, mode, starts, slots.as_chunks().0, times),
            3 => self.by_pin.push::<3>(output, mode, starts, slots.as_chunks().0, times),
            // A cell of one pin has one delay.
            _ => self.by_pin.push::<4>(output, mode, starts, slots.as_chunks().0, times),
        }
    }

    /// Outputs whose delay depends on the pin.
    pub(super) fn by_pin(&self) -> &PinPlans {
        &self.by_pin
    }

    /// Number of slots of all nets.
    pub(super) fn slots(&self) -> usize {
        self.times.len()
    }

    /// Most states of any cell.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    pub(super) fn plans(&self) -> &[CellPlan] {
        &self.plans
    }

    /// Slots of each input pin at each state.
    #[inline(always)]
    pub(super) fn pins<const IN: usize>(&self, plan: &CellPlan) -> &[[u32; IN]] {
        self.pins[plan.pins..plan.pins + IN * plan.states].as_chunks().0
    }

    /// What makes each slot of an output but its first.
    #[inline(always)]
    pub(super) fn captures(&self, first: usize, net: NetId) -> &[Capture] {
        &self.captures[first..first + self.times(net).len()]
    }

    /// Nets that never change.
    pub(super) fn constants(&self) -> &[(NetId, bool)] {
        &self.constants
    }

    /// A net's slots.
    #[inline(always)]
    pub(super) fn range(&self, net: NetId) -> std::ops::Range<usize> {
        self.first[net.index()] as usize..self.first[net.index() + 1] as usize
    }

    /// When a net can change; the second slot holds the value from the first of these times on.
    #[inline(always)]
    pub(super) fn times(&self, net: NetId) -> &[u32] {
        let range = self.range(net);
        &self.times[range.start + 1..range.end]
    }

    /// The slot of a net's value just before `time`.
    #[inline(always)]
    pub(super) fn slot_before(&self, net: NetId, time: Picoseconds) -> usize {
        self.range(net).start + self.times(net).partition_point(|&start| start < time.0)
    }
}

/// The level of each output that has the same one whatever those inputs do whose level is not known.
fn fixed_outputs(cell: &Cell, level: &[Option<bool>]) -> [Option<bool>; 2] {
    let (mut known, mut code) = (0u8, 0u8);
    for (pin, net) in cell.inputs().iter().enumerate() {
        known |= u8::from(level[net.index()].is_some()) << pin;
        code |= u8::from(level[net.index()] == Some(true)) << pin;
    }
    let (mut any, mut all) = (0, !0);
    for inputs in (0..1u8 << cell.inputs().len()).filter(|inputs| inputs & known == code) {
        let outputs = cell.kind().evaluate(inputs);
        (any, all) = (any | outputs, all & outputs);
    }
    [0, 1].map(|pin| {
        let (any, all) = (any >> pin & 1 == 1, all >> pin & 1 == 1);
        (any == all).then_some(all)
    })
}
