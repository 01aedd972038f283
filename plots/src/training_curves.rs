//! Loss and accuracy during training, one line a method.

use crate::axis::Scale;
use crate::error::{PlotError, require_some};
use crate::figure::{Caption, Figure};
use crate::legend::{Key, Row, Sample};
use crate::panel::{Panel, Titles};
use crate::scene::{Rect, Scene};
use crate::style::{self, Marker, Stroke};
use crate::{Estimate, output};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingCurves {
    /// Title, and data set, model, what loss and accuracy were measured on, and number of seeds.
    pub caption: Caption,
    /// One line each.
    pub curves: Vec<Curve>,
}

/// One training method.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name of the method.
    pub method: String,
    /// Epochs, in any order.
    pub epochs: Vec<Epoch>,
}

/// The state after one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Number of the epoch; 0 is before training.
    pub epoch: u32,
    /// Mean loss.
    pub loss: Estimate,
    /// Share of images classified correctly, 0…1.
    pub accuracy: Estimate,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If a curve is empty, an accuracy not in 0…1 or a number not finite; or on failing to write.
pub fn draw(data: &TrainingCurves, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Space between the two panels.
const BETWEEN: f64 = 28.0;

pub(crate) fn scene(data: &TrainingCurves) -> Result<Scene, PlotError> {
    check(data)?;
    let epochs = || data.curves.iter().flat_map(|curve| &curve.epochs);
    let ends = |estimate: Estimate| [estimate.low, estimate.mean, estimate.high];
    let x = Scale::counts(epochs().map(|epoch| f64::from(epoch.epoch)));
    let loss = Scale::around(epochs().flat_map(|epoch| ends(epoch.loss)));
    let accuracy = Scale::percentages(epochs().flat_map(|epoch| ends(epoch.accuracy.scaled(100.0))), None);

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    let methods = data.curves.iter().enumerate();
    let methods = methods.map(|(index, curve)| Key::new(Sample::Line(stroke(index), None), &curve.method));
    let widths = epochs().any(|epoch| epoch.loss.has_width() || epoch.accuracy.has_width());
    let widths = widths.then(|| Key::new(Sample::Band(style::BASELINE), "95 % interval over seeds"));
    figure.legend(&[Row { heading: "", keys: methods.chain(widths).collect() }]);

    let free = Rect { top: figure.free.top + 10.0, ..figure.free };
    let middle = (free.left + free.right) / 2.0;
    let left = Rect { right: middle - BETWEEN / 2.0, ..free };
    let right = Rect { left: middle + BETWEEN / 2.0, ..free };
    let percent = |epoch: &Epoch| epoch.accuracy.scaled(100.0);
    draw_panel(&mut figure.scene, left, (x, loss), "loss", data, |epoch| epoch.loss);
    draw_panel(&mut figure.scene, right, (x, accuracy), "accuracy (%)", data, percent);
    Ok(figure.scene)
}

fn stroke(index: usize) -> Stroke {
    Stroke::solid(style::colour(index), style::LINE)
}

fn draw_panel(
    scene: &mut Scene,
    outer: Rect,
    (x, y): (Scale, Scale),
    title: &str,
    data: &TrainingCurves,
    quantity: impl Fn(&Epoch) -> Estimate,
) {
    let panel = Panel::within(outer, Panel::left_of_axis(&y, outer.height()), x, y, true);
    panel.draw_axes(scene, Titles { x: Some("epoch"), y: title });
    let curves = data.curves.iter().map(|curve| {
        let mut points: Vec<_> = curve.epochs.iter().map(|epoch| (f64::from(epoch.epoch), quantity(epoch))).collect();
        points.sort_by(|(first, _), (second, _)| first.total_cmp(second));
        points
    });
    let curves: Vec<_> = curves.collect();
    for (index, points) in curves.iter().enumerate() {
        panel.band(scene, points, style::colour(index));
    }
    for (index, points) in curves.iter().enumerate() {
        panel.curve(scene, points.iter().map(|(epoch, value)| (*epoch, value.mean)), stroke(index));
        // A line through one point would be invisible.
        if let [(epoch, value)] = points[..] {
            panel.marker(scene, (epoch, value.mean), Marker::Circle, style::colour(index));
        }
    }
}

fn check(data: &TrainingCurves) -> Result<(), PlotError> {
    require_some(&data.curves, "curves")?;
    for curve in &data.curves {
        require_some(&curve.epochs, format!("epochs of {}", curve.method))?;
        for epoch in &curve.epochs {
            epoch.loss.require_ordered("loss")?;
            epoch.accuracy.require_fraction("accuracy")?;
        }
    }
    Ok(())
}
