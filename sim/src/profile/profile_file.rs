//! Error profiles as NPZ archives, which `numpy.load` opens; `traces/README.md` lists the keys.

use super::mass_function::MassFunction;
use super::{ErrorProfile, ProfileMetadata, Stimulus};
use crate::multiplier::ProductTable;
use crate::npy::{self, NpyFile};
use std::io::{Read, Seek, Write};

/// A profile or a trace that could not be read or written.
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

fn invalid<T>(key: &'static str, problem: String) -> Result<T, ProfileError> {
    Err(ProfileError::Invalid { key, problem })
}

impl ErrorProfile {
    /// Writes an NPZ archive; equal profiles make equal bytes.
    pub fn write(&self, sink: impl Write + Seek) -> std::io::Result<()> {
        let Shapes { table, operands, transitions, classes } = Shapes::of(&self.metadata);
        let mut archive = Archive::new(sink);
        archive.array("product", &table, &self.product)?;
        archive.array("error_rate", &operands, &self.error_rate)?;
        archive.array("error_mean", &operands, &self.error_mean)?;
        archive.array("error_var", &operands, &self.error_var)?;
        archive.array("energy_fj", &operands, &self.energy_fj)?;
        archive.array("stimulus", &transitions, self.stimulus.transitions())?;
        archive.vector("weight_prob", self.stimulus.weights())?;
        archive.vector("bit_flip_01", &self.bit_flip_01)?;
        archive.vector("bit_flip_10", &self.bit_flip_10)?;
        for (name, mass) in [("", &self.total), ("timing_", &self.timing), ("approximation_", &self.approximation)] {
            archive.vector(&format!("{name}pmf_value"), &mass.value)?;
            archive.vector(&format!("{name}pmf_prob"), &mass.probability)?;
        }
        let mut start = vec![0u32];
        for mass in &self.classes {
            start.push(start[start.len() - 1] + mass.len() as u32);
        }
        debug_assert_eq!(classes.iter().product::<u64>(), self.classes.len() as u64);
        archive.vector("class_pmf_start", &start)?;
        let values: Vec<i32> = self.classes.iter().flat_map(|mass| &mass.value).copied().collect();
        archive.vector("class_pmf_value", &values)?;
        let probabilities: Vec<f64> = self.classes.iter().flat_map(|mass| &mass.probability).copied().collect();
        archive.vector("class_pmf_prob", &probabilities)?;
        archive.vector("metadata", &serde_json::to_vec(&self.metadata).expect("metadata serialise"))?;
        archive.finish()
    }

    /// Reads and checks a profile.
    pub fn read(source: impl Read + Seek) -> Result<Self, ProfileError> {
        let mut zip = zip::ZipArchive::new(source).map_err(|error| ProfileError::Archive(error.to_string()))?;
        let metadata = read_metadata(&mut zip)?;
        let Shapes { table, operands, transitions, classes } = Shapes::of(&metadata);
        let (weights, bits) = ([table[1]], [u64::from(metadata.product_bits)]);
        let product = array(&mut zip, "product", &table)?;
        let stimulus: Vec<f64> = array(&mut zip, "stimulus", &transitions)?;
        let weight_prob: Vec<f64> = array(&mut zip, "weight_prob", &weights)?;
        for (key, probabilities) in [("stimulus", &stimulus), ("weight_prob", &weight_prob)] {
            check_probabilities(key, probabilities)?;
        }
        let profile = Self {
            product,
            stimulus: Stimulus::from_file(&metadata, stimulus, weight_prob),
            error_rate: array(&mut zip, "error_rate", &operands)?,
            error_mean: array(&mut zip, "error_mean", &operands)?,
            error_var: array(&mut zip, "error_var", &operands)?,
            energy_fj: array(&mut zip, "energy_fj", &operands)?,
            bit_flip_01: array(&mut zip, "bit_flip_01", &bits)?,
            bit_flip_10: array(&mut zip, "bit_flip_10", &bits)?,
            timing: mass_function(&mut zip, "timing_pmf_value", "timing_pmf_prob")?,
            approximation: mass_function(&mut zip, "approximation_pmf_value", "approximation_pmf_prob")?,
            total: mass_function(&mut zip, "pmf_value", "pmf_prob")?,
            classes: class_mass_functions(&mut zip, classes.iter().product::<u64>() as usize)?,
            metadata,
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let rates = self.error_rate.iter().map(|&rate| f64::from(rate));
        let flips = [("bit_flip_01", &self.bit_flip_01), ("bit_flip_10", &self.bit_flip_10)];
        let flips = flips.into_iter().flat_map(|(key, rates)| rates.iter().map(move |&rate| (key, rate)));
        if let Some((key, rate)) =
            rates.map(|rate| ("error_rate", rate)).chain(flips).find(|(_, rate)| !(0.0..=1.0).contains(rate))
        {
            return invalid(key, format!("{rate} is not a rate between 0 and 1"));
        }
        for (key, values, least) in [
            ("error_mean", &self.error_mean, f32::NEG_INFINITY),
            ("error_var", &self.error_var, 0.0),
            ("energy_fj", &self.energy_fj, 0.0),
        ] {
            if let Some(value) = values.iter().find(|value| !(value.is_finite() && **value >= least)) {
                return invalid(key, format!("{value} is not possible"));
            }
        }
        let metadata = &self.metadata;
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

/// Shapes that follow from the operands' widths.
struct Shapes {
    table: [u64; 2],
    operands: [u64; 2],
    transitions: [u64; 2],
    classes: [u64; 2],
}

impl Shapes {
    fn of(metadata: &ProfileMetadata) -> Self {
        let &ProfileMetadata { width_a, width_b, activation_bits, .. } = metadata;
        Self {
            table: [1 << width_a, 1 << width_b],
            operands: [1 << activation_bits, 1 << width_b],
            transitions: [1 << activation_bits; 2],
            classes: [u64::from(activation_bits) + 1, u64::from(width_b) + 1],
        }
    }
}

fn read_metadata(zip: &mut zip::ZipArchive<impl Read + Seek>) -> Result<ProfileMetadata, ProfileError> {
    let not_json = |error: serde_json::Error| ProfileError::Invalid { key: "metadata", problem: error.to_string() };
    let bytes: Vec<u8> = vector(zip, "metadata")?;
    let found: serde_json::Value = serde_json::from_slice(&bytes).map_err(not_json)?;
    let schema = found.get("schema").and_then(|schema| schema.as_str()).unwrap_or("no schema");
    if schema != ErrorProfile::SCHEMA {
        return Err(ProfileError::Schema { found: schema.to_owned(), expected: ErrorProfile::SCHEMA });
    }
    let metadata: ProfileMetadata = serde_json::from_value(found).map_err(not_json)?;
    let ProfileMetadata { width_a, width_b, activation_bits, .. } = metadata;
    if !(1..=17).contains(&metadata.product_bits) {
        return invalid("metadata", format!("products of {} bits", metadata.product_bits));
    }
    let operands = 1..=8;
    if !operands.contains(&width_a) || !operands.contains(&width_b) || !(1..=width_a).contains(&activation_bits) {
        let problem = format!("operands of {width_a} × {width_b} bits, activations of {activation_bits}");
        return invalid("metadata", problem);
    }
    Ok(metadata)
}

fn check_probabilities(key: &'static str, probabilities: &[f64]) -> Result<(), ProfileError> {
    let sum: f64 = probabilities.iter().sum();
    if probabilities.iter().any(|probability| !(0.0..=1.000_001).contains(probability)) || (sum - 1.0).abs() > 1e-6 {
        return invalid(key, format!("not probabilities; they sum to {sum}"));
    }
    Ok(())
}

fn checked_mass(
    (value_key, value): (&'static str, Vec<i32>),
    (probability_key, probability): (&'static str, Vec<f64>),
) -> Result<MassFunction, ProfileError> {
    if value.len() != probability.len() {
        return invalid(probability_key, format!("{} probabilities of {} values", probability.len(), value.len()));
    }
    if value.windows(2).any(|pair| pair[0] >= pair[1]) {
        return invalid(value_key, "values must ascend".to_owned());
    }
    check_probabilities(probability_key, &probability)?;
    Ok(MassFunction { value, probability })
}

fn mass_function(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    value_key: &'static str,
    probability_key: &'static str,
) -> Result<MassFunction, ProfileError> {
    let value = vector(zip, value_key)?;
    checked_mass((value_key, value), (probability_key, vector(zip, probability_key)?))
}

fn class_mass_functions(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    classes: usize,
) -> Result<Vec<MassFunction>, ProfileError> {
    let start: Vec<u32> = array(zip, "class_pmf_start", &[classes as u64 + 1])?;
    let value: Vec<i32> = vector(zip, "class_pmf_value")?;
    let probability: Vec<f64> = vector(zip, "class_pmf_prob")?;
    let ascend = start.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ascend || start[0] != 0 || start[classes] as usize != value.len() || value.len() != probability.len() {
        return invalid("class_pmf_start", "does not divide class_pmf_value and class_pmf_prob".to_owned());
    }
    let class = |range: std::ops::Range<usize>| {
        if range.is_empty() {
            return Ok(MassFunction::default());
        }
        let values = ("class_pmf_value", value[range.clone()].to_vec());
        checked_mass(values, ("class_pmf_prob", probability[range].to_vec()))
    };
    start.windows(2).map(|pair| class(pair[0] as usize..pair[1] as usize)).collect()
}

/// An NPZ archive being written.
pub(crate) struct Archive<W: Write + Seek> {
    zip: zip::ZipWriter<W>,
}

impl<W: Write + Seek> Archive<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { zip: zip::ZipWriter::new(sink) }
    }

    pub(crate) fn vector<T: npy::Element>(&mut self, key: &str, values: &[T]) -> std::io::Result<()> {
        self.array(key, &[values.len() as u64], values)
    }

    pub(crate) fn array<T: npy::Element>(&mut self, key: &str, shape: &[u64], values: &[T]) -> std::io::Result<()> {
        // A fixed date, so that equal contents are equal files. The lowest level: higher ones take four times as long
        // for a tenth less.
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(Some(1))
            .last_modified_time(zip::DateTime::default());
        self.zip.start_file(npy::file_name(key), options)?;
        npy::write(&mut self.zip, shape, values)
    }

    pub(crate) fn finish(self) -> std::io::Result<()> {
        self.zip.finish()?;
        Ok(())
    }
}

/// An array of `shape`.
fn array<T: npy::Element>(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    key: &'static str,
    shape: &[u64],
) -> Result<Vec<T>, ProfileError> {
    let (found, values) = any_array(zip, key)?;
    if found != shape { invalid(key, format!("shape {found:?}, not {shape:?}")) } else { Ok(values) }
}

/// An array of one dimension and any length.
fn vector<T: npy::Element>(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    key: &'static str,
) -> Result<Vec<T>, ProfileError> {
    let (found, values) = any_array(zip, key)?;
    if found.len() != 1 { invalid(key, format!("shape {found:?}, not one dimension")) } else { Ok(values) }
}

fn any_array<T: npy::Element>(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    key: &'static str,
) -> Result<(Vec<u64>, Vec<T>), ProfileError> {
    let unreadable = |problem: String| ProfileError::Invalid { key, problem };
    let file = zip.by_name(&npy::file_name(key)).map_err(|error| unreadable(error.to_string()))?;
    let array = NpyFile::new(file).map_err(|error| unreadable(error.to_string()))?;
    // More than any profile has, less than exhausts the memory.
    if array.len() > 1 << 24 {
        return Err(unreadable(format!("{} elements are too many", array.len())));
    }
    let shape = array.shape().to_vec();
    let values = array.into_vec().map_err(|error| unreadable(error.to_string()))?;
    Ok((shape, values))
}
