//! What notices late products.

use super::stage::{Stage, StageSpec};
use super::stream::Order;
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, Lanes};
use crate::multiplier::NumberFormat;

/// The product register, its shadow, and the gates that compare them, step by step.
///
/// The product register changes at the clock edge; its shadow follows when the product has settled. What the comparison then
/// settles to is whether the product was late.
#[derive(Clone, Debug)]
pub(super) struct Detector<'a> {
    stage: Stage<'a>,
    /// What both registers held in the block before.
    sampled: Vec<Lanes>,
    shadow: Vec<Lanes>,
}

impl<'a> Detector<'a> {
    pub(super) fn new(spec: StageSpec<'a>, mode: Option<DelayMode>) -> Self {
        let stage = Stage::new(spec, mode, NumberFormat::Unsigned);
        let planes = || vec![Lanes::ZERO; stage.width(0)];
        Self { sampled: planes(), shadow: planes(), stage }
    }

    /// Both registers hold zero before the next block.
    pub(super) fn reset(&mut self) {
        self.sampled.fill(Lanes::ZERO);
        self.shadow.fill(Lanes::ZERO);
    }

    /// Lanes of `counted` whose product is late; the registers of the others are cleared.
    pub(super) fn late(
        &mut self,
        (captured, settled): (&[Lanes], &[Lanes]),
        counted: Lanes,
        order: Order,
        activity: &mut SwitchingActivity,
    ) -> Lanes {
        let mut shadows = Vec::with_capacity(settled.len());
        for (bit, (&captured, &settled)) in captured.iter().zip(settled).enumerate() {
            let (captured, shadow) = (captured & counted, order.before(settled & counted, self.shadow[bit]));
            self.stage.change(0, bit, order.before(captured, self.sampled[bit]), captured);
            self.stage.keep(1, bit, shadow);
            shadows.push(shadow);
        }
        self.stage.run(activity);
        for (bit, (&captured, &settled)) in captured.iter().zip(settled).enumerate() {
            self.stage.keep(0, bit, captured & counted);
            self.stage.change(1, bit, shadows[bit], settled & counted);
            (self.sampled[bit], self.shadow[bit]) = (captured & counted, settled & counted);
        }
        self.stage.run(activity);
        self.stage.settled[0]
    }
}
