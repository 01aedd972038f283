//! Tokens to modules: recursive descent with one token of look-ahead.

use std::rc::Rc;

use super::keywords::{is_word_of_the_subset, refused_construct};
use super::lexer::{Token, TokenKind};
use super::syntax::*;
use crate::netlist::read_error::{Fault, Problem, Span};

/// A parser over the tokens of a file; [`super::expression`] adds expressions.
pub(super) struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
    /// Brackets that are open, which bounds the recursion.
    pub(super) nesting: usize,
}

/// Parses a file.
pub(super) fn parse<'s>(tokens: &[Token<'s>]) -> Result<SourceFile<'s>, Fault> {
    let mut parser = Parser { tokens, at: 0, nesting: 0 };
    let mut modules = Vec::new();
    let mut implicit_nets = true;
    loop {
        let token = parser.next();
        match token.kind {
            TokenKind::End => return Ok(SourceFile { modules }),
            TokenKind::DefaultNettypeNone(none) => implicit_nets = !none,
            TokenKind::Symbol(";") => {}
            TokenKind::Name { text: "module" | "macromodule", escaped: false } => {
                modules.push(parser.module(token.span, implicit_nets)?);
            }
            TokenKind::Name { text: "primitive", escaped: false } => modules.push(parser.primitive(token.span)?),
            _ => return Err(unexpected(token, "`module`")),
        }
    }
}

/// The error for a token that does not fit.
pub(super) fn unexpected(token: Token<'_>, expected: &str) -> Fault {
    let found = match token.kind {
        TokenKind::Name { text, .. } | TokenKind::System(text) | TokenKind::Number(text) => format!("`{text}`"),
        TokenKind::Text => "a string".into(),
        TokenKind::Symbol(symbol) => format!("`{symbol}`"),
        TokenKind::DefaultNettypeNone(_) => "a directive".into(),
        TokenKind::End => "the end of the file".into(),
    };
    Fault::new(token.span, Problem::Syntax { expected: expected.into(), found })
}

fn unsupported(span: Span, construct: &str) -> Fault {
    Fault::new(span, Problem::Unsupported { construct: construct.into() })
}

/// What `assign`, declarations and parameters have in common: `signed [left:right]`.
struct Shape<'s> {
    signed: bool,
    range: Option<Range<'s>>,
}

impl<'t, 's> Parser<'t, 's> {
    pub(super) fn peek(&self) -> Token<'s> {
        self.tokens[self.at]
    }

    /// The next token; the end of the file stays.
    pub(super) fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    /// Place of the last token taken.
    pub(super) fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek().kind, TokenKind::Symbol(text) if text == symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<Span, Fault> {
        let token = self.peek();
        if self.eat(symbol) { Ok(token.span) } else { Err(unexpected(token, &format!("`{symbol}`"))) }
    }

    fn at_word(&self, word: &str) -> bool {
        self.peek().kind == TokenKind::Name { text: word, escaped: false }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    /// An identifier that is no keyword.
    pub(super) fn name(&mut self, expected: &str) -> Result<Name<'s>, Fault> {
        let token = self.peek();
        if let TokenKind::Name { text, escaped } = token.kind {
            if let Some(construct) = refused_construct(text).filter(|_| !escaped) {
                return Err(unsupported(token.span, construct));
            }
            if escaped || !is_word_of_the_subset(text) {
                self.at += 1;
                return Ok(Name { text, span: token.span });
            }
        }
        Err(unexpected(token, expected))
    }

    /// A user-defined primitive, kept only to be refused where it is used.
    fn primitive(&mut self, span: Span) -> Result<Module<'s>, Fault> {
        let mut module = Module::empty(self.name("a name")?, false);
        module.refusal = Some(unsupported(span, "a user-defined `primitive`"));
        self.skip_past(span, "endprimitive", "a `primitive`")?;
        Ok(module)
    }

    fn skip_past(&mut self, opened: Span, word: &str, what: &'static str) -> Result<(), Fault> {
        while !self.eat_word(word) {
            if self.next().kind == TokenKind::End {
                return Err(Fault::new(opened, Problem::Unterminated { what }));
            }
        }
        Ok(())
    }

    /// A module after the word `module`. A construct outside the subset does not spoil the file: it is noted.
    fn module(&mut self, opened: Span, implicit_nets: bool) -> Result<Module<'s>, Fault> {
        let mut module = Module::empty(self.name("the name of the module")?, implicit_nets);
        match self.module_contents(&mut module, opened) {
            Err(fault) if matches!(*fault.problem, Problem::Unsupported { .. }) => {
                module.refusal = Some(fault);
                self.nesting = 0;
                self.skip_past(opened, "endmodule", "a `module`")?;
            }
            other => other?,
        }
        Ok(module)
    }

    fn module_contents(&mut self, module: &mut Module<'s>, opened: Span) -> Result<(), Fault> {
        if self.eat("#") {
            self.expect("(")?;
            self.header_parameters(module)?;
        }
        if self.eat("(") && !self.eat(")") {
            if self.at_word("input") || self.at_word("output") || self.at_word("inout") {
                self.ansi_ports(module)?;
            } else {
                self.port_names(module)?;
            }
            self.expect(")")?;
        }
        self.expect(";")?;
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::End => return Err(Fault::new(opened, Problem::Unterminated { what: "a `module`" })),
                TokenKind::Symbol(";") => self.at += 1,
                TokenKind::Name { text: "endmodule", escaped: false } => {
                    self.at += 1;
                    return Ok(());
                }
                _ => self.item(module)?,
            }
        }
    }

    fn port_names(&mut self, module: &mut Module<'s>) -> Result<(), Fault> {
        loop {
            if self.eat(".") {
                return Err(unsupported(self.last_span(), "a port with another name inside than outside"));
            }
            module.ports.push(self.name("the name of a port")?);
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn ansi_ports(&mut self, module: &mut Module<'s>) -> Result<(), Fault> {
        let mut shared = None;
        loop {
            let kind = match () {
                () if self.eat_word("input") => Some(DeclarationKind::Input),
                () if self.eat_word("output") => Some(DeclarationKind::Output),
                () => None,
            };
            if let Some(kind) = kind {
                let shape = self.net_shape()?;
                shared = Some((kind, shape.signed, shape.range.map(Rc::new)));
            }
            let name = self.name("`input`, `output` or the name of a port")?;
            let Some((kind, signed, range)) = &shared else { return Err(unexpected(self.peek(), "`input`")) };
            self.refuse_array()?;
            module.ports.push(name);
            module.declarations.push(Declaration { kind: *kind, signed: *signed, range: range.clone(), name });
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    /// `[wire] [signed] [range]`
    fn net_shape(&mut self) -> Result<Shape<'s>, Fault> {
        if !self.eat_word("wire") {
            self.eat_word("logic");
        }
        self.shape()
    }

    fn shape(&mut self) -> Result<Shape<'s>, Fault> {
        let signed = self.eat_word("signed");
        if !signed {
            self.eat_word("unsigned");
        }
        let range = if self.eat("[") { Some(self.range()?) } else { None };
        if self.eat("[") {
            return Err(unsupported(self.last_span(), "a packed array of several dimensions"));
        }
        Ok(Shape { signed, range })
    }

    /// `left:right]`
    fn range(&mut self) -> Result<Range<'s>, Fault> {
        let left = self.expression()?;
        self.expect(":")?;
        let right = self.expression()?;
        self.expect("]")?;
        Ok(Range { left, right })
    }

    fn refuse_array(&mut self) -> Result<(), Fault> {
        if self.eat("[") { Err(unsupported(self.last_span(), "an array of nets")) } else { Ok(()) }
    }

    /// `#5`, `#(1, 2)`: delays are the technology's business.
    fn skip_delay(&mut self) -> Result<(), Fault> {
        if self.eat("#") {
            if self.eat("(") {
                self.expression()?;
                while self.eat(",") || self.eat(":") {
                    self.expression()?;
                }
                self.expect(")")?;
            } else {
                self.next();
                if self.eat(".") {
                    self.next();
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, module: &mut Module<'s>) -> Result<(), Fault> {
        let token = self.peek();
        let TokenKind::Name { text, escaped: false } = token.kind else {
            return match token.kind {
                TokenKind::Name { .. } => self.instances(module),
                TokenKind::System(_) => Err(unsupported(token.span, "a system task")),
                TokenKind::DefaultNettypeNone(_) => {
                    self.at += 1;
                    Ok(())
                }
                _ => Err(unexpected(token, "a declaration, `assign` or an instance")),
            };
        };
        let primitive = match text {
            "and" => Primitive::And { inverted: false },
            "nand" => Primitive::And { inverted: true },
            "or" => Primitive::Or { inverted: false },
            "nor" => Primitive::Or { inverted: true },
            "xor" => Primitive::Xor { inverted: false },
            "xnor" => Primitive::Xor { inverted: true },
            "buf" => Primitive::Buffer { inverted: false },
            "not" => Primitive::Buffer { inverted: true },
            _ => return self.other_item(module, text, token.span),
        };
        self.at += 1;
        self.gates(module, primitive)
    }

    fn other_item(&mut self, module: &mut Module<'s>, text: &str, span: Span) -> Result<(), Fault> {
        let kind = match text {
            "input" => DeclarationKind::Input,
            "output" => DeclarationKind::Output,
            "wire" | "logic" => DeclarationKind::Wire,
            "supply0" => DeclarationKind::Supply(false),
            "supply1" => DeclarationKind::Supply(true),
            "parameter" | "localparam" => {
                self.at += 1;
                self.parameters(module, text == "localparam")?;
                return self.expect(";").map(drop);
            }
            "assign" => {
                self.at += 1;
                return self.assigns(module);
            }
            "specify" => {
                self.at += 1;
                return self.skip_past(span, "endspecify", "a `specify` block");
            }
            _ => return self.instances(module),
        };
        self.at += 1;
        self.declaration(module, kind)
    }

    fn declaration(&mut self, module: &mut Module<'s>, kind: DeclarationKind) -> Result<(), Fault> {
        let shape = self.net_shape()?;
        let range = shape.range.map(Rc::new);
        self.skip_delay()?;
        loop {
            let name = self.name("a name")?;
            self.refuse_array()?;
            module.declarations.push(Declaration { kind, signed: shape.signed, range: range.clone(), name });
            if self.eat("=") {
                let target = Expression { nodes: vec![Node { span: name.span, form: Form::Name(name.text) }] };
                let value = self.expression()?;
                module.items.push(Item::Assign { target, value });
            }
            if !self.eat(",") {
                return self.expect(";").map(drop);
            }
        }
    }

    /// Parameters of a module header, up to the closing bracket.
    fn header_parameters(&mut self, module: &mut Module<'s>) -> Result<(), Fault> {
        if self.eat(")") {
            return Ok(());
        }
        loop {
            let local = self.eat_word("localparam");
            self.eat_word("parameter");
            self.parameters(module, local)?;
            if !self.eat(",") {
                return self.expect(")").map(drop);
            }
        }
    }

    /// `[signed] [range] name = value, …`, stopping at a comma before another `parameter`.
    fn parameters(&mut self, module: &mut Module<'s>, local: bool) -> Result<(), Fault> {
        // The type that parameters have anyway.
        self.eat_word("integer");
        let mut shape = self.shape()?;
        loop {
            let name = self.name("the name of a parameter")?;
            self.expect("=")?;
            let value = self.expression()?;
            let range = shape.range.take();
            module.parameters.push(Parameter { name, signed: shape.signed, range, value, local });
            let next_is_name = matches!(
                (self.peek().kind, self.tokens.get(self.at + 1).map(|token| token.kind)),
                (TokenKind::Symbol(","), Some(TokenKind::Name { text, .. })) if !is_word_of_the_subset(text)
            );
            if !next_is_name {
                return Ok(());
            }
            if module.parameters.last().is_some_and(|parameter| parameter.range.is_some()) {
                return Err(unsupported(self.peek().span, "a list of parameters that share a range"));
            }
            self.at += 1;
        }
    }

    fn assigns(&mut self, module: &mut Module<'s>) -> Result<(), Fault> {
        self.skip_delay()?;
        loop {
            let target = self.expression()?;
            self.expect("=")?;
            let value = self.expression()?;
            module.items.push(Item::Assign { target, value });
            if !self.eat(",") {
                return self.expect(";").map(drop);
            }
        }
    }

    fn gates(&mut self, module: &mut Module<'s>, gate: Primitive) -> Result<(), Fault> {
        self.skip_delay()?;
        loop {
            let start = self.peek().span;
            let name = match self.peek().kind {
                TokenKind::Name { .. } => self.name("a name")?.text,
                _ => "",
            };
            if self.eat("[") {
                return Err(unsupported(self.last_span(), "an array of instances"));
            }
            self.expect("(")?;
            let mut terminals = vec![self.expression()?];
            while self.eat(",") {
                terminals.push(self.expression()?);
            }
            let span = start.to(self.expect(")")?);
            module.items.push(Item::Gate { gate, name, terminals, span });
            if !self.eat(",") {
                return self.expect(";").map(drop);
            }
        }
    }

    fn instances(&mut self, module: &mut Module<'s>) -> Result<(), Fault> {
        let instantiated = self.name("a declaration, `assign` or an instance")?;
        let mut parameters = Connections::default();
        if self.eat("#") {
            self.expect("(")?;
            parameters = self.connections()?;
        }
        let shared = !parameters.is_empty();
        loop {
            let name = self.name("the name of the instance")?;
            if self.eat("[") {
                return Err(unsupported(self.last_span(), "an array of instances"));
            }
            self.expect("(")?;
            let connections = self.connections()?;
            let parameters = std::mem::take(&mut parameters);
            module.items.push(Item::Instance(Instance { module: instantiated, name, parameters, connections }));
            if !self.eat(",") {
                return self.expect(";").map(drop);
            }
            if shared {
                return Err(unsupported(self.last_span(), "a list of instances that share parameters"));
            }
        }
    }

    /// Connections up to the closing bracket.
    fn connections(&mut self) -> Result<Connections<'s>, Fault> {
        if self.eat(")") {
            return Ok(Connections::default());
        }
        if !matches!(self.peek().kind, TokenKind::Symbol(".")) {
            let mut list = Vec::new();
            loop {
                let open = matches!(self.peek().kind, TokenKind::Symbol("," | ")"));
                list.push(if open { None } else { Some(self.expression()?) });
                if !self.eat(",") {
                    self.expect(")")?;
                    return Ok(Connections::Ordered(list));
                }
            }
        }
        let mut list = Vec::new();
        loop {
            self.expect(".")?;
            let name = self.name("the name of a pin")?;
            self.expect("(")?;
            let open = matches!(self.peek().kind, TokenKind::Symbol(")"));
            list.push((name, if open { None } else { Some(self.expression()?) }));
            self.expect(")")?;
            if !self.eat(",") {
                self.expect(")")?;
                return Ok(Connections::Named(list));
            }
        }
    }
}

impl<'s> Module<'s> {
    fn empty(name: Name<'s>, implicit_nets: bool) -> Module<'s> {
        let (ports, parameters, declarations, items) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Module { name, ports, parameters, declarations, items, implicit_nets, refusal: None }
    }
}
