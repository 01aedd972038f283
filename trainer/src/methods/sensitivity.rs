//! How far the class scores, or the loss, move when the weights do.
//!
//! For weight errors of zero mean and deviation σ_i, to second order:
//!
//! - the scores y move by E‖Δy‖² = Σ_i σ_i² ‖∂y/∂w_i‖², the trace of the Gauss–Newton matrix of ½‖y‖²;
//! - the loss grows by ½ Σ_i σ_i² H_ii, half the trace of its Hessian between deviations;
//! - the loss moves by E(ΔL)² = Σ_i σ_i² g_i² to first order, the square of its gradient.
//!
//! One random direction v of independent signs estimates each without bias, from y(w ± εσv). Those are the real-valued network
//! around one forward pass: each layer's rounding and product errors, and which activations pooling takes, stay what they were in that
//! pass, so a difference is smooth in w and its gradient is the straight-through one. Second derivatives come from these
//! differences; the framework need not have any.

use super::Step;
use crate::network::{LayerTrace, RoundedLayer, RoundedNetwork, to_vec};
use crate::ops;
use crate::quantizer::times;
use crate::spec::{Estimator, Sensitivity, WeightNoise};
use axtrain_sim::multiplier::ProductTable;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use rand::Rng;

/// A regulariser: λ times a sensitivity.
pub(crate) struct Penalty {
    sensitivity: Sensitivity,
    /// σ of each weight code in units of the grid, if it comes from the multiplier.
    by_code: Option<Box<[f32; 256]>>,
}

impl Penalty {
    /// As set, σ from the multiplier of `table` if so set.
    pub(crate) fn new(sensitivity: &Sensitivity, table: &ProductTable) -> Self {
        let by_code = (sensitivity.noise == WeightNoise::Multiplier).then(|| Box::new(deviations_by_code(table)));
        Self { sensitivity: *sensitivity, by_code }
    }

    /// Its share in the loss of a batch with these targets that left `trace`, along one direction. Normalisation of that pass is
    /// folded into the network.
    pub(crate) fn of(
        &self,
        network: &RoundedNetwork,
        trace: &[LayerTrace],
        targets: &Tensor<2>,
        step: &mut Step,
    ) -> Tensor<1> {
        let signs = random_signs(network, &mut step.rng);
        let along = self.along(network, trace, targets, &signs);
        along * (self.sensitivity.lambda * step.strength)
    }

    /// The estimate along one direction, signs `[output channel][k]` of each layer.
    pub(crate) fn along(
        &self,
        network: &RoundedNetwork,
        trace: &[LayerTrace],
        targets: &Tensor<2>,
        signs: &[Vec<f32>],
    ) -> Tensor<1> {
        let epsilon = self.sensitivity.epsilon;
        let change = |epsilon: f32| {
            let layers = network.layers().iter().zip(signs);
            let steps = layers.map(|(layer, signs)| self.weight_change(layer, signs, epsilon)).collect();
            change_of_scores(network, trace, steps)
        };
        if self.sensitivity.estimator == Estimator::GaussNewton {
            let change = change(epsilon);
            let batch = change.dims()[0] as f32;
            return change.square().sum() / (batch * epsilon * epsilon);
        }
        let scores = trace.last().expect("a network has layers").output.clone();
        let [above, below] =
            [change(epsilon), change(-epsilon)].map(|change| change_of_loss(scores.clone(), change, targets));
        match self.sensitivity.estimator {
            Estimator::GradientNorm => ((above - below) / (2.0 * epsilon)).square(),
            _ => (above + below) / (epsilon * epsilon),
        }
    }

    /// εσv for one layer, `[output channel][k]`.
    ///
    /// Where σ depends on the weights, so does its share in the gradient: a layer whose largest weight shrinks suffers smaller
    /// absolute errors.
    fn weight_change(&self, layer: &RoundedLayer, signs: &[f32], epsilon: f32) -> Tensor<2> {
        let weight = layer.weight.clone();
        let mut steps: Vec<f32> = signs.iter().map(|sign| sign * epsilon).collect();
        if let Some(by_code) = &self.by_code {
            let codes = layer.coding.codes(&to_vec(weight.clone()));
            let deviations: Vec<f32> = codes.iter().map(|code| by_code[usize::from(code.cast_unsigned())]).collect();
            let deviations = times(&deviations, &layer.coding.steps);
            steps.iter_mut().zip(deviations).for_each(|(step, deviation)| *step *= deviation);
        }
        let steps = Tensor::from_data(TensorData::new(steps, weight.dims()), &weight.device());
        match self.sensitivity.noise {
            WeightNoise::Absolute => steps * weight.abs().max().reshape([1, 1]),
            WeightNoise::Relative => steps * weight,
            WeightNoise::Multiplier => steps,
        }
    }
}

/// How far the scores move from those of a pass when weights move by `steps`.
fn change_of_scores(network: &RoundedNetwork, trace: &[LayerTrace], steps: Vec<Tensor<2>>) -> Tensor<2> {
    // The changes of layers' outputs. Images do not depend on weights.
    let mut changes: Vec<Tensor<2>> = Vec::new();
    let layers = network.layers().iter().zip(trace).zip(steps).enumerate();
    for (number, ((layer, pass), weight_change)) in layers {
        let convolution = layer.geometry.convolution;
        let mut change = ops::multiply_real(pass.input.clone(), weight_change.clone(), convolution);
        if let Some(source) = layer.geometry.source(number) {
            let input_change = changes[source].clone();
            change = change + ops::multiply_real(input_change, layer.weight.clone() + weight_change, convolution);
        }
        if let Some(residual) = layer.geometry.wiring.residual {
            change = change + changes[residual].clone();
        }
        let Some(activation) = &pass.activation else { return change };
        let change = ops::clamped_change(pass.output.clone(), change, activation.limits);
        changes.push(match &activation.pooling {
            Some(selection) => ops::pool(change, selection.clone(), None),
            None => change,
        });
    }
    unreachable!("the last layer has no activation function")
}

/// How far the mean cross-entropy moves when scores do, to single precision of the change itself: with p the softmax,
/// ln(1 + Σ p (eᶜ − 1)) less the change of the right score, and eᶜ − 1 = 2t / (1 − t) with t = tanh(c / 2).
fn change_of_loss(scores: Tensor<2>, change: Tensor<2>, targets: &Tensor<2>) -> Tensor<1> {
    let batch = scores.dims()[0] as f32;
    let tangent = (change.clone() * 0.5).tanh();
    let growth = tangent.clone() * 2.0 / (tangent.neg() + 1.0);
    let normaliser = (softmax(scores, 1) * growth).sum_dim(1).log1p();
    (normaliser.sum() - (change * targets.clone()).sum()) / batch
}

/// Deviation of each weight code for which an error of the weight would disturb products as much as the multiplier's own errors do:
/// √(Var e / E x²) over activations 0…127, all equally often. Their mean is systematic, and is compensated instead.
fn deviations_by_code(table: &ProductTable) -> [f32; 256] {
    let squares: f64 = (0..128u32).map(|x| f64::from(x).powi(2)).sum();
    std::array::from_fn(|code| {
        let weight = i32::from((code as u8).cast_signed());
        let errors: Vec<f64> =
            (0..128).map(|x| f64::from(table.product(x, code as u32) - x as i32 * weight)).collect();
        let mean = errors.iter().sum::<f64>() / 128.0;
        (errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / squares).sqrt() as f32
    })
}

/// Independent numbers for every weight, ±1 with equal probability.
pub(crate) fn random_signs(network: &RoundedNetwork, rng: &mut impl Rng) -> Vec<Vec<f32>> {
    let layers = network.layers().iter();
    layers.map(|layer| signs(layer.geometry.convolution.weights(), rng)).collect()
}

fn signs(count: usize, rng: &mut impl Rng) -> Vec<f32> {
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
    use crate::testing::{Fixture, Parameters, Surrogate, doubles, truncated};
    use axtrain_sim::workload::Pooling;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Deviation of each weight's error, in double precision.
    fn deviations(weights: &[f64], scale: f32, noise: WeightNoise, by_code: &[f32; 256]) -> Vec<f64> {
        let range = weights.iter().fold(0f64, |range, weight| range.max(weight.abs()));
        let deviation = |weight: &f64| match noise {
            WeightNoise::Absolute => range,
            WeightNoise::Relative => *weight,
            WeightNoise::Multiplier => {
                let code = (weight / f64::from(scale)).round() as i8;
                f64::from(by_code[usize::from(code.cast_unsigned())]) * f64::from(scale)
            }
        };
        weights.iter().map(deviation).collect()
    }

    const ALL_NOISE: [WeightNoise; 3] = [WeightNoise::Absolute, WeightNoise::Relative, WeightNoise::Multiplier];

    fn penalty(estimator: Estimator, noise: WeightNoise, epsilon: f32, table: &ProductTable) -> Penalty {
        Penalty::new(&Sensitivity { epsilon, noise, estimator, ..Sensitivity::default() }, table)
    }

    /// Σ σ² ‖∂y/∂w‖², Σ σ² (∂L/∂w)², Σ σ² ∂²L/∂w², one weight after the other.
    fn target(surrogate: &Surrogate, targets: &[f64], estimator: Estimator, deviations: &[Vec<f64>]) -> f64 {
        let mut sum = 0.0;
        let loss = |parameters: &Parameters| surrogate.cross_entropy(parameters, targets);
        for (layer, deviations) in deviations.iter().enumerate() {
            for (index, deviation) in deviations.iter().enumerate() {
                let at = |step: f64| {
                    let mut parameters = surrogate.parameters.clone();
                    parameters[layer][0][index] += step;
                    parameters
                };
                let step = 1e-4;
                let (above, below) = (at(step), at(-step));
                let value = match estimator {
                    Estimator::GaussNewton => {
                        let pairs = surrogate.scores(&above).into_iter().zip(surrogate.scores(&below));
                        let squares = pairs.map(|(above, below)| ((above - below) / (2.0 * step)).powi(2));
                        squares.sum::<f64>() / surrogate.batch as f64
                    }
                    Estimator::GradientNorm => ((loss(&above) - loss(&below)) / (2.0 * step)).powi(2),
                    Estimator::Hutchinson => {
                        (loss(&above) + loss(&below) - 2.0 * loss(&surrogate.parameters)) / (step * step)
                    }
                };
                sum += deviation * deviation * value;
            }
        }
        sum
    }

    /// Over the rows of a Hadamard matrix with a column for each weight, signs are uncorrelated without remainder: the mean over
    /// these directions is what that over all 2^n is.
    fn hadamard(row: usize, network: &RoundedNetwork) -> Vec<Vec<f32>> {
        let mut column = 0usize;
        let layers = network.layers().iter();
        let sign = |column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        layers
            .map(|layer| {
                let first = column;
                column += layer.geometry.convolution.weights();
                (first..column).map(sign).collect()
            })
            .collect()
    }

    #[test]
    fn directions_average_to_the_exactly_computed_sensitivity() {
        let table = truncated(2);
        for fixture in
            [Fixture::perceptron(&[3, 4, 2], 4, &table), Fixture::convolutional(Pooling::Maximum, 2, &table)]
        {
            let network = fixture.network();
            let trace = fixture.forward(&network);
            let surrogate = Surrogate::new(&network, &trace);
            let targets = doubles(&fixture.targets);
            let weights: usize = network.layers().iter().map(|layer| layer.geometry.convolution.weights()).sum();
            for noise in ALL_NOISE {
                let layers = network.layers().iter().zip(&surrogate.parameters);
                let by_code = deviations_by_code(&table);
                let deviations: Vec<_> =
                    layers.map(|(layer, [w, _])| deviations(w, layer.coding.steps[0], noise, &by_code)).collect();
                for estimator in Estimator::ALL {
                    // Short enough to cross no kink, long enough for single precision.
                    let epsilon = if noise == WeightNoise::Multiplier { 0.2 } else { 0.002 };
                    let penalty = penalty(estimator, noise, epsilon, &table);
                    let count = weights.next_power_of_two();
                    let estimates = (0..count).map(|row| {
                        let signs = hadamard(row, &network);
                        let along = penalty.along(&network, &trace, &fixture.targets, &signs);
                        f64::from(along.into_scalar::<f32>())
                    });
                    let mean = estimates.sum::<f64>() / count as f64;
                    let expected = target(&surrogate, &targets, estimator, &deviations);
                    assert!(
                        (mean / expected - 1.0).abs() < 0.01,
                        "{estimator:?} {noise:?}: {mean} is not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_gradient_includes_what_the_weights_do_to_their_own_noise() {
        let (exact, truncated) = (ProductTable::exact(8, 8, true), truncated(3));
        let widths = [5, 6, 4, 3];
        for (fixture, noise, estimator) in [
            (Fixture::perceptron(&widths, 6, &exact), WeightNoise::Absolute, Estimator::GaussNewton),
            (Fixture::perceptron(&widths, 6, &truncated), WeightNoise::Absolute, Estimator::GaussNewton),
            (Fixture::perceptron(&widths, 6, &truncated), WeightNoise::Relative, Estimator::GaussNewton),
            (Fixture::perceptron(&widths, 6, &truncated), WeightNoise::Absolute, Estimator::GradientNorm),
            (Fixture::perceptron(&widths, 6, &truncated), WeightNoise::Relative, Estimator::Hutchinson),
            (Fixture::convolutional(Pooling::Maximum, 3, &truncated), WeightNoise::Absolute, Estimator::GaussNewton),
            (
                Fixture::convolutional(Pooling::Maximum, 3, &truncated),
                WeightNoise::Multiplier,
                Estimator::GaussNewton,
            ),
            (Fixture::convolutional(Pooling::Average, 3, &truncated), WeightNoise::Relative, Estimator::GaussNewton),
            (Fixture::residual(false, 3, &truncated), WeightNoise::Absolute, Estimator::GaussNewton),
        ] {
            let network = fixture.network();
            let trace = fixture.forward(&network);
            let epsilon = if estimator == Estimator::Hutchinson { 0.1 } else { 0.02 };
            let penalty = penalty(estimator, noise, epsilon, &truncated);
            let signs = random_signs(&network, &mut ChaCha8Rng::seed_from_u64(5));
            let found = penalty.along(&network, &trace, &fixture.targets, &signs);
            let gradient = fixture.real.gradients(&found);

            let surrogate = Surrogate::new(&network, &trace);
            let targets = doubles(&fixture.targets);
            let epsilon = f64::from(epsilon);
            let by_code = deviations_by_code(&truncated);
            let fixed: Vec<_> = network.layers().iter().zip(&surrogate.parameters).collect();
            let moved = |parameters: &Parameters, epsilon: f64| {
                let mut moved = parameters.clone();
                for (([weights, _], signs), (layer, [at, _])) in moved.iter_mut().zip(&signs).zip(&fixed) {
                    // What comes from the multiplier is taken at the pass's weights, for all.
                    let at = if noise == WeightNoise::Multiplier { at } else { &weights.clone() };
                    let steps = deviations(at, layer.coding.steps[0], noise, &by_code).into_iter().zip(signs);
                    weights
                        .iter_mut()
                        .zip(steps)
                        .for_each(|(w, (sigma, sign))| *w += epsilon * sigma * f64::from(*sign));
                }
                moved
            };
            let expected = |parameters: &Parameters| {
                let (above, below) = (moved(parameters, epsilon), moved(parameters, -epsilon));
                let loss = |parameters: &Parameters| surrogate.cross_entropy(parameters, &targets);
                match estimator {
                    Estimator::GaussNewton => {
                        let pairs = surrogate.scores(&above).into_iter().zip(surrogate.scores(parameters));
                        pairs.map(|(moved, still)| ((moved - still) / epsilon).powi(2)).sum::<f64>()
                            / surrogate.batch as f64
                    }
                    Estimator::GradientNorm => ((loss(&above) - loss(&below)) / (2.0 * epsilon)).powi(2),
                    Estimator::Hutchinson => {
                        (loss(&above) + loss(&below) - 2.0 * loss(parameters)) / (epsilon * epsilon)
                    }
                }
            };
            let value = expected(&surrogate.parameters);
            // Differences of losses are nearer to rounding than those of scores.
            let tolerance = if estimator == Estimator::GaussNewton { 1e-4 } else { 3e-3 };
            let found = f64::from(found.into_scalar::<f32>());
            assert!((found / value - 1.0).abs() < tolerance, "{estimator:?} {noise:?}: {found} is not {value}");
            let expected = surrogate.gradient(expected);
            let largest = expected.iter().flatten().flatten().fold(value.abs(), |largest, by| largest.max(by.abs()));
            for (&found, &expected) in gradient.iter().flatten().flatten().zip(expected.iter().flatten().flatten()) {
                assert!(
                    (f64::from(found) - expected).abs() < tolerance * largest,
                    "{estimator:?} {noise:?}: {found} is not {expected} of {largest}"
                );
            }
        }
    }

    #[test]
    fn signs_are_balanced() {
        let signs = signs(10_007, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(signs.len(), 10_007);
        assert!(signs.iter().all(|sign| sign.abs() == 1.0));
        // Five standard deviations of a sum of 10,007 signs.
        assert!(signs.iter().sum::<f32>().abs() < 500.0);
    }
}
