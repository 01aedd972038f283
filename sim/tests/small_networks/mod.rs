//! Networks of random weights, small enough to be computed product by product.

use axtrain_sim::workload::{Convolution, Network, Pool, Pooling, QuantizedLayer, Quantizer, Requantize, Wiring};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A layer of random weights and biases.
pub(crate) fn layer(
    rng: &mut ChaCha8Rng,
    name: &str,
    convolution: Convolution,
    requantize: Option<Requantize>,
) -> QuantizedLayer {
    QuantizedLayer {
        name: name.into(),
        convolution,
        pooling: None,
        weights: (0..convolution.weights()).map(|_| rng.random_range(-127..=127)).collect(),
        bias: (0..convolution.channels()).map(|_| rng.random_range(-5000..=5000)).collect(),
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize,
        channel_requantize: None,
        wiring: Wiring::default(),
        residual_scaling: None,
        quantizer: Quantizer::default(),
    }
}

/// A perceptron, a convolutional network, one with residuals, one with a layer of more rows than there are pairs of
/// activations, and two whose layers have zero points, scales by channel and activations of few bits.
pub(crate) fn networks(rng: &mut ChaCha8Rng) -> [Network; 6] {
    let plain = [perceptron(rng), convolutional(rng), residual(rng), wide(rng)];
    let quantized = [&plain[1], &plain[2]].map(|network| quantized(rng, network));
    let ([a, b, c, d], [e, f]) = (plain, quantized);
    [a, b, c, d, e, f]
}

/// The same network with a quantiser of its own for each layer.
fn quantized(rng: &mut ChaCha8Rng, network: &Network) -> Network {
    let mut layers = network.layers().to_vec();
    for layer in &mut layers {
        let channels = layer.convolution.channels();
        let varied = |rng: &mut ChaCha8Rng, requantize: Requantize| {
            let factor = f64::from(requantize.multiplier) / 2f64.powi(requantize.shift as i32);
            Requantize::from_factor(factor * rng.random_range(0.5..2.0)).unwrap()
        };
        let mut of_channels = |scaling: Option<Requantize>| {
            scaling.map(|scaling| (0..channels).map(|_| varied(rng, scaling)).collect())
        };
        layer.channel_requantize = of_channels(layer.requantize);
        layer.quantizer.channel_residual_scaling = of_channels(layer.residual_scaling);
        layer.quantizer.weight_zero_points = Some((0..channels).map(|_| rng.random_range(-90..=90)).collect());
        layer.quantizer.activation_bits = rng.random_range(5..=7);
    }
    Network::new(layers).unwrap()
}

/// Two fully connected layers, 37 to 11 to 5.
fn perceptron(rng: &mut ChaCha8Rng) -> Network {
    let first = Convolution::connected([37, 1, 1], 11).unwrap();
    let second = Convolution::connected([11, 1, 1], 5).unwrap();
    let first = layer(rng, "fc1", first, Requantize::from_factor(0.002));
    Network::new(vec![first, layer(rng, "fc2", second, None)]).unwrap()
}

/// Groups, padding, a stride, pooling, a depthwise layer, and a fully connected one over what is left.
fn convolutional(rng: &mut ChaCha8Rng) -> Network {
    let grouped = Convolution::new([2, 7, 6], 4, [3, 2], [1, 2], [1, 0], 2).unwrap();
    let pool = Pool::new(Pooling::Maximum, grouped.output(), [2, 1], [2, 1]).unwrap();
    let depthwise = Convolution::new(pool.output(), 4, [2, 2], [1, 1], [0, 1], 4).unwrap();
    let connected = Convolution::connected(depthwise.output(), 5).unwrap();
    let mut grouped = layer(rng, "grouped", grouped, Requantize::from_factor(0.003));
    grouped.pooling = Some(pool);
    let depthwise = layer(rng, "depthwise", depthwise, Requantize::from_factor(0.006));
    Network::new(vec![grouped, depthwise, layer(rng, "fc", connected, None)]).unwrap()
}

/// A block around a convolution, one at a stride with a linear shortcut, and the mean over what is left.
fn residual(rng: &mut ChaCha8Rng) -> Network {
    let convolution = |input, outputs, kernel: usize, stride| {
        Convolution::new(input, outputs, [kernel; 2], [stride; 2], [kernel / 2; 2], 1).unwrap()
    };
    let first = convolution([2, 5, 4], 3, 3, 1);
    let shortcut = convolution(first.output(), 4, 1, 2);
    let connected = Convolution::connected([4, 1, 1], 5).unwrap();
    let mut layers = [
        layer(rng, "first", first, Requantize::from_factor(0.003)),
        layer(rng, "added to", convolution(first.output(), 3, 3, 1), Requantize::from_factor(0.002)),
        layer(rng, "shortcut", shortcut, Requantize::from_factor(0.006)),
        layer(rng, "strided", convolution(first.output(), 4, 3, 2), Requantize::from_factor(0.002)),
        layer(rng, "added to again", convolution(shortcut.output(), 4, 3, 1), Requantize::from_factor(0.002)),
        layer(rng, "fc", connected, None),
    ];
    layers[1].wiring.residual = Some(0);
    layers[2].wiring.linear = true;
    layers[3].wiring.source = Some(1);
    layers[4].wiring.residual = Some(2);
    for layer in [1, 4] {
        layers[layer].residual_scaling = Requantize::from_factor(300.0);
    }
    layers[4].pooling = Pool::new(Pooling::Average, shortcut.output(), [3, 2], [1, 1]).ok();
    Network::new(layers.to_vec()).unwrap()
}

/// A convolution with more output pixels than most, and a fully connected layer.
fn wide(rng: &mut ChaCha8Rng) -> Network {
    let convolution = Convolution::new([1, 32, 32], 2, [3, 3], [1, 1], [0, 0], 1).unwrap();
    let connected = Convolution::connected(convolution.output(), 5).unwrap();
    let convolution = layer(rng, "conv", convolution, Requantize::from_factor(0.003));
    Network::new(vec![convolution, layer(rng, "fc", connected, None)]).unwrap()
}
