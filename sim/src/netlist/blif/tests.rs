use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::read;
use crate::netlist::{CellKind, Netlist, Problem};

fn circuit(text: &str) -> Netlist {
    read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn counts(kinds: &[(CellKind, usize)]) -> BTreeMap<CellKind, usize> {
    kinds.iter().copied().collect()
}

#[test]
fn tables_become_the_cells_they_are() {
    use CellKind::*;
    let netlist = circuit(
        "# a comment\n.model tables\n.inputs a b \\\n c d\n.outputs and xnor aoi mux parity wire zero one off\n\
         .names a b and # ends the line\n11 1\n.names a b xnor\n01 0\n10 0\n.names c a b aoi\n0-0 1\n00- 1\n\
         .names c a b mux\n11- 1\n0-1 1\n.names a b c d parity\n1000 1\n0100 1\n0010 1\n0001 1\n1110 1\n1101 1\n\
         1011 1\n0111 1\n.names a wire\n1 1\n.names zero\n.names one\n1\n.names a b c d e off\n1-0-1 0\n-1-11 0\n\
         .names one d e\n11 1\n.end\n",
    );
    for code in 0..16u64 {
        let (a, b, c, d) = (code & 1, code >> 1 & 1, code >> 2 & 1, code >> 3);
        let aoi = 1 - (a & b | c);
        let mux = if c == 1 { a } else { b };
        let off = 1 - (a & (1 - c) & d | b & d & d);
        let expected = [a & b, 1 - (a ^ b), aoi, mux, a ^ b ^ c ^ d, a, 0, 1, off];
        assert_eq!(netlist.evaluate(&[a, b, c, d]), expected, "{code}");
    }
    let kinds = netlist.cell_counts();
    assert_eq!((kinds[&Xnor2], kinds[&Aoi21], kinds[&Mux2], kinds[&Xor2]), (1, 1, 1, 3));
    assert!(!kinds.contains_key(&Buf), "a copy is a wire");
}

#[test]
fn models_nest_and_those_that_are_cells_become_cells() {
    use CellKind::*;
    let netlist = circuit(
        ".model top\n.inputs a[1] a[0] b[0] b[1]\n.outputs s[0] s[1] s[2]\n.names gnd\n0\n\
         .subckt adder x=a[0] y=b[0] z=gnd s=s[0] c=c0\n.subckt row x=a[1] y=b[1] z=c0 s=s[1] c=s[2]\n.end\n\
         .model row\n.inputs x y z\n.outputs s c\n.subckt adder x=x y=y z=z s=s c=k\n.gate BUFX2 A=k Y=c\n.end\n\
         .model adder\n.inputs x y z\n.outputs c s\n.names x y z s\n100 1\n010 1\n001 1\n111 1\n\
         .names x y z c\n11- 1\n1-1 1\n-11 1\n.end\n",
    );
    assert_eq!(netlist.cell_counts(), counts(&[(FullAdder, 2), (Buf, 1)]));
    let ports: Vec<_> = netlist.inputs().iter().map(|port| (port.name(), port.width())).collect();
    assert_eq!(ports, [("a", 2), ("b", 2)]);
    for code in 0..16 {
        assert_eq!(netlist.evaluate(&[code & 3, code >> 2]), [(code & 3) + (code >> 2)]);
    }
}

#[test]
fn the_first_model_is_the_top_unless_named() {
    let text = ".model one\n.inputs a\n.outputs y\n.names a y\n0 1\n.end\n.model two\n.inputs a\n.outputs y\n\
                .conn a y\n.end\n";
    assert_eq!(circuit(text).evaluate(&[1]), [0]);
    assert_eq!(read(text.as_bytes(), Some("two")).unwrap().evaluate(&[1]), [1]);
    let error = read(text.as_bytes(), Some("three")).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.remedy().as_str()),
        ("line 1, column 1: there is no module `three` to read", "Choose one of one, two.",)
    );
}

#[test]
fn errors_name_line_and_problem() {
    let fourth_line = |line: &str| {
        let text = format!(".model m\n.inputs a b\n.outputs y\n{line}\n.end\n");
        let error = read(text.as_bytes(), None).unwrap_err();
        assert_eq!(error.line(), 4, "{line}: {error}");
        error.problem().to_string()
    };
    assert_eq!(fourth_line(".latch a y 0"), "`.latch` is outside the subset that is read as a netlist");
    assert_eq!(fourth_line(".names"), "expected the output of the table, found the end of the line");
    assert_eq!(fourth_line("stray a y"), "expected a directive, found `stray`");
    assert_eq!(fourth_line(".subckt m x"), "expected `pin=net`, found `x`");
    assert_eq!(fourth_line(".subckt box x=a"), "module `box` is not in the file, nor a cell of a known library");
    assert_eq!(fourth_line(".subckt m a=a b=b y=y"), "module instantiates itself: m > m");
    assert_eq!(fourth_line(".gate INVX1 A=a Q=y"), "`INVX1` has no `Q`; it has A, Y");
    assert_eq!(fourth_line(".gate INVX1 Y=y"), "`INVX1.A` is read but nothing drives it");
}

#[test]
fn rows_drivers_and_loops_are_checked() {
    let error = |body: &str| {
        let text = format!(".model m\n.inputs a b\n.outputs y\n{body}\n.end\n");
        let error = read(text.as_bytes(), None).unwrap_err();
        (error.line(), error.problem().to_string())
    };
    let row = |found: &str| format!("expected 2 of `0`, `1`, `-`, then `1` (or `0` in all rows), found `{found}`");
    assert_eq!(error(".names a b y\n111 1"), (5, row("111")));
    assert_eq!(error(".names a b y\n1x 1"), (5, row("1x")));
    assert_eq!(error(".names a b y\n11 1\n00 0"), (6, row("00")));
    assert_eq!(error(".names a y\n1 1\n.names b y\n1 1"), (6, "`y` has a driver already, at line 4".into()));
    assert_eq!(error(".names a w y\n11 1"), (4, "`w` is read but nothing drives it".into()));
    assert_eq!(error(".names a w y\n11 1\n.names b y w\n11 1").1, "combinational loop through y > w");
    assert_eq!(error(".names b a\n1 1"), (4, "`a` has a driver already, at line 2".into()));
    assert_eq!(error(""), (3, "`y` is read but nothing drives it".into()));
    assert_eq!(error(".names a \u{1} y\n11 1"), (4, "byte 0x01 is not text".into()));
}

#[test]
fn hostile_files_end_early() {
    let mut text = ".model m40\n.inputs a\n.outputs y\n.subckt m39 a=a y=w\n.subckt m39 a=w y=y\n.end\n".to_string();
    for level in (0..40).rev() {
        text += &format!(".model m{level}\n.inputs a\n.outputs y\n");
        text += &match level {
            0 => ".names a a b c d y\n10-11 1\n.end\n".into(),
            _ => format!(".subckt m{below} a=a y=w\n.subckt m{below} a=w y=y\n.end\n", below = level - 1),
        };
    }
    let error = read(text.as_bytes(), None).unwrap_err();
    assert!(matches!(error.problem(), Problem::TooLarge { .. }), "{error}");

    let sound = b".model top # note\n.inputs a[0] a[1] \\\n c\n.outputs y z\n.names a[0] a[1] c y\n1-0 1\n011 1\n\
        .subckt cell p=y q=c r=z\n.end\n.model cell\n.inputs p q\n.outputs r\n.gate NAND2X1 A=p B=q Y=r\n.end\n";
    assert!(read(sound, None).is_ok());
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut read_anyway = 0;
    for round in 0..3000 {
        let mut text = sound.to_vec();
        for _ in 0..1 + round % 3 {
            let at = random.random_range(0..text.len());
            match random.random_range(0..4) {
                0 => text[at] = random.random(),
                1 => text.insert(at, b' '),
                2 => text.truncate(at.max(1)),
                _ => text[at] = b"01-.=#\\ \n[a"[random.random_range(0..11)],
            }
        }
        read_anyway += usize::from(read(&text, None).is_ok());
    }
    assert!((10..2900).contains(&read_anyway), "{read_anyway} of 3000 were readable");
}
