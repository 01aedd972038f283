//! What cells cost and how fast they are, at any supply voltage.

mod curve;
mod file;
mod law;
mod operating_point;

pub use file::TechnologyError;
pub use law::{DelayLaw, LawError, LeakageLaw, Sky130Corner, SupplyOutOfRange};
pub use operating_point::{OperatingPoint, PointError};

use crate::netlist::{CellKind, Delays, EdgeDelay, NetId, Netlist};
use crate::units::{Femtofarads, Femtojoules, Nanowatts, Picoseconds, SquareMicrons, Volts};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Timing and internal energy of one output of a cell at nominal supply; delay is linear in the load.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputData {
    /// Intrinsic delay of a rising output, ps.
    pub rise_ps: f64,
    /// Its slope over load, ps/fF.
    pub rise_ps_per_ff: f64,
    /// Intrinsic delay of a falling output, ps.
    pub fall_ps: f64,
    /// Its slope over load, ps/fF.
    pub fall_ps_per_ff: f64,
    /// Energy dissipated inside the cell when the output rises, fJ.
    pub rise_energy_fj: f64,
    /// Energy dissipated inside the cell when the output falls, fJ.
    pub fall_energy_fj: f64,
}

/// Physical data of a cell kind at nominal supply.
#[derive(Clone, Debug, PartialEq)]
pub struct CellData {
    /// Name in the library the numbers come from.
    pub library_cell: String,
    /// Layout area.
    pub area: SquareMicrons,
    /// Leakage power, averaged over input states.
    pub leakage: Nanowatts,
    /// Capacitance of an input pin, averaged over the pins.
    pub input_capacitance: Femtofarads,
    /// One entry an output pin.
    pub outputs: Vec<OutputData>,
}

/// The edge-triggered flip-flop that pipeline and operand registers are made of, at nominal supply.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlipFlop {
    /// Name in the library.
    pub library_cell: String,
    /// Layout area, µm².
    pub area_um2: f64,
    /// Leakage power, nW.
    pub leakage_nw: f64,
    /// Capacitance of the clock pin, fF.
    pub clock_capacitance_ff: f64,
    /// Capacitance of the data pin, fF.
    pub data_capacitance_ff: f64,
    /// Energy of one clock cycle in which the stored bit stays, fJ.
    pub clock_energy_fj: f64,
    /// Additional energy of a cycle in which the stored bit changes, fJ.
    pub data_energy_fj: f64,
    /// Delay from clock edge to output without load, ps.
    pub clock_to_output_ps: f64,
    /// Its slope over load, ps/fF.
    pub clock_to_output_ps_per_ff: f64,
    /// Time the data must be stable before the edge, ps.
    pub setup_ps: f64,
}

/// A standard-cell technology: cells at nominal supply, and laws that carry them to other supplies.
#[derive(Clone, Debug, PartialEq)]
pub struct Technology {
    name: String,
    nominal_supply: Volts,
    temperature_c: f64,
    wire_capacitance: Femtofarads,
    output_load: Femtofarads,
    delay_law: DelayLaw,
    /// Whether supplies outside the delay law are allowed.
    extrapolate: bool,
    leakage_law: LeakageLaw,
    flip_flop: FlipFlop,
    cells: BTreeMap<CellKind, CellData>,
}

/// Cells a netlist uses and the technology lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("technology {technology} has no data for: {}; add [cells.…] tables for them", .missing.join(", "))]
pub struct MissingCells {
    /// The technology's name.
    pub technology: String,
    /// Names of the missing kinds.
    pub missing: Vec<String>,
}

/// What a netlist weighs in a technology: delays, loads, energies and leakage at nominal supply.
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
    /// Delays at nominal supply.
    pub fn delays(&self, model: DelayModel) -> Delays {
        match model {
            DelayModel::Averaged => Delays::Single(self.delay.clone()),
            DelayModel::RiseFall => Delays::Edge(self.edge_delay.clone()),
        }
    }
}

impl Technology {
    /// Name, as configurations use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The supply all cell data hold at.
    pub fn nominal_supply(&self) -> Volts {
        self.nominal_supply
    }

    /// Temperature the cell data hold at, °C.
    pub fn temperature_c(&self) -> f64 {
        self.temperature_c
    }

    /// Data of a cell kind, if the technology has it.
    pub fn cell(&self, kind: CellKind) -> Option<&CellData> {
        self.cells.get(&kind)
    }

    /// The register cell.
    pub fn flip_flop(&self) -> &FlipFlop {
        &self.flip_flop
    }

    /// Delay at `supply` relative to nominal. Supplies outside the law are refused unless the technology allows them, see
    /// [`Self::extrapolation`].
    pub fn slowdown(&self, supply: Volts) -> Result<f64, SupplyOutOfRange> {
        let (nominal, celsius) = (self.nominal_supply, self.temperature_c);
        self.delay_law.slowdown(supply, nominal, celsius).or_else(|error| {
            let beyond = self.extrapolate.then(|| self.delay_law.extrapolated(supply, nominal, celsius));
            beyond.flatten().ok_or(error)
        })
    }

    /// Supplies the delay law covers.
    pub fn supply_range(&self) -> (Volts, Volts) {
        self.delay_law.range()
    }

    /// Why results at `supply` deserve a warning: it lies outside the law and is allowed all the same.
    pub fn extrapolation(&self, supply: Volts) -> Option<SupplyOutOfRange> {
        let law = self.delay_law.slowdown(supply, self.nominal_supply, self.temperature_c);
        law.err().filter(|_| self.slowdown(supply).is_ok())
    }

    /// Leakage power at `supply` relative to nominal.
    pub fn leakage_factor(&self, supply: Volts) -> f64 {
        self.leakage_law.factor(supply, self.nominal_supply, self.temperature_c)
    }

    /// Switching energy at `supply` relative to nominal: (V / Vnom)².
    pub fn switching_factor(&self, supply: Volts) -> f64 {
        (supply / self.nominal_supply).powi(2)
    }

    /// Weighs a netlist. Left out: wires beyond the load per fanout, slews other than the library's 60 ps, and
    /// differences between the pins of a cell.
    pub fn weigh(&self, netlist: &Netlist) -> Result<Physical, MissingCells> {
        let kinds: BTreeSet<CellKind> = netlist.cells().iter().map(|cell| cell.kind()).collect();
        let missing: Vec<String> =
            kinds.iter().filter(|kind| !self.cells.contains_key(kind)).map(|kind| kind.name().into()).collect();
        if !missing.is_empty() {
            return Err(MissingCells { technology: self.name.clone(), missing });
        }
        let loads = self.loads(netlist);
        let charge = |net: NetId| Femtojoules(0.5 * loads[net.index()].0 * self.nominal_supply.0.powi(2));
        let mut physical = Physical {
            area: SquareMicrons::default(),
            leakage: Nanowatts::default(),
            delay: vec![Picoseconds(0); netlist.net_count()],
            edge_delay: vec![EdgeDelay::default(); netlist.net_count()],
            transition_energy: netlist.nets().map(charge).collect(),
            launch: Picoseconds(0),
            setup: Picoseconds(self.flip_flop.setup_ps.ceil() as u32),
        };
        for cell in netlist.cells() {
            let data = &self.cells[&cell.kind()];
            physical.area += data.area;
            physical.leakage += data.leakage;
            for (net, output) in cell.outputs().zip(&data.outputs) {
                let load = loads[net.index()].0;
                let rise = output.rise_ps + output.rise_ps_per_ff * load;
                let fall = output.fall_ps + output.fall_ps_per_ff * load;
                let whole = |delay: f64| Picoseconds(delay.round().max(1.0) as u32);
                physical.delay[net.index()] = whole((rise + fall) / 2.0);
                physical.edge_delay[net.index()] = EdgeDelay { rise: whole(rise), fall: whole(fall) };
                let internal = (output.rise_energy_fj + output.fall_energy_fj) / 2.0;
                physical.transition_energy[net.index()] += Femtojoules(internal);
            }
        }
        let operands = netlist.inputs().iter().flat_map(|port| port.nets());
        let heaviest = operands.map(|net| loads[net.index()].0).fold(0.0, f64::max);
        let flip_flop = &self.flip_flop;
        let launch = flip_flop.clock_to_output_ps + flip_flop.clock_to_output_ps_per_ff * heaviest;
        physical.launch = Picoseconds(launch.ceil() as u32);
        Ok(physical)
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
