//! Where the energy of an image goes, one stacked bar a configuration.

use crate::axis::Scale;
use crate::error::{PlotError, require_not_negative, require_some};
use crate::figure::{Caption, Figure};
use crate::font::{self, Weight};
use crate::legend::{Key, Row, Sample};
use crate::number::{self, EnergyUnit};
use crate::output;
use crate::panel::Panel;
use crate::scene::{Align, Rect, Scene};
use crate::style::{self, BODY, INK, SMALL};
use plotters::style::Color;
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyBreakdown {
    /// Title, and model, array, technology and clock.
    pub caption: Caption,
    /// Names of the components, in stacking order.
    pub components: Vec<String>,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Name of the configuration.
    pub name: String,
    /// Energy per image of each component, µJ; as many as there are components.
    pub energy_uj: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no bars or components, a bar has another number of components, or an energy is negative or not finite;
/// or on failing to write.
pub fn draw(data: &EnergyBreakdown, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Least distance of bars; figures with many of them grow.
const LEAST_PITCH: f64 = 36.0;
/// Greatest thickness of a bar.
const THICKEST: f64 = 34.0;
/// Widest a configuration's name may be before it is shortened.
const WIDEST_NAME: f64 = 220.0;
/// Space between a name and its bar.
const NAME_GAP: f64 = 10.0;
/// Distance of the lines of a name.
const NAME_LINE: f64 = 17.0;

pub(crate) fn scene(data: &EnergyBreakdown) -> Result<Scene, PlotError> {
    check(data)?;
    let totals: Vec<f64> = data.bars.iter().map(|bar| bar.energy_uj.iter().sum()).collect();
    let largest_uj = totals.iter().copied().fold(0.0, f64::max);
    let unit = EnergyUnit::for_largest(largest_uj * 1e-6);
    let x = Scale::from_zero([largest_uj * unit.per_microjoule()]);

    let count = data.bars.len() as f64;
    let mut figure = Figure::new(&data.caption, style::HEIGHT.max(220.0 + count * LEAST_PITCH));
    let used = |component: &usize| data.bars.iter().any(|bar| bar.energy_uj[*component] > 0.0);
    let keys = (0..data.components.len()).filter(used).map(|component| {
        let sample = Sample::Fill(style::colour(component));
        Key::new(sample, &data.components[component])
    });
    figure.legend(&[Row { heading: "", keys: keys.collect() }]);

    let names: Vec<Vec<String>> = data.bars.iter().map(|bar| name_lines(&bar.name)).collect();
    let totals: Vec<String> = totals
        .iter()
        .map(|total| format!("{} {}", number::three_digits(total * unit.per_microjoule()), unit.symbol))
        .collect();
    let right = figure.free.right - widest(&totals, SMALL);
    let outer = Rect { top: figure.free.top + 8.0, right, ..figure.free };
    // From the first bar at the top to the last.
    let y = Scale::Linear { low: count, high: 0.0, whole: true };
    let panel = Panel::within(outer, widest(names.iter().flatten(), BODY) + NAME_GAP, x, y, true);
    let scene = &mut figure.scene;
    panel.draw_x_axis(scene, Some(&format!("energy per image ({})", unit.symbol)));
    scene.line(vec![(panel.area.left, panel.area.top), (panel.area.left, panel.area.bottom)], INK, style::THIN);

    let half = (panel.area.height() / count * 0.7).min(THICKEST) / 2.0;
    for (index, bar) in data.bars.iter().enumerate() {
        let (start, middle) = panel.point(0.0, index as f64 + 0.5);
        let mut below = 0.0;
        let mut left = start;
        for (component, energy) in bar.energy_uj.iter().enumerate().filter(|(_, energy)| **energy > 0.0) {
            below += energy * unit.per_microjoule();
            let (right, _) = panel.point(below, 0.0);
            let block = Rect { left, right, top: middle - half, bottom: middle + half };
            scene.fill(block.outline(), style::colour(component).to_rgba());
            left = right;
        }
        let baseline = |size: f64| middle + size * font::CAP_HEIGHT / 2.0;
        scene.text(style::text(&totals[index], (left + 8.0, baseline(SMALL)), SMALL, Align::Start, INK));
        let first = baseline(BODY) - names[index].len().saturating_sub(1) as f64 * NAME_LINE / 2.0;
        for (line, name) in names[index].iter().enumerate() {
            let at = (start - NAME_GAP, first + line as f64 * NAME_LINE);
            scene.text(style::text(name, at, BODY, Align::End, INK));
        }
    }
    Ok(figure.scene)
}

/// A configuration's name on one line, or on two.
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

fn check(data: &EnergyBreakdown) -> Result<(), PlotError> {
    require_some(&data.components, "components")?;
    require_some(&data.bars, "bars")?;
    for bar in &data.bars {
        let (found, expected) = (bar.energy_uj.len(), data.components.len());
        if found != expected {
            return Err(PlotError::Length { what: bar.name.clone(), found, expected });
        }
        for energy in &bar.energy_uj {
            require_not_negative(*energy, "energy per image")?;
        }
    }
    Ok(())
}
