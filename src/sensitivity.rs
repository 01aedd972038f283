//! How much the hardware's errors raise the loss of an experiment's trained networks, layer by layer: what training for the hardware
//! takes away.
//!
//! The hardware is each multiplier at one supply, or, where memories fail, weights read from them. Without errors a network runs on
//! the baseline at its highest supply with sound weights.

use crate::arguments::SensitivityOptions;
use crate::behaviour::Behaviour;
use crate::failure::Failure;
use crate::output::{print_json, print_line, write_atomically};
use crate::progress::Console;
use crate::run_lock::RunLock;
use crate::study::{Study, load};
use crate::summary::{new_table, probability};
use crate::weights::{Job, pairings};
use axtrain_sim::array::{Compensation, LayerOption, MixedInference, PointRun};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::memory::Content;
use axtrain_sim::report::{
    Interval, LayerSensitivity, LossSensitivity, MethodSensitivity, Scored, compare_sensitivities,
};
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Accuracy, Network, WeightsFile, classify, cross_entropy, infer, pixel_code};
use comfy_table::CellAlignment;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    /// Test images that losses are of.
    images: usize,
    /// What other methods are compared with.
    reference: String,
    networks: Vec<LossSensitivity>,
    methods: Vec<MethodSensitivity>,
}

/// What disturbs a network.
#[derive(Clone, Copy)]
enum Hardware {
    /// The multiplier at a position of the designs, at the supply asked for.
    Multiplier(usize),
    /// Weights from failing memory: position of the scheme, and of the memory's points.
    Memory { scheme: usize, point: usize },
}

/// Measures all trained networks of an experiment; writes `sensitivity.json` in the run's folder.
pub(crate) fn run(options: &SensitivityOptions, console: &Console) -> Result<(), Failure> {
    let SensitivityOptions { experiment, supply_v } = options;
    let study = load(&experiment.experiment, &experiment.runs)?;
    study.require_weight_stationary("`axtrain sensitivity`")?;
    let _lock = RunLock::take(&study.root)?;
    let jobs = jobs(&study)?;
    for (_, job) in &jobs {
        job.required(&study)?;
    }
    let meter = Meter::new(&study, *supply_v, console)?;
    let stage = console.stage("sensitivity", jobs.len() as u64);
    let measured = jobs.par_iter().map(|&(hardware, ref job)| {
        let found = meter.network(hardware, job);
        stage.step();
        found
    });
    let networks: Vec<LossSensitivity> = measured.collect::<Result<_, _>>()?;
    drop(stage);
    let reference = study.experiment.training.methods[0].clone();
    let methods = compare_sensitivities(&networks, &reference);
    let images = study.dataset.test.len();
    let report = Report { schema: "axtrain/sensitivity/1", images, reference, networks, methods };
    let text = serde_json::to_vec_pretty(&report).expect("reports serialise");
    write_atomically(&study.folder.join("sensitivity.json"), &text)?;
    match experiment.json {
        true => print_json(&report),
        false => print(&report),
    }
    Ok(())
}

/// Every network on every hardware that it may run on.
fn jobs(study: &Study) -> Result<Vec<(Hardware, Job)>, Failure> {
    let plain = |job: &Job| job.compensation == Compensation::default();
    let pairs = pairings(study).into_iter().filter(|(_, job)| plain(job));
    let Some(faulty) = &study.faulty_memory else {
        let others = study.designs.len() > 1;
        let pairs = pairs.filter(|(design, _)| !others || *design != study.experiment.baseline);
        return Ok(pairs.map(|(design, job)| (Hardware::Multiplier(design), job)).collect());
    };
    if !faulty.faults.memories.contains(&Content::Weights) {
        let message = "sensitivity looks at failing weights, and the experiment has none";
        return Err(Failure::request(message, "add \"weights\" to memory_faults.memories"));
    }
    let own = pairs.filter(|(design, _)| *design == study.experiment.baseline);
    let memories = |job: Job| {
        let schemes =
            (0..faulty.faults.schemes.len()).filter(move |&own| job.scheme.is_none_or(|scheme| scheme == own));
        let points = 0..faulty.points.len();
        let of_scheme = move |scheme| points.clone().map(move |point| Hardware::Memory { scheme, point });
        schemes.flat_map(of_scheme).map(|hardware| (hardware, job.clone())).collect::<Vec<_>>()
    };
    let mut jobs: Vec<(Hardware, Job)> = own.flat_map(|(_, job)| memories(job)).collect();
    // Hardware by hardware, as they are shown.
    jobs.sort_by_key(|(hardware, _)| match hardware {
        Hardware::Multiplier(design) => (*design, 0),
        Hardware::Memory { scheme, point } => (*scheme, *point),
    });
    Ok(jobs)
}

/// What measuring takes.
struct Meter<'a> {
    study: &'a Study,
    supply: Volts,
    /// One a design.
    behaviours: Vec<Behaviour>,
    gemms: Vec<TableGemm>,
    /// Positions of the operating points: of the baseline's highest supply, and by design of the supply asked for.
    clean: usize,
    disturbed: HashMap<usize, usize>,
    codes: Vec<u8>,
}

impl<'a> Meter<'a> {
    fn new(study: &'a Study, supply: Option<f64>, console: &Console) -> Result<Self, Failure> {
        let behaviours = study.characterize(console)?;
        let supplies = &study.experiment.operation.supplies;
        let highest = supplies.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0)).expect("a supply at least");
        let supply = supply.map_or(highest, Volts);
        let at = |design: usize, supply: Volts| {
            let position = behaviours[design].operating_points().position(|point| point.supply == supply);
            let (name, Volts(volts)) = (study.designs[design].name(), supply);
            let position = position.ok_or_else(|| {
                let known: Vec<String> = supplies.iter().map(|Volts(supply)| supply.to_string()).collect();
                Failure::request(
                    format!("{name} does not run at {volts} V in this experiment"),
                    format!("its supplies are {}", known.join(", ")),
                )
            })?;
            if study.accumulator_fails(&study.designs[design], supply) {
                let message = format!("the accumulator behind {name} misses the clock at {volts} V");
                return Err(Failure::request(message, "choose a higher supply"));
            }
            Ok(position)
        };
        let clean = at(study.experiment.baseline, highest)?;
        let disturbed = (0..study.designs.len()).map(|design| Ok((design, at(design, supply)?)));
        let disturbed = disturbed.collect::<Result<_, Failure>>()?;
        let gemms = study.designs.iter().map(|design| TableGemm::new(&design.product)).collect();
        let codes = study.dataset.test.pixels().iter().map(|&pixel| pixel_code(pixel)).collect();
        Ok(Self { study, supply, behaviours, gemms, clean, disturbed, codes })
    }

    fn option(&self, design: usize, position: usize) -> LayerOption<'_> {
        let behaviour = &self.behaviours[design];
        LayerOption {
            table: behaviour.table(position),
            gemm: &self.gemms[design],
            errors: behaviour.errors(position),
        }
    }

    fn network(&self, hardware: Hardware, job: &Job) -> Result<LossSensitivity, Failure> {
        let weights = job.required(self.study)?;
        let network = &weights.network;
        let mixed = MixedInference {
            network,
            codes: &self.codes,
            labels: self.study.dataset.test.labels(),
            batch: self.study.experiment.operation.batch,
            accumulator_bits: self.study.array.accumulator_bits(),
        };
        let clean = self.option(self.study.experiment.baseline, self.clean);
        let Measured { name, clean, disturbed, alone, errors } = match hardware {
            Hardware::Multiplier(design) => {
                let usual = mixed.usual(clean);
                let disturbed = self.option(design, self.disturbed[&design]);
                let score = |run: PointRun| self.scored(network, &run.scores);
                let all = score(mixed.run_without_energy(&vec![disturbed; network.layers().len()]));
                let alone: Vec<Scored> = mixed.each_alone(&usual, disturbed).map(score).collect();
                let name = format!("{} at {:.2} V", self.study.designs[design].name(), self.supply.0);
                let clean = self.scored(network, &usual.run.scores);
                Measured { name, clean, disturbed: all, alone, errors: Errors::Multiplier(design) }
            }
            Hardware::Memory { scheme, point } => self.on_failing_memory(network, (scheme, point), job)?,
        };
        let curvature = self.curvature(&errors, &weights);
        let layers = network.layers().iter().zip(alone).enumerate();
        let layers = layers.map(|(number, (layer, alone))| LayerSensitivity {
            name: layer.name.clone(),
            alone: alone.loss - clean.loss,
            curvature: curvature.as_ref().map(|layers| layers[number]),
        });
        let (method, seed, layers) = (job.method.clone(), job.seed, layers.collect());
        Ok(LossSensitivity { hardware: name, method, seed, clean, disturbed, layers })
    }

    fn scored(&self, network: &Network, scores: &[i32]) -> Scored {
        let labels = self.study.dataset.test.labels();
        let accuracy = Accuracy::of(&classify(scores, network.outputs()), labels).fraction();
        Scored { accuracy, loss: cross_entropy(scores, network.score_scale(), labels) }
    }

    /// Means over chips of a network whose weights are read once from failing memory: without faults, all layers, each layer alone.
    fn on_failing_memory(
        &self,
        network: &Network,
        (scheme, point): (usize, usize),
        job: &Job,
    ) -> Result<Measured, Failure> {
        let faulty = self.study.faulty_memory.as_ref().expect("an experiment with failing memory");
        let (scheme, (_, p)) = (&faulty.faults.schemes[scheme], faulty.points[point]);
        let memories = faulty.memories(scheme, &network.weight_shapes())?;
        let memory = memories.weights.as_ref().expect("weights fail");
        let gemm = &self.gemms[self.study.experiment.baseline];
        let score = |network: &Network| self.scored(network, &infer(network, gemm, &self.codes));
        let chips: Vec<u64> = faulty.chips().filter(|chip| job.chip.is_none_or(|own| own == *chip)).collect();
        let of_chip = |&chip: &u64| {
            let map = faulty.on_chip(&memories, chip, p)?.weights.expect("weights fail");
            let mut all = network.clone();
            memory.read(&map, 0, &mut all.weights_mut());
            let alone = |layer: usize| {
                let mut one = network.clone();
                one.weights_mut()[layer].copy_from_slice(&all.layers()[layer].weights);
                score(&one)
            };
            let layers = network.layers().iter().zip(all.layers()).enumerate();
            let layers = layers.map(|(number, (sound, read))| {
                let codes = sound.weights.iter().zip(&read.weights);
                let squares: f64 = codes.map(|(&sound, &read)| (f64::from(read) - f64::from(sound)).powi(2)).sum();
                (alone(number), squares / sound.weights.len() as f64)
            });
            Ok((score(&all), layers.collect()))
        };
        let found: Vec<OnChip> = chips.par_iter().map(of_chip).collect::<Result<_, Failure>>()?;
        let mean = |value: &dyn Fn(&OnChip) -> f64| found.iter().map(value).sum::<f64>() / found.len() as f64;
        let alone = |layer: usize| Scored {
            accuracy: mean(&|(_, layers)| layers[layer].0.accuracy),
            loss: mean(&|(_, layers)| layers[layer].0.loss),
        };
        let count = network.layers().len();
        Ok(Measured {
            name: format!("{}, {:.2} % of cells fail", scheme.name(), 100.0 * p),
            clean: score(network),
            disturbed: Scored { accuracy: mean(&|(all, _)| all.accuracy), loss: mean(&|(all, _)| all.loss) },
            alone: (0..count).map(alone).collect(),
            errors: Errors::Weights((0..count).map(|layer| mean(&|(_, layers)| layers[layer].1)).collect()),
        })
    }

    /// What the second derivatives lead to expect of each layer; none without the trainer.
    #[cfg(feature = "train")]
    fn curvature(&self, errors: &Errors, weights: &WeightsFile) -> Option<Vec<f64>> {
        use axtrain_trainer::{WeightErrors, expected_increase};
        /// Random directions a layer, and images.
        const PROBES: u32 = 8;
        const IMAGES: usize = 256;
        let split = self.study.dataset.test.first(IMAGES);
        let quantization = crate::train::quantization(&self.study.experiment.quantizer);
        let trained = (&weights.float[..], &quantization);
        let expected = |errors| expected_increase(&weights.network, trained, errors, &split, (PROBES, 0));
        Some(match errors {
            Errors::Multiplier(design) => expected(WeightErrors::Multiplier(&self.study.designs[*design].product)),
            // A layer's largest code is 127.
            Errors::Weights(squares) => {
                let of_unit = expected(WeightErrors::Absolute(1.0 / 127.0));
                of_unit.into_iter().zip(squares).map(|(expected, square)| expected * square).collect()
            }
        })
    }

    #[cfg(not(feature = "train"))]
    fn curvature(&self, _: &Errors, _: &WeightsFile) -> Option<Vec<f64>> {
        None
    }
}

/// A network without errors and with them, all layers and each alone.
struct Measured {
    name: String,
    clean: Scored,
    disturbed: Scored,
    alone: Vec<Scored>,
    errors: Errors,
}

/// On one chip all layers together, and each alone with the mean square of its weights' errors.
type OnChip = (Scored, Vec<(Scored, f64)>);

/// Which errors there were.
#[cfg_attr(not(feature = "train"), expect(dead_code, reason = "only the trainer says what they lead one to expect"))]
enum Errors {
    /// Of a design's products.
    Multiplier(usize),
    /// Of weights: mean square by layer, in units of the code.
    Weights(Vec<f64>),
}

fn print(report: &Report) {
    let Report { images, reference, methods, .. } = report;
    print_line(&format!(
        "Loss (cross-entropy, nats) of {images} test images, mean over networks ± half the 95 % interval:"
    ));
    let mut groups: Vec<(&str, Vec<&MethodSensitivity>)> = Vec::new();
    for method in methods {
        match groups.iter_mut().find(|(hardware, _)| *hardware == method.hardware) {
            Some((_, members)) => members.push(method),
            None => groups.push((&method.hardware, vec![method])),
        }
    }
    for (hardware, members) in groups {
        print_line(&format!("\n{hardware}"));
        let mut table = new_table();
        table.set_header([
            "training".to_owned(),
            "no errors, %".to_owned(),
            "errors, %".to_owned(),
            "loss rises by".to_owned(),
            format!("to {reference}"),
            "p".to_owned(),
        ]);
        for one in &members {
            let with_half = |interval: &Interval, factor: f64, decimals: usize| {
                let [mean, half] = [interval.mean, interval.high - interval.mean].map(|value| factor * value);
                let half = if one.networks > 1 { format!(" ±{half:.decimals$}") } else { String::new() };
                format!("{mean:.decimals$}{half}").replace('-', "−")
            };
            let reduction = |share: f64| format!("{:+.0} %", -100.0 * share).replace('-', "−");
            // Told apart at the usual level.
            let unequal = one.p_clean.is_some_and(|p| p < 0.05);
            table.add_row([
                one.method.clone(),
                with_half(&one.clean_accuracy, 100.0, 1) + if unequal { "*" } else { "" },
                with_half(&one.accuracy, 100.0, 1),
                with_half(&one.increase, 1.0, 3),
                one.reduction.map(reduction).unwrap_or_default(),
                one.p.map(probability).unwrap_or_default(),
            ]);
        }
        right_aligned(&mut table);
        print_line(&table.to_string());
        let mut table = new_table();
        let names = members[0].layers.iter().map(|layer| layer.name.clone());
        table.set_header(["layer alone".to_owned()].into_iter().chain(names));
        for one in &members {
            let cell = |layer: &LayerSensitivity| {
                let expected = layer.curvature.map(|expected| format!("\n({expected:.3})"));
                (format!("{:.3}", layer.alone) + &expected.unwrap_or_default()).replace('-', "−")
            };
            table.add_row([one.method.clone()].into_iter().chain(one.layers.iter().map(cell)));
        }
        right_aligned(&mut table);
        print_line(&table.to_string());
    }
    print_line("\nAccuracy without and with errors. p: Student's test of the rise in pairs of networks");
    print_line("of one seed; * their accuracy without errors differs too (p < 0.05). Layer alone: the");
    print_line("rise if it alone errs; in brackets what second derivatives lead to expect of its errors");
    print_line("if their mean were zero.");
}

fn right_aligned(table: &mut comfy_table::Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
