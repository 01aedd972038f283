//! Errors of products that arrive late, drawn in the forward pass.

use axtrain_sim::kernel::{AccumulatedMoments, Shape};
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::profile::sampler::{Draws, MassFunctions, WeightCodes};
use axtrain_sim::profile::{ErrorProfile, ProfileMetadata, Stimulus, TransitionTable};
use axtrain_sim::workload::{Convolution, Products};
use std::sync::Arc;

/// The late products of a multiplier at the operating point to train for.
#[derive(Clone, Debug, PartialEq)]
pub struct TimingErrors {
    /// The operating point and the design.
    pub metadata: ProfileMetadata,
    /// Settled products.
    pub product: ProductTable,
    /// Every transition of the design, activations of 7 bits.
    pub transitions: Arc<TransitionTable>,
    /// Which of its points is trained for.
    pub point: usize,
    /// How errors are drawn.
    pub sampler: TimingSampler,
}

/// How errors of late products are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimingSampler {
    /// One normal variate a sum, with the mean and variance that its products' errors have.
    Sums,
    /// Each product's error from its own distribution.
    Products,
}

/// Draws errors of one layer's sums.
#[derive(Clone, Debug)]
pub(crate) enum LayerSampler {
    Sums(Box<AccumulatedMoments>),
    Products(MassFunctions),
}

/// Samplers of all layers.
pub(crate) type Samplers = Arc<[LayerSampler]>;

/// Late products in one pass of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LateProducts {
    samplers: Samplers,
    layer: usize,
    draws: Draws,
    /// The first images of the batch, which errors reach.
    images: usize,
}

impl LateProducts {
    /// Of a layer: errors reach the first `images` of a batch.
    pub(crate) fn new(samplers: &Samplers, layer: usize, draws: Draws, images: usize) -> Self {
        Self { samplers: samplers.clone(), layer, draws, images }
    }

    /// Adds errors to the sums of `products`, whose weights are among the layer's.
    pub(crate) fn add_errors(&self, convolution: &Convolution, weights: &[i8], products: &mut Products<'_>) {
        let Shape { k, n, .. } = convolution.shape(1);
        let positions = convolution.positions();
        let block = products.activations.len() / (k * positions);
        let m = self.images.saturating_sub(products.image).min(block) * positions;
        if m == 0 {
            return;
        }
        let weights = &weights[products.group * n * k..][..n * k];
        let (activations, sums) = (&products.activations[..m * k], &mut products.sums[..m * n]);
        // A number of its own for every output of the batch, whatever blocks it is computed in.
        let first = (products.group as u64) << 40 | (products.image * positions * n) as u64;
        let place = (self.layer as u64, first);
        match &self.samplers[self.layer] {
            LayerSampler::Sums(moments) => {
                moments.add_errors(activations, weights, Shape { m, k, n }, self.draws, place, sums);
            }
            LayerSampler::Products(functions) => {
                let weights = WeightCodes::new(weights, k, n);
                functions.add_errors(activations, &weights, self.draws, place, sums);
            }
        }
    }
}

impl TimingErrors {
    /// Whether no product is late.
    pub(crate) fn is_empty(&self) -> bool {
        self.transitions.points()[self.point].is_empty()
    }

    /// Draws errors of a layer whose operands are like these: activation codes `[image][activation]` as they stream through the
    /// array, weight codes `[output channel][k]`.
    pub(crate) fn sampler(&self, convolution: &Convolution, activations: &[u8], weights: &[i8]) -> LayerSampler {
        let errors = &self.transitions.points()[self.point];
        let stimulus = self.stimulus(convolution, activations, weights);
        match self.sampler {
            TimingSampler::Products => {
                LayerSampler::Products(MassFunctions::new(&self.transitions, errors, &stimulus))
            }
            TimingSampler::Sums => {
                let metadata = self.metadata.clone();
                let profile =
                    ErrorProfile::new(metadata, &self.product, &self.transitions.under(&stimulus), errors, 1.0);
                LayerSampler::Sums(Box::new(AccumulatedMoments::new(&profile, convolution.shape(1).k)))
            }
        }
    }

    /// How often each activation follows each other one at an element of the array, and how often each weight occurs.
    fn stimulus(&self, convolution: &Convolution, activations: &[u8], weights: &[i8]) -> Stimulus {
        let codes = 1usize << self.transitions.activation_bits();
        // A code that happens not to occur is taken to follow any other one: less than one transition each.
        let mut transitions = vec![1e-3; codes * codes];
        let k = convolution.shape(1).k;
        for group in 0..convolution.groups() {
            let rows = convolution.lower(activations, group);
            let mut previous = vec![0u8; k];
            for row in rows.chunks_exact(k) {
                for (previous, &activation) in previous.iter_mut().zip(row) {
                    transitions[usize::from(*previous) * codes + usize::from(activation)] += 1.0;
                    *previous = activation;
                }
            }
        }
        let mut histogram = vec![1e-3; 256];
        weights.iter().for_each(|weight| histogram[usize::from(weight.cast_unsigned())] += 1.0);
        let bits = [self.transitions.activation_bits(), self.transitions.weight_bits()];
        Stimulus::measured("operands in training", bits, &transitions, &histogram)
            .expect("positive counts of the table's widths")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use axtrain_sim::engine::DelayMode;
    use axtrain_sim::multiplier::{Family, MultiplierSpec};
    use axtrain_sim::profile::{Design, TransitionSpec};
    use axtrain_sim::technology::{OperatingPoint, Technology};
    use axtrain_sim::units::Volts;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The exact signed 8×8 array in FreePDK45 at its nominal clock, errors drawn by `sampler`.
    pub(crate) fn late(supply: Volts, sampler: TimingSampler) -> TimingErrors {
        let text = include_str!("../../hwconfigs/technology/freepdk45.toml");
        let technology = Technology::from_toml(text).unwrap();
        let spec = MultiplierSpec::new("m", Family::Array, 8, 8, true).unwrap();
        let design = Design::new(spec.into(), &technology).unwrap();
        let point = OperatingPoint { supply, clock_ps: design.minimum_clock_ps() };
        let window = design.pass(&technology, point).unwrap().sampling().window;
        let spec = TransitionSpec {
            netlist: design.multiplier.netlist(),
            physical: &design.physical,
            coding: design.multiplier.coding(),
            activation_bits: 7,
            mode: DelayMode::Inertial,
            windows: &[window],
        };
        let transitions = Arc::new(TransitionTable::build(spec, &|| ()).unwrap());
        let stimulus = Stimulus::uniform(7, 8);
        let metadata = ProfileMetadata::new(&design, &technology, point, window, &stimulus);
        TimingErrors { metadata, product: design.product, transitions, point: 0, sampler }
    }

    /// Errors injected into sums of `k` products against the profile of the same operands: mean and variance for both samplers,
    /// and, for single products, how often they are wrong.
    #[test]
    fn injected_errors_have_the_profiles_mean_variance_and_rate() {
        const IMAGES: usize = 3_000;
        const OUTPUTS: usize = 24;
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let drawn = late(Volts(1.0), TimingSampler::Products);
        for (sampler, k) in [(TimingSampler::Products, 1), (TimingSampler::Products, 9), (TimingSampler::Sums, 9)] {
            let errors = TimingErrors { sampler, ..drawn.clone() };
            let convolution = Convolution::connected([k, 1, 1], OUTPUTS).unwrap();
            // Activations of a network are often zero.
            let code = |rng: &mut ChaCha8Rng| if rng.random_bool(0.4) { 0 } else { rng.random_range(0..128u8) };
            let activations: Vec<u8> = (0..IMAGES * k).map(|_| code(&mut rng)).collect();
            let weights: Vec<i8> = (0..OUTPUTS * k).map(|_| rng.random_range(-127..=127)).collect();
            let samplers: Samplers = Arc::new([errors.sampler(&convolution, &activations, &weights)]);

            // Moments of each product's error given its operands: previous activations as often as they precede this one.
            let mut previous = vec![[0f64; 128]; 128];
            for input in 0..k {
                let mut before = 0u8;
                for &now in activations[input..].iter().step_by(k) {
                    previous[usize::from(now)][usize::from(before)] += 1.0;
                    before = now;
                }
            }
            let table = &errors.transitions;
            let moments = |now: u8, weight: i8| {
                let counts = &previous[usize::from(now)];
                let total: f64 = counts.iter().sum();
                let (mut rate, mut mean, mut square) = (0.0, 0.0, 0.0);
                for (before, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
                    let (codes, deltas) = table.points()[0].row(table.pair(before as u8, now));
                    if let Ok(place) = codes.binary_search(&weight.cast_unsigned()) {
                        let (share, delta) = (count / total, f64::from(deltas[place]));
                        (rate, mean, square) = (rate + share, mean + share * delta, square + share * delta * delta);
                    }
                }
                [rate, mean, square - mean * mean]
            };
            let mut of_operands = std::collections::BTreeMap::new();
            let (mut expected, mut means) = ([0.0; 3], Vec::new());
            for row in activations.chunks_exact(k) {
                for weights in weights.chunks_exact(k) {
                    let mut mean = 0.0;
                    for (&now, &weight) in row.iter().zip(weights) {
                        let found = *of_operands.entry((now, weight)).or_insert_with(|| moments(now, weight));
                        expected.iter_mut().zip(found).for_each(|(sum, moment)| *sum += moment);
                        mean += found[1];
                    }
                    means.push(mean);
                }
            }

            let late = LateProducts::new(&samplers, 0, Draws::new(11), IMAGES);
            let mut sums = vec![0; IMAGES * OUTPUTS];
            let mut products = Products { image: 0, group: 0, activations: &activations, sums: &mut sums };
            late.add_errors(&convolution, &weights, &mut products);
            let count = sums.len() as f64;
            let deviations: Vec<f64> = sums.iter().zip(&means).map(|(&sum, mean)| f64::from(sum) - mean).collect();
            let mean = deviations.iter().sum::<f64>() / count;
            let squares: Vec<f64> = deviations.iter().map(|deviation| deviation * deviation).collect();
            let variance = squares.iter().sum::<f64>() / count;
            let (wanted, standard_error) = (expected[2] / count, (variance / count).sqrt());
            assert!(expected[0] / count > 0.002 * k as f64 && wanted > 1e3, "errors occur: {expected:?}");
            assert!(mean.abs() < 4.0 * standard_error, "{sampler:?} {k}: mean off by {mean} ± {standard_error}");
            let spread = squares.iter().map(|square| (square - variance).powi(2)).sum::<f64>() / count;
            let of_variance = (spread / count).sqrt();
            assert!(
                (variance - wanted).abs() < 4.0 * of_variance,
                "{sampler:?} {k}: variance {variance} ± {of_variance} is not {wanted}"
            );
            if k == 1 {
                let (rate, wanted) = (sums.iter().filter(|sum| **sum != 0).count() as f64, expected[0]);
                assert!((rate - wanted).abs() < 4.0 * wanted.sqrt(), "{rate} errors, not {wanted}");
            }

            // Half the images, and the same errors in them.
            let half = LateProducts::new(&samplers, 0, Draws::new(11), IMAGES / 2);
            let mut first = vec![0; IMAGES * OUTPUTS];
            let mut products = Products { image: 0, group: 0, activations: &activations, sums: &mut first };
            half.add_errors(&convolution, &weights, &mut products);
            assert_eq!(first[..IMAGES / 2 * OUTPUTS], sums[..IMAGES / 2 * OUTPUTS]);
            assert!(first[IMAGES / 2 * OUTPUTS..].iter().all(|sum| *sum == 0));
        }
    }
}
