//! How well networks classify.

use crate::calibration::Calibration;
use crate::geometry::LayerGeometry;
use crate::network::to_vec;
use crate::normalisation::RunningStatistics;
use crate::pass::{Numbers, Pass};
use crate::quantization::Quantization;
use crate::real_network::{RealNetwork, RealParameters};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{self, FloatLayer, LayerShape, Network, PIXEL_SCALE, Split, pixel_code};
use burn::tensor::{Device, Tensor, TensorData};

/// Images that go through a network of real numbers together.
const BLOCK_IMAGES: usize = 256;

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

/// Share of `split`'s images that real `parameters`, one entry a layer of `network`, classify rightly in single precision, the
/// network giving nothing but its shape: what rounding is measured by. Images are the 7-bit ones that all networks see. NaN
/// without images.
///
/// # Panics
/// If the images, or the parameters, are not of the network's sizes.
pub fn real_accuracy(network: &Network, parameters: &[FloatLayer], split: &Split) -> f64 {
    assert_eq!(split.features(), network.inputs(), "pixels of an image and inputs of the network");
    assert_eq!(parameters.len(), network.layers().len(), "parameters of each layer");
    let shapes = network
        .layers()
        .iter()
        .map(|layer| LayerShape { wiring: layer.wiring, ..LayerShape::new(layer.convolution, layer.pooling) });
    let geometry: Vec<LayerGeometry> = shapes.map(|shape| LayerGeometry::new(&shape)).collect();
    let device = Device::flex();
    let real = RealNetwork::from_parameters(parameters.iter().map(RealParameters::of).collect(), &device);
    let (nothing, usual) = (RunningStatistics::new(geometry.len()), Quantization::default());
    let Some(network) = real.unrounded(&geometry, &nothing, &usual) else { return 0.0 };
    let mut right = 0;
    let blocks = split.pixels().chunks(BLOCK_IMAGES * split.features()).zip(split.labels().chunks(BLOCK_IMAGES));
    for (pixels, labels) in blocks {
        let values: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel_code(pixel)) * PIXEL_SCALE).collect();
        let images = Tensor::from_data(TensorData::new(values, [labels.len(), split.features()]), &device);
        // Real numbers have no scales to look up.
        let trace =
            network.forward(images, &Pass::of(Numbers::Real), &mut Calibration::new(geometry.len() - 1, usual));
        right += count_right(&to_vec(trace.last().expect("a layer at least").output.clone()), labels);
    }
    right as f64 / split.len() as f64
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
    use axtrain_sim::workload::{Convolution, QuantizedLayer, Quantizer, Wiring};

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
            wiring: Wiring::default(),
            residual_scaling: None,
            quantizer: Quantizer::default(),
        };
        let network = Network::new(vec![identity]).unwrap();
        // As codes: (127, 0), (5, 0), (0, 127); scores (127, 10), (5, 10), (0, 137).
        let split = Split::new(2, vec![255, 0, 10, 0, 0, 255], vec![0, 0, 1]);
        let exact = ProductTable::exact(8, 8, true);
        assert_eq!(accuracy(&network, &exact, &split), 2.0 / 3.0);
        let parameters = |bias| vec![FloatLayer { weights: vec![1.0, 0.0, 0.0, 1.0], bias: vec![0.0, bias] }];
        // Scores (1, b), (0.04, b), (0, 1 + b), images being of 7 bits: 5 / 127 is below 0.05.
        assert_eq!(real_accuracy(&network, &parameters(0.05), &split), 2.0 / 3.0);
        assert_eq!(real_accuracy(&network, &parameters(0.03), &split), 1.0);
        let nothing = ProductTable::from_fn(8, 8, true, |_, _| 0);
        assert_eq!(accuracy(&network, &nothing, &split), 1.0 / 3.0, "only the bias is left");
    }
}
