//! Figures of a run, from what the run wrote.

use crate::arguments::PlotOptions;
use crate::failure::Failure;
use crate::memory_figures;
use crate::output::{print_line, whole_files};
use crate::page;
use crate::profile_figures::{distribution, error_fit, operand_map};
use crate::savings;
use crate::study::profile_path;
use crate::trace_figures::flips;
use axtrain_plots::{
    Caption, Estimate, PlotError, accuracy_voltage, energy_accuracy, energy_breakdown, error_histogram,
    error_voltage, training_curves,
};
use axtrain_sim::profile::ErrorProfile;
use axtrain_sim::report::{Aggregate, Characterization, Interval, Record, aggregate, pareto_front};
use axtrain_sim::units::Volts;
use std::path::{Path, PathBuf};

/// Draws a run's figures again, and writes its report.
pub(crate) fn run(options: &PlotOptions) -> Result<(), Failure> {
    for path in draw(&options.run)?.into_iter().chain([page::write(&options.run)?]) {
        print_line(&path.display().to_string());
    }
    Ok(())
}

/// What a run left that figures are drawn from.
pub(crate) struct Run {
    folder: PathBuf,
    pub(crate) records: Vec<Record>,
    pub(crate) characterizations: Vec<Characterization>,
    /// The experiment's baseline and first training method, if its file is there.
    compared_with: Option<[String; 2]>,
}

/// Draws every figure of the run in `folder`; returns the files.
pub(crate) fn draw(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let run = Run::read(folder)?;
    let points = aggregate(&run.records);
    let mut files = Vec::new();
    let mut keep = |drawn: Result<[PathBuf; 2], PlotError>| match drawn {
        Ok(paths) => {
            files.extend(paths);
            Ok(())
        }
        Err(error) => Err(Failure::other(format!("cannot draw a figure: {error}"))),
    };
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures).map_err(|error| Failure::write(&figures, error))?;
    let baseline = run.baseline();
    keep(energy_accuracy::draw(&run.energy_accuracy(&points, baseline), &figures.join("energy-accuracy")))?;
    keep(error_voltage::draw(&run.error_voltage(), &figures.join("error-voltage")))?;
    let designs: Vec<&str> = run.characterizations.iter().map(|report| report.design.name.as_str()).collect();
    for design in designs.iter().filter(|design| Some(**design) != baseline) {
        let named = |figure: &str| figures.join(format!("{figure}_{design}"));
        keep(accuracy_voltage::draw(&run.accuracy_voltage(&points, design), &named("accuracy-voltage")))?;
        keep(error_histogram::draw(&run.error_histogram(design)?, &named("error-histogram")))?;
        let profiles = run.profiles(design)?;
        if !profiles.is_empty() {
            keep(axtrain_plots::bit_flips::draw(&flips(&profiles, run.critical(design)), &named("bit-flips")))?;
        }
        // Where it first fails: the operating point that one would like to use.
        let failing = profiles.iter().filter(|profile| profile.timing.error_rate() > 0.0);
        if let Some(profile) = failing.max_by(|a, b| a.metadata.supply_v.total_cmp(&b.metadata.supply_v)) {
            keep(axtrain_plots::operand_map::draw(&operand_map(profile), &named("operand-map")))?;
            if let Some(fit) = error_fit(profile) {
                keep(axtrain_plots::error_fit::draw(&fit, &named("error-fit")))?;
            }
        }
    }
    if let Some(savings) = run.savings(&points) {
        keep(axtrain_plots::savings::draw(&savings, &figures.join("savings")))?;
    }
    keep(energy_breakdown::draw(&run.energy_breakdown(&points), &figures.join("energy-breakdown")))?;
    memory_figures::draw(folder, &run.conditions(), &mut keep)?;
    if let Some(curves) = run.training_curves()? {
        keep(training_curves::draw(&curves, &figures.join("training-curves")))?;
    }
    Ok(files)
}

/// The records of the run or sweep in `folder`.
pub(crate) fn read_records(folder: &Path) -> Result<Vec<Record>, Failure> {
    let text = read_text(folder, "records.jsonl")?;
    let records = text.lines().map(serde_json::from_str);
    let records: Vec<Record> =
        records.collect::<Result<_, _>>().map_err(|error| damaged(folder, "records.jsonl", error))?;
    if records.is_empty() {
        let path = folder.join("records.jsonl");
        return Err(Failure::request(format!("{} holds no records", path.display()), "run the experiment first"));
    }
    Ok(records)
}

fn read_text(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).map_err(|error| {
        Failure::request(
            format!("cannot read {}: {error}", path.display()),
            "name the folder of a finished run, as in `axtrain plot runs/quickstart`",
        )
    })
}

fn damaged(folder: &Path, name: &str, error: serde_json::Error) -> Failure {
    let path = folder.join(name);
    Failure::request(format!("{}: {error}", path.display()), "run the experiment again; it writes the file anew")
}

impl Run {
    pub(crate) fn read(folder: &Path) -> Result<Run, Failure> {
        let records = read_records(folder)?;
        let characterizations = serde_json::from_str(&read_text(folder, "characterization.json")?)
            .map_err(|error| damaged(folder, "characterization.json", error))?;
        let compared_with = read_text(folder, "experiment.toml").ok().and_then(|text| compared_with(&text));
        Ok(Run { folder: folder.to_owned(), records, characterizations, compared_with })
    }

    /// The design that comes with one method only while another has more, if there is such a one: what others are compared
    /// with.
    fn baseline(&self) -> Option<&str> {
        let methods = |design: &str| {
            let mut methods: Vec<&str> = self
                .records
                .iter()
                .filter(|record| record.point.design == design)
                .map(|record| record.point.method.as_str())
                .collect();
            methods.sort_unstable();
            methods.dedup();
            methods.len()
        };
        let names = self.characterizations.iter().map(|report| report.design.name.as_str());
        let most = names.clone().map(methods).max()?;
        names.into_iter().find(|name| methods(name) == 1 && (most > 1 || self.characterizations.len() > 1))
    }

    /// Data set, model, array and number of seeds.
    pub(crate) fn conditions(&self) -> String {
        let point = &self.records[0].point;
        let mut seeds: Vec<u64> = self.records.iter().map(|record| record.point.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let (count, plural) = (seeds.len(), if seeds.len() == 1 { "" } else { "s" });
        let images = self.records[0].images;
        format!("{}, {images} images, {}, {}, {count} seed{plural}", point.dataset, point.model, point.array)
    }

    pub(crate) fn circuit(&self) -> String {
        let point = &self.records[0].point;
        format!("{}, clock {:.0} ps", point.technology, point.clock_ps)
    }

    /// Position of what the others are compared with: the baseline at its highest supply, trained the first way.
    pub(crate) fn reference(&self, points: &[Aggregate]) -> Option<usize> {
        let (baseline, method) = match &self.compared_with {
            Some([baseline, method]) => (baseline.as_str(), Some(method)),
            None => (self.baseline()?, None),
        };
        let compared =
            |point: &Aggregate| point.design == baseline && method.is_none_or(|method| point.method == *method);
        let own = (0..points.len()).filter(|&index| compared(&points[index]));
        own.max_by(|&a, &b| points[a].supply_v.total_cmp(&points[b].supply_v))
    }

    fn reference_accuracy(&self, points: &[Aggregate]) -> Option<f64> {
        self.reference(points).map(|index| points[index].accuracy.mean)
    }

    fn energy_accuracy(&self, points: &[Aggregate], baseline: Option<&str>) -> energy_accuracy::EnergyAccuracy {
        let series = groups(points, |point| (point.design.clone(), point.method.clone()));
        let series = series.into_iter().map(|((design, method), members)| energy_accuracy::Series {
            baseline: Some(design.as_str()) == baseline,
            method,
            design,
            points: members
                .iter()
                .map(|point| energy_accuracy::Point {
                    supply_v: point.supply_v,
                    energy_uj: point.energy_uj.total,
                    accuracy: share(point.accuracy),
                })
                .collect(),
        });
        energy_accuracy::EnergyAccuracy {
            groups: "training",
            caption: Caption::new("Energy against accuracy", format!("{}; {}", self.conditions(), self.circuit())),
            series: series.collect(),
            exact_at_nominal: self.reference_accuracy(points),
            front: pareto_front(points)
                .into_iter()
                .map(|index| [points[index].energy_uj.total, points[index].accuracy.mean])
                .collect(),
            accuracy_from: None,
        }
    }

    fn accuracy_voltage(&self, points: &[Aggregate], design: &str) -> accuracy_voltage::AccuracyVoltage {
        let own: Vec<Aggregate> = points.iter().filter(|point| point.design == design).cloned().collect();
        let series = groups(&own, |point| point.method.clone());
        let series = series.into_iter().map(|(method, members)| accuracy_voltage::Series {
            method,
            points: members
                .iter()
                .map(|point| accuracy_voltage::Point { supply_v: point.supply_v, accuracy: share(point.accuracy) })
                .collect(),
        });
        accuracy_voltage::AccuracyVoltage {
            caption: Caption::new(
                format!("Accuracy on {design}"),
                format!("{}; {}", self.conditions(), self.circuit()),
            ),
            series: series.collect(),
            exact_at_nominal: self.reference_accuracy(points),
            accuracy_from: None,
        }
    }

    fn error_voltage(&self) -> error_voltage::ErrorVoltage {
        let designs = self.characterizations.iter().map(|report| error_voltage::Design {
            name: report.design.name.clone(),
            critical_v: report.critical_supply_v,
            points: report
                .operating_points
                .iter()
                .map(|point| error_voltage::Point {
                    supply_v: point.supply_v,
                    error_rate: point.timing.error_rate,
                    energy_fj: Some(point.energy.total_fj),
                })
                .collect(),
        });
        let stimulus =
            self.characterizations.iter().flat_map(|report| &report.operating_points).map(|point| &point.stimulus);
        let stimulus = stimulus.map(String::as_str).next().unwrap_or("no stimulus");
        error_voltage::ErrorVoltage {
            quantities: error_voltage::Quantities::Timing,
            caption: Caption::new("Timing errors over supply", format!("{}; {stimulus} operands", self.circuit())),
            designs: designs.collect(),
        }
    }

    /// Approximation error, and the timing error at the highest and lowest supplies that have any.
    fn error_histogram(&self, design: &str) -> Result<error_histogram::ErrorHistogram, Failure> {
        let report = self.characterizations.iter().find(|report| report.design.name == design);
        let points = report.map_or(&[][..], |report| &report.operating_points[..]);
        let mut failing: Vec<f64> =
            points.iter().filter(|point| point.timing.error_rate > 0.0).map(|point| point.supply_v).collect();
        failing.sort_by(f64::total_cmp);
        failing.dedup();
        let mut shown: Vec<f64> = failing.last().into_iter().chain(failing.first()).copied().collect();
        shown.dedup();
        let mut panels = Vec::new();
        for supply in shown {
            let profile = self.profile(design, supply)?;
            if panels.is_empty() {
                panels.push(distribution("approximation error".to_owned(), &profile.approximation));
            }
            panels.push(distribution(format!("timing error at {supply:.2} V"), &profile.timing));
        }
        if panels.is_empty()
            && let Some(point) = points.first()
        {
            let profile = self.profile(design, point.supply_v)?;
            panels.push(distribution("approximation error".to_owned(), &profile.approximation));
        }
        let stimulus = points.first().map_or("", |point| point.stimulus.as_str());
        Ok(error_histogram::ErrorHistogram {
            caption: Caption::new(format!("Errors of {design}"), format!("{}; {stimulus} operands", self.circuit())),
            panels,
        })
    }

    /// The design's profiles, one a supply.
    fn profiles(&self, design: &str) -> Result<Vec<ErrorProfile>, Failure> {
        let report = self.characterizations.iter().find(|report| report.design.name == design);
        let points = report.map_or(&[][..], |report| &report.operating_points[..]);
        let mut supplies: Vec<f64> = points.iter().map(|point| point.supply_v).collect();
        supplies.sort_by(f64::total_cmp);
        supplies.dedup();
        supplies.into_iter().map(|supply| self.profile(design, supply)).collect()
    }

    fn critical(&self, design: &str) -> Option<Volts> {
        let report = self.characterizations.iter().find(|report| report.design.name == design)?;
        report.critical_supply_v.map(Volts)
    }

    fn profile(&self, design: &str, supply: f64) -> Result<ErrorProfile, Failure> {
        let path = profile_path(&self.folder, design, Volts(supply));
        let help = "run the experiment again; it writes the file anew";
        let file = std::fs::File::open(&path)
            .map_err(|error| Failure::request(format!("cannot read {}: {error}", path.display()), help))?;
        ErrorProfile::read(std::io::BufReader::new(file))
            .map_err(|error| Failure::request(format!("{}: {error}", path.display()), help))
    }

    /// What each design and method saves against the reference; `None` without a reference.
    fn savings(&self, points: &[Aggregate]) -> Option<axtrain_plots::savings::Savings> {
        let reference = &points[self.reference(points)?];
        let bars = groups(points, |point| (point.design.clone(), point.method.clone()));
        let bars = bars.into_iter().map(|((design, method), _)| {
            let own = |point: &Aggregate| point.design == design && point.method == method;
            let saved = savings::saved(points, reference, own);
            (format!("{design}, {method}"), saved.to_vec())
        });
        let against = format!("{}, {} training, {:.2} V", reference.design, reference.method, reference.supply_v);
        let caption = Caption::new("Energy saved", format!("against {against}; {}", self.conditions()));
        Some(savings::figure(caption, bars))
    }

    /// Every design at the highest and at the lowest supply, first method.
    fn energy_breakdown(&self, points: &[Aggregate]) -> energy_breakdown::EnergyBreakdown {
        let by_design = groups(points, |point| point.design.clone());
        let mut bars = Vec::new();
        let mut components = Vec::new();
        for (design, members) in &by_design {
            let method = &members[0].method;
            let mut own: Vec<&&Aggregate> = members.iter().filter(|point| point.method == *method).collect();
            own.sort_by(|a, b| b.supply_v.total_cmp(&a.supply_v));
            let mut ends = vec![own[0]];
            if own.len() > 1 {
                ends.push(own[own.len() - 1]);
            }
            for point in ends {
                let parts = point.energy_uj.parts();
                components = parts.iter().map(|(name, _)| component_label(name)).collect();
                bars.push(energy_breakdown::Bar {
                    name: format!("{design} at {:.2} V", point.supply_v),
                    energy_uj: parts.iter().map(|(_, energy)| *energy).collect(),
                });
            }
        }
        energy_breakdown::EnergyBreakdown {
            caption: Caption::new(
                "Where the energy goes",
                format!("an image; {}; {}", self.conditions(), self.circuit()),
            ),
            quantity: "energy per image".into(),
            components,
            bars,
        }
    }

    /// Mean over seeds of the curves beside the weights; `None` if there are none.
    fn training_curves(&self) -> Result<Option<training_curves::TrainingCurves>, Failure> {
        let folder = self.folder.join("weights");
        let Ok(paths) = whole_files(&folder, "csv") else { return Ok(None) };
        // Curves of one method and design, told by the name up to the seed.
        let mut curves: Vec<(String, Vec<Vec<[f64; 2]>>)> = Vec::new();
        for path in paths {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = stem.rsplit_once("_s").map_or(stem.as_str(), |(name, _)| name).replace('_', " ");
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Failure::request(format!("cannot read {}: {error}", path.display()), "train again")
            })?;
            let epochs = text.lines().skip(1).filter_map(|line| {
                let mut numbers = line.split(',').skip(1).map(|number| number.parse::<f64>().ok());
                Some([numbers.next()??, numbers.next()??])
            });
            let epochs: Vec<[f64; 2]> = epochs.collect();
            match curves.iter_mut().find(|(found, _)| *found == name) {
                Some((_, seeds)) => seeds.push(epochs),
                None => curves.push((name, vec![epochs])),
            }
        }
        let curves = curves.into_iter().map(|(method, seeds)| {
            let epochs = seeds.iter().map(Vec::len).min().unwrap_or(0);
            let over_seeds = |epoch: usize, what: usize| {
                let values: Vec<f64> = seeds.iter().map(|seed| seed[epoch][what]).collect();
                Interval::of(&values)
            };
            let epochs = (0..epochs).map(|epoch| training_curves::Epoch {
                epoch: epoch as u32 + 1,
                loss: estimate(over_seeds(epoch, 0)),
                accuracy: share(over_seeds(epoch, 1)),
            });
            training_curves::Curve { method, epochs: epochs.collect() }
        });
        let curves: Vec<training_curves::Curve> = curves.filter(|curve| !curve.epochs.is_empty()).collect();
        let caption = Caption::new("Training", format!("training images; {}", self.conditions()));
        Ok((!curves.is_empty()).then_some(training_curves::TrainingCurves { caption, curves }))
    }
}

/// Baseline and first training method of an experiment's text.
pub(crate) fn compared_with(experiment: &str) -> Option<[String; 2]> {
    let experiment: toml::Table = experiment.parse().ok()?;
    let baseline = experiment.get("baseline")?.as_str()?;
    let method = experiment.get("training")?.get("methods")?.get(0)?.as_str()?;
    Some([baseline, method].map(str::to_owned))
}

/// A component of the energy as figures write it: `sram_leakage` is `SRAM leakage`.
pub(crate) fn component_label(name: &str) -> String {
    let words = name.split('_').map(|word| match word {
        "mac" | "sram" | "dram" => word.to_uppercase(),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Groups in order of first appearance.
fn groups<K: PartialEq>(points: &[Aggregate], key: impl Fn(&Aggregate) -> K) -> Vec<(K, Vec<&Aggregate>)> {
    let mut groups: Vec<(K, Vec<&Aggregate>)> = Vec::new();
    for point in points {
        let wanted = key(point);
        match groups.iter_mut().find(|(found, _)| *found == wanted) {
            Some((_, members)) => members.push(point),
            None => groups.push((wanted, vec![point])),
        }
    }
    groups
}

fn estimate(interval: Interval) -> Estimate {
    Estimate { mean: interval.mean, low: interval.low, high: interval.high }
}

/// The interval of a share's mean may reach beyond 0…1; the share does not.
pub(crate) fn share(interval: Interval) -> Estimate {
    Estimate { mean: interval.mean, low: interval.low.max(0.0), high: interval.high.min(1.0) }
}
