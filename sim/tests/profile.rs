//! Profiles of a real multiplier: against transitions counted one by one, and through a file.

use axtrain_sim::energy::SwitchingActivity;
use axtrain_sim::engine::{DelayMode, Lanes, TimedEngine};
use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec};
use axtrain_sim::profile::{
    Changing, Design, ErrorProfile, ErrorTrace, MassFunction, OnTimingError, Operation, ProfileError,
    ProfileMetadata, SequenceSpec, Sequences, SimulatedOperations, Stimulus, TransitionSpec, TransitionTable,
};
use axtrain_sim::technology::{OperatingPoint, Sampling, Technology};
use axtrain_sim::units::{Picoseconds, Volts};
use std::io::{Cursor, Read, Write};

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

struct Bench {
    design: Design,
    technology: Technology,
    activation_bits: u32,
    windows: Vec<Picoseconds>,
    table: TransitionTable,
}

impl Bench {
    /// All transitions, sampled at 60 %, 80 % and just after the critical path.
    fn new(multiplier: impl Into<Multiplier>, activation_bits: u32) -> Self {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let design = Design::new(multiplier.into(), &technology).unwrap();
        let critical = design.critical().0;
        let windows = [critical * 6 / 10, critical * 8 / 10, critical + 1].map(Picoseconds).to_vec();
        let table = TransitionTable::build(transitions(&design, activation_bits, &windows), &|| ()).unwrap();
        Self { design, technology, activation_bits, windows, table }
    }

    fn spec(&self) -> TransitionSpec<'_> {
        transitions(&self.design, self.activation_bits, &self.windows)
    }

    fn metadata(&self, point: usize, stimulus: &Stimulus) -> ProfileMetadata {
        let operating_point = OperatingPoint { supply: Volts(0.9), clock_ps: 1000.0 };
        ProfileMetadata {
            on_timing_error: self.table.on_timing_error(),
            ..ProfileMetadata::new(&self.design, &self.technology, operating_point, self.windows[point], stimulus)
        }
    }

    fn uniform(&self) -> Stimulus {
        Stimulus::uniform(self.activation_bits, self.design.multiplier.width_b())
    }

    fn profile(&self, point: usize, stimulus: &Stimulus) -> ErrorProfile {
        let (metadata, errors) = (self.metadata(point, stimulus), &self.table.points()[point]);
        ErrorProfile::new(metadata, &self.design.product, &self.table.under(stimulus), errors, 0.5)
    }
}

fn transitions<'a>(design: &'a Design, activation_bits: u32, windows: &'a [Picoseconds]) -> TransitionSpec<'a> {
    TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding: design.multiplier.coding(),
        activation_bits,
        mode: DelayMode::Inertial,
        windows,
    }
}

/// A signed 5 × 4 array multiplier, activations of 4 bits.
fn bench() -> Bench {
    Bench::new(MultiplierSpec::new("small", Family::Array, 5, 4, true).unwrap(), 4)
}

#[test]
fn timing_errors_vanish_after_the_critical_path_and_grow_before_it() {
    let bench = bench();
    let rates: Vec<f64> = (0..3).map(|point| bench.table.timing_errors(point).error_rate).collect();
    assert!(rates[0] > rates[1] && rates[1] > 0.0, "{rates:?}");
    assert_eq!(rates[2], 0.0);
    assert!(bench.table.points()[2].is_empty());
}

#[test]
fn a_profile_holds_the_moments_of_its_transitions() {
    let bench = bench();
    let profile = bench.profile(0, &bench.uniform());
    let errors = &bench.table.points()[0];
    for activation in 0..16u8 {
        for weight in 0..16u8 {
            let mut deltas = Vec::new();
            let mut energy = 0.0;
            for previous in 0..16u8 {
                let pair = bench.table.pair(previous, activation);
                let (codes, values) = errors.row(pair);
                let found = codes.iter().position(|&code| code == weight).map_or(0, |index| values[index]);
                deltas.push(f64::from(found));
                energy += f64::from(bench.table.energy_row(pair)[usize::from(weight)]);
            }
            let cell = usize::from(activation) * 16 + usize::from(weight);
            let mean = deltas.iter().sum::<f64>() / 16.0;
            let variance = deltas.iter().map(|delta| (delta - mean).powi(2)).sum::<f64>() / 16.0;
            let rate = deltas.iter().filter(|&&delta| delta != 0.0).count() as f64 / 16.0;
            let close =
                |found: f32, expected: f64| (f64::from(found) - expected).abs() <= 1e-4 * (1.0 + expected.abs());
            assert!(close(profile.error_mean[cell], mean));
            assert!(close(profile.error_var[cell], variance));
            assert!(close(profile.error_rate[cell], rate));
            assert!(close(profile.energy_fj[cell], energy / 16.0 * bench.table.energy_quantum() * 0.5));
        }
    }
    let timing = bench.table.timing_errors(0);
    let (mean, rate) = (profile.timing.mean(), profile.timing.error_rate());
    assert!((mean - timing.mean_error).abs() < 1e-9 && (rate - timing.error_rate).abs() < 1e-9);
    for (bit, &share) in timing.bit_error_rate.iter().enumerate() {
        assert!((profile.bit_flip_01[bit] + profile.bit_flip_10[bit] - share).abs() < 1e-12);
    }
    assert_eq!(profile.approximation.iter().collect::<Vec<_>>(), [(0, 1.0)], "the array multiplier is exact");
    assert_eq!(profile.total, profile.timing);
}

/// An archive in which the header of an array says another shape.
fn reshaped(archive: &[u8], key: &str, from: &str, to: &str) -> Vec<u8> {
    let mut source = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut copy = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let (name, mut content) = (entry.name().unwrap().into_owned(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        if name == format!("{key}.npy") {
            let place = content.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            content[place..place + to.len()].copy_from_slice(to.as_bytes());
        }
        copy.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        copy.write_all(&content).unwrap();
    }
    copy.finish().unwrap().into_inner()
}

#[test]
fn a_profile_survives_its_file_and_equal_profiles_are_equal_files() {
    let bench = bench();
    let profile = bench.profile(0, &bench.uniform());
    let write = |profile: &ErrorProfile| {
        let mut file = Cursor::new(Vec::new());
        profile.write(&mut file).unwrap();
        file.into_inner()
    };
    let bytes = write(&profile);
    assert_eq!(ErrorProfile::read(Cursor::new(&bytes)).unwrap(), profile);
    assert_eq!(bytes, write(&profile));

    let changed = |change: &dyn Fn(&mut ErrorProfile)| {
        let mut other = profile.clone();
        change(&mut other);
        ErrorProfile::read(Cursor::new(write(&other))).unwrap_err()
    };
    let old = changed(&|profile| profile.metadata.schema = "axtrain/profile/1".into());
    assert!(matches!(old, ProfileError::Schema { .. }) && old.to_string().contains("axtrain/profile/1"));
    let shape = ErrorProfile::read(Cursor::new(reshaped(&bytes, "error_rate", "16, 16", "8, 32 "))).unwrap_err();
    assert!(matches!(shape, ProfileError::Invalid { key: "error_rate", .. }), "{shape}");
    let flips = changed(&|profile| profile.bit_flip_10[2] = -0.1);
    assert!(matches!(flips, ProfileError::Invalid { key: "bit_flip_10", .. }), "{flips}");
    let hash = changed(&|profile| profile.product[3] += 1);
    assert!(matches!(hash, ProfileError::Invalid { key: "product", .. }), "{hash}");
    let rate = changed(&|profile| profile.error_rate[3] = 1.5);
    assert!(matches!(rate, ProfileError::Invalid { key: "error_rate", .. }), "{rate}");
    let infinite = changed(&|profile| profile.error_mean[3] = f32::NAN);
    assert!(matches!(infinite, ProfileError::Invalid { key: "error_mean", .. }), "{infinite}");
    assert!(ErrorProfile::read(Cursor::new(&bytes[..bytes.len() / 2])).is_err());
    assert!(ErrorProfile::read(Cursor::new(b"not a zip")).is_err());
}

/// Under any stimulus: every number against its definition, summed triple by triple.
#[test]
fn a_profile_follows_its_stimulus() {
    let bench = Bench::new(MultiplierSpec::new("mitchell", Family::Mitchell, 4, 4, false).unwrap(), 4);
    let counts: Vec<f64> = (0..256).map(|pair| f64::from(pair * 37 % 11)).collect();
    let weights: Vec<f64> = (0..16).map(|code| f64::from(code % 5)).collect();
    let stimulus = Stimulus::measured("odd", [4, 4], &counts, &weights).unwrap();
    let profile = bench.profile(0, &stimulus);
    let errors = &bench.table.points()[0];
    let bit_length = |code: usize| (usize::BITS - code.leading_zeros()) as usize;
    let mut flips = [[0.0; 8]; 2];
    let (mut moments, mut classes) = ([[0.0; 3]; 3], vec![[0.0; 3]; 25]);
    for (pair, transition) in stimulus.transitions().iter().enumerate() {
        let (codes, deltas) = errors.row(pair);
        for (weight, share) in stimulus.weights().iter().enumerate() {
            let probability = transition * share;
            let activation = pair % 16;
            let delta = codes.iter().position(|code| usize::from(*code) == weight).map_or(0, |place| deltas[place]);
            let settled = bench.design.product.product(activation as u32, weight as u32);
            let approximation = settled - (activation * weight) as i32;
            for (sums, error) in moments.iter_mut().zip([delta, approximation, delta + approximation]) {
                sums[0] += probability * f64::from(error != 0);
                sums[1] += probability * f64::from(error);
                sums[2] += probability * f64::from(error).powi(2);
            }
            let class = &mut classes[bit_length(activation) * 5 + bit_length(weight)];
            class[0] += probability;
            class[1] += probability * f64::from(delta != 0);
            class[2] += probability * f64::from(delta);
            let sampled = settled + delta;
            for (flips, flipped) in flips.iter_mut().zip([sampled & !settled, settled & !sampled]) {
                for (bit, flips) in flips.iter_mut().enumerate() {
                    *flips += probability * f64::from(flipped >> bit & 1);
                }
            }
        }
    }
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{found} {expected}")
    };
    for (mass, [rate, mean, square]) in
        [&profile.timing, &profile.approximation, &profile.total].into_iter().zip(moments)
    {
        close(mass.error_rate(), rate);
        close(mass.mean(), mean);
        close(mass.variance() + mean * mean, square);
    }
    assert!(profile.timing.error_rate() > 0.0 && profile.approximation.error_rate() > 0.0);
    for (mass, [share, rate, mean]) in profile.classes.iter().zip(classes) {
        assert_eq!(mass.is_empty(), share == 0.0);
        close(mass.error_rate() * share, rate);
        close(mass.mean() * share, mean);
    }
    for (rates, flips) in [&profile.bit_flip_01, &profile.bit_flip_10].into_iter().zip(flips) {
        rates.iter().zip(flips).for_each(|(rate, expected)| close(*rate, expected));
    }
}

#[test]
fn a_profile_without_errors_is_zero() {
    let bench = bench();
    let profile = bench.profile(2, &bench.uniform());
    assert_eq!(profile.timing.iter().collect::<Vec<_>>(), [(0, 1.0)]);
    for values in [&profile.error_rate, &profile.error_mean, &profile.error_var] {
        assert!(values.iter().all(|value| *value == 0.0));
    }
    assert!(profile.bit_flip_01.iter().chain(&profile.bit_flip_10).all(|rate| *rate == 0.0));
}

/// Every operation once, in an order of no meaning.
fn every_operation(activation_bits: u32, weight_bits: u32) -> Vec<Operation> {
    let count = 1u32 << (2 * activation_bits + weight_bits);
    let codes = (0..count).map(|index| index.wrapping_mul(0x9e37_79b1) % count);
    let mask = (1 << activation_bits) - 1;
    let operation = |code: u32| Operation {
        previous: (code >> (activation_bits + weight_bits)) as u8,
        activation: (code >> weight_bits & mask) as u8,
        weight: (code & ((1 << weight_bits) - 1)) as u8,
    };
    codes.map(operation).collect()
}

/// The table counts through the transitions with constant weights; the trace is given them in another order, lane by lane.
#[test]
fn the_exhaustive_profile_of_an_8_by_8_is_the_expectation_of_its_trace() {
    let multiplier = |signed| {
        let family = Family::OperandTruncated { a: 1, b: 2 };
        Multiplier::from(MultiplierSpec::new("truncated", family, 8, 8, signed).unwrap())
    };
    let sign_magnitude = || multiplier(false).sign_magnitude("truncated").unwrap();
    for (multiplier, drop) in
        [(multiplier(true), false), (sign_magnitude(), false), (multiplier(true), true), (sign_magnitude(), true)]
    {
        expectation_of_trace(multiplier, drop);
    }
}

fn expectation_of_trace(multiplier: Multiplier, drop: bool) {
    // 1,024 pairs of activations: more than the table sorts together.
    let mut bench = Bench::new(multiplier, 5);
    if drop {
        bench.table = bench.table.dropping_late_products(&bench.design.product);
    }
    let simulated = SimulatedOperations::new(bench.spec(), every_operation(5, 8)).unwrap();
    for point in 0..3 {
        let profile = bench.profile(point, &bench.uniform());
        let metadata = profile.metadata.clone();
        assert_eq!(metadata.on_timing_error, if drop { OnTimingError::Drop } else { OnTimingError::Capture });
        let mut trace = simulated.trace(point, 0.5);
        for (sampled, settled) in trace.sampled.iter_mut().zip(&trace.settled) {
            *sampled = if drop && sampled != settled { 0 } else { *sampled };
        }
        let rebuilt = ErrorProfile::from_trace(metadata, &bench.design.product, 5, &trace);
        let flips = bench.table.points()[point].bit_flips().map(|flips| flips.map(|count| count as f64 / 262_144.0));
        let rates = profile.bit_flip_01.iter().zip(&profile.bit_flip_10);
        for ((up, down), counted) in rates.zip(flips) {
            assert!((up - counted[0]).abs() < 1e-12 && (down - counted[1]).abs() < 1e-12, "{up} {down} {counted:?}");
        }
        let ErrorProfile { energy_fj, .. } = &rebuilt;
        for (traced, tabulated) in energy_fj.iter().zip(&profile.energy_fj) {
            // The table keeps energy in steps of a 65,535th of the largest.
            assert!(f64::from(traced - tabulated).abs() <= bench.table.energy_quantum());
        }
        // Not assert_eq!, which would print both.
        let same = ErrorProfile { energy_fj: profile.energy_fj.clone(), ..rebuilt } == profile;
        assert!(same, "the profile of point {point} is not that of its trace");
    }
}

/// Multiplicative congruential numbers (Park and Miller 1988): other operands than any generator of the program draws.
fn codes() -> impl FnMut(u32) -> u8 {
    let mut state = 20_240_517u64;
    move |bits| {
        state = state * 48_271 % 2_147_483_647;
        ((state >> 8) & ((1 << bits) - 1)) as u8
    }
}

/// Single entries of a table as large as experiments use, wherever they stand.
#[test]
fn errors_in_the_table_are_those_of_the_gates() {
    let bench = Bench::new(MultiplierSpec::new("exact", Family::Array, 8, 8, true).unwrap(), 7);
    let mut code = codes();
    let mut operation = || Operation { previous: code(7), activation: code(7), weight: code(8) };
    let operations: Vec<Operation> = (0..200_000).map(|_| operation()).collect();
    let simulated = SimulatedOperations::new(bench.spec(), operations).unwrap();
    for (point, errors) in bench.table.points().iter().enumerate() {
        let trace = simulated.trace(point, 1.0);
        let mut wrong = 0;
        for (index, operation) in trace.operations.iter().enumerate() {
            let (weights, deltas) = errors.row(bench.table.pair(operation.previous, operation.activation));
            let tabulated = weights.iter().position(|weight| *weight == operation.weight).map_or(0, |at| deltas[at]);
            assert_eq!(trace.sampled[index] - trace.settled[index], tabulated, "{operation:?}");
            wrong += usize::from(tabulated != 0);
        }
        assert_eq!(wrong > 1000, point < 2, "{wrong} errors at point {point}");
    }
}

#[test]
fn a_profile_rebuilt_from_a_random_trace_agrees_within_sampling_error() {
    let bench = bench();
    let mut code = codes();
    const N: usize = 60_000;
    let operations =
        (0..N).map(|_| Operation { previous: code(4), activation: code(4), weight: code(4) }).collect::<Vec<_>>();
    let trace = SimulatedOperations::new(bench.spec(), operations).unwrap().trace(0, 0.5);
    let profile = bench.profile(0, &bench.uniform());
    let rebuilt = ErrorProfile::from_trace(profile.metadata.clone(), &bench.design.product, 4, &trace);
    // Of some 500 estimates, one beyond 4.5 standard errors has a chance of less than 0.4 %.
    let within = |found: f64, expected: f64, deviation: f64, n: f64| {
        let error = deviation / n.sqrt();
        assert!((found - expected).abs() <= 4.5 * error + 1e-6, "{found} is not {expected} ± {error}");
    };
    let n = N as f64;
    within(rebuilt.timing.mean(), profile.timing.mean(), profile.timing.variance().sqrt(), n);
    for (found, expected) in rebuilt.bit_flip_01.iter().zip(&profile.bit_flip_01) {
        within(*found, *expected, (expected * (1.0 - expected)).sqrt(), n);
    }
    let mut seen = [0u32; 256];
    for operation in &trace.operations {
        seen[usize::from(operation.activation) << 4 | usize::from(operation.weight)] += 1;
    }
    for (cell, seen) in seen.into_iter().enumerate() {
        let (rate, n) = (f64::from(profile.error_rate[cell]), f64::from(seen));
        within(f64::from(rebuilt.error_rate[cell]), rate, (rate * (1.0 - rate)).sqrt(), n);
        let deviation = f64::from(profile.error_var[cell]).sqrt();
        within(f64::from(rebuilt.error_mean[cell]), f64::from(profile.error_mean[cell]), deviation, n);
    }
}

#[test]
fn a_trace_says_when_the_product_last_changed() {
    let bench = bench();
    let simulated = SimulatedOperations::new(bench.spec(), every_operation(4, 4)).unwrap();
    let window = bench.windows[0].0;
    let trace = simulated.trace(0, 1.0);
    let mut late = 0;
    for (index, operation) in trace.operations.iter().enumerate() {
        let product = bench.design.product.product(operation.activation.into(), operation.weight.into());
        assert_eq!(trace.settled[index], product);
        let last = trace.last_change_ps[index];
        assert!(last <= bench.design.critical().0);
        // Sampling is strictly before the edge, so a change at the edge itself is missed.
        assert!(last >= window || trace.sampled[index] == product, "{operation:?}");
        late += usize::from(last >= window && trace.sampled[index] != product);
        if operation.previous == operation.activation {
            assert_eq!((last, trace.energy_fj[index]), (0, 0.0));
        }
    }
    assert!(late > 0);
    let csv = trace.to_csv(&bench.metadata(0, &bench.uniform()));
    assert!(csv.starts_with("# {") && csv.contains(ErrorTrace::SCHEMA));
    assert_eq!(Operation::from_csv(&csv, [4, 4]).unwrap(), trace.operations);
}

#[test]
fn mass_functions_of_a_profile_are_whole() {
    let bench = bench();
    let profile = bench.profile(1, &bench.uniform());
    let whole =
        |mass: &MassFunction| (mass.iter().map(|(_, probability)| probability).sum::<f64>() - 1.0).abs() < 1e-12;
    for mass in [&profile.timing, &profile.approximation, &profile.total].into_iter().chain(&profile.classes) {
        assert!(mass.is_empty() || whole(mass));
    }
}

#[test]
fn a_grid_orders_operands_by_value_and_averages_neighbours() {
    let profile = bench().profile(0, &bench().uniform());
    let fine = profile.operand_grid(16);
    assert_eq!((fine.activations, fine.weights, fine.columns), ([0, 15], [-8, 7], 16));
    for activation in 0..16 {
        for weight in -8i32..8 {
            let cell = activation << 4 | (weight & 15) as usize;
            let place = activation * 16 + (weight + 8) as usize;
            assert_eq!(fine.error_rate[place], f64::from(profile.error_rate[cell]));
            assert_eq!(fine.mean_error[place], f64::from(profile.error_mean[cell]));
        }
    }
    let coarse = profile.operand_grid(5);
    assert_eq!((coarse.columns, coarse.error_rate.len()), (4, 16));
    let block = (4..8).flat_map(|row| (0..4).map(move |column| row * 16 + column));
    let mean = block.map(|place| fine.error_rate[place]).sum::<f64>() / 16.0;
    assert!((coarse.error_rate[4] - mean).abs() < 1e-12);
}

/// Where the circuit settles before each edge, drawn sequences are a sample of the table of all transitions.
#[test]
fn sequences_of_a_slow_clock_are_a_sample_of_all_transitions() {
    let bench = Bench::new(MultiplierSpec::new("m", Family::Array, 6, 6, true).unwrap(), 5);
    let critical = bench.design.critical();
    for (index, &window) in bench.windows.iter().enumerate() {
        let sampling = Sampling { period: Picoseconds(critical.0 + 1), window };
        let spec = SequenceSpec {
            circuit: bench.spec(),
            changing: Changing::Activation,
            sampling,
            critical,
            operations: 1 << 18,
            seed: 3,
        };
        let drawn = Sequences::simulate(spec).unwrap();
        let all = bench.table.timing_errors(index);
        let [low, high] = drawn.timing().error_rate_ci95;
        // Twice as far as the interval goes: one in 10,000.
        let (centre, half) = ((low + high) / 2.0, high - low);
        assert!((all.error_rate - centre).abs() < half, "{} outside {low} … {high}", all.error_rate);
        assert!((drawn.errors().mae / all.mae.max(1e-9) - 1.0).abs() < 0.1 || all.mae == 0.0);
        let physical = &bench.design.physical;
        let energy =
            |activity: &SwitchingActivity| activity.energy(&physical.transition_energy, physical.leakage, 1000.0);
        let (sample, exact) = (energy(drawn.activity().total()), bench.table.mean_energy(physical, 1000.0));
        assert!((sample.switching.0 / exact.switching.0 - 1.0).abs() < 0.01, "{sample:?} {exact:?}");
        assert!((sample.glitch.0 / exact.glitch.0 - 1.0).abs() < 0.05, "{sample:?} {exact:?}");
        assert_eq!(sample.leakage, exact.leakage);
    }
}

/// Energy after the sampling edge, change by change.
#[test]
fn energy_after_the_edge_is_that_of_later_changes() {
    let bench = bench();
    let (netlist, physical) = (bench.design.multiplier.netlist(), &bench.design.physical);
    let mut engine = TimedEngine::with_delays(netlist, &physical.delay, DelayMode::Inertial);
    // A lane for each pair of activations, of which there are 256.
    for bit in 0..5 {
        let plane = |shift: usize| match bit {
            4 => Lanes::ZERO,
            _ => Lanes::gather(&(0..256).collect::<Vec<u32>>(), shift + bit),
        };
        engine.set_input(0, bit, plane(4), plane(0));
    }
    let mut late = [0.0; 3];
    for weight in 0..16 {
        for bit in 0..4 {
            engine.hold_input(1, bit, weight >> bit & 1 == 1);
        }
        engine.run();
        for net in netlist.nets() {
            for (time, lanes) in engine.changes(net) {
                for (window, late) in bench.windows.iter().zip(&mut late).filter(|(window, _)| time >= **window) {
                    assert!(*window < Picoseconds(bench.design.critical().0 + 1), "nothing changes after the path");
                    *late += physical.transition_energy[net.index()].0
                        * f64::from((lanes & Lanes::first(256)).count_ones());
                }
            }
        }
    }
    for (index, late) in late.into_iter().enumerate() {
        let found = bench.table.late_energy(index, physical).0;
        assert!((found - late / 4096.0).abs() < 1e-9, "{found} {late}");
    }
    let switching = bench.table.mean_energy(physical, 0.0).switching.0;
    assert!(late[0] > late[1] && late[1] > 0.0 && late[2] == 0.0 && late[0] / 4096.0 < switching, "{late:?}");
}
