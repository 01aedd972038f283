//! A task that small networks learn in seconds, and such networks.

use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{Architecture, Dataset, LayerSpec, Pooling, Split};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) const FEATURES: usize = 36;
pub(crate) const CLASSES: usize = 4;

/// Four patterns of 6×6 pixels, in noise stronger than their contrast.
pub(crate) fn patterns() -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let prototypes: Vec<[f32; FEATURES]> =
        (0..CLASSES).map(|_| std::array::from_fn(|_| if rng.random_bool(0.5) { 40.0 } else { -40.0 })).collect();
    let mut split = |count: usize| {
        let labels: Vec<u8> = (0..count).map(|image| (image % CLASSES) as u8).collect();
        let pixels = labels.iter().flat_map(|&label| prototypes[usize::from(label)]);
        let pixels = pixels.map(|value| (100.0 + value + rng.random_range(-100.0..100.0)).clamp(0.0, 255.0) as u8);
        Split::new(FEATURES, pixels.collect(), labels.clone())
    };
    let (train, test) = (split(600), split(400));
    let classes = (0..CLASSES).map(|class| class.to_string()).collect();
    Dataset { name: "patterns".to_owned(), shape: [1, 6, 6], classes, train, test }
}

/// The multiplier whose operands lose their lowest `bits`.
pub(crate) fn truncated(bits: u32) -> ProductTable {
    let value = move |code: u32| i32::from(code as u8 as i8) >> bits << bits;
    ProductTable::from_fn(8, 8, true, move |a, b| value(a) * value(b))
}

/// A multiplier that is far too low: the lowest eleven bits of its product are missing.
pub(crate) fn truncated_product() -> ProductTable {
    let exact = ProductTable::exact(8, 8, true);
    ProductTable::from_fn(8, 8, true, move |a, b| exact.product(a, b) >> 11 << 11)
}

pub(crate) fn perceptron(hidden: &[usize]) -> Architecture {
    Architecture::perceptron(FEATURES, hidden, CLASSES).unwrap()
}

/// A convolution, pooling, a strided convolution in groups, and a hidden layer.
pub(crate) fn convolutional() -> Architecture {
    let convolution = |outputs, stride, groups| LayerSpec::Convolution {
        outputs,
        kernel: [3, 3],
        stride: [stride; 2],
        padding: [1, 1],
        groups,
    };
    let pooling = LayerSpec::Pooling { kind: Pooling::Maximum, window: [2, 2], stride: [2, 2] };
    let layers = [convolution(8, 1, 1), pooling, convolution(8, 2, 2), LayerSpec::Dense { outputs: 12 }];
    Architecture::new([1, 6, 6], &layers, CLASSES).unwrap()
}

/// Two normalised blocks, the second with a linear shortcut at a stride.
pub(crate) fn residual() -> Architecture {
    use LayerSpec::{Add, From, GlobalPooling, Linear, Normalisation};
    let convolution = |kernel: usize, stride| LayerSpec::Convolution {
        outputs: 6,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        groups: 1,
    };
    let layers = [
        &[convolution(3, 1), Normalisation][..],
        &[convolution(3, 1), Normalisation, Add { layer: 0 }],
        &[convolution(1, 2), Normalisation, Linear, From { layer: 1 }],
        &[convolution(3, 2), Normalisation, Add { layer: 2 }, GlobalPooling { kind: Pooling::Average }],
    ];
    Architecture::new([1, 6, 6], &layers.concat(), CLASSES).unwrap()
}
