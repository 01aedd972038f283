//! How an experiment's numbers become codes.

use super::ConfigError;
use serde::Deserialize;
use toml::Spanned;

/// How weights and activations are rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizerSettings {
    /// Bits of a weight's code, with its sign.
    pub weight_bits: u32,
    /// Bits of an activation's code, which has no sign.
    pub activation_bits: u32,
    /// Whose weights share a scale.
    pub granularity: GranularityKind,
    /// Where code 0 of weights lies.
    pub scheme: SchemeKind,
    /// Which range of weights codes cover.
    pub weight_calibration: CalibrationKind,
    /// Which range of activations codes cover.
    pub activation_calibration: CalibrationKind,
    /// The percentile, in percent, where one is taken.
    pub percentile: f64,
}

/// Whose weights share a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GranularityKind {
    /// All of a layer.
    #[default]
    PerTensor,
    /// Those of an output channel.
    PerChannel,
}

/// Where code 0 of weights lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchemeKind {
    /// At zero.
    #[default]
    Symmetric,
    /// Where codes span the weights; zero has a code of its own.
    Affine,
}

/// Which range of numbers codes cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationKind {
    /// All of it.
    #[default]
    MinMax,
    /// All but what lies beyond a percentile.
    Percentile,
    /// That with the least mean square error.
    Mse,
}

impl Default for QuantizerSettings {
    fn default() -> Self {
        Self {
            weight_bits: 8,
            activation_bits: 7,
            granularity: GranularityKind::default(),
            scheme: SchemeKind::default(),
            weight_calibration: CalibrationKind::default(),
            activation_calibration: CalibrationKind::default(),
            percentile: 99.99,
        }
    }
}

impl QuantizerSettings {
    /// What tells networks of these settings from those of others, as text; nothing for the usual settings.
    pub fn identity(&self) -> String {
        let Self {
            weight_bits,
            activation_bits,
            granularity,
            scheme,
            weight_calibration,
            activation_calibration,
            ..
        } = self;
        if *self == (Self { percentile: self.percentile, ..Self::default() }) {
            return String::new();
        }
        let mut text = format!(" quantizer {weight_bits} {activation_bits} {granularity:?} {scheme:?}");
        text += &format!(" {weight_calibration:?} {activation_calibration:?}");
        if self.takes_percentile() {
            text += &format!(" {}", self.percentile);
        }
        text
    }

    fn takes_percentile(&self) -> bool {
        [self.weight_calibration, self.activation_calibration].contains(&CalibrationKind::Percentile)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuantizerFile {
    weight_bits: Option<Spanned<u32>>,
    activation_bits: Option<Spanned<u32>>,
    #[serde(default)]
    granularity: GranularityKind,
    #[serde(default)]
    scheme: SchemeKind,
    #[serde(default)]
    weight_calibration: CalibrationKind,
    #[serde(default)]
    activation_calibration: CalibrationKind,
    percentile: Option<Spanned<f64>>,
}

impl QuantizerFile {
    /// Checked settings; memory cells that fail hold weights of 8 bits and activations of 7.
    pub(super) fn checked(self, memories_fail: bool) -> Result<QuantizerSettings, ConfigError> {
        let usual = QuantizerSettings::default();
        let bits = |bits: Option<Spanned<u32>>, usual: u32, what: &str| {
            let Some(bits) = bits else { return Ok(usual) };
            let value = *bits.get_ref();
            if !(2..=usual).contains(&value) {
                let help = format!("give a whole number from 2 to {usual}: operands of the multipliers have no more");
                return Err(ConfigError::at(bits.span(), format!("{value} bits of {what}"), help));
            }
            if memories_fail && value != usual {
                let help = format!("leave it out, or [memory_faults]: memories hold {what} of {usual} bits");
                let message = format!("{what} of {value} bits in memories that fail are not simulated");
                return Err(ConfigError::at(bits.span(), message, help));
            }
            Ok(value)
        };
        let settings = QuantizerSettings {
            weight_bits: bits(self.weight_bits, usual.weight_bits, "weights")?,
            activation_bits: bits(self.activation_bits, usual.activation_bits, "activations")?,
            granularity: self.granularity,
            scheme: self.scheme,
            weight_calibration: self.weight_calibration,
            activation_calibration: self.activation_calibration,
            percentile: self.percentile.as_ref().map_or(usual.percentile, |percentile| *percentile.get_ref()),
        };
        let Some(percentile) = self.percentile else { return Ok(settings) };
        if !settings.takes_percentile() {
            let help = "set weight_calibration or activation_calibration = \"percentile\", or leave percentile out";
            return Err(ConfigError::at(percentile.span(), "no range is a percentile", help));
        }
        match settings.percentile > 50.0 && settings.percentile <= 100.0 {
            true => Ok(settings),
            false => {
                let message = format!("a percentile of {}", settings.percentile);
                Err(ConfigError::at(percentile.span(), message, "give a number above 50 and at most 100: 99.9"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, memories_fail: bool) -> Result<QuantizerSettings, ConfigError> {
        let file: QuantizerFile = toml::from_str(text)?;
        file.checked(memories_fail)
    }

    #[test]
    fn settings_are_understood_and_tell_networks_apart() {
        let usual = settings("", false).unwrap();
        assert_eq!((usual, usual.identity().as_str()), (QuantizerSettings::default(), ""));
        let lines = [
            "weight_bits = 4",
            "activation_bits = 4",
            "granularity = \"per-channel\"",
            "scheme = \"affine\"",
            "weight_calibration = \"mse\"",
            "activation_calibration = \"mse\"",
            "weight_calibration = \"percentile\"",
            "weight_calibration = \"percentile\"\npercentile = 99",
        ];
        let mut identities: Vec<String> =
            lines.iter().map(|line| settings(line, false).unwrap().identity()).collect();
        identities.push(String::new());
        identities.sort();
        identities.dedup();
        assert_eq!(identities.len(), lines.len() + 1);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, memories_fail, place) in [
            ("weight_bits = 9", false, "9"),
            ("weight_bits = 1", false, "1"),
            ("activation_bits = 8", false, "8"),
            ("weight_bits = 4", true, "4"),
            ("activation_bits = 6", true, "6"),
            ("granularity = \"per-row\"", false, "\"per-row\""),
            ("scheme = \"offset\"", false, "\"offset\""),
            ("weight_calibration = \"entropy\"", false, "\"entropy\""),
            ("percentile = 99", false, "99"),
            ("activation_calibration = \"percentile\"\npercentile = 50", false, "50"),
            ("zero_point = 3", false, "zero_point"),
        ] {
            let error = settings(text, memories_fail).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
        assert!(settings("weight_bits = 8\nscheme = \"affine\"", true).is_ok());
    }
}
