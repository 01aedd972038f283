//! Weight- and input-stationary: one operand is loaded and held, the other moves right, sums move down.

use super::census::Census;
use super::ports::Ports;
use super::wave::{Pipeline, Wave};
use super::{ElementCycle, SteppedRun, Token};
use crate::array::SystolicArray;
use crate::array::tiling::Tiling;
use std::mem;

/// An element's registers.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    /// The operand that moves right.
    moving: Token,
    /// The operand that stays; with double buffering folds alternate between the two.
    held: [Token; 2],
    /// Between multiplier and adder, if there is such a register.
    product: Token,
    /// The sum that moves down.
    sum: Token,
}

/// A column's operand for the fold's row `rows − 1 − position` is at the top of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    fold: u64,
    position: usize,
}

/// Decides what is loaded and issued, from what has been.
#[derive(Debug)]
struct Sequencer {
    tiling: Tiling,
    double_buffering: bool,
    /// Being loaded; folds before it have been.
    load: Load,
    loading: bool,
    /// Fold and step to be issued next.
    issue: (u64, u64),
    /// Folds whose last step has left the array.
    retired: u64,
}

impl Sequencer {
    fn new(tiling: Tiling, double_buffering: bool) -> Self {
        let load = Load { fold: 0, position: 0 };
        Self { tiling, double_buffering, load, loading: false, issue: (0, 0), retired: 0 }
    }

    /// Before anything is issued every element belongs to the first fold.
    fn idle(&self) -> Wave {
        Wave { fold: self.tiling.fold(0), step: None }
    }

    /// What enters the first column's load chain in this cycle.
    fn load(&mut self) -> Option<Load> {
        let reusable = if self.double_buffering { self.issue.0 + 2 } else { self.retired + 1 };
        self.loading |= self.load.fold < self.tiling.folds.min(reusable);
        self.loading.then_some(self.load)
    }

    /// What element (0, 0) gets to see in this cycle.
    fn wave(&self, before: &Wave) -> Wave {
        let (fold, step) = self.issue;
        if fold < self.load.fold {
            Wave { fold: self.tiling.fold(fold), step: Some(step) }
        } else {
            Wave { step: None, ..*before }
        }
    }

    /// The clock edge.
    fn advance(&mut self, wave: &Wave, leaving: &Wave) {
        let steps = self.tiling.extent.steps;
        if wave.step.is_some() {
            let (fold, step) = self.issue;
            self.issue = if step + 1 == steps { (fold + 1, 0) } else { (fold, step + 1) };
        }
        if self.loading {
            self.load.position += 1;
            if self.load.position as u64 == self.tiling.rows {
                (self.load, self.loading) = (Load { fold: self.load.fold + 1, position: 0 }, false);
            }
        }
        self.retired += u64::from(leaving.step == Some(steps - 1));
    }
}

/// Runs a layer; `multiply` takes the moving and the held operand, and the census calls them input and weight.
pub(super) fn run(
    array: &SystolicArray,
    mut ports: Ports<'_>,
    mut multiply: impl FnMut(i32, i32) -> i32,
    mut observe: impl FnMut(ElementCycle),
) -> SteppedRun {
    let tiling = *ports.tiling();
    let (rows, columns) = (tiling.rows as usize, tiling.columns as usize);
    let (product_register, gating, adder) = (array.product_register(), array.data_gating(), array.adder());
    let bank = |fold: u64| if array.double_buffering() { (fold % 2) as usize } else { 0 };

    let mut sequencer = Sequencer::new(tiling, array.double_buffering());
    let mut waves = Pipeline::new(sequencer.idle(), rows + columns - 1 + usize::from(product_register));
    let mut loads = Pipeline::new(None, columns);
    // Above the first row lies the edge: it holds what is to be loaded, and its sums are empty.
    let mut elements = vec![Element::default(); (1 + rows) * columns];
    let mut census = Census::default();
    while sequencer.retired < tiling.folds {
        let wave = sequencer.wave(&waves[0]);
        waves.shift(wave);
        match sequencer.load() {
            load if array.double_buffering() => loads.shift(load),
            // One load signal for the whole array: nothing streams while it loads.
            load => loads.broadcast(load),
        }
        for (column, load) in loads.iter().enumerate() {
            if let Some(Load { fold, position }) = *load {
                elements[column].held[bank(fold)] = ports.read_held(fold, rows - 1 - position, column);
            }
        }
        // From the last row up, so that every element finds the registers above it as they were.
        for row in (0..rows).rev() {
            let (above, this) = elements[row * columns..][..2 * columns].split_at_mut(columns);
            let mut arriving = ports.read_row(&waves[row], row);
            let controls = waves[row..].iter().zip(loads.iter());
            for (column, ((element, above), (wave, load))) in this.iter_mut().zip(above).zip(controls).enumerate() {
                let moving = arriving;
                arriving = mem::replace(&mut element.moving, moving);
                let held = element.held[bank(wave.fold.index)];
                let active = moving.valid && held.valid;
                let product = if active {
                    Token::new(census.product(gating, [moving.value, held.value], &mut multiply))
                } else {
                    Token::EMPTY
                };
                let addend = if product_register { mem::replace(&mut element.product, product) } else { product };
                element.sum = above.sum.plus(addend, adder);
                // Row r captures from the r-th cycle of a load on, when the first operand has come that far.
                if let Some(load) = load.filter(|load| row <= load.position) {
                    let token = above.held[bank(load.fold)];
                    element.held[bank(load.fold)] = token;
                    census.writes.weight += u64::from(token.valid);
                }

                census.writes.input += u64::from(moving.valid);
                census.writes.product += u64::from(product_register && active);
                census.writes.partial_sum += u64::from(element.sum.valid);
                let state = census.element(&wave.fold, row, column, active);
                let (activation, weight) = (moving.value, held.value);
                let (cycle, fold) = (census.cycles, wave.fold.index);
                observe(ElementCycle { cycle, row, column, fold, activation, weight, state });
            }
        }
        let leaving = waves[rows - 1 + usize::from(product_register)..].iter();
        for (column, (element, wave)) in elements[rows * columns..].iter().zip(leaving).enumerate() {
            if element.sum.valid {
                let step = wave.step.expect("a sum leaves with the step it belongs to");
                ports.write_sum(&wave.fold, 0, column, step, element.sum.value);
            }
        }
        sequencer.advance(&wave, &waves[waves.len() - 1]);
        census.cycles += 1;
    }
    census.finish(ports)
}
