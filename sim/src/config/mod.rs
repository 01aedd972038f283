//! Configuration files: as written, with the place of every value kept, and then as meant.

mod axes;
mod cluster;
mod design;
mod design_operation;
mod experiment;
mod identity;
mod memory_faults;
mod model;
mod quantizer;
mod training;
mod training_kinds;

pub use axes::{Axes, Axis, Halving, Variation};
pub use cluster::Cluster;
pub use design::DesignFile;
pub use design_operation::DesignOperation;
pub use experiment::{Experiment, Operation, Range};
pub use memory_faults::{Chips, MemoryAxis, MemoryFaults};
pub use model::Model;
pub use quantizer::{CalibrationKind, GranularityKind, QuantizerSettings, SchemeKind};
pub use training::Training;
pub use training_kinds::{
    AugmentKind, NoiseKind, OptimizerKind, ScheduleKind, SensitivityKind, SensitivityPlace, TimingDraws,
};

/// A configuration that was refused: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// What is wrong.
    pub message: String,
    /// Bytes of the file the message is about, if it is about a place.
    pub span: Option<std::ops::Range<usize>>,
    /// What would be right.
    pub help: Option<String>,
    /// Name and text of the file the message is about, if it is one that the configuration names.
    pub other_file: Option<(String, String)>,
}

impl ConfigError {
    fn at(span: std::ops::Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), help: Some(help.into()), other_file: None }
    }
}

impl From<toml::de::Error> for ConfigError {
    fn from(error: toml::de::Error) -> Self {
        // Types as a user of TOML knows them, not as Rust calls them.
        let mut message = error.message().to_owned();
        for (rust, toml) in
            [("usize", "a whole number"), ("u64", "a whole number"), ("u32", "a whole number"), ("f64", "a number")]
        {
            message = message.replace(&format!("expected {rust}"), &format!("expected {toml}"));
        }
        Self { message, span: error.span(), help: None, other_file: None }
    }
}
