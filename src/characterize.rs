//! Error metrics, structure, timing errors and energy of multipliers.

use crate::arguments::{CharacterizeOptions, ErrorOptions, NormaliserOption, StimulusOption, ZeroOption};
use crate::behaviour::{Circuit, add_overlapping, behaviour, report, variation, warn_beyond_law};
use crate::catalogue::Source;
use crate::characterize_tables::print;
use crate::failure::Failure;
use crate::operating_points::{DesignRequest, check_clock, exact_clock, incomplete};
use crate::output::{print_json, print_line};
use crate::progress::Console;
use crate::transition_cache::TransitionCache;
use axtrain_sim::array::{Accumulator, Gemm, MultiplyAccumulate, MultiplyAccumulateSpec};
use axtrain_sim::engine::{DelayMode, StaticTiming};
use axtrain_sim::kernel::{Plan, RowGemm, Shape, TableGemm};
use axtrain_sim::multiplier::{AnyMultiplier, Multiplier, NumberFormat, ProductTable, TabulatedMultiplier};
use axtrain_sim::profile::{
    Changing, Design, ErrorMetrics, MetricOptions, Normaliser, OperandDistribution, Pass, Sampled, SampledMetrics,
    TransitionSpec, ZeroPolicy, product_table,
};
use axtrain_sim::report::{
    Characterization, DesignSummary, KernelPlan, MeasuredError, MultiplyAccumulateReport, Structure, TimingReport,
};
use axtrain_sim::technology::{OperatingPoint, Technology};
use axtrain_sim::units::{Picoseconds, Volts};
use std::path::Path;

/// Characterises each design file.
pub(crate) fn run(options: &CharacterizeOptions, seed: u64, console: &Console) -> Result<(), Failure> {
    check_clock(options.clock_ps)?;
    let request = ErrorRequest::new(&options.errors, seed)?;
    let (mut reports, mut plans) = (Vec::new(), Vec::new());
    for path in &options.designs {
        let design = DesignRequest::read(path)?;
        let plan = options.explain.map(|gemm| plan(&design.multiplier, gemm)).transpose()?;
        let mut report = report_of(design, options, &request, console)?;
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

/// Everything that is asked about one design.
fn report_of(
    design: DesignRequest,
    options: &CharacterizeOptions,
    request: &ErrorRequest,
    console: &Console,
) -> Result<Characterization, Failure> {
    let technology = design.technology(&options.technology)?;
    let supplies = design.supplies(options.supply.as_deref(), &technology)?;
    let clock_ps = design.clock_ps(options.clock_ps);
    check_points(options, &supplies)?;
    if let AnyMultiplier::Table(table) = &design.multiplier
        && supplies.is_empty()
        && !options.path
    {
        return without_gates(table, request);
    }
    let help = "leave --supply and --path away, or give its circuit: family, verilog, blif or yosys-json";
    let multiplier = design.multiplier.gates().map_err(|error| Failure::request(error, help))?;
    let timed = options.path.then(|| static_timing(&multiplier, &technology, clock_ps)).transpose()?;
    let mut report = if supplies.is_empty() {
        settled(&multiplier, &technology, request, console)?
    } else {
        let accumulator = options.accumulator.map(|bits| accumulator(bits, &multiplier, &technology)).transpose()?;
        let clock_ps = match clock_ps {
            Some(clock_ps) => clock_ps,
            None => pipeline_clock(&multiplier, accumulator.as_ref(), &technology)?,
        };
        let points: Vec<OperatingPoint> =
            supplies.iter().map(|&supply| OperatingPoint { supply, clock_ps }).collect();
        let whole = accumulator.map(|accumulator| {
            multiply_accumulate(&multiplier, &accumulator, &technology, (&points, options.stimulus), request, console)
        });
        let whole = whole.transpose()?;
        let mut report = if options.stimulus == StimulusOption::WeightStationary && has_transitions(&multiplier) {
            let cache = options.cache.clone().map(TransitionCache::at);
            at_operating_points(multiplier, &technology, (&points, cache.as_ref()), options.chips, request, console)?
        } else if options.chips.is_none() {
            drawn_points(&multiplier, &technology, &points, options.stimulus, request, console)?
        } else {
            let message = format!("{}: chips are drawn with transitions of one operand", multiplier.name());
            let help = "--chips needs operands of at most 8 bits and no --stimulus pair; leave it away";
            return Err(Failure::request(message, help));
        };
        report.multiply_accumulate = whole;
        report
    };
    report.static_timing = timed;
    Ok(report)
}

/// Refuses options that say how operating points are looked at where there are none.
fn check_points(options: &CharacterizeOptions, supplies: &[Volts]) -> Result<(), Failure> {
    let asked = [
        (options.chips.is_some(), "--chips"),
        (options.accumulator.is_some(), "--accumulator"),
        (options.stimulus == StimulusOption::Pair, "--stimulus"),
    ];
    match asked.into_iter().find(|(asked, _)| *asked && supplies.is_empty()) {
        Some((_, option)) => {
            let help = "add --supply, or supply_v in a table [operation] of the design file";
            Err(Failure::request(format!("{option} needs operating points"), help))
        }
        None => Ok(()),
    }
}

/// How matrices are multiplied over a design's products. Activations of signed designs are never negative.
fn plan(given: &AnyMultiplier, gemm: Gemm) -> Result<Plan, Failure> {
    let too_wide = || {
        Failure::request(
            format!("{} has operands of more than {} bits together", given.name(), ProductTable::MAX_INPUT_BITS),
            "--explain takes multipliers whose products fit a table, such as 12×12 bits; leave it away",
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
    let widths = [table.width_a(), table.width_b()];
    if widths.into_iter().any(|width| width > TableGemm::MAX_WIDTH) {
        return Ok(RowGemm::plan(widths, Shape { m, k, n }));
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
    let timing = StaticTiming::with_delays(netlist, &physical.delay);
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
    (points, cache): (&[OperatingPoint], Option<&TransitionCache>),
    chips: Option<u64>,
    request: &ErrorRequest,
    console: &Console,
) -> Result<Characterization, Failure> {
    let design = build(multiplier, technology)?;
    let behaviour = behaviour(&design, technology, points, cache, console)?;
    for reason in behaviour.refused() {
        console.note(&format!("{}: {reason}", design.name()));
    }
    let mut summary = report(&design, technology, &behaviour);
    add_overlapping(&mut summary, &design, technology, &behaviour, points, request.seed);
    if let Some(chips) = chips {
        summary.variation = Some(variation(&design, technology, points, (chips, request.seed), console)?);
    }
    if !request.is_default() {
        summary.approximation = request.measure(Products::Gates(&design.multiplier))?;
    }
    Ok(summary)
}

/// Whether all transitions can be simulated.
fn has_transitions(multiplier: &Multiplier) -> bool {
    multiplier.is_tabulable() && multiplier.width_a().max(multiplier.width_b()) <= 8
}

/// Widest operands and product that operations are drawn of.
const WIDEST: [u32; 2] = [16, 32];

fn check_widths(multiplier: &Multiplier) -> Result<(), Failure> {
    if multiplier.width_a().max(multiplier.width_b()) > WIDEST[0] || multiplier.product_width() > WIDEST[1] {
        let message = format!("{} has operands too wide for operating points", multiplier.name());
        return Err(Failure::request(message, "they need operands of at most 16 bits; leave --supply away"));
    }
    Ok(())
}

/// What changes in drawn operations, and bits of an activation.
fn drawn_operands(multiplier: &Multiplier, stimulus: StimulusOption) -> (Changing, u32) {
    let width = multiplier.width_a();
    match stimulus {
        StimulusOption::Pair => (Changing::Both, width),
        // Of signed designs they are never negative.
        StimulusOption::WeightStationary => (Changing::Activation, (width - u32::from(multiplier.signed())).max(1)),
    }
}

/// The accumulator behind a multiplier.
fn accumulator(bits: u32, multiplier: &Multiplier, technology: &Technology) -> Result<Accumulator, Failure> {
    Accumulator::new(bits, multiplier.coding(), technology).map_err(incomplete)
}

/// What the slower stage of a pipeline needs at nominal supply: the exact array multiplier of equal width and format, or the
/// accumulator behind it.
fn pipeline_clock(
    multiplier: &Multiplier,
    accumulator: Option<&Accumulator>,
    technology: &Technology,
) -> Result<f64, Failure> {
    let exact = exact_clock(multiplier, technology)?;
    Ok(accumulator.map_or(exact, |Accumulator { netlist, physical, .. }| {
        exact.max(physical.minimum_clock_ps(StaticTiming::with_delays(netlist, &physical.delay).critical_delay()))
    }))
}

/// Elements of the column that multiply-accumulates are drawn in.
const ROWS: usize = 16;

/// Multiply-accumulates drawn at each operating point.
const DRAWN: u64 = 1 << 20;

/// A multiplier with an accumulator behind its product register at operating points.
fn multiply_accumulate(
    multiplier: &Multiplier,
    accumulator: &Accumulator,
    technology: &Technology,
    (points, stimulus): (&[OperatingPoint], StimulusOption),
    request: &ErrorRequest,
    console: &Console,
) -> Result<MultiplyAccumulateReport, Failure> {
    check_widths(multiplier)?;
    let netlists = [multiplier.netlist(), &accumulator.netlist];
    let physical = technology.weigh(netlists[0]).map_err(incomplete)?;
    let nominal = [&physical, &accumulator.physical];
    let (changing, activation_bits) = drawn_operands(multiplier, stimulus);
    let mut report = MultiplyAccumulateReport::new(accumulator, ROWS, request.seed);
    let stage = console.stage("multiply-accumulate", points.len() as u64);
    stage.message(multiplier.name().to_owned());
    for &point in points {
        let pass = |place: usize| {
            let (netlist, physical) = (netlists[place], nominal[place]);
            let critical = StaticTiming::with_delays(netlist, &physical.delay).critical_delay();
            Pass::new(technology, netlist, physical, critical, point)
        };
        let passes = match (pass(0), pass(1)) {
            (Ok(multiplier), Ok(accumulator)) => [multiplier, accumulator],
            (Err(reason), _) | (_, Err(reason)) => {
                console.note(&format!("{} with accumulator: {reason}", multiplier.name()));
                continue;
            }
        };
        let found = MultiplyAccumulate::simulate(MultiplyAccumulateSpec {
            circuit: TransitionSpec {
                netlist: netlists[0],
                physical: passes[0].own_physical().unwrap_or(&physical),
                coding: multiplier.coding(),
                activation_bits,
                mode: DelayMode::Inertial,
                windows: &[],
            },
            accumulator,
            passes: passes.each_ref(),
            changing,
            rows: ROWS,
            operations: DRAWN,
            seed: request.seed,
        });
        let found = found.map_err(|error| Failure::request(error, "leave --accumulator away"))?;
        report.add(changing.name(), point, &found, nominal, technology);
        stage.step();
    }
    Ok(report)
}

/// A circuit at operating points of which operations are drawn.
fn drawn_points(
    multiplier: &Multiplier,
    technology: &Technology,
    points: &[OperatingPoint],
    stimulus: StimulusOption,
    request: &ErrorRequest,
    console: &Console,
) -> Result<Characterization, Failure> {
    check_widths(multiplier)?;
    let netlist = multiplier.netlist();
    let physical = technology.weigh(netlist).map_err(incomplete)?;
    let critical = StaticTiming::with_delays(netlist, &physical.delay).critical_delay();
    let mut passes = Vec::new();
    for &point in points {
        warn_beyond_law(technology, point.supply, console);
        match Pass::new(technology, netlist, &physical, critical, point) {
            Ok(pass) => passes.push(pass),
            Err(reason) => console.note(&format!("{}: {reason}", multiplier.name())),
        }
    }
    let (changing, activation_bits) = drawn_operands(multiplier, stimulus);
    let lowest = Pass::critical_supply(technology, netlist, &physical, critical, points[0].clock_ps);
    let mut report = settled(multiplier, technology, request, console)?.with_condition(technology, lowest);
    let circuit = Circuit { multiplier, physical: &physical, activation_bits, changing };
    circuit.draw(&mut report, technology, &passes, request.seed);
    Ok(report)
}

/// A circuit's errors and, if the technology has all its cells, what it weighs.
fn settled(
    multiplier: &Multiplier,
    technology: &Technology,
    request: &ErrorRequest,
    console: &Console,
) -> Result<Characterization, Failure> {
    let netlist = multiplier.netlist();
    let structure = match technology.weigh(netlist) {
        Ok(physical) => {
            Some(Structure::new(netlist, &physical, &StaticTiming::with_delays(netlist, &physical.delay)))
        }
        Err(missing) => {
            console.note(&format!("{}: no area and delay, for {missing}", multiplier.name()));
            None
        }
    };
    let table_sha256 = multiplier.is_tabulable().then(|| product_table(multiplier).sha256());
    let identity = DesignSummary::new(multiplier, table_sha256);
    Ok(Characterization::settled(identity, request.measure(Products::Gates(multiplier))?, structure))
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
    seed: u64,
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
            seed,
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
