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
    /// 1/|b| for all b, a block each, if the second operand fills the lanes.
    reciprocals: Vec<PerLane<f64>>,
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
        // Lanes are the low bits of the code; above nine bits, they lack the second operand's sign.
        let lane_values = |lane: u64| {
            let (a, b) = format.values(lane % codes);
            if width_b as usize > LANE_BITS { (0, lane as i64) } else { (a, b) }
        };
        let blocks = if fills { 1u64 << (width_b as usize - LANE_BITS) } else { 0 };
        let reciprocals = (0..blocks)
            .map(|block| per_lane(|lane| reciprocal(format.values(block << LANE_BITS | lane).1 as f64)))
            .collect();
        Self {
            format,
            second: per_lane(|lane| lane_values(lane).1 as i32),
            within: per_lane(|lane| {
                let (a, b) = lane_values(lane);
                (a * b) as i32
            }),
            reciprocals,
        }
    }

    /// Sums over a part of a sweep, which must be a whole number of runs.
    fn sum(&self, sweep: &ExhaustiveSweep, places: std::ops::Range<u64>) -> ErrorSums {
        let OperandFormat { width_a, width_b, signed } = self.format;
        let mut total = ErrorSums::default();
        let mut run_sums = ErrorSums::default();
        let mut left = sweep.run_blocks();
        let mut products = Transposed::ZERO;
        let mut run = Run { products: self, first: 0, exact: [[0; 64]; 8], reciprocal: [[0.0; 64]; 8] };
        sweep.visit(places, |block| {
            if left == sweep.run_blocks() {
                // Codes of fewer than nine bits lie within the lanes, and the rest is zero.
                run.first = operand_value((block.code >> width_b) as u32, width_a, signed);
                start_run(&mut run);
            }
            block.read(signed, &mut products);
            let expected = run.expected(block.code & ((1 << width_b) - 1));
            run_sums.add(&compare(&products, expected), 1.0);
            left -= 1;
            if left == 0 {
                let unit = if self.reciprocals.is_empty() { 1.0 } else { reciprocal(run.first as f64) };
                total.add(&run_sums, unit);
                run_sums = ErrorSums::default();
                left = sweep.run_blocks();
            }
        });
        total
    }
}

impl Run<'_> {
    /// What the block whose lanes count up from second operand code `code` is compared with.
    fn expected(&self, code: u64) -> Expected<'_> {
        let format = self.products.format;
        let base = self.first * format.values(code).1;
        Expected {
            exact: &self.exact,
            base: base as u32,
            reciprocal: self.products.reciprocals.get((code >> LANE_BITS) as usize).unwrap_or(&self.reciprocal),
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
    let needs_reciprocals = run.products.reciprocals.is_empty();
    for row in 0..8 {
        for column in 0..64 {
            let own = run.products.within[row][column];
            let product = first.wrapping_mul(run.products.second[row][column]).wrapping_add(own);
            run.exact[row][column] = product as u32;
            if needs_reciprocals {
                run.reciprocal[row][column] = reciprocal(f64::from(product));
            }
        }
    }
}
