//! Expressions as cells, by the width and sign rules of IEEE 1364-2005, 5.4 and 5.5.
//!
//! Three loops over an expression's nodes: types from the leaves up, contexts from the root down, cells from the
//! leaves up. A context also says how many low bits are needed at all: the low bits of a sum depend on the low bits
//! of its operands only, so `assign y = a + 1` with a byte `y` makes 8 adders although the literal has 32 bits.

use super::number::MAX_WIDTH;
use super::operators::{BitOperation, Operators};
use super::scope::{Scope, Symbol, Type, checked_width};
use super::syntax::*;
use crate::netlist::draft::{Draft, Wire};
use crate::netlist::read_error::{Fault, Problem, Span};

/// Turns the expressions of one module instance into cells.
pub(super) struct Lowering<'a, 's> {
    pub(super) scope: &'a Scope<'s>,
    pub(super) draft: &'a mut Draft,
}

/// What surrounds a node.
#[derive(Clone, Copy, Debug)]
struct Context {
    /// Width and sign to extend to.
    width: usize,
    signed: bool,
    /// Low bits that matter.
    needed: usize,
    /// The node is part of the cell its operator becomes, as the AND in a NAND.
    absorbed: bool,
}

impl Context {
    fn own(of: Type) -> Context {
        Context { width: of.width, signed: of.signed, needed: of.width, absorbed: false }
    }
}

impl<'s> Lowering<'_, 's> {
    /// The value of `expression`, assigned to something `width` bits wide.
    pub(super) fn assigned(&mut self, expression: &Expression<'s>, width: usize) -> Result<Vec<Wire>, Fault> {
        let (types, leaves) = self.types(expression)?;
        self.lower(expression, &types, leaves, width)
    }

    /// The value of `expression`, connected to a port `width` bits wide: other widths are refused.
    pub(super) fn connected(
        &mut self,
        expression: &Expression<'s>,
        width: usize,
        port: impl Fn() -> String,
    ) -> Result<Vec<Wire>, Fault> {
        let (types, leaves) = self.types(expression)?;
        let own = types[types.len() - 1];
        if own.width != width && own.sized {
            let problem = Problem::WidthMismatch { what: port(), expected: width, found: own.width };
            return Err(Fault::new(expression.span(), problem));
        }
        self.lower(expression, &types, leaves, width)
    }

    /// Bits and type of a constant expression.
    pub(super) fn constant_bits(
        &mut self,
        expression: &Expression<'s>,
        what: &'static str,
    ) -> Result<(Vec<Wire>, Type), Fault> {
        let (types, leaves) = self.types(expression)?;
        let own = types[types.len() - 1];
        let bits = self.lower(expression, &types, leaves, own.width)?;
        if bits.iter().any(|bit| bit.value().is_none()) {
            return Err(Fault::new(expression.span(), Problem::NotConstant { what }));
        }
        Ok((bits, own))
    }

    /// Value of a constant expression.
    pub(super) fn constant(&mut self, expression: &Expression<'s>, what: &'static str) -> Result<i64, Fault> {
        let (bits, own) = self.constant_bits(expression, what)?;
        let too_large = || Fault::new(expression.span(), Problem::TooLarge { what: what.into(), limit: MAX_WIDTH });
        integer(&bits, own.signed).ok_or_else(too_large)
    }

    /// Bounds of a declared range.
    pub(super) fn range(&mut self, range: &Range<'s>) -> Result<(i64, i64), Fault> {
        let left = self.constant(&range.left, "the bound of a range")?;
        let right = self.constant(&range.right, "the bound of a range")?;
        checked_width(left, right, range.left.span().to(range.right.span()))?;
        Ok((left, right))
    }

    /// The nets an output drives: names, selects and concatenations of them, least significant bit first.
    pub(super) fn targets(&mut self, expression: &Expression<'s>) -> Result<Vec<Wire>, Fault> {
        let mut values: Vec<Vec<Wire>> = Vec::with_capacity(expression.nodes.len());
        for node in &expression.nodes {
            let refuse = |found: &str| Err(Fault::new(node.span, Problem::NotANet { found: found.into() }));
            let value = match &node.form {
                Form::Name(name) | Form::Select(name, _) => match self.symbol(name, node.span)? {
                    Symbol::Parameter { .. } => return refuse("a parameter"),
                    Symbol::Signal(signal) => match &node.form {
                        Form::Select(_, select) => self.select(name, select, node.span)?,
                        _ => signal.wires(),
                    },
                },
                Form::Concatenation(parts) => {
                    let mut wires = Vec::new();
                    for part in parts.iter().rev() {
                        wires.append(&mut values[part.index()]);
                    }
                    wires
                }
                Form::Number(_) => return refuse("a number"),
                _ => return refuse("an expression"),
            };
            values.push(value);
        }
        Ok(values.pop().expect("an expression has a root"))
    }

    fn symbol(&self, name: &str, at: Span) -> Result<&Symbol, Fault> {
        let unknown = || Fault::new(at, Problem::UnknownName { name: name.into() });
        self.scope.symbols.get(name).ok_or_else(unknown)
    }

    /// The bits a select picks.
    fn select(&mut self, name: &str, select: &Select<'s>, at: Span) -> Result<Vec<Wire>, Fault> {
        let (left, right) = match select {
            Select::Bit(index) => {
                let index = self.constant(index, "the index of a bit")?;
                (index, index)
            }
            Select::Part(range) => self.range(range)?,
            Select::Indexed { base, width, upward } => {
                let base = self.constant(base, "the base of a part select")?;
                let width = self.constant(width, "the width of a part select")?;
                if !(1..=MAX_WIDTH as i64).contains(&width) {
                    let what = format!("a part select of {width} bits");
                    return Err(Fault::new(at, Problem::TooLarge { what, limit: MAX_WIDTH }));
                }
                let far = if *upward { base.saturating_add(width - 1) } else { base.saturating_sub(width - 1) };
                (base.max(far), base.min(far))
            }
        };
        let symbol = self.symbol(name, at)?;
        let bounds = match symbol {
            Symbol::Signal(signal) => (signal.left, signal.right),
            Symbol::Parameter { bits, .. } => (bits.len() as i64 - 1, 0),
        };
        let out_of_range = |index| {
            let (left, right) = bounds;
            Fault::new(at, Problem::OutOfRange { name: name.into(), index, left, right })
        };
        // Offset of a bit from the right bound, which is the least significant one.
        let offset = |index: i64| {
            let (low, high) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
            if (low..=high).contains(&index) {
                Ok(index.abs_diff(bounds.1) as usize)
            } else {
                Err(out_of_range(index))
            }
        };
        let (mut high, mut low) = (offset(left)?, offset(right)?);
        if matches!(select, Select::Indexed { .. }) && low > high {
            std::mem::swap(&mut low, &mut high);
        }
        // A part select runs in the direction of the declaration.
        if low > high {
            return Err(out_of_range(left));
        }
        Ok(match symbol {
            Symbol::Signal(signal) => (low..=high).map(|offset| signal.first.offset(offset)).collect(),
            Symbol::Parameter { bits, .. } => bits[low..=high].to_vec(),
        })
    }

    /// Type of every node, and the bits of the leaves.
    fn types(&mut self, expression: &Expression<'s>) -> Result<(Vec<Type>, Vec<Vec<Wire>>), Fault> {
        let mut types: Vec<Type> = Vec::with_capacity(expression.nodes.len());
        let mut leaves: Vec<Vec<Wire>> = Vec::with_capacity(expression.nodes.len());
        for node in &expression.nodes {
            let unsigned = |width| Type { width, signed: false, sized: true };
            let of = |id: &NodeId| types[id.index()];
            let joined = |a: Type, b: Type| Type {
                width: a.width.max(b.width),
                signed: a.signed && b.signed,
                sized: a.sized && b.sized,
            };
            let (own, bits) = match &node.form {
                Form::Number(number) => {
                    let own = Type { width: number.bits.len(), signed: number.signed, sized: number.sized };
                    (own, number.bits.iter().map(|bit| bit.map_or(Wire::UNKNOWN, Wire::constant)).collect())
                }
                Form::Name(name) => match self.symbol(name, node.span)? {
                    Symbol::Signal(signal) => {
                        let own = Type { width: signal.width(), signed: signal.signed, sized: true };
                        (own, signal.wires())
                    }
                    Symbol::Parameter { bits, signed, sized } => {
                        (Type { width: bits.len(), signed: *signed, sized: *sized }, bits.clone())
                    }
                },
                Form::Select(name, select) => {
                    let bits = self.select(name, select, node.span)?;
                    (unsigned(bits.len()), bits)
                }
                Form::Unary(Unary::Plus | Unary::Minus | Unary::Complement, a) => (of(a), Vec::new()),
                Form::Unary(..) => (unsigned(1), Vec::new()),
                Form::Binary(operator, a, b) => {
                    use Binary::*;
                    let own = match operator {
                        Multiply | Divide | Modulo | Add | Subtract | And | Xor | Xnor | Or => joined(of(a), of(b)),
                        Power | ShiftLeft | ShiftRight | ArithmeticShiftRight => of(a),
                        Less | LessOrEqual | Greater | GreaterOrEqual | Equal | NotEqual | LogicalAnd | LogicalOr => {
                            unsigned(1)
                        }
                    };
                    (own, Vec::new())
                }
                Form::Conditional(_, a, b) => (joined(of(a), of(b)), Vec::new()),
                Form::Concatenation(parts) => (unsigned(parts.iter().map(|part| of(part).width).sum()), Vec::new()),
                Form::Replication(count, parts) => {
                    let width: usize = parts.iter().map(|part| of(part).width).sum();
                    let count = self.constant(count, "the count of a replication")?;
                    let total = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
                    (unsigned(total.unwrap_or(usize::MAX)), Vec::new())
                }
                Form::Sign(signed, a) => (Type { signed: *signed, ..of(a) }, Vec::new()),
            };
            let too_wide = own.width > MAX_WIDTH || own.width == 0;
            let limit = MAX_WIDTH;
            let wide = || Problem::TooLarge { what: format!("an expression of {} bits", own.width), limit };
            self.draft.spend(own.width.min(MAX_WIDTH));
            let bounded = if too_wide { Err(wide()) } else { self.draft.within_limits() };
            bounded.map_err(|problem| Fault::new(node.span, problem))?;
            types.push(own);
            leaves.push(bits);
        }
        Ok((types, leaves))
    }

    /// The low `width` bits of the value in a context of at least that width.
    fn lower(
        &mut self,
        expression: &Expression<'s>,
        types: &[Type],
        leaves: Vec<Vec<Wire>>,
        width: usize,
    ) -> Result<Vec<Wire>, Fault> {
        let contexts = contexts(expression, types, width);
        let mut values = leaves;
        for (index, node) in expression.nodes.iter().enumerate() {
            if contexts[index].absorbed {
                continue;
            }
            let mut operators = Operators { draft: self.draft, at: node.span };
            let value = node_value(&mut operators, expression, types, &contexts, &mut values, index);
            let value = value.and_then(|value| self.draft.within_limits().map(|()| value));
            values[index] = value.map_err(|problem| Fault::new(node.span, problem))?;
        }
        Ok(values.pop().expect("an expression has a root"))
    }
}

/// Context of every node when the root is assigned to `width` bits.
fn contexts(expression: &Expression<'_>, types: &[Type], width: usize) -> Vec<Context> {
    let mut contexts: Vec<Context> = types.iter().map(|&own| Context::own(own)).collect();
    let root = contexts.len() - 1;
    contexts[root].width = types[root].width.max(width);
    contexts[root].needed = width;
    for (index, node) in expression.nodes.iter().enumerate().rev() {
        let here = contexts[index];
        let inherited = Context { absorbed: false, ..here };
        let full = Context { needed: here.width, ..inherited };
        match &node.form {
            Form::Unary(Unary::Plus | Unary::Minus, a) => contexts[a.index()] = inherited,
            Form::Unary(Unary::Complement, a) => {
                use Binary::{And, Or, Xor};
                let absorbed = matches!(expression.nodes[a.index()].form, Form::Binary(And | Or | Xor, ..));
                contexts[a.index()] = Context { absorbed, ..inherited };
            }
            Form::Binary(operator, a, b) => {
                use Binary::*;
                match operator {
                    Multiply | Subtract | And | Xor | Xnor | Or => {
                        contexts[a.index()] = inherited;
                        contexts[b.index()] = inherited;
                    }
                    Add => {
                        contexts[a.index()] = inherited;
                        contexts[b.index()] = inherited;
                        // (a + b) + c with a single bit c: c is the carry into one adder.
                        if types[b.index()].width == 1 && !here.signed && !here.absorbed {
                            let inner = &expression.nodes[a.index()].form;
                            contexts[a.index()].absorbed = matches!(inner, Form::Binary(Add, ..));
                        }
                    }
                    Divide | Modulo => {
                        contexts[a.index()] = full;
                        contexts[b.index()] = full;
                    }
                    Power | ShiftRight | ArithmeticShiftRight => contexts[a.index()] = full,
                    ShiftLeft => contexts[a.index()] = inherited,
                    Less | LessOrEqual | Greater | GreaterOrEqual | Equal | NotEqual => {
                        let (a_type, b_type) = (types[a.index()], types[b.index()]);
                        let width = a_type.width.max(b_type.width);
                        let signed = a_type.signed && b_type.signed;
                        let operands = Context { width, signed, needed: width, absorbed: false };
                        contexts[a.index()] = operands;
                        contexts[b.index()] = operands;
                    }
                    LogicalAnd | LogicalOr => {}
                }
            }
            Form::Conditional(_, a, b) => {
                contexts[a.index()] = inherited;
                contexts[b.index()] = inherited;
            }
            _ => {}
        }
    }
    contexts
}

/// The value of one node: exactly the bits its context needs.
fn node_value(
    operators: &mut Operators<'_>,
    expression: &Expression<'_>,
    types: &[Type],
    contexts: &[Context],
    values: &mut [Vec<Wire>],
    index: usize,
) -> Result<Vec<Wire>, Problem> {
    let context = contexts[index];
    let mut take = |id: NodeId| std::mem::take(&mut values[id.index()]);
    let natural = match &expression.nodes[index].form {
        Form::Number(_) | Form::Name(_) | Form::Select(..) => take(NodeId(index as u32)),
        Form::Sign(_, a) => take(*a),
        Form::Concatenation(parts) => parts.iter().rev().flat_map(|&part| take(part)).collect(),
        Form::Replication(_, parts) => {
            let once: Vec<Wire> = parts.iter().rev().flat_map(|&part| take(part)).collect();
            once.iter().copied().cycle().take(types[index].width).collect()
        }
        Form::Unary(operator, a) => match operator {
            Unary::Plus => take(*a),
            Unary::Minus => {
                let a = take(*a);
                operators.subtract(&vec![Wire::ZERO; a.len()], &a).0
            }
            Unary::Complement if contexts[a.index()].absorbed => {
                let Form::Binary(operator, a, b) = expression.nodes[a.index()].form else {
                    unreachable!("only binary operators are absorbed")
                };
                bitwise(operators, operator, true, &take(a), &take(b))
            }
            Unary::Complement => take(*a).into_iter().map(|bit| operators.not(bit)).collect(),
            Unary::Not => vec![operators.reduce(BitOperation::Or, true, &take(*a))],
            Unary::ReduceAnd { inverted } => vec![operators.reduce(BitOperation::And, *inverted, &take(*a))],
            Unary::ReduceOr { inverted } => vec![operators.reduce(BitOperation::Or, *inverted, &take(*a))],
            Unary::ReduceXor { inverted } => vec![operators.reduce(BitOperation::Xor, *inverted, &take(*a))],
        },
        Form::Binary(Binary::Add, a, b) if contexts[a.index()].absorbed => {
            let Form::Binary(_, x, y) = expression.nodes[a.index()].form else {
                unreachable!("only sums are absorbed in sums")
            };
            let carry = take(*b)[0];
            operators.add(&take(x), &take(y), carry).0
        }
        Form::Binary(operator, a, b) => {
            let operands = contexts[a.index()];
            binary(operators, *operator, operands, context, &take(*a), &take(*b))?
        }
        Form::Conditional(condition, a, b) => {
            let select = operators.any(&take(*condition));
            let (a, b) = (take(*a), take(*b));
            a.iter().zip(&b).map(|(&one, &zero)| operators.mux(select, one, zero)).collect()
        }
    };
    Ok(fitted(natural, context))
}

/// `bits` extended or cut to what `context` needs.
fn fitted(mut bits: Vec<Wire>, context: Context) -> Vec<Wire> {
    let sign = if context.signed { bits.last().copied().unwrap_or(Wire::ZERO) } else { Wire::ZERO };
    bits.resize(context.needed, sign);
    bits
}

fn bitwise(operators: &mut Operators<'_>, operator: Binary, complement: bool, a: &[Wire], b: &[Wire]) -> Vec<Wire> {
    let (operation, inverted) = match operator {
        Binary::And => (BitOperation::And, false),
        Binary::Or => (BitOperation::Or, false),
        Binary::Xor => (BitOperation::Xor, false),
        _ => (BitOperation::Xor, true),
    };
    a.iter().zip(b).map(|(&a, &b)| operators.bit(operation, inverted != complement, a, b)).collect()
}

/// A binary operator on operands in context `operands`, the result in `context`.
fn binary(
    operators: &mut Operators<'_>,
    operator: Binary,
    operands: Context,
    context: Context,
    a: &[Wire],
    b: &[Wire],
) -> Result<Vec<Wire>, Problem> {
    use Binary::*;
    let signed = operands.signed;
    Ok(match operator {
        And | Or | Xor | Xnor => bitwise(operators, operator, false, a, b),
        Add => operators.add(a, b, Wire::ZERO).0,
        Subtract => operators.subtract(a, b).0,
        Multiply => operators.multiply(signed, a, b, context.needed)?,
        Divide | Modulo | Power => constant_arithmetic(operator, context, a, b)?,
        ShiftLeft => operators.shift(a, b, true, Wire::ZERO),
        ShiftRight => operators.shift(a, b, false, Wire::ZERO),
        ArithmeticShiftRight => {
            let sign = if context.signed { a[a.len() - 1] } else { Wire::ZERO };
            operators.shift(a, b, false, sign)
        }
        GreaterOrEqual => vec![operators.at_least(signed, a, b)],
        LessOrEqual => vec![operators.at_least(signed, b, a)],
        Less => {
            let at_least = operators.at_least(signed, a, b);
            vec![operators.not(at_least)]
        }
        Greater => {
            let at_most = operators.at_least(signed, b, a);
            vec![operators.not(at_most)]
        }
        Equal => vec![operators.equal(false, a, b)],
        NotEqual => vec![operators.equal(true, a, b)],
        LogicalAnd | LogicalOr => {
            let (a, b) = (operators.any(a), operators.any(b));
            let operation = if operator == LogicalAnd { BitOperation::And } else { BitOperation::Or };
            vec![operators.bit(operation, false, a, b)]
        }
    })
}

/// Division, remainder and power of constants.
fn constant_arithmetic(operator: Binary, context: Context, a: &[Wire], b: &[Wire]) -> Result<Vec<Wire>, Problem> {
    let (name, value): (_, fn(i64, i64) -> Option<i64>) = match operator {
        Binary::Divide => ("`/` of nets", i64::checked_div),
        Binary::Modulo => ("`%` of nets", i64::checked_rem),
        _ => ("`**` of nets", |base, exponent| base.checked_pow(u32::try_from(exponent).ok()?)),
    };
    let operands = integer(a, context.signed).zip(integer(b, context.signed && operator != Binary::Power));
    let result = operands.and_then(|(a, b)| value(a, b));
    let Some(result) = result else { return Err(Problem::Unsupported { construct: name.into() }) };
    Ok((0..context.width).map(|bit| Wire::constant(result >> bit.min(63) & 1 == 1)).collect())
}

/// The number constant bits stand for, if they are constants and it fits.
fn integer(bits: &[Wire], signed: bool) -> Option<i64> {
    let mut value: i128 = 0;
    let negative = signed && bits.last()?.value()?;
    for (position, bit) in bits.iter().enumerate() {
        let bit = bit.value()?;
        if position >= 64 {
            (bit == negative).then_some(())?;
        } else {
            value |= i128::from(bit) << position;
        }
    }
    if negative {
        value -= 1 << bits.len().min(64);
    }
    i64::try_from(value).ok()
}
