//! Values with their probabilities.

use std::ops::Range;

/// The values an integer error takes, and how often.
///
/// Invariant: values ascend, one probability each; unless empty, the probabilities sum to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MassFunction {
    pub(super) value: Vec<i32>,
    pub(super) probability: Vec<f64>,
}

impl MassFunction {
    /// Values in ascending order with their probabilities.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i32, f64)> + Clone {
        self.value.iter().copied().zip(self.probability.iter().copied())
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether nothing is known: no value at all.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// Probability of zero and of the values from each power of two to below the next, as far as there are values: least
    /// and largest value of a bin, ascending, and its probability.
    pub fn doubling_bins(&self) -> Vec<([i32; 2], f64)> {
        let bin = |value: i32| match value {
            0 => [0, 0],
            _ => {
                let power = 1i32 << value.unsigned_abs().ilog2();
                let ends = [power, power + (power - 1)];
                if value > 0 { ends } else { [-ends[1], -ends[0]] }
            }
        };
        let (Some(&first), Some(&last)) = (self.value.first(), self.value.last()) else { return Vec::new() };
        let mut bins = vec![(bin(first), 0.0)];
        while let Some(&([_, high], _)) = bins.last()
            && high < last
        {
            bins.push((bin(high + 1), 0.0));
        }
        let mut current = 0;
        for (value, probability) in self.iter() {
            while value > bins[current].0[1] {
                current += 1;
            }
            bins[current].1 += probability;
        }
        bins
    }

    /// Probability of any value but zero.
    pub fn error_rate(&self) -> f64 {
        // From 0, because an empty sum is −0.
        self.iter().filter(|(value, _)| *value != 0).fold(0.0, |sum, (_, probability)| sum + probability)
    }

    /// Mean.
    pub fn mean(&self) -> f64 {
        self.iter().map(|(value, probability)| f64::from(value) * probability).sum()
    }

    /// Variance.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        self.iter().map(|(value, probability)| (f64::from(value) - mean).powi(2) * probability).sum()
    }
}

/// Sums of probability by value, in an array over all values possible.
#[derive(Clone, Debug)]
pub(super) struct MassSums {
    least: i32,
    sums: Vec<f64>,
    /// Places from the first to beyond the last that something was added to.
    touched: Range<usize>,
}

impl MassSums {
    /// For values of at most `largest` in magnitude.
    pub(super) fn new(largest: i32) -> Self {
        let sums = vec![0.0; 2 * largest as usize + 1];
        Self { least: -largest, touched: sums.len()..0, sums }
    }

    #[inline]
    pub(super) fn add(&mut self, value: i32, probability: f64) {
        let place = (value - self.least) as usize;
        self.sums[place] += probability;
        self.touched = self.touched.start.min(place)..self.touched.end.max(place + 1);
    }

    /// What was added since, divided by `total`; nothing if `total` is zero.
    pub(super) fn take(&mut self, total: f64) -> MassFunction {
        let mut mass = MassFunction::default();
        let touched = std::mem::replace(&mut self.touched, self.sums.len()..0);
        let first = self.least + touched.start as i32;
        for (value, sum) in (first..).zip(self.sums.get_mut(touched).unwrap_or_default()) {
            if *sum > 0.0 {
                if total > 0.0 {
                    mass.value.push(value);
                    mass.probability.push(*sum / total);
                }
                *sum = 0.0;
            }
        }
        mass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_double_away_from_zero() {
        let mass = MassFunction { value: vec![-5, -4, 0, 3, 8], probability: vec![0.1, 0.2, 0.4, 0.2, 0.1] };
        let bins = mass.doubling_bins();
        let ends: Vec<[i32; 2]> = bins.iter().map(|(ends, _)| *ends).collect();
        assert_eq!(ends, [[-7, -4], [-3, -2], [-1, -1], [0, 0], [1, 1], [2, 3], [4, 7], [8, 15]]);
        let shares: Vec<f64> = bins.iter().map(|(_, probability)| *probability).collect();
        assert_eq!(shares, [0.1 + 0.2, 0.0, 0.0, 0.4, 0.0, 0.2, 0.0, 0.1]);
        assert!(MassFunction::default().doubling_bins().is_empty());
    }

    #[test]
    fn sums_become_a_mass_function_once() {
        let mut sums = MassSums::new(5);
        for (value, probability) in [(-5, 1.0), (0, 2.0), (5, 1.0), (-5, 4.0)] {
            sums.add(value, probability);
        }
        let mass = sums.take(8.0);
        assert_eq!(mass.iter().collect::<Vec<_>>(), [(-5, 0.625), (0, 0.25), (5, 0.125)]);
        assert_eq!((mass.error_rate(), mass.mean()), (0.75, -2.5));
        // E[x²] = 18.75.
        assert_eq!(mass.variance(), 18.75 - 6.25);
        assert!(sums.take(8.0).is_empty());
    }
}
