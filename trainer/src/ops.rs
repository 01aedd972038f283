//! Differentiable integer arithmetic: forward as the hardware computes, backward straight through.
//!
//! The straight-through estimator (Bengio, Léonard and Courville 2013, arXiv 1308.3432) differentiates rounding as the
//! identity and an approximate product as the exact one. Saturation does block the gradient.

use crate::product_gemm::ProductGemm;
use crate::quantizer::{self, ActivationQuantizer};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorData, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use std::sync::Arc;

/// How a tensor is rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rounding {
    /// To the grid of a scale; nothing saturates.
    Weight(f32),
    /// To whole accumulator units.
    Bias(f32),
    /// ReLU, requantise, saturate.
    Activation(ActivationQuantizer),
}

impl Rounding {
    fn apply(self, values: &[f32]) -> Vec<f32> {
        match self {
            Self::Weight(scale) => quantizer::round_weights(values, scale),
            Self::Bias(accumulator_scale) => quantizer::round_bias(values, accumulator_scale),
            Self::Activation(quantizer) => quantizer.apply(values),
        }
    }
}

/// A matrix product on codes.
#[derive(Clone, Debug)]
pub(crate) struct TableProduct {
    /// The arithmetic.
    pub(crate) gemm: Arc<ProductGemm>,
    /// Real number of activation code 1.
    pub(crate) activation_scale: f32,
    /// Real number of weight code 1.
    pub(crate) weight_scale: f32,
}

impl TableProduct {
    /// `activations [m][k]` by `weights [n][k]`, both on their grids, to `[m][n]`.
    fn apply(&self, activations: &[f32], weights: &[f32], m: usize, k: usize, n: usize) -> Vec<f32> {
        let activations = quantizer::activation_codes(activations, self.activation_scale);
        let weights = quantizer::weight_codes(weights, self.weight_scale);
        let mut accumulators = vec![0; m * n];
        self.gemm.run(&activations, &weights, m, k, n, &mut accumulators);
        let scale = self.activation_scale * self.weight_scale;
        accumulators.into_iter().map(|accumulator| accumulator as f32 * scale).collect()
    }
}

/// The operations a back end needs beyond burn's own.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait IntegerBackend: Backend {
    /// Rounds each element.
    fn round(values: FloatTensor<Self>, rounding: Rounding) -> FloatTensor<Self>;

    /// `activations [m][k]` times the transpose of `weights [n][k]`.
    fn multiply(
        activations: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        product: TableProduct,
    ) -> FloatTensor<Self>;
}

impl IntegerBackend for Flex {
    fn round(values: FlexTensor, rounding: Rounding) -> FlexTensor {
        let values = values.to_contiguous();
        let rounded = rounding.apply(contiguous(&values));
        FlexTensor::from_data(TensorData::new(rounded, values.shape()))
    }

    fn multiply(activations: FlexTensor, weights: FlexTensor, product: TableProduct) -> FlexTensor {
        let ([m, k], [n, _]) = (activations.shape().dims::<2>(), weights.shape().dims::<2>());
        let (activations, weights) = (activations.to_contiguous(), weights.to_contiguous());
        let out = product.apply(contiguous(&activations), contiguous(&weights), m, k, n);
        FlexTensor::from_data(TensorData::new(out, [m, n]))
    }
}

fn contiguous(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of single precision")
}

impl<B: IntegerBackend, C: CheckpointStrategy> IntegerBackend for Autodiff<B, C> {
    fn round(values: FloatTensor<Self>, rounding: Rounding) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct StraightThrough;

        impl<B: IntegerBackend> Backward<B, 1> for StraightThrough {
            /// The range that passes, and the unrounded tensor, if anything saturates.
            type State = Option<(f32, NodeId)>;

            fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let mut gradient = gradients.consume::<B>(&ops.node);
                if let Some((limit, node)) = ops.state {
                    let values: FloatTensor<B> = checkpoints.retrieve_node_output(node);
                    let bools = burn::backend::get_or_init_device_settings::<B>(&values.device()).bool_dtype;
                    let negative = B::float_lower_equal_elem(values.clone(), 0f32.into(), bools);
                    let saturated = B::float_greater_elem(values, limit.into(), bools);
                    gradient = B::float_mask_fill(gradient, negative, 0f32.into());
                    gradient = B::float_mask_fill(gradient, saturated, 0f32.into());
                }
                let [parent] = ops.parents;
                if let Some(parent) = parent {
                    gradients.register::<B>(parent.id, gradient);
                }
            }
        }

        match StraightThrough.prepare::<C>([values.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = match rounding {
                    Rounding::Activation(quantizer) => Some((quantizer.limit(), prepared.checkpoint(&values))),
                    Rounding::Weight(_) | Rounding::Bias(_) => None,
                };
                prepared.finish(state, B::round(values.into_primitive(), rounding))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::round(values.into_primitive(), rounding)),
        }
    }

    fn multiply(
        activations: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        product: TableProduct,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ExactProduct;

        impl<B: IntegerBackend> Backward<B, 2> for ExactProduct {
            type State = [NodeId; 2];

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let [activations, weights] = ops.state.map(|node| checkpoints.retrieve_node_output(node));
                let [activation_parent, weight_parent] = ops.parents;
                if let Some(parent) = activation_parent {
                    gradients.register::<B>(parent.id, B::float_matmul(gradient.clone(), weights));
                }
                if let Some(parent) = weight_parent {
                    gradients.register::<B>(parent.id, B::float_matmul(B::float_transpose(gradient), activations));
                }
            }
        }

        match ExactProduct.prepare::<C>([activations.node(), weights.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = [prepared.checkpoint(&activations), prepared.checkpoint(&weights)];
                let (activations, weights) = (activations.into_primitive(), weights.into_primitive());
                prepared.finish(state, B::multiply(activations, weights, product))
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::multiply(activations.into_primitive(), weights.into_primitive(), product))
            }
        }
    }
}

/// Rounds each element; the gradient passes wherever the value did not saturate.
pub(crate) fn round<const D: usize>(values: Tensor<D>, rounding: Rounding) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::round(values.into_dispatch(), rounding))
}

/// `activations [m][k]` times the transpose of `weights [n][k]`, both on their grids; gradients are the exact product's.
pub(crate) fn multiply(activations: Tensor<2>, weights: Tensor<2>, product: TableProduct) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::multiply(activations.into_dispatch(), weights.into_dispatch(), product))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlp::to_vec;
    use crate::testing::{Fixture, truncated};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::workload::PIXEL_SCALE;

    /// Products `[image][output]` of the fixture's first layer, and the gradient of their squares' sum by the weights.
    fn step(fixture: &Fixture, product: impl Fn(Tensor<2>, Tensor<2>, f32) -> Tensor<2>) -> (Vec<f32>, Vec<f32>) {
        let network = fixture.network();
        let layer = &network.layers()[0];
        let weights = layer.weight.clone().detach().require_grad();
        let out = product(fixture.images.clone(), weights.clone(), layer.weight_scale);
        // A fixed gradient, so that only the product's own derivative is compared.
        let gradients = (out.clone() * fixture.images.clone().slice([0..8, 0..4])).sum().backward();
        (to_vec(out), to_vec(weights.grad(&gradients).unwrap()))
    }

    #[test]
    fn gradients_are_the_exact_products_whatever_the_table() {
        let real = |images: Tensor<2>, weights: Tensor<2>, _| images.matmul(weights.transpose());
        for (table, is_exact) in [(ProductTable::exact(8, 8, true), true), (truncated(3), false)] {
            let fixture = Fixture::new(&[6, 4, 3], 8, &table);
            let on_codes = |images, weights, weight_scale| {
                let gemm = fixture.gemm.clone();
                multiply(images, weights, TableProduct { gemm, activation_scale: PIXEL_SCALE, weight_scale })
            };
            let ((found, gradient), (expected, expected_gradient)) = (step(&fixture, on_codes), step(&fixture, real));
            assert_eq!(gradient, expected_gradient);
            let largest_difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert_eq!(largest_difference < 1e-5, is_exact, "{largest_difference}");
        }
    }
}
