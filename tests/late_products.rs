//! Networks trained with late products.
#![cfg(feature = "train")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("late-{array}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("e.toml"), EXPERIMENT.replace("edge-32x32", array)).unwrap();
    let program = env!("CARGO_BIN_EXE_axtrain");
    let run = Command::new(program).args(["train", "e.toml"]).current_dir(&folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let weights = String::from_utf8(run.stdout).unwrap();
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
