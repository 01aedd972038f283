//! How much the hardware's errors raise the loss of trained networks.

use super::{axtrain, json, scratch};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::{Family, MultiplierSpec};
use axtrain_sim::workload::{Dataset, Flow, Network, WeightsFile, pixel_code};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const EXPERIMENT: &str = r#"
name = "s"
dataset = "digits"
technology = "freepdk45"
memory = "cacti7-45nm-lstp"
array = "edge-16x16"
baseline = "exact"
[model]
hidden = [16, 12]
[training]
methods = ["plain", "active"]
seeds = [1, 2]
epochs = 3
batch = 32
learning_rate = 5e-3
[operation]
supply_v = [0.9, 1.1]
batch = 64
[[designs]]
name = "exact"
family = "array"
signed = true
[[designs]]
name = "twin"
family = "array"
signed = true
[[designs]]
name = "truncated"
family = "operand-truncated"
parameters = { a = 4, b = 3 }
signed = true
"#;

fn folder(name: &str, experiment: &str) -> PathBuf {
    let folder = scratch(name);
    fs::write(folder.join("e.toml"), experiment).unwrap();
    folder
}

fn measured(folder: &Path, more: &[&str]) -> Value {
    let arguments = [&["sensitivity", "e.toml", "--json"], more].concat();
    json(&axtrain(folder, &arguments))
}

/// Mean of −ln of the right class's share of the softmax, layer after layer on its own multiplier.
fn loss(network: &Network, gemms: &[&TableGemm], codes: &[u8], labels: &[u8]) -> f64 {
    let mut flow = Flow::new(network, codes);
    let mut scores = Vec::new();
    for (layer, gemm) in network.layers().iter().zip(gemms) {
        let sums = layer.accumulate(gemm, flow.input());
        scores = flow.finish(layer, sums).unwrap_or_default();
    }
    let last = network.layers().last().unwrap();
    let unit = f64::from(last.input_scale * last.weight_scale);
    let of_image = |(scores, label): (&[i32], &u8)| {
        let powers: Vec<f64> = scores.iter().map(|&score| (unit * f64::from(score)).exp()).collect();
        -(powers[usize::from(*label)] / powers.iter().sum::<f64>()).ln()
    };
    scores.chunks(network.outputs()).zip(labels).map(of_image).sum::<f64>() / labels.len() as f64
}

fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

#[test]
fn losses_are_those_of_the_weights_on_each_multiplier() {
    let folder = folder("sensitivity", EXPERIMENT);
    assert_eq!(axtrain(&folder, &["sensitivity", "e.toml"]).status.code(), Some(2), "nothing is trained yet");
    assert!(axtrain(&folder, &["train", "e.toml"]).status.success());
    let report = measured(&folder, &[]);
    assert_eq!(report["schema"], "axtrain/sensitivity/1");
    let networks = report["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 8, "two designs beside the baseline, two methods, two seeds");

    let digits = Dataset::embedded("digits").unwrap();
    let (codes, labels): (Vec<u8>, &[u8]) =
        (digits.test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect(), digits.test.labels());
    let gemm = |family| TableGemm::new(&MultiplierSpec::new("m", family, 8, 8, true).unwrap().table().unwrap());
    let (exact, truncated) = (gemm(Family::Array), gemm(Family::OperandTruncated { a: 4, b: 3 }));
    for network in networks {
        let [method, seed] = ["method", "seed"].map(|key| network[key].to_string().replace('"', ""));
        let bytes = fs::read(folder.join(format!("runs/s/weights/{method}_s{seed}.safetensors"))).unwrap();
        let weights = WeightsFile::from_bytes(&bytes).unwrap().network;
        let loss = |gemms: [&TableGemm; 3]| loss(&weights, &gemms, &codes, labels);
        let clean = loss([&exact; 3]);
        close(&network["clean"]["loss"], clean);
        let layers = network["layers"].as_array().unwrap();
        if network["hardware"] == "twin at 1.10 V" {
            assert_eq!(network["clean"], network["disturbed"]);
            assert!(layers.iter().all(|layer| layer["alone"] == 0.0 && layer["curvature"] == 0.0), "{network}");
            continue;
        }
        assert_eq!(network["hardware"], "truncated at 1.10 V");
        close(&network["disturbed"]["loss"], loss([&truncated; 3]));
        for (layer, found) in layers.iter().enumerate() {
            let mut gemms = [&exact; 3];
            gemms[layer] = &truncated;
            close(&found["alone"], loss(gemms) - clean);
            assert!(found["curvature"].as_f64().unwrap() > 0.0);
        }
    }
    // Late products raise the twin's loss.
    let late = measured(&folder, &["--supply-v", "0.9"]);
    let twin = &late["networks"][0];
    assert_eq!(twin["hardware"], "twin at 0.90 V");
    assert!(twin["disturbed"]["loss"].as_f64().unwrap() > twin["clean"]["loss"].as_f64().unwrap() + 0.1, "{twin}");
    let refused = axtrain(&folder, &["sensitivity", "e.toml", "--supply-v", "1.0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("its supplies are 0.9, 1.1"));
}

/// Errors of weights in failing cells have a mean of almost zero: the second derivatives tell about what they do.
#[test]
fn failing_cells_raise_the_loss_about_as_expected() {
    let faults = "[memory_faults]\nmodel = \"14nm-6t\"\nvmin_v = 0.8\nbit_error_rate = [2e-4, 0.02]\nchips = 40\n[[memory_faults.schemes]]\nname = \"plain\"\n";
    let text = EXPERIMENT.replace("[[designs]]\nname = \"twin\"", &format!("{faults}[[designs]]\nname = \"twin\""));
    let text = text.replace("seeds = [1, 2]", "seeds = [1]").replace("[\"plain\", \"active\"]", "[\"plain\"]");
    let text = text.replace("supply_v = [0.9, 1.1]", "supply_v = 1.1");
    let folder = folder("sensitivity-memory", &text);
    assert!(axtrain(&folder, &["train", "e.toml"]).status.success());
    let report = measured(&folder, &[]);
    let networks = report["networks"].as_array().unwrap();
    let names: Vec<&str> = networks.iter().map(|network| network["hardware"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].contains("0.02 % of cells fail") && names[1].contains("2.00 %"), "{names:?}");
    let sum = |network: &Value, key: &str| {
        network["layers"].as_array().unwrap().iter().map(|layer| layer[key].as_f64().unwrap()).sum::<f64>()
    };
    for network in networks {
        assert!(network["disturbed"]["loss"].as_f64().unwrap() > network["clean"]["loss"].as_f64().unwrap());
    }
    let (found, expected) = (sum(&networks[1], "alone"), sum(&networks[1], "curvature"));
    assert!((0.5..2.0).contains(&(found / expected)), "{found} is not about {expected}");
}
