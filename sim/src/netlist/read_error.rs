//! What can be wrong with a netlist file, where, and how to mend it.

use std::ops::Range;

use thiserror::Error;

/// A netlist file that cannot be read: the place, the problem and the remedy.
///
/// The place does not name the file, which readers never see; a caller that does can show
/// [`bytes`](ReadError::bytes) as a label on the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ReadError {
    line: usize,
    column: usize,
    bytes: Range<usize>,
    problem: Problem,
}

impl ReadError {
    /// Line of the place, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column of the place in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Byte range of the place in the text read.
    pub fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What to do about it, as a sentence.
    pub fn remedy(&self) -> String {
        self.problem.remedy()
    }
}

/// What is wrong with a netlist file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Bytes that no netlist holds outside comments.
    #[error("byte 0x{byte:02x} is not text")]
    NotText {
        /// The first such byte.
        byte: u8,
    },
    /// A comment, string or module without its end.
    #[error("{what} is never closed")]
    Unterminated {
        /// What was opened.
        what: &'static str,
    },
    /// Not the grammar of the format.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What may stand here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// A literal that is not a number.
    #[error("`{literal}` is not a number: {reason}")]
    Number {
        /// As written.
        literal: String,
        /// Why not.
        reason: &'static str,
    },
    /// Legal, but outside the structural subset.
    #[error("{construct} is outside the subset that is read as a netlist")]
    Unsupported {
        /// The construct.
        construct: String,
    },
    /// A construct of a synthesis result that no combinational gate computes.
    #[error("cell type `{cell}` is not a combinational gate")]
    NotAGate {
        /// The cell type.
        cell: String,
    },
    /// An instance of a module or cell that is neither in the file nor in the known libraries.
    #[error("module `{module}` is not in the file, nor a cell of a known library")]
    MissingModule {
        /// The instantiated module.
        module: String,
    },
    /// The module asked for, or any module at all, is missing.
    #[error("there is no module {}to read", .asked.as_ref().map_or(String::new(), |name| format!("`{name}` ")))]
    NoTop {
        /// The name asked for.
        asked: Option<String>,
        /// Modules the file has.
        present: Vec<String>,
    },
    /// Several modules could be the top.
    #[error("several modules are instantiated by no other: {}", .candidates.join(", "))]
    AmbiguousTop {
        /// Their names.
        candidates: Vec<String>,
    },
    /// A module that contains itself.
    #[error("module instantiates itself: {}", .chain.join(" > "))]
    Recursion {
        /// From the module back to itself.
        chain: Vec<String>,
    },
    /// An identifier that nothing declares.
    #[error("`{name}` is not declared")]
    UnknownName {
        /// The identifier.
        name: String,
    },
    /// A connection to a pin, or a value for a parameter, that the module does not have.
    #[error("`{module}` has no `{pin}`; it has {}", .pins.join(", "))]
    UnknownPin {
        /// The instantiated module.
        module: String,
        /// The pin named or counted.
        pin: String,
        /// The pins it has.
        pins: Vec<String>,
    },
    /// Pins of a library cell given by position.
    #[error("pins of library cell `{cell}` are given by position")]
    PinsByPosition {
        /// The cell.
        cell: String,
    },
    /// Two declarations, connections or definitions of one name.
    #[error("{what} `{name}` stands twice")]
    Duplicate {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Ports and connections of different widths.
    #[error("{what} has {expected} bits, what is connected has {found}")]
    WidthMismatch {
        /// The port.
        what: String,
        /// Its width.
        expected: usize,
        /// Width of what is connected.
        found: usize,
    },
    /// A bit outside a vector.
    #[error("bit {index} is outside `{name}[{left}:{right}]`")]
    OutOfRange {
        /// The vector.
        name: String,
        /// The bit asked for.
        index: i64,
        /// Left bound of the vector.
        left: i64,
        /// Right bound of the vector.
        right: i64,
    },
    /// A value needed while reading that depends on a net.
    #[error("{what} must be a constant")]
    NotConstant {
        /// What needs it.
        what: &'static str,
    },
    /// An expression where a net is needed.
    #[error("an output drives nets or concatenations of nets, not {found}")]
    NotANet {
        /// What stands there.
        found: String,
    },
    /// A net that something reads and nothing drives.
    #[error("`{net}` is read but nothing drives it")]
    Undriven {
        /// The net.
        net: String,
    },
    /// A net with two drivers.
    #[error("`{net}` has a driver already, at line {first_line}")]
    DrivenTwice {
        /// The net.
        net: String,
        /// Line of the first driver.
        first_line: usize,
    },
    /// A path from a net back to itself.
    #[error("combinational loop through {}", .nets.join(" > "))]
    CombinationalLoop {
        /// Named nets on the loop.
        nets: Vec<String>,
    },
    /// More than a reader takes on.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: usize,
    },
}

impl Problem {
    /// What to do about it, as a sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotText { .. } => "Give the netlist as text: structural Verilog, BLIF or Yosys JSON.".into(),
            Self::Unterminated { what } => format!("Close {what}, or check that the file is complete."),
            Self::Syntax { .. } | Self::Number { .. } => "Correct the text at this place.".into(),
            Self::Unsupported { .. } | Self::NotAGate { .. } => {
                format!("Synthesise it, without clocked parts, and read the result as Yosys JSON:\n  {SYNTHESIS}")
            }
            Self::MissingModule { module } => {
                format!("Add the definition of `{module}` to the file, or map to a known library.")
            }
            Self::NoTop { present, .. } if present.is_empty() => "Give a file that defines a module.".into(),
            Self::NoTop { present, .. } => format!("Choose one of {}.", present.join(", ")),
            Self::AmbiguousTop { .. } => "Name the top module (`top = \"…\"`).".into(),
            Self::Recursion { .. } => "Unroll the recursion; a netlist has finite hierarchy.".into(),
            Self::UnknownName { name } => format!("Declare `{name}`, or correct its spelling."),
            Self::UnknownPin { .. } => "Connect the pins the module has.".into(),
            Self::PinsByPosition { .. } => "Name the pins: `.PIN(net)`. Libraries differ in their order.".into(),
            Self::Duplicate { .. } => "Remove or rename one of the two.".into(),
            Self::WidthMismatch { .. } => "Select or concatenate bits so that the widths agree.".into(),
            Self::OutOfRange { .. } => "Widen the declaration or correct the index.".into(),
            Self::NotConstant { .. } => {
                format!("Use numbers and parameters only, or synthesise the design first:\n  {SYNTHESIS}")
            }
            Self::NotANet { .. } => "Connect a net and compute with it in an `assign`.".into(),
            Self::Undriven { .. } => "Drive the net, or tie it to a constant.".into(),
            Self::DrivenTwice { .. } => "Remove one driver.".into(),
            Self::CombinationalLoop { .. } => "Break the loop: only combinational circuits are simulated.".into(),
            Self::TooLarge { .. } => "Read a smaller block: these netlists are arithmetic units, not chips.".into(),
        }
    }
}

/// Turns behavioural Verilog into what [`super::yosys_json`] reads (checked with Yosys 0.23).
const SYNTHESIS: &str = "yosys -p \"read_verilog design.v; synth -flatten; abc -g simple; write_json design.json\"";

/// A byte range of the text being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// From the start of `self` to the end of `last`.
    pub(super) fn to(self, last: Span) -> Span {
        Span { start: self.start, end: last.end.max(self.start) }
    }
}

/// A problem at a place, while the text is still at hand.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) at: Span,
    /// Boxed to keep the results of recursive functions small.
    pub(super) problem: Box<Problem>,
}

impl Fault {
    pub(super) fn new(at: Span, problem: Problem) -> Fault {
        Fault { at, problem: Box::new(problem) }
    }

    /// The error a caller sees.
    pub(super) fn locate(self, text: &[u8]) -> ReadError {
        let start = (self.at.start as usize).min(text.len());
        let end = (self.at.end as usize).clamp(start, text.len());
        let line_start = text[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        // UTF-8 continuation bytes do not start a character.
        let column = text[line_start..start].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() + 1;
        ReadError { line: line_number(text, start), column, bytes: start..end, problem: *self.problem }
    }
}

/// Line of a byte offset, from 1.
pub(super) fn line_number(text: &[u8], offset: usize) -> usize {
    text[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Largest text a reader accepts, bytes. Offsets fit 32 bits.
pub(super) const MAX_TEXT: usize = 1 << 28;

/// Refuses texts whose offsets would not fit a [`Span`].
pub(super) fn check_length(text: &[u8]) -> Result<(), Fault> {
    if text.len() <= MAX_TEXT {
        return Ok(());
    }
    let what = format!("a file of {} bytes", text.len());
    Err(Fault::new(Span::default(), Problem::TooLarge { what, limit: MAX_TEXT }))
}
