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
        let columns = *values.shape().as_slice().last().expect("a dimension at least");
        let rounded = rounding.apply(contiguous(&values), columns);
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

    fn moments(values: FlexTensor, channels: usize) -> FlexTensor {
        let values = values.to_contiguous();
        let moments = channel_moments(contiguous(&values), rows(&values), channels);
        let (mean, variance): (Vec<f64>, Vec<f64>) = moments.into_iter().unzip();
        tensor(mean.into_iter().chain(variance).map(|value| value as f32).collect(), 2)
    }

    fn line(values: FlexTensor, factors: FlexTensor, offsets: FlexTensor) -> FlexTensor {
        let [values, factors, offsets] = [values, factors, offsets].map(|tensor| tensor.to_contiguous());
        let [images, outputs] = values.shape().dims::<2>();
        let lines = contiguous(&factors).iter().zip(contiguous(&offsets));
        let mut changed = Vec::with_capacity(images * outputs);
        for (channel, (factor, offset)) in contiguous(&values).chunks_exact(outputs / lines.len()).zip(lines.cycle())
        {
            changed.extend(channel.iter().map(|value| value * factor + offset));
        }
        tensor(changed, images)
    }

    fn clamped_change(values: FlexTensor, change: FlexTensor, [least, most]: [f32; 2]) -> FlexTensor {
        let (values, change) = (values.to_contiguous(), change.to_contiguous());
        let pairs = contiguous(&values).iter().zip(contiguous(&change));
        let moved = pairs.map(|(value, change)| (value + change).clamp(least, most) - value.clamp(least, most));
        tensor(moved.collect(), rows(&values))
    }

    fn pool(values: FlexTensor, pooled: Pooled) -> FlexTensor {
        let values = values.to_contiguous();
        tensor(pooled.selection.apply(contiguous(&values), pooled.grid), rows(&values))
    }
}

impl GradientBackend for Flex {
    fn gate(gradient: FlexTensor, values: FlexTensor, limits: [f32; 2]) -> FlexTensor {
        let (gradient, values) = (gradient.to_contiguous(), values.to_contiguous());
        let pairs = contiguous(&gradient).iter().zip(contiguous(&values));
        let gated = pairs.map(|(&gradient, &value)| gated(gradient, value, limits));
        FlexTensor::from_data(TensorData::new(gated.collect::<Vec<_>>(), gradient.shape()))
    }

    fn by_clamped(gradient: FlexTensor, values: FlexTensor, change: FlexTensor, limits: [f32; 2]) -> [FlexTensor; 2] {
        let [gradient, values, change] = [gradient, values, change].map(|tensor| tensor.to_contiguous());
        let triples = contiguous(&gradient).iter().zip(contiguous(&values)).zip(contiguous(&change));
        let pairs = triples.map(|((&gradient, &value), &change)| {
            let by_change = gated(gradient, value + change, limits);
            (by_change - gated(gradient, value, limits), by_change)
        });
        let (by_values, by_change): (Vec<f32>, Vec<f32>) = pairs.unzip();
        [by_values, by_change].map(|values| tensor(values, rows(&gradient)))
    }

    fn by_moments(gradient: FlexTensor, values: FlexTensor) -> FlexTensor {
        let (gradient, values) = (gradient.to_contiguous(), values.to_contiguous());
        let [images, outputs] = values.shape().dims::<2>();
        let (by_mean, by_variance) = contiguous(&gradient).split_at(contiguous(&gradient).len() / 2);
        let (channels, positions) = (by_mean.len(), outputs / by_mean.len());
        let moments = channel_moments(contiguous(&values), images, channels);
        let count = (images * positions) as f64;
        // Each value's share in the mean is 1 / N, and in the variance 2 (x − mean) / N.
        let lines: Vec<[f32; 2]> = (0..channels)
            .map(|channel| {
                let slope = 2.0 * f64::from(by_variance[channel]) / count;
                [slope as f32, (f64::from(by_mean[channel]) / count - slope * moments[channel].0) as f32]
            })
            .collect();
        let mut by_values = Vec::with_capacity(images * outputs);
        for (channel, [slope, offset]) in contiguous(&values).chunks_exact(positions).zip(lines.iter().cycle()) {
            by_values.extend(channel.iter().map(|value| slope * value + offset));
        }
        tensor(by_values, images)
    }

    fn by_line(gradient: FlexTensor, values: FlexTensor, factors: FlexTensor) -> [FlexTensor; 3] {
        let [gradient, values, factors] = [gradient, values, factors].map(|tensor| tensor.to_contiguous());
        let (images, channels) = (rows(&gradient), contiguous(&factors).len());
        let positions = contiguous(&gradient).len() / images / channels;
        let (mut by_factors, mut by_offsets) = (vec![0.0; channels], vec![0.0; channels]);
        let mut by_values = Vec::with_capacity(contiguous(&values).len());
        let pairs = contiguous(&gradient).chunks_exact(positions).zip(contiguous(&values).chunks_exact(positions));
        for (place, (gradient, values)) in pairs.enumerate() {
            let channel = place % channels;
            let factor = contiguous(&factors)[channel];
            by_factors[channel] += sum(gradient, values, |gradient, value| gradient * value);
            by_offsets[channel] += sum(gradient, gradient, |gradient, _| gradient);
            by_values.extend(gradient.iter().map(|gradient| gradient * factor));
        }
        let of_channels = |sums: Vec<f64>| {
            let sums: Vec<f32> = sums.into_iter().map(|sum| sum as f32).collect();
            FlexTensor::from_data(TensorData::new(sums, [channels]))
        };
        [tensor(by_values, images), of_channels(by_factors), of_channels(by_offsets)]
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

/// What passes back through clamping to `limits`.
#[inline(always)]
fn gated(gradient: f32, value: f32, [least, most]: [f32; 2]) -> f32 {
    if value > least && value <= most { gradient } else { 0.0 }
}

/// Mean and variance of each channel of `values [image][channel][position]`.
fn channel_moments(values: &[f32], images: usize, channels: usize) -> Vec<(f64, f64)> {
    let positions = values.len() / images / channels;
    let count = (images * positions) as f64;
    let over = |channel: usize, term: &dyn Fn(&[f32]) -> f64| {
        values.chunks_exact(positions).skip(channel).step_by(channels).map(term).sum::<f64>() / count
    };
    let of_channel = |channel: usize| {
        let mean = over(channel, &|values| sum(values, values, |value, _| value));
        let about = mean as f32;
        let variance = over(channel, &|values| sum(values, values, |value, _| (value - about) * (value - about)));
        (mean, variance)
    };
    (0..channels).map(of_channel).collect()
}

/// The sum of a term of each pair of elements, in an order that does not depend on the processor.
#[inline(always)]
fn sum(left: &[f32], right: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    const LANES: usize = 16;
    let mut total = 0.0;
    // Blocks short enough for single precision.
    for (left, right) in left.chunks(64 * LANES).zip(right.chunks(64 * LANES)) {
        let mut lanes = [0f32; LANES];
        let (left, left_rest) = left.as_chunks::<LANES>();
        let (right, right_rest) = right.as_chunks::<LANES>();
        for (left, right) in left.iter().zip(right) {
            for lane in 0..LANES {
                lanes[lane] += term(left[lane], right[lane]);
            }
        }
        for ((lane, &left), &right) in lanes.iter_mut().zip(left_rest).zip(right_rest) {
            *lane += term(left, right);
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    total
}

fn contiguous(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of single precision")
}
