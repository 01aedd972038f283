//! Real weights that another program trained: a PyTorch state dict as safetensors.
//!
//! Tensors are `NAME.weight` and `NAME.bias` as `torch.nn.Linear` and `Conv2d` call them, and of a `BatchNorm2d` or `BatchNorm1d`
//! also `NAME.running_mean` and `NAME.running_var`. Its statistics are folded into the layer that it normalises.

use super::{Architecture, Convolution, FloatLayer};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What PyTorch adds to a variance before its root is taken, unless told otherwise.
const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Weights that do not fit the network that is to have them.
#[derive(Debug, thiserror::Error)]
pub enum StateDictError {
    /// Not safetensors, or truncated.
    #[error("not a whole safetensors file: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// A tensor of a type that is not read.
    #[error("tensor {tensor} holds {dtype:?}; F32 and F64 are read: save model.float()")]
    Type {
        /// Its name.
        tensor: String,
        /// What it holds.
        dtype: Dtype,
    },
    /// A tensor with a number that is none.
    #[error("tensor {tensor} holds {value}")]
    Value {
        /// Its name.
        tensor: String,
        /// The number.
        value: f64,
    },
    /// Names that are not those of the file.
    #[error("the file has no {name}; its layers are {known}")]
    Name {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Another number of names than the network has layers.
    #[error("{names} names for {layers} layers")]
    Names {
        /// How many were given.
        names: usize,
        /// How many there should be.
        layers: usize,
    },
    /// A layer for which the file has nothing.
    #[error("layer {position} needs weights of shape {shape:?}; the file has left {left}")]
    Missing {
        /// From 1.
        position: usize,
        /// `[outputs][channels of the group][rows][columns]`, or `[outputs][inputs]`.
        shape: Vec<usize>,
        /// Names and shapes that no layer has taken.
        left: String,
    },
    /// A layer whose tensors do not fit together.
    #[error("{name}: {problem}")]
    Layer {
        /// Its name in the file.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Layers of the file that the network does not have.
    #[error("the network has no layer for {left}")]
    Left {
        /// Names and shapes.
        left: String,
    },
    /// Inputs that were normalised, and then padded.
    #[error(
        "its inputs were normalised with a mean other than 0, and its first layer pads them by {padding:?} rows and columns: zeros of \
         normalised images are not black, and no weights make up for that; train it on images from 0 to 1, or with mean 0"
    )]
    PaddedInput {
        /// Rows and columns at each border.
        padding: [usize; 2],
    },
    /// Means or deviations of another number of channels.
    #[error("{found} means or deviations of inputs for {channels} channels of an image")]
    InputChannels {
        /// How many there are.
        found: usize,
        /// How many there should be, if not one.
        channels: usize,
    },
    /// Normalisations of which it is not clear what they normalise.
    #[error("it is not clear which layers {names} normalise")]
    Normalisation {
        /// Their names.
        names: String,
    },
}

/// How the images that a network was trained on were normalised: (x − mean) / deviation, x from 0 to 1. One of each for all channels,
/// or one a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct InputNormalisation {
    /// What was taken off.
    pub mean: Vec<f64>,
    /// What the rest was divided by; positive.
    pub deviation: Vec<f64>,
}

/// A layer of the file.
#[derive(Clone, Debug, Default)]
struct Entry {
    shape: Vec<usize>,
    weight: Vec<f64>,
    bias: Option<Vec<f64>>,
    /// Running mean and variance, if it is a normalisation.
    mean: Option<Vec<f64>>,
    variance: Option<Vec<f64>>,
}

impl Entry {
    fn is_normalisation(&self) -> bool {
        self.mean.is_some() || self.variance.is_some()
    }
}

/// Reads the weights of `architecture` from a state dict, normalisation folded in: one entry a layer.
///
/// Without `names`, a layer gets the weights of its shape, those of equal shapes in the order of their names, numbers counted as
/// numbers; normalisations go to the convolutions of as many channels, in that order. With `names`, layer `i` gets
/// `names[i]`: the name of a layer, or, normalised, `"conv1 + bn1"`.
///
/// Normalisation of the images, `input`, is folded into the first layer, which then takes images from 0 to 1.
pub fn read_state_dict(
    bytes: &[u8],
    architecture: &Architecture,
    names: Option<&[String]>,
    input: Option<&InputNormalisation>,
) -> Result<Vec<FloatLayer>, StateDictError> {
    let mut entries = entries(bytes)?;
    let convolutions: Vec<Convolution> = architecture.layers().iter().map(|layer| layer.convolution).collect();
    let chosen = match names {
        Some(names) if names.len() != convolutions.len() => {
            return Err(StateDictError::Names { names: names.len(), layers: convolutions.len() });
        }
        Some(names) => names.iter().map(|name| named(name)).collect(),
        None => matched(&entries, &convolutions)?,
    };
    let mut layers = Vec::new();
    for ((name, normalisation), (convolution, position)) in chosen.into_iter().zip(convolutions.iter().zip(1..)) {
        let mut take = |name: &str| {
            let known = listed(&entries);
            entries.remove(name).ok_or_else(|| StateDictError::Name { name: name.to_owned(), known })
        };
        let entry = take(&name)?;
        let normalisation = match normalisation {
            Some(name) => Some((take(&name)?, name)),
            None => None,
        };
        if entry.shape != shape(convolution) {
            let left = format!("{name} {:?}", entry.shape);
            return Err(StateDictError::Missing { position, shape: shape(convolution), left });
        }
        let (mut weights, mut bias) = folded(&name, entry, normalisation, convolution.channels())?;
        // The first layer alone takes the image.
        if let Some(input) = input.filter(|_| position == 1) {
            input.fold(convolution, &mut weights, &mut bias)?;
        }
        let [weights, bias] =
            [weights, bias].map(|numbers| numbers.into_iter().map(|number: f64| number as f32).collect());
        layers.push(FloatLayer { weights, bias });
    }
    match entries.is_empty() {
        true => Ok(layers),
        false => Err(StateDictError::Left { left: listed(&entries) }),
    }
}

/// The tensors of each layer of the file.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, StateDictError> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (tensor, view) in file.tensors() {
        let (name, kind) = tensor.rsplit_once('.').unwrap_or(("", &tensor));
        // A counter that only training needs.
        if kind == "num_batches_tracked" {
            continue;
        }
        let numbers = numbers(&tensor, &view)?;
        let entry = entries.entry(name.to_owned()).or_default();
        match kind {
            "weight" => (entry.weight, entry.shape) = (numbers, view.shape().to_vec()),
            "bias" => entry.bias = Some(numbers),
            "running_mean" => entry.mean = Some(numbers),
            "running_var" => entry.variance = Some(numbers),
            _ => {
                let problem = format!("{kind} is no tensor of a linear, convolutional or normalising layer");
                return Err(StateDictError::Layer { name: name.to_owned(), problem });
            }
        }
    }
    Ok(entries)
}

fn numbers(tensor: &str, view: &TensorView<'_>) -> Result<Vec<f64>, StateDictError> {
    let data = view.data();
    let numbers: Vec<f64> = match view.dtype() {
        Dtype::F32 => {
            data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")).into()).collect()
        }
        Dtype::F64 => {
            data.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight"))).collect()
        }
        dtype => return Err(StateDictError::Type { tensor: tensor.to_owned(), dtype }),
    };
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(&value) => Err(StateDictError::Value { tensor: tensor.to_owned(), value }),
        None => Ok(numbers),
    }
}

/// Shape of a layer's weights in the file.
fn shape(convolution: &Convolution) -> Vec<usize> {
    let outputs = convolution.channels();
    match convolution.is_connected() {
        true => vec![outputs, convolution.inputs()],
        false => {
            let [rows, columns] = convolution.kernel();
            vec![outputs, convolution.input()[0] / convolution.groups(), rows, columns]
        }
    }
}

/// A layer's name, and its normalisation's.
type Name = (String, Option<String>);

/// `conv1 + bn1`, or `fc`.
fn named(text: &str) -> Name {
    match text.split_once('+') {
        Some((layer, normalisation)) => (layer.trim().to_owned(), Some(normalisation.trim().to_owned())),
        None => (text.trim().to_owned(), None),
    }
}

/// The names of each layer, found by shapes.
fn matched(entries: &BTreeMap<String, Entry>, layers: &[Convolution]) -> Result<Vec<Name>, StateDictError> {
    let mut names: Vec<&String> = entries.keys().collect();
    names.sort_by(|a, b| natural(a, b));
    let (mut normalisations, mut weights): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| entries[*name].is_normalisation());
    let mut chosen: Vec<Name> = Vec::new();
    for (layer, position) in layers.iter().zip(1..) {
        let Some(place) = weights.iter().position(|name| entries[*name].shape == shape(layer)) else {
            let left = weights.iter().map(|name| format!("{name} {:?}", entries[*name].shape)).collect::<Vec<_>>();
            let left = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
            return Err(StateDictError::Missing { position, shape: shape(layer), left });
        };
        chosen.push((weights.remove(place).clone(), None));
    }
    // As many normalisations of a size as layers, or none.
    let mut sizes: Vec<usize> = normalisations.iter().map(|name| entries[*name].weight.len()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        let of_size: Vec<String> =
            normalisations.extract_if(.., |name| entries[*name].weight.len() == size).cloned().collect();
        let places: Vec<usize> =
            (0..layers.len()).filter(|&place| layers[place].channels() == size && place + 1 < layers.len()).collect();
        let convolutional: Vec<usize> =
            places.iter().copied().filter(|&place| !layers[place].is_connected()).collect();
        let places = if convolutional.len() == of_size.len() { convolutional } else { places };
        if places.len() != of_size.len() {
            return Err(StateDictError::Normalisation { names: of_size.join(", ") });
        }
        places.into_iter().zip(of_size).for_each(|(place, name)| chosen[place].1 = Some(name));
    }
    Ok(chosen)
}

/// A layer's weights and bias with its normalisation folded in: what follows sees gain · (sum − mean) / deviation + offset.
fn folded(
    name: &str,
    entry: Entry,
    normalisation: Option<(Entry, String)>,
    channels: usize,
) -> Result<(Vec<f64>, Vec<f64>), StateDictError> {
    let wrong = |name: &str, problem: String| StateDictError::Layer { name: name.to_owned(), problem };
    let Entry { mut weight, bias, .. } = entry;
    let mut bias = bias.unwrap_or_else(|| vec![0.0; channels]);
    if bias.len() != channels {
        return Err(wrong(name, format!("a bias of {} numbers for {channels} outputs", bias.len())));
    }
    if let Some((normalisation, name)) = normalisation {
        let Entry { weight: gain, bias: offset, mean, variance, .. } = normalisation;
        let (Some(mean), Some(variance)) = (mean, variance) else {
            return Err(wrong(&name, "running_mean or running_var is missing".to_owned()));
        };
        // Without learnt ones, a gain of one and no offset.
        let gain = if gain.is_empty() { vec![1.0; channels] } else { gain };
        let offset = offset.unwrap_or_else(|| vec![0.0; channels]);
        let sizes = [gain.len(), offset.len(), mean.len(), variance.len()];
        if sizes != [channels; 4] {
            return Err(wrong(
                &name,
                format!("{sizes:?} gains, offsets, means and variances for {channels} channels"),
            ));
        }
        if let Some(negative) = variance.iter().find(|variance| **variance < 0.0) {
            return Err(wrong(&name, format!("a variance of {negative}")));
        }
        let row = weight.len() / channels;
        for (channel, weights) in weight.chunks_exact_mut(row).enumerate() {
            let factor = gain[channel] / (variance[channel] + BATCH_NORM_EPSILON).sqrt();
            weights.iter_mut().for_each(|weight| *weight *= factor);
            bias[channel] = (bias[channel] - mean[channel]) * factor + offset[channel];
        }
    }
    Ok((weight, bias))
}

impl InputNormalisation {
    /// Folds it into weights `[output channel][k]` and biases: w (x − μ) / σ = (w / σ) x − w μ / σ.
    fn fold(&self, convolution: &Convolution, weights: &mut [f64], bias: &mut [f64]) -> Result<(), StateDictError> {
        let channels = convolution.input()[0];
        for numbers in [&self.mean, &self.deviation] {
            if numbers.len() != 1 && numbers.len() != channels {
                return Err(StateDictError::InputChannels { found: numbers.len(), channels });
            }
        }
        if convolution.padding() != [0, 0] && self.mean.iter().any(|mean| *mean != 0.0) {
            return Err(StateDictError::PaddedInput { padding: convolution.padding() });
        }
        let of = |numbers: &[f64], channel: usize| numbers[channel % numbers.len()];
        let (area, shape) = (convolution.kernel().iter().product::<usize>(), convolution.shape(1));
        for (output, (weights, bias)) in weights.chunks_exact_mut(shape.k).zip(bias).enumerate() {
            let first = output / shape.n * (channels / convolution.groups());
            for (place, weight) in weights.iter_mut().enumerate() {
                let channel = first + place / area;
                *weight /= of(&self.deviation, channel);
                *bias -= *weight * of(&self.mean, channel);
            }
        }
        Ok(())
    }
}

fn listed(entries: &BTreeMap<String, Entry>) -> String {
    let mut names: Vec<&String> = entries.keys().collect();
    names.sort_by(|a, b| natural(a, b));
    names.iter().map(|name| format!("{name} {:?}", entries[*name].shape)).collect::<Vec<_>>().join(", ")
}

/// Order of names in which numbers count as numbers: `conv2` before `conv10`.
fn natural(a: &str, b: &str) -> Ordering {
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

/// Numbers, and what stands between them.
fn parts(name: &str) -> Vec<(u64, &str)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|next: char| next.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        parts.push(if is_number { (part.parse().unwrap_or(u64::MAX), "") } else { (0, part) });
        rest = behind;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{LayerSpec, Pooling};
    use std::collections::HashMap;

    /// A file of tensors whose numbers count up from `from`.
    fn file(tensors: &[(&str, &[usize], f32)]) -> Vec<u8> {
        let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .iter()
            .map(|(name, shape, from)| {
                let count = shape.iter().product::<usize>();
                let numbers = (0..count).flat_map(|index| (from + index as f32 / 64.0).to_le_bytes());
                ((*name).to_owned(), shape.to_vec(), numbers.collect())
            })
            .collect();
        let views = data
            .iter()
            .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
    }

    /// Two convolutions of one shape and a fully connected layer.
    fn architecture() -> Architecture {
        let convolution =
            LayerSpec::Convolution { outputs: 2, kernel: [3, 1], stride: [1, 1], padding: [1, 0], groups: 2 };
        Architecture::new([2, 4, 1], &[convolution, convolution], 3).unwrap()
    }

    const PLAIN: [(&str, &[usize], f32); 6] = [
        ("conv10.weight", &[2, 1, 3, 1], 10.0),
        ("conv10.bias", &[2], -1.0),
        ("conv2.weight", &[2, 1, 3, 1], 2.0),
        ("conv2.bias", &[2], -2.0),
        ("classifier.1.weight", &[3, 8], 5.0),
        ("classifier.1.bias", &[3], 0.5),
    ];

    /// Sums of an image by the definition: of normalised pixels with the file's weights, and of the pixels with folded ones.
    #[test]
    fn normalised_inputs_are_folded_into_the_first_layer() {
        let convolution = |padding| LayerSpec::Convolution {
            outputs: 2,
            kernel: [3, 1],
            stride: [1, 1],
            padding: [padding, 0],
            groups: 2,
        };
        let of = |specs: &[LayerSpec]| Architecture::new([2, 4, 1], specs, 3).unwrap();
        let tensors: [(&str, &[usize], f32); 4] = [
            ("conv.weight", &[2, 1, 3, 1], 10.0),
            ("conv.bias", &[2], -1.0),
            ("fc.weight", &[3, 4], 5.0),
            ("fc.bias", &[3], 0.5),
        ];
        let read = |architecture: &Architecture, input: &InputNormalisation| {
            read_state_dict(&file(&tensors), architecture, None, Some(input))
        };
        let input = InputNormalisation { mean: vec![0.5, 0.25], deviation: vec![0.5, 2.0] };
        let unpadded = of(&[convolution(0)]);
        let (plain, folded) =
            (read_state_dict(&file(&tensors), &unpadded, None, None).unwrap(), read(&unpadded, &input).unwrap());
        assert_eq!(folded[1], plain[1], "other layers stay as they are");
        let image = [[0.1, 0.9, 0.4, 1.0], [0.0, 0.3, 0.8, 0.2]];
        let sum = |layer: &FloatLayer, channel: usize, row: usize, pixel: &dyn Fn(usize, f32) -> f32| -> f32 {
            let products =
                (0..3).map(|tap| layer.weights[channel * 3 + tap] * pixel(channel, image[channel][row + tap]));
            layer.bias[channel] + products.sum::<f32>()
        };
        let normalised = |channel: usize, x: f32| (x - [0.5, 0.25][channel]) / [0.5, 2.0][channel];
        for (channel, row) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (expected, found) =
                (sum(&plain[0], channel, row, &normalised), sum(&folded[0], channel, row, &|_, x| x));
            assert!((expected - found).abs() < 1e-4, "{found} is not {expected}");
        }
        // One number for all channels; a fully connected layer sees the channels one after the other.
        let connected = Architecture::new([2, 2, 1], &[], 3).unwrap();
        let one = InputNormalisation { mean: vec![0.5], deviation: vec![0.5] };
        let fc = [("fc.weight", &[3, 4][..], 5.0), ("fc.bias", &[3][..], 0.5)];
        let read_fc = |input| read_state_dict(&file(&fc), &connected, None, input).unwrap().remove(0);
        let (plain_fc, folded_fc) = (read_fc(None), read_fc(Some(&one)));
        for channel in 0..3 {
            let weights: f32 = plain_fc.weights[channel * 4..][..4].iter().sum();
            // All pixels 0.75: 0.5 each when normalised.
            let expected = plain_fc.bias[channel] + 0.5 * weights;
            let found = folded_fc.bias[channel] + 0.75 * folded_fc.weights[channel * 4..][..4].iter().sum::<f32>();
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }

        let padded =
            of(&[convolution(1), LayerSpec::Pooling { kind: Pooling::Maximum, window: [2, 1], stride: [2, 1] }]);
        assert!(matches!(read(&padded, &input), Err(StateDictError::PaddedInput { padding: [1, 0] })));
        let centred = InputNormalisation { mean: vec![0.0], deviation: vec![0.5] };
        assert_eq!(read(&padded, &centred).unwrap()[0].weights[0], 2.0 * plain[0].weights[0]);
        let three = InputNormalisation { mean: vec![0.5; 3], deviation: vec![0.5] };
        assert!(matches!(read(&unpadded, &three), Err(StateDictError::InputChannels { found: 3, channels: 2 })));
    }

    const NORMALISED: [(&str, &[usize], f32); 8] = [
        ("bn2.weight", &[2], 1.0),
        ("bn2.bias", &[2], 2.0),
        ("bn2.running_mean", &[2], 3.0),
        ("bn2.running_var", &[2], 4.0),
        ("bn10.weight", &[2], 1.5),
        ("bn10.bias", &[2], 0.0),
        ("bn10.running_mean", &[2], 0.0),
        ("bn10.running_var", &[2], 0.25),
    ];

    #[test]
    fn layers_get_what_has_their_shape_in_the_order_of_names() {
        let layers = read_state_dict(&file(&PLAIN), &architecture(), None, None).unwrap();
        let first: Vec<(f32, f32)> = layers.iter().map(|layer| (layer.weights[0], layer.bias[0])).collect();
        assert_eq!(first, [(2.0, -2.0), (10.0, -1.0), (5.0, 0.5)]);
        assert_eq!(layers[0].weights[5], 2.0 + 5.0 / 64.0);
        let names = ["conv10", "conv2", "classifier.1"].map(str::to_owned);
        let swapped = read_state_dict(&file(&PLAIN), &architecture(), Some(&names), None).unwrap();
        assert_eq!([&swapped[0], &swapped[1], &swapped[2]], [&layers[1], &layers[0], &layers[2]]);
        // Layers without bias have none.
        let unbiased: Vec<_> = PLAIN.into_iter().filter(|(name, ..)| *name != "conv2.bias").collect();
        assert_eq!(read_state_dict(&file(&unbiased), &architecture(), None, None).unwrap()[0].bias, [0.0; 2]);
    }

    #[test]
    fn normalisation_is_folded_in() {
        let tensors = file(&[&PLAIN[..], &NORMALISED[..]].concat());
        let layers = read_state_dict(&tensors, &architecture(), None, None).unwrap();
        let plain = read_state_dict(&file(&PLAIN), &architecture(), None, None).unwrap();
        // A sum of the first layer's second channel, normalised by the definition and by the folded weights.
        let inputs = [0.3f64, -0.7, 0.9];
        let sum = |layer: &FloatLayer| -> f64 {
            let weights = layer.weights[3..].iter().map(|&weight| f64::from(weight));
            weights.zip(inputs).map(|(weight, input)| weight * input).sum::<f64>() + f64::from(layer.bias[1])
        };
        let step = 1.0 / 64.0;
        let [gain, offset, mean, variance] = [1.0 + step, 2.0 + step, 3.0 + step, 4.0 + step];
        let expected = gain * (sum(&plain[0]) - mean) / (variance + 1e-5f64).sqrt() + offset;
        assert!((sum(&layers[0]) - expected).abs() < 1e-5, "{} {expected}", sum(&layers[0]));
        assert_ne!(layers[1], plain[1]);
        assert_eq!(layers[2], plain[2]);
        let names = ["conv2 + bn2", "conv10+bn10", "classifier.1"].map(str::to_owned);
        assert_eq!(read_state_dict(&tensors, &architecture(), Some(&names), None).unwrap(), layers);
        let one = file(&[&PLAIN[..], &NORMALISED[..4]].concat());
        let error = read_state_dict(&one, &architecture(), None, None).unwrap_err();
        assert!(matches!(&error, StateDictError::Normalisation { names } if names == "bn2"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |tensors: &[(&str, &[usize], f32)]| {
            read_state_dict(&file(tensors), &architecture(), None, None).unwrap_err().to_string()
        };
        let message = refused(&PLAIN[2..]);
        assert!(message.contains("layer 2 needs weights of shape [2, 1, 3, 1]") && message.contains("classifier.1"));
        let more = [&PLAIN[..], &[("head.weight", &[4, 3][..], 0.0)]].concat();
        assert!(refused(&more).contains("no layer for head [4, 3]"));
        let strange = [&PLAIN[..], &[("attention.query", &[4][..], 0.0)]].concat();
        assert!(refused(&strange).contains("query is no tensor"));
        let mut endless = PLAIN;
        endless[3].2 = f32::INFINITY;
        assert!(refused(&endless).contains("conv2.bias holds inf"));
        endless[3] = ("conv2.bias", &[3], 0.0);
        assert!(refused(&endless).contains("conv2: a bias of 3 numbers for 2 outputs"));
        let whole = file(&PLAIN);
        for length in [0, 7, whole.len() / 2, whole.len() - 1] {
            let error = read_state_dict(&whole[..length], &architecture(), None, None).unwrap_err();
            assert!(matches!(error, StateDictError::Format(_)), "{error}");
        }
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            read_state_dict(&whole, &architecture(), Some(&names), None).unwrap_err().to_string()
        };
        assert!(named(&["conv2", "conv10"]).contains("2 names for 3 layers"));
        assert!(named(&["conv2", "conv3", "classifier.1"]).contains("no conv3; its layers are classifier.1 [3, 8]"));
        assert!(named(&["conv2", "classifier.1", "conv10"]).contains("layer 2 needs"));
    }
}
