//! Inference through the gates of every element: against looked-up products where the accumulator has slack, against
//! settled ones where everything has, and against a scalar array where nothing has.

mod scalar_array;
mod scalar_simulator;
mod small_networks;

use axtrain_sim::array::{
    Accumulator, DrawnInference, GateInference, GateSpec, PointRun, StageErrors, StageSpec, TransitionInference,
};
use axtrain_sim::engine::{DelayMode, StaticTiming};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Coding, Family, MultiplierSpec};
use axtrain_sim::profile::{Design, TransitionSpec, TransitionTable};
use axtrain_sim::technology::{Physical, Technology};
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{Convolution, Network};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scalar_array::{ScalarArray, ScalarStage};
use small_networks::{layer, networks};

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const ROWS: usize = 16;

struct Machine {
    design: Design,
    accumulator: Accumulator,
}

impl Machine {
    fn new(family: Family, accumulator_bits: u32) -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let spec = MultiplierSpec::new("m", family, 8, 8, true).unwrap();
        let design = Design::new(spec.into(), &technology).unwrap();
        Self {
            design,
            accumulator: Accumulator::new(accumulator_bits, Coding::plain(8, 8, true), &technology).unwrap(),
        }
    }

    fn gates(&self, mode: DelayMode, rows: usize) -> GateInference<'_> {
        let multiplier = StageSpec { netlist: self.design.multiplier.netlist(), physical: &self.design.physical };
        let Accumulator { netlist, physical, .. } = &self.accumulator;
        let accumulator = StageSpec { netlist, physical };
        GateInference::new(GateSpec { multiplier, accumulator, signed: true, mode, rows })
    }

    /// Shares of both critical paths, and a picosecond.
    fn windows(&self, [multiplier, accumulator]: [f64; 2]) -> [Picoseconds; 2] {
        let Accumulator { netlist, physical, .. } = &self.accumulator;
        [self.window(multiplier), window(accumulator, physical, netlist)]
    }

    fn window(&self, share: f64) -> Picoseconds {
        window(share, &self.design.physical, self.design.multiplier.netlist())
    }
}

fn window(share: f64, physical: &Physical, netlist: &axtrain_sim::netlist::Netlist) -> Picoseconds {
    let critical = StaticTiming::with_delays(netlist, &physical.delay).critical_delay().0;
    Picoseconds((f64::from(critical) * share) as u32 + 1)
}

/// Random images, some pixels zero, and labels.
fn images(rng: &mut ChaCha8Rng, network: &Network, count: usize) -> (Vec<u8>, Vec<u8>) {
    let code = |rng: &mut ChaCha8Rng| if rng.random::<f64>() < 0.3 { 0 } else { rng.random_range(0..128) };
    let codes = (0..count * network.inputs()).map(|_| code(rng)).collect();
    (codes, (0..count).map(|_| rng.random_range(0..5)).collect())
}

/// A run's integers, which are the same wherever it is right: all but energy.
fn integers(run: &PointRun) -> PointRun {
    PointRun { multiplier_fj: Vec::new(), gates: Vec::new(), ..run.clone() }
}

#[test]
fn gates_equal_looked_up_products_while_the_accumulator_has_slack() {
    let machine = Machine::new(Family::OperandTruncated { a: 2, b: 1 }, 20);
    let design = &machine.design;
    let (share, mode, batch) = (0.6, DelayMode::Inertial, 9);
    let windows = [machine.window(share), machine.window(1.0)];
    let spec = TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding: Coding::plain(8, 8, true),
        activation_bits: 7,
        mode,
        windows: &windows,
    };
    let table = TransitionTable::build(spec, &|| ()).unwrap();
    let gemm = TableGemm::new(&design.product);
    let array = machine.gates(mode, ROWS);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for network in networks(&mut rng) {
        let (codes, labels) = images(&mut rng, &network, 31);
        let looked_up = TransitionInference::new(&network, &table, &gemm, (codes.clone(), &labels), batch, 20);
        for (share, errors) in [share, 1.0].into_iter().zip(table.points()) {
            let gates = array.run(machine.windows([share, 1.0]), &network, (&codes, &labels), batch);
            let expected = looked_up.run(errors);
            assert_eq!(integers(&gates), integers(&expected));
            for ((layer, gates), (found, expected)) in
                network.layers().iter().zip(&gates.gates).zip(gates.multiplier_fj.iter().zip(&expected.multiplier_fj))
            {
                let operations = labels.len() as u64 * layer.convolution.multiply_accumulates();
                assert_eq!(gates.multiplier.operations(), operations);
                assert_eq!(gates.accumulator.operations(), operations);
                assert_eq!((gates.accumulator.wrong(), gates.passing.wrong()), (0, 0));
                // Looked-up energies are rounded to a quantum.
                let transitions = operations + operations / batch as u64 + layer.convolution.weights() as u64;
                let limit = table.energy_quantum() * 0.5 * transitions as f64 + 1e-4 * expected;
                assert!((found - expected).abs() <= limit, "{found} is not {expected} fJ");
                assert!(gates.accumulator_fj > 0.0);
            }
            let fails = gates.error_rate.iter().all(|&rate| rate > 0.01);
            assert_eq!(fails, share < 1.0, "{:?}", gates.error_rate);
            if !fails {
                let settled = DrawnInference { gemm: &gemm, table: &table, batch, accumulator_bits: 20, seed: 1 };
                let settled = settled.run(&network, &codes, &labels, None);
                assert_eq!(integers(&gates), integers(&settled));
            }
        }
    }
}

/// The averages of multiplier and accumulator, and energies, of the fast simulation and of one event at a time.
#[test]
fn gates_equal_a_scalar_array_where_both_stages_fail() {
    // Rows beyond the inputs of the last fold, batches that are not full, several folds; then columns that fill more than a
    // block of lanes, together and alone.
    [(5, 3, 4, 5, 3), (2, 9, 2, 100, 100), (3, 1, 2, 520, 520)].into_iter().for_each(against_scalar_array);
}

fn against_scalar_array((inputs, outputs, rows, count, batch): (usize, usize, usize, usize, usize)) {
    let machine = Machine::new(Family::OperandTruncated { a: 1, b: 3 }, 16);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let geometry = Convolution::connected([inputs, 1, 1], outputs).unwrap();
    let network = Network::new(vec![layer(&mut rng, "only", geometry, None)]).unwrap();
    let only = &network.layers()[0];
    let codes: Vec<u8> = (0..count * inputs).map(|_| rng.random_range(0..128)).collect();
    let labels = vec![0; count];
    for (mode, shares) in
        [(DelayMode::Transport, [0.55, 0.5]), (DelayMode::Inertial, [0.8, 0.6]), (DelayMode::Inertial, [0.7, 1.0])]
    {
        let windows = machine.windows(shares);
        let gates = machine.gates(mode, rows).run(windows, &network, (&codes, &labels), batch);
        let stage =
            |netlist, physical, share| ScalarStage::new(netlist, physical, window(share, physical, netlist), mode);
        let netlist = machine.design.multiplier.netlist();
        let mut array = ScalarArray::new(
            [rows, outputs],
            stage(netlist, &machine.design.physical, shares[0]),
            stage(&machine.accumulator.netlist, &machine.accumulator.physical, shares[1]),
        );
        let weights = |input: usize, output: usize| only.weights[output * inputs + input];
        for (number, images) in codes.chunks(batch * inputs).enumerate() {
            let sums = array.product(images, inputs, weights);
            for (place, sum) in sums.into_iter().enumerate() {
                let (image, output) = (number * batch + place / outputs, place % outputs);
                let found = gates.scores[image * outputs + output];
                assert_eq!(found, sum.wrapping_add(only.bias[output]), "{mode:?}, image {image}, output {output}");
            }
        }
        let gate = &gates.gates[0];
        let counts = |errors: &StageErrors| [errors.operations(), errors.wrong()];
        assert_eq!(counts(&gate.multiplier), array.multiplied);
        assert_eq!(counts(&gate.accumulator), array.added);
        assert_eq!(counts(&gate.passing), array.passed);
        let slack = shares[1] == 1.0;
        assert!(array.multiplied[1] > 0 && (array.added[1] > 0) != slack, "{array:?}");
        let (found, expected) = (gates.multiplier_fj[0], array.multiplier_fj);
        assert!((found - expected).abs() < 1e-9 * expected, "{found} is not {expected} fJ");
        // What a bubble's nonsense switches is left out; in the first shape a quarter of the steps are bubbles.
        let (found, expected) = (gate.accumulator_fj, array.accumulator_fj);
        let limits = if slack { 1.0 - 1e-9..1.0 + 1e-9 } else { 0.85..1.0 + 1e-9 };
        assert!(limits.contains(&(found / expected)), "{found} is not {expected} fJ");
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_what_shares_lanes() {
    let machine = Machine::new(Family::Array, 20);
    let (gates, windows) = (machine.gates(DelayMode::Inertial, ROWS), machine.windows([0.6, 0.55]));
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let network = &networks(&mut rng)[0];
    let (codes, labels) = images(&mut rng, network, 300);
    let with_threads = |threads: usize, images: usize, batch: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (codes, labels) = (&codes[..images * network.inputs()], &labels[..images]);
        pool.install(|| gates.run(windows, network, (codes, labels), batch))
    };
    let once = with_threads(1, 300, 300);
    assert_eq!(once, with_threads(3, 300, 300));
    assert!(once.gates.iter().all(|layer| layer.accumulator.wrong() > 0));
    // 300 steps have lanes of their own; the first batch of 100 shares them with other columns.
    let (long, short) = (with_threads(2, 300, 100), with_threads(2, 100, 100));
    assert_eq!(long.scores[..short.scores.len()], short.scores);
}
