//! How delay and leakage change with the supply voltage.

use super::condition::Bias;
use super::curve::Curve;
use crate::units::Volts;
use serde::Deserialize;

/// Thermal voltage kT/q at `celsius`, V.
pub(super) fn thermal_voltage(celsius: f64) -> f64 {
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

/// Delay over supply, relative to the nominal supply, of all cells or of one.
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
    /// Measured delays, on any scale, with monotone interpolation between them.
    Table {
        /// Supplies, ascending, V.
        supply_v: Vec<f64>,
        /// Delay at each, on any scale.
        delay: Vec<f64>,
    },
    /// The median cell of the SkyWater 130 nm library, for cells of one's own at that corner.
    Sky130 {
        /// Process and temperature.
        corner: Sky130Corner,
    },
}

/// Corners of sky130_fd_sc_hd that are characterised at several supplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sky130Corner {
    /// Slow transistors, −40 °C, 1.28 to 1.76 V.
    SsN40c,
    /// Fast transistors, −40 °C, 1.56 to 1.95 V.
    FfN40c,
}

impl Sky130Corner {
    /// Supply and median delay of 14 cells relative to the highest supply, from the library's timing at 50 ps input slew
    /// and 5 fF load. Single cells differ by up to 35 % from the median at the lowest supply.
    fn delays(self) -> ([f64; 6], [f64; 6], usize) {
        match self {
            Sky130Corner::SsN40c => ([1.28, 1.35, 1.4, 1.44, 1.6, 1.76], [3.835, 2.728, 2.252, 2.0, 1.318, 1.0], 6),
            Sky130Corner::FfN40c => ([1.56, 1.65, 1.76, 1.95, 0.0, 0.0], [1.499, 1.332, 1.181, 1.0, 0.0, 0.0], 4),
        }
    }
}

/// Parameters that make no law, with a remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct LawError(pub(super) String);

impl DelayLaw {
    /// Refuses parameters that make no law, and tables in which delay does not fall as the supply rises.
    pub(super) fn check(&self) -> Result<(), LawError> {
        let positive = |key: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(LawError(format!("{key} is {value}; it must be a positive number"))),
        };
        match self {
            DelayLaw::Ekv { threshold_v, slope_factor, alpha, .. } => {
                positive("threshold_v", *threshold_v)?;
                positive("slope_factor", *slope_factor)?;
                positive("alpha", *alpha)?;
            }
            DelayLaw::AlphaPower { threshold_v, alpha, minimum_v, .. } => {
                positive("threshold_v", *threshold_v)?;
                positive("alpha", *alpha)?;
                if minimum_v <= threshold_v {
                    return Err(LawError(format!(
                        "the alpha-power law needs minimum_v above the threshold of {threshold_v} V; raise it, or use \
                         the model \"ekv\", which is continuous through threshold"
                    )));
                }
            }
            DelayLaw::Table { supply_v, delay } => return Curve::check(supply_v, delay),
            DelayLaw::Sky130 { .. } => {}
        }
        let (minimum, maximum) = self.range();
        if minimum.0 > 0.0 && minimum <= maximum && maximum.0.is_finite() {
            return Ok(());
        }
        Err(LawError(format!(
            "the delay law covers {minimum} … {maximum}; minimum_v must be positive and maximum_v not below it"
        )))
    }

    /// Supplies the law covers.
    pub fn range(&self) -> (Volts, Volts) {
        let (minimum, maximum) = match self {
            DelayLaw::Ekv { minimum_v, maximum_v, .. } | DelayLaw::AlphaPower { minimum_v, maximum_v, .. } => {
                (*minimum_v, *maximum_v)
            }
            DelayLaw::Table { supply_v, .. } => (supply_v[0], supply_v[supply_v.len() - 1]),
            DelayLaw::Sky130 { corner } => {
                let (supplies, _, count) = corner.delays();
                (supplies[0], supplies[count - 1])
            }
        };
        (Volts(minimum), Volts(maximum))
    }

    /// Delay at `supply` over delay at `nominal` of the transistors that the data hold for, under `bias`.
    ///
    /// A threshold higher by Δ is a supply lower by Δ at the same swing: t(V, Vth + Δ) = t(V − Δ, Vth) · V / (V − Δ), for
    /// current depends on V − Vth. Formulas have their threshold moved; tables are read that way.
    pub(super) fn slowdown(&self, supply: Volts, nominal: Volts, bias: Bias) -> Result<f64, SupplyOutOfRange> {
        let (minimum, maximum) = self.range();
        if !(minimum..=maximum).contains(&supply) {
            return Err(SupplyOutOfRange { supply, minimum, maximum });
        }
        Ok(self.relative(supply, nominal, bias))
    }

    /// The same beyond the supplies the law covers: formulas as they stand, tables with the slope at their end. `None`
    /// where that is no delay, as at or below an alpha-power law's threshold.
    pub(super) fn extrapolated(&self, supply: Volts, nominal: Volts, bias: Bias) -> Option<f64> {
        let slowdown = self.relative(supply, nominal, bias);
        (supply.0 > 0.0 && slowdown.is_finite() && slowdown > 0.0).then_some(slowdown)
    }

    fn relative(&self, supply: Volts, nominal: Volts, bias: Bias) -> f64 {
        let typical = self.delay(nominal.0, bias.data_c, 0.0);
        let slowdown = self.delay(supply.0, bias.celsius, bias.threshold_shift) / typical / bias.drive;
        if bias.celsius == bias.data_c {
            return slowdown;
        }
        // The current's scale goes with mobility and, so that strong inversion does not depend on it, φt^α.
        let thermal_exponent = match self {
            DelayLaw::Ekv { alpha, .. } => *alpha,
            _ => 0.0,
        };
        slowdown * bias.heating().powf(bias.mobility_exponent - thermal_exponent)
    }

    /// Delay in arbitrary units, with every threshold higher by `shift`.
    fn delay(&self, supply: f64, celsius: f64, shift: f64) -> f64 {
        let by_curve = |curve: Curve<'_>| match shift {
            0.0 => curve.at(supply),
            _ => curve.at(supply - shift) * supply / (supply - shift),
        };
        match *self {
            DelayLaw::Ekv { threshold_v, slope_factor, alpha, .. } => {
                let u = (supply - threshold_v - shift) / (slope_factor * thermal_voltage(celsius));
                supply / (u / alpha).exp().ln_1p().powf(alpha)
            }
            DelayLaw::AlphaPower { threshold_v, alpha, .. } => supply / (supply - threshold_v - shift).powf(alpha),
            DelayLaw::Table { ref supply_v, ref delay } => by_curve(Curve::new(supply_v, delay)),
            DelayLaw::Sky130 { corner } => {
                let (supplies, delays, count) = corner.delays();
                by_curve(Curve::new(&supplies[..count], &delays[..count]))
            }
        }
    }
}

/// Leakage power over supply and temperature, relative to nominal: P ∝ V · T^(2 − m) · exp(−(Vth − dibl · V) / (n kT/q)),
/// the current of a transistor at zero gate voltage; m is mobility's exponent over temperature.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakageLaw {
    /// Drain-induced barrier lowering, V of threshold a volt of drain.
    pub dibl_v_per_v: f64,
    /// Subthreshold slope factor n.
    pub slope_factor: f64,
    /// Threshold voltage at low drain voltage, V; needed for temperatures other than that of the data.
    pub threshold_v: Option<f64>,
}

impl LeakageLaw {
    /// Leakage with the threshold higher by `shift`, V, over that without.
    pub(super) fn shift_factor(&self, shift: f64, celsius: f64) -> f64 {
        (-shift / (self.slope_factor * thermal_voltage(celsius))).exp()
    }

    /// Leakage power at `supply` over that of typical transistors at `nominal`.
    pub(super) fn factor(&self, supply: Volts, nominal: Volts, bias: Bias) -> f64 {
        let slope = |celsius: f64| self.slope_factor * thermal_voltage(celsius);
        let shift = self.shift_factor(bias.threshold_shift, bias.celsius);
        let lowering = self.dibl_v_per_v * (nominal - supply).0 / slope(bias.celsius);
        let mut factor = supply / nominal * (-lowering).exp();
        factor *= bias.drive * shift;
        if bias.celsius != bias.data_c {
            let threshold = self.threshold_v.unwrap_or(0.0) - self.dibl_v_per_v * nominal.0;
            let warmth = threshold / slope(bias.data_c) - threshold / slope(bias.celsius);
            factor *= bias.heating().powf(2.0 - bias.mobility_exponent) * warmth.exp();
        }
        factor
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
                let slowdown = law.slowdown(Volts(supply), Volts(1.1), Bias::none(26.85)).unwrap();
                assert!((slowdown / expected - 1.0).abs() < 0.01, "{supply} V: {slowdown} against {expected}");
            }
        }
    }

    /// The ratios read off the library come back, whatever the nominal supply.
    #[test]
    fn the_sky130_law_passes_through_its_corners() {
        let law = DelayLaw::Sky130 { corner: Sky130Corner::SsN40c };
        for (supply, expected) in [(1.28, 3.835), (1.44, 2.0), (1.6, 1.318), (1.76, 1.0)] {
            assert!((law.slowdown(Volts(supply), Volts(1.76), Bias::none(-40.0)).unwrap() - expected).abs() < 1e-9);
            assert!(
                (law.slowdown(Volts(supply), Volts(1.44), Bias::none(-40.0)).unwrap() - expected / 2.0).abs() < 1e-9
            );
        }
        assert!(law.slowdown(Volts(1.2), Volts(1.76), Bias::none(-40.0)).is_err());
        for corner in [Sky130Corner::SsN40c, Sky130Corner::FfN40c] {
            let (supplies, delays, count) = corner.delays();
            assert_eq!(Curve::check(&supplies[..count], &delays[..count]), Ok(()));
        }
    }

    #[test]
    fn beyond_its_range_a_law_goes_on_where_it_can() {
        let law = DelayLaw::AlphaPower { threshold_v: 0.3, alpha: 1.3, minimum_v: 0.45, maximum_v: 1.2 };
        // V / (V − Vth)^α by hand.
        let expected = 0.4 / 0.1f64.powf(1.3) / (1.1 / 0.8f64.powf(1.3));
        assert!((law.extrapolated(Volts(0.4), Volts(1.1), Bias::none(27.0)).unwrap() - expected).abs() < 1e-9);
        for supply in [-1.0, 0.0, 0.2, 0.3] {
            assert_eq!(law.extrapolated(Volts(supply), Volts(1.1), Bias::none(27.0)), None, "{supply}");
        }
    }

    #[test]
    fn supplies_outside_the_law_are_refused() {
        let law = DelayLaw::AlphaPower { threshold_v: 0.3, alpha: 1.3, minimum_v: 0.45, maximum_v: 1.2 };
        for supply in [-1.0, 0.0, 0.3, 1.3, f64::NAN] {
            assert!(law.slowdown(Volts(supply), Volts(1.1), Bias::none(27.0)).is_err(), "{supply}");
        }
        assert_eq!(law.slowdown(Volts(1.1), Volts(1.1), Bias::none(27.0)), Ok(1.0));
    }

    #[test]
    fn leakage_falls_faster_than_the_supply() {
        let law = LeakageLaw { dibl_v_per_v: 0.1, slope_factor: 1.5, threshold_v: None };
        assert_eq!(law.factor(Volts(1.1), Volts(1.1), Bias::none(27.0)), 1.0);
        let half = law.factor(Volts(0.55), Volts(1.1), Bias::none(27.0));
        // exp(−0.055 / (1.5 · 0.025865)) / 2
        assert!((half - 0.5 * (-0.055f64 / (1.5 * 0.025_865)).exp()).abs() < 1e-4);
    }

    /// A shift of the threshold, against the same law written with that threshold.
    #[test]
    fn shifted_thresholds_are_thresholds() {
        let ekv = |threshold_v| DelayLaw::Ekv {
            threshold_v,
            slope_factor: 1.5,
            alpha: 1.3,
            minimum_v: 0.3,
            maximum_v: 1.2,
        };
        let power = |threshold_v| DelayLaw::AlphaPower { threshold_v, alpha: 1.4, minimum_v: 0.5, maximum_v: 1.2 };
        let bias = Bias::none(27.0).shifted(0.03);
        for (law, moved) in [(ekv(0.322), ekv(0.352)), (power(0.3), power(0.33))] {
            // A table of the law, dense enough that interpolation is no matter.
            let supply_v: Vec<f64> = (0..=160).map(|step| 0.5 + f64::from(step) * 5e-3).collect();
            let delay = supply_v.iter().map(|&supply| law.delay(supply, 27.0, 0.0)).collect();
            let table = DelayLaw::Table { supply_v, delay };
            for supply in [0.55, 0.7, 0.9, 1.1] {
                let expected = moved.delay(supply, 27.0, 0.0) / law.delay(1.1, 27.0, 0.0);
                for law in [&law, &table] {
                    let found = law.slowdown(Volts(supply), Volts(1.1), bias).unwrap();
                    assert!((found / expected - 1.0).abs() < 1e-5, "{law:?} at {supply} V: {found}, {expected}");
                }
            }
        }
    }

    /// Hot transistors are slow where mobility counts and fast where the threshold does.
    #[test]
    fn heat_slows_strong_inversion_and_speeds_up_weak_inversion() {
        let law = DelayLaw::Ekv { threshold_v: 0.322, slope_factor: 1.5, alpha: 2.0, minimum_v: 0.2, maximum_v: 1.5 };
        let hot = Bias { celsius: 87.0, threshold_shift: -0.022, mobility_exponent: 1.5, ..Bias::none(27.0) };
        let ratio = |supply: f64| {
            law.relative(Volts(supply), Volts(1.1), hot) / law.relative(Volts(supply), Volts(1.1), Bias::none(27.0))
        };
        assert!(ratio(1.1) > 1.0 && ratio(0.25) < 1.0, "{} {}", ratio(1.1), ratio(0.25));
        // Far above threshold EKV is the square law: I ∝ µ (V − Vth)², whatever the temperature.
        let square = (360.15f64 / 300.15).powf(1.5) * ((1.5f64 - 0.322) / (1.5 - 0.3)).powi(2);
        assert!((ratio(1.5) / square - 1.0).abs() < 1e-3, "{} {square}", ratio(1.5));
    }

    /// Against the formula in full, and a rule of thumb: leakage doubles within a few tens of kelvins.
    #[test]
    fn leakage_rises_steeply_with_temperature() {
        let law = LeakageLaw { dibl_v_per_v: 0.1, slope_factor: 1.5, threshold_v: Some(0.322) };
        let hot = Bias { celsius: 85.0, threshold_shift: -0.02, mobility_exponent: 1.5, ..Bias::none(27.0) };
        let power = |supply: f64, celsius: f64, threshold: f64| {
            supply
                * (celsius + 273.15).powf(0.5)
                * (-(threshold - 0.1 * supply) / (1.5 * thermal_voltage(celsius))).exp()
        };
        for supply in [0.5, 0.8, 1.1] {
            let expected = power(supply, 85.0, 0.302) / power(1.1, 27.0, 0.322);
            let found = law.factor(Volts(supply), Volts(1.1), hot);
            assert!((found / expected - 1.0).abs() < 1e-12, "{supply} V: {found} {expected}");
        }
        assert!((2.0..8.0).contains(&law.factor(Volts(1.1), Volts(1.1), hot)));
    }
}
