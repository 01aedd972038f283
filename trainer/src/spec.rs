//! What to train, and how.

use crate::error::TrainError;
use axtrain_sim::workload::{Architecture, Dataset};
use std::fmt;
use std::str::FromStr;

/// Everything that decides a training run besides its data and its multiplier.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSpec {
    /// Shapes of the layers, from the data set's images to its classes.
    pub architecture: Architecture,
    /// What each step minimises.
    pub method: Method,
    /// Passes over the training images.
    pub epochs: usize,
    /// The first of them, in which every method trains plainly: errors and regularisers hinder a network that knows
    /// nothing yet.
    pub warmup_epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Adam's step size at the start; it falls to zero along a cosine.
    pub learning_rate: f64,
    /// Weights are confined to ± this after each step (Stutz et al., MLSys 2021: smaller weight ranges make absolute
    /// errors smaller).
    pub weight_clip: Option<f32>,
    /// The regulariser of active and hybrid training.
    pub sensitivity: Sensitivity,
    /// Share of the training images, from the end, that is kept for validation and never trained on.
    pub validation_share: f64,
    /// Decides initial weights, the order of images and the directions of sensitivity.
    pub seed: u64,
}

impl TrainingSpec {
    /// Settings that work on images of clothes or digits; six epochs on 8,000 of them take seconds.
    pub fn new(architecture: Architecture, method: Method) -> Self {
        Self {
            architecture,
            method,
            epochs: 6,
            warmup_epochs: 1,
            batch: 128,
            learning_rate: 3e-3,
            weight_clip: None,
            sensitivity: Sensitivity::default(),
            validation_share: 0.1,
            seed: 0,
        }
    }

    /// Checks the settings against each other and against `dataset`.
    pub(crate) fn validate(&self, dataset: &Dataset) -> Result<(), TrainError> {
        let (features, classes) = (dataset.train.features(), dataset.classes.len());
        let first = self.architecture.layers()[0].convolution;
        let Sensitivity { lambda, epsilon, .. } = self.sensitivity;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let check = |setting, holds, found: &dyn fmt::Debug, needed: &str| match holds {
            true => Ok(()),
            false => Err(TrainError::Setting { setting, found: format!("{found:?}"), needed: needed.to_owned() }),
        };
        let images = if first.is_connected() { first.inputs() == features } else { first.input() == dataset.shape };
        let fits = images && self.architecture.classes() == classes;
        let needed = format!("for images of {:?} and {classes} classes, as in {}", dataset.shape, dataset.name);
        check("architecture", fits, &self.architecture.to_string(), &needed)?;
        check("epochs", self.epochs > 0, &self.epochs, "at least 1")?;
        let warm = self.method == Method::Plain || self.warmup_epochs < self.epochs;
        check("warmup_epochs", warm, &self.warmup_epochs, "below epochs, or the method is never used")?;
        check("batch", self.batch > 0, &self.batch, "at least 1")?;
        let rate = self.learning_rate > 0.0 && self.learning_rate <= 1.0;
        check("learning_rate", rate, &self.learning_rate, "above 0 and at most 1")?;
        let clip = self.weight_clip.is_none_or(|clip| positive(clip.into()));
        check("weight_clip", clip, &self.weight_clip, "a positive number")?;
        check("sensitivity.lambda", lambda.is_finite() && lambda >= 0.0, &lambda, "at least 0")?;
        check("sensitivity.epsilon", positive(epsilon.into()), &epsilon, "a positive number")?;
        let share = (0.0..1.0).contains(&self.validation_share);
        check("validation_share", share, &self.validation_share, "at least 0 and below 1")
    }
}

/// How a network is made to bear the hardware's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Quantisation-aware training on exact arithmetic.
    Plain,
    /// Plain, and a penalty on how far errors of the weights move the class scores.
    Active,
    /// The multiplier's errors in the forward pass; their mean is taken out by the biases first.
    Passive,
    /// Active and passive.
    Hybrid,
}

impl Method {
    /// All methods, from the simplest.
    pub const ALL: [Method; 4] = [Method::Plain, Method::Active, Method::Passive, Method::Hybrid];

    /// The name configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Method::Plain => "plain",
            Method::Active => "active",
            Method::Passive => "passive",
            Method::Hybrid => "hybrid",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Not the name of a training method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no training method {name:?}; choose plain, active, passive or hybrid")]
pub struct UnknownMethod {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let method = Method::ALL.into_iter().find(|method| method.name() == name);
        method.ok_or_else(|| UnknownMethod { name: name.to_owned() })
    }
}

/// The penalty on the movement of class scores: λ Σ_i σ_i² ‖∂y/∂w_i‖².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// Weight of the penalty in the loss, λ.
    pub lambda: f32,
    /// Size of the finite difference, in units of σ.
    pub epsilon: f32,
    /// σ of each weight, relative to the others.
    pub noise: WeightNoise,
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self { lambda: 0.003, epsilon: 0.02, noise: WeightNoise::Absolute }
    }
}

/// Which weights the hardware's errors hit hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightNoise {
    /// All of a layer alike: σ is the layer's largest weight. Memory faults, truncation.
    Absolute,
    /// In proportion: σ_i = |w_i|. Logarithmic and segment multipliers.
    Relative,
}
