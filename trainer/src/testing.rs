//! References for tests.

use crate::calibration::Calibration;
use crate::mlp::{LayerTrace, Mlp, QuantizedMlp, to_vec};
use crate::product_gemm::ProductGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::PIXEL_SCALE;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Weights `[outputs][inputs]` and bias of each layer.
pub(crate) type Parameters = Vec<[Vec<f64>; 2]>;

/// What straight-through gradients are gradients of, in double precision and without tensors: the network around one
/// forward pass, with each layer's rounding and product errors frozen.
pub(crate) struct Surrogate {
    /// Rounded weights and bias at which the pass was made.
    pub(crate) parameters: Parameters,
    /// `[batch][features]`.
    images: Vec<f64>,
    layers: Vec<FrozenLayer>,
    /// Number of images.
    pub(crate) batch: usize,
}

struct FrozenLayer {
    outputs: usize,
    /// Pre-activations less what real arithmetic makes of the layer's input, `[batch][outputs]`.
    product_errors: Vec<f64>,
    /// Activations less clamped pre-activations, `[batch][outputs]`, and where they saturate.
    activation: Option<(f64, Vec<f64>)>,
}

impl Surrogate {
    pub(crate) fn new(network: &QuantizedMlp, trace: &[LayerTrace]) -> Self {
        let mut parameters = Parameters::new();
        let mut layers = Vec::new();
        for (position, (layer, pass)) in network.layers().iter().zip(trace).enumerate() {
            let (weight, bias) = (doubles(&layer.weight), doubles(&layer.bias));
            let outputs = bias.len();
            let preactivations = doubles(&pass.output);
            let real = affine(&doubles(&pass.input), &weight, &bias);
            let activation = pass.limit.map(|limit| {
                let limit = f64::from(limit);
                let next = doubles(&trace[position + 1].input);
                (limit, difference(&next, &preactivations.iter().map(|z| z.clamp(0.0, limit)).collect::<Vec<_>>()))
            });
            layers.push(FrozenLayer { outputs, product_errors: difference(&preactivations, &real), activation });
            parameters.push([weight, bias]);
        }
        Self { parameters, images: doubles(&trace[0].input), layers, batch: trace[0].input.dims()[0] }
    }

    /// Class scores `[batch][classes]` with other parameters but the same errors.
    pub(crate) fn scores(&self, parameters: &Parameters) -> Vec<f64> {
        let mut input = self.images.clone();
        for (layer, [weight, bias]) in self.layers.iter().zip(parameters) {
            let output = sum(&affine(&input, weight, bias), &layer.product_errors);
            assert_eq!(output.len(), self.batch * layer.outputs);
            input = match &layer.activation {
                Some((limit, errors)) => {
                    sum(&output.iter().map(|z| z.clamp(0.0, *limit)).collect::<Vec<_>>(), errors)
                }
                None => output,
            };
        }
        input
    }

    /// Mean cross-entropy of the scores, targets as `[batch][classes]` of zeros and ones.
    pub(crate) fn cross_entropy(&self, parameters: &Parameters, targets: &[f64]) -> f64 {
        let scores = self.scores(parameters);
        let classes = scores.len() / self.batch;
        let rows = scores.chunks_exact(classes).zip(targets.chunks_exact(classes));
        let loss = rows.map(|(scores, targets)| {
            let normaliser = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
            scores.iter().zip(targets).map(|(score, target)| target * (normaliser - score)).sum::<f64>()
        });
        loss.sum::<f64>() / self.batch as f64
    }

    /// The derivative of `function` by each weight and bias at the pass's parameters, by central differences.
    pub(crate) fn gradient(&self, function: impl Fn(&Parameters) -> f64) -> Parameters {
        const STEP: f64 = 1e-6;
        let mut gradient = self.parameters.clone();
        for (layer, tensors) in self.parameters.iter().enumerate() {
            for (tensor, values) in tensors.iter().enumerate() {
                for (index, &value) in values.iter().enumerate() {
                    let at = |value: f64| {
                        let mut parameters = self.parameters.clone();
                        parameters[layer][tensor][index] = value;
                        function(&parameters)
                    };
                    gradient[layer][tensor][index] = (at(value + STEP) - at(value - STEP)) / (2.0 * STEP);
                }
            }
        }
        gradient
    }
}

/// A tensor's elements in double precision.
pub(crate) fn doubles<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    to_vec(tensor.clone()).into_iter().map(f64::from).collect()
}

/// `input [batch][inputs]` times the transpose of `weight [outputs][inputs]`, plus `bias`.
fn affine(input: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let inputs = weight.len() / bias.len();
    let output = |image: &[f64]| {
        let image = image.to_vec();
        let rows = weight.chunks_exact(inputs).zip(bias);
        rows.map(move |(row, bias)| bias + row.iter().zip(&image).map(|(w, x)| w * x).sum::<f64>())
            .collect::<Vec<_>>()
    };
    input.chunks_exact(inputs).flat_map(output).collect()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// A random network and a random batch of images.
pub(crate) struct Fixture {
    pub(crate) mlp: Mlp,
    /// Scales from the batch itself, reduced so that some activations saturate.
    pub(crate) calibration: Calibration,
    pub(crate) gemm: Arc<ProductGemm>,
    pub(crate) images: Tensor<2>,
    pub(crate) targets: Tensor<2>,
}

impl Fixture {
    pub(crate) fn new(widths: &[usize], batch: usize, table: &ProductTable) -> Self {
        let device = Device::flex().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut mlp = Mlp::random(widths, &mut rng, &device);
        let mut parameters = mlp.parameters();
        parameters.iter_mut().flat_map(|(_, bias)| bias).for_each(|bias| *bias = rng.random_range(-0.2..0.3));
        mlp = Mlp::from_parameters(widths, parameters, &device);

        let (features, classes) = (widths[0], widths[widths.len() - 1]);
        let pixels = (0..batch * features).map(|_| rng.random_range(0..=127u8) as f32 * PIXEL_SCALE).collect();
        let images = Tensor::from_data(TensorData::new(pixels, [batch, features]), &device);
        let targets = (0..batch * classes).map(|index| f32::from(index % classes == index / classes % classes));
        let targets = Tensor::from_data(TensorData::new(targets.collect(), [batch, classes]), &device);

        let gemm = Arc::new(ProductGemm::new(table));
        let mut fixture = Self { mlp, calibration: Calibration::new(widths.len() - 2), gemm, images, targets };
        fixture.network().forward(fixture.images.clone(), &fixture.gemm, &mut fixture.calibration);
        let scales = fixture.calibration.scales();
        let mut reduced = Calibration::new(scales.len());
        for (layer, scale) in scales.into_iter().enumerate() {
            reduced.scale(layer, 0.7 * 127.0 * scale);
        }
        fixture.calibration = reduced;
        fixture
    }

    pub(crate) fn network(&self) -> QuantizedMlp {
        self.mlp.quantize().expect("finite weights")
    }

    pub(crate) fn forward(&self, network: &QuantizedMlp) -> Vec<LayerTrace> {
        network.forward(self.images.clone(), &self.gemm, &mut self.calibration.frozen())
    }
}

/// The multiplier whose operands lose their lowest `bits`.
pub(crate) fn truncated(bits: u32) -> ProductTable {
    let value = move |code: u32| i32::from(code as u8 as i8) >> bits << bits;
    ProductTable::from_fn(8, 8, true, move |a, b| value(a) * value(b))
}
