//! How the layers of a network hang together beyond one after the other.

use super::LayerShape;

/// What joins a layer to others than the one before it; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wiring {
    /// Number of the layer whose output comes in; `None` for the layer before, or the image.
    pub source: Option<usize>,
    /// Number of the layer whose output is added to the sums, before the activation function.
    pub residual: Option<usize>,
    /// Whether there is no activation function: codes are −127…127, to be added elsewhere.
    pub linear: bool,
}

/// Layers that cannot be joined like that. Layers are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    /// A layer wants what does not exist yet.
    #[error("it takes the output of layer {wanted}, which does not come before it")]
    Later {
        /// Number of that layer.
        wanted: usize,
    },
    /// Negative codes would be multiplied.
    #[error("it multiplies the output of layer {wanted}, which has no activation function; that can only be added")]
    Signed {
        /// Number of that layer.
        wanted: usize,
    },
    /// What is to be added has another shape.
    #[error("it adds {found:?} (channels, rows, columns) of layer {residual} to sums of {sums:?}")]
    Shape {
        /// Number of the layer that is added.
        residual: usize,
        /// Its output.
        found: [usize; 3],
        /// Channels, rows and columns that it is added to.
        sums: [usize; 3],
    },
    /// Codes of both signs would be pooled.
    #[error("it has no activation function but pools; pooling takes activations")]
    LinearPooling,
    /// The last layer cannot be joined otherwise.
    #[error(
        "it is the last and gives scores: nothing can be added to them, and they have no activation function anyway"
    )]
    Scores,
    /// Nobody takes a layer's output.
    #[error("nothing takes its output")]
    Unused,
}

/// Checks how layers are joined; the number of the layer that cannot be comes with the error.
pub(super) fn check(layers: &[LayerShape]) -> Result<(), (usize, WiringError)> {
    let last = layers.len().saturating_sub(1);
    let mut used = vec![false; layers.len()];
    for (number, layer) in layers.iter().enumerate() {
        let Wiring { residual, linear, .. } = layer.wiring;
        let refused = |error| Err((number, error));
        if number == last && (residual.is_some() || linear) {
            return refused(WiringError::Scores);
        }
        if linear && layer.pooling.is_some() {
            return refused(WiringError::LinearPooling);
        }
        let source = layer.wiring.source.or(number.checked_sub(1));
        if let Some(wanted) = source {
            match layers[..number].get(wanted) {
                None => return refused(WiringError::Later { wanted }),
                Some(source) if source.wiring.linear => return refused(WiringError::Signed { wanted }),
                Some(_) => used[wanted] = true,
            }
        }
        if let Some(residual) = residual {
            let Some(added) = layers[..number].get(residual) else {
                return refused(WiringError::Later { wanted: residual });
            };
            let (found, sums) = (added.output(), layer.convolution.output());
            if found != sums {
                return refused(WiringError::Shape { residual, found, sums });
            }
            used[residual] = true;
        }
    }
    match used[..last].iter().position(|used| !used) {
        Some(number) => Err((number, WiringError::Unused)),
        None => Ok(()),
    }
}
