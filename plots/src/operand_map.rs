//! Error rate and mean error of a multiplier over its operands, as maps side by side.

use crate::axis::Scale;
use crate::error::{PlotError, require_finite, require_fraction, require_some};
use crate::figure::{Caption, Figure};
use crate::font::Weight;
use crate::heat::{self, HeatScale};
use crate::output;
use crate::panel::{Panel, Titles};
use crate::scene::{Align, Rect, Scene, Text};
use crate::style::{self, BODY, INK};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct OperandMap {
    /// Title, and design, technology, operating point and the stimulus's name.
    pub caption: Caption,
    /// Least and largest weight.
    pub weights: [f64; 2],
    /// Least and largest activation.
    pub activations: [f64; 2],
    /// Cells along the weights, at most some hundred.
    pub columns: usize,
    /// Error rate of each cell of operands, 0…1, `[activation][weight]`, ascending.
    pub error_rate: Vec<f64>,
    /// Mean error of each cell, in units of the product's last place, likewise.
    pub mean_error: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no cells, the two maps differ in size or have no whole rows, a rate is not in 0…1 or a number not finite; or on
/// failing to write.
pub fn draw(data: &OperandMap, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Height of the line above each map.
const HEADING: f64 = 26.0;

pub(crate) fn scene(data: &OperandMap) -> Result<Scene, PlotError> {
    check(data)?;
    let mut figure = Figure::new(&data.caption, style::HEIGHT * 0.85);
    let free = figure.free;
    let middle = (free.left + free.right) / 2.0;
    let maps = [
        ("timing error rate", HeatScale::rates(data.error_rate.iter().copied()), &data.error_rate),
        ("mean timing error", HeatScale::signed(data.mean_error.iter().copied()), &data.mean_error),
    ];
    // Half a step around the outermost operands.
    let edges = |[low, high]: [f64; 2], cells: usize| {
        let step = (high - low + 1.0) / cells as f64;
        (0..=cells).map(|edge| low - 0.5 + step * edge as f64).collect::<Vec<f64>>()
    };
    let columns = edges(data.weights, data.columns);
    let rows = edges(data.activations, data.error_rate.len() / data.columns);
    let scale = |edges: &[f64]| Scale::Linear { low: edges[0], high: edges[edges.len() - 1], whole: true };
    for (index, (name, heat, cells)) in maps.into_iter().enumerate() {
        let half =
            if index == 0 { Rect { right: middle - 6.0, ..free } } else { Rect { left: middle + 6.0, ..free } };
        let outer = heat::beside_bar(Rect { top: half.top + HEADING, ..half });
        let y = scale(&rows);
        let panel = Panel::within(outer, Panel::left_of_axis(&y, outer.height()), scale(&columns), y, true);
        panel.draw_axes(&mut figure.scene, Titles { x: Some("weight"), y: "activation" });
        heat::draw_cells(&mut figure.scene, &panel, &heat, (&columns, &rows), cells);
        heat::draw_bar(&mut figure.scene, &panel, &heat);
        let heading = style::text(name, (panel.area.left, panel.area.top - 9.0), BODY, Align::Start, INK);
        figure.scene.text(Text { weight: Weight::Bold, ..heading });
    }
    Ok(figure.scene)
}

fn check(data: &OperandMap) -> Result<(), PlotError> {
    require_some(&data.error_rate, "cells")?;
    let (found, expected) = (data.mean_error.len(), data.error_rate.len());
    if found != expected || data.columns == 0 || expected % data.columns != 0 {
        return Err(PlotError::Length { what: "the map of mean errors".into(), found, expected });
    }
    for end in data.weights.iter().chain(&data.activations) {
        require_finite(*end, "operand")?;
    }
    data.error_rate.iter().try_for_each(|rate| require_fraction(*rate, "error rate"))?;
    data.mean_error.iter().try_for_each(|mean| require_finite(*mean, "mean error"))
}
