//! Training settings of an experiment.

use super::ConfigError;
use super::experiment::{at_least_one, positive};
use super::training_kinds::{
    AugmentKind, NoiseKind, OptimizerKind, ScheduleKind, SensitivityKind, SensitivityPlace, TimingDraws,
};
use crate::technology::Technology;
use crate::units::Volts;
use crate::workload::InputNormalisation;
use serde::Deserialize;
use toml::Spanned;

/// Training settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Names of the training methods.
    pub methods: Vec<String>,
    /// One network is trained for each.
    pub seeds: Vec<u64>,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// How gradients move parameters.
    pub optimizer: OptimizerKind,
    /// Share of the last step that is taken again, of `sgd`.
    pub momentum: f64,
    /// Share by which weights are drawn to nothing.
    pub weight_decay: f64,
    /// Largest step size.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: ScheduleKind,
    /// Epochs in which it rises first.
    pub rising_epochs: usize,
    /// Share of a target that is spread over all classes.
    pub label_smoothing: f64,
    /// Epochs without a better accuracy on validation images after which training stops; the best epoch's network is kept. Never, and
    /// the last one, if `None`.
    pub patience: Option<usize>,
    /// Epochs before noise and regularisation set in.
    pub clean_epochs: usize,
    /// Epochs after these over which noise and regularisation are raised from nothing.
    pub ramp_epochs: usize,
    /// Weight of the sensitivity term of active training.
    pub lambda: f64,
    /// Size of the weight perturbation of active training, relative to the layer's range.
    pub epsilon: f64,
    /// Which sensitivity active training penalises.
    pub sensitivity: SensitivityKind,
    /// Which weights active training takes to be hit hardest.
    pub sensitivity_noise: NoiseKind,
    /// On which arithmetic hybrid training takes the sensitivity.
    pub sensitivity_at: SensitivityPlace,
    /// Distance of sharpness-aware training; each method's own if `None`.
    pub sharpness_radius: Option<f64>,
    /// Deviation of the weights' noise in Gaussian training, relative to the layer's range; matched to `bit_error_rate` if `None`.
    pub weight_noise: Option<f64>,
    /// Codes to either side over which table gradients are smoothed.
    pub table_smoothing: usize,
    /// Supply whose late products are trained with, if any are.
    pub supply: Option<Volts>,
    pub(super) supply_span: std::ops::Range<usize>,
    /// How errors of late products are drawn.
    pub timing_errors: TimingDraws,
    /// Largest weight magnitude, if weights are clipped.
    pub weight_clip: Option<f64>,
    /// Failure probability of memory cells in random-bit-error and memory-adaptive training.
    pub bit_error_rate: Option<f64>,
    /// How training images are varied.
    pub augment: Vec<AugmentKind>,
    /// Pixels by which they are moved at most, if they are.
    pub shift_pixels: usize,
    /// Training images that statistics of normalised layers are taken over when training is done; running means if `None`.
    pub statistics_images: Option<usize>,
    /// Training images used; all if `None`.
    pub images: Option<usize>,
    /// File with the weights that training starts from, as written; drawn ones if `None`.
    pub start: Option<Spanned<String>>,
    /// Which layers of that file are the network's; found by shape if `None`.
    pub start_layers: Option<Vec<String>>,
    /// What its inputs were normalised by, if they were.
    pub start_input: Option<InputNormalisation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingFile {
    pub(super) methods: Spanned<Vec<Spanned<String>>>,
    seeds: Spanned<Vec<u64>>,
    epochs: Spanned<usize>,
    batch: Spanned<usize>,
    #[serde(default)]
    optimizer: OptimizerKind,
    momentum: Option<Spanned<f64>>,
    weight_decay: Option<Spanned<f64>>,
    learning_rate: Spanned<f64>,
    #[serde(default)]
    schedule: ScheduleKind,
    rising_epochs: Option<Spanned<usize>>,
    label_smoothing: Option<Spanned<f64>>,
    patience: Option<Spanned<usize>>,
    #[serde(default)]
    clean_epochs: usize,
    #[serde(default)]
    ramp_epochs: usize,
    lambda: Option<Spanned<f64>>,
    epsilon: Option<Spanned<f64>>,
    #[serde(default)]
    sensitivity: SensitivityKind,
    #[serde(default)]
    sensitivity_noise: NoiseKind,
    #[serde(default)]
    sensitivity_at: SensitivityPlace,
    sharpness_radius: Option<Spanned<f64>>,
    weight_noise: Option<Spanned<f64>>,
    table_smoothing: Option<Spanned<usize>>,
    supply_v: Option<Spanned<f64>>,
    #[serde(default)]
    timing_errors: TimingDraws,
    weight_clip: Option<Spanned<f64>>,
    bit_error_rate: Option<Spanned<f64>>,
    #[serde(default)]
    augment: Vec<AugmentKind>,
    shift_pixels: Option<Spanned<usize>>,
    statistics_images: Option<Spanned<usize>>,
    images: Option<Spanned<usize>>,
    start: Option<Spanned<String>>,
    start_layers: Option<Spanned<Vec<String>>>,
    input_mean: Option<Spanned<OfChannels>>,
    input_std: Option<Spanned<OfChannels>>,
}

/// A number for all channels, or one each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a number, or a list of one a channel")]
enum OfChannels {
    One(f64),
    Each(Vec<f64>),
}

impl OfChannels {
    fn checked(this: Option<Spanned<Self>>, usual: f64, is_right: fn(f64) -> bool) -> Result<Vec<f64>, ConfigError> {
        let Some(this) = this else { return Ok(vec![usual]) };
        let span = this.span();
        let values = match this.into_inner() {
            Self::One(value) => vec![value],
            Self::Each(values) => values,
        };
        match values.iter().find(|value| !is_right(**value)) {
            None if !values.is_empty() => Ok(values),
            wrong => {
                let message = wrong.map_or("no numbers".to_owned(), |value| format!("{value} normalises nothing"));
                let help = "images were normalised as (x − input_mean) / input_std, x from 0 to 1: a mean and a \
                    positive deviation for all channels, or a list with one a channel";
                Err(ConfigError::at(span, message, help))
            }
        }
    }
}

/// The training methods that need to know how cells fail.
pub(super) const FAULTY_METHODS: [&str; 3] = ["random-bit-error", "hybrid-bit-error", "memory-adaptive"];
/// What a method's name ends in if its weights are clipped and others' are not.
const CLIPPED: &str = "+clip";

impl Training {
    /// The method without the mark that its weights are clipped.
    pub fn unclipped(method: &str) -> &str {
        method.strip_suffix(CLIPPED).unwrap_or(method)
    }

    /// Largest weight magnitude of a method: `weight_clip` for those that end in `+clip`, or for all if none does.
    pub fn clip(&self, method: &str) -> Option<f64> {
        let marked = self.methods.iter().any(|method| method.ends_with(CLIPPED));
        self.weight_clip.filter(|_| !marked || method.ends_with(CLIPPED))
    }

    /// Everything here that determines the networks of a method, as text: equal settings have equal texts.
    pub fn identity(&self, method: &str) -> String {
        let Self { epochs, batch, learning_rate, clean_epochs, ramp_epochs, images, .. } = self;
        let base = Self::unclipped(method);
        let clip = self.clip(method);
        let mut text = format!("{base} {epochs} {batch} {learning_rate} {clean_epochs} {images:?} {clip:?}");
        let Self { schedule, rising_epochs, label_smoothing, patience, .. } = self;
        text += &format!(" {schedule:?} {rising_epochs} {label_smoothing} {patience:?}");
        let Self { optimizer, momentum, weight_decay, augment, statistics_images, .. } = self;
        if *optimizer != OptimizerKind::Adam || *weight_decay != 0.0 {
            text += &format!(" {optimizer:?} {momentum} {weight_decay}");
        }
        if !augment.is_empty() {
            text += &format!(" {augment:?} {}", self.shift_pixels);
        }
        if let Some(images) = statistics_images {
            text += &format!(" statistics {images}");
        }
        if base != "plain" && base != "post-training" {
            text += &format!(" ramp {ramp_epochs}");
        }
        match base {
            "active" | "hybrid" | "hybrid-bit-error" => {
                let Self { lambda, epsilon, sensitivity, sensitivity_noise, sensitivity_at, .. } = self;
                text += &format!(" {lambda} {epsilon} {sensitivity:?} {sensitivity_noise:?} {sensitivity_at:?}");
            }
            "sam" | "asam" => text += &format!(" {:?}", self.sharpness_radius),
            "gaussian" => text += &format!(" {:?}", self.gaussian_weight_noise()),
            "table-gradient" => text += &format!(" {}", self.table_smoothing),
            _ => {}
        }
        if FAULTY_METHODS.contains(&base) {
            text += &format!(" {:?}", self.bit_error_rate);
        }
        text
    }

    /// Deviation of the weights' noise in Gaussian training, relative to the layer's largest weight: as set, or that of flips of
    /// two's-complement bits at `bit_error_rate`, which move a weight of ±127 by 2^b each.
    pub fn gaussian_weight_noise(&self) -> f64 {
        let squares: f64 = (0..8).map(|bit| 4f64.powi(bit)).sum();
        let matched = |rate: f64| (rate * squares).sqrt() / 127.0;
        self.weight_noise.unwrap_or(self.bit_error_rate.map_or(0.0, matched))
    }

    /// Whether networks of a method differ with the multiplier they are trained for.
    pub fn depends_on_multiplier(&self, method: &str) -> bool {
        match Self::unclipped(method) {
            "active" | "hybrid-bit-error" => self.sensitivity_noise == NoiseKind::Multiplier,
            base => Self::has_multiplier_errors(base),
        }
    }

    /// Whether a method trains with the errors of the multiplier, late products included.
    pub fn has_multiplier_errors(method: &str) -> bool {
        matches!(Self::unclipped(method), "passive" | "hybrid" | "table-gradient" | "gaussian")
    }

    /// Whether networks of a method differ with the memory they are trained for.
    pub fn depends_on_memory(method: &str) -> bool {
        FAULTY_METHODS.contains(&Self::unclipped(method))
    }

    /// Checks that the technology's law covers the supply trained for.
    pub(super) fn check_supply(&self, technology: &Technology) -> Result<(), ConfigError> {
        let Some(supply) = self.supply else { return Ok(()) };
        technology.slowdown(supply).map(drop).map_err(|error| {
            let help = format!("{} is meant for {} to {}", technology.name(), error.minimum, error.maximum);
            ConfigError::at(self.supply_span.clone(), error.to_string(), help)
        })
    }
}

impl TrainingFile {
    pub(super) fn checked(self, known: &[&str]) -> Result<Training, ConfigError> {
        let list = |span, what: &str| {
            ConfigError::at(span, format!("no {what}"), format!("give one of the {what} at least"))
        };
        if self.methods.get_ref().is_empty() {
            return Err(list(self.methods.span(), "methods"));
        }
        let mut methods: Vec<String> = Vec::new();
        for method in self.methods.get_ref() {
            let name = method.get_ref();
            if !known.contains(&Training::unclipped(name)) || methods.contains(name) {
                let help = format!("methods are: {}; each at most once, perhaps with {CLIPPED}", known.join(", "));
                return Err(ConfigError::at(method.span(), format!("\"{name}\" is not another method"), help));
            }
            if name.ends_with(CLIPPED) && self.weight_clip.is_none() {
                let help = "set training.weight_clip, for example to 0.1";
                return Err(ConfigError::at(method.span(), format!("\"{name}\" has nothing to clip to"), help));
            }
            if FAULTY_METHODS.contains(&Training::unclipped(name)) && self.bit_error_rate.is_none() {
                let help = "set training.bit_error_rate, for example to 0.01";
                return Err(ConfigError::at(method.span(), format!("\"{name}\" has no errors to train with"), help));
            }
            methods.push(name.clone());
        }
        let mut seeds = self.seeds.get_ref().clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.is_empty() || seeds.len() != self.seeds.get_ref().len() {
            return Err(ConfigError::at(
                self.seeds.span(),
                "seeds must differ, one at least",
                "for example seeds = [1, 2, 3]",
            ));
        }
        let epochs = at_least_one(self.epochs)?;
        let rising_epochs = match self.rising_epochs {
            Some(rising) if *rising.get_ref() >= epochs => {
                let message = format!("{} epochs to rise in, of {epochs}", rising.get_ref());
                return Err(ConfigError::at(rising.span(), message, "give fewer than training.epochs"));
            }
            rising => rising.map_or(0, Spanned::into_inner),
        };
        let momentum = match self.momentum {
            Some(momentum) if self.optimizer != OptimizerKind::Sgd => {
                let help = "set optimizer = \"sgd\", or leave momentum out";
                return Err(ConfigError::at(momentum.span(), "only sgd has a momentum to set", help));
            }
            momentum => momentum.map_or(Ok(0.0), probability)?,
        };
        let mut augment = self.augment;
        augment.sort_unstable();
        augment.dedup();
        let shift_pixels = match self.shift_pixels {
            Some(shift) if !augment.contains(&AugmentKind::Shift) => {
                let help = "add \"shift\" to training.augment, or leave shift_pixels out";
                return Err(ConfigError::at(shift.span(), "images are not shifted", help));
            }
            shift => shift.map_or(Ok(2), at_least_one)?,
        };
        if let (None, Some(layers)) = (&self.start, &self.start_layers) {
            let help = "name the file with training.start, or leave start_layers out";
            return Err(ConfigError::at(layers.span(), "there is no file of which these are layers", help));
        }
        if let (None, Some(span)) =
            (&self.start, self.input_mean.as_ref().or(self.input_std.as_ref()).map(Spanned::span))
        {
            let help = "name the file with training.start, or leave input_mean and input_std out";
            return Err(ConfigError::at(span, "there is no file whose inputs were normalised", help));
        }
        let is_normalised = self.input_mean.is_some() || self.input_std.is_some();
        let start_input = InputNormalisation {
            mean: OfChannels::checked(self.input_mean, 0.0, f64::is_finite)?,
            deviation: OfChannels::checked(self.input_std, 1.0, |value| value.is_finite() && value > 0.0)?,
        };
        Ok(Training {
            methods,
            seeds: self.seeds.into_inner(),
            epochs,
            batch: at_least_one(self.batch)?,
            optimizer: self.optimizer,
            momentum,
            weight_decay: self.weight_decay.map_or(Ok(0.0), positive)?,
            learning_rate: positive(self.learning_rate)?,
            schedule: self.schedule,
            rising_epochs,
            label_smoothing: self.label_smoothing.map_or(Ok(0.0), probability)?,
            patience: self.patience.map(at_least_one).transpose()?,
            clean_epochs: self.clean_epochs,
            ramp_epochs: self.ramp_epochs,
            lambda: self.lambda.map_or(Ok(0.003), positive)?,
            epsilon: self.epsilon.map_or(Ok(0.02), positive)?,
            sensitivity: self.sensitivity,
            sensitivity_noise: self.sensitivity_noise,
            sensitivity_at: self.sensitivity_at,
            sharpness_radius: self.sharpness_radius.map(positive).transpose()?,
            weight_noise: self.weight_noise.map(positive).transpose()?,
            table_smoothing: self.table_smoothing.map_or(Ok(8), smoothing)?,
            supply_span: self.supply_v.as_ref().map_or(0..0, Spanned::span),
            supply: self.supply_v.map(positive).transpose()?.map(Volts),
            timing_errors: self.timing_errors,
            weight_clip: self.weight_clip.map(positive).transpose()?,
            bit_error_rate: self.bit_error_rate.map(probability).transpose()?,
            augment,
            shift_pixels,
            statistics_images: self.statistics_images.map(at_least_one).transpose()?,
            images: self.images.map(at_least_one).transpose()?,
            start: self.start,
            start_layers: self.start_layers.map(Spanned::into_inner),
            start_input: is_normalised.then_some(start_input),
        })
    }
}

fn smoothing(number: Spanned<usize>) -> Result<usize, ConfigError> {
    let value = *number.get_ref();
    if value < 128 {
        return Ok(value);
    }
    Err(ConfigError::at(number.span(), format!("{value} codes are too many"), "give a whole number below 128"))
}

fn probability(number: Spanned<f64>) -> Result<f64, ConfigError> {
    let value = *number.get_ref();
    if value > 0.0 && value < 1.0 {
        return Ok(value);
    }
    Err(ConfigError::at(number.span(), format!("{value} is no share"), "give a number above 0 and below 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["plain", "active", "passive", "gaussian", "sam", "random-bit-error"];

    fn text(more: &str) -> String {
        let methods = "methods = [\"plain\", \"active\", \"passive\", \"gaussian\", \"sam\"]";
        format!("{methods}\nseeds = [1]\nepochs = 2\nbatch = 8\nlearning_rate = 0.1\n{more}")
    }

    fn training(more: &str) -> Result<Training, ConfigError> {
        let file: TrainingFile = toml::from_str(&text(more))?;
        file.checked(&NAMES)
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let usual = training("").unwrap();
        assert_eq!((usual.lambda, usual.epsilon, usual.ramp_epochs, usual.table_smoothing), (0.003, 0.02, 0, 8));
        assert_eq!((usual.schedule, usual.rising_epochs, usual.patience), (ScheduleKind::Cosine, 0, None));
        assert_eq!((usual.sensitivity, usual.supply), (SensitivityKind::GaussNewton, None));
        assert_eq!(usual.gaussian_weight_noise(), 0.0);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (line, place) in [
            ("sensitivity = \"newton\"", "\"newton\""),
            ("sensitivity_noise = \"none\"", "\"none\""),
            ("sensitivity_at = \"clean\"", "\"clean\""),
            ("timing_errors = \"none\"", "\"none\""),
            ("sharpness_radius = -1.0", "-1.0"),
            ("weight_noise = nan", "nan"),
            ("table_smoothing = 128", "128"),
            ("supply_v = 0", "0"),
            ("ramp_epochs = -1", "-1"),
            ("schedule = \"linear\"", "\"linear\""),
            ("rising_epochs = 2", "2"),
            ("label_smoothing = 1.0", "1.0"),
            ("patience = 0", "0"),
            ("optimizer = \"lbfgs\"", "\"lbfgs\""),
            ("momentum = 0.9", "0.9"),
            ("optimizer = \"sgd\"\nmomentum = 1.0", "1.0"),
            ("weight_decay = -0.1", "-0.1"),
            ("start_layers = [\"fc\"]", "[\"fc\"]"),
            ("input_mean = 0.5", "0.5"),
            ("input_std = [0.5]", "[0.5]"),
            ("start = \"a\"\ninput_std = 0.0", "0.0"),
            ("start = \"a\"\ninput_std = [0.5, -1.0]", "[0.5, -1.0]"),
            ("start = \"a\"\ninput_mean = nan", "nan"),
            ("start = \"a\"\ninput_mean = []", "[]"),
            ("start = \"a\"\ninput_mean = \"half\"", "\"half\""),
            ("augment = [\"rotate\"]", "\"rotate\""),
            ("augment = [\"flip\"]\nshift_pixels = 3", "3"),
            ("statistics_images = 0", "0"),
        ] {
            let (text, error) = (text(line), training(line).unwrap_err());
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
    }

    /// Σ 4^b over eight bits is 21,845: at one flip in a hundred bits the square of a step is 218.45 of 127².
    #[test]
    fn noise_of_weights_is_matched_to_flips_of_bits() {
        let matched = training("bit_error_rate = 0.01").unwrap().gaussian_weight_noise();
        assert!((matched - 218.45f64.sqrt() / 127.0).abs() < 1e-12);
        assert_eq!(training("bit_error_rate = 0.01\nweight_noise = 0.2").unwrap().gaussian_weight_noise(), 0.2);
    }

    #[test]
    fn networks_are_told_apart_by_the_settings_of_their_method_alone() {
        let (usual, other) = (training("").unwrap(), training("lambda = 0.01\nsharpness_radius = 0.2").unwrap());
        let changed = |method: &str| usual.identity(method) != other.identity(method);
        assert_eq!(["plain", "passive", "active", "sam"].map(changed), [false, false, true, true]);
        for more in [
            "optimizer = \"adamw\"",
            "optimizer = \"sgd\"\nmomentum = 0.9",
            "weight_decay = 0.01",
            "augment = [\"shift\"]",
            "augment = [\"flip\", \"shift\"]\nshift_pixels = 1",
            "statistics_images = 512",
        ] {
            assert_ne!(training(more).unwrap().identity("plain"), usual.identity("plain"), "{more}");
        }
        let dependent = training("sensitivity_noise = \"multiplier\"").unwrap();
        let depends = |training: &Training| NAMES.map(|method| training.depends_on_multiplier(method));
        assert_eq!(depends(&usual), [false, false, true, true, false, false]);
        assert_eq!(depends(&dependent), [false, true, true, true, false, false]);
    }
}
