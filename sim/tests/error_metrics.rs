//! Error metrics from the streamed circuit equal those of the table, for every family of the catalogue.

use axtrain_sim::multiplier::{MultiplierSpec, designs};
use axtrain_sim::profile::{ErrorMetrics, MetricOptions};

/// Both ways sum the same integers; relative errors are added in another order.
fn assert_same(streamed: &ErrorMetrics, table: &ErrorMetrics, name: &str) {
    let relative = |metrics: &ErrorMetrics| (metrics.mre_percent, metrics.wcre_percent);
    let ((mre, wcre), (table_mre, table_wcre)) = (relative(streamed), relative(table));
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-12 * y.abs();
    assert!(close(mre, table_mre) && close(wcre, table_wcre), "{name}: {mre} {wcre}, {table_mre} {table_wcre}");
    let rest = |metrics: &ErrorMetrics| ErrorMetrics { mre_percent: 0.0, wcre_percent: 0.0, ..*metrics };
    assert_eq!(rest(streamed), rest(table), "{name}");
}

fn assert_streams_as_tabulated(spec: &MultiplierSpec) {
    let streamed = ErrorMetrics::of_netlist(&spec.netlist(), spec.signed(), MetricOptions::default());
    let table = spec.table().expect("narrow enough for a table");
    assert_same(&streamed, &ErrorMetrics::of_table(&table, MetricOptions::default()), spec.name());
}

/// Widths on both sides of a block's 512 pairs, whichever operand fills it.
#[test]
fn every_small_design_has_the_metrics_of_its_table() {
    for (width_a, width_b) in [(1, 1), (3, 3), (4, 5), (5, 4), (6, 6), (2, 9), (9, 2), (3, 10), (10, 3)] {
        for signed in [false, true] {
            designs(width_a, width_b, signed).iter().step_by(29).for_each(assert_streams_as_tabulated);
        }
    }
}

#[test]
fn one_design_of_each_family_has_the_metrics_of_its_table() {
    for (width_a, width_b, signed) in [(8, 8, false), (8, 8, true), (5, 11, true), (11, 5, false)] {
        let designs = designs(width_a, width_b, signed);
        for family in designs.chunk_by(|first, second| first.family().name() == second.family().name()) {
            assert_streams_as_tabulated(&family[family.len() / 2]);
        }
    }
}
