//! Technology files: as written, then checked.

use super::{CellData, DelayLaw, FlipFlop, LeakageLaw, OutputData, Technology};
use crate::netlist::CellKind;
use crate::units::{Femtofarads, Nanowatts, SquareMicrons, Volts};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

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
    delay_law: Spanned<DelayLaw>,
    #[serde(default)]
    extrapolate: bool,
    leakage_law: LeakageLaw,
    flip_flop: Spanned<FlipFlop>,
    cells: BTreeMap<CellKind, Spanned<CellFile>>,
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
        file.checked()
    }
}

/// The longest delay without load, or a femtofarad's, that is taken for one, ps: 1 µs.
const LONGEST_PS: f64 = 1e6;

impl File {
    fn checked(self) -> Result<Technology, TechnologyError> {
        let at = |span: Range<usize>| move |message: String| TechnologyError { message, span: Some(span) };
        let (law, delay_law) = (self.delay_law.span(), self.delay_law.into_inner());
        delay_law.check().map_err(|error| at(law.clone())(error.to_string()))?;
        let (minimum, maximum) = delay_law.range();
        let nominal_supply = Volts(self.nominal_supply_v);
        if !(minimum..=maximum).contains(&nominal_supply) {
            return Err(at(law)(format!(
                "the delay law covers {minimum} … {maximum}, which must include the nominal supply of \
                 {nominal_supply}; widen the law's range or correct nominal_supply_v"
            )));
        }
        let (span, flip_flop) = (self.flip_flop.span(), self.flip_flop.into_inner());
        let numbers = [
            ("area_um2", flip_flop.area_um2),
            ("leakage_nw", flip_flop.leakage_nw),
            ("clock_capacitance_ff", flip_flop.clock_capacitance_ff),
            ("data_capacitance_ff", flip_flop.data_capacitance_ff),
            ("clock_energy_fj", flip_flop.clock_energy_fj),
            ("data_energy_fj", flip_flop.data_energy_fj),
        ];
        let delays = [
            ("clock_to_output_ps", flip_flop.clock_to_output_ps),
            ("clock_to_output_ps_per_ff", flip_flop.clock_to_output_ps_per_ff),
            ("setup_ps", flip_flop.setup_ps),
        ];
        non_negative("flip_flop", &numbers).and_then(|()| plausible("flip_flop", &delays)).map_err(at(span))?;
        let numbers = [
            ("temperature_c + 273.15", self.temperature_c + 273.15),
            ("wire_capacitance_ff_per_fanout", self.wire_capacitance_ff_per_fanout),
            ("output_load_ff", self.output_load_ff),
            ("leakage_law.dibl_v_per_v", self.leakage_law.dibl_v_per_v),
            ("leakage_law.slope_factor", self.leakage_law.slope_factor),
        ];
        non_negative("the technology", &numbers).map_err(|message| TechnologyError { message, span: None })?;
        let cells = self.cells.into_iter().map(|(kind, cell)| {
            let span = cell.span();
            Ok((kind, cell.into_inner().checked(kind).map_err(at(span))?))
        });
        Ok(Technology {
            name: self.name,
            nominal_supply,
            temperature_c: self.temperature_c,
            wire_capacitance: Femtofarads(self.wire_capacitance_ff_per_fanout),
            output_load: Femtofarads(self.output_load_ff),
            delay_law,
            extrapolate: self.extrapolate,
            leakage_law: self.leakage_law,
            flip_flop,
            cells: cells.collect::<Result<_, TechnologyError>>()?,
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
        let place = format!("cells.{}", kind.name());
        let numbers = [
            ("area_um2", self.area_um2),
            ("leakage_nw", self.leakage_nw),
            ("input_capacitance_ff", self.input_capacitance_ff),
        ];
        non_negative(&place, &numbers)?;
        for output in &outputs {
            let delays = [
                ("rise_ps", output.rise_ps),
                ("rise_ps_per_ff", output.rise_ps_per_ff),
                ("fall_ps", output.fall_ps),
                ("fall_ps_per_ff", output.fall_ps_per_ff),
            ];
            plausible(&place, &delays)?;
            // Internal energy may be negative for one edge, as in some libraries.
            let energies = [output.rise_energy_fj, output.fall_energy_fj];
            if !energies.iter().sum::<f64>().is_finite() || energies.iter().sum::<f64>() < 0.0 {
                return Err(format!(
                    "{place}: rise_energy_fj and fall_energy_fj are {} and {}; their sum must be 0 or more",
                    energies[0], energies[1]
                ));
            }
        }
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

/// Delays that are numbers from 0 to 1 µs.
fn plausible(place: &str, delays: &[(&str, f64)]) -> Result<(), String> {
    non_negative(place, delays)?;
    match delays.iter().find(|(_, delay)| *delay > LONGEST_PS) {
        Some((key, delay)) => {
            Err(format!("{place}: {key} is {delay}; delays are in picoseconds and at most {LONGEST_PS:.0}"))
        }
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
        for (from, to, part, line) in [
            ("rise_ps = 48.77", "rise_ps = -48.77", "cells.inv: rise_ps is -48.77", "[cells.inv]"),
            ("rise_ps = 48.77", "rise_ps = 4.9e9", "at most 1000000", "[cells.inv]"),
            ("rise_ps = 48.77", "rise_ps = nan", "0 or more", "[cells.inv]"),
            ("setup_ps = 93.75", "setup_ps = -1.0", "flip_flop: setup_ps", "[flip_flop]"),
            ("alpha = 1.3", "alpha = 0.0", "alpha is 0; it must be", "[delay_law]"),
            ("maximum_v = 1.2", "maximum_v = 1.0", "must include the nominal supply", "[delay_law]"),
        ] {
            let error = refuse(from, to);
            assert!(error.message.contains(part), "{error}");
            let text = FREEPDK45.replace(from, to);
            assert!(text[error.span.clone().unwrap()].contains(line), "{error} is shown at {line}");
        }
    }

    /// The built-in technology under a table of delays.
    fn with_table(delays: &str, extrapolate: bool) -> Result<Technology, TechnologyError> {
        let from = FREEPDK45.find("[delay_law]").unwrap();
        let to = FREEPDK45.find("# Leakage current over supply").unwrap();
        let law = format!("[delay_law]\nmodel = \"table\"\nsupply_v = [0.8, 0.9, 1.1]\ndelay = {delays}\n\n");
        let extrapolate = format!("extrapolate = {extrapolate}\n");
        Technology::from_toml(&[&extrapolate, &FREEPDK45[..from], &law, &FREEPDK45[to..]].concat())
    }

    #[test]
    fn tables_are_laws_and_extrapolated_only_on_request() {
        let strict = with_table("[3.0, 2.4, 1.5]", false).unwrap();
        assert!((strict.slowdown(Volts(0.8)).unwrap() - 2.0).abs() < 1e-12);
        assert!(strict.slowdown(Volts(0.7)).is_err() && strict.extrapolation(Volts(0.7)).is_none());
        let lenient = with_table("[3.0, 2.4, 1.5]", true).unwrap();
        // The logarithm goes on with its first secant: 3 · 3 / 2.4 at 0.7 V.
        assert!((lenient.slowdown(Volts(0.7)).unwrap() - 3.75 / 1.5).abs() < 1e-12);
        assert!(lenient.extrapolation(Volts(0.7)).is_some() && lenient.extrapolation(Volts(0.8)).is_none());
        assert!(lenient.slowdown(Volts(0.0)).is_err(), "no supply is no supply");
    }

    #[test]
    fn tables_that_are_not_monotone_are_refused_where_they_stand() {
        let error = with_table("[3.0, 3.2, 1.5]", false).unwrap_err();
        assert!(error.message.contains("rises from 3 at 0.8 V to 3.2 at 0.9 V"), "{error}");
        assert!(error.span.is_some());
    }
}
