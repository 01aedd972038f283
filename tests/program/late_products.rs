//! Networks trained with late products.

use super::{scratch, succeed};
use std::fs;
use std::path::Path;

/// Without clean epochs: errors reach the first step, which no scale is known before.
const EXPERIMENT: &str = r#"
name = "late"
dataset = "digits"
technology = "freepdk45"
memory = "cacti7-45nm-lstp"
array = "edge-32x32"
baseline = "exact"
[model]
hidden = [16]
[training]
methods = ["passive"]
seeds = [1]
epochs = 2
batch = 32
learning_rate = 5e-3
images = 200
supply_v = 0.9
[operation]
supply_v = [0.9, 1.1]
images = 50
batch = 50
[[designs]]
name = "exact"
family = "array"
signed = true
"#;

/// The network that is trained where an array does this with late products.
fn trained(array: &str) -> Vec<u8> {
    let folder = scratch(&format!("late-{array}"));
    fs::write(folder.join("e.toml"), EXPERIMENT.replace("edge-32x32", array)).unwrap();
    let weights = succeed(&folder, &["train", "e.toml"]);
    fs::read(folder.join(Path::new(weights.trim()))).unwrap()
}

#[test]
fn networks_are_trained_for_what_the_array_does_with_late_products() {
    let [captured, dropped] = ["edge-32x32", "edge-drop-32x32"].map(trained);
    // Behind the header, which holds a hash of the settings.
    let weights = |file: &[u8]| {
        let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        file[8 + header..].to_vec()
    };
    assert_eq!(weights(&captured).len(), weights(&dropped).len());
    assert_ne!(weights(&captured), weights(&dropped));
}
