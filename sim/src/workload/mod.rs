//! What runs on the hardware: data sets and quantised networks.

mod dataset;
mod embedded;
mod idx;
mod inference;
mod network;
mod weights;

pub use dataset::{Dataset, PIXEL_SCALE, Split, pixel_code};
pub use idx::DataError;
pub use inference::{Accuracy, LayerPass, accuracy, classify, infer, infer_reference, infer_with};
pub use network::{Dense, Network, NetworkError, Requantize};
pub use weights::{FloatLayer, WeightsError, WeightsFile};
