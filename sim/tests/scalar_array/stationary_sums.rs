//! The array whose sums stay, until they move down their columns and out.

use super::{ScalarStages, count, signed};

/// An element's registers, and what its gates saw in the cycle before.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    right: (u64, bool),
    down: (u64, bool),
    product: (u64, bool),
    /// What the product should have been.
    shadow: u64,
    sum: u64,
    multiplied: [u64; 2],
    /// Sum so far, product, and whether it was late.
    added: [u64; 3],
}

/// The array, which has as many columns as the products it computes, and what it has done.
pub(crate) struct StationarySums<'a> {
    rows: usize,
    columns: usize,
    /// Whether sums wait in registers of their own to move out, and adders see zero meanwhile.
    double_buffering: bool,
    stages: ScalarStages<'a>,
    /// Multiplications, and those that were wrong.
    pub(crate) multiplied: [u64; 2],
    /// The same of additions.
    pub(crate) added: [u64; 2],
    pub(crate) multiplier_fj: f64,
    /// Of accumulators and detectors.
    pub(crate) accumulator_fj: f64,
    /// Bits of sum registers that changed, and sums that they captured.
    pub(crate) sums: [u64; 2],
}

impl<'a> StationarySums<'a> {
    pub(crate) fn new([rows, columns]: [usize; 2], double_buffering: bool, stages: ScalarStages<'a>) -> Self {
        let zero = [0, 0];
        Self {
            rows,
            columns,
            double_buffering,
            stages,
            multiplied: zero,
            added: zero,
            multiplier_fj: 0.0,
            accumulator_fj: 0.0,
            sums: zero,
        }
    }

    /// Sums `[row][column]` of activations `[row][input]` and weights by input and column, as their ports carry them.
    pub(crate) fn product(
        &mut self,
        activations: &[u64],
        inputs: usize,
        weight: impl Fn(usize, usize) -> u64,
    ) -> Vec<i32> {
        let folds = activations.chunks(self.rows * inputs);
        folds.flat_map(|fold| self.fold(fold, inputs, &weight)).collect()
    }

    fn fold(&mut self, activations: &[u64], inputs: usize, weight: &impl Fn(usize, usize) -> u64) -> Vec<i32> {
        let (rows, columns, mapped) = (self.rows, self.columns, activations.len() / inputs);
        let mut elements = vec![Element::default(); rows * columns];
        // The last element's last product is in its register after so many cycles, and added in the next.
        let adding = inputs + rows + columns + 1;
        for cycle in 0..adding {
            let before = elements.clone();
            let entering = |lag: usize| cycle.checked_sub(lag).filter(|&step| step < inputs);
            for row in 0..mapped {
                for column in 0..columns {
                    let left = match column {
                        0 => entering(row).map_or((0, false), |step| (activations[row * inputs + step], true)),
                        _ => before[row * columns + column - 1].right,
                    };
                    let above = match row {
                        0 => entering(column).map_or((0, false), |step| (weight(step, column), true)),
                        _ => before[(row - 1) * columns + column].down,
                    };
                    let element = &mut elements[row * columns + column];
                    self.element(element, element.sum, left, above);
                }
            }
        }
        let mut leaving = Vec::new();
        for position in 0..rows {
            let before = elements.clone();
            leaving.push(before[(rows - 1) * columns..].iter().map(|element| element.sum).collect::<Vec<u64>>());
            for row in position..rows {
                for column in 0..columns {
                    let from_above = if row > 0 { before[(row - 1) * columns + column].sum } else { 0 };
                    let element = &mut elements[row * columns + column];
                    self.sums[0] += u64::from((element.sum ^ from_above).count_ones());
                    // Sums come from the rows with work; what follows them clears the register.
                    self.sums[1] += u64::from((position + 1..=position + mapped).contains(&row));
                    element.sum = from_above;
                    let sum = if self.double_buffering { 0 } else { from_above };
                    self.element(element, sum, (0, false), (0, false));
                }
            }
        }
        assert!(
            elements.iter().all(|element| element.added == [0; 3] && element.multiplied == [0; 2]),
            "all is at rest"
        );
        let bits = self.stages.accumulator.netlist.outputs()[0].width();
        // Row r's sum leaves after those below it.
        let row = |row: usize| leaving[rows - 1 - row].iter().map(move |&sum| signed(sum, bits));
        (0..mapped).flat_map(row).collect()
    }

    /// `sum` is what the adder sees.
    fn element(&mut self, element: &mut Element, sum: u64, left: (u64, bool), above: (u64, bool)) {
        let ((product, has_product), shadow) = (element.product, element.shadow);
        let (operands, ports) = self.stages.operands(sum, [product, shadow]);
        let added = self.stages.accumulator.cycle(&element.added[..ports], &operands[..ports]);
        element.added = operands;
        self.accumulator_fj += added.energy_fj;
        if has_product {
            count(&mut self.added, &added);
            self.sums[0] += u64::from((element.sum ^ added.captured).count_ones());
            self.sums[1] += 1;
            element.sum = added.captured;
        }

        (element.product, element.shadow) = ((0, false), 0);
        let operands = [left.0, above.0];
        let multiplied = self.stages.multiply(element.multiplied, operands);
        self.multiplier_fj += multiplied.energy_fj;
        if left.1 && above.1 {
            self.multiplied[0] += 1;
            self.multiplied[1] += u64::from(multiplied.wrong);
            (element.product, element.shadow) = ((multiplied.captured, true), multiplied.settled);
        }
        self.accumulator_fj += self.stages.detecting_fj([product, shadow], [element.product.0, element.shadow]);
        element.multiplied = operands;
        (element.right, element.down) = (left, above);
    }
}
