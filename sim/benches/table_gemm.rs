//! Product-table matrix products: multiply-accumulates a second of CPU time on one core, beside the loop of AdaPT.
//!
//! `cargo bench -p axtrain-sim --bench table_gemm`. A unit of work is one multiply-accumulate; preparing a table is not
//! timed, packing the weights is. Medians over repetitions; the ratio is against AdaPT's loop in the same row.

mod cpu_clock;

use axtrain_sim::kernel::{Method, RowGemm, Shape, TableGemm};
use axtrain_sim::multiplier::ProductTable;
use cpu_clock::cpu_seconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;

/// Layers of an MLP on 28×28 images and of LeNet-5, by batch: rows, products an output, outputs.
const SHAPES: [(&str, Shape); 8] = [
    ("MLP 784-128, 2,000 images", Shape { m: 2000, k: 784, n: 128 }),
    ("MLP 784-128, 128 images", Shape { m: 128, k: 784, n: 128 }),
    ("MLP 128-64, 2,000 images", Shape { m: 2000, k: 128, n: 64 }),
    ("MLP 64-10, 2,000 images", Shape { m: 2000, k: 64, n: 10 }),
    ("LeNet conv 1, 32 images", Shape { m: 32 * 28 * 28, k: 25, n: 6 }),
    ("LeNet conv 2, 32 images", Shape { m: 32 * 10 * 10, k: 150, n: 16 }),
    ("LeNet dense 1, 32 images", Shape { m: 32, k: 400, n: 120 }),
    ("LeNet dense 1, 1 image", Shape { m: 1, k: 400, n: 120 }),
];

/// All but the look-ups one by one, which the loop stands for.
const METHODS: [Method; 6] = [
    Method::Terms,
    Method::ErrorColumns,
    Method::ErrorRegisters,
    Method::Columns,
    Method::Registers,
    Method::ExchangedRegisters,
];

fn main() {
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let exact = ProductTable::exact(8, 8, true);
    let truncated = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !3, b & !3));
    // Signed multipliers without their lowest columns: rank 3 (EvoApproxLib's mul8s_1KVA but for a constant) and 4.
    let without_columns = |columns: u32| {
        let dropped = |a: u32, b: u32| {
            (0..columns).map(|i| ((a >> i & 1) << i) * (b & ((1 << (columns - i)) - 1))).sum::<u32>()
        };
        ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) - dropped(a, b) as i32)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-300..=300)).collect();
    let noise_at = |a: u32, b: u32| noise[(a << 8 | b) as usize];
    let small_errors = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) + noise_at(a, b) / 3);
    let noisy = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) * 9 / 10 + noise_at(a, b));
    let tables = [
        ("exact", &exact),
        ("low 2 bits cleared", &truncated),
        ("rank 3", &without_columns(2)),
        ("rank 4", &without_columns(3)),
        ("errors of a byte", &small_errors),
        ("unstructured", &noisy),
    ];

    for largest_activation in [127, 255] {
        println!("activations up to {largest_activation}, half of them 0");
        for (name, shape) in SHAPES {
            if only.as_ref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            let (activations, weights) = operands(&mut rng, shape, largest_activation);
            let loop_speed = speed(shape, |out| adapt_loop(&noisy, &activations, &weights, shape, out));
            println!("  {name}: AdaPT's loop {loop_speed:.2} GMAC/s");
            for (table, products) in tables {
                let gemm = TableGemm::new(products);
                let mut line = format!("    {table:20}");
                for method in METHODS {
                    let plan = gemm.plan(shape, largest_activation);
                    if plan.candidates().iter().all(|candidate| candidate.method != method) {
                        continue;
                    }
                    let speed = speed(shape, |out| gemm.run_by(method, &activations, &weights, shape, out));
                    let mark = if plan.method() == method { "→" } else { " " };
                    line += &format!("  {mark}{method} {speed:6.2} GMAC/s ({:5.1}×)", speed / loop_speed);
                }
                println!("{line}");
            }
        }
    }
    if only.is_none_or(|only| only.contains("12")) {
        wide(&mut rng);
    }
}

/// A table of 12-bit operands by rows, beside AdaPT's loop over it.
fn wide(rng: &mut ChaCha8Rng) {
    let exact = ProductTable::exact(12, 12, false);
    let table = ProductTable::from_fn(12, 12, false, |a, b| exact.product(a, b) ^ (a.wrapping_mul(b) & 0xff) as i32);
    let gemm = RowGemm::new(&table);
    println!("12×12 bits, no structure");
    for (name, shape) in SHAPES {
        let mut codes = |count: usize| -> Vec<u16> { (0..count).map(|_| rng.random_range(0..4096)).collect() };
        let (activations, weights) = (codes(shape.m * shape.k), codes(shape.n * shape.k));
        let loop_speed = speed(shape, |out| {
            adapt_sums(
                |a, w| table.products()[usize::from(a) << 12 | usize::from(w)],
                &activations,
                &weights,
                shape,
                out,
            )
        });
        let row_speed = speed(shape, |out| gemm.by_rows(&activations, &weights, shape, out));
        println!(
            "  {name}: AdaPT's loop {loop_speed:.2}, rows {row_speed:.2} GMAC/s ({:.1}×)",
            row_speed / loop_speed
        );
    }
}

/// Activations as after a ReLU and bell-shaped weights.
fn operands(rng: &mut ChaCha8Rng, shape: Shape, largest_activation: u8) -> (Vec<u8>, Vec<i8>) {
    let mut bell = |deviation: f64| (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>() * deviation;
    let deviation = f64::from(largest_activation) / 3.0;
    let mut activation = || (bell(deviation) as u8).min(largest_activation);
    let mut activations: Vec<u8> = (0..shape.m * shape.k).map(|_| activation()).collect();
    activations[0] = largest_activation;
    (activations, (0..shape.n * shape.k).map(|_| bell(30.0) as i8).collect())
}

/// The CPU kernel that AdaPT (Danopoulos et al., TCAD 2022) publishes, over an 8×8 table.
fn adapt_loop(table: &ProductTable, activations: &[u8], weights: &[i8], shape: Shape, out: &mut [i32]) {
    let products: &[i32; 1 << 16] = table.products().try_into().expect("an 8×8 table");
    let product = |activation: u8, weight: i8| products[usize::from(activation) << 8 | usize::from(weight as u8)];
    adapt_sums(product, activations, weights, shape, out);
}

/// Eight partial sums over plain look-ups.
#[inline(always)]
fn adapt_sums<A: Copy, W: Copy>(
    product: impl Fn(A, W) -> i32,
    activations: &[A],
    weights: &[W],
    shape: Shape,
    out: &mut [i32],
) {
    for (n, weights) in weights.chunks_exact(shape.k).enumerate() {
        for (m, activations) in activations.chunks_exact(shape.k).enumerate() {
            let (activation_groups, last_activations) = activations.as_chunks::<8>();
            let (weight_groups, last_weights) = weights.as_chunks::<8>();
            let mut sums = [0i32; 8];
            for (activations, weights) in activation_groups.iter().zip(weight_groups) {
                for lane in 0..8 {
                    sums[lane] = sums[lane].wrapping_add(product(activations[lane], weights[lane]));
                }
            }
            let rest = last_activations.iter().zip(last_weights).map(|(&a, &w)| product(a, w));
            out[m * shape.n + n] = sums.into_iter().chain(rest).fold(0, i32::wrapping_add);
        }
    }
}

/// Billions of multiply-accumulates a second of CPU time, the median of at least five repetitions.
fn speed(shape: Shape, mut multiply: impl FnMut(&mut [i32])) -> f64 {
    let mut out = vec![0; shape.m * shape.n];
    multiply(&mut out);
    let mut seconds = Vec::new();
    while seconds.len() < 5 || (seconds.iter().sum::<f64>() < 0.05 && seconds.len() < 1000) {
        let start = cpu_seconds();
        multiply(black_box(&mut out));
        seconds.push(cpu_seconds() - start);
    }
    seconds.sort_by(f64::total_cmp);
    shape.multiply_accumulates() as f64 / seconds[seconds.len() / 2] * 1e-9
}
