//! Simulating cells whose outputs have one delay each: no event is ever scheduled before an earlier one.

use super::functional::evaluate;
use super::lanes::{Lanes, multiversion};
use super::timed::DelayMode;
use super::waveforms::{NEVER, Waveforms};
use crate::netlist::{Cell, CellKind, NetId, Netlist};

multiversion! {
    /// Simulates every cell; `delay` is indexed by net.
    pub(super) fn run_single(netlist: &Netlist, delay: &[u32], mode: DelayMode, waveforms: &mut Waveforms) = run
}

#[inline(always)]
fn run(netlist: &Netlist, delay: &[u32], mode: DelayMode, waveforms: &mut Waveforms) {
    // A loop of its own for every kind keeps the choice of function out of it.
    macro_rules! by_kind {
        ($cell:expr, $($kind:ident)*) => {
            match $cell.kind() {
                $(CellKind::$kind => {
                    const KIND: CellKind = CellKind::$kind;
                    simulate::<{ KIND.inputs() }, { KIND.outputs() }>(KIND, $cell, delay, waveforms);
                })*
            }
        };
    }
    for cell in netlist.cells() {
        by_kind!(
            cell,
            Buf Inv And2 Or2 Nand2 Nand3 Nor2 Nor3 Xor2 Xnor2 Aoi21 Aoi22 Oai21 Oai22 Mux2 MuxInv2 HalfAdder FullAdder
        );
        if mode == DelayMode::Inertial {
            for net in cell.outputs() {
                waveforms.filter_pulses(net, delay[net.index()]);
            }
        }
        waveforms.close(cell.output(cell.kind().outputs() - 1));
    }
}

/// Simulates one cell under transport delay: steps through the times at which any input changes.
#[inline(always)]
fn simulate<const IN: usize, const OUT: usize>(
    kind: CellKind,
    cell: &Cell,
    delay: &[u32],
    waveforms: &mut Waveforms,
) {
    let inputs: [NetId; IN] = std::array::from_fn(|pin| cell.inputs()[pin]);
    let first = cell.output(0);
    let mut pins = [Lanes::ZERO; 4];
    for (pin, net) in inputs.into_iter().enumerate() {
        pins[pin] = waveforms.initial(net);
    }
    let mut current = evaluate(kind, pins);
    for (pin, net) in cell.outputs().enumerate() {
        waveforms.set_initial(net, current[pin]);
    }
    let capacity = 1 + inputs.into_iter().map(|net| waveforms.len(net)).sum::<usize>();
    let delay: [u32; OUT] = std::array::from_fn(|pin| delay[first.index() + pin]);
    let (events, mut rooms) = waveforms.split::<IN, OUT>(inputs, capacity);

    let mut len = [0; OUT];
    let mut next = [0; IN];
    let mut heads = events.map(|events| events.times[0]);
    loop {
        let now = heads.into_iter().fold(NEVER, u32::min);
        if now == NEVER {
            break;
        }
        for pin in 0..IN {
            // Which input comes next is anybody's guess, so there is no branch on it.
            let changes = heads[pin] == now;
            pins[pin] ^= events[pin].toggles[next[pin]] & Lanes::splat(changes);
            next[pin] += usize::from(changes);
            heads[pin] = events[pin].times[next[pin]];
        }
        let values = evaluate(kind, pins);
        for pin in 0..OUT {
            let room = &mut rooms[pin];
            let toggles = values[pin] ^ current[pin];
            room.times[len[pin]] = now + delay[pin];
            room.toggles[len[pin]] = toggles;
            len[pin] += usize::from(!toggles.is_zero());
        }
        current = values;
    }
    waveforms.keep(first, len, capacity);
}
