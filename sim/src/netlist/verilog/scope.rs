//! What the names of one module instance stand for.

use std::collections::HashMap;

use super::lowering::Lowering;
use super::number::MAX_WIDTH;
use super::syntax::*;
use crate::netlist::draft::{Draft, Wire};
use crate::netlist::read_error::{Fault, Problem, Span};

/// Width and signedness of an expression (IEEE 1364-2005, 5.4 and 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) width: usize,
    pub(super) signed: bool,
    /// Whether no number without a width took part.
    pub(super) sized: bool,
}

/// A net or vector of nets, or a parameter.
#[derive(Clone, Debug)]
pub(super) enum Symbol {
    Signal(Signal),
    Parameter { bits: Vec<Wire>, signed: bool, sized: bool },
}

/// A declared net or vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    /// The least significant bit; the others follow.
    pub(super) first: Wire,
    pub(super) left: i64,
    pub(super) right: i64,
    pub(super) signed: bool,
    pub(super) direction: Option<Direction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Input,
    Output,
}

impl Signal {
    pub(super) fn width(&self) -> usize {
        self.left.abs_diff(self.right) as usize + 1
    }

    pub(super) fn wires(&self) -> Vec<Wire> {
        (0..self.width()).map(|offset| self.first.offset(offset)).collect()
    }
}

/// The names of one module instance.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    pub(super) symbols: HashMap<&'s str, Symbol>,
}

/// A value for a parameter from outside.
#[derive(Clone, Debug)]
pub(super) struct Override {
    pub(super) bits: Vec<Wire>,
    pub(super) signed: bool,
    pub(super) sized: bool,
}

impl<'s> Scope<'s> {
    /// Gives every parameter its value and every declared name its wires.
    pub(super) fn open(
        module: &Module<'s>,
        overrides: &HashMap<&str, Override>,
        draft: &mut Draft,
    ) -> Result<Scope<'s>, Fault> {
        let mut scope = Scope { symbols: HashMap::new() };
        for parameter in &module.parameters {
            let value = overrides.get(parameter.name.text).filter(|_| !parameter.local);
            let symbol = scope.parameter(parameter, value, draft)?;
            if scope.symbols.insert(parameter.name.text, symbol).is_some() {
                return Err(duplicate("the name", parameter.name));
            }
        }
        for declaration in &module.declarations {
            scope.declare(declaration, draft)?;
        }
        for port in &module.ports {
            match scope.symbols.get(port.text) {
                Some(Symbol::Signal(Signal { direction: Some(_), .. })) => {}
                _ => return Err(Fault::new(port.span, Problem::UnknownName { name: port.text.into() })),
            }
        }
        Ok(scope)
    }

    fn parameter(
        &self,
        parameter: &Parameter<'s>,
        value: Option<&Override>,
        draft: &mut Draft,
    ) -> Result<Symbol, Fault> {
        let mut lowering = Lowering { scope: self, draft };
        let range = parameter.range.as_ref().map(|range| lowering.range(range)).transpose()?;
        let (mut bits, own) = match value {
            Some(Override { bits, signed, sized }) => {
                (bits.clone(), Type { width: bits.len(), signed: *signed, sized: *sized })
            }
            None => lowering.constant_bits(&parameter.value, "the value of a parameter")?,
        };
        let Some((left, right)) = range else {
            return Ok(Symbol::Parameter { bits, signed: own.signed || parameter.signed, sized: own.sized });
        };
        let sign = if own.signed { bits.last().copied().unwrap_or(Wire::ZERO) } else { Wire::ZERO };
        bits.resize(left.abs_diff(right) as usize + 1, sign);
        Ok(Symbol::Parameter { bits, signed: parameter.signed, sized: true })
    }

    /// A declaration; a second one of the same name may add what the first left out: `output [3:0] y; wire [3:0] y;`.
    fn declare(&mut self, declaration: &Declaration<'s>, draft: &mut Draft) -> Result<(), Fault> {
        let name = declaration.name;
        let mut lowering = Lowering { scope: self, draft };
        let (left, right) = match &declaration.range {
            Some(range) => lowering.range(range)?,
            None => (0, 0),
        };
        let direction = match declaration.kind {
            DeclarationKind::Input => Some(Direction::Input),
            DeclarationKind::Output => Some(Direction::Output),
            DeclarationKind::Wire | DeclarationKind::Supply(_) => None,
        };
        if let Some(earlier) = self.symbols.get_mut(name.text) {
            let Symbol::Signal(signal) = earlier else { return Err(duplicate("the name", name)) };
            let complementary = signal.direction.is_some() != direction.is_some();
            if !complementary || matches!(declaration.kind, DeclarationKind::Supply(_)) {
                return Err(duplicate("the declaration of", name));
            }
            if (signal.left, signal.right) != (left, right) {
                let (expected, found) = (signal.width(), left.abs_diff(right) as usize + 1);
                let what = format!("the earlier declaration of `{}`", name.text);
                return Err(Fault::new(name.span, Problem::WidthMismatch { what, expected, found }));
            }
            signal.signed |= declaration.signed;
            signal.direction = signal.direction.or(direction);
            return Ok(());
        }
        let first = draft.wires(left.abs_diff(right) as usize + 1);
        draft.within_limits().map_err(|problem| Fault::new(name.span, problem))?;
        let signal = Signal { first, left, right, signed: declaration.signed, direction };
        if let DeclarationKind::Supply(value) = declaration.kind {
            for wire in signal.wires() {
                draft.connect(wire, Wire::constant(value), name.span).expect("a new wire has no driver");
            }
        }
        self.symbols.insert(name.text, Symbol::Signal(signal));
        Ok(())
    }

    /// Declares a net of one bit for `name` if it is unknown.
    pub(super) fn declare_implicitly(&mut self, name: &'s str, draft: &mut Draft) {
        self.symbols.entry(name).or_insert_with(|| {
            Symbol::Signal(Signal { first: draft.wires(1), left: 0, right: 0, signed: false, direction: None })
        });
    }

    /// The signals, in order of their wires.
    pub(super) fn signals(&self) -> Vec<(&'s str, Signal)> {
        let signal = |(name, symbol): (&&'s str, &Symbol)| match symbol {
            Symbol::Signal(signal) => Some((*name, *signal)),
            Symbol::Parameter { .. } => None,
        };
        let mut signals: Vec<_> = self.symbols.iter().filter_map(signal).collect();
        signals.sort_unstable_by_key(|(_, signal)| signal.first.index());
        signals
    }

    /// The signal of a port, which [`Scope::open`] has checked.
    pub(super) fn port(&self, name: &str) -> Signal {
        match &self.symbols[name] {
            Symbol::Signal(signal) => *signal,
            Symbol::Parameter { .. } => unreachable!("ports are signals"),
        }
    }
}

fn duplicate(what: &'static str, name: Name<'_>) -> Fault {
    Fault::new(name.span, Problem::Duplicate { what, name: name.text.into() })
}

/// Checks the width of `[left:right]`.
pub(super) fn checked_width(left: i64, right: i64, at: Span) -> Result<usize, Fault> {
    let width = left.abs_diff(right).saturating_add(1);
    if width > MAX_WIDTH as u64 {
        let what = format!("the width of [{left}:{right}]");
        return Err(Fault::new(at, Problem::TooLarge { what, limit: MAX_WIDTH }));
    }
    Ok(width as usize)
}
