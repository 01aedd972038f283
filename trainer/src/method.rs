//! The training methods by name.

use std::fmt;
use std::str::FromStr;

/// How a network is made to bear the hardware's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Quantisation-aware training on exact arithmetic.
    Plain,
    /// Training of real numbers, rounded at the end.
    PostTraining,
    /// Plain, and a penalty on how far errors of the weights move scores or loss.
    Active,
    /// The multiplier's errors in the forward pass; their mean is taken out by the biases first.
    Passive,
    /// Active and passive.
    Hybrid,
    /// Passive, with the product table's own gradient in the place of the exact product's.
    TableGradient,
    /// The loss at the worst weights nearby (SAM).
    SharpnessAware,
    /// The same with distances relative to each weight (ASAM).
    AdaptiveSharpnessAware,
    /// Normal noise with the variance of the hardware's errors.
    Gaussian,
    /// Faults of memory cells in the forward pass, of a new chip each step.
    RandomBitError,
    /// Random bit errors, and a penalty on how far errors of the weights move scores or loss.
    HybridBitError,
    /// The faults of one chip in the forward pass.
    MemoryAdaptive,
}

impl Method {
    /// All methods, from the simplest.
    pub const ALL: [Method; 12] = [
        Method::Plain,
        Method::PostTraining,
        Method::Active,
        Method::Passive,
        Method::Hybrid,
        Method::TableGradient,
        Method::SharpnessAware,
        Method::AdaptiveSharpnessAware,
        Method::Gaussian,
        Method::RandomBitError,
        Method::HybridBitError,
        Method::MemoryAdaptive,
    ];

    /// The name configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Method::Plain => "plain",
            Method::PostTraining => "post-training",
            Method::Active => "active",
            Method::Passive => "passive",
            Method::Hybrid => "hybrid",
            Method::TableGradient => "table-gradient",
            Method::SharpnessAware => "sam",
            Method::AdaptiveSharpnessAware => "asam",
            Method::Gaussian => "gaussian",
            Method::RandomBitError => "random-bit-error",
            Method::HybridBitError => "hybrid-bit-error",
            Method::MemoryAdaptive => "memory-adaptive",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Not the name of a training method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no training method {name:?}; choose one of {}", Method::ALL.map(Method::name).join(", "))]
pub struct UnknownMethod {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let method = Method::ALL.into_iter().find(|method| method.name() == name);
        method.ok_or_else(|| UnknownMethod { name: name.to_owned() })
    }
}
