//! Data sets from files, whatever their format.

use super::{Dataset, Split, cifar, csv, idx, npz};
use std::path::{Path, PathBuf};

/// Data that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// None of the usual file names is there.
    #[error(
        "no {stem} or {stem}.gz in {}; a data set is a folder with the four IDX files of MNIST, the binary files of CIFAR-10 or \
         CIFAR-100, or train.csv and test.csv with a column \"label\"; or an NPZ file with x_train, y_train, x_test and y_test",
        .folder.display()
    )]
    Missing {
        /// The folder searched.
        folder: PathBuf,
        /// A file's usual name.
        stem: &'static str,
    },
    /// The file system refused, or the compressed stream is damaged.
    #[error("{file}: {source}; is the file whole?")]
    Read {
        /// The file.
        file: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The content is not what such a file holds.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

impl Dataset {
    /// Reads a data set: a folder of IDX files as MNIST's, of CIFAR-10's or CIFAR-100's binary files, or of `train.csv` and
    /// `test.csv`; or an NPZ file. It is named by the folder or file.
    pub fn open(path: &Path) -> Result<Dataset, DataError> {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        if path.is_file() {
            return npz::read_path(path, &name);
        }
        let other = cifar::read_folder(path, &name).or_else(|| csv::read_folder(path, &name));
        other.unwrap_or_else(|| idx::read_folder(path, &name))
    }
}

/// The bytes of a file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(|source| DataError::Read { file: path.display().to_string(), source })
}

/// Splits read from files of those names, classes named by their number: as many as the training labels need.
pub(super) fn dataset(
    name: &str,
    shape: [usize; 3],
    (train_file, train): (&str, Split),
    (test_file, test): (&str, Split),
) -> Result<Dataset, DataError> {
    let malformed = |file: &str, problem| Err(DataError::Malformed { file: file.to_owned(), problem });
    if test.features() != train.features() {
        let problem = format!("{} pixels an image, but {train_file} has {}", test.features(), train.features());
        return malformed(test_file, problem);
    }
    let highest = |split: &Split| usize::from(split.labels().iter().copied().max().unwrap_or(0));
    let classes = highest(&train) + 1;
    if highest(&test) >= classes {
        return malformed(test_file, format!("label {}, but there are only {classes} classes", highest(&test)));
    }
    let classes = (0..classes).map(|class| class.to_string()).collect();
    Ok(Dataset { name: name.to_owned(), shape, classes, train, test })
}
