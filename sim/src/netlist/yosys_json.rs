//! Netlists of the Yosys synthesis suite (`write_json`).
//!
//! Read is one flattened module of combinational cells: Yosys's gates (`$_AND_`, `$_MUX_`, …), its full adder `$fa`,
//! and cells of FreePDK45, Nangate 45 nm and SkyWater 130 nm. `synth -flatten; abc -g simple` yields such a module.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::bus::group_bits;
use super::draft::{Draft, DraftPort, Flaw, Wire};
use super::library::{LibraryCell, is_supply_pin};
use super::read_error::{Fault, Problem, ReadError, Span, check_length, line_number};
use super::{CellKind, Netlist};

#[derive(Deserialize)]
struct Design {
    modules: Ordered<Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    attributes: HashMap<String, serde_json::Value>,
    #[serde(default = "Ordered::empty")]
    ports: Ordered<Port>,
    #[serde(default = "Ordered::empty")]
    cells: Ordered<Cell>,
    #[serde(default = "Ordered::empty")]
    netnames: Ordered<NetName>,
}

#[derive(Deserialize)]
struct Port {
    direction: String,
    bits: Vec<Bit>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    connections: HashMap<String, Vec<Bit>>,
}

#[derive(Deserialize)]
struct NetName {
    bits: Vec<Bit>,
}

/// A net by number, or a constant: `"0"`, `"1"`, `"x"`, `"z"`.
#[derive(Deserialize, Clone, PartialEq, Eq)]
#[serde(untagged)]
enum Bit {
    Net(u64),
    Constant(String),
}

/// A JSON object in the order of the file: the order of ports is the order of operands.
struct Ordered<T>(Vec<(String, T)>);

impl<T> Ordered<T> {
    fn empty() -> Self {
        Ordered(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads module `top` of a Yosys JSON netlist, or the module marked as top, or the only one with cells.
///
/// Places in errors are those of the name concerned, where it first stands in the text.
///
/// # Errors
/// If the text is no such JSON, the module has cells that are no combinational gates, or it is no combinational
/// circuit.
pub fn read(text: &[u8], top: Option<&str>) -> Result<Netlist, ReadError> {
    let read = || {
        check_length(text)?;
        let design: Design = serde_json::from_slice(text).map_err(|error| malformed(text, &error))?;
        let (name, module) = choose_top(&design, top)?;
        Reader::new(text, name, module).read()
    };
    read().map_err(|fault| fault.locate(text))
}

fn malformed(text: &[u8], error: &serde_json::Error) -> Fault {
    let before = text.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
    let at = before.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
    let place = format!(" at line {} column {}", error.line(), error.column());
    let found = error.to_string().replace(&place, "");
    let span = Span { start: at as u32, end: at as u32 + 1 };
    Fault::new(span, Problem::Syntax { expected: "a Yosys JSON netlist".into(), found })
}

fn choose_top<'d>(design: &'d Design, asked: Option<&str>) -> Result<(&'d str, &'d Module), Fault> {
    let modules = &design.modules.0;
    let chosen: Vec<&(String, Module)> = match asked {
        Some(asked) => modules.iter().filter(|(name, _)| name == asked).collect(),
        None => {
            let marked = modules.iter().filter(|(_, module)| module.attributes.contains_key("top"));
            let marked: Vec<_> = marked.collect();
            let with_cells = || modules.iter().filter(|(_, module)| !module.cells.0.is_empty()).collect::<Vec<_>>();
            match (&marked[..], &modules[..]) {
                ([_, ..], _) => marked,
                ([], [only]) => vec![only],
                ([], _) => with_cells(),
            }
        }
    };
    let names = |modules: &[&(String, Module)]| modules.iter().map(|(name, _)| name.clone()).collect();
    match chosen[..] {
        [(name, module)] => Ok((name, module)),
        [] => {
            let present = names(&modules.iter().collect::<Vec<_>>());
            Err(Fault::new(Span::default(), Problem::NoTop { asked: asked.map(String::from), present }))
        }
        _ => Err(Fault::new(Span::default(), Problem::AmbiguousTop { candidates: names(&chosen) })),
    }
}

struct Reader<'d> {
    text: &'d [u8],
    name: &'d str,
    module: &'d Module,
    draft: Draft,
    wires: HashMap<u64, Wire>,
    /// Net numbers, in order of their wires.
    names: Vec<(Wire, u64)>,
}

/// Parsing keeps no places. Until an error needs one, a span holds the position of a port or cell in the module:
/// ports count from 0, cells follow.
fn entry(position: usize) -> Span {
    Span { start: position as u32, end: position as u32 }
}

impl<'d> Reader<'d> {
    fn new(text: &'d [u8], name: &'d str, module: &'d Module) -> Self {
        Reader { text, name, module, draft: Draft::new(), wires: HashMap::new(), names: Vec::new() }
    }

    fn read(mut self) -> Result<Netlist, Fault> {
        self.module().map_err(|fault| Fault { at: self.place(fault.at), ..fault })
    }

    fn module(&mut self) -> Result<Netlist, Fault> {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for (position, (name, port)) in self.module.ports.0.iter().enumerate() {
            let at = entry(position);
            let wires: Vec<Wire> = port.bits.iter().map(|bit| self.wire(bit)).collect();
            match port.direction.as_str() {
                "input" => {
                    for &wire in &wires {
                        self.draft.input(wire, at).map_err(|first| self.driven_twice(wire, at, first))?;
                    }
                    inputs.push(DraftPort { name: name.clone(), wires, at });
                }
                "output" => outputs.push(DraftPort { name: name.clone(), wires, at }),
                _ => {
                    let construct = format!("the `{}` port `{name}`", port.direction);
                    return Err(Fault::new(at, Problem::Unsupported { construct }));
                }
            }
        }
        for (position, (name, cell)) in self.module.cells.0.iter().enumerate() {
            let at = entry(self.module.ports.0.len() + position);
            self.cell(name, cell, at)?;
            self.draft.within_limits().map_err(|problem| Fault::new(at, problem))?;
        }
        let draft = std::mem::replace(&mut self.draft, Draft::new());
        draft.finish(self.name, &group_bits(&inputs), &group_bits(&outputs)).map_err(|flaw| match flaw {
            Flaw::TooLarge(problem) => Fault::new(Span::default(), problem),
            Flaw::Undriven { wire, at } => Fault::new(at, Problem::Undriven { net: self.net_name(wire) }),
            Flaw::Loop { wires, at } => {
                let nets = wires.iter().map(|&wire| self.net_name(wire)).collect();
                Fault::new(at, Problem::CombinationalLoop { nets })
            }
        })
    }

    fn cell(&mut self, name: &str, cell: &Cell, at: Span) -> Result<(), Fault> {
        if cell.kind == "$fa" {
            return self.full_adders(name, cell, at);
        }
        let not_a_gate = || Fault::new(at, Problem::NotAGate { cell: cell.kind.clone() });
        let library = LibraryCell::find(&cell.kind).ok_or_else(not_a_gate)?;
        let output_pins: Vec<&str> = library.outputs().iter().copied().filter(|pin| !pin.is_empty()).collect();
        let known = |pin: &str| library.inputs().iter().any(|input| input == pin) || output_pins.contains(&pin);
        let mut unknown: Vec<&String> =
            cell.connections.keys().filter(|pin| !known(pin) && !is_supply_pin(pin)).collect();
        unknown.sort_unstable();
        if let Some(pin) = unknown.first() {
            let pins = library.inputs().iter().map(String::as_str).chain(output_pins).map(String::from).collect();
            let problem = Problem::UnknownPin { module: cell.kind.clone(), pin: (*pin).clone(), pins };
            return Err(Fault::new(at, problem));
        }
        let mut inputs = Vec::with_capacity(library.inputs().len());
        for pin in library.inputs() {
            inputs.push(self.input_pin(name, cell, pin, 1, at)?[0]);
        }
        let values = library.build(&mut self.draft, &inputs, at);
        for (pin, value) in library.outputs().iter().zip(values) {
            self.output_pin(cell, pin, &[value], at)?;
        }
        Ok(())
    }

    /// `$fa`: a carry-save row, A + B + C = Y + 2·X.
    fn full_adders(&mut self, name: &str, cell: &Cell, at: Span) -> Result<(), Fault> {
        let width = cell.connections.get("A").map_or(0, Vec::len);
        let mut pins = Vec::with_capacity(3);
        for pin in ["A", "B", "C"] {
            pins.push(self.input_pin(name, cell, pin, width, at)?);
        }
        let bits = (0..width).map(|bit| [pins[0][bit], pins[1][bit], pins[2][bit]]);
        let sums: Vec<Wire> = bits.map(|bits| self.draft.cell(CellKind::FullAdder, &bits, at)).collect();
        let carries: Vec<Wire> = sums.iter().map(|sum| sum.offset(1)).collect();
        self.output_pin(cell, "Y", &sums, at)?;
        self.output_pin(cell, "X", &carries, at)
    }

    fn input_pin(&mut self, name: &str, cell: &Cell, pin: &str, width: usize, at: Span) -> Result<Vec<Wire>, Fault> {
        let bits = cell.connections.get(pin).filter(|bits| !bits.is_empty());
        let undriven = || Fault::new(at, Problem::Undriven { net: format!("{name}.{pin}") });
        let bits = bits.ok_or_else(undriven)?;
        check_width(cell, pin, width, bits.len(), at)?;
        Ok(bits.iter().map(|bit| self.wire(bit)).collect())
    }

    fn output_pin(&mut self, cell: &Cell, pin: &str, values: &[Wire], at: Span) -> Result<(), Fault> {
        let Some(bits) = cell.connections.get(pin).filter(|bits| !bits.is_empty()) else { return Ok(()) };
        check_width(cell, pin, values.len(), bits.len(), at)?;
        for (bit, &value) in bits.iter().zip(values) {
            let target = self.wire(bit);
            self.draft.connect(target, value, at).map_err(|first| self.driven_twice(target, at, first))?;
        }
        Ok(())
    }

    /// The wire of a bit.
    fn wire(&mut self, bit: &Bit) -> Wire {
        match bit {
            Bit::Constant(value) if value == "0" => Wire::ZERO,
            Bit::Constant(value) if value == "1" => Wire::ONE,
            Bit::Constant(_) => Wire::UNKNOWN,
            Bit::Net(number) => *self.wires.entry(*number).or_insert_with(|| {
                let wire = self.draft.wires(1);
                self.names.push((wire, *number));
                wire
            }),
        }
    }

    fn driven_twice(&self, wire: Wire, at: Span, first: Span) -> Fault {
        let first_line = line_number(self.text, self.place(first).start as usize);
        Fault::new(at, Problem::DrivenTwice { net: self.net_name(wire), first_line })
    }

    fn net_name(&self, wire: Wire) -> String {
        let found = self.names.binary_search_by_key(&wire.index(), |(wire, _)| wire.index());
        let Ok(found) = found else { return "an unknown value".into() };
        let (_, number) = self.names[found];
        for (name, net) in &self.module.netnames.0 {
            if let Some(bit) = net.bits.iter().position(|bit| *bit == Bit::Net(number)) {
                return if net.bits.len() == 1 { name.clone() } else { format!("{name}[{bit}]") };
            }
        }
        format!("net {number}")
    }

    /// Where the name of a port or cell stands in the text.
    fn place(&self, entry: Span) -> Span {
        let ports = self.module.ports.0.iter().map(|(name, _)| ("ports", name));
        let cells = self.module.cells.0.iter().map(|(name, _)| ("cells", name));
        let Some((section, name)) = ports.chain(cells).nth(entry.start as usize) else { return Span::default() };
        let mut span = Span::default();
        for key in [self.name, section, name] {
            let quoted = serde_json::to_string(key).unwrap_or_default();
            let rest = &self.text[span.end as usize..];
            let Some(found) = rest.windows(quoted.len()).position(|window| window == quoted.as_bytes()) else {
                break;
            };
            let start = span.end + found as u32;
            span = Span { start, end: start + quoted.len() as u32 };
        }
        span
    }
}

fn check_width(cell: &Cell, pin: &str, expected: usize, found: usize, at: Span) -> Result<(), Fault> {
    if expected == found {
        return Ok(());
    }
    let what = format!("pin `{pin}` of `{}`", cell.kind);
    Err(Fault::new(at, Problem::WidthMismatch { what, expected, found }))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// `p = a * b` of four bits, by the command that errors recommend; attributes and hidden names taken off.
    const MULTIPLIER: &str = include_str!("../../tests/data/multiplier4.json");

    #[test]
    fn a_synthesised_multiplier_multiplies() {
        let netlist = read(MULTIPLIER.as_bytes(), None).unwrap();
        assert_eq!(
            (netlist.name(), netlist.inputs()[0].name(), netlist.outputs()[0].width()),
            ("multiplier4", "a", 8)
        );
        for code in 0..256 {
            assert_eq!(netlist.evaluate(&[code >> 4, code & 15]), [(code >> 4) * (code & 15)]);
        }
    }

    /// A module with inputs z and a (in that order) and output y, and the given cells.
    fn module(cells: &str) -> String {
        format!(
            r#"{{"modules":{{"m":{{"ports":{{"z":{{"direction":"input","bits":[2,3]}},
            "a":{{"direction":"input","bits":[4,5]}},"y":{{"direction":"output","bits":[6,7,"1",3]}}}},
            "cells":{{{cells}}},"netnames":{{"w":{{"bits":[8,9]}}}}}}}}}}"#
        )
    }

    fn cell(name: &str, kind: &str, pins: &str) -> String {
        format!(r#""{name}":{{"type":"{kind}","connections":{{{pins}}}}}"#)
    }

    #[test]
    fn ports_keep_their_order_and_adders_stay_adders() {
        let adders = cell("row", "$fa", r#""A":[2,3],"B":[4,5],"C":["0",8],"X":[8,9],"Y":[6,7]"#);
        let netlist = read(module(&adders).as_bytes(), None).unwrap();
        assert_eq!(netlist.inputs()[0].name(), "z");
        assert_eq!(netlist.cell_counts().into_iter().collect::<Vec<_>>(), [(CellKind::FullAdder, 2)]);
        for code in 0..16 {
            let (z, a) = (code & 3, code >> 2);
            assert_eq!(netlist.evaluate(&[z, a]), [(z + a) & 3 | 4 | z >> 1 << 3]);
        }
    }

    #[test]
    fn gates_of_yosys_and_of_libraries() {
        let gates = [
            cell("g", "$_AOI4_", r#""A":[2],"B":[3],"C":[4],"D":[5],"Y":[6]"#),
            cell("l", "sky130_fd_sc_hd__nand2b_1", r#""A_N":[2],"B":[4],"Y":[7],"VPWR":[99]"#),
        ];
        let netlist = read(module(&gates.join(",")).as_bytes(), Some("m")).unwrap();
        for code in 0..16 {
            let bit = |index: u64| code >> index & 1;
            let y = (1 - (bit(0) & bit(1) | bit(2) & bit(3))) | (1 - ((1 - bit(0)) & bit(2))) << 1 | 4 | bit(1) << 3;
            assert_eq!(netlist.evaluate(&[code & 3, code >> 2]), [y]);
        }
    }

    #[test]
    fn errors_name_cell_and_problem() {
        let error = |cells: &str| {
            let text = module(&format!("{cells},\n{}", cell("ok", "$_NOT_", r#""A":[2],"Y":[7]"#)));
            let error = read(text.as_bytes(), None).unwrap_err();
            (text[error.bytes()].to_string(), error.problem().to_string())
        };
        let bad = |kind: &str, pins: &str| error(&cell("bad", kind, pins));
        let at = |place: &str, message: &str| (format!("\"{place}\""), message.to_string());
        assert_eq!(bad("$dff", ""), at("bad", "cell type `$dff` is not a combinational gate"));
        assert_eq!(bad("$add", ""), at("bad", "cell type `$add` is not a combinational gate"));
        assert_eq!(bad("$_NOT_", r#""A":[2],"Q":[6]"#), at("bad", "`$_NOT_` has no `Q`; it has A, Y"));
        assert_eq!(bad("$_NOT_", r#""Y":[6]"#), at("bad", "`bad.A` is read but nothing drives it"));
        assert_eq!(
            bad("$_NOT_", r#""A":["x"],"Y":[6]"#),
            at("bad", "`an unknown value` is read but nothing drives it")
        );
        assert_eq!(bad("$_NOT_", r#""A":[9],"Y":[6]"#), at("bad", "`w[1]` is read but nothing drives it"));
        assert_eq!(
            bad("$_NOT_", r#""A":[2,3],"Y":[6]"#),
            at("bad", "pin `A` of `$_NOT_` has 1 bits, what is connected has 2")
        );
        assert_eq!(bad("$_NOT_", r#""A":[2],"Y":[2]"#), at("bad", "`net 2` has a driver already, at line 1"));
        assert_eq!(bad("$_NOT_", r#""A":[6],"Y":[6]"#), at("bad", "combinational loop through net 6"));
        assert_eq!(bad("$_NOT_", r#""A":[2],"Y":[9]"#), at("y", "`net 6` is read but nothing drives it"));
        let remedy = read(module(&cell("bad", "$add", "")).as_bytes(), None).unwrap_err().remedy();
        assert!(remedy.contains("abc -g simple; write_json"), "{remedy}");
    }

    #[test]
    fn the_top_is_marked_or_named_or_alone() {
        let two = MULTIPLIER.replacen("\"modules\":{", "\"modules\":{\"other\":{\"ports\":{},\"cells\":{}},", 1);
        assert_eq!(read(two.as_bytes(), None).unwrap().name(), "multiplier4");
        assert_eq!(read(two.as_bytes(), Some("other")).unwrap().name(), "other");
        let error = read(two.as_bytes(), Some("third")).unwrap_err();
        assert_eq!(error.remedy(), "Choose one of other, multiplier4.");
    }

    #[test]
    fn text_that_is_no_netlist_is_refused() {
        let error = read(b"{\n  \"modules\": [1]\n}", None).unwrap_err();
        assert_eq!(error.line(), 2);
        assert!(read(&b"[".repeat(100_000), None).is_err());
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..300 {
            let mut text = MULTIPLIER.as_bytes().to_vec();
            let at = random.random_range(0..text.len());
            match random.random_range(0..3) {
                0 => text.truncate(at),
                1 => drop(text.remove(at)),
                _ => text[at] = b"0179\"[]{},:xz-"[random.random_range(0..14)],
            }
            // Read or refused, never a panic.
            let _ = read(&text, None);
        }
    }
}
