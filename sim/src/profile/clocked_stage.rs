//! One pipeline stage under a free-running clock: what its register captures, and what it should.

use super::TimingErrors;
use crate::energy::SwitchingActivity;
use crate::engine::{DelayMode, FunctionalEngine, LANES, Lanes, TimedEngine, lane_values};
use crate::netlist::{Delays, Netlist};
use crate::technology::Sampling;
use crate::units::{Femtojoules, Picoseconds};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Gates between registers. Several operations may be in flight.
pub(crate) struct ClockedStage<'a> {
    netlist: &'a Netlist,
    engine: TimedEngine<'a>,
    sampling: Sampling,
    warm_up: usize,
}

/// What a stage did with a sequence of operands, `[vector][bit]` of its only output. The first vector is what it had
/// settled at before the clock ran.
pub(crate) struct StageRun {
    /// What the register captured.
    pub(crate) captured: Vec<Vec<Lanes>>,
    /// What the same operands settle to.
    pub(crate) settled: Vec<Vec<Lanes>>,
}

/// Operands of a stage: `[port][bit][vector]`.
pub(crate) type Operands = Vec<Vec<Vec<Lanes>>>;

impl<'a> ClockedStage<'a> {
    /// Operations of a lane that count.
    pub(crate) const COUNTED: usize = 8;

    /// Operations until the last change before time 0 could have made is through a stage of this critical path: until then
    /// the past is not that of a sequence.
    pub(crate) fn warm_up(critical: Picoseconds, sampling: Sampling) -> usize {
        critical.0.div_ceil(sampling.period.0.max(1)).max(1) as usize
    }

    /// A stage whose first `warm_up` operations do not count.
    pub(crate) fn new(
        netlist: &'a Netlist,
        delays: &Delays,
        mode: DelayMode,
        sampling: Sampling,
        warm_up: usize,
    ) -> Self {
        let sampling = Sampling { period: sampling.period.max(Picoseconds(1)), ..sampling };
        let engine = TimedEngine::clocked(netlist, delays, mode, sampling.period, warm_up + Self::COUNTED);
        Self { netlist, engine, sampling, warm_up }
    }

    /// The vectors it takes: one before the clock runs, then one an operation.
    pub(crate) fn vectors(&self) -> usize {
        self.warm_up + Self::COUNTED + 1
    }

    /// The vectors whose operations count.
    pub(crate) fn counted(&self) -> std::ops::Range<usize> {
        self.warm_up + 1..self.vectors()
    }

    /// Lets operands pass, and adds what nets do in operations that count to `activity`.
    #[inline(always)]
    pub(crate) fn run(&mut self, operands: &Operands, activity: &mut SwitchingActivity) -> StageRun {
        let (netlist, vectors) = (self.netlist, self.vectors());
        for (port, operand) in operands.iter().enumerate() {
            for (bit, values) in operand.iter().enumerate() {
                self.engine.set_sequence(port, bit, values);
            }
        }
        self.engine.run();
        let period = self.sampling.period.0;
        let start = self.warm_up as u32 * period;
        let end = start + Self::COUNTED as u32 * period;
        let operations = (LANES * Self::COUNTED) as u64;
        activity.record_between(netlist, &self.engine, [start, end].map(Picoseconds), operations);
        let output = netlist.outputs()[0].nets();
        let mut functional = FunctionalEngine::new(netlist);
        let mut result = StageRun { captured: Vec::new(), settled: Vec::new() };
        let mut before = Vec::new();
        for vector in 0..vectors {
            if vector > self.warm_up {
                before.clear();
                before.extend(netlist.nets().map(|net| functional.value(net)));
            }
            settle(&mut functional, operands, vector);
            for (net, &before) in netlist.nets().zip(&before) {
                activity.count_settled(net, before ^ functional.value(net));
            }
            let settled: Vec<Lanes> = output.iter().map(|&net| functional.value(net)).collect();
            let captured = match vector {
                0 => settled.clone(),
                _ => {
                    let edge = Picoseconds((vector as u32 - 1) * period + self.sampling.window.0);
                    output.iter().map(|&net| self.engine.sampled(net, edge)).collect()
                }
            };
            result.captured.push(captured);
            result.settled.push(settled);
        }
        result
    }
}

/// Settles a netlist at one vector of its operands.
#[inline(always)]
pub(crate) fn settle(functional: &mut FunctionalEngine<'_>, operands: &Operands, vector: usize) {
    for (port, operand) in operands.iter().enumerate() {
        for (bit, values) in operand.iter().enumerate() {
            functional.set_input(port, bit, values[vector]);
        }
    }
    functional.settle();
}

/// Errors of operations in [`LANES`] lanes, each a sequence of its own.
#[derive(Clone, Debug)]
pub(crate) struct LaneErrors {
    operations: u64,
    wrong: Vec<u32>,
    sums: Vec<i64>,
    absolute: u64,
    squares: u128,
    bit_errors: Vec<u64>,
}

impl LaneErrors {
    /// No operations yet, of a result of so many bits.
    pub(crate) fn new(bits: usize) -> Self {
        let (wrong, sums) = (vec![0; LANES], vec![0; LANES]);
        Self { operations: 0, wrong, sums, absolute: 0, squares: 0, bit_errors: vec![0; bits] }
    }

    /// Adds an operation of every lane: what was captured and what would have been right, whose codes stand for numbers.
    #[inline(always)]
    pub(crate) fn record(&mut self, captured: &[Lanes], right: &[Lanes], value: impl Fn(u32) -> i64) {
        self.operations += LANES as u64;
        let mut wrong = Lanes::ZERO;
        for ((count, &captured), &right) in self.bit_errors.iter_mut().zip(captured).zip(right) {
            wrong |= captured ^ right;
            *count += u64::from((captured ^ right).count_ones());
        }
        if wrong.is_zero() {
            return;
        }
        let (captured, right) = (lane_values(captured), lane_values(right));
        for lane in wrong.set_lanes() {
            let error = value(captured[lane]) - value(right[lane]);
            // Two codes of zero are the same number.
            self.wrong[lane] += u32::from(error != 0);
            self.sums[lane] += error;
            self.absolute += error.unsigned_abs();
            self.squares += u128::from(error.unsigned_abs()).pow(2);
        }
    }
}

/// Timing errors of drawn operations, and how sure they are.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnTiming {
    /// Averages.
    pub errors: TimingErrors,
    /// Operations.
    pub operations: u64,
    /// 95 % confidence interval of the error rate. Operations of one sequence share a weight and activations, so each
    /// sequence counts as one observation.
    pub error_rate_ci95: [f64; 2],
    /// 95 % confidence interval of the mean error, likewise.
    pub mean_error_ci95: [f64; 2],
}

impl DrawnTiming {
    /// Sums up blocks of lanes with the same number of operations each; one block at least.
    pub(crate) fn of(blocks: &[&LaneErrors]) -> Self {
        let operations: u64 = blocks.iter().map(|block| block.operations).sum();
        let share = |count: f64| count / operations as f64;
        let wrong: Vec<u32> = blocks.iter().flat_map(|block| block.wrong.iter().copied()).collect();
        let sums: Vec<i64> = blocks.iter().flat_map(|block| block.sums.iter().copied()).collect();
        let bit_errors = |bit: usize| blocks.iter().map(|block| block.bit_errors[bit]).sum::<u64>();
        let errors = TimingErrors {
            error_rate: share(wrong.iter().map(|&wrong| u64::from(wrong)).sum::<u64>() as f64),
            mean_error: share(sums.iter().sum::<i64>() as f64),
            mae: share(blocks.iter().map(|block| block.absolute).sum::<u64>() as f64),
            mse: share(blocks.iter().map(|block| block.squares).sum::<u128>() as f64),
            bit_error_rate: (0..blocks[0].bit_errors.len()).map(|bit| share(bit_errors(bit) as f64)).collect(),
        };
        let of_a_lane = operations as f64 / wrong.len() as f64;
        let means: Vec<f64> = sums.iter().map(|&sum| sum as f64 / of_a_lane).collect();
        let half = half_interval(&means);
        Self {
            error_rate_ci95: share_interval(&wrong, of_a_lane, errors.error_rate),
            mean_error_ci95: [errors.mean_error - half, errors.mean_error + half],
            errors,
            operations,
        }
    }
}

/// Wilson's interval, with the number of observations at which a proportion has the variance that the lanes' have.
fn share_interval(wrong: &[u32], of_a_lane: f64, rate: f64) -> [f64; 2] {
    let lanes = wrong.len() as f64;
    let square = |wrong: &u32| (f64::from(*wrong) / of_a_lane - rate).powi(2);
    let variance = wrong.iter().map(square).sum::<f64>() / (lanes - 1.0).max(1.0) / lanes;
    let observations = match rate * (1.0 - rate) / variance {
        ratio if ratio.is_finite() && ratio > 0.0 => ratio.clamp(1.0, lanes * of_a_lane),
        _ => lanes,
    };
    const Z: f64 = 1.959_963_985;
    let weight = Z * Z / observations;
    let centre = (rate + weight / 2.0) / (1.0 + weight);
    let half = Z / (1.0 + weight) * (rate * (1.0 - rate) / observations + weight / (4.0 * observations)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

/// Half of Student's 95 % interval of the mean of values; 0 if there is only one.
pub(crate) fn half_interval(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).expect("positive degrees of freedom").inverse_cdf(0.975);
    t * (variance / n).sqrt()
}

/// Toggles of operations that were drawn in blocks, each independent of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnActivity {
    total: SwitchingActivity,
    blocks: Vec<SwitchingActivity>,
}

impl DrawnActivity {
    pub(crate) fn of(netlist: &Netlist, blocks: Vec<SwitchingActivity>) -> Self {
        let mut total = SwitchingActivity::new(netlist);
        blocks.iter().for_each(|block| total.merge(block));
        Self { total, blocks }
    }

    /// Toggles of all operations. Where pulses merge, nets may toggle less often than their settled values change.
    pub fn total(&self) -> &SwitchingActivity {
        &self.total
    }

    /// Switching energy of an operation, in each block.
    pub(crate) fn of_blocks(&self, transition_energy: &[Femtojoules]) -> Vec<f64> {
        let energy = |block: &SwitchingActivity| block.energy(transition_energy, Default::default(), 0.0).switching.0;
        self.blocks.iter().map(energy).collect()
    }

    /// Half of the 95 % confidence interval of the switching energy of an operation, given that of a transition of each net.
    pub fn half_interval(&self, transition_energy: &[Femtojoules]) -> Femtojoules {
        Femtojoules(half_interval(&self.of_blocks(transition_energy)))
    }
}
