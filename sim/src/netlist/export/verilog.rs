//! Structural Verilog.

use std::fmt::Write;

use super::{free_prefix, helper_name, input_pins, port_names, with_bits};
use crate::netlist::{CellKind, NetId, Netlist, verilog};

/// The circuit as one structural Verilog module, and a helper module for every other kind of cell it uses.
///
/// Simple gates are gate primitives; adders, multiplexers and and-or-invert gates are instances of helpers named
/// `axtrain_…`, which state their function by assignments. [`verilog::read`] returns the same netlist, cell by cell.
/// Port names that are no identifiers are escaped; characters Verilog cannot express become `_`, and a name that
/// stands twice gets `_` appended.
pub fn to_verilog(netlist: &Netlist) -> String {
    let names = port_names(netlist, legal);
    let (input_names, output_names) = names.split_at(netlist.inputs().len());
    let inputs = with_bits(netlist.inputs(), input_names);
    let outputs = with_bits(netlist.outputs(), output_names);
    let (wire, gate) = (free_prefix("n", &names), free_prefix("g", &names));
    let mut module = legal(netlist.name());
    while module.starts_with("axtrain_") {
        module = format!("_{module}");
    }

    let mut net_names = vec![String::new(); netlist.net_count()];
    net_names[NetId::ZERO.index()] = "1'b0".into();
    net_names[NetId::ONE.index()] = "1'b1".into();
    let mut headers = Vec::new();
    for (port, name) in inputs {
        headers.push(format!("  input {}{}", range(port.width()), escaped(name)));
        for (bit, net) in port.nets().iter().enumerate() {
            net_names[net.index()] = bit_name(name, bit, port.width());
        }
    }
    let mut connections = String::new();
    let mut wires = Vec::new();
    for net in netlist.cells().iter().flat_map(|cell| cell.outputs()) {
        net_names[net.index()] = format!("{wire}{}", wires.len());
        wires.push(net_names[net.index()].clone());
    }
    for (port, name) in outputs {
        headers.push(format!("  output {}{}", range(port.width()), escaped(name)));
        for (bit, net) in port.nets().iter().enumerate() {
            let target = bit_name(name, bit, port.width());
            connections += &format!("  assign {target} = {};\n", net_names[net.index()]);
        }
    }

    let mut text = format!("module {} (\n{}\n);\n", escaped(&module), headers.join(",\n"));
    for some in wires.chunks(16) {
        text += &format!("  wire {};\n", some.join(", "));
    }
    for (index, cell) in netlist.cells().iter().enumerate() {
        let kind = cell.kind();
        let name_of = |net: NetId| net_names[net.index()].as_str();
        let inputs = cell.inputs().iter().map(|&net| name_of(net));
        match primitive(kind) {
            Some(primitive) => {
                let terminals: Vec<&str> = cell.outputs().map(name_of).chain(inputs).collect();
                text += &format!("  {primitive} {gate}{index} ({});\n", terminals.join(", "));
            }
            None => {
                let pins = input_pins(kind).iter().chain(kind.output_names());
                let nets = inputs.chain(cell.outputs().map(name_of));
                let pins: Vec<String> = pins.zip(nets).map(|(pin, net)| format!(".{pin}({net})")).collect();
                text += &format!("  {} {gate}{index} ({});\n", helper_name(kind), pins.join(", "));
            }
        }
    }
    text += &connections;
    text += "endmodule\n";
    for kind in netlist.cell_counts().into_keys().filter(|&kind| primitive(kind).is_none()) {
        write_helper(&mut text, kind);
    }
    text
}

/// The gate primitive that is a cell kind.
fn primitive(kind: CellKind) -> Option<&'static str> {
    use CellKind::*;
    Some(match kind {
        Buf => "buf",
        Inv => "not",
        And2 => "and",
        Or2 => "or",
        Nand2 | Nand3 => "nand",
        Nor2 | Nor3 => "nor",
        Xor2 => "xor",
        Xnor2 => "xnor",
        Aoi21 | Aoi22 | Oai21 | Oai22 | Mux2 | MuxInv2 | HalfAdder | FullAdder => return None,
    })
}

fn write_helper(text: &mut String, kind: CellKind) {
    let formulas: &[&str] = match kind {
        CellKind::Aoi21 => &["~((a & b) | c)"],
        CellKind::Aoi22 => &["~((a & b) | (c & d))"],
        CellKind::Oai21 => &["~((a | b) & c)"],
        CellKind::Oai22 => &["~((a | b) & (c | d))"],
        CellKind::Mux2 => &["c ? a : b"],
        CellKind::MuxInv2 => &["~(c ? a : b)"],
        CellKind::HalfAdder => &["a ^ b", "a & b"],
        CellKind::FullAdder => &["a ^ b ^ c", "(a & b) | (c & (a | b))"],
        _ => unreachable!("{} is a gate primitive", kind.name()),
    };
    let ports = input_pins(kind).iter().map(|pin| format!("input {pin}"));
    let ports = ports.chain(kind.output_names().iter().map(|pin| format!("output {pin}")));
    let _ = writeln!(text, "\nmodule {} ({});", helper_name(kind), ports.collect::<Vec<_>>().join(", "));
    for (pin, formula) in kind.output_names().iter().zip(formulas) {
        let _ = writeln!(text, "  assign {pin} = {formula};");
    }
    text.push_str("endmodule\n");
}

fn range(width: usize) -> String {
    if width == 1 { String::new() } else { format!("[{}:0] ", width - 1) }
}

fn bit_name(name: &str, bit: usize, width: usize) -> String {
    if width == 1 { escaped(name) } else { format!("{}[{bit}]", escaped(name)) }
}

/// `name` with what even an escaped identifier cannot hold replaced.
fn legal(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    if name.is_empty() { "_".into() } else { name }
}

/// The identifier as it is written, an escaped one with the space that ends it.
fn escaped(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    let reserved = verilog::is_keyword(name) || RESERVED.split_ascii_whitespace().any(|word| word == name);
    if plain && !reserved { name.into() } else { format!("\\{name} ") }
}

/// Reserved words of IEEE 1364-2005 (annex B) and the more likely ones of IEEE 1800.
const RESERVED: &str = "always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign \
    default defparam design disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive \
    endspecify endtable endtask event for force forever fork function generate genvar highz0 highz1 if ifnone incdir \
    include initial inout input instance integer join large liblist library localparam macromodule medium module nand \
    negedge nmos nor noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown \
    pullup pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 \
    rtranif1 scalared showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task time tran \
    tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand weak0 weak1 while wire wor \
    xnor xor assert bit break byte chandle checker class clocking const constraint continue do endclass endpackage enum \
    export extends extern final foreach global iff import inside int interface let local logic longint new null package \
    packed priority program property protected pure rand ref return sequence shortint shortreal static string struct \
    super tagged this throughout type typedef union unique untyped var virtual void with within";
