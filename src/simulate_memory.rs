//! Trained networks with weights, activations or partial sums from memories whose cells fail: every chip, memory supply and logic
//! supply.
//!
//! Where no product is late, the products of a logic supply are the settled ones: those supplies share one inference. Energy is
//! that of the network with sound memories; flipped bits change what multipliers switch by less than they change accuracy, and that
//! is left out.

use crate::failure::Failure;
use crate::faulty_memory::{ChipFaults, FailingMemories, FaultyMemory};
use crate::fidelity::Evaluator;
use crate::store::{Key, Keys, Store};
use crate::study::Study;
use crate::weights::Job;
use axtrain_sim::array::{EnergyModel, FailingInference, InferenceCost, LayerWork, Supplies};
use axtrain_sim::memory::{Content, FailingValues, FaultMap, Scheme, ValueMemory};
use axtrain_sim::report::{MemoryPoint, MemoryReport, Record, Sensitivity};
use axtrain_sim::technology::OperatingPoint;
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Accuracy, Network, classify};
use rayon::prelude::*;

/// A network on a design, and what is known of it with sound weights.
pub(crate) struct Sound<'a> {
    pub(crate) study: &'a Study,
    pub(crate) evaluator: &'a Evaluator<'a>,
    pub(crate) network: &'a Network,
    /// Test images as activation codes.
    pub(crate) codes: &'a [u8],
    pub(crate) model: EnergyModel<'a>,
    /// For each logic supply, the record and what happened in each layer.
    pub(crate) points: &'a [(Record, Vec<LayerWork>)],
    pub(crate) keys: &'a Keys,
}

/// A memory scheme and a chip: what is simulated at once.
pub(crate) type Place = (usize, u64);

/// Where a network runs: it runs on all schemes and chips unless it was trained for one.
pub(crate) fn chips(faulty: &FaultyMemory, job: &Job) -> Vec<Place> {
    let schemes = (0..faulty.faults.schemes.len()).filter(|index| job.scheme.is_none_or(|own| own == *index));
    let own = |chip: &u64| job.chip.is_none_or(|own| own == *chip);
    schemes.flat_map(|scheme| faulty.chips().filter(own).map(move |chip| (scheme, chip))).collect()
}

/// Keys of a place's records: memory supplies, and for each the logic's operating points.
pub(crate) fn keys(keys: &Keys, faulty: &FaultyMemory, place: Place, points: &[OperatingPoint]) -> Vec<Key> {
    let of_memory = |memory: &(Volts, f64)| {
        let memory = *memory;
        points.iter().map(move |point| keys.on_chip(*point, faulty, place, memory))
    };
    faulty.points.iter().flat_map(of_memory).collect()
}

impl Sound<'_> {
    /// Simulates `places` at all supplies and keeps their records.
    pub(crate) fn on_failing_memory(&self, faulty: &FaultyMemory, places: &[Place]) -> Result<(), Failure> {
        let store = Store::of(&self.study.root);
        let operating: Vec<OperatingPoint> = self.evaluator.behaviour.operating_points().collect();
        for (index, scheme) in faulty.faults.schemes.iter().enumerate() {
            let own: Vec<&Place> = places.iter().filter(|(scheme, _)| *scheme == index).collect();
            if own.is_empty() {
                continue;
            }
            let memories = faulty.memories(scheme, &self.network.weight_shapes())?;
            let costs = self.costs(faulty, scheme)?;
            own.par_iter().try_for_each(|&&place| {
                let records = self.chip(faulty, &memories, &costs, place.1)?;
                let keys = keys(self.keys, faulty, place, &operating);
                keys.iter().zip(&records).try_for_each(|(key, record)| store.keep(key, record))
            })?;
        }
        Ok(())
    }

    /// Cost at each memory supply and each logic supply.
    fn costs(&self, faulty: &FaultyMemory, scheme: &Scheme) -> Result<Vec<Vec<InferenceCost>>, Failure> {
        let batch = self.study.experiment.operation.batch as u64;
        let nominal = Volts(self.study.memories.technology.nominal_supply_v());
        let cost = |sram: Volts, (record, works): &(Record, Vec<LayerWork>)| {
            let supply = |content| faulty.supply(content, scheme, sram, nominal);
            let supplies = Supplies {
                logic: Volts(record.point.supply_v),
                input: supply(Content::Activations),
                weight: supply(Content::Weights),
                partial_sum: supply(Content::PartialSums),
                sram_leakage: faulty.leakage,
            };
            self.model
                .inference(works, batch, supplies)
                .map_err(|error| Failure::request(error, "choose a smaller batch or network"))
        };
        let at = |&(sram, _): &(Volts, f64)| self.points.iter().map(|point| cost(sram, point)).collect();
        faulty.points.iter().map(at).collect()
    }

    fn chip(
        &self,
        faulty: &FaultyMemory,
        memories: &FailingMemories,
        costs: &[Vec<InferenceCost>],
        chip: u64,
    ) -> Result<Vec<Record>, Failure> {
        crate::interrupt::check()?;
        let mut records = Vec::new();
        for (&(sram, p), costs) in faulty.points.iter().zip(costs) {
            let faults = faulty.on_chip(memories, chip, p)?;
            let mut settled = None;
            for (position, ((base, _), cost)) in self.points.iter().zip(costs).enumerate() {
                let accuracy = match (self.evaluator.settles(position), settled) {
                    (true, Some(settled)) => settled,
                    (true, None) => *settled.insert(self.accuracy(memories, &faults, None)?),
                    (false, _) => self.accuracy(memories, &faults, Some(position))?,
                };
                let mut record = base.clone();
                record.point.sram_v = sram.0;
                record.point.chip = Some(chip);
                record.point.memory = Some(memories.scheme.name().to_owned());
                let measured = faults.weights.as_ref().filter(|_| faulty.is_measured());
                record.point.bit_error_rate = Some(measured.map_or(p, FaultMap::weak_share));
                (record.accuracy, record.accuracy_ci95) = (accuracy.fraction(), accuracy.interval(0.95));
                (record.cycles, record.latency_us, record.energy_uj) = (cost.cycles, cost.latency_us, cost.energy);
                record.provenance.warnings.extend(faulty.warnings.iter().cloned());
                record.provenance.warnings.extend(self.slow_accesses(faulty, sram));
                records.push(record);
            }
        }
        Ok(records)
    }

    /// What is worth knowing of the time an access takes.
    fn slow_accesses(&self, faulty: &FaultyMemory, sram: Volts) -> Vec<String> {
        let memories = self.model.memories;
        let slow = |content: &Content| {
            let (memory, name) = match content {
                Content::Weights => (&memories.weight, "weight memory"),
                Content::Activations => (&memories.input, "memory for activations"),
                Content::PartialSums => (&memories.partial_sum, "memory for partial sums"),
            };
            let cycles = self.model.access_cycles(memory, sram).expect("supplies were checked when loading");
            (cycles > 1.0).then(|| {
                let (cycles, supply) = (cycles.ceil(), sram.0);
                format!("an access of the {name} takes {cycles} clock periods at {supply:.3} V; accesses are taken to be pipelined")
            })
        };
        faulty.faults.memories.iter().filter_map(slow).collect()
    }

    /// Accuracy on a chip, with timing errors as at a position of the behaviour's points.
    ///
    /// The array takes its weights once a batch. Persistent faults give the same at every read.
    fn accuracy(
        &self,
        memories: &FailingMemories,
        faults: &ChipFaults,
        position: Option<usize>,
    ) -> Result<Accuracy, Failure> {
        let labels = self.study.dataset.test.labels();
        let batch = self.study.experiment.operation.batch;
        let all = faults.weights.as_ref().is_none_or(FaultMap::is_persistent);
        let images = if all { labels.len().max(1) } else { batch };
        let inference = FailingInference {
            gemm: &self.evaluator.gemm,
            array: memories.array,
            batch,
            accumulator_bits: self.study.array.accumulator_bits(),
            activations: on(&memories.activations, &faults.activations),
            partial_sums: on(&memories.partial_sums, &faults.partial_sums),
        };
        let inputs = self.network.inputs();
        let mut total = Accuracy { correct: 0, images: 0 };
        let reads = self.codes.chunks(images * inputs).zip(labels.chunks(images)).enumerate();
        for (read, (codes, labels)) in reads {
            let mut network = self.network.clone();
            if let (Some(memory), Some(map)) = (&memories.weights, &faults.weights) {
                memory.read(map, read as u64, &mut network.weights_mut());
            }
            let accuracy = match position {
                Some(position) => self.evaluator.prepare(&network, codes.to_vec(), labels)?.run(position).accuracy,
                None => {
                    let scores = inference.scores(&network, codes, read as u64);
                    Accuracy::of(&classify(&scores, network.outputs()), labels)
                }
            };
            total.correct += accuracy.correct;
            total.images += accuracy.images;
        }
        Ok(total)
    }
}

/// A memory on a chip.
fn on<'m>(memory: &'m Option<ValueMemory>, map: &'m Option<FaultMap>) -> Option<FailingValues<'m>> {
    Some(memory.as_ref()?.on(map.as_ref()?))
}

/// Refuses operating points of `evaluator` at which products are late where activations or partial sums fail too.
pub(crate) fn require_settled(faulty: &FaultyMemory, evaluator: &Evaluator<'_>) -> Result<(), Failure> {
    let values: Vec<Content> =
        faulty.faults.memories.iter().copied().filter(|content| *content != Content::Weights).collect();
    let mut points = evaluator.behaviour.operating_points().enumerate();
    match points.find(|(position, _)| !values.is_empty() && !evaluator.settles(*position)) {
        None => Ok(()),
        Some((_, point)) => {
            let what = Content::list(&values);
            let message = format!(
                "{} has late products at {:.3} V; faults of {what} are simulated with settled products alone",
                evaluator.design.name(),
                point.supply.0
            );
            let help = "raise supply_v or clock_ps, set fidelity = \"table\", or set memories = [\"weights\"]";
            Err(Failure::request(message, help))
        }
    }
}

/// What all records together say, if memories fail in this study.
pub(crate) fn report(study: &Study, records: &[Record]) -> Option<MemoryReport> {
    let faulty = study.faulty_memory.as_ref()?;
    let baseline = study.baseline().name();
    let method = &study.experiment.training.methods[0];
    let sound = |record: &&Record| {
        record.point.chip.is_none() && record.point.design == baseline && record.point.method == *method
    };
    let highest = records.iter().filter(sound).map(|record| record.point.supply_v).fold(f64::MIN, f64::max);
    let reference: Vec<&Record> =
        records.iter().filter(sound).filter(|record| record.point.supply_v == highest).collect();
    let mean = |of: fn(&Record) -> f64| {
        reference.iter().map(|record| of(record)).sum::<f64>() / reference.len().max(1) as f64
    };
    let target = mean(|record| record.accuracy) - faulty.faults.accuracy_loss_points / 100.0;
    let nominal_v = study.memories.technology.nominal_supply_v();
    let mut report = MemoryReport {
        schema: MemoryReport::SCHEMA.to_owned(),
        model: faulty.model.name().to_owned(),
        memories: faulty.faults.memories.clone(),
        vmin_v: faulty.faults.vmin.0,
        nominal_v,
        target,
        yield_wanted: faulty.faults.yield_share,
        reference_uj: mean(|record| record.energy_uj.total),
        points: MemoryPoint::group(records, target),
        sensitivity: Vec::new(),
        warnings: faulty.warnings.clone(),
    };
    // Without doubt about Vmin there is nothing to say.
    if !faulty.warnings.is_empty() {
        report.sensitivity = sensitivity(&report);
    }
    Some(report)
}

/// The best pair's energy if Vmin were a tenth lower or higher: its memory supply moves along, its accuracy does not.
fn sensitivity(report: &MemoryReport) -> Vec<Sensitivity> {
    let Some(best) = report.cheapest(|_| true) else { return Vec::new() };
    let Some((weights, rest)) = weight_memory_energy(report, best) else { return Vec::new() };
    let at = |factor: f64| Sensitivity {
        vmin_v: report.vmin_v * factor,
        sram_v: best.sram_v * factor,
        energy_uj: rest + weights * factor * factor,
    };
    [0.9, 1.0, 1.1].map(at).into_iter().filter(|other| other.sram_v <= report.nominal_v).collect()
}

/// Energy of accesses to the weight memory at a point, and all the rest, from two memory supplies of the same network: accesses
/// cost in proportion to V², leakage is taken to stay.
fn weight_memory_energy(report: &MemoryReport, best: &MemoryPoint) -> Option<(f64, f64)> {
    let same = |point: &&MemoryPoint| {
        (&point.design, &point.method, &point.memory, point.supply_v)
            == (&best.design, &best.method, &best.memory, best.supply_v)
            && point.sram_v != best.sram_v
    };
    let other = report.points.iter().find(same)?;
    let slope =
        (other.energy_uj.sram_dynamic - best.energy_uj.sram_dynamic) / (other.sram_v.powi(2) - best.sram_v.powi(2));
    let weights = slope * best.sram_v.powi(2);
    Some((weights, best.energy_uj.total - weights))
}
