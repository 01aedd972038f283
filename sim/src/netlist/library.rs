//! Standard cells by name: what a cell of a common library computes, on which pins.
//!
//! Known are the combinational cells of FreePDK45 (OSU: `FAX1`), Nangate 45 nm (`FA_X1`), SkyWater 130 nm
//! (`sky130_fd_sc_hd__fa_1`, any variant), Yosys's gate primitives (`$_NAND_`). Names are systematic, so cells are
//! decoded rather than listed. Drive strength is dropped: a technology has one size of each [`CellKind`]. A cell
//! that is no `CellKind` becomes several: area and delay are those of the parts.

use super::CellKind;
use super::draft::{Draft, Wire};
use super::read_error::Span;

/// A cell of a known library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LibraryCell {
    inputs: Vec<String>,
    outputs: Vec<&'static str>,
    function: Function,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Function {
    /// One cell; library pins in the order of its pins.
    Kind(CellKind),
    Gates(Gates),
    /// Exclusive or of all inputs.
    Parity {
        inverted: bool,
    },
    /// The carry of a full adder.
    Majority,
    /// Four data inputs, two selects.
    Mux4,
    /// The two constants, one, then zero.
    Constants,
}

/// AND of ORs or OR of ANDs, or, with a single group, one AND or OR.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gates {
    /// Operation within a group; the groups are joined by the other one.
    inner: Gate,
    /// Sizes of the groups of consecutive inputs.
    groups: Vec<usize>,
    /// Inputs that are active low.
    negated: Vec<usize>,
    /// Whether the result is complemented.
    inverted: bool,
}

/// The two monotone operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    And,
    Or,
}

impl Gate {
    fn other(self) -> Gate {
        match self {
            Gate::And => Gate::Or,
            Gate::Or => Gate::And,
        }
    }
}

/// Supply pins, which netlists of routed designs connect.
const SUPPLY_PINS: [&str; 10] = ["VPWR", "VGND", "VPB", "VNB", "VDD", "VSS", "vdd", "gnd", "VPP", "VBB"];

/// Whether a connection to `pin` carries power rather than a signal.
pub(super) fn is_supply_pin(pin: &str) -> bool {
    SUPPLY_PINS.contains(&pin)
}

impl LibraryCell {
    /// The cell called `name` in one of the known libraries.
    pub(super) fn find(name: &str) -> Option<LibraryCell> {
        if name.starts_with("$_") {
            return yosys(name);
        }
        if let Some(rest) = name.strip_prefix("sky130_fd_sc_") {
            let (_variant, cell) = rest.split_once("__")?;
            let (base, size) = cell.rsplit_once('_').unwrap_or((cell, "1"));
            let sized = size.starts_with(|c: char| c.is_ascii_digit()) || ["m", "lp", "lp2"].contains(&size);
            return sky130(if sized { base } else { cell });
        }
        if let "LOGIC0_X1" | "LOGIC1_X1" = name {
            let outputs = if name == "LOGIC1_X1" { ["Z", ""] } else { ["", "Z"] };
            return Some(LibraryCell::new(Vec::new(), &outputs, Function::Constants));
        }
        let (base, size) = match name.strip_prefix("CLKBUF") {
            Some(size) if !size.contains('X') => ("CLKBUF", size),
            _ => name.rsplit_once('X')?,
        };
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match base.strip_suffix('_') {
            Some(base) => nangate(base),
            None => osu(base),
        }
    }

    /// Input pins.
    pub(super) fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Output pins. An empty name is an output the cell does not bring out.
    pub(super) fn outputs(&self) -> &[&'static str] {
        &self.outputs
    }

    /// Adds the cell and returns a wire for each output. `inputs` has one wire for each input pin.
    pub(super) fn build(&self, draft: &mut Draft, inputs: &[Wire], at: Span) -> Vec<Wire> {
        let mut cell = |kind, pins: &[Wire]| draft.cell(kind, pins, at);
        match &self.function {
            Function::Kind(kind) => {
                let first = cell(*kind, inputs);
                (0..kind.outputs()).map(|pin| first.offset(pin)).collect()
            }
            Function::Gates(gates) => vec![gates.build(draft, inputs, at)],
            Function::Parity { inverted } => {
                let (last, rest) = inputs.split_last().expect("parity of no inputs is in no library");
                let rest = rest[1..].iter().fold(rest[0], |sum, &wire| cell(CellKind::Xor2, &[sum, wire]));
                vec![cell(if *inverted { CellKind::Xnor2 } else { CellKind::Xor2 }, &[rest, *last])]
            }
            // (a ∧ b) ∨ (c ∧ (a ∨ b)), of inverting gates
            Function::Majority => {
                let [a, b, c] = inputs else { unreachable!("majority has three inputs") };
                let either = cell(CellKind::Oai21, &[*a, *b, *c]);
                let both = cell(CellKind::Nand2, &[*a, *b]);
                vec![cell(CellKind::Nand2, &[either, both])]
            }
            Function::Mux4 => {
                let [a0, a1, a2, a3, s0, s1] = inputs else { unreachable!("a 4-to-1 multiplexer has six inputs") };
                let low = cell(CellKind::Mux2, &[*a1, *a0, *s0]);
                let high = cell(CellKind::Mux2, &[*a3, *a2, *s0]);
                vec![cell(CellKind::Mux2, &[high, low, *s1])]
            }
            Function::Constants => vec![Wire::ONE, Wire::ZERO],
        }
    }
}

impl Gates {
    fn build(&self, draft: &mut Draft, inputs: &[Wire], at: Span) -> Wire {
        let mut pins: Vec<Wire> = inputs.to_vec();
        for &pin in &self.negated {
            pins[pin] = draft.cell(CellKind::Inv, &[pins[pin]], at);
        }
        let single = match (self.inner, self.inverted, &self.groups[..]) {
            (Gate::And, true, [2, 1]) => Some(CellKind::Aoi21),
            (Gate::And, true, [2, 2]) => Some(CellKind::Aoi22),
            (Gate::Or, true, [2, 1]) => Some(CellKind::Oai21),
            (Gate::Or, true, [2, 2]) => Some(CellKind::Oai22),
            (_, true, [1, 2]) => {
                pins.rotate_left(1);
                Some(if self.inner == Gate::And { CellKind::Aoi21 } else { CellKind::Oai21 })
            }
            _ => None,
        };
        if let Some(kind) = single {
            return draft.cell(kind, &pins, at);
        }
        if let [_] = self.groups[..] {
            return join(draft, self.inner, self.inverted, &pins, at);
        }
        let mut rest = &pins[..];
        let mut joined = Vec::with_capacity(self.groups.len());
        for &size in &self.groups {
            let (group, after) = rest.split_at(size);
            joined.push(join(draft, self.inner, false, group, at));
            rest = after;
        }
        join(draft, self.inner.other(), self.inverted, &joined, at)
    }
}

/// AND or OR of any number of wires, complemented or not, in as few levels as the cell kinds allow.
/// One wire complemented is an inverter, one wire alone is itself.
pub(super) fn join(draft: &mut Draft, gate: Gate, inverted: bool, wires: &[Wire], at: Span) -> Wire {
    let (plain, complement2, complement3) = match gate {
        Gate::And => (CellKind::And2, CellKind::Nand2, CellKind::Nand3),
        Gate::Or => (CellKind::Or2, CellKind::Nor2, CellKind::Nor3),
    };
    let last = if inverted { 3 } else { 2 };
    let mut level = wires.to_vec();
    while level.len() > last {
        let pairs = level.chunks(2);
        level =
            pairs.map(|pair| if let [a, b] = pair { draft.cell(plain, &[*a, *b], at) } else { pair[0] }).collect();
    }
    match (&level[..], inverted) {
        ([], _) => Wire::constant((gate == Gate::And) != inverted),
        ([only], false) => *only,
        ([only], true) => draft.cell(CellKind::Inv, &[*only], at),
        ([_, _], false) => draft.cell(plain, &level, at),
        ([_, _], true) => draft.cell(complement2, &level, at),
        _ => draft.cell(complement3, &level, at),
    }
}

fn plain(kind: CellKind, inputs: &[&str], outputs: &[&'static str]) -> LibraryCell {
    debug_assert_eq!((inputs.len(), outputs.len()), (kind.inputs(), kind.outputs()));
    LibraryCell::new(inputs.iter().map(ToString::to_string).collect(), outputs, Function::Kind(kind))
}

impl LibraryCell {
    fn new(inputs: Vec<String>, outputs: &[&'static str], function: Function) -> LibraryCell {
        LibraryCell { inputs, outputs: outputs.to_vec(), function }
    }

    /// A gate of `groups` of inputs.
    fn gates(inner: Gate, inverted: bool, groups: &[usize], inputs: Vec<String>, output: &'static str) -> Self {
        let gates = Gates { inner, groups: groups.to_vec(), negated: Vec::new(), inverted };
        Self::new(inputs, &[output], Function::Gates(gates))
    }

    /// The same cell with input `pin` active low.
    fn with_negated(mut self, pin: usize) -> Self {
        if let Function::Gates(gates) = &mut self.function {
            gates.negated.push(pin);
            self.inputs[pin].push_str("_N");
        }
        self
    }
}

/// `A`, `B`, `C`, …
fn letters(count: usize) -> Vec<String> {
    (0..count).map(|index| char::from(b'A' + index as u8).to_string()).collect()
}

/// `A1`, `A2`, …
fn numbered(letter: char, count: usize) -> Vec<String> {
    (1..=count).map(|index| format!("{letter}{index}")).collect()
}

/// `and3`, `nor2` …: the operation, whether it is inverted, and the number of inputs.
fn simple_gate(base: &str) -> Option<(Gate, bool, usize)> {
    let (name, count) = base.split_at_checked(base.len().checked_sub(1)?)?;
    let count: usize = count.parse().ok().filter(|count| (2..=4).contains(count))?;
    match name {
        "and" => Some((Gate::And, false, count)),
        "nand" => Some((Gate::And, true, count)),
        "or" => Some((Gate::Or, false, count)),
        "nor" => Some((Gate::Or, true, count)),
        _ => None,
    }
}

/// The digits of `aoi21`, `o2111a`: sizes of groups.
fn group_sizes(digits: &str) -> Option<Vec<usize>> {
    let sizes: Option<Vec<usize>> = digits.chars().map(|digit| Some(digit.to_digit(10)? as usize)).collect();
    sizes.filter(|sizes| sizes.len() >= 2 && sizes.iter().all(|size| (1..=4).contains(size)))
}

/// FreePDK45 of Oklahoma State University: pins A, B, C …, output Y.
fn osu(base: &str) -> Option<LibraryCell> {
    use CellKind::*;
    if let Some((gate, inverted, count)) = simple_gate(&base.to_ascii_lowercase()) {
        return Some(LibraryCell::gates(gate, inverted, &[count], letters(count), "Y"));
    }
    Some(match base {
        "INV" => plain(Inv, &["A"], &["Y"]),
        "BUF" | "CLKBUF" => plain(Buf, &["A"], &["Y"]),
        "XOR2" => plain(Xor2, &["A", "B"], &["Y"]),
        "XNOR2" => plain(Xnor2, &["A", "B"], &["Y"]),
        "AOI21" => plain(Aoi21, &["A", "B", "C"], &["Y"]),
        "OAI21" => plain(Oai21, &["A", "B", "C"], &["Y"]),
        "AOI22" => plain(Aoi22, &["A", "B", "C", "D"], &["Y"]),
        "OAI22" => plain(Oai22, &["A", "B", "C", "D"], &["Y"]),
        // Y = !(S ? A : B)
        "MUX2" => plain(MuxInv2, &["A", "B", "S"], &["Y"]),
        "HA" => plain(HalfAdder, &["A", "B"], &["YS", "YC"]),
        "FA" => plain(FullAdder, &["A", "B", "C"], &["YS", "YC"]),
        _ => return None,
    })
}

/// Nangate Open Cell Library: numbered pins, groups in ascending size, output ZN (Z where not inverting).
fn nangate(base: &str) -> Option<LibraryCell> {
    use CellKind::*;
    if let Some((gate, inverted, count)) = simple_gate(&base.to_ascii_lowercase()) {
        return Some(LibraryCell::gates(gate, inverted, &[count], numbered('A', count), "ZN"));
    }
    let compound = [("AOI", Gate::And), ("OAI", Gate::Or)];
    if let Some((prefix, inner)) = compound.into_iter().find(|(prefix, _)| base.starts_with(prefix)) {
        let mut sizes = group_sizes(&base[prefix.len()..])?;
        sizes.sort_unstable();
        let named = sizes.iter().zip('A'..).flat_map(|(&size, letter)| match size {
            1 => vec![letter.to_string()],
            _ => numbered(letter, size),
        });
        return Some(LibraryCell::gates(inner, true, &sizes, named.collect(), "ZN"));
    }
    Some(match base {
        "INV" => plain(Inv, &["A"], &["ZN"]),
        "BUF" | "CLKBUF" => plain(Buf, &["A"], &["Z"]),
        "XOR2" => plain(Xor2, &["A", "B"], &["Z"]),
        "XNOR2" => plain(Xnor2, &["A", "B"], &["ZN"]),
        // Z = S ? B : A
        "MUX2" => plain(Mux2, &["B", "A", "S"], &["Z"]),
        "HA" => plain(HalfAdder, &["A", "B"], &["S", "CO"]),
        "FA" => plain(FullAdder, &["A", "B", "CI"], &["S", "CO"]),
        _ => return None,
    })
}

/// SkyWater 130 nm: output X, or Y where inverting; active-low inputs end in _N.
fn sky130(base: &str) -> Option<LibraryCell> {
    use CellKind::*;
    let stem = base.trim_end_matches('b');
    if let Some((gate, inverted, count)) = simple_gate(stem) {
        let mut cell = LibraryCell::gates(gate, inverted, &[count], letters(count), if inverted { "Y" } else { "X" });
        // `and4bb` negates its first inputs, `or4bb` its last.
        for pin in 0..base.len() - stem.len() {
            cell = cell.with_negated(if gate == Gate::And { pin } else { count - 1 - pin });
        }
        return Some(cell);
    }
    Some(match base {
        "inv" | "clkinv" | "clkinvlp" | "bufinv" => plain(Inv, &["A"], &["Y"]),
        "buf" | "clkbuf" | "bufbuf" | "probe_p" | "probec_p" => plain(Buf, &["A"], &["X"]),
        _ if base.starts_with("dlygate4sd") || base.starts_with("dlymetal6s") || base.starts_with("clkdlybuf4s") => {
            plain(Buf, &["A"], &["X"])
        }
        "xor2" => plain(Xor2, &["A", "B"], &["X"]),
        "xnor2" => plain(Xnor2, &["A", "B"], &["Y"]),
        "xor3" => LibraryCell::new(letters(3), &["X"], Function::Parity { inverted: false }),
        "xnor3" => LibraryCell::new(letters(3), &["X"], Function::Parity { inverted: true }),
        "maj3" => LibraryCell::new(letters(3), &["X"], Function::Majority),
        // X = S ? A1 : A0
        "mux2" => plain(Mux2, &["A1", "A0", "S"], &["X"]),
        "mux2i" => plain(MuxInv2, &["A1", "A0", "S"], &["Y"]),
        "mux4" => {
            let pins = ["A0", "A1", "A2", "A3", "S0", "S1"].map(String::from).to_vec();
            LibraryCell::new(pins, &["X"], Function::Mux4)
        }
        "ha" => plain(HalfAdder, &["A", "B"], &["SUM", "COUT"]),
        "fa" => plain(FullAdder, &["A", "B", "CIN"], &["SUM", "COUT"]),
        "fah" => plain(FullAdder, &["A", "B", "CI"], &["SUM", "COUT"]),
        "conb" => LibraryCell::new(Vec::new(), &["HI", "LO"], Function::Constants),
        _ => return sky130_compound(base),
    })
}

/// `a21oi`, `o2111a`, `a21bo`, `a2bb2o`: groups A1 A2 …, B1 …; letters b mark active-low inputs.
fn sky130_compound(base: &str) -> Option<LibraryCell> {
    let inner = match base.chars().next()? {
        'a' => Gate::And,
        'o' => Gate::Or,
        _ => return None,
    };
    let outer = if inner == Gate::And { "o" } else { "a" };
    let (shape, inverted) = match base[1..].strip_suffix('i') {
        Some(shape) => (shape, true),
        None => (&base[1..], false),
    };
    let shape = shape.strip_suffix(outer)?;
    let sizes = group_sizes(&shape.replace('b', ""))?;
    let pins = sizes.iter().zip('A'..).flat_map(|(&size, letter)| numbered(letter, size)).collect();
    let cell = LibraryCell::gates(inner, inverted, &sizes, pins, if inverted { "Y" } else { "X" });
    match shape.find('b') {
        None => Some(cell),
        Some(_) if shape == "21b" => Some(cell.with_negated(2)),
        // The group of inverted inputs: A1_N and A2_N.
        Some(1) if shape == "2bb2" => Some(cell.with_negated(0).with_negated(1)),
        Some(_) => None,
    }
}

/// Gate-level cells inside Yosys; pins A, B, C, D, S, output Y.
fn yosys(name: &str) -> Option<LibraryCell> {
    use CellKind::*;
    let pins = ["A", "B", "C", "D"];
    Some(match name {
        "$_BUF_" => plain(Buf, &pins[..1], &["Y"]),
        "$_NOT_" => plain(Inv, &pins[..1], &["Y"]),
        "$_AND_" => plain(And2, &pins[..2], &["Y"]),
        "$_NAND_" => plain(Nand2, &pins[..2], &["Y"]),
        "$_OR_" => plain(Or2, &pins[..2], &["Y"]),
        "$_NOR_" => plain(Nor2, &pins[..2], &["Y"]),
        "$_XOR_" => plain(Xor2, &pins[..2], &["Y"]),
        "$_XNOR_" => plain(Xnor2, &pins[..2], &["Y"]),
        // Y = S ? B : A
        "$_MUX_" => plain(Mux2, &["B", "A", "S"], &["Y"]),
        "$_NMUX_" => plain(MuxInv2, &["B", "A", "S"], &["Y"]),
        "$_AOI3_" => plain(Aoi21, &pins[..3], &["Y"]),
        "$_OAI3_" => plain(Oai21, &pins[..3], &["Y"]),
        "$_AOI4_" => plain(Aoi22, &pins, &["Y"]),
        "$_OAI4_" => plain(Oai22, &pins, &["Y"]),
        "$_ANDNOT_" | "$_ORNOT_" => {
            let inner = if name == "$_ANDNOT_" { Gate::And } else { Gate::Or };
            let gates = Gates { inner, groups: vec![2], negated: vec![1], inverted: false };
            LibraryCell::new(letters(2), &["Y"], Function::Gates(gates))
        }
        _ => return None,
    })
}
