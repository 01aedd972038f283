//! Matrix products whose scalar product is a multiplier's table.

use axtrain_sim::multiplier::ProductTable;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorData};
use std::ops::RangeInclusive;

/// Weight codes a table is asked for.
fn weight_range() -> RangeInclusive<i8> {
    -127..=127
}

/// Number of activation codes, 0…127.
const ACTIVATIONS: usize = 128;

/// Sums of table products, exact to the bit: `out[m][n] = Σ_k product(activation[m][k], weight[n][k])`.
#[derive(Clone, Debug)]
pub(crate) struct ProductGemm {
    strategy: Strategy,
}

#[derive(Clone, Debug)]
enum Strategy {
    /// `product(a, b) = activation[a] · weight[b]`, as of the exact multiplier and of truncated operands. Floating-point
    /// matrix products of up to `exact_terms` terms cannot round: every partial sum is an integer below 2^24.
    Outer { activation: Vec<f32>, weight: Vec<f32>, exact_terms: usize },
    /// Any table: `rows[a][b]`.
    Rows(Vec<[i32; 256]>),
}

impl ProductGemm {
    /// Plans products with a signed 8×8 `table`; activations are 0…127 and weights −127…127.
    pub(crate) fn new(table: &ProductTable) -> Self {
        let strategy = Strategy::outer(table).unwrap_or_else(|| {
            let row = |a: usize| std::array::from_fn(|b| table.product(a as u32, b as u32));
            Strategy::Rows((0..ACTIVATIONS).map(row).collect())
        });
        Self { strategy }
    }

    /// `activations` is `[m][k]`, `weights` `[n][k]`, `out` `[m][n]`.
    pub(crate) fn run(&self, activations: &[u8], weights: &[i8], m: usize, k: usize, n: usize, out: &mut [i32]) {
        assert_eq!((activations.len(), weights.len(), out.len()), (m * k, n * k, m * n), "shapes of a product");
        out.fill(0);
        match &self.strategy {
            Strategy::Outer { activation, weight, exact_terms } => {
                for start in (0..k).step_by(*exact_terms) {
                    let terms = start..k.min(start + exact_terms);
                    let columns = |row: usize| row * k + terms.start..row * k + terms.end;
                    let lhs = (0..m).flat_map(|row| &activations[columns(row)]).map(|&a| activation[usize::from(a)]);
                    let rhs = (0..n).flat_map(|row| &weights[columns(row)]).map(|&b| weight[usize::from(b as u8)]);
                    let lhs = FlexTensor::from_data(TensorData::new(lhs.collect(), [m, terms.len()]));
                    let rhs = FlexTensor::from_data(TensorData::new(rhs.collect(), [n, terms.len()]));
                    let sums = Flex::float_matmul(lhs, Flex::float_transpose(rhs));
                    for (out, &sum) in out.iter_mut().zip(sums.storage::<f32>()) {
                        *out = out.wrapping_add(sum as i32);
                    }
                }
            }
            Strategy::Rows(rows) => {
                let by_term: Vec<u8> = (0..k).flat_map(|k0| (0..n).map(move |o| weights[o * k + k0] as u8)).collect();
                for (activations, out) in activations.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
                    for (&activation, weights) in activations.iter().zip(by_term.chunks_exact(n)) {
                        let row = &rows[usize::from(activation)];
                        for (out, &weight) in out.iter_mut().zip(weights) {
                            *out = out.wrapping_add(row[usize::from(weight)]);
                        }
                    }
                }
            }
        }
    }
}

impl Strategy {
    /// The table as an outer product of small integers, if it is one on the codes in use.
    fn outer(table: &ProductTable) -> Option<Self> {
        let product = |a: usize, b: i8| table.product(a as u32, u32::from(b as u8));
        let largest = |a: usize| weight_range().map(|b| product(a, b).unsigned_abs()).max().unwrap_or(0);
        let pivot = (0..ACTIVATIONS).find(|&a| largest(a) > 0)?;
        let divisor =
            weight_range().fold(0, |divisor, b| greatest_common_divisor(divisor, product(pivot, b).unsigned_abs()));
        let divisor = i32::try_from(divisor).ok()?;
        let weight = |b: i8| product(pivot, b) / divisor;
        let column = weight_range().max_by_key(|&b| weight(b).unsigned_abs())?;
        let activation = |a: usize| product(a, column) / weight(column);
        let reproduces = (0..ACTIVATIONS).all(|a| {
            let factor = i64::from(activation(a));
            weight_range().all(|b| factor * i64::from(weight(b)) == i64::from(product(a, b)))
        });
        let peak = (0..ACTIVATIONS).map(largest).max()?;
        // Below this length every partial sum is an integer that a single-precision number holds.
        let exact_terms = (1usize << 24) / peak as usize;
        (reproduces && exact_terms > 0).then(|| Self::Outer {
            activation: (0..ACTIVATIONS).map(|a| activation(a) as f32).collect(),
            weight: (0..=255u8).map(|code| weight(code as i8) as f32).collect(),
            exact_terms,
        })
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::truncated;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A table without structure, and largest magnitudes that make long sums leave 2^24.
    fn scrambled() -> ProductTable {
        ProductTable::from_fn(8, 8, true, |a, b| ((a * 251 + b * 83) * 2_654_435) as i16 as i32)
    }

    #[test]
    fn every_strategy_sums_the_tables_products() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (table, is_outer) in [(ProductTable::exact(8, 8, true), true), (truncated(3), true), (scrambled(), false)]
        {
            let gemm = ProductGemm::new(&table);
            assert_eq!(matches!(gemm.strategy, Strategy::Outer { .. }), is_outer);
            // The longest sum passes 2^24: 2,100 · 127².
            for (m, k, n) in [(1, 1, 1), (3, 17, 5), (2, 2_100, 2)] {
                let (low, high) = if k > 1_000 { (120, 127) } else { (-127, 127) };
                let activations: Vec<u8> = (0..m * k).map(|_| rng.random_range(low.max(0)..=high) as u8).collect();
                let weights: Vec<i8> = (0..n * k).map(|_| rng.random_range(low..=high) as i8).collect();
                let mut out = vec![i32::MAX; m * n];
                gemm.run(&activations, &weights, m, k, n, &mut out);
                for (index, &sum) in out.iter().enumerate() {
                    let (row, column) = (index / n * k, index % n * k);
                    let term =
                        |t| table.product(u32::from(activations[row + t]), u32::from(weights[column + t] as u8));
                    assert_eq!(sum, (0..k).map(term).sum::<i32>());
                }
            }
        }
    }
}
