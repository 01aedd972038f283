//! Each layer of a network on a multiplier and at a supply of its own.
//!
//! What a layer alone does to the accuracy is measured by running the network with the others on the multiplier that is taken as
//! good. Losses of several layers are taken to add up when ways are chosen; whether they did is for a run of all of them to say.

use super::inference::Streams;
use super::layers::{LayerSums, PointRun, through_layers};
use crate::kernel::TableGemm;
use crate::profile::{SampledErrors, TransitionTable};
use crate::workload::Network;
use std::cell::LazyCell;
use std::cmp::Ordering;

/// One way to run a layer: a multiplier at an operating point.
#[derive(Clone, Copy)]
pub struct LayerOption<'a> {
    /// What the multiplier does from one operation to the next.
    pub table: &'a TransitionTable,
    /// Its settled products.
    pub gemm: &'a TableGemm,
    /// What it samples at the operating point, one of the table's.
    pub errors: &'a SampledErrors,
}

/// Inference of one network over one set of images with exactly the products that the multipliers of each layer sample.
pub struct MixedInference<'a> {
    /// The network.
    pub network: &'a Network,
    /// Images as activation codes, `[image][channel][row][column]`.
    pub codes: &'a [u8],
    /// A label an image.
    pub labels: &'a [u8],
    /// Images that stream through each fold.
    pub batch: usize,
    /// Bits of sums, which wrap.
    pub accumulator_bits: u32,
}

impl MixedInference<'_> {
    /// Runs all images, layer `l` the way `ways[l]`.
    ///
    /// # Panics
    /// If there is not one way a layer, or the codes are not an image a label.
    pub fn run(&self, ways: &[LayerOption<'_>]) -> PointRun {
        assert_eq!(ways.len(), self.network.layers().len(), "a way for each layer");
        through_layers(self.network, self.codes, self.labels, |index, layer, codes| {
            let way = ways[index];
            let by_weight = LazyCell::new(|| way.errors.by_weight(way.table));
            self.streams(way).layer(way.gemm, (way.errors, &by_weight), layer, codes)
        })
    }

    /// As [`Self::run`], without energies.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn run_without_energy(&self, ways: &[LayerOption<'_>]) -> PointRun {
        assert_eq!(ways.len(), self.network.layers().len(), "a way for each layer");
        through_layers(self.network, self.codes, self.labels, |index, layer, codes| {
            let way = ways[index];
            let by_weight = LazyCell::new(|| way.errors.by_weight(way.table));
            self.streams(way).layer_without_energy(way.gemm, (way.errors, &by_weight), layer, codes)
        })
    }

    /// Runs all images with all layers the same way, to see what other ways change in single layers.
    pub fn usual<'w>(&self, way: LayerOption<'w>) -> UsualRun<'w> {
        let by_weight = LazyCell::new(|| way.errors.by_weight(way.table));
        let mut sums = Vec::new();
        let run = through_layers(self.network, self.codes, self.labels, |_, layer, codes| {
            let found = self.streams(way).layer(way.gemm, (way.errors, &by_weight), layer, codes);
            sums.push(found.clone());
            found
        });
        UsualRun { way, sums, run }
    }

    /// For each layer, what comes of all images if that layer alone runs another way than all do in `usual`, without energies.
    pub fn each_alone<'r>(
        &'r self,
        usual: &'r UsualRun<'r>,
        alone: LayerOption<'r>,
    ) -> impl ExactSizeIterator<Item = PointRun> {
        let by_weight = [usual.way, alone].map(|way| LazyCell::new(move || way.errors.by_weight(way.table)));
        (0..self.network.layers().len()).map(move |different| {
            through_layers(self.network, self.codes, self.labels, |index, layer, codes| {
                let of = |way: LayerOption<'_>, number: usize| {
                    let errors = (way.errors, &by_weight[number]);
                    self.streams(way).layer_without_energy(way.gemm, errors, layer, codes)
                };
                match index.cmp(&different) {
                    // Layers before the one that differs do what they always do.
                    Ordering::Less => usual.sums[index].clone(),
                    Ordering::Equal => of(alone, 1),
                    Ordering::Greater => of(usual.way, 0),
                }
            })
        })
    }

    /// Switching energy over all images of each layer's multipliers if that layer alone runs another way, fJ at nominal supply.
    pub fn energy_of_each(&self, usual: &UsualRun<'_>, alone: LayerOption<'_>) -> Vec<f64> {
        let layers = self.network.layers().iter().zip(&usual.run.activations);
        layers.map(|(layer, codes)| self.streams(alone).layer_energy(layer, codes)).collect()
    }

    fn streams<'t>(&self, way: LayerOption<'t>) -> Streams<'t> {
        Streams { table: way.table, batch: self.batch, accumulator_bits: self.accumulator_bits }
    }
}

/// What came of running all layers the same way.
pub struct UsualRun<'a> {
    way: LayerOption<'a>,
    sums: Vec<LayerSums>,
    /// The run.
    pub run: PointRun,
}

/// What a layer costs one way, and what it loses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alternative {
    /// Energy an image.
    pub energy_uj: f64,
    /// Images that are no longer classified rightly, net.
    pub lost: u32,
}

/// The way of each layer, by position among its alternatives, with which the network takes least energy and its layers lose at
/// most `budget` images altogether; of equal energies the first. None if no choice loses so little.
pub fn assign(layers: &[Vec<Alternative>], budget: u32) -> Option<Vec<usize>> {
    let budget = budget as usize;
    // For each budget, least energy of the layers so far.
    let mut least = vec![0.0; budget + 1];
    let mut choices: Vec<Vec<Option<usize>>> = Vec::new();
    for alternatives in layers {
        let mut chosen = vec![None; budget + 1];
        let mut next = vec![f64::INFINITY; budget + 1];
        for left in 0..=budget {
            for (way, alternative) in alternatives.iter().enumerate() {
                let Some(rest) = left.checked_sub(alternative.lost as usize) else { continue };
                let energy = least[rest] + alternative.energy_uj;
                if energy < next[left] {
                    (next[left], chosen[left]) = (energy, Some(way));
                }
            }
        }
        least = next;
        choices.push(chosen);
    }
    let mut left = budget;
    let mut ways = Vec::new();
    for (chosen, alternatives) in choices.iter().zip(layers).rev() {
        let way = chosen[left]?;
        ways.push(way);
        left -= alternatives[way].lost as usize;
    }
    ways.reverse();
    Some(ways)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_assignment_is_the_best_of_all() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let (mut impossible, mut mixed) = (0, 0);
        for trial in 0..300 {
            let mut alternatives = || {
                let count = rng.random_range(1..=4);
                let mut one = || Alternative {
                    energy_uj: f64::from(rng.random_range(1..=9u32)),
                    lost: rng.random_range(0..=6),
                };
                (0..count).map(|_| one()).collect::<Vec<Alternative>>()
            };
            let layers: Vec<Vec<Alternative>> = (0..=trial % 4).map(|_| alternatives()).collect();
            let budget = rng.random_range(0..=12);
            let found = assign(&layers, budget);
            // Every combination.
            let count: usize = layers.iter().map(Vec::len).product();
            let mut best = f64::INFINITY;
            for mut number in 0..count {
                let (mut energy, mut lost) = (0.0, 0);
                for alternatives in &layers {
                    let alternative = alternatives[number % alternatives.len()];
                    number /= alternatives.len();
                    energy += alternative.energy_uj;
                    lost += alternative.lost;
                }
                if lost <= budget {
                    best = f64::min(best, energy);
                }
            }
            match found {
                None => {
                    assert_eq!(best, f64::INFINITY);
                    impossible += 1;
                }
                Some(ways) => {
                    let chosen: Vec<Alternative> = ways.iter().zip(&layers).map(|(&way, all)| all[way]).collect();
                    assert!(chosen.iter().map(|one| one.lost).sum::<u32>() <= budget);
                    assert_eq!(chosen.iter().map(|one| one.energy_uj).sum::<f64>(), best);
                    mixed += usize::from(ways.windows(2).any(|pair| pair[0] != pair[1]));
                }
            }
        }
        assert!(impossible > 10 && mixed > 70, "{impossible} {mixed}");
    }
}
