// Walks the folds of a layer: along the rows' dimension first, then along the columns', then group by group.
module fold_counter #(
  parameter ROWS = 1,
  parameter COLUMNS = 1
) (
  input clock,
  input reset,
  input start,                     // go to the first fold
  input next,                      // go to the next one
  input [31:0] row_extent,
  input [31:0] column_extent,
  input [31:0] groups,
  output reg exhausted,            // no fold is left
  output reg [31:0] index,         // folds gone by
  output reg [31:0] group,
  output reg [31:0] row_offset,
  output reg [31:0] column_offset,
  output [31:0] rows,              // rows and columns of the array that have work
  output [31:0] columns,
  output last
);
  wire [31:0] rows_left = row_extent - row_offset;
  wire [31:0] columns_left = column_extent - column_offset;
  wire last_row = rows_left <= ROWS;
  wire last_column = columns_left <= COLUMNS;
  assign rows = last_row ? rows_left : ROWS;
  assign columns = last_column ? columns_left : COLUMNS;
  assign last = last_row && last_column && group + 1 == groups;

  always @(posedge clock)
    if (reset) begin
      exhausted <= 1'b1;
      index <= 0;
      group <= 0;
      row_offset <= 0;
      column_offset <= 0;
    end else if (start) begin
      exhausted <= 1'b0;
      index <= 0;
      group <= 0;
      row_offset <= 0;
      column_offset <= 0;
    end else if (next) begin
      exhausted <= last;
      index <= index + 1;
      row_offset <= last_row ? 0 : row_offset + ROWS;
      if (last_row) begin
        column_offset <= last_column ? 0 : column_offset + COLUMNS;
        if (last_column) group <= group + 1;
      end
    end
endmodule
