//! Multiplier designs: what they compute and how they are built from gates.

mod table;

pub use table::{ProductTable, operand_value};
