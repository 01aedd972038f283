//! A network on a weight-stationary array, gate by gate: fidelity `gate`.
//!
//! Every multiply-accumulate goes through the timed netlists of its element's two stages. The multiplier sees (previous
//! activation, activation) at its weight, as in [`super::TransitionInference`]; the accumulator sees what the product
//! register captured and what the element above captured, after what both held before. Wrong products and wrong sums are
//! added, travel down the column, through rows without work too, into the accumulator memory and on to the next layer.
//!
//! Lanes are consecutive operands of one element, whose weight is folded into the schedule of its multiplier. Where few
//! rows stream through a fold, several columns share the lanes, and weights are operands.
//!
//! Left out, as everywhere: what multipliers do while weights pass them, and, with double buffering, that the first
//! transition of a fold also changes the weight. A sum register that captures nonsense in the one bubble after a batch is
//! taken as cleared; many bubbles follow before the next batch.

mod column;
mod stage;
mod statistics;
mod stream;

pub use stage::StageSpec;
pub use statistics::StageErrors;

use super::ElementMeans;
use super::element::weight_toggles;
use super::inference::for_each_block;
use super::layers::{LayerSums, PointRun, through_layers};
use crate::engine::{DelayMode, HeldInputs};
use crate::multiplier::Coding;
use crate::units::Picoseconds;
use crate::workload::{Network, QuantizedLayer};
use column::{Element, Tally, Work};
use rayon::prelude::*;
use stage::Stage;
use std::sync::Mutex;

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub struct GateSpec<'a> {
    /// Activation, weight and product.
    pub multiplier: StageSpec<'a>,
    /// Sum from above, product and sum.
    pub accumulator: StageSpec<'a>,
    /// Whether operands and products are two's complement; sums always are.
    pub signed: bool,
    /// What cells do with short pulses.
    pub mode: DelayMode,
    /// Rows of the array: products that meet in one pass.
    pub rows: usize,
}

/// What happened in a layer's elements.
#[derive(Clone, Debug, PartialEq)]
pub struct GateLayer {
    /// Errors of products.
    pub multiplier: StageErrors,
    /// Errors of their additions, given the operands that the adder got.
    pub accumulator: StageErrors,
    /// Errors of additions in rows without work and in the adders below the columns.
    pub passing: StageErrors,
    /// Switching energy of all additions over all images, fJ at nominal supply.
    pub accumulator_fj: f64,
    /// Means over multiply-accumulates, counted, not sampled; additions without a product are shared out among them.
    pub means: ElementMeans,
}

/// Inference of networks through the gates of their elements.
#[derive(Debug)]
pub struct GateInference<'a> {
    spec: GateSpec<'a>,
    plans: Plans,
}

/// Which operands are held when.
#[derive(Debug)]
struct Plans {
    /// By weight code.
    of_weight: Vec<HeldInputs>,
    any_weight: HeldInputs,
    adding: HeldInputs,
    /// Nothing is added.
    passing: HeldInputs,
}

impl<'a> GateInference<'a> {
    /// Plans the simulation of `spec`.
    ///
    /// # Panics
    /// If the multiplier's weight has more than 8 bits, the accumulator's operands and sum are not of one width of at most
    /// 32, or there are no rows.
    pub fn new(spec: GateSpec<'a>) -> Self {
        let adder = spec.accumulator.netlist;
        let widths: Vec<usize> = adder.inputs().iter().chain(adder.outputs()).map(|port| port.width()).collect();
        assert!(matches!(widths[..], [a, b, sum] if a == b && b == sum && sum <= 32), "an adder of at most 32 bits");
        let weight_bits = spec.multiplier.netlist.inputs()[1].width();
        assert!(weight_bits <= 8, "weights of at most 8 bits");
        assert!(spec.rows > 0, "an array has rows");
        let never = Picoseconds(u32::MAX);
        let stage = || Stage::new(spec.multiplier, spec.mode, never, spec.signed);
        let codes = (0..1u32 << weight_bits).into_par_iter();
        let of_weight = codes.map_init(stage, |stage, code| stage.plan(code)).collect();
        let mut adder = Stage::new(spec.accumulator, spec.mode, never, true);
        let adding = adder.free_plan();
        let passing = adder.plan(0);
        Self { spec, plans: Plans { of_weight, any_weight: stage().free_plan(), adding, passing } }
    }

    /// Runs images (`[image][channel][row][column]`, a label an image) in batches of `batch` consecutive ones; products and
    /// sums are captured `windows` after the operands change, at nominal speed.
    ///
    /// # Panics
    /// If the codes are not `labels.len()` images of the network's inputs, or `batch` is zero.
    pub fn run(
        &self,
        windows: [Picoseconds; 2],
        network: &Network,
        (codes, labels): (&[u8], &[u8]),
        batch: usize,
    ) -> PointRun {
        assert!(batch > 0, "a batch holds at least one image");
        let mut gates = Vec::new();
        let mut run = through_layers(network, codes, labels, |_, layer, codes| {
            let (sums, gate_layer) = self.layer(windows, layer, codes, batch);
            gates.push(gate_layer);
            sums
        });
        run.gates = gates;
        run
    }

    /// One layer over all images.
    fn layer(
        &self,
        windows: [Picoseconds; 2],
        layer: &QuantizedLayer,
        codes: &[u8],
        batch: usize,
    ) -> (LayerSums, GateLayer) {
        let mut sums = vec![0; codes.len() / layer.inputs() * layer.outputs()];
        let geometry = &layer.convolution;
        let inputs = geometry.shape(1).k;
        let bits = self.spec.multiplier.netlist.inputs()[0].width();
        let total = Mutex::new(Tally::new(self));
        for_each_block(layer, codes, batch, |image, group, activations| {
            let rows = batch.saturating_mul(geometry.positions());
            let work = Work::new(activations, layer.group_weights(group), inputs, rows, bits);
            let sets = work.sets();
            let columns: Vec<Vec<i32>> = sets
                .par_iter()
                .map_init(
                    || Element::new(self, windows),
                    |element, &first| {
                        let mut tally = Tally::new(self);
                        let sums = element.columns(&work, first, &mut tally);
                        total.lock().expect("no thread panics with it").merge(&tally);
                        sums
                    },
                )
                .collect();
            let columns = columns.concat();
            let block: Vec<i32> = (0..work.rows() * work.outputs())
                .map(|place| columns[place % work.outputs() * work.rows() + place / work.outputs()])
                .collect();
            layer.scatter(group, &block, &mut sums[image * layer.outputs()..], |channel, sum| {
                sum.wrapping_add(layer.bias[channel])
            });
        });
        let tally = total.into_inner().expect("no thread panics with it");
        self.summary(layer, tally, sums)
    }

    fn summary(&self, layer: &QuantizedLayer, tally: Tally, sums: Vec<i32>) -> (LayerSums, GateLayer) {
        let GateSpec { multiplier, accumulator, .. } = self.spec;
        let operations = tally.multiplier.errors.operations();
        let of = |toggles: u64, count: u64| toggles as f64 / count.max(1) as f64;
        let port = |port: usize, bits: usize| -> u64 {
            let (netlist, activity) = match port {
                0 => (multiplier.netlist, &tally.multiplier.activity),
                _ => (accumulator.netlist, &tally.accumulator.activity),
            };
            let nets = netlist.inputs()[port].nets();
            nets.iter().take(bits).map(|&net| activity.toggles(net)).sum()
        };
        let energy = &accumulator.physical.transition_energy;
        let width = |port: usize| multiplier.netlist.inputs()[port].width() as u32;
        let coding = Coding::plain(width(0), width(1), self.spec.signed);
        let accumulator_fj =
            tally.accumulator.activity.switching(energy).0 + tally.passing.activity.switching(energy).0;
        let layer = GateLayer {
            accumulator_fj,
            means: ElementMeans {
                accumulate_fj: accumulator_fj / operations.max(1) as f64,
                activation_toggles: of(port(0, usize::MAX), operations),
                product_toggles: of(port(1, multiplier.netlist.outputs()[0].width()), operations),
                partial_sum_toggles: of(tally.sum_toggles, tally.sums),
                weight_toggles: weight_toggles(layer, coding),
            },
            multiplier: tally.multiplier.errors,
            accumulator: tally.accumulator.errors,
            passing: tally.passing.errors,
        };
        let multiplier_fj = tally.multiplier.activity.switching(&multiplier.physical.transition_energy).0;
        (LayerSums { sums, multiplier_fj, error_rate: layer.multiplier.error_rate() }, layer)
    }
}
