//! What an array is asked to compute: matrix products, and layers made of them.

use super::ArrayError;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A matrix product: M×K activations times K×N weights gives M×N sums.
///
/// Invariant: no dimension is zero.
///
/// ```
/// use axtrain_sim::array::Gemm;
///
/// let gemm: Gemm = "64x256x784".parse()?; // M×N×K
/// assert_eq!((gemm.m(), gemm.n(), gemm.k()), (64, 256, 784));
/// # Ok::<(), axtrain_sim::array::ArrayError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Gemm {
    m: u64,
    n: u64,
    k: u64,
}

impl Gemm {
    /// A product of M×K activations and K×N weights; a dimension of zero is refused.
    pub fn new(m: u64, n: u64, k: u64) -> Result<Self, ArrayError> {
        for (what, value) in
            [("M of a matrix product", m), ("N of a matrix product", n), ("K of a matrix product", k)]
        {
            if value == 0 {
                return Err(ArrayError::Zero { what });
            }
        }
        Ok(Self { m, n, k })
    }

    /// Rows of the activations and of the result: images, or pixels of a convolution's output.
    pub fn m(self) -> u64 {
        self.m
    }

    /// Columns of the weights and of the result: output channels.
    pub fn n(self) -> u64 {
        self.n
    }

    /// Products that are added up for one result: input channels times the filter's area.
    pub fn k(self) -> u64 {
        self.k
    }
}

impl fmt::Display for Gemm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.m, self.n, self.k)
    }
}

impl FromStr for Gemm {
    type Err = ArrayError;

    /// Reads `MxNxK`.
    fn from_str(text: &str) -> Result<Self, ArrayError> {
        let syntax = || ArrayError::GemmSyntax { text: text.into() };
        let sizes: Vec<u64> = text
            .split(['x', 'X', '×'])
            .map(str::trim)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| syntax())?;
        match sizes[..] {
            [m, n, k] => Self::new(m, n, k),
            _ => Err(syntax()),
        }
    }
}

/// A layer as the array runs it: `groups` independent matrix products of one shape, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    name: String,
    gemm: Gemm,
    groups: u64,
    distinct_inputs: Option<u64>,
}

impl Layer {
    /// A layer of one matrix product: a fully connected layer, or a convolution of one group.
    pub fn new(name: impl Into<String>, gemm: Gemm) -> Self {
        Self { name: name.into(), gemm, groups: 1, distinct_inputs: None }
    }

    /// The same with `groups` products of that shape (channel groups; depthwise has one a channel); zero is refused.
    pub fn grouped(self, groups: u64) -> Result<Self, ArrayError> {
        if groups == 0 {
            return Err(ArrayError::Zero { what: "the number of groups of a layer" });
        }
        Ok(Self { groups, ..self })
    }

    /// The same with the number of distinct activations, all groups together, that the lowered matrix repeats.
    pub(crate) fn with_distinct_inputs(self, count: u64) -> Self {
        Self { distinct_inputs: Some(count), ..self }
    }

    /// Name, as the topology gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape of each of its products.
    pub fn gemm(&self) -> Gemm {
        self.gemm
    }

    /// How many products of that shape it has.
    pub fn groups(&self) -> u64 {
        self.groups
    }

    /// Multiply-accumulates, M·N·K·groups.
    pub fn multiply_accumulates(&self) -> Result<u64, ArrayError> {
        let Gemm { m, n, k } = self.gemm;
        product([m, n, k, self.groups]).ok_or_else(|| self.overflow())
    }

    /// Activations in memory: M·K·groups, less for a convolution, whose windows overlap.
    pub(crate) fn input_count(&self) -> Option<u64> {
        self.distinct_inputs.or_else(|| product([self.gemm.m, self.gemm.k, self.groups]))
    }

    /// Results: M·N·groups.
    pub(crate) fn output_count(&self) -> Option<u64> {
        product([self.gemm.m, self.gemm.n, self.groups])
    }

    /// The error for a count of this layer that does not fit 64 bits.
    pub(crate) fn overflow(&self) -> ArrayError {
        ArrayError::Overflow { layer: self.name.clone(), gemm: self.gemm, groups: self.groups }
    }
}

/// The product of all factors, `None` if it does not fit.
pub(crate) fn product<const COUNT: usize>(factors: [u64; COUNT]) -> Option<u64> {
    factors.into_iter().try_fold(1, u64::checked_mul)
}

/// The sum of all terms, `None` if it does not fit.
pub(crate) fn sum<const COUNT: usize>(terms: [u64; COUNT]) -> Option<u64> {
    terms.into_iter().try_fold(0, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gemm_is_written_m_n_k() {
        let gemm = Gemm::new(1, 256, 784).unwrap();
        assert_eq!(gemm.to_string().parse(), Ok(gemm));
        for text in ["", "1x2", "1x2x3x4", "1x-2x3", "axbxc", "1,2,3"] {
            assert_eq!(text.parse::<Gemm>(), Err(ArrayError::GemmSyntax { text: text.into() }));
        }
        assert!(matches!("1x0x3".parse::<Gemm>(), Err(ArrayError::Zero { .. })));
    }

    #[test]
    fn a_count_beyond_64_bits_is_refused() {
        let gemm = Gemm::new(1 << 40, 1 << 20, 1 << 3).unwrap();
        assert_eq!(Layer::new("fits", gemm).multiply_accumulates(), Ok(1 << 63));
        let twice = Layer::new("does not", gemm).grouped(2).unwrap();
        assert!(matches!(twice.multiply_accumulates(), Err(ArrayError::Overflow { groups: 2, .. })));
    }
}
