//! A whole multiply-accumulate on drawn operands: multiplier, product register and accumulator, at gate level.

use super::accumulator::{Accumulator, product_bit};
use crate::energy::{EnergyBreakdown, SwitchingActivity};
use crate::engine::{FunctionalEngine, LANES, Lanes, multiversion};
use crate::multiplier::operand_value;
use crate::profile::{
    Changing, ClockedStage, DrawnActivity, DrawnTiming, LaneErrors, NotTabulable, Pass, TransitionSpec,
    draw_operands, half_interval, product_value, settle,
};
use crate::technology::Physical;
use crate::units::Femtojoules;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Elements in a column: one operation after the other in each, of uniform operands, with a weight of its own.
///
/// Sums enter the top element as zero. Each element adds its product to the sum that the one above captured in the same
/// operation: wrong products and wrong sums go on down the column, as they do on an array. Both stages run on one clock,
/// whether or not they settle in a period.
#[derive(Clone, Copy, Debug)]
pub struct MultiplyAccumulateSpec<'a> {
    /// The multiplier, of operands of up to 16 bits, its delays and activations; its `windows` are not used.
    pub circuit: TransitionSpec<'a>,
    /// What stands behind its product register.
    pub accumulator: &'a Accumulator,
    /// How multiplier and accumulator are simulated at the operating point, the same for both.
    pub passes: [&'a Pass; 2],
    /// What changes from one operation to the next.
    pub changing: Changing,
    /// Elements of a column.
    pub rows: usize,
    /// Operations to draw at least, of all elements together.
    pub operations: u64,
    /// Decides which.
    pub seed: u64,
}

/// What multiply-accumulates do at an operating point.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiplyAccumulate {
    /// Captured products less settled ones.
    pub product: DrawnTiming,
    /// Captured sums less what the operands that the adder got settle to.
    pub addition: DrawnTiming,
    /// Captured sums less what is right, given the sum from above: both stages together.
    pub sum: DrawnTiming,
    /// Toggles in multipliers.
    pub multiplier: DrawnActivity,
    /// Toggles in accumulators.
    pub accumulator: DrawnActivity,
}

/// What comes of one block of columns.
struct Block {
    errors: [LaneErrors; 3],
    activity: [SwitchingActivity; 2],
}

/// The stages of an element, which is every element of some columns in turn.
struct Element<'a> {
    multiplier: ClockedStage<'a>,
    accumulator: ClockedStage<'a>,
    /// Of the accumulator.
    right: FunctionalEngine<'a>,
}

impl MultiplyAccumulate {
    /// Operations that a sum depends on in no stage's own past, but through wrong sums from above.
    const SETTLING: usize = 2;

    /// Draws and simulates.
    ///
    /// # Errors
    /// If the circuit is no multiplier of two operands of at most 16 bits.
    pub fn simulate(spec: MultiplyAccumulateSpec<'_>) -> Result<Self, NotTabulable> {
        spec.circuit.check_shape(16)?;
        let [multiplier, accumulator] = [spec.circuit.netlist, &spec.accumulator.netlist];
        let physical = spec.passes[1].own_physical().unwrap_or(&spec.accumulator.physical);
        let delays = [spec.circuit.physical, physical].map(|physical| physical.delay.clone());
        let warm_up = spec.passes.map(|pass| ClockedStage::warm_up(pass.critical(), pass.sampling()));
        let warm_up = warm_up[0].max(warm_up[1]) + Self::SETTLING;
        let stage = |place: usize| {
            let netlist = [multiplier, accumulator][place];
            ClockedStage::new(netlist, &delays[place], spec.circuit.mode, spec.passes[place].sampling(), warm_up)
        };
        let of_a_block = (LANES * ClockedStage::COUNTED * spec.rows.max(1)) as u64;
        let blocks = spec.operations.div_ceil(of_a_block).max(2);
        let blocks: Vec<Block> = (0..blocks)
            .into_par_iter()
            .map_init(
                || Element { multiplier: stage(0), accumulator: stage(1), right: FunctionalEngine::new(accumulator) },
                |element, block| simulate_block(&spec, element, block),
            )
            .collect();
        let timing =
            |which: usize| DrawnTiming::of(&blocks.iter().map(|block| &block.errors[which]).collect::<Vec<_>>());
        let activity = |which: usize, netlist| {
            DrawnActivity::of(netlist, blocks.iter().map(|block| block.activity[which].clone()).collect())
        };
        Ok(Self {
            product: timing(0),
            addition: timing(1),
            sum: timing(2),
            multiplier: activity(0, multiplier),
            accumulator: activity(1, accumulator),
        })
    }

    /// Mean energy of both stages' gates, registers left out, with the leakage of `period_ps`; and half of the 95 %
    /// confidence interval of its switching. Both are weighed at nominal supply.
    pub fn energy(
        &self,
        [multiplier, accumulator]: [&Physical; 2],
        period_ps: f64,
    ) -> (EnergyBreakdown, Femtojoules) {
        let of = |activity: &DrawnActivity, physical: &Physical| {
            activity.total().energy(&physical.transition_energy, physical.leakage, period_ps)
        };
        let (first, second) = (of(&self.multiplier, multiplier), of(&self.accumulator, accumulator));
        let energy = EnergyBreakdown {
            switching: first.switching + second.switching,
            glitch: first.glitch + second.glitch,
            leakage: first.leakage + second.leakage,
        };
        let first = self.multiplier.of_blocks(&multiplier.transition_energy);
        let second = self.accumulator.of_blocks(&accumulator.transition_energy);
        let both: Vec<f64> = first.iter().zip(second).map(|(first, second)| first + second).collect();
        (energy, Femtojoules(half_interval(&both)))
    }
}

multiversion! {
    fn simulate_block(spec: &MultiplyAccumulateSpec<'_>, element: &mut Element<'_>, block: u64) -> Block = simulate
}

#[inline(always)]
fn simulate(spec: &MultiplyAccumulateSpec<'_>, element: &mut Element<'_>, block: u64) -> Block {
    let (coding, accumulator) = (spec.circuit.coding, spec.accumulator);
    let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
    rng.set_stream(block);
    let bits = accumulator.bits();
    let sum = |code| operand_value(code, bits, true);
    let errors = [coding.product_bits(), bits, bits].map(|bits| LaneErrors::new(bits as usize));
    let activity = [spec.circuit.netlist, &accumulator.netlist].map(SwitchingActivity::new);
    let mut result = Block { errors, activity };
    let vectors = element.multiplier.vectors();
    let mut sums = vec![vec![Lanes::ZERO; vectors]; bits as usize];
    for _ in 0..spec.rows.max(1) {
        let operands = draw_operands(&spec.circuit, spec.changing, vectors, &mut rng);
        let products = element.multiplier.run(&operands, &mut result.activity[0]);
        let captured = vec![sums, port(accumulator, &products.captured)];
        let added = element.accumulator.run(&captured, &mut result.activity[1]);
        let mut right = captured;
        right[1] = port(accumulator, &products.settled);
        let [of_products, of_additions, of_sums] = &mut result.errors;
        for vector in element.multiplier.counted() {
            of_products
                .record(&products.captured[vector], &products.settled[vector], |code| product_value(coding, code));
            of_additions.record(&added.captured[vector], &added.settled[vector], sum);
            settle(&mut element.right, &right, vector);
            let nets = accumulator.netlist.outputs()[0].nets();
            let right: Vec<Lanes> = nets.iter().map(|&net| element.right.value(net)).collect();
            of_sums.record(&added.captured[vector], &right, sum);
        }
        sums = by_bit(&added.captured);
    }
    result
}

/// The accumulator's port `b` while its product register holds these products, `[vector][bit]`.
fn port(accumulator: &Accumulator, products: &[Vec<Lanes>]) -> Vec<Vec<Lanes>> {
    let coding = accumulator.coding();
    let bit = |bit: usize| {
        let source = product_bit(coding.format(), coding.product_bits() as usize, bit);
        products.iter().map(|product| source.map_or(Lanes::ZERO, |source| product[source])).collect()
    };
    (0..accumulator.netlist.inputs()[1].width()).map(bit).collect()
}

fn by_bit(vectors: &[Vec<Lanes>]) -> Vec<Vec<Lanes>> {
    (0..vectors[0].len()).map(|bit| vectors.iter().map(|planes| planes[bit]).collect()).collect()
}
