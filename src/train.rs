//! Training the networks of an experiment.

use crate::arguments::ExperimentOptions;
use crate::failure::Failure;
use crate::output::{print_json, print_line, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::study::{Study, load};
use crate::weights::Job;
use axtrain_sim::config::Training;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::workload::{FloatLayer, WeightsFile};
use axtrain_trainer::{Chips, Method, Sensitivity, TrainError, Trained, TrainingSpec, WeightFaults};
use rayon::prelude::*;
use serde::Serialize;
use std::ops::ControlFlow;

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
    missing.par_iter().try_for_each(|job| {
        let (spec, table) = spec(study, job)?;
        let mut observer = |progress: &axtrain_trainer::Progress| {
            stage.step();
            if let Some(epoch) = progress.completed {
                let accuracy = 100.0 * epoch.train_accuracy;
                stage.message(format!("{} s{}: loss {:.3}, {accuracy:.1} %", job.method, job.seed, epoch.loss));
            }
            ControlFlow::Continue(())
        };
        let trained =
            axtrain_trainer::train(&spec, &study.dataset, table, &mut observer).map_err(training_failure)?;
        store(study, job, trained)
    })
}

/// How a network is trained, and the products it is trained with.
pub(crate) fn spec<'a>(study: &'a Study, job: &Job) -> Result<(TrainingSpec, &'a ProductTable), Failure> {
    let training = &study.experiment.training;
    let method: Method =
        Training::unclipped(&job.method).parse().map_err(|error| Failure::request(error, "correct the method"))?;
    let spec = TrainingSpec {
        epochs: training.epochs,
        warmup_epochs: training.clean_epochs,
        batch: training.batch,
        learning_rate: training.learning_rate,
        weight_clip: training.clip(&job.method).map(|clip| clip as f32),
        weight_faults: weight_faults(study, job)?,
        sensitivity: Sensitivity {
            lambda: training.lambda as f32,
            epsilon: training.epsilon as f32,
            ..Sensitivity::default()
        },
        seed: job.seed,
        ..TrainingSpec::new(study.architecture.clone(), method)
    };
    let table = &study.designs[job.design].product;
    Ok((spec, table))
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
        let memory = faulty.memory(&faults.scheme, &[])?;
        faults.chips = Chips::Fixed(Box::new(faulty.map(&memory, chip, bit_error_rate)?));
    }
    Ok(Some(faults))
}

pub(crate) fn training_failure(error: TrainError) -> Failure {
    Failure::request(error, "change the settings under [training] or [model]")
}

fn store(study: &Study, job: &Job, trained: Trained) -> Result<(), Failure> {
    let float = trained.parameters.into_iter();
    let float = float.map(|layer| FloatLayer { weights: layer.weights, bias: layer.bias }).collect();
    let file = WeightsFile { network: trained.network, float, fingerprint: job.fingerprint(study) };
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
