//! How far an approximate multiplier is from the exact one.

use crate::multiplier::{ProductTable, operand_value};
use serde::{Deserialize, Serialize};

/// Error metrics over all operand pairs, in EvoApproxLib's conventions.
///
/// e = approximate − exact product of an n × m-bit multiplier; averages are over all 2^(n+m) pairs unless said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorMetrics {
    /// Mean of |e| (mean error distance).
    pub mae: f64,
    /// `mae` in percent of 2^(n+m).
    pub mae_percent: f64,
    /// Largest |e|.
    pub wce: u64,
    /// `wce` in percent of 2^(n+m).
    pub wce_percent: f64,
    /// Largest |e / exact| over pairs with a nonzero exact product, percent.
    pub wcre_percent: f64,
    /// Share of pairs with e ≠ 0, percent.
    pub ep_percent: f64,
    /// Mean of |e / exact| over pairs with a nonzero exact product, percent.
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

impl ErrorMetrics {
    /// Compares every product of a table with the exact one.
    pub fn exhaustive(table: &ProductTable) -> Self {
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
        let largest = if table.signed() {
            2f64.powi((n + m) as i32 - 2)
        } else {
            (2f64.powi(n as i32) - 1.0) * (2f64.powi(m as i32) - 1.0)
        };
        let (mae, mse, mean_error) = (absolute as f64 / pairs, squares as f64 / pairs, sum as f64 / pairs);
        Self {
            mae,
            mae_percent: 100.0 * mae / pairs,
            wce,
            wce_percent: 100.0 * wce as f64 / pairs,
            wcre_percent: 100.0 * worst_relative,
            ep_percent: 100.0 * wrong as f64 / pairs,
            mre_percent: 100.0 * relative / nonzero.max(1) as f64,
            mse,
            mean_error,
            variance: mse - mean_error * mean_error,
            nmed: mae / largest,
            noeb: f64::from(n + m) - (1.0 + mse.sqrt()).log2(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_table_has_no_error() {
        let metrics = ErrorMetrics::exhaustive(&ProductTable::exact(6, 5, true));
        assert_eq!((metrics.mae, metrics.wce, metrics.ep_percent, metrics.noeb), (0.0, 0, 0.0, 11.0));
    }

    /// mul8u_Y48 of EvoApproxLib is exact − 2·[a mod 4 = 3 ∧ b mod 4 = 3]: one pair in 16 is wrong, by 2.
    /// Its page gives EP 6.25 %, MSE 0.25, WCE 0.0031 %.
    #[test]
    fn a_published_circuit_has_its_published_metrics() {
        let table =
            ProductTable::from_fn(8, 8, false, |a, b| (a * b) as i32 - if a % 4 == 3 && b % 4 == 3 { 2 } else { 0 });
        assert_eq!(table.sha256(), "a9ac99b1406d45bfad5e3f7745429e96d8f6ec9206eb53d6a1be82580d34c789");
        let metrics = ErrorMetrics::exhaustive(&table);
        assert_eq!((metrics.ep_percent, metrics.mse, metrics.wce), (6.25, 0.25, 2));
        assert_eq!((metrics.mae, metrics.mean_error, metrics.variance), (0.125, -0.125, 0.25 - 0.125 * 0.125));
        assert!((metrics.wce_percent - 0.0031).abs() < 5e-5);
        // Worst relative error: 3 · 3 becomes 7.
        assert!((metrics.wcre_percent - 200.0 / 9.0).abs() < 1e-9);
    }
}
