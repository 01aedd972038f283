//! `axtrain trace` as a user meets it, and its files as NumPy reads them.

use super::{axtrain, scratch, succeed, text};
use axtrain_sim::workload::{
    Convolution, FloatLayer, Network, QuantizedLayer, Quantizer, Requantize, WeightsFile, Wiring,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fresh folder with a small design.
fn folder(name: &str, design: &str) -> PathBuf {
    let folder = scratch(name);
    fs::write(folder.join("d.toml"), format!("[multiplier]\n{design}\n")).unwrap();
    folder
}

/// A Python that has NumPy, if there is one.
fn python() -> Option<&'static str> {
    let has_numpy = |python: &&str| {
        let output = Command::new(python).args(["-c", "import numpy"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_numpy);
    if found.is_none() {
        eprintln!("skipped: no python3 with NumPy; `apt-get install python3-numpy` brings one");
    }
    found
}

/// Runs a script in `folder`; its assertions are the test's.
fn run_python(python: &str, folder: &Path, script: &str) {
    let output = Command::new(python).arg("-c").arg(script).current_dir(folder).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

const SMALL: &str = "family = \"operand-truncated\"\nparameters = { a = 1, b = 1 }\nwidth = [6, 5]\nname = \"small\"";

#[test]
fn operating_points_are_the_cross_product_a_file_each() {
    let folder = folder("trace-points", SMALL);
    let arguments = ["trace", "d.toml", "--supply", "0.8:1.1:0.15", "--clock-ps", "900,1000", "--out", "t", "--json"];
    let report: serde_json::Value = serde_json::from_str(&succeed(&folder, &arguments)).unwrap();
    let names: Vec<&str> =
        report.as_array().unwrap().iter().map(|point| point["profile"].as_str().unwrap()).collect();
    let expected =
        ["0.800V_900ps", "0.800V_1000ps", "0.950V_900ps", "0.950V_1000ps", "1.100V_900ps", "1.100V_1000ps"];
    assert_eq!(names, expected.map(|point| format!("t/small@{point}.npz")));
    for name in names {
        assert!(folder.join(name).metadata().unwrap().len() > 1000);
    }
    let rate = |index: usize| report[index]["error_rate"].as_f64().unwrap();
    assert!(rate(0) > rate(1) && rate(0) > rate(2) && rate(5) == 0.0, "{report}");
    // Once more to the same bytes, on one thread.
    let first = fs::read(folder.join("t/small@0.800V_900ps.npz")).unwrap();
    succeed(&folder, &["trace", "d.toml", "--supply", "0.8", "--clock-ps", "900", "--threads", "1"]);
    assert!(fs::read(folder.join("traces/small@0.800V_900ps.npz")).unwrap() == first);
}

#[test]
fn figures_are_drawn_and_fits_reported() {
    let folder = folder("trace-figures", SMALL);
    let arguments = ["trace", "d.toml", "--supply", "0.8,1.1", "--clock-ps", "900", "--figures", "-q"];
    let report = succeed(&folder, &arguments);
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    for model in ["normal", "Laplace", "two-sided geometric", "spike and normal", "KS", "AIC"] {
        assert!(report.contains(model), "{model} is not in\n{report}");
    }
    for figure in ["error-voltage", "bit-flips", "error-histogram", "operand-map@0.800V", "error-fit@0.800V"] {
        for extension in ["svg", "png"] {
            let path = folder.join(format!("traces/figures/small@900ps_{figure}.{extension}"));
            assert!(path.metadata().is_ok_and(|file| file.len() > 1000), "{}", path.display());
        }
    }
}

#[test]
fn impossible_traces_are_refused() {
    let folder = folder("trace-wrong", SMALL);
    let cases: [(&[&str], &str); 6] = [
        (&["--supply", "9"], "9 V"),
        (&["--supply", "0.9", "--clock-ps", "0"], "a clock period of 0 ps"),
        (&["--clock-ps", "100"], "100 ps"),
        (&["--clock-ps", "fast"], "fast"),
        (&["--activation-bits", "7"], "7 bits"),
        (&["--activation-bits", "0"], "0 bits"),
    ];
    for (arguments, expected) in cases {
        let output = axtrain(&folder, &[&["trace", "d.toml"], arguments].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{expected} is not in\n{message}");
        assert!(!folder.join("traces").exists());
    }
}

#[test]
fn a_csv_trace_is_read_again_as_operands() {
    let folder = folder("trace-csv", SMALL);
    let point = ["--supply", "0.8", "--clock-ps", "900"];
    let samples = ["trace", "d.toml", "--samples", "500", "--format", "csv", "--seed", "4"];
    let report = succeed(&folder, &[&samples[..], &point].concat());
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    let first = fs::read_to_string(folder.join("traces/small@0.800V_900ps.trace.csv")).unwrap();
    let (metadata, rows) = first.split_once('\n').unwrap();
    let metadata: serde_json::Value = serde_json::from_str(metadata.trim_start_matches('#')).unwrap();
    assert_eq!((&metadata["schema"], &metadata["seed"]), (&"axtrain/trace/1".into(), &4.into()));
    assert_eq!(rows.lines().count(), 501);
    fs::write(folder.join("o.csv"), &first).unwrap();
    let again = ["trace", "d.toml", "--operands", "o.csv", "--samples", "200", "--format", "csv", "--out", "again"];
    succeed(&folder, &[&again[..], &point].concat());
    let second = fs::read_to_string(folder.join("again/small@0.800V_900ps.trace.csv")).unwrap();
    // The same operations make the same rows; this time none was drawn.
    assert_eq!(second.lines().skip(1).collect::<Vec<_>>(), rows.lines().take(201).collect::<Vec<_>>());
    assert!(second.lines().next().unwrap().contains("\"seed\":null"));

    fs::write(folder.join("o.csv"), "previous,activation,weight\n1,2,3\n1,2,99\n").unwrap();
    let output = axtrain(&folder, &["trace", "d.toml", "--operands", "o.csv"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for part in ["o.csv", "line 3", "weight", "99", "5 bits"] {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }
}

/// A run's folder as a layer of two inputs and two outputs would leave it, on 8 × 8 digits.
fn run_folder(folder: &Path) {
    let experiment =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("hwconfigs/experiment/smoke.toml"));
    fs::create_dir_all(folder.join("run/weights")).unwrap();
    fs::write(folder.join("run/experiment.toml"), experiment.unwrap()).unwrap();
    let dense = |name: &str, inputs: usize, outputs: usize, requantize| QuantizedLayer {
        name: name.into(),
        convolution: Convolution::connected([inputs, 1, 1], outputs).unwrap(),
        pooling: None,
        weights: (0..inputs * outputs).map(|place| ((place * 37 % 9) as i8 - 4) * 20).collect(),
        bias: vec![0; outputs],
        input_scale: 1.0,
        weight_scale: 1.0,
        requantize,
        channel_requantize: None,
        wiring: Wiring::default(),
        residual_scaling: None,
        quantizer: Quantizer::default(),
    };
    let layers = vec![dense("fc1", 64, 6, Requantize::from_factor(0.004)), dense("fc2", 6, 10, None)];
    let float = layers.iter().map(|layer| FloatLayer {
        weights: layer.weights.iter().map(|&weight| f32::from(weight)).collect(),
        bias: vec![0.0; layer.outputs()],
    });
    let float = float.collect();
    let file = WeightsFile { network: Network::new(layers).unwrap(), float, fingerprint: "made up".into() };
    fs::write(folder.join("run/weights/plain_s1.safetensors"), file.to_bytes()).unwrap();
}

#[test]
fn a_network_is_traced_layer_by_layer() {
    let folder = folder("trace-network", "family = \"array\"\nsigned = true\nname = \"exact\"");
    run_folder(&folder);
    let arguments = [
        "trace",
        "d.toml",
        "--supply",
        "0.8",
        "--clock-ps",
        "1500",
        "--from-run",
        "run",
        "--samples",
        "3000",
        "--json",
    ];
    let report: serde_json::Value = serde_json::from_str(&succeed(&folder, &arguments)).unwrap();
    let layers: Vec<&str> = report.as_array().unwrap().iter().map(|layer| layer["layer"].as_str().unwrap()).collect();
    assert_eq!(layers, ["fc1", "fc2"]);
    for (layer, summary) in layers.iter().zip(report.as_array().unwrap()) {
        assert_eq!(summary["profile"], format!("traces/exact@0.800V_1500ps_{layer}.npz"));
        assert!(summary["stimulus"].as_str().unwrap().contains(&format!("{layer} of smoke/plain_s1")));
        assert!(folder.join(summary["trace"].as_str().unwrap()).is_file());
    }
    for summary in report.as_array().unwrap() {
        let ratio = |part: &str| summary["snr_db"][part].as_f64();
        // The products settle to the exact ones, so all noise is timing noise.
        assert_eq!((summary["wmed"].as_f64(), ratio("approximation")), (Some(0.0), None));
        assert_eq!(ratio("timing"), ratio("total"));
    }
    if let Some(python) = python() {
        let script = r#"
import json, numpy
for layer in ["fc1", "fc2"]:
    profile = numpy.load(f"traces/exact@0.800V_1500ps_{layer}.npz")
    trace = numpy.load(f"traces/exact@0.800V_1500ps_{layer}.trace.npz")
    previous, activation, weight = (trace[key].astype(int) for key in ["previous", "activation", "weight"])
    value = weight - 256 * (weight > 127)
    assert len(previous) == 3000 and (trace["settled"] == activation * value).all()
    window = json.loads(bytes(trace["metadata"]))["window_ps"]
    late = trace["last_change_ps"] >= window
    assert (trace["sampled"][~late] == trace["settled"][~late]).all() and (trace["energy_fj"] >= 0).all()
    # Only operands that the stimulus has, every batch between zeros, and zeros as often as it says: within 5 deviations.
    assert (profile["stimulus"][previous, activation] > 0).all() and (profile["weight_prob"][weight] > 0).all()
    zeros = profile["stimulus"][0].sum()
    assert 0 < zeros < 1 and abs((previous == 0).mean() - zeros) < 5 * (zeros * (1 - zeros) / 3000) ** 0.5
    rate = profile["timing_pmf_prob"][profile["timing_pmf_value"] != 0].sum()
    found = (trace["sampled"] != trace["settled"]).mean()
    assert abs(found - rate) < 5 * (rate / 3000) ** 0.5 + 0.02, (layer, found, rate)
"#;
        run_python(python, &folder, script);
    }
    for (arguments, expected) in [(["--from-run", "nowhere"], "nowhere"), (["--from-run", "."], "experiment.toml")] {
        let output = axtrain(&folder, &[&["trace", "d.toml"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected));
    }
    let output = axtrain(&folder, &["trace", "d.toml", "--from-run", "run", "--network", "passive_s9"]);
    let message = text(&output.stderr);
    assert!(
        output.status.code() == Some(2) && message.contains("passive_s9") && message.contains("plain_s1"),
        "{message}"
    );
}

#[test]
fn numpy_reads_a_profile() {
    let Some(python) = python() else { return };
    let folder = folder("trace-numpy", SMALL);
    succeed(&folder, &["trace", "d.toml", "--supply", "0.8", "--clock-ps", "900"]);
    let script = r#"
import hashlib, json, numpy
profile = numpy.load("traces/small@0.800V_900ps.npz", allow_pickle=False)
about = json.loads(bytes(profile["metadata"]))
assert about["schema"] == "axtrain/profile/3" and about["supply_v"] == 0.8 and about["clock_ps"] == 900
a, b = numpy.arange(64)[:, None], numpy.arange(32)[None, :]
product = profile["product"]
assert product.dtype == "<i4" and (product == (a & ~1) * (b & ~1)).all()
assert hashlib.sha256(product.tobytes()).hexdigest() == about["table_sha256"]
shapes = {"stimulus": (64, 64), "weight_prob": (32,), "error_rate": (64, 32), "error_mean": (64, 32),
    "error_var": (64, 32), "energy_fj": (64, 32), "bit_flip_01": (11,), "bit_flip_10": (11,), "class_pmf_start": (7 * 6 + 1,)}
dtypes = {"stimulus": "<f8", "weight_prob": "<f8", "bit_flip_01": "<f8", "bit_flip_10": "<f8", "class_pmf_start": "<u4"}
for key, shape in shapes.items():
    values = profile[key]
    assert values.shape == shape and values.dtype == dtypes.get(key, "<f4"), key
    assert numpy.isfinite(values).all(), key
for key in ["error_rate", "bit_flip_01", "bit_flip_10"]:
    assert (profile[key] >= 0).all() and (profile[key] <= 1).all() and profile[key].max() > 0, key
# The mass functions have the moments that the per-operand arrays have together.
def moments(prefix):
    value, probability = profile[prefix + "pmf_value"].astype(float), profile[prefix + "pmf_prob"]
    assert abs(probability.sum() - 1) < 1e-9 and (numpy.diff(value) > 0).all()
    return probability[value != 0].sum(), (value * probability).sum()
operands = profile["stimulus"].sum(axis=0)[:, None] * profile["weight_prob"][None, :]
rate, mean = (operands * profile["error_rate"]).sum(), (operands * profile["error_mean"]).sum()
assert numpy.allclose(moments("timing_"), (rate, mean), rtol=1e-5)
approximation = (operands * (product - a * b)).sum()
assert abs(moments("approximation_")[1] - approximation) < 1e-9
assert abs(moments("")[1] - approximation - mean) < 1e-4 * abs(approximation)
# Products with a zero operand are never wrong for long: activations of no bits have a class of their own.
start, probability = profile["class_pmf_start"], profile["class_pmf_prob"]
assert start[0] == 0 and start[-1] == len(probability)
for first, last in zip(start[:-1], start[1:]):
    assert abs(probability[first:last].sum() - 1) < 1e-9
"#;
    run_python(python, &folder, script);
}
