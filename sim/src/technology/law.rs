//! How delay and leakage change with the supply voltage.

use crate::units::Volts;
use serde::Deserialize;

/// Thermal voltage kT/q at `celsius`, V.
fn thermal_voltage(celsius: f64) -> f64 {
    8.617_333_262e-5 * (celsius + 273.15)
}

/// A supply a law does not cover.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("a supply of {supply} is outside the technology's range {minimum} … {maximum}")]
pub struct SupplyOutOfRange {
    /// What was asked for.
    pub supply: Volts,
    /// Lowest supply the law covers.
    pub minimum: Volts,
    /// Highest supply the law covers.
    pub maximum: Volts,
}

/// Delay over supply, relative to the nominal supply, the same factor for every cell.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "model", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DelayLaw {
    /// Continuous from weak to strong inversion: t ∝ V / I, I = \[ln(1 + e^{u/α})\]^α, u = (V − Vth) / (n kT/q).
    /// With α = 2 this is the EKV model (Enz, Krummenacher and Vittoz 1995); α < 2 adds velocity saturation.
    Ekv {
        /// Threshold voltage, V.
        threshold_v: f64,
        /// Subthreshold slope factor n.
        slope_factor: f64,
        /// Velocity-saturation index α, 1…2.
        alpha: f64,
        /// Lowest supply the law is meant for, V.
        minimum_v: f64,
        /// Highest supply the law is meant for, V.
        maximum_v: f64,
    },
    /// t ∝ V / (V − Vth)^α (Sakurai and Newton 1990); needs V > Vth + 0.15 or so.
    AlphaPower {
        /// Threshold voltage, V.
        threshold_v: f64,
        /// Velocity-saturation index α, 1…2.
        alpha: f64,
        /// Lowest supply the law is meant for, V.
        minimum_v: f64,
        /// Highest supply the law is meant for, V.
        maximum_v: f64,
    },
}

impl DelayLaw {
    /// Supplies the law covers.
    pub fn range(&self) -> (Volts, Volts) {
        let (DelayLaw::Ekv { minimum_v, maximum_v, .. } | DelayLaw::AlphaPower { minimum_v, maximum_v, .. }) = self;
        (Volts(*minimum_v), Volts(*maximum_v))
    }

    /// Delay at `supply` over delay at `nominal`, at the temperature given.
    pub fn slowdown(&self, supply: Volts, nominal: Volts, celsius: f64) -> Result<f64, SupplyOutOfRange> {
        let (minimum, maximum) = self.range();
        if !(minimum..=maximum).contains(&supply) {
            return Err(SupplyOutOfRange { supply, minimum, maximum });
        }
        Ok(self.delay(supply.0, celsius) / self.delay(nominal.0, celsius))
    }

    /// Delay in arbitrary units.
    fn delay(&self, supply: f64, celsius: f64) -> f64 {
        match *self {
            DelayLaw::Ekv { threshold_v, slope_factor, alpha, .. } => {
                let u = (supply - threshold_v) / (slope_factor * thermal_voltage(celsius));
                supply / (u / alpha).exp().ln_1p().powf(alpha)
            }
            DelayLaw::AlphaPower { threshold_v, alpha, .. } => supply / (supply - threshold_v).powf(alpha),
        }
    }
}

/// Leakage power over supply, relative to nominal: P ∝ V · exp(−dibl · (Vnom − V) / (n kT/q)).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakageLaw {
    /// Drain-induced barrier lowering, V of threshold a volt of drain.
    pub dibl_v_per_v: f64,
    /// Subthreshold slope factor n.
    pub slope_factor: f64,
}

impl LeakageLaw {
    /// Leakage power at `supply` over leakage power at `nominal`.
    pub fn factor(&self, supply: Volts, nominal: Volts, celsius: f64) -> f64 {
        let lowering = self.dibl_v_per_v * (nominal - supply).0 / (self.slope_factor * thermal_voltage(celsius));
        supply / nominal * (-lowering).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow-downs of methods for FreePDK45's two threshold flavours, 26.85 °C, computed there from the formula.
    #[test]
    fn ekv_reproduces_the_tabulated_slowdowns() {
        let supplies = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35];
        let flavours = [
            (0.322, [1.09, 1.20, 1.37, 1.63, 2.08, 3.06, 4.11, 6.21, 11.0]),
            (0.4106, [1.11, 1.28, 1.53, 1.97, 2.90, 5.79, 10.1, 21.5, 54.0]),
        ];
        for (threshold_v, expected) in flavours {
            let law = DelayLaw::Ekv { threshold_v, slope_factor: 1.5, alpha: 1.3, minimum_v: 0.3, maximum_v: 1.2 };
            for (supply, expected) in supplies.into_iter().zip(expected) {
                let slowdown = law.slowdown(Volts(supply), Volts(1.1), 26.85).unwrap();
                assert!((slowdown / expected - 1.0).abs() < 0.01, "{supply} V: {slowdown} against {expected}");
            }
        }
    }

    #[test]
    fn supplies_outside_the_law_are_refused() {
        let law = DelayLaw::AlphaPower { threshold_v: 0.3, alpha: 1.3, minimum_v: 0.45, maximum_v: 1.2 };
        for supply in [-1.0, 0.0, 0.3, 1.3, f64::NAN] {
            assert!(law.slowdown(Volts(supply), Volts(1.1), 27.0).is_err(), "{supply}");
        }
        assert_eq!(law.slowdown(Volts(1.1), Volts(1.1), 27.0), Ok(1.0));
    }

    #[test]
    fn leakage_falls_faster_than_the_supply() {
        let law = LeakageLaw { dibl_v_per_v: 0.1, slope_factor: 1.5 };
        assert_eq!(law.factor(Volts(1.1), Volts(1.1), 27.0), 1.0);
        let half = law.factor(Volts(0.55), Volts(1.1), 27.0);
        // exp(−0.055 / (1.5 · 0.025865)) / 2
        assert!((half - 0.5 * (-0.055f64 / (1.5 * 0.025_865)).exp()).abs() < 1e-4);
    }
}
