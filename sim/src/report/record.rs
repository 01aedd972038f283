//! One simulated point: what ran, how accurate it was, and what it cost.

use crate::array::EnergyComponents;
use serde::{Deserialize, Serialize};

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
    /// Supply of the weight memory, V.
    pub sram_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// How true to the gates the products are.
    pub fidelity: String,
    /// Chip, if memory cells fail.
    pub chip: Option<u64>,
    /// How weights are stored and protected, if the network was trained for it or memory cells fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Share of memory cells that fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_error_rate: Option<f64>,
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
