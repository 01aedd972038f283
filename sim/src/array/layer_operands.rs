//! What the layers of a network make the multipliers of a weight-stationary array see.

use super::inference::for_each_transition;
use crate::kernel::TableGemm;
use crate::profile::sampler::Draws;
use crate::profile::{Operation, Stimulus, StimulusError};
use crate::workload::{Dense, Network, infer_with};

/// Bits of an activation code: activations are 0…127.
const ACTIVATION_BITS: u32 = 7;
/// Bits of a weight code.
const WEIGHT_BITS: u32 = 8;

/// The operands of one layer over a set of images: activations stream past weights that stay, with a zero before and after
/// each batch.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerOperands {
    layer: Dense,
    /// `[image][input]`.
    activations: Vec<u8>,
    batch: usize,
}

impl LayerOperands {
    /// The operands of every layer, first to last, of images given as activation codes `[image][input]`; `gemm` has the
    /// settled products. Timing errors of one layer do not reach the next here.
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
    pub fn layer(&self) -> &Dense {
        &self.layer
    }

    /// Activation codes the layer receives, `[image][input]`.
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
        for_each_transition(&self.activations, self.layer.inputs, self.batch, |_, _, previous, activation| {
            transitions[usize::from(previous) << ACTIVATION_BITS | usize::from(activation)] += 1.0;
        });
        let mut weights = vec![0.0; 1 << WEIGHT_BITS];
        for weight in &self.layer.weights {
            weights[usize::from(weight.cast_unsigned())] += 1.0;
        }
        Stimulus::measured(name, [ACTIVATION_BITS, WEIGHT_BITS], &transitions, &weights)
    }

    /// `count` of the layer's operations, drawn with replacement; the seed decides which.
    pub fn sample(&self, count: usize, seed: u64) -> Vec<Operation> {
        let Dense { inputs, outputs, ref weights, .. } = self.layer;
        let images = self.activations.len() / inputs;
        // A batch of b images makes b + 1 transitions of each input.
        let steps = images + images.div_ceil(self.batch);
        let stream = Draws::new(seed).stream(0, 0);
        let draw = |index: u64, range: usize| ((u128::from(stream.bits(index)) * range as u128) >> 64) as usize;
        let operation = |index: u64| {
            let step = draw(3 * index, steps);
            let (input, output) = (draw(3 * index + 1, inputs), draw(3 * index + 2, outputs));
            let (batch, place) = (step / (self.batch + 1), step % (self.batch + 1));
            let (first, last) = (batch * self.batch, ((batch + 1) * self.batch).min(images));
            let activation = |image: usize| self.activations[image * inputs + input];
            Operation {
                previous: if place > 0 { activation(first + place - 1) } else { 0 },
                activation: if first + place < last { activation(first + place) } else { 0 },
                weight: weights[output * inputs + input].cast_unsigned(),
            }
        };
        (0..count as u64).map(operation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::ProductTable;

    fn network() -> Network {
        let layer = Dense {
            name: "only".into(),
            inputs: 2,
            outputs: 3,
            weights: vec![1, -2, 3, 1, 1, -127],
            bias: vec![0; 3],
            input_scale: 1.0,
            weight_scale: 1.0,
            requantize: None,
        };
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
