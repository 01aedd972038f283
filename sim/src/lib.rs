//! From gates to joules: what approximate, low-voltage multipliers do to numbers and what they cost.

pub mod array;
pub mod config;
pub mod energy;
pub mod engine;
pub mod kernel;
pub mod memory;
pub mod multiplier;
pub mod netlist;
mod npy;
pub mod profile;
pub mod report;
pub mod technology;
pub mod units;
pub mod workload;
