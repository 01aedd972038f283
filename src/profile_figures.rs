//! Figures of one profile.

use axtrain_plots::{Caption, error_fit, operand_map};
use axtrain_sim::profile::{ErrorProfile, MassFunction, fits};

/// Cells of a map along either operand.
const CELLS: usize = 64;

/// Design, supply and what else a profile's numbers hold under.
fn caption(what: &str, profile: &ErrorProfile) -> Caption {
    let about = &profile.metadata;
    Caption::new(
        format!("{what} of {} at {:.3} V", about.design, about.supply_v),
        format!("{}, clock {:.0} ps; {} operands", about.technology, about.clock_ps, about.stimulus),
    )
}

/// Error rate and mean error over operands.
pub(crate) fn operand_map(profile: &ErrorProfile) -> operand_map::OperandMap {
    let grid = profile.operand_grid(CELLS);
    operand_map::OperandMap {
        caption: caption("Timing errors", profile),
        weights: grid.weights.map(|end| end as f64),
        activations: grid.activations.map(|end| end as f64),
        columns: grid.columns,
        // Single precision may round a mean of rates just above one.
        error_rate: grid.error_rate.iter().map(|rate| rate.min(1.0)).collect(),
        mean_error: grid.mean_error,
    }
}

/// Timing errors in bins that double, and the models fitted to them; nothing if errors do not vary.
pub(crate) fn error_fit(profile: &ErrorProfile) -> Option<error_fit::ErrorFit> {
    let models = fits(&profile.timing, profile.operations());
    if models.is_empty() {
        return None;
    }
    let bins = profile.timing.doubling_bins();
    let fits = models.iter().map(|fit| {
        let within =
            |&[low, high]: &[i32; 2]| fit.model.cumulative(high) - fit.model.cumulative(low.saturating_sub(1));
        error_fit::FittedModel {
            name: fit.model.name().to_owned(),
            ks: fit.ks.min(1.0),
            probability: bins.iter().map(|(ends, _)| within(ends).clamp(0.0, 1.0)).collect(),
        }
    });
    Some(error_fit::ErrorFit {
        caption: caption("Timing errors", profile),
        fits: fits.collect(),
        bins: bins
            .iter()
            .map(|&([low, high], probability)| error_fit::Bin {
                low: low.into(),
                high: high.into(),
                probability: probability.min(1.0),
            })
            .collect(),
    })
}

/// A distribution as the histogram wants it.
pub(crate) fn distribution(name: String, errors: &MassFunction) -> axtrain_plots::error_histogram::Distribution {
    let outcomes = errors.iter().map(|(error, probability)| axtrain_plots::error_histogram::Outcome {
        error: f64::from(error),
        probability: probability.min(1.0),
    });
    axtrain_plots::error_histogram::Distribution { name, outcomes: outcomes.collect() }
}
