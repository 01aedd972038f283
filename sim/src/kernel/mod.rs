//! Matrix products whose multiplications are look-ups in a [`ProductTable`], bit for bit and fast.
//!
//! `out[m][n] = Σ_k product[activation[m][k]][weight[n][k]]` modulo 2^32. A table is a matrix: the exact product is of
//! rank 1, clearing operand bits keeps it so, and many approximate multipliers are exact integer matrices of low rank.
//! For these the sum is a few integer matrix products; any other table is looked up, a vector of outputs at a time, whole or,
//! where its errors fit a byte, its errors beside one integer matrix product. A [`Plan`] says which way is fastest for a shape; all ways give the bits of [`TableGemm::reference`]. Tables of operands
//! wider than 8 bits are looked up row by row ([`RowGemm`]).
//!
//! ```
//! use axtrain_sim::kernel::{Shape, TableGemm};
//! use axtrain_sim::multiplier::ProductTable;
//!
//! let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
//! let mut out = [0; 2];
//! gemm.run(&[3, 4, 5, 6], &[1, -2], Shape { m: 2, k: 2, n: 1 }, &mut out);
//! assert_eq!(out, [3 - 2 * 4, 5 - 2 * 6]);
//! ```

mod accumulated_moments;
mod aligned;
mod columns;
mod dot;
mod error_plane;
mod factorise;
mod gather;
mod gemm;
mod instructions;
mod look_up;
mod plan;
mod planes;
mod rows;
mod terms;
#[cfg(test)]
mod tests;

pub use accumulated_moments::AccumulatedMoments;
pub use plan::{Candidate, Method, Plan};
pub(crate) use planes::transpose_bytes;
pub use rows::RowGemm;

use crate::multiplier::{ProductTable, operand_value};
use columns::Columns;
use error_plane::ErrorPlane;
use instructions::InstructionSet;
use plan::Structure;
use rayon::prelude::*;
use terms::Terms;

/// Size of a matrix product: `m` rows of `k` activations by `n` columns of `k` weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of activations and of outputs.
    pub m: usize,
    /// Products summed for an output.
    pub k: usize,
    /// Columns of weights and of outputs.
    pub n: usize,
}

impl Shape {
    /// Table look-ups, each followed by an addition.
    pub fn multiply_accumulates(self) -> u64 {
        (self.m * self.k * self.n) as u64
    }

    /// # Panics
    /// If a matrix has another size.
    fn check(self, activations: &[u8], weights: &[i8], out: &[i32]) {
        assert_eq!(activations.len(), self.m * self.k, "activations [m][k] of {self:?}");
        assert_eq!(weights.len(), self.n * self.k, "weights [n][k] of {self:?}");
        assert_eq!(out.len(), self.m * self.n, "outputs [m][n] of {self:?}");
    }
}

/// Activation codes below which a table is prepared: experiments use 0…127, for which more tables have low rank, more
/// operands fit a byte and gathered tables are half as large.
const CODE_LIMITS: [usize; 2] = [128, 256];

/// A product table prepared for matrix products with any weights.
///
/// Operands are 8-bit codes; of a narrower multiplier's operands the upper bits are ignored, as by
/// [`ProductTable::product`].
#[derive(Clone, Debug)]
pub struct TableGemm {
    /// `[activation][weight]`, 256 × 256.
    products: Vec<i32>,
    instructions: InstructionSet,
    /// One for each of [`CODE_LIMITS`].
    prepared: [Prepared; 2],
    /// The table with its operands exchanged, where the CPU looks bytes up in registers.
    exchanged: Option<Columns>,
}

/// A table for activation codes below a limit.
#[derive(Clone, Debug)]
struct Prepared {
    terms: Option<Terms>,
    errors: Option<ErrorPlane>,
    columns: Columns,
}

impl TableGemm {
    /// Widest operands, in bits.
    pub const MAX_WIDTH: u32 = 8;

    /// Prepares a table: a few milliseconds.
    ///
    /// # Panics
    /// If an operand is wider than [`Self::MAX_WIDTH`].
    pub fn new(table: &ProductTable) -> Self {
        let widest = *InstructionSet::available().last().expect("the portable set at least");
        Self::with_instructions(table, widest)
    }

    fn with_instructions(table: &ProductTable, instructions: InstructionSet) -> Self {
        let width = table.width_a().max(table.width_b());
        assert!(width <= Self::MAX_WIDTH, "operands of {width} bits; at most {} are supported", Self::MAX_WIDTH);
        let products: Vec<i32> = (0..1 << 16).map(|codes| table.product(codes >> 8, codes & 0xff)).collect();
        let values = |width: u32| -> Vec<i32> {
            let value = |code: u32| operand_value(code & ((1 << width) - 1), width, table.signed()) as i32;
            (0..256).map(value).collect()
        };
        let (activations, weights) = (values(table.width_a()), values(table.width_b()));
        let prepared = CODE_LIMITS.map(|limit| {
            let products = &products[..limit * 256];
            Prepared {
                terms: Terms::new(products, instructions),
                errors: ErrorPlane::new(products, &activations[..limit], &weights, instructions),
                columns: Columns::new(products, instructions),
            }
        });
        let exchanged = instructions.permutes_bytes().then(|| {
            let transposed: Vec<i32> = (0..1 << 16).map(|codes| products[(codes & 0xff) << 8 | codes >> 8]).collect();
            Columns::new(&transposed, instructions)
        });
        Self { products, instructions, prepared, exchanged }
    }

    /// What [`Self::run`] does for activations up to `largest_activation`, and why.
    pub fn plan(&self, shape: Shape, largest_activation: u8) -> Plan {
        let range = range_of(largest_activation);
        let Prepared { terms, errors, columns } = &self.prepared[range];
        let structure = Structure {
            terms: terms.as_ref().map(Terms::structure),
            errors: errors.as_ref().map(ErrorPlane::structure),
            planes: columns.summings(),
            registers: columns.has_bytes(),
            exchanged: self.exchanged.as_ref().map(|columns| columns.summings().len()),
        };
        Plan::new(shape, CODE_LIMITS[range], self.instructions, structure)
    }

    /// [`Self::plan`] for the activations of experiments, 0…127.
    pub fn explain(&self, shape: Shape) -> Plan {
        self.plan(shape, 127)
    }

    /// `out[m][n] = Σ_k product[activations[m][k]][weights[n][k]]` modulo 2^32, on this thread.
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn run(&self, activations: &[u8], weights: &[i8], shape: Shape, out: &mut [i32]) {
        let method = self.plan(shape, any_bits(activations)).method();
        self.run_by(method, activations, weights, shape, out);
    }

    /// As [`Self::run`], by a given method; [`Method::Terms`] falls back to [`Method::Columns`] if the table has no
    /// low-rank form, the error planes if its errors fit no byte, register look-ups if the CPU does not permute bytes;
    /// [`Method::Rows`] is for wider tables and does so always.
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn run_by(&self, method: Method, activations: &[u8], weights: &[i8], shape: Shape, out: &mut [i32]) {
        shape.check(activations, weights, out);
        if shape.multiply_accumulates() == 0 {
            return out.fill(0);
        }
        let weight_codes: Vec<u8> = weights.iter().map(|weight| weight.cast_unsigned()).collect();
        let Prepared { terms, errors, columns } = &self.prepared[range_of(any_bits(activations))];
        let instructions = self.instructions;
        match (method, terms, errors) {
            (Method::Scalar, _, _) => self.reference(activations, weights, shape, out),
            (Method::Terms, Some(terms), _) => {
                terms.multiply(instructions, activations, &weight_codes, shape.k, out);
            }
            (Method::ErrorColumns | Method::ErrorRegisters, _, Some(errors)) => {
                let in_registers = method == Method::ErrorRegisters;
                errors.multiply(instructions, in_registers, activations, &weight_codes, shape.k, out);
            }
            (Method::Terms | Method::Columns | Method::ErrorColumns | Method::ErrorRegisters | Method::Rows, ..) => {
                columns.multiply(instructions, activations, &weight_codes, shape.k, out);
            }
            (Method::Registers, _, _) => {
                columns.multiply_in_registers(instructions, activations, &weight_codes, shape.k, out);
            }
            (Method::ExchangedRegisters, _, _) => match &self.exchanged {
                Some(columns) => {
                    let mut transposed = vec![0; out.len()];
                    let (first, second) = (&weight_codes, activations);
                    columns.multiply_in_registers(instructions, first, second, shape.k, &mut transposed);
                    for (m, out) in out.chunks_exact_mut(shape.n).enumerate() {
                        out.iter_mut()
                            .zip(transposed[m..].iter().step_by(shape.m))
                            .for_each(|(out, sum)| *out = *sum);
                    }
                }
                None => columns.multiply(instructions, activations, &weight_codes, shape.k, out),
            },
        }
    }

    /// As [`Self::run`], the rows shared out over the threads of the current rayon pool; the same bits.
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn run_parallel(&self, activations: &[u8], weights: &[i8], shape: Shape, out: &mut [i32]) {
        shape.check(activations, weights, out);
        if shape.multiply_accumulates() == 0 {
            return out.fill(0);
        }
        let rows = shape.m.div_ceil(rayon::current_num_threads());
        let blocks = activations.par_chunks(rows * shape.k).zip(out.par_chunks_mut(rows * shape.n));
        blocks.for_each(|(activations, out)| {
            let shape = Shape { m: activations.len() / shape.k, ..shape };
            self.run(activations, weights, shape, out);
        });
    }

    /// The definition, one product after the other: slow, and what every method is tested against.
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn reference(&self, activations: &[u8], weights: &[i8], shape: Shape, out: &mut [i32]) {
        shape.check(activations, weights, out);
        for m in 0..shape.m {
            for n in 0..shape.n {
                out[m * shape.n + n] = (0..shape.k).fold(0, |sum: i32, k| {
                    let activation = usize::from(activations[m * shape.k + k]);
                    let weight = usize::from(weights[n * shape.k + k].cast_unsigned());
                    sum.wrapping_add(self.products[activation << 8 | weight])
                });
            }
        }
    }
}

/// The bits that some activation has: enough to know their range, and found faster than the largest.
fn any_bits(activations: &[u8]) -> u8 {
    activations.iter().fold(0, |any, activation| any | activation)
}

/// Index of the smallest of [`CODE_LIMITS`] above an activation.
fn range_of(largest_activation: u8) -> usize {
    CODE_LIMITS.iter().position(|&limit| usize::from(largest_activation) < limit).expect("256 is above every code")
}
