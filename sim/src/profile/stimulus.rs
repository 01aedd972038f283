//! Which operands a multiplier sees: how often each activation follows each other one, and how often each weight stays.

use super::ProfileMetadata;

/// Distribution of (previous activation, activation) pairs and of weights, which are taken as independent of the pairs.
///
/// Invariant: probabilities are finite and not negative, and each of the two distributions sums to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Stimulus {
    name: String,
    activation_bits: u32,
    weight_bits: u32,
    transitions: Vec<f64>,
    weights: Vec<f64>,
}

/// Numbers that are no distribution of operands.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StimulusError {
    /// Other lengths than the operands' widths ask for.
    #[error("{found} {what}; {expected} are needed")]
    Length {
        /// Which numbers.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Negative or infinite numbers, or nothing but zeros.
    #[error("{0} are not a distribution: finite numbers, none negative, some positive")]
    Distribution(&'static str),
}

impl Stimulus {
    /// Every (previous activation, activation) pair and every weight equally often.
    pub fn uniform(activation_bits: u32, weight_bits: u32) -> Self {
        let (pairs, weights) = (1usize << (2 * activation_bits), 1usize << weight_bits);
        Self {
            name: "weight-stationary exhaustive uniform".to_owned(),
            activation_bits,
            weight_bits,
            transitions: vec![1.0 / pairs as f64; pairs],
            weights: vec![1.0 / weights as f64; weights],
        }
    }

    /// Operands as counted: `transitions[previous][activation]` and `weights[code]`, on any scale.
    pub fn measured(
        name: impl Into<String>,
        [activation_bits, weight_bits]: [u32; 2],
        transitions: &[f64],
        weights: &[f64],
    ) -> Result<Self, StimulusError> {
        Ok(Self {
            name: name.into(),
            activation_bits,
            weight_bits,
            transitions: distribution("activation transitions", transitions, 2 * activation_bits)?,
            weights: distribution("weights", weights, weight_bits)?,
        })
    }

    /// Distributions as a profile's file holds them, already checked.
    pub(super) fn from_file(metadata: &ProfileMetadata, transitions: Vec<f64>, weights: Vec<f64>) -> Self {
        let &ProfileMetadata { activation_bits, width_b: weight_bits, .. } = metadata;
        Self { name: metadata.stimulus.clone(), activation_bits, weight_bits, transitions, weights }
    }

    /// Name, as reports show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bits of an activation code.
    pub fn activation_bits(&self) -> u32 {
        self.activation_bits
    }

    /// Bits of a weight code.
    pub fn weight_bits(&self) -> u32 {
        self.weight_bits
    }

    /// Probability of each (previous, activation) pair, `[previous][activation]`.
    pub fn transitions(&self) -> &[f64] {
        &self.transitions
    }

    /// Probability of each weight code.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Probability of each activation code, whatever came before.
    pub fn activations(&self) -> Vec<f64> {
        let codes = 1usize << self.activation_bits;
        let mut marginal = vec![0.0; codes];
        for row in self.transitions.chunks_exact(codes) {
            for (sum, probability) in marginal.iter_mut().zip(row) {
                *sum += probability;
            }
        }
        marginal
    }
}

fn distribution(what: &'static str, counts: &[f64], bits: u32) -> Result<Vec<f64>, StimulusError> {
    let (found, expected) = (counts.len(), 1usize << bits);
    if found != expected {
        return Err(StimulusError::Length { what, found, expected });
    }
    let total: f64 = counts.iter().sum();
    if !(total.is_finite() && total > 0.0 && counts.iter().all(|count| *count >= 0.0)) {
        return Err(StimulusError::Distribution(what));
    }
    Ok(counts.iter().map(|count| count / total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_distributions() {
        // Two bits of activation: 1 → 3 thrice, 3 → 0 once; weights 0 and 1.
        let mut transitions = [0.0; 16];
        (transitions[4 + 3], transitions[12]) = (3.0, 1.0);
        let stimulus = Stimulus::measured("m", [2, 1], &transitions, &[1.0, 4.0]).unwrap();
        assert_eq!(stimulus.activations(), [0.25, 0.0, 0.0, 0.75]);
        assert_eq!(stimulus.weights(), [0.2, 0.8]);
        assert_eq!(Stimulus::uniform(2, 1).activations(), [0.25; 4]);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let measured = |transitions: &[f64], weights: &[f64]| Stimulus::measured("m", [1, 1], transitions, weights);
        assert!(matches!(measured(&[1.0; 3], &[1.0; 2]), Err(StimulusError::Length { found: 3, expected: 4, .. })));
        for wrong in [[0.0; 2], [f64::NAN, 1.0], [-1.0, 2.0], [f64::INFINITY, 0.0]] {
            assert_eq!(measured(&[1.0; 4], &wrong), Err(StimulusError::Distribution("weights")));
        }
    }
}
