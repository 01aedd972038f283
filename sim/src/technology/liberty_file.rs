//! What a technology takes from the Liberty files it names.

use super::file::TechnologyError;
use super::liberty::{Library, Table, Wanted, WireLoad};
use super::{CellData, DelayLaw, FlipFlop, Timing};
use crate::netlist::CellKind;
use crate::units::{Femtofarads, Nanowatts, SquareMicrons, Volts};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The table `[liberty]` of a technology file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LibertyFiles {
    /// One file, or several of the same process and temperature at different supplies.
    files: Vec<Spanned<String>>,
    /// A wire load of the library; its default if left out.
    wire_load: Option<String>,
    /// Cells to take instead of the smallest, by kind.
    #[serde(default)]
    cells: BTreeMap<CellKind, String>,
    /// Flip-flop to take instead of the smallest.
    flip_flop: Option<String>,
}

/// What Liberty files bring beyond cells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Liberty {
    /// Supplies of the libraries, V, ascending.
    pub(super) supplies: Vec<f64>,
    /// Place of the nominal one among them.
    pub(super) nominal: usize,
    /// Slew of the flip-flop's output over load, `[rise, fall]`, ps, in each library.
    pub(super) launch_slew: Vec<[Table; 2]>,
}

/// Everything a technology takes from them.
pub(super) struct FromLibraries {
    pub(super) nominal: Volts,
    pub(super) temperature_c: f64,
    pub(super) cells: BTreeMap<CellKind, CellData>,
    pub(super) flip_flop: FlipFlop,
    pub(super) wire_load: WireLoad,
    /// That of the median cell, if there are several libraries.
    pub(super) delay_law: Option<DelayLaw>,
    pub(super) liberty: Liberty,
}

/// Load at which cells are compared over the supply, in pins of their own.
const FANOUT: f64 = 4.0;

impl FromLibraries {
    /// Reads all files; the first is nominal, or the one at `nominal` volts.
    pub(super) fn read(
        files: &Spanned<LibertyFiles>,
        nominal: Option<f64>,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, TechnologyError> {
        let refuse = |message: String| TechnologyError::at(files.span(), message);
        let names = files.get_ref();
        let mut wanted: Wanted = names.cells.iter().map(|(kind, name)| (Some(*kind), name.clone())).collect();
        wanted.extend(names.flip_flop.iter().map(|name| (None, name.clone())));
        let mut libraries: Vec<Library> = Vec::new();
        for file in &names.files {
            let text = read(file.get_ref()).map_err(|error| TechnologyError::at(file.span(), error))?;
            let library = Library::read(&text, &wanted, names.wire_load.as_deref()).map_err(|error| {
                // To the end of the line or of what is before the group, but something.
                let ends = |(place, c): (usize, char)| (place > 0 && "\n{".contains(c)).then_some(error.at + place);
                let end = text[error.at..].char_indices().find_map(ends).unwrap_or(text.len());
                let span = Some(error.at..end);
                TechnologyError {
                    message: error.message,
                    span,
                    other_file: Some((file.get_ref().clone(), text.clone())),
                }
            })?;
            if libraries.is_empty() {
                // The others must bring the same cells.
                wanted = library.cells.iter().map(|(kind, cell)| (Some(*kind), cell.name.clone())).collect();
                wanted.insert(None, library.flip_flop.library_cell.clone());
            }
            libraries.push(library);
        }
        let Some(first) = libraries.first() else {
            return Err(refuse("files is empty; name a Liberty file".to_owned()));
        };
        let nominal = nominal.unwrap_or(first.supply_v);
        let temperature_c = first.temperature_c;
        libraries.sort_by(|one, other| one.supply_v.total_cmp(&other.supply_v));
        if let Some(pair) = libraries.windows(2).find(|pair| pair[0].supply_v == pair[1].supply_v) {
            return Err(refuse(format!("two libraries hold at {} V; give one for each supply", pair[0].supply_v)));
        }
        if let Some(other) = libraries.iter().find(|library| library.temperature_c != temperature_c) {
            let message = format!(
                "the libraries hold at {temperature_c} °C and at {} °C; give those of one process and temperature",
                other.temperature_c
            );
            return Err(refuse(message));
        }
        let Some(place) = libraries.iter().position(|library| library.supply_v == nominal) else {
            let supplies: Vec<String> = libraries.iter().map(|library| format!("{} V", library.supply_v)).collect();
            let message =
                format!("no library holds at nominal_supply_v = {nominal} V; they hold at {}", supplies.join(", "));
            return Err(refuse(message));
        };
        Ok(Self::sum_up(&libraries, place))
    }

    fn sum_up(libraries: &[Library], nominal: usize) -> Self {
        let supplies: Vec<f64> = libraries.iter().map(|library| library.supply_v).collect();
        let reference = &libraries[nominal];
        let cells = reference.cells.iter().map(|(kind, cell)| {
            let tables: Vec<_> = libraries.iter().map(|library| library.cells[kind].tables.clone()).collect();
            let pins = &cell.tables.pin_capacitance_ff;
            let data = CellData {
                library_cell: cell.name.clone(),
                area: SquareMicrons(cell.area_um2),
                leakage: Nanowatts(cell.leakage_nw),
                input_capacitance: Femtofarads(pins.iter().sum::<f64>() / pins.len() as f64),
                timing: Timing::Tables(tables),
                pins: Vec::new(),
                law: None,
                gate_area_um2: None,
            };
            (*kind, data)
        });
        let mut flip_flop = reference.flip_flop.clone();
        if supplies.len() > 1 {
            let delay = |library: &Library| {
                let FlipFlop { clock_to_output_ps, clock_to_output_ps_per_ff, data_capacitance_ff, setup_ps, .. } =
                    library.flip_flop;
                clock_to_output_ps + FANOUT * data_capacitance_ff * clock_to_output_ps_per_ff + setup_ps
            };
            let delay = libraries.iter().map(delay).collect();
            flip_flop.law = Some(DelayLaw::Table { supply_v: supplies.clone(), delay });
        }
        Self {
            nominal: Volts(reference.supply_v),
            temperature_c: reference.temperature_c,
            cells: cells.collect(),
            flip_flop,
            wire_load: reference.wire_load.clone(),
            delay_law: (supplies.len() > 1).then(|| median_law(libraries, nominal)),
            liberty: Liberty {
                supplies,
                nominal,
                launch_slew: libraries.iter().map(|library| library.launch_slew.clone()).collect(),
            },
        }
    }
}

/// Delay of the median cell over the supply, relative to nominal, at a fanout of four behind the flip-flop.
fn median_law(libraries: &[Library], nominal: usize) -> DelayLaw {
    let delay_of = |library: &Library, kind: &CellKind| {
        let tables = &library.cells[kind].tables;
        let load = FANOUT * tables.pin_capacitance_ff[0];
        let slew = library.launch_slew.each_ref().map(|table| table.at(super::liberty::CLOCK_SLEW_PS, load).max(0.0));
        let output = tables.output(0, load, &vec![slew; tables.pin_capacitance_ff.len()]);
        output.delay.iter().sum::<f64>()
    };
    let ratio = |library: &Library| {
        let kinds = library.cells.keys();
        let mut ratios: Vec<f64> =
            kinds.map(|kind| delay_of(library, kind) / delay_of(&libraries[nominal], kind)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(1.0)
    };
    let supply_v = libraries.iter().map(|library| library.supply_v).collect();
    DelayLaw::Table { supply_v, delay: libraries.iter().map(ratio).collect() }
}
