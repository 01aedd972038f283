//! Simulating netlists: settled values, latest arrival times, and waveforms.

mod arc_delay;
mod by_pin;
mod functional;
mod lanes;
mod schedule;
mod scheduled;
mod static_timing;
mod sweep;
mod tape;
mod timed;
mod verilog;
mod waveforms;

pub use functional::FunctionalEngine;
pub(crate) use lanes::multiversion;
pub use lanes::{LANES, Lanes, Transposed, lane_values};
pub use static_timing::StaticTiming;
pub use sweep::{Block, ExhaustiveSweep, LANE_BITS, exhaustive_codes};
pub use tape::{Settled, Tape};
pub(crate) use timed::Steps;
pub use timed::{DelayMode, HeldInputs, TimedEngine};
pub use verilog::{Inexpressible, timed_verilog};
