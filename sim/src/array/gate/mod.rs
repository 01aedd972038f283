//! A network on an array, gate by gate: fidelity `gate`.
//!
//! Every multiply-accumulate goes through the timed netlists of its element's two stages, on the operands that follow each
//! other there. *Sums that move* (weight- and input-stationary): the multiplier sees (previous activation, activation) at its
//! weight, as in [`super::TransitionInference`], or (previous weight, weight) at its activation; the accumulator sees what the
//! product register captured and what the element above captured, after what both held before. Wrong products and wrong sums
//! are added, travel down the column, through rows without work too, into the accumulator memory and on to the next layer.
//! *Sums that stay* (output-stationary): both operands change; the accumulator adds each product to what its own register
//! captured before, and then sums move out through the registers of their column, in front of the adders there.
//!
//! Where late products are dropped, the gates that compare product register and shadow see what both really hold, and say which sums
//! go on unchanged; `late` changes at the accumulator's port together with the product.
//!
//! Lanes are consecutive operands of one element, whose weight is folded into the schedule of its multiplier. Where few
//! rows stream through a fold, several columns share the lanes, and what they hold are operands. Where sums stay, lanes are
//! elements, for each sum needs the one before.
//!
//! The same without timed adders is fidelity `transition` where no table can say what multipliers do: sums are those that
//! adders settle to.
//!
//! Left out, as everywhere: what multipliers do while operands pass them that others hold, and, with double buffering, that
//! folds may follow each other without zeros between. A sum register that captures nonsense in the one bubble after a batch
//! is taken as cleared; many bubbles follow before the next batch.

mod detector;
mod element;
mod moving_sums;
mod stage;
mod stationary_sums;
mod statistics;
mod stream;
mod tally;
mod work;

pub use stage::StageSpec;
pub use statistics::StageErrors;

use super::element::{activation_toggles, weight_toggles};
use super::inference::for_each_block;
use super::layers::{LayerSums, PointRun, through_layers};
use super::{Accumulator, Dataflow, ElementMeans, SystolicArray};
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, HeldInputs};
use crate::multiplier::{Coding, NumberFormat};
use crate::units::Picoseconds;
use crate::workload::{Network, QuantizedLayer};
use detector::Detector;
use element::Element;
use rayon::prelude::*;
use stage::Stage;
use std::sync::Mutex;
use tally::Tally;
use work::{Ports, Work};

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub struct GateSpec<'a> {
    /// Activation, weight and product.
    pub multiplier: StageSpec<'a>,
    /// Sum from above, product, whether it is late where that is noticed, and sum.
    pub accumulator: StageSpec<'a>,
    /// What notices late products, if they are dropped: product register, its shadow, and whether they differ.
    pub detector: Option<StageSpec<'a>>,
    /// Sum that earlier folds left, sum of the column above, and their sum.
    pub column_adder: StageSpec<'a>,
    /// What the multiplier's ports carry; sums are two's complement.
    pub coding: Coding,
    /// What cells do with short pulses.
    pub mode: DelayMode,
    /// Whether additions are timed, too. Otherwise sums are those that adders settle to, and what adders do is not known.
    pub timed_additions: bool,
    /// What stays in an element.
    pub dataflow: Dataflow,
    /// Rows of the array.
    pub rows: usize,
    /// Whether the next fold's operands, or the last one's sums, have registers of their own.
    pub double_buffering: bool,
}

impl<'a> GateSpec<'a> {
    /// An array's elements of a multiplier and the accumulator made for both, all at the speed of nominal supply.
    pub fn new(
        multiplier: StageSpec<'a>,
        accumulator: &'a Accumulator,
        mode: DelayMode,
        array: &SystolicArray,
    ) -> Self {
        let Accumulator { netlist, physical, .. } = accumulator;
        Self {
            multiplier,
            accumulator: StageSpec { netlist, physical },
            detector: accumulator.detector.as_ref().map(StageSpec::of),
            column_adder: StageSpec::of(&accumulator.column_adder),
            coding: accumulator.coding(),
            mode,
            timed_additions: true,
            dataflow: array.dataflow(),
            rows: array.rows() as usize,
            double_buffering: array.double_buffering(),
        }
    }
}

/// When registers capture: so long after the operands before them change, at nominal speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The product registers.
    pub product: Picoseconds,
    /// The sum registers.
    pub sum: Picoseconds,
    /// The memory below the columns.
    pub column: Picoseconds,
}

/// What happened in a layer's elements.
#[derive(Clone, Debug, PartialEq)]
pub struct GateLayer {
    /// Errors of products; zero stands for those that are dropped.
    pub multiplier: StageErrors,
    /// Errors of their additions, given the operands that the adder got.
    pub accumulator: StageErrors,
    /// Errors of additions in rows without work and in the adders below the columns.
    pub passing: StageErrors,
    /// Switching energy of all additions over all images, and of noticing late products, fJ at nominal supply.
    pub accumulator_fj: f64,
    /// Means over multiply-accumulates, counted, not sampled; additions without a product are shared out among them.
    pub means: ElementMeans,
}

/// Inference of networks through the gates of their elements.
#[derive(Debug)]
pub struct GateInference<'a> {
    spec: GateSpec<'a>,
    stages: Stages<'a>,
    plans: Plans,
}

/// Stages whose registers are yet to be told when to capture.
#[derive(Debug)]
struct Stages<'a> {
    multiplier: Stage<'a>,
    detector: Option<Detector<'a>>,
    accumulator: Stage<'a>,
    column_adder: Stage<'a>,
}

/// Which operands are held when; none where gates take no time.
#[derive(Debug)]
struct Plans {
    /// By code of what an element holds; none where sums stay.
    held: Vec<HeldInputs>,
    nothing_held: Option<HeldInputs>,
    adding: Option<HeldInputs>,
    /// Nothing is added.
    passing: Option<HeldInputs>,
}

impl<'a> GateInference<'a> {
    /// Plans the simulation of `spec`.
    ///
    /// # Panics
    /// If weight codes have more than 8 bits, the multiplier's ports are not those of the coding, or sums have more than 32 bits.
    pub fn new(spec: GateSpec<'a>) -> Self {
        let GateSpec { coding, mode, .. } = spec;
        let ports = |stage: StageSpec<'_>| -> Vec<u32> {
            let (inputs, outputs) = (stage.netlist.inputs(), stage.netlist.outputs());
            inputs.iter().chain(outputs).map(|port| port.width() as u32).collect()
        };
        let [activation, weight] = coding.operand_bits();
        assert_eq!(
            ports(spec.multiplier),
            [activation, weight, coding.product_bits()],
            "a multiplier of this coding"
        );
        let bits = spec.column_adder.netlist.outputs()[0].width() as u32;
        assert!(bits <= 32 && ports(spec.column_adder) == [bits; 3], "an adder of at most 32 bits");
        let product = if coding.format() == NumberFormat::SignMagnitude { coding.product_bits() } else { bits };
        let late = spec.detector.map(|_| 1);
        let expected: Vec<u32> = [bits, product].into_iter().chain(late).chain([bits]).collect();
        assert_eq!(ports(spec.accumulator), expected, "the accumulator of this multiplier");
        assert!(coding.code_bits()[1] <= 8, "weights of at most 8 bits");
        let (sums, adding) = (NumberFormat::TwosComplement, spec.timed_additions.then_some(mode));
        let stages = Stages {
            multiplier: Stage::new(spec.multiplier, Some(mode), coding.format()),
            detector: spec.detector.map(|detector| Detector::new(detector, adding)),
            accumulator: Stage::new(spec.accumulator, adding, sums),
            column_adder: Stage::new(spec.column_adder, adding, sums),
        };
        let port = Ports::of(spec.dataflow).column;
        let held = if spec.dataflow == Dataflow::OutputStationary { 0 } else { 1 << coding.code_bits()[port].min(8) };
        let held = (0..held).into_par_iter().map_init(
            || stages.multiplier.clone(),
            |stage, code| stage.plan(&[(port, coding.operand(port, code))]).expect("timed gates"),
        );
        let held = held.collect();
        // No product, and none that is late.
        let nothing = [(1, 0), (2, 0)];
        let plans = Plans {
            held,
            nothing_held: stages.multiplier.clone().plan(&[]),
            adding: stages.accumulator.clone().plan(&[]),
            passing: stages.accumulator.clone().plan(&nothing[..expected.len() - 2]),
        };
        Self { spec, stages, plans }
    }

    /// Runs images (`[image][channel][row][column]`, a label an image) in batches of `batch` consecutive ones.
    ///
    /// # Panics
    /// If the codes are not `labels.len()` images of the network's inputs, or `batch` is zero.
    pub fn run(
        &self,
        windows: Windows,
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
        if self.spec.timed_additions {
            run.gates = gates;
        }
        run
    }

    /// One layer over all images.
    fn layer(&self, windows: Windows, layer: &QuantizedLayer, codes: &[u8], batch: usize) -> (LayerSums, GateLayer) {
        let mut sums = vec![0; codes.len() / layer.inputs() * layer.outputs()];
        let geometry = &layer.convolution;
        let inputs = geometry.shape(1).k;
        let total = Mutex::new(Tally::new(self));
        for_each_block(layer, codes, batch, |image, group, activations| {
            let rows = batch.saturating_mul(geometry.positions());
            let work = Work::new(self.spec, activations, layer.group_weights(group), inputs, rows);
            let sets = work.sets();
            let columns: Vec<Vec<i32>> = sets
                .par_iter()
                .map_init(
                    || Element::new(self, windows),
                    |element, &first| {
                        let mut tally = Tally::new(self);
                        let sums = element.sums(&work, first, &mut tally);
                        total.lock().expect("no thread panics with it").merge(&tally);
                        sums
                    },
                )
                .collect();
            let columns = columns.concat();
            let block = match work.ports().row {
                0 => transposed(&columns, work.rows()),
                _ => columns,
            };
            layer.scatter(group, &block, &mut sums[image * layer.outputs()..], |channel, sum| {
                sum.wrapping_add(layer.bias[channel])
            });
        });
        let tally = total.into_inner().expect("no thread panics with it");
        self.summary(layer, codes, tally, sums)
    }

    fn summary(&self, layer: &QuantizedLayer, codes: &[u8], tally: Tally, sums: Vec<i32>) -> (LayerSums, GateLayer) {
        let GateSpec { multiplier, accumulator, detector, column_adder, coding, dataflow, .. } = self.spec;
        let operations = tally.multiplier.errors.operations();
        let of = |toggles: u64, count: u64| toggles as f64 / count.max(1) as f64;
        let port = |stage: StageSpec<'_>, activity: &SwitchingActivity, port: usize, bits: u32| -> u64 {
            let nets = stage.netlist.inputs()[port].nets();
            nets.iter().take(bits as usize).map(|&net| activity.toggles(net)).sum()
        };
        let switching = |stage: StageSpec<'_>, activity: &SwitchingActivity| {
            activity.switching(&stage.physical.transition_energy).0
        };
        let detecting = detector.zip(tally.detector.as_ref());
        let accumulator_fj = switching(accumulator, &tally.accumulator.activity)
            + switching(accumulator, &tally.passing.activity)
            + switching(column_adder, &tally.below.activity)
            + detecting.map_or(0.0, |(detector, activity)| switching(detector, activity));
        let ([activation_bits, weight_bits], product_bits) = (coding.operand_bits(), coding.product_bits());
        let product_toggles = match detecting {
            Some((detector, activity)) => {
                let registers = [0, 1].map(|register| port(detector, activity, register, product_bits));
                of(registers.iter().sum(), 2 * operations)
            }
            None => of(port(accumulator, &tally.accumulator.activity, 1, product_bits), operations),
        };
        let mut passing = tally.passing.errors;
        passing.merge(&tally.below.errors);
        let multiplier_fj = switching(multiplier, &tally.multiplier.activity);
        let layer = GateLayer {
            accumulator_fj,
            means: ElementMeans {
                accumulate_fj: accumulator_fj / operations.max(1) as f64,
                activation_toggles: match dataflow {
                    Dataflow::InputStationary => activation_toggles(layer, codes, coding),
                    _ => of(port(multiplier, &tally.multiplier.activity, 0, activation_bits), operations),
                },
                product_toggles,
                partial_sum_toggles: of(tally.sums.toggles, tally.sums.sums),
                weight_toggles: match dataflow {
                    Dataflow::WeightStationary => weight_toggles(layer, coding),
                    _ => of(port(multiplier, &tally.multiplier.activity, 1, weight_bits), operations),
                },
            },
            multiplier: tally.multiplier.errors,
            accumulator: tally.accumulator.errors,
            passing,
        };
        (LayerSums { sums, multiplier_fj, error_rate: layer.multiplier.error_rate() }, layer)
    }
}

/// `[column][row]` as `[row][column]`.
fn transposed(columns: &[i32], rows: usize) -> Vec<i32> {
    let count = columns.len() / rows.max(1);
    (0..columns.len()).map(|place| columns[place % count * rows + place / count]).collect()
}
