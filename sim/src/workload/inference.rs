//! A quantised network computed on a multiplier's product table.

use super::{Accuracy, Flow, Network, QuantizedLayer};
use crate::kernel::TableGemm;
use rayon::prelude::*;

/// Images that [`infer`] brings through all layers together, on each thread: enough rows for fully connected layers, and few
/// enough that memory does not grow with a data set.
pub const IMAGES_AT_ONCE: usize = 256;

/// One layer's part of an inference, handed out before its accumulators are requantised.
#[derive(Debug)]
pub struct LayerPass<'a> {
    /// Position of the layer in the network.
    pub index: usize,
    /// The layer.
    pub layer: &'a QuantizedLayer,
    /// Activation codes in, `[image][channel][row][column]`.
    pub activations: &'a [u8],
    /// Accumulators, `[image][channel][row][column]`, bias included, the residual not yet; what is added to them travels on.
    pub accumulators: &'a mut [i32],
}

/// Class scores `[image][class]` of images given as activation codes `[image][channel][row][column]`; images are shared out
/// over threads.
///
/// # Panics
/// If the activations are not of whole images.
pub fn infer(network: &Network, gemm: &TableGemm, images: &[u8]) -> Vec<i32> {
    assert!(images.len().is_multiple_of(network.inputs()), "activations of whole images");
    let blocks = images.par_chunks(IMAGES_AT_ONCE * network.inputs()).map(|images| {
        let (last, hidden) = network.layers().split_last().expect("a network has layers");
        let mut flow = Flow::new(network, images);
        for layer in hidden {
            flow.put(layer.forward(gemm, flow.input(), flow.residual()));
        }
        let sums = last.accumulate(gemm, flow.input());
        flow.finish(last, sums).expect("the last layer of a network gives scores")
    });
    blocks.collect::<Vec<_>>().concat()
}

/// As [`infer`], layer by layer, with a visit to each between accumulation and requantisation: the place to add timing
/// errors or to take statistics of the operands.
///
/// # Panics
/// If the activations are not of whole images.
pub fn infer_with(
    network: &Network,
    gemm: &TableGemm,
    images: &[u8],
    mut visit: impl FnMut(LayerPass<'_>),
) -> Vec<i32> {
    let mut flow = Flow::new(network, images);
    for (index, layer) in network.layers().iter().enumerate() {
        let activations = flow.input();
        let mut accumulators = layer.accumulate(gemm, activations);
        visit(LayerPass { index, layer, activations, accumulators: &mut accumulators });
        if let Some(scores) = flow.finish(layer, accumulators) {
            return scores;
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
        // Outputs of all layers; what comes in first is the image.
        let mut outputs: Vec<Vec<u8>> = Vec::new();
        for layer in network.layers() {
            let activations = match layer.wiring.source.or(outputs.len().checked_sub(1)) {
                Some(source) => &outputs[source][..],
                None => image,
            };
            let geometry = &layer.convolution;
            let (positions, shape) = (geometry.positions(), geometry.shape(1));
            let zero_points = layer.quantizer.weight_zero_points.as_ref();
            let accumulator = |place: usize| {
                let (channel, position) = (place / positions, place % positions);
                let weights = layer.weights[channel * shape.k..][..shape.k].iter().enumerate();
                weights.fold(layer.bias[channel], |sum, (k, &weight)| {
                    let activation = geometry.code(activations, channel / shape.n, position, k);
                    let zero = zero_points.map_or(0, |zeros| i32::from(activation) * i32::from(zeros[channel]));
                    sum.wrapping_add(product(activation, weight)).wrapping_sub(zero)
                })
            };
            let mut accumulators: Vec<i32> = (0..layer.outputs()).map(accumulator).collect();
            if let (Some(residual), Some(scaling)) = (layer.wiring.residual, layer.residual_scaling) {
                let of_channels = layer.quantizer.channel_residual_scaling.as_ref();
                for (place, (sum, &code)) in accumulators.iter_mut().zip(&outputs[residual]).enumerate() {
                    let scaling = of_channels.map_or(scaling, |channels| channels[place / positions]);
                    *sum = sum.wrapping_add(scaling.scale(code.cast_signed().into()) as i32);
                }
            }
            match layer.requantize {
                Some(_) => outputs.push(layer.activate(&accumulators)),
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
    use crate::workload::Architecture;
    use crate::workload::testing::{dense, random_architecture, random_network, with_quantizers};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn inference_is_its_definition_on_exact_truncated_and_unstructured_tables() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let perceptron = Architecture::perceptron(30, &[17, 9], 5).unwrap();
        let exact = ProductTable::exact(8, 8, true);
        let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-500..=500)).collect();
        let truncated = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !7, b & !7));
        let noisy = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) + noise[(a << 8 | b) as usize]);
        let tables = [exact, truncated, noisy].map(|table| (TableGemm::new(&table), table));
        let mut differing = 0;
        for trial in 0..30 {
            let architecture = if trial == 0 { perceptron.clone() } else { random_architecture(&mut rng) };
            let mut network = random_network(&mut rng, &architecture);
            if trial % 2 == 1 {
                network = with_quantizers(&mut rng, &network);
            }
            let images: Vec<u8> = (0..7 * network.inputs()).map(|_| rng.random_range(0..=127)).collect();
            let mut results = Vec::new();
            for (gemm, table) in &tables {
                let product =
                    |activation: u8, weight: i8| table.product(activation.into(), weight.cast_unsigned().into());
                let scores = infer(&network, gemm, &images);
                assert_eq!(scores, infer_reference(&network, product, &images), "{architecture}");
                assert_eq!(scores, infer_with(&network, gemm, &images, |_| {}), "{architecture}");
                results.push(scores);
            }
            differing += usize::from(results[0] != results[1] && results[1] != results[2]);
        }
        assert!(differing > 20, "tables must make a difference: {differing} of 30");
    }

    #[test]
    fn what_a_visit_adds_travels_on() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let network = random_network(&mut rng, &Architecture::perceptron(12, &[8], 4).unwrap());
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
        assert_eq!(visited, [(0, "layer0".into(), 6 * 12, 6 * 8), (1, "layer1".into(), 6 * 8, 6 * 4)]);
        assert_eq!(scores, infer(&biased, &gemm, &images));
        assert_ne!(scores, infer(&network, &gemm, &images));
    }

    #[test]
    fn zero_points_are_what_the_real_weights_are_counted_from() {
        // Codes 3 and 5 around 1 are weights 2 and 4: 2 · 10 + 4 · 20, and each channel its own.
        let mut layer = dense("affine", 2, vec![3, 5, -2, 0], vec![7, 0]);
        layer.quantizer.weight_zero_points = Some(vec![1, -2]);
        let network = Network::new(vec![layer]).unwrap();
        let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
        assert_eq!(infer(&network, &gemm, &[10, 20]), [107, 2 * 20]);
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        assert_eq!(classify(&[1, 3, 3, -5, -5, -5, i32::MIN, 0, i32::MAX], 3), [1, 0, 2]);
    }

    #[test]
    fn accuracy_of_a_network_that_copies_its_input() {
        let identity = dense("identity", 3, vec![1, 0, 0, 0, 1, 0, 0, 0, 1], vec![0; 3]);
        let network = Network::new(vec![identity]).unwrap();
        let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
        let images = [9, 0, 0, 0, 9, 0, 0, 0, 9, 5, 5, 0];
        assert_eq!(accuracy(&network, &gemm, &images, &[0, 1, 1, 0]), Accuracy { correct: 3, images: 4 });
    }
}
