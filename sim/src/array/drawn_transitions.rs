//! Transitions of a layer's multipliers on any array, drawn and simulated: what is known of them where no table says it.
//!
//! On a weight-stationary array weights stay, and a [`TransitionTable`](crate::profile::TransitionTable) holds every
//! transition. Where activations stay, or both operands change, there are too many: what multipliers switch and how often
//! they err is found from a sample of those that the layer makes.

use super::layer_operands::LayerOperands;
use super::{Dataflow, StageSpec};
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, LANES, Lanes, TimedEngine, lane_values};
use crate::multiplier::Coding;
use crate::profile::sampler::Draws;
use crate::profile::{ErrorSample, OnTimingError};
use crate::units::Picoseconds;
use crate::workload::QuantizedLayer;
use rayon::prelude::*;

/// From the operand codes of one product to those of the next, activation first; bubbles are zeros where the operand moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperandTransition {
    /// Codes before.
    pub before: [u8; 2],
    /// Codes after.
    pub after: [u8; 2],
    /// Whether a product comes of it; after the last one there is a bubble.
    pub multiplies: bool,
}

impl LayerOperands {
    /// `count` of the layer's transitions on an array, bubbles included, drawn with replacement; the seed decides which.
    pub fn transitions(&self, dataflow: Dataflow, count: usize, seed: u64) -> Vec<OperandTransition> {
        draw(dataflow, (self.layer(), self.activations()), self.batch(), count, seed)
    }
}

/// `count` of the transitions of a layer that receives `activations` (`[image][channel][row][column]`).
pub(super) fn draw(
    dataflow: Dataflow,
    (layer, activations): (&QuantizedLayer, &[u8]),
    batch: usize,
    count: usize,
    seed: u64,
) -> Vec<OperandTransition> {
    let geometry = &layer.convolution;
    let shape = geometry.shape(activations.len() / layer.inputs());
    let code = |m: usize, k: usize, output: usize| {
        let activation = geometry.code(activations, output / shape.n, m, k);
        [activation, layer.weights[output * shape.k + k].cast_unsigned()]
    };
    let stream = Draws::new(seed).stream(0, 0);
    let draw = |index: u64, range: usize| ((u128::from(stream.bits(index)) * range as u128) >> 64) as usize;
    let transition = |index: u64| {
        let draw = |which: u64, range: usize| draw(4 * index + which, range);
        let channel = draw(0, geometry.channels());
        match dataflow {
            Dataflow::WeightStationary => {
                // A batch of b rows makes b + 1 transitions.
                let batch = batch.saturating_mul(geometry.positions());
                let (step, k) = (draw(1, shape.m + shape.m.div_ceil(batch)), draw(2, shape.k));
                let (first, place) = (step / (batch + 1) * batch, step % (batch + 1));
                let rows = batch.min(shape.m - first);
                let at = |place: usize| code(first + place, k, channel);
                let resting = [0, at(0)[1]];
                between(place, rows, at, resting)
            }
            Dataflow::InputStationary => {
                let (m, k, first) = (draw(1, shape.m), draw(2, shape.k), channel / shape.n * shape.n);
                let at = |n: usize| code(m, k, first + n);
                let resting = [at(0)[0], 0];
                between(draw(3, shape.n + 1), shape.n, at, resting)
            }
            Dataflow::OutputStationary => {
                let m = draw(1, shape.m);
                between(draw(2, shape.k + 1), shape.k, |k| code(m, k, channel), [0, 0])
            }
        }
    };
    (0..count as u64).into_par_iter().map(transition).collect()
}

/// The transition at a step of `count` products, with what an element at rest has before the first and after the last.
fn between(step: usize, count: usize, at: impl Fn(usize) -> [u8; 2], resting: [u8; 2]) -> OperandTransition {
    OperandTransition {
        before: if step > 0 { at(step - 1) } else { resting },
        after: if step < count { at(step) } else { resting },
        multiplies: step < count,
    }
}

/// A multiplier whose transitions are simulated as they are met.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedMultiplier<'a> {
    /// Its gates at nominal supply.
    pub gates: StageSpec<'a>,
    /// What its ports carry.
    pub coding: Coding,
    /// What cells do with short pulses.
    pub mode: DelayMode,
}

impl SimulatedMultiplier<'_> {
    /// Mean switching energy of transitions, fJ at nominal supply.
    pub fn mean_switching(&self, transitions: &[OperandTransition]) -> f64 {
        let mut total = SwitchingActivity::new(self.gates.netlist);
        for (activity, _) in self.simulate(transitions, |engine, block| {
            let mut activity = SwitchingActivity::new(self.gates.netlist);
            activity.record(self.gates.netlist, engine, Lanes::first(block.len()));
            (activity, ())
        }) {
            total.merge(&activity);
        }
        total.switching(&self.gates.physical.transition_energy).0 / transitions.len().max(1) as f64
    }

    /// What sampling `window` after the operands change, at nominal speed, makes of the products of transitions.
    pub fn errors(
        &self,
        transitions: &[OperandTransition],
        window: Picoseconds,
        on_timing_error: OnTimingError,
    ) -> ErrorSample {
        let product = self.gates.netlist.outputs()[0].nets();
        let of_blocks = self.simulate(transitions, |engine, block| {
            let captured: Vec<Lanes> = product.iter().map(|&net| engine.sampled(net, window)).collect();
            let settled: Vec<Lanes> = product.iter().map(|&net| engine.settled(net)).collect();
            let [captured, settled] = [captured, settled].map(|planes| lane_values(&planes));
            let errors = block.iter().zip(captured.iter().zip(&settled));
            let error = |(transition, (&captured, &settled)): (&OperandTransition, (&u32, &u32))| {
                let [captured, settled] = [captured, settled].map(|code| self.coding.value(code));
                let taken = match on_timing_error {
                    OnTimingError::Drop if captured != settled => 0,
                    _ => captured,
                };
                transition.multiplies.then_some((transition.after, taken.wrapping_sub(settled)))
            };
            errors.filter_map(error).collect::<Vec<_>>()
        });
        ErrorSample::new(self.coding.code_bits(), of_blocks.concat())
    }

    /// What `look` sees of each block of lanes.
    fn simulate<T: Send>(
        &self,
        transitions: &[OperandTransition],
        look: impl Fn(&TimedEngine<'_>, &[OperandTransition]) -> T + Sync,
    ) -> Vec<T> {
        let engine = || TimedEngine::with_delays(self.gates.netlist, &self.gates.physical.delay, self.mode);
        transitions
            .par_chunks(LANES)
            .map_init(engine, |engine, block| {
                for port in 0..2 {
                    let codes = |of: fn(&OperandTransition) -> [u8; 2]| -> Vec<u32> {
                        block.iter().map(|step| self.coding.operand(port, of(step)[port].into())).collect()
                    };
                    let (from, to) = (codes(|step| step.before), codes(|step| step.after));
                    for bit in 0..self.gates.netlist.inputs()[port].width() {
                        engine.set_input(port, bit, Lanes::gather(&from, bit), Lanes::gather(&to, bit));
                    }
                }
                engine.run();
                look(engine, block)
            })
            .collect()
    }
}
