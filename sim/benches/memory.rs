//! Drawing a chip's faults and reading a million 8-bit weights through them: one core, medians of CPU time.
//!
//! `cargo bench -p axtrain-sim --bench memory`.

mod cpu_clock;

use axtrain_sim::memory::{
    ArrayShape, BUILT_IN_FAULTS, FaultModel, LayerShape, Protection, Scheme, Storage, WeightMemory,
};
use axtrain_sim::units::Volts;
use cpu_clock::cpu_seconds;
use std::hint::black_box;

/// Runs between two looks at the clock.
const REPEATS: u32 = 40;

/// Median CPU time of several runs, ms.
fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = cpu_seconds();
            (0..REPEATS).for_each(|_| work());
            (cpu_seconds() - start) * 1e3 / f64::from(REPEATS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let model = FaultModel::from_toml(BUILT_IN_FAULTS[0].1, Volts(0.7)).expect("it is embedded");
    let layers = [LayerShape { inputs: 1024, outputs: 1024 }];
    let array = ArrayShape { rows: 32, columns: 32 };
    let original: Vec<i8> =
        (0..1 << 20).map(|index: i32| (index.wrapping_mul(-1_640_531_527) >> 24) as i8 / 4).collect();
    let polar = model.clone().with_up_share(Some(0.6)).and_then(|model| model.with_persistent_share(0.3));
    let polar = polar.and_then(|model| model.with_column_correlation(0.5)).expect("sound shares");
    println!("1,048,576 weights of 8 bits, ms: drawing the faults of a chip, and reading the weights");
    let plain = Scheme::plain(Storage::SignMagnitude);
    for (name, model, scheme) in [
        ("plain", &model, plain.clone()),
        ("polarity, transient, by column", &polar, plain.clone()),
        ("bit masking", &model, plain.clone().with_protection(Protection::BitMasking)),
        ("SEC-DED 72/64", &model, plain.clone().with_sec_ded(64, true).expect("whole weights")),
        ("4 words interleaved", &model, plain.with_interleave(4).expect("few words")),
    ] {
        let memory = WeightMemory::new(scheme, 1 << 20, model.rows(), array, &layers).expect("it can be laid out");
        for p in [1e-4, 0.01, 0.05] {
            let chip = model.chip(memory.geometry(), 1, 0);
            let drawing = median(|| {
                black_box(chip.faults(p));
            });
            let map = chip.faults(p);
            let mut weights = original.clone();
            let reading = median(|| {
                weights.copy_from_slice(&original);
                black_box(memory.read(&map, 0, &mut [&mut weights]));
            });
            println!("{name:<32} p = {:<5} %  {drawing:.2} + {reading:.2} = {:.2}", p * 100.0, drawing + reading);
        }
    }
}
