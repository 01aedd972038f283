//! Sums that move down columns of elements, each of which holds an operand.

use super::element::{Element, Sums};
use super::stage::StageTally;
use super::stream::Order;
use super::tally::{SumRegisters, Tally};
use super::work::{Set, Work};
use crate::engine::Lanes;

impl Element<'_, '_> {
    /// What the memory below the array gets.
    pub(super) fn moving_sums(&mut self, work: &Work, set: &Set, tally: &mut Tally) -> Sums {
        let empty = vec![vec![Lanes::ZERO; self.accumulator.captured.len()]; set.present.len()];
        let mut memory = empty.clone();
        let rows = self.gates.spec.rows;
        for fold in (0..work.inputs()).step_by(rows) {
            let mut sums = empty.clone();
            let mapped = work.inputs().min(fold + rows);
            self.accumulator.follow(self.gates.plans.adding.as_ref());
            for input in fold..mapped {
                self.multiply_accumulate(work, set, input, &mut sums, tally);
            }
            self.pass(set, fold + rows - mapped, &mut sums, tally);
            self.add_below(set, &sums, &mut memory, tally);
        }
        memory
    }

    /// One row of elements: every sum from above gets its product.
    fn multiply_accumulate(&mut self, work: &Work, set: &Set, input: usize, sums: &mut Sums, tally: &mut Tally) {
        let (shared, ports) = (work.layout.columns() > 1, work.ports());
        self.multiplier.follow(match shared {
            true => self.gates.plans.nothing_held.as_ref(),
            false => self.gates.plans.held.get(usize::from(work.code(set.first, input))),
        });
        let bits = self.accumulator.captured.len();
        let mut product = self.product_register();
        let (mut above, mut below) = (vec![Lanes::ZERO; bits], vec![Lanes::ZERO; bits]);
        for (block, (&present, &counted)) in set.present.iter().zip(&set.counted).enumerate() {
            for (bit, plane) in work.planes(input).iter().enumerate() {
                let last = if block > 0 { plane[block - 1] & set.present[block - 1] } else { Lanes::ZERO };
                let now = plane[block] & present;
                self.multiplier.change(ports.row, bit, Order::Lanes.before(now, last), now);
            }
            if shared {
                for bit in 0..self.multiplier.width(ports.column) {
                    self.multiplier.keep(ports.column, bit, work.column_bit(block, set.first, input, bit));
                }
            }
            let late = self.multiply(counted, Order::Lanes, tally);
            for bit in 0..bits {
                let now = sums[block][bit];
                self.accumulator.change(0, bit, Order::Lanes.before(now, above[bit]), now);
            }
            self.hand_over(&mut product, late, counted, Order::Lanes);
            above.copy_from_slice(&sums[block]);
            self.accumulator.run_counted(counted, &mut tally.accumulator);
            self.capture(&mut sums[block], &mut below, counted, &mut tally.sums);
        }
    }

    /// Takes what the sum registers captured; a bubble's sum counts as zero. `before` is that of the block before.
    fn capture(&self, sums: &mut [Lanes], before: &mut [Lanes], counted: Lanes, registers: &mut SumRegisters) {
        for ((sum, before), &captured) in sums.iter_mut().zip(before).zip(&self.accumulator.captured) {
            *sum = captured & counted;
            registers.toggles += u64::from((*sum ^ Order::Lanes.before(*sum, *before)).count_ones());
            *before = *sum;
        }
        registers.sums += u64::from(counted.count_ones());
    }

    /// Sums go on through `rows` rows of elements without work, which add nothing to them.
    fn pass(&mut self, set: &Set, rows: usize, sums: &mut Sums, tally: &mut Tally) {
        self.accumulator.follow_zero(self.gates.plans.passing.as_ref());
        let bits = self.accumulator.captured.len();
        let mut left = rows;
        while left > 0 {
            let arriving = sums.clone();
            let (mut row, mut registers) = (StageTally::new(self.accumulator.spec.netlist), SumRegisters::default());
            let (mut above, mut below) = (vec![Lanes::ZERO; bits], vec![Lanes::ZERO; bits]);
            for (block, &counted) in set.counted.iter().enumerate() {
                for bit in 0..bits {
                    let now = arriving[block][bit];
                    self.accumulator.change(0, bit, Order::Lanes.before(now, above[bit]), now);
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
            let operands = [(&memory[block], &memory_before), (&sums[block], &sum_before)];
            for (port, (now, last)) in operands.into_iter().enumerate() {
                for (bit, (&now, &last)) in now.iter().zip(last).enumerate() {
                    self.column_adder.change(port, bit, Order::Lanes.before(now, last), now);
                }
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
