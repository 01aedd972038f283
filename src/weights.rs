//! Where a run keeps its trained networks, and how it knows that they are the right ones.

use crate::failure::Failure;
#[cfg(feature = "train")]
use crate::output::write_atomically;
use crate::study::{Study, sha256};
use axtrain_sim::array::Compensation;
use axtrain_sim::config::Training;
use axtrain_sim::workload::WeightsFile;
use std::path::{Path, PathBuf};

/// Counts the times that networks began to come out differently within one version: those before are stale.
const TRAINER: u32 = 2;

/// One network to train: a method and a seed, for a design if the method looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub(crate) method: String,
    pub(crate) seed: u64,
    /// Position of the design trained for.
    pub(crate) design: usize,
    /// Position of the memory scheme trained for, if the method trains with failing cells.
    pub(crate) scheme: Option<usize>,
    /// The chip trained for, if the method trains for one.
    pub(crate) chip: Option<u64>,
    /// What is done to the trained network before it runs.
    pub(crate) compensation: Compensation,
}

impl Job {
    /// The jobs whose networks run on `design`: one, or one a memory scheme, or one a scheme and chip.
    pub(crate) fn new(study: &Study, method: &str, seed: u64, design: usize) -> Vec<Self> {
        let training = &study.experiment.training;
        let design = if training.depends_on_multiplier(method) { design } else { study.experiment.baseline };
        let compensation = Compensation::default();
        let job = Self { method: method.to_owned(), seed, design, scheme: None, chip: None, compensation };
        let Some(faulty) = study.faulty_memory.as_ref().filter(|_| Training::depends_on_memory(method)) else {
            return vec![job];
        };
        let chips: Vec<Option<u64>> = match Training::unclipped(method) {
            "memory-adaptive" => faulty.chips().map(Some).collect(),
            _ => vec![None],
        };
        let schemes = 0..faulty.faults.schemes.len();
        let of_scheme = |scheme| chips.iter().map(move |&chip| (Some(scheme), chip)).collect::<Vec<_>>();
        schemes.flat_map(of_scheme).map(|(scheme, chip)| Self { scheme, chip, ..job.clone() }).collect()
    }

    /// Method and compensation, as records name them.
    pub(crate) fn name(&self) -> String {
        match self.compensation == Compensation::default() {
            true => self.method.clone(),
            false => format!("{}+{}", self.method, self.compensation),
        }
    }

    /// Name of the memory scheme trained for.
    pub(crate) fn scheme_name<'a>(&self, study: &'a Study) -> Option<&'a str> {
        Some(study.faulty_memory.as_ref()?.faults.schemes[self.scheme?].name())
    }

    /// Every network of a study, in order, each once.
    pub(crate) fn all(study: &Study) -> Vec<Job> {
        let mut jobs: Vec<Job> = Vec::new();
        for (_, job) in pairings(study) {
            let job = Job { compensation: Compensation::default(), ..job };
            if !jobs.contains(&job) {
                jobs.push(job);
            }
        }
        jobs
    }

    /// Where its weights are: under their name in a run; under their hash, too, where variations of a sweep share them.
    pub(crate) fn path(&self, study: &Study) -> PathBuf {
        if study.folder == study.root {
            return self.own_path(study);
        }
        let name = format!("{}_s{}-{}.safetensors", self.method, self.seed, &self.fingerprint(study)[..16]);
        study.root.join("weights").join(name)
    }

    /// Where its weights are in the study's own folder.
    fn own_path(&self, study: &Study) -> PathBuf {
        let design = if study.experiment.training.depends_on_multiplier(&self.method) {
            format!("{}_", study.designs[self.design].name())
        } else {
            String::new()
        };
        let scheme = self.scheme_name(study).map_or(String::new(), |name| format!("_{name}"));
        let chip = self.chip.map_or(String::new(), |chip| format!("_c{chip}"));
        let name = format!("{design}{}{scheme}{chip}_s{}.safetensors", self.method, self.seed);
        study.folder.join("weights").join(name)
    }

    /// Puts weights that are shared, and their learning curve, into the study's own folder.
    #[cfg(feature = "train")]
    pub(crate) fn show(&self, study: &Study) -> Result<(), Failure> {
        let (shared, own) = (self.path(study), self.own_path(study));
        if shared == own {
            return Ok(());
        }
        for extension in ["safetensors", "csv"] {
            let (from, to) = (shared.with_extension(extension), own.with_extension(extension));
            let bytes = std::fs::read(&from)
                .map_err(|error| Failure::other(format!("cannot read {}: {error}", from.display())))?;
            write_atomically(&to, &bytes)?;
        }
        Ok(())
    }

    /// Hash of everything that determines the weights; a stored network with another one is stale.
    pub(crate) fn fingerprint(&self, study: &Study) -> String {
        let training = &study.experiment.training;
        let mut description = format!(
            "{} {TRAINER} {:?} {} {}",
            env!("CARGO_PKG_VERSION"),
            study.architecture,
            training.identity(&self.method),
            self.seed
        );
        description += &study.experiment.quantizer.identity();
        description += &study.dataset.train_sha256;
        if let Some(start) = &study.start {
            description += &start.sha256;
        }
        let design = &study.designs[self.design];
        if training.depends_on_multiplier(&self.method) {
            description += &design.product.sha256();
        }
        if let Some(supply) = training.supply.filter(|_| Training::has_multiplier_errors(&self.method)) {
            // The circuit's delays, and the time they are given.
            let (critical, delays) = (design.critical(), &design.physical.delay);
            description += &format!("{} {critical:?} {delays:?} {supply:?} {}", design.sha256(), study.clock_ps);
            let late = study.array.on_timing_error();
            description += &format!("{:?}{:?}{late:?}", study.technology.name(), training.timing_errors);
        }
        if let (Some(faulty), Some(scheme)) = (&study.faulty_memory, self.scheme) {
            let scheme = &faulty.faults.schemes[scheme];
            // What the scheme is called does not matter.
            let scheme = scheme.clone().named("");
            description += &format!("{:?} {:?} {:?} {}", faulty.model, scheme, faulty.array, faulty.bytes);
            if let Some(chip) = self.chip {
                description += &faulty.identity(chip);
            }
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

/// Every (design, network) pair that runs: all methods with all compensations on every design, but on the baseline the first
/// method only and as it is, unless memories fail.
pub(crate) fn pairings(study: &Study) -> Vec<(usize, Job)> {
    let training = &study.experiment.training;
    let mut pairs = Vec::new();
    for design in 0..study.designs.len() {
        // Where memories fail, the baseline is of interest itself.
        let first_only = design == study.experiment.baseline && study.faulty_memory.is_none();
        let methods = if first_only { &training.methods[..1] } else { &training.methods[..] };
        let compensations = match first_only {
            true => &[Compensation::default()][..],
            false => &study.experiment.operation.compensations,
        };
        for method in methods {
            for &seed in &training.seeds {
                for job in Job::new(study, method, seed, design) {
                    pairs.extend(
                        compensations.iter().map(|&compensation| (design, Job { compensation, ..job.clone() })),
                    );
                }
            }
        }
    }
    pairs
}
