//! Operations one after the other, whether or not the circuit settles between them.
//!
//! Exact at any clock, where [`super::TransitionTable`] needs a circuit that has settled before each edge: several
//! operations may be in flight. What it costs is that operations are drawn, not all taken.

use super::clocked_stage::{ClockedStage, DrawnActivity, DrawnTiming, LaneErrors, Operands};
use super::transitions::{NotTabulable, TimingErrors, TransitionSpec, port_planes};
use crate::energy::SwitchingActivity;
use crate::engine::{LANES, Lanes, multiversion};
use crate::multiplier::{Coding, NumberFormat, operand_value};
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
    timing: DrawnTiming,
    activity: DrawnActivity,
}

/// What comes of the sequences in one block of lanes.
type Block = (LaneErrors, SwitchingActivity);

impl Changing {
    /// Name of operands of which these change.
    pub fn name(self) -> &'static str {
        match self {
            Changing::Activation => "weight-stationary",
            Changing::Both => "pair",
        }
    }
}

impl Sequences {
    /// Draws and simulates.
    ///
    /// # Errors
    /// If the circuit is no multiplier of two operands of at most 16 bits.
    pub fn simulate(spec: SequenceSpec<'_>) -> Result<Self, NotTabulable> {
        spec.circuit.check_shape(16)?;
        let blocks = spec.operations.div_ceil((LANES * ClockedStage::COUNTED) as u64).max(1);
        let (netlist, mode) = (spec.circuit.netlist, spec.circuit.mode);
        let delays = spec.circuit.physical.delay.clone();
        let warm_up = ClockedStage::warm_up(spec.critical, spec.sampling);
        let blocks: Vec<Block> = (0..blocks)
            .into_par_iter()
            .map_init(
                || ClockedStage::new(netlist, &delays, mode, spec.sampling, warm_up),
                |stage, block| simulate_block(&spec, stage, block),
            )
            .collect();
        let (errors, activity): (Vec<LaneErrors>, Vec<SwitchingActivity>) = blocks.into_iter().unzip();
        let timing = DrawnTiming::of(&errors.iter().collect::<Vec<_>>());
        Ok(Self { changing: spec.changing, timing, activity: DrawnActivity::of(netlist, activity) })
    }

    /// Name of the operands, as reports show it.
    pub fn stimulus(&self) -> String {
        format!("{} uniform sequences, {} operations drawn", self.changing.name(), self.timing.operations)
    }

    /// Timing errors, sampled product less the one its operands settle to, and how sure they are.
    pub fn timing(&self) -> &DrawnTiming {
        &self.timing
    }

    /// Timing errors alone.
    pub fn errors(&self) -> &TimingErrors {
        &self.timing.errors
    }

    /// Toggles of all operations.
    pub fn activity(&self) -> &DrawnActivity {
        &self.activity
    }
}

multiversion! {
    fn simulate_block(spec: &SequenceSpec<'_>, stage: &mut ClockedStage<'_>, block: u64) -> Block = simulate_sequences
}

#[inline(always)]
fn simulate_sequences(spec: &SequenceSpec<'_>, stage: &mut ClockedStage<'_>, block: u64) -> Block {
    let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
    rng.set_stream(block);
    let operands = draw_operands(&spec.circuit, spec.changing, stage.vectors(), &mut rng);
    let mut activity = SwitchingActivity::new(spec.circuit.netlist);
    let run = stage.run(&operands, &mut activity);
    let mut errors = LaneErrors::new(spec.circuit.coding.product_bits() as usize);
    for vector in stage.counted() {
        errors.record(&run.captured[vector], &run.settled[vector], |code| product_value(spec.circuit.coding, code));
    }
    (errors, activity)
}

/// Draws operands of so many vectors.
#[inline(always)]
pub(crate) fn draw_operands(
    circuit: &TransitionSpec<'_>,
    changing: Changing,
    vectors: usize,
    rng: &mut ChaCha8Rng,
) -> Operands {
    let mut draw = || Lanes(std::array::from_fn(|_| rng.random()));
    // By operand and vector, then by bit of the port.
    let mut ports: [Vec<Vec<Lanes>>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..vectors {
        let codes = (0..circuit.activation_bits).map(|_| draw()).collect();
        ports[0].push(port_planes(circuit.coding, codes));
    }
    let weights = match changing {
        Changing::Activation => 1,
        Changing::Both => vectors,
    };
    let width = circuit.netlist.inputs()[1].width();
    ports[1].extend((0..weights).map(|_| (0..width).map(|_| draw()).collect()));
    ports[1].resize_with(vectors, Vec::new);
    if changing == Changing::Activation {
        let weight = ports[1][0].clone();
        ports[1].fill(weight);
    }
    let by_bit = |vectors: Vec<Vec<Lanes>>| -> Vec<Vec<Lanes>> {
        (0..vectors[0].len()).map(|bit| vectors.iter().map(|planes| planes[bit]).collect()).collect()
    };
    ports.map(by_bit).into()
}

/// The number that a product's code stands for.
pub(crate) fn product_value(coding: Coding, code: u32) -> i64 {
    match coding.format() {
        NumberFormat::SignMagnitude => i64::from(coding.value(code)),
        format => operand_value(code, coding.product_bits(), format == NumberFormat::TwosComplement),
    }
}
