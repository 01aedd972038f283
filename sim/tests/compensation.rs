//! Compensated networks on gates that are sampled too early: against means, lines and the best substitutes found one by one.

mod small_networks;

use axtrain_sim::array::{Compensation, Compensator, TransitionInference};
use axtrain_sim::engine::DelayMode;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Family, MultiplierSpec, ProductTable};
use axtrain_sim::profile::{Design, TransitionSpec, TransitionTable};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Picoseconds;
use axtrain_sim::workload::{Network, QuantizedLayer, Requantize, infer_with};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use small_networks::networks;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const BATCH: usize = 8;
const BITS: u32 = 24;

/// A design sampled at three quarters of its critical path and after it.
struct Bench {
    design: Design,
    gemm: TableGemm,
    table: TransitionTable,
}

impl Bench {
    fn new(family: Family) -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let design = Design::new(MultiplierSpec::new("m", family, 8, 8, true).unwrap().into(), &technology).unwrap();
        let windows = [design.critical().0 * 3 / 4, design.critical().0 + 1].map(Picoseconds);
        let spec = TransitionSpec {
            netlist: design.multiplier.netlist(),
            physical: &design.physical,
            coding: design.multiplier.coding(),
            activation_bits: 7,
            mode: DelayMode::Inertial,
            windows: &windows,
        };
        let table = TransitionTable::build(spec, &|| ()).unwrap();
        Self { gemm: TableGemm::new(&design.product), design, table }
    }

    fn compensate(&self, network: &Network, point: usize, images: &[u8], how: &str) -> Network {
        let compensator = Compensator {
            product: &self.design.product,
            gemm: &self.gemm,
            table: &self.table,
            batch: BATCH,
            accumulator_bits: BITS,
            images,
        };
        compensator.compensate(network, Some(&self.table.points()[point]), how.parse().unwrap())
    }

    /// Scores `[image][class]` and the activations of each layer.
    fn run(&self, network: &Network, point: usize, images: &[u8]) -> (Vec<i32>, Vec<Vec<u8>>) {
        let labels = vec![0; images.len() / network.inputs()];
        let images = (images.to_vec(), &labels[..]);
        let inference = TransitionInference::new(network, &self.table, &self.gemm, images, BATCH, BITS);
        let run = inference.run(&self.table.points()[point]);
        (run.scores, run.activations)
    }
}

/// Scores and activations of exact multipliers.
fn exactly(network: &Network, images: &[u8]) -> (Vec<i32>, Vec<Vec<u8>>) {
    let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
    let mut activations = Vec::new();
    let scores = infer_with(network, &gemm, images, |pass| activations.push(pass.activations.to_vec()));
    (scores, activations)
}

fn images(rng: &mut ChaCha8Rng, network: &Network) -> Vec<u8> {
    (0..60 * network.inputs()).map(|_| rng.random_range(0..128) * rng.random_range(0..2)).collect()
}

#[test]
fn without_errors_nothing_changes() {
    let bench = Bench::new(Family::Array);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for network in &networks(&mut rng)[..3] {
        let images = images(&mut rng, network);
        for how in Compensation::ALL {
            let mut compensated = bench.compensate(network, 1, &images, how.name());
            let scales = |network: &Network| -> Vec<_> {
                let layers = network.layers().iter();
                layers.map(|layer| (layer.requantize, layer.channel_requantize.clone())).collect()
            };
            for ((before, _), (after, own)) in scales(network).into_iter().zip(scales(&compensated)) {
                assert_eq!(before, after);
                assert!(own.iter().flatten().all(|scale| Some(*scale) == before));
            }
            let layers = compensated.layers().iter().cloned().map(|mut layer| {
                layer.channel_requantize = None;
                layer
            });
            compensated = Network::new(layers.collect()).unwrap();
            assert_eq!(&compensated, network, "{how}");
        }
    }
}

#[test]
fn corrected_scores_have_the_mean_of_exact_ones() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (family, point) in [(Family::OperandTruncated { a: 3, b: 3 }, 1), (Family::Array, 0)] {
        let bench = Bench::new(family);
        for network in &networks(&mut rng)[..3] {
            let images = images(&mut rng, network);
            let wanted = exactly(network, &images);
            let means = |scores: &[i32]| -> Vec<f64> {
                let of_class =
                    |class| scores.iter().skip(class).step_by(network.outputs()).map(|&sum| f64::from(sum));
                (0..network.outputs()).map(|class| of_class(class).sum::<f64>() / 60.0).collect()
            };
            let far = |scores: &[i32]| {
                let pairs = means(scores).into_iter().zip(means(&wanted.0));
                pairs.map(|(mean, wanted)| (mean - wanted).abs()).fold(0.0, f64::max)
            };
            let [plain, bias, gain, both] = ["none", "bias", "gain", "remap+gain"].map(|how| {
                let compensated = bench.compensate(network, point, &images, how);
                bench.run(&compensated, point, &images)
            });
            assert!(far(&plain.0) > 100.0, "{}", far(&plain.0));
            for corrected in [&bias, &gain, &both] {
                // A bias is a whole number.
                assert!(far(&corrected.0) <= 0.5 + 1e-9, "{}", far(&corrected.0));
            }
        }
    }
}

/// The first layer alone: what is left of its errors has no mean, and with a gain nothing in common with the sums.
#[test]
fn corrected_channels_are_nearest_to_exact_ones() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let [network, ..] = networks(&mut rng);
    let scores_of = |layer: &QuantizedLayer| {
        let layer = QuantizedLayer { requantize: None, channel_requantize: None, ..layer.clone() };
        Network::new(vec![layer]).unwrap()
    };
    for (family, point) in [(Family::OperandTruncated { a: 3, b: 3 }, 1), (Family::Array, 0)] {
        let bench = Bench::new(family);
        let images = images(&mut rng, &network);
        let wanted = exactly(&scores_of(&network.layers()[0]), &images).0;
        let residuals = |how: &str| {
            let layer = bench.compensate(&network, point, &images, how).layers()[0].clone();
            let sums = bench.run(&scores_of(&layer), point, &images).0;
            let factor = |scale: Requantize| f64::from(scale.multiplier) / 2f64.powi(scale.shift as i32);
            let trained = factor(layer.requantize.unwrap());
            let channel = |channel: usize| {
                let gain = layer.channel_requantize.as_ref().map_or(1.0, |scales| factor(scales[channel]) / trained);
                let own = |values: &[i32]| -> Vec<f64> {
                    values.iter().skip(channel).step_by(11).map(|&value| f64::from(value)).collect()
                };
                let sums = own(&sums);
                let left: Vec<f64> =
                    own(&wanted).iter().zip(&sums).map(|(wanted, sum)| wanted - gain * sum).collect();
                let mean = left.iter().sum::<f64>() / 60.0;
                let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let centre = sums.iter().sum::<f64>() / 60.0;
                let centred: Vec<f64> = sums.iter().map(|sum| sum - centre).collect();
                let common = product(&left, &centred) / (product(&left, &left) * product(&centred, &centred)).sqrt();
                (mean, common.abs(), product(&left, &left))
            };
            (0..11).map(channel).collect::<Vec<_>>()
        };
        let [plain, bias, gain] = ["none", "bias", "gain"].map(residuals);
        for channel in 0..11 {
            assert!(bias[channel].0.abs() <= 0.5 && gain[channel].0.abs() <= 1.0, "{bias:?} {gain:?}");
            assert!(gain[channel].1 < 1e-3, "{gain:?}");
            // But for the rounding of the bias.
            assert!(gain[channel].2 <= bias[channel].2 + 60.0 && bias[channel].2 <= plain[channel].2 + 60.0);
        }
        assert!(plain.iter().any(|channel| channel.0.abs() > 100.0) && bias.iter().any(|channel| channel.1 > 0.1));
    }
}

/// The first layer's substitutes, from every operation of every image in turn.
#[test]
fn substitutes_are_the_best_neighbours() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let [network, ..] = networks(&mut rng);
    for (family, point) in
        [(Family::OperandTruncated { a: 0, b: 3 }, 1), (Family::OperandTruncated { a: 2, b: 2 }, 0)]
    {
        let bench = Bench::new(family);
        let images = images(&mut rng, &network);
        let compensated = bench.compensate(&network, point, &images, "remap");
        let errors = &bench.table.points()[point];
        let cost = |weight: i32, substitute: i32| -> i64 {
            let code = substitute as i8 as u8;
            let mut cost = 0;
            for input in 0..network.inputs() {
                for batch in images.chunks(BATCH * network.inputs()) {
                    let mut previous = 0;
                    for image in batch.chunks(network.inputs()) {
                        let activation = image[input];
                        let (codes, deltas) = errors.row(bench.table.pair(previous, activation));
                        let late = codes.iter().position(|&own| own == code).map_or(0, |place| deltas[place]);
                        let sampled = bench.design.product.product(activation.into(), code.into()) + late;
                        cost += i64::from((sampled - i32::from(activation) * weight).abs());
                        previous = activation;
                    }
                }
            }
            cost
        };
        let mut changed = 0;
        let pairs = network.layers()[0].weights.iter().zip(&compensated.layers()[0].weights);
        for (&weight, &substitute) in pairs.take(24) {
            let (weight, substitute) = (i32::from(weight), i32::from(substitute));
            let neighbours = (weight - 16).max(-127)..=(weight + 16).min(127);
            let least = neighbours.map(|neighbour| cost(weight, neighbour)).min().unwrap();
            assert_eq!(cost(weight, substitute), least, "{weight} became {substitute}");
            changed += usize::from(weight != substitute);
        }
        assert!(changed > 0, "no weight was changed");
    }
}
