//! The array as synthesizable Verilog-2001, register by register what [`stepped`] runs, and a bench that proves it.
//!
//! The text is made of fixed parametric modules (the `.v` files beside this one), the multiplier's netlist and a top
//! module `systolic_array` with the array's sizes. It computes a layer of any shape:
//!
//! - `m`, `n`, `k` and `groups` are the layer's shape, to be held from `start` (one cycle, while not busy) to `done`.
//!   `busy` is high in exactly the cycles the closed form counts, `done` in the cycle after, in which the last sums
//!   enter memory.
//! - A port of a row or column asks its memory with `…_read` and `…_address` (row-major `[groups][m][k]`,
//!   `[groups][k][n]` and `[groups][m][n]`) and gets `…_data` in the same cycle. What is not asked for is ignored.
//!   Weight-stationary, activations enter R rows and weights C columns; input-stationary it is the reverse.
//! - Column c writes `sum_data` where `sum_write` says. Where `sum_read` says so too, an earlier fold has left a part,
//!   which the memory gives back as `sum_before`.
//!
//! Addresses and sizes are 32 bits wide. Addresses are written as products of offsets and strides; a real memory would
//! be asked a cycle or more ahead, which changes no count. Memory beyond the ports is not part of the module.
//!
//! ```
//! use axtrain_sim::array::{Dataflow, SystolicArray, rtl::ArrayRtl, stepped::Operands};
//! use axtrain_sim::multiplier::{Family, MultiplierSpec};
//!
//! let array = SystolicArray::new(4, 4, Dataflow::WeightStationary)?;
//! let multiplier = MultiplierSpec::new("exact", Family::Array, 8, 8, true)?;
//! let rtl = ArrayRtl::new(array, &multiplier.netlist(), true)?;
//! let design = rtl.to_verilog();
//! let (inputs, weights) = ([1, 2, 3, -4], [5, -6]);
//! let operands = Operands { gemm: "2x1x2".parse()?, groups: 1, inputs: &inputs, weights: &weights };
//! let bench = rtl.test_bench(&operands, |activation, weight| activation * weight)?;
//! // iverilog -o run array.v bench.v && vvp run
//! # assert!(design.contains("module systolic_array") && bench.contains("module test"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bench;
mod design;

use super::stepped::{self, Operands};
use super::{ArrayError, Gemm, OnTimingError, Overflow, SystolicArray};
use crate::engine::{FunctionalEngine, Lanes, exhaustive_codes};
use crate::multiplier::{ProductTable, operand_value};
use crate::netlist::{Netlist, Port};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An array with a multiplier in every element, ready to be written as Verilog.
///
/// Invariant: the multiplier has two inputs and one output, none of them without bits.
#[derive(Clone, Debug)]
pub struct ArrayRtl {
    array: SystolicArray,
    multiplier: Netlist,
    signed: bool,
}

impl ArrayRtl {
    /// `multiplier` has the activation, the weight and the product as its ports, in this order; `signed` says whether
    /// they are two's complement.
    pub fn new(array: SystolicArray, multiplier: &Netlist, signed: bool) -> Result<Self, RtlError> {
        let (inputs, outputs) = (multiplier.inputs(), multiplier.outputs());
        let empty = inputs.iter().chain(outputs).any(|port| port.width() == 0);
        if (inputs.len(), outputs.len()) != (2, 1) || empty {
            let (name, inputs, outputs) = (multiplier.name().to_owned(), inputs.len(), outputs.len());
            return Err(RtlError::NoMultiplier { name, inputs, outputs });
        }
        if array.on_timing_error() == OnTimingError::Drop {
            return Err(RtlError::Detection);
        }
        let bits = outputs[0].width();
        if array.overflow() == Overflow::Saturate && !signed && bits >= 32 {
            return Err(RtlError::SaturatingWide { bits });
        }
        Ok(Self { array, multiplier: multiplier.clone(), signed })
    }

    /// The design: module `systolic_array` and all it is made of.
    pub fn to_verilog(&self) -> String {
        design::to_verilog(self)
    }

    /// A bench, module `test`, that runs a layer on the design and prints its counts and `PASS` or `FAIL`.
    ///
    /// What it expects comes from [`stepped::run`] with `product(activation, weight)`, which takes the numbers that
    /// operand codes stand for; use another source than the netlist to have it checked too.
    pub fn test_bench(
        &self,
        operands: &Operands<'_>,
        product: impl FnMut(i32, i32) -> i32,
    ) -> Result<String, RtlError> {
        bench::check(self, operands)?;
        let expected = stepped::run(&self.array, operands, product)?;
        Ok(bench::to_verilog(self, operands, &expected))
    }

    /// A bench that runs one product of that shape on operands drawn uniformly from all codes with `seed`; the sums it
    /// expects are those of the multiplier's own function.
    pub fn random_bench(&self, gemm: Gemm, seed: u64) -> Result<String, RtlError> {
        let groups = 1;
        bench::check_size(gemm, groups)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut codes = |count: u64, bits: usize| -> Vec<i32> {
            let least = if self.signed { -(1 << (bits - 1)) } else { 0 };
            (0..count).map(|_| random.random_range(least..least + (1 << bits))).collect()
        };
        let inputs = codes(gemm.m() * gemm.k(), self.activation_bits());
        let weights = codes(gemm.k() * gemm.n(), self.weight_bits());
        let operands = Operands { gemm, groups, inputs: &inputs, weights: &weights };
        let mut function = NetlistFunction::new(&self.multiplier, self.signed);
        self.test_bench(&operands, |activation, weight| function.product(activation, weight))
    }

    fn activation_bits(&self) -> usize {
        self.multiplier.inputs()[0].width()
    }

    fn weight_bits(&self) -> usize {
        self.multiplier.inputs()[1].width()
    }

    fn product_bits(&self) -> usize {
        self.multiplier.outputs().first().map_or(0, Port::width)
    }
}

/// What a multiplier's gates make of two numbers.
enum NetlistFunction<'n> {
    /// Codes of all products.
    Table { codes: Vec<u32>, netlist: &'n Netlist, signed: bool },
    /// One product at a time, where a table would be too large.
    Gates { engine: FunctionalEngine<'n>, netlist: &'n Netlist, signed: bool },
}

impl<'n> NetlistFunction<'n> {
    fn new(netlist: &'n Netlist, signed: bool) -> Self {
        let bits: usize = netlist.inputs().iter().map(Port::width).sum();
        if bits <= ProductTable::MAX_INPUT_BITS as usize {
            Self::Table { codes: exhaustive_codes(netlist), netlist, signed }
        } else {
            Self::Gates { engine: FunctionalEngine::new(netlist), netlist, signed }
        }
    }

    fn product(&mut self, activation: i32, weight: i32) -> i32 {
        let (netlist, signed) = match self {
            Self::Table { netlist, signed, .. } | Self::Gates { netlist, signed, .. } => (*netlist, *signed),
        };
        let code = |number: i32, port: usize| number as u32 & (u32::MAX >> (32 - netlist.inputs()[port].width()));
        let (a, b) = (code(activation, 0), code(weight, 1));
        let product = match self {
            Self::Table { codes, .. } => codes[(a << netlist.inputs()[1].width() | b) as usize],
            Self::Gates { engine, .. } => {
                for (port, code) in [a, b].into_iter().enumerate() {
                    for bit in 0..netlist.inputs()[port].width() {
                        engine.set_input(port, bit, Lanes::splat(code >> bit & 1 == 1));
                    }
                }
                engine.settle();
                engine.output(0)[0]
            }
        };
        operand_value(product, netlist.outputs()[0].width() as u32, signed) as i32
    }
}

/// An array that cannot be written as Verilog, or a layer that it cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtlError {
    /// The netlist is no multiplier.
    #[error(
        "{name} has {inputs} inputs and {outputs} outputs; an element needs a multiplier, with activation and weight as \
         inputs and the product as output, each of at least one bit"
    )]
    NoMultiplier {
        /// The netlist's name.
        name: String,
        /// Its input ports.
        inputs: usize,
        /// Its output ports.
        outputs: usize,
    },
    /// Unsigned products that a 32-bit sum cannot tell from negative ones.
    #[error("unsigned products of {bits} bits need accumulators that wrap; choose overflow = \"wrap\"")]
    SaturatingWide {
        /// Bits of a product.
        bits: usize,
    },
    /// Late products are to be noticed.
    #[error(
        "late products are noticed by a shadow register on a second, later clock, which this Verilog does not have; \
         choose on_timing_error = \"capture\""
    )]
    Detection,
    /// An operand that the multiplier has no code for.
    #[error("{operand} number {position} is {value}; {bits} {kind} bits hold {least} to {most}")]
    Operand {
        /// Which matrix.
        operand: &'static str,
        /// Where in it.
        position: usize,
        /// The number.
        value: i32,
        /// Width of the multiplier's input.
        bits: usize,
        /// Signed or unsigned.
        kind: &'static str,
        /// Smallest number with a code.
        least: i64,
        /// Largest number with a code.
        most: i64,
    },
    /// Addresses would not fit their 32 bits.
    #[error("{groups} × {gemm} has more than 2^32 − 1 words in a matrix; split it into smaller layers")]
    TooLarge {
        /// Products.
        groups: u64,
        /// Their shape.
        gemm: Gemm,
    },
    /// The layer is refused whatever it runs on.
    #[error(transparent)]
    Array(#[from] ArrayError),
}
