//! Accuracy against the share of failing memory cells, one line a method and memory, with its band over chips.

use crate::accuracy_voltage::target_key;
use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_positive, require_some};
use crate::figure::{Caption, Figure};
use crate::legend::{Key, Row, Sample};
use crate::panel::Titles;
use crate::scene::Scene;
use crate::style::{self, Marker, Stroke};
use crate::{Estimate, output};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct AccuracyBitErrors {
    /// Title, and data set, model, fault model and number of chips.
    pub caption: Caption,
    /// One line each.
    pub series: Vec<Series>,
    /// Accuracy, 0…1, that counts as good, as a dashed line.
    pub target: Option<f64>,
}

/// One method and memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of both.
    pub name: String,
    /// Simulated points, in any order.
    pub points: Vec<Point>,
}

/// All chips at one bit-error rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Share of cells that fail, above 0.
    pub bit_error_rate: f64,
    /// Mean accuracy, 0…1, and between what limits nine of ten chips lie.
    pub chips: Estimate,
    /// Accuracy of the worst chip, 0…1.
    pub worst: f64,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If a series is empty, a rate not above 0 and at most 1, an accuracy not in 0…1 or a number not finite; or on failing to write.
pub fn draw(data: &AccuracyBitErrors, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &AccuracyBitErrors) -> Result<Scene, PlotError> {
    check(data)?;
    let points = || data.series.iter().flat_map(|series| &series.points);
    let x = Scale::decades(points().map(|point| point.bit_error_rate));
    let accuracies = points().flat_map(|point| [point.chips.low, point.chips.high, point.worst]);
    let y = Scale::percentages(accuracies.chain(data.target).map(|accuracy| accuracy * 100.0), None);

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    let stroke = |index| Stroke::solid(style::colour(index), style::LINE);
    let lines = data.series.iter().enumerate().map(|(index, series)| {
        let sample = Sample::Line(stroke(index), Some(Marker::nth(index)));
        Key::new(sample, &series.name)
    });
    let band = Key::new(Sample::Band(style::BASELINE), "nine of ten chips");
    let worst = Key::new(Sample::HollowMarker(style::BASELINE), "worst chip");
    let target = data.target.map(|target| target_key(target, "counts as good"));
    let notes = target.into_iter().chain([band, worst]).collect();
    figure.legend(&[Row { heading: "", keys: lines.collect() }, Row { heading: "", keys: notes }]);

    let titles = Titles { x: Some("share of memory cells that fail"), y: "test accuracy (%)" };
    let panel = figure.panel(x, y, titles);
    let scene = &mut figure.scene;
    if let Some(target) = data.target {
        panel.horizontal_rule(scene, target * 100.0);
    }
    let sorted: Vec<Vec<Point>> = data.series.iter().map(by_rate).collect();
    for (index, points) in sorted.iter().enumerate() {
        let band: Vec<(f64, Estimate)> =
            points.iter().map(|point| (point.bit_error_rate, point.chips.scaled(100.0))).collect();
        panel.band(scene, &band, style::colour(index));
    }
    for (index, points) in sorted.iter().enumerate() {
        let colour = style::colour(index);
        let means = points.iter().map(|point| (point.bit_error_rate, point.chips.mean * 100.0));
        panel.curve(scene, means.clone(), stroke(index));
        for (place, point) in means.zip(points) {
            if points.len() == 1 {
                panel.whisker(scene, point.bit_error_rate, &point.chips.scaled(100.0), colour);
            }
            let worst = panel.point(point.bit_error_rate, point.worst * 100.0);
            Marker::nth(index).draw_hollow(scene, worst, colour);
            panel.marker(scene, place, Marker::nth(index), colour);
        }
    }
    Ok(figure.scene)
}

fn by_rate(series: &Series) -> Vec<Point> {
    let mut points = series.points.clone();
    points.sort_by(|first, second| first.bit_error_rate.total_cmp(&second.bit_error_rate));
    points
}

fn check(data: &AccuracyBitErrors) -> Result<(), PlotError> {
    require_some(&data.series, "series")?;
    for series in &data.series {
        require_some(&series.points, format!("points of {}", series.name))?;
        for point in &series.points {
            require_positive(point.bit_error_rate, "bit-error rate")?;
            require_fraction(point.bit_error_rate, "bit-error rate")?;
            point.chips.require_fraction("accuracy")?;
            require_fraction(point.worst, "accuracy")?;
        }
    }
    data.target.map_or(Ok(()), |target| require_fraction(target, "accuracy"))
}
