//! Every method on every instruction set against the definition.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const METHODS: [Method; 7] = [
    Method::Scalar,
    Method::Terms,
    Method::ErrorColumns,
    Method::ErrorRegisters,
    Method::Columns,
    Method::Registers,
    Method::ExchangedRegisters,
];

fn tables(rng: &mut ChaCha8Rng) -> Vec<(String, ProductTable)> {
    let mut tables = Vec::new();
    for signed in [false, true] {
        for (width_a, width_b) in [(8, 8), (4, 4), (8, 4), (3, 7)] {
            let name = format!("exact {width_a}×{width_b} signed {signed}");
            tables.push((name, ProductTable::exact(width_a, width_b, signed)));
        }
        let exact = ProductTable::exact(8, 8, signed);
        for (a, b) in [(1, 1), (3, 3), (6, 0), (0, 5)] {
            let truncated = |x, y| exact.product(x >> a << a, y >> b << b);
            tables.push((format!("truncated {a}, {b}"), ProductTable::from_fn(8, 8, signed, truncated)));
        }
        // Kulkarni's 2×2 cell at the lowest digits: rank 2, and the error depends on both operands.
        let cell = |x, y| exact.product(x, y) - if x & 3 == 3 && y & 3 == 3 { 2 } else { 0 };
        tables.push((format!("one cell, signed {signed}"), ProductTable::from_fn(8, 8, signed, cell)));
        let offset = |x, y| exact.product(x, y) + 77 * x as i32 - 1000 * y as i32 + 12345;
        tables.push((format!("affine, signed {signed}"), ProductTable::from_fn(8, 8, signed, offset)));
    }
    let mut random = |name: &str, range: std::ops::RangeInclusive<i32>| {
        let products: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(range.clone())).collect();
        let table = ProductTable::from_fn(8, 8, true, |a, b| products[(a << 8 | b) as usize]);
        tables.push((format!("random {name}"), table));
    };
    random("8,000", -8_000..=8_000);
    random("16,000", -16_000..=16_000);
    random("16 bits", 0..=65_535);
    random("32 bits", i32::MIN..=i32::MAX);
    let extreme = |a: u32, b: u32| if (a ^ b).count_ones().is_multiple_of(2) { i32::MAX } else { i32::MIN };
    tables.push(("extreme".into(), ProductTable::from_fn(8, 8, true, extreme)));
    let large = |a: u32, b: u32| 40_000 * (a as i32 - 100) + 3 * b as i32;
    tables.push(("large sum".into(), ProductTable::from_fn(8, 8, false, large)));
    tables.push(("constant".into(), ProductTable::from_fn(8, 8, false, |_, _| -5)));
    tables.push(("zero".into(), ProductTable::from_fn(8, 8, false, |_, _| 0)));
    // Around the largest products of which four or two still add up to 16 bits.
    for limit in [8191, 8192, 8193, 16_383, 16_384, 32_767, 32_768, 40_000] {
        let sign = move |a: u32, _| if a.is_multiple_of(2) { limit } else { -limit };
        tables.push((format!("± {limit}"), ProductTable::from_fn(8, 8, true, sign)));
    }
    // Around the largest operands that fit a byte.
    for limit in [127, 128, 131, 255, 256] {
        let extremes = move |a: u32, b: u32| if a & 1 == 0 { 1 } else { limit } * if b & 1 == 0 { 127 } else { -128 };
        tables.push((format!("operands up to {limit}"), ProductTable::from_fn(8, 8, true, extremes)));
    }
    // Around the largest errors that fit a byte: one-sided, of both signs, and eight times as large beside a constant that is no
    // multiple of eight.
    for (signed, limit, unit) in
        [(false, 255, 1), (true, 256, 1), (true, 255, 8), (false, 256, 8), (true, 1, 1 << 20)]
    {
        let exact = ProductTable::exact(8, 8, signed);
        let errors: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(0..=limit)).collect();
        let erring = |a: u32, b: u32| {
            let error = if b == 77 { [0, limit][a as usize % 2] } else { errors[(a << 8 | b) as usize] };
            exact.product(a, b) + unit * (error - (b as i32 + 1) / 2) - 3 * b as i32
        };
        tables.push((format!("errors of {unit} up to {limit}"), ProductTable::from_fn(8, 8, signed, erring)));
        // Slopes that are not the weights.
        let scaled = |a: u32, b: u32| erring(a, b) - exact.product(a, b) / 4 - exact.product(a, b ^ 0x55) / 2;
        tables.push((format!("slopes, errors of {unit} up to {limit}"), ProductTable::from_fn(8, 8, signed, scaled)));
    }
    for (a, b) in [(0, 0), (127, 200), (255, 1)] {
        let one = move |x, y| if (x, y) == (a, b) { 1 << 20 } else { 0 };
        tables.push((format!("one product at {a}, {b}"), ProductTable::from_fn(8, 8, false, one)));
    }
    tables
}

/// A table of every family and format, in the order of the catalogue.
#[test]
fn every_family_gives_the_bits_of_the_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (width_a, width_b, signed) in [(8, 8, false), (8, 8, true), (5, 7, true)] {
        let designs = crate::multiplier::designs(width_a, width_b, signed);
        for family in designs.chunk_by(|first, second| first.family().name() == second.family().name()) {
            let spec = &family[family.len() / 2];
            let gemm = TableGemm::new(&spec.table().expect("it is narrow"));
            for largest_activation in [127, 255] {
                let [m, k, n] = std::array::from_fn(|_| rng.random_range(1..=70));
                assert_methods_agree(&gemm, &mut rng, Shape { m, k, n }, largest_activation, spec.name());
            }
        }
    }
}

/// Rows on both sides of one, two and four vectors, sums on both sides of what 16 bits hold, columns on both sides of what is
/// added at once.
#[test]
fn shapes_around_every_limit_give_the_bits_of_the_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-16_000..16_000)).collect();
    let exact = ProductTable::exact(8, 8, true);
    // Sums of bytes grow as fast as they can.
    let erring = |a, b| exact.product(a, b) + if a == 0 { 0 } else { 255 };
    for gemm in [
        TableGemm::new(&ProductTable::from_fn(8, 8, true, |a, b| noise[(a << 8 | b) as usize])),
        TableGemm::new(&ProductTable::from_fn(8, 8, true, erring)),
    ] {
        for m in [1, 7, 8, 9, 63, 64, 65, 127, 129, 255, 257, 321] {
            for (k, n) in [(1, 1), (7, 8), (8, 9), (9, 16), (255, 17), (256, 32), (257, 33), (515, 49)] {
                for largest_activation in [127, 255] {
                    assert_methods_agree(&gemm, &mut rng, Shape { m, k, n }, largest_activation, "limits");
                }
            }
        }
    }
}

fn operands(rng: &mut ChaCha8Rng, shape: Shape, largest_activation: u8) -> (Vec<u8>, Vec<i8>) {
    let activations = (0..shape.m * shape.k).map(|_| rng.random_range(0..=largest_activation)).collect();
    (activations, (0..shape.n * shape.k).map(|_| rng.random()).collect())
}

#[test]
fn every_method_gives_the_bits_of_the_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (name, table) in tables(&mut rng) {
        for instructions in InstructionSet::available() {
            let gemm = TableGemm::with_instructions(&table, instructions);
            for largest_activation in [7, 127, 255] {
                for _ in 0..4 {
                    let [m, k, n] = std::array::from_fn(|_| rng.random_range(1..=70));
                    assert_methods_agree(&gemm, &mut rng, Shape { m, k, n }, largest_activation, &name);
                }
            }
        }
    }
}

fn assert_methods_agree(gemm: &TableGemm, rng: &mut ChaCha8Rng, shape: Shape, largest_activation: u8, name: &str) {
    let (activations, weights) = operands(rng, shape, largest_activation);
    let mut expected = vec![0; shape.m * shape.n];
    gemm.reference(&activations, &weights, shape, &mut expected);
    for method in METHODS {
        let mut out = vec![-1; shape.m * shape.n];
        gemm.run_by(method, &activations, &weights, shape, &mut out);
        let context = format!("{name}, {shape:?}, {method}, {}, ≤ {largest_activation}", gemm.instructions);
        assert!(out == expected, "{context}");
    }
}

/// The largest operands of equal sign for so long that every 16-bit sum on the way is at its limit.
#[test]
fn long_sums_of_extreme_operands_do_not_overflow_on_the_way() {
    let table = ProductTable::exact(8, 8, true);
    for instructions in InstructionSet::available() {
        let gemm = TableGemm::with_instructions(&table, instructions);
        for (activation, weight) in [(127u8, 127i8), (127, -128), (128, -128), (128, 127), (255, -1)] {
            let shape = Shape { m: 5, k: 2600, n: 17 };
            let (activations, weights) = (vec![activation; shape.m * shape.k], vec![weight; shape.n * shape.k]);
            let product = i32::from(activation.cast_signed()) * i32::from(weight);
            for method in METHODS {
                let mut out = vec![0; shape.m * shape.n];
                gemm.run_by(method, &activations, &weights, shape, &mut out);
                assert!(out.iter().all(|&sum| sum == product * 2600), "{activation} × {weight}, {method}");
            }
        }
    }
}

#[test]
fn rows_beyond_one_block_and_threads_change_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random_range(-9_000..9_000)).collect();
    let random = ProductTable::from_fn(8, 8, true, |a, b| noise[(a << 8 | b) as usize]);
    for table in [random, ProductTable::exact(8, 8, true)] {
        let gemm = TableGemm::new(&table);
        let shape = Shape { m: columns::BLOCK_ROWS + 3, k: 9, n: 11 };
        assert_methods_agree(&gemm, &mut rng, shape, 127, "many rows");
        let (activations, weights) = operands(&mut rng, shape, 127);
        let [mut serial, mut parallel] = [(); 2].map(|()| vec![0; shape.m * shape.n]);
        gemm.run(&activations, &weights, shape, &mut serial);
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| gemm.run_parallel(&activations, &weights, shape, &mut parallel));
            assert!(parallel == serial, "{threads} threads");
        }
    }
}

#[test]
fn empty_products_are_zero() {
    let gemm = TableGemm::new(&ProductTable::from_fn(8, 8, false, |_, _| 1));
    let mut out = [7; 6];
    gemm.run(&[], &[], Shape { m: 2, k: 0, n: 3 }, &mut out);
    assert_eq!(out, [0; 6]);
    gemm.run(&[], &[1; 12], Shape { m: 0, k: 4, n: 3 }, &mut []);
    gemm.run_parallel(&[1; 8], &[], Shape { m: 2, k: 4, n: 0 }, &mut []);
}

/// Errors of one byte are found where there are some, and cost half the look-ups.
#[test]
fn plans_know_errors_of_a_byte() {
    let exact = ProductTable::exact(8, 8, true);
    let hash = |a: u32, b: u32| (a.wrapping_mul(0x9E37).wrapping_add(b.wrapping_mul(0x79B9)) >> 3) as i32;
    let erring = |limit: i32, unit: i32| {
        let error = move |a, b| if b == 9 { [0, limit][a as usize % 2] } else { hash(a, b) % (limit + 1) };
        TableGemm::new(&ProductTable::from_fn(8, 8, true, |a, b| exact.product(a, b) + unit * error(a, b)))
    };
    let shape = Shape { m: 128, k: 784, n: 128 };
    let has_errors = |plan: &Plan| plan.candidates().iter().any(|candidate| candidate.method == Method::ErrorColumns);
    for (limit, unit, expected) in [(255, 1, true), (256, 1, false), (255, 16, true), (1, 1 << 15, true)] {
        let plan = erring(limit, unit).explain(shape);
        assert_eq!(has_errors(&plan), expected, "{limit} times {unit}: {plan}");
        let shown = format!("table: product of the operands plus errors of one byte, times {unit}\n");
        assert_eq!(plan.to_string().contains(&shown), expected, "{plan}");
    }
    assert!(!has_errors(&TableGemm::new(&exact).explain(shape)), "there are no errors to look up");
}

#[test]
fn plans_use_the_structure_of_the_table() {
    let shape = Shape { m: 2000, k: 784, n: 128 };
    let exact = TableGemm::new(&ProductTable::exact(8, 8, true));
    assert_eq!(exact.explain(shape).method(), Method::Terms);
    let hash = |a: u32, b: u32| (a.wrapping_mul(0x9E37).wrapping_add(b.wrapping_mul(0x79B9)) >> 3 & 0x3fff) as i32;
    let unstructured = TableGemm::new(&ProductTable::from_fn(8, 8, true, hash));
    let plan = unstructured.explain(shape);
    assert_eq!(plan.method(), Method::Columns);
    assert!(plan.to_string().contains("→ vector look-ups"), "{plan}");
    assert_eq!(unstructured.explain(Shape { m: 1, k: 8, n: 1 }).method(), Method::Scalar);
}
