//! `axtrain cycles` from the outside.

use super::text;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cycles(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_axtrain"));
    program.arg("cycles").args(arguments).output().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let output = cycles(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&[arguments, &["--json"]].concat())).unwrap()
}

/// A file of this test's own.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn json_is_the_documented_document() {
    // 64 images, 784 inputs, 256 outputs on 32×32 elements, in the terms of each dataflow.
    let (m, n, k, side) = (64, 256, 784, 32);
    let pieces = |size: u64| size.div_ceil(side);
    for (dataflow, folds, steps, mapped) in [
        ("ws", pieces(k) * pieces(n), m, k * n),
        ("os", pieces(m) * pieces(n), k, m * n),
        ("is", pieces(k) * pieces(m), n, k * m),
    ] {
        let cycles = folds * (2 * side + side + steps - 2);
        let (input_reads, weight_reads, sums) = match dataflow {
            "ws" => (m * k * pieces(n), k * n, pieces(k)),
            "os" => (m * k * pieces(n), k * n * pieces(m), 1),
            _ => (m * k, k * n * pieces(m), pieces(k)),
        };
        let counts = json!({
            "folds": folds, "cycles": cycles, "stall_cycles": 0,
            "utilization": (m * n * k) as f64 / (side * side * cycles) as f64,
            "mapping_efficiency": mapped as f64 / (side * side * folds) as f64,
            "sram": {
                "input_reads": input_reads, "weight_reads": weight_reads,
                "output_writes": m * n * sums, "partial_sum_reads": m * n * (sums - 1),
            },
            "dram": {
                "input_reads": m * k, "weight_reads": k * n, "output_writes": m * n,
                "partial_sum_writes": 0, "partial_sum_reads": 0,
            },
        });
        let mut layer = json!({"name": "gemm1", "m": m, "n": n, "k": k});
        layer.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        let found =
            json_of(&["--rows", "32", "--cols", "32", "--dataflow", dataflow, "--gemm", &format!("{m}x{n}x{k}")]);
        assert_eq!(found["layers"], json!([layer]), "{dataflow}");
        assert_eq!(found["total"], counts, "{dataflow}");
        assert_eq!(found.as_object().unwrap().len(), 2);
    }
}

#[test]
fn several_products_add_up() {
    let found = json_of(&["--rows", "8", "--cols", "4", "--gemm", "10x20x30", "--gemm", "1x1x1"]);
    let layers = found["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    let total = |value: &Value| value["cycles"].as_u64().unwrap();
    assert_eq!(total(&found["total"]), layers.iter().map(total).sum::<u64>());
}

#[test]
fn scale_sim_reports_are_reproduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim/tests/data/scalesim");
    for dataflow in ["ws", "os", "is"] {
        let text = fs::read_to_string(folder.join(format!("mlp_{dataflow}_32x32.csv"))).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let rows: Vec<HashMap<_, _>> = lines.map(|line| header.iter().copied().zip(line).collect()).collect();
        let layers = rows.iter().map(|row| format!("{},{},{},{},\n", row["name"], row["M"], row["N"], row["K"]));
        let topology = "Layer,M,N,K,\n".to_owned() + &layers.collect::<String>();
        let topology = file(&format!("scale_sim_{dataflow}.csv"), &topology);
        let config = file(
            &format!("scale_sim_{dataflow}.cfg"),
            &format!(
                "[architecture_presets]\nArrayHeight: 32\nArrayWidth: 32\nIfmapSramSzkB: 64\nFilterSramSzkB: 64\n\
                 OfmapSramSzkB: 64\nDataflow: {dataflow}\n[run_presets]\nInterfaceBandwidth: CALC\n"
            ),
        );
        let found = json_of(&["--config", &config, "--topology", &topology, "--convention", "scale-sim"]);
        let found = found["layers"].as_array().unwrap();
        assert_eq!(found.len(), rows.len());
        for (row, layer) in rows.iter().zip(found) {
            assert_eq!(layer["name"], row["name"]);
            assert_eq!(layer["cycles"].to_string(), row["total_cycles"], "{dataflow} {}", row["name"]);
            assert_eq!(layer["sram"]["output_writes"].to_string(), row["sram_ofmap_writes"], "{dataflow}");
        }
    }
}

#[test]
fn an_array_file_brings_registers_and_memories() {
    // Two folds along K of R + T + R + C − 1 cycles with the product register.
    let elements = "[array]\nrows = 4\ncolumns = 4\ndataflow = \"ws\"\nproduct_register = true\n";
    let memory = "[memory]\ninput_sram_kib = 1\nweight_sram_kib = 1\noutput_sram_kib = 1\ndram_bits_per_cycle = 8\n";
    let ideal = json_of(&["--array", &file("ideal.toml", elements), "--gemm", "10x4x8"]);
    assert_eq!(ideal["total"]["cycles"], 2 * (4 + 10 + 4 + 4 - 1));
    let slow = json_of(&["--array", &file("slow.toml", &format!("{elements}{memory}")), "--gemm", "10x4x8"]);
    // A byte a cycle: each fold fetches 10·4 + 4·4 bytes, the second beside the first one's work; 10·4 bytes leave.
    let stalls = 56 + (56 - 21) + 40;
    assert_eq!(slow["total"]["stall_cycles"], stalls);
    assert_eq!(slow["total"]["cycles"], 2 * 21 + stalls);
    let built_in = json_of(&["--array", "tpu-128x128", "--dataflow", "os", "--gemm", "256x128x1"]);
    assert_eq!(built_in["total"]["folds"], 2);
}

/// A convolution, a depthwise one and a name that CSV must quote.
const TOPOLOGY: &str = "\
Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
conv1, 224, 224, 7, 7, 3, 64, 2,
DP2, 58, 58, 3, 3, 128, 1, 1,
3\" filters, 14, 14, 3, 3, 256, 256, 1,
";

#[test]
fn csv_holds_what_json_holds() {
    let topology = file("csv.csv", TOPOLOGY);
    let arguments = ["--array", "edge-16x16", "--topology", &topology];
    let text = stdout(&[&arguments[..], &["--csv"]].concat());
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    let found = json_of(&arguments);
    let layers = found["layers"].as_array().unwrap();
    for (line, layer) in lines.by_ref().zip(layers) {
        let fields: Vec<_> = line.split(',').collect();
        assert_eq!(fields.len(), header.len());
        for (column, field) in header.iter().zip(fields) {
            let value = match column.split_once('_') {
                Some((memory @ ("sram" | "dram"), count)) => &layer[memory][count],
                _ => &layer[column],
            };
            match (*column, value) {
                ("name", Value::String(name)) if name.contains('"') => assert_eq!(field, "\"3\"\" filters\""),
                ("groups", Value::Null) => assert_eq!(field, "1"),
                (_, Value::String(text)) => assert_eq!(field, text),
                (_, value) => {
                    let difference = field.parse::<f64>().unwrap() - value.as_f64().unwrap();
                    assert!(difference.abs() < 1e-12, "{column}");
                }
            }
        }
    }
    assert_eq!((layers.len(), lines.next()), (3, None));
    assert_eq!((&layers[1]["groups"], &layers[1]["n"]), (&json!(128), &json!(1)));
}

#[test]
fn the_table_is_readable_in_80_columns() {
    let text = stdout(&["--array", "edge-16x16", "--topology", &file("table.csv", TOPOLOGY)]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // 109 × 109 outputs of the first layer, in one piece.
    let line = text.lines().find(|line| line.starts_with("conv1")).unwrap();
    assert!(line.contains("11881×64×147") && line.ends_with(" M"), "{text}");
    assert!(text.contains("128·3136×1×9") && text.lines().last().unwrap().starts_with("total"), "{text}");
}

/// The components of an energy, without their total.
fn components(energy: &Value) -> Vec<(&String, f64)> {
    let parts = energy.as_object().unwrap().iter().filter(|(name, _)| *name != "total");
    parts.map(|(name, part)| (name, part.as_f64().unwrap())).collect()
}

#[test]
fn energy_is_told_by_layer_and_component() {
    let topology = file("energy.csv", TOPOLOGY);
    let arguments = ["--array", "edge-16x16", "--topology", &topology, "--energy", "--supply", "0.9"];
    let found = json_of(&arguments);
    let layers = found["layers"].as_array().unwrap();
    let total = |value: &Value| value["energy_uj"]["total"].as_f64().unwrap();
    for value in layers.iter().chain([&found["total"]]) {
        let parts = components(&value["energy_uj"]);
        let sum: f64 = parts.iter().map(|(_, part)| part).sum();
        assert_eq!(parts.len(), 9);
        assert!(parts.iter().all(|(_, part)| *part > 0.0), "{parts:?}");
        assert!((sum / total(value) - 1.0).abs() < 1e-12);
    }
    let sum: f64 = layers.iter().map(total).sum();
    assert!((sum / total(&found["total"]) - 1.0).abs() < 1e-12);
    assert_eq!(
        (&found["energy_conditions"]["supply_v"], &found["energy_conditions"]["sram_v"]),
        (&json!(0.9), &json!(1.1))
    );
    // Nothing crosses between equal supplies; what is counted does not depend on the supply.
    let nominal = json_of(&[&arguments[..5], &["--supply", "1.1"]].concat());
    assert_eq!(nominal["total"]["energy_uj"]["level_shifter"], json!(0.0));
    assert_eq!(nominal["total"]["cycles"], found["total"]["cycles"]);
    assert!(total(&nominal["total"]) > total(&found["total"]));

    let text = stdout(&[&arguments[..], &["--csv"]].concat());
    let header: Vec<_> = text.lines().next().unwrap().split(',').collect();
    let column = header.iter().position(|name| *name == "energy_uj_total").unwrap();
    assert_eq!(header.len(), column + 10);
    for (line, layer) in text.lines().skip(1).zip(layers) {
        let fields: Vec<_> = line.split(',').collect();
        assert_eq!(fields.len(), header.len());
        assert_eq!(fields[column].parse::<f64>().unwrap(), total(layer));
    }
    let text = stdout(&arguments);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("exact in freepdk45 at 0.9 V, cacti7-45nm-lstp at 1.1 V"), "{text}");
}

#[test]
fn a_design_and_a_stimulus_change_the_switching_alone() {
    let design =
        file("truncated.toml", "[multiplier]\nfamily = \"truncated\"\nparameters = { columns = 6 }\nsigned = true\n");
    let common = ["--array", "edge-32x32", "--gemm", "64x100x300", "--clock-ps", "1600"];
    let switching = |more: &[&str]| {
        let found = json_of(&[&common[..], more].concat());
        let energy = &found["total"]["energy_uj"];
        (
            energy["mac_switching"].as_f64().unwrap(),
            energy["sram_dynamic"].as_f64().unwrap(),
            energy["dram"].as_f64().unwrap(),
        )
    };
    let exact = switching(&["--energy"]);
    let truncated = switching(&["--multiplier", &design]);
    assert!(truncated.0 < exact.0 && (truncated.1, truncated.2) == (exact.1, exact.2));
    // Always the same operand: only what changes between zero and it at a fold's ends is left.
    let still: String = (0..256).map(|code| if code == 85 { "1\n" } else { "0\n" }).collect();
    let constant = switching(&["--operands", &file("still.txt", &still)]);
    assert!(constant.0 < 0.1 * exact.0, "{constant:?}, {exact:?}");
}

#[test]
fn figures_are_drawn_as_svg_and_png() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cycles-figures");
    let _ = fs::remove_dir_all(&folder);
    let topology = file("figures.csv", TOPOLOGY);
    stdout(&["--array", "edge-16x16", "--topology", &topology, "--energy", "--figures", folder.to_str().unwrap()]);
    for name in ["utilization", "roofline", "energy"] {
        assert!(fs::read(folder.join(format!("{name}.png"))).unwrap().starts_with(b"\x89PNG"), "{name}");
        assert!(fs::read_to_string(folder.join(format!("{name}.svg"))).unwrap().contains("conv1"), "{name}");
    }
    // Ideal memory has a roof too, and no energy.
    let ideal = folder.join("ideal");
    stdout(&["--rows", "4", "--cols", "4", "--gemm", "3x4x5", "--figures", ideal.to_str().unwrap()]);
    let mut names: Vec<_> = fs::read_dir(&ideal).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["roofline.png", "roofline.svg", "utilization.png", "utilization.svg"]);
}

/// A message without the frame and the line breaks it is drawn with.
fn words_of(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).replace(['│', '×', '·'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn wrong_requests_say_where_and_how_to_mend_them() {
    let size = ["--rows", "4", "--cols", "4"];
    let with = |more: &[&str]| [&size[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let plain = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let topology = |name: &str, text: &str| with(&["--topology", &file(name, text)]);
    let limited = "ArrayHeight: 4\nArrayWidth: 4\nIfmapSramSzkB: 4\nFilterSramSzkB: 4\nOfmapSramSzkB: 4\n\
                   Dataflow: ws\nBandwidth: 10\nInterfaceBandwidth: USER\n";
    let tiny = "[array]\nrows = 4\ncolumns = 4\ndataflow = \"ws\"\n[memory]\ninput_sram_kib = 1\nweight_sram_kib = 8\noutput_sram_kib = 8\n".to_owned();
    let config = |name: &str, text: &str, more: &[&str]| {
        plain(&[&["--config", &file(name, text), "--gemm", "1x2x3"], more].concat())
    };
    for (arguments, complaints) in [
        (plain(&["--rows", "0", "--cols", "4", "--gemm", "1x2x3"]), vec!["the number of rows must be at least 1"]),
        (plain(&["--rows", "4294967296", "--cols", "4", "--gemm", "1x2x3"]), vec!["--rows", "4294967295"]),
        (plain(&["--rows", "4", "--gemm", "1x2x3"]), vec!["--cols"]),
        (plain(&["--gemm", "1x2x3"]), vec!["--rows"]),
        (plain(&["--array", "edge", "--gemm", "1x2x3"]), vec!["no array is called \"edge\"", "edge-16x16"]),
        (with(&["--array", "edge-16x16", "--gemm", "1x2x3"]), vec!["--array", "cannot be used with"]),
        (with(&["--gemm", "1x2x3", "--dataflow", "rs"]), vec!["unknown dataflow \"rs\"", "ws (weight-stationary)"]),
        (with(&["--gemm", "1x2x3", "--convention", "x"]), vec!["unknown convention \"x\"", "rtl or scale-sim"]),
        (with(&[]), vec!["--gemm"]),
        (with(&["--gemm", "1x2"]), vec!["\"1x2\" is not a matrix product", "64x256x784"]),
        (with(&["--gemm", "1x0x3"]), vec!["N of a matrix product must be at least 1"]),
        (
            with(&["--gemm", "18446744073709551615x18446744073709551615x1"]),
            vec!["layer gemm1", "counts beyond 2^64 − 1", "split it into smaller layers"],
        ),
        (with(&["--topology", "missing.csv"]), vec!["cannot read missing.csv", "check the path"]),
        (topology("empty.csv", ""), vec!["empty.csv", "no layers", "give a header and a line for each layer"]),
        (
            topology("short.csv", "Layer,M,N,K\na,1,2,3\nb,1,2\n"),
            vec!["short.csv:3:1", "line 3: K is missing", "every row needs 4 fields"],
        ),
        (
            topology("zero.csv", "Layer,M,N,K\na,1,0,3\n"),
            vec!["zero.csv:2:1", "line 2: N is \"0\"", "write an integer from 1"],
        ),
        (topology("long.csv", "Layer,M,N,K\na,1,2,3,4\n"), vec!["line 2: 5 fields but only 4 columns", "remove"]),
        (
            config("wide.cfg", &limited.replace("ArrayWidth", "ArrayWide"), &[]),
            vec!["wide.cfg: ArrayWidth is not set", "add a line `ArrayWidth : value`"],
        ),
        (
            config("height.cfg", &limited.replace("Height: 4", "Height: x"), &[]),
            vec!["height.cfg:1:1", "line 1: ArrayHeight is \"x\"", "write a positive integer"],
        ),
        (
            plain(&["--array", &file("tile.toml", &tiny.replace("rows = 4", "rows = 4000")), "--gemm", "1x2x3"]),
            vec!["input_sram_kib is 1", "4000 words", "set it to 8 or more"],
        ),
        (with(&["--gemm", "1x2x3", "--energy"]), vec!["energy needs memories", "[memory]"]),
        (
            plain(&["--array", "edge-16x16", "--gemm", "1x2x3", "--supply", "0.01"]),
            vec!["0.01", "--supply takes volts"],
        ),
        (
            plain(&["--array", "edge-16x16", "--gemm", "1x2x3", "--clock-ps", "0"]),
            vec!["a clock period of 0 ps", "positive number"],
        ),
        (
            plain(&["--array", "edge-16x16", "--gemm", "1x2x3", "--energy", "--operands", "gamma"]),
            vec!["cannot read gamma"],
        ),
        (
            plain(&["--array", &file("tiny.toml", &tiny), "--gemm", "1x2x3", "--energy"]),
            vec!["an input memory of 1024 bytes", "none under 8192 bytes", "change the table [memory]"],
        ),
        (with(&["--gemm", "1x2x3", "--convention", "scale-sim", "--figures", "x"]), vec!["figures are not drawn"]),
        (
            plain(&["--array", "edge-16x16", "--gemm", "1x2x3", "--convention", "scale-sim", "--energy"]),
            vec!["energy is not found from SCALE-Sim's counts", "--convention rtl"],
        ),
        (
            topology(
                "stride.csv",
                "Layer,IFMAP H,IFMAP W,Filter H,Filter W,Channels,Num Filter,Strides\nc,9,9,3,3,1,1,-1\n",
            ),
            vec!["stride.csv:2:1", "line 2: Strides is \"-1\"", "write an integer from 1"],
        ),
        (config("user.cfg", limited, &["--convention", "scale-sim"]), vec!["80 bits a cycle", "CALC"]),
        (
            plain(&[
                "--array",
                &file("narrow.toml", "[array]\nrows = 4\ncolumns = 0\ndataflow = \"ws\"\n"),
                "--gemm",
                "1x2x3",
            ]),
            vec!["narrow.toml", "the number of columns must be at least 1"],
        ),
    ] {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = cycles(&arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        let message = words_of(&output.stderr);
        for complaint in complaints {
            assert!(message.contains(complaint), "{arguments:?} lacks {complaint:?}: {message}");
        }
    }
}
