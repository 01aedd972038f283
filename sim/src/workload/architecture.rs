//! Shapes of a network's layers, before there are any weights.

use super::{Convolution, ConvolutionError, NetworkError, Pool, Pooling};
use std::fmt;

/// A layer as a model's description lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerSpec {
    /// A convolution, whatever the size of its input.
    Convolution {
        /// Output channels.
        outputs: usize,
        /// Rows and columns of the kernel.
        kernel: [usize; 2],
        /// Rows and columns from one position to the next.
        stride: [usize; 2],
        /// Rows and columns of zeros at each border.
        padding: [usize; 2],
        /// Groups of channels that do not mix; as many as channels for a depthwise convolution.
        groups: usize,
    },
    /// Pooling of what a convolution gives.
    Pooling {
        /// What becomes of a window.
        kind: Pooling,
        /// Rows and columns of a window.
        window: [usize; 2],
        /// Rows and columns from window to window.
        stride: [usize; 2],
    },
    /// A fully connected layer over all that comes before.
    Dense {
        /// Outputs.
        outputs: usize,
    },
}

impl LayerSpec {
    /// LeNet-5 (LeCun et al., Proc. IEEE 86, 1998) on 28×28 images but for its last layer: two convolutions of 5×5, 6 and
    /// 16 channels, and 120 and 84 outputs, with ReLU, maximum pooling and all channels connected.
    pub fn lenet5() -> Vec<LayerSpec> {
        let convolution = |outputs, padding| LayerSpec::Convolution {
            outputs,
            kernel: [5, 5],
            stride: [1, 1],
            padding: [padding; 2],
            groups: 1,
        };
        let pooling = LayerSpec::Pooling { kind: Pooling::Maximum, window: [2, 2], stride: [2, 2] };
        let dense = |outputs| LayerSpec::Dense { outputs };
        vec![convolution(6, 2), pooling, convolution(16, 0), pooling, dense(120), dense(84)]
    }
}

/// Shape of a multiplying layer and of the pooling after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerShape {
    /// What is multiplied.
    pub convolution: Convolution,
    /// Pooling of the activations that leave.
    pub pooling: Option<Pool>,
}

impl LayerShape {
    /// Channels, rows and columns of what leaves.
    pub fn output(&self) -> [usize; 3] {
        self.pooling.map_or(self.convolution.output(), |pool| pool.output())
    }
}

/// Shapes of a network's layers for images of one size.
///
/// Invariant: at least one layer; each takes what the one before gives, a fully connected one whatever its shape; the last
/// gives one score a class.
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
}

impl Architecture {
    /// A classifier of images of `image` (channels, rows, columns): the layers given, and a fully connected one with an
    /// output a class.
    pub fn new(image: [usize; 3], hidden: &[LayerSpec], classes: usize) -> Result<Self, ArchitectureError> {
        let mut layers: Vec<LayerShape> = Vec::new();
        let specs = hidden.iter().copied().chain([LayerSpec::Dense { outputs: classes }]);
        for (spec, position) in specs.zip(1..) {
            let input = layers.last().map_or(image, LayerShape::output);
            let refused = |source| ArchitectureError::Layer { position, input, source };
            let convolution = match spec {
                LayerSpec::Convolution { outputs, kernel, stride, padding, groups } => {
                    Convolution::new(input, outputs, kernel, stride, padding, groups)
                }
                LayerSpec::Dense { outputs } => Convolution::connected(input, outputs),
                LayerSpec::Pooling { kind, window, stride } => {
                    let pool = Pool::new(kind, input, window, stride).map_err(refused)?;
                    match layers.last_mut() {
                        Some(layer) if layer.pooling.is_none() && !layer.convolution.is_connected() => {
                            layer.pooling = Some(pool);
                        }
                        _ => return Err(ArchitectureError::Pooling { position }),
                    }
                    continue;
                }
            };
            layers.push(LayerShape { convolution: convolution.map_err(refused)?, pooling: None });
        }
        Ok(Self { layers })
    }

    /// A multilayer perceptron of so many activations, outputs of hidden layers, and classes.
    pub fn perceptron(inputs: usize, hidden: &[usize], classes: usize) -> Result<Self, ArchitectureError> {
        let hidden: Vec<LayerSpec> = hidden.iter().map(|&outputs| LayerSpec::Dense { outputs }).collect();
        Self::new([inputs, 1, 1], &hidden, classes)
    }

    /// Checks that layers fit together; `names` are for messages.
    pub(super) fn of_shapes(layers: Vec<LayerShape>, names: &[&str]) -> Result<Self, NetworkError> {
        let mut given: Option<[usize; 3]> = None;
        for (shape, &name) in layers.iter().zip(names) {
            let chain = |input, given| NetworkError::Chain { layer: name.to_owned(), input, given };
            let input = shape.convolution.input();
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

/// `mlp-784-128-10` for a perceptron; otherwise a letter and sizes for each layer, as in `c6k5p2-m2-c16k5-m2-120-84-10`.
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
        for LayerShape { convolution, pooling } in &self.layers {
            if convolution.is_connected() {
                parts.push(convolution.channels().to_string());
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
