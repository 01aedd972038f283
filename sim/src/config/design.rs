//! Design files: one multiplier in three lines.

use super::ConfigError;
use crate::multiplier::{Family, FinalAdder, MultiplierSpec};
use serde::Deserialize;
use toml::Spanned;

/// `[multiplier]` as written; an experiment's `[[designs]]` has the same keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesignFile {
    family: Spanned<String>,
    parameters: Option<Spanned<toml::Table>>,
    width: Option<Spanned<Width>>,
    signed: Option<bool>,
    final_adder: Option<Spanned<FinalAdder>>,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "a width in bits, or two as in [8, 4]")]
enum Width {
    Square(u32),
    Rectangular([u32; 2]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    multiplier: DesignFile,
}

impl DesignFile {
    /// Reads a design file: a table `[multiplier]`.
    pub fn from_toml(text: &str) -> Result<MultiplierSpec, ConfigError> {
        toml::from_str::<File>(text)?.multiplier.checked()
    }

    /// The design it describes. Defaults: 8 × 8 bits, unsigned, a name made of the parts.
    pub fn checked(self) -> Result<MultiplierSpec, ConfigError> {
        let mut table = toml::Table::new();
        table.insert("family".into(), self.family.get_ref().clone().into());
        let mut span = self.family.span();
        if let Some(parameters) = self.parameters {
            span.end = span.end.max(parameters.span().end);
            span.start = span.start.min(parameters.span().start);
            table.insert("parameters".into(), parameters.into_inner().into());
        }
        let family: Family = table.try_into().map_err(|error: toml::de::Error| {
            let help = "`axtrain list multipliers` shows every family with its parameters";
            ConfigError::at(span.clone(), error.message().to_owned(), help)
        })?;
        let (a, b) = match self.width.as_ref().map(|width| *width.get_ref()) {
            None => (8, 8),
            Some(Width::Square(width)) => (width, width),
            Some(Width::Rectangular([a, b])) => (a, b),
        };
        let signed = self.signed.unwrap_or(false);
        let name = self.name.unwrap_or_else(|| family.design_name(a, b, signed));
        let place = self.width.map_or(span, |width| width.span());
        let refused = |error: crate::multiplier::SpecError| ConfigError {
            message: error.to_string(),
            span: Some(place.clone()),
            help: None,
        };
        let spec = MultiplierSpec::new(name, family, a, b, signed).map_err(refused)?;
        match self.final_adder {
            None => Ok(spec),
            Some(adder) => spec.with_final_adder(adder.into_inner()).map_err(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_are_a_design() {
        let text = "[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 3, b = 3 }\n";
        let spec = DesignFile::from_toml(text).unwrap();
        assert_eq!((spec.width_a(), spec.width_b(), spec.signed()), (8, 8, false));
        assert_eq!(spec.name(), "mul8u_operand_truncated_3_3");
        let text = "[multiplier]\nfamily = \"array\"\nwidth = [8, 4]\nsigned = true\n";
        assert_eq!(DesignFile::from_toml(text).unwrap().name(), "mul8x4s_array");
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let cases = [
            ("[multiplier]\nfamily = \"aray\"\n", "aray"),
            ("[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 3, c = 3 }\n", "c"),
            ("[multiplier]\nfamily = \"array\"\nwidth = 0\n", "0"),
            ("[multiplier]\nfamily = \"array\"\nwidht = 8\n", "widht"),
            ("[multiplier]\nfamily = \"array\"\nwidth = \"8\"\n", "\"8\""),
        ];
        for (text, place) in cases {
            let error = DesignFile::from_toml(text).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
    }
}
