//! Layers as a model's description lists them, and models by name.

use super::Pooling;

/// An entry of a model's description. Layers that multiply are counted from 0; all other entries say more of the one before
/// them, or, [`From`](Self::From), of the one after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerSpec {
    /// A convolution, whatever the size of its input.
    Convolution {
        /// Output channels.
        outputs: usize,
        /// Rows and columns of the kernel.
        kernel: [usize; 2],
        /// Rows and columns from one position to the next.
        stride: [usize; 2],
        /// Rows and columns of zeros at each border.
        padding: [usize; 2],
        /// Groups of channels that do not mix; as many as channels for a depthwise convolution.
        groups: usize,
    },
    /// Pooling of what a convolution gives.
    Pooling {
        /// What becomes of a window.
        kind: Pooling,
        /// Rows and columns of a window.
        window: [usize; 2],
        /// Rows and columns from window to window.
        stride: [usize; 2],
    },
    /// Pooling of each whole channel of what a convolution gives.
    GlobalPooling {
        /// What becomes of a channel.
        kind: Pooling,
    },
    /// A fully connected layer over all that comes before.
    Dense {
        /// Outputs.
        outputs: usize,
    },
    /// Batch normalisation of the sums of the layer before (Ioffe and Szegedy, ICML 2015); its shift is that layer's bias.
    Normalisation,
    /// The layer before adds the output of an earlier one to its sums, ahead of its activation function.
    Add {
        /// Number of that layer.
        layer: usize,
    },
    /// The layer before has no activation function; its output can be added elsewhere, but not multiplied.
    Linear,
    /// The next layer takes the output of this one instead of that of the one before it.
    From {
        /// Number of that layer.
        layer: usize,
    },
}

impl LayerSpec {
    /// LeNet-5 (LeCun et al., Proc. IEEE 86, 1998) on 28×28 images but for its last layer: two convolutions of 5×5, 6 and
    /// 16 channels, and 120 and 84 outputs, with ReLU, maximum pooling and all channels connected.
    pub fn lenet5() -> Vec<LayerSpec> {
        let convolution = |outputs, padding| square(outputs, 5, 1, padding);
        let pooling = LayerSpec::Pooling { kind: Pooling::Maximum, window: [2, 2], stride: [2, 2] };
        let dense = |outputs| LayerSpec::Dense { outputs };
        vec![convolution(6, 2), pooling, convolution(16, 0), pooling, dense(120), dense(84)]
    }

    /// ResNet-8 as in MLPerf Tiny (Banbury et al., NeurIPS 2021) but for its last layer: a convolution of 3×3 to 16
    /// channels and a block of two (He et al., CVPR 2016) each of 16, 32 and 64 channels, the later ones at half the
    /// resolution of the one before with a convolution of 1×1 as their shortcut; the mean over what is left of each image.
    /// Shortcuts are normalised as everything else is.
    pub fn resnet8() -> Vec<LayerSpec> {
        use LayerSpec::{Add, From, GlobalPooling, Linear, Normalisation};
        let mut layers = vec![square(16, 3, 1, 1), Normalisation];
        // Multiplying layers so far; the last one's output enters the next block.
        let mut count = 1;
        for (channels, stride) in [(16, 1), (32, 2), (64, 2)] {
            let entry = count - 1;
            let mut shortcut = entry;
            if stride > 1 {
                layers.extend([square(channels, 1, stride, 0), Normalisation, Linear, From { layer: entry }]);
                shortcut = count;
                count += 1;
            }
            layers.extend([square(channels, 3, stride, 1), Normalisation]);
            layers.extend([square(channels, 3, 1, 1), Normalisation, Add { layer: shortcut }]);
            count += 2;
        }
        layers.push(GlobalPooling { kind: Pooling::Average });
        layers
    }

    /// A small network in the manner of VGG (Simonyan and Zisserman, ICLR 2015) but for its last layer: pairs of normalised
    /// convolutions of 3×3 to 32, 64 and 128 channels, each pair followed by maximum pooling of 2×2.
    pub fn vgg_small() -> Vec<LayerSpec> {
        let pooling = LayerSpec::Pooling { kind: Pooling::Maximum, window: [2, 2], stride: [2, 2] };
        let pair = |channels| {
            let layer = square(channels, 3, 1, 1);
            [layer, LayerSpec::Normalisation, layer, LayerSpec::Normalisation, pooling]
        };
        [32, 64, 128].into_iter().flat_map(pair).collect()
    }
}

/// A convolution with all channels connected.
fn square(outputs: usize, kernel: usize, stride: usize, padding: usize) -> LayerSpec {
    LayerSpec::Convolution { outputs, kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], groups: 1 }
}
