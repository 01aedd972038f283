//! Constant folding and dead-cell removal.

use bitvec::prelude::*;

use super::{CellKind, NetId, Netlist, NetlistBuilder, Port};

impl Netlist {
    /// The same function without what constants and unused outputs make superfluous.
    ///
    /// Constant and repeated inputs shrink a cell to the smallest single cell that computes the same (a full adder with
    /// one constant zero becomes a half adder); buffers become wires; cells no output depends on disappear.
    /// Ports keep their names and widths, and cells that need no change stay as they are, adders included.
    pub fn simplified(&self) -> Netlist {
        self.folded().swept()
    }

    /// Nets some output port depends on.
    fn live_nets(&self) -> BitVec {
        let mut live = bitvec![0; self.net_count()];
        for net in self.outputs.iter().flat_map(|port| port.nets()) {
            live.set(net.index(), true);
        }
        for cell in self.cells.iter().rev() {
            if cell.outputs().any(|net| live[net.index()]) {
                for net in cell.inputs() {
                    live.set(net.index(), true);
                }
            }
        }
        live
    }

    fn folded(&self) -> Netlist {
        let live = self.live_nets();
        self.rebuilt(|builder, kind, inputs, old_outputs| {
            let mut variables: Vec<NetId> = Vec::with_capacity(4);
            for net in inputs {
                if net.constant().is_none() && !variables.contains(net) {
                    variables.push(*net);
                }
            }
            if variables.len() == inputs.len() && kind != CellKind::Buf {
                return builder.cell(kind, inputs).outputs().collect();
            }
            let tables: Vec<u16> = (0..kind.outputs()).map(|pin| restricted(kind, pin, inputs, &variables)).collect();
            let both_used = old_outputs.iter().all(|net| live[net.index()]);
            if kind == CellKind::FullAdder && variables.len() == 2 && both_used && tables == [0b0110, 0b1000] {
                return builder.cell(CellKind::HalfAdder, &variables).outputs().collect();
            }
            let pairs = old_outputs.iter().zip(&tables);
            let outputs = pairs.enumerate().map(|(pin, (old, &table))| {
                let used = live[old.index()];
                if used { function(builder, &variables, table, (kind, pin, inputs)) } else { NetId::ZERO }
            });
            outputs.collect()
        })
    }

    fn swept(&self) -> Netlist {
        let live = self.live_nets();
        self.rebuilt(|builder, kind, inputs, old_outputs| {
            if old_outputs.iter().any(|net| live[net.index()]) {
                builder.cell(kind, inputs).outputs().collect()
            } else {
                vec![NetId::ZERO; kind.outputs()]
            }
        })
    }

    fn rebuilt(&self, emit: impl FnMut(&mut NetlistBuilder, CellKind, &[NetId], &[NetId]) -> Vec<NetId>) -> Netlist {
        self.rebuilt_between(self.inputs.iter(), self.outputs.iter(), emit)
    }

    /// Copies the circuit with all its inputs in the given order and some of its outputs; `emit` gets each cell with
    /// its inputs in the copy and its outputs in the original, and returns the nets of the copy that stand for those
    /// outputs.
    pub(super) fn rebuilt_between<'p>(
        &self,
        inputs: impl Iterator<Item = &'p Port>,
        outputs: impl Iterator<Item = &'p Port>,
        mut emit: impl FnMut(&mut NetlistBuilder, CellKind, &[NetId], &[NetId]) -> Vec<NetId>,
    ) -> Netlist {
        let mut builder = NetlistBuilder::new(self.name.clone());
        let mut copy = vec![NetId::ZERO; self.net_count()];
        copy[NetId::ONE.index()] = NetId::ONE;
        for port in inputs {
            for (old, new) in port.nets().iter().zip(builder.input(port.name(), port.width())) {
                copy[old.index()] = new;
            }
        }
        for cell in &self.cells {
            let inputs: Vec<NetId> = cell.inputs().iter().map(|net| copy[net.index()]).collect();
            let old_outputs: Vec<NetId> = cell.outputs().collect();
            for (old, new) in old_outputs.iter().zip(emit(&mut builder, cell.kind(), &inputs, &old_outputs)) {
                copy[old.index()] = new;
            }
        }
        for port in outputs {
            let nets: Vec<NetId> = port.nets().iter().map(|net| copy[net.index()]).collect();
            builder.output(port.name(), nets);
        }
        builder.finish()
    }
}

/// Truth table of output `pin` as a function of `variables` alone, the other pins being constant or repeated.
fn restricted(kind: CellKind, pin: usize, inputs: &[NetId], variables: &[NetId]) -> u16 {
    (0..1u16 << variables.len())
        .map(|row| {
            let level = |net: &NetId| match variables.iter().position(|variable| variable == net) {
                Some(position) => row >> position & 1,
                None => u16::from(net.constant() == Some(true)),
            };
            let code = inputs.iter().rev().fold(0, |code, net| code << 1 | level(net));
            (kind.truth_table(pin) >> code & 1) << row
        })
        .sum()
}

/// A net that carries `table` of `variables`: a constant, a wire, one cell, or else the original cell and pin.
fn function(
    builder: &mut NetlistBuilder,
    variables: &[NetId],
    table: u16,
    original: (CellKind, usize, &[NetId]),
) -> NetId {
    let rows = 1u16 << variables.len();
    let depends = |position: usize| (0..rows).any(|row| (table >> row & 1) != (table >> (row ^ 1 << position) & 1));
    let support: Vec<usize> = (0..variables.len()).filter(|&position| depends(position)).collect();
    match support[..] {
        [] => return if table & 1 == 1 { NetId::ONE } else { NetId::ZERO },
        [only] if table >> (1 << only) & 1 == 1 => return variables[only],
        _ => {}
    }
    let single = CellKind::ALL.into_iter().filter(|kind| kind.outputs() == 1 && kind.inputs() == support.len());
    for kind in single {
        for pins in permutations(&support) {
            let inputs: Vec<NetId> = pins.iter().map(|&position| variables[position]).collect();
            if restricted(kind, 0, &inputs, variables) == table {
                return builder.cell(kind, &inputs).output(0);
            }
        }
    }
    let (kind, pin, inputs) = original;
    builder.cell(kind, inputs).output(pin)
}

/// Every order of `items`, the given one first.
pub(super) fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    let Some((&first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for tail in permutations(rest) {
        for position in 0..=tail.len() {
            let mut order = tail.clone();
            order.insert(position, first);
            all.push(order);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind with every pin tied to every combination of constants and shared inputs keeps its function.
    #[test]
    fn folding_preserves_every_cell_under_every_tie() {
        for kind in CellKind::ALL {
            let pins = kind.inputs();
            for ties in 0..6usize.pow(pins as u32) {
                let mut builder = NetlistBuilder::new("tied");
                let free = builder.input("x", 4);
                let choices = [NetId::ZERO, NetId::ONE, free[0], free[1], free[2], free[3]];
                let nets: Vec<NetId> = (0..pins).map(|pin| choices[ties / 6usize.pow(pin as u32) % 6]).collect();
                let outputs: Vec<NetId> = builder.cell(kind, &nets).outputs().collect();
                builder.output("y", outputs);
                let (before, after) = {
                    let netlist = builder.finish();
                    let simplified = netlist.simplified();
                    (netlist, simplified)
                };
                for x in 0..16 {
                    assert_eq!(before.evaluate(&[x]), after.evaluate(&[x]), "{} {nets:?} {x}", kind.name());
                }
            }
        }
    }

    #[test]
    fn a_full_adder_with_a_zero_becomes_a_half_adder_and_dead_cells_go() {
        let mut builder = NetlistBuilder::new("fold");
        let (a, b) = (builder.input("a", 1)[0], builder.input("b", 1)[0]);
        let added = builder.full_adder(a, NetId::ZERO, b);
        builder.xor(a, b);
        builder.output("s", [added.sum, added.carry]);
        let netlist = builder.finish().simplified();
        assert_eq!(netlist.cells().len(), 1);
        assert_eq!(netlist.cells()[0].kind(), CellKind::HalfAdder);
    }
}
