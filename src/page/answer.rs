//! The answer to the question that the tool is for.

use super::Contents;
use super::html::{Cell, escaped, table};
use crate::summary::{ACCEPTED_LOSSES, loss_in_points, nanojoules};
use axtrain_sim::report::{Aggregate, cheapest_within, knee, pareto_front};
use std::fmt::Write;

/// An accuracy in percent with half of its interval.
pub(super) fn percent(point: &Aggregate) -> String {
    let half = (point.accuracy.high - point.accuracy.mean) * 100.0;
    let spread = if point.seeds > 1 { format!(" ± {half:.1}") } else { String::new() };
    format!("{:.1}{spread} %", point.accuracy.mean * 100.0)
}

/// A change in percent, with a minus sign as it is printed.
pub(super) fn signed_percent(change: f64, decimals: usize) -> String {
    format!("{change:+.decimals$} %").replace('-', "−")
}

impl Contents<'_> {
    /// Energy saved against the reference, as a share of it.
    pub(super) fn saving(&self, point: &Aggregate) -> Option<f64> {
        let reference = &self.points[self.reference?];
        Some(point.energy_uj.total / reference.energy_uj.total - 1.0)
    }

    pub(super) fn answer(&self) -> String {
        let mut html = String::from(
            "<p>How much energy can this network save on approximate, low-voltage arithmetic before its accuracy suffers, \
             and how must it be trained to save more?</p>\n",
        );
        let Some(reference) = self.reference.map(|index| &self.points[index]) else {
            html += "<p>No design of this run can serve as the one to compare with.</p>\n";
            return html;
        };
        let name =
            |point: &Aggregate| format!("{}, {} training, {:.2} V", point.design, point.method, point.supply_v);
        let _ = writeln!(
            html,
            "<p>Compared with {}: {}, {} an image.</p>\n<ul class=\"answer\">",
            escaped(&name(reference)),
            percent(reference),
            nanojoules(reference.energy_uj.total)
        );
        for loss in ACCEPTED_LOSSES {
            let within = loss_in_points(loss);
            let accuracy = reference.accuracy.mean - loss / 100.0;
            let best = cheapest_within(&self.points, accuracy, |_| true);
            let saved = best.and_then(|best| Some((best, self.saving(best)?))).filter(|(_, saving)| *saving < 0.0);
            let _ = match saved {
                Some((best, saving)) => writeln!(
                    html,
                    "<li><b>{:.0} % less energy</b> within {within} of accuracy: {}. {}, {} an image.</li>",
                    -saving * 100.0,
                    escaped(&name(best)),
                    percent(best),
                    nanojoules(best.energy_uj.total)
                ),
                None => writeln!(html, "<li class=\"none\">No energy is saved within {within} of accuracy.</li>"),
            };
        }
        html += "</ul>\n";
        let front = pareto_front(&self.points);
        if let Some(knee) = knee(&self.points, &front) {
            let point = &self.points[knee];
            let _ = writeln!(
                html,
                "<p>{} points are unbeaten. Their knee, beyond which more energy buys little accuracy, is {}: {}, {}.</p>",
                front.len(),
                escaped(&name(point)),
                percent(point),
                nanojoules(point.energy_uj.total)
            );
        }
        let _ = writeln!(
            html,
            "<p class=\"note\">Means over {} of each method{}. Means are compared, not the ends of intervals.</p>",
            if reference.seeds == 1 { "one network".to_owned() } else { format!("{} networks", reference.seeds) },
            if reference.seeds > 1 { " ± half the 95 % interval (Student)" } else { "" },
        );
        html
    }

    /// One line a design and training method: how little energy is enough.
    pub(super) fn least_energy(&self) -> String {
        let Some(reference) = self.reference.map(|index| &self.points[index]) else { return String::new() };
        let mut lines: Vec<(&str, &str)> = Vec::new();
        for point in &self.points {
            if !lines.contains(&(&point.design, &point.method)) {
                lines.push((&point.design, &point.method));
            }
        }
        let losses = ACCEPTED_LOSSES.map(|loss| format!("within {}", loss_in_points(loss)));
        let head: Vec<&str> = ["design", "training"].into_iter().chain(losses.iter().map(String::as_str)).collect();
        let rows = lines.into_iter().map(|(design, method)| {
            let mut row = vec![Cell::text(design), Cell::text(method)];
            row.extend(ACCEPTED_LOSSES.map(|loss| {
                let accuracy = reference.accuracy.mean - loss / 100.0;
                let own = |point: &Aggregate| point.design == design && point.method == method;
                match cheapest_within(&self.points, accuracy, own) {
                    None => Cell::text("–"),
                    Some(best) => {
                        let saving = self.saving(best).unwrap_or(0.0) * 100.0;
                        Cell::number(format!("{} at {:.2} V", signed_percent(saving, 0), best.supply_v), saving)
                    }
                }
            }));
            row
        });
        table(&head, rows, false)
    }
}
