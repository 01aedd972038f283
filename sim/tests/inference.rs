//! A small network on the array, against every multiplication done one by one.

use axtrain_sim::array::{Accumulator, ElementMeans, TransitionInference};
use axtrain_sim::engine::{DelayMode, StaticTiming, exhaustive_codes};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Family, MultiplierSpec, ProductTable};
use axtrain_sim::profile::{TransitionSpec, TransitionTable};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{Dense, Network, Requantize};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

fn network(rng: &mut ChaCha8Rng) -> Network {
    let mut layer = |name: &str, inputs: usize, outputs: usize, requantize| Dense {
        name: name.into(),
        inputs,
        outputs,
        weights: (0..inputs * outputs).map(|_| rng.random_range(-127..=127)).collect(),
        bias: (0..outputs).map(|_| rng.random_range(-5000..=5000)).collect(),
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize,
    };
    let first = layer("fc1", 37, 11, Requantize::from_factor(0.002));
    Network::new(vec![first, layer("fc2", 11, 5, None)]).unwrap()
}

#[test]
fn looked_up_inference_equals_multiplying_one_by_one() {
    let spec = MultiplierSpec::new("m", Family::OperandTruncated { a: 3, b: 3 }, 8, 8, true).unwrap();
    let (netlist, product) = (spec.netlist(), spec.table().unwrap());
    let technology = Technology::from_toml(FREEPDK45).unwrap();
    let physical = technology.weigh(&netlist).unwrap();
    let critical = StaticTiming::new(&netlist, &physical.delay).critical_delay().0;
    let windows = [critical * 7 / 10, critical + 1].map(Picoseconds);
    let table = TransitionTable::build(
        TransitionSpec {
            netlist: &netlist,
            physical: &physical,
            signed: true,
            activation_bits: 7,
            mode: DelayMode::Inertial,
            windows: &windows,
        },
        &|| (),
    )
    .unwrap();

    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let network = network(&mut rng);
    let (images, batch, bits) = (23, 8, 18);
    let codes: Vec<u8> = (0..images * 37).map(|_| rng.random_range(0..128)).collect();
    let labels: Vec<u8> = (0..images).map(|_| rng.random_range(0..5)).collect();
    let gemm = TableGemm::new(&product);
    let inference = TransitionInference::new(&network, &table, &gemm, (codes.clone(), &labels), batch, bits);

    for errors in table.points() {
        let run = inference.run(errors);
        let mut activations = codes.clone();
        for (index, layer) in network.layers().iter().enumerate() {
            assert_eq!(run.activations[index], activations);
            let (mut energy, mut wrong, mut next, mut predictions) = (0u64, 0u64, Vec::new(), Vec::new());
            for image in 0..images {
                let mut scores = Vec::new();
                for output in 0..layer.outputs {
                    let mut sum = 0i64;
                    for input in 0..layer.inputs {
                        let activation = |image: usize| activations[image * layer.inputs + input];
                        let weight = layer.weights[output * layer.inputs + input] as u8;
                        let previous = if image % batch == 0 { 0 } else { activation(image - 1) };
                        let pair = table.pair(previous, activation(image));
                        energy += u64::from(table.energy_row(pair)[usize::from(weight)]);
                        if image % batch == batch - 1 || image == images - 1 {
                            let pair = table.pair(activation(image), 0);
                            energy += u64::from(table.energy_row(pair)[usize::from(weight)]);
                        }
                        let (codes, deltas) = errors.row(pair);
                        let delta = codes.iter().position(|&code| code == weight).map_or(0, |at| deltas[at]);
                        wrong += u64::from(delta != 0);
                        sum += i64::from(product.product(activation(image).into(), weight.into()) + delta);
                    }
                    let wrapped = (sum + (1 << (bits - 1))).rem_euclid(1 << bits) - (1 << (bits - 1));
                    scores.push(wrapped as i32 + layer.bias[output]);
                }
                match layer.requantize {
                    Some(requantize) => next.extend(scores.iter().map(|&score| requantize.apply(score))),
                    None => {
                        let best = *scores.iter().max().unwrap();
                        predictions.push(scores.iter().position(|&score| score == best).unwrap() as u8);
                    }
                }
            }
            assert_eq!(run.multiplier_fj[index], energy as f64 * table.energy_quantum());
            assert_eq!(run.error_rate[index], wrong as f64 / (images * layer.inputs * layer.outputs) as f64);
            if layer.requantize.is_none() {
                assert_eq!(run.predictions, predictions);
                let right = predictions.iter().zip(&labels).filter(|(found, label)| found == label).count();
                assert_eq!((run.accuracy.correct, run.accuracy.images), (right, images));
            }
            activations = next;
        }
        let late = errors.window().0 > critical;
        assert_eq!(run.error_rate.iter().all(|&rate| rate == 0.0), late, "errors exactly before the critical path");
    }
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
    let accumulator = Accumulator::new(24, &technology).unwrap();
    let product = ProductTable::exact(8, 8, true);
    let layer = Dense {
        name: "one".into(),
        inputs: 1,
        outputs: 1,
        weights: vec![1],
        bias: vec![0],
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize: None,
    };
    // 0 and 127 in turn: 7 bits of activation, product and sum change in every cycle, and the adder adds to zero.
    let activations = [0, 127].repeat(50);
    let means = ElementMeans::sample(&layer, &product, &activations, 32, &accumulator, (1000, 1));
    assert_eq!((means.activation_toggles, means.product_toggles, means.partial_sum_toggles), (7.0, 7.0, 7.0));
    assert!(means.accumulate_fj > 0.0);
    let still = ElementMeans::sample(&layer, &product, &[127; 100], 32, &accumulator, (1000, 1));
    assert_eq!(still, ElementMeans::default(), "no change, no energy");
}
