//! The operations on slices.

use super::{GradientBackend, IntegerBackend, Multiplication, Pooled, Rounding};
use crate::geometry::Selection;
use crate::real_product;
use crate::table_slopes::Codes;
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorData, TensorMetadata};

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

    fn by_factors(
        gradient: FlexTensor,
        activations: FlexTensor,
        weights: FlexTensor,
        multiplication: &Multiplication,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let Multiplication { convolution, table } = multiplication;
        let [gradient, activations, weights] = [gradient, activations, weights].map(|tensor| tensor.to_contiguous());
        let (by_sums, x, w) = (contiguous(&gradient), contiguous(&activations), contiguous(&weights));
        let mut by_activations = wanted[0].then(|| real_product::activation_gradient(convolution, by_sums, w));
        let mut by_weights = wanted[1].then(|| real_product::weight_gradient(convolution, by_sums, x));
        if let Some((table, slopes)) = table.as_ref().and_then(|table| Some((table, table.slopes.as_ref()?))) {
            let codes = Codes::new(table, x, w);
            slopes.add_to(convolution, by_sums, &codes, by_activations.as_deref_mut(), by_weights.as_deref_mut());
        }
        [
            by_activations.map(|values| tensor(values, rows(&gradient))),
            by_weights.map(|values| tensor(values, convolution.channels())),
        ]
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
