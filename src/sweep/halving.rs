//! Successive halving: all candidates at little expense, the better ones at more.
//!
//! How far it has come is not kept anywhere: it follows from the records that are there, so that it is resumed, split into parts
//! and joined like any other sweep.

use super::{Line, Sweep};
use crate::failure::Failure;
use crate::simulate;
use axtrain_sim::config::Halving;
use axtrain_sim::report::cheapest_within;
use rayon::prelude::*;

/// One expense, and who is still in the race.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// From 0.
    number: usize,
    /// Positions of the candidates.
    candidates: Vec<usize>,
}

impl Rung {
    pub(super) fn first(halving: &Halving) -> Self {
        Self { number: 0, candidates: (0..halving.candidates.len()).collect() }
    }

    /// Positions of its variations.
    pub(super) fn variations(&self, halving: &Halving) -> Vec<usize> {
        self.candidates.iter().map(|&candidate| halving.candidates[candidate][self.number]).collect()
    }

    /// What it is called.
    pub(super) fn name(&self, halving: &Halving) -> String {
        let (rungs, all) = (halving.candidates[0].len(), halving.candidates.len());
        format!("rung {} of {rungs}, {} of {all} candidates", self.number + 1, self.candidates.len())
    }

    /// How many variations it has.
    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }
}

impl Sweep {
    /// Whether the records that are there do not yet decide everything.
    pub(super) fn is_on_last_rung(&self) -> bool {
        match (&self.axes.halving, &self.rung) {
            (Some(halving), Some(rung)) => rung.number + 1 == halving.candidates[0].len(),
            _ => true,
        }
    }

    /// Goes on to the next rung if this one is complete; returns whether there is a next one.
    pub(super) fn climb(&mut self, seed: u64) -> Result<bool, Failure> {
        if self.found < self.keys.len() || self.is_on_last_rung() {
            return Ok(false);
        }
        let (Some(halving), Some(rung)) = (&self.axes.halving, &self.rung) else { return Ok(false) };
        let lines = rung.variations(halving).into_par_iter().map(|variation| {
            let study = self.study(variation)?;
            Ok(Line::new(self, variation, &simulate::read(&study, seed)?))
        });
        let lines: Vec<Option<Line>> = lines.collect::<Result<_, Failure>>()?;
        let best = better(&lines, halving)?;
        let rung = Rung {
            number: rung.number + 1,
            candidates: best.into_iter().map(|place| rung.candidates[place]).collect(),
        };
        let variations = rung.variations(halving);
        self.rung = Some(rung);
        self.activate(variations, seed)?;
        Ok(true)
    }
}

/// Places of the candidates that go on, ascending.
fn better(lines: &[Option<Line>], halving: &Halving) -> Result<Vec<usize>, Failure> {
    let known: Vec<&Line> = lines.iter().flatten().collect();
    if let Some(other) = known.iter().find(|line| line.dataset != known[0].dataset) {
        let message = format!("accuracies on {} and {} cannot be compared", known[0].dataset, other.dataset);
        return Err(Failure::request(message, "successive halving is for one data set: make a sweep of each"));
    }
    let reference = known.iter().map(|line| line.reference.accuracy.mean).fold(0.0, f64::max);
    let accepted = reference - halving.within_points / 100.0;
    let scores: Vec<Score> = lines.iter().map(|line| Score::of(line.as_ref(), accepted)).collect();
    let mut places: Vec<usize> = (0..lines.len()).collect();
    places.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    places.truncate(halving.kept(lines.len()));
    places.sort_unstable();
    Ok(places)
}

/// How good a candidate is: first those that are accurate enough, by energy; then the others, by accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Score {
    /// Least energy, µJ.
    Accurate(f64),
    /// Best accuracy, 0…1.
    Inaccurate(f64),
}

impl Score {
    fn of(line: Option<&Line>, accepted: f64) -> Self {
        let Some(line) = line else { return Self::Inaccurate(0.0) };
        match cheapest_within(&line.points, accepted, |_| true) {
            Some(point) => Self::Accurate(point.energy_uj.total),
            None => Self::Inaccurate(line.points.iter().map(|point| point.accuracy.mean).fold(0.0, f64::max)),
        }
    }

    fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Accurate(a), Self::Accurate(b)) => a.total_cmp(b),
            (Self::Inaccurate(a), Self::Inaccurate(b)) => b.total_cmp(a),
            (Self::Accurate(_), Self::Inaccurate(_)) => std::cmp::Ordering::Less,
            (Self::Inaccurate(_), Self::Accurate(_)) => std::cmp::Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_counts_among_the_accurate_and_accuracy_among_the_others() {
        let scores = [
            Score::Inaccurate(0.7),
            Score::Accurate(2.0),
            Score::Inaccurate(0.9),
            Score::Accurate(1.0),
            Score::Inaccurate(0.8),
        ];
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        assert_eq!(order, [3, 1, 2, 4, 0]);
    }
}
