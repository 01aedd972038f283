//! What a processing element does besides multiplying: accumulate, and hold operands in registers.

use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, LANES, Lanes, TimedEngine};
use crate::multiplier::{FinalAdder, ProductTable, adder_netlist};
use crate::netlist::Netlist;
use crate::technology::{MissingCells, Physical, Technology};
use crate::workload::QuantizedLayer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The adder of a processing element: a Kogge–Stone adder of the accumulator's width.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulator {
    /// Its gates.
    pub netlist: Netlist,
    /// Its delays and energies at nominal supply.
    pub physical: Physical,
}

impl Accumulator {
    /// An accumulator of `bits` in `technology`.
    pub fn new(bits: u32, technology: &Technology) -> Result<Self, MissingCells> {
        let netlist = adder_netlist(FinalAdder::KoggeStone, bits, "accumulator");
        let physical = technology.weigh(&netlist)?;
        Ok(Self { netlist, physical })
    }
}

/// Means over a layer's multiply-accumulates, one after the other in the same element, at nominal supply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ElementMeans {
    /// Switching energy of the accumulator, fJ.
    pub accumulate_fj: f64,
    /// Bits of the activation register that change.
    pub activation_toggles: f64,
    /// Bits of the product register that change.
    pub product_toggles: f64,
    /// Bits of the partial-sum register that change.
    pub partial_sum_toggles: f64,
    /// Bits of the weight register that change when the next weight is loaded through it.
    pub weight_toggles: f64,
}

/// One element's operands in one cycle.
struct Cycle {
    activation: u8,
    product: i32,
    partial_sum: i32,
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
        let bits = accumulator.netlist.outputs()[0].width();
        let geometry = &layer.convolution;
        let shape = geometry.shape(activations.len() / layer.inputs());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cycle = |row: usize, input: usize, output: usize| {
            let weights = &layer.weights[output * shape.k..][..shape.k];
            let activation = |k: usize| geometry.code(activations, output / shape.n, row, k);
            let multiply = |k: usize| product.product(u32::from(activation(k)), u32::from(weights[k] as u8));
            let partial_sum = (input / rows * rows..input).map(multiply).fold(0, i32::wrapping_add);
            Cycle { activation: activation(input), product: multiply(input), partial_sum }
        };
        let pairs: Vec<(Cycle, Cycle)> = (0..samples)
            .map(|_| {
                let row = if shape.m > 1 { rng.random_range(1..shape.m) } else { 0 };
                let (input, output) = (rng.random_range(0..shape.k), rng.random_range(0..geometry.channels()));
                (cycle(row.saturating_sub(1), input, output), cycle(row, input, output))
            })
            .collect();

        let width = product.width_a() + product.width_b();
        let toggles = |change: i32, bits: u32| f64::from((change as u32 & (u32::MAX >> (32 - bits))).count_ones());
        let count = samples.max(1) as f64;
        let mean = |of: &dyn Fn(&Cycle, &Cycle) -> f64| {
            pairs.iter().map(|(before, after)| of(before, after)).sum::<f64>() / count
        };
        let sum = |cycle: &Cycle| cycle.partial_sum.wrapping_add(cycle.product);
        Self {
            accumulate_fj: accumulator.mean_energy(&pairs),
            activation_toggles: mean(&|before, after| f64::from((before.activation ^ after.activation).count_ones())),
            product_toggles: mean(&|before, after| toggles(before.product ^ after.product, width)),
            partial_sum_toggles: mean(&|before, after| toggles(sum(before) ^ sum(after), bits as u32)),
            weight_toggles: weight_toggles(layer),
        }
    }
}

/// Mean change between a weight and the one that follows it down the column.
pub(super) fn weight_toggles(layer: &QuantizedLayer) -> f64 {
    let changes = layer.weights.chunks_exact(layer.convolution.shape(1).k).flat_map(|row| row.windows(2));
    let (mut toggles, mut count) = (0u64, 0u64);
    for pair in changes {
        toggles += u64::from((pair[0] ^ pair[1]).count_ones());
        count += 1;
    }
    toggles as f64 / count.max(1) as f64
}

impl Accumulator {
    fn mean_energy(&self, pairs: &[(Cycle, Cycle)]) -> f64 {
        let operands = |cycle: &Cycle| [cycle.partial_sum as u32, cycle.product as u32];
        let transitions: Vec<_> = pairs.iter().map(|(before, after)| (operands(before), operands(after))).collect();
        mean_switching(&self.netlist, &self.physical, &transitions)
    }
}

/// Switching energy of a weight that takes another's place in front of a multiplier at rest, fJ at nominal supply: the
/// mean over `samples` pairs of weights that follow each other down a column, drawn with `seed`.
pub fn loading_energy(
    netlist: &Netlist,
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
            ([0, code(input)], [0, code(input - 1)])
        })
        .collect();
    mean_switching(netlist, physical, &transitions)
}

/// Mean switching energy of transitions of a circuit of two operands, fJ at nominal supply.
pub(super) fn mean_switching(netlist: &Netlist, physical: &Physical, transitions: &[([u32; 2], [u32; 2])]) -> f64 {
    let mut engine = TimedEngine::new(netlist, &physical.delay, DelayMode::Inertial);
    let mut activity = SwitchingActivity::new(netlist);
    for block in transitions.chunks(LANES) {
        for port in 0..2 {
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
