//! What a layer's tensors mean as images.

use crate::quantizer;
use axtrain_sim::workload::{Convolution, LayerShape, Pool, Pooling};
use std::sync::Arc;

/// Geometry of a multiplying layer and of the pooling after it.
#[derive(Clone, Debug)]
pub(crate) struct LayerGeometry {
    pub(crate) convolution: Convolution,
    pub(crate) pooling: Option<Windows>,
}

impl LayerGeometry {
    pub(crate) fn new(shape: &LayerShape) -> Self {
        Self { convolution: shape.convolution, pooling: shape.pooling.map(Windows::new) }
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
                let largest = |image: &[f32], window: &[u32]| {
                    let rest = window[1..].iter();
                    // The first of equal ones.
                    rest.fold(
                        window[0],
                        |best, &place| {
                            if image[place as usize] > image[best as usize] { place } else { best }
                        },
                    )
                };
                let images = activations.chunks_exact(self.inputs);
                let windows = |image| self.places.chunks_exact(self.area).map(move |window| largest(image, window));
                Choice::Largest(images.flat_map(windows).collect())
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
        let images = values.chunks_exact(self.windows.inputs);
        let area = self.windows.area;
        let windows = || self.windows.places.chunks_exact(area);
        match (&self.choice, grid) {
            (Choice::Largest(chosen), _) => {
                let chosen = chosen.chunks_exact(self.outputs());
                images
                    .zip(chosen)
                    .flat_map(|(image, chosen)| chosen.iter().map(|&place| image[place as usize]))
                    .collect()
            }
            (Choice::Mean, None) => {
                let share = (area as f32).recip();
                let sum =
                    |image: &[f32], window: &[u32]| window.iter().map(|&place| image[place as usize]).sum::<f32>();
                images.flat_map(|image| windows().map(move |window| sum(image, window) * share)).collect()
            }
            (Choice::Mean, Some(scale)) => {
                let mean = |codes: &[u8], window: &[u32]| {
                    let sum: usize = window.iter().map(|&place| usize::from(codes[place as usize])).sum();
                    ((sum + area / 2) / area) as f32 * scale
                };
                let pooled = images.flat_map(|image| {
                    let codes = quantizer::activation_codes(image, scale);
                    windows().map(|window| mean(&codes, window)).collect::<Vec<_>>()
                });
                pooled.collect()
            }
        }
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
