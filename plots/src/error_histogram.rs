//! Distribution of a multiplier's product error, one panel a kind of error or an operating point.

use crate::axis::Scale;
use crate::error::{PlotError, require_finite, require_fraction, require_some};
use crate::figure::{Caption, Figure};
use crate::font::Weight;
use crate::number;
use crate::output;
use crate::panel::{Panel, Titles};
use crate::scene::{Align, Rect, Scene, Text};
use crate::style::{self, BODY, SMALL};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorHistogram {
    /// Title, and design, technology, clock and the stimulus's name.
    pub caption: Caption,
    /// From top to bottom, on common axes. Approximation error and timing error have one each: they are never one number.
    pub panels: Vec<Distribution>,
}

/// One distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// What kind of error and where, as `timing error at 0.85 V`.
    pub name: String,
    /// Errors and their probabilities, in any order; a stroke each, so bin what has more than some thousand values.
    pub outcomes: Vec<Outcome>,
}

/// One error, or a bin of errors by its centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Product minus correct product, in units of the product's last place; zero only for correct products.
    pub error: f64,
    /// Probability, 0…1.
    pub probability: f64,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If a distribution is empty, a probability or the sum of them not in 0…1, or a number not finite; or on failing to write.
pub fn draw(data: &ErrorHistogram, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// How far above 1 rounding may bring a sum of probabilities.
const SUM_ROUNDING: f64 = 1e-6;

/// Height of the line above each panel.
const HEADING: f64 = 30.0;
/// Least height of a panel between its axes.
const LEAST_HEIGHT: f64 = 95.0;

pub(crate) fn scene(data: &ErrorHistogram) -> Result<Scene, PlotError> {
    check(data)?;
    let outcomes =
        || data.panels.iter().flat_map(|panel| &panel.outcomes).filter(|outcome| outcome.probability > 0.0);
    let x = Scale::signed_doublings(outcomes().map(|outcome| outcome.error));
    let y = Scale::decades(outcomes().map(|outcome| outcome.probability));

    let count = data.panels.len() as f64;
    let mut figure = Figure::new(&data.caption, style::HEIGHT.max(150.0 + count * (LEAST_HEIGHT + HEADING)));
    let free = figure.free;
    // The height that labels and title of the common x axis need.
    let below = free.height() - Panel::within(free, 0.0, x, y, true).area.height();
    let height = (free.height() - below) / count;
    let left = Panel::left_of_axis(&y, height - HEADING);
    for (index, distribution) in data.panels.iter().enumerate() {
        let last = index + 1 == data.panels.len();
        let top = free.top + index as f64 * height;
        let outer = Rect { top: top + HEADING, bottom: top + height + if last { below } else { 0.0 }, ..free };
        let panel = Panel::within(outer, left, x, y, last);
        let titles = Titles { x: last.then_some("error of the product (units of its last place)"), y: "probability" };
        panel.draw_axes(&mut figure.scene, titles);
        draw_heading(&mut figure.scene, &panel, distribution, index);
        draw_strokes(&mut figure.scene, &panel, distribution, index);
    }
    Ok(figure.scene)
}

fn draw_heading(scene: &mut Scene, panel: &Panel, distribution: &Distribution, index: usize) {
    let baseline = panel.area.top - 8.0;
    let colour = style::legible(style::colour(index));
    let name = style::text(&distribution.name, (panel.area.left, baseline), BODY, Align::Start, colour);
    scene.text(Text { weight: Weight::Bold, ..name });
    let wrong = distribution.outcomes.iter().filter(|outcome| outcome.error != 0.0);
    let rate = wrong.map(|outcome| outcome.probability).sum();
    let note = format!("error rate {}", number::percentage(rate));
    scene.text(style::text(note, (panel.area.right, baseline), SMALL, Align::End, style::QUIET));
}

fn draw_strokes(scene: &mut Scene, panel: &Panel, distribution: &Distribution, index: usize) {
    let width = if distribution.outcomes.len() > 200 { 1.0 } else { 2.0 };
    for outcome in distribution.outcomes.iter().filter(|outcome| outcome.probability > 0.0) {
        let top = panel.point(outcome.error, outcome.probability);
        let colour = if outcome.error == 0.0 { style::BASELINE } else { style::colour(index) };
        scene.line(vec![(top.0, panel.area.bottom), top], colour, width);
    }
}

fn check(data: &ErrorHistogram) -> Result<(), PlotError> {
    require_some(&data.panels, "distributions")?;
    for distribution in &data.panels {
        require_some(&distribution.outcomes, format!("outcomes of {}", distribution.name))?;
        for outcome in &distribution.outcomes {
            require_finite(outcome.error, "error")?;
            require_fraction(outcome.probability, "probability")?;
        }
        let sum: f64 = distribution.outcomes.iter().map(|outcome| outcome.probability).sum();
        if sum > 1.0 + SUM_ROUNDING {
            let what = format!("sum of probabilities of {}", distribution.name);
            return Err(PlotError::Invalid { what, value: sum, requirement: "at most 1" });
        }
    }
    Ok(())
}
