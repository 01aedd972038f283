//! How well an integer network classifies.

use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{self, Network, Split, pixel_code};

/// Share of `split`'s images that `network` classifies rightly on the signed 8×8 multiplier of `table`; of equal scores the
/// first counts. NaN without images.
///
/// # Panics
/// If the images are not as large as the network's input.
pub fn accuracy(network: &Network, table: &ProductTable, split: &Split) -> f64 {
    accuracy_on(network, &TableGemm::new(table), split)
}

/// [`accuracy`] on arithmetic that is already prepared.
pub(crate) fn accuracy_on(network: &Network, gemm: &TableGemm, split: &Split) -> f64 {
    assert_eq!(split.features(), network.inputs(), "pixels of an image and inputs of the network");
    let codes: Vec<u8> = split.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
    workload::accuracy(network, gemm, &codes, split.labels()).fraction()
}

/// How often the first of the largest scores is the label's; `scores` is `[image][class]`.
pub(crate) fn count_right<T: PartialOrd + Copy>(scores: &[T], labels: &[u8]) -> usize {
    let Some(classes) = scores.len().checked_div(labels.len()) else { return 0 };
    let best =
        |scores: &[T]| (1..classes).fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
    scores.chunks_exact(classes).zip(labels).filter(|&(scores, &label)| best(scores) == usize::from(label)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axtrain_sim::workload::{Convolution, QuantizedLayer};

    #[test]
    fn the_first_of_equal_scores_counts() {
        assert_eq!(count_right(&[1, 1, 0, /**/ 0, 2, 2, /**/ 3, 1, 9], &[0, 2, 2]), 2);
        assert_eq!(count_right::<i32>(&[], &[]), 0);
    }

    #[test]
    fn a_network_of_one_layer_is_judged_by_hand() {
        let identity = QuantizedLayer {
            name: "scores".to_owned(),
            convolution: Convolution::connected([2, 1, 1], 2).unwrap(),
            pooling: None,
            weights: vec![1, 0, 0, 1],
            bias: vec![0, 10],
            input_scale: 1.0,
            weight_scale: 1.0,
            requantize: None,
            channel_requantize: None,
            residual_scaling: None,
            wiring: axtrain_sim::workload::Wiring::default(),
        };
        let network = Network::new(vec![identity]).unwrap();
        // As codes: (127, 0), (5, 0), (0, 127); scores (127, 10), (5, 10), (0, 137).
        let split = Split::new(2, vec![255, 0, 10, 0, 0, 255], vec![0, 0, 1]);
        let exact = ProductTable::exact(8, 8, true);
        assert_eq!(accuracy(&network, &exact, &split), 2.0 / 3.0);
        let nothing = ProductTable::from_fn(8, 8, true, |_, _| 0);
        assert_eq!(accuracy(&network, &nothing, &split), 1.0 / 3.0, "only the bias is left");
    }
}
