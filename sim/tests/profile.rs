//! Profiles of a real multiplier: against transitions counted one by one, and through a file.

use axtrain_sim::engine::{DelayMode, StaticTiming};
use axtrain_sim::multiplier::{Family, MultiplierSpec};
use axtrain_sim::profile::{ErrorProfile, ProfileError, ProfileMetadata, Stimulus, TransitionSpec, TransitionTable};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Picoseconds;
use std::io::Cursor;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

struct Bench {
    spec: MultiplierSpec,
    critical: u32,
    table: TransitionTable,
}

/// A signed 5 × 4 array multiplier, activations of 4 bits, sampled at 60 %, 80 % and just after its critical path.
fn bench() -> Bench {
    let spec = MultiplierSpec::new("small", Family::Array, 5, 4, true).unwrap();
    let netlist = spec.netlist();
    let physical = Technology::from_toml(FREEPDK45).unwrap().weigh(&netlist).unwrap();
    let critical = StaticTiming::new(&netlist, &physical.delay).critical_delay().0;
    let windows = [critical * 6 / 10, critical * 8 / 10, critical + 1].map(Picoseconds);
    let table = TransitionTable::build(
        TransitionSpec {
            netlist: &netlist,
            physical: &physical,
            signed: true,
            activation_bits: 4,
            mode: DelayMode::Inertial,
            windows: &windows,
        },
        &|| (),
    );
    Bench { critical, table: table.unwrap(), spec }
}

fn profile(bench: &Bench, point: usize) -> ErrorProfile {
    let product = bench.spec.table().unwrap();
    let metadata = ProfileMetadata {
        schema: ErrorProfile::SCHEMA.into(),
        design: "small".into(),
        width_a: 5,
        width_b: 4,
        signed: true,
        table_sha256: product.sha256(),
        technology: "freepdk45".into(),
        supply_v: 0.9,
        clock_ps: 1000.0,
        window_ps: bench.critical,
        stimulus: Stimulus::uniform(4).name().into(),
        activation_bits: 4,
        version: "test".into(),
    };
    let errors = &bench.table.points()[point];
    ErrorProfile::new(metadata, &product, &bench.table, errors, &Stimulus::uniform(4), 0.5)
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
    let profile = profile(&bench, 0);
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
    let pmf = profile.timing_pmf_value.iter().zip(&profile.timing_pmf_prob);
    let mean: f64 = pmf.clone().map(|(&value, probability)| f64::from(value) * probability).sum();
    let rate: f64 = pmf.filter(|(value, _)| **value != 0).map(|(_, probability)| probability).sum();
    assert!((mean - timing.mean_error).abs() < 1e-9 && (rate - timing.error_rate).abs() < 1e-9);
    for (bit, &share) in timing.bit_error_rate.iter().enumerate() {
        assert!((profile.bit_flip_01[bit] + profile.bit_flip_10[bit] - share).abs() < 1e-12);
    }
    assert_eq!(profile.approximation_pmf_value, [0], "the array multiplier is exact");
}

#[test]
fn a_profile_survives_its_file_and_equal_profiles_are_equal_files() {
    let bench = bench();
    let profile = profile(&bench, 0);
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
    let old = changed(&|profile| profile.metadata.schema = "axtrain/profile/0".into());
    assert!(matches!(old, ProfileError::Schema { .. }) && old.to_string().contains("axtrain/profile/0"));
    let hash = changed(&|profile| profile.product[3] += 1);
    assert!(matches!(hash, ProfileError::Invalid { key: "product", .. }), "{hash}");
    let rate = changed(&|profile| profile.error_rate[3] = 1.5);
    assert!(matches!(rate, ProfileError::Invalid { key: "error_rate", .. }), "{rate}");
    let infinite = changed(&|profile| profile.error_mean[3] = f32::NAN);
    assert!(matches!(infinite, ProfileError::Invalid { key: "error_mean", .. }), "{infinite}");
    assert!(ErrorProfile::read(Cursor::new(&bytes[..bytes.len() / 2])).is_err());
    assert!(ErrorProfile::read(Cursor::new(b"not a zip")).is_err());
}
