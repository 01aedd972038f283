//! Berkeley Logic Interchange Format.

use super::{free_prefix, helper_name, input_pins, port_names, with_bits};
use crate::netlist::{CellKind, NetId, Netlist, Port};

/// The circuit as BLIF: a truth table for every gate.
///
/// Adders and buffers, which tables would dissolve, are `.subckt`s of helper models named `axtrain_…`.
/// [`crate::netlist::blif::read`] returns the same netlist, cell by cell. Bit `i` of a wider port `a` is called
/// `a[i]`. Characters BLIF cannot express become `_`, and a name that stands twice gets `_` appended.
pub fn to_blif(netlist: &Netlist) -> String {
    let names = port_names(netlist, legal);
    let (input_names, output_names) = names.split_at(netlist.inputs().len());
    let wire = free_prefix("n", &names);
    let mut model = legal(netlist.name());
    while model.starts_with("axtrain_") {
        model = format!("_{model}");
    }

    let constants = free_prefix("constant", &names);
    let mut net_names = vec![String::new(); netlist.net_count()];
    net_names[NetId::ZERO.index()] = format!("{constants}0");
    net_names[NetId::ONE.index()] = format!("{constants}1");
    let mut text = format!(".model {model}\n");
    let mut input_bits = Vec::new();
    for (port, name) in with_bits(netlist.inputs(), input_names) {
        for (net, bit) in port.nets().iter().zip(bit_names(port, name)) {
            net_names[net.index()].clone_from(&bit);
            input_bits.push(bit);
        }
    }
    let outputs: Vec<_> = with_bits(netlist.outputs(), output_names).collect();
    let output_bits: Vec<String> = outputs.iter().flat_map(|(port, name)| bit_names(port, name)).collect();
    write_list(&mut text, ".inputs", &input_bits);
    write_list(&mut text, ".outputs", &output_bits);
    for (index, net) in netlist.cells().iter().flat_map(|cell| cell.outputs()).enumerate() {
        net_names[net.index()] = format!("{wire}{index}");
    }
    text += &format!(".names {constants}0\n.names {constants}1\n1\n");

    for cell in netlist.cells() {
        let name_of = |net: NetId| net_names[net.index()].as_str();
        let nets: Vec<&str> = cell.inputs().iter().copied().chain(cell.outputs()).map(name_of).collect();
        if is_helper(cell.kind()) {
            let pins = input_pins(cell.kind()).iter().chain(cell.kind().output_names());
            let pins: Vec<String> = pins.zip(nets).map(|(pin, net)| format!("{pin}={net}")).collect();
            text += &format!(".subckt {} {}\n", helper_name(cell.kind()), pins.join(" "));
        } else {
            write_table(&mut text, cell.kind(), 0, &nets);
        }
    }
    let output_nets = outputs.iter().flat_map(|(port, _)| port.nets());
    for (net, bit) in output_nets.zip(&output_bits) {
        text += &format!(".names {} {bit}\n1 1\n", net_names[net.index()]);
    }
    text += ".end\n";
    for kind in netlist.cell_counts().into_keys().filter(|&kind| is_helper(kind)) {
        let (inputs, outputs) = (input_pins(kind), kind.output_names());
        text += &format!("\n.model {}\n", helper_name(kind));
        text += &format!(".inputs {}\n.outputs {}\n", inputs.join(" "), outputs.join(" "));
        for (pin, output) in outputs.iter().enumerate() {
            write_table(&mut text, kind, pin, &[inputs, &[output]].concat());
        }
        text += ".end\n";
    }
    text
}

/// Whether a table would lose the cell: a table has one output, and one that copies its input is a wire.
fn is_helper(kind: CellKind) -> bool {
    matches!(kind, CellKind::Buf | CellKind::HalfAdder | CellKind::FullAdder)
}

/// `.names` with the rows for which output `pin` is one.
fn write_table(text: &mut String, kind: CellKind, pin: usize, nets: &[&str]) {
    *text += &format!(".names {}\n", nets.join(" "));
    for row in (0..1u32 << kind.inputs()).filter(|row| kind.truth_table(pin) >> row & 1 == 1) {
        let pattern = (0..kind.inputs()).map(|input| if row >> input & 1 == 1 { '1' } else { '0' });
        *text += &format!("{} 1\n", pattern.collect::<String>());
    }
}

/// A directive with many names, in lines joined by `\`.
fn write_list(text: &mut String, directive: &str, names: &[String]) {
    *text += directive;
    for (index, name) in names.iter().enumerate() {
        *text += if index > 0 && index % 16 == 0 { " \\\n " } else { " " };
        *text += name;
    }
    text.push('\n');
}

fn bit_names(port: &Port, name: &str) -> Vec<String> {
    match port.width() {
        1 => vec![name.into()],
        width => (0..width).map(|bit| format!("{name}[{bit}]")).collect(),
    }
}

/// `name` without blanks, `#` (a comment), `=` (a connection) and `\` (a continued line).
fn legal(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_graphic() && !['#', '=', '\\'].contains(&c);
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.is_empty() { "_".into() } else { name }
}
