//! Networks on a design, as true to the gates as asked for.

use crate::arguments::FidelityOptions;
use crate::behaviour::{Behaviour, Run};
use crate::failure::Failure;
use crate::study::Study;
use axtrain_sim::array::{
    AccumulatorPasses, Compensation, Compensator, Dataflow, DrawnErrors, DrawnInference, Fidelity, GateInference,
    GateSpec, LayerOperands, OperandTransition, PointRun, SimulatedMultiplier, StageSpec, Switching,
    TransitionInference, Windows,
};
use axtrain_sim::engine::DelayMode;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::{Design, Stimulus};
use axtrain_sim::technology::{OperatingPoint, PointError};
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{Network, QuantizedLayer, pixel_code};
use std::borrow::Cow;
use std::sync::Arc;

impl FidelityOptions {
    /// Puts what the command line says in the place of what the experiment says.
    pub(crate) fn apply(&self, study: &mut Study) {
        if let Some(fidelity) = self.fidelity {
            study.experiment.operation.fidelity = fidelity;
        }
        if let Some(limit) = self.limit {
            study.dataset = Arc::new(study.dataset.with_test_images(limit.get()));
        }
        study.identity = study.identify();
    }
}

/// Training images that compensations are found from.
const COMPENSATION_IMAGES: usize = 512;

/// Transitions of a layer that its errors are found from where no table holds them.
const ERROR_SAMPLES: usize = 1 << 19;

/// A design, ready for inference of any network.
pub(crate) struct Evaluator<'a> {
    study: &'a Study,
    pub(crate) design: &'a Design,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) fidelity: Fidelity,
    pub(crate) gemm: TableGemm,
    /// One for each of the behaviour's simulations.
    gates: Vec<GateInference<'a>>,
    /// At each of the behaviour's points.
    windows: Vec<Windows>,
    seed: u64,
}

impl<'a> Evaluator<'a> {
    /// Prepares inference at `fidelity`; what is drawn is drawn with `seed`.
    pub(crate) fn new(
        study: &'a Study,
        design: &'a Design,
        behaviour: &'a Behaviour,
        fidelity: Fidelity,
        seed: u64,
    ) -> Result<Self, Failure> {
        let gemm = TableGemm::new(&design.product);
        let mut evaluator =
            Self { study, design, behaviour, fidelity, gemm, gates: Vec::new(), windows: Vec::new(), seed };
        match fidelity {
            Fidelity::Gate => evaluator.prepare_gates(true)?,
            Fidelity::Transition if !evaluator.tabulated() => evaluator.prepare_gates(false)?,
            _ => (),
        }
        Ok(evaluator)
    }

    /// Whether tables hold what the array makes its multipliers do: every transition at a weight that stays.
    fn tabulated(&self) -> bool {
        self.study.array.dataflow() == Dataflow::WeightStationary
    }

    /// Gates of multipliers, and of what adds if that is timed, too.
    fn prepare_gates(&mut self, timed_additions: bool) -> Result<(), Failure> {
        let (study, accumulator) = (self.study, self.study.accumulator(self.design));
        let passes = if timed_additions { self.accumulator_passes()? } else { Vec::new() };
        for Run { physical, positions, .. } in self.behaviour.runs(self.design) {
            let multiplier = StageSpec { netlist: self.design.multiplier.netlist(), physical };
            let mut spec = GateSpec::new(multiplier, accumulator, DelayMode::Inertial, &study.array);
            spec.timed_additions = timed_additions;
            // Positions that share a simulation of the multiplier share one of the accumulator.
            if let Some(AccumulatorPasses { element, column_adder }) = passes.get(positions[0]) {
                for (stage, pass) in [(&mut spec.accumulator, element), (&mut spec.column_adder, column_adder)] {
                    stage.physical = pass.own_physical().unwrap_or(stage.physical);
                }
            }
            self.gates.push(GateInference::new(spec));
        }
        let window = |position: usize, of: fn(&AccumulatorPasses) -> Picoseconds| {
            // Additions that are not timed have all the time there is.
            passes.get(position).map_or(Picoseconds(u32::MAX), |passes| of(passes))
        };
        self.windows = (0..self.behaviour.operating_points().len())
            .map(|position| Windows {
                product: self.behaviour.errors(position).window(),
                sum: window(position, |passes| passes.element.sampling().window),
                column: window(position, |passes| passes.column_adder.sampling().window),
            })
            .collect();
        Ok(())
    }

    /// How additions are simulated at each of the behaviour's points.
    fn accumulator_passes(&self) -> Result<Vec<&'a AccumulatorPasses>, Failure> {
        let study = self.study;
        if !study.array.product_register() {
            let help = "set product_register = true in the array's file, or choose fidelity = \"transition\"";
            let message =
                "fidelity gate times multiplier and accumulator apart, and this array has no register between";
            return Err(Failure::request(message, help));
        }
        let refused = |error: &PointError| {
            let help = "leave out this supply or lengthen clock_ps; fidelity transition takes accumulators as right";
            Failure::request(format!("the accumulator cannot be simulated: {error}"), help)
        };
        let of_point = |point: OperatingPoint| {
            let passes = study.accumulator_passes(self.design, point.supply).map_err(refused)?;
            passes.overlap().map_or(Ok(passes), |overlap| Err(refused(&overlap)))
        };
        self.behaviour.operating_points().map(of_point).collect()
    }

    /// The multiplier at a position of the behaviour's points, for what no table holds.
    fn multiplier(&self, position: usize) -> SimulatedMultiplier<'a> {
        let (netlist, coding) = (self.design.multiplier.netlist(), self.design.multiplier.coding());
        let gates = StageSpec { netlist, physical: self.behaviour.physical(self.design, position) };
        SimulatedMultiplier { gates, coding, mode: DelayMode::Inertial }
    }

    /// Whether every product and every sum is the settled one at a position of the behaviour's points.
    pub(crate) fn settles(&self, position: usize) -> bool {
        let sums = |study: &Study| !study.accumulator_fails(self.design, self.behaviour.point(position).supply);
        match self.fidelity {
            Fidelity::Table => true,
            Fidelity::Gate => self.products_settle(position) && sums(self.study),
            _ => self.products_settle(position),
        }
    }

    fn products_settle(&self, position: usize) -> bool {
        self.behaviour.settles(position) || self.tabulated() && self.behaviour.errors(position).is_empty()
    }

    /// What a trained network becomes before it runs at a position of the behaviour's points.
    pub(crate) fn compensated<'n>(
        &self,
        network: &'n Network,
        position: usize,
        how: Compensation,
    ) -> Cow<'n, Network> {
        if how == Compensation::default() {
            return Cow::Borrowed(network);
        }
        let train = self.study.dataset.train.first(COMPENSATION_IMAGES);
        let images: Vec<u8> = train.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
        let compensator = Compensator {
            product: &self.design.product,
            gemm: &self.gemm,
            table: self.behaviour.table(position),
            batch: self.study.experiment.operation.batch,
            accumulator_bits: self.study.array.accumulator_bits(),
            images: &images,
        };
        let errors = (self.fidelity != Fidelity::Table).then(|| self.behaviour.errors(position));
        Cow::Owned(compensator.compensate(network, errors, how))
    }

    /// Prepares inference of `network` on images given as activation codes, a label each.
    pub(crate) fn prepare<'n>(
        &'n self,
        network: &'n Network,
        codes: Vec<u8>,
        labels: &'n [u8],
    ) -> Result<Inference<'n>, Failure> {
        let (batch, bits) = (self.study.experiment.operation.batch, self.study.array.accumulator_bits());
        let law = match self.fidelity {
            Fidelity::Table => Law::Settled,
            Fidelity::Profile | Fidelity::ProfileByProduct if !self.tabulated() => {
                let (dataflow, seed) = (self.study.array.dataflow(), self.seed);
                let operands = LayerOperands::of(network, &self.gemm, &codes, batch).into_iter().enumerate();
                let sample = |(index, operands): (usize, LayerOperands)| {
                    operands.transitions(dataflow, ERROR_SAMPLES, seed.wrapping_add(index as u64))
                };
                Law::DrawnFromSample(operands.map(sample).collect())
            }
            Fidelity::Profile | Fidelity::ProfileByProduct => {
                let stimuli = DrawnErrors::stimuli(network, &self.gemm, &codes, batch);
                Law::Drawn(stimuli.map_err(|error| Failure::other(error.to_string()))?)
            }
            Fidelity::Transition if !self.tabulated() => Law::Gates,
            Fidelity::Transition => Law::LookedUp(self.behaviour.shared_table().map(|table| {
                let images = (codes.clone(), labels);
                TransitionInference::new(network, table, &self.gemm, images, batch, bits)
            })),
            Fidelity::Gate => Law::Gates,
        };
        Ok(Inference { evaluator: self, network, codes, labels, law })
    }
}

/// Inference of one network over one set of images, at any operating point.
pub(crate) struct Inference<'n> {
    evaluator: &'n Evaluator<'n>,
    network: &'n Network,
    codes: Vec<u8>,
    labels: &'n [u8],
    law: Law<'n>,
}

enum Law<'n> {
    Settled,
    /// Operands of each layer.
    Drawn(Vec<Stimulus>),
    /// Some of each layer's transitions.
    DrawnFromSample(Vec<Vec<OperandTransition>>),
    /// What all operating points have in common, if they share a table.
    LookedUp(Option<TransitionInference<'n>>),
    Gates,
}

impl Inference<'_> {
    /// Runs all images at a position of the behaviour's points.
    pub(crate) fn run(&self, position: usize) -> PointRun {
        let Evaluator { study, design, behaviour, gemm, seed, .. } = self.evaluator;
        let drawn = DrawnInference {
            gemm,
            switching: match self.evaluator.tabulated() {
                true => Switching::Tabulated(behaviour.table(position)),
                false => Switching::Simulated(self.evaluator.multiplier(position), study.array.dataflow()),
            },
            batch: study.experiment.operation.batch,
            accumulator_bits: study.array.accumulator_bits(),
            seed: *seed,
        };
        let errors = behaviour.errors(position);
        match &self.law {
            Law::Settled => drawn.run(self.network, &self.codes, self.labels, None),
            Law::Drawn(stimuli) => {
                let of_layer = |(layer, stimulus): (&QuantizedLayer, &Stimulus)| match self.evaluator.fidelity {
                    Fidelity::ProfileByProduct => {
                        DrawnErrors::of_products(layer, behaviour.table(position), errors, stimulus)
                    }
                    _ => DrawnErrors::of_sums(layer, behaviour.table(position), errors, stimulus, &design.product),
                };
                let laws: Vec<DrawnErrors> = self.network.layers().iter().zip(stimuli).map(of_layer).collect();
                drawn.run(self.network, &self.codes, self.labels, Some(&laws))
            }
            Law::DrawnFromSample(transitions) => {
                let multiplier = self.evaluator.multiplier(position);
                let bits = behaviour.table(position).activation_bits();
                let of_layer = |(layer, transitions): (&QuantizedLayer, &Vec<OperandTransition>)| {
                    let sample = multiplier.errors(transitions, errors.window(), study.array.on_timing_error());
                    let sample = sample.with_activation_bits(bits);
                    match self.evaluator.fidelity {
                        Fidelity::ProfileByProduct => DrawnErrors::of_sampled_products(layer, &sample),
                        _ => DrawnErrors::of_sampled_sums(layer, &sample, &design.product),
                    }
                };
                let laws: Vec<DrawnErrors> = self.network.layers().iter().zip(transitions).map(of_layer).collect();
                drawn.run(self.network, &self.codes, self.labels, Some(&laws))
            }
            Law::LookedUp(Some(inference)) => inference.run(errors),
            Law::LookedUp(None) => {
                let (table, images) = (behaviour.table(position), (self.codes.clone(), self.labels));
                let DrawnInference { batch, accumulator_bits, .. } = drawn;
                TransitionInference::new(self.network, table, gemm, images, batch, accumulator_bits).run(errors)
            }
            Law::Gates => {
                let (run, _) = behaviour.place(position);
                let windows = self.evaluator.windows[position];
                self.evaluator.gates[run].run(windows, self.network, (&self.codes, self.labels), drawn.batch)
            }
        }
    }
}
