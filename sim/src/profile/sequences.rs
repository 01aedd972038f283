//! Operations one after the other, whether or not the circuit settles between them.
//!
//! Exact at any clock, where [`super::TransitionTable`] needs a circuit that has settled before each edge: several
//! operations may be in flight. What it costs is that operations are drawn, not all taken.

use super::transitions::{NotTabulable, TimingErrors, TransitionSpec, port_planes};
use crate::energy::SwitchingActivity;
use crate::engine::{FunctionalEngine, LANES, Lanes, TimedEngine, lane_values, multiversion};
use crate::multiplier::{NumberFormat, operand_value};
use crate::netlist::Delays;
use crate::technology::Sampling;
use crate::units::Picoseconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Which operands change from one operation to the next. Those that do are independent and uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changing {
    /// Activations; each sequence keeps a weight of its own.
    Activation,
    /// Both operands.
    Both,
}

/// Which operations to draw, and at which clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceSpec<'a> {
    /// The multiplier, of operands of up to 16 bits, its delays and activations; its `windows` are not used.
    pub circuit: TransitionSpec<'a>,
    /// What changes.
    pub changing: Changing,
    /// Clock period, and when in it the product is sampled.
    pub sampling: Sampling,
    /// Static critical path: sequences run that much longer before anything counts.
    pub critical: Picoseconds,
    /// Operations to draw at least.
    pub operations: u64,
    /// Decides which.
    pub seed: u64,
}

/// What a multiplier does on drawn sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    changing: Changing,
    operations: u64,
    errors: TimingErrors,
    error_rate_ci95: [f64; 2],
    activity: SwitchingActivity,
}

/// Operations of a lane that count.
const COUNTED: usize = 8;

/// What comes of the sequences in one block of lanes.
struct Block {
    /// Wrong products of each lane.
    wrong: Vec<u32>,
    sum: i64,
    absolute: u64,
    squares: u128,
    bit_errors: Vec<u64>,
    activity: SwitchingActivity,
}

impl Sequences {
    /// Draws and simulates.
    ///
    /// # Errors
    /// If the circuit is no multiplier of two operands of at most 16 bits.
    pub fn simulate(spec: SequenceSpec<'_>) -> Result<Self, NotTabulable> {
        spec.circuit.check_shape(16)?;
        let blocks = spec.operations.div_ceil((LANES * COUNTED) as u64).max(1);
        let delays = Delays::Single(spec.circuit.physical.delay.clone());
        // Until the last change before time 0 could have made would be through, the past is not that of a sequence.
        let period = spec.sampling.period.0.max(1);
        let warm_up = spec.critical.0.div_ceil(period).max(1) as usize;
        let blocks: Vec<Block> = (0..blocks)
            .into_par_iter()
            .map_init(
                || {
                    let (netlist, mode) = (spec.circuit.netlist, spec.circuit.mode);
                    let period = Picoseconds(period);
                    TimedEngine::clocked(netlist, &delays, mode, period, warm_up + COUNTED)
                },
                |engine, block| simulate_block(&spec, engine, warm_up, block),
            )
            .collect();
        Ok(Self::sum_up(&spec, &blocks))
    }

    fn sum_up(spec: &SequenceSpec<'_>, blocks: &[Block]) -> Self {
        let mut activity = SwitchingActivity::new(spec.circuit.netlist);
        blocks.iter().for_each(|block| activity.merge(&block.activity));
        let lanes: Vec<u32> = blocks.iter().flat_map(|block| block.wrong.iter().copied()).collect();
        let operations = (lanes.len() * COUNTED) as u64;
        let share = |count: f64| count / operations as f64;
        let wrong: u64 = lanes.iter().map(|&wrong| u64::from(wrong)).sum();
        let bits = blocks[0].bit_errors.len();
        let bit_errors = |bit: usize| blocks.iter().map(|block| block.bit_errors[bit]).sum::<u64>();
        let errors = TimingErrors {
            error_rate: share(wrong as f64),
            mean_error: share(blocks.iter().map(|block| block.sum).sum::<i64>() as f64),
            mae: share(blocks.iter().map(|block| block.absolute).sum::<u64>() as f64),
            mse: share(blocks.iter().map(|block| block.squares).sum::<u128>() as f64),
            bit_error_rate: (0..bits).map(|bit| share(bit_errors(bit) as f64)).collect(),
        };
        let changing = spec.changing;
        Self { changing, operations, error_rate_ci95: interval(&lanes, errors.error_rate), errors, activity }
    }

    /// Name of the operands, as reports show it.
    pub fn stimulus(&self) -> String {
        let kind = match self.changing {
            Changing::Activation => "weight-stationary",
            Changing::Both => "pair",
        };
        format!("{kind} uniform sequences, {} operations drawn", self.operations)
    }

    /// Operations that were simulated and counted.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Timing errors: sampled product less the one its operands settle to.
    pub fn errors(&self) -> &TimingErrors {
        &self.errors
    }

    /// 95 % confidence interval of the error rate. Operations of one sequence share a weight and activations, so each
    /// sequence counts as one observation.
    pub fn error_rate_ci95(&self) -> [f64; 2] {
        self.error_rate_ci95
    }

    /// Toggles of all operations. Where pulses merge, nets may toggle less often than their settled values change.
    pub fn activity(&self) -> &SwitchingActivity {
        &self.activity
    }
}

/// Wilson's interval, with the number of observations at which a proportion has the variance that the lanes' have.
fn interval(wrong: &[u32], rate: f64) -> [f64; 2] {
    let lanes = wrong.len() as f64;
    let square = |wrong: &u32| (f64::from(*wrong) / COUNTED as f64 - rate).powi(2);
    let variance = wrong.iter().map(square).sum::<f64>() / (lanes - 1.0).max(1.0) / lanes;
    let observations = match rate * (1.0 - rate) / variance {
        ratio if ratio.is_finite() && ratio > 0.0 => ratio.clamp(1.0, lanes * COUNTED as f64),
        _ => lanes,
    };
    const Z: f64 = 1.959_963_985;
    let weight = Z * Z / observations;
    let centre = (rate + weight / 2.0) / (1.0 + weight);
    let half = Z / (1.0 + weight) * (rate * (1.0 - rate) / observations + weight / (4.0 * observations)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

multiversion! {
    fn simulate_block(spec: &SequenceSpec<'_>, engine: &mut TimedEngine<'_>, warm_up: usize, block: u64) -> Block
        = simulate_sequences
}

#[inline(always)]
fn simulate_sequences(spec: &SequenceSpec<'_>, engine: &mut TimedEngine<'_>, warm_up: usize, block: u64) -> Block {
    let netlist = spec.circuit.netlist;
    let product = netlist.outputs()[0].nets();
    let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
    rng.set_stream(block);
    let mut draw = || Lanes(std::array::from_fn(|_| rng.random()));
    let vectors = warm_up + COUNTED + 1;
    // By operand and vector, then by bit of the port.
    let mut ports: [Vec<Vec<Lanes>>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..vectors {
        let codes = (0..spec.circuit.activation_bits).map(|_| draw()).collect();
        ports[0].push(port_planes(spec.circuit.coding, codes));
    }
    let weights = match spec.changing {
        Changing::Activation => 1,
        Changing::Both => vectors,
    };
    let width = netlist.inputs()[1].width();
    ports[1].extend((0..weights).map(|_| (0..width).map(|_| draw()).collect()));
    ports[1].resize_with(vectors, Vec::new);
    if spec.changing == Changing::Activation {
        let weight = ports[1][0].clone();
        ports[1].fill(weight);
    }
    let operands = ports.map(|vectors: Vec<Vec<Lanes>>| -> Vec<Vec<Lanes>> {
        (0..vectors[0].len()).map(|bit| vectors.iter().map(|planes| planes[bit]).collect()).collect()
    });
    for (port, operand) in operands.iter().enumerate() {
        for (bit, values) in operand.iter().enumerate() {
            engine.set_sequence(port, bit, values);
        }
    }
    engine.run();

    let mut result = Block {
        wrong: vec![0; LANES],
        sum: 0,
        absolute: 0,
        squares: 0,
        bit_errors: vec![0; product.len()],
        activity: SwitchingActivity::new(netlist),
    };
    let period = spec.sampling.period.0.max(1);
    let start = warm_up as u32 * period;
    let end = start + COUNTED as u32 * period;
    result.activity.record_between(netlist, engine, [start, end].map(Picoseconds), (LANES * COUNTED) as u64);
    let coding = spec.circuit.coding;
    let value = |code: u32| match coding.format() {
        NumberFormat::SignMagnitude => i64::from(coding.value(code)),
        format => operand_value(code, product.len() as u32, format == NumberFormat::TwosComplement),
    };
    let mut settled = FunctionalEngine::new(netlist);
    for vector in warm_up..vectors {
        let before: Vec<Lanes> = netlist.nets().map(|net| settled.value(net)).collect();
        for (port, operand) in operands.iter().enumerate() {
            for (bit, values) in operand.iter().enumerate() {
                settled.set_input(port, bit, values[vector]);
            }
        }
        settled.settle();
        // The first of these only says what the counted ones start from.
        if vector == warm_up {
            continue;
        }
        for (net, before) in netlist.nets().zip(&before) {
            result.activity.count_settled(net, *before ^ settled.value(net));
        }
        let edge = (vector as u32 - 1) * period + spec.sampling.window.0;
        let sampled: Vec<Lanes> = product.iter().map(|&net| engine.sampled(net, Picoseconds(edge))).collect();
        let truth: Vec<Lanes> = product.iter().map(|&net| settled.value(net)).collect();
        let mut wrong = Lanes::ZERO;
        for (bit, (&sample, &truth)) in sampled.iter().zip(&truth).enumerate() {
            wrong |= sample ^ truth;
            result.bit_errors[bit] += u64::from((sample ^ truth).count_ones());
        }
        if wrong.is_zero() {
            continue;
        }
        let (sampled, truth) = (lane_values(&sampled), lane_values(&truth));
        for lane in wrong.set_lanes() {
            let error = value(sampled[lane]) - value(truth[lane]);
            // Two codes of zero are the same number.
            result.wrong[lane] += u32::from(error != 0);
            result.sum += error;
            result.absolute += error.unsigned_abs();
            result.squares += u128::from(error.unsigned_abs()).pow(2);
        }
    }
    result
}
