//! Columns of elements at work on one block of rows.

use super::super::accumulator::product_bit;
use super::detector::Detector;
use super::stage::{Stage, StageTally};
use super::stream::{Layout, delayed};
use super::{GateInference, Windows};
use crate::energy::SwitchingActivity;
use crate::engine::{LANES, Lanes, lane_values};
use crate::multiplier::Coding;

/// Steps of a column from which on it has lanes of its own; shorter columns share theirs.
const LONG: usize = LANES / 2;
/// Lanes that short columns fill together, at most.
const SHARED: usize = 4 * LANES;

/// A matrix product of a layer: activations `[row][input]` and the weights of a group `[output][input]`.
pub(super) struct Work<'a> {
    weights: &'a [i8],
    inputs: usize,
    outputs: usize,
    rows: usize,
    layout: Layout,
    coding: Coding,
    /// Bit planes of the activations' port, `[input][bit][block]`.
    planes: Vec<Vec<Vec<Lanes>>>,
}

impl<'a> Work<'a> {
    /// Rows come in batches of `batch`.
    pub(super) fn new(activations: &[u8], weights: &'a [i8], inputs: usize, batch: usize, coding: Coding) -> Self {
        let (rows, outputs) = (activations.len() / inputs, weights.len() / inputs);
        let steps = Layout::steps_of(rows, batch);
        let columns = if steps >= LONG { 1 } else { (SHARED / steps).clamp(1, outputs) };
        let layout = Layout::new(rows, batch, columns);
        let bits = coding.operand_bits()[0] as usize;
        let planes =
            |input: usize| layout.planes(|row| coding.operand(0, activations[row * inputs + input].into()), bits);
        let planes = (0..inputs).map(planes).collect();
        Self { weights, inputs, outputs, rows, layout, coding, planes }
    }

    /// First output of each set of columns that are simulated together.
    pub(super) fn sets(&self) -> Vec<usize> {
        (0..self.outputs).step_by(self.layout.columns()).collect()
    }

    /// Rows of the product.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the product.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Code of a weight.
    fn weight(&self, output: usize, input: usize) -> u8 {
        self.weights[output * self.inputs + input].cast_unsigned()
    }

    /// Whether the port of the weight carries a 1 at bit `bit`.
    fn weight_bit(&self, output: usize, input: usize, bit: usize) -> bool {
        self.coding.operand(1, self.weight(output, input).into()) >> bit & 1 == 1
    }
}

/// What happened in some columns.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) multiplier: StageTally,
    /// Toggles of what notices late products, if anything does.
    pub(super) detector: Option<SwitchingActivity>,
    /// Additions of products.
    pub(super) accumulator: StageTally,
    /// Additions in rows without work.
    pub(super) passing: StageTally,
    /// Additions below the columns.
    pub(super) below: StageTally,
    pub(super) sums: SumRegisters,
}

/// What sum registers did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SumRegisters {
    /// Bits that changed.
    pub(super) toggles: u64,
    /// Sums that they held.
    pub(super) sums: u64,
}

impl SumRegisters {
    fn merge(&mut self, other: &SumRegisters) {
        self.toggles += other.toggles;
        self.sums += other.sums;
    }
}

impl Tally {
    pub(super) fn new(gates: &GateInference<'_>) -> Self {
        let spec = &gates.spec;
        let adder = StageTally::new(spec.accumulator.netlist);
        Self {
            multiplier: StageTally::new(spec.multiplier.netlist),
            detector: spec.detector.map(|detector| SwitchingActivity::new(detector.netlist)),
            passing: adder.clone(),
            accumulator: adder,
            below: StageTally::new(spec.column_adder.netlist),
            sums: SumRegisters::default(),
        }
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        self.multiplier.merge(&other.multiplier);
        if let (Some(mine), Some(theirs)) = (&mut self.detector, &other.detector) {
            mine.merge(theirs);
        }
        self.accumulator.merge(&other.accumulator);
        self.passing.merge(&other.passing);
        self.below.merge(&other.below);
        self.sums.merge(&other.sums);
    }
}

/// Bit planes of sums, `[block][bit]`: what a row's registers hold, step by step.
type Sums = Vec<Vec<Lanes>>;

/// Columns simulated together.
struct Set {
    first: usize,
    /// Lanes of columns that there are, a block after the other.
    present: Vec<Lanes>,
    /// Those without bubbles.
    counted: Vec<Lanes>,
}

impl Set {
    fn new(work: &Work<'_>, first: usize) -> Self {
        let blocks = 0..work.layout.blocks();
        let present: Vec<Lanes> =
            blocks.map(|block| work.layout.of_columns(block, |column| first + column < work.outputs)).collect();
        let counted = present.iter().zip(work.layout.valid()).map(|(&present, &valid)| present & valid).collect();
        Self { first, present, counted }
    }
}

/// The two stages of an element, which is every element of some columns in turn, and the adder below.
pub(super) struct Element<'g, 'a> {
    gates: &'g GateInference<'a>,
    multiplier: Stage<'a>,
    detector: Option<Detector<'a>>,
    accumulator: Stage<'a>,
    column_adder: Stage<'a>,
}

impl<'g, 'a> Element<'g, 'a> {
    pub(super) fn new(gates: &'g GateInference<'a>, windows: Windows) -> Self {
        let stages = &gates.stages;
        Self {
            gates,
            multiplier: stages.multiplier.capturing(windows.product),
            detector: stages.detector.clone(),
            accumulator: stages.accumulator.capturing(windows.sum),
            column_adder: stages.column_adder.capturing(windows.column),
        }
    }

    /// Sums of the set of columns from output `first` on, `[column][row]`, as the memory below the array gets them.
    pub(super) fn columns(&mut self, work: &Work<'_>, first: usize, tally: &mut Tally) -> Vec<i32> {
        let set = Set::new(work, first);
        let columns = work.layout.columns().min(work.outputs - first);
        let bits = self.accumulator.captured.len();
        let empty = vec![vec![Lanes::ZERO; bits]; work.layout.blocks()];
        let mut memory = empty.clone();
        let rows = self.gates.spec.rows;
        for fold in (0..work.inputs).step_by(rows) {
            let mut sums = empty.clone();
            let mapped = work.inputs.min(fold + rows);
            self.accumulator.follow(&self.gates.plans.adding);
            for input in fold..mapped {
                self.multiply_accumulate(work, &set, input, &mut sums, tally);
            }
            self.pass(&set, fold + rows - mapped, &mut sums, tally);
            self.add_below(&set, &sums, &mut memory, tally);
        }
        let mut found = vec![0; columns * work.rows];
        let unused = 32 - bits as u32;
        for (block, planes) in memory.iter().enumerate() {
            let values = lane_values(planes);
            for (lane, column, row) in work.layout.places(block).filter(|&(_, column, _)| column < columns) {
                found[column * work.rows + row] = (values[lane] << unused) as i32 >> unused;
            }
        }
        found
    }

    /// One row of elements: every sum from above gets its product.
    fn multiply_accumulate(&mut self, work: &Work<'_>, set: &Set, input: usize, sums: &mut Sums, tally: &mut Tally) {
        let shared = work.layout.columns() > 1;
        self.multiplier.follow(match shared {
            true => &self.gates.plans.any_weight,
            false => &self.gates.plans.of_weight[usize::from(work.weight(set.first, input))],
        });
        let (product_bits, bits) = (self.multiplier.captured.len(), self.accumulator.captured.len());
        let format = work.coding.format();
        let mut product = vec![Lanes::ZERO; product_bits];
        let (mut above, mut below) = (vec![Lanes::ZERO; bits], vec![Lanes::ZERO; bits]);
        let mut late_before = Lanes::ZERO;
        if let Some(detector) = &mut self.detector {
            detector.reset();
        }
        for (block, (&present, &counted)) in set.present.iter().zip(&set.counted).enumerate() {
            for (bit, plane) in work.planes[input].iter().enumerate() {
                let before = if block > 0 { plane[block - 1] & set.present[block - 1] } else { Lanes::ZERO };
                self.multiplier.stream(0, bit, plane[block] & present, before);
            }
            if shared {
                for bit in 0..self.multiplier.width(1) {
                    let set = |column: usize| {
                        let output = set.first + column;
                        output < work.outputs && work.weight_bit(output, input, bit)
                    };
                    self.multiplier.keep(1, bit, work.layout.of_columns(block, set));
                }
            }
            let late = self.multiply(counted, tally);
            for bit in 0..bits {
                self.accumulator.stream(0, bit, sums[block][bit], above[bit]);
            }
            for bit in 0..self.accumulator.width(1) {
                // A bubble's product is zero.
                let source = product_bit(format, product_bits, bit);
                let lanes = source.map_or(Lanes::ZERO, |source| self.multiplier.captured[source] & counted);
                let before = source.map_or(Lanes::ZERO, |source| product[source]);
                self.accumulator.stream(1, bit, lanes, before);
            }
            if let Some(late) = late {
                self.accumulator.stream(2, 0, late, late_before);
                late_before = late;
            }
            for (product, &captured) in product.iter_mut().zip(&self.multiplier.captured) {
                *product = captured & counted;
            }
            above.copy_from_slice(&sums[block]);
            self.accumulator.run_counted(counted, &mut tally.accumulator);
            self.capture(&mut sums[block], &mut below, counted, &mut tally.sums);
        }
    }

    /// Multiplies one block; lanes whose product is late, if that is noticed.
    fn multiply(&mut self, counted: Lanes, tally: &mut Tally) -> Option<Lanes> {
        let Some((detector, activity)) = self.detector.as_mut().zip(tally.detector.as_mut()) else {
            self.multiplier.run_counted(counted, &mut tally.multiplier);
            return None;
        };
        self.multiplier.run(&mut tally.multiplier.activity);
        let late = detector.late((&self.multiplier.captured, &self.multiplier.settled), counted, activity);
        self.multiplier.look_at(counted, late, &mut tally.multiplier.errors);
        Some(late)
    }

    /// Takes what the sum registers captured; a bubble's sum counts as zero. `before` is that of the block before.
    fn capture(&self, sums: &mut [Lanes], before: &mut [Lanes], counted: Lanes, registers: &mut SumRegisters) {
        for ((sum, before), &captured) in sums.iter_mut().zip(before).zip(&self.accumulator.captured) {
            *sum = captured & counted;
            registers.toggles += u64::from((*sum ^ delayed(*sum, *before)).count_ones());
            *before = *sum;
        }
        registers.sums += u64::from(counted.count_ones());
    }

    /// Sums go on through `rows` rows of elements without work, which add nothing to them.
    fn pass(&mut self, set: &Set, rows: usize, sums: &mut Sums, tally: &mut Tally) {
        self.accumulator.follow(&self.gates.plans.passing);
        let bits = self.accumulator.captured.len();
        let mut left = rows;
        while left > 0 {
            let arriving = sums.clone();
            let (mut row, mut registers) = (StageTally::new(self.accumulator.spec.netlist), SumRegisters::default());
            let (mut above, mut below) = (vec![Lanes::ZERO; bits], vec![Lanes::ZERO; bits]);
            for (block, &counted) in set.counted.iter().enumerate() {
                for bit in 0..bits {
                    self.accumulator.stream(0, bit, arriving[block][bit], above[bit]);
                }
                above.copy_from_slice(&arriving[block]);
                self.accumulator.run_counted(counted, &mut row);
                self.capture(&mut sums[block], &mut below, counted, &mut registers);
            }
            // Where a row changes nothing, those below it do the same.
            let alike = if *sums == arriving { left } else { 1 };
            for _ in 0..alike {
                tally.passing.merge(&row);
                tally.sums.merge(&registers);
            }
            left -= alike;
        }
    }

    /// The adders below the columns add to what earlier folds have left in memory.
    fn add_below(&mut self, set: &Set, sums: &Sums, memory: &mut Sums, tally: &mut Tally) {
        let bits = self.column_adder.captured.len();
        let (mut sum_before, mut memory_before) = (vec![Lanes::ZERO; bits], vec![Lanes::ZERO; bits]);
        for (block, &counted) in set.counted.iter().enumerate() {
            for bit in 0..bits {
                self.column_adder.stream(0, bit, memory[block][bit], memory_before[bit]);
                self.column_adder.stream(1, bit, sums[block][bit], sum_before[bit]);
            }
            sum_before.copy_from_slice(&sums[block]);
            memory_before.copy_from_slice(&memory[block]);
            self.column_adder.run_counted(counted, &mut tally.below);
            for (memory, &captured) in memory[block].iter_mut().zip(&self.column_adder.captured) {
                *memory = captured & counted;
            }
        }
    }
}
