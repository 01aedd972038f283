//! Number formats and the detection of late products, as a user meets them.

use super::{axtrain, json, scratch, smoke};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A fresh folder with an exact multiplier in each format.
fn folder(name: &str) -> PathBuf {
    let folder = scratch(name);
    let sign_magnitude = "[multiplier]\nfamily = \"array\"\nwidth = 8\nformat = \"sign-magnitude\"\n";
    fs::write(folder.join("sm.toml"), sign_magnitude).unwrap();
    fs::write(folder.join("tc.toml"), "[multiplier]\nfamily = \"array\"\nsigned = true\n").unwrap();
    folder
}

#[test]
fn formats_differ_in_gates_and_not_in_products() {
    let folder = folder("formats-characterize");
    let reports = json(&axtrain(&folder, &["characterize", "sm.toml", "tc.toml", "--json", "--supply", "0.95"]));
    let [sm, tc] = [&reports[0], &reports[1]];
    assert_eq!(sm["design"]["format"], "sign-magnitude");
    assert_eq!(sm["design"]["table_sha256"], tc["design"]["table_sha256"]);
    assert_eq!((&sm["error"]["wce"], &sm["error"]["mae"]), (&tc["error"]["wce"], &tc["error"]["mae"]));
    let flips = |report: &Value| report["operating_points"][0]["timing"]["bit_error_rate"].as_array().unwrap().len();
    assert_eq!((flips(sm), flips(tc)), (17, 16));
    assert!(!Path::new(&folder).join("traces").exists());
    // Other distributions are over the same codes.
    let weighted = ["characterize", "sm.toml", "tc.toml", "--json", "--operands", "normal:0,32"];
    let reports = json(&axtrain(&folder, &weighted));
    assert_eq!(reports[0]["error"]["wce"], 0);
}

#[test]
fn an_array_pays_for_conversion_and_for_detection() {
    let folder = folder("formats-cycles");
    let drop = "edge-drop-32x32";
    let energy = |multiplier: &str, array: &str| {
        let arguments = ["--gemm", "64x64x64", "--energy", "--clock-ps", "1600", "--json"];
        let arguments = ["cycles", "--array", array, "--multiplier", multiplier].into_iter().chain(arguments);
        let report = json(&axtrain(&folder, &arguments.collect::<Vec<_>>()));
        let part = |name: &str| report["total"]["energy_uj"][name].as_f64().unwrap();
        ["mac_switching", "mac_leakage", "registers", "clock", "sram_dynamic"].map(part)
    };
    for multiplier in ["sm.toml", "tc.toml"] {
        let (capture, dropping) = (energy(multiplier, "edge-32x32"), energy(multiplier, drop));
        for (part, (capture, dropping)) in capture.iter().zip(dropping).enumerate() {
            assert_eq!(dropping > *capture, part < 4, "component {part}: {capture} and {dropping}");
        }
    }
}

#[test]
fn operands_on_the_command_line_are_numbers_in_every_format() {
    let folder = folder("formats-export");
    let exported =
        axtrain(&folder, &["export", "sm.toml", "--vcd", "w.vcd", "--pairs", "-3,5:100,-7", "--verilog", "m.v"]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let waves = fs::read_to_string(folder.join("w.vcd")).unwrap();
    // −3 is a sign above 3, and −15 a sign above 15.
    assert!(waves.contains("b100000011 ") && waves.contains("b10000000000001111 "), "{waves}");
    assert!(fs::read_to_string(folder.join("m.v")).unwrap().contains("[16:0]"));
    let refused = axtrain(&folder, &["export", "sm.toml", "--array", "edge-4x4", "--verilog", "a.v"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("sign-magnitude"));
}

/// A small study on both arrays: the same networks and settled products, other sampled ones, and the profiles say which.
#[test]
fn an_experiment_takes_formats_and_drops_late_products() {
    let folder = folder("formats-run");
    let text = smoke();
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap();
    let designs = text.find("[[designs]]").unwrap();
    let study = |name: &str, array: &str| {
        let text = text[..designs]
            .replace(line("name ="), &format!("name = \"{name}\""))
            .replace(line("array ="), &format!("array = \"{array}\""))
            .replace(line("supply_v ="), "supply_v = [0.8, 1.1]")
            .replace(line("baseline ="), "baseline = \"tc\"")
            .replace("[operation]", "[operation]\ncompensations = [\"none\", \"remap+gain\"]");
        let designs = "[[designs]]\nname = \"tc\"\nfamily = \"array\"\nsigned = true\n\n[[designs]]\nname = \"sm\"\n\
            family = \"array\"\nwidth = 7\nformat = \"sign-magnitude\"\n";
        fs::write(folder.join("e.toml"), text + designs).unwrap();
        let run = axtrain(&folder, &["run", "e.toml", "--json"]);
        json(&run);
        let records = fs::read_to_string(folder.join(format!("runs/{name}/records.jsonl"))).unwrap();
        records.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let (capture, dropping) = (study("capture", "edge-32x32"), study("dropping", "edge-drop-32x32"));
    assert_eq!(capture.len(), dropping.len());
    // The baseline runs as it is; every other network also compensated, from the same weights.
    let methods = |design: &str| -> Vec<&str> {
        let own = capture.iter().filter(|record| record["point"]["design"] == design);
        own.map(|record| record["point"]["method"].as_str().unwrap()).collect()
    };
    let compensated = methods("sm").iter().filter(|method| method.ends_with("+remap+gain")).count();
    assert_eq!((2 * compensated, methods("tc").contains(&"plain+remap+gain")), (methods("sm").len(), false));
    let weights = fs::read_dir(folder.join("runs/capture/weights")).unwrap();
    assert!(weights.flatten().all(|file| !file.file_name().to_string_lossy().contains("gain")));
    let mut late = 0;
    for (capture, dropping) in capture.iter().zip(&dropping) {
        let rate = |record: &Value| record["product_error_rate"].as_f64().unwrap();
        let total = |record: &Value| record["energy_uj"]["total"].as_f64().unwrap();
        assert_eq!(capture["point"]["design"], dropping["point"]["design"]);
        assert!(total(dropping) > total(capture));
        if rate(capture) == 0.0 {
            assert_eq!((rate(dropping), &dropping["accuracy"]), (0.0, &capture["accuracy"]));
        } else {
            assert!(rate(dropping) > 0.0);
            late += 1;
        }
    }
    assert!(late > 0, "no point with late products");
    // Drawn errors come from the same table.
    let rates = |records: &Value, design: &str| -> Vec<f64> {
        let of_design = records.as_array().unwrap().iter().filter(|record| record["point"]["design"] == design);
        of_design.map(|record| record["product_error_rate"].as_f64().unwrap()).collect()
    };
    let drawn = json(&axtrain(&folder, &["simulate", "e.toml", "--json", "-q", "--fidelity", "profile-by-product"]));
    for (drawn, looked_up) in rates(&drawn, "sm").iter().zip(rates(&dropping.clone().into(), "sm")) {
        // The law is of operands that no error has reached.
        assert_eq!(*drawn > 0.0, looked_up > 0.0);
        assert!(looked_up == 0.0 || (drawn / looked_up - 1.0).abs() < 0.3, "{drawn} and {looked_up}");
    }
    // Gates make late products where the table has some, on fewer images.
    let gates =
        json(&axtrain(&folder, &["simulate", "e.toml", "--json", "-q", "--fidelity", "gate", "--limit", "4"]));
    let (gates, looked_up) = (rates(&gates, "sm"), rates(&dropping.clone().into(), "sm"));
    assert_eq!(gates.len(), looked_up.len());
    assert!(gates.iter().zip(&looked_up).all(|(gates, looked_up)| (*gates > 0.0) == (*looked_up > 0.0)));
    let profile = |name: &str| fs::read(folder.join(format!("runs/{name}/profiles/sm@0.800V.npz"))).unwrap();
    assert_ne!(profile("capture"), profile("dropping"));
}
