//! Writing files whole or not at all.

use crate::failure::Failure;
use std::fs::File;
#[cfg(feature = "train")]
use std::io::{BufRead, BufReader};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files that this process has begun to write.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Writes `content` beside its destination and then renames it, so that no reader and no interruption ever meets half a
/// file.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
    fill_atomically(folder, path, |file| file.write_all(content))
}

/// Joins text files into one, all but the first without their first `header` lines.
#[cfg(feature = "train")]
pub(crate) fn join_atomically(path: &Path, parts: &[PathBuf], header: usize) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fill_atomically(folder, path, |file| {
        for (index, part) in parts.iter().enumerate() {
            let mut part = BufReader::new(File::open(part)?);
            if index > 0 {
                (0..header).try_for_each(|_| part.skip_until(b'\n').map(drop))?;
            }
            std::io::copy(&mut part, file)?;
        }
        Ok(())
    })
}

fn fill_atomically(
    folder: &Path,
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let (temporary, mut file) = create_beside(folder, path).map_err(|error| Failure::write(path, error))?;
    let written = fill(&mut file).and_then(|()| file.sync_all());
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|error| {
        // The first error is the one to show.
        let _ = std::fs::remove_file(&temporary);
        Failure::write(path, error)
    })
}

/// Creates a file for the content that `path` is to get. Threads, processes and machines that share the folder may write
/// the same file at once, each its own copy.
fn create_beside(folder: &Path, path: &Path) -> std::io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    loop {
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".{name}.{}-{number}.tmp", std::process::id()));
        match File::create_new(&temporary) {
            // A process of the same number, on another machine or gone.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            file => return file.map(|file| (temporary, file)),
        }
    }
}

/// Removes what killed processes left half written below a folder that nobody else works in.
pub(crate) fn remove_unfinished(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_unfinished(&entry.path());
        } else if name.starts_with('.') && name.ends_with(".tmp") {
            // It stands in nobody's way if it stays.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Prints a JSON document to standard output. A reader that went away is no failure.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).expect("results serialise");
    print_line(&text);
}

/// Prints a line to standard output. A reader that went away is no failure.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints text in lines of at most 80 columns, of which those that go on begin with `indent` spaces. Numbers keep their percent sign,
/// and words that are longer, such as paths, stay whole.
pub(crate) fn print_wrapped(text: &str, indent: usize) {
    let indent = " ".repeat(indent);
    let options = textwrap::Options::new(80)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    print_line(&textwrap::fill(&text.replace(" %", "\u{a0}%"), options).replace('\u{a0}', " "));
}

/// Files of a folder with an extension, by name; without those that a killed process left half written.
pub(crate) fn whole_files(folder: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let is_whole = path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
        is_whole && path.extension().is_some_and(|own| own == extension)
    });
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As parts of a sweep do with what they share.
    #[test]
    fn many_threads_may_write_one_file() {
        let folder = std::env::temp_dir().join(format!("axtrain-output-{}", std::process::id()));
        let path = folder.join("shared");
        let contents: Vec<Vec<u8>> = (0..8).map(|thread| vec![thread; 100_000]).collect();
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(|| (0..20).for_each(|_| assert!(write_atomically(&path, content).is_ok())));
            }
        });
        assert!(contents.contains(&std::fs::read(&path).unwrap()), "one of them, whole");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "and nothing else");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
