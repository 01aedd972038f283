//! A network that PyTorch trained, with its normalisation folded, against the scores that PyTorch computed
//! (`data/state_dict/train.py`).

use axtrain_sim::workload::{Architecture, Dataset, FloatLayer, LayerSpec, Pooling, read_state_dict};

const WEIGHTS: &[u8] = include_bytes!("data/state_dict/digits.safetensors");
const SCORES: &[u8] = include_bytes!("data/state_dict/scores.npy");

/// What one layer makes of an image, `[channel][row][column]`, the plain way.
fn sums(architecture: &Architecture, index: usize, layer: &FloatLayer, image: &[f32]) -> Vec<f32> {
    let geometry = &architecture.layers()[index].convolution;
    let (positions, k) = (geometry.positions(), geometry.shape(1).k);
    let [channels, height, width] = geometry.input();
    let ([rows, columns], [down, right], [above, left]) = (geometry.kernel(), geometry.stride(), geometry.padding());
    let out_width = geometry.output()[2];
    (0..geometry.outputs())
        .map(|place| {
            let (output, position) = (place / positions, place % positions);
            let (y, x) = (position / out_width * down, position % out_width * right);
            let weights = &layer.weights[output * k..][..k];
            let mut sum = layer.bias[output];
            for channel in 0..channels {
                for row in 0..rows {
                    for column in 0..columns {
                        let (y, x) = ((y + row).checked_sub(above), (x + column).checked_sub(left));
                        if let (Some(y), Some(x)) = (y, x)
                            && y < height
                            && x < width
                        {
                            let weight = weights[(channel * rows + row) * columns + column];
                            sum += weight * image[(channel * height + y) * width + x];
                        }
                    }
                }
            }
            sum
        })
        .collect()
}

#[test]
fn a_network_from_pytorch_gives_its_scores() {
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
    let layers = read_state_dict(WEIGHTS, &architecture, None, None).unwrap();
    let names = ["conv1 + bn1", "conv2", "fc"].map(str::to_owned);
    assert_eq!(read_state_dict(WEIGHTS, &architecture, Some(&names), None).unwrap(), layers);

    // The file's header is padded to 64 bytes: what follows are 32 rows of ten numbers.
    let expected: Vec<f32> = SCORES[SCORES.len() - 32 * 10 * 4..]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let digits = Dataset::embedded("digits").unwrap();
    let mut worst: f32 = 0.0;
    for (image, expected) in digits.test.pixels().chunks_exact(64).zip(expected.chunks_exact(10)) {
        let mut codes: Vec<f32> = image.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        for (index, layer) in layers.iter().enumerate() {
            let found = sums(&architecture, index, layer, &codes);
            if index + 1 == layers.len() {
                let errors = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
                worst = errors.fold(worst, f32::max);
                break;
            }
            codes = found.into_iter().map(|sum| sum.max(0.0)).collect();
            if let Some(pool) = architecture.layers()[index].pooling {
                let [channels, height, width] = pool.input();
                let highest = |place: usize| {
                    let (channel, y, x) = (place / 16, place % 16 / 4 * 2, place % 4 * 2);
                    let at = |y: usize, x: usize| codes[(channel * height + y) * width + x];
                    at(y, x).max(at(y, x + 1)).max(at(y + 1, x)).max(at(y + 1, x + 1))
                };
                codes = (0..channels * 16).map(highest).collect();
            }
        }
    }
    assert!(worst < 1e-4, "scores differ by {worst}");
    assert!(expected.iter().any(|score| score.abs() > 1.0));
}
