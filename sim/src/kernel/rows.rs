//! Look-up of tables too large for vectors: a weight's products with all activations are a row, which stays in a cache
//! while many activations look up in it.

use super::{Method, Plan, Shape};
use crate::multiplier::ProductTable;

/// Activation rows that look up in a weight's row before the next is fetched: of 12-bit operands it is 16 KiB of a table that
/// fits no cache.
const BLOCK_ROWS: usize = 2048;

/// Weights whose rows are looked up together: sums are loaded and stored once for all.
pub(super) const WEIGHTS: usize = 4;

/// A product table of any width, for operands of more than [`super::TableGemm::MAX_WIDTH`] bits.
///
/// Operands are codes, of which the bits above an operand's width are ignored, as by [`ProductTable::product`].
#[derive(Clone, Debug)]
pub struct RowGemm {
    width_a: u32,
    width_b: u32,
    /// `[weight][activation]`.
    products: Vec<i32>,
}

impl RowGemm {
    /// Prepares a table.
    pub fn new(table: &ProductTable) -> Self {
        let (width_a, width_b) = (table.width_a(), table.width_b());
        let weights = 0..1u32 << width_b;
        let products = weights.flat_map(|b| (0..1u32 << width_a).map(move |a| table.product(a, b))).collect();
        Self { width_a, width_b, products }
    }

    /// What [`Self::run`] does for operands of these bits, activation and weight, and why.
    pub fn plan(widths: [u32; 2], shape: Shape) -> Plan {
        Plan::of_rows(shape, widths)
    }

    /// `out[m][n] = Σ_k product[activations[m][k]][weights[n][k]]` modulo 2^32.
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn run(&self, activations: &[u16], weights: &[u16], shape: Shape, out: &mut [i32]) {
        match Self::plan([self.width_a, self.width_b], shape).method() {
            Method::Scalar => self.reference(activations, weights, shape, out),
            _ => self.by_rows(activations, weights, shape, out),
        }
    }

    /// The definition, one product after the other: for a few rows of activations the fastest way.
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn reference(&self, activations: &[u16], weights: &[u16], shape: Shape, out: &mut [i32]) {
        let Shape { m, k, n } = shape;
        assert_eq!((activations.len(), weights.len(), out.len()), (m * k, n * k, m * n), "matrices of {shape:?}");
        let mask = (1u16 << self.width_a) - 1;
        for (place, out) in out.iter_mut().enumerate() {
            let operands = activations[place / n * k..][..k].iter().zip(&weights[place % n * k..][..k]);
            let product = |(&activation, &weight): (&u16, &u16)| self.row(weight)[usize::from(activation & mask)];
            *out = operands.map(product).fold(0, i32::wrapping_add);
        }
    }

    /// [`Self::run`] by [`Method::Rows`].
    ///
    /// # Panics
    /// If a matrix does not have the size of `shape`.
    pub fn by_rows(&self, activations: &[u16], weights: &[u16], shape: Shape, out: &mut [i32]) {
        let Shape { m, k, n } = shape;
        assert_eq!((activations.len(), weights.len(), out.len()), (m * k, n * k, m * n), "matrices of {shape:?}");
        if shape.multiply_accumulates() == 0 {
            return out.fill(0);
        }
        let mask = (1u16 << self.width_a) - 1;
        let (mut codes, mut sums) = (Vec::new(), vec![0; BLOCK_ROWS]);
        for (activations, out) in activations.chunks(BLOCK_ROWS * k).zip(out.chunks_mut(BLOCK_ROWS * n)) {
            // `[k][row]`
            codes.clear();
            codes.resize(k, [0u16; BLOCK_ROWS]);
            for (row, activations) in activations.chunks_exact(k).enumerate() {
                for (codes, activation) in codes.iter_mut().zip(activations) {
                    codes[row] = activation & mask;
                }
            }
            let rows = activations.len() / k;
            for (column, weights) in weights.chunks_exact(k).enumerate() {
                sums.fill(0);
                let (groups, rest) = weights.as_chunks::<WEIGHTS>();
                let (code_groups, code_rest) = codes.as_chunks::<WEIGHTS>();
                for (weights, codes) in groups.iter().zip(code_groups) {
                    add(weights.map(|weight| self.row(weight)), codes, &mut sums[..rows]);
                }
                for (&weight, codes) in rest.iter().zip(code_rest) {
                    add([self.row(weight)], std::array::from_ref(codes), &mut sums[..rows]);
                }
                for (out, sum) in out[column..].iter_mut().step_by(n).zip(&sums) {
                    *out = *sum;
                }
            }
        }
    }

    /// A weight's products with all activations.
    fn row(&self, weight: u16) -> &[i32] {
        let weight = usize::from(weight) & ((1 << self.width_b) - 1);
        &self.products[weight << self.width_a..][..1 << self.width_a]
    }
}

/// Adds a product of each row of the table to each sum.
#[inline(always)]
fn add<const N: usize>(rows: [&[i32]; N], codes: &[[u16; BLOCK_ROWS]; N], sums: &mut [i32]) {
    for (place, sum) in sums.iter_mut().enumerate() {
        let products: [i32; N] = std::array::from_fn(|weight| rows[weight][usize::from(codes[weight][place])]);
        *sum = products.into_iter().fold(*sum, i32::wrapping_add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn rows_give_the_sums_of_the_definition() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        for (width_a, width_b, signed) in
            [(9, 9, true), (12, 12, false), (10, 12, true), (4, 11, false), (13, 3, true)]
        {
            let exact = ProductTable::exact(width_a, width_b, signed);
            let noisy = |a: u32, b: u32| exact.product(a, b) ^ (a.wrapping_mul(0x9e37_79b9) >> (b % 29)) as i32;
            let table = ProductTable::from_fn(width_a, width_b, signed, noisy);
            let gemm = RowGemm::new(&table);
            for [m, k, n] in [[1, 1, 1], [5, 7, 3], [BLOCK_ROWS + 1, 9, 2], [2, 0, 3], [70, 33, 17]] {
                // Bits above the widths are ignored.
                let activations: Vec<u16> = (0..m * k).map(|_| rng.random()).collect();
                let weights: Vec<u16> = (0..n * k).map(|_| rng.random()).collect();
                let shape = Shape { m, k, n };
                let mut out = vec![-1; m * n];
                gemm.by_rows(&activations, &weights, shape, &mut out);
                for by in [RowGemm::run, RowGemm::reference] {
                    let mut same = vec![-1; m * n];
                    by(&gemm, &activations, &weights, shape, &mut same);
                    assert!(same == out, "{width_a}×{width_b}, {shape:?}");
                }
                for (place, &sum) in out.iter().enumerate() {
                    let pairs = (0..k).map(|k_| (activations[place / n * k + k_], weights[place % n * k + k_]));
                    let product = |(a, b): (u16, u16)| table.product(a.into(), b.into());
                    assert_eq!(
                        sum,
                        pairs.map(product).fold(0, i32::wrapping_add),
                        "{width_a}×{width_b}, {m} {k} {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn plans_look_up_single_products_for_few_rows_of_activations() {
        let of = |m| RowGemm::plan([12, 12], Shape { m, k: 400, n: 120 });
        assert_eq!([1, 2000].map(|m| of(m).method()), [Method::Scalar, Method::Rows]);
        let shown = of(2000).to_string();
        assert!(shown.contains("table: 12×12 bits") && shown.contains("→ row look-ups"), "{shown}");
        assert_eq!((of(1).activation_codes(), of(1).rank()), (4096, None));
    }
}
