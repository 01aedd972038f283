//! Process corner and temperature: how transistors differ from those that the cell data hold for.

use serde::Deserialize;

/// A process corner, relative to the typical transistors of the cell data.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corner {
    /// Added to every threshold voltage, V.
    pub threshold_shift_v: f64,
    /// Current over that of typical transistors at the same overdrive: mobility.
    #[serde(default = "one")]
    pub drive: f64,
}

fn one() -> f64 {
    1.0
}

/// How transistors change with temperature, as in BSIM4: the threshold moves linearly, mobility falls as a power of the
/// absolute temperature. Less of the latter shows where velocity saturates, so hot transistors are a little faster than
/// this says.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureLaw {
    /// Change of the threshold voltage, V/K; negative.
    pub threshold_v_per_k: f64,
    /// Mobility ∝ T^−exponent.
    pub mobility_exponent: f64,
    /// Lowest temperature the law is meant for, °C.
    pub minimum_c: f64,
    /// Highest temperature the law is meant for, °C.
    pub maximum_c: f64,
}

/// A corner or temperature that a technology knows nothing about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConditionError {
    /// No such corner.
    #[error("technology {technology} has no corner \"{wanted}\"; it has {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    UnknownCorner {
        /// The technology's name.
        technology: String,
        /// What was asked for.
        wanted: String,
        /// Corners there are.
        known: Vec<String>,
    },
    /// The data hold at one temperature.
    #[error(
        "technology {technology} holds at {data_c} °C alone; add a table [temperature_law] to it for other temperatures"
    )]
    NoTemperatureLaw {
        /// The technology's name.
        technology: String,
        /// Temperature of its data, °C.
        data_c: f64,
    },
    /// Beyond the law.
    #[error("a temperature of {celsius} °C is outside the technology's range {minimum_c} … {maximum_c} °C")]
    TemperatureOutOfRange {
        /// What was asked for, °C.
        celsius: f64,
        /// Lowest temperature, °C.
        minimum_c: f64,
        /// Highest temperature, °C.
        maximum_c: f64,
    },
}

/// What transistors are like, relative to those that the cell data hold for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bias {
    /// Temperature the data hold at, °C.
    pub(super) data_c: f64,
    /// Temperature, °C.
    pub(super) celsius: f64,
    /// Added to every threshold, V.
    pub(super) threshold_shift: f64,
    /// Drive relative to typical transistors.
    pub(super) drive: f64,
    /// Exponent of mobility over temperature.
    pub(super) mobility_exponent: f64,
}

impl Bias {
    /// The very condition of the data.
    pub(super) fn none(data_c: f64) -> Self {
        Self { data_c, celsius: data_c, threshold_shift: 0.0, drive: 1.0, mobility_exponent: 0.0 }
    }

    /// The same with thresholds shifted further.
    pub(super) fn shifted(self, threshold_shift: f64) -> Self {
        Self { threshold_shift: self.threshold_shift + threshold_shift, ..self }
    }

    /// Absolute temperature over that of the data.
    pub(super) fn heating(self) -> f64 {
        (self.celsius + 273.15) / (self.data_c + 273.15)
    }
}

#[cfg(test)]
mod tests {
    use crate::multiplier::{Family, MultiplierSpec};
    use crate::technology::Technology;
    use crate::units::Volts;

    const FREEPDK45: &str = include_str!("../../../hwconfigs/technology/freepdk45.toml");

    #[test]
    fn corners_and_temperatures_commute_and_can_be_taken_back() {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let slow_hot = technology.at_corner("ss").unwrap().at_temperature(85.0).unwrap();
        let hot_slow = technology.at_temperature(85.0).unwrap().at_corner("ss").unwrap();
        assert_eq!(slow_hot, hot_slow);
        assert_eq!(slow_hot.label(), "freepdk45 (ss, 85 °C)");
        let fast = slow_hot.at_corner("ff").unwrap().at_temperature(27.0).unwrap();
        for supply in [0.5, 0.8, 1.1].map(Volts) {
            let direct = technology.at_corner("ff").unwrap().slowdown(supply).unwrap();
            assert!((fast.slowdown(supply).unwrap() / direct - 1.0).abs() < 1e-12);
            let order = ["ff", "ss"].map(|corner| technology.at_corner(corner).unwrap().slowdown(supply).unwrap());
            let typical = technology.slowdown(supply).unwrap();
            assert!(order[0] < typical && typical < order[1], "{supply}: {order:?} around {typical}");
        }
        // Fast transistors leak.
        assert!(technology.at_corner("ff").unwrap().leakage_factor(Volts(1.1)) > 1.5);
        assert!(technology.is_as_characterized() && !slow_hot.is_as_characterized());
    }

    #[test]
    fn unknown_conditions_are_refused() {
        let technology = Technology::from_toml(FREEPDK45).unwrap();
        let error = technology.at_corner("sf").unwrap_err().to_string();
        assert!(error.contains("it has ff, ss"), "{error}");
        let error = technology.at_temperature(200.0).unwrap_err().to_string();
        assert!(error.contains("-40 … 125 °C"), "{error}");
        let start = FREEPDK45.find("[temperature_law]").unwrap();
        let end = FREEPDK45.find("# Corners of the same card").unwrap();
        let text = [&FREEPDK45[..start], &FREEPDK45[end..]].concat();
        let error = Technology::from_toml(&text).unwrap().at_temperature(85.0).unwrap_err().to_string();
        assert!(error.contains("holds at 27 °C alone"), "{error}");
        for (from, to, part) in [
            ("threshold_v_per_k = -0.000366", "threshold_v_per_k = -0.366", "tenths of a millivolt"),
            ("minimum_c = -40", "minimum_c = 40", "must include the data's 27 °C"),
            ("threshold_v = 0.322\n\n# Threshold and", "\n# Threshold and", "needs leakage_law.threshold_v"),
            ("drive = 0.978", "drive = 0.0", "corners.ss"),
        ] {
            assert!(FREEPDK45.contains(from), "{from}");
            let error = Technology::from_toml(&FREEPDK45.replace(from, to)).unwrap_err();
            assert!(error.message.contains(part) && error.span.is_some(), "{error}");
        }
    }

    /// Every cell by the law that is its own, from the cell's data.
    #[test]
    fn cells_follow_their_own_laws() {
        let law =
            "law = { model = \"alpha-power\", threshold_v = 0.4, alpha = 1.4, minimum_v = 0.6, maximum_v = 1.2 }\n";
        let text = FREEPDK45.replace("[cells.full-adder]\n", &format!("[cells.full-adder]\n{law}"));
        let own = Technology::from_toml(&text).unwrap();
        let shared = Technology::from_toml(FREEPDK45).unwrap();
        assert!(!own.has_shared_law() && shared.has_shared_law());
        assert_eq!(own.supply_range(), (Volts(0.6), Volts(1.2)));
        assert!(own.slowdown(Volts(0.5)).is_err() && shared.slowdown(Volts(0.5)).is_ok());
        let netlist = MultiplierSpec::new("m", Family::Array, 4, 4, true).unwrap().netlist();
        let nominal = shared.weigh(&netlist).unwrap();
        assert_eq!(own.weigh_at(&netlist, Volts(1.1)).unwrap(), nominal);
        let power = |supply: f64| supply / (supply - 0.4).powf(1.4);
        let low = own.weigh_at(&netlist, Volts(0.7)).unwrap();
        for cell in netlist.cells() {
            let slowdown = match cell.kind().name() {
                "full-adder" => power(0.7) / power(1.1),
                _ => shared.slowdown(Volts(0.7)).unwrap(),
            };
            for net in cell.outputs() {
                // Nominal delays are rounded as well.
                let expected = slowdown * f64::from(nominal.averaged_delay[net.index()].0);
                assert!(
                    (f64::from(low.averaged_delay[net.index()].0) - expected).abs() <= 0.5 * slowdown + 0.5,
                    "{cell:?}"
                );
            }
        }
        let error = Technology::from_toml(&text.replace("minimum_v = 0.6", "minimum_v = 1.15")).unwrap_err();
        assert!(error.message.contains("cells.full-adder.law covers"), "{error}");
    }
}
