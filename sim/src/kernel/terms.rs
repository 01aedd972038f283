//! A low-rank table's product as integer matrix products, one a term.

use super::factorise::{Factor, factorise};
use super::gemm::{OperandMap, Packing, Panels, multiply_add};
use super::instructions::InstructionSet;

/// Most terms worth looking for; beyond that looking up is faster everywhere.
const MAX_TERMS: usize = 6;

/// Rows of activations packed at a time: with all terms they stay in the second-level cache.
const BLOCK_ROWS: usize = 64;

/// A table as Σ 2^shift · (f(a) + f₀) · (g(b) + g₀), f and g fit for a packing.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    shift: u32,
    packing: Packing,
    activation: OperandMap,
    activation_offset: i32,
    weight: OperandMap,
    weight_offset: i32,
}

impl Term {
    /// `None` if f or g spread over more than 16 bits.
    fn new(factor: &Factor, instructions: InstructionSet) -> Option<Self> {
        let bytes = || {
            let (activation, activation_offset) = fit(&factor.f, 0, instructions.largest_byte())?;
            let (weight, weight_offset) = fit(&factor.g, i8::MIN.into(), i8::MAX.into())?;
            Some((Packing::Bytes, activation, activation_offset, weight, weight_offset))
        };
        let halves = || {
            let (activation, activation_offset) = fit(&factor.f, i16::MIN.into(), i16::MAX.into())?;
            let (weight, weight_offset) = fit(&factor.g, i16::MIN.into(), i16::MAX.into())?;
            Some((Packing::Halves, activation, activation_offset, weight, weight_offset))
        };
        let (packing, activation, activation_offset, weight, weight_offset) = bytes().or_else(halves)?;
        Some(Self { shift: factor.shift, packing, activation, activation_offset, weight, weight_offset })
    }

    /// Whether the offsets say it all.
    fn is_separable(&self) -> bool {
        self.activation.is_zero() || self.weight.is_zero()
    }
}

/// `values` less an offset so that they lie in `low`…`high`, and the offset: zero if it can be, and the constant if
/// they are constant. `None` if they spread too far.
fn fit(values: &[i32], low: i32, high: i32) -> Option<(OperandMap, i32)> {
    let (&smallest, &largest) = (values.iter().min()?, values.iter().max()?);
    let offset = if smallest == largest {
        smallest
    } else if low <= smallest && largest <= high {
        0
    } else {
        smallest.checked_sub(low)?
    };
    (i64::from(largest) - i64::from(offset) <= i64::from(high))
        .then(|| (OperandMap::new(values.iter().map(|value| (value - offset) as i16).collect()), offset))
}

impl Terms {
    /// From products `[activation][weight]` of some activation codes and all 256 weight codes; `None` if the table has
    /// too high a rank.
    pub(super) fn new(products: &[i32], instructions: InstructionSet) -> Option<Self> {
        let factors = factorise(products, 256, MAX_TERMS)?;
        let terms = factors.iter().map(|factor| Term::new(factor, instructions)).collect::<Option<_>>()?;
        Some(Self { terms })
    }

    /// How the operands of each matrix product are packed; terms that depend on one operand only take none.
    pub(super) fn packings(&self) -> impl Iterator<Item = Packing> {
        self.terms.iter().filter(|term| !term.is_separable()).map(|term| term.packing)
    }

    /// `out[row][column] = Σ product[activations[row][k]][weights[column][k]]`, activations below the number of codes.
    pub(super) fn multiply(
        &self,
        instructions: InstructionSet,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        let columns = weights.len() / k;
        let column_biases: Vec<i32> = weights.chunks_exact(k).map(|weights| self.column_bias(weights)).collect();
        let products = self.terms.iter().filter(|term| !term.is_separable());
        let products: Vec<(&Term, Panels)> = products
            .map(|term| (term, Panels::pack(weights, k, &term.weight, term.packing, instructions.lanes())))
            .collect();
        let mut packed = Vec::new();
        for (activations, out) in activations.chunks(BLOCK_ROWS * k).zip(out.chunks_mut(BLOCK_ROWS * columns)) {
            for (activations, out) in activations.chunks_exact(k).zip(out.chunks_exact_mut(columns)) {
                let row_bias = self.row_bias(activations);
                for (out, bias) in out.iter_mut().zip(&column_biases) {
                    *out = row_bias.wrapping_add(*bias);
                }
            }
            for (term, panels) in &products {
                packed.clear();
                packed.resize(activations.len() / k * panels.depth(), 0);
                for (codes, words) in activations.chunks_exact(k).zip(packed.chunks_exact_mut(panels.depth())) {
                    term.activation.pack(term.packing, codes, words);
                }
                multiply_add(instructions, term.packing, &packed, panels, term.shift, out);
            }
        }
    }

    /// Σ over terms of 2^shift · f₀ · Σ (g(b) + g₀): what a column of weights adds to all its outputs.
    fn column_bias(&self, weights: &[u8]) -> i32 {
        self.terms.iter().filter(|term| term.activation_offset != 0).fold(0, |bias, term| {
            let offsets = term.weight_offset.wrapping_mul(weights.len() as i32);
            let sum = term.weight.sum(weights).wrapping_add(offsets);
            bias.wrapping_add(sum.wrapping_mul(term.activation_offset) << term.shift)
        })
    }

    /// Σ over terms of 2^shift · g₀ · Σ f(a): what a row of activations adds to all its outputs.
    fn row_bias(&self, activations: &[u8]) -> i32 {
        self.terms.iter().filter(|term| term.weight_offset != 0).fold(0, |bias, term| {
            let sum = term.activation.sum(activations);
            bias.wrapping_add(sum.wrapping_mul(term.weight_offset) << term.shift)
        })
    }
}
