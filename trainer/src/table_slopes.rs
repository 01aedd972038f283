//! Derivatives of a product table, as far as they differ from the exact product's.
//!
//! Meng et al., DATE 2025: the table smoothed over a few neighbouring codes of one operand, S, has the slope (S(x + 1) − S(x − 1)) / 2 there.
//! Where the smoothing would reach beyond the codes, the slope is that of the line between the table's ends; it is signed, where
//! theirs is for unsigned operands.

use crate::ops::TableProduct;
use crate::quantizer;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::Convolution;
use std::sync::Arc;

/// Codes of an operand.
const CODES: usize = 256;
/// Activation codes that occur.
const ACTIVATIONS: usize = 128;

/// Slope of a signed 8×8 table by each operand, less that of the exact product, which is the other operand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableSlopes {
    /// By the activation, `[activation][weight code]`.
    by_activation: Vec<f32>,
    /// By the weight, likewise.
    by_weight: Vec<f32>,
}

/// Operands of a product as codes.
pub(crate) struct Codes {
    activations: Vec<u8>,
    weights: Vec<u8>,
    activation_scale: f32,
    /// One an output channel.
    weight_scales: Arc<[f32]>,
}

impl Codes {
    /// Of activations and weights on the grids of `table`.
    pub(crate) fn new(table: &TableProduct, activations: &[f32], weights: &[f32]) -> Self {
        let weights = table.coding.codes(weights);
        Self {
            activations: quantizer::activation_codes(activations, table.activation_scale),
            weights: weights.into_iter().map(i8::cast_unsigned).collect(),
            activation_scale: table.activation_scale,
            weight_scales: table.coding.steps.clone(),
        }
    }
}

impl TableSlopes {
    /// Of a table smoothed over `half_width` codes to either side.
    pub(crate) fn new(table: &ProductTable, half_width: usize) -> Self {
        let product = |x: i32, w: i32| f64::from(table.product(x as u32 & 0xff, w as u32 & 0xff));
        let (mut by_activation, mut by_weight) = (vec![0.0; ACTIVATIONS * CODES], vec![0.0; ACTIVATIONS * CODES]);
        for weight in -128..128i32 {
            let slopes = slopes(half_width, |x| product(x, weight));
            for activation in 0..ACTIVATIONS {
                let place = activation * CODES + (weight & 0xff) as usize;
                by_activation[place] = (slopes[128 + activation] - f64::from(weight)) as f32;
            }
        }
        for activation in 0..ACTIVATIONS {
            let slopes = slopes(half_width, |w| product(activation as i32, w));
            for weight in -128..128i32 {
                let place = activation * CODES + (weight & 0xff) as usize;
                by_weight[place] = (slopes[(weight + 128) as usize] - activation as f64) as f32;
            }
        }
        Self { by_activation, by_weight }
    }

    /// Adds what the slopes make of a gradient by sums `[image][output channel, position]`, beyond the exact product's, to the
    /// gradients by activations `[image][activation]` and by weights `[output channel][k]`.
    pub(crate) fn add_to(
        &self,
        convolution: &Convolution,
        by_sums: &[f32],
        codes: &Codes,
        mut by_activations: Option<&mut [f32]>,
        mut by_weights: Option<&mut [f32]>,
    ) {
        let (shape, positions) = (convolution.shape(1), convolution.positions());
        let images = codes.activations.chunks_exact(convolution.inputs());
        let (mut patches, mut sums) = (vec![0.0; shape.m * shape.k], vec![0.0; shape.n]);
        // The same in units of the first channel's weights: what they make of activations is brought to real numbers at the end.
        let mut scaled = vec![0.0; shape.n];
        let first_scale = codes.weight_scales[0];
        // `[k][output channel of the group]`, so that all outputs meet an activation one after the other.
        let transposed: Vec<Vec<u8>> = codes
            .weights
            .chunks_exact(shape.n * shape.k)
            .map(|weights| (0..shape.k).flat_map(|k| (0..shape.n).map(move |n| weights[n * shape.k + k])).collect())
            .collect();
        let mut weight_sums = vec![vec![0.0; shape.n * shape.k]; transposed.len()];
        for (number, (image, by_sums)) in images.zip(by_sums.chunks_exact(convolution.outputs())).enumerate() {
            for (group, weights) in transposed.iter().enumerate() {
                let activations = convolution.lower(image, group);
                let by_sums = &by_sums[group * shape.n * positions..][..shape.n * positions];
                for position in 0..positions {
                    sums.iter_mut().enumerate().for_each(|(n, sum)| *sum = by_sums[n * positions + position]);
                    let scales = &codes.weight_scales[group * shape.n..][..shape.n];
                    for ((scaled, sum), scale) in scaled.iter_mut().zip(&sums).zip(scales) {
                        *scaled = sum * (scale / first_scale);
                    }
                    let row = position * shape.k..(position + 1) * shape.k;
                    let operands = activations[row.clone()].iter().zip(weights.chunks_exact(shape.n));
                    let places = patches[row].iter_mut().zip(weight_sums[group].chunks_exact_mut(shape.n));
                    for ((&activation, weights), (patch, weight_sums)) in operands.zip(places) {
                        let first = usize::from(activation) * CODES;
                        if by_activations.is_some() {
                            *patch = weighted(&self.by_activation[first..][..CODES], weights, &scaled);
                        }
                        if by_weights.is_some() {
                            let slopes = &self.by_weight[first..][..CODES];
                            let terms = weights.iter().zip(&sums);
                            weight_sums
                                .iter_mut()
                                .zip(terms)
                                .for_each(|(to, (&w, sum))| *to += slopes[usize::from(w)] * sum);
                        }
                    }
                }
                if let Some(by_activations) = &mut by_activations {
                    patches.iter_mut().for_each(|patch| *patch *= first_scale);
                    let image = &mut by_activations[number * convolution.inputs()..][..convolution.inputs()];
                    convolution.add_patches(&patches, group, image);
                }
            }
        }
        if let Some(by_weights) = &mut by_weights {
            for (to, sums) in by_weights.chunks_exact_mut(shape.n * shape.k).zip(&weight_sums) {
                for (place, to) in to.iter_mut().enumerate() {
                    *to += sums[place % shape.k * shape.n + place / shape.k] * codes.activation_scale;
                }
            }
        }
    }

    /// Whether they are the exact product's everywhere.
    pub(crate) fn are_exact(&self) -> bool {
        self.by_activation.iter().chain(&self.by_weight).all(|slope| *slope == 0.0)
    }
}

fn weighted(slopes: &[f32], weights: &[u8], sums: &[f32]) -> f32 {
    weights.iter().zip(sums).map(|(&weight, sum)| slopes[usize::from(weight)] * sum).sum()
}

/// Slopes of a function of −128…127, smoothed over `half_width` codes to either side.
fn slopes(half_width: usize, function: impl Fn(i32) -> f64) -> Vec<f64> {
    let values: Vec<f64> = (-128..128).map(function).collect();
    let ends = (values[CODES - 1] - values[0]) / (CODES - 1) as f64;
    let smoothed = |place: usize| {
        values[place - half_width..=place + half_width].iter().sum::<f64>() / (2 * half_width + 1) as f64
    };
    let inner = half_width + 1..CODES - 1 - half_width.min(CODES - 1);
    (0..CODES)
        .map(|place| if inner.contains(&place) { (smoothed(place + 1) - smoothed(place - 1)) / 2.0 } else { ends })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::to_vec;
    use crate::ops;
    use crate::testing::{Fixture, truncated};
    use axtrain_sim::workload::{PIXEL_SCALE, Pooling};
    use burn::tensor::Tensor;
    use std::sync::Arc;

    #[test]
    fn the_exact_tables_slopes_are_the_other_operand() {
        for half_width in [0, 1, 8, 64, 200] {
            assert!(TableSlopes::new(&ProductTable::exact(8, 8, true), half_width).are_exact(), "{half_width}");
        }
    }

    #[test]
    fn slopes_are_differences_of_the_smoothed_table() {
        let table = truncated(3);
        let slopes = TableSlopes::new(&table, 2);
        for (x, w) in [(3, 77), (8, -33), (100, 24), (60, -128)] {
            let smoothed = |x: i32| {
                (-2..=2).map(|d| f64::from(table.product((x + d) as u32 & 0xff, w as u32 & 0xff))).sum::<f64>() / 5.0
            };
            let expected = (smoothed(x + 1) - smoothed(x - 1)) / 2.0 - f64::from(w);
            let found = slopes.by_activation[x as usize * CODES + (w & 0xff) as usize];
            assert!((f64::from(found) - expected).abs() < 1e-4, "{found} is not {expected}");
        }
        // Beyond 124 the line between the ends: from −128 to 120 in 255 codes.
        let found = slopes.by_activation[126 * CODES + 64];
        assert!((f64::from(found) - (64.0 * 248.0 / 255.0 - 64.0)).abs() < 1e-4);
        assert!(!slopes.are_exact());
    }

    /// The gradient of ⟨g, sums⟩, one product after the other.
    #[test]
    fn gradients_take_the_slopes_of_their_operands() {
        for fixture in [
            Fixture::perceptron(&[6, 4, 3], 5, &truncated(3)),
            Fixture::convolutional(Pooling::Maximum, 3, &truncated(3)),
        ] {
            let network = fixture.network();
            let layer = &network.layers()[0];
            let convolution = layer.geometry.convolution;
            let slopes = Arc::new(TableSlopes::new(&truncated(3), 4));
            let table = TableProduct {
                gemm: fixture.gemm.clone(),
                slopes: Some(slopes.clone()),
                late: None,
                activation_scale: PIXEL_SCALE,
                coding: layer.coding.clone(),
            };
            let (images, weights) =
                (fixture.images.clone().require_grad(), layer.weight.clone().detach().require_grad());
            let sums = ops::multiply(images.clone(), weights.clone(), convolution, table.clone());
            let [batch, outputs] = sums.dims();
            let g: Vec<f32> = (0..batch * outputs).map(|place| (place * 37 % 19) as f32 - 9.0).collect();
            let factors =
                Tensor::from_data(burn::tensor::TensorData::new(g.clone(), [batch, outputs]), &sums.device());
            let gradients = (sums * factors).sum().backward();
            let found = [to_vec(images.grad(&gradients).unwrap()), to_vec(weights.grad(&gradients).unwrap())];

            let codes = Codes::new(&table, &to_vec(fixture.images.clone()), &to_vec(layer.weight.clone()));
            let mut expected = found.each_ref().map(|values| vec![0f64; values.len()]);
            let shape = convolution.shape(batch);
            let numbers: Vec<u32> = (1..=codes.activations.len() as u32).collect();
            for group in 0..convolution.groups() {
                let met = convolution.lower(&numbers, group);
                for (row, n) in (0..shape.m).flat_map(|row| (0..shape.n).map(move |n| (row, n))) {
                    let (positions, channel) = (convolution.positions(), group * shape.n + n);
                    let g = f64::from(
                        g[(row / positions * convolution.channels() + channel) * positions + row % positions],
                    );
                    for k in 0..shape.k {
                        let weight = channel * shape.k + k;
                        let w = codes.weights[weight];
                        let activation = (met[row * shape.k + k] as usize).checked_sub(1);
                        let x = activation.map_or(0, |place| codes.activations[place]);
                        let place = usize::from(x) * CODES + usize::from(w);
                        let by_x = f64::from(slopes.by_activation[place]) + f64::from(w.cast_signed());
                        let by_w = f64::from(slopes.by_weight[place]) + f64::from(x);
                        if let Some(activation) = activation {
                            expected[0][activation] += g * by_x * f64::from(layer.coding.steps[channel]);
                        }
                        expected[1][weight] += g * by_w * f64::from(PIXEL_SCALE);
                    }
                }
            }
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "{found} is not {expected}"
                );
            }
        }
    }
}
