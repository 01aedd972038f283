//! The networks of an experiment: a model by name, or its layers one by one.

use super::ConfigError;
use crate::workload::{LayerSpec, Pooling};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// The layers of a network but for its last, which has an output a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Name in records; `None` if the layers name it.
    pub name: Option<String>,
    /// The layers, first to last; none if a file has them.
    pub layers: Vec<LayerSpec>,
    /// The ONNX file that has them, and their weights.
    pub onnx: Option<Spanned<String>>,
    /// Where the file describes it.
    pub span: Range<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    model: Option<Spanned<String>>,
    hidden: Option<Spanned<Vec<usize>>>,
    layers: Option<Vec<Spanned<LayerFile>>>,
    onnx: Option<Spanned<String>>,
}

/// One of `conv`, `pool` and `dense`, with what belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerFile {
    conv: Option<usize>,
    kernel: Option<Size>,
    padding: Option<Size>,
    groups: Option<usize>,
    pool: Option<PoolingFile>,
    window: Option<Size>,
    stride: Option<Size>,
    dense: Option<usize>,
    norm: Option<bool>,
    linear: Option<bool>,
    name: Option<String>,
    from: Option<Spanned<String>>,
    add: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PoolingFile {
    Max,
    Average,
}

/// Rows and columns.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "a number, or [rows, columns]")]
enum Size {
    Square(usize),
    Pair([usize; 2]),
}

impl Size {
    fn pair(self) -> [usize; 2] {
        match self {
            Self::Square(size) => [size; 2],
            Self::Pair(pair) => pair,
        }
    }
}

const MODELS: &str = "model = \"lenet5\", \"resnet8\" or \"vgg-small\"; model = \"mlp\" with hidden = [128, 64]; a list of \
                      layers; or onnx = \"network.onnx\"";

impl ModelFile {
    pub(super) fn checked(self, span: Range<usize>) -> Result<Model, ConfigError> {
        let name = self.model.as_ref().map(|name| name.get_ref().as_str());
        let onnx = self.onnx;
        let model = |name: Option<&str>, layers| {
            let name = name.map(str::to_owned);
            Model { name, layers, onnx: onnx.clone(), span: span.clone() }
        };
        if onnx.is_some() && name.is_none() && self.hidden.is_none() && self.layers.is_none() {
            return Ok(model(None, Vec::new()));
        }
        if onnx.is_some() {
            return Err(ConfigError::at(span, "not one description of a network", format!("give one of: {MODELS}")));
        }
        match (name, self.hidden, self.layers) {
            (None | Some("mlp"), Some(hidden), None) => {
                if hidden.get_ref().contains(&0) {
                    let help = "every layer needs outputs";
                    return Err(ConfigError::at(hidden.span(), "a layer of width 0", help));
                }
                let dense = |outputs| LayerSpec::Dense { outputs };
                Ok(model(None, hidden.into_inner().into_iter().map(dense).collect()))
            }
            (Some("lenet5"), None, None) => Ok(model(Some("lenet5"), LayerSpec::lenet5())),
            (Some("resnet8"), None, None) => Ok(model(Some("resnet8"), LayerSpec::resnet8())),
            (Some("vgg-small"), None, None) => Ok(model(Some("vgg-small"), LayerSpec::vgg_small())),
            (None, None, Some(layers)) => Ok(model(None, checked_layers(layers)?)),
            (Some("mlp"), None, None) => {
                Err(ConfigError::at(span, "a perceptron without hidden layers", "give hidden = [128, 64]"))
            }
            (Some(other), None, None) if other != "mlp" => {
                let place = self.model.map_or(span, |name| name.span());
                Err(ConfigError::at(place, "there is no such model", format!("models are: {MODELS}")))
            }
            _ => Err(ConfigError::at(span, "not one description of a network", format!("give one of: {MODELS}"))),
        }
    }
}

const LAYERS: &str = "{ conv = CHANNELS, kernel = 5 } with stride, padding, groups; { dense = OUTPUTS }; both with norm, \
                      linear, name, from and add; { pool = \"max\", window = 2 } with stride; { pool = \"average\" } for the \
                      whole image; sizes are numbers or [rows, columns]";

/// The entries of a list of layers; names become numbers of layers that multiply.
fn checked_layers(layers: Vec<Spanned<LayerFile>>) -> Result<Vec<LayerSpec>, ConfigError> {
    let mut specs = Vec::new();
    // Name of each layer that multiplies.
    let mut names: Vec<Option<String>> = Vec::new();
    for layer in layers {
        let span = layer.span();
        let wrong = |message: &str| ConfigError::at(span.clone(), message, LAYERS);
        let mut layer = layer.into_inner();
        let (norm, linear, name) = (layer.norm.take(), layer.linear.take(), layer.name.take());
        let (from, add) = (layer.from.take(), layer.add.take());
        let number = |name: Option<Spanned<String>>| -> Result<Option<usize>, ConfigError> {
            let Some(name) = name else { return Ok(None) };
            let known = names.iter().position(|known| known.as_ref() == Some(name.get_ref()));
            known.map(Some).ok_or_else(|| {
                let message = format!("no layer before this one is called \"{}\"", name.get_ref());
                ConfigError::at(name.span(), message, "give the layer a name = \"…\"")
            })
        };
        let (from, add) = (number(from)?, number(add)?);
        let spec = checked_layer(layer, &wrong)?;
        let joined = norm.is_some() || linear.is_some() || name.is_some() || from.is_some() || add.is_some();
        match spec {
            LayerSpec::Convolution { .. } | LayerSpec::Dense { .. } => {
                if name.is_some() && names.contains(&name) {
                    return Err(wrong("a second layer of this name"));
                }
                names.push(name);
            }
            _ if joined => return Err(wrong("pooling belongs to the layer before, which has the name")),
            _ => {}
        }
        specs.extend(from.map(|layer| LayerSpec::From { layer }));
        specs.push(spec);
        specs.extend((norm == Some(true)).then_some(LayerSpec::Normalisation));
        specs.extend(add.map(|layer| LayerSpec::Add { layer }));
        specs.extend((linear == Some(true)).then_some(LayerSpec::Linear));
    }
    Ok(specs)
}

fn checked_layer(layer: LayerFile, wrong: &impl Fn(&str) -> ConfigError) -> Result<LayerSpec, ConfigError> {
    let LayerFile { conv, kernel, padding, groups, pool, window, stride, dense, .. } = layer;
    let pair = |size: Option<Size>, default| size.map_or(default, Size::pair);
    let spec = match (conv, pool, dense) {
        (Some(outputs), None, None) if window.is_none() => LayerSpec::Convolution {
            outputs,
            kernel: kernel.ok_or_else(|| wrong("a convolution without a kernel"))?.pair(),
            stride: pair(stride, [1, 1]),
            padding: pair(padding, [0, 0]),
            groups: groups.unwrap_or(1),
        },
        (None, Some(pool), None) if kernel.is_none() && padding.is_none() && groups.is_none() => {
            let kind = match pool {
                PoolingFile::Max => Pooling::Maximum,
                PoolingFile::Average => Pooling::Average,
            };
            match window.map(Size::pair) {
                Some(window) => LayerSpec::Pooling { kind, window, stride: pair(stride, window) },
                None if stride.is_none() => LayerSpec::GlobalPooling { kind },
                None => return Err(wrong("pooling with a stride but without a window")),
            }
        }
        (None, None, Some(outputs))
            if [kernel, padding, window, stride].iter().all(Option::is_none) && groups.is_none() =>
        {
            LayerSpec::Dense { outputs }
        }
        _ => return Err(wrong("not one of conv, pool and dense, or a key that belongs to another")),
    };
    match spec {
        LayerSpec::Convolution { outputs: 0, .. } | LayerSpec::Dense { outputs: 0 } => {
            Err(wrong("a layer of width 0"))
        }
        spec => Ok(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Architecture;

    #[derive(Deserialize)]
    struct File {
        model: Spanned<ModelFile>,
    }

    fn model(text: &str) -> Result<Model, ConfigError> {
        let file: File = toml::from_str(&format!("[model]\n{text}\n"))?;
        let span = file.model.span();
        file.model.into_inner().checked(span)
    }

    #[test]
    fn a_model_has_a_name_or_layers() {
        let dense = |outputs| LayerSpec::Dense { outputs };
        let found = model("hidden = [16, 8]").unwrap();
        assert_eq!((found.name, found.layers), (None, vec![dense(16), dense(8)]));
        assert_eq!(model("model = \"mlp\"\nhidden = []").unwrap().layers, []);
        let lenet = model("model = \"lenet5\"").unwrap();
        assert_eq!((lenet.name.as_deref(), &lenet.layers), (Some("lenet5"), &LayerSpec::lenet5()));
        let listed = "layers = [{ conv = 6, kernel = 5, padding = 2 }, { pool = \"max\", window = 2 }, \
                      { conv = 16, kernel = [5, 5] }, { pool = \"max\", window = 2, stride = 2 }, { dense = 120 }, \
                      { dense = 84 }]";
        assert_eq!(model(listed).unwrap().layers, LayerSpec::lenet5());
        let other = model(
            "layers = [{ conv = 4, kernel = 3, stride = [2, 1], groups = 2 }, { pool = \"average\", window = 3 }]",
        );
        let expected = [
            LayerSpec::Convolution { outputs: 4, kernel: [3, 3], stride: [2, 1], padding: [0, 0], groups: 2 },
            LayerSpec::Pooling { kind: Pooling::Average, window: [3, 3], stride: [3, 3] },
        ];
        assert_eq!(other.unwrap().layers, expected);
    }

    #[test]
    fn residual_networks_by_name_are_their_lists_of_layers() {
        let listed = "layers = [
            { conv = 16, kernel = 3, padding = 1, norm = true, name = \"stem\" },
            { conv = 16, kernel = 3, padding = 1, norm = true },
            { conv = 16, kernel = 3, padding = 1, norm = true, add = \"stem\", name = \"first\" },
            { conv = 32, kernel = 1, stride = 2, norm = true, linear = true, name = \"shortcut\" },
            { conv = 32, kernel = 3, stride = 2, padding = 1, norm = true, from = \"first\" },
            { conv = 32, kernel = 3, padding = 1, norm = true, add = \"shortcut\", name = \"second\" },
            { conv = 64, kernel = 1, stride = 2, norm = true, linear = true, name = \"shortcut 2\" },
            { conv = 64, kernel = 3, stride = 2, padding = 1, norm = true, from = \"second\" },
            { conv = 64, kernel = 3, padding = 1, norm = true, add = \"shortcut 2\" },
            { pool = \"average\" },
        ]";
        let [listed, named] = [listed, "model = \"resnet8\""].map(|text| model(text).unwrap().layers);
        let of = |layers: &[LayerSpec]| Architecture::new([1, 28, 28], layers, 10).unwrap();
        assert_eq!(of(&listed), of(&named));
        assert_eq!(model("model = \"vgg-small\"").unwrap().layers, LayerSpec::vgg_small());
    }

    #[test]
    fn what_is_no_model_is_refused_with_what_would_do() {
        for (text, part) in [
            ("", "lenet5"),
            ("model = \"lenet6\"", "no such model"),
            ("model = \"mlp\"", "hidden"),
            ("model = \"lenet5\"\nhidden = [3]", "not one description"),
            ("hidden = [3]\nlayers = []", "not one description"),
            ("hidden = [3, 0]", "width 0"),
            ("layers = [{ conv = 3 }]", "kernel"),
            ("layers = [{ conv = 0, kernel = 3 }]", "width 0"),
            ("layers = [{ pool = \"max\", stride = 2 }]", "window"),
            ("layers = [{ pool = \"max\", window = 2, norm = true }]", "layer before"),
            ("layers = [{ dense = 3, add = \"a\" }]", "called"),
            ("layers = [{ dense = 3, name = \"a\", from = \"a\" }]", "called"),
            ("layers = [{ dense = 3, name = \"a\" }, { dense = 3, name = \"a\" }]", "second layer"),
            ("layers = [{ pool = \"min\", window = 2 }]", "min"),
            ("layers = [{ dense = 3, stride = 2 }]", "belongs to another"),
            ("layers = [{ dense = 3, conv = 2 }]", "belongs to another"),
            ("layers = [{ dense = -3 }]", "-3"),
        ] {
            let error = model(text).unwrap_err();
            assert!(format!("{error:?}").contains(part), "{text}: {error:?} should say {part}");
        }
    }
}
