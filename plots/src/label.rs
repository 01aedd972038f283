//! Places for labels between the data.

use crate::clip;
use crate::font;
use crate::scene::{Align, Point, Rect, Text};

/// Distances of a label from its point, tried in this order.
const NEAR: [f64; 2] = [9.0, 13.0];
/// Distances at which a line has to lead from the point to its label.
const FAR: [f64; 3] = [24.0, 34.0, 46.0];

/// Keeps labels off the data, off each other and inside a panel.
pub(crate) struct Placer {
    bounds: Rect,
    taken: Vec<Rect>,
    markers: Vec<Rect>,
}

impl Placer {
    /// For labels inside `bounds`.
    pub(crate) fn new(bounds: Rect) -> Self {
        Self { bounds, taken: Vec::new(), markers: Vec::new() }
    }

    /// Keeps labels and the lines to them off a data point's marker.
    pub(crate) fn avoid_marker(&mut self, centre: Point, radius: f64) {
        self.avoid(Rect::around(centre, radius));
        self.markers.push(Rect::around(centre, radius));
    }

    fn avoid(&mut self, rect: Rect) {
        self.taken.push(rect);
    }

    /// Keeps labels off the line through `path`.
    pub(crate) fn avoid_line(&mut self, path: &[Point]) {
        const STEP: f64 = 4.0;
        for pair in path.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let steps = (dx.hypot(dy) / STEP).ceil().clamp(1.0, 1000.0);
            for step in 0..=steps as usize {
                let share = step as f64 / steps;
                self.avoid(Rect::around((pair[0].0 + share * dx, pair[0].1 + share * dy), STEP / 2.0));
            }
        }
    }

    /// The text beside `point`, on the first side that is free, or nothing if none is.
    pub(crate) fn place(&mut self, point: Point, text: &Text) -> Option<Text> {
        self.place_at(&NEAR, point, text, |_| true)
    }

    /// The text a little away from `point`, with the line that leads to it, or nothing if there is no room either.
    pub(crate) fn place_away(&mut self, point: Point, text: &Text) -> Option<(Text, [Point; 2])> {
        let leader_end = |placed: &Text| {
            let Rect { left, top, right, bottom } = placed.bounds();
            (point.0.clamp(left - 2.0, right + 2.0), point.1.clamp(top - 2.0, bottom))
        };
        let others: Vec<Rect> = self.markers.iter().copied().filter(|marker| !marker.contains(point)).collect();
        let leads_clear = |placed: &Text| {
            let end = leader_end(placed);
            others.iter().all(|marker| clip::segment(point, end, *marker).is_none())
        };
        let placed = self.place_at(&FAR, point, text, leads_clear)?;
        let leader = [point, leader_end(&placed)];
        self.avoid_line(&leader);
        Some((placed, leader))
    }

    fn place_at(
        &mut self,
        distances: &[f64],
        point: Point,
        text: &Text,
        accepted: impl Fn(&Text) -> bool,
    ) -> Option<Text> {
        let cap_height = text.size * font::CAP_HEIGHT;
        let sides = |distance: f64| {
            let slanted = distance * 0.75;
            [
                (Align::Start, distance, cap_height / 2.0),
                (Align::End, -distance, cap_height / 2.0),
                (Align::Middle, 0.0, -distance),
                (Align::Middle, 0.0, distance + cap_height),
                (Align::Start, slanted, slanted + cap_height),
                (Align::End, -slanted, slanted + cap_height),
                (Align::Start, slanted, -slanted),
                (Align::End, -slanted, -slanted),
            ]
        };
        let places = distances.iter().copied().flat_map(sides).map(|(align, right, down)| {
            let at = (point.0 + right, point.1 + down);
            Text { at, align, ..text.clone() }
        });
        let free = |text: &Text| {
            let bounds = text.bounds();
            self.bounds.holds(&bounds) && accepted(text) && !self.taken.iter().any(|taken| taken.overlaps(&bounds))
        };
        let placed = places.into_iter().find(free)?;
        let Rect { left, top, right, bottom } = placed.bounds();
        self.avoid(Rect { left: left - 3.0, top: top - 2.0, right: right + 3.0, bottom: bottom + 2.0 });
        Some(placed)
    }
}

/// Moves ascending `places` apart until neighbours are `gap` apart, as near as possible to where they were and, if they
/// fit at all, within `low..high`.
pub(crate) fn spread(places: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    // Clusters of labels that touch; each is centred on the mean of its members' own places.
    struct Cluster {
        wanted: f64,
        members: usize,
    }
    let extent = |members: usize| gap * (members - 1) as f64;
    let first = |cluster: &Cluster| {
        let start = cluster.wanted - extent(cluster.members) / 2.0;
        start.min(high - extent(cluster.members)).max(low)
    };
    let mut clusters: Vec<Cluster> = Vec::new();
    for place in places {
        clusters.push(Cluster { wanted: *place, members: 1 });
        while let [.., before, last] = &clusters[..] {
            if first(before) + gap * before.members as f64 <= first(last) {
                break;
            }
            let members = before.members + last.members;
            let wanted = (before.wanted * before.members as f64 + last.wanted * last.members as f64) / members as f64;
            clusters.truncate(clusters.len() - 2);
            clusters.push(Cluster { wanted, members });
        }
    }
    let spaced = clusters.iter().flat_map(|cluster| {
        let first = first(cluster);
        (0..cluster.members).map(move |member| first + gap * member as f64)
    });
    spaced.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{INK, SMALL, text};

    #[test]
    fn labels_avoid_each_other_or_are_left_out() {
        let mut placer = Placer::new(Rect { left: 0.0, top: 0.0, right: 200.0, bottom: 200.0 });
        let label = text("0.85 V", (0.0, 0.0), SMALL, Align::Start, INK);
        let labels: Vec<Text> = (0..50).filter_map(|_| placer.place((100.0, 100.0), &label)).collect();
        assert!((4..50).contains(&labels.len()), "{} placed", labels.len());
        for (index, label) in labels.iter().enumerate() {
            assert!(labels[..index].iter().all(|other| !other.bounds().overlaps(&label.bounds())));
        }
    }

    #[test]
    fn a_leader_passes_no_other_marker() {
        let mut placer = Placer::new(Rect { left: 0.0, top: 0.0, right: 300.0, bottom: 300.0 });
        // Markers close to the point on all sides but one.
        let point = (150.0, 150.0);
        let others = [(130.0, 130.0), (150.0, 130.0), (170.0, 130.0), (130.0, 150.0), (130.0, 170.0), (170.0, 170.0)];
        for other in others.into_iter().chain([point, (170.0, 150.0)]) {
            placer.avoid_marker(other, 8.0);
        }
        let label = text("0.85 V", point, SMALL, Align::Start, INK);
        assert!(placer.place(point, &label).is_none());
        let (placed, leader) = placer.place_away(point, &label).unwrap();
        // The free side is below.
        assert!(placed.bounds().top > 158.0 && leader[1].1 > 158.0, "{:?}", placed.bounds());
        assert!(others.iter().all(|other| clip::segment(leader[0], leader[1], Rect::around(*other, 8.0)).is_none()));
    }

    #[test]
    fn spreading_keeps_order_gaps_and_limits() {
        assert_eq!(spread(&[10.0, 50.0], 20.0, 0.0, 100.0), [10.0, 50.0]);
        // Two at the same place move apart by half the gap each; at the border both move inwards.
        assert_eq!(spread(&[50.0, 50.0], 20.0, 0.0, 100.0), [40.0, 60.0]);
        assert_eq!(spread(&[98.0, 99.0], 20.0, 0.0, 100.0), [80.0, 100.0]);
        assert_eq!(spread(&[0.0, 1.0, 30.0], 20.0, 0.0, 100.0), [0.0, 20.0, 40.0]);
        assert_eq!(spread(&[], 20.0, 0.0, 100.0), [0.0; 0]);
    }
}
