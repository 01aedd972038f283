//! What the variations of a sweep give together: how much energy each saves within a loss of accuracy, and which saves most.

use super::Sweep;
use crate::failure::Failure;
use crate::figures::compared_with;
use crate::output::print_line;
use crate::page;
use crate::savings;
use crate::summary::{ACCEPTED_LOSSES, loss_in_points, nanojoules, new_table};
use axtrain_plots::Caption;
use axtrain_sim::report::{Aggregate, Record, aggregate, cheapest_within};
use comfy_table::CellAlignment;

/// A variation and its answers.
pub(crate) struct Line {
    /// The variation's folder.
    pub(crate) folder: String,
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
    fn new(sweep: &Sweep, index: usize, records: &[Record]) -> Option<Self> {
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
        Some(Self { folder, settings, saved, reference, best: best.into() })
    }
}

/// Writes the sweep's figure and page, and prints its table.
pub(super) fn write(sweep: &Sweep, results: &[Vec<Record>]) -> Result<(), Failure> {
    let lines: Vec<Line> =
        results.iter().enumerate().filter_map(|(index, records)| Line::new(sweep, index, records)).collect();
    let report = if lines.is_empty() { None } else { Some(draw(sweep, &lines)?) };
    print_line(&table(&lines));
    if let Some(best) = lines.iter().max_by(|a, b| a.saved[0].total_cmp(&b.saved[0]))
        && let Some(point) = best.best[0].as_ref().filter(|_| best.saved[0] > 0.0)
    {
        print_line(&format!(
            "Most is saved in {}: {:.0} % within {}, by {} with {} training at {:.2} V.",
            best.folder,
            100.0 * best.saved[0],
            loss_in_points(ACCEPTED_LOSSES[0]),
            point.design,
            point.method,
            point.supply_v
        ));
    }
    print_line(&format!("\nEvery variation has a folder in {}", sweep.root.display()));
    if let Some(report) = report {
        print_line(&format!("  {}", report.display()));
    }
    Ok(())
}

/// Draws the savings of at most so many variations, those that save most.
const MOST_BARS: usize = 24;

fn draw(sweep: &Sweep, lines: &[Line]) -> Result<std::path::PathBuf, Failure> {
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
    axtrain_plots::savings::draw(&figure, &folder.join("savings"))
        .map_err(|error| Failure::other(format!("cannot draw a figure: {error}")))?;
    page::write_overview(&sweep.root, &sweep.axes.axes, lines)
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
