//! How long a sweep will take, from a few steps of each kind of work that is measured here and now.

use super::Sweep;
use crate::failure::Failure;
use crate::output::print_line;
use crate::progress::Console;
use crate::store::Store;
use crate::study::Study;
use crate::weights::{Job, pairings};
use crate::{simulate, train};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::workload::{Dataset, Network, infer_with, pixel_code};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::time::Instant;

/// Training steps and test images that are measured.
const STEPS: usize = 3;
const IMAGES: usize = 32;

impl Sweep {
    /// Says what would be computed and how long that might take.
    pub(super) fn describe(&self, seed: u64, console: &Console) -> Result<(), Failure> {
        for axis in &self.axes.axes {
            print_line(&format!("{}: {}", axis.key, axis.values.join(", ")));
        }
        let missing = self.networks.iter().filter(|network| !network.stored).count();
        let pairs: usize = self
            .active
            .iter()
            .map(|&variation| self.study(variation).map(|study| pairings(&study).len()))
            .sum::<Result<usize, Failure>>()?;
        match (&self.axes.halving, &self.rung) {
            (Some(halving), Some(rung)) => {
                let (all, at) = (self.axes.variations.len(), rung.name(halving));
                print_line(&format!("variations   {} of {all} ({at})", self.active.len()));
            }
            _ => print_line(&format!("variations   {}", self.active.len())),
        }
        print_line(&format!("networks     {} ({missing} to train)", self.networks.len()));
        print_line(&format!("simulations  {pairs} networks on designs"));
        print_line(&format!("records      {} ({} to compute)", self.keys.len(), self.keys.len() - self.found));
        let seconds = seconds(self, seed, console)?;
        print_line(&format!("about        {}", in_words(seconds)));
        Ok(())
    }
}

/// Seconds on all cores for what is missing. Measures each kind of network, method and design once.
fn seconds(sweep: &Sweep, seed: u64, console: &Console) -> Result<f64, Failure> {
    let cores = rayon::current_num_threads() as f64;
    let inner = console.silent();
    let mut training: HashMap<String, f64> = HashMap::new();
    let mut total = 0.0;
    for needed in sweep.networks.iter().filter(|network| !network.stored) {
        let study = sweep.study(needed.variation)?;
        let settings = &study.experiment.training;
        let kind = format!("{} {} {}", needed.job.method, study.architecture, settings.batch);
        let step = match training.get(&kind) {
            Some(step) => *step,
            None => {
                let (step, _) = training_step(&study, &needed.job, &inner)?;
                training.insert(kind, step);
                step
            }
        };
        let steps = settings.epochs * study.dataset.train.len().div_ceil(settings.batch);
        total += step * steps as f64 / cores;
    }
    let mut timing: HashMap<String, f64> = HashMap::new();
    let index = Store::of(&sweep.root).index();
    for &variation in &sweep.active {
        let study = sweep.study(variation)?;
        let missing = simulate::missing(&study, &index, seed);
        for (position, design) in study.designs.iter().enumerate() {
            let kind = format!("{} {} {:?}", design.name(), study.clock_ps, study.experiment.operation.supplies);
            if let Entry::Vacant(entry) = timing.entry(kind) {
                let start = Instant::now();
                study.fresh_behaviour(position, &inner)?;
                total += *entry.insert(start.elapsed().as_secs_f64());
            }
        }
        if !missing.is_empty() {
            let absent = simulate::all_keys(&study, seed).iter().filter(|key| !index.has(key)).count();
            let images = (study.dataset.test.len() * absent) as f64;
            total += image(&study, &missing[0].1, &inner)? * images / cores;
        }
    }
    Ok(total)
}

/// Seconds of a training step on one core, and the network after some.
fn training_step(study: &Study, job: &Job, console: &Console) -> Result<(f64, Network), Failure> {
    let timing = train::timing_errors(study, std::slice::from_ref(job), console)?;
    let (mut spec, table) = train::spec(study, job, &timing)?;
    (spec.epochs, spec.warmup_epochs, spec.ramp_epochs) = (1, 0, 0);
    let mut dataset = Dataset::clone(&study.dataset);
    dataset.train = dataset.train.first(spec.batch * STEPS);
    let steps = dataset.train.len().div_ceil(spec.batch).max(1);
    let start = Instant::now();
    let trained = axtrain_trainer::train(&spec, &dataset, table, &mut |_| ControlFlow::Continue(()))
        .map_err(train::training_failure)?;
    Ok((start.elapsed().as_secs_f64() / steps as f64, trained.network))
}

/// Seconds of an image's inference on one core.
fn image(study: &Study, job: &Job, console: &Console) -> Result<f64, Failure> {
    let network = match job.stored(study)? {
        Some(weights) => weights.network,
        None => training_step(study, job, console)?.1,
    };
    let test = study.dataset.test.first(IMAGES);
    let codes: Vec<u8> = test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
    let gemm = TableGemm::new(&study.baseline().product);
    let start = Instant::now();
    std::hint::black_box(infer_with(&network, &gemm, &codes, |_| ()));
    Ok(start.elapsed().as_secs_f64() / test.len().max(1) as f64)
}

/// A time that is only roughly known.
fn in_words(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{:.0} s", s.max(1.0)),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
