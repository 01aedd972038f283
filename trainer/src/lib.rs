//! Networks trained for the arithmetic they will run on.
//!
//! A convolutional network, with or without residuals and batch normalisation, or a perceptron is trained in one of several ways ([`Method`]) for a multiplier that is known
//! by its product table, and comes out as an integer [`Network`](axtrain_sim::workload::Network) for the array:
//!
//! ```
//! use axtrain_sim::multiplier::ProductTable;
//! use axtrain_sim::workload::{Architecture, Dataset, Split};
//! use axtrain_trainer::{Method, TrainingSpec, accuracy, train};
//! use std::ops::ControlFlow;
//!
//! // Two kinds of image: left half bright, right half bright.
//! let pixels: Vec<u8> = (0..64).flat_map(|image| if image % 2 == 0 { [255, 9] } else { [9, 255] }).collect();
//! let split = Split::new(2, pixels, (0..64).map(|image| image % 2).collect());
//! let classes = vec!["left".to_owned(), "right".to_owned()];
//! let dataset =
//!     Dataset { name: "halves".to_owned(), shape: [1, 1, 2], classes, train: split.clone(), test: split };
//!
//! // A multiplier without the lowest four bits of its operands.
//! let truncated = |code: u32| i32::from(code as u8 as i8) >> 4 << 4;
//! let table = ProductTable::from_fn(8, 8, true, |a, b| truncated(a) * truncated(b));
//!
//! let perceptron = Architecture::perceptron(2, &[8], 2)?;
//! let spec = TrainingSpec { batch: 16, learning_rate: 0.03, ..TrainingSpec::new(perceptron, Method::Passive) };
//! let trained = train(&spec, &dataset, &table, &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(accuracy(&trained.network, &table, &dataset.test), 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! While training, activations, weights, biases and accumulators are rounded exactly as integer inference rounds them;
//! gradients pass straight through. A run uses one thread, and depends on its settings and data alone: start several at
//! once to use several cores.
//!
//! Not modelled here: activations around a zero point of their own; after ReLU they begin at 0.

mod augmentation;
mod calibration;
mod checkpoint;
mod curvature;
mod error;
mod export;
mod geometry;
mod method;
mod methods;
mod metrics;
mod network;
mod normalisation;
mod ops;
mod optimizer;
mod pass;
mod quantization;
mod quantizer;
mod real_network;
mod real_product;
mod schedule;
mod spec;
mod table_slopes;
#[cfg(test)]
mod testing;
mod timing;
mod training;

pub use augmentation::Augmentation;
pub use checkpoint::Checkpoint;
pub use curvature::{WeightErrors, expected_increase};
pub use error::{Quantity, TrainError};
pub use method::{Method, UnknownMethod};
pub use metrics::{accuracy, real_accuracy};
pub use optimizer::Optimizer;
pub use quantization::{Granularity, Quantization, RangeEstimator, Scheme};
pub use schedule::Schedule;
pub use spec::{Chips, Estimator, Sensitivity, SensitivityPass, TrainingSpec, WeightFaults, WeightNoise};
pub use timing::{TimingErrors, TimingSampler};
pub use training::{EpochRecord, Progress, Trained, Validation, train, train_from};
