//! A table as a plain product and errors of one byte: an integer matrix product, then half the look-ups.

use super::columns::Columns;
use super::factorise::Factor;
use super::instructions::InstructionSet;
use super::plan::{ErrorStructure, TermStructure};
use super::terms::Terms;

/// `product[a][w] = a · slope(w) + (centre(w) + byte[w][a]) · 2^shift`, modulo 2^32.
#[derive(Clone, Debug)]
pub(super) struct ErrorPlane {
    slopes: Slopes,
    shift: u32,
    product: Terms,
    errors: Columns,
}

/// What activations are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slopes {
    /// The weights: the bytes are the multiplier's errors.
    Weights,
    /// For each weight the integer that leaves the smallest spread of errors.
    Fitted,
}

impl ErrorPlane {
    /// From products `[activation][weight]` of some activation codes and all 256 weight codes, and the numbers that activation
    /// and weight codes stand for. `None` if for some weight errors spread over more than a byte, or if none spread at all.
    pub(super) fn new(
        products: &[i32],
        activations: &[i32],
        weights: &[i32],
        instructions: InstructionSet,
    ) -> Option<Self> {
        let column = |weight: usize| products[weight..].iter().step_by(256).copied();
        let errors = |weight: usize, slope: i32| -> Vec<i64> {
            let error = |(product, &activation): (i32, &i32)| i64::from(product) - i64::from(activation * slope);
            column(weight).zip(activations).map(error).collect()
        };
        let exact = || weights.iter().enumerate().map(|(weight, &slope)| (slope, errors(weight, slope))).collect();
        let fitted = || {
            let fit = |(weight, &exact): (usize, &i32)| {
                let near = least_squares(activations, column(weight));
                let slopes = [exact, near - 1, near, near + 1].into_iter();
                let columns = slopes.map(|slope| (slope, errors(weight, slope)));
                columns.min_by_key(|(_, errors)| spread(errors)).expect("there are four slopes")
            };
            weights.iter().enumerate().map(fit).collect()
        };
        Self::of(Slopes::Weights, activations, exact(), instructions)
            .or_else(|| Self::of(Slopes::Fitted, activations, fitted(), instructions))
    }

    /// From each weight's slope and errors `[activation]`.
    fn of(
        slopes: Slopes,
        activations: &[i32],
        columns: Vec<(i32, Vec<i64>)>,
        instructions: InstructionSet,
    ) -> Option<Self> {
        let least = |errors: &[i64]| errors.iter().copied().min().expect("there are activation codes");
        let above_least = |errors: &[i64]| {
            let least = least(errors);
            errors.iter().fold(0, |any, error| any | (error - least))
        };
        // Each weight's errors are a constant plus multiples of a power of two.
        let any = columns.iter().fold(0, |any, (_, errors)| any | above_least(errors));
        if any == 0 {
            return None;
        }
        let shift = any.trailing_zeros();
        let (mut bytes, mut centres) = (Vec::with_capacity(columns.len() * activations.len()), Vec::new());
        // The constants need not be multiples: their rest is a term of the weights alone.
        let mut rests = Vec::new();
        for (_, errors) in &columns {
            let least = least(errors);
            for error in errors {
                bytes.push(u8::try_from((error - least) >> shift).ok()?);
            }
            centres.push(i32::try_from(least >> shift).ok()?);
            rests.push((least & ((1 << shift) - 1)) as i32);
        }
        let product =
            Factor { shift: 0, f: activations.to_vec(), g: columns.iter().map(|(slope, _)| *slope).collect() };
        let mut terms = vec![product];
        if rests.iter().any(|&rest| rest != 0) {
            terms.push(Factor { shift: 0, f: vec![1; activations.len()], g: rests });
        }
        let product = Terms::of(&terms, instructions)?;
        Some(Self { slopes, shift, product, errors: Columns::of_bytes(bytes, centres, shift, instructions) })
    }

    /// What its costs depend on.
    pub(super) fn structure(&self) -> ErrorStructure {
        let product: Vec<TermStructure> = self.product.structure();
        ErrorStructure { slopes: self.slopes, shift: self.shift, product, registers: self.errors.has_bytes() }
    }

    /// `out[row][column] = Σ product[activations[row][k]][weights[column][k]]`, activations below the number of codes; errors
    /// are looked up in registers, where the CPU does so, or in gathered tables.
    pub(super) fn multiply(
        &self,
        instructions: InstructionSet,
        in_registers: bool,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        if in_registers {
            self.errors.multiply_in_registers(instructions, activations, weights, k, out);
        } else {
            self.errors.multiply(instructions, activations, weights, k, out);
        }
        self.product.add(instructions, activations, weights, k, out);
    }
}

/// How far apart the errors of a weight are.
fn spread(errors: &[i64]) -> i64 {
    errors.iter().max().zip(errors.iter().min()).map_or(0, |(largest, smallest)| largest - smallest)
}

/// The integer nearest to the slope of the line of least squares through products over activations.
fn least_squares(activations: &[i32], products: impl Iterator<Item = i32> + Clone) -> i32 {
    let count = activations.len() as f64;
    let mean = activations.iter().map(|&a| f64::from(a)).sum::<f64>() / count;
    let product_mean = products.clone().map(f64::from).sum::<f64>() / count;
    let (mut along, mut square) = (0.0, 0.0);
    for (&activation, product) in activations.iter().zip(products) {
        let distance = f64::from(activation) - mean;
        along += distance * (f64::from(product) - product_mean);
        square += distance * distance;
    }
    if square == 0.0 { 0 } else { (along / square).round().clamp(-32768.0, 32767.0) as i32 }
}
