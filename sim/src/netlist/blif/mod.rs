//! Berkeley Logic Interchange Format (University of California, Berkeley, 1992).
//!
//! Read are `.model`, `.inputs`, `.outputs`, `.names`, `.subckt`, `.gate` and `.conn`, with hierarchy. A truth table
//! that one cell computes becomes that cell, one that copies its input a connection, any other a sum of products. A
//! model of tables only that computes exactly what one cell computes is that cell, adders included. Cells that the
//! file does not define are looked up among those of FreePDK45, Nangate 45 nm, SkyWater 130 nm and Yosys. Ports
//! `a[0]`, `a[1]`, … become one port `a`.

mod cover;
mod elaborate;
mod parser;
#[cfg(test)]
mod tests;

use super::Netlist;
use super::read_error::{ReadError, check_length};

/// Reads model `top` of a BLIF file, or its first model.
///
/// ```
/// use axtrain_sim::netlist::blif;
///
/// let text = ".model half\n.inputs a b\n.outputs s c\n.names a b s\n10 1\n01 1\n.names a b c\n11 1\n.end";
/// let adder = blif::read(text.as_bytes(), None)?;
/// assert_eq!(adder.evaluate(&[1, 1]), [0, 1]);
/// # Ok::<(), axtrain_sim::netlist::ReadError>(())
/// ```
///
/// # Errors
/// If the text is no BLIF, holds latches, or describes no combinational circuit.
pub fn read(text: &[u8], top: Option<&str>) -> Result<Netlist, ReadError> {
    let read = || {
        check_length(text)?;
        let models = parser::parse(text)?;
        elaborate::elaborate(&models, top, text)
    };
    read().map_err(|fault| fault.locate(text))
}
