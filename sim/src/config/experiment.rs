//! Experiment files: data, model, training, designs and operating points of one study.

use super::cluster::{Cluster, ClusterFile};
use super::memory_faults::MemoryFaultsFile;
use super::model::{Model, ModelFile};
use super::quantizer::{QuantizerFile, QuantizerSettings};
use super::training::{FAULTY_METHODS, TrainingFile};
use super::{ConfigError, DesignFile, MemoryFaults, Training};
use crate::array::{Compensation, Fidelity};
use crate::memory::Content;
use crate::multiplier::Multiplier;
use crate::technology::{DelayModel, Technology};
use crate::units::Volts;
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// A study: which networks are trained how, for which multipliers, and at which operating points they run.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Name of the run's folder.
    pub name: String,
    /// Name of an embedded data set, or a folder of IDX files.
    pub dataset: String,
    /// Name of an embedded technology, or a file.
    pub technology: String,
    /// Name of an embedded memory technology, or a file.
    pub memory: String,
    /// Name of an embedded array, or a file.
    pub array: String,
    /// The networks' layers.
    pub model: Model,
    /// How their numbers become codes.
    pub quantizer: QuantizerSettings,
    /// How networks are trained.
    pub training: Training,
    /// Where and on what they run.
    pub operation: Operation,
    /// Faults of the weight memory, if it runs at too low a supply.
    pub memory_faults: Option<MemoryFaults>,
    /// Multipliers, in order.
    pub designs: Vec<Multiplier>,
    /// Position in `designs` of the one that all are compared with.
    pub baseline: usize,
    /// Where a sweep's parts run.
    pub cluster: Option<Cluster>,
}

/// Operating conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Supplies, in the order given.
    pub supplies: Vec<Volts>,
    supplies_span: std::ops::Range<usize>,
    /// Clock period, ps; `None` for what the baseline design needs at nominal supply.
    pub clock_ps: Option<f64>,
    /// Process corner of the logic; that of the technology's data if `None`.
    pub corner: Option<String>,
    /// Temperature of the logic, °C; that of the technology's data if `None`.
    pub temperature_c: Option<f64>,
    /// Which delays are simulated; as the technology says if left out.
    pub delay_model: Option<DelayModel>,
    /// Images that stream through each fold.
    pub batch: usize,
    /// Test images used; all if `None`.
    pub images: Option<usize>,
    /// How true to the gates inference is.
    pub fidelity: Fidelity,
    /// What is done to trained networks before they run; every network runs with each.
    pub compensations: Vec<Compensation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    dataset: String,
    technology: String,
    memory: String,
    array: String,
    baseline: Spanned<String>,
    model: Spanned<ModelFile>,
    quantizer: Option<QuantizerFile>,
    training: TrainingFile,
    operation: OperationFile,
    memory_faults: Option<Spanned<MemoryFaultsFile>>,
    designs: Vec<DesignFile>,
    cluster: Option<ClusterFile>,
    /// Read where the sweep is expanded.
    #[serde(rename = "sweep")]
    _sweep: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationFile {
    supply_v: Spanned<Range>,
    clock_ps: Option<Spanned<f64>>,
    corner: Option<String>,
    temperature_c: Option<f64>,
    delay_model: Option<DelayModel>,
    batch: Spanned<usize>,
    images: Option<Spanned<usize>>,
    #[serde(default)]
    fidelity: Fidelity,
    compensations: Option<Spanned<Vec<Spanned<Compensation>>>>,
}

/// A list of numbers, or `"lo:hi:step"` with both ends included.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a number, a list of numbers, or \"lo:hi:step\"")]
pub enum Range {
    /// One number.
    Single(f64),
    /// The numbers themselves.
    List(Vec<f64>),
    /// `"lo:hi:step"`.
    Steps(String),
}

impl Range {
    /// Most numbers a range may stand for.
    const LONGEST: usize = 10_000;

    /// The numbers, in order.
    pub fn values(&self) -> Result<Vec<f64>, String> {
        match self {
            Range::Single(value) => Ok(vec![*value]),
            Range::List(values) if values.is_empty() => Err("the list is empty".into()),
            Range::List(values) => Ok(values.clone()),
            Range::Steps(text) => {
                let parts: Result<Vec<f64>, _> = text.split(':').map(|part| part.trim().parse()).collect();
                let Ok([low, high, step]) = parts.as_deref() else {
                    return Err(format!("\"{text}\" is not lo:hi:step"));
                };
                let count = (high - low) / step;
                if !(count.is_finite() && count >= 0.0 && (count as usize) < Self::LONGEST) {
                    return Err(format!("\"{text}\" makes no steps from {low} to {high}"));
                }
                // The end is included even where the steps do not add up exactly in binary.
                let steps = (count + 1e-6).floor() as usize;
                Ok((0..=steps).map(|index| rounded(low + step * index as f64)).collect())
            }
        }
    }
}

/// Nine decimals: 0.7 + 4 · 0.05 is meant to be 0.9.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

impl Experiment {
    /// Reads and checks an experiment; `methods` are the names of the training methods there are, and paths in it start at
    /// `folder`.
    pub fn from_toml(text: &str, folder: &Path, methods: &[&str]) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text)?;
        let name = file.name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            let help = "use letters, digits, '-', '_' and '.': it names the run's folder";
            return Err(ConfigError::at(file.name.span(), format!("\"{name}\" is no name for a run"), help));
        }
        let model_span = file.model.span();
        let designs: Vec<Multiplier> =
            file.designs.into_iter().map(|design| design.with_gates(folder)).collect::<Result<_, _>>()?;
        for (index, design) in designs.iter().enumerate() {
            let fits = design.width_a() == 8 && design.width_b() == 8 && design.signed();
            if !fits || designs[..index].iter().any(|other| other.name() == design.name()) {
                let message = format!("design {} cannot be used in this experiment", design.name());
                let help = "an experiment needs designs with different names, and signed = true and width = 8, or \
                    format = \"sign-magnitude\" and width = 7 or 8";
                return Err(ConfigError { message, span: None, help: Some(help.into()), other_file: None });
            }
        }
        let wanted = file.baseline.get_ref();
        let baseline = designs.iter().position(|design| design.name() == wanted).ok_or_else(|| {
            let names: Vec<&str> = designs.iter().map(Multiplier::name).collect();
            let help = format!("designs are: {}", names.join(", "));
            ConfigError::at(file.baseline.span(), format!("no design is called \"{wanted}\""), help)
        })?;
        let memory_faults = file.memory_faults.map(|faults| {
            let span = faults.span();
            faults.into_inner().checked(span)
        });
        let memory_faults = memory_faults.transpose()?;
        let faulty = |method: &str| FAULTY_METHODS.contains(&Training::unclipped(method));
        let methods_span = file.training.methods.span();
        if memory_faults.is_none() && file.training.methods.get_ref().iter().any(|name| faulty(name.get_ref())) {
            let help = "add [memory_faults]: it says which cells fail and how weights are stored";
            let message = format!("{} need a memory that fails", FAULTY_METHODS.join(" and "));
            return Err(ConfigError::at(methods_span, message, help));
        }
        let sound_weights = memory_faults.as_ref().is_some_and(|faults| !faults.memories.contains(&Content::Weights));
        if sound_weights && file.training.methods.get_ref().iter().any(|name| faulty(name.get_ref())) {
            let help = "add \"weights\" to memories of [memory_faults], or choose other methods";
            let message = format!("{} train for failing weights", FAULTY_METHODS.join(" and "));
            return Err(ConfigError::at(methods_span, message, help));
        }
        if let (Some(_), Some(list)) = (&memory_faults, &file.operation.compensations) {
            let help =
                "leave out compensations, or [memory_faults]: faults would change what corrections were found for";
            return Err(ConfigError::at(list.span(), "compensation on failing memories is not simulated", help));
        }
        Ok(Self {
            name: file.name.into_inner(),
            dataset: file.dataset,
            technology: file.technology,
            memory: file.memory,
            array: file.array,
            model: file.model.into_inner().checked(model_span)?,
            quantizer: file.quantizer.map_or(Ok(Default::default()), |file| file.checked(memory_faults.is_some()))?,
            training: file.training.checked(methods)?,
            operation: file.operation.checked()?,
            memory_faults,
            designs,
            baseline,
            cluster: file.cluster.map(ClusterFile::checked).transpose()?,
        })
    }

    /// Checks that the technology's law covers every supply.
    pub fn check_supplies(&self, technology: &Technology) -> Result<(), ConfigError> {
        self.training.check_supply(technology)?;
        for &supply in &self.operation.supplies {
            technology.slowdown(supply).map_err(|error| {
                let help = format!("{} is meant for {} to {}", technology.name(), error.minimum, error.maximum);
                ConfigError::at(self.operation.supplies_span.clone(), error.to_string(), help)
            })?;
        }
        Ok(())
    }
}

impl OperationFile {
    fn checked(self) -> Result<Operation, ConfigError> {
        let span = self.supply_v.span();
        Ok(Operation {
            supplies: supplies(self.supply_v)?,
            supplies_span: span,
            clock_ps: self.clock_ps.map(positive).transpose()?,
            corner: self.corner,
            temperature_c: self.temperature_c,
            delay_model: self.delay_model,
            batch: at_least_one(self.batch)?,
            images: self.images.map(at_least_one).transpose()?,
            fidelity: self.fidelity,
            compensations: self.compensations.map_or(Ok(vec![Compensation::default()]), compensations)?,
        })
    }
}

fn compensations(list: Spanned<Vec<Spanned<Compensation>>>) -> Result<Vec<Compensation>, ConfigError> {
    let mut found = Vec::new();
    for compensation in list.get_ref() {
        if found.contains(compensation.get_ref()) {
            let message = format!("\"{}\" a second time", compensation.get_ref());
            return Err(ConfigError::at(compensation.span(), message, "name each compensation once"));
        }
        found.push(*compensation.get_ref());
    }
    match found.is_empty() {
        true => Err(ConfigError::at(list.span(), "no compensations", "leave it out, or name \"none\"")),
        false => Ok(found),
    }
}

/// Supplies as a list means them, all above 0.
pub(super) fn supplies(list: Spanned<Range>) -> Result<Vec<Volts>, ConfigError> {
    let span = list.span();
    let values = list.get_ref().values().map_err(|message| {
        ConfigError::at(span.clone(), message, "for example [0.9, 1.0, 1.1] or \"0.7:1.1:0.05\"")
    })?;
    match values.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
        Some(value) => {
            Err(ConfigError::at(span, format!("a supply of {value} V"), "supplies are positive, in volts"))
        }
        None => Ok(values.into_iter().map(Volts).collect()),
    }
}

pub(super) fn at_least_one(number: Spanned<usize>) -> Result<usize, ConfigError> {
    match *number.get_ref() {
        0 => Err(ConfigError::at(number.span(), "must not be 0", "give a whole number of 1 or more")),
        value => Ok(value),
    }
}

pub(super) fn positive(number: Spanned<f64>) -> Result<f64, ConfigError> {
    let value = *number.get_ref();
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(ConfigError::at(number.span(), format!("{value} is not positive"), "give a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Chips, MemoryAxis};

    const METHODS: [&str; 3] = ["plain", "passive", "random-bit-error"];
    const GOOD: &str = r#"
name = "t"
dataset = "digits"
technology = "freepdk45"
memory = "cacti7-45nm-lstp"
array = "edge-32x32"
baseline = "exact"
[model]
hidden = [16]
[training]
methods = ["plain", "passive"]
seeds = [1, 2]
epochs = 2
batch = 32
learning_rate = 0.003
lambda = 0.003
epsilon = 0.02
[operation]
supply_v = "0.7:1.1:0.1"
batch = 64
[[designs]]
name = "exact"
family = "array"
signed = true
"#;

    #[test]
    fn a_good_file_is_understood() {
        let experiment = Experiment::from_toml(GOOD, Path::new("."), &METHODS).unwrap();
        assert_eq!(experiment.operation.supplies, [0.7, 0.8, 0.9, 1.0, 1.1].map(Volts));
        assert_eq!((experiment.baseline, experiment.designs[0].name()), (0, "exact"));
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let cases = [
            ("name = \"t\"", "name = \"../t\"", "../t"),
            ("[training]", "[quantizer]\nweight_bits = 12\n[training]", "12"),
            ("hidden = [16]", "hidden = [16, 0]", "[16, 0]"),
            ("\"plain\", \"passive\"]", "\"plain\", \"pasive\"]", "pasive"),
            ("\"plain\", \"passive\"]", "\"plain\", \"plain\"]", "plain"),
            ("seeds = [1, 2]", "seeds = []", "[]"),
            ("epochs = 2", "epochs = 0", "0"),
            ("batch = 32", "batch = -1", "-1"),
            ("learning_rate = 0.003", "learning_rate = nan", "nan"),
            ("\"0.7:1.1:0.1\"", "\"0.7:1.1\"", "0.7:1.1"),
            ("\"0.7:1.1:0.1\"", "\"0.7:1.1:0\"", "0.7:1.1:0"),
            ("\"0.7:1.1:0.1\"", "[0.9, 0.0]", "[0.9, 0.0]"),
            ("\"0.7:1.1:0.1\"", "\"0:1:1e-12\"", "0:1:1e-12"),
            ("supply_v", "suply_v", "suply_v"),
            ("batch = 64", "batch = 64\ncompensations = [\"none\", \"gian\"]", "gian"),
            ("batch = 64", "batch = 64\ncompensations = [\"bias\", \"bias\"]", "bias"),
            ("batch = 64", "batch = 64\ncompensations = []", "[]"),
            ("baseline = \"exact\"", "baseline = \"exakt\"", "exakt"),
            ("family = \"array\"", "family = \"arry\"", "arry"),
        ];
        for (from, to, place) in cases {
            assert!(GOOD.contains(from), "{from}");
            let text = GOOD.replacen(from, to, 1);
            let error = Experiment::from_toml(&text, Path::new("."), &METHODS).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
        let unsigned = GOOD.replace("signed = true", "signed = false");
        assert!(
            Experiment::from_toml(&unsigned, Path::new("."), &METHODS)
                .unwrap_err()
                .help
                .unwrap()
                .contains("signed = true")
        );
    }

    const FAULTY: &str = r#"
[memory_faults]
model = "14nm-6t"
vmin_v = 0.7
bit_error_rate = [0.005, 0.01]
chips = 20
[[memory_faults.schemes]]
storage = "sign-magnitude"
[[memory_faults.schemes]]
name = "corrected"
protection = "sec-ded"
word_bits = 32
"#;

    fn faulty() -> String {
        let text = GOOD.replace("\"passive\"]", "\"plain+clip\", \"random-bit-error+clip\"]");
        text.replace("epsilon = 0.02", "epsilon = 0.02\nweight_clip = 0.1\nbit_error_rate = 0.01") + FAULTY
    }

    #[test]
    fn memory_faults_are_understood() {
        let experiment = Experiment::from_toml(&faulty(), Path::new("."), &METHODS).unwrap();
        let faults = experiment.memory_faults.unwrap();
        assert_eq!(faults.axis, MemoryAxis::BitErrorRates(vec![0.005, 0.01]));
        assert_eq!(faults.chips, Chips::Virtual { count: 20, seed: 0 });
        let names: Vec<&str> = faults.schemes.iter().map(crate::memory::Scheme::name).collect();
        assert_eq!(names, ["sign-magnitude", "corrected"]);
        assert_eq!((faults.schemes[1].word_bits(), faults.schemes[1].check_bits()), (32, 7));
        let training = &experiment.training;
        assert_eq!(training.methods, ["plain", "plain+clip", "random-bit-error+clip"]);
        assert_eq!(
            training.methods.iter().map(|m| training.clip(m)).collect::<Vec<_>>(),
            [None, Some(0.1), Some(0.1)]
        );
        let all = Training { methods: vec!["plain".into()], ..training.clone() };
        assert_eq!(all.clip("plain"), Some(0.1), "without a mark all are clipped");
    }

    #[test]
    fn mistakes_about_memories_are_pointed_at() {
        let cases = [
            ("vmin_v = 0.7", "vmin_v = 0.0", "0.0"),
            ("bit_error_rate = [0.005, 0.01]", "bit_error_rate = [0.005, 1.5]", "1.5"),
            ("bit_error_rate = [0.005, 0.01]", "sram_v = [-0.5]", "-0.5"),
            ("bit_error_rate = [0.005, 0.01]", "", "[memory_faults]"),
            ("chips = 20", "chips = 0", "0"),
            ("chips = 20", "", "[memory_faults]"),
            ("chips = 20", "chip_maps = [\"a.npy\"]", "[0.005"),
            ("chips = 20", "chips = 20\nmemories = []", "[]"),
            ("chips = 20", "chips = 20\nmemories = [\"weights\", \"weights\"]", "[\"weights\", \"weights\"]"),
            ("chips = 20", "chips = 20\nmemories = [\"weight\"]", "\"weight\""),
            ("chips = 20", "chip_maps = [\"a.npy\"]\nmemories = [\"activations\"]", "[\"activations\"]"),
            (
                "chips = 20",
                "chips = 20\nmemories = [\"activations\"]",
                "[\"plain\", \"plain+clip\", \"random-bit-error+clip\"]",
            ),
            ("chips = 20", "chips = 20\nyield_share = 1.2", "1.2"),
            ("chips = 20", "chips = 20\naccuracy_loss_points = -1", "-1"),
            ("word_bits = 32", "word_bits = 12", "[[memory_faults.schemes]]"),
            ("protection = \"sec-ded\"", "protection = \"bit-masking\"", "[[memory_faults.schemes]]"),
            ("storage = \"sign-magnitude\"", "storage = \"gray\"", "gray"),
            ("storage = \"sign-magnitude\"", "name = \"corrected\"", "[[memory_faults.schemes]]"),
            ("chips = 20", "chips = 20\nstorage = \"offset\"", "storage"),
            ("bit_error_rate = 0.01\n[operation]", "bit_error_rate = 0.0\n[operation]", "0.0"),
            ("bit_error_rate = 0.01\n[operation]", "[operation]", "random-bit-error+clip"),
            ("weight_clip = 0.1", "", "plain+clip"),
            ("[operation]", "[operation]\ncompensations = [\"bias\"]", "bias"),
        ];
        for (from, to, place) in cases {
            assert!(faulty().contains(from), "{from}");
            let text = faulty().replacen(from, to, 1);
            let error = Experiment::from_toml(&text, Path::new("."), &METHODS).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}, not {place}", &text[span]);
        }
        let text = faulty().replace(FAULTY, "");
        let error = Experiment::from_toml(&text, Path::new("."), &METHODS).unwrap_err();
        assert!(error.help.unwrap().contains("[memory_faults]"));
    }

    #[test]
    fn supplies_beyond_the_law_are_refused_where_they_stand() {
        let technology = Technology::from_toml(include_str!("../../../hwconfigs/technology/freepdk45.toml")).unwrap();
        let text = GOOD.replace("\"0.7:1.1:0.1\"", "[1.1, 0.2]");
        let error =
            Experiment::from_toml(&text, Path::new("."), &METHODS).unwrap().check_supplies(&technology).unwrap_err();
        assert_eq!(&text[error.span.unwrap()], "[1.1, 0.2]");
    }
}
