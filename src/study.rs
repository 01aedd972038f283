//! An experiment with everything it names loaded, and its designs characterised.

use crate::arguments::TechnologyOptions;
use crate::behaviour::{Behaviour, behaviour, report};
use crate::catalogue::{ARRAYS, MEMORIES, Source, TECHNOLOGIES, relative};
use crate::failure::Failure;
use crate::faulty_memory::FaultyMemory;
use crate::operating_points::DesignRequest;
use crate::output::write_atomically;
use crate::progress::Console;
use crate::shelf::{HashedDataset, HashedDesign, Shelf};
use crate::start::{Start, network};
use crate::transition_cache::TransitionCache;
use axtrain_sim::array::{
    Accumulator, AccumulatorPasses, Compensation, Dataflow, Memories, OnTimingError, Overflow, SystolicArray,
};
use axtrain_sim::config::{Axes, Experiment};
use axtrain_sim::memory::MemoryTechnology;
use axtrain_sim::multiplier::{AnyMultiplier, Family, Multiplier, MultiplierSpec};
use axtrain_sim::profile::{Design, ErrorProfile, Stimulus};
use axtrain_sim::technology::{
    ConditionError, MissingCells, OperatingPoint, PointError, Technology, TechnologyError,
};
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Architecture, Dataset};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names of the training methods, whether or not this build can train.
pub(crate) const METHODS: [&str; 12] = [
    "plain",
    "post-training",
    "active",
    "passive",
    "hybrid",
    "table-gradient",
    "sam",
    "asam",
    "gaussian",
    "random-bit-error",
    "hybrid-bit-error",
    "memory-adaptive",
];

/// Activations are never negative: 7 bits.
const ACTIVATION_BITS: u32 = 7;

/// An experiment ready to run.
pub(crate) struct Study {
    pub(crate) experiment: Experiment,
    pub(crate) experiment_sha256: String,
    pub(crate) technology: Technology,
    pub(crate) memories: Memories,
    pub(crate) array: SystolicArray,
    /// The accumulator behind each design.
    pub(crate) accumulators: Vec<Accumulator>,
    /// How each is simulated at each supply of the experiment.
    accumulator_passes: Vec<Vec<Result<AccumulatorPasses, PointError>>>,
    pub(crate) dataset: Arc<HashedDataset>,
    pub(crate) architecture: Architecture,
    /// What training starts from, if not from drawn weights.
    pub(crate) start: Option<Start>,
    pub(crate) designs: Vec<Arc<HashedDesign>>,
    pub(crate) clock_ps: f64,
    /// The weight memory, if its cells fail.
    pub(crate) faulty_memory: Option<FaultyMemory>,
    /// The folder of this experiment's results.
    pub(crate) folder: PathBuf,
    /// The folder of the run or sweep that it is part of: the same unless it is one variation of several.
    pub(crate) root: PathBuf,
    /// Value of each axis of the sweep.
    pub(crate) settings: BTreeMap<String, String>,
    /// What [`identify`](Self::identify) says.
    pub(crate) identity: String,
    text: String,
}

/// One variation of a sweep of several: the name of its folder, and its value of each axis.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) settings: BTreeMap<String, String>,
}

/// The experiment of a file with everything it names found and read.
pub(crate) fn load(path: &Path, runs: &Path) -> Result<Study, Failure> {
    let source = Source::read(path)?;
    let verb = "this command";
    Axes::refuse(&source.text, verb).map_err(|error| Failure::config(source.parts(), error))?;
    prepare(source, path, runs, None, &Shelf::default())
}

/// The experiment of a text that belongs to the file at `path`; `part` says which variation of a sweep it is, `shelf` what
/// is loaded already.
pub(crate) fn prepare(
    source: Source,
    path: &Path,
    runs: &Path,
    part: Option<Part>,
    shelf: &Shelf,
) -> Result<Study, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let experiment = Experiment::from_toml(&source.text, folder, &METHODS)
        .map_err(|error| Failure::config(source.parts(), error))?;
    let technology = technology(&experiment.technology, folder)?;
    let technology =
        at_condition(technology, experiment.operation.corner.as_deref(), experiment.operation.temperature_c)
            .map_err(|error| Failure::in_file(source.parts(), None, error, Some("change [operation]".to_owned())))?;
    let technology = match experiment.operation.delay_model {
        Some(model) => technology.with_delay_model(model),
        None => technology,
    };
    experiment.check_supplies(&technology).map_err(|error| Failure::config(source.parts(), error))?;
    let (array, memories) = array(&experiment.array, &experiment.memory, folder)?;
    let faulty_memory = FaultyMemory::load(&experiment, source.parts(), folder, &technology, (&memories, &array))?;
    let images = (experiment.training.images, experiment.operation.images);
    let dataset = shelf.datasets.get(format!("{} {images:?}", experiment.dataset), || {
        Ok::<_, Failure>(HashedDataset::new(dataset(&experiment, folder)?))
    })?;
    let (architecture, start) = network(&experiment, &dataset, source.parts(), folder)?;
    let cells = sha256(format!("{technology:?}").as_bytes());
    let designs = experiment.designs.iter().map(|multiplier| {
        let key = format!("{multiplier:?} {cells}");
        shelf.designs.get(key, || Ok(HashedDesign::new(Design::new(multiplier.clone(), &technology)?)))
    });
    let designs: Vec<Arc<HashedDesign>> = designs.collect::<Result<_, _>>().map_err(|error: MissingCells| {
        Failure::request(error, "choose other designs or complete the technology file")
    })?;
    let accumulators = designs.iter().map(|design| Accumulator::of(&array, design.multiplier.coding(), &technology));
    let accumulators = accumulators
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::request(error, "complete the technology file"))?;
    let clock_ps = experiment.operation.clock_ps.unwrap_or(designs[experiment.baseline].minimum_clock_ps());
    let passes = |accumulator: &Accumulator| -> Vec<Result<AccumulatorPasses, PointError>> {
        let at = |&supply: &Volts| accumulator.passes(&technology, OperatingPoint { supply, clock_ps });
        experiment.operation.supplies.iter().map(at).collect()
    };
    let accumulators: Vec<Accumulator> = accumulators;
    let accumulator_passes = accumulators.iter().map(passes).collect();
    let root = runs.join(&experiment.name);
    let (folder, settings) = match part {
        None => (root.clone(), BTreeMap::new()),
        Some(part) => (root.join(part.name), part.settings),
    };
    let mut study = Study {
        folder,
        root,
        settings,
        identity: String::new(),
        experiment_sha256: sha256(source.text.as_bytes()),
        text: source.text,
        experiment,
        technology,
        memories,
        array,
        accumulators,
        accumulator_passes,
        dataset,
        architecture,
        start,
        designs,
        clock_ps,
        faulty_memory,
    };
    study.identity = study.identify();
    let needs_tables = [
        (study.faulty_memory.is_some(), "[memory_faults]"),
        (study.experiment.operation.compensations != [Compensation::default()], "compensations"),
        (study.experiment.training.supply.is_some(), "training.supply_v"),
    ];
    match needs_tables.into_iter().find(|(wanted, _)| *wanted) {
        Some((_, what)) => study.require_weight_stationary(what).map(|()| study),
        None => Ok(study),
    }
}

/// Reads a design file whose multiplier must have gates.
pub(crate) fn multiplier(path: &Path) -> Result<Multiplier, Failure> {
    with_gates(any_multiplier(path)?)
}

/// The gates of a multiplier, which must have some.
pub(crate) fn with_gates(multiplier: AnyMultiplier) -> Result<Multiplier, Failure> {
    let help = "`axtrain characterize` finds its error metrics; for more, give its circuit as family, verilog, blif or \
        yosys-json";
    multiplier.gates().map_err(|error| Failure::request(error, help))
}

/// Reads a design file.
pub(crate) fn any_multiplier(path: &Path) -> Result<AnyMultiplier, Failure> {
    DesignRequest::read(path).map(|design| design.multiplier)
}

/// The multiplier of an array for which none is named: exact, signed, 8×8.
pub(crate) fn exact_multiplier() -> Multiplier {
    MultiplierSpec::new("exact", Family::Array, 8, 8, true).expect("the family has this width").into()
}

/// Reads a technology by name or path.
pub(crate) fn technology(wanted: &str, folder: &Path) -> Result<Technology, Failure> {
    let source = Source::find("technology", TECHNOLOGIES, wanted, folder)?;
    read_technology(&source, relative(folder, wanted).parent().unwrap_or(folder))
}

/// Reads a technology that stands in `folder`, with the Liberty files it names.
pub(crate) fn read_technology(source: &Source, folder: &Path) -> Result<Technology, Failure> {
    let read = |name: &str| {
        let path = relative(folder, name);
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    Technology::from_toml_with(&source.text, &read).map_err(|error| {
        let TechnologyError { message, span, other_file } = error;
        let file = other_file.as_ref().map_or(source.parts(), |(name, text)| (name, text));
        Failure::in_file(file, span, message, None)
    })
}

impl TechnologyOptions {
    /// The technology asked for, with the delays asked for, as its data are.
    pub(crate) fn typical(&self) -> Result<Technology, Failure> {
        let technology = technology(&self.technology, Path::new("."))?;
        Ok(match self.delay_model {
            Some(model) => technology.with_delay_model(model.into()),
            None => technology,
        })
    }

    /// The same at the corner and temperature asked for.
    pub(crate) fn load(&self) -> Result<Technology, Failure> {
        let technology = self.typical()?;
        at_condition(technology, self.corner.as_deref(), self.temperature_c)
            .map_err(|error| Failure::request(error, "change --corner or --temperature-c"))
    }
}

/// A technology at a process corner and temperature, if any are asked for.
pub(crate) fn at_condition(
    technology: Technology,
    corner: Option<&str>,
    temperature_c: Option<f64>,
) -> Result<Technology, ConditionError> {
    let technology = corner.map_or_else(|| Ok(technology.clone()), |corner| technology.at_corner(corner))?;
    temperature_c.map_or_else(|| Ok(technology.clone()), |celsius| technology.at_temperature(celsius))
}

fn array(array: &str, memory: &str, folder: &Path) -> Result<(SystolicArray, Memories), Failure> {
    let source = Source::find("memory", MEMORIES, memory, folder)?;
    let technology = MemoryTechnology::from_toml(&source.text)
        .map_err(|error| Failure::in_file(source.parts(), error.span, error.message, None))?;
    let source = Source::find("array", ARRAYS, array, folder)?;
    let file = source.array()?;
    let array = file.array.build().map_err(|error| Failure::in_file(source.parts(), None, error, None))?;
    let options = [
        (array.overflow() == Overflow::Saturate, "saturating accumulators", "overflow = \"wrap\""),
        (array.data_gating(), "data gating", "data_gating = false"),
    ];
    if let Some((_, option, remedy)) = options.into_iter().find(|(set, ..)| *set) {
        let message = format!("experiments do not simulate {option}");
        return Err(Failure::in_file(source.parts(), None, message, Some(format!("set {remedy}"))));
    }
    let Some(capacities) = file.memory else {
        let help = "add a table [memory] as in the built-in arrays".to_owned();
        return Err(Failure::in_file(source.parts(), None, "the array has no memories", Some(help)));
    };
    let memories = Memories::new(&capacities, technology)
        .map_err(|error| Failure::in_file(source.parts(), None, error, None))?;
    Ok((array, memories))
}

/// The data set of an experiment, as many images of it as it takes.
pub(crate) fn dataset(experiment: &Experiment, folder: &Path) -> Result<Dataset, Failure> {
    let mut dataset = match Dataset::embedded(&experiment.dataset) {
        Some(dataset) => dataset,
        None => {
            let path = relative(folder, &experiment.dataset);
            let help =
                format!("built in: {}; anything else is a folder or an NPZ file", Dataset::EMBEDDED.join(", "));
            Dataset::open(&path).map_err(|error| Failure::request(error, help))?
        }
    };
    if let Some(images) = experiment.training.images {
        dataset.train = dataset.train.first(images);
    }
    if let Some(images) = experiment.operation.images {
        dataset.test = dataset.test.first(images);
    }
    Ok(dataset)
}

impl Study {
    /// Hash of what all records depend on, besides design, network and operating point.
    pub(crate) fn identify(&self) -> String {
        let Study { technology, memories, array, clock_ps, .. } = self;
        let (images, operation) = (&self.dataset.test_sha256, &self.experiment.operation);
        let how = format!("{} {}", operation.batch, operation.fidelity);
        sha256(format!("{technology:?} {memories:?} {array:?} {images} {clock_ps} {how}").as_bytes())
    }

    /// Refuses what is worked out from tables of transitions, if weights do not stay while activations change.
    pub(crate) fn require_weight_stationary(&self, what: &str) -> Result<(), Failure> {
        if self.array.dataflow() == Dataflow::WeightStationary {
            return Ok(());
        }
        let Experiment { array, .. } = &self.experiment;
        let message = format!("{what}: only for weight-stationary arrays, and {array} is {}", self.array.dataflow());
        Err(Failure::request(message, "choose another array, or `axtrain simulate` without it"))
    }

    /// Name of the network, as records show it.
    pub(crate) fn model(&self) -> String {
        self.experiment.model.name.clone().unwrap_or_else(|| self.architecture.to_string())
    }

    /// Name of the multiplier that all others are compared with.
    pub(crate) fn baseline(&self) -> &Design {
        &self.designs[self.experiment.baseline]
    }

    /// The accumulator behind a design.
    pub(crate) fn accumulator(&self, design: &Design) -> &Accumulator {
        &self.accumulators[self.place(design)]
    }

    fn place(&self, design: &Design) -> usize {
        self.designs.iter().position(|own| own.name() == design.name()).expect("a design of the study")
    }

    /// Whether the accumulator behind a design would itself fail at a supply.
    pub(crate) fn accumulator_fails(&self, design: &Design, supply: Volts) -> bool {
        self.accumulator_passes(design, supply).map_or(true, |passes| !passes.settles())
    }

    /// How the accumulator behind a design is simulated at one of the experiment's supplies.
    pub(crate) fn accumulator_passes(
        &self,
        design: &Design,
        supply: Volts,
    ) -> Result<&AccumulatorPasses, &PointError> {
        let place = self.experiment.operation.supplies.iter().position(|&own| own == supply);
        self.accumulator_passes[self.place(design)][place.expect("a supply of the experiment")].as_ref()
    }

    /// The operating points of the experiment.
    fn operating_points(&self) -> Vec<OperatingPoint> {
        let supplies = self.experiment.operation.supplies.iter();
        supplies.map(|&supply| OperatingPoint { supply, clock_ps: self.clock_ps }).collect()
    }

    /// The operating points at which a design can be simulated.
    pub(crate) fn points_of(&self, design: &Design) -> Vec<OperatingPoint> {
        let mut points = self.operating_points();
        points.retain(|&point| design.pass(&self.technology, point).is_ok_and(|pass| !pass.overlaps()));
        points
    }

    /// What one design does at its operating points; tables of transitions are kept in the run's folder.
    pub(crate) fn behaviour(&self, design: usize, console: &Console) -> Result<Behaviour, Failure> {
        self.simulated(design, Some(&TransitionCache::of(&self.root)), console)
    }

    /// The same, simulated whether or not it is known, and nothing written.
    #[cfg(feature = "train")]
    pub(crate) fn fresh_behaviour(&self, design: usize, console: &Console) -> Result<Behaviour, Failure> {
        self.simulated(design, None, console)
    }

    fn simulated(
        &self,
        design: usize,
        cache: Option<&TransitionCache>,
        console: &Console,
    ) -> Result<Behaviour, Failure> {
        self.behaviour_at(&self.operating_points(), design, cache, console)
    }

    /// What one design does at operating points, in the array.
    pub(crate) fn behaviour_at(
        &self,
        points: &[OperatingPoint],
        design: usize,
        cache: Option<&TransitionCache>,
        console: &Console,
    ) -> Result<Behaviour, Failure> {
        crate::interrupt::check()?;
        let design = &self.designs[design];
        let behaviour = behaviour(design, &self.technology, points, cache, console)?;
        Ok(match self.array.on_timing_error() {
            OnTimingError::Drop => behaviour.dropping_late_products(design),
            OnTimingError::Capture => behaviour,
        })
    }

    /// Times every transition of every design and writes what was found: `characterization.json` and the profiles.
    pub(crate) fn characterize(&self, console: &Console) -> Result<Vec<Behaviour>, Failure> {
        if self.array.dataflow() != Dataflow::WeightStationary {
            console.note(
                "note: error profiles and figures are those of weights that stay; \
                 networks run as on the array",
            );
        }
        let mut behaviours = Vec::new();
        let mut reports = Vec::new();
        for (index, design) in self.designs.iter().enumerate() {
            let behaviour = self.behaviour(index, console)?;
            for reason in behaviour.not_tabulated() {
                console.note(&format!("{}: {reason}", design.name()));
            }
            reports.push(report(design, &self.technology, &behaviour));
            self.write_profiles(design, &behaviour)?;
            behaviours.push(behaviour);
        }
        self.write_experiment()?;
        let text = serde_json::to_vec_pretty(&reports).expect("characterisations serialise");
        write_atomically(&self.folder.join("characterization.json"), &text)?;
        Ok(behaviours)
    }

    /// What [`characterize`](Self::characterize) depends on, but for the folder it writes to.
    #[cfg(feature = "train")]
    pub(crate) fn characterized_by(&self) -> String {
        let designs: Vec<String> =
            self.designs.iter().map(|design| format!("{} {}", design.name(), design.sha256)).collect();
        let (points, late) = (self.operating_points(), self.array.on_timing_error());
        sha256(format!("{designs:?} {:?} {points:?} {late:?}", self.technology).as_bytes())
    }

    /// Writes what [`characterize`](Self::characterize) writes, from the folder of a study of the same designs at the same
    /// operating points.
    #[cfg(feature = "train")]
    pub(crate) fn characterize_like(&self, other: &Path) -> Result<(), Failure> {
        let mut names = vec![PathBuf::from("characterization.json")];
        for design in &self.designs {
            let profiles = self.points_of(design).into_iter();
            let paths = profiles.map(|point| profile_path(Path::new(""), design.name(), point.supply));
            names.extend(paths);
        }
        names.par_iter().try_for_each(|name| {
            let from = other.join(name);
            let bytes = std::fs::read(&from)
                .map_err(|error| Failure::other(format!("cannot read {}: {error}", from.display())))?;
            write_atomically(&self.folder.join(name), &bytes)
        })?;
        self.write_experiment()
    }

    /// Writes the experiment's text into its folder.
    pub(crate) fn write_experiment(&self) -> Result<(), Failure> {
        write_atomically(&self.folder.join("experiment.toml"), self.text.as_bytes())
    }

    fn write_profiles(&self, design: &Design, behaviour: &Behaviour) -> Result<(), Failure> {
        let stimulus = Stimulus::uniform(ACTIVATION_BITS, design.multiplier.width_b());
        let points: Vec<OperatingPoint> = behaviour.operating_points().collect();
        let behaviour = behaviour.under(&stimulus);
        points.par_iter().enumerate().try_for_each(|(position, point)| {
            let profile = behaviour.profile(design, &self.technology, position);
            write_profile(&profile_path(&self.folder, design.name(), point.supply), &profile)
        })
    }
}

/// Writes a profile.
pub(crate) fn write_profile(path: &Path, profile: &ErrorProfile) -> Result<(), Failure> {
    let mut file = Cursor::new(Vec::new());
    profile.write(&mut file).map_err(|error| Failure::write(path, error))?;
    write_atomically(path, &file.into_inner())
}

/// Where a run keeps a design's profile.
pub(crate) fn profile_path(folder: &Path, design: &str, supply: Volts) -> PathBuf {
    folder.join("profiles").join(format!("{design}@{:.3}V.npz", supply.0))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
