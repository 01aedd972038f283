//! Differentiable integer arithmetic: forward as the hardware computes, backward straight through.
//!
//! The straight-through estimator (Bengio, Léonard and Courville 2013, arXiv 1308.3432) differentiates rounding as the
//! identity and an approximate product as the exact one. Saturation does block the gradient.
//!
//! Tensors of activations are `[image][activation]`, an image's in the order channel, row, column; both directions work on
//! raw slices.

use crate::geometry::Selection;
use crate::quantizer::{self, ActivationQuantizer};
use crate::real_product;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::workload::Convolution;
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

/// A product on codes.
#[derive(Clone, Debug)]
pub(crate) struct TableProduct {
    /// The arithmetic.
    pub(crate) gemm: Arc<TableGemm>,
    /// Real number of activation code 1.
    pub(crate) activation_scale: f32,
    /// Real number of weight code 1.
    pub(crate) weight_scale: f32,
}

impl TableProduct {
    /// Sums of activations and weights on their grids.
    fn apply(&self, convolution: &Convolution, activations: &[f32], weights: &[f32]) -> Vec<f32> {
        let activations = quantizer::activation_codes(activations, self.activation_scale);
        let weights = quantizer::weight_codes(weights, self.weight_scale);
        let scale = self.activation_scale * self.weight_scale;
        let mut sums = vec![0.0; activations.len() / convolution.inputs() * convolution.outputs()];
        let at_once = match convolution.is_connected() {
            true => usize::MAX,
            false => convolution.block_images(),
        };
        convolution.for_each_product(&self.gemm, &weights, &activations, at_once, |products| {
            let to = &mut sums[products.image * convolution.outputs()..];
            convolution.scatter(products.group, products.sums, to, |_, sum| sum as f32 * scale);
        });
        sums
    }
}

/// What a layer multiplies, and how: on codes, or, without a table, as real numbers.
#[derive(Clone, Debug)]
pub(crate) struct Multiplication {
    pub(crate) convolution: Convolution,
    pub(crate) table: Option<TableProduct>,
}

/// How a pass pooled its activations, and the scale of their grid if pooled ones are to lie on it.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    pub(crate) selection: Selection,
    pub(crate) grid: Option<f32>,
}

/// The operations a back end needs beyond burn's own.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait IntegerBackend: Backend {
    /// Rounds each element.
    fn round(values: FloatTensor<Self>, rounding: Rounding) -> FloatTensor<Self>;

    /// `activations [image][activation]` with `weights [output channel][k]`.
    fn multiply(
        activations: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        multiplication: Multiplication,
    ) -> FloatTensor<Self>;

    /// Adds `bias [output channel]` to `sums [image][output channel, position]`.
    fn add_bias(sums: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// How far `clamp(values, 0, limit)` moves when the values change.
    fn clamped_change(values: FloatTensor<Self>, change: FloatTensor<Self>, limit: f32) -> FloatTensor<Self>;

    /// Pools `values [image][activation]`.
    fn pool(values: FloatTensor<Self>, pooled: Pooled) -> FloatTensor<Self>;
}

/// Gradients of those operations.
pub(crate) trait GradientBackend: IntegerBackend {
    /// `gradient` where `values` lie within 0 (exclusive) and `limit`, else 0.
    fn gate(gradient: FloatTensor<Self>, values: FloatTensor<Self>, limit: f32) -> FloatTensor<Self>;

    /// Of a clamped change by the values and by their change.
    fn by_clamped(
        gradient: FloatTensor<Self>,
        values: FloatTensor<Self>,
        change: FloatTensor<Self>,
        limit: f32,
    ) -> [FloatTensor<Self>; 2];

    /// Of a multiplication by its activations.
    fn by_activations(
        gradient: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        convolution: &Convolution,
    ) -> FloatTensor<Self>;

    /// Of a multiplication by its weights.
    fn by_weights(
        gradient: FloatTensor<Self>,
        activations: FloatTensor<Self>,
        convolution: &Convolution,
    ) -> FloatTensor<Self>;

    /// Of sums by the bias of so many channels.
    fn by_bias(gradient: FloatTensor<Self>, channels: usize) -> FloatTensor<Self>;

    /// Of pooled values by the values.
    fn by_pooled(gradient: FloatTensor<Self>, selection: &Selection) -> FloatTensor<Self>;
}

/// A tensor of `rows` rows, as many columns as there are elements for.
fn tensor(values: Vec<f32>, rows: usize) -> FlexTensor {
    let columns = values.len().checked_div(rows).unwrap_or(0);
    FlexTensor::from_data(TensorData::new(values, [rows, columns]))
}

/// Rows of a tensor of two dimensions.
fn rows(tensor: &FlexTensor) -> usize {
    tensor.shape().dims::<2>()[0]
}

impl IntegerBackend for Flex {
    fn round(values: FlexTensor, rounding: Rounding) -> FlexTensor {
        let values = values.to_contiguous();
        let rounded = rounding.apply(contiguous(&values));
        FlexTensor::from_data(TensorData::new(rounded, values.shape()))
    }

    fn multiply(activations: FlexTensor, weights: FlexTensor, multiplication: Multiplication) -> FlexTensor {
        let Multiplication { convolution, table } = multiplication;
        let (activations, weights) = (activations.to_contiguous(), weights.to_contiguous());
        let (values, weights) = (contiguous(&activations), contiguous(&weights));
        let sums = match table {
            Some(table) => table.apply(&convolution, values, weights),
            None => real_product::multiply(&convolution, values, weights),
        };
        tensor(sums, rows(&activations))
    }

    fn add_bias(sums: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let (sums, bias) = (sums.to_contiguous(), bias.to_contiguous());
        let [images, outputs] = sums.shape().dims::<2>();
        let bias = contiguous(&bias);
        let positions = outputs / bias.len();
        let mut values = Vec::with_capacity(images * outputs);
        for (channel, bias) in contiguous(&sums).chunks_exact(positions).zip(bias.iter().cycle()) {
            values.extend(channel.iter().map(|sum| sum + bias));
        }
        tensor(values, images)
    }

    fn clamped_change(values: FlexTensor, change: FlexTensor, limit: f32) -> FlexTensor {
        let (values, change) = (values.to_contiguous(), change.to_contiguous());
        let pairs = contiguous(&values).iter().zip(contiguous(&change));
        let moved = pairs.map(|(value, change)| (value + change).clamp(0.0, limit) - value.clamp(0.0, limit));
        tensor(moved.collect(), rows(&values))
    }

    fn pool(values: FlexTensor, pooled: Pooled) -> FlexTensor {
        let values = values.to_contiguous();
        tensor(pooled.selection.apply(contiguous(&values), pooled.grid), rows(&values))
    }
}

impl GradientBackend for Flex {
    fn gate(gradient: FlexTensor, values: FlexTensor, limit: f32) -> FlexTensor {
        let (gradient, values) = (gradient.to_contiguous(), values.to_contiguous());
        let pairs = contiguous(&gradient).iter().zip(contiguous(&values));
        let gated = pairs.map(|(&gradient, &value)| gated(gradient, value, limit));
        FlexTensor::from_data(TensorData::new(gated.collect::<Vec<_>>(), gradient.shape()))
    }

    fn by_clamped(gradient: FlexTensor, values: FlexTensor, change: FlexTensor, limit: f32) -> [FlexTensor; 2] {
        let [gradient, values, change] = [gradient, values, change].map(|tensor| tensor.to_contiguous());
        let triples = contiguous(&gradient).iter().zip(contiguous(&values)).zip(contiguous(&change));
        let pairs = triples.map(|((&gradient, &value), &change)| {
            let by_change = gated(gradient, value + change, limit);
            (by_change - gated(gradient, value, limit), by_change)
        });
        let (by_values, by_change): (Vec<f32>, Vec<f32>) = pairs.unzip();
        [by_values, by_change].map(|values| tensor(values, rows(&gradient)))
    }

    fn by_activations(gradient: FlexTensor, weights: FlexTensor, convolution: &Convolution) -> FlexTensor {
        let (gradient, weights) = (gradient.to_contiguous(), weights.to_contiguous());
        let values = real_product::activation_gradient(convolution, contiguous(&gradient), contiguous(&weights));
        tensor(values, rows(&gradient))
    }

    fn by_weights(gradient: FlexTensor, activations: FlexTensor, convolution: &Convolution) -> FlexTensor {
        let (gradient, activations) = (gradient.to_contiguous(), activations.to_contiguous());
        let values = real_product::weight_gradient(convolution, contiguous(&gradient), contiguous(&activations));
        tensor(values, convolution.channels())
    }

    fn by_bias(gradient: FlexTensor, channels: usize) -> FlexTensor {
        let gradient = gradient.to_contiguous();
        let [_, outputs] = gradient.shape().dims::<2>();
        let mut by_bias = vec![0.0; channels];
        for image in contiguous(&gradient).chunks_exact(outputs) {
            let sums = by_bias.iter_mut().zip(image.chunks_exact(outputs / channels));
            sums.for_each(|(sum, channel)| *sum += channel.iter().sum::<f32>());
        }
        FlexTensor::from_data(TensorData::new(by_bias, [channels]))
    }

    fn by_pooled(gradient: FlexTensor, selection: &Selection) -> FlexTensor {
        let gradient = gradient.to_contiguous();
        tensor(selection.spread(contiguous(&gradient)), rows(&gradient))
    }
}

/// What passes back through clamping to 0…`limit`.
#[inline(always)]
fn gated(gradient: f32, value: f32, limit: f32) -> f32 {
    if value > 0.0 && value <= limit { gradient } else { 0.0 }
}

fn contiguous(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of single precision")
}

impl<B: GradientBackend, C: CheckpointStrategy> IntegerBackend for Autodiff<B, C> {
    fn round(values: FloatTensor<Self>, rounding: Rounding) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct StraightThrough;

        impl<B: GradientBackend> Backward<B, 1> for StraightThrough {
            /// The range that passes, and the unrounded tensor, if anything saturates.
            type State = Option<(f32, NodeId)>;

            fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let mut gradient = gradients.consume::<B>(&ops.node);
                if let Some((limit, node)) = ops.state {
                    gradient = B::gate(gradient, checkpoints.retrieve_node_output(node), limit);
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
        multiplication: Multiplication,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ExactProduct;

        impl<B: GradientBackend> Backward<B, 2> for ExactProduct {
            type State = ([NodeId; 2], Convolution);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let (nodes, convolution) = ops.state;
                let [activations, weights] = nodes.map(|node| checkpoints.retrieve_node_output(node));
                let [activation_parent, weight_parent] = ops.parents;
                if let Some(parent) = activation_parent {
                    let by_activations = B::by_activations(gradient.clone(), weights, &convolution);
                    gradients.register::<B>(parent.id, by_activations);
                }
                if let Some(parent) = weight_parent {
                    gradients.register::<B>(parent.id, B::by_weights(gradient, activations, &convolution));
                }
            }
        }

        match ExactProduct.prepare::<C>([activations.node(), weights.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let nodes = [prepared.checkpoint(&activations), prepared.checkpoint(&weights)];
                let state = (nodes, multiplication.convolution);
                let (activations, weights) = (activations.into_primitive(), weights.into_primitive());
                prepared.finish(state, B::multiply(activations, weights, multiplication))
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::multiply(activations.into_primitive(), weights.into_primitive(), multiplication))
            }
        }
    }

    fn add_bias(sums: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Added;

        impl<B: GradientBackend> Backward<B, 2> for Added {
            /// Channels.
            type State = usize;

            fn backward(self, ops: Ops<usize, 2>, gradients: &mut Gradients, _checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let [sum_parent, bias_parent] = ops.parents;
                if let Some(parent) = bias_parent {
                    gradients.register::<B>(parent.id, B::by_bias(gradient.clone(), ops.state));
                }
                if let Some(parent) = sum_parent {
                    gradients.register::<B>(parent.id, gradient);
                }
            }
        }

        match Added.prepare::<C>([sums.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (sums, bias) = (sums.into_primitive(), bias.into_primitive());
                let [channels] = bias.shape().dims::<1>();
                prepared.finish(channels, B::add_bias(sums, bias))
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::add_bias(sums.into_primitive(), bias.into_primitive()))
            }
        }
    }

    fn clamped_change(values: FloatTensor<Self>, change: FloatTensor<Self>, limit: f32) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Clamped;

        impl<B: GradientBackend> Backward<B, 2> for Clamped {
            type State = ([NodeId; 2], f32);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let (nodes, limit) = ops.state;
                let [values, change] = nodes.map(|node| checkpoints.retrieve_node_output(node));
                let by_operands = B::by_clamped(gradient, values, change, limit);
                for (parent, by_operand) in ops.parents.into_iter().zip(by_operands) {
                    if let Some(parent) = parent {
                        gradients.register::<B>(parent.id, by_operand);
                    }
                }
            }
        }

        match Clamped.prepare::<C>([values.node(), change.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let nodes = [prepared.checkpoint(&values), prepared.checkpoint(&change)];
                let moved = B::clamped_change(values.into_primitive(), change.into_primitive(), limit);
                prepared.finish((nodes, limit), moved)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::clamped_change(values.into_primitive(), change.into_primitive(), limit))
            }
        }
    }

    fn pool(values: FloatTensor<Self>, pooled: Pooled) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Spread;

        impl<B: GradientBackend> Backward<B, 1> for Spread {
            type State = Selection;

            fn backward(self, ops: Ops<Selection, 1>, gradients: &mut Gradients, _checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let [parent] = ops.parents;
                if let Some(parent) = parent {
                    gradients.register::<B>(parent.id, B::by_pooled(gradient, &ops.state));
                }
            }
        }

        match Spread.prepare::<C>([values.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish(pooled.selection.clone(), B::pool(values.into_primitive(), pooled))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::pool(values.into_primitive(), pooled)),
        }
    }
}

/// Rounds each element; the gradient passes wherever the value did not saturate.
pub(crate) fn round<const D: usize>(values: Tensor<D>, rounding: Rounding) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::round(values.into_dispatch(), rounding))
}

/// Sums `[image][output channel, position]` of `activations [image][activation]` and `weights [output channel][k]`, both on
/// their grids; gradients are the exact product's.
pub(crate) fn multiply(
    activations: Tensor<2>,
    weights: Tensor<2>,
    convolution: Convolution,
    table: TableProduct,
) -> Tensor<2> {
    let multiplication = Multiplication { convolution, table: Some(table) };
    Tensor::from_dispatch(Dispatch::multiply(activations.into_dispatch(), weights.into_dispatch(), multiplication))
}

/// The same of any real numbers.
pub(crate) fn multiply_real(activations: Tensor<2>, weights: Tensor<2>, convolution: Convolution) -> Tensor<2> {
    let multiplication = Multiplication { convolution, table: None };
    Tensor::from_dispatch(Dispatch::multiply(activations.into_dispatch(), weights.into_dispatch(), multiplication))
}

/// Adds `bias [output channel]` to `sums [image][output channel, position]`.
pub(crate) fn add_bias(sums: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::add_bias(sums.into_dispatch(), bias.into_dispatch()))
}

/// How far `clamp(values, 0, limit)` moves when the values change, element by element.
pub(crate) fn clamped_change(values: Tensor<2>, change: Tensor<2>, limit: f32) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::clamped_change(values.into_dispatch(), change.into_dispatch(), limit))
}

/// Pools `values [image][activation]`; means lie on the grid of a scale if one is given and the values do.
pub(crate) fn pool(values: Tensor<2>, selection: Selection, grid: Option<f32>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::pool(values.into_dispatch(), Pooled { selection, grid }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::to_vec;
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
            let fixture = Fixture::perceptron(&[6, 4, 3], 8, &table);
            let convolution = fixture.network().layers()[0].geometry.convolution;
            let on_codes = |images, weights, weight_scale| {
                let gemm = fixture.gemm.clone();
                multiply(
                    images,
                    weights,
                    convolution,
                    TableProduct { gemm, activation_scale: PIXEL_SCALE, weight_scale },
                )
            };
            let ((found, gradient), (expected, expected_gradient)) = (step(&fixture, on_codes), step(&fixture, real));
            assert_eq!(gradient, expected_gradient);
            let largest_difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert_eq!(largest_difference < 1e-5, is_exact, "{largest_difference}");
        }
    }
}
