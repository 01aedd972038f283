//! Structural Verilog: modules of gates, cells, instances and `assign`.
//!
//! Read is the combinational, structural part of Verilog-2005: modules with either port style and parameters,
//! vectors, gate primitives, instances by name or order, hierarchy, and assignments with all operators of constant
//! or two-valued meaning. Additions become ripple-carry adders of half- and full-adder cells, products arrays of
//! them. `assign y = a;` is a connection, not a cell.
//!
//! Helper modules are used as the file defines them; one that consists of assignments and computes exactly what one
//! cell computes becomes that cell. Instances of modules the file does not define are looked up among the cells of
//! FreePDK45, Nangate 45 nm and SkyWater 130 nm.
//!
//! Not read, with an error that names line, construct and a Yosys command that turns the design into a netlist:
//! processes, registers, functions, `generate`, arrays, tri-state nets, macros. Delays and `specify`
//! blocks are skipped: the technology gives delays.

mod elaborate;
mod expression;
mod keywords;
mod lexer;
mod lowering;
mod number;
mod operators;
mod parser;
mod scope;
mod syntax;
#[cfg(test)]
mod tests;

pub(super) use keywords::is_keyword;

use super::Netlist;
use super::read_error::{ReadError, check_length};

/// Reads module `top` of a Verilog file, or the module that no other instantiates.
///
/// Ports come in the order of the module header. Text need not be UTF-8 inside comments.
///
/// ```
/// use axtrain_sim::netlist::verilog;
///
/// let adder = "module add(input [1:0] a, b, output [2:0] s); assign s = a + b; endmodule";
/// let adder = verilog::read(adder.as_bytes(), None)?;
/// assert_eq!(adder.evaluate(&[3, 2]), [5]);
/// # Ok::<(), axtrain_sim::netlist::ReadError>(())
/// ```
///
/// # Errors
/// If the text is no Verilog, uses more than the subset, or describes no combinational circuit.
pub fn read(text: &[u8], top: Option<&str>) -> Result<Netlist, ReadError> {
    let read = || {
        check_length(text)?;
        let tokens = lexer::tokenise(text)?;
        let file = parser::parse(&tokens)?;
        elaborate::elaborate(&file, top, text)
    };
    read().map_err(|fault| fault.locate(text))
}
