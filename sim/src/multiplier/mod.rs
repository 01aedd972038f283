//! Multiplier designs: what they compute and how they are built from gates.
//!
//! A [`MultiplierSpec`] names a [`Family`] with its parameters and the operands' widths. Every family is written twice:
//! as a generator of gates ([`MultiplierSpec::netlist`]) and, independently, as the arithmetic its authors published
//! ([`MultiplierSpec::product`]). The two agree on every operand pair.
//!
//! ```
//! use axtrain_sim::multiplier::{Family, MultiplierSpec};
//!
//! let spec = MultiplierSpec::new("low", Family::OperandTruncated { a: 2, b: 0 }, 4, 4, false)?;
//! assert_eq!(spec.product(7, 5), 4 * 5);
//! assert_eq!(spec.netlist().evaluate(&[7, 5]), [20]);
//! # Ok::<(), axtrain_sim::multiplier::SpecError>(())
//! ```

mod adder;
mod array;
mod family;
mod incomplete_array;
mod partial_product;
mod spec;
mod table;

pub use adder::{FinalAdder, adder_netlist};
pub use family::Family;
pub use spec::{MultiplierSpec, SpecError, Violation};
pub use table::{ProductTable, operand_value};
