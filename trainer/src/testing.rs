//! References for tests.

use crate::calibration::Calibration;
use crate::geometry::LayerGeometry;
use crate::network::{LayerTrace, RoundedNetwork, to_vec};
use crate::pass::Pass;
use crate::quantization::{Granularity, Quantization, RangeEstimator, Scheme};
use crate::real_network::{RealNetwork, RealParameters};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{Architecture, Convolution, LayerSpec, Network, PIXEL_SCALE, Pooling};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Weights `[output channel][k]` and bias of each layer.
pub(crate) type Parameters = Vec<[Vec<f64>; 2]>;

/// What straight-through gradients are gradients of, in double precision and without tensors: the network around one
/// forward pass, with each layer's rounding and product errors frozen, and which activations pooling takes.
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
    convolution: Convolution,
    /// Layer whose output comes in, and layer whose output is added.
    joints: [Option<usize>; 2],
    /// Pre-activations less what real arithmetic makes of what comes in, `[batch][outputs]`.
    product_errors: Vec<f64>,
    activation: Option<FrozenActivation>,
}

struct FrozenActivation {
    /// Where activations saturate.
    limits: [f64; 2],
    /// The activations that go into each pooled one and their shares, `[batch, pooled activation]`.
    shares: Vec<Vec<(usize, f64)>>,
    /// Activations less what clamping and pooling make of pre-activations.
    errors: Vec<f64>,
}

impl FrozenActivation {
    fn exact(&self, preactivations: &[f64]) -> Vec<f64> {
        let clamped = |place: usize| preactivations[place].clamp(self.limits[0], self.limits[1]);
        self.shares.iter().map(|shares| shares.iter().map(|&(place, share)| share * clamped(place)).sum()).collect()
    }
}

impl Surrogate {
    pub(crate) fn new(network: &RoundedNetwork, trace: &[LayerTrace]) -> Self {
        let mut parameters = Parameters::new();
        let mut layers = Vec::new();
        let batch = trace[0].input.dims()[0];
        for (position, (layer, pass)) in network.layers().iter().zip(trace).enumerate() {
            let (weight, bias) = (doubles(&layer.weight), doubles(&layer.bias));
            let preactivations = doubles(&pass.output);
            let convolution = layer.geometry.convolution;
            let joints = [layer.geometry.source(position), layer.geometry.wiring.residual];
            let mut real = affine(&convolution, &doubles(&pass.input), &weight, &bias);
            if let Some(residual) = joints[1] {
                real = sum(&real, &doubles(&trace[residual].activation.as_ref().unwrap().values));
            }
            let activation = pass.activation.as_ref().map(|activation| {
                let limits = activation.limits.map(f64::from);
                let shares = (0..batch).flat_map(|image| shares(&layer.geometry, pass, image)).collect();
                let mut frozen = FrozenActivation { limits, shares, errors: Vec::new() };
                frozen.errors = difference(&doubles(&activation.values), &frozen.exact(&preactivations));
                frozen
            });
            let product_errors = difference(&preactivations, &real);
            layers.push(FrozenLayer { convolution, joints, product_errors, activation });
            parameters.push([weight, bias]);
        }
        Self { parameters, images: doubles(&trace[0].input), layers, batch }
    }

    /// Class scores `[batch][classes]` with other parameters but the same errors.
    pub(crate) fn scores(&self, parameters: &Parameters) -> Vec<f64> {
        let mut outputs: Vec<Vec<f64>> = Vec::new();
        for (layer, [weight, bias]) in self.layers.iter().zip(parameters) {
            let [source, residual] = layer.joints.map(|number| number.map(|number| &outputs[number]));
            let input = source.unwrap_or(&self.images);
            let mut output = sum(&affine(&layer.convolution, input, weight, bias), &layer.product_errors);
            if let Some(residual) = residual {
                output = sum(&output, residual);
            }
            assert_eq!(output.len(), self.batch * layer.convolution.outputs());
            outputs.push(match &layer.activation {
                Some(activation) => sum(&activation.exact(&output), &activation.errors),
                None => output,
            });
        }
        outputs.pop().expect("a layer at least")
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

/// Which activations of an image, numbered over the batch, go into each pooled one, by the definition of pooling: of equal
/// largest activations the first.
fn shares(geometry: &LayerGeometry, pass: &LayerTrace, image: usize) -> Vec<Vec<(usize, f64)>> {
    let (outputs, activation) = (geometry.convolution.outputs(), pass.activation.as_ref().unwrap());
    let Some(windows) = &geometry.pooling else {
        return (0..outputs).map(|place| vec![(image * outputs + place, 1.0)]).collect();
    };
    let preactivations = &doubles(&pass.output)[image * outputs..][..outputs];
    let codes = |quotient: f64, most: f64| (quotient * most).round().clamp(0.0, most);
    let code = |place: usize| codes(preactivations[place] / f64::from(activation.limits[1]), 127.0);
    let mut shares = Vec::new();
    windows.pool().for_each_window(|_, window| {
        let places: Vec<usize> = window.collect();
        let numbered = |place: usize, share: f64| (image * outputs + place, share);
        shares.push(match windows.pool().kind() {
            Pooling::Average => places.iter().map(|&place| numbered(place, 1.0 / places.len() as f64)).collect(),
            Pooling::Maximum => {
                let largest = places.iter().map(|&place| code(place)).fold(0.0, f64::max);
                let first = places.iter().find(|&&place| code(place) == largest);
                vec![numbered(*first.expect("a window is not empty"), 1.0)]
            }
        });
    });
    shares
}

/// The convolution of images, by its definition, plus `bias`.
pub(crate) fn affine(convolution: &Convolution, images: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let (shape, positions) = (convolution.shape(1), convolution.positions());
    // Which activation meets which weight, by lowering the activations' own numbers; 0 is padding.
    let numbers: Vec<usize> = (1..=convolution.inputs()).collect();
    let met: Vec<_> = (0..convolution.groups()).map(|group| convolution.lower(&numbers, group)).collect();
    let sum = |image: &[f64], channel: usize, position: usize| {
        let met = &met[channel / shape.n][position * shape.k..][..shape.k];
        let pairs = met.iter().zip(&weight[channel * shape.k..][..shape.k]);
        let products = pairs.filter(|(number, _)| **number > 0).map(|(number, weight)| image[number - 1] * weight);
        bias[channel] + products.sum::<f64>()
    };
    let mut sums = Vec::new();
    for image in images.chunks_exact(convolution.inputs()) {
        sums.extend((0..convolution.outputs()).map(|place| sum(image, place / positions, place % positions)));
    }
    sums
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// A random network and a random batch of images.
pub(crate) struct Fixture {
    pub(crate) real: RealNetwork,
    pub(crate) geometry: Vec<LayerGeometry>,
    pub(crate) quantization: Quantization,
    /// Scales from the batch itself, reduced so that some activations saturate.
    pub(crate) calibration: Calibration,
    pub(crate) gemm: Arc<TableGemm>,
    pub(crate) images: Tensor<2>,
    pub(crate) targets: Tensor<2>,
}

impl Fixture {
    /// A perceptron of these widths.
    pub(crate) fn perceptron(widths: &[usize], batch: usize, table: &ProductTable) -> Self {
        let [inputs, hidden @ .., classes] = widths else { panic!("two widths at least") };
        Self::new(&Architecture::perceptron(*inputs, hidden, *classes).unwrap(), batch, table)
    }

    /// A small network with padding, strides, groups and pooling.
    pub(crate) fn convolutional(kind: Pooling, batch: usize, table: &ProductTable) -> Self {
        let convolution = |outputs, stride, padding, groups| LayerSpec::Convolution {
            outputs,
            kernel: [3, 2],
            stride,
            padding,
            groups,
        };
        let layers = [
            convolution(4, [1, 1], [1, 0], 2),
            LayerSpec::Pooling { kind, window: [2, 2], stride: [2, 1] },
            convolution(3, [1, 2], [1, 1], 1),
            LayerSpec::Dense { outputs: 5 },
        ];
        Self::new(&Architecture::new([2, 6, 5], &layers, 3).unwrap(), batch, table)
    }

    /// A block around a convolution, and one at a stride with a linear shortcut; everything is normalised if so wished.
    pub(crate) fn residual(normalised: bool, batch: usize, table: &ProductTable) -> Self {
        let convolution = |outputs, kernel: usize, stride| LayerSpec::Convolution {
            outputs,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            groups: 1,
        };
        let blocks = [
            vec![convolution(2, 3, 1)],
            vec![convolution(3, 1, 1)],
            vec![convolution(2, 3, 1), LayerSpec::Add { layer: 0 }],
            vec![convolution(3, 1, 2), LayerSpec::Linear, LayerSpec::From { layer: 2 }],
            vec![convolution(3, 3, 2), LayerSpec::Add { layer: 3 }],
        ];
        let mut layers = Vec::new();
        for mut block in blocks {
            if normalised {
                block.insert(1, LayerSpec::Normalisation);
            }
            layers.extend(block);
        }
        layers.push(LayerSpec::GlobalPooling { kind: Pooling::Average });
        Self::new(&Architecture::new([1, 5, 4], &layers, 3).unwrap(), batch, table)
    }

    /// The models that have names, on small images.
    pub(crate) fn models(batch: usize, table: &ProductTable) -> [Self; 2] {
        [LayerSpec::resnet8(), LayerSpec::vgg_small()].map(|layers| {
            let architecture = Architecture::new([1, 12, 10], &layers, 4).unwrap();
            Self::new(&architecture, batch, table)
        })
    }

    fn new(architecture: &Architecture, batch: usize, table: &ProductTable) -> Self {
        let device = Device::flex().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let geometry: Vec<_> = architecture.layers().iter().map(LayerGeometry::new).collect();
        let mut parameters = RealNetwork::random(&geometry, &mut rng, &device).parameters();
        parameters.iter_mut().flat_map(|layer| &mut layer.bias).for_each(|bias| *bias = rng.random_range(-0.2..0.3));
        let gains = parameters.iter_mut().flat_map(|layer| &mut layer.gain).flatten();
        gains.for_each(|gain| *gain = rng.random_range(0.5..1.5));
        let real = RealNetwork::from_parameters(parameters, &device);

        let (features, classes) = (architecture.inputs(), architecture.classes());
        let pixels = (0..batch * features).map(|_| rng.random_range(0..=127u8) as f32 * PIXEL_SCALE).collect();
        let images = Tensor::from_data(TensorData::new(pixels, [batch, features]), &device);
        let targets = (0..batch * classes).map(|index| f32::from(index % classes == index / classes % classes));
        let targets = Tensor::from_data(TensorData::new(targets.collect(), [batch, classes]), &device);

        let gemm = Arc::new(TableGemm::new(table));
        let quantization = Quantization::default();
        let calibration = Calibration::new(geometry.len() - 1, quantization);
        Self { real, geometry, quantization, calibration, gemm, images, targets }.calibrated()
    }

    /// The same with numbers rounded otherwise.
    pub(crate) fn quantized(mut self, quantization: Quantization) -> Self {
        self.quantization = quantization;
        self.calibration = Calibration::new(self.geometry.len() - 1, quantization);
        self.calibrated()
    }

    /// The same with scales and running moments of its images; moments of half of them, so that those of a pass are others.
    fn calibrated(mut self) -> Self {
        let half = self.images.clone().narrow(0, 0, self.images.dims()[0].div_ceil(2));
        for images in [half, self.images.clone()] {
            let mut calibration = Calibration::new(self.geometry.len() - 1, self.quantization);
            self.network().forward(images, &Pass::settled(&self.gemm), &mut calibration);
            let statistics = match self.calibration.peaks()[0] {
                None => calibration.statistics().clone(),
                Some(_) => self.calibration.statistics().clone(),
            };
            let peaks = calibration.peaks().iter().map(|peak| peak.map(|peak| 0.7 * peak)).collect();
            self.calibration = Calibration::of(peaks, statistics, self.quantization);
        }
        self
    }

    pub(crate) fn network(&self) -> RoundedNetwork {
        let statistics = self.calibration.statistics();
        self.real.round(&self.geometry, statistics, &self.quantization).expect("finite weights")
    }

    /// The integer network of a pass, with its moments folded in.
    pub(crate) fn exported(&self, trace: &[LayerTrace]) -> Network {
        self.network().folded(trace).export(&self.calibration.scales(), self.quantization.activation_bits)
    }

    /// The integer network that is deployed, with running moments folded in.
    pub(crate) fn deployed(&self) -> Network {
        let folded = self.real.folded(self.calibration.statistics());
        let parameters = folded.iter().map(RealParameters::of).collect();
        let real = RealNetwork::from_parameters(parameters, &self.images.device());
        let rounded = real.round(&self.geometry, self.calibration.statistics(), &self.quantization);
        rounded.unwrap().export(&self.calibration.scales(), self.quantization.activation_bits)
    }

    pub(crate) fn forward(&self, network: &RoundedNetwork) -> Vec<LayerTrace> {
        network.forward(self.images.clone(), &Pass::settled(&self.gemm), &mut self.calibration.frozen())
    }
}

/// All combinations of bits, scheme, granularity and range.
pub(crate) fn quantizations() -> Vec<Quantization> {
    use RangeEstimator::{MeanSquare, MinMax, Percentile};
    let mut all = Vec::new();
    for (weight_bits, activation_bits) in [(8, 7), (4, 4)] {
        for scheme in [Scheme::Symmetric, Scheme::Affine] {
            for granularity in [Granularity::PerTensor, Granularity::PerChannel] {
                for range in [MinMax, Percentile(99.0), MeanSquare] {
                    let (weight_range, activation_range) = (range, range);
                    all.push(Quantization {
                        weight_bits,
                        activation_bits,
                        granularity,
                        scheme,
                        weight_range,
                        activation_range,
                    });
                }
            }
        }
    }
    all
}

/// The multiplier whose operands lose their lowest `bits`.
pub(crate) fn truncated(bits: u32) -> ProductTable {
    let value = move |code: u32| i32::from(code as u8 as i8) >> bits << bits;
    ProductTable::from_fn(8, 8, true, move |a, b| value(a) * value(b))
}
