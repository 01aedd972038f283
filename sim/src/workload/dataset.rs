//! Labelled images as bytes.

/// Labelled samples of equal size: `pixels[sample][feature]`, one byte each.
///
/// Invariant: `pixels.len() == labels.len() * features`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    features: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Split {
    /// # Panics
    /// If the number of pixels is not the number of labels times `features`.
    pub fn new(features: usize, pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), labels.len() * features, "pixels of whole samples");
        Self { features, pixels, labels }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes a sample.
    pub fn features(&self) -> usize {
        self.features
    }

    /// All samples, `[sample][feature]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Class of each sample.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// One sample's bytes.
    pub fn sample(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.features..][..self.features]
    }

    /// The first `count` samples, or all if there are fewer.
    pub fn first(&self, count: usize) -> Split {
        let count = count.min(self.len());
        Split::new(self.features, self.pixels[..count * self.features].to_vec(), self.labels[..count].to_vec())
    }
}

/// A classification task: images for training and for testing.
///
/// Invariant: every label is below `classes.len()`, and both splits have `channels * height * width` features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Short name, as configurations use it.
    pub name: String,
    /// Channels, height and width of an image; a sample is stored in that order.
    pub shape: [usize; 3],
    /// Name of each class.
    pub classes: Vec<String>,
    /// Samples to learn from.
    pub train: Split,
    /// Samples to be judged on.
    pub test: Split,
}

/// The 7-bit code (0…127) that a byte of an image has as an activation.
pub fn pixel_code(pixel: u8) -> u8 {
    ((u16::from(pixel) * 127 + 127) / 255) as u8
}

/// The real number an activation code of an image stands for: pixels span 0…1.
pub const PIXEL_SCALE: f32 = 1.0 / 127.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_codes_round_to_nearest_and_span_the_range() {
        for pixel in 0..=255u8 {
            assert_eq!(f64::from(pixel_code(pixel)), (f64::from(pixel) * 127.0 / 255.0).round());
        }
    }
}
