//! What becomes of products that arrive late.

use super::{SampledErrors, TransitionTable};
use crate::multiplier::{Coding, ProductTable};
use serde::{Deserialize, Serialize};

/// What becomes of a product that arrives after the clock edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimingError {
    /// The product register takes what is there.
    #[default]
    Capture,
    /// A shadow register notices, and nothing is added.
    Drop,
}

impl OnTimingError {
    /// Name, as configurations use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Drop => "drop",
        }
    }
}

impl TransitionTable {
    /// The table of a multiplier whose late products are noticed and dropped, `settled` being its products: sampled is zero where
    /// it was wrong, and the error what is missing from the sum. A late product that settles to zero loses nothing and is no error
    /// any more.
    ///
    /// # Panics
    /// If `settled` has operands of other widths than the table.
    pub fn dropping_late_products(mut self, settled: &ProductTable) -> Self {
        assert_eq!([settled.width_a(), settled.width_b()], self.coding().code_bits(), "the multiplier's products");
        let activations = (1u32 << self.activation_bits()) - 1;
        let product = |pair: usize, weight: u8| settled.product(pair as u32 & activations, weight.into());
        self.on_timing_error = OnTimingError::Drop;
        self.points = self.points.iter().map(|errors| errors.dropped(self.coding(), product)).collect();
        self
    }
}

impl SampledErrors {
    /// The same where zero stands for every wrong product; `product` gives that of a pair and weight.
    fn dropped(&self, coding: Coding, product: impl Fn(usize, u8) -> i32) -> Self {
        let pairs = self.row_start.len() - 1;
        let mut dropped = Self {
            window: self.window,
            row_start: Vec::with_capacity(pairs + 1),
            members: vec![[0; 4]; pairs],
            weight: Vec::with_capacity(self.weight.len()),
            delta: Vec::with_capacity(self.delta.len()),
            bit_errors: vec![[0; 2]; self.bit_errors.len()],
        };
        dropped.row_start.push(0);
        for pair in 0..pairs {
            for &weight in self.row(pair).0 {
                let product = product(pair, weight);
                if product == 0 {
                    continue;
                }
                dropped.members[pair][usize::from(weight / 64)] |= 1 << (weight % 64);
                dropped.weight.push(weight);
                dropped.delta.push(-product);
                let [settled, nothing] = coding.format().settled_and_sampled(product, 0, coding.product_bits());
                for (bit, flips) in dropped.bit_errors.iter_mut().enumerate() {
                    flips[1] += u64::from((settled & !nothing) >> bit & 1);
                }
            }
            dropped.row_start.push(dropped.weight.len() as u32);
        }
        dropped
    }
}
