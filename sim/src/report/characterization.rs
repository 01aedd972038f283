//! What `characterize` says of a design.

use super::TimingReport;
use crate::energy::EnergyBreakdown;
use crate::engine::StaticTiming;
use crate::kernel::{Candidate, Plan, Shape};
use crate::multiplier::{Coding, Multiplier, NumberFormat, TabulatedMultiplier};
use crate::netlist::Netlist;
use crate::profile::{Design, ErrorMetrics, MetricIntervals, TimingErrors, TransitionTable};
use crate::technology::{OperatingPoint, Physical, Technology};
use crate::units::Volts;
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
}

impl OperationEnergy {
    /// Energy at `supply`, given that at nominal supply with the leakage of the very period.
    fn at(nominal: EnergyBreakdown, technology: &Technology, supply: Volts) -> Self {
        let switching = technology.switching_factor(supply);
        let switching_fj = nominal.switching.0 * switching;
        let leakage_fj = nominal.leakage.0 * technology.leakage_factor(supply);
        Self {
            total_fj: switching_fj + leakage_fj,
            switching_fj,
            glitch_fj: nominal.glitch.0 * switching,
            leakage_fj,
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

impl MinimumEnergy {
    /// Steps through the supplies of the law: leakage grows with the period as switching energy falls.
    fn find(design: &Design, technology: &Technology, table: &TransitionTable) -> Self {
        let (Volts(lowest), Volts(highest)) = technology.supply_range();
        let steps = ((highest - lowest) * 1e3).ceil().max(1.0) as u32;
        let points = (0..=steps).map(|step| {
            let supply = Volts(lowest + (highest - lowest) * f64::from(step) / f64::from(steps));
            let slowdown = technology.slowdown(supply).expect("the supply is in the law's range");
            let clock_ps = design.minimum_clock_ps() * slowdown;
            let energy = OperationEnergy::at(table.mean_energy(&design.physical, clock_ps), technology, supply);
            Self { supply_v: supply.0, clock_ps, at_end_of_law: step == 0, energy }
        });
        points.min_by(|a, b| a.energy.total_fj.total_cmp(&b.energy.total_fj)).expect("there are two points at least")
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
    /// Lowest supply at which static timing holds at the clock of the operating points, V, if it holds at any.
    pub critical_supply_v: Option<f64>,
    /// Where an operation costs least, if operating points were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_energy: Option<MinimumEnergy>,
    /// The critical path, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_timing: Option<TimingReport>,
    /// One entry an operating point.
    pub operating_points: Vec<PointCharacterization>,
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
            critical_supply_v: None,
            minimum_energy: None,
            static_timing: None,
            operating_points: Vec::new(),
            kernel: None,
        }
    }

    /// Adds operating points, each with its place among the points of `table`.
    pub fn with_points(
        mut self,
        design: &Design,
        technology: &Technology,
        table: &TransitionTable,
        stimulus: &str,
        points: &[(OperatingPoint, usize)],
    ) -> Self {
        let clock_ps = points.first().map(|(point, _)| point.clock_ps);
        self.critical_supply_v = clock_ps
            .and_then(|clock_ps| technology.critical_supply(&design.physical, design.critical(), clock_ps))
            .map(|supply| supply.0);
        self.minimum_energy = Some(MinimumEnergy::find(design, technology, table));
        self.operating_points = points
            .iter()
            .map(|&(point, index)| {
                let nominal = table.mean_energy(&design.physical, point.clock_ps);
                PointCharacterization {
                    supply_v: point.supply.0,
                    clock_ps: point.clock_ps,
                    timing: table.timing_errors(index),
                    stimulus: stimulus.to_owned(),
                    energy: OperationEnergy::at(nominal, technology, point.supply),
                }
            })
            .collect();
        self
    }
}
