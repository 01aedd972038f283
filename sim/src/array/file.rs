//! Arrays as files: the TOML form and the built-in ones.

use super::{ArrayError, Dataflow, MemorySystem, OnTimingError, Overflow, SystolicArray};
use serde::{Deserialize, Serialize};

/// An array file.
///
/// ```
/// use axtrain_sim::array::ArrayFile;
///
/// let file: ArrayFile = toml::from_str("[array]\nrows = 8\ncolumns = 4\ndataflow = \"output-stationary\"\n")?;
/// assert_eq!(file.array.build()?.elements(), 32);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayFile {
    /// The elements.
    pub array: ArrayConfig,
    /// The memories behind them; unlimited and free if not given.
    pub memory: Option<MemorySystem>,
}

/// A [`SystolicArray`] as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayConfig {
    /// Rows of elements.
    pub rows: u32,
    /// Columns of elements.
    pub columns: u32,
    /// What stays in an element.
    pub dataflow: Dataflow,
    /// Whether what stays has a second register, so that folds overlap.
    #[serde(default)]
    pub double_buffering: bool,
    /// Whether a register separates multiplier and adder.
    #[serde(default)]
    pub product_register: bool,
    /// Bits of partial sums and results, 1 to 32.
    #[serde(default = "default_accumulator_bits")]
    pub accumulator_bits: u32,
    /// What accumulators do with sums beyond their width.
    #[serde(default)]
    pub overflow: Overflow,
    /// Whether operands of zero leave the multiplier as it is.
    #[serde(default)]
    pub data_gating: bool,
    /// What becomes of products that arrive late.
    #[serde(default)]
    pub on_timing_error: OnTimingError,
}

fn default_accumulator_bits() -> u32 {
    32
}

impl ArrayConfig {
    /// Elements with no option and 32-bit accumulators: what a file says that gives only these three.
    pub fn plain(rows: u32, columns: u32, dataflow: Dataflow) -> Self {
        Self {
            rows,
            columns,
            dataflow,
            double_buffering: false,
            product_register: false,
            accumulator_bits: default_accumulator_bits(),
            overflow: Overflow::default(),
            data_gating: false,
            on_timing_error: OnTimingError::default(),
        }
    }

    /// Checks the sizes.
    pub fn build(&self) -> Result<SystolicArray, ArrayError> {
        SystolicArray::new(self.rows, self.columns, self.dataflow)?
            .with_double_buffering(self.double_buffering)
            .with_product_register(self.product_register)
            .with_overflow(self.overflow)
            .with_data_gating(self.data_gating)
            .with_accumulator_bits(self.accumulator_bits)?
            .with_on_timing_error(self.on_timing_error)
    }
}

/// The built-in array files: name and TOML text.
pub const BUILT_IN_ARRAYS: [(&str, &str); 9] = [
    ("edge-4x4", include_str!("../../../hwconfigs/array/edge-4x4.toml")),
    ("edge-16x16", include_str!("../../../hwconfigs/array/edge-16x16.toml")),
    ("edge-32x32", include_str!("../../../hwconfigs/array/edge-32x32.toml")),
    ("edge-drop-32x32", include_str!("../../../hwconfigs/array/edge-drop-32x32.toml")),
    ("edge-is-32x32", include_str!("../../../hwconfigs/array/edge-is-32x32.toml")),
    ("edge-os-32x32", include_str!("../../../hwconfigs/array/edge-os-32x32.toml")),
    ("eyeriss-12x14", include_str!("../../../hwconfigs/array/eyeriss-12x14.toml")),
    ("tpu-128x128", include_str!("../../../hwconfigs/array/tpu-128x128.toml")),
    ("tpu-256x256", include_str!("../../../hwconfigs/array/tpu-256x256.toml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_arrays_are_what_their_names_say() {
        for (name, text) in BUILT_IN_ARRAYS {
            let file: ArrayFile = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let array = file.array.build().unwrap();
            let size = format!("{}x{}", array.rows(), array.columns());
            assert!(name.ends_with(&size), "{name} is {size}");
            assert!(array.product_register(), "{name} separates multiplier and accumulator, as experiments assume");
            assert!(file.memory.is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_what_the_command_line_assumes() {
        let text = "[array]\nrows = 3\ncolumns = 5\ndataflow = \"is\"";
        let file: ArrayFile = toml::from_str(text).unwrap();
        assert_eq!(file.array, ArrayConfig::plain(3, 5, Dataflow::InputStationary));
        assert_eq!(file.array.build(), SystolicArray::new(3, 5, Dataflow::InputStationary));
        assert_eq!(file.memory, None);
    }

    #[test]
    fn unknown_keys_and_zeros_are_refused() {
        let array = "[array]\nrows = 3\ncolumns = 5\ndataflow = \"ws\"\n";
        for (text, complaint) in [
            (format!("{array}row = 3"), "unknown field `row`"),
            (format!("{array}[memory]\ninput_sram_kb = 3"), "unknown field `input_sram_kb`"),
            (format!("{array}[memory]\ninput_sram_kib = 0"), "expected a nonzero u64"),
            (array.replace("ws", "row-stationary"), "unknown variant `row-stationary`"),
        ] {
            let error = toml::from_str::<ArrayFile>(&text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
        let file: ArrayFile = toml::from_str(&format!("{array}accumulator_bits = 33")).unwrap();
        assert_eq!(file.array.build(), Err(ArrayError::AccumulatorBits { bits: 33 }));
        let file: ArrayFile = toml::from_str(&format!("{array}on_timing_error = \"drop\"")).unwrap();
        assert_eq!(file.array.build(), Err(ArrayError::DropWithoutRegister));
    }
}
