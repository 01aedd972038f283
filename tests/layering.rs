//! The dependency rules of docs/architecture.md, checked on the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of `sim`, lowest first: a module may use only those before it.
const LAYERS: [&str; 15] = [
    "units",
    "npy",
    "netlist",
    "multiplier",
    "technology",
    "engine",
    "energy",
    "profile",
    "memory",
    "kernel",
    "workload",
    "array",
    "report",
    "config",
    "lib",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Names that follow `crate::` in a text, braces of a `use` included.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let identifier = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = &list[..list.find("};").unwrap_or(list.len())];
                found.extend(list.split(',').map(|item| identifier(item.trim())));
            }
            None => {
                found.insert(identifier(rest));
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_of_sim_use_lower_modules_only() {
    let folder = root().join("sim/src");
    let layer = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let mut seen = BTreeSet::new();
    for path in sources(&folder) {
        let inside = path.strip_prefix(&folder).unwrap();
        let module = inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let own = layer(&module).unwrap_or_else(|| panic!("{module} has no place in LAYERS"));
        seen.insert(module.clone());
        let text = fs::read_to_string(&path).unwrap();
        // Tests may look anywhere.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for used in crate_paths(text) {
            if let Some(other) = layer(&used) {
                assert!(other <= own, "{}: {module} may not use {used}", path.display());
            }
        }
    }
    assert_eq!(seen.len(), LAYERS.len(), "every layer exists: {seen:?}");
}

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn only_the_trainer_sees_burn_and_only_plots_draws() {
    let only = |name: &str, owner: &str| {
        for manifest in ["Cargo.toml", "sim/Cargo.toml", "trainer/Cargo.toml", "plots/Cargo.toml"] {
            let has = dependencies(manifest).contains(name);
            assert_eq!(has, manifest.starts_with(owner), "{name} in {manifest}");
        }
    };
    only("burn", "trainer");
    only("plotters", "plots");
    let own = |manifest: &str| -> Vec<String> {
        dependencies(manifest).into_iter().filter(|name| name.starts_with("axtrain-")).collect()
    };
    assert_eq!(own("sim/Cargo.toml"), [] as [&str; 0]);
    assert_eq!(own("plots/Cargo.toml"), [] as [&str; 0], "figures read plain results");
    assert_eq!(own("trainer/Cargo.toml"), ["axtrain-sim"]);
}

#[test]
fn libraries_do_not_print_or_read_the_environment() {
    for folder in ["sim/src", "trainer/src", "plots/src"] {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text.split("#[cfg(test)]").next().unwrap().lines().enumerate() {
                let code = line.split("//").next().unwrap();
                for forbidden in ["println!", "print!(", "eprint!(", "std::env::", "process::exit", "dbg!"] {
                    assert!(!code.contains(forbidden), "{}:{}: {forbidden}", path.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    for folder in ["src", "sim/src", "trainer/src", "plots/src"] {
        for path in sources(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 600, "{} has {lines} lines: split it by type", path.display());
        }
    }
}
