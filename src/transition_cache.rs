//! Tables of transitions on disk, found by the hash of everything that determines them, so that runs that go on and sweeps
//! do not compute them again.
//!
//! A file is written whole or not at all; one that is damaged is computed again. The folder may be deleted at any time.

use crate::failure::Failure;
use crate::output::write_atomically;
use axtrain_sim::profile::{NotTabulable, TransitionSpec, TransitionTable};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where tables are kept.
pub(crate) struct TransitionCache {
    folder: PathBuf,
    /// Most bytes that all of them take.
    room: u64,
}

impl TransitionCache {
    /// The tables of the run or sweep in `root`.
    pub(crate) fn of(root: &Path) -> Self {
        Self::at(root.join("transitions"))
    }

    /// Tables in a folder: 1 GiB at most, a few megabytes each.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder, room: 1 << 30 }
    }

    /// A table, from disk if it is there. `progress` is called once a weight that is simulated.
    pub(crate) fn table(
        &self,
        spec: TransitionSpec<'_>,
        progress: &(impl Fn() + Sync),
    ) -> Result<TransitionTable, Failure> {
        let name: String = spec.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.folder.join(name + ".bin");
        let kept = fs::read(&path).ok().and_then(|bytes| TransitionTable::from_bytes(&bytes, &spec));
        if let Some(table) = kept {
            return Ok(table);
        }
        let table = TransitionTable::build(spec, progress).map_err(not_tabulable)?;
        let bytes = table.to_bytes(&spec);
        self.make_room(bytes.len() as u64);
        write_atomically(&path, &bytes)?;
        Ok(table)
    }

    /// Deletes the oldest tables until `bytes` more fit. What another process deletes or holds at the same time is left.
    fn make_room(&self, bytes: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let (data, name) = (entry.metadata().ok()?, entry.file_name());
                // Others are being written.
                let whole = !name.to_string_lossy().starts_with('.');
                whole.then_some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut taken: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if taken + bytes <= self.room {
                return;
            }
            let _ = fs::remove_file(path);
            taken -= length;
        }
    }
}

/// A design whose transitions are not tabulated.
pub(crate) fn not_tabulable(error: NotTabulable) -> Failure {
    Failure::request(error, "operating points need operands of at most 8 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let folder = std::env::temp_dir().join(format!("axtrain-cache-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let cache = TransitionCache { folder: folder.clone(), room: 1000 };
        for (age, name) in ["newest", "middle", "oldest"].into_iter().enumerate() {
            let file = fs::File::create(folder.join(name)).unwrap();
            file.set_len(300).unwrap();
            let hours = std::time::Duration::from_secs(3600 * age as u64);
            file.set_modified(SystemTime::now() - hours).unwrap();
        }
        let names = || {
            let mut names: Vec<String> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        cache.make_room(100);
        assert_eq!(names(), ["middle", "newest", "oldest"]);
        cache.make_room(101);
        assert_eq!(names(), ["middle", "newest"]);
        cache.make_room(1000);
        assert!(names().is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }
}
