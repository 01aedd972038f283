//! Gate-level netlists: combinational cells in topological order between named ports.
//!
//! Built with [`NetlistBuilder`] or read from a file ([`verilog`], [`blif`], [`yosys_json`]); written by [`export`];
//! compared by [`equivalence`].

pub mod blif;
mod builder;
mod bus;
mod cell;
mod delays;
mod draft;
pub mod equivalence;
pub mod export;
mod library;
mod operands;
mod read_error;
mod recognise;
mod simplify;
pub mod verilog;
pub mod yosys_json;

pub use builder::{NetlistBuilder, SumCarry};
pub use cell::CellKind;
pub use delays::{Delays, EdgeDelay};
pub use operands::OperandError;
pub use read_error::{Problem, ReadError};
pub(crate) use recognise::Recognised;

use bitvec::prelude::*;
use std::collections::BTreeMap;

/// A wire. Nets 0 and 1 are the constants; then come the input bits in port order, then cell outputs in cell order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetId(pub(crate) u32);

impl NetId {
    /// Constant false.
    pub const ZERO: NetId = NetId(0);
    /// Constant true.
    pub const ONE: NetId = NetId(1);

    /// Position of the net, to index per-net arrays of length [`Netlist::net_count`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The net's value if it is one of the two constants.
    pub fn constant(self) -> Option<bool> {
        match self {
            NetId::ZERO => Some(false),
            NetId::ONE => Some(true),
            _ => None,
        }
    }
}

/// A cell instance, by position in [`Netlist::cells`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub(crate) u32);

impl CellId {
    /// Position of the cell, to index per-cell arrays.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instance of a cell. Its outputs are consecutive nets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    kind: CellKind,
    inputs: [NetId; 4],
    first_output: NetId,
}

impl Cell {
    /// What the cell computes.
    pub fn kind(&self) -> CellKind {
        self.kind
    }

    /// Input nets, in pin order.
    pub fn inputs(&self) -> &[NetId] {
        &self.inputs[..self.kind.inputs()]
    }

    /// Net of output `pin` (adders: 0 is the sum, 1 the carry).
    pub fn output(&self, pin: usize) -> NetId {
        debug_assert!(pin < self.kind.outputs());
        NetId(self.first_output.0 + pin as u32)
    }

    /// Output nets, in pin order.
    pub fn outputs(&self) -> impl Iterator<Item = NetId> + use<> {
        let (first, count) = (self.first_output.0, self.kind.outputs() as u32);
        (first..first + count).map(NetId)
    }
}

/// A named bus, least significant bit first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    name: String,
    nets: Vec<NetId>,
}

impl Port {
    /// Name of the bus.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its nets, least significant bit first.
    pub fn nets(&self) -> &[NetId] {
        &self.nets
    }

    /// Number of bits.
    pub fn width(&self) -> usize {
        self.nets.len()
    }
}

/// What drives a net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A constant.
    Constant(bool),
    /// Bit `bit` of input port `port`.
    Input {
        /// Position in [`Netlist::inputs`].
        port: usize,
        /// Bit of the port.
        bit: usize,
    },
    /// Output `pin` of a cell.
    Cell {
        /// The driving cell.
        cell: CellId,
        /// Its output pin.
        pin: usize,
    },
}

/// A combinational circuit.
///
/// Invariant: cells are in topological order (every input of a cell is a constant, a primary input or an output of an
/// earlier cell), every net has exactly one driver, and net numbers follow the order described at [`NetId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netlist {
    name: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    cells: Vec<Cell>,
    drivers: Vec<Driver>,
}

impl Netlist {
    /// Module name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same circuit under another module name.
    pub fn renamed(mut self, name: impl Into<String>) -> Netlist {
        self.name = name.into();
        self
    }

    /// Input ports, in order.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Output ports, in order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Cells in topological order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Number of nets, constants and inputs included.
    pub fn net_count(&self) -> usize {
        self.drivers.len()
    }

    /// What drives `net`.
    pub fn driver(&self, net: NetId) -> Driver {
        self.drivers[net.index()]
    }

    /// Every net, in order.
    pub fn nets(&self) -> impl Iterator<Item = NetId> + use<> {
        (0..self.drivers.len() as u32).map(NetId)
    }

    /// Number of cells of each kind.
    pub fn cell_counts(&self) -> BTreeMap<CellKind, usize> {
        let mut counts = BTreeMap::new();
        for cell in &self.cells {
            *counts.entry(cell.kind).or_default() += 1;
        }
        counts
    }

    /// Number of cell pins and output ports each net drives, indexed by net.
    pub fn fanouts(&self) -> Vec<usize> {
        let mut fanouts = vec![0; self.net_count()];
        let pins = self.cells.iter().flat_map(|cell| cell.inputs());
        let ports = self.outputs.iter().flat_map(|port| port.nets());
        for net in pins.chain(ports) {
            fanouts[net.index()] += 1;
        }
        fanouts
    }

    /// Evaluates the circuit on one input vector: `values[i]` is input port `i`, bit 0 least significant.
    ///
    /// The obvious implementation, one bit at a time; the engines are checked against it.
    /// Ports may be up to 64 bits wide.
    ///
    /// # Panics
    /// If the number of values differs from the number of input ports.
    pub fn evaluate(&self, values: &[u64]) -> Vec<u64> {
        assert_eq!(values.len(), self.inputs.len(), "one value for each input port");
        let mut level: BitVec = bitvec![0; self.net_count()];
        level.set(NetId::ONE.index(), true);
        for (port, value) in self.inputs.iter().zip(values) {
            for (bit, net) in port.nets.iter().enumerate() {
                level.set(net.index(), value >> bit & 1 == 1);
            }
        }
        for cell in &self.cells {
            let code = cell.inputs().iter().rev().fold(0, |code, net| code << 1 | level[net.index()] as u8);
            let result = cell.kind.evaluate(code);
            for (pin, net) in cell.outputs().enumerate() {
                level.set(net.index(), result >> pin & 1 == 1);
            }
        }
        let read = |port: &Port| port.nets.iter().rev().fold(0, |word, net| word << 1 | level[net.index()] as u64);
        self.outputs.iter().map(read).collect()
    }
}
