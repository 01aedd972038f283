//! Files inside the program, and how a name becomes one of them or a path.

use crate::failure::Failure;
use axtrain_sim::array::{ArrayFile, BUILT_IN_ARRAYS};
use axtrain_sim::memory::BUILT_IN_FAULTS;
use std::path::{Path, PathBuf};

/// A file inside the program: the name that configurations use, and the text.
pub(crate) type Embedded = (&'static str, &'static str);

macro_rules! embedded {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../hwconfigs/", $folder, "/", $name, ".toml")))),*]
    };
}

pub(crate) const TECHNOLOGIES: &[Embedded] = embedded!("technology": "freepdk45");
pub(crate) const MEMORIES: &[Embedded] = embedded!("memory": "cacti7-45nm-hp", "cacti7-45nm-lop", "cacti7-45nm-lstp");
pub(crate) const ARRAYS: &[Embedded] = &BUILT_IN_ARRAYS;
pub(crate) const FAULTS: &[Embedded] = &BUILT_IN_FAULTS;

/// A configuration text and what to call it in messages.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// Name and text, for [`Failure::in_file`].
    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.name, &self.text)
    }

    /// Reads an array file; its sizes are not checked yet.
    pub(crate) fn array(&self) -> Result<ArrayFile, Failure> {
        toml::from_str(&self.text)
            .map_err(|error: toml::de::Error| Failure::in_file(self.parts(), error.span(), error.message(), None))
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Source, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::request(
                format!("cannot read {}: {error}", path.display()),
                "check the path; relative paths in a configuration start at the file that holds them",
            )
        })?;
        Ok(Source { name: path.display().to_string(), text })
    }

    /// The embedded file of that name, or else the file at that path, relative to `folder`.
    pub(crate) fn find(kind: &str, catalogue: &[Embedded], wanted: &str, folder: &Path) -> Result<Source, Failure> {
        if let Some((_, text)) = catalogue.iter().find(|(name, _)| *name == wanted) {
            return Ok(Source { name: format!("built-in {kind} {wanted}"), text: (*text).to_owned() });
        }
        let path = relative(folder, wanted);
        if path.is_file() {
            return Source::read(&path);
        }
        let names: Vec<&str> = catalogue.iter().map(|(name, _)| *name).collect();
        Err(Failure::request(
            format!("no {kind} is called \"{wanted}\", and no file is at {}", path.display()),
            format!("built in: {}", names.join(", ")),
        ))
    }
}

/// A path in a configuration, relative to the folder of the file that holds it.
pub(crate) fn relative(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}
