// Adds to a two's complement sum, which wraps or saturates; the addend may be wider than the sum.
module accumulate #(
  parameter SUM_BITS = 32,
  parameter ADDEND_BITS = 16,
  parameter SIGNED = 1,                     // whether the addend is two's complement
  parameter SATURATE = 0
) (
  input [SUM_BITS-1:0] before,
  input [ADDEND_BITS-1:0] addend,
  output [SUM_BITS-1:0] after
);
  // Wide enough for the exact sum.
  localparam WIDE = (SUM_BITS > ADDEND_BITS ? SUM_BITS : ADDEND_BITS) + 2;
  localparam [SUM_BITS-1:0] LEAST = 1 << (SUM_BITS - 1);
  wire signed [WIDE-1:0] left = $signed(before);
  wire signed [WIDE-1:0] right;
  generate
    if (SIGNED) begin : extension
      assign right = $signed(addend);
    end else begin : extension
      assign right = addend;
    end
  endgenerate
  wire signed [WIDE-1:0] exact = left + right;
  wire fits = &exact[WIDE-1:SUM_BITS-1] || ~|exact[WIDE-1:SUM_BITS-1];
  assign after = fits || !SATURATE ? exact[SUM_BITS-1:0] : exact[WIDE-1] ? LEAST : ~LEAST;
endmodule

// What a multiplier sees of its operands. With data gating it keeps the last pair without a zero (operand isolation
// latches, transparent while there is work), and `skip` says that the product counts as zero.
module operand_gate #(
  parameter A_BITS = 8,
  parameter B_BITS = 8,
  parameter DATA_GATING = 0
) (
  input [A_BITS-1:0] a,
  input [B_BITS-1:0] b,
  output [A_BITS-1:0] gated_a,
  output [B_BITS-1:0] gated_b,
  output skip
);
  generate
    if (DATA_GATING) begin : gate
      reg [A_BITS-1:0] kept_a;
      reg [B_BITS-1:0] kept_b;
      assign skip = a == 0 || b == 0;
      always @*
        if (!skip) begin
          kept_a = a;
          kept_b = b;
        end
      assign gated_a = kept_a;
      assign gated_b = kept_b;
    end else begin : gate
      assign skip = 1'b0;
      assign gated_a = a;
      assign gated_b = b;
    end
  endgenerate
endmodule
