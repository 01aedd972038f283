//! Tests of the Verilog reader as a whole.

mod cells;
mod errors;
mod expressions;
mod hostile;
mod structure;

use std::collections::BTreeMap;

use super::read;
use crate::netlist::{CellKind, Netlist};

fn circuit(text: &str) -> Netlist {
    read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{}\n{text}", error.remedy()))
}

/// A module with inputs a (8 bits), b (8 bits), c (1 bit) and output y, a line `body`.
fn function(width: usize, body: &str) -> Netlist {
    circuit(&format!("module m(input [7:0] a, b, input c, output [{}:0] y);\n{body}\nendmodule", width - 1))
}

fn counts(kinds: &[(CellKind, usize)]) -> BTreeMap<CellKind, usize> {
    kinds.iter().copied().collect()
}
