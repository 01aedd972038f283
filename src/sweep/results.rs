//! What a sweep leaves: the records of every variation, reports of those that matter, and what all give together.

use super::Sweep;
use super::overview::{self, Line};
use crate::arguments::SweepOptions;
use crate::failure::Failure;
use crate::output::print_json;
use crate::progress::Console;
use crate::store::Store;
use crate::study::Study;
use crate::{run, simulate};
use axtrain_sim::report::Record;
use rayon::prelude::*;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

/// How results are to be shown.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) json: bool,
    pub(super) all_reports: bool,
}

impl Wish {
    pub(super) fn of(options: &SweepOptions) -> Self {
        Self { json: options.json, all_reports: options.all_reports }
    }
}

/// Sweeps of more variations have reports of those only that lead: a report with its profiles and figures takes a second.
const MOST_REPORTS: usize = 24;

impl Sweep {
    /// Writes what every variation gave and what they give together, if all records are there.
    pub(super) fn finish(&self, seed: u64, console: &Console, wish: Wish) -> Result<(), Failure> {
        let inner = self.inner(console);
        if self.axes.variations.len() == 1 {
            let study = self.study(0)?;
            self.require_all(&[0], seed)?;
            let records = run::complete(&study, seed, &inner)?.records;
            match wish.json {
                true => print_json(&records),
                false => run::print(&study, &records),
            }
            return Ok(());
        }
        let done = self.done(console);
        self.require_all(&done, seed)?;
        let stage = console.stage("records", done.len() as u64);
        let collected = done.par_iter().map(|&variation| {
            let study = self.study(variation)?;
            let records = simulate::collect(&study, seed)?;
            study.write_experiment()?;
            let line = Line::new(self, variation, &records);
            stage.step();
            Ok((study.folder, line, if wish.json { records } else { Vec::new() }))
        });
        let collected: Vec<(_, Option<Line>, Vec<Record>)> = collected.collect::<Result<_, Failure>>()?;
        drop(stage);
        let folders: Vec<_> = collected.iter().map(|(folder, ..)| folder.clone()).collect();
        simulate::join_records(&self.root, &folders)?;
        if wish.json {
            let records: Vec<&Record> = collected.iter().flat_map(|(_, _, records)| records).collect();
            print_json(&records);
        }
        let mut lines: Vec<Line> = collected.into_iter().filter_map(|(_, line, _)| line).collect();
        let all = wish.all_reports || lines.len() <= MOST_REPORTS;
        let leading: Vec<usize> = if all { (0..lines.len()).collect() } else { overview::leading(&lines) };
        leading.iter().for_each(|&place| lines[place].has_report = true);
        let stage = console.stage("reports", leading.len() as u64);
        let studies: Vec<Study> =
            leading.iter().map(|&place| self.study(lines[place].variation)).collect::<Result<_, _>>()?;
        // One after the other: what a design does at a hundred supplies takes much memory, and its profiles all threads.
        let mut known: HashMap<String, &Path> = HashMap::new();
        for study in &studies {
            match known.entry(study.characterized_by()) {
                Entry::Occupied(same) => study.characterize_like(same.get())?,
                Entry::Vacant(vacant) => {
                    study.characterize(&inner)?;
                    vacant.insert(&study.folder);
                }
            }
        }
        studies.par_iter().try_for_each(|study| {
            run::report(study)?;
            stage.step();
            Ok(())
        })?;
        drop(stage);
        let report = overview::draw(self, &lines)?;
        if !wish.json {
            overview::print(self, &lines, report.as_deref());
        }
        Ok(())
    }

    /// The variations whose records are to be shown, ascending: where successive halving is on its way, those of the rungs
    /// behind it.
    fn done(&self, console: &Console) -> Vec<usize> {
        let mut done = self.active.clone();
        if let (Some(halving), Some(rung)) = (&self.axes.halving, &self.rung)
            && self.found < self.keys.len()
            && rung.len() < done.len()
        {
            console.note(&format!("{} is still to be computed", rung.name(halving)));
            done.truncate(done.len() - rung.len());
        }
        done.sort_unstable();
        done
    }

    /// Refuses to go on without a record of these variations.
    fn require_all(&self, variations: &[usize], seed: u64) -> Result<(), Failure> {
        if self.found == self.keys.len() {
            return Ok(());
        }
        let index = Store::of(&self.root).index();
        for &variation in variations {
            let study = self.study(variation)?;
            let keys = simulate::all_keys(&study, seed);
            let absent = keys.iter().filter(|key| !index.has(key)).count();
            if absent == 0 {
                continue;
            }
            let missing = simulate::missing(&study, &index, seed);
            let shown: Vec<String> = missing
                .iter()
                .take(3)
                .map(|(design, job)| format!("{} seed {} on {}", job.name(), job.seed, study.designs[*design].name()))
                .collect();
            let (all, folder) = (keys.len(), study.folder.display());
            return Err(Failure::incomplete(
                format!("{absent} of {all} records of {folder} are missing, first of: {}", shown.join("; ")),
                "compute the missing part: `axtrain sweep` with --shard, or without it for all that is left",
            ));
        }
        Ok(())
    }
}
