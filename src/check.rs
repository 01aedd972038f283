//! Validating files without running anything.

use crate::arguments::CheckOptions;
use crate::catalogue::Source;
use crate::failure::Failure;
use crate::output::print_line;
use crate::shelf::Shelf;
use crate::study;
use axtrain_sim::config::Axes;
use axtrain_sim::memory::{FaultModel, MemoryTechnology};
use axtrain_sim::units::Volts;
use std::path::Path;

/// Checks each file and says what it is.
pub(crate) fn run(options: &CheckOptions) -> Result<(), Failure> {
    for path in &options.files {
        let kind = check(path)?;
        print_line(&format!("{}: a sound {kind} file", path.display()));
    }
    Ok(())
}

fn check(path: &Path) -> Result<&'static str, Failure> {
    let source = Source::read(path)?;
    let file = source.parts();
    // The keys that only one kind of file has; what has none of them is taken for an experiment.
    let table: toml::Table = source.text.parse().map_err(|error: toml::de::Error| {
        Failure::in_file(file, error.span(), error.message(), Some("this is not TOML".into()))
    })?;
    let has = |key: &str| table.contains_key(key);
    if has("multiplier") {
        study::any_multiplier(path)?;
        Ok("design")
    } else if has("delay_law") || has("cells") || has("liberty") {
        study::read_technology(&source, path.parent().unwrap_or(Path::new(".")))?;
        Ok("technology")
    } else if has("macros") {
        MemoryTechnology::from_toml(&source.text)
            .map_err(|error| Failure::in_file(file, error.span, error.message, None))?;
        Ok("memory")
    } else if has("law") {
        // Whatever Vmin is: the file speaks of multiples of it.
        FaultModel::from_toml(&source.text, Volts(1.0))
            .map_err(|error| Failure::in_file(file, error.span, error.message, None))?;
        Ok("fault")
    } else if has("array") && !has("dataset") {
        source.array()?.array.build().map_err(|error| Failure::in_file(file, None, error, None))?;
        Ok("array")
    } else {
        let axes = Axes::of(&source.text).map_err(|error| Failure::config(file, error))?;
        let shelf = Shelf::default();
        for variation in &axes.variations {
            let source = Source { name: variation.name_in(&source.name), text: variation.text.clone() };
            study::prepare(source, path, Path::new("runs"), None, &shelf)?;
        }
        Ok(if axes.variations.len() > 1 { "sweep" } else { "experiment" })
    }
}
