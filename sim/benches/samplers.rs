//! Draws one by one and inside matrix products, and loading a profile: one core, medians of CPU time.
//!
//! `cargo bench -p axtrain-sim --bench samplers`. Exact signed 8 × 8 array, uniform operands.

mod cpu_clock;

use axtrain_sim::engine::DelayMode;
use axtrain_sim::kernel::{AccumulatedMoments, Shape, TableGemm};
use axtrain_sim::multiplier::{Family, MultiplierSpec, ProductTable};
use axtrain_sim::profile::sampler::{Draws, MassFunctions, OperandMoments, WeightCodes};
use axtrain_sim::profile::{Design, ErrorProfile, ProfileMetadata, Stimulus, TransitionSpec, TransitionTable};
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::{Picoseconds, Volts};
use cpu_clock::cpu_seconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;
use std::io::Cursor;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

/// Median CPU time of a run, s, each measured over a tenth of a second.
fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..7)
        .map(|_| {
            let (start, mut runs) = (cpu_seconds(), 0);
            loop {
                work();
                runs += 1;
                let passed = cpu_seconds() - start;
                if passed > 0.1 {
                    break passed / f64::from(runs);
                }
            }
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Products whose errors `sum` draws, given `k` activations and weights for each output.
fn millions_a_second([activations, codes]: [&[u8]; 2], k: usize, sum: impl Fn(&[u8], &[u8], u64) -> i32) -> f64 {
    let time = median(|| {
        let mut output = 0;
        for activations in activations.chunks_exact(k) {
            for codes in codes.chunks_exact(k) {
                black_box(sum(activations, codes, output));
                output += 1;
            }
        }
    });
    (activations.len() * codes.len() / k) as f64 / time / 1e6
}

fn main() {
    let technology = Technology::from_toml(FREEPDK45).expect("it is embedded");
    let spec = MultiplierSpec::new("exact", Family::Array, 8, 8, true).expect("it is defined");
    let design = Design::new(spec.into(), &technology).expect("cells are known");
    let shares = [0.97, 0.9, 0.75];
    let windows: Vec<Picoseconds> =
        shares.iter().rev().map(|share| Picoseconds((f64::from(design.critical().0) * share) as u32)).collect();
    let transitions = TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding: design.multiplier.coding(),
        activation_bits: 7,
        mode: DelayMode::Inertial,
        windows: &windows,
    };
    let table = TransitionTable::build(transitions, &|| ()).expect("8 × 8 bits");
    let stimulus = Stimulus::uniform(7, 8);
    let shape = Shape { m: 128, k: 784, n: 128 };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let activations: Vec<u8> = (0..shape.m * shape.k).map(|_| rng.random_range(0..128)).collect();
    let weights: Vec<i8> = (0..shape.n * shape.k).map(|_| rng.random_range(-127..=127)).collect();
    let codes: Vec<u8> = weights.iter().map(|weight| weight.cast_unsigned()).collect();
    let layout = WeightCodes::new(&weights, shape.k, shape.n);
    let draws = Draws::new(1);
    let products = shape.multiply_accumulates() as f64;
    let mut sums = vec![0; shape.m * shape.n];
    // As little structure as the tables of moments have.
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-500..=500)).collect();
    let gemm = TableGemm::new(&ProductTable::from_fn(8, 8, true, |a, b| noise[(a << 8 | b) as usize]));
    let plain = median(|| gemm.run(&activations, &weights, shape, black_box(&mut sums)));
    println!("GEMM {:?} of a table without structure: {:.2} ms", (shape.m, shape.k, shape.n), 1e3 * plain);
    for (point, window) in windows.iter().enumerate() {
        let operating_point = OperatingPoint { supply: Volts(0.9), clock_ps: design.minimum_clock_ps() };
        let metadata = ProfileMetadata::new(&design, &technology, operating_point, *window, &stimulus);
        let errors = &table.points()[point];
        let build = || ErrorProfile::new(metadata.clone(), &design.product, &table.under(&stimulus), errors, 1.0);
        let profile = build();
        println!("{window} of {}, {:.3} % wrong", design.critical(), 100.0 * profile.timing.error_rate());
        let functions = MassFunctions::new(&table, errors, &stimulus);
        let moments = OperandMoments::new(&profile);
        let operands = [&activations[..], &codes];
        let by_moments = millions_a_second(operands, shape.k, |activations, codes, output| {
            moments.sum(activations, codes, draws.stream(0, output))
        });
        let by_mass = millions_a_second(operands, shape.k, |activations, codes, output| {
            functions.sum(activations, codes, draws.stream(0, output))
        });
        println!("  single draws: moments {by_moments:.0} M/s, mass functions {by_mass:.0} M/s");
        let skipping = median(|| functions.add_errors(&activations, &layout, draws, (0, 0), black_box(&mut sums)));
        let accumulated = AccumulatedMoments::new(&profile, shape.k);
        let summed =
            median(|| accumulated.add_errors(&activations, &weights, shape, draws, (0, 0), black_box(&mut sums)));
        println!(
            "  in the GEMM: skipping to the next error {:.2} G products/s, accumulated moments {:.2} ms",
            products / skipping / 1e9,
            1e3 * summed
        );
        let mut file = Cursor::new(Vec::new());
        profile.write(&mut file).expect("memory can be written to");
        let bytes = file.into_inner();
        let load = median(|| {
            black_box(ErrorProfile::read(Cursor::new(&bytes)).expect("it is sound"));
        });
        let condense = median(|| {
            black_box(build());
        });
        println!(
            "  profile: {} kB, read in {:.1} ms, condensed in {:.0} ms",
            bytes.len() / 1000,
            1e3 * load,
            1e3 * condense
        );
    }
}
