//! Networks on a design, as true to the gates as asked for.

use crate::arguments::FidelityOptions;
use crate::behaviour::{Behaviour, Run};
use crate::failure::Failure;
use crate::study::Study;
use axtrain_sim::array::{
    AccumulatorPasses, Compensation, Compensator, DrawnErrors, DrawnInference, Fidelity, GateInference, GateSpec,
    PointRun, StageSpec, TransitionInference, Windows,
};
use axtrain_sim::engine::DelayMode;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::{Design, Stimulus};
use axtrain_sim::technology::PointError;
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
        if fidelity == Fidelity::Gate {
            evaluator.prepare_gates()?;
        }
        Ok(evaluator)
    }

    fn prepare_gates(&mut self) -> Result<(), Failure> {
        let (study, accumulator) = (self.study, self.study.accumulator(self.design));
        if !study.array.product_register() {
            let help = "set product_register = true in the array's file, or choose fidelity = \"transition\"";
            let message =
                "fidelity gate times multiplier and accumulator apart, and this array has no register between";
            return Err(Failure::request(message, help));
        }
        let mut passes = Vec::new();
        for point in self.behaviour.operating_points() {
            let refused = |error: &PointError| {
                let help =
                    "leave out this supply or lengthen clock_ps; fidelity transition takes accumulators as right";
                Failure::request(format!("the accumulator cannot be simulated: {error}"), help)
            };
            let of_point = study.accumulator_passes(self.design, point.supply).map_err(refused)?;
            if let Some(overlap) = of_point.overlap() {
                return Err(refused(&overlap));
            }
            passes.push(of_point);
        }
        for Run { physical, positions, .. } in self.behaviour.runs(self.design) {
            let multiplier = StageSpec { netlist: self.design.multiplier.netlist(), physical };
            let rows = study.array.rows() as usize;
            let mut spec = GateSpec::new(multiplier, accumulator, DelayMode::Inertial, rows);
            // Positions that share a simulation of the multiplier share one of the accumulator.
            let AccumulatorPasses { element, column_adder } = passes[positions[0]];
            for (stage, pass) in [(&mut spec.accumulator, element), (&mut spec.column_adder, column_adder)] {
                stage.physical = pass.own_physical().unwrap_or(stage.physical);
            }
            self.gates.push(GateInference::new(spec));
        }
        self.windows = (0..passes.len())
            .map(|position| Windows {
                product: self.behaviour.errors(position).window(),
                sum: passes[position].element.sampling().window,
                column: passes[position].column_adder.sampling().window,
            })
            .collect();
        Ok(())
    }

    /// Whether every product and every sum is the settled one at a position of the behaviour's points.
    pub(crate) fn settles(&self, position: usize) -> bool {
        let sums = |study: &Study| !study.accumulator_fails(self.design, self.behaviour.point(position).supply);
        match self.fidelity {
            Fidelity::Table => true,
            Fidelity::Gate => self.behaviour.errors(position).is_empty() && sums(self.study),
            _ => self.behaviour.errors(position).is_empty(),
        }
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
            Fidelity::Profile | Fidelity::ProfileByProduct => {
                let stimuli = DrawnErrors::stimuli(network, &self.gemm, &codes, batch);
                Law::Drawn(stimuli.map_err(|error| Failure::other(error.to_string()))?)
            }
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
            table: behaviour.table(position),
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
