//! Inference at every level of fidelity, as a user asks for it.

use super::{axtrain, root, scratch, smoke, succeed, text};
use serde_json::Value;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

fn json(folder: &Path, arguments: &[&str]) -> Value {
    super::json(&axtrain(folder, arguments))
}

/// A folder with a small experiment whose networks are trained; `changes` are made to its text.
fn trained(name: &str, changes: &[(&str, &str)]) -> PathBuf {
    let folder = scratch(name);
    let text = changes.iter().fold(smoke(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    fs::write(folder.join("e.toml"), text).unwrap();
    succeed(&folder, &["train", "e.toml", "-q"]);
    folder
}

const SMALL: [(&str, &str); 2] = [("seeds = [1, 2]", "seeds = [1]"), ("[\"plain\", \"passive\"]", "[\"plain\"]")];

/// A number of every record.
fn numbers(records: &Value, pointer: &str) -> Vec<f64> {
    let number = |record: &Value| record.pointer(pointer).and_then(Value::as_f64);
    let found: Option<Vec<f64>> = records.as_array().unwrap().iter().map(number).collect();
    found.unwrap_or_else(|| panic!("no {pointer} in {records}"))
}

/// Equal but for rounding.
fn close(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12 * b)
}

#[test]
fn records_say_at_which_fidelity_they_were_made() {
    let folder = trained("fidelity-records", &SMALL);
    let at = |level: &str, more: &[&str]| {
        let records = json(&folder, &[&["simulate", "e.toml", "--json", "-q", "--fidelity", level], more].concat());
        for record in records.as_array().unwrap() {
            assert_eq!(record["point"]["fidelity"], level);
            assert_eq!(record.get("stage_errors").is_some(), level == "gate");
        }
        records
    };
    let [table, profile, by_product, transition, gate] =
        ["table", "profile", "profile-by-product", "transition", "gate"].map(|level| at(level, &[]));
    // Accumulators have slack here: gates agree with looked-up products in everything but what is sampled.
    for exact in ["/accuracy", "/product_error_rate", "/cycles", "/images"] {
        assert_eq!(numbers(&transition, exact), numbers(&gate, exact), "{exact}");
    }
    let of_stage = numbers(&gate, "/stage_errors/multiplier/error_rate");
    assert!(close(&numbers(&gate, "/product_error_rate"), &of_stage));
    assert!(numbers(&gate, "/stage_errors/accumulator/error_rate").iter().all(|&rate| rate == 0.0));
    assert!(numbers(&gate, "/product_error_rate").iter().any(|&rate| rate > 0.0));
    // Additions without a product are charged by gates alone, and wrong sums switch more.
    let energy = |records: &Value| numbers(records, "/energy_uj/mac_switching");
    for level in [&table, &profile, &by_product, &transition] {
        let rates = numbers(&gate, "/product_error_rate");
        for ((found, truth), rate) in energy(level).into_iter().zip(energy(&gate)).zip(rates) {
            let least = if rate == 0.0 { 0.9 } else { 0.7 };
            assert!((least..1.0).contains(&(found / truth)), "{found} is not {truth} µJ");
        }
    }
    assert!(numbers(&table, "/product_error_rate").iter().all(|&rate| rate == 0.0));
    assert_eq!(numbers(&profile, "/product_error_rate"), numbers(&by_product, "/product_error_rate"));

    // Neither threads nor a second run change anything; what is drawn depends on the seed.
    assert_eq!(at("gate", &["--threads", "1"]), gate);
    assert_eq!(at("profile", &["--threads", "1"]), profile);
    assert_eq!(at("profile-by-product", &["--threads", "1"]), by_product);
    assert_ne!(numbers(&at("profile", &["--seed", "2"]), "/accuracy"), numbers(&profile, "/accuracy"));
    let few = at("gate", &["--limit", "10"]);
    assert!(numbers(&few, "/images").iter().all(|&images| images == 10.0));

    // The experiment's own key means the same.
    let text = fs::read_to_string(folder.join("e.toml")).unwrap();
    fs::write(folder.join("e.toml"), text.replace("[operation]\n", "[operation]\nfidelity = \"gate\"\n")).unwrap();
    let own = json(&folder, &["simulate", "e.toml", "--json", "-q"]);
    for pointer in ["/accuracy", "/energy_uj/total"] {
        assert_eq!(numbers(&own, pointer), numbers(&gate, pointer));
    }
    assert!(own.as_array().unwrap().iter().all(|record| record["point"]["fidelity"] == "gate"));
}

#[test]
fn levels_are_compared_with_the_gates() {
    let folder = trained("fidelity-comparison", &SMALL);
    let arguments = ["simulate", "e.toml", "--compare", "--limit", "40", "-q"];
    let report = json(&folder, &[&arguments[..], &["--json"]].concat());
    assert_eq!((&report["schema"], &report["images"]), (&"axtrain/fidelity/1".into(), &40.into()));
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.len(), 2 * 3, "two designs at three supplies");
    let mut errors = 0.0;
    for point in points {
        let levels = point["levels"].as_array().unwrap();
        let names: Vec<&str> = levels.iter().map(|level| level["fidelity"].as_str().unwrap()).collect();
        assert_eq!(names, ["table", "profile", "profile-by-product", "transition", "gate"]);
        for level in &levels[3..] {
            assert_eq!(level["disagreements"], 0, "{point}");
            let rates = [&level["product_error_rate"], &point["stage_errors"]["multiplier"]["error_rate"]];
            let [found, counted] = rates.map(|rate| rate.as_f64().unwrap());
            assert!(close(&[found], &[counted]), "{point}");
            errors += found;
        }
        if point["stage_errors"]["multiplier"]["error_rate"] == 0.0 {
            assert!(levels.iter().all(|level| level["accuracy"] == levels[4]["accuracy"]), "{point}");
        }
    }
    assert!(errors > 0.0);
    let printed = axtrain(&folder, &arguments);
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    for part in ["exact: 40 images", "profile-by-product", "No addition went wrong", "0.75 V"] {
        assert!(printed.contains(part), "{part} in\n{printed}");
    }
    let written = fs::read(folder.join("runs/smoke/fidelity.json")).unwrap();
    let levels_of = |point: &Value| -> Vec<Value> {
        let mut levels = point["levels"].as_array().unwrap().clone();
        levels.iter_mut().for_each(|level| level["seconds_per_image"] = 0.into());
        levels
    };
    let again: Value = serde_json::from_slice(&written).unwrap();
    assert!(again["points"].as_array().unwrap().iter().map(levels_of).eq(points.iter().map(levels_of)));
    assert!(!folder.join("runs/smoke/records.jsonl").exists(), "a comparison makes no records");

    // Each level is what a run at that fidelity finds on these images, and says how far it is from the gates.
    let files = ["records.jsonl", "records.csv"].map(|name| folder.join("runs/smoke").join(name));
    for (level, name) in ["table", "profile", "profile-by-product", "transition", "gate"].into_iter().enumerate() {
        let records = json(&folder, &["simulate", "e.toml", "--limit", "40", "--fidelity", name, "--json", "-q"]);
        let own = |key: &str| -> Vec<f64> {
            points.iter().map(|point| point["levels"][level][key].as_f64().unwrap()).collect()
        };
        assert_eq!(numbers(&records, "/accuracy"), own("accuracy"), "{name}");
        assert_eq!(numbers(&records, "/product_error_rate"), own("product_error_rate"), "{name}");
        assert_eq!(numbers(&records, "/energy_uj/mac_switching"), own("mac_switching_uj"), "{name}");
        for (point, record) in points.iter().zip(records.as_array().unwrap()) {
            let gate = &point["levels"][4];
            let correct = |accuracy: &Value| accuracy.as_f64().unwrap() * 40.0;
            let apart = (correct(&record["accuracy"]) - correct(&gate["accuracy"])).abs();
            let others = point["levels"][level]["disagreements"].as_f64().unwrap();
            assert!(others >= apart - 1e-9, "{apart} images more or less are right, and {others} of another class");
        }
    }
    let before = files.each_ref().map(|file| fs::read(file).unwrap());
    json(&folder, &[&arguments[..], &["--json"]].concat());
    assert!(
        files.each_ref().map(|file| fs::read(file).unwrap()) == before,
        "a comparison leaves records as they are"
    );

    // Networks are compared as they are trained, whatever compensations are asked for.
    let text = fs::read_to_string(folder.join("e.toml")).unwrap();
    let asked = text.replace("[operation]\n", "[operation]\ncompensations = [\"gain\", \"bias\"]\n");
    fs::write(folder.join("e.toml"), asked).unwrap();
    let compensated = json(&folder, &[&arguments[..], &["--json"]].concat());
    assert!(compensated["points"].as_array().unwrap().iter().map(levels_of).eq(points.iter().map(levels_of)));
}

/// The points of a comparison by design, each with what the transitions, the gates and settled products say.
fn compared(folder: &Path, limit: &str) -> Vec<Value> {
    let report = json(folder, &["simulate", "e.toml", "--compare", "--limit", limit, "-q", "--json"]);
    report["points"].as_array().unwrap().clone()
}

/// Looked-up products give what gates do at every point at which no addition goes wrong; and so do settled ones, if no product goes
/// wrong either. Of both kinds there are points of each design. Additions without a product are charged by gates alone.
fn levels_agree(points: &[Value], designs: &[&str]) {
    levels_agree_within(points, designs, 0.6..1.0);
}

/// The same where what switches at the cheaper level is such a share of what switches at the gates.
fn levels_agree_within(points: &[Value], designs: &[&str], shares: Range<f64>) {
    let rate = |value: &Value| value["error_rate"].as_f64().unwrap();
    for design in designs {
        let (mut wrong, mut right) = (0, 0);
        for point in points.iter().filter(|point| point["point"]["design"] == *design) {
            let stages = &point["stage_errors"];
            if rate(&stages["accumulator"]) > 0.0 || rate(&stages["passing"]) > 0.0 {
                continue;
            }
            let [table, transition, gate] = [0, 3, 4].map(|level| &point["levels"][level]);
            for key in ["accuracy", "product_error_rate", "disagreements"] {
                assert_eq!(transition[key], gate[key], "{key}: {point}");
            }
            if rate(&stages["multiplier"]) > 0.0 {
                wrong += 1;
            } else {
                assert_eq!((&table["accuracy"], &table["disagreements"]), (&gate["accuracy"], &0.into()), "{point}");
                right += 1;
            }
            let energy = |level: &Value| level["mac_switching_uj"].as_f64().unwrap();
            let share = energy(transition) / energy(gate);
            assert!(shares.contains(&share), "{share}: {point}");
        }
        assert!(wrong > 0 && right > 0, "{design}: {wrong} {right}");
    }
}

const MAGNITUDES: (&str, &str) = (
    "name = \"truncated-3-3\"\nfamily = \"operand-truncated\"\nparameters = { a = 3, b = 3 }\nsigned = true",
    "name = \"magnitudes\"\nfamily = \"array\"\nwidth = 7\nformat = \"sign-magnitude\"",
);

#[test]
fn signs_and_magnitudes_go_through_the_gates() {
    let supplies = ("supply_v = [0.75, 0.9, 1.1]", "supply_v = [0.75, 0.8, 1.1]");
    let folder = trained("fidelity-magnitudes", &[&SMALL[..], &[MAGNITUDES, supplies]].concat());
    let points = compared(&folder, "40");
    levels_agree(&points, &["exact", "magnitudes"]);
    // At the lowest supply the accumulator of 32 bits behind conversion misses the clock, which no other level knows.
    let lowest = points.iter().find(|point| point["point"]["design"] == "magnitudes").unwrap();
    assert!(lowest["stage_errors"]["accumulator"]["error_rate"].as_f64().unwrap() > 0.0, "{lowest}");
    assert!(lowest["levels"][3]["disagreements"].as_u64().unwrap() > 0, "{lowest}");
}

#[test]
fn late_products_are_dropped_by_the_gates() {
    let dropping = ("edge-16x16", "edge-drop-32x32");
    let folder = trained("fidelity-dropping", &[&SMALL[..], &[MAGNITUDES, dropping]].concat());
    let dropped = compared(&folder, "40");
    levels_agree(&dropped, &["exact", "magnitudes"]);
    // What is captured instead is wrong as often, and makes other sums.
    let text = fs::read_to_string(folder.join("e.toml")).unwrap();
    fs::write(folder.join("e.toml"), text.replace("edge-drop-32x32", "edge-32x32")).unwrap();
    let captured = compared(&folder, "40");
    let accuracy = |points: &[Value]| numbers(&points.iter().map(|p| p["levels"][4].clone()).collect(), "/accuracy");
    assert_ne!(accuracy(&dropped), accuracy(&captured));

    // With a cell that has a law of its own, every supply has delays of its own.
    let technology = Path::new(env!("CARGO_MANIFEST_DIR")).join("hwconfigs/technology/freepdk45.toml");
    let law = "law = { model = \"ekv\", threshold_v = 0.36, slope_factor = 1.5, alpha = 1.3, minimum_v = 0.35, maximum_v = 1.2 }";
    let own = fs::read_to_string(technology).unwrap();
    let own = own.replace("[cells.full-adder]\n", &format!("[cells.full-adder]\n{law}\n"));
    fs::write(folder.join("t.toml"), own.replace("[cells.xor2]\n", &format!("[cells.xor2]\n{law}\n"))).unwrap();
    fs::write(folder.join("e.toml"), text.replace("technology = \"freepdk45\"", "technology = \"t.toml\"")).unwrap();
    let own = compared(&folder, "40");
    levels_agree(&own, &["exact", "magnitudes"]);
    assert_ne!(accuracy(&own), accuracy(&dropped));
}

#[test]
fn delays_by_pin_go_through_the_gates() {
    let by_pin = ("[operation]\n", "[operation]\ndelay_model = \"by-pin\"\n");
    let exact = ("[[designs]]\nname = \"exact\"\nfamily = \"array\"\nsigned = true\n\n", "");
    let baseline = ("baseline = \"exact\"", "baseline = \"truncated-3-3\"");
    let folder = trained("fidelity-by-pin", &[&SMALL[..], &[by_pin, exact, baseline]].concat());
    let points = compared(&folder, "20");
    assert!(points.iter().all(|point| point["point"]["technology"] == "freepdk45 (delays by-pin)"));
    levels_agree(&points, &["truncated-3-3"]);
}

/// The built-in array of 16×16 elements with another dataflow.
fn array_of(dataflow: &str) -> String {
    let array = fs::read_to_string(root().join("hwconfigs/array/edge-16x16.toml")).unwrap();
    assert!(array.contains("dataflow = \"weight-stationary\""));
    array.replace("dataflow = \"weight-stationary\"", &format!("dataflow = \"{dataflow}\""))
}

#[test]
fn every_dataflow_goes_through_the_gates() {
    let folder = trained("fidelity-dataflows", &SMALL);
    let text = fs::read_to_string(folder.join("e.toml")).unwrap();
    fs::write(folder.join("e.toml"), text.replace("\"edge-16x16\"", "\"a.toml\"")).unwrap();
    let mut scores = Vec::new();
    for dataflow in ["weight-stationary", "output-stationary", "input-stationary"] {
        fs::write(folder.join("a.toml"), array_of(dataflow)).unwrap();
        let points = compared(&folder, "40");
        // Sums that stay have nothing to add to but products; what their adders do is sampled at the cheaper levels.
        let shares = if dataflow == "output-stationary" { 0.7..1.1 } else { 0.6..1.0 };
        levels_agree_within(&points, &["exact", "truncated-3-3"], shares);
        let found = |level: usize, key: &str| -> Vec<f64> {
            points.iter().map(|point| point["levels"][level][key].as_f64().unwrap()).collect()
        };
        // What is drawn errs about as often as what is simulated, where a layer's errors change what the next one receives.
        for level in [1, 2] {
            for (drawn, truth) in found(level, "product_error_rate").into_iter().zip(found(4, "product_error_rate")) {
                assert!((drawn - truth).abs() <= 0.3 * truth, "{dataflow}: {drawn} is not {truth}");
            }
        }
        scores.push((found(4, "product_error_rate"), found(0, "mac_switching_uj")));
    }
    let [stationary, sums, inputs] = &scores[..] else { panic!("three dataflows") };
    assert!(stationary != sums && stationary != inputs && sums != inputs, "{scores:?}");

    // What tables of transitions are for is refused elsewhere.
    let refused = |arguments: &[&str]| {
        let output = axtrain(&folder, arguments);
        let message = super::unwrapped(&super::text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("weight-stationary") && message.contains("input-stationary"), "{message}");
    };
    refused(&["assign", "e.toml"]);
    refused(&["sensitivity", "e.toml"]);
    let text = fs::read_to_string(folder.join("e.toml")).unwrap();
    let asked = text.replace("[operation]\n", "[operation]\ncompensations = [\"gain\"]\n");
    fs::write(folder.join("e.toml"), asked).unwrap();
    refused(&["check", "e.toml"]);
    fs::write(folder.join("e.toml"), text.replace("[training]\n", "[training]\nsupply_v = 0.9\n")).unwrap();
    refused(&["check", "e.toml"]);
}

#[test]
fn wrong_fidelities_are_refused() {
    let array = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("hwconfigs/array/edge-16x16.toml"));
    let folder = trained("fidelity-refused", &SMALL);
    let refused = |arguments: &[&str], parts: &[&str]| {
        let output = axtrain(&folder, arguments);
        let message: String = text(&output.stderr).chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
        assert_eq!(output.status.code(), Some(2), "{message}");
        parts.iter().for_each(|part| assert!(message.contains(part), "{part} in {message}"));
        assert!(output.stdout.is_empty());
    };
    refused(&["simulate", "e.toml", "--fidelity", "gates"], &["gates", "profile-by-product"]);
    refused(&["simulate", "e.toml", "--limit", "0"], &["--limit"]);
    refused(&["simulate", "e.toml", "--compare", "--fidelity", "gate"], &["--compare", "--fidelity"]);
    let text = fs::read_to_string(folder.join("e.toml")).unwrap();
    fs::write(folder.join("e.toml"), text.replace("[operation]\n", "[operation]\nfidelity = \"exact\"\n")).unwrap();
    refused(&["check", "e.toml"], &["e.toml:", "exact", "profile-by-product"]);
    let array = array.unwrap().replace("product_register = true", "product_register = false");
    fs::write(folder.join("a.toml"), array).unwrap();
    fs::write(folder.join("e.toml"), text.replace("array = \"edge-16x16\"", "array = \"a.toml\"")).unwrap();
    refused(&["simulate", "e.toml", "--fidelity", "gate"], &["product_register=true", "transition"]);
}

/// Where all layers run one way, it costs and achieves what the records say of that operating point.
#[test]
fn layers_are_given_multipliers_and_supplies() {
    let folder = trained("assignment", &[("seeds = [1, 2]", "seeds = [1]")]);
    let records = json(&folder, &["simulate", "e.toml", "--json", "-q"]);
    let report = json(&folder, &["assign", "e.toml", "--json", "-q", "--within", "3", "--images", "200"]);
    let written = fs::read(folder.join("runs/smoke/assignment.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), report);
    let record = |method: &Value, design: &Value, energy: f64| {
        let of = |record: &&Value| {
            let total = record["energy_uj"]["total"].as_f64().unwrap();
            record["point"]["method"] == *method
                && record["point"]["design"] == *design
                && (total / energy - 1.0).abs() < 1e-9
        };
        records.as_array().unwrap().iter().find(of).cloned()
    };
    let networks = report["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 2, "a network of each method");
    for network in networks {
        let number = |pointer: &str| network.pointer(pointer).and_then(Value::as_f64).unwrap();
        let usual = number("/usual/energy_uj/total");
        let full = record(&network["method"], &network["usual_design"], usual).expect("a record of full supply");
        assert_eq!(full["point"]["supply_v"], 1.1);
        assert_eq!(full["accuracy"], network["usual"]["accuracy"]);
        assert_eq!(full["energy_uj"], network["usual"]["energy_uj"]);
        for way in ["usual", "uniform", "mixed"] {
            assert!(number(&format!("/{way}/lost_points")) <= 3.0, "{way}");
        }
        assert!(number("/uniform/energy_uj/total") <= usual);
        let layers = network["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        let supplies: Vec<&Value> = layers.iter().map(|layer| &layer["supply_v"]).collect();
        // A network that was trained for a multiplier stays on it.
        if network["method"] == "passive" {
            assert!(layers.iter().all(|layer| layer["design"] == network["usual_design"]), "{network}");
            // All layers alike is one of the choices that were open.
            if supplies[0] == supplies[1] {
                assert_eq!(network["mixed"], network["uniform"]);
            }
        }
    }
    let refused = axtrain(&folder, &["assign", "e.toml", "--within", "-1"]);
    assert_eq!(refused.status.code(), Some(2));
}
