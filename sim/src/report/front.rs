//! Which operating points are worth choosing.

use super::Aggregate;

/// How a point stands among all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No other point has at least its mean accuracy for at most its energy.
    Front,
    /// Others have, but none beyond the upper end of its interval: with more seeds it could be on the front.
    WithinNoise,
    /// Some other point is better beyond doubt of this kind.
    Dominated,
}

/// Each point's standing, by mean energy and mean accuracy. Of equal points the first is on the front.
pub fn standings(points: &[Aggregate]) -> Vec<Standing> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    // Of equal energies the most accurate first, of equal points the first one.
    order.sort_by(|&a, &b| {
        let (first, second) = (&points[a], &points[b]);
        let energy = first.energy_uj.total.total_cmp(&second.energy_uj.total);
        energy.then(second.accuracy.mean.total_cmp(&first.accuracy.mean)).then(a.cmp(&b))
    });
    let mut standings = vec![Standing::Dominated; points.len()];
    let mut best = f64::NEG_INFINITY;
    for index in order {
        let accuracy = points[index].accuracy;
        if accuracy.mean > best {
            standings[index] = Standing::Front;
            best = accuracy.mean;
        } else if accuracy.high >= best {
            standings[index] = Standing::WithinNoise;
        }
    }
    standings
}

/// Positions of the points on the front, by ascending energy and so by ascending accuracy.
pub fn pareto_front(points: &[Aggregate]) -> Vec<usize> {
    let standings = standings(points);
    let mut front: Vec<usize> = (0..points.len()).filter(|&index| standings[index] == Standing::Front).collect();
    front.sort_by(|&a, &b| points[a].energy_uj.total.total_cmp(&points[b].energy_uj.total));
    front
}

/// Where spending more energy stops paying: the point of the front farthest above the straight line between its ends, both
/// axes taken from end to end (Das, Structural Optimization 18, 1999). None on a front that is straight or
/// has fewer than three points.
pub fn knee(points: &[Aggregate], front: &[usize]) -> Option<usize> {
    let place = |index: usize| (points[index].energy_uj.total, points[index].accuracy.mean);
    let ((left, low), (right, high)) = (place(*front.first()?), place(*front.last()?));
    let above = |&index: &usize| {
        let (energy, accuracy) = place(index);
        (accuracy - low) / (high - low) - (energy - left) / (right - left)
    };
    let inner = front.get(1..front.len() - 1)?;
    inner.iter().copied().filter(|index| above(index) > 1e-12).max_by(|a, b| above(a).total_cmp(&above(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::EnergyComponents;
    use crate::report::Interval;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn point(energy: f64, [low, mean, high]: [f64; 3]) -> Aggregate {
        Aggregate {
            design: "d".into(),
            method: "m".into(),
            supply_v: 1.0,
            accuracy: Interval { mean, low, high },
            energy_uj: EnergyComponents { total: energy, ..EnergyComponents::default() },
            product_error_rate: 0.0,
            seeds: 3,
        }
    }

    /// Against the definition, on points with many ties.
    #[test]
    fn the_front_is_what_nothing_dominates() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200 {
            let count = rng.random_range(0..30);
            let mut number = |range: u32| f64::from(rng.random_range(0..range));
            let points: Vec<Aggregate> = (0..count)
                .map(|_| {
                    let (energy, mean) = (number(8), number(8) / 10.0);
                    point(energy, [mean, mean, mean + number(3) / 10.0])
                })
                .collect();
            let beats = |a: &Aggregate, b: &Aggregate| {
                let (energy, accuracy) =
                    (a.energy_uj.total.total_cmp(&b.energy_uj.total), a.accuracy.mean.total_cmp(&b.accuracy.mean));
                energy.is_le() && accuracy.is_ge() && (energy.is_lt() || accuracy.is_gt())
            };
            let equal = |a: &Aggregate, b: &Aggregate| {
                a.energy_uj.total == b.energy_uj.total && a.accuracy.mean == b.accuracy.mean
            };
            for (index, standing) in standings(&points).into_iter().enumerate() {
                let own = &points[index];
                let beaten = points.iter().any(|other| beats(other, own))
                    || points[..index].iter().any(|other| equal(other, own));
                assert_eq!(standing == Standing::Front, !beaten);
                let sure = points.iter().any(|other| {
                    other.energy_uj.total <= own.energy_uj.total && other.accuracy.mean > own.accuracy.high
                });
                assert_eq!(standing == Standing::Dominated, sure);
            }
            let front = pareto_front(&points);
            let ascends = |pair: &[usize]| {
                beats(&points[pair[0]], &points[pair[1]]) || {
                    points[pair[0]].energy_uj.total < points[pair[1]].energy_uj.total
                        && points[pair[0]].accuracy.mean < points[pair[1]].accuracy.mean
                }
            };
            assert!(front.windows(2).all(ascends));
        }
    }

    #[test]
    fn the_knee_bulges_most() {
        let exact = |energy: f64, accuracy: f64| point(energy, [accuracy; 3]);
        // Above the line from (1, 0.1) to (5, 0.9): 0.5 − 0.25, 0.9375 − 0.5, 0.95 − 0.75.
        let points = [exact(5.0, 0.9), exact(1.0, 0.1), exact(3.0, 0.85), exact(2.0, 0.5), exact(4.0, 0.86)];
        let front = pareto_front(&points);
        assert_eq!(front, [1, 3, 2, 4, 0]);
        assert_eq!(knee(&points, &front), Some(2));
        assert_eq!(knee(&points, &[1, 0]), None);
        assert_eq!(knee(&points, &[]), None);
        let straight = [exact(1.0, 0.1), exact(2.0, 0.2), exact(3.0, 0.3)];
        assert_eq!(knee(&straight, &[0, 1, 2]), None);
    }
}
