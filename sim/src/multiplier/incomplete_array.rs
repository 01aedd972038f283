//! Carry-save arrays with partial products left out: truncated, broken-array and perforated multipliers.
//!
//! Signed operands use Baugh–Wooley partial products; a bit left out reads 0 even where it would be complemented, and
//! the correction constants stay. On unsigned operands the product is therefore never above the exact one.

use super::array::carry_save_array;
use super::family::Multiplier;
use super::partial_product::{Omitted, PartialProducts};
use super::spec::{Operands, Violation, require};
use crate::netlist::{NetId, NetlistBuilder};

/// An array multiplier without some of its partial products a_i·b_j.
pub(super) enum IncompleteArray {
    /// Without the columns i + j < `columns`: unsigned `Σ_{i+j ≥ columns} a_i·b_j·2^(i+j)`.
    ///
    /// Schulte and Swartzlander, VLSI Signal Processing VI, 1993, without their correction. Signed and with 2, 3 or 4
    /// columns these are mul8s_1KVA, 1KVB and 1KX2 of EvoApproxLib (Mrazek et al., DATE 2017).
    Truncated { columns: u32 },
    /// Without the rows j < `horizontal` and the columns i + j < `vertical`.
    ///
    /// Mahdiani, Ahmadi, Fakhraie and Lucas, IEEE TCAS-I 57, 2010.
    Broken { horizontal: u32, vertical: u32 },
    /// Without `rows` rows from row `start` on: unsigned `a·(b − Σ_{start ≤ j < start+rows} b_j·2^j)`.
    ///
    /// Zervakis, Tsoumanis, Xydis, Soudris and Pekmestzi, IEEE TVLSI 24, 2016.
    Perforated { start: u32, rows: u32 },
}

impl IncompleteArray {
    fn partial_products(&self, operands: Operands) -> PartialProducts {
        let (columns, rows) = match *self {
            IncompleteArray::Truncated { columns } => (columns, 0..0),
            IncompleteArray::Broken { horizontal, vertical } => (vertical, 0..horizontal),
            IncompleteArray::Perforated { start, rows } => (0, start..start + rows),
        };
        PartialProducts::without(operands, Omitted { columns, rows })
    }
}

impl Multiplier for IncompleteArray {
    /// At least one partial product is kept.
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        let (columns, rows) = (operands.product_width() - 2, operands.width_b - 1);
        match *self {
            IncompleteArray::Truncated { columns: omitted } => require("columns", omitted, 0..=columns),
            IncompleteArray::Broken { horizontal, vertical } => {
                require("horizontal", horizontal, 0..=rows)?;
                require("vertical", vertical, 0..=columns)
            }
            IncompleteArray::Perforated { start, rows: omitted } => {
                require("start", start, 0..=rows)?;
                require("rows", omitted, 0..=rows.min(operands.width_b - start))
            }
        }
    }

    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        carry_save_array(circuit, &self.partial_products(operands), a, b)
    }

    fn product(&self, operands: Operands, a: i64, b: i64) -> i64 {
        self.partial_products(operands).sum(a, b) as i64
    }
}
