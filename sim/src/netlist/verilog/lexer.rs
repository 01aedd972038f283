//! Verilog text to tokens.

use crate::netlist::read_error::{Fault, Problem, Span};

/// What a token is. Keywords are identifiers; the parser knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'s> {
    /// An identifier, or an escaped one without its backslash.
    Name { text: &'s str, escaped: bool },
    /// `$signed` and the like.
    System(&'s str),
    /// A number as written, base and spaces included.
    Number(&'s str),
    /// A string, without its content.
    Text,
    /// An operator or a bracket.
    Symbol(&'static str),
    /// `` `default_nettype none`` (true) or of another kind (false).
    DefaultNettypeNone(bool),
    /// The end of the file.
    End,
}

/// A token and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind<'s>,
    pub(super) span: Span,
}

/// Longest first, so that the first that fits is the right one.
const SYMBOLS: [&str; 47] = [
    "<<<", ">>>", "===", "!==", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "**", "~&", "~|", "~^", "^~", "+:",
    "-:", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "?", "=", "+", "-", "*", "/", "%", "~", "&", "|", "^",
    "!", "<", ">", "#", "@", "'", "$",
];

/// Directives without a meaning for a netlist; they extend to the end of their line.
const IGNORED_DIRECTIVES: [&str; 8] = [
    "timescale",
    "celldefine",
    "endcelldefine",
    "resetall",
    "line",
    "unconnected_drive",
    "nounconnected_drive",
    "pragma",
];

/// All tokens of `text`, the last one [`TokenKind::End`]. Comments and attributes are dropped.
pub(super) fn tokenise(text: &[u8]) -> Result<Vec<Token<'_>>, Fault> {
    let mut lexer = Lexer { text, at: 0 };
    // A byte order mark.
    if text.starts_with(b"\xef\xbb\xbf") {
        lexer.at = 3;
    }
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        let kind = lexer.token()?;
        tokens.push(Token { kind, span: lexer.span_from(start) });
        if kind == TokenKind::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    text: &'s [u8],
    at: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s [u8] {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn span_from(&self, start: usize) -> Span {
        Span { start: start as u32, end: self.at as u32 }
    }

    /// The bytes from here on that satisfy `belongs`, which must imply ASCII.
    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !belongs(byte)).unwrap_or(rest.len());
        self.at += length;
        std::str::from_utf8(&rest[..length]).expect("only ASCII belongs to a token")
    }

    /// Moves past the next `end`, or fails for want of it.
    fn skip_past(&mut self, end: &[u8], opened: usize, what: &'static str) -> Result<(), Fault> {
        match self.rest().windows(end.len()).position(|window| window == end) {
            Some(offset) => {
                self.at += offset + end.len();
                Ok(())
            }
            None => {
                let span = Span { start: opened as u32, end: opened as u32 + 2 };
                Err(Fault::new(span, Problem::Unterminated { what }))
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    /// White space, comments, attributes and directives without a meaning here.
    fn skip_blanks(&mut self) -> Result<(), Fault> {
        loop {
            let start = self.at;
            match self.rest() {
                [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, ..] => self.at += 1,
                [b'/', b'/', ..] => self.skip_line(),
                [b'/', b'*', ..] => {
                    self.at += 2;
                    self.skip_past(b"*/", start, "a comment")?;
                }
                // `(*)` is an event list and `(*a` no expression: this is an attribute.
                [b'(', b'*', next, ..] if *next != b')' => {
                    self.at += 2;
                    self.skip_attribute(start)?;
                }
                [b'`', name @ ..] if is_ignored_directive(name) => self.skip_line(),
                _ => return Ok(()),
            }
        }
    }

    fn skip_attribute(&mut self, start: usize) -> Result<(), Fault> {
        loop {
            match self.rest() {
                [b'*', b')', ..] => {
                    self.at += 2;
                    return Ok(());
                }
                [b'"', ..] => self.string()?,
                [] => {
                    let span = Span { start: start as u32, end: start as u32 + 2 };
                    return Err(Fault::new(span, Problem::Unterminated { what: "an attribute" }));
                }
                _ => self.at += 1,
            }
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.rest() {
                [b'"', ..] => {
                    self.at += 1;
                    return Ok(());
                }
                [b'\\', _, ..] => self.at += 2,
                [] | [b'\n', ..] => {
                    let what = Problem::Unterminated { what: "a string" };
                    return Err(Fault::new(Span { start: start as u32, end: start as u32 + 1 }, what));
                }
                _ => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind<'s>, Fault> {
        let Some(byte) = self.peek() else { return Ok(TokenKind::End) };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                Ok(TokenKind::Name { text: self.take_while(is_name_byte), escaped: false })
            }
            b'\\' => {
                self.at += 1;
                Ok(TokenKind::Name { text: self.take_while(|byte| byte.is_ascii_graphic()), escaped: true })
            }
            b'$' if self.text.get(self.at + 1).is_some_and(u8::is_ascii_alphabetic) => {
                Ok(TokenKind::System(self.take_while(is_name_byte)))
            }
            b'0'..=b'9' => Ok(TokenKind::Number(self.number())),
            b'\'' if self.base_follows(self.at).is_some() => Ok(TokenKind::Number(self.number())),
            b'"' => self.string().map(|()| TokenKind::Text),
            b'`' => self.directive(),
            _ => match SYMBOLS.iter().find(|symbol| self.rest().starts_with(symbol.as_bytes())) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(TokenKind::Symbol(symbol))
                }
                None => {
                    self.at += 1;
                    Err(Fault::new(self.span_from(self.at - 1), Problem::NotText { byte }))
                }
            },
        }
    }

    /// Position of the digits if a base such as `'sh` stands at `at`.
    fn base_follows(&self, at: usize) -> Option<usize> {
        match self.text.get(at..)? {
            [b'\'', b's' | b'S', b'b' | b'B' | b'o' | b'O' | b'd' | b'D' | b'h' | b'H', ..] => Some(at + 3),
            [b'\'', b'b' | b'B' | b'o' | b'O' | b'd' | b'D' | b'h' | b'H', ..] => Some(at + 2),
            _ => None,
        }
    }

    /// A number: digits, or `[size] ' [s] base digits` with blanks between the parts.
    fn number(&mut self) -> &'s str {
        let start = self.at;
        let blanks = |from: usize| {
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            from + self.text[from..].iter().take_while(blank).count()
        };
        let size_end = start + self.text[start..].iter().take_while(|byte| is_digit(**byte)).count();
        match self.base_follows(blanks(size_end)) {
            Some(digits) => self.at = blanks(digits),
            None => self.at = start,
        }
        self.take_while(|byte| is_digit(byte) || byte == b'?' || byte.is_ascii_alphabetic());
        std::str::from_utf8(&self.text[start..self.at]).expect("numbers are ASCII")
    }

    fn directive(&mut self) -> Result<TokenKind<'s>, Fault> {
        let start = self.at;
        self.at += 1;
        let name = self.take_while(is_name_byte);
        if name == "default_nettype" {
            self.take_while(|byte| byte == b' ' || byte == b'\t');
            return Ok(TokenKind::DefaultNettypeNone(self.take_while(is_name_byte) == "none"));
        }
        let construct = format!("the directive or macro `{name}");
        Err(Fault::new(self.span_from(start), Problem::Unsupported { construct }))
    }
}

fn is_ignored_directive(text: &[u8]) -> bool {
    let length = text.iter().position(|&byte| !is_name_byte(byte)).unwrap_or(text.len());
    IGNORED_DIRECTIVES.iter().any(|name| name.as_bytes() == &text[..length])
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind<'_>> {
        tokenise(text.as_bytes()).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn numbers_keep_their_base_and_names_their_brackets() {
        use TokenKind::*;
        let expected = [
            Number("8 'h fF"),
            Number("'sd3"),
            Number("16"),
            Symbol("-"),
            Number("1_0"),
            Name { text: "a[0]", escaped: true },
            Name { text: "_b$2", escaped: false },
            System("$signed"),
            Symbol("("),
            End,
        ];
        assert_eq!(kinds("8 'h fF 'sd3 16-1_0 \\a[0] _b$2 $signed("), expected);
    }

    #[test]
    fn comments_attributes_and_harmless_directives_vanish() {
        let text = "`timescale 1ns/1ps // x\n(* src = \"a*)b\", keep *) a /* b\n*/ `celldefine\n ~^ >>> (*)";
        use TokenKind::*;
        let name = Name { text: "a", escaped: false };
        let symbols = ["~^", ">>>", "(", "*", ")"].map(Symbol);
        assert_eq!(kinds(text), [&[name], &symbols[..], &[End]].concat());
    }

    #[test]
    fn longer_symbols_come_first() {
        for (index, symbol) in SYMBOLS.iter().enumerate() {
            assert!(SYMBOLS[..index].iter().all(|earlier| !symbol.starts_with(earlier)), "{symbol} is never reached");
        }
    }
}
