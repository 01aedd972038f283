//! Modules, ports, declarations, gates, instances and library cells.

use super::*;
use CellKind::*;

#[test]
fn both_port_styles_and_every_declaration() {
    let ansi = "module m #(parameter W = 4, localparam L = W - 1) (
        input wire signed [L:0] a, b, input logic en, output [W:0] y);
      wire [L:0] masked = a & {W{en}};
      assign y = masked + b;
    endmodule";
    let classic = "// a comment with umlauts: \u{e4}
    `timescale 1ns / 1ps
    `default_nettype none
    (* top *) module m(a, b, en, y);
      parameter W = 2 * 2;
      input [W-1:0] a; input [W-1:0] b; input en;
      output [W:0] y; wire [W:0] y;
      wire [3:0] /* four */ masked, zeros;
      supply0 low;
      assign zeros = {4{low}}, masked = en ? a : zeros;
      assign #(1, 2) y = {low, masked} + {low, b};
    endmodule
    `default_nettype wire";
    for text in [ansi, classic] {
        let netlist = circuit(text);
        let ports: Vec<_> = netlist.inputs().iter().map(|port| (port.name(), port.width())).collect();
        assert_eq!(ports, [("a", 4), ("b", 4), ("en", 1)]);
        assert_eq!(netlist.name(), "m");
        for code in 0..512 {
            let (a, b, en) = (code & 15, code >> 4 & 15, code >> 8);
            // In the first module a and b are signed, but the masked value is not, nor is the sum.
            assert_eq!(netlist.evaluate(&[a, b, en]), [a * en + b], "{text} {code}");
        }
    }
}

#[test]
fn vectors_may_run_either_way() {
    let netlist = circuit(
        "module m(input [0:3] up, input [4:1] down, output [3:0] y, output [1:2] z);
           assign y = {up[0], up[1:2], down[1]};
           assign z = down[4:3];
         endmodule",
    );
    // The leftmost bit is the most significant: up[0] is bit 3, down[1] bit 0.
    assert_eq!(netlist.evaluate(&[0b1010, 0b0111]), [0b1011, 0b01]);
}

#[test]
fn gates_are_primitives_of_any_number_of_inputs() {
    let netlist = circuit(
        "module m(input a, b, c, d, output [10:0] y, output z);
           and (y[0], a, b, c, d);  nand #1 g1(y[1], a, b, c), g2(y[2], a, b, c, d);
           or #(1,2) g3(y[3], a, b, c, d);  nor g4(y[4], a, b, c);
           xor g5(y[5], a, b, c, d);  xnor g6(y[6], a, b, c);
           not g7(y[7], y[8], a);  buf g8(y[9], b);
           xnor g9(y[10], implicit, ~d);
           or g10(implicit, a, b);
           and g11(z, a);
         endmodule",
    );
    for code in 0..16u64 {
        let bit = |index: u64| code >> index & 1;
        let (a, b, c, d) = (bit(0), bit(1), bit(2), bit(3));
        let y = [
            a & b & c & d,
            1 - (a & b & c),
            1 - (a & b & c & d),
            a | b | c | d,
            1 - (a | b | c),
            a ^ b ^ c ^ d,
            1 - (a ^ b ^ c),
            1 - a,
            1 - a,
            b,
            1 - ((a | b) ^ (1 - d)),
        ];
        let y = y.iter().rev().fold(0, |word, bit| word << 1 | bit);
        assert_eq!(netlist.evaluate(&[a, b, c, d]), [y, a], "{code}");
    }
    let kinds = netlist.cell_counts();
    assert_eq!((kinds[&Nand3], kinds[&Nor3], kinds[&Buf]), (1, 1, 1));
}

/// A row of an array multiplier in the manner of published circuits: expressions in connections, helpers at the end.
#[test]
fn helper_modules_are_used_as_defined_and_adders_stay_adders() {
    let netlist = circuit(
        "module top ( A, B, O ); input [1:0] A; input [16-15:0] B; output [3:0] O;
           wire [3:0] N;
           LIBHAX1 U1 (.A((A[1] & B[0])), .B((A[0] & B[1])), .YS(O[1]), .YC(N[1]));
           LIBHAX1 U2 (N[1], ~(~(A[1] & B[1])), O[2], O[3]);
           LIBBUFX2 U3 (.A(N[0]), .Y(O[0]));
           LIBNAND2X1 U4 (.A(A[0]), .B(B[0]), .Y(N[0]));
         endmodule
         module LIBHAX1( input A, input B, output YS, output YC );
           assign YS = A ^ B;
           assign YC = A & B;
         endmodule
         module LIBBUFX2(input A, output Y); assign Y = A; endmodule
         /* Published files do call an AND so. */
         module LIBNAND2X1(input A, B, output Y); assign Y = A & B; endmodule",
    );
    assert_eq!(netlist.cell_counts(), counts(&[(And2, 3), (Nand2, 1), (Inv, 1), (HalfAdder, 2), (Buf, 1)]));
    for code in 0..16 {
        let (a, b) = (code & 3, code >> 2);
        assert_eq!(netlist.evaluate(&[a, b]), [a * b]);
    }
}

#[test]
fn the_file_wins_over_the_library() {
    // FreePDK45's MUX2X1 is inverting and selects A with S; this one is neither. Its FAX1 is approximate.
    let netlist = circuit(
        "module top(input a, b, s, output y, sum, carry);
           MUX2X1 m(.A(a), .B(b), .S(s), .Y(y));
           FAX1 f(.A(a), .B(b), .C(s), .YS(sum), .YC(carry));
         endmodule
         module MUX2X1(input A, B, S, output Y); assign Y = (A & ~S) | (B & S); endmodule
         module FAX1(input A, B, C, output YS, YC); assign YS = ~YC; assign YC = (A & B) | C; endmodule",
    );
    for code in 0..8 {
        let (a, b, s) = (code & 1, code >> 1 & 1, code >> 2);
        let carry = a & b | s;
        assert_eq!(netlist.evaluate(&[a, b, s]), [if s == 1 { b } else { a }, 1 - carry, carry]);
    }
    assert_eq!(netlist.cell_counts(), counts(&[(Mux2, 1), (And2, 1), (Or2, 1), (Inv, 1)]));
}

#[test]
fn structural_helpers_keep_their_gates() {
    let netlist = circuit(
        "module half(input a, b, output s, c); xor x(s, a, b); and n(c, a, b); endmodule
         module full(input a, b, ci, output s, co);
           wire p, g, t;
           half h1(a, b, p, g), h2(.a(p), .b(ci), .s(s), .c(t));
           or o(co, g, t);
         endmodule
         module top(input [1:0] a, b, output [2:0] y);
           wire c;
           full f0(a[0], b[0], 1'b0, y[0], c), f1(a[1], b[1], c, y[1], y[2]);
         endmodule",
    );
    assert_eq!(netlist.cell_counts(), counts(&[(Xor2, 4), (And2, 4), (Or2, 2)]));
    for code in 0..16 {
        assert_eq!(netlist.evaluate(&[code & 3, code >> 2]), [(code & 3) + (code >> 2)]);
    }
}

#[test]
fn parameters_pass_down_the_hierarchy() {
    let netlist = circuit(
        "module top(input [7:0] a, output [7:0] y, output [3:0] z);
           masked #(.WIDTH(8), .MASK(8'hf0)) high(.a(a), .y(y));
           masked #(4) low(.a(a[3:0]), .y(z));
         endmodule
         module masked(a, y);
           parameter WIDTH = 2;
           parameter [WIDTH-1:0] MASK = 5;
           localparam HIGHEST = WIDTH - 1;
           input [HIGHEST:0] a; output [HIGHEST:0] y;
           assign y = a & MASK;
         endmodule",
    );
    assert_eq!(netlist.evaluate(&[0xff]), [0xf0, 0x05]);
}

#[test]
fn the_top_is_named_or_found() {
    let text = "module leaf(input a, output y); assign y = ~a; endmodule
                module spare(input a, b, output y); assign y = a & b; endmodule
                module root(input a, output y); leaf l(a, y); endmodule";
    assert_eq!(circuit(text).name(), "root");
    let spare = read(text.as_bytes(), Some("spare")).unwrap();
    assert_eq!((spare.name(), spare.evaluate(&[1, 1])), ("spare", vec![1]));
}

#[test]
fn bits_of_escaped_names_are_buses() {
    let netlist = circuit(
        "module m(\\b[1] , \\a[0] , \\a[1] , \\b[0] , \\p[0] , \\x+y );
           input \\b[1] , \\a[0] , \\a[1] , \\b[0] ;
           output \\p[0] , \\x+y ;
           assign \\p[0] = \\a[0] & \\b[0] ;
           xor (\\x+y , \\a[1] , \\b[1] );
         endmodule",
    );
    let ports = |ports: &[crate::netlist::Port]| -> Vec<(String, usize)> {
        ports.iter().map(|port| (port.name().to_string(), port.width())).collect()
    };
    assert_eq!(ports(netlist.inputs()), [("b".into(), 2), ("a".into(), 2)]);
    assert_eq!(ports(netlist.outputs()), [("p".into(), 1), ("x+y".into(), 1)]);
    assert_eq!(netlist.evaluate(&[0b01, 0b11]), [1, 1]);
}

#[test]
fn cells_of_known_libraries_need_no_definition() {
    let netlist = circuit(
        "module m(input a, b, c, d, output [8:0] y);
           FAX1 u0(.A(a), .B(b), .C(c), .YS(y[0]), .YC(y[1]));
           MUX2X1 u1(.A(a), .B(b), .S(c), .Y(y[2]));
           sky130_fd_sc_hd__a21oi_1 u2(.A1(a), .A2(b), .B1(c), .Y(y[3]), .VPWR(power), .VGND(ground));
           sky130_fd_sc_hd__fa_2 u3(.A(b), .B(c), .CIN(d), .COUT(y[4]), .SUM(y[5]));
           AOI211_X1 u4(.A(a), .B(b), .C1(c), .C2(d), .ZN(y[6]));
           HA_X1 u5(.A(a), .B(d), .S(y[7]));
           \\$_ANDNOT_  u6(.A(a), .B(b), .Y(y[8]));
         endmodule
         (* blackbox *) module AOI211_X1(input A, B, C1, C2, output ZN); endmodule",
    );
    for code in 0..16u64 {
        let (a, b, c, d) = (code & 1, code >> 1 & 1, code >> 2 & 1, code >> 3);
        let (first, second) = (a + b + c, b + c + d);
        let mut y = first | (1 - if c == 1 { a } else { b }) << 2 | (1 - (a & b | c)) << 3;
        y |= (second >> 1) << 4 | (second & 1) << 5 | (1 - (a | b | c & d)) << 6 | (a ^ d) << 7 | (a & (1 - b)) << 8;
        assert_eq!(netlist.evaluate(&[a, b, c, d]), [y], "{code}");
    }
    assert_eq!(netlist.cell_counts()[&FullAdder], 2);
}

#[test]
fn only_modules_that_are_used_must_be_structural() {
    let text = "module top(input a, output y); not (y, a); endmodule
        module flop(input d, clk, output reg q); always @(posedge clk) q <= d; endmodule
        primitive odd(y, a); output y; input a; table 0 : 1; endtable endprimitive";
    assert_eq!(read(text.as_bytes(), Some("top")).unwrap().evaluate(&[0]), [1]);
    // Without a name the flip-flop is a candidate: better to refuse than to pick the other.
    assert_eq!(read(text.as_bytes(), None).unwrap_err().line(), 2);
    let used = text.replace("not (y, a)", "odd o(y, a)");
    assert_eq!(read(used.as_bytes(), Some("top")).unwrap_err().line(), 3);
}

#[test]
fn undefined_bits_matter_only_where_they_are_read() {
    let netlist =
        circuit("module m(input a, output y); wire [3:0] w = {2'bzx, a, 1'bx}; wire open; not (y, w[1]); endmodule");
    assert_eq!(netlist.evaluate(&[0]), [1]);
}
