//! What a processing element does besides multiplying, measured on a layer's operands.

use super::accumulator::{Accumulator, Addition};
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, LANES, Lanes, TimedEngine};
use crate::multiplier::{Coding, Multiplier, ProductTable};
use crate::netlist::Netlist;
use crate::technology::Physical;
use crate::workload::QuantizedLayer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Means over a layer's multiply-accumulates, one after the other in the same element, at nominal supply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ElementMeans {
    /// Switching energy of the accumulator, fJ, with what turns products into its operands and notices late ones.
    pub accumulate_fj: f64,
    /// Bits of the activation register that change.
    pub activation_toggles: f64,
    /// Bits of the product register that change; where it has a shadow, the mean of both.
    pub product_toggles: f64,
    /// Bits of the partial-sum register that change.
    pub partial_sum_toggles: f64,
    /// Bits of the weight register that change when the next weight is loaded through it.
    pub weight_toggles: f64,
}

impl ElementMeans {
    /// Estimates the means of a layer on a weight-stationary array with `rows` rows from `samples` pairs of
    /// consecutive multiply-accumulates, drawn uniformly with `seed` from `activations`
    /// (`[image][channel][row][column]`).
    ///
    /// Partial sums enter the top of a fold as zero and grow down its rows.
    pub fn sample(
        layer: &QuantizedLayer,
        product: &ProductTable,
        activations: &[u8],
        rows: usize,
        accumulator: &Accumulator,
        (samples, seed): (usize, u64),
    ) -> Self {
        let (bits, coding) = (accumulator.bits(), accumulator.coding());
        let geometry = &layer.convolution;
        let shape = geometry.shape(activations.len() / layer.inputs());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cycle = |row: usize, input: usize, output: usize| {
            let weights = &layer.weights[output * shape.k..][..shape.k];
            let activation = |k: usize| geometry.code(activations, output / shape.n, row, k);
            let codes = |k: usize| [u32::from(activation(k)), u32::from(weights[k] as u8)];
            let multiply = |[a, b]: [u32; 2]| product.product(a, b);
            let partial_sum = (input / rows * rows..input).map(codes).map(multiply).fold(0, i32::wrapping_add);
            Addition { codes: codes(input), product: multiply(codes(input)), partial_sum }
        };
        let pairs: Vec<(Addition, Addition)> = (0..samples)
            .map(|_| {
                let row = if shape.m > 1 { rng.random_range(1..shape.m) } else { 0 };
                let (input, output) = (rng.random_range(0..shape.k), rng.random_range(0..geometry.channels()));
                (cycle(row.saturating_sub(1), input, output), cycle(row, input, output))
            })
            .collect();

        let count = samples.max(1) as f64;
        let mean = |of: &dyn Fn(&Addition, &Addition) -> u32| {
            pairs.iter().map(|(before, after)| f64::from(of(before, after))).sum::<f64>() / count
        };
        let operand = |addition: &Addition| coding.operand(0, addition.codes[0]);
        let product = |addition: &Addition| accumulator.product_code(addition);
        let sum = |addition: &Addition| {
            addition.partial_sum.wrapping_add(addition.product) as u32 & (u32::MAX >> (32 - bits))
        };
        Self {
            accumulate_fj: accumulator.mean_energy(&pairs),
            activation_toggles: mean(&|before, after| (operand(before) ^ operand(after)).count_ones()),
            product_toggles: mean(&|before, after| (product(before) ^ product(after)).count_ones()),
            partial_sum_toggles: mean(&|before, after| (sum(before) ^ sum(after)).count_ones()),
            weight_toggles: weight_toggles(layer, coding),
        }
    }
}

/// Mean change between a weight and the one that follows it down the column.
pub(super) fn weight_toggles(layer: &QuantizedLayer, coding: Coding) -> f64 {
    let changes = layer.weights.chunks_exact(layer.convolution.shape(1).k).flat_map(|row| row.windows(2));
    let (mut toggles, mut count) = (0u64, 0u64);
    for pair in changes {
        let [before, after] = [pair[0], pair[1]].map(|weight| coding.operand(1, u32::from(weight as u8)));
        toggles += u64::from((before ^ after).count_ones());
        count += 1;
    }
    toggles as f64 / count.max(1) as f64
}

/// Switching energy of a weight that takes another's place in front of a multiplier at rest, fJ at nominal supply: the
/// mean over `samples` pairs of weights that follow each other down a column, drawn with `seed`.
pub fn loading_energy(
    multiplier: &Multiplier,
    physical: &Physical,
    layer: &QuantizedLayer,
    (samples, seed): (usize, u64),
) -> f64 {
    let inputs = layer.convolution.shape(1).k;
    if inputs < 2 {
        return 0.0;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let transitions: Vec<_> = (0..samples)
        .map(|_| {
            let (output, input) = (rng.random_range(0..layer.convolution.channels()), rng.random_range(1..inputs));
            let code = |input: usize| u32::from(layer.weights[output * inputs + input] as u8);
            // The bottom row's weight comes first.
            [input, input - 1].map(|input| multiplier.coding().operands([0, code(input)])).into()
        })
        .collect();
    mean_switching(multiplier.netlist(), physical, &transitions)
}

/// Mean switching energy of transitions of a circuit from what its input ports carried to what they carry, fJ at nominal supply.
pub(super) fn mean_switching<const PORTS: usize>(
    netlist: &Netlist,
    physical: &Physical,
    transitions: &[([u32; PORTS], [u32; PORTS])],
) -> f64 {
    let mut engine = TimedEngine::with_delays(netlist, &physical.delay, DelayMode::Inertial);
    let mut activity = SwitchingActivity::new(netlist);
    for block in transitions.chunks(LANES) {
        for port in 0..PORTS {
            let from: Vec<u32> = block.iter().map(|(from, _)| from[port]).collect();
            let to: Vec<u32> = block.iter().map(|(_, to)| to[port]).collect();
            for bit in 0..netlist.inputs()[port].width() {
                engine.set_input(port, bit, Lanes::gather(&from, bit), Lanes::gather(&to, bit));
            }
        }
        engine.run();
        activity.record(netlist, &engine, Lanes::first(block.len()));
    }
    activity.energy(&physical.transition_energy, physical.leakage, 0.0).switching.0
}
