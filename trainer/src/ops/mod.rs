//! Differentiable integer arithmetic: forward as the hardware computes, backward straight through.
//!
//! The straight-through estimator (Bengio, Léonard and Courville 2013, arXiv 1308.3432) differentiates rounding as the
//! identity and an approximate product as the exact one. Saturation does block the gradient.
//!
//! Tensors of activations are `[image][activation]`, an image's in the order channel, row, column; both directions work on
//! raw slices.

mod autodiff;
mod flex;

use crate::geometry::Selection;
use crate::quantizer::{self, ActivationQuantizer, ResidualScaling, WeightCoding, WeightGrid};
use crate::table_slopes::TableSlopes;
use crate::timing::LateProducts;
use axtrain_sim::kernel::{Shape, TableGemm};
use axtrain_sim::workload::{Convolution, Products};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use std::sync::Arc;

/// How a tensor is rounded.
#[derive(Clone, Debug)]
pub(crate) enum Rounding {
    /// Weights `[output channel][k]` to their grid; nothing saturates.
    Weight(WeightGrid),
    /// To whole accumulator units, one a channel.
    Bias(Vec<f32>),
    /// ReLU, unless there is no activation function; requantise, saturate.
    Activation(ActivationQuantizer),
    /// To whole units of the accumulators that a residual is added to.
    Residual(ResidualScaling),
}

impl Rounding {
    /// Of a tensor's elements, so many a row.
    fn apply(&self, values: &[f32], columns: usize) -> Vec<f32> {
        match self {
            Self::Weight(grid) => grid.round(values),
            Self::Bias(accumulator_scales) => quantizer::round_bias(values, accumulator_scales),
            Self::Activation(quantizer) => quantizer.apply(values, columns),
            Self::Residual(scaling) => scaling.apply(values, columns),
        }
    }
}

/// A product on codes.
#[derive(Clone, Debug)]
pub(crate) struct TableProduct {
    /// The arithmetic.
    pub(crate) gemm: Arc<TableGemm>,
    /// Its own derivatives, in place of the exact product's.
    pub(crate) slopes: Option<Arc<TableSlopes>>,
    /// Errors of products that arrive late.
    pub(crate) late: Option<LateProducts>,
    /// Real number of activation code 1.
    pub(crate) activation_scale: f32,
    /// What weight codes stand for.
    pub(crate) coding: WeightCoding,
}

impl TableProduct {
    /// Sums of activations and weights on their grids.
    fn apply(&self, convolution: &Convolution, activations: &[f32], weights: &[f32]) -> Vec<f32> {
        let activations = quantizer::activation_codes(activations, self.activation_scale);
        let weights = self.coding.codes(weights);
        let scales: Vec<f32> = self.coding.steps.iter().map(|scale| self.activation_scale * scale).collect();
        let mut sums = vec![0.0; activations.len() / convolution.inputs() * convolution.outputs()];
        let at_once = match convolution.is_connected() {
            true => usize::MAX,
            false => convolution.block_images(),
        };
        convolution.for_each_product(&self.gemm, &weights, &activations, at_once, |mut products| {
            if let Some(late) = &self.late {
                late.add_errors(convolution, &weights, &mut products);
            }
            self.take_off_zero_points(convolution, &mut products);
            let to = &mut sums[products.image * convolution.outputs()..];
            convolution.scatter(products.group, products.sums, to, |channel, sum| sum as f32 * scales[channel]);
        });
        sums
    }
}

impl TableProduct {
    /// Takes what the weights' zero points have added off sums.
    fn take_off_zero_points(&self, convolution: &Convolution, products: &mut Products<'_>) {
        if self.coding.is_symmetric() {
            return;
        }
        let Shape { k, n, .. } = convolution.shape(1);
        let zeros = &self.coding.zero_points[products.group * n..][..n];
        let rows = products.sums.chunks_exact_mut(n).zip(products.activations.chunks_exact(k));
        for (sums, activations) in rows {
            let met: i32 = activations.iter().map(|&code| i32::from(code)).sum();
            sums.iter_mut().zip(zeros).for_each(|(sum, zero)| *sum -= met * i32::from(*zero));
        }
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

    /// How far values clamped to `limits` move when they change.
    fn clamped_change(values: FloatTensor<Self>, change: FloatTensor<Self>, limits: [f32; 2]) -> FloatTensor<Self>;

    /// Mean and variance `[2][channel]` of `values [image][channel, position]` over images and positions.
    fn moments(values: FloatTensor<Self>, channels: usize) -> FloatTensor<Self>;

    /// `values [image][channel, position]` times `factors [channel]` plus `offsets [channel]`.
    fn line(values: FloatTensor<Self>, factors: FloatTensor<Self>, offsets: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Pools `values [image][activation]`.
    fn pool(values: FloatTensor<Self>, pooled: Pooled) -> FloatTensor<Self>;
}

/// Gradients of those operations.
pub(crate) trait GradientBackend: IntegerBackend {
    /// `gradient` where `values` lie within `limits`, the lower one excluded, else 0.
    fn gate(gradient: FloatTensor<Self>, values: FloatTensor<Self>, limits: [f32; 2]) -> FloatTensor<Self>;

    /// Of a clamped change by the values and by their change.
    fn by_clamped(
        gradient: FloatTensor<Self>,
        values: FloatTensor<Self>,
        change: FloatTensor<Self>,
        limits: [f32; 2],
    ) -> [FloatTensor<Self>; 2];

    /// Of moments `[2][channel]` by the values.
    fn by_moments(gradient: FloatTensor<Self>, values: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Of values on lines by the values, by the lines' factors, and by their offsets.
    fn by_line(
        gradient: FloatTensor<Self>,
        values: FloatTensor<Self>,
        factors: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];

    /// Of a multiplication by its activations and by its weights, as far as each is wanted.
    fn by_factors(
        gradient: FloatTensor<Self>,
        activations: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        multiplication: &Multiplication,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2];

    /// Of sums by the bias of so many channels.
    fn by_bias(gradient: FloatTensor<Self>, channels: usize) -> FloatTensor<Self>;

    /// Of pooled values by the values.
    fn by_pooled(gradient: FloatTensor<Self>, selection: &Selection) -> FloatTensor<Self>;
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

/// How far values clamped to `limits` move when they change, element by element.
pub(crate) fn clamped_change(values: Tensor<2>, change: Tensor<2>, limits: [f32; 2]) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::clamped_change(values.into_dispatch(), change.into_dispatch(), limits))
}

/// Mean and variance of each channel of `values [image][channel, position]` over images and positions.
pub(crate) fn moments(values: Tensor<2>, channels: usize) -> [Tensor<1>; 2] {
    let moments: Tensor<2> = Tensor::from_dispatch(Dispatch::moments(values.into_dispatch(), channels));
    [0, 1].map(|row| moments.clone().slice([row..row + 1, 0..channels]).reshape([channels]))
}

/// `values [image][channel, position]` times `factors [channel]` plus `offsets [channel]`.
pub(crate) fn line(values: Tensor<2>, [factors, offsets]: [Tensor<1>; 2]) -> Tensor<2> {
    let [factors, offsets] = [factors, offsets].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::line(values.into_dispatch(), factors, offsets))
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
    fn step(
        fixture: &Fixture,
        product: impl Fn(Tensor<2>, Tensor<2>, WeightCoding) -> Tensor<2>,
    ) -> (Vec<f32>, Vec<f32>) {
        let network = fixture.network();
        let layer = &network.layers()[0];
        let weights = layer.weight.clone().detach().require_grad();
        let out = product(fixture.images.clone(), weights.clone(), layer.coding.clone());
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
            let on_codes = |images, weights, coding| {
                let gemm = fixture.gemm.clone();
                let (slopes, late) = (None, None);
                let table = TableProduct { gemm, slopes, late, activation_scale: PIXEL_SCALE, coding };
                multiply(images, weights, convolution, table)
            };
            let ((found, gradient), (expected, expected_gradient)) = (step(&fixture, on_codes), step(&fixture, real));
            assert_eq!(gradient, expected_gradient);
            let largest_difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert_eq!(largest_difference < 1e-5, is_exact, "{largest_difference}");
        }
    }
}
