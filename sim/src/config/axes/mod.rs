//! Axes of a sweep: lists in an experiment where one value is expected.
//!
//! An axis is expanded in the text, not in the values, so that every variation is an experiment of its own with comments and
//! places of its own, and whatever reads experiments reads variations.

mod sampling;

use super::ConfigError;
pub use sampling::Halving;
use sampling::{Sampling, SamplingFile, hypercube};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Lists that one experiment takes as they are; there, an axis is a list of lists.
const LISTS: &[&str] = &[
    "designs",
    "designs.width",
    "model.hidden",
    "model.layers",
    "model.layers.kernel",
    "model.layers.padding",
    "model.layers.stride",
    "model.layers.window",
    "training.augment",
    "training.input_mean",
    "training.input_std",
    "training.methods",
    "training.start_layers",
    "training.seeds",
    "operation.supply_v",
    "operation.compensations",
    "memory_faults.memories",
    "memory_faults.sram_v",
    "memory_faults.bit_error_rate",
    "memory_faults.chip_maps",
    "memory_faults.schemes",
];

/// Tables that say how to sweep, not what: no axes in them.
const SETTINGS: [&str; 2] = ["sweep", "cluster"];

/// Most variations a sweep may have.
const MOST: usize = 100_000;

/// A list where one value is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Where it stands, as in `training.epochs` or `designs[1].parameters.a`.
    pub key: String,
    /// What it may be, as written.
    pub values: Vec<String>,
    span: Range<usize>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variation {
    /// Value of each axis, as written but for quotes, by key.
    pub settings: BTreeMap<String, String>,
    /// The experiment's text, with one value for each axis.
    pub text: String,
}

impl Variation {
    /// What messages call it: the file's name, with the value of each axis.
    pub fn name_in(&self, file: &str) -> String {
        let settings: Vec<String> = self.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        if settings.is_empty() { file.to_owned() } else { format!("{file} with {}", settings.join(", ")) }
    }
}

/// An experiment with all its variations.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes {
    /// The axes, in the order of the file; without those inside values of others.
    pub axes: Vec<Axis>,
    /// What may be computed: the first axis changes slowest.
    pub variations: Vec<Variation>,
    /// How it is found out which of them are worth it; without it, all are computed.
    pub halving: Option<Halving>,
}

impl Axes {
    /// The variations of an experiment.
    pub fn of(text: &str) -> Result<Self, ConfigError> {
        let file: SamplingFile = toml::from_str(text)?;
        let axes = find(text)?;
        let expense = match &file.sweep {
            Some(sampling) => sampling.get_ref().expense(&axes, sampling.span())?,
            None => None,
        };
        let mut variations = Vec::new();
        let start = Variation { settings: BTreeMap::new(), text: text.to_owned() };
        let points = file.sweep.as_ref().and_then(|sampling| {
            let Sampling { latin_hypercube, seed, .. } = sampling.get_ref();
            latin_hypercube.as_ref().map(|points| (points, *seed))
        });
        match points {
            // Axes inside values of others can only add to these.
            None if axes.iter().map(|axis| axis.values.len() as f64).product::<f64>() > MOST as f64 => {
                return Err(too_many());
            }
            None => expand(start, &mut variations)?,
            Some((points, seed)) => {
                for place in hypercube(&axes, expense, (*points.get_ref(), seed), points.span())? {
                    let variation = start.with(&axes, &place);
                    if let Some(inner) = find(&variation.text)?.first() {
                        let help = "give each value of the outer axis in full, or leave out latin_hypercube";
                        let message = format!("{} is an axis inside a value of another axis", inner.key);
                        return Err(ConfigError::at(points.span(), message, help));
                    }
                    variations.push(variation);
                }
            }
        }
        let halving = match (&file.sweep, expense) {
            (Some(sampling), Some(expense)) => Some(sampling.get_ref().halving(&axes[expense], &variations)?),
            _ => None,
        };
        Ok(Self { axes, variations, halving })
    }

    /// Refuses an experiment that is a sweep; `verb` is what cannot take it.
    pub fn refuse(text: &str, verb: &str) -> Result<(), ConfigError> {
        match find(text)?.first() {
            None => Ok(()),
            Some(axis) => {
                let message = format!("{} is a list: {verb} takes one value", axis.key);
                let help = "axtrain sweep computes all of them";
                Err(ConfigError::at(axis.span.clone(), message, help))
            }
        }
    }
}

impl Variation {
    /// This one with the values at `place` of `axes`, which are those of its text.
    fn with(&self, axes: &[Axis], place: &[usize]) -> Variation {
        let mut variation = self.clone();
        // From the end, so that places before stay where they are.
        let mut order: Vec<usize> = (0..axes.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(axes[index].span.start));
        for index in order {
            let (axis, value) = (&axes[index], &axes[index].values[place[index]]);
            variation.text.replace_range(axis.span.clone(), value);
            let shown = value.trim_matches(['"', '\'']).to_owned();
            variation.settings.insert(axis.key.clone(), shown);
        }
        variation
    }
}

/// All variations of `from`, in order, also of axes that only appear with a value of another.
fn expand(from: Variation, into: &mut Vec<Variation>) -> Result<(), ConfigError> {
    let axes = find(&from.text)?;
    let Some(axis) = axes.first() else {
        if into.len() == MOST {
            return Err(too_many());
        }
        into.push(from);
        return Ok(());
    };
    for value in 0..axis.values.len() {
        expand(from.with(&axes[..1], &[value]), into)?;
    }
    Ok(())
}

fn too_many() -> ConfigError {
    let help = "shorten the lists, or choose among them with [sweep] latin_hypercube";
    let message = format!("more than {MOST} variations");
    ConfigError { message, span: None, help: Some(help.into()), other_file: None }
}

/// The axes of a text, in its order.
fn find(text: &str) -> Result<Vec<Axis>, ConfigError> {
    let document = DeTable::parse(text)?;
    let mut axes = Vec::new();
    for (key, value) in document.get_ref() {
        if !SETTINGS.contains(&key.get_ref().as_ref()) {
            visit(text, key.get_ref(), key.get_ref(), value, &mut axes)?;
        }
    }
    axes.sort_by_key(|axis| axis.span.start);
    Ok(axes)
}

/// Collects the axes in `value`; `shape` is its key without positions in lists.
fn visit(
    text: &str,
    key: &str,
    shape: &str,
    value: &Spanned<DeValue<'_>>,
    axes: &mut Vec<Axis>,
) -> Result<(), ConfigError> {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (name, value) in table {
                let name = name.get_ref();
                visit(text, &format!("{key}.{name}"), &format!("{shape}.{name}"), value, axes)?;
            }
        }
        DeValue::Array(elements) => {
            let of_lists = !elements.is_empty() && elements.iter().all(|element| element.get_ref().is_array());
            if LISTS.contains(&shape) && !of_lists {
                for (index, element) in elements.iter().enumerate() {
                    visit(text, &format!("{key}[{index}]"), shape, element, axes)?;
                }
                return Ok(());
            }
            let help = "an axis is a list of its values, such as epochs = [10, 20] or model = [{ hidden = [32] }, …]";
            if elements.is_empty() {
                return Err(ConfigError::at(value.span(), format!("{key} is an axis without points"), help));
            }
            let source = |element: &Spanned<DeValue<'_>>| text[element.span()].to_owned();
            let values: Vec<String> = elements.iter().map(source).collect();
            if elements
                .iter()
                .zip(&values)
                .any(|(element, text)| element.get_ref().is_table() && !text.starts_with('{'))
            {
                let message = format!("[[{key}]] stands several times");
                return Err(ConfigError::at(value.span(), message, help));
            }
            if let Some(again) = (1..values.len()).find(|&index| values[..index].contains(&values[index])) {
                let message = format!("{key} lists {} twice", values[again]);
                return Err(ConfigError::at(elements[again].span(), message, "list each value once"));
            }
            axes.push(Axis { key: key.to_owned(), values, span: value.span() });
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: &str = r#"
name = "s"
dataset = ["digits", "fashion"] # both
model = [{ hidden = [8] }, { hidden = [[16], [8, 8]] }]
[training]
methods = ["plain", "active"]
epochs = [ 1,
  2 ]
[[designs]]
name = "exact"
[[designs]]
parameters = { a = [1, 2], b = 3 }
[cluster]
options = ["--exclusive"]
"#;

    #[test]
    fn lists_where_one_value_is_expected_are_axes() {
        let axes = Axes::of(SWEEP).unwrap();
        let keys: Vec<&str> = axes.axes.iter().map(|axis| axis.key.as_str()).collect();
        assert_eq!(keys, ["dataset", "model", "training.epochs", "designs[1].parameters.a"]);
        // Two data sets, three models (one of the two has an axis inside), two numbers of epochs, two designs.
        assert_eq!(axes.variations.len(), 2 * 3 * 2 * 2);
        let last = axes.variations.last().unwrap();
        let settings: Vec<(&str, &str)> = last.settings.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(
            settings,
            [
                ("dataset", "fashion"),
                ("designs[1].parameters.a", "2"),
                ("model", "{ hidden = [[16], [8, 8]] }"),
                ("model.hidden", "[8, 8]"),
                ("training.epochs", "2")
            ]
        );
        let table: toml::Table = last.text.parse().unwrap();
        assert_eq!(table["dataset"].as_str(), Some("fashion"));
        assert_eq!(table["training"]["epochs"].as_integer(), Some(2));
        assert_eq!(table["model"]["hidden"].as_array().unwrap().len(), 2);
        assert_eq!(table["training"]["methods"].as_array().unwrap().len(), 2, "no axis");
        assert!(last.text.contains("# both"));
        let mut texts: Vec<&str> = axes.variations.iter().map(|variation| &variation.text[..]).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 24, "each variation once");
    }

    #[test]
    fn only_sweeps_have_axes() {
        const SWEEPS: [&str; 9] = [
            "dataflows.toml",
            "formats.toml",
            "late-products.toml",
            "many-records.toml",
            "memory-values.toml",
            "methods-small.toml",
            "methods-tuning.toml",
            "quantizers.toml",
            "sweep.toml",
        ];
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../hwconfigs/experiment");
        let mut sweeps = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let axes = Axes::of(&text).unwrap();
            if axes.variations.len() > 1 {
                sweeps.push(path.file_name().unwrap().to_string_lossy().into_owned());
                assert!(Axes::refuse(&text, "run").is_err(), "{}", path.display());
            } else {
                assert_eq!(Axes::refuse(&text, "run"), Ok(()), "{}", path.display());
                assert_eq!(axes.variations[0].text, text);
            }
        }
        sweeps.sort();
        assert_eq!(sweeps, SWEEPS);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let cases = [
            ("epochs = [ 1,\n  2 ]", "epochs = []", "[]"),
            ("[ 1,\n  2 ]", "[1, 2, 1]", "1"),
            ("[cluster]", "[sweep]\nlatin_hypercube = 0\n[cluster]", "0"),
            ("[cluster]", "[sweep]\nlatin_hypercube = 4\n[cluster]", "4"),
            ("[cluster]", "[sweep]\n[cluster]", "[sweep]"),
            ("[cluster]", "[sweep]\nsuccessive_halving = \"epochs\"\n[cluster]", "\"epochs\""),
            ("[cluster]", "[sweep]\nsuccessive_halving = \"training.epochs\"\nkeep = 1.0\n[cluster]", "1.0"),
            ("[cluster]", "[sweep]\nsuccessive_halving = \"dataset\"\nwithin_points = -1.0\n[cluster]", "-1.0"),
            ("[cluster]", "[sweep]\nlatin_hypercube = 4\nkeep = 0.5\n[cluster]", "0.5"),
            ("[cluster]", "[sweep]\nlatin_hypercube = 4\nsed = 3\n[cluster]", "sed"),
            ("[cluster]", "[[operation]]\nbatch = 1\n[[operation]]\nbatch = 2\n[cluster]", "operation"),
        ];
        for (from, to, place) in cases {
            assert!(SWEEP.contains(from));
            let text = SWEEP.replacen(from, to, 1);
            let error = Axes::of(&text).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("{error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
        let error = Axes::refuse(SWEEP, "run").unwrap_err();
        assert_eq!(&SWEEP[error.span.unwrap()], "[\"digits\", \"fashion\"]");
    }
}
