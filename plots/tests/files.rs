//! What a figure leaves on disk.

use axtrain_plots::accuracy_voltage::{AccuracyVoltage, Point, Series, draw};
use axtrain_plots::{Caption, Estimate, PlotError};
use std::path::PathBuf;
use std::{env, fs, process};

fn data() -> AccuracyVoltage {
    let points = [(0.8, 0.91), (0.9, 0.97)];
    let points = points.map(|(supply_v, accuracy)| Point { supply_v, accuracy: Estimate::single(accuracy) });
    AccuracyVoltage {
        caption: Caption::new("Accuracy & voltage", "weights < 0 are kept"),
        series: vec![Series { method: "passive".into(), points: points.into() }],
        exact_at_nominal: Some(0.98),
        accuracy_from: None,
    }
}

/// A directory of its own for a test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("axtrain-plots-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn both_files_are_complete() {
    let directory = Directory::new("complete");
    let paths = draw(&data(), &directory.0.join("accuracy@0.8V")).unwrap();
    assert_eq!(directory.names(), ["accuracy@0.8V.png", "accuracy@0.8V.svg"]);

    let svg = fs::read_to_string(&paths[0]).unwrap();
    assert!(svg.starts_with("<svg width=\"900\" height=\"600\" viewBox=\"0 0 3600 2400\""));
    assert!(svg.trim_end().ends_with("</svg>"));
    for label in
        ["Accuracy &amp; voltage", "weights &lt; 0 are kept", "passive", "supply voltage (V)", "test accuracy (%)"]
    {
        assert!(svg.contains(label), "{label}");
    }

    // A PNG begins with its signature and the header chunk, and ends with the end chunk (RFC 2083).
    let png = fs::read(&paths[1]).unwrap();
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(png[16..24], [1800u32.to_be_bytes(), 1200u32.to_be_bytes()].concat());
    assert_eq!(png[png.len() - 8..png.len() - 4], *b"IEND");
}

#[test]
fn drawing_again_replaces_and_repeats() {
    let directory = Directory::new("again");
    let stem = directory.0.join("figure");
    let read = |paths: [PathBuf; 2]| paths.map(|path| fs::read(path).unwrap());
    let first = read(draw(&data(), &stem).unwrap());
    let again = read(draw(&data(), &stem).unwrap());
    assert!(first == again, "the same data gives other bytes");
    assert_eq!(directory.names(), ["figure.png", "figure.svg"]);
}

#[test]
fn a_failed_drawing_leaves_nothing_and_spoils_nothing() {
    let directory = Directory::new("failed");
    let stem = directory.0.join("figure");
    fs::write(stem.with_extension("svg"), "an older figure").unwrap();
    // Refused before anything is written.
    let mut wrong = data();
    wrong.series[0].points[0].supply_v = f64::NAN;
    assert!(matches!(draw(&wrong, &stem), Err(PlotError::Invalid { .. })));
    assert_eq!(directory.names(), ["figure.svg"]);
    assert_eq!(fs::read_to_string(stem.with_extension("svg")).unwrap(), "an older figure");

    // The last step, replacing the PNG, fails: a directory is in its place.
    fs::create_dir(directory.0.join("blocked.png")).unwrap();
    let error = draw(&data(), &directory.0.join("blocked")).unwrap_err();
    assert!(matches!(&error, PlotError::Write { path, .. } if path.ends_with("blocked.png")), "{error}");
    assert!(directory.names().iter().all(|name| !name.contains(".tmp")), "{:?}", directory.names());
}

#[test]
fn a_missing_directory_is_named() {
    let directory = Directory::new("missing");
    let stem = directory.0.join("absent").join("figure");
    let error = draw(&data(), &stem).unwrap_err();
    assert!(error.to_string().contains("figure.svg"), "{error}");
    assert!(matches!(draw(&data(), "..".as_ref()), Err(PlotError::Write { .. })));
}
