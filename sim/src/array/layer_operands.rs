//! What the layers of a network make the multipliers of a weight-stationary array see.

use super::inference::{for_each_block, for_each_transition};
use super::{Dataflow, OperandTransition};
use crate::kernel::TableGemm;
use crate::profile::{Operation, Stimulus, StimulusError};
use crate::workload::{Network, QuantizedLayer, infer_with};

/// Bits of an activation code: activations are 0…127.
const ACTIVATION_BITS: u32 = 7;
/// Bits of a weight code.
const WEIGHT_BITS: u32 = 8;

/// The operands of one layer over a set of images: activations stream past weights that stay, with a zero before and after
/// each batch. In a convolution the rows that stream are the output pixels of all images of a batch, for each group.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerOperands {
    layer: QuantizedLayer,
    /// `[image][channel][row][column]`.
    activations: Vec<u8>,
    batch: usize,
}

impl LayerOperands {
    /// The operands of every layer, first to last, of images given as activation codes `[image][channel][row][column]`;
    /// `gemm` has the settled products. Timing errors of one layer do not reach the next here.
    ///
    /// # Panics
    /// If the activations are not of whole images, or `batch` is zero.
    pub fn of(network: &Network, gemm: &TableGemm, images: &[u8], batch: usize) -> Vec<Self> {
        assert!(batch > 0, "a batch holds at least one image");
        let mut operands = Vec::new();
        infer_with(network, gemm, images, |pass| {
            operands.push(Self { layer: pass.layer.clone(), activations: pass.activations.to_vec(), batch });
        });
        operands
    }

    /// The layer.
    pub fn layer(&self) -> &QuantizedLayer {
        &self.layer
    }

    /// Activation codes the layer receives, `[image][channel][row][column]`.
    pub fn activations(&self) -> &[u8] {
        &self.activations
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// How often each activation follows each other one, bubbles included, and how often each weight occurs.
    pub fn stimulus(&self, name: impl Into<String>) -> Result<Stimulus, StimulusError> {
        let mut transitions = vec![0.0; 1 << (2 * ACTIVATION_BITS)];
        let (inputs, rows) =
            (self.layer.convolution.shape(1).k, self.batch.saturating_mul(self.layer.convolution.positions()));
        for_each_block(&self.layer, &self.activations, self.batch, |_, _, activations| {
            for input in 0..inputs {
                for_each_transition(activations, (input, inputs), rows, |_, previous, activation| {
                    transitions[usize::from(previous) << ACTIVATION_BITS | usize::from(activation)] += 1.0;
                });
            }
        });
        let mut weights = vec![0.0; 1 << WEIGHT_BITS];
        for weight in &self.layer.weights {
            weights[usize::from(weight.cast_unsigned())] += 1.0;
        }
        Stimulus::measured(name, [ACTIVATION_BITS, WEIGHT_BITS], &transitions, &weights)
    }

    /// `count` of the layer's operations, drawn with replacement; the seed decides which.
    pub fn sample(&self, count: usize, seed: u64) -> Vec<Operation> {
        let transitions = self.transitions(Dataflow::WeightStationary, count, seed);
        let operation = |OperandTransition { before, after, .. }: OperandTransition| Operation {
            previous: before[0],
            activation: after[0],
            weight: after[1],
        };
        transitions.into_iter().map(operation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::ProductTable;
    use crate::workload::testing::dense;

    fn network() -> Network {
        let layer = dense("only", 2, vec![1, -2, 3, 1, 1, -127], vec![0; 3]);
        Network::new(vec![layer]).unwrap()
    }

    /// Three images in batches of two: 0→a→c→0 and 0→e→0 for the first input.
    #[test]
    fn zeros_stand_around_each_batch() {
        let network = network();
        let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
        let operands = &LayerOperands::of(&network, &gemm, &[10, 20, 30, 20, 50, 0], 2)[0];
        let stimulus = operands.stimulus("s").unwrap();
        let expected = [(0, 10), (10, 30), (30, 0), (0, 50), (50, 0), (0, 20), (20, 20), (20, 0), (0, 0), (0, 0)];
        for previous in 0..128 {
            for activation in 0..128 {
                let count = expected.iter().filter(|pair| **pair == (previous, activation)).count();
                assert_eq!(stimulus.transitions()[previous << 7 | activation], count as f64 / 10.0);
            }
        }
        assert_eq!((stimulus.weights()[1], stimulus.weights()[0x81]), (0.5, 1.0 / 6.0));

        // Input 0 has weights 1, 3 and 1, input 1 −2, 1 and −127: samples occur as often as that, and nothing else.
        let count = 60_000;
        let sample = operands.sample(count, 3);
        assert_eq!(sample, operands.sample(count, 3));
        let share = |previous: u8, activation: u8, weight: i8| {
            let wanted = Operation { previous, activation, weight: weight.cast_unsigned() };
            sample.iter().filter(|operation| **operation == wanted).count() as f64 / count as f64
        };
        for ((previous, activation, weight), expected) in
            [((10, 30, 1), 2.0 / 30.0), ((30, 0, 3), 1.0 / 30.0), ((0, 0, -127), 2.0 / 30.0), ((0, 50, -2), 0.0)]
        {
            let found = share(previous, activation, weight);
            // 4.5 standard deviations.
            assert!((found - expected).abs() <= 4.5 * (expected / count as f64).sqrt(), "{found} is not {expected}");
        }
        let possible =
            |operation: &Operation| expected.contains(&(operation.previous.into(), operation.activation.into()));
        assert!(sample.iter().all(possible));
    }
}
