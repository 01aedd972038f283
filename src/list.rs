//! What is built in.

use crate::arguments::{Catalogue, ListOptions};
use crate::catalogue::{ARRAYS, Embedded, FAULTS, MEMORIES, TECHNOLOGIES};
use crate::failure::Failure;
use crate::output::print_line;
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
                print_line(&format!(
                    "  {name:<18} {} training and {} test images of {channels}×{height}×{width}, {} classes",
                    data.train.len(),
                    data.test.len(),
                    data.classes.len()
                ));
            }
        }
    }
}

fn print_family(entry: &CatalogueEntry) {
    print_line(&format!("  {:<18} {}", entry.name, entry.description));
    for (name, meaning) in entry.parameters {
        print_line(&format!("  {:<18}   {name}: {meaning}", ""));
    }
    print_line(&format!("  {:<18}   widths: {}; {}", "", entry.widths, entry.source));
}

/// Names with the first line of each file's head comment.
fn files(title: &str, entries: &[Embedded]) {
    print_line(title);
    for (name, text) in entries {
        let about = text.lines().next().unwrap_or("").trim_start_matches('#').trim();
        print_line(&format!("  {name:<18} {about}"));
    }
}
