//! What a netlist weighs: area, loads, delays, energies and leakage.

use super::{FlipFlop, MissingCells, PointError, Technology};
use crate::netlist::{CellKind, Delays, EdgeDelay, NetId, Netlist};
use crate::units::{Femtofarads, Femtojoules, Nanowatts, Picoseconds, SquareMicrons, Volts};
use std::collections::BTreeSet;

/// What a netlist weighs in a technology: delays, loads, energies and leakage.
///
/// Delays are those of the nominal supply, or of the operating point it was weighed at; energies and leakage always
/// those of the nominal supply.
#[derive(Clone, Debug, PartialEq)]
pub struct Physical {
    /// Total cell area.
    pub area: SquareMicrons,
    /// Total leakage.
    pub leakage: Nanowatts,
    /// Delay from a change at any input of the driving cell to this net, rising and falling averaged; 0 for constants
    /// and inputs. Indexed by net.
    pub delay: Vec<Picoseconds>,
    /// The same delays before averaging.
    pub edge_delay: Vec<EdgeDelay>,
    /// Energy of one transition of this net: internal energy of its driver, rising and falling averaged, plus ½CV² of
    /// the pins it drives. An input's transition charges only pins. Indexed by net.
    pub transition_energy: Vec<Femtojoules>,
    /// Clock edge to operand pins: the flip-flop's delay into the most loaded input.
    pub launch: Picoseconds,
    /// Set-up time of the flip-flop that captures the outputs.
    pub setup: Picoseconds,
}

/// How much of what a technology knows about delays is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DelayModel {
    /// Rising and falling averaged: one delay an output, by far the fastest to simulate.
    #[default]
    Averaged,
    /// Rising and falling apart.
    RiseFall,
}

impl Physical {
    /// Delays by cell output.
    pub fn delays(&self, model: DelayModel) -> Delays {
        match model {
            DelayModel::Averaged => Delays::Single(self.delay.clone()),
            DelayModel::RiseFall => Delays::Edge(self.edge_delay.clone()),
        }
    }
}

/// Delays are no longer than 10 µs, so that paths of thousands of cells can be added up. Infinite ones are of cells that do
/// not switch at all.
const LONGEST_PS: f64 = 1e7;

/// How fast and leaky each cell is, relative to the data.
struct Scales<'a> {
    /// Delay, by place among the cells, and kind.
    delay: &'a dyn Fn(usize, CellKind) -> f64,
    /// Leakage, by place among the cells.
    leakage: &'a dyn Fn(usize) -> f64,
    /// Delay of the flip-flops.
    registers: f64,
}

impl Technology {
    /// Weighs a netlist at the nominal supply, in the condition that the cell data hold at. Left out: wires beyond the
    /// load per fanout, slews other than the library's 60 ps, and differences between the pins of a cell.
    pub fn weigh(&self, netlist: &Netlist) -> Result<Physical, MissingCells> {
        self.weigh_scaled(netlist, &Scales { delay: &|_, _| 1.0, leakage: &|_| 1.0, registers: 1.0 })
    }

    /// The same with the delays of another supply, each cell by its own law, at the corner and temperature of this
    /// technology, rounded to a picosecond there.
    ///
    /// # Errors
    /// If a law does not cover the supply, or a cell is missing.
    pub fn weigh_at(&self, netlist: &Netlist, supply: Volts) -> Result<Physical, PointError> {
        self.weigh_shifted(netlist, supply, 0.0, |_| 0.0)
    }

    /// The same with the threshold of the cell at each place higher by `shift`, V, and of the flip-flops by `registers`.
    pub(super) fn weigh_shifted(
        &self,
        netlist: &Netlist,
        supply: Volts,
        registers: f64,
        shift: impl Fn(usize) -> f64,
    ) -> Result<Physical, PointError> {
        self.check_supply(supply)?;
        let scales = Scales {
            delay: &|place, kind| self.cell_slowdown(Some(kind), supply, shift(place)),
            leakage: &|place| self.leakage_law.shift_factor(shift(place), self.bias.celsius),
            registers: self.cell_slowdown(None, supply, registers),
        };
        Ok(self.weigh_scaled(netlist, &scales)?)
    }

    fn weigh_scaled(&self, netlist: &Netlist, scales: &Scales<'_>) -> Result<Physical, MissingCells> {
        let kinds: BTreeSet<CellKind> = netlist.cells().iter().map(|cell| cell.kind()).collect();
        let missing: Vec<String> =
            kinds.iter().filter(|kind| !self.cells.contains_key(kind)).map(|kind| kind.name().into()).collect();
        if !missing.is_empty() {
            return Err(MissingCells { technology: self.name.clone(), missing });
        }
        let loads = self.loads(netlist);
        let charge = |net: NetId| Femtojoules(0.5 * loads[net.index()].0 * self.nominal_supply.0.powi(2));
        let FlipFlop { clock_to_output_ps, clock_to_output_ps_per_ff, setup_ps, .. } = self.flip_flop;
        let operands = netlist.inputs().iter().flat_map(|port| port.nets());
        let heaviest = operands.map(|net| loads[net.index()].0).fold(0.0, f64::max);
        let register = |delay: f64| Picoseconds((delay * scales.registers).ceil().min(LONGEST_PS) as u32);
        let mut physical = Physical {
            area: SquareMicrons::default(),
            leakage: Nanowatts::default(),
            delay: vec![Picoseconds(0); netlist.net_count()],
            edge_delay: vec![EdgeDelay::default(); netlist.net_count()],
            transition_energy: netlist.nets().map(charge).collect(),
            launch: register(clock_to_output_ps + clock_to_output_ps_per_ff * heaviest),
            setup: register(setup_ps),
        };
        for (place, cell) in netlist.cells().iter().enumerate() {
            let data = &self.cells[&cell.kind()];
            physical.area += data.area;
            physical.leakage += data.leakage * (scales.leakage)(place);
            let slowdown = (scales.delay)(place, cell.kind());
            for (net, output) in cell.outputs().zip(&data.outputs) {
                let load = loads[net.index()].0;
                let rise = slowdown * (output.rise_ps + output.rise_ps_per_ff * load);
                let fall = slowdown * (output.fall_ps + output.fall_ps_per_ff * load);
                let whole = |delay: f64| Picoseconds(delay.round().clamp(1.0, LONGEST_PS) as u32);
                physical.delay[net.index()] = whole((rise + fall) / 2.0);
                physical.edge_delay[net.index()] = EdgeDelay { rise: whole(rise), fall: whole(fall) };
                let internal = (output.rise_energy_fj + output.fall_energy_fj) / 2.0;
                physical.transition_energy[net.index()] += Femtojoules(internal);
            }
        }
        Ok(physical)
    }

    /// Delay of a kind of cell, or of the flip-flop, with its threshold higher by `shift`, at `supply` over that at
    /// nominal supply, corner and temperature. Laws that end before it are extrapolated.
    fn cell_slowdown(&self, kind: Option<CellKind>, supply: Volts, shift: f64) -> f64 {
        let own = match kind {
            Some(kind) => self.cells.get(&kind).and_then(|data| data.law.as_ref()),
            None => self.flip_flop.law.as_ref(),
        };
        let law = own.unwrap_or(&self.delay_law);
        law.extrapolated(supply, self.nominal_supply, self.bias.shifted(shift)).unwrap_or(f64::INFINITY)
    }

    /// Capacitance each net drives.
    fn loads(&self, netlist: &Netlist) -> Vec<Femtofarads> {
        let mut loads = vec![Femtofarads::default(); netlist.net_count()];
        for cell in netlist.cells() {
            for net in cell.inputs() {
                loads[net.index()] += self.cells[&cell.kind()].input_capacitance + self.wire_capacitance;
            }
        }
        for net in netlist.outputs().iter().flat_map(|port| port.nets()) {
            loads[net.index()] += self.output_load + self.wire_capacitance;
        }
        loads
    }
}
