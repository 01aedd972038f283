//! The network of an experiment, and the weights of another program that its training starts from.

use crate::catalogue::relative;
use crate::failure::Failure;
use crate::study::sha256;
use axtrain_sim::config::Experiment;
use axtrain_sim::workload::{
    Architecture, Dataset, FloatLayer, InputNormalisation, LayerSpec, StateDictError, read_state_dict,
};
use std::path::Path;
use std::sync::Arc;

/// The layers of an experiment's network for images of its data set, and their weights if it has some; `file` is the
/// experiment's name and text.
pub(crate) fn network(
    experiment: &Experiment,
    dataset: &Dataset,
    file: (&str, &str),
    folder: &Path,
) -> Result<(Architecture, Option<Start>), Failure> {
    let (images, classes) = (dataset.shape, dataset.classes.len());
    if let Some((architecture, start)) = import(experiment, (images, classes), file, folder)? {
        return Ok((architecture, Some(start)));
    }
    let model = &experiment.model;
    let architecture = Architecture::new(images, &model.layers, classes).map_err(|error| {
        let help = Some("change the layers under [model]".to_owned());
        Failure::in_file(file, Some(model.span.clone()), error, help)
    })?;
    Ok(match Start::load(experiment, &architecture, file, folder)? {
        Some(start) => (architecture.folded(), Some(start)),
        None => (architecture, None),
    })
}

/// Weights of another program that training starts from.
pub(crate) struct Start {
    /// One entry a layer.
    #[cfg_attr(not(feature = "train"), expect(dead_code, reason = "without training it is only checked"))]
    pub(crate) layers: Arc<Vec<FloatLayer>>,
    /// Of the file, and of what is taken for what.
    pub(crate) sha256: String,
}

impl Start {
    /// What training.start names.
    fn load(
        experiment: &Experiment,
        architecture: &Architecture,
        file: (&str, &str),
        folder: &Path,
    ) -> Result<Option<Self>, Failure> {
        let training = &experiment.training;
        let Some(start) = &training.start else { return Ok(None) };
        let path = relative(folder, start.get_ref());
        let refused = |error: &dyn std::fmt::Display, help: &str| {
            let message = format!("{}: {error}", path.display());
            Failure::in_file(file, Some(start.span()), message, Some(help.to_owned()))
        };
        let bytes = std::fs::read(&path).map_err(|error| {
            refused(&error, "name a file that safetensors.torch.save_file(model.state_dict(), …) wrote")
        })?;
        let names = training.start_layers.as_deref();
        let input = training.start_input.as_ref();
        let layers = read_state_dict(&bytes, architecture, names, input).map_err(|error| {
            let help = match error {
                StateDictError::PaddedInput { .. } | StateDictError::InputChannels { .. } => {
                    "make training.input_mean and input_std those that it was trained with"
                }
                _ => "make [model] the network that was trained, or say what is what with training.start_layers",
            };
            refused(&error, help)
        })?;
        let mut description = format!("{} {names:?}", sha256(&bytes));
        if let Some(InputNormalisation { mean, deviation }) = input {
            description += &format!(" {mean:?} {deviation:?}");
        }
        let sha256 = sha256(description.as_bytes());
        Ok(Some(Self { layers: Arc::new(layers), sha256 }))
    }
}

/// The network of an experiment whose model is an ONNX file, for images of `shape` in `classes` classes; none if it is not.
/// `file` is the experiment's name and text.
fn import(
    experiment: &Experiment,
    (shape, classes): ([usize; 3], usize),
    file: (&str, &str),
    folder: &Path,
) -> Result<Option<(Architecture, Start)>, Failure> {
    let Some(onnx) = &experiment.model.onnx else { return Ok(None) };
    let path = relative(folder, onnx.get_ref());
    let refused = |problem: String, help: &str| {
        let message = format!("{}: {problem}", path.display());
        Failure::in_file(file, Some(onnx.span()), message, Some(help.to_owned()))
    };
    if experiment.training.start.is_some() {
        return Err(refused("the file has weights already".to_owned(), "leave training.start away"));
    }
    let bytes = std::fs::read(&path).map_err(|error| {
        refused(error.to_string(), "name a file that torch.onnx.export(model, …) or another exporter wrote")
    })?;
    let (specs, outputs, layers) = read(&bytes).map_err(|problem| {
        refused(problem, "export networks of supported operations, with their weights inside the file")
    })?;
    if outputs != classes {
        let problem = format!("it gives {outputs} scores; the data set has {classes} classes");
        return Err(refused(problem, "choose the data set that the network was trained on"));
    }
    let help = "choose the data set that the network was trained on, images of the same size";
    let architecture = Architecture::new(shape, &specs, classes).map_err(|error| refused(error.to_string(), help))?;
    for (position, (shape, layer)) in (1..).zip(architecture.layers().iter().zip(&layers)) {
        let (needed, found) = (shape.convolution.weights(), layer.weights.len());
        if needed != found {
            let problem =
                format!("layer {position} has {found} weights; on images of this data set it needs {needed}");
            return Err(refused(problem, help));
        }
    }
    Ok(Some((architecture, Start { layers: Arc::new(layers), sha256: sha256(&bytes) })))
}

type Network = (Vec<LayerSpec>, usize, Vec<FloatLayer>);

#[cfg(feature = "onnx")]
fn read(bytes: &[u8]) -> Result<Network, String> {
    let network = axtrain_sim::workload::read_onnx(bytes).map_err(|error| error.to_string())?;
    Ok((network.layers, network.classes, network.float))
}

#[cfg(not(feature = "onnx"))]
fn read(_: &[u8]) -> Result<Network, String> {
    Err("this program was built without the feature onnx".to_owned())
}
