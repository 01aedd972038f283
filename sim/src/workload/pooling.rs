//! Pooling of activation codes.

use super::ConvolutionError;
use serde::{Deserialize, Serialize};

/// How the activations of a pooling window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The largest.
    Maximum,
    /// The mean, halves rounded up.
    Average,
}

/// Pooling of images `[channel][row][column]`, channel by channel; what no whole window covers is dropped.
///
/// Invariant: the window is not empty and fits an image, and strides are positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    kind: Pooling,
    input: [usize; 3],
    window: [usize; 2],
    stride: [usize; 2],
}

impl Pool {
    /// Pools images of `input` (channels, rows, columns) in windows of `window` rows and columns, `stride` apart.
    pub fn new(
        kind: Pooling,
        input: [usize; 3],
        window: [usize; 2],
        stride: [usize; 2],
    ) -> Result<Self, ConvolutionError> {
        let [_, height, width] = input;
        if !((1..=height).contains(&window[0]) && (1..=width).contains(&window[1])) {
            return Err(ConvolutionError::Kernel { kernel: window, input, padding: [0, 0] });
        }
        if stride.contains(&0) {
            return Err(ConvolutionError::Stride(stride));
        }
        Ok(Self { kind, input, window, stride })
    }

    /// What becomes of a window.
    pub fn kind(&self) -> Pooling {
        self.kind
    }

    /// Channels, rows and columns of an image.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Rows and columns of a window.
    pub fn window(&self) -> [usize; 2] {
        self.window
    }

    /// Rows and columns from window to window.
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// Channels, rows and columns of a pooled image.
    pub fn output(&self) -> [usize; 3] {
        let windows = |axis: usize| (self.input[axis + 1] - self.window[axis]) / self.stride[axis] + 1;
        [self.input[0], windows(0), windows(1)]
    }

    /// Calls `visit` for every window of one image with the places of its activations, row by row.
    pub fn for_each_window(&self, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
        let [channels, height, width] = self.input;
        let [_, rows, columns] = self.output();
        let mut pooled = 0;
        for channel in 0..channels {
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let corner = (channel * height + row * self.stride[0]) * width + column * self.stride[1];
                let places = |down| corner + down * width..corner + down * width + self.window[1];
                visit(pooled, &mut (0..self.window[0]).flat_map(places));
                pooled += 1;
            }
        }
    }

    /// Pooled activation codes of whole images.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn apply(&self, images: &[u8]) -> Vec<u8> {
        let [channels, height, width] = self.input;
        assert!(images.len().is_multiple_of(channels * height * width), "activations of whole images");
        let [_, rows, columns] = self.output();
        let mut pooled = Vec::with_capacity(images.len() / (height * width) * rows * columns);
        let mut line = vec![0; width];
        for plane in images.chunks_exact(height * width) {
            for top in (0..rows).map(|row| row * self.stride[0]) {
                let lines = &plane[top * width..][..self.window[0] * width];
                match self.kind {
                    Pooling::Maximum => self.maxima(lines, &mut line, &mut pooled),
                    Pooling::Average => self.means(lines, &mut line, &mut pooled),
                }
            }
        }
        pooled
    }

    /// Of a row of windows, whose lines of the plane are given; down the columns first, in `line`.
    fn maxima(&self, lines: &[u8], line: &mut [u32], pooled: &mut Vec<u8>) {
        line.fill(0);
        for codes in lines.chunks_exact(line.len()) {
            line.iter_mut().zip(codes).for_each(|(largest, &code)| *largest = (*largest).max(code.into()));
        }
        let largest = |window: &[u32]| window.iter().fold(0, |largest, &code| code.max(largest)) as u8;
        pooled.extend(self.windows(line).map(largest));
    }

    fn means(&self, lines: &[u8], line: &mut [u32], pooled: &mut Vec<u8>) {
        line.fill(0);
        for codes in lines.chunks_exact(line.len()) {
            line.iter_mut().zip(codes).for_each(|(sum, &code)| *sum += u32::from(code));
        }
        let count = (self.window[0] * self.window[1]) as u32;
        pooled.extend(self.windows(line).map(|window| ((window.iter().sum::<u32>() + count / 2) / count) as u8));
    }

    fn windows<'a>(&self, line: &'a [u32]) -> impl Iterator<Item = &'a [u32]> + use<'a> {
        let (width, stride) = (self.window[1], self.stride[1]);
        (0..self.output()[2]).map(move |column| &line[column * stride..][..width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn pooling_takes_whole_windows() {
        let plane = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13];
        let pool = |kind, window, stride| Pool::new(kind, [1, 3, 4], window, stride).unwrap().apply(&plane);
        assert_eq!(pool(Pooling::Maximum, [2, 2], [2, 2]), [6, 8]);
        // Means of {1,2,5,6}, {3,4,7,8}: 3.5 and 5.5, halves up.
        assert_eq!(pool(Pooling::Average, [2, 2], [2, 2]), [4, 6]);
        assert_eq!(pool(Pooling::Maximum, [3, 1], [1, 2]), [9, 11]);
        let high = Pool::new(Pooling::Average, [2, 2, 2], [2, 2], [2, 2]).unwrap();
        assert_eq!(high.apply(&[255; 8]), [255, 255]);
    }

    #[test]
    fn pooling_is_its_definition_window_by_window() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for _ in 0..50 {
            let mut size = |low, high| rng.random_range(low..=high);
            let input = [size(1, 3), size(1, 9), size(1, 9)];
            let (window, stride) = ([size(1, input[1]), size(1, input[2])], [size(1, 4), size(1, 4)]);
            let features: usize = input.iter().product();
            let images: Vec<u8> = (0..2 * features).map(|_| rng.random_range(0..=127)).collect();
            for kind in [Pooling::Maximum, Pooling::Average] {
                let pool = Pool::new(kind, input, window, stride).unwrap();
                let mut expected = Vec::new();
                for image in images.chunks_exact(features) {
                    pool.for_each_window(|place, window| {
                        assert_eq!(place, expected.len() % pool.output().iter().product::<usize>());
                        let codes: Vec<f64> = window.map(|place| f64::from(image[place])).collect();
                        let mean = codes.iter().sum::<f64>() / codes.len() as f64;
                        expected.push(match kind {
                            Pooling::Maximum => codes.into_iter().fold(0.0, f64::max) as u8,
                            Pooling::Average => (mean + 0.5).floor() as u8,
                        });
                    });
                }
                assert_eq!(pool.apply(&images), expected, "{pool:?}");
            }
        }
    }

    #[test]
    fn impossible_windows_are_refused() {
        let refused = |window, stride| Pool::new(Pooling::Maximum, [1, 3, 4], window, stride).is_err();
        assert!(refused([4, 1], [1, 1]) && refused([0, 1], [1, 1]) && refused([1, 1], [0, 1]));
    }
}
