//! Energy over the supplies of logic and memory, with the pairs that are good enough and the cheapest of them.

use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_not_negative, require_positive, require_some};
use crate::figure::{Caption, Figure};
use crate::heat::{self, HeatScale};
use crate::legend::{Key, Row, Sample};
use crate::number::EnergyUnit;
use crate::output;
use crate::panel::{Panel, Titles};
use crate::scene::{Rect, Scene};
use crate::style::{self, Marker, Stroke};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SupplyMap {
    /// Title, and design, method, memory, data set and number of chips.
    pub caption: Caption,
    /// Supplies of the logic, V, ascending.
    pub logic_v: Vec<f64>,
    /// Supplies of the memory, V, ascending.
    pub sram_v: Vec<f64>,
    /// Energy of an image, µJ, `[memory supply][logic supply]`.
    pub energy_uj: Vec<f64>,
    /// Mean accuracy, 0…1, likewise.
    pub accuracy: Vec<f64>,
    /// Whether a pair is good enough, likewise.
    pub good: Vec<bool>,
    /// What good enough means.
    pub good_name: String,
    /// The cheapest good pair: position among the memory's supplies, and among the logic's.
    pub optimum: Option<[usize; 2]>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no pairs, supplies do not ascend or are not positive, an energy is negative or not finite, an accuracy not in 0…1,
/// lengths do not fit, or the optimum is none of the pairs; or on failing to write.
pub fn draw(data: &SupplyMap, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Least size of a cell that has its accuracy written into it.
const CELL: (f64, f64) = (54.0, 24.0);
/// From the middle of a cell with the optimum's marker down to that of its text.
const BELOW_MARKER: f64 = 20.0;
/// Height of the bar's title above it.
const HEADING: f64 = 26.0;

pub(crate) fn scene(data: &SupplyMap) -> Result<Scene, PlotError> {
    check(data)?;
    let largest = data.energy_uj.iter().copied().fold(0.0, f64::max);
    let unit = EnergyUnit::for_largest(largest * 1e-6);
    let energies: Vec<f64> = data.energy_uj.iter().map(|energy| energy * 1e9 * unit.per_femtojoule()).collect();
    let heat = HeatScale::amounts(energies.iter().copied());
    // Cells of one size, a supply each: those that were simulated are rarely equally far apart.
    let edges = |supplies: &[f64]| -> Vec<f64> { (0..=supplies.len()).map(|edge| edge as f64).collect() };
    let (columns, rows) = (edges(&data.logic_v), edges(&data.sram_v));
    let scale = |edges: &[f64]| Scale::Linear { low: 0.0, high: edges[edges.len() - 1], whole: true };

    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    let boundary = Stroke::solid(style::colour(1), 2.0 * style::LINE);
    let mut keys = vec![Key::new(Sample::Line(boundary, None), &data.good_name)];
    if data.optimum.is_some() {
        keys.push(Key::new(Sample::Marker(Marker::Diamond, style::colour(1)), "cheapest such pair"));
    }
    figure.legend(&[Row { heading: "", keys }]);
    let outer = heat::beside_bar(Rect { top: figure.free.top + HEADING, ..figure.free });
    let y = scale(&rows);
    let y_ticks = Panel::cell_ticks(&labels(&data.sram_v), outer.height(), true);
    let panel = Panel::within(outer, Panel::left_of_ticks(&y_ticks), scale(&columns), y, true);
    let x_ticks = Panel::cell_ticks(&labels(&data.logic_v), panel.area.width(), false);
    let scene = &mut figure.scene;
    let titles = Titles { x: Some("supply of the logic (V)"), y: "supply of the memory (V)" };
    panel.draw_axes_with(scene, titles, [x_ticks, y_ticks]);
    heat::draw_cells(scene, &panel, &heat, (&columns, &rows), &energies);
    draw_accuracies(scene, &panel, data, &heat, &energies);
    draw_boundary(scene, &panel, data, (&columns, &rows), boundary);
    if let Some([memory, logic]) = data.optimum {
        panel.marker(scene, (logic as f64 + 0.5, memory as f64 + 0.5), Marker::Diamond, style::colour(1));
    }
    heat::draw_bar(scene, &panel, &heat);
    let title = format!("{}/image", unit.symbol);
    let at = (figure.free.right, panel.area.top - 11.0);
    scene.text(style::text(title, at, style::SMALL, crate::scene::Align::End, style::INK));
    Ok(figure.scene)
}

/// Supplies in volts with two decimals, or three where two do not tell them.
fn labels(supplies: &[f64]) -> Vec<String> {
    let coarse = supplies.iter().all(|supply| (supply * 100.0 - (supply * 100.0).round()).abs() < 1e-6);
    supplies.iter().map(|supply| if coarse { format!("{supply:.2}") } else { format!("{supply:.3}") }).collect()
}

/// Mean accuracies in the middle of their cells, where there is room.
fn draw_accuracies(scene: &mut Scene, panel: &Panel, data: &SupplyMap, heat: &heat::HeatScale, energies: &[f64]) {
    let width = data.logic_v.len();
    let size = (panel.area.width() / width as f64, panel.area.height() / data.sram_v.len() as f64);
    if size.0 < CELL.0 || size.1 < CELL.1 {
        return;
    }
    for (index, (accuracy, energy)) in data.accuracy.iter().zip(energies).enumerate() {
        let (row, column) = (index / width, index % width);
        let (x, y) = panel.point(column as f64 + 0.5, row as f64 + 0.5);
        let marked = data.optimum == Some([row, column]);
        if marked && size.1 < CELL.1 + 2.0 * BELOW_MARKER {
            continue;
        }
        let below = if marked { BELOW_MARKER } else { 0.0 };
        let at = (x, y + below + style::SMALL * crate::font::CAP_HEIGHT / 2.0);
        let text = format!("{:.1} %", accuracy * 100.0);
        scene.text(style::text(text, at, style::SMALL, crate::scene::Align::Middle, heat.ink_on(*energy)));
    }
}

/// The line between good pairs and others, along the cells' edges.
fn draw_boundary(
    scene: &mut Scene,
    panel: &Panel,
    data: &SupplyMap,
    (columns, rows): (&[f64], &[f64]),
    stroke: Stroke,
) {
    let width = data.logic_v.len();
    let good = |row: usize, column: usize| data.good[row * width + column];
    // Pieces in one direction that meet are one line, so that their ends do not show.
    let mut across = |steps: usize, differs: &dyn Fn(usize) -> bool, point: &dyn Fn(usize) -> (f64, f64)| {
        let mut start = None;
        for step in 0..=steps {
            let edge = step < steps && differs(step);
            match (start, edge) {
                (None, true) => start = Some(step),
                (Some(first), false) => {
                    panel.curve(scene, [point(first), point(step)], stroke);
                    start = None;
                }
                _ => {}
            }
        }
    };
    // Edges between two cells: neither the first nor the last.
    for (row, &y) in rows.iter().enumerate().take(rows.len() - 1).skip(1) {
        across(width, &|column| good(row - 1, column) != good(row, column), &|step| (columns[step], y));
    }
    for (column, &x) in columns.iter().enumerate().take(columns.len() - 1).skip(1) {
        across(data.sram_v.len(), &|row| good(row, column - 1) != good(row, column), &|step| (x, rows[step]));
    }
}

fn check(data: &SupplyMap) -> Result<(), PlotError> {
    for (supplies, what) in [(&data.logic_v, "supplies of the logic"), (&data.sram_v, "supplies of the memory")] {
        require_some(supplies, what)?;
        supplies.iter().try_for_each(|supply| require_positive(*supply, what))?;
        if let Some(pair) = supplies.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(PlotError::Invalid {
                what: what.into(),
                value: pair[1],
                requirement: "above the one before",
            });
        }
    }
    let expected = data.logic_v.len() * data.sram_v.len();
    for found in [data.energy_uj.len(), data.accuracy.len(), data.good.len()] {
        if found != expected {
            return Err(PlotError::Length { what: "the map".into(), found, expected });
        }
    }
    data.energy_uj.iter().try_for_each(|energy| require_not_negative(*energy, "energy"))?;
    data.accuracy.iter().try_for_each(|accuracy| require_fraction(*accuracy, "accuracy"))?;
    match data.optimum {
        Some([memory, _]) if memory >= data.sram_v.len() => outside(memory),
        Some([_, logic]) if logic >= data.logic_v.len() => outside(logic),
        _ => Ok(()),
    }
}

fn outside(position: usize) -> Result<(), PlotError> {
    Err(PlotError::Invalid { what: "the optimum".into(), value: position as f64, requirement: "one of the pairs" })
}
