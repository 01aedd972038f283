//! Technology files: as written, then checked.

use super::condition::Bias;
use super::liberty::WireLoad;
use super::liberty_file::{FromLibraries, LibertyFiles};
use super::{
    CellData, Corner, DelayLaw, DelayModel, FlipFlop, LeakageLaw, OutputData, PinDelay, Technology, TemperatureLaw,
    Timing, Variation,
};
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
    /// Name and text of that file, if it is one that the technology file names.
    pub other_file: Option<(String, String)>,
}

impl TechnologyError {
    /// About some bytes of the technology file.
    pub(super) fn at(span: Range<usize>, message: String) -> Self {
        Self { message, span: Some(span), other_file: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    nominal_supply_v: Option<Spanned<f64>>,
    temperature_c: Option<Spanned<f64>>,
    wire_capacitance_ff_per_fanout: Option<f64>,
    output_load_ff: Option<f64>,
    delay_law: Option<Spanned<DelayLaw>>,
    #[serde(default)]
    delay_model: DelayModel,
    #[serde(default)]
    extrapolate: bool,
    leakage_law: LeakageLaw,
    temperature_law: Option<Spanned<TemperatureLaw>>,
    #[serde(default)]
    corners: BTreeMap<String, Spanned<Corner>>,
    variation: Option<Spanned<Variation>>,
    flip_flop: Option<Spanned<FlipFlop>>,
    #[serde(default)]
    cells: BTreeMap<CellKind, Spanned<CellFile>>,
    liberty: Option<Spanned<LibertyFiles>>,
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
    /// By output, then by input pin.
    #[serde(default)]
    pins: BTreeMap<String, BTreeMap<String, PinDelay>>,
    law: Option<DelayLaw>,
    gate_area_um2: Option<f64>,
}

impl Technology {
    /// Reads a technology file that names no other files.
    pub fn from_toml(text: &str) -> Result<Technology, TechnologyError> {
        Self::from_toml_with(text, &|name| Err(format!("{name}: a technology that is built in has no Liberty files")))
    }

    /// Reads a technology file; `read` is the text of a Liberty file that it names, or why there is none.
    pub fn from_toml_with(
        text: &str,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Technology, TechnologyError> {
        let file: File = toml::from_str(text).map_err(|error| TechnologyError {
            message: error.message().to_owned(),
            span: error.span(),
            other_file: None,
        })?;
        file.checked(read)
    }
}

/// The longest delay without load, or a femtofarad's, that is taken for one, ps: 1 µs.
const LONGEST_PS: f64 = 1e6;

impl File {
    fn checked(self, read: &dyn Fn(&str) -> Result<String, String>) -> Result<Technology, TechnologyError> {
        let at = |span: Range<usize>| move |message: String| TechnologyError::at(span, message);
        let whole = |message: String| TechnologyError { message, span: None, other_file: None };
        let missing =
            |key: &str| whole(format!("missing field `{key}`; a technology without Liberty files needs it"));
        let libraries = self.liberty.as_ref().map(|files| {
            let nominal = self.nominal_supply_v.as_ref().map(|supply| *supply.get_ref());
            let given = [
                ("temperature_c", self.temperature_c.as_ref().map(Spanned::span)),
                ("flip_flop", self.flip_flop.as_ref().map(Spanned::span)),
                ("cells", self.cells.values().next().map(Spanned::span)),
            ];
            match given.into_iter().find_map(|(key, span)| Some((key, span?))) {
                Some((key, span)) => {
                    Err(TechnologyError::at(span, format!("{key} comes from the Liberty file; leave it out")))
                }
                None => FromLibraries::read(files, nominal, read),
            }
        });
        let libraries = libraries.transpose()?;
        let nominal = match (&libraries, &self.nominal_supply_v) {
            (Some(libraries), _) => libraries.nominal,
            (None, supply) => Volts(*supply.as_ref().ok_or_else(|| missing("nominal_supply_v"))?.get_ref()),
        };
        let temperature_c = match (&libraries, &self.temperature_c) {
            (Some(libraries), _) => libraries.temperature_c,
            (None, celsius) => *celsius.as_ref().ok_or_else(|| missing("temperature_c"))?.get_ref(),
        };
        let own_law = self.delay_law.map(|law| (law.span(), law.into_inner()));
        let delay_law = match (libraries.as_ref().and_then(|libraries| libraries.delay_law.clone()), own_law) {
            (Some(_), Some((span, _))) => {
                let message = "delay_law comes from the Liberty files at several supplies; leave it out";
                return Err(TechnologyError::at(span, message.to_owned()));
            }
            (Some(law), None) => {
                let span = self.liberty.as_ref().map_or(0..0, Spanned::span);
                check_law("the median cell of the libraries", &law, nominal).map_err(at(span))?;
                law
            }
            (None, Some((span, law))) => {
                check_law("delay_law", &law, nominal).map_err(at(span))?;
                law
            }
            (None, None) => {
                return Err(whole("missing field `delay_law`: how delay depends on the supply".to_owned()));
            }
        };
        let (span, flip_flop) = match (&libraries, self.flip_flop) {
            (Some(libraries), _) => (self.liberty.as_ref().map_or(0..0, Spanned::span), libraries.flip_flop.clone()),
            (None, Some(flip_flop)) => (flip_flop.span(), flip_flop.into_inner()),
            (None, None) => return Err(missing("flip_flop")),
        };
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
        non_negative("flip_flop", &numbers)
            .and_then(|()| plausible("flip_flop", &delays))
            .and_then(|()| flip_flop.law.iter().try_for_each(|law| check_law("flip_flop.law", law, nominal)))
            .map_err(at(span))?;
        if let Some(law) = &self.temperature_law {
            let known = self.leakage_law.threshold_v.is_some();
            check_temperature(law.get_ref(), temperature_c, known).map_err(at(law.span()))?;
        }
        for (name, corner) in &self.corners {
            check_corner(name, corner.get_ref()).map_err(at(corner.span()))?;
        }
        if let Some(variation) = &self.variation {
            let Variation { avt_mv_um, gate_area_um2, die_sigma_mv } = *variation.get_ref();
            let numbers = [("avt_mv_um", avt_mv_um), ("die_sigma_mv", die_sigma_mv)];
            let checked = non_negative("variation", &numbers).and_then(|()| gate_area("variation", gate_area_um2));
            checked.map_err(at(variation.span()))?;
        }
        let numbers = [
            ("temperature_c + 273.15", temperature_c + 273.15),
            ("wire_capacitance_ff_per_fanout", self.wire_capacitance_ff_per_fanout.unwrap_or(0.0)),
            ("output_load_ff", self.output_load_ff.unwrap_or(0.0)),
            ("leakage_law.dibl_v_per_v", self.leakage_law.dibl_v_per_v),
            ("leakage_law.slope_factor", self.leakage_law.slope_factor),
            ("leakage_law.threshold_v", self.leakage_law.threshold_v.unwrap_or(0.0)),
        ];
        non_negative("the technology", &numbers).map_err(whole)?;
        let cells = self.cells.into_iter().map(|(kind, cell)| {
            let span = cell.span();
            Ok((kind, cell.into_inner().checked(kind, nominal).map_err(at(span))?))
        });
        let mut cells = cells.collect::<Result<BTreeMap<CellKind, CellData>, TechnologyError>>()?;
        let per_pin = self.wire_capacitance_ff_per_fanout.map(WireLoad::per_pin);
        let (wire_load, output_load, liberty) = match libraries {
            Some(libraries) => {
                cells = libraries.cells;
                let output_load = self.output_load_ff.unwrap_or(flip_flop.data_capacitance_ff);
                (per_pin.unwrap_or(libraries.wire_load), output_load, Some(libraries.liberty))
            }
            None => (
                per_pin.ok_or_else(|| missing("wire_capacitance_ff_per_fanout"))?,
                self.output_load_ff.ok_or_else(|| missing("output_load_ff"))?,
                None,
            ),
        };
        Ok(Technology {
            name: self.name,
            nominal_supply: nominal,
            bias: Bias::none(temperature_c),
            corner: None,
            corners: self.corners.into_iter().map(|(name, corner)| (name, corner.into_inner())).collect(),
            temperature_law: self.temperature_law.map(Spanned::into_inner),
            variation: self.variation.map(Spanned::into_inner),
            wire_load,
            output_load: Femtofarads(output_load),
            delay_law,
            delay_model: self.delay_model,
            extrapolate: self.extrapolate,
            leakage_law: self.leakage_law,
            flip_flop,
            cells,
            liberty,
        })
    }
}

impl CellFile {
    fn checked(self, kind: CellKind, nominal: Volts) -> Result<CellData, String> {
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
        let pins = checked_pins(kind, &self.pins)?;
        self.law.iter().try_for_each(|law| check_law(&format!("{place}.law"), law, nominal))?;
        self.gate_area_um2.iter().try_for_each(|&area| gate_area(&place, area))?;
        Ok(CellData {
            library_cell: self.library_cell,
            area: SquareMicrons(self.area_um2),
            leakage: Nanowatts(self.leakage_nw),
            input_capacitance: Femtofarads(self.input_capacitance_ff),
            timing: Timing::Linear(outputs),
            pins,
            law: self.law,
            gate_area_um2: self.gate_area_um2,
        })
    }
}

/// Delays by output and input pin, in the order that a cell has them; of all its arcs or none.
fn checked_pins(
    kind: CellKind,
    given: &BTreeMap<String, BTreeMap<String, PinDelay>>,
) -> Result<Vec<Vec<PinDelay>>, String> {
    let place = format!("cells.{}.pins", kind.name());
    let inputs = &["a", "b", "c", "d"][..kind.inputs()];
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let outputs = kind.output_names();
    if !given.keys().all(|name| outputs.contains(&name.as_str())) || given.len() != outputs.len() {
        return Err(format!("{place} needs exactly the outputs {outputs:?}"));
    }
    let of_output = |output: &&str| {
        let pins = &given[*output];
        if !pins.keys().map(String::as_str).eq(inputs.iter().copied()) {
            return Err(format!("{place}.{output} needs exactly the pins {inputs:?}"));
        }
        for (name, PinDelay { rise_ps, rise_ps_per_ff, fall_ps, fall_ps_per_ff }) in pins {
            let delays = [
                ("rise_ps", *rise_ps),
                ("rise_ps_per_ff", *rise_ps_per_ff),
                ("fall_ps", *fall_ps),
                ("fall_ps_per_ff", *fall_ps_per_ff),
            ];
            plausible(&format!("{place}.{output}.{name}"), &delays)?;
        }
        Ok(pins.values().copied().collect())
    };
    outputs.iter().map(of_output).collect()
}

/// A law that is one, and covers the nominal supply.
fn check_law(place: &str, law: &DelayLaw, nominal: Volts) -> Result<(), String> {
    law.check().map_err(|error| format!("{place}: {error}"))?;
    let (minimum, maximum) = law.range();
    match (minimum..=maximum).contains(&nominal) {
        true => Ok(()),
        false => Err(format!(
            "{place} covers {minimum} … {maximum}, which must include the nominal supply of {nominal}; widen the law's \
             range or correct nominal_supply_v"
        )),
    }
}

fn check_temperature(law: &TemperatureLaw, data_c: f64, threshold_known: bool) -> Result<(), String> {
    let TemperatureLaw { threshold_v_per_k, mobility_exponent, minimum_c, maximum_c } = *law;
    if threshold_v_per_k.is_nan() || threshold_v_per_k.abs() > 0.01 {
        return Err(format!(
            "temperature_law: threshold_v_per_k is {threshold_v_per_k}; thresholds move by a few tenths of a millivolt a \
             kelvin, as -0.0004"
        ));
    }
    non_negative(
        "temperature_law",
        &[("mobility_exponent", mobility_exponent), ("minimum_c + 273.15", minimum_c + 273.15)],
    )?;
    if !(minimum_c..=maximum_c).contains(&data_c) || !maximum_c.is_finite() {
        return Err(format!(
            "temperature_law covers {minimum_c} … {maximum_c} °C, which must include the data's {data_c} °C"
        ));
    }
    match threshold_known {
        true => Ok(()),
        false => {
            Err("temperature_law needs leakage_law.threshold_v: leakage over temperature depends on it".to_owned())
        }
    }
}

fn gate_area(place: &str, area: f64) -> Result<(), String> {
    match area.is_finite() && area > 0.0 {
        true => Ok(()),
        false => Err(format!("{place}: gate_area_um2 is {area}; it must be a positive number")),
    }
}

fn check_corner(name: &str, corner: &Corner) -> Result<(), String> {
    let Corner { threshold_shift_v, drive } = *corner;
    match threshold_shift_v.abs() <= 0.5 && drive.is_finite() && drive > 0.0 {
        true => Ok(()),
        false => Err(format!(
            "corners.{name}: threshold_shift_v is {threshold_shift_v} and drive {drive}; the first is in volts, as 0.025, \
             the second a positive factor"
        )),
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
        let unknown = TechnologyError { message: String::new(), span: None, other_file: None };
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
