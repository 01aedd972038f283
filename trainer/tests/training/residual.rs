//! Normalised networks with residuals.

use crate::patterns::{patterns, residual, truncated};
use crate::{run, spec};
use axtrain_sim::multiplier::ProductTable;
use axtrain_trainer::{Method, Optimizer, TrainingSpec, accuracy};

#[test]
fn normalised_residual_networks_learn_by_every_method_and_optimiser() {
    let (table, dataset) = (truncated(3), patterns());
    let exact = ProductTable::exact(8, 8, true);
    let test = |spec: &TrainingSpec| {
        let trained = run(spec, &table);
        let hardware = matches!(spec.method, Method::Passive | Method::Hybrid | Method::TableGradient);
        let tested = accuracy(&trained.network, if hardware { &table } else { &exact }, &dataset.test);
        // Guessing gives 0.25.
        assert!(tested > 0.7, "{} {:?} {tested}", spec.method, spec.optimizer);
        // What is exported are the folded numbers.
        assert!(trained.network.layers()[1].residual_scaling.is_some() && trained.parameters[0].bias[0] != 0.0);
        trained
    };
    let usual = |method| TrainingSpec { architecture: residual(), epochs: 8, ..spec(method) };
    // One chip's faults in so small a memory say nothing of others.
    for method in Method::ALL.into_iter().filter(|method| *method != Method::MemoryAdaptive) {
        test(&usual(method));
    }
    for (optimizer, learning_rate) in [(Optimizer::AdamW, 0.01), (Optimizer::Sgd { momentum: 0.9 }, 0.1)] {
        test(&TrainingSpec { optimizer, learning_rate, weight_decay: 1e-3, ..usual(Method::Plain) });
    }
    let plain = test(&usual(Method::Plain));
    let anew = test(&TrainingSpec { statistics_images: 540, ..usual(Method::Plain) });
    assert_eq!(anew.curve, plain.curve, "training is the same");
    assert_ne!(anew.network, plain.network);
}
