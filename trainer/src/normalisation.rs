//! Batch normalisation (Ioffe and Szegedy, ICML 2015), folded into the layer it follows.
//!
//! The sums z of a channel become γ (z − μ) / √(σ² + ε) + β. That is a layer of weights γ w / √(σ² + ε) and bias
//! β − γ μ / √(σ² + ε), and what is rounded and multiplied is the folded layer (Jacob et al., CVPR 2018).
//!
//! In training μ and σ² are the moments of a batch's sums, which are known only when weights have been multiplied. So codes are
//! those of weights folded with the *running* moments, as the deployed network has them, and what the batch's moments differ by goes
//! into the scale and the bias that each channel's sums are requantised with (Krishnamoorthi 2018, arXiv 1806.08342, section 3.2.2).
//! One pass does for everything, on the integers of the array and with its errors, whose mean normalisation then takes out. The
//! gradient is that of normalisation by the batch's moments; that scales of grids follow parameters is left out of it, as
//! straight-through estimators do.

use crate::network::to_vec;
use crate::quantizer;
use crate::real_network::{RealLayer, RealNetwork};
use axtrain_sim::workload::FloatLayer;
use burn::tensor::Tensor;

/// ε, which keeps silent channels finite.
const EPSILON: f32 = 1e-5;

/// Share of the past in running moments.
const MOMENTUM: f32 = 0.9;

/// Least folded factor, relative to the layer's largest: codes of such a channel are zero anyway.
const LEAST_FACTOR: f32 = 1e-6;

/// Running mean and variance of each channel's sums, for each layer that is normalised.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunningStatistics {
    /// Of each layer the means and the variances; none before the first batch, or where nothing is normalised.
    pub(crate) layers: Vec<Option<[Vec<f32>; 2]>>,
}

/// What normalisation by moments multiplies a channel's sums with, and what it then adds.
pub(crate) fn line(gain: Tensor<1>, bias: Tensor<1>, [mean, variance]: [Tensor<1>; 2]) -> [Tensor<1>; 2] {
    let factor = gain / (variance + EPSILON).sqrt();
    [factor.clone(), bias - mean * factor]
}

impl RealNetwork {
    /// Each layer's weights and bias with normalisation by `statistics` folded in.
    pub(crate) fn folded(&self, statistics: &RunningStatistics) -> Vec<FloatLayer> {
        let layer = |(number, layer): (usize, &RealLayer)| {
            let (weights, mut bias) = (to_vec(layer.weight.val()), to_vec(layer.bias.val()));
            if layer.gain.is_none() {
                return FloatLayer { weights, bias };
            }
            let factors = statistics.factors(number, layer);
            if let Some([means, _]) = &statistics.layers[number] {
                let lines = bias.iter_mut().zip(means.iter().zip(&factors));
                lines.for_each(|(bias, (mean, factor))| *bias -= mean * factor);
            }
            FloatLayer { weights: quantizer::times(&weights, &factors), bias }
        };
        self.layers().iter().enumerate().map(layer).collect()
    }
}

impl RunningStatistics {
    /// For so many layers, before the first batch.
    pub(crate) fn new(layers: usize) -> Self {
        Self { layers: vec![None; layers] }
    }

    /// What each channel of a layer, the `number`-th, is folded with: of mean 0 and variance 1 before its first batch, and 1 if
    /// it is not normalised.
    pub(crate) fn factors(&self, number: usize, layer: &RealLayer) -> Vec<f32> {
        let Some(gain) = &layer.gain else { return vec![1.0; layer.bias.val().dims()[0]] };
        let mut factors = to_vec(gain.val());
        let largest = factors.iter().fold(f32::MIN_POSITIVE, |largest, factor| largest.max(factor.abs()));
        factors.iter_mut().for_each(|gain| *gain = gain.abs().max(LEAST_FACTOR * largest).copysign(*gain));
        if let Some([_, variances]) = &self.layers[number] {
            factors.iter_mut().zip(variances).for_each(|(factor, variance)| *factor /= (variance + EPSILON).sqrt());
        }
        factors
    }

    /// Takes a batch's moments of a layer's sums into the running ones.
    pub(crate) fn observe(&mut self, layer: usize, batch: [Vec<f32>; 2]) {
        let Some(running) = &mut self.layers[layer] else {
            self.layers[layer] = Some(batch);
            return;
        };
        for (running, batch) in running.iter_mut().flatten().zip(batch.iter().flatten()) {
            *running = MOMENTUM * *running + (1.0 - MOMENTUM) * batch;
        }
    }

    /// The moments of all images together of some batches, each given with how many images it has.
    pub(crate) fn pooled(batches: impl IntoIterator<Item = (usize, Self)>, layers: usize) -> Self {
        // Sums of means and of mean squares.
        let mut sums: Vec<Option<[Vec<f64>; 2]>> = vec![None; layers];
        let mut count = 0.0;
        for (images, batch) in batches {
            let images = images as f64;
            count += images;
            for (sums, batch) in sums.iter_mut().zip(batch.layers) {
                let Some([means, variances]) = batch else { continue };
                let [of_means, of_squares] = sums.get_or_insert_with(|| [(); 2].map(|()| vec![0.0; means.len()]));
                for (channel, (mean, variance)) in means.into_iter().zip(variances).enumerate() {
                    let (mean, variance) = (f64::from(mean), f64::from(variance));
                    of_means[channel] += images * mean;
                    of_squares[channel] += images * (variance + mean * mean);
                }
            }
        }
        let layer = |sums: Option<[Vec<f64>; 2]>| {
            sums.map(|[means, squares]| {
                let mean: Vec<f64> = means.into_iter().map(|sum| sum / count).collect();
                let squares = squares.into_iter().zip(&mean);
                let variance = squares.map(|(sum, mean)| (sum / count - mean * mean).max(0.0) as f32).collect();
                [mean.into_iter().map(|mean| mean as f32).collect(), variance]
            })
        };
        Self { layers: sums.into_iter().map(layer).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::LayerGeometry;
    use crate::methods::cross_entropy;
    use crate::network::RoundedNetwork;
    use crate::pass::{Numbers, Pass};
    use crate::real_network::RealParameters;
    use crate::testing::{Fixture, affine, doubles, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use burn::tensor::TensorData;

    /// Scores of a batch `[image][pixel]`, in double precision and by the definition of normalisation.
    fn scores(parameters: &[[Vec<f64>; 3]], geometry: &[LayerGeometry], images: &[f64]) -> Vec<f64> {
        let mut outputs: Vec<Vec<f64>> = Vec::new();
        for (number, ([weights, bias, gain], geometry)) in parameters.iter().zip(geometry).enumerate() {
            let input = geometry.source(number).map_or(images, |source| &outputs[source]);
            let (channels, positions) = (geometry.convolution.channels(), geometry.convolution.positions());
            let silent = vec![0.0; channels];
            let mut sums =
                affine(&geometry.convolution, input, weights, if gain.is_empty() { bias } else { &silent });
            for channel in (0..channels).filter(|_| !gain.is_empty()) {
                let own = || (0..sums.len()).filter(move |place| place / positions % channels == channel);
                let own: Vec<usize> = own().collect();
                let mean = own.iter().map(|&place| sums[place]).sum::<f64>() / own.len() as f64;
                let variance = own.iter().map(|&place| (sums[place] - mean).powi(2)).sum::<f64>() / own.len() as f64;
                let factor = gain[channel] / (variance + f64::from(EPSILON)).sqrt();
                own.into_iter().for_each(|place| sums[place] = (sums[place] - mean) * factor + bias[channel]);
            }
            if let Some(residual) = geometry.wiring.residual {
                sums.iter_mut().zip(&outputs[residual]).for_each(|(sum, added)| *sum += added);
            }
            if number + 1 == parameters.len() {
                return sums;
            }
            if !geometry.wiring.linear {
                sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
            }
            if let Some(windows) = &geometry.pooling {
                let area = windows.pool().input().iter().product();
                let mut pooled = Vec::new();
                for image in sums.chunks_exact(area) {
                    windows.pool().for_each_window(|_, window| {
                        let values: Vec<f64> = window.map(|place| image[place]).collect();
                        pooled.push(values.iter().sum::<f64>() / values.len() as f64);
                    });
                }
                sums = pooled;
            }
            outputs.push(sums);
        }
        unreachable!("a network has layers")
    }

    fn numbers(parameters: Vec<RealParameters>) -> Vec<[Vec<f64>; 3]> {
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        parameters
            .into_iter()
            .map(|layer| [layer.weights, layer.bias, layer.gain.unwrap_or_default()].map(wide))
            .collect()
    }

    /// A fixed combination of the scores: unlike their cross-entropy it has no common shift that it does not see.
    fn factor(place: usize) -> f64 {
        (place * 37 % 19) as f64 / 9.0 - 1.0
    }

    /// On real numbers, straight through and by way of the folded network: the gradient by every parameter.
    #[test]
    fn normalisation_and_its_gradient_are_those_of_the_definition() {
        let fixture = Fixture::residual(true, 5, &ProductTable::exact(8, 8, true));
        let images = doubles(&fixture.images);
        let combined = |parameters: &[[Vec<f64>; 3]]| -> f64 {
            let scores = scores(parameters, &fixture.geometry, &images);
            scores.into_iter().enumerate().map(|(place, score)| score * factor(place)).sum()
        };
        let reference = numbers(fixture.real.parameters());
        let statistics = fixture.calibration.statistics();
        let network = fixture.real.unrounded(&fixture.geometry, statistics, &fixture.quantization).unwrap();
        let run = |network: &RoundedNetwork| {
            network.forward(fixture.images.clone(), &Pass::of(Numbers::Real), &mut fixture.calibration.frozen())
        };
        for folded in [false, true] {
            let mut trace = run(&network);
            if folded {
                trace = run(&network.folded(&trace));
            }
            let output = trace.last().unwrap().output.clone();
            let factors: Vec<f32> = (0..doubles(&output).len()).map(|place| factor(place) as f32).collect();
            let factors = Tensor::from_data(TensorData::new(factors, output.dims()), &output.device());
            let loss = (output * factors).sum();
            let expected = combined(&reference);
            assert!((f64::from(loss.clone().into_scalar::<f32>()) - expected).abs() < 1e-4 * (1.0 + expected.abs()));
            let gradients = loss.backward();
            for (number, layer) in fixture.real.layers().iter().enumerate() {
                let by_weight = layer.weight.val().grad(&gradients).map(|gradient| doubles(&gradient));
                let of_channels = |tensor: Tensor<1>| tensor.grad(&gradients).map(|gradient| doubles(&gradient));
                let by_gain = layer.gain.as_ref().and_then(|gain| of_channels(gain.val()));
                let found = [by_weight, of_channels(layer.bias.val()), by_gain];
                for (tensor, found) in found.into_iter().enumerate() {
                    for (index, found) in found.into_iter().flatten().enumerate() {
                        let at = |step: f64| {
                            let mut moved = reference.clone();
                            moved[number][tensor][index] += step;
                            combined(&moved)
                        };
                        let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                        let tolerance = 1e-3 * (1.0 + expected.abs());
                        assert!((found - expected).abs() < tolerance, "layer {number}: {found} is not {expected}");
                    }
                }
            }
        }
    }

    /// The network of a pass classifies as the pass did, on codes; its codes are those that running moments give, as deployed.
    #[test]
    fn a_folded_network_is_the_normalised_one_on_the_codes_that_are_deployed() {
        let exact = ProductTable::exact(8, 8, true);
        for fixture in [Fixture::residual(true, 8, &exact), Fixture::residual(true, 8, &truncated(3))]
            .into_iter()
            .chain(Fixture::models(6, &exact))
        {
            let network = fixture.network();
            let trace = fixture.forward(&network);
            let folded = network.folded(&trace);
            assert!(network.is_normalised() && !folded.is_normalised());
            let again = fixture.forward(&folded);
            let [first, second] = [&trace, &again].map(|trace| doubles(&trace.last().unwrap().output));
            let largest = first.iter().fold(0f64, |largest, score| largest.max(score.abs()));
            assert!(largest > 0.1);
            assert!(first.iter().zip(&second).all(|(first, second)| (first - second).abs() < 1e-5 * largest));
            let deployed = fixture.deployed();
            for (number, (codes, layer)) in folded.codes().iter().zip(deployed.layers()).enumerate() {
                assert_eq!(codes, &layer.weights, "{}", layer.name);
                let is_normalised = fixture.geometry[number].normalised;
                let scales = &folded.layers()[number].coding.steps;
                let is_uniform = scales.iter().all(|scale| (scale / layer.weight_scale - 1.0).abs() < 1e-3);
                assert_eq!(is_uniform, !is_normalised, "moments of a pass are not the running ones: {scales:?}");
            }
        }
    }

    /// Normalisation by the running moments, as a pass would do it with moments of its own.
    #[test]
    fn what_is_deployed_is_normalised_by_the_running_moments() {
        let fixture = Fixture::residual(true, 8, &ProductTable::exact(8, 8, true));
        let statistics = fixture.calibration.statistics();
        for (number, (layer, deployed)) in
            fixture.real.layers().iter().zip(fixture.real.folded(statistics)).enumerate()
        {
            let Some(moments) = &statistics.layers[number] else { continue };
            let device = fixture.images.device();
            let tensor =
                |values: &Vec<f32>| Tensor::from_data(TensorData::new(values.clone(), [values.len()]), &device);
            let gain = layer.gain.as_ref().expect("a normalised layer").val();
            let [factor, offset] = line(gain, layer.bias.val(), moments.each_ref().map(tensor)).map(to_vec);
            let weights = quantizer::times(&to_vec(layer.weight.val()), &factor);
            for (found, expected) in [(&deployed.weights, &weights), (&deployed.bias, &offset)] {
                assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
            }
            assert!(moments[1].iter().all(|variance| (variance - 1.0).abs() > 1e-3));
        }
    }

    #[test]
    fn a_gain_of_nothing_and_a_negative_one_are_folded() {
        let mut fixture = Fixture::residual(true, 8, &ProductTable::exact(8, 8, true));
        let mut parameters = fixture.real.parameters();
        let gains: Vec<&mut f32> = parameters.iter_mut().flat_map(|layer| &mut layer.gain).flatten().collect();
        for (place, gain) in gains.into_iter().enumerate() {
            *gain *= [1.0, -1.0, 0.0][place % 3];
        }
        fixture.real = RealNetwork::from_parameters(parameters, &fixture.images.device());
        let trace = fixture.forward(&fixture.network());
        let loss = cross_entropy(trace.last().unwrap().output.clone(), &fixture.targets);
        let finite = fixture.real.gradients(&loss).into_iter().flatten().flatten().all(f32::is_finite);
        assert!(finite && loss.into_scalar::<f32>().is_finite());
        let deployed = fixture.deployed();
        for (layer, (network, codes)) in
            deployed.layers().iter().zip(fixture.network().layers().iter().zip(fixture.network().codes()))
        {
            assert_eq!(layer.weights, codes, "{}", layer.name);
            let per_channel = codes.len() / layer.bias.len();
            let gains = network.gain.clone().map(to_vec).unwrap_or_default();
            for (gain, codes) in gains.iter().zip(codes.chunks_exact(per_channel)) {
                assert!(*gain != 0.0 || codes.iter().all(|code| *code == 0));
            }
        }
    }

    #[test]
    fn moments_of_batches_together_are_those_of_all_images() {
        let fixture = Fixture::residual(true, 12, &ProductTable::exact(8, 8, true));
        let network = fixture.network();
        // Only the first layer's input does not depend on the batch.
        let part = |range: std::ops::Range<usize>| {
            let images = fixture.images.clone().slice([range.clone(), 0..20]);
            let mut calibration = fixture.calibration.for_moments();
            network.forward(images, &Pass::settled(&fixture.gemm), &mut calibration);
            (range.len(), calibration.statistics().clone())
        };
        let first = |statistics: &RunningStatistics| statistics.layers[0].clone().expect("a normalised layer");
        let layers = fixture.geometry.len();
        let [pooled, whole] =
            [vec![part(0..5), part(5..12)], vec![part(0..12)]].map(|parts| RunningStatistics::pooled(parts, layers));
        for (pooled, whole) in first(&pooled).iter().flatten().zip(first(&whole).iter().flatten()) {
            assert!((pooled - whole).abs() < 1e-5 && *whole != 0.0, "{pooled} is not {whole}");
        }
        let mut running = whole.clone();
        let batch = first(&part(0..5).1);
        running.observe(0, batch.clone());
        let [whole, running] = [whole, running].map(|all| first(&all)[0][0]);
        assert!((running - (0.9 * whole + 0.1 * batch[0][0])).abs() < 1e-6);
    }
}
