//! The whole way: characterise, train, simulate, report, plot.

use crate::arguments::RunOptions;
use crate::failure::Failure;
use crate::output::{print_json, print_line};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::study::{Study, load};
use crate::weights::Job;
use crate::{figures, page, simulate, summary, summary_memory, train};
use axtrain_sim::report::Record;
use std::path::{Path, PathBuf};

/// Runs an experiment. What is on disk already and still fits is not computed again.
pub(crate) fn run(options: &RunOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let RunOptions { experiment: options, fidelity } = options;
    let mut study = load(&options.experiment, &options.runs)?;
    fidelity.apply(&mut study);
    let _lock = RunLock::take(&study.root)?;
    train::networks(&study, Job::all(&study), console)?;
    let results = complete(&study, seed, console)?;
    if options.json {
        print_json(&results.records);
    } else {
        print(&study, &results.records);
        print_files(&study, &results);
    }
    Ok(())
}

/// What a run leaves.
pub(crate) struct Results {
    pub(crate) records: Vec<Record>,
    figures: Vec<PathBuf>,
    report: PathBuf,
}

/// Characterises, simulates what is missing, and writes the study's folder. Its networks are trained.
pub(crate) fn complete(study: &Study, seed: u64, console: &Console) -> Result<Results, Failure> {
    let behaviours = study.characterize(console)?;
    let records = simulate::records(study, &behaviours, seed, console)?;
    let (figures, report) = report(study)?;
    Ok(Results { records, figures, report })
}

/// Figures and report of a study's folder.
pub(crate) fn report(study: &Study) -> Result<(Vec<PathBuf>, PathBuf), Failure> {
    for job in Job::all(study) {
        job.show(study)?;
    }
    Ok((figures::draw(&study.folder)?, page::write(&study.folder)?))
}

/// Prints what the records say.
pub(crate) fn print(study: &Study, records: &[Record]) {
    summary::print(study, records);
    summary_memory::print(study, records);
}

fn print_files(study: &Study, results: &Results) {
    let is_svg = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "svg");
    print_line(&format!("\nRecords, profiles and weights are in {}", study.folder.display()));
    let line = |path: &Path| print_line(&format!("  {}", path.display()));
    line(&results.report);
    results.figures.iter().filter(is_svg).for_each(|path| line(path));
}
