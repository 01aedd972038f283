//! Test accuracy against energy per image: what each training method on each design buys as the supply falls.

use crate::accuracy_voltage::exact_key;
use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_not_negative, require_positive, require_some};
use crate::figure::{Caption, Figure};
use crate::label::Placer;
use crate::legend::{Key, Row, Sample, distinct};
use crate::number::{self, EnergyUnit};
use crate::panel::{Panel, Titles};
use crate::scene::{Align, Scene};
use crate::style::{self, Dash, Marker, Stroke};
use crate::{Estimate, output};
use plotters::style::RGBColor;
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyAccuracy {
    /// Title, and data set, model, array, clock and number of seeds.
    pub caption: Caption,
    /// One line each; colour tells the group, marker shape the design.
    pub series: Vec<Series>,
    /// What a group is, as the legend says it: `training` or `variation`.
    pub groups: &'static str,
    /// Accuracy, 0…1, of the exact multiplier at nominal supply, as a dashed line.
    pub exact_at_nominal: Option<f64>,
    /// Energy per image, µJ, and accuracy, 0…1, of the points that no other beats, by ascending energy: most accuracy for
    /// at most an energy, as a broad line of steps behind all others. Empty for none.
    pub front: Vec<[f64; 2]>,
    /// Accuracy, 0…1, at which the axis begins, so that a collapse does not flatten the rest; all is shown without.
    pub accuracy_from: Option<f64>,
}

/// One training method, or other group, on one design.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of the training method or other group.
    pub method: String,
    /// Name of the multiplier design.
    pub design: String,
    /// Drawn in grey, as what the others are compared with.
    pub baseline: bool,
    /// One point a supply voltage, in any order; neighbouring supplies are connected.
    pub points: Vec<Point>,
}

/// One operating point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Supply voltage, V.
    pub supply_v: f64,
    /// Energy per image, µJ.
    pub energy_uj: f64,
    /// Share of test images classified correctly, 0…1.
    pub accuracy: Estimate,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If a series is empty, a supply is not positive, an energy negative, an accuracy not in 0…1 or a number not finite; or
/// on failing to write.
pub fn draw(data: &EnergyAccuracy, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &EnergyAccuracy) -> Result<Scene, PlotError> {
    check(data)?;
    let points = || data.series.iter().flat_map(|series| &series.points);
    let largest_uj = points().map(|point| point.energy_uj).fold(0.0, f64::max);
    let unit = EnergyUnit::for_largest(largest_uj * 1e-6);
    let shown = |point: &&Point| data.accuracy_from.is_none_or(|from| point.accuracy.mean >= from);
    let x = Scale::around(points().filter(shown).map(|point| point.energy_uj * unit.per_microjoule()));
    let accuracies = points().flat_map(|point| [point.accuracy.low, point.accuracy.mean, point.accuracy.high]);
    let percentages = accuracies.chain(data.exact_at_nominal).map(|accuracy| accuracy * 100.0);
    let y = Scale::percentages(percentages, data.accuracy_from.map(|accuracy| accuracy * 100.0));

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    let lines = lines(data, unit);
    figure.legend(&legend(data, &lines));
    let x_title = format!("energy per image ({})", unit.symbol);
    let panel = figure.panel(x, y, Titles { x: Some(&x_title), y: "test accuracy (%)" });
    let scene = &mut figure.scene;
    if let Some(accuracy) = data.exact_at_nominal {
        panel.horizontal_rule(scene, accuracy * 100.0);
    }
    let front = data.front.iter().map(|[energy, accuracy]| (energy * unit.per_microjoule(), accuracy * 100.0));
    panel.curve(scene, steps(front), FRONT);
    for line in &lines {
        panel.curve(scene, line.places(), line.stroke);
    }
    for line in &lines {
        for point in &line.points {
            panel.whisker(scene, point.energy, &point.percent, line.stroke.colour);
        }
    }
    for line in &lines {
        for place in line.places() {
            panel.marker(scene, place, line.marker, line.stroke.colour);
        }
    }
    label_supplies(scene, &panel, &lines, data.exact_at_nominal);
    Ok(figure.scene)
}

/// The line of unbeaten points.
const FRONT: Stroke = Stroke { colour: style::BAR, width: 6.0, dash: Dash::Solid };

/// Each place, and before it the corner below: what the place before it gives up to its energy.
fn steps(places: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut path: Vec<(f64, f64)> = Vec::new();
    for (x, y) in places {
        path.extend(path.last().map(|&(_, below)| (x, below)));
        path.push((x, y));
    }
    path
}

/// Percentage points below its best accuracy at which a line counts as having hit the wall: only the choice of which
/// points have their supply written beside them depends on it.
const WALL_FALL: f64 = 2.0;

/// A series as it is drawn: from the highest supply down, in the axes' units.
struct Line<'a> {
    series: &'a Series,
    stroke: Stroke,
    marker: Marker,
    points: Vec<Placed>,
}

struct Placed {
    supply_v: f64,
    energy: f64,
    percent: Estimate,
}

impl Line<'_> {
    fn places(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().map(|point| (point.energy, point.percent.mean))
    }

    /// The lowest supply before accuracy has fallen far: the last point worth operating at.
    fn wall(&self) -> Option<usize> {
        let best = self.places().map(|(_, percent)| percent).fold(0.0, f64::max);
        self.places().position(|(_, percent)| percent < best - WALL_FALL).and_then(|below| below.checked_sub(1))
    }
}

fn methods(data: &EnergyAccuracy) -> Vec<&str> {
    distinct(data.series.iter().filter(|series| !series.baseline).map(|series| series.method.as_str()))
}

fn designs(data: &EnergyAccuracy) -> Vec<&str> {
    distinct(data.series.iter().map(|series| series.design.as_str()))
}

fn lines<'a>(data: &'a EnergyAccuracy, unit: EnergyUnit) -> Vec<Line<'a>> {
    let (methods, designs) = (methods(data), designs(data));
    let place = |names: &[&str], name: &str| names.iter().position(|other| *other == name).unwrap_or(0);
    let mut dashes = [Dash::Solid, Dash::Dashed, Dash::Dotted].into_iter().cycle();
    let mut stroke = |series: &Series| {
        let solid = |colour: RGBColor| Stroke::solid(colour, style::LINE);
        if series.baseline {
            Stroke { dash: dashes.next().unwrap_or(Dash::Solid), ..solid(style::BASELINE) }
        } else {
            solid(style::colour(place(&methods, &series.method)))
        }
    };
    let placed = |point: &Point| Placed {
        supply_v: point.supply_v,
        energy: point.energy_uj * unit.per_microjoule(),
        percent: point.accuracy.scaled(100.0),
    };
    let line = |series: &'a Series| {
        let Series { design, points, .. } = series;
        let mut points: Vec<Placed> = points.iter().map(placed).collect();
        points.sort_by(|first, second| second.supply_v.total_cmp(&first.supply_v));
        Line { series, stroke: stroke(series), marker: Marker::nth(place(&designs, design)), points }
    };
    // Baselines first: what is compared with them is drawn on top.
    let (baselines, others): (Vec<&Series>, Vec<_>) = data.series.iter().partition(|series| series.baseline);
    baselines.into_iter().chain(others).map(line).collect()
}

fn legend(data: &EnergyAccuracy, lines: &[Line]) -> [Row; 3] {
    let methods = methods(data).into_iter().enumerate();
    let methods = methods.map(|(index, method)| {
        Key::new(Sample::Line(Stroke::solid(style::colour(index), style::LINE * 1.5), None), method)
    });
    // A design that only baselines use has its shape shown there.
    let compared = |design: &str| data.series.iter().any(|series| !series.baseline && series.design == design);
    let designs = designs(data).into_iter().enumerate().filter(|(_, design)| compared(design));
    let designs = designs.map(|(index, design)| Key::new(Sample::Marker(Marker::nth(index), style::INK), design));
    let baselines = lines.iter().filter(|line| line.series.baseline).map(|line| {
        let Series { method, design, .. } = line.series;
        Key::new(Sample::Line(line.stroke, Some(line.marker)), format!("{design}, {method}"))
    });
    let mut notes: Vec<Key> = baselines.chain(data.exact_at_nominal.map(exact_key)).collect();
    if data.front.len() > 1 {
        notes.push(Key::new(Sample::Line(FRONT, None), "beaten by none"));
    }
    if lines.iter().flat_map(|line| &line.points).any(|point| point.percent.has_width()) {
        notes.push(Key::new(Sample::Whisker(style::BASELINE), "95 % interval"));
    }
    [
        Row { heading: data.groups, keys: methods.collect() },
        Row { heading: "design", keys: designs.collect() },
        Row { heading: "reference", keys: notes },
    ]
}

/// Writes the supply beside the last point before each line's wall, its first and its last point, as far as there is room.
fn label_supplies(scene: &mut Scene, panel: &Panel, lines: &[Line], exact: Option<f64>) {
    let mut placer = Placer::new(panel.area);
    for line in lines {
        let path: Vec<_> = line.places().map(|(x, y)| panel.point(x, y)).collect();
        placer.avoid_line(&path);
        for (point, centre) in line.points.iter().zip(path) {
            placer.avoid_marker(centre, style::MARKER + 1.5);
            let whisker = [point.percent.low, point.percent.high].map(|percent| panel.point(point.energy, percent));
            placer.avoid_line(&whisker);
        }
    }
    if let Some(accuracy) = exact {
        let (_, y) = panel.point(0.0, accuracy * 100.0);
        placer.avoid_line(&[(panel.area.left, y), (panel.area.right, y)]);
    }
    let walls = lines.iter().enumerate().filter_map(|(line, walled)| Some((line, walled.wall()?, true)));
    let highest = (0..lines.len()).map(|line| (line, 0, false));
    let lowest = lines.iter().enumerate().map(|(line, lowered)| (line, lowered.points.len() - 1, false));
    let mut labelled = Vec::new();
    for (line, index, needed) in walls.chain(highest).chain(lowest) {
        let point = &lines[line].points[index];
        let centre = panel.point(point.energy, point.percent.mean);
        if labelled.contains(&(line, index)) || !panel.area.contains(centre) {
            continue;
        }
        labelled.push((line, index));
        let colour = style::legible(lines[line].stroke.colour);
        let label = style::text(number::supply(point.supply_v), centre, style::SMALL, Align::Start, colour);
        if let Some(label) = placer.place(centre, &label) {
            scene.text(label);
        } else if let Some((label, leader)) = needed.then(|| placer.place_away(centre, &label)).flatten() {
            scene.line(leader.into(), colour, style::HAIR);
            scene.text(label);
        }
    }
}

fn check(data: &EnergyAccuracy) -> Result<(), PlotError> {
    require_some(&data.series, "series")?;
    for series in &data.series {
        require_some(&series.points, format!("points of {} on {}", series.method, series.design))?;
        for point in &series.points {
            require_positive(point.supply_v, "supply voltage")?;
            require_not_negative(point.energy_uj, "energy per image")?;
            point.accuracy.require_fraction("accuracy")?;
        }
    }
    for [energy, _] in &data.front {
        require_not_negative(*energy, "energy per image")?;
    }
    let front = data.front.iter().map(|[_, accuracy]| accuracy);
    for accuracy in data.exact_at_nominal.iter().chain(&data.accuracy_from).chain(front) {
        require_fraction(*accuracy, "accuracy")?;
    }
    Ok(())
}
