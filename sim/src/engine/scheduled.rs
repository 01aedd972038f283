//! Simulating by a schedule: every possible value of every net is computed, whether or not a lane changes.
//!
//! An output's value is a closed form of the cell's function F over time, given the delays of both edges. Under
//! transport delay a change deletes those due at its time or later, so at T the last change due by then counts: with a
//! slow fall the output is 1 if F is anywhere in \[T − fall, T − rise\], with a slow rise only if F is throughout
//! \[T − rise, T − fall\]. Under inertial delay it becomes 1 when F has been throughout \[T − rise, T), 0 when F has
//! nowhere been in \[T − fall, T), and else stays. Delays that depend on the pin: [`super::by_pin`].

use super::by_pin::{self, PinScratch};
use super::functional::evaluate;
use super::lanes::{Lanes, multiversion};
use super::schedule::{Capture, CellPlan, OutputPlan, Schedule};
use super::timed::DelayMode;
use crate::netlist::{Cell, CellKind, EdgeDelay, NetId, Netlist};
use std::sync::Arc;

/// Values of all nets at all times at which they can change.
#[derive(Clone, Debug)]
pub(super) struct Scheduled {
    schedule: Arc<Schedule>,
    /// One a slot, then room for the functions of one cell's outputs.
    values: Vec<Lanes>,
    scratch: Scratch,
}

/// Room for one cell.
#[derive(Clone, Debug, Default)]
struct Scratch {
    /// Lanes in which a function changes as a state begins.
    changes: Vec<Lanes>,
    suffixes: [Vec<Lanes>; 2],
    by_pin: Box<PinScratch>,
}

impl Scheduled {
    pub(super) fn new(schedule: Arc<Schedule>) -> Self {
        let mut scheduled = Self { schedule, values: Vec::new(), scratch: Scratch::default() };
        scheduled.prepare();
        scheduled
    }

    /// Goes over to another schedule of the same netlist; inputs held in neither stay as they are.
    pub(super) fn replace(&mut self, netlist: &Netlist, schedule: Arc<Schedule>) {
        let inputs = netlist.inputs().iter().flat_map(|port| port.nets());
        let changes: Vec<(NetId, Vec<Lanes>)> = inputs.map(|&net| (net, self.values(net).to_vec())).collect();
        self.schedule = schedule;
        self.prepare();
        for (net, values) in changes {
            // Held inputs have one value.
            if self.schedule.range(net).len() == values.len() && values.len() > 1 {
                self.set_input(net, &values);
            }
        }
    }

    fn prepare(&mut self) {
        let (slots, longest) = (self.schedule.slots(), self.schedule.longest());
        self.values.resize((slots + 2 * longest).max(self.values.len()), Lanes::ZERO);
        for &(net, level) in self.schedule.constants() {
            self.values[self.schedule.range(net).start] = Lanes::splat(level);
        }
        let Scratch { changes, suffixes: [first, second], .. } = &mut self.scratch;
        for states in [changes, first, second] {
            states.resize(longest.max(states.len()), Lanes::ZERO);
        }
        self.schedule.by_pin().prepare(longest, &mut self.scratch.by_pin);
    }

    /// Gives an input that is not held its values: before the first edge, then from each edge on.
    pub(super) fn set_input(&mut self, net: NetId, values: &[Lanes]) {
        self.values[self.schedule.range(net)].copy_from_slice(values);
    }

    pub(super) fn run(&mut self, netlist: &Netlist, mode: DelayMode) {
        run_schedule(netlist, &self.schedule, mode, &mut self.values, &mut self.scratch);
    }

    pub(super) fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// A net's values: before time 0, and from each of its times on.
    #[inline(always)]
    pub(super) fn values(&self, net: NetId) -> &[Lanes] {
        &self.values[self.schedule.range(net)]
    }

    #[inline(always)]
    pub(super) fn value(&self, slot: usize) -> Lanes {
        self.values[slot]
    }
}

multiversion! {
    fn run_schedule(
        netlist: &Netlist,
        schedule: &Schedule,
        mode: DelayMode,
        values: &mut [Lanes],
        scratch: &mut Scratch,
    ) = run
}

#[inline(always)]
fn run(netlist: &Netlist, schedule: &Schedule, mode: DelayMode, values: &mut [Lanes], scratch: &mut Scratch) {
    // A loop of its own for every kind keeps the choice of function out of it.
    macro_rules! by_kind {
        ($cell:expr, $plan:expr, $($kind:ident)*) => {
            match $cell.kind() {
                $(CellKind::$kind => {
                    const KIND: CellKind = CellKind::$kind;
                    evaluate_states::<{ KIND.inputs() }, { KIND.outputs() }>(KIND, $cell, $plan, schedule, values);
                })*
            }
        };
    }
    for plan in schedule.plans() {
        let cell = &netlist.cells()[plan.cell];
        by_kind!(
            cell, plan,
            Buf Inv And2 Or2 Nand2 Nand3 Nor2 Nor3 Xor2 Xnor2 Aoi21 Aoi22 Oai21 Oai22 Mux2 MuxInv2 HalfAdder FullAdder
        );
        // Once for all kinds: a copy for each would be a third of the crate's compile time.
        delay_outputs(cell, plan, schedule, mode, values, scratch);
    }
}

/// Computes a cell's functions in every state of its inputs. A function goes straight to the output's slots where nothing but
/// its times differs, else behind all slots.
#[inline(always)]
fn evaluate_states<const IN: usize, const OUT: usize>(
    kind: CellKind,
    cell: &Cell,
    plan: &CellPlan,
    schedule: &Schedule,
    values: &mut [Lanes],
) {
    let first = schedule.range(cell.output(0)).start;
    let (inputs, outputs) = values.split_at_mut(first);
    let mut targets = [0; OUT];
    for (pin, net) in cell.outputs().enumerate() {
        targets[pin] = match plan.outputs[pin] {
            OutputPlan::Delayed => schedule.range(net).start - first,
            _ => schedule.slots() - first + pin * schedule.longest(),
        };
    }
    for (state, pins) in schedule.pins::<IN>(plan).iter().enumerate() {
        let mut levels = [Lanes::ZERO; 4];
        for pin in 0..IN {
            levels[pin] = inputs[pins[pin] as usize];
        }
        let values = evaluate(kind, levels);
        for pin in 0..OUT {
            outputs[targets[pin] + state] = values[pin];
        }
    }
}

/// Computes the slots of a cell's outputs from its functions.
#[inline(always)]
fn delay_outputs(
    cell: &Cell,
    plan: &CellPlan,
    schedule: &Schedule,
    mode: DelayMode,
    values: &mut [Lanes],
    scratch: &mut Scratch,
) {
    let (values, functions) = values.split_at_mut(schedule.slots());
    for (pin, net) in cell.outputs().enumerate() {
        let range = schedule.range(net);
        let (inputs, slots) = values.split_at_mut(range.start);
        let slots = &mut slots[..range.len()];
        let function = &functions[pin * schedule.longest()..][..plan.states];
        let Scratch { changes, suffixes, by_pin: scratch } = &mut *scratch;
        match plan.outputs[pin] {
            OutputPlan::ByPin(output) => {
                macro_rules! masks {
                    ($inputs:literal) => {{
                        let states = schedule.pins::<$inputs>(plan);
                        let pins = |state: usize| states[state].map(|slot| inputs[slot as usize]);
                        by_pin::masks((schedule.by_pin(), output), function, pins, scratch);
                    }};
                }
                match cell.inputs().len() {
                    2 => masks!(2),
                    3 => masks!(3),
                    4 => masks!(4),
                    // One pin has no other to differ from.
                    _ => unreachable!("outputs by pin have two pins or more"),
                }
                by_pin::simulate((schedule.by_pin(), output), mode, function, changes, slots, scratch);
            }
            OutputPlan::Captured { captures, delay } => {
                let captures = schedule.captures(captures, net);
                slots[0] = function[0];
                match mode {
                    DelayMode::Transport => transport(captures, delay, function, &mut slots[1..], &mut suffixes[0]),
                    DelayMode::Inertial => {
                        let changes = &mut changes[..function.len()];
                        for state in 1..function.len() {
                            changes[state] = function[state] ^ function[state - 1];
                        }
                        inertial(captures, delay, [function, changes], slots, suffixes);
                    }
                }
            }
            OutputPlan::Delayed | OutputPlan::Constant => {}
        }
    }
}

#[inline(always)]
fn transport(
    captures: &[Capture],
    delay: EdgeDelay,
    function: &[Lanes],
    slots: &mut [Lanes],
    suffixes: &mut [Lanes],
) {
    let mut union = SlidingUnion::new(function, suffixes);
    let slow_fall = delay.fall > delay.rise;
    // "Throughout" is "nowhere not".
    let flip = Lanes::splat(!slow_fall);
    for (slot, capture) in slots.iter_mut().zip(captures) {
        let (slow, fast) = if slow_fall { (capture.fall, capture.rise) } else { (capture.rise, capture.fall) };
        *slot = union.of(slow as usize, fast as usize + 1, flip) ^ flip;
    }
}

#[inline(always)]
fn inertial(
    captures: &[Capture],
    delay: EdgeDelay,
    [function, changes]: [&[Lanes]; 2],
    slots: &mut [Lanes],
    [first, second]: &mut [Vec<Lanes>; 2],
) {
    let mut value = slots[0];
    let slots = slots[1..].iter_mut().zip(captures);
    let mut since_rise = SlidingUnion::new(changes, first);
    if delay.rise == delay.fall {
        for (slot, &Capture { rise, end, .. }) in slots {
            let busy = since_rise.of(rise as usize + 1, end as usize, Lanes::ZERO);
            let target = function[rise as usize];
            value = target ^ (busy & (value ^ target));
            *slot = value;
        }
        return;
    }
    let mut since_fall = SlidingUnion::new(changes, second);
    for (slot, &Capture { rise, fall, end }) in slots {
        let busy = since_rise.of(rise as usize + 1, end as usize, Lanes::ZERO);
        value |= function[rise as usize] & !busy;
        let busy = since_fall.of(fall as usize + 1, end as usize, Lanes::ZERO);
        value &= function[fall as usize] | busy;
        *slot = value;
    }
}

/// The union of the items in a window, of which both ends only move on: two operations and one more an item.
pub(super) struct SlidingUnion<'s> {
    items: &'s [Lanes],
    /// Unions from each item to `middle`.
    suffixes: &'s mut [Lanes],
    middle: usize,
    /// Union of the items from `middle` to `end`.
    rest: Lanes,
    end: usize,
}

impl<'s> SlidingUnion<'s> {
    pub(super) fn new(items: &'s [Lanes], suffixes: &'s mut [Lanes]) -> Self {
        Self { items, suffixes: &mut suffixes[..items.len()], middle: 0, rest: Lanes::ZERO, end: 0 }
    }

    /// The union of the items, each XOR `flip`, from `start` to before `end`; neither may be less than the last time.
    #[inline(always)]
    pub(super) fn of(&mut self, start: usize, end: usize, flip: Lanes) -> Lanes {
        while self.end < end {
            self.rest |= self.items[self.end] ^ flip;
            self.end += 1;
        }
        if start >= self.middle {
            let mut union = Lanes::ZERO;
            for item in (start..end).rev() {
                union |= self.items[item] ^ flip;
                self.suffixes[item] = union;
            }
            (self.middle, self.rest) = (end, Lanes::ZERO);
        }
        if start < self.middle { self.suffixes[start] | self.rest } else { self.rest }
    }
}
