//! Networks that experiments take from ONNX files.

use crate::catalogue::relative;
use crate::failure::Failure;
use axtrain_sim::config::Experiment;
use axtrain_sim::workload::{Architecture, FloatLayer};
use std::path::Path;

/// A network with the weights it was trained to, and its file.
pub(crate) struct Imported {
    pub(crate) architecture: Architecture,
    pub(crate) layers: Vec<FloatLayer>,
    pub(crate) bytes: Vec<u8>,
}

/// The network of an experiment whose model is an ONNX file, for images of `shape` in `classes` classes; none if it is not.
/// `file` is the experiment's name and text.
pub(crate) fn import(
    experiment: &Experiment,
    (shape, classes): ([usize; 3], usize),
    file: (&str, &str),
    folder: &Path,
) -> Result<Option<Imported>, Failure> {
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
    Ok(Some(Imported { architecture, layers, bytes }))
}

type Network = (Vec<axtrain_sim::workload::LayerSpec>, usize, Vec<FloatLayer>);

#[cfg(feature = "onnx")]
fn read(bytes: &[u8]) -> Result<Network, String> {
    let network = axtrain_sim::workload::read_onnx(bytes).map_err(|error| error.to_string())?;
    Ok((network.layers, network.classes, network.float))
}

#[cfg(not(feature = "onnx"))]
fn read(_: &[u8]) -> Result<Network, String> {
    Err("this program was built without the feature onnx".to_owned())
}
