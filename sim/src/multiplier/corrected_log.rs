//! Logarithmic multipliers with an additive correction: MBM and REALM.
//!
//! Mitchell's product plus `2^(k+l)·s`, where s depends on the segments of the unit interval in which the mantissas x and
//! y lie, chosen so that the mean relative error over each segment pair is 0. s has six fractional bits. The sum is
//! rounded down, and saturated at 2^(width_a + width_b) − 1, which corrected products near the largest can exceed.

use super::adder::sum;
use super::logarithm::{antilogarithm, logarithm};
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::enabled;
use crate::netlist::{NetId, NetlistBuilder};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Mitchell's multiplier with a correction for each pair of mantissa segments.
pub(super) enum CorrectedLog {
    /// One correction for all: 5/64 (Saadat, Bokhari and Parameswaran, IEEE TCAD 37, 2018).
    Mbm,
    /// 4, 8 or 16 segments of each mantissa (Saadat, Javaid, Ignjatovic and Parameswaran, DATE 2020).
    Realm { segments: u32 },
}

/// Fractional bits of the correction.
const PRECISION: usize = 6;

/// Corrections of 1, 4, 8 and 16 segments.
static CORRECTIONS: LazyLock<[(u32, Vec<u64>); 4]> =
    LazyLock::new(|| [1, 4, 8, 16].map(|segments| (segments, corrections(segments))));

impl CorrectedLog {
    /// Segments of a mantissa.
    fn segments(&self) -> u32 {
        match *self {
            CorrectedLog::Mbm => 1,
            CorrectedLog::Realm { segments } => segments,
        }
    }

    /// The correction of segments (i, j) in units of 2^−PRECISION, at `i·segments + j`.
    fn corrections(&self) -> &'static [u64] {
        let found = CORRECTIONS.iter().find(|(segments, _)| *segments == self.segments());
        &found.expect("a validated number of segments").1
    }
}

impl UnsignedMultiplier for CorrectedLog {
    /// Both mantissas have the bits that name a segment.
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        let CorrectedLog::Realm { segments } = *self else { return Ok(()) };
        let narrowest = operands.width_a.min(operands.width_b);
        require("segments", segments, [4u32, 8, 16].into_iter().filter(|segments| segments.ilog2() < narrowest))
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let width = a.len() + b.len();
        // Enough for either mantissa and for half of the correction's last bit.
        let fraction = (a.len().max(b.len()) - 1).max(PRECISION + 1);
        let (log_a, log_b) = (logarithm(circuit, a, fraction), logarithm(circuit, b, fraction));
        let mantissas = sum(circuit, &log_a.mantissa, &log_b.mantissa);
        let (mantissa, carry) = (&mantissas[..fraction], mantissas[fraction]);
        let characteristics = sum(circuit, &log_a.characteristic, &log_b.characteristic);
        let exponent = sum(circuit, &characteristics, &[carry]);

        let top = fraction - self.segments().ilog2() as usize;
        let segments = [&log_b.mantissa[top..], &log_a.mantissa[top..]].concat();
        let correction: Vec<NetId> = (0..PRECISION)
            .map(|bit| {
                let column: Vec<bool> = self.corrections().iter().map(|value| value >> bit & 1 == 1).collect();
                look_up(circuit, &segments, &column, &mut HashMap::new())
            })
            .collect();
        // The significand is in units of 2^exponent; when that was incremented the correction counts half.
        let bit = |position: usize| correction.get(position).copied().unwrap_or(NetId::ZERO);
        let halved = |position: usize| position.checked_sub(1).map_or(NetId::ZERO, &bit);
        let aligned = (0..=PRECISION).map(|position| circuit.mux(carry, bit(position), halved(position)));
        let mut addend = vec![NetId::ZERO; fraction - PRECISION - 1];
        addend.extend(aligned.collect::<Vec<_>>());

        let significand = sum(circuit, &[mantissa, &[NetId::ONE]].concat(), &addend);
        let nonzero = circuit.and(log_a.nonzero, log_b.nonzero);
        let significand = enabled(circuit, &significand, nonzero);
        let product = antilogarithm(circuit, &significand, fraction, &exponent, width + 1);
        product[..width].iter().map(|&bit| circuit.or(bit, product[width])).collect()
    }

    fn product(&self, operands: Operands, a: u64, b: u64) -> u64 {
        let (Some(k), Some(l)) = (a.checked_ilog2(), b.checked_ilog2()) else { return 0 };
        let one = 1u64 << (k + l);
        let (residue_a, residue_b) = (a - (1 << k), b - (1 << l));
        let mantissas = (residue_a << l) + (residue_b << k);
        let mitchell = if mantissas < one { one + mantissas } else { 2 * mantissas };
        let segment = |residue: u64, log: u32| (residue * u64::from(self.segments())) >> log;
        let index = segment(residue_a, k) * u64::from(self.segments()) + segment(residue_b, l);
        let corrected = ((mitchell << PRECISION) + one * self.corrections()[index as usize]) >> PRECISION;
        corrected.min((1 << operands.product_width()) - 1)
    }
}

/// The entry of `table` that `index` selects, as a tree of multiplexers in which equal sub-tables are one net.
fn look_up(
    circuit: &mut NetlistBuilder,
    index: &[NetId],
    table: &[bool],
    known: &mut HashMap<Vec<bool>, NetId>,
) -> NetId {
    if table.iter().all(|&entry| entry == table[0]) {
        return if table[0] { NetId::ONE } else { NetId::ZERO };
    }
    if let Some(&net) = known.get(table) {
        return net;
    }
    let (&select, rest) = index.split_last().expect("a table of one entry is constant");
    let (low, high) = table.split_at(table.len() / 2);
    let (low, high) = (look_up(circuit, rest, low, known), look_up(circuit, rest, high, known));
    let net = if low == high { low } else { circuit.mux(select, high, low) };
    known.insert(table.to_vec(), net);
    net
}

/// The corrections of all segment pairs, in units of 2^−PRECISION, rounded to the nearest.
fn corrections(segments: u32) -> Vec<u64> {
    let pairs = (0..segments).flat_map(|i| (0..segments).map(move |j| (i, j)));
    pairs.map(|(i, j)| (correction(segments, i, j) * f64::powi(2.0, PRECISION as i32)).round() as u64).collect()
}

/// `∬(1 − P̃/P) / ∬1/P` over a segment pair, with P = (1 + x)(1 + y) and P̃ Mitchell's approximation of it.
fn correction(segments: u32, i: u32, j: u32) -> f64 {
    /// Panels of Simpson's rule; the integrand is smooth within a segment.
    const PANELS: u32 = 64;
    let edge = |index: u32| f64::from(index) / f64::from(segments);
    let (x0, x1, y0, y1) = (edge(i), edge(i + 1), edge(j), edge(j + 1));
    // ∫ P̃/P dy in closed form, below and above the line x + y = 1.
    let below = |x: f64, y: f64| (y + x * y.ln_1p()) / (1.0 + x);
    let above = |x: f64, y: f64| 2.0 * (y + (x - 1.0) * y.ln_1p()) / (1.0 + x);
    let inner = |x: f64| {
        let line = (1.0 - x).clamp(y0, y1);
        (below(x, line) - below(x, y0)) + (above(x, y1) - above(x, line))
    };
    let step = (x1 - x0) / f64::from(PANELS);
    let weighted = (0..=PANELS).map(|node| {
        let weight = if node == 0 || node == PANELS { 1.0 } else { f64::from(2 + 2 * (node % 2)) };
        weight * inner(x0 + step * f64::from(node))
    });
    let approximate = weighted.sum::<f64>() * step / 3.0;
    let reciprocal = (x1.ln_1p() - x0.ln_1p()) * (y1.ln_1p() - y0.ln_1p());
    ((x1 - x0) * (y1 - y0) - approximate) / reciprocal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table printed by Saadat et al. 2020 for four segments, before rounding to six bits.
    #[test]
    fn corrections_are_the_published_ones() {
        let published = [
            [0.0145, 0.0447, 0.0748, 0.0669],
            [0.0447, 0.1378, 0.1926, 0.0804],
            [0.0748, 0.1926, 0.1430, 0.0483],
            [0.0669, 0.0804, 0.0483, 0.0163],
        ];
        for (i, row) in (0..).zip(published) {
            for (j, value) in (0..).zip(row) {
                assert!((correction(4, i, j) - value).abs() < 6e-5, "{i} {j}: {}", correction(4, i, j));
            }
        }
        // MBM's correction of 0.078125.
        assert_eq!(corrections(1), [5]);
    }

    /// No correction is so near a rounding boundary that another platform's logarithm could move it across.
    #[test]
    fn corrections_do_not_depend_on_the_platform() {
        for segments in [1, 4, 8, 16] {
            for (i, j) in (0..segments).flat_map(|i| (0..segments).map(move |j| (i, j))) {
                let steps = correction(segments, i, j) * f64::powi(2.0, PRECISION as i32);
                assert!((steps.fract() - 0.5).abs() > 1e-6, "{segments} segments, {i} {j}: {steps}");
            }
        }
    }
}
