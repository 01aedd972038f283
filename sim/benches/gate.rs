//! Inference at every level of fidelity: `cargo bench --workspace --bench gate`. One core, medians of CPU time.
//!
//! Exact signed 8×8 array and 24-bit accumulator in FreePDK45, array of 32 rows, bell-shaped weights, ReLU-like activations;
//! the cheaper levels on pictures of clothes. A timed multiply-accumulate is both stages of an element, waveforms, captured and settled results, toggles of every
//! net, and the share of everything else that an inference does.

mod cpu_clock;

use axtrain_sim::array::{
    Accumulator, Dataflow, DrawnErrors, DrawnInference, GateInference, GateSpec, StageSpec, Switching, SystolicArray,
    TransitionInference, Windows,
};
use axtrain_sim::engine::{DelayMode, StaticTiming};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Family, MultiplierSpec, ProductTable};
use axtrain_sim::profile::{Design, TransitionSpec, TransitionTable};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{
    Architecture, Convolution, Dataset, LayerSpec, Network, QuantizedLayer, Quantizer, Requantize, Wiring, pixel_code,
};
use cpu_clock::cpu_seconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const RUNS: usize = 5;

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(run);
}

fn run() {
    let technology = Technology::from_toml(FREEPDK45).expect("the built-in technology reads");
    let spec = MultiplierSpec::new("exact", Family::Array, 8, 8, true).expect("a valid design");
    let design = Design::new(spec.into(), &technology).expect("all cells are there");
    let accumulator = Accumulator::new(24, design.multiplier.coding(), &technology).expect("all cells are there");
    gates(&design, &accumulator);
    levels(&design);
}

fn gates(design: &Design, accumulator: &Accumulator) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let connected = |inputs, outputs| Convolution::connected([inputs, 1, 1], outputs).expect("a geometry");
    let second = Convolution::new([6, 14, 14], 16, [5, 5], [1, 1], [0, 0], 1).expect("a geometry");
    let critical = StaticTiming::with_delays(&accumulator.netlist, &accumulator.physical.delay).critical_delay();
    let array = SystolicArray::new(32, 32, Dataflow::WeightStationary).expect("an array");
    for mode in [DelayMode::Transport, DelayMode::Inertial] {
        let multiplier = StageSpec { netlist: design.multiplier.netlist(), physical: &design.physical };
        let gates = GateInference::new(GateSpec::new(multiplier, accumulator, mode, &array));
        for (name, geometry, images) in [
            ("128 to 64, 511 images a batch", vec![connected(128, 64)], 511),
            ("128 to 64, 256 images a batch", vec![connected(128, 64)], 256),
            ("128 to 64, 64 images a batch", vec![connected(128, 64)], 64),
            ("LeNet-5's second convolution and 1600 to 10, 20 images", vec![second, connected(1600, 10)], 20),
        ] {
            let last = geometry.len() - 1;
            let requantize = |index: usize| (index < last).then(|| Requantize::from_factor(0.002).expect("a factor"));
            let layers = geometry.into_iter().enumerate();
            let layers = layers.map(|(index, geometry)| layer(&mut rng, geometry, requantize(index))).collect();
            let network = Network::new(layers).expect("a network");
            let codes = activations(&mut rng, images * network.inputs());
            let labels = vec![0; images];
            let product = Picoseconds(design.critical().0 * 8 / 10);
            let windows = Windows { product, sum: critical, column: critical };
            let time = median(|| {
                black_box(gates.run(windows, &network, (&codes, &labels), images));
            });
            let rate = network.multiply_accumulates() as f64 * images as f64 / time;
            println!("gate, {mode:?}, {name}: {:.2} M timed multiply-accumulates/s", rate * 1e-6);
        }
    }
}

fn levels(design: &Design) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let windows: Vec<Picoseconds> = [60, 75, 90].map(|share| Picoseconds(design.critical().0 * share / 100)).to_vec();
    let spec = TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding: design.multiplier.coding(),
        activation_bits: 7,
        mode: DelayMode::Inertial,
        windows: &windows,
    };
    let table = TransitionTable::build(spec, &|| ()).expect("operands of 8 bits");
    let perceptron = Architecture::perceptron(784, &[128, 64], 10).expect("a perceptron");
    let lenet = Architecture::new([1, 28, 28], &LayerSpec::lenet5(), 10).expect("LeNet-5");
    let clothes = Dataset::embedded("fashion-mnist").expect("a built-in data set");
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-90..=90)).collect();
    let rough = |a: u32, b: u32| design.product.product(a, b) + noise[(a << 8 | b) as usize];
    let rough = ProductTable::from_fn(8, 8, true, rough);
    for (name, architecture, images) in [("perceptron 784-128-64-10", perceptron, 1024), ("LeNet-5", lenet, 256)] {
        let network = network(&mut rng, &architecture);
        let test = &clothes.test.first(images);
        let codes: Vec<u8> = test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
        let labels = vec![0; images];
        let work = network.multiply_accumulates() as f64 * images as f64;
        for (kind, product) in [("exact table", &design.product), ("table without structure", &rough)] {
            let gemm = TableGemm::new(product);
            let drawn = DrawnInference {
                gemm: &gemm,
                switching: Switching::Tabulated(&table),
                batch: 256,
                accumulator_bits: 24,
                seed: 1,
            };
            let settled = median(|| {
                black_box(drawn.run(&network, &codes, &labels, None));
            });
            println!("{name}, {kind}, table: {:.2} GMAC/s", work / settled * 1e-9);
            let stimuli = DrawnErrors::stimuli(&network, &gemm, &codes, 256).expect("operands");
            let inference = TransitionInference::new(&network, &table, &gemm, (codes.clone(), &labels), 256, 24);
            for errors in table.points() {
                let layers = || network.layers().iter().zip(&stimuli);
                let of_sums: Vec<DrawnErrors> = layers()
                    .map(|(layer, stimulus)| DrawnErrors::of_sums(layer, &table, errors, stimulus, product))
                    .collect();
                let of_products: Vec<DrawnErrors> = layers()
                    .map(|(layer, stimulus)| DrawnErrors::of_products(layer, &table, errors, stimulus))
                    .collect();
                let run = |laws: &[DrawnErrors]| {
                    median(|| {
                        black_box(drawn.run(&network, &codes, &labels, Some(laws)));
                    })
                };
                let (sums, products) = (run(&of_sums), run(&of_products));
                let looked_up = median(|| {
                    black_box(inference.run(errors));
                });
                let found = inference.run(errors);
                let rates = found.error_rate.iter().zip(network.layers());
                let wrong: f64 =
                    rates.map(|(rate, layer)| rate * layer.convolution.multiply_accumulates() as f64).sum();
                println!(
                    "  {:.1} % wrong: profile {:.2} times as long, by product {:.2} GMAC/s, transition {:.2} GMAC/s",
                    wrong / network.multiply_accumulates() as f64 * 100.0,
                    sums / settled,
                    work / products * 1e-9,
                    work / looked_up * 1e-9
                );
            }
        }
    }
}

/// Half of them zero, the others small more often than large.
fn activations(rng: &mut ChaCha8Rng, count: usize) -> Vec<u8> {
    let code = |rng: &mut ChaCha8Rng| if rng.random() { 0 } else { rng.random_range(0..=127 * 127u32) };
    (0..count).map(|_| (127.0 - f64::from(127 * 127 - code(rng)).sqrt()) as u8).collect()
}

fn layer(rng: &mut ChaCha8Rng, convolution: Convolution, requantize: Option<Requantize>) -> QuantizedLayer {
    let weight = |rng: &mut ChaCha8Rng| (0..4).map(|_| rng.random_range(-31..=31)).sum::<i32>() as i8;
    QuantizedLayer {
        name: format!("{convolution:?}"),
        convolution,
        pooling: None,
        weights: (0..convolution.weights()).map(|_| weight(rng)).collect(),
        bias: vec![0; convolution.channels()],
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize,
        channel_requantize: None,
        wiring: Wiring::default(),
        residual_scaling: None,
        quantizer: Quantizer::default(),
    }
}

/// Random weights, scaled so that activations stay in range.
fn network(rng: &mut ChaCha8Rng, architecture: &Architecture) -> Network {
    let layers = architecture.layers();
    let count = layers.len();
    let layers = layers.iter().enumerate().map(|(index, spec)| {
        let factor = 0.02 / (spec.convolution.shape(1).k as f64).sqrt();
        let requantize = (index + 1 < count).then(|| Requantize::from_factor(factor).expect("a factor"));
        QuantizedLayer {
            pooling: spec.pooling,
            name: format!("layer{index}"),
            ..layer(rng, spec.convolution, requantize)
        }
    });
    Network::new(layers.collect()).expect("a network")
}

/// Median CPU time of a run, s.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = cpu_seconds();
            work();
            cpu_seconds() - start
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
