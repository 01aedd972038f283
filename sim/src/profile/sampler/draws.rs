//! Random numbers by place, not by order: the same whichever thread asks first.

use statrs::distribution::{ContinuousCDF, Normal};

/// Random bits as a function of a seed and a place.
///
/// The generator is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) with the counter in the place of its state, and a second
/// key between its rounds, so that streams which meet in the counter still differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    seed: u64,
}

/// The draws of one output: an entry for each product of its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    start: u64,
    key: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;

#[inline(always)]
fn mix(mut state: u64, key: u64) -> u64 {
    state = (state ^ state >> 30).wrapping_mul(FIRST) ^ key;
    state = (state ^ state >> 27).wrapping_mul(SECOND);
    state ^ state >> 31
}

impl Draws {
    /// Draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed: mix(seed.wrapping_add(GOLDEN), 0) }
    }

    /// The draws of an output of a layer.
    #[inline(always)]
    pub fn stream(self, layer: u64, output: u64) -> Stream {
        let start = mix(mix(self.seed ^ layer.wrapping_mul(GOLDEN), FIRST) ^ output, SECOND);
        Stream { start, key: mix(start, GOLDEN) }
    }
}

impl Stream {
    /// 64 random bits for product `k`.
    #[inline(always)]
    pub fn bits(self, k: u64) -> u64 {
        mix(self.start.wrapping_add(k.wrapping_mul(GOLDEN)), self.key)
    }
}

/// Quantiles of the standard normal distribution, interpolated between 2¹¹ of them and exact in the tails.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// Value at the lower end of each cell, and the cell's width.
    cells: Vec<[f32; 2]>,
}

impl Gaussian {
    const BITS: u32 = 11;
    /// Cells at either end in which the quantile is too curved to interpolate.
    const TAIL: u32 = 8;

    /// Tabulates the quantiles.
    pub fn new() -> Self {
        let cells = 1u32 << Self::BITS;
        let quantile = |cell: u32| Normal::standard().inverse_cdf(f64::from(cell) / f64::from(cells));
        let cell = |cell: u32| {
            let (low, high) = (quantile(cell), quantile(cell + 1));
            if low.is_finite() && high.is_finite() { [low as f32, (high - low) as f32] } else { [0.0; 2] }
        };
        Self { cells: (0..cells).map(cell).collect() }
    }

    /// A normal variate from 32 random bits.
    #[inline(always)]
    pub fn draw(&self, bits: u32) -> f32 {
        let cell = bits >> (32 - Self::BITS);
        if cell.wrapping_sub(Self::TAIL) < (1 << Self::BITS) - 2 * Self::TAIL {
            let [low, width] = self.cells[cell as usize];
            let place = (bits & ((1 << (32 - Self::BITS)) - 1)) as f32 * (1.0 / (1u32 << (32 - Self::BITS)) as f32);
            low + width * place
        } else {
            tail(bits)
        }
    }
}

impl Default for Gaussian {
    fn default() -> Self {
        Self::new()
    }
}

#[cold]
fn tail(bits: u32) -> f32 {
    Normal::standard().inverse_cdf((f64::from(bits) + 0.5) / 2f64.powi(32)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every bit of neighbouring places, and every pair of them, agrees about as often as not.
    #[test]
    fn neighbouring_places_are_independent() {
        let draws = Draws::new(7);
        let count = 20_000;
        for neighbour in [
            |draws: Draws, k: u64| [draws.stream(0, 5).bits(k), draws.stream(0, 5).bits(k + 1)],
            |draws: Draws, output: u64| [draws.stream(0, output).bits(3), draws.stream(0, output + 1).bits(3)],
            |draws: Draws, layer: u64| [draws.stream(layer, 0).bits(0), draws.stream(layer + 1, 0).bits(0)],
            |draws: Draws, seed: u64| [draws.stream(seed, 9).bits(4), Draws::new(seed).stream(seed, 9).bits(4)],
        ] {
            let mut agree = [0u32; 64];
            let mut ones = [0u32; 64];
            for place in 0..count {
                let [first, second] = neighbour(draws, place);
                for (bit, (agree, ones)) in agree.iter_mut().zip(&mut ones).enumerate() {
                    *agree += u32::from((first ^ second) >> bit & 1 == 0);
                    *ones += (first >> bit & 1) as u32;
                }
            }
            // 4.5 standard deviations: 512 such counts have a chance below 0.4 % of one beyond.
            let limit = 4.5 * (count as f64 / 4.0).sqrt();
            assert!(agree.iter().chain(&ones).all(|&n| (f64::from(n) - count as f64 / 2.0).abs() < limit));
        }
    }

    #[test]
    fn gaussian_draws_follow_the_distribution() {
        let gaussian = Gaussian::new();
        let normal = Normal::standard();
        // All 32-bit inputs in steps of a prime number: no sampling error, only that of the table.
        let step = 4093u32;
        let draws: Vec<f64> = (0..u32::MAX / step).map(|index| f64::from(gaussian.draw(index * step))).collect();
        let n = draws.len() as f64;
        let moment = |power: i32| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / n;
        assert!(moment(1).abs() < 1e-4 && (moment(2) - 1.0).abs() < 1e-4 && (moment(4) - 3.0).abs() < 1e-3);
        for threshold in [-4.0, -3.0, -2.5, -1.0, 0.0, 0.3, 2.0, 3.5] {
            let share = draws.iter().filter(|draw| **draw < threshold).count() as f64 / n;
            assert!((share - normal.cdf(threshold)).abs() < 2e-5, "{threshold}: {share}");
        }
    }
}
