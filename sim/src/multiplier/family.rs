//! The multiplier families by name.

use super::FinalAdder;
use super::array::{Array, OperandTruncated};
use super::incomplete_array::IncompleteArray;
use super::spec::{Operands, Violation};
use crate::netlist::{NetId, NetlistBuilder};
use serde::{Deserialize, Serialize};

/// A family of multipliers with its parameters, as design files write it: `family = "broken-array"`,
/// `parameters = { horizontal = 2, vertical = 5 }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "family", content = "parameters", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Family {
    /// Exact carry-save array.
    Array,
    /// Array without its lowest columns.
    Truncated {
        /// Columns left out.
        columns: u32,
    },
    /// Low bits of the operands tied to 0.
    OperandTruncated {
        /// Bits of `a` tied to 0.
        a: u32,
        /// Bits of `b` tied to 0.
        b: u32,
    },
    /// Array without rows of small weight and its lowest columns.
    BrokenArray {
        /// Rows (bits of `b`) left out from below.
        horizontal: u32,
        /// Columns left out.
        vertical: u32,
    },
    /// Array without some consecutive rows.
    Perforated {
        /// First row (bit of `b`) left out.
        start: u32,
        /// Rows left out.
        rows: u32,
    },
}

impl Family {
    /// Name in design files.
    pub fn name(&self) -> &'static str {
        match self {
            Family::Array => "array",
            Family::Truncated { .. } => "truncated",
            Family::OperandTruncated { .. } => "operand-truncated",
            Family::BrokenArray { .. } => "broken-array",
            Family::Perforated { .. } => "perforated",
        }
    }

    /// Whether the family ends in a carry-propagate adder that can be chosen.
    pub fn has_final_adder(&self) -> bool {
        false
    }

    /// The implementation.
    pub(super) fn multiplier(&self, _final_adder: FinalAdder) -> Box<dyn Multiplier> {
        match *self {
            Family::Array => Box::new(Array),
            Family::Truncated { columns } => Box::new(IncompleteArray::Truncated { columns }),
            Family::OperandTruncated { a, b } => Box::new(OperandTruncated { a, b }),
            Family::BrokenArray { horizontal, vertical } => {
                Box::new(IncompleteArray::Broken { horizontal, vertical })
            }
            Family::Perforated { start, rows } => Box::new(IncompleteArray::Perforated { start, rows }),
        }
    }
}

/// What a family is: its limits, its gates and, written independently of them, its arithmetic.
pub(super) trait Multiplier {
    /// Refuses widths and parameters for which the family is not defined.
    fn validate(&self, operands: Operands) -> Result<(), Violation>;

    /// Gates for the product of `a` and `b`; returns its width_a + width_b bits.
    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId>;

    /// The product of two operand values; the caller takes it modulo 2^(width_a + width_b).
    fn product(&self, operands: Operands, a: i64, b: i64) -> i64;
}
