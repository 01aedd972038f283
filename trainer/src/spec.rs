//! What to train, and how.

use crate::augmentation::Augmentation;
use crate::error::TrainError;
use crate::method::Method;
use crate::optimizer::Optimizer;
use crate::quantization::Quantization;
use crate::schedule::Schedule;
use crate::timing::TimingErrors;
use axtrain_sim::memory::{ArrayShape, FaultMap, FaultModel, LayerShape, Scheme, SchemeError, WeightMemory};
use axtrain_sim::workload::{Architecture, Dataset, FloatLayer};
use std::fmt;
use std::sync::Arc;

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
    /// Epochs after these over which noise and regularisers are raised from nothing; none for all at once.
    pub ramp_epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// How gradients move parameters.
    pub optimizer: Optimizer,
    /// Share by which weights are drawn to nothing, as the optimiser understands it.
    pub weight_decay: f32,
    /// The step size at its largest.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Epochs in which it rises evenly first.
    pub rising_epochs: usize,
    /// Share of a target that is spread over all classes.
    pub label_smoothing: f32,
    /// Stop when so many epochs on end have brought no better accuracy on validation images, and take the best epoch's network. Epochs
    /// count from where the method is at its full strength.
    pub patience: Option<usize>,
    /// Weights are confined to ± this after each step (Stutz et al., MLSys 2021: smaller weight ranges make absolute
    /// errors smaller).
    pub weight_clip: Option<f32>,
    /// The regulariser of active and hybrid training.
    pub sensitivity: Sensitivity,
    /// Late products of the multiplier, if it runs at a supply at which there are any.
    pub timing: Option<Arc<TimingErrors>>,
    /// Distance ρ of sharpness-aware training; 0.05 for SAM and 0.5 for ASAM if not given.
    pub sharpness_radius: Option<f32>,
    /// Deviation of the weights' noise in Gaussian training, in units of a layer's largest weight. Noise like the multiplier's
    /// errors comes on top.
    pub weight_noise: f32,
    /// Codes to either side over which the product table is smoothed for its gradient.
    pub table_smoothing: usize,
    /// The memory of random-bit-error and memory-adaptive training.
    pub weight_faults: Option<WeightFaults>,
    /// How numbers become codes.
    pub quantization: Quantization,
    /// How training images are varied.
    pub augmentation: Augmentation,
    /// Training images that the statistics of normalised layers are taken over anew when training is done; without them the
    /// running means of training stay.
    pub statistics_images: usize,
    /// Share of the training images, from the end, that is kept for validation and never trained on.
    pub validation_share: f64,
    /// The parameters that training starts from, a layer each; drawn ones if `None`. Post-training quantisation takes them as they
    /// are.
    pub start: Option<Arc<Vec<FloatLayer>>>,
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
            ramp_epochs: 0,
            batch: 128,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            learning_rate: 3e-3,
            schedule: Schedule::default(),
            rising_epochs: 0,
            label_smoothing: 0.0,
            patience: None,
            weight_clip: None,
            sensitivity: Sensitivity::default(),
            timing: None,
            sharpness_radius: None,
            weight_noise: 0.0,
            table_smoothing: 8,
            weight_faults: None,
            quantization: Quantization::default(),
            augmentation: Augmentation::default(),
            statistics_images: 0,
            validation_share: 0.1,
            start: None,
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
        let warm = matches!(self.method, Method::Plain | Method::PostTraining) || self.warmup_epochs < self.epochs;
        check("warmup_epochs", warm, &self.warmup_epochs, "below epochs, or the method is never used")?;
        check("batch", self.batch > 0, &self.batch, "at least 1")?;
        let rate = self.learning_rate > 0.0 && self.learning_rate <= 1.0;
        check("learning_rate", rate, &self.learning_rate, "above 0 and at most 1")?;
        let clip = self.weight_clip.is_none_or(|clip| positive(clip.into()));
        check("weight_clip", clip, &self.weight_clip, "a positive number")?;
        let normalised = self.architecture.layers().iter().any(|layer| layer.normalised);
        let unclipped = "left out where layers are normalised: normalisation gives weights their scale back";
        check("weight_clip", self.weight_clip.is_none() || !normalised, &self.weight_clip, unclipped)?;
        let layers = self.architecture.layers();
        let fits = |start: &Arc<Vec<FloatLayer>>| {
            let sizes = layers.iter().map(|layer| (layer.convolution.weights(), layer.convolution.channels()));
            start.iter().map(|layer| (layer.weights.len(), layer.bias.len())).eq(sizes)
        };
        let start = self.start.as_ref().is_none_or(|start| fits(start) && !normalised);
        let found = self.start.as_ref().map(|start| start.len());
        check("start", start, &found, "weights and biases of each layer, and layers that are not normalised")?;
        let decay = self.weight_decay.is_finite() && self.weight_decay >= 0.0;
        check("weight_decay", decay, &self.weight_decay, "at least 0")?;
        let (shift, [_, height, width]) = (self.augmentation.shift, dataset.shape);
        let small = shift < height.min(width);
        check("augmentation.shift", small, &shift, &format!("below the sides of images, {height} and {width}"))?;
        if let Optimizer::Sgd { momentum } = self.optimizer {
            check("momentum", (0.0..1.0).contains(&momentum), &momentum, "at least 0 and below 1")?;
        }
        check("sensitivity.lambda", lambda.is_finite() && lambda >= 0.0, &lambda, "at least 0")?;
        check("sensitivity.epsilon", positive(epsilon.into()), &epsilon, "a positive number")?;
        let radius = self.sharpness_radius.is_none_or(|radius| radius.is_finite() && radius >= 0.0);
        check("sharpness_radius", radius, &self.sharpness_radius, "at least 0")?;
        let noise = self.weight_noise.is_finite() && self.weight_noise >= 0.0;
        check("weight_noise", noise, &self.weight_noise, "at least 0")?;
        check("table_smoothing", self.table_smoothing < 128, &self.table_smoothing, "below 128")?;
        self.quantization.validate()?;
        self.check_faults()?;
        check("rising_epochs", self.rising_epochs < self.epochs, &self.rising_epochs, "below epochs")?;
        let smoothing = (0.0..1.0).contains(&self.label_smoothing);
        check("label_smoothing", smoothing, &self.label_smoothing, "at least 0 and below 1")?;
        let patience = self.patience.is_none_or(|patience| patience > 0 && self.validation_share > 0.0);
        check("patience", patience, &self.patience, "at least 1, and needs validation_share above 0")?;
        let share = (0.0..1.0).contains(&self.validation_share);
        check("validation_share", share, &self.validation_share, "at least 0 and below 1")
    }
}

impl TrainingSpec {
    /// Size of each layer's weight matrix.
    pub(crate) fn weight_shapes(&self) -> Vec<LayerShape> {
        self.architecture.layers().iter().map(|layer| layer.convolution.weight_shape()).collect()
    }

    /// Distance of sharpness-aware training.
    pub(crate) fn radius(&self) -> f32 {
        let usual = if self.method == Method::AdaptiveSharpnessAware { 0.5 } else { 0.05 };
        self.sharpness_radius.unwrap_or(usual)
    }

    /// Whether parameters stay as they start: what is quantised after training has been trained.
    pub fn is_trained(&self) -> bool {
        self.start.is_some() && self.method == Method::PostTraining
    }

    /// Whether the method has the memory it needs.
    fn check_faults(&self) -> Result<(), TrainError> {
        let refused =
            |found: String, needed: String| Err(TrainError::Setting { setting: "weight_faults", found, needed });
        let fixed = match (self.method, &self.weight_faults) {
            (Method::RandomBitError | Method::HybridBitError, Some(WeightFaults { chips: Chips::Fresh, .. })) => None,
            (Method::MemoryAdaptive, Some(WeightFaults { chips: Chips::Fixed(chip), .. })) => Some(chip),
            (Method::RandomBitError | Method::HybridBitError, _) => {
                return refused("none with fresh chips".into(), "a memory with fresh chips".into());
            }
            (Method::MemoryAdaptive, _) => {
                return refused("none with a known chip".into(), "a memory with a fixed chip".into());
            }
            _ => return Ok(()),
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

/// The regulariser of active and hybrid training: λ times a sensitivity to errors of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// Weight of the penalty in the loss, λ.
    pub lambda: f32,
    /// Size of the finite difference, in units of σ.
    pub epsilon: f32,
    /// σ of each weight, relative to the others.
    pub noise: WeightNoise,
    /// What is penalised.
    pub estimator: Estimator,
    /// On which arithmetic hybrid training takes it.
    pub pass: SensitivityPass,
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self {
            lambda: 0.003,
            epsilon: 0.02,
            noise: WeightNoise::Absolute,
            estimator: Estimator::GaussNewton,
            pass: SensitivityPass::Noisy,
        }
    }
}

/// Which weights the hardware's errors hit hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightNoise {
    /// All of a layer alike: σ is the layer's largest weight. Memory faults, truncation.
    Absolute,
    /// In proportion: σ_i = |w_i|. Logarithmic and segment multipliers.
    Relative,
    /// As the multiplier trained for errs with each weight.
    Multiplier,
}

/// Which sensitivity is penalised; all cost one direction a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Estimator {
    /// Of the class scores: Σ σ² ‖∂y/∂w‖².
    GaussNewton,
    /// The loss's gradient: Σ σ² (∂L/∂w)².
    GradientNorm,
    /// The loss's curvature: Σ σ² ∂²L/∂w², by Hutchinson's estimate of a trace.
    Hutchinson,
}

impl Estimator {
    /// All estimators.
    pub const ALL: [Estimator; 3] = [Estimator::GaussNewton, Estimator::GradientNorm, Estimator::Hutchinson];
}

/// Where hybrid training takes the sensitivity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SensitivityPass {
    /// At the pass with the hardware's errors.
    Noisy,
    /// At the pass on exact arithmetic.
    Exact,
}
