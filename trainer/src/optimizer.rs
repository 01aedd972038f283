//! Optimisers on plain numbers, one tensor at a time, with a state that checkpoints can hold.

use crate::checkpoint::{LayerMoments, Moments};
use crate::network::to_vec;
use burn::tensor::{Gradients, Tensor, TensorData};

/// How gradients move parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Optimizer {
    /// Adam (Kingma and Ba, ICLR 2015); weight decay is a term of the gradient.
    #[default]
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    AdamW,
    /// Stochastic gradient descent; weight decay is a term of the gradient.
    Sgd {
        /// Share of the last step that is taken again (heavy ball); 0 for none.
        momentum: f32,
    },
}

/// Decay of Adam's running means of gradients and of their squares, and what is added to the latter's root.
const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-8;

/// A network's optimiser. Weights decay; biases and gains do not.
pub(crate) struct LayerOptimizer {
    optimizer: Optimizer,
    weight_decay: f32,
    states: Vec<LayerMoments>,
}

/// A layer's weights, bias, and gain, if it has one.
pub(crate) type LayerTensors = (Tensor<2>, Tensor<1>, Option<Tensor<1>>);

impl LayerOptimizer {
    /// For so many layers, before any step.
    pub(crate) fn new(optimizer: Optimizer, weight_decay: f32, layers: usize) -> Self {
        Self { optimizer, weight_decay, states: vec![LayerMoments::default(); layers] }
    }

    /// As it was when `moments` were taken.
    pub(crate) fn resumed(optimizer: Optimizer, weight_decay: f32, moments: &[LayerMoments]) -> Self {
        Self { optimizer, weight_decay, states: moments.to_vec() }
    }

    /// One layer's parameters after a step at learning rate `rate`. One that the loss does not depend on stays as it is.
    pub(crate) fn step(
        &mut self,
        layer: usize,
        (weight, bias, gain): LayerTensors,
        gradients: &Gradients,
        rate: f64,
    ) -> LayerTensors {
        let Self { optimizer, weight_decay, states } = self;
        let state = &mut states[layer];
        (
            stepped(*optimizer, *weight_decay, weight, gradients, rate, &mut state.weight),
            stepped(*optimizer, 0.0, bias, gradients, rate, &mut state.bias),
            gain.map(|gain| stepped(*optimizer, 0.0, gain, gradients, rate, &mut state.gain)),
        )
    }

    /// What [`resumed`](Self::resumed) needs.
    pub(crate) fn moments(&self) -> Vec<LayerMoments> {
        self.states.clone()
    }
}

fn stepped<const D: usize>(
    optimizer: Optimizer,
    weight_decay: f32,
    parameter: Tensor<D>,
    gradients: &Gradients,
    rate: f64,
    state: &mut Option<Moments>,
) -> Tensor<D> {
    let Some(gradient) = parameter.grad(gradients) else { return parameter };
    let (shape, device) = (parameter.dims(), parameter.device());
    let (mut values, gradient) = (to_vec(parameter), to_vec(gradient));
    let state = state.get_or_insert_with(|| Moments::none(values.len()));
    state.steps += 1;
    move_values(optimizer, weight_decay, &mut values, &gradient, rate, state);
    Tensor::from_data(TensorData::new(values, shape), &device).require_grad()
}

/// One step of each value, the `steps`-th of `state`.
fn move_values(
    optimizer: Optimizer,
    weight_decay: f32,
    values: &mut [f32],
    gradient: &[f32],
    rate: f64,
    state: &mut Moments,
) {
    let is_first = state.steps == 1;
    let places = values.iter_mut().zip(gradient).zip(&mut state.first);
    let coupled = if optimizer == Optimizer::AdamW { 0.0 } else { weight_decay };
    let gradient = |gradient: f32, value: f32| match coupled == 0.0 {
        true => gradient,
        false => gradient + value * coupled,
    };
    let step = rate as f32;
    match optimizer {
        Optimizer::Sgd { momentum } => {
            for ((value, &slope), velocity) in places {
                let slope = gradient(slope, *value);
                *velocity = if is_first { slope } else { slope + *velocity * momentum };
                *value -= *velocity * step;
            }
        }
        Optimizer::Adam | Optimizer::AdamW => {
            let time = state.steps as i32;
            let [first_share, second_share] = BETAS.map(|beta| 1.0 - beta);
            // Both moments begin at nothing, which their corrections make good.
            let root = (1.0 - BETAS[1].powi(time)).sqrt();
            let (factor, epsilon) = (root / (1.0 - BETAS[0].powi(time)), EPSILON * root);
            let kept = match optimizer {
                Optimizer::AdamW => (1.0 - rate * f64::from(weight_decay)) as f32,
                _ => 1.0,
            };
            for (((value, &slope), first), second) in places.zip(&mut state.second) {
                let slope = gradient(slope, *value);
                *first = *first * BETAS[0] + slope * first_share;
                *second = *second * BETAS[1] + slope * slope * second_share;
                let direction = *first * factor / (second.sqrt() + epsilon);
                *value = *value * kept - direction * step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{AdamConfig, AdamWConfig, SgdConfig};
    use burn::tensor::Device;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const RATES: [f64; 6] = [0.01, 0.02, 0.007, 0.013, 0.01, 0.003];

    /// The framework's optimiser over the same gradients.
    fn peer<O: burn::optim::Optimizer>(optimizer: &O, start: &[f32], gradients: &[Vec<f32>]) -> Vec<f32> {
        let device = Device::flex();
        let tensor =
            |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), &device);
        let (mut values, mut state) = (tensor(start), None);
        for (gradient, rate) in gradients.iter().zip(RATES) {
            (values, state) = optimizer.step(rate, values, tensor(gradient), state);
        }
        to_vec(values)
    }

    #[test]
    fn steps_are_those_of_the_frameworks_optimisers() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let start = random(37);
        let gradients: Vec<Vec<f32>> = RATES.iter().map(|_| random(37)).collect();
        let ours = |optimizer, decay| {
            let (mut values, mut state) = (start.clone(), Moments::none(37));
            for (gradient, rate) in gradients.iter().zip(RATES) {
                state.steps += 1;
                move_values(optimizer, decay, &mut values, gradient, rate, &mut state);
            }
            values
        };
        let adam = AdamConfig::new().with_epsilon(1e-8);
        // To the last bit: networks of earlier versions stay what they are.
        assert_eq!(ours(Optimizer::Adam, 0.0), peer(&adam.build(), &start, &gradients));
        let close = |found: Vec<f32>, expected: Vec<f32>| {
            let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-6, "{far}");
            let moved = found.iter().zip(&start).filter(|(found, start)| (*found - *start).abs() > 1e-3);
            assert!(moved.count() > 30);
        };
        let decay = || Some(WeightDecayConfig::new(0.1));
        close(ours(Optimizer::Adam, 0.1), peer(&adam.with_weight_decay(decay()).build(), &start, &gradients));
        let adamw = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.1);
        close(ours(Optimizer::AdamW, 0.1), peer(&adamw.build(), &start, &gradients));
        let momentum = MomentumConfig { momentum: 0.8, dampening: 0.0, nesterov: false };
        let sgd = SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(decay());
        close(ours(Optimizer::Sgd { momentum: 0.8 }, 0.1), peer(&sgd.build(), &start, &gradients));
        let plain = SgdConfig::new();
        close(ours(Optimizer::Sgd { momentum: 0.0 }, 0.0), peer(&plain.build(), &start, &gradients));
    }
}
