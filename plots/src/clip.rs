//! Parts of lines and polygons inside a rectangle.

use crate::scene::{Point, Rect};

/// The part of the segment inside `rect`, if any (Liang and Barsky 1984).
pub(crate) fn segment(from: Point, to: Point, rect: Rect) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    let borders =
        [(-dx, from.0 - rect.left), (dx, rect.right - from.0), (-dy, from.1 - rect.top), (dy, rect.bottom - from.1)];
    for (outwards, inside) in borders {
        if outwards == 0.0 {
            if inside < 0.0 {
                return None;
            }
        } else if outwards < 0.0 {
            enter = enter.max(inside / outwards);
        } else {
            leave = leave.min(inside / outwards);
        }
    }
    // An end that is kept stays exactly where it was, so that pieces can be joined again.
    let at = |share: f64| if share < 1.0 { (from.0 + share * dx, from.1 + share * dy) } else { to };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

/// The parts of a line inside `rect`.
pub(crate) fn line(path: &[Point], rect: Rect) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for pair in path.windows(2) {
        let Some((from, to)) = segment(pair[0], pair[1], rect) else { continue };
        match pieces.last_mut().filter(|piece| piece.last() == Some(&from)) {
            Some(piece) => piece.push(to),
            None => pieces.push(vec![from, to]),
        }
    }
    pieces
}

/// The part of a polygon inside `rect` (Sutherland and Hodgman 1974); pieces stay joined along the border.
pub(crate) fn polygon(outline: &[Point], rect: Rect) -> Vec<Point> {
    let inside: [&dyn Fn(Point) -> f64; 4] =
        [&|(x, _)| x - rect.left, &|(x, _)| rect.right - x, &|(_, y)| y - rect.top, &|(_, y)| rect.bottom - y];
    inside.iter().fold(outline.to_vec(), |outline, depth| {
        let mut kept = Vec::with_capacity(outline.len() + 4);
        for (index, &to) in outline.iter().enumerate() {
            let from = outline[(index + outline.len() - 1) % outline.len()];
            let (before, after) = (depth(from), depth(to));
            if (before < 0.0) != (after < 0.0) {
                let share = before / (before - after);
                kept.push((from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)));
            }
            if after >= 0.0 {
                kept.push(to);
            }
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rect = Rect { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

    #[test]
    fn a_line_that_leaves_and_returns_is_two_pieces() {
        // Leaves through y = 1 at x = 0.25 and comes back at x = 0.75.
        let pieces = line(&[(0.0, 0.0), (0.5, 2.0), (1.0, 0.0)], UNIT);
        assert_eq!(pieces, [[(0.0, 0.0), (0.25, 1.0)], [(0.75, 1.0), (1.0, 0.0)]]);
    }

    #[test]
    fn a_line_inside_stays_whole() {
        let path = [(0.1, 0.2), (0.5, 0.9), (0.8, 0.2)];
        let pieces = line(&path, UNIT);
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].len(), 3);
        assert_eq!(line(&[(2.0, 0.0), (2.0, 1.0)], UNIT), Vec::<Vec<Point>>::new());
    }

    #[test]
    fn a_clipped_polygon_keeps_its_inner_area() {
        // A square of side 1 shifted by a half in both directions shares a quarter with the unit square.
        let shifted = Rect { left: 0.5, top: 0.5, right: 1.5, bottom: 1.5 };
        let outline = polygon(&shifted.outline(), UNIT);
        let area: f64 = (0..outline.len())
            .map(|index| (outline[index], outline[(index + 1) % outline.len()]))
            .map(|((x0, y0), (x1, y1))| x0 * y1 - x1 * y0)
            .sum();
        assert_eq!(area.abs() / 2.0, 0.25);
    }
}
