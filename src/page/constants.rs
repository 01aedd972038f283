//! How far the answer hangs on the constants of energy.

use super::Contents;
use super::answer::signed_percent;
use super::html::{Cell, escaped, table};
use crate::figures::component_label;
use crate::summary::{ACCEPTED_LOSSES, loss_in_points};
use axtrain_sim::report::{ConstantSensitivity, Outcome, constant_sensitivity};

/// Constants are taken as half and as twice what they are, a usual spread between published values.
const FACTORS: [f64; 3] = [0.5, 1.0, 2.0];

impl Contents<'_> {
    /// What the answer would be if one kind of constants were off, for the first loss within which anything is saved.
    pub(super) fn constants(&self) -> String {
        let Some(reference) = self.reference.map(|index| &self.points[index]) else { return String::new() };
        let within = |loss: &f64| {
            let accuracy = reference.accuracy.mean - loss / 100.0;
            constant_sensitivity(&self.points, reference, accuracy, &FACTORS)
        };
        let is_saving = |found: &Vec<ConstantSensitivity>| found.iter().any(|one| one.outcomes[1].saved > 0.0);
        let losses = ACCEPTED_LOSSES.into_iter().map(|loss| (loss, within(&loss)));
        let Some((loss, found)) = losses.into_iter().find(|(_, found)| is_saving(found)) else {
            return String::new();
        };
        let name = |outcome: &Outcome| {
            let point = &self.points[outcome.choice];
            format!("{}, {} training, {:.2} V", point.design, point.method, point.supply_v)
        };
        let usual = found[0].outcomes[1];
        let saved =
            |one: &ConstantSensitivity| one.outcomes.iter().map(|outcome| outcome.saved).collect::<Vec<f64>>();
        let all: Vec<f64> = found.iter().flat_map(saved).collect();
        let (least, most) = (all.iter().copied().fold(1.0, f64::min), all.iter().copied().fold(-1.0, f64::max));
        let turned =
            found.iter().filter(|one| one.outcomes.iter().any(|outcome| outcome.choice != usual.choice)).count();
        let choice = match turned {
            0 => format!("The choice stays {}", name(&usual)),
            1 => format!("The choice, {}, would be another for one kind of them", name(&usual)),
            _ => format!("The choice, {}, would be another for {turned} kinds of them", name(&usual)),
        };
        let head = [
            "constants of",
            "share",
            "saved at half",
            "saved",
            "saved at twice",
            "choice at half",
            "choice at twice",
        ];
        let rows = found.iter().map(|one| {
            let saving = |outcome: &Outcome| Cell::number(signed_percent(-100.0 * outcome.saved, 1), outcome.saved);
            let choice = |outcome: &Outcome| {
                let choice = if outcome.choice == usual.choice { "the same".to_owned() } else { name(outcome) };
                Cell::text(choice)
            };
            let [half, same, twice] = [0, 1, 2].map(|index| &one.outcomes[index]);
            vec![
                Cell::text(component_label(one.component)),
                Cell::number(format!("{:.1} %", 100.0 * one.share), one.share),
                saving(half),
                saving(same),
                saving(twice),
                choice(half),
                choice(twice),
            ]
        });
        let text = format!(
            "<p>{}, and saves {:.0} to {:.0} % within {} of accuracy, whichever one kind of energy constants is half or twice \
             what it is taken for.</p>\n",
            escaped(&choice),
            100.0 * least,
            100.0 * most,
            loss_in_points(loss)
        );
        let note = "<p class=\"note\">Share: of the reference’s energy. Delays are taken as they are: what they decide is accuracy, \
                    and to change them is to simulate again, with another technology file.</p>\n";
        text + &table(&head, rows, false) + note
    }
}
