//! Input made to hurt: no panic, no stack overflow, bounded time and memory.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::netlist::Problem;
use crate::netlist::verilog::expression::MAX_NESTING;

fn limit_exceeded(text: &str) -> String {
    match read(text.as_bytes(), None).unwrap_err().problem() {
        Problem::TooLarge { what, .. } => what.clone(),
        other => panic!("{other}"),
    }
}

fn assignment(expression: &str) -> String {
    format!("module m(input [7:0] a, output [7:0] y); assign y = {expression}; endmodule")
}

#[test]
fn brackets_nest_to_a_limit() {
    for (open, close) in [("(", ")"), ("{", "}"), ("a[", "]"), ("$signed(", ")"), ("{1{", "}}"), ("a ? ", ": a")] {
        let nested = |depth: usize| assignment(&(open.repeat(depth) + "a[0]" + &close.repeat(depth)));
        assert_eq!(limit_exceeded(&nested(100_000)), "the nesting of brackets", "{open}");
    }
    assert_eq!(limit_exceeded(&assignment(&"(".repeat(100_000))), "the nesting of brackets");
    let deep = |open: &str, operand: &str, close: &str| {
        let value = open.repeat(MAX_NESTING - 1) + operand + &close.repeat(MAX_NESTING - 1);
        let text =
            format!("module m #(parameter P = 1) (input [7:0] a, output [7:0] y); assign y = {value}; endmodule");
        // Half of what a thread has by default; frames of unoptimised builds are larger.
        let stack = if cfg!(debug_assertions) { 1 << 20 } else { 256 << 10 };
        let thread = std::thread::Builder::new().stack_size(stack);
        thread.spawn(move || circuit(&text)).unwrap().join().unwrap()
    };
    assert_eq!(deep("(", "a", ")").evaluate(&[0x5a]), [0x5a]);
    assert_eq!(deep("{", "a", "}").evaluate(&[0x5a]), [0x5a]);
    // P[0] is 1 and P[1] is 0: an odd number of selects of 0 gives 1.
    assert_eq!(deep("P[", "0", "]").evaluate(&[0]), [(MAX_NESTING - 1) as u64 % 2]);
}

#[test]
fn long_chains_do_not_nest() {
    let count = 20_001;
    let chain = circuit(&assignment(&vec!["a"; count].join(" ^ ")));
    assert_eq!(chain.evaluate(&[0x5a]), [0x5a]);
    assert_eq!(circuit(&assignment(&("~".repeat(100_000) + "a"))).evaluate(&[0x5a]), [0x5a]);
    let mut table: String = (0..255).map(|index| format!("a == {index} ? {} : ", index * 7 % 256)).collect();
    table += "8'd249";
    let table = circuit(&assignment(&table));
    for a in 0..256 {
        assert_eq!(table.evaluate(&[a]), [a * 7 % 256]);
    }
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(
        limit_exceeded("module m(input [1000000000:0] a, output y); endmodule"),
        "the width of [1000000000:0]"
    );
    let range = "module m(input [9223372036854775807:-9223372036854775807] a, output y); endmodule";
    assert!(limit_exceeded(range).starts_with("the width of"));
    assert!(limit_exceeded(&assignment("{1000000000{a}}")).contains("bits"));
    assert!(limit_exceeded(&assignment("99999999'd1")).contains("width of a number"));
    // Eight levels of two wide words each.
    assert!(limit_exceeded(&assignment(&format!("{{{}a{}}}", "{9{".repeat(9), "}}".repeat(9)))).contains("bits"));
    let product = |a: &str| {
        format!("module m(input a, output [65535:0] y); assign y = {{60000{{{a}}}}} * {{60000{{{a}}}}}; endmodule")
    };
    assert!(limit_exceeded(&product("a")).contains("cells"));
    assert!(limit_exceeded(&product("1'b1")).contains("bit operations"));
    let wide: String = (0..1000).map(|index| format!("wire [65535:0] w{index};")).collect();
    assert!(limit_exceeded(&format!("module m(input a); {wide} endmodule")).contains("wires"));
}

#[test]
fn hierarchies_cannot_explode() {
    // 2^40 gates, then 2^40 instances of nothing.
    for leaf in ["xor g(y, a, a);", ""] {
        let mut text = format!("module m0(input a, output y); {leaf} endmodule\n");
        for level in 1..=40 {
            let below = level - 1;
            text += &format!("module m{level}(input a, output y); wire w; m{below} u(a, w), v(a, y); endmodule\n");
        }
        assert!(limit_exceeded(&text).starts_with("the number of"));
    }
    // A deep one is fine.
    let mut text = "module m0(input a, output y); not g(y, a); endmodule\n".to_string();
    for level in 1..=5_000 {
        text += &format!("module m{level}(input a, output y); m{} u(a, y); endmodule\n", level - 1);
    }
    assert_eq!(circuit(&text).evaluate(&[1]), [0]);
}

#[test]
fn bytes_that_are_no_verilog() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for length in [1, 10, 1000] {
        for _ in 0..50 {
            let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
            assert!(read(&bytes, None).is_err());
        }
    }
    assert!(read(b"\x7fELF\x02\x01\x01\0\0\0", None).is_err());
    // Any byte may stand in a comment.
    assert!(read(b"module m(input a, output y); // \xff\xfe\0\n assign y = a; endmodule", None).is_ok());
}

/// Thousands of damaged copies of a file with most constructs are read or refused.
#[test]
fn damaged_files_never_panic() {
    let sound = b"`timescale 1ns/1ps\n(* keep *) module top #(parameter W = 4) (input [W-1:0] a, b, input c, output \
        [2*W-1:0] p, output signed [0:3] q); wire [W:0] s = a + b; wire x; // note\n assign p[3:0] = {a[3:1], ~b[0]} \
        - s[3:0] * 4'd3, p[7:4] = c ? a >> 1 : {4{^b}}; nand g1(x, a[0], b[1], c), g2(q[0], x, c); FAX1 f(.A(a[0]), \
        .B(b[0]), .C(x), .YS(q[1]), .YC(q[2])); half #(.N(1)) h(.a(c), .b(1'b1), .s(q[3]), .c()); endmodule\n module \
        half(a, b, s, c); parameter N = 2; input [N-1:0] a, b; output [N-1:0] s, c; /* both */ assign s = a ^ b; \
        assign c = a & b; endmodule";
    assert!(read(sound, None).is_ok());
    let pieces: Vec<&[u8]> = sound.split(|byte| *byte == b' ').collect();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut read_anyway = 0;
    for round in 0..4000 {
        let mut text = sound.to_vec();
        for _ in 0..1 + round % 3 {
            let at = random.random_range(0..text.len());
            let piece = pieces[random.random_range(0..pieces.len())];
            match random.random_range(0..5) {
                0 => text[at] = random.random(),
                1 if text.len() > 1 => drop(text.remove(at)),
                2 => text.truncate(at.max(1)),
                3 => text.splice(at..at, piece.iter().copied()).for_each(drop),
                _ => text[at] = b"()[]{};,.:?=+-*~&|^!<>#@'09az\"\\/"[random.random_range(0..32)],
            }
        }
        read_anyway += usize::from(read(&text, None).is_ok());
    }
    assert!(
        (10..3900).contains(&read_anyway),
        "{read_anyway} of 4000 were readable: damage is too heavy or too light"
    );
}
