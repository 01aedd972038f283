//! The memories behind the array: what fits on chip, what goes to DRAM, and how long the array waits for it.
//!
//! Three on-chip memories hold activations, weights, and partial sums with results. Of each, one half is worked from
//! while the other is filled or emptied. DRAM has one port of fixed width and a latency that every fold's request sees
//! in full, because it can only be sent once half a memory is free. What a fold fetches, and what it writes, takes whole
//! bursts each.
//!
//! Time goes by slots, one a fold. While the array works on fold i, the port writes back what fold i − 1 has completed
//! and fetches what fold i + 1 needs and is not on chip; the slot is over when both are done, and when the on-chip
//! memories have passed fold i's words through their ports to and from the array. Before the first
//! fold its operands are fetched, after the last its results are written back: layers do not overlap.
//!
//! - An operand that later folds need again stays if it fits half its memory (weights of an output-stationary
//!   array: if those of one column of folds do); otherwise it is fetched every time. Windows of a convolution share
//!   their pixels: each pass over the input fetches every pixel once.
//! - Partial sums of a column of folds stay if they fit half the output memory; otherwise they go to DRAM and back.
//! - Results stay for the next layer if they are as many as its activations (nothing was pooled or added between) and
//!   fit the activation memory together with what this layer works on.
//!
//! Every word read from DRAM is also written to an on-chip memory and the reverse; [`SramTraffic`] counts the array's
//! side only. What streams may exceed half a memory in a fold; it passes through. Not modelled: bank conflicts, refresh,
//! row misses.
//!
//! [`SramTraffic`]: super::SramTraffic

#[cfg(test)]
mod conservation;
mod plan;

use super::dataflow::{Operand, Sums};
use super::gemm::product;
use super::{ArrayError, Layer, LayerCycles, SystolicArray};
use plan::Plan;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// Capacities, widths and speeds, as a configuration file gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySystem {
    /// On-chip memory for activations, KiB, both halves.
    pub input_sram_kib: NonZeroU64,
    /// On-chip memory for weights, KiB, both halves.
    pub weight_sram_kib: NonZeroU64,
    /// On-chip memory for partial sums and results, KiB, both halves.
    pub output_sram_kib: NonZeroU64,
    /// Bits that DRAM gives or takes in a cycle of the array; unlimited if not given.
    pub dram_bits_per_cycle: Option<NonZeroU64>,
    /// Cycles of the array from a request to its first word.
    #[serde(default)]
    pub dram_latency_cycles: u64,
    /// Bits of a burst of DRAM, which moves nothing less; 1 if not given.
    #[serde(default = "one")]
    pub dram_burst_bits: NonZeroU64,
    /// Bits that the ports of the memory for activations pass to the array in a cycle (ports × word); unlimited if not
    /// given.
    pub input_sram_bits_per_cycle: Option<NonZeroU64>,
    /// The same of the memory for weights.
    pub weight_sram_bits_per_cycle: Option<NonZeroU64>,
    /// The same of the memory for partial sums, reads and writes together.
    pub output_sram_bits_per_cycle: Option<NonZeroU64>,
    /// Bits an activation takes in memory; also a result, once requantised.
    #[serde(default = "eight")]
    pub activation_bits: NonZeroU64,
    /// Bits a weight takes in memory.
    #[serde(default = "eight")]
    pub weight_bits: NonZeroU64,
}

fn one() -> NonZeroU64 {
    NonZeroU64::MIN
}

fn eight() -> NonZeroU64 {
    const { NonZeroU64::new(8).expect("not zero") }
}

/// Words between on-chip memories and DRAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DramTraffic {
    /// Activations read.
    pub input_reads: u64,
    /// Weights read.
    pub weight_reads: u64,
    /// Results written.
    pub output_writes: u64,
    /// Partial sums written because they do not fit on chip.
    pub partial_sum_writes: u64,
    /// Partial sums read back.
    pub partial_sum_reads: u64,
}

impl DramTraffic {
    /// Every word once: what no memory can save.
    pub(super) fn compulsory(layer: &Layer) -> Option<Self> {
        let gemm = layer.gemm();
        Some(Self {
            input_reads: layer.input_count()?,
            weight_reads: product([layer.groups(), gemm.k(), gemm.n()])?,
            output_writes: layer.output_count()?,
            ..Self::default()
        })
    }

    /// Both together, `None` if a count does not fit 64 bits.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            input_reads: self.input_reads.checked_add(other.input_reads)?,
            weight_reads: self.weight_reads.checked_add(other.weight_reads)?,
            output_writes: self.output_writes.checked_add(other.output_writes)?,
            partial_sum_writes: self.partial_sum_writes.checked_add(other.partial_sum_writes)?,
            partial_sum_reads: self.partial_sum_reads.checked_add(other.partial_sum_reads)?,
        })
    }

    /// Words read and written; the largest count if they do not fit 64 bits.
    pub fn words(&self) -> u64 {
        [self.input_reads, self.weight_reads, self.output_writes, self.partial_sum_writes, self.partial_sum_reads]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Bits read and written, with partial sums of the array's width.
    pub fn bits(&self, array: &SystolicArray, memory: &MemorySystem) -> u128 {
        let of = |words: u64, bits: u64| u128::from(words) * u128::from(bits);
        of(self.input_reads, memory.activation_bits.get())
            + of(self.weight_reads, memory.weight_bits.get())
            + of(self.output_writes, memory.activation_bits.get())
            + of(self.partial_sum_writes, array.accumulator_bits().into())
            + of(self.partial_sum_reads, array.accumulator_bits().into())
    }
}

impl SystolicArray {
    /// Cycles and traffic of layers that run one after the other on real memories. A memory of which half holds less than
    /// the array takes at once is refused.
    pub fn network_cycles(&self, layers: &[Layer], memory: &MemorySystem) -> Result<Vec<LayerCycles>, ArrayError> {
        memory.check(self)?;
        let stays = |index: usize| match layers.get(index..index + 2) {
            Some([layer, next]) => memory.keeps_between(layer, next),
            _ => false,
        };
        let before = |index: usize| index > 0 && stays(index - 1);
        let with_memory = |(index, layer): (usize, &Layer)| {
            let mut counted = self.layer_cycles(layer)?;
            let tiling = self.tiling(layer)?;
            let plan = Plan::new(self, memory, layer, tiling, before(index), stays(index));
            let memory = plan.and_then(|plan| Some((plan.stall_cycles()?, plan.traffic()?)));
            let (stall_cycles, dram) = memory.ok_or_else(|| layer.overflow())?;
            let cycles = counted.cycles.checked_add(stall_cycles).ok_or_else(|| layer.overflow())?;
            counted.utilization *= counted.cycles as f64 / cycles as f64;
            (counted.cycles, counted.stall_cycles, counted.dram) = (cycles, stall_cycles, dram);
            Ok(counted)
        };
        layers.iter().enumerate().map(with_memory).collect()
    }
}

impl MemorySystem {
    /// Whether half of each memory holds what the array takes at once: all elements' operands where they stay, one step
    /// of what streams.
    fn check(&self, array: &SystolicArray) -> Result<(), ArrayError> {
        let mapping = array.dataflow().mapping();
        let (rows, columns, all) = (array.rows(), array.columns(), array.elements());
        let (inputs, weights) = match (mapping.sums(), mapping.row_operand()) {
            (Sums::Stationary, _) => (rows, columns),
            (Sums::Moving, Operand::Input) => (rows, all),
            (Sums::Moving, Operand::Weight) => (all, rows),
        };
        let memories = [
            ("input_sram_kib", self.input_sram_kib, inputs, self.activation_bits.get()),
            ("weight_sram_kib", self.weight_sram_kib, weights, self.weight_bits.get()),
            ("output_sram_kib", self.output_sram_kib, columns, array.accumulator_bits().into()),
        ];
        for (key, kib, words, bits) in memories {
            let needed = u128::from(words) * u128::from(bits);
            if needed > u128::from(bits_of(kib) / 2) {
                let least_kib = (2 * needed).div_ceil(1024 * 8);
                return Err(ArrayError::MemoryTooSmall { key, kib: kib.get(), words, least_kib });
            }
        }
        Ok(())
    }

    /// Whether the results of a layer wait on chip for the next one.
    fn keeps_between(&self, layer: &Layer, next: &Layer) -> bool {
        let fits = || {
            let words = layer.input_count()?.checked_add(next.input_count()?)?;
            let bits = product([words, self.activation_bits.get()])?;
            Some(layer.output_count()? == next.input_count()? && bits <= bits_of(self.input_sram_kib))
        };
        // What cannot be counted does not fit.
        fits().unwrap_or(false)
    }
}

/// Capacity in bits; beyond 64 bits it is as good as unlimited.
fn bits_of(kib: NonZeroU64) -> u64 {
    kib.get().saturating_mul(1024 * 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Dataflow;

    fn memory(sram_kib: [u64; 3], dram_bits_per_cycle: u64, dram_latency_cycles: u64) -> MemorySystem {
        let [input_sram_kib, weight_sram_kib, output_sram_kib] = sram_kib.map(|kib| NonZeroU64::new(kib).unwrap());
        let dram_bits_per_cycle = NonZeroU64::new(dram_bits_per_cycle);
        MemorySystem {
            input_sram_kib,
            weight_sram_kib,
            output_sram_kib,
            dram_bits_per_cycle,
            dram_latency_cycles,
            dram_burst_bits: one(),
            input_sram_bits_per_cycle: None,
            weight_sram_bits_per_cycle: None,
            output_sram_bits_per_cycle: None,
            activation_bits: eight(),
            weight_bits: eight(),
        }
    }

    fn layer(gemm: &str) -> Layer {
        Layer::new("layer", gemm.parse().unwrap())
    }

    #[test]
    fn a_slow_port_makes_the_array_wait() {
        // 4 folds along K of 2·4 + 4 + 8 − 2 = 18 cycles; each needs 8 × 4 activations and 4 × 4 weights, 384 bits.
        let array = SystolicArray::new(4, 4, Dataflow::WeightStationary).unwrap();
        let layers = [layer("8x4x16")];
        let count = |memory| array.network_cycles(&layers, &memory).unwrap()[0];
        // 16 bits a cycle: 24 cycles a fold, 6 more than the work. 8 × 4 results take 16 cycles in the end.
        let slow = count(memory([64; 3], 16, 0));
        assert_eq!(slow.stall_cycles, 24 + 3 * 6 + 16);
        assert_eq!(slow.cycles, 4 * 18 + slow.stall_cycles);
        assert_eq!(slow.utilization, f64::from(8 * 4 * 16) / (16.0 * slow.cycles as f64));
        // A latency of 10 comes on top of every fetch.
        assert_eq!(count(memory([64; 3], 16, 10)).stall_cycles, slow.stall_cycles + 4 * 10);
        // 32 bits a cycle: 12 cycles, hidden but for the first.
        assert_eq!(count(memory([64; 3], 32, 0)).stall_cycles, 12 + 8);
        assert_eq!(slow.dram, DramTraffic::compulsory(&layers[0]).unwrap());
        // Bursts of 256 bits: 384 bits take two, 8 × 4 × 8 one. 512 bits take 32 cycles, 14 more than the work.
        let bursts = MemorySystem { dram_burst_bits: NonZeroU64::new(256).unwrap(), ..memory([64; 3], 16, 0) };
        assert_eq!(count(bursts).stall_cycles, 32 + 3 * 14 + 16);
        // Zero here stands for no limit.
        assert_eq!(count(memory([64; 3], 0, 0)), array.layer_cycles(&layers[0]).unwrap());
    }

    #[test]
    fn a_narrow_port_makes_the_array_wait() {
        // As above: folds of 18 cycles that read 8 × 4 activations and 4 × 4 weights of 8 bits and write 8 × 4 sums of 32
        // bits, all but the first after reading as many.
        let array = SystolicArray::new(4, 4, Dataflow::WeightStationary).unwrap();
        let count = |memory: MemorySystem| array.network_cycles(&[layer("8x4x16")], &memory).unwrap()[0].stall_cycles;
        let ideal = memory([64; 3], 0, 0);
        let port = |bits| NonZeroU64::new(bits);
        assert_eq!(count(MemorySystem { input_sram_bits_per_cycle: port(16), ..ideal }), 0);
        assert_eq!(count(MemorySystem { input_sram_bits_per_cycle: port(8), ..ideal }), 4 * (32 - 18));
        assert_eq!(count(MemorySystem { weight_sram_bits_per_cycle: port(6), ..ideal }), 4 * (22 - 18));
        let sums = MemorySystem { output_sram_bits_per_cycle: port(32), ..ideal };
        assert_eq!(count(sums), (32 - 18) + 3 * (64 - 18));
        // The slowest port decides.
        assert_eq!(count(MemorySystem { input_sram_bits_per_cycle: port(8), ..sums }), count(sums));
    }

    #[test]
    fn a_memory_smaller_than_a_tile_is_refused() {
        // 32 × 32 weights fill half of 2 KiB, 33 × 32 do not.
        let layers = [layer("8x4x16")];
        let count = |rows, dataflow, sram_kib| {
            let array = SystolicArray::new(rows, 32, dataflow).unwrap();
            array.network_cycles(&layers, &memory(sram_kib, 0, 0)).map(|_| ())
        };
        assert_eq!(count(32, Dataflow::WeightStationary, [1, 2, 1]), Ok(()));
        let refusal = |key, words| Err(ArrayError::MemoryTooSmall { key, kib: 2, words, least_kib: 3 });
        assert_eq!(count(33, Dataflow::WeightStationary, [2; 3]), refusal("weight_sram_kib", 33 * 32));
        assert_eq!(count(33, Dataflow::InputStationary, [2; 3]), refusal("input_sram_kib", 33 * 32));
        // Sums that stay hold nothing else.
        assert_eq!(count(33, Dataflow::OutputStationary, [1; 3]), Ok(()));
    }

    #[test]
    fn results_wait_on_chip_for_the_next_layer_if_they_fit() {
        let array = SystolicArray::new(16, 16, Dataflow::WeightStationary).unwrap();
        let layers = [layer("1x256x784"), layer("1x256x256"), layer("1x10x128")];
        let counted = array.network_cycles(&layers, &memory([64; 3], 64, 0)).unwrap();
        let inputs_and_outputs = counted.iter().map(|layer| (layer.dram.input_reads, layer.dram.output_writes));
        // The third layer's 128 activations are not the second one's 256 results.
        assert_eq!(inputs_and_outputs.collect::<Vec<_>>(), [(784, 0), (0, 256), (128, 10)]);
        // 784 + 256 bytes do not fit one KiB, 256 + 256 would.
        let small = array.network_cycles(&layers, &memory([1; 3], 64, 0)).unwrap();
        assert_eq!((small[0].dram.output_writes, small[1].dram.input_reads), (256, 256));
        let total = LayerCycles::total(&counted).unwrap();
        assert_eq!(total.cycles, counted.iter().map(|layer| layer.cycles).sum::<u64>());
        let multiplications = 784 * 256 + 256 * 256 + 128 * 10;
        assert!((total.utilization - f64::from(multiplications) / (256.0 * total.cycles as f64)).abs() < 1e-12);
    }
}
