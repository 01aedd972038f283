//! Accuracy on test images of the real numbers that stored networks were rounded from, beside that of the integers.
//!
//! `cargo run --release -p axtrain-trainer --example real_accuracy -- DATASET WEIGHTS.safetensors …`; the data set is the name of a
//! built-in one or a path. A line a network: its file, and both accuracies in percent.

use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{Dataset, WeightsFile};
use axtrain_trainer::{accuracy, real_accuracy};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("which data set?")?;
    let dataset = match Dataset::embedded(&name) {
        Some(dataset) => dataset,
        None => Dataset::open(Path::new(&name))?,
    };
    let exact = ProductTable::exact(8, 8, true);
    for path in arguments {
        let file = WeightsFile::from_bytes(&std::fs::read(&path)?).map_err(|error| format!("{path}: {error}"))?;
        let real = real_accuracy(&file.network, &file.float, &dataset.test);
        let integers = accuracy(&file.network, &exact, &dataset.test);
        println!("{path}: real {:.2}, integers {:.2}", 100.0 * real, 100.0 * integers);
    }
    Ok(())
}
