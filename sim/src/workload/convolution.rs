//! Two-dimensional convolution and pooling of activation codes, as the array computes them.

use crate::kernel::{Shape, TableGemm};
use rayon::prelude::*;

/// Images lowered at a time: their patches stay in the second-level cache for small networks.
const BLOCK_IMAGES: usize = 8;

/// Geometry of a convolution (cross-correlation, as networks use it) over images `[channel][row][column]`.
///
/// Invariant: the padded image holds the kernel at least once, strides are positive, and the groups divide both the
/// input and the output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        let fits = |axis: usize| (1..=input[axis + 1] + 2 * padding[axis]).contains(&kernel[axis]);
        if !(fits(0) && fits(1)) {
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

    /// Channels, rows and columns of an output image.
    pub fn output(&self) -> [usize; 3] {
        let positions =
            |axis: usize| (self.input[axis + 1] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1;
        [self.outputs, positions(0), positions(1)]
    }

    /// Matrix product of one group for a number of images; there are as many as groups.
    pub fn shape(&self, images: usize) -> Shape {
        let [_, rows, columns] = self.output();
        let k = self.input[0] / self.groups * self.kernel[0] * self.kernel[1];
        Shape { m: images * rows * columns, k, n: self.outputs / self.groups }
    }

    /// The patches under the kernel, `[image][row][column][channel][kernel row][kernel column]`, of one group's channels:
    /// the activations of [`Self::shape`].
    ///
    /// # Panics
    /// If the activations are not of whole images or there is no such group.
    pub fn lower(&self, images: &[u8], group: usize) -> Vec<u8> {
        let [channels, height, width] = self.input;
        assert!(images.len().is_multiple_of(channels * height * width), "activations of whole images");
        assert!(group < self.groups, "group {group} of {}", self.groups);
        let group_channels = channels / self.groups;
        let [_, rows, columns] = self.output();
        let images = images.chunks_exact(channels * height * width);
        let mut patches = Vec::with_capacity(images.len() * self.shape(1).m * self.shape(1).k);
        for image in images {
            let group_image = &image[group * group_channels * height * width..][..group_channels * height * width];
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                for channel in group_image.chunks_exact(height * width) {
                    self.push_patch(channel, row * self.stride[0], column * self.stride[1], &mut patches);
                }
            }
        }
        patches
    }

    /// Appends what the kernel covers of one channel when its corner is at `top`, `left` of the padded image.
    fn push_patch(&self, channel: &[u8], top: usize, left: usize, patches: &mut Vec<u8>) {
        let [_, height, width] = self.input;
        let [above, before] = self.padding;
        for row in top..top + self.kernel[0] {
            let outside = row < above || row >= above + height;
            // The columns of the kernel that lie in the image are contiguous.
            let first = left.clamp(before, before + width);
            let last = if outside { first } else { (left + self.kernel[1]).clamp(first, before + width) };
            let end = patches.len() + self.kernel[1];
            patches.resize(patches.len() + (first - left).min(self.kernel[1]), 0);
            if last > first {
                patches.extend_from_slice(&channel[(row - above) * width..][first - before..last - before]);
            }
            patches.resize(end, 0);
        }
    }

    /// Accumulators `[image][channel][row][column]` of images of activation codes, without bias, for weight codes
    /// `[output channel][channel of the group][kernel row][kernel column]`. They wrap modulo 2^32.
    ///
    /// # Panics
    /// If the activations are not of whole images or the number of weights is wrong.
    pub fn accumulate(&self, gemm: &TableGemm, weights: &[i8], images: &[u8]) -> Vec<i32> {
        let [channels, height, width] = self.input;
        let [outputs, rows, columns] = self.output();
        let Shape { k, n, .. } = self.shape(1);
        assert_eq!(weights.len(), outputs * k, "weights of {self:?}");
        assert!(images.len().is_multiple_of(channels * height * width), "activations of whole images");
        let positions = rows * columns;
        let mut accumulators = vec![0; images.len() / (channels * height * width) * outputs * positions];
        let blocks = images
            .par_chunks(BLOCK_IMAGES * channels * height * width)
            .zip(accumulators.par_chunks_mut(BLOCK_IMAGES * outputs * positions));
        blocks.for_each(|(images, accumulators)| {
            let count = accumulators.len() / (outputs * positions);
            let mut sums = vec![0; count * positions * n];
            for (group, weights) in weights.chunks_exact(n * k).enumerate() {
                gemm.run(&self.lower(images, group), weights, self.shape(count), &mut sums);
                let images = accumulators.chunks_exact_mut(outputs * positions).zip(sums.chunks_exact(positions * n));
                for (image, sums) in images {
                    let channels = image.chunks_exact_mut(positions).skip(group * n).take(n);
                    for (index, channel) in channels.enumerate() {
                        channel.iter_mut().zip(sums[index..].iter().step_by(n)).for_each(|(to, &from)| *to = from);
                    }
                }
            }
        });
        accumulators
    }
}

/// How the activations of a pooling window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest.
    Maximum,
    /// The mean, halves rounded up.
    Average,
}

impl Pooling {
    /// Pools planes of `height` × `width` activation codes (all channels of all images one after the other) in windows
    /// of `window` rows and columns, `stride` apart; what no whole window covers is dropped.
    ///
    /// # Panics
    /// If the activations are not of whole planes, the window is empty or larger than a plane, or a stride is zero.
    pub fn apply(
        self,
        planes: &[u8],
        [height, width]: [usize; 2],
        window: [usize; 2],
        stride: [usize; 2],
    ) -> Vec<u8> {
        assert!(planes.len().is_multiple_of(height * width), "activations of whole planes");
        assert!((1..=height).contains(&window[0]) && (1..=width).contains(&window[1]), "a window of {window:?}");
        let mut pooled = Vec::new();
        for plane in planes.chunks_exact(height * width) {
            for top in (0..=height - window[0]).step_by(stride[0]) {
                for left in (0..=width - window[1]).step_by(stride[1]) {
                    let rows = plane[top * width..].chunks(width).take(window[0]);
                    let covered = rows.flat_map(|row| &row[left..left + window[1]]).copied();
                    pooled.push(self.pool(covered, window[0] * window[1]));
                }
            }
        }
        pooled
    }

    fn pool(self, codes: impl Iterator<Item = u8>, count: usize) -> u8 {
        match self {
            Self::Maximum => codes.max().unwrap_or(0),
            Self::Average => ((codes.map(usize::from).sum::<usize>() + count / 2) / count) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let input = [groups * size(1, 3), size(1, 9), size(1, 9)];
            let padding = [size(0, 3), size(0, 3)];
            let kernel = [size(1, input[1] + 2 * padding[0]), size(1, input[2] + 2 * padding[1])];
            let stride = [size(1, 3), size(1, 3)];
            let geometry = Convolution::new(input, groups * size(1, 4), kernel, stride, padding, groups).unwrap();
            let images = size(1, 2 * BLOCK_IMAGES) * input.iter().product::<usize>();
            let images: Vec<u8> = (0..images).map(|_| rng.random_range(0..=127)).collect();
            let weights = geometry.outputs * geometry.shape(1).k;
            let weights: Vec<i8> = (0..weights).map(|_| rng.random()).collect();
            let product =
                |activation: u8, weight: i8| table.product(activation.into(), weight.cast_unsigned().into());
            let expected = convolve(&geometry, product, &weights, &images);
            assert!(geometry.accumulate(&gemm, &weights, &images) == expected, "{geometry:?}");
        }
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

    #[test]
    fn pooling_takes_whole_windows() {
        let plane = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13];
        assert_eq!(Pooling::Maximum.apply(&plane, [3, 4], [2, 2], [2, 2]), [6, 8]);
        // Means of {1,2,5,6}, {3,4,7,8}: 3.5 and 5.5, halves up.
        assert_eq!(Pooling::Average.apply(&plane, [3, 4], [2, 2], [2, 2]), [4, 6]);
        assert_eq!(Pooling::Maximum.apply(&plane, [3, 4], [3, 1], [1, 2]), [9, 11]);
        assert_eq!(Pooling::Average.apply(&[255; 8], [2, 2], [2, 2], [2, 2]), [255, 255]);
    }
}
