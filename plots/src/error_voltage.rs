//! Error rate against supply voltage, one line a design or memory, and below it the energy.

use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_not_negative, require_positive, require_some};
use crate::figure::{Caption, Figure};
use crate::font::{self, Weight};
use crate::label;
use crate::legend::{Key, Row, Sample};
use crate::number::{self, EnergyUnit};
use crate::output;
use crate::panel::{Panel, Titles};
use crate::scene::{Align, Rect, Scene};
use crate::style::{self, Dash, Marker, SMALL, Stroke};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorVoltage {
    /// Title, and technology, clock and the stimulus's name.
    pub caption: Caption,
    /// What is drawn over the supply.
    pub quantities: Quantities,
    /// One line each.
    pub designs: Vec<Design>,
}

/// What the axes and the dotted line say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantities {
    /// Late products, energy of an operation, supplies at which static timing fails.
    Timing,
    /// Failing memory cells, energy of an image, lowest supplies without failures.
    Memory,
}

impl Quantities {
    fn error(self) -> &'static str {
        match self {
            Self::Timing => "timing error rate",
            Self::Memory => "bit-error rate",
        }
    }

    fn per(self) -> &'static str {
        match self {
            Self::Timing => "op",
            Self::Memory => "image",
        }
    }

    fn supply(self) -> &'static str {
        match self {
            Self::Timing => "supply voltage (V)",
            Self::Memory => "supply voltage of the memory (V)",
        }
    }

    fn critical(self) -> &'static str {
        match self {
            Self::Timing => "critical voltage: static timing fails at and below it",
            Self::Memory => "Vmin: lowest supply without failures",
        }
    }
}

/// One multiplier design.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Name of the design.
    pub name: String,
    /// Highest supply at which static timing fails, V; marked by a dotted line.
    pub critical_v: Option<f64>,
    /// Measured points, in any order.
    pub points: Vec<Point>,
}

/// One operating point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Supply voltage, V.
    pub supply_v: f64,
    /// Share of operations whose result was captured wrong, 0…1.
    pub error_rate: f64,
    /// Energy of an operation, fJ. The second panel appears if any point has one.
    pub energy_fj: Option<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If a design has no points, a supply is not positive, a rate not in 0…1, an energy negative or a number not finite; or
/// on failing to write.
pub fn draw(data: &ErrorVoltage, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Height of the line of critical voltages above the panel.
const CRITICAL_LINE: f64 = 28.0;
/// Space between the two panels.
const BETWEEN: f64 = 22.0;
/// Share of the height that the error rate has if both panels are there.
const UPPER_SHARE: f64 = 0.52;

/// How far rows of points without errors may be from the zero line, as a share of the panel's height.
const ZERO_ROWS: f64 = 0.035;

pub(crate) fn scene(data: &ErrorVoltage) -> Result<Scene, PlotError> {
    check(data)?;
    let points = || data.designs.iter().flat_map(|design| &design.points);
    let critical = || data.designs.iter().filter_map(|design| design.critical_v);
    let x = Scale::around(points().map(|point| point.supply_v).chain(critical()));
    let rate = Scale::decades(points().map(|point| point.error_rate));
    let largest_fj = points().filter_map(|point| point.energy_fj).reduce(f64::max);
    let energy = largest_fj.map(|largest| {
        let unit = EnergyUnit::for_largest(largest * 1e-15);
        (unit, Scale::from_zero([largest * unit.per_femtojoule()]))
    });

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    figure.legend(&legend(data));
    let top = figure.free.top + if critical().next().is_some() { CRITICAL_LINE } else { 12.0 };
    let free = Rect { top, ..figure.free };
    let split = if energy.is_some() { free.top + free.height() * UPPER_SHARE } else { free.bottom };
    let upper = Rect { bottom: split, ..free };
    let lower = Rect { top: split + BETWEEN, ..free };
    let widths = [Some((rate, upper)), energy.map(|(_, scale)| (scale, lower))];
    let widths = widths.into_iter().flatten().map(|(scale, outer)| Panel::left_of_axis(&scale, outer.height()));
    let left = widths.fold(0.0, f64::max);

    let x_title = Some(data.quantities.supply());
    let titles = Titles { x: x_title.filter(|_| energy.is_none()), y: data.quantities.error() };
    let panel = Panel::within(upper, left, x, rate, titles.x.is_some());
    panel.draw_axes(&mut figure.scene, titles);
    draw_critical(&mut figure.scene, &panel, data, true);
    draw_rates(&mut figure.scene, &panel, data);
    if let Some((unit, scale)) = energy {
        let panel = Panel::within(lower, left, x, scale, true);
        let y_title = format!("energy ({}/{})", unit.symbol, data.quantities.per());
        panel.draw_axes(&mut figure.scene, Titles { x: x_title, y: &y_title });
        draw_critical(&mut figure.scene, &panel, data, false);
        draw_energies(&mut figure.scene, &panel, data, unit);
    }
    Ok(figure.scene)
}

fn stroke(index: usize) -> Stroke {
    Stroke::solid(style::colour(index), style::LINE)
}

fn by_supply(design: &Design) -> Vec<Point> {
    let mut points = design.points.clone();
    points.sort_by(|first, second| first.supply_v.total_cmp(&second.supply_v));
    points
}

fn legend(data: &ErrorVoltage) -> [Row; 2] {
    let designs = data.designs.iter().enumerate().map(|(index, design)| {
        let sample = Sample::Line(stroke(index), Some(Marker::nth(index)));
        Key::new(sample, &design.name)
    });
    let mut notes = Vec::new();
    if data.designs.iter().any(|design| design.critical_v.is_some()) {
        let dotted = Stroke { dash: Dash::Dotted, ..Stroke::solid(style::BASELINE, style::LINE) };
        notes.push(Key::new(Sample::Line(dotted, None), data.quantities.critical()));
    }
    if data.designs.iter().flat_map(|design| &design.points).any(|point| point.error_rate == 0.0) {
        notes.push(Key::new(Sample::HollowMarker(style::BASELINE), "no error seen"));
    }
    [Row { heading: "", keys: designs.collect() }, Row { heading: "", keys: notes }]
}

/// Dotted lines at the critical voltages, and above the upper panel their values, moved apart where they would touch.
fn draw_critical(scene: &mut Scene, panel: &Panel, data: &ErrorVoltage, labelled: bool) {
    let designs = data.designs.iter().enumerate();
    let mut critical: Vec<(f64, usize)> =
        designs.filter_map(|(index, design)| design.critical_v.map(|supply| (supply, index))).collect();
    critical.sort_by(|(first, _), (second, _)| first.total_cmp(second));
    for (supply, index) in &critical {
        panel.vertical_rule(scene, *supply, style::colour(*index));
    }
    if !labelled {
        return;
    }
    let widest = critical.iter().map(|(supply, _)| font::width(&number::supply(*supply), SMALL, Weight::Regular));
    let widest = widest.fold(0.0, f64::max);
    let places: Vec<f64> = critical.iter().map(|(supply, _)| panel.point(*supply, 1.0).0).collect();
    let limits = (panel.area.left + widest / 2.0, panel.area.right - widest / 2.0);
    let spread = label::spread(&places, widest + 8.0, limits.0, limits.1);
    for (((supply, index), place), x) in critical.into_iter().zip(places).zip(spread) {
        let top = panel.area.top;
        if (x - place).abs() > 1.0 {
            scene.line(vec![(place, top), (x, top - 5.0)], style::colour(index), style::HAIR);
        }
        let colour = style::legible(style::colour(index));
        scene.text(style::text(number::supply(supply), (x, top - 7.0), SMALL, Align::Middle, colour));
    }
}

fn draw_rates(scene: &mut Scene, panel: &Panel, data: &ErrorVoltage) {
    for (index, design) in data.designs.iter().enumerate() {
        // No line between a rate and no errors at all: on a logarithmic axis it would have no meaning.
        let points = by_supply(design);
        for run in points.split(|point| point.error_rate == 0.0) {
            panel.curve(scene, run.iter().map(|point| (point.supply_v, point.error_rate)), stroke(index));
        }
    }
    // Around the zero line each design has a row of its own, so that none hides another.
    let middle = (data.designs.len() - 1) as f64 / 2.0;
    let pitch = f64::min(9.0, ZERO_ROWS * panel.area.height() / middle.max(0.5));
    for (index, design) in data.designs.iter().enumerate() {
        let (marker, colour) = (Marker::nth(index), style::colour(index));
        for point in &design.points {
            if point.error_rate > 0.0 {
                panel.marker(scene, (point.supply_v, point.error_rate), marker, colour);
            } else {
                let (x, y) = panel.point(point.supply_v, 0.0);
                marker.draw_hollow(scene, (x, y + (index as f64 - middle) * pitch), colour);
            }
        }
    }
}

fn draw_energies(scene: &mut Scene, panel: &Panel, data: &ErrorVoltage, unit: EnergyUnit) {
    let energies = |design: &Design| {
        let known = by_supply(design).into_iter().filter_map(|point| Some((point.supply_v, point.energy_fj?)));
        known.map(|(supply, energy)| (supply, energy * unit.per_femtojoule())).collect::<Vec<_>>()
    };
    for (index, design) in data.designs.iter().enumerate() {
        panel.curve(scene, energies(design), stroke(index));
    }
    for (index, design) in data.designs.iter().enumerate() {
        for place in energies(design) {
            panel.marker(scene, place, Marker::nth(index), style::colour(index));
        }
    }
}

fn check(data: &ErrorVoltage) -> Result<(), PlotError> {
    require_some(&data.designs, "designs")?;
    for design in &data.designs {
        require_some(&design.points, format!("points of {}", design.name))?;
        if let Some(supply) = design.critical_v {
            require_positive(supply, "critical voltage")?;
        }
        for point in &design.points {
            require_positive(point.supply_v, "supply voltage")?;
            require_fraction(point.error_rate, "error rate")?;
            if let Some(energy) = point.energy_fj {
                require_not_negative(energy, "energy per operation")?;
            }
        }
    }
    Ok(())
}
