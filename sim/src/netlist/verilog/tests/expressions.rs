//! Values and cells of expressions. Width and sign rules are compared with Icarus in `tests/icarus.rs`.

use super::*;
use CellKind::*;

const SAMPLES: [(u64, u64, u64); 7] =
    [(0, 0, 0), (1, 0, 1), (0x5a, 0xc3, 0), (0xff, 0xff, 1), (0x80, 0x7f, 1), (3, 200, 0), (0x96, 0x69, 1)];

/// Checks an expression of bytes a, b and bit c, assigned to `width` bits, against its meaning.
fn check(expression: &str, width: usize, meaning: impl Fn(u64, u64, u64) -> u64) {
    let netlist = function(width, &format!("assign y = {expression};"));
    for (a, b, c) in SAMPLES {
        let expected = meaning(a, b, c) & (u64::MAX >> (64 - width));
        assert_eq!(netlist.evaluate(&[a, b, c]), [expected], "{expression} for {a:#x} {b:#x} {c}");
    }
}

#[test]
fn precedence_follows_the_standard() {
    check("a | b & a ^ b", 8, |a, b, _| a | ((b & a) ^ b));
    check("a & b == b", 8, |a, b, _| a & u64::from(b == b));
    check("a + b << 1", 8, |a, b, _| (a + b) << 1);
    check("a - b - 8'd3", 8, |a, b, _| a.wrapping_sub(b).wrapping_sub(3));
    check("a + b * 2 - c", 8, |a, b, c| (a + b * 2).wrapping_sub(c));
    check("a < b == c", 1, |a, b, c| u64::from(u64::from(a < b) == c));
    check("c || a && b", 1, |a, b, c| u64::from(c == 1 || (a != 0 && b != 0)));
    check("c ? a : c ? b : a ^ b", 8, |a, b, c| if c == 1 { a } else { a ^ b });
    check("~a & b", 8, |a, b, _| !a & b);
    check("!a + b", 8, |a, b, _| u64::from(a == 0) + b);
    check("a ~^ b ^ a", 8, |a, b, _| !(a ^ b) ^ a);
    check("&a | ^b", 1, |a, b, _| u64::from(a == 255) | u64::from(b.count_ones() % 2));
    check("-a", 8, |a, _, _| a.wrapping_neg());
    check("2 ** 3 + 7 / 2 % 2", 8, |_, _, _| 8 + 3 % 2);
}

#[test]
fn operands_extend_to_the_context_before_the_operator() {
    check("a + b", 9, |a, b, _| a + b);
    check("(a + b) >> 1", 8, |a, b, _| ((a + b) & 255) >> 1);
    // A literal without width widens the context to 32 bits: the carry survives the shift.
    check("(a + b + 0) >> 1", 8, |a, b, _| (a + b) >> 1);
    check("a + b > 8'd255", 1, |_, _, _| 0);
    check("a + b > 9'd255", 1, |a, b, _| u64::from(a + b > 255));
    check("{a + b}", 9, |a, b, _| (a + b) & 255);
    check("~c", 8, |_, _, c| !c);
    check("{3{c}}", 8, |_, _, c| c * 7);
    check("a * b", 16, |a, b, _| a * b);
    check("{a, b} * c", 16, |a, b, c| (a << 8 | b) * c);
    check("c ? a : 4'd9", 12, |a, _, c| if c == 1 { a } else { 9 });
}

#[test]
fn signs_hold_while_all_operands_are_signed() {
    let signed = |value: u64| i64::from(value as u8 as i8) as u64;
    check("$signed(a) * $signed(b)", 16, |a, b, _| signed(a).wrapping_mul(signed(b)));
    check("$signed(a) * b", 16, |a, b, _| a * b);
    check("$signed(a) + 1", 16, |a, _, _| signed(a).wrapping_add(1));
    check("$signed(a) + 4'd1", 16, |a, _, _| a + 1);
    check("$signed(a) >>> 2", 8, |a, _, _| (signed(a) as i64 >> 2) as u64);
    check("$signed(a) >> 2", 8, |a, _, _| a >> 2);
    check("a >>> 2", 8, |a, _, _| a >> 2);
    check("$signed(a) < $signed(b)", 1, |a, b, _| u64::from((signed(a) as i64) < signed(b) as i64));
    check("$signed(a) < b", 1, |a, b, _| u64::from(a < b));
    check("-8'sd3 + $signed(a)", 12, |a, _, _| signed(a).wrapping_sub(3));
}

#[test]
fn selects_and_shifts_pick_bits() {
    check("a[7:4]", 8, |a, _, _| a >> 4);
    check("{a[0], b[7 -: 2], b[1 +: 3]}", 6, |a, b, _| (a & 1) << 5 | (b >> 6) << 3 | (b >> 1 & 7));
    check("a[2*3]", 1, |a, _, _| a >> 6);
    check("a << b[3:0]", 16, |a, b, _| a << (b & 15));
    check("a << b", 16, |a, b, _| if b < 16 { a << b } else { 0 });
    check("a >> b[2:0]", 8, |a, b, _| a >> (b & 7));
    check("(a << 4)", 8, |a, _, _| a << 4);
    check("a >> 100", 8, |_, _, _| 0);
}

#[test]
fn assignments_split_over_concatenations() {
    let adder = circuit(
        "module adder(input [3:0] a, b, input ci, output [3:0] s, output co);
           wire [3:0] low;
           assign {co, s} = a + b + ci, low = 4'd0;
         endmodule",
    );
    // The single bit is the carry into one ripple adder, not a second adder.
    assert_eq!(adder.cell_counts(), counts(&[(FullAdder, 4)]));
    for code in 0..512 {
        let (a, b, ci) = (code & 15, code >> 4 & 15, code >> 8);
        assert_eq!(adder.evaluate(&[a, b, ci]), [(a + b + ci) & 15, (a + b + ci) >> 4]);
    }
    let swapped = circuit("module m(input [7:0] a, output [7:0] y); assign {y[3:0], y[7:4]} = a; endmodule");
    assert_eq!(swapped.evaluate(&[0xa5]), [0x5a]);
    let repeated = circuit("module m(input [1:0] a, output [7:0] y); assign y = {4{a}}; endmodule");
    assert_eq!(repeated.evaluate(&[2]), [0b1010_1010]);
}

#[test]
fn operators_become_the_cells_one_expects() {
    let kinds = |width, expression: &str| function(width, &format!("assign y = {expression};")).cell_counts();
    assert_eq!(kinds(9, "a + b"), counts(&[(HalfAdder, 1), (FullAdder, 7)]));
    // 64 products; seven rows of eight adders, the first of each row a half adder, and one more in the second row,
    // where no carry comes from above.
    assert_eq!(kinds(16, "a * b"), counts(&[(And2, 64), (HalfAdder, 8), (FullAdder, 48)]));
    assert_eq!(kinds(8, "~(a & b)"), counts(&[(Nand2, 8)]));
    assert_eq!(kinds(8, "~(a | b)"), counts(&[(Nor2, 8)]));
    assert_eq!(kinds(8, "~(a ^ b)"), counts(&[(Xnor2, 8)]));
    assert_eq!(kinds(8, "c ? a : b"), counts(&[(Mux2, 8)]));
    assert_eq!(kinds(1, "a == b"), counts(&[(Xnor2, 8), (And2, 7)]));
    // One complement for each bit of b, and the carry in turns the first full adder into two gates.
    assert_eq!(kinds(8, "a - b"), counts(&[(Inv, 8), (Xnor2, 1), (Or2, 1), (FullAdder, 7)]));
    // Names, constants and selects are connections.
    assert_eq!(kinds(8, "{a[3:0], 4'b1010}"), counts(&[]));
    assert_eq!(kinds(8, "a & 8'h0f | b & 8'hf0"), counts(&[]));
    // A literal has 32 bits, but only eight matter: an inverter and an exclusive or at the ends of six half adders.
    assert_eq!(kinds(8, "a + 1"), counts(&[(Inv, 1), (HalfAdder, 7)]));
    // Baugh–Wooley: as many products as without sign.
    let signed = kinds(16, "$signed(a) * $signed(b)");
    assert_eq!((signed[&And2], signed[&Nand2]), (50, 14));
}

/// Products of all widths, signs and destination widths are exact.
#[test]
fn products_are_exact() {
    for (n, m) in [(1, 1), (1, 4), (4, 1), (2, 3), (5, 4)] {
        for signed in ["", "signed"] {
            for width in [1, n, n + m - 1, n + m, n + m + 3] {
                let (n_left, m_left, y_left) = (n - 1, m - 1, width - 1);
                let text = format!(
                    "module m(input {signed} [{n_left}:0] a, input {signed} [{m_left}:0] b, output [{y_left}:0] y);
                     assign y = a * b; endmodule"
                );
                let netlist = circuit(&text);
                let value = |code: i64, bits: i64| {
                    if signed.is_empty() || code >> (bits - 1) == 0 { code } else { code - (1 << bits) }
                };
                for code in 0..1i64 << (n + m) {
                    let (a, b) = (code & ((1 << n) - 1), code >> n);
                    let product = (value(a, n) * value(b, m)) as u64 & ((1 << width) - 1);
                    assert_eq!(netlist.evaluate(&[a as u64, b as u64]), [product], "{text} {a} {b}");
                }
            }
        }
    }
}
