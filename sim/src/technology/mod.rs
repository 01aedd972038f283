//! What cells cost and how fast they are, at any supply voltage.

mod condition;
mod curve;
mod file;
mod law;
mod liberty;
mod liberty_file;
mod operating_point;
mod variation;
mod weigh;

pub use condition::{ConditionError, Corner, TemperatureLaw};
pub use file::TechnologyError;
pub use law::{DelayLaw, LawError, LeakageLaw, Sky130Corner, SupplyOutOfRange};
pub use liberty::{ArcTables, CellTables, Sense, Table};
pub use operating_point::{OperatingPoint, PointError, Sampling};
pub use variation::{NoVariation, Thresholds, Variation};
pub use weigh::{DelayModel, Physical};

use crate::netlist::CellKind;
use crate::units::{Femtofarads, Nanowatts, SquareMicrons, Volts};
use condition::Bias;
use liberty::WireLoad;
use liberty_file::Liberty;
use serde::Deserialize;
use std::collections::BTreeMap;

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

/// Delay from one input pin to an output, linear in the load, at nominal supply.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinDelay {
    /// Intrinsic delay of a rising output, ps.
    pub rise_ps: f64,
    /// Its slope over load, ps/fF.
    pub rise_ps_per_ff: f64,
    /// Intrinsic delay of a falling output, ps.
    pub fall_ps: f64,
    /// Its slope over load, ps/fF.
    pub fall_ps_per_ff: f64,
}

impl PinDelay {
    /// `[rise, fall]` under a load, fF.
    fn at(&self, load: f64) -> [f64; 2] {
        [self.rise_ps + self.rise_ps_per_ff * load, self.fall_ps + self.fall_ps_per_ff * load]
    }
}

/// How fast a cell is, and what a transition of its outputs costs.
#[derive(Clone, Debug, PartialEq)]
pub enum Timing {
    /// Linear in the load, one entry an output pin, at nominal supply.
    Linear(Vec<OutputData>),
    /// Tables over slew and load, one set a library, by ascending supply.
    Tables(Vec<CellTables>),
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
    /// Delay and internal energy of its outputs.
    pub timing: Timing,
    /// Where delay is linear and known by pin, `[output][pin]`; the outputs' own is the mean.
    pub pins: Vec<Vec<PinDelay>>,
    /// Its own delay over supply, if it does not follow the technology's.
    pub law: Option<DelayLaw>,
    /// W·L of the transistor that its delay depends on, µm², if it is not the technology's.
    pub gate_area_um2: Option<f64>,
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
    /// Its own delay over supply, if it does not follow the technology's.
    pub law: Option<DelayLaw>,
}

/// A standard-cell technology: cells at nominal supply, and laws that carry them to other supplies, at one process corner
/// and temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Technology {
    name: String,
    nominal_supply: Volts,
    /// Process corner and temperature, relative to the data.
    bias: Bias,
    /// The corner's name, if it is not that of the data.
    corner: Option<String>,
    corners: BTreeMap<String, Corner>,
    temperature_law: Option<TemperatureLaw>,
    variation: Option<Variation>,
    wire_load: WireLoad,
    output_load: Femtofarads,
    delay_law: DelayLaw,
    delay_model: DelayModel,
    /// Whether supplies outside the delay law are allowed.
    extrapolate: bool,
    leakage_law: LeakageLaw,
    flip_flop: FlipFlop,
    cells: BTreeMap<CellKind, CellData>,
    /// What Liberty files bring beyond cells, if the cells are theirs.
    liberty: Option<Liberty>,
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

impl Technology {
    /// Name, as configurations use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name, with corner and temperature where they are not those of the cell data, and the delay model where it is not
    /// the default.
    pub fn label(&self) -> String {
        let corner = self.corner.clone();
        let heat = (self.bias.celsius != self.bias.data_c).then(|| format!("{} °C", self.bias.celsius));
        let model =
            (self.delay_model != DelayModel::default()).then(|| format!("delays {}", self.delay_model.name()));
        let condition: Vec<String> = corner.into_iter().chain(heat).chain(model).collect();
        match condition.is_empty() {
            true => self.name.clone(),
            false => format!("{} ({})", self.name, condition.join(", ")),
        }
    }

    /// Which delays are simulated.
    pub fn delay_model(&self) -> DelayModel {
        self.delay_model
    }

    /// The same technology with other delays simulated.
    pub fn with_delay_model(self, delay_model: DelayModel) -> Technology {
        Self { delay_model, ..self }
    }

    /// The supply all cell data hold at.
    pub fn nominal_supply(&self) -> Volts {
        self.nominal_supply
    }

    /// Temperature, °C; that of the cell data unless [`Self::at_temperature`] changed it.
    pub fn temperature_c(&self) -> f64 {
        self.bias.celsius
    }

    /// Whether corner and temperature are those that the cell data hold for.
    pub fn is_as_characterized(&self) -> bool {
        self.bias == Bias { mobility_exponent: self.bias.mobility_exponent, ..Bias::none(self.bias.data_c) }
    }

    /// Name of the process corner, if it is not the one that the cell data hold for.
    pub fn corner(&self) -> Option<&str> {
        self.corner.as_deref()
    }

    /// The same technology at a process corner. Shares of the clock period, such as the default clock, stay those of
    /// typical transistors.
    pub fn at_corner(&self, wanted: &str) -> Result<Technology, ConditionError> {
        let corner = self.corners.get(wanted).ok_or_else(|| ConditionError::UnknownCorner {
            technology: self.name.clone(),
            wanted: wanted.to_owned(),
            known: self.corners.keys().cloned().collect(),
        })?;
        let mut shifted = self.clone();
        shifted.corner = Some(wanted.to_owned());
        // The shift that temperature brings stays.
        let before = self.corner.as_ref().map_or(0.0, |corner| self.corners[corner].threshold_shift_v);
        shifted.bias.threshold_shift += corner.threshold_shift_v - before;
        shifted.bias.drive = corner.drive;
        Ok(shifted)
    }

    /// The same technology at another temperature.
    pub fn at_temperature(&self, celsius: f64) -> Result<Technology, ConditionError> {
        let mut heated = self.clone();
        if celsius == self.bias.celsius {
            return Ok(heated);
        }
        let law = self.temperature_law.ok_or_else(|| ConditionError::NoTemperatureLaw {
            technology: self.name.clone(),
            data_c: self.bias.data_c,
        })?;
        let TemperatureLaw { threshold_v_per_k, mobility_exponent, minimum_c, maximum_c } = law;
        if !(minimum_c..=maximum_c).contains(&celsius) {
            return Err(ConditionError::TemperatureOutOfRange { celsius, minimum_c, maximum_c });
        }
        heated.bias.threshold_shift += threshold_v_per_k * (celsius - self.bias.celsius);
        heated.bias.mobility_exponent = mobility_exponent;
        heated.bias.celsius = celsius;
        Ok(heated)
    }

    /// Data of a cell kind, if the technology has it.
    pub fn cell(&self, kind: CellKind) -> Option<&CellData> {
        self.cells.get(&kind)
    }

    /// The register cell.
    pub fn flip_flop(&self) -> &FlipFlop {
        &self.flip_flop
    }

    /// Whether all delays change by one factor from supply to supply, so that one simulation serves them all.
    pub fn has_shared_law(&self) -> bool {
        self.own_laws().next().is_none() && !self.has_libraries_over_supply()
    }

    /// Whether delays are interpolated between libraries, net by net.
    fn has_libraries_over_supply(&self) -> bool {
        self.liberty.as_ref().is_some_and(|liberty| liberty.supplies.len() > 1)
    }

    /// Laws of cells that have one of their own.
    fn own_laws(&self) -> impl Iterator<Item = &DelayLaw> {
        self.cells.values().filter_map(|cell| cell.law.as_ref()).chain(&self.flip_flop.law)
    }

    /// Delay by the technology's law at `supply` relative to nominal, at the technology's corner and temperature. Supplies
    /// outside any law are refused unless the technology allows them, see [`Self::extrapolation`].
    pub fn slowdown(&self, supply: Volts) -> Result<f64, SupplyOutOfRange> {
        self.check_supply(supply)?;
        let slowdown = self.delay_law.slowdown(supply, self.nominal_supply, self.bias);
        slowdown.or_else(|error| self.delay_law.extrapolated(supply, self.nominal_supply, self.bias).ok_or(error))
    }

    /// Refuses a supply at which some cell has no delay, or that a law does not cover unless the technology allows that.
    pub fn check_supply(&self, supply: Volts) -> Result<(), SupplyOutOfRange> {
        let mut laws = self.own_laws().chain([&self.delay_law]);
        let (minimum, maximum) = self.supply_range();
        let covered = (minimum..=maximum).contains(&supply);
        let sound = |law: &DelayLaw| law.extrapolated(supply, self.nominal_supply, self.bias).is_some();
        match (covered || self.extrapolate) && laws.all(sound) {
            true => Ok(()),
            false => Err(SupplyOutOfRange { supply, minimum, maximum }),
        }
    }

    /// Supplies that all delay laws cover.
    pub fn supply_range(&self) -> (Volts, Volts) {
        self.own_laws().map(DelayLaw::range).fold(self.delay_law.range(), |(low, high), (minimum, maximum)| {
            (if minimum > low { minimum } else { low }, if maximum < high { maximum } else { high })
        })
    }

    /// Why results at `supply` deserve a warning: it lies outside a law and is allowed all the same.
    pub fn extrapolation(&self, supply: Volts) -> Option<SupplyOutOfRange> {
        let (minimum, maximum) = self.supply_range();
        let outside = !(minimum..=maximum).contains(&supply) && self.check_supply(supply).is_ok();
        outside.then_some(SupplyOutOfRange { supply, minimum, maximum })
    }

    /// Leakage power at `supply`, corner and temperature relative to nominal.
    pub fn leakage_factor(&self, supply: Volts) -> f64 {
        self.leakage_law.factor(supply, self.nominal_supply, self.bias)
    }

    /// Switching energy at `supply` relative to nominal: (V / Vnom)².
    pub fn switching_factor(&self, supply: Volts) -> f64 {
        (supply / self.nominal_supply).powi(2)
    }
}
