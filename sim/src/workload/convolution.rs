//! Geometry of a two-dimensional convolution, and its lowering to matrix products of activation codes.

use crate::kernel::Shape;
use crate::memory::LayerShape;
use std::borrow::Cow;
use std::ops::AddAssign;

/// Bytes that a row of a kernel is copied by: kernels of up to so many columns take one unaligned move a row.
const MOVE: usize = 8;

/// Geometry of a convolution (cross-correlation, as networks use it) over images `[channel][row][column]`.
///
/// A fully connected layer is the convolution whose kernel covers the whole image: [`Convolution::connected`].
///
/// Invariant: the padded image holds the kernel at least once, strides are positive, the groups divide both the
/// input and the output channels, and no size is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Convolution {
    input: [usize; 3],
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
}

/// A geometry that no image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvolutionError {
    /// The kernel is empty or does not fit.
    #[error(
        "a kernel of {kernel:?} does not fit images of {input:?} (channels, rows, columns) padded by {padding:?}"
    )]
    Kernel {
        /// Rows and columns of the kernel.
        kernel: [usize; 2],
        /// Channels, rows and columns of an image.
        input: [usize; 3],
        /// Rows and columns added at each border.
        padding: [usize; 2],
    },
    /// A step of zero.
    #[error("a stride of {0:?}; both steps must be positive")]
    Stride([usize; 2]),
    /// The groups do not divide the channels.
    #[error("{groups} groups do not divide {inputs} input and {outputs} output channels")]
    Groups {
        /// Groups asked for.
        groups: usize,
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
    },
}

impl Convolution {
    /// A convolution of images of `input` (channels, rows, columns) to `outputs` channels by kernels of `kernel` (rows,
    /// columns), `stride` rows and columns apart.
    ///
    /// `padding` rows and columns of activation code 0 are added at each border; the multiplier sees these zeros. Input
    /// and output channels are split into `groups` that do not mix; as many as channels is a depthwise convolution.
    pub fn new(
        input: [usize; 3],
        outputs: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        groups: usize,
    ) -> Result<Self, ConvolutionError> {
        let padded = |axis: usize| padding[axis].checked_mul(2)?.checked_add(input[axis + 1]);
        let fits = |axis: usize| padded(axis).is_some_and(|size| (1..=size).contains(&kernel[axis]));
        let countable = || {
            let image = padded(0)?.checked_mul(padded(1)?)?.checked_mul(input[0].max(outputs))?;
            kernel[0].checked_mul(kernel[1])?.checked_mul(input[0])?.checked_mul(image)
        };
        if !(fits(0) && fits(1)) || countable().is_none() {
            return Err(ConvolutionError::Kernel { kernel, input, padding });
        }
        if stride.contains(&0) {
            return Err(ConvolutionError::Stride(stride));
        }
        let divides = |channels: usize| channels > 0 && groups > 0 && channels.is_multiple_of(groups);
        if !(divides(input[0]) && divides(outputs)) {
            return Err(ConvolutionError::Groups { groups, inputs: input[0], outputs });
        }
        Ok(Self { input, outputs, kernel, stride, padding, groups })
    }

    /// Every output connected to every activation of images of `input` (channels, rows, columns).
    pub fn connected(input: [usize; 3], outputs: usize) -> Result<Self, ConvolutionError> {
        Self::new(input, outputs, [input[1], input[2]], [1, 1], [0, 0], 1)
    }

    /// Whether the kernel covers the image, so that lowering changes nothing.
    pub fn is_connected(&self) -> bool {
        self.kernel == [self.input[1], self.input[2]] && self.padding == [0, 0] && self.groups == 1
    }

    /// Channels, rows and columns of an image.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Rows and columns of the kernel.
    pub fn kernel(&self) -> [usize; 2] {
        self.kernel
    }

    /// Rows and columns from one position of the kernel to the next.
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// Rows and columns of zeros at each border.
    pub fn padding(&self) -> [usize; 2] {
        self.padding
    }

    /// Groups of channels that do not mix.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Activations of an image.
    pub fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.outputs
    }

    /// Positions of the kernel, rows times columns of an output image.
    pub fn positions(&self) -> usize {
        let [_, rows, columns] = self.output();
        rows * columns
    }

    /// Sums of an image.
    pub fn outputs(&self) -> usize {
        self.outputs * self.positions()
    }

    /// Weights of all groups.
    pub fn weights(&self) -> usize {
        self.outputs * self.shape(1).k
    }

    /// The weights as memories hold them: those of an output channel in a row, whatever its group.
    pub fn weight_shape(&self) -> LayerShape {
        LayerShape { inputs: self.shape(1).k, outputs: self.outputs }
    }

    /// Multiply-accumulates an image.
    pub fn multiply_accumulates(&self) -> u64 {
        self.shape(1).multiply_accumulates() * self.groups as u64
    }

    /// Channels, rows and columns of an output image.
    pub fn output(&self) -> [usize; 3] {
        let positions =
            |axis: usize| (self.input[axis + 1] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1;
        [self.outputs, positions(0), positions(1)]
    }

    /// Matrix product of one group for a number of images; there are as many as groups.
    pub fn shape(&self, images: usize) -> Shape {
        let k = self.input[0] / self.groups * self.kernel[0] * self.kernel[1];
        Shape { m: images * self.positions(), k, n: self.outputs / self.groups }
    }

    /// The activation code that meets weight `k` of a filter of `group` in a row of [`Self::shape`]; 0 in the padding.
    ///
    /// # Panics
    /// If there is no such row or group.
    pub fn code(&self, images: &[u8], group: usize, row: usize, k: usize) -> u8 {
        let [channels, height, width] = self.input;
        let (positions, columns) = (self.positions(), self.output()[2]);
        let (image, position) = (row / positions, row % positions);
        let area = self.kernel[0] * self.kernel[1];
        let (channel, tap) = (group * (channels / self.groups) + k / area, k % area);
        let down = position / columns * self.stride[0] + tap / self.kernel[1];
        let right = position % columns * self.stride[1] + tap % self.kernel[1];
        match (down.checked_sub(self.padding[0]), right.checked_sub(self.padding[1])) {
            (Some(down), Some(right)) if down < height && right < width => {
                images[((image * channels + channel) * height + down) * width + right]
            }
            _ => 0,
        }
    }

    /// The patches under the kernel, `[image][row][column][channel][kernel row][kernel column]`, of one group's channels:
    /// the activations of [`Self::shape`], row by row.
    ///
    /// # Panics
    /// If the activations are not of whole images or there is no such group.
    pub fn lower<'a, T: Copy + Default>(&self, images: &'a [T], group: usize) -> Cow<'a, [T]> {
        assert!(images.len().is_multiple_of(self.inputs()), "activations of whole images");
        assert!(group < self.groups, "group {group} of {}", self.groups);
        if self.is_connected() {
            return Cow::Borrowed(images);
        }
        let Shape { m, k, .. } = self.shape(images.len() / self.inputs());
        // Moves of whole words may write beyond a patch; what follows overwrites it.
        let mut patches = vec![T::default(); m * k + MOVE];
        let mut end = 0;
        let mut padded = Padded::new(self);
        for image in images.chunks_exact(self.inputs()) {
            padded.fill(image, group);
            end = padded.append_patches(&mut patches, end);
        }
        patches.truncate(end);
        Cow::Owned(patches)
    }
}

impl Convolution {
    /// The adjoint of [`Self::lower`]: adds each element of `patches` to the element of `images` that it is a copy of.
    ///
    /// # Panics
    /// If the patches are not those of these images' group.
    pub fn add_patches<T: Copy + Default + AddAssign>(&self, patches: &[T], group: usize, images: &mut [T]) {
        let shape = self.shape(images.len() / self.inputs());
        assert_eq!(patches.len(), shape.m * shape.k, "patches of whole images");
        if self.is_connected() {
            return images.iter_mut().zip(patches).for_each(|(to, &from)| *to += from);
        }
        let mut padded = Padded::new(self);
        let patches = patches.chunks_exact(shape.k * self.positions());
        for (image, patches) in images.chunks_exact_mut(self.inputs()).zip(patches) {
            padded.codes.fill(T::default());
            padded.add_patches(patches);
            padded.add_to(image, group);
        }
    }
}

/// One group's channels of an image within its border of zeros.
struct Padded<'a, T> {
    geometry: &'a Convolution,
    size: [usize; 2],
    /// `[channel][row][column]`, and a move's room.
    codes: Vec<T>,
    /// Where the rows of the kernel at the first position begin.
    taps: Vec<usize>,
}

impl<'a, T: Copy + Default> Padded<'a, T> {
    fn new(geometry: &'a Convolution) -> Self {
        let channels = geometry.input[0] / geometry.groups;
        let size = [0, 1].map(|axis| geometry.input[axis + 1] + 2 * geometry.padding[axis]);
        let row = |channel: usize, row: usize| (channel * size[0] + row) * size[1];
        let taps = (0..channels).flat_map(|channel| (0..geometry.kernel[0]).map(move |down| row(channel, down)));
        Self { geometry, size, codes: vec![T::default(); channels * size[0] * size[1] + MOVE], taps: taps.collect() }
    }

    fn fill(&mut self, image: &[T], group: usize) {
        let [channels, height, width] = self.geometry.input;
        let of_group = channels / self.geometry.groups;
        let [above, before] = self.geometry.padding;
        let planes = image.chunks_exact(height * width).skip(group * of_group);
        for (plane, padded) in planes.zip(self.codes.chunks_exact_mut(self.size[0] * self.size[1]).take(of_group)) {
            let rows = padded.chunks_exact_mut(self.size[1]).skip(above);
            for (from, to) in plane.chunks_exact(width).zip(rows) {
                to[before..before + width].copy_from_slice(from);
            }
        }
    }

    /// Where each position of the kernel begins.
    fn corners(&self) -> impl Iterator<Item = usize> + use<T> {
        let (stride, width, [_, down, right]) = (self.geometry.stride, self.size[1], self.geometry.output());
        (0..down).flat_map(move |row| (0..right).map(move |column| row * stride[0] * width + column * stride[1]))
    }

    /// Writes the patches from `start` on and returns where they end.
    fn append_patches(&self, patches: &mut [T], start: usize) -> usize {
        let columns = self.geometry.kernel[1];
        let mut end = start;
        for corner in self.corners() {
            for &tap in &self.taps {
                let from = corner + tap;
                if columns <= MOVE {
                    patches[end..end + MOVE].copy_from_slice(&self.codes[from..from + MOVE]);
                } else {
                    patches[end..end + columns].copy_from_slice(&self.codes[from..from + columns]);
                }
                end += columns;
            }
        }
        end
    }
}

impl<T: Copy + AddAssign> Padded<'_, T> {
    fn add_patches(&mut self, patches: &[T])
    where
        T: Default,
    {
        let mut rows = patches.chunks_exact(self.geometry.kernel[1]);
        for corner in self.corners() {
            for &tap in &self.taps {
                let row = rows.next().expect("a patch for each position");
                self.codes[corner + tap..][..row.len()].iter_mut().zip(row).for_each(|(to, &from)| *to += from);
            }
        }
    }

    /// Adds what lies within the border to one group's channels of an image.
    fn add_to(&self, image: &mut [T], group: usize) {
        let [channels, height, width] = self.geometry.input;
        let of_group = channels / self.geometry.groups;
        let [above, before] = self.geometry.padding;
        let planes = image.chunks_exact_mut(height * width).skip(group * of_group).take(of_group);
        for (plane, padded) in planes.zip(self.codes.chunks_exact(self.size[0] * self.size[1])) {
            let rows = padded.chunks_exact(self.size[1]).skip(above);
            for (to, from) in plane.chunks_exact_mut(width).zip(rows) {
                to.iter_mut().zip(&from[before..before + width]).for_each(|(to, &from)| *to += from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::TableGemm;
    use crate::multiplier::ProductTable;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The definition: each output is the sum over its group's channels and the kernel, zeros outside the image.
    fn convolve(geometry: &Convolution, product: impl Fn(u8, i8) -> i32, weights: &[i8], images: &[u8]) -> Vec<i32> {
        let [channels, height, width] = geometry.input;
        let [outputs, rows, columns] = geometry.output();
        let [kernel_rows, kernel_columns] = geometry.kernel;
        let group_channels = channels / geometry.groups;
        let at = |image: &[u8], channel: usize, row: usize, column: usize| -> u8 {
            let inside = |position: usize, axis: usize, size: usize| {
                position.checked_sub(geometry.padding[axis]).filter(|&position| position < size)
            };
            match (inside(row, 0, height), inside(column, 1, width)) {
                (Some(row), Some(column)) => image[(channel * height + row) * width + column],
                _ => 0,
            }
        };
        let mut sums = Vec::new();
        for image in images.chunks_exact(channels * height * width) {
            for output in 0..outputs {
                let first = output / (outputs / geometry.groups) * group_channels;
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let mut sum = 0;
                    for channel in 0..group_channels {
                        for (y, x) in (0..kernel_rows).flat_map(|y| (0..kernel_columns).map(move |x| (y, x))) {
                            let (top, left) = (row * geometry.stride[0] + y, column * geometry.stride[1] + x);
                            let index = ((output * group_channels + channel) * kernel_rows + y) * kernel_columns + x;
                            sum += product(at(image, first + channel, top, left), weights[index]);
                        }
                    }
                    sums.push(sum);
                }
            }
        }
        sums
    }

    #[test]
    fn lowering_gives_the_convolution_of_every_geometry() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let exact = ProductTable::exact(8, 8, true);
        // A table that is not zero where an operand is, so that padding shows.
        let table = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !3, b) + (b as i32 & 7));
        let gemm = TableGemm::new(&table);
        for _ in 0..60 {
            let groups = rng.random_range(1..=3);
            let mut size = |low, high| rng.random_range(low..=high);
            let input = [groups * [size(1, 3), size(7, 17)][size(0, 1)], size(1, 9), size(1, 17)];
            let padding = [size(0, 3), size(0, 3)];
            let kernel = [size(1, input[1] + 2 * padding[0]), size(1, input[2] + 2 * padding[1])];
            let stride = [size(1, 3), size(1, 3)];
            let geometry = Convolution::new(input, groups * size(1, 4), kernel, stride, padding, groups).unwrap();
            let count = size(1, 3);
            let images: Vec<u8> = (0..count * geometry.inputs()).map(|_| rng.random_range(0..=127)).collect();
            let weights: Vec<i8> = (0..geometry.weights()).map(|_| rng.random()).collect();
            let product =
                |activation: u8, weight: i8| table.product(activation.into(), weight.cast_unsigned().into());
            let expected = convolve(&geometry, product, &weights, &images);

            let shape = geometry.shape(count);
            let mut found = vec![0; count * geometry.outputs()];
            for group in 0..groups {
                let activations = geometry.lower(&images, group);
                let mut sums = vec![0; shape.m * shape.n];
                gemm.run(&activations, &weights[group * shape.n * shape.k..][..shape.n * shape.k], shape, &mut sums);
                for (place, sum) in sums.into_iter().enumerate() {
                    let (row, channel) = (place / shape.n, group * shape.n + place % shape.n);
                    let (image, position) = (row / geometry.positions(), row % geometry.positions());
                    found[(image * geometry.outputs + channel) * geometry.positions() + position] = sum;
                }
                for (place, &activation) in activations.iter().enumerate() {
                    assert_eq!(geometry.code(&images, group, place / shape.k, place % shape.k), activation);
                }
            }
            assert!(found == expected, "{geometry:?}");
            let mut sums = vec![0; expected.len()];
            geometry.for_each_sum(&gemm, &weights, &images, 2, |products| {
                geometry.scatter(
                    products.group,
                    products.sums,
                    &mut sums[products.image * geometry.outputs()..],
                    |_, sum| sum,
                );
            });
            assert!(sums == expected, "channels last, {geometry:?}");
        }
    }

    /// ⟨lower(x), y⟩ = ⟨x, add_patches(y)⟩ for all x and y.
    #[test]
    fn adding_patches_is_the_adjoint_of_lowering() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        for geometry in [
            Convolution::new([4, 6, 5], 6, [3, 2], [2, 1], [1, 2], 2).unwrap(),
            Convolution::new([1, 5, 12], 1, [2, 9], [1, 1], [0, 0], 1).unwrap(),
            Convolution::connected([2, 2, 3], 4).unwrap(),
        ] {
            for group in 0..geometry.groups {
                let mut random =
                    |count: usize| -> Vec<i64> { (0..count).map(|_| rng.random_range(-99..=99)).collect() };
                let (x, shape) = (random(2 * geometry.inputs()), geometry.shape(2));
                let y = random(shape.m * shape.k);
                let dot = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>();
                let mut back = vec![0; x.len()];
                geometry.add_patches(&y, group, &mut back);
                assert_eq!(dot(&geometry.lower(&x, group), &y), dot(&x, &back), "{geometry:?}");
            }
        }
    }

    #[test]
    fn connecting_everything_needs_no_lowering() {
        let geometry = Convolution::connected([2, 3, 4], 5).unwrap();
        assert_eq!((geometry.output(), geometry.shape(7)), ([5, 1, 1], Shape { m: 7, k: 24, n: 5 }));
        let images: Vec<u8> = (0..48).collect();
        assert!(matches!(geometry.lower(&images, 0), Cow::Borrowed(patches) if patches == images));
        assert!(Convolution::connected([2, 3, 4], 0).is_err());
    }

    /// LeNet-5 on 28×28 images: 28×28 after the padded first convolution, 10×10 after the second.
    #[test]
    fn shapes_are_those_of_lenet() {
        let first = Convolution::new([1, 28, 28], 6, [5, 5], [1, 1], [2, 2], 1).unwrap();
        assert_eq!(first.output(), [6, 28, 28]);
        assert_eq!(first.shape(3), Shape { m: 3 * 784, k: 25, n: 6 });
        let second = Convolution::new([6, 14, 14], 16, [5, 5], [1, 1], [0, 0], 1).unwrap();
        assert_eq!(second.output(), [16, 10, 10]);
        assert_eq!(second.shape(1), Shape { m: 100, k: 150, n: 16 });
    }

    #[test]
    fn impossible_geometries_are_refused() {
        let with = |kernel, stride, groups| Convolution::new([2, 3, 3], 4, kernel, stride, [0, 0], groups);
        assert!(with([3, 3], [1, 1], 2).is_ok());
        assert!(matches!(with([3, 4], [1, 1], 1), Err(ConvolutionError::Kernel { .. })));
        assert!(matches!(with([0, 1], [1, 1], 1), Err(ConvolutionError::Kernel { .. })));
        assert_eq!(with([3, 3], [1, 0], 1), Err(ConvolutionError::Stride([1, 0])));
        assert_eq!(with([3, 3], [1, 1], 4), Err(ConvolutionError::Groups { groups: 4, inputs: 2, outputs: 4 }));
        assert_eq!(with([3, 3], [1, 1], 0), Err(ConvolutionError::Groups { groups: 0, inputs: 2, outputs: 4 }));
    }
}
