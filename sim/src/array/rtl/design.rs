//! The design: fixed modules, the multiplier, and a top module that joins them.

use super::ArrayRtl;
use crate::array::{Dataflow, Overflow};
use crate::netlist::export;

const ACCUMULATE: &str = include_str!("accumulate.v");
const FOLD_COUNTER: &str = include_str!("fold_counter.v");
const STATIONARY_OPERAND: &str = include_str!("stationary_operand.v");
const STATIONARY_SUM: &str = include_str!("stationary_sum.v");

pub(super) fn to_verilog(rtl: &ArrayRtl) -> String {
    let array = match rtl.array.dataflow() {
        Dataflow::WeightStationary | Dataflow::InputStationary => STATIONARY_OPERAND,
        Dataflow::OutputStationary => STATIONARY_SUM,
    };
    let (name, multiplier) =
        (rtl.multiplier.name(), export::to_verilog(&rtl.multiplier.clone().renamed("multiplier")));
    // A name may hold anything; in a comment it must not end the line.
    let name = name.replace(char::is_control, " ");
    [&top(rtl), FOLD_COUNTER, array, ACCUMULATE, &format!("// {name}\n{multiplier}")].join("\n")
}

/// What differs from dataflow to dataflow.
struct Roles {
    module: &'static str,
    /// Parameters beside those that all have.
    parameters: String,
    /// The layer's extent in rows, columns and steps.
    extent: [&'static str; 3],
    /// Connections of operands and sums.
    connections: &'static str,
}

impl Roles {
    fn new(rtl: &ArrayRtl) -> Self {
        let (activation, weight) = (rtl.activation_bits(), rtl.weight_bits());
        match rtl.array.dataflow() {
            Dataflow::WeightStationary => Self {
                module: "stationary_operand_array",
                parameters: format!(".MOVING_BITS({activation}), .HELD_BITS({weight}), .HOLDS_ACTIVATION(0)"),
                extent: ["k", "n", "m"],
                connections: "\
    .moving_row(1), .moving_step(k), .moving_group(m * k),
    .moving_read(activation_read), .moving_address(activation_address), .moving_data(activation_data),
    .held_row(n), .held_column(1), .held_group(k * n),
    .held_read(weight_read), .held_address(weight_address), .held_data(weight_data),
    .sum_column(1), .sum_step(n), .sum_group(m * n), .sum_read(sum_read), .sum_before(sum_before),",
            },
            Dataflow::InputStationary => Self {
                module: "stationary_operand_array",
                parameters: format!(".MOVING_BITS({weight}), .HELD_BITS({activation}), .HOLDS_ACTIVATION(1)"),
                extent: ["k", "m", "n"],
                connections: "\
    .moving_row(n), .moving_step(1), .moving_group(k * n),
    .moving_read(weight_read), .moving_address(weight_address), .moving_data(weight_data),
    .held_row(1), .held_column(k), .held_group(m * k),
    .held_read(activation_read), .held_address(activation_address), .held_data(activation_data),
    .sum_column(n), .sum_step(1), .sum_group(m * n), .sum_read(sum_read), .sum_before(sum_before),",
            },
            Dataflow::OutputStationary => Self {
                module: "stationary_sum_array",
                parameters: format!(".ACTIVATION_BITS({activation}), .WEIGHT_BITS({weight})"),
                extent: ["m", "n", "k"],
                connections: "\
    .activation_row(k), .activation_step(1), .activation_group(m * k),
    .activation_read(activation_read), .activation_address(activation_address), .activation_data(activation_data),
    .weight_column(1), .weight_step(n), .weight_group(k * n),
    .weight_read(weight_read), .weight_address(weight_address), .weight_data(weight_data),
    .sum_row(n), .sum_column(1), .sum_group(m * n),",
            },
        }
    }
}

/// Ports that activations and weights enter by: a row's or a column's.
pub(super) fn operand_ports(rtl: &ArrayRtl) -> [u64; 2] {
    let (rows, columns) = (rtl.array.rows(), rtl.array.columns());
    match rtl.array.dataflow() {
        Dataflow::WeightStationary | Dataflow::OutputStationary => [rows, columns],
        Dataflow::InputStationary => [columns, rows],
    }
}

fn top(rtl: &ArrayRtl) -> String {
    let array = &rtl.array;
    let (rows, columns, dataflow) = (array.rows(), array.columns(), array.dataflow());
    let Roles { module, parameters, extent: [row_extent, column_extent, steps], connections } = Roles::new(rtl);
    let (signed, product_bits, sum_bits) = (u8::from(rtl.signed), rtl.product_bits(), array.accumulator_bits());
    let (product_register, double_buffering) =
        (u8::from(array.product_register()), u8::from(array.double_buffering()));
    let (saturate, data_gating) = (u8::from(array.overflow() == Overflow::Saturate), u8::from(array.data_gating()));
    let [activations, weights] = operand_ports(rtl);
    let last = |bits: u64| bits - 1;
    let (activation_reads, weight_reads, sums) = (last(activations), last(weights), last(columns));
    let (activation_addresses, weight_addresses, sum_addresses) =
        (last(32 * activations), last(32 * weights), last(32 * columns));
    let activation_data = last(rtl.activation_bits() as u64 * activations);
    let weight_data = last(rtl.weight_bits() as u64 * weights);
    let sum_data = last(u64::from(sum_bits) * columns);
    // Sums that stay are complete when they leave.
    let no_sum_reads = if dataflow == Dataflow::OutputStationary { "  assign sum_read = 0;\n" } else { "" };
    format!(
        "\
// A {dataflow} array of {rows}×{columns} elements. `start` begins a layer of `groups` products of m×k activations and
// k×n weights; `busy` is high until its results are out, `done` in the cycle after.
module systolic_array (
  input clock,
  input reset,
  input start,
  output busy,
  output done,
  input [31:0] m,
  input [31:0] n,
  input [31:0] k,
  input [31:0] groups,
  output [{activation_reads}:0] activation_read,
  output [{activation_addresses}:0] activation_address,
  input [{activation_data}:0] activation_data,
  output [{weight_reads}:0] weight_read,
  output [{weight_addresses}:0] weight_address,
  input [{weight_data}:0] weight_data,
  output [{sums}:0] sum_write,
  output [{sums}:0] sum_read,
  output [{sum_addresses}:0] sum_address,
  input [{sum_data}:0] sum_before,
  output [{sum_data}:0] sum_data
);
{no_sum_reads}\
\x20 {module} #(
    .ROWS({rows}), .COLUMNS({columns}), {parameters},
    .PRODUCT_BITS({product_bits}), .SUM_BITS({sum_bits}), .SIGNED({signed}),
    .PRODUCT_REGISTER({product_register}), .DOUBLE_BUFFERING({double_buffering}),
    .SATURATE({saturate}), .DATA_GATING({data_gating})
  ) array (
    .clock(clock), .reset(reset), .start(start), .busy(busy), .done(done),
    .row_extent({row_extent}), .column_extent({column_extent}), .steps({steps}), .groups(groups),
{connections}
    .sum_write(sum_write), .sum_address(sum_address), .sum_data(sum_data)
  );
endmodule
"
    )
}
