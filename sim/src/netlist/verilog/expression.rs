//! Expressions: operator precedence without recursion; brackets alone nest.

use super::lexer::TokenKind;
use super::number;
use super::parser::{Parser, unexpected};
use super::syntax::*;
use crate::netlist::read_error::{Fault, Problem, Span};

/// Deepest nesting of brackets. Each level takes a few stack frames.
pub(super) const MAX_NESTING: usize = 200;

type Nodes<'s> = Vec<Node<'s>>;

fn push<'s>(nodes: &mut Nodes<'s>, span: Span, form: Form<'s>) -> NodeId {
    nodes.push(Node { span, form });
    NodeId(nodes.len() as u32 - 1)
}

fn span_of(nodes: &Nodes<'_>, first: NodeId, last: NodeId) -> Span {
    nodes[first.index()].span.to(nodes[last.index()].span)
}

impl<'s> Parser<'_, 's> {
    /// An expression.
    pub(super) fn expression(&mut self) -> Result<Expression<'s>, Fault> {
        let mut nodes = Vec::new();
        self.conditional(&mut nodes)?;
        Ok(Expression { nodes })
    }

    /// Chains `a ? x : b ? y : z` are loops: look-up tables are written like that.
    fn conditional(&mut self, nodes: &mut Nodes<'s>) -> Result<NodeId, Fault> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let what = "the nesting of brackets".into();
            return Err(Fault::new(self.peek().span, Problem::TooLarge { what, limit: MAX_NESTING }));
        }
        let mut choices = Vec::new();
        let mut value = loop {
            let condition = self.binary(nodes)?;
            if !self.eat("?") {
                break condition;
            }
            let when_one = self.conditional(nodes)?;
            self.expect(":")?;
            choices.push((condition, when_one));
        };
        for (condition, when_one) in choices.into_iter().rev() {
            let span = span_of(nodes, condition, value);
            value = push(nodes, span, Form::Conditional(condition, when_one, value));
        }
        self.nesting -= 1;
        Ok(value)
    }

    /// Binary operators by precedence, with a stack of pending ones.
    fn binary(&mut self, nodes: &mut Nodes<'s>) -> Result<NodeId, Fault> {
        fn reduce<'s>(
            nodes: &mut Nodes<'s>,
            pending: &mut Vec<(NodeId, Binary)>,
            right: NodeId,
            above: u8,
        ) -> NodeId {
            let mut right = right;
            while let Some((left, operator)) = pending.pop_if(|(_, operator)| operator.precedence() >= above) {
                let span = span_of(nodes, left, right);
                right = push(nodes, span, Form::Binary(operator, left, right));
            }
            right
        }
        let mut pending: Vec<(NodeId, Binary)> = Vec::new();
        loop {
            let operand = self.unary(nodes)?;
            let operator = match self.peek().kind {
                TokenKind::Symbol(symbol) => Binary::from_symbol(symbol),
                _ => None,
            };
            let Some(operator) = operator else { return Ok(reduce(nodes, &mut pending, operand, 0)) };
            self.next();
            let left = reduce(nodes, &mut pending, operand, operator.precedence());
            pending.push((left, operator));
        }
    }

    fn unary(&mut self, nodes: &mut Nodes<'s>) -> Result<NodeId, Fault> {
        let mut operators = Vec::new();
        while let TokenKind::Symbol(symbol) = self.peek().kind
            && let Some(operator) = Unary::from_symbol(symbol)
        {
            operators.push((operator, self.next().span));
        }
        let mut operand = self.primary(nodes)?;
        for (operator, span) in operators.into_iter().rev() {
            let span = span.to(nodes[operand.index()].span);
            operand = push(nodes, span, Form::Unary(operator, operand));
        }
        Ok(operand)
    }

    fn primary(&mut self, nodes: &mut Nodes<'s>) -> Result<NodeId, Fault> {
        let token = self.peek();
        match token.kind {
            TokenKind::Number(text) => {
                self.next();
                let number = number::parse(text).map_err(|problem| Fault::new(token.span, problem))?;
                Ok(push(nodes, token.span, Form::Number(number)))
            }
            TokenKind::Symbol("(") => {
                self.next();
                let inner = self.conditional(nodes)?;
                let closing = self.expect(")")?;
                nodes[inner.index()].span = token.span.to(closing);
                Ok(inner)
            }
            TokenKind::Symbol("{") => {
                self.next();
                self.braces(nodes, token.span)
            }
            TokenKind::System(function @ ("$signed" | "$unsigned")) => {
                self.next();
                self.expect("(")?;
                let operand = self.conditional(nodes)?;
                let span = token.span.to(self.expect(")")?);
                Ok(push(nodes, span, Form::Sign(function == "$signed", operand)))
            }
            TokenKind::System(function) => {
                let construct = format!("the system function `{function}`");
                Err(Fault::new(token.span, Problem::Unsupported { construct }))
            }
            TokenKind::Name { .. } => {
                let name = self.name("an expression")?;
                self.selected(nodes, name)
            }
            _ => Err(unexpected(token, "an expression")),
        }
    }

    /// `{a, b}` or `{count{a, b}}`, after the first brace.
    fn braces(&mut self, nodes: &mut Nodes<'s>, opened: Span) -> Result<NodeId, Fault> {
        // A replication count looks like a first part until its brace opens: it is moved out then.
        let mark = nodes.len();
        let first = self.conditional(nodes)?;
        if self.eat("{") {
            let count = Expression { nodes: rebased(nodes.split_off(mark), mark) };
            let mut parts = vec![self.conditional(nodes)?];
            while self.eat(",") {
                parts.push(self.conditional(nodes)?);
            }
            self.expect("}")?;
            let span = opened.to(self.expect("}")?);
            return Ok(push(nodes, span, Form::Replication(Box::new(count), parts)));
        }
        let mut parts = vec![first];
        while self.eat(",") {
            parts.push(self.conditional(nodes)?);
        }
        let span = opened.to(self.expect("}")?);
        Ok(push(nodes, span, Form::Concatenation(parts)))
    }

    fn selected(&mut self, nodes: &mut Nodes<'s>, name: Name<'s>) -> Result<NodeId, Fault> {
        if !self.eat("[") {
            if self.eat("(") {
                let construct = format!("a call of the function `{}`", name.text);
                return Err(Fault::new(name.span, Problem::Unsupported { construct }));
            }
            return Ok(push(nodes, name.span, Form::Name(name.text)));
        }
        let first = self.expression()?;
        let select = match self.peek().kind {
            TokenKind::Symbol(":") => {
                self.next();
                Select::Part(Range { left: first, right: self.expression()? })
            }
            TokenKind::Symbol(direction @ ("+:" | "-:")) => {
                self.next();
                Select::Indexed { base: first, width: self.expression()?, upward: direction == "+:" }
            }
            _ => Select::Bit(first),
        };
        let span = name.span.to(self.expect("]")?);
        if self.eat("[") {
            let construct = "a select of a select".into();
            return Err(Fault::new(self.last_span(), Problem::Unsupported { construct }));
        }
        Ok(push(nodes, span, Form::Select(name.text, Box::new(select))))
    }
}

/// Nodes that stood after `mark` others, for an expression of their own.
fn rebased(mut nodes: Nodes<'_>, mark: usize) -> Nodes<'_> {
    let shift = |id: &mut NodeId| id.0 -= mark as u32;
    for node in &mut nodes {
        match &mut node.form {
            Form::Number(_) | Form::Name(_) | Form::Select(..) => {}
            Form::Unary(_, a) | Form::Sign(_, a) => shift(a),
            Form::Binary(_, a, b) => [a, b].into_iter().for_each(shift),
            Form::Conditional(a, b, c) => [a, b, c].into_iter().for_each(shift),
            Form::Concatenation(parts) | Form::Replication(_, parts) => parts.iter_mut().for_each(shift),
        }
    }
    nodes
}
