//! Training methods: what a step minimises.
//!
//! To add one: a file here with a type that implements [`TrainingMethod`], a variant of [`Method`], and
//! its arm in [`build`].

mod active;
mod compensation;
mod hybrid;
mod passive;
mod plain;
mod random_bit_error;
mod sensitivity;

pub(crate) use plain::Plain;

use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::spec::{Chips, Method, TrainingSpec};
use axtrain_sim::kernel::TableGemm;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// What a training method turns a batch into.
pub(crate) trait TrainingMethod {
    /// What to add to each layer's bias before the method's first step, given that step's batch; nothing by default.
    fn bias_corrections(
        &self,
        _network: &RoundedNetwork,
        _batch: &Batch,
        _calibration: &Calibration,
    ) -> Vec<Tensor<1>> {
        Vec::new()
    }

    /// The loss of `batch` on `network`, differentiable down to its parameters. Draws from `rng`, which is seeded anew
    /// for each step; moves the scales of `calibration` with the pass that is to be deployed.
    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        rng: &mut ChaCha8Rng,
    ) -> Objective;
}

/// Images and what they show.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Activations on the grid of pixels, `[batch][features]`.
    pub(crate) images: Tensor<2>,
    /// Ones at the right class, `[batch][classes]`.
    pub(crate) targets: Tensor<2>,
}

/// What a step minimises, and the class scores it computed on the way.
#[derive(Clone, Debug)]
pub(crate) struct Objective {
    /// One number.
    pub(crate) loss: Tensor<1>,
    /// Scores of the pass that is to be deployed, `[batch][classes]`.
    pub(crate) scores: Tensor<2>,
}

/// Exact arithmetic, and the arithmetic to train for.
#[derive(Clone, Debug)]
pub(crate) struct Arithmetic {
    /// The exact multiplier.
    pub(crate) exact: Arc<TableGemm>,
    /// The multiplier of the hardware.
    pub(crate) deployed: Arc<TableGemm>,
}

/// The method that `spec` names.
pub(crate) fn build(spec: &TrainingSpec, arithmetic: &Arithmetic) -> Box<dyn TrainingMethod> {
    let arithmetic = arithmetic.clone();
    match spec.method {
        Method::Plain => Box::new(plain::Plain { gemm: arithmetic.exact }),
        Method::Active => Box::new(active::Active { gemm: arithmetic.exact, sensitivity: spec.sensitivity }),
        Method::Passive => Box::new(passive::Passive { arithmetic }),
        Method::Hybrid => Box::new(hybrid::Hybrid { arithmetic, sensitivity: spec.sensitivity }),
        Method::RandomBitError | Method::MemoryAdaptive => {
            let faults = spec.weight_faults.clone().expect("validated settings");
            let memory = faults.memory(&spec.weight_shapes()).expect("validated settings");
            let gemm = arithmetic.exact;
            match faults.chips.clone() {
                Chips::Fresh => Box::new(random_bit_error::RandomBitError { gemm, memory, faults }),
                Chips::Fixed(chip) => Box::new(random_bit_error::MemoryAdaptive { gemm, memory, chip: *chip }),
            }
        }
    }
}

/// Class scores of a forward pass.
fn scores(trace: &[LayerTrace]) -> Tensor<2> {
    trace.last().expect("a network has layers").output.clone()
}

/// Mean cross-entropy of the scores' softmax.
pub(crate) fn cross_entropy(scores: Tensor<2>, targets: &Tensor<2>) -> Tensor<1> {
    let batch = scores.dims()[0] as f32;
    (log_softmax(scores, 1) * targets.clone()).sum() / -batch
}
