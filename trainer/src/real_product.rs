//! Convolutions of real numbers and their gradients, as matrix products on slices.
//!
//! A fully connected layer is one product over all images, a convolution one a group and block of images: sums are `[image][n]` in
//! the one and `[n][image][position]` in the other, so that nothing is transposed in memory.

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

    /// Its elements, row by row.
    fn copied(self) -> Vec<f32> {
        let row = |row: usize| {
            (0..self.columns).map(move |column| self.values[row * self.row_step + column * self.column_step])
        };
        (0..self.rows).flat_map(row).collect()
    }

    /// Some of the columns.
    fn columns(self, columns: std::ops::Range<usize>) -> Self {
        self.transposed().rows(columns).transposed()
    }

    /// Some of the rows.
    fn rows(self, rows: std::ops::Range<usize>) -> Self {
        assert!(rows.start < rows.end && rows.end <= self.rows, "rows of a matrix");
        Self { values: &self.values[rows.start * self.row_step..], rows: rows.len(), ..self }
    }

    /// Writes the product with `right` to `out`, `[row of self][column of right]`.
    fn product(self, right: Matrix<'_>, out: &mut [f32]) {
        self.multiply(right, out, false);
    }

    /// Adds the product with `right` to `out`, `[row of self][column of right]`.
    fn add_product(self, right: Matrix<'_>, out: &mut [f32]) {
        self.multiply(right, out, true);
    }

    fn multiply(self, right: Matrix<'_>, out: &mut [f32], adds: bool) {
        assert_eq!(self.columns, right.rows, "inner sizes of a matrix product");
        assert_eq!(out.len(), self.rows * right.columns, "elements of a matrix product");
        if out.is_empty() || self.columns == 0 {
            return;
        }
        let steps = |matrix: Matrix<'_>| (matrix.column_step as isize, matrix.row_step as isize);
        let ((left_columns, left_rows), (right_columns, right_rows)) = (steps(self), steps(right));
        // SAFETY: by the asserts here, in `new` and in `rows`, every element that the sizes and steps name lies in its slice, and
        // `out` is borrowed alone.
        unsafe {
            gemm::gemm(
                self.rows,
                right.columns,
                self.columns,
                out.as_mut_ptr(),
                1,
                right.columns as isize,
                adds,
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

/// Positions of the kernel that go through a matrix product together, from several images if one has fewer.
const BLOCK_POSITIONS: usize = 512;

/// Positions that gradients by weights are summed over before they are added to those of other images: enough for the sums to
/// stay in registers.
const SUMMED_POSITIONS: usize = 256;

/// Positions from which on those of one image are enough.
const ENOUGH_POSITIONS: usize = 100;

/// Largest product that `gemm` sums over lanes where rows of the left and columns of the right matrix lie in memory as such.
const SUMMED_BY_LANES: usize = 256;

/// How a convolution's images are lowered: the activations under a kernel's place (`k`) at all positions of a block of images,
/// `[k][image of the block][position]`. In a row neighbours come from neighbouring columns of an image.
struct Lowering<'a> {
    convolution: &'a Convolution,
    /// Images of a whole block.
    block: usize,
}

/// Positions at which a place of the kernel meets an image: so many in each of some rows, the first at `position`, where it meets
/// `activation`. In further rows both go on as if the gap between rows were a part of them.
struct Run {
    k: usize,
    position: usize,
    activation: usize,
    length: usize,
    gap: usize,
    rows: usize,
}

impl Run {
    /// Positions from the first to the last, gaps included.
    fn span(&self) -> usize {
        (self.rows - 1) * (self.length + self.gap) + self.length
    }

    /// Clears what lies between rows in the positions of this run.
    fn clear_gaps(&self, run: &mut [f32]) {
        if self.gap > 0 {
            run.chunks_mut(self.length + self.gap).take(self.rows - 1).for_each(|row| row[self.length..].fill(0.0));
        }
    }
}

impl<'a> Lowering<'a> {
    fn new(convolution: &'a Convolution, images: usize) -> Self {
        Self { convolution, block: BLOCK_POSITIONS.div_ceil(convolution.positions()).min(images).max(1) }
    }

    /// Visits where each place of a kernel meets the image, over as many rows of positions as there are at once. Positions that see
    /// the border are left out. Places come with rows and columns of the kernel falling, so that each activation is visited by
    /// positions in their order.
    fn for_each_run(&self, group: usize, mut visit: impl FnMut(Run)) {
        let [channels, height, width] = self.convolution.input();
        let ([rows, columns], [_, down, right]) = (self.convolution.kernel(), self.convolution.output());
        let (stride, padding) = (self.convolution.stride(), self.convolution.padding());
        let of_group = channels / self.convolution.groups();
        // Positions at which a kernel's row or column meets the image.
        let inside = |tap: usize, axis: usize, size: usize, positions: usize| {
            let first = padding[axis].saturating_sub(tap).div_ceil(stride[axis]);
            let end = (size + padding[axis]).saturating_sub(tap).div_ceil(stride[axis]).min(positions);
            first..end.max(first)
        };
        // Rows of positions follow each other as rows of the image do.
        let is_plane = stride == [1, 1] && right == width;
        for channel in 0..of_group {
            let plane = (group * of_group + channel) * height * width;
            for (y, x) in (0..rows).rev().flat_map(|y| (0..columns).rev().map(move |x| (y, x))) {
                let k = (channel * rows + y) * columns + x;
                let (along, across) = (inside(x, 1, width, right), inside(y, 0, height, down));
                if along.is_empty() || across.is_empty() {
                    continue;
                }
                let at_once = if is_plane { across.len() } else { 1 };
                for row in across.step_by(at_once) {
                    let line = plane + (row * stride[0] + y - padding[0]) * width;
                    visit(Run {
                        k,
                        position: row * right + along.start,
                        activation: line + along.start * stride[1] + x - padding[1],
                        length: along.len(),
                        gap: right - along.len(),
                        rows: at_once,
                    });
                }
            }
        }
    }

    /// Lowers one group's channels of some images.
    fn lower(&self, images: &[f32], group: usize, lowered: &mut Vec<f32>) {
        let (positions, inputs) = (self.convolution.positions(), self.convolution.inputs());
        let (count, step) = (images.len() / inputs, self.convolution.stride()[1]);
        let size = self.convolution.shape(count).k * count * positions;
        // What sees the border stays zero from one block of this size to the next.
        if lowered.len() != size {
            lowered.clear();
            lowered.resize(size, 0.0);
        }
        self.for_each_run(group, |run| {
            for (number, image) in images.chunks_exact(inputs).enumerate() {
                let to = &mut lowered[(run.k * count + number) * positions + run.position..][..run.span()];
                let from = &image[run.activation..];
                match step {
                    1 => to.copy_from_slice(&from[..to.len()]),
                    _ => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, from)| *to = *from),
                }
                run.clear_gaps(to);
            }
        });
    }

    /// The adjoint of [`Self::lower`]: adds each element to the activation that it is a copy of. Elements that see the border may be lost.
    fn add(&self, lowered: &mut [f32], group: usize, images: &mut [f32]) {
        let (positions, inputs) = (self.convolution.positions(), self.convolution.inputs());
        let (count, step) = (images.len() / inputs, self.convolution.stride()[1]);
        self.for_each_run(group, |run| {
            for (number, image) in images.chunks_exact_mut(inputs).enumerate() {
                let from = &mut lowered[(run.k * count + number) * positions + run.position..][..run.span()];
                run.clear_gaps(from);
                let to = &mut image[run.activation..];
                match step {
                    1 => to[..from.len()].iter_mut().zip(from).for_each(|(to, from)| *to += *from),
                    _ => to.iter_mut().step_by(step).zip(from).for_each(|(to, from)| *to += *from),
                }
            }
        });
    }

    /// A group's sums of some images, `[output channel of the group][image][position]`.
    fn gather<'s>(&self, sums: &'s [f32], group: usize, gathered: &'s mut Vec<f32>) -> &'s [f32] {
        let (n, positions, outputs) =
            (self.convolution.shape(1).n, self.convolution.positions(), self.convolution.outputs());
        if sums.len() == outputs {
            return &sums[group * n * positions..][..n * positions];
        }
        gathered.clear();
        for channel in group * n..(group + 1) * n {
            for image in sums.chunks_exact(outputs) {
                gathered.extend_from_slice(&image[channel * positions..][..positions]);
            }
        }
        gathered
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
    let lowering = Lowering::new(convolution, images);
    let (mut lowered, mut products) = (Vec::new(), Vec::new());
    let blocks = activations.chunks(lowering.block * convolution.inputs());
    for (activations, sums) in blocks.zip(sums.chunks_mut(lowering.block * convolution.outputs())) {
        let columns = sums.len() / convolution.channels();
        for (group, weights) in weights.chunks_exact(shape.n * shape.k).enumerate() {
            lowering.lower(activations, group, &mut lowered);
            products.resize(shape.n * columns, 0.0);
            Matrix::new(weights, shape.n, shape.k).product(Matrix::new(&lowered, shape.k, columns), &mut products);
            for (channel, products) in products.chunks_exact(columns).enumerate() {
                let images = sums.chunks_exact_mut(convolution.outputs()).zip(products.chunks_exact(shape.m));
                images.for_each(|(image, products)| {
                    image[(group * shape.n + channel) * shape.m..][..shape.m].copy_from_slice(products);
                });
            }
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
    let lowering = Lowering::new(convolution, images);
    let (mut lowered, mut gathered) = (Vec::new(), Vec::new());
    let blocks = gradient.chunks(lowering.block * convolution.outputs());
    for (gradient, by_activations) in blocks.zip(by_activations.chunks_mut(lowering.block * convolution.inputs())) {
        let columns = gradient.len() / convolution.channels();
        for (group, weights) in weights.chunks_exact(shape.n * shape.k).enumerate() {
            lowered.resize(shape.k * columns, 0.0);
            let gradient = Matrix::new(lowering.gather(gradient, group, &mut gathered), shape.n, columns);
            Matrix::new(weights, shape.n, shape.k).transposed().product(gradient, &mut lowered);
            lowering.add(&mut lowered, group, by_activations);
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
    let lowering = Lowering::new(convolution, images);
    let at_once = if shape.m >= ENOUGH_POSITIONS { 1 } else { SUMMED_POSITIONS.div_ceil(shape.m) };
    let (mut lowered, mut gathered) = (Vec::new(), Vec::new());
    let blocks = gradient.chunks(lowering.block * convolution.outputs());
    for (gradient, activations) in blocks.zip(activations.chunks(lowering.block * convolution.inputs())) {
        let columns = gradient.len() / convolution.channels();
        for (group, by_weights) in by_weights.chunks_exact_mut(shape.n * shape.k).enumerate() {
            lowering.lower(activations, group, &mut lowered);
            let gradient = Matrix::new(lowering.gather(gradient, group, &mut gathered), shape.n, columns);
            let lowered = Matrix::new(&lowered, shape.k, columns).transposed();
            // Few elements that both matrices hold side by side would be summed lane by lane; these are summed as all others are.
            let transposed = (shape.n * shape.k <= SUMMED_BY_LANES).then(|| gradient.transposed().copied());
            let gradient = match &transposed {
                Some(values) => Matrix::new(values, columns, shape.n).transposed(),
                None => gradient,
            };
            for first in (0..columns).step_by(at_once * shape.m) {
                let some = first..columns.min(first + at_once * shape.m);
                gradient.columns(some.clone()).add_product(lowered.rows(some), by_weights);
            }
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
            // A kernel that reaches beyond both borders, one beside the image at its ends, and images enough for several blocks.
            Convolution::new([2, 2, 3], 3, [3, 5], [1, 1], [2, 3], 1).unwrap(),
            Convolution::new([1, 12, 11], 2, [3, 3], [1, 1], [1, 1], 1).unwrap(),
        ] {
            let images = 9;
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
