//! Work done a cycle against work done a byte of memory traffic, below the two roofs: elements and bandwidth.
//!
//! Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009.

use crate::axis::Scale;
use crate::error::{PlotError, require_positive, require_some};
use crate::figure::{Caption, Figure};
use crate::label::Placer;
use crate::legend::{Key, Row, Sample};
use crate::output;
use crate::panel::{Panel, Titles};
use crate::scene::{Align, Point, Scene};
use crate::style::{self, Dash, Marker, Stroke};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Roofline {
    /// Title, and network, array and memories.
    pub caption: Caption,
    /// Most multiply-accumulates a cycle: the elements.
    pub peak: f64,
    /// Bytes a cycle that memory moves; unlimited if not given.
    pub bytes_per_cycle: Option<f64>,
    /// One point each.
    pub layers: Vec<Layer>,
    /// All layers together.
    pub total: Option<Layer>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Multiply-accumulates a byte of memory traffic.
    pub intensity: f64,
    /// Multiply-accumulates a cycle.
    pub throughput: f64,
}

/// Draws the figure to `stem.svg` and `stem.png`. Layers that cover each other share a name, and
/// names that find no room are left out.
///
/// # Errors
/// If there are no layers, or a number is not finite and above zero; or on failing to write.
pub fn draw(data: &Roofline, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &Roofline) -> Result<Scene, PlotError> {
    check(data)?;
    let all = || data.layers.iter().chain(&data.total);
    // Where the roofs meet belongs to the picture.
    let ridge = data.bytes_per_cycle.map(|bytes| data.peak / bytes);
    let x = Scale::decades(all().map(|layer| layer.intensity).chain(ridge));
    let y = Scale::decades(all().map(|layer| layer.throughput).chain([data.peak]));
    let mut figure = Figure::new(&data.caption, style::HEIGHT);
    let roof = Stroke::solid(style::BASELINE, style::LINE);
    let slope = Stroke { dash: Dash::Dashed, ..roof };
    let mut keys = vec![
        Key::new(Sample::Marker(Marker::Circle, style::colour(0)), "layer"),
        Key::new(Sample::Line(roof, None), "all elements busy"),
    ];
    if data.total.is_some() {
        keys.insert(1, Key::new(Sample::Marker(Marker::Diamond, style::colour(1)), "network"));
    }
    if data.bytes_per_cycle.is_some() {
        keys.push(Key::new(Sample::Line(slope, None), "memory busy in every cycle"));
    }
    figure.legend(&[Row { heading: "", keys }]);
    let titles = Titles { x: Some("multiply-accumulates a byte to or from DRAM"), y: "multiply-accumulates a cycle" };
    let panel = figure.panel(x, y, titles);
    let scene = &mut figure.scene;
    let (low, high) = ends(&x);
    let flat = ridge.unwrap_or(low).clamp(low, high);
    let roofs = [
        vec![(flat, data.peak), (high, data.peak)],
        match data.bytes_per_cycle {
            Some(bytes) => vec![(low, low * bytes), (flat, flat * bytes)],
            None => Vec::new(),
        },
    ];
    let mut placer = Placer::new(panel.area);
    for (path, stroke) in roofs.into_iter().zip([roof, slope]) {
        placer.avoid_line(&path.iter().map(|(x, y)| panel.point(*x, *y)).collect::<Vec<_>>());
        panel.curve(scene, path, stroke);
    }
    for layer in &data.layers {
        panel.marker(scene, (layer.intensity, layer.throughput), Marker::Circle, style::colour(0));
    }
    if let Some(total) = &data.total {
        panel.marker(scene, (total.intensity, total.throughput), Marker::Diamond, style::colour(1));
    }
    name_layers(scene, &panel, &mut placer, &data.layers);
    Ok(figure.scene)
}

/// Intensities at the ends of the axis.
fn ends(x: &Scale) -> (f64, f64) {
    match *x {
        Scale::Decades { low, high, .. } => (10f64.powi(low), 10f64.powi(high)),
        Scale::Linear { low, high, .. } | Scale::SignedDoublings { low, high } => (low, high),
    }
}

/// Writes the names; layers that cover each other share one.
fn name_layers(scene: &mut Scene, panel: &Panel, placer: &mut Placer, layers: &[Layer]) {
    let mut heaps: Vec<(Point, &str, usize)> = Vec::new();
    for layer in layers {
        let (x, y) = panel.point(layer.intensity, layer.throughput);
        placer.avoid_marker((x, y), style::MARKER + 1.5);
        let covers = |(other, ..): &&mut (Point, &str, usize)| (other.0 - x).hypot(other.1 - y) < style::MARKER;
        match heaps.iter_mut().find(covers) {
            Some((_, _, more)) => *more += 1,
            None => heaps.push(((x, y), &layer.name, 0)),
        }
    }
    let colour = style::legible(style::colour(0));
    for (centre, name, more) in heaps {
        let name = if more == 0 { name.to_owned() } else { format!("{name} and {more} more") };
        let label = style::text(name, centre, style::SMALL, Align::Start, colour);
        if let Some(label) = placer.place(centre, &label) {
            scene.text(label);
        } else if let Some((label, leader)) = placer.place_away(centre, &label) {
            scene.line(leader.into(), colour, style::HAIR);
            scene.text(label);
        }
    }
}

fn check(data: &Roofline) -> Result<(), PlotError> {
    require_some(&data.layers, "layers")?;
    require_positive(data.peak, "peak throughput")?;
    if let Some(bytes) = data.bytes_per_cycle {
        require_positive(bytes, "memory bandwidth")?;
    }
    for layer in data.layers.iter().chain(&data.total) {
        require_positive(layer.intensity, "intensity")?;
        require_positive(layer.throughput, "throughput")?;
    }
    Ok(())
}
