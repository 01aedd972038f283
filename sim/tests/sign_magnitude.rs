//! Unsigned multipliers wrapped as sign–magnitude: every product, against arithmetic that knows no gates.

use axtrain_sim::multiplier::{Family, Multiplier, MultiplierSpec, NumberFormat, ProductTable};
use axtrain_sim::profile::{ErrorMetrics, MetricOptions, product_table};

fn unsigned(family: Family, width_a: u32, width_b: u32) -> MultiplierSpec {
    MultiplierSpec::new("m", family, width_a, width_b, false).unwrap()
}

/// All 65,536 products of int8 operands: the gates of the wrapped circuit, the family's arithmetic on magnitudes, and the table of the
/// unsigned multiplier wrapped as a table.
#[test]
fn every_product_is_that_of_the_magnitudes_with_the_sign_of_the_operands() {
    let families = [
        Family::Array,
        Family::OperandTruncated { a: 2, b: 2 },
        Family::BrokenArray { horizontal: 1, vertical: 4 },
        Family::Mitchell,
        Family::Drum { segment: 4 },
    ];
    for family in families {
        for (width_a, width_b) in [(8, 8), (7, 7), (7, 8)] {
            let spec = unsigned(family, width_a, width_b);
            let wrapped = Multiplier::from(spec.clone()).sign_magnitude("wrapped").unwrap();
            assert_eq!((wrapped.width_a(), wrapped.width_b(), wrapped.signed()), (8, 8, true));
            let table = product_table(&wrapped);
            let magnitude = |value: i64, bits: u32| value.abs().min((1 << bits) - 1) as u32;
            for a in -128..128_i64 {
                for b in -128..128_i64 {
                    let product = spec.product(magnitude(a, width_a), magnitude(b, width_b));
                    let expected = if (a < 0) == (b < 0) { product } else { -product };
                    let found = table.product(a as u32, b as u32);
                    assert_eq!(i64::from(found), expected, "{family:?} {width_a}×{width_b}: {a} · {b}");
                }
            }
            assert_eq!(spec.table().unwrap().sign_magnitude().unwrap(), table);
        }
    }
}

/// Magnitudes of 8 bits take all of int8, those of 7 bits all but −128.
#[test]
fn exact_magnitudes_make_an_exact_multiplier() {
    let exact = ProductTable::exact(8, 8, true);
    let wrapped = |width| Multiplier::from(unsigned(Family::Array, width, width)).sign_magnitude("w").unwrap();
    assert_eq!(product_table(&wrapped(8)), exact);
    let narrow = product_table(&wrapped(7));
    for (code, (found, expected)) in narrow.products().iter().zip(exact.products()).enumerate() {
        let lowest = [code >> 8, code & 255].contains(&128);
        assert!(found == expected || lowest, "{code:04x}");
    }
    let metrics = |width| ErrorMetrics::of_multiplier(&wrapped(width), MetricOptions::default());
    assert_eq!(metrics(8).wce, 0);
    // −128 · −128 is 127 · 127.
    assert_eq!(metrics(7).wce, 128 * 128 - 127 * 127);
    let alike = wrapped(7).exact().unwrap();
    assert_eq!((alike.coding(), product_table(&alike)), (wrapped(7).coding(), narrow));
}

#[test]
fn what_has_a_sign_or_is_too_wide_is_refused() {
    let signed = Multiplier::from(MultiplierSpec::new("s", Family::Array, 8, 8, true).unwrap());
    let message = signed.clone().sign_magnitude("w").unwrap_err().to_string();
    assert!(message.contains("unsigned") && message.contains("twos-complement"), "{message}");
    assert!(Multiplier::from(unsigned(Family::Array, 8, 9)).sign_magnitude("w").is_err());
    assert_eq!(ProductTable::exact(8, 8, true).sign_magnitude(), None);
    assert_eq!(signed.coding().format(), NumberFormat::TwosComplement);
}
