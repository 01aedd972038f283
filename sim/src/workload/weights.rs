//! Trained networks in files: safetensors with integer weights, scales, and the float weights they were rounded from.

use super::{Dense, Network, NetworkError, Requantize};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The real numbers a layer's codes were rounded from.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// `[outputs][inputs]`.
    pub weights: Vec<f32>,
    /// One an output.
    pub bias: Vec<f32>,
}

/// A trained network as stored.
///
/// Tensors of layer `i`: `layers.i.weight` (I8, `[outputs][inputs]`), `layers.i.bias` (I32), `layers.i.weight_float`
/// and `layers.i.bias_float` (F32). The entry `axtrain` of the file's metadata is JSON: schema, fingerprint, and name,
/// scales and requantisation of each layer.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsFile {
    /// The integer network.
    pub network: Network,
    /// Real parameters, one entry a layer.
    pub float: Vec<FloatLayer>,
    /// What the weights came from: a hash of everything that determined them.
    pub fingerprint: String,
}

/// A weights file that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Not safetensors, or truncated.
    #[error("not a whole safetensors file: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// Metadata missing or of another version.
    #[error("its metadata do not describe a network of axtrain/weights/1: {0}")]
    Metadata(String),
    /// A tensor of another type or length than its layer needs.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// Layers that do not fit together.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    schema: String,
    fingerprint: String,
    layers: Vec<LayerMetadata>,
}

#[derive(Serialize, Deserialize)]
struct LayerMetadata {
    name: String,
    inputs: usize,
    outputs: usize,
    input_scale: f32,
    weight_scale: f32,
    requantize: Option<Requantize>,
}

impl WeightsFile {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/weights/1";

    /// The file's bytes; equal networks make equal bytes.
    ///
    /// # Panics
    /// If there is not one float layer, of the same dimensions, for each layer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let layers = self.network.layers();
        assert_eq!(self.float.len(), layers.len(), "float parameters of every layer");
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for (index, (layer, float)) in layers.iter().zip(&self.float).enumerate() {
            let (matrix, vector) = (vec![layer.outputs, layer.inputs], vec![layer.outputs]);
            let codes = layer.weights.iter().map(|&weight| weight as u8).collect();
            let bias = layer.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
            let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((format!("layers.{index}.weight"), Dtype::I8, matrix.clone(), codes));
            tensors.push((format!("layers.{index}.bias"), Dtype::I32, vector.clone(), bias));
            tensors.push((format!("layers.{index}.weight_float"), Dtype::F32, matrix, bytes(&float.weights)));
            tensors.push((format!("layers.{index}.bias_float"), Dtype::F32, vector, bytes(&float.bias)));
        }
        let metadata = Metadata {
            schema: Self::SCHEMA.to_owned(),
            fingerprint: self.fingerprint.clone(),
            layers: layers.iter().map(LayerMetadata::of).collect(),
        };
        let metadata = serde_json::to_string(&metadata).expect("metadata serialise");
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            let view = TensorView::new(*dtype, shape.clone(), data).expect("one element for each place of the shape");
            (name.as_str(), view)
        });
        // One entry only: the order of several would not be reproducible.
        let entries = HashMap::from([("axtrain".to_owned(), metadata)]);
        safetensors::serialize(views, Some(entries)).expect("distinct names")
    }

    /// Reads and checks a file's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let entry = header.metadata().as_ref().and_then(|entries| entries.get("axtrain"));
        let entry = entry.ok_or_else(|| WeightsError::Metadata("entry \"axtrain\" is missing".into()))?;
        let metadata: Metadata =
            serde_json::from_str(entry).map_err(|error| WeightsError::Metadata(error.to_string()))?;
        if metadata.schema != Self::SCHEMA {
            return Err(WeightsError::Metadata(format!("the file follows {}", metadata.schema)));
        }
        let tensors = SafeTensors::deserialize(bytes)?;
        let mut layers = Vec::new();
        let mut float = Vec::new();
        for (index, layer) in metadata.layers.into_iter().enumerate() {
            let (matrix, vector) = ([layer.outputs, layer.inputs], [layer.outputs]);
            let read =
                |name: &str, dtype, shape: &[usize]| data(&tensors, format!("layers.{index}.{name}"), dtype, shape);
            let weights = read("weight", Dtype::I8, &matrix)?.iter().map(|&byte| byte as i8).collect();
            let words = |bytes: &[u8]| -> Vec<[u8; 4]> { bytes.as_chunks().0.to_vec() };
            let bias = words(read("bias", Dtype::I32, &vector)?).into_iter().map(i32::from_le_bytes).collect();
            let floats = |bytes| words(bytes).into_iter().map(f32::from_le_bytes).collect();
            float.push(FloatLayer {
                weights: floats(read("weight_float", Dtype::F32, &matrix)?),
                bias: floats(read("bias_float", Dtype::F32, &vector)?),
            });
            let LayerMetadata { name, inputs, outputs, input_scale, weight_scale, requantize } = layer;
            layers.push(Dense { name, inputs, outputs, weights, bias, input_scale, weight_scale, requantize });
        }
        Ok(Self { network: Network::new(layers)?, float, fingerprint: metadata.fingerprint })
    }
}

impl LayerMetadata {
    fn of(layer: &Dense) -> Self {
        let Dense { inputs, outputs, input_scale, weight_scale, requantize, .. } = *layer;
        Self { name: layer.name.clone(), inputs, outputs, input_scale, weight_scale, requantize }
    }
}

fn data<'a>(
    tensors: &SafeTensors<'a>,
    name: String,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'a [u8], WeightsError> {
    let tensor = tensors.tensor(&name)?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let problem = format!("{:?} {:?}, not {dtype:?} {shape:?}", tensor.dtype(), tensor.shape());
        return Err(WeightsError::Tensor { tensor: name, problem });
    }
    Ok(tensor.data())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> WeightsFile {
        let layer = |name: &str, inputs: usize, outputs: usize, requantize| Dense {
            name: name.into(),
            inputs,
            outputs,
            weights: (0..inputs * outputs).map(|index| (index as i8).wrapping_mul(37)).collect(),
            bias: (0..outputs as i32).map(|index| index * -1000).collect(),
            input_scale: 0.1,
            weight_scale: 1.0 / 3.0,
            requantize,
        };
        let layers = vec![layer("fc1", 5, 3, Requantize::from_factor(0.01)), layer("fc2", 3, 2, None)];
        let float = layers
            .iter()
            .map(|layer| FloatLayer {
                weights: layer.weights.iter().map(|&weight| f32::from(weight) * 0.01).collect(),
                bias: vec![0.5; layer.outputs],
            })
            .collect();
        WeightsFile { network: Network::new(layers).unwrap(), float, fingerprint: "abc".into() }
    }

    #[test]
    fn a_network_survives_its_file_and_equal_networks_are_equal_files() {
        let bytes = file().to_bytes();
        assert_eq!(WeightsFile::from_bytes(&bytes).unwrap(), file());
        assert_eq!(bytes, file().to_bytes());
    }

    #[test]
    fn damaged_files_are_refused() {
        let bytes = file().to_bytes();
        for length in [0, 7, 8, 100, bytes.len() - 1] {
            assert!(WeightsFile::from_bytes(&bytes[..length]).is_err(), "cut to {length}");
        }
        let at = bytes.windows(9).position(|window| window == b"weights/1").unwrap();
        let mut old = bytes.clone();
        old[at + 8] = b'0';
        assert!(matches!(WeightsFile::from_bytes(&old), Err(WeightsError::Metadata(_))));
    }
}
