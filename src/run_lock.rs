//! One process at a time works on a run's folder.

use crate::failure::Failure;
use crate::output::remove_unfinished;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// A folder that no other process may take until this is dropped or the process ends, however it ends.
pub(crate) struct RunLock {
    _file: File,
    /// A file system without locks leaves nothing to tell two processes apart by.
    is_held: bool,
}

impl RunLock {
    /// Takes `folder`, which is made if it is not there, and removes what killed processes left half written in it. Its
    /// file `.lock` stays behind, empty.
    pub(crate) fn take(folder: &Path) -> Result<Self, Failure> {
        let lock = Self::lock(folder, File::try_lock)?;
        if lock.is_held {
            remove_unfinished(folder);
        }
        Ok(lock)
    }

    /// Takes `folder` beside others that share it.
    #[cfg(feature = "train")]
    pub(crate) fn share(folder: &Path) -> Result<Self, Failure> {
        Self::lock(folder, File::try_lock_shared)
    }

    fn lock(folder: &Path, lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
        let path = folder.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| Failure::write(&path, error))?;
        match lock(&file) {
            Ok(()) => Ok(Self { _file: file, is_held: true }),
            Err(TryLockError::WouldBlock) => Err(Failure::other(format!(
                "another process works on {}; wait for it, or keep this run elsewhere with --runs DIR",
                folder.display()
            ))),
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                Ok(Self { _file: file, is_held: false })
            }
            Err(TryLockError::Error(error)) => Err(Failure::write(&path, error)),
        }
    }
}
