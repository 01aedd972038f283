//! Drawing chips: a failure threshold for every cell, without touching the cells that do not fail.
//!
//! A cell is weak where H = −ln(1 − p) exceeds its threshold, which is exponentially distributed with mean 1: the first event
//! of a Poisson process of the cell's own. Thresholds are cut into bands; the events of all cells in one band of width w are a
//! Poisson process along the cells, with exponential steps of mean 1/w from each to the next. Work is in proportion to the number
//! of weak cells. A supply takes all events below its H: nesting over voltage is exact. Random numbers are functions of seed, chip,
//! place, band and event, so nothing depends on the order in which cells are drawn.

use super::fault_map::FaultMap;
use super::{CellGeometry, FaultModel};
use crate::engine::multiversion;
use crate::profile::sampler::Draws;
use statrs::distribution::{ContinuousCDF, Normal};

/// One chip of a fault model, at all supplies.
#[derive(Clone, Copy, Debug)]
pub struct VirtualChip<'a> {
    pub(super) model: &'a FaultModel,
    pub(super) geometry: CellGeometry,
    pub(super) seed: u64,
    pub(super) chip: u64,
}

/// The first band reaches to 2^−12, each of the next to √2 times the one before.
const FIRST_BAND: i32 = -12;
/// Highest threshold: e^−64 is less than a random number resolves.
const LAST: f64 = 64.0;
/// Cells that are walked along together where columns have nothing in common.
const LINE: usize = 1 << 15;
/// Events that are drawn at once.
const DRAWN: usize = 8;
/// Streams that no band of a line has.
const TRANSIENT: u64 = u64::MAX;
const KINDS: u64 = u64::MAX - 1;
const COLUMNS: u64 = u64::MAX - 2;

impl VirtualChip<'_> {
    /// The chip's faults where cells fail with probability `p`.
    ///
    /// # Panics
    /// Unless 0 ≤ p ≤ 1.
    pub fn faults(&self, p: f64) -> FaultMap {
        assert!((0.0..=1.0).contains(&p), "a failure probability of {p}");
        let mut map = FaultMap::sound(self.geometry);
        let draws = Draws::new(self.seed);
        map.seed = draws.stream(self.chip, TRANSIENT).bits(0);
        let weak = map.up.as_raw_mut_slice();
        if self.model.column_correlation() > 0.0 {
            self.walk_columns(draws, p, weak);
        } else {
            walk_lines(self, draws, hazard(p), weak);
        }
        let pieces = self.geometry.pieces();
        let last = self.geometry.existing(pieces - 1);
        weak.iter_mut().skip(pieces - 1).step_by(pieces).for_each(|piece| *piece &= last);
        self.decide(draws, &mut map);
        map
    }

    /// Calls `mark(cell, bit)` with bit 1 for every weak cell of a line of `length` cells, and with bit 0 for some others.
    #[inline(always)]
    fn walk(
        &self,
        draws: Draws,
        exponential: &Exponential,
        line: u64,
        hazard: f64,
        length: usize,
        mut mark: impl FnMut(usize, u64),
    ) {
        let length = length as f64;
        let (mut low, mut high) = (0.0, 2f64.powi(FIRST_BAND));
        let mut band = 0;
        while low < hazard {
            let width = high - low;
            // Share of the band that counts, in units of 2^−32; events of a whole band all count.
            let limit = ((hazard - low) / width * 2f64.powi(32)) as u64;
            let step = 1.0 / width;
            let stream = draws.stream(self.chip, line << 8 | band);
            let mut place = 0.0;
            let (mut steps, mut counts) = ([0.0; DRAWN], [0; DRAWN]);
            // Drawn some at a time: only adding them up has to wait for the one before.
            'line: for first in (0..).step_by(DRAWN) {
                for (index, (drawn, counts)) in steps.iter_mut().zip(&mut counts).enumerate() {
                    let bits = stream.bits(first + index as u64);
                    *drawn = exponential.draw((bits >> 32) as u32) * step;
                    *counts = u64::from(bits & 0xffff_ffff < limit);
                }
                for (drawn, counts) in steps.iter().zip(&counts) {
                    place += drawn;
                    if place >= length {
                        break 'line;
                    }
                    mark(place as u32 as usize, *counts);
                }
            }
            (low, high) = (high, high * std::f64::consts::SQRT_2);
            band += 1;
        }
    }

    /// Columns whose cells share part of their variation: given the column's share z, a cell is weak with probability
    /// Φ((Φ⁻¹(p) − √ρ z) / √(1 − ρ)), which over all columns is p.
    fn walk_columns(&self, draws: Draws, p: f64, weak: &mut [u64]) {
        let normal = Normal::standard();
        let exponential = Exponential::new();
        let correlation = self.model.column_correlation();
        let centre = normal.inverse_cdf(p);
        let (rows, pieces) = (self.geometry.rows(), self.geometry.pieces());
        let shared = draws.stream(self.chip, COLUMNS);
        for column in 0..self.geometry.banks() * self.geometry.columns() {
            let (bank, column) = (column / self.geometry.columns(), column % self.geometry.columns());
            let line = (bank * pieces * 64 + column) as u64;
            let uniform = ((shared.bits(line) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            let own = (centre - correlation.sqrt() * normal.inverse_cdf(uniform)) / (1.0 - correlation).sqrt();
            let own = if p > 0.0 && p < 1.0 { normal.cdf(own) } else { p };
            self.walk(draws, &exponential, line, hazard(own), rows, |row, bit| {
                weak[(bank * rows + row) * pieces + column / 64] |= bit << (column % 64);
            });
        }
    }

    /// Decides what each weak cell, so far in `up`, does: for every cell by itself, or for its whole column where columns are
    /// aligned.
    fn decide(&self, draws: Draws, map: &mut FaultMap) {
        let (up_share, persistent) = (self.model.up_share(), fixed_point(self.model.persistent_share()));
        let kinds = draws.stream(self.chip, KINDS);
        let weak = map.up.as_raw_slice();
        if persistent <= u64::from(u32::MAX) {
            let mut transient = FaultMap::no_cells(self.geometry);
            for_each_cell(weak, |at, bit| {
                if kinds.bits(at as u64) >> 32 >= persistent {
                    transient.as_raw_mut_slice()[at / 64] |= bit;
                }
            });
            map.transient = Some(transient);
        }
        let Some(up_share) = up_share else { return };
        let (pulls_up, columns) = (fixed_point(up_share), draws.stream(self.chip, COLUMNS));
        let (pieces, rows) = (self.geometry.pieces(), self.geometry.rows());
        let aligned = self.model.column_correlation() > 0.0;
        let [mut up, mut down] = [0; 2].map(|_| FaultMap::no_cells(self.geometry));
        for_each_cell(weak, |at, bit| {
            let direction = if aligned {
                let column = at / (pieces * 64 * rows) * pieces * 64 + at % (pieces * 64);
                // Beyond what columns' shares take of this stream.
                columns.bits(1 << 63 | column as u64) >> 32
            } else {
                kinds.bits(at as u64) & 0xffff_ffff
            };
            let plane = if direction < pulls_up { &mut up } else { &mut down };
            plane.as_raw_mut_slice()[at / 64] |= bit;
        });
        (map.up, map.down) = (up, Some(down));
    }
}

multiversion! {
    fn walk_lines(chip: &VirtualChip<'_>, draws: Draws, hazard: f64, weak: &mut [u64]) = walk_each_line
}

/// Marks the weak cells of a memory without columns, line by line.
#[inline(always)]
fn walk_each_line(chip: &VirtualChip<'_>, draws: Draws, hazard: f64, weak: &mut [u64]) {
    let exponential = Exponential::new();
    for (line, weak) in weak.chunks_mut(LINE / 64).enumerate() {
        chip.walk(draws, &exponential, line as u64, hazard, weak.len() * 64, |cell, bit| {
            weak[cell / 64] |= bit << (cell % 64);
        });
    }
}

/// Calls `visit(cell, bit)` for every cell of a plane, `bit` being its place in its piece.
#[inline(always)]
fn for_each_cell(plane: &[u64], mut visit: impl FnMut(usize, u64)) {
    for (index, &piece) in plane.iter().enumerate() {
        let mut left = piece;
        while left != 0 {
            let bit = left & left.wrapping_neg();
            left ^= bit;
            visit(index * 64 + bit.trailing_zeros() as usize, bit);
        }
    }
}

/// −ln(1 − p), as far as thresholds go.
fn hazard(p: f64) -> f64 {
    (-(-p).ln_1p()).min(LAST)
}

/// `share` in units of 2^−32.
fn fixed_point(share: f64) -> u64 {
    (share * 2f64.powi(32)) as u64
}

/// Exponential variates, −ln u, from a table of 2¹⁰ logarithms between which they are linear: wrong by 1.2·10⁻⁷ at most.
struct Exponential {
    /// −ln(1 + i/2¹⁰).
    table: Vec<f64>,
}

impl Exponential {
    const BITS: u32 = 10;

    fn new() -> Self {
        let cells = 1u32 << Self::BITS;
        Self { table: (0..=cells).map(|cell| -(f64::from(cell) / f64::from(cells)).ln_1p()).collect() }
    }

    /// From 32 random bits r: −ln((r + ½) / 2³²).
    #[inline(always)]
    fn draw(&self, bits: u32) -> f64 {
        // 33 bits, the lowest one set: u = odd / 2^33.
        let odd = u64::from(bits) << 1 | 1;
        let zeros = odd.leading_zeros();
        // u = (1 + fraction) / 2^exponent, the fraction in units of 2^−63.
        let fraction = odd << zeros & !(1 << 63);
        let exponent = zeros - 30;
        let cell = (fraction >> (63 - Self::BITS)) as usize;
        let within = (fraction << Self::BITS & !(1 << 63)) as i64 as f64 * (1.0 / (1u64 << 63) as f64);
        let (low, high) = (self.table[cell], self.table[cell + 1]);
        low + (high - low) * within + f64::from(exponent) * std::f64::consts::LN_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FailureLaw;
    use crate::units::Volts;

    fn model() -> FaultModel {
        FaultModel::new("test", FailureLaw::Probit { v50: 0.7056, sigma: 0.0552 }, Volts(0.7)).unwrap()
    }

    fn geometry() -> CellGeometry {
        CellGeometry::new(3, 100, 4, 72).unwrap()
    }

    /// Within 4.5 standard deviations of a binomial count.
    fn assert_binomial(count: usize, trials: usize, p: f64) {
        let (mean, deviation) = (trials as f64 * p, (trials as f64 * p * (1.0 - p)).sqrt());
        assert!((count as f64 - mean).abs() <= 4.5 * deviation, "{count} of {trials} at {p}");
    }

    #[test]
    fn weak_cells_directions_and_persistence_have_the_shares_asked_for() {
        let geometry = geometry();
        for p in [1e-4, 0.003, 0.01, 0.05, 0.3, 0.75] {
            let flips = model().chip(geometry, 1, 0).faults(p).counts();
            assert_binomial(flips.weak, geometry.cells(), p);
            assert_eq!((flips.up, flips.down, flips.transient), (flips.weak, flips.weak, 0));
            let polar = model().with_up_share(Some(0.73)).unwrap().with_persistent_share(0.2).unwrap();
            let counts = polar.chip(geometry, 1, 0).faults(p).counts();
            assert_eq!(counts.weak, flips.weak, "what a fault does is not where it is");
            assert_eq!(counts.up + counts.down, counts.weak);
            assert_binomial(counts.up, counts.weak, 0.73);
            assert_binomial(counts.transient, counts.weak, 0.8);
        }
        let chip = |p| model().chip(geometry, 1, 0).faults(p).counts().weak;
        assert_eq!((chip(0.0), chip(1.0)), (0, geometry.cells()));
    }

    #[test]
    fn a_cell_that_fails_fails_at_every_lower_supply() {
        for correlation in [0.0, 0.6] {
            let model = model().with_up_share(Some(0.4)).unwrap().with_persistent_share(0.5).unwrap();
            let model = model.with_column_correlation(correlation).unwrap();
            let chip = model.chip(geometry(), 5, 2);
            let probabilities = [0.0, 1e-5, 1e-3, 0.01, 0.0100001, 0.2, 0.9, 1.0];
            let maps = probabilities.map(|p| chip.faults(p));
            for pair in maps.windows(2) {
                assert!(pair[0].is_within(&pair[1]));
            }
            assert!(!maps[5].is_within(&maps[4]));
        }
    }

    #[test]
    fn chips_differ_and_are_reproduced() {
        let map = |seed, chip| model().chip(geometry(), seed, chip).faults(0.02);
        assert_eq!(map(1, 0), map(1, 0));
        let overlap = |a: &FaultMap, b: &FaultMap| {
            let pairs = a.up.as_raw_slice().iter().zip(b.up.as_raw_slice());
            pairs.map(|(a, b)| (a & b).count_ones() as usize).sum::<usize>()
        };
        // Independent chips share p² of their cells.
        for other in [map(1, 1), map(2, 0)] {
            assert_binomial(overlap(&map(1, 0), &other), geometry().cells(), 0.02 * 0.02);
        }
    }

    #[test]
    fn steps_are_exponential() {
        let exponential = Exponential::new();
        for bits in (0..u32::MAX - 40_000_001).step_by(40_000_001).chain([0, 1, 2, 1 << 31, u32::MAX]) {
            let exact = -((f64::from(bits) + 0.5) / 2f64.powi(32)).ln();
            assert!((exponential.draw(bits) - exact).abs() < 2e-7, "{bits}: {}", exponential.draw(bits));
        }
    }

    /// Distances between neighbouring weak cells of independent ones are geometric: P(distance > n) = (1 − p)^n.
    #[test]
    fn weak_cells_are_independent_of_their_neighbours() {
        let geometry = CellGeometry::new(1, 4096, 1, 64).unwrap();
        let p = 0.02;
        let map = model().chip(geometry, 11, 0).faults(p);
        let weak: Vec<usize> = map.up.iter_ones().collect();
        for n in [1, 5, 20, 50, 150] {
            let longer = weak.windows(2).filter(|pair| pair[1] - pair[0] > n).count();
            assert_binomial(longer, weak.len() - 1, (1.0 - p).powi(n as i32));
        }
        // And so are the rows of a column.
        let both = (0..4095).flat_map(|row| (0..64).map(move |column| (row, column)));
        let both = both.filter(|&(row, column)| map.fault(row, column)[0] && map.fault(row + 1, column)[0]);
        assert_binomial(both.count(), 4095 * 64, p * p);
    }

    #[test]
    fn column_aligned_faults_cluster_in_columns_and_keep_their_share() {
        let geometry = CellGeometry::new(40, 256, 1, 64).unwrap();
        let model = model().with_up_share(Some(0.5)).unwrap();
        let aligned = model.clone().with_column_correlation(0.7).unwrap();
        let p = 0.02;
        let aligned = aligned.chip(geometry, 3, 0).faults(p);
        let independent = model.chip(geometry, 3, 0).faults(p);
        let columns = |map: &FaultMap| -> Vec<Vec<[bool; 3]>> {
            let column = |index: usize| (0..256).map(move |row| (index / 64 * 256 + row, index % 64));
            let weak = |index| column(index).map(|(row, column)| map.fault(row, column)).filter(|f| f[0] || f[1]);
            (0..40 * 64).map(|index| weak(index).collect()).collect()
        };
        // Mean share, and variance over columns against the binomial one.
        let dispersion = |columns: &[Vec<[bool; 3]>]| {
            let counts: Vec<f64> = columns.iter().map(|weak| weak.len() as f64).collect();
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / counts.len() as f64;
            (mean / 256.0, variance / (mean * (1.0 - p)))
        };
        let (share, spread) = dispersion(&columns(&independent));
        assert!((share - p).abs() < 0.001 && (0.9..1.1).contains(&spread), "{share}, {spread}");
        let (share, spread) = dispersion(&columns(&aligned));
        // 2,560 columns with large differences: the mean is known to ±15 % or so.
        assert!((share / p - 1.0).abs() < 0.4 && spread > 10.0, "{share}, {spread}");
        let one_way = |weak: &Vec<[bool; 3]>| weak.iter().all(|fault| fault[0]) || weak.iter().all(|fault| fault[1]);
        assert!(columns(&aligned).iter().all(one_way) && !columns(&independent).iter().all(one_way));
    }
}
