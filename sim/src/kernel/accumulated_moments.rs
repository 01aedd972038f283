//! Timing errors of whole sums: two more matrix products and one draw an output.

use super::{Shape, TableGemm};
use crate::engine::multiversion;
use crate::multiplier::ProductTable;
use crate::profile::sampler::{Draws, Gaussian, rounded};
use crate::profile::{ErrorProfile, OperandErrors, ProfileMetadata};

/// Errors of sums of products, normal with the sum of the products' means and the sum of their variances: products err
/// independently, given their operands.
///
/// Both sums are product-table matrix products of scaled integers; the scales leave no room for overflow.
#[derive(Clone, Debug)]
pub struct AccumulatedMoments {
    mean: Scaled,
    variance: Scaled,
    products: usize,
    gaussian: Gaussian,
}

/// A table of reals as integers and a unit.
#[derive(Clone, Debug)]
struct Scaled {
    /// `None` where all are zero.
    gemm: Option<TableGemm>,
    unit: f64,
}

/// The operands of a multiplier's table.
#[derive(Clone, Copy)]
struct Operands {
    width_a: u32,
    width_b: u32,
    signed: bool,
}

impl Scaled {
    /// Largest entry in units: residuals about the middle of a column then are summed in 16 bits, four at a time. An entry
    /// is off by at most 2⁻¹⁴ of the largest.
    const LARGEST: f64 = 8191.0;

    /// For sums of at most `products` entries.
    fn new(values: &[f32], operands: Operands, products: usize) -> Self {
        let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        if largest == 0.0 {
            return Self { gemm: None, unit: 0.0 };
        }
        let room = f64::from(i32::MAX) / products as f64 - 1.0;
        let unit = f64::from(largest) / room.floor().min(Self::LARGEST);
        let Operands { width_a, width_b, signed } = operands;
        let table = ProductTable::from_fn(width_a, width_b, signed, |a, b| {
            let value = values.get((a << width_b | b) as usize).copied().unwrap_or(0.0);
            (f64::from(value) / unit).round() as i32
        });
        Self { gemm: Some(TableGemm::new(&table)), unit }
    }

    fn sums(&self, activations: &[u8], weights: &[i8], shape: Shape) -> Option<Vec<i32>> {
        let mut sums = vec![0; shape.m * shape.n];
        self.gemm.as_ref()?.run(activations, weights, shape, &mut sums);
        Some(sums)
    }
}

impl AccumulatedMoments {
    /// The timing errors of a profile in sums of at most `products` products.
    ///
    /// # Panics
    /// If `products` is zero or more than 2²⁰.
    pub fn new(profile: &ErrorProfile, products: usize) -> Self {
        let ProfileMetadata { width_a, width_b, signed, .. } = profile.metadata;
        let operands = Operands { width_a, width_b, signed };
        Self::of_moments([&profile.error_mean, &profile.error_var], operands, products)
    }

    /// The same of errors by operands, those of the multiplier that makes `product`.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn of_operands(errors: &OperandErrors, product: &ProductTable, products: usize) -> Self {
        let operands = Operands { width_a: product.width_a(), width_b: product.width_b(), signed: product.signed() };
        Self::of_moments([errors.mean(), errors.variance()], operands, products)
    }

    fn of_moments([mean, variance]: [&[f32]; 2], operands: Operands, products: usize) -> Self {
        assert!((1..=1 << 20).contains(&products), "sums of 1 to 2^20 products");
        let scaled = |values: &[f32]| Scaled::new(values, operands, products);
        Self { mean: scaled(mean), variance: scaled(variance), products, gaussian: Gaussian::new() }
    }

    /// Adds an error to each of the sums `[m][n]`, output (m, n) of `layer` being number `first_output` + m · N + n.
    ///
    /// # Panics
    /// If a matrix has another size than `shape` says, or sums have more products than [`Self::new`] was told.
    pub fn add_errors(
        &self,
        activations: &[u8],
        weights: &[i8],
        shape: Shape,
        draws: Draws,
        (layer, first_output): (u64, u64),
        sums: &mut [i32],
    ) {
        assert!(shape.k <= self.products, "sums of at most {} products", self.products);
        assert_eq!(sums.len(), shape.m * shape.n, "a sum for each output");
        // An error that never varies is zero or has a mean; errors that vary have both.
        let mean = self.mean.sums(activations, weights, shape);
        let variance = self.variance.sums(activations, weights, shape);
        if mean.is_none() && variance.is_none() {
            return;
        }
        let place = (layer, first_output);
        draw(&self.gaussian, [(&mean, self.mean.unit), (&variance, self.variance.unit)], draws, place, sums);
    }
}

/// Integers and their unit, or nothing but zeros.
type Units<'a> = (&'a Option<Vec<i32>>, f64);

/// Draws at a time: loops over so many have no branches and are compiled to vectors.
const CHUNK: usize = 64;

multiversion! {
    fn draw(gaussian: &Gaussian, moments: [Units<'_>; 2], draws: Draws, place: (u64, u64), sums: &mut [i32]) = draw_errors
}

#[inline(always)]
fn draw_errors(
    gaussian: &Gaussian,
    [mean, variance]: [Units<'_>; 2],
    draws: Draws,
    (layer, first_output): (u64, u64),
    sums: &mut [i32],
) {
    let nothing = [0; CHUNK];
    let at = |sums: &Option<Vec<i32>>, place: usize| -> [i32; CHUNK] {
        let mut chunk = nothing;
        if let Some(sums) = sums {
            let sums = &sums[place..];
            let count = sums.len().min(CHUNK);
            chunk[..count].copy_from_slice(&sums[..count]);
        }
        chunk
    };
    for (number, sums) in sums.chunks_mut(CHUNK).enumerate() {
        let first = number * CHUNK;
        let (means, variances) = (at(mean.0, first), at(variance.0, first));
        let bits: [u64; CHUNK] =
            std::array::from_fn(|place| draws.stream(layer, first_output + (first + place) as u64).bits(0));
        let normal = gaussian.draw_upper(&bits);
        // No mean and no variance make no error: what is added before rounding down is below 1.
        let errors: [i32; CHUNK] = std::array::from_fn(|place| {
            let variance = (f64::from(variances[place]) * variance.1).max(0.0);
            let error = f64::from(means[place]) * mean.1 + variance.sqrt() * f64::from(normal[place]);
            rounded(error, bits[place] as u32)
        });
        for (sum, error) in sums.iter_mut().zip(errors) {
            *sum = sum.wrapping_add(error);
        }
    }
}
