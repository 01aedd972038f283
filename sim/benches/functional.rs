//! How fast error metrics are, against other ways to get them: `cargo bench -p axtrain-sim --bench functional`.
//!
//! Everything runs on one core and is timed in CPU time, medians of several runs (16 × 16 bits: one). The rivals are made from the same
//! netlist, and each must find the same sum of error distances or it is not timed:
//!
//! - plain C: one function of bitwise expressions on `unsigned`, a loop over operand pairs, all metrics, `gcc -O3`;
//! - the same function inlined in a loop that only evaluates, `gcc -O3 -march=native`;
//! - C on vectors of 64-bit words, a pair in each bit, evaluation only, `gcc -O3 -march=native`;
//! - Verilator, one pair at a time, all metrics in C++, if it is installed.
//!
//! A width as an argument takes the circuits of that width alone.
//! On circuits of more than 8 × 8 bits the rivals take some of the first operands, all second ones, and time is a pair's.

use axtrain_sim::engine::ExhaustiveSweep;
use axtrain_sim::multiplier::{Compressor, Family, MultiplierSpec};
use axtrain_sim::netlist::{CellKind, NetId, Netlist};
use axtrain_sim::profile::{ErrorMetrics, MetricOptions};
use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Operand pairs that a rival takes at most.
const RIVAL_PAIRS: u64 = 1 << 22;

unsafe extern "C" {
    /// CPU time of the process in microseconds (POSIX).
    safe fn clock() -> std::ffi::c_long;
}

/// Median CPU time of `runs` runs, in nanoseconds.
fn median<R>(runs: usize, mut work: impl FnMut() -> R) -> f64 {
    let timed = || {
        let start = clock();
        black_box(work());
        (clock() - start) as f64 * 1e3
    };
    let mut times: Vec<f64> = std::iter::repeat_with(timed).take(runs).collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn main() {
    let only: Option<u32> = std::env::args().nth(1).and_then(|argument| argument.parse().ok());
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let folder = std::env::temp_dir().join(format!("axtrain-bench-functional-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    println!("ns a pair; ratios are the rival's time over ours");
    println!(
        "{:34} {:>9} {:>9} {:>9} | {:>15} {:>15} | {:>15} {:>15}",
        "", "set-up", "metrics", "evaluate", "C", "Verilator", "C evaluate", "C in bits"
    );
    one_core.install(|| {
        for width in [8, 12, 16].into_iter().filter(|width| only.is_none_or(|only| only == *width)) {
            let tree = Family::CompressorTree { compressor: Compressor::Momeni1, columns: width };
            for family in [Family::Truncated { columns: width / 2 }, tree] {
                compare(family, width, &folder);
            }
        }
    });
    std::fs::remove_dir_all(&folder).expect("the temporary folder");
}

fn compare(family: Family, width: u32, folder: &Path) {
    let name = family.design_name(width, width, false);
    let spec = MultiplierSpec::new(name, family, width, width, false).expect("it is defined");
    let netlist = spec.netlist();
    let pairs = 2f64.powi(2 * width as i32);
    // All pairs of 16 × 16 bits take seconds: once is enough, and a sixteenth of them to evaluate alone.
    let (runs, share) = if width == 16 { (1, 16) } else { (15, 1) };
    let set_up = median(15, || ExhaustiveSweep::new(&netlist)) / pairs;
    let sweep = ExhaustiveSweep::new(&netlist);
    // What is left of the whole without the set-up that it contains.
    let all = median(runs, || ErrorMetrics::of_netlist(&netlist, false, MetricOptions::default())) / pairs;
    let mut codes = 0;
    let visit = || sweep.visit(0..sweep.blocks() / share, |block| codes ^= block.code);
    let evaluate = median(runs, visit) / (pairs / share as f64);
    let metrics = if width == 8 { all - set_up } else { all };

    // An odd step, so that the low bits of the first operand take all values.
    let step = if width == 8 { 1 } else { (((1u64 << (2 * width)) / RIVAL_PAIRS) | 1) as usize };
    let rivals = Rivals { spec: &spec, netlist: &netlist, step, folder };
    let column = |time: Option<f64>, own: f64| match time {
        Some(time) => format!("{time:.2} {:>6.1}×", time / own),
        None => "-".to_owned(),
    };
    println!(
        "{:34} {set_up:>9.4} {metrics:>9.3} {evaluate:>9.3} | {:>15} {:>15} | {:>15} {:>15}",
        spec.name(),
        column(rivals.plain(), metrics),
        column(rivals.verilator(), metrics),
        column(rivals.inlined(), evaluate),
        column(rivals.bits(), evaluate),
    );
}

/// Other programs that evaluate the circuit for the first operands that are multiples of `step`.
struct Rivals<'a> {
    spec: &'a MultiplierSpec,
    netlist: &'a Netlist,
    step: usize,
    folder: &'a Path,
}

/// Keeps the compiler from running a pure function once instead of five times.
const UNSHARED: &str = "#define UNSHARED __attribute__((noipa))";

/// The metrics of a pair, in C.
const METRICS: &str = "
static double relative, worst; static unsigned long long wrong, largest, compared; static unsigned __int128 squares;
static long long sum; static unsigned long long distances;
static inline void pair(unsigned a, unsigned b, unsigned product) {
    long long exact = (long long)a * b, error = (long long)product - exact;
    unsigned long long distance = error < 0 ? -error : error;
    sum += error; distances += distance; squares += (unsigned __int128)distance * distance;
    wrong += error != 0; if (distance > largest) largest = distance;
    if (exact) { double r = (double)distance / (double)exact; compared++; relative += r; if (r > worst) worst = r; }
}
";

impl Rivals<'_> {
    fn firsts(&self) -> impl ExactSizeIterator<Item = u32> {
        (0..1u32 << self.spec.width_a()).step_by(self.step)
    }

    fn pairs(&self) -> f64 {
        self.firsts().len() as f64 * 2f64.powi(self.spec.width_b() as i32)
    }

    /// Sum of error distances over the rival's pairs, by the family's arithmetic.
    fn distances(&self) -> u64 {
        let distance = |a: u32, b: u32| (self.spec.product(a, b) - i64::from(a) * i64::from(b)).unsigned_abs();
        self.firsts().map(|a| (0..1u32 << self.spec.width_b()).map(|b| distance(a, b)).sum::<u64>()).sum()
    }

    /// Exclusive or of all products.
    fn parity(&self) -> u64 {
        let products =
            self.firsts().flat_map(|a| (0..1u32 << self.spec.width_b()).map(move |b| self.spec.product(a, b)));
        products.fold(0, |parity, product| parity ^ product as u64)
    }

    fn loops(&self, body: &str) -> String {
        let (n, m, step) = (self.spec.width_a(), self.spec.width_b(), self.step);
        format!("for (unsigned a = 0; a < 1u << {n}; a += {step}) for (unsigned b = 0; b < 1u << {m}; b++) {body}")
    }

    fn plain(&self) -> Option<f64> {
        let run = self.loops("pair(a, b, multiply(a, b));");
        let code = format!(
            "{}{METRICS}\nUNSHARED static unsigned long long run(void) {{ distances = 0; {run} return distances; }}",
            self.function()
        );
        self.gcc("plain", &code, &["-O3"], self.distances())
    }

    fn inlined(&self) -> Option<f64> {
        let run = self.loops("parity ^= multiply(a, b);");
        let code = format!(
            "{}\nUNSHARED static unsigned long long run(void) {{ unsigned parity = 0; {run} return parity; }}",
            self.function().replace("static unsigned", "static inline __attribute__((always_inline)) unsigned")
        );
        self.gcc("inlined", &code, &["-O3", "-march=native"], self.parity())
    }

    /// 256 second operands at a time.
    fn bits(&self) -> Option<f64> {
        let (n, m, step) = (self.spec.width_a() as usize, self.spec.width_b() as usize, self.step);
        let mut code = String::from("typedef unsigned long long word __attribute__((vector_size(32)));\n");
        code += "static inline void multiply(const word *x, const word *y, word *parity) {\n";
        let variable = |net: NetId| {
            variable(self.netlist, net, "(word){0}", "~(word){0}", |port, bit| format!("{}[{bit}]", ["x", "y"][port]))
        };
        code += &cells(self.netlist, "word", variable);
        for (bit, &net) in self.netlist.outputs()[0].nets().iter().enumerate() {
            let _ = writeln!(code, "parity[{bit}] ^= {};", variable(net));
        }
        code += "}\nUNSHARED static unsigned long long run(void) { word x[32], y[32], parity[32] = {{0}};\n";
        let patterns = [
            "0xaaaaaaaaaaaaaaaa",
            "0xcccccccccccccccc",
            "0xf0f0f0f0f0f0f0f0",
            "0xff00ff00ff00ff00",
            "0xffff0000ffff0000",
            "0xffffffff00000000",
        ];
        for (bit, pattern) in patterns.iter().enumerate() {
            let _ = writeln!(code, "y[{bit}] = (word){{{pattern}, {pattern}, {pattern}, {pattern}}};");
        }
        code += "y[6] = (word){0, ~0ull, 0, ~0ull}; y[7] = (word){0, 0, ~0ull, ~0ull};\n";
        let _ = writeln!(
            code,
            "for (unsigned a = 0; a < 1u << {n}; a += {step}) {{
    for (int k = 0; k < {n}; k++) x[k] = (word){{0}} - (a >> k & 1);
    for (unsigned b = 0; b < 1u << {m}; b += 256) {{
        for (int k = 8; k < {m}; k++) y[k] = (word){{0}} - (b >> k & 1);
        multiply(x, y, parity);
    }}
}}
unsigned long long result = 0;
for (int k = 0; k < {}; k++) {{ unsigned long long p = parity[k][0] ^ parity[k][1] ^ parity[k][2] ^ parity[k][3];
    result |= (unsigned long long)__builtin_parityll(p) << k; }}
return result; }}",
            n + m
        );
        self.gcc("bits", &code, &["-O3", "-march=native"], self.parity())
    }

    /// `unsigned multiply(unsigned a, unsigned b)`, a statement a cell.
    fn function(&self) -> String {
        let variable = |net: NetId| {
            variable(self.netlist, net, "0u", "1u", |port, bit| format!("({} >> {bit} & 1)", ["a", "b"][port]))
        };
        let mut code = String::from("static unsigned multiply(unsigned a, unsigned b) {\n");
        // One-bit numbers: a complement keeps its low bit only.
        code += &cells(self.netlist, "unsigned", variable).replace('~', "1u ^ ");
        let bits = self.netlist.outputs()[0].nets().iter().enumerate();
        let sum: Vec<String> = bits.map(|(bit, &net)| format!("{} << {bit}", variable(net))).collect();
        let _ = writeln!(code, "return {};\n}}", sum.join(" | "));
        code
    }

    /// Compiles and times `run`, nanoseconds a pair.
    fn gcc(&self, name: &str, code: &str, flags: &[&str], expected: u64) -> Option<f64> {
        let path = self.folder.join(format!("{}_{name}.c", self.spec.name()));
        std::fs::write(&path, format!("#include <time.h>\n#include <stdio.h>\n{UNSHARED}\n{code}\n{MAIN}"))
            .expect("a file");
        let program = path.with_extension("out");
        let status = Command::new("gcc").args(flags).arg("-o").arg(&program).arg(&path).status();
        status.ok().filter(|status| status.success())?;
        Some(self.time(&program, expected))
    }

    fn time(&self, program: &Path, expected: u64) -> f64 {
        let output = Command::new(program).output().expect("it runs").stdout;
        let text = String::from_utf8(output).expect("numbers");
        let mut numbers = text.split_whitespace();
        let result: u64 = numbers.next().expect("a result").parse().expect("a number");
        assert_eq!(result, expected, "{} computes something else", program.display());
        numbers.next().expect("a time").parse::<f64>().expect("a number") / self.pairs()
    }

    fn verilator(&self) -> Option<f64> {
        Command::new("verilator").arg("--version").output().ok()?;
        let folder: PathBuf = self.folder.join(format!("{}_verilator", self.spec.name()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let ports = format!(
            "input [{}:0] a, input [{}:0] b, output [{}:0] p",
            self.spec.width_a() - 1,
            self.spec.width_b() - 1,
            self.spec.width_a() + self.spec.width_b() - 1
        );
        let variable = |net: NetId| {
            variable(self.netlist, net, "1'b0", "1'b1", |port, bit| format!("{}[{bit}]", ["a", "b"][port]))
        };
        let mut verilog = format!("module top({ports});\n");
        verilog += &cells(self.netlist, "wire", variable);
        for (bit, &net) in self.netlist.outputs()[0].nets().iter().enumerate() {
            let _ = writeln!(verilog, "assign p[{bit}] = {};", variable(net));
        }
        verilog += "endmodule\n";
        let run = self.loops("{ top->a = a; top->b = b; top->eval(); pair(a, b, top->p); }");
        let harness = format!(
            "#include \"Vtop.h\"\n#include <ctime>\n#include <cstdio>\n{METRICS}\nstatic Vtop *top = new Vtop;
static unsigned long long run() {{ distances = 0; {run} return distances; }}\n{MAIN}"
        );
        std::fs::write(folder.join("top.v"), verilog).expect("a file");
        std::fs::write(folder.join("harness.cpp"), harness).expect("a file");
        let arguments = [
            "--cc",
            "--exe",
            "--build",
            "-O3",
            "-CFLAGS",
            "-O3",
            "-Wno-fatal",
            "--Mdir",
            "build",
            "top.v",
            "harness.cpp",
        ];
        let output = Command::new("verilator").args(arguments).current_dir(&folder).output().expect("it ran before");
        output.status.success().then(|| self.time(&folder.join("build/Vtop"), self.distances()))
    }
}

/// Prints the result of a run and the median CPU time of five in nanoseconds.
const MAIN: &str = "
int main(void) {
    double times[5]; unsigned long long result = 0;
    for (int i = 0; i < 5; i++) {
        clock_t start = clock();
        result = run();
        times[i] = (double)(clock() - start) * 1e9 / CLOCKS_PER_SEC;
        for (int j = i; j > 0 && times[j] < times[j - 1]; j--) { double t = times[j]; times[j] = times[j - 1]; times[j - 1] = t; }
    }
    printf(\"%llu %.0f\\n\", result, times[2]);
    return 0;
}
";

/// Name of a net's variable, or an expression for a constant or an input bit.
fn variable(netlist: &Netlist, net: NetId, zero: &str, one: &str, input: impl Fn(usize, usize) -> String) -> String {
    use axtrain_sim::netlist::Driver;
    match netlist.driver(net) {
        Driver::Constant(false) => zero.to_owned(),
        Driver::Constant(true) => one.to_owned(),
        Driver::Input { port, bit } => input(port, bit),
        Driver::Cell { .. } => format!("n{}", net.index()),
    }
}

/// A declaration for each cell output, in C and in Verilog.
fn cells(netlist: &Netlist, kind: &str, variable: impl Fn(NetId) -> String) -> String {
    let mut code = String::new();
    for cell in netlist.cells() {
        let x: Vec<String> = cell.inputs().iter().map(|&net| variable(net)).collect();
        let mut declare = |pin: usize, expression: String| {
            let _ = writeln!(code, "{kind} {} = {expression};", variable(cell.output(pin)));
        };
        use CellKind::*;
        match (cell.kind(), &x[..]) {
            (Buf, [a]) => declare(0, a.clone()),
            (Inv, [a]) => declare(0, format!("~{a}")),
            (And2, [a, b]) => declare(0, format!("{a} & {b}")),
            (Or2, [a, b]) => declare(0, format!("{a} | {b}")),
            (Nand2, [a, b]) => declare(0, format!("~({a} & {b})")),
            (Nand3, [a, b, c]) => declare(0, format!("~({a} & {b} & {c})")),
            (Nor2, [a, b]) => declare(0, format!("~({a} | {b})")),
            (Nor3, [a, b, c]) => declare(0, format!("~({a} | {b} | {c})")),
            (Xor2, [a, b]) => declare(0, format!("{a} ^ {b}")),
            (Xnor2, [a, b]) => declare(0, format!("~({a} ^ {b})")),
            (Aoi21, [a, b, c]) => declare(0, format!("~(({a} & {b}) | {c})")),
            (Aoi22, [a, b, c, d]) => declare(0, format!("~(({a} & {b}) | ({c} & {d}))")),
            (Oai21, [a, b, c]) => declare(0, format!("~(({a} | {b}) & {c})")),
            (Oai22, [a, b, c, d]) => declare(0, format!("~(({a} | {b}) & ({c} | {d}))")),
            (Mux2, [a, b, c]) => declare(0, format!("{b} ^ ({c} & ({a} ^ {b}))")),
            (MuxInv2, [a, b, c]) => declare(0, format!("~({b} ^ ({c} & ({a} ^ {b})))")),
            (HalfAdder, [a, b]) => {
                declare(0, format!("{a} ^ {b}"));
                declare(1, format!("{a} & {b}"));
            }
            (FullAdder, [a, b, c]) => {
                declare(0, format!("{a} ^ {b} ^ {c}"));
                declare(1, format!("({a} & {b}) | ({c} & ({a} ^ {b}))"));
            }
            (kind, pins) => unreachable!("{kind:?} with {} inputs", pins.len()),
        }
    }
    code
}
