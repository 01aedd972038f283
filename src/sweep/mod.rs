//! Sweeps: every variation of an experiment, its networks and records computed once whoever needs them.

mod estimate;
mod halving;
mod overview;
mod results;
mod slurm;

use crate::arguments::{Engine, MergeOptions, Shard, SweepOptions};
use crate::catalogue::Source;
use crate::failure::Failure;
use crate::output::print_line;
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::shelf::Shelf;
use crate::store::{Key, Store};
use crate::study::{Part, Study, prepare};
use crate::weights::Job;
use crate::{simulate, train};
use axtrain_sim::config::Axes;
use halving::Rung;
pub(crate) use overview::{Line, Unbeaten, cheapest};
use rayon::prelude::*;
use results::Wish;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// An experiment with its variations.
pub(crate) struct Sweep {
    path: PathBuf,
    runs: PathBuf,
    axes: Axes,
    shelf: Shelf,
    /// The folder of all of it.
    root: PathBuf,
    /// Positions of the variations that are computed: all, or those that successive halving has come to.
    active: Vec<usize>,
    /// How far successive halving has come, if the sweep is one.
    rung: Option<Rung>,
    /// In the order in which variations need them first.
    networks: Vec<Needed>,
    /// Keys of the records of active variations.
    keys: Vec<Key>,
    /// Records among these that were there.
    found: usize,
}

/// What a variation needs.
struct Wanted {
    /// Networks by their hashes.
    networks: Vec<(String, Job)>,
    keys: Vec<Key>,
}

/// A network and who needs it.
struct Needed {
    fingerprint: String,
    /// The first variation that needs it.
    variation: usize,
    job: Job,
    stored: bool,
}

/// Runs a sweep, a part of it, or only says what it would do.
pub(crate) fn run(options: &SweepOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let mut sweep = Sweep::load(&options.experiment, &options.runs, seed)?;
    if options.dry_run {
        return sweep.describe(seed, console);
    }
    if options.engine == Engine::Slurm {
        return slurm::run(sweep, seed, console, Wish::of(options));
    }
    match options.shard {
        Some(shard) => sweep.shard(shard, seed, console),
        None => {
            let _lock = RunLock::take(&sweep.root)?;
            loop {
                sweep.train(console, |_| true)?;
                sweep.simulate(seed, console, |_| true)?;
                sweep.found = sweep.keys.len();
                if !sweep.climb(seed)? {
                    return sweep.finish(seed, console, Wish::of(options));
                }
            }
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
    sweep.finish(seed, console, Wish { json: options.json, all_reports: options.all_reports })
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
    /// Reads an experiment and finds out what its variations need; what is wrong with any of them shows here.
    pub(crate) fn load(path: &Path, runs: &Path, seed: u64) -> Result<Self, Failure> {
        let source = Source::read(path)?;
        let axes = Axes::of(&source.text).map_err(|error| Failure::config(source.parts(), error))?;
        let (first, rung) = match &axes.halving {
            Some(halving) => {
                let rung = Rung::first(halving);
                (rung.variations(halving), Some(rung))
            }
            None => ((0..axes.variations.len()).collect(), None),
        };
        let mut sweep = Self {
            path: path.to_owned(),
            runs: runs.to_owned(),
            axes,
            shelf: Shelf::default(),
            root: PathBuf::new(),
            active: Vec::new(),
            rung,
            networks: Vec::new(),
            keys: Vec::new(),
            found: 0,
        };
        sweep.root = sweep.study(0)?.root;
        sweep.activate(first, seed)?;
        while sweep.climb(seed)? {}
        Ok(sweep)
    }

    /// Adds variations to those that are computed.
    fn activate(&mut self, variations: Vec<usize>, seed: u64) -> Result<(), Failure> {
        let of_variation = |&variation: &usize| {
            let study = self.study(variation)?;
            if study.root != self.root {
                let message =
                    format!("the sweep has two names: {} and {}", self.root.display(), study.root.display());
                return Err(Failure::request(message, "a sweep has one folder: name cannot be an axis"));
            }
            let networks = Job::all(&study).into_iter().map(|job| (job.fingerprint(&study), job)).collect();
            Ok(Wanted { networks, keys: simulate::all_keys(&study, seed) })
        };
        let wanted: Vec<Wanted> = variations.par_iter().map(of_variation).collect::<Result<_, Failure>>()?;
        let mut known: HashMap<String, usize> =
            self.networks.iter().enumerate().map(|(number, network)| (network.fingerprint.clone(), number)).collect();
        let mut new = Vec::new();
        for (&variation, Wanted { networks, keys }) in variations.iter().zip(wanted) {
            self.keys.extend(keys);
            for (fingerprint, job) in networks {
                if !known.contains_key(&fingerprint) {
                    known.insert(fingerprint.clone(), known.len());
                    new.push(Needed { fingerprint, variation, job, stored: false });
                }
            }
        }
        let stored = |network: &Needed| Ok(network.job.stored(&self.study(network.variation)?)?.is_some());
        let stored: Vec<bool> = new.par_iter().map(stored).collect::<Result<_, Failure>>()?;
        new.iter_mut().zip(stored).for_each(|(network, stored)| network.stored = stored);
        self.networks.extend(new);
        self.active.extend(variations);
        self.found = self.count_found();
        Ok(())
    }

    /// One variation, loaded.
    fn study(&self, index: usize) -> Result<Study, Failure> {
        let variation = &self.axes.variations[index];
        let name = variation.name_in(&self.path.display().to_string());
        let part = (self.axes.variations.len() > 1)
            .then(|| Part { name: self.folder_name(index), settings: variation.settings.clone() });
        prepare(Source { name, text: variation.text.clone() }, &self.path, &self.runs, part, &self.shelf)
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
        let index = Store::of(&self.root).index();
        let stage = console.stage("variations", self.active.len() as u64);
        self.active.par_iter().try_for_each(|&variation| {
            let study = self.study(variation)?;
            let mut missing = simulate::missing(&study, &index, seed);
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
        if let (Some(halving), Some(rung), false) = (&self.axes.halving, &self.rung, self.is_on_last_rung()) {
            print_line(&format!(
                "This was {}: when all parts are done, the same commands go on with the next",
                rung.name(halving)
            ));
        }
        Ok(())
    }

    /// How many records are there now.
    fn count_found(&self) -> usize {
        let index = Store::of(&self.root).index();
        self.keys.iter().filter(|key| index.has(key)).count()
    }

    /// The parts of `shards` that lack a record.
    fn incomplete_shards(&self, shards: usize, seed: u64) -> Result<Vec<usize>, Failure> {
        let (numbers, index) = (self.numbers(), Store::of(&self.root).index());
        let mut incomplete = Vec::new();
        for &variation in &self.active {
            let study = self.study(variation)?;
            for (_, job) in simulate::missing(&study, &index, seed) {
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

    /// Progress of what happens inside variations shows only if there is one.
    fn inner(&self, console: &Console) -> Console {
        if self.axes.variations.len() > 1 { console.silent() } else { *console }
    }
}
