//! Images on their way through a network, layer after layer.

use super::{Network, QuantizedLayer};
use std::borrow::Cow;

/// Activation codes of some images as far as layers yet to come need them.
///
/// Layers take their turns in order: [`input`](Self::input) and [`residual`](Self::residual) are those of the next one, until
/// [`put`](Self::put) is given its output.
#[derive(Clone, Debug)]
pub struct Flow<'a> {
    images: Cow<'a, [u8]>,
    /// Of each layer, that which receives its input, and that whose output is added.
    takes: Vec<[Option<usize>; 2]>,
    /// Of each layer so far, `[image][channel][row][column]`; empty once nobody needs it any more.
    outputs: Vec<Vec<u8>>,
    /// How often each output will still be taken.
    wanted: Vec<usize>,
}

impl<'a> Flow<'a> {
    /// Images `[image][channel][row][column]` before the first layer.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn new(network: &Network, images: impl Into<Cow<'a, [u8]>>) -> Self {
        let images = images.into();
        assert!(images.len().is_multiple_of(network.inputs()), "activations of whole images");
        let layers = network.layers().iter().enumerate();
        let takes: Vec<_> = layers
            .map(|(number, layer)| [layer.wiring.source.or(number.checked_sub(1)), layer.wiring.residual])
            .collect();
        let mut wanted = vec![0; takes.len()];
        takes.iter().flatten().flatten().for_each(|&number| wanted[number] += 1);
        Self { images, takes, outputs: Vec::new(), wanted }
    }

    /// Number of the next layer.
    pub fn number(&self) -> usize {
        self.outputs.len()
    }

    /// Activation codes that the next layer receives.
    pub fn input(&self) -> &[u8] {
        match self.takes[self.number()][0] {
            Some(source) => &self.outputs[source],
            None => &self.images,
        }
    }

    /// Codes that are added to the next layer's sums, if any are.
    pub fn residual(&self) -> Option<&[u8]> {
        self.takes[self.number()][1].map(|number| self.outputs[number].as_slice())
    }

    /// Takes the sums of the next layer, `layer` being it or what stands in its place, as the array holds them; the scores
    /// come back.
    pub fn finish(&mut self, layer: &QuantizedLayer, mut sums: Vec<i32>) -> Option<Vec<i32>> {
        layer.take_off_zero_points(&mut sums, self.input());
        self.requantize(layer, sums)
    }

    /// As [`finish`](Self::finish), of sums that zero points have been taken off.
    pub fn requantize(&mut self, layer: &QuantizedLayer, mut sums: Vec<i32>) -> Option<Vec<i32>> {
        if let Some(residual) = self.residual() {
            layer.add_residual(&mut sums, residual);
        }
        match layer.requantize {
            Some(_) => {
                self.put(layer.activate(&sums));
                None
            }
            None => Some(sums),
        }
    }

    /// Adds to the sums of the next layer, `layer` being it or what stands in its place, what the array itself does not: zero
    /// points are taken off, a residual comes on top.
    pub fn complete(&self, layer: &QuantizedLayer, sums: &mut [i32]) {
        layer.take_off_zero_points(sums, self.input());
        if let Some(residual) = self.residual() {
            layer.add_residual(sums, residual);
        }
    }

    /// Takes the next layer's output.
    pub fn put(&mut self, codes: Vec<u8>) {
        for taken in self.takes[self.number()].into_iter().flatten() {
            self.wanted[taken] -= 1;
            if self.wanted[taken] == 0 {
                self.outputs[taken] = Vec::new();
            }
        }
        self.outputs.push(codes);
    }
}
