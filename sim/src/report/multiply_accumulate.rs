//! What `characterize` says of a whole multiply-accumulate.

use super::{OperationEnergy, Structure};
use crate::array::{Accumulator, MultiplyAccumulate};
use crate::engine::StaticTiming;
use crate::profile::{DrawnTiming, TimingErrors};
use crate::technology::{OperatingPoint, Physical, Technology};
use serde::{Deserialize, Serialize};

/// A multiplier, its product register and the accumulator behind it, on drawn operands in a column of elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiplyAccumulateReport {
    /// Bits of the sum.
    pub accumulator_bits: u32,
    /// The gates between product and sum register.
    pub accumulator: Structure,
    /// Elements of the column.
    pub rows: usize,
    /// What operations were drawn from.
    pub seed: u64,
    /// One entry an operating point.
    pub points: Vec<MultiplyAccumulatePoint>,
}

/// A multiply-accumulate at one supply and clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiplyAccumulatePoint {
    /// Supply, V.
    pub supply_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// Operands that errors and energy are averaged over.
    pub stimulus: String,
    /// Operations.
    pub operations: u64,
    /// Captured products less settled ones.
    pub product: SampledTiming,
    /// Captured sums less what the operands that the adder got settle to.
    pub addition: SampledTiming,
    /// Captured sums less right ones, given the sums from above: both stages together.
    pub sum: SampledTiming,
    /// Energy of both stages' gates; their registers are not in it.
    pub energy: OperationEnergy,
    /// 95 % confidence interval of the energy of an operation, fJ.
    pub total_fj_ci95: [f64; 2],
}

/// Timing errors of drawn operations, and how sure they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampledTiming {
    /// Averages.
    #[serde(flatten)]
    pub errors: TimingErrors,
    /// 95 % confidence interval of the error rate.
    pub error_rate_ci95: [f64; 2],
    /// 95 % confidence interval of the mean error.
    pub mean_error_ci95: [f64; 2],
}

impl From<&DrawnTiming> for SampledTiming {
    fn from(timing: &DrawnTiming) -> Self {
        let DrawnTiming { errors, error_rate_ci95, mean_error_ci95, .. } = timing.clone();
        Self { errors, error_rate_ci95, mean_error_ci95 }
    }
}

impl MultiplyAccumulateReport {
    /// No operating points yet.
    pub fn new(accumulator: &Accumulator, rows: usize, seed: u64) -> Self {
        let Accumulator { netlist, physical, .. } = accumulator;
        let structure = Structure::new(netlist, physical, &StaticTiming::with_delays(netlist, &physical.delay));
        let accumulator_bits = netlist.outputs()[0].width() as u32;
        Self { accumulator_bits, accumulator: structure, rows, seed, points: Vec::new() }
    }

    /// Adds an operating point. `physical` are multiplier and accumulator at nominal supply.
    pub fn add(
        &mut self,
        stimulus: &str,
        point: OperatingPoint,
        found: &MultiplyAccumulate,
        physical: [&Physical; 2],
        technology: &Technology,
    ) {
        let (nominal, half) = found.energy(physical, point.clock_ps);
        let energy = OperationEnergy::at(nominal, technology, point.supply);
        let half = half.0 * technology.switching_factor(point.supply);
        self.points.push(MultiplyAccumulatePoint {
            supply_v: point.supply.0,
            clock_ps: point.clock_ps,
            stimulus: format!("{stimulus} uniform sequences, columns of {} elements", self.rows),
            operations: found.sum.operations,
            product: (&found.product).into(),
            addition: (&found.addition).into(),
            sum: (&found.sum).into(),
            energy,
            total_fj_ci95: [energy.total_fj - half, energy.total_fj + half],
        });
    }
}
