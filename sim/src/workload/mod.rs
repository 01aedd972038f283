//! What runs on the hardware: data sets and quantised networks.

mod dataset;
mod network;

pub use dataset::{Dataset, PIXEL_SCALE, Split, pixel_code};
pub use network::{Dense, Network, NetworkError, Requantize};
