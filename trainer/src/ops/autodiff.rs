//! The operations' gradients.

use super::{GradientBackend, IntegerBackend, Multiplication, Pooled, Rounding};
use crate::geometry::Selection;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

impl<B: GradientBackend, C: CheckpointStrategy> IntegerBackend for Autodiff<B, C> {
    fn round(values: FloatTensor<Self>, rounding: Rounding) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct StraightThrough;

        impl<B: GradientBackend> Backward<B, 1> for StraightThrough {
            /// The range that passes, and the unrounded tensor, if anything saturates.
            type State = Option<([f32; 2], NodeId)>;

            fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let mut gradient = gradients.consume::<B>(&ops.node);
                if let Some((limits, node)) = ops.state {
                    gradient = B::gate(gradient, checkpoints.retrieve_node_output(node), limits);
                }
                let [parent] = ops.parents;
                if let Some(parent) = parent {
                    gradients.register::<B>(parent.id, gradient);
                }
            }
        }

        match StraightThrough.prepare::<C>([values.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = match &rounding {
                    Rounding::Activation(quantizer) => Some((quantizer.limits(), prepared.checkpoint(&values))),
                    Rounding::Weight(_) | Rounding::Bias(_) | Rounding::Residual(_) => None,
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
        struct Product;

        impl<B: GradientBackend> Backward<B, 2> for Product {
            type State = ([NodeId; 2], Multiplication);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let (nodes, multiplication) = ops.state;
                let [activations, weights] = nodes.map(|node| checkpoints.retrieve_node_output(node));
                let wanted = ops.parents.each_ref().map(Option::is_some);
                let by_factors = B::by_factors(gradient, activations, weights, &multiplication, wanted);
                for (parent, by_factor) in ops.parents.into_iter().zip(by_factors) {
                    if let (Some(parent), Some(by_factor)) = (parent, by_factor) {
                        gradients.register::<B>(parent.id, by_factor);
                    }
                }
            }
        }

        match Product.prepare::<C>([activations.node(), weights.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let nodes = [prepared.checkpoint(&activations), prepared.checkpoint(&weights)];
                let state = (nodes, multiplication.clone());
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

    fn moments(values: FloatTensor<Self>, channels: usize) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Moments;

        impl<B: GradientBackend> Backward<B, 1> for Moments {
            type State = NodeId;

            fn backward(self, ops: Ops<NodeId, 1>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let values = checkpoints.retrieve_node_output(ops.state);
                let [parent] = ops.parents;
                if let Some(parent) = parent {
                    gradients.register::<B>(parent.id, B::by_moments(gradient, values));
                }
            }
        }

        match Moments.prepare::<C>([values.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let node = prepared.checkpoint(&values);
                prepared.finish(node, B::moments(values.into_primitive(), channels))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::moments(values.into_primitive(), channels)),
        }
    }

    fn line(values: FloatTensor<Self>, factors: FloatTensor<Self>, offsets: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Line;

        impl<B: GradientBackend> Backward<B, 3> for Line {
            type State = [NodeId; 2];

            fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let [values, factors] = ops.state.map(|node| checkpoints.retrieve_node_output(node));
                for (parent, by_operand) in ops.parents.into_iter().zip(B::by_line(gradient, values, factors)) {
                    if let Some(parent) = parent {
                        gradients.register::<B>(parent.id, by_operand);
                    }
                }
            }
        }

        match Line.prepare::<C>([values.node(), factors.node(), offsets.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let nodes = [prepared.checkpoint(&values), prepared.checkpoint(&factors)];
                let [values, factors, offsets] = [values, factors, offsets].map(|tensor| tensor.into_primitive());
                prepared.finish(nodes, B::line(values, factors, offsets))
            }
            OpsKind::UnTracked(prepared) => {
                let [values, factors, offsets] = [values, factors, offsets].map(|tensor| tensor.into_primitive());
                prepared.finish(B::line(values, factors, offsets))
            }
        }
    }

    fn clamped_change(values: FloatTensor<Self>, change: FloatTensor<Self>, limits: [f32; 2]) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Clamped;

        impl<B: GradientBackend> Backward<B, 2> for Clamped {
            type State = ([NodeId; 2], [f32; 2]);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpoints: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let (nodes, limits) = ops.state;
                let [values, change] = nodes.map(|node| checkpoints.retrieve_node_output(node));
                let by_operands = B::by_clamped(gradient, values, change, limits);
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
                let moved = B::clamped_change(values.into_primitive(), change.into_primitive(), limits);
                prepared.finish((nodes, limits), moved)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::clamped_change(values.into_primitive(), change.into_primitive(), limits))
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
