//! What a pipeline stage got wrong.

use crate::engine::{Lanes, lane_values};
use crate::multiplier::NumberFormat;
use crate::profile::TimingErrors;

/// Errors of many operations of one pipeline stage: what its register captured against what its gates settled to.
///
/// All integers, so that they add up alike in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageErrors {
    operations: u64,
    wrong: u64,
    sum: i128,
    absolute: u128,
    squares: u128,
    /// By output bit: captured 1 for 0, and 0 for 1.
    bit_flips: Vec<[u64; 2]>,
}

impl StageErrors {
    /// No operations yet of a stage with `bits` outputs.
    pub(super) fn new(bits: usize) -> Self {
        Self { bit_flips: vec![[0; 2]; bits], ..Self::default() }
    }

    /// Adds the operations of the lanes in `counted`. Two codes of zero are the same number.
    pub(super) fn record(&mut self, captured: &[Lanes], settled: &[Lanes], counted: Lanes, format: NumberFormat) {
        self.operations += u64::from(counted.count_ones());
        let mut wrong = Lanes::ZERO;
        for (&captured, &settled) in captured.iter().zip(settled) {
            wrong |= captured ^ settled;
        }
        wrong &= counted;
        if format == NumberFormat::SignMagnitude && !wrong.is_zero() {
            let magnitudes = captured.iter().zip(settled).take(captured.len() - 1);
            wrong &= magnitudes.fold(Lanes::ZERO, |nonzero, (&captured, &settled)| nonzero | captured | settled);
        }
        if wrong.is_zero() {
            return;
        }
        self.wrong += u64::from(wrong.count_ones());
        for ((flips, &captured), &settled) in self.bit_flips.iter_mut().zip(captured).zip(settled) {
            flips[0] += u64::from((wrong & captured & !settled).count_ones());
            flips[1] += u64::from((wrong & settled & !captured).count_ones());
        }
        let bits = captured.len() as u32;
        let [captured, settled] = [captured, settled].map(lane_values);
        for lane in wrong.set_lanes() {
            let [captured, settled] = [captured, settled].map(|codes| i64::from(format.value(codes[lane], bits)));
            let error = captured - settled;
            self.sum += i128::from(error);
            self.absolute += u128::from(error.unsigned_abs());
            self.squares += u128::from(error.unsigned_abs()).pow(2);
        }
    }

    /// Adds what other operations of the same stage got wrong.
    pub fn merge(&mut self, other: &StageErrors) {
        self.operations += other.operations;
        self.wrong += other.wrong;
        self.sum += other.sum;
        self.absolute += other.absolute;
        self.squares += other.squares;
        self.bit_flips.resize(self.bit_flips.len().max(other.bit_flips.len()), [0; 2]);
        for (mine, theirs) in self.bit_flips.iter_mut().zip(&other.bit_flips) {
            *mine = [mine[0] + theirs[0], mine[1] + theirs[1]];
        }
    }

    /// Operations looked at.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Operations whose captured result differs from the settled one.
    pub fn wrong(&self) -> u64 {
        self.wrong
    }

    /// Share of operations that went wrong; 0 without operations.
    pub fn error_rate(&self) -> f64 {
        self.wrong as f64 / self.operations.max(1) as f64
    }

    /// Averages over all operations of captured − settled; zeros without operations.
    pub fn averages(&self) -> TimingErrors {
        let operations = self.operations.max(1) as f64;
        TimingErrors {
            error_rate: self.error_rate(),
            mean_error: self.sum as f64 / operations,
            mae: self.absolute as f64 / operations,
            mse: self.squares as f64 / operations,
            bit_error_rate: self.bit_flips.iter().map(|[up, down]| (up + down) as f64 / operations).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −3 captured for 5 in lane 1, 5 for −3 in lane 2, right in lane 0, not counted in lane 3; 4 bits.
    #[test]
    fn errors_are_captured_less_settled() {
        let [captured, settled]: [Vec<Lanes>; 2] = [[7, 0b1101, 5, 1], [7, 5, 0b1101, 0]]
            .map(|codes| (0..4).map(|bit| Lanes::gather(&codes, bit)).collect());
        let mut errors = StageErrors::new(4);
        errors.record(&captured, &settled, Lanes::first(3), NumberFormat::TwosComplement);
        errors.record(&settled, &settled, Lanes::first(1), NumberFormat::TwosComplement);
        let averages = errors.averages();
        assert_eq!((errors.operations(), errors.wrong()), (4, 2));
        assert_eq!((averages.error_rate, averages.mean_error), (0.5, 0.0));
        assert_eq!((averages.mae, averages.mse), (4.0, 32.0));
        assert_eq!(averages.bit_error_rate, [0.0, 0.0, 0.0, 0.5]);
        let mut unsigned = StageErrors::new(4);
        unsigned.record(&captured, &settled, Lanes::first(2), NumberFormat::Unsigned);
        assert_eq!(unsigned.averages().mean_error, (13.0 - 5.0) / 2.0);
        unsigned.merge(&errors);
        assert_eq!((unsigned.operations(), unsigned.wrong()), (6, 3));
    }

    /// −0 for 0 in lane 0, which is right; 0 for −5 in lane 1, −5 for 5 in lane 2.
    #[test]
    fn magnitudes_have_two_codes_of_zero() {
        let [captured, settled]: [Vec<Lanes>; 2] = [[0b1000, 0b1000, 0b1101], [0, 0b1101, 0b0101]]
            .map(|codes| (0..4).map(|bit| Lanes::gather(&codes, bit)).collect());
        let mut errors = StageErrors::new(4);
        errors.record(&captured, &settled, Lanes::first(3), NumberFormat::SignMagnitude);
        let averages = errors.averages();
        assert_eq!((errors.operations(), errors.wrong()), (3, 2));
        assert_eq!((averages.mean_error, averages.mae), ((5.0 - 10.0) / 3.0, 15.0 / 3.0));
        let third = 1.0 / 3.0;
        assert_eq!(averages.bit_error_rate, [third, 0.0, third, third]);
    }
}
