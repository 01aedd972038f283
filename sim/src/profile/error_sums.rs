//! Exact sums of errors over operand pairs, 512 pairs at a time.

use super::metrics::Averages;
use crate::engine::{LANES, Transposed, multiversion};
use std::array::from_fn;

/// A number of every lane, in the order of [`Transposed`].
pub(super) type PerLane<T> = [[T; 64]; 8];

/// What the products of a block are compared with.
///
/// Products are two's complement of 32 bits, or unsigned.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// Exact products less `base`.
    pub(super) exact: &'a PerLane<u32>,
    /// What the block adds to all of them.
    pub(super) base: u32,
    /// Relative error of a distance of 1, 0 where the exact product is.
    pub(super) reciprocal: &'a PerLane<f64>,
    /// Whether products are signed.
    pub(super) signed: bool,
    /// Whether errors may need more than 32 bits.
    pub(super) full_width: bool,
}

/// Sums over operand pairs; integers are exact, and relative errors are added in a fixed order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ErrorSums {
    pub(super) pairs: u64,
    pub(super) error: i128,
    pub(super) distance: u128,
    pub(super) square: u128,
    pub(super) wrong: u64,
    pub(super) largest: u64,
    pub(super) relative: f64,
    pub(super) largest_relative: f64,
}

impl ErrorSums {
    /// Adds other pairs, whose relative errors are in units of `unit`.
    pub(super) fn add(&mut self, other: &ErrorSums, unit: f64) {
        self.pairs += other.pairs;
        self.error += other.error;
        self.distance += other.distance;
        self.square += other.square;
        self.wrong += other.wrong;
        self.largest = self.largest.max(other.largest);
        self.relative += unit * other.relative;
        self.largest_relative = self.largest_relative.max(unit * other.largest_relative);
    }

    /// Averages, given the share of pairs with a nonzero exact product.
    pub(super) fn averages(&self, nonzero: f64) -> Averages {
        let pairs = self.pairs as f64;
        Averages {
            error: self.error as f64 / pairs,
            distance: self.distance as f64 / pairs,
            square: self.square as f64 / pairs,
            wrong: self.wrong as f64 / pairs,
            relative: self.relative / pairs,
            nonzero,
            largest: self.largest,
            largest_relative: self.largest_relative,
        }
    }
}

multiversion! {
    /// Errors of a block of products.
    pub(super) fn compare(products: &Transposed, expected: Expected<'_>) -> ErrorSums = compare_lanes
}

#[inline(always)]
fn compare_lanes(products: &Transposed, expected: Expected<'_>) -> ErrorSums {
    let narrow = match (expected.full_width, expected.signed) {
        (false, _) => compare_narrow(products, expected, |x, y| (x.wrapping_sub(y) as i32).unsigned_abs()),
        (true, false) => compare_narrow(products, expected, u32::abs_diff),
        (true, true) => compare_narrow(products, expected, |x, y| (x as i32).abs_diff(y as i32)),
    };
    narrow.unwrap_or_else(|| compare_wide(products, expected))
}

/// Lanes that are summed side by side.
const COLUMNS: usize = 8;
/// Numbers in each of those sums.
const TERMS: u32 = (LANES / COLUMNS) as u32;

/// Sums 32-bit numbers where they fit: `None` if some distance is 2²⁵ or more.
#[inline(always)]
fn compare_narrow(
    products: &Transposed,
    Expected { exact, base, reciprocal, .. }: Expected<'_>,
    distance_of: impl Fn(u32, u32) -> u32,
) -> Option<ErrorSums> {
    // 64 · 2²⁵ = 2³¹, and 64 squares stay below 2⁵⁶.
    const LIMIT: u32 = (1 << 31) / TERMS;
    let (mut error, mut distance, mut square) = ([0i32; COLUMNS], [0u32; COLUMNS], [0u64; COLUMNS]);
    let (mut right, mut largest) = ([0u32; COLUMNS], [0u32; COLUMNS]);
    let (mut relative, mut largest_relative) = ([0f64; COLUMNS], [0f64; COLUMNS]);
    let (products, exact, reciprocal) = (products.0.as_flattened(), exact.as_flattened(), reciprocal.as_flattened());
    for ((products, exact), reciprocal) in
        products.as_chunks().0.iter().zip(exact.as_chunks().0).zip(reciprocal.as_chunks().0)
    {
        let exact: [u32; COLUMNS] = exact.map(|exact: u32| exact.wrapping_add(base));
        let products: &[u32; COLUMNS] = products;
        let reciprocal: &[f64; COLUMNS] = reciprocal;
        let d: [u32; COLUMNS] = from_fn(|i| distance_of(products[i], exact[i]));
        error = from_fn(|i| error[i].wrapping_add(products[i].wrapping_sub(exact[i]) as i32));
        distance = from_fn(|i| distance[i].wrapping_add(d[i]));
        square = from_fn(|i| square[i].wrapping_add(u64::from(d[i]) * u64::from(d[i])));
        right = from_fn(|i| right[i] + u32::from(d[i] == 0));
        largest = from_fn(|i| largest[i].max(d[i]));
        // A distance in range is a signed number too, which converts faster.
        let ratio: [f64; COLUMNS] = from_fn(|i| f64::from(d[i] as i32) * reciprocal[i]);
        relative = from_fn(|i| relative[i] + ratio[i]);
        largest_relative = from_fn(|i| maximum(largest_relative[i], ratio[i]));
    }
    let largest = largest.into_iter().fold(0, u32::max);
    (largest < LIMIT).then(|| ErrorSums {
        pairs: LANES as u64,
        error: error.into_iter().map(i64::from).sum::<i64>().into(),
        distance: distance.into_iter().map(u64::from).sum::<u64>().into(),
        square: square.into_iter().sum::<u64>().into(),
        wrong: LANES as u64 - right.into_iter().map(u64::from).sum::<u64>(),
        largest: largest.into(),
        relative: relative.into_iter().sum(),
        largest_relative: largest_relative.into_iter().fold(0.0, maximum),
    })
}

/// The same sums for any distances below 2³².
#[inline(always)]
fn compare_wide(products: &Transposed, Expected { exact, base, reciprocal, signed, .. }: Expected<'_>) -> ErrorSums {
    // Adding 2³¹ turns the order of signed numbers into that of unsigned ones.
    let offset = if signed { 1 << 31 } else { 0 };
    let base = base.wrapping_add(offset);
    let (mut positive, mut negative) = ([0u64; COLUMNS], [0u64; COLUMNS]);
    let (mut square_low, mut square_high) = ([0u64; COLUMNS], [0u64; COLUMNS]);
    let (mut right, mut largest) = ([0u32; COLUMNS], [0u32; COLUMNS]);
    let (mut relative, mut largest_relative) = ([0f64; COLUMNS], [0f64; COLUMNS]);
    for row in 0..8 {
        for first in (0..64).step_by(COLUMNS) {
            for column in 0..COLUMNS {
                let place = first + column;
                let product = products.0[row][place].wrapping_add(offset);
                let expected = exact[row][place].wrapping_add(base);
                let (over, under) = (product.saturating_sub(expected), expected.saturating_sub(product));
                let d = over | under;
                positive[column] += u64::from(over);
                negative[column] += u64::from(under);
                let square = u64::from(d) * u64::from(d);
                square_low[column] += square & 0xffff_ffff;
                square_high[column] += square >> 32;
                right[column] += u32::from(d == 0);
                largest[column] = largest[column].max(d);
                let ratio = f64::from(d) * reciprocal[row][place];
                relative[column] += ratio;
                largest_relative[column] = maximum(largest_relative[column], ratio);
            }
        }
    }
    let sum = |numbers: [u64; COLUMNS]| numbers.into_iter().map(u128::from).sum::<u128>();
    let (positive, negative) = (sum(positive), sum(negative));
    ErrorSums {
        pairs: LANES as u64,
        error: positive as i128 - negative as i128,
        distance: positive + negative,
        square: sum(square_low) + (sum(square_high) << 32),
        wrong: LANES as u64 - right.into_iter().map(u64::from).sum::<u64>(),
        largest: largest.into_iter().fold(0, u32::max).into(),
        relative: relative.into_iter().sum(),
        largest_relative: largest_relative.into_iter().fold(0.0, maximum),
    }
}

/// One machine instruction, unlike `f64::max`: there are no NaNs here.
#[inline(always)]
fn maximum(x: f64, y: f64) -> f64 {
    if y > x { y } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Narrow and wide sums are those of 64-bit arithmetic, at every magnitude of error.
    #[test]
    fn sums_are_those_of_wide_arithmetic() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut random = || rng.random::<u32>();
        for (bits, signed) in (0..=32).flat_map(|bits| [(bits, false), (bits, true)]) {
            let full_width = bits == 32;
            let number = |word: u32| if signed { i128::from(word as i32) } else { i128::from(word) };
            let mask = ((1u64 << bits) - 1) as u32;
            let exact: PerLane<u32> = std::array::from_fn(|_| std::array::from_fn(|_| random()));
            let base = random();
            let mut products = Transposed::ZERO;
            let mut sums = ErrorSums { pairs: 512, ..Default::default() };
            for (product, exact) in products.0.as_flattened_mut().iter_mut().zip(exact.as_flattened()) {
                let truth = exact.wrapping_add(base);
                let wrong = if full_width { random() } else { truth ^ (random() & random() & mask) };
                // Without the full width, errors below 2³¹ are promised.
                let in_range = full_width || (number(wrong) - number(truth)).unsigned_abs() < 1 << 31;
                *product = if in_range { wrong } else { truth };
                let error = number(*product) - number(truth);
                sums.error += error;
                sums.distance += error.unsigned_abs();
                sums.square += error.unsigned_abs().pow(2);
                sums.wrong += u64::from(error != 0);
                sums.largest = sums.largest.max(error.unsigned_abs() as u64);
            }
            // Halves add without rounding.
            sums.relative = sums.distance as f64 / 2.0;
            sums.largest_relative = sums.largest as f64 / 2.0;
            let expected = Expected { exact: &exact, base, reciprocal: &[[0.5; 64]; 8], signed, full_width };
            assert_eq!(compare(&products, expected), sums, "{bits} bits, signed {signed}");
        }
    }

    /// A product of 0 where the exact one is 2³² − 1 differs by that much, not by 1.
    #[test]
    fn errors_of_the_full_width_do_not_wrap() {
        let expected = Expected {
            exact: &[[u32::MAX; 64]; 8],
            base: 0,
            reciprocal: &[[0.0; 64]; 8],
            signed: false,
            full_width: true,
        };
        let sums = compare(&Transposed::ZERO, expected);
        assert_eq!((sums.largest, sums.error), (u64::from(u32::MAX), -512 * i128::from(u32::MAX)));
    }
}
