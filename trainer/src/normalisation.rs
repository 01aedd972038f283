//! Batch normalisation (Ioffe and Szegedy, ICML 2015), folded into the layer it follows.
//!
//! The sums z of a channel become γ (z − μ) / √(σ² + ε) + β. That is a layer of weights γ w / √(σ² + ε) and bias
//! β − γ μ / √(σ² + ε), and as such every pass sees it, in training and after: rounding, products and errors are those of the
//! folded layer (Jacob et al., CVPR 2018). Moments μ and σ² are those of the batch, on real numbers, and gradients reach
//! weights through them; what is exported has their running means.

use crate::geometry::LayerGeometry;
use crate::network::{RealLayer, RealNetwork, to_vec};
use crate::ops;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

/// ε, which keeps silent channels finite.
const EPSILON: f32 = 1e-5;

/// Share of the past in running moments.
const MOMENTUM: f32 = 0.9;

/// Mean and variance of each channel's sums, for each layer that is normalised.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    layers: Vec<Option<[Tensor<1>; 2]>>,
}

/// The same as numbers, of which those of training are running means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunningStatistics {
    /// Of each layer the means and the variances; none before the first batch, or where nothing is normalised.
    pub(crate) layers: Vec<Option<[Vec<f32>; 2]>>,
}

impl RealLayer {
    /// What normalisation by moments multiplies a channel's sums with, and what it then adds.
    fn line(&self, [mean, variance]: &[Tensor<1>; 2]) -> [Tensor<1>; 2] {
        let gain = self.gain.as_ref().expect("a normalised layer").val();
        let factor = gain / (variance.clone() + EPSILON).sqrt();
        [factor.clone(), self.bias.val() - mean.clone() * factor]
    }
}

impl RealNetwork {
    /// Each layer's weights and bias with normalisation by `statistics` folded in.
    pub(crate) fn folded(&self, statistics: &Statistics) -> Vec<(Tensor<2>, Tensor<1>)> {
        let layer = |(layer, moments): (&RealLayer, &Option<[Tensor<1>; 2]>)| {
            let Some(moments) = moments else { return (layer.weight.val(), layer.bias.val()) };
            let [factor, offset] = layer.line(moments);
            let channels = factor.dims()[0];
            (layer.weight.val() * factor.reshape([channels, 1]), offset)
        };
        self.layers().iter().zip(&statistics.layers).map(layer).collect()
    }

    /// Moments of a batch, `[image][pixel]`, on real numbers; differentiable.
    pub(crate) fn statistics(&self, images: &Tensor<2>, geometry: &[LayerGeometry]) -> Statistics {
        let normalised = geometry.iter().rposition(|layer| layer.normalised);
        let mut statistics = Statistics { layers: vec![None; geometry.len()] };
        if let Some(last) = normalised {
            let mut keep = |number: usize, sums: &Tensor<2>| {
                let moments = ops::moments(sums.clone(), geometry[number].convolution.channels());
                statistics.layers[number] = Some(moments.clone());
                moments
            };
            self.through(images, &geometry[..=last], &mut keep);
        }
        statistics
    }

    /// Pre-activations of the last of the layers given, on real numbers with normalisation by what `moments` says of a
    /// layer's sums.
    fn through(
        &self,
        images: &Tensor<2>,
        geometry: &[LayerGeometry],
        moments: &mut dyn FnMut(usize, &Tensor<2>) -> [Tensor<1>; 2],
    ) -> Tensor<2> {
        let last = geometry.len() - 1;
        let mut outputs: Vec<Tensor<2>> = Vec::new();
        for (number, (layer, geometry)) in self.layers().iter().zip(geometry).enumerate() {
            let input = geometry.source(number).map_or(images, |source| &outputs[source]);
            let mut output = ops::multiply_real(input.clone(), layer.weight.val(), geometry.convolution);
            let offset = match geometry.normalised {
                false => layer.bias.val(),
                true => {
                    let [factor, offset] = layer.line(&moments(number, &output));
                    output = ops::scale(output, factor);
                    offset
                }
            };
            output = ops::add_bias(output, offset);
            if let Some(residual) = geometry.wiring.residual {
                output = output + outputs[residual].clone();
            }
            if number == last {
                return output;
            }
            if !geometry.wiring.linear {
                output = relu(output);
            }
            if let Some(windows) = &geometry.pooling {
                let selection = windows.selection(&to_vec(output.clone().inner()));
                output = ops::pool(output, selection, None);
            }
            outputs.push(output);
        }
        unreachable!("a network has layers")
    }
}

impl Statistics {
    /// Each layer's moments as numbers.
    fn numbers(&self) -> Vec<Option<[Vec<f32>; 2]>> {
        let numbers = |moments: &Option<[Tensor<1>; 2]>| moments.clone().map(|moments| moments.map(to_vec));
        self.layers.iter().map(numbers).collect()
    }
}

impl RunningStatistics {
    /// For so many layers, before the first batch.
    pub(crate) fn new(layers: usize) -> Self {
        Self { layers: vec![None; layers] }
    }

    /// Takes a batch into the running means.
    pub(crate) fn observe(&mut self, batch: &Statistics) {
        for (running, batch) in self.layers.iter_mut().zip(batch.numbers()) {
            let Some(batch) = batch else { continue };
            let Some(running) = running else {
                *running = Some(batch);
                continue;
            };
            for (running, batch) in running.iter_mut().flatten().zip(batch.iter().flatten()) {
                *running = MOMENTUM * *running + (1.0 - MOMENTUM) * batch;
            }
        }
    }

    /// The moments of all images together of some batches, each given with how many images it has.
    pub(crate) fn pooled(batches: impl IntoIterator<Item = (usize, Statistics)>, layers: usize) -> Self {
        // Sums of means and of mean squares.
        let mut sums: Vec<Option<[Vec<f64>; 2]>> = vec![None; layers];
        let mut count = 0.0;
        for (images, batch) in batches {
            let images = images as f64;
            count += images;
            for (sums, batch) in sums.iter_mut().zip(batch.numbers()) {
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

    /// What layers are folded with when all is done; mean 0 and variance 1 for one that has seen no batch.
    pub(crate) fn tensors(&self, geometry: &[LayerGeometry], device: &Device) -> Statistics {
        let tensor = |values: &Vec<f32>| Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device);
        let layer = |(moments, geometry): (&Option<[Vec<f32>; 2]>, &LayerGeometry)| {
            let channels = geometry.convolution.channels();
            geometry.normalised.then(|| match moments {
                Some(moments) => moments.each_ref().map(tensor),
                None => [vec![0.0; channels], vec![1.0; channels]].each_ref().map(tensor),
            })
        };
        Statistics { layers: self.layers.iter().zip(geometry).map(layer).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::RealParameters;
    use crate::pass::{Numbers, Pass};
    use crate::testing::{Fixture, affine, doubles};
    use axtrain_sim::multiplier::ProductTable;

    /// Folded weights and biases of a batch `[image][pixel]`, in double precision and by the definition of normalisation.
    fn folded(parameters: &[[Vec<f64>; 3]], geometry: &[LayerGeometry], images: &[f64]) -> Vec<[Vec<f64>; 2]> {
        let mut folded = Vec::new();
        let mut outputs: Vec<Vec<f64>> = Vec::new();
        for (number, ([weights, bias, gain], geometry)) in parameters.iter().zip(geometry).enumerate() {
            let input = geometry.source(number).map_or(images, |source| &outputs[source]);
            let (channels, positions) = (geometry.convolution.channels(), geometry.convolution.positions());
            let silent = vec![0.0; channels];
            let mut sums =
                affine(&geometry.convolution, input, weights, if gain.is_empty() { bias } else { &silent });
            let [mut of_layer, mut offsets] = [weights.clone(), bias.clone()];
            for channel in (0..channels).filter(|_| !gain.is_empty()) {
                let own = || (0..sums.len()).filter(move |place| place / positions % channels == channel);
                let mean = own().map(|place| sums[place]).sum::<f64>() / own().count() as f64;
                let variance = own().map(|place| (sums[place] - mean).powi(2)).sum::<f64>() / own().count() as f64;
                let factor = gain[channel] / (variance + f64::from(EPSILON)).sqrt();
                let per_channel = weights.len() / channels;
                of_layer[channel * per_channel..][..per_channel].iter_mut().for_each(|weight| *weight *= factor);
                offsets[channel] = bias[channel] - mean * factor;
                let places: Vec<usize> = own().collect();
                places.into_iter().for_each(|place| sums[place] = (sums[place] - mean) * factor + bias[channel]);
            }
            folded.push([of_layer, offsets]);
            if let Some(residual) = geometry.wiring.residual {
                sums.iter_mut().zip(&outputs[residual]).for_each(|(sum, added)| *sum += added);
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
        folded
    }

    fn numbers(parameters: Vec<RealParameters>) -> Vec<[Vec<f64>; 3]> {
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        parameters
            .into_iter()
            .map(|layer| [layer.weights, layer.bias, layer.gain.unwrap_or_default()].map(wide))
            .collect()
    }

    /// The gradient of a fixed combination of all folded weights and biases, by every parameter.
    #[test]
    fn folding_and_its_gradient_are_those_of_the_definition() {
        let fixture = Fixture::residual(true, 5, &ProductTable::exact(8, 8, true));
        let images = doubles(&fixture.images);
        let factor = |place: usize| (place * 37 % 19) as f64 / 9.0 - 1.0;
        let combined = |parameters: &[[Vec<f64>; 3]]| -> f64 {
            let all = folded(parameters, &fixture.geometry, &images).into_iter().flatten().flatten();
            all.enumerate().map(|(place, value)| value * factor(place)).sum()
        };
        let (mut loss, mut place) = (Tensor::zeros([1], &fixture.images.device()), 0);
        let mut weighted = |values: Tensor<1>| {
            let count = values.dims()[0];
            let factors = (place..place + count).map(|place| factor(place) as f32).collect::<Vec<_>>();
            place += count;
            (values.clone() * Tensor::from_data(TensorData::new(factors, [count]), &values.device())).sum()
        };
        let reference = numbers(fixture.real.parameters());
        let expected = folded(&reference, &fixture.geometry, &images);
        for ((weights, bias), expected) in fixture.real.folded(&fixture.statistics()).into_iter().zip(expected) {
            for (found, expected) in [doubles(&weights), doubles(&bias)].iter().zip(&expected) {
                assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
            }
            let count = weights.dims().iter().product::<usize>();
            loss = loss + weighted(weights.reshape([count])) + weighted(bias);
        }
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

    /// Scores of the folded network and of one that normalises its sums, by the same moments of other images.
    #[test]
    fn a_folded_network_is_the_unfolded_one() {
        for fixture in [Fixture::residual(true, 8, &ProductTable::exact(8, 8, true))]
            .into_iter()
            .chain(Fixture::models(6, &ProductTable::exact(8, 8, true)))
        {
            let mut running = RunningStatistics::new(fixture.geometry.len());
            running.observe(&fixture.statistics());
            running.observe(&fixture.real.statistics(&(fixture.images.clone() * 0.7 + 0.1), &fixture.geometry));
            let moments = running.tensors(&fixture.geometry, &fixture.images.device());
            let unfolded = fixture.real.through(&fixture.images, &fixture.geometry, &mut |number, _| {
                moments.layers[number].clone().expect("a normalised layer")
            });
            let folded = fixture.real.unrounded(&fixture.geometry, &moments).unwrap();
            let mut calibration = fixture.calibration.frozen();
            let trace = folded.forward(fixture.images.clone(), &Pass::of(Numbers::Real), &mut calibration);
            let (folded, unfolded) = (doubles(&trace.last().unwrap().output), doubles(&unfolded));
            let largest = unfolded.iter().fold(0f64, |largest, score| largest.max(score.abs()));
            assert!(largest > 0.1);
            assert!(
                folded.iter().zip(&unfolded).all(|(folded, unfolded)| (folded - unfolded).abs() < 1e-5 * largest)
            );
        }
    }

    #[test]
    fn moments_of_batches_together_are_those_of_all_images() {
        let fixture = Fixture::residual(true, 12, &ProductTable::exact(8, 8, true));
        // Only the first layer's input does not depend on the batch.
        let first = &fixture.geometry[..1];
        let part = |range: std::ops::Range<usize>| {
            let images = fixture.images.clone().slice([range.clone(), 0..20]);
            (range.len(), fixture.real.statistics(&images, first))
        };
        let pooled = RunningStatistics::pooled([part(0..5), part(5..12)], 1);
        let whole = RunningStatistics::pooled([part(0..12)], 1);
        let pairs = pooled.layers[0].iter().flatten().flatten().zip(whole.layers[0].iter().flatten().flatten());
        for (pooled, whole) in pairs {
            assert!((pooled - whole).abs() < 1e-5 && *whole != 0.0, "{pooled} is not {whole}");
        }
        let mut running = whole.clone();
        let (_, batch) = part(0..5);
        running.observe(&batch);
        let [whole, batch, running] = [whole, RunningStatistics { layers: batch.numbers() }, running]
            .map(|all| all.layers[0].clone().unwrap()[0][0]);
        assert!((running - (0.9 * whole + 0.1 * batch)).abs() < 1e-6);
    }
}
