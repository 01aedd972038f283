//! Networks for tests.

use super::{
    Architecture, Convolution, LayerShape, LayerSpec, Network, Pooling, QuantizedLayer, Quantizer, Requantize, Wiring,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A layer of these outputs with all weights and biases given, the last of its network.
pub(crate) fn dense(name: &str, inputs: usize, weights: Vec<i8>, bias: Vec<i32>) -> QuantizedLayer {
    QuantizedLayer {
        name: name.into(),
        convolution: Convolution::connected([inputs, 1, 1], bias.len()).unwrap(),
        pooling: None,
        weights,
        bias,
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize: None,
        channel_requantize: None,
        wiring: Wiring::default(),
        residual_scaling: None,
        quantizer: Quantizer::default(),
    }
}

/// A network of these shapes with random weights and biases.
pub(crate) fn random_network(rng: &mut ChaCha8Rng, architecture: &Architecture) -> Network {
    let last = architecture.layers().len() - 1;
    let layer = |(index, shape): (usize, &LayerShape)| {
        let LayerShape { convolution, pooling, wiring, .. } = *shape;
        let factor = 1.0 / (120.0 * (convolution.shape(1).k as f64).sqrt());
        QuantizedLayer {
            name: format!("layer{index}"),
            convolution,
            pooling,
            weights: (0..convolution.weights()).map(|_| rng.random_range(-127..=127)).collect(),
            bias: (0..convolution.channels()).map(|_| rng.random_range(-2_000..2_000)).collect(),
            input_scale: 1.0,
            weight_scale: 1.0,
            requantize: (index < last).then(|| Requantize::from_factor(factor).unwrap()),
            channel_requantize: None,
            wiring,
            residual_scaling: wiring.residual.and_then(|_| Requantize::from_factor(0.7 / factor)),
            quantizer: Quantizer::default(),
        }
    };
    Network::new(architecture.layers().iter().enumerate().map(layer).collect()).unwrap()
}

/// The same network with zero points, scales by channel, and activations of few bits.
pub(crate) fn with_quantizers(rng: &mut ChaCha8Rng, network: &Network) -> Network {
    let mut layers = network.layers().to_vec();
    let last = layers.len() - 1;
    for (number, layer) in layers.iter_mut().enumerate() {
        let channels = layer.convolution.channels();
        let mut each = |scaling: Option<Requantize>| {
            let factor = |scaling: Requantize| f64::from(scaling.multiplier) / 2f64.powi(scaling.shift as i32);
            let varied = |scaling| Requantize::from_factor(factor(scaling) * rng.random_range(0.5..2.0)).unwrap();
            scaling.map(|scaling| std::iter::repeat_with(|| scaling).take(channels).map(varied).collect::<Vec<_>>())
        };
        layer.channel_requantize = each(layer.requantize);
        let channel_residual_scaling = each(layer.residual_scaling);
        let scales = (0..channels).map(|_| rng.random_range(0.5..1.0)).collect();
        layer.quantizer = Quantizer {
            channel_weight_scales: Some(scales).filter(|_| number < last),
            channel_residual_scaling,
            weight_zero_points: Some((0..channels).map(|_| rng.random_range(-90..=90)).collect()),
            activation_bits: rng.random_range(2..=7),
        };
    }
    Network::new(layers).unwrap()
}

/// A residual block: at a stride with a linear shortcut, else around a convolution. So many layers come before it.
fn block(stride: usize, outputs: usize, before: usize) -> Vec<LayerSpec> {
    let convolution = |outputs, kernel: usize, stride| LayerSpec::Convolution {
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        groups: 1,
    };
    let entry = before - 1;
    match stride {
        1 => vec![convolution(3, 1, 1), convolution(4, 3, 1), LayerSpec::Add { layer: entry }],
        _ => vec![
            convolution(outputs, 1, stride),
            LayerSpec::Linear,
            LayerSpec::From { layer: entry },
            convolution(outputs, 3, stride),
            LayerSpec::Add { layer: before },
        ],
    }
}

/// Layers of a description that multiply.
fn specs_layers(specs: &[LayerSpec]) -> usize {
    specs.iter().filter(|spec| matches!(spec, LayerSpec::Convolution { .. } | LayerSpec::Dense { .. })).count()
}

/// A small architecture of random convolutions, strided, padded and grouped, with and without pooling and residuals.
pub(crate) fn random_architecture(rng: &mut ChaCha8Rng) -> Architecture {
    loop {
        let mut size = |low: usize, high: usize| rng.random_range(low..=high);
        let image = [size(1, 4), size(4, 9), size(4, 9)];
        let mut specs = Vec::new();
        for channels in [image[0], 4] {
            specs.push(LayerSpec::Convolution {
                outputs: 4,
                kernel: [size(1, 4), size(1, 4)],
                stride: [size(1, 2), size(1, 2)],
                padding: [size(0, 2), size(0, 2)],
                groups: [1, 2, channels][size(0, 2)],
            });
            if size(0, 1) == 1 {
                let kind = [Pooling::Maximum, Pooling::Average][size(0, 1)];
                specs.push(LayerSpec::Pooling { kind, window: [size(1, 2), 2], stride: [size(1, 2), size(1, 2)] });
            }
        }
        if size(0, 1) == 1 {
            specs.extend(block(size(1, 2), size(2, 5), specs_layers(&specs)));
        }
        specs.push(LayerSpec::Dense { outputs: size(3, 7) });
        if let Ok(architecture) = Architecture::new(image, &specs, 5) {
            return architecture;
        }
    }
}
