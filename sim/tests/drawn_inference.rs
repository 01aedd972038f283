//! Inference with drawn errors against looked-up ones, on the same images: what both must have in common.

mod small_networks;

use axtrain_sim::array::{
    Accumulator, Dataflow, DrawnErrors, DrawnInference, GateInference, GateSpec, LayerOperands, OperandTransition,
    PointRun, SimulatedMultiplier, StageSpec, Switching, SystolicArray, TransitionInference, Windows,
};
use axtrain_sim::engine::DelayMode;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Family, MultiplierSpec};
use axtrain_sim::profile::{
    Design, ErrorProfile, OnTimingError, OperandErrors, ProfileMetadata, Stimulus, TransitionSpec, TransitionTable,
};
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::{Picoseconds, Volts};
use axtrain_sim::workload::{Convolution, Network};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use small_networks::{layer, networks};

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

struct Bench {
    technology: Technology,
    design: Design,
    table: TransitionTable,
}

impl Bench {
    /// A quarter of the critical path is missing at the first point, nothing at the second.
    fn new() -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let spec = MultiplierSpec::new("m", Family::OperandTruncated { a: 1, b: 1 }, 8, 8, true).unwrap();
        let design = Design::new(spec.into(), &technology).unwrap();
        let critical = design.critical().0;
        let windows = [critical * 3 / 4, critical + 1].map(Picoseconds);
        let spec = TransitionSpec {
            netlist: design.multiplier.netlist(),
            physical: &design.physical,
            coding: design.multiplier.coding(),
            activation_bits: 7,
            mode: DelayMode::Inertial,
            windows: &windows,
        };
        let table = TransitionTable::build(spec, &|| ()).unwrap();
        Self { technology, design, table }
    }

    fn multiplier(&self) -> SimulatedMultiplier<'_> {
        let Design { multiplier, physical, .. } = &self.design;
        let gates = StageSpec { netlist: multiplier.netlist(), physical };
        SimulatedMultiplier { gates, coding: multiplier.coding(), mode: DelayMode::Inertial }
    }
}

/// Mean and variance with the squared standard errors of both.
fn moments(sample: &[f64]) -> [(f64, f64); 2] {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let central = |power: i32| sample.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
    let variance = central(2);
    [(mean, variance / n), (variance, (central(4) - variance * variance) / n)]
}

/// Errors of the only sum of every second image: an activation is part of two transitions, so neighbours are not independent.
fn errors(run: &PointRun, settled: &PointRun) -> Vec<f64> {
    let errors = run.scores.iter().zip(&settled.scores).map(|(found, settled)| f64::from(found - settled));
    errors.step_by(2).collect()
}

/// A network of one sum of 37 products, images of which two in five pixels are zero, and labels.
fn one_sum(images: usize) -> (Network, Vec<u8>, Vec<u8>) {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let geometry = Convolution::connected([37, 1, 1], 1).unwrap();
    let network = Network::new(vec![layer(&mut rng, "only", geometry, None)]).unwrap();
    let code = |_| if rng.random_bool(0.4) { 0 } else { rng.random_range(0..128) };
    (network, (0..images * 37).map(code).collect(), vec![0; images])
}

/// Means and variances within 4.5 standard errors: a chance of 7·10⁻⁶ each for equal distributions to differ by more.
#[test]
fn drawn_errors_have_the_mean_and_variance_of_looked_up_ones() {
    let Bench { design, table, .. } = &Bench::new();
    let (images, batch) = (12_000, 12_000);
    let (network, codes, labels) = one_sum(images);
    let gemm = TableGemm::new(&design.product);
    let switching = Switching::Tabulated(table);
    let drawn = DrawnInference { gemm: &gemm, switching, batch, accumulator_bits: 24, seed: 4 };
    let settled = drawn.run(&network, &codes, &labels, None);
    let looked_up = TransitionInference::new(&network, table, &gemm, (codes.clone(), &labels), batch, 24);
    let stimulus = &DrawnErrors::stimuli(&network, &gemm, &codes, batch).unwrap()[0];
    let only = &network.layers()[0];
    let (late, never) = (&table.points()[0], &table.points()[1]);
    let truth = looked_up.run(late);
    for law in [
        DrawnErrors::of_sums(only, table, late, stimulus, &design.product),
        DrawnErrors::of_products(only, table, late, stimulus),
    ] {
        let run = drawn.run(&network, &codes, &labels, Some(&[law]));
        let (found, expected) = (run.error_rate[0], truth.error_rate[0]);
        assert!(expected > 0.01 && (found / expected - 1.0).abs() < 0.05, "{found} is not {expected}");
        let [drawn, expected] = [&run, &truth].map(|run| moments(&errors(run, &settled)));
        for ((found, error), (expected, other_error)) in drawn.into_iter().zip(expected) {
            let z = (found - expected) / (error + other_error).sqrt();
            assert!(z.abs() < 4.5, "{found} is {z} standard errors from {expected}");
            assert_ne!(found, expected);
        }
        // A sample of 4,096 transitions has a standard error of less than 2 %.
        assert!((run.multiplier_fj[0] / truth.multiplier_fj[0] - 1.0).abs() < 0.08);
        assert_eq!(run.multiplier_fj, settled.multiplier_fj);
    }
    assert_eq!(looked_up.run(never).scores, settled.scores);
    for law in [
        DrawnErrors::of_sums(only, table, never, stimulus, &design.product),
        DrawnErrors::of_products(only, table, never, stimulus),
    ] {
        assert_eq!(drawn.run(&network, &codes, &labels, Some(&[law])).scores, settled.scores);
    }
}

/// Of a weight-stationary array's transitions a table knows everything, so a sample of them must come near it.
#[test]
fn sampled_errors_approach_tabulated_ones() {
    let bench = &Bench::new();
    let Bench { design, table, .. } = bench;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let network = &networks(&mut rng)[1];
    let codes: Vec<u8> = (0..50 * network.inputs()).map(|_| rng.random_range(0..128)).collect();
    let gemm = TableGemm::new(&design.product);
    let (late, count) = (&table.points()[0], 1 << 18);
    let dropping = &table.clone().dropping_late_products(&design.product);
    let looked_up = TransitionInference::new(network, table, &gemm, (codes.clone(), &[0; 50]), 7, 24).run(late);
    for (index, operands) in LayerOperands::of(network, &gemm, &codes, 7).iter().enumerate() {
        let transitions = operands.transitions(Dataflow::WeightStationary, count, 8);
        let bubbles = transitions.iter().filter(|transition| !transition.multiplies).count() as f64 / count as f64;
        let rows = operands.layer().convolution.shape(50).m as f64;
        let expected = 8.0 / (rows + 8.0);
        assert!((bubbles - expected).abs() < 4.5 * (expected / count as f64).sqrt(), "{bubbles} is not {expected}");
        let sample = bench.multiplier().errors(&transitions, late.window(), OnTimingError::Capture);
        assert_eq!(sample.len(), count - (bubbles * count as f64).round() as usize);
        let sample = sample.with_activation_bits(7);
        // Only the first layer receives in both ways the same activations.
        if index == 0 {
            let (found, expected) = (OperandErrors::sampled(&sample).rate(), looked_up.error_rate[0]);
            let error = (expected * (1.0 - expected) / sample.len() as f64).sqrt();
            assert!(expected > 0.01 && (found - expected).abs() < 4.5 * error, "{found} is not {expected} ± {error}");
        }
        let energy = |operation: &OperandTransition| {
            let pair = table.pair(operation.before[0], operation.after[0]);
            f64::from(table.energy_row(pair)[usize::from(operation.after[1])]) * table.energy_quantum()
        };
        let looked_up = transitions.iter().map(energy).sum::<f64>() / count as f64;
        let switching = bench.multiplier().mean_switching(&transitions);
        assert!((switching / looked_up - 1.0).abs() < 1e-3, "{switching} is not {looked_up} fJ");
        // Each error is the table's, whatever becomes of late products.
        for (index, transition) in transitions.iter().take(2000).enumerate() {
            let (table, what) = [(table, OnTimingError::Capture), (dropping, OnTimingError::Drop)][index % 2];
            let one = bench.multiplier().errors(&[*transition], late.window(), what);
            let (codes, deltas) = table.points()[0].row(table.pair(transition.before[0], transition.after[0]));
            let place = codes.binary_search(&transition.after[1]);
            let expected = place.map_or(0, |place| deltas[place]);
            let mean = OperandErrors::sampled(&one).mean()
                [usize::from(transition.after[0]) << 8 | usize::from(transition.after[1])];
            assert_eq!(mean, if transition.multiplies { expected as f32 } else { 0.0 });
        }
    }
}

/// Where both operands move, sums of drawn errors have the moments of those that the gates of multipliers make.
#[test]
fn sampled_errors_have_the_moments_of_simulated_ones() {
    let bench = &Bench::new();
    let Bench { design, table, technology } = bench;
    let images = 12_000;
    let (network, codes, labels) = one_sum(images);
    let gemm = TableGemm::new(&design.product);
    let window = table.points()[0].window();
    let accumulator = Accumulator::new(24, design.multiplier.coding(), technology).unwrap();
    for dataflow in [Dataflow::OutputStationary, Dataflow::InputStationary] {
        let array = SystolicArray::new(16, 16, dataflow).unwrap();
        let spec = GateSpec::new(bench.multiplier().gates, &accumulator, DelayMode::Inertial, &array);
        let gates = GateInference::new(GateSpec { timed_additions: false, ..spec });
        let windows = Windows { product: window, sum: window, column: window };
        let truth = gates.run(windows, &network, (&codes, &labels), images);
        let switching = Switching::Simulated(bench.multiplier(), dataflow);
        let drawn = DrawnInference { gemm: &gemm, switching, batch: images, accumulator_bits: 24, seed: 4 };
        let settled = drawn.run(&network, &codes, &labels, None);
        let operands = &LayerOperands::of(&network, &gemm, &codes, images)[0];
        let transitions = operands.transitions(dataflow, 1 << 20, 3);
        let sample = bench.multiplier().errors(&transitions, window, OnTimingError::Capture).with_activation_bits(7);
        let only = &network.layers()[0];
        for law in [
            DrawnErrors::of_sampled_sums(only, &sample, &design.product),
            DrawnErrors::of_sampled_products(only, &sample),
        ] {
            let run = drawn.run(&network, &codes, &labels, Some(&[law]));
            let (found, expected) = (run.error_rate[0], truth.error_rate[0]);
            assert!(
                expected > 0.01 && (found / expected - 1.0).abs() < 0.02,
                "{dataflow}: {found} is not {expected}"
            );
            let [drawn, expected] = [&run, &truth].map(|run| moments(&errors(run, &settled)));
            let deviation = expected[1].0.sqrt();
            let mean = (drawn[0].0 - expected[0].0) / deviation;
            assert!(mean.abs() < 0.06, "{dataflow}: means are {mean} deviations apart");
            // A product's error depends on the one before it, and drawn ones do not.
            let ratio = drawn[1].0 / expected[1].0;
            assert!((0.8..1.25).contains(&ratio), "{dataflow}: variances are {ratio} apart");
            assert!((run.multiplier_fj[0] / truth.multiplier_fj[0] - 1.0).abs() < 0.08, "{dataflow}");
        }
    }
}

/// Every output of every layer and group has draws of its own, whatever is computed on which thread.
#[test]
fn draws_depend_on_seed_and_place_alone() {
    let Bench { design, table, .. } = &Bench::new();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let network = &networks(&mut rng)[1];
    let codes: Vec<u8> = (0..40 * network.inputs()).map(|_| rng.random_range(0..128)).collect();
    let labels = [0; 40];
    let gemm = TableGemm::new(&design.product);
    let stimuli = DrawnErrors::stimuli(network, &gemm, &codes, 8).unwrap();
    let late = &table.points()[0];
    let layers = || network.layers().iter().zip(&stimuli);
    for laws in [
        layers().map(|(layer, of)| DrawnErrors::of_sums(layer, table, late, of, &design.product)).collect(),
        layers().map(|(layer, of)| DrawnErrors::of_products(layer, table, late, of)).collect::<Vec<_>>(),
    ] {
        let run = |threads: usize, seed: u64, images: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let switching = Switching::Tabulated(table);
            let drawn = DrawnInference { gemm: &gemm, switching, batch: 8, accumulator_bits: 24, seed };
            let codes = &codes[..images * network.inputs()];
            pool.install(|| drawn.run(network, codes, &labels[..images], Some(&laws)))
        };
        let once = run(1, 3, 40);
        assert_eq!(once, run(3, 3, 40));
        assert_ne!(once.scores, run(1, 4, 40).scores);
        let few = run(2, 3, 17).scores;
        assert_eq!(once.scores[..few.len()], few, "images do not depend on those after them");
    }
}

#[test]
fn errors_by_operands_are_those_of_a_profile() {
    let Bench { technology, design, table } = &Bench::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Some activations never occur.
    let transitions: Vec<f64> = (0..1 << 14)
        .map(|pair| if pair % 128 % 3 == 0 || pair >> 7 & 1 == 1 { 0.0 } else { rng.random::<f64>() })
        .collect();
    let weights: Vec<f64> = (0..256).map(|_| rng.random::<f64>()).collect();
    let measured = Stimulus::measured("some", [7, 8], &transitions, &weights).unwrap();
    let point = OperatingPoint { supply: Volts(1.1), clock_ps: design.minimum_clock_ps() };
    let late = &table.points()[0];
    for stimulus in [measured, Stimulus::uniform(7, 8)] {
        let metadata = ProfileMetadata::new(design, technology, point, late.window(), &stimulus);
        let profile = ErrorProfile::new(metadata, &design.product, &table.under(&stimulus), late, 1.0);
        let errors = OperandErrors::new(table, late, &stimulus);
        assert!((errors.rate() - profile.timing.error_rate()).abs() < 1e-9);
        for (found, expected) in [(errors.mean(), &profile.error_mean), (errors.variance(), &profile.error_var)] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} is not {expected}");
            }
        }
    }
}
