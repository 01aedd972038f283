//! A picture as a list of shapes, in points from the upper left corner, before any file format.

use crate::font::{self, Weight};
use plotters::style::{RGBAColor, RGBColor};

/// x to the right, y down.
pub(crate) type Point = (f64, f64);

/// An upright rectangle; `left ≤ right`, `top ≤ bottom`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Rect {
    /// A square around `centre`.
    pub(crate) fn around(centre: Point, half_width: f64) -> Self {
        let (x, y) = centre;
        Self { left: x - half_width, top: y - half_width, right: x + half_width, bottom: y + half_width }
    }

    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// Whether the two share more than an edge.
    pub(crate) fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Whether `other` lies inside.
    pub(crate) fn holds(&self, other: &Rect) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    /// Whether the point lies inside or on the edge.
    pub(crate) fn contains(&self, (x, y): Point) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }

    pub(crate) fn outline(&self) -> Vec<Point> {
        vec![(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]
    }
}

/// Which end of a text its position gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// One line of text on its baseline.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) content: String,
    /// Point on the baseline that `align` speaks of.
    pub(crate) at: Point,
    /// Em, in points.
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) align: Align,
    /// Reads from bottom to top.
    pub(crate) upwards: bool,
    pub(crate) colour: RGBColor,
}

impl Text {
    pub(crate) fn width(&self) -> f64 {
        font::width(&self.content, self.size, self.weight)
    }

    /// Where the baseline starts.
    pub(crate) fn start(&self) -> Point {
        let before = match self.align {
            Align::Start => 0.0,
            Align::Middle => self.width() / 2.0,
            Align::End => self.width(),
        };
        if self.upwards { (self.at.0, self.at.1 + before) } else { (self.at.0 - before, self.at.1) }
    }

    /// Box around the letters, from the cap height to the descenders.
    pub(crate) fn bounds(&self) -> Rect {
        let (x, y) = self.start();
        let (above, below) = (self.size * font::CAP_HEIGHT, self.size * font::DESCENT);
        if self.upwards {
            Rect { left: x - above, top: y - self.width(), right: x + below, bottom: y }
        } else {
            Rect { left: x, top: y - above, right: x + self.width(), bottom: y + below }
        }
    }
}

/// Something to draw.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A filled polygon.
    Fill { outline: Vec<Point>, colour: RGBAColor },
    /// An open line.
    Line { path: Vec<Point>, colour: RGBColor, width: f64 },
    /// Letters.
    Text(Text),
}

/// Shapes in the order they are drawn, on white.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    pub(crate) fn fill(&mut self, outline: Vec<Point>, colour: RGBAColor) {
        self.shapes.push(Shape::Fill { outline, colour });
    }

    pub(crate) fn line(&mut self, path: Vec<Point>, colour: RGBColor, width: f64) {
        self.shapes.push(Shape::Line { path, colour, width });
    }

    pub(crate) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
}

#[cfg(test)]
impl Scene {
    /// All texts, in drawing order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text) => Some(text),
            _ => None,
        })
    }

    /// Fails the test if two texts collide or one leaves the picture.
    pub(crate) fn assert_readable(&self) {
        let canvas = Rect { left: 0.0, top: 0.0, right: self.width, bottom: self.height };
        let texts: Vec<&Text> = self.texts().collect();
        assert!(!texts.is_empty());
        for (index, text) in texts.iter().enumerate() {
            assert!(canvas.holds(&text.bounds()), "{:?} leaves the picture", text.content);
            for other in &texts[..index] {
                let collide = text.bounds().overlaps(&other.bounds());
                assert!(
                    !collide,
                    "{:?} at {:?} collides with {:?} at {:?}",
                    text.content, text.at, other.content, other.at
                );
            }
        }
    }
}
