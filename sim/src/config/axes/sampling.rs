//! Which variations of a sweep are computed: the table `[sweep]`.

use super::{Axis, MOST, Variation};
use crate::config::ConfigError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// Successive halving: variations that differ along one axis only are one candidate at growing expense. All candidates are
/// computed at the first value, the better ones at the next, and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct Halving {
    /// Key of the axis of expense.
    pub axis: String,
    /// For each candidate, the position of its variation at each value of the axis.
    pub candidates: Vec<Vec<usize>>,
    /// Share of the candidates that goes on from each value to the next, above 0 and below 1.
    pub keep: f64,
    /// Loss of accuracy, in points, within which candidates are compared by their energy.
    pub within_points: f64,
}

impl Halving {
    /// How many of `candidates` go on: one at least.
    pub fn kept(&self, candidates: usize) -> usize {
        ((candidates as f64 * self.keep).ceil() as usize).clamp(1, candidates.max(1))
    }
}

/// How the variations of a sweep are chosen: the table `[sweep]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sampling {
    /// A Latin hypercube of so many points instead of the cross product; equal points count once.
    pub(super) latin_hypercube: Option<Spanned<usize>>,
    /// Decides which.
    #[serde(default = "first_seed")]
    pub(super) seed: u64,
    /// Key of the axis of expense.
    successive_halving: Option<Spanned<String>>,
    keep: Option<Spanned<f64>>,
    within_points: Option<Spanned<f64>>,
}

fn first_seed() -> u64 {
    1
}

/// Share that goes on, and loss within which energy counts, where nothing is said.
const KEEP: f64 = 0.5;
const WITHIN_POINTS: f64 = 1.0;

#[derive(Deserialize)]
pub(super) struct SamplingFile {
    pub(super) sweep: Option<Spanned<Sampling>>,
}

impl Sampling {
    /// Position of the axis of expense, if there is to be one.
    pub(super) fn expense(&self, axes: &[Axis], span: Range<usize>) -> Result<Option<usize>, ConfigError> {
        if self.latin_hypercube.is_none() && self.successive_halving.is_none() {
            let help = "choose with latin_hypercube or successive_halving, or leave the table out";
            return Err(ConfigError::at(span, "[sweep] does not say how to choose", help));
        }
        let Some(key) = &self.successive_halving else {
            let unused = [&self.keep, &self.within_points].into_iter().flatten().next();
            return match unused {
                Some(unused) => {
                    let help = "name the axis of expense, as in successive_halving = \"training.epochs\"";
                    Err(ConfigError::at(unused.span(), "this belongs to successive_halving", help))
                }
                None => Ok(None),
            };
        };
        let found = axes.iter().position(|axis| axis.key == *key.get_ref());
        let index = found.ok_or_else(|| {
            let known: Vec<&str> = axes.iter().map(|axis| &axis.key[..]).collect();
            let help = match known[..] {
                [] => "give a value of the experiment as a list, such as epochs = [2, 6, 18]".to_owned(),
                _ => format!("the axes are {}", known.join(", ")),
            };
            ConfigError::at(key.span(), format!("{} is not an axis", key.get_ref()), help)
        })?;
        if axes[index].values.len() < 2 {
            let help = "list at least two values, from the least expense to the most";
            return Err(ConfigError::at(key.span(), format!("{} has one value only", key.get_ref()), help));
        }
        Ok(Some(index))
    }

    /// The candidates among `variations`.
    pub(super) fn halving(&self, axis: &Axis, variations: &[Variation]) -> Result<Halving, ConfigError> {
        let within =
            |value: &Option<Spanned<f64>>, usual: f64, accepted: &dyn Fn(f64) -> bool, help: &str| match value {
                Some(value) if !accepted(*value.get_ref()) => {
                    Err(ConfigError::at(value.span(), format!("{} is out of range", value.get_ref()), help))
                }
                Some(value) => Ok(*value.get_ref()),
                None => Ok(usual),
            };
        let keep = within(&self.keep, KEEP, &|keep| keep > 0.0 && keep < 1.0, "choose a share between 0 and 1")?;
        let accepted = |points: f64| (0.0..=100.0).contains(&points);
        let within_points =
            within(&self.within_points, WITHIN_POINTS, &accepted, "choose a loss from 0 to 100 points")?;
        let mut candidates: Vec<Vec<usize>> = Vec::new();
        let mut known: BTreeMap<BTreeMap<&str, &str>, usize> = BTreeMap::new();
        for (index, variation) in variations.iter().enumerate() {
            let settings = variation.settings.iter().filter(|(key, _)| **key != axis.key);
            let settings = settings.map(|(key, value)| (&key[..], &value[..])).collect();
            let candidate = *known.entry(settings).or_insert_with(|| {
                candidates.push(Vec::new());
                candidates.len() - 1
            });
            candidates[candidate].push(index);
        }
        Ok(Halving { axis: axis.key.clone(), candidates, keep, within_points })
    }
}

/// Points at which each axis takes each of its values as often as any other, or once more, without equal ones. All of them
/// stand at every value of the axis of `expense`, which is not drawn.
pub(super) fn hypercube(
    axes: &[Axis],
    expense: Option<usize>,
    (points, seed): (usize, u64),
    span: Range<usize>,
) -> Result<Vec<Vec<usize>>, ConfigError> {
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    let values = |index: usize| if expense == Some(index) { axes[index].values.len() } else { 1 };
    if points == 0 || points * (0..axes.len()).map(values).product::<usize>() > MOST {
        let help = format!("give a number from 1 to {MOST}");
        return Err(ConfigError::at(span, format!("a sweep of {points} points"), help));
    }
    let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let columns: Vec<Vec<usize>> = axes
        .iter()
        .enumerate()
        .map(|(index, axis)| {
            if expense == Some(index) {
                return vec![0; points];
            }
            let mut strata: Vec<usize> = (0..points).map(|stratum| stratum * axis.values.len() / points).collect();
            strata.shuffle(&mut generator);
            strata
        })
        .collect();
    let mut places: Vec<Vec<usize>> =
        (0..points).map(|point| columns.iter().map(|column| column[point]).collect()).collect();
    if let Some(expense) = expense {
        let at = |place: &Vec<usize>, value: usize| {
            let mut place = place.clone();
            place[expense] = value;
            place
        };
        let values = 0..values(expense);
        places = places.iter().flat_map(|place| values.clone().map(move |value| at(place, value))).collect();
    }
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::super::Axes;
    use super::*;

    #[test]
    fn candidates_of_successive_halving_differ_in_expense_only() {
        let text = |choice: &str| {
            format!(
                "a = [0, 1, 2]\nepochs = [1, 3, 9]\nb = [0, 1]\n[sweep]\nsuccessive_halving = \"epochs\"\n{choice}"
            )
        };
        let all = Axes::of(&text("")).unwrap();
        let halving = all.halving.as_ref().unwrap();
        assert_eq!((all.variations.len(), halving.candidates.len()), (18, 6));
        assert_eq!((halving.keep, halving.within_points), (0.5, 1.0));
        for candidate in &halving.candidates {
            let setting = |place: usize, key: &str| &all.variations[candidate[place]].settings[key];
            assert_eq!([0, 1, 2].map(|place| setting(place, "epochs").as_str()), ["1", "3", "9"]);
            for key in ["a", "b"] {
                assert!((1..3).all(|place| setting(place, key) == setting(0, key)), "{key}");
            }
        }
        assert_eq!([6, 3, 2, 1].map(|count| halving.kept(count)), [3, 2, 1, 1]);
        let few = Axes::of(&text("latin_hypercube = 4\nkeep = 0.3\nwithin_points = 2.0\n")).unwrap();
        let halving = few.halving.unwrap();
        assert!((2..=4).contains(&halving.candidates.len()));
        assert!(halving.candidates.iter().all(|candidate| candidate.len() == 3));
        assert_eq!((halving.keep, halving.within_points, halving.kept(4)), (0.3, 2.0, 2));
    }

    #[test]
    fn a_latin_hypercube_takes_each_value_equally_often() {
        let text = "a = [0, 1, 2, 3]\nb = [0, 1, 2]\nc = [0, 1]\n[sweep]\nlatin_hypercube = 12\nseed = 7\n";
        let axes = Axes::of(text).unwrap();
        let again = Axes::of(text).unwrap();
        assert_eq!(axes, again);
        let other = Axes::of(&text.replace("seed = 7", "seed = 8")).unwrap();
        assert_ne!(axes.variations, other.variations);
        // Where no two points fell together, strata show directly.
        let all = hypercube(&axes.axes, None, (4, 1), 0..0).unwrap();
        assert_eq!(all.len(), 4);
        let mut first: Vec<usize> = all.iter().map(|place| place[0]).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2, 3]);
        assert_eq!(all.iter().filter(|place| place[2] == 0).count(), 2);
        assert!(axes.variations.len() <= 12 && axes.variations.len() > 6, "{}", axes.variations.len());
    }
}
