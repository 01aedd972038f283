//! Trained networks on the array, at every operating point.

use crate::arguments::SimulateOptions;
use crate::compare;
use crate::failure::Failure;
use crate::fidelity::{Evaluator, Inference};
use crate::output::{print_json, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::simulate_memory::{self, Sound};
use crate::study::{Behaviour, Study, load};
use crate::weights::{Job, pairings};
use crate::{summary, summary_memory};
use axtrain_sim::array::{ElementMeans, EnergyModel, Fidelity, LayerWork, PointRun, Supplies, loading_energy};
use axtrain_sim::profile::Design;
use axtrain_sim::report::{Point, Provenance, Record, StageErrorAverages};
use axtrain_sim::technology::OperatingPoint;
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{QuantizedLayer, WeightsFile, pixel_code};
use rayon::prelude::*;
use std::time::Instant;

/// Pairs of consecutive operations sampled a layer for what accumulators and registers do.
const ELEMENT_SAMPLES: usize = 1024;

/// Simulates an experiment whose networks are trained.
pub(crate) fn run(options: &SimulateOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let SimulateOptions { experiment: options, fidelity, compare } = options;
    let mut study = load(&options.experiment, &options.runs)?;
    fidelity.apply(&mut study);
    let _lock = RunLock::take(&study.folder)?;
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

/// Runs every network on every design it belongs to and writes `records.jsonl`, and the same as `records.csv`.
pub(crate) fn records(
    study: &Study,
    behaviours: &[Behaviour],
    seed: u64,
    console: &Console,
) -> Result<Vec<Record>, Failure> {
    let pairs = pairings(study);
    let fidelity = study.experiment.operation.fidelity;
    let evaluators = evaluators(study, behaviours, fidelity, seed)?;
    let stage = console.stage("inference", pairs.len() as u64);
    let records: Vec<Vec<Record>> = pairs
        .par_iter()
        .map(|(design, job)| {
            let weights = job.required(study)?;
            let records = run_network(study, &evaluators[*design], job, &weights, seed)?;
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

fn run_network(
    study: &Study,
    evaluator: &Evaluator<'_>,
    job: &Job,
    weights: &WeightsFile,
    seed: u64,
) -> Result<Vec<Record>, Failure> {
    let codes = test_codes(study);
    let inference = evaluator.prepare(&weights.network, codes.clone(), study.dataset.test.labels())?;
    let points: Vec<(Record, Vec<LayerWork>)> = (0..evaluator.behaviour.points.len())
        .map(|position| {
            let evaluated = evaluate(study, evaluator, &inference, (job, weights), position, seed)?;
            Ok((evaluated.record, evaluated.layers))
        })
        .collect::<Result<_, Failure>>()?;
    let mut records: Vec<Record> = points.iter().map(|(record, _)| record.clone()).collect();
    if let Some(faulty) = &study.faulty_memory {
        let model = energy_model(study, evaluator.design);
        let sound = Sound { study, evaluator, job, network: &weights.network, codes: &codes, model, points: &points };
        records.extend(sound.on_failing_memory(faulty)?);
    }
    Ok(records)
}

/// Test images as activation codes.
pub(crate) fn test_codes(study: &Study) -> Vec<u8> {
    study.dataset.test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect()
}

fn energy_model<'a>(study: &'a Study, design: &'a Design) -> EnergyModel<'a> {
    EnergyModel {
        array: &study.array,
        technology: &study.technology,
        multiplier: &design.physical,
        accumulator: &study.accumulator,
        memories: &study.memories,
        operand_bits: [design.multiplier.width_a(), design.multiplier.width_b()],
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
    let (network, design, batch) = (&weights.network, evaluator.design, study.experiment.operation.batch);
    let point = evaluator.behaviour.points[position].0;
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
            means: match run.gates.get(index) {
                Some(gates) => gates.means,
                None => ElementMeans::sample(
                    layer,
                    &design.product,
                    &run.activations[index],
                    study.array.rows() as usize,
                    &study.accumulator,
                    (ELEMENT_SAMPLES, seed.wrapping_add(index as u64)),
                ),
            },
        })
        .collect()
}

fn record_point(study: &Study, evaluator: &Evaluator<'_>, job: &Job, point: OperatingPoint) -> Point {
    Point {
        design: evaluator.design.name().to_owned(),
        technology: study.technology.name().to_owned(),
        array: study.experiment.array.clone(),
        dataset: study.experiment.dataset.clone(),
        model: study.model(),
        method: job.method.clone(),
        seed: job.seed,
        supply_v: point.supply.0,
        sram_v: study.memories.technology.nominal_supply_v(),
        clock_ps: point.clock_ps,
        fidelity: evaluator.fidelity.to_string(),
        chip: None,
        memory: job.scheme_name(study).map(str::to_owned),
        bit_error_rate: None,
    }
}

fn provenance(study: &Study, evaluator: &Evaluator<'_>, weights: &WeightsFile, point: OperatingPoint) -> Provenance {
    let mut warnings = Vec::new();
    if evaluator.fidelity != Fidelity::Gate && study.accumulator_fails(point.supply) {
        warnings.push("the accumulator itself would miss this clock; its errors are not simulated".to_owned());
    }
    if study.array.double_buffering() {
        let message = "the first transition of each fold also changes the weight; it is taken as one from zero";
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
