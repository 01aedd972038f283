//! Commented files to start from.

use crate::arguments::{NewOptions, Starter};
use crate::failure::Failure;
use crate::output::{print_line, write_atomically};

const MULTIPLIER: &str = include_str!("../hwconfigs/multiplier/starter.toml");
const EXPERIMENT: &str = include_str!("../hwconfigs/experiment/quickstart.toml");

/// Writes a starter file, never over another file.
pub(crate) fn run(options: &NewOptions) -> Result<(), Failure> {
    let text = match options.what {
        Starter::Multiplier => MULTIPLIER,
        Starter::Experiment => EXPERIMENT,
    };
    match &options.file {
        None => {
            print_line(text.trim_end());
            Ok(())
        }
        Some(path) if path.exists() => {
            Err(Failure::request(format!("{} exists already", path.display()), "choose another name"))
        }
        Some(path) => write_atomically(path, text.as_bytes()),
    }
}
