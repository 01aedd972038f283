//! Instances: cells of a library, modules that are a cell, and modules to elaborate.

use std::collections::HashMap;

use super::{Elaborator, Frame, PathNode, check_width};
use crate::netlist::draft::{Draft, Wire};
use crate::netlist::library::{LibraryCell, is_supply_pin};
use crate::netlist::read_error::{Fault, Problem, Span};
use crate::netlist::recognise::Recognised;
use crate::netlist::verilog::scope::{Direction, Override, Scope};
use crate::netlist::verilog::syntax::*;

impl<'f, 's> Elaborator<'f, 's> {
    /// An instance: a cell, or a module to elaborate next.
    pub(super) fn instance(
        &mut self,
        frame: &Frame<'s>,
        instance: &'f Instance<'s>,
    ) -> Result<Option<Frame<'s>>, Fault> {
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
        if self.paths.len() > Draft::MAX_INSTANCES {
            let problem = Problem::TooLarge { what: "the number of instances".into(), limit: Draft::MAX_INSTANCES };
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
    pub(super) fn recognise(&mut self, module: usize) -> Option<Recognised> {
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
