//! Drawn multiply-accumulates: against a layer of inference through the gates of an array, which simulates every operation
//! from one settled state to the next, and against what must hold at a slow clock.

use axtrain_sim::array::{
    Accumulator, Dataflow, GateInference, GateSpec, MultiplyAccumulate, MultiplyAccumulateSpec, StageErrors,
    StageSpec, SystolicArray, Windows,
};
use axtrain_sim::engine::{DelayMode, StaticTiming};
use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec};
use axtrain_sim::profile::{Changing, DrawnTiming, Pass, TransitionSpec};
use axtrain_sim::technology::{OperatingPoint, Physical, Technology};
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Convolution, Network, QuantizedLayer, Quantizer, Wiring};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const ROWS: usize = 16;

struct Element {
    technology: Technology,
    multiplier: Multiplier,
    physical: Physical,
    accumulator: Accumulator,
}

impl Element {
    fn new(multiplier: Multiplier, accumulator_bits: u32) -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let physical = technology.weigh(multiplier.netlist()).unwrap();
        let accumulator = Accumulator::new(accumulator_bits, multiplier.coding(), &technology).unwrap();
        Self { technology, multiplier, physical, accumulator }
    }

    /// At nominal supply.
    fn passes(&self, clock_ps: f64) -> [Pass; 2] {
        let point = OperatingPoint { supply: Volts(1.1), clock_ps };
        let stages =
            [(self.multiplier.netlist(), &self.physical), (&self.accumulator.netlist, &self.accumulator.physical)];
        stages.map(|(netlist, physical)| {
            let critical = StaticTiming::with_delays(netlist, &physical.delay).critical_delay();
            Pass::new(&self.technology, netlist, physical, critical, point).unwrap()
        })
    }

    fn draw(&self, passes: &[Pass; 2], changing: Changing, operations: u64, seed: u64) -> MultiplyAccumulate {
        let width = self.multiplier.width_a();
        MultiplyAccumulate::simulate(MultiplyAccumulateSpec {
            circuit: TransitionSpec {
                netlist: self.multiplier.netlist(),
                physical: &self.physical,
                coding: self.multiplier.coding(),
                activation_bits: width - u32::from(self.multiplier.signed()),
                mode: DelayMode::Inertial,
                windows: &[],
            },
            accumulator: &self.accumulator,
            passes: passes.each_ref(),
            changing,
            rows: ROWS,
            operations,
            seed,
        })
        .unwrap()
    }
}

fn near(found: f64, expected: f64, share: f64, what: &str) {
    assert!((found / expected - 1.0).abs() < share, "{what}: {found} is not {expected}");
}

#[test]
fn drawn_columns_err_and_cost_as_those_of_an_array() {
    let family = Family::OperandTruncated { a: 4, b: 4 };
    let element = Element::new(MultiplierSpec::new("m", family, 8, 8, true).unwrap().into(), 24);
    // Both stages miss this clock, and neither by half of its critical path.
    let passes = element.passes(194.0 + 430.0);
    for pass in &passes {
        assert!(!pass.settles() && !pass.overlaps(), "{} of {}", pass.sampling().window, pass.critical());
    }
    let drawn = element.draw(&passes, Changing::Activation, 1 << 20, 1);

    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let outputs = 120;
    let layer = QuantizedLayer {
        name: "fc".into(),
        convolution: Convolution::connected([ROWS, 1, 1], outputs).unwrap(),
        pooling: None,
        weights: (0..ROWS * outputs).map(|_| rng.random()).collect(),
        bias: vec![0; outputs],
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize: None,
        channel_requantize: None,
        wiring: Wiring::default(),
        residual_scaling: None,
        quantizer: Quantizer::default(),
    };
    let network = Network::new(vec![layer]).unwrap();
    let images = 1500;
    let codes: Vec<u8> = (0..images * ROWS).map(|_| rng.random_range(0..128)).collect();
    let multiplier = StageSpec { netlist: element.multiplier.netlist(), physical: &element.physical };
    let array = SystolicArray::new(ROWS as u32, 1, Dataflow::WeightStationary).unwrap();
    let gates = GateInference::new(GateSpec::new(multiplier, &element.accumulator, DelayMode::Inertial, &array));
    let [product, sum] = passes.each_ref().map(|pass| pass.sampling().window);
    let windows = Windows { product, sum, column: sum };
    let run = gates.run(windows, &network, (&codes, &vec![0; images]), images);
    let layer = &run.gates[0];
    let alike = |found: &DrawnTiming, expected: &StageErrors, what: &str| {
        let expected = expected.averages();
        assert!(expected.error_rate > 0.002, "{what} err: {}", expected.error_rate);
        near(found.errors.error_rate, expected.error_rate, 0.06, what);
        near(found.errors.mae, expected.mae, 0.1, what);
        for (bit, (found, expected)) in found.errors.bit_error_rate.iter().zip(&expected.bit_error_rate).enumerate() {
            assert!((found - expected).abs() < 0.003 + 0.1 * expected, "{what}, bit {bit}: {found} {expected}");
        }
    };
    alike(&drawn.product, &layer.multiplier, "products");
    alike(&drawn.addition, &layer.accumulator, "additions");
    let [product, addition, sum] =
        [&drawn.product, &drawn.addition, &drawn.sum].map(|timing| timing.errors.error_rate);
    assert!(sum > product.max(addition) && sum <= product + addition, "{product} {addition} {sum}");

    let operations = (images * ROWS * outputs) as f64;
    let switching = |activity: &axtrain_sim::energy::SwitchingActivity, physical: &Physical| {
        activity.energy(&physical.transition_energy, physical.leakage, 0.0).switching.0
    };
    let multiplier_fj = switching(drawn.multiplier.total(), &element.physical);
    near(multiplier_fj, run.multiplier_fj[0] / operations, 0.03, "energy of multipliers");
    let accumulator_fj = switching(drawn.accumulator.total(), &element.accumulator.physical);
    // The array's adders below its columns, one for 16 elements, are in its sum: a few percent more.
    let ratio = accumulator_fj / (layer.accumulator_fj / operations);
    assert!(ratio > 0.85 && ratio < 1.02, "energy of accumulators: {ratio}");
    let (both, half) = drawn.energy([&element.physical, &element.accumulator.physical], 1000.0);
    near(both.switching.0, multiplier_fj + accumulator_fj, 1e-9, "energy of both");
    assert!(half.0 > 0.0 && half.0 < 0.01 * both.switching.0, "± {half:?} of {both:?}");
    let leakage = element.physical.leakage.0 + element.accumulator.physical.leakage.0;
    near(both.leakage.0, leakage * 1e-6 * 1000.0, 1e-9, "leakage");
}

/// Of twenty samples, about nineteen lie within an interval; here, all within twice its width of the largest.
#[test]
fn intervals_tell_how_far_samples_differ() {
    let element = Element::new(MultiplierSpec::new("m", Family::Array, 6, 6, true).unwrap().into(), 16);
    let passes = element.passes(194.0 + 600.0);
    let reference = element.draw(&passes, Changing::Activation, 1 << 20, 100);
    let mut within = [0; 3];
    for seed in 0..20 {
        let drawn = element.draw(&passes, Changing::Activation, 1, seed);
        let physical = [&element.physical, &element.accumulator.physical];
        let ((energy, half), (truth, _)) = (drawn.energy(physical, 0.0), reference.energy(physical, 0.0));
        let inside = |[low, high]: [f64; 2], truth: f64| u32::from(low <= truth && truth <= high);
        within[0] += inside(drawn.sum.error_rate_ci95, reference.sum.errors.error_rate);
        within[1] += inside(drawn.sum.mean_error_ci95, reference.sum.errors.mean_error);
        let (energy, half) = (energy.switching.0, half.0);
        within[2] += inside([energy - half, energy + half], truth.switching.0);
    }
    // Fewer than 15 of 20 at 95 % are one in 3,000.
    assert!(within.iter().all(|&within| within >= 15), "{within:?}");
}

#[test]
fn nothing_is_wrong_at_a_slow_clock_in_any_format() {
    let signed = MultiplierSpec::new("m", Family::Booth, 6, 6, true).unwrap();
    let unsigned = MultiplierSpec::new("m", Family::Wallace, 11, 11, false).unwrap();
    let magnitude = Multiplier::from(MultiplierSpec::new("m", Family::Array, 7, 7, false).unwrap());
    let designs: [Multiplier; 3] = [signed.into(), unsigned.into(), magnitude.sign_magnitude("m").unwrap()];
    for multiplier in designs {
        let element = Element::new(multiplier, 28);
        let passes = element.passes(4000.0);
        assert!(passes.iter().all(Pass::settles));
        for changing in [Changing::Activation, Changing::Both] {
            let drawn = element.draw(&passes, changing, 1, 3);
            for timing in [&drawn.product, &drawn.addition, &drawn.sum] {
                assert_eq!((timing.errors.error_rate, timing.errors.mse), (0.0, 0.0));
                assert!(timing.error_rate_ci95[1] < 0.01 && timing.operations >= 1 << 16);
            }
        }
    }
}
