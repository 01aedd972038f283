//! How much the hardware's errors raise the loss of trained networks, and what training takes off that.

use super::Interval;
use super::method_comparison::paired_probability;
use serde::Serialize;
use std::collections::BTreeMap;

/// How well a network classifies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scored {
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// Mean cross-entropy, nats.
    pub loss: f64,
}

/// What the hardware's errors in one layer do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSensitivity {
    /// The layer.
    pub name: String,
    /// By how much the loss rises, nats, if only this layer runs on the hardware.
    pub alone: f64,
    /// By how much it is expected to rise from the loss's second derivatives, nats; errors of mean zero alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curvature: Option<f64>,
}

/// One trained network without errors and on the hardware.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LossSensitivity {
    /// What the hardware is.
    pub hardware: String,
    /// How the network was trained.
    pub method: String,
    /// Seed of its training.
    pub seed: u64,
    /// On exact products and sound memories.
    pub clean: Scored,
    /// All layers on the hardware.
    pub disturbed: Scored,
    /// Each layer on its own.
    pub layers: Vec<LayerSensitivity>,
}

impl LossSensitivity {
    fn increase(&self) -> f64 {
        self.disturbed.loss - self.clean.loss
    }
}

/// Networks that were trained in one way, on one hardware.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodSensitivity {
    /// What the hardware is.
    pub hardware: String,
    /// How the networks were trained.
    pub method: String,
    /// How many there are.
    pub networks: usize,
    /// Accuracy without errors, with its 95 % interval over seeds.
    pub clean_accuracy: Interval,
    /// Accuracy on the hardware.
    pub accuracy: Interval,
    /// By how much the loss rises on the hardware, nats.
    pub increase: Interval,
    /// Share of the reference's rise that is not there, from means over the seeds that both have; none of the reference itself, nor
    /// where the reference's loss does not rise.
    pub reduction: Option<f64>,
    /// Probability of so large a difference in the rise if there is none: Student's paired test, two-sided.
    pub p: Option<f64>,
    /// The same of the accuracy without errors: small, and the methods are not compared at the same accuracy.
    pub p_clean: Option<f64>,
    /// Means of each layer.
    pub layers: Vec<LayerSensitivity>,
}

/// Compares all methods with the one called `reference` on each hardware: hardware in the order of the networks, methods of each in
/// that order.
pub fn compare_sensitivities(networks: &[LossSensitivity], reference: &str) -> Vec<MethodSensitivity> {
    let mut groups: Vec<Vec<&LossSensitivity>> = Vec::new();
    for network in networks {
        let same = |group: &&mut Vec<&LossSensitivity>| {
            (&group[0].hardware, &group[0].method) == (&network.hardware, &network.method)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(network),
            None => groups.push(vec![network]),
        }
    }
    let compared = |group: &Vec<&LossSensitivity>| {
        let first = group[0];
        let is_reference = |other: &&Vec<&LossSensitivity>| {
            other[0].hardware == first.hardware && other[0].method == reference && first.method != reference
        };
        let others: BTreeMap<u64, &LossSensitivity> =
            groups.iter().find(is_reference).into_iter().flatten().map(|network| (network.seed, *network)).collect();
        let pairs: Vec<[&LossSensitivity; 2]> =
            group.iter().filter_map(|own| Some([*own, *others.get(&own.seed)?])).collect();
        let of = |value: &dyn Fn(&LossSensitivity) -> f64| {
            Interval::of(&group.iter().map(|network| value(network)).collect::<Vec<f64>>())
        };
        let p = |value: &dyn Fn(&LossSensitivity) -> f64| {
            let differences: Vec<f64> = pairs.iter().map(|[own, other]| value(own) - value(other)).collect();
            let mean = differences.iter().sum::<f64>() / differences.len() as f64;
            (differences.len() > 1).then(|| paired_probability(&differences, mean))
        };
        let [own, other] = [0, 1].map(|side| pairs.iter().map(|pair| pair[side].increase()).sum::<f64>());
        let layer = |index: usize| {
            let mean = |value: &dyn Fn(&LayerSensitivity) -> f64| {
                group.iter().map(|network| value(&network.layers[index])).sum::<f64>() / group.len() as f64
            };
            let LayerSensitivity { name, curvature, .. } = &first.layers[index];
            LayerSensitivity {
                name: name.clone(),
                alone: mean(&|layer| layer.alone),
                curvature: curvature.map(|_| mean(&|layer| layer.curvature.unwrap_or(f64::NAN))),
            }
        };
        MethodSensitivity {
            hardware: first.hardware.clone(),
            method: first.method.clone(),
            networks: group.len(),
            clean_accuracy: of(&|network| network.clean.accuracy),
            accuracy: of(&|network| network.disturbed.accuracy),
            increase: of(&LossSensitivity::increase),
            reduction: (!pairs.is_empty() && other > 0.0).then(|| 1.0 - own / other),
            p: p(&LossSensitivity::increase),
            p_clean: p(&|network| network.clean.accuracy),
            layers: (0..first.layers.len()).map(layer).collect(),
        }
    };
    groups.iter().map(compared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(hardware: &str, method: &str, seed: u64, clean: f64, increase: f64) -> LossSensitivity {
        LossSensitivity {
            hardware: hardware.to_owned(),
            method: method.to_owned(),
            seed,
            clean: Scored { accuracy: 0.9, loss: clean },
            disturbed: Scored { accuracy: 0.8, loss: clean + increase },
            layers: vec![LayerSensitivity { name: "a".to_owned(), alone: increase / 2.0, curvature: Some(increase) }],
        }
    }

    #[test]
    fn networks_of_the_same_seed_and_hardware_are_compared() {
        let networks = [
            network("k3", "plain", 1, 0.5, 1.0),
            network("k3", "active", 2, 0.5, 1.25),
            network("k3", "active", 1, 1.0, 0.5),
            network("k3", "plain", 2, 1.0, 2.0),
            // Without a plain network of this seed, and on another multiplier.
            network("k3", "active", 3, 0.0, 100.0),
            network("k2", "plain", 1, 0.0, -1.0),
            network("k2", "active", 1, 0.0, 7.0),
        ];
        let compared = compare_sensitivities(&networks, "plain");
        let names: Vec<_> = compared.iter().map(|one| (&one.hardware[..], &one.method[..])).collect();
        assert_eq!(names, [("k3", "plain"), ("k3", "active"), ("k2", "plain"), ("k2", "active")]);
        let [plain, active, ..] = &compared[..] else { unreachable!() };
        assert_eq!((plain.increase.mean, plain.reduction, plain.p), (1.5, None, None));
        assert_eq!(active.reduction, Some(1.0 - 1.75 / 3.0));
        // Differences −0.5 and −0.75: t = −5 with one degree of freedom.
        let p = 2.0 * (0.5 - 5f64.atan() / std::f64::consts::PI);
        assert!((active.p.unwrap() - p).abs() < 1e-9, "{:?}", active.p);
        assert_eq!(active.p_clean, Some(1.0), "the same accuracy in every pair");
        assert_eq!(plain.layers, [LayerSensitivity { name: "a".to_owned(), alone: 0.75, curvature: Some(1.5) }]);
        assert_eq!(compared[3].reduction, None, "nothing rises that could rise less");
        assert_eq!(compared[3].p, None, "a pair is no sample");
    }
}
