//! Modules to one flat circuit.

use std::collections::{HashMap, HashSet};

use super::super::bus::group_bits;
use super::super::draft::{Draft, DraftPort, Flaw, Wire};
use super::super::library::{Gate, LibraryCell, is_supply_pin, join};
use super::super::read_error::{Fault, Problem, Span, line_number};
use super::super::recognise::Recognised;
use super::super::{CellKind, Netlist};
use super::lowering::Lowering;
use super::scope::{Direction, Override, Scope, Signal};
use super::syntax::*;

/// The circuit of module `top`, or of the module that no other instantiates.
pub(super) fn elaborate(file: &SourceFile<'_>, top: Option<&str>, text: &[u8]) -> Result<Netlist, Fault> {
    let mut index = HashMap::new();
    for (position, module) in file.modules.iter().enumerate() {
        if index.insert(module.name.text, position).is_some() {
            let name = module.name.text.into();
            return Err(Fault::new(module.name.span, Problem::Duplicate { what: "module", name }));
        }
    }
    let mut elaborator = Elaborator::new(file, index, text);
    let top = elaborator.choose_top(top)?;
    elaborator.run(top)?;
    elaborator.finish(top)
}

/// A module instance whose items are being elaborated.
struct Frame<'s> {
    module: usize,
    scope: Scope<'s>,
    next_item: usize,
    path: usize,
}

/// An instance in the hierarchy, for the names of its nets.
struct PathNode<'s> {
    parent: usize,
    name: &'s str,
}

/// The name of consecutive wires.
struct Label<'s> {
    path: usize,
    name: &'s str,
    signal: Signal,
}

struct Elaborator<'f, 's> {
    file: &'f SourceFile<'s>,
    index: HashMap<&'s str, usize>,
    text: &'f [u8],
    draft: Draft,
    /// In order of their wires.
    labels: Vec<Label<'s>>,
    paths: Vec<PathNode<'s>>,
    /// The instances from the top down to the current one: a call stack on the heap.
    stack: Vec<Frame<'s>>,
    /// Modules on the stack.
    active: HashSet<usize>,
    /// Single cells that modules of the file turned out to be.
    recognised: HashMap<usize, Option<Recognised>>,
    inputs: Vec<DraftPort>,
    outputs: Vec<DraftPort>,
}

impl<'f, 's> Elaborator<'f, 's> {
    fn new(file: &'f SourceFile<'s>, index: HashMap<&'s str, usize>, text: &'f [u8]) -> Self {
        Elaborator {
            file,
            index,
            text,
            draft: Draft::new(),
            labels: Vec::new(),
            paths: vec![PathNode { parent: 0, name: "" }],
            stack: Vec::new(),
            active: HashSet::new(),
            recognised: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The module asked for, or the one that no other instantiates.
    fn choose_top(&mut self, asked: Option<&str>) -> Result<usize, Fault> {
        let modules = &self.file.modules;
        let name = |position: usize| modules[position].name.text.to_string();
        if let Some(asked) = asked {
            let missing =
                || Problem::NoTop { asked: Some(asked.into()), present: (0..modules.len()).map(name).collect() };
            return self.index.get(asked).copied().ok_or_else(|| Fault::new(Span::default(), missing()));
        }
        // Child to one of its parents.
        let mut parents = HashMap::new();
        for (parent, module) in modules.iter().enumerate() {
            for item in &module.items {
                if let Item::Instance(instance) = item
                    && let Some(&child) = self.index.get(instance.module.text)
                {
                    parents.insert(child, parent);
                }
            }
        }
        let mut roots: Vec<usize> = (0..modules.len()).filter(|position| !parents.contains_key(position)).collect();
        // A module that was not read to its end may instantiate the others.
        if let Some(refusal) = roots.iter().find_map(|&position| modules[position].refusal.as_ref()) {
            return Err(refusal.clone());
        }
        // Definitions of cells that happen not to be used are no candidates.
        if roots.len() > 1 {
            let is_cell = |root: usize| LibraryCell::find(modules[root].name.text).is_some();
            let designs = roots.iter().copied().filter(|&root| !is_cell(root) && self.recognise(root).is_none());
            roots = Some(designs.collect()).filter(|designs: &Vec<usize>| !designs.is_empty()).unwrap_or(roots);
        }
        match roots[..] {
            [top] => Ok(top),
            [first, ..] => {
                let candidates = roots.iter().map(|&root| name(root)).collect();
                Err(Fault::new(modules[first].name.span, Problem::AmbiguousTop { candidates }))
            }
            [] if modules.is_empty() => {
                Err(Fault::new(Span::default(), Problem::NoTop { asked: None, present: Vec::new() }))
            }
            // Every module has a parent: going up for long enough ends in a cycle, which elaboration reports.
            [] => Ok((0..modules.len()).fold(0, |module, _| parents[&module])),
        }
    }

    fn run(&mut self, top: usize) -> Result<(), Fault> {
        let frame = self.open(top, &HashMap::new(), 0)?;
        for port in &self.file.modules[top].ports {
            let signal = frame.scope.port(port.text);
            let port = DraftPort { name: port.text.into(), wires: signal.wires(), at: port.span };
            if signal.direction == Some(Direction::Input) {
                for &wire in &port.wires {
                    self.draft.input(wire, port.at).map_err(|first| self.driven_twice(wire, port.at, first))?;
                }
                self.inputs.push(port);
            } else {
                self.outputs.push(port);
            }
        }
        self.stack.push(frame);
        while let Some(mut frame) = self.stack.pop() {
            let module = &self.file.modules[frame.module];
            let Some(item) = module.items.get(frame.next_item) else {
                self.active.remove(&frame.module);
                continue;
            };
            frame.next_item += 1;
            let child = match item {
                Item::Assign { target, value } => self.assign(&frame.scope, target, value).map(|()| None),
                Item::Gate { gate, name, terminals, span } => {
                    self.gate(&frame.scope, *gate, name, terminals, *span).map(|()| None)
                }
                Item::Instance(instance) => self.instance(&frame, instance),
            }?;
            self.draft.within_limits().map_err(|problem| Fault::new(item.span(), problem))?;
            self.stack.push(frame);
            self.stack.extend(child);
        }
        Ok(())
    }

    fn finish(mut self, top: usize) -> Result<Netlist, Fault> {
        let draft = std::mem::replace(&mut self.draft, Draft::new());
        let (inputs, outputs) = (group_bits(&self.inputs), group_bits(&self.outputs));
        draft.finish(self.file.modules[top].name.text, &inputs, &outputs).map_err(|flaw| match flaw {
            Flaw::Undriven { wire, at } => Fault::new(at, Problem::Undriven { net: self.wire_name(wire) }),
            Flaw::Loop { wires, at } => {
                let named = wires.iter().filter_map(|&wire| self.label_name(wire));
                Fault::new(at, Problem::CombinationalLoop { nets: named.collect() })
            }
        })
    }

    /// Declares what a module declares.
    fn open(&mut self, module: usize, overrides: &HashMap<&str, Override>, path: usize) -> Result<Frame<'s>, Fault> {
        let definition = &self.file.modules[module];
        if let Some(refusal) = &definition.refusal {
            return Err(refusal.clone());
        }
        let mut scope = Scope::open(definition, overrides, &mut self.draft)?;
        if definition.implicit_nets {
            for item in &definition.items {
                item.for_each_implicit_name(|name| scope.declare_implicitly(name, &mut self.draft));
            }
        }
        let labels = scope.signals().into_iter().map(|(name, signal)| Label { path, name, signal });
        self.labels.extend(labels);
        self.active.insert(module);
        Ok(Frame { module, scope, next_item: 0, path })
    }

    fn lowering<'a>(&'a mut self, scope: &'a Scope<'s>) -> Lowering<'a, 's> {
        Lowering { scope, draft: &mut self.draft }
    }

    fn assign(&mut self, scope: &Scope<'s>, target: &Expression<'s>, value: &Expression<'s>) -> Result<(), Fault> {
        let targets = self.lowering(scope).targets(target)?;
        let bits = self.lowering(scope).assigned(value, targets.len())?;
        self.connect(&targets, &bits, target.span().to(value.span()))
    }

    /// Lets `sources` drive `targets`, bit by bit.
    fn connect(&mut self, targets: &[Wire], sources: &[Wire], at: Span) -> Result<(), Fault> {
        for (&target, &source) in targets.iter().zip(sources) {
            self.draft.connect(target, source, at).map_err(|first| self.driven_twice(target, at, first))?;
        }
        Ok(())
    }

    fn gate(
        &mut self,
        scope: &Scope<'s>,
        gate: Primitive,
        name: &str,
        terminals: &[Expression<'s>],
        at: Span,
    ) -> Result<(), Fault> {
        // Buffers and inverters have outputs first and one input; the others one output and inputs.
        let outputs = if let Primitive::Buffer { .. } = gate { terminals.len() - 1 } else { 1 };
        if terminals.len() < 2 {
            let (expected, found) = ("two terminals or more".into(), "one".into());
            return Err(Fault::new(at, Problem::Syntax { expected, found }));
        }
        let terminal = |position: usize| format!("terminal {} of gate `{name}`", position + 1);
        let mut pins = Vec::with_capacity(terminals.len() - outputs);
        for (position, expression) in terminals.iter().enumerate().skip(outputs) {
            pins.extend(self.lowering(scope).connected(expression, 1, || terminal(position))?);
        }
        let draft = &mut self.draft;
        let value = match gate {
            Primitive::And { inverted } => join(draft, Gate::And, inverted, &pins, at),
            Primitive::Or { inverted } => join(draft, Gate::Or, inverted, &pins, at),
            Primitive::Xor { inverted } => {
                let (last, rest) = (pins[pins.len() - 1], &pins[..pins.len() - 1]);
                let rest = rest.iter().copied().reduce(|sum, pin| draft.cell(CellKind::Xor2, &[sum, pin], at));
                match rest {
                    Some(rest) => {
                        draft.cell(if inverted { CellKind::Xnor2 } else { CellKind::Xor2 }, &[rest, last], at)
                    }
                    None if inverted => draft.cell(CellKind::Inv, &[last], at),
                    None => last,
                }
            }
            Primitive::Buffer { inverted } => {
                draft.cell(if inverted { CellKind::Inv } else { CellKind::Buf }, &pins, at)
            }
        };
        for (position, expression) in terminals.iter().enumerate().take(outputs) {
            let targets = self.lowering(scope).targets(expression)?;
            check_width(terminal(position), 1, targets.len(), expression.span())?;
            self.connect(&targets, &[value], at)?;
        }
        Ok(())
    }

    /// An instance: a cell, or a module to elaborate next.
    fn instance(&mut self, frame: &Frame<'s>, instance: &'f Instance<'s>) -> Result<Option<Frame<'s>>, Fault> {
        let name = instance.module.text;
        let Some(&module) = self.index.get(name) else {
            let missing = || Fault::new(instance.module.span, Problem::MissingModule { module: name.into() });
            let cell = LibraryCell::find(name).ok_or_else(missing)?;
            return self.library_cell(frame, instance, &cell).map(|()| None);
        };
        let definition = &self.file.modules[module];
        // A stub only states the ports of a library cell.
        if definition.items.is_empty()
            && definition.refusal.is_none()
            && let Some(cell) = LibraryCell::find(name)
        {
            return self.library_cell(frame, instance, &cell).map(|()| None);
        }
        if instance.parameters.is_empty()
            && let Some(recognised) = self.recognise(module)
        {
            return self.recognised_cell(frame, instance, module, &recognised).map(|()| None);
        }
        if self.active.contains(&module) {
            return Err(self.recursion(frame, module, instance.module.span));
        }
        let overrides = self.overrides(&frame.scope, instance, definition)?;
        self.paths.push(PathNode { parent: frame.path, name: instance.name.text });
        if self.paths.len() > Draft::MAX_CELLS {
            let problem = Problem::TooLarge { what: "the number of instances".into(), limit: Draft::MAX_CELLS };
            return Err(Fault::new(instance.name.span, problem));
        }
        let child = self.open(module, &overrides, self.paths.len() - 1)?;
        let ports: Vec<&str> = definition.ports.iter().map(|port| port.text).collect();
        for (port, expression) in ports.iter().zip(bound(instance, &ports, instance.name.span)?) {
            let Some(expression) = expression else { continue };
            let signal = child.scope.port(port);
            let what = || format!("port `{port}` of `{name}`");
            let (inner, at) = (signal.wires(), expression.span());
            if signal.direction == Some(Direction::Input) {
                let outer = self.lowering(&frame.scope).connected(expression, inner.len(), what)?;
                self.connect(&inner, &outer, at)?;
            } else {
                let outer = self.lowering(&frame.scope).targets(expression)?;
                check_width(what(), inner.len(), outer.len(), at)?;
                self.connect(&outer, &inner, at)?;
            }
        }
        Ok(Some(child))
    }

    fn recursion(&self, frame: &Frame<'s>, module: usize, at: Span) -> Fault {
        let open = self.stack.iter().map(|frame| frame.module).chain([frame.module]);
        let cycle = open.skip_while(|&open| open != module).chain([module]);
        let chain = cycle.map(|module| self.file.modules[module].name.text.to_string()).collect();
        Fault::new(at, Problem::Recursion { chain })
    }

    /// Parameter values an instance gives.
    fn overrides(
        &mut self,
        scope: &Scope<'s>,
        instance: &'f Instance<'s>,
        definition: &Module<'s>,
    ) -> Result<HashMap<&'s str, Override>, Fault> {
        let settable = definition.parameters.iter().filter(|parameter| !parameter.local);
        let names: Vec<&'s str> = settable.map(|parameter| parameter.name.text).collect();
        let values = bind(&instance.parameters, &names, instance.module, instance.name.span)?;
        let mut overrides = HashMap::new();
        for (name, value) in names.into_iter().zip(values) {
            let Some(value) = value else { continue };
            let (bits, own) = self.lowering(scope).constant_bits(value, "the value of a parameter")?;
            overrides.insert(name, Override { bits, signed: own.signed, sized: own.sized });
        }
        Ok(overrides)
    }

    /// The single cell that a module is, if it consists of assignments only and computes what one cell computes.
    ///
    /// Files bring their library along as such modules. Read literally, an adder cell would dissolve into gates and a
    /// buffer vanish. The name says nothing: some files call an AND `…NAND2X1`.
    fn recognise(&mut self, module: usize) -> Option<Recognised> {
        if let Some(known) = self.recognised.get(&module) {
            return known.clone();
        }
        let definition = &self.file.modules[module];
        let formulas = definition.items.iter().all(|item| matches!(item, Item::Assign { .. }));
        let small = definition.ports.len() <= Recognised::MAX_INPUTS + 2 && definition.items.len() <= 8;
        let block = || {
            let mut alone = Elaborator::new(self.file, HashMap::new(), self.text);
            alone.run(module).and_then(|()| alone.finish(module)).ok()
        };
        let found = if formulas && small { block().and_then(|block| Recognised::from_block(&block)) } else { None };
        self.recognised.insert(module, found.clone());
        found
    }

    fn recognised_cell(
        &mut self,
        frame: &Frame<'s>,
        instance: &'f Instance<'s>,
        module: usize,
        recognised: &Recognised,
    ) -> Result<(), Fault> {
        let definition = &self.file.modules[module];
        let ports: Vec<&str> = definition.ports.iter().map(|port| port.text).collect();
        let is_input = |port: &str| {
            let declared = |declaration: &&Declaration<'_>| declaration.name.text == port;
            let mut declarations = definition.declarations.iter().filter(declared);
            declarations.any(|declaration| declaration.kind == DeclarationKind::Input)
        };
        let bound = ports.iter().zip(bound(instance, &ports, instance.name.span)?);
        let (inputs, outputs): (Vec<_>, Vec<_>) = bound.partition(|(port, _)| is_input(port));
        let mut wires = Vec::with_capacity(inputs.len());
        for (port, expression) in inputs {
            wires.push(self.pin(frame, instance, port, expression)?);
        }
        let pins: Vec<Wire> = recognised.inputs.iter().map(|&input| wires[input]).collect();
        let first = self.draft.cell(recognised.kind, &pins, instance.name.span);
        for ((port, expression), &pin) in outputs.into_iter().zip(&recognised.outputs) {
            self.drive_from_pin(frame, instance, port, expression, first.offset(pin))?;
        }
        Ok(())
    }

    fn library_cell(
        &mut self,
        frame: &Frame<'s>,
        instance: &'f Instance<'s>,
        cell: &LibraryCell,
    ) -> Result<(), Fault> {
        let Connections::Named(_) = &instance.connections else {
            let cell = instance.module.text.into();
            return Err(Fault::new(instance.name.span, Problem::PinsByPosition { cell }));
        };
        let outputs = cell.outputs().iter().copied().filter(|pin| !pin.is_empty());
        let pins: Vec<&str> = cell.inputs().iter().map(String::as_str).chain(outputs).collect();
        let mut bound = bound(instance, &pins, instance.name.span)?.into_iter();
        let mut inputs = Vec::with_capacity(cell.inputs().len());
        for (pin, expression) in cell.inputs().iter().zip(bound.by_ref()) {
            inputs.push(self.pin(frame, instance, pin, expression)?);
        }
        let values = cell.build(&mut self.draft, &inputs, instance.name.span);
        let values = cell.outputs().iter().zip(values).filter(|(pin, _)| !pin.is_empty());
        for ((pin, value), expression) in values.zip(bound) {
            self.drive_from_pin(frame, instance, pin, expression, value)?;
        }
        Ok(())
    }

    /// The wire at an input pin of a cell.
    fn pin(
        &mut self,
        frame: &Frame<'s>,
        instance: &Instance<'s>,
        pin: &str,
        expression: Option<&Expression<'s>>,
    ) -> Result<Wire, Fault> {
        let Some(expression) = expression else {
            let net = format!("{}{}.{pin}", self.path_name(frame.path), instance.name.text);
            return Err(Fault::new(instance.name.span, Problem::Undriven { net }));
        };
        let what = || format!("pin `{pin}` of `{}`", instance.module.text);
        Ok(self.lowering(&frame.scope).connected(expression, 1, what)?[0])
    }

    fn drive_from_pin(
        &mut self,
        frame: &Frame<'s>,
        instance: &Instance<'s>,
        pin: &str,
        expression: Option<&Expression<'s>>,
        value: Wire,
    ) -> Result<(), Fault> {
        let Some(expression) = expression else { return Ok(()) };
        let targets = self.lowering(&frame.scope).targets(expression)?;
        let what = format!("pin `{pin}` of `{}`", instance.module.text);
        check_width(what, 1, targets.len(), expression.span())?;
        self.connect(&targets, &[value], expression.span())
    }

    fn driven_twice(&self, wire: Wire, at: Span, first: Span) -> Fault {
        let first_line = line_number(self.text, first.start as usize);
        Fault::new(at, Problem::DrivenTwice { net: self.wire_name(wire), first_line })
    }

    fn wire_name(&self, wire: Wire) -> String {
        match wire.value() {
            Some(value) => format!("1'b{}", u8::from(value)),
            None => self.label_name(wire).unwrap_or_else(|| "the value of an expression".into()),
        }
    }

    /// The declared name of a wire, with its instances: `row[2].u1.carry[3]`.
    fn label_name(&self, wire: Wire) -> Option<String> {
        let after = self.labels.partition_point(|label| label.signal.first.index() <= wire.index());
        let Label { path, name, signal } = self.labels.get(after.checked_sub(1)?)?;
        let offset = wire.index() - signal.first.index();
        if offset >= signal.width() {
            return None;
        }
        let step = if signal.left >= signal.right { 1 } else { -1 };
        let index = signal.right + step * offset as i64;
        let index = if signal.width() > 1 { format!("[{index}]") } else { String::new() };
        Some(format!("{}{name}{index}", self.path_name(*path)))
    }

    fn path_name(&self, path: usize) -> String {
        let mut names = Vec::new();
        let mut at = path;
        while at != 0 {
            names.push(self.paths[at].name);
            at = self.paths[at].parent;
        }
        names.iter().rev().map(|name| format!("{name}.")).collect()
    }
}

/// What an instance connects to each of `pins`.
fn bound<'f, 's>(
    instance: &'f Instance<'s>,
    pins: &[&str],
    at: Span,
) -> Result<Vec<Option<&'f Expression<'s>>>, Fault> {
    bind(&instance.connections, pins, instance.module, at)
}

fn bind<'f, 's>(
    connections: &'f Connections<'s>,
    pins: &[&str],
    module: Name<'s>,
    at: Span,
) -> Result<Vec<Option<&'f Expression<'s>>>, Fault> {
    let unknown = |at, pin: String| {
        let pins = pins.iter().map(ToString::to_string).collect();
        Fault::new(at, Problem::UnknownPin { module: module.text.into(), pin, pins })
    };
    let mut bound = vec![None; pins.len()];
    match connections {
        Connections::Ordered(list) => {
            if list.len() > pins.len() {
                return Err(unknown(at, format!("number {}", pins.len() + 1)));
            }
            for (slot, expression) in bound.iter_mut().zip(list) {
                *slot = expression.as_ref();
            }
        }
        Connections::Named(list) => {
            let mut taken = vec![false; pins.len()];
            for (name, expression) in list {
                let Some(position) = pins.iter().position(|pin| *pin == name.text) else {
                    if is_supply_pin(name.text) {
                        continue;
                    }
                    return Err(unknown(name.span, name.text.into()));
                };
                if std::mem::replace(&mut taken[position], true) {
                    let problem = Problem::Duplicate { what: "the connection of", name: name.text.into() };
                    return Err(Fault::new(name.span, problem));
                }
                bound[position] = expression.as_ref();
            }
        }
    }
    Ok(bound)
}

fn check_width(what: String, expected: usize, found: usize, at: Span) -> Result<(), Fault> {
    if expected == found { Ok(()) } else { Err(Fault::new(at, Problem::WidthMismatch { what, expected, found })) }
}

impl<'s> Item<'s> {
    fn span(&self) -> Span {
        match self {
            Item::Assign { target, value } => target.span().to(value.span()),
            Item::Gate { span, .. } => *span,
            Item::Instance(instance) => instance.module.span.to(instance.name.span),
        }
    }

    /// Names that are nets of one bit unless declared: targets of assignments and everything in connections.
    fn for_each_implicit_name(&self, mut declare: impl FnMut(&'s str)) {
        let mut visit = |expression: &Expression<'s>| {
            for node in &expression.nodes {
                if let Form::Name(name) = node.form {
                    declare(name);
                }
            }
        };
        match self {
            Item::Assign { target, .. } => visit(target),
            Item::Gate { terminals, .. } => terminals.iter().for_each(visit),
            Item::Instance(instance) => instance.connections.expressions().for_each(visit),
        }
    }
}
