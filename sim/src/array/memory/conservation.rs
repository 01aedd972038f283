//! Every word accounted for: a plan carried out word by word.

use super::plan::Plan;
use super::plan::tests::random_plan;
use crate::array::dataflow::{Mapping, Operand, Point, Reuse, Sums};
use crate::array::tiling::Fold;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

/// Group and two indices.
type Word = (u64, u64, u64);

/// One on-chip memory and the part of DRAM behind it.
#[derive(Default)]
struct Ledger {
    resident: HashSet<Word>,
    in_dram: HashSet<Word>,
    filled: u64,
    allocated: u64,
    evicted: u64,
    written_back: u64,
}

impl Ledger {
    /// Brings a word from DRAM unless it is there.
    fn fill(&mut self, word: Word) {
        assert!(self.in_dram.contains(&word), "{word:?} was never written");
        self.filled += u64::from(self.resident.insert(word));
    }

    /// The array writes a new word.
    fn allocate(&mut self, word: Word) {
        assert!(self.resident.insert(word), "{word:?} has a value that nobody read");
        self.allocated += 1;
    }

    fn read(&self, word: Word) {
        assert!(self.resident.contains(&word), "{word:?} is read but neither filled nor written");
    }

    fn evict(&mut self, word: Word, write_back: bool) {
        assert!(self.resident.remove(&word), "{word:?} is not there to be evicted");
        self.evicted += 1;
        if write_back {
            self.in_dram.insert(word);
            self.written_back += 1;
        }
    }

    /// Drops everything that `keep` does not ask for.
    fn drop_all_but(&mut self, keep: impl Fn(&Word) -> bool) {
        let dropped: Vec<_> = self.resident.iter().copied().filter(|word| !keep(word)).collect();
        dropped.into_iter().for_each(|word| self.evict(word, false));
    }

    fn assert_balanced(&self, name: &str) {
        assert_eq!(self.filled + self.allocated, self.evicted + self.resident.len() as u64, "{name}");
    }
}

/// Words that a fold reads of an operand.
fn operand_words(plan: &Plan<'_>, mapping: &dyn Mapping, fold: &Fold, operand: Operand) -> HashSet<Word> {
    let places = places(plan, fold);
    places
        .map(|(row, column, step)| match (operand, mapping.point(row, column, step)) {
            (Operand::Input, Point { m, k, .. }) => (fold.group, m, k),
            (Operand::Weight, Point { n, k, .. }) => (fold.group, k, n),
        })
        .collect()
}

/// Sums that a fold adds to.
fn sum_words(plan: &Plan<'_>, mapping: &dyn Mapping, fold: &Fold) -> HashSet<Word> {
    let point = |(row, column, step)| mapping.point(row, column, step);
    places(plan, fold).map(point).map(|Point { m, n, .. }| (fold.group, m, n)).collect()
}

fn places(plan: &Plan<'_>, fold: &Fold) -> impl Iterator<Item = (u64, u64, u64)> {
    let (rows, columns) =
        (fold.row_offset..fold.row_offset + fold.rows, fold.column_offset..fold.column_offset + fold.columns);
    let steps = plan.tiling.extent.steps;
    rows.flat_map(move |row| columns.clone().flat_map(move |column| (0..steps).map(move |step| (row, column, step))))
}

#[test]
fn every_word_read_was_filled_or_written_and_every_word_goes_somewhere() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (mut refetched, mut spilled, mut kept) = (0, 0, 0);
    for _ in 0..100 {
        let (array, layer, memory) = random_plan(&mut random);
        let keeps_results = random.random();
        let plan = Plan::new(&array, &memory, &layer, array.tiling(&layer).unwrap(), false, keeps_results).unwrap();
        let mapping = array.dataflow().mapping();
        let folds: Vec<_> = (0..plan.tiling.folds).map(|index| plan.tiling.fold(index)).collect();
        let operands = [(Operand::Input, plan.input), (Operand::Weight, plan.weight)];
        let mut ledgers = operands.map(|(operand, _)| Ledger {
            in_dram: folds.iter().flat_map(|fold| operand_words(&plan, mapping, fold, operand)).collect(),
            ..Ledger::default()
        });
        let mut sums = Ledger::default();
        let mut before: Option<Fold> = None;
        for fold in &folds {
            for ((operand, supply), ledger) in operands.iter().zip(&mut ledgers) {
                let needed = operand_words(&plan, mapping, fold, *operand);
                let same_group = before.is_some_and(|before| before.group == fold.group);
                let same_column =
                    same_group && before.is_some_and(|before| before.column_offset == fold.column_offset);
                let stays = supply.stays
                    && match supply.reuse {
                        Reuse::None => false,
                        Reuse::AcrossColumns => same_group,
                        Reuse::AcrossRows => same_column,
                    };
                if !stays {
                    ledger.drop_all_but(|_| false);
                }
                needed.iter().for_each(|word| ledger.fill(*word));
                needed.iter().for_each(|word| ledger.read(*word));
            }
            let last = fold.row_offset + fold.rows == plan.tiling.extent.rows;
            for word in sum_words(&plan, mapping, fold) {
                if plan.sums == Sums::Stationary || fold.row_offset == 0 {
                    sums.allocate(word);
                } else {
                    if plan.spills {
                        sums.fill(word);
                    }
                    sums.read(word);
                }
                let complete = plan.sums == Sums::Stationary || last;
                if complete && !plan.keeps_results || !complete && plan.spills {
                    sums.evict(word, true);
                }
            }
            before = Some(*fold);
        }
        let name = format!("{array:?} {layer:?} {memory:?}");
        let [inputs, weights] = &ledgers;
        let traffic = plan.traffic().unwrap();
        assert_eq!((inputs.filled, weights.filled), (traffic.input_reads, traffic.weight_reads), "{name}");
        assert_eq!(sums.filled, traffic.partial_sum_reads, "{name}");
        assert_eq!(sums.written_back, traffic.output_writes + traffic.partial_sum_writes, "{name}");
        assert_eq!(sums.allocated, layer.output_count().unwrap(), "{name}");
        assert_eq!(sums.resident.len() as u64, if keeps_results { sums.allocated } else { 0 }, "{name}");
        for ledger in [inputs, weights, &sums] {
            ledger.assert_balanced(&name);
        }
        refetched += u64::from(inputs.filled > inputs.in_dram.len() as u64);
        spilled += u64::from(traffic.partial_sum_writes > 0);
        kept += u64::from(keeps_results);
    }
    assert!(refetched >= 3 && spilled >= 3 && kept >= 10, "not all easy: {refetched}, {spilled}, {kept}");
}
