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
    /// The layers, first to last.
    pub layers: Vec<LayerSpec>,
    /// Where the file describes it.
    pub span: Range<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    model: Option<Spanned<String>>,
    hidden: Option<Spanned<Vec<usize>>>,
    layers: Option<Vec<Spanned<LayerFile>>>,
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

const MODELS: &str = "model = \"lenet5\"; model = \"mlp\" with hidden = [128, 64]; or a list of layers";

impl ModelFile {
    pub(super) fn checked(self, span: Range<usize>) -> Result<Model, ConfigError> {
        let name = self.model.as_ref().map(|name| name.get_ref().as_str());
        let model = |name: Option<&str>, layers| Model { name: name.map(str::to_owned), layers, span: span.clone() };
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
            (None, None, Some(layers)) => {
                Ok(model(None, layers.into_iter().map(checked_layer).collect::<Result<_, _>>()?))
            }
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

fn checked_layer(layer: Spanned<LayerFile>) -> Result<LayerSpec, ConfigError> {
    let span = layer.span();
    let wrong = |message: &str| {
        let help = "{ conv = CHANNELS, kernel = 5 } with stride, padding, groups; { pool = \"max\", window = 2 } with \
                    stride; { dense = OUTPUTS }; sizes are numbers or [rows, columns]";
        ConfigError::at(span.clone(), message, help)
    };
    let LayerFile { conv, kernel, padding, groups, pool, window, stride, dense } = layer.into_inner();
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
            let window = window.ok_or_else(|| wrong("pooling without a window"))?.pair();
            let kind = match pool {
                PoolingFile::Max => Pooling::Maximum,
                PoolingFile::Average => Pooling::Average,
            };
            LayerSpec::Pooling { kind, window, stride: pair(stride, window) }
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
            ("layers = [{ pool = \"max\" }]", "window"),
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
