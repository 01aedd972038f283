//! Outputs whose delay depends on the pin that caused the change, by a schedule.
//!
//! A state of the inputs that toggles the output in some lanes brings them an arrival: its time and the arc's delay, that of
//! the fastest of the pins that changed in a lane. Which pins can change at a state, and so which arrivals there can be, is known
//! beforehand; mostly it is one pin, and all lanes that rise have the same arc.
//!
//! Under transport delay an arrival deletes those due at its time or later, so at T the last state that has arrived by then
//! counts: from the last state up to which all have arrived whatever the pin, those after it follow in their order as far as they have.
//! Under inertial delay an arrival sets its lanes to the state's value if nothing has toggled since the state began: otherwise the change
//! was withdrawn, or the output has been at that value anyway.

use super::lanes::Lanes;
use super::scheduled::SlidingUnion;
use super::timed::DelayMode;
use crate::netlist::{Delays, EdgeDelay, NetId};

/// Which masks a state has: for each edge of the output, rising and falling, the pins whose changes have arrived by each of
/// the delays, ascending; of the last, all.
#[derive(Clone, Copy, Debug, Default)]
struct Causes {
    /// Masks of each edge.
    masks: [u8; 2],
    /// Bit `pin` for each pin.
    pins: [[u8; 4]; 2],
}

/// Transport: what an output's value at one of its times follows from.
#[derive(Clone, Copy, Debug)]
struct Fold {
    /// The state that counts where none of the others has arrived.
    base: u32,
    /// Where its [`PinPlans::steps`] end; they begin where those before end.
    end: u32,
}

/// Inertial: some lanes' output reaches a state's value.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// Which lanes: place among the output's masks.
    mask: u32,
    /// The state after its own.
    from: u32,
    /// Number of states that began before it.
    to: u32,
    /// Place of its delay among those of the output.
    class: u8,
    falling: bool,
    /// Whether no other comes at the same time.
    last: bool,
}

/// All outputs whose delay depends on the pin.
#[derive(Clone, Debug, Default)]
pub(super) struct PinPlans {
    causes: Vec<Causes>,
    arrivals: Vec<Arrival>,
    folds: Vec<Fold>,
    /// Places of the masks of lanes that have risen and that have fallen.
    steps: Vec<[u32; 2]>,
    /// Most masks of an output.
    most: usize,
}

/// One output: where its entries in [`PinPlans`] begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PinPlan {
    causes: usize,
    /// Of folds or arrivals.
    first: usize,
    end: usize,
    steps: usize,
}

/// Room for one output.
#[derive(Clone, Debug, Default)]
pub(super) struct PinScratch {
    masks: Vec<Lanes>,
    /// By set of pins, the lanes in which any of them changes.
    changed: Vec<Lanes>,
    suffixes: [Vec<Lanes>; CLASSES],
}

/// Delays of an output: of four pins and two edges.
const CLASSES: usize = 8;

/// An arrival that is being planned.
#[derive(Clone, Copy)]
struct Due {
    time: u32,
    state: u32,
    mask: u32,
    delay: u32,
    falling: bool,
}

/// The delay of `net` if all pins that can change share it.
pub(super) fn common_delay(delays: &Delays, net: NetId, changing: impl Iterator<Item = usize>) -> Option<EdgeDelay> {
    let mut arcs = changing.map(|pin| delays.arc(net, pin));
    let first = arcs.next().unwrap_or_default();
    arcs.all(|arc| arc == first).then_some(first)
}

impl PinPlans {
    /// Plans the output `net` of a cell whose states begin at `starts`; `slots` are those of its pins at each state, `times`
    /// becomes when the output can change.
    pub(super) fn push<const IN: usize>(
        &mut self,
        (delays, net): (&Delays, NetId),
        mode: DelayMode,
        starts: &[u32],
        slots: &[[u32; IN]],
        times: &mut Vec<u32>,
    ) -> PinPlan {
        let (causes, steps) = (self.causes.len(), self.steps.len());
        let mut dues: Vec<Due> = Vec::new();
        // Of each state, where its arrivals begin among those in the order of states.
        let mut first = vec![0, 0];
        // The first is empty.
        let mut mask = 1;
        for (state, pair) in (1u32..).zip(slots.windows(2)) {
            let changing = (0..IN).filter(|&pin| pair[0][pin] != pair[1][pin]);
            let mut causes = Causes::default();
            for falling in [false, true] {
                let delay = |pin: usize| {
                    let arc = delays.arc(net, pin);
                    if falling { arc.fall.0 } else { arc.rise.0 }
                };
                let mut pins: Vec<usize> = changing.clone().collect();
                pins.sort_by_key(|&pin| delay(pin));
                let edge = usize::from(falling);
                let mut together = 0u8;
                for (rank, &pin) in pins.iter().enumerate() {
                    together |= 1 << pin;
                    if pins.get(rank + 1).is_some_and(|&next| delay(next) == delay(pin)) {
                        continue;
                    }
                    causes.pins[edge][usize::from(causes.masks[edge])] = together;
                    causes.masks[edge] += 1;
                    let delay = delay(pin);
                    dues.push(Due { time: starts[state as usize] + delay, state, mask, delay, falling });
                    mask += 1;
                }
            }
            first.push(dues.len());
            self.causes.push(causes);
        }
        self.most = self.most.max(mask as usize);
        let (first, end) = match mode {
            DelayMode::Transport => {
                let start = self.folds.len();
                self.push_folds(&dues, &first, times);
                (start, self.folds.len())
            }
            DelayMode::Inertial => {
                let start = self.arrivals.len();
                self.push_arrivals(&dues, starts, times);
                (start, self.arrivals.len())
            }
        };
        PinPlan { causes, first, end, steps }
    }

    /// Transport: `first` is where the arrivals of each state begin.
    fn push_folds(&mut self, dues: &[Due], first: &[usize], times: &mut Vec<u32>) {
        times.clear();
        times.extend(dues.iter().map(|due| due.time));
        times.sort_unstable();
        times.dedup();
        let of_state = |state: usize| &dues[first[state]..first[state + 1]];
        let earliest = dues.iter().map(|due| due.delay).min().unwrap_or(0);
        let states = first.len() - 1;
        let mut base = 0;
        for &now in times.iter() {
            while base + 1 < states && of_state(base + 1).iter().all(|due| due.time <= now) {
                base += 1;
            }
            for state in base + 1..states {
                let own = of_state(state);
                if own[0].time - own[0].delay + earliest > now {
                    break;
                }
                let arrived = [false, true].map(|falling| {
                    let last = own.iter().rfind(|due| due.falling == falling && due.time <= now);
                    last.map_or(0, |due| due.mask)
                });
                if arrived != [0, 0] {
                    self.steps.push(arrived);
                }
            }
            self.folds.push(Fold { base: base as u32, end: self.steps.len() as u32 });
        }
    }

    fn push_arrivals(&mut self, dues: &[Due], starts: &[u32], times: &mut Vec<u32>) {
        let mut classes: Vec<u32> = dues.iter().map(|due| due.delay).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut ordered = dues.to_vec();
        ordered.sort_by_key(|due| (due.time, due.state));
        times.clear();
        let mut began = 1;
        for (place, due) in ordered.iter().enumerate() {
            while began < starts.len() && starts[began] < due.time {
                began += 1;
            }
            let last = ordered.get(place + 1).is_none_or(|next| next.time != due.time);
            if last {
                times.push(due.time);
            }
            let class = classes.binary_search(&due.delay).expect("one of them") as u8;
            let (from, to) = (due.state + 1, began as u32);
            self.arrivals.push(Arrival { mask: due.mask, from, to, class, falling: due.falling, last });
        }
    }

    /// Makes room for the output with the most masks and the cell with the most states.
    pub(super) fn prepare(&self, longest: usize, scratch: &mut PinScratch) {
        if self.most > 0 {
            scratch.changed.resize(16, Lanes::ZERO);
            scratch.masks.resize(self.most.max(scratch.masks.len()), Lanes::ZERO);
            for suffixes in &mut scratch.suffixes {
                suffixes.resize(longest.max(suffixes.len()), Lanes::ZERO);
            }
        }
    }
}

/// Finds the lanes of every arrival at an output, given its function in each state and the pins' values.
#[inline(always)]
pub(super) fn masks<const IN: usize>(
    (plans, plan): (&PinPlans, PinPlan),
    function: &[Lanes],
    pins: impl Fn(usize) -> [Lanes; IN],
    scratch: &mut PinScratch,
) {
    let PinScratch { masks, changed, .. } = scratch;
    let changed: &mut [Lanes; 16] = changed.first_chunk_mut().expect("room was made");
    masks[0] = Lanes::ZERO;
    let mut next = 1;
    let causes = &plans.causes[plan.causes..][..function.len() - 1];
    for (state, causes) in (1..).zip(causes) {
        let (before, after) = (function[state - 1], function[state]);
        let edges = [after & !before, before & !after];
        if causes.masks == [1, 1] {
            masks[next] = edges[0];
            masks[next + 1] = edges[1];
            next += 2;
            continue;
        }
        let (before, after) = (pins(state - 1), pins(state));
        for set in 1..1usize << IN {
            let pin = set.trailing_zeros() as usize;
            changed[set] = changed[set & (set - 1)] | (before[pin] ^ after[pin]);
        }
        for (edge, lanes) in edges.into_iter().enumerate() {
            for &together in &causes.pins[edge][..usize::from(causes.masks[edge])] {
                masks[next] = lanes & changed[usize::from(together & 15)];
                next += 1;
            }
        }
    }
}

/// Computes an output's value at each of its times, given its function in each state and the masks of its arrivals.
#[inline(always)]
pub(super) fn simulate(
    (plans, plan): (&PinPlans, PinPlan),
    mode: DelayMode,
    function: &[Lanes],
    changes: &mut [Lanes],
    slots: &mut [Lanes],
    scratch: &mut PinScratch,
) {
    let PinScratch { masks, suffixes, .. } = scratch;
    match mode {
        DelayMode::Transport => {
            slots[0] = function[0];
            let mut step = plan.steps;
            for (slot, fold) in slots[1..].iter_mut().zip(&plans.folds[plan.first..plan.end]) {
                let mut value = function[fold.base as usize];
                for &[rise, fall] in &plans.steps[step..fold.end as usize] {
                    value = (value | masks[rise as usize]) & !masks[fall as usize];
                }
                step = fold.end as usize;
                *slot = value;
            }
        }
        DelayMode::Inertial => {
            for state in 1..function.len() {
                changes[state] = function[state] ^ function[state - 1];
            }
            let changes = &changes[..function.len()];
            let mut since = suffixes.each_mut().map(|suffixes| SlidingUnion::new(changes, suffixes));
            let mut output = Output::new(function[0], slots);
            for arrival in &plans.arrivals[plan.first..plan.end] {
                let (from, to) = (arrival.from as usize, arrival.to as usize);
                let busy = since[usize::from(arrival.class)].of(from, to, Lanes::ZERO);
                output.arrive(arrival, masks[arrival.mask as usize] & !busy);
            }
        }
    }
}

/// An output's value, and where it goes.
struct Output<'s> {
    value: Lanes,
    slots: &'s mut [Lanes],
    slot: usize,
}

impl<'s> Output<'s> {
    #[inline(always)]
    fn new(value: Lanes, slots: &'s mut [Lanes]) -> Self {
        slots[0] = value;
        Self { value, slots, slot: 1 }
    }

    #[inline(always)]
    fn arrive(&mut self, arrival: &Arrival, lanes: Lanes) {
        let flip = Lanes::splat(arrival.falling);
        self.value = ((self.value ^ flip) | lanes) ^ flip;
        self.slots[self.slot] = self.value;
        self.slot += usize::from(arrival.last);
    }
}
