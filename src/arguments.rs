//! The command line as typed.

use axtrain_sim::array::{Convention, Dataflow, Fidelity, Gemm};
use axtrain_sim::technology::DelayModel;
use clap::{ArgGroup, Args, ColorChoice, Parser, Subcommand, ValueEnum};
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

/// Cells, and the condition they are in.
#[derive(Debug, Args)]
pub(crate) struct TechnologyOptions {
    /// Technology: a built-in name or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "freepdk45")]
    pub(crate) technology: String,
    /// Process corner, one of the technology's (default: that of its data)
    #[arg(long, value_name = "NAME")]
    pub(crate) corner: Option<String>,
    /// Temperature in °C (default: that of the technology's data)
    #[arg(long, value_name = "CELSIUS", allow_hyphen_values = true)]
    pub(crate) temperature_c: Option<f64>,
    /// Delays to simulate: one an output, rising and falling edges apart, or those from each input pin (default: as the technology
    /// says, or averaged)
    #[arg(long, value_name = "averaged|rise-fall|by-pin")]
    pub(crate) delay_model: Option<DelayModelOption>,
}

/// How much of what a technology knows about delays is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DelayModelOption {
    /// Edges and pins averaged
    Averaged,
    /// Edges apart
    RiseFall,
    /// Edges and pins apart
    ByPin,
}

impl From<DelayModelOption> for DelayModel {
    fn from(option: DelayModelOption) -> Self {
        match option {
            DelayModelOption::Averaged => DelayModel::Averaged,
            DelayModelOption::RiseFall => DelayModel::RiseFall,
            DelayModelOption::ByPin => DelayModel::ByPin,
        }
    }
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
    /// Run every level of fidelity on the same images and say how far each is from gate; leaves the run's records as they are
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

/// Which operands change from one operation to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StimulusOption {
    /// Activations only
    WeightStationary,
    /// Both operands
    Pair,
}

#[derive(Debug, Args)]
pub(crate) struct CharacterizeOptions {
    /// Design files
    #[arg(value_name = "DESIGN.toml", required = true)]
    pub(crate) designs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) technology: TechnologyOptions,
    /// Supplies in volts: 0.9, a list 0.8,0.9 or lo:hi:step (default: those in the design file's table `operation`, or none)
    #[arg(long, value_name = "VOLTS")]
    pub(crate) supply: Option<String>,
    /// Clock period in ps (default: the design file's, or what the exact array multiplier of equal width needs at nominal
    /// supply, or the accumulator behind it)
    #[arg(long, value_name = "PS")]
    pub(crate) clock_ps: Option<f64>,
    /// Operands at operating points: the weight stays (all transitions where the circuit settles), or both operands change
    /// (drawn); operands of more than 8 bits are always drawn
    #[arg(long, value_name = "weight-stationary|pair", default_value = "weight-stationary")]
    pub(crate) stimulus: StimulusOption,
    /// Also draw whole multiply-accumulates at each operating point, an accumulator of so many bits behind a product register:
    /// errors of either stage and of both, and their energy, with 95 % confidence intervals
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(crate) accumulator: Option<u32>,
    /// Draw N chips whose cells and dies vary, and say how they spread and how many are fast enough at the clock; `--seed`
    /// decides which
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) chips: Option<u64>,
    /// List the critical path pin by pin, and arrival and slack of every output, at nominal supply; slack is that at
    /// --clock-ps or at the shortest clock
    #[arg(long)]
    pub(crate) path: bool,
    #[command(flatten)]
    pub(crate) errors: ErrorOptions,
    /// Take tables of transitions from this folder, by the hash of all they depend on, and put new ones there; a run's are in its
    /// transitions/
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Also say how inference would multiply matrices over this table of products, and how long on one core: M×K
    /// activations times K×N weights
    #[arg(long, value_name = "MxNxK")]
    pub(crate) explain: Option<Gemm>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceOptions {
    /// Design file
    #[arg(value_name = "DESIGN.toml")]
    pub(crate) design: PathBuf,
    #[command(flatten)]
    pub(crate) technology: TechnologyOptions,
    /// Supplies in volts: 0.9, a list 0.8,0.9 or lo:hi:step (default: those in the design file's table `operation`, or nominal)
    #[arg(long, value_name = "VOLTS")]
    pub(crate) supply: Option<String>,
    /// Clock periods in ps, one or several (default: the design file's, or what the exact array multiplier of equal width
    /// needs at nominal supply)
    #[arg(long, value_name = "PS")]
    pub(crate) clock_ps: Option<String>,
    /// Bits of an activation code (default: all; one less of a signed design, whose activations are never negative)
    #[arg(long, value_name = "BITS")]
    pub(crate) activation_bits: Option<u32>,
    /// Operands to take instead of uniform ones, as comma-separated codes under a header previous,activation,weight
    #[arg(long, value_name = "FILE.csv", conflicts_with = "from_run")]
    pub(crate) operands: Option<PathBuf>,
    /// Take the operands of a finished run's network, layer by layer, with the zeros between its batches
    #[arg(long, value_name = "RUN_DIR", conflicts_with = "activation_bits")]
    pub(crate) from_run: Option<PathBuf>,
    /// Which of the run's networks: a file in its weights/, without extension (default: the first)
    #[arg(long, value_name = "NAME", requires = "from_run")]
    pub(crate) network: Option<String>,
    /// Also write a raw error trace of N operations; `--seed` decides which are drawn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) samples: Option<u32>,
    /// Form of raw error traces
    #[arg(long, value_name = "npz|csv", default_value = "npz", requires = "samples")]
    pub(crate) format: TraceFormat,
    /// Take tables of transitions from this folder, by the hash of all they depend on, and put new ones there; a run's are in its
    /// transitions/
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "traces")]
    pub(crate) out: PathBuf,
    /// Also draw figures, into figures/ in that folder
    #[arg(long)]
    pub(crate) figures: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// NumPy's archive
    Npz,
    /// Comma-separated values
    Csv,
}

/// What cells do with pulses shorter than their delay.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PulseMode {
    /// Every change passes
    Transport,
    /// Short pulses vanish, as in Verilog's primitives
    Inertial,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("file").args(["verilog", "blif", "vcd", "bench"]).required(true).multiple(true))]
pub(crate) struct ExportOptions {
    /// Design file
    #[arg(value_name = "DESIGN.toml", required_unless_present = "array")]
    pub(crate) design: Option<PathBuf>,
    /// Verilog to write: structural, or with --delays what the timed simulation does
    #[arg(long, value_name = "FILE")]
    pub(crate) verilog: Option<PathBuf>,
    /// BLIF to write
    #[arg(long, value_name = "FILE")]
    pub(crate) blif: Option<PathBuf>,
    /// Value change dump to write: all nets while --pairs pass through
    #[arg(long, value_name = "FILE", requires = "pairs")]
    pub(crate) vcd: Option<PathBuf>,
    /// Operands in order, each pair applied when the one before has settled: -3,5:100,7:0,0
    #[arg(long, value_name = "A,B:A,B…", requires = "vcd", allow_hyphen_values = true)]
    pub(crate) pairs: Option<String>,
    /// Give the Verilog the delays of the technology
    #[arg(long, requires = "verilog")]
    pub(crate) delays: bool,
    /// What cells do with short pulses
    #[arg(long, default_value = "inertial")]
    pub(crate) mode: PulseMode,
    /// Supply in volts (default: nominal)
    #[arg(long, value_name = "VOLTS")]
    pub(crate) supply: Option<f64>,
    #[command(flatten)]
    pub(crate) technology: TechnologyOptions,
    #[command(flatten)]
    pub(crate) array: ArrayExport,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "A whole array")]
pub(crate) struct ArrayExport {
    /// Write a systolic array with the multiplier in every element: a built-in name or a file
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["blif", "vcd", "delays"])]
    pub(crate) array: Option<String>,
    /// Design file of the multiplier, as the one given first (default: the exact signed 8×8 array multiplier)
    #[arg(long, value_name = "DESIGN.toml", requires = "array", conflicts_with = "design")]
    pub(crate) multiplier: Option<PathBuf>,
    /// Test bench to write: it runs a layer of random operands, which `--seed` decides, and prints PASS or FAIL
    #[arg(long, value_name = "FILE", requires = "array")]
    pub(crate) bench: Option<PathBuf>,
    /// The layer of the bench (default: one row, column and step more than the array has)
    #[arg(long, value_name = "MxNxK", requires = "bench")]
    pub(crate) gemm: Option<Gemm>,
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
#[command(next_help_heading = "Error metrics")]
pub(crate) struct ErrorOptions {
    /// What MAE and WCE are percentages of
    #[arg(long, value_name = "WHAT", default_value = "code-range")]
    pub(crate) normaliser: NormaliserOption,
    /// Pairs with an exact product of zero in the mean relative error
    #[arg(long, value_name = "POLICY", default_value = "skip")]
    pub(crate) zeros: ZeroOption,
    /// How often operands occur: uniform, normal:MEAN,SD or a file with a weight for each code, one a line; given twice,
    /// first for a, then for b
    #[arg(long, value_name = "DISTRIBUTION", default_value = "uniform", allow_hyphen_values = true)]
    pub(crate) operands: Vec<String>,
    /// Draw N operand pairs instead of taking all, with 95 % confidence intervals; `--seed` decides which
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) samples: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NormaliserOption {
    /// 2^(n+m), signed too (EvoApproxLib)
    CodeRange,
    /// The largest exact magnitude: (2^n−1)(2^m−1) unsigned, 2^(n+m−2) signed
    LargestProduct,
    /// (2^n−1)(2^m−1), signed too
    LargestUnsigned,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ZeroOption {
    /// Left out (EvoApproxLib)
    Skip,
    /// Counted with a relative error of zero
    Count,
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
