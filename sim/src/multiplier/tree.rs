//! Wallace and Dadda multipliers.

use super::family::Multiplier;
use super::partial_product::PartialProducts;
use super::reduction::{Columns, TreeAdder, bits};
use super::spec::{Operands, Violation};
use crate::netlist::{NetId, NetlistBuilder};

/// All partial products, Baugh–Wooley for signed operands, in a reduction tree: exact if the final adder is.
pub(super) struct Tree(pub(super) TreeAdder);

impl Multiplier for Tree {
    fn validate(&self, _: Operands) -> Result<(), Violation> {
        Ok(())
    }

    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let partial_products = PartialProducts::all(operands);
        let mut columns = Columns::new(a.len() + b.len());
        for j in 0..operands.width_b {
            columns.push_word(j as usize, partial_products.row(circuit, a, b, j));
        }
        columns.push_constant(partial_products.constants());
        self.0.build(circuit, columns)
    }

    fn product(&self, operands: Operands, a: i64, b: i64) -> i64 {
        if self.0.final_adder.is_exact() {
            return a * b;
        }
        let partial_products = PartialProducts::all(operands);
        let mut columns = Columns::new(operands.product_width() as usize);
        for j in 0..operands.width_b {
            columns.push_word(j as usize, bits(partial_products.row_value(a, b, j), operands.width_a));
        }
        columns.push_constant(partial_products.constants());
        self.0.sum(columns) as i64
    }
}
