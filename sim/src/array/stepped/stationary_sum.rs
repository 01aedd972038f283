//! Output-stationary: both operands move, the sum is accumulated in place and then moves down and out.

use super::census::Census;
use super::ports::Ports;
use super::wave::{Pipeline, Wave};
use super::{ElementCycle, SteppedRun, Token};
use crate::array::SystolicArray;
use crate::array::tiling::{Fold, Tiling};
use std::mem;

/// An element's registers.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    /// The activation, which moves right.
    right: Token,
    /// The weight, which moves down.
    down: Token,
    /// Between multiplier and adder, if there is such a register; with the fold's bank and whether it starts a sum.
    product: Product,
    /// The sum; with double buffering folds alternate between the two.
    sum: [Token; 2],
}

/// A product on its way to the adder.
#[derive(Clone, Copy, Debug, Default)]
struct Product {
    token: Token,
    bank: usize,
    first: bool,
}

/// A column's bottom element presents the sum of the fold's row `rows − 1 − position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drain {
    fold: Fold,
    position: usize,
}

/// Decides what is issued and when sums leave, from what has been issued and has left.
#[derive(Debug)]
struct Sequencer {
    tiling: Tiling,
    double_buffering: bool,
    /// Fold and step to be issued next.
    issue: (u64, u64),
    /// Cycles since the last fold's first step, R when there is none.
    since_start: u64,
    /// What leaves the first column in this cycle.
    drain: Option<Drain>,
    /// Folds that have left the last column.
    drained: u64,
}

impl Sequencer {
    fn new(tiling: Tiling, double_buffering: bool) -> Self {
        let since_start = tiling.rows;
        Self { tiling, double_buffering, issue: (0, 0), since_start, drain: None, drained: 0 }
    }

    /// Before anything is issued every element belongs to the first fold.
    fn idle(&self) -> Wave {
        Wave { fold: self.tiling.fold(0), step: None }
    }

    /// What element (0, 0) gets to see in this cycle.
    fn wave(&self, before: &Wave) -> Wave {
        let (fold, step) = self.issue;
        // With double buffering a fold must not finish before the one before it has had R cycles to leave.
        let may_start =
            if self.double_buffering { self.since_start >= self.tiling.rows } else { fold == self.drained };
        if fold < self.tiling.folds && (step > 0 || may_start) {
            Wave { fold: self.tiling.fold(fold), step: Some(step) }
        } else {
            Wave { step: None, ..*before }
        }
    }

    /// The clock edge. `finishing` is what passes the place whose last step lets the first column drain, `leaving` what
    /// the last column presents.
    fn advance(&mut self, wave: &Wave, finishing: &Wave, leaving: Option<Drain>) {
        let steps = self.tiling.extent.steps;
        self.since_start += 1;
        if wave.step.is_some() {
            let (fold, step) = self.issue;
            if step == 0 {
                self.since_start = 1;
            }
            self.issue = if step + 1 == steps { (fold + 1, 0) } else { (fold, step + 1) };
        }
        let last = self.tiling.rows as usize - 1;
        if leaving.is_some_and(|drain| drain.position == last) {
            self.drained += 1;
        }
        self.drain = self.drain.filter(|drain| drain.position < last);
        if let Some(drain) = &mut self.drain {
            drain.position += 1;
        }
        if finishing.step == Some(steps - 1) {
            debug_assert_eq!(self.drain, None, "sums leave before the next ones are finished");
            self.drain = Some(Drain { fold: finishing.fold, position: 0 });
        }
    }
}

/// Runs a layer.
pub(super) fn run(
    array: &SystolicArray,
    mut ports: Ports<'_>,
    mut multiply: impl FnMut(i32, i32) -> i32,
    mut observe: impl FnMut(ElementCycle),
) -> SteppedRun {
    let tiling = *ports.tiling();
    let (rows, columns) = (tiling.rows as usize, tiling.columns as usize);
    let (product_register, gating, adder) = (array.product_register(), array.data_gating(), array.adder());
    let bank = |fold: &Fold| if array.double_buffering() { (fold.index % 2) as usize } else { 0 };

    let mut sequencer = Sequencer::new(tiling, array.double_buffering());
    let mut waves = Pipeline::new(sequencer.idle(), rows + columns - 1 + usize::from(product_register));
    let mut drains = Pipeline::new(None, columns);
    // Above the first row lies the edge: it holds the weights that enter, and its sums are empty.
    let mut elements = vec![Element::default(); (1 + rows) * columns];
    let mut census = Census::default();
    while sequencer.drained < tiling.folds {
        let wave = sequencer.wave(&waves[0]);
        waves.shift(wave);
        match sequencer.drain {
            drain if array.double_buffering() => drains.shift(drain),
            // One drain signal for the whole array: nothing streams while it drains.
            drain => drains.broadcast(drain),
        }
        for (column, drain) in drains.iter().enumerate() {
            if let Some(Drain { fold, position }) = drain {
                let sum = elements[rows * columns + column].sum[bank(fold)];
                if sum.valid {
                    ports.write_sum(fold, rows - 1 - position, column, 0, sum.value);
                }
            }
        }
        for (column, (edge, wave)) in elements.iter_mut().zip(&waves[..columns]).enumerate() {
            edge.down = ports.read_column(wave, column);
        }
        // From the last row up, so that every element finds the registers above it as they were.
        for row in (0..rows).rev() {
            let (above, this) = elements[row * columns..][..2 * columns].split_at_mut(columns);
            let mut arriving = ports.read_row(&waves[row], row);
            let controls = waves[row..].iter().zip(drains.iter());
            for (column, ((element, above), (wave, drain))) in this.iter_mut().zip(above).zip(controls).enumerate() {
                let (right, down) = (arriving, above.down);
                arriving = mem::replace(&mut element.right, right);
                element.down = down;
                let active = right.valid && down.valid;
                let token = if active {
                    Token::new(census.product(gating, [right.value, down.value], &mut multiply))
                } else {
                    Token::EMPTY
                };
                let product = Product { token, bank: bank(&wave.fold), first: wave.step == Some(0) };
                let addend = if product_register { mem::replace(&mut element.product, product) } else { product };
                if addend.token.valid {
                    let sum = &mut element.sum[addend.bank];
                    let before = if addend.first { Token::EMPTY } else { *sum };
                    *sum = before.plus(addend.token, adder);
                    census.writes.partial_sum += 1;
                }
                // Row r has the sums of the r rows above it to pass on, and is empty after that.
                if let Some(drain) = drain.as_ref().filter(|drain| row >= drain.position) {
                    let token = above.sum[bank(&drain.fold)];
                    element.sum[bank(&drain.fold)] = token;
                    census.writes.partial_sum += u64::from(token.valid);
                }

                census.writes.input += u64::from(right.valid);
                census.writes.weight += u64::from(down.valid);
                census.writes.product += u64::from(product_register && active);
                let state = census.element(&wave.fold, row, column, active);
                let (activation, weight) = (right.value, down.value);
                let (cycle, fold) = (census.cycles, wave.fold.index);
                observe(ElementCycle { cycle, row, column, fold, activation, weight, state });
            }
        }
        // The bottom element of the first column if columns drain one after the other, of the last if all at once.
        let last_to_finish = if array.double_buffering() { rows - 1 } else { rows + columns - 2 };
        let finishing = waves[last_to_finish + usize::from(product_register)];
        sequencer.advance(&wave, &finishing, drains[columns - 1]);
        census.cycles += 1;
    }
    census.finish(ports)
}
