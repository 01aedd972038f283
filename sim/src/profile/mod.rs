//! What the hardware does to numbers: error metrics, and errors and energy of every transition.

mod design;
mod error_profile;
mod error_sums;
mod exhaustive;
mod metrics;
mod operands;
mod transitions;
mod weighted;

pub use design::Design;
pub use error_profile::{ErrorProfile, ProfileError, ProfileMetadata, Stimulus};
pub use metrics::{ErrorMetrics, MetricOptions, Normaliser, OperandFormat, ZeroPolicy};
pub use operands::{DistributionError, OperandDistribution};
pub use transitions::{NotTabulable, SampledErrors, TimingErrors, TransitionSpec, TransitionTable};
pub use weighted::{MetricIntervals, Sampled, SampledMetrics};
