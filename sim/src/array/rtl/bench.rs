//! The bench: the fixed module and the numbers of a run.

use super::{ArrayRtl, RtlError, design};
use crate::array::Gemm;
use crate::array::stepped::{Operands, SteppedRun};
use std::fmt::Write;

const BENCH: &str = include_str!("bench.v");

/// Whether every word has an address.
pub(super) fn check_size(gemm: Gemm, groups: u64) -> Result<(), RtlError> {
    for [rows, columns] in [[gemm.m(), gemm.k()], [gemm.k(), gemm.n()], [gemm.m(), gemm.n()]] {
        let words = rows.checked_mul(columns).and_then(|words| words.checked_mul(groups));
        if words.is_none_or(|words| words > u64::from(u32::MAX)) {
            return Err(RtlError::TooLarge { groups, gemm });
        }
    }
    Ok(())
}

/// Whether every operand has a code and every word an address.
pub(super) fn check(rtl: &ArrayRtl, operands: &Operands<'_>) -> Result<(), RtlError> {
    let Operands { gemm, groups, inputs, weights } = *operands;
    check_size(gemm, groups)?;
    let matrices = [("activation", inputs, rtl.activation_bits()), ("weight", weights, rtl.weight_bits())];
    for (operand, values, bits) in matrices {
        // All 32-bit numbers have codes of 33 bits.
        let codes = 1_i64 << bits.min(33);
        let (kind, least) = if rtl.signed { ("signed", -codes / 2) } else { ("unsigned", 0) };
        let most = least + codes - 1;
        let refused = |value: &i32| !(least..=most).contains(&i64::from(*value));
        if let Some(position) = values.iter().position(refused) {
            return Err(RtlError::Operand { operand, position, value: values[position], bits, kind, least, most });
        }
    }
    Ok(())
}

pub(super) fn to_verilog(rtl: &ArrayRtl, operands: &Operands<'_>, expected: &SteppedRun) -> String {
    let Operands { gemm, groups, inputs, weights } = *operands;
    let (m, n, k) = (gemm.m(), gemm.n(), gemm.k());
    let (activation_bits, weight_bits) = (rtl.activation_bits(), rtl.weight_bits());
    let sum_bits = rtl.array.accumulator_bits() as usize;
    let [activation_ports, weight_ports] = design::operand_ports(rtl);
    let (sum_ports, cycles, sram) = (rtl.array.columns(), expected.cycles, expected.sram);
    let mut text = format!(
        "\
{BENCH}
// {groups} × {gemm}
module test;
  bench #(
    .M({m}), .N({n}), .K({k}), .GROUPS({groups}),
    .ACTIVATION_BITS({activation_bits}), .WEIGHT_BITS({weight_bits}), .SUM_BITS({sum_bits}),
    .ACTIVATION_PORTS({activation_ports}), .WEIGHT_PORTS({weight_ports}), .SUM_PORTS({sum_ports}),
    .CYCLES({cycles}), .ACTIVATION_READS({}), .WEIGHT_READS({}), .SUM_WRITES({}), .SUM_READS({})
  ) bench ();
  initial begin
",
        sram.input_reads, sram.weight_reads, sram.output_writes, sram.partial_sum_reads
    );
    fill(&mut text, "activations", inputs, activation_bits);
    fill(&mut text, "weights", weights, weight_bits);
    fill(&mut text, "expected", &expected.outputs, sum_bits);
    text += "  end\nendmodule\n";
    text
}

/// Puts numbers into one of the bench's memories, as codes of `bits` bits.
fn fill(text: &mut String, memory: &str, values: &[i32], bits: usize) {
    let mask = u64::MAX >> (64 - bits.min(64));
    for (position, &value) in values.iter().enumerate() {
        let code = i64::from(value) as u64 & mask;
        let _ = writeln!(text, "    bench.{memory}[{position}] = {bits}'h{code:x};");
    }
}
