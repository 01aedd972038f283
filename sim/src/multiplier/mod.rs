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
mod booth;
mod catalogue;
mod coding;
mod compressor_tree;
mod corrected_log;
mod dynamic_segment;
mod family;
mod given;
mod incomplete_array;
mod iterative_log;
mod logarithm;
mod mitchell;
mod partial_product;
mod reduction;
mod roba;
mod sign_magnitude;
mod spec;
mod static_segment;
mod table;
mod table_file;
mod tabulated;
mod tosam;
mod tree;
mod underdesigned;
mod word;

pub use adder::{FinalAdder, adder_netlist, sum_and_carry};
pub use booth::BoothEncoder;
pub use catalogue::{CATALOGUE, CatalogueEntry, designs};
pub use coding::{Coding, NumberFormat};
pub use compressor_tree::Compressor;
pub use family::Family;
pub use given::{Multiplier, NotMagnitudes, NotMultiplier};
pub use spec::{MultiplierSpec, SpecError, Violation};
pub use table::{ProductTable, operand_value};
pub use table_file::TableFileError;
pub use tabulated::{AnyMultiplier, NoGates, TabulatedMultiplier};
