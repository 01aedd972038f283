//! A mean and how far it can be trusted.

use crate::error::{PlotError, require_finite, require_fraction};

/// A mean over seeds with its 95 % confidence interval; `low ≤ mean ≤ high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean over seeds.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// A single value without an interval.
    pub fn single(value: f64) -> Self {
        Self { mean: value, low: value, high: value }
    }

    pub(crate) fn has_width(&self) -> bool {
        self.low < self.high
    }

    /// The same quantity in a unit `factor` times smaller.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self { mean: self.mean * factor, low: self.low * factor, high: self.high * factor }
    }

    /// `Err` unless all three are finite and in order.
    pub(crate) fn require_ordered(&self, what: &str) -> Result<(), PlotError> {
        for value in [self.mean, self.low, self.high] {
            require_finite(value, what)?;
        }
        for (value, ordered) in [(self.low, self.low <= self.mean), (self.high, self.mean <= self.high)] {
            if !ordered {
                let requirement = "an interval around its mean";
                return Err(PlotError::Invalid { what: format!("interval of {what}"), value, requirement });
            }
        }
        Ok(())
    }

    /// `Err` unless in order and the mean in 0…1; the interval may reach a little beyond (normal approximation).
    pub(crate) fn require_fraction(&self, what: &str) -> Result<(), PlotError> {
        self.require_ordered(what)?;
        require_fraction(self.mean, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_must_hold_their_mean() {
        assert!(Estimate { mean: 0.5, low: 0.4, high: 0.6 }.require_fraction("x").is_ok());
        assert!(Estimate { mean: 0.5, low: 0.51, high: 0.6 }.require_fraction("x").is_err());
        assert!(Estimate { mean: 0.5, low: 0.4, high: 0.49 }.require_fraction("x").is_err());
        assert!(Estimate { mean: f64::NAN, low: 0.4, high: 0.6 }.require_fraction("x").is_err());
        assert!(Estimate { mean: 1.5, low: 1.4, high: 1.6 }.require_fraction("x").is_err());
    }
}
