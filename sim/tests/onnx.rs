//! Networks that PyTorch trained and exported to ONNX, by either of its exporters (`data/onnx/export.py`), against its state dict
//! and the scores that it computed.
#![cfg(feature = "onnx")]

use axtrain_sim::workload::{
    Architecture, FloatLayer, LayerShape, LayerSpec, OnnxError, OnnxNetwork, Pooling, read_onnx, read_state_dict,
};

const DIGITS: [&[u8]; 2] =
    [include_bytes!("data/onnx/digits-script.onnx"), include_bytes!("data/onnx/digits-dynamo.onnx")];
const RESIDUAL: [&[u8]; 2] =
    [include_bytes!("data/onnx/residual-script.onnx"), include_bytes!("data/onnx/residual-dynamo.onnx")];
const STATE_DICT: &[u8] = include_bytes!("data/state_dict/digits.safetensors");

/// The numbers at the end of an NPY file.
fn numbers(file: &[u8], count: usize) -> Vec<f32> {
    let bytes = file[file.len() - 4 * count..].chunks_exact(4);
    bytes.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn both_exporters_give_the_weights_of_the_state_dict() {
    let convolution = |outputs, padding| LayerSpec::Convolution {
        outputs,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [padding; 2],
        groups: 1,
    };
    let pooling = LayerSpec::Pooling { kind: Pooling::Maximum, window: [2, 2], stride: [2, 2] };
    let hidden = [convolution(6, 1), pooling, convolution(12, 0)];
    let architecture = Architecture::new([1, 8, 8], &hidden, 10).unwrap();
    let expected = read_state_dict(STATE_DICT, &architecture, None, None).unwrap();
    for file in DIGITS {
        let OnnxNetwork { layers, classes, float } = read_onnx(file).unwrap();
        assert_eq!((&layers[..], classes), (&hidden[..], 10));
        for (found, expected) in float.iter().zip(&expected) {
            let pairs = found.weights.iter().zip(&expected.weights).chain(found.bias.iter().zip(&expected.bias));
            assert!(pairs.into_iter().all(|(found, expected)| (found - expected).abs() < 1e-5));
            assert_eq!((found.weights.len(), found.bias.len()), (expected.weights.len(), expected.bias.len()));
        }
    }
}

/// The sums of a layer over an input, the plain way.
fn sums(shape: &LayerShape, layer: &FloatLayer, input: &[f32]) -> Vec<f32> {
    let geometry = &shape.convolution;
    let (positions, k) = (geometry.positions(), geometry.shape(1).k);
    let ([_, height, width], [channels, _, out_width]) = (geometry.input(), geometry.output());
    let ([rows, columns], [down, right], [above, left]) = (geometry.kernel(), geometry.stride(), geometry.padding());
    let of_group = k / (rows * columns);
    (0..geometry.outputs())
        .map(|place| {
            let (output, position) = (place / positions, place % positions);
            let first = output / (channels / geometry.groups()) * of_group;
            let weights = &layer.weights[output * k..][..k];
            weights.iter().enumerate().fold(layer.bias[output], |sum, (index, weight)| {
                let (channel, row, column) = (index / (rows * columns), index / columns % rows, index % columns);
                let y = (position / out_width * down + row).checked_sub(above).filter(|&y| y < height);
                let x = (position % out_width * right + column).checked_sub(left).filter(|&x| x < width);
                let (Some(y), Some(x)) = (y, x) else { return sum };
                sum + weight * input[((first + channel) * height + y) * width + x]
            })
        })
        .collect()
}

fn scores(network: &OnnxNetwork, image: &[f32]) -> Vec<f32> {
    let architecture = Architecture::new([2, 8, 8], &network.layers, network.classes).unwrap();
    let mut outputs: Vec<Vec<f32>> = Vec::new();
    for (number, (shape, layer)) in architecture.layers().iter().zip(&network.float).enumerate() {
        let input = match shape.wiring.source.or(number.checked_sub(1)) {
            Some(source) => outputs[source].clone(),
            None => image.to_vec(),
        };
        let mut sums = sums(shape, layer, &input);
        if let Some(residual) = shape.wiring.residual {
            sums.iter_mut().zip(&outputs[residual]).for_each(|(sum, added)| *sum += added);
        }
        if number + 1 < architecture.layers().len() && !shape.wiring.linear {
            sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
        }
        if let Some(pool) = shape.pooling {
            let mut pooled = vec![0.0; pool.output().iter().product()];
            pool.for_each_window(|place, window| {
                let values: Vec<f32> = window.map(|from| sums[from]).collect();
                pooled[place] = match pool.kind() {
                    Pooling::Maximum => values.iter().copied().fold(f32::MIN, f32::max),
                    Pooling::Average => values.iter().sum::<f32>() / values.len() as f32,
                };
            });
            sums = pooled;
        }
        outputs.push(sums);
    }
    outputs.pop().unwrap()
}

#[test]
fn a_residual_network_gives_the_scores_of_pytorch() {
    let images = numbers(include_bytes!("data/onnx/residual-images.npy"), 6 * 2 * 64);
    let expected = numbers(include_bytes!("data/onnx/residual-scores.npy"), 6 * 3);
    for file in RESIDUAL {
        let network = read_onnx(file).unwrap();
        assert_eq!(network.float.len(), 8);
        for (image, expected) in images.chunks(128).zip(expected.chunks(3)) {
            let found = scores(&network, image);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} {expected:?}");
        }
    }
}

/// The file with text of one length in place of other text.
fn edited(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        (0..file.len() - from.len()).filter(|&at| file[at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from}");
    let mut edited = file.to_vec();
    places.into_iter().for_each(|at| edited[at..at + from.len()].copy_from_slice(to.as_bytes()));
    edited
}

#[test]
fn what_cannot_be_read_is_named_with_its_node() {
    let file = DIGITS[0];
    // The length of the operation's name stands before it.
    let Err(unsupported) = read_onnx(&edited(file, "\u{7}MaxPool", "\u{7}LpPools")) else {
        panic!("an operation is missed")
    };
    assert!(matches!(unsupported, OnnxError::Operation { .. }), "{unsupported}");
    let message = unsupported.to_string();
    assert!(
        message.contains("LpPools") && message.contains("/MaxPool") && message.contains("GlobalAveragePool"),
        "{message}"
    );
    let Err(unsupported) = read_onnx(&edited(file, "\u{4}Relu", "\u{4}Tanh")) else {
        panic!("an operation is missed")
    };
    assert!(unsupported.to_string().contains("Tanh"), "{unsupported}");
    for end in 0..file.len() {
        // Whatever is cut off, it is an error, or a smaller network.
        let _ = read_onnx(&file[..end]);
    }
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 0x41;
        let _ = read_onnx(&damaged);
    }
    assert!(matches!(read_onnx(b"no onnx"), Err(OnnxError::Format(_) | OnnxError::Missing(_))));
    assert!(matches!(read_onnx(b""), Err(OnnxError::Missing(_))));
}
