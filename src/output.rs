//! Writing files whole or not at all.

use crate::failure::Failure;
use std::io::Write;
use std::path::Path;

/// Writes `content` beside its destination and then renames it, so that no reader and no interruption ever meets half a
/// file.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|error| {
        // The first error is the one to show.
        let _ = std::fs::remove_file(&temporary);
        Failure::write(path, error)
    })
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
