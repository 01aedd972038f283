//! The edge of the array: operand memories that feed it and the accumulator memory that takes its sums.

use super::wave::Wave;
use super::{Operands, Token};
use crate::array::cycles::SramTraffic;
use crate::array::dataflow::{Mapping, Operand, Point};
use crate::array::gemm::product;
use crate::array::options::Adder;
use crate::array::tiling::{Fold, Tiling};
use crate::array::{ArrayError, Gemm, Layer, SystolicArray};

/// The memories of a run, with a count of every word that passes.
pub(super) struct Ports<'a> {
    tiling: Tiling,
    gemm: Gemm,
    mapping: &'static dyn Mapping,
    inputs: &'a [i32],
    weights: &'a [i32],
    outputs: Vec<i32>,
    adder: Adder,
    traffic: SramTraffic,
}

impl<'a> Ports<'a> {
    /// Checks that the operands have the sizes they claim.
    pub(super) fn new(array: &SystolicArray, layer: &Layer, operands: &Operands<'a>) -> Result<Self, ArrayError> {
        let gemm = layer.gemm();
        let Operands { inputs, weights, .. } = *operands;
        let size = |rows, columns| product([layer.groups(), rows, columns]).ok_or_else(|| layer.overflow());
        let counts = [
            ("activations", inputs.len(), size(gemm.m(), gemm.k())?),
            ("weights", weights.len(), size(gemm.k(), gemm.n())?),
        ];
        for (operand, found, expected) in counts {
            if found as u64 != expected {
                return Err(ArrayError::OperandCount { operand, found, expected });
            }
        }
        Ok(Self {
            tiling: array.tiling(layer)?,
            gemm,
            mapping: array.dataflow().mapping(),
            inputs,
            weights,
            outputs: vec![0; size(gemm.m(), gemm.n())? as usize],
            adder: array.adder(),
            traffic: SramTraffic::default(),
        })
    }

    /// How the layer is cut.
    pub(super) fn tiling(&self) -> &Tiling {
        &self.tiling
    }

    /// Reads what enters a row; a bubble if no step passes or the fold has no work in that row.
    pub(super) fn read_row(&mut self, wave: &Wave, row: usize) -> Token {
        let operand = self.mapping.row_operand();
        wave.step.map_or(Token::EMPTY, |step| self.read(operand, &wave.fold, row, 0, step))
    }

    /// Reads what enters a column beside the rows' operands; a bubble likewise.
    pub(super) fn read_column(&mut self, wave: &Wave, column: usize) -> Token {
        let operand = self.mapping.row_operand().other();
        wave.step.map_or(Token::EMPTY, |step| self.read(operand, &wave.fold, 0, column, step))
    }

    /// Reads what an element is to hold in a fold; a bubble if it has no work there.
    pub(super) fn read_held(&mut self, fold: u64, row: usize, column: usize) -> Token {
        self.read(self.mapping.row_operand().other(), &self.tiling.fold(fold), row, column, 0)
    }

    fn read(&mut self, operand: Operand, fold: &Fold, row: usize, column: usize, step: u64) -> Token {
        if row as u64 >= fold.rows || column as u64 >= fold.columns {
            return Token::EMPTY;
        }
        let Point { m, n, k } = self.point(fold, row, column, step);
        let (group, gemm) = (fold.group, self.gemm);
        Token::new(match operand {
            Operand::Input => {
                self.traffic.input_reads += 1;
                self.inputs[((group * gemm.m() + m) * gemm.k() + k) as usize]
            }
            Operand::Weight => {
                self.traffic.weight_reads += 1;
                self.weights[((group * gemm.k() + k) * gemm.n() + n) as usize]
            }
        })
    }

    /// Takes a sum that leaves a column, adding it to what an earlier fold has left if there is one.
    pub(super) fn write_sum(&mut self, fold: &Fold, row: usize, column: usize, step: u64, sum: i32) {
        let Point { m, n, k } = self.point(fold, row, column, step);
        let result = &mut self.outputs[((fold.group * self.gemm.m() + m) * self.gemm.n() + n) as usize];
        self.traffic.output_writes += 1;
        // Folds along k follow each other, the first one at k = 0; a sum that stayed in its element is complete.
        *result = if k == 0 {
            sum
        } else {
            self.traffic.partial_sum_reads += 1;
            self.adder.sum(*result, sum)
        };
    }

    fn point(&self, fold: &Fold, row: usize, column: usize, step: u64) -> Point {
        self.mapping.point(fold.row_offset + row as u64, fold.column_offset + column as u64, step)
    }

    /// Sums and traffic, when all is done.
    pub(super) fn finish(self) -> (Vec<i32>, SramTraffic) {
        (self.outputs, self.traffic)
    }
}
