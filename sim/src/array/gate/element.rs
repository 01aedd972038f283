//! The stages of an element, whatever its dataflow.

use super::super::accumulator::product_bit;
use super::detector::Detector;
use super::stage::Stage;
use super::stream::Order;
use super::tally::Tally;
use super::work::{Set, Work};
use super::{GateInference, Windows};
use crate::array::Dataflow;
use crate::engine::{Lanes, lane_values};

/// Bit planes of sums, `[block][bit]`.
pub(super) type Sums = Vec<Vec<Lanes>>;

/// The two stages of an element, which is every element of some columns in turn, and the adder below.
pub(super) struct Element<'g, 'a> {
    pub(super) gates: &'g GateInference<'a>,
    pub(super) multiplier: Stage<'a>,
    pub(super) detector: Option<Detector<'a>>,
    pub(super) accumulator: Stage<'a>,
    pub(super) column_adder: Stage<'a>,
}

/// What a product register held in the block before, and whether that was late.
pub(super) struct ProductRegister {
    product: Vec<Lanes>,
    late: Lanes,
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

    /// Sums of the set of columns from `first` on, `[column][row]`, as they leave the array.
    pub(super) fn sums(&mut self, work: &Work, first: usize, tally: &mut Tally) -> Vec<i32> {
        let set = Set::new(work, first);
        let sums = match self.gates.spec.dataflow {
            Dataflow::OutputStationary => self.stationary_sums(work, &set, tally),
            Dataflow::WeightStationary | Dataflow::InputStationary => self.moving_sums(work, &set, tally),
        };
        let columns = work.layout.columns().min(work.columns() - first);
        let mut found = vec![0; columns * work.rows()];
        let unused = 32 - self.accumulator.captured.len() as u32;
        for (block, planes) in sums.iter().enumerate() {
            let values = lane_values(planes);
            for (lane, column, row) in work.layout.places(block).filter(|&(_, column, _)| column < columns) {
                found[column * work.rows() + row] = (values[lane] << unused) as i32 >> unused;
            }
        }
        found
    }

    /// Product registers, and those that notice late products, that hold zero.
    pub(super) fn product_register(&mut self) -> ProductRegister {
        if let Some(detector) = &mut self.detector {
            detector.reset();
        }
        ProductRegister { product: vec![Lanes::ZERO; self.multiplier.captured.len()], late: Lanes::ZERO }
    }

    /// Multiplies one block; lanes whose product is late, if that is noticed.
    pub(super) fn multiply(&mut self, counted: Lanes, order: Order, tally: &mut Tally) -> Option<Lanes> {
        let Some((detector, activity)) = self.detector.as_mut().zip(tally.detector.as_mut()) else {
            self.multiplier.run_counted(counted, &mut tally.multiplier);
            return None;
        };
        self.multiplier.run(&mut tally.multiplier.activity);
        let late = detector.late((&self.multiplier.captured, &self.multiplier.settled), counted, order, activity);
        self.multiplier.look_at(counted, late, &mut tally.multiplier.errors);
        Some(late)
    }

    /// Puts captured products, and which of them are late, before the adder; a bubble's product is zero.
    pub(super) fn hand_over(
        &mut self,
        register: &mut ProductRegister,
        late: Option<Lanes>,
        counted: Lanes,
        order: Order,
    ) {
        let (format, bits) = (self.gates.spec.coding.format(), self.multiplier.captured.len());
        for bit in 0..self.accumulator.width(1) {
            let [now, last] = match product_bit(format, bits, bit) {
                Some(source) => [self.multiplier.captured[source] & counted, register.product[source]],
                None => [Lanes::ZERO; 2],
            };
            self.accumulator.change(1, bit, order.before(now, last), now);
        }
        if let Some(late) = late {
            self.accumulator.change(2, 0, order.before(late, register.late), late);
            register.late = late;
        }
        for (product, &captured) in register.product.iter_mut().zip(&self.multiplier.captured) {
            *product = captured & counted;
        }
    }
}
