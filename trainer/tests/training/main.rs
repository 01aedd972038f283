//! Whole training runs, through the public interface.

mod patterns;
mod quantizers;
mod residual;

use axtrain_sim::engine::DelayMode;
use axtrain_sim::memory::{ArrayShape, BUILT_IN_FAULTS, FaultModel, Scheme, Storage};
use axtrain_sim::multiplier::{Family, MultiplierSpec, ProductTable};
use axtrain_sim::profile::{Design, ProfileMetadata, Stimulus, TransitionSpec, TransitionTable};
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Architecture, LayerSpec, Network, Split};
use axtrain_trainer::{
    Augmentation, Checkpoint, Chips, Method, Optimizer, Progress, Quantity, Schedule, Sensitivity, TimingErrors,
    TimingSampler, TrainError, Trained, TrainingSpec, WeightFaults, accuracy, train, train_from,
};
use patterns::{
    CLASSES, FEATURES, convolutional, patterns, perceptron, residual as residual_architecture, truncated,
    truncated_product,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::sync::Arc;

fn spec(method: Method) -> TrainingSpec {
    TrainingSpec {
        batch: 30,
        epochs: 5,
        learning_rate: 0.01,
        weight_faults: Some(faults(method)),
        ..TrainingSpec::new(perceptron(&[16, 12]), method)
    }
}

/// Weights in two's complement, of which one bit in 25 flips; for memory-adaptive training on chip 3.
fn faults(method: Method) -> WeightFaults {
    let model = FaultModel::from_toml(BUILT_IN_FAULTS[0].1, Volts(0.7)).unwrap();
    let mut faults = WeightFaults {
        model: model.clone(),
        scheme: Scheme::plain(Storage::TwosComplement),
        memory_bytes: 8192,
        array: ArrayShape { rows: 16, columns: 16 },
        bit_error_rate: 0.04,
        chips: Chips::Fresh,
    };
    if method == Method::MemoryAdaptive {
        let memory = faults.memory(&[]).unwrap();
        faults.chips = Chips::Fixed(Box::new(model.chip(memory.geometry(), 77, 3).faults(0.04)));
    }
    faults
}

/// Mean accuracy on chips of the same kind.
fn accuracy_on_chips(network: &Network, chips: std::ops::Range<u64>) -> f64 {
    let (faults, dataset) = (faults(Method::RandomBitError), patterns());
    let memory = faults.memory(&network.weight_shapes()).unwrap();
    let count = (chips.end - chips.start) as f64;
    let accuracies = chips.map(|chip| {
        let map = faults.model.chip(memory.geometry(), 77, chip).faults(faults.bit_error_rate);
        let mut faulty = network.clone();
        memory.read(&map, 0, &mut faulty.weights_mut());
        accuracy(&faulty, &ProductTable::exact(8, 8, true), &dataset.test)
    });
    accuracies.sum::<f64>() / count
}

#[test]
fn training_with_faults_bears_them_on_other_chips_and_adaptive_training_on_its_own() {
    let exact = ProductTable::exact(8, 8, true);
    let trained = |method, weight_clip| run(&TrainingSpec { epochs: 8, weight_clip, ..spec(method) }, &exact).network;
    let plain = accuracy_on_chips(&trained(Method::Plain, None), 0..40);
    let clipped = accuracy_on_chips(&trained(Method::Plain, Some(0.2)), 0..40);
    let random = accuracy_on_chips(&trained(Method::RandomBitError, Some(0.2)), 0..40);
    // What random errors add to clipping is less than this small network's chance; docs/results/memory.md has it.
    assert!(plain + 0.05 < clipped && plain + 0.05 < random, "{plain}, {clipped}, {random}");
    let adaptive = trained(Method::MemoryAdaptive, None);
    let (own, others) = (accuracy_on_chips(&adaptive, 3..4), accuracy_on_chips(&adaptive, 4..40));
    assert!(own > others + 0.05 && own > plain + 0.05, "{own}, {others}, {plain}");
}

fn run(spec: &TrainingSpec, table: &ProductTable) -> Trained {
    train(spec, &patterns(), table, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn failure(spec: &TrainingSpec, table: &ProductTable) -> TrainError {
    train(spec, &patterns(), table, &mut |_| ControlFlow::Continue(())).unwrap_err()
}

#[test]
fn without_errors_every_method_is_plain_training_step_for_step() {
    let exact = ProductTable::exact(8, 8, true);
    let timing = Some(Arc::new(timing(Volts(1.1))));
    assert!(timing.as_ref().is_some_and(|timing| timing.transitions.points()[timing.point].is_empty()));
    for architecture in [perceptron(&[16, 12]), convolutional(), residual_architecture()] {
        let spec = |method| TrainingSpec {
            warmup_epochs: 0,
            epochs: 3,
            ramp_epochs: 1,
            architecture: architecture.clone(),
            timing: timing.clone(),
            sharpness_radius: Some(0.0),
            sensitivity: Sensitivity { lambda: 0.0, ..Sensitivity::default() },
            ..spec(method)
        };
        let plain = run(&spec(Method::Plain), &exact);
        for method in [
            Method::Passive,
            Method::TableGradient,
            Method::Hybrid,
            Method::Active,
            Method::SharpnessAware,
            Method::AdaptiveSharpnessAware,
            Method::Gaussian,
        ] {
            let trained = run(&spec(method), &exact);
            let passes_twice = matches!(method, Method::Passive | Method::TableGradient | Method::Hybrid);
            if passes_twice && architecture.layers().iter().any(|layer| layer.normalised) {
                // Their second pass runs on folded weights: the same integers, real numbers to the last bits but one or two.
                let [found, expected] = [&trained, &plain].map(|trained| trained.curve[0].loss);
                assert!((found / expected - 1.0).abs() < 0.01, "{method}: {found} is not {expected}");
                continue;
            }
            assert_eq!(trained, plain, "{method}");
        }
    }
}

/// The exact array at its nominal clock: no product is late at 1.1 V, some are at 1.0 V.
fn timing(supply: Volts) -> TimingErrors {
    let text = include_str!("../../../hwconfigs/technology/freepdk45.toml");
    let technology = Technology::from_toml(text).unwrap();
    let multiplier = MultiplierSpec::new("m", Family::Array, 8, 8, true).unwrap();
    let design = Design::new(multiplier.into(), &technology).unwrap();
    let point = OperatingPoint { supply, clock_ps: design.minimum_clock_ps() };
    let window = design.pass(&technology, point).unwrap().sampling().window;
    let spec = TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding: design.multiplier.coding(),
        activation_bits: 7,
        mode: DelayMode::Inertial,
        windows: &[window],
    };
    let transitions = Arc::new(TransitionTable::build(spec, &|| ()).unwrap());
    let metadata = ProfileMetadata::new(&design, &technology, point, window, &Stimulus::uniform(7, 8));
    TimingErrors { metadata, product: design.product, transitions, point: 0, sampler: TimingSampler::Sums }
}

#[test]
fn late_products_are_trained_with_and_raised_slowly() {
    let exact = ProductTable::exact(8, 8, true);
    let errors = timing(Volts(1.0));
    let with = |method, timing: Option<TimingErrors>, ramp_epochs| {
        let spec = TrainingSpec { epochs: 3, ramp_epochs, timing: timing.map(Arc::new), ..spec(method) };
        run(&spec, &exact)
    };
    for method in [Method::Passive, Method::Hybrid, Method::TableGradient, Method::Gaussian] {
        let late = with(method, Some(errors.clone()), 0);
        assert_ne!(late.network, with(method, None, 0).network, "{method}");
        assert_ne!(late.network, with(method, Some(errors.clone()), 1).network, "{method}: raised slowly");
        assert_eq!(late, with(method, Some(errors.clone()), 0), "{method}");
    }
    let products = TimingErrors { sampler: TimingSampler::Products, ..errors.clone() };
    let [sums, products] = [errors.clone(), products].map(|errors| with(Method::Passive, Some(errors), 0));
    assert_ne!(sums.network, products.network);
    // Methods that know nothing of products are as they were.
    assert_eq!(with(Method::Active, Some(errors), 0), with(Method::Active, None, 0));
}

#[test]
fn rivals_bear_noise_that_plain_training_does_not() {
    let (exact, dataset) = (ProductTable::exact(8, 8, true), patterns());
    // Weights err by a quarter of the largest.
    let mean_noisy_accuracy = |method| {
        let mut rng = ChaCha8Rng::seed_from_u64(29);
        let mut noisy = |trained: &Trained| {
            let mut layers = trained.network.layers().to_vec();
            for weight in layers.iter_mut().flat_map(|layer| &mut layer.weights) {
                *weight = weight.saturating_add(if rng.random_bool(0.5) { 32 } else { -32 }).max(-127);
            }
            accuracy(&Network::new(layers).unwrap(), &exact, &dataset.test)
        };
        let settings =
            |seed| TrainingSpec { seed, epochs: 8, weight_noise: 0.25, sharpness_radius: Some(0.2), ..spec(method) };
        let trained = [0, 1, 2].map(|seed| run(&settings(seed), &exact));
        (0..20).flat_map(|_| trained.each_ref().map(&mut noisy)).sum::<f64>() / 60.0
    };
    let plain = mean_noisy_accuracy(Method::Plain);
    for method in [Method::Gaussian, Method::SharpnessAware] {
        let found = mean_noisy_accuracy(method);
        assert!(found > plain + 0.02, "{method} {found}, plain {plain}");
    }
}

#[test]
fn post_training_rounds_a_real_network_that_is_nearly_as_good() {
    let (exact, dataset) = (ProductTable::exact(8, 8, true), patterns());
    let trained = run(&spec(Method::PostTraining), &exact);
    assert!(accuracy(&trained.network, &exact, &dataset.test) > 0.8);
    let plain = run(&spec(Method::Plain), &exact);
    assert_ne!(trained.network, plain.network);
    // Rounding weights and activations changes the first step's loss by little.
    let (real, rounded) = (trained.curve[0].loss, plain.curve[0].loss);
    assert!(real != rounded && (real / rounded - 1.0).abs() < 0.05, "{real} {rounded}");
}

#[test]
fn without_weight_in_the_loss_sensitivity_changes_nothing() {
    let sensitivity = Sensitivity { lambda: 0.0, ..Sensitivity::default() };
    let spec = |method| TrainingSpec { sensitivity, ..spec(method) };
    assert_eq!(run(&spec(Method::Active), &truncated(3)), run(&spec(Method::Plain), &truncated(3)));
    assert_eq!(run(&spec(Method::Hybrid), &truncated(3)), run(&spec(Method::Passive), &truncated(3)));
    let exact = ProductTable::exact(8, 8, true);
    assert_eq!(run(&spec(Method::HybridBitError), &exact), run(&spec(Method::RandomBitError), &exact));
}

#[test]
fn runs_depend_on_the_seed_and_not_on_threads() {
    let table = truncated(4);
    let methods = Method::ALL.into_iter().flat_map(|method| {
        [perceptron(&[16]), convolutional(), residual_architecture()].map(|architecture| (method, architecture))
    });
    for (method, architecture) in methods {
        let spec = TrainingSpec { epochs: 2, architecture, ..spec(method) };
        let alone = run(&spec, &table);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let (first, second) = pool.install(|| rayon::join(|| run(&spec, &table), || run(&spec, &table)));
        assert_eq!(alone, first, "{method}");
        assert_eq!(alone, second, "{method}");
        let other = run(&TrainingSpec { seed: 1, ..spec }, &table);
        assert_ne!(alone.network, other.network, "{method}");
    }
}

#[test]
fn passive_and_hybrid_training_bear_what_plain_training_does_not() {
    let dataset = patterns();
    for table in [truncated(5), truncated_product()] {
        let tested = |method| accuracy(&run(&spec(method), &table).network, &table, &dataset.test);
        let plain = tested(Method::Plain);
        for method in [Method::Passive, Method::Hybrid, Method::TableGradient] {
            assert!(tested(method) > plain + 0.2, "{method} {}, plain {plain}", tested(method));
        }
    }
}

#[test]
fn convolutional_networks_learn_by_every_method() {
    let (table, dataset) = (truncated(4), patterns());
    for method in Method::ALL {
        let spec = TrainingSpec { architecture: convolutional(), epochs: 8, ..spec(method) };
        let trained = run(&spec, &table);
        let on = |table: &ProductTable| accuracy(&trained.network, table, &dataset.test);
        let tested = match method {
            Method::Passive | Method::Hybrid | Method::TableGradient => on(&truncated(4)),
            // Trained for one chip, and of use there.
            Method::MemoryAdaptive => accuracy_on_chips(&trained.network, 3..4),
            _ => on(&ProductTable::exact(8, 8, true)),
        };
        // Guessing gives 0.25; the more a method is held back, the slower it learns.
        assert!(tested > 0.7, "{method} {tested}");
        // Once its clean loss is low, random-bit-error training adds that of faulty weights; ASAM's is the worst nearby.
        let comparable =
            !matches!(method, Method::RandomBitError | Method::HybridBitError | Method::AdaptiveSharpnessAware);
        let fell = trained.curve[7].loss < 0.7 * trained.curve[0].loss;
        assert!(fell || !comparable, "{method} {:?}", trained.curve);
    }
}

#[test]
fn active_training_makes_weights_bear_noise() {
    let (exact, dataset) = (ProductTable::exact(8, 8, true), patterns());
    let mean_noisy_accuracy = |method| {
        let mut rng = ChaCha8Rng::seed_from_u64(23);
        let mut noisy = |trained: &Trained| {
            let mut layers = trained.network.layers().to_vec();
            for weight in layers.iter_mut().flat_map(|layer| &mut layer.weights) {
                let error = if rng.random_bool(0.5) { 30 } else { -30 };
                *weight = weight.saturating_add(error).max(-127);
            }
            accuracy(&Network::new(layers).unwrap(), &exact, &dataset.test)
        };
        let trained = [0, 1].map(|seed| run(&TrainingSpec { seed, ..spec(method) }, &exact));
        (0..20).flat_map(|_| trained.each_ref().map(&mut noisy)).sum::<f64>() / 40.0
    };
    let (active, plain) = (mean_noisy_accuracy(Method::Active), mean_noisy_accuracy(Method::Plain));
    assert!(active > plain + 0.04, "active {active}, plain {plain}");
}

#[test]
fn the_curve_and_the_observer_tell_the_same_story() {
    let mut seen: Vec<Progress> = Vec::new();
    let spec = TrainingSpec { batch: 100, ..spec(Method::Plain) };
    let observer = &mut |progress: &Progress| {
        seen.push(*progress);
        ControlFlow::Continue(())
    };
    let trained = train(&spec, &patterns(), &truncated(2), observer).unwrap();
    // 540 of 600 images are trained on: five batches of 100 and one of 40, five times.
    assert_eq!(seen.len(), 30);
    assert!(seen.iter().enumerate().all(|(index, progress)| (progress.step, progress.steps) == (index + 1, 30)));
    let completed: Vec<_> = seen.iter().filter_map(|progress| progress.completed).collect();
    assert_eq!(completed, trained.curve);
    assert_eq!(trained.curve.iter().map(|record| record.epoch).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let last = &seen[24..];
    let mean = (last[..5].iter().map(|progress| progress.loss * 100.0).sum::<f64>() + last[5].loss * 40.0) / 540.0;
    assert!((mean - trained.curve[4].loss).abs() < 1e-12);
}

#[test]
fn validation_is_what_the_exported_network_does_on_images_kept_back() {
    let dataset = patterns();
    let trained = run(&spec(Method::Passive), &truncated(3));
    let train = &dataset.train;
    let kept = Split::new(FEATURES, train.pixels()[540 * FEATURES..].to_vec(), train.labels()[540..].to_vec());
    let validation = trained.curve[4].validation.unwrap();
    assert_eq!(validation.accuracy, accuracy(&trained.network, &truncated(3), &kept));
    assert_eq!(validation.exact_accuracy, accuracy(&trained.network, &ProductTable::exact(8, 8, true), &kept));

    let none = TrainingSpec { validation_share: 0.0, ..spec(Method::Plain) };
    assert!(run(&none, &truncated(3)).curve.iter().all(|record| record.validation.is_none()));
}

#[test]
fn clipped_weights_stay_clipped() {
    let clipped = run(&TrainingSpec { weight_clip: Some(0.15), ..spec(Method::Passive) }, &truncated(3));
    for layer in &clipped.parameters {
        let largest = layer.weights.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
        assert_eq!(largest, 0.15);
    }
}

#[test]
fn a_loss_that_overflows_is_named_with_its_remedy() {
    let sensitivity = Sensitivity { lambda: f32::MAX, ..Sensitivity::default() };
    let error = failure(&TrainingSpec { sensitivity, ..spec(Method::Active) }, &truncated(3));
    // 18 steps an epoch, the first of which is plain.
    assert!(matches!(error, TrainError::Diverged { quantity: Quantity::Loss, epoch: 2, step: 19, .. }), "{error:?}");
    assert!(error.to_string().contains("lower learning_rate = 0.01 or sensitivity.lambda"), "{error}");
}

#[test]
fn an_observer_can_stop_a_run() {
    let observer = &mut |progress: &Progress| match progress.completed {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    };
    let stopped = train(&spec(Method::Plain), &patterns(), &truncated(1), observer);
    assert_eq!(stopped, Err(TrainError::Stopped { epoch: 1 }));
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let (dataset, table) = (patterns(), truncated(3));
    let timing = Arc::new(timing(Volts(1.0)));
    for method in Method::ALL {
        let (architecture, weight_clip) = match method {
            Method::Hybrid => (convolutional(), Some(0.3)),
            Method::Passive | Method::Plain | Method::PostTraining => (residual_architecture(), None),
            _ => (perceptron(&[16, 12]), Some(0.3)),
        };
        let (optimizer, augmentation) = match method {
            Method::Plain => (Optimizer::Sgd { momentum: 0.9 }, Augmentation { shift: 1, flip: false }),
            Method::Passive => (Optimizer::AdamW, Augmentation { shift: 0, flip: true }),
            _ => (Optimizer::Adam, Augmentation::default()),
        };
        let spec = TrainingSpec {
            architecture,
            optimizer,
            augmentation,
            weight_decay: if method == Method::Passive { 0.01 } else { 0.0 },
            statistics_images: if method == Method::Plain { 200 } else { 0 },
            ramp_epochs: 1,
            rising_epochs: 1,
            patience: Some(3),
            weight_clip,
            timing: Some(timing.clone()),
            ..spec(method)
        };
        let mut checkpoints: Vec<Vec<u8>> = Vec::new();
        let keep = &mut |checkpoint: Checkpoint| checkpoints.push(checkpoint.to_bytes());
        let whole = train_from(&spec, &dataset, &table, None, keep, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(checkpoints.len(), whole.curve.len());
        for (epoch, bytes) in checkpoints.iter().enumerate() {
            let checkpoint = Checkpoint::from_bytes(bytes).unwrap();
            assert_eq!(checkpoint.epochs(), epoch + 1);
            let goes_on = &mut |_: &Progress| ControlFlow::Continue(());
            let rest = train_from(&spec, &dataset, &table, Some(&checkpoint), &mut |_| (), goes_on).unwrap();
            assert_eq!(rest, whole, "{method} from epoch {}", epoch + 1);
        }
        let other = TrainingSpec { architecture: perceptron(&[17]), ..spec };
        let checkpoint = Checkpoint::from_bytes(&checkpoints[0]).unwrap();
        let refused =
            train_from(&other, &dataset, &table, Some(&checkpoint), &mut |_| (), &mut |_| ControlFlow::Continue(()));
        assert_eq!(refused, Err(TrainError::Checkpoint { epochs: 1 }));
    }
}

#[test]
fn patience_stops_a_run_and_keeps_its_best_network() {
    let (dataset, exact) = (patterns(), ProductTable::exact(8, 8, true));
    // Far too long steps of one size: accuracy goes up and down.
    let long = TrainingSpec { epochs: 30, learning_rate: 0.05, schedule: Schedule::Constant, ..spec(Method::Plain) };
    let all = run(&long, &exact);
    let stopped = run(&TrainingSpec { patience: Some(4), ..long.clone() }, &exact);
    assert!(stopped.curve.len() < 30, "stopped");
    assert_eq!(stopped.curve, all.curve[..stopped.curve.len()]);
    let accuracies: Vec<f64> = stopped.curve.iter().map(|record| record.validation.unwrap().accuracy).collect();
    // The first, clean epoch does not count.
    let best = accuracies[1..].iter().copied().fold(0.0, f64::max);
    let place = 1 + accuracies[1..].iter().position(|accuracy| *accuracy == best).unwrap();
    assert_eq!(stopped.curve.len(), place + 1 + 4);
    let train = &dataset.train;
    let kept = Split::new(FEATURES, train.pixels()[540 * FEATURES..].to_vec(), train.labels()[540..].to_vec());
    assert_eq!(accuracy(&stopped.network, &exact, &kept), best);
}

#[test]
fn smoothed_labels_keep_the_loss_up() {
    let exact = ProductTable::exact(8, 8, true);
    let last =
        |label_smoothing| run(&TrainingSpec { label_smoothing, epochs: 12, ..spec(Method::Plain) }, &exact).curve[11];
    let (sharp, smooth) = (last(0.0), last(0.4));
    // No loss is below the targets' entropy: one of 0.7 and three of 0.1.
    let entropy = -(0.7 * 0.7f64.ln() + 3.0 * 0.1 * 0.1f64.ln());
    assert!(sharp.loss < entropy && smooth.loss > entropy, "{} {} {entropy}", sharp.loss, smooth.loss);
    assert!(smooth.train_accuracy > 0.8);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let good = spec(Method::Passive);
    let with = |architecture| TrainingSpec { architecture, ..good.clone() };
    let square = LayerSpec::Convolution { outputs: 2, kernel: [3, 3], stride: [1, 1], padding: [0, 0], groups: 1 };
    let settings = [
        ("architecture", with(Architecture::perceptron(FEATURES + 1, &[], CLASSES).unwrap())),
        ("architecture", with(Architecture::perceptron(FEATURES, &[], CLASSES + 1).unwrap())),
        // As many pixels, but not the images' shape.
        ("architecture", with(Architecture::new([1, 4, 9], &[square], CLASSES).unwrap())),
        ("epochs", TrainingSpec { epochs: 0, ..good.clone() }),
        ("warmup_epochs", TrainingSpec { warmup_epochs: 5, ..good.clone() }),
        ("batch", TrainingSpec { batch: 0, ..good.clone() }),
        ("learning_rate", TrainingSpec { learning_rate: f64::NAN, ..good.clone() }),
        ("learning_rate", TrainingSpec { learning_rate: 1.5, ..good.clone() }),
        ("weight_clip", TrainingSpec { weight_clip: Some(0.0), ..good.clone() }),
        ("validation_share", TrainingSpec { validation_share: 1.0, ..good.clone() }),
        ("rising_epochs", TrainingSpec { rising_epochs: 5, ..good.clone() }),
        ("label_smoothing", TrainingSpec { label_smoothing: 1.0, ..good.clone() }),
        ("patience", TrainingSpec { patience: Some(2), validation_share: 0.0, ..good.clone() }),
    ];
    for (name, spec) in settings {
        let error = failure(&spec, &truncated(1));
        assert!(matches!(error, TrainError::Setting { setting, .. } if setting == name), "{name}: {error}");
    }
    for sensitivity in
        [Sensitivity { lambda: -1.0, ..good.sensitivity }, Sensitivity { epsilon: 0.0, ..good.sensitivity }]
    {
        let error = failure(&TrainingSpec { sensitivity, ..good.clone() }, &truncated(1));
        assert!(error.to_string().starts_with("sensitivity."), "{error}");
    }
    let good_rate = spec(Method::RandomBitError);
    for weight_faults in [
        None,
        Some(WeightFaults { bit_error_rate: 1.5, ..faults(Method::RandomBitError) }),
        Some(WeightFaults { memory_bytes: 0, ..faults(Method::RandomBitError) }),
        Some(faults(Method::MemoryAdaptive)),
    ] {
        let error = failure(&TrainingSpec { weight_faults, ..good_rate.clone() }, &truncated(1));
        assert!(error.to_string().starts_with("weight_faults"), "{error}");
    }
    let other_memory = WeightFaults { memory_bytes: 4096, ..faults(Method::MemoryAdaptive) };
    let adaptive = TrainingSpec { weight_faults: Some(other_memory), ..spec(Method::MemoryAdaptive) };
    assert!(failure(&adaptive, &truncated(1)).to_string().contains("a chip of 2 banks"));
    let unsigned = ProductTable::exact(8, 8, false);
    assert_eq!(failure(&good, &unsigned), TrainError::Multiplier { width_a: 8, width_b: 8, signed: false });
    let all_kept = TrainingSpec { validation_share: 0.9999, ..good };
    assert_eq!(failure(&all_kept, &truncated(1)), TrainError::NoImages { images: 600, validation_share: 0.9999 });
}

#[test]
fn methods_are_known_by_their_names() {
    for method in Method::ALL {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
    assert!("Plain".parse::<Method>().is_err());
}
