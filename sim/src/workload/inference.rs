//! A quantised network computed on a multiplier's product table.

use super::network::{Dense, Network};
use crate::kernel::{Shape, TableGemm};
use statrs::distribution::{ContinuousCDF, Normal};

impl Dense {
    /// Matrix product of this layer for a number of images.
    pub fn shape(&self, images: usize) -> Shape {
        Shape { m: images, k: self.inputs, n: self.outputs }
    }

    /// `[image][output]` accumulators, bias included, from activation codes `[image][input]`: what the array holds before
    /// it requantises. They wrap modulo 2^32.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn accumulate(&self, gemm: &TableGemm, activations: &[u8]) -> Vec<i32> {
        let images = activations.len() / self.inputs;
        let mut accumulators = vec![0; images * self.outputs];
        gemm.run_parallel(activations, &self.weights, self.shape(images), &mut accumulators);
        for accumulators in accumulators.chunks_exact_mut(self.outputs) {
            for (accumulator, &bias) in accumulators.iter_mut().zip(&self.bias) {
                *accumulator = accumulator.wrapping_add(bias);
            }
        }
        accumulators
    }
}

/// One layer's part of an inference, handed out before its accumulators are requantised.
#[derive(Debug)]
pub struct LayerPass<'a> {
    /// Position of the layer in the network.
    pub index: usize,
    /// The layer.
    pub layer: &'a Dense,
    /// Activation codes in, `[image][input]`.
    pub activations: &'a [u8],
    /// Accumulators, `[image][output]`, bias included; what is added to them travels on.
    pub accumulators: &'a mut [i32],
}

/// Class scores `[image][class]` of images given as activation codes `[image][input]`.
///
/// # Panics
/// If the activations are not of whole images.
pub fn infer(network: &Network, gemm: &TableGemm, images: &[u8]) -> Vec<i32> {
    infer_with(network, gemm, images, |_| {})
}

/// As [`infer`], with a visit to each layer between accumulation and requantisation: the place to add timing errors or
/// to take statistics of the operands.
///
/// # Panics
/// If the activations are not of whole images.
pub fn infer_with(
    network: &Network,
    gemm: &TableGemm,
    images: &[u8],
    mut visit: impl FnMut(LayerPass<'_>),
) -> Vec<i32> {
    assert!(images.len().is_multiple_of(network.inputs()), "activations of whole images");
    let mut activations = images.to_vec();
    for (index, layer) in network.layers().iter().enumerate() {
        let mut accumulators = layer.accumulate(gemm, &activations);
        visit(LayerPass { index, layer, activations: &activations, accumulators: &mut accumulators });
        match layer.requantize {
            Some(requantize) => {
                activations = accumulators.into_iter().map(|accumulator| requantize.apply(accumulator)).collect();
            }
            None => return accumulators,
        }
    }
    unreachable!("the last layer of a network gives scores")
}

/// The definition of [`infer`], one product after the other.
///
/// # Panics
/// If the activations are not of whole images.
pub fn infer_reference(network: &Network, product: impl Fn(u8, i8) -> i32, images: &[u8]) -> Vec<i32> {
    assert!(images.len().is_multiple_of(network.inputs()), "activations of whole images");
    let mut scores = Vec::new();
    for image in images.chunks_exact(network.inputs()) {
        let mut activations = image.to_vec();
        for layer in network.layers() {
            let mut accumulators = layer.bias.clone();
            for (accumulator, weights) in accumulators.iter_mut().zip(layer.weights.chunks_exact(layer.inputs)) {
                for (&activation, &weight) in activations.iter().zip(weights) {
                    *accumulator = accumulator.wrapping_add(product(activation, weight));
                }
            }
            match layer.requantize {
                Some(requantize) => activations = accumulators.into_iter().map(|sum| requantize.apply(sum)).collect(),
                None => scores.extend(accumulators),
            }
        }
    }
    scores
}

/// The class of each image's highest score; of equal scores the first class.
///
/// # Panics
/// If there are no classes.
pub fn classify(scores: &[i32], classes: usize) -> Vec<u8> {
    let best =
        |scores: &[i32]| (1..classes).fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
    scores.chunks_exact(classes).map(|scores| best(scores) as u8).collect()
}

/// How many images were classified as labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy {
    /// Images classified as labelled.
    pub correct: usize,
    /// Images judged.
    pub images: usize,
}

impl Accuracy {
    /// Compares classes with labels.
    ///
    /// # Panics
    /// If their numbers differ.
    pub fn of(classes: &[u8], labels: &[u8]) -> Self {
        assert_eq!(classes.len(), labels.len(), "a label for each image");
        let correct = classes.iter().zip(labels).filter(|(class, label)| class == label).count();
        Self { correct, images: labels.len() }
    }

    /// Share of images classified as labelled; not a number without images.
    pub fn fraction(self) -> f64 {
        self.correct as f64 / self.images as f64
    }

    /// Bounds between which the true share lies at the given confidence (0.95 for 95 %), from sampling of the images
    /// alone: the score interval of Wilson (J. Am. Stat. Assoc. 22, 1927). 0…1 without images.
    ///
    /// # Panics
    /// Unless 0 < confidence < 1.
    pub fn interval(self, confidence: f64) -> [f64; 2] {
        assert!(0.0 < confidence && confidence < 1.0, "a confidence of {confidence}");
        if self.images == 0 {
            return [0.0, 1.0];
        }
        let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
        let (n, p) = (self.images as f64, self.fraction());
        let centre = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [centre - half, centre + half].map(|bound| (bound / (1.0 + z * z / n)).clamp(0.0, 1.0))
    }
}

/// Accuracy of a network on labelled images given as activation codes `[image][input]`.
///
/// # Panics
/// If activations and labels are not of the same images.
pub fn accuracy(network: &Network, gemm: &TableGemm, images: &[u8], labels: &[u8]) -> Accuracy {
    Accuracy::of(&classify(&infer(network, gemm, images), network.outputs()), labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::ProductTable;
    use crate::workload::Requantize;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random_network(rng: &mut ChaCha8Rng, sizes: &[usize]) -> Network {
        let last = sizes.len() - 2;
        let layer = |(index, pair): (usize, &[usize])| Dense {
            name: format!("dense{index}"),
            inputs: pair[0],
            outputs: pair[1],
            weights: (0..pair[0] * pair[1]).map(|_| rng.random_range(-127..=127)).collect(),
            bias: (0..pair[1]).map(|_| rng.random_range(-2_000..2_000)).collect(),
            input_scale: 1.0,
            weight_scale: 1.0,
            requantize: (index < last).then(|| Requantize::from_factor(1.0 / 700.0).unwrap()),
        };
        Network::new(sizes.windows(2).enumerate().map(layer).collect()).unwrap()
    }

    #[test]
    fn inference_is_its_definition_on_exact_truncated_and_unstructured_tables() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let network = random_network(&mut rng, &[30, 17, 9, 5]);
        let images: Vec<u8> = (0..40 * 30).map(|_| rng.random_range(0..=127)).collect();
        let exact = ProductTable::exact(8, 8, true);
        let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-500..=500)).collect();
        let truncated = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !7, b & !7));
        let noisy = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) + noise[(a << 8 | b) as usize]);
        let mut results = Vec::new();
        for table in [exact, truncated, noisy] {
            let product =
                |activation: u8, weight: i8| table.product(activation.into(), weight.cast_unsigned().into());
            let scores = infer(&network, &TableGemm::new(&table), &images);
            assert_eq!(scores, infer_reference(&network, product, &images));
            results.push(scores);
        }
        assert!(results[0] != results[1] && results[1] != results[2], "tables must make a difference");
    }

    #[test]
    fn what_a_visit_adds_travels_on() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let network = random_network(&mut rng, &[12, 8, 4]);
        let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
        let images: Vec<u8> = (0..12 * 6).map(|_| rng.random_range(0..=127)).collect();
        // Adding a constant to every accumulator of the first layer is the network with that much more bias.
        let mut layers = network.layers().to_vec();
        layers[0].bias.iter_mut().for_each(|bias| *bias += 5_000);
        let biased = Network::new(layers).unwrap();
        let mut visited = Vec::new();
        let scores = infer_with(&network, &gemm, &images, |pass| {
            visited.push((pass.index, pass.layer.name.clone(), pass.activations.len(), pass.accumulators.len()));
            if pass.index == 0 {
                pass.accumulators.iter_mut().for_each(|accumulator| *accumulator += 5_000);
            }
        });
        assert_eq!(visited, [(0, "dense0".into(), 6 * 12, 6 * 8), (1, "dense1".into(), 6 * 8, 6 * 4)]);
        assert_eq!(scores, infer(&biased, &gemm, &images));
        assert_ne!(scores, infer(&network, &gemm, &images));
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        assert_eq!(classify(&[1, 3, 3, -5, -5, -5, i32::MIN, 0, i32::MAX], 3), [1, 0, 2]);
    }

    #[test]
    fn accuracy_counts_agreement() {
        let accuracy = Accuracy::of(&[1, 2, 3, 4], &[1, 2, 0, 0]);
        assert_eq!(accuracy, Accuracy { correct: 2, images: 4 });
        assert_eq!(accuracy.fraction(), 0.5);
    }

    /// The bounds are the shares p for which the observed share lies z standard deviations of p away.
    #[test]
    fn interval_bounds_solve_the_score_equation() {
        let z = 1.959_963_984_540_054; // The 97.5 % point of the standard normal distribution.
        for (correct, images) in [(1, 10), (50, 100), (1730, 2000), (1999, 2000)] {
            let accuracy = Accuracy { correct, images };
            for bound in accuracy.interval(0.95) {
                let deviation = (bound * (1.0 - bound) / images as f64).sqrt();
                assert!(((accuracy.fraction() - bound).abs() - z * deviation).abs() < 1e-9, "{accuracy:?}");
            }
        }
        assert_eq!(Accuracy { correct: 0, images: 50 }.interval(0.95)[0], 0.0);
        assert_eq!(Accuracy { correct: 50, images: 50 }.interval(0.95)[1], 1.0);
        assert_eq!(Accuracy { correct: 0, images: 0 }.interval(0.95), [0.0, 1.0]);
    }

    #[test]
    fn accuracy_of_a_network_that_copies_its_input() {
        let identity = Dense {
            name: "identity".into(),
            inputs: 3,
            outputs: 3,
            weights: vec![1, 0, 0, 0, 1, 0, 0, 0, 1],
            bias: vec![0; 3],
            input_scale: 1.0,
            weight_scale: 1.0,
            requantize: None,
        };
        let network = Network::new(vec![identity]).unwrap();
        let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
        let images = [9, 0, 0, 0, 9, 0, 0, 0, 9, 5, 5, 0];
        assert_eq!(accuracy(&network, &gemm, &images, &[0, 1, 1, 0]), Accuracy { correct: 3, images: 4 });
    }
}
