//! Error metrics over operands that do not all occur equally often, and from samples of them.

use super::metrics::{Averages, ErrorMetrics, MetricOptions, OperandFormat};
use super::operands::{DistributionError, OperandDistribution};
use crate::engine::{ExhaustiveSweep, LANES, Lanes, Tape, Transposed};
use crate::multiplier::{ProductTable, operand_value};
use crate::netlist::Netlist;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Blocks that are summed as one; their sums are added in order, whichever thread computes them.
const PART: u64 = 64;

/// How many operand pairs to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Pairs, at least 2.
    pub vectors: u64,
    /// Seed of the draw.
    pub seed: u64,
}

/// Error metrics of a sample; its extremes are those seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampledMetrics {
    /// Metrics of the sample.
    pub error: ErrorMetrics,
    /// Where those of all pairs lie with 95 % confidence.
    pub ci95: MetricIntervals,
}

/// 95 % confidence intervals, as lower and upper end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricIntervals {
    /// Of [`ErrorMetrics::mae`].
    pub mae: [f64; 2],
    /// Of [`ErrorMetrics::mean_error`].
    pub mean_error: [f64; 2],
    /// Of [`ErrorMetrics::mse`].
    pub mse: [f64; 2],
    /// Of [`ErrorMetrics::ep_percent`] (Wilson 1927).
    pub ep_percent: [f64; 2],
    /// Of [`ErrorMetrics::mre_percent`].
    pub mre_percent: [f64; 2],
}

/// Sums over weighted operand pairs.
#[derive(Clone, Copy, Debug, Default)]
struct WeightedSums {
    weight: f64,
    error: f64,
    distance: f64,
    square: f64,
    fourth: f64,
    wrong: f64,
    relative: f64,
    relative_square: f64,
    nonzero: f64,
    largest: u64,
    largest_relative: f64,
}

impl WeightedSums {
    fn pair(&mut self, product: i64, exact: i64, weight: f64) {
        let error = product - exact;
        let distance = error.unsigned_abs() as f64;
        let square = distance * distance;
        self.weight += weight;
        self.error += weight * error as f64;
        self.distance += weight * distance;
        self.square += weight * square;
        self.fourth += weight * square * square;
        self.largest = self.largest.max(error.unsigned_abs());
        if error != 0 {
            self.wrong += weight;
        }
        if exact != 0 {
            let relative = distance / exact.unsigned_abs() as f64;
            self.nonzero += weight;
            self.relative += weight * relative;
            self.relative_square += weight * relative * relative;
            self.largest_relative = self.largest_relative.max(relative);
        }
    }

    fn total(parts: &[WeightedSums]) -> WeightedSums {
        parts.iter().fold(WeightedSums::default(), |total, part| WeightedSums {
            weight: total.weight + part.weight,
            error: total.error + part.error,
            distance: total.distance + part.distance,
            square: total.square + part.square,
            fourth: total.fourth + part.fourth,
            wrong: total.wrong + part.wrong,
            relative: total.relative + part.relative,
            relative_square: total.relative_square + part.relative_square,
            nonzero: total.nonzero + part.nonzero,
            largest: total.largest.max(part.largest),
            largest_relative: total.largest_relative.max(part.largest_relative),
        })
    }

    fn averages(&self) -> Averages {
        Averages {
            error: self.error / self.weight,
            distance: self.distance / self.weight,
            square: self.square / self.weight,
            wrong: self.wrong / self.weight,
            relative: self.relative / self.weight,
            nonzero: self.nonzero / self.weight,
            largest: self.largest,
            largest_relative: self.largest_relative,
        }
    }
}

/// The number that a product read with its sign extended stands for.
fn product_value(product: u32, signed: bool) -> i64 {
    if signed { i64::from(product as i32) } else { i64::from(product) }
}

impl ErrorMetrics {
    /// Weighted metrics over all operand pairs: averages are expectations over independent operands drawn from these
    /// distributions, first and second (WMED and its like), and extremes are over pairs that can occur.
    ///
    /// Nothing depends on the number of threads.
    ///
    /// # Panics
    /// If the circuit is not one that [`Self::of_netlist`] takes.
    pub fn weighted(
        netlist: &Netlist,
        signed: bool,
        operands: [&OperandDistribution; 2],
        options: MetricOptions,
    ) -> Result<Self, DistributionError> {
        let format @ OperandFormat { width_a, width_b, .. } = OperandFormat::of(netlist, signed);
        let first = operands[0].probabilities(width_a, signed)?;
        let second = operands[1].probabilities(width_b, signed)?;
        let sweep = ExhaustiveSweep::new(netlist);
        let part = PART.min(sweep.blocks());
        let pairs = 1u64 << format.product_width();
        let sum_part = |index: u64| {
            let (mut sums, mut products) = (WeightedSums::default(), Transposed::ZERO);
            sweep.visit(index * part..(index + 1) * part, |block| {
                let codes = block.code..(block.code + LANES as u64).min(pairs);
                let probability =
                    |code: u64| first[(code >> width_b) as usize] * second[code as usize % second.len()];
                if codes.clone().all(|code| probability(code) == 0.0) {
                    return;
                }
                block.read(signed, &mut products);
                for (lane, code) in codes.enumerate().filter(|(_, code)| probability(*code) > 0.0) {
                    let (a, b) = format.values(code);
                    sums.pair(product_value(products.lane(lane), signed), a * b, probability(code));
                }
            });
            sums
        };
        let sums: Vec<WeightedSums> = (0..sweep.blocks() / part).into_par_iter().map(sum_part).collect();
        Ok(Self::from_averages(&WeightedSums::total(&sums).averages(), format, options))
    }

    /// [`Self::weighted`] of products known by a table.
    pub fn weighted_table(
        table: &ProductTable,
        operands: [&OperandDistribution; 2],
        options: MetricOptions,
    ) -> Result<Self, DistributionError> {
        let format @ OperandFormat { width_a, width_b, signed } = OperandFormat::of_table(table);
        let first = operands[0].probabilities(width_a, signed)?;
        let second = operands[1].probabilities(width_b, signed)?;
        let sum_row = |(a, products): (usize, &[i32])| {
            let mut sums = WeightedSums::default();
            for (b, &product) in products.iter().enumerate() {
                let probability = first[a] * second[b];
                if probability > 0.0 {
                    let (a, b) = format.values((a << width_b | b) as u64);
                    sums.pair(product.into(), a * b, probability);
                }
            }
            sums
        };
        let rows = table.products().par_chunks_exact(second.len()).enumerate();
        let sums: Vec<WeightedSums> = rows.map(sum_row).collect();
        Ok(Self::from_averages(&WeightedSums::total(&sums).averages(), format, options))
    }

    /// Metrics of randomly drawn operand pairs, independent and with these distributions, first and second.
    ///
    /// The draw depends on the seed alone.
    ///
    /// # Panics
    /// If the circuit is not one that [`Self::of_netlist`] takes, or fewer than two pairs are asked for.
    pub fn sampled(
        netlist: &Netlist,
        signed: bool,
        operands: [&OperandDistribution; 2],
        Sampled { vectors, seed }: Sampled,
        options: MetricOptions,
    ) -> Result<SampledMetrics, DistributionError> {
        let format @ OperandFormat { width_a, width_b, .. } = OperandFormat::of(netlist, signed);
        let tape = Tape::new(netlist);
        let start = || {
            let (mut settled, mut products) = (tape.start(), Transposed::ZERO);
            move |codes: &[Vec<u32>; 2], values: &mut [i64]| {
                for (port, (codes, width)) in codes.iter().zip([width_a, width_b]).enumerate() {
                    for bit in 0..width as usize {
                        settled.set_input(port, bit, Lanes::gather(codes, bit));
                    }
                }
                settled.settle();
                settled.read(0, signed, &mut products);
                for (lane, value) in values.iter_mut().enumerate() {
                    *value = product_value(products.lane(lane), signed);
                }
            }
        };
        sample(format, operands, Sampled { vectors, seed }, options, start)
    }

    /// [`Self::sampled`] of products known by a table: the same draw.
    pub fn sampled_table(
        table: &ProductTable,
        operands: [&OperandDistribution; 2],
        sampled: Sampled,
        options: MetricOptions,
    ) -> Result<SampledMetrics, DistributionError> {
        let start = || {
            |codes: &[Vec<u32>; 2], values: &mut [i64]| {
                for ((&a, &b), value) in codes[0].iter().zip(&codes[1]).zip(values) {
                    *value = table.product(a, b).into();
                }
            }
        };
        sample(OperandFormat::of_table(table), operands, sampled, options, start)
    }
}

/// Draws operand pairs and compares their products, which what `start` makes finds for at most [`LANES`] pairs at a time.
fn sample<P: FnMut(&[Vec<u32>; 2], &mut [i64])>(
    format: OperandFormat,
    operands: [&OperandDistribution; 2],
    Sampled { vectors, seed }: Sampled,
    options: MetricOptions,
    start: impl Fn() -> P + Sync,
) -> Result<SampledMetrics, DistributionError> {
    assert!(vectors >= 2, "an interval needs two samples");
    let OperandFormat { width_a, width_b, signed } = format;
    let first = Sampler::new(&operands[0].probabilities(width_a, signed)?);
    let second = Sampler::new(&operands[1].probabilities(width_b, signed)?);
    let part = PART * LANES as u64;
    let sum_part = |index: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        let (mut sums, mut find_products, mut products) = (WeightedSums::default(), start(), [0; LANES]);
        let mut left = (vectors - index * part).min(part) as usize;
        while left > 0 {
            let count = left.min(LANES);
            let mut draw = |sampler: &Sampler| (0..count).map(|_| sampler.draw(&mut rng)).collect::<Vec<u32>>();
            let codes = [draw(&first), draw(&second)];
            find_products(&codes, &mut products[..count]);
            for ((&a, &b), &product) in codes[0].iter().zip(&codes[1]).zip(&products) {
                sums.pair(product, operand_value(a, width_a, signed) * operand_value(b, width_b, signed), 1.0);
            }
            left -= count;
        }
        sums
    };
    let sums: Vec<WeightedSums> = (0..vectors.div_ceil(part)).into_par_iter().map(sum_part).collect();
    let total = WeightedSums::total(&sums);
    let error = ErrorMetrics::from_averages(&total.averages(), format, options);
    Ok(SampledMetrics { error, ci95: MetricIntervals::new(&total, error.mre_percent) })
}

/// Draws codes by inverting their cumulative distribution.
struct Sampler {
    cumulative: Vec<f64>,
}

impl Sampler {
    fn new(probabilities: &[f64]) -> Self {
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = probabilities
            .iter()
            .map(|probability| {
                sum += probability;
                sum
            })
            .collect();
        // Whatever rounding left of the last unit belongs to the last code that occurs.
        let last = probabilities.iter().rposition(|probability| *probability > 0.0).unwrap_or(0);
        cumulative[last..].fill(1.0);
        Self { cumulative }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        let position: f64 = rng.random();
        self.cumulative.partition_point(|&below| below <= position) as u32
    }
}

impl MetricIntervals {
    /// Normal approximation of means, from their sample variances.
    fn new(sums: &WeightedSums, mre_percent: f64) -> Self {
        // 97.5 % point of the standard normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let count = sums.weight;
        let around = |mean: f64, mean_square: f64, count: f64| {
            let half = Z * ((mean_square - mean * mean).max(0.0) / (count - 1.0).max(1.0)).sqrt();
            [mean - half, mean + half]
        };
        let square = sums.square / count;
        let share = sums.wrong / count;
        let (z2, denominator) = (Z * Z / count, 1.0 + Z * Z / count);
        let half = Z * (share * (1.0 - share) / count + z2 / (4.0 * count)).sqrt();
        let wilson = [-half, half].map(|half| 100.0 * (share + z2 / 2.0 + half) / denominator);
        // Pairs that `mre_percent` averages over: its policy decides whether zeros are among them.
        let mre = mre_percent / 100.0;
        let compared = if mre > 0.0 { sums.relative / mre } else { count };
        Self {
            mae: around(sums.distance / count, square, count),
            mean_error: around(sums.error / count, square, count),
            mse: around(square, sums.fourth / count, count),
            ep_percent: wilson,
            mre_percent: around(mre, sums.relative_square / compared, compared).map(|end| 100.0 * end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::{Family, MultiplierSpec};

    fn spec(width_a: u32, width_b: u32, signed: bool) -> MultiplierSpec {
        MultiplierSpec::new("m", Family::Mitchell, width_a, width_b, signed).expect("it is defined")
    }

    #[test]
    fn uniform_weights_change_nothing() {
        for (width_a, width_b, signed) in [(2, 3, false), (6, 7, true), (8, 8, false), (5, 11, true)] {
            let netlist = spec(width_a, width_b, signed).netlist();
            let uniform = [&OperandDistribution::Uniform; 2];
            let options = MetricOptions::default();
            let weighted = ErrorMetrics::weighted(&netlist, signed, uniform, options).expect("it is uniform");
            let plain = ErrorMetrics::of_netlist(&netlist, signed, options);
            assert_eq!(weighted.wce, plain.wce);
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * y.abs().max(1e-9);
            for (x, y) in [
                (weighted.mae, plain.mae),
                (weighted.mse, plain.mse),
                (weighted.mean_error, plain.mean_error),
                (weighted.ep_percent, plain.ep_percent),
                (weighted.mre_percent, plain.mre_percent),
                (weighted.wcre_percent, plain.wcre_percent),
            ] {
                assert!(close(x, y), "{x} {y}");
            }
        }
    }

    /// A table of what the gates compute has their metrics, whatever the distribution; the draw is the same.
    #[test]
    fn tables_have_the_metrics_of_their_gates() {
        let normal = OperandDistribution::Normal { mean: 3.0, standard_deviation: 9.0 };
        let options = MetricOptions::default();
        for (width_a, width_b, signed) in [(2, 3, false), (6, 7, true), (8, 8, false), (8, 8, true), (5, 11, true)] {
            let (spec, operands) = (spec(width_a, width_b, signed), [&normal, &OperandDistribution::Uniform]);
            let (netlist, table) = (spec.netlist(), spec.table().expect("it is narrow"));
            let gates = ErrorMetrics::weighted(&netlist, signed, operands, options).unwrap();
            let products = ErrorMetrics::weighted_table(&table, operands, options).unwrap();
            assert_eq!(gates.wce, products.wce);
            for (x, y) in [
                (gates.mae, products.mae),
                (gates.mse, products.mse),
                (gates.mean_error, products.mean_error),
                (gates.ep_percent, products.ep_percent),
                (gates.mre_percent, products.mre_percent),
                (gates.wcre_percent, products.wcre_percent),
            ] {
                // A mean of zero is sums that cancel.
                assert!((x - y).abs() <= 1e-9 * y.abs().max(1e-3), "{x} {y}");
            }
            let sampled = Sampled { vectors: 40_000, seed: 5 };
            let gates = ErrorMetrics::sampled(&netlist, signed, operands, sampled, options);
            assert_eq!(gates, ErrorMetrics::sampled_table(&table, operands, sampled, options));
        }
    }

    /// First operands 3 (once) and 5 (thrice), second operand always 7, so that two pairs decide everything.
    #[test]
    fn weights_are_probabilities_of_pairs() {
        let spec = spec(4, 10, false);
        let histogram = |size: usize, weights: &[(usize, f64)]| {
            let mut all = vec![0.0; size];
            weights.iter().for_each(|&(code, weight)| all[code] = weight);
            OperandDistribution::Histogram(all)
        };
        let operands = [&histogram(16, &[(3, 1.0), (5, 3.0)]), &histogram(1024, &[(7, 2.0)])];
        let metrics = ErrorMetrics::weighted(&spec.netlist(), false, operands, MetricOptions::default()).unwrap();
        let distances = [21 - spec.product(3, 7), 35 - spec.product(5, 7)].map(|distance| distance as f64);
        assert!(distances[0] > 0.0 && distances[1] > 0.0);
        assert_eq!(metrics.mae, (distances[0] + 3.0 * distances[1]) / 4.0);
        assert_eq!(metrics.mse, (distances[0].powi(2) + 3.0 * distances[1].powi(2)) / 4.0);
        assert_eq!(metrics.wce as f64, distances[0].max(distances[1]));
        let relative = [distances[0] / 21.0, distances[1] / 35.0];
        assert!((metrics.mre_percent - 100.0 * (relative[0] + 3.0 * relative[1]) / 4.0).abs() < 1e-12);
    }

    /// Of 40 independent samples about 38 intervals hold the true value; fewer than 33 have a chance below 10⁻³.
    #[test]
    fn intervals_hold_what_they_promise() {
        let netlist = spec(8, 8, true).netlist();
        let normal = OperandDistribution::Normal { mean: 10.0, standard_deviation: 30.0 };
        let operands = [&OperandDistribution::Uniform, &normal];
        let options = MetricOptions::default();
        let truth = ErrorMetrics::weighted(&netlist, true, operands, options).unwrap();
        let mut held = [0; 5];
        for seed in 0..40 {
            let sampled = Sampled { vectors: 3000, seed };
            let sample = ErrorMetrics::sampled(&netlist, true, operands, sampled, options).unwrap();
            assert_eq!(sample, ErrorMetrics::sampled(&netlist, true, operands, sampled, options).unwrap());
            let MetricIntervals { mae, mean_error, mse, ep_percent, mre_percent } = sample.ci95;
            let intervals = [
                (mae, truth.mae),
                (mean_error, truth.mean_error),
                (mse, truth.mse),
                (ep_percent, truth.ep_percent),
                (mre_percent, truth.mre_percent),
            ];
            for (held, ([low, high], truth)) in held.iter_mut().zip(intervals) {
                *held += i32::from(low <= truth && truth <= high);
            }
        }
        assert!(held.iter().all(|&held| held >= 33), "{held:?}");
        assert!(held.iter().any(|&held| held < 40), "intervals that always hold are too wide: {held:?}");
    }
}
