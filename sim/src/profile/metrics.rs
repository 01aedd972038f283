//! How far an approximate multiplier is from the exact one.

use crate::multiplier::{ProductTable, operand_value};
use serde::{Deserialize, Serialize};

/// Error metrics over all operand pairs, in EvoApproxLib's conventions unless [`MetricOptions`] say otherwise.
///
/// e = approximate − exact product of an n × m-bit multiplier; averages are over all 2^(n+m) pairs unless said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorMetrics {
    /// Mean of |e| (mean error distance).
    pub mae: f64,
    /// `mae` in percent of the [`Normaliser`], 2^(n+m) by default.
    pub mae_percent: f64,
    /// Largest |e|.
    pub wce: u64,
    /// `wce` in percent of the [`Normaliser`], 2^(n+m) by default.
    pub wce_percent: f64,
    /// Largest |e / exact| over pairs with a nonzero exact product, percent.
    pub wcre_percent: f64,
    /// Share of pairs with e ≠ 0, percent.
    pub ep_percent: f64,
    /// Mean of |e / exact|, percent, over the pairs of the [`ZeroPolicy`], those with a nonzero exact product by default.
    pub mre_percent: f64,
    /// Mean of e².
    pub mse: f64,
    /// Mean of e.
    pub mean_error: f64,
    /// Variance of e.
    pub variance: f64,
    /// `mae` over the largest exact magnitude: (2^n−1)(2^m−1) unsigned, 2^(n+m−2) signed.
    pub nmed: f64,
    /// Number of effective bits, n + m − log2(1 + √mse) (Strollo et al. 2020).
    pub noeb: f64,
}

/// What error distances are percentages of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normaliser {
    /// 2^(n+m), for signed products too (EvoApproxLib).
    #[default]
    CodeRange,
    /// The largest exact magnitude: (2^n−1)(2^m−1) unsigned, 2^(n+m−2) signed.
    LargestProduct,
    /// (2^n−1)(2^m−1), for signed products too (Jiang et al. 2017).
    LargestUnsigned,
}

/// Which operand pairs the mean relative error is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroPolicy {
    /// Those with a nonzero exact product (EvoApproxLib).
    #[default]
    Skip,
    /// All; the relative error of an exact product of zero counts as zero.
    Count,
}

/// Conventions in which published numbers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricOptions {
    /// What `mae_percent` and `wce_percent` are percentages of.
    pub normaliser: Normaliser,
    /// What `mre_percent` averages over.
    pub zeros: ZeroPolicy,
}

/// Widths of a multiplier's operands and whether they and the product are two's complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperandFormat {
    /// Bits of the first operand.
    pub width_a: u32,
    /// Bits of the second operand.
    pub width_b: u32,
    /// Two's complement.
    pub signed: bool,
}

impl OperandFormat {
    /// The format of a table.
    pub fn of_table(table: &ProductTable) -> Self {
        Self { width_a: table.width_a(), width_b: table.width_b(), signed: table.signed() }
    }

    /// Bits of the product.
    pub fn product_width(self) -> u32 {
        self.width_a + self.width_b
    }

    /// The numbers that a code a · 2^width_b + b stands for.
    pub fn values(self, code: u64) -> (i64, i64) {
        let (a, b) = ((code >> self.width_b) as u32, (code & ((1 << self.width_b) - 1)) as u32);
        (operand_value(a, self.width_a, self.signed), operand_value(b, self.width_b, self.signed))
    }

    fn largest_unsigned(self) -> f64 {
        (2f64.powi(self.width_a as i32) - 1.0) * (2f64.powi(self.width_b as i32) - 1.0)
    }

    fn largest_product(self) -> f64 {
        if self.signed { 2f64.powi(self.product_width() as i32 - 2) } else { self.largest_unsigned() }
    }
}

/// Averages over operand pairs, and the extremes among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Averages {
    pub(super) error: f64,
    pub(super) distance: f64,
    pub(super) square: f64,
    /// Share of pairs with e ≠ 0.
    pub(super) wrong: f64,
    /// Mean of |e / exact|, zero where the exact product is.
    pub(super) relative: f64,
    /// Share of pairs with a nonzero exact product.
    pub(super) nonzero: f64,
    pub(super) largest: u64,
    pub(super) largest_relative: f64,
}

impl ErrorMetrics {
    /// Compares every product of a table with the exact one, one after the other: the plain definition, which
    /// [`Self::of_netlist`] is checked against.
    pub fn of_table(table: &ProductTable, options: MetricOptions) -> Self {
        let (n, m) = (table.width_a(), table.width_b());
        let (mut sum, mut absolute, mut squares, mut wrong, mut wce) = (0i128, 0u128, 0u128, 0u64, 0u64);
        let (mut relative, mut worst_relative, mut nonzero) = (0.0f64, 0.0f64, 0u64);
        for a_code in 0..1 << n {
            let a = operand_value(a_code, n, table.signed());
            for b_code in 0..1 << m {
                let exact = a * operand_value(b_code, m, table.signed());
                let error = i64::from(table.product(a_code, b_code)) - exact;
                let distance = error.unsigned_abs();
                sum += i128::from(error);
                absolute += u128::from(distance);
                squares += u128::from(distance) * u128::from(distance);
                wrong += u64::from(error != 0);
                wce = wce.max(distance);
                if exact != 0 {
                    let ratio = distance as f64 / exact.unsigned_abs() as f64;
                    nonzero += 1;
                    relative += ratio;
                    worst_relative = worst_relative.max(ratio);
                }
            }
        }
        let pairs = 2f64.powi((n + m) as i32);
        let averages = Averages {
            error: sum as f64 / pairs,
            distance: absolute as f64 / pairs,
            square: squares as f64 / pairs,
            wrong: wrong as f64 / pairs,
            relative: relative / pairs,
            nonzero: nonzero as f64 / pairs,
            largest: wce,
            largest_relative: worst_relative,
        };
        Self::from_averages(&averages, OperandFormat::of_table(table), options)
    }

    pub(super) fn from_averages(averages: &Averages, format: OperandFormat, options: MetricOptions) -> Self {
        let bits = format.product_width();
        let full_scale = match options.normaliser {
            Normaliser::CodeRange => 2f64.powi(bits as i32),
            Normaliser::LargestProduct => format.largest_product(),
            Normaliser::LargestUnsigned => format.largest_unsigned(),
        };
        let compared = match options.zeros {
            ZeroPolicy::Skip if averages.nonzero > 0.0 => averages.nonzero,
            _ => 1.0,
        };
        let &Averages { error, distance, square, .. } = averages;
        Self {
            mae: distance,
            mae_percent: 100.0 * distance / full_scale,
            wce: averages.largest,
            wce_percent: 100.0 * averages.largest as f64 / full_scale,
            wcre_percent: 100.0 * averages.largest_relative,
            ep_percent: 100.0 * averages.wrong,
            mre_percent: 100.0 * averages.relative / compared,
            mse: square,
            mean_error: error,
            variance: square - error * error,
            nmed: distance / format.largest_product(),
            noeb: f64::from(bits) - (1.0 + square.sqrt()).log2(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_table_has_no_error() {
        let metrics = ErrorMetrics::of_table(&ProductTable::exact(6, 5, true), MetricOptions::default());
        assert_eq!((metrics.mae, metrics.wce, metrics.ep_percent, metrics.noeb), (0.0, 0, 0.0, 11.0));
    }

    /// mul8u_Y48 of EvoApproxLib is exact − 2·[a mod 4 = 3 ∧ b mod 4 = 3]: one pair in 16 is wrong, by 2.
    /// Its page gives EP 6.25 %, MSE 0.25, WCE 0.0031 %.
    #[test]
    fn a_published_circuit_has_its_published_metrics() {
        let table =
            ProductTable::from_fn(8, 8, false, |a, b| (a * b) as i32 - if a % 4 == 3 && b % 4 == 3 { 2 } else { 0 });
        assert_eq!(table.sha256(), "a9ac99b1406d45bfad5e3f7745429e96d8f6ec9206eb53d6a1be82580d34c789");
        let metrics = ErrorMetrics::of_table(&table, MetricOptions::default());
        assert_eq!((metrics.ep_percent, metrics.mse, metrics.wce), (6.25, 0.25, 2));
        assert_eq!((metrics.mae, metrics.mean_error, metrics.variance), (0.125, -0.125, 0.25 - 0.125 * 0.125));
        assert!((metrics.wce_percent - 0.0031).abs() < 5e-5);
        // Worst relative error: 3 · 3 becomes 7.
        assert!((metrics.wcre_percent - 200.0 / 9.0).abs() < 1e-9);
    }

    #[test]
    fn conventions_scale_the_same_averages() {
        let averages = Averages {
            error: 1.0,
            distance: 2.0,
            square: 5.0,
            wrong: 0.5,
            relative: 0.25,
            nonzero: 0.75,
            largest: 4,
            largest_relative: 1.5,
        };
        let format = OperandFormat { width_a: 2, width_b: 3, signed: true };
        let metrics = |normaliser, zeros| {
            let metrics = ErrorMetrics::from_averages(&averages, format, MetricOptions { normaliser, zeros });
            (metrics.mae_percent, metrics.wce_percent, metrics.mre_percent, metrics.nmed)
        };
        // 2⁵ = 32, 2³ = 8 and 3 · 7 = 21; nmed keeps its own scale of 8.
        assert_eq!(metrics(Normaliser::CodeRange, ZeroPolicy::Skip), (6.25, 12.5, 100.0 * 0.25 / 0.75, 0.25));
        assert_eq!(metrics(Normaliser::LargestProduct, ZeroPolicy::Count), (25.0, 50.0, 25.0, 0.25));
        assert_eq!(metrics(Normaliser::LargestUnsigned, ZeroPolicy::Count).0, 200.0 / 21.0);
    }
}
