//! What operations cost on average, measured on the gates under operands of a given distribution.

use super::accumulator::{Accumulator, Addition};
use super::element::{ElementMeans, mean_switching};
use super::{Dataflow, Layer, SystolicArray};
use crate::multiplier::{Coding, ProductTable};
use crate::netlist::Netlist;
use crate::technology::Physical;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The multiplier of an element and how often it meets each operand.
#[derive(Clone, Copy, Debug)]
pub struct OperandStatistics<'a> {
    /// The multiplier's gates.
    pub netlist: &'a Netlist,
    /// Their delays and energies at nominal supply.
    pub physical: &'a Physical,
    /// What its ports carry.
    pub coding: Coding,
    /// What they compute.
    pub product: &'a ProductTable,
    /// Probability of each code of the activation and of the weight; draws are independent.
    pub probabilities: [&'a [f64]; 2],
}

/// Mean switching energy of a multiplier by occasion, fJ at nominal supply, and what the rest of its element does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OperationMeans {
    /// From one product of a fold to the next: the stationary operand stays (both change if the sum is stationary).
    pub step_fj: f64,
    /// From a bubble to a fold's first product.
    pub start_fj: f64,
    /// From a fold's last product to a bubble.
    pub end_fj: f64,
    /// From a fold's last product to the next fold's first.
    pub swap_fj: f64,
    /// From activation to activation at weight zero.
    pub activation_alone_fj: f64,
    /// From weight to weight at activation zero.
    pub weight_alone_fj: f64,
    /// The rest of the element, a multiply-accumulate.
    pub element: ElementMeans,
}

/// Operand codes, activation first.
type Pair = [u32; 2];
/// From one pair to the next.
type Transition = (Pair, Pair);

impl OperationMeans {
    /// Measures `samples` occasions of each kind, drawn with `seed`. A sum has up to `additions` products below the one
    /// that is added.
    pub fn measure(
        array: &SystolicArray,
        statistics: &OperandStatistics<'_>,
        accumulator: &Accumulator,
        additions: u64,
        (samples, seed): (usize, u64),
    ) -> Self {
        let mut draw = Draw::new(statistics.probabilities, seed);
        let gating = array.data_gating();
        let coding = statistics.coding;
        let energy = |transitions: &[Transition]| {
            let ports = transitions.iter().map(|&(before, after)| (coding.operands(before), coding.operands(after)));
            mean_switching(statistics.netlist, statistics.physical, &ports.collect::<Vec<_>>())
        };
        let follows = |before: Pair, after: Pair| match array.dataflow() {
            Dataflow::WeightStationary => (before, [after[0], before[1]]),
            Dataflow::InputStationary => (before, [before[0], after[1]]),
            Dataflow::OutputStationary => (before, after),
        };
        let pairs: Vec<Transition> = (0..samples).map(|_| (draw.pair(), draw.pair())).collect();
        let steps: Vec<_> = pairs.iter().map(|&(before, after)| follows(before, after)).collect();
        let element = Self::element(array, statistics, accumulator, &mut draw, (&pairs, &steps, additions));
        if gating {
            // Pairs with a zero leave the multiplier at the last one without.
            let works = |pair: &Pair| !pair.contains(&0);
            let share = |of: &[Transition]| {
                of.iter().filter(|(_, after)| works(after)).count() as f64 / of.len().max(1) as f64
            };
            let working = |of: &[Transition]| -> Vec<Transition> {
                of.iter().copied().filter(|(before, after)| works(before) && works(after)).collect()
            };
            let swap_fj = energy(&working(&pairs)) * share(&pairs);
            let step_fj = energy(&working(&steps)) * share(&steps);
            return Self { step_fj, start_fj: swap_fj, swap_fj, element, ..Self::default() };
        }
        let resting = |pair: Pair| match array.dataflow() {
            Dataflow::WeightStationary => [0, pair[1]],
            Dataflow::InputStationary => [pair[0], 0],
            Dataflow::OutputStationary => [0, 0],
        };
        let mapped = |of: &dyn Fn(Pair, Pair) -> Transition| -> f64 {
            energy(&pairs.iter().map(|&(before, after)| of(before, after)).collect::<Vec<_>>())
        };
        Self {
            step_fj: energy(&steps),
            start_fj: mapped(&|_, after| (resting(after), after)),
            end_fj: mapped(&|before, _| (before, resting(before))),
            swap_fj: energy(&pairs),
            activation_alone_fj: mapped(&|before, after| ([before[0], 0], [after[0], 0])),
            weight_alone_fj: mapped(&|before, after| ([0, before[1]], [0, after[1]])),
            element,
        }
    }

    /// Products that meet in one pass through the array: its rows, or, if sums stay, the mean length of a sum of these
    /// layers, weighted by their multiply-accumulates.
    pub fn additions(array: &SystolicArray, layers: &[Layer]) -> f64 {
        if array.dataflow() != Dataflow::OutputStationary {
            return array.rows() as f64;
        }
        let work = |layer: &Layer| {
            let gemm = layer.gemm();
            [gemm.m(), gemm.n(), gemm.k(), layer.groups()].map(|size| size as f64).iter().product::<f64>()
        };
        let total: f64 = layers.iter().map(work).sum();
        layers.iter().map(|layer| work(layer) * layer.gemm().k() as f64).sum::<f64>() / total.max(1.0)
    }

    /// The accumulator and the registers.
    fn element(
        array: &SystolicArray,
        statistics: &OperandStatistics<'_>,
        accumulator: &Accumulator,
        draw: &mut Draw,
        (pairs, steps, additions): (&[Transition], &[Transition], u64),
    ) -> ElementMeans {
        let adder = array.adder();
        let multiply = |[a, b]: Pair| {
            if array.data_gating() && (a == 0 || b == 0) { 0 } else { statistics.product.product(a, b) }
        };
        let sums: Vec<(Addition, Addition)> = steps
            .iter()
            .map(|&(before, after)| {
                let products = [multiply(before), multiply(after)];
                let (mut left, mut right) = (0, 0);
                for _ in 0..draw.below(additions) {
                    let (earlier, later) = (draw.pair(), draw.pair());
                    left = adder.sum(left, multiply(earlier));
                    // The row above holds another weight (activation), the same in both cycles.
                    right = adder.sum(
                        right,
                        multiply(match array.dataflow() {
                            Dataflow::InputStationary => [earlier[0], later[1]],
                            _ => [later[0], earlier[1]],
                        }),
                    );
                }
                if array.dataflow() == Dataflow::OutputStationary {
                    right = adder.sum(left, products[0]);
                }
                let [first, second] = products;
                (
                    Addition { codes: before, product: first, partial_sum: left },
                    Addition { codes: after, product: second, partial_sum: right },
                )
            })
            .collect();
        let count = steps.len().max(1) as f64;
        let mean = |bits: &dyn Fn(usize) -> u32| (0..steps.len()).map(|i| f64::from(bits(i))).sum::<f64>() / count;
        let operand = |index: usize, pair: Pair| statistics.coding.operand(index, pair[index]);
        let operand_changes =
            |index: usize| mean(&|i| (operand(index, pairs[i].0) ^ operand(index, pairs[i].1)).count_ones());
        let code = |addition: &Addition| accumulator.product_code(addition);
        let sum = |addition: &Addition| {
            adder.sum(addition.partial_sum, addition.product) as u32 & (u32::MAX >> (32 - adder.bits))
        };
        let changes = |of: &dyn Fn(&Addition) -> u32| mean(&|i| (of(&sums[i].0) ^ of(&sums[i].1)).count_ones());
        ElementMeans {
            accumulate_fj: accumulator.mean_energy(&sums),
            activation_toggles: operand_changes(0),
            weight_toggles: operand_changes(1),
            product_toggles: changes(&code),
            partial_sum_toggles: changes(&sum),
        }
    }
}

/// Independent operands with given probabilities.
struct Draw {
    cumulative: [Vec<f64>; 2],
    random: ChaCha8Rng,
}

impl Draw {
    fn new(probabilities: [&[f64]; 2], seed: u64) -> Self {
        let running = |probabilities: &[f64]| {
            let mut sum = 0.0;
            probabilities
                .iter()
                .map(|probability| {
                    sum += probability;
                    sum
                })
                .collect()
        };
        Self { cumulative: probabilities.map(running), random: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn pair(&mut self) -> Pair {
        let Self { cumulative, random } = self;
        [0, 1].map(|operand| {
            let sums: &[f64] = &cumulative[operand];
            let place = random.random::<f64>() * sums[sums.len() - 1];
            sums.partition_point(|&sum| sum <= place).min(sums.len() - 1) as u32
        })
    }

    fn below(&mut self, most: u64) -> u64 {
        self.random.random_range(0..most.max(1))
    }
}
