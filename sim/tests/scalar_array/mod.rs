//! A weight-stationary array cycle by cycle, every stage of every element simulated event by event.

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

/// The array and what it has done.
pub(crate) struct ScalarArray<'a> {
    rows: usize,
    columns: usize,
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
    pub(crate) fn new([rows, columns]: [usize; 2], stages: ScalarStages<'a>) -> Self {
        let zero = [0, 0];
        Self {
            rows,
            columns,
            stages,
            multiplied: zero,
            added: zero,
            passed: zero,
            multiplier_fj: 0.0,
            accumulator_fj: 0.0,
        }
    }

    /// Sums `[row][column]` of one batch, `activations` `[row][input]`, as the memory has them after the last fold.
    pub(crate) fn product(
        &mut self,
        activations: &[u8],
        inputs: usize,
        weight: impl Fn(usize, usize) -> i8,
    ) -> Vec<i32> {
        let steps = activations.len() / inputs;
        let mut memory = vec![0u64; steps * self.columns];
        let (format, sign) = (self.stages.format, self.stages.multiplier.netlist.inputs()[1].width() - 1);
        let port = |weight: i8| match format {
            NumberFormat::SignMagnitude => u64::from(weight < 0) << sign | u64::from(weight.unsigned_abs()),
            _ => u64::from(weight.cast_unsigned()),
        };
        for fold in (0..inputs).step_by(self.rows) {
            let held = |row: usize, column: usize| (fold + row < inputs).then(|| port(weight(fold + row, column)));
            let activation = |row: usize, step: usize| u64::from(activations[step * inputs + fold + row]);
            self.fold(steps, held, activation, &mut memory);
        }
        let unused = 32 - self.stages.column_adder.netlist.outputs()[0].width();
        memory.into_iter().map(|sum| ((sum as u32) << unused) as i32 >> unused).collect()
    }

    fn fold(
        &mut self,
        steps: usize,
        held: impl Fn(usize, usize) -> Option<u64>,
        activation: impl Fn(usize, usize) -> u64,
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
                                .map_or((0, false), |step| (activation(row, step), true))
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
        let bits = self.stages.accumulator.netlist.outputs()[0].width();
        let product_bits = self.stages.multiplier.netlist.outputs()[0].width();
        let (product, has_product) = element.product;
        let port = match self.stages.format {
            NumberFormat::SignMagnitude => product,
            _ => ((product as i64) << (64 - product_bits) >> (64 - product_bits)) as u64 & ((1 << bits) - 1),
        };
        let dropping = self.stages.detector.is_some();
        let operands = [above.0, port, u64::from(dropping && product != element.shadow)];
        let ports = 2 + usize::from(dropping);
        let added = self.stages.accumulator.cycle(&element.added[..ports], &operands[..ports]);
        element.added = operands;
        self.accumulator_fj += added.energy_fj;
        let valid = has_product || above.1;
        if valid {
            count(if has_product { &mut self.added } else { &mut self.passed }, &added);
        }
        element.sum = (added.captured, valid);

        let active = left.1 && held.is_some();
        let before = [element.product.0, element.shadow];
        (element.product, element.shadow) = ((0, false), 0);
        if let Some(weight) = held {
            let multiplied = self.stages.multiplier.cycle(&[element.multiplied, weight], &[left.0, weight]);
            self.multiplier_fj += multiplied.energy_fj;
            if active {
                let value = |code: u64| match self.stages.format {
                    NumberFormat::SignMagnitude => {
                        let magnitude = (code & ((1 << (product_bits - 1)) - 1)) as i64;
                        if code >> (product_bits - 1) == 1 { -magnitude } else { magnitude }
                    }
                    _ => (code as i64) << (64 - product_bits) >> (64 - product_bits),
                };
                let late = dropping && multiplied.captured != multiplied.settled;
                let taken = if late { 0 } else { value(multiplied.captured) };
                self.multiplied[0] += 1;
                self.multiplied[1] += u64::from(taken != value(multiplied.settled));
                (element.product, element.shadow) = ((multiplied.captured, true), multiplied.settled);
            }
        }
        if let Some(detector) = &self.stages.detector {
            // The shadow register follows half a period later.
            let [product, shadow] = [element.product.0, element.shadow];
            for (from, to) in [(before, [product, before[1]]), ([product, before[1]], [product, shadow])] {
                self.accumulator_fj += detector.cycle(&from, &to).energy_fj;
            }
        }
        element.multiplied = left.0;
        element.activation = left;
    }
}

fn count([all, wrong]: &mut [u64; 2], cycle: &Cycle) {
    *all += 1;
    *wrong += u64::from(cycle.captured != cycle.settled);
}
