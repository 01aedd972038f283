//! The memories of an experiment whose cells fail: what the table `[memory_faults]` names, found and checked.

use crate::catalogue::{FAULTS, Source, relative};
use crate::failure::Failure;
use crate::output::write_atomically;
use crate::study::sha256;
use axtrain_sim::array::{Memories, MemorySupply, SystolicArray};
use axtrain_sim::config::{Chips, Experiment, MemoryAxis, MemoryFaults};
use axtrain_sim::memory::{
    ArrayShape, CellGeometry, Content, FaultMap, FaultModel, LayerShape, MemoryError, Scheme, Stored, ValueMemory,
    WeightMemory,
};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Volts;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Memories at supplies at which their cells fail.
pub(crate) struct FaultyMemory {
    pub(crate) faults: MemoryFaults,
    pub(crate) model: FaultModel,
    /// Supplies of the memories, with the share of cells that fail there.
    pub(crate) points: Vec<(Volts, f64)>,
    /// Leakage over what macros have, from temperature.
    pub(crate) leakage: f64,
    /// Of the weight memory.
    pub(crate) bytes: u64,
    /// Of the memories for activations and partial sums, and bits of a sum.
    pub(crate) values: (u64, u64, u32),
    pub(crate) array: ArrayShape,
    pub(crate) warnings: Vec<String>,
    /// Names and contents of measured maps.
    maps: Vec<(PathBuf, Vec<u8>)>,
}

/// The failing memories under one scheme.
pub(crate) struct FailingMemories {
    pub(crate) scheme: Scheme,
    pub(crate) array: ArrayShape,
    pub(crate) weights: Option<WeightMemory>,
    pub(crate) activations: Option<ValueMemory>,
    pub(crate) partial_sums: Option<ValueMemory>,
}

/// The faults of one chip in each failing memory.
pub(crate) struct ChipFaults {
    pub(crate) weights: Option<FaultMap>,
    pub(crate) activations: Option<FaultMap>,
    pub(crate) partial_sums: Option<FaultMap>,
}

impl FaultyMemory {
    /// Loads what an experiment says about failing cells; `file` is the experiment's name and text.
    pub(crate) fn load(
        experiment: &Experiment,
        file: (&str, &str),
        folder: &Path,
        technology: &Technology,
        (memories, array): (&Memories, &SystolicArray),
    ) -> Result<Option<Self>, Failure> {
        let Some(faults) = experiment.memory_faults.clone() else { return Ok(None) };
        let source = Source::find("fault model", FAULTS, &faults.model, folder)?;
        let model = FaultModel::from_toml(&source.text, faults.vmin)
            .map_err(|error| Failure::in_file(source.parts(), error.span, error.message, None))?;
        let model = overridden(model, &faults).map_err(|error| {
            Failure::request(error.message, "change the shares and correlations of [memory_faults]")
        })?;
        let points = points(&faults, &model, technology, memories).map_err(|error| Failure::config(file, error))?;
        let leakage = match faults.temperature_c {
            None => 1.0,
            Some(celsius) => memories
                .technology
                .leakage_temperature_factor(celsius)
                .map_err(|error| Failure::request(error.message, "change temperature_c of [memory_faults]"))?,
        };
        let mut maps = Vec::new();
        if let Chips::Measured(paths) = &faults.chips {
            for path in paths {
                let path = relative(folder, path);
                let bytes = std::fs::read(&path).map_err(|error| {
                    let help = "chip_maps are paths from the experiment's folder";
                    Failure::request(format!("cannot read {}: {error}", path.display()), help)
                })?;
                maps.push((path, bytes));
            }
        }
        let mut warnings = Vec::new();
        if let (Some(silicon), Some(energy)) = (model.node_nm(), memories.technology.node_nm())
            && silicon != energy
        {
            let Volts(vmin) = faults.vmin;
            warnings.push(format!(
                "failures of {silicon} nm cells ({}) stand beside energies of a {energy} nm memory ({}); vmin_v = {vmin} V joins them",
                model.name(),
                memories.technology.name()
            ));
        }
        let shape = |side: u64| usize::try_from(side).expect("an array's side is 32 bits wide");
        let study = Self {
            model,
            points,
            leakage,
            bytes: memories.weight.bytes,
            values: (memories.input.bytes, memories.partial_sum.bytes, array.accumulator_bits()),
            array: ArrayShape { rows: shape(array.rows()), columns: shape(array.columns()) },
            warnings,
            maps,
            faults,
        };
        // All schemes can be laid out, and measured maps fit them; better to know before training.
        for scheme in &study.faults.schemes {
            let memories = study.memories(scheme, &[])?;
            for chip in study.chips().filter(|_| study.is_measured()) {
                study.on_chip(&memories, chip, 0.0)?;
            }
        }
        Ok(Some(study))
    }

    /// The failing memories, weights being of layers of these shapes.
    pub(crate) fn memories(&self, scheme: &Scheme, shapes: &[LayerShape]) -> Result<FailingMemories, Failure> {
        let refused = |error| Failure::request(error, "change the scheme, or the memories of the array");
        let (rows, fails) = (self.model.rows(), |content| self.faults.memories.contains(&content));
        let (input_bytes, sum_bytes, bits) = self.values;
        let values = |content, stored, bytes| {
            let memory = || ValueMemory::new(scheme.clone(), stored, bytes, rows).map_err(refused);
            fails(content).then(memory).transpose()
        };
        let weights = || WeightMemory::new(scheme.clone(), self.bytes, rows, self.array, shapes).map_err(refused);
        Ok(FailingMemories {
            scheme: scheme.clone(),
            array: self.array,
            weights: fails(Content::Weights).then(weights).transpose()?,
            activations: values(Content::Activations, Stored::Activations, input_bytes)?,
            partial_sums: values(Content::PartialSums, Stored::PartialSums { bits }, sum_bytes)?,
        })
    }

    /// Where a memory runs if those that fail do at `failing`, and what its protection costs.
    pub(crate) fn supply(&self, content: Content, scheme: &Scheme, failing: Volts, nominal: Volts) -> MemorySupply {
        if !self.faults.memories.contains(&content) {
            return MemorySupply::unprotected(nominal);
        }
        let bits = match content {
            Content::Weights => 8,
            Content::Activations => Stored::Activations.bits(),
            Content::PartialSums => self.values.2,
        };
        MemorySupply { supply: failing, overhead: scheme.cost(self.model.overheads(), bits) }
    }

    /// Numbers of all chips.
    pub(crate) fn chips(&self) -> std::ops::Range<u64> {
        match &self.faults.chips {
            Chips::Virtual { count, .. } => 0..*count,
            Chips::Measured(_) => 0..self.maps.len() as u64,
        }
    }

    /// Whether chips are measured ones.
    pub(crate) fn is_measured(&self) -> bool {
        matches!(self.faults.chips, Chips::Measured(_))
    }

    /// What tells a chip from others.
    pub(crate) fn identity(&self, chip: u64) -> String {
        match &self.faults.chips {
            Chips::Virtual { seed, .. } => format!(" chip {seed} {chip}"),
            Chips::Measured(_) => sha256(&self.maps[chip as usize].1),
        }
    }

    /// The faults of a chip where cells fail with probability `p`.
    pub(crate) fn on_chip(&self, memories: &FailingMemories, chip: u64, p: f64) -> Result<ChipFaults, Failure> {
        let values = |memory: &Option<ValueMemory>, content| {
            memory.as_ref().map(|memory| self.map(memory.geometry(), content, chip, p)).transpose()
        };
        let weights = memories.weights.as_ref().map(|memory| self.map(memory.geometry(), Content::Weights, chip, p));
        Ok(ChipFaults {
            weights: weights.transpose()?,
            activations: values(&memories.activations, Content::Activations)?,
            partial_sums: values(&memories.partial_sums, Content::PartialSums)?,
        })
    }

    /// Writes the failing weight cells of each chip at each supply, by scheme.
    pub(crate) fn save_chips(&self, folder: &Path) -> Result<(), Failure> {
        for scheme in &self.faults.schemes {
            let Some(memory) = self.memories(scheme, &[])?.weights else {
                let help = "chip_maps are of weights: add \"weights\" to memories of [memory_faults]";
                return Err(Failure::request("the weight memory of this experiment does not fail", help));
            };
            for &(Volts(supply), p) in &self.points {
                for chip in self.chips() {
                    let path = folder.join(format!("{}_{supply:.3}V_c{chip}.npz", scheme.name()));
                    let mut file = Cursor::new(Vec::new());
                    let map = self.map(memory.geometry(), Content::Weights, chip, p)?;
                    map.write(&mut file).map_err(|error| Failure::write(&path, error))?;
                    write_atomically(&path, &file.into_inner())?;
                }
            }
        }
        Ok(())
    }

    /// The faults of one of a chip's memories.
    pub(crate) fn map(
        &self,
        geometry: CellGeometry,
        content: Content,
        chip: u64,
        p: f64,
    ) -> Result<FaultMap, Failure> {
        // Memories of one geometry fail in different cells.
        let own = match content {
            Content::Weights => 0,
            Content::Activations => 0x6163_7469_7661_7465,
            Content::PartialSums => 0x7061_7274_6961_6c73,
        };
        match &self.faults.chips {
            Chips::Virtual { seed, .. } => Ok(self.model.chip(geometry, seed ^ own, chip).faults(p)),
            Chips::Measured(_) => {
                let (path, bytes) = &self.maps[chip as usize];
                let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
                let map = match extension.as_str() {
                    "npz" => FaultMap::read(Cursor::new(bytes)).and_then(|map| map.require(geometry)),
                    "npy" => FaultMap::from_npy(&bytes[..], geometry),
                    _ => FaultMap::from_csv(&String::from_utf8_lossy(bytes), geometry),
                };
                let help = "chip_maps are .npz, .npy or .csv as hwconfigs/README.md describes them";
                map.map_err(|error| Failure::request(format!("{}: {error}", path.display()), help))
            }
        }
    }
}

fn overridden(model: FaultModel, faults: &MemoryFaults) -> Result<FaultModel, MemoryError> {
    let up_share = faults.up_share.or(model.up_share());
    let persistent_share = faults.persistent_share.unwrap_or(model.persistent_share());
    let correlation = faults.column_correlation.unwrap_or(model.column_correlation());
    model.with_up_share(up_share)?.with_persistent_share(persistent_share)?.with_column_correlation(correlation)
}

/// Supplies and failure probabilities, all within what model, memory and technology cover.
fn points(
    faults: &MemoryFaults,
    model: &FaultModel,
    technology: &Technology,
    memories: &Memories,
) -> Result<Vec<(Volts, f64)>, axtrain_sim::config::ConfigError> {
    let point = |supply: Volts| {
        let refused = |message: String, help: &str| faults.axis_error(message, help);
        memories
            .technology
            .check_supply(supply)
            .map_err(|error| refused(error.message, "lower the supply, or vmin_v if bit_error_rate asks for it"))?;
        technology.slowdown(supply).map_err(|error| {
            refused(error.to_string(), "access times follow the technology's delay law; choose a supply it covers")
        })?;
        let help = "choose a higher supply or another fault model";
        let p = model.failure_probability(supply).map_err(|error| refused(error.to_string(), help))?;
        Ok((supply, p))
    };
    match &faults.axis {
        MemoryAxis::Supplies(supplies) => supplies.iter().map(|supply| point(*supply)).collect(),
        MemoryAxis::BitErrorRates(rates) => {
            let supply = |rate: &f64| {
                let supply = model.supply_for(*rate).ok_or_else(|| {
                    let message = format!("{} has no supply with a bit-error rate of {rate}", model.name());
                    faults.axis_error(message, "choose rates that the fault model covers")
                })?;
                let (supply, _) = point(supply)?;
                Ok((supply, *rate))
            };
            rates.iter().map(supply).collect()
        }
    }
}
