//! Sums that stay: an element adds its products up, then the sums of a column move out through its registers.

use super::element::{Element, Sums};
use super::stream::{Layout, Order};
use super::tally::Tally;
use super::work::{Set, Work};
use crate::engine::Lanes;

/// Where the rows of a matrix product lie in the folds of an array, as bit planes `[bit][block]`.
pub(super) struct Folds {
    /// First rows of folds.
    top: Vec<Lanes>,
    /// How many elements a row's sum gives way in to what comes from above it, its own and those below.
    passed: Vec<Vec<Lanes>>,
    /// How many elements without work are below, told at the last row of a fold.
    idle: Vec<Vec<Lanes>>,
}

impl Folds {
    /// Of `rows` rows in batches of `batch` on an array of `array_rows` rows.
    pub(super) fn new(layout: &Layout, rows: usize, batch: usize, array_rows: usize) -> Self {
        let place = |row: usize| row % batch % array_rows;
        let mapped =
            |row: usize| (batch.min(rows - row / batch * batch) - (row % batch - place(row))).min(array_rows);
        let bits = (array_rows.ilog2() + 1) as usize;
        let idle = |row: usize| if place(row) + 1 == mapped(row) { array_rows - mapped(row) } else { 0 };
        Self {
            top: layout.planes(|row| u32::from(place(row) == 0), 1).remove(0),
            passed: layout.planes(|row| (array_rows - place(row)) as u32, bits),
            idle: layout.planes(|row| idle(row) as u32, bits),
        }
    }
}

impl Element<'_, '_> {
    /// What leaves the array.
    pub(super) fn stationary_sums(&mut self, work: &Work, set: &Set, tally: &mut Tally) -> Sums {
        let mut last = vec![Lanes::ZERO; self.accumulator.captured.len()];
        let of_block = |block: usize| {
            let sums = self.add_up(work, set, block, tally);
            self.drain(work, set, block, [&sums, &last], tally);
            last.clone_from(&sums);
            sums
        };
        (0..set.present.len()).map(of_block).collect()
    }

    /// The sums of a block of elements, whose registers hold zero before.
    fn add_up(&mut self, work: &Work, set: &Set, block: usize, tally: &mut Tally) -> Vec<Lanes> {
        self.multiplier.follow(self.gates.plans.nothing_held.as_ref());
        self.accumulator.follow(self.gates.plans.adding.as_ref());
        let (present, ports) = (set.present[block], work.ports());
        let [mut of_rows, mut of_columns] =
            [ports.row, ports.column].map(|port| vec![Lanes::ZERO; self.multiplier.width(port)]);
        let mut product = self.product_register();
        let [mut sums, mut earlier] = [(); 2].map(|()| vec![Lanes::ZERO; self.accumulator.captured.len()]);
        for input in 0..work.inputs() + 1 {
            // After the last product comes a bubble, whose sum is not captured.
            let counted = if input < work.inputs() { present } else { Lanes::ZERO };
            let bubble = counted.is_zero();
            for (bit, last) in of_rows.iter_mut().enumerate() {
                let now = if bubble { Lanes::ZERO } else { work.planes(input)[bit][block] & present };
                self.multiplier.change(ports.row, bit, std::mem::replace(last, now), now);
            }
            for (bit, last) in of_columns.iter_mut().enumerate() {
                let now = if bubble { Lanes::ZERO } else { work.column_bit(block, set.first, input, bit) };
                self.multiplier.change(ports.column, bit, std::mem::replace(last, now), now);
            }
            let late = self.multiply(counted, Order::Blocks, tally);
            for (bit, (&sum, &earlier)) in sums.iter().zip(&earlier).enumerate() {
                self.accumulator.change(0, bit, earlier, sum);
            }
            self.hand_over(&mut product, late, counted, Order::Blocks);
            self.accumulator.run_counted(counted, &mut tally.accumulator);
            earlier.clone_from(&sums);
            if !bubble {
                for (sum, &captured) in sums.iter_mut().zip(&self.accumulator.captured) {
                    let before = std::mem::replace(sum, captured & present);
                    tally.sums.toggles += u64::from((before ^ *sum).count_ones());
                }
                tally.sums.sums += u64::from(counted.count_ones());
            }
        }
        sums
    }

    /// Sums move down their columns and out; `last` are those of the block before.
    ///
    /// Every element that a sum passes sees the same change as the one that made it: from it to the sum of the element above.
    /// So each change is simulated once. With double buffering sums wait in registers of their own, and adders see zero instead.
    fn drain(&mut self, work: &Work, set: &Set, block: usize, [sums, last]: [&[Lanes]; 2], tally: &mut Tally) {
        let folds = work.folds.as_ref().expect("where sums stay there are folds");
        let present = set.present[block];
        let lanes = |planes: &[Vec<Lanes>]| -> Vec<(Lanes, u64)> {
            planes.iter().enumerate().map(|(bit, plane)| (plane[block] & present, 1 << bit)).collect()
        };
        let (passed, idle) = (lanes(&folds.passed), lanes(&folds.idle));
        let from_above = |(&sum, &last): (&Lanes, &Lanes)| Order::Lanes.before(sum, last) & !folds.top[block];
        let arriving: Vec<Lanes> = sums.iter().zip(last).map(from_above).collect();
        let nothing = vec![Lanes::ZERO; sums.len()];
        let moves = [(sums, &arriving[..], passed), (&nothing, sums, idle)];
        for (from, to, times) in &moves {
            for &(lanes, times) in times {
                let changes = from.iter().zip(*to).map(|(&from, &to)| u64::from(((from ^ to) & lanes).count_ones()));
                tally.sums.toggles += changes.sum::<u64>() * times;
            }
        }
        // The last of the captures clears the register.
        let captures = moves[0].2.iter().map(|(lanes, times)| u64::from(lanes.count_ones()) * times).sum::<u64>();
        tally.sums.sums += captures - u64::from(present.count_ones());
        self.accumulator.follow_zero(self.gates.plans.passing.as_ref());
        let adding = if self.gates.spec.double_buffering {
            vec![(sums, &nothing[..], vec![(present, 1)])]
        } else {
            moves.to_vec()
        };
        for (from, to, times) in adding {
            for (bit, (&from, &to)) in from.iter().zip(to).enumerate() {
                self.accumulator.change(0, bit, from, to);
            }
            self.accumulator.run_times(&times, &mut tally.passing.activity);
        }
    }
}
