//! Choices among training settings.

use serde::Deserialize;

/// How gradients move parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam.
    #[default]
    Adam,
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW,
    /// Stochastic gradient descent.
    Sgd,
}

/// A variation of training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentKind {
    /// Moved by a few pixels.
    Shift,
    /// Mirrored left to right.
    Flip,
}

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Along half a cosine to zero.
    #[default]
    Cosine,
    /// To a tenth after half of training and to a hundredth after three quarters.
    Step,
    /// Not at all.
    Constant,
}

/// What active training penalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SensitivityKind {
    /// The movement of class scores.
    #[default]
    GaussNewton,
    /// The loss's gradient.
    GradientNorm,
    /// The loss's curvature.
    Hutchinson,
}

/// Errors that active training expects of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseKind {
    /// All of a layer alike.
    #[default]
    Absolute,
    /// In proportion to each weight.
    Relative,
    /// As the multiplier errs with each weight.
    Multiplier,
}

/// Where hybrid training takes the sensitivity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SensitivityPlace {
    /// On the multiplier trained for.
    #[default]
    Noisy,
    /// On exact arithmetic.
    Exact,
}

/// How errors of late products are drawn in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimingDraws {
    /// One normal variate a sum.
    #[default]
    Sums,
    /// Each product's from its own distribution.
    Products,
}
