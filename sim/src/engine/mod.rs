//! Simulating netlists: settled values, latest arrival times, and waveforms.

mod arc_delay;
mod functional;
mod lanes;
mod single_delay;
mod static_timing;
mod timed;
mod verilog;
mod waveforms;

pub use functional::{FunctionalEngine, exhaustive_codes};
pub use lanes::{LANES, Lanes, lane_values};
pub(crate) use lanes::{multiversion, transpose};
pub use static_timing::StaticTiming;
pub use timed::{DelayMode, TimedEngine};
pub use verilog::{Inexpressible, timed_verilog};
