//! Sweeps as a user runs them: whole, in parts, interrupted, and after every kind of change.

mod chosen;
mod cluster;
mod slurm;

use crate::{axtrain, command, scratch, succeed, text, unwrapped};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Two networks of one epoch on 200 digits, at two supplies, with one design beside the baseline.
const SMALL: &str = r#"
name = "small"
dataset = "digits"
technology = "freepdk45"
memory = "cacti7-45nm-lstp"
array = "edge-16x16"
baseline = "exact"
[model]
hidden = [8]
[training]
methods = ["plain", "passive"]
seeds = [1]
epochs = 1
batch = 32
learning_rate = 5e-3
lambda = 0.003
epsilon = 0.02
images = 200
[operation]
supply_v = [0.85, 1.1]
batch = 16
images = 60
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

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(SMALL.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

/// Four variations; the two that differ in the array only share their networks.
fn sweep() -> String {
    edited(&[("\"edge-16x16\"", "[\"edge-16x16\", \"edge-32x32\"]"), ("hidden = [8]", "hidden = [[8], [4]]")])
}

/// Every file below a folder but the store of points, locks and what only tells who computed it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "slurm" {
                    folders.push(path);
                }
            } else if name != ".lock" {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn assert_same(first: &Path, second: &Path) {
    let (first, second) = (files(first), files(second));
    for (one, other) in [(&first, &second), (&second, &first)] {
        let more: Vec<_> = one.keys().filter(|path| !other.contains_key(*path)).collect();
        assert!(more.is_empty(), "only one of the two has {more:?}");
    }
    for (path, content) in first {
        assert!(second[&path] == content, "{} differs", path.display());
    }
}

#[test]
fn parts_give_what_the_whole_gives() {
    let folder = scratch("sweep-parts");
    fs::write(folder.join("s.toml"), sweep()).unwrap();
    let plan = succeed(&folder, &["sweep", "s.toml", "--dry-run", "-q"]);
    assert!(plan.contains("array: \"edge-16x16\", \"edge-32x32\""), "{plan}");
    assert!(plan.contains("variations   4") && plan.contains("networks     4 (4 to train)"), "{plan}");
    assert!(plan.contains("records      24 (24 to compute)"), "{plan}");

    let shown = succeed(&folder, &["sweep", "s.toml", "--runs", "whole", "-q"]);
    assert!(shown.contains("1-edge-16x16_8") && shown.contains("4-edge-32x32_4"), "{shown}");
    let lines = fs::read_to_string(folder.join("whole/small/records.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 24);
    assert_eq!(records[0]["point"]["settings"]["model.hidden"], "[8]");
    assert_eq!(records[23]["point"]["settings"]["array"], "edge-32x32");
    assert_eq!(records[23]["point"]["array"], "edge-32x32");
    for file in ["report.html", "figures/savings.png", "records.csv", "1-edge-16x16_8/report.html"] {
        assert!(folder.join("whole/small").join(file).is_file(), "{file}");
    }
    let networks = fs::read_dir(folder.join("whole/small/weights")).unwrap();
    let networks = networks.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "safetensors");
    assert_eq!(networks.count(), 4, "networks are shared by variations that differ in the array only");

    // A variation gives what its own experiment gives.
    let own = edited(&[("\"edge-16x16\"", "\"edge-32x32\""), ("hidden = [8]", "hidden = [4]")]);
    fs::write(folder.join("own.toml"), own).unwrap();
    succeed(&folder, &["run", "own.toml", "--runs", "own", "-q"]);
    let own = fs::read_to_string(folder.join("own/small/records.jsonl")).unwrap();
    let own: Vec<serde_json::Value> = own.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(own.len(), 6);
    for (own, swept) in own.iter().zip(&records[18..]) {
        for key in ["accuracy", "energy_uj", "cycles", "product_error_rate"] {
            assert_eq!(own[key], swept[key], "{key}");
        }
    }
    let characterized = |folder: &Path| {
        let mut files = files(folder);
        files.retain(|path, _| path.starts_with("profiles") || path.starts_with("characterization.json"));
        files
    };
    let [alone, swept] = ["own/small", "whole/small/4-edge-32x32_4"].map(|path| characterized(&folder.join(path)));
    assert_eq!(alone.len(), 5, "two designs at two supplies");
    assert!(alone == swept, "profiles are shared, not others");
    let methods = succeed(&folder, &["diff", "whole/small", "--methods", "plain"]);
    assert!(methods.contains("array edge-32x32") && methods.contains("model.hidden [4]"), "{methods}");

    // In parts, at once in one folder and on two machines.
    let parts: Vec<_> = (1..=3)
        .map(|part| {
            let shard = format!("{part}/3");
            let arguments = ["sweep", "s.toml", "--runs", "shared", "--shard", &shard, "-q", "--threads", "1"];
            command(&folder, &arguments).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut part in parts {
        assert!(part.wait().unwrap().success());
    }
    succeed(&folder, &["merge", "s.toml", "--runs", "shared", "-q"]);
    assert_same(&folder.join("whole"), &folder.join("shared"));

    succeed(&folder, &["sweep", "s.toml", "--runs", "here", "--shard", "1/2", "-q"]);
    let incomplete = axtrain(&folder, &["merge", "s.toml", "--runs", "here", "-q"]);
    assert_eq!(incomplete.status.code(), Some(1));
    assert!(unwrapped(&text(&incomplete.stderr)).contains("aremissing,firstof:"), "{}", text(&incomplete.stderr));
    succeed(&folder, &["sweep", "s.toml", "--runs", "there", "--shard", "2/2", "-q"]);
    succeed(&folder, &["merge", "s.toml", "--runs", "here", "--from", "there/small", "-q"]);
    assert_same(&folder.join("whole"), &folder.join("here"));
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_like_one_that_is_not() {
    let folder = scratch("sweep-killed");
    fs::write(folder.join("s.toml"), sweep()).unwrap();
    succeed(&folder, &["sweep", "s.toml", "--runs", "calm", "-q"]);
    // Moments without a pattern, the same in every run of the test.
    let mut state = 12345u64;
    let mut killed = 0;
    for _ in 0..20 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let milliseconds = 20 + (state >> 33) % 1400;
        let mut child =
            command(&folder, &["sweep", "s.toml", "--runs", "killed", "-q"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
    }
    assert!(killed > 5, "only {killed} were killed");
    // What a process that is killed while it writes leaves behind; its number may come again.
    let points = folder.join("killed/small/points");
    fs::create_dir_all(&points).unwrap();
    fs::write(points.join(".half.json.1-0.tmp"), "{").unwrap();
    succeed(&folder, &["sweep", "s.toml", "--runs", "killed", "-q"]);
    assert_same(&folder.join("calm"), &folder.join("killed"));
}

#[test]
fn no_change_of_a_key_leaves_a_stale_result() {
    let folder = scratch("sweep-stale");
    let array = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("hwconfigs/array/edge-16x16.toml"))
        .unwrap();
    fs::write(folder.join("own.toml"), &array).unwrap();
    let edits: &[(&str, &str)] = &[
        ("# nothing changes", "# nothing changes"),
        ("dataset = \"digits\"", "dataset = \"fashion-mnist\""),
        ("cacti7-45nm-lstp", "cacti7-45nm-hp"),
        ("\"edge-16x16\"", "\"own.toml\""),
        ("baseline = \"exact\"", "baseline = \"truncated\""),
        ("hidden = [8]", "hidden = [7]"),
        ("[\"plain\", \"passive\"]", "[\"plain\", \"active\", \"passive\"]"),
        ("seeds = [1]", "seeds = [2]"),
        ("epochs = 1", "epochs = 2"),
        ("batch = 32", "batch = 20"),
        ("learning_rate = 5e-3", "learning_rate = 4e-3"),
        ("images = 200", "images = 190"),
        ("[0.85, 1.1]", "[0.86, 1.1]"),
        ("batch = 16", "batch = 15"),
        ("images = 60", "images = 50"),
        ("[operation]", "[operation]\nclock_ps = 1500"),
        ("family = \"array\"", "family = \"wallace\""),
        ("{ a = 3, b = 3 }", "{ a = 3, b = 2 }"),
        ("name = \"truncated\"", "name = \"cut\""),
    ];
    fs::write(folder.join("e.toml"), format!("# nothing changes\n{SMALL}")).unwrap();
    succeed(&folder, &["run", "e.toml", "--runs", "used", "-q"]);
    for (from, to) in edits {
        let text = fs::read_to_string(folder.join("e.toml")).unwrap();
        let text = if text.contains("# nothing changes") { text } else { format!("# nothing changes\n{SMALL}") };
        assert!(text.contains(from), "{from}");
        fs::write(folder.join("edited.toml"), text.replacen(from, to, 1)).unwrap();
        succeed(&folder, &["run", "edited.toml", "--runs", "used", "-q"]);
        let _ = fs::remove_dir_all(folder.join("fresh"));
        succeed(&folder, &["run", "edited.toml", "--runs", "fresh", "-q"]);
        for file in ["records.jsonl", "records.csv", "characterization.json"] {
            let read = |runs: &str| fs::read_to_string(folder.join(runs).join("small").join(file)).unwrap();
            assert!(read("used") == read("fresh"), "{file} is stale after {from} became {to}");
        }
    }

    // A file that is named changes, not its name.
    fs::write(folder.join("edited.toml"), SMALL.replacen("\"edge-16x16\"", "\"own.toml\"", 1)).unwrap();
    assert!(array.contains("rows = 16"));
    fs::write(folder.join("own.toml"), array.replacen("rows = 16", "rows = 8", 1)).unwrap();
    let _ = fs::remove_dir_all(folder.join("fresh"));
    for runs in ["used", "fresh"] {
        succeed(&folder, &["run", "edited.toml", "--runs", runs, "-q"]);
    }
    let read = |runs: &str| fs::read_to_string(folder.join(runs).join("small/records.jsonl")).unwrap();
    assert_eq!(read("used"), read("fresh"));
}

#[test]
fn what_cannot_be_swept_is_refused_with_its_place() {
    let folder = scratch("sweep-refused");
    let refused = |text: &str, arguments: &[&str], parts: &[&str]| {
        fs::write(folder.join("s.toml"), text).unwrap();
        let output = axtrain(&folder, arguments);
        let message = unwrapped(&self::text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{message}");
        for part in parts {
            assert!(message.contains(part), "{part} is not in {message}");
        }
        assert!(!folder.join("runs").exists(), "nothing is written");
    };
    refused(&sweep(), &["run", "s.toml"], &["arrayisalist", "axtrainsweep", "[\"edge-16x16\","]);
    refused(&edited(&[("epochs = 1", "epochs = []")]), &["sweep", "s.toml"], &["axiswithoutpoints", "epochs=[]"]);
    refused(
        &edited(&[("epochs = 1", "epochs = [1, 0]")]),
        &["sweep", "s.toml"],
        &["training.epochs=0", "mustnotbe0"],
    );
    refused(&edited(&[("\"small\"", "[\"a\", \"b\"]")]), &["sweep", "s.toml"], &["twonames"]);
    refused(SMALL, &["sweep", "s.toml", "--shard", "3/2"], &["1/4to4/4"]);
    let many = edited(&[
        ("epochs = 1", &format!("epochs = [{}]", (1..400).map(|n| n.to_string()).collect::<Vec<_>>().join(","))),
        ("batch = 32", &format!("batch = [{}]", (1..400).map(|n| n.to_string()).collect::<Vec<_>>().join(","))),
    ]);
    refused(&many, &["sweep", "s.toml"], &["morethan100000variations"]);
    let cluster = |line: &str| format!("{SMALL}[cluster]\n{line}\n");
    refused(&cluster("shards = 0"), &["sweep", "s.toml"], &["mustnotbe0"]);
    refused(&cluster("time = \"1\\n2\""), &["sweep", "s.toml"], &["cannotstandinajobscript"]);
    let unwritable = folder.join("file");
    fs::write(&unwritable, "").unwrap();
    fs::write(folder.join("s.toml"), SMALL).unwrap();
    let output = axtrain(&folder, &["sweep", "s.toml", "--runs", "file"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(unwrapped(&text(&output.stderr)).contains("cannotwritefile/small"), "{}", text(&output.stderr));
}

/// Tables of transitions are simulated once; a damaged one, and one of another multiplier or supply, anew.
#[test]
fn tables_of_transitions_are_kept_and_never_stale() {
    let folder = scratch("kept-tables");
    fs::write(folder.join("s.toml"), SMALL).unwrap();
    let run = || succeed(&folder, &["run", "s.toml", "-q"]);
    run();
    let root = folder.join("runs/small");
    let tables = || {
        let kept = fs::read_dir(root.join("transitions")).unwrap().map(|entry| entry.unwrap().path());
        let state = |path: &PathBuf| (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap());
        kept.map(|path| (path.clone(), state(&path))).collect::<BTreeMap<_, _>>()
    };
    let (first, records) = (tables(), fs::read(root.join("records.jsonl")).unwrap());
    assert_eq!(first.len(), 2, "one for each design");
    // All that is computed from them is gone.
    let forget = || {
        fs::remove_dir_all(root.join("points")).unwrap();
        fs::remove_file(root.join("characterization.json")).unwrap();
    };
    forget();
    run();
    assert!(tables() == first, "not written again");
    assert_eq!(fs::read(root.join("records.jsonl")).unwrap(), records);
    let (path, (bytes, _)) = first.iter().next().unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    for content in [&damaged[..], &bytes[..bytes.len() / 3], &[]] {
        fs::write(path, content).unwrap();
        forget();
        run();
        assert!(fs::read(path).unwrap() == *bytes, "computed again");
        assert_eq!(fs::read(root.join("records.jsonl")).unwrap(), records);
    }
    fs::write(folder.join("s.toml"), edited(&[("[0.85, 1.1]", "[0.9, 1.1]")])).unwrap();
    run();
    assert_eq!(tables().len(), 4, "another supply is another table");
    let simulated = succeed(&folder, &["run", "s.toml", "--runs", "fresh", "-q"]);
    assert_eq!(succeed(&folder, &["run", "s.toml", "-q"]), simulated.replace("fresh/", "runs/"));
}
