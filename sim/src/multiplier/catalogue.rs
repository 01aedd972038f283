//! What there is to choose from: the families with their sources, and every design of given widths.

use super::{BoothEncoder, Compressor, Family, MultiplierSpec};

/// A family as a list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// Name in design files.
    pub name: &'static str,
    /// What it computes, in a line.
    pub description: &'static str,
    /// Name and meaning of each parameter.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Operand widths n×m for which it is defined, all up to [`MultiplierSpec::MAX_WIDTH`].
    pub widths: &'static str,
    /// Where it was published.
    pub source: &'static str,
}

const ANY: &str = "any";
const SEGMENT: (&str, &str) = ("segment", "bits kept of an operand");

/// Every family, in the order of [`Family`].
pub const CATALOGUE: [CatalogueEntry; 22] = [
    CatalogueEntry {
        name: "array",
        description: "exact carry-save array; Baugh–Wooley when signed",
        parameters: &[],
        widths: ANY,
        source: "Braun 1963; Baugh and Wooley, IEEE TC 1973",
    },
    CatalogueEntry {
        name: "wallace",
        description: "exact Wallace tree; Baugh–Wooley when signed",
        parameters: &[],
        widths: ANY,
        source: "Wallace, IEEE Trans. Electronic Computers 1964",
    },
    CatalogueEntry {
        name: "dadda",
        description: "exact Dadda tree; Baugh–Wooley when signed",
        parameters: &[],
        widths: ANY,
        source: "Dadda, Alta Frequenza 1965",
    },
    CatalogueEntry {
        name: "booth",
        description: "exact radix-4 Booth recoding of b with a Dadda tree",
        parameters: &[],
        widths: ANY,
        source: "MacSorley, Proc. IRE 1961",
    },
    CatalogueEntry {
        name: "truncated",
        description: "array without its lowest columns",
        parameters: &[("columns", "columns left out")],
        widths: ANY,
        source: "Schulte and Swartzlander, VLSI Signal Processing 1993",
    },
    CatalogueEntry {
        name: "operand-truncated",
        description: "array on operands whose low bits are tied to 0",
        parameters: &[("a", "bits of a tied to 0"), ("b", "bits of b tied to 0")],
        widths: ANY,
        source: "EvoApproxLib mul8s_1L2H and others: Mrazek et al., DATE 2017",
    },
    CatalogueEntry {
        name: "broken-array",
        description: "array without its lowest rows and its lowest columns",
        parameters: &[("horizontal", "rows (bits of b) left out"), ("vertical", "columns left out")],
        widths: ANY,
        source: "Mahdiani et al., IEEE TCAS-I 2010",
    },
    CatalogueEntry {
        name: "perforated",
        description: "array without some consecutive rows",
        parameters: &[("start", "first row (bit of b) left out"), ("rows", "rows left out")],
        widths: ANY,
        source: "Zervakis et al., IEEE TVLSI 2016",
    },
    CatalogueEntry {
        name: "underdesigned",
        description: "2×2 blocks in which 3·3 = 7, added exactly",
        parameters: &[],
        widths: "n and m even",
        source: "Kulkarni et al., VLSI Design 2011",
    },
    CatalogueEntry {
        name: "drum",
        description: "exact product of the bits from each leading one on, lowest kept bit set to 1",
        parameters: &[SEGMENT],
        widths: "n, m ≥ 2",
        source: "Hashemi et al., ICCAD 2015",
    },
    CatalogueEntry {
        name: "ssm",
        description: "exact product of the upper or lower bits of each operand",
        parameters: &[SEGMENT],
        widths: "m/2 ≤ n ≤ 2m",
        source: "Narayanamoorthy et al., IEEE TVLSI 2015",
    },
    CatalogueEntry {
        name: "essm",
        description: "exact product of the upper, middle or lower bits of each operand",
        parameters: &[SEGMENT],
        widths: "m/3 ≤ n ≤ 3m, n − m even",
        source: "Narayanamoorthy et al., IEEE TVLSI 2015",
    },
    CatalogueEntry {
        name: "dsm",
        description: "exact product of the bits from each leading one on",
        parameters: &[SEGMENT],
        widths: "n, m ≥ 2",
        source: "Narayanamoorthy et al., IEEE TVLSI 2015",
    },
    CatalogueEntry {
        name: "mitchell",
        description: "piecewise linear logarithms added",
        parameters: &[],
        widths: ANY,
        source: "Mitchell, IRE Trans. Electronic Computers 1962",
    },
    CatalogueEntry {
        name: "iterative-log",
        description: "Mitchell's linear part, repeated on what remains of the operands",
        parameters: &[("corrections", "repetitions")],
        widths: ANY,
        source: "Babić et al., Microprocessors and Microsystems 2011",
    },
    CatalogueEntry {
        name: "mbm",
        description: "Mitchell's product plus a constant that removes its bias",
        parameters: &[],
        widths: ANY,
        source: "Saadat et al., IEEE TCAD 2018",
    },
    CatalogueEntry {
        name: "realm",
        description: "Mitchell's product plus a correction for each pair of mantissa segments",
        parameters: &[("segments", "segments of a mantissa: 4, 8 or 16")],
        widths: "n, m ≥ 3; more for 8 and 16 segments",
        source: "Saadat et al., DATE 2020",
    },
    CatalogueEntry {
        name: "alm-soa",
        description: "Mitchell with a set-one adder for the mantissas",
        parameters: &[("lower", "mantissa bits that are not added")],
        widths: ANY,
        source: "Liu et al., IEEE TCAS-I 2018",
    },
    CatalogueEntry {
        name: "roba",
        description: "operands rounded to powers of two, first-order error removed",
        parameters: &[],
        widths: ANY,
        source: "Zendegani et al., IEEE TVLSI 2017",
    },
    CatalogueEntry {
        name: "tosam",
        description: "truncated mantissas added, rounded ones multiplied",
        parameters: &[("h", "mantissa bits multiplied, fewer than t"), ("t", "mantissa bits added")],
        widths: "n, m ≥ 2",
        source: "Vahdat et al., IEEE TVLSI 2019",
    },
    CatalogueEntry {
        name: "booth-approximate",
        description: "radix-4 Booth with approximate partial products in its lowest columns",
        parameters: &[("encoder", "abe1 or abe2"), ("columns", "columns in which they are")],
        widths: ANY,
        source: "Liu et al., IEEE TC 2017",
    },
    CatalogueEntry {
        name: "compressor-tree",
        description: "tree of 4:2 compressors, approximate in its lowest columns",
        parameters: &[("compressor", "momeni1, momeni2 or yang1"), ("columns", "columns in which it is used")],
        widths: ANY,
        source: "Momeni et al., IEEE TC 2015; Yang et al., DFT 2015",
    },
];

impl Family {
    /// Name of every family, in the order of [`CATALOGUE`].
    pub const NAMES: [&str; CATALOGUE.len()] = {
        let mut names = [""; CATALOGUE.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = CATALOGUE[index].name;
            index += 1;
        }
        names
    };

    /// The parameters as design files write them, in the order of [`CATALOGUE`].
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let number = |name, value: u32| (name, value.to_string());
        match *self {
            Family::Array
            | Family::Wallace
            | Family::Dadda
            | Family::Booth
            | Family::Underdesigned
            | Family::Mitchell
            | Family::Mbm
            | Family::Roba => Vec::new(),
            Family::Truncated { columns } => vec![number("columns", columns)],
            Family::OperandTruncated { a, b } => vec![number("a", a), number("b", b)],
            Family::BrokenArray { horizontal, vertical } => {
                vec![number("horizontal", horizontal), number("vertical", vertical)]
            }
            Family::Perforated { start, rows } => vec![number("start", start), number("rows", rows)],
            Family::Drum { segment }
            | Family::Ssm { segment }
            | Family::Essm { segment }
            | Family::Dsm { segment } => vec![number("segment", segment)],
            Family::IterativeLog { corrections } => vec![number("corrections", corrections)],
            Family::Realm { segments } => vec![number("segments", segments)],
            Family::AlmSoa { lower } => vec![number("lower", lower)],
            Family::Tosam { h, t } => vec![number("h", h), number("t", t)],
            Family::BoothApproximate { encoder, columns } => {
                vec![("encoder", encoder.name().to_owned()), number("columns", columns)]
            }
            Family::CompressorTree { compressor, columns } => {
                vec![("compressor", compressor.name().to_owned()), number("columns", columns)]
            }
        }
    }

    /// A name for the design with these operands, made of letters, digits and underscores: `mul8u_drum_4`.
    pub fn design_name(&self, width_a: u32, width_b: u32, signed: bool) -> String {
        let widths = if width_a == width_b { width_a.to_string() } else { format!("{width_a}x{width_b}") };
        let format = if signed { "s" } else { "u" };
        let parameters = self.parameters().into_iter().map(|(_, value)| format!("_{value}"));
        format!("mul{widths}{format}_{}{}", self.name().replace('-', "_"), parameters.collect::<String>())
    }
}

/// Every design for these operands: every family with every choice of parameters it is defined for, ripple final adders.
pub fn designs(width_a: u32, width_b: u32, signed: bool) -> Vec<MultiplierSpec> {
    let defined = |family: Family| {
        let name = family.design_name(width_a, width_b, signed);
        MultiplierSpec::new(name, family, width_a, width_b, signed).ok()
    };
    candidates(width_a + width_b).into_iter().filter_map(defined).collect()
}

/// Every family with all parameters up to `limit`, in the order of [`CATALOGUE`].
fn candidates(limit: u32) -> Vec<Family> {
    use Family::*;
    let one = move |family: fn(u32) -> Family| (0..=limit).map(family);
    let two = move |family: fn(u32, u32) -> Family| {
        (0..=limit).flat_map(move |first| (0..=limit).map(move |second| family(first, second)))
    };
    let mut all = vec![Array, Wallace, Dadda, Booth];
    all.extend(one(|columns| Truncated { columns }));
    all.extend(two(|a, b| OperandTruncated { a, b }));
    all.extend(two(|horizontal, vertical| BrokenArray { horizontal, vertical }));
    all.extend(two(|start, rows| Perforated { start, rows }));
    all.push(Underdesigned);
    all.extend(one(|segment| Drum { segment }));
    all.extend(one(|segment| Ssm { segment }));
    all.extend(one(|segment| Essm { segment }));
    all.extend(one(|segment| Dsm { segment }));
    all.push(Mitchell);
    all.extend(one(|corrections| IterativeLog { corrections }));
    all.push(Mbm);
    all.extend(one(|segments| Realm { segments }));
    all.extend(one(|lower| AlmSoa { lower }));
    all.push(Roba);
    all.extend(two(|h, t| Tosam { h, t }));
    for encoder in BoothEncoder::ALL {
        all.extend((0..=limit).map(|columns| BoothApproximate { encoder, columns }));
    }
    for compressor in Compressor::ALL {
        all.extend((0..=limit).map(|columns| CompressorTree { compressor, columns }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    /// The list, the names in files and the designs are the same families with the same parameters.
    #[test]
    fn catalogue_agrees_with_the_families() {
        let designs = designs(8, 8, false);
        let mut listed: Vec<&str> = designs.iter().map(|spec| spec.family().name()).collect();
        listed.dedup();
        assert_eq!(listed, Family::NAMES);
        for spec in designs {
            let family = spec.family();
            let entry = CATALOGUE.iter().find(|entry| entry.name == family.name()).unwrap();
            let names: Vec<&str> = family.parameters().iter().map(|(name, _)| *name).collect();
            assert_eq!(names, entry.parameters.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            let written = serde_json::to_value(family).unwrap();
            assert_eq!(written["family"], family.name());
            for (name, value) in family.parameters() {
                let text = match &written["parameters"][name] {
                    Value::String(text) => text.clone(),
                    number => number.to_string(),
                };
                assert_eq!(text, value, "{family:?}");
            }
            assert_eq!(serde_json::from_value::<Family>(written).unwrap(), *family);
        }
    }

    #[test]
    fn design_names_are_unique() {
        let operands = [(8, 8, false), (8, 8, true), (8, 4, false), (4, 8, false)];
        let designs: Vec<_> = operands.iter().flat_map(|&(a, b, signed)| designs(a, b, signed)).collect();
        let names: BTreeSet<&str> = designs.iter().map(|spec| spec.name()).collect();
        assert_eq!(names.len(), designs.len());
    }

    #[test]
    fn unknown_families_and_parameters_are_refused() {
        let read = |value: Value| serde_json::from_value::<Family>(value);
        let broken = json!({"family": "broken-array", "parameters": {"horizontal": 2, "vertical": 5}});
        assert_eq!(read(broken).unwrap(), Family::BrokenArray { horizontal: 2, vertical: 5 });
        assert!(read(json!({"family": "array"})).is_ok());
        assert!(read(json!({"family": "arrays"})).is_err());
        assert!(read(json!({"family": "drum", "parameters": {"segment": 4, "segments": 4}})).is_err());
        assert!(read(json!({"family": "drum", "parameters": {}})).is_err());
        assert!(read(json!({"family": "drum", "parameters": {"segment": 4}, "width": 8})).is_err());
    }
}
