//! The systolic array: cycles, traffic and activity of a layer, in closed form and register by register; and the array
//! itself as Verilog ([`rtl`]), which Icarus Verilog holds to both.
//!
//! ```
//! use axtrain_sim::array::{Dataflow, Layer, SystolicArray};
//!
//! let array = SystolicArray::new(32, 32, Dataflow::WeightStationary)?;
//! let layer = Layer::new("fc1", "64x256x784".parse()?); // M×N×K
//! let cycles = array.layer_cycles(&layer)?;
//! assert_eq!(cycles.folds, 25 * 8); // ⌈784/32⌉·⌈256/32⌉
//! assert_eq!(cycles.cycles, 200 * (2 * 32 + 32 + 64 - 2));
//! # Ok::<(), axtrain_sim::array::ArrayError>(())
//! ```
//!
//! # The machine
//!
//! R×C equal elements. Element (r, c) multiplies in cycle t + r + c what entered the array at step t: operands enter
//! row r with r cycles of delay and column c with c, so that those that belong together meet. Each element has a
//! register for the operand that moves right, one for the operand that comes down its column (held during a fold when
//! that operand is stationary), one for the sum, and optionally one between multiplier and adder
//! ([`SystolicArray::product_register`]). Every operand carries a valid bit. An element adds its product to the sum
//! only if both operands are valid, so that an approximate multiplier with 0·0 ≠ 0 does no harm where there is no work.
//!
//! *Stationary operand* (weight-stationary; input-stationary with the operands exchanged). A fold's R×C operands shift
//! down the columns in R cycles, the bottom row's first; row r captures only from the r-th of these cycles on, when
//! the first operand has come that far. Then T steps stream from the left. Sums move down one row a cycle, through rows
//! without work too, and leave at the bottom, where an adder a column adds what earlier folds left in the
//! accumulator memory: `partial_sum_reads`. A result counts as out when the bottom element's sum register has captured
//! it; the memory takes it in the cycle after, beside the next fold's loading.
//!
//! *Stationary sum* (output-stationary). Both operands stream for T steps; the first clears the sum. Then the sums
//! shift down and leave through the bottom row in R cycles. A result counts as out when the memory has captured it.
//!
//! A fold takes 2R + C + T − 2 cycles either way, because the sequencer waits for the whole array even if a fold leaves
//! rows or columns without work; the product register adds one cycle. With [`SystolicArray::double_buffering`] a second
//! register for the stationary operand (or sum) lets the next fold load (the last one leave) while this one streams.
//! Loading and leaving then start in column c with c cycles of delay, like everything else; folds follow each other
//! every max(T, R) cycles, F of them take R + (F − 1)·max(T, R) + T + R + C − 2, and the product register adds one
//! cycle in all.
//!
//! # Options that cost no time
//!
//! Accumulators wrap or saturate ([`Overflow`]), where partial sums meet in memory too. With data gating a pair of
//! operands with a zero leaves the multiplier's inputs as they were, and zero is added. A late product is captured as it
//! is or, noticed by a shadow register, dropped ([`OnTimingError`]). The stepped model and the Verilog do the first two
//! register by register; what is late only a timed multiplier knows, so a stepped run's multiplier returns zero for what
//! is dropped, and the Verilog, which has one clock, is refused.
//!
//! # What a multiplier sees
//!
//! Weight-stationary, element (k, n) of a fold: a bubble's zero, then x\[0\]\[k\], x\[1\]\[k\], …, x\[T−1\]\[k\] in T
//! consecutive cycles with the weight unchanged, then zeros again. During the zeros before it, the weights on their way
//! to the rows below pass through the element's register, and so before its multiplier: those of rows R − 1 down to k,
//! R − k of them, the last being its own; rows beyond K pass as zeros. With double buffering they pass through the
//! register not in use, and activation and weight change in the same cycle: if T ≥ R, x\[0\]\[k\] of the next fold
//! directly follows x\[T−1\]\[k\] of this one; otherwise R − T zeros at the old weight come between. Rows beyond K see
//! zeros throughout; columns beyond N see the activations at weight zero. [`stepped::run_observed`] shows all of it.
//!
//! # Not modelled
//!
//! Bank conflicts, DRAM refresh and row misses, and any reordering of folds. Memory beyond the ports is
//! [`MemorySystem`]; without one it is unlimited and free.

mod accumulator;
mod activity;
mod assignment;
mod compensation;
mod convolution;
mod cycles;
mod dataflow;
mod drawn;
mod drawn_transitions;
mod element;
mod energy;
mod failing_memory;
mod fidelity;
mod file;
mod gate;
mod gemm;
mod inference;
mod layer_noise;
mod layer_operands;
mod layers;
mod memory;
mod multiply_accumulate;
mod operations;
mod options;
mod roofline;
pub mod rtl;
mod scale_sim;
pub mod stepped;
mod tiling;
pub mod topology;

pub use crate::profile::OnTimingError;
pub use accumulator::{Accumulator, AccumulatorPasses, Gates};
pub use activity::{Activity, ElementShares, RegisterWrites};
pub use assignment::{Alternative, LayerOption, MixedInference, UsualRun, assign};
pub use compensation::{Compensation, Compensator, Correction, UnknownCompensation};
pub use convolution::{Convolution, ConvolutionError};
pub use cycles::{LayerCycles, SramTraffic};
pub use dataflow::Dataflow;
pub use drawn::{DrawnErrors, DrawnInference, Switching};
pub use drawn_transitions::{OperandTransition, SimulatedMultiplier};
pub use element::{ElementMeans, loading_energy};
pub use energy::{
    Arrivals, EnergyComponents, EnergyModel, InferenceCost, LayerWork, Memories, MemorySupply, NoSuchMemory, Supplies,
};
pub use failing_memory::FailingInference;
pub use fidelity::{Fidelity, UnknownFidelity};
pub use file::{ArrayConfig, ArrayFile, BUILT_IN_ARRAYS};
pub use gate::{GateInference, GateLayer, GateSpec, StageErrors, StageSpec, Windows};
pub use gemm::{Gemm, Layer};
pub use inference::TransitionInference;
pub use layer_noise::LayerNoise;
pub use layer_operands::LayerOperands;
pub use layers::PointRun;
pub use memory::{DramTraffic, MemorySystem};
pub use multiply_accumulate::{MultiplyAccumulate, MultiplyAccumulateSpec};
pub use operations::{OperandStatistics, OperationMeans};
pub use options::Overflow;
pub use roofline::{RooflinePoint, Roofs};
pub use scale_sim::Convention;

use options::Adder;
use std::num::NonZeroU32;

/// An array of R×C multiply-accumulate elements and its dataflow.
///
/// Invariant: at least one row and one column, accumulators of 1 to 32 bits, and a product register if late products
/// are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystolicArray {
    rows: NonZeroU32,
    columns: NonZeroU32,
    dataflow: Dataflow,
    double_buffering: bool,
    product_register: bool,
    accumulator_bits: u32,
    overflow: Overflow,
    data_gating: bool,
    on_timing_error: OnTimingError,
}

impl SystolicArray {
    /// An array without double buffering, product registers and data gating, with 32-bit accumulators that wrap.
    pub fn new(rows: u32, columns: u32, dataflow: Dataflow) -> Result<Self, ArrayError> {
        let side = |value, what| NonZeroU32::new(value).ok_or(ArrayError::Zero { what });
        let (rows, columns) = (side(rows, "the number of rows")?, side(columns, "the number of columns")?);
        let (double_buffering, product_register) = (false, false);
        Ok(Self {
            rows,
            columns,
            dataflow,
            double_buffering,
            product_register,
            accumulator_bits: 32,
            overflow: Overflow::Wrap,
            data_gating: false,
            on_timing_error: OnTimingError::Capture,
        })
    }

    /// The same with or without a second register for what stays in an element: the weight (weight-stationary), the
    /// activation (input-stationary) or the finished sum (output-stationary).
    pub fn with_double_buffering(self, double_buffering: bool) -> Self {
        Self { double_buffering, ..self }
    }

    /// The same with or without a register between multiplier and adder; without one, late products are captured.
    pub fn with_product_register(self, product_register: bool) -> Self {
        let on_timing_error = if product_register { self.on_timing_error } else { OnTimingError::Capture };
        Self { product_register, on_timing_error, ..self }
    }

    /// The same with accumulators of `bits` bits, two's complement; 1 to 32.
    pub fn with_accumulator_bits(self, bits: u32) -> Result<Self, ArrayError> {
        if !(1..=32).contains(&bits) {
            return Err(ArrayError::AccumulatorBits { bits });
        }
        Ok(Self { accumulator_bits: bits, ..self })
    }

    /// The same with accumulators that wrap or saturate, those of partial sums in memory too.
    pub fn with_overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// The same with or without data gating: where an operand is zero the multiplier keeps its inputs, and zero is added
    /// whatever it would have made of them.
    pub fn with_data_gating(self, data_gating: bool) -> Self {
        Self { data_gating, ..self }
    }

    /// The same with late products captured or dropped; dropping takes a product register to notice them at.
    pub fn with_on_timing_error(self, on_timing_error: OnTimingError) -> Result<Self, ArrayError> {
        if on_timing_error == OnTimingError::Drop && !self.product_register {
            return Err(ArrayError::DropWithoutRegister);
        }
        Ok(Self { on_timing_error, ..self })
    }

    /// Rows of elements, R.
    pub fn rows(&self) -> u64 {
        self.rows.get().into()
    }

    /// Columns of elements, C.
    pub fn columns(&self) -> u64 {
        self.columns.get().into()
    }

    /// Elements, R·C.
    pub fn elements(&self) -> u64 {
        self.rows() * self.columns()
    }

    /// What stays in an element.
    pub fn dataflow(&self) -> Dataflow {
        self.dataflow
    }

    /// Whether folds overlap; see [`Self::with_double_buffering`].
    pub fn double_buffering(&self) -> bool {
        self.double_buffering
    }

    /// Whether a register separates multiplier and adder.
    pub fn product_register(&self) -> bool {
        self.product_register
    }

    /// Bits of partial sums and results.
    pub fn accumulator_bits(&self) -> u32 {
        self.accumulator_bits
    }

    /// What accumulators do with sums beyond their width.
    pub fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Whether operands of zero leave the multiplier as it is; see [`Self::with_data_gating`].
    pub fn data_gating(&self) -> bool {
        self.data_gating
    }

    /// What becomes of late products.
    pub fn on_timing_error(&self) -> OnTimingError {
        self.on_timing_error
    }

    /// How partial sums are added.
    pub(crate) fn adder(&self) -> Adder {
        Adder { bits: self.accumulator_bits, overflow: self.overflow }
    }
}

/// A request the array cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    /// A dimension is zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// Which.
        what: &'static str,
    },
    /// Accumulators too narrow or too wide.
    #[error("accumulators of {bits} bits are not supported; choose 1 to 32")]
    AccumulatorBits {
        /// The width asked for.
        bits: u32,
    },
    /// Late products cannot be noticed.
    #[error("late products can only be dropped where a register captures them; set product_register = true")]
    DropWithoutRegister,
    /// Not three sizes.
    #[error("{text:?} is not a matrix product; write MxNxK, as in 64x256x784")]
    GemmSyntax {
        /// What was written.
        text: String,
    },
    /// No such dataflow.
    #[error("unknown dataflow {text:?}; use ws (weight-stationary), os (output-stationary) or is (input-stationary)")]
    UnknownDataflow {
        /// What was written.
        text: String,
    },
    /// A batch of matrix products has too many rows.
    #[error("a batch of {batch} products of {m} rows each has more than 2^64 − 1 rows; split it")]
    TooManyRows {
        /// Products.
        batch: u64,
        /// Rows of each.
        m: u64,
    },
    /// No such way of counting.
    #[error("unknown convention {text:?}; use rtl or scale-sim")]
    UnknownConvention {
        /// What was written.
        text: String,
    },
    /// SCALE-Sim has no such array.
    #[error("SCALE-Sim has no {feature}; turn it off, or count by the rtl convention")]
    UnknownToScaleSim {
        /// What the array has.
        feature: &'static str,
    },
    /// An on-chip memory cannot hold what the array takes at once.
    #[error(
        "{key} is {kib}: half of it does not hold the {words} words the array takes at once; set it to {least_kib} or more"
    )]
    MemoryTooSmall {
        /// Its key in an array file.
        key: &'static str,
        /// Its capacity, KiB.
        kib: u64,
        /// Words that must fit.
        words: u64,
        /// Least capacity that would do, KiB.
        least_kib: u128,
    },
    /// A matrix does not have the size its shape asks for.
    #[error("{found} {operand} given; groups × rows × columns of the matrix are {expected}")]
    OperandCount {
        /// Which matrix.
        operand: &'static str,
        /// Numbers given.
        found: usize,
        /// Numbers needed.
        expected: u64,
    },
    /// The stepped model would not fit in memory.
    #[error(
        "an array of {rows}×{columns} elements is too large to step; 2^24 elements are the most, or use the closed form"
    )]
    TooLargeToStep {
        /// Rows.
        rows: u64,
        /// Columns.
        columns: u64,
    },
    /// A count exceeds 64 bits.
    #[error("layer {layer} ({groups} × {gemm}) needs counts beyond 2^64 − 1; split it into smaller layers")]
    Overflow {
        /// The layer's name.
        layer: String,
        /// Its product.
        gemm: Gemm,
        /// How many of them.
        groups: u64,
    },
    /// A sum over layers exceeds 64 bits.
    #[error("counts of all layers together exceed 2^64 − 1; report them layer by layer")]
    TotalOverflow,
}
