//! Results as other programs read them: versioned JSON.

mod aggregate;
mod characterization;
mod record;
mod static_timing;

pub use aggregate::{Aggregate, Interval, aggregate, cheapest_within};
pub use characterization::{
    Characterization, DesignSummary, MeasuredError, MinimumEnergy, OperationEnergy, PointCharacterization, Structure,
};
pub use record::{Point, Provenance, Record};
pub use static_timing::{OutputArrival, PathStep, TimingReport};
