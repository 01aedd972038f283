//! Results as other programs read them: versioned JSON.

mod characterization;
mod record;

pub use characterization::{Characterization, DesignSummary, OperationEnergy, PointCharacterization, Structure};
pub use record::{Point, Provenance, Record, wilson_interval};
