//! Networks that another program trained and wrote as ONNX: layers and weights.
//!
//! Read are chains of convolutions and fully connected layers with ReLU, pooling, batch normalisation (folded into weights and
//! biases), and residuals. Images are taken to come in from 0 to 1.

mod graph;
mod proto;

use super::{FloatLayer, LayerSpec};
use graph::Graph;
use prost::Message;

/// A network read from ONNX.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxNetwork {
    /// Its layers but for the last, which is fully connected.
    pub layers: Vec<LayerSpec>,
    /// Outputs of the last layer.
    pub classes: usize,
    /// Weights and biases of all layers.
    pub float: Vec<FloatLayer>,
}

/// An ONNX file that is no network that could be read.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// Not ONNX, or truncated.
    #[error("not a whole ONNX file: {0}")]
    Format(#[from] prost::DecodeError),
    /// A file without a network.
    #[error("the file holds no {0}")]
    Missing(&'static str),
    /// An operation that has no counterpart here.
    #[error("node {node} is a {operation}, which is not supported; supported are {SUPPORTED}")]
    Operation {
        /// Its name, or that of its output.
        node: String,
        /// What it does.
        operation: String,
    },
    /// An operation that is supported, but not like that.
    #[error("node {node} ({operation}): {problem}")]
    Node {
        /// Its name, or that of its output.
        node: String,
        /// What it does.
        operation: String,
        /// What is not supported.
        problem: String,
    },
    /// A constant that cannot be used.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// An end that gives no scores.
    #[error(
        "the output {output} is not what a fully connected layer (Gemm or MatMul) gives; a last layer of another kind is not supported"
    )]
    Scores {
        /// Name of the output.
        output: String,
    },
}

const SUPPORTED: &str = "Conv, Gemm, MatMul, BatchNormalization, Add, Relu, MaxPool, AveragePool, GlobalAveragePool, ReduceMean, \
                         Flatten, Reshape, Squeeze, Identity, Dropout, Constant, Softmax and LogSoftmax";

/// Reads a network.
pub fn read_onnx(bytes: &[u8]) -> Result<OnnxNetwork, OnnxError> {
    let model = proto::ModelProto::decode(bytes)?;
    Graph::new(model.graph.ok_or(OnnxError::Missing("graph"))?)?.network()
}
