//! Technology files: as written, then checked.

use super::{CellData, DelayLaw, FlipFlop, LeakageLaw, OutputData, Technology};
use crate::netlist::CellKind;
use crate::units::{Femtofarads, Nanowatts, SquareMicrons, Volts};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;

/// Why a technology file was refused, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct TechnologyError {
    /// What is wrong and what would be right.
    pub message: String,
    /// Bytes of the file the message is about.
    pub span: Option<Range<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    nominal_supply_v: f64,
    temperature_c: f64,
    wire_capacitance_ff_per_fanout: f64,
    output_load_ff: f64,
    delay_law: DelayLaw,
    leakage_law: LeakageLaw,
    flip_flop: FlipFlop,
    cells: BTreeMap<CellKind, CellFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CellFile {
    library_cell: String,
    area_um2: f64,
    leakage_nw: f64,
    input_capacitance_ff: f64,
    y: Option<OutputData>,
    sum: Option<OutputData>,
    carry: Option<OutputData>,
}

impl Technology {
    /// Reads a technology file.
    pub fn from_toml(text: &str) -> Result<Technology, TechnologyError> {
        let file: File = toml::from_str(text)
            .map_err(|error| TechnologyError { message: error.message().to_owned(), span: error.span() })?;
        file.checked().map_err(|message| TechnologyError { message, span: None })
    }
}

impl File {
    fn checked(self) -> Result<Technology, String> {
        let (minimum, maximum) = self.delay_law.range();
        let nominal_supply = Volts(self.nominal_supply_v);
        if !(minimum.0 > 0.0 && minimum <= maximum && (minimum..=maximum).contains(&nominal_supply)) {
            return Err(format!(
                "the delay law covers {minimum} … {maximum}, which must be positive and include the nominal supply \
                 of {nominal_supply}; correct minimum_v, maximum_v or nominal_supply_v"
            ));
        }
        if let DelayLaw::AlphaPower { threshold_v, .. } = self.delay_law
            && minimum.0 <= threshold_v
        {
            return Err(format!("the alpha-power law needs minimum_v above the threshold of {threshold_v} V"));
        }
        let cells = self.cells.into_iter().map(|(kind, cell)| Ok((kind, cell.checked(kind)?)));
        let flip_flop = self.flip_flop;
        let numbers = [
            ("temperature_c + 273.15", self.temperature_c + 273.15),
            ("wire_capacitance_ff_per_fanout", self.wire_capacitance_ff_per_fanout),
            ("output_load_ff", self.output_load_ff),
            ("leakage_law.slope_factor", self.leakage_law.slope_factor),
            ("flip_flop.clock_to_output_ps", flip_flop.clock_to_output_ps),
            ("flip_flop.setup_ps", flip_flop.setup_ps),
        ];
        non_negative("the technology", &numbers)?;
        Ok(Technology {
            name: self.name,
            nominal_supply,
            temperature_c: self.temperature_c,
            wire_capacitance: Femtofarads(self.wire_capacitance_ff_per_fanout),
            output_load: Femtofarads(self.output_load_ff),
            delay_law: self.delay_law,
            leakage_law: self.leakage_law,
            flip_flop,
            cells: cells.collect::<Result<_, String>>()?,
        })
    }
}

impl CellFile {
    fn checked(self, kind: CellKind) -> Result<CellData, String> {
        let outputs = match (self.y, self.sum, self.carry) {
            (Some(y), None, None) if kind.outputs() == 1 => vec![y],
            (None, Some(sum), Some(carry)) if kind.outputs() == 2 => vec![sum, carry],
            _ => return Err(format!("cells.{} needs exactly the outputs {:?}", kind.name(), kind.output_names())),
        };
        let mut numbers = vec![
            ("area_um2", self.area_um2),
            ("leakage_nw", self.leakage_nw),
            ("input_capacitance_ff", self.input_capacitance_ff),
        ];
        for output in &outputs {
            numbers.extend([
                ("rise_ps", output.rise_ps),
                ("rise_ps_per_ff", output.rise_ps_per_ff),
                ("fall_ps", output.fall_ps),
                ("fall_ps_per_ff", output.fall_ps_per_ff),
            ]);
        }
        non_negative(&format!("cells.{}", kind.name()), &numbers)?;
        Ok(CellData {
            library_cell: self.library_cell,
            area: SquareMicrons(self.area_um2),
            leakage: Nanowatts(self.leakage_nw),
            input_capacitance: Femtofarads(self.input_capacitance_ff),
            outputs,
        })
    }
}

fn non_negative(place: &str, numbers: &[(&str, f64)]) -> Result<(), String> {
    match numbers.iter().find(|(_, number)| !(number.is_finite() && *number >= 0.0)) {
        Some((key, number)) => Err(format!("{place}: {key} is {number}; it must be a number of 0 or more")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREEPDK45: &str = include_str!("../../../hwconfigs/technology/freepdk45.toml");

    #[test]
    fn the_embedded_technology_reads() {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        assert_eq!(technology.nominal_supply, Volts(1.1));
        assert_eq!(technology.cells.len(), CellKind::ALL.len() - 1, "all but oai22, which the library lacks");
    }

    #[test]
    fn wrong_files_are_refused_where_they_are_wrong() {
        let unknown = TechnologyError { message: String::new(), span: None };
        let refuse = |from: &str, to: &str| {
            assert!(FREEPDK45.contains(from), "{from}");
            Technology::from_toml(&FREEPDK45.replace(from, to)).err().unwrap_or(unknown.clone())
        };
        let misspelt = refuse("temperature_c", "temprature_c");
        assert!(misspelt.message.contains("temprature_c") && misspelt.span.is_some());
        assert!(refuse("minimum_v = 0.35", "minimum_v = -0.1").message.contains("minimum_v"));
        assert!(refuse("area_um2 = 8.9167", "area_um2 = -1.0").message.contains("cells.full-adder: area_um2"));
        assert!(refuse("carry = {", "y = {").message.contains("sum"));
    }
}
