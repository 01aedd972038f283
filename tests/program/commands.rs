//! Every command.

use super::{axtrain, json, root, scratch, smoke, succeed, text, unwrapped};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn a_design_in_three_lines_is_characterised() {
    let folder = scratch("characterize");
    fs::write(
        folder.join("d.toml"),
        "[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 3, b = 3 }\nsigned = true\n",
    )
    .unwrap();
    let output = axtrain(&folder, &["characterize", "d.toml", "--json", "--supply", "0.75,0.9,1.1"]);
    let report = json(&output);
    assert_eq!(report["schema"], "axtrain/characterization/1");
    // mul8s_1L1G of EvoApproxLib is this design: its table's hash.
    assert_eq!(report["design"]["table_sha256"], "25932bf67310fad6dddbc85994ddb7d08c7b86061fe9d268700ae86c221d6bfb");
    let points = report["operating_points"].as_array().unwrap();
    let rates: Vec<f64> = points.iter().map(|point| point["timing"]["error_rate"].as_f64().unwrap()).collect();
    assert!(rates[0] > 0.0 && rates[1] == 0.0 && rates[2] == 0.0, "{rates:?}");
    let energy = |index: usize| points[index]["energy"]["switching_fj"].as_f64().unwrap();
    assert!((energy(1) / energy(2) - (0.9f64 / 1.1).powi(2)).abs() < 1e-12, "switching energy follows V²");
    for point in points {
        let energy = &point["energy"];
        let part = |key: &str| energy[key].as_f64().unwrap();
        assert_eq!(part("total_fj"), part("switching_fj") + part("leakage_fj"));
        assert!(part("glitch_fj") < part("switching_fj"));
    }
}

#[test]
fn static_timing_is_listed_and_the_supply_of_least_energy_found() {
    let folder = scratch("static-timing");
    fs::write(folder.join("d.toml"), "[multiplier]\nfamily = \"wallace\"\nwidth = 6\n").unwrap();
    let report =
        json(&axtrain(&folder, &["characterize", "d.toml", "--json", "--path", "--supply", "0.35:1.2:0.05"]));
    let timing = &report["static_timing"];
    let path = timing["critical_path"].as_array().unwrap();
    let sum: u64 = path.iter().map(|step| step["delay_ps"].as_u64().unwrap()).sum();
    assert_eq!(Some(sum as f64), report["structure"]["critical_path_ps"].as_f64());
    let slacks = timing["outputs"].as_array().unwrap().iter().map(|output| output["slack_ps"].as_i64().unwrap());
    assert_eq!(slacks.min(), Some(0), "the shortest clock has no slack");
    // At the clock of nominal supply, energy falls with the supply; at a clock that follows it, leakage takes over.
    let minimum = &report["minimum_energy"];
    let least = minimum["energy"]["total_fj"].as_f64().unwrap();
    assert!(least > 0.0 && minimum["clock_ps"].as_f64().unwrap() > timing["window_ps"].as_f64().unwrap());
    assert!((0.35..1.1).contains(&minimum["supply_v"].as_f64().unwrap()));

    let listed = text(&axtrain(&folder, &["characterize", "d.toml", "--path", "--clock-ps", "700"]).stdout);
    for part in ["critical path, sampled before", "full-adder", "slack, ps", "p[11]"] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
    let refused = axtrain(&folder, &["characterize", "d.toml", "--path", "--clock-ps", "10"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn laws_over_voltage_are_tables_too_and_extrapolated_with_a_warning() {
    let folder = scratch("laws");
    fs::write(folder.join("d.toml"), "[multiplier]\nfamily = \"array\"\nwidth = 4\n").unwrap();
    let built_in = fs::read_to_string(root().join("hwconfigs/technology/freepdk45.toml")).unwrap();
    let from = built_in.find("[delay_law]").unwrap();
    let to = built_in.find("# Leakage current over supply").unwrap();
    let write = |law: &str, extrapolate: bool| {
        let head = format!("extrapolate = {extrapolate}\n{}", &built_in[..from]);
        fs::write(folder.join("t.toml"), [&head, law, &built_in[to..]].concat()).unwrap();
        head.lines().count()
    };
    let at =
        |supply: &str| axtrain(&folder, &["characterize", "d.toml", "--technology", "t.toml", "--supply", supply]);
    let table = "[delay_law]\nmodel = \"table\"\nsupply_v = [0.9, 1.0, 1.1]\ndelay = [1.3, 1.1, 1.0]\n\n";
    write(table, false);
    assert!(at("0.95").status.success());
    assert_eq!(at("0.85").status.code(), Some(2));
    write(table, true);
    let beyond = at("0.85");
    assert!(beyond.status.success());
    let warning = unwrapped(&text(&beyond.stderr));
    assert!(
        warning.contains("warning") && warning.contains("0.85V") && warning.contains("extrapolated"),
        "{warning}"
    );

    let lines = write(&table.replace("1.3, 1.1", "1.3, 1.4"), false);
    let refused = at("1.0");
    let message = unwrapped(&text(&refused.stderr));
    assert_eq!(refused.status.code(), Some(2), "{message}");
    for part in [&format!("t.toml:{}", lines + 1), "risesfrom1.3at0.9Vto1.4at1V", "correcttheseentries"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_netlist_of_ones_own_is_characterised_and_pointed_at_when_wrong() {
    let folder = scratch("netlist");
    let design = |extra: &str| format!("[multiplier]\nverilog = \"mul.v\"\n{extra}");
    fs::write(folder.join("d.toml"), design("")).unwrap();
    let verilog = "module mul(input [3:0] x, input [3:0] y, output [7:0] z);\n  assign z = x * y;\nendmodule\n";
    fs::write(folder.join("mul.v"), verilog).unwrap();
    let report = json(&axtrain(&folder, &["characterize", "d.toml", "--json"]));
    assert_eq!((&report["design"]["name"], &report["design"]["family"]), (&"mul".into(), &"verilog".into()));
    assert_eq!((report["vectors"].as_u64(), report["error"]["wce"].as_u64()), (Some(256), Some(0)));
    assert!(report["structure"]["area_um2"].as_f64().unwrap() > 0.0);

    fs::write(folder.join("mul.v"), verilog.replace("assign z = x * y;", "always @(x) z = x * y;")).unwrap();
    let refused = axtrain(&folder, &["characterize", "d.toml"]);
    let message = unwrapped(&text(&refused.stderr));
    assert_eq!(refused.status.code(), Some(2), "{message}");
    for part in ["mul.v:2", "always", "yosys"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    fs::write(folder.join("mul.v"), verilog.replace("[7:0]", "[6:0]")).unwrap();
    let refused = axtrain(&folder, &["characterize", "d.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(unwrapped(&text(&refused.stderr)).contains("d.toml:2"));
}

/// A table has errors but no circuit: what needs one says so.
#[test]
fn a_table_of_products_is_a_design_without_a_circuit() {
    let folder = scratch("table");
    // The signed product with the lowest bit of both operands cleared: mul8s_1L2H of EvoApproxLib.
    let value = |code: i32| if code < 128 { code } else { code - 256 };
    let line = |a: i32| (0..256).map(|b| (value(a & !1) * value(b & !1)).to_string()).collect::<Vec<_>>().join(",");
    let csv: Vec<String> = (0..256).map(line).collect();
    fs::write(folder.join("p.csv"), csv.join("\n")).unwrap();
    let design = "[multiplier]\ntable = \"p.csv\"\nsigned = true\nname = \"mul8s_1L2H\"\n";
    let hash = "ef588b130ab2f588c37c2f9e169de12a6b74cef70aa8fcb48aeacfc53505c222";
    let claims = format!("table-sha256 = \"{hash}\"\nexpect = {{ mae_percent = 0.081, wce_percent = 0.39 }}\n");
    fs::write(folder.join("d.toml"), format!("{design}{claims}")).unwrap();
    assert!(text(&axtrain(&folder, &["check", "d.toml"]).stdout).contains("sound design"));
    let report = json(&axtrain(&folder, &["characterize", "d.toml", "--json"]));
    assert_eq!((&report["design"]["family"], &report["design"]["table_sha256"]), (&"table".into(), &hash.into()));
    assert_eq!((report["structure"].is_null(), report["operating_points"].as_array().unwrap().len()), (true, 0));

    // One integer matrix product, for any shape that is not tiny.
    let explained = json(&axtrain(&folder, &["characterize", "d.toml", "--json", "--explain", "2000x128x784"]));
    let kernel = &explained["kernel"];
    assert_eq!((&kernel["rank"], &kernel["gemm"]), (&1.into(), &"2000x128x784".into()));
    assert_eq!(kernel["methods"][0]["method"], "integer matrix products", "{kernel}");
    let shown = text(&axtrain(&folder, &["characterize", "d.toml", "--explain", "2000x128x784"]).stdout);
    assert!(shown.contains("rank 1") && shown.contains("→ integer matrix products"), "{shown}");

    // Products of more than 8 bits are looked up row by row; more than 24 bits together fit no table.
    for (width, expected) in [(10, Some("row look-ups")), (16, None)] {
        let wide = format!("[multiplier]\nfamily = \"array\"\nwidth = {width}\n");
        fs::write(folder.join("w.toml"), wide).unwrap();
        let arguments = ["characterize", "w.toml", "--samples", "1000", "--json", "--explain", "2000x128x784"];
        match expected {
            Some(method) => assert_eq!(json(&axtrain(&folder, &arguments))["kernel"]["methods"][0]["method"], method),
            None => {
                let output = axtrain(&folder, &arguments);
                let message = unwrapped(&text(&output.stderr));
                assert_eq!(output.status.code(), Some(2), "{message}");
                assert!(message.contains("24bitstogether") && message.contains("leaveitaway"), "{message}");
            }
        }
    }

    // The same numbers from gates.
    let family = "[multiplier]\nfamily = \"operand-truncated\"\nparameters = { a = 1, b = 1 }\nsigned = true\n";
    fs::write(folder.join("f.toml"), family).unwrap();
    for options in [&[][..], &["--operands", "normal:10,30"], &["--samples", "5000"], &["--zeros", "count"]] {
        let of = |file| json(&axtrain(&folder, &[&["characterize", file, "--json"], options].concat()));
        let (table, gates) = (of("d.toml"), of("f.toml"));
        assert_eq!((&table["method"], &table["vectors"]), (&gates["method"], &gates["vectors"]));
        for (metric, value) in table["error"].as_object().unwrap() {
            let (x, y) = (value.as_f64().unwrap(), gates["error"][metric].as_f64().unwrap());
            assert!((x - y).abs() <= 1e-9 * y.abs().max(1e-9), "{metric}: {x} {y}, {options:?}");
        }
    }

    let refused = |arguments: &[&str], parts: &[&str]| {
        let output = axtrain(&folder, arguments);
        let message = unwrapped(&text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{message}");
        parts.iter().for_each(|part| assert!(message.contains(part), "{part} in {message}"));
    };
    for arguments in [
        &["characterize", "d.toml", "--supply", "0.9"][..],
        &["trace", "d.toml"],
        &["export", "d.toml", "--verilog", "x.v"],
    ] {
        refused(arguments, &["withoutgates", "verilog"]);
    }
    let experiment = smoke().replacen("[[designs]]", "[[designs]]\ntable = \"p.csv\"\nsigned = true\n[[designs]]", 1);
    fs::write(folder.join("e.toml"), experiment).unwrap();
    refused(&["check", "e.toml"], &["withoutgates", "e.toml"]);
    // 252 products with the wrong sign, as in a table in wide use.
    let swapped = csv.iter().enumerate().map(|(a, line)| match a {
        3 => (0..256).map(|b| (-value(a as i32 & !1) * value(b & !1)).to_string()).collect::<Vec<_>>().join(","),
        _ => line.clone(),
    });
    fs::write(folder.join("p.csv"), swapped.collect::<Vec<_>>().join("\n")).unwrap();
    refused(&["check", "d.toml"], &["d.toml:5", "SHA-256"]);
    fs::write(folder.join("d.toml"), format!("{design}expect = {{ mae_percent = 0.081, wce_percent = 0.39 }}\n"))
        .unwrap();
    refused(&["characterize", "d.toml"], &["d.toml:5", "mae_percent"]);
}

#[test]
fn every_file_in_hwconfigs_is_sound() {
    let mut files = Vec::new();
    for kind in ["multiplier", "technology", "memory", "array", "experiment"] {
        for entry in fs::read_dir(root().join("hwconfigs").join(kind)).unwrap() {
            files.push(entry.unwrap().path().display().to_string());
        }
    }
    // Some experiments name a folder that a package of the distribution brings.
    let packaged = "/usr/share/datasets/fashion-mnist";
    if !Path::new(packaged).exists() {
        files.retain(|file| !fs::read_to_string(file).unwrap().contains(packaged));
    }
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    let arguments: Vec<&str> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = axtrain(&root(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), files.len());
}

#[test]
fn starters_are_sound_and_never_overwrite() {
    let folder = scratch("new");
    for (what, file) in [("multiplier", "m.toml"), ("experiment", "e.toml")] {
        assert!(axtrain(&folder, &["new", what, file]).status.success());
        let checked = axtrain(&folder, &["check", file]);
        assert!(checked.status.success(), "{}", text(&checked.stderr));
        let again = axtrain(&folder, &["new", what, file]);
        assert_eq!(again.status.code(), Some(2));
        assert!(unwrapped(&text(&again.stderr)).contains("existsalready"));
    }
}

#[test]
fn lists_name_what_configurations_use() {
    let output = axtrain(&root(), &["list"]);
    let listed = text(&output.stdout);
    for name in ["operand-truncated", "mitchell", "freepdk45", "edge-32x32", "fashion-mnist", "cacti7-45nm-lstp"] {
        assert!(listed.contains(name), "{name} in\n{listed}");
    }
}

/// Wrong requests: exit code 2, the file, the place and the remedy on standard error, nothing on standard output, nothing
/// written.
#[test]
fn wrong_requests_are_refused_with_place_and_remedy() {
    let folder = scratch("wrong");
    fs::create_dir_all(folder.join("broken")).unwrap();
    for stem in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        fs::write(folder.join("broken").join(format!("{stem}-ubyte")), [0, 0, 8, 3, 0, 0, 0, 9]).unwrap();
    }
    let cases: [(&str, &str, &[&str]); 14] = [
        ("dataset = \"digits\"", "dataset = \"no-such-folder\"", &["no-such-folder", "digits"]),
        ("dataset = \"digits\"", "dataset = \"broken\"", &["train-images-idx3-ubyte", "IDX"]),
        ("epochs = 5", "epoch = 5", &["epoch", "x.toml"]),
        ("epochs = 5", "epochs = \"five\"", &["x.toml", "a whole number"]),
        ("epochs = 5", "epochs = 0", &["must not be 0", "x.toml"]),
        ("supply_v = [0.75, 0.9, 1.1]", "supply_v = [0.0]", &["supplies are positive"]),
        ("supply_v = [0.75, 0.9, 1.1]", "supply_v = [1.1, 5.0]", &["5 V", "outside the technology's range"]),
        ("supply_v = [0.75, 0.9, 1.1]", "supply_v = []", &["empty"]),
        ("signed = true", "signed = true\nwidth = 0", &["1 to 16"]),
        ("family = \"array\"", "family = \"aray\"", &["aray", "axtrain list multipliers"]),
        ("{ a = 3, b = 3 }", "{ a = 30, b = 3 }", &["30"]),
        ("technology = \"freepdk45\"", "technology = \"t65\"", &["t65", "freepdk45"]),
        ("array = \"edge-16x16\"", "array = \"edge-17\"", &["edge-17", "edge-32x32"]),
        ("baseline = \"exact\"", "baseline = \"best\"", &["best", "truncated-3-3"]),
    ];
    for (from, to, expected) in cases {
        let good = smoke();
        assert!(good.contains(from), "{from}");
        fs::write(folder.join("x.toml"), good.replacen(from, to, 1)).unwrap();
        for verb in ["simulate", "check"] {
            let output = axtrain(&folder, &[verb, "x.toml"]);
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{verb} with {to}: {message}");
            assert!(output.stdout.is_empty(), "{to}");
            for part in expected {
                assert!(unwrapped(&message).contains(&unwrapped(part)), "{part:?} is not in\n{message}");
            }
        }
        assert!(!folder.join("runs").exists(), "{to} left something behind");
    }
    let missing = axtrain(&folder, &["simulate", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(unwrapped(&text(&missing.stderr)).contains("nowhere.toml"));
    let usage = axtrain(&folder, &["simulate", "--frobnicate"]);
    assert_eq!(usage.status.code(), Some(2));
    fs::write(folder.join("x.toml"), smoke()).unwrap();
    let untrained = axtrain(&folder, &["simulate", "x.toml"]);
    assert_eq!(untrained.status.code(), Some(2));
    assert!(unwrapped(&text(&untrained.stderr)).contains("axtraintrain"));
}

#[cfg(feature = "train")]
mod training {
    use super::*;

    #[test]
    fn a_run_leaves_everything_and_resumes() {
        let folder = scratch("run");
        fs::write(folder.join("smoke.toml"), smoke()).unwrap();
        let output = axtrain(&folder, &["run", "smoke.toml", "--json"]);
        let records = json(&output);
        let run = folder.join("runs/smoke");
        let lines = fs::read_to_string(run.join("records.jsonl")).unwrap();
        let from_file: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.as_array().unwrap(), &from_file);
        // Exact: 1 method × 2 seeds × 3 supplies; truncated: 2 methods × 2 seeds × 3 supplies.
        assert_eq!(from_file.len(), 6 + 12);
        for record in &from_file {
            assert_eq!(record["schema"], "axtrain/record/1");
            let energy = record["energy_uj"].as_object().unwrap();
            let total = energy["total"].as_f64().unwrap();
            let parts: f64 =
                energy.iter().filter(|(key, _)| *key != "total").map(|(_, part)| part.as_f64().unwrap()).sum();
            assert!((total - parts).abs() <= 1e-12 * total && total > 0.0, "{record}");
            let [low, high] = [0, 1].map(|end| record["accuracy_ci95"][end].as_f64().unwrap());
            let accuracy = record["accuracy"].as_f64().unwrap();
            assert!(low <= accuracy && accuracy <= high);
        }
        let accuracy = |design: &str, method: &str, supply: f64| {
            let chosen: Vec<f64> = from_file
                .iter()
                .filter(|record| {
                    let point = &record["point"];
                    point["design"] == design && point["method"] == method && point["supply_v"] == supply
                })
                .map(|record| record["accuracy"].as_f64().unwrap())
                .collect();
            chosen.iter().sum::<f64>() / chosen.len() as f64
        };
        let nominal = accuracy("exact", "plain", 1.1);
        assert!(nominal > 0.9, "plain on exact: {nominal}");
        let trained = accuracy("truncated-3-3", "passive", 0.9);
        assert!(trained > accuracy("truncated-3-3", "plain", 0.9), "training for the multiplier helps");
        assert!(accuracy("exact", "plain", 0.75) < 0.5, "the exact multiplier fails far below its clock's supply");

        for file in [
            "experiment.toml",
            "characterization.json",
            "profiles/exact@0.750V.npz",
            "profiles/truncated-3-3@1.100V.npz",
            "weights/plain_s1.safetensors",
            "weights/truncated-3-3_passive_s2.safetensors",
            "figures/energy-accuracy.svg",
            "figures/energy-accuracy.png",
            "figures/error-voltage.png",
            "figures/error-histogram_truncated-3-3.svg",
            "figures/bit-flips_truncated-3-3.png",
            "figures/operand-map_truncated-3-3.svg",
            "figures/error-fit_truncated-3-3.png",
            "records.csv",
        ] {
            assert!(run.join(file).metadata().is_ok_and(|file| file.len() > 500), "{file}");
        }
        let page = fs::read_to_string(run.join("report.html")).unwrap();
        assert_eq!(page.matches("<figure>").count(), page.matches("<svg").count());
        assert!(page.contains("less energy</b> within") && page.contains("truncated-3-3, passive training"));
        let loads = |what: &&&str| page.contains(**what);
        assert!(
            ["src=", "href=", "url(", "@import", "fetch("].iter().find(loads).is_none(),
            "nothing from elsewhere"
        );

        // The same run twice differs in nothing, and one process at a time works on it.
        let same = json(&axtrain(&folder, &["diff", "runs/smoke", "runs/smoke", "--json"]));
        assert!(same["common"].as_array().unwrap().iter().all(|point| point["verdict"] == "same"));
        let methods = json(&axtrain(&folder, &["diff", "runs/smoke", "--methods", "plain", "--json"]));
        for compared in methods.as_array().unwrap() {
            assert_eq!(compared["gain"].is_null(), compared["point"]["method"] == "plain", "{compared}");
        }
        let unknown = axtrain(&folder, &["diff", "runs/smoke", "--methods", "magic"]);
        assert_eq!(unknown.status.code(), Some(2));
        assert!(text(&unknown.stderr).contains("passive"), "{}", text(&unknown.stderr));
        let held = fs::File::options().write(true).open(run.join(".lock")).unwrap();
        held.lock().unwrap();
        let refused = axtrain(&folder, &["run", "smoke.toml", "-q"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(unwrapped(&text(&refused.stderr)).contains("anotherprocessworksonruns/smoke"));
        drop(held);

        // A network that is gone is trained again to the same bits; one that is there is not touched.
        let (gone, kept) = (run.join("weights/plain_s2.safetensors"), run.join("weights/plain_s1.safetensors"));
        let before = fs::read(&gone).unwrap();
        let stamp = fs::metadata(&kept).unwrap().modified().unwrap();
        fs::remove_file(&gone).unwrap();
        // What is left of an interrupted write is no network to go on from.
        let half_done = gone.with_extension("checkpoint");
        fs::write(&half_done, "half a checkpoint").unwrap();
        assert!(axtrain(&folder, &["run", "smoke.toml", "-q"]).status.success());
        assert_eq!(fs::read(&gone).unwrap(), before);
        assert!(!half_done.exists());
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), stamp);
        assert_eq!(fs::read_to_string(run.join("records.jsonl")).unwrap(), lines);

        // A damaged network is named, not used.
        fs::write(&gone, &before[..before.len() / 2]).unwrap();
        let damaged = axtrain(&folder, &["simulate", "smoke.toml"]);
        assert_eq!(damaged.status.code(), Some(2));
        assert!(unwrapped(&text(&damaged.stderr)).contains("plain_s2.safetensors"));
    }

    #[test]
    fn a_convolutional_network_runs_and_takes_the_cycles_of_its_topology() {
        let folder = scratch("convolutional");
        let layers = "layers = [{ conv = 6, kernel = 3, padding = 1 }, { pool = \"max\", window = 2 }, \
                      { conv = 8, kernel = [2, 3], groups = 2 }]";
        let changes = [
            ("hidden = [24]", layers),
            ("seeds = [1, 2]", "seeds = [1]"),
            ("name = \"smoke\"", "name = \"conv\""),
            ("[0.75, 0.9, 1.1]", "[0.9, 1.1]"),
        ];
        let text = changes.iter().fold(smoke(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        fs::write(folder.join("conv.toml"), &text).unwrap();
        let records = json(&axtrain(&folder, &["run", "conv.toml", "--json"]));
        let exact = &records[1];
        assert_eq!(exact["point"]["model"], "c6k3p1-m2-c8k2x3g2-10");
        assert!(exact["point"]["supply_v"] == 1.1 && exact["accuracy"].as_f64().unwrap() > 0.8, "{exact}");
        assert_eq!(exact["product_error_rate"], 0.0);

        // The same layers as a topology, the last one as a convolution over the whole of its input.
        let topology = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, \
                        Batch Size, Padding, Groups\n\
                        conv1, 8, 8, 3, 3, 1, 6, 1, 64, 1, 1\n\
                        conv2, 4, 4, 2, 3, 6, 8, 1, 64, 0, 2\n\
                        dense3, 3, 2, 3, 2, 8, 10, 1, 64, 0, 1\n";
        fs::write(folder.join("conv.csv"), topology).unwrap();
        let arguments = ["cycles", "--array", "edge-16x16", "--topology", "conv.csv", "--json"];
        let counted = json(&axtrain(&folder, &arguments));
        let count = |key: &str| counted["total"][key].as_u64().unwrap();
        let cycles = exact["cycles"].as_f64().unwrap() * 64.0;
        assert!((cycles - (count("cycles") - count("stall_cycles")) as f64).abs() < 1e-6, "{cycles} and {counted}");

        // Layers that do not fit the images are refused where they stand.
        fs::write(folder.join("large.toml"), text.replacen("kernel = 3,", "kernel = 11,", 1)).unwrap();
        let refused = axtrain(&folder, &["check", "large.toml"]);
        let message = unwrapped(&super::text(&refused.stderr));
        assert_eq!(refused.status.code(), Some(2), "{message}");
        for part in ["layer1ofthemodel", "large.toml:", "[11,11]"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}

#[test]
fn an_array_is_exported_with_a_bench_that_checks_itself() {
    let folder = scratch("export-array");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("d.toml", "[multiplier]\nfamily = \"truncated\"\nparameters = { columns = 4 }\nsigned = true\n");
    let options = "product_register = true\ndata_gating = true\noverflow = \"saturate\"\naccumulator_bits = 16\n";
    write("a.toml", &format!("[array]\nrows = 3\ncolumns = 2\ndataflow = \"os\"\n{options}"));
    let program = |arguments: &[&str]| succeed(&folder, arguments);
    program(&["export", "d.toml", "--array", "a.toml", "--verilog", "a.v", "--bench", "t.v", "--gemm", "5x3x7"]);
    program(&["export", "--multiplier", "d.toml", "--array", "a.toml", "--verilog", "same.v"]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("a.v"), read("same.v"));
    // Without a design, exact 8×8; without a layer, two folds each way.
    program(&["export", "--array", "a.toml", "--bench", "own.v", "--seed", "7"]);
    assert!(read("own.v").contains(".M(4), .N(4), .K(4)"));
    write(
        "drop.toml",
        "[array]\nrows = 3\ncolumns = 2\ndataflow = \"ws\"\nproduct_register = true\non_timing_error = \"drop\"\n",
    );
    for (arguments, complaint) in [
        (&["export", "--array", "a.toml"][..], "--verilog"),
        (&["export", "--array", "drop.toml", "--verilog", "x.v"], "second, later clock"),
        (&["export", "d.toml", "--array", "a.toml", "--multiplier", "d.toml", "--verilog", "x.v"], "--multiplier"),
        (&["export", "d.toml", "--array", "a.toml", "--vcd", "x.vcd", "--pairs", "1,1:2,2"], "cannot be used with"),
    ] {
        let output = axtrain(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = text(&output.stderr);
        assert!(unwrapped(&message).contains(&unwrapped(complaint)), "{message}");
    }
    if Command::new("iverilog").arg("-V").output().is_err() {
        eprintln!("skipped: iverilog is not installed");
        return;
    }
    let run =
        |name: &str, arguments: &[&str]| Command::new(name).args(arguments).current_dir(&folder).output().unwrap();
    let compiled = run("iverilog", &["-g2005", "-s", "test", "-o", "run", "a.v", "t.v"]);
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = String::from_utf8(run("vvp", &["-n", "run"]).stdout).unwrap();
    assert!(output.ends_with("PASS\n"), "{output}");
}

#[test]
fn a_design_is_exported_as_verilog_blif_and_waveforms() {
    let folder = scratch("export");
    fs::write(folder.join("d.toml"), "[multiplier]\nfamily = \"dadda\"\nwidth = [6, 4]\nsigned = true\n").unwrap();
    let program = |arguments: &[&str]| succeed(&folder, arguments);
    program(&["export", "d.toml", "--verilog", "d.v", "--blif", "d.blif"]);
    program(&[
        "export",
        "d.toml",
        "--verilog",
        "timed.v",
        "--delays",
        "--delay-model",
        "rise-fall",
        "--supply",
        "0.9",
    ]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("d.v").contains("module mul6x4s_dadda") && !read("d.v").contains('#'));
    assert!(read("d.blif").contains(".model mul6x4s_dadda"));
    assert!(read("timed.v").contains("#("));
    let transport =
        ["export", "d.toml", "--verilog", "t.v", "--delays", "--delay-model", "rise-fall", "--mode", "transport"];
    assert_eq!(axtrain(&folder, &transport).status.code(), Some(2), "Verilog has no such delays");

    let pairs = [(-32, 7), (31, -8), (0, 0), (-1, -1), (-1, 5)];
    let list: Vec<String> = pairs.iter().map(|(a, b)| format!("{a},{b}")).collect();
    program(&["export", "d.toml", "--vcd", "d.vcd", "--pairs", &list.join(":")]);
    let products = settled_products(&read("d.vcd"));
    let expected: Vec<u32> = pairs.iter().map(|(a, b)| (a * b) as u32 & 0x3ff).collect();
    assert_eq!(products, expected);

    for wrong in ["1,1", "1,1:32,0", "1,1:0,8", "1:2,3", "1,1:x,0"] {
        let output = axtrain(&folder, &["export", "d.toml", "--vcd", "no.vcd", "--pairs", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    assert_eq!(axtrain(&folder, &["export", "d.toml"]).status.code(), Some(2), "nothing to write");
}

/// Values of `p` in a dump whenever `a` or `b` changes, and at its end: what each pair of operands has settled to.
fn settled_products(dump: &str) -> Vec<u32> {
    let mut parser = vcd::Parser::new(dump.as_bytes());
    let header = parser.parse_header().unwrap();
    let module = header.items.iter().find_map(|item| match item {
        vcd::ScopeItem::Scope(scope) => Some(scope.identifier.clone()),
        _ => None,
    });
    let module = module.expect("a module");
    let id = |name: &str| header.find_var(&[module.as_str(), name]).unwrap_or_else(|| panic!("{name}")).code;
    let (operands, product) = ([id("a"), id("b")], id("p"));
    let (mut now, mut applied) = (0, 0);
    let (mut level, mut products) = (0, Vec::new());
    for command in parser {
        match command.unwrap() {
            vcd::Command::Timestamp(time) => {
                assert!(time >= now, "time goes on");
                now = time;
            }
            vcd::Command::ChangeVector(id, value) if id == product => {
                level = value.iter().fold(0, |word, bit| word << 1 | u32::from(bit == vcd::Value::V1));
            }
            vcd::Command::ChangeVector(id, _) if operands.contains(&id) && now > applied => {
                applied = now;
                products.push(level);
            }
            _ => {}
        }
    }
    products.push(level);
    products
}
