//! Sums with drawn errors against sums through the gates: mean, variance and tail by two-sample tests.
//!
//! Sums are of 48 products of an exact array, a truncated and a logarithmic 8 × 8 multiplier at three supplies each. Seeds are
//! fixed; each of the 108 comparisons rejects equal distributions with a chance of 10⁻⁵, all together with one of 0.1 %.

use axtrain_sim::engine::DelayMode;
use axtrain_sim::kernel::{AccumulatedMoments, Shape};
use axtrain_sim::multiplier::{Family, MultiplierSpec};
use axtrain_sim::profile::sampler::{Draws, LayerGaussian, MassFunctions, OperandMoments, WeightCodes};
use axtrain_sim::profile::{
    Design, ErrorProfile, Operation, ProfileMetadata, SimulatedOperations, Stimulus, TransitionSpec, TransitionTable,
};
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::{Picoseconds, Volts};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const K: usize = 48;
const SUMS: usize = 1500;
/// Activations of 6 bits keep the table small.
const BITS: u32 = 6;
/// Two-sided 10⁻⁵ point of the standard normal distribution.
const Z: f64 = 4.417;

struct Bench {
    design: Design,
    technology: Technology,
    points: Vec<OperatingPoint>,
    windows: Vec<Picoseconds>,
    table: TransitionTable,
}

impl Bench {
    /// Supplies at which the circuit has a window of these shares of its critical path.
    fn new(family: Family, shares: &[f64]) -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let spec = MultiplierSpec::new("m", family, 8, 8, true).unwrap();
        let design = Design::new(spec.into(), &technology).unwrap();
        let clock_ps = design.minimum_clock_ps();
        let point = |share: f64| {
            let supplies = (500..=1100).map(|millivolts| Volts(f64::from(millivolts) / 1000.0));
            let mut points = supplies.map(|supply| OperatingPoint { supply, clock_ps });
            let wanted = (f64::from(design.critical().0) * share) as u32 + 1;
            let reaches = |point: &OperatingPoint| {
                design.pass(&technology, *point).is_ok_and(|pass| pass.sampling().window.0 >= wanted)
            };
            points.find(reaches).unwrap()
        };
        let points: Vec<OperatingPoint> = shares.iter().map(|share| point(*share)).collect();
        let window = |point: &OperatingPoint| design.pass(&technology, *point).unwrap().sampling().window;
        let windows: Vec<Picoseconds> = points.iter().map(window).collect();
        let table = TransitionTable::build(spec_of(&design, &windows), &|| ()).unwrap();
        Self { design, technology, points, windows, table }
    }

    fn profile(&self, point: usize, stimulus: &Stimulus) -> ErrorProfile {
        let window = self.windows[point];
        let metadata = ProfileMetadata::new(&self.design, &self.technology, self.points[point], window, stimulus);
        let errors = &self.table.points()[point];
        ErrorProfile::new(metadata, &self.design.product, &self.table.under(stimulus), errors, 1.0)
    }

    /// Errors of sums whose operations go through the gates, at each point.
    fn gates(&self, operations: Vec<Operation>) -> Vec<Vec<f64>> {
        let simulated = SimulatedOperations::new(spec_of(&self.design, &self.windows), operations).unwrap();
        let sums = |point: usize| {
            let trace = simulated.trace(point, 1.0);
            let errors = trace.sampled.iter().zip(&trace.settled).map(|(sampled, settled)| sampled - settled);
            let errors: Vec<i32> = errors.collect();
            errors.chunks_exact(K).map(|products| f64::from(products.iter().sum::<i32>())).collect()
        };
        (0..self.points.len()).map(sums).collect()
    }
}

fn spec_of<'a>(design: &'a Design, windows: &'a [Picoseconds]) -> TransitionSpec<'a> {
    TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding: design.multiplier.coding(),
        activation_bits: BITS,
        mode: DelayMode::Inertial,
        windows,
    }
}

/// Independent operands, the previous activation kept with a given chance.
fn operations(rng: &mut ChaCha8Rng, kept: f64) -> Vec<Operation> {
    let operation = |rng: &mut ChaCha8Rng| {
        let activation = rng.random_range(0..1 << BITS);
        let previous = if rng.random::<f64>() < kept { activation } else { rng.random_range(0..1 << BITS) };
        Operation { previous, activation, weight: rng.random() }
    };
    (0..SUMS * K).map(|_| operation(rng)).collect()
}

struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
    /// Variance of the estimate of the variance.
    variance_error: f64,
}

impl Moments {
    fn of(sample: &[f64]) -> Self {
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let central = |power: i32| sample.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
        let variance = central(2);
        Self { n, mean, variance, variance_error: (central(4) - variance * variance) / n }
    }
}

/// Standard normal statistics of equal means, equal variances, and equal shares beyond the `tail` quantile of magnitudes.
fn compare(first: &[f64], second: &[f64], tail: f64) -> [f64; 3] {
    let [a, b] = [first, second].map(Moments::of);
    let standard =
        |difference: f64, variance: f64| if difference == 0.0 { 0.0 } else { difference / variance.sqrt() };
    let mean = standard(a.mean - b.mean, a.variance / a.n + b.variance / b.n);
    let variance = standard(a.variance - b.variance, a.variance_error + b.variance_error);
    let mut magnitudes: Vec<f64> = first.iter().chain(second).map(|value| value.abs()).collect();
    magnitudes.sort_by(f64::total_cmp);
    let threshold = magnitudes[(magnitudes.len() as f64 * tail) as usize];
    let beyond =
        |sample: &[f64]| sample.iter().filter(|value| value.abs() > threshold).count() as f64 / sample.len() as f64;
    let shares = [beyond(first), beyond(second)];
    let pooled = (shares[0] * a.n + shares[1] * b.n) / (a.n + b.n);
    let share = standard(shares[0] - shares[1], pooled * (1.0 - pooled) * (1.0 / a.n + 1.0 / b.n));
    [mean, variance, share]
}

/// Errors are frequent enough for 72,000 operations to have those that make up the variance.
const SHARES: [f64; 3] = [0.52, 0.6, 0.68];

fn families() -> [Family; 3] {
    [Family::Array, Family::OperandTruncated { a: 1, b: 1 }, Family::Mitchell]
}

#[test]
fn drawn_sums_are_distributed_as_gate_level_sums() {
    let mut failing_points = 0;
    for (number, family) in families().into_iter().enumerate() {
        let bench = Bench::new(family, &SHARES);
        let stimulus = Stimulus::uniform(BITS, 8);
        let gates = bench.gates(operations(&mut ChaCha8Rng::seed_from_u64(number as u64), 0.0));
        // Other operands of the same distribution, a column of weights for each sum.
        let operands = operations(&mut ChaCha8Rng::seed_from_u64(100 + number as u64), 0.0);
        let draws = Draws::new(11);
        for (point, gates) in gates.iter().enumerate() {
            let profile = bench.profile(point, &stimulus);
            failing_points += usize::from(profile.timing.error_rate() > 1e-3);
            let functions = MassFunctions::new(&bench.table, &bench.table.points()[point], &stimulus);
            let moments = OperandMoments::new(&profile);
            let accumulated = AccumulatedMoments::new(&profile, K);
            let layer = LayerGaussian::new(&profile);
            let mut samples = vec![Vec::new(); 4];
            for (index, products) in operands.chunks_exact(K).enumerate() {
                let activations: Vec<u8> = products.iter().map(|operation| operation.activation).collect();
                let codes: Vec<u8> = products.iter().map(|operation| operation.weight).collect();
                let weights: Vec<i8> = codes.iter().map(|code| code.cast_signed()).collect();
                let stream = draws.stream(0, index as u64);
                let (mut skipped, mut summed) = ([0], [0]);
                let place = (1, index as u64);
                functions.add_errors(&activations, &WeightCodes::new(&weights, K, 1), draws, place, &mut skipped);
                let shape = Shape { m: 1, k: K, n: 1 };
                accumulated.add_errors(&activations, &weights, shape, draws, (2, index as u64), &mut summed);
                let drawn = [skipped[0], moments.sum(&activations, &codes, stream), summed[0], layer.draw(K, stream)];
                for (sample, error) in samples.iter_mut().zip(drawn) {
                    sample.push(f64::from(error));
                }
            }
            for (name, sample) in ["mass functions", "moments", "accumulated", "layer"].into_iter().zip(&samples) {
                let statistics = compare(gates, sample, 0.95);
                // A normal variate for a sum of few errors has its moments, not its tail: only mass functions keep that.
                let tested = if name == "mass functions" { &statistics[..] } else { &statistics[..2] };
                let context = format!("{family:?} at {}: {name} {statistics:?}", bench.points[point].supply);
                assert!(tested.iter().all(|statistic| statistic.abs() < Z), "{context}");
            }
        }
    }
    assert!(failing_points >= 6, "points without errors test little: {failing_points}");
}

/// The statement of `profile::sampler`: by how much marginals under uniform operands are off when an activation often stays,
/// and that marginals under the operands' own stimulus are not.
#[test]
fn correlated_operands_need_their_own_marginals() {
    let bench = Bench::new(Family::Array, &[0.75]);
    let kept = 0.9;
    let gates = &bench.gates(operations(&mut ChaCha8Rng::seed_from_u64(5), kept))[0];
    let codes = 1usize << BITS;
    let chance = |pair: usize| {
        let stays = if pair / codes == pair % codes { kept } else { 0.0 };
        (stays + (1.0 - kept) / codes as f64) / codes as f64
    };
    let transitions: Vec<f64> = (0..codes * codes).map(chance).collect();
    let own = Stimulus::measured("kept", [BITS, 8], &transitions, &[1.0; 256]).unwrap();
    let uniform = bench.profile(0, &Stimulus::uniform(BITS, 8)).timing;
    let own = bench.profile(0, &own).timing;
    let Moments { n, variance, variance_error, .. } = Moments::of(gates);
    assert!((variance - K as f64 * own.variance()).abs() < Z * variance_error.sqrt(), "{variance} over {n} sums");
    // An operand that stays makes no error: nine of ten errors, and with them the variance, are missing.
    let ratio = uniform.error_rate() / own.error_rate();
    assert!((ratio - 1.0 / (1.0 - kept)).abs() < 1e-9, "{ratio}");
    assert!(K as f64 * uniform.variance() / variance > 5.0);
}

#[test]
fn designs_without_errors_get_none() {
    let bench = Bench::new(Family::Array, &[1.0]);
    let stimulus = Stimulus::uniform(BITS, 8);
    let profile = bench.profile(0, &stimulus);
    assert!(bench.table.points()[0].is_empty());
    let functions = MassFunctions::new(&bench.table, &bench.table.points()[0], &stimulus);
    let (moments, layer) = (OperandMoments::new(&profile), LayerGaussian::new(&profile));
    let accumulated = AccumulatedMoments::new(&profile, 64);
    let draws = Draws::new(3);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let activations: Vec<u8> = (0..8 * 64).map(|_| rng.random_range(0..1 << BITS)).collect();
    let weights: Vec<i8> = (0..10 * 64).map(|_| rng.random()).collect();
    let mut sums = vec![7; 80];
    functions.add_errors(&activations, &WeightCodes::new(&weights, 64, 10), draws, (0, 0), &mut sums);
    accumulated.add_errors(&activations, &weights, Shape { m: 8, k: 64, n: 10 }, draws, (0, 0), &mut sums);
    assert_eq!(sums, vec![7; 80]);
    for output in 0..1000 {
        let stream = draws.stream(0, output);
        assert_eq!((layer.draw(64, stream), moments.draw(63, 255, stream.bits(0))), (0, 0));
        assert_eq!(functions.draw(63, 255, stream.bits(1)), 0);
    }
}

/// Single draws against the transitions they stand for, and rows in parts against rows in one.
#[test]
fn mass_functions_hold_every_value_and_do_not_depend_on_how_rows_are_divided() {
    let bench = Bench::new(Family::Array, &[0.6]);
    let stimulus = Stimulus::uniform(BITS, 8);
    let (table, errors) = (&bench.table, &bench.table.points()[0]);
    let functions = MassFunctions::new(table, errors, &stimulus);
    let profile = bench.profile(0, &stimulus);
    let cell = |place: &usize| profile.error_rate[*place];
    let worst = (0..profile.error_rate.len()).max_by(|a, b| cell(a).total_cmp(&cell(b))).unwrap();
    let (activation, weight) = ((worst >> 8) as u8, (worst & 255) as u8);
    let mut expected = std::collections::BTreeMap::from([(0, 0.0)]);
    for previous in 0..1 << BITS {
        let (codes, deltas) = errors.row(table.pair(previous, activation));
        let delta = codes.iter().position(|code| *code == weight).map_or(0, |place| deltas[place]);
        *expected.entry(delta).or_insert(0.0) += 1.0 / f64::from(1 << BITS);
    }
    let stream = Draws::new(2).stream(3, 4);
    let n = 100_000;
    let mut found = std::collections::BTreeMap::new();
    for k in 0..n {
        *found.entry(functions.draw(activation, weight, stream.bits(k))).or_insert(0.0) += 1.0;
    }
    assert!(found.keys().all(|value| expected.contains_key(value)), "only values that occur are drawn");
    for (value, probability) in expected {
        let (mean, deviation) = (n as f64 * probability, (n as f64 * probability * (1.0 - probability)).sqrt());
        let count = found.get(&value).copied().unwrap_or(0.0);
        assert!((count - mean).abs() <= Z * deviation + 1e-9, "{value}: {count} of {mean} ± {deviation}");
    }

    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (m, k, outputs) = (6, 40, 9);
    let activations: Vec<u8> = (0..m * k).map(|_| rng.random_range(0..1 << BITS)).collect();
    let weights: Vec<i8> = (0..outputs * k).map(|_| rng.random()).collect();
    let codes = WeightCodes::new(&weights, k, outputs);
    let draws = Draws::new(9);
    let mut whole = vec![0; m * outputs];
    functions.add_errors(&activations, &codes, draws, (1, 0), &mut whole);
    assert!(whole.iter().any(|error| *error != 0));
    let mut parts = vec![0; m * outputs];
    for (row, (activations, sums)) in activations.chunks(2 * k).zip(parts.chunks_mut(2 * outputs)).enumerate() {
        functions.add_errors(activations, &codes, draws, (1, (2 * row * outputs) as u64), sums);
    }
    assert_eq!(whole, parts);
}
