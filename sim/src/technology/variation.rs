//! Chips differ: threshold voltages of every cell and of every die.

use super::{PointError, Technology};
use crate::netlist::Netlist;
use crate::units::Volts;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// How much thresholds vary. Left out: variation of anything else than thresholds, of transistors of one cell against each
/// other, and correlation over distance on a die.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// A_VT of mismatch, mV·µm: σ = A_VT / √(W·L) between transistors of one die (Pelgrom et al., JSSC 1989).
    pub avt_mv_um: f64,
    /// W·L of the transistor that a cell's delay depends on, µm², where a cell does not say.
    pub gate_area_um2: f64,
    /// Standard deviation of what a whole die shifts by, mV.
    pub die_sigma_mv: f64,
}

/// Threshold voltages of one virtual chip, relative to typical ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    die: f64,
    cells: Vec<f64>,
}

/// A technology that does not say how chips differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("technology {technology} does not say how chips differ; add a table [variation] to it")]
pub struct NoVariation {
    technology: String,
}

impl Thresholds {
    /// Shift of all thresholds of the die.
    pub fn die(&self) -> Volts {
        Volts(self.die)
    }

    /// Shift of each cell's threshold, the die's included, in the netlist's order.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Volts> {
        self.cells.iter().map(|shift| Volts(self.die + shift))
    }
}

impl Technology {
    /// Draws a chip: a function of seed, chip and netlist alone.
    pub fn thresholds(&self, netlist: &Netlist, seed: u64, chip: u64) -> Result<Thresholds, NoVariation> {
        let variation = self.variation.ok_or_else(|| NoVariation { technology: self.name.clone() })?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(chip);
        let normal = Normal::standard();
        let mut draw = || {
            let bits: u64 = rng.random();
            normal.inverse_cdf(((bits >> 12) as f64 + 0.5) * 2f64.powi(-52))
        };
        let die = draw() * variation.die_sigma_mv * 1e-3;
        let sigma = |area: Option<f64>| variation.avt_mv_um * 1e-3 / area.unwrap_or(variation.gate_area_um2).sqrt();
        let cells = netlist.cells().iter().map(|cell| {
            let area = self.cells.get(&cell.kind()).and_then(|data| data.gate_area_um2);
            draw() * sigma(area)
        });
        Ok(Thresholds { die, cells: cells.collect() })
    }

    /// Weighs one chip at a supply, as [`Self::weigh_at`]: delays of that supply, leakage of the nominal one. Flip-flops
    /// shift with the die.
    ///
    /// # Panics
    /// If the thresholds are of another netlist.
    pub fn weigh_chip(
        &self,
        netlist: &Netlist,
        supply: Volts,
        thresholds: &Thresholds,
    ) -> Result<super::Physical, PointError> {
        assert_eq!(thresholds.cells.len(), netlist.cells().len(), "thresholds of this netlist");
        self.weigh_shifted(netlist, supply, thresholds.die, |cell| thresholds.die + thresholds.cells[cell])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::{Family, MultiplierSpec};

    const FREEPDK45: &str = include_str!("../../../hwconfigs/technology/freepdk45.toml");

    fn netlist() -> Netlist {
        MultiplierSpec::new("m", Family::Array, 8, 8, true).unwrap().netlist()
    }

    /// σ of cells by Pelgrom's law and of dies, over many chips; chips have nothing in common.
    #[test]
    fn thresholds_have_the_spread_asked_for() {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let netlist = netlist();
        let chips: Vec<Thresholds> = (0..400).map(|chip| technology.thresholds(&netlist, 5, chip).unwrap()).collect();
        let variation = technology.variation.unwrap();
        let deviation = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        };
        let dies: Vec<f64> = chips.iter().map(|chip| chip.die().0).collect();
        assert!((deviation(&dies) / (variation.die_sigma_mv * 1e-3) - 1.0).abs() < 0.12, "400 draws: ±3.5 %");
        let cells: Vec<f64> = chips.iter().flat_map(|chip| chip.cells().map(|shift| shift.0 - chip.die)).collect();
        let expected = variation.avt_mv_um * 1e-3 / variation.gate_area_um2.sqrt();
        assert!((deviation(&cells) / expected - 1.0).abs() < 0.01);
        // Neighbouring chips, cell by cell, and neighbouring cells.
        let count = netlist.cells().len();
        for lag in [1, count] {
            let product: f64 = cells.iter().zip(&cells[lag..]).map(|(a, b)| a * b).sum::<f64>() / cells.len() as f64;
            assert!(product.abs() < 0.02 * expected.powi(2), "lag {lag}: {product}");
        }
        assert_eq!(technology.thresholds(&netlist, 5, 7).unwrap(), chips[7]);
        assert_ne!(technology.thresholds(&netlist, 6, 7).unwrap(), chips[7]);
    }

    /// A chip of shifted thresholds against a technology file written with that threshold.
    #[test]
    fn a_shifted_chip_is_a_technology_of_that_threshold() {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let netlist = netlist();
        let cells = netlist.cells().len();
        let shifted = Thresholds { die: 0.01, cells: vec![0.02; cells] };
        let text = FREEPDK45.replace(
            "threshold_v = 0.322\nslope_factor = 1.5\nalpha",
            "threshold_v = 0.352\nslope_factor = 1.5\nalpha",
        );
        let moved = Technology::from_toml(&text).unwrap();
        for supply in [0.6, 0.9, 1.1].map(Volts) {
            let chip = technology.weigh_chip(&netlist, supply, &shifted).unwrap();
            let expected = moved.weigh_at(&netlist, supply).unwrap();
            // The file's delays hold at nominal supply, those of the chip for typical transistors there.
            let typical = technology.weigh(&netlist).unwrap();
            let slower = technology.weigh_chip(&netlist, Volts(1.1), &shifted).unwrap();
            for net in netlist.nets().map(|net| net.index()).filter(|&net| typical.averaged_delay[net].0 > 0) {
                let factor = f64::from(slower.averaged_delay[net].0) / f64::from(typical.averaged_delay[net].0);
                let found = f64::from(chip.averaged_delay[net].0) / factor;
                let wanted = f64::from(expected.averaged_delay[net].0);
                assert!((found - wanted).abs() <= 2.0 + 0.03 * wanted, "{supply}: {found} {wanted}");
            }
        }
        // Higher thresholds leak less: exp(−0.03 / (1.5 · 0.02586)).
        let leakage = technology.weigh_chip(&netlist, Volts(1.1), &shifted).unwrap().leakage.0;
        let ratio = leakage / technology.weigh(&netlist).unwrap().leakage.0;
        assert!((ratio - (-0.03f64 / (1.5 * 0.025_864)).exp()).abs() < 1e-3, "{ratio}");
        // No shift, no difference.
        let none = Thresholds { die: 0.0, cells: vec![0.0; cells] };
        assert_eq!(technology.weigh_chip(&netlist, Volts(0.8), &none), technology.weigh_at(&netlist, Volts(0.8)));
    }

    #[test]
    fn technologies_that_do_not_say_refuse() {
        let start = FREEPDK45.find("[variation]").unwrap();
        let end = FREEPDK45.find("# Corners of the same card").unwrap();
        let text = [&FREEPDK45[..start], &FREEPDK45[end..]].concat();
        let error = Technology::from_toml(&text).unwrap().thresholds(&netlist(), 1, 0).unwrap_err();
        assert!(error.to_string().contains("add a table [variation]"), "{error}");
        let error = Technology::from_toml(&FREEPDK45.replace("avt_mv_um = 3.25", "avt_mv_um = -3.25")).unwrap_err();
        assert!(error.message.contains("variation: avt_mv_um is -3.25") && error.span.is_some(), "{error}");
    }
}
