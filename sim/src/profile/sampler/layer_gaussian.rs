//! One normal variate for a whole sum.

use super::{Gaussian, Stream, rounded};
use crate::profile::ErrorProfile;

/// Error of a sum of products whose operands follow the profile's stimulus: normal, with a mean that grows with the number of
/// products and a standard deviation that grows with its square root.
#[derive(Clone, Debug)]
pub struct LayerGaussian {
    mean: f64,
    variance: f64,
    gaussian: Gaussian,
}

impl LayerGaussian {
    /// The timing error of a profile.
    pub fn new(profile: &ErrorProfile) -> Self {
        Self { mean: profile.timing.mean(), variance: profile.timing.variance(), gaussian: Gaussian::new() }
    }

    /// Mean and variance of the error of a sum of `products`.
    pub fn moments(&self, products: usize) -> [f64; 2] {
        [self.mean, self.variance].map(|moment| moment * products as f64)
    }

    /// Error of a sum of `products`, zero if no product is ever wrong.
    pub fn draw(&self, products: usize, stream: Stream) -> i32 {
        let [mean, variance] = self.moments(products);
        if (mean, variance) == (0.0, 0.0) {
            return 0;
        }
        let bits = stream.bits(0);
        rounded(mean + variance.sqrt() * f64::from(self.gaussian.draw((bits >> 32) as u32)), bits as u32)
    }
}
