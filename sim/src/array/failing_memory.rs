//! A network whose activations and partial sums pass through memories in which cells fail, products being the settled ones.
//!
//! Where values lie, and how often they are read, follows from the array's buffers:
//!
//! - A layer's activations lie in the input memory in the order `[image][channel][row][column]` of a batch, from its first word on
//!   for the first layer and every other one, from its middle on for those between: one half is read while the next layer's
//!   are written. Each batch begins there again. All windows and folds see what one read of the batch gave.
//! - Partial sums lie in the output memory, from its first word on for every layer and batch, column tile after column tile, each
//!   from a new word on, a row an image or output pixel. All folds along K leave their sums in the same cells. A sum is read as
//!   often as it is written: by the next fold's adder, and in the end to become an activation; bias is added after that.
//! - Of networks with residuals inputs lie as in a chain, whichever layer made them, and residuals are read without faults.
//! - What exceeds a memory passes through it: word i of the stream is in word i mod its words.

use super::layers::wrapped;
use crate::kernel::{Shape, TableGemm};
use crate::memory::{ArrayShape, FailingValues};
use crate::workload::{Flow, Network, QuantizedLayer};
use rayon::prelude::*;
use std::borrow::Cow;

/// Inference with sums as the array's memories return them.
#[derive(Clone, Debug)]
pub struct FailingInference<'a> {
    /// Settled products.
    pub gemm: &'a TableGemm,
    /// Rows and columns of the weight-stationary array.
    pub array: ArrayShape,
    /// Images that stream through the array before it takes the next weights.
    pub batch: usize,
    /// Bits of the array's sums, which wrap.
    pub accumulator_bits: u32,
    /// The memory for activations, if its cells fail.
    pub activations: Option<FailingValues<'a>>,
    /// The memory for partial sums, if its cells fail.
    pub partial_sums: Option<FailingValues<'a>>,
}

/// Images that go through all layers together: few enough that a layer's sums stay in the cache.
const BLOCK_IMAGES: usize = 32;

impl FailingInference<'_> {
    /// Class scores `[image][class]` of images given as activation codes `[image][channel][row][column]`, the first of which begin
    /// batch number `first_batch`: it decides what transient faults do. Images are shared out over threads.
    ///
    /// # Panics
    /// If the activations are not of whole images, or a batch holds none.
    pub fn scores(&self, network: &Network, images: &[u8], first_batch: u64) -> Vec<i32> {
        assert!(images.len().is_multiple_of(network.inputs()), "activations of whole images");
        assert!(self.batch > 0, "a batch holds at least one image");
        let batches = BLOCK_IMAGES.div_ceil(self.batch);
        let blocks = images.par_chunks(batches * self.batch * network.inputs()).enumerate();
        let scores =
            blocks.map(|(block, images)| self.block(network, images, first_batch + (block * batches) as u64));
        scores.collect::<Vec<_>>().concat()
    }

    fn block(&self, network: &Network, images: &[u8], first_batch: u64) -> Vec<i32> {
        let mut flow = Flow::new(network, images);
        for (index, layer) in network.layers().iter().enumerate() {
            // Numbers of the reads of a layer in a batch; folds count on from them.
            let read = |batch: usize| (first_batch + batch as u64) << 32 | (index as u64) << 24;
            let mut codes = Cow::Borrowed(flow.input());
            if let Some(memory) = &self.activations {
                let half = index % 2 * (memory.memory().words() / 2);
                for (batch, codes) in codes.to_mut().chunks_mut(self.batch * layer.inputs()).enumerate() {
                    memory.read_activations(read(batch), half, codes);
                }
            }
            let mut sums = match &self.partial_sums {
                None => self.sound_sums(layer, &codes),
                Some(memory) => self.sums_through(memory, layer, &codes, read),
            };
            // Activations are summed up as they are read.
            layer.take_off_zero_points(&mut sums, &codes);
            if let Some(scores) = flow.requantize(layer, sums) {
                return scores;
            }
        }
        unreachable!("the last layer of a network gives scores")
    }

    /// Accumulators `[image][channel][position]`, bias included.
    fn sound_sums(&self, layer: &QuantizedLayer, codes: &[u8]) -> Vec<i32> {
        let mut sums = vec![0; codes.len() / layer.inputs() * layer.outputs()];
        layer.for_each_product(self.gemm, codes, layer.convolution.block_images(), |products| {
            self.finish(layer, products.group, products.sums, &mut sums[products.image * layer.outputs()..]);
        });
        sums
    }

    /// The same of sums that are stored after each fold.
    fn sums_through(
        &self,
        memory: &FailingValues<'_>,
        layer: &QuantizedLayer,
        codes: &[u8],
        read: impl Fn(usize) -> u64,
    ) -> Vec<i32> {
        let mut sums = vec![0; codes.len() / layer.inputs() * layer.outputs()];
        let Shape { m, k, n } = layer.convolution.shape(codes.len() / layer.inputs());
        let batch_rows = self.batch * layer.convolution.positions();
        let (mut partial, mut products, mut tile) = (vec![0i32; m * n], vec![0; m * n], Vec::new());
        for group in 0..layer.convolution.groups() {
            let activations = layer.convolution.lower(codes, group);
            partial.fill(0);
            for (fold, first) in (0..k).step_by(self.array.rows).enumerate() {
                let inputs = first..k.min(first + self.array.rows);
                let of_fold = columns(&activations, k, inputs.clone());
                let weights = columns(layer.group_weights(group), k, inputs.clone());
                self.gemm.run(&of_fold, &weights, Shape { m, k: inputs.len(), n }, &mut products);
                for (sum, product) in partial.iter_mut().zip(&products) {
                    *sum = wrapped(sum.wrapping_add(*product), self.accumulator_bits);
                }
                for (batch, rows) in partial.chunks_mut(batch_rows * n).enumerate() {
                    let number = read(batch) | fold as u64;
                    self.store(memory, (number, group), rows, n, &mut tile);
                }
            }
            self.finish(layer, group, &partial, &mut sums);
        }
        sums
    }

    /// Passes a group's sums of one batch, `[row][output]`, through the memory.
    fn store(
        &self,
        memory: &FailingValues<'_>,
        (number, group): (u64, usize),
        sums: &mut [i32],
        outputs: usize,
        tile: &mut Vec<i32>,
    ) {
        let rows = sums.len() / outputs;
        let tiles =
            || (0..outputs).step_by(self.array.columns).map(|first| first..outputs.min(first + self.array.columns));
        let words = |columns: &std::ops::Range<usize>| memory.memory().words_of(rows * columns.len());
        let mut word = group * tiles().map(|columns| words(&columns)).sum::<usize>();
        for columns in tiles() {
            tile.clear();
            sums.chunks_exact(outputs).for_each(|row| tile.extend_from_slice(&row[columns.clone()]));
            memory.read_sums(number, word, tile);
            for (row, read) in sums.chunks_exact_mut(outputs).zip(tile.chunks_exact(columns.len())) {
                row[columns.clone()].copy_from_slice(read);
            }
            word += words(&columns);
        }
    }

    /// Brings complete sums of a group where they belong.
    fn finish(&self, layer: &QuantizedLayer, group: usize, sums: &[i32], to: &mut [i32]) {
        layer.scatter(group, sums, to, |channel, sum| {
            wrapped(sum, self.accumulator_bits).wrapping_add(layer.bias[channel])
        });
    }
}

/// Some columns of a matrix whose rows have `width` elements.
fn columns<T: Copy>(matrix: &[T], width: usize, columns: std::ops::Range<usize>) -> Vec<T> {
    matrix.chunks_exact(width).flat_map(|row| &row[columns.clone()]).copied().collect()
}
