//! Integer inference on product tables: images a second of CPU time on one core.
//!
//! `cargo bench -p axtrain-sim --bench inference`. A unit of work is one image through all layers; preparing a table is not
//! timed, packing weights is. Medians over repetitions. Memory is the most that one inference has allocated at a time, beside the
//! tensors of the network: weights, and of the images that go through it together the codes of all layers.

mod cpu_clock;
mod peak_memory;

use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{
    Architecture, IMAGES_AT_ONCE, LayerShape, LayerSpec, Network, QuantizedLayer, Quantizer, Requantize, infer,
};
use cpu_clock::cpu_seconds;
use peak_memory::peak_memory;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;

const IMAGES: usize = 512;

fn main() {
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(|| run(only.as_deref()));
}

fn run(only: Option<&str>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let exact = ProductTable::exact(8, 8, true);
    let truncated = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !7, b & !7));
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-300..=300)).collect();
    let noisy = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) * 9 / 10 + noise[(a << 8 | b) as usize]);
    let tables = [("exact", exact), ("low 3 bits cleared", truncated), ("unstructured", noisy)];
    let dense = |outputs| LayerSpec::Dense { outputs };
    let models = [
        ("LeNet-5", LayerSpec::lenet5()),
        ("ResNet-8", LayerSpec::resnet8()),
        ("perceptron 784-128-64-10", vec![dense(128), dense(64)]),
    ];
    for (name, layers) in models.into_iter().filter(|(name, _)| only.is_none_or(|only| name.contains(only))) {
        let network = network(&mut rng, &Architecture::new([1, 28, 28], &layers, 10).expect("it fits 28×28"));
        println!("{name}, {} multiply-accumulates an image", network.multiply_accumulates());
        // Half of the pixels of clothes are black.
        let pixel = |rng: &mut ChaCha8Rng| if rng.random_bool(0.5) { 0 } else { rng.random_range(0..=127) };
        let images: Vec<u8> = (0..IMAGES * network.inputs()).map(|_| pixel(&mut rng)).collect();
        for (table, products) in &tables {
            let gemm = TableGemm::new(products);
            let seconds = median(|| {
                black_box(infer(&network, &gemm, &images));
            });
            let rate = IMAGES as f64 / seconds;
            let work = rate * network.multiply_accumulates() as f64 * 1e-9;
            let peak = peak_memory(|| drop(black_box(infer(&network, &gemm, &images)))) as f64;
            let codes: usize = network.inputs() + network.layers().iter().map(QuantizedLayer::outputs).sum::<usize>();
            let weights: usize = network.layers().iter().map(|layer| layer.weights.len()).sum();
            let tensors = (weights + IMAGES_AT_ONCE.min(IMAGES) * codes) as f64;
            let (mib, times) = (peak / f64::from(1 << 20), peak / tensors);
            println!(
                "  {table:20} {rate:9.0} images/s  {work:6.2} GMAC/s  {mib:5.1} MiB ({times:.2} times the tensors)"
            );
        }
    }
}

fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut seconds: Vec<f64> = (0..9)
        .map(|_| {
            let start = cpu_seconds();
            work();
            cpu_seconds() - start
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn network(rng: &mut ChaCha8Rng, architecture: &Architecture) -> Network {
    let last = architecture.layers().len() - 1;
    let layer = |(index, shape): (usize, &LayerShape)| {
        let convolution = shape.convolution;
        let factor = 1.0 / (60.0 * (convolution.shape(1).k as f64).sqrt());
        QuantizedLayer {
            name: format!("layer{index}"),
            convolution,
            pooling: shape.pooling,
            weights: (0..convolution.weights()).map(|_| rng.random_range(-90..=90)).collect(),
            bias: vec![0; convolution.channels()],
            input_scale: 1.0,
            weight_scale: 1.0,
            requantize: (index < last).then(|| Requantize::from_factor(factor).expect("a usual factor")),
            channel_requantize: None,
            wiring: shape.wiring,
            residual_scaling: shape
                .wiring
                .residual
                .map(|_| Requantize::from_factor(1.0 / factor).expect("a usual factor")),
            quantizer: Quantizer::default(),
        }
    };
    Network::new(architecture.layers().iter().enumerate().map(layer).collect()).expect("layers fit together")
}
