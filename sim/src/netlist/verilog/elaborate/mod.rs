//! Modules to one flat circuit.

mod instance;

use std::collections::{HashMap, HashSet};

use super::lowering::Lowering;
use super::scope::{Direction, Override, Scope, Signal};
use super::syntax::*;
use crate::netlist::bus::group_bits;
use crate::netlist::draft::{Draft, DraftPort, Flaw, Wire};
use crate::netlist::library::{Gate, LibraryCell, join};
use crate::netlist::read_error::{Fault, Problem, Span, line_number};
use crate::netlist::recognise::Recognised;
use crate::netlist::{CellKind, Netlist};

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
            Flaw::TooLarge(problem) => Fault::new(Span::default(), problem),
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

    fn driven_twice(&self, wire: Wire, at: Span, first: Span) -> Fault {
        let first_line = line_number(self.text, first.start as usize);
        Fault::new(at, Problem::DrivenTwice { net: self.wire_name(wire), first_line })
    }

    fn wire_name(&self, wire: Wire) -> String {
        match wire.value() {
            Some(value) => format!("1'b{}", u8::from(value)),
            None if wire == Wire::UNKNOWN => "an unknown value".into(),
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

/// Refuses connections of another width.
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
