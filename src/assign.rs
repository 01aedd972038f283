//! Each layer of a trained network on the multiplier and at the supply that save most energy within a loss of accuracy.
//!
//! Losses are measured on training images, layer by layer; the test images only judge what was chosen. Taken as given: layers
//! take turns on arrays of their multipliers, of which those that wait are off, and a supply changes between layers at no cost.

use crate::arguments::AssignOptions;
use crate::behaviour::Behaviour;
use crate::failure::Failure;
use crate::output::{print_json, print_line, print_wrapped, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::shelf::Memo;
use crate::simulate::{energy_model, layer_work};
use crate::study::{Study, load};
use crate::summary::{nanojoules, new_table};
use crate::weights::Job;
use axtrain_sim::array::{
    Alternative, Arrivals, EnergyComponents, InferenceCost, LayerOption, LayerWork, MixedInference, PointRun,
    Supplies, assign,
};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Accuracy, Network, Split, pixel_code};
use comfy_table::CellAlignment;
use rayon::prelude::*;
use serde::Serialize;
use std::sync::Arc;

/// What was chosen for all networks.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    /// Accuracy that was allowed to be lost, points.
    within_points: f64,
    /// Training images that losses were measured on.
    images: usize,
    networks: Vec<Assignment>,
}

/// What was chosen for one network.
#[derive(Debug, Serialize)]
struct Assignment {
    method: String,
    seed: u64,
    /// The multiplier that it was trained for, or the baseline.
    usual_design: String,
    /// All layers on the usual multiplier at full supply.
    usual: Judged,
    /// All layers on one multiplier at one supply.
    uniform: Judged,
    /// Each layer its own.
    mixed: Judged,
    layers: Vec<Layer>,
}

/// Ways of running a network, judged on the test images.
#[derive(Clone, Debug, Serialize)]
struct Judged {
    accuracy: f64,
    accuracy_ci95: [f64; 2],
    /// Energy an image.
    energy_uj: EnergyComponents,
    /// Points of accuracy lost against `usual` on the training images.
    lost_points: f64,
}

/// What was chosen for one layer.
#[derive(Debug, Serialize)]
struct Layer {
    name: String,
    design: String,
    supply_v: f64,
    /// Energy an image, as measured on the training images.
    energy_uj: f64,
    /// Points of accuracy that the layer loses alone on the training images.
    lost_points: f64,
}

/// A multiplier at an operating point.
#[derive(Clone, Copy, PartialEq)]
struct Way {
    design: usize,
    position: usize,
}

/// Everything that all networks share.
struct Assigner<'a> {
    study: &'a Study,
    behaviours: &'a [Behaviour],
    gemms: Vec<TableGemm>,
    seed: u64,
}

/// Chooses for all trained networks of an experiment; writes `assignment.json` in the run's folder.
pub(crate) fn run(options: &AssignOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let AssignOptions { experiment, within, images } = options;
    if !(0.0..=100.0).contains(within) {
        return Err(Failure::request(format!("--within {within} is no loss"), "give points from 0 to 100"));
    }
    let study = load(&experiment.experiment, &experiment.runs)?;
    study.require_weight_stationary("`axtrain assign`")?;
    let _lock = RunLock::take(&study.root)?;
    let jobs = Job::all(&study);
    for job in &jobs {
        job.required(&study)?;
    }
    let behaviours = study.characterize(console)?;
    let gemms = study.designs.iter().map(|design| TableGemm::new(&design.product)).collect();
    let assigner = Assigner { study: &study, behaviours: &behaviours, gemms, seed };
    let calibration = Images::of(&study.dataset.train.first(images.get()));
    let test = Images::of(&study.dataset.test);
    let stage = console.stage("assignment", jobs.len() as u64);
    let mut networks = Vec::new();
    for job in &jobs {
        stage.message(format!("{} s{}", job.name(), job.seed));
        networks.push(assigner.network(job, &calibration, &test, *within)?);
        stage.step();
    }
    drop(stage);
    let images = calibration.labels.len();
    let report = Report { schema: "axtrain/assignment/1", within_points: *within, images, networks };
    let text = serde_json::to_vec_pretty(&report).expect("reports serialise");
    write_atomically(&study.folder.join("assignment.json"), &text)?;
    match experiment.json {
        true => print_json(&report),
        false => print(&report),
    }
    Ok(())
}

/// Images as activation codes.
struct Images {
    codes: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    fn of(samples: &Split) -> Self {
        let codes = samples.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
        Self { codes, labels: samples.labels().to_vec() }
    }
}

impl Assigner<'_> {
    fn option(&self, way: Way) -> LayerOption<'_> {
        let behaviour = &self.behaviours[way.design];
        LayerOption {
            table: behaviour.table(way.position),
            gemm: &self.gemms[way.design],
            errors: behaviour.errors(way.position),
        }
    }

    /// The ways in which a network may run: those of the multiplier that it was trained for, or of all; without those whose
    /// accumulator would miss the clock. The first is the usual one: full supply.
    fn ways(&self, job: &Job) -> Result<Vec<Way>, Failure> {
        let (study, usual) = (self.study, job.design);
        let bound = study.experiment.training.depends_on_multiplier(&job.method);
        let designs = (0..study.designs.len()).filter(|&design| !bound || design == usual);
        let mut ways: Vec<Way> = designs
            .flat_map(|design| {
                let positions = 0..self.behaviours[design].operating_points().len();
                positions.map(move |position| Way { design, position })
            })
            .filter(|way| !study.accumulator_fails(&study.designs[way.design], self.supply(*way)))
            .collect();
        let own = ways.iter().enumerate().filter(|(_, way)| way.design == usual);
        let full = own.max_by(|(_, a), (_, b)| self.supply(**a).0.total_cmp(&self.supply(**b).0));
        let Some((full, _)) = full else {
            let message = format!("{} runs at none of the supplies", study.designs[usual].name());
            return Err(Failure::request(message, "add a higher supply or lengthen clock_ps"));
        };
        ways.swap(0, full);
        Ok(ways)
    }

    fn supply(&self, way: Way) -> Volts {
        self.behaviours[way.design].point(way.position).supply
    }

    fn network(&self, job: &Job, calibration: &Images, test: &Images, within: f64) -> Result<Assignment, Failure> {
        let network = job.required(self.study)?.network;
        let (ways, count) = (self.ways(job)?, network.layers().len());
        let [calibrate, judge] =
            [calibration, test].map(|images| Inference { assigner: self, network: &network, images });
        let usual = calibrate.mixed().usual(self.option(ways[0]));
        let lost = |found: Accuracy| (usual.run.accuracy.correct.saturating_sub(found.correct)) as u32;
        // What happens in each layer does not depend on the supply where operating points share a table.
        let works = Memo::default();
        // What each layer costs and loses each way.
        let alternatives: Vec<Vec<Alternative>> = ways
            .par_iter()
            .map(|&way| {
                let table = self.behaviours[way.design].place(way.position).0;
                let works: Arc<Vec<LayerWork>> = works.get(format!("{} {table}", way.design), || {
                    let energies = calibrate.mixed().energy_of_each(&usual, self.option(way));
                    let run = PointRun { multiplier_fj: energies, ..usual.run.clone() };
                    let of_layer = |layer: usize| calibrate.work(way, layer, &run);
                    Ok::<_, Failure>((0..count).map(of_layer).collect())
                })?;
                let mixed = calibrate.mixed();
                let runs = mixed.each_alone(&usual, self.option(way)).enumerate();
                let of_layer = |(layer, run): (usize, PointRun)| {
                    let energy_uj = calibrate.cost(way, layer, &works[layer])?.energy.total;
                    Ok(Alternative { energy_uj, lost: lost(run.accuracy) })
                };
                runs.map(of_layer).collect()
            })
            .collect::<Result<_, Failure>>()?;
        let by_layer: Vec<Vec<Alternative>> =
            (0..count).map(|layer| alternatives.iter().map(|of_way| of_way[layer]).collect()).collect();
        let images = calibration.labels.len();
        let allowed = (within / 100.0 * images as f64).floor() as u32;

        // Losses need not add up: less is allowed until all of them together keep within it.
        let mut budget = allowed;
        let (chosen, mixed_lost) = loop {
            let chosen = assign(&by_layer, budget).expect("the usual way loses nothing");
            let together = lost(calibrate.accuracy(&chosen.iter().map(|&way| ways[way]).collect::<Vec<_>>()));
            if together <= allowed || budget == 0 {
                break (chosen, together);
            }
            budget -= (together - allowed).div_ceil(2).min(budget);
        };
        // Even layers that lose nothing alone may lose together.
        let (chosen, mixed_lost) = if mixed_lost <= allowed { (chosen, mixed_lost) } else { (vec![0; count], 0) };
        let mut order: Vec<usize> = (0..ways.len()).collect();
        let energy = |way: usize| alternatives[way].iter().map(|one| one.energy_uj).sum::<f64>();
        order.sort_by(|&a, &b| energy(a).total_cmp(&energy(b)));
        let uniform = order.into_iter().find_map(|way| {
            let lost = lost(calibrate.accuracy(&vec![ways[way]; count]));
            (lost <= allowed).then_some((way, lost))
        });
        let (uniform, uniform_lost) = uniform.expect("the usual way loses nothing");

        let judged = |ways: &[Way], lost: u32| judge.judged(ways, 100.0 * f64::from(lost) / images as f64);
        let mixed: Vec<Way> = chosen.iter().map(|&way| ways[way]).collect();
        let layer = |(layer, &way): (usize, &usize)| Layer {
            name: network.layers()[layer].name.clone(),
            design: self.study.designs[ways[way].design].name().to_owned(),
            supply_v: self.supply(ways[way]).0,
            energy_uj: by_layer[layer][way].energy_uj,
            lost_points: 100.0 * f64::from(by_layer[layer][way].lost) / images as f64,
        };
        Ok(Assignment {
            method: job.name(),
            seed: job.seed,
            usual_design: self.study.designs[ways[0].design].name().to_owned(),
            usual: judged(&vec![ways[0]; count], 0)?,
            uniform: judged(&vec![ways[uniform]; count], uniform_lost)?,
            mixed: judged(&mixed, mixed_lost)?,
            layers: chosen.iter().enumerate().map(layer).collect(),
        })
    }
}

/// A network on some images.
struct Inference<'a> {
    assigner: &'a Assigner<'a>,
    network: &'a Network,
    images: &'a Images,
}

impl Inference<'_> {
    fn mixed(&self) -> MixedInference<'_> {
        let study = self.assigner.study;
        MixedInference {
            network: self.network,
            codes: &self.images.codes,
            labels: &self.images.labels,
            batch: study.experiment.operation.batch,
            accumulator_bits: study.array.accumulator_bits(),
        }
    }

    fn options(&self, ways: &[Way]) -> Vec<LayerOption<'_>> {
        ways.iter().map(|&way| self.assigner.option(way)).collect()
    }

    fn accuracy(&self, ways: &[Way]) -> Accuracy {
        self.mixed().run_without_energy(&self.options(ways)).accuracy
    }

    /// What happens in a layer one way.
    fn work(&self, way: Way, layer: usize, run: &PointRun) -> LayerWork {
        let Assigner { study, seed, .. } = self.assigner;
        layer_work(study, &study.designs[way.design], (layer, &self.network.layers()[layer]), run, *seed)
    }

    /// What that costs.
    fn cost(&self, way: Way, layer: usize, work: &LayerWork) -> Result<InferenceCost, Failure> {
        let study = self.assigner.study;
        let sram = Volts(study.memories.technology.nominal_supply_v());
        let supplies = Supplies::new(self.assigner.supply(way), sram);
        let arrivals = Arrivals::of(self.network.layers().iter().map(|layer| layer.wiring))[layer];
        energy_model(study, &study.designs[way.design])
            .layer(work, arrivals, study.experiment.operation.batch as u64, supplies)
            .map_err(|error| Failure::request(error, "choose a smaller batch or network"))
    }

    /// Accuracy and energy where each layer runs its own way.
    fn judged(&self, ways: &[Way], lost_points: f64) -> Result<Judged, Failure> {
        let run = self.mixed().run(&self.options(ways));
        let cost = |(layer, &way): (usize, &Way)| self.cost(way, layer, &self.work(way, layer, &run));
        let costs: Vec<InferenceCost> = ways.iter().enumerate().map(cost).collect::<Result<_, Failure>>()?;
        let weights = self.network.layers().iter().map(|layer| layer.convolution.weights() as u64).sum();
        let study = self.assigner.study;
        let cost = study.memories.whole_inference(&costs, weights, study.experiment.operation.batch as u64);
        Ok(Judged {
            accuracy: run.accuracy.fraction(),
            accuracy_ci95: run.accuracy.interval(0.95),
            energy_uj: cost.energy,
            lost_points,
        })
    }
}

fn print(report: &Report) {
    let mut groups: Vec<(&str, &str, Vec<&Assignment>)> = Vec::new();
    for one in &report.networks {
        match groups.iter_mut().find(|(method, design, _)| *method == one.method && *design == one.usual_design) {
            Some((.., members)) => members.push(one),
            None => groups.push((&one.method, &one.usual_design, vec![one])),
        }
    }
    let points = if report.within_points == 1.0 { "point" } else { "points" };
    let limit = format!("Within {} {points} of accuracy on {} training images", report.within_points, report.images);
    print_wrapped(&format!("{limit}; accuracy and energy on test images, means over networks:"), 0);
    let mut table = new_table();
    table.set_header(["training", "usual multiplier", "full supply", "one for all layers", "each layer its own"]);
    for (method, design, members) in &groups {
        let mean =
            |of: &dyn Fn(&Assignment) -> f64| members.iter().map(|one| of(one)).sum::<f64>() / members.len() as f64;
        let usual = mean(&|one| one.usual.energy_uj.total);
        let cell = |of: fn(&Assignment) -> &Judged| {
            let energy = mean(&|one| of(one).energy_uj.total);
            let saved = match 100.0 * (1.0 - energy / usual) {
                none if none.abs() < 0.05 => String::new(),
                saved => format!(" (−{saved:.0} %)"),
            };
            format!("{:.1} %\n{}{saved}", 100.0 * mean(&|one| of(one).accuracy), nanojoules(energy))
        };
        table.add_row([
            (*method).to_owned(),
            (*design).to_owned(),
            cell(|one| &one.usual),
            cell(|one| &one.uniform),
            cell(|one| &one.mixed),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_line(&table.to_string());
    for (method, design, members) in &groups {
        let one = members[0];
        print_line(&format!("\n{method} training, {design}, seed {}:", one.seed));
        let mut table = new_table();
        table.set_header(["layer", "multiplier", "supply", "energy", "lost alone"]);
        for layer in &one.layers {
            table.add_row([
                layer.name.clone(),
                layer.design.clone(),
                format!("{:.2} V", layer.supply_v),
                nanojoules(layer.energy_uj),
                format!("{:.1} points", layer.lost_points),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        print_line(&table.to_string());
    }
}
