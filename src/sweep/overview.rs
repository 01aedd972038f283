//! What the variations of a sweep give together: how much energy each saves within a loss of accuracy, and which saves most.

use super::Sweep;
use crate::failure::Failure;
use crate::figures::{compared_with, share};
use crate::output::{print_line, print_wrapped};
use crate::page;
use crate::savings;
use crate::summary::{ACCEPTED_LOSSES, loss_in_points, nanojoules, new_table};
use axtrain_plots::{Caption, energy_accuracy};
use axtrain_sim::report::{Aggregate, Record, aggregate, cheapest_within, pareto_front};
use comfy_table::CellAlignment;
use std::path::{Path, PathBuf};

/// A variation and its answers.
pub(crate) struct Line {
    /// Its position.
    pub(super) variation: usize,
    /// Whether its folder has figures and a report.
    pub(crate) has_report: bool,
    /// The variation's folder.
    pub(crate) folder: String,
    /// Data set that its accuracies are of.
    pub(super) dataset: String,
    /// All its operating points.
    pub(super) points: Vec<Aggregate>,
    /// Value of each axis.
    pub(crate) settings: Vec<(String, String)>,
    /// What its points are compared with: its baseline at the highest supply, trained the first way.
    pub(crate) reference: Aggregate,
    /// For each accepted loss, the point of least energy.
    pub(crate) best: Vec<Option<Aggregate>>,
    /// Share of the reference's energy that it saves; 0 if none.
    pub(crate) saved: [f64; ACCEPTED_LOSSES.len()],
}

impl Line {
    pub(super) fn new(sweep: &Sweep, index: usize, records: &[Record]) -> Option<Self> {
        let variation = &sweep.axes.variations[index];
        let points = aggregate(records);
        let [baseline, method] = compared_with(&variation.text)?;
        let own = points.iter().filter(|point| point.design == baseline && point.method == method);
        let reference = own.max_by(|a, b| a.supply_v.total_cmp(&b.supply_v))?.clone();
        let best = ACCEPTED_LOSSES
            .map(|loss| cheapest_within(&points, reference.accuracy.mean - loss / 100.0, |_| true).cloned());
        let settings = variation.settings.iter().map(|(key, value)| (key.clone(), value.clone()));
        let (folder, settings) = (sweep.folder_name(index), settings.collect());
        let saved = savings::saved(&points, &reference, |_| true);
        let dataset = records.first()?.point.dataset.clone();
        let (variation, has_report) = (index, false);
        Some(Self { variation, has_report, folder, dataset, points, settings, saved, reference, best: best.into() })
    }
}

/// A point that no point of any variation beats, and its variation.
#[derive(Clone, Copy)]
pub(crate) struct Unbeaten<'a> {
    pub(crate) line: &'a Line,
    pub(crate) point: &'a Aggregate,
}

/// The front of all variations together, by ascending energy; empty if their accuracies are of different data sets.
pub(crate) fn front(lines: &[Line]) -> Vec<Unbeaten<'_>> {
    if !comparable(lines) {
        return Vec::new();
    }
    let all: Vec<Unbeaten<'_>> =
        lines.iter().flat_map(|line| line.points.iter().map(move |point| Unbeaten { line, point })).collect();
    let points: Vec<Aggregate> = all.iter().map(|unbeaten| unbeaten.point.clone()).collect();
    pareto_front(&points).into_iter().map(|index| all[index]).collect()
}

/// The cheapest point of all variations within a loss of the best baseline's accuracy.
pub(crate) struct Cheapest<'a> {
    pub(crate) found: Unbeaten<'a>,
    /// The variation with that baseline.
    pub(crate) best: &'a Line,
}

impl Cheapest<'_> {
    /// Share of the best baseline's energy that it saves; negative if it needs more.
    pub(crate) fn saved(&self) -> f64 {
        1.0 - self.found.point.energy_uj.total / self.best.reference.energy_uj.total
    }
}

/// The answer of all variations together; none if their accuracies are of different data sets. `loss` is in points.
pub(crate) fn cheapest(lines: &[Line], loss: f64) -> Option<Cheapest<'_>> {
    if !comparable(lines) {
        return None;
    }
    // Of equally accurate baselines the cheapest.
    let best = lines.iter().max_by(|a, b| {
        let [a, b] = [a, b].map(|line| (line.reference.accuracy.mean, line.reference.energy_uj.total));
        a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1))
    })?;
    let accepted = best.reference.accuracy.mean - loss / 100.0;
    let found = lines.iter().filter_map(|line| {
        let point = cheapest_within(&line.points, accepted, |_| true)?;
        Some(Unbeaten { line, point })
    });
    let found = found.min_by(|a, b| a.point.energy_uj.total.total_cmp(&b.point.energy_uj.total))?;
    Some(Cheapest { found, best })
}

/// Whether the accuracies of all variations are of one data set.
fn comparable(lines: &[Line]) -> bool {
    lines.windows(2).all(|pair| pair[0].dataset == pair[1].dataset)
}

/// Places of the variations that reach the front of all, or save most within some loss.
pub(super) fn leading(lines: &[Line]) -> Vec<usize> {
    let front: Vec<usize> = front(lines).iter().map(|unbeaten| unbeaten.line.variation).collect();
    let mut leading: Vec<usize> = (0..lines.len()).filter(|&place| front.contains(&lines[place].variation)).collect();
    for loss in 0..ACCEPTED_LOSSES.len() {
        leading.extend((0..lines.len()).max_by(|&a, &b| lines[a].saved[loss].total_cmp(&lines[b].saved[loss])));
    }
    leading.sort_unstable();
    leading.dedup();
    leading
}

/// Prints the sweep's table and where its results are.
pub(super) fn print(sweep: &Sweep, lines: &[Line], report: Option<&Path>) {
    print_line(&table(lines));
    for loss in ACCEPTED_LOSSES {
        if let Some(cheapest) = cheapest(lines, loss) {
            let Unbeaten { line, point } = cheapest.found;
            let answer = format!(
                "Least energy within {} of the best baseline ({:.1} %, {}): {}, {}, by {} with {} training at {:.2} V in {}",
                loss_in_points(loss),
                100.0 * cheapest.best.reference.accuracy.mean,
                nanojoules(cheapest.best.reference.energy_uj.total),
                nanojoules(point.energy_uj.total),
                format!("{:+.0} %", -100.0 * cheapest.saved()).replace('-', "−"),
                point.design,
                point.method,
                point.supply_v,
                line.folder
            );
            print_wrapped(&answer, 2);
        }
    }
    if !comparable(lines)
        && let Some(best) = lines.iter().max_by(|a, b| a.saved[0].total_cmp(&b.saved[0]))
        && let Some(point) = best.best[0].as_ref().filter(|_| best.saved[0] > 0.0)
    {
        let answer = format!(
            "Most is saved in {}: {:.0} % within {}, by {} with {} training at {:.2} V.",
            best.folder,
            100.0 * best.saved[0],
            loss_in_points(ACCEPTED_LOSSES[0]),
            point.design,
            point.method,
            point.supply_v
        );
        print_wrapped(&answer, 2);
    }
    print_line(&format!("\nEvery variation has a folder in {}", sweep.root.display()));
    if let Some(report) = report {
        print_line(&format!("  {}", report.display()));
    }
}

/// Draws the savings of at most so many variations, those that save most.
const MOST_BARS: usize = 24;

/// Draws the sweep's figures and writes its page, if there is anything to show.
pub(super) fn draw(sweep: &Sweep, lines: &[Line]) -> Result<Option<PathBuf>, Failure> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut shown: Vec<&Line> = lines.iter().collect();
    shown.sort_by(|a, b| b.saved[ACCEPTED_LOSSES.len() - 1].total_cmp(&a.saved[ACCEPTED_LOSSES.len() - 1]));
    shown.truncate(MOST_BARS);
    shown.sort_by(|a, b| a.folder.cmp(&b.folder));
    let of = match shown.len() < lines.len() {
        true => format!("; {} of {} variations", shown.len(), lines.len()),
        false => String::new(),
    };
    let caption = Caption::new("Energy saved", format!("against each variation’s own baseline at full supply{of}"));
    let bars = shown.iter().map(|line| (line.folder.replace('_', " "), line.saved.to_vec()));
    let figure = savings::figure(caption, bars);
    let folder = sweep.root.join("figures");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::write(&folder, error))?;
    let failed = |error| Failure::other(format!("cannot draw a figure: {error}"));
    axtrain_plots::savings::draw(&figure, &folder.join("savings")).map_err(failed)?;
    let front = front(lines);
    // Empty only if the data sets differ: the best reference is a point itself.
    if !front.is_empty() {
        let figure = front_figure(lines, &front);
        axtrain_plots::energy_accuracy::draw(&figure, &folder.join("energy-accuracy")).map_err(failed)?;
    }
    page::write_overview(&sweep.root, &sweep.axes.axes, lines, &front).map(Some)
}

/// Draws at most so many variations' own fronts, of those that have most points on the front of all.
const MOST_FRONTS: usize = 7;
/// Draws points of at most so much less accuracy than the best reference, 0…1: what loses more is no choice.
const SHOWN_LOSS: f64 = 0.1;

/// The front of all variations, and the own fronts of those that reach it.
fn front_figure(lines: &[Line], front: &[Unbeaten<'_>]) -> energy_accuracy::EnergyAccuracy {
    let best = lines.iter().map(|line| line.reference.accuracy.mean).fold(0.0, f64::max);
    let from = best - SHOWN_LOSS;
    let good = |point: &Aggregate| point.accuracy.mean >= from;
    let mut reaching: Vec<(&Line, usize)> = Vec::new();
    for Unbeaten { line, .. } in front.iter().filter(|unbeaten| good(unbeaten.point)) {
        match reaching.iter_mut().find(|(known, _)| known.folder == line.folder) {
            Some((_, points)) => *points += 1,
            None => reaching.push((line, 1)),
        }
    }
    let count = reaching.len();
    reaching.sort_by_key(|(_, points)| std::cmp::Reverse(*points));
    reaching.truncate(MOST_FRONTS);
    let shown = reaching.len();
    let series = reaching.iter().flat_map(|(line, _)| {
        let mut own: Vec<energy_accuracy::Series> = Vec::new();
        for point in
            pareto_front(&line.points).into_iter().map(|index| &line.points[index]).filter(|point| good(point))
        {
            let place = energy_accuracy::Point {
                supply_v: point.supply_v,
                energy_uj: point.energy_uj.total,
                accuracy: share(point.accuracy),
            };
            match own.iter_mut().find(|series| series.design == point.design) {
                Some(series) => series.points.push(place),
                None => own.push(energy_accuracy::Series {
                    method: line.folder.replace('_', " "),
                    design: point.design.clone(),
                    baseline: false,
                    points: vec![place],
                }),
            }
        }
        own
    });
    let front = front.iter().map(|unbeaten| unbeaten.point).filter(|point| good(point));
    let drawn = if shown < count { format!("{shown} of the {count}") } else { "those".to_owned() };
    let fronts = format!("{} variations; the own fronts of {drawn} that reach the front of all", lines.len());
    energy_accuracy::EnergyAccuracy {
        caption: Caption::new("Energy against accuracy of all variations", fronts),
        series: series.collect(),
        groups: "variation",
        exact_at_nominal: Some(best),
        front: front.map(|point| [point.energy_uj.total, point.accuracy.mean]).collect(),
        accuracy_from: None,
    }
}

fn table(lines: &[Line]) -> String {
    let mut table = new_table();
    let mut header = vec!["variation".to_owned(), "baseline".to_owned(), "energy".to_owned()];
    header.extend(ACCEPTED_LOSSES.map(loss_in_points));
    table.set_header(header);
    for line in lines {
        let name: String = line.folder.chars().take(30).collect();
        let accuracy = format!("{:.1} %", 100.0 * line.reference.accuracy.mean);
        let mut row = vec![name, accuracy, nanojoules(line.reference.energy_uj.total)];
        row.extend(line.saved.map(|saved| match saved {
            0.0 => "none".to_owned(),
            saved => format!("−{:.0} %", 100.0 * saved),
        }));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("Energy saved within so much accuracy, against each variation's baseline:\n{table}")
}
