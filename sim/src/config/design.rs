//! Design files: one multiplier in three lines.

use super::ConfigError;
use super::design_operation::{DesignOperation, DesignOperationFile};
use super::identity::Identity;
use crate::multiplier::{
    AnyMultiplier, Family, FinalAdder, Multiplier, MultiplierSpec, NotMagnitudes, NumberFormat, ProductTable,
    SpecError, TabulatedMultiplier,
};
use crate::netlist::{Netlist, ReadError, blif, verilog, yosys_json};
use serde::Deserialize;
use std::io::Read;
use std::ops::Range;
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
    table: Option<Spanned<String>>,
    top: Option<Spanned<String>>,
    ports: Option<Spanned<PortsFile>>,
    signed: Option<bool>,
    format: Option<Spanned<NumberFormat>>,
    name: Option<String>,
    #[serde(rename = "table-sha256")]
    table_sha256: Option<Spanned<String>>,
    expect: Option<Spanned<toml::Table>>,
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
    operation: Option<DesignOperationFile>,
}

/// Reads a netlist from a file's bytes, the top module by name if there are several.
type Reader = fn(&[u8], Option<&str>) -> Result<Netlist, ReadError>;

impl DesignFile {
    /// Reads a design file, a table `[multiplier]`; paths in it start at `folder`.
    pub fn from_toml(text: &str, folder: &Path) -> Result<AnyMultiplier, ConfigError> {
        Self::with_operation(text, folder).map(|(multiplier, _)| multiplier)
    }

    /// The same with the operating points that the file names in a table `[operation]`.
    pub fn with_operation(text: &str, folder: &Path) -> Result<(AnyMultiplier, DesignOperation), ConfigError> {
        let File { multiplier, operation } = toml::from_str(text)?;
        let operation = operation.map(DesignOperationFile::checked).transpose()?.unwrap_or_default();
        Ok((multiplier.into_inner().checked(folder)?, operation))
    }

    /// The design it describes, which must have gates.
    pub fn with_gates(self, folder: &Path) -> Result<Multiplier, ConfigError> {
        let span = self.table.as_ref().map(Spanned::span);
        self.checked(folder)?.gates().map_err(|error| ConfigError {
            message: error.to_string(),
            span,
            help: Some("give its circuit: family, verilog, blif or yosys-json".to_owned()),
            other_file: None,
        })
    }

    /// The design it describes. Defaults: 8 × 8 bits, unsigned, a name made of the parts.
    ///
    /// If the file says which table or which metrics it has, that is found to be so.
    pub fn checked(self, folder: &Path) -> Result<AnyMultiplier, ConfigError> {
        if let (Some(format), Some(_)) = (&self.format, self.signed) {
            let help =
                "format = \"twos-complement\" is signed = true; an unsigned multiplier makes \"sign-magnitude\"";
            return Err(ConfigError::at(format.span(), "format and signed are the same question", help));
        }
        let multiplier = self.read(folder)?;
        let multiplier = match &self.format {
            Some(format) if *format.get_ref() == NumberFormat::SignMagnitude => {
                let name = self.name.clone().unwrap_or_else(|| format!("{}_sm", multiplier.name()));
                let help = "choose operands of at most 8 bits; of 7 bits they take numbers of −127 to 127";
                let refused = |error: NotMagnitudes| ConfigError::at(format.span(), error.to_string(), help);
                multiplier.sign_magnitude(name).map_err(refused)?
            }
            _ => multiplier,
        };
        Identity { table_sha256: self.table_sha256.as_ref(), expect: self.expect.as_ref() }.check(&multiplier)?;
        Ok(multiplier)
    }

    /// Whether what the file describes, before anything is made of it, is two's complement.
    fn signed(&self) -> bool {
        match &self.format {
            Some(format) => *format.get_ref() == NumberFormat::TwosComplement,
            None => self.signed.unwrap_or(false),
        }
    }

    fn read(&self, folder: &Path) -> Result<AnyMultiplier, ConfigError> {
        let files: [(&Option<Spanned<String>>, &str, Reader); 3] = [
            (&self.verilog, "verilog", verilog::read),
            (&self.blif, "blif", blif::read),
            (&self.yosys_json, "yosys-json", yosys_json::read),
        ];
        let mut given = files.into_iter().filter_map(|(path, kind, read)| Some((path.as_ref()?, kind, read)));
        match (&self.family, given.next(), given.next(), &self.table) {
            (Some(family), None, None, None) => self.of_family(family).map(AnyMultiplier::Gates),
            (None, Some((path, kind, read)), None, None) => {
                self.of_netlist(path, kind, read, folder).map(AnyMultiplier::Gates)
            }
            (None, None, None, Some(path)) => self.of_table(path, folder).map(AnyMultiplier::Table),
            _ => Err(ConfigError {
                message: "a multiplier needs one of family, verilog, blif, yosys-json and table".to_owned(),
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
        let signed = self.signed();
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
        if let Some(span) = self.keys_of_families().into_iter().flatten().next() {
            let help = "a netlist says itself what it computes; leave this out";
            return Err(ConfigError::at(span, "this key goes with a family only", help));
        }
        let bytes = bytes_of(path, &file, MAX_NETLIST_BYTES)?;
        let top = self.top.as_ref().map(|top| top.get_ref().as_str());
        let netlist = read(&bytes, top).map_err(|error| ConfigError {
            message: error.problem().to_string(),
            span: Some(error.bytes()),
            help: Some(error.remedy()),
            other_file: Some((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())),
        })?;
        let ports = self.ports.as_ref().map(|ports| ports.get_ref().clone()).unwrap_or_default();
        let netlist =
            netlist.operands(ports.a.as_deref(), ports.b.as_deref(), ports.product.as_deref()).map_err(|error| {
                here(error.to_string(), "ports = { a = \"…\", b = \"…\", product = \"…\" } says which is which")
            })?;
        let name = self.name.clone().unwrap_or_else(|| netlist.name().to_owned());
        Multiplier::from_netlist(name, kind, netlist, self.signed())
            .map_err(|error| here(error.to_string(), "choose the ports, or another top module"))
    }

    fn of_table(&self, path: &Spanned<String>, folder: &Path) -> Result<TabulatedMultiplier, ConfigError> {
        let keys_of_netlists = [self.top.as_ref().map(Spanned::span), self.ports.as_ref().map(Spanned::span)];
        if let Some(span) = self.keys_of_families().into_iter().chain(keys_of_netlists).flatten().next() {
            let help = "a table says itself how wide its operands are and what their products; leave this out";
            return Err(ConfigError::at(span, "this key goes with a circuit only", help));
        }
        let file = folder.join(path.get_ref());
        let bytes = bytes_of(path, &file, ProductTable::MAX_FILE_BYTES)?;
        let table = ProductTable::read(&bytes, self.signed())
            .map_err(|error| ConfigError::at(path.span(), format!("{}: {error}", file.display()), error.remedy()))?;
        let stem = || file.file_stem().map_or("table".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Ok(TabulatedMultiplier::new(self.name.clone().unwrap_or_else(stem), table))
    }

    /// Places of the keys that go with a family.
    fn keys_of_families(&self) -> [Option<Range<usize>>; 3] {
        let adder = self.final_adder.as_ref().map(Spanned::span);
        [self.parameters.as_ref().map(Spanned::span), self.width.as_ref().map(Spanned::span), adder]
    }
}

/// Largest netlist file read: published multipliers have up to some megabytes.
const MAX_NETLIST_BYTES: u64 = 64 << 20;

/// A file's bytes, if they are not more than `most`.
fn bytes_of(path: &Spanned<String>, file: &Path, most: u64) -> Result<Vec<u8>, ConfigError> {
    let here = |message: String, help: &str| ConfigError::at(path.span(), message, help);
    let mut bytes = Vec::new();
    // One more than is allowed, so that a device without end is noticed.
    let read = std::fs::File::open(file).and_then(|source| source.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        here(format!("cannot read {}: {error}", file.display()), "paths start at the folder of this file")
    })?;
    if bytes.len() as u64 > most {
        let message = format!("{} has more than {most} bytes", file.display());
        return Err(here(message, "no multiplier of at most 16×16 bits needs so much; is it the right file?"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_are_a_design() {
        let text = "[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 3, b = 3 }\n";
        let spec = DesignFile::from_toml(text, Path::new(".")).unwrap().gates().unwrap();
        assert_eq!((spec.width_a(), spec.width_b(), spec.signed()), (8, 8, false));
        assert_eq!(spec.name(), "mul8u_operand_truncated_3_3");
        let text = "[multiplier]\nfamily = \"array\"\nwidth = [8, 4]\nsigned = true\n";
        assert_eq!(DesignFile::from_toml(text, Path::new(".")).unwrap().name(), "mul8x4s_array");
    }

    #[test]
    fn a_design_names_its_operating_points() {
        let multiplier = "[multiplier]\nfamily = \"array\"\n";
        let (_, none) = DesignFile::with_operation(multiplier, Path::new(".")).unwrap();
        assert_eq!(none, DesignOperation::default());
        let text = "[operation]\nsupply_v = \"0.8:1.0:0.1\"\nclock_ps = 1500\ncorner = \"ss\"\ntemperature_c = 85\n";
        let (_, given) = DesignFile::with_operation(&format!("{multiplier}{text}"), Path::new(".")).unwrap();
        assert_eq!(given.supplies.unwrap().into_inner(), [0.8, 0.9, 1.0].map(crate::units::Volts));
        assert_eq!((given.clock_ps, given.corner.unwrap().into_inner()), (Some(1500.0), "ss".to_owned()));
        assert_eq!(given.temperature_c.unwrap().into_inner(), 85.0);
    }

    #[test]
    fn an_unsigned_design_becomes_sign_magnitude() {
        let text = "[multiplier]\nfamily = \"array\"\nwidth = 7\nformat = \"sign-magnitude\"\n";
        let multiplier = DesignFile::from_toml(text, Path::new(".")).unwrap().gates().unwrap();
        assert_eq!((multiplier.name(), multiplier.signed()), ("mul7u_array_sm", true));
        assert_eq!((multiplier.width_a(), multiplier.coding().product_bits()), (8, 15));
        let text = text.replace("sign-magnitude", "twos-complement");
        let multiplier = DesignFile::from_toml(&text, Path::new(".")).unwrap().gates().unwrap();
        assert_eq!((multiplier.name(), multiplier.coding().product_bits()), ("mul7s_array", 14));
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
            ("[multiplier]\nfamily = \"array\"\nformat = \"ones-complement\"\n", "ones"),
            ("[multiplier]\nfamily = \"array\"\nwidth = 9\nformat = \"sign-magnitude\"\n", "sign"),
            ("[multiplier]\nfamily = \"array\"\nsigned = true\nformat = \"sign-magnitude\"\n", "sign"),
            ("[multiplier]\nfamily = \"array\"\n[operation]\nsupply_v = [0.9, -1.0]\n", "-1.0"),
            ("[multiplier]\nfamily = \"array\"\n[operation]\nsupply_v = \"0.9:0.8\"\n", "0.9:0.8"),
            ("[multiplier]\nfamily = \"array\"\n[operation]\nclock_ps = 0\n", "0"),
            ("[multiplier]\nfamily = \"array\"\n[operation]\ntemperature_c = -300.0\n", "-300"),
            ("[multiplier]\nfamily = \"array\"\n[operation]\nsuply_v = 0.9\n", "suply_v"),
        ];
        for (text, place) in cases {
            let error = DesignFile::from_toml(text, Path::new(".")).unwrap_err();
            let span = error.span.clone().unwrap_or_else(|| panic!("no place in {error:?}"));
            assert!(text[span.clone()].contains(place), "{error:?} points at {:?}", &text[span]);
        }
    }
}
