//! What `characterize` says of a design.

use super::{MultiplyAccumulateReport, TimingReport, VariationReport};
use crate::energy::EnergyBreakdown;
use crate::engine::StaticTiming;
use crate::kernel::{Candidate, Plan, Shape};
use crate::multiplier::{Coding, Multiplier, NumberFormat, TabulatedMultiplier};
use crate::netlist::Netlist;
use crate::profile::{Design, ErrorMetrics, MetricIntervals, Sequences, Stimulus, TimingErrors, TransitionTable};
use crate::technology::{OperatingPoint, Physical, Technology};
use crate::units::{Femtojoules, Volts};
use serde::{Deserialize, Serialize};

/// Identity of a design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesignSummary {
    /// Name.
    pub name: String,
    /// Family, or kind of the file it was read from.
    pub family: String,
    /// Bits of the first operand.
    pub width_a: u32,
    /// Bits of the second operand.
    pub width_b: u32,
    /// Whether operands and product are signed numbers; their codes in tables are two's complement then.
    pub signed: bool,
    /// Number format of the arithmetic.
    pub format: NumberFormat,
    /// SHA-256 of the product table; `null` if the operands are too wide for one.
    pub table_sha256: Option<String>,
}

impl DesignSummary {
    /// Identity of a circuit.
    pub fn new(multiplier: &Multiplier, table_sha256: Option<String>) -> Self {
        Self {
            name: multiplier.name().to_owned(),
            family: multiplier.origin().to_owned(),
            width_a: multiplier.width_a(),
            width_b: multiplier.width_b(),
            signed: multiplier.signed(),
            format: multiplier.coding().format(),
            table_sha256,
        }
    }

    /// Identity of a table without a circuit.
    pub fn of_table(multiplier: &TabulatedMultiplier) -> Self {
        let table = multiplier.table();
        Self {
            name: multiplier.name().to_owned(),
            family: "table".to_owned(),
            width_a: table.width_a(),
            width_b: table.width_b(),
            signed: table.signed(),
            format: Coding::plain(table.width_a(), table.width_b(), table.signed()).format(),
            table_sha256: Some(table.sha256()),
        }
    }
}

/// The circuit in its technology, at nominal supply.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// Number of cells.
    pub cells: usize,
    /// Cell area, µm².
    pub area_um2: f64,
    /// Static critical path, ps.
    pub critical_path_ps: f64,
    /// Leakage, nW.
    pub leakage_nw: f64,
}

impl Structure {
    /// Sums up a circuit.
    pub fn new(netlist: &Netlist, physical: &Physical, timing: &StaticTiming) -> Self {
        Self {
            cells: netlist.cells().len(),
            area_um2: physical.area.0,
            critical_path_ps: f64::from(timing.critical_delay().0),
            leakage_nw: physical.leakage.0,
        }
    }
}

/// Approximation error and how it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredError {
    /// `exhaustive`, `weighted` (over all pairs by their probability) or `sampled`.
    pub method: String,
    /// Operand pairs.
    pub vectors: u64,
    /// What the operands are drawn from, first and second, unless every pair counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operands: Option<[String; 2]>,
    /// Metrics.
    pub error: ErrorMetrics,
    /// 95 % confidence intervals of a sample's metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci95: Option<MetricIntervals>,
}

impl MeasuredError {
    /// Metrics over all pairs of operands of `bits` bits together.
    pub fn exhaustive(bits: u32, error: ErrorMetrics) -> Self {
        Self { method: "exhaustive".to_owned(), vectors: 1 << bits, operands: None, error, ci95: None }
    }
}

/// Energy of one operation, fJ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationEnergy {
    /// Switching and leakage.
    pub total_fj: f64,
    /// Transitions, glitches included.
    pub switching_fj: f64,
    /// Transitions beyond those needed to reach the settled values.
    pub glitch_fj: f64,
    /// Leakage over a clock period.
    pub leakage_fj: f64,
    /// Part of `switching_fj` that comes after the sampling edge, where the circuit settles before the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_fj: Option<f64>,
}

impl OperationEnergy {
    /// With what comes after the sampling edge, given that at nominal supply.
    fn with_late(self, nominal: Femtojoules, technology: &Technology, supply: Volts) -> Self {
        Self { late_fj: Some(nominal.0 * technology.switching_factor(supply)), ..self }
    }

    /// Energy at `supply`, given that at nominal supply with the leakage of the very period.
    pub(super) fn at(nominal: EnergyBreakdown, technology: &Technology, supply: Volts) -> Self {
        let switching = technology.switching_factor(supply);
        let switching_fj = nominal.switching.0 * switching;
        let leakage_fj = nominal.leakage.0 * technology.leakage_factor(supply);
        Self {
            total_fj: switching_fj + leakage_fj,
            switching_fj,
            glitch_fj: nominal.glitch.0 * switching,
            leakage_fj,
            late_fj: None,
        }
    }
}

/// Where an operation costs least if the clock is as fast as static timing allows at every supply.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinimumEnergy {
    /// Supply, V, to a millivolt.
    pub supply_v: f64,
    /// The shortest clock period there, ps.
    pub clock_ps: f64,
    /// Whether that is the lowest supply of the delay law, so that the minimum may lie below.
    pub at_end_of_law: bool,
    /// Energy.
    pub energy: OperationEnergy,
}

/// An operating point whose transitions were simulated.
#[derive(Clone, Copy, Debug)]
pub struct TabulatedPoint<'a> {
    /// Supply and clock.
    pub point: OperatingPoint,
    /// Transitions there.
    pub table: &'a TransitionTable,
    /// Place among the table's points.
    pub index: usize,
}

impl MinimumEnergy {
    /// Steps through the supplies of the laws: leakage grows with the period as switching energy falls. Toggles are those
    /// of the nearest simulated supply; `None` if there is none.
    fn find(design: &Design, technology: &Technology, simulated: &[TabulatedPoint<'_>]) -> Option<Self> {
        let (Volts(lowest), Volts(highest)) = technology.supply_range();
        let steps = ((highest - lowest) * 1e3).ceil().max(1.0) as u32;
        let points = (0..=steps).map(|step| {
            let supply = Volts(lowest + (highest - lowest) * f64::from(step) / f64::from(steps));
            let clock_ps = design.minimum_clock_at(technology, supply).expect("the supply is in the laws' range");
            let distance = |tabulated: &TabulatedPoint<'_>| (tabulated.point.supply - supply).0.abs();
            let nearest = simulated.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
            let nominal = nearest.table.mean_energy(&design.physical, clock_ps);
            let energy = OperationEnergy::at(nominal, technology, supply);
            Some(Self { supply_v: supply.0, clock_ps, at_end_of_law: step == 0, energy })
        });
        points.flatten().min_by(|a, b| a.energy.total_fj.total_cmp(&b.energy.total_fj))
    }
}

/// A design at one supply and clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointCharacterization {
    /// Supply, V.
    pub supply_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// Timing errors.
    pub timing: TimingErrors,
    /// Operands that errors and energy are averaged over.
    pub stimulus: String,
    /// Energy.
    pub energy: OperationEnergy,
    /// How sure errors and energy are, if the operands were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
}

/// A sample of operations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Operations.
    pub operations: u64,
    /// What they were drawn from.
    pub seed: u64,
    /// 95 % confidence interval of the error rate.
    pub error_rate_ci95: [f64; 2],
    /// 95 % confidence interval of the mean error.
    pub mean_error_ci95: [f64; 2],
    /// 95 % confidence interval of the energy of an operation, fJ.
    pub total_fj_ci95: [f64; 2],
}

/// How inference multiplies matrices over a table of products.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelPlan {
    /// Size, M×N×K.
    pub gemm: String,
    /// Activation codes are below this.
    pub activation_codes: usize,
    /// Vector instructions of this CPU.
    pub instructions: String,
    /// Integer matrix products that the table is the sum of; `null` if there is no form of low rank.
    pub rank: Option<usize>,
    /// Ways to do it, all with the same result, the fastest first.
    pub methods: Vec<PlannedMethod>,
}

/// A way to multiply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedMethod {
    /// Name.
    pub method: String,
    /// Time it is expected to take on one core, ms.
    pub expected_ms: f64,
}

impl From<&Plan> for KernelPlan {
    fn from(plan: &Plan) -> Self {
        let Shape { m, k, n } = plan.shape();
        let method = |candidate: &Candidate| PlannedMethod {
            method: candidate.method.to_string(),
            expected_ms: candidate.seconds * 1e3,
        };
        Self {
            gemm: format!("{m}x{n}x{k}"),
            activation_codes: plan.activation_codes(),
            instructions: plan.instructions(),
            rank: plan.rank(),
            methods: plan.candidates().iter().map(method).collect(),
        }
    }
}

/// Everything about one design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Characterization {
    /// Version of this format.
    pub schema: String,
    /// Identity.
    pub design: DesignSummary,
    /// Approximation error.
    #[serde(flatten)]
    pub approximation: MeasuredError,
    /// Circuit; `null` of a table without one, and in a technology without its cells.
    pub structure: Option<Structure>,
    /// Process corner of the operating points, if it is not the one that the technology's data hold for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corner: Option<String>,
    /// Temperature of the operating points, °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Lowest supply at which static timing holds at the clock of the operating points, V, if it holds at any.
    pub critical_supply_v: Option<f64>,
    /// Where an operation costs least, if operating points were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_energy: Option<MinimumEnergy>,
    /// How chips differ, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<VariationReport>,
    /// The critical path, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_timing: Option<TimingReport>,
    /// One entry an operating point.
    pub operating_points: Vec<PointCharacterization>,
    /// The multiplier with an accumulator behind it at the same operating points, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_accumulate: Option<MultiplyAccumulateReport>,
    /// How matrices are multiplied over its table, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelPlan>,
}

impl Characterization {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/characterization/1";

    /// Summarises a design, without operating points yet.
    pub fn new(design: &Design) -> Self {
        let multiplier = &design.multiplier;
        Self::settled(
            DesignSummary::new(multiplier, Some(design.product.sha256())),
            MeasuredError::exhaustive(multiplier.product_width(), design.metrics),
            Some(Structure::new(multiplier.netlist(), &design.physical, &design.timing)),
        )
    }

    /// Summarises what is known of a multiplier without operating points.
    pub fn settled(design: DesignSummary, approximation: MeasuredError, structure: Option<Structure>) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            design,
            approximation,
            structure,
            corner: None,
            temperature_c: None,
            critical_supply_v: None,
            minimum_energy: None,
            variation: None,
            static_timing: None,
            operating_points: Vec::new(),
            multiply_accumulate: None,
            kernel: None,
        }
    }

    /// Adds operating points that were tabulated.
    pub fn with_points(mut self, design: &Design, technology: &Technology, points: &[TabulatedPoint<'_>]) -> Self {
        self.minimum_energy = MinimumEnergy::find(design, technology, points);
        self.operating_points = points
            .iter()
            .map(|&TabulatedPoint { point, table, index }| {
                let nominal = table.mean_energy(&design.physical, point.clock_ps);
                PointCharacterization {
                    supply_v: point.supply.0,
                    clock_ps: point.clock_ps,
                    timing: table.timing_errors(index),
                    stimulus: Stimulus::uniform(table.activation_bits(), table.weight_bits()).name().to_owned(),
                    energy: OperationEnergy::at(nominal, technology, point.supply).with_late(
                        table.late_energy(index, &design.physical),
                        technology,
                        point.supply,
                    ),
                    drawn: None,
                }
            })
            .collect();
        self
    }

    /// Says at which corner and temperature operating points are, and the lowest supply at which static timing holds.
    pub fn with_condition(mut self, technology: &Technology, critical_supply: Option<Volts>) -> Self {
        self.critical_supply_v = critical_supply.map(|supply| supply.0);
        self.corner = technology.corner().map(str::to_owned);
        self.temperature_c = Some(technology.temperature_c());
        self
    }

    /// Adds an operating point of which sequences were drawn, behind the others. `physical` is the circuit at nominal supply.
    pub fn add_drawn_point(
        &mut self,
        physical: &Physical,
        technology: &Technology,
        point: OperatingPoint,
        sequences: &Sequences,
        seed: u64,
    ) {
        let Physical { transition_energy, leakage, .. } = physical;
        let activity = sequences.activity();
        let nominal = activity.total().energy(transition_energy, *leakage, point.clock_ps);
        let energy = OperationEnergy::at(nominal, technology, point.supply);
        let half = activity.half_interval(transition_energy).0 * technology.switching_factor(point.supply);
        let timing = sequences.timing();
        self.operating_points.push(PointCharacterization {
            supply_v: point.supply.0,
            clock_ps: point.clock_ps,
            timing: sequences.errors().clone(),
            stimulus: sequences.stimulus(),
            energy,
            drawn: Some(Drawn {
                operations: timing.operations,
                seed,
                error_rate_ci95: timing.error_rate_ci95,
                mean_error_ci95: timing.mean_error_ci95,
                total_fj_ci95: [energy.total_fj - half, energy.total_fj + half],
            }),
        });
    }
}
