//! Results as other programs read them: versioned JSON.

mod aggregate;
mod characterization;
mod difference;
mod front;
mod memory;
mod record;
mod static_timing;

pub use aggregate::{Aggregate, Interval, aggregate, cheapest_within};
pub use characterization::{
    Characterization, DesignSummary, KernelPlan, MeasuredError, MinimumEnergy, OperationEnergy, PlannedMethod,
    PointCharacterization, Structure,
};
pub use difference::{Difference, RunDifferences, Verdict, differences};
pub use front::{Standing, knee, pareto_front, standings};
pub use memory::{MemoryPoint, MemoryReport, Sensitivity};
pub use record::{Point, Provenance, Record, StageErrorAverages};
pub use static_timing::{OutputArrival, PathStep, TimingReport};
