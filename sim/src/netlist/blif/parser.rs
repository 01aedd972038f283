//! BLIF text to models.

use super::cover::Cover;
use crate::netlist::read_error::{Fault, Problem, Span};

/// A word and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'s> {
    pub(super) text: &'s str,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) struct Model<'s> {
    pub(super) name: Word<'s>,
    pub(super) inputs: Vec<Word<'s>>,
    pub(super) outputs: Vec<Word<'s>>,
    pub(super) items: Vec<Item<'s>>,
}

#[derive(Debug)]
pub(super) enum Item<'s> {
    /// `.names inputs output` and its rows.
    Table { inputs: Vec<Word<'s>>, output: Word<'s>, cover: Cover },
    /// `.subckt` or `.gate`: formal and actual names.
    Instance { model: Word<'s>, pins: Vec<(&'s str, Word<'s>)> },
    /// `.conn source target`
    Connection { source: Word<'s>, target: Word<'s> },
}

/// Directives that annotate and change no function.
const IGNORED: [&str; 17] = [
    ".area",
    ".attr",
    ".cname",
    ".default_input_arrival",
    ".default_input_drive",
    ".default_max_input_load",
    ".default_output_load",
    ".default_output_required",
    ".delay",
    ".input_arrival",
    ".input_drive",
    ".max_input_load",
    ".output_load",
    ".output_required",
    ".param",
    ".wire",
    ".wire_load_slope",
];

/// Parses a file.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Model<'_>>, Fault> {
    let mut lines = Lines { text, at: 0 };
    let mut models: Vec<Model<'_>> = Vec::new();
    let mut open = false;
    while let Some(words) = lines.next_line()? {
        let [directive, rest @ ..] = &words[..] else { continue };
        match directive.text {
            ".model" => {
                let name = *rest.first().ok_or_else(|| expected(directive.span, "the name of the model"))?;
                models.push(Model { name, inputs: Vec::new(), outputs: Vec::new(), items: Vec::new() });
                open = true;
                continue;
            }
            ".end" => {
                open = false;
                continue;
            }
            // Yosys writes attributes of a model outside it.
            ignored if IGNORED.contains(&ignored) => continue,
            _ => {}
        }
        let Some(model) = models.last_mut().filter(|_| open) else {
            return Err(found(*directive, "`.model`"));
        };
        match directive.text {
            ".inputs" => model.inputs.extend(rest),
            ".outputs" => model.outputs.extend(rest),
            ".names" => {
                let Some((output, inputs)) = rest.split_last() else {
                    return Err(expected(directive.span, "the output of the table"));
                };
                let (inputs, output) = (inputs.to_vec(), *output);
                let cover = lines.cover(inputs.len())?;
                model.items.push(Item::Table { inputs, output, cover });
            }
            ".subckt" | ".gate" => {
                let [name, pins @ ..] = rest else {
                    return Err(expected(directive.span, "the name of a model"));
                };
                let pins = pins.iter().map(|word| pin(*word)).collect::<Result<_, _>>()?;
                model.items.push(Item::Instance { model: *name, pins });
            }
            ".conn" => {
                let [source, target] = rest else { return Err(expected(directive.span, "two nets")) };
                model.items.push(Item::Connection { source: *source, target: *target });
            }
            other if other.starts_with('.') => {
                return Err(Fault::new(directive.span, Problem::Unsupported { construct: format!("`{other}`") }));
            }
            _ => return Err(found(*directive, "a directive")),
        }
    }
    Ok(models)
}

/// `formal=actual`
fn pin(word: Word<'_>) -> Result<(&str, Word<'_>), Fault> {
    let (formal, actual) = word.text.split_once('=').ok_or_else(|| found(word, "`pin=net`"))?;
    let start = word.span.end - actual.len() as u32;
    Ok((formal, Word { text: actual, span: Span { start, ..word.span } }))
}

fn expected(at: Span, what: &str) -> Fault {
    Fault::new(at, Problem::Syntax { expected: what.into(), found: "the end of the line".into() })
}

fn found(word: Word<'_>, what: &str) -> Fault {
    Fault::new(word.span, Problem::Syntax { expected: what.into(), found: format!("`{}`", word.text) })
}

/// Logical lines: `\` joins a line to the next, `#` starts a comment.
struct Lines<'s> {
    text: &'s [u8],
    at: usize,
}

impl<'s> Lines<'s> {
    /// The words of the next line that has any.
    fn next_line(&mut self) -> Result<Option<Vec<Word<'s>>>, Fault> {
        let mut words = Vec::new();
        loop {
            match self.text[self.at..] {
                [] if words.is_empty() => return Ok(None),
                [] => return Ok(Some(words)),
                [b'\n', ..] => {
                    self.at += 1;
                    if !words.is_empty() {
                        return Ok(Some(words));
                    }
                }
                [b' ' | b'\t' | b'\r', ..] => self.at += 1,
                [b'\\', b'\n', ..] => self.at += 2,
                [b'\\', b'\r', b'\n', ..] => self.at += 3,
                [b'#', ..] => {
                    let rest = &self.text[self.at..];
                    self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                }
                _ => words.push(self.word()?),
            }
        }
    }

    fn word(&mut self) -> Result<Word<'s>, Fault> {
        let rest = &self.text[self.at..];
        let blank_or_comment = |at: usize| matches!(rest[at], b' ' | b'\t' | b'\r' | b'\n' | b'#');
        let joins_lines = |at: usize| matches!(rest[at..], [b'\\', b'\n' | b'\r', ..]);
        let ends = |at: usize| blank_or_comment(at) || joins_lines(at);
        let length = (1..rest.len()).find(|&at| ends(at)).unwrap_or(rest.len());
        let span = Span { start: self.at as u32, end: (self.at + length) as u32 };
        let bytes = &rest[..length];
        self.at += length;
        let text = match bytes.iter().position(|&byte| byte < b' ' || byte == 0x7f) {
            None => std::str::from_utf8(bytes).map_err(|error| bytes[error.valid_up_to()]),
            Some(position) => Err(bytes[position]),
        };
        text.map(|text| Word { text, span }).map_err(|byte| Fault::new(span, Problem::NotText { byte }))
    }

    /// The rows that follow `.names`.
    fn cover(&mut self, inputs: usize) -> Result<Cover, Fault> {
        let mut cover = Cover::default();
        loop {
            let before = self.at;
            let Some(words) = self.next_line()? else { return Ok(cover) };
            if words[0].text.starts_with('.') {
                self.at = before;
                return Ok(cover);
            }
            let row = match words[..] {
                [value] if inputs == 0 => cover.push_row("", value.text),
                [pattern, value] if pattern.text.len() == inputs => cover.push_row(pattern.text, value.text),
                _ => false,
            };
            if !row {
                let what = format!("{inputs} of `0`, `1`, `-`, then `1` (or `0` in all rows)");
                return Err(found(words[0], &what));
            }
        }
    }
}
