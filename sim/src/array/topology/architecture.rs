//! Descriptions of arrays in SCALE-Sim's `.cfg` form.

use crate::array::{ArrayConfig, ArrayFile, Dataflow, MemorySystem};
use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};

/// Bits of a word of SCALE-Sim's.
const BYTE: NonZeroU64 = NonZeroU64::new(8).expect("not zero");

/// Reads an array and its memories: `[section]` headings, `Key : value` or `Key = value` lines, `#` and `;` comments.
///
/// Of the section `architecture_presets`, `ArrayHeight`, `ArrayWidth`, `Dataflow` and the three SRAM sizes are needed;
/// `Bandwidth` counts if `InterfaceBandwidth` is `USER`, in words of one byte a cycle, and is unlimited if it is
/// `CALC`. What SCALE-Sim has no setting for (registers, latency) is absent. Other keys are not read.
pub fn read_architecture(text: &str) -> Result<ArrayFile, ArchitectureError> {
    let settings = Settings::read(text)?;
    let side = |key| settings.number::<NonZeroU32>(key).map(NonZeroU32::get);
    let dataflow = settings.parse("Dataflow", "ws, os or is", |text| text.parse::<Dataflow>().ok())?;
    let array = ArrayConfig::plain(side("ArrayHeight")?, side("ArrayWidth")?, dataflow);
    let user = |text: &str| match text {
        "USER" => Some(true),
        "CALC" => Some(false),
        _ => None,
    };
    let dram_bits_per_cycle = if settings.parse("InterfaceBandwidth", "USER or CALC", user)? {
        Some(settings.number::<NonZeroU64>("Bandwidth")?.saturating_mul(BYTE))
    } else {
        None
    };
    let memory = MemorySystem {
        input_sram_kib: settings.number("IfmapSramSzkB")?,
        weight_sram_kib: settings.number("FilterSramSzkB")?,
        output_sram_kib: settings.number("OfmapSramSzkB")?,
        dram_bits_per_cycle,
        dram_latency_cycles: 0,
        dram_burst_bits: NonZeroU64::MIN,
        input_sram_bits_per_cycle: None,
        weight_sram_bits_per_cycle: None,
        output_sram_bits_per_cycle: None,
        activation_bits: BYTE,
        weight_bits: BYTE,
    };
    Ok(ArrayFile { array, memory: Some(memory) })
}

/// A description that cannot be read. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// Neither a heading, a setting nor a comment.
    #[error("line {line}: {text:?} is not a setting; write `Key : value`")]
    Line {
        /// Where.
        line: usize,
        /// What is there.
        text: String,
    },
    /// A setting that is needed.
    #[error("{key} is not set; add a line `{key} : value`")]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A value that is not understood.
    #[error("line {line}: {key} is {value:?}; write {expected}")]
    Value {
        /// Where.
        line: usize,
        /// Of which setting.
        key: &'static str,
        /// What is there.
        value: String,
        /// What may be there.
        expected: &'static str,
    },
}

impl ArchitectureError {
    /// The line at fault, if it is one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Missing { .. } => None,
            Self::Line { line, .. } | Self::Value { line, .. } => Some(*line),
        }
    }
}

/// Line and value of every setting, by its name in lower case; sections do not share names.
struct Settings<'a>(HashMap<String, (usize, &'a str)>);

impl<'a> Settings<'a> {
    fn read(text: &'a str) -> Result<Self, ArchitectureError> {
        let mut settings = HashMap::new();
        for (line, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with(['#', ';', '[']) {
                continue;
            }
            let setting = text.split_once([':', '=']);
            let (key, value) = setting.ok_or_else(|| ArchitectureError::Line { line, text: text.into() })?;
            settings.insert(key.trim().to_lowercase(), (line, value.trim()));
        }
        Ok(Self(settings))
    }

    fn parse<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ArchitectureError> {
        let &(line, value) = self.0.get(&key.to_lowercase()).ok_or(ArchitectureError::Missing { key })?;
        parse(value).ok_or_else(|| ArchitectureError::Value { line, key, value: value.into(), expected })
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, ArchitectureError> {
        self.parse(key, "a positive integer", |text| text.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EYERISS: &str = "\
[general]
run_name = eyeriss

[architecture_presets]
ArrayHeight:    12
ArrayWidth:     14
IfmapSramSzkB:   108
FilterSramSzkB:  36
OfmapSramSzkB:   18
IfmapOffset:    0
Dataflow : ws
Bandwidth : 10

[run_presets]
InterfaceBandwidth: CALC
";

    #[test]
    fn an_array_and_its_memories_are_read() {
        let file = read_architecture(EYERISS).unwrap();
        let array = file.array.build().unwrap();
        assert_eq!((array.rows(), array.columns(), array.dataflow()), (12, 14, Dataflow::WeightStationary));
        let memory = file.memory.unwrap();
        let sizes = [memory.input_sram_kib, memory.weight_sram_kib, memory.output_sram_kib];
        assert_eq!(sizes.map(NonZeroU64::get), [108, 36, 18]);
        assert_eq!(memory.dram_bits_per_cycle, None);
        let limited = read_architecture(&EYERISS.replace("CALC", "USER")).unwrap();
        assert_eq!(limited.memory.unwrap().dram_bits_per_cycle, NonZeroU64::new(80));
    }

    #[test]
    fn malformed_descriptions_say_what_to_mend() {
        for (text, complaint) in [
            (EYERISS.replace("ArrayWidth", "ArrayWide"), "ArrayWidth is not set; add a line `ArrayWidth : value`"),
            (EYERISS.replace("12", "0"), "line 5: ArrayHeight is \"0\"; write a positive integer"),
            (EYERISS.replace("12", "twelve"), "line 5: ArrayHeight is \"twelve\""),
            (EYERISS.replace(": ws", ": rs"), "line 11: Dataflow is \"rs\"; write ws, os or is"),
            (EYERISS.replace("CALC", "auto"), "line 15: InterfaceBandwidth is \"auto\"; write USER or CALC"),
            (EYERISS.replace("Bandwidth : 10", "Bandwidth 10"), "line 12: \"Bandwidth 10\" is not a setting"),
        ] {
            assert!(read_architecture(&text).unwrap_err().to_string().starts_with(complaint), "{complaint}");
        }
    }
}
