//! What a netlist weighs: area, loads, delays, energies and leakage.

use super::condition::Bias;
use super::curve::Curve;
use super::liberty::{CLOCK_SLEW_PS, OutputTiming};
use super::{FlipFlop, MissingCells, PointError, Technology, Timing};
use crate::netlist::{CellKind, Delays, EdgeDelay, NetId, Netlist};
use crate::units::{Femtofarads, Femtojoules, Nanowatts, Picoseconds, SquareMicrons, Volts};
use serde::Deserialize;
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
    /// The delays that are simulated: those below that the technology's [`DelayModel`] chooses.
    pub delay: Delays,
    /// Delay from a change at any input of the driving cell to this net, rising and falling averaged; 0 for constants
    /// and inputs. Indexed by net.
    pub averaged_delay: Vec<Picoseconds>,
    /// The same delays before averaging edges: means over the input pins.
    pub edge_delay: Vec<EdgeDelay>,
    /// The same before averaging pins, where the technology knows them; the mean otherwise.
    pub arc_delay: Vec<[EdgeDelay; 4]>,
    /// Energy of one transition of this net: internal energy of its driver, rising and falling averaged, plus ½CV² of
    /// the pins it drives. An input's transition charges only pins. Indexed by net.
    pub transition_energy: Vec<Femtojoules>,
    /// Clock edge to operand pins: the flip-flop's delay into the most loaded input.
    pub launch: Picoseconds,
    /// Set-up time of the flip-flop that captures the outputs.
    pub setup: Picoseconds,
}

/// How much of what a technology knows about delays is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DelayModel {
    /// Rising and falling averaged: one delay an output, by far the fastest to simulate.
    #[default]
    Averaged,
    /// Rising and falling apart.
    RiseFall,
    /// Rising and falling apart, from each input pin.
    ByPin,
}

impl DelayModel {
    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DelayModel::Averaged => "averaged",
            DelayModel::RiseFall => "rise-fall",
            DelayModel::ByPin => "by-pin",
        }
    }
}

impl Physical {
    /// Shortest clock period without timing errors for a static critical path of `critical`: clock-to-output, the path, set-up,
    /// and one picosecond because sampling is strictly before the edge.
    pub fn minimum_clock_ps(&self, critical: Picoseconds) -> f64 {
        f64::from(self.launch.0 + critical.0 + 1 + self.setup.0)
    }

    /// Delays by cell output.
    pub fn delays(&self, model: DelayModel) -> Delays {
        match model {
            DelayModel::Averaged => Delays::Single(self.averaged_delay.clone()),
            DelayModel::RiseFall => Delays::Edge(self.edge_delay.clone()),
            DelayModel::ByPin => Delays::Arc(self.arc_delay.clone()),
        }
    }
}

/// Delays are no longer than 10 µs, so that paths of thousands of cells can be added up. Infinite ones are of cells that do
/// not switch at all.
const LONGEST_PS: f64 = 1e7;

/// Shorter ones, as tables may have where slews are long, are taken for so long: logarithms need a positive number.
const SHORTEST_PS: f64 = 0.1;

/// How fast and leaky each cell is, relative to the data.
struct Scales<'a> {
    /// Where delays are interpolated between libraries, if not at nominal supply.
    supply: Option<Volts>,
    /// Delay, by place among the cells, and kind.
    delay: &'a dyn Fn(usize, CellKind) -> f64,
    /// Leakage, by place among the cells.
    leakage: &'a dyn Fn(usize) -> f64,
    /// Delay of the flip-flops.
    registers: f64,
}

impl Technology {
    /// Weighs a netlist at the nominal supply, in the condition that the cell data hold at. Left out: wires beyond the
    /// load per fanout; of technologies whose delay is linear in the load, slews too.
    pub fn weigh(&self, netlist: &Netlist) -> Result<Physical, MissingCells> {
        self.weigh_scaled(netlist, &Scales { supply: None, delay: &|_, _| 1.0, leakage: &|_| 1.0, registers: 1.0 })
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
            supply: Some(supply),
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
            delay: Delays::Single(Vec::new()),
            averaged_delay: vec![Picoseconds(0); netlist.net_count()],
            arc_delay: vec![[EdgeDelay::default(); 4]; netlist.net_count()],
            edge_delay: vec![EdgeDelay::default(); netlist.net_count()],
            transition_energy: netlist.nets().map(charge).collect(),
            launch: register(clock_to_output_ps + clock_to_output_ps_per_ff * heaviest),
            setup: register(setup_ps),
        };
        let timings = self.timings_at(netlist, &loads, scales.supply);
        for (place, cell) in netlist.cells().iter().enumerate() {
            let data = &self.cells[&cell.kind()];
            physical.area += data.area;
            physical.leakage += data.leakage * (scales.leakage)(place);
            let slowdown = (scales.delay)(place, cell.kind());
            for net in cell.outputs() {
                let OutputTiming { delay, pins, energy, .. } = timings[net.index()];
                let [rise, fall] = delay.map(|delay| slowdown * delay);
                let whole = |delay: f64| Picoseconds(delay.round().clamp(1.0, LONGEST_PS) as u32);
                physical.averaged_delay[net.index()] = whole((rise + fall) / 2.0);
                physical.edge_delay[net.index()] = EdgeDelay { rise: whole(rise), fall: whole(fall) };
                physical.arc_delay[net.index()] =
                    pins.map(|[rise, fall]| EdgeDelay { rise: whole(slowdown * rise), fall: whole(slowdown * fall) });
                let internal = (energy[0] + energy[1]) / 2.0;
                physical.transition_energy[net.index()] += Femtojoules(internal);
            }
        }
        physical.delay = physical.delays(self.delay_model);
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
        let at = |bias| law.extrapolated(supply, self.nominal_supply, bias).unwrap_or(f64::INFINITY);
        let slowdown = at(self.bias.shifted(shift));
        match kind {
            // Libraries say how delay depends on the supply; the law, on everything else.
            Some(_) if self.has_libraries_over_supply() => slowdown / at(Bias::none(self.bias.data_c)),
            _ => slowdown,
        }
    }

    /// Every net that a cell drives, in the condition of the data at `supply`, or at nominal supply. Indexed by net.
    fn timings_at(&self, netlist: &Netlist, loads: &[Femtofarads], supply: Option<Volts>) -> Vec<OutputTiming> {
        let Some(liberty) = &self.liberty else { return self.timings(netlist, loads, 0) };
        let mut nominal = self.timings(netlist, loads, liberty.nominal);
        if let (Some(supply), 2..) = (supply, liberty.supplies.len()) {
            let all: Vec<_> = (0..liberty.supplies.len()).map(|place| self.timings(netlist, loads, place)).collect();
            for (net, timing) in nominal.iter_mut().enumerate() {
                let between = |of: &dyn Fn(&OutputTiming) -> f64| {
                    let delays: Vec<f64> = all.iter().map(|library| of(&library[net]).max(SHORTEST_PS)).collect();
                    Curve::new(&liberty.supplies, &delays).at(supply.0)
                };
                for edge in 0..2 {
                    timing.delay[edge] = between(&|timing| timing.delay[edge]);
                    for pin in 0..timing.pins.len() {
                        timing.pins[pin][edge] = between(&|timing| timing.pins[pin][edge]);
                    }
                }
            }
        }
        nominal
    }

    /// The same with the tables of one library: slews are propagated from the registers on.
    fn timings(&self, netlist: &Netlist, loads: &[Femtofarads], library: usize) -> Vec<OutputTiming> {
        let idle = OutputTiming::default();
        let mut timings = vec![idle; netlist.net_count()];
        if let Some(liberty) = &self.liberty {
            for net in netlist.inputs().iter().flat_map(|port| port.nets()) {
                let launch = &liberty.launch_slew[library];
                timings[net.index()].slew =
                    launch.each_ref().map(|table| table.at(CLOCK_SLEW_PS, loads[net.index()].0).max(0.0));
            }
        }
        for cell in netlist.cells() {
            let inputs: Vec<[f64; 2]> = cell.inputs().iter().map(|net| timings[net.index()].slew).collect();
            for (place, net) in cell.outputs().enumerate() {
                let load = loads[net.index()].0;
                let data = &self.cells[&cell.kind()];
                timings[net.index()] = match &data.timing {
                    Timing::Linear(outputs) => {
                        let output = &outputs[place];
                        let rise = output.rise_ps + output.rise_ps_per_ff * load;
                        let fall = output.fall_ps + output.fall_ps_per_ff * load;
                        let energy = [output.rise_energy_fj, output.fall_energy_fj];
                        let mut pins = [[rise, fall]; 4];
                        for (pin, delay) in pins.iter_mut().zip(data.pins.get(place).into_iter().flatten()) {
                            *pin = delay.at(load);
                        }
                        OutputTiming { delay: [rise, fall], pins, energy, ..idle }
                    }
                    Timing::Tables(tables) => tables[library].output(place, load, &inputs),
                };
            }
        }
        timings
    }

    /// Capacitance each net drives.
    fn loads(&self, netlist: &Netlist) -> Vec<Femtofarads> {
        let mut loads = vec![Femtofarads::default(); netlist.net_count()];
        let mut fanout = vec![0; netlist.net_count()];
        let mut pin = |net: NetId, capacitance: Femtofarads| {
            loads[net.index()] += capacitance;
            fanout[net.index()] += 1;
        };
        for cell in netlist.cells() {
            let data = &self.cells[&cell.kind()];
            for (place, &net) in cell.inputs().iter().enumerate() {
                let capacitance = match (&data.timing, &self.liberty) {
                    (Timing::Tables(tables), Some(liberty)) => {
                        Femtofarads(tables[liberty.nominal].pin_capacitance_ff[place])
                    }
                    _ => data.input_capacitance,
                };
                pin(net, capacitance);
            }
        }
        netlist.outputs().iter().flat_map(|port| port.nets()).for_each(|&net| pin(net, self.output_load));
        for (load, &pins) in loads.iter_mut().zip(&fanout) {
            *load += Femtofarads(self.wire_load.capacitance(pins));
        }
        loads
    }
}
