//! Energy saved within each loss of accuracy that one may accept.

use crate::summary::{ACCEPTED_LOSSES, loss_in_points};
use axtrain_plots::Caption;
use axtrain_plots::savings::{Bar, Savings};
use axtrain_sim::report::{Aggregate, cheapest_within};

/// For each accepted loss, the share of the reference's energy that the cheapest of the `eligible` points saves; 0 if none does.
pub(crate) fn saved(
    points: &[Aggregate],
    reference: &Aggregate,
    eligible: impl Fn(&Aggregate) -> bool,
) -> [f64; ACCEPTED_LOSSES.len()] {
    ACCEPTED_LOSSES.map(|loss| {
        let best = cheapest_within(points, reference.accuracy.mean - loss / 100.0, &eligible);
        best.map_or(0.0, |best| 1.0 - best.energy_uj.total / reference.energy_uj.total).max(0.0)
    })
}

/// The figure of named savings.
pub(crate) fn figure(caption: Caption, bars: impl IntoIterator<Item = (String, Vec<f64>)>) -> Savings {
    Savings {
        caption,
        losses: ACCEPTED_LOSSES.map(|loss| format!("within {}", loss_in_points(loss))).into(),
        bars: bars.into_iter().map(|(name, saved)| Bar { name, saved }).collect(),
    }
}
