//! Results as other programs read them: versioned JSON.

mod aggregate;
mod characterization;
mod constant_sensitivity;
mod difference;
mod front;
mod loss_sensitivity;
mod memory;
mod method_comparison;
mod multiply_accumulate;
mod record;
mod static_timing;
mod variation;

pub use aggregate::{Aggregate, Interval, aggregate, cheapest_within};
pub use characterization::{
    Characterization, DesignSummary, Drawn, KernelPlan, MeasuredError, MinimumEnergy, OperationEnergy, PlannedMethod,
    PointCharacterization, Structure, TabulatedPoint,
};
pub use constant_sensitivity::{ConstantSensitivity, Outcome, constant_sensitivity};
pub use difference::{Difference, RunDifferences, Verdict, differences};
pub use front::{Standing, knee, pareto_front, standings};
pub use loss_sensitivity::{LayerSensitivity, LossSensitivity, MethodSensitivity, Scored, compare_sensitivities};
pub use memory::{MemoryPoint, MemoryReport, Sensitivity};
pub use method_comparison::{MethodComparison, compare_methods};
pub use multiply_accumulate::{MultiplyAccumulatePoint, MultiplyAccumulateReport, SampledTiming};
pub use record::{Point, Provenance, Record, StageErrorAverages};
pub use static_timing::{OutputArrival, PathStep, TimingReport};
pub use variation::{Spread, VariationPoint, VariationReport};
