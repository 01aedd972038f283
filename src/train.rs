//! Training the networks of an experiment.

use crate::arguments::ExperimentOptions;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{print_json, print_line, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::study::{Study, load};
use crate::transition_cache::TransitionCache;
use crate::weights::Job;
use axtrain_sim::config::{
    AugmentKind, CalibrationKind, GranularityKind, NoiseKind, OptimizerKind, QuantizerSettings, ScheduleKind,
    SchemeKind, SensitivityKind, SensitivityPlace, TimingDraws, Training,
};
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::profile::{ProfileMetadata, Stimulus};
use axtrain_sim::technology::OperatingPoint;
use axtrain_sim::workload::WeightsFile;
use axtrain_trainer::{
    Augmentation, Checkpoint, Chips, Estimator, Granularity, Method, Optimizer, Quantization, RangeEstimator,
    Schedule, Scheme, Sensitivity, SensitivityPass, TimingErrors, TimingSampler, TrainError, Trained, TrainingSpec,
    WeightFaults, WeightNoise,
};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Trains an experiment's networks.
pub(crate) fn run(options: &ExperimentOptions, console: &Console) -> Result<(), Failure> {
    let study = load(&options.experiment, &options.runs)?;
    let _lock = RunLock::take(&study.root)?;
    networks(&study, Job::all(&study), console)?;
    let jobs = Job::all(&study);
    if options.json {
        let entries: Vec<Entry> = jobs.iter().map(|job| Entry::new(&study, job)).collect();
        print_json(&entries);
    } else {
        for job in jobs {
            print_line(&job.path(&study).display().to_string());
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Entry {
    method: String,
    seed: u64,
    weights: String,
}

impl Entry {
    fn new(study: &Study, job: &Job) -> Self {
        Self { method: job.method.clone(), seed: job.seed, weights: job.path(study).display().to_string() }
    }
}

/// Trains those of `jobs` that are not stored yet, several at once, and writes each as soon as it is done.
pub(crate) fn networks(study: &Study, jobs: Vec<Job>, console: &Console) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for job in jobs {
        if job.stored(study)?.is_none() {
            missing.push(job);
        }
    }
    let training = &study.experiment.training;
    let steps_each = training.epochs * study.dataset.train.len().div_ceil(training.batch);
    let stage = console.stage("training", (missing.len() * steps_each) as u64);
    let timing = timing_errors(study, &missing, console)?;
    missing.par_iter().try_for_each(|job| {
        interrupt::check()?;
        let (spec, table) = spec(study, job, &timing)?;
        let mut observer = |progress: &axtrain_trainer::Progress| {
            stage.step();
            if let Some(epoch) = progress.completed {
                let accuracy = 100.0 * epoch.train_accuracy;
                stage.message(format!("{} s{}: loss {:.3}, {accuracy:.1} %", job.method, job.seed, epoch.loss));
            }
            if interrupt::is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let half_done = HalfDone::of(study, job);
        let checkpoint = half_done.read();
        let epochs = checkpoint.as_ref().map_or(0, Checkpoint::epochs);
        (0..epochs * steps_each / training.epochs).for_each(|_| stage.step());
        let mut kept = Ok(());
        let mut keep = |checkpoint: Checkpoint| {
            if kept.is_ok() && checkpoint.epochs() < training.epochs {
                kept = half_done.write(&checkpoint);
            }
        };
        let dataset = &study.dataset;
        let trained =
            axtrain_trainer::train_from(&spec, dataset, table, checkpoint.as_ref(), &mut keep, &mut observer)
                .map_err(training_failure)?;
        kept?;
        store(study, job, trained)?;
        half_done.remove()
    })
}

/// The file that holds a network whose training is not done, beside where its weights will be.
struct HalfDone {
    path: PathBuf,
    /// What it begins with: hash of everything that determines the weights.
    fingerprint: String,
}

impl HalfDone {
    fn of(study: &Study, job: &Job) -> Self {
        Self { path: job.path(study).with_extension("checkpoint"), fingerprint: job.fingerprint(study) }
    }

    /// The network, if there is one and it is of this job.
    fn read(&self) -> Option<Checkpoint> {
        let bytes = std::fs::read(&self.path).ok()?;
        Checkpoint::from_bytes(bytes.strip_prefix(self.fingerprint.as_bytes())?)
    }

    fn write(&self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        write_atomically(&self.path, &[self.fingerprint.as_bytes(), &checkpoint.to_bytes()].concat())
    }

    fn remove(&self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::write(&self.path, error)),
            _ => Ok(()),
        }
    }
}

/// Late products of designs, by position.
pub(crate) type TimingOfDesigns = BTreeMap<usize, Arc<TimingErrors>>;

/// How a network is trained, and the products it is trained with, of which some may be late.
pub(crate) fn spec<'a>(
    study: &'a Study,
    job: &Job,
    timing: &TimingOfDesigns,
) -> Result<(TrainingSpec, &'a ProductTable), Failure> {
    let training = &study.experiment.training;
    let method: Method =
        Training::unclipped(&job.method).parse().map_err(|error| Failure::request(error, "correct the method"))?;
    let timing = timing.get(&job.design).cloned();
    let mut spec = TrainingSpec {
        epochs: training.epochs,
        warmup_epochs: training.clean_epochs,
        ramp_epochs: training.ramp_epochs,
        batch: training.batch,
        optimizer: match training.optimizer {
            OptimizerKind::Adam => Optimizer::Adam,
            OptimizerKind::AdamW => Optimizer::AdamW,
            OptimizerKind::Sgd => Optimizer::Sgd { momentum: training.momentum as f32 },
        },
        weight_decay: training.weight_decay as f32,
        augmentation: Augmentation {
            shift: if training.augment.contains(&AugmentKind::Shift) { training.shift_pixels } else { 0 },
            flip: training.augment.contains(&AugmentKind::Flip),
        },
        quantization: quantization(&study.experiment.quantizer),
        statistics_images: training.statistics_images.unwrap_or(0),
        learning_rate: training.learning_rate,
        schedule: match training.schedule {
            ScheduleKind::Cosine => Schedule::Cosine,
            ScheduleKind::Step => Schedule::Step,
            ScheduleKind::Constant => Schedule::Constant,
        },
        rising_epochs: training.rising_epochs,
        label_smoothing: training.label_smoothing as f32,
        patience: training.patience,
        weight_clip: training.clip(&job.method).map(|clip| clip as f32),
        weight_faults: weight_faults(study, job)?,
        sensitivity: sensitivity(training),
        timing: timing.filter(|_| Training::has_multiplier_errors(&job.method)),
        sharpness_radius: training.sharpness_radius.map(|radius| radius as f32),
        weight_noise: training.gaussian_weight_noise() as f32,
        table_smoothing: training.table_smoothing,
        start: study.start.as_ref().map(|start| Arc::clone(&start.layers)),
        seed: job.seed,
        ..TrainingSpec::new(study.architecture.clone(), method)
    };
    if spec.is_trained() {
        // A look at the images, for the scales of activations.
        (spec.epochs, spec.warmup_epochs, spec.ramp_epochs, spec.rising_epochs) = (1, 0, 0, 0);
    }
    Ok((spec, &study.designs[job.design].product))
}

pub(crate) fn quantization(settings: &QuantizerSettings) -> Quantization {
    let range = |calibration| match calibration {
        CalibrationKind::MinMax => RangeEstimator::MinMax,
        CalibrationKind::Percentile => RangeEstimator::Percentile(settings.percentile),
        CalibrationKind::Mse => RangeEstimator::MeanSquare,
    };
    Quantization {
        weight_bits: settings.weight_bits,
        activation_bits: settings.activation_bits,
        granularity: match settings.granularity {
            GranularityKind::PerTensor => Granularity::PerTensor,
            GranularityKind::PerChannel => Granularity::PerChannel,
        },
        scheme: match settings.scheme {
            SchemeKind::Symmetric => Scheme::Symmetric,
            SchemeKind::Affine => Scheme::Affine,
        },
        weight_range: range(settings.weight_calibration),
        activation_range: range(settings.activation_calibration),
    }
}

fn sensitivity(training: &Training) -> Sensitivity {
    Sensitivity {
        lambda: training.lambda as f32,
        epsilon: training.epsilon as f32,
        noise: match training.sensitivity_noise {
            NoiseKind::Absolute => WeightNoise::Absolute,
            NoiseKind::Relative => WeightNoise::Relative,
            NoiseKind::Multiplier => WeightNoise::Multiplier,
        },
        estimator: match training.sensitivity {
            SensitivityKind::GaussNewton => Estimator::GaussNewton,
            SensitivityKind::GradientNorm => Estimator::GradientNorm,
            SensitivityKind::Hutchinson => Estimator::Hutchinson,
        },
        pass: match training.sensitivity_at {
            SensitivityPlace::Noisy => SensitivityPass::Noisy,
            SensitivityPlace::Exact => SensitivityPass::Exact,
        },
    }
}

/// Late products at the supply to train for, of each design that some job trains for.
pub(crate) fn timing_errors(study: &Study, jobs: &[Job], console: &Console) -> Result<TimingOfDesigns, Failure> {
    let training = &study.experiment.training;
    let mut errors = TimingOfDesigns::new();
    let Some(supply) = training.supply else { return Ok(errors) };
    for job in jobs.iter().filter(|job| Training::has_multiplier_errors(&job.method)) {
        if errors.contains_key(&job.design) {
            continue;
        }
        let (design, technology) = (&study.designs[job.design], &study.technology);
        let point = OperatingPoint { supply, clock_ps: study.clock_ps };
        let cache = TransitionCache::of(&study.root);
        let behaviour = study.behaviour_at(&[point], job.design, Some(&cache), console)?;
        let (table, position) = behaviour.into_single().map_err(|why| {
            let reason = format!("{}, training.supply_v: {why}", design.name());
            Failure::request(reason, "train for a higher supply")
        })?;
        let stimulus = Stimulus::uniform(table.activation_bits(), table.weight_bits());
        let window = table.points()[position].window();
        let sampler = match training.timing_errors {
            TimingDraws::Sums => TimingSampler::Sums,
            TimingDraws::Products => TimingSampler::Products,
        };
        let of_design = TimingErrors {
            metadata: ProfileMetadata {
                on_timing_error: table.on_timing_error(),
                ..ProfileMetadata::new(design, technology, point, window, &stimulus)
            },
            product: design.product.clone(),
            transitions: Arc::new(table),
            point: position,
            sampler,
        };
        errors.insert(job.design, Arc::new(of_design));
    }
    Ok(errors)
}

/// The memory that a job trains for, if it trains for one.
fn weight_faults(study: &Study, job: &Job) -> Result<Option<WeightFaults>, Failure> {
    let (Some(faulty), Some(scheme), Some(bit_error_rate)) =
        (&study.faulty_memory, job.scheme, study.experiment.training.bit_error_rate)
    else {
        return Ok(None);
    };
    let mut faults = WeightFaults {
        model: faulty.model.clone(),
        scheme: faulty.faults.schemes[scheme].clone(),
        memory_bytes: faulty.bytes,
        array: faulty.array,
        bit_error_rate,
        chips: Chips::Fresh,
    };
    if let Some(chip) = job.chip {
        let memories = faulty.memories(&faults.scheme, &[])?;
        let chip = faulty.on_chip(&memories, chip, bit_error_rate)?;
        faults.chips =
            Chips::Fixed(Box::new(chip.weights.expect("experiments that train for weights have them fail")));
    }
    Ok(Some(faults))
}

pub(crate) fn training_failure(error: TrainError) -> Failure {
    if matches!(error, TrainError::Stopped { .. }) {
        return Failure::interrupted();
    }
    Failure::request(error, "change the settings under [training] or [model]")
}

fn store(study: &Study, job: &Job, trained: Trained) -> Result<(), Failure> {
    let file =
        WeightsFile { network: trained.network, float: trained.parameters, fingerprint: job.fingerprint(study) };
    let path = job.path(study);
    let mut curve = String::from("epoch,loss,train_accuracy,validation_accuracy,validation_accuracy_exact\n");
    for epoch in &trained.curve {
        let (noisy, exact) = match epoch.validation {
            Some(validation) => (validation.accuracy.to_string(), validation.exact_accuracy.to_string()),
            None => Default::default(),
        };
        curve += &format!("{},{},{},{noisy},{exact}\n", epoch.epoch, epoch.loss, epoch.train_accuracy);
    }
    write_atomically(&path.with_extension("csv"), curve.as_bytes())?;
    write_atomically(&path, &file.to_bytes())
}
