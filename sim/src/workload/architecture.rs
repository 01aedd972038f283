//! Shapes of a network's layers, before there are any weights.

use super::wiring;
use super::{Convolution, ConvolutionError, LayerSpec, NetworkError, Pool, Pooling, Wiring, WiringError};
use std::fmt;

/// Shape of a multiplying layer and of the pooling after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerShape {
    /// What is multiplied.
    pub convolution: Convolution,
    /// Pooling of the activations that leave.
    pub pooling: Option<Pool>,
    /// Which other layers it is joined to.
    pub wiring: Wiring,
    /// Whether its sums are normalised over a batch while training.
    pub normalised: bool,
}

impl LayerShape {
    /// A layer that is joined to the one before it alone.
    pub fn new(convolution: Convolution, pooling: Option<Pool>) -> Self {
        Self { convolution, pooling, wiring: Wiring::default(), normalised: false }
    }

    /// Channels, rows and columns of what leaves.
    pub fn output(&self) -> [usize; 3] {
        self.pooling.map_or(self.convolution.output(), |pool| pool.output())
    }
}

/// Shapes of a network's layers for images of one size.
///
/// Invariant: at least one layer; each takes what the one before gives, or an earlier one, a fully connected layer whatever its
/// shape; all outputs are taken, and the last gives one score a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Architecture {
    layers: Vec<LayerShape>,
}

/// A description no network can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// A layer does not fit what comes before it.
    #[error("layer {position} of the model, given {input:?} (channels, rows, columns): {source}")]
    Layer {
        /// From 1.
        position: usize,
        /// Channels, rows and columns before it.
        input: [usize; 3],
        /// What is wrong.
        source: ConvolutionError,
    },
    /// Pooling where there is nothing to pool.
    #[error(
        "layer {position} of the model pools, but no convolution stands before it; pooling follows a convolution, once"
    )]
    Pooling {
        /// From 1.
        position: usize,
    },
    /// An entry that says more of the layer before where there is none, or says it twice.
    #[error("layer {position} of the model says more of another, but there is none, or it has been said")]
    Stray {
        /// From 1.
        position: usize,
    },
    /// A layer that cannot be joined to others as told.
    #[error("layer {position} of the model: {source}")]
    Wiring {
        /// From 1.
        position: usize,
        /// What is wrong.
        source: WiringError,
    },
}

impl Architecture {
    /// A classifier of images of `image` (channels, rows, columns): the layers given, and a fully connected one with an
    /// output a class.
    pub fn new(image: [usize; 3], hidden: &[LayerSpec], classes: usize) -> Result<Self, ArchitectureError> {
        let mut layers: Vec<LayerShape> = Vec::new();
        // Where each stands in the description.
        let mut positions = Vec::new();
        let mut source: Option<usize> = None;
        let specs = hidden.iter().copied().chain([LayerSpec::Dense { outputs: classes }]);
        for (spec, position) in specs.zip(1..) {
            let from = source.or(layers.len().checked_sub(1));
            let input = match from {
                Some(number) if number >= layers.len() => {
                    let error = WiringError::Later { wanted: number };
                    return Err(ArchitectureError::Wiring { position, source: error });
                }
                Some(number) => layers[number].output(),
                None => image,
            };
            let refused = |source| ArchitectureError::Layer { position, input, source };
            let convolution = match spec {
                LayerSpec::Convolution { outputs, kernel, stride, padding, groups } => {
                    Convolution::new(input, outputs, kernel, stride, padding, groups)
                }
                LayerSpec::Dense { outputs } => Convolution::connected(input, outputs),
                LayerSpec::Pooling { .. } | LayerSpec::GlobalPooling { .. } => {
                    let last = layers.last_mut().filter(|layer| layer.pooling.is_none());
                    let last = last.filter(|layer| !layer.convolution.is_connected());
                    let layer = last.ok_or(ArchitectureError::Pooling { position })?;
                    let input = layer.output();
                    let pool = match spec {
                        LayerSpec::Pooling { kind, window, stride } => Pool::new(kind, input, window, stride),
                        LayerSpec::GlobalPooling { kind } => {
                            let whole = [input[1], input[2]];
                            Pool::new(kind, input, whole, whole)
                        }
                        _ => unreachable!("matched above"),
                    };
                    layer.pooling =
                        Some(pool.map_err(|source| ArchitectureError::Layer { position, input, source })?);
                    continue;
                }
                LayerSpec::From { layer } => match source.replace(layer) {
                    Some(_) => return Err(ArchitectureError::Stray { position }),
                    None => continue,
                },
                LayerSpec::Normalisation | LayerSpec::Add { .. } | LayerSpec::Linear => {
                    let last = layers.last_mut().ok_or(ArchitectureError::Stray { position })?;
                    let twice = match spec {
                        LayerSpec::Add { layer } => last.wiring.residual.replace(layer).is_some(),
                        LayerSpec::Linear => std::mem::replace(&mut last.wiring.linear, true),
                        _ => std::mem::replace(&mut last.normalised, true),
                    };
                    if twice {
                        return Err(ArchitectureError::Stray { position });
                    }
                    continue;
                }
            };
            let mut layer = LayerShape::new(convolution.map_err(refused)?, None);
            layer.wiring.source = source.take();
            layers.push(layer);
            positions.push(position);
        }
        match wiring::check(&layers) {
            Ok(()) => Ok(Self { layers }),
            Err((number, source)) => Err(ArchitectureError::Wiring { position: positions[number], source }),
        }
    }

    /// A multilayer perceptron of so many activations, outputs of hidden layers, and classes.
    pub fn perceptron(inputs: usize, hidden: &[usize], classes: usize) -> Result<Self, ArchitectureError> {
        let hidden: Vec<LayerSpec> = hidden.iter().map(|&outputs| LayerSpec::Dense { outputs }).collect();
        Self::new([inputs, 1, 1], &hidden, classes)
    }

    /// Checks that layers fit together; `names` are for messages.
    pub(super) fn of_shapes(layers: Vec<LayerShape>, names: &[&str]) -> Result<Self, NetworkError> {
        wiring::check(&layers)
            .map_err(|(number, source)| NetworkError::Wiring { layer: names[number].to_owned(), source })?;
        let mut given: Option<[usize; 3]> = None;
        for (shape, &name) in layers.iter().zip(names) {
            let chain = |input, given| NetworkError::Chain { layer: name.to_owned(), input, given };
            let input = shape.convolution.input();
            given = shape.wiring.source.map(|number| layers[number].output()).or(given);
            let flattened = |given: [usize; 3]| {
                shape.convolution.is_connected() && given.iter().product::<usize>() == shape.convolution.inputs()
            };
            if let Some(given) = given.filter(|&given| given != input && !flattened(given)) {
                return Err(chain(input, given));
            }
            let output = shape.convolution.output();
            if let Some(pool) = shape.pooling.filter(|pool| pool.input() != output) {
                return Err(chain(pool.input(), output));
            }
            given = Some(shape.output());
        }
        match (given, names.last()) {
            (Some([_, 1, 1]), _) => Ok(Self { layers }),
            (Some(output), Some(&name)) => Err(NetworkError::Scores { layer: name.to_owned(), output }),
            _ => Err(NetworkError::Empty),
        }
    }

    /// The same without normalisation, for weights that it is folded into.
    pub fn folded(mut self) -> Self {
        self.layers.iter_mut().for_each(|layer| layer.normalised = false);
        self
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    /// Activations of an image.
    pub fn inputs(&self) -> usize {
        self.layers[0].convolution.inputs()
    }

    /// Classes.
    pub fn classes(&self) -> usize {
        self.layers[self.layers.len() - 1].convolution.channels()
    }
}

/// `mlp-784-128-10` for a perceptron; otherwise a letter and sizes for each layer, as in `c6k5p2-m2-c16k5-m2-120-84-10`, with
/// `n` for normalised, `l` for linear, and `f3` and `+3` for input from and addition of the third layer.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |[down, right]: [usize; 2]| match down == right {
            true => down.to_string(),
            false => format!("{down}x{right}"),
        };
        let mut parts: Vec<String> = Vec::new();
        if self.layers.iter().all(|layer| layer.convolution.is_connected()) {
            parts.extend(["mlp".to_owned(), self.inputs().to_string()]);
        }
        for LayerShape { convolution, pooling, wiring, normalised } in &self.layers {
            let joints = || {
                let number = |letter: &str, number: Option<usize>| {
                    number.map_or(String::new(), |number| format!("{letter}{}", number + 1))
                };
                let flag = |letter: &str, set: bool| if set { letter.to_owned() } else { String::new() };
                let Wiring { source, residual, linear } = *wiring;
                flag("n", *normalised) + &flag("l", linear) + &number("f", source) + &number("+", residual)
            };
            if convolution.is_connected() {
                parts.push(convolution.channels().to_string() + &joints());
                continue;
            }
            let mut part = format!("c{}k{}", convolution.channels(), pair(convolution.kernel()));
            for (letter, value, usual) in [('s', convolution.stride(), [1, 1]), ('p', convolution.padding(), [0, 0])]
            {
                if value != usual {
                    part += &format!("{letter}{}", pair(value));
                }
            }
            if convolution.groups() != 1 {
                part += &format!("g{}", convolution.groups());
            }
            part += &joints();
            parts.push(part);
            if let Some(pool) = pooling {
                let letter = if pool.kind() == Pooling::Maximum { 'm' } else { 'a' };
                let stride =
                    if pool.stride() == pool.window() { String::new() } else { format!("s{}", pair(pool.stride())) };
                parts.push(format!("{letter}{}{stride}", pair(pool.window())));
            }
        }
        f.write_str(&parts.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenet_has_its_published_shapes() {
        let lenet = Architecture::new([1, 28, 28], &LayerSpec::lenet5(), 10).unwrap();
        let outputs: Vec<_> = lenet.layers().iter().map(LayerShape::output).collect();
        assert_eq!(outputs, [[6, 14, 14], [16, 5, 5], [120, 1, 1], [84, 1, 1], [10, 1, 1]]);
        let work: u64 = lenet.layers().iter().map(|layer| layer.convolution.multiply_accumulates()).sum();
        assert_eq!(work, 784 * 25 * 6 + 100 * 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10);
        let weights: usize = lenet.layers().iter().map(|layer| layer.convolution.weights()).sum();
        assert_eq!(weights, 150 + 2400 + 48_000 + 10_080 + 840);
        assert_eq!(lenet.to_string(), "c6k5p2-m2-c16k5-m2-120-84-10");
    }

    /// 77,360 weights without the last layer's: published as 78 k parameters on three channels (Banbury et al. 2021, table 1).
    #[test]
    fn resnet_has_its_published_shapes() {
        let resnet = Architecture::new([3, 32, 32], &LayerSpec::resnet8(), 10).unwrap();
        let outputs: Vec<_> = resnet.layers().iter().map(LayerShape::output).collect();
        let (a, b, c) = ([16, 32, 32], [32, 16, 16], [64, 8, 8]);
        assert_eq!(outputs, [a, a, a, b, b, b, c, c, [64, 1, 1], [10, 1, 1]]);
        let weights: usize = resnet.layers().iter().map(|layer| layer.convolution.weights()).sum();
        // 9 · (3·16 + 2·16² + 16·32 + 32² + 32·64 + 64²) + 16·32 + 32·64 + 640.
        assert_eq!(weights, 9 * (48 + 512 + 512 + 1024 + 2048 + 4096) + 512 + 2048 + 640);
        let wiring: Vec<_> =
            resnet.layers().iter().map(|layer| (layer.wiring.source, layer.wiring.residual)).collect();
        let chain = (None, None);
        assert_eq!(wiring[..3], [chain, chain, (None, Some(0))]);
        assert_eq!(wiring[3..6], [chain, (Some(2), None), (None, Some(3))]);
        assert_eq!(wiring[6..], [chain, (Some(5), None), (None, Some(6)), chain]);
        let normalised = resnet.layers().iter().filter(|layer| layer.normalised).count();
        let linear: Vec<_> = (0..10).filter(|&layer| resnet.layers()[layer].wiring.linear).collect();
        assert_eq!((normalised, linear), (9, vec![3, 6]));
        assert!(resnet.to_string().starts_with("c16k3p1n-c16k3p1n-c16k3p1n+1-c32k1s2nl-c32k3s2p1nf3-c32k3p1n+4-"));
        let vgg = Architecture::new([1, 28, 28], &LayerSpec::vgg_small(), 10).unwrap();
        assert_eq!(vgg.layers()[5].output(), [128, 3, 3]);
    }

    #[test]
    fn layers_that_cannot_be_joined_are_refused() {
        use LayerSpec::{Add, Dense, From, GlobalPooling, Linear, Normalisation};
        let dense = Dense { outputs: 4 };
        let pointwise =
            LayerSpec::Convolution { outputs: 4, kernel: [1, 1], stride: [1, 1], padding: [0, 0], groups: 1 };
        let refused = |layers: &[LayerSpec]| Architecture::new([2, 6, 6], layers, 3).unwrap_err();
        let wiring = |position, source| ArchitectureError::Wiring { position, source };
        let later = |wanted| WiringError::Later { wanted };
        assert_eq!(refused(&[dense, From { layer: 1 }, dense]), wiring(3, later(1)));
        assert_eq!(refused(&[dense, Add { layer: 0 }]), wiring(1, later(0)));
        assert_eq!(refused(&[dense, Linear, dense]), wiring(3, WiringError::Signed { wanted: 0 }));
        assert_eq!(refused(&[dense, dense, From { layer: 0 }]), wiring(2, WiringError::Unused));
        let pooled = [pointwise, Linear, GlobalPooling { kind: Pooling::Maximum }];
        assert_eq!(refused(&pooled), wiring(1, WiringError::LinearPooling));
        let wide = WiringError::Shape { residual: 0, found: [4, 6, 6], sums: [4, 1, 1] };
        assert_eq!(refused(&[pointwise, dense, Add { layer: 0 }]), wiring(2, wide));
        for stray in [&[Normalisation][..], &[Add { layer: 0 }], &[Linear]] {
            assert_eq!(refused(stray), ArchitectureError::Stray { position: 1 });
        }
        let twice = [dense, Normalisation, Normalisation];
        assert_eq!(refused(&twice), ArchitectureError::Stray { position: 3 });
        assert_eq!(refused(&[dense, From { layer: 0 }, From { layer: 0 }]), ArchitectureError::Stray { position: 3 });
    }

    #[test]
    fn perceptrons_are_named_by_their_widths() {
        let flat = Architecture::perceptron(784, &[128], 10).unwrap();
        assert_eq!((flat.to_string().as_str(), flat.inputs(), flat.classes()), ("mlp-784-128-10", 784, 10));
        let of_images = Architecture::new([1, 28, 28], &[LayerSpec::Dense { outputs: 128 }], 10).unwrap();
        assert_eq!(of_images.to_string(), "mlp-784-128-10");
        assert!(Architecture::perceptron(0, &[4], 10).is_err() && Architecture::perceptron(784, &[0], 10).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_position() {
        let pool = |window| LayerSpec::Pooling { kind: Pooling::Average, window, stride: window };
        let convolution = |kernel, groups| LayerSpec::Convolution {
            outputs: 4,
            kernel: [kernel; 2],
            stride: [1, 1],
            padding: [0, 0],
            groups,
        };
        let refused = |layers: &[LayerSpec]| Architecture::new([2, 6, 6], layers, 3).unwrap_err();
        assert_eq!(refused(&[pool([2, 2])]), ArchitectureError::Pooling { position: 1 });
        let twice = [convolution(3, 2), pool([2, 2]), pool([2, 2])];
        assert_eq!(refused(&twice), ArchitectureError::Pooling { position: 3 });
        let large = refused(&[convolution(3, 2), convolution(5, 1)]);
        assert!(matches!(large, ArchitectureError::Layer { position: 2, input: [4, 4, 4], .. }));
        assert!(large.to_string().contains("kernel"), "{large}");
        assert!(matches!(refused(&[convolution(3, 3)]), ArchitectureError::Layer { position: 1, .. }));
    }
}
