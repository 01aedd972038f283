//! The program as a user meets it.

mod commands;
mod cycles;
#[cfg(feature = "train")]
mod fidelity;
mod formats;
#[cfg(all(unix, feature = "train"))]
mod interrupt;
#[cfg(feature = "train")]
mod late_products;
mod memory;
mod operating_points;
#[cfg(feature = "train")]
mod sensitivity;
#[cfg(feature = "train")]
mod start;
#[cfg(feature = "train")]
mod sweep;
mod trace;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, about to run in a folder.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axtrain"));
    command.args(arguments).current_dir(folder);
    command
}

fn axtrain(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program starts")
}

/// What it prints if all goes well.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = axtrain(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What it printed, all having gone well.
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document and nothing else")
}

/// A fresh folder for one test.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The experiment that is run in a few seconds.
fn smoke() -> String {
    fs::read_to_string(root().join("hwconfigs/experiment/smoke.toml")).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A message without its line breaks, margins and spaces, which depend on where lines are wrapped.
fn unwrapped(message: &str) -> String {
    message.chars().filter(|c| !c.is_whitespace() && *c != '│').collect()
}
