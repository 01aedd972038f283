//! Inference through the gates of every element: against looked-up products where the accumulator has slack, against
//! settled ones where everything has, and against a scalar array where nothing has.

mod scalar_array;
mod scalar_simulator;
mod small_networks;

use axtrain_sim::array::{
    Accumulator, Dataflow, DrawnInference, ElementMeans, GateInference, GateSpec, Gates, Gemm, Layer, OnTimingError,
    PointRun, SimulatedMultiplier, StageSpec, Switching, SystolicArray, TransitionInference, Windows,
};
use axtrain_sim::engine::{DelayMode, StaticTiming};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec, NumberFormat};
use axtrain_sim::netlist::Netlist;
use axtrain_sim::profile::{Design, TransitionSpec, TransitionTable};
use axtrain_sim::technology::{DelayModel, Physical, Technology};
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{Convolution, Network};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scalar_array::{ScalarArray, ScalarStage, ScalarStages, StationarySums};
use small_networks::{layer, networks};

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const ROWS: usize = 16;

/// What elements are made of.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Bits of magnitudes; two's complement of 8 bits without.
    magnitude: Option<u32>,
    on_timing_error: OnTimingError,
    delay_model: DelayModel,
}

const PLAIN: Kind =
    Kind { magnitude: None, on_timing_error: OnTimingError::Capture, delay_model: DelayModel::Averaged };
const DROPPING: Kind = Kind { on_timing_error: OnTimingError::Drop, ..PLAIN };
const MAGNITUDES: Kind = Kind { magnitude: Some(7), ..PLAIN };

struct Machine {
    design: Design,
    accumulator: Accumulator,
}

impl Machine {
    fn new(family: Family, accumulator_bits: u32, kind: Kind) -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap().with_delay_model(kind.delay_model);
        let multiplier = match kind.magnitude {
            None => Multiplier::from(MultiplierSpec::new("m", family, 8, 8, true).unwrap()),
            Some(bits) => {
                let unsigned = MultiplierSpec::new("m", family, bits, bits, false).unwrap();
                Multiplier::from(unsigned).sign_magnitude("m").unwrap()
            }
        };
        let array = SystolicArray::new(ROWS as u32, 1, Dataflow::WeightStationary).unwrap();
        let array = array.with_product_register(true).with_accumulator_bits(accumulator_bits).unwrap();
        let array = array.with_on_timing_error(kind.on_timing_error).unwrap();
        let accumulator = Accumulator::of(&array, multiplier.coding(), &technology).unwrap();
        Self { design: Design::new(multiplier, &technology).unwrap(), accumulator }
    }

    fn gates(&self, mode: DelayMode, rows: usize) -> GateInference<'_> {
        self.gates_of(mode, &SystolicArray::new(rows as u32, 1, Dataflow::WeightStationary).unwrap(), true)
    }

    fn gates_of(&self, mode: DelayMode, array: &SystolicArray, timed_additions: bool) -> GateInference<'_> {
        let multiplier = StageSpec { netlist: self.design.multiplier.netlist(), physical: &self.design.physical };
        GateInference::new(GateSpec { timed_additions, ..GateSpec::new(multiplier, &self.accumulator, mode, array) })
    }

    fn scalar_stages(&self, [product, sum]: [f64; 2], mode: DelayMode) -> ScalarStages<'_> {
        let Accumulator { netlist, physical, detector, column_adder, .. } = &self.accumulator;
        let stage =
            |netlist, physical, share| ScalarStage::new(netlist, physical, window(share, physical, netlist), mode);
        ScalarStages {
            multiplier: stage(self.design.multiplier.netlist(), &self.design.physical, product),
            accumulator: stage(netlist, physical, sum),
            detector: detector.as_ref().map(|Gates { netlist, physical }| stage(netlist, physical, 1.0)),
            column_adder: stage(&column_adder.netlist, &column_adder.physical, sum),
            format: self.design.multiplier.coding().format(),
        }
    }

    /// Shares of the critical paths of multiplier and of both adders, and a picosecond.
    fn windows(&self, [multiplier, adder]: [f64; 2]) -> Windows {
        let Accumulator { netlist, physical, column_adder: below, .. } = &self.accumulator;
        Windows {
            product: self.window(multiplier),
            sum: window(adder, physical, netlist),
            column: window(adder, &below.physical, &below.netlist),
        }
    }

    fn window(&self, share: f64) -> Picoseconds {
        window(share, &self.design.physical, self.design.multiplier.netlist())
    }

    /// Every transition, sampled at shares of the critical path, late products being dropped where they are.
    fn transitions(&self, shares: [f64; 2], mode: DelayMode) -> TransitionTable {
        let windows = shares.map(|share| self.window(share));
        let spec = TransitionSpec {
            netlist: self.design.multiplier.netlist(),
            physical: &self.design.physical,
            coding: self.design.multiplier.coding(),
            activation_bits: 7,
            mode,
            windows: &windows,
        };
        let table = TransitionTable::build(spec, &|| ()).unwrap();
        match self.accumulator.detector {
            Some(_) => table.dropping_late_products(&self.design.product),
            None => table,
        }
    }
}

fn window(share: f64, physical: &Physical, netlist: &Netlist) -> Picoseconds {
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
    let family = Family::OperandTruncated { a: 2, b: 1 };
    against_looked_up(&Machine::new(family, 20, PLAIN), 0.6, DelayMode::Inertial);
}

#[test]
fn gates_equal_looked_up_products_in_sign_magnitude() {
    let family = Family::OperandTruncated { a: 2, b: 1 };
    against_looked_up(&Machine::new(family, 20, MAGNITUDES), 0.5, DelayMode::Inertial);
    let wide = Kind { magnitude: Some(8), ..PLAIN };
    against_looked_up(&Machine::new(Family::Array, 24, wide), 0.5, DelayMode::Transport);
}

#[test]
fn gates_equal_looked_up_products_where_late_ones_are_dropped() {
    let family = Family::OperandTruncated { a: 2, b: 1 };
    against_looked_up(&Machine::new(family, 20, DROPPING), 0.6, DelayMode::Inertial);
    let magnitudes = Kind { on_timing_error: OnTimingError::Drop, ..MAGNITUDES };
    against_looked_up(&Machine::new(family, 20, magnitudes), 0.5, DelayMode::Transport);
}

#[test]
fn gates_equal_looked_up_products_with_delays_by_pin() {
    let by_pin = Kind { delay_model: DelayModel::ByPin, ..PLAIN };
    let machine = Machine::new(Family::OperandTruncated { a: 3, b: 3 }, 20, by_pin);
    let averaged = Machine::new(Family::OperandTruncated { a: 3, b: 3 }, 20, PLAIN);
    assert_ne!(machine.design.physical.delay, averaged.design.physical.delay);
    against_looked_up(&machine, 0.6, DelayMode::Inertial);
}

/// All levels at a share of the multiplier's critical path and above it, the accumulator having slack.
fn against_looked_up(machine: &Machine, early: f64, mode: DelayMode) {
    let (design, batch) = (&machine.design, 9);
    let shares = [early, 1.0];
    let table = machine.transitions(shares, mode);
    let gemm = TableGemm::new(&design.product);
    let array = machine.gates(mode, ROWS);
    let bits = machine.accumulator.netlist.outputs()[0].width() as u32;
    let format = design.multiplier.coding().format();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for network in networks(&mut rng) {
        let (codes, labels) = images(&mut rng, &network, 31);
        let looked_up = TransitionInference::new(&network, &table, &gemm, (codes.clone(), &labels), batch, bits);
        for (share, errors) in shares.into_iter().zip(table.points()) {
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
                if format == NumberFormat::SignMagnitude {
                    // Weights and activations keep their signs, so products do.
                    assert_eq!(gates.multiplier.averages().bit_error_rate.last(), Some(&0.0));
                }
            }
            let fails = gates.error_rate.iter().all(|&rate| rate > 0.001);
            assert_eq!(fails, share < 1.0, "{:?}", gates.error_rate);
            if !fails {
                let settled = DrawnInference {
                    gemm: &gemm,
                    switching: Switching::Tabulated(&table),
                    batch,
                    accumulator_bits: bits,
                    seed: 1,
                };
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
    let shapes = [(5, 3, 4, 5, 3), (2, 9, 2, 100, 100), (3, 1, 2, 520, 520)];
    shapes.into_iter().for_each(|shape| against_scalar_array(shape, PLAIN));
}

#[test]
fn other_elements_equal_a_scalar_array_where_both_stages_fail() {
    let both = Kind { on_timing_error: OnTimingError::Drop, ..MAGNITUDES };
    let by_pin = Kind { delay_model: DelayModel::ByPin, ..both };
    for kind in [MAGNITUDES, DROPPING, both, by_pin] {
        [(5, 3, 4, 5, 3), (2, 9, 2, 60, 60)].into_iter().for_each(|shape| against_scalar_array(shape, kind));
    }
    // Blocks of lanes enough for a late product to be the last of one.
    against_scalar_array((3, 1, 2, 2060, 2060), both);
}

fn against_scalar_array((inputs, outputs, rows, count, batch): (usize, usize, usize, usize, usize), kind: Kind) {
    let machine = Machine::new(Family::OperandTruncated { a: 1, b: 3 }, 16, kind);
    let layer = OneLayer::new([inputs, outputs], count);
    for (mode, shares) in FAILING {
        let gates = machine.gates(mode, rows).run(machine.windows(shares), &layer.network, layer.images(), batch);
        let mut array = ScalarArray::new([rows, outputs], false, machine.scalar_stages(shares, mode));
        let stages = machine.scalar_stages(shares, mode);
        for (number, images) in layer.codes.chunks(batch * inputs).enumerate() {
            let images: Vec<u64> = images.iter().map(|&code| code.into()).collect();
            let sums = array.product(&images, inputs, |input, output| stages.weight(layer.weight(input, output)));
            layer.assert_scores(&gates, number * batch, &sums, (kind, mode));
        }
        layer.assert_counts(&gates, [array.multiplied, array.added, array.passed], shares);
        layer.assert_energy(&gates, [array.multiplier_fj, array.accumulator_fj], shares);
    }
}

/// Weights stream past activations that stay: one column an image, one step an output.
#[test]
fn arrays_that_hold_activations_equal_a_scalar_one() {
    let both = Kind { on_timing_error: OnTimingError::Drop, ..MAGNITUDES };
    for kind in [PLAIN, both] {
        // Few outputs, whose columns share lanes, and many.
        for (inputs, outputs, rows, count) in [(5, 3, 4, 30), (3, 300, 2, 4)] {
            let machine = Machine::new(Family::OperandTruncated { a: 1, b: 3 }, 16, kind);
            let layer = OneLayer::new([inputs, outputs], count);
            let array = SystolicArray::new(rows as u32, 1, Dataflow::InputStationary).unwrap();
            for (mode, shares) in FAILING {
                let gates = machine.gates_of(mode, &array, true);
                let gates = gates.run(machine.windows(shares), &layer.network, layer.images(), 7);
                let stages = machine.scalar_stages(shares, mode);
                let places = (0..outputs).flat_map(|output| (0..inputs).map(move |input| (input, output)));
                let weights: Vec<u64> =
                    places.map(|(input, output)| stages.weight(layer.weight(input, output))).collect();
                let mut scalar = ScalarArray::new([rows, count], true, stages);
                let sums =
                    scalar.product(&weights, inputs, |input, image| layer.codes[image * inputs + input].into());
                let by_image: Vec<i32> =
                    (0..count * outputs).map(|place| sums[place % outputs * count + place / outputs]).collect();
                layer.assert_scores(&gates, 0, &by_image, (kind, mode));
                layer.assert_counts(&gates, [scalar.multiplied, scalar.added, scalar.passed], shares);
                layer.assert_energy(&gates, [scalar.multiplier_fj, scalar.accumulator_fj], shares);
            }
        }
    }
}

/// The captured sum feeds back; sums then move out through the elements below, those without work too.
#[test]
fn arrays_whose_sums_stay_equal_a_scalar_one() {
    let both = Kind { on_timing_error: OnTimingError::Drop, ..MAGNITUDES };
    for (kind, double_buffering) in [(PLAIN, false), (DROPPING, false), (both, false), (PLAIN, true)] {
        // Folds that are not full, batches that are not, columns that share lanes and one that fills more than a block,
        // with a fold across its end.
        for (inputs, outputs, rows, count, batch) in [(7, 3, 4, 22, 10), (3, 2, 12, 600, 600)] {
            let machine = Machine::new(Family::OperandTruncated { a: 1, b: 3 }, 16, kind);
            let layer = OneLayer::new([inputs, outputs], count);
            let array = SystolicArray::new(rows as u32, 1, Dataflow::OutputStationary).unwrap();
            let array = array.with_double_buffering(double_buffering);
            for (mode, shares) in FAILING {
                let gates = machine.gates_of(mode, &array, true);
                let gates = gates.run(machine.windows(shares), &layer.network, layer.images(), batch);
                let stages = machine.scalar_stages(shares, mode);
                let mut scalar =
                    StationarySums::new([rows, outputs], double_buffering, machine.scalar_stages(shares, mode));
                for (number, images) in layer.codes.chunks(batch * inputs).enumerate() {
                    let images: Vec<u64> = images.iter().map(|&code| code.into()).collect();
                    let weight = |input, output| stages.weight(layer.weight(input, output));
                    let sums = scalar.product(&images, inputs, weight);
                    layer.assert_scores(&gates, number * batch, &sums, (kind, mode));
                }
                layer.assert_counts(&gates, [scalar.multiplied, scalar.added, [0, 0]], shares);
                let gate = &gates.gates[0];
                let pairs = [
                    (gates.multiplier_fj[0], scalar.multiplier_fj),
                    (gate.accumulator_fj, scalar.accumulator_fj),
                    (gate.means.partial_sum_toggles, scalar.sums[0] as f64 / scalar.sums[1] as f64),
                ];
                for (found, expected) in pairs {
                    assert!((found - expected).abs() < 1e-9 * expected, "{found} is not {expected}");
                }
                // Moves out of the array are captures as the cost model counts them.
                let of_batch = |images: &[u8]| {
                    let gemm = Gemm::new((images.len() / inputs) as u64, outputs as u64, inputs as u64).unwrap();
                    array.activity(&Layer::new("only", gemm)).unwrap().register_writes.partial_sum
                };
                assert_eq!(layer.codes.chunks(batch * inputs).map(of_batch).sum::<u64>(), scalar.sums[1]);
            }
        }
    }
}

/// Both stages early, in both modes; then adders with slack.
const FAILING: [(DelayMode, [f64; 2]); 3] =
    [(DelayMode::Transport, [0.55, 0.5]), (DelayMode::Inertial, [0.8, 0.6]), (DelayMode::Inertial, [0.7, 1.0])];

/// A network of one layer and its images.
struct OneLayer {
    network: Network,
    codes: Vec<u8>,
    labels: Vec<u8>,
    inputs: usize,
    outputs: usize,
}

impl OneLayer {
    fn new([inputs, outputs]: [usize; 2], count: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let geometry = Convolution::connected([inputs, 1, 1], outputs).unwrap();
        let network = Network::new(vec![layer(&mut rng, "only", geometry, None)]).unwrap();
        let codes = (0..count * inputs).map(|_| rng.random_range(0..128)).collect();
        Self { network, codes, labels: vec![0; count], inputs, outputs }
    }

    fn images(&self) -> (&[u8], &[u8]) {
        (&self.codes, &self.labels)
    }

    fn weight(&self, input: usize, output: usize) -> i8 {
        self.network.layers()[0].weights[output * self.inputs + input]
    }

    /// Sums `[image][output]` from image `first` on.
    fn assert_scores(&self, gates: &PointRun, first: usize, sums: &[i32], what: (Kind, DelayMode)) {
        for (place, sum) in sums.iter().enumerate() {
            let (image, output) = (first + place / self.outputs, place % self.outputs);
            let found = gates.scores[image * self.outputs + output];
            let expected = sum.wrapping_add(self.network.layers()[0].bias[output]);
            assert_eq!(found, expected, "{what:?}, image {image}, output {output}");
        }
    }

    fn assert_counts(&self, gates: &PointRun, expected: [[u64; 2]; 3], shares: [f64; 2]) {
        let gate = &gates.gates[0];
        let stages = [&gate.multiplier, &gate.accumulator, &gate.passing];
        assert_eq!(stages.map(|errors| [errors.operations(), errors.wrong()]), expected);
        let [multiplied, added, _] = expected;
        assert!(multiplied[1] > 0 && (added[1] > 0) != (shares[1] == 1.0), "{expected:?}");
    }

    fn assert_energy(&self, gates: &PointRun, [multiplier_fj, accumulator_fj]: [f64; 2], shares: [f64; 2]) {
        let found = gates.multiplier_fj[0];
        assert!((found - multiplier_fj).abs() < 1e-9 * multiplier_fj, "{found} is not {multiplier_fj} fJ");
        // What a bubble's nonsense switches is left out; in the first shape a quarter of the steps are bubbles.
        let found = gates.gates[0].accumulator_fj;
        let limits = if shares[1] == 1.0 { 1.0 - 1e-9..1.0 + 1e-9 } else { 0.85..1.0 + 1e-9 };
        assert!(limits.contains(&(found / accumulator_fj)), "{found} is not {accumulator_fj} fJ");
    }
}

/// What elements do beside multiplying, sampled, against what the gates count; long sums, so that ends weigh little.
#[test]
fn sampled_means_approach_counted_ones() {
    let machine = Machine::new(Family::OperandTruncated { a: 1, b: 3 }, 24, PLAIN);
    let layer = OneLayer::new([400, 60], 40);
    for dataflow in Dataflow::ALL {
        // With double buffering sums that stay move out behind the adders' backs.
        let stays = dataflow == Dataflow::OutputStationary;
        let array = SystolicArray::new(50, 1, dataflow).unwrap().with_double_buffering(stays);
        let gates = machine.gates_of(DelayMode::Inertial, &array, true);
        let counted = gates.run(machine.windows([1.0, 1.0]), &layer.network, layer.images(), 40).gates[0].means;
        let (only, product) = (&layer.network.layers()[0], &machine.design.product);
        let sampled = ElementMeans::sample(only, product, &layer.codes, &array, &machine.accumulator, (20_000, 1));
        let pairs = [
            ("activation toggles", sampled.activation_toggles, counted.activation_toggles),
            ("weight toggles", sampled.weight_toggles, counted.weight_toggles),
            ("product toggles", sampled.product_toggles, counted.product_toggles),
            ("energy", sampled.accumulate_fj, counted.accumulate_fj),
            ("sum toggles", sampled.partial_sum_toggles, counted.partial_sum_toggles),
        ];
        for (what, found, expected) in pairs {
            assert!((found / expected - 1.0).abs() < 0.06, "{dataflow}, {what}: {found} is not {expected}");
        }
    }
    // Held activations change where the next one of the image moves down, 399 times an image.
    let array = SystolicArray::new(50, 1, Dataflow::InputStationary).unwrap();
    let means = ElementMeans::sample(
        &layer.network.layers()[0],
        &machine.design.product,
        &layer.codes,
        &array,
        &machine.accumulator,
        (1, 1),
    );
    let changes = layer.codes.chunks(400).flat_map(|image| image.windows(2));
    let toggles: u32 = changes.map(|pair| (pair[0] ^ pair[1]).count_ones()).sum();
    assert!((means.activation_toggles - f64::from(toggles) / (40.0 * 399.0)).abs() < 1e-9);
}

/// Sums that adders settle to, whether or not they are simulated; and those of settled products where nothing is late.
#[test]
fn all_dataflows_agree_where_adders_have_slack() {
    for kind in [PLAIN, Kind { on_timing_error: OnTimingError::Drop, ..MAGNITUDES }] {
        let machine = Machine::new(Family::OperandTruncated { a: 2, b: 1 }, 20, kind);
        let gemm = TableGemm::new(&machine.design.product);
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for network in networks(&mut rng).into_iter().take(3) {
            let (codes, labels) = images(&mut rng, &network, 12);
            let images = (&codes[..], &labels[..]);
            for dataflow in Dataflow::ALL {
                let array = SystolicArray::new(ROWS as u32, 1, dataflow).unwrap();
                let [timed, settling] =
                    [true, false].map(|timed| machine.gates_of(DelayMode::Inertial, &array, timed));
                for share in [0.6, 1.0] {
                    let windows = machine.windows([share, 1.0]);
                    let [timed, settling] = [&timed, &settling].map(|gates| gates.run(windows, &network, images, 5));
                    assert_eq!(integers(&timed), integers(&settling), "{dataflow}");
                    assert_eq!(timed.multiplier_fj, settling.multiplier_fj);
                    assert!(settling.gates.is_empty());
                    assert_eq!(timed.error_rate.iter().any(|&rate| rate > 0.001), share < 1.0, "{dataflow}");
                    let multiplier = StageSpec {
                        netlist: machine.design.multiplier.netlist(),
                        physical: &machine.design.physical,
                    };
                    let coding = machine.design.multiplier.coding();
                    let multiplier = SimulatedMultiplier { gates: multiplier, coding, mode: DelayMode::Inertial };
                    let switching = Switching::Simulated(multiplier, dataflow);
                    let settled = DrawnInference { gemm: &gemm, switching, batch: 5, accumulator_bits: 20, seed: 1 };
                    let settled = settled.run(&network, images.0, images.1, None);
                    assert_eq!(integers(&timed) == integers(&settled), share == 1.0, "{dataflow}");
                    if share == 1.0 {
                        for (found, expected) in settled.multiplier_fj.iter().zip(&timed.multiplier_fj) {
                            assert!(
                                (found / expected - 1.0).abs() < 0.05,
                                "{dataflow}: {found} is not {expected} fJ"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_what_shares_lanes() {
    let machine = Machine::new(Family::Array, 20, PLAIN);
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
