//! The command line as typed.

mod design;

use axtrain_sim::array::{Convention, Dataflow, Fidelity, Gemm};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
pub(crate) use design::*;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// How much energy can a network save on approximate, low-voltage arithmetic before its accuracy suffers, and how must
/// it be trained to save more?
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// No progress, only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say what each stage does and how long it took
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Threads to use (default: all cores); results do not depend on it
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Seed of what is sampled outside training
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Colours in messages
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Characterise, train, simulate, report and plot an experiment; resumes where it stopped
    #[cfg(feature = "train")]
    Run(RunOptions),
    /// Train each method and seed of an experiment
    #[cfg(feature = "train")]
    Train(ExperimentOptions),
    /// Compute every variation of an experiment: lists where one value is expected are axes
    #[cfg(feature = "train")]
    Sweep(SweepOptions),
    /// Join the parts of a sweep that were computed with --shard
    #[cfg(feature = "train")]
    Merge(MergeOptions),
    /// Run an experiment's trained networks on the array: accuracy, cycles, energy
    Simulate(SimulateOptions),
    /// Give each layer of an experiment's trained networks the multiplier and supply that save most within a loss of accuracy
    Assign(AssignOptions),
    /// Measure how much the hardware's errors raise the loss of an experiment's trained networks, layer by layer
    Sensitivity(SensitivityOptions),
    /// Error metrics, area, delay, and per operating point timing errors and energy of multipliers
    Characterize(CharacterizeOptions),
    /// Write a multiplier's error profile at each operating point, and what it did operation by operation
    Trace(TraceOptions),
    /// Time, traffic and energy of a network on a systolic array, without its arithmetic
    Cycles(CyclesOptions),
    /// Write a multiplier or a whole array as Verilog, a multiplier as BLIF, or waveforms as VCD
    Export(ExportOptions),
    /// Draw a run's figures and write its report again from its records
    Plot(PlotOptions),
    /// Compare two runs point by point: what changed, and whether it is more than noise
    Diff(DiffOptions),
    /// Show what is built in
    List(ListOptions),
    /// Write a commented file to start from
    New(NewOptions),
    /// Validate files without running anything
    Check(CheckOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentOptions {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml")]
    pub(crate) experiment: PathBuf,
    /// Folder that holds the runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Print the records as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct SweepOptions {
    /// Experiment file; its table `sweep` chooses among the variations, `cluster` says what to ask a cluster for
    #[arg(value_name = "EXPERIMENT.toml")]
    pub(crate) experiment: PathBuf,
    /// Folder that holds the runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Only say what would be computed, and about how long it takes
    #[arg(long, conflicts_with_all = ["shard", "engine", "json"])]
    pub(crate) dry_run: bool,
    /// Compute part I of N and leave it for `axtrain merge`; parts may run at once, in one folder or several
    #[arg(long, value_name = "I/N", conflicts_with_all = ["engine", "json"])]
    pub(crate) shard: Option<Shard>,
    /// Where to compute: on this machine, or as an array job on a Slurm cluster that shares this folder
    #[arg(long, value_name = "local|slurm", default_value = "local")]
    pub(crate) engine: Engine,
    /// Write figures and a report of every variation; otherwise, of more than 24, only of those that lead
    #[arg(long)]
    pub(crate) all_reports: bool,
    /// Print the records as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct MergeOptions {
    /// Experiment file of the sweep
    #[arg(value_name = "EXPERIMENT.toml")]
    pub(crate) experiment: PathBuf,
    /// Folder that holds the runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Folder of the sweep as another machine computed it; may be repeated
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) from: Vec<PathBuf>,
    /// Write figures and a report of every variation; otherwise, of more than 24, only of those that lead
    #[arg(long)]
    pub(crate) all_reports: bool,
    /// Print the records as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// What computes a sweep.
#[cfg(feature = "train")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// All cores of this machine
    Local,
    /// A Slurm cluster
    Slurm,
}

/// One of several parts of a sweep.
#[cfg(feature = "train")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1 to `of`.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

#[cfg(feature = "train")]
impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').map(|(number, of)| (number.parse(), of.parse()));
        match parts {
            Some((Ok(number), Ok(of))) if 1 <= number && number <= of => Ok(Self { number, of }),
            _ => Err("give a part and how many there are, as in 1/4 to 4/4".to_owned()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct FidelityOptions {
    /// How true to the gates inference is, from cheap to true: table (settled products), profile (errors of whole sums drawn
    /// from what is known of their products), profile-by-product (errors drawn one by one), transition (the product that the
    /// gates sample, looked up) or gate (multiplier and accumulator of every element simulated); default: as the experiment
    /// says, or transition
    #[arg(long, value_name = "LEVEL")]
    pub(crate) fidelity: Option<Fidelity>,
    /// Only the first N test images
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) experiment: ExperimentOptions,
    #[command(flatten)]
    pub(crate) fidelity: FidelityOptions,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    #[command(flatten)]
    pub(crate) experiment: ExperimentOptions,
    #[command(flatten)]
    pub(crate) fidelity: FidelityOptions,
    /// Run every level of fidelity on the same images, networks being as they are trained and memories sound, and say how far each
    /// is from gate (in fidelity.json of the run too); leaves the run's records as they are
    #[arg(long, conflicts_with = "fidelity")]
    pub(crate) compare: bool,
    /// Write each chip's map of failing weight cells into this folder, NPZ files that `chip_maps` of an experiment takes
    #[arg(long, value_name = "DIR")]
    pub(crate) save_chips: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AssignOptions {
    #[command(flatten)]
    pub(crate) experiment: ExperimentOptions,
    /// Accuracy that may be lost, in points, against the same network on its usual multiplier at full supply
    #[arg(long, value_name = "POINTS", default_value = "1")]
    pub(crate) within: f64,
    /// Training images that losses are measured on
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) images: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct SensitivityOptions {
    #[command(flatten)]
    pub(crate) experiment: ExperimentOptions,
    /// Supply of the multipliers in volts, one of the experiment's (default: the highest)
    #[arg(long, value_name = "VOLTS")]
    pub(crate) supply_v: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct CyclesOptions {
    /// Rows of elements; memory is ideal, and there are no product registers and no double buffering
    #[arg(long, value_name = "R", requires = "columns", required_unless_present_any = ["array", "config"])]
    pub(crate) rows: Option<u32>,
    /// Columns of elements
    #[arg(long = "cols", value_name = "C", requires = "rows")]
    pub(crate) columns: Option<u32>,
    /// Array with its memories: a built-in name or a file
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["rows", "columns"])]
    pub(crate) array: Option<String>,
    /// Array with its memories in SCALE-Sim's form
    #[arg(long, value_name = "FILE.cfg", conflicts_with_all = ["rows", "columns", "array"])]
    pub(crate) config: Option<PathBuf>,
    /// What stays in an element: ws, os or is (default: as the file says, or ws)
    #[arg(long)]
    pub(crate) dataflow: Option<Dataflow>,
    /// A layer of M×K activations and K×N weights; may be repeated
    #[arg(long, value_name = "MxNxK", required_unless_present = "topology", conflicts_with = "topology")]
    pub(crate) gemm: Vec<Gemm>,
    /// Layers as comma-separated values, matrix products or convolutions, in SCALE-Sim's form
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) topology: Option<PathBuf>,
    /// Whose way of counting: what registers do, or what SCALE-Sim 3 prints for ideal memory
    #[arg(long, value_name = "rtl|scale-sim", default_value_t)]
    pub(crate) convention: Convention,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Print comma-separated values, a line a layer
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Draw utilisation and roofline, and the energy if it is asked for, as SVG and PNG in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) figures: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) energy: EnergyOptions,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Energy (each of these asks for it; the array needs memories)")]
pub(crate) struct EnergyOptions {
    /// Energy of every layer by component
    #[arg(long)]
    pub(crate) energy: bool,
    /// Design file of the multiplier (default: the exact signed 8×8 array multiplier)
    #[arg(long, value_name = "DESIGN.toml")]
    pub(crate) multiplier: Option<PathBuf>,
    /// Technology of the logic: a built-in name or a file (default: freepdk45)
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) technology: Option<String>,
    /// Technology of the memories: a built-in name or a file (default: cacti7-45nm-lstp)
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) memory: Option<String>,
    /// Supply of the logic in volts (default: nominal)
    #[arg(long, value_name = "VOLTS")]
    pub(crate) supply: Option<f64>,
    /// Supply of the memories in volts (default: their nominal one)
    #[arg(long, value_name = "VOLTS")]
    pub(crate) sram_supply: Option<f64>,
    /// Clock period in ps (default: what the exact array multiplier of equal width needs at nominal supply)
    #[arg(long, value_name = "PS")]
    pub(crate) clock_ps: Option<f64>,
    /// How often operands occur: uniform, normal:MEAN,SD or a file with a weight for each code, one a line; given twice,
    /// first for activations, then for weights (default: uniform, activations not negative)
    #[arg(long, value_name = "DISTRIBUTION", allow_hyphen_values = true)]
    pub(crate) operands: Vec<String>,
}

impl EnergyOptions {
    /// Whether energy is asked for.
    pub(crate) fn wanted(&self) -> bool {
        let Self { energy, multiplier, technology, memory, supply, sram_supply, clock_ps, operands } = self;
        *energy
            || multiplier.is_some()
            || technology.is_some()
            || memory.is_some()
            || supply.is_some()
            || sram_supply.is_some()
            || clock_ps.is_some()
            || !operands.is_empty()
    }
}

#[derive(Debug, Args)]
pub(crate) struct PlotOptions {
    /// A run's folder
    #[arg(value_name = "RUN_DIR")]
    pub(crate) run: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DiffOptions {
    /// Folder of the run to compare with
    #[arg(value_name = "RUN_A")]
    pub(crate) first: PathBuf,
    /// Folder of the run to compare
    #[arg(value_name = "RUN_B", required_unless_present = "methods")]
    pub(crate) second: Option<PathBuf>,
    /// Compare the training methods of RUN_A with this one, on networks of the same seeds
    #[arg(long, value_name = "METHOD", conflicts_with = "second")]
    pub(crate) methods: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Catalogue {
    /// Multiplier families and their parameters
    Multipliers,
    /// Technologies
    Technologies,
    /// Memory technologies
    Memories,
    /// Fault models of memory cells
    Faults,
    /// Array presets
    Arrays,
    /// Data sets
    Datasets,
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// What to list (default: everything)
    pub(crate) what: Option<Catalogue>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Starter {
    /// A design file
    Multiplier,
    /// An experiment file
    Experiment,
}

#[derive(Debug, Args)]
pub(crate) struct NewOptions {
    /// What to start
    pub(crate) what: Starter,
    /// File to write; standard output if left out
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// Experiment, design, technology, memory or array files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}
