//! Keys above a panel, where they cover no data.

use crate::font::{self, Weight};
use crate::scene::{Align, Point, Rect, Scene};
use crate::style::{self, BODY, INK, MARKER, Marker, QUIET, SMALL, Stroke};
use plotters::style::{Color, RGBColor};

/// Space between a sample and its name.
const GAP: f64 = 7.0;
/// Space between a name and the next sample.
const BETWEEN: f64 = 22.0;
/// Distance of rows.
const PITCH: f64 = 22.0;

/// What is drawn before a key's name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    /// A line, with a marker on it if the data has them.
    Line(Stroke, Option<Marker>),
    /// A marker alone.
    Marker(Marker, RGBColor),
    /// A circle with a white inside.
    HollowMarker(RGBColor),
    /// A filled square.
    Fill(RGBColor),
    /// A translucent band.
    Band(RGBColor),
    /// A whisker with caps.
    Whisker(RGBColor),
}

impl Sample {
    fn width(&self) -> f64 {
        match self {
            Sample::Line(..) | Sample::Band(_) => 26.0,
            Sample::Marker(..) | Sample::HollowMarker(_) | Sample::Fill(_) | Sample::Whisker(_) => 13.0,
        }
    }
}

/// A sample and what it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) sample: Sample,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(sample: Sample, name: impl Into<String>) -> Self {
        Self { sample, name: name.into() }
    }
}

/// Keys side by side behind what they have in common.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// As `training`; may be empty.
    pub(crate) heading: &'static str,
    pub(crate) keys: Vec<Key>,
}

/// Each of `names` once, in the order they first appear.
pub(crate) fn distinct<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// Draws the rows at the top of `free`, continuing on further lines where needed; returns where the free space now begins.
pub(crate) fn draw(scene: &mut Scene, free: Rect, rows: &[Row]) -> f64 {
    let heading_width = |row: &Row| font::width(row.heading, BODY, Weight::Regular);
    let widest = rows.iter().map(heading_width).fold(0.0, f64::max);
    let first = if widest > 0.0 { free.left + widest + 14.0 } else { free.left };
    let mut top = free.top;
    for row in rows.iter().filter(|row| !row.keys.is_empty()) {
        let baseline = |top: f64| top + PITCH / 2.0 + BODY * font::CAP_HEIGHT / 2.0;
        scene.text(style::text(row.heading, (free.left, baseline(top)), BODY, Align::Start, QUIET));
        let mut x = first;
        for key in &row.keys {
            let before = key.sample.width() + GAP;
            let name = font::fitted(&key.name, BODY, Weight::Regular, free.right - first - before);
            let width = before + font::width(&name, BODY, Weight::Regular);
            if x > first && x + width > free.right {
                x = first;
                top += PITCH;
            }
            draw_sample(scene, (x, top + PITCH / 2.0), key.sample);
            scene.text(style::text(name, (x + before, baseline(top)), BODY, Align::Start, INK));
            x += width + BETWEEN;
        }
        top += PITCH;
    }
    top
}

fn draw_sample(scene: &mut Scene, (left, y): Point, sample: Sample) {
    let (right, middle) = (left + sample.width(), (left + sample.width() / 2.0, y));
    let block = |half_width: f64, half_height: f64| {
        let (x, y) = middle;
        Rect { left: x - half_width, right: x + half_width, top: y - half_height, bottom: y + half_height }.outline()
    };
    match sample {
        Sample::Line(stroke, marker) => {
            stroke.draw(scene, &[(left, y), (right, y)]);
            if let Some(marker) = marker {
                marker.draw(scene, middle, stroke.colour);
            }
        }
        Sample::Marker(marker, colour) => marker.draw(scene, middle, colour),
        Sample::HollowMarker(colour) => Marker::Circle.draw_hollow(scene, middle, colour),
        Sample::Fill(colour) => scene.fill(block(SMALL / 2.0, SMALL / 2.0), colour.to_rgba()),
        Sample::Band(colour) => scene.fill(block(sample.width() / 2.0, SMALL / 2.0), colour.mix(style::BAND * 1.5)),
        Sample::Whisker(colour) => {
            let (x, half) = (middle.0, MARKER * 1.4);
            scene.line(vec![(x, y - half), (x, y + half)], colour, style::THIN);
            for y in [y - half, y + half] {
                scene.line(vec![(x - 3.5, y), (x + 3.5, y)], colour, style::THIN);
            }
        }
    }
}
