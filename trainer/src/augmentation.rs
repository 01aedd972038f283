//! Other images of the same things: training images moved and mirrored.

use axtrain_sim::profile::sampler::{Draws, Stream};
use std::borrow::Cow;

/// How training images are varied, anew in each epoch; each image's draws depend on seed, epoch and its number alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augmentation {
    /// Pixels by which an image is moved at most, up or down and left or right, all distances equally often; what it leaves
    /// is black.
    pub shift: usize,
    /// Whether every second image, by chance, is mirrored left to right.
    pub flip: bool,
}

impl Augmentation {
    /// Draws for the images of an epoch.
    pub(crate) fn draws(seed: u64, epoch: usize, image: usize) -> Stream {
        // Apart from the other draws of this seed.
        Draws::new(seed ^ u64::from_le_bytes(*b"augment.")).stream(epoch as u64, image as u64)
    }

    /// An image `[channel][row][column]` of this shape as it is seen this time.
    pub(crate) fn apply<'a>(&self, [_, height, width]: [usize; 3], image: &'a [u8], draws: Stream) -> Cow<'a, [u8]> {
        let flipped = self.flip && draws.bits(0) >> 63 == 1;
        let range = 2 * self.shift as u128 + 1;
        let moved = |index: u64| ((u128::from(draws.bits(index)) * range) >> 64) as isize - self.shift as isize;
        let (down, right) = (moved(1), moved(2));
        if !flipped && down == 0 && right == 0 {
            return Cow::Borrowed(image);
        }
        let mut seen = vec![0; image.len()];
        for (from, to) in image.chunks_exact(height * width).zip(seen.chunks_exact_mut(height * width)) {
            for (row, to) in to.chunks_exact_mut(width).enumerate() {
                let Some(row) = row.checked_add_signed(-down).filter(|&row| row < height) else { continue };
                let from = &from[row * width..][..width];
                for (column, to) in to.iter_mut().enumerate() {
                    let Some(column) = column.checked_add_signed(-right).filter(|&column| column < width) else {
                        continue;
                    };
                    *to = from[if flipped { width - 1 - column } else { column }];
                }
            }
        }
        Cow::Owned(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// One bright pixel of the second channel ends where it is moved to, each place equally often.
    #[test]
    fn images_are_moved_and_mirrored_evenly() {
        let shape = [2, 5, 6];
        let mut image = vec![0; 60];
        image[30 + 2 * 6 + 2] = 9;
        let mut places: HashMap<Option<usize>, u32> = HashMap::new();
        let augmentation = Augmentation { shift: 1, flip: true };
        let (epochs, images) = (40, 450);
        for (epoch, number) in (0..epochs).flat_map(|epoch| (0..images).map(move |number| (epoch, number))) {
            let seen = augmentation.apply(shape, &image, Augmentation::draws(7, epoch, number));
            assert!(seen[..30].iter().all(|&pixel| pixel == 0));
            let bright: Vec<usize> = (30..60).filter(|&place| seen[place] == 9).collect();
            assert_eq!((bright.len(), seen.iter().filter(|&&pixel| pixel > 0).count()), (1, 1));
            *places.entry(bright.first().copied()).or_default() += 1;
        }
        // Rows 1 to 3; columns 1 to 3, or mirrored from 3 of 6, 2 to 4: 2 and 3 both ways.
        for row in 1..=3 {
            for (column, ways) in [(1, 1.0), (2, 2.0), (3, 2.0), (4, 1.0)] {
                let expected = 18_000.0 * ways / 18.0;
                let found = f64::from(places[&Some(30 + row * 6 + column)]);
                // Four standard deviations.
                assert!((found - expected).abs() < 4.0 * f64::sqrt(expected), "{row} {column}: {found}");
            }
        }
        let none = Augmentation::default();
        assert!(matches!(none.apply(shape, &image, Augmentation::draws(7, 1, 1)), Cow::Borrowed(_)));
    }

    #[test]
    fn what_leaves_the_image_is_lost_and_what_comes_is_black() {
        let image: Vec<u8> = (1..=9).collect();
        let augmentation = Augmentation { shift: 2, flip: false };
        let all: std::collections::HashSet<Vec<u8>> = (0..2_000)
            .map(|number| augmentation.apply([1, 3, 3], &image, Augmentation::draws(1, 1, number)).into_owned())
            .collect();
        assert_eq!(all.len(), 25);
        assert!(all.contains(&vec![0, 0, 0, 0, 0, 0, 1, 2, 3]) && all.contains(&vec![6, 0, 0, 9, 0, 0, 0, 0, 0]));
    }
}
