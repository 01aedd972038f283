//! Trained networks on the array, at every operating point.

use crate::arguments::ExperimentOptions;
use crate::failure::Failure;
use crate::output::{print_json, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::simulate_memory::{self, Sound};
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

/// Pairs of consecutive operations sampled a layer for what accumulators and registers do.
const ELEMENT_SAMPLES: usize = 1024;

/// Simulates an experiment whose networks are trained.
pub(crate) fn run(options: &ExperimentOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let study = load(&options.experiment, &options.runs)?;
    let _lock = RunLock::take(&study.folder)?;
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

/// Runs every network on every design it belongs to and writes `records.jsonl`, and the same as `records.csv`.
pub(crate) fn records(
    study: &Study,
    behaviours: &[Behaviour],
    seed: u64,
    console: &Console,
) -> Result<Vec<Record>, Failure> {
    let pairs = pairings(study);
    let stage = console.stage("inference", pairs.len() as u64);
    let records: Vec<Vec<Record>> = pairs
        .par_iter()
        .map(|(design, job)| {
            let weights = job.required(study)?;
            let records = run_network(study, &study.designs[*design], &behaviours[*design], job, &weights, seed)?;
            stage.step();
            Ok(records)
        })
        .collect::<Result<_, Failure>>()?;
    let records: Vec<Record> = records.into_iter().flatten().collect();
    let lines = records.iter().map(|record| serde_json::to_string(record).expect("records serialise") + "\n");
    write_atomically(&study.folder.join("records.jsonl"), lines.collect::<String>().as_bytes())?;
    write_atomically(&study.folder.join("records.csv"), Record::to_csv(&records).as_bytes())?;
    if let Some(report) = simulate_memory::report(study, &records) {
        let text = serde_json::to_vec_pretty(&report).expect("reports serialise");
        write_atomically(&study.folder.join("memory.json"), &text)?;
    }
    Ok(records)
}

fn run_network(
    study: &Study,
    design: &Design,
    behaviour: &Behaviour,
    job: &Job,
    weights: &WeightsFile,
    seed: u64,
) -> Result<Vec<Record>, Failure> {
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
        accumulator: study.accumulator(design),
        memories: &study.memories,
        clock_ps: study.clock_ps,
    };
    let sram = Volts(study.memories.technology.nominal_supply_v());
    let sram_leakage = study.faulty_memory.as_ref().map_or(1.0, |faulty| faulty.leakage);
    let mut points = Vec::new();
    for (position, &(point, _)) in behaviour.points.iter().enumerate() {
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
            provenance: provenance(study, design, weights, point),
        };
        points.push((record, layers));
    }
    let mut records: Vec<Record> = points.iter().map(|(record, _)| record.clone()).collect();
    if let Some(faulty) = &study.faulty_memory {
        let sound = Sound { study, behaviour, job, network, gemm: &gemm, codes: &codes, model, points: &points };
        records.extend(sound.on_failing_memory(faulty)?);
    }
    Ok(records)
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
                &design.multiplier,
                &design.physical,
                layer,
                (ELEMENT_SAMPLES, seed.wrapping_add(index as u64)),
            ),
            means: ElementMeans::sample(
                layer,
                &design.product,
                &run.activations[index],
                study.array.rows() as usize,
                study.accumulator(design),
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
    }
}

fn provenance(study: &Study, design: &Design, weights: &WeightsFile, point: OperatingPoint) -> Provenance {
    let mut warnings = Vec::new();
    if study.accumulator_fails(design, point.supply) {
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
