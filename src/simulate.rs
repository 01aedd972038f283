//! Trained networks on the array, at every operating point.

use crate::arguments::ExperimentOptions;
use crate::failure::Failure;
use crate::output::{print_json, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::simulate_memory::{self, Sound};
use crate::store::{Key, Keys, Store};
use crate::study::{Behaviour, Study, load};
use crate::weights::{Job, pairings};
use crate::{summary, summary_memory};
use axtrain_sim::array::{
    ElementMeans, EnergyModel, LayerWork, PointRun, Supplies, TransitionInference, loading_energy,
};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::Design;
use axtrain_sim::report::{Point, Provenance, Record};
use axtrain_sim::technology::OperatingPoint;
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{QuantizedLayer, WeightsFile, pixel_code};
use rayon::prelude::*;
#[cfg(feature = "train")]
use std::collections::BTreeMap;
use std::path::Path;

/// Pairs of consecutive operations sampled a layer for what accumulators and registers do.
const ELEMENT_SAMPLES: usize = 1024;

/// Simulates an experiment whose networks are trained.
pub(crate) fn run(options: &ExperimentOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let study = load(&options.experiment, &options.runs)?;
    let _lock = RunLock::take(&study.root)?;
    // Fail for missing networks before the work, not after.
    for job in Job::all(&study) {
        job.required(&study)?;
    }
    let behaviours = study.characterize(console)?;
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
    let missing = missing(study, seed);
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
    behaviour: impl Fn(usize) -> &'a Behaviour + Sync,
    seed: u64,
    console: &Console,
) -> Result<(), Failure> {
    let stage = console.stage("inference", missing.len() as u64);
    missing.par_iter().try_for_each(|(design, job)| {
        run_network(study, *design, behaviour(*design), job, seed)?;
        stage.step();
        Ok(())
    })
}

/// The networks of a study, each with the position of its design, of which some record is missing.
pub(crate) fn missing(study: &Study, seed: u64) -> Vec<(usize, Job)> {
    let store = Store::of(&study.root);
    let mut pairs = pairings(study);
    pairs.retain(|(design, job)| keys(study, *design, job, seed).iter().any(|key| store.record(key).is_none()));
    pairs
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

/// How many of a study's records there are, and how many there will be.
pub(crate) fn progress(study: &Study, seed: u64) -> (usize, usize) {
    let store = Store::of(&study.root);
    let keys = pairings(study).into_iter().flat_map(|(design, job)| keys(study, design, &job, seed));
    let found: Vec<bool> = keys.map(|key| store.record(&key).is_some()).collect();
    (found.iter().filter(|found| **found).count(), found.len())
}

/// Reads every record of a study, which must be there, and writes `records.jsonl`, the same as `records.csv`, and what memories
/// do, if they fail.
pub(crate) fn collect(study: &Study, seed: u64) -> Result<Vec<Record>, Failure> {
    let store = Store::of(&study.root);
    let keys: Vec<Key> =
        pairings(study).into_iter().flat_map(|(design, job)| keys(study, design, &job, seed)).collect();
    let records: Vec<Option<Record>> = keys.par_iter().map(|key| store.record(key)).collect();
    let absent = records.iter().filter(|record| record.is_none()).count();
    if absent > 0 {
        let message = format!("{absent} of {} records of {} are missing", records.len(), study.folder.display());
        return Err(Failure::request(message, "compute them: run the same command again without --shard"));
    }
    let records: Vec<Record> = records
        .into_iter()
        .flatten()
        .map(|mut record| {
            record.provenance.experiment_sha256.clone_from(&study.experiment_sha256);
            record.point.settings.clone_from(&study.settings);
            record
        })
        .collect();
    write_records(&study.folder, &records)?;
    if let Some(report) = simulate_memory::report(study, &records) {
        let text = serde_json::to_vec_pretty(&report).expect("reports serialise");
        write_atomically(&study.folder.join("memory.json"), &text)?;
    }
    Ok(records)
}

/// Writes `records.jsonl` and `records.csv`.
pub(crate) fn write_records(folder: &Path, records: &[Record]) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("records serialise");
        lines.push(b'\n');
    }
    write_atomically(&folder.join("records.jsonl"), &lines)?;
    write_atomically(&folder.join("records.csv"), Record::to_csv(records).as_bytes())
}

/// Simulates a network on a design and keeps every record that is missing.
pub(crate) fn run_network(
    study: &Study,
    design_index: usize,
    behaviour: &Behaviour,
    job: &Job,
    seed: u64,
) -> Result<(), Failure> {
    let (design, store) = (&study.designs[design_index], Store::of(&study.root));
    let keys = Keys::new(study, design_index, job, seed);
    let operating: Vec<OperatingPoint> = behaviour.points.iter().map(|&(point, _)| point).collect();
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
    let network = &weights.network;
    let test = &study.dataset.test;
    let gemm = TableGemm::new(&design.product);
    let codes: Vec<u8> = test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
    let (batch, bits) = (study.experiment.operation.batch, study.array.accumulator_bits());
    let images = (codes.clone(), test.labels());
    let inference = TransitionInference::new(network, &behaviour.table, &gemm, images, batch, bits);
    let model = EnergyModel {
        array: &study.array,
        technology: &study.technology,
        multiplier: &design.physical,
        accumulator: &study.accumulator,
        memories: &study.memories,
        operand_bits: [design.multiplier.width_a(), design.multiplier.width_b()],
        clock_ps: study.clock_ps,
    };
    let sram = Volts(study.memories.technology.nominal_supply_v());
    let sram_leakage = study.faulty_memory.as_ref().map_or(1.0, |faulty| faulty.leakage);
    let mut points = Vec::new();
    for (position, &point) in operating.iter().enumerate() {
        let key = keys.sound(point);
        if !all && store.record(&key).is_some() {
            continue;
        }
        let run = inference.run(behaviour.errors(position));
        let layers = layer_works(study, design, network.layers(), &run, seed);
        let cost = model
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
            point: record_point(study, design, job, point),
            accuracy: run.accuracy.fraction(),
            accuracy_ci95: run.accuracy.interval(0.95),
            images: run.accuracy.images,
            cycles: cost.cycles,
            latency_us: cost.latency_us,
            energy_uj: cost.energy,
            product_error_rate: wrong / multiplications,
            provenance: provenance(study, design, &weights, point),
        };
        store.keep(&key, &record)?;
        points.push((record, layers));
    }
    if let Some((faulty, chips)) = failing.filter(|(_, chips)| !chips.is_empty()) {
        let sound =
            Sound { study, behaviour, network, gemm: &gemm, codes: &codes, model, points: &points, keys: &keys };
        sound.on_failing_memory(faulty, &chips)?;
    }
    Ok(())
}

fn layer_works(
    study: &Study,
    design: &Design,
    layers: &[QuantizedLayer],
    run: &PointRun,
    seed: u64,
) -> Vec<LayerWork> {
    let images = run.predictions.len() as f64;
    layers
        .iter()
        .enumerate()
        .map(|(index, layer)| LayerWork {
            name: layer.name.clone(),
            convolution: layer.convolution,
            multiplier_fj: run.multiplier_fj[index] / images,
            loading_fj: loading_energy(
                design.multiplier.netlist(),
                &design.physical,
                layer,
                (ELEMENT_SAMPLES, seed.wrapping_add(index as u64)),
            ),
            means: ElementMeans::sample(
                layer,
                &design.product,
                &run.activations[index],
                study.array.rows() as usize,
                &study.accumulator,
                (ELEMENT_SAMPLES, seed.wrapping_add(index as u64)),
            ),
        })
        .collect()
}

fn record_point(study: &Study, design: &Design, job: &Job, point: OperatingPoint) -> Point {
    Point {
        design: design.name().to_owned(),
        technology: study.technology.name().to_owned(),
        array: study.experiment.array.clone(),
        dataset: study.experiment.dataset.clone(),
        model: study.model(),
        method: job.method.clone(),
        seed: job.seed,
        supply_v: point.supply.0,
        sram_v: study.memories.technology.nominal_supply_v(),
        clock_ps: point.clock_ps,
        fidelity: "transition".to_owned(),
        chip: None,
        memory: job.scheme_name(study).map(str::to_owned),
        bit_error_rate: None,
        settings: study.settings.clone(),
    }
}

fn provenance(study: &Study, design: &Design, weights: &WeightsFile, point: OperatingPoint) -> Provenance {
    let mut warnings = Vec::new();
    if study.accumulator_fails(point.supply) {
        warnings.push("the accumulator itself would miss this clock; its errors are not simulated".to_owned());
    }
    if study.array.double_buffering() {
        let message = "the first transition of each fold also changes the weight; it is taken as one from zero";
        warnings.push(message.to_owned());
    }
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        experiment_sha256: study.experiment_sha256.clone(),
        table_sha256: design.product.sha256(),
        weights_fingerprint: weights.fingerprint.clone(),
        warnings,
    }
}
