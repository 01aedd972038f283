//! A profile's errors by operand, averaged over blocks of neighbouring operands: what a map of them shows.

use super::ErrorProfile;
use crate::multiplier::operand_value;

/// Errors over blocks of operands; both operands ascend by the number they stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct OperandGrid {
    /// Least and largest activation.
    pub activations: [i64; 2],
    /// Least and largest weight.
    pub weights: [i64; 2],
    /// Blocks along the weights.
    pub columns: usize,
    /// Mean timing error rate of each block's operands, `[activation][weight]`.
    pub error_rate: Vec<f64>,
    /// Mean timing error of each block's operands, likewise.
    pub mean_error: Vec<f64>,
}

impl ErrorProfile {
    /// At most `most` blocks along either operand, each of equally many operands.
    ///
    /// # Panics
    /// If `most` is zero.
    pub fn operand_grid(&self, most: usize) -> OperandGrid {
        let metadata = &self.metadata;
        // Codes of one operand by value, and how many make a block.
        let ascending = |bits: u32, width: u32| {
            let value = |code: &u32| operand_value(*code, width, metadata.signed);
            let mut codes: Vec<u32> = (0..1u32 << bits).collect();
            codes.sort_by_key(value);
            let ends = [value(&codes[0]), value(&codes[codes.len() - 1])];
            let block = codes.len().div_ceil(most).next_power_of_two();
            (codes, ends, block)
        };
        let (rows, activations, row_block) = ascending(metadata.activation_bits, metadata.width_a);
        let (columns, weights, column_block) = ascending(metadata.width_b, metadata.width_b);
        let average = |values: &[f32]| {
            let blocks = rows.chunks(row_block).flat_map(|rows| {
                columns.chunks(column_block).map(move |columns| {
                    let cells =
                        rows.iter().flat_map(|a| columns.iter().map(move |b| (a << metadata.width_b | b) as usize));
                    cells.map(|cell| f64::from(values[cell])).sum::<f64>() / (rows.len() * columns.len()) as f64
                })
            });
            blocks.collect()
        };
        OperandGrid {
            activations,
            weights,
            columns: columns.len() / column_block,
            error_rate: average(&self.error_rate),
            mean_error: average(&self.error_mean),
        }
    }
}
