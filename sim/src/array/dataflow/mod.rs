//! Dataflows: which operand stays in an element, which move, and what that costs in time and traffic.
//!
//! A dataflow assigns the three loops of a matrix product (m, n, k) to the array's rows, its columns and time. All else
//! follows from that and from the two kinds of element: with a *stationary operand* (weight- and input-stationary)
//! partial sums move down the columns; with a *stationary sum* (output-stationary) both operands move.

mod input_stationary;
mod output_stationary;
mod schedule;
mod weight_stationary;

pub(crate) use schedule::Schedule;

use super::activity::RegisterWrites;
use super::cycles::SramTraffic;
use super::tiling::Tiling;
use super::{ArrayError, Gemm};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What stays in an element while the rest streams by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dataflow {
    /// Element (k, n) holds weight k, n; activations move right, partial sums down.
    #[serde(alias = "ws")]
    WeightStationary,
    /// Element (m, n) adds up result m, n; activations move right, weights down.
    #[serde(alias = "os")]
    OutputStationary,
    /// Element (k, m) holds activation m, k; weights move right, partial sums down.
    #[serde(alias = "is")]
    InputStationary,
}

impl Dataflow {
    /// Every dataflow.
    pub const ALL: [Dataflow; 3] = [Self::WeightStationary, Self::OutputStationary, Self::InputStationary];

    /// The usual two-letter name.
    pub fn abbreviation(self) -> &'static str {
        match self {
            Self::WeightStationary => "ws",
            Self::OutputStationary => "os",
            Self::InputStationary => "is",
        }
    }

    /// What the dataflow does with a matrix product.
    pub(crate) fn mapping(self) -> &'static dyn Mapping {
        match self {
            Self::WeightStationary => &weight_stationary::WeightStationary,
            Self::OutputStationary => &output_stationary::OutputStationary,
            Self::InputStationary => &input_stationary::InputStationary,
        }
    }
}

impl fmt::Display for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WeightStationary => "weight-stationary",
            Self::OutputStationary => "output-stationary",
            Self::InputStationary => "input-stationary",
        })
    }
}

impl FromStr for Dataflow {
    type Err = ArrayError;

    /// Reads the full or the two-letter name.
    fn from_str(text: &str) -> Result<Self, ArrayError> {
        Self::ALL
            .into_iter()
            .find(|dataflow| text == dataflow.abbreviation() || text == dataflow.to_string())
            .ok_or_else(|| ArrayError::UnknownDataflow { text: text.into() })
    }
}

/// A matrix product in the array's terms: S_R rows, S_C columns and T steps (SCALE-Sim's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    pub(crate) steps: u64,
}

/// One multiply-accumulate: result (m, n) receives activation (m, k) times weight (k, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) m: u64,
    pub(crate) n: u64,
    pub(crate) k: u64,
}

/// One of the two factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// Activations.
    Input,
    /// Weights.
    Weight,
}

impl Operand {
    /// The one that is not this one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Input => Self::Weight,
            Self::Weight => Self::Input,
        }
    }
}

/// What becomes of a sum while it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// It moves down the column; folds along the rows' dimension each add a part.
    Moving,
    /// It stays in its element until complete.
    Stationary,
}

/// Which folds need the same words of an operand. Folds run along the rows' dimension first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Each fold has words of its own.
    None,
    /// Folds side by side: far apart in time, so that only a whole operand on chip serves them all.
    AcrossColumns,
    /// Folds one above the other, which follow each other.
    AcrossRows,
}

/// What distinguishes one dataflow from another. Counts are `None` when they do not fit 64 bits.
pub(crate) trait Mapping: Sync {
    /// The operand that streams through the rows; the other comes down the columns.
    fn row_operand(&self) -> Operand;

    /// How many rows, columns and steps the product takes on an array without bounds.
    fn extent(&self, gemm: Gemm) -> Extent;

    /// Which multiply-accumulate happens in an element of that array at a step.
    fn point(&self, row: u64, column: u64, step: u64) -> Point;

    /// What becomes of a sum while it grows.
    fn sums(&self) -> Sums;

    /// How often the folds of a layer come back to the same words of an operand.
    fn reuse(&self, operand: Operand) -> Reuse;

    /// Words through the array's ports.
    fn sram(&self, gemm: Gemm, tiling: &Tiling) -> Option<SramTraffic>;

    /// Captures of valid data by the elements' registers, the product register's aside.
    fn register_writes(&self, tiling: &Tiling) -> Option<RegisterWrites>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_multiply_accumulate_has_one_place_and_time() {
        let gemm = Gemm::new(3, 4, 5).unwrap();
        for dataflow in Dataflow::ALL {
            let mapping = dataflow.mapping();
            let extent = mapping.extent(gemm);
            let mut seen = vec![0; 3 * 4 * 5];
            for row in 0..extent.rows {
                for column in 0..extent.columns {
                    for step in 0..extent.steps {
                        let Point { m, n, k } = mapping.point(row, column, step);
                        seen[((m * 4 + n) * 5 + k) as usize] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{dataflow}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for dataflow in Dataflow::ALL {
            assert_eq!(dataflow.to_string().parse(), Ok(dataflow));
            assert_eq!(dataflow.abbreviation().parse(), Ok(dataflow));
        }
        assert!(matches!("row-stationary".parse::<Dataflow>(), Err(ArrayError::UnknownDataflow { .. })));
    }
}
