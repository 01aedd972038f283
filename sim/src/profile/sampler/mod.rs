//! Timing errors drawn from a profile instead of simulated, from cheap to faithful.
//!
//! | sampler | draws | keeps |
//! |---|---|---|
//! | [`LayerGaussian`] | one an output | mean and variance over the whole stimulus |
//! | `AccumulatedMoments` (in `kernel`) | one an output | mean and variance of each product, from its operands |
//! | [`OperandMoments`] | one a product | the same; each error is normal |
//! | [`MassFunctions`] | one an error | the whole distribution of each product, tails included |
//!
//! Accumulation: K products that err independently with mean μ and variance σ² make a sum that errs by Kμ with variance
//! Kσ², so bias grows with K and spread with √K. All four rest on that independence, given the operands. On a
//! weight-stationary array it holds within a sum when the activations of different inputs change independently. It fails where
//! they change together, and between the outputs of consecutive activations: the errors of both depend on the one in
//! the middle. Marginals over the previous activation hold under the stimulus they were taken under alone: see
//! `sim/tests/samplers.rs` for how far off they are when consecutive activations are correlated.
//!
//! Every draw is a function of seed, layer, output and product ([`Draws`]), so results do not depend on threads or order.

mod draws;
mod layer_gaussian;
mod mass_functions;
mod operand_moments;

pub use draws::{Draws, Gaussian, Stream};
pub use layer_gaussian::LayerGaussian;
pub use mass_functions::{MassFunctions, WeightCodes};
pub use operand_moments::OperandMoments;

/// One of the two integers around `value`, the nearer the likelier, so that the mean stays.
#[inline(always)]
pub(crate) fn rounded(value: f64, bits: u32) -> i32 {
    (value + (f64::from(bits) + 0.5) / 4_294_967_296.0).floor() as i32
}
