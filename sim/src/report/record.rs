//! One simulated point: what ran, how accurate it was, and what it cost.

use crate::array::EnergyComponents;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Multiplier.
    pub design: String,
    /// Technology.
    pub technology: String,
    /// Array.
    pub array: String,
    /// Data set.
    pub dataset: String,
    /// Network.
    pub model: String,
    /// Training method.
    pub method: String,
    /// Seed the network was trained with.
    pub seed: u64,
    /// Supply of the logic, V.
    pub supply_v: f64,
    /// Supply of the memories, V.
    pub sram_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// How true to the gates the products are.
    pub fidelity: String,
    /// Virtual chip, if cells vary.
    pub chip: Option<u64>,
}

/// Where a result comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// SHA-256 of the experiment file.
    pub experiment_sha256: String,
    /// SHA-256 of the design's product table.
    pub table_sha256: String,
    /// Hash of everything that determined the weights.
    pub weights_fingerprint: String,
    /// Conditions under which the numbers mean less than they seem to; empty if there are none.
    pub warnings: Vec<String>,
}

/// Result at one point. Energy, cycles and latency are per image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub schema: String,
    /// What was simulated.
    pub point: Point,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// 95 % confidence interval of the accuracy (Wilson score), from the finite number of images.
    pub accuracy_ci95: [f64; 2],
    /// Test images.
    pub images: usize,
    /// Clock cycles.
    pub cycles: f64,
    /// Time, µs.
    pub latency_us: f64,
    /// Energy, µJ.
    pub energy_uj: EnergyComponents,
    /// Share of multiplications that sampled a wrong product.
    pub product_error_rate: f64,
    /// Where the result comes from.
    pub provenance: Provenance,
}

impl Record {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/record/1";
}

/// The 95 % confidence interval of a share of `successes` in `trials` (Wilson 1927).
pub fn wilson_interval(successes: usize, trials: usize) -> [f64; 2] {
    if trials == 0 {
        return [0.0, 1.0];
    }
    let z = Normal::standard().inverse_cdf(0.975);
    let (n, share) = (trials as f64, successes as f64 / trials as f64);
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked example of Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 gives 0.2553 … 0.3662.
    #[test]
    fn wilson_interval_of_a_published_example() {
        let [low, high] = wilson_interval(81, 263);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        assert_eq!(wilson_interval(0, 0), [0.0, 1.0]);
        assert_eq!(wilson_interval(0, 10)[0], 0.0);
        assert_eq!(wilson_interval(10, 10)[1], 1.0);
    }
}
