//! Every error names its line and what is wrong.

use super::*;

/// Line, column and message of the error, which must come with a remedy.
fn error(text: &str) -> (usize, usize, String) {
    match read(text.as_bytes(), None) {
        Ok(netlist) => panic!("accepted as {netlist:?}:\n{text}"),
        Err(error) => {
            let shown = &text.as_bytes()[error.bytes()];
            assert!(error.bytes().is_empty() || !shown.is_empty(), "{error}");
            assert!(error.remedy().ends_with(['.', '"']), "{}", error.remedy());
            (error.line(), error.column(), error.problem().to_string())
        }
    }
}

/// The third line of a module with inputs a, b and output y is wrong.
fn third_line(line: &str) -> String {
    let text = format!("module m(input [3:0] a, b, output [3:0] y);\n  wire w, v;\n  {line}\nendmodule\n");
    let (number, _, message) = error(&text);
    assert_eq!(number, 3, "{line}: {message}");
    message
}

#[test]
fn places_are_those_of_the_culprit() {
    let text = "module m(input a, output y);\n  assign y = /* \u{e4}\u{f6} */ a & nothing;\nendmodule";
    let error = read(text.as_bytes(), None).unwrap_err();
    assert_eq!((error.line(), error.column()), (2, 27));
    assert_eq!(&text[error.bytes()], "nothing");
    assert_eq!(error.to_string(), "line 2, column 27: `nothing` is not declared");
}

#[test]
fn behaviour_is_refused_with_the_command_that_synthesises_it() {
    for (line, construct) in [
        ("always @(*) y = a;", "an `always` block"),
        ("reg r;", "a `reg`"),
        ("initial $finish;", "an `initial` block"),
        ("generate if (1) begin end endgenerate", "a `generate` block"),
        ("genvar i;", "a `genvar`"),
        ("for (i = 0; i < 4; i = i + 1) begin end", "a `for` loop"),
        ("inout z;", "an `inout` port"),
        ("function f; endfunction", "a `function`"),
        ("tri t;", "a `tri` net"),
        ("wire [3:0] memory [0:3];", "an array of nets"),
        ("and g[3:0](y, a, b);", "an array of instances"),
        ("assign y = f(a);", "a call of the function `f`"),
        ("assign y = $clog2(a);", "the system function `$clog2`"),
        ("assign y = a / b;", "`/` of nets"),
        ("bufif0 (y[0], a[0], b[0]);", "the tri-state gate `bufif0`"),
        ("assign y = `WIDTH;", "the directive or macro `WIDTH"),
    ] {
        assert_eq!(third_line(line), format!("{construct} is outside the subset that is read as a netlist"));
    }
    let text = "module m(input a, output reg y); endmodule";
    let remedy = read(text.as_bytes(), None).unwrap_err().remedy();
    assert!(remedy.contains("yosys -p") && remedy.contains("write_json"), "{remedy}");
}

#[test]
fn mistakes_in_the_text() {
    assert_eq!(third_line("assign y = a &;"), "expected an expression, found `;`");
    assert_eq!(third_line("assign y = (a;"), "expected `)`, found `;`");
    assert_eq!(third_line("assign y a;"), "expected `=`, found `a`");
    assert_eq!(third_line("and g(y[0] a[0]);"), "expected `)`, found `a`");
    assert_eq!(third_line("/* no end"), "a comment is never closed");
    assert_eq!(third_line("(* no end"), "an attribute is never closed");
    assert_eq!(third_line("assign y = \"text;"), "a string is never closed");
    assert_eq!(third_line("assign y = 4'q1;"), "expected `;`, found `'`");
    assert_eq!(third_line("assign y = 3'b2;"), "`3'b2` is not a number: it has a digit that is not binary");
    assert_eq!(third_line("assign y = \u{1}a;"), "byte 0x01 is not text");
    assert_eq!(error("garbage").2, "expected `module`, found `garbage`");
    assert_eq!(error("\n\nmodule m(input a);\n").0, 3, "the module that is not closed");
    assert_eq!(error("").2, "there is no module to read");
    let text = "module m(input a, output y); assign y = a; endmodule";
    let missing = read(text.as_bytes(), Some("top")).unwrap_err();
    assert_eq!(missing.problem().to_string(), "there is no module `top` to read");
    assert_eq!(missing.remedy(), "Choose one of m.");
}

#[test]
fn names_and_pins_that_do_not_exist() {
    assert_eq!(third_line("assign y = a + zz;"), "`zz` is not declared");
    assert_eq!(third_line("assign y[4] = a[0];"), "bit 4 is outside `y[3:0]`");
    assert_eq!(third_line("assign y = a[3:-1];"), "bit -1 is outside `a[3:0]`");
    assert_eq!(third_line("assign y = a[0:3];"), "bit 0 is outside `a[3:0]`");
    assert_eq!(third_line("assign y = a[b];"), "the index of a bit must be a constant");
    assert_eq!(third_line("wire w;"), "the declaration of `w` stands twice");
    assert_eq!(third_line("parameter k = 1, k = 2;"), "the name `k` stands twice");
    assert_eq!(third_line("box u(.p(a));"), "module `box` is not in the file, nor a cell of a known library");
    assert_eq!(third_line("INVX1 u(a[0], w);"), "pins of library cell `INVX1` are given by position");
    assert_eq!(third_line("INVX1 u(.A(a[0]), .Q(w));"), "`INVX1` has no `Q`; it has A, Y");
    assert_eq!(third_line("INVX1 u(.A(a[0]), .A(w));"), "the connection of `A` stands twice");
    assert_eq!(
        third_line("assign (a & b) = y;"),
        "an output drives nets or concatenations of nets, not an expression"
    );
    assert!(third_line("INVX1 u(.A(a[0]), .Y(1'b0));").ends_with("not a number"));
    let child = "module c(input i, output o); not (o, i); endmodule\n";
    let top = |instance: &str| format!("{child}module t(input a, output y);\n{instance}\nendmodule");
    assert_eq!(error(&top("c u(a, y, a);")), (3, 3, "`c` has no `number 3`; it has i, o".into()));
    assert_eq!(error(&top("c #(.W(2)) u(a, y);")), (3, 6, "`c` has no `W`; it has ".into()));
    assert_eq!(error(&format!("{child}{child}")), (2, 8, "module `c` stands twice".into()));
}

#[test]
fn drivers_widths_and_loops() {
    assert_eq!(third_line("assign w = y[0], y = a & {4{v}};"), "`v` is read but nothing drives it");
    assert_eq!(third_line("and (w, a[0], v); assign y = a;"), "`v` is read but nothing drives it");
    assert_eq!(
        third_line("xor (y[0], a[0], 1'bx); assign y[3:1] = 0;"),
        "`an unknown value` is read but nothing drives it"
    );
    assert_eq!(third_line("assign a = b;"), "`a[0]` has a driver already, at line 1");
    assert_eq!(third_line("assign y = a; assign y[2] = b[0];"), "`y[2]` has a driver already, at line 3");
    assert_eq!(third_line("and g(w, a, b[0]);"), "terminal 2 of gate `g` has 1 bits, what is connected has 4");
    assert_eq!(third_line("INVX1 u(.A(a), .Y(w));"), "pin `A` of `INVX1` has 1 bits, what is connected has 4");
    assert_eq!(third_line("assign w = v ^ a[0], v = w & b[0], y = a;"), "combinational loop through w > v");
    assert_eq!(third_line("assign w = v, v = w, y = a;"), "combinational loop through v > w");
    let port = "module c(input [2:0] i, output o); assign o = ^i; endmodule
                module t(input [3:0] a, output y);\n c u(.i(a), .o(y)); endmodule";
    assert_eq!(error(port), (3, 9, "port `i` of `c` has 3 bits, what is connected has 4".into()));
    // An output that nothing drives is shown where it is declared.
    assert_eq!(error("module m(input a,\n output [1:0] y); assign y[0] = a; endmodule").0, 2);
    let inner = "module c(input i, output o); wire n; nand (o, i, n); nand (n, o, i); endmodule
                 module t(input a, output y); c u(a, y); endmodule";
    assert_eq!(error(inner).2, "combinational loop through u.o > u.n");
}

#[test]
fn hierarchies_without_end_or_root() {
    let cycle = "module a(input x, output y); b u(x, y); endmodule
                 module b(input x, output y); c u(x, y); endmodule
                 module c(input x, output y); b u(x, y); endmodule";
    assert_eq!(error(cycle).2, "module instantiates itself: b > c > b");
    let own = "module leaf(input x, output y); not (y, x); endmodule
               module a(input x, output y); wire w; leaf l(x, w); a u(x, y); endmodule";
    assert_eq!(error(own).2, "module instantiates itself: a > a");
    let two = "module a(input [7:0] x, output y); assign y = ^x; endmodule
               module b(input [7:0] x, output y); assign y = &x; endmodule";
    assert_eq!(error(two), (1, 8, "several modules are instantiated by no other: a, b".into()));
    let implicit = "`default_nettype none\nmodule m(input a, output y); not (y, b); endmodule";
    assert_eq!(error(implicit), (2, 38, "`b` is not declared".into()));
}
