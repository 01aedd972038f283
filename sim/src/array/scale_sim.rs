//! SCALE-Sim's way of counting, errors included, so that its published numbers can be compared with.
//!
//! SCALE-Sim 3 reports the index of a layer's last cycle, one less than the number of cycles. Its output-stationary
//! fold is R cycles too short, because its trace writes a result before the last operand has been read; the same trace
//! writes R + C results too many a fold. It never counts partial sums that are read back. It knows neither double
//! buffering nor product registers.

use super::gemm::{product, sum};
use super::{ArrayError, Dataflow, Layer, LayerCycles, SystolicArray};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whose way of counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// What registers do.
    #[default]
    Rtl,
    /// What SCALE-Sim 3 prints.
    ScaleSim,
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtl => "rtl",
            Self::ScaleSim => "scale-sim",
        })
    }
}

impl FromStr for Convention {
    type Err = ArrayError;

    fn from_str(text: &str) -> Result<Self, ArrayError> {
        [Self::Rtl, Self::ScaleSim]
            .into_iter()
            .find(|convention| text == convention.to_string())
            .ok_or_else(|| ArrayError::UnknownConvention { text: text.into() })
    }
}

impl SystolicArray {
    /// What SCALE-Sim 3 reports for the layer with unlimited bandwidth; a group is a layer of its own to it.
    ///
    /// An array with double buffering or product registers is refused.
    pub fn scale_sim_cycles(&self, layer: &Layer) -> Result<LayerCycles, ArrayError> {
        for (present, feature) in
            [(self.double_buffering(), "double buffering"), (self.product_register(), "product registers")]
        {
            if present {
                return Err(ArrayError::UnknownToScaleSim { feature });
            }
        }
        let mut counted = self.layer_cycles(layer)?;
        let (rows, columns) = (self.rows(), self.columns());
        let output_stationary = self.dataflow() == Dataflow::OutputStationary;
        let closed_form = || {
            let fold_error = if output_stationary { rows } else { 0 };
            let errors = sum([product([counted.folds, fold_error])?, layer.groups()])?;
            let extra_writes = if output_stationary { product([counted.folds, rows + columns])? } else { 0 };
            Some((counted.cycles - errors, sum([counted.sram.output_writes, extra_writes])?))
        };
        let (cycles, output_writes) = closed_form().ok_or_else(|| layer.overflow())?;
        counted.utilization *= counted.cycles as f64 / cycles as f64;
        counted.cycles = cycles;
        counted.sram.output_writes = output_writes;
        counted.sram.partial_sum_reads = 0;
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_beyond_scale_sim_are_refused() {
        let array = SystolicArray::new(4, 4, Dataflow::WeightStationary).unwrap();
        let layer = Layer::new("layer", "4x4x4".parse().unwrap());
        for (array, feature) in [
            (array.with_double_buffering(true), "double buffering"),
            (array.with_product_register(true), "product registers"),
        ] {
            assert_eq!(array.scale_sim_cycles(&layer), Err(ArrayError::UnknownToScaleSim { feature }));
        }
    }

    #[test]
    fn names_are_read_back() {
        for convention in [Convention::Rtl, Convention::ScaleSim] {
            assert_eq!(convention.to_string().parse(), Ok(convention));
        }
        assert!(matches!("scalesim".parse::<Convention>(), Err(ArrayError::UnknownConvention { .. })));
    }
}
