//! Results as other programs read them: versioned JSON.

mod aggregate;
mod characterization;
mod memory;
mod record;

pub use aggregate::{Aggregate, Interval, aggregate, cheapest_within};
pub use characterization::{
    Characterization, DesignSummary, MeasuredError, OperationEnergy, PointCharacterization, Structure,
};
pub use memory::{MemoryPoint, MemoryReport, Sensitivity};
pub use record::{Point, Provenance, Record};
