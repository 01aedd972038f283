//! Cells coloured by a number, and the bar that says which colour is which.

use crate::axis::Scale;
use crate::panel::Panel;
use crate::scene::{Align, Rect, Scene};
use crate::style::{self, INK, SMALL, THIN};
use plotters::style::{Color, RGBColor};

/// Colours that are told apart; more would only make larger files.
const SHADES: f64 = 96.0;
/// Width of the bar.
const BAR: f64 = 13.0;
/// Room between panel and bar, and for the bar's labels.
const BESIDE: (f64, f64) = (12.0, 58.0);

/// How numbers become colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeatScale {
    scale: Scale,
    diverging: bool,
}

impl HeatScale {
    /// Shares from pale to dark by decades; exact zeros stay white.
    pub(crate) fn rates(rates: impl IntoIterator<Item = f64>) -> Self {
        Self { scale: Scale::decades(rates.into_iter().chain([0.0])), diverging: false }
    }

    /// Positive numbers from pale to dark between the least and the largest.
    pub(crate) fn amounts(amounts: impl IntoIterator<Item = f64>) -> Self {
        Self { scale: Scale::around(amounts), diverging: false }
    }

    /// Signed numbers by doublings, white at zero and as far in one direction as in the other.
    pub(crate) fn signed(values: impl IntoIterator<Item = f64>) -> Self {
        let largest = values.into_iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
        Self { scale: Scale::signed_doublings([-largest, largest]), diverging: true }
    }

    fn colour(&self, value: f64) -> RGBColor {
        let position = self.scale.position(value).clamp(0.0, 1.0);
        if self.diverging {
            let share = ((2.0 * position - 1.0) * SHADES / 2.0).round() / (SHADES / 2.0);
            style::shade(usize::from(share < 0.0), share.abs())
        } else if value <= 0.0 {
            style::WHITE
        } else {
            // Down to the lowest decade a colour is visible on white.
            let above = self.scale.position(f64::MIN_POSITIVE.max(value));
            style::shade(0, 0.12 + 0.88 * (above * SHADES).round() / SHADES)
        }
    }
}

impl HeatScale {
    /// A colour for text on the colour of `value`.
    pub(crate) fn ink_on(&self, value: f64) -> RGBColor {
        if self.scale.position(value) > 0.5 { style::WHITE } else { INK }
    }
}

/// Edges of cells around `values`, which ascend: halfway between neighbours, and as far beyond the outermost.
pub(crate) fn edges(values: &[f64]) -> Vec<f64> {
    let (first, last) = (values[0], values[values.len() - 1]);
    let half = |pair: &[f64]| (pair[1] - pair[0]) / 2.0;
    let [before, after] = match values {
        [_] => [0.05 * first; 2],
        _ => [half(&values[..2]), half(&values[values.len() - 2..])],
    };
    let between = values.windows(2).map(|pair| pair[0] + half(pair));
    [first - before].into_iter().chain(between).chain([last + after]).collect()
}

/// What of `outer` is left for a panel beside its bar.
pub(crate) fn beside_bar(outer: Rect) -> Rect {
    Rect { right: outer.right - BESIDE.0 - BAR - BESIDE.1, ..outer }
}

/// Fills the panel with cells `[row][column]`, the first row lowest; `rows` and `columns` are their edges in data coordinates.
pub(crate) fn draw_cells(
    scene: &mut Scene,
    panel: &Panel,
    heat: &HeatScale,
    (columns, rows): (&[f64], &[f64]),
    cells: &[f64],
) {
    for (row, values) in cells.chunks_exact(columns.len() - 1).enumerate() {
        // Neighbours of one colour are one rectangle.
        let mut first = 0;
        for last in 0..values.len() {
            let colour = heat.colour(values[last]);
            if last + 1 < values.len() && heat.colour(values[last + 1]) == colour {
                continue;
            }
            if colour != style::WHITE {
                let (left, bottom) = panel.point(columns[first], rows[row]);
                let (right, top) = panel.point(columns[last + 1], rows[row + 1]);
                // A little larger, so that no white shows between neighbours.
                let right = (right + 0.3).min(panel.area.right);
                let bottom = (bottom + 0.3).min(panel.area.bottom);
                scene.fill(Rect { left, top, right, bottom }.outline(), colour.to_rgba());
            }
            first = last + 1;
        }
    }
    let Rect { left, right, top, bottom } = panel.area;
    let frame = vec![(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)];
    scene.line(frame, INK, THIN);
}

/// The bar to the right of the panel, with the numbers its colours stand for.
pub(crate) fn draw_bar(scene: &mut Scene, panel: &Panel, heat: &HeatScale) {
    let left = panel.area.right + BESIDE.0;
    let bar = Rect { left, right: left + BAR, ..panel.area };
    let height = |position: f64| bar.bottom - bar.height() * position;
    let steps = 96;
    for step in 0..steps {
        let [low, high] = [step, step + 1].map(|step| f64::from(step) / f64::from(steps));
        let Some(value) = heat.scale.value((low + high) / 2.0) else { continue };
        let bottom = (height(low) + 0.3).min(bar.bottom);
        let cell = Rect { top: height(high), bottom, ..bar };
        scene.fill(cell.outline(), heat.colour(value).to_rgba());
    }
    let Rect { left, right, top, bottom } = bar;
    scene.line(vec![(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)], INK, style::HAIR);
    for tick in heat.scale.ticks((bar.height() / 34.0) as usize) {
        if tick.label.is_empty() {
            continue;
        }
        let y = height(heat.scale.position(tick.value));
        scene.line(vec![(right, y), (right + 4.0, y)], INK, style::HAIR);
        let baseline = y + SMALL * crate::font::CAP_HEIGHT / 2.0;
        scene.text(style::text(tick.label, (right + 8.0, baseline), SMALL, Align::Start, INK));
    }
}
