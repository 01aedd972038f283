//! The multiplier families by name.

use super::FinalAdder;
use super::array::{Array, OperandTruncated};
use super::booth::{Booth, BoothEncoder};
use super::compressor_tree::{Compressor, CompressorTree};
use super::corrected_log::CorrectedLog;
use super::dynamic_segment::DynamicSegment;
use super::incomplete_array::IncompleteArray;
use super::iterative_log::IterativeLog;
use super::mitchell::Mitchell;
use super::reduction::{Reduction, TreeAdder};
use super::roba::Roba;
use super::sign_magnitude::SignMagnitude;
use super::spec::{Operands, Violation};
use super::static_segment::StaticSegment;
use super::tosam::Tosam;
use super::tree::Tree;
use super::underdesigned::Underdesigned;
use crate::netlist::{NetId, NetlistBuilder};
use serde::{Deserialize, Serialize};

/// A family of multipliers with its parameters, as design files write it: `family = "broken-array"`,
/// `parameters = { horizontal = 2, vertical = 5 }`.
///
/// Formulas and sources stand in [`CATALOGUE`](super::CATALOGUE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "family", content = "parameters", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Family {
    /// Exact carry-save array.
    Array,
    /// Exact Wallace tree.
    Wallace,
    /// Exact Dadda tree.
    Dadda,
    /// Exact radix-4 Booth.
    Booth,
    /// Array without its lowest columns.
    Truncated {
        /// Columns left out.
        columns: u32,
    },
    /// Array on operands whose low bits are tied to 0.
    OperandTruncated {
        /// Bits of `a` tied to 0.
        a: u32,
        /// Bits of `b` tied to 0.
        b: u32,
    },
    /// Array without its lowest rows and its lowest columns.
    BrokenArray {
        /// Rows (bits of `b`) left out from below.
        horizontal: u32,
        /// Columns left out.
        vertical: u32,
    },
    /// Array without some consecutive rows.
    Perforated {
        /// First row (bit of `b`) left out.
        start: u32,
        /// Rows left out.
        rows: u32,
    },
    /// Inexact 2×2 blocks.
    Underdesigned,
    /// Segments from the leading one on, lowest bit set.
    Drum {
        /// Bits kept of an operand.
        segment: u32,
    },
    /// One of two fixed segments.
    Ssm {
        /// Bits kept of an operand.
        segment: u32,
    },
    /// One of three fixed segments.
    Essm {
        /// Bits kept of an operand.
        segment: u32,
    },
    /// Segments from the leading one on.
    Dsm {
        /// Bits kept of an operand.
        segment: u32,
    },
    /// Sum of piecewise linear logarithms.
    Mitchell,
    /// Mitchell's approximation repeated on the residues.
    IterativeLog {
        /// Repetitions.
        corrections: u32,
    },
    /// Mitchell with one correction.
    Mbm,
    /// Mitchell with a correction for each pair of mantissa segments.
    Realm {
        /// Segments of a mantissa: 4, 8 or 16.
        segments: u32,
    },
    /// Mitchell with a set-one adder.
    AlmSoa {
        /// Mantissa bits that are not added.
        lower: u32,
    },
    /// Operands rounded to powers of two.
    Roba,
    /// Truncated mantissas, their product of rounded ones.
    Tosam {
        /// Mantissa bits multiplied.
        h: u32,
        /// Mantissa bits added.
        t: u32,
    },
    /// Radix-4 Booth with approximate partial products in low columns.
    BoothApproximate {
        /// How they are computed.
        encoder: BoothEncoder,
        /// Columns in which they are.
        columns: u32,
    },
    /// 4:2 compressors, approximate in low columns.
    CompressorTree {
        /// The approximate compressor.
        compressor: Compressor,
        /// Columns in which it is used.
        columns: u32,
    },
}

impl Family {
    /// Name in design files.
    pub fn name(&self) -> &'static str {
        match self {
            Family::Array => "array",
            Family::Wallace => "wallace",
            Family::Dadda => "dadda",
            Family::Booth => "booth",
            Family::Truncated { .. } => "truncated",
            Family::OperandTruncated { .. } => "operand-truncated",
            Family::BrokenArray { .. } => "broken-array",
            Family::Perforated { .. } => "perforated",
            Family::Underdesigned => "underdesigned",
            Family::Drum { .. } => "drum",
            Family::Ssm { .. } => "ssm",
            Family::Essm { .. } => "essm",
            Family::Dsm { .. } => "dsm",
            Family::Mitchell => "mitchell",
            Family::IterativeLog { .. } => "iterative-log",
            Family::Mbm => "mbm",
            Family::Realm { .. } => "realm",
            Family::AlmSoa { .. } => "alm-soa",
            Family::Roba => "roba",
            Family::Tosam { .. } => "tosam",
            Family::BoothApproximate { .. } => "booth-approximate",
            Family::CompressorTree { .. } => "compressor-tree",
        }
    }

    /// Whether the family ends in a carry-propagate adder that can be chosen: it reduces columns by a tree.
    pub fn has_final_adder(&self) -> bool {
        matches!(
            self,
            Family::Wallace
                | Family::Dadda
                | Family::Booth
                | Family::Underdesigned
                | Family::BoothApproximate { .. }
                | Family::CompressorTree { .. }
        )
    }

    /// The implementation.
    pub(super) fn multiplier(&self, final_adder: FinalAdder) -> Box<dyn Multiplier> {
        let wallace = TreeAdder { reduction: Reduction::Wallace, final_adder };
        let dadda = TreeAdder { reduction: Reduction::Dadda, final_adder };
        match *self {
            Family::Array => Box::new(Array),
            Family::Wallace => Box::new(Tree(wallace)),
            Family::Dadda => Box::new(Tree(dadda)),
            Family::Booth => Box::new(Booth { adder: dadda, approximate: None }),
            Family::Truncated { columns } => Box::new(IncompleteArray::Truncated { columns }),
            Family::OperandTruncated { a, b } => Box::new(OperandTruncated { a, b }),
            Family::BrokenArray { horizontal, vertical } => {
                Box::new(IncompleteArray::Broken { horizontal, vertical })
            }
            Family::Perforated { start, rows } => Box::new(IncompleteArray::Perforated { start, rows }),
            Family::Underdesigned => Box::new(SignMagnitude(Underdesigned(dadda))),
            Family::Drum { segment } => Box::new(SignMagnitude(DynamicSegment { segment, unbiased: true })),
            Family::Ssm { segment } => Box::new(SignMagnitude(StaticSegment { segment, segments: 2 })),
            Family::Essm { segment } => Box::new(SignMagnitude(StaticSegment { segment, segments: 3 })),
            Family::Dsm { segment } => Box::new(SignMagnitude(DynamicSegment { segment, unbiased: false })),
            Family::Mitchell => Box::new(SignMagnitude(Mitchell { lower: 0 })),
            Family::IterativeLog { corrections } => Box::new(SignMagnitude(IterativeLog { corrections })),
            Family::Mbm => Box::new(SignMagnitude(CorrectedLog::Mbm)),
            Family::Realm { segments } => Box::new(SignMagnitude(CorrectedLog::Realm { segments })),
            Family::AlmSoa { lower } => Box::new(SignMagnitude(Mitchell { lower })),
            Family::Roba => Box::new(SignMagnitude(Roba)),
            Family::Tosam { h, t } => Box::new(SignMagnitude(Tosam { h, t })),
            Family::BoothApproximate { encoder, columns } => {
                Box::new(Booth { adder: dadda, approximate: Some((encoder, columns)) })
            }
            Family::CompressorTree { compressor, columns } => {
                Box::new(SignMagnitude(CompressorTree { compressor, columns, final_adder }))
            }
        }
    }
}

/// What a family is: its limits, its gates and, written independently of them, its arithmetic.
pub(super) trait Multiplier {
    /// Refuses widths and parameters for which the family is not defined.
    fn validate(&self, operands: Operands) -> Result<(), Violation>;

    /// Gates for the product of `a` and `b`; returns its width_a + width_b bits.
    fn generate(&self, circuit: &mut NetlistBuilder, operands: Operands, a: &[NetId], b: &[NetId]) -> Vec<NetId>;

    /// The product of two operand values; the caller takes it modulo 2^(width_a + width_b).
    fn product(&self, operands: Operands, a: i64, b: i64) -> i64;
}
