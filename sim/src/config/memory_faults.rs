//! The table `[memory_faults]` of an experiment.

use super::ConfigError;
use super::experiment::{Range, at_least_one, positive};
use crate::memory::{Content, Scheme, SchemeFile};
use crate::units::Volts;
use serde::Deserialize;
use std::ops::Range as Span;
use toml::Spanned;

/// Memories under too low a supply: which cells fail, on how many chips, and how weights are stored.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFaults {
    /// Name of an embedded fault file, or a file.
    pub model: String,
    /// Lowest supply without failures, in volts; what the model's supplies are relative to.
    pub vmin: Volts,
    /// Which memories they are, each once.
    pub memories: Vec<Content>,
    /// Where they run.
    pub axis: MemoryAxis,
    axis_span: Span<usize>,
    /// Chips: virtual ones, or measured maps.
    pub chips: Chips,
    /// Storage codes and protections, in order.
    pub schemes: Vec<Scheme>,
    /// Share of faults that pull to 1; the model's if not given.
    pub up_share: Option<f64>,
    /// Share of faults that act at every read; the model's if not given.
    pub persistent_share: Option<f64>,
    /// Correlation of a column's cells; the model's if not given.
    pub column_correlation: Option<f64>,
    /// Accuracy that may be lost against the first method on sound memory at the highest logic supply, in points.
    pub accuracy_loss_points: f64,
    /// Share of chips that must be that good.
    pub yield_share: f64,
    /// Temperature of the memories, °C; that of their data if not given.
    pub temperature_c: Option<f64>,
}

/// Where failing memories run.
#[derive(Clone, Debug, PartialEq)]
pub enum MemoryAxis {
    /// At these supplies.
    Supplies(Vec<Volts>),
    /// At the supplies at which cells fail with these probabilities.
    BitErrorRates(Vec<f64>),
}

/// Which chips are simulated.
#[derive(Clone, Debug, PartialEq)]
pub enum Chips {
    /// So many virtual ones, drawn from a seed.
    Virtual {
        /// How many.
        count: u64,
        /// What they are drawn from.
        seed: u64,
    },
    /// Maps in these files: `.npz`, `.npy` or `.csv`.
    Measured(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryFaultsFile {
    model: String,
    vmin_v: Spanned<f64>,
    memories: Option<Spanned<Vec<Content>>>,
    sram_v: Option<Spanned<Range>>,
    bit_error_rate: Option<Spanned<Range>>,
    chips: Option<Spanned<usize>>,
    chip_seed: Option<u64>,
    chip_maps: Option<Spanned<Vec<String>>>,
    schemes: Spanned<Vec<Spanned<SchemeFile>>>,
    up_share: Option<f64>,
    persistent_share: Option<f64>,
    column_correlation: Option<f64>,
    accuracy_loss_points: Option<Spanned<f64>>,
    yield_share: Option<Spanned<f64>>,
    temperature_c: Option<f64>,
}

impl MemoryFaultsFile {
    pub(super) fn checked(self, span: Span<usize>) -> Result<MemoryFaults, ConfigError> {
        let vmin = Volts(positive(self.vmin_v)?);
        let memories = match self.memories {
            None => vec![Content::Weights],
            Some(list) => {
                let memories = list.get_ref();
                let help =
                    "list each memory that fails once: memories = [\"weights\", \"activations\", \"partial-sums\"]";
                if memories.is_empty() {
                    return Err(ConfigError::at(list.span(), "no memories", help));
                }
                if (1..memories.len()).any(|place| memories[..place].contains(&memories[place])) {
                    return Err(ConfigError::at(list.span(), "a memory is listed twice", help));
                }
                if memories[..] != [Content::Weights] && self.chip_maps.is_some() {
                    let help = "give chips = 20, or leave memories at [\"weights\"]";
                    let message = "measured maps are of the weight memory; others are drawn";
                    return Err(ConfigError::at(list.span(), message, help));
                }
                list.into_inner()
            }
        };
        let (axis, axis_span) = match (self.sram_v, self.bit_error_rate) {
            (Some(supplies), None) => {
                let values = values(&supplies, "supplies are positive, in volts", |value| value > 0.0)?;
                (MemoryAxis::Supplies(values.into_iter().map(Volts).collect()), supplies.span())
            }
            (None, Some(rates)) => {
                let help = "bit-error rates are probabilities above 0 and below 1, as in 0.01";
                (MemoryAxis::BitErrorRates(values(&rates, help, |value| value > 0.0 && value < 1.0)?), rates.span())
            }
            _ => {
                let help = "give sram_v = \"lo:hi:step\" in volts, or bit_error_rate = [0.005, 0.01]";
                return Err(ConfigError::at(span, "one of sram_v and bit_error_rate is needed", help));
            }
        };
        let chips = match (self.chips, self.chip_maps) {
            (Some(count), None) => {
                Chips::Virtual { count: at_least_one(count)? as u64, seed: self.chip_seed.unwrap_or(0) }
            }
            (None, Some(maps)) if !maps.get_ref().is_empty() && self.chip_seed.is_none() => {
                let points = match &axis {
                    MemoryAxis::Supplies(supplies) => supplies.len(),
                    MemoryAxis::BitErrorRates(_) => 0,
                };
                if points != 1 {
                    let help = "give sram_v = the one supply at which the maps were measured";
                    return Err(ConfigError::at(axis_span, "a measured map belongs to one supply", help));
                }
                Chips::Measured(maps.into_inner())
            }
            _ => {
                let help = "give chips = 20 and perhaps chip_seed, or chip_maps = [\"chip1.npy\"]";
                return Err(ConfigError::at(span, "one of chips and chip_maps is needed", help));
            }
        };
        let schemes_span = self.schemes.span();
        let mut schemes: Vec<Scheme> = Vec::new();
        for scheme in self.schemes.into_inner() {
            let schemes_span = scheme.span();
            let scheme = scheme.into_inner().checked();
            let help = "see the keys of [[memory_faults.schemes]] in hwconfigs/README.md";
            let scheme = scheme.map_err(|error| ConfigError::at(schemes_span.clone(), error.to_string(), help))?;
            let name = scheme.name();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) {
                let help = "use letters, digits, '-' and '.': it is part of file names";
                return Err(ConfigError::at(schemes_span, format!("\"{name}\" is no name for a scheme"), help));
            }
            if schemes.iter().any(|other| other.name() == name) {
                let message = format!("two schemes are called \"{}\"", scheme.name());
                return Err(ConfigError::at(schemes_span, message, "give each a name = \"…\" of its own"));
            }
            schemes.push(scheme);
        }
        if schemes.is_empty() {
            let help = "for example [[memory_faults.schemes]] with storage = \"sign-magnitude\"";
            return Err(ConfigError::at(schemes_span, "no schemes", help));
        }
        let yield_share = match self.yield_share {
            Some(share) if !(*share.get_ref() > 0.0 && *share.get_ref() <= 1.0) => {
                let message = format!("a yield of {}", share.get_ref());
                return Err(ConfigError::at(share.span(), message, "a yield is a share above 0, at most 1"));
            }
            share => share.map_or(0.9, Spanned::into_inner),
        };
        Ok(MemoryFaults {
            model: self.model,
            vmin,
            memories,
            axis,
            axis_span,
            chips,
            schemes,
            up_share: self.up_share,
            persistent_share: self.persistent_share,
            column_correlation: self.column_correlation,
            accuracy_loss_points: self.accuracy_loss_points.map(positive).transpose()?.unwrap_or(2.0),
            yield_share,
            temperature_c: self.temperature_c,
        })
    }
}

impl MemoryFaults {
    /// A refusal that points at the supplies or rates.
    pub fn axis_error(&self, message: impl Into<String>, help: impl Into<String>) -> ConfigError {
        ConfigError::at(self.axis_span.clone(), message, help)
    }
}

fn values(range: &Spanned<Range>, help: &str, sound: impl Fn(f64) -> bool) -> Result<Vec<f64>, ConfigError> {
    let values = range.get_ref().values().map_err(|message| ConfigError::at(range.span(), message, help))?;
    match values.iter().find(|value| !(value.is_finite() && sound(**value))) {
        Some(value) => Err(ConfigError::at(range.span(), format!("{value} is not possible"), help)),
        None => Ok(values),
    }
}
