//! Files that no tool wrote: whatever they hold, every reader ends with an error at a place, soon.

use axtrain_sim::config::DesignFile;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::netlist::{Netlist, ReadError, blif, verilog, yosys_json};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What any reader may take for any of these files, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A reader of netlists with its name.
type Reader = (&'static str, fn(&[u8], Option<&str>) -> Result<Netlist, ReadError>);

const READERS: [Reader; 3] = [("verilog", verilog::read), ("blif", blif::read), ("yosys-json", yosys_json::read)];

/// No reader takes the bytes for a netlist or a table.
fn assert_refused(what: &str, bytes: &[u8]) {
    for (name, read) in READERS {
        let start = Instant::now();
        let error = read(bytes, None).expect_err(what);
        assert!(start.elapsed() < PATIENCE, "{name} took {:?} for {what}", start.elapsed());
        assert!(
            error.line() >= 1 && error.bytes().end <= bytes.len() && !error.remedy().is_empty(),
            "{what}: {error}"
        );
    }
    for signed in [false, true] {
        let start = Instant::now();
        assert!(ProductTable::read(bytes, signed).is_err(), "{what}");
        assert!(start.elapsed() < PATIENCE, "a table took {:?} for {what}", start.elapsed());
    }
}

/// A file's start, as much of a pattern as fills many megabytes, and nothing that would end it.
#[test]
fn long_files_end_soon() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let noise: Vec<u8> = (0..10_000_000).map(|_| random.random()).collect();
    assert_refused("binary noise", &noise);
    const MEGABYTES: [(usize, &[&str]); 2] = [(100, &["brackets", "products"]), (5, &[])];
    let patterns = [
        ("spaces", "", " "),
        ("zeros", "", "\0"),
        ("brackets", "", "("),
        ("lists", "", "["),
        ("an identifier", "module ", "a"),
        ("digits", "1", "0"),
        ("an expression", "module m(input a, output y); assign y = a", " ^ a"),
        ("assignments", "module m(input a, output y);", " assign y = a;"),
        ("wires", "module m(input a, output y);\n", "wire w;\n"),
        ("a comment", "/*", "*"),
        ("continued lines", ".model m\n.outputs y\n.inputs a", " \\\n"),
        ("rows of a cover", ".model m\n.inputs a\n.outputs y z\n.names a y\n", "1 1\n"),
        ("cells", "{\"modules\":{\"m\":{\"ports\":{},\"cells\":{", "\"c\":{\"type\":\"$_AND_\"},"),
        ("products", "", "1,"),
    ];
    for (what, start, pattern) in patterns {
        let (megabytes, _) = MEGABYTES.iter().find(|(_, names)| names.contains(&what) || names.is_empty()).unwrap();
        let bytes: Vec<u8> = start.bytes().chain(pattern.bytes().cycle()).take(megabytes * 1_000_000).collect();
        assert_refused(what, &bytes);
    }
}

/// A design file names a file that is too large to be one: it is refused before all of it is read.
#[test]
fn design_files_do_not_read_without_end() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let large = folder.join("large.bin");
    File::create(&large).unwrap().set_len(1 << 33).unwrap();
    for (key, path) in ["verilog", "blif", "yosys-json", "table"].iter().flat_map(|key| {
        let device = PathBuf::from("/dev/zero");
        [(key, large.clone())].into_iter().chain(device.exists().then_some((key, device)))
    }) {
        let text = format!("[multiplier]\n{key} = {:?}\n", path.display().to_string());
        let error = DesignFile::from_toml(&text, &folder).unwrap_err();
        assert!(error.message.contains("bytes") && error.help.is_some(), "{key}: {error:?}");
    }
    std::fs::remove_file(large).unwrap();
}
