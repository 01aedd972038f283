//! What can go wrong when a figure is drawn.

use std::io;
use std::path::PathBuf;

/// Why a figure was not drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// A figure or a part of it has nothing in it.
    #[error("nothing to draw: no {what}")]
    Empty {
        /// What is missing.
        what: String,
    },
    /// A number that the axes cannot show.
    #[error("{what} is {value}, but must be {requirement}")]
    Invalid {
        /// Which number.
        what: String,
        /// Its value.
        value: f64,
        /// What it has to be.
        requirement: &'static str,
    },
    /// Two lists that belong together differ in length.
    #[error("{what} has {found} values, expected {expected}")]
    Length {
        /// Which list.
        what: String,
        /// Its length.
        found: usize,
        /// The length it has to have.
        expected: usize,
    },
    /// The picture could not be encoded.
    #[error("cannot encode {path}: {reason}", path = path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
    /// The file could not be written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// `Err(Empty)` if there are no `items`.
pub(crate) fn require_some<T>(items: &[T], what: impl Into<String>) -> Result<(), PlotError> {
    if items.is_empty() { Err(PlotError::Empty { what: what.into() }) } else { Ok(()) }
}

/// `Err(Invalid)` unless `accepted`.
fn require(accepted: bool, value: f64, what: &str, requirement: &'static str) -> Result<(), PlotError> {
    if accepted { Ok(()) } else { Err(PlotError::Invalid { what: what.into(), value, requirement }) }
}

/// `Err(Invalid)` unless `value` is a number.
pub(crate) fn require_finite(value: f64, what: &str) -> Result<(), PlotError> {
    require(value.is_finite(), value, what, "finite")
}

/// `Err(Invalid)` unless `value` is a number above zero.
pub(crate) fn require_positive(value: f64, what: &str) -> Result<(), PlotError> {
    require(value.is_finite() && value > 0.0, value, what, "finite and above zero")
}

/// `Err(Invalid)` unless `value` is a number from zero up.
pub(crate) fn require_not_negative(value: f64, what: &str) -> Result<(), PlotError> {
    require(value.is_finite() && value >= 0.0, value, what, "finite and not below zero")
}

/// `Err(Invalid)` unless `value` is in 0…1.
pub(crate) fn require_fraction(value: f64, what: &str) -> Result<(), PlotError> {
    require((0.0..=1.0).contains(&value), value, what, "a fraction of 0 to 1")
}
