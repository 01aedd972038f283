`timescale 1ns / 1ps

// Runs one layer on `systolic_array`, with memories that answer in the same cycle, and compares sums, cycles and the
// words that pass with what they should be. Operands and expected sums are put into its memories from outside.
module bench #(
  parameter M = 1,
  parameter N = 1,
  parameter K = 1,
  parameter GROUPS = 1,
  parameter ACTIVATION_BITS = 8,
  parameter WEIGHT_BITS = 8,
  parameter SUM_BITS = 32,
  parameter ACTIVATION_PORTS = 1,
  parameter WEIGHT_PORTS = 1,
  parameter SUM_PORTS = 1,
  // Expected counts.
  parameter [63:0] CYCLES = 0,
  parameter [63:0] ACTIVATION_READS = 0,
  parameter [63:0] WEIGHT_READS = 0,
  parameter [63:0] SUM_WRITES = 0,
  parameter [63:0] SUM_READS = 0
);
  reg [ACTIVATION_BITS-1:0] activations [0:GROUPS*M*K-1];
  reg [WEIGHT_BITS-1:0] weights [0:GROUPS*K*N-1];
  reg [SUM_BITS-1:0] expected [0:GROUPS*M*N-1];
  reg [SUM_BITS-1:0] sums [0:GROUPS*M*N-1];

  reg clock, reset, start;
  wire busy, done;
  wire [ACTIVATION_PORTS-1:0] activation_read;
  wire [32*ACTIVATION_PORTS-1:0] activation_address;
  wire [ACTIVATION_BITS*ACTIVATION_PORTS-1:0] activation_data;
  wire [WEIGHT_PORTS-1:0] weight_read;
  wire [32*WEIGHT_PORTS-1:0] weight_address;
  wire [WEIGHT_BITS*WEIGHT_PORTS-1:0] weight_data;
  wire [SUM_PORTS-1:0] sum_write, sum_read;
  wire [32*SUM_PORTS-1:0] sum_address;
  wire [SUM_BITS*SUM_PORTS-1:0] sum_before, sum_data;

  systolic_array dut (
    .clock(clock), .reset(reset), .start(start), .busy(busy), .done(done),
    .m(M), .n(N), .k(K), .groups(GROUPS),
    .activation_read(activation_read), .activation_address(activation_address), .activation_data(activation_data),
    .weight_read(weight_read), .weight_address(weight_address), .weight_data(weight_data),
    .sum_write(sum_write), .sum_read(sum_read), .sum_address(sum_address), .sum_before(sum_before),
    .sum_data(sum_data)
  );

  genvar p;
  generate
    for (p = 0; p < ACTIVATION_PORTS; p = p + 1) begin : activation_port
      assign activation_data[ACTIVATION_BITS*p +: ACTIVATION_BITS] = activations[activation_address[32*p +: 32]];
    end
    for (p = 0; p < WEIGHT_PORTS; p = p + 1) begin : weight_port
      assign weight_data[WEIGHT_BITS*p +: WEIGHT_BITS] = weights[weight_address[32*p +: 32]];
    end
    for (p = 0; p < SUM_PORTS; p = p + 1) begin : sum_port
      assign sum_before[SUM_BITS*p +: SUM_BITS] = sums[sum_address[32*p +: 32]];
    end
  endgenerate

  reg [63:0] cycles, activation_reads, weight_reads, sum_writes, sum_reads;
  integer i;
  always @(posedge clock) begin
    if (busy) cycles = cycles + 1;
    for (i = 0; i < ACTIVATION_PORTS; i = i + 1)
      activation_reads = activation_reads + activation_read[i];
    for (i = 0; i < WEIGHT_PORTS; i = i + 1)
      weight_reads = weight_reads + weight_read[i];
    for (i = 0; i < SUM_PORTS; i = i + 1) begin
      sum_reads = sum_reads + sum_read[i];
      sum_writes = sum_writes + sum_write[i];
      if (sum_write[i]) sums[sum_address[32*i +: 32]] <= sum_data[SUM_BITS*i +: SUM_BITS];
    end
  end

  integer failures, s;
  task check(input [8*18-1:0] what, input [63:0] found, input [63:0] wanted);
    begin
      $display("%0s %0d", what, found);
      if (found !== wanted) begin
        $display("  but %0d expected", wanted);
        failures = failures + 1;
      end
    end
  endtask

  always #5 clock = ~clock;
  initial begin
    clock = 0;
    reset = 1;
    start = 0;
    failures = 0;
    {cycles, activation_reads, weight_reads, sum_writes, sum_reads} = 0;
    repeat (2) @(negedge clock);
    reset = 0;
    // Counts begin with the layer; before it nothing is defined.
    {cycles, activation_reads, weight_reads, sum_writes, sum_reads} = 0;
    start = 1;
    @(negedge clock);
    start = 0;
    while (!done && cycles <= CYCLES) @(negedge clock);
    // The last sums enter memory in the cycle after the last one counted.
    @(negedge clock);
    check("cycles", cycles, CYCLES);
    check("activation reads", activation_reads, ACTIVATION_READS);
    check("weight reads", weight_reads, WEIGHT_READS);
    check("sum writes", sum_writes, SUM_WRITES);
    check("sum reads", sum_reads, SUM_READS);
    for (s = 0; s < GROUPS * M * N; s = s + 1)
      if (sums[s] !== expected[s]) begin
        if (failures < 10) $display("sum %0d is %h, not %h", s, sums[s], expected[s]);
        failures = failures + 1;
      end
    if (failures == 0) $display("PASS");
    else $display("FAIL");
    $finish;
  end
endmodule
