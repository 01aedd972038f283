//! The frame all figures share: a caption on top, legends below it, the rest for panels.

use crate::axis::Scale;
use crate::font::{self, Weight};
use crate::legend::{self, Row};
use crate::panel::{Panel, Titles};
use crate::scene::{Align, Rect, Scene};
use crate::style::{self, BODY, INK, MARGIN, QUIET, TITLE};

/// What stands above a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// What the figure shows.
    pub title: String,
    /// What was measured and how: design, technology, stimulus, clock, number of seeds.
    pub subtitle: String,
}

impl Caption {
    /// A title and a line below it.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into() }
    }
}

/// Height that panels, their labels and titles need.
const LEAST_FREE: f64 = 430.0;

/// A scene under construction and the part of it that is still free.
pub(crate) struct Figure {
    pub(crate) scene: Scene,
    pub(crate) free: Rect,
}

impl Figure {
    /// An empty figure of `height` with its caption.
    pub(crate) fn new(caption: &Caption, height: f64) -> Self {
        let mut scene = Scene::new(style::WIDTH, height);
        let free = Rect { left: MARGIN, top: MARGIN, right: style::WIDTH - MARGIN, bottom: height - MARGIN / 2.0 };
        let mut baseline = MARGIN;
        let lines = [(&caption.title, TITLE, Weight::Bold, INK), (&caption.subtitle, BODY, Weight::Regular, QUIET)];
        for (content, size, weight, colour) in lines {
            for line in font::wrapped(content, size, weight, free.width()) {
                baseline += size * 0.85;
                let text = style::text(line, (free.left, baseline), size, Align::Start, colour);
                scene.text(crate::scene::Text { weight, ..text });
                baseline += size * 0.55;
            }
        }
        Self { scene, free: Rect { top: baseline + 8.0, ..free } }
    }

    /// Rows of keys below the caption; the figure grows if they leave too little for its panels.
    pub(crate) fn legend(&mut self, rows: &[Row]) {
        self.free.top = legend::draw(&mut self.scene, self.free, rows);
        let missing = (LEAST_FREE - self.free.height()).max(0.0).ceil();
        self.scene.height += missing;
        self.free.bottom += missing;
    }

    /// One panel on all that is free, with its axes drawn.
    pub(crate) fn panel(&mut self, x: Scale, y: Scale, titles: Titles) -> Panel {
        let outer = Rect { top: self.free.top + 12.0, ..self.free };
        let left = Panel::left_of_axis(&y, outer.height());
        let panel = Panel::within(outer, left, x, y, titles.x.is_some());
        panel.draw_axes(&mut self.scene, titles);
        panel
    }
}
