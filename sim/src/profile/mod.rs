//! What the hardware does to numbers: error metrics, and errors and energy of every transition.

mod metrics;
mod transitions;

pub use metrics::ErrorMetrics;
pub use transitions::{NotTabulable, SampledErrors, TimingErrors, TransitionSpec, TransitionTable};
