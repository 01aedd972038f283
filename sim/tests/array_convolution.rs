//! Convolutions on the stepped array against their definition.

use axtrain_sim::array::stepped::{self, Operands};
use axtrain_sim::array::{ArrayError, Convention, Convolution, ConvolutionError, Dataflow, SystolicArray};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sums `[group][image, row, column][filter of the group]`, window by window.
fn by_definition(layer: &Convolution, input: &[i32], filters: &[i32]) -> Vec<i32> {
    let [height, width] = layer.input.map(|side| side as i64);
    let [rows, columns] = layer.output(Convention::Rtl).unwrap();
    let (channels, of_group) = (layer.channels / layer.groups, layer.filters / layer.groups);
    let mut sums = Vec::new();
    for group in 0..layer.groups {
        for image in 0..layer.batch {
            for row in 0..rows {
                for column in 0..columns {
                    for filter in group * of_group..(group + 1) * of_group {
                        let mut sum = 0;
                        for channel in 0..channels {
                            for down in 0..layer.filter[0] {
                                for right in 0..layer.filter[1] {
                                    let at = |axis: usize, window: u64, tap: u64| {
                                        (window * layer.stride[axis] + tap * layer.dilation[axis]) as i64
                                            - layer.padding[axis] as i64
                                    };
                                    let (y, x) = (at(0, row, down), at(1, column, right));
                                    if (0..height).contains(&y) && (0..width).contains(&x) {
                                        let plane = (image * layer.channels + group * channels + channel) as i64;
                                        let weight = ((filter * channels + channel) * layer.filter[0] + down)
                                            * layer.filter[1]
                                            + right;
                                        sum += input[((plane * height + y) * width + x) as usize]
                                            * filters[weight as usize];
                                    }
                                }
                            }
                        }
                        sums.push(sum);
                    }
                }
            }
        }
    }
    sums
}

#[test]
fn stride_padding_dilation_and_groups_give_the_sums_of_the_definition() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for case in 0..60 {
        let mut pair =
            |range: std::ops::RangeInclusive<u64>| [random.random_range(range.clone()), random.random_range(range)];
        let (input, filter, stride, padding, dilation) =
            (pair(5..=8), pair(1..=3), pair(1..=3), pair(0..=2), pair(1..=2));
        // Every third is depthwise.
        let groups = random.random_range(1..=3);
        let (channels, filters) = match case % 3 {
            0 => (groups, groups * random.random_range(1..=2)),
            _ => (groups * random.random_range(1..=2), groups * random.random_range(1..=3)),
        };
        let batch = random.random_range(1..=2);
        let layer = Convolution { batch, channels, input, filters, filter, stride, padding, dilation, groups };
        let mut codes = |count: u64| (0..count).map(|_| random.random_range(-9..=9)).collect::<Vec<i32>>();
        let pixels = codes(batch * channels * input[0] * input[1]);
        let taps = codes(filters * channels / groups * filter[0] * filter[1]);
        let lowered = layer.lower("layer", Convention::Rtl).unwrap();
        let (inputs, weights) = (layer.activations(&pixels).unwrap(), layer.weights(&taps).unwrap());
        let operands =
            Operands { gemm: lowered.gemm(), groups: lowered.groups(), inputs: &inputs, weights: &weights };
        let array = SystolicArray::new(4, 3, Dataflow::ALL[case % 3]).unwrap();
        let run = stepped::run(&array, &operands, |a, b| a * b).unwrap();
        assert_eq!(run.outputs, by_definition(&layer, &pixels, &taps), "{layer:?}");
        assert_eq!(run.cycles, array.layer_cycles(&lowered).unwrap().cycles, "{layer:?}");
    }
}

#[test]
fn operands_of_another_size_are_refused() {
    let [side, tap, one] = [[3, 3], [2, 2], [1, 1]];
    let layer = Convolution {
        batch: 1,
        channels: 2,
        input: side,
        filters: 1,
        filter: tap,
        stride: one,
        padding: [0, 0],
        dilation: one,
        groups: 1,
    };
    let refused = |operand, found, expected| {
        Err(ConvolutionError::Array(ArrayError::OperandCount { operand, found, expected }))
    };
    assert_eq!(layer.activations(&[0; 17]), refused("activations", 17, 18));
    assert_eq!(layer.weights(&[0; 9]), refused("weights", 9, 8));
}
