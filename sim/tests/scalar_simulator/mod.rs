//! A scalar event-driven simulator written from Verilog's rules: slow, obvious, and nothing in common with the engine.

use axtrain_sim::engine::DelayMode;
use axtrain_sim::netlist::{Delays, NetId, Netlist};
use std::collections::BTreeMap;

/// One lane, one event at a time. Returns every change of every net: (time, net, value).
pub(crate) fn changes(
    netlist: &Netlist,
    delays: &Delays,
    mode: DelayMode,
    from: &[u64],
    to: &[u64],
) -> Vec<Vec<(u32, bool)>> {
    let mut value = settled(netlist, from);
    let mut target: Vec<bool> = value.clone();
    let mut changes = vec![Vec::new(); netlist.net_count()];
    // Pending transitions by time and net.
    let mut queue: BTreeMap<u32, BTreeMap<NetId, bool>> = BTreeMap::new();
    for (port, word) in netlist.inputs().iter().zip(to) {
        for (bit, &net) in port.nets().iter().enumerate() {
            if value[net.index()] != (word >> bit & 1 == 1) {
                queue.entry(0).or_default().insert(net, word >> bit & 1 == 1);
            }
        }
    }
    while let Some((now, events)) = queue.pop_first() {
        for (&net, &level) in &events {
            assert_ne!(value[net.index()], level, "a change changes");
            value[net.index()] = level;
            changes[net.index()].push((now, level));
        }
        for cell in netlist.cells() {
            if !cell.inputs().iter().any(|net| events.contains_key(net)) {
                continue;
            }
            let code = cell.inputs().iter().rev().fold(0, |code, net| code << 1 | u8::from(value[net.index()]));
            let result = cell.kind().evaluate(code);
            for (pin, net) in cell.outputs().enumerate() {
                let level = result >> pin & 1 == 1;
                if level == target[net.index()] {
                    continue;
                }
                target[net.index()] = level;
                // Of the pins that change at once the fastest counts.
                let changed = cell.inputs().iter().enumerate().filter(|(_, input)| events.contains_key(input));
                let arcs = changed.map(|(input, _)| delays.arc(net, input));
                let delay = arcs.map(|arc| if level { arc.rise } else { arc.fall }).min().unwrap();
                let due = now + delay.0;
                match mode {
                    DelayMode::Inertial => {
                        // The pending opposite change, if any, is withdrawn; if there is none, this one is scheduled.
                        if queue.range_mut(now + 1..).find_map(|(_, nets)| nets.remove(&net)).is_some() {
                            continue;
                        }
                    }
                    DelayMode::Transport => {
                        // What was to happen at the same time or later no longer does.
                        for (_, nets) in queue.range_mut(due..) {
                            nets.remove(&net);
                        }
                        let before = queue.range(now + 1..due).rev().find_map(|(_, nets)| nets.get(&net));
                        if before.copied().unwrap_or(value[net.index()]) == level {
                            continue;
                        }
                    }
                }
                queue.entry(due).or_default().insert(net, level);
            }
        }
    }
    changes
}

/// The level of every net when all has settled; an input a port.
pub(crate) fn settled(netlist: &Netlist, inputs: &[u64]) -> Vec<bool> {
    let mut value = vec![false; netlist.net_count()];
    value[NetId::ONE.index()] = true;
    for (port, word) in netlist.inputs().iter().zip(inputs) {
        for (bit, net) in port.nets().iter().enumerate() {
            value[net.index()] = word >> bit & 1 == 1;
        }
    }
    for cell in netlist.cells() {
        let code = cell.inputs().iter().rev().fold(0, |code, net| code << 1 | u8::from(value[net.index()]));
        for (pin, net) in cell.outputs().enumerate() {
            value[net.index()] = cell.kind().evaluate(code) >> pin & 1 == 1;
        }
    }
    value
}
