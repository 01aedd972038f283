//! From gates to joules: what approximate, low-voltage multipliers do to numbers and what they cost.

pub mod kernel;
pub mod multiplier;
pub mod netlist;
pub mod units;
pub mod workload;
