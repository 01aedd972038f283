//! Operating points of a design file: the table `[operation]`, with the keys that experiments have.

use super::ConfigError;
use super::experiment::{Range, positive, supplies};
use crate::units::Volts;
use serde::Deserialize;
use toml::Spanned;

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DesignOperationFile {
    supply_v: Option<Spanned<Range>>,
    clock_ps: Option<Spanned<f64>>,
    corner: Option<Spanned<String>>,
    temperature_c: Option<Spanned<f64>>,
}

/// At which supplies, clock and condition a design is to be looked at, as far as its file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesignOperation {
    /// Supplies, with the place of the list; none if the file names none.
    pub supplies: Option<Spanned<Vec<Volts>>>,
    /// Clock period, ps.
    pub clock_ps: Option<f64>,
    /// Process corner.
    pub corner: Option<Spanned<String>>,
    /// Temperature, °C.
    pub temperature_c: Option<Spanned<f64>>,
}

impl DesignOperationFile {
    pub(super) fn checked(self) -> Result<DesignOperation, ConfigError> {
        if let Some(celsius) = &self.temperature_c
            && !(celsius.get_ref().is_finite() && *celsius.get_ref() > -273.15)
        {
            let help = "temperatures are in degrees Celsius, as in 85";
            return Err(ConfigError::at(celsius.span(), format!("a temperature of {} °C", celsius.get_ref()), help));
        }
        let volts = |list: Spanned<Range>| {
            let span = list.span();
            supplies(list).map(|supplies| Spanned::new(span, supplies))
        };
        Ok(DesignOperation {
            supplies: self.supply_v.map(volts).transpose()?,
            clock_ps: self.clock_ps.map(positive).transpose()?,
            corner: self.corner,
            temperature_c: self.temperature_c,
        })
    }
}
