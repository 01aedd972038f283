//! What to train, and how.

use crate::error::TrainError;
use axtrain_sim::memory::{ArrayShape, FaultMap, FaultModel, LayerShape, Scheme, SchemeError, WeightMemory};
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
    /// The memory of random-bit-error and memory-adaptive training.
    pub weight_faults: Option<WeightFaults>,
    /// Share of the training images, from the end, that is kept for validation and never trained on.
    pub validation_share: f64,
    /// Decides initial weights, the order of images, the directions of sensitivity and the chips of each step.
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
            weight_faults: None,
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
        self.check_faults()?;
        let share = (0.0..1.0).contains(&self.validation_share);
        check("validation_share", share, &self.validation_share, "at least 0 and below 1")
    }
}

impl TrainingSpec {
    /// Size of each layer's weight matrix.
    pub(crate) fn weight_shapes(&self) -> Vec<LayerShape> {
        self.architecture.layers().iter().map(|layer| layer.convolution.weight_shape()).collect()
    }

    /// Whether the method has the memory it needs.
    fn check_faults(&self) -> Result<(), TrainError> {
        let refused =
            |found: String, needed: String| Err(TrainError::Setting { setting: "weight_faults", found, needed });
        let fixed = match (self.method, &self.weight_faults) {
            (Method::RandomBitError, Some(WeightFaults { chips: Chips::Fresh, .. })) => None,
            (Method::MemoryAdaptive, Some(WeightFaults { chips: Chips::Fixed(chip), .. })) => Some(chip),
            (Method::RandomBitError, _) => {
                return refused("none with fresh chips".into(), "a memory with fresh chips".into());
            }
            (Method::MemoryAdaptive, _) => {
                return refused("none with a known chip".into(), "a memory with a fixed chip".into());
            }
            (Method::Plain | Method::Active | Method::Passive | Method::Hybrid, _) => return Ok(()),
        };
        let faults = self.weight_faults.as_ref().expect("matched above");
        let rate = faults.bit_error_rate;
        if !(rate > 0.0 && rate < 1.0) {
            return refused(format!("a bit-error rate of {rate}"), "a probability above 0 and below 1".into());
        }
        match faults.memory(&self.weight_shapes()) {
            Err(error) => refused(error.to_string(), "a memory that can be laid out".into()),
            Ok(memory) => match fixed.filter(|chip| chip.geometry() != memory.geometry()) {
                Some(chip) => {
                    refused(format!("a chip of {}", chip.geometry()), format!("one of {}", memory.geometry()))
                }
                None => Ok(()),
            },
        }
    }
}

/// Memory cells that fail while weights are read.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFaults {
    /// How cells fail.
    pub model: FaultModel,
    /// How weights are stored and protected.
    pub scheme: Scheme,
    /// Capacity of the weight memory, bytes of weights.
    pub memory_bytes: u64,
    /// The array it feeds.
    pub array: ArrayShape,
    /// Share of weak cells while training.
    pub bit_error_rate: f64,
    /// On which chips.
    pub chips: Chips,
}

/// Whose faults are trained with.
#[derive(Clone, Debug, PartialEq)]
pub enum Chips {
    /// A new chip each step.
    Fresh,
    /// Always this one.
    Fixed(Box<FaultMap>),
}

impl WeightFaults {
    /// The memory with the weights of layers of these shapes in it.
    pub fn memory(&self, shapes: &[LayerShape]) -> Result<WeightMemory, SchemeError> {
        WeightMemory::new(self.scheme.clone(), self.memory_bytes, self.model.rows(), self.array, shapes)
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
    /// Faults of memory cells in the forward pass, of a new chip each step.
    RandomBitError,
    /// The faults of one chip in the forward pass.
    MemoryAdaptive,
}

impl Method {
    /// All methods, from the simplest.
    pub const ALL: [Method; 6] = [
        Method::Plain,
        Method::Active,
        Method::Passive,
        Method::Hybrid,
        Method::RandomBitError,
        Method::MemoryAdaptive,
    ];

    /// The name configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Method::Plain => "plain",
            Method::Active => "active",
            Method::Passive => "passive",
            Method::Hybrid => "hybrid",
            Method::RandomBitError => "random-bit-error",
            Method::MemoryAdaptive => "memory-adaptive",
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
#[error(
    "there is no training method {name:?}; choose plain, active, passive, hybrid, random-bit-error or memory-adaptive"
)]
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
