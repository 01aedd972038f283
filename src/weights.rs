//! Where a run keeps its trained networks, and how it knows that they are the right ones.

use crate::failure::Failure;
use crate::study::{Study, sha256};
use axtrain_sim::workload::WeightsFile;
use std::path::{Path, PathBuf};

/// One network to train: a method and a seed, for a design if the method looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub(crate) method: String,
    pub(crate) seed: u64,
    /// Position of the design trained for.
    pub(crate) design: usize,
}

/// Whether networks differ with the multiplier they are trained for.
fn depends_on_multiplier(method: &str) -> bool {
    matches!(method, "passive" | "hybrid")
}

impl Job {
    /// The job whose network runs on `design`.
    pub(crate) fn new(study: &Study, method: &str, seed: u64, design: usize) -> Self {
        let design = if depends_on_multiplier(method) { design } else { study.experiment.baseline };
        Self { method: method.to_owned(), seed, design }
    }

    /// Every network of a study, in order, each once.
    pub(crate) fn all(study: &Study) -> Vec<Job> {
        let mut jobs: Vec<Job> = Vec::new();
        for (_, job) in pairings(study) {
            if !jobs.contains(&job) {
                jobs.push(job);
            }
        }
        jobs
    }

    /// Where its weights are.
    pub(crate) fn path(&self, study: &Study) -> PathBuf {
        let design = if depends_on_multiplier(&self.method) {
            format!("{}_", study.designs[self.design].name())
        } else {
            String::new()
        };
        study.folder.join("weights").join(format!("{design}{}_s{}.safetensors", self.method, self.seed))
    }

    /// Hash of everything that determines the weights; a stored network with another one is stale.
    pub(crate) fn fingerprint(&self, study: &Study) -> String {
        let training = &study.experiment.training;
        let data = &study.dataset.train;
        let mut description = format!(
            "{} {:?} {} {} {} {} {} {:?} {:?} {} {}",
            env!("CARGO_PKG_VERSION"),
            study.architecture,
            training.epochs,
            training.batch,
            training.learning_rate,
            training.clean_epochs,
            training.lambda,
            training.epsilon,
            training.weight_clip,
            self.method,
            self.seed
        );
        description += &sha256(data.pixels());
        description += &sha256(data.labels());
        if depends_on_multiplier(&self.method) {
            description += &study.designs[self.design].product.sha256();
        }
        sha256(description.as_bytes())
    }

    /// The stored network, if there is one and it is not stale.
    pub(crate) fn stored(&self, study: &Study) -> Result<Option<WeightsFile>, Failure> {
        let path = self.path(study);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
        let file = WeightsFile::from_bytes(&bytes).map_err(|error| damaged(&path, error))?;
        Ok((file.fingerprint == self.fingerprint(study)).then_some(file))
    }

    /// The stored network, or a failure that says how to get it.
    pub(crate) fn required(&self, study: &Study) -> Result<WeightsFile, Failure> {
        self.stored(study)?.ok_or_else(|| {
            let message = format!("no network in {} fits this experiment", self.path(study).display());
            Failure::request(message, "train first: `axtrain train EXPERIMENT.toml`, with the same --runs")
        })
    }
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::request(format!("{}: {error}", path.display()), "delete the file; the next run trains it again")
}

/// Every (design, network) pair that runs: all methods on every design, but on the baseline the first method only.
pub(crate) fn pairings(study: &Study) -> Vec<(usize, Job)> {
    let training = &study.experiment.training;
    let mut pairs = Vec::new();
    for design in 0..study.designs.len() {
        let methods =
            if design == study.experiment.baseline { &training.methods[..1] } else { &training.methods[..] };
        for method in methods {
            for &seed in &training.seeds {
                pairs.push((design, Job::new(study, method, seed, design)));
            }
        }
    }
    pairs
}
