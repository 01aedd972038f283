//! Look-up tables over input slew and output load.

use super::LibertyError;
use super::syntax::Group;
use std::collections::BTreeMap;

/// What a table's axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// Of the input that causes, or of the data pin of a constraint, in the library's unit of time.
    Slew,
    /// At the output, in the library's unit of capacitance.
    Load,
    /// Of the clock pin of a constraint.
    ClockSlew,
}

/// The axes of tables that refer to a template.
#[derive(Clone, Debug)]
struct Template {
    axes: Vec<Axis>,
    points: Vec<Vec<f64>>,
}

/// The templates of a library, and its units.
pub(super) struct Templates {
    templates: BTreeMap<String, Template>,
    /// Picoseconds in a unit of time.
    pub(super) time_ps: f64,
    /// Femtofarads in a unit of capacitance.
    pub(super) capacitance_ff: f64,
}

/// Values over slew, ps, and load, fF; clock slews of constraints count as loads. Bilinear, beyond the last points too.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    slews: Vec<f64>,
    loads: Vec<f64>,
    /// `[slew][load]`.
    values: Vec<f64>,
}

impl Templates {
    /// Reads the templates of a library.
    pub(super) fn of(library: &Group, time_ps: f64, capacitance_ff: f64) -> Result<Self, LibertyError> {
        let mut templates = BTreeMap::new();
        let groups = library.groups.iter();
        for group in groups.filter(|group| ["lu_table_template", "power_lut_template"].contains(&group.kind.as_str()))
        {
            let mut template = Template { axes: Vec::new(), points: Vec::new() };
            for place in 1..=3 {
                let Some(variable) = group.text(&format!("variable_{place}")) else { break };
                let axis = match variable {
                    "input_net_transition" | "input_transition_time" | "constrained_pin_transition" => Axis::Slew,
                    "total_output_net_capacitance" => Axis::Load,
                    "related_pin_transition" => Axis::ClockSlew,
                    // Tables over anything else are refused where they are needed.
                    _ => break,
                };
                template.axes.push(axis);
                template.points.push(points(group, place)?.unwrap_or_default());
            }
            templates.insert(group.name().to_owned(), template);
        }
        Ok(Self { templates, time_ps, capacitance_ff })
    }

    /// The table in `group`; its values are multiplied by `unit`.
    pub(super) fn table(&self, group: &Group, unit: f64) -> Result<Table, LibertyError> {
        let refuse = |message: String| LibertyError::at(group.at, message);
        let kind = &group.kind;
        let Some(attribute) = group.attribute("values") else {
            return Err(refuse(format!("{kind} has no values")));
        };
        let values = attribute.numbers()?;
        let name = group.name();
        let template = match (self.templates.get(name), name) {
            (Some(template), _) => template.clone(),
            (None, "" | "scalar") => Template { axes: Vec::new(), points: Vec::new() },
            (None, _) => {
                return Err(refuse(format!("{kind} uses a template \"{name}\" that the library does not have")));
            }
        };
        let (mut slews, mut loads, mut load_first) = (vec![0.0], vec![0.0], false);
        for (place, axis) in template.axes.iter().enumerate() {
            let points = match points(group, place + 1)? {
                Some(points) => points,
                None => template.points[place].clone(),
            };
            let ascending = points.windows(2).all(|pair| pair[0] < pair[1]);
            if points.is_empty() || !ascending {
                return Err(refuse(format!("index_{} of {kind} must be numbers in ascending order", place + 1)));
            }
            let scaled = |unit: f64| points.iter().map(|point| point * unit).collect();
            match axis {
                Axis::Slew => slews = scaled(self.time_ps),
                Axis::Load => {
                    loads = scaled(self.capacitance_ff);
                    load_first = place == 0;
                }
                Axis::ClockSlew => {
                    loads = scaled(self.time_ps);
                    load_first = place == 0;
                }
            }
        }
        if values.len() != slews.len() * loads.len() {
            let (found, wanted) = (values.len(), slews.len() * loads.len());
            return Err(refuse(format!("{kind} has {found} values where its indices ask for {wanted}")));
        }
        let value = |slew: usize, load: usize| {
            let place = if load_first { load * slews.len() + slew } else { slew * loads.len() + load };
            values[place] * unit
        };
        let values = (0..slews.len())
            .flat_map(|slew| (0..loads.len()).map(move |load| (slew, load)))
            .map(|(s, l)| value(s, l));
        Ok(Table { values: values.collect(), slews, loads })
    }
}

/// An index, if it is there.
fn points(group: &Group, place: usize) -> Result<Option<Vec<f64>>, LibertyError> {
    group.attribute(&format!("index_{place}")).map(|attribute| attribute.numbers()).transpose()
}

impl Table {
    /// The value at a slew, ps, and a load, fF.
    pub fn at(&self, slew: f64, load: f64) -> f64 {
        let ((row, s), (column, l)) = (place(&self.slews, slew), place(&self.loads, load));
        let width = self.loads.len();
        let value =
            |row: usize, column: usize| self.values[row.min(self.slews.len() - 1) * width + column.min(width - 1)];
        let along = |row: usize| value(row, column) * (1.0 - l) + value(row, column + 1) * l;
        along(row) * (1.0 - s) + along(row + 1) * s
    }

    /// The same, or the value at the nearest slew and load that the table has.
    pub fn nearest(&self, slew: f64, load: f64) -> f64 {
        let within = |points: &[f64], value: f64| value.clamp(points[0], points[points.len() - 1]);
        self.at(within(&self.slews, slew), within(&self.loads, load))
    }

    /// The loads it has values for, fF.
    pub fn loads(&self) -> &[f64] {
        &self.loads
    }

    /// Its smallest value.
    pub fn smallest(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Its largest value.
    pub fn largest(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The interval of `points` that `value` lies in, or the one next to it, and how far along.
fn place(points: &[f64], value: f64) -> (usize, f64) {
    let Some(last) = points.len().checked_sub(2) else { return (0, 0.0) };
    let left = points.partition_point(|&point| point <= value).saturating_sub(1).min(last);
    (left, (value - points[left]) / (points[left + 1] - points[left]))
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn read(body: &str) -> Result<Table, LibertyError> {
        let text = format!(
            "library (l) {{ lu_table_template (t) {{ variable_1 : input_net_transition; variable_2 : \
             total_output_net_capacitance; index_1 (\"0.01, 0.03\"); index_2 (\"0.001, 0.002, 0.004\"); }} \
             lu_table_template (u) {{ variable_1 : total_output_net_capacitance; variable_2 : input_net_transition; \
             index_1 (\"0.001, 0.002, 0.004\"); index_2 (\"0.01, 0.03\"); }} {body} }}"
        );
        let library = parse(&text)?;
        let templates = Templates::of(&library, 1e3, 1e3)?;
        templates.table(library.all("cell_rise").next().unwrap(), 1e3)
    }

    /// 100 + slew + 10 load + slew · load, in ps and fF: bilinear, so known everywhere.
    fn plane(slew: f64, load: f64) -> f64 {
        100.0 + slew + 10.0 * load + slew * load
    }

    #[test]
    fn tables_are_bilinear_within_and_beyond() {
        let rows = |slews: &[f64], loads: &[f64]| -> String {
            let row = |slew: &f64| {
                let row: Vec<String> = loads.iter().map(|load| (plane(*slew, *load) / 1e3).to_string()).collect();
                format!("\"{}\"", row.join(", "))
            };
            slews.iter().map(row).collect::<Vec<_>>().join(", ")
        };
        let slew_first =
            read(&format!("cell_rise (t) {{ values ({}); }}", rows(&[10.0, 30.0], &[1.0, 2.0, 4.0]))).unwrap();
        let columns: Vec<String> = [1.0, 2.0, 4.0]
            .map(|load| format!("\"{}, {}\"", plane(10.0, load) / 1e3, plane(30.0, load) / 1e3))
            .into();
        let load_first = read(&format!("cell_rise (u) {{ values ({}); }}", columns.join(", "))).unwrap();
        for (slew, load) in [(10.0, 1.0), (30.0, 4.0), (17.0, 3.1), (5.0, 0.2), (80.0, 9.0), (10.0, 4.0)] {
            for table in [&slew_first, &load_first] {
                assert!((table.at(slew, load) - plane(slew, load)).abs() < 1e-9, "{slew} {load}: {table:?}");
            }
        }
        let constant = read("cell_rise (scalar) { values (\"0.25\"); }").unwrap();
        assert_eq!(constant.at(12.0, 7.0), 250.0);
        assert!((slew_first.nearest(1.0, 9.0) - plane(10.0, 4.0)).abs() < 1e-9);
        let own = read("cell_rise (t) { index_2 (\"0.001, 0.003\"); values (\"1, 3\", \"1, 3\"); }").unwrap();
        assert!((own.at(20.0, 2.0) - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        for (body, part) in [
            ("cell_rise (t) { }", "has no values"),
            ("cell_rise (q) { values (\"1\"); }", "template \"q\""),
            ("cell_rise (t) { values (\"1, 2\"); }", "2 values where its indices ask for 6"),
            ("cell_rise (t) { values (\"1, x\"); }", "\"x\" is no number"),
            ("cell_rise (t) { index_1 (\"2, 1\"); values (\"1, 2\"); }", "ascending"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.message.contains(part), "{body}: {error:?}");
        }
    }
}
