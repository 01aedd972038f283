//! From the groups of a Liberty file to cells that a netlist can be weighed with.

use super::LibertyError;
use super::cells::{ArcTables, CellTables, Sense};
use super::function::truth_table;
use super::syntax::{Group, parse};
use super::table::{Table, Templates};
use crate::netlist::{CellKind, Recognised};
use crate::technology::FlipFlop;
use std::collections::BTreeMap;

/// What of a Liberty file counts here.
#[derive(Clone, Debug)]
pub(in crate::technology) struct Library {
    /// Supply its tables hold at, V.
    pub(in crate::technology) supply_v: f64,
    /// Temperature they hold at, °C.
    pub(in crate::technology) temperature_c: f64,
    /// The smallest cell of each kind, or the one that was asked for.
    pub(in crate::technology) cells: BTreeMap<CellKind, LibraryCell>,
    /// The smallest flip-flop, or the one that was asked for.
    pub(in crate::technology) flip_flop: FlipFlop,
    /// Slew of its output over load, `[rise, fall]`, ps.
    pub(in crate::technology) launch_slew: [Table; 2],
    /// Capacitance of wires.
    pub(in crate::technology) wire_load: WireLoad,
}

/// A cell of a Liberty file.
#[derive(Clone, Debug)]
pub(in crate::technology) struct LibraryCell {
    pub(in crate::technology) name: String,
    pub(in crate::technology) area_um2: f64,
    pub(in crate::technology) leakage_nw: f64,
    pub(in crate::technology) tables: CellTables,
}

/// Capacitance of a wire by the number of pins it reaches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::technology) struct WireLoad {
    /// Fanout and capacitance, fF, ascending.
    points: Vec<(f64, f64)>,
    /// Capacitance of each pin beyond the last point, fF.
    slope: f64,
}

impl WireLoad {
    /// So much a pin, fF.
    pub(in crate::technology) fn per_pin(capacitance_ff: f64) -> Self {
        Self { points: Vec::new(), slope: capacitance_ff }
    }

    /// Capacitance of a wire to `pins` pins, fF.
    pub(in crate::technology) fn capacitance(&self, pins: usize) -> f64 {
        let pins = pins as f64;
        let after = self.points.partition_point(|&(fanout, _)| fanout <= pins);
        let (left, right) = (self.points[..after].last(), self.points.get(after));
        match (left, right) {
            (None, None) => self.slope * pins,
            (None, Some(&(fanout, capacitance))) => capacitance * pins / fanout,
            (Some(&(fanout, capacitance)), None) => capacitance + self.slope * (pins - fanout),
            (Some(&(low, below)), Some(&(high, above))) => below + (above - below) * (pins - low) / (high - low),
        }
    }
}

/// What a unit of the library comes to, in ours.
struct Units {
    leakage_nw: f64,
    energy_fj: f64,
}

/// Names of cells that the user wants instead of the smallest ones; `None` is the flip-flop.
pub(in crate::technology) type Wanted = BTreeMap<Option<CellKind>, String>;

/// Slew at which a flip-flop's own delays are read off, ps, unless its tables begin higher.
pub(in crate::technology) const CLOCK_SLEW_PS: f64 = 50.0;

impl Library {
    /// Reads the text of a file.
    pub(in crate::technology) fn read(
        text: &str,
        wanted: &Wanted,
        wire_load: Option<&str>,
    ) -> Result<Self, LibertyError> {
        let library = parse(text)?;
        let refuse = |message: &str| LibertyError::at(library.at, message.to_owned());
        if library.kind != "library" {
            return Err(refuse("the file does not start with a library group: is it a Liberty file?"));
        }
        match library.text("delay_model") {
            None | Some("table_lookup") => {}
            Some(other) => {
                let message = format!("delay_model is {other}; only table_lookup libraries are understood");
                return Err(refuse(&message));
            }
        }
        let (templates, units) = units(&library)?;
        let (Some(supply_v), Some(temperature_c)) =
            (library.number("nom_voltage")?, library.number("nom_temperature")?)
        else {
            return Err(refuse("nom_voltage and nom_temperature must say where the tables hold"));
        };
        if supply_v <= 0.0 || temperature_c <= -273.15 {
            return Err(refuse("nom_voltage must be positive and nom_temperature above -273.15 °C"));
        }
        let mut cells: BTreeMap<CellKind, LibraryCell> = BTreeMap::new();
        let mut flip_flops: Vec<&Group> = Vec::new();
        for cell in library.all("cell") {
            if is_flip_flop(cell) {
                flip_flops.push(cell);
            }
            let Some(recognised) = recognise(cell) else { continue };
            let asked = wanted.get(&Some(recognised.found.kind)).map(|name| name == cell.name());
            if asked == Some(false) || (asked.is_none() && cell.text("dont_use") == Some("true")) {
                continue;
            }
            let area_um2 = cell.number("area")?.unwrap_or(0.0);
            if cells.get(&recognised.found.kind).is_some_and(|other| other.area_um2 <= area_um2) {
                continue;
            }
            let kind = recognised.found.kind;
            cells.insert(kind, recognised.cell(area_um2, &library, &templates, &units)?);
        }
        for (kind, name) in wanted.iter().filter_map(|(kind, name)| Some((kind.as_ref()?, name))) {
            if !cells.contains_key(kind) {
                let message = format!("there is no cell \"{name}\" in this library that is a {}", kind.name());
                return Err(refuse(&message));
            }
        }
        let name = wanted.get(&None);
        flip_flops.retain(|cell| name.is_none_or(|name| name == cell.name()));
        let area = |cell: &&Group| cell.number("area").ok().flatten().unwrap_or(f64::INFINITY);
        let smallest = flip_flops.into_iter().min_by(|one, other| area(one).total_cmp(&area(other)));
        let Some(smallest) = smallest else {
            return Err(refuse("there is no flip-flop of one clock and one data pin, without set and reset"));
        };
        let (flip_flop, launch_slew) = flip_flop(smallest, &library, &templates, &units)?;
        let wire_load = read_wire_load(&library, wire_load, templates.capacitance_ff)?;
        Ok(Self { supply_v, temperature_c, cells, flip_flop, launch_slew, wire_load })
    }
}

/// A number and a unit, as in `1ns` or `10pW`, in multiples of what the unit is of.
fn quantity(text: &str, unit: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || ".+-".contains(c)))?;
    let (number, rest) = text.split_at(digits);
    let prefix = rest.trim().to_ascii_lowercase();
    let scale = match prefix.strip_suffix(&unit.to_ascii_lowercase())? {
        "" => 1.0,
        "m" => 1e-3,
        "u" => 1e-6,
        "n" => 1e-9,
        "p" => 1e-12,
        "f" => 1e-15,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale).filter(|value| *value > 0.0)
}

fn units(library: &Group) -> Result<(Templates, Units), LibertyError> {
    let unit = |key: &str, of: &str| {
        let found = library.text(key).unwrap_or("nothing");
        let at = library.attribute(key).map_or(library.at, |attribute| attribute.at);
        let message = format!("{key} is {found}; it must be a number and a unit, as in \"1n{of}\"");
        quantity(found, of).ok_or_else(|| LibertyError::at(at, message))
    };
    let time_ps = unit("time_unit", "s")? * 1e12;
    let volts = unit("voltage_unit", "V")?;
    let leakage_nw = unit("leakage_power_unit", "W")? * 1e9;
    let load = library.attribute("capacitive_load_unit");
    let (at, values) = load.map_or((library.at, &[][..]), |load| (load.at, &load.values[..]));
    let farads = match values {
        [number, unit] => quantity(&format!("{}{}", number.trim(), unit.trim()), "f"),
        _ => None,
    };
    let Some(farads) = farads else {
        return Err(LibertyError::at(at, "capacitive_load_unit must be as in (1, pf)".to_owned()));
    };
    let capacitance_ff = farads * 1e15;
    // The Liberty manual: internal power is an energy, in units of capacitance times voltage squared.
    let energy_fj = capacitance_ff * volts * volts;
    Ok((Templates::of(library, time_ps, capacitance_ff)?, Units { leakage_nw, energy_fj }))
}

/// A combinational cell that is one of ours.
struct RecognisedCell<'g> {
    group: &'g Group,
    found: Recognised,
    inputs: Vec<&'g Group>,
    outputs: Vec<&'g Group>,
}

fn pins<'g>(cell: &'g Group, direction: &str) -> Vec<&'g Group> {
    cell.all("pin").filter(|pin| pin.text("direction") == Some(direction)).collect()
}

fn recognise(cell: &Group) -> Option<RecognisedCell<'_>> {
    let sequential = cell.groups.iter().any(|group| ["ff", "latch", "statetable"].contains(&group.kind.as_str()));
    let (inputs, outputs) = (pins(cell, "input"), pins(cell, "output"));
    if sequential
        || !(1..=Recognised::MAX_INPUTS).contains(&inputs.len())
        || outputs.iter().any(|pin| pin.attribute("three_state").is_some())
    {
        return None;
    }
    let names: Vec<&str> = inputs.iter().map(|pin| pin.name()).collect();
    let tables = outputs.iter().map(|pin| truth_table(pin.text("function")?, &names));
    let found = Recognised::from_tables(inputs.len(), &tables.collect::<Option<Vec<u16>>>()?)?;
    Some(RecognisedCell { group: cell, found, inputs, outputs })
}

impl RecognisedCell<'_> {
    fn cell(
        &self,
        area_um2: f64,
        library: &Group,
        templates: &Templates,
        units: &Units,
    ) -> Result<LibraryCell, LibertyError> {
        let inputs: Vec<&Group> = self.found.inputs.iter().map(|&input| self.inputs[input]).collect();
        let mut arcs = vec![Vec::new(); self.outputs.len()];
        let mut energy = vec![Vec::new(); self.outputs.len()];
        for (output, &place) in self.outputs.iter().zip(&self.found.outputs) {
            for input in &inputs {
                let own = output.all("timing").filter(|timing| related(timing, input.name()) && is_delay(timing));
                let own = own.map(|timing| arc(timing, templates)).collect::<Result<Vec<ArcTables>, _>>()?;
                if own.is_empty() {
                    let message = format!(
                        "cell {}: there is no timing from {} to {}; complete the cell, or name another under [library_cells]",
                        self.group.name(),
                        input.name(),
                        output.name()
                    );
                    return Err(LibertyError::at(output.at, message));
                }
                arcs[place].push(own);
            }
            for power in output.all("internal_power") {
                energy[place].push(edges(power, ["rise_power", "fall_power"], templates, units.energy_fj)?);
            }
        }
        let capacitances = inputs.iter().map(|pin| capacitance(pin, library, templates));
        Ok(LibraryCell {
            name: self.group.name().to_owned(),
            area_um2,
            leakage_nw: leakage(self.group, library, units)?,
            tables: CellTables { pin_capacitance_ff: capacitances.collect::<Result<_, _>>()?, arcs, energy },
        })
    }
}

/// Whether a timing or power group is about an input; one may name several.
fn related(group: &Group, pin: &str) -> bool {
    group.text("related_pin").is_some_and(|pins| pins.split_whitespace().any(|name| name == pin))
}

/// Whether a timing group is a delay and not a constraint.
fn is_delay(timing: &Group) -> bool {
    matches!(timing.text("timing_type"), None | Some("combinational" | "rising_edge"))
}

fn arc(timing: &Group, templates: &Templates) -> Result<ArcTables, LibertyError> {
    let sense = match timing.text("timing_sense") {
        Some("positive_unate") => Sense::Positive,
        Some("negative_unate") => Sense::Negative,
        _ => Sense::Either,
    };
    let delay = edges(timing, ["cell_rise", "cell_fall"], templates, templates.time_ps)?;
    let slew = edges(timing, ["rise_transition", "fall_transition"], templates, templates.time_ps)?;
    if let Some(table) = delay.iter().find(|table| table.largest() <= 0.0 || table.largest() > 1e6) {
        let message = format!("delays of up to {} ps are none; check time_unit and the values", table.largest());
        return Err(LibertyError::at(timing.at, message));
    }
    if let Some(table) = slew.iter().find(|table| table.smallest() < 0.0) {
        return Err(LibertyError::at(
            timing.at,
            format!("a transition takes {} ps; none is negative", table.smallest()),
        ));
    }
    Ok(ArcTables { sense, delay, slew })
}

/// Two tables of a group, both of which must be there.
fn edges(group: &Group, kinds: [&str; 2], templates: &Templates, unit: f64) -> Result<[Table; 2], LibertyError> {
    let table = |kind: &str| match group.all(kind).next() {
        Some(table) => templates.table(table, unit),
        None => {
            let message = format!("this {} group has no {kind}; tables of both edges are needed", group.kind);
            Err(LibertyError::at(group.at, message))
        }
    };
    Ok([table(kinds[0])?, table(kinds[1])?])
}

fn capacitance(pin: &Group, library: &Group, templates: &Templates) -> Result<f64, LibertyError> {
    let edges = [pin.number("rise_capacitance")?, pin.number("fall_capacitance")?];
    let own = match edges {
        [Some(rise), Some(fall)] => Some((rise + fall) / 2.0),
        _ => pin.number("capacitance")?,
    };
    match own.or(library.number("default_input_pin_cap")?) {
        Some(capacitance) if capacitance >= 0.0 => Ok(capacitance * templates.capacitance_ff),
        _ => Err(LibertyError::at(pin.at, format!("pin {} has no capacitance of 0 or more", pin.name()))),
    }
}

/// Mean over the states that the cell tells apart, or the one number there is.
fn leakage(cell: &Group, library: &Group, units: &Units) -> Result<f64, LibertyError> {
    let mut states = Vec::new();
    for state in cell.all("leakage_power").filter(|state| state.attribute("when").is_some()) {
        states.extend(state.number("value")?);
    }
    let mean = states.iter().sum::<f64>() / states.len().max(1) as f64;
    let single = cell.number("cell_leakage_power")?.or(library.number("default_cell_leakage_power")?);
    let value = if states.is_empty() { single.unwrap_or(0.0) } else { mean };
    match value >= 0.0 {
        true => Ok(value * units.leakage_nw),
        false => Err(LibertyError::at(cell.at, format!("cell {} leaks {value}", cell.name()))),
    }
}

/// A D flip-flop: rising clock, nothing else.
fn is_flip_flop(cell: &Group) -> bool {
    cell.all("ff").next().is_some_and(|state| {
        let extra = ["clear", "preset"].iter().any(|key| state.attribute(key).is_some());
        let inputs = pins(cell, "input");
        let pin = |key: &str| {
            let name = state.text(key)?;
            inputs.iter().position(|pin| pin.name() == name.trim())
        };
        !extra && inputs.len() == 2 && pin("clocked_on").is_some() && pin("next_state").is_some()
    })
}

fn flip_flop(
    cell: &Group,
    library: &Group,
    templates: &Templates,
    units: &Units,
) -> Result<(FlipFlop, [Table; 2]), LibertyError> {
    let refuse = |what: &str| LibertyError::at(cell.at, format!("flip-flop {} has no {what}", cell.name()));
    let state = cell.all("ff").next().ok_or_else(|| refuse("ff group"))?;
    let inputs = pins(cell, "input");
    let pin = |key: &str| {
        let name = state.text(key).unwrap_or_default().trim();
        inputs.iter().find(|pin| pin.name() == name).copied().ok_or_else(|| refuse(key))
    };
    let (clock, data) = (pin("clocked_on")?, pin("next_state")?);
    let output =
        pins(cell, "output").into_iter().find(|pin| pin.text("function").map(str::trim) == Some(state.name()));
    let output = output.ok_or_else(|| refuse("output that is its state"))?;
    let launch = output.all("timing").find(|timing| related(timing, clock.name()) && is_delay(timing));
    let launch = arc(launch.ok_or_else(|| refuse("delay from clock to output"))?, templates)?;
    let setup = data.all("timing").find(|timing| timing.text("timing_type") == Some("setup_rising"));
    let setup = setup.ok_or_else(|| refuse("set-up time"))?;
    let setup = edges(setup, ["rise_constraint", "fall_constraint"], templates, templates.time_ps)?;
    // Mean of an edge.
    let energy = |pin: &Group, load: f64| -> Result<f64, LibertyError> {
        let mut found = Vec::new();
        for power in pin.all("internal_power") {
            let tables = edges(power, ["rise_power", "fall_power"], templates, units.energy_fj)?;
            found.push(tables.map(|table| table.nearest(CLOCK_SLEW_PS, load)));
        }
        Ok(found.iter().flatten().sum::<f64>() / (2 * found.len()).max(1) as f64)
    };
    // Linear between the two lowest loads of the slower edge.
    let loads = launch.delay[0].loads();
    let (low, high) = (loads[0], loads.get(1).copied().unwrap_or(loads[0] + 1.0));
    let slower = |load: f64| launch.delay.iter().map(|table| table.nearest(CLOCK_SLEW_PS, load)).fold(0.0, f64::max);
    let slope = (slower(high) - slower(low)) / (high - low);
    let needed = setup.iter().map(|table| table.nearest(CLOCK_SLEW_PS, CLOCK_SLEW_PS)).fold(0.0, f64::max);
    let flip_flop = FlipFlop {
        library_cell: cell.name().to_owned(),
        area_um2: cell.number("area")?.unwrap_or(0.0),
        leakage_nw: leakage(cell, library, units)?,
        clock_capacitance_ff: capacitance(clock, library, templates)?,
        data_capacitance_ff: capacitance(data, library, templates)?,
        // Both edges of the clock.
        clock_energy_fj: (2.0 * energy(clock, 0.0)?).max(0.0),
        // One edge of data and one of the output.
        data_energy_fj: (energy(data, 0.0)? + energy(output, low)?).max(0.0),
        clock_to_output_ps: (slower(low) - slope * low).max(0.0),
        clock_to_output_ps_per_ff: slope.max(0.0),
        setup_ps: needed,
        law: None,
    };
    Ok((flip_flop, launch.slew))
}

/// The wire load that is asked for, or the library's default.
fn read_wire_load(library: &Group, wanted: Option<&str>, unit: f64) -> Result<WireLoad, LibertyError> {
    let Some(name) = wanted.or(library.text("default_wire_load")) else { return Ok(WireLoad::default()) };
    let Some(group) = library.all("wire_load").find(|group| group.name() == name) else {
        return Err(LibertyError::at(library.at, format!("there is no wire_load \"{name}\" in this library")));
    };
    let capacitance = group.number("capacitance")?.unwrap_or(0.0) * unit;
    let mut points = Vec::new();
    for attribute in group.attributes("fanout_length") {
        match attribute.numbers()?[..] {
            [fanout, length, ..] if fanout > 0.0 && length >= 0.0 => points.push((fanout, length * capacitance)),
            _ => return Err(LibertyError::at(attribute.at, "fanout_length must be as in (1, 10)".to_owned())),
        }
    }
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points.dedup_by(|one, other| one.0 == other.0);
    Ok(WireLoad { points, slope: group.number("slope")?.unwrap_or(0.0) * capacitance })
}
