//! Distributions fitted to a multiplier's errors, over the errors themselves, in bins that double.

use crate::axis::Scale;
use crate::error::{PlotError, require_finite, require_fraction, require_some};
use crate::figure::{Caption, Figure};
use crate::legend::{Key, Row, Sample};
use crate::number;
use crate::output;
use crate::panel::Titles;
use crate::scene::{Rect, Scene};
use crate::style::{self, Marker, Stroke};
use plotters::style::Color;
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorFit {
    /// Title, and design, technology, operating point and the stimulus's name.
    pub caption: Caption,
    /// Bins in ascending order that do not overlap.
    pub bins: Vec<Bin>,
    /// A line each, best first.
    pub fits: Vec<FittedModel>,
}

/// Errors from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Least error, in units of the product's last place.
    pub low: f64,
    /// Largest error.
    pub high: f64,
    /// Probability of such an error, 0…1.
    pub probability: f64,
}

/// A distribution and its misfit.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedModel {
    /// As `normal`.
    pub name: String,
    /// Largest difference of the cumulative distributions, 0…1.
    pub ks: f64,
    /// Probability of each bin, 0…1.
    pub probability: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no bins, a fit has not one probability a bin, a probability is not in 0…1 or a number not finite; or on failing to
/// write.
pub fn draw(data: &ErrorFit, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Decades below the rarest error that fits are followed.
const BELOW: f64 = 100.0;

pub(crate) fn scene(data: &ErrorFit) -> Result<Scene, PlotError> {
    check(data)?;
    let x = Scale::signed_doublings(data.bins.iter().flat_map(|bin| [bin.low, bin.high]));
    let seen = || data.bins.iter().map(|bin| bin.probability).filter(|probability| *probability > 0.0);
    let rarest = seen().fold(1.0, f64::min);
    let y = Scale::decades(seen().chain([rarest / BELOW, 1.0]));

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    // Worse fits lie below and are wider, so that they show where a better one covers them.
    let stroke = |index: usize| Stroke::solid(style::colour(index), style::LINE + 2.0 * index as f64);
    let keys = data.fits.iter().enumerate().map(|(index, fit)| {
        let sample = Sample::Line(stroke(index), Some(Marker::nth(index)));
        Key::new(sample, format!("{} (KS {})", fit.name, number::three_digits(fit.ks)))
    });
    let errors = Key::new(Sample::Fill(style::BAR), "errors");
    figure.legend(&[Row { heading: "", keys: std::iter::once(errors).chain(keys).collect() }]);
    let titles = Titles { x: Some("error of the product (units of its last place)"), y: "probability of the bin" };
    let panel = figure.panel(x, y, titles);
    for bin in data.bins.iter().filter(|bin| bin.probability > 0.0) {
        // Integers at the ends of a bin are inside it.
        let (left, top) = panel.point(bin.low - 0.5, bin.probability);
        let (right, _) = panel.point(bin.high + 0.5, bin.probability);
        let gap = ((right - left) * 0.08).min(1.0);
        let bar = Rect { left: left + gap, right: right - gap, top, bottom: panel.area.bottom };
        figure.scene.fill(bar.outline(), style::BAR.to_rgba());
    }
    let floor = rarest / BELOW;
    for (index, fit) in data.fits.iter().enumerate().rev() {
        let points: Vec<(f64, f64)> =
            data.bins.iter().zip(&fit.probability).map(|(bin, p)| (centre(bin), *p)).collect();
        for run in points.split(|(_, probability)| *probability < floor) {
            panel.curve(&mut figure.scene, run.iter().copied(), stroke(index));
        }
        for point in points.into_iter().filter(|(_, probability)| *probability >= floor) {
            panel.marker(&mut figure.scene, point, Marker::nth(index), style::colour(index));
        }
    }
    Ok(figure.scene)
}

/// The middle of a bin on an axis that doubles.
fn centre(bin: &Bin) -> f64 {
    if bin.low * bin.high > 0.0 { bin.low.signum() * (bin.low * bin.high).sqrt() } else { (bin.low + bin.high) / 2.0 }
}

fn check(data: &ErrorFit) -> Result<(), PlotError> {
    require_some(&data.bins, "bins")?;
    for bin in &data.bins {
        require_finite(bin.low, "error")?;
        require_finite(bin.high, "error")?;
        require_fraction(bin.probability, "probability")?;
    }
    for fit in &data.fits {
        require_fraction(fit.ks, "misfit")?;
        let (found, expected) = (fit.probability.len(), data.bins.len());
        if found != expected {
            return Err(PlotError::Length { what: fit.name.clone(), found, expected });
        }
        fit.probability.iter().try_for_each(|probability| require_fraction(*probability, "probability of a fit"))?;
    }
    Ok(())
}
