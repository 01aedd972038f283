//! What error profiles say in short, as JSON and as tables.

use crate::output::print_line;
use axtrain_sim::array::LayerNoise;
use axtrain_sim::profile::{ErrorModel, ErrorProfile, Fit, fits};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a profile says in short, and where its files are.
#[derive(Clone, Serialize)]
pub(crate) struct Summary {
    profile: PathBuf,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) layer: Option<String>,
    supply_v: f64,
    clock_ps: f64,
    stimulus: String,
    error_rate: f64,
    mean_error: f64,
    standard_deviation: f64,
    approximation_mean_error: f64,
    approximation_standard_deviation: f64,
    total_mean_error: f64,
    total_standard_deviation: f64,
    energy_fj: f64,
    /// Mean distance of settled from exact products under a layer's operands, in shares of the largest product.
    pub(crate) wmed: Option<f64>,
    pub(crate) snr_db: Option<Snr>,
    fits: Vec<FitSummary>,
}

/// Signal-to-noise ratios of a layer's sums; `null` in JSON where there is no noise.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Snr {
    approximation: f64,
    timing: f64,
    total: f64,
}

impl Snr {
    pub(crate) fn new(noise: &LayerNoise) -> Self {
        let [approximation, timing, total] =
            [noise.approximation, noise.timing, noise.total].map(|part| noise.decibels(part));
        Self { approximation, timing, total }
    }
}

/// A distribution fitted to timing errors, with its misfit.
#[derive(Clone, Serialize)]
struct FitSummary {
    model: &'static str,
    parameters: BTreeMap<&'static str, f64>,
    /// The parameters as a table shows them.
    #[serde(skip)]
    brief: String,
    ks: f64,
    aic: f64,
}

impl FitSummary {
    fn new(fit: &Fit) -> Self {
        let (parameters, brief) = match fit.model {
            ErrorModel::Gaussian { mean, deviation } => {
                (vec![("mean", mean), ("deviation", deviation)], format!("{} ± {}", short(mean), short(deviation)))
            }
            ErrorModel::Laplace { median, scale } => {
                (vec![("median", median), ("scale", scale)], format!("{median} ± {}", short(scale)))
            }
            ErrorModel::TwoSidedGeometric { centre, ratio } => {
                (vec![("centre", centre.into()), ("ratio", ratio)], format!("{centre}, ratio {ratio:.4}"))
            }
            ErrorModel::SpikedGaussian { spike, mean, deviation } => (
                vec![("spike", spike), ("mean", mean), ("deviation", deviation)],
                format!("{spike:.4}, {} ± {}", short(mean), short(deviation)),
            ),
        };
        let parameters = parameters.into_iter().collect();
        Self { model: fit.model.name(), parameters, brief, ks: fit.ks, aic: fit.aic }
    }
}

impl Summary {
    pub(crate) fn new(path: PathBuf, profile: &ErrorProfile) -> Self {
        let deviation = |variance: f64| variance.max(0.0).sqrt();
        Self {
            profile: path,
            trace: None,
            layer: None,
            supply_v: profile.metadata.supply_v,
            clock_ps: profile.metadata.clock_ps,
            stimulus: profile.metadata.stimulus.clone(),
            error_rate: profile.timing.error_rate(),
            mean_error: profile.timing.mean(),
            standard_deviation: deviation(profile.timing.variance()),
            approximation_mean_error: profile.approximation.mean(),
            approximation_standard_deviation: deviation(profile.approximation.variance()),
            total_mean_error: profile.total.mean(),
            total_standard_deviation: deviation(profile.total.variance()),
            energy_fj: profile.mean_energy_fj(),
            wmed: None,
            snr_db: None,
            fits: fits(&profile.timing, profile.operations()).iter().map(FitSummary::new).collect(),
        }
    }
}

/// Tables for each list of operands, then the files.
pub(crate) fn print(design: &str, written: &[Vec<Summary>]) {
    print_line(design);
    for summaries in written {
        let first = &summaries[0];
        print_line(&format!("  {} operands", first.stimulus));
        let (mean, deviation) = (first.approximation_mean_error, first.approximation_standard_deviation);
        let wmed = first.wmed.map_or(String::new(), |wmed| format!(", WMED {wmed:.2e}"));
        print_line(&format!("  approximation error: mean {mean:.2}, deviation {deviation:.1}{wmed}; timing error:"));
        print_errors(summaries);
        if first.snr_db.is_some() {
            print_line("  signal-to-noise ratio of the layer's sums, dB:");
            print_snr(summaries);
        }
        if summaries.iter().any(|summary| !summary.fits.is_empty()) {
            print_line("  fits to the timing error, best first (KS: Kolmogorov-Smirnov distance):");
            print_fits(summaries);
        }
    }
    for summary in written.iter().flatten() {
        for path in [Some(&summary.profile), summary.trace.as_ref()].into_iter().flatten() {
            print_line(&path.display().to_string());
        }
    }
}

fn point(summary: &Summary) -> [String; 2] {
    [format!("{:.3} V", summary.supply_v), format!("{:.0} ps", summary.clock_ps)]
}

fn print_errors(summaries: &[Summary]) {
    let rows = summaries.iter().map(|summary| {
        let mut cells = point(summary).to_vec();
        cells.extend([
            format!("{:.4} %", 100.0 * summary.error_rate),
            format!("{:.2}", summary.mean_error),
            format!("{:.1}", summary.standard_deviation),
            format!("{:.1}", summary.total_standard_deviation),
            format!("{:.1} fJ", summary.energy_fj),
        ]);
        cells
    });
    print_table(&["supply", "clock", "wrong", "mean", "deviation", "of total", "switching"], rows);
}

fn print_snr(summaries: &[Summary]) {
    let decibels = |ratio: f64| if ratio.is_finite() { format!("{ratio:.1}") } else { "no noise".to_owned() };
    let rows = summaries.iter().filter_map(|summary| {
        let Snr { approximation, timing, total } = summary.snr_db?;
        let mut cells = point(summary).to_vec();
        cells.extend([approximation, timing, total].map(decibels));
        Some(cells)
    });
    print_table(&["supply", "clock", "approximation", "timing", "total"], rows);
}

fn print_fits(summaries: &[Summary]) {
    let fits = summaries.iter().flat_map(|summary| summary.fits.iter().enumerate().map(move |fit| (summary, fit)));
    let rows = fits.map(|(summary, (rank, fit))| {
        // The supply once, for all its fits.
        let supply = if rank == 0 { format!("{:.3} V", summary.supply_v) } else { String::new() };
        let misfit = [format!("{:.3}", fit.ks), format!("{:.3e}", fit.aic)];
        let mut cells = vec![supply, fit.model.to_owned(), fit.brief.clone()];
        cells.extend(misfit);
        cells
    });
    print_table(&["supply", "fit", "centre ± spread", "KS", "AIC"], rows);
}

/// Four significant digits at most.
fn short(value: f64) -> String {
    let digits = if value.abs() < 1.0 { 4 } else { 3usize.saturating_sub(value.abs().log10() as usize) };
    format!("{value:.digits$}")
}

fn print_table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_line(&table.to_string());
}
