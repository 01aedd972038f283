//! The syntax tree of the Verilog subset.

use crate::netlist::read_error::{Fault, Span};

/// A file: its modules, in order.
#[derive(Debug)]
pub(super) struct SourceFile<'s> {
    pub(super) modules: Vec<Module<'s>>,
}

/// An identifier and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'s> {
    pub(super) text: &'s str,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) struct Module<'s> {
    pub(super) name: Name<'s>,
    pub(super) ports: Vec<Name<'s>>,
    pub(super) parameters: Vec<Parameter<'s>>,
    pub(super) declarations: Vec<Declaration<'s>>,
    pub(super) items: Vec<Item<'s>>,
    /// Whether undeclared names in connections are nets of one bit.
    pub(super) implicit_nets: bool,
    /// The construct because of which the module was not read to its end; it matters only if the module is used.
    pub(super) refusal: Option<Fault>,
}

#[derive(Debug)]
pub(super) struct Parameter<'s> {
    pub(super) name: Name<'s>,
    pub(super) signed: bool,
    pub(super) range: Option<Range<'s>>,
    pub(super) value: Expression<'s>,
    /// A `localparam`, which instances cannot override.
    pub(super) local: bool,
}

/// `[left:right]`
#[derive(Debug)]
pub(super) struct Range<'s> {
    pub(super) left: Expression<'s>,
    pub(super) right: Expression<'s>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeclarationKind {
    Input,
    Output,
    Wire,
    /// `supply0` and `supply1`
    Supply(bool),
}

/// One name of a declaration. Ranges are shared by all names of a statement.
#[derive(Debug)]
pub(super) struct Declaration<'s> {
    pub(super) kind: DeclarationKind,
    pub(super) signed: bool,
    pub(super) range: Option<std::rc::Rc<Range<'s>>>,
    pub(super) name: Name<'s>,
}

#[derive(Debug)]
pub(super) enum Item<'s> {
    /// `assign target = value`, or a declaration with a value.
    Assign {
        target: Expression<'s>,
        value: Expression<'s>,
    },
    Gate {
        gate: Primitive,
        name: &'s str,
        terminals: Vec<Expression<'s>>,
        span: Span,
    },
    Instance(Instance<'s>),
}

/// A gate primitive: n-ary, or a buffer or inverter with several outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    And { inverted: bool },
    Or { inverted: bool },
    Xor { inverted: bool },
    Buffer { inverted: bool },
}

#[derive(Debug)]
pub(super) struct Instance<'s> {
    pub(super) module: Name<'s>,
    pub(super) name: Name<'s>,
    pub(super) parameters: Connections<'s>,
    pub(super) connections: Connections<'s>,
}

/// What is connected to ports or assigned to parameters.
#[derive(Debug)]
pub(super) enum Connections<'s> {
    Ordered(Vec<Option<Expression<'s>>>),
    Named(Vec<(Name<'s>, Option<Expression<'s>>)>),
}

impl Default for Connections<'_> {
    fn default() -> Self {
        Connections::Ordered(Vec::new())
    }
}

impl<'s> Connections<'s> {
    /// The connected expressions.
    pub(super) fn expressions(&self) -> Box<dyn Iterator<Item = &Expression<'s>> + '_> {
        match self {
            Connections::Ordered(list) => Box::new(list.iter().flatten()),
            Connections::Named(list) => Box::new(list.iter().filter_map(|(_, expression)| expression.as_ref())),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Connections::Ordered(list) => list.is_empty(),
            Connections::Named(list) => list.is_empty(),
        }
    }
}

/// An expression: nodes with operands before operators, the root last.
///
/// A flat list is walked with loops, so no length of `a + b + …` exhausts the stack. Invariant: not empty, every
/// operand is an earlier node, and every node but the root is the operand of exactly one other.
#[derive(Debug)]
pub(super) struct Expression<'s> {
    pub(super) nodes: Vec<Node<'s>>,
}

/// Position of a node in its expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl<'s> Expression<'s> {
    pub(super) fn root(&self) -> &Node<'s> {
        self.nodes.last().expect("an expression has a root")
    }

    pub(super) fn span(&self) -> Span {
        self.root().span
    }
}

#[derive(Debug)]
pub(super) struct Node<'s> {
    pub(super) span: Span,
    pub(super) form: Form<'s>,
}

#[derive(Debug)]
pub(super) enum Form<'s> {
    Number(Number),
    Name(&'s str),
    Select(&'s str, Box<Select<'s>>),
    Unary(Unary, NodeId),
    Binary(Binary, NodeId, NodeId),
    /// condition ? when_one : when_zero
    Conditional(NodeId, NodeId, NodeId),
    Concatenation(Vec<NodeId>),
    Replication(Box<Expression<'s>>, Vec<NodeId>),
    /// `$signed` (true) or `$unsigned`
    Sign(bool, NodeId),
}

/// A literal, least significant bit first; unknown and floating bits are None.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) bits: Vec<Option<bool>>,
    pub(super) signed: bool,
    /// Whether the width is written. Without one it is at least 32 and gives way where a port is narrower.
    pub(super) sized: bool,
}

#[derive(Debug)]
pub(super) enum Select<'s> {
    Bit(Expression<'s>),
    Part(Range<'s>),
    /// `[base +: width]` (upward) or `[base -: width]`
    Indexed {
        base: Expression<'s>,
        width: Expression<'s>,
        upward: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Plus,
    Minus,
    /// `~`
    Complement,
    /// `!`
    Not,
    ReduceAnd {
        inverted: bool,
    },
    ReduceOr {
        inverted: bool,
    },
    ReduceXor {
        inverted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Power,
    Multiply,
    Divide,
    Modulo,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    ArithmeticShiftRight,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    And,
    Xor,
    Xnor,
    Or,
    LogicalAnd,
    LogicalOr,
}

impl Binary {
    /// The operator of a symbol.
    pub(super) fn from_symbol(symbol: &str) -> Option<Binary> {
        use Binary::*;
        Some(match symbol {
            "**" => Power,
            "*" => Multiply,
            "/" => Divide,
            "%" => Modulo,
            "+" => Add,
            "-" => Subtract,
            // Nets are two-valued and unsigned and arithmetic left shifts agree.
            "<<" | "<<<" => ShiftLeft,
            ">>" => ShiftRight,
            ">>>" => ArithmeticShiftRight,
            "<" => Less,
            "<=" => LessOrEqual,
            ">" => Greater,
            ">=" => GreaterOrEqual,
            "==" | "===" => Equal,
            "!=" | "!==" => NotEqual,
            "&" => And,
            "^" => Xor,
            "~^" | "^~" => Xnor,
            "|" => Or,
            "&&" => LogicalAnd,
            "||" => LogicalOr,
            _ => return None,
        })
    }

    /// Higher binds tighter (IEEE 1364-2005, table 5-4). All are left-associative.
    pub(super) fn precedence(self) -> u8 {
        use Binary::*;
        match self {
            Power => 10,
            Multiply | Divide | Modulo => 9,
            Add | Subtract => 8,
            ShiftLeft | ShiftRight | ArithmeticShiftRight => 7,
            Less | LessOrEqual | Greater | GreaterOrEqual => 6,
            Equal | NotEqual => 5,
            And => 4,
            Xor | Xnor => 3,
            Or => 2,
            LogicalAnd => 1,
            LogicalOr => 0,
        }
    }
}

impl Unary {
    /// The operator of a symbol.
    pub(super) fn from_symbol(symbol: &str) -> Option<Unary> {
        use Unary::*;
        Some(match symbol {
            "+" => Plus,
            "-" => Minus,
            "~" => Complement,
            "!" => Not,
            "&" => ReduceAnd { inverted: false },
            "~&" => ReduceAnd { inverted: true },
            "|" => ReduceOr { inverted: false },
            "~|" => ReduceOr { inverted: true },
            "^" => ReduceXor { inverted: false },
            "~^" | "^~" => ReduceXor { inverted: true },
            _ => return None,
        })
    }
}
