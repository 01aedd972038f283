//! Stacked horizontal bars, one a configuration or a layer, that fill a figure.

use crate::axis::Scale;
use crate::figure::{Caption, Figure};
use crate::font::{self, Weight};
use crate::legend::{Key, Row, Sample};
use crate::panel::Panel;
use crate::scene::{Align, Rect, Scene};
use crate::style::{self, BODY, INK, SMALL};
use plotters::style::Color;

/// One bar.
pub(crate) struct Stacked<'a> {
    pub(crate) name: &'a str,
    /// Lengths in the axis's unit; as many as there are components.
    pub(crate) parts: Vec<f64>,
    /// What stands behind the bar.
    pub(crate) total: String,
}

/// Least distance of bars; figures with many of them grow.
const LEAST_PITCH: f64 = 36.0;
/// Greatest thickness of a bar.
const THICKEST: f64 = 34.0;
/// Widest a name may be before it is shortened.
const WIDEST_NAME: f64 = 220.0;
/// Space between a name and its bar.
const NAME_GAP: f64 = 10.0;
/// Distance of the lines of a name.
const NAME_LINE: f64 = 17.0;

/// Bars from top to bottom, their components in stacking order.
pub(crate) fn scene(
    caption: &Caption,
    components: &[String],
    bars: &[Stacked<'_>],
    x: Scale,
    x_title: &str,
) -> Scene {
    let count = bars.len() as f64;
    let mut figure = Figure::new(caption, style::HEIGHT.max(220.0 + count * LEAST_PITCH));
    let used = |component: &usize| bars.iter().any(|bar| bar.parts[*component] > 0.0);
    let keys = (0..components.len()).filter(used).map(|component| {
        let sample = Sample::Fill(style::colour(component));
        Key::new(sample, &components[component])
    });
    figure.legend(&[Row { heading: "", keys: keys.collect() }]);

    let names: Vec<Vec<String>> = bars.iter().map(|bar| name_lines(bar.name)).collect();
    let right = figure.free.right - widest(bars.iter().map(|bar| &bar.total), SMALL);
    let outer = Rect { top: figure.free.top + 8.0, right, ..figure.free };
    // From the first bar at the top to the last.
    let y = Scale::Linear { low: count, high: 0.0, whole: true };
    let panel = Panel::within(outer, widest(names.iter().flatten(), BODY) + NAME_GAP, x, y, true);
    let scene = &mut figure.scene;
    panel.draw_x_axis(scene, Some(x_title));
    scene.line(vec![(panel.area.left, panel.area.top), (panel.area.left, panel.area.bottom)], INK, style::THIN);

    let half = (panel.area.height() / count * 0.7).min(THICKEST) / 2.0;
    for (index, bar) in bars.iter().enumerate() {
        let (start, middle) = panel.point(0.0, index as f64 + 0.5);
        let mut below = 0.0;
        let mut left = start;
        for (component, length) in bar.parts.iter().enumerate().filter(|(_, length)| **length > 0.0) {
            below += length;
            let (right, _) = panel.point(below, 0.0);
            let block = Rect { left, right, top: middle - half, bottom: middle + half };
            scene.fill(block.outline(), style::colour(component).to_rgba());
            left = right;
        }
        let baseline = |size: f64| middle + size * font::CAP_HEIGHT / 2.0;
        scene.text(style::text(&bar.total, (left + 8.0, baseline(SMALL)), SMALL, Align::Start, INK));
        let first = baseline(BODY) - names[index].len().saturating_sub(1) as f64 * NAME_LINE / 2.0;
        for (line, name) in names[index].iter().enumerate() {
            let at = (start - NAME_GAP, first + line as f64 * NAME_LINE);
            scene.text(style::text(name, at, BODY, Align::End, INK));
        }
    }
    figure.scene
}

/// A name on one line, or on two.
fn name_lines(name: &str) -> Vec<String> {
    let mut lines = font::wrapped(name, BODY, Weight::Regular, WIDEST_NAME);
    if lines.len() > 2 {
        let rest = lines.split_off(1).join(" ");
        lines.push(font::fitted(&rest, BODY, Weight::Regular, WIDEST_NAME));
    }
    lines
}

fn widest<'a>(texts: impl IntoIterator<Item = &'a String>, size: f64) -> f64 {
    texts.into_iter().map(|text| font::width(text, size, Weight::Regular)).fold(0.0, f64::max)
}
