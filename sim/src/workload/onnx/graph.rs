//! From the operations of an ONNX graph to layers: each value is the image, or what a layer gives at some stage.

use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::{OnnxError, OnnxNetwork};
use crate::workload::{FloatLayer, LayerSpec, Pooling};
use std::collections::HashMap;

/// A constant.
#[derive(Clone, Debug)]
struct Constant {
    shape: Vec<usize>,
    numbers: Vec<f64>,
}

/// What a value of the graph is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Image,
    /// The sums of a layer.
    Sums(usize),
    /// What the activation function leaves of them.
    Activation(usize),
    /// The same, pooled.
    Pooled(usize),
}

/// A layer being put together.
#[derive(Clone, Debug)]
struct Layer {
    spec: LayerSpec,
    /// `[output][k]`.
    weights: Vec<f64>,
    bias: Vec<f64>,
    /// Whose output comes in; `None` if the image does.
    source: Option<usize>,
    residual: Option<usize>,
    linear: bool,
    pooling: Option<LayerSpec>,
    /// Whether something takes its sums as they are now, and its activations before they are pooled.
    sums_taken: bool,
    activations_taken: bool,
}

/// A graph being read.
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    output: String,
    constants: HashMap<String, Constant>,
    values: HashMap<String, Value>,
    layers: Vec<Layer>,
}

/// The node that is looked at, for messages.
struct Place<'a>(&'a NodeProto);

impl Place<'_> {
    fn name(&self) -> String {
        let Self(node) = self;
        match node.name.is_empty() {
            true => node.output.first().cloned().unwrap_or_default(),
            false => node.name.clone(),
        }
    }

    fn problem(&self, problem: impl Into<String>) -> OnnxError {
        let (node, operation) = (self.name(), self.0.op_type.clone());
        OnnxError::Node { node, operation, problem: problem.into() }
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    /// Sizes of an attribute along rows and columns.
    fn pair(&self, name: &str) -> Result<Option<[usize; 2]>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let sizes: Result<Vec<usize>, _> = attribute.ints.iter().map(|&size| usize::try_from(size)).collect();
        match sizes.as_deref() {
            Ok(&[rows, columns]) => Ok(Some([rows, columns])),
            _ => Err(self.problem(format!("{name} = {:?}, where two sizes are supported", attribute.ints))),
        }
    }

    /// Refuses an attribute that is not what is supported.
    fn require(&self, name: &str, supported: i64) -> Result<(), OnnxError> {
        match self.integer(name, supported) {
            value if value == supported => Ok(()),
            value => Err(self.problem(format!("{name} = {value} is not supported"))),
        }
    }

    /// Rows and columns of zeros at each border.
    fn padding(&self) -> Result<[usize; 2], OnnxError> {
        if let Some(attribute) = self.attribute("auto_pad")
            && !attribute.s.is_empty()
            && !matches!(&attribute.s[..], b"NOTSET" | b"VALID")
        {
            return Err(
                self.problem(format!("auto_pad = {} is not supported", String::from_utf8_lossy(&attribute.s)))
            );
        }
        if let Some(dilations) = self.pair("dilations")?.filter(|&dilations| dilations != [1, 1]) {
            return Err(self.problem(format!("dilations = {dilations:?} are not supported")));
        }
        let pads = self.attribute("pads").map_or(&[0, 0, 0, 0][..], |attribute| &attribute.ints);
        match *pads {
            [top, left, bottom, right] if top == bottom && left == right && top >= 0 && left >= 0 => {
                Ok([top as usize, left as usize])
            }
            _ => Err(self.problem(format!("pads = {pads:?} are not the same on both sides"))),
        }
    }
}

impl Graph {
    pub(super) fn new(graph: GraphProto) -> Result<Self, OnnxError> {
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            constants.insert(tensor.name.clone(), constant(tensor)?);
        }
        let image = graph.input.iter().find(|input| !constants.contains_key(&input.name));
        let image = image.ok_or(OnnxError::Missing("input"))?.name.clone();
        let output = graph.output.first().ok_or(OnnxError::Missing("output"))?.name.clone();
        let values = HashMap::from([(image, Value::Image)]);
        Ok(Self { nodes: graph.node, output, constants, values, layers: Vec::new() })
    }

    pub(super) fn network(mut self) -> Result<OnnxNetwork, OnnxError> {
        for node in std::mem::take(&mut self.nodes) {
            self.node(&node)?;
        }
        let scores = OnnxError::Scores { output: self.output.clone() };
        let count = self.layers.len();
        let is_last = |value: &Value| count > 0 && *value == Value::Sums(count - 1);
        let (Some(last), true) = (self.layers.last(), self.values.get(&self.output).is_some_and(is_last)) else {
            return Err(scores);
        };
        let LayerSpec::Dense { outputs: classes } = last.spec else { return Err(scores) };
        let mut layers = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let before = number.checked_sub(1);
            if let Some(source) = layer.source.filter(|_| layer.source != before) {
                layers.push(LayerSpec::From { layer: source });
            }
            if number + 1 < count {
                layers.push(layer.spec);
            }
            layers.extend(layer.residual.map(|layer| LayerSpec::Add { layer }));
            layers.extend(layer.linear.then_some(LayerSpec::Linear));
            layers.extend(layer.pooling);
        }
        let single = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect();
        let float =
            self.layers.iter().map(|layer| FloatLayer { weights: single(&layer.weights), bias: single(&layer.bias) });
        Ok(OnnxNetwork { layers, classes, float: float.collect() })
    }

    fn node(&mut self, node: &NodeProto) -> Result<(), OnnxError> {
        let place = Place(node);
        let output = node.output.first().cloned().unwrap_or_default();
        let value = match node.op_type.as_str() {
            "Constant" => {
                let tensor = place.attribute("value").and_then(|attribute| attribute.t.as_ref());
                let tensor = tensor.ok_or_else(|| place.problem("only a constant tensor is supported"))?;
                self.constants.insert(output, constant(tensor)?);
                return Ok(());
            }
            "Conv" => self.convolution(&place)?,
            "Gemm" => self.gemm(&place)?,
            "MatMul" => self.product(&place)?,
            "BatchNormalization" => self.normalisation(&place)?,
            "Add" => self.addition(&place)?,
            "Relu" => match self.operand(&place, 0)? {
                Value::Sums(layer) if !self.layers[layer].linear => {
                    self.layers[layer].sums_taken = true;
                    match self.layers[layer].pooling {
                        Some(_) => Value::Pooled(layer),
                        None => Value::Activation(layer),
                    }
                }
                _ => return Err(place.problem("it does not follow a layer's sums")),
            },
            "MaxPool" => self.pooling(&place, Pooling::Maximum)?,
            "AveragePool" => self.pooling(&place, Pooling::Average)?,
            "GlobalAveragePool" => self.global_average(&place)?,
            "ReduceMean" => {
                self.require_rows_and_columns(&place)?;
                self.global_average(&place)?
            }
            // Channels, rows and columns stay in order.
            "Flatten" | "Reshape" | "Squeeze" | "Identity" | "Dropout" => self.operand(&place, 0)?,
            // The class of the highest score stays the same.
            "Softmax" | "LogSoftmax" => match self.operand(&place, 0)? {
                Value::Sums(layer) if layer + 1 == self.layers.len() => Value::Sums(layer),
                _ => return Err(place.problem("it does not follow the last layer")),
            },
            operation => {
                return Err(OnnxError::Operation { node: place.name(), operation: operation.to_owned() });
            }
        };
        self.values.insert(output, value);
        Ok(())
    }

    /// What an input is, which must not be a constant.
    fn operand(&self, place: &Place<'_>, index: usize) -> Result<Value, OnnxError> {
        let name = place.0.input.get(index).map_or("", String::as_str);
        self.values.get(name).copied().ok_or_else(|| place.problem(format!("its input \"{name}\" is not known yet")))
    }

    /// An input that is a constant; none if it is left out.
    fn constant(&self, place: &Place<'_>, index: usize) -> Result<Option<Constant>, OnnxError> {
        let Some(name) = place.0.input.get(index).filter(|name| !name.is_empty()) else { return Ok(None) };
        let constant = self.constants.get(name).cloned();
        constant.map(Some).ok_or_else(|| place.problem(format!("its input \"{name}\" is not a constant")))
    }

    fn required(&self, place: &Place<'_>, index: usize, what: &str) -> Result<Constant, OnnxError> {
        self.constant(place, index)?.ok_or_else(|| place.problem(format!("it has no {what}")))
    }

    /// Adds a layer over an input.
    fn layer(
        &mut self,
        place: &Place<'_>,
        spec: LayerSpec,
        weights: Vec<f64>,
        bias: Vec<f64>,
    ) -> Result<Value, OnnxError> {
        let source = match self.operand(place, 0)? {
            Value::Image => None,
            Value::Sums(_) => {
                return Err(place.problem("it takes the sums of a layer without Relu, which may be negative"));
            }
            value => Some(self.taken(place, value)?),
        };
        if source.is_none() && !self.layers.is_empty() {
            return Err(place.problem("only the first layer takes the image"));
        }
        if bias.is_empty() {
            return Err(place.problem("it has no outputs"));
        }
        self.layers.push(Layer {
            spec,
            weights,
            bias,
            source,
            residual: None,
            linear: false,
            pooling: None,
            sums_taken: false,
            activations_taken: false,
        });
        Ok(Value::Sums(self.layers.len() - 1))
    }

    /// The layer whose output a value is, now that something takes it.
    fn taken(&mut self, place: &Place<'_>, value: Value) -> Result<usize, OnnxError> {
        match value {
            Value::Pooled(layer) => Ok(layer),
            Value::Activation(layer) if self.layers[layer].pooling.is_none() => {
                self.layers[layer].activations_taken = true;
                Ok(layer)
            }
            _ => {
                Err(place.problem("it takes activations that are pooled for another node; only one of both is kept"))
            }
        }
    }

    fn convolution(&mut self, place: &Place<'_>) -> Result<Value, OnnxError> {
        let weights = self.required(place, 1, "weights")?;
        let &[outputs, _, rows, columns] = &weights.shape[..] else {
            return Err(place.problem(format!("weights of shape {:?}; images have rows and columns", weights.shape)));
        };
        let bias = self.constant(place, 2)?.map_or_else(|| vec![0.0; outputs], |bias| bias.numbers);
        if bias.len() != outputs {
            return Err(place.problem(format!("a bias of {} numbers for {outputs} channels", bias.len())));
        }
        let spec = LayerSpec::Convolution {
            outputs,
            kernel: [rows, columns],
            stride: place.pair("strides")?.unwrap_or([1, 1]),
            padding: place.padding()?,
            groups: usize::try_from(place.integer("group", 1)).unwrap_or(0),
        };
        self.layer(place, spec, weights.numbers, bias)
    }

    fn gemm(&mut self, place: &Place<'_>) -> Result<Value, OnnxError> {
        for name in ["alpha", "beta"] {
            if let Some(factor) = place.attribute(name).map(|attribute| attribute.f).filter(|&factor| factor != 1.0) {
                return Err(place.problem(format!("{name} = {factor} is not supported")));
            }
        }
        place.require("transA", 0)?;
        let transposed = place.integer("transB", 0) == 0;
        self.connected(place, transposed)
    }

    fn product(&mut self, place: &Place<'_>) -> Result<Value, OnnxError> {
        self.connected(place, true)
    }

    /// A fully connected layer, whose weights are `[input][output]` if `transposed`.
    fn connected(&mut self, place: &Place<'_>, transposed: bool) -> Result<Value, OnnxError> {
        let weights = self.required(place, 1, "weights")?;
        let &[rows, columns] = &weights.shape[..] else {
            return Err(place.problem(format!("weights of shape {:?}", weights.shape)));
        };
        let (outputs, numbers) = match transposed {
            false => (rows, weights.numbers),
            true if columns == 0 => (0, Vec::new()),
            true => {
                let column = |column: usize| weights.numbers.iter().skip(column).step_by(columns).copied();
                (columns, (0..columns).flat_map(column).collect())
            }
        };
        let bias = self.constant(place, 2)?.map_or_else(|| vec![0.0; outputs], |bias| bias.numbers);
        if bias.len() != outputs {
            return Err(place.problem(format!("a bias of {} numbers for {outputs} outputs", bias.len())));
        }
        self.layer(place, LayerSpec::Dense { outputs }, numbers, bias)
    }

    /// The layer whose sums an input is, now to be changed: nobody has taken or shall take them as they were.
    fn changed_sums(&mut self, place: &Place<'_>, index: usize) -> Result<usize, OnnxError> {
        let Value::Sums(number) = self.operand(place, index)? else {
            return Err(place.problem("it does not follow the sums of a layer"));
        };
        let layer = &self.layers[number];
        if layer.sums_taken || layer.linear || layer.residual.is_some() || layer.pooling.is_some() {
            return Err(
                place.problem("it changes sums that something else takes, or that are added or pooled already")
            );
        }
        self.values.retain(|_, value| *value != Value::Sums(number));
        Ok(number)
    }

    fn normalisation(&mut self, place: &Place<'_>) -> Result<Value, OnnxError> {
        let epsilon = place.attribute("epsilon").map_or(1e-5, |attribute| f64::from(attribute.f));
        let [gain, offset, mean, variance] = [(1, "scale"), (2, "B"), (3, "mean"), (4, "variance")]
            .map(|(index, what)| self.required(place, index, what).map(|constant| constant.numbers));
        let (gain, offset, mean, variance) = (gain?, offset?, mean?, variance?);
        let number = self.changed_sums(place, 0)?;
        let layer = &mut self.layers[number];
        let channels = layer.bias.len();
        if [&gain, &offset, &mean, &variance].iter().any(|numbers| numbers.len() != channels) {
            return Err(place.problem(format!("it does not normalise {channels} channels")));
        }
        if let Some(negative) = variance.iter().find(|variance| **variance < 0.0) {
            return Err(place.problem(format!("a variance of {negative}")));
        }
        let row = layer.weights.len() / channels;
        for (channel, weights) in layer.weights.chunks_exact_mut(row).enumerate() {
            let factor = gain[channel] / (variance[channel] + epsilon).sqrt();
            weights.iter_mut().for_each(|weight| *weight *= factor);
            layer.bias[channel] = (layer.bias[channel] - mean[channel]) * factor + offset[channel];
        }
        Ok(Value::Sums(number))
    }

    /// A bias, or a residual.
    fn addition(&mut self, place: &Place<'_>) -> Result<Value, OnnxError> {
        let constant =
            (0..2).find(|&index| place.0.input.get(index).is_some_and(|name| self.constants.contains_key(name)));
        if let Some(index) = constant {
            let added = self.required(place, index, "bias")?;
            let number = self.changed_sums(place, 1 - index)?;
            let layer = &mut self.layers[number];
            // A number an output, or one for all.
            match added.numbers.len() {
                1 => layer.bias.iter_mut().for_each(|bias| *bias += added.numbers[0]),
                count if count == layer.bias.len() => {
                    layer.bias.iter_mut().zip(&added.numbers).for_each(|(bias, added)| *bias += added);
                }
                count => {
                    let message = format!("{count} numbers are added to {} channels", layer.bias.len());
                    return Err(place.problem(message));
                }
            }
            return Ok(Value::Sums(number));
        }
        let (index, added) = match (self.operand(place, 0)?, self.operand(place, 1)?) {
            (Value::Sums(a), Value::Sums(b)) if a != b => {
                // The earlier one's sums become codes of both signs that the later one adds.
                let earlier = &mut self.layers[a.min(b)];
                if earlier.sums_taken || earlier.pooling.is_some() {
                    return Err(place.problem("it adds sums that something else takes, or that are pooled"));
                }
                earlier.linear = true;
                (usize::from(b > a), a.min(b))
            }
            (Value::Sums(_), added @ (Value::Activation(_) | Value::Pooled(_))) => (0, self.taken(place, added)?),
            (added @ (Value::Activation(_) | Value::Pooled(_)), Value::Sums(_)) => (1, self.taken(place, added)?),
            _ => return Err(place.problem("it does not add a layer's output, or a bias, to the sums of another")),
        };
        let number = self.changed_sums(place, index)?;
        if added > number {
            return Err(place.problem("it adds the output of a later layer to the sums of an earlier one"));
        }
        self.layers[number].residual = Some(added);
        Ok(Value::Sums(number))
    }

    fn pooling(&mut self, place: &Place<'_>, kind: Pooling) -> Result<Value, OnnxError> {
        place.require("ceil_mode", 0)?;
        if place.padding()? != [0, 0] {
            return Err(place.problem("pooling with padding is not supported"));
        }
        let window = place.pair("kernel_shape")?.ok_or_else(|| place.problem("it has no kernel_shape"))?;
        let stride = place.pair("strides")?.unwrap_or([1, 1]);
        self.pooled(place, kind, LayerSpec::Pooling { kind, window, stride })
    }

    fn global_average(&mut self, place: &Place<'_>) -> Result<Value, OnnxError> {
        self.pooled(place, Pooling::Average, LayerSpec::GlobalPooling { kind: Pooling::Average })
    }

    fn pooled(&mut self, place: &Place<'_>, kind: Pooling, pooling: LayerSpec) -> Result<Value, OnnxError> {
        let (number, value) = match self.operand(place, 0)? {
            Value::Activation(layer) => (layer, Value::Pooled(layer)),
            // The maximum of what Relu leaves is what Relu leaves of the maximum.
            Value::Sums(layer) if kind == Pooling::Maximum => (layer, Value::Sums(layer)),
            _ => return Err(place.problem("it does not follow Relu")),
        };
        let layer = &mut self.layers[number];
        let taken = if value == Value::Sums(number) { layer.sums_taken } else { layer.activations_taken };
        if taken || layer.linear || layer.pooling.is_some() {
            return Err(place.problem("it pools what something else takes as it is, or what is pooled already"));
        }
        layer.pooling = Some(pooling);
        self.values.retain(|_, known| *known != Value::Sums(number));
        Ok(value)
    }

    /// Of a mean: whether it is that over rows and columns.
    fn require_rows_and_columns(&self, place: &Place<'_>) -> Result<(), OnnxError> {
        let axes: Vec<i64> = match place.attribute("axes") {
            Some(attribute) => attribute.ints.clone(),
            None => self
                .constant(place, 1)?
                .map_or(Vec::new(), |axes| axes.numbers.iter().map(|&axis| axis as i64).collect()),
        };
        let mut counted: Vec<i64> = axes.iter().map(|axis| if *axis < 0 { axis + 4 } else { *axis }).collect();
        counted.sort_unstable();
        match counted == [2, 3] {
            true => Ok(()),
            false => Err(place.problem(format!("a mean over axes {axes:?}; over rows and columns is supported"))),
        }
    }
}

/// The numbers of a tensor.
fn constant(tensor: &TensorProto) -> Result<Constant, OnnxError> {
    let wrong = |problem: String| OnnxError::Tensor { tensor: tensor.name.clone(), problem };
    if tensor.data_location == 1 {
        return Err(wrong("its numbers are in another file: export with external_data=False".to_owned()));
    }
    let raw = &tensor.raw_data;
    let numbers: Vec<f64> = match tensor.data_type {
        1 if raw.is_empty() => tensor.float_data.iter().map(|&number| number.into()).collect(),
        1 => raw.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")).into()).collect(),
        7 if raw.is_empty() => tensor.int64_data.iter().map(|&number| number as f64).collect(),
        7 => raw.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().expect("eight")) as f64).collect(),
        11 if raw.is_empty() => tensor.double_data.clone(),
        11 => raw.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight"))).collect(),
        kind => return Err(wrong(format!("numbers of type {kind}; float, double and int64 are read"))),
    };
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
    let shape = shape.ok_or_else(|| wrong(format!("a shape of {:?}", tensor.dims)))?;
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    if count != Some(numbers.len()) {
        return Err(wrong(format!("{} numbers for a shape of {shape:?}", numbers.len())));
    }
    if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
        return Err(wrong(format!("it holds {number}")));
    }
    Ok(Constant { shape, numbers })
}
