//! One multiplying layer of a quantised network.

use super::{CodeRange, Convolution, Pool, Products, Quantizer, Requantize, Wiring};
use crate::kernel::{Shape, TableGemm};
use rayon::prelude::*;

/// A convolution or a fully connected layer with what follows it: bias, requantisation (which is ReLU) and pooling.
///
/// `acc[channel][position] = bias[channel] + Σ product(activation, weight)` over the kernel at that position.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// Name, unique in the network.
    pub name: String,
    /// What is multiplied with what.
    pub convolution: Convolution,
    /// Pooling of the activations that leave.
    pub pooling: Option<Pool>,
    /// Weight codes `[output channel][channel of the group][kernel row][kernel column]`, −127…127.
    pub weights: Vec<i8>,
    /// Bias in units of `input_scale` times the scale of the channel's weights, one an output channel.
    pub bias: Vec<i32>,
    /// Real number that activation code 1 stands for.
    pub input_scale: f32,
    /// Real number that weight code 1 stands for, unless channels have scales of their own: then the largest of theirs.
    pub weight_scale: f32,
    /// To the next layer's activations; `None` on the last layer, whose accumulators are the class scores.
    pub requantize: Option<Requantize>,
    /// One an output channel, in place of `requantize`: where channels are scaled differently from what they were trained with.
    pub channel_requantize: Option<Vec<Requantize>>,
    /// Which other layers it is joined to.
    pub wiring: Wiring,
    /// From the codes of the residual that is added, if one is, to units of the accumulators.
    pub residual_scaling: Option<Requantize>,
    /// What else its codes mean.
    pub quantizer: Quantizer,
}

impl QuantizedLayer {
    /// Activations of an image.
    pub fn inputs(&self) -> usize {
        self.convolution.inputs()
    }

    /// Sums of an image, before pooling.
    pub fn outputs(&self) -> usize {
        self.convolution.outputs()
    }

    /// Weight codes `[output channel of the group][k]`.
    pub fn group_weights(&self, group: usize) -> &[i8] {
        let Shape { k, n, .. } = self.convolution.shape(1);
        &self.weights[group * n * k..][..n * k]
    }

    /// Computes the matrix products of all groups, `images_at_once` at a time, and shows each.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn for_each_product(
        &self,
        gemm: &TableGemm,
        images: &[u8],
        images_at_once: usize,
        visit: impl FnMut(Products<'_>),
    ) {
        self.convolution.for_each_product(gemm, &self.weights, images, images_at_once, visit);
    }

    /// Brings a group's sums where they belong; see [`Convolution::scatter`].
    pub fn scatter<T>(&self, group: usize, sums: &[i32], to: &mut [T], value: impl Fn(usize, i32) -> T) {
        self.convolution.scatter(group, sums, to, value);
    }

    /// Accumulators `[image][output channel][position]`, bias included, of images `[channel][row][column]`: what the
    /// array holds before it requantises. They wrap modulo 2^32. Images are shared out over threads.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn accumulate(&self, gemm: &TableGemm, images: &[u8]) -> Vec<i32> {
        assert!(images.len().is_multiple_of(self.inputs()), "activations of whole images");
        let count = images.len() / self.inputs();
        let mut accumulators = vec![0; count * self.outputs()];
        let share = count.div_ceil(rayon::current_num_threads()).max(1);
        let shares =
            images.par_chunks(share * self.inputs()).zip(accumulators.par_chunks_mut(share * self.outputs()));
        shares.for_each(|(images, accumulators)| {
            self.convolution.for_each_sum(gemm, &self.weights, images, self.convolution.block_images(), |products| {
                let to = &mut accumulators[products.image * self.outputs()..];
                self.scatter(products.group, products.sums, to, |channel, sum| sum.wrapping_add(self.bias[channel]));
            });
        });
        accumulators
    }

    /// Adds a residual's codes `[image][channel][position]`, of either sign, to accumulators of the same order, in their units.
    ///
    /// # Panics
    /// If the layer adds nothing.
    pub fn add_residual(&self, accumulators: &mut [i32], codes: &[u8]) {
        let of_layer = self.residual_scaling.expect("a layer that adds a residual");
        let of_channels = self.quantizer.channel_residual_scaling.as_deref();
        let limits = [i32::MIN, i32::MAX].map(i64::from);
        let scaled = |scaling: &Requantize| -> [i32; 256] {
            std::array::from_fn(|code| {
                scaling.scale((code as u8).cast_signed().into()).clamp(limits[0], limits[1]) as i32
            })
        };
        let tables: Vec<[i32; 256]> = of_channels.unwrap_or(&[of_layer]).iter().map(scaled).collect();
        let positions = if tables.len() == 1 { accumulators.len().max(1) } else { self.convolution.positions() };
        let channels = accumulators.chunks_mut(positions).zip(codes.chunks(positions)).zip(tables.iter().cycle());
        for ((sums, codes), scaled) in channels {
            for (sum, &code) in sums.iter_mut().zip(codes) {
                *sum = sum.wrapping_add(scaled[usize::from(code)]);
            }
        }
    }

    /// Takes what the weights' zero points have added off accumulators `[image][channel][position]` of images
    /// `[channel][row][column]`: the zero point times the sum of the activations that a filter meets. Nothing where they are 0.
    ///
    /// # Panics
    /// If the activations are not of whole images.
    pub fn take_off_zero_points(&self, accumulators: &mut [i32], images: &[u8]) {
        if let Some(zero_points) = &self.quantizer.weight_zero_points {
            self.convolution.add_activation_sums(images, accumulators, |channel| -i32::from(zero_points[channel]));
        }
    }

    /// The codes that leave it.
    pub fn code_range(&self) -> CodeRange {
        CodeRange::new(self.quantizer.activation_bits, self.wiring.linear)
    }

    /// The codes that leave, `[image][channel][row][column]`, for accumulators as of [`Self::accumulate`] with zero points taken
    /// off and the residual added.
    ///
    /// # Panics
    /// If this is the last layer.
    pub fn activate(&self, accumulators: &[i32]) -> Vec<u8> {
        let mut codes = vec![0; accumulators.len()];
        if self.channel_requantize.is_none() {
            self.channel_scaling(0).apply_all(accumulators, 0, self.code_range(), &mut codes);
            return self.pooled(codes);
        }
        let (positions, channels) = (self.convolution.positions(), self.convolution.channels());
        let rows = accumulators.chunks_exact(positions).zip(codes.chunks_exact_mut(positions));
        for (row, (accumulators, codes)) in rows.enumerate() {
            self.channel_scaling(row % channels).apply_all(accumulators, 0, self.code_range(), codes);
        }
        self.pooled(codes)
    }

    /// What turns a channel's accumulators into activations.
    ///
    /// # Panics
    /// If this is the last layer.
    pub fn channel_scaling(&self, channel: usize) -> Requantize {
        match &self.channel_requantize {
            Some(channels) => channels[channel],
            None => self.requantize.expect("the last layer's accumulators are scores"),
        }
    }

    /// As [`Self::activate`] of [`Self::accumulate`] with zero points taken off and the residual added, on this thread and
    /// without keeping the accumulators.
    pub(super) fn forward(&self, gemm: &TableGemm, images: &[u8], residual: Option<&[u8]>) -> Vec<u8> {
        let (outputs, range) = (self.outputs(), self.code_range());
        let mut codes = vec![0; images.len() / self.inputs() * outputs];
        let at_once = self.convolution.block_images();
        let mut sums = vec![0; at_once.min(images.len() / self.inputs()) * outputs];
        let (last_group, positions) = (self.convolution.groups() - 1, self.convolution.positions());
        self.convolution.for_each_sum(gemm, &self.weights, images, at_once, |products| {
            let place = products.image * outputs;
            if positions == 1 && residual.is_none() && self.quantizer.weight_zero_points.is_none() {
                let code = |channel: usize, sum: i32| {
                    self.channel_scaling(channel).apply_in(sum.wrapping_add(self.bias[channel]), range)
                };
                return self.scatter(products.group, products.sums, &mut codes[place..], code);
            }
            self.scatter(products.group, products.sums, &mut sums, |_, sum| sum);
            // The image is complete with its last group.
            if products.group == last_group {
                let codes = &mut codes[place..];
                let sums = &mut sums[..(at_once * outputs).min(codes.len())];
                let first = products.image * self.inputs();
                self.take_off_zero_points(sums, &images[first..][..sums.len() / outputs * self.inputs()]);
                if let Some(residual) = residual {
                    self.add_residual(sums, &residual[place..]);
                }
                let channels = sums.chunks_exact(positions).zip(codes.chunks_exact_mut(positions));
                for ((sums, codes), (channel, &bias)) in channels.zip(self.bias.iter().enumerate().cycle()) {
                    self.channel_scaling(channel).apply_all(sums, bias, range, codes);
                }
            }
        });
        self.pooled(codes)
    }

    fn pooled(&self, codes: Vec<u8>) -> Vec<u8> {
        match &self.pooling {
            Some(pool) => pool.apply(&codes),
            None => codes,
        }
    }
}
