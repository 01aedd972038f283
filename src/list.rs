//! What is built in.

use crate::arguments::{Catalogue, ListOptions};
use crate::catalogue::{ARRAYS, Embedded, FAULTS, MEMORIES, TECHNOLOGIES};
use crate::failure::Failure;
use crate::output::{print_line, print_wrapped};
use axtrain_sim::multiplier::{CATALOGUE, CatalogueEntry};
use axtrain_sim::workload::Dataset;

/// Lists one catalogue, or all.
pub(crate) fn run(options: &ListOptions) -> Result<(), Failure> {
    let all = [
        Catalogue::Multipliers,
        Catalogue::Technologies,
        Catalogue::Memories,
        Catalogue::Faults,
        Catalogue::Arrays,
        Catalogue::Datasets,
    ];
    match options.what {
        Some(what) => print(what),
        None => all.into_iter().for_each(print),
    }
    Ok(())
}

fn print(what: Catalogue) {
    match what {
        Catalogue::Multipliers => {
            print_line("multiplier families");
            CATALOGUE.iter().for_each(print_family);
        }
        Catalogue::Technologies => files("technologies", TECHNOLOGIES),
        Catalogue::Memories => files("memories", MEMORIES),
        Catalogue::Faults => files("fault models of memory cells", FAULTS),
        Catalogue::Arrays => files("arrays", ARRAYS),
        Catalogue::Datasets => {
            print_line("data sets");
            for name in Dataset::EMBEDDED {
                let Some(data) = Dataset::embedded(name) else { continue };
                let [channels, height, width] = data.shape;
                let (train, test, classes) = (data.train.len(), data.test.len(), data.classes.len());
                let size = format!("{channels}×{height}×{width}");
                entry(name, &format!("{train} training and {test} test images of {size}, {classes} classes"));
            }
        }
    }
}

fn print_family(family: &CatalogueEntry) {
    entry(family.name, family.description);
    for (name, meaning) in family.parameters {
        entry("", &format!("  {name}: {meaning}"));
    }
    entry("", &format!("  widths: {}; {}", family.widths, family.source));
}

/// Names with the first line of each file's head comment.
fn files(title: &str, entries: &[Embedded]) {
    print_line(title);
    for (name, text) in entries {
        let about = text.lines().next().unwrap_or("").trim_start_matches('#').trim();
        entry(name, about);
    }
}

/// A name and what is said of it beside it.
fn entry(name: &str, about: &str) {
    print_wrapped(&format!("  {name:<18} {about}"), 23);
}
