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

/// Quantiles of the standard normal distribution, interpolated between 2¹¹ of them, and in the tails, where they are too curved
/// for that, between 2⁶ of each octave.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// Value at the lower end of each cell, and the cell's width.
    cells: Box<[[f32; 2]; 1 << Self::BITS]>,
    /// The same of the lower tail: 2⁶ single values, then the cells of each octave.
    tail: Vec<[f32; 2]>,
}

impl Gaussian {
    const BITS: u32 = 11;
    /// What a cell of the middle leaves of 32 bits.
    const REST: u32 = 32 - Self::BITS;
    /// Below 2 to this is the lower tail, and as far from the other end the upper one.
    const TAIL_BITS: u32 = 24;
    const OCTAVE_BITS: u32 = 6;

    /// Tabulates the quantiles.
    pub fn new() -> Self {
        let quantile = |share: f64| Normal::standard().inverse_cdf(share / 2f64.powi(32));
        let between = |low: f64, high: f64| {
            let [low, high] = [low, high].map(quantile);
            if low.is_finite() && high.is_finite() { [low as f32, (high - low) as f32] } else { [0.0; 2] }
        };
        let cell = |cell: usize| between((cell << Self::REST) as f64, ((cell + 1) << Self::REST) as f64);
        let singles = (0..1u32 << Self::OCTAVE_BITS).map(|bits| [quantile(f64::from(bits) + 0.5) as f32, 0.0]);
        let octaves = (Self::OCTAVE_BITS..Self::TAIL_BITS).flat_map(|octave| {
            let cells = 1u32 << Self::OCTAVE_BITS;
            let end = move |cell: u32| f64::from((cells + cell) << (octave - Self::OCTAVE_BITS));
            (0..cells).map(move |cell| between(end(cell), end(cell + 1)))
        });
        Self { cells: Box::new(std::array::from_fn(cell)), tail: singles.chain(octaves).collect() }
    }

    /// A normal variate from 32 random bits.
    #[inline(always)]
    pub fn draw(&self, bits: u32) -> f32 {
        if Self::is_middle(bits) { self.middle(bits) } else { self.tail(bits) }
    }

    /// Variates from the upper halves of random numbers.
    #[inline(always)]
    pub(crate) fn draw_upper<const COUNT: usize>(&self, bits: &[u64; COUNT]) -> [f32; COUNT] {
        let bits = bits.map(|bits| (bits >> 32) as u32);
        let mut draws = bits.map(|bits| self.middle(bits));
        // Few of them, looked for apart so that all others need no branch.
        let is_tail = bits.map(|bits| !Self::is_middle(bits));
        if is_tail.iter().fold(false, |any, &tail| any | tail) {
            for ((draw, bits), is_tail) in draws.iter_mut().zip(bits).zip(is_tail) {
                if is_tail {
                    *draw = self.tail(bits);
                }
            }
        }
        draws
    }

    #[inline(always)]
    fn is_middle(bits: u32) -> bool {
        bits.wrapping_sub(1 << Self::TAIL_BITS) < u32::MAX - (2 << Self::TAIL_BITS) + 1
    }

    #[inline(always)]
    fn middle(&self, bits: u32) -> f32 {
        let [low, width] = self.cells[(bits >> Self::REST) as usize];
        let place = (bits & ((1 << Self::REST) - 1)) as f32 * (1.0 / (1u32 << Self::REST) as f32);
        low + width * place
    }

    fn tail(&self, bits: u32) -> f32 {
        let from_end = bits.min(!bits);
        let draw = match from_end.checked_ilog2().and_then(|octave| octave.checked_sub(Self::OCTAVE_BITS)) {
            None => self.tail[from_end as usize][0],
            Some(octave) => {
                let [low, width] = self.tail[((octave << Self::OCTAVE_BITS) + (from_end >> octave)) as usize];
                // In the middle of what shares a place.
                let place = (from_end & ((1 << octave) - 1)) as f32 + 0.5;
                low + width * place / (1u32 << octave) as f32
            }
        };
        if bits == from_end { draw } else { -draw }
    }
}

impl Default for Gaussian {
    fn default() -> Self {
        Self::new()
    }
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

    /// Every draw is the quantile in the middle of its place, to a thousandth, and to a fifth of that in the tails.
    #[test]
    fn gaussian_draws_are_quantiles() {
        let gaussian = Gaussian::new();
        let mut bits: Vec<u32> = (0..32).flat_map(|bit| [(1 << bit) - 1, 1 << bit, 3 << bit >> 1]).collect();
        bits.extend((0..1 << 16).map(|index| index * 65_521));
        bits.extend((0..1 << 16).map(|index| index * 257));
        bits.extend(bits.clone().iter().map(|bits| !bits));
        for bits in bits {
            let exact = Normal::standard().inverse_cdf((f64::from(bits) + 0.5) / 2f64.powi(32));
            let error = (f64::from(gaussian.draw(bits)) - exact).abs();
            assert!(error < if exact.abs() > 2.66 { 2e-4 } else { 1e-3 }, "{bits}: {exact} is {error} off");
        }
        let many: [u64; 64] =
            std::array::from_fn(|index| Draws::new(1).stream(2, 3).bits(index as u64) >> (index % 5 * 4));
        assert_eq!(gaussian.draw_upper(&many), many.map(|bits| gaussian.draw((bits >> 32) as u32)));
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
