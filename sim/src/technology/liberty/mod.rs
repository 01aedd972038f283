//! Cells read from Liberty files: non-linear delay and power tables over the load that a cell drives and the slew that it sees.
//!
//! Understood are `table_lookup` libraries with combinational cells of at most four inputs, found by their functions, and
//! edge-triggered flip-flops. Where a library tells arcs apart by the state of other pins, their mean is taken. Left out:
//! energy of input pins whose output stays, wire resistance, and noise, aging and current-source data.

mod cells;
mod function;
mod library;
mod syntax;
mod table;

pub(super) use cells::OutputTiming;
pub use cells::{ArcTables, CellTables, Sense};
pub(super) use library::{CLOCK_SLEW_PS, Library, Wanted, WireLoad};
pub use table::Table;

/// What is wrong with a Liberty file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LibertyError {
    /// What is wrong and what would be right.
    pub(super) message: String,
    /// Byte of the file.
    pub(super) at: usize,
}

impl LibertyError {
    fn at(at: usize, message: String) -> Self {
        Self { message, at }
    }
}
