//! A netlist compiled to instructions: small gates packed together, equal instructions in runs.

use super::functional::evaluate;
use super::lanes::{Lanes, Transposed, multiversion};
use crate::netlist::{CellKind, Driver, NetId, Netlist};
use std::collections::BTreeMap;

/// What an instruction computes.
///
/// Reading and writing nets costs more than the logic between them, so AND gates disappear in the adder they feed and
/// two-input gates in the gate they feed, where nothing else reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    /// A cell as it is.
    Cell(CellKind),
    /// `(x₀ first x₁) second x₂`
    Pair(Gate, Gate),
    /// Half adder of x₀∧x₁ and x₂.
    AndHalfAdder,
    /// Half adder of x₀∧x₁ and x₂∧x₃.
    AndAndHalfAdder,
    /// Full adder of x₀∧x₁, x₂ and x₃.
    AndFullAdder,
    /// Full adder of x₀∧x₁, x₂∧x₃ and x₄.
    AndAndFullAdder,
    /// Full adder of x₀∧x₁, x₂∧x₃ and x₄∧x₅.
    AndAndAndFullAdder,
}

/// A symmetric two-input gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    And,
    Or,
    Xor,
}

impl Gate {
    fn of(kind: CellKind) -> Option<Gate> {
        match kind {
            CellKind::And2 => Some(Gate::And),
            CellKind::Or2 => Some(Gate::Or),
            CellKind::Xor2 => Some(Gate::Xor),
            _ => None,
        }
    }

    #[inline(always)]
    fn apply(self, a: Lanes, b: Lanes) -> Lanes {
        match self {
            Gate::And => a & b,
            Gate::Or => a | b,
            Gate::Xor => a ^ b,
        }
    }
}

/// Nets an instruction reads and writes; unused places name net 0, which no instruction drives.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    inputs: [u32; 6],
    outputs: [u32; 2],
}

/// Instructions in an order in which they can run, as runs of one operation: a run is one jump.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    runs: Vec<(Operation, usize)>,
    instructions: Vec<Instruction>,
}

impl Program {
    fn push(&mut self, operation: Operation, instruction: Instruction) {
        match self.runs.last_mut() {
            Some((last, count)) if *last == operation => *count += 1,
            _ => self.runs.push((operation, 1)),
        }
        self.instructions.push(instruction);
    }

    /// Number of instructions.
    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Recomputes what the instructions drive; `nets` is indexed by net.
    pub(super) fn run(&self, nets: &mut [Lanes]) {
        run(self, nets);
    }

    /// The instructions that a change of `net` reaches.
    pub(super) fn cone(&self, net: NetId, net_count: usize) -> Program {
        let mut reached = vec![false; net_count];
        reached[net.index()] = true;
        let mut cone = Program::default();
        let mut rest = &self.instructions[..];
        for &(operation, count) in &self.runs {
            let (run, later) = rest.split_at(count);
            for instruction in run {
                if instruction.inputs.iter().any(|&input| reached[input as usize]) {
                    // Net 0 stands in unused places.
                    for output in instruction.outputs.into_iter().filter(|&output| output != 0) {
                        reached[output as usize] = true;
                    }
                    cone.push(operation, *instruction);
                }
            }
            rest = later;
        }
        cone
    }
}

/// A compiled netlist: it settles [`LANES`](super::LANES) input vectors at a time.
///
/// Nets keep the netlist's numbers; those inside a packed instruction are not computed. Every computed net has a place of
/// its own, so that a cone can be recomputed alone.
#[derive(Clone, Debug)]
pub struct Tape {
    inputs: Vec<Vec<NetId>>,
    outputs: Vec<Vec<NetId>>,
    net_count: usize,
    program: Program,
}

/// Values of a tape's nets.
#[derive(Clone, Debug)]
pub struct Settled<'t> {
    tape: &'t Tape,
    pub(super) nets: Vec<Lanes>,
}

impl Tape {
    /// Compiles a netlist.
    pub fn new(netlist: &Netlist) -> Self {
        let nets = |ports: &[crate::netlist::Port]| ports.iter().map(|port| port.nets().to_vec()).collect();
        Self {
            inputs: nets(netlist.inputs()),
            outputs: nets(netlist.outputs()),
            net_count: netlist.net_count(),
            program: scheduled(&packed(netlist), netlist.net_count()),
        }
    }

    /// Number of instructions.
    pub fn instructions(&self) -> usize {
        self.program.len()
    }

    /// Nets of the input ports.
    pub(super) fn inputs(&self) -> &[Vec<NetId>] {
        &self.inputs
    }

    /// The instructions that a change of `net` reaches.
    pub(super) fn cone(&self, net: NetId) -> Program {
        self.program.cone(net, self.net_count)
    }

    /// All inputs zero and nothing settled yet.
    pub fn start(&self) -> Settled<'_> {
        let mut nets = vec![Lanes::ZERO; self.net_count];
        nets[NetId::ONE.index()] = Lanes::ONES;
        Settled { tape: self, nets }
    }
}

impl Settled<'_> {
    /// Sets bit `bit` of input port `port` in every lane.
    pub fn set_input(&mut self, port: usize, bit: usize, lanes: Lanes) {
        self.nets[self.tape.inputs[port][bit].index()] = lanes;
    }

    /// Runs every instruction.
    pub fn settle(&mut self) {
        self.tape.program.run(&mut self.nets);
    }

    /// Reads the number each lane shows at output port `port`, of at most 32 bits; `signed` extends its sign to 32.
    pub fn read(&self, port: usize, signed: bool, values: &mut Transposed) {
        let nets = &self.tape.outputs[port];
        let extension = match nets.last() {
            Some(sign) if signed => *sign,
            _ => NetId::ZERO,
        };
        values.set(std::array::from_fn(|bit| &self.nets[nets.get(bit).unwrap_or(&extension).index()]));
    }

    /// Bits of output port `port`, least significant first.
    pub fn output(&self, port: usize) -> impl ExactSizeIterator<Item = Lanes> {
        self.tape.outputs[port].iter().map(|net| self.nets[net.index()])
    }
}

/// The circuit as instructions in topological order.
fn packed(netlist: &Netlist) -> Vec<(Operation, Instruction)> {
    let fanouts = netlist.fanouts();
    let cells = netlist.cells();
    let mut packs = vec![Vec::new(); cells.len()];
    let mut inside_another = vec![false; cells.len()];
    for (index, cell) in cells.iter().enumerate() {
        for (pin, net) in cell.inputs().iter().enumerate() {
            let Driver::Cell { cell: driver, .. } = netlist.driver(*net) else { continue };
            let kind = cells[driver.index()].kind();
            let room = match cell.kind() {
                CellKind::HalfAdder | CellKind::FullAdder => kind == CellKind::And2,
                own => packs[index].is_empty() && Gate::of(own).is_some() && Gate::of(kind).is_some(),
            };
            if room && fanouts[net.index()] == 1 && packs[driver.index()].is_empty() {
                packs[index].push(pin);
                inside_another[driver.index()] = true;
            }
        }
    }
    let instruction = |(index, cell): (usize, &crate::netlist::Cell)| {
        let (mut inputs, mut outputs) = ([0; 6], [0; 2]);
        let packed_pins = packs[index].iter().flat_map(|&pin| match netlist.driver(cell.inputs()[pin]) {
            Driver::Cell { cell, .. } => cells[cell.index()].inputs(),
            _ => unreachable!("only cells are packed"),
        });
        let other_pins = cell.inputs().iter().enumerate().filter(|(pin, _)| !packs[index].contains(pin));
        for (place, net) in inputs.iter_mut().zip(packed_pins.chain(other_pins.map(|(_, net)| net))) {
            *place = net.0;
        }
        for (place, net) in outputs.iter_mut().zip(cell.outputs()) {
            *place = net.0;
        }
        let operation = match (cell.kind(), &packs[index][..]) {
            (kind, []) => Operation::Cell(kind),
            (CellKind::HalfAdder, [_]) => Operation::AndHalfAdder,
            (CellKind::HalfAdder, _) => Operation::AndAndHalfAdder,
            (CellKind::FullAdder, [_]) => Operation::AndFullAdder,
            (CellKind::FullAdder, [_, _]) => Operation::AndAndFullAdder,
            (CellKind::FullAdder, _) => Operation::AndAndAndFullAdder,
            (kind, [pin, ..]) => {
                let Driver::Cell { cell: driver, .. } = netlist.driver(cell.inputs()[*pin]) else {
                    unreachable!("only cells are packed")
                };
                let gate = |kind| Gate::of(kind).expect("only gates are packed with gates");
                Operation::Pair(gate(cells[driver.index()].kind()), gate(kind))
            }
        };
        (operation, Instruction { inputs, outputs })
    };
    let standing = cells.iter().enumerate().filter(|(index, _)| !inside_another[*index]);
    standing.map(instruction).collect()
}

/// Orders instructions for long runs: as many as are ready of one operation, then of the operation with most ready.
fn scheduled(instructions: &[(Operation, Instruction)], net_count: usize) -> Program {
    let mut readers = vec![Vec::new(); net_count];
    let mut missing = vec![0usize; instructions.len()];
    let mut driven = vec![false; net_count];
    for (_, instruction) in instructions {
        for output in instruction.outputs.into_iter().filter(|&output| output != 0) {
            driven[output as usize] = true;
        }
    }
    let mut ready: BTreeMap<Operation, Vec<usize>> = BTreeMap::new();
    for (index, (operation, instruction)) in instructions.iter().enumerate() {
        for input in instruction.inputs.into_iter().filter(|&input| driven[input as usize]) {
            readers[input as usize].push(index);
            missing[index] += 1;
        }
        if missing[index] == 0 {
            ready.entry(*operation).or_default().push(index);
        }
    }
    let mut program = Program::default();
    while let Some(operation) = ready.iter().max_by_key(|(_, waiting)| waiting.len()).map(|(&operation, _)| operation)
    {
        while let Some(waiting) = ready.remove(&operation) {
            for index in waiting {
                let instruction = instructions[index].1;
                program.push(operation, instruction);
                for output in instruction.outputs {
                    for &reader in &readers[output as usize] {
                        missing[reader] -= 1;
                        if missing[reader] == 0 {
                            ready.entry(instructions[reader].0).or_default().push(reader);
                        }
                    }
                }
            }
        }
    }
    program
}

multiversion! {
    fn run(program: &Program, nets: &mut [Lanes]) = run_all
}

#[inline(always)]
fn run_all(program: &Program, nets: &mut [Lanes]) {
    let mut rest = &program.instructions[..];
    for &(operation, count) in &program.runs {
        let (run, later) = rest.split_at(count);
        rest = later;
        match operation {
            Operation::Cell(kind) => run_cells(kind, run, nets),
            Operation::Pair(first, second) => run_pairs(first, second, run, nets),
            Operation::AndHalfAdder => each(run, nets, |[a, b, c]| half_adder(a & b, c)),
            Operation::AndAndHalfAdder => each(run, nets, |[a, b, c, d]| half_adder(a & b, c & d)),
            Operation::AndFullAdder => each(run, nets, |[a, b, c, d]| full_adder(a & b, c, d)),
            Operation::AndAndFullAdder => each(run, nets, |[a, b, c, d, e]| full_adder(a & b, c & d, e)),
            Operation::AndAndAndFullAdder => each(run, nets, |[a, b, c, d, e, f]| full_adder(a & b, c & d, e & f)),
        }
    }
}

/// Applies `function` to the first `IN` inputs and writes the first `OUT` outputs.
#[inline(always)]
fn each<const IN: usize, const OUT: usize>(
    run: &[Instruction],
    nets: &mut [Lanes],
    function: impl Fn([Lanes; IN]) -> [Lanes; OUT],
) {
    for instruction in run {
        let outputs = function(std::array::from_fn(|pin| nets[instruction.inputs[pin] as usize]));
        for (output, value) in instruction.outputs.iter().zip(outputs) {
            nets[*output as usize] = value;
        }
    }
}

#[inline(always)]
fn half_adder(a: Lanes, b: Lanes) -> [Lanes; 2] {
    evaluate(CellKind::HalfAdder, [a, b, Lanes::ZERO, Lanes::ZERO])
}

#[inline(always)]
fn full_adder(a: Lanes, b: Lanes, c: Lanes) -> [Lanes; 2] {
    evaluate(CellKind::FullAdder, [a, b, c, Lanes::ZERO])
}

#[inline(always)]
fn run_cells(kind: CellKind, run: &[Instruction], nets: &mut [Lanes]) {
    macro_rules! dispatch {
        ($($kinds:ident [$($input:ident),*];)*) => {
            match kind {
                $(CellKind::$kinds => each(run, nets, |[$($input),*]| {
                    let [x, ..] = evaluate(CellKind::$kinds, four([$($input),*]));
                    [x]
                }),)*
                CellKind::HalfAdder => each(run, nets, |[a, b]| half_adder(a, b)),
                CellKind::FullAdder => each(run, nets, |[a, b, c]| full_adder(a, b, c)),
            }
        };
    }
    dispatch! {
        Buf [a]; Inv [a];
        And2 [a, b]; Or2 [a, b]; Nand2 [a, b]; Nor2 [a, b]; Xor2 [a, b]; Xnor2 [a, b];
        Nand3 [a, b, c]; Nor3 [a, b, c]; Aoi21 [a, b, c]; Oai21 [a, b, c]; Mux2 [a, b, c]; MuxInv2 [a, b, c];
        Aoi22 [a, b, c, d]; Oai22 [a, b, c, d];
    }
}

#[inline(always)]
fn four<const N: usize>(inputs: [Lanes; N]) -> [Lanes; 4] {
    std::array::from_fn(|pin| if pin < N { inputs[pin] } else { Lanes::ZERO })
}

#[inline(always)]
fn run_pairs(first: Gate, second: Gate, run: &[Instruction], nets: &mut [Lanes]) {
    macro_rules! dispatch {
        ($($first:ident $second:ident),*) => {
            match (first, second) {
                $((Gate::$first, Gate::$second) => {
                    each(run, nets, |[a, b, c]| [Gate::$second.apply(Gate::$first.apply(a, b), c)])
                })*
            }
        };
    }
    dispatch!(And And, And Or, And Xor, Or And, Or Or, Or Xor, Xor And, Xor Or, Xor Xor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FunctionalEngine;
    use crate::multiplier::designs;
    use crate::netlist::NetlistBuilder;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn assert_settles_alike(netlist: &Netlist, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tape = Tape::new(netlist);
        let (mut settled, mut reference) = (tape.start(), FunctionalEngine::new(netlist));
        for (port, bus) in netlist.inputs().iter().enumerate() {
            for bit in 0..bus.width() {
                let lanes = Lanes(rng.random());
                settled.set_input(port, bit, lanes);
                reference.set_input(port, bit, lanes);
            }
        }
        settled.settle();
        reference.settle();
        for (port, bus) in netlist.outputs().iter().enumerate() {
            let expected = bus.nets().iter().map(|&net| reference.value(net));
            assert!(settled.output(port).eq(expected), "{} {}", netlist.name(), bus.name());
        }
    }

    /// One design of each family and format.
    #[test]
    fn every_family_settles_as_cell_by_cell() {
        for (width_a, width_b, signed) in [(8, 8, false), (8, 8, true), (5, 7, false)] {
            let designs = designs(width_a, width_b, signed);
            for (seed, family) in designs.chunk_by(|x, y| x.family().name() == y.family().name()).enumerate() {
                assert_settles_alike(&family[family.len() / 2].netlist(), seed as u64);
            }
        }
    }

    /// Random circuits of all kinds, with constants, shared fanouts and outputs that are inputs or inner nets.
    #[test]
    fn random_circuits_settle_as_cell_by_cell() {
        for seed in 0..100 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut builder = NetlistBuilder::new(format!("random{seed}"));
            let mut nets = vec![NetId::ZERO, NetId::ONE];
            nets.extend(builder.input("x", 6));
            for _ in 0..60 {
                let kind = CellKind::ALL[rng.random_range(0..CellKind::ALL.len())];
                let pins: Vec<NetId> = (0..kind.inputs()).map(|_| nets[rng.random_range(0..nets.len())]).collect();
                nets.extend(builder.cell(kind, &pins).outputs());
            }
            let outputs: Vec<NetId> = (0..12).map(|_| nets[rng.random_range(0..nets.len())]).collect();
            builder.output("y", outputs);
            assert_settles_alike(&builder.finish(), seed);
        }
    }

    #[test]
    fn partial_products_disappear_in_the_adders() {
        let mut builder = NetlistBuilder::new("packed");
        let x = builder.input("x", 7);
        let (p, q) = (builder.and(x[0], x[1]), builder.and(x[2], x[3]));
        let added = builder.full_adder(p, q, x[4]);
        let (low, high) = (builder.or(x[5], x[6]), added.carry);
        let top = builder.xor(low, high);
        builder.output("y", [added.sum, top]);
        assert_eq!(Tape::new(&builder.finish()).instructions(), 2);
    }
}
