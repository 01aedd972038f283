//! How far a layer is from what elements and DRAM allow (Williams, Waterman and Patterson, CACM 52(4), 2009).

use super::{DramTraffic, LayerCycles, MemorySystem, SystolicArray};

/// The two limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofs {
    /// Most multiply-accumulates a cycle.
    pub peak: f64,
    /// Bytes that DRAM moves in a cycle; `None` without a limit.
    pub bytes_per_cycle: Option<f64>,
}

/// Where a layer stands below them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RooflinePoint {
    /// Multiply-accumulates a byte to or from DRAM; infinite if there is none.
    pub intensity: f64,
    /// Multiply-accumulates a cycle.
    pub throughput: f64,
}

impl SystolicArray {
    /// The limits of this array on `memory`.
    pub fn roofs(&self, memory: Option<&MemorySystem>) -> Roofs {
        let width = memory.and_then(|memory| memory.dram_bits_per_cycle);
        Roofs { peak: self.elements() as f64, bytes_per_cycle: width.map(|bits| bits.get() as f64 / 8.0) }
    }

    /// Place of `work` multiply-accumulates that took `counted`; words have the sizes of `memory`, or else of 8-bit
    /// operands.
    pub fn roofline_point(&self, work: u64, counted: &LayerCycles, memory: Option<&MemorySystem>) -> RooflinePoint {
        let DramTraffic { input_reads, weight_reads, output_writes, .. } = counted.dram;
        let bytes = match memory {
            Some(memory) => counted.dram.bits(self, memory) as f64 / 8.0,
            None => [input_reads, weight_reads, output_writes].map(|words| words as f64).iter().sum(),
        };
        RooflinePoint { intensity: work as f64 / bytes, throughput: work as f64 / counted.cycles as f64 }
    }
}

#[cfg(test)]
mod tests {
    use crate::array::{ArrayFile, BUILT_IN_ARRAYS, Layer};

    #[test]
    fn no_layer_is_above_a_roof() {
        for (name, text) in BUILT_IN_ARRAYS {
            let file: ArrayFile = toml::from_str(text).unwrap();
            let (array, memory) = (file.array.build().unwrap(), file.memory.as_ref());
            let roofs = array.roofs(memory);
            assert_eq!(
                roofs.bytes_per_cycle,
                memory.unwrap().dram_bits_per_cycle.map(|bits| bits.get() as f64 / 8.0)
            );
            for gemm in ["1x1x1", "1x1000x2048", "3136x64x576", "100000x512x4608"] {
                let layer = Layer::new("layer", gemm.parse().unwrap());
                let counted = array.network_cycles(std::slice::from_ref(&layer), memory.unwrap()).unwrap()[0];
                let point = array.roofline_point(layer.multiply_accumulates().unwrap(), &counted, memory);
                assert!(point.throughput <= roofs.peak, "{name} {gemm}");
                assert!(point.throughput <= point.intensity * roofs.bytes_per_cycle.unwrap(), "{name} {gemm}");
                assert!((point.throughput / roofs.peak / counted.utilization - 1.0).abs() < 1e-12);
            }
        }
    }
}
