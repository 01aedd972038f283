//! Why training did not finish.

use crate::method::Method;

/// Why training did not finish.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// A setting contradicts another, or the data.
    #[error("{setting} = {found}; it must be {needed}")]
    Setting {
        /// The field of [`TrainingSpec`](crate::TrainingSpec).
        setting: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        needed: String,
    },
    /// The multiplier's operands do not fit the quantiser's codes.
    #[error("training needs a signed 8×8 multiplier; this one is {} {width_a}×{width_b}", signedness(*.signed))]
    Multiplier {
        /// Bits of an activation.
        width_a: u32,
        /// Bits of a weight.
        width_b: u32,
        /// Whether operands are two's complement.
        signed: bool,
    },
    /// Nothing to train on.
    #[error("of {images} training images, validation_share = {validation_share} leaves none to train on")]
    NoImages {
        /// Training images of the data set.
        images: usize,
        /// Share kept for validation.
        validation_share: f64,
    },
    /// A number overflowed.
    #[error("{quantity} stopped being finite in epoch {epoch}, step {step}: {}", remedy(*.method, *.learning_rate))]
    Diverged {
        /// What became infinite or NaN.
        quantity: Quantity,
        /// Pass over the images, from 1.
        epoch: usize,
        /// Step since the start of training, from 1.
        step: usize,
        /// The method in use.
        method: Method,
        /// The learning rate at the start.
        learning_rate: f64,
    },
    /// A checkpoint of another network, or of more epochs.
    #[error("the checkpoint after {epochs} epochs is not of this run; start without it")]
    Checkpoint {
        /// Its epochs.
        epochs: usize,
    },
    /// The observer asked to stop.
    #[error("training was stopped in epoch {epoch}")]
    Stopped {
        /// Pass over the images, from 1.
        epoch: usize,
    },
}

/// What stopped being finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The loss of a step.
    Loss,
    /// A weight after a step.
    Weight,
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Quantity::Loss => "the loss",
            Quantity::Weight => "a weight",
        })
    }
}

fn signedness(signed: bool) -> &'static str {
    if signed { "signed" } else { "unsigned" }
}

fn remedy(method: Method, learning_rate: f64) -> String {
    let rate = format!("the steps are probably too long; lower learning_rate = {learning_rate}");
    match method {
        Method::Active | Method::Hybrid | Method::HybridBitError => rate + " or sensitivity.lambda",
        Method::SharpnessAware | Method::AdaptiveSharpnessAware => rate + " or sharpness_radius",
        _ => rate,
    }
}
