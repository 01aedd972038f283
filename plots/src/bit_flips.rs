//! How often each product bit is captured wrong, over supply voltage: 1 for 0 and 0 for 1 side by side.

use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_positive, require_some};
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
pub struct BitFlips {
    /// Title, and design, technology, clock and the stimulus's name.
    pub caption: Caption,
    /// Highest supply at which static timing fails, V; marked by a dotted line.
    pub critical_v: Option<f64>,
    /// One column each, in any order.
    pub points: Vec<Point>,
}

/// One operating point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Supply voltage, V; no two alike.
    pub supply_v: f64,
    /// Share of operations in which a bit is captured 1 and should be 0, least significant bit first, 0…1.
    pub up: Vec<f64>,
    /// Share in which it is captured 0 and should be 1.
    pub down: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no points or bits, points differ in their bits, a supply is not positive or occurs twice, or a rate is not in
/// 0…1; or on failing to write.
pub fn draw(data: &BitFlips, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

/// Height of the line above each map.
const HEADING: f64 = 26.0;

pub(crate) fn scene(data: &BitFlips) -> Result<Scene, PlotError> {
    check(data)?;
    let mut points: Vec<&Point> = data.points.iter().collect();
    points.sort_by(|first, second| first.supply_v.total_cmp(&second.supply_v));
    let supplies: Vec<f64> = points.iter().map(|point| point.supply_v).collect();
    let (columns, bits) = (heat::edges(&supplies), points[0].up.len());
    let rows: Vec<f64> = (0..=bits).map(|bit| bit as f64 - 0.5).collect();
    let x = Scale::Linear { low: columns[0], high: columns[columns.len() - 1], whole: false };
    let y = Scale::Linear { low: rows[0], high: rows[bits], whole: true };
    let heat = HeatScale::rates(points.iter().flat_map(|point| point.up.iter().chain(&point.down)).copied());

    let mut figure = Figure::new(&data.caption, style::HEIGHT * 0.85);
    let free = figure.free;
    let both = heat::beside_bar(free);
    let middle = (both.left + both.right) / 2.0;
    let halves = [Rect { right: middle - 10.0, ..both }, Rect { left: middle + 10.0, ..both }];
    for ((half, name), upwards) in halves.into_iter().zip(["1 captured for 0", "0 captured for 1"]).zip([true, false])
    {
        let outer = Rect { top: half.top + HEADING, ..half };
        let panel = Panel::within(outer, Panel::left_of_axis(&y, outer.height()), x, y, true);
        panel.draw_axes(&mut figure.scene, Titles { x: Some("supply voltage (V)"), y: "bit of the product" });
        let rate = |point: &&Point, bit: usize| if upwards { point.up[bit] } else { point.down[bit] };
        let cells: Vec<f64> = (0..bits).flat_map(|bit| points.iter().map(move |point| rate(point, bit))).collect();
        heat::draw_cells(&mut figure.scene, &panel, &heat, (&columns, &rows), &cells);
        if let Some(critical) =
            data.critical_v.filter(|supply| (columns[0]..=columns[columns.len() - 1]).contains(supply))
        {
            panel.vertical_rule(&mut figure.scene, critical, style::BASELINE);
        }
        let heading = style::text(name, (panel.area.left, panel.area.top - 9.0), BODY, Align::Start, INK);
        figure.scene.text(Text { weight: Weight::Bold, ..heading });
        if !upwards {
            heat::draw_bar(&mut figure.scene, &panel, &heat);
        }
    }
    Ok(figure.scene)
}

fn check(data: &BitFlips) -> Result<(), PlotError> {
    require_some(&data.points, "operating points")?;
    require_some(&data.points[0].up, "bits")?;
    let bits = data.points[0].up.len();
    for (index, point) in data.points.iter().enumerate() {
        require_positive(point.supply_v, "supply voltage")?;
        if data.points[..index].iter().any(|other| other.supply_v == point.supply_v) {
            let what = "a supply that occurs twice".to_owned();
            return Err(PlotError::Invalid { what, value: point.supply_v, requirement: "one point's alone" });
        }
        for rates in [&point.up, &point.down] {
            if rates.len() != bits {
                let what = format!("the point at {} V", point.supply_v);
                return Err(PlotError::Length { what, found: rates.len(), expected: bits });
            }
            rates.iter().try_for_each(|rate| require_fraction(*rate, "bit-flip rate"))?;
        }
    }
    data.critical_v.map_or(Ok(()), |supply| require_positive(supply, "critical voltage"))
}
