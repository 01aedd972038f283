//! Energy of the layers that `cycles` counts.

use crate::arguments::EnergyOptions;
use crate::catalogue::{MEMORIES, Source};
use crate::characterize::distribution;
use crate::failure::Failure;
use crate::operating_points::exact_clock;
use crate::study::{exact_multiplier, multiplier, technology};
use axtrain_sim::array::{
    Accumulator, EnergyComponents, EnergyModel, Layer, LayerCycles, Memories, MemorySystem, OperandStatistics,
    OperationMeans, Supplies, SystolicArray,
};
use axtrain_sim::memory::MemoryTechnology;
use axtrain_sim::profile::{Design, OperandDistribution};
use axtrain_sim::technology::Technology;
use axtrain_sim::units::Volts;
use serde::Serialize;
use std::path::Path;

/// Occasions of each kind that are simulated to find what operations cost.
const SAMPLES: usize = 2048;
/// Longest sum that is drawn: more products than this leave the accumulator's switching as it is.
const MOST_ADDITIONS: f64 = 1024.0;

/// Energy of each layer, and what it holds for.
pub(crate) struct NetworkEnergy {
    pub(crate) conditions: Conditions,
    pub(crate) layers: Vec<EnergyComponents>,
    pub(crate) total: EnergyComponents,
}

/// What the energies hold for.
#[derive(Serialize)]
pub(crate) struct Conditions {
    multiplier: String,
    technology: String,
    memory: String,
    supply_v: f64,
    sram_v: f64,
    clock_ps: f64,
    /// Distributions of activations and weights.
    operands: [String; 2],
}

impl Conditions {
    /// One line for a figure or a table.
    pub(crate) fn describe(&self) -> String {
        let Self { multiplier, technology, memory, supply_v, sram_v, clock_ps, operands: [activations, weights] } =
            self;
        format!(
            "{multiplier} in {technology} at {supply_v} V, {memory} at {sram_v} V, clock {clock_ps:.0} ps, activations \
             {activations}, weights {weights}"
        )
    }
}

/// Finds the energy of what has been counted.
pub(crate) fn network_energy(
    options: &EnergyOptions,
    (array, memory): (&SystolicArray, Option<&MemorySystem>),
    (layers, counted): (&[Layer], &[LayerCycles]),
    seed: u64,
) -> Result<NetworkEnergy, Failure> {
    let memory = memory.ok_or_else(|| {
        Failure::request(
            "energy needs memories, and these are ideal",
            "name an array with a table [memory], as --array edge-32x32",
        )
    })?;
    let technology = technology(options.technology.as_deref().unwrap_or("freepdk45"), Path::new("."))?;
    let memories = memories(options, memory)?;
    let supplies = supplies(options, &technology, &memories)?;
    let design = design(options, &technology)?;
    let clock_ps = match options.clock_ps {
        Some(clock) if clock.is_finite() && clock > 0.0 => clock,
        Some(clock) => {
            let message = format!("a clock period of {clock} ps");
            return Err(Failure::request(message, "--clock-ps takes a positive number"));
        }
        None => exact_clock(&design.multiplier, &technology)?,
    };
    let incomplete = |error| Failure::request(error, "complete the technology file");
    let coding = design.multiplier.coding();
    let accumulator = Accumulator::of(array, coding, &technology).map_err(incomplete)?;
    let (operands, [activations, weights]) = operands(options, &design)?;
    let statistics = OperandStatistics {
        netlist: design.multiplier.netlist(),
        physical: &design.physical,
        coding,
        product: &design.product,
        probabilities: [&activations, &weights],
    };
    let operations = OperationMeans::measure(
        array,
        &statistics,
        &accumulator,
        OperationMeans::additions(array, layers).min(MOST_ADDITIONS) as u64,
        (SAMPLES, seed),
    );
    let model = EnergyModel {
        array,
        technology: &technology,
        multiplier: &design.physical,
        accumulator: &accumulator,
        memories: &memories,
        clock_ps,
    };
    let energies = model
        .network(layers, counted, memory, &operations, supplies)
        .map_err(|error| Failure::request(error, "split the layers"))?;
    Ok(NetworkEnergy {
        conditions: Conditions {
            multiplier: design.name().to_owned(),
            technology: technology.name().to_owned(),
            memory: memories.technology.name().to_owned(),
            supply_v: supplies.logic.0,
            sram_v: supplies.input.supply.0,
            clock_ps,
            operands,
        },
        total: EnergyComponents::sum(&energies),
        layers: energies,
    })
}

fn memories(options: &EnergyOptions, memory: &MemorySystem) -> Result<Memories, Failure> {
    let source =
        Source::find("memory", MEMORIES, options.memory.as_deref().unwrap_or("cacti7-45nm-lstp"), Path::new("."))?;
    let technology = MemoryTechnology::from_toml(&source.text)
        .map_err(|error| Failure::in_file(source.parts(), error.span, error.message, None))?;
    Memories::new(memory, technology)
        .map_err(|error| Failure::request(error, "change the table [memory] of the array, or --memory"))
}

fn supplies(options: &EnergyOptions, technology: &Technology, memories: &Memories) -> Result<Supplies, Failure> {
    let logic = options.supply.map_or(technology.nominal_supply(), Volts);
    let sram = Volts(options.sram_supply.unwrap_or(memories.technology.nominal_supply_v()));
    for (supply, option) in [(logic, "--supply"), (sram, "--sram-supply")] {
        technology
            .slowdown(supply)
            .map_err(|error| Failure::request(error, format!("{option} takes volts, as in 0.9")))?;
    }
    Ok(Supplies::new(logic, sram))
}

fn design(options: &EnergyOptions, technology: &Technology) -> Result<Design, Failure> {
    let multiplier = match &options.multiplier {
        Some(path) => multiplier(path)?,
        None => exact_multiplier(),
    };
    if !multiplier.is_tabulable() {
        let message = format!("{} has operands too wide for a table of its products", multiplier.name());
        return Err(Failure::request(message, "energy needs operands of at most 8 bits"));
    }
    Design::new(multiplier, technology)
        .map_err(|error| Failure::request(error, "complete the technology file, or choose another design"))
}

/// Names and probabilities of the operands; unless given, all weights are equally likely, and all activations that are
/// not negative.
fn operands(options: &EnergyOptions, design: &Design) -> Result<([String; 2], [Vec<f64>; 2]), Failure> {
    let multiplier = &design.multiplier;
    let help = "--operands takes uniform, normal:MEAN,SD or a file; once for both, or twice";
    let (first, second) = match &options.operands[..] {
        [] => {
            let codes = 1_usize << (multiplier.width_a() - u32::from(multiplier.signed()));
            let mut activations = vec![1.0 / codes as f64; codes];
            activations.resize(1 << multiplier.width_a(), 0.0);
            let weights = OperandDistribution::Uniform.probabilities(multiplier.width_b(), multiplier.signed());
            let names = [format!("uniform in 0…{}", codes - 1), "uniform".to_owned()];
            return Ok((names, [activations, weights.expect("uniform is a distribution")]));
        }
        [both] => (both, both),
        [first, second] => (first, second),
        more => return Err(Failure::request(format!("{} distributions for two operands", more.len()), help)),
    };
    let of = |text: &str, width| {
        distribution(text)?
            .probabilities(width, multiplier.signed())
            .map_err(|error| Failure::request(format!("{text}: {error}"), help))
    };
    let probabilities = [of(first, multiplier.width_a())?, of(second, multiplier.width_b())?];
    Ok(([first.clone(), second.clone()], probabilities))
}
