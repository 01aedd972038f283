//! Training steps: CPU time of one thread.
//!
//! `cargo bench -p axtrain-trainer --bench step`. A unit of work is one step on 64 images of 28×28 pixels: forward, backward,
//! Adam. Medians over the steps of two epochs; preparing the tables is not timed. At the end plain training beside PyTorch
//! on one thread, in turns, if the Python named by `AXTRAIN_PYTORCH_PYTHON` (or else `python3`) has it; `-- pytorch` does that
//! alone.

#[path = "../../sim/benches/cpu_clock/mod.rs"]
mod cpu_clock;

use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{Architecture, Dataset, LayerSpec};
use axtrain_trainer::{Method, TrainingSpec, train};
use cpu_clock::cpu_seconds;
use std::ops::ControlFlow;
use std::process::Command;

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
    if !std::env::args().any(|argument| argument == "pytorch") {
        by_method();
    }
    beside_pytorch();
}

/// Medians of PyTorch's steps by network, ms of CPU time.
fn pytorch(steps: usize) -> Option<Vec<(String, f64)>> {
    let python = std::env::var("AXTRAIN_PYTORCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output =
        Command::new(python).args(["-c", include_str!("pytorch.py"), "1", &steps.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|text| !text.is_empty())?;
    let line = |line: &str| {
        let mut parts = line.split('\t');
        Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
    };
    text.lines().map(line).collect()
}

/// Plain training on the exact table, ours on one thread.
fn beside_pytorch() {
    let mut dataset = Dataset::embedded("fashion-mnist").expect("it is built in");
    dataset.train = dataset.train.first(64 * 20);
    let exact = ProductTable::exact(8, 8, true);
    let dense = |outputs| LayerSpec::Dense { outputs };
    let networks = [
        ("LeNet-5", LayerSpec::lenet5()),
        ("perceptron", vec![dense(256), dense(256)]),
        ("VGG-small", LayerSpec::vgg_small()),
        ("ResNet-8", LayerSpec::resnet8()),
    ];
    println!("beside PyTorch, ms of CPU time a step");
    for _ in 0..3 {
        let Some(peers) = pytorch(20) else { return println!("  no PyTorch here") };
        for (name, layers) in &networks {
            let architecture = Architecture::new([1, 28, 28], layers, 10).expect("it fits 28×28");
            let [quantised, real] = [Method::Plain, Method::PostTraining]
                .map(|method| step(&architecture, method, &dataset, &exact) * 1e3);
            let (_, peer) = peers.iter().find(|(peer, _)| peer == name).expect("the same networks");
            let ratio = peer / quantised;
            println!(
                "  {name:10}  ours {quantised:7.2}, on real numbers {real:7.2}; PyTorch {peer:7.2}; ours is {ratio:.2}×"
            );
        }
    }
}

fn by_method() {
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
