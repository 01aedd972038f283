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

/// Hash of this crate's sources: what one program keeps on disk is not what another would compute.
pub const SOURCES: &str = env!("AXTRAIN_SIM_SOURCES");
