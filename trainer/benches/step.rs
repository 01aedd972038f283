//! Training steps: CPU time of one thread.
//!
//! `cargo bench -p axtrain-trainer --bench step`. A unit of work is one step on 64 images of 28×28 pixels: forward, backward,
//! Adam. Medians over the steps of two epochs; preparing the tables is not timed.

#[path = "../../sim/benches/cpu_clock/mod.rs"]
mod cpu_clock;

use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{Architecture, Dataset, LayerSpec};
use axtrain_trainer::{Method, TrainingSpec, train};
use cpu_clock::cpu_seconds;
use std::ops::ControlFlow;

/// Methods that need no memory to train for.
const METHODS: [Method; 9] = [
    Method::Plain,
    Method::PostTraining,
    Method::Active,
    Method::Passive,
    Method::Hybrid,
    Method::TableGradient,
    Method::SharpnessAware,
    Method::AdaptiveSharpnessAware,
    Method::Gaussian,
];

fn main() {
    let mut dataset = Dataset::embedded("fashion-mnist").expect("it is built in");
    dataset.train = dataset.train.first(64 * 40);
    let exact = ProductTable::exact(8, 8, true);
    let truncated = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !7, b & !7));
    let noisy = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) + ((a * 31 + b * 17) % 64) as i32);
    let dense = |outputs| LayerSpec::Dense { outputs };
    for (name, layers) in
        [("LeNet-5", LayerSpec::lenet5()), ("perceptron 784-256-256-10", vec![dense(256), dense(256)])]
    {
        let architecture = Architecture::new([1, 28, 28], &layers, 10).expect("it fits 28×28");
        println!("{name}, ms a step");
        for method in METHODS {
            let mut line = format!("  {:14}", method.name());
            for (table, products) in [("exact", &exact), ("truncated", &truncated), ("unstructured", &noisy)] {
                let milliseconds = step(&architecture, method, &dataset, products) * 1e3;
                line += &format!("  {table} {milliseconds:6.2}");
            }
            println!("{line}");
        }
    }
}

fn step(architecture: &Architecture, method: Method, dataset: &Dataset, table: &ProductTable) -> f64 {
    let spec = TrainingSpec {
        batch: 64,
        epochs: 2,
        warmup_epochs: 0,
        validation_share: 0.0,
        ..TrainingSpec::new(architecture.clone(), method)
    };
    let (mut seconds, mut last) = (Vec::new(), None);
    let observer = &mut |_: &_| {
        let now = cpu_seconds();
        seconds.extend(last.map(|last| now - last));
        last = Some(now);
        ControlFlow::Continue(())
    };
    train(&spec, dataset, table, observer).expect("it trains");
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
