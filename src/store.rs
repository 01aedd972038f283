//! The records of a run or a sweep, one file a point, found by the hash of everything that determines them.
//!
//! A point is written whole or not at all and means the same whoever writes it, so any number of processes may share a store, and
//! a point that is computed twice does no harm.

use crate::failure::Failure;
use crate::faulty_memory::FaultyMemory;
use crate::output::write_atomically;
use crate::study::{Study, sha256};
use crate::weights::Job;
use axtrain_sim::report::Record;
use axtrain_sim::technology::OperatingPoint;
use axtrain_sim::units::Volts;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Where records are kept.
pub(crate) struct Store {
    folder: PathBuf,
}

/// What a record is found by.
pub(crate) struct Key(String);

/// The keys of all records of a store at one moment.
pub(crate) struct Index(HashSet<String>);

impl Index {
    pub(crate) fn has(&self, Key(key): &Key) -> bool {
        self.0.contains(key)
    }
}

impl Store {
    /// The store of the run or sweep in `root`.
    pub(crate) fn of(root: &Path) -> Self {
        Self { folder: root.join("points") }
    }

    fn path(&self, Key(key): &Key) -> PathBuf {
        self.folder.join(&key[..2]).join(format!("{}.json", &key[2..]))
    }

    /// The record, if it is there and whole.
    pub(crate) fn record(&self, key: &Key) -> Option<Record> {
        let text = std::fs::read_to_string(self.path(key)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// What is there now. One look at the folders is far quicker than one at each record.
    pub(crate) fn index(&self) -> Index {
        let groups = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let keys = groups.flat_map(|group| {
            let first = group.file_name().to_string_lossy().into_owned();
            let entries = std::fs::read_dir(group.path()).into_iter().flatten().flatten();
            entries.filter_map(move |entry| {
                let name = entry.file_name();
                let rest = name.to_str()?.strip_suffix(".json").filter(|rest| !rest.starts_with('.'))?;
                entry.file_type().ok()?.is_file().then(|| format!("{first}{rest}"))
            })
        });
        Index(keys.collect())
    }

    /// Forgets a record that cannot be read, so that it is computed again.
    pub(crate) fn forget(&self, key: &Key) {
        let _ = std::fs::remove_file(self.path(key));
    }

    /// Keeps a record, without what only the experiment knows that asks for it.
    pub(crate) fn keep(&self, key: &Key, record: &Record) -> Result<(), Failure> {
        let mut record = record.clone();
        record.provenance.experiment_sha256.clear();
        record.point.settings.clear();
        let text = serde_json::to_vec(&record).expect("records serialise");
        write_atomically(&self.path(key), &text)
    }

    /// Takes over what `other` has and this one lacks; returns how many records that were.
    #[cfg(feature = "train")]
    pub(crate) fn join(&self, other: &Store) -> Result<usize, Failure> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Failure::request(format!("cannot read {}: {error}", path.display()), "name the folder of a run or sweep")
        };
        let mut joined = 0;
        for group in std::fs::read_dir(&other.folder).map_err(|error| unreadable(&other.folder, error))? {
            let group = group.map_err(|error| unreadable(&other.folder, error))?;
            for entry in std::fs::read_dir(group.path()).map_err(|error| unreadable(&group.path(), error))?.flatten()
            {
                let (from, name) = (entry.path(), entry.file_name());
                let to = self.folder.join(group.file_name()).join(&name);
                if to.is_file() || name.to_string_lossy().starts_with('.') {
                    continue;
                }
                let text = std::fs::read(&from).map_err(|error| unreadable(&from, error))?;
                if serde_json::from_slice::<Record>(&text).is_ok() {
                    write_atomically(&to, &text)?;
                    joined += 1;
                }
            }
        }
        Ok(joined)
    }
}

/// The keys of one network on one design.
pub(crate) struct Keys {
    network: String,
}

impl Keys {
    /// Keys of `job` on the study's design at `design`; `seed` is the program's.
    pub(crate) fn new(study: &Study, design: usize, job: &Job, seed: u64) -> Self {
        let (experiment, design) = (&study.experiment, &study.designs[design]);
        let parts = [
            Record::SCHEMA.to_owned(),
            format!("{} {}", env!("CARGO_PKG_VERSION"), axtrain_sim::SOURCES),
            study.identity.clone(),
            format!("{} {} {}", experiment.technology, experiment.array, experiment.dataset),
            study.model(),
            format!("{} {}", design.name(), design.sha256),
            format!("{job:?} {:?}", job.scheme_name(study)),
            job.fingerprint(study),
            format!("{:?}", study.faulty_memory.as_ref().map(|faulty| faulty.leakage)),
            seed.to_string(),
        ];
        Self { network: sha256(parts.join("\n").as_bytes()) }
    }

    /// Key of the network with sound weights at an operating point.
    pub(crate) fn sound(&self, point: OperatingPoint) -> Key {
        Key(sha256(format!("{} {point:?}", self.network).as_bytes()))
    }

    /// Key of the network at an operating point on a chip whose weight memory has this supply and share of failing cells.
    pub(crate) fn on_chip(
        &self,
        point: OperatingPoint,
        faulty: &FaultyMemory,
        (scheme, chip): (usize, u64),
        (supply, p): (Volts, f64),
    ) -> Key {
        let FaultyMemory { faults, model, array, bytes, values, warnings, .. } = faulty;
        let contents = format!("{:?} {bytes} {values:?}", faults.memories);
        let memory = format!("{model:?} {:?} {array:?} {contents} {warnings:?}", faults.schemes[scheme]);
        let place = format!("{} {supply:?} {p}", faulty.identity(chip));
        Key(sha256(format!("{} {point:?} {memory} {place}", self.network).as_bytes()))
    }
}
