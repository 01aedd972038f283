//! `report.html`: what a run found, on one page that needs nothing but itself.

mod answer;
mod constants;
mod html;
mod memory;
#[cfg(feature = "train")]
mod overview;
mod tables;

use crate::failure::Failure;
use crate::figures::Run;
use crate::memory_figures;
use crate::output::{whole_files, write_atomically};
use axtrain_sim::report::{Aggregate, MemoryReport, aggregate};
use html::{Html, escaped};
#[cfg(feature = "train")]
pub(crate) use overview::write_overview;
use std::path::{Path, PathBuf};

/// What the page's parts are made from.
struct Contents<'a> {
    run: &'a Run,
    points: Vec<Aggregate>,
    /// What the others are compared with.
    reference: Option<usize>,
    /// What failing memories do, if they fail.
    memory: Option<MemoryReport>,
}

/// Writes the page of the run in `folder`, with the figures that are there.
pub(crate) fn write(folder: &Path) -> Result<PathBuf, Failure> {
    let run = Run::read(folder)?;
    let points = aggregate(&run.records);
    let reference = run.reference(&points);
    let memory = memory_figures::read(folder)?;
    let contents = Contents { run: &run, points, reference, memory };
    let figures = figures(&folder.join("figures"))?;
    let experiment = std::fs::read_to_string(folder.join("experiment.toml")).unwrap_or_default();
    let path = folder.join("report.html");
    write_atomically(&path, contents.page(&figures, &experiment).as_bytes())?;
    Ok(path)
}

/// A figure's name and its SVG.
type Figure = (String, String);

/// Figures in the order in which they answer.
const ORDER: [&str; 6] =
    ["energy-accuracy", "savings", "accuracy-voltage", "energy-breakdown", "error-voltage", "training-curves"];

fn figures(folder: &Path) -> Result<Vec<Figure>, Failure> {
    let Ok(mut paths) = whole_files(folder, "svg") else { return Ok(Vec::new()) };
    let name = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let rank = |path: &PathBuf| ORDER.iter().position(|figure| name(path).starts_with(figure)).unwrap_or(ORDER.len());
    paths.sort_by_key(|path| (rank(path), name(path)));
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::request(format!("cannot read {}: {error}", path.display()), "draw it again"))?;
        // The page has its own declaration of what it is.
        let start = text.find("<svg").unwrap_or(0);
        Ok((name(path), text[start..].to_owned()))
    };
    paths.iter().map(read).collect()
}

impl Contents<'_> {
    fn page(&self, figures: &[Figure], experiment: &str) -> String {
        let point = &self.run.records[0].point;
        let title = format!("{} on {}", point.model, point.dataset);
        let mut page = Html::default();
        page.element("h1", &format!("Energy against accuracy: {}", escaped(&title)));
        page.paragraph(&escaped(&format!("{}; {}", self.run.conditions(), self.run.circuit())));
        page.section("answer", "Answer", &self.answer());
        if let Some((_, svg)) = figures.first() {
            page.figure(svg);
        }
        if let Some(memory) = &self.memory {
            page.section("memory", "Failing memories", &memory::section(memory));
        }
        page.section("least", "Least energy for what may be lost", &self.least_energy());
        let constants = self.constants();
        if !constants.is_empty() {
            page.section("constants", "What hangs on the constants", &constants);
        }
        if figures.len() > 1 {
            page.section("figures", "Figures", "");
            figures[1..].iter().for_each(|(_, svg)| page.figure(svg));
        }
        page.section("points", "Operating points", &self.operating_points());
        page.section("designs", "Multipliers", &self.designs());
        page.section("records", "Records", &self.records());
        page.section("provenance", "Where the numbers come from", &self.provenance(experiment));
        page.document(&title)
    }
}
