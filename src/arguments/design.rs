//! Options of the commands that take designs.

use axtrain_sim::array::Gemm;
use axtrain_sim::technology::DelayModel;
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

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
