//! Error metrics of a circuit over all operand pairs, without a table of them.

use super::error_sums::{ErrorSums, Expected, PerLane, compare};
use super::metrics::{ErrorMetrics, MetricOptions, OperandFormat};
use crate::engine::{ExhaustiveSweep, LANE_BITS, Transposed, multiversion};
use crate::multiplier::operand_value;
use crate::netlist::Netlist;
use rayon::prelude::*;

/// Blocks of a sweep that are summed as one; their sums are added in order, whichever thread computes them.
const PART: u64 = 1 << 11;

impl ErrorMetrics {
    /// Compares a multiplier's circuit with the exact product on all operand pairs: inputs `a` and `b`, of at most 16 bits
    /// each, output of width_a + width_b bits, two's complement if `signed`.
    ///
    /// Memory does not grow with the number of pairs. Integer sums are exact, and nothing depends on the number of threads.
    ///
    /// # Panics
    /// If the ports are not so.
    pub fn of_netlist(netlist: &Netlist, signed: bool, options: MetricOptions) -> Self {
        let format = OperandFormat::of(netlist, signed);
        let sweep = ExhaustiveSweep::new(netlist);
        let exact = ExactProducts::new(format);
        let part = PART.max(sweep.run_blocks()).min(sweep.blocks());
        let parts = sweep.blocks() / part;
        let sum_part = |index: u64| exact.sum(&sweep, index * part..(index + 1) * part);
        let sums: Vec<ErrorSums> =
            if parts == 1 { vec![sum_part(0)] } else { (0..parts).into_par_iter().map(sum_part).collect() };
        let total = sums.iter().fold(ErrorSums::default(), |mut total, part| {
            total.add(part, 1.0);
            total
        });
        // One code of each operand is zero.
        let nonzero = |width: u32| 1.0 - 0.5f64.powi(width as i32);
        let averages = total.averages(nonzero(format.width_a) * nonzero(format.width_b));
        Self::from_averages(&averages, format, options)
    }
}

impl OperandFormat {
    /// The format of a multiplier's circuit.
    ///
    /// # Panics
    /// If it does not have two operands of at most 16 bits and one product of as many bits as both.
    pub fn of(netlist: &Netlist, signed: bool) -> Self {
        let ([a, b], [product]) = (netlist.inputs(), netlist.outputs()) else {
            panic!("{} has two operands and a product", netlist.name())
        };
        assert!((1..=16).contains(&a.width()) && (1..=16).contains(&b.width()), "operands of 1 to 16 bits");
        assert_eq!(product.width(), a.width() + b.width(), "a product of as many bits as the operands");
        Self { width_a: a.width() as u32, width_b: b.width() as u32, signed }
    }
}

/// Exact products of all operand pairs, block by block.
struct ExactProducts {
    format: OperandFormat,
    /// The second operand's share of a lane.
    second: PerLane<i32>,
    /// Product of the lane's own part of the first operand (where the second does not fill the lanes) and the second.
    within: PerLane<i32>,
    /// 1/|b| for all b, a block each; or, if the second operand does not fill the lanes, for the lane's own b.
    reciprocals: Vec<PerLane<f64>>,
    /// 1/|a| for all a, if the second operand does not fill the lanes.
    first_reciprocals: Vec<f64>,
}

/// Exact products of the blocks with one first operand.
struct Run<'e> {
    products: &'e ExactProducts,
    first: i64,
    exact: PerLane<u32>,
    /// 1/|a·b|, if the second operand does not fill the lanes.
    reciprocal: PerLane<f64>,
}

fn per_lane<T>(value: impl Fn(u64) -> T) -> PerLane<T> {
    std::array::from_fn(|row| std::array::from_fn(|column| value(Transposed::lane_at(row, column) as u64)))
}

fn reciprocal(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { 1.0 / number.abs() }
}

impl ExactProducts {
    fn new(format: OperandFormat) -> Self {
        let OperandFormat { width_b, .. } = format;
        let fills = width_b as usize >= LANE_BITS;
        let codes = 1u64 << format.product_width();
        // A second operand of more than nine bits has its sign in the block's part of the code.
        let lane_values = |lane: u64| {
            let (a, b) = format.values(lane % codes);
            if width_b as usize > LANE_BITS { (0, lane as i64) } else { (a, b) }
        };
        let blocks = if fills { 1u64 << (width_b as usize - LANE_BITS) } else { 1 };
        let reciprocals = (0..blocks)
            .map(|block| per_lane(|lane| reciprocal(format.values(block << LANE_BITS | lane).1 as f64)))
            .collect();
        let firsts = if fills { 0 } else { 1u64 << format.width_a };
        let first_reciprocals = (0..firsts).map(|a| reciprocal(format.values(a << width_b).0 as f64)).collect();
        Self {
            format,
            second: per_lane(|lane| lane_values(lane).1 as i32),
            within: per_lane(|lane| {
                let (a, b) = lane_values(lane);
                (a * b) as i32
            }),
            reciprocals,
            first_reciprocals,
        }
    }

    /// Sums over a part of a sweep, which must be a whole number of runs.
    fn sum(&self, sweep: &ExhaustiveSweep, places: std::ops::Range<u64>) -> ErrorSums {
        let OperandFormat { width_a, width_b, signed } = self.format;
        let mut total = ErrorSums::default();
        let mut run_sums = ErrorSums::default();
        let mut left = sweep.run_blocks();
        let mut products = Transposed::ZERO;
        let fills = self.first_reciprocals.is_empty();
        let mut run = Run { products: self, first: 0, exact: [[0; 64]; 8], reciprocal: [[0.0; 64]; 8] };
        sweep.visit(places, |block| {
            if left == sweep.run_blocks() {
                let code = (block.code >> width_b) as u32;
                run.first = operand_value(code, width_a, signed);
                start_run(&mut run);
                if !fills {
                    run.multiply_reciprocals(code as usize);
                }
            }
            block.read(signed, &mut products);
            let expected = run.expected(block.code & ((1 << width_b) - 1));
            run_sums.add(&compare(&products, expected), 1.0);
            left -= 1;
            if left == 0 {
                let unit = if fills { reciprocal(run.first as f64) } else { 1.0 };
                total.add(&run_sums, unit);
                run_sums = ErrorSums::default();
                left = sweep.run_blocks();
            }
        });
        total
    }
}

impl Run<'_> {
    /// Reciprocals of the products of a block whose first lane has first operand code `code`: products of reciprocals,
    /// for dividing 512 times a block would take as long as all the rest.
    fn multiply_reciprocals(&mut self, code: usize) {
        let ExactProducts { format, reciprocals, first_reciprocals, .. } = self.products;
        // Circuits of few operand bits repeat their pairs.
        let first = |lane: usize| first_reciprocals[(code + (lane >> format.width_b)) % first_reciprocals.len()];
        let second = &reciprocals[0];
        if format.width_b < 3 {
            self.reciprocal = per_lane(|lane| {
                let (row, column) = (lane as usize % 8, lane as usize / 8);
                first(lane as usize) * second[row][column]
            });
            return;
        }
        // The eight lanes of a column share their first operand.
        let firsts: [f64; 64] = std::array::from_fn(|column| first(Transposed::lane_at(0, column)));
        for (product, second) in self.reciprocal.iter_mut().zip(second) {
            for ((product, first), second) in product.iter_mut().zip(&firsts).zip(second) {
                *product = first * second;
            }
        }
    }

    /// What the block whose lanes count up from second operand code `code` is compared with.
    fn expected(&self, code: u64) -> Expected<'_> {
        let format = self.products.format;
        let base = self.first * format.values(code).1;
        Expected {
            exact: &self.exact,
            base: base as u32,
            reciprocal: match self.products.first_reciprocals.is_empty() {
                true => &self.products.reciprocals[(code >> LANE_BITS) as usize],
                false => &self.reciprocal,
            },
            signed: format.signed,
            full_width: format.product_width() == 32,
        }
    }
}

multiversion! {
    fn start_run(run: &mut Run<'_>) = multiply_lanes
}

#[inline(always)]
fn multiply_lanes(run: &mut Run<'_>) {
    let first = run.first as i32;
    for row in 0..8 {
        for column in 0..64 {
            let own = run.products.within[row][column];
            let product = first.wrapping_mul(run.products.second[row][column]).wrapping_add(own);
            run.exact[row][column] = product as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::{NetId, NetlistBuilder};

    /// A 16 × 16-bit circuit whose product is the constant 5: with these operands errors need more than 32 bits.
    #[test]
    fn widest_errors_are_exact() {
        let mut builder = NetlistBuilder::new("five");
        builder.input("a", 16);
        builder.input("b", 16);
        let bit = |bit: u32| if 5 >> bit & 1 == 1 { NetId::ONE } else { NetId::ZERO };
        builder.output("p", (0..32).map(bit).collect::<Vec<_>>());
        let netlist = builder.finish();
        let sweep = ExhaustiveSweep::new(&netlist);
        for signed in [false, true] {
            let format = OperandFormat::of(&netlist, signed);
            let exact = ExactProducts::new(format);
            // The first runs have small first operands, those in the middle of a Gray code the largest codes.
            let middle = sweep.blocks() / 2;
            for places in [0..256, middle - 256..middle + 128] {
                let mut expected = ErrorSums::default();
                sweep.visit(places.clone(), |block| {
                    for code in block.code..block.code + 512 {
                        let (a, b) = format.values(code);
                        let error = 5 - i128::from(a) * i128::from(b);
                        let distance = error.unsigned_abs();
                        expected.pairs += 1;
                        expected.error += error;
                        expected.distance += distance;
                        expected.square += distance.pow(2);
                        expected.wrong += u64::from(error != 0);
                        expected.largest = expected.largest.max(distance as u64);
                        if a * b != 0 {
                            let relative = distance as f64 / (a * b).unsigned_abs() as f64;
                            expected.relative += relative;
                            expected.largest_relative = expected.largest_relative.max(relative);
                        }
                    }
                });
                let sums = exact.sum(&sweep, places);
                for (sum, expected) in
                    [(sums.relative, expected.relative), (sums.largest_relative, expected.largest_relative)]
                {
                    assert!((sum - expected).abs() <= 1e-12 * expected, "{sum} {expected}");
                }
                let integers = |sums: ErrorSums| ErrorSums { relative: 0.0, largest_relative: 0.0, ..sums };
                assert_eq!(integers(sums), integers(expected));
            }
        }
    }

    /// More threads, the same bits.
    #[test]
    fn threads_do_not_matter() {
        let spec = crate::multiplier::MultiplierSpec::new("m", crate::multiplier::Family::Mitchell, 10, 11, true);
        let netlist = spec.expect("it is defined").netlist();
        let metrics = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| ErrorMetrics::of_netlist(&netlist, true, MetricOptions::default()))
        };
        assert_eq!(metrics(1), metrics(3));
    }
}
