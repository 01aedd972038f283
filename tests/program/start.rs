//! Networks that start from weights of another program.

use super::{axtrain, json, root, scratch};
use std::fs;
use std::path::PathBuf;

const EXPERIMENT: &str = r#"
name = "start"
dataset = "digits"
technology = "freepdk45"
memory = "cacti7-45nm-lstp"
array = "edge-16x16"
baseline = "exact"
[model]
layers = [
    { conv = 6, kernel = 3, padding = 1 },
    { pool = "max", window = 2 },
    { conv = 12, kernel = 3 },
]
[training]
methods = ["post-training", "passive"]
start = "digits.safetensors"
seeds = [1]
epochs = 4
batch = 32
learning_rate = 1e-3
[operation]
supply_v = [1.1]
batch = 64
[[designs]]
name = "exact"
family = "array"
signed = true
[[designs]]
name = "truncated"
family = "operand-truncated"
parameters = { a = 3, b = 3 }
signed = true
"#;

fn folder(name: &str, text: &str) -> PathBuf {
    let folder = scratch(name);
    let weights = root().join("sim/tests/data/state_dict/digits.safetensors");
    fs::copy(weights, folder.join("digits.safetensors")).unwrap();
    fs::write(folder.join("e.toml"), text).unwrap();
    folder
}

/// PyTorch's accuracy with these weights is 97.8 %.
#[test]
fn weights_of_another_program_run_and_are_trained_further() {
    let folder = folder("start", EXPERIMENT);
    let records = json(&axtrain(&folder, &["run", "e.toml", "--json", "-q"]));
    let accuracy = |design: &str, method: &str| {
        let of =
            |record: &&serde_json::Value| record["point"]["design"] == design && record["point"]["method"] == method;
        records.as_array().unwrap().iter().find(of).unwrap()["accuracy"].as_f64().unwrap()
    };
    let (as_it_is, approximate) = (accuracy("exact", "post-training"), accuracy("truncated", "post-training"));
    assert!((as_it_is - 0.978).abs() < 0.01, "{as_it_is}");
    assert!(approximate < as_it_is - 0.02, "{approximate}: the multiplier makes a difference");
    let trained = accuracy("truncated", "passive");
    assert!(trained > approximate + 0.02, "{trained} after training, {approximate} before");
    // The rate of learning does not matter where nothing is learnt.
    let faster = EXPERIMENT.replace("1e-3", "5e-3").replace(", \"passive\"", "");
    fs::write(folder.join("e.toml"), faster).unwrap();
    let again = axtrain(&folder, &["run", "e.toml", "--json", "-q"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again[0]["accuracy"], as_it_is);
    // Other weights under the same name are other weights.
    let path = folder.join("digits.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 1000..].fill(0);
    fs::write(&path, bytes).unwrap();
    let other = axtrain(&folder, &["run", "e.toml", "--json", "-q"]);
    let other: serde_json::Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_ne!(other[0]["accuracy"], as_it_is);
}

/// The same weights rounded otherwise: fewer codes lose accuracy, better placed ones less of it.
#[test]
fn weights_are_rounded_as_the_experiment_says() {
    let experiment = EXPERIMENT.replace(", \"passive\"", "");
    let accuracy = |name: &str, quantizer: &str| {
        let folder = folder(name, &experiment.replace("[training]", &format!("{quantizer}\n[training]")));
        let records = json(&axtrain(&folder, &["run", "e.toml", "--json", "-q"]));
        let weights = fs::read(folder.join("runs/start/weights/post-training_s1.safetensors")).unwrap();
        let has = |text: &[u8]| weights.windows(text.len()).any(|window| window == text);
        (records[0]["accuracy"].as_f64().unwrap(), has(b"weights/4"))
    };
    let (usual, is_new) = accuracy("start-8", "");
    assert!(!is_new, "files of usual networks stay as they were");
    let (few, _) = accuracy("start-3", "[quantizer]\nweight_bits = 3");
    let affine = "[quantizer]\nweight_bits = 3\ngranularity = \"per-channel\"\nscheme = \"affine\"";
    let (better, is_new) = accuracy("start-3-affine", affine);
    assert!(
        is_new && few < usual - 0.02 && better > few + 0.01,
        "{usual}, {few} with few codes, {better} well placed"
    );
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let unwrapped = |text: &[u8]| -> String {
        String::from_utf8_lossy(text).chars().filter(|c| !c.is_whitespace() && *c != '│').collect()
    };
    let cases = [
        ("conv = 12", "conv = 13", "layer2needsweightsofshape[13,6,3,3]"),
        ("digits.safetensors", "other.safetensors", "other.safetensors:"),
        ("seeds = [1]", "seeds = [1]\nstart_layers = [\"conv1\", \"conv2\"]", "2namesfor3layers"),
        ("seeds = [1]", "seeds = [1]\ninput_mean = 0.5\ninput_std = 0.5", "padsthemby[1,1]"),
        ("seeds = [1]", "seeds = [1]\ninput_std = [0.5, 0.5]", "2meansordeviations"),
        ("[training]", "[quantizer]\nweight_bits = 12\n[training]", "12bitsofweights"),
        ("seeds = [1]", "seeds = [1]\nstart_layers = [\"conv1\", \"conv2\", \"fc\"]", "nolayerforbn1"),
    ];
    for (from, to, expected) in cases {
        let folder = folder("start-refused", &EXPERIMENT.replacen(from, to, 1));
        let output = axtrain(&folder, &["run", "e.toml"]);
        let message = unwrapped(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected) && message.contains("e.toml:"), "{message}");
        assert!(!folder.join("runs").exists());
    }
}

/// The same network as an ONNX file, which brings its layers along.
#[cfg(feature = "onnx")]
#[test]
fn networks_come_from_onnx_files() {
    let layers = EXPERIMENT.find("layers = [").unwrap()..EXPERIMENT.find("[training]").unwrap();
    let mut text = EXPERIMENT.replace("start = \"digits.safetensors\"\n", "");
    text.replace_range(layers, "onnx = \"digits.onnx\"\n");
    let text = text.replace("[\"post-training\", \"passive\"]", "[\"post-training\"]");
    let from_onnx = folder("start-onnx", &text);
    let file = root().join("sim/tests/data/onnx/digits-dynamo.onnx");
    fs::copy(file, from_onnx.join("digits.onnx")).unwrap();
    let state_dict = EXPERIMENT.replace("[\"post-training\", \"passive\"]", "[\"post-training\"]");
    let from_state_dict = folder("start-onnx-state-dict", &state_dict);
    let [found, expected] = [&from_onnx, &from_state_dict].map(|folder| {
        let run = axtrain(folder, &["run", "e.toml", "--json"]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let records: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let records = records.as_array().unwrap().clone();
        assert_eq!(records.len(), 2);
        records.into_iter().map(|record| record["accuracy"].as_f64().unwrap()).collect::<Vec<f64>>()
    });
    // The exporter rounds where it folds the normalisation.
    assert!(
        found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 0.01),
        "{found:?} {expected:?}"
    );
    assert!(expected[0] > 0.96, "{expected:?}");

    let refused = |text: &str, message: &str| {
        fs::write(from_onnx.join("wrong.toml"), text).unwrap();
        let check = axtrain(&from_onnx, &["check", "wrong.toml"]);
        let shown = String::from_utf8_lossy(&check.stderr).into_owned();
        assert_eq!(check.status.code(), Some(2), "{shown}");
        let plain: String = shown.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
        assert!(plain.contains(&message.replace(' ', "")), "{message}: {shown}");
    };
    refused(&text.replace("\"digits\"", "\"breast-cancer\""), "it gives 10 scores; the data set has 2 classes");
    refused(
        &text.replace("\"digits\"", "\"fashion-mnist\""),
        "layer 3 has 480 weights; on images of this data set it needs",
    );
    refused(&text.replace("digits.onnx", "missing.onnx"), "name a file that torch.onnx.export");
    refused(&text.replace("digits.onnx", "digits.safetensors"), "not a whole ONNX file");
    let twice = text.replace("seeds = [1]", "seeds = [1]\nstart = \"digits.safetensors\"");
    refused(&twice, "leave training.start away");
}
