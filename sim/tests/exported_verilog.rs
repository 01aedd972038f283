//! What is written and read as Verilog means the same to Icarus Verilog.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use axtrain_sim::netlist::{CellKind, Netlist, NetlistBuilder, export, verilog};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Simulates `design` on input vectors and returns, for each, the output ports as binary numbers.
///
/// None if Icarus Verilog is not installed, which is an error where the environment says `CI=true`.
fn simulate(name: &str, design: &str, ports: &Netlist, vectors: &[Vec<u64>]) -> Option<Vec<Vec<u64>>> {
    if Command::new("iverilog").arg("-V").output().is_err() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have Icarus Verilog");
        eprintln!("skipped: iverilog is not installed");
        return None;
    }
    let range = |width: usize| format!("[{}:0]", width - 1);
    let mut bench = String::from("module bench;\n");
    let mut pins = Vec::new();
    for (index, port) in ports.inputs().iter().enumerate() {
        writeln!(bench, "  reg {} i{index};", range(port.width())).unwrap();
        pins.push(format!(".{}(i{index})", port.name()));
    }
    for (index, port) in ports.outputs().iter().enumerate() {
        writeln!(bench, "  wire {} o{index};", range(port.width())).unwrap();
        pins.push(format!(".{}(o{index})", port.name()));
    }
    writeln!(bench, "  {} dut ({});\n  initial begin", ports.name(), pins.join(", ")).unwrap();
    let outputs: Vec<String> = (0..ports.outputs().len()).map(|index| format!("o{index}")).collect();
    for vector in vectors {
        for ((index, value), port) in vector.iter().enumerate().zip(ports.inputs()) {
            write!(bench, "    i{index} = {}'d{value};", port.width()).unwrap();
        }
        writeln!(bench, " #1 $display(\"{}\", {});", vec!["%b"; outputs.len()].join(" "), outputs.join(", "))
            .unwrap();
    }
    bench += "  end\nendmodule\n";

    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let source = directory.join("bench.v");
    std::fs::write(&source, format!("{design}\n{bench}")).unwrap();
    let program = directory.join("bench.vvp");
    let compiled =
        Command::new("iverilog").arg("-o").arg(&program).arg("-s").arg("bench").arg(&source).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let run = Command::new("vvp").arg("-n").arg(&program).output().unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    let number = |word: &str| u64::from_str_radix(word, 2).unwrap_or_else(|_| panic!("{word} is not defined"));
    Some(text.lines().map(|line| line.split_whitespace().map(number).collect()).collect())
}

fn compare(name: &str, design: &str, netlist: &Netlist, vectors: &[Vec<u64>]) {
    let Some(simulated) = simulate(name, design, netlist, vectors) else { return };
    assert_eq!(simulated.len(), vectors.len());
    for (vector, simulated) in vectors.iter().zip(simulated) {
        for ((port, ours), theirs) in netlist.outputs().iter().zip(netlist.evaluate(vector)).zip(simulated) {
            assert_eq!(ours, theirs, "{} for inputs {vector:x?}", port.name());
        }
    }
}

/// An array multiplier, and one output for every kind of cell on the same inputs.
fn multiplier_and_cells() -> Netlist {
    let mut builder = NetlistBuilder::new("mul4");
    let (a, b) = (builder.input("a", 4), builder.input("b", 4));
    let mut row: Vec<_> = a.iter().map(|&bit| builder.and(bit, b[0])).collect();
    let mut product = vec![row[0]];
    let mut top = None;
    for &factor in &b[1..] {
        let products: Vec<_> = a.iter().map(|&bit| builder.and(bit, factor)).collect();
        let mut next = Vec::new();
        let mut carry = None;
        for (column, &bit) in products.iter().enumerate() {
            let above = if column + 1 < row.len() { Some(row[column + 1]) } else { top };
            let added = match (above, carry) {
                (Some(above), Some(carry)) => builder.full_adder(bit, above, carry),
                (Some(other), None) | (None, Some(other)) => builder.half_adder(bit, other),
                (None, None) => unreachable!("a row has a carry after its first column"),
            };
            next.push(added.sum);
            carry = Some(added.carry);
        }
        (row, top) = (next, carry);
        product.push(row[0]);
    }
    product.extend(&row[1..]);
    product.extend(top);
    builder.output("p", product);
    for kind in CellKind::ALL {
        let outputs: Vec<_> = builder.cell(kind, &[a[0], b[1], a[2], b[3]][..kind.inputs()]).outputs().collect();
        builder.output(format!("y_{}", kind.name().replace("-", "_")), outputs);
    }
    builder.finish()
}

#[test]
fn exported_netlists_simulate_alike() {
    let netlist = multiplier_and_cells();
    let vectors: Vec<Vec<u64>> = (0..256).map(|code| vec![code >> 4, code & 15]).collect();
    for vector in &vectors {
        assert_eq!(netlist.evaluate(vector)[0], vector[0] * vector[1]);
    }
    compare("export", &export::to_verilog(&netlist), &netlist, &vectors);
}

/// Random expressions over operands of various widths and signs.
struct ExpressionWriter {
    random: ChaCha8Rng,
}

impl ExpressionWriter {
    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.random.random_range(0..choices.len())]
    }

    /// With a width: where a number has none, Icarus widens expressions beyond the 32 bits of the standard.
    fn constant(&mut self) -> String {
        let value = self.random.next_u32() % 64;
        match self.random.random_range(0..5) {
            0 | 1 => format!("6'd{value}"),
            2 => format!("7'sh{value:x}"),
            3 => format!("9'b{value:b}"),
            _ => format!("3'o{}", value % 8),
        }
    }

    fn operand(&mut self) -> String {
        match self.random.random_range(0..8) {
            0 => self.constant(),
            1 => "a[5:2]".into(),
            2 => "up[4]".into(),
            3 => "d[WIDTH-1 -: 3]".into(),
            4 => "up[3+:2]".into(),
            _ => self.pick(&["a", "b", "c", "d", "up", "SIGNED", "WIDTH"]).into(),
        }
    }

    fn expression(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.operand();
        }
        let deeper = depth - 1;
        match self.random.random_range(0..20) {
            0 => self.operand(),
            1 => {
                let operator = self.pick(&["~", "!", "-", "+", "&", "|", "^", "~&", "~|", "~^"]);
                format!("{operator} {}", self.bracketed(deeper))
            }
            2 => format!("{{{}, {}}}", self.sized(deeper), self.sized(0)),
            3 => format!("{{2{{{}}}}}", self.sized(deeper)),
            4 => format!("({} ? {} : {})", self.expression(deeper), self.expression(deeper), self.expression(deeper)),
            5 => format!("$signed({})", self.expression(deeper)),
            6 => format!("$unsigned({})", self.expression(deeper)),
            7 => {
                let operator = self.pick(&["<<", ">>", ">>>", "<<<"]);
                let amount = if self.random.random() { "c" } else { self.pick(&["3", "0", "a[2:0]", "40", "up"]) };
                format!("{} {operator} {amount}", self.bracketed(deeper))
            }
            8 | 9 => {
                let operator = self.pick(&["<", "<=", ">", ">=", "==", "!=", "===", "&&", "||"]);
                format!("({} {operator} {})", self.expression(deeper), self.expression(deeper))
            }
            10 => format!("{} * {}", self.bracketed(deeper), self.bracketed(deeper)),
            11 => format!("({} + {} + c)", self.expression(deeper), self.operand()),
            12 => format!("({})", self.expression(deeper)),
            // Without brackets, so that precedence decides.
            _ => {
                let operator = self.pick(&["+", "-", "&", "|", "^", "~^", "<<", "==", "<", "&&", "||", "*"]);
                format!("{} {operator} {}", self.expression(deeper), self.expression(deeper))
            }
        }
    }

    fn bracketed(&mut self, depth: u32) -> String {
        if depth == 0 { self.operand() } else { format!("({})", self.expression(depth)) }
    }

    /// An operand that may stand in a concatenation, where numbers without width may not.
    fn sized(&mut self, depth: u32) -> String {
        match depth {
            0 => self.pick(&["a", "b", "c", "d[3:1]", "2'b10"]).into(),
            _ => format!("({} ^ {})", self.pick(&["a", "b", "4'd9"]), self.sized(0)),
        }
    }
}

/// Width, sign, precedence and truncation of a few hundred random expressions.
#[test]
fn expressions_mean_what_icarus_takes_them_for() {
    let mut writer = ExpressionWriter { random: ChaCha8Rng::seed_from_u64(1364) };
    let mut ports =
        vec!["input [7:0] a, input signed [4:0] b, input c, input signed [8:0] d, input [2:7] up".to_string()];
    let mut body = String::new();
    for index in 0..300 {
        let width = [1, 3, 8, 9, 17, 40][index % 6];
        let signed = if index % 4 == 0 { "signed " } else { "" };
        ports.push(format!("output {signed}[{}:0] y{index}", width - 1));
        writeln!(body, "  assign y{index} = {};", writer.expression(1 + index as u32 % 4)).unwrap();
    }
    let header = "module expressions #(parameter [5:0] WIDTH = 16-7, parameter signed [5:0] SIGNED = -3)";
    let design = format!("{header} (\n{}\n);\n{body}endmodule", ports.join(",\n"));
    let netlist = verilog::read(design.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{design}"));
    let widths: Vec<usize> = netlist.inputs().iter().map(|port| port.width()).collect();
    let corner = |value: u64| widths.iter().map(|width| value & ((1 << width) - 1)).collect();
    let mut vectors: Vec<Vec<u64>> = vec![corner(0), corner(u64::MAX)];
    for _ in 0..30 {
        vectors.push(widths.iter().map(|width| writer.random.next_u64() & ((1 << width) - 1)).collect());
    }
    compare("expressions", &design, &netlist, &vectors);
}
