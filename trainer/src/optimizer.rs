//! Adam, one tensor at a time, with a state that checkpoints can hold.
//!
//! The framework's own module optimiser names states by parameters that it numbers anew in every process.

use crate::checkpoint::{LayerMoments, Moments};
use burn::optim::{Adam, AdamConfig, AdamState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// Adam (Kingma and Ba, ICLR 2015) for the layers of a network.
pub(crate) struct LayerOptimizer {
    adam: Adam,
    states: Vec<(Option<AdamState<2>>, Option<AdamState<1>>)>,
}

impl LayerOptimizer {
    /// For so many layers, before any step.
    pub(crate) fn new(layers: usize) -> Self {
        let states = (0..layers).map(|_| (None, None)).collect();
        Self { adam: AdamConfig::new().with_epsilon(1e-8).build(), states }
    }

    /// As it was when `moments` were taken.
    pub(crate) fn resumed(moments: &[LayerMoments], device: &Device) -> Self {
        let states = moments.iter().map(|layer| {
            let weight = layer.weight.as_ref().map(|moments| state(moments, device));
            (weight, layer.bias.as_ref().map(|moments| state(moments, device)))
        });
        Self { states: states.collect(), ..Self::new(0) }
    }

    /// One layer's weights and bias after a step at learning rate `rate`.
    pub(crate) fn step(
        &mut self,
        layer: usize,
        (weight, bias): (Tensor<2>, Tensor<1>),
        gradients: &Gradients,
        rate: f64,
    ) -> (Tensor<2>, Tensor<1>) {
        let (weight_state, bias_state) = &mut self.states[layer];
        (
            stepped(&self.adam, weight, gradients, rate, weight_state),
            stepped(&self.adam, bias, gradients, rate, bias_state),
        )
    }

    /// What [`resumed`](Self::resumed) needs.
    pub(crate) fn moments(&self) -> Vec<LayerMoments> {
        let layer = |(weight, bias): &(Option<AdamState<2>>, Option<AdamState<1>>)| LayerMoments {
            weight: weight.as_ref().map(moments),
            bias: bias.as_ref().map(moments),
        };
        self.states.iter().map(layer).collect()
    }
}

/// A parameter that the loss does not depend on stays as it is.
fn stepped<const D: usize>(
    adam: &Adam,
    parameter: Tensor<D>,
    gradients: &Gradients,
    rate: f64,
    state: &mut Option<AdamState<D>>,
) -> Tensor<D> {
    let Some(gradient) = parameter.grad(gradients) else { return parameter };
    let (moved, next) = adam.step(rate, parameter.inner(), gradient, state.take());
    *state = next;
    Tensor::from_inner(moved).require_grad()
}

fn moments<const D: usize>(state: &AdamState<D>) -> Moments {
    let values = |tensor: &Tensor<D>| tensor.to_data().try_into_vec().expect("single precision");
    let momentum = &state.momentum;
    Moments {
        steps: momentum.time as u64,
        shape: momentum.moment_1.dims().to_vec(),
        first: values(&momentum.moment_1),
        second: values(&momentum.moment_2),
    }
}

fn state<const D: usize>(moments: &Moments, device: &Device) -> AdamState<D> {
    let shape: [usize; D] = moments.shape.clone().try_into().expect("checked shapes");
    // Gradients, and so their moments, are of the device without differentiation.
    let tensor = |values: &[f32]| Tensor::<D>::from_data(TensorData::new(values.to_vec(), shape), device).inner();
    AdamState::new(AdaptiveMomentumState::new(
        moments.steps as usize,
        tensor(&moments.first),
        tensor(&moments.second),
    ))
}
