//! How true to the gates an inference is.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the products and sums of an inference come about, from cheap to true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fidelity {
    /// Settled products: the multiplier's own errors, none of timing.
    Table,
    /// Timing errors of whole sums, drawn with the mean and variance of their products.
    Profile,
    /// Timing errors drawn product by product, each with the distribution of its operands.
    ProfileByProduct,
    /// The product that the gates sample for (previous activation, activation, weight), looked up.
    #[default]
    Transition,
    /// Multiplier and accumulator simulated gate by gate on the operands that follow each other; wrong sums travel on.
    Gate,
}

impl Fidelity {
    /// All, from cheap to true.
    pub const ALL: [Fidelity; 5] =
        [Fidelity::Table, Fidelity::Profile, Fidelity::ProfileByProduct, Fidelity::Transition, Fidelity::Gate];

    /// Name, as files and records have it.
    pub fn name(self) -> &'static str {
        match self {
            Fidelity::Table => "table",
            Fidelity::Profile => "profile",
            Fidelity::ProfileByProduct => "profile-by-product",
            Fidelity::Transition => "transition",
            Fidelity::Gate => "gate",
        }
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No such fidelity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown fidelity {text:?}; use table, profile, profile-by-product, transition or gate")]
pub struct UnknownFidelity {
    text: String,
}

impl FromStr for Fidelity {
    type Err = UnknownFidelity;

    fn from_str(text: &str) -> Result<Self, UnknownFidelity> {
        let named = Self::ALL.into_iter().find(|fidelity| fidelity.name() == text);
        named.ok_or_else(|| UnknownFidelity { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for fidelity in Fidelity::ALL {
            assert_eq!(fidelity.to_string().parse(), Ok(fidelity));
            assert_eq!(serde_json::to_value(fidelity).unwrap(), fidelity.name());
        }
        assert!("gates".parse::<Fidelity>().unwrap_err().to_string().contains("table, profile"));
    }
}
