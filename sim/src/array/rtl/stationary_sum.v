// An element that adds up in place while both operands move. A token is {valid, value}; a bubble is all zeros.
module stationary_sum_element #(
  parameter ACTIVATION_BITS = 8,
  parameter WEIGHT_BITS = 8,
  parameter PRODUCT_BITS = 16,
  parameter SUM_BITS = 32,
  parameter SIGNED = 1,
  parameter PRODUCT_REGISTER = 0,
  parameter SATURATE = 0,
  parameter DATA_GATING = 0
) (
  input clock,
  input reset,
  input bank,                               // which sum the product belongs to
  input first,                              // the product starts a sum
  input drain,                              // capture the sum of the row above,
  input drain_bank,                         // in this bank
  input [ACTIVATION_BITS:0] left,
  output reg [ACTIVATION_BITS:0] right,
  input [WEIGHT_BITS:0] above,
  output reg [WEIGHT_BITS:0] below,
  input [SUM_BITS:0] sum_above,
  output [SUM_BITS:0] sum_below
);
  // The second register is never written, and so does not exist, without double buffering.
  reg [SUM_BITS:0] sum_0;
  reg [SUM_BITS:0] sum_1;
  assign sum_below = drain_bank ? sum_1 : sum_0;

  wire active = left[ACTIVATION_BITS] && above[WEIGHT_BITS];
  wire [PRODUCT_BITS-1:0] product;
  wire [ACTIVATION_BITS-1:0] activation;
  wire [WEIGHT_BITS-1:0] weight;
  wire skip;
  operand_gate #(.A_BITS(ACTIVATION_BITS), .B_BITS(WEIGHT_BITS), .DATA_GATING(DATA_GATING)) gate (
    .a(left[ACTIVATION_BITS-1:0]), .b(above[WEIGHT_BITS-1:0]), .gated_a(activation), .gated_b(weight), .skip(skip)
  );
  multiplier multiply (activation, weight, product);

  // {bank, first, valid, product}
  wire [PRODUCT_BITS+2:0] multiplied = {bank, first, active, skip ? {PRODUCT_BITS{1'b0}} : product};
  wire [PRODUCT_BITS+2:0] addend;
  generate
    if (PRODUCT_REGISTER) begin : stage
      reg [PRODUCT_BITS+2:0] captured;
      always @(posedge clock)
        if (reset) captured <= 0;
        else captured <= active ? multiplied : 0;
      assign addend = captured;
    end else begin : stage
      assign addend = multiplied;
    end
  endgenerate
  wire add = addend[PRODUCT_BITS];
  wire add_bank = addend[PRODUCT_BITS+2];
  wire [SUM_BITS:0] earlier = add_bank ? sum_1 : sum_0;
  wire [SUM_BITS-1:0] before = addend[PRODUCT_BITS+1] ? 0 : earlier[SUM_BITS-1:0];
  wire [SUM_BITS-1:0] sum;
  accumulate #(.SUM_BITS(SUM_BITS), .ADDEND_BITS(PRODUCT_BITS), .SIGNED(SIGNED), .SATURATE(SATURATE)) adder (
    .before(before), .addend(addend[PRODUCT_BITS-1:0]), .after(sum)
  );

  always @(posedge clock)
    if (reset) begin
      right <= 0;
      below <= 0;
      sum_0 <= 0;
      sum_1 <= 0;
    end else begin
      right <= left;
      below <= above;
      if (drain && !drain_bank) sum_0 <= sum_above;
      else if (add && !add_bank) sum_0 <= {1'b1, sum};
      if (drain && drain_bank) sum_1 <= sum_above;
      else if (add && add_bank) sum_1 <= {1'b1, sum};
    end
endmodule

// Output-stationary array with its sequencer. Addresses are linear in row, column and step; strides say how.
module stationary_sum_array #(
  parameter ROWS = 1,
  parameter COLUMNS = 1,
  parameter ACTIVATION_BITS = 8,
  parameter WEIGHT_BITS = 8,
  parameter PRODUCT_BITS = 16,
  parameter SUM_BITS = 32,
  parameter SIGNED = 1,
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
  // Activations enter rows: strides along rows, steps and groups.
  input [31:0] activation_row,
  input [31:0] activation_step,
  input [31:0] activation_group,
  output [ROWS-1:0] activation_read,
  output [32*ROWS-1:0] activation_address,
  input [ACTIVATION_BITS*ROWS-1:0] activation_data,
  // Weights enter columns: strides along columns, steps and groups.
  input [31:0] weight_column,
  input [31:0] weight_step,
  input [31:0] weight_group,
  output [COLUMNS-1:0] weight_read,
  output [32*COLUMNS-1:0] weight_address,
  input [WEIGHT_BITS*COLUMNS-1:0] weight_data,
  // Sums leave columns: strides along rows, columns and groups.
  input [31:0] sum_row,
  input [31:0] sum_column,
  input [31:0] sum_group,
  output [COLUMNS-1:0] sum_write,
  output [32*COLUMNS-1:0] sum_address,
  output [SUM_BITS*COLUMNS-1:0] sum_data
);
  // Issuing: the fold and the step that enter element (0, 0).
  reg [31:0] step;
  reg [31:0] since_start;
  reg [31:0] drained;
  wire exhausted, fold_last;
  wire [31:0] fold, group, row_offset, column_offset, rows, columns;
  // With two sums a fold must not finish before the one before it has had a cycle a row to leave.
  wire may_start = DOUBLE_BUFFERING ? since_start >= ROWS : fold == drained;
  wire issue = !exhausted && (step != 0 || may_start);
  wire last_step = step == steps - 1;
  fold_counter #(.ROWS(ROWS), .COLUMNS(COLUMNS)) issue_fold (
    .clock(clock), .reset(reset), .start(start), .next(issue && last_step),
    .row_extent(row_extent), .column_extent(column_extent), .groups(groups),
    .exhausted(exhausted), .index(fold), .group(group), .row_offset(row_offset), .column_offset(column_offset),
    .rows(rows), .columns(columns), .last(fold_last)
  );

  // What a fold's sums need to leave: {of the last fold, bank, rows and columns with work, address}.
  localparam LEAVE_BITS = 2 + 3 * 32;
  wire [31:0] fold_sum = group * sum_group + row_offset * sum_row + column_offset * sum_column;
  wire [LEAVE_BITS-1:0] leave = {fold_last, fold[0] && DOUBLE_BUFFERING, rows, columns, fold_sum};

  // What travels with the data, a diagonal a cycle:
  // {leave, first step, last step, weight's address, activation's address, valid}.
  localparam WAVE_BITS = LEAVE_BITS + 3 + 2 * 32;
  localparam DEPTH = ROWS + COLUMNS - 1 + (PRODUCT_REGISTER ? 1 : 0);
  localparam FINISH = (DOUBLE_BUFFERING ? ROWS - 1 : ROWS + COLUMNS - 2) + (PRODUCT_REGISTER ? 1 : 0);
  reg [WAVE_BITS*DEPTH-1:0] past;
  wire [31:0] wave_activation = group * activation_group + row_offset * activation_row + step * activation_step;
  wire [31:0] wave_weight = group * weight_group + column_offset * weight_column + step * weight_step;
  wire [WAVE_BITS*(DEPTH+1)-1:0] waves = {past, leave, step == 0, last_step, wave_weight, wave_activation, issue};
  // The place whose last step lets the first column drain.
  wire [WAVE_BITS-1:0] finish = waves[WAVE_BITS*FINISH +: WAVE_BITS];
  wire finished = finish[0] && finish[65];

  // Draining: the bottom row shows the sums of row ROWS - 1 - position.
  reg drain;
  reg [31:0] position;
  reg [LEAVE_BITS-1:0] drain_leave;
  localparam DRAIN_BITS = LEAVE_BITS + 33;
  wire [DRAIN_BITS-1:0] drain_word = {drain_leave, position, drain};
  wire [DRAIN_BITS*COLUMNS-1:0] drains;
  generate
    if (DOUBLE_BUFFERING) begin : drain_chain
      reg [DRAIN_BITS*COLUMNS-1:0] past_drains;
      wire [DRAIN_BITS*(COLUMNS+1)-1:0] all = {past_drains, drain_word};
      always @(posedge clock)
        if (reset) past_drains <= 0;
        else past_drains <= all[DRAIN_BITS*COLUMNS-1:0];
      assign drains = all[DRAIN_BITS*COLUMNS-1:0];
    end else begin : drain_chain
      assign drains = {COLUMNS{drain_word}};
    end
  endgenerate
  wire [DRAIN_BITS-1:0] last_drain = drains[DRAIN_BITS*(COLUMNS-1) +: DRAIN_BITS];
  wire left_array = last_drain[0] && last_drain[32:1] == ROWS - 1;
  wire all_left = left_array && last_drain[DRAIN_BITS-1];

  always @(posedge clock)
    if (reset) begin
      busy <= 1'b0;
      done <= 1'b0;
      step <= 0;
      since_start <= ROWS;
      drained <= 0;
      past <= 0;
      drain <= 1'b0;
      position <= 0;
      drain_leave <= 0;
    end else begin
      past <= waves[WAVE_BITS*DEPTH-1:0];
      done <= all_left;
      if (start) begin
        busy <= 1'b1;
        since_start <= ROWS;
        drained <= 0;
      end else begin
        if (all_left) busy <= 1'b0;
        drained <= drained + left_array;
        if (issue) step <= last_step ? 0 : step + 1;
        if (issue && step == 0) since_start <= 1;
        else if (since_start < ROWS) since_start <= since_start + 1;
        if (finished) begin
          drain <= 1'b1;
          position <= 0;
          drain_leave <= finish[WAVE_BITS-1 -: LEAVE_BITS];
        end else if (drain) begin
          drain <= position < ROWS - 1;
          position <= position + 1;
        end
      end
    end

  // Above the first row: the weights that enter. What drains goes with the column too.
  genvar r, c;
  generate
    for (c = 0; c < COLUMNS; c = c + 1) begin : top
      wire [DRAIN_BITS-1:0] draining = drains[DRAIN_BITS*c +: DRAIN_BITS];
      wire [WAVE_BITS-1:0] word = waves[WAVE_BITS*c +: WAVE_BITS];
      wire read = word[0] && c < word[130:99];
      assign weight_read[c] = read;
      assign weight_address[32*c +: 32] = word[64:33] + c * weight_column;
      wire [WEIGHT_BITS:0] weight = read ? {1'b1, weight_data[WEIGHT_BITS*c +: WEIGHT_BITS]} : 0;
    end

    // The elements, and to their left the activations that enter.
    for (r = 0; r < ROWS; r = r + 1) begin : row
      wire [WAVE_BITS-1:0] word = waves[WAVE_BITS*r +: WAVE_BITS];
      wire read = word[0] && r < word[162:131];
      assign activation_read[r] = read;
      assign activation_address[32*r +: 32] = word[32:1] + r * activation_row;
      wire [ACTIVATION_BITS:0] activation =
        read ? {1'b1, activation_data[ACTIVATION_BITS*r +: ACTIVATION_BITS]} : 0;
      for (c = 0; c < COLUMNS; c = c + 1) begin : column
        wire [ACTIVATION_BITS:0] left, right;
        wire [WEIGHT_BITS:0] above, below;
        wire [SUM_BITS:0] sum_above, sum_below;
        if (c == 0) begin : west
          assign left = row[r].activation;
        end else begin : west
          assign left = row[r].column[c-1].right;
        end
        if (r == 0) begin : north
          assign above = top[c].weight;
          assign sum_above = 0;
        end else begin : north
          assign above = row[r-1].column[c].below;
          assign sum_above = row[r-1].column[c].sum_below;
        end
        stationary_sum_element #(
          .ACTIVATION_BITS(ACTIVATION_BITS), .WEIGHT_BITS(WEIGHT_BITS), .PRODUCT_BITS(PRODUCT_BITS),
          .SUM_BITS(SUM_BITS), .SIGNED(SIGNED), .PRODUCT_REGISTER(PRODUCT_REGISTER),
          .SATURATE(SATURATE), .DATA_GATING(DATA_GATING)
        ) element (
          .clock(clock), .reset(reset),
          .bank(waves[WAVE_BITS*(r+c+1)-2]),
          .first(waves[WAVE_BITS*(r+c)+66]),
          // Row r has the sums of the rows above it to pass on, and is empty after that.
          .drain(top[c].draining[0] && r >= top[c].draining[32:1]),
          .drain_bank(top[c].draining[DRAIN_BITS-2]),
          .left(left), .right(right),
          .above(above), .below(below),
          .sum_above(sum_above), .sum_below(sum_below)
        );
      end
    end

    // Below the last row: sums that leave, all of the same row.
    for (c = 0; c < COLUMNS; c = c + 1) begin : bottom
      wire [SUM_BITS:0] sum = row[ROWS-1].column[c].sum_below;
      assign sum_write[c] = top[c].draining[0] && sum[SUM_BITS];
      assign sum_address[32*c +: 32] =
        top[c].draining[64:33] + (ROWS - 1 - top[c].draining[32:1]) * sum_row + c * sum_column;
      assign sum_data[SUM_BITS*c +: SUM_BITS] = sum[SUM_BITS-1:0];
    end
  endgenerate
endmodule
