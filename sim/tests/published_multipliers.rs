//! Families against the numbers their authors, and EvoApproxLib, published.
//!
//! Eight-bit numbers are exhaustive. Sixteen-bit ones are means over 2^16 quasi-random pairs, compared with a tolerance
//! that covers the sampling and the digits printed. Percentages unless said.

use axtrain_sim::multiplier::{BoothEncoder, Compressor, Family, MultiplierSpec, ProductTable, operand_value};

/// Errors of a design over some operand pairs. RED is |P′ − P| / P.
struct Errors {
    pairs: f64,
    /// Share of wrong products.
    rate: f64,
    /// Mean and largest |P′ − P|.
    mean_distance: f64,
    max_distance: i64,
    /// Mean RED over all pairs, 0 where the exact product is 0, and over those where it is not.
    mean_relative_all: f64,
    mean_relative: f64,
    max_relative: f64,
    /// Mean, standard deviation, smallest and largest of (P′ − P) / P over nonzero exact products.
    bias: f64,
    deviation: f64,
    lowest: f64,
    highest: f64,
}

fn errors(spec: &MultiplierSpec, pairs: impl Iterator<Item = (u32, u32)>) -> Errors {
    let (mut count, mut nonzero, mut wrong, mut distances, mut max_distance) = (0u64, 0u64, 0u64, 0i64, 0i64);
    let (mut relatives, mut signed, mut squares) = (0.0, 0.0, 0.0);
    let (mut lowest, mut highest) = (0.0f64, 0.0f64);
    for (a, b) in pairs {
        let value = |code, width| operand_value(code, width, spec.signed());
        let exact = value(a, spec.width_a()) * value(b, spec.width_b());
        let error = spec.product(a, b) - exact;
        count += 1;
        wrong += u64::from(error != 0);
        distances += error.abs();
        max_distance = max_distance.max(error.abs());
        if exact != 0 {
            let relative = 100.0 * error as f64 / exact as f64;
            nonzero += 1;
            relatives += relative.abs();
            signed += relative;
            squares += relative * relative;
            lowest = lowest.min(relative);
            highest = highest.max(relative);
        }
    }
    let (pairs, nonzero) = (count as f64, nonzero as f64);
    let bias = signed / nonzero;
    Errors {
        pairs,
        rate: 100.0 * wrong as f64 / pairs,
        mean_distance: distances as f64 / pairs,
        max_distance,
        mean_relative_all: relatives / pairs,
        mean_relative: relatives / nonzero,
        max_relative: highest.max(-lowest),
        bias,
        deviation: (squares / nonzero - bias * bias).sqrt(),
        lowest,
        highest,
    }
}

fn design(family: Family, width: u32, signed: bool) -> MultiplierSpec {
    MultiplierSpec::new("design", family, width, width, signed).unwrap()
}

fn exhaustive(family: Family, width: u32, signed: bool) -> Errors {
    let codes = 0..1u32 << width;
    errors(&design(family, width, signed), codes.clone().flat_map(|a| codes.clone().map(move |b| (a, b))))
}

/// Unsigned 16×16 over an additive recurrence in two dimensions (Roberts 2018), which covers the square evenly.
fn sampled(family: Family) -> Errors {
    const STEPS: [u64; 2] = [0xc13f_a9a9_02a6_328f, 0x91e1_0da5_c79e_7b1d];
    let pair = |index: u64| STEPS.map(|step| (index.wrapping_mul(step) >> 48) as u32);
    let pairs = (1..=1 << 16).map(|index| pair(index).into());
    errors(&design(family, 16, false), pairs)
}

#[track_caller]
fn assert_near(measured: f64, published: f64, tolerance: f64) {
    assert!((measured - published).abs() <= tolerance, "measured {measured}, published {published} ± {tolerance}");
}

#[test]
fn product_tables_have_their_published_hashes() {
    let truncated = |columns| Family::Truncated { columns };
    let operands = |a, b| Family::OperandTruncated { a, b };
    #[rustfmt::skip]
    let tables = [
        ("mul8s_1KVA", truncated(2), true, "ecf1828615c815bf22178247e4bfe71f30a846758f8254fb8eaeda0ad4ee6b97"),
        ("mul8s_1KVB", truncated(3), true, "1381801dbc5c34365d75ed4a65dc316244b846e522c9d0be1ab903c1484c13a0"),
        ("mul8s_1KX2", truncated(4), true, "21276146933c55c480756cdb24f39e688aec936bc8d7afce0e19473779256d9a"),
        ("mul8s_1L2H", operands(1, 1), true, "ef588b130ab2f588c37c2f9e169de12a6b74cef70aa8fcb48aeacfc53505c222"),
        ("mul8s_1L2D", operands(2, 2), true, "a4b7ec182e753ae09e44212592e8ca3e72429043c9b9bedb703e914b3dcd5e90"),
        ("mul8s_1L1G", operands(3, 3), true, "25932bf67310fad6dddbc85994ddb7d08c7b86061fe9d268700ae86c221d6bfb"),
        ("mul8s_1KR8", operands(1, 0), true, "cf4cc9da34d5d5b8f968f07760854ca0856b42bf2a42e111a09ee9aa36782462"),
        ("mul8s_1KTY", operands(3, 0), true, "45eddc90f4266945981a18770ad62af9097b3ef1398c649e6b5092a5657d4e2c"),
        ("mul8s_1KR3", operands(6, 0), true, "14980c2542f31228ab01ce825f68d1cf39dcf1fbed582dec1e1cfcb133654aab"),
        ("underdesigned", Family::Underdesigned, false, "2d3eefa5768c5e073788c7dce5b923abb003390247b418d00cf6d96091e8d900"),
    ];
    for (name, family, signed, hash) in tables {
        assert_eq!(design(family, 8, signed).table().unwrap().sha256(), hash, "{name}");
    }
    // mul8u_Y48 has one inexact block of the underdesigned multiplier, at the lowest digits.
    let block = design(Family::Underdesigned, 2, false);
    let y48 = ProductTable::from_fn(8, 8, false, |a, b| {
        (a * b) as i32 + block.product(a % 4, b % 4) as i32 - ((a % 4) * (b % 4)) as i32
    });
    assert_eq!(y48.sha256(), "a9ac99b1406d45bfad5e3f7745429e96d8f6ec9206eb53d6a1be82580d34c789");
}

/// EvoApproxLib's table of mul8s_1KVA, 1KVB and 1KX2: MAE %, WCE % (of 2^16), EP %, MRE %.
#[test]
fn signed_truncation_errs_as_evoapproxlib_says() {
    let published =
        [(2, 0.0018, 0.0076, 50.0, 0.28), (3, 0.0064, 0.026, 68.75, 0.90), (4, 0.019, 0.075, 81.25, 2.53)];
    for (columns, mae, wce, rate, relative) in published {
        let errors = exhaustive(Family::Truncated { columns }, 8, true);
        assert_near(100.0 * errors.mean_distance / 65536.0, mae, 0.0005);
        assert_near(100.0 * errors.max_distance as f64 / 65536.0, wce, 0.0005);
        assert_eq!(errors.rate, rate);
        assert_near(errors.mean_relative, relative, 0.005);
    }
}

/// Meng et al., DATE 2025: without k columns the largest error is (k − 1)·2^k + 1 and the mean a quarter of it.
#[test]
fn unsigned_truncation_errs_as_published() {
    for columns in 0..=8 {
        let errors = exhaustive(Family::Truncated { columns }, 8, false);
        let largest = if columns == 0 { 0 } else { (i64::from(columns) - 1) * (1 << columns) + 1 };
        assert_eq!(errors.max_distance, largest);
        assert_eq!(errors.mean_distance, largest as f64 / 4.0);
        assert_eq!(errors.highest, 0.0, "never above the exact product");
    }
    assert_near(exhaustive(Family::Truncated { columns: 8 }, 8, false).rate, 98.0, 0.06);
    assert_near(exhaustive(Family::Truncated { columns: 4 }, 6, false).rate, 81.3, 0.06);
}

/// The worked example of ArithsGen's broken-array multiplier; mean error distances in % of 255², computed with NumPy from
/// the definition.
#[test]
fn broken_arrays_err_as_published() {
    let broken = |horizontal, vertical| Family::BrokenArray { horizontal, vertical };
    assert_eq!(design(broken(4, 4), 8, false).product(43, 84), 3440);
    for (horizontal, vertical, nmed) in [(0, 8, 0.689), (2, 8, 0.788), (4, 4, 1.471), (4, 8, 1.772)] {
        let errors = exhaustive(broken(horizontal, vertical), 8, false);
        assert_near(100.0 * errors.mean_distance / 65025.0, nmed, 0.0006);
        assert_eq!(errors.highest, 0.0, "never above the exact product");
    }
}

/// Zervakis et al. 2016: without k rows from j on, NMED = 2^j·(2^k − 1) / (4·(2^n − 1)).
#[test]
fn perforation_errs_as_published() {
    for (start, rows) in [(0, 1), (0, 2), (0, 3), (2, 1), (3, 4), (1, 7)] {
        let errors = exhaustive(Family::Perforated { start, rows }, 8, false);
        let published = f64::from((1 << start) * ((1 << rows) - 1)) / (4.0 * 255.0);
        assert_near(errors.mean_distance / 65025.0, published, 1e-12);
    }
}

/// Kulkarni et al. 2011: error rate, mean and largest relative error; (1 − (3/4)^(n/2))² and 1/72 follow from the block.
#[test]
fn underdesigned_multipliers_err_as_published() {
    for (width, mean) in [(2, 1.39), (4, 2.60), (8, 3.25)] {
        let errors = exhaustive(Family::Underdesigned, width, false);
        let right = 1.0 - 0.75f64.powi(width as i32 / 2);
        assert_near(errors.rate, 100.0 * right * right, 1e-9);
        assert_near(errors.mean_relative_all, mean, 0.01);
        assert_near(errors.max_relative, 22.22, 0.005);
        let largest = f64::from((1u32 << width) - 1).powi(2);
        assert_near(errors.mean_distance / largest, 1.0 / 72.0, 1e-12);
    }
    assert_near(sampled(Family::Underdesigned).mean_relative_all, 3.32, 0.02);
}

/// Hashemi et al. 2015, 16 bits: mean, standard deviation and largest of the relative error; for the last the closed form
/// (1 + 2^(1−k))² − 1. The bias of 2.08, 0.53 … 0.01 by magnitude.
#[test]
fn drum_errs_as_published() {
    let published = [
        (3, 11.90, 14.75, 2.08),
        (4, 5.89, 7.26, 0.53),
        (5, 2.94, 3.61, 0.14),
        (6, 1.47, 1.80, 0.04),
        (7, 0.73, 0.90, 0.01),
        (8, 0.37, 0.45, 0.01),
    ];
    for (segment, mean, deviation, bias) in published {
        let errors = sampled(Family::Drum { segment });
        assert_near(errors.mean_relative, mean, 0.02);
        assert_near(errors.deviation, deviation, 0.02);
        assert_near(errors.bias.abs(), bias, 0.03);
        let largest = 100.0 * ((1.0 + 2f64.powi(1 - segment as i32)).powi(2) - 1.0);
        assert!(
            errors.max_relative <= largest + 1e-9 && errors.max_relative > 0.9 * largest,
            "{}",
            errors.max_relative
        );
    }
    // Exhaustive, computed with NumPy from the definition.
    for (segment, mean) in [(3, 12.10), (4, 5.89), (5, 2.84), (6, 1.30), (7, 0.483)] {
        assert_near(exhaustive(Family::Drum { segment }, 8, false).mean_relative, mean, 0.005);
    }
}

/// Narayanamoorthy et al. 2015, 16 bits: accuracy, 100 − mean relative error. (Its 99.7 for DSM with 8 bits is not that of
/// the definition, 99.47.)
#[test]
fn segment_multipliers_are_as_accurate_as_published() {
    let accuracy = |family| 100.0 - sampled(family).mean_relative;
    assert_near(accuracy(Family::Ssm { segment: 8 }), 98.0, 0.1);
    assert_near(accuracy(Family::Ssm { segment: 10 }), 99.6, 0.05);
    assert_near(accuracy(Family::Essm { segment: 8 }), 99.0, 0.15);
    assert_near(accuracy(Family::Dsm { segment: 6 }), 97.8, 0.1);
    assert_near(accuracy(Family::Dsm { segment: 8 }), 99.47, 0.01);
}

/// Mitchell 1962: largest error −1/9; means as recomputed by Saadat et al. 2018 and from the definition.
#[test]
fn mitchell_errs_as_published() {
    let errors = exhaustive(Family::Mitchell, 8, false);
    assert_near(errors.mean_relative_all, 3.758, 0.001);
    assert_near(errors.mean_relative, 3.788, 0.001);
    assert_near(errors.lowest, -100.0 / 9.0, 1e-9);
    assert_eq!(errors.highest, 0.0);
    assert_near(sampled(Family::Mitchell).mean_relative, 3.846, 0.005);
}

/// Babić et al. 2011: mean relative error at 8 and 16 bits and the bound 4^−(corrections + 1) on the largest.
#[test]
fn iterative_logarithms_err_as_published() {
    let published = [(0, 8.9131, 9.4124), (1, 0.8337, 0.9874), (2, 0.0708, 0.1070), (3, 0.0048, 0.0117)];
    for (corrections, mean_8, mean_16) in published {
        let family = Family::IterativeLog { corrections };
        let errors = exhaustive(family, 8, false);
        assert_near(errors.mean_relative, mean_8, 0.0001);
        assert!(errors.lowest > -100.0 / 4f64.powi(corrections as i32 + 1));
        assert_eq!(errors.highest, 0.0);
        assert_near(sampled(family).mean_relative, mean_16, 0.005);
    }
}

/// Saadat et al. 2018: bias, mean and peak at 16 bits; mean at 8 bits over all pairs.
#[test]
fn mbm_errs_as_published() {
    let errors = sampled(Family::Mbm);
    assert_near(errors.bias, -0.09, 0.01);
    assert_near(errors.mean_relative, 2.58, 0.005);
    assert_near(errors.max_relative, 7.81, 0.1);
    let errors = exhaustive(Family::Mbm, 8, false);
    assert_near(errors.mean_relative_all, 2.69, 0.05);
}

/// Saadat et al. 2020, 16 bits: mean, peak and bias (by magnitude) of 0.4 … 1.6, 2.08 … 7.4 and at most 0.05; the digits
/// for 8 and 4 segments are NumPy's from the definition.
#[test]
fn realm_errs_as_published() {
    for (segments, mean, peak, bias) in [(16, 0.42, 2.08, 0.01), (8, 0.753, 3.68, 0.05), (4, 1.384, 5.70, 0.02)] {
        let errors = sampled(Family::Realm { segments });
        assert_near(errors.mean_relative, mean, 0.005);
        // A sample stays below the peak.
        assert!(errors.max_relative < peak + 0.01 && errors.max_relative > 0.9 * peak, "{}", errors.max_relative);
        assert_near(errors.bias.abs(), bias, 0.01);
    }
}

/// Liu et al. 2018: with more approximate mantissa bits the mean error of 16×16 first falls and becomes two-sided; values
/// computed with NumPy from the definition.
#[test]
fn set_one_adders_err_as_published() {
    for (lower, mean) in [(0, 3.85), (9, 3.62), (10, 3.48), (11, 3.34)] {
        let errors = sampled(Family::AlmSoa { lower });
        assert_near(errors.mean_relative, mean, 0.01);
        assert_eq!(errors.highest > 0.0, lower > 0);
    }
}

/// Zendegani et al. 2017: largest error 11.1 %, of either sign; means computed with NumPy from the definition.
#[test]
fn roba_errs_as_published() {
    let errors = exhaustive(Family::Roba, 8, false);
    assert_near(errors.mean_relative_all, 2.84, 0.005);
    assert_near(errors.mean_relative, 2.86, 0.005);
    assert_near(errors.max_relative, 11.11, 0.01);
    assert!(errors.lowest < 0.0 && errors.highest > 0.0);
    let errors = sampled(Family::Roba);
    assert_near(errors.mean_relative, 2.885, 0.005);
    assert_near(errors.bias, 0.0, 0.05);
}

/// Vahdat et al. 2019: the worked example of (3, 7) and the mean relative errors at 16 bits, 11 % … 0.3 %.
#[test]
fn tosam_errs_as_published() {
    let tosam = |h, t| Family::Tosam { h, t };
    let exact = 11761.0 * 2482.0;
    let example = design(tosam(3, 7), 16, false).product(11761, 2482) as f64;
    assert_near(100.0 * (example - exact).abs() / exact, 0.99, 0.005);
    let means = [10.90, 7.60, 3.95, 2.06, 1.048, 0.527, 0.264];
    for ((h, t), mean) in [(0, 2), (0, 3), (1, 5), (2, 6), (3, 7), (4, 8), (5, 9)].into_iter().zip(means) {
        assert_near(sampled(tosam(h, t)).mean_relative, mean, 0.02);
    }
}

/// Liu et al. 2017: 8×8 with eight approximate columns, mean error distance in % of 2^14, computed with NumPy.
#[test]
fn approximate_booth_errs_as_defined() {
    for (encoder, nmed) in [(BoothEncoder::Abe1, 0.717), (BoothEncoder::Abe2, 0.931)] {
        let errors = exhaustive(Family::BoothApproximate { encoder, columns: 8 }, 8, true);
        assert_near(100.0 * errors.mean_distance / 16384.0, nmed, 0.0005);
    }
}

/// Momeni et al. 2015, 8×8 with seven approximate columns over nonzero operands: right products, and the mean error
/// distance as a share of 255².
#[test]
fn compressor_trees_err_as_published() {
    let published = [(Compressor::Momeni1, 5888.0, 9.199e-4), (Compressor::Momeni2, 9320.0, 7.827e-4)];
    for (compressor, right, distance) in published {
        let spec = design(Family::CompressorTree { compressor, columns: 7 }, 8, false);
        let errors = errors(&spec, (1..256).flat_map(|a| (1..256).map(move |b| (a, b))));
        assert_near(errors.pairs * (1.0 - errors.rate / 100.0), right, 1e-6);
        assert_near(errors.mean_distance / 65025.0, distance, 5e-8);
    }
}
