//! Models to one flat circuit.

use std::collections::{HashMap, HashSet};

use super::parser::{Item, Model, Word};
use crate::netlist::Netlist;
use crate::netlist::bus::group_bits;
use crate::netlist::draft::{Draft, DraftPort, Flaw, Wire};
use crate::netlist::library::LibraryCell;
use crate::netlist::read_error::{Fault, Problem, Span, line_number};
use crate::netlist::recognise::Recognised;

/// The circuit of model `top`, or of the first.
pub(super) fn elaborate(models: &[Model<'_>], top: Option<&str>, text: &[u8]) -> Result<Netlist, Fault> {
    let mut index = HashMap::new();
    for (position, model) in models.iter().enumerate() {
        if index.insert(model.name.text, position).is_some() {
            let name = model.name.text.into();
            return Err(Fault::new(model.name.span, Problem::Duplicate { what: "model", name }));
        }
    }
    let found = match top {
        Some(name) => index.get(name).copied(),
        None => (!models.is_empty()).then_some(0),
    };
    let Some(found) = found else {
        let present = models.iter().map(|model| model.name.text.to_string()).collect();
        return Err(Fault::new(Span::default(), Problem::NoTop { asked: top.map(String::from), present }));
    };
    let mut elaborator = Elaborator::new(models, index, text);
    elaborator.run(found)?;
    elaborator.finish(found)
}

/// A model instance whose items are being elaborated.
struct Frame<'s> {
    model: usize,
    nets: HashMap<&'s str, Wire>,
    next_item: usize,
    path: usize,
}

struct Elaborator<'m, 's> {
    models: &'m [Model<'s>],
    index: HashMap<&'s str, usize>,
    text: &'m [u8],
    draft: Draft,
    /// Names of wires, in order, with the instance they belong to.
    labels: Vec<(Wire, usize, &'s str)>,
    /// Parent and model of each instance, for the names of nets in it.
    paths: Vec<(usize, &'s str)>,
    /// The instances from the top down to the current one: a call stack on the heap.
    stack: Vec<Frame<'s>>,
    active: HashSet<usize>,
    recognised: HashMap<usize, Option<Recognised>>,
    inputs: Vec<DraftPort>,
    outputs: Vec<DraftPort>,
}

impl<'m, 's> Elaborator<'m, 's> {
    fn new(models: &'m [Model<'s>], index: HashMap<&'s str, usize>, text: &'m [u8]) -> Self {
        Elaborator {
            models,
            index,
            text,
            draft: Draft::new(),
            labels: Vec::new(),
            paths: vec![(0, "")],
            stack: Vec::new(),
            active: HashSet::new(),
            recognised: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn run(&mut self, top: usize) -> Result<(), Fault> {
        let mut frame = self.open(top, 0);
        let port = |elaborator: &mut Self, frame: &mut Frame<'s>, word: &Word<'s>| {
            let wires = vec![elaborator.net(frame, word.text)];
            DraftPort { name: word.text.into(), wires, at: word.span }
        };
        for word in &self.models[top].inputs {
            let port = port(self, &mut frame, word);
            let driven = self.draft.input(port.wires[0], port.at);
            driven.map_err(|first| self.driven_twice(word.text, port.at, first))?;
            self.inputs.push(port);
        }
        for word in &self.models[top].outputs {
            let port = port(self, &mut frame, word);
            self.outputs.push(port);
        }
        self.stack.push(frame);
        while let Some(mut frame) = self.stack.pop() {
            let Some(item) = self.models[frame.model].items.get(frame.next_item) else {
                self.active.remove(&frame.model);
                continue;
            };
            frame.next_item += 1;
            let (child, at) = match item {
                Item::Table { inputs, output, cover } => {
                    let wires: Vec<Wire> = inputs.iter().map(|input| self.net(&mut frame, input.text)).collect();
                    let value = cover.build(&mut self.draft, &wires, output.span);
                    self.drive(&mut frame, output, value)?;
                    (None, output.span)
                }
                Item::Connection { source, target } => {
                    let source = self.net(&mut frame, source.text);
                    self.drive(&mut frame, target, source)?;
                    (None, target.span)
                }
                Item::Instance { model, pins } => (self.instance(&mut frame, model, pins)?, model.span),
            };
            self.draft.within_limits().map_err(|problem| Fault::new(at, problem))?;
            self.stack.push(frame);
            self.stack.extend(child);
        }
        Ok(())
    }

    fn finish(mut self, top: usize) -> Result<Netlist, Fault> {
        let draft = std::mem::replace(&mut self.draft, Draft::new());
        let (inputs, outputs) = (group_bits(&self.inputs), group_bits(&self.outputs));
        draft.finish(self.models[top].name.text, &inputs, &outputs).map_err(|flaw| match flaw {
            Flaw::TooLarge(problem) => Fault::new(Span::default(), problem),
            Flaw::Undriven { wire, at } => {
                let net = self.name(wire).unwrap_or_else(|| "a net".into());
                Fault::new(at, Problem::Undriven { net })
            }
            Flaw::Loop { wires, at } => {
                let nets = wires.iter().filter_map(|&wire| self.name(wire)).collect();
                Fault::new(at, Problem::CombinationalLoop { nets })
            }
        })
    }

    fn open(&mut self, model: usize, path: usize) -> Frame<'s> {
        self.active.insert(model);
        Frame { model, nets: HashMap::new(), next_item: 0, path }
    }

    /// The wire of a net, made when its name is first met.
    fn net(&mut self, frame: &mut Frame<'s>, name: &'s str) -> Wire {
        *frame.nets.entry(name).or_insert_with(|| {
            let wire = self.draft.wires(1);
            self.labels.push((wire, frame.path, name));
            wire
        })
    }

    fn drive(&mut self, frame: &mut Frame<'s>, target: &Word<'s>, source: Wire) -> Result<(), Fault> {
        let wire = self.net(frame, target.text);
        let connected = self.draft.connect(wire, source, target.span);
        connected.map_err(|first| self.driven_twice(target.text, target.span, first))
    }

    fn driven_twice(&self, net: &str, at: Span, first: Span) -> Fault {
        let first_line = line_number(self.text, first.start as usize);
        Fault::new(at, Problem::DrivenTwice { net: net.into(), first_line })
    }

    /// An instance: a cell, or a model to elaborate next.
    fn instance(
        &mut self,
        frame: &mut Frame<'s>,
        name: &Word<'s>,
        pins: &'m [(&'s str, Word<'s>)],
    ) -> Result<Option<Frame<'s>>, Fault> {
        let mut actual: HashMap<&str, &Word<'s>> = HashMap::new();
        for (formal, word) in pins {
            // Generated files repeat connections; only a contradiction is an error.
            if actual.insert(formal, word).is_some_and(|earlier| earlier.text != word.text) {
                let problem = Problem::Duplicate { what: "the connection of", name: (*formal).into() };
                return Err(Fault::new(word.span, problem));
            }
        }
        let Some(&model) = self.index.get(name.text) else {
            let missing = || Fault::new(name.span, Problem::MissingModule { module: name.text.into() });
            let cell = LibraryCell::find(name.text).ok_or_else(missing)?;
            let inputs: Vec<&str> = cell.inputs().iter().map(String::as_str).collect();
            let inputs = self.cell_pins(frame, name, pins, &actual, &inputs, cell.outputs())?;
            let values = cell.build(&mut self.draft, &inputs, name.span);
            return self.drive_outputs(frame, &actual, cell.outputs(), &values).map(|()| None);
        };
        let definition = &self.models[model];
        let inputs: Vec<&str> = definition.inputs.iter().map(|word| word.text).collect();
        let outputs: Vec<&str> = definition.outputs.iter().map(|word| word.text).collect();
        if let Some(recognised) = self.recognise(model) {
            let inputs = self.cell_pins(frame, name, pins, &actual, &inputs, &outputs)?;
            let ordered: Vec<Wire> = recognised.inputs.iter().map(|&input| inputs[input]).collect();
            let first = self.draft.cell(recognised.kind, &ordered, name.span);
            let values: Vec<Wire> = recognised.outputs.iter().map(|&pin| first.offset(pin)).collect();
            return self.drive_outputs(frame, &actual, &outputs, &values).map(|()| None);
        }
        check_pins(name, pins, &inputs, &outputs)?;
        if self.active.contains(&model) {
            let open = self.stack.iter().map(|frame| frame.model).chain([frame.model]);
            let cycle = open.skip_while(|&open| open != model).chain([model]);
            let chain = cycle.map(|model| self.models[model].name.text.to_string()).collect();
            return Err(Fault::new(name.span, Problem::Recursion { chain }));
        }
        self.paths.push((frame.path, name.text));
        if self.paths.len() > Draft::MAX_INSTANCES {
            let problem = Problem::TooLarge { what: "the number of instances".into(), limit: Draft::MAX_INSTANCES };
            return Err(Fault::new(name.span, problem));
        }
        let mut child = self.open(model, self.paths.len() - 1);
        for port in &definition.inputs {
            if let Some(word) = actual.get(port.text) {
                let (inner, outer) = (self.net(&mut child, port.text), self.net(frame, word.text));
                let connected = self.draft.connect(inner, outer, word.span);
                connected.map_err(|first| self.driven_twice(port.text, word.span, first))?;
            }
        }
        for port in &definition.outputs {
            if let Some(word) = actual.get(port.text) {
                let inner = self.net(&mut child, port.text);
                self.drive(frame, word, inner)?;
            }
        }
        Ok(Some(child))
    }

    /// The single cell that a model is, if it consists of tables only and computes what one cell computes.
    fn recognise(&mut self, model: usize) -> Option<Recognised> {
        if let Some(known) = self.recognised.get(&model) {
            return known.clone();
        }
        let definition = &self.models[model];
        let tables = definition.items.iter().all(|item| matches!(item, Item::Table { .. }));
        let small = definition.inputs.len() <= Recognised::MAX_INPUTS && definition.items.len() <= 16;
        let block = || {
            let mut alone = Elaborator::new(self.models, HashMap::new(), self.text);
            alone.run(model).and_then(|()| alone.finish(model)).ok()
        };
        let found = if tables && small { block().and_then(|block| Recognised::from_block(&block)) } else { None };
        self.recognised.insert(model, found.clone());
        found
    }

    /// The wires at the input pins of a cell, all of which must be connected.
    fn cell_pins(
        &mut self,
        frame: &mut Frame<'s>,
        name: &Word<'s>,
        pins: &[(&'s str, Word<'s>)],
        actual: &HashMap<&str, &Word<'s>>,
        inputs: &[&str],
        outputs: &[&str],
    ) -> Result<Vec<Wire>, Fault> {
        check_pins(name, pins, inputs, outputs)?;
        let mut wires = Vec::with_capacity(inputs.len());
        for pin in inputs {
            let net = format!("{}.{pin}", name.text);
            let word = actual.get(pin).ok_or_else(|| Fault::new(name.span, Problem::Undriven { net }))?;
            wires.push(self.net(frame, word.text));
        }
        Ok(wires)
    }

    fn drive_outputs(
        &mut self,
        frame: &mut Frame<'s>,
        actual: &HashMap<&str, &Word<'s>>,
        outputs: &[&str],
        values: &[Wire],
    ) -> Result<(), Fault> {
        for (pin, &value) in outputs.iter().zip(values) {
            if let Some(word) = actual.get(pin) {
                self.drive(frame, word, value)?;
            }
        }
        Ok(())
    }

    /// Name of a wire with its instances, if it has one.
    fn name(&self, wire: Wire) -> Option<String> {
        let found = self.labels.binary_search_by_key(&wire.index(), |(wire, ..)| wire.index()).ok()?;
        let (_, mut path, name) = self.labels[found];
        let mut names = vec![name];
        while path != 0 {
            names.push(self.paths[path].1);
            path = self.paths[path].0;
        }
        names.reverse();
        Some(names.join("."))
    }
}

fn check_pins(name: &Word<'_>, pins: &[(&str, Word<'_>)], inputs: &[&str], outputs: &[&str]) -> Result<(), Fault> {
    let known = |pin: &str| inputs.contains(&pin) || (outputs.contains(&pin) && !pin.is_empty());
    match pins.iter().find(|(formal, _)| !known(formal)) {
        None => Ok(()),
        Some((formal, word)) => {
            let pins = inputs.iter().chain(outputs).filter(|pin| !pin.is_empty()).map(ToString::to_string).collect();
            let problem = Problem::UnknownPin { module: name.text.into(), pin: (*formal).into(), pins };
            Err(Fault::new(word.span, problem))
        }
    }
}
