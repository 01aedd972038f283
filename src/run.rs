//! The whole way: characterise, train, simulate, report, plot.

use crate::arguments::RunOptions;
use crate::failure::Failure;
use crate::output::{print_json, print_line};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::study::{Study, load};
use crate::{figures, page, simulate, summary, summary_memory, train};
use std::path::{Path, PathBuf};

/// Runs an experiment. What is on disk already and still fits is not computed again.
pub(crate) fn run(options: &RunOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let RunOptions { experiment: options, fidelity } = options;
    let mut study = load(&options.experiment, &options.runs)?;
    fidelity.apply(&mut study);
    let _lock = RunLock::take(&study.folder)?;
    let behaviours = study.characterize(console)?;
    train::networks(&study, console)?;
    let records = simulate::records(&study, &behaviours, seed, console)?;
    let figures = figures::draw(&study.folder)?;
    let report = page::write(&study.folder)?;
    if options.json {
        print_json(&records);
    } else {
        summary::print(&study, &records);
        summary_memory::print(&study, &records);
        print_files(&study, &figures, &report);
    }
    Ok(())
}

fn print_files(study: &Study, figures: &[PathBuf], report: &Path) {
    print_line(&format!("\nRecords, profiles and weights are in {}", study.folder.display()));
    print_line(&format!("  {}", report.display()));
    for figure in figures.iter().filter(|path| path.extension().is_some_and(|extension| extension == "svg")) {
        print_line(&format!("  {}", figure.display()));
    }
}
