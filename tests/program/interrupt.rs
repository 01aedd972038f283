//! Ctrl-C while networks are trained.

use super::{command, scratch, smoke, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// Training of a network of two layers for so many epochs, its runs in `runs`.
fn train(folder: &Path, runs: &str) -> Command {
    let mut train = command(folder, &["train", "e.toml", "--runs", runs]);
    train.stdout(Stdio::null()).stderr(Stdio::piped());
    train
}

fn experiment(epochs: usize, more: &str) -> String {
    let text = smoke().replace("epochs = 5", &format!("epochs = {epochs}\n{more}"));
    let text = text.replace("methods = [\"plain\", \"passive\"]", "methods = [\"plain\"]");
    text.replace("seeds = [1, 2]", "seeds = [1]").replace("clean_epochs = 1\n", "")
}

/// The file of this extension among a run's weights, once it is there.
fn file(folder: &Path, runs: &str, extension: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder.join(runs).join("smoke/weights")).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|found| found == extension))
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(status.success());
}

#[test]
fn the_first_interrupt_keeps_what_is_done_and_the_next_run_ends_with_the_same_bytes() {
    let folder = scratch("interrupt");
    for more in [
        "optimizer = \"sgd\"\nmomentum = 0.9\naugment = [\"shift\", \"flip\"]",
        "optimizer = \"adamw\"\nweight_decay = 0.01",
    ] {
        let (whole, parts) =
            (more.replace(|c: char| !c.is_ascii_alphanumeric(), ""), format!("parts-{}", more.len()));
        fs::write(folder.join("e.toml"), experiment(120, more)).unwrap();
        let mut child = train(&folder, &parts).spawn().expect("the program starts");
        let start = Instant::now();
        while file(&folder, &parts, "checkpoint").is_none() {
            assert!(child.try_wait().unwrap().is_none() && start.elapsed() < PATIENCE, "no checkpoint yet");
            std::thread::sleep(Duration::from_millis(5));
        }
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{message}");
        assert_eq!(message.matches("run the same command again").count(), 1, "{message}");
        assert!(file(&folder, &parts, "safetensors").is_none(), "it was stopped before its end");
        let checkpoint = fs::read(file(&folder, &parts, "checkpoint").unwrap()).unwrap();

        assert!(train(&folder, &parts).output().unwrap().status.success());
        assert!(train(&folder, &whole).output().unwrap().status.success());
        let bytes = |runs: &str| fs::read(file(&folder, runs, "safetensors").unwrap()).unwrap();
        assert!(bytes(&parts) == bytes(&whole), "{more}");
        let curve = |runs: &str| fs::read(file(&folder, runs, "csv").unwrap()).unwrap();
        assert!(curve(&parts) == curve(&whole) && !checkpoint.is_empty());
        assert!(file(&folder, &parts, "checkpoint").is_none());
    }
}
