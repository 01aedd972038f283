//! What runs on the hardware: data sets and quantised networks.

mod accuracy;
mod architecture;
mod channels_last;
mod cifar;
mod convolution;
mod csv;
mod dataset;
mod embedded;
mod flow;
mod idx;
mod inference;
mod layer;
mod layer_spec;
mod network;
mod npz;
#[cfg(feature = "onnx")]
mod onnx;
mod pooling;
mod products;
mod quantizer;
mod reader;
mod requantize;
mod state_dict;
#[cfg(test)]
pub(crate) mod testing;
mod weights;
mod wiring;

pub use accuracy::{Accuracy, cross_entropy};
pub use architecture::{Architecture, ArchitectureError, LayerShape};
pub use convolution::{Convolution, ConvolutionError};
pub use dataset::{Dataset, PIXEL_SCALE, Split, pixel_code};
pub use flow::Flow;
pub use inference::{IMAGES_AT_ONCE, LayerPass, accuracy, classify, infer, infer_reference, infer_with};
pub use layer::QuantizedLayer;
pub use layer_spec::LayerSpec;
pub use network::{Network, NetworkError};
#[cfg(feature = "onnx")]
pub use onnx::{OnnxError, OnnxNetwork, read_onnx};
pub use pooling::{Pool, Pooling};
pub use products::Products;
pub use quantizer::{ACTIVATION_BITS, Quantizer};
pub use reader::DataError;
pub use requantize::{CodeRange, Requantize};
pub use state_dict::{InputNormalisation, StateDictError, read_state_dict};
pub use weights::{FloatLayer, WeightsError, WeightsFile};
pub use wiring::{Wiring, WiringError};
