//! Results as other programs read them: versioned JSON.

mod aggregate;
mod characterization;
mod record;

pub use aggregate::{Aggregate, Interval, aggregate, cheapest_within};
pub use characterization::{
    Characterization, DesignSummary, KernelPlan, MeasuredError, OperationEnergy, PlannedMethod,
    PointCharacterization, Structure,
};
pub use record::{Point, Provenance, Record};
