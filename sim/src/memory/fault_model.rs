//! What is known about the failures of a kind of cell.

use super::{CellGeometry, FailureLaw, MemoryError, Overhead, Overheads, VirtualChip};
use crate::units::Volts;
use serde::Deserialize;

/// How the cells of one kind of memory fail.
///
/// Invariant: the law is sound, Vmin positive, shares in 0…1, correlation in 0…1 without 1.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultModel {
    name: String,
    law: FailureLaw,
    vmin: Volts,
    node_nm: Option<f64>,
    rows: usize,
    up_share: Option<f64>,
    persistent_share: f64,
    column_correlation: f64,
    overheads: Overheads,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    node_nm: Option<f64>,
    rows: usize,
    up_share: Option<f64>,
    #[serde(default = "one")]
    persistent_share: f64,
    #[serde(default)]
    column_correlation: f64,
    law: FailureLaw,
    cell: Overhead,
    robust_cell: Overhead,
    detection: Overhead,
}

fn one() -> f64 {
    1.0
}

/// The built-in fault files: name and TOML text.
pub const BUILT_IN_FAULTS: [(&str, &str); 3] = [
    ("14nm-6t", include_str!("../../../hwconfigs/fault/14nm-6t.toml")),
    ("14nm-6t-measured", include_str!("../../../hwconfigs/fault/14nm-6t-measured.toml")),
    ("14nm-8t", include_str!("../../../hwconfigs/fault/14nm-8t.toml")),
];

/// A supply about whose failures nothing is known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{supply} is below {lowest}, where the failures of {model} begin to be known; raise the supply or extend the table"
)]
pub struct SupplyBelowLaw {
    supply: Volts,
    lowest: Volts,
    model: String,
}

impl FaultModel {
    /// Independent, persistent faults that flip what a cell holds, in arrays of 512 rows.
    pub fn new(name: &str, law: FailureLaw, vmin: Volts) -> Result<Self, MemoryError> {
        let model = Self {
            name: name.to_owned(),
            law,
            vmin,
            node_nm: None,
            rows: 512,
            up_share: None,
            persistent_share: 1.0,
            column_correlation: 0.0,
            overheads: Overheads::default(),
        };
        model.checked()
    }

    /// Reads a fault file; `vmin` is what its relative supplies are in units of.
    pub fn from_toml(text: &str, vmin: Volts) -> Result<Self, MemoryError> {
        let file: File = toml::from_str(text)?;
        let overheads = Overheads { cell: file.cell, robust_cell: file.robust_cell, detection: file.detection };
        overheads.check()?;
        let model =
            Self { rows: file.rows, node_nm: file.node_nm, overheads, ..Self::new(&file.name, file.law, vmin)? };
        if model.rows == 0 {
            return Err(MemoryError::refused("rows is 0; an array of cells has one at least"));
        }
        model
            .with_up_share(file.up_share)?
            .with_persistent_share(file.persistent_share)?
            .with_column_correlation(file.column_correlation)
    }

    /// The same with faults that pull to 1 with this probability and to 0 otherwise; `None` for faults that flip.
    pub fn with_up_share(self, up_share: Option<f64>) -> Result<Self, MemoryError> {
        Self { up_share, ..self }.checked()
    }

    /// The same with this share of faults acting at every read.
    pub fn with_persistent_share(self, persistent_share: f64) -> Result<Self, MemoryError> {
        Self { persistent_share, ..self }.checked()
    }

    /// The same with this correlation between the thresholds of a column's cells.
    pub fn with_column_correlation(self, column_correlation: f64) -> Result<Self, MemoryError> {
        Self { column_correlation, ..self }.checked()
    }

    fn checked(self) -> Result<Self, MemoryError> {
        if let Some(problem) = self.law.problem() {
            return Err(MemoryError::refused(problem));
        }
        if !(self.vmin.0.is_finite() && self.vmin.0 > 0.0) {
            return Err(MemoryError::refused(format!("vmin_v = {}; it is a supply in volts, above 0", self.vmin.0)));
        }
        let shares = [("up_share", self.up_share), ("persistent_share", Some(self.persistent_share))];
        for (key, share) in shares {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return Err(MemoryError::refused(format!("{key} = {share}; a share lies in 0…1")));
            }
        }
        if !(0.0..1.0).contains(&self.column_correlation) {
            let message = format!("column_correlation = {}; it lies in 0…1, 1 excluded", self.column_correlation);
            return Err(MemoryError::refused(message));
        }
        Ok(self)
    }

    /// Name, as configurations use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lowest supply without failures, which the law is relative to.
    pub fn vmin(&self) -> Volts {
        self.vmin
    }

    /// Technology node the data come from, nm.
    pub fn node_nm(&self) -> Option<f64> {
        self.node_nm
    }

    /// Rows of an array of cells: how far a column reaches.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Share of faults that pull to 1; `None` if faults flip.
    pub fn up_share(&self) -> Option<f64> {
        self.up_share
    }

    /// Share of faults that act at every read.
    pub fn persistent_share(&self) -> f64 {
        self.persistent_share
    }

    /// Correlation between the thresholds of a column's cells.
    pub fn column_correlation(&self) -> f64 {
        self.column_correlation
    }

    /// What better cells and detection cost.
    pub fn overheads(&self) -> &Overheads {
        &self.overheads
    }

    /// Share of weak cells at a supply.
    pub fn failure_probability(&self, supply: Volts) -> Result<f64, SupplyBelowLaw> {
        let below =
            // To a microvolt: people read it.
            || SupplyBelowLaw { supply, lowest: Volts((self.law.lowest() * self.vmin.0 * 1e6).round() / 1e6), model: self.name.clone() };
        self.law.probability(supply / self.vmin).ok_or_else(below)
    }

    /// The supply at which cells fail with probability `p`, to a microvolt; `None` if that is outside the law.
    pub fn supply_for(&self, p: f64) -> Option<Volts> {
        let (mut low, mut high) = (self.law.lowest().max(1e-6), 4.0);
        let probability = |supply| self.law.probability(supply).expect("a supply the law covers");
        if !(probability(high)..=probability(low)).contains(&p) || p <= 0.0 {
            return None;
        }
        while (high - low) * self.vmin.0 > 1e-6 {
            let middle = (low + high) / 2.0;
            if probability(middle) > p { low = middle } else { high = middle }
        }
        Some(Volts(high * self.vmin.0))
    }

    /// Virtual chip number `chip` of those that `seed` stands for.
    pub fn chip(&self, geometry: CellGeometry, seed: u64, chip: u64) -> VirtualChip<'_> {
        VirtualChip { model: self, geometry, seed, chip }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_files_are_sound_and_agree_with_each_other() {
        let [fit, measured, robust] = BUILT_IN_FAULTS.map(|(name, text)| {
            let model = FaultModel::from_toml(text, Volts(0.7)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(model.name(), name);
            model
        });
        for supply in [0.53, 0.56, 0.6, 0.65] {
            let [fit, measured, robust] =
                [&fit, &measured, &robust].map(|model| model.failure_probability(Volts(supply)).unwrap());
            assert!((1.0 / 1.4..1.4).contains(&(fit / measured)), "{supply}: {fit} and {measured}");
            assert!(robust < fit);
        }
    }

    #[test]
    fn supply_and_probability_are_inverse() {
        for (_, text) in BUILT_IN_FAULTS {
            let model = FaultModel::from_toml(text, Volts(0.7)).unwrap();
            for p in [1e-4, 0.005, 0.01, 0.05] {
                let supply = model.supply_for(p).unwrap();
                assert!((model.failure_probability(supply).unwrap() / p - 1.0).abs() < 1e-3);
            }
            assert_eq!((model.supply_for(0.0), model.supply_for(1.5)), (None, None));
        }
    }

    #[test]
    fn impossible_models_are_refused() {
        let text = BUILT_IN_FAULTS[1].1;
        for (from, to) in [
            ("0.2056", "1.2056"),
            ("rows = 512", "rows = 0"),
            ("persistent_share = 1.0", "persistent_share = -0.1"),
            ("persistent_share = 1.0", "persistent_share = 1.0\nup_share = 1.01"),
            ("persistent_share = 1.0", "persistent_share = 1.0\ncolumn_correlation = 1.0"),
            ("rows = 512", "rowz = 512"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(FaultModel::from_toml(&text.replace(from, to), Volts(0.7)).is_err(), "{to}");
        }
        for vmin in [0.0, -0.7, f64::NAN] {
            assert!(FaultModel::from_toml(text, Volts(vmin)).is_err());
        }
        let measured = FaultModel::from_toml(text, Volts(0.7)).unwrap();
        let error = measured.failure_probability(Volts(0.5)).unwrap_err().to_string();
        assert!(error.contains("0.525"), "{error}");
    }
}
