//! Netlists to text that other tools read.

mod blif;
mod verilog;

pub use blif::to_blif;
pub use verilog::to_verilog;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::{CellKind, Netlist, Port};

/// Distinct names for the ports of `netlist`, in order (inputs first). `legal` makes a name one the format allows.
fn port_names(netlist: &Netlist, legal: impl Fn(&str) -> String) -> Vec<String> {
    let mut used = HashSet::new();
    let mut names = Vec::new();
    for port in netlist.inputs().iter().chain(netlist.outputs()) {
        let mut name = legal(port.name());
        while !used.insert(name.clone()) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

/// A prefix for numbered names that none of `names` starts with.
fn free_prefix(wanted: &str, names: &[String]) -> String {
    let mut prefix = wanted.to_string();
    while names.iter().any(|name| name.starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}

/// Ports that have bits; a port without any has no form in either format.
fn with_bits<'n>(ports: &'n [Port], names: &'n [String]) -> impl Iterator<Item = (&'n Port, &'n str)> {
    ports.iter().zip(names).map(|(port, name)| (port, name.as_str())).filter(|(port, _)| port.width() > 0)
}

/// The helper module that stands for a cell kind.
fn helper_name(kind: CellKind) -> String {
    format!("axtrain_{}", kind.name().replace('-', "_"))
}

/// Pin names of a cell's inputs.
fn input_pins(kind: CellKind) -> &'static [&'static str] {
    &["a", "b", "c", "d"][..kind.inputs()]
}
