//! Trained networks in files: safetensors with integer weights, scales, and the float weights they were rounded from.

use super::{
    Convolution, ConvolutionError, Network, NetworkError, Pool, Pooling, QuantizedLayer, Quantizer, Requantize,
    Wiring,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The real numbers a layer's codes were rounded from.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// As the codes, `[output channel][channel of the group][kernel row][kernel column]`.
    pub weights: Vec<f32>,
    /// One an output channel.
    pub bias: Vec<f32>,
}

/// A trained network as stored.
///
/// Tensors of layer `i`: `layers.i.weight` (I8; `[outputs][inputs]` of a fully connected layer, `[outputs][channels of the
/// group][rows][columns]` of a convolution), `layers.i.bias` (I32), `layers.i.weight_float` and `layers.i.bias_float` (F32).
/// The entry `axtrain` of the file's metadata is JSON: schema, fingerprint, and of each layer its name, kind with geometry
/// (`dense` or `convolution`), pooling, scales and requantisation. Networks of more than a chain of layers follow
/// [`RESIDUAL_SCHEMA`](Self::RESIDUAL_SCHEMA), and their layers may have `source` and `residual` (numbers of layers, from 0),
/// `residual_scaling` and `linear`. Networks that one symmetric scale a layer does not describe follow
/// [`QUANTIZER_SCHEMA`](Self::QUANTIZER_SCHEMA), and layers may have the keys of [`Quantizer`] beside those.
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
    #[error("its metadata do not describe a network of axtrain/weights/2: {0}")]
    Metadata(String),
    /// The file follows another version of the format.
    #[error("it follows {found}; this version reads axtrain/weights/2 to 4: train the network again")]
    Schema {
        /// What it follows.
        found: String,
    },
    /// A geometry that no layer has.
    #[error("layer {layer}: {source}")]
    Geometry {
        /// The layer's name.
        layer: String,
        /// What is wrong.
        source: ConvolutionError,
    },
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
    #[serde(flatten)]
    kind: LayerKind,
    pooling: Option<PoolingMetadata>,
    input_scale: f32,
    weight_scale: f32,
    requantize: Option<Requantize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel_requantize: Option<Vec<Requantize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    residual: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    residual_scaling: Option<Requantize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    linear: bool,
    #[serde(flatten)]
    quantizer: Quantizer,
}

/// Geometry of a layer; images are channels, rows and columns.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum LayerKind {
    Dense {
        input: [usize; 3],
        outputs: usize,
    },
    Convolution {
        input: [usize; 3],
        outputs: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        groups: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct PoolingMetadata {
    kind: Pooling,
    window: [usize; 2],
    stride: [usize; 2],
}

/// The version alone, so that a file of another one is named as such.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: String,
}

impl WeightsFile {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/weights/2";
    /// Version of the format with residuals, which a reader of the other must not take for a chain.
    pub const RESIDUAL_SCHEMA: &'static str = "axtrain/weights/3";

    /// Version of the format with scales by channel, zero points and activations of few bits, which readers of the others would
    /// take for something else.
    pub const QUANTIZER_SCHEMA: &'static str = "axtrain/weights/4";

    /// The file's bytes; equal networks make equal bytes.
    ///
    /// # Panics
    /// If there is not one float layer, of the same dimensions, for each layer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let layers = self.network.layers();
        assert_eq!(self.float.len(), layers.len(), "float parameters of every layer");
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for (index, (layer, float)) in layers.iter().zip(&self.float).enumerate() {
            let (matrix, vector) = shapes(&layer.convolution);
            let codes = layer.weights.iter().map(|&weight| weight as u8).collect();
            let bias = layer.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
            let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((format!("layers.{index}.weight"), Dtype::I8, matrix.clone(), codes));
            tensors.push((format!("layers.{index}.bias"), Dtype::I32, vector.clone(), bias));
            tensors.push((format!("layers.{index}.weight_float"), Dtype::F32, matrix, bytes(&float.weights)));
            tensors.push((format!("layers.{index}.bias_float"), Dtype::F32, vector, bytes(&float.bias)));
        }
        let metadata = Metadata {
            schema: if layers.iter().any(|layer| layer.quantizer != Quantizer::default()) {
                Self::QUANTIZER_SCHEMA.to_owned()
            } else if layers.iter().any(|layer| layer.wiring != Wiring::default()) {
                Self::RESIDUAL_SCHEMA.to_owned()
            } else {
                Self::SCHEMA.to_owned()
            },
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
        let unreadable = |error: serde_json::Error| WeightsError::Metadata(error.to_string());
        let SchemaOnly { schema } = serde_json::from_str(entry).map_err(unreadable)?;
        if ![Self::SCHEMA, Self::RESIDUAL_SCHEMA, Self::QUANTIZER_SCHEMA].contains(&schema.as_str()) {
            return Err(WeightsError::Schema { found: schema });
        }
        let metadata: Metadata = serde_json::from_str(entry).map_err(unreadable)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let mut layers = Vec::new();
        let mut float = Vec::new();
        for (index, layer) in metadata.layers.into_iter().enumerate() {
            let (convolution, pooling) =
                layer.geometry().map_err(|source| WeightsError::Geometry { layer: layer.name.clone(), source })?;
            let (matrix, vector) = shapes(&convolution);
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
            let LayerMetadata { name, input_scale, weight_scale, requantize, channel_requantize, .. } = layer;
            let LayerMetadata { source, residual, residual_scaling, linear, quantizer, .. } = layer;
            layers.push(QuantizedLayer {
                name,
                convolution,
                pooling,
                weights,
                bias,
                input_scale,
                weight_scale,
                requantize,
                channel_requantize,
                wiring: Wiring { source, residual, linear },
                residual_scaling,
                quantizer,
            });
        }
        Ok(Self { network: Network::new(layers)?, float, fingerprint: metadata.fingerprint })
    }
}

/// Shapes of a layer's weights and bias as tensors.
fn shapes(convolution: &Convolution) -> (Vec<usize>, Vec<usize>) {
    let (channels, [inputs, ..]) = (convolution.channels(), convolution.input());
    let [rows, columns] = convolution.kernel();
    let matrix = match convolution.is_connected() {
        true => vec![channels, convolution.inputs()],
        false => vec![channels, inputs / convolution.groups(), rows, columns],
    };
    (matrix, vec![channels])
}

impl LayerMetadata {
    fn of(layer: &QuantizedLayer) -> Self {
        let QuantizedLayer { ref convolution, pooling, input_scale, weight_scale, requantize, .. } = *layer;
        let (input, outputs) = (convolution.input(), convolution.channels());
        let kind = match convolution.is_connected() {
            true => LayerKind::Dense { input, outputs },
            false => LayerKind::Convolution {
                input,
                outputs,
                kernel: convolution.kernel(),
                stride: convolution.stride(),
                padding: convolution.padding(),
                groups: convolution.groups(),
            },
        };
        let pooling =
            pooling.map(|pool| PoolingMetadata { kind: pool.kind(), window: pool.window(), stride: pool.stride() });
        let channel_requantize = layer.channel_requantize.clone();
        let Wiring { source, residual, linear } = layer.wiring;
        Self {
            name: layer.name.clone(),
            kind,
            pooling,
            input_scale,
            weight_scale,
            requantize,
            channel_requantize,
            source,
            residual,
            residual_scaling: layer.residual_scaling,
            linear,
            quantizer: layer.quantizer.clone(),
        }
    }

    fn geometry(&self) -> Result<(Convolution, Option<Pool>), ConvolutionError> {
        let convolution = match self.kind {
            LayerKind::Dense { input, outputs } => Convolution::connected(input, outputs),
            LayerKind::Convolution { input, outputs, kernel, stride, padding, groups } => {
                Convolution::new(input, outputs, kernel, stride, padding, groups)
            }
        }?;
        let pool = |pool: &PoolingMetadata| Pool::new(pool.kind, convolution.output(), pool.window, pool.stride);
        Ok((convolution, self.pooling.as_ref().map(pool).transpose()?))
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
    use crate::workload::Architecture;
    use crate::workload::testing::{random_architecture, random_network, with_quantizers};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn file(architecture: &Architecture) -> WeightsFile {
        let network = random_network(&mut ChaCha8Rng::seed_from_u64(1), architecture);
        let float = network
            .layers()
            .iter()
            .map(|layer| FloatLayer {
                weights: layer.weights.iter().map(|&weight| f32::from(weight) * 0.01).collect(),
                bias: vec![0.5; layer.bias.len()],
            })
            .collect();
        WeightsFile { network, float, fingerprint: "abc".into() }
    }

    fn perceptron() -> WeightsFile {
        file(&Architecture::perceptron(5, &[3], 2).unwrap())
    }

    #[test]
    fn a_network_survives_its_file_and_equal_networks_are_equal_files() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for trial in 0..20 {
            let mut file = if trial == 0 { perceptron() } else { file(&random_architecture(&mut rng)) };
            if trial % 2 == 1 {
                file.network = with_quantizers(&mut rng, &file.network);
            }
            let bytes = file.to_bytes();
            assert_eq!(WeightsFile::from_bytes(&bytes).unwrap(), file);
            assert_eq!(bytes, file.to_bytes());
            // An older reader must not take one for a network of one scale a layer.
            let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            assert_eq!([has(b"weights/4"), has(b"zero_points")], [trial % 2 == 1; 2]);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let bytes = perceptron().to_bytes();
        for length in [0, 7, 8, 100, bytes.len() - 1] {
            assert!(WeightsFile::from_bytes(&bytes[..length]).is_err(), "cut to {length}");
        }
        let at = bytes.windows(9).position(|window| window == b"weights/2").unwrap();
        let mut old = bytes.clone();
        old[at + 8] = b'1';
        let error = WeightsFile::from_bytes(&old).unwrap_err();
        assert!(error.to_string().contains("it follows axtrain/weights/1"), "{error}");
    }
}
