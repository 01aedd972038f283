//! How far a conclusion hangs on the constants that energies are made of.
//!
//! Every component of the energy is proportional to its own constants: energy of the cells, of an access, of a word. Were they
//! wrong by some factor, so would be the component, in every point alike. What is accurate enough stays so.

use super::Aggregate;

/// What becomes of the answer if a component's constants are other ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What they are multiplied by.
    pub factor: f64,
    /// Position of the point that is then the cheapest.
    pub choice: usize,
    /// Share of the reference's energy that it saves then; negative if it needs more.
    pub saved: f64,
}

/// One component's constants.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantSensitivity {
    /// The component, as [`EnergyComponents::parts`](crate::array::EnergyComponents::parts) names it.
    pub component: &'static str,
    /// Its share of the reference's energy.
    pub share: f64,
    /// One for each factor.
    pub outcomes: Vec<Outcome>,
}

/// What each component's constants decide about the cheapest of the `points` whose mean accuracy is at least `accuracy`, against
/// `reference`: one for each component that the reference or some point has. Empty if no point is accurate enough.
pub fn constant_sensitivity(
    points: &[Aggregate],
    reference: &Aggregate,
    accuracy: f64,
    factors: &[f64],
) -> Vec<ConstantSensitivity> {
    let eligible: Vec<usize> = (0..points.len()).filter(|&index| points[index].accuracy.mean >= accuracy).collect();
    let mut sensitivities = Vec::new();
    for (part, (component, own)) in reference.energy_uj.parts().into_iter().enumerate() {
        if own == 0.0 && points.iter().all(|point| point.energy_uj.parts()[part].1 == 0.0) {
            continue;
        }
        let total =
            |point: &Aggregate, factor: f64| point.energy_uj.total + (factor - 1.0) * point.energy_uj.parts()[part].1;
        let outcome = |&factor: &f64| {
            let cheapest =
                eligible.iter().min_by(|&&a, &&b| total(&points[a], factor).total_cmp(&total(&points[b], factor)));
            cheapest.map(|&choice| Outcome {
                factor,
                choice,
                saved: 1.0 - total(&points[choice], factor) / total(reference, factor),
            })
        };
        let outcomes: Vec<Outcome> = factors.iter().filter_map(outcome).collect();
        if !outcomes.is_empty() {
            sensitivities.push(ConstantSensitivity { component, share: own / reference.energy_uj.total, outcomes });
        }
    }
    sensitivities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::EnergyComponents;
    use crate::report::{Interval, cheapest_within};

    fn point(accuracy: f64, mac_switching: f64, dram: f64) -> Aggregate {
        Aggregate {
            design: String::new(),
            method: String::new(),
            supply_v: 1.0,
            accuracy: Interval { mean: accuracy, low: accuracy, high: accuracy },
            energy_uj: EnergyComponents { total: mac_switching + dram, mac_switching, dram, ..Default::default() },
            product_error_rate: 0.0,
            seeds: 1,
        }
    }

    #[test]
    fn constants_may_turn_the_choice() {
        let points = [point(0.9, 6.0, 4.0), point(0.9, 2.0, 5.0), point(0.9, 5.0, 2.0), point(0.5, 0.1, 0.1)];
        let found = constant_sensitivity(&points, &points[0], 0.89, &[0.5, 1.0, 2.0]);
        assert_eq!(found.iter().map(|one| one.component).collect::<Vec<_>>(), ["mac_switching", "dram"]);
        assert_eq!(found[0].share, 0.6);
        // 4.5 against 6 and 7; 7 is the least of 10 and 7 and 7, the first of equals; 9 against 12 and 16.
        let choices =
            |one: &ConstantSensitivity| one.outcomes.iter().map(|outcome| outcome.choice).collect::<Vec<_>>();
        assert_eq!(choices(&found[0]), [2, 1, 1]);
        assert_eq!(choices(&found[1]), [1, 1, 2]);
        assert!((found[0].outcomes[0].saved - (1.0 - 4.5 / 7.0)).abs() < 1e-12);
        assert!((found[1].outcomes[2].saved - (1.0 - 9.0 / 14.0)).abs() < 1e-12);
        // With the constants as they are, what is found without them.
        let usual = cheapest_within(&points, 0.89, |_| true).unwrap();
        assert_eq!(&points[found[0].outcomes[1].choice], usual);
        assert!(constant_sensitivity(&points, &points[0], 0.95, &[2.0]).is_empty());
    }
}
