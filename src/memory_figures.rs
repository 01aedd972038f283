//! Figures of failing memories, from what a run wrote.

use crate::failure::Failure;
use axtrain_plots::{Caption, Estimate, PlotError, accuracy_bit_errors, error_voltage, supply_map};
use axtrain_sim::memory::Content;
use axtrain_sim::report::{MemoryPoint, MemoryReport};
use std::path::{Path, PathBuf};

/// What the run in `folder` found of failing memories, if they fail in it.
pub(crate) fn read(folder: &Path) -> Result<Option<MemoryReport>, Failure> {
    let path = folder.join("memory.json");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let help = "run the experiment again; it writes the file anew";
    let report = serde_json::from_str(&text);
    report.map(Some).map_err(|error| Failure::request(format!("{}: {error}", path.display()), help))
}

/// Draws the figures of the run in `folder`, if memories fail in it; `conditions` are the run's.
pub(crate) fn draw(
    folder: &Path,
    conditions: &str,
    keep: &mut impl FnMut(Result<[PathBuf; 2], PlotError>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(report) = read(folder)? else { return Ok(()) };
    let figures = folder.join("figures");
    let chips = report.points.iter().map(|point| point.chips).max().unwrap_or(0);
    let (model, vmin, contents) = (&report.model, report.vmin_v, Content::list(&report.memories));
    let conditions = format!("{model} cells for {contents}, Vmin {vmin} V, {chips} chips times seeds; {conditions}");
    keep(error_voltage::draw(&bit_errors(&report, &conditions), &figures.join("bit-errors")))?;
    for design in distinct(&report, |point| point.design.clone()) {
        let own: Vec<&MemoryPoint> = report.points.iter().filter(|point| point.design == design).collect();
        // One figure a memory: bands of more than a few methods hide each other.
        let memories = distinct(&report, |point| point.memory.clone());
        for memory in &memories {
            let in_memory: Vec<&MemoryPoint> = own.iter().copied().filter(|point| point.memory == *memory).collect();
            let several = if memories.len() > 1 { format!("_{memory}") } else { String::new() };
            let stem = figures.join(format!("accuracy-bit-errors_{design}{several}"));
            let conditions = format!("{memory}; {conditions}");
            keep(accuracy_bit_errors::draw(&accuracy(&report, &in_memory, &design, &conditions), &stem))?;
        }
        let best = report.cheapest(|point| point.design == design);
        // Without a good pair, the map of what comes nearest still shows where the others are.
        let nearest = own.iter().copied().max_by(|a, b| a.yield_share.total_cmp(&b.yield_share));
        let logic = own.iter().map(|point| point.supply_v);
        if let Some(shown) = best.or(nearest).filter(|_| sorted(logic).len() > 1) {
            let stem = figures.join(format!("supply-map_{design}"));
            keep(supply_map::draw(&map(&report, shown, best, &conditions), &stem))?;
        }
    }
    Ok(())
}

/// Values in order of first appearance.
fn distinct<K: PartialEq>(report: &MemoryReport, key: impl Fn(&MemoryPoint) -> K) -> Vec<K> {
    let mut found = Vec::new();
    for point in &report.points {
        let key = key(point);
        if !found.contains(&key) {
            found.push(key);
        }
    }
    found
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// Failing cells over the memory's supply, and the energy of an image at the highest logic supply, one line a memory.
fn bit_errors(report: &MemoryReport, conditions: &str) -> error_voltage::ErrorVoltage {
    let highest = report.points.iter().map(|point| point.supply_v).fold(f64::MIN, f64::max);
    let designs = distinct(report, |point| (point.design.clone(), point.memory.clone()));
    let several = distinct(report, |point| point.design.clone()).len() > 1;
    let mut lines: Vec<error_voltage::Design> = Vec::new();
    for (design, memory) in designs {
        // Energy does not depend on the method but for the operands' switching: the first one's.
        let own =
            |point: &&MemoryPoint| (&point.design, &point.memory, point.supply_v) == (&design, &memory, highest);
        let method = report.points.iter().find(own).map(|point| &point.method);
        let own = report.points.iter().filter(own).filter(|point| Some(&point.method) == method);
        let points: Vec<error_voltage::Point> = own
            .map(|point| error_voltage::Point {
                supply_v: point.sram_v,
                error_rate: point.bit_error_rate,
                energy_fj: Some(point.energy_uj.total * 1e9),
            })
            .collect();
        let name = if several { format!("{design}, {memory}") } else { memory };
        // Memories that cost the same are one line.
        match lines.iter_mut().find(|line| line.points == points) {
            Some(line) => line.name += &format!(", {name}"),
            None => {
                let critical_v = lines.is_empty().then_some(report.vmin_v);
                lines.push(error_voltage::Design { name, critical_v, points });
            }
        }
    }
    error_voltage::ErrorVoltage {
        quantities: error_voltage::Quantities::Memory,
        caption: Caption::new(
            "Failing cells and energy over the memory's supply",
            format!("logic at {highest} V; {conditions}"),
        ),
        designs: lines,
    }
}

/// All chips of one memory over the bit-error rate, at the highest logic supply.
fn accuracy(
    report: &MemoryReport,
    own: &[&MemoryPoint],
    design: &str,
    conditions: &str,
) -> accuracy_bit_errors::AccuracyBitErrors {
    let highest = own.iter().map(|point| point.supply_v).fold(f64::MIN, f64::max);
    let mut series: Vec<accuracy_bit_errors::Series> = Vec::new();
    for point in own.iter().filter(|point| point.supply_v == highest && point.bit_error_rate > 0.0) {
        let [low, high] = point.band;
        // A skewed distribution may have its mean outside the band.
        let chips = Estimate { mean: point.accuracy, low: low.min(point.accuracy), high: high.max(point.accuracy) };
        let drawn = accuracy_bit_errors::Point { bit_error_rate: point.bit_error_rate, chips, worst: point.worst };
        match series.iter_mut().find(|series| series.name == point.method) {
            Some(series) => series.points.push(drawn),
            None => series.push(accuracy_bit_errors::Series { name: point.method.clone(), points: vec![drawn] }),
        }
    }
    accuracy_bit_errors::AccuracyBitErrors {
        caption: Caption::new(
            format!("Accuracy over bit errors on {design}"),
            format!("logic at {highest} V; {conditions}"),
        ),
        series,
        target: Some(report.target),
    }
}

/// Energy over both supplies for the method and memory of `shown`.
fn map(
    report: &MemoryReport,
    shown: &MemoryPoint,
    best: Option<&MemoryPoint>,
    conditions: &str,
) -> supply_map::SupplyMap {
    let same = |point: &&MemoryPoint| {
        (&point.design, &point.method, &point.memory) == (&shown.design, &shown.method, &shown.memory)
    };
    let own: Vec<&MemoryPoint> = report.points.iter().filter(same).collect();
    let (logic_v, sram_v) =
        (sorted(own.iter().map(|point| point.supply_v)), sorted(own.iter().map(|point| point.sram_v)));
    let at = |memory: f64, logic: f64| own.iter().find(|point| point.sram_v == memory && point.supply_v == logic);
    let pairs: Vec<&&MemoryPoint> = sram_v
        .iter()
        .flat_map(|&memory| logic_v.iter().map(move |&logic| (memory, logic)))
        .filter_map(|(memory, logic)| at(memory, logic))
        .collect();
    let position = |values: &[f64], value: f64| values.iter().position(|other| *other == value);
    let optimum = best.and_then(|best| Some([position(&sram_v, best.sram_v)?, position(&logic_v, best.supply_v)?]));
    supply_map::SupplyMap {
        caption: Caption::new(
            format!("Supplies of logic and memory: {} on {}", shown.method, shown.design),
            format!("{}; percentages: mean accuracy; {conditions}", shown.memory),
        ),
        energy_uj: pairs.iter().map(|point| point.energy_uj.total).collect(),
        accuracy: pairs.iter().map(|point| point.accuracy).collect(),
        good: pairs.iter().map(|point| point.yield_share >= report.yield_wanted).collect(),
        good_name: format!(
            "inside: {:.1} % accuracy on {:.0} % of chips",
            report.target * 100.0,
            report.yield_wanted * 100.0
        ),
        optimum,
        logic_v,
        sram_v,
    }
}
