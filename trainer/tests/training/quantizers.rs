//! Networks whose numbers are rounded otherwise than usual.

use crate::patterns::{convolutional, patterns, residual, truncated};
use crate::{run, spec};
use axtrain_sim::multiplier::ProductTable;
use axtrain_trainer::{Granularity, Method, Quantization, RangeEstimator, Scheme, TrainingSpec, accuracy};

#[test]
fn networks_learn_however_they_are_rounded() {
    let (table, dataset) = (ProductTable::exact(8, 8, true), patterns());
    let usual = Quantization::default();
    let few = Quantization { weight_bits: 4, activation_bits: 4, ..usual };
    let affine = Quantization { scheme: Scheme::Affine, ..usual };
    for quantization in [
        Quantization { granularity: Granularity::PerChannel, ..usual },
        affine,
        Quantization { granularity: Granularity::PerChannel, weight_bits: 5, ..affine },
        few,
        Quantization {
            weight_range: RangeEstimator::MeanSquare,
            activation_range: RangeEstimator::MeanSquare,
            ..few
        },
        Quantization { activation_range: RangeEstimator::Percentile(99.0), ..usual },
    ] {
        for architecture in [convolutional(), residual()] {
            let spec = TrainingSpec { architecture, quantization, epochs: 8, ..spec(Method::Plain) };
            let trained = run(&spec, &table);
            let tested = accuracy(&trained.network, &table, &dataset.test);
            // Guessing gives 0.25.
            assert!(tested > 0.6, "{quantization:?} {tested}");
            let largest =
                trained.network.layers().iter().flat_map(|layer| &layer.weights).map(|code| code.unsigned_abs());
            assert_eq!(largest.max(), Some((1 << (quantization.weight_bits - 1)) - 1));
            assert_eq!(run(&spec, &table), trained, "twice the same");
        }
    }
}

/// Statistics of exact sums would bring the mean of a multiplier's errors back, which normalisation takes out.
#[test]
fn statistics_taken_anew_leave_networks_that_work_on_the_hardware() {
    let (table, dataset) = (truncated(3), patterns());
    let usual = TrainingSpec { architecture: residual(), epochs: 8, ..spec(Method::Passive) };
    let tested = |spec: &TrainingSpec| accuracy(&run(spec, &table).network, &table, &dataset.test);
    let (running, anew) = (tested(&usual), tested(&TrainingSpec { statistics_images: 540, ..usual.clone() }));
    assert!(anew > 0.7 && anew > running - 0.1, "{anew} with statistics anew, {running} with running ones");
}
