//! A circuit under construction whose cells come in any order, as they do in files.

use super::read_error::{Problem, Span};
use super::{CellKind, NetId, Netlist, NetlistBuilder};

/// A net of a draft. It may stand for another one: an `assign` of nets makes no cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wire(u32);

impl Wire {
    pub(super) const ZERO: Wire = Wire(0);
    pub(super) const ONE: Wire = Wire(1);
    /// A bit written as `x`: never driven, an error only where something reads it.
    pub(super) const UNKNOWN: Wire = Wire(2);

    pub(super) fn constant(value: bool) -> Wire {
        if value { Wire::ONE } else { Wire::ZERO }
    }

    /// The value if the wire is one of the two constants itself (not connected to one).
    pub(super) fn value(self) -> Option<bool> {
        match self {
            Wire::ZERO => Some(false),
            Wire::ONE => Some(true),
            _ => None,
        }
    }

    /// Wires are numbered in order of creation.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    /// The wire `offset` further on in the same declaration.
    pub(super) fn offset(self, offset: usize) -> Wire {
        Wire(self.0 + offset as u32)
    }
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Undriven,
    /// A constant or a primary input.
    External,
    Cell(u32),
    Wire(Wire),
}

#[derive(Clone, Copy, Debug)]
struct DraftCell {
    kind: CellKind,
    inputs: [Wire; 4],
    first_output: Wire,
    at: Span,
}

/// A named port of a draft, least significant bit first, and where it is declared.
#[derive(Clone, Debug)]
pub(super) struct DraftPort {
    pub(super) name: String,
    pub(super) wires: Vec<Wire>,
    pub(super) at: Span,
}

/// Why a draft is no circuit. The reader knows the names of the wires.
#[derive(Debug)]
pub(super) enum Flaw {
    Undriven { wire: Wire, at: Span },
    Loop { wires: Vec<Wire>, at: Span },
    TooLarge(Problem),
}

/// A circuit under construction.
///
/// Sizes are bounded: past a limit nothing is added any more, and [`Draft::within_limits`] says so. Readers ask at
/// every statement, so that malicious files end early without a check at every gate.
#[derive(Debug)]
pub(super) struct Draft {
    sources: Vec<Source>,
    /// Where each wire got its driver.
    driven_at: Vec<Span>,
    cells: Vec<DraftCell>,
    steps: usize,
}

impl Draft {
    /// Most cells of a circuit.
    const MAX_CELLS: usize = 1 << 20;
    /// Most module instances that are no cells.
    pub(super) const MAX_INSTANCES: usize = 1 << 18;
    /// Most wires: declared bits, cell outputs and intermediate values.
    const MAX_WIRES: usize = 1 << 24;
    /// Most bit operations, those that fold away included.
    const MAX_STEPS: usize = 1 << 25;

    pub(super) fn new() -> Draft {
        let sources = vec![Source::External, Source::External, Source::Undriven];
        Draft { sources, driven_at: vec![Span::default(); 3], cells: Vec::new(), steps: 0 }
    }

    /// Whether everything asked for so far has been added.
    pub(super) fn within_limits(&self) -> Result<(), Problem> {
        let exceeded = |what: &str, limit| Err(Problem::TooLarge { what: what.into(), limit });
        if self.cells.len() > Self::MAX_CELLS {
            exceeded("the number of cells", Self::MAX_CELLS)
        } else if self.sources.len() > Self::MAX_WIRES {
            exceeded("the number of wires", Self::MAX_WIRES)
        } else if self.steps > Self::MAX_STEPS {
            exceeded("the work to expand expressions, in bit operations,", Self::MAX_STEPS)
        } else {
            Ok(())
        }
    }

    /// Counts `bits` bit operations.
    pub(super) fn spend(&mut self, bits: usize) {
        self.steps = self.steps.saturating_add(bits);
    }

    /// `width` new wires without driver; returns the first, the others follow. One declaration's width is bounded
    /// by its reader.
    pub(super) fn wires(&mut self, width: usize) -> Wire {
        let first = Wire(self.sources.len() as u32);
        if self.sources.len() <= Self::MAX_WIRES {
            self.sources.resize(self.sources.len() + width, Source::Undriven);
            self.driven_at.resize(self.sources.len(), Span::default());
        }
        first
    }

    /// Makes `wire` a primary input.
    pub(super) fn input(&mut self, wire: Wire, at: Span) -> Result<(), Span> {
        self.drive(wire, Source::External, at)
    }

    /// Lets `source` drive `target`. The error is the place of the driver that `target` has already.
    pub(super) fn connect(&mut self, target: Wire, source: Wire, at: Span) -> Result<(), Span> {
        self.drive(target, Source::Wire(source), at)
    }

    fn drive(&mut self, target: Wire, source: Source, at: Span) -> Result<(), Span> {
        if target == Wire::UNKNOWN {
            return Ok(());
        }
        // Beyond the limit there is no such wire; `within_limits` reports that.
        let Some(slot) = self.sources.get_mut(target.index()) else { return Ok(()) };
        if !matches!(slot, Source::Undriven) {
            return Err(self.driven_at[target.index()]);
        }
        *slot = source;
        self.driven_at[target.index()] = at;
        Ok(())
    }

    /// Adds a cell; its outputs are the returned wire and those that follow.
    pub(super) fn cell(&mut self, kind: CellKind, inputs: &[Wire], at: Span) -> Wire {
        debug_assert_eq!(inputs.len(), kind.inputs());
        if self.cells.len() > Self::MAX_CELLS {
            return Wire::ZERO;
        }
        let first_output = Wire(self.sources.len() as u32);
        let mut pins = [Wire::ZERO; 4];
        pins[..inputs.len()].copy_from_slice(inputs);
        let source = Source::Cell(self.cells.len() as u32);
        self.sources.resize(self.sources.len() + kind.outputs(), source);
        self.driven_at.resize(self.sources.len(), at);
        self.cells.push(DraftCell { kind, inputs: pins, first_output, at });
        first_output
    }

    /// The circuit, with cells in the order they were added as far as that is topological.
    pub(super) fn finish(mut self, name: &str, inputs: &[DraftPort], outputs: &[DraftPort]) -> Result<Netlist, Flaw> {
        self.within_limits().map_err(Flaw::TooLarge)?;
        self.resolve_aliases()?;
        for cell in &self.cells {
            let undriven = cell.inputs[..cell.kind.inputs()].iter().find(|&&wire| self.is_undriven(wire));
            undriven.map_or(Ok(()), |&wire| Err(Flaw::Undriven { wire, at: cell.at }))?;
        }
        for port in outputs {
            let undriven = port.wires.iter().find(|&&wire| self.is_undriven(wire));
            undriven.map_or(Ok(()), |&wire| Err(Flaw::Undriven { wire, at: port.at }))?;
        }
        let order = self.topological_order()?;

        let mut builder = NetlistBuilder::new(name);
        let mut nets = vec![NetId::ZERO; self.sources.len()];
        nets[Wire::ONE.index()] = NetId::ONE;
        for port in inputs {
            for (wire, net) in port.wires.iter().zip(builder.input(&port.name, port.wires.len())) {
                nets[wire.index()] = net;
            }
        }
        for &cell in &order {
            let DraftCell { kind, inputs, first_output, .. } = self.cells[cell as usize];
            let pins = inputs.map(|wire| nets[self.root(wire).index()]);
            for (pin, net) in builder.cell(kind, &pins[..kind.inputs()]).outputs().enumerate() {
                nets[first_output.offset(pin).index()] = net;
            }
        }
        for port in outputs {
            let bits: Vec<NetId> = port.wires.iter().map(|&wire| nets[self.root(wire).index()]).collect();
            builder.output(&port.name, bits);
        }
        Ok(builder.finish())
    }

    /// Shortens every chain of connected wires to one link.
    fn resolve_aliases(&mut self) -> Result<(), Flaw> {
        let mut path: Vec<Wire> = Vec::new();
        for start in 0..self.sources.len() {
            let mut wire = Wire(start as u32);
            path.clear();
            while let Source::Wire(next) = self.sources[wire.index()] {
                path.push(wire);
                if path.len() > self.sources.len() {
                    let round = path.iter().rev().skip(1).position(|&earlier| earlier == wire).unwrap_or(0);
                    // From the driven back to the driver is against the signal.
                    let wires = path[path.len() - 1 - round..].iter().rev().copied().collect();
                    return Err(Flaw::Loop { wires, at: self.driven_at[wire.index()] });
                }
                wire = next;
            }
            for link in &path {
                self.sources[link.index()] = Source::Wire(wire);
            }
        }
        Ok(())
    }

    /// What `wire` stands for, once aliases are resolved.
    fn root(&self, wire: Wire) -> Wire {
        match self.sources[wire.index()] {
            Source::Wire(root) => root,
            _ => wire,
        }
    }

    fn is_undriven(&self, wire: Wire) -> bool {
        matches!(self.sources[self.root(wire).index()], Source::Undriven)
    }

    /// Depth-first, without recursion: a cell follows the cells it reads.
    fn topological_order(&self) -> Result<Vec<u32>, Flaw> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut state = vec![State::New; self.cells.len()];
        let mut order = Vec::with_capacity(self.cells.len());
        let mut stack: Vec<(u32, usize)> = Vec::new();
        for start in 0..self.cells.len() as u32 {
            if state[start as usize] == State::New {
                state[start as usize] = State::Open;
                stack.push((start, 0));
            }
            while let Some((cell, pin)) = stack.last_mut() {
                let DraftCell { kind, inputs, at, .. } = self.cells[*cell as usize];
                if *pin == kind.inputs() {
                    state[*cell as usize] = State::Done;
                    order.push(*cell);
                    stack.pop();
                    continue;
                }
                let wire = inputs[*pin];
                *pin += 1;
                let Source::Cell(driver) = self.sources[self.root(wire).index()] else { continue };
                match state[driver as usize] {
                    State::Done => {}
                    State::New => {
                        state[driver as usize] = State::Open;
                        stack.push((driver, 0));
                    }
                    State::Open => {
                        let first = stack.iter().position(|&(open, _)| open == driver).unwrap_or(0);
                        // Each open cell waits for the input before its next pin. Deepest first is signal order.
                        let waiting = stack[first..].iter().rev();
                        let wires = waiting.map(|&(cell, next)| self.cells[cell as usize].inputs[next - 1]);
                        return Err(Flaw::Loop { wires: wires.collect(), at });
                    }
                }
            }
        }
        Ok(order)
    }
}
