//! Where the operands of a trace come from: nowhere in particular, a file, or the layers of a trained network.

use crate::arguments::TraceOptions;
use crate::catalogue::Source;
use crate::failure::Failure;
use crate::output::whole_files;
use crate::study::{METHODS, dataset};
use axtrain_sim::array::LayerOperands;
use axtrain_sim::config::Experiment;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::{Design, Operation, Stimulus};
use axtrain_sim::workload::{WeightsFile, pixel_code};
use std::path::{Path, PathBuf};

/// Operands under which a design is to be traced.
pub(crate) struct TraceOperands {
    /// The layer of a network that they belong to.
    pub(crate) layer: Option<LayerOperands>,
    /// Their distribution.
    pub(crate) stimulus: Stimulus,
    /// Operations of a raw trace, if one is asked for.
    pub(crate) operations: Option<Vec<Operation>>,
    /// Whether the operations were drawn.
    pub(crate) drawn: bool,
}

impl TraceOperands {
    /// The operands that the command line asks for, one list a layer.
    pub(crate) fn of(
        options: &TraceOptions,
        design: &Design,
        activation_bits: u32,
        seed: u64,
    ) -> Result<Vec<Self>, Failure> {
        let bits = [activation_bits, design.multiplier.width_b()];
        if let Some(run) = &options.from_run {
            return of_network(options, design, run, seed);
        }
        if let Some(path) = &options.operands {
            return Ok(vec![of_file(path, bits, options.samples)?]);
        }
        let operations = options.samples.map(|count| Operation::uniform(count as usize, bits, seed));
        Ok(vec![Self { layer: None, stimulus: Stimulus::uniform(bits[0], bits[1]), operations, drawn: true }])
    }
}

/// The first operations of a file, all without a limit; the distribution is of all.
fn of_file(path: &Path, bits: [u32; 2], limit: Option<u32>) -> Result<TraceOperands, Failure> {
    let source = Source::read(path)?;
    let help = format!("codes have {} and {} bits; --activation-bits changes the first", bits[0], bits[1]);
    let wrong = |message: &str| Failure::in_file(source.parts(), None, message, Some(help.clone()));
    let mut operations = Operation::from_csv(&source.text, bits).map_err(|error| wrong(&error.to_string()))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stimulus = Operation::stimulus(&operations, format!("weight-stationary {file}"), bits)
        .map_err(|_| wrong("no operations below the header"))?;
    operations.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
    Ok(TraceOperands { layer: None, stimulus, operations: Some(operations), drawn: false })
}

/// The operands of each layer of a run's network.
fn of_network(options: &TraceOptions, design: &Design, run: &Path, seed: u64) -> Result<Vec<TraceOperands>, Failure> {
    let multiplier = &design.multiplier;
    if !multiplier.signed() || [multiplier.width_a(), multiplier.width_b()] != [8, 8] {
        let message = format!("{} is not a signed multiplier of 8 × 8 bits, as networks need", design.name());
        return Err(Failure::request(message, "leave --from-run away, or set signed = true and width = 8"));
    }
    let source = Source::read(&run.join("experiment.toml"))?;
    let experiment =
        Experiment::from_toml(&source.text, run, &METHODS).map_err(|error| Failure::config(source.parts(), error))?;
    let path = weights_path(run, options.network.as_deref())?;
    let bytes = std::fs::read(&path)
        .map_err(|error| Failure::request(format!("cannot read {}: {error}", path.display()), "check the folder"))?;
    let weights = WeightsFile::from_bytes(&bytes)
        .map_err(|error| Failure::request(format!("{}: {error}", path.display()), "train the network again"))?;
    let images = dataset(&experiment, run)?.test;
    if images.is_empty() || images.features() != weights.network.inputs() {
        let (found, expected) = (images.features(), weights.network.inputs());
        let message =
            format!("{} takes images of {expected} pixels; {} has {found}", path.display(), experiment.dataset);
        return Err(Failure::request(message, "the run's experiment.toml and weights do not belong together"));
    }
    let codes: Vec<u8> = images.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
    let (gemm, batch) = (TableGemm::new(&design.product), experiment.operation.batch);
    let network = path.file_stem().unwrap_or_default().to_string_lossy();
    let layers = LayerOperands::of(&weights.network, &gemm, &codes, batch);
    let layers = layers.into_iter().zip(0..).map(|(layer, index)| {
        let name = &layer.layer().name;
        let title = format!("weight-stationary {name} of {}/{network} ({batch} images a batch)", experiment.name);
        let stimulus = layer.stimulus(title).expect("a layer has weights and images");
        let operations = options.samples.map(|count| layer.sample(count as usize, seed.wrapping_add(index)));
        TraceOperands { layer: Some(layer), stimulus, operations, drawn: true }
    });
    Ok(layers.collect())
}

/// The file of a run's network by name, or the first.
fn weights_path(run: &Path, wanted: Option<&str>) -> Result<PathBuf, Failure> {
    let folder = run.join("weights");
    let paths = whole_files(&folder, "safetensors").map_err(|error| {
        let message = format!("cannot read {}: {error}", folder.display());
        Failure::request(message, "name the folder of a finished run, as in --from-run runs/quickstart")
    })?;
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let chosen = match wanted {
        Some(name) => paths.iter().find(|path| stem(path) == name),
        None => paths.first(),
    };
    chosen.cloned().ok_or_else(|| {
        let names: Vec<String> = paths.iter().map(stem).collect();
        let message = match wanted {
            Some(name) => format!("no network in {} is called \"{name}\"", folder.display()),
            None => format!("no network is in {}", folder.display()),
        };
        Failure::request(message, format!("networks there: {}", names.join(", ")))
    })
}
