//! Convolutions of real numbers and their gradients, as matrix products on slices.
//!
//! A fully connected layer is one product over all images, a convolution one an image and group: sums are `[image][n]` in the
//! one and `[n][position]` in the other, so that nothing is transposed in memory.

use axtrain_sim::workload::Convolution;
use gemm::Parallelism;

/// A matrix in a slice, row by row, or the transpose of one.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "elements of a matrix");
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    fn transposed(self) -> Self {
        let Self { values, rows, columns, row_step, column_step } = self;
        Self { values, rows: columns, columns: rows, row_step: column_step, column_step: row_step }
    }

    /// Adds the product with `right` to `out`, `[row of self][column of right]`.
    fn add_product(self, right: Matrix<'_>, out: &mut [f32]) {
        assert_eq!(self.columns, right.rows, "inner sizes of a matrix product");
        assert_eq!(out.len(), self.rows * right.columns, "elements of a matrix product");
        if out.is_empty() || self.columns == 0 {
            return;
        }
        let steps = |matrix: Matrix<'_>| (matrix.column_step as isize, matrix.row_step as isize);
        let ((left_columns, left_rows), (right_columns, right_rows)) = (steps(self), steps(right));
        // SAFETY: by the asserts here and in `new`, every element that the sizes and steps name lies in its slice, and
        // `out` is borrowed alone.
        unsafe {
            gemm::gemm(
                self.rows,
                right.columns,
                self.columns,
                out.as_mut_ptr(),
                1,
                right.columns as isize,
                true,
                self.values.as_ptr(),
                left_columns,
                left_rows,
                right.values.as_ptr(),
                right_columns,
                right_rows,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

/// Sums `[image][output channel][position]` of activations `[image][channel][row][column]` and weights `[output channel][k]`.
pub(crate) fn multiply(convolution: &Convolution, activations: &[f32], weights: &[f32]) -> Vec<f32> {
    let images = activations.len() / convolution.inputs();
    let mut sums = vec![0.0; images * convolution.outputs()];
    let shape = convolution.shape(1);
    if convolution.is_connected() {
        let weights = Matrix::new(weights, shape.n, shape.k);
        Matrix::new(activations, images, shape.k).add_product(weights.transposed(), &mut sums);
        return sums;
    }
    for (image, sums) in
        activations.chunks_exact(convolution.inputs()).zip(sums.chunks_exact_mut(convolution.outputs()))
    {
        let groups = weights.chunks_exact(shape.n * shape.k).zip(sums.chunks_exact_mut(shape.n * shape.m));
        for (group, (weights, sums)) in groups.enumerate() {
            let patches = convolution.lower(image, group);
            let patches = Matrix::new(&patches, shape.m, shape.k);
            Matrix::new(weights, shape.n, shape.k).add_product(patches.transposed(), sums);
        }
    }
    sums
}

/// The gradient by activations, from that by sums.
pub(crate) fn activation_gradient(convolution: &Convolution, gradient: &[f32], weights: &[f32]) -> Vec<f32> {
    let images = gradient.len() / convolution.outputs();
    let mut by_activations = vec![0.0; images * convolution.inputs()];
    let shape = convolution.shape(1);
    if convolution.is_connected() {
        let weights = Matrix::new(weights, shape.n, shape.k);
        Matrix::new(gradient, images, shape.n).add_product(weights, &mut by_activations);
        return by_activations;
    }
    let mut patches = vec![0.0; shape.m * shape.k];
    let pairs = gradient.chunks_exact(convolution.outputs());
    for (gradient, by_activations) in pairs.zip(by_activations.chunks_exact_mut(convolution.inputs())) {
        let groups = gradient.chunks_exact(shape.n * shape.m).zip(weights.chunks_exact(shape.n * shape.k));
        for (group, (gradient, weights)) in groups.enumerate() {
            patches.fill(0.0);
            let weights = Matrix::new(weights, shape.n, shape.k);
            Matrix::new(gradient, shape.n, shape.m).transposed().add_product(weights, &mut patches);
            convolution.add_patches(&patches, group, by_activations);
        }
    }
    by_activations
}

/// The gradient by weights, from that by sums.
pub(crate) fn weight_gradient(convolution: &Convolution, gradient: &[f32], activations: &[f32]) -> Vec<f32> {
    let images = gradient.len() / convolution.outputs();
    let mut by_weights = vec![0.0; convolution.weights()];
    let shape = convolution.shape(1);
    if convolution.is_connected() {
        let activations = Matrix::new(activations, images, shape.k);
        Matrix::new(gradient, images, shape.n).transposed().add_product(activations, &mut by_weights);
        return by_weights;
    }
    let pairs = gradient.chunks_exact(convolution.outputs());
    for (gradient, image) in pairs.zip(activations.chunks_exact(convolution.inputs())) {
        let groups = gradient.chunks_exact(shape.n * shape.m).zip(by_weights.chunks_exact_mut(shape.n * shape.k));
        for (group, (gradient, by_weights)) in groups.enumerate() {
            let patches = convolution.lower(image, group);
            let patches = Matrix::new(&patches, shape.m, shape.k);
            Matrix::new(gradient, shape.n, shape.m).add_product(patches, by_weights);
        }
    }
    by_weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The product is linear in activations and in weights, so finite differences are exact but for rounding: the gradient
    /// of ⟨g, multiply(x, w)⟩ by each number, in double precision from the definition.
    #[test]
    fn products_and_gradients_are_their_definitions() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for convolution in [
            Convolution::connected([3, 2, 2], 5).unwrap(),
            Convolution::new([4, 6, 5], 6, [3, 2], [2, 1], [1, 2], 2).unwrap(),
            Convolution::new([3, 4, 4], 3, [2, 2], [1, 1], [1, 0], 3).unwrap(),
        ] {
            let images = 3;
            let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
            let (x, w) = (random(images * convolution.inputs()), random(convolution.weights()));
            let g = random(images * convolution.outputs());
            let (shape, positions) = (convolution.shape(images), convolution.positions());
            // Which activation meets a weight, by lowering the activations' own numbers (plus one: padding is zero).
            let numbers: Vec<u32> = (1..=x.len() as u32).collect();
            let (mut sums, mut by_x, mut by_w) = (vec![0f64; g.len()], vec![0f64; x.len()], vec![0f64; w.len()]);
            for group in 0..convolution.groups() {
                let met = convolution.lower(&numbers, group);
                for (row, n) in (0..shape.m).flat_map(|row| (0..shape.n).map(move |n| (row, n))) {
                    let channel = group * shape.n + n;
                    let place = (row / positions * convolution.channels() + channel) * positions + row % positions;
                    for k in 0..shape.k {
                        let Some(activation) = (met[row * shape.k + k] as usize).checked_sub(1) else { continue };
                        let weight = channel * shape.k + k;
                        sums[place] += f64::from(x[activation]) * f64::from(w[weight]);
                        by_x[activation] += f64::from(g[place]) * f64::from(w[weight]);
                        by_w[weight] += f64::from(g[place]) * f64::from(x[activation]);
                    }
                }
            }
            for (found, expected) in [
                (multiply(&convolution, &x, &w), sums),
                (activation_gradient(&convolution, &g, &w), by_x),
                (weight_gradient(&convolution, &g, &x), by_w),
            ] {
                assert_eq!(found.len(), expected.len());
                let close = |(&found, &expected): (&f32, &f64)| (f64::from(found) - expected).abs() < 1e-4;
                assert!(found.iter().zip(&expected).all(close), "{convolution:?}");
            }
        }
    }
}
