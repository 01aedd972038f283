//! What the hardware does to numbers: error metrics, and errors and energy of every transition.

mod design;
mod error_profile;
mod error_sums;
mod error_trace;
mod exhaustive;
mod fit;
mod late_products;
mod mass_function;
mod metrics;
mod operand_errors;
mod operand_grid;
mod operands;
mod profile_file;
pub mod sampler;
mod stimulus;
mod transitions;
mod weighted;

pub use design::{Design, product_table};
pub use error_profile::{ErrorProfile, ProfileMetadata};
pub use error_trace::{ErrorTrace, Operation, OperationsError, SimulatedOperations};
pub use fit::{ErrorModel, Fit, fits};
pub use late_products::OnTimingError;
pub use mass_function::MassFunction;
pub use metrics::{ErrorMetrics, MetricOptions, Normaliser, OperandFormat, ZeroPolicy};
pub use operand_errors::OperandErrors;
pub use operand_grid::OperandGrid;
pub use operands::{DistributionError, OperandDistribution};
pub(crate) use profile_file::Archive;
pub use profile_file::ProfileError;
pub use stimulus::{Stimulus, StimulusError};
pub use transitions::{NotTabulable, SampledErrors, TimingErrors, TransitionSpec, TransitionTable};
pub use weighted::{MetricIntervals, Sampled, SampledMetrics};
