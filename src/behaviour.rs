//! What a design does at operating points: all its transitions, simulated.

use crate::failure::Failure;
use crate::progress::Console;
use crate::transition_cache::{TransitionCache, not_tabulable};
use axtrain_sim::engine::DelayMode;
use axtrain_sim::multiplier::Multiplier;
use axtrain_sim::profile::{
    Changing, ChipSpec, Design, ErrorProfile, Pass, ProfileMetadata, SampledErrors, SequenceSpec, Sequences,
    StimulatedTransitions, Stimulus, TransitionSpec, TransitionTable, simulate_chips,
};
use axtrain_sim::report::{Characterization, TabulatedPoint, VariationReport};
use axtrain_sim::technology::{OperatingPoint, Physical, Technology};
use axtrain_sim::units::{Picoseconds, Volts};

/// A design's behaviour at operating points.
pub(crate) struct Behaviour {
    /// One for all points, or one for each where cells have laws of their own.
    tables: Vec<TransitionTable>,
    /// Operating points that can be tabulated.
    points: Vec<Tabulated>,
    /// Operating points at which operations are in flight together, which only sequences can say anything about.
    overlapping: Vec<Pass>,
    /// Why others cannot be simulated.
    refused: Vec<String>,
}

/// An operating point, and where its errors are.
struct Tabulated {
    pass: Pass,
    table: usize,
    /// Place among the table's points.
    index: usize,
}

/// A simulation of every transition.
pub(crate) struct Run<'a> {
    /// Delays.
    pub(crate) physical: &'a Physical,
    /// Ascending sampling times.
    pub(crate) windows: Vec<Picoseconds>,
    /// Positions of the operating points it serves; one at least.
    pub(crate) positions: Vec<usize>,
}

impl Behaviour {
    /// Simulates every transition with activation codes of `activation_bits`, sampled at each operating point that can be
    /// simulated. Tables that are in the cache are taken from there, others put into it.
    pub(crate) fn simulate(
        design: &Design,
        technology: &Technology,
        points: &[OperatingPoint],
        activation_bits: u32,
        cache: Option<&TransitionCache>,
        console: &Console,
    ) -> Result<Behaviour, Failure> {
        let mut passes: Vec<Pass> = Vec::new();
        let (mut overlapping, mut refused) = (Vec::new(), Vec::new());
        for &point in points {
            warn_beyond_law(technology, point.supply, console);
            match design.pass(technology, point) {
                Ok(pass) if pass.overlaps() => overlapping.push(pass),
                Ok(pass) => passes.push(pass),
                Err(error) => refused.push(error.to_string()),
            }
        }
        let shared = technology.has_shared_law();
        let runs: Vec<&[Pass]> = passes.chunks(if shared { passes.len().max(1) } else { 1 }).collect();
        let stage = console.stage("timing", (runs.len() as u64) << design.multiplier.width_b());
        stage.message(design.name().to_owned());
        let (mut tables, mut tabulated) = (Vec::new(), Vec::new());
        for run in runs {
            let mut windows: Vec<Picoseconds> = run.iter().map(|pass| pass.sampling().window).collect();
            windows.sort_unstable();
            windows.dedup();
            let physical = run.first().and_then(Pass::own_physical).unwrap_or(&design.physical);
            let spec = transition_spec(design, physical, activation_bits, &windows);
            let table = match cache {
                Some(cache) => cache.table(spec, &|| stage.step())?,
                None => TransitionTable::build(spec, &|| stage.step()).map_err(not_tabulable)?,
            };
            tabulated.extend(run.iter().map(|pass| {
                let index = windows.binary_search(&pass.sampling().window).expect("every window was tabulated");
                Tabulated { pass: pass.clone(), table: tables.len(), index }
            }));
            tables.push(table);
        }
        Ok(Behaviour { points: tabulated, tables, overlapping, refused })
    }

    /// The same where late products are noticed and dropped.
    pub(crate) fn dropping_late_products(mut self, design: &Design) -> Self {
        let tables = self.tables.into_iter();
        self.tables = tables.map(|table| table.dropping_late_products(&design.product)).collect();
        self
    }

    /// The transitions at the one operating point that was asked for, and its place among their sampling times; or why there
    /// are none.
    #[cfg(feature = "train")]
    pub(crate) fn into_single(mut self) -> Result<(TransitionTable, usize), String> {
        match self.points.first() {
            Some(tabulated) => Ok((self.tables.swap_remove(tabulated.table), tabulated.index)),
            None => Err(self.not_tabulated().collect::<Vec<String>>().join("; ")),
        }
    }

    /// Why some operating points cannot be simulated at all.
    pub(crate) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Why some operating points have no table of transitions.
    pub(crate) fn not_tabulated(&self) -> impl Iterator<Item = String> {
        let overlaps = self.overlapping.iter().map(|pass| pass.overlap().to_string());
        overlaps.chain(self.refused.iter().cloned())
    }

    /// Operating points that can be tabulated, in order.
    pub(crate) fn operating_points(&self) -> impl ExactSizeIterator<Item = OperatingPoint> {
        self.points.iter().map(|tabulated| tabulated.pass.point())
    }

    /// The operating point at a position.
    pub(crate) fn point(&self, position: usize) -> OperatingPoint {
        self.points[position].pass.point()
    }

    /// Transitions at a position of the operating points.
    pub(crate) fn table(&self, position: usize) -> &TransitionTable {
        &self.tables[self.points[position].table]
    }

    /// Errors at a position of the operating points.
    pub(crate) fn errors(&self, position: usize) -> &SampledErrors {
        &self.table(position).points()[self.points[position].index]
    }

    /// Whether every product settles before it is sampled at a position of the operating points, whatever the operands.
    pub(crate) fn settles(&self, position: usize) -> bool {
        self.points[position].pass.settles()
    }

    /// Delays and energies of a design at a position of the operating points.
    pub(crate) fn physical<'a>(&'a self, design: &'a Design, position: usize) -> &'a Physical {
        self.points[position].pass.own_physical().unwrap_or(&design.physical)
    }

    /// Delays and sampling times of each simulation, and the positions of the operating points it serves.
    pub(crate) fn runs<'a>(&'a self, design: &'a Design) -> impl Iterator<Item = Run<'a>> {
        self.tables.iter().enumerate().map(|(table, transitions)| {
            let serves = |position: &usize| self.points[*position].table == table;
            let positions: Vec<usize> = (0..self.points.len()).filter(serves).collect();
            let physical = positions.iter().find_map(|&position| self.points[position].pass.own_physical());
            Run {
                physical: physical.unwrap_or(&design.physical),
                windows: transitions.points().iter().map(SampledErrors::window).collect(),
                positions,
            }
        })
    }

    /// The one simulation that serves all operating points, unless each has its own.
    pub(crate) fn shared_table(&self) -> Option<&TransitionTable> {
        match &self.tables[..] {
            [table] => Some(table),
            _ => None,
        }
    }

    /// Which of [`Self::runs`] serves a position of the operating points, and its place among the run's windows.
    pub(crate) fn place(&self, position: usize) -> (usize, usize) {
        let Tabulated { table, index, .. } = self.points[position];
        (table, index)
    }

    /// All there is to error profiles under a stimulus.
    pub(crate) fn under<'a>(&'a self, stimulus: &'a Stimulus) -> StimulatedBehaviour<'a> {
        StimulatedBehaviour {
            behaviour: self,
            stimulus,
            tables: self.tables.iter().map(|table| table.under(stimulus)).collect(),
        }
    }
}

/// A design's behaviour under a stimulus.
pub(crate) struct StimulatedBehaviour<'a> {
    behaviour: &'a Behaviour,
    stimulus: &'a Stimulus,
    tables: Vec<StimulatedTransitions<'a>>,
}

impl StimulatedBehaviour<'_> {
    /// The error profile at a position of the operating points.
    pub(crate) fn profile(&self, design: &Design, technology: &Technology, position: usize) -> ErrorProfile {
        let (point, errors) = (self.behaviour.point(position), self.behaviour.errors(position));
        let metadata = ProfileMetadata {
            on_timing_error: self.behaviour.table(position).on_timing_error(),
            ..ProfileMetadata::new(design, technology, point, errors.window(), self.stimulus)
        };
        let transitions = &self.tables[self.behaviour.points[position].table];
        ErrorProfile::new(metadata, &design.product, transitions, errors, technology.switching_factor(point.supply))
    }
}

/// Simulates every transition of a design, sampled at each operating point that can be simulated. Activations of signed
/// designs are never negative.
pub(crate) fn behaviour(
    design: &Design,
    technology: &Technology,
    points: &[OperatingPoint],
    cache: Option<&TransitionCache>,
    console: &Console,
) -> Result<Behaviour, Failure> {
    Behaviour::simulate(design, technology, points, activation_bits(design), cache, console)
}

/// Bits of an activation code where those of signed designs are never negative.
pub(crate) fn activation_bits(design: &Design) -> u32 {
    let bits = match design.multiplier.width_a() {
        width if design.multiplier.signed() => width.min(8) - 1,
        width => width,
    };
    bits.max(1)
}

/// Says so if a supply is one that the technology's law does not cover but allows.
pub(crate) fn warn_beyond_law(technology: &Technology, supply: Volts, console: &Console) {
    if let Some(beyond) = technology.extrapolation(supply) {
        console.note(&format!("warning: {beyond}; delays there are extrapolated"));
    }
}

/// A design's transitions with the delays of `physical`, sampled at `windows`.
pub(crate) fn transition_spec<'a>(
    design: &'a Design,
    physical: &'a Physical,
    activation_bits: u32,
    windows: &'a [Picoseconds],
) -> TransitionSpec<'a> {
    TransitionSpec {
        netlist: design.multiplier.netlist(),
        physical,
        coding: design.multiplier.coding(),
        activation_bits,
        mode: DelayMode::Inertial,
        windows,
    }
}

/// A design's characterisation with its operating points.
pub(crate) fn report(design: &Design, technology: &Technology, behaviour: &Behaviour) -> Characterization {
    let tabulated: Vec<TabulatedPoint<'_>> = behaviour
        .points
        .iter()
        .map(|&Tabulated { ref pass, table, index }| TabulatedPoint {
            point: pass.point(),
            table: &behaviour.tables[table],
            index,
        })
        .collect();
    let clock_ps = behaviour.operating_points().next().or(behaviour.overlapping.first().map(Pass::point));
    let critical = clock_ps.and_then(|point| design.critical_supply(technology, point.clock_ps));
    Characterization::new(design).with_condition(technology, critical).with_points(design, technology, &tabulated)
}

/// Operations drawn at each point of each chip.
const DRAWN_A_CHIP: u64 = 1 << 15;

/// Draws chips and finds how they differ at operating points.
pub(crate) fn variation(
    design: &Design,
    technology: &Technology,
    points: &[OperatingPoint],
    (chips, seed): (u64, u64),
    console: &Console,
) -> Result<VariationReport, Failure> {
    let spec = ChipSpec { chips, operations: DRAWN_A_CHIP, activation_bits: activation_bits(design), seed };
    let stage = console.stage("chips", chips);
    stage.message(design.name().to_owned());
    let found = simulate_chips(design, technology, points, spec, &|| stage.step())
        .map_err(|error| Failure::request(error, "complete the technology file, or leave --chips away"))?;
    Ok(VariationReport::new(spec, points, &found))
}

/// Operations drawn at each operating point that is not tabulated.
const DRAWN: u64 = 1 << 17;

/// A multiplier of which sequences of operations are drawn.
pub(crate) struct Circuit<'a> {
    pub(crate) multiplier: &'a Multiplier,
    /// At nominal supply.
    pub(crate) physical: &'a Physical,
    /// Activation codes have so many bits.
    pub(crate) activation_bits: u32,
    pub(crate) changing: Changing,
}

impl Circuit<'_> {
    /// Draws sequences at every operating point and adds what they do to the report.
    pub(crate) fn draw(&self, report: &mut Characterization, technology: &Technology, passes: &[Pass], seed: u64) {
        for pass in passes {
            let circuit = TransitionSpec {
                netlist: self.multiplier.netlist(),
                physical: pass.own_physical().unwrap_or(self.physical),
                coding: self.multiplier.coding(),
                activation_bits: self.activation_bits,
                mode: DelayMode::Inertial,
                windows: &[],
            };
            let (changing, sampling, critical) = (self.changing, pass.sampling(), pass.critical());
            let spec = SequenceSpec { circuit, changing, sampling, critical, operations: DRAWN, seed };
            let sequences = Sequences::simulate(spec).expect("a multiplier of operands of at most 16 bits");
            report.add_drawn_point(self.physical, technology, pass.point(), &sequences, seed);
        }
    }
}

/// Adds those of `points` at which operations are in flight together, from sequences of drawn ones.
pub(crate) fn add_overlapping(
    report: &mut Characterization,
    design: &Design,
    technology: &Technology,
    behaviour: &Behaviour,
    points: &[OperatingPoint],
    seed: u64,
) {
    let circuit = Circuit {
        multiplier: &design.multiplier,
        physical: &design.physical,
        activation_bits: activation_bits(design),
        changing: Changing::Activation,
    };
    circuit.draw(report, technology, &behaviour.overlapping, seed);
    let supplies = |supply_v: f64| points.iter().position(|point| point.supply.0 == supply_v);
    report.operating_points.sort_by_key(|point| supplies(point.supply_v));
}
