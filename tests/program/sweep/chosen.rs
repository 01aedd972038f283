//! Sweeps that compute or report only some of their variations.

use super::{assert_same, edited};
use crate::{axtrain, scratch, succeed, text, unwrapped};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Two arrays and three networks, trained for one, two and four epochs.
fn race(choice: &str) -> String {
    let swept = edited(&[
        ("\"edge-16x16\"", "[\"edge-16x16\", \"edge-32x32\"]"),
        ("hidden = [8]", "hidden = [[8], [16], [4]]"),
        ("epochs = 1", "epochs = [1, 2, 4]"),
    ]);
    swept + choice
}

const HALVING: &str = "[sweep]\nsuccessive_halving = \"training.epochs\"\nkeep = 0.4\nwithin_points = 2.0\n";

fn records(folder: &Path) -> Vec<serde_json::Value> {
    let lines = fs::read_to_string(folder.join("small/records.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

type Candidate = (String, String);

/// For each candidate the accuracy of its baseline, and energy and accuracy of all its points.
type Race = BTreeMap<Candidate, (f64, Vec<(f64, f64)>)>;

/// What is to be compared at one expense. Every candidate has one seed.
fn race_of(records: &[serde_json::Value], epochs: &str) -> Race {
    let mut race = Race::new();
    for record in records.iter().filter(|record| record["point"]["settings"]["training.epochs"] == epochs) {
        let setting = |key: &str| record["point"]["settings"][key].as_str().unwrap().to_owned();
        let place = race.entry((setting("array"), setting("model.hidden"))).or_default();
        let accuracy = record["accuracy"].as_f64().unwrap();
        place.1.push((record["energy_uj"]["total"].as_f64().unwrap(), accuracy));
        if record["point"]["design"] == "exact" && record["point"]["supply_v"] == 1.1 {
            place.0 = accuracy;
        }
    }
    race
}

/// The best `count`, the plain way.
fn best(race: &Race, count: usize) -> BTreeSet<Candidate> {
    let accepted = race.values().map(|(reference, _)| *reference).fold(0.0, f64::max) - 0.02;
    let mut order: Vec<(f64, f64, &Candidate)> = Vec::new();
    for (candidate, (_, points)) in race {
        let good = points.iter().filter(|(_, accuracy)| *accuracy >= accepted).map(|(energy, _)| *energy);
        let most = points.iter().map(|(_, accuracy)| *accuracy).fold(0.0, f64::max);
        // Nobody needs more than a joule.
        order.push((good.fold(1e6, f64::min), -most, candidate));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    order.into_iter().take(count).map(|(_, _, candidate)| candidate.clone()).collect()
}

#[test]
fn successive_halving_goes_on_with_the_better_candidates() {
    let folder = scratch("halving");
    fs::write(folder.join("s.toml"), race(HALVING)).unwrap();
    let plan = succeed(&folder, &["sweep", "s.toml", "--dry-run", "-q"]);
    assert!(plan.contains("6 of 18 (rung 1 of 3, 6 of 6 candidates)"), "{plan}");
    succeed(&folder, &["sweep", "s.toml", "--runs", "race", "-q"]);

    // 40 % of six, rounded up, then of those.
    let run = records(&folder.join("race"));
    let mut expected: BTreeSet<Candidate> = race_of(&run, "1").into_keys().collect();
    for (epochs, count) in [("1", 6), ("2", 3), ("4", 2)] {
        let rung = race_of(&run, epochs);
        assert_eq!(rung.len(), count, "{epochs} epochs");
        assert_eq!(rung.keys().cloned().collect::<BTreeSet<_>>(), expected, "{epochs} epochs");
        expected = best(&rung, (count * 2).div_ceil(5));
    }

    // In parts, which meet at each rung.
    for rung in 1..=3 {
        for shard in ["1/2", "2/2"] {
            let said = succeed(&folder, &["sweep", "s.toml", "--runs", "parts", "--shard", shard, "-q"]);
            // The second part may complete the rung, but does not go on by itself.
            assert_eq!(said.contains(&format!("rung {rung} of 3")), rung < 3, "{said}");
        }
    }
    succeed(&folder, &["merge", "s.toml", "--runs", "parts", "-q"]);
    assert_same(&folder.join("race"), &folder.join("parts"));

    // Joined on the way, it shows what there is.
    succeed(&folder, &["sweep", "s.toml", "--runs", "way", "--shard", "1/1", "-q"]);
    let joined = axtrain(&folder, &["merge", "s.toml", "--runs", "way"]);
    let message = text(&joined.stderr);
    assert!(joined.status.success() && message.contains("rung 2 of 3, 3 of 6 candidates is still"), "{message}");
    assert_eq!(records(&folder.join("way")).len(), run.len() * 6 / 11);
}

#[test]
fn accuracies_of_different_data_sets_do_not_race() {
    let folder = scratch("halving-data");
    let text_of = race(HALVING).replacen("\"digits\"", "[\"digits\", \"breast-cancer\"]", 1);
    fs::write(folder.join("s.toml"), text_of).unwrap();
    let refused = axtrain(&folder, &["sweep", "s.toml", "-q"]);
    let message = unwrapped(&text(&refused.stderr));
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("cannotbecompared") && message.contains("asweepofeach"), "{message}");
}

#[test]
fn of_many_variations_those_that_lead_have_reports() {
    let folder = scratch("leading");
    let batches: Vec<String> = (1..=25).map(|batch| batch.to_string()).collect();
    let swept =
        edited(&[("batch = 16", &format!("batch = [{}]", batches.join(", "))), ("images = 60", "images = 9")]);
    fs::write(folder.join("s.toml"), swept).unwrap();
    succeed(&folder, &["sweep", "s.toml", "-q"]);
    let root = folder.join("runs/small");
    let with = |file: &str| {
        let folders = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.join(file).is_file() && path.join("experiment.toml").is_file()).count()
    };
    assert_eq!(with("records.jsonl"), 25);
    let leading = with("report.html");
    assert!((1..24).contains(&leading), "{leading} reports");
    assert_eq!(with("characterization.json"), leading);
    let page = fs::read_to_string(root.join("report.html")).unwrap();
    let mut linked: Vec<&str> = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    linked.sort_unstable();
    linked.dedup();
    assert_eq!(linked.len(), leading, "a link to each report and to nothing else");
    assert!(linked.iter().all(|link| root.join(link).is_file()));

    succeed(&folder, &["sweep", "s.toml", "-q", "--all-reports"]);
    assert_eq!(with("report.html"), 25);
}

/// A disk that is full stops the work with a message; what is whole stays, and is enough to go on from.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing() {
    use std::process::Command;
    let folder = scratch("full-disk");
    fs::write(folder.join("s.toml"), edited(&[])).unwrap();
    let may = Command::new("unshare").args(["-rm", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: this user may not mount a disk of a given size");
    }
    succeed(&folder, &["sweep", "s.toml", "--runs", "calm", "-q"]);
    let script = "mkdir -p disk && mount -t tmpfs -o size=$0 tmpfs disk && \"$1\" sweep s.toml --runs disk -q\n\
                  code=$?; cp -r disk/. kept; exit $code";
    let mut failures = 0;
    for size in ["16k", "200k", "2m", "6m"] {
        fs::create_dir_all(folder.join("kept")).unwrap();
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script, size, env!("CARGO_BIN_EXE_axtrain")]).current_dir(&folder);
        let output = command.output().unwrap();
        let message = unwrapped(&text(&output.stderr));
        if output.status.success() {
            continue;
        }
        failures += 1;
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("cannotwritedisk/small/") && message.contains("Nospaceleft"), "{message}");
        succeed(&folder, &["sweep", "s.toml", "--runs", "kept", "-q"]);
        assert_same(&folder.join("calm"), &folder.join("kept"));
        fs::remove_dir_all(folder.join("kept")).unwrap();
    }
    assert!(failures >= 2, "only {failures} of the disks were too small");
}
