//! A low-rank table's product as integer matrix products, one a term.

use super::factorise::{Factor, factorise};
use super::gemm::{OperandMap, Packing, Panels, multiply_add};
use super::instructions::InstructionSet;
use super::plan::TermStructure;
use std::ops::RangeInclusive;

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
            let (f, f_shift) = as_mask(&factor.f, factor.shift);
            let (g, g_shift) = as_mask(&factor.g, factor.shift - f_shift);
            let masked = Factor { shift: factor.shift - f_shift - g_shift, f, g };
            let ranges = (0..=instructions.largest_byte(), i8::MIN.into()..=i8::MAX.into());
            Self::packed(&masked, Packing::Bytes, ranges.clone())
                .or_else(|| Self::packed(factor, Packing::Bytes, ranges))
        };
        let halves = i16::MIN.into()..=i16::MAX.into();
        bytes().or_else(|| Self::packed(factor, Packing::Halves, (halves.clone(), halves)))
    }

    /// `None` if f or g spread over more than the range given for them.
    fn packed(
        factor: &Factor,
        packing: Packing,
        (f_range, g_range): (RangeInclusive<i32>, RangeInclusive<i32>),
    ) -> Option<Self> {
        let (activation, activation_offset) = fit(&factor.f, f_range)?;
        let (weight, weight_offset) = fit(&factor.g, g_range)?;
        Some(Self { shift: factor.shift, packing, activation, activation_offset, weight, weight_offset })
    }

    /// Whether the offsets say it all.
    fn is_separable(&self) -> bool {
        self.activation.is_zero() || self.weight.is_zero()
    }
}

/// `values` shifted left by at most `shift` if that makes them bits of their codes, which pack faster; and by how much.
fn as_mask(values: &[i32], shift: u32) -> (Vec<i32>, u32) {
    let shifted = |by: u32| -> Vec<i32> { values.iter().map(|value| value << by).collect() };
    let is_mask = |values: &[i32]| {
        OperandMap::new(values.iter().map(|&value| value as i16).collect()).is_mask()
            && values.iter().all(|value| (-128..128).contains(value))
    };
    let by = (0..=shift.min(7)).find(|&by| is_mask(&shifted(by))).unwrap_or(0);
    (shifted(by), by)
}

/// `values` less an offset so that they lie in `range`, and the offset: zero if it can be, and the constant if they
/// are constant. `None` if they spread too far.
fn fit(values: &[i32], range: RangeInclusive<i32>) -> Option<(OperandMap, i32)> {
    let (&smallest, &largest) = (values.iter().min()?, values.iter().max()?);
    let offset = if smallest == largest {
        smallest
    } else if range.contains(&smallest) && range.contains(&largest) {
        0
    } else {
        smallest.checked_sub(*range.start())?
    };
    let fits = i64::from(largest) - i64::from(offset) <= i64::from(*range.end());
    fits.then(|| (OperandMap::new(values.iter().map(|value| (value - offset) as i16).collect()), offset))
}

impl Terms {
    /// From products `[activation][weight]` of some activation codes and all 256 weight codes; `None` if the table has
    /// too high a rank.
    pub(super) fn new(products: &[i32], instructions: InstructionSet) -> Option<Self> {
        Self::of(&factorise(products, 256, MAX_TERMS)?, instructions)
    }

    /// From the terms; `None` if one spreads over more than 16 bits.
    pub(super) fn of(factors: &[Factor], instructions: InstructionSet) -> Option<Self> {
        let terms = factors.iter().map(|factor| Term::new(factor, instructions)).collect::<Option<_>>()?;
        Some(Self { terms })
    }

    /// Each term's matrix product; terms that depend on one operand only take none.
    pub(super) fn structure(&self) -> Vec<TermStructure> {
        let products = self.terms.iter().filter(|term| !term.is_separable());
        let structure = |term: &Term| {
            let maps = [&term.activation, &term.weight];
            let looked_up = maps.iter().filter(|map| term.packing == Packing::Halves || !map.is_mask()).count();
            TermStructure { packing: term.packing, looked_up }
        };
        products.map(structure).collect()
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
        self.add_to(|out| out.fill(0), instructions, activations, weights, k, out);
    }

    /// The same added to `out`.
    pub(super) fn add(
        &self,
        instructions: InstructionSet,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        self.add_to(|_| {}, instructions, activations, weights, k, out);
    }

    /// Adds to `out`, of which each block of rows is started first.
    fn add_to(
        &self,
        start: impl Fn(&mut [i32]),
        instructions: InstructionSet,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        let columns = weights.len() / k;
        let column_biases: Vec<i32> = weights.chunks_exact(k).map(|weights| self.column_bias(weights)).collect();
        let products = self.terms.iter().filter(|term| !term.is_separable());
        let products: Vec<(&Term, Panels)> =
            products.map(|term| (term, Panels::pack(weights, k, &term.weight, term.packing, instructions))).collect();
        let has_biases = self.terms.iter().any(|term| (term.activation_offset, term.weight_offset) != (0, 0));
        let mut packed = Vec::new();
        for (activations, out) in activations.chunks(BLOCK_ROWS * k).zip(out.chunks_mut(BLOCK_ROWS * columns)) {
            start(out);
            if has_biases {
                for (activations, out) in activations.chunks_exact(k).zip(out.chunks_exact_mut(columns)) {
                    let row_bias = self.row_bias(activations);
                    for (out, bias) in out.iter_mut().zip(&column_biases) {
                        *out = out.wrapping_add(row_bias.wrapping_add(*bias));
                    }
                }
            }
            for (term, panels) in &products {
                packed.clear();
                packed.resize(activations.len() / k * panels.depth(), 0);
                term.activation.pack(instructions, term.packing, activations, k, &mut packed);
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
