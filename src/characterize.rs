//! Error metrics, structure, timing errors and energy of multipliers.

use crate::arguments::{CharacterizeOptions, ErrorOptions, NormaliserOption, ZeroOption};
use crate::catalogue::Source;
use crate::failure::Failure;
use crate::output::{print_json, print_line};
use crate::progress::Console;
use crate::study::{any_multiplier, behaviour, report, technology};
use axtrain_sim::array::Gemm;
use axtrain_sim::config::Range;
use axtrain_sim::engine::StaticTiming;
use axtrain_sim::kernel::{Plan, Shape, TableGemm};
use axtrain_sim::multiplier::{AnyMultiplier, Multiplier, NumberFormat, ProductTable, TabulatedMultiplier};
use axtrain_sim::profile::{
    Design, ErrorMetrics, MetricIntervals, MetricOptions, Normaliser, OperandDistribution, Sampled, SampledMetrics,
    ZeroPolicy, product_table,
};
use axtrain_sim::report::{Characterization, DesignSummary, KernelPlan, MeasuredError, Structure, TimingReport};
use axtrain_sim::technology::{MissingCells, OperatingPoint, Technology};
use axtrain_sim::units::{Picoseconds, Volts};
use comfy_table::{CellAlignment, Table, presets};
use std::path::Path;

/// Characterises each design file.
pub(crate) fn run(options: &CharacterizeOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    let technology = technology(&options.technology, Path::new("."))?;
    let supplies = supplies(options.supply.as_deref(), &technology)?;
    check_clock(options.clock_ps)?;
    let request = ErrorRequest::new(&options.errors, seed)?;
    let (mut reports, mut plans) = (Vec::new(), Vec::new());
    for path in &options.designs {
        let given = any_multiplier(path)?;
        let plan = options.explain.map(|gemm| plan(&given, gemm)).transpose()?;
        let mut report = match given {
            AnyMultiplier::Table(table) if supplies.is_empty() && !options.path => without_gates(&table, &request)?,
            given => {
                let help = "leave --supply and --path away, or give its circuit: family, verilog, blif or yosys-json";
                let multiplier = given.gates().map_err(|error| Failure::request(error, help))?;
                let timed = options.path.then(|| static_timing(&multiplier, &technology, options.clock_ps));
                let timed = timed.transpose()?;
                let mut report = if supplies.is_empty() {
                    settled(multiplier, &technology, &request, console)?
                } else if multiplier.is_tabulable() {
                    at_operating_points(multiplier, &technology, &supplies, options.clock_ps, &request, console)?
                } else {
                    let message = format!("{} has operands too wide for operating points", multiplier.name());
                    return Err(Failure::request(
                        message,
                        "they need operands of at most 8 bits; leave --supply away",
                    ));
                };
                report.static_timing = timed;
                report
            }
        };
        report.kernel = plan.as_ref().map(KernelPlan::from);
        reports.push(report);
        plans.push(plan);
    }
    if options.json {
        match &reports[..] {
            [single] => print_json(single),
            several => print_json(&several),
        }
    } else {
        for (report, plan) in reports.iter().zip(plans) {
            print(report);
            plan.iter()
                .for_each(|plan| print_line(&format!("  {}", plan.to_string().trim_end().replace('\n', "\n  "))));
        }
    }
    Ok(())
}

/// How matrices are multiplied over a design's products. Activations of signed designs are never negative.
fn plan(given: &AnyMultiplier, gemm: Gemm) -> Result<Plan, Failure> {
    let too_wide = || {
        Failure::request(
            format!("{} has operands of more than 8 bits", given.name()),
            "--explain takes operands of at most 8 bits; wider tables are looked up row by row",
        )
    };
    let size = |value: u64| usize::try_from(value).ok().filter(|&value| value <= 1 << 20);
    let (Some(m), Some(k), Some(n)) = (size(gemm.m()), size(gemm.k()), size(gemm.n())) else {
        return Err(Failure::request("a matrix of more than 2^20 rows or columns", "--explain takes smaller ones"));
    };
    let table = match given {
        AnyMultiplier::Table(multiplier) => multiplier.table().clone(),
        AnyMultiplier::Gates(multiplier) if multiplier.is_tabulable() => product_table(multiplier),
        AnyMultiplier::Gates(_) => return Err(too_wide()),
    };
    if table.width_a().max(table.width_b()) > TableGemm::MAX_WIDTH {
        return Err(too_wide());
    }
    let bits = table.width_a() - u32::from(table.signed() && table.width_a() > 1);
    Ok(TableGemm::new(&table).plan(Shape { m, k, n }, ((1u32 << bits) - 1) as u8))
}

/// Latest arrivals at nominal supply, and the slack that a clock leaves.
fn static_timing(
    multiplier: &Multiplier,
    technology: &Technology,
    clock_ps: Option<f64>,
) -> Result<TimingReport, Failure> {
    let netlist = multiplier.netlist();
    let physical = technology.weigh(netlist).map_err(incomplete)?;
    let timing = StaticTiming::new(netlist, &physical.delay);
    let registers = f64::from(physical.launch.0 + physical.setup.0);
    let window = clock_ps.map_or(f64::from(timing.critical_delay().0 + 1), |clock| clock.floor() - registers);
    if window < 1.0 {
        let message = format!("registers alone take {registers:.0} ps, which leaves nothing of the clock");
        return Err(Failure::request(message, "give a longer --clock-ps"));
    }
    Ok(TimingReport::new(netlist, &timing, Picoseconds(window.min(f64::from(u32::MAX)) as u32)))
}

/// A circuit at its operating points.
fn at_operating_points(
    multiplier: Multiplier,
    technology: &Technology,
    supplies: &[Volts],
    clock_ps: Option<f64>,
    request: &ErrorRequest,
    console: &Console,
) -> Result<Characterization, Failure> {
    let design = build(multiplier, technology)?;
    let clock_ps = clock_ps.map_or_else(|| exact_clock(&design, technology), Ok)?;
    let points: Vec<OperatingPoint> = supplies.iter().map(|&supply| OperatingPoint { supply, clock_ps }).collect();
    let behaviour = behaviour(&design, technology, &points, console)?;
    for reason in &behaviour.refused {
        console.note(&format!("{}: {reason}", design.name()));
    }
    let mut summary = report(&design, technology, &behaviour);
    if !request.is_default() {
        summary.approximation = request.measure(Products::Gates(&design.multiplier))?;
    }
    Ok(summary)
}

/// A circuit's errors and, if the technology has all its cells, what it weighs.
fn settled(
    multiplier: Multiplier,
    technology: &Technology,
    request: &ErrorRequest,
    console: &Console,
) -> Result<Characterization, Failure> {
    let netlist = multiplier.netlist();
    let structure = match technology.weigh(netlist) {
        Ok(physical) => Some(Structure::new(netlist, &physical, &StaticTiming::new(netlist, &physical.delay))),
        Err(missing) => {
            console.note(&format!("{}: no area and delay, for {missing}", multiplier.name()));
            None
        }
    };
    let table_sha256 = multiplier.is_tabulable().then(|| product_table(&multiplier).sha256());
    let identity = DesignSummary::new(&multiplier, table_sha256);
    Ok(Characterization::settled(identity, request.measure(Products::Gates(&multiplier))?, structure))
}

/// A table of products, which has errors only.
fn without_gates(multiplier: &TabulatedMultiplier, request: &ErrorRequest) -> Result<Characterization, Failure> {
    let products = Products::Table(multiplier.name(), multiplier.table());
    Ok(Characterization::settled(DesignSummary::of_table(multiplier), request.measure(products)?, None))
}

/// Where products to measure come from.
#[derive(Clone, Copy)]
enum Products<'a> {
    Gates(&'a Multiplier),
    /// With the design's name.
    Table(&'a str, &'a ProductTable),
}

/// Which error metrics to find, and how.
struct ErrorRequest {
    conventions: MetricOptions,
    /// Distributions of the first and the second operand, as given and as meant.
    operands: [(String, OperandDistribution); 2],
    sample: Option<Sampled>,
}

impl ErrorRequest {
    fn new(options: &ErrorOptions, seed: u64) -> Result<Self, Failure> {
        let normaliser = match options.normaliser {
            NormaliserOption::CodeRange => Normaliser::CodeRange,
            NormaliserOption::LargestProduct => Normaliser::LargestProduct,
            NormaliserOption::LargestUnsigned => Normaliser::LargestUnsigned,
        };
        let zeros = match options.zeros {
            ZeroOption::Skip => ZeroPolicy::Skip,
            ZeroOption::Count => ZeroPolicy::Count,
        };
        let operands = match &options.operands[..] {
            [both] => [both, both],
            [first, second] => [first, second],
            more => {
                let message = format!("{} distributions for two operands", more.len());
                return Err(Failure::request(message, "--operands is given once for both, or twice"));
            }
        };
        let [first, second] =
            operands.map(|text| distribution(text).map(|distribution| (text.clone(), distribution)));
        Ok(Self {
            conventions: MetricOptions { normaliser, zeros },
            operands: [first?, second?],
            sample: options.samples.map(|vectors| Sampled { vectors, seed }),
        })
    }

    /// Whether a [`Design`]'s own metrics are what is asked for.
    fn is_default(&self) -> bool {
        self.conventions == MetricOptions::default() && self.is_uniform() && self.sample.is_none()
    }

    fn is_uniform(&self) -> bool {
        self.operands.iter().all(|(_, distribution)| *distribution == OperandDistribution::Uniform)
    }

    fn measure(&self, products: Products<'_>) -> Result<MeasuredError, Failure> {
        if let Products::Gates(multiplier) = products
            && multiplier.coding().format() == NumberFormat::SignMagnitude
        {
            // Operands are distributed over the codes that numbers have outside the gates.
            return self.measure(Products::Table(multiplier.name(), &product_table(multiplier)));
        }
        let conventions = self.conventions;
        let [(first_name, first), (second_name, second)] = &self.operands;
        let (operands, named) = ([first, second], Some([first_name.clone(), second_name.clone()]));
        let (name, bits) = match products {
            Products::Gates(multiplier) => (multiplier.name(), multiplier.product_width()),
            Products::Table(name, table) => (name, table.width_a() + table.width_b()),
        };
        let refused = |error| {
            Failure::request(format!("{name}: {error}"), "--operands takes uniform, normal:MEAN,SD or a file")
        };
        Ok(if let Some(sample) = self.sample {
            let sampled = match products {
                Products::Gates(multiplier) => {
                    ErrorMetrics::sampled(multiplier.netlist(), multiplier.signed(), operands, sample, conventions)
                }
                Products::Table(_, table) => ErrorMetrics::sampled_table(table, operands, sample, conventions),
            };
            let SampledMetrics { error, ci95 } = sampled.map_err(refused)?;
            let (method, vectors) = ("sampled".to_owned(), sample.vectors);
            MeasuredError { method, vectors, operands: named, error, ci95: Some(ci95) }
        } else if self.is_uniform() {
            MeasuredError::exhaustive(
                bits,
                match products {
                    Products::Gates(multiplier) => {
                        ErrorMetrics::of_netlist(multiplier.netlist(), multiplier.signed(), conventions)
                    }
                    Products::Table(_, table) => ErrorMetrics::of_table(table, conventions),
                },
            )
        } else {
            let weighted = match products {
                Products::Gates(multiplier) => {
                    ErrorMetrics::weighted(multiplier.netlist(), multiplier.signed(), operands, conventions)
                }
                Products::Table(_, table) => ErrorMetrics::weighted_table(table, operands, conventions),
            };
            let error = weighted.map_err(refused)?;
            MeasuredError { method: "weighted".to_owned(), vectors: 1 << bits, operands: named, error, ci95: None }
        })
    }
}

/// A distribution by its description, or else from the file of that name.
pub(crate) fn distribution(text: &str) -> Result<OperandDistribution, Failure> {
    if text == "uniform" || text.starts_with("normal:") {
        return text.parse().map_err(|error| Failure::request(error, "as in --operands normal:0,32"));
    }
    let source = Source::read(Path::new(text))?;
    OperandDistribution::histogram(&source.text).map_err(|error| Failure::in_file(source.parts(), None, error, None))
}

pub(crate) fn build(multiplier: Multiplier, technology: &Technology) -> Result<Design, Failure> {
    Design::new(multiplier, technology).map_err(incomplete)
}

fn incomplete(missing: MissingCells) -> Failure {
    Failure::request(missing, "complete the technology file")
}

fn check_clock(clock_ps: Option<f64>) -> Result<(), Failure> {
    match clock_ps.filter(|clock| !(clock.is_finite() && *clock > 0.0)) {
        Some(clock) => {
            Err(Failure::request(format!("a clock period of {clock} ps"), "--clock-ps takes positive numbers"))
        }
        None => Ok(()),
    }
}

/// The numbers of a list or of lo:hi:step.
pub(crate) fn numbers(text: &str, help: &str) -> Result<Vec<f64>, Failure> {
    let range = if text.contains(':') {
        Range::Steps(text.to_owned())
    } else {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
        Range::List(numbers.map_err(|error| Failure::request(format!("\"{text}\": {error}"), help))?)
    };
    range.values().map_err(|message| Failure::request(message, help))
}

/// Supplies as asked for, none if none were; the technology knows them all.
pub(crate) fn supplies(text: Option<&str>, technology: &Technology) -> Result<Vec<Volts>, Failure> {
    let help = "--supply takes 0.9, a list as 0.8,0.9,1.0, or lo:hi:step";
    let values = text.map_or(Ok(Vec::new()), |text| numbers(text, help))?;
    let supplies: Vec<Volts> = values.into_iter().map(Volts).collect();
    for &supply in &supplies {
        technology.slowdown(supply).map_err(|error| Failure::request(error, help))?;
    }
    Ok(supplies)
}

/// What the exact array multiplier of equal width and format needs at nominal supply.
pub(crate) fn exact_clock(design: &Design, technology: &Technology) -> Result<f64, Failure> {
    let exact = design.multiplier.exact();
    let exact =
        exact.map_err(|error| Failure::request(error, "give --clock-ps: there is no exact array of this shape"))?;
    Ok(build(exact, technology)?.minimum_clock_ps())
}

fn print(report: &Characterization) {
    let design = &report.design;
    let format = match design.format {
        NumberFormat::TwosComplement => "signed",
        format => format.name(),
    };
    print_line(&format!("{} ({}, {format} {}×{})", design.name, design.family, design.width_a, design.width_b));
    let MeasuredError { method, vectors, error, ci95, .. } = &report.approximation;
    print_line(&format!(
        "  error ({method}, {vectors} pairs): MAE {:.4} ({:.4} %), WCE {} ({:.4} %), EP {:.2} %,",
        error.mae, error.mae_percent, error.wce, error.wce_percent, error.ep_percent
    ));
    print_line(&format!(
        "    MRE {:.3} %, WCRE {:.2} %, MSE {:.5}, mean {:.4}, NMED {:.2e}, NoEB {:.2}",
        error.mre_percent, error.wcre_percent, error.mse, error.mean_error, error.nmed, error.noeb
    ));
    if let Some(MetricIntervals { mae: [low, high], ep_percent: ep, mre_percent: mre, .. }) = ci95 {
        print_line(&format!(
            "    95 % confidence: MAE {low:.4} to {high:.4}, EP {:.2} to {:.2} %, MRE {:.3} to {:.3} %",
            ep[0], ep[1], mre[0], mre[1]
        ));
    }
    if let Some(structure) = report.structure {
        print_line(&format!(
            "  {} cells, {:.1} µm², critical path {:.0} ps, leakage {:.2} µW",
            structure.cells,
            structure.area_um2,
            structure.critical_path_ps,
            structure.leakage_nw / 1e3
        ));
    }
    if let Some(timing) = &report.static_timing {
        print_timing(timing);
    }
    if report.operating_points.is_empty() {
        return;
    }
    let first = &report.operating_points[0];
    let critical = report.critical_supply_v.map_or("no supply".to_owned(), |supply| format!("{supply:.3} V"));
    print_line(&format!(
        "  clock {:.0} ps, met statically from {critical} up; {} operands",
        first.clock_ps, first.stimulus
    ));
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["supply", "wrong", "mean error", "MAE", "fJ an operation", "of it glitches"]);
    for point in &report.operating_points {
        table.add_row([
            format!("{:.3} V", point.supply_v),
            format!("{:.4} %", 100.0 * point.timing.error_rate),
            format!("{:.3}", point.timing.mean_error),
            format!("{:.3}", point.timing.mae),
            format!("{:.1}", point.energy.total_fj),
            format!("{:.0} %", 100.0 * point.energy.glitch_fj / point.energy.total_fj),
        ]);
    }
    print_aligned(&mut table);
    if let Some(minimum) = report.minimum_energy {
        let end = if minimum.at_end_of_law { ", where the delay law ends" } else { "" };
        print_line(&format!(
            "  least energy: {:.1} fJ an operation at {:.3} V and its shortest clock of {:.0} ps{end}",
            minimum.energy.total_fj, minimum.supply_v, minimum.clock_ps
        ));
    }
}

/// The critical path pin by pin, then every output.
fn print_timing(timing: &TimingReport) {
    print_line(&format!("  critical path, sampled before {} ps:", timing.window_ps));
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["net", "cell", "from", "to", "delay, ps", "arrival, ps"]);
    for step in &timing.critical_path {
        let [from, to] = step.pins.clone().unwrap_or_default();
        let cell = step.cell.clone().unwrap_or_else(|| "input".to_owned());
        table.add_row([step.net.clone(), cell, from, to, step.delay_ps.to_string(), step.arrival_ps.to_string()]);
    }
    print_aligned(&mut table);
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["output", "arrival, ps", "slack, ps"]);
    for output in &timing.outputs {
        table.add_row([output.output.clone(), output.arrival_ps.to_string(), output.slack_ps.to_string()]);
    }
    print_aligned(&mut table);
}

fn print_aligned(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_line(&table.to_string());
}
