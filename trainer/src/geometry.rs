//! What a layer's tensors mean as images.

use crate::quantizer;
use axtrain_sim::workload::{Convolution, LayerShape, Pool, Pooling, Wiring};
use std::sync::Arc;

/// Geometry of a multiplying layer and of the pooling after it.
#[derive(Clone, Debug)]
pub(crate) struct LayerGeometry {
    pub(crate) convolution: Convolution,
    pub(crate) pooling: Option<Windows>,
    pub(crate) wiring: Wiring,
    pub(crate) normalised: bool,
}

impl LayerGeometry {
    pub(crate) fn new(shape: &LayerShape) -> Self {
        let LayerShape { convolution, pooling, wiring, normalised } = *shape;
        Self { convolution, pooling: pooling.map(Windows::new), wiring, normalised }
    }

    /// The layer whose output comes into this one, the `number`-th; `None` if it is the image.
    pub(crate) fn source(&self, number: usize) -> Option<usize> {
        self.wiring.source.or(number.checked_sub(1))
    }
}

/// The windows of a pooling as places in an image.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    pool: Pool,
    /// Activations of an image before pooling.
    inputs: usize,
    /// Activations in a window.
    area: usize,
    /// `[pooled activation][activation in the window]`.
    places: Arc<[u32]>,
}

impl Windows {
    fn new(pool: Pool) -> Self {
        let mut places = Vec::new();
        pool.for_each_window(|_, window| places.extend(window.map(|place| place as u32)));
        let area = pool.window().iter().product();
        Self { pool, inputs: pool.input().iter().product(), area, places: places.into() }
    }

    /// The pooling.
    pub(crate) fn pool(&self) -> Pool {
        self.pool
    }

    /// Activations of an image after pooling.
    pub(crate) fn outputs(&self) -> usize {
        self.places.len() / self.area
    }

    /// How these activations `[image][place]` are pooled: what the gradient and small changes of them follow.
    pub(crate) fn selection(&self, activations: &[f32]) -> Selection {
        let choice = match self.pool.kind() {
            Pooling::Average => Choice::Mean,
            Pooling::Maximum => {
                let mut chosen = Vec::with_capacity(activations.len() / self.inputs * self.outputs());
                for image in activations.chunks_exact(self.inputs) {
                    chosen.extend(self.places.chunks_exact(self.area).map(|window| {
                        // The first of equal ones.
                        window[1..].iter().fold(window[0], |best, &place| {
                            if image[place as usize] > image[best as usize] { place } else { best }
                        })
                    }));
                }
                Choice::Largest(chosen.into())
            }
        };
        Selection { windows: self.clone(), choice }
    }
}

/// Which activations of a pass pooling took.
///
/// For the largest ones the choice stays what it was when values change: pooling is then linear, as the straight-through
/// estimator has it for rounding.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    windows: Windows,
    choice: Choice,
}

#[derive(Clone, Debug)]
enum Choice {
    /// Place of each pooled activation, `[image][pooled activation]`.
    Largest(Arc<[u32]>),
    Mean,
}

impl Selection {
    /// Activations of an image after pooling.
    pub(crate) fn outputs(&self) -> usize {
        self.windows.outputs()
    }

    /// Pools values `[image][place]`; means are rounded as the array rounds them if the values lie on the grid of a scale.
    pub(crate) fn apply(&self, values: &[f32], grid: Option<f32>) -> Vec<f32> {
        let area = self.windows.area;
        let mut pooled = vec![0.0; values.len() / self.windows.inputs * self.outputs()];
        let images = pooled.chunks_exact_mut(self.outputs()).zip(values.chunks_exact(self.windows.inputs));
        let windows = || self.windows.places.chunks_exact(area);
        match (&self.choice, grid) {
            (Choice::Largest(chosen), _) => {
                for ((pooled, image), chosen) in images.zip(chosen.chunks_exact(self.outputs())) {
                    pooled.iter_mut().zip(chosen).for_each(|(pooled, &place)| *pooled = image[place as usize]);
                }
            }
            (Choice::Mean, None) => {
                let share = (area as f32).recip();
                for (pooled, image) in images {
                    for (pooled, window) in pooled.iter_mut().zip(windows()) {
                        *pooled = window.iter().map(|&place| image[place as usize]).sum::<f32>() * share;
                    }
                }
            }
            (Choice::Mean, Some(scale)) => {
                for (pooled, image) in images {
                    let codes = quantizer::activation_codes(image, scale);
                    for (pooled, window) in pooled.iter_mut().zip(windows()) {
                        let sum: usize = window.iter().map(|&place| usize::from(codes[place as usize])).sum();
                        *pooled = ((sum + area / 2) / area) as f32 * scale;
                    }
                }
            }
        }
        pooled
    }

    /// The adjoint of [`Self::apply`]: the gradient by values, from that by pooled ones.
    pub(crate) fn spread(&self, gradient: &[f32]) -> Vec<f32> {
        let mut spread = vec![0.0; gradient.len() / self.outputs() * self.windows.inputs];
        let images = spread.chunks_exact_mut(self.windows.inputs).zip(gradient.chunks_exact(self.outputs()));
        match &self.choice {
            Choice::Largest(chosen) => {
                for ((image, gradient), chosen) in images.zip(chosen.chunks_exact(self.outputs())) {
                    chosen.iter().zip(gradient).for_each(|(&place, gradient)| image[place as usize] += gradient);
                }
            }
            Choice::Mean => {
                let share = (self.windows.area as f32).recip();
                for (image, gradient) in images {
                    let windows = self.windows.places.chunks_exact(self.windows.area);
                    for (window, gradient) in windows.zip(gradient) {
                        window.iter().for_each(|&place| image[place as usize] += gradient * share);
                    }
                }
            }
        }
        spread
    }
}
