//! Delay between measured supplies.

use super::law::LawError;

/// A falling, positive function through given points: a piecewise cubic of its logarithm with the slopes of Fritsch and
/// Butland (SIAM J. Sci. Stat. Comput. 5, 1984), which is monotone wherever the points are; beyond them it goes on as an
/// exponential.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve<'p> {
    supplies: &'p [f64],
    delays: &'p [f64],
}

impl<'p> Curve<'p> {
    /// A curve through points that pass [`Self::check`].
    pub(super) fn new(supplies: &'p [f64], delays: &'p [f64]) -> Self {
        Self { supplies, delays }
    }

    /// Refuses points that are no falling function of the supply.
    pub(super) fn check(supplies: &[f64], delays: &[f64]) -> Result<(), LawError> {
        let (found, wanted) = (delays.len(), supplies.len());
        if wanted < 2 || found != wanted {
            return Err(LawError(format!(
                "supply_v has {wanted} entries and delay {found}; give as many of each, two or more"
            )));
        }
        for (key, numbers) in [("supply_v", supplies), ("delay", delays)] {
            if let Some(number) = numbers.iter().find(|number| !(number.is_finite() && **number > 0.0)) {
                return Err(LawError(format!("{key} has {number}; all must be positive numbers")));
            }
        }
        for (supply, delay) in supplies.windows(2).zip(delays.windows(2)) {
            if supply[0] >= supply[1] {
                let (first, second) = (supply[0], supply[1]);
                return Err(LawError(format!(
                    "supply_v has {second} V after {first} V; sort the entries by supply, each once"
                )));
            }
            if delay[0] < delay[1] {
                return Err(LawError(format!(
                    "delay rises from {} at {} V to {} at {} V, but delay falls as the supply rises; correct \
                     these entries, or leave out what was measured wrong",
                    delay[0], supply[0], delay[1], supply[1]
                )));
            }
        }
        Ok(())
    }

    /// The delay at a supply.
    pub(super) fn at(self, supply: f64) -> f64 {
        let last = self.supplies.len() - 1;
        let after = self.supplies.partition_point(|&point| point <= supply);
        if after == 0 || after > last {
            let end = after.min(last);
            return (self.delays[end].ln() + self.slope(end) * (supply - self.supplies[end])).exp();
        }
        let before = after - 1;
        let width = self.supplies[after] - self.supplies[before];
        let t = (supply - self.supplies[before]) / width;
        // Cubic Hermite.
        let logarithm = self.delays[before].ln() * (1.0 + 2.0 * t) * (1.0 - t).powi(2)
            + self.delays[after].ln() * t * t * (3.0 - 2.0 * t)
            + width * (self.slope(before) * t * (1.0 - t).powi(2) - self.slope(after) * t * t * (1.0 - t));
        logarithm.exp()
    }

    /// Slope of the logarithm at a point: a weighted harmonic mean of the two secants, the one secant at an end.
    fn slope(self, point: usize) -> f64 {
        let width = |left: usize| self.supplies[left + 1] - self.supplies[left];
        let secant = |left: usize| (self.delays[left + 1] / self.delays[left]).ln() / width(left);
        if point == 0 {
            return secant(0);
        }
        if point == self.supplies.len() - 1 {
            return secant(point - 1);
        }
        let (left, right) = (secant(point - 1), secant(point));
        if left * right <= 0.0 {
            return 0.0;
        }
        let (near, far) = (width(point - 1), width(point));
        3.0 * (near + far) / ((2.0 * far + near) / left + (far + 2.0 * near) / right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_passes_through_its_points_and_never_rises() {
        let (supplies, delays) = ([0.5, 0.6, 0.7, 0.9, 1.1], [9.0, 4.0, 4.0, 1.4, 1.0]);
        let curve = Curve::new(&supplies, &delays);
        for (supply, delay) in supplies.into_iter().zip(delays) {
            assert!((curve.at(supply) / delay - 1.0).abs() < 1e-12, "{supply} V");
        }
        let samples: Vec<f64> = (0..=900).map(|step| curve.at(0.4 + f64::from(step) * 1e-3)).collect();
        assert!(samples.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-12)));
        assert!(samples[0] > 9.0 && samples[900] < 1.0, "it goes on beyond its ends");
    }

    /// An exponential has a straight logarithm, which a cubic meets exactly.
    #[test]
    fn exponentials_are_exact() {
        let supplies = [0.4, 0.5, 0.8, 1.2];
        let delays = supplies.map(|supply: f64| (-3.0 * supply).exp());
        for supply in [0.3, 0.45, 0.6, 1.0, 1.3] {
            let found = Curve::new(&supplies, &delays).at(supply);
            assert!((found / (-3.0 * supply).exp() - 1.0).abs() < 1e-12, "{supply} V");
        }
    }

    #[test]
    fn points_that_are_no_falling_function_are_refused() {
        for (supplies, delays, part) in [
            (&[0.8, 0.9][..], &[1.0][..], "as many of each"),
            (&[0.8], &[1.0], "two or more"),
            (&[0.9, 0.8], &[2.0, 1.0], "sort the entries"),
            (&[0.8, 0.8], &[2.0, 1.0], "each once"),
            (&[0.8, 0.9], &[1.0, 1.5], "rises from 1 at 0.8 V to 1.5 at 0.9 V"),
            (&[0.8, 0.9], &[1.0, f64::NAN], "positive numbers"),
            (&[-0.8, 0.9], &[1.0, 0.5], "positive numbers"),
        ] {
            let error = Curve::check(supplies, delays).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
