//! What errors of weights are expected to do to a trained network's loss, from its second derivatives.

use crate::calibration::Calibration;
use crate::geometry::LayerGeometry;
use crate::methods::{Penalty, random_signs};
use crate::network::RoundedNetwork;
use crate::normalisation::RunningStatistics;
use crate::pass::Pass;
use crate::quantization::Quantization;
use crate::real_network::{RealNetwork, RealParameters};
use crate::spec::{Estimator, Sensitivity, WeightNoise};
use crate::training::on_one_thread;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{FloatLayer, LayerShape, Network, PIXEL_SCALE, Split, pixel_code};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Errors of weights, independent and of mean zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightErrors<'a> {
    /// Those that disturb products as much as the signed 8×8 multiplier of this table does, about its mean error.
    Multiplier(&'a ProductTable),
    /// All of a layer's weights err with this deviation, over its largest weight.
    Absolute(f64),
}

/// How much the loss of a trained network on `split`'s images is expected to rise, nats, if the weights of one layer alone err: for
/// each layer ½ Σ σ² ∂²L/∂w², on exact products, the mean over `probes` random directions. `parameters` are the real numbers that
/// `network`'s codes were rounded from as `quantization` says.
///
/// # Panics
/// If images or parameters are not of the network's sizes, or there are no images.
pub fn expected_increase(
    network: &Network,
    (parameters, quantization): (&[FloatLayer], &Quantization),
    errors: WeightErrors<'_>,
    split: &Split,
    (probes, seed): (u32, u64),
) -> Vec<f64> {
    assert_eq!(split.features(), network.inputs(), "pixels of an image and inputs of the network");
    assert_eq!(parameters.len(), network.layers().len(), "parameters of each layer");
    on_one_thread(|| {
        let probed = Probed::new(network, (parameters, quantization), errors, split);
        (0..parameters.len()).map(|layer| probed.layer(layer, probes, seed)).collect()
    })
}

/// A network around which directions are tried.
struct Probed {
    rounded: RoundedNetwork,
    penalty: Penalty,
    /// σ² over the penalty's.
    factor: f64,
    images: Tensor<2>,
    targets: Tensor<2>,
    exact: Arc<TableGemm>,
    calibration: Calibration,
}

impl Probed {
    fn new(
        network: &Network,
        (parameters, quantization): (&[FloatLayer], &Quantization),
        errors: WeightErrors<'_>,
        split: &Split,
    ) -> Self {
        let shapes = network
            .layers()
            .iter()
            .map(|layer| LayerShape { wiring: layer.wiring, ..LayerShape::new(layer.convolution, layer.pooling) });
        let geometry: Vec<LayerGeometry> = shapes.map(|shape| LayerGeometry::new(&shape)).collect();
        let device = Device::flex();
        let real = RealNetwork::from_parameters(parameters.iter().map(RealParameters::of).collect(), &device);
        let nothing = RunningStatistics::new(geometry.len());
        let exact_table = ProductTable::exact(8, 8, true);
        let (noise, table, epsilon, factor) = match errors {
            WeightErrors::Multiplier(table) => (WeightNoise::Multiplier, table, 0.2, 1.0),
            WeightErrors::Absolute(deviation) => (WeightNoise::Absolute, &exact_table, 0.02, deviation.powi(2)),
        };
        let sensitivity = Sensitivity { epsilon, noise, estimator: Estimator::Hutchinson, ..Sensitivity::default() };
        let mut peaks = vec![None; geometry.len() - 1];
        for (number, layer) in network.layers().iter().enumerate() {
            if let Some(source) = geometry[number].source(number) {
                peaks[source] = Some(layer.input_scale * quantization.largest_activation());
            }
        }
        let values: Vec<f32> =
            split.pixels().iter().map(|&pixel| f32::from(pixel_code(pixel)) * PIXEL_SCALE).collect();
        let classes = network.outputs();
        let mut targets = vec![0.0f32; split.len() * classes];
        for (image, &label) in split.labels().iter().enumerate() {
            targets[image * classes + usize::from(label)] = 1.0;
        }
        Self {
            rounded: real.round(&geometry, &nothing, quantization).expect("weights of a trained network are finite"),
            penalty: Penalty::new(&sensitivity, table),
            factor,
            images: Tensor::from_data(TensorData::new(values, [split.len(), split.features()]), &device),
            targets: Tensor::from_data(TensorData::new(targets, [split.len(), classes]), &device),
            exact: Arc::new(TableGemm::new(&exact_table)),
            calibration: Calibration::of(peaks, nothing, *quantization),
        }
    }

    fn layer(&self, layer: usize, probes: u32, seed: u64) -> f64 {
        let pass = Pass::settled(&self.exact);
        let trace = self.rounded.forward(self.images.clone(), &pass, &mut self.calibration.frozen());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(layer as u64);
        let probe = |_| {
            let mut signs = random_signs(&self.rounded, &mut rng);
            for (other, signs) in signs.iter_mut().enumerate() {
                if other != layer {
                    signs.fill(0.0);
                }
            }
            let along = self.penalty.along(&self.rounded, &trace, &self.targets, &signs);
            f64::from(along.into_scalar::<f32>())
        };
        0.5 * self.factor * (0..probes).map(probe).sum::<f64>() / f64::from(probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Method;
    use crate::spec::TrainingSpec;
    use crate::training::train;
    use axtrain_sim::workload::{Architecture, Dataset, infer_with};
    use std::ops::ControlFlow;

    /// The scores of the last layer are linear in its weights: ∂²L/∂w² is the mean of h² p (1 − p), h its input, p the softmax.
    #[test]
    fn the_last_layer_is_that_of_the_softmax() {
        let digits = Dataset::embedded("digits").unwrap();
        let exact = ProductTable::exact(8, 8, true);
        let spec = TrainingSpec {
            epochs: 2,
            batch: 32,
            ..TrainingSpec::new(Architecture::perceptron(64, &[9], 10).unwrap(), Method::Plain)
        };
        let trained = train(&spec, &digits, &exact, &mut |_| ControlFlow::Continue(())).unwrap();
        let (network, split) = (&trained.network, digits.train.first(60));
        let usual = Quantization::default();
        let float = (&trained.parameters[..], &usual);
        let codes: Vec<u8> = split.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
        let mut hidden = Vec::new();
        let scores = infer_with(network, &TableGemm::new(&exact), &codes, |pass| {
            hidden = pass.activations.iter().map(|&code| f64::from(code)).collect();
        });
        let last = &network.layers()[1];
        let mut second = vec![0.0; last.weights.len()];
        for (scores, hidden) in scores.chunks_exact(10).zip(hidden.chunks_exact(9)) {
            let powers: Vec<f64> =
                scores.iter().map(|&score| (f64::from(score) * network.score_scale()).exp()).collect();
            let sum: f64 = powers.iter().sum();
            for (class, power) in powers.iter().enumerate() {
                let p = power / sum;
                for (k, h) in hidden.iter().enumerate() {
                    let h = h * f64::from(last.input_scale);
                    second[class * 9 + k] += h * h * p * (1.0 - p) / split.len() as f64;
                }
            }
        }
        let largest = float.0[1].weights.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
        let expected = 0.5 * (0.01 * f64::from(largest)).powi(2) * second.iter().sum::<f64>();
        let found = expected_increase(network, float, WeightErrors::Absolute(0.01), &split, (500, 1));
        assert!((found[1] / expected - 1.0).abs() < 0.03, "{found:?}, expected {expected}");

        // Of a multiplier, σ is its errors' about their mean over activations, as if it were the weight's.
        let truncated = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !7, b));
        let squares: f64 = (0..128).map(|x| f64::from(x * x)).sum();
        let sigma_squared = |code: i8| {
            let errors: Vec<f64> = (0..128).map(|x: i32| f64::from((x & !7) - x) * f64::from(code)).collect();
            let mean = errors.iter().sum::<f64>() / 128.0;
            errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / squares
                * f64::from(last.weight_scale).powi(2)
        };
        let terms = last.weights.iter().zip(&second).map(|(&code, second)| sigma_squared(code) * second);
        let expected = 0.5 * terms.sum::<f64>();
        let found = expected_increase(network, float, WeightErrors::Multiplier(&truncated), &split, (500, 1));
        assert!((found[1] / expected - 1.0).abs() < 0.03, "{found:?}, expected {expected}");
        let none = expected_increase(network, float, WeightErrors::Multiplier(&exact), &split, (2, 1));
        assert_eq!(none, [0.0, 0.0]);
    }
}
