//! Trained networks on the array, at every operating point.

use crate::arguments::SimulateOptions;
use crate::behaviour::Behaviour;
use crate::compare;
use crate::failure::Failure;
use crate::fidelity::{Evaluator, Inference};
use crate::interrupt;
#[cfg(feature = "train")]
use crate::output::join_atomically;
use crate::output::{print_json, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::simulate_memory::{self, Sound};
use crate::store::{Index, Key, Keys, Store};
use crate::study::{Study, load};
use crate::weights::{Job, pairings};
use crate::{summary, summary_memory};
use axtrain_sim::array::{
    Compensation, Dataflow, ElementMeans, EnergyModel, Fidelity, LayerWork, PointRun, Supplies, loading_energy,
};
use axtrain_sim::profile::Design;
use axtrain_sim::report::{Point, Provenance, Record, StageErrorAverages};
use axtrain_sim::technology::OperatingPoint;
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{QuantizedLayer, WeightsFile, pixel_code};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
#[cfg(feature = "train")]
use std::path::PathBuf;
use std::time::Instant;

/// Pairs of consecutive operations sampled a layer for what accumulators and registers do.
const ELEMENT_SAMPLES: usize = 1024;

/// Simulates an experiment whose networks are trained.
pub(crate) fn run(options: &SimulateOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let SimulateOptions { experiment: options, fidelity, compare, save_chips } = options;
    let mut study = load(&options.experiment, &options.runs)?;
    fidelity.apply(&mut study);
    let _lock = RunLock::take(&study.root)?;
    if let Some(folder) = save_chips {
        let Some(faulty) = &study.faulty_memory else {
            let help = "add [memory_faults] to the experiment, or leave --save-chips away";
            return Err(Failure::request("no memory of this experiment fails", help));
        };
        faulty.save_chips(folder)?;
    }
    // Fail for missing networks before the work, not after.
    for job in Job::all(&study) {
        job.required(&study)?;
    }
    let behaviours = study.characterize(console)?;
    if *compare {
        return compare::run(&study, &behaviours, seed, options.json, console);
    }
    let records = records(&study, &behaviours, seed, console)?;
    if options.json {
        print_json(&records);
    } else {
        summary::print(&study, &records);
        summary_memory::print(&study, &records);
    }
    Ok(())
}

/// Runs every network on every design it belongs to, as far as that has not been done, and writes what all of it gave.
pub(crate) fn records(
    study: &Study,
    behaviours: &[Behaviour],
    seed: u64,
    console: &Console,
) -> Result<Vec<Record>, Failure> {
    let missing = missing(study, &Store::of(&study.root).index(), seed);
    simulate(study, &missing, |design| &behaviours[design], seed, console)?;
    collect(study, seed)
}

/// Simulates networks, each with the position of its design, and keeps the records that are missing.
#[cfg(feature = "train")]
pub(crate) fn compute(study: &Study, missing: &[(usize, Job)], seed: u64, console: &Console) -> Result<(), Failure> {
    let mut behaviours = BTreeMap::new();
    for (design, _) in missing {
        if !behaviours.contains_key(design) {
            behaviours.insert(*design, study.behaviour(*design, console)?);
        }
    }
    simulate(study, missing, |design| &behaviours[&design], seed, console)
}

fn simulate<'a>(
    study: &Study,
    missing: &[(usize, Job)],
    behaviour: impl Fn(usize) -> &'a Behaviour,
    seed: u64,
    console: &Console,
) -> Result<(), Failure> {
    let fidelity = study.experiment.operation.fidelity;
    let mut evaluators = BTreeMap::new();
    for (index, _) in missing {
        if !evaluators.contains_key(index) {
            let evaluator = Evaluator::new(study, &study.designs[*index], behaviour(*index), fidelity, seed)?;
            if let Some(faulty) = &study.faulty_memory {
                simulate_memory::require_settled(faulty, &evaluator)?;
            }
            evaluators.insert(*index, evaluator);
        }
    }
    let stage = console.stage("inference", missing.len() as u64);
    missing.par_iter().try_for_each(|(design, job)| {
        run_network(study, &evaluators[design], *design, job, seed)?;
        stage.step();
        Ok(())
    })
}

/// The networks of a study, each with the position of its design, of which some record is missing.
pub(crate) fn missing(study: &Study, index: &Index, seed: u64) -> Vec<(usize, Job)> {
    let mut pairs = pairings(study);
    pairs.retain(|(design, job)| keys(study, *design, job, seed).iter().any(|key| !index.has(key)));
    pairs
}

/// Keys of all records of a study, in order.
pub(crate) fn all_keys(study: &Study, seed: u64) -> Vec<Key> {
    pairings(study).into_iter().flat_map(|(design, job)| keys(study, design, &job, seed)).collect()
}

/// Keys of all records of a network on a design, in order.
fn keys(study: &Study, design: usize, job: &Job, seed: u64) -> Vec<Key> {
    let keys = Keys::new(study, design, job, seed);
    let points = study.points_of(&study.designs[design]);
    let mut all: Vec<Key> = points.iter().map(|point| keys.sound(*point)).collect();
    if let Some(faulty) = &study.faulty_memory {
        for place in simulate_memory::chips(faulty, job) {
            all.extend(simulate_memory::keys(&keys, faulty, place, &points));
        }
    }
    all
}

/// Reads every record of a study, which must be there. Those that are damaged are thrown away.
pub(crate) fn read(study: &Study, seed: u64) -> Result<Vec<Record>, Failure> {
    let store = Store::of(&study.root);
    let keys = all_keys(study, seed);
    let read = |key: &Key| {
        let mut record = store.record(key).ok_or_else(|| store.forget(key)).ok()?;
        record.provenance.experiment_sha256.clone_from(&study.experiment_sha256);
        record.point.settings.clone_from(&study.settings);
        Some(record)
    };
    let records: Vec<Record> = keys.par_iter().filter_map(read).collect();
    if records.len() < keys.len() {
        let absent = keys.len() - records.len();
        let message = format!("{absent} of {} records of {} are missing", keys.len(), study.folder.display());
        return Err(Failure::incomplete(message, "run the same command again: it computes only what is missing"));
    }
    Ok(records)
}

/// Reads every record of a study, which must be there, and writes `records.jsonl`, the same as `records.csv`, and what memories
/// do, if they fail.
pub(crate) fn collect(study: &Study, seed: u64) -> Result<Vec<Record>, Failure> {
    let records = read(study, seed)?;
    write_records(&study.folder, &records)?;
    if let Some(report) = simulate_memory::report(study, &records) {
        let text = serde_json::to_vec_pretty(&report).expect("reports serialise");
        write_atomically(&study.folder.join("memory.json"), &text)?;
    }
    Ok(records)
}

/// Writes `records.jsonl` and `records.csv`.
fn write_records(folder: &Path, records: &[Record]) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("records serialise");
        lines.push(b'\n');
    }
    write_atomically(&folder.join("records.jsonl"), &lines)?;
    write_atomically(&folder.join("records.csv"), Record::to_csv(records).as_bytes())
}

/// Writes the records of `folders`, one after the other, as those of `root`.
#[cfg(feature = "train")]
pub(crate) fn join_records(root: &Path, folders: &[PathBuf]) -> Result<(), Failure> {
    for (name, header) in [("records.jsonl", 0), ("records.csv", 1)] {
        let parts: Vec<PathBuf> = folders.iter().map(|folder| folder.join(name)).collect();
        join_atomically(&root.join(name), &parts, header)?;
    }
    Ok(())
}

/// Every design at a fidelity.
pub(crate) fn evaluators<'a>(
    study: &'a Study,
    behaviours: &'a [Behaviour],
    fidelity: Fidelity,
    seed: u64,
) -> Result<Vec<Evaluator<'a>>, Failure> {
    let designs = study.designs.iter().zip(behaviours);
    designs.map(|(design, behaviour)| Evaluator::new(study, design, behaviour, fidelity, seed)).collect()
}

/// Simulates a network on a design and keeps every record that is missing.
fn run_network(study: &Study, evaluator: &Evaluator<'_>, design: usize, job: &Job, seed: u64) -> Result<(), Failure> {
    let store = Store::of(&study.root);
    let keys = Keys::new(study, design, job, seed);
    let operating: Vec<OperatingPoint> = evaluator.behaviour.operating_points().collect();
    let failing = study.faulty_memory.as_ref().map(|faulty| {
        let mut chips = simulate_memory::chips(faulty, job);
        chips.retain(|&place| {
            simulate_memory::keys(&keys, faulty, place, &operating).iter().any(|key| store.record(key).is_none())
        });
        (faulty, chips)
    });
    // Chips need to know what happens with sound weights, at every operating point.
    let all = failing.as_ref().is_some_and(|(_, chips)| !chips.is_empty());
    let weights = job.required(study)?;
    let codes = test_codes(study);
    let labels = study.dataset.test.labels();
    let prepared = match job.compensation == Compensation::default() {
        true => Some(evaluator.prepare(&weights.network, codes.clone(), labels)?),
        false => None,
    };
    let mut points = Vec::new();
    for (position, &point) in operating.iter().enumerate() {
        let key = keys.sound(point);
        if all || store.record(&key).is_none() {
            let evaluated = match &prepared {
                Some(inference) => evaluate(study, evaluator, inference, (job, &weights), position, seed)?,
                None => {
                    let network = evaluator.compensated(&weights.network, position, job.compensation).into_owned();
                    let weights = WeightsFile { network, ..weights.clone() };
                    let inference = evaluator.prepare(&weights.network, codes.clone(), labels)?;
                    evaluate(study, evaluator, &inference, (job, &weights), position, seed)?
                }
            };
            store.keep(&key, &evaluated.record)?;
            points.push((evaluated.record, evaluated.layers));
        }
    }
    if let Some((faulty, chips)) = failing.filter(|(_, chips)| !chips.is_empty()) {
        let model = energy_model(study, evaluator.design);
        let network = &weights.network;
        let sound = Sound { study, evaluator, network, codes: &codes, model, points: &points, keys: &keys };
        sound.on_failing_memory(faulty, &chips)?;
    }
    Ok(())
}

/// Test images as activation codes.
pub(crate) fn test_codes(study: &Study) -> Vec<u8> {
    study.dataset.test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect()
}

pub(crate) fn energy_model<'a>(study: &'a Study, design: &'a Design) -> EnergyModel<'a> {
    EnergyModel {
        array: &study.array,
        technology: &study.technology,
        multiplier: &design.physical,
        accumulator: study.accumulator(design),
        memories: &study.memories,
        clock_ps: study.clock_ps,
    }
}

/// One network on a design at one operating point.
pub(crate) struct Evaluated {
    pub(crate) record: Record,
    /// What happened in each layer.
    pub(crate) layers: Vec<LayerWork>,
    /// Class chosen for each image.
    pub(crate) predictions: Vec<u8>,
    /// Wall time of the inference, s.
    pub(crate) seconds: f64,
}

/// Runs a network's test images at a position of the behaviour's points.
pub(crate) fn evaluate(
    study: &Study,
    evaluator: &Evaluator<'_>,
    inference: &Inference<'_>,
    (job, weights): (&Job, &WeightsFile),
    position: usize,
    seed: u64,
) -> Result<Evaluated, Failure> {
    interrupt::check()?;
    let (network, design, batch) = (&weights.network, evaluator.design, study.experiment.operation.batch);
    let point = evaluator.behaviour.point(position);
    let sram = Volts(study.memories.technology.nominal_supply_v());
    let sram_leakage = study.faulty_memory.as_ref().map_or(1.0, |faulty| faulty.leakage);
    let start = Instant::now();
    let run = inference.run(position);
    let seconds = start.elapsed().as_secs_f64();
    let layers = layer_works(study, design, network.layers(), &run, seed);
    let cost = energy_model(study, design)
        .inference(&layers, batch as u64, Supplies { sram_leakage, ..Supplies::new(point.supply, sram) })
        .map_err(|error| Failure::request(error, "choose a smaller batch or network"))?;
    let multiplications = network.multiply_accumulates() as f64;
    let wrong: f64 = run
        .error_rate
        .iter()
        .zip(network.layers())
        .map(|(rate, layer)| rate * layer.convolution.multiply_accumulates() as f64)
        .sum();
    let record = Record {
        schema: Record::SCHEMA.to_owned(),
        point: record_point(study, evaluator, job, point),
        accuracy: run.accuracy.fraction(),
        accuracy_ci95: run.accuracy.interval(0.95),
        images: run.accuracy.images,
        cycles: cost.cycles,
        latency_us: cost.latency_us,
        energy_uj: cost.energy,
        product_error_rate: wrong / multiplications,
        stage_errors: StageErrorAverages::of(&run),
        provenance: provenance(study, evaluator, weights, point),
    };
    Ok(Evaluated { record, layers, predictions: run.predictions, seconds })
}

fn layer_works(
    study: &Study,
    design: &Design,
    layers: &[QuantizedLayer],
    run: &PointRun,
    seed: u64,
) -> Vec<LayerWork> {
    layers.iter().enumerate().map(|(index, layer)| layer_work(study, design, (index, layer), run, seed)).collect()
}

/// What happened in one layer, on a design, in a run.
pub(crate) fn layer_work(
    study: &Study,
    design: &Design,
    (index, layer): (usize, &QuantizedLayer),
    run: &PointRun,
    seed: u64,
) -> LayerWork {
    let samples = (ELEMENT_SAMPLES, seed.wrapping_add(index as u64));
    LayerWork {
        name: layer.name.clone(),
        convolution: layer.convolution,
        wiring: layer.wiring,
        multiplier_fj: run.multiplier_fj[index] / run.predictions.len() as f64,
        loading_fj: loading_energy(
            &design.multiplier,
            &design.physical,
            (layer, &run.activations[index]),
            study.array.dataflow(),
            samples,
        ),
        means: match run.gates.get(index) {
            Some(gates) => gates.means,
            None => ElementMeans::sample(
                layer,
                &design.product,
                &run.activations[index],
                &study.array,
                study.accumulator(design),
                samples,
            ),
        },
    }
}

fn record_point(study: &Study, evaluator: &Evaluator<'_>, job: &Job, point: OperatingPoint) -> Point {
    Point {
        design: evaluator.design.name().to_owned(),
        technology: study.technology.label(),
        array: study.experiment.array.clone(),
        dataset: study.experiment.dataset.clone(),
        model: study.model(),
        method: job.name(),
        seed: job.seed,
        supply_v: point.supply.0,
        sram_v: study.memories.technology.nominal_supply_v(),
        clock_ps: point.clock_ps,
        fidelity: evaluator.fidelity.to_string(),
        chip: None,
        memory: job.scheme_name(study).map(str::to_owned),
        bit_error_rate: None,
        settings: study.settings.clone(),
    }
}

fn provenance(study: &Study, evaluator: &Evaluator<'_>, weights: &WeightsFile, point: OperatingPoint) -> Provenance {
    let mut warnings = Vec::new();
    if evaluator.fidelity != Fidelity::Gate && study.accumulator_fails(evaluator.design, point.supply) {
        warnings.push("the accumulator itself would miss this clock; its errors are not simulated".to_owned());
    }
    if study.array.double_buffering() {
        let message = match study.array.dataflow() {
            Dataflow::OutputStationary => "folds may follow each other; zeros are taken to stand between them",
            _ => {
                "the first transition of each fold also changes the operand that is held; it is taken as one from zero"
            }
        };
        warnings.push(message.to_owned());
    }
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        experiment_sha256: study.experiment_sha256.clone(),
        table_sha256: evaluator.design.product.sha256(),
        weights_fingerprint: weights.fingerprint.clone(),
        warnings,
    }
}
