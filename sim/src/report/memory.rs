//! What chips with failing memories make of a network: distribution over chips, yield, and the cheapest pair of supplies.

use super::{Interval, Record};
use crate::array::EnergyComponents;
use crate::memory::Content;
use serde::{Deserialize, Serialize};

/// All chips and seeds of one method and memory at one pair of supplies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryPoint {
    /// Multiplier.
    pub design: String,
    /// Training method.
    pub method: String,
    /// How weights are stored and protected.
    pub memory: String,
    /// Supply of the logic, V.
    pub supply_v: f64,
    /// Supply of the weight memory, V.
    pub sram_v: f64,
    /// Share of memory cells that fail.
    pub bit_error_rate: f64,
    /// Mean accuracy over chips and seeds.
    pub accuracy: f64,
    /// 95 % interval of that mean over seeds; the mean alone if there is one seed.
    pub accuracy_ci95: [f64; 2],
    /// Worst chip.
    pub worst: f64,
    /// Accuracies that 5 and 95 % of chips do not exceed.
    pub band: [f64; 2],
    /// Share of chips with at least the target's accuracy.
    pub yield_share: f64,
    /// Energy an image.
    pub energy_uj: EnergyComponents,
    /// Chips, each once a seed.
    pub chips: usize,
}

/// How the best pair depends on what is not known of the silicon: Vmin.
///
/// Accuracy depends on V/Vmin alone, so that another Vmin moves the same pair to another memory supply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Vmin, V.
    pub vmin_v: f64,
    /// Memory supply of the best pair, V.
    pub sram_v: f64,
    /// Energy an image there, µJ.
    pub energy_uj: f64,
}

/// All points of a study, and the answer they give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Version of this format.
    pub schema: String,
    /// Fault model.
    pub model: String,
    /// What the failing memories hold, which share a supply.
    #[serde(default = "weights")]
    pub memories: Vec<Content>,
    /// Lowest supply without failures, V.
    pub vmin_v: f64,
    /// Nominal supply of the memories, V.
    pub nominal_v: f64,
    /// Accuracy that counts as good.
    pub target: f64,
    /// Share of chips that must be good.
    pub yield_wanted: f64,
    /// Energy an image with the weight memory at its nominal supply and the logic at its highest, first method, µJ.
    pub reference_uj: f64,
    /// One entry a design, method, memory and pair of supplies.
    pub points: Vec<MemoryPoint>,
    /// The cheapest good pair's energy with other values of Vmin; empty if no pair is good.
    pub sensitivity: Vec<Sensitivity>,
    /// Conditions under which the numbers mean less than they seem to.
    pub warnings: Vec<String>,
}

fn weights() -> Vec<Content> {
    vec![Content::Weights]
}

impl MemoryReport {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/memory/1";

    /// The cheapest point of those that `eligible` picks at which enough chips are good.
    pub fn cheapest(&self, eligible: impl Fn(&MemoryPoint) -> bool) -> Option<&MemoryPoint> {
        let good = self.points.iter().filter(|point| eligible(point) && point.yield_share >= self.yield_wanted);
        good.min_by(|a, b| a.energy_uj.total.total_cmp(&b.energy_uj.total))
    }
}

impl MemoryPoint {
    /// Groups records of failing memories, in order of first appearance.
    pub fn group(records: &[Record], target: f64) -> Vec<MemoryPoint> {
        let mut groups: Vec<Vec<&Record>> = Vec::new();
        let same = |a: &Record, b: &Record| {
            let (a, b) = (&a.point, &b.point);
            (&a.design, &a.method, &a.memory) == (&b.design, &b.method, &b.memory)
                && (a.supply_v, a.sram_v) == (b.supply_v, b.sram_v)
        };
        // Records come chip by chip: their places among the groups repeat.
        let mut last = 0;
        for record in records.iter().filter(|record| record.point.chip.is_some()) {
            let order = (last..groups.len()).chain(0..last.min(groups.len()));
            match order.into_iter().find(|&group| same(groups[group][0], record)) {
                Some(group) => {
                    groups[group].push(record);
                    last = group + 1;
                }
                None => groups.push(vec![record]),
            }
        }
        groups.iter().map(|members| Self::of(members, target)).collect()
    }

    fn of(members: &[&Record], target: f64) -> Self {
        let point = &members[0].point;
        let mut accuracies: Vec<f64> = members.iter().map(|record| record.accuracy).collect();
        accuracies.sort_by(f64::total_cmp);
        let count = accuracies.len();
        let mut seeds: Vec<u64> = members.iter().map(|record| record.point.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let by_seed: Vec<f64> = seeds
            .iter()
            .map(|seed| {
                let own = members.iter().filter(|record| record.point.seed == *seed);
                mean(&own.map(|record| record.accuracy).collect::<Vec<_>>())
            })
            .collect();
        let interval = Interval::of(&by_seed);
        let quantile = |share: f64| accuracies[(share * (count - 1) as f64).round() as usize];
        Self {
            design: point.design.clone(),
            method: point.method.clone(),
            memory: point.memory.clone().unwrap_or_default(),
            supply_v: point.supply_v,
            sram_v: point.sram_v,
            bit_error_rate: point.bit_error_rate.unwrap_or(0.0),
            accuracy: mean(&accuracies),
            accuracy_ci95: [interval.low, interval.high],
            worst: accuracies[0],
            band: [quantile(0.05), quantile(0.95)],
            yield_share: accuracies.iter().filter(|accuracy| **accuracy >= target).count() as f64 / count as f64,
            energy_uj: EnergyComponents::mean(members.iter().map(|record| &record.energy_uj)),
            chips: count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Point, Provenance};

    fn record(method: &str, sram_v: f64, seed: u64, chip: Option<u64>, accuracy: f64, energy: f64) -> Record {
        Record {
            schema: Record::SCHEMA.to_owned(),
            point: Point {
                design: "exact".into(),
                technology: "t".into(),
                array: "a".into(),
                dataset: "d".into(),
                model: "m".into(),
                method: method.into(),
                seed,
                supply_v: 1.1,
                sram_v,
                clock_ps: 1.0,
                fidelity: "table".into(),
                chip,
                memory: chip.map(|_| "plain".into()),
                bit_error_rate: chip.map(|_| 0.01),
                settings: Default::default(),
            },
            accuracy,
            accuracy_ci95: [accuracy; 2],
            images: 10,
            cycles: 1.0,
            latency_us: 1.0,
            energy_uj: EnergyComponents { total: energy, dram: energy, ..EnergyComponents::default() },
            product_error_rate: 0.0,
            stage_errors: None,
            provenance: Provenance {
                version: String::new(),
                experiment_sha256: String::new(),
                table_sha256: String::new(),
                weights_fingerprint: String::new(),
                warnings: Vec::new(),
            },
        }
    }

    #[test]
    fn chips_become_a_distribution_and_the_cheapest_good_pair_is_found() {
        let mut records = vec![record("plain", 1.1, 1, None, 0.9, 5.0)];
        for (chip, accuracy) in [0.5, 0.8, 0.9, 0.8].into_iter().enumerate() {
            records.push(record("plain", 0.6, 1 + chip as u64 / 2, Some(chip as u64), accuracy, 2.0));
            records.push(record("plain", 0.7, 1 + chip as u64 / 2, Some(chip as u64), 0.9, 3.0));
        }
        let points = MemoryPoint::group(&records, 0.8);
        assert_eq!(points.len(), 2);
        assert_eq!((points[0].sram_v, points[0].worst, points[0].chips), (0.6, 0.5, 4));
        assert!((points[0].accuracy - 0.75).abs() < 1e-12 && points[0].yield_share == 0.75);
        assert_eq!(points[0].band, [0.5, 0.9]);
        let mut report = MemoryReport {
            schema: MemoryReport::SCHEMA.to_owned(),
            model: "m".into(),
            memories: vec![Content::Weights],
            vmin_v: 0.7,
            nominal_v: 1.1,
            target: 0.8,
            yield_wanted: 0.9,
            reference_uj: 5.0,
            points,
            sensitivity: Vec::new(),
            warnings: Vec::new(),
        };
        assert_eq!(report.cheapest(|_| true).unwrap().sram_v, 0.7);
        report.yield_wanted = 0.75;
        assert_eq!(report.cheapest(|_| true).unwrap().sram_v, 0.6);
        assert_eq!(report.cheapest(|point| point.method == "other"), None);
    }
}
