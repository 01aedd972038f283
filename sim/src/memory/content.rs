//! What an on-chip memory holds.

use serde::{Deserialize, Serialize};

/// What one of the array's on-chip memories holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Weights.
    Weights,
    /// Activations.
    Activations,
    /// Partial sums.
    PartialSums,
}

impl Content {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Activations => "activations",
            Self::PartialSums => "partial sums",
        }
    }

    /// A list of them, as people read it.
    pub fn list(contents: &[Self]) -> String {
        let names: Vec<&str> = contents.iter().map(|content| content.name()).collect();
        match names.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            _ => names.concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Content::{self, Activations, PartialSums, Weights};

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(Content::list(&[Activations]), "activations");
        assert_eq!(Content::list(&[Weights, Activations]), "weights and activations");
        assert_eq!(Content::list(&[Weights, Activations, PartialSums]), "weights, activations and partial sums");
    }
}
