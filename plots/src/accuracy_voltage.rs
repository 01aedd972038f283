//! Test accuracy against supply voltage, one line a training method, with its interval over seeds.

use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_positive, require_some};
use crate::figure::{Caption, Figure};
use crate::legend::{Key, Row, Sample};
use crate::panel::Titles;
use crate::scene::Scene;
use crate::style::{self, Dash, Marker, Stroke};
use crate::{Estimate, number, output};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct AccuracyVoltage {
    /// Title, and data set, model, design and clock.
    pub caption: Caption,
    /// One line each.
    pub series: Vec<Series>,
    /// Accuracy, 0…1, of the exact multiplier at nominal supply, as a dashed line.
    pub exact_at_nominal: Option<f64>,
    /// Accuracy, 0…1, at which the axis begins, so that a collapse does not flatten the rest; all is shown without.
    pub accuracy_from: Option<f64>,
}

/// One training method.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of the method.
    pub method: String,
    /// Measured points, in any order.
    pub points: Vec<Point>,
}

/// Accuracy at one supply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Supply voltage, V.
    pub supply_v: f64,
    /// Share of test images classified correctly, 0…1.
    pub accuracy: Estimate,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If a series is empty, a supply is not positive, an accuracy not in 0…1 or a number not finite; or on failing to write.
pub fn draw(data: &AccuracyVoltage, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &AccuracyVoltage) -> Result<Scene, PlotError> {
    check(data)?;
    let points = || data.series.iter().flat_map(|series| &series.points);
    let x = Scale::around(points().map(|point| point.supply_v));
    let accuracies = points().flat_map(|point| [point.accuracy.low, point.accuracy.mean, point.accuracy.high]);
    let percentages = accuracies.chain(data.exact_at_nominal).map(|accuracy| accuracy * 100.0);
    let y = Scale::percentages(percentages, data.accuracy_from.map(|accuracy| accuracy * 100.0));

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    let stroke = |index| Stroke::solid(style::colour(index), style::LINE);
    let methods = data.series.iter().enumerate().map(|(index, series)| {
        let sample = Sample::Line(stroke(index), Some(Marker::nth(index)));
        Key::new(sample, &series.method)
    });
    let interval = points().any(|point| point.accuracy.has_width());
    let interval = interval.then(|| Key::new(Sample::Band(style::BASELINE), "95 % interval over seeds"));
    let notes = data.exact_at_nominal.map(exact_key).into_iter().chain(interval).collect();
    figure.legend(&[Row { heading: "", keys: methods.collect() }, Row { heading: "", keys: notes }]);

    let panel = figure.panel(x, y, Titles { x: Some("supply voltage (V)"), y: "test accuracy (%)" });
    let scene = &mut figure.scene;
    if let Some(accuracy) = data.exact_at_nominal {
        panel.horizontal_rule(scene, accuracy * 100.0);
    }
    let sorted: Vec<Vec<(f64, Estimate)>> = data.series.iter().map(by_supply).collect();
    for (index, points) in sorted.iter().enumerate() {
        panel.band(scene, points, style::colour(index));
    }
    for (index, points) in sorted.iter().enumerate() {
        panel.curve(scene, points.iter().map(|(supply, accuracy)| (*supply, accuracy.mean)), stroke(index));
        for (supply, accuracy) in points {
            if points.len() == 1 {
                panel.whisker(scene, *supply, accuracy, style::colour(index));
            }
            panel.marker(scene, (*supply, accuracy.mean), Marker::nth(index), style::colour(index));
        }
    }
    Ok(figure.scene)
}

/// The legend's entry for the dashed line.
pub(crate) fn exact_key(accuracy: f64) -> Key {
    target_key(accuracy, "exact multiplier at nominal supply")
}

/// The legend's entry for a dashed line at an accuracy.
pub(crate) fn target_key(accuracy: f64, what: &str) -> Key {
    let stroke = Stroke { dash: Dash::Dashed, ..Stroke::solid(style::QUIET, style::THIN) };
    let percentage = number::fixed(accuracy * 100.0, 1);
    Key::new(Sample::Line(stroke, None), format!("{what} ({percentage} %)"))
}

fn by_supply(series: &Series) -> Vec<(f64, Estimate)> {
    let mut points: Vec<_> =
        series.points.iter().map(|point| (point.supply_v, point.accuracy.scaled(100.0))).collect();
    points.sort_by(|(first, _), (second, _)| first.total_cmp(second));
    points
}

fn check(data: &AccuracyVoltage) -> Result<(), PlotError> {
    require_some(&data.series, "series")?;
    for series in &data.series {
        require_some(&series.points, format!("points of {}", series.method))?;
        for point in &series.points {
            require_positive(point.supply_v, "supply voltage")?;
            point.accuracy.require_fraction("accuracy")?;
        }
    }
    for accuracy in data.exact_at_nominal.iter().chain(&data.accuracy_from) {
        require_fraction(*accuracy, "accuracy")?;
    }
    Ok(())
}
