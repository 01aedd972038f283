//! Readers of SCALE-Sim's files: lists of layers (`.csv`) and arrays (`.cfg`).

mod architecture;
mod layers;

pub use architecture::{ArchitectureError, read_architecture};
pub use layers::{TopologyError, read_layers};
