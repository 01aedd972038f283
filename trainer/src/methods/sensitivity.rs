//! How far the class scores move when the weights do.
//!
//! For weight errors of zero mean and deviation σ_i the scores y move by E‖Δy‖² = Σ_i σ_i² ‖∂y/∂w_i‖² to first order, the
//! trace of the Gauss–Newton matrix. One random direction v of independent signs estimates it without bias, as
//! ‖y(w + εσv) − y(w)‖² / ε².
//!
//! y is the real-valued network around one forward pass: each layer's rounding and product errors, and which
//! activations pooling takes, stay what they were in that pass, so the difference is smooth in w and its gradient is the straight-through one.

use crate::network::{LayerTrace, RoundedLayer, RoundedNetwork};
use crate::ops;
use crate::spec::{Sensitivity, WeightNoise};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;

/// ‖y(w + εσv) − y(w)‖² / ε², summed over scores and averaged over the batch that left `trace`; v comes from `rng`.
pub(super) fn output_sensitivity(
    network: &RoundedNetwork,
    trace: &[LayerTrace],
    sensitivity: &Sensitivity,
    rng: &mut impl Rng,
) -> Tensor<1> {
    // The change of a layer's input. The first layer's is none: images do not depend on weights.
    let mut input_change: Option<Tensor<2>> = None;
    for (layer, pass) in network.layers().iter().zip(trace) {
        let convolution = layer.geometry.convolution;
        let weight_change = weight_change(layer, sensitivity, rng);
        let mut change = ops::multiply_real(pass.input.clone(), weight_change.clone(), convolution);
        if let Some(input_change) = input_change {
            change = change + ops::multiply_real(input_change, layer.weight.clone() + weight_change, convolution);
        }
        let Some(activation) = &pass.activation else {
            let batch = change.dims()[0] as f32;
            return change.square().sum() / (batch * sensitivity.epsilon * sensitivity.epsilon);
        };
        let change = ops::clamped_change(pass.output.clone(), change, activation.limit);
        input_change = Some(match &activation.pooling {
            Some(selection) => ops::pool(change, selection.clone(), None),
            None => change,
        });
    }
    unreachable!("the last layer has no activation function")
}

/// εσv for one layer, `[output channel][k]`.
///
/// σ depends on the weights, and so does its share in the gradient: a layer whose largest weight shrinks suffers smaller
/// absolute errors.
fn weight_change(layer: &RoundedLayer, sensitivity: &Sensitivity, rng: &mut impl Rng) -> Tensor<2> {
    let weight = layer.weight.clone();
    let [outputs, inputs] = weight.dims();
    let mut signs = random_signs(outputs * inputs, rng);
    signs.iter_mut().for_each(|sign| *sign *= sensitivity.epsilon);
    let signs = Tensor::from_data(TensorData::new(signs, [outputs, inputs]), &weight.device());
    match sensitivity.noise {
        WeightNoise::Absolute => signs * weight.abs().max().reshape([1, 1]),
        WeightNoise::Relative => signs * weight,
    }
}

/// `count` independent numbers, ±1 with equal probability.
fn random_signs(count: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut signs = Vec::with_capacity(count.next_multiple_of(32));
    while signs.len() < count {
        let bits = rng.next_u32();
        // The bit becomes the sign bit of 1.0.
        signs.extend((0..32).map(|bit| f32::from_bits(1f32.to_bits() | bits << bit & 1 << 31)));
    }
    signs.truncate(count);
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, Surrogate, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::Pooling;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Deviation of each weight's error, in double precision.
    fn deviations(weights: &[f64], noise: WeightNoise) -> Vec<f64> {
        let range = weights.iter().fold(0f64, |range, weight| range.max(weight.abs()));
        let deviation = |weight: &f64| match noise {
            WeightNoise::Absolute => range,
            WeightNoise::Relative => *weight,
        };
        weights.iter().map(deviation).collect()
    }

    fn setting(noise: WeightNoise, epsilon: f32) -> Sensitivity {
        Sensitivity { lambda: 1.0, epsilon, noise }
    }

    #[test]
    fn many_directions_average_to_the_gauss_newton_trace() {
        for fixture in [
            Fixture::perceptron(&[3, 4, 2], 4, &truncated(2)),
            Fixture::convolutional(Pooling::Maximum, 2, &truncated(2)),
        ] {
            check_mean(&fixture);
        }
    }

    fn check_mean(fixture: &Fixture) {
        let network = fixture.network();
        let trace = fixture.forward(&network);
        let surrogate = Surrogate::new(&network, &trace);
        for noise in [WeightNoise::Absolute, WeightNoise::Relative] {
            let mut trace_of_matrix = 0.0;
            for score in 0..fixture.targets.dims()[1] * surrogate.batch {
                let gradient = surrogate.gradient(|parameters| surrogate.scores(parameters)[score]);
                for ([by_weight, _], [weight, _]) in gradient.iter().zip(&surrogate.parameters) {
                    let moved = by_weight.iter().zip(deviations(weight, noise)).map(|(g, sigma)| (g * sigma).powi(2));
                    trace_of_matrix += moved.sum::<f64>();
                }
            }
            let expected = trace_of_matrix / surrogate.batch as f64;

            let mut rng = ChaCha8Rng::seed_from_u64(11);
            let estimates: Vec<f64> = (0..1_000)
                .map(|_| output_sensitivity(&network, &trace, &setting(noise, 1e-3), &mut rng))
                .map(|estimate| f64::from(estimate.into_scalar::<f32>()))
                .collect();
            let count = estimates.len() as f64;
            let mean = estimates.iter().sum::<f64>() / count;
            let variance = estimates.iter().map(|estimate| (estimate - mean).powi(2)).sum::<f64>() / (count - 1.0);
            let standard_error = (variance / count).sqrt();
            assert!(standard_error < 0.04 * expected, "enough directions: {standard_error} of {expected}");
            assert!((mean - expected).abs() < 3.0 * standard_error, "{mean} ± {standard_error} is not {expected}");
        }
    }

    #[test]
    fn the_gradient_includes_what_the_weights_do_to_their_own_noise() {
        let (exact, truncated) = (ProductTable::exact(8, 8, true), truncated(3));
        let widths = [5, 6, 4, 3];
        for (fixture, noise) in [
            (Fixture::perceptron(&widths, 6, &exact), WeightNoise::Absolute),
            (Fixture::perceptron(&widths, 6, &truncated), WeightNoise::Absolute),
            (Fixture::perceptron(&widths, 6, &truncated), WeightNoise::Relative),
            (Fixture::convolutional(Pooling::Maximum, 3, &truncated), WeightNoise::Absolute),
            (Fixture::convolutional(Pooling::Average, 3, &truncated), WeightNoise::Relative),
        ] {
            let network = fixture.network();
            let trace = fixture.forward(&network);
            let sensitivity = setting(noise, 0.02);
            let rng = || ChaCha8Rng::seed_from_u64(5);
            let found = output_sensitivity(&network, &trace, &sensitivity, &mut rng());
            let gradient = fixture.real.gradients(&found);

            let surrogate = Surrogate::new(&network, &trace);
            let epsilon = f64::from(sensitivity.epsilon);
            let expected = |parameters: &Vec<[Vec<f64>; 2]>| {
                let mut moved = parameters.clone();
                let mut rng = rng();
                for [weights, _] in &mut moved {
                    let signs = random_signs(weights.len(), &mut rng);
                    let steps = deviations(weights, noise).into_iter().zip(signs);
                    let steps: Vec<f64> = steps.map(|(sigma, sign)| epsilon * sigma * f64::from(sign)).collect();
                    weights.iter_mut().zip(steps).for_each(|(weight, step)| *weight += step);
                }
                let pairs = surrogate.scores(&moved).into_iter().zip(surrogate.scores(parameters));
                pairs.map(|(moved, still)| ((moved - still) / epsilon).powi(2)).sum::<f64>() / surrogate.batch as f64
            };
            let value = expected(&surrogate.parameters);
            assert!((f64::from(found.into_scalar::<f32>()) / value - 1.0).abs() < 1e-4);
            let expected = surrogate.gradient(expected);
            for (&found, &expected) in gradient.iter().flatten().flatten().zip(expected.iter().flatten().flatten()) {
                assert!((f64::from(found) - expected).abs() < 1e-4 * value, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn signs_are_balanced() {
        let signs = random_signs(10_007, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(signs.len(), 10_007);
        assert!(signs.iter().all(|sign| sign.abs() == 1.0));
        // Five standard deviations of a sum of 10,007 signs.
        assert!(signs.iter().sum::<f32>().abs() < 500.0);
    }
}
