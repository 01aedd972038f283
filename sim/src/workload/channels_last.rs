//! Lowering of convolutions in an order of products that needs few, long moves.

use super::Convolution;
use crate::kernel::transpose_bytes;

/// Bytes that are moved at once.
const MOVE: usize = 16;

/// Lowering to patches `[kernel row][kernel column][channel]`: with its channels side by side, what a row of the kernel covers is
/// one run of an image.
///
/// Sums do not depend on the order of their products; where only sums matter, this is the faster one.
pub(super) struct ChannelsLast<'a> {
    geometry: &'a Convolution,
    channels: usize,
    /// Columns of an image within its border of zeros.
    width: usize,
    /// An image within its border, `[row][column][channel of the group]`, and a move's room.
    padded: Vec<u8>,
}

impl<'a> ChannelsLast<'a> {
    pub(super) fn new(geometry: &'a Convolution) -> Self {
        let channels = geometry.input()[0] / geometry.groups();
        let [height, width] = [0, 1].map(|axis| geometry.input()[axis + 1] + 2 * geometry.padding()[axis]);
        Self { geometry, channels, width, padded: vec![0; height * width * channels + MOVE] }
    }

    /// Weights `[output channel][channel][kernel row][kernel column]` in the order of the patches.
    pub(super) fn weights(&self, weights: &[i8]) -> Vec<i8> {
        let area: usize = self.geometry.kernel().iter().product();
        let filters = weights.chunks_exact(area * self.channels);
        let places = || (0..area).flat_map(|tap| (0..self.channels).map(move |channel| channel * area + tap));
        filters.flat_map(|filter| places().map(|place| filter[place])).collect()
    }

    /// The patches of a group's channels of whole images, `[image][row][column]`.
    pub(super) fn lower(&mut self, images: &[u8], group: usize, patches: &mut Vec<u8>) {
        let geometry = self.geometry;
        let shape = geometry.shape(images.len() / geometry.inputs());
        // Moves may write beyond a run; what follows overwrites it.
        patches.resize(shape.m * shape.k + MOVE, 0);
        let mut end = 0;
        for image in images.chunks_exact(geometry.inputs()) {
            self.fill(image, group);
            end = self.append(patches, end);
        }
        patches.truncate(end);
    }

    /// Brings a group's channels of an image `[channel][row][column]` within the border.
    fn fill(&mut self, image: &[u8], group: usize) {
        /// Side of the squares that are transposed.
        const SIDE: usize = 8;
        let ([_, height, width], [above, before]) = (self.geometry.input(), self.geometry.padding());
        let planes = &image[group * self.channels * height * width..];
        for row in 0..height {
            let to = &mut self.padded[((row + above) * self.width + before) * self.channels..];
            let from = |channel: usize| &planes[(channel * height + row) * width..][..width];
            // What does not fill a square goes one by one.
            let whole = if width < SIDE { 0 } else { self.channels / SIDE * SIDE };
            for first in (0..whole).step_by(SIDE) {
                for column in (0..width).step_by(SIDE) {
                    // The last square ends with the row and repeats columns of the one before.
                    let column = column.min(width - SIDE);
                    let mut square = [0; SIDE];
                    for (channel, codes) in square.iter_mut().enumerate() {
                        let row = from(first + channel)[column..].first_chunk().expect("eight codes of a row");
                        *codes = u64::from_le_bytes(*row);
                    }
                    for (place, channels) in transpose_bytes(square).into_iter().enumerate() {
                        let pixel = &mut to[(column + place) * self.channels + first..][..SIDE];
                        pixel.copy_from_slice(&channels.to_le_bytes());
                    }
                }
            }
            for channel in whole..self.channels {
                let to = to[channel..].iter_mut().step_by(self.channels);
                to.zip(from(channel)).for_each(|(to, &code)| *to = code);
            }
        }
    }

    /// Writes the image's patches from `end` on and returns where they end.
    fn append(&self, patches: &mut [u8], mut end: usize) -> usize {
        let ([rows, columns], [down, right]) = (self.geometry.kernel(), self.geometry.stride());
        let (run, row_bytes) = (columns * self.channels, self.width * self.channels);
        let [_, output_rows, output_columns] = self.geometry.output();
        for row in 0..output_rows {
            for column in 0..output_columns {
                let corner = row * down * row_bytes + column * right * self.channels;
                for tap in 0..rows {
                    let from = &self.padded[corner + tap * row_bytes..];
                    for moved in (0..run).step_by(MOVE) {
                        patches[end + moved..][..MOVE].copy_from_slice(&from[moved..][..MOVE]);
                    }
                    end += run;
                }
            }
        }
        end
    }
}
