//! The contract between circuit and training: which errors a multiplier makes at an operating point, how often, and
//! given which operands. Stored as NPZ; `traces/README.md` lists the keys.

use super::{SampledErrors, TransitionTable};
use crate::multiplier::ProductTable;
use npyz::WriterBuilder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};

/// How often each activation follows each other one.
#[derive(Clone, Debug, PartialEq)]
pub struct Stimulus {
    name: String,
    activation_bits: u32,
    /// `[previous][activation]`, summing to 1.
    probability: Vec<f64>,
}

impl Stimulus {
    /// Every (previous, activation) pair equally often.
    pub fn uniform(activation_bits: u32) -> Self {
        let pairs = 1usize << (2 * activation_bits);
        let name = "weight-stationary exhaustive uniform".to_owned();
        Self { name, activation_bits, probability: vec![1.0 / pairs as f64; pairs] }
    }

    /// Name, as reports show it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What identifies a profile: design, technology, operating point and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileMetadata {
    /// Version of this format.
    pub schema: String,
    /// Design name.
    pub design: String,
    /// Bits of the first operand (the activation) in the product table.
    pub width_a: u32,
    /// Bits of the second operand (the weight).
    pub width_b: u32,
    /// Whether codes are two's complement.
    pub signed: bool,
    /// SHA-256 of `product`.
    pub table_sha256: String,
    /// Technology name.
    pub technology: String,
    /// Supply, V.
    pub supply_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// Sampling window at nominal speed, ps.
    pub window_ps: u32,
    /// Distribution of (previous, current) activations the marginals are over.
    pub stimulus: String,
    /// Bits of an activation code in the per-operand arrays.
    pub activation_bits: u32,
    /// Version of the program.
    pub version: String,
}

/// Errors of a multiplier at one operating point.
///
/// Invariant: `product` has 2^(width_a + width_b) entries, the per-operand arrays 2^(activation_bits + width_b),
/// the bit flips one entry a product bit; rates and probabilities are in 0…1 and finite.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorProfile {
    /// Identity and provenance.
    pub metadata: ProfileMetadata,
    /// Settled products `[a][b]`.
    pub product: Vec<i32>,
    /// Probability that the sampled product differs from the settled one, `[activation][weight]`, marginal over the
    /// previous activation.
    pub error_rate: Vec<f32>,
    /// Mean of sampled − settled, likewise.
    pub error_mean: Vec<f32>,
    /// Variance of sampled − settled, likewise.
    pub error_var: Vec<f32>,
    /// Mean switching energy, fJ at the operating point, likewise.
    pub energy_fj: Vec<f32>,
    /// Probability that each product bit is sampled 1 and settles to 0 (uniform over transitions), LSB first.
    pub bit_flip_01: Vec<f64>,
    /// Probability that each product bit is sampled 0 and settles to 1.
    pub bit_flip_10: Vec<f64>,
    /// Values that sampled − settled takes, ascending, 0 included.
    pub timing_pmf_value: Vec<i32>,
    /// Their probabilities under the stimulus and uniform weights.
    pub timing_pmf_prob: Vec<f64>,
    /// Values that settled − exact takes over all operand pairs, ascending.
    pub approximation_pmf_value: Vec<i32>,
    /// Their probabilities, all operand pairs equally likely.
    pub approximation_pmf_prob: Vec<f64>,
}

/// A profile that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file system refused, or the file is not an NPZ archive.
    #[error("not readable as a profile: {0}")]
    Archive(String),
    /// Written by another version of the format.
    #[error("the profile follows {found}; this program reads {expected}: write it again with `axtrain trace`")]
    Schema {
        /// What the file says.
        found: String,
        /// [`ErrorProfile::SCHEMA`].
        expected: &'static str,
    },
    /// Content that contradicts itself.
    #[error("{key}: {problem}")]
    Invalid {
        /// The array.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl ErrorProfile {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/profile/1";

    /// Condenses one operating point of a transition table. `switching_factor` carries energy from nominal to the
    /// point's supply.
    pub fn new(
        metadata: ProfileMetadata,
        product: &ProductTable,
        table: &TransitionTable,
        errors: &SampledErrors,
        stimulus: &Stimulus,
        switching_factor: f64,
    ) -> Self {
        let (activations, weights) = (1usize << table.activation_bits(), 1usize << table.weight_bits());
        let cells = activations * weights;
        let (mut rate, mut mean, mut square, mut energy) =
            (vec![0f64; cells], vec![0f64; cells], vec![0f64; cells], vec![0f64; cells]);
        let mut occurrence = vec![0f64; activations];
        let mut pmf: BTreeMap<i32, f64> = BTreeMap::new();
        let mut wrong = 0.0;
        let quantum = table.energy_quantum() * switching_factor;
        for (pair, &probability) in stimulus.probability.iter().enumerate() {
            let activation = pair % activations;
            occurrence[activation] += probability;
            let row = activation * weights;
            for (sum, &units) in energy[row..][..weights].iter_mut().zip(table.energy_row(pair)) {
                *sum += probability * f64::from(units) * quantum;
            }
            let (codes, deltas) = errors.row(pair);
            for (&weight, &delta) in codes.iter().zip(deltas) {
                let cell = row + usize::from(weight);
                let value = f64::from(delta);
                rate[cell] += probability;
                mean[cell] += probability * value;
                square[cell] += probability * value * value;
                *pmf.entry(delta).or_default() += probability / weights as f64;
                wrong += probability / weights as f64;
            }
        }
        *pmf.entry(0).or_default() += (1.0 - wrong).max(0.0);
        for cell in 0..cells {
            let occurrence = occurrence[cell / weights];
            if occurrence > 0.0 {
                for sums in [&mut rate, &mut mean, &mut square, &mut energy] {
                    sums[cell] /= occurrence;
                }
            }
        }
        let variance = square.iter().zip(&mean).map(|(square, mean)| (square - mean * mean).max(0.0) as f32);
        let transitions = table.transitions() as f64;
        let exact = ProductTable::exact(product.width_a(), product.width_b(), product.signed());
        let mut approximation: BTreeMap<i32, u64> = BTreeMap::new();
        for (approximate, exact) in product.products().iter().zip(exact.products()) {
            *approximation.entry(approximate - exact).or_default() += 1;
        }
        let pairs = product.products().len() as f64;
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Self {
            product: product.products().to_vec(),
            error_var: variance.collect(),
            error_rate: single(rate),
            error_mean: single(mean),
            energy_fj: single(energy),
            bit_flip_01: errors.bit_flips().map(|[up, _]| up as f64 / transitions).collect(),
            bit_flip_10: errors.bit_flips().map(|[_, down]| down as f64 / transitions).collect(),
            timing_pmf_value: pmf.keys().copied().collect(),
            timing_pmf_prob: pmf.values().copied().collect(),
            approximation_pmf_value: approximation.keys().copied().collect(),
            approximation_pmf_prob: approximation.values().map(|&count| count as f64 / pairs).collect(),
            metadata,
        }
    }

    /// Writes an NPZ archive that `numpy.load` opens.
    pub fn write(&self, sink: impl Write + Seek) -> std::io::Result<()> {
        let ProfileMetadata { width_a, width_b, activation_bits, .. } = self.metadata;
        let operands = [1u64 << activation_bits, 1 << width_b];
        let mut archive = Archive { zip: zip::ZipWriter::new(sink) };
        archive.array("product", &[1 << width_a, 1 << width_b], &self.product)?;
        archive.array("error_rate", &operands, &self.error_rate)?;
        archive.array("error_mean", &operands, &self.error_mean)?;
        archive.array("error_var", &operands, &self.error_var)?;
        archive.array("energy_fj", &operands, &self.energy_fj)?;
        archive.vector("bit_flip_01", &self.bit_flip_01)?;
        archive.vector("bit_flip_10", &self.bit_flip_10)?;
        archive.vector("timing_pmf_value", &self.timing_pmf_value)?;
        archive.vector("timing_pmf_prob", &self.timing_pmf_prob)?;
        archive.vector("approximation_pmf_value", &self.approximation_pmf_value)?;
        archive.vector("approximation_pmf_prob", &self.approximation_pmf_prob)?;
        let metadata = serde_json::to_vec(&self.metadata).expect("metadata serialise");
        archive.vector("metadata", &metadata)?;
        archive.zip.finish()?;
        Ok(())
    }

    /// Reads and checks a profile.
    pub fn read(source: impl Read + Seek) -> Result<Self, ProfileError> {
        let mut zip = zip::ZipArchive::new(source).map_err(|error| ProfileError::Archive(error.to_string()))?;
        let metadata: Vec<u8> = array(&mut zip, "metadata")?;
        let found: serde_json::Value = serde_json::from_slice(&metadata)
            .map_err(|error| ProfileError::Invalid { key: "metadata", problem: error.to_string() })?;
        let schema = found.get("schema").and_then(|schema| schema.as_str()).unwrap_or("no schema");
        if schema != Self::SCHEMA {
            return Err(ProfileError::Schema { found: schema.to_owned(), expected: Self::SCHEMA });
        }
        let profile = Self {
            metadata: serde_json::from_value(found)
                .map_err(|error| ProfileError::Invalid { key: "metadata", problem: error.to_string() })?,
            product: array(&mut zip, "product")?,
            error_rate: array(&mut zip, "error_rate")?,
            error_mean: array(&mut zip, "error_mean")?,
            error_var: array(&mut zip, "error_var")?,
            energy_fj: array(&mut zip, "energy_fj")?,
            bit_flip_01: array(&mut zip, "bit_flip_01")?,
            bit_flip_10: array(&mut zip, "bit_flip_10")?,
            timing_pmf_value: array(&mut zip, "timing_pmf_value")?,
            timing_pmf_prob: array(&mut zip, "timing_pmf_prob")?,
            approximation_pmf_value: array(&mut zip, "approximation_pmf_value")?,
            approximation_pmf_prob: array(&mut zip, "approximation_pmf_prob")?,
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let invalid = |key, problem: String| Err(ProfileError::Invalid { key, problem });
        let metadata = &self.metadata;
        let input_bits = metadata.width_a.saturating_add(metadata.width_b);
        if input_bits > ProductTable::MAX_INPUT_BITS || metadata.activation_bits > metadata.width_a {
            return invalid("metadata", format!("widths of {input_bits} bits together are out of range"));
        }
        let (codes, width) = (1usize << input_bits, input_bits as usize);
        let operands = 1usize << (metadata.activation_bits + metadata.width_b);
        let lengths = [
            ("product", self.product.len(), codes),
            ("error_rate", self.error_rate.len(), operands),
            ("error_mean", self.error_mean.len(), operands),
            ("error_var", self.error_var.len(), operands),
            ("energy_fj", self.energy_fj.len(), operands),
            ("bit_flip_01", self.bit_flip_01.len(), width),
            ("bit_flip_10", self.bit_flip_10.len(), width),
            ("timing_pmf_prob", self.timing_pmf_prob.len(), self.timing_pmf_value.len()),
            ("approximation_pmf_prob", self.approximation_pmf_prob.len(), self.approximation_pmf_value.len()),
        ];
        for (key, found, expected) in lengths {
            if found != expected {
                return invalid(key, format!("{found} elements, not {expected}"));
            }
        }
        let rates = self.error_rate.iter().map(|&rate| f64::from(rate));
        if let Some(rate) = rates
            .chain(self.bit_flip_01.iter().chain(&self.bit_flip_10).copied())
            .find(|rate| !(0.0..=1.000_001).contains(rate))
        {
            return invalid("error_rate", format!("{rate} is not a rate between 0 and 1"));
        }
        let moments = self.error_mean.iter().chain(&self.error_var).chain(&self.energy_fj);
        if moments.clone().any(|value| !value.is_finite()) {
            return invalid("error_mean", "values must be finite".to_owned());
        }
        for (key, probabilities) in
            [("timing_pmf_prob", &self.timing_pmf_prob), ("approximation_pmf_prob", &self.approximation_pmf_prob)]
        {
            let sum: f64 = probabilities.iter().sum();
            if sum.is_nan() || (sum - 1.0).abs() > 1e-6 {
                return invalid(key, format!("probabilities sum to {sum}, not 1"));
            }
        }
        let table = ProductTable::from_fn(metadata.width_a, metadata.width_b, metadata.signed, |a, b| {
            self.product[(a << metadata.width_b | b) as usize]
        });
        let hash = table.sha256();
        if hash != metadata.table_sha256 {
            return invalid("product", format!("hashes to {hash}, but metadata say {}", metadata.table_sha256));
        }
        Ok(())
    }
}

struct Archive<W: Write + Seek> {
    zip: zip::ZipWriter<W>,
}

impl<W: Write + Seek> Archive<W> {
    fn vector<T: npyz::AutoSerialize + Copy>(&mut self, key: &str, values: &[T]) -> std::io::Result<()> {
        self.array(key, &[values.len() as u64], values)
    }

    fn array<T: npyz::AutoSerialize + Copy>(
        &mut self,
        key: &str,
        shape: &[u64],
        values: &[T],
    ) -> std::io::Result<()> {
        // A fixed date, so that equal profiles are equal files.
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default());
        self.zip.start_file(npyz::npz::file_name_from_array_name(key), options)?;
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut self.zip).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    }
}

fn array<T: npyz::Deserialize>(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    key: &'static str,
) -> Result<Vec<T>, ProfileError> {
    let invalid = |problem: String| ProfileError::Invalid { key, problem };
    let name = npyz::npz::file_name_from_array_name(key);
    let file = zip.by_name(&name).map_err(|error| invalid(error.to_string()))?;
    let array = npyz::NpyFile::new(file).map_err(|error| invalid(error.to_string()))?;
    if array.len() > 1 << ProductTable::MAX_INPUT_BITS {
        return Err(invalid(format!("{} elements are too many", array.len())));
    }
    array.into_vec().map_err(|error| invalid(error.to_string()))
}
