//! Arrays cycle by cycle, every stage of every element simulated event by event: one whose sums move, and one whose sums stay.

mod stationary_sums;

pub(crate) use stationary_sums::StationarySums;

use crate::scalar_simulator::{changes, settled};
use axtrain_sim::engine::DelayMode;
use axtrain_sim::multiplier::NumberFormat;
use axtrain_sim::netlist::{Delays, Netlist};
use axtrain_sim::technology::Physical;
use axtrain_sim::units::Picoseconds;

/// Gates between registers.
pub(crate) struct ScalarStage<'a> {
    netlist: &'a Netlist,
    physical: &'a Physical,
    delays: Delays,
    window: Picoseconds,
    mode: DelayMode,
}

/// What one cycle of a stage came to.
struct Cycle {
    captured: u64,
    settled: u64,
    energy_fj: f64,
}

impl<'a> ScalarStage<'a> {
    pub(crate) fn new(netlist: &'a Netlist, physical: &'a Physical, window: Picoseconds, mode: DelayMode) -> Self {
        Self { netlist, physical, delays: physical.delay.clone(), window, mode }
    }

    fn cycle(&self, from: &[u64], to: &[u64]) -> Cycle {
        let before = settled(self.netlist, from);
        let changes = changes(self.netlist, &self.delays, self.mode, from, to);
        let mut cycle = Cycle { captured: 0, settled: 0, energy_fj: 0.0 };
        for (bit, net) in self.netlist.outputs()[0].nets().iter().enumerate() {
            let changes = &changes[net.index()];
            let early = changes.iter().rfind(|(time, _)| *time < self.window.0);
            let start = before[net.index()];
            cycle.captured |= u64::from(early.map_or(start, |change| change.1)) << bit;
            cycle.settled |= u64::from(changes.last().map_or(start, |change| change.1)) << bit;
        }
        for (changes, energy) in changes.iter().zip(&self.physical.transition_energy) {
            cycle.energy_fj += changes.len() as f64 * energy.0;
        }
        cycle
    }
}

/// An element's registers, and what its gates saw in the cycle before.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    /// What moves.
    activation: (u64, bool),
    product: (u64, bool),
    /// What the product should have been.
    shadow: u64,
    sum: (u64, bool),
    multiplied: u64,
    /// Sum from above, product, and whether it was late.
    added: [u64; 3],
}

/// The gates of an array.
pub(crate) struct ScalarStages<'a> {
    pub(crate) multiplier: ScalarStage<'a>,
    pub(crate) accumulator: ScalarStage<'a>,
    /// Where late products are dropped.
    pub(crate) detector: Option<ScalarStage<'a>>,
    pub(crate) column_adder: ScalarStage<'a>,
    /// Two's complement or sign–magnitude.
    pub(crate) format: NumberFormat,
}

/// What multiplying came to.
struct Product {
    captured: u64,
    settled: u64,
    /// Whether what is added is not what it should be.
    wrong: bool,
    energy_fj: f64,
}

impl ScalarStages<'_> {
    /// What a weight's port carries.
    pub(crate) fn weight(&self, weight: i8) -> u64 {
        let sign = self.multiplier.netlist.inputs()[1].width() - 1;
        match self.format {
            NumberFormat::SignMagnitude => u64::from(weight < 0) << sign | u64::from(weight.unsigned_abs()),
            _ => u64::from(weight.cast_unsigned()),
        }
    }

    fn multiply(&self, before: [u64; 2], after: [u64; 2]) -> Product {
        let bits = self.multiplier.netlist.outputs()[0].width();
        let value = |code: u64| match self.format {
            NumberFormat::SignMagnitude => {
                let magnitude = (code & ((1 << (bits - 1)) - 1)) as i64;
                if code >> (bits - 1) == 1 { -magnitude } else { magnitude }
            }
            _ => (code as i64) << (64 - bits) >> (64 - bits),
        };
        let Cycle { captured, settled, energy_fj } = self.multiplier.cycle(&before, &after);
        let late = self.detector.is_some() && captured != settled;
        let taken = if late { 0 } else { value(captured) };
        Product { captured, settled, wrong: taken != value(settled), energy_fj }
    }

    /// What the accumulator's ports carry: the sum so far, the product, and whether that is late; and how many ports there are.
    fn operands(&self, sum: u64, [product, shadow]: [u64; 2]) -> ([u64; 3], usize) {
        let bits = self.accumulator.netlist.outputs()[0].width();
        let product_bits = self.multiplier.netlist.outputs()[0].width();
        let port = match self.format {
            NumberFormat::SignMagnitude => product,
            _ => ((product as i64) << (64 - product_bits) >> (64 - product_bits)) as u64 & ((1 << bits) - 1),
        };
        let dropping = self.detector.is_some();
        ([sum, port, u64::from(dropping && product != shadow)], 2 + usize::from(dropping))
    }

    /// Energy of noticing late products, from what product register and shadow held to what they hold.
    fn detecting_fj(&self, before: [u64; 2], [product, shadow]: [u64; 2]) -> f64 {
        self.detector.as_ref().map_or(0.0, |detector| {
            // The shadow register follows half a period later.
            let steps = [(before, [product, before[1]]), ([product, before[1]], [product, shadow])];
            steps.map(|(from, to)| detector.cycle(&from, &to).energy_fj).into_iter().sum()
        })
    }
}

/// The array and what it has done.
pub(crate) struct ScalarArray<'a> {
    rows: usize,
    columns: usize,
    /// Whether elements hold activations, and weights move.
    holds_activations: bool,
    stages: ScalarStages<'a>,
    /// Multiplications, and those that were wrong.
    pub(crate) multiplied: [u64; 2],
    /// The same of additions of products.
    pub(crate) added: [u64; 2],
    /// The same of sums that pass rows without work or are added to memory.
    pub(crate) passed: [u64; 2],
    pub(crate) multiplier_fj: f64,
    /// Of accumulators, detectors and the adders below the columns.
    pub(crate) accumulator_fj: f64,
}

impl std::fmt::Debug for ScalarArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?} {} fJ", self.multiplied, self.added, self.passed, self.multiplier_fj)
    }
}

impl<'a> ScalarArray<'a> {
    pub(crate) fn new([rows, columns]: [usize; 2], holds_activations: bool, stages: ScalarStages<'a>) -> Self {
        let zero = [0, 0];
        Self {
            rows,
            columns,
            holds_activations,
            stages,
            multiplied: zero,
            added: zero,
            passed: zero,
            multiplier_fj: 0.0,
            accumulator_fj: 0.0,
        }
    }

    /// Sums `[step][column]` of one batch, as the memory has them after the last fold, of what moves, `[step][input]`, and what
    /// stays, by input and column.
    pub(crate) fn product(&mut self, moving: &[u64], inputs: usize, held: impl Fn(usize, usize) -> u64) -> Vec<i32> {
        let steps = moving.len() / inputs;
        let mut memory = vec![0u64; steps * self.columns];
        for fold in (0..inputs).step_by(self.rows) {
            let held = |row: usize, column: usize| (fold + row < inputs).then(|| held(fold + row, column));
            let arriving = |row: usize, step: usize| moving[step * inputs + fold + row];
            self.fold(steps, held, arriving, &mut memory);
        }
        let bits = self.stages.column_adder.netlist.outputs()[0].width();
        memory.into_iter().map(|sum| signed(sum, bits)).collect()
    }

    fn fold(
        &mut self,
        steps: usize,
        held: impl Fn(usize, usize) -> Option<u64>,
        arriving: impl Fn(usize, usize) -> u64,
        memory: &mut [u64],
    ) {
        let (rows, columns) = (self.rows, self.columns);
        let mut elements = vec![Element::default(); rows * columns];
        let mut below = vec![[0u64; 2]; columns];
        // As many cycles as it takes for everything to be zero again.
        for cycle in 0..steps + 2 * rows + columns + 3 {
            let before = elements.clone();
            for row in 0..rows {
                for column in 0..columns {
                    let left = match column {
                        0 => {
                            let step = cycle.checked_sub(row).filter(|&step| step < steps);
                            step.filter(|_| held(row, 0).is_some())
                                .map_or((0, false), |step| (arriving(row, step), true))
                        }
                        _ => before[row * columns + column - 1].activation,
                    };
                    let above = if row > 0 { before[(row - 1) * columns + column].sum } else { (0, false) };
                    self.element(&mut elements[row * columns + column], held(row, column), left, above);
                }
            }
            for (column, seen) in below.iter_mut().enumerate() {
                let (sum, valid) = before[(rows - 1) * columns + column].sum;
                // The first row's activation enters element (0, c) after c cycles, and its sum leaves after rows + 1 more.
                let step = cycle.checked_sub(rows + 1 + column).filter(|_| valid);
                let left = step.map_or(0, |step| memory[step * columns + column]);
                let added = self.stages.column_adder.cycle(&*seen, &[left, sum]);
                *seen = [left, sum];
                self.accumulator_fj += added.energy_fj;
                if let Some(step) = step {
                    memory[step * columns + column] = added.captured;
                    count(&mut self.passed, &added);
                }
            }
        }
        assert!(elements.iter().all(|element| element.added == [0; 3] && element.multiplied == 0), "all is at rest");
    }

    fn element(&mut self, element: &mut Element, held: Option<u64>, left: (u64, bool), above: (u64, bool)) {
        // The adder works on what the registers held before this cycle's edge.
        let ((product, has_product), shadow) = (element.product, element.shadow);
        let (operands, ports) = self.stages.operands(above.0, [product, shadow]);
        let added = self.stages.accumulator.cycle(&element.added[..ports], &operands[..ports]);
        element.added = operands;
        self.accumulator_fj += added.energy_fj;
        let valid = has_product || above.1;
        if valid {
            count(if has_product { &mut self.added } else { &mut self.passed }, &added);
        }
        element.sum = (added.captured, valid);

        (element.product, element.shadow) = ((0, false), 0);
        if let Some(held) = held {
            let ports = |moving: u64| if self.holds_activations { [held, moving] } else { [moving, held] };
            let multiplied = self.stages.multiply(ports(element.multiplied), ports(left.0));
            self.multiplier_fj += multiplied.energy_fj;
            if left.1 {
                self.multiplied[0] += 1;
                self.multiplied[1] += u64::from(multiplied.wrong);
                (element.product, element.shadow) = ((multiplied.captured, true), multiplied.settled);
            }
        }
        self.accumulator_fj += self.stages.detecting_fj([product, shadow], [element.product.0, element.shadow]);
        element.multiplied = left.0;
        element.activation = left;
    }
}

fn count([all, wrong]: &mut [u64; 2], cycle: &Cycle) {
    *all += 1;
    *wrong += u64::from(cycle.captured != cycle.settled);
}

/// A number of so many bits in two's complement.
fn signed(code: u64, bits: usize) -> i32 {
    ((code as u32) << (32 - bits)) as i32 >> (32 - bits)
}
