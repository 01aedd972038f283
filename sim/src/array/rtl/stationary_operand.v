// An element that holds one operand while the other moves right and sums move down. A token is {valid, value}; a bubble
// is all zeros.
module stationary_operand_element #(
  parameter MOVING_BITS = 8,
  parameter HELD_BITS = 8,
  parameter PRODUCT_BITS = 16,
  parameter SUM_BITS = 32,
  parameter SIGNED = 1,
  parameter HOLDS_ACTIVATION = 0,
  parameter PRODUCT_REGISTER = 0,
  parameter SATURATE = 0,
  parameter DATA_GATING = 0
) (
  input clock,
  input reset,
  input bank,                               // which held operand is multiplied
  input load,                               // capture the held operand of the row above,
  input load_bank,                          // in this bank
  input [MOVING_BITS:0] left,
  output reg [MOVING_BITS:0] right,
  input [HELD_BITS:0] held_above,
  output [HELD_BITS:0] held_below,
  input [SUM_BITS:0] sum_above,
  output reg [SUM_BITS:0] sum_below
);
  // The second register is never written, and so does not exist, without double buffering.
  reg [HELD_BITS:0] held_0;
  reg [HELD_BITS:0] held_1;
  wire [HELD_BITS:0] held = bank ? held_1 : held_0;
  assign held_below = load_bank ? held_1 : held_0;

  wire active = left[MOVING_BITS] && held[HELD_BITS];
  wire [PRODUCT_BITS-1:0] product;
  wire [PRODUCT_BITS:0] addend;
  wire [MOVING_BITS-1:0] moving_factor;
  wire [HELD_BITS-1:0] held_factor;
  wire skip;
  operand_gate #(.A_BITS(MOVING_BITS), .B_BITS(HELD_BITS), .DATA_GATING(DATA_GATING)) gate (
    .a(left[MOVING_BITS-1:0]), .b(held[HELD_BITS-1:0]), .gated_a(moving_factor), .gated_b(held_factor), .skip(skip)
  );
  wire [PRODUCT_BITS:0] multiplied = active ? {1'b1, skip ? {PRODUCT_BITS{1'b0}} : product} : 0;
  generate
    if (HOLDS_ACTIVATION) begin : operands
      multiplier multiply (held_factor, moving_factor, product);
    end else begin : operands
      multiplier multiply (moving_factor, held_factor, product);
    end
    if (PRODUCT_REGISTER) begin : stage
      reg [PRODUCT_BITS:0] captured;
      always @(posedge clock)
        if (reset) captured <= 0;
        else captured <= multiplied;
      assign addend = captured;
    end else begin : stage
      assign addend = multiplied;
    end
  endgenerate
  wire [SUM_BITS-1:0] sum;
  accumulate #(.SUM_BITS(SUM_BITS), .ADDEND_BITS(PRODUCT_BITS), .SIGNED(SIGNED), .SATURATE(SATURATE)) adder (
    .before(sum_above[SUM_BITS-1:0]), .addend(addend[PRODUCT_BITS-1:0]), .after(sum)
  );

  always @(posedge clock)
    if (reset) begin
      right <= 0;
      held_0 <= 0;
      held_1 <= 0;
      sum_below <= 0;
    end else begin
      right <= left;
      if (load && !load_bank) held_0 <= held_above;
      if (load && load_bank) held_1 <= held_above;
      sum_below <= {sum_above[SUM_BITS] || addend[PRODUCT_BITS], sum};
    end
endmodule

// Weight- and input-stationary array with its sequencer. Addresses are linear in row, column and step; strides say how.
module stationary_operand_array #(
  parameter ROWS = 1,
  parameter COLUMNS = 1,
  parameter MOVING_BITS = 8,
  parameter HELD_BITS = 8,
  parameter PRODUCT_BITS = 16,
  parameter SUM_BITS = 32,
  parameter SIGNED = 1,
  parameter HOLDS_ACTIVATION = 0,
  parameter PRODUCT_REGISTER = 0,
  parameter DOUBLE_BUFFERING = 0,
  parameter SATURATE = 0,
  parameter DATA_GATING = 0
) (
  input clock,
  input reset,
  input start,
  output reg busy,
  output reg done,
  input [31:0] row_extent,
  input [31:0] column_extent,
  input [31:0] steps,
  input [31:0] groups,
  // The operand that moves: strides along rows, steps and groups.
  input [31:0] moving_row,
  input [31:0] moving_step,
  input [31:0] moving_group,
  output [ROWS-1:0] moving_read,
  output [32*ROWS-1:0] moving_address,
  input [MOVING_BITS*ROWS-1:0] moving_data,
  // The operand that stays: strides along rows, columns and groups.
  input [31:0] held_row,
  input [31:0] held_column,
  input [31:0] held_group,
  output [COLUMNS-1:0] held_read,
  output [32*COLUMNS-1:0] held_address,
  input [HELD_BITS*COLUMNS-1:0] held_data,
  // Sums: strides along columns, steps and groups.
  input [31:0] sum_column,
  input [31:0] sum_step,
  input [31:0] sum_group,
  output [COLUMNS-1:0] sum_write,
  output [COLUMNS-1:0] sum_read,
  output [32*COLUMNS-1:0] sum_address,
  input [SUM_BITS*COLUMNS-1:0] sum_before,
  output [SUM_BITS*COLUMNS-1:0] sum_data
);
  // Loading: the fold whose operands come down the columns, the bottom row's first.
  reg loading;
  reg [31:0] position;
  reg [31:0] retired;
  wire load_exhausted, load_last;
  wire [31:0] load_index, load_group, load_row_offset, load_column_offset, load_rows, load_columns;
  wire [31:0] issue_index;
  // A register may be loaded again when all it served has left (or, one of two, has been issued).
  wire [31:0] reusable = DOUBLE_BUFFERING ? issue_index + 2 : retired + 1;
  wire load = loading || (!load_exhausted && load_index < reusable);
  wire loaded = load && position == ROWS - 1;
  fold_counter #(.ROWS(ROWS), .COLUMNS(COLUMNS)) load_fold (
    .clock(clock), .reset(reset), .start(start), .next(loaded),
    .row_extent(row_extent), .column_extent(column_extent), .groups(groups),
    .exhausted(load_exhausted), .index(load_index), .group(load_group), .row_offset(load_row_offset),
    .column_offset(load_column_offset), .rows(load_rows), .columns(load_columns), .last(load_last)
  );
  wire [31:0] load_row = ROWS - 1 - position;
  wire [31:0] load_address =
    load_group * held_group + (load_row_offset + load_row) * held_row + load_column_offset * held_column;

  // What loads a column: {load, bank, row has work, columns with work, position, address}.
  localparam LOAD_BITS = 3 + 3 * 32;
  wire [LOAD_BITS-1:0] load_word =
    {load, load_index[0] && DOUBLE_BUFFERING, load_row < load_rows, load_columns, position, load_address};
  wire [LOAD_BITS*COLUMNS-1:0] loads;
  generate
    if (DOUBLE_BUFFERING) begin : load_chain
      reg [LOAD_BITS*COLUMNS-1:0] past;
      wire [LOAD_BITS*(COLUMNS+1)-1:0] all = {past, load_word};
      always @(posedge clock)
        if (reset) past <= 0;
        else past <= all[LOAD_BITS*COLUMNS-1:0];
      assign loads = all[LOAD_BITS*COLUMNS-1:0];
    end else begin : load_chain
      assign loads = {COLUMNS{load_word}};
    end
  endgenerate

  // Issuing: the fold and the step that enter element (0, 0).
  reg [31:0] step;
  wire issue_exhausted, issue_last;
  wire [31:0] issue_group, issue_row_offset, issue_column_offset, issue_rows, issue_columns;
  wire issue = issue_index < load_index;
  wire last_step = step == steps - 1;
  fold_counter #(.ROWS(ROWS), .COLUMNS(COLUMNS)) issue_fold (
    .clock(clock), .reset(reset), .start(start), .next(issue && last_step),
    .row_extent(row_extent), .column_extent(column_extent), .groups(groups),
    .exhausted(issue_exhausted), .index(issue_index), .group(issue_group), .row_offset(issue_row_offset),
    .column_offset(issue_column_offset), .rows(issue_rows), .columns(issue_columns), .last(issue_last)
  );

  // What travels with the data, a diagonal a cycle:
  // {bank, of the last fold, last step, first part of its sum, rows with work, sum's address, operand's address, valid}.
  localparam WAVE_BITS = 5 + 3 * 32;
  localparam DEPTH = ROWS + COLUMNS - 1 + (PRODUCT_REGISTER ? 1 : 0);
  reg [WAVE_BITS*DEPTH-1:0] past;
  wire bank = issue ? issue_index[0] && DOUBLE_BUFFERING : past[WAVE_BITS-1];
  wire [31:0] wave_moving = issue_group * moving_group + issue_row_offset * moving_row + step * moving_step;
  wire [31:0] wave_sum = issue_group * sum_group + issue_column_offset * sum_column + step * sum_step;
  wire [WAVE_BITS*(DEPTH+1)-1:0] waves = {
    past, bank, issue_last, last_step, issue_row_offset == 0, issue_rows, wave_sum, wave_moving, issue
  };
  wire leaving = waves[WAVE_BITS*(DEPTH-1)] && waves[WAVE_BITS*DEPTH-3];
  wire leaving_last = leaving && waves[WAVE_BITS*DEPTH-2];

  always @(posedge clock)
    if (reset) begin
      busy <= 1'b0;
      done <= 1'b0;
      loading <= 1'b0;
      position <= 0;
      retired <= 0;
      step <= 0;
      past <= 0;
    end else begin
      past <= waves[WAVE_BITS*DEPTH-1:0];
      done <= leaving_last;
      if (start) begin
        busy <= 1'b1;
        retired <= 0;
      end else begin
        if (leaving_last) busy <= 1'b0;
        retired <= retired + leaving;
        loading <= load && !loaded;
        if (load) position <= loaded ? 0 : position + 1;
        if (issue) step <= last_step ? 0 : step + 1;
      end
    end

  // Above the first row: the operand to be loaded.
  genvar r, c;
  generate
    for (c = 0; c < COLUMNS; c = c + 1) begin : top
      wire [LOAD_BITS-1:0] word = loads[LOAD_BITS*c +: LOAD_BITS];
      wire read = word[LOAD_BITS-1] && word[LOAD_BITS-3] && c < word[95:64];
      assign held_read[c] = read;
      assign held_address[32*c +: 32] = word[31:0] + c * held_column;
      wire [HELD_BITS:0] held = read ? {1'b1, held_data[HELD_BITS*c +: HELD_BITS]} : 0;
    end

    // The elements, and to their left the operand that moves.
    for (r = 0; r < ROWS; r = r + 1) begin : row
      wire [WAVE_BITS-1:0] word = waves[WAVE_BITS*r +: WAVE_BITS];
      wire read = word[0] && r < word[96:65];
      assign moving_read[r] = read;
      assign moving_address[32*r +: 32] = word[32:1] + r * moving_row;
      wire [MOVING_BITS:0] moving = read ? {1'b1, moving_data[MOVING_BITS*r +: MOVING_BITS]} : 0;
      for (c = 0; c < COLUMNS; c = c + 1) begin : column
        wire [MOVING_BITS:0] left, right;
        wire [HELD_BITS:0] held_above, held_below;
        wire [SUM_BITS:0] sum_above, sum_below;
        if (c == 0) begin : west
          assign left = row[r].moving;
        end else begin : west
          assign left = row[r].column[c-1].right;
        end
        if (r == 0) begin : north
          assign held_above = top[c].held;
          assign sum_above = 0;
        end else begin : north
          assign held_above = row[r-1].column[c].held_below;
          assign sum_above = row[r-1].column[c].sum_below;
        end
        stationary_operand_element #(
          .MOVING_BITS(MOVING_BITS), .HELD_BITS(HELD_BITS), .PRODUCT_BITS(PRODUCT_BITS), .SUM_BITS(SUM_BITS),
          .SIGNED(SIGNED), .HOLDS_ACTIVATION(HOLDS_ACTIVATION), .PRODUCT_REGISTER(PRODUCT_REGISTER),
          .SATURATE(SATURATE), .DATA_GATING(DATA_GATING)
        ) element (
          .clock(clock), .reset(reset),
          .bank(waves[WAVE_BITS*(r+c+1)-1]),
          // The first operand comes to row r in the r-th cycle.
          .load(top[c].word[LOAD_BITS-1] && r <= top[c].word[63:32]),
          .load_bank(top[c].word[LOAD_BITS-2]),
          .left(left), .right(right),
          .held_above(held_above), .held_below(held_below),
          .sum_above(sum_above), .sum_below(sum_below)
        );
      end
    end

    // Below the last row: the memory takes what the sum registers captured in the cycle before.
    for (c = 0; c < COLUMNS; c = c + 1) begin : bottom
      wire [WAVE_BITS-1:0] word = waves[WAVE_BITS*(DEPTH-COLUMNS+1+c) +: WAVE_BITS];
      wire [SUM_BITS:0] sum = row[ROWS-1].column[c].sum_below;
      wire partial = sum[SUM_BITS] && !word[97];
      assign sum_write[c] = sum[SUM_BITS];
      assign sum_read[c] = partial;
      assign sum_address[32*c +: 32] = word[64:33] + c * sum_column;
      wire [SUM_BITS-1:0] before = partial ? sum_before[SUM_BITS*c +: SUM_BITS] : 0;
      accumulate #(.SUM_BITS(SUM_BITS), .ADDEND_BITS(SUM_BITS), .SIGNED(1), .SATURATE(SATURATE)) adder (
        .before(before), .addend(sum[SUM_BITS-1:0]), .after(sum_data[SUM_BITS*c +: SUM_BITS])
      );
    end
  endgenerate
endmodule
