//! Delays annotated to a netlist: the one definition that simulators, static timing and exported Verilog share.

use super::{Cell, NetId, Netlist};
use crate::units::Picoseconds;

/// Delay to a rising and to a falling output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeDelay {
    /// To a rising output.
    pub rise: Picoseconds,
    /// To a falling output.
    pub fall: Picoseconds,
}

impl EdgeDelay {
    /// The same delay for both edges.
    pub fn both(delay: Picoseconds) -> Self {
        Self { rise: delay, fall: delay }
    }

    /// The slower edge.
    pub fn slower(self) -> Picoseconds {
        self.rise.max(self.fall)
    }

    fn map(self, scale: impl Fn(Picoseconds) -> Picoseconds) -> Self {
        Self { rise: scale(self.rise), fall: scale(self.fall) }
    }
}

/// Delay from the input pins of each net's driver to the net, indexed by net; entries of constants and primary inputs
/// are not used.
///
/// Adders have a delay of their own for each output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delays {
    /// One for all pins and both edges.
    Single(Vec<Picoseconds>),
    /// One for all pins, by the edge of the output.
    Edge(Vec<EdgeDelay>),
    /// By pin and edge: entry `[pin]` is the arc from that input pin. Of pins that change at once the smallest counts.
    Arc(Vec<[EdgeDelay; 4]>),
}

impl Delays {
    /// Number of nets annotated.
    pub fn net_count(&self) -> usize {
        match self {
            Delays::Single(delays) => delays.len(),
            Delays::Edge(delays) => delays.len(),
            Delays::Arc(delays) => delays.len(),
        }
    }

    /// The arc from input pin `pin` of the driver of `net`.
    pub fn arc(&self, net: NetId, pin: usize) -> EdgeDelay {
        match self {
            Delays::Single(delays) => EdgeDelay::both(delays[net.index()]),
            Delays::Edge(delays) => delays[net.index()],
            Delays::Arc(delays) => delays[net.index()][pin],
        }
    }

    /// The rise and fall delay of `net`, an output of `cell`, if all pins share it.
    pub fn pin_independent(&self, cell: &Cell, net: NetId) -> Option<EdgeDelay> {
        let first = self.arc(net, 0);
        (1..cell.inputs().len()).all(|pin| self.arc(net, pin) == first).then_some(first)
    }

    /// Every delay times `factor`, as at another supply, rounded to a picosecond and at least one.
    pub fn scaled(&self, factor: f64) -> Delays {
        let scale = |delay: Picoseconds| Picoseconds((f64::from(delay.0) * factor).round().max(1.0) as u32);
        match self {
            Delays::Single(delays) => Delays::Single(delays.iter().map(|&delay| scale(delay)).collect()),
            Delays::Edge(delays) => Delays::Edge(delays.iter().map(|delay| delay.map(scale)).collect()),
            Delays::Arc(delays) => {
                Delays::Arc(delays.iter().map(|arcs| arcs.map(|delay| delay.map(scale))).collect())
            }
        }
    }

    /// One delay a net, if pins and edges of every cell of `netlist` share it.
    pub fn merged(&self, netlist: &Netlist) -> Option<Vec<Picoseconds>> {
        let mut single = vec![Picoseconds(0); self.net_count()];
        for cell in netlist.cells() {
            for net in cell.outputs() {
                let delay = self.pin_independent(cell, net).filter(|delay| delay.rise == delay.fall)?;
                single[net.index()] = delay.rise;
            }
        }
        Some(single)
    }
}
