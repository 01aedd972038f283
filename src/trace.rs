//! Error profiles of a design, a file for each operating point.

use crate::arguments::{TraceFormat, TraceOptions};
use crate::behaviour::{Behaviour, Run, transition_spec};
use crate::characterize::build;
use crate::failure::Failure;
use crate::operating_points::{DesignRequest, exact_clock, numbers};
use crate::output::{print_json, write_atomically};
use crate::progress::Console;
use crate::study::{with_gates, write_profile};
use crate::trace_figures;
use crate::trace_operands::TraceOperands;
use crate::trace_summary::{Snr, Summary, print};
use crate::transition_cache::TransitionCache;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::profile::{
    Design, ErrorMetrics, ErrorProfile, ErrorTrace, MetricOptions, OperandDistribution, Operation, ProfileMetadata,
    SimulatedOperations, Stimulus,
};
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::Volts;
use rayon::prelude::*;
use std::io::Cursor;
use std::path::PathBuf;

/// Writes the profile of each operating point and, if asked to, what happened there operation by operation.
pub(crate) fn run(options: &TraceOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let request = DesignRequest::read(&options.design)?;
    let technology = request.technology(&options.technology)?;
    let supplies = request.supplies(options.supply.as_deref(), &technology)?;
    let clock_ps = request.clock_ps(None);
    let design = build(with_gates(request.multiplier)?, &technology)?;
    let points = operating_points(options, (supplies, clock_ps), &design, &technology)?;
    let bits = activation_bits(options, &design)?;
    let sources = TraceOperands::of(options, &design, bits, seed)?;
    let cache = options.cache.clone().map(TransitionCache::at);
    let behaviour = Behaviour::simulate(&design, &technology, &points, bits, cache.as_ref(), console)?;
    if let (0, Some(reason)) = (behaviour.operating_points().len(), behaviour.not_tabulated().next()) {
        return Err(Failure::request(
            reason,
            "profiles need transitions between settled states; choose other points, or see `axtrain characterize` for this one",
        ));
    }
    for reason in behaviour.not_tabulated() {
        console.note(&format!("{}: {reason}", design.name()));
    }
    let job = Job { options, seed, design: &design, technology: &technology, behaviour: &behaviour };
    let mut written = Vec::new();
    for source in &sources {
        let (profiles, summaries): (Vec<_>, Vec<_>) = job.write(source)?.into_iter().unzip();
        if options.figures {
            for path in job.draw(source, profiles)? {
                console.note(&path.display().to_string());
            }
        }
        written.push(summaries);
    }
    if options.json {
        print_json(&written.concat());
    } else {
        print(design.name(), &written);
    }
    Ok(())
}

/// A simulated design whose profiles and traces are to be written.
struct Job<'a> {
    options: &'a TraceOptions,
    seed: u64,
    design: &'a Design,
    technology: &'a Technology,
    behaviour: &'a Behaviour,
}

impl Job<'_> {
    /// Writes the files of these operands, some for each operating point.
    fn write(&self, source: &TraceOperands) -> Result<Vec<(ErrorProfile, Summary)>, Failure> {
        let bits = source.stimulus.activation_bits();
        let simulate = |operations: &Vec<Operation>| -> Vec<SimulatedOperations> {
            let runs = self.behaviour.runs(self.design);
            let run = |run: Run<'_>| {
                let spec = transition_spec(self.design, run.physical, bits, &run.windows);
                SimulatedOperations::new(spec, operations.clone()).expect("a design whose transitions are tabulated")
            };
            runs.map(run).collect()
        };
        let simulated = source.operations.as_ref().map(simulate);
        let points: Vec<OperatingPoint> = self.behaviour.operating_points().collect();
        let wmed = source.layer.is_some().then(|| self.weighted_error_distance(&source.stimulus));
        let gemms = source.layer.as_ref().map(|_| self.gemms());
        let behaviour = self.behaviour.under(&source.stimulus);
        let write = |position: usize| {
            let point = points[position];
            let mut stem = file_stem(self.design, point);
            if let Some(layer) = &source.layer {
                stem += &format!("_{}", file_name(&layer.layer().name));
            }
            let profile = behaviour.profile(self.design, self.technology, position);
            let path = self.options.out.join(format!("{stem}.npz"));
            write_profile(&path, &profile)?;
            let mut summary = Summary::new(path, &profile);
            if let (Some(layer), Some([exact, settled])) = (&source.layer, &gemms) {
                let (table, errors) = (self.behaviour.table(position), self.behaviour.errors(position));
                summary.layer = Some(layer.layer().name.clone());
                summary.wmed = wmed;
                summary.snr_db = Some(Snr::new(&layer.noise(exact, settled, table, errors)));
            }
            if let Some(simulated) = &simulated {
                let (run, window) = self.behaviour.place(position);
                let trace = simulated[run].trace(window, self.technology.switching_factor(point.supply));
                let seed = source.drawn.then_some(self.seed);
                let metadata = ProfileMetadata { seed, ..profile.metadata.clone() };
                summary.trace = Some(self.write_trace(&stem, &trace, metadata)?);
            }
            Ok((profile, summary))
        };
        (0..points.len()).into_par_iter().map(write).collect()
    }

    /// Mean distance of settled from exact products, operands weighted as they occur, in shares of the largest product.
    fn weighted_error_distance(&self, stimulus: &Stimulus) -> f64 {
        let multiplier = &self.design.multiplier;
        let mut activations = stimulus.activations();
        activations.resize(1 << multiplier.width_a(), 0.0);
        let [first, second] = [activations, stimulus.weights().to_vec()].map(OperandDistribution::Histogram);
        let metrics = ErrorMetrics::weighted_table(&self.design.product, [&first, &second], MetricOptions::default());
        metrics.expect("distributions of the operands' widths").nmed
    }

    /// Exact and settled products.
    fn gemms(&self) -> [TableGemm; 2] {
        let product = &self.design.product;
        let exact = ProductTable::exact(product.width_a(), product.width_b(), product.signed());
        [TableGemm::new(&exact), TableGemm::new(product)]
    }

    /// Draws what the profiles of these operands say, each clock by itself.
    fn draw(&self, source: &TraceOperands, mut profiles: Vec<ErrorProfile>) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        while let Some(first) = profiles.first() {
            let clock_ps = first.metadata.clock_ps;
            let own: Vec<ErrorProfile>;
            (own, profiles) = profiles.into_iter().partition(|profile| profile.metadata.clock_ps == clock_ps);
            let mut prefix = format!("{}@{clock_ps}ps", file_name(self.design.name()));
            if let Some(layer) = &source.layer {
                prefix += &format!("_{}", file_name(&layer.layer().name));
            }
            let critical = self.design.critical_supply(self.technology, clock_ps);
            files.extend(trace_figures::draw(&own, critical, &self.options.out.join("figures"), &prefix)?);
        }
        Ok(files)
    }

    fn write_trace(&self, stem: &str, trace: &ErrorTrace, metadata: ProfileMetadata) -> Result<PathBuf, Failure> {
        let named = |extension: &str| self.options.out.join(format!("{stem}.trace.{extension}"));
        let (path, bytes) = match self.options.format {
            TraceFormat::Csv => (named("csv"), trace.to_csv(&metadata).into_bytes()),
            TraceFormat::Npz => {
                let mut file = Cursor::new(Vec::new());
                trace.write(&metadata, &mut file).map_err(|error| Failure::write(&named("npz"), error))?;
                (named("npz"), file.into_inner())
            }
        };
        write_atomically(&path, &bytes)?;
        Ok(path)
    }
}

/// `<design>@<supply>V_<clock>ps`.
fn file_stem(design: &Design, OperatingPoint { supply: Volts(supply), clock_ps }: OperatingPoint) -> String {
    // More decimals only where three do not say it, so that no two points share a name.
    let short = format!("{supply:.3}");
    let supply = if short.parse() == Ok(supply) { short } else { supply.to_string() };
    format!("{}@{supply}V_{clock_ps}ps", file_name(design.name()))
}

/// A name without what would lead to another folder.
fn file_name(name: &str) -> String {
    name.replace(['/', '\\'], "_")
}

/// The cross product of supplies and clocks, supply-major; a clock that the design file names, unless others are asked for.
fn operating_points(
    options: &TraceOptions,
    (mut supplies, own_clock): (Vec<Volts>, Option<f64>),
    design: &Design,
    technology: &Technology,
) -> Result<Vec<OperatingPoint>, Failure> {
    if supplies.is_empty() {
        supplies.push(technology.nominal_supply());
    }
    let help = "--clock-ps takes positive numbers: 1400, a list as 1200,1400, or lo:hi:step";
    let clocks = match (&options.clock_ps, own_clock) {
        (Some(text), _) => numbers(text, help)?,
        (None, Some(clock_ps)) => vec![clock_ps],
        (None, None) => vec![exact_clock(&design.multiplier, technology)?],
    };
    if let Some(clock) = clocks.iter().find(|clock| !(clock.is_finite() && **clock > 0.0)) {
        return Err(Failure::request(format!("a clock period of {clock} ps"), help));
    }
    let points =
        supplies.iter().flat_map(|&supply| clocks.iter().map(move |&clock_ps| OperatingPoint { supply, clock_ps }));
    Ok(points.collect())
}

fn activation_bits(options: &TraceOptions, design: &Design) -> Result<u32, Failure> {
    let (width, signed) = (design.multiplier.width_a(), design.multiplier.signed());
    match options.activation_bits {
        None => Ok(if signed { (width - 1).max(1) } else { width }),
        Some(bits) if (1..=width).contains(&bits) => Ok(bits),
        Some(bits) => {
            let message = format!("activations of {bits} bits for an operand of {width}");
            Err(Failure::request(message, format!("--activation-bits takes 1 to {width}")))
        }
    }
}
