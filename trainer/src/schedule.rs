//! Learning rates over a run.

use std::f64::consts::PI;

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// Along half a cosine to zero (Loshchilov and Hutter, ICLR 2017, without restarts).
    #[default]
    Cosine,
    /// To a tenth after half of the steps, and to a hundredth after three quarters.
    Step,
    /// Not at all.
    Constant,
}

impl Schedule {
    /// Share of the initial learning rate in step `step` of `steps`, counted from 0, of which the first `rising` raise it evenly.
    pub(crate) fn share(self, step: usize, steps: usize, rising: usize) -> f64 {
        if step < rising {
            return (step + 1) as f64 / (rising + 1) as f64;
        }
        let done = (step - rising) as f64 / (steps - rising) as f64;
        match self {
            Schedule::Cosine => 0.5 * (1.0 + (done * PI).cos()),
            Schedule::Step if done < 0.5 => 1.0,
            Schedule::Step if done < 0.75 => 0.1,
            Schedule::Step => 0.01,
            Schedule::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall_as_told() {
        let shares =
            |schedule: Schedule, rising| -> Vec<f64> { (0..8).map(|step| schedule.share(step, 8, rising)).collect() };
        let half = 0.5f64.sqrt();
        // cos(π/4) = 1/√2.
        let cosine = shares(Schedule::Cosine, 0);
        assert!(
            (cosine[2] - 0.5 * (1.0 + half)).abs() < 1e-12 && cosine[0] == 1.0 && (cosine[4] - 0.5).abs() < 1e-12
        );
        assert!(cosine.windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(shares(Schedule::Step, 0), [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]);
        assert_eq!(shares(Schedule::Constant, 3), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let late = [1.0, 0.5 * (1.0 + half), 0.5, 0.5 * (1.0 - half)];
        assert!(shares(Schedule::Cosine, 4)[4..].iter().zip(late).all(|(share, late)| (share - late).abs() < 1e-12));
    }
}
