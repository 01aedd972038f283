//! Lowering a convolution to matrix products: every window of the input becomes a row of activations (im2col).

use super::gemm::product;
use super::{ArrayError, Convention, Gemm, Layer};

/// A two-dimensional convolution. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Images.
    pub batch: u64,
    /// Input channels, all groups together.
    pub channels: u64,
    /// Height and width of the input.
    pub input: [u64; 2],
    /// Output channels, all groups together.
    pub filters: u64,
    /// Height and width of a filter.
    pub filter: [u64; 2],
    /// Step from window to window.
    pub stride: [u64; 2],
    /// Zeros added on each of two opposite sides.
    pub padding: [u64; 2],
    /// Step from tap to tap of a filter; 1 if they touch.
    pub dilation: [u64; 2],
    /// Groups of channels that do not see each other; depthwise: as many as channels.
    pub groups: u64,
}

/// A convolution that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvolutionError {
    /// The filter does not fit the input.
    #[error("a filter that spans {span} does not fit an input of {input} with padding {padding} on each side")]
    FilterTooLarge {
        /// Taps and the gaps between them.
        span: u64,
        /// Input side.
        input: u64,
        /// Zeros on each side.
        padding: u64,
    },
    /// Channels cannot be shared out among the groups.
    #[error("{count} {what} cannot be shared out among {groups} groups; both numbers of channels must be multiples")]
    Groups {
        /// Which channels.
        what: &'static str,
        /// How many.
        count: u64,
        /// Among how many groups.
        groups: u64,
    },
    /// As a matrix product it is not valid.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// A size exceeds 64 bits.
    #[error("the lowered convolution has a size beyond 2^64 − 1; split the layer")]
    Overflow,
}

impl Convolution {
    /// Height and width of the output. Windows that do not fit entirely are left out, or, as SCALE-Sim has it, count.
    pub fn output(&self, convention: Convention) -> Result<[u64; 2], ConvolutionError> {
        let side = |axis: usize| {
            let (input, padding) = (self.input[axis], self.padding[axis]);
            let span = self.span(axis).ok_or(ConvolutionError::Overflow)?;
            let padded = padding.checked_mul(2).and_then(|zeros| input.checked_add(zeros));
            let slack = padded.ok_or(ConvolutionError::Overflow)?.checked_sub(span);
            let slack = slack.ok_or(ConvolutionError::FilterTooLarge { span, input, padding })?;
            let windows_after_first = match convention {
                Convention::Rtl => slack / self.stride[axis],
                Convention::ScaleSim => slack.div_ceil(self.stride[axis]),
            };
            windows_after_first.checked_add(1).ok_or(ConvolutionError::Overflow)
        };
        self.check_sizes()?;
        Ok([side(0)?, side(1)?])
    }

    /// The layer the array runs: per group M = batch × output pixels, N = filters and K = window size.
    pub fn lower(&self, name: &str, convention: Convention) -> Result<Layer, ConvolutionError> {
        let [height, width] = self.output(convention)?;
        for (what, count) in [("input channels", self.channels), ("filters", self.filters)] {
            if count % self.groups != 0 {
                return Err(ConvolutionError::Groups { what, count, groups: self.groups });
            }
        }
        let sizes = || {
            let m = product([self.batch, height, width])?;
            let k = product([self.filter[0], self.filter[1], self.channels / self.groups])?;
            let inputs = product([self.batch, self.channels, self.input[0], self.input[1]])?;
            Some((m, k, inputs))
        };
        let (m, k, inputs) = sizes().ok_or(ConvolutionError::Overflow)?;
        let gemm = Gemm::new(m, self.filters / self.groups, k)?;
        Ok(Layer::new(name, gemm).grouped(self.groups)?.with_distinct_inputs(inputs))
    }

    /// The activations of [`Self::lower`], `[group][image, window][channel, tap]`, of an input `[image][channel][row][column]`;
    /// padding is zero.
    pub fn activations(&self, input: &[i32]) -> Result<Vec<i32>, ConvolutionError> {
        let windows = self.output(Convention::Rtl)?;
        let [height, width] = self.input;
        check_count("activations", input.len(), [self.batch, self.channels, height, width])?;
        let pixel = |image: u64, channel: u64, at: [Option<u64>; 2]| match at {
            [Some(row), Some(column)] if row < height && column < width => {
                input[(((image * self.channels + channel) * height + row) * width + column) as usize]
            }
            _ => 0,
        };
        // Where a tap of a window lies in the input; `None` before its first pixel.
        let place = |axis: usize, window: u64, tap: u64| {
            (window * self.stride[axis] + tap * self.dilation[axis]).checked_sub(self.padding[axis])
        };
        let of_group = self.channels / self.groups;
        let mut activations = Vec::new();
        for (group, image) in pairs([self.groups, self.batch]) {
            for (down, right) in pairs(windows) {
                for channel in group * of_group..(group + 1) * of_group {
                    for (tap_down, tap_right) in pairs(self.filter) {
                        let at = [place(0, down, tap_down), place(1, right, tap_right)];
                        activations.push(pixel(image, channel, at));
                    }
                }
            }
        }
        Ok(activations)
    }

    /// The weights of [`Self::lower`], `[group][channel, tap][filter]`, of filters `[filter][channel of its group][row][column]`.
    pub fn weights(&self, filters: &[i32]) -> Result<Vec<i32>, ConvolutionError> {
        self.check_sizes()?;
        let window = [self.channels / self.groups, self.filter[0], self.filter[1]];
        check_count("weights", filters.len(), [self.filters, window[0], window[1], window[2]])?;
        let (taps, of_group) = (window.iter().product::<u64>(), self.filters / self.groups);
        let mut weights = Vec::with_capacity(filters.len());
        for (group, tap) in pairs([self.groups, taps]) {
            weights.extend((0..of_group).map(|filter| filters[((group * of_group + filter) * taps + tap) as usize]));
        }
        Ok(weights)
    }

    /// Distance from a filter's first tap to its last, inclusive.
    fn span(&self, axis: usize) -> Option<u64> {
        self.dilation[axis].checked_mul(self.filter[axis] - 1)?.checked_add(1)
    }

    fn check_sizes(&self) -> Result<(), ArrayError> {
        let sizes = [
            ("the batch", [self.batch; 2]),
            ("the number of input channels", [self.channels; 2]),
            ("an input's side", self.input),
            ("the number of filters", [self.filters; 2]),
            ("a filter's side", self.filter),
            ("a stride", self.stride),
            ("a dilation", self.dilation),
            ("the number of groups", [self.groups; 2]),
        ];
        match sizes.into_iter().find(|(_, sizes)| sizes.contains(&0)) {
            Some((what, _)) => Err(ArrayError::Zero { what }),
            None => Ok(()),
        }
    }
}

/// Every pair of indices, the first one slower.
fn pairs([outer, inner]: [u64; 2]) -> impl Iterator<Item = (u64, u64)> {
    (0..outer).flat_map(move |first| (0..inner).map(move |second| (first, second)))
}

fn check_count(operand: &'static str, found: usize, sizes: [u64; 4]) -> Result<(), ConvolutionError> {
    let expected = product(sizes).ok_or(ConvolutionError::Overflow)?;
    if found as u64 == expected { Ok(()) } else { Err(ArrayError::OperandCount { operand, found, expected }.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three channels of 9×7 pixels, four filters of 3×2.
    const PLAIN: Convolution = Convolution {
        batch: 1,
        channels: 3,
        input: [9, 7],
        filters: 4,
        filter: [3, 2],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };

    /// Counts the windows one by one.
    fn windows(input: u64, filter: u64, stride: u64, padding: u64, dilation: u64) -> u64 {
        let end = input + 2 * padding;
        let starts = (0..end).step_by(stride as usize);
        starts.filter(|start| (0..filter).all(|tap| start + tap * dilation < end)).count() as u64
    }

    #[test]
    fn the_output_has_a_pixel_a_window() {
        for (stride, padding, dilation) in [(1, 0, 1), (2, 0, 1), (3, 1, 1), (2, 2, 2), (1, 1, 3)] {
            let layer = Convolution { stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2], ..PLAIN };
            let expected = [windows(9, 3, stride, padding, dilation), windows(7, 2, stride, padding, dilation)];
            assert_eq!(layer.output(Convention::Rtl), Ok(expected));
        }
    }

    #[test]
    fn scale_sim_counts_a_last_window_that_does_not_fit() {
        // ⌈(H − Fh + S)/S⌉ for 224 pixels, 7 taps, stride 2.
        let layer = Convolution { input: [224; 2], filter: [7; 2], stride: [2; 2], ..PLAIN };
        assert_eq!(layer.output(Convention::ScaleSim), Ok([110; 2]));
        assert_eq!(layer.output(Convention::Rtl), Ok([109; 2]));
    }

    #[test]
    fn groups_share_channels_and_filters() {
        let layer = Convolution { channels: 6, filters: 12, groups: 3, batch: 2, ..PLAIN };
        let lowered = layer.lower("grouped", Convention::Rtl).unwrap();
        // 2 images of 7×6 windows; 4 filters and 2 channels of 3×2 taps a group.
        assert_eq!(lowered.gemm(), Gemm::new(2 * 7 * 6, 4, 2 * 3 * 2).unwrap());
        assert_eq!(lowered.groups(), 3);
        assert_eq!(lowered.input_count(), Some(2 * 6 * 9 * 7));
        let depthwise = Convolution { channels: 6, filters: 6, groups: 6, ..PLAIN };
        let lowered = depthwise.lower("depthwise", Convention::Rtl).unwrap();
        assert_eq!((lowered.gemm(), lowered.groups()), (Gemm::new(7 * 6, 1, 3 * 2).unwrap(), 6));
    }

    #[test]
    fn impossible_convolutions_are_refused() {
        let refuse = |layer: Convolution| layer.lower("layer", Convention::Rtl).unwrap_err();
        assert_eq!(
            refuse(Convolution { dilation: [5, 1], ..PLAIN }),
            ConvolutionError::FilterTooLarge { span: 11, input: 9, padding: 0 }
        );
        assert_eq!(
            refuse(Convolution { groups: 2, ..PLAIN }),
            ConvolutionError::Groups { what: "input channels", count: 3, groups: 2 }
        );
        assert!(matches!(
            refuse(Convolution { stride: [1, 0], ..PLAIN }),
            ConvolutionError::Array(ArrayError::Zero { what: "a stride" })
        ));
        assert_eq!(refuse(Convolution { padding: [u64::MAX, 0], ..PLAIN }), ConvolutionError::Overflow);
        let huge = Convolution { input: [1 << 40; 2], ..PLAIN };
        assert_eq!(refuse(huge), ConvolutionError::Overflow);
    }
}
