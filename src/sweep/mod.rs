//! Sweeps: every variation of an experiment, its networks and records computed once whoever needs them.

mod estimate;
mod overview;
mod slurm;

use crate::arguments::{Engine, MergeOptions, Shard, SweepOptions};
use crate::catalogue::Source;
use crate::failure::Failure;
use crate::output::{print_json, print_line};
use crate::progress::Console;
use crate::run::complete;
use crate::run_lock::RunLock;
use crate::store::Store;
use crate::study::{Part, Study, prepare};
use crate::weights::{Job, pairings};
use crate::{simulate, train};
use axtrain_sim::config::Axes;
use axtrain_sim::report::Record;
pub(crate) use overview::{Line, Unbeaten};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// An experiment with its variations.
pub(crate) struct Sweep {
    path: PathBuf,
    runs: PathBuf,
    axes: Axes,
    /// The folder of all of it.
    root: PathBuf,
    /// How many variations share each network, and the order in which networks are first needed.
    networks: Vec<Needed>,
    /// Records, of all variations.
    records: usize,
    /// Records that are there.
    found: usize,
}

/// A network and who needs it.
struct Needed {
    fingerprint: String,
    /// The first variation that needs it.
    variation: usize,
    job: Job,
    stored: bool,
}

/// What one variation needs.
struct Wanted {
    networks: Vec<Needed>,
    found: usize,
    records: usize,
    root: PathBuf,
}

/// Runs a sweep, a part of it, or only says what it would do.
pub(crate) fn run(options: &SweepOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let sweep = Sweep::load(&options.experiment, &options.runs, seed)?;
    if options.dry_run {
        return sweep.describe(seed, console);
    }
    if options.engine == Engine::Slurm {
        return slurm::run(&sweep, seed, console, options.json);
    }
    match options.shard {
        Some(shard) => sweep.shard(shard, seed, console),
        None => {
            let _lock = RunLock::take(&sweep.root)?;
            sweep.train(console, |_| true)?;
            sweep.simulate(seed, console, |_| true)?;
            sweep.finish(seed, console, options.json)
        }
    }
}

/// Joins what parts of a sweep computed.
pub(crate) fn merge(options: &MergeOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let sweep = Sweep::load(&options.experiment, &options.runs, seed)?;
    let _lock = RunLock::take(&sweep.root)?;
    let store = Store::of(&sweep.root);
    for folder in &options.from {
        let records = store.join(&Store::of(folder))?;
        let networks = join_networks(&sweep.root, folder)?;
        console.note(&format!("{}: {records} records and {networks} networks were new", folder.display()));
    }
    sweep.finish(seed, console, options.json)
}

/// Copies the networks that `root` lacks; returns how many.
fn join_networks(root: &Path, from: &Path) -> Result<usize, Failure> {
    let (own, other) = (root.join("weights"), from.join("weights"));
    let Ok(entries) = std::fs::read_dir(&other) else { return Ok(0) };
    let mut joined = 0;
    for entry in entries.flatten() {
        let (path, to) = (entry.path(), own.join(entry.file_name()));
        if to.exists() || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| {
            Failure::request(format!("cannot read {}: {error}", path.display()), "check its rights")
        })?;
        crate::output::write_atomically(&to, &bytes)?;
        joined += usize::from(path.extension().is_some_and(|extension| extension == "safetensors"));
    }
    Ok(joined)
}

impl Sweep {
    /// Reads an experiment and finds out what all of its variations need; what is wrong with any of them shows here.
    pub(crate) fn load(path: &Path, runs: &Path, seed: u64) -> Result<Self, Failure> {
        let source = Source::read(path)?;
        let axes = Axes::of(&source.text).map_err(|error| Failure::config(source.parts(), error))?;
        let sweep = Self {
            path: path.to_owned(),
            runs: runs.to_owned(),
            axes,
            root: PathBuf::new(),
            networks: Vec::new(),
            records: 0,
            found: 0,
        };
        let wanted: Vec<Wanted> = (0..sweep.axes.variations.len())
            .into_par_iter()
            .map(|index| sweep.wanted(index, seed))
            .collect::<Result<_, Failure>>()?;
        let root = wanted[0].root.clone();
        if let Some(other) = wanted.iter().find(|wanted| wanted.root != root) {
            let message = format!("the sweep has two names: {} and {}", root.display(), other.root.display());
            return Err(Failure::request(message, "a sweep has one folder: name cannot be an axis"));
        }
        let (records, found) = (wanted.iter().map(|w| w.records).sum(), wanted.iter().map(|w| w.found).sum());
        let mut seen = HashSet::new();
        let mut networks: Vec<Needed> = wanted.into_iter().flat_map(|wanted| wanted.networks).collect();
        networks.retain(|network| seen.insert(network.fingerprint.clone()));
        Ok(Self { root, networks, records, found, ..sweep })
    }

    fn wanted(&self, index: usize, seed: u64) -> Result<Wanted, Failure> {
        let study = self.study(index)?;
        let (found, records) = simulate::progress(&study, seed);
        let mut networks = Vec::new();
        for job in Job::all(&study) {
            let (fingerprint, stored) = (job.fingerprint(&study), job.stored(&study)?.is_some());
            networks.push(Needed { fingerprint, variation: index, job, stored });
        }
        Ok(Wanted { networks, found, records, root: study.root })
    }

    /// One variation, loaded.
    fn study(&self, index: usize) -> Result<Study, Failure> {
        let variation = &self.axes.variations[index];
        let name = variation.name_in(&self.path.display().to_string());
        let part = (self.axes.variations.len() > 1)
            .then(|| Part { name: self.folder_name(index), settings: variation.settings.clone() });
        prepare(Source { name, text: variation.text.clone() }, &self.path, &self.runs, part)
    }

    /// A variation's number and what is particular to it.
    fn folder_name(&self, index: usize) -> String {
        let digits = (self.axes.variations.len()).to_string().len();
        let plain = |value: &String| -> String {
            let name = value.rsplit('/').next().unwrap_or_default();
            let parts = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
            let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
            parts.join("-").chars().take(24).collect()
        };
        // In the order of the file, as far as they stand there.
        let settings = &self.axes.variations[index].settings;
        let values = self.axes.axes.iter().filter_map(|axis| settings.get(&axis.key)).map(plain);
        let values: Vec<String> = values.filter(|value| !value.is_empty()).take(4).collect();
        format!("{:0digits$}-{}", index + 1, values.join("_"))
    }

    /// Trains the networks that are missing and whose number is one of `mine`.
    fn train(&self, console: &Console, mine: impl Fn(usize) -> bool + Sync) -> Result<(), Failure> {
        let mut jobs: HashMap<usize, Vec<Job>> = HashMap::new();
        for (index, network) in self.networks.iter().enumerate() {
            if mine(index) && !network.stored {
                jobs.entry(network.variation).or_default().push(network.job.clone());
            }
        }
        let mut jobs: Vec<(usize, Vec<Job>)> = jobs.into_iter().collect();
        jobs.sort_by_key(|(variation, _)| *variation);
        let inner = self.inner(console);
        let stage = console.stage("networks", jobs.iter().map(|(_, jobs)| jobs.len() as u64).sum());
        jobs.into_par_iter().try_for_each(|(variation, jobs)| {
            let study = self.study(variation)?;
            let count = jobs.len();
            train::networks(&study, jobs, &inner)?;
            (0..count).for_each(|_| stage.step());
            Ok(())
        })
    }

    /// Computes the records that are missing and whose network's number is one of `mine`.
    fn simulate(&self, seed: u64, console: &Console, mine: impl Fn(usize) -> bool + Sync) -> Result<(), Failure> {
        let numbers = self.numbers();
        let inner = self.inner(console);
        let stage = console.stage("variations", self.axes.variations.len() as u64);
        (0..self.axes.variations.len()).into_par_iter().try_for_each(|variation| {
            let study = self.study(variation)?;
            let mut missing = simulate::missing(&study, seed);
            missing.retain(|(_, job)| mine(numbers[&job.fingerprint(&study)[..]]));
            simulate::compute(&study, &missing, seed, &inner)?;
            stage.step();
            Ok(())
        })
    }

    /// Computes one part and leaves its records for `merge`.
    fn shard(&self, shard: Shard, seed: u64, console: &Console) -> Result<(), Failure> {
        // Other parts may work beside this one, but nobody who takes the whole.
        let _lock = RunLock::share(&self.root)?;
        let mine = |number: usize| number % shard.of == shard.number - 1;
        self.train(console, mine)?;
        self.simulate(seed, console, mine)?;
        let networks = (0..self.networks.len()).filter(|&number| mine(number)).count();
        print_line(&format!(
            "Part {} of {}: {networks} of {} networks, and their records, are in {}",
            shard.number,
            shard.of,
            self.networks.len(),
            self.root.display()
        ));
        Ok(())
    }

    /// Writes what every variation gave and what they give together, if all records are there.
    fn finish(&self, seed: u64, console: &Console, json: bool) -> Result<(), Failure> {
        let inner = self.inner(console);
        let stage = console.stage("reports", self.axes.variations.len() as u64);
        let results: Vec<Vec<Record>> = (0..self.axes.variations.len())
            .into_par_iter()
            .map(|variation| {
                let study = self.study(variation)?;
                self.require_all(&study, seed)?;
                let records = complete(&study, seed, &inner)?.records;
                stage.step();
                Ok(records)
            })
            .collect::<Result<_, Failure>>()?;
        drop(stage);
        if self.axes.variations.len() > 1 {
            let all: Vec<Record> = results.iter().flatten().cloned().collect();
            simulate::write_records(&self.root, &all)?;
            if json {
                print_json(&all);
                return Ok(());
            }
            return overview::write(self, &results);
        }
        match json {
            true => print_json(&results[0]),
            false => crate::run::print(&self.study(0)?, &results[0]),
        }
        Ok(())
    }

    /// How many records of all variations are there.
    fn count_found(&self, seed: u64) -> Result<usize, Failure> {
        let found = (0..self.axes.variations.len()).into_par_iter();
        found.map(|index| Ok(simulate::progress(&self.study(index)?, seed).0)).sum()
    }

    /// The parts of `shards` that lack a record.
    fn incomplete_shards(&self, shards: usize, seed: u64) -> Result<Vec<usize>, Failure> {
        let numbers = self.numbers();
        let mut incomplete = Vec::new();
        for index in 0..self.axes.variations.len() {
            let study = self.study(index)?;
            for (_, job) in simulate::missing(&study, seed) {
                incomplete.push(numbers[&job.fingerprint(&study)[..]] % shards + 1);
            }
        }
        incomplete.sort_unstable();
        incomplete.dedup();
        Ok(incomplete)
    }

    /// Number of each network, by its hash.
    fn numbers(&self) -> HashMap<&str, usize> {
        self.networks.iter().enumerate().map(|(number, network)| (&network.fingerprint[..], number)).collect()
    }

    /// Refuses to go on without a record.
    fn require_all(&self, study: &Study, seed: u64) -> Result<(), Failure> {
        let (found, all) = simulate::progress(study, seed);
        if found == all {
            return Ok(());
        }
        let missing = simulate::missing(study, seed);
        let shown: Vec<String> = missing
            .iter()
            .take(3)
            .map(|(design, job)| format!("{} seed {} on {}", job.name(), job.seed, study.designs[*design].name()))
            .collect();
        Err(Failure::incomplete(
            format!(
                "{} of {all} records of {} are missing, first of: {}",
                all - found,
                study.folder.display(),
                shown.join("; ")
            ),
            "compute the missing part: `axtrain sweep` with --shard, or without it for all that is left",
        ))
    }

    /// Says what would be computed and how long that might take.
    fn describe(&self, seed: u64, console: &Console) -> Result<(), Failure> {
        for axis in &self.axes.axes {
            print_line(&format!("{}: {}", axis.key, axis.values.join(", ")));
        }
        let missing: Vec<&Needed> = self.networks.iter().filter(|network| !network.stored).collect();
        let pairs: usize = (0..self.axes.variations.len())
            .map(|index| self.study(index).map(|study| pairings(&study).len()))
            .sum::<Result<usize, Failure>>()?;
        print_line(&format!("variations   {}", self.axes.variations.len()));
        print_line(&format!("networks     {} ({} to train)", self.networks.len(), missing.len()));
        print_line(&format!("simulations  {pairs} networks on designs"));
        print_line(&format!("records      {} ({} to compute)", self.records, self.records - self.found));
        let seconds = estimate::seconds(self, seed, console)?;
        print_line(&format!("about        {}", estimate::in_words(seconds)));
        Ok(())
    }

    /// Progress of what happens inside variations shows only if there is one.
    fn inner(&self, console: &Console) -> Console {
        if self.axes.variations.len() > 1 { console.silent() } else { *console }
    }
}
