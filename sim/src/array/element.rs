//! What a processing element does besides multiplying, measured on a layer's operands.

use super::accumulator::{Accumulator, Addition};
use super::inference::for_each_block;
use super::{Dataflow, SystolicArray};
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
    /// Estimates the means of a layer on an array from `samples` pairs of consecutive multiply-accumulates of an element, drawn
    /// uniformly with `seed` from `activations` (`[image][channel][row][column]`).
    ///
    /// Partial sums enter the top of a fold as zero and grow down its rows, or, if they stay, from product to product.
    pub fn sample(
        layer: &QuantizedLayer,
        product: &ProductTable,
        activations: &[u8],
        array: &SystolicArray,
        accumulator: &Accumulator,
        (samples, seed): (usize, u64),
    ) -> Self {
        let (bits, coding, rows) = (accumulator.bits(), accumulator.coding(), array.rows() as usize);
        let geometry = &layer.convolution;
        let shape = geometry.shape(activations.len() / layer.inputs());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cycle = |row: usize, input: usize, output: usize| {
            let weights = &layer.weights[output * shape.k..][..shape.k];
            let activation = |k: usize| geometry.code(activations, output / shape.n, row, k);
            let codes = |k: usize| [u32::from(activation(k)), u32::from(weights[k] as u8)];
            let multiply = |[a, b]: [u32; 2]| product.product(a, b);
            let first = match array.dataflow() {
                Dataflow::OutputStationary => 0,
                _ => input / rows * rows,
            };
            let partial_sum = (first..input).map(codes).map(multiply).fold(0, i32::wrapping_add);
            Addition { codes: codes(input), product: multiply(codes(input)), partial_sum }
        };
        // The place of an operation and of the one before it, if there is one.
        let consecutive = |rng: &mut ChaCha8Rng, count: usize| match count {
            0 | 1 => [0, 0],
            _ => {
                let later = rng.random_range(1..count);
                [later - 1, later]
            }
        };
        let pairs: Vec<(Addition, Addition)> = (0..samples)
            .map(|_| match array.dataflow() {
                Dataflow::WeightStationary => {
                    let [before, row] = consecutive(&mut rng, shape.m);
                    let (input, output) = (rng.random_range(0..shape.k), rng.random_range(0..geometry.channels()));
                    (cycle(before, input, output), cycle(row, input, output))
                }
                Dataflow::InputStationary => {
                    let (row, input) = (rng.random_range(0..shape.m), rng.random_range(0..shape.k));
                    let first = rng.random_range(0..geometry.groups()) * shape.n;
                    let [before, output] = consecutive(&mut rng, shape.n);
                    (cycle(row, input, first + before), cycle(row, input, first + output))
                }
                Dataflow::OutputStationary => {
                    let [before, input] = consecutive(&mut rng, shape.k);
                    let (row, output) = (rng.random_range(0..shape.m), rng.random_range(0..geometry.channels()));
                    (cycle(row, before, output), cycle(row, input, output))
                }
            })
            .collect();

        let count = samples.max(1) as f64;
        let mean = |of: &dyn Fn(&Addition, &Addition) -> u32| {
            pairs.iter().map(|(before, after)| f64::from(of(before, after))).sum::<f64>() / count
        };
        let operand = |index: usize, addition: &Addition| coding.operand(index, addition.codes[index]);
        let operand_toggles =
            |index: usize| mean(&|before, after| (operand(index, before) ^ operand(index, after)).count_ones());
        let product = |addition: &Addition| accumulator.product_code(addition);
        let sum = |addition: &Addition| {
            addition.partial_sum.wrapping_add(addition.product) as u32 & (u32::MAX >> (32 - bits))
        };
        Self {
            accumulate_fj: accumulator.mean_energy(&pairs),
            activation_toggles: match array.dataflow() {
                Dataflow::InputStationary => activation_toggles(layer, activations, coding),
                _ => operand_toggles(0),
            },
            product_toggles: mean(&|before, after| (product(before) ^ product(after)).count_ones()),
            partial_sum_toggles: mean(&|before, after| (sum(before) ^ sum(after)).count_ones()),
            weight_toggles: match array.dataflow() {
                Dataflow::WeightStationary => weight_toggles(layer, coding),
                _ => operand_toggles(1),
            },
        }
    }
}

/// Mean change between a weight and the one that follows it down the column.
pub(super) fn weight_toggles(layer: &QuantizedLayer, coding: Coding) -> f64 {
    let codes: Vec<u8> = layer.weights.iter().map(|weight| weight.cast_unsigned()).collect();
    let mut toggles = MeanToggles::default();
    toggles.add(&codes, layer.convolution.shape(1).k, |code| coding.operand(1, code));
    toggles.mean()
}

/// Mean change between an activation and the one that follows it down the column of an array that holds activations.
pub(super) fn activation_toggles(layer: &QuantizedLayer, activations: &[u8], coding: Coding) -> f64 {
    let mut toggles = MeanToggles::default();
    for_each_block(layer, activations, 1, |_, _, rows| {
        toggles.add(rows, layer.convolution.shape(1).k, |code| coding.operand(0, code));
    });
    toggles.mean()
}

/// Changes of a port between neighbours in columns of codes.
#[derive(Default)]
struct MeanToggles {
    toggles: u64,
    pairs: u64,
}

impl MeanToggles {
    /// Columns of `length` codes.
    fn add(&mut self, columns: &[u8], length: usize, port: impl Fn(u32) -> u32) {
        for pair in columns.chunks_exact(length).flat_map(|column| column.windows(2)) {
            self.toggles += u64::from((port(pair[0].into()) ^ port(pair[1].into())).count_ones());
            self.pairs += 1;
        }
    }

    fn mean(&self) -> f64 {
        self.toggles as f64 / self.pairs.max(1) as f64
    }
}

/// Switching energy of an operand that takes another's place in front of a multiplier at rest, fJ at nominal supply: the
/// mean over `samples` pairs that follow each other down a column, drawn with `seed`. They are weights, or, on an array that
/// holds them, activations.
pub fn loading_energy(
    multiplier: &Multiplier,
    physical: &Physical,
    (layer, activations): (&QuantizedLayer, &[u8]),
    dataflow: Dataflow,
    (samples, seed): (usize, u64),
) -> f64 {
    let geometry = &layer.convolution;
    let shape = geometry.shape(activations.len() / layer.inputs());
    if shape.k < 2 {
        return 0.0;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let transitions: Vec<_> = (0..samples)
        .map(|_| {
            let output = rng.random_range(0..geometry.channels());
            let input = rng.random_range(1..shape.k);
            // The bottom row's operand comes first.
            let places = [input, input - 1];
            let codes = match dataflow {
                Dataflow::InputStationary => {
                    let row = rng.random_range(0..shape.m);
                    places.map(|input| [geometry.code(activations, output / shape.n, row, input).into(), 0])
                }
                _ => places.map(|input| [0, layer.weights[output * shape.k + input].cast_unsigned().into()]),
            };
            codes.map(|codes| multiplier.coding().operands(codes)).into()
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
