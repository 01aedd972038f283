//! A table of transitions under a stimulus: what profiles of all its operating points have in common.

use super::{Stimulus, TransitionTable};

/// How often operands meet under a stimulus, and what that costs: sampling earlier or later changes neither, and a supply
/// scales the energy alone.
pub struct StimulatedTransitions<'a> {
    pub(super) table: &'a TransitionTable,
    pub(super) stimulus: &'a Stimulus,
    /// Probability of each activation, given the weight, `[activation][weight]`.
    pub(super) mass: Vec<f64>,
    /// Switching energy times probability, fJ at nominal supply, likewise.
    pub(super) energy: Vec<f64>,
}

impl TransitionTable {
    /// The transitions as often as they occur.
    ///
    /// # Panics
    /// If the stimulus has operands of other widths than the table.
    pub fn under<'a>(&'a self, stimulus: &'a Stimulus) -> StimulatedTransitions<'a> {
        let bits = [stimulus.activation_bits(), stimulus.weight_bits()];
        assert_eq!(bits, [self.activation_bits(), self.weight_bits()], "a stimulus of the table's operands");
        let (activations, weights) = (1usize << bits[0], 1usize << bits[1]);
        let (mut mass, mut energy) = (Vec::new(), Vec::new());
        for activation in 0..activations {
            let mut probability = 0.0;
            let mut units = vec![0.0; weights];
            for (previous, row) in stimulus.transitions().chunks_exact(activations).enumerate() {
                let share = row[activation];
                if share > 0.0 {
                    probability += share;
                    let row = self.energy_row(self.pair(previous as u8, activation as u8));
                    for (sum, &burnt) in units.iter_mut().zip(row) {
                        *sum += share * f64::from(burnt);
                    }
                }
            }
            mass.extend(std::iter::repeat_n(probability, weights));
            energy.extend(units.iter().map(|units| units * self.energy_quantum()));
        }
        StimulatedTransitions { table: self, stimulus, mass, energy }
    }
}
