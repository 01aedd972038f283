//! The array's closed forms against the register-by-register model, and both against plain matrix products.

use axtrain_sim::array::stepped::{self, ElementCycle, ElementState, Operands};
use axtrain_sim::array::{Dataflow, Gemm, Layer, Overflow, SystolicArray};
use axtrain_sim::multiplier::ProductTable;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A layer with random operands.
struct Case {
    array: SystolicArray,
    layer: Layer,
    inputs: Vec<i32>,
    weights: Vec<i32>,
}

impl Case {
    fn new(random: &mut ChaCha8Rng, array: SystolicArray, gemm: Gemm, groups: u64) -> Self {
        let mut codes = |count: u64| (0..count * groups).map(|_| random.random_range(-8..8)).collect();
        let (inputs, weights) = (codes(gemm.m() * gemm.k()), codes(gemm.k() * gemm.n()));
        let layer = Layer::new("case", gemm).grouped(groups).unwrap();
        Self { array, layer, inputs, weights }
    }

    fn operands(&self) -> Operands<'_> {
        let (gemm, groups) = (self.layer.gemm(), self.layer.groups());
        Operands { gemm, groups, inputs: &self.inputs, weights: &self.weights }
    }

    /// The matrix products by their definition, added in the array's order by accumulators of its width.
    fn expected(&self, table: &ProductTable) -> Vec<i32> {
        let [m, n, k] =
            [self.layer.gemm().m(), self.layer.gemm().n(), self.layer.gemm().k()].map(|size| size as usize);
        let add = |left: i32, right: i32| match self.array.overflow() {
            Overflow::Wrap => {
                let unused = 32 - self.array.accumulator_bits();
                left.wrapping_add(right) << unused >> unused
            }
            Overflow::Saturate => {
                let limit = 1_i64 << (self.array.accumulator_bits() - 1);
                (i64::from(left) + i64::from(right)).clamp(-limit, limit - 1) as i32
            }
        };
        // Sums that move are added up fold by fold, and then to what the folds before have left.
        let fold = if self.array.dataflow() == Dataflow::OutputStationary { k } else { self.array.rows() as usize };
        let mut outputs = Vec::new();
        for (inputs, weights) in self.inputs.chunks(m * k).zip(self.weights.chunks(k * n)) {
            for row in 0..m {
                for column in 0..n {
                    let product = |i| {
                        let (input, weight) = (inputs[row * k + i], weights[i * n + column]);
                        let gated = self.array.data_gating() && (input == 0 || weight == 0);
                        if gated { 0 } else { table.product(input as u32, weight as u32) }
                    };
                    let part = |start| (start..k.min(start + fold)).map(product).fold(0, add);
                    outputs.push((0..k).step_by(fold).map(part).fold(0, add));
                }
            }
        }
        outputs
    }
}

/// A multiplier without any structure to hide behind: a product of zeros is not zero either.
fn arbitrary_table(random: &mut ChaCha8Rng) -> ProductTable {
    let products: Vec<i32> = (0..256).map(|_| random.random_range(-1000..1000)).collect();
    let table = ProductTable::from_fn(4, 4, true, |a, b| products[(a << 4 | b) as usize]);
    assert_ne!(table.product(0, 0), 0);
    table
}

#[test]
fn stepped_and_closed_form_agree_on_random_layers() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let table = arbitrary_table(&mut random);
    for _ in 0..600 {
        let dataflow = Dataflow::ALL[random.random_range(0..3)];
        let array = SystolicArray::new(random.random_range(1..=7), random.random_range(1..=7), dataflow)
            .unwrap()
            .with_double_buffering(random.random())
            .with_product_register(random.random())
            .with_overflow(if random.random() { Overflow::Wrap } else { Overflow::Saturate })
            .with_data_gating(random.random())
            .with_accumulator_bits(random.random_range(8..=32))
            .unwrap();
        let mut size = || random.random_range(1..=18);
        let gemm = Gemm::new(size(), size(), size()).unwrap();
        let groups = random.random_range(1..=3);
        let case = Case::new(&mut random, array, gemm, groups);

        let mut products = 0;
        let multiply = |a, b| {
            products += 1;
            table.product(a as u32, b as u32)
        };
        let run = stepped::run(&array, &case.operands(), multiply).unwrap();
        assert_eq!(products + run.gated, case.layer.multiply_accumulates().unwrap());
        assert!(array.data_gating() || run.gated == 0);
        let name = format!("{array:?}, {groups} × {gemm}");
        assert_eq!(run.outputs, case.expected(&table), "{name}");
        let closed_form = array.layer_cycles(&case.layer).unwrap();
        assert_eq!(run.cycles, closed_form.cycles, "{name}");
        assert_eq!(run.sram, closed_form.sram, "{name}");
        assert_eq!(run.activity, array.activity(&case.layer).unwrap(), "{name}");
    }
}

/// Steps a case with exact products and collects what `keep` selects.
fn observe(case: &Case, mut keep: impl FnMut(&ElementCycle) -> bool) -> Vec<ElementCycle> {
    let mut kept = Vec::new();
    let note = |element| {
        if keep(&element) {
            kept.push(element)
        }
    };
    stepped::run_observed(&case.array, &case.operands(), |a, b| a * b, note).unwrap();
    kept
}

#[test]
fn the_far_corner_works_until_the_end() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    // Every row and column has work: then no cycle of the closed form is spare.
    for dataflow in Dataflow::ALL {
        for product_register in [false, true] {
            let array = SystolicArray::new(3, 3, dataflow).unwrap().with_product_register(product_register);
            let case = Case::new(&mut random, array, Gemm::new(6, 6, 6).unwrap(), 1);
            let active = |element: &ElementCycle| element.state == ElementState::Active;
            let last = observe(&case, active).into_iter().map(|element| element.cycle).max().unwrap();
            let drain = if dataflow == Dataflow::OutputStationary { array.rows() } else { 0 };
            let cycles = array.layer_cycles(&case.layer).unwrap().cycles;
            assert_eq!(last + 1 + u64::from(product_register) + drain, cycles, "{array:?}");
        }
    }
}

/// Activation and weight at the multiplier of element (`row`, `column`), every cycle.
fn operand_sequence(case: &Case, row: usize, column: usize) -> Vec<(i32, i32)> {
    let here = observe(case, |element| (element.row, element.column) == (row, column));
    here.into_iter().map(|element| (element.activation, element.weight)).collect()
}

/// One fold of K = 3 rows of an array of 4×3 elements, T = 5.
fn single_fold(array: SystolicArray) -> Case {
    Case::new(&mut ChaCha8Rng::seed_from_u64(3), array, Gemm::new(5, 2, 3).unwrap(), 1)
}

#[test]
fn a_weight_stationary_multiplier_sees_one_weight_and_consecutive_activations() {
    let array = SystolicArray::new(4, 3, Dataflow::WeightStationary).unwrap();
    let case = single_fold(array);
    let weight = |row: usize, column: usize| if row < 3 && column < 2 { case.weights[row * 2 + column] } else { 0 };
    for row in 0..4 {
        for column in 0..3 {
            let mut expected = vec![(0, 0); row + 1];
            // Loading: weights of the rows from the bottom up to this one pass while activations are zero; what is
            // captured in one cycle is at the multiplier in the next.
            expected.extend((row + 1..4).rev().map(|passing| (0, weight(passing, column))));
            // Streaming: the wave takes row + column cycles to arrive.
            let zeros = vec![(0, weight(row, column)); row + column];
            expected.extend(zeros);
            expected.extend((0..5).map(|step| {
                let activation = if row < 3 { case.inputs[step * 3 + row] } else { 0 };
                (activation, weight(row, column))
            }));
            // And the remaining diagonals zeros again, (R − 1) + (C − 1) in all.
            expected.resize(2 * 4 + 3 + 5 - 2, (0, weight(row, column)));
            assert_eq!(operand_sequence(&case, row, column), expected, "row {row}, column {column}");
        }
    }
}

#[test]
fn double_buffered_folds_follow_each_other_without_a_bubble_if_long_enough() {
    let array = SystolicArray::new(4, 3, Dataflow::WeightStationary).unwrap().with_double_buffering(true);
    for (steps, bubbles) in [(6, 0), (4, 0), (3, 1), (1, 3)] {
        // Three folds along K.
        let case = Case::new(&mut ChaCha8Rng::seed_from_u64(4), array, Gemm::new(steps, 3, 12).unwrap(), 1);
        let steps = steps as usize;
        for (row, column) in [(0, 0), (3, 2), (1, 2)] {
            let mut expected = Vec::new();
            for fold in 0..3 {
                let k = fold * 4 + row;
                let weight = case.weights[k * 3 + column];
                expected.extend((0..steps).map(|step| (case.inputs[step * 12 + k], weight)));
                expected.extend((0..if fold < 2 { bubbles } else { 0 }).map(|_| (0, weight)));
            }
            // Loading takes 4 cycles, the wave row + column.
            let seen = &operand_sequence(&case, row, column)[4 + row + column..][..expected.len()];
            assert_eq!(seen, expected, "T = {steps}, row {row}, column {column}");
        }
    }
}

#[test]
fn an_input_stationary_multiplier_sees_one_activation_and_consecutive_weights() {
    let case = Case::new(
        &mut ChaCha8Rng::seed_from_u64(5),
        SystolicArray::new(4, 3, Dataflow::InputStationary).unwrap(),
        Gemm::new(3, 5, 4).unwrap(),
        1,
    );
    let (row, column) = (2, 1);
    let seen = &operand_sequence(&case, row, column)[4 + row + column..][..5];
    let activation = case.inputs[column * 4 + row];
    let expected: Vec<_> = (0..5).map(|step| (activation, case.weights[row * 5 + step])).collect();
    assert_eq!(seen, expected);
}

#[test]
fn an_output_stationary_multiplier_sees_both_operands_change() {
    let case = Case::new(
        &mut ChaCha8Rng::seed_from_u64(6),
        SystolicArray::new(4, 3, Dataflow::OutputStationary).unwrap(),
        Gemm::new(4, 3, 5).unwrap(),
        1,
    );
    let (row, column) = (2, 1);
    let seen = operand_sequence(&case, row, column);
    let mut expected = vec![(0, 0); row + column];
    expected.extend((0..5).map(|step| (case.inputs[row * 5 + step], case.weights[step * 3 + column])));
    expected.resize(seen.len(), (0, 0));
    assert_eq!(seen, expected);
}

#[test]
fn operands_of_the_wrong_size_are_refused() {
    use axtrain_sim::array::ArrayError;
    let array = SystolicArray::new(4, 3, Dataflow::WeightStationary).unwrap();
    let case = single_fold(array);
    let too_few = Operands { weights: &case.weights[1..], ..case.operands() };
    let refusal = stepped::run(&array, &too_few, |a, b| a * b);
    assert_eq!(refusal, Err(ArrayError::OperandCount { operand: "weights", found: 5, expected: 6 }));
    let large = SystolicArray::new(1 << 13, 1 << 12, Dataflow::WeightStationary).unwrap();
    let refusal = stepped::run(&large, &case.operands(), |a, b| a * b);
    assert_eq!(refusal, Err(ArrayError::TooLargeToStep { rows: 1 << 13, columns: 1 << 12 }));
}
