//! Small networks on the array, against every multiplication done one by one and against the stepped array.

mod small_networks;

use axtrain_sim::array::{
    self, Accumulator, Dataflow, ElementMeans, Gemm, LayerOption, MixedInference, PointRun, SystolicArray,
    TransitionInference, stepped,
};
use axtrain_sim::engine::{DelayMode, StaticTiming, exhaustive_codes};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Coding, Family, MultiplierSpec, ProductTable};
use axtrain_sim::profile::{OnTimingError, SampledErrors, TransitionSpec, TransitionTable};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{Convolution, Flow, QuantizedLayer, infer_with};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use small_networks::{layer, networks};

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

/// What the array is given for a layer: activations `[group][image, window][k]` by its own lowering.
fn array_activations(layer: &QuantizedLayer, images: &[u8]) -> Vec<i32> {
    let geometry = &layer.convolution;
    let [channels, height, width] = geometry.input().map(|size| size as u64);
    let pair = |pair: [usize; 2]| pair.map(|size| size as u64);
    let convolution = array::Convolution {
        batch: (images.len() / layer.inputs()) as u64,
        channels,
        input: [height, width],
        filters: geometry.channels() as u64,
        filter: pair(geometry.kernel()),
        stride: pair(geometry.stride()),
        padding: pair(geometry.padding()),
        dilation: [1, 1],
        groups: geometry.groups() as u64,
    };
    convolution.activations(&images.iter().map(|&code| code.into()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn inference_computes_what_the_stepped_array_does() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-90..=90)).collect();
    let exact = ProductTable::exact(8, 8, true);
    let table = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) + noise[(a << 8 | b) as usize]);
    let array = SystolicArray::new(5, 3, Dataflow::WeightStationary).unwrap();
    for network in &networks(&mut rng)[..3] {
        let images: Vec<u8> = (0..3 * network.inputs()).map(|_| rng.random_range(0..128)).collect();
        let mut layers = 0;
        infer_with(network, &TableGemm::new(&table), &images, |pass| {
            let (layer, geometry) = (pass.layer, &pass.layer.convolution);
            let (shape, groups) = (geometry.shape(3), geometry.groups());
            // Weights `[group][k][n]`.
            let weights: Vec<i32> = (0..groups)
                .flat_map(|group| (0..shape.k).flat_map(move |k| (0..shape.n).map(move |n| (group * shape.n + n, k))))
                .map(|(channel, k)| layer.weights[channel * shape.k + k].into())
                .collect();
            let operands = stepped::Operands {
                gemm: Gemm::new(shape.m as u64, shape.n as u64, shape.k as u64).unwrap(),
                groups: groups as u64,
                inputs: &array_activations(layer, pass.activations),
                weights: &weights,
            };
            let product = |a: i32, b: i32| table.product(a as u32, b as u32);
            let run = stepped::run(&array, &operands, product).unwrap();
            let mut found = vec![0; pass.accumulators.len()];
            for (group, sums) in run.outputs.chunks_exact(shape.m * shape.n).enumerate() {
                layer.scatter(group, sums, &mut found, |channel, sum| sum + layer.bias[channel]);
            }
            assert_eq!(found, pass.accumulators, "{}", layer.name);
            layers += 1;
        });
        assert_eq!(layers, network.layers().len());
    }
}

#[test]
fn looked_up_inference_equals_multiplying_one_by_one() {
    let spec = MultiplierSpec::new("m", Family::OperandTruncated { a: 3, b: 3 }, 8, 8, true).unwrap();
    let (netlist, product) = (spec.netlist(), spec.table().unwrap());
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    let physical = technology.weigh(&netlist).unwrap();
    let critical = StaticTiming::with_delays(&netlist, &physical.delay).critical_delay().0;
    let windows = [critical * 7 / 10, critical + 1].map(Picoseconds);
    let captured = TransitionTable::build(
        TransitionSpec {
            netlist: &netlist,
            physical: &physical,
            coding: Coding::plain(8, 8, true),
            activation_bits: 7,
            mode: DelayMode::Inertial,
            windows: &windows,
        },
        &|| (),
    )
    .unwrap();

    let dropped_table = captured.clone().dropping_late_products(&product);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (images, batch, bits) = (23, 8, 18);
    let gemm = TableGemm::new(&product);
    for network in networks(&mut rng) {
        let codes: Vec<u8> = (0..images * network.inputs()).map(|_| rng.random_range(0..128)).collect();
        let labels: Vec<u8> = (0..images).map(|_| rng.random_range(0..5)).collect();
        let points = captured.points().iter().zip(dropped_table.points()).flat_map(|(late, dropped)| {
            [(&captured, late, late, OnTimingError::Capture), (&dropped_table, dropped, late, OnTimingError::Drop)]
        });
        for (table, errors, late, on_timing_error) in points {
            let inference = TransitionInference::new(&network, table, &gemm, (codes.clone(), &labels), batch, bits);
            let run = inference.run(errors);
            let mut flow = Flow::new(&network, &codes);
            for (index, layer) in network.layers().iter().enumerate() {
                assert_eq!(run.activations[index], flow.input());
                let expected = one_by_one(
                    layer,
                    flow.input(),
                    (&product, &captured, late, on_timing_error),
                    (images, batch, bits),
                );
                assert_eq!(
                    run.multiplier_fj[index],
                    expected.energy as f64 * captured.energy_quantum(),
                    "{}",
                    layer.name
                );
                let multiplications = images as u64 * layer.convolution.multiply_accumulates();
                assert_eq!(run.error_rate[index], expected.wrong as f64 / multiplications as f64, "{}", layer.name);
                let Some(scores) = flow.finish(layer, expected.accumulators) else { continue };
                let scores = scores.chunks_exact(5);
                let best = |scores: &[i32]| {
                    let best = *scores.iter().max().unwrap();
                    scores.iter().position(|&score| score == best).unwrap() as u8
                };
                let predictions: Vec<u8> = scores.map(best).collect();
                assert_eq!(run.predictions, predictions);
                let right = predictions.iter().zip(&labels).filter(|(found, label)| found == label).count();
                assert_eq!((run.accuracy.correct, run.accuracy.images), (right, images));
            }
            let in_time = errors.window().0 > critical;
            assert_eq!(
                run.error_rate.iter().all(|&rate| rate == 0.0),
                in_time,
                "errors exactly before the critical path"
            );
        }
    }
}

/// What one layer comes to, multiplication by multiplication.
struct OneByOne {
    energy: u64,
    wrong: u64,
    accumulators: Vec<i32>,
}

fn one_by_one(
    layer: &QuantizedLayer,
    activations: &[u8],
    (product, table, late, on_timing_error): (&ProductTable, &TransitionTable, &SampledErrors, OnTimingError),
    (images, batch, bits): (usize, usize, u32),
) -> OneByOne {
    let (shape, positions) = (layer.convolution.shape(images), layer.convolution.positions());
    let rows = array_activations(layer, activations);
    let (mut energy, mut wrong) = (0, 0);
    let mut accumulators = vec![0; images * layer.outputs()];
    for output in 0..layer.convolution.channels() {
        for row in 0..shape.m {
            let (image, position) = (row / positions, row % positions);
            let (first, last) = (row % (batch * positions) == 0, (row + 1) % (batch * positions) == 0);
            let mut sum = 0i64;
            for k in 0..shape.k {
                let activation = |row: usize| rows[(output / shape.n * shape.m + row) * shape.k + k] as u8;
                let weight = layer.weights[output * shape.k + k] as u8;
                let pair = table.pair(if first { 0 } else { activation(row - 1) }, activation(row));
                energy += u64::from(table.energy_row(pair)[usize::from(weight)]);
                if last || row + 1 == shape.m {
                    energy += u64::from(table.energy_row(table.pair(activation(row), 0))[usize::from(weight)]);
                }
                let right = product.product(activation(row).into(), weight.into());
                let (codes, deltas) = late.row(pair);
                let added = match (codes.iter().position(|&code| code == weight), on_timing_error) {
                    (None, _) => right,
                    (Some(at), OnTimingError::Capture) => right + deltas[at],
                    (Some(_), OnTimingError::Drop) => 0,
                };
                wrong += u64::from(added != right);
                sum += i64::from(added);
            }
            let wrapped = (sum + (1 << (bits - 1))).rem_euclid(1 << bits) - (1 << (bits - 1));
            accumulators[(image * layer.convolution.channels() + output) * positions + position] =
                wrapped as i32 + layer.bias[output];
        }
    }
    OneByOne { energy, wrong, accumulators }
}

#[test]
fn gates_and_arithmetic_give_the_same_table() {
    let spec = MultiplierSpec::new("m", Family::OperandTruncated { a: 3, b: 3 }, 8, 8, true).unwrap();
    let gates = exhaustive_codes(&spec.netlist());
    let arithmetic = spec.table().unwrap();
    assert!(gates.iter().zip(arithmetic.products()).all(|(&code, &product)| code as u16 as i16 == product as i16));
}

#[test]
fn sampled_element_means_approach_the_exact_ones() {
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    let accumulator = Accumulator::new(24, Coding::plain(8, 8, true), &technology).unwrap();
    let product = ProductTable::exact(8, 8, true);
    let one = Convolution::connected([1, 1, 1], 1).unwrap();
    let layer = QuantizedLayer {
        weights: vec![1],
        bias: vec![0],
        ..layer(&mut ChaCha8Rng::seed_from_u64(0), "one", one, None)
    };
    // 0 and 127 in turn: 7 bits of activation, product and sum change in every cycle, and the adder adds to zero.
    let activations = [0, 127].repeat(50);
    let array = SystolicArray::new(32, 1, Dataflow::WeightStationary).unwrap();
    let means = ElementMeans::sample(&layer, &product, &activations, &array, &accumulator, (1000, 1));
    assert_eq!((means.activation_toggles, means.product_toggles, means.partial_sum_toggles), (7.0, 7.0, 7.0));
    assert!(means.accumulate_fj > 0.0);
    let still = ElementMeans::sample(&layer, &product, &[127; 100], &array, &accumulator, (1000, 1));
    assert_eq!(still, ElementMeans::default(), "no change, no energy");
}

/// Layers that multiply in different ways do what each way does alone, one after the other.
#[test]
fn mixed_inference_is_each_layers_own() {
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    let tables: Vec<(TransitionTable, TableGemm)> = [Family::Array, Family::OperandTruncated { a: 3, b: 2 }]
        .map(|family| {
            let spec = MultiplierSpec::new("m", family, 8, 8, true).unwrap();
            let netlist = spec.netlist();
            let physical = technology.weigh(&netlist).unwrap();
            let critical = StaticTiming::with_delays(&netlist, &physical.delay).critical_delay().0;
            let windows = [critical * 6 / 10, critical + 1].map(Picoseconds);
            let coding = Coding::plain(8, 8, true);
            let (mode, physical) = (DelayMode::Inertial, &physical);
            let spec_of =
                TransitionSpec { netlist: &netlist, physical, coding, activation_bits: 7, mode, windows: &windows };
            let product = spec.table().unwrap();
            (TransitionTable::build(spec_of, &|| ()).unwrap(), TableGemm::new(&product))
        })
        .into();
    let ways: Vec<LayerOption<'_>> = tables
        .iter()
        .flat_map(|(table, gemm)| table.points().iter().map(move |errors| LayerOption { table, gemm, errors }))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (images, batch, accumulator_bits) = (23, 8, 18);
    let mut differing = 0;
    for network in networks(&mut rng) {
        let codes: Vec<u8> = (0..images * network.inputs()).map(|_| rng.random_range(0..128)).collect();
        let labels: Vec<u8> = (0..images).map(|_| rng.random_range(0..5)).collect();
        let mixed = MixedInference { network: &network, codes: &codes, labels: &labels, batch, accumulator_bits };
        let uniform = |way: LayerOption<'_>| {
            TransitionInference::new(&network, way.table, way.gemm, (codes.clone(), &labels), batch, accumulator_bits)
                .run(way.errors)
        };
        let layers = network.layers().len();
        for &way in &ways {
            assert_eq!(mixed.run(&vec![way; layers]), uniform(way), "the same way for all layers");
        }
        for (usual, alone) in [(3, 0), (1, 2), (0, 3)] {
            let (usual, alone) = (ways[usual], ways[alone]);
            let all_usual = mixed.usual(usual);
            assert_eq!(all_usual.run, uniform(usual));
            let alones: Vec<PointRun> = mixed.each_alone(&all_usual, alone).collect();
            let energies = mixed.energy_of_each(&all_usual, alone);
            assert_eq!([alones.len(), energies.len()], [layers; 2]);
            for different in 0..layers {
                let mut chosen = vec![usual; layers];
                chosen[different] = alone;
                let run = mixed.run(&chosen);
                let without_energy = mixed.run_without_energy(&chosen);
                assert_eq!((&without_energy.scores, without_energy.accuracy), (&run.scores, run.accuracy));
                assert_eq!(alones[different].scores, run.scores, "layer {different}");
                assert_eq!(energies[different], run.multiplier_fj[different], "layer {different}");
                // Layers before meet what they meet where all are the same; the one that differs meets that too.
                assert_eq!(run.activations[..=different], all_usual.run.activations[..=different]);
                assert_eq!(run.multiplier_fj[..different], all_usual.run.multiplier_fj[..different]);
                differing += usize::from(run.accuracy != all_usual.run.accuracy);
            }
        }
    }
    assert!(differing > 10, "only {differing} differed");
}
