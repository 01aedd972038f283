//! House style: colours, line weights, marker shapes, type sizes.

use crate::font::Weight;
use crate::scene::{Align, Point, Scene, Text};
use plotters::style::{Color, RGBColor};

/// Width of every figure, points.
pub(crate) const WIDTH: f64 = 900.0;
/// Height of a figure unless its content needs more, points.
pub(crate) const HEIGHT: f64 = 600.0;
/// Free border around a figure.
pub(crate) const MARGIN: f64 = 24.0;

/// Em of the title.
pub(crate) const TITLE: f64 = 20.0;
/// Em of axis titles, legends and the subtitle.
pub(crate) const BODY: f64 = 14.5;
/// Em of tick labels and annotations.
pub(crate) const SMALL: f64 = 13.0;

/// Width of a data line.
pub(crate) const LINE: f64 = 2.0;
/// Width of a reference line or whisker.
pub(crate) const THIN: f64 = 1.25;
/// Width of a grid line.
pub(crate) const HAIR: f64 = 0.75;
/// Distance from a marker's centre to its rim.
pub(crate) const MARKER: f64 = 5.0;
/// Opacity of an interval's band.
pub(crate) const BAND: f64 = 0.17;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
/// Text that may be overlooked at first.
pub(crate) const QUIET: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
/// Data behind the lines that describe them.
pub(crate) const BAR: RGBColor = RGBColor(0xc4, 0xc4, 0xc4);
/// What the others are compared with.
pub(crate) const BASELINE: RGBColor = RGBColor(0x4a, 0x4a, 0x4a);
pub(crate) const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Okabe and Ito's colours (jfly.uni-koeln.de/color, 2008), told apart with any colour vision, those that show best as
/// a thin line first.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xf0, 0xe4, 0x42),
];

/// Colour of the `index`-th method, design or component; after the palette come its colours darkened, then lightened.
pub(crate) fn colour(index: usize) -> RGBColor {
    let pure = PALETTE[index % PALETTE.len()];
    match index / PALETTE.len() % 3 {
        0 => pure,
        1 => mixed(pure, INK, 0.45),
        _ => mixed(pure, WHITE, 0.5),
    }
}

/// From white at 0 through the `index`-th colour to one darker at 1.
pub(crate) fn shade(index: usize, share: f64) -> RGBColor {
    let share = share.clamp(0.0, 1.0);
    if share <= 0.7 { mixed(WHITE, colour(index), share / 0.7) } else { mixed(colour(index), INK, share - 0.7) }
}

/// A colour dark enough for letters.
pub(crate) fn legible(colour: RGBColor) -> RGBColor {
    mixed(colour, INK, 0.35)
}

fn mixed(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// How a line is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    Solid,
    Dashed,
    Dotted,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) colour: RGBColor,
    pub(crate) width: f64,
    pub(crate) dash: Dash,
}

impl Stroke {
    pub(crate) fn solid(colour: RGBColor, width: f64) -> Self {
        Self { colour, width, dash: Dash::Solid }
    }

    /// Draws the line through `path`.
    pub(crate) fn draw(&self, scene: &mut Scene, path: &[Point]) {
        let (on, off) = match self.dash {
            Dash::Solid => return scene.line(path.to_vec(), self.colour, self.width),
            Dash::Dashed => (7.0, 4.5),
            Dash::Dotted => (1.5, 3.5),
        };
        // Distance walked since the last dash began.
        let mut phase = 0.0;
        for pair in path.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let length = dx.hypot(dy);
            let at = |walked: f64| (pair[0].0 + dx * walked / length, pair[0].1 + dy * walked / length);
            let mut begin = -phase;
            while begin < length {
                let (from, to) = (begin.max(0.0), (begin + on).min(length));
                if from < to {
                    scene.line(vec![at(from), at(to)], self.colour, self.width);
                }
                begin += on + off;
            }
            phase = (phase + length) % (on + off);
        }
    }
}

/// Shape of a data point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Pentagon,
    Plus,
    Cross,
}

impl Marker {
    const ALL: [Marker; 8] = [
        Marker::Circle,
        Marker::Square,
        Marker::Triangle,
        Marker::Diamond,
        Marker::TriangleDown,
        Marker::Pentagon,
        Marker::Plus,
        Marker::Cross,
    ];

    /// Shape of the `index`-th design.
    pub(crate) fn nth(index: usize) -> Self {
        Self::ALL[index % Self::ALL.len()]
    }

    /// The outline around `centre`; radii differ so that all shapes look equally large.
    fn outline(self, centre: Point, radius: f64) -> Vec<Point> {
        use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, TAU};
        let ring = |corners: usize, radius: f64, turn: f64| {
            let angles = (0..corners).map(move |corner| turn + TAU * corner as f64 / corners as f64);
            angles.map(|angle| (centre.0 + radius * angle.cos(), centre.1 + radius * angle.sin())).collect()
        };
        let star = |turn: f64| {
            // Arms a third of their length wide: corner pairs at the tips, single corners where arms meet.
            let (tip, half) = (radius * 1.15, radius * 0.38);
            let corners = (0..4).flat_map(move |arm| {
                let (sin, cos) = (turn + FRAC_PI_2 * f64::from(arm)).sin_cos();
                [(tip, -half), (tip, half), (half, half)].map(|(x, y)| (x * cos - y * sin, x * sin + y * cos))
            });
            corners.map(|(x, y)| (centre.0 + x, centre.1 + y)).collect()
        };
        match self {
            Marker::Circle => ring(32, radius, 0.0),
            Marker::Square => ring(4, radius * 1.28, FRAC_PI_4),
            Marker::Triangle => ring(3, radius * 1.3, -FRAC_PI_2),
            Marker::Diamond => ring(4, radius * 1.3, 0.0),
            Marker::TriangleDown => ring(3, radius * 1.3, FRAC_PI_2),
            Marker::Pentagon => ring(5, radius * 1.12, -FRAC_PI_2),
            Marker::Plus => star(0.0),
            Marker::Cross => star(FRAC_PI_4),
        }
    }

    /// A filled marker with a white rim, so that markers on top of each other stay apart.
    pub(crate) fn draw(self, scene: &mut Scene, centre: Point, colour: RGBColor) {
        scene.fill(self.outline(centre, MARKER + 1.2), WHITE.to_rgba());
        scene.fill(self.outline(centre, MARKER), colour.to_rgba());
    }

    /// A small outline, which hides nothing below it.
    pub(crate) fn draw_hollow(self, scene: &mut Scene, centre: Point, colour: RGBColor) {
        let outline = self.outline(centre, MARKER * 0.75);
        // Past the first corner, so that it is joined like the others.
        let closed = outline.iter().chain(&outline[..2]).copied().collect();
        scene.line(closed, colour, THIN);
    }
}

/// A level line of text of regular weight.
pub(crate) fn text(content: impl Into<String>, at: Point, size: f64, align: Align, colour: RGBColor) -> Text {
    Text { content: content.into(), at, size, weight: Weight::Regular, align, upwards: false, colour }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Shape;

    #[test]
    fn colours_of_a_long_list_differ() {
        let colours: Vec<_> = (0..3 * PALETTE.len()).map(colour).collect();
        for (index, first) in colours.iter().enumerate() {
            assert!(!colours[..index].contains(first), "colour {index}");
        }
    }

    #[test]
    fn dashes_cover_their_share_of_a_bent_line() {
        let mut scene = Scene::new(100.0, 100.0);
        // Length 115 = 10 periods of 11.5, bent in the middle of a dash.
        let stroke = Stroke { dash: Dash::Dashed, ..Stroke::solid(INK, 1.0) };
        stroke.draw(&mut scene, &[(0.0, 0.0), (50.0, 0.0), (50.0, 65.0)]);
        let drawn: f64 = scene
            .shapes
            .iter()
            .map(|shape| match shape {
                Shape::Line { path, .. } => (path[1].0 - path[0].0).hypot(path[1].1 - path[0].1),
                _ => 0.0,
            })
            .sum();
        assert!((drawn - 70.0).abs() < 1e-9, "{drawn}");
    }
}
