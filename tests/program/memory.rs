//! Experiments on memories whose cells fail, as a user runs them.

use super::{axtrain, scratch, smoke, text};
use std::fs;
use std::process::Output;

/// The smoke experiment with one design, these methods, logic supplies, and a memory that fails.
fn experiment(methods: &str, supplies: &str, faults: &str) -> String {
    let smoke = smoke();
    let truncated = smoke.find("[[designs]]\nname = \"truncated").unwrap();
    let text = smoke[..truncated]
        .replace("methods = [\"plain\", \"passive\"]", &format!("methods = {methods}"))
        .replace("epsilon = 0.02", "epsilon = 0.02\nweight_clip = 0.3\nbit_error_rate = 0.03")
        .replace("supply_v = [0.75, 0.9, 1.1]", &format!("supply_v = {supplies}\nclock_ps = 2000"));
    format!("{text}\n[memory_faults]\nmodel = \"14nm-6t\"\nvmin_v = 0.7\n{faults}")
}

const SCHEMES: &str = r#"
[[memory_faults.schemes]]
storage = "twos-complement"
[[memory_faults.schemes]]
name = "corrected"
storage = "twos-complement"
protection = "sec-ded"
"#;

fn records(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    records.as_array().unwrap().clone()
}

#[cfg(feature = "train")]
#[test]
fn networks_run_on_chips_at_pairs_of_supplies() {
    let folder = scratch("memory");
    let faults = format!("bit_error_rate = [0.0001, 0.03]\nchips = 6\npersistent_share = 0.5\n{SCHEMES}");
    let methods = "[\"plain\", \"random-bit-error+clip\", \"memory-adaptive\"]";
    fs::write(folder.join("e.toml"), experiment(methods, "[0.9, 1.1]", &faults)).unwrap();
    let first = records(&axtrain(&folder, &["run", "e.toml", "--json", "--threads", "1"]));
    let again = records(&axtrain(&folder, &["simulate", "e.toml", "--json", "--threads", "3"]));
    assert_eq!(first, again, "records depend on threads");

    let chips: Vec<&serde_json::Value> = first.iter().filter(|record| record["point"]["chip"].is_u64()).collect();
    let of = |method: &str, memory: &str, rate: f64| -> Vec<&&serde_json::Value> {
        let own = |record: &&&serde_json::Value| {
            let point = &record["point"];
            point["method"] == method && point["memory"] == memory && point["bit_error_rate"] == rate
        };
        chips.iter().filter(own).collect()
    };
    // Two seeds, six chips, two logic supplies; an adaptive network runs on its chip alone: as many.
    for method in ["plain", "random-bit-error+clip", "memory-adaptive"] {
        assert_eq!(of(method, "twos-complement", 0.03).len(), 2 * 6 * 2, "{method}");
    }
    let mean = |records: &[&&serde_json::Value], key: &dyn Fn(&serde_json::Value) -> f64| {
        records.iter().map(|record| key(record)).sum::<f64>() / records.len() as f64
    };
    let accuracy =
        |method, memory, rate| mean(&of(method, memory, rate), &|record| record["accuracy"].as_f64().unwrap());
    let plain = accuracy("plain", "twos-complement", 0.03);
    assert!(accuracy("random-bit-error+clip", "twos-complement", 0.03) > plain);
    assert!(accuracy("memory-adaptive", "twos-complement", 0.03) > plain);
    assert!(accuracy("plain", "twos-complement", 0.0001) > plain);
    // One error in a thousand words is corrected: what sound memories give.
    let sound: Vec<f64> = first
        .iter()
        .filter(|record| record["point"]["chip"].is_null() && record["point"]["method"] == "plain")
        .map(|record| record["accuracy"].as_f64().unwrap())
        .collect();
    let sound = sound.iter().sum::<f64>() / sound.len() as f64;
    assert!((accuracy("plain", "corrected", 0.0001) - sound).abs() < 1e-9);

    // Supplies follow from the probit; accesses cost V², check bits an eighth more; the rest is the logic's.
    let sample = |memory, rate| of("plain", memory, rate)[0]["energy_uj"]["sram_dynamic"].as_f64().unwrap();
    let supply = |rate: f64| of("plain", "twos-complement", rate)[0]["point"]["sram_v"].as_f64().unwrap();
    // Φ⁻¹(0.03) = −1.8808.
    assert!((supply(0.03) / 0.7 - (0.7056 + 1.8808 * 0.0552)).abs() < 1e-4);
    let (low, high) = (sample("twos-complement", 0.03), sample("twos-complement", 0.0001));
    let weights = (high - low) / (supply(0.0001).powi(2) - supply(0.03).powi(2));
    let corrected = sample("corrected", 0.03);
    assert!(((corrected - low) / (weights * supply(0.03).powi(2)) - 0.125).abs() < 1e-6);
    for record in &chips {
        let warnings = record["provenance"]["warnings"].to_string();
        assert!(warnings.contains("14 nm cells") && warnings.contains("45 nm memory"), "{warnings}");
    }

    let run = folder.join("runs/smoke");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(run.join("memory.json")).unwrap()).unwrap();
    assert_eq!(report["schema"], "axtrain/memory/1");
    for figure in ["bit-errors", "accuracy-bit-errors_exact_corrected", "supply-map_exact"] {
        assert!(run.join(format!("figures/{figure}.png")).is_file(), "{figure}");
    }
    let shown = text(&axtrain(&folder, &["simulate", "e.toml"]).stdout);
    assert!(shown.contains("Cheapest pair of supplies") && shown.contains("corrected"), "{shown}");
}

#[cfg(feature = "train")]
#[test]
fn activations_and_partial_sums_may_fail_too() {
    let folder = scratch("memory-values");
    let run = |memories: &str, supplies: &str| {
        let faults = format!("memories = {memories}\nbit_error_rate = [0.0001, 0.02]\nchips = 4\n{SCHEMES}");
        fs::write(folder.join("e.toml"), experiment("[\"plain\"]", supplies, &faults)).unwrap();
        axtrain(&folder, &["run", "e.toml", "--json"])
    };
    let mean = |records: &[serde_json::Value], memory: &str, rate: f64, key: &str| {
        let own = |record: &&serde_json::Value| {
            record["point"]["memory"] == memory && record["point"]["bit_error_rate"] == rate
        };
        let own: Vec<f64> =
            records.iter().filter(own).map(|record| record.pointer(key).unwrap().as_f64().unwrap()).collect();
        own.iter().sum::<f64>() / own.len() as f64
    };
    let plain = "twos-complement";
    let weights = records(&run("[\"weights\"]", "1.1"));
    let activations = records(&run("[\"activations\"]", "1.1"));
    let sums = records(&run("[\"partial-sums\"]", "1.1"));
    let all = records(&run("[\"weights\", \"activations\", \"partial-sums\"]", "1.1"));
    let sound = weights.iter().filter(|record| record["point"]["chip"].is_null());
    let sound: Vec<f64> = sound.map(|record| record["accuracy"].as_f64().unwrap()).collect();
    let sound = sound.iter().sum::<f64>() / sound.len() as f64;
    for records in [&weights, &activations, &sums] {
        let accuracy = |rate| mean(records, plain, rate, "/accuracy");
        assert!(accuracy(0.02) < accuracy(0.0001) && accuracy(0.0001) > sound - 0.05, "{}", accuracy(0.02));
        assert!(mean(&all, plain, 0.02, "/accuracy") < accuracy(0.02));
        // SEC-DED corrects in every memory.
        assert!((mean(records, "corrected", 0.0001, "/accuracy") - sound).abs() < 0.005);
    }
    // Each memory at the low supply takes its share off: what accesses cost at nominal supply times 1 − (V/Vn)².
    let dynamic = |records: &[serde_json::Value]| mean(records, plain, 0.02, "/energy_uj/sram_dynamic");
    let nominal = weights.iter().find(|record| record["point"]["chip"].is_null()).unwrap();
    let nominal = nominal["energy_uj"]["sram_dynamic"].as_f64().unwrap();
    let saved = |records| nominal - dynamic(records);
    assert!(saved(&activations) > 0.0 && saved(&sums) > 0.0 && saved(&weights) > 0.0);
    assert!((saved(&activations) + saved(&sums) + saved(&weights) - saved(&all)).abs() < 1e-9 * nominal);
    let supply = mean(&all, plain, 0.02, "/point/sram_v");
    assert!((dynamic(&all) / nominal - (supply / 1.1).powi(2)).abs() < 1e-9);

    let late = run("[\"activations\"]", "0.8");
    assert_eq!(late.status.code(), Some(2));
    let message = text(&late.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        message.contains("late products at 0.800 V") && message.contains("memories = [\"weights\"]"),
        "{message}"
    );
}

#[cfg(feature = "train")]
#[test]
fn measured_chips_are_used_as_they_are() {
    let folder = scratch("measured");
    // The array's weight memory: 32 KiB in 8 banks of 512 rows of 64 cells. The highest bit of every weight in the first rows fails.
    let mut map = String::from("row,column,fault\n");
    for row in 0..400 {
        for weight in 0..8 {
            map += &format!("{row},{},flip\n", weight * 8 + 7);
        }
    }
    fs::write(folder.join("chip.csv"), &map).unwrap();
    fs::write(folder.join("sound.csv"), "# nothing fails\n").unwrap();
    let schemes = "[[memory_faults.schemes]]\nstorage = \"twos-complement\"\n";
    let faults = format!("sram_v = 0.6\nchip_maps = [\"chip.csv\", \"sound.csv\"]\n{schemes}");
    fs::write(folder.join("e.toml"), experiment("[\"plain\"]", "1.1", &faults)).unwrap();
    let records = records(&axtrain(&folder, &["run", "e.toml", "--json"]));
    let accuracy = |chip: serde_json::Value| {
        let own = records.iter().filter(|record| record["point"]["chip"] == chip);
        own.map(|record| record["accuracy"].as_f64().unwrap()).sum::<f64>() / 2.0
    };
    assert_eq!(accuracy(1.into()), accuracy(serde_json::Value::Null));
    assert!(accuracy(0.into()) < 0.5, "{}", accuracy(0.into()));
    let rate = records.iter().find(|record| record["point"]["chip"] == 0).unwrap();
    assert_eq!(rate["point"]["bit_error_rate"], 3200.0 / (32.0 * 8192.0));

    fs::write(folder.join("chip.csv"), "5000,3,flip\n").unwrap();
    let refused = axtrain(&folder, &["check", "e.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("0 to 4095"), "{}", text(&refused.stderr));
}

/// Saved chips are chips like measured ones: the same cells, the same accuracy.
#[cfg(feature = "train")]
#[test]
fn virtual_chips_are_saved_and_loaded() {
    let folder = scratch("saved");
    let faults = format!("bit_error_rate = 0.02\nchips = 2\n{SCHEMES}");
    fs::write(folder.join("e.toml"), experiment("[\"plain\"]", "1.1", &faults)).unwrap();
    let drawn = records(&axtrain(&folder, &["run", "e.toml", "--json"]));
    let saved = records(&axtrain(&folder, &["simulate", "e.toml", "--save-chips", "chips", "--json"]));
    assert_eq!(drawn, saved, "saving changes nothing");
    let sram = |record: &serde_json::Value| record["point"]["sram_v"].as_f64().unwrap();
    let chip = |record: &serde_json::Value| record["point"]["chip"].as_u64();
    let supply = drawn.iter().find(|record| chip(record).is_some()).map(sram).unwrap();
    for (scheme, lines) in [("twos-complement", 0..2), ("corrected", 2..6)] {
        let lines: Vec<&str> = SCHEMES.trim().lines().collect::<Vec<_>>()[lines].to_vec();
        let maps: Vec<String> = (0..2).map(|chip| format!("\"chips/{scheme}_{supply:.3}V_c{chip}.npz\"")).collect();
        let faults = format!("sram_v = {supply}\nchip_maps = [{}]\n{}", maps.join(", "), lines.join("\n"));
        let name = format!("{scheme}.toml");
        fs::write(folder.join(&name), experiment("[\"plain\"]", "1.1", &faults)).unwrap();
        let loaded = records(&axtrain(&folder, &["run", &name, "--json"]));
        let accuracies = |records: &[serde_json::Value]| -> Vec<(Option<u64>, String, f64)> {
            let own = records.iter().filter(|record| record["point"]["memory"] == scheme);
            let of = |record: &serde_json::Value| {
                (chip(record), record["point"]["seed"].to_string(), record["accuracy"].as_f64().unwrap())
            };
            own.map(of).collect()
        };
        assert_eq!(accuracies(&loaded), accuracies(&drawn));
        assert!(!accuracies(&loaded).is_empty());
    }
    let sound = folder.join("sound.toml");
    fs::write(&sound, experiment("[\"plain\"]", "1.1", "").split("\n[memory_faults]").next().unwrap()).unwrap();
    let refused = axtrain(&folder, &["simulate", "sound.toml", "--save-chips", "chips"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("no memory of this experiment fails"));
}

#[test]
fn wrong_requests_are_refused_with_the_remedy() {
    let folder = scratch("memory-refused");
    let good = format!("bit_error_rate = [0.01]\nchips = 2\n{SCHEMES}");
    let check = |text_: &str| {
        fs::write(folder.join("e.toml"), text_).unwrap();
        let output = axtrain(&folder, &["check", "e.toml"]);
        (output.status.code(), text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let base = experiment("[\"plain\"]", "1.1", &good);
    assert_eq!(check(&base).0, Some(0), "{}", check(&base).1);
    for (from, to, complaint) in [
        ("bit_error_rate = [0.01]", "bit_error_rate = [1.01]", "probabilities above 0 and below 1"),
        ("bit_error_rate = [0.01]", "sram_v = [0.6, 1.2]", "supplies up to 1.1 V"),
        ("bit_error_rate = [0.01]", "sram_v = [0.2]", "outside the technology's range"),
        ("vmin_v = 0.7\n", "", "vmin_v"),
        ("vmin_v = 0.7", "vmin_v = 1.5", "supplies up to 1.1 V"),
        ("chips = 2", "chips = 2\nup_share = 1.5", "up_share = 1.5; a share lies in 0…1"),
        ("chips = 2", "chips = 2\npersistent_share = -1", "persistent_share = -1; a share lies in 0…1"),
        ("chips = 2", "chips = 2\ntemperature_c = 300", "is known from 26.85 to 126.85"),
        ("chips = 2", "chip_maps = [\"missing.npy\"]", "a measured map belongs to one supply"),
        ("chips = 2", "chips = 2\nmemories = [\"sums\"]", "partial-sums"),
        ("chips = 2", "chips = 2\nmemories = [\"weights\", \"weights\"]", "listed twice"),
        ("model = \"14nm-6t\"", "model = \"7nm\"", "built in: 14nm-6t"),
        ("bit_error_rate = [0.01]\n", "", "one of sram_v and bit_error_rate"),
        ("storage = \"twos-complement\"", "storage = \"twos-complement\"\nprotected_bits = 9", "a weight has 8"),
    ] {
        assert!(base.contains(from), "{from}");
        let (code, message) = check(&base.replacen(from, to, 1));
        assert_eq!(code, Some(2), "{to}: {message}");
        let flat = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '│').collect::<String>();
        assert!(flat(&message).contains(&flat(complaint)), "{to}: {message}");
    }
    let measured = base.replace("model = \"14nm-6t\"", "model = \"14nm-6t-measured\"");
    let (code, message) = check(&measured.replace("bit_error_rate = [0.01]", "sram_v = [0.5]"));
    assert!(code == Some(2) && message.contains("0.525"), "{message}");
}
