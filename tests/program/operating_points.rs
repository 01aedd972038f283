//! Supply, clock, corner and temperature, as a user of `characterize` meets them.

use super::{axtrain, json, scratch, text};
use std::fs;
use std::path::{Path, PathBuf};

const TECHNOLOGY: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");

/// A fresh folder with a small signed multiplier in it.
fn folder(name: &str) -> PathBuf {
    let folder = scratch(name);
    let design = "[multiplier]\nfamily = \"array\"\nwidth = 6\nsigned = true\nname = \"m\"\n";
    fs::write(folder.join("d.toml"), design).unwrap();
    folder
}

/// What `characterize --json` says of it.
fn characterize(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    json(&axtrain(folder, &[&["characterize", "d.toml", "--json"], arguments].concat()))
}

fn error_rates(report: &serde_json::Value) -> Vec<f64> {
    let points = report["operating_points"].as_array().unwrap();
    points.iter().map(|point| point["timing"]["error_rate"].as_f64().unwrap()).collect()
}

#[test]
fn slow_corners_err_first_and_heat_leaks() {
    let folder = folder("corners");
    let at = |condition: &[&str]| characterize(&folder, &[&["--supply", "0.9,1.1"], condition].concat());
    let (slow, typical, fast) = (at(&["--corner", "ss"]), at(&[]), at(&["--corner", "ff"]));
    assert_eq!(slow["corner"], "ss");
    assert_eq!(error_rates(&typical)[1], 0.0, "the clock is what typical cells need");
    assert!(error_rates(&slow)[1] > 0.0 && error_rates(&fast)[1] == 0.0);
    assert!(error_rates(&slow)[0] > error_rates(&typical)[0] && error_rates(&typical)[0] > error_rates(&fast)[0]);
    let hot = at(&["--temperature-c", "85"]);
    assert_eq!(hot["temperature_c"], 85.0);
    let leakage =
        |report: &serde_json::Value| report["operating_points"][1]["energy"]["leakage_fj"].as_f64().unwrap();
    assert!(leakage(&hot) > 2.0 * leakage(&typical));
    for (arguments, part) in [(["--corner", "sf"], "ff, ss"), (["--temperature-c", "-80"], "-40 … 125 °C")] {
        let output = axtrain(&folder, &[&["characterize", "d.toml"], &arguments[..]].concat());
        let message = text(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(part), "{message}");
    }
}

/// Cells with laws of their own need a simulation a point; where those laws are all the same one, it must come to what
/// one simulation for all points finds, but for rounding to picoseconds at each supply.
#[test]
fn own_laws_that_are_the_shared_one_change_nothing() {
    let folder = folder("own-laws");
    let law = "law = { model = \"ekv\", threshold_v = 0.322, slope_factor = 1.5, alpha = 1.3, minimum_v = 0.35, maximum_v = 1.2 }";
    let same = TECHNOLOGY.replace("[cells.full-adder]\n", &format!("[cells.full-adder]\n{law}\n"));
    fs::write(folder.join("same.toml"), &same).unwrap();
    let steep = same.replace("threshold_v = 0.322, slope_factor", "threshold_v = 0.45, slope_factor");
    fs::write(folder.join("steep.toml"), steep).unwrap();
    let supplies = ["--supply", "0.8,0.9,1.0,1.1"];
    let shared = characterize(&folder, &supplies);
    let at = |file: &str| characterize(&folder, &[&supplies[..], &["--technology", file]].concat());
    let (same, steep) = (at("same.toml"), at("steep.toml"));
    for (shared, same) in error_rates(&shared).into_iter().zip(error_rates(&same)) {
        assert!((same - shared).abs() <= 0.02 + 0.05 * shared, "{same} {shared}");
    }
    for key in ["timing", "energy"] {
        assert_eq!(same["operating_points"][3][key], shared["operating_points"][3][key], "nominal supply");
    }
    assert!(error_rates(&steep)[1] > 1.1 * error_rates(&shared)[1], "slower adders make more errors");
    // With a third more time, so that it is not nominal supply that decides. Half a picosecond of some sixty is 1 % of delay, or
    // 5 mV there.
    let critical = |technology: &[&str]| {
        let report = characterize(&folder, &[&["--supply", "1.1", "--clock-ps", "1600"], technology].concat());
        report["critical_supply_v"].as_f64().unwrap()
    };
    let [shared, same, steep] =
        [&[][..], &["--technology", "same.toml"], &["--technology", "steep.toml"]].map(critical);
    assert!((same - shared).abs() < 0.005 && steep > shared + 0.02, "{shared} {same} {steep}");
}

/// Below half the critical path operations overlap: sequences are drawn, the same for one seed and any number of threads.
#[test]
fn points_where_operations_overlap_are_drawn() {
    let folder = folder("overlap");
    let supplies = ["--supply", "1.1,0.55,0.9"];
    let report = characterize(&folder, &supplies);
    let points = report["operating_points"].as_array().unwrap();
    let order: Vec<f64> = points.iter().map(|point| point["supply_v"].as_f64().unwrap()).collect();
    assert_eq!(order, [1.1, 0.55, 0.9], "as asked for");
    assert!(points[0]["drawn"].is_null() && points[2]["drawn"].is_null());
    let point = &points[1];
    assert!(point["stimulus"].as_str().unwrap().contains("sequences"), "{point}");
    let rate = point["timing"]["error_rate"].as_f64().unwrap();
    let bound = |end: usize| point["drawn"]["error_rate_ci95"][end].as_f64().unwrap();
    assert!(bound(0) < rate && rate < bound(1) && bound(1) - bound(0) < 0.02, "{point}");
    assert!(rate > points[2]["timing"]["error_rate"].as_f64().unwrap());
    assert_eq!(characterize(&folder, &[&supplies[..], &["--threads", "1"]].concat()), report);
    let other = characterize(&folder, &[&supplies[..], &["--seed", "2"]].concat());
    let other_rate = other["operating_points"][1]["timing"]["error_rate"].as_f64().unwrap();
    assert!(other_rate != rate && (other_rate - rate).abs() < 2.0 * (bound(1) - bound(0)));
}

/// Virtual chips: their spread, their yield at two clocks, and the same for one seed and any number of threads.
#[test]
fn chips_spread_around_the_typical_one() {
    let folder = folder("chips");
    let ask = ["--supply", "0.7,1.1", "--chips", "40"];
    let report = characterize(&folder, &ask);
    let variation = &report["variation"];
    assert_eq!((variation["chips"].as_u64(), variation["seed"].as_u64()), (Some(40), Some(1)));
    let number = |report: &serde_json::Value, point: usize, key: &str, what: &str| {
        report["variation"]["points"][point][key][what].as_f64().unwrap()
    };
    let path = report["structure"]["critical_path_ps"].as_f64().unwrap();
    let (mean, sd) = (number(&report, 1, "critical_path_ps", "mean"), number(&report, 1, "critical_path_ps", "sd"));
    // The slowest of several near-critical paths is slower than the typical one's, but of the same size.
    assert!(mean > path && mean < 1.2 * path && sd > 0.005 * path && sd < 0.1 * path, "{mean} ± {sd}, {path}");
    let relative = |point: usize| {
        number(&report, point, "critical_path_ps", "sd") / number(&report, point, "critical_path_ps", "mean")
    };
    assert!(relative(0) > 1.5 * relative(1), "thresholds matter more at a low supply");
    let share = |report: &serde_json::Value, point: usize| {
        report["variation"]["points"][point]["yield_share"].as_f64().unwrap()
    };
    // The clock leaves a typical chip no slack: most chips miss it, and none with a tenth more to spare.
    assert!(share(&report, 1) < 0.5, "{}", share(&report, 1));
    let clock = report["operating_points"][0]["clock_ps"].as_f64().unwrap();
    let slow = characterize(&folder, &[&ask[..], &["--clock-ps", &(1.3 * clock).to_string()]].concat());
    assert_eq!(share(&slow, 1), 1.0);
    assert_eq!(number(&slow, 1, "error_rate", "q95"), 0.0);
    assert!(number(&report, 0, "error_rate", "mean") > 0.0);
    assert_eq!(characterize(&folder, &[&ask[..], &["--threads", "1"]].concat()), report);
    assert_ne!(characterize(&folder, &[&ask[..], &["--seed", "2"]].concat())["variation"], report["variation"]);
    let output = axtrain(&folder, &["characterize", "d.toml", "--chips", "3"]);
    assert_eq!(output.status.code(), Some(2), "chips need operating points");
    let start = TECHNOLOGY.find("[variation]").unwrap();
    let end = TECHNOLOGY.find("# Corners of the same card").unwrap();
    fs::write(folder.join("flat.toml"), [&TECHNOLOGY[..start], &TECHNOLOGY[end..]].concat()).unwrap();
    let output = axtrain(&folder, &[&["characterize", "d.toml", "--technology", "flat.toml"], &ask[..]].concat());
    let message = text(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("[variation]"), "{message}");
}

/// Both operands changing, and operands too wide for all transitions: drawn, and between what each bound says.
#[test]
fn pairs_and_wide_operands_are_drawn() {
    let folder = folder("pairs");
    let supplies = ["--supply", "0.9,1.1"];
    let stationary = characterize(&folder, &supplies);
    let pair = characterize(&folder, &[&supplies[..], &["--stimulus", "pair"]].concat());
    for point in pair["operating_points"].as_array().unwrap() {
        assert!(point["stimulus"].as_str().unwrap().starts_with("pair uniform"), "{point}");
        assert!(point["drawn"]["operations"].as_u64().unwrap() >= 1 << 17 && point["energy"]["late_fj"].is_null());
    }
    let (one, two) = (error_rates(&stationary), error_rates(&pair));
    assert!(two[1] == 0.0 && two[0] > 0.0 && two[0] != one[0], "{one:?} {two:?}");
    let switching = |report: &serde_json::Value, point: usize| {
        report["operating_points"][point]["energy"]["switching_fj"].as_f64().unwrap()
    };
    assert!(switching(&pair, 1) > 1.1 * switching(&stationary, 1), "twice as many inputs change");
    let late = |point: usize| stationary["operating_points"][point]["energy"]["late_fj"].as_f64().unwrap();
    assert!(late(1) == 0.0 && late(0) > 0.0 && late(0) < switching(&stationary, 0));

    let wide = "[multiplier]\nfamily = \"array\"\nwidth = 11\nname = \"wide\"\n";
    fs::write(folder.join("wide.toml"), wide).unwrap();
    let ask = ["characterize", "wide.toml", "--json", "--samples", "1000", "--supply", "0.8,1.1"];
    let report = json(&axtrain(&folder, &ask));
    let rates = error_rates(&report);
    assert!(rates[1] == 0.0 && rates[0] > 0.0, "{rates:?}");
    assert!(report["critical_supply_v"].as_f64().unwrap() > 1.09, "its clock is the exact array's: its own");
    let low = &report["operating_points"][0]["drawn"]["error_rate_ci95"];
    assert!(low[0].as_f64().unwrap() < rates[0] && rates[0] < low[1].as_f64().unwrap());
    for point in report["operating_points"].as_array().unwrap() {
        let (drawn, energy) = (&point["drawn"], point["energy"]["total_fj"].as_f64().unwrap());
        let [low, high] = [0, 1].map(|end| drawn["total_fj_ci95"][end].as_f64().unwrap());
        assert!(low < energy && energy < high && high < 1.02 * low, "{point}");
        let [low, high] = [0, 1].map(|end| drawn["mean_error_ci95"][end].as_f64().unwrap());
        let mean = point["timing"]["mean_error"].as_f64().unwrap();
        assert!(low <= mean && mean <= high, "{point}");
    }
    for (arguments, part) in [
        (&["wide.toml", "--supply", "1.0", "--chips", "2"][..], "--chips"),
        (&["d.toml", "--stimulus", "pair"], "--supply"),
    ] {
        let output = axtrain(&folder, &[&["characterize"], arguments].concat());
        let message = text(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(part), "{message}");
    }
}

/// Operating points that stand in the design's file are used, the command line goes before them, and what is wrong is shown
/// where it stands.
#[test]
fn design_files_name_operating_points() {
    let folder = folder("design-operation");
    let asked = characterize(
        &folder,
        &["--supply", "0.8,1.1", "--clock-ps", "1300", "--corner", "ss", "--temperature-c", "85"],
    );
    let write = |operation: &str| {
        let design = fs::read_to_string(folder.join("d.toml")).unwrap();
        fs::write(folder.join("own.toml"), format!("{design}\n[operation]\n{operation}")).unwrap();
    };
    let own = |arguments: &[&str]| -> serde_json::Value {
        json(&axtrain(&folder, &[&["characterize", "own.toml", "--json"], arguments].concat()))
    };
    let operation = "supply_v = [0.8, 1.1]\nclock_ps = 1300\ncorner = \"ss\"\ntemperature_c = 85.0\n";
    write(operation);
    assert!(axtrain(&folder, &["check", "own.toml"]).status.success());
    assert_eq!(own(&[]), asked);
    let over = ["--supply", "0.9", "--clock-ps", "1200", "--corner", "ff", "--temperature-c", "27"];
    assert_eq!(own(&over), characterize(&folder, &over));
    let output = axtrain(&folder, &["trace", "own.toml", "--json"]);
    let traced: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = traced.as_array().unwrap();
    assert!(points.len() == 2 && points.iter().all(|point| point["clock_ps"] == 1300.0), "{traced}");

    for (operation, verb, part) in [
        ("supply_v = \"0.8:0.7\"", "check", "0.8:0.7"),
        ("supply_v = [0.0]", "check", "positive"),
        ("clock_ps = -1", "check", "above 0"),
        ("suply_v = 0.9", "check", "suply_v"),
        ("temperature_c = \"hot\"", "check", "hot"),
        ("supply_v = [0.9, 2.5]", "characterize", "0.35 V to 1.2 V"),
        ("supply_v = 0.9\ncorner = \"sf\"", "characterize", "ff, ss"),
        ("supply_v = 0.9\ntemperature_c = 150", "characterize", "-40 … 125 °C"),
    ] {
        write(operation);
        let output = axtrain(&folder, &[verb, "own.toml"]);
        let message = text(&output.stderr);
        let line = 7 + operation.lines().count();
        assert!(output.status.code() == Some(2) && message.contains(part), "{operation}: {message}");
        assert!(message.contains(&format!("own.toml:{line}")), "{operation} is at line {line}: {message}");
    }
}

/// A whole multiply-accumulate: its stages, their intervals, and the clock that the slower stage needs.
#[test]
fn multiply_accumulates_are_drawn() {
    let folder = folder("multiply-accumulate");
    let ask = ["--supply", "0.8,1.1", "--accumulator", "24"];
    let report = characterize(&folder, &ask);
    let whole = &report["multiply_accumulate"];
    assert_eq!((whole["accumulator_bits"].as_u64(), whole["rows"].as_u64()), (Some(24), Some(16)));
    let points = whole["points"].as_array().unwrap();
    for (point, own) in points.iter().zip(report["operating_points"].as_array().unwrap()) {
        assert_eq!((&point["supply_v"], &point["clock_ps"]), (&own["supply_v"], &own["clock_ps"]));
        for stage in ["product", "addition", "sum"] {
            for (value, interval) in [("error_rate", "error_rate_ci95"), ("mean_error", "mean_error_ci95")] {
                let [low, value, high] =
                    [&point[stage][interval][0], &point[stage][value], &point[stage][interval][1]]
                        .map(|number| number.as_f64().unwrap());
                assert!(low <= value && value <= high, "{stage}: {point}");
            }
        }
        let [low, high] = [0, 1].map(|end| point["total_fj_ci95"][end].as_f64().unwrap());
        let total = point["energy"]["total_fj"].as_f64().unwrap();
        assert!(low < total && total < high && high - low < 0.02 * total, "{point}");
        assert!(total > own["energy"]["total_fj"].as_f64().unwrap(), "both stages");
    }
    let rate = |point: usize, stage: &str| points[point][stage]["error_rate"].as_f64().unwrap();
    assert_eq!(rate(1, "sum"), 0.0, "the clock is what both stages need");
    // All transitions, and drawn ones of the same operands.
    let all = error_rates(&report)[0];
    assert!(
        rate(0, "product") > 0.0 && (rate(0, "product") / all - 1.0).abs() < 0.05,
        "{} {all}",
        rate(0, "product")
    );
    assert!(rate(0, "sum") >= rate(0, "product"));
    assert_eq!(characterize(&folder, &[&ask[..], &["--threads", "1"]].concat()), report);

    // A small multiplier waits for its accumulator.
    fs::write(folder.join("d.toml"), "[multiplier]\nfamily = \"array\"\nwidth = 3\n").unwrap();
    let clock = |arguments: &[&str]| characterize(&folder, arguments)["operating_points"][0]["clock_ps"].as_f64();
    let alone = clock(&["--supply", "1.1"]);
    let slow = characterize(&folder, &["--supply", "1.1", "--accumulator", "32"]);
    let path = slow["multiply_accumulate"]["accumulator"]["critical_path_ps"].as_f64().unwrap();
    let waiting = slow["operating_points"][0]["clock_ps"].as_f64();
    assert!(waiting > alone && waiting > Some(path), "{alone:?} {waiting:?}");
    for (arguments, part) in [(["--accumulator", "24"], "operating points"), (["--accumulator", "40"], "1..=32")] {
        let output = axtrain(&folder, &[&["characterize", "d.toml"], &arguments[..]].concat());
        let message = text(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(part), "{message}");
    }
}

/// Tables of transitions in a folder: one simulation for `characterize` and `trace`, the same results, none from a damaged file.
#[test]
fn transitions_are_shared_through_a_folder() {
    let folder = folder("shared-transitions");
    let supplies = ["--supply", "0.8,0.9"];
    let ask = [&supplies[..], &["--cache", "kept/tables"]].concat();
    let tables = || {
        let entries = fs::read_dir(folder.join("kept/tables")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>()
    };
    let fresh = characterize(&folder, &supplies);
    assert_eq!(characterize(&folder, &ask), fresh);
    let [table] = &tables()[..] else { panic!("one table, not {:?}", tables()) };
    let written = fs::metadata(table).unwrap().modified().unwrap();
    assert_eq!(characterize(&folder, &ask), fresh);
    assert!(axtrain(&folder, &[&["trace", "d.toml"], &ask[..]].concat()).status.success());
    assert_eq!(fs::metadata(table).unwrap().modified().unwrap(), written, "taken from there");
    assert_eq!(tables().len(), 1, "the same transitions");
    let mut bytes = fs::read(table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(table, bytes).unwrap();
    assert_eq!(characterize(&folder, &ask), fresh);
    // Other delays are other transitions.
    characterize(&folder, &[&ask[..], &["--delay-model", "by-pin"]].concat());
    assert_eq!(tables().len(), 2);
}

/// Delays that a technology knows by edge and pin are simulated where the command line or the technology file asks for them.
#[test]
fn delays_by_pin_are_simulated_on_request() {
    let folder = folder("delay-models");
    let clock = ["--supply", "0.9,1.1", "--clock-ps", "1250"];
    let with = |more: &[&str]| characterize(&folder, &[&clock[..], more].concat());
    let (plain, averaged) = (with(&[]), with(&["--delay-model", "averaged"]));
    assert_eq!(plain, averaged);
    let (edges, pins) = (with(&["--delay-model", "rise-fall"]), with(&["--delay-model", "by-pin"]));
    for (one, other) in [(&plain, &edges), (&edges, &pins)] {
        assert_ne!(error_rates(one)[0], error_rates(other)[0]);
        assert_ne!(one["structure"]["critical_path_ps"], other["structure"]["critical_path_ps"]);
        assert_eq!(one["structure"]["area_um2"], other["structure"]["area_um2"]);
    }
    let file = format!("delay_model = \"by-pin\"\n{TECHNOLOGY}");
    fs::write(folder.join("pins.toml"), file).unwrap();
    assert_eq!(with(&["--technology", "pins.toml"]), pins);
    assert_eq!(with(&["--technology", "pins.toml", "--delay-model", "averaged"]), plain);
    // The path is listed pin by pin: its steps are the arcs.
    let listed = with(&["--path", "--delay-model", "by-pin"]);
    let steps = listed["static_timing"]["critical_path"].as_array().unwrap();
    let sum: u64 = steps.iter().map(|step| step["delay_ps"].as_u64().unwrap()).sum();
    assert_eq!(sum as f64, listed["structure"]["critical_path_ps"].as_f64().unwrap());
    let whole = with(&["--accumulator", "16", "--delay-model", "by-pin"]);
    assert!(whole["multiply_accumulate"]["points"][0]["sum"]["error_rate"].as_f64().unwrap() > 0.0);
    let output = axtrain(&folder, &["characterize", "d.toml", "--delay-model", "exact"]);
    assert_eq!(output.status.code(), Some(2));
}

/// A technology file that names a Liberty file beside it; a broken one is shown at its line.
#[test]
fn liberty_files_are_read_and_refused_by_line() {
    let folder = folder("liberty");
    let laws = &TECHNOLOGY[TECHNOLOGY.find("[delay_law]").unwrap()..TECHNOLOGY.find("[temperature_law]").unwrap()];
    let technology = format!("name = \"mine\"\n[liberty]\nfiles = [\"mine.lib\"]\n{laws}");
    fs::create_dir_all(folder.join("cells")).unwrap();
    fs::write(folder.join("cells/mine.toml"), technology).unwrap();
    let library = "library (mine) {\n  time_unit : \"1ns\";\n  voltage_unit : \"1V\";\n  leakage_power_unit : \"1nW\";\n  \
                   capacitive_load_unit (1, furlong);\n}\n";
    let ask = ["check", "cells/mine.toml"];
    let output = axtrain(&folder, &ask);
    let message = text(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("mine.lib"), "no such file: {message}");
    fs::write(folder.join("cells/mine.lib"), library).unwrap();
    let output = axtrain(&folder, &ask);
    let message = text(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("mine.lib:5"), "{message}");
    assert!(message.contains("(1, pf)"), "{message}");
}
