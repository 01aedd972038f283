//! Training methods: what a step minimises.
//!
//! To add one: a file here with a type that implements [`TrainingMethod`], a variant of [`Method`], and
//! its arm in [`build`].

mod active;
mod compensation;
mod gaussian;
mod hardware;
mod hybrid;
mod passive;
mod plain;
mod post_training;
mod random_bit_error;
mod sensitivity;
mod sharpness_aware;

pub(crate) use plain::Plain;
pub(crate) use sensitivity::{Penalty, random_signs};

use crate::calibration::Calibration;
use crate::method::Method;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::spec::{Chips, TrainingSpec};
use crate::table_slopes::TableSlopes;
use crate::timing::TimingErrors;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use hardware::Hardware;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// What a training method turns a batch into.
pub(crate) trait TrainingMethod {
    /// Whether weights are rounded in the forward pass.
    fn rounds_weights(&self) -> bool {
        true
    }

    /// Looks at the network, and at the first batch, before each of the method's epochs; at nothing by default.
    fn begin_epoch(&mut self, _network: &RoundedNetwork, _batch: &Batch, _calibration: &Calibration) {}

    /// What to add to each layer's bias before the method's first step, given that step's batch; nothing by default.
    fn bias_corrections(
        &self,
        _network: &RoundedNetwork,
        _batch: &Batch,
        _calibration: &Calibration,
    ) -> Vec<Tensor<1>> {
        Vec::new()
    }

    /// A pass of `batch` on the arithmetic that the network is to be deployed on, as it is measured when training is done.
    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace>;

    /// The loss of `batch` on `network`, differentiable down to its parameters. Moves the scales of `calibration` with the pass
    /// that is to be deployed.
    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        step: &mut Step,
    ) -> Objective;
}

/// What a step may use besides its batch.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Seeded anew for each step.
    pub(crate) rng: ChaCha8Rng,
    /// How far noise and regularisers have been raised, above 0 to 1.
    pub(crate) strength: f32,
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
    /// Its late products.
    pub(crate) timing: Option<Arc<TimingErrors>>,
}

/// The method that `spec` names, for the multiplier of `table`.
pub(crate) fn build(spec: &TrainingSpec, arithmetic: &Arithmetic, table: &ProductTable) -> Box<dyn TrainingMethod> {
    let exact = arithmetic.exact.clone();
    let hardware = Hardware::new(arithmetic);
    let penalty = || Penalty::new(&spec.sensitivity, table);
    match spec.method {
        Method::Plain => Box::new(plain::Plain { gemm: exact }),
        Method::PostTraining => Box::new(post_training::PostTraining),
        Method::Active => Box::new(active::Active { gemm: exact, penalty: penalty() }),
        Method::Passive => Box::new(passive::Passive { exact, hardware }),
        Method::TableGradient => {
            let slopes = TableSlopes::new(table, spec.table_smoothing);
            Box::new(passive::Passive { exact, hardware: hardware.with_slopes(slopes) })
        }
        Method::Hybrid => Box::new(hybrid::Hybrid { exact, hardware, penalty: penalty(), at: spec.sensitivity.pass }),
        Method::SharpnessAware | Method::AdaptiveSharpnessAware => Box::new(sharpness_aware::SharpnessAware {
            gemm: exact,
            radius: spec.radius(),
            adaptive: spec.method == Method::AdaptiveSharpnessAware,
        }),
        Method::Gaussian => Box::new(gaussian::GaussianNoise::new(arithmetic, spec.weight_noise)),
        Method::RandomBitError | Method::HybridBitError | Method::MemoryAdaptive => {
            let penalty = (spec.method == Method::HybridBitError).then(penalty);
            let faults = spec.weight_faults.clone().expect("validated settings");
            let memory = faults.memory(&spec.weight_shapes()).expect("validated settings");
            match faults.chips.clone() {
                Chips::Fresh => Box::new(random_bit_error::RandomBitError { gemm: exact, memory, faults, penalty }),
                Chips::Fixed(chip) => Box::new(random_bit_error::MemoryAdaptive { gemm: exact, memory, chip: *chip }),
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
