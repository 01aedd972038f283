//! The exported Verilog in Icarus Verilog: same sums, same cycles and same words through the ports as the models.

use axtrain_sim::array::rtl::{ArrayRtl, RtlError};
use axtrain_sim::array::stepped::Operands;
use axtrain_sim::array::{Dataflow, Gemm, Layer, OnTimingError, Overflow, SystolicArray};
use axtrain_sim::multiplier::{Family, MultiplierSpec};
use axtrain_sim::netlist::NetlistBuilder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Whether Icarus Verilog is there; where the environment says `CI=true` it must be.
fn icarus() -> bool {
    let found = Command::new("iverilog").arg("-V").output().is_ok();
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have Icarus Verilog");
        eprintln!("skipped: iverilog is not installed");
    }
    found
}

/// What the bench prints.
fn simulate(name: &str, design: &str, bench: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("array_rtl").join(name);
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (design, bench, program) = (write("array.v", design), write("bench.v", bench), folder.join("run"));
    let mut compiler = Command::new("iverilog");
    let compiled = compiler
        .args(["-g2005", "-Wall", "-Wno-timescale", "-s", "test", "-o"])
        .arg(&program)
        .args([design, bench])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success() && messages.is_empty(), "{name}: {messages}");
    let run = Command::new("vvp").arg("-n").arg(&program).output().unwrap();
    String::from_utf8(run.stdout).unwrap()
}

/// An array, a layer with random operands and a multiplier.
struct Case {
    array: SystolicArray,
    multiplier: MultiplierSpec,
    gemm: Gemm,
    groups: u64,
    inputs: Vec<i32>,
    weights: Vec<i32>,
}

impl Case {
    fn new(
        random: &mut ChaCha8Rng,
        array: SystolicArray,
        multiplier: MultiplierSpec,
        gemm: Gemm,
        groups: u64,
    ) -> Self {
        let mut numbers = |count: u64, bits: u32| -> Vec<i32> {
            let least = if multiplier.signed() { -(1 << (bits - 1)) } else { 0 };
            (0..count * groups).map(|_| random.random_range(least..least + (1 << bits))).collect()
        };
        let inputs = numbers(gemm.m() * gemm.k(), multiplier.width_a());
        let weights = numbers(gemm.k() * gemm.n(), multiplier.width_b());
        Self { array, multiplier, gemm, groups, inputs, weights }
    }

    fn rtl(&self) -> ArrayRtl {
        ArrayRtl::new(self.array, &self.multiplier.netlist(), self.multiplier.signed()).unwrap()
    }

    fn operands(&self) -> Operands<'_> {
        Operands { gemm: self.gemm, groups: self.groups, inputs: &self.inputs, weights: &self.weights }
    }

    /// A bench that expects what the product table says: the netlist's own function does not take part.
    fn bench(&self) -> String {
        let table = self.multiplier.table().expect("a small multiplier");
        self.rtl().test_bench(&self.operands(), |a, b| table.product(a as u32, b as u32)).unwrap()
    }

    fn run(&self, name: &str) -> String {
        simulate(name, &self.rtl().to_verilog(), &self.bench())
    }

    /// The Verilog passes its bench and takes as many cycles as the closed form says.
    fn check(&self, name: &str) {
        let output = self.run(name);
        let layer = Layer::new("layer", self.gemm).grouped(self.groups).unwrap();
        let closed_form = self.array.layer_cycles(&layer).unwrap();
        let expected = format!(
            "cycles {}\nactivation reads {}\nweight reads {}\nsum writes {}\nsum reads {}\nPASS\n",
            closed_form.cycles,
            closed_form.sram.input_reads,
            closed_form.sram.weight_reads,
            closed_form.sram.output_writes,
            closed_form.sram.partial_sum_reads
        );
        assert_eq!(output, expected, "{name}: {:?}, {} × {}", self.array, self.groups, self.gemm);
    }
}

fn multiplier(family: Family, width_a: u32, width_b: u32, signed: bool) -> MultiplierSpec {
    MultiplierSpec::new("design", family, width_a, width_b, signed).unwrap()
}

#[test]
fn verilog_agrees_with_closed_form_and_reference() {
    if !icarus() {
        return;
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    // Rows, columns and M×N×K: remainders on every side, one fold, fewer steps than rows, single elements.
    let shapes = [(4, 3, "5x7x9"), (2, 5, "3x4x2"), (5, 2, "2x3x11"), (1, 1, "3x2x3"), (3, 4, "6x8x6")];
    for dataflow in Dataflow::ALL {
        for product_register in [false, true] {
            for double_buffering in [false, true] {
                for (index, (rows, columns, gemm)) in shapes.into_iter().enumerate() {
                    let array = SystolicArray::new(rows, columns, dataflow)
                        .unwrap()
                        .with_product_register(product_register)
                        .with_double_buffering(double_buffering);
                    let groups = 1 + index as u64 % 2;
                    let small = multiplier(Family::Array, 4, 4, true);
                    let case = Case::new(&mut random, array, small, gemm.parse().unwrap(), groups);
                    let register = if product_register { "-product" } else { "" };
                    let buffering = if double_buffering { "-double" } else { "" };
                    case.check(&format!("{dataflow}{register}{buffering}-{index}"));
                }
            }
        }
    }
}

#[test]
fn approximate_and_unsigned_multipliers_and_narrow_sums_agree() {
    if !icarus() {
        return;
    }
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let truncated = Family::Truncated { columns: 4 };
    for (dataflow, multiplier, accumulator_bits) in [
        (Dataflow::WeightStationary, multiplier(truncated, 8, 8, true), 32),
        (Dataflow::InputStationary, multiplier(Family::Array, 6, 3, true), 12),
        (Dataflow::InputStationary, multiplier(truncated, 8, 8, false), 20),
        // Narrower than the product.
        (Dataflow::OutputStationary, multiplier(Family::Mitchell, 8, 8, false), 10),
    ] {
        let array = SystolicArray::new(3, 3, dataflow).unwrap().with_product_register(true);
        let array = array.with_accumulator_bits(accumulator_bits).unwrap();
        let case = Case::new(&mut random, array, multiplier, "4x5x8".parse().unwrap(), 1);
        case.check(&format!("design-{dataflow}-{accumulator_bits}"));
    }
}

#[test]
fn saturating_and_gated_elements_agree() {
    if !icarus() {
        return;
    }
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for (index, dataflow) in Dataflow::ALL.into_iter().enumerate() {
        // Sums of up to 11 products of up to 64 leave 7 and 9 bits; 3 bits are less than a product has.
        for (bits, product_register, signed) in [(7, false, true), (9, true, true), (3, true, false)] {
            let array = SystolicArray::new(3, 2, dataflow).unwrap().with_product_register(product_register);
            let array = array.with_overflow(Overflow::Saturate).with_data_gating(product_register);
            let array = array.with_double_buffering(signed).with_accumulator_bits(bits).unwrap();
            let small = multiplier(Family::Array, 4, 4, signed);
            let case = Case::new(&mut random, array, small, "5x3x11".parse().unwrap(), 1);
            case.check(&format!("options-{index}-{bits}"));
        }
    }
}

#[test]
fn yosys_synthesises_every_dataflow_without_a_complaint() {
    if Command::new("yosys").arg("-V").output().is_err() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have Yosys");
        eprintln!("skipped: yosys is not installed");
        return;
    }
    for dataflow in Dataflow::ALL {
        let array = SystolicArray::new(2, 2, dataflow).unwrap().with_product_register(true);
        let array = array.with_double_buffering(true).with_accumulator_bits(12).unwrap();
        let array = array.with_overflow(Overflow::Saturate);
        let small = multiplier(Family::Truncated { columns: 2 }, 4, 4, true).netlist();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("array_rtl").join(format!("yosys-{dataflow}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("array.v"), ArrayRtl::new(array, &small, true).unwrap().to_verilog()).unwrap();
        // Coarse synthesis, then a check that nothing is left without a driver or with two; no latch may be inferred.
        let script = "read_verilog array.v; hierarchy -check -top systolic_array; proc; select -assert-none t:$dlatch; \
                      flatten; opt -fast; check -assert; synth -run coarse; stat";
        let run = Command::new("yosys").args(["-q", "-p", script]).current_dir(&folder).output().unwrap();
        assert!(run.status.success(), "{dataflow}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn the_bench_notices_a_wrong_product_and_a_wrong_machine() {
    if !icarus() {
        return;
    }
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let array = SystolicArray::new(2, 2, Dataflow::WeightStationary).unwrap();
    let case = Case::new(&mut random, array, multiplier(Family::Array, 4, 4, true), "3x3x3".parse().unwrap(), 1);
    assert!(case.run("right").ends_with("PASS\n"));
    let other = Case { multiplier: multiplier(Family::Truncated { columns: 5 }, 4, 4, true), ..case };
    let wrong = |design: &ArrayRtl, name| simulate(name, &design.to_verilog(), &other.bench());
    let exact = ArrayRtl::new(array, &multiplier(Family::Array, 4, 4, true).netlist(), true).unwrap();
    let output = wrong(&exact, "wrong-product");
    assert!(output.contains("sum 0 is") && output.ends_with("FAIL\n"), "{output}");
    let slower = ArrayRtl::new(array.with_product_register(true), &other.multiplier.netlist(), true).unwrap();
    let output = wrong(&slower, "wrong-machine");
    assert!(output.contains("expected") && output.ends_with("FAIL\n"), "{output}");
}

#[test]
fn what_is_no_multiplier_or_has_no_code_is_refused() {
    let array = SystolicArray::new(2, 2, Dataflow::WeightStationary).unwrap();
    let mut adder = NetlistBuilder::new("add");
    let (a, b, c) = (adder.input("a", 1), adder.input("b", 1), adder.input("c", 1));
    let sum = adder.full_adder(a[0], b[0], c[0]);
    adder.output("s", [sum.sum, sum.carry]);
    let refusal = ArrayRtl::new(array, &adder.finish(), false).unwrap_err();
    assert_eq!(refusal, RtlError::NoMultiplier { name: "add".into(), inputs: 3, outputs: 1 });

    let dropping = array.with_product_register(true).with_on_timing_error(OnTimingError::Drop).unwrap();
    let refusal = ArrayRtl::new(dropping, &multiplier(Family::Array, 4, 4, true).netlist(), true).unwrap_err();
    assert_eq!(refusal, RtlError::Detection);

    let rtl = ArrayRtl::new(array, &multiplier(Family::Array, 4, 4, true).netlist(), true).unwrap();
    let operands = Operands { gemm: "1x1x2".parse().unwrap(), groups: 1, inputs: &[7, -8], weights: &[0, 8] };
    let refusal = rtl.test_bench(&operands, |a, b| a * b).unwrap_err();
    let message = "weight number 1 is 8; 4 signed bits hold -8 to 7";
    assert_eq!(refusal.to_string(), message);
    let huge = Operands { gemm: "65536x65536x1".parse().unwrap(), groups: 1, inputs: &[], weights: &[] };
    assert!(matches!(rtl.test_bench(&huge, |a, b| a * b), Err(RtlError::TooLarge { .. })));
}
