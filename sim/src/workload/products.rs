//! A convolution's matrix products over a product table.

use super::Convolution;
use super::channels_last::ChannelsLast;
use crate::kernel::{Shape, TableGemm};
use std::borrow::Cow;

/// Rows of activations lowered at a time: with their sums they stay in the second-level cache for small kernels, and are
/// enough to make preparing the weights cheap.
const BLOCK_ROWS: usize = 4096;

/// Positions whose sums stay in the first-level cache while they are sorted by channel.
const TILE: usize = 64;

/// One group's matrix product over some images.
#[derive(Debug)]
pub struct Products<'a> {
    /// First of the images.
    pub image: usize,
    /// Group of channels.
    pub group: usize,
    /// Activation codes `[image][position][k]`.
    pub activations: &'a [u8],
    /// Sums `[image][position][output channel of the group]`.
    pub sums: &'a mut [i32],
}

impl Convolution {
    /// Computes the matrix products of all groups for weight codes `[output channel][k]`, `images_at_once` at a time, and
    /// shows each.
    ///
    /// # Panics
    /// If the activations are not of whole images, or the number of weights is wrong.
    pub fn for_each_product(
        &self,
        gemm: &TableGemm,
        weights: &[i8],
        images: &[u8],
        images_at_once: usize,
        visit: impl FnMut(Products<'_>),
    ) {
        let lower =
            |codes: &[u8], group: usize, patches: &mut Vec<u8>| *patches = self.lower(codes, group).into_owned();
        self.for_each_lowered(lower, gemm, weights, images, images_at_once, visit);
    }

    /// The same sums, faster; activations come in another order of k.
    pub(super) fn for_each_sum(
        &self,
        gemm: &TableGemm,
        weights: &[i8],
        images: &[u8],
        images_at_once: usize,
        visit: impl FnMut(Products<'_>),
    ) {
        let mut lowering = ChannelsLast::new(self);
        let weights = if self.is_connected() { Cow::Borrowed(weights) } else { lowering.weights(weights).into() };
        let lower = |codes: &[u8], group: usize, patches: &mut Vec<u8>| lowering.lower(codes, group, patches);
        self.for_each_lowered(lower, gemm, &weights, images, images_at_once, visit);
    }

    fn for_each_lowered(
        &self,
        mut lower: impl FnMut(&[u8], usize, &mut Vec<u8>),
        gemm: &TableGemm,
        weights: &[i8],
        images: &[u8],
        images_at_once: usize,
        mut visit: impl FnMut(Products<'_>),
    ) {
        assert!(images.len().is_multiple_of(self.inputs()), "activations of whole images");
        assert_eq!(weights.len(), self.weights(), "weights of {self:?}");
        let Shape { k, n, .. } = self.shape(1);
        let (mut sums, mut patches) = (Vec::new(), Vec::new());
        for (block, codes) in images.chunks(images_at_once.saturating_mul(self.inputs())).enumerate() {
            let shape = self.shape(codes.len() / self.inputs());
            sums.resize(shape.m * shape.n, 0);
            for (group, weights) in weights.chunks_exact(n * k).enumerate() {
                let activations = if self.is_connected() {
                    codes
                } else {
                    lower(codes, group, &mut patches);
                    &patches
                };
                gemm.run(activations, weights, shape, &mut sums);
                visit(Products { image: block * images_at_once, group, activations, sums: &mut sums });
            }
        }
    }

    /// As many images as are best computed at once.
    pub fn block_images(&self) -> usize {
        (BLOCK_ROWS / self.positions()).max(1)
    }

    /// Adds to `sums [image][output channel][position]` of images `[channel][row][column]` the sum of the activations that
    /// each filter meets, times a factor a channel.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn add_activation_sums(&self, images: &[u8], sums: &mut [i32], factor: impl Fn(usize) -> i32) {
        let (Shape { m: positions, k, n }, each) = (self.shape(1), self.inputs());
        assert!(images.len().is_multiple_of(each), "activations of whole images");
        for (image, sums) in images.chunks_exact(each).zip(sums.chunks_exact_mut(self.outputs())) {
            for (group, sums) in sums.chunks_exact_mut(n * positions).enumerate() {
                let patches = self.lower(image, group);
                let met = patches.chunks_exact(k).map(|patch| patch.iter().map(|&code| i32::from(code)).sum());
                let met: Vec<i32> = met.collect();
                for (channel, sums) in sums.chunks_exact_mut(positions).enumerate() {
                    let factor = factor(group * n + channel);
                    sums.iter_mut()
                        .zip(&met)
                        .for_each(|(sum, met)| *sum = sum.wrapping_add(factor.wrapping_mul(*met)));
                }
            }
        }
    }

    /// Brings a group's sums `[image][position][output channel of the group]` where they belong in `to`, `[image][output
    /// channel][position]`, as `value(channel, sum)`.
    pub fn scatter<T>(&self, group: usize, sums: &[i32], to: &mut [T], value: impl Fn(usize, i32) -> T) {
        let (positions, n) = (self.positions(), self.shape(1).n);
        let images = to.chunks_exact_mut(self.outputs()).zip(sums.chunks_exact(positions * n));
        for (image, sums) in images {
            let group_image = &mut image[group * n * positions..][..n * positions];
            if positions == 1 {
                for (index, (to, &sum)) in group_image.iter_mut().zip(sums).enumerate() {
                    *to = value(group * n + index, sum);
                }
                continue;
            }
            for (tile, sums) in sums.chunks(TILE * n).enumerate() {
                for (index, channel) in group_image.chunks_exact_mut(positions).enumerate() {
                    for (to, &sum) in channel[tile * TILE..].iter_mut().zip(sums[index..].iter().step_by(n)) {
                        *to = value(group * n + index, sum);
                    }
                }
            }
        }
    }
}
