//! The netlist as Verilog with the very delays the timed engine uses, so that any Verilog simulator can contradict it.

use super::timed::DelayMode;
use crate::netlist::{Cell, CellKind, Delays, EdgeDelay, NetId, Netlist, Port};
use std::fmt::Write;

/// Delays that Verilog's statements cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{netlist}: {reason}")]
pub struct Inexpressible {
    netlist: String,
    reason: &'static str,
}

/// One module with a delay for every output of every cell, in picoseconds.
///
/// Under inertial delay, cells that are Verilog primitives are written as such with `#(rise, fall)`; the others as a
/// function without delay, followed by a delayed continuous assignment. Under transport delay every output is a
/// nonblocking assignment with an intra-assignment delay. Both evaluate a cell once for all changes of one instant, as
/// the engine does: a function spread over several delay-free gates may show them one by one, which would restart
/// inertial delays.
///
/// # Errors
/// If delays differ between the pins of a cell, or, under transport, between rise and fall: a nonblocking assignment
/// does not withdraw a later one that was scheduled before it.
pub fn timed_verilog(netlist: &Netlist, delays: &Delays, mode: DelayMode) -> Result<String, Inexpressible> {
    let names = Names::new(netlist);
    let mut text = String::from("`timescale 1ps/1ps\n");
    let ports = netlist.inputs().iter().map(|port| ("input", port));
    let ports = ports.chain(netlist.outputs().iter().map(|port| ("output", port)));
    let ports = ports.map(|(direction, port)| {
        format!("\n  {direction} [{}:0] {}", port.width().saturating_sub(1), identifier(port.name()))
    });
    let ports: Vec<String> = ports.collect();
    write_line(&mut text, format_args!("module {}({}\n);", identifier(netlist.name()), ports.join(",")));
    for port in netlist.inputs() {
        for (bit, &net) in port.nets().iter().enumerate() {
            let name = names.net(net);
            write_line(&mut text, format_args!("  wire {name} = {};", bit_select(port, bit)));
        }
    }
    for cell in netlist.cells() {
        for (pin, net) in cell.outputs().enumerate() {
            let delay = delays.pin_independent(cell, net).ok_or_else(|| Inexpressible {
                netlist: netlist.name().into(),
                reason: "delays that differ between the pins of a cell need a specify block, which simulators treat \
                         differently; export one delay for all pins",
            })?;
            match mode {
                DelayMode::Inertial => write_inertial(&mut text, &names, cell, pin, net, delay),
                DelayMode::Transport if delay.rise == delay.fall => {
                    let (name, function) = (names.net(net), function(&names, cell, pin));
                    write_line(&mut text, format_args!("  reg {name};"));
                    let delay = delay.rise.0;
                    write_process(&mut text, cell, format_args!("{name} <= #{delay} {function};"));
                }
                DelayMode::Transport => {
                    return Err(Inexpressible {
                        netlist: netlist.name().into(),
                        reason: "transport delays that differ between rise and fall cannot be written in Verilog; \
                                 export one delay for both edges, or inertial delays",
                    });
                }
            }
        }
    }
    for port in netlist.outputs() {
        for (bit, &net) in port.nets().iter().enumerate() {
            let name = names.net(net);
            write_line(&mut text, format_args!("  assign {} = {name};", bit_select(port, bit)));
        }
    }
    text.push_str("endmodule\n");
    Ok(text)
}

fn write_inertial(text: &mut String, names: &Names, cell: &Cell, pin: usize, net: NetId, delay: EdgeDelay) {
    let (name, rise, fall) = (names.net(net), delay.rise.0, delay.fall.0);
    write_line(text, format_args!("  wire {name};"));
    if let Some(primitive) = primitive(cell.kind(), pin) {
        let inputs: Vec<String> = cell.inputs().iter().map(|&net| names.net(net)).collect();
        let index = net.index();
        let instance = format!("{}{index}", names.gate_prefix);
        write_line(text, format_args!("  {primitive} #({rise}, {fall}) {instance}({name}, {});", inputs.join(", ")));
    } else {
        let settled = format!("{}{}", names.function_prefix, net.index());
        write_line(text, format_args!("  reg {settled};"));
        write_process(text, cell, format_args!("{settled} = {};", function(names, cell, pin)));
        write_line(text, format_args!("  assign #({rise}, {fall}) {name} = {settled};"));
    }
}

/// A process that runs whenever an input of `cell` changes; once if none ever does.
fn write_process(text: &mut String, cell: &Cell, statement: std::fmt::Arguments<'_>) {
    let constant = cell.inputs().iter().all(|net| net.constant().is_some());
    write_line(text, format_args!("  {} {statement}", if constant { "initial" } else { "always @*" }));
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string can be written to");
}

/// The primitive that computes an output of a cell, if there is one.
fn primitive(kind: CellKind, pin: usize) -> Option<&'static str> {
    use CellKind::*;
    match (kind, pin) {
        (Buf, _) => Some("buf"),
        (Inv, _) => Some("not"),
        (And2, _) | (HalfAdder, 1) => Some("and"),
        (Or2, _) => Some("or"),
        (Nand2 | Nand3, _) => Some("nand"),
        (Nor2 | Nor3, _) => Some("nor"),
        (Xor2, _) | (HalfAdder, _) | (FullAdder, 0) => Some("xor"),
        (Xnor2, _) => Some("xnor"),
        _ => None,
    }
}

/// The function of an output as an expression.
fn function(names: &Names, cell: &Cell, pin: usize) -> String {
    use CellKind::*;
    let inputs = cell.inputs();
    let [a, b, c, d] = std::array::from_fn(|pin| inputs.get(pin).map_or(String::new(), |&net| names.net(net)));
    match (cell.kind(), pin) {
        (Buf, _) => a,
        (Inv, _) => format!("~{a}"),
        (And2, _) | (HalfAdder, 1) => format!("{a} & {b}"),
        (Or2, _) => format!("{a} | {b}"),
        (Nand2, _) => format!("~({a} & {b})"),
        (Nand3, _) => format!("~({a} & {b} & {c})"),
        (Nor2, _) => format!("~({a} | {b})"),
        (Nor3, _) => format!("~({a} | {b} | {c})"),
        (Xor2, _) | (HalfAdder, _) => format!("{a} ^ {b}"),
        (Xnor2, _) => format!("~({a} ^ {b})"),
        (Aoi21, _) => format!("~(({a} & {b}) | {c})"),
        (Aoi22, _) => format!("~(({a} & {b}) | ({c} & {d}))"),
        (Oai21, _) => format!("~(({a} | {b}) & {c})"),
        (Oai22, _) => format!("~(({a} | {b}) & ({c} | {d}))"),
        (Mux2, _) => format!("{c} ? {a} : {b}"),
        (MuxInv2, _) => format!("~({c} ? {a} : {b})"),
        (FullAdder, 1) => format!("({a} & {b}) | ({c} & ({a} | {b}))"),
        (FullAdder, _) => format!("{a} ^ {b} ^ {c}"),
    }
}

/// Names of nets that no port shares.
struct Names {
    net_prefix: String,
    gate_prefix: String,
    function_prefix: String,
}

impl Names {
    fn new(netlist: &Netlist) -> Self {
        let free = |wanted: &str| {
            let mut prefix = wanted.to_owned();
            while netlist.inputs().iter().chain(netlist.outputs()).any(|port| port.name().starts_with(&prefix)) {
                prefix.push('_');
            }
            prefix
        };
        Self { net_prefix: free("n"), gate_prefix: free("g"), function_prefix: free("f") }
    }

    fn net(&self, net: NetId) -> String {
        match net.constant() {
            Some(level) => format!("1'b{}", u8::from(level)),
            None => format!("{}{}", self.net_prefix, net.index()),
        }
    }
}

fn bit_select(port: &Port, bit: usize) -> String {
    format!("{}[{bit}]", identifier(port.name()))
}

/// The name as an escaped identifier unless it is a plain one; words of the language are escaped too.
fn identifier(name: &str) -> String {
    const WORDS: [&str; 24] = [
        "always",
        "and",
        "assign",
        "begin",
        "buf",
        "case",
        "else",
        "end",
        "for",
        "if",
        "initial",
        "input",
        "module",
        "nand",
        "nor",
        "not",
        "or",
        "output",
        "parameter",
        "reg",
        "time",
        "wire",
        "xnor",
        "xor",
    ];
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name);
    if plain { name.to_owned() } else { format!("\\{name} ") }
}
