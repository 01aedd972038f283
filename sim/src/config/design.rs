//! Design files: one multiplier in three lines.

use super::ConfigError;
use crate::multiplier::{Family, FinalAdder, Multiplier, MultiplierSpec, SpecError};
use crate::netlist::{Netlist, ReadError, blif, verilog, yosys_json};
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// `[multiplier]` as written; an experiment's `[[designs]]` has the same keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesignFile {
    family: Option<Spanned<String>>,
    parameters: Option<Spanned<toml::Table>>,
    width: Option<Spanned<Width>>,
    final_adder: Option<Spanned<FinalAdder>>,
    verilog: Option<Spanned<String>>,
    blif: Option<Spanned<String>>,
    #[serde(rename = "yosys-json")]
    yosys_json: Option<Spanned<String>>,
    top: Option<String>,
    ports: Option<PortsFile>,
    signed: Option<bool>,
    name: Option<String>,
}

/// Which port of a netlist is which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortsFile {
    a: Option<String>,
    b: Option<String>,
    product: Option<String>,
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
    multiplier: Spanned<DesignFile>,
}

/// Reads a netlist from a file's bytes, the top module by name if there are several.
type Reader = fn(&[u8], Option<&str>) -> Result<Netlist, ReadError>;

impl DesignFile {
    /// Reads a design file, a table `[multiplier]`; paths in it start at `folder`.
    pub fn from_toml(text: &str, folder: &Path) -> Result<Multiplier, ConfigError> {
        toml::from_str::<File>(text)?.multiplier.into_inner().checked(folder)
    }

    /// The design it describes. Defaults: 8 × 8 bits, unsigned, a name made of the parts.
    pub fn checked(self, folder: &Path) -> Result<Multiplier, ConfigError> {
        let files: [(&Option<Spanned<String>>, &str, Reader); 3] = [
            (&self.verilog, "verilog", verilog::read),
            (&self.blif, "blif", blif::read),
            (&self.yosys_json, "yosys-json", yosys_json::read),
        ];
        let mut given = files.into_iter().filter_map(|(path, kind, read)| Some((path.as_ref()?, kind, read)));
        match (&self.family, given.next(), given.next()) {
            (Some(family), None, None) => self.of_family(family),
            (None, Some((path, kind, read)), None) => self.of_netlist(path, kind, read, folder),
            _ => Err(ConfigError {
                message: "a multiplier needs one of family, verilog, blif and yosys-json".to_owned(),
                span: self.family.as_ref().map(Spanned::span),
                help: Some("for example family = \"array\", or verilog = \"mul.v\"".to_owned()),
                other_file: None,
            }),
        }
    }

    fn of_family(&self, family: &Spanned<String>) -> Result<Multiplier, ConfigError> {
        let mut table = toml::Table::new();
        table.insert("family".into(), family.get_ref().clone().into());
        let mut span = family.span();
        if let Some(parameters) = &self.parameters {
            span.end = span.end.max(parameters.span().end);
            span.start = span.start.min(parameters.span().start);
            table.insert("parameters".into(), parameters.get_ref().clone().into());
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
        let name = self.name.clone().unwrap_or_else(|| family.design_name(a, b, signed));
        let place = self.width.as_ref().map_or(span, Spanned::span);
        let refused = |error: SpecError| {
            let help = "`axtrain list multipliers` shows what each family is defined for";
            ConfigError::at(place.clone(), error.to_string(), help)
        };
        let spec = MultiplierSpec::new(name, family, a, b, signed).map_err(refused)?;
        let spec = match &self.final_adder {
            None => spec,
            Some(adder) => spec.with_final_adder(*adder.get_ref()).map_err(refused)?,
        };
        Ok(spec.into())
    }

    fn of_netlist(
        &self,
        path: &Spanned<String>,
        kind: &str,
        read: Reader,
        folder: &Path,
    ) -> Result<Multiplier, ConfigError> {
        let file = folder.join(path.get_ref());
        let here = |message: String, help: &str| ConfigError::at(path.span(), message, help);
        let width = self.width.as_ref().map(Spanned::span);
        let misplaced =
            [self.parameters.as_ref().map(Spanned::span), width, self.final_adder.as_ref().map(Spanned::span)];
        if let Some(span) = misplaced.into_iter().flatten().next() {
            let help = "a netlist says itself what it computes; leave this out";
            return Err(ConfigError::at(span, "this key goes with a family only", help));
        }
        let bytes = std::fs::read(&file).map_err(|error| {
            here(format!("cannot read {}: {error}", file.display()), "paths start at the folder of this file")
        })?;
        let netlist = read(&bytes, self.top.as_deref()).map_err(|error| ConfigError {
            message: error.problem().to_string(),
            span: Some(error.bytes()),
            help: Some(error.remedy()),
            other_file: Some((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())),
        })?;
        let ports = self.ports.clone().unwrap_or_default();
        let netlist =
            netlist.operands(ports.a.as_deref(), ports.b.as_deref(), ports.product.as_deref()).map_err(|error| {
                here(error.to_string(), "ports = { a = \"…\", b = \"…\", product = \"…\" } says which is which")
            })?;
        let name = self.name.clone().unwrap_or_else(|| netlist.name().to_owned());
        Multiplier::from_netlist(name, kind, netlist, self.signed.unwrap_or(false))
            .map_err(|error| here(error.to_string(), "choose the ports, or another top module"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_are_a_design() {
        let text = "[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 3, b = 3 }\n";
        let spec = DesignFile::from_toml(text, Path::new(".")).unwrap();
        assert_eq!((spec.width_a(), spec.width_b(), spec.signed()), (8, 8, false));
        assert_eq!(spec.name(), "mul8u_operand_truncated_3_3");
        let text = "[multiplier]\nfamily = \"array\"\nwidth = [8, 4]\nsigned = true\n";
        assert_eq!(DesignFile::from_toml(text, Path::new(".")).unwrap().name(), "mul8x4s_array");
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let cases = [
            ("[multiplier]\nfamily = \"aray\"\n", "aray"),
            ("[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 3, c = 3 }\n", "c"),
            ("[multiplier]\nfamily = \"array\"\nwidth = 0\n", "0"),
            ("[multiplier]\nfamily = \"array\"\nwidht = 8\n", "widht"),
            ("[multiplier]\nfamily = \"array\"\nwidth = \"8\"\n", "\"8\""),
            ("[multiplier]\nfamily = \"array\"\nverilog = \"m.v\"\n", "array"),
            ("[multiplier]\nverilog = \"no-such-file.v\"\n", "no-such-file"),
            ("[multiplier]\nverilog = \"m.v\"\nwidth = 8\n", "8"),
        ];
        for (text, place) in cases {
            let error = DesignFile::from_toml(text, Path::new(".")).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
    }
}
