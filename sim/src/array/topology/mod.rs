//! Readers of SCALE-Sim's files.

mod layers;

pub use layers::{TopologyError, read_layers};
