//! A pair of axes and what is drawn between them.

use crate::axis::{Scale, Tick};
use crate::clip;
use crate::estimate::Estimate;
use crate::font::{self, Weight};
use crate::scene::{Align, Point, Rect, Scene};
use crate::style::{self, Dash, GRID, HAIR, INK, Marker, QUIET, SMALL, Stroke, THIN, WHITE};
use plotters::style::{Color, RGBColor};

/// Length of a labelled tick mark.
const TICK: f64 = 5.0;
/// Space between a tick mark and its label.
const TICK_GAP: f64 = 4.0;
/// Height of one line of tick labels or of an axis title, with the space around it.
const LABEL_LINE: f64 = 22.0;
/// Least distance of labelled ticks along the two axes.
const TICK_PITCH: (f64, f64) = (78.0, 34.0);

/// A rectangle with a scale along each side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel {
    pub(crate) area: Rect,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
}

/// What stands beside the axes; no title below means that the panel underneath shares the axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Titles<'a> {
    pub(crate) x: Option<&'a str>,
    pub(crate) y: &'a str,
}

impl Panel {
    /// The panel whose axes, labels and titles fill `outer`; `left` is the width of what stands left of the axis.
    pub(crate) fn within(outer: Rect, left: f64, x: Scale, y: Scale, has_x_title: bool) -> Self {
        let below = if has_x_title { 2.0 * LABEL_LINE + TICK } else { 0.0 };
        let area = Rect { left: outer.left + left, bottom: outer.bottom - below, ..outer };
        Self { area, x, y }
    }

    /// Width of the y axis's title and the widest of its labels, on an axis of `height`.
    pub(crate) fn left_of_axis(y: &Scale, height: f64) -> f64 {
        Self::left_of_ticks(&y.ticks(tick_count(height, TICK_PITCH.1)))
    }

    /// The same with these ticks.
    pub(crate) fn left_of_ticks(ticks: &[Tick]) -> f64 {
        let widths = ticks.iter().map(|tick| font::width(&tick.label, SMALL, Weight::Regular));
        LABEL_LINE + widths.fold(0.0, f64::max) + TICK + TICK_GAP
    }

    /// One tick in the middle of each of so many equal cells, labelled as far as labels keep apart along `length`.
    pub(crate) fn cell_ticks(labels: &[String], length: f64, vertical: bool) -> Vec<Tick> {
        let pitch = if vertical { TICK_PITCH.1 } else { TICK_PITCH.0 };
        let every = labels.len().div_ceil(tick_count(length, pitch)).max(1);
        let label = |(index, label): (usize, &String)| Tick {
            value: index as f64 + 0.5,
            label: if index.is_multiple_of(every) { label.clone() } else { String::new() },
        };
        labels.iter().enumerate().map(label).collect()
    }

    /// Where a pair of numbers stands.
    pub(crate) fn point(&self, x: f64, y: f64) -> Point {
        (
            self.area.left + self.area.width() * self.x.position(x),
            self.area.bottom - self.area.height() * self.y.position(y),
        )
    }

    /// Grid, axes, tick labels and titles; to be drawn first.
    pub(crate) fn draw_axes(&self, scene: &mut Scene, titles: Titles) {
        let ticks = [
            self.x.ticks(tick_count(self.area.width(), TICK_PITCH.0)),
            self.y.ticks(tick_count(self.area.height(), TICK_PITCH.1)),
        ];
        self.draw_axes_with(scene, titles, ticks);
    }

    /// The same with these ticks along the x and the y axis.
    pub(crate) fn draw_axes_with(&self, scene: &mut Scene, titles: Titles, [x, y]: [Vec<Tick>; 2]) {
        // The axes last, over the grid.
        self.draw_y_ticks(scene, titles.y, y);
        self.draw_x_ticks(scene, titles.x, x);
        let Rect { left, top, bottom, .. } = self.area;
        scene.line(vec![(left, top), (left, bottom)], INK, THIN);
        if let Some(gap) = self.y.break_position() {
            draw_break(scene, (left, bottom - self.area.height() * gap));
        }
    }

    /// The vertical grid, the x axis, its labels and title.
    pub(crate) fn draw_x_axis(&self, scene: &mut Scene, title: Option<&str>) {
        self.draw_x_ticks(scene, title, self.x.ticks(tick_count(self.area.width(), TICK_PITCH.0)));
    }

    fn draw_x_ticks(&self, scene: &mut Scene, title: Option<&str>, ticks: Vec<Tick>) {
        let Rect { left, right, top, bottom } = self.area;
        let y_low = bottom;
        for tick in ticks {
            let x = left + self.area.width() * self.x.position(tick.value);
            if tick.label.is_empty() {
                scene.line(vec![(x, y_low), (x, y_low + TICK / 2.0)], INK, HAIR);
                continue;
            }
            scene.line(vec![(x, top), (x, bottom)], GRID, HAIR);
            scene.line(vec![(x, y_low), (x, y_low + TICK)], INK, HAIR);
            if title.is_some() {
                let baseline = y_low + TICK + TICK_GAP + SMALL * font::CAP_HEIGHT;
                scene.text(style::text(tick.label, (x, baseline), SMALL, Align::Middle, INK));
            }
        }
        scene.line(vec![(left, bottom), (right, bottom)], INK, THIN);
        if let Some(title) = title {
            let at = ((left + right) / 2.0, bottom + TICK + 2.0 * LABEL_LINE - 6.0);
            scene.text(style::text(title, at, style::BODY, Align::Middle, INK));
        }
    }

    fn draw_y_ticks(&self, scene: &mut Scene, title: &str, ticks: Vec<Tick>) {
        let Rect { left, right, top, bottom } = self.area;
        let mut widest = 0.0_f64;
        for tick in ticks {
            let y = bottom - self.area.height() * self.y.position(tick.value);
            if tick.label.is_empty() {
                scene.line(vec![(left - TICK / 2.0, y), (left, y)], INK, HAIR);
                continue;
            }
            scene.line(vec![(left, y), (right, y)], GRID, HAIR);
            scene.line(vec![(left - TICK, y), (left, y)], INK, HAIR);
            let at = (left - TICK - TICK_GAP, y + SMALL * font::CAP_HEIGHT / 2.0);
            let label = style::text(tick.label, at, SMALL, Align::End, INK);
            widest = widest.max(label.width());
            scene.text(label);
        }
        let at = (left - TICK - 2.0 * TICK_GAP - widest - 5.0, (top + bottom) / 2.0);
        let title = font::fitted(title, style::BODY, Weight::Regular, self.area.height() + LABEL_LINE);
        scene.text(crate::scene::Text { upwards: true, ..style::text(title, at, style::BODY, Align::Middle, INK) });
    }

    /// A line through `points` in data coordinates, as much of it as lies in the panel.
    pub(crate) fn curve(&self, scene: &mut Scene, points: impl IntoIterator<Item = (f64, f64)>, stroke: Stroke) {
        let path: Vec<Point> = points.into_iter().map(|(x, y)| self.point(x, y)).collect();
        for piece in clip::line(&path, self.area) {
            stroke.draw(scene, &piece);
        }
    }

    /// The intervals at ascending `x` as a translucent band.
    pub(crate) fn band(&self, scene: &mut Scene, intervals: &[(f64, Estimate)], colour: RGBColor) {
        if intervals.len() < 2 || !intervals.iter().any(|(_, estimate)| estimate.has_width()) {
            return;
        }
        let lower = intervals.iter().map(|(x, estimate)| self.point(*x, estimate.low));
        let upper = intervals.iter().rev().map(|(x, estimate)| self.point(*x, estimate.high));
        let outline = clip::polygon(&lower.chain(upper).collect::<Vec<_>>(), self.area);
        if outline.len() > 2 {
            scene.fill(outline, colour.mix(style::BAND));
        }
    }

    /// An interval as a vertical whisker with caps, if its mean is in the panel.
    pub(crate) fn whisker(&self, scene: &mut Scene, x: f64, interval: &Estimate, colour: RGBColor) {
        if !interval.has_width() || !self.area.contains(self.point(x, interval.mean)) {
            return;
        }
        let (low, high) = (self.point(x, interval.low), self.point(x, interval.high));
        if let Some((low, high)) = clip::segment(low, high, self.area) {
            scene.line(vec![low, high], colour, THIN);
        }
        for (x, y) in [low, high].into_iter().filter(|end| self.area.contains(*end)) {
            scene.line(vec![(x - 3.5, y), (x + 3.5, y)], colour, THIN);
        }
    }

    /// A marker, if its centre is in the panel.
    pub(crate) fn marker(&self, scene: &mut Scene, (x, y): (f64, f64), marker: Marker, colour: RGBColor) {
        let centre = self.point(x, y);
        if self.area.contains(centre) {
            marker.draw(scene, centre, colour);
        }
    }

    /// A vertical dotted line across the panel.
    pub(crate) fn vertical_rule(&self, scene: &mut Scene, x: f64, colour: RGBColor) {
        let (x, _) = self.point(x, 1.0);
        let stroke = Stroke { colour, width: style::LINE * 0.8, dash: Dash::Dotted };
        stroke.draw(scene, &[(x, self.area.top), (x, self.area.bottom)]);
    }

    /// A horizontal dashed line across the panel.
    pub(crate) fn horizontal_rule(&self, scene: &mut Scene, y: f64) {
        let stroke = Stroke { colour: QUIET, width: THIN, dash: Dash::Dashed };
        let height = self.area.bottom - self.area.height() * self.y.position(y);
        stroke.draw(scene, &[(self.area.left, height), (self.area.right, height)]);
    }
}

fn tick_count(length: f64, pitch: f64) -> usize {
    (length / pitch).floor().max(2.0) as usize
}

/// Two strokes across a vertical axis, with the axis cleared between them.
fn draw_break(scene: &mut Scene, (x, y): Point) {
    let slanted = |y: f64| vec![(x - 6.0, y + 2.5), (x + 6.0, y - 2.5)];
    let mut gap = slanted(y - 2.5);
    gap.extend(slanted(y + 2.5).into_iter().rev());
    scene.fill(gap, WHITE.to_rgba());
    scene.line(slanted(y - 2.5), INK, THIN);
    scene.line(slanted(y + 2.5), INK, THIN);
}
