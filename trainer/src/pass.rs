//! How one forward pass computes.

use crate::ops::TableProduct;
use crate::quantizer::WeightCoding;
use crate::table_slopes::TableSlopes;
use crate::timing::{LateProducts, Samplers};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::sampler::Draws;
use std::sync::Arc;

/// The numbers that a pass multiplies, and what disturbs them.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) numbers: Numbers,
    /// Normal noise on pre-activations.
    pub(crate) noise: Option<Noise>,
}

/// What is multiplied with what.
#[derive(Clone, Debug)]
pub(crate) enum Numbers {
    /// Real numbers throughout.
    Real,
    /// Real numbers, but activations are rounded: weights may lie off their grid.
    RoundedActivations,
    /// Codes, by a multiplier.
    Codes(Products),
}

/// A multiplier's products.
#[derive(Clone, Debug)]
pub(crate) struct Products {
    /// Settled ones.
    pub(crate) gemm: Arc<TableGemm>,
    /// Their derivatives, unless the exact product's are taken.
    pub(crate) slopes: Option<Arc<TableSlopes>>,
    /// Errors of late ones.
    pub(crate) late: Option<Late>,
}

/// Errors of late products in one pass.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) samplers: Samplers,
    pub(crate) draws: Draws,
    /// The first images of the batch, which errors reach.
    pub(crate) images: usize,
}

/// Normal noise added to every pre-activation of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    /// One a layer.
    pub(crate) deviations: Vec<f32>,
    pub(crate) draws: Draws,
}

impl Products {
    /// Settled products with the exact one's derivatives.
    pub(crate) fn of(gemm: &Arc<TableGemm>) -> Self {
        Self { gemm: gemm.clone(), slopes: None, late: None }
    }

    /// In a layer whose operands lie on these grids.
    pub(crate) fn in_layer(&self, layer: usize, activation_scale: f32, coding: &WeightCoding) -> TableProduct {
        let late = |late: &Late| LateProducts::new(&late.samplers, layer, late.draws, late.images);
        TableProduct {
            gemm: self.gemm.clone(),
            slopes: self.slopes.clone(),
            late: self.late.as_ref().map(late),
            activation_scale,
            coding: coding.clone(),
        }
    }
}

impl Pass {
    /// On the codes of a multiplier.
    pub(crate) fn on(products: Products) -> Self {
        Self { numbers: Numbers::Codes(products), noise: None }
    }

    /// On a multiplier's settled products, derivatives straight through.
    pub(crate) fn settled(gemm: &Arc<TableGemm>) -> Self {
        Self::on(Products::of(gemm))
    }

    /// On real numbers.
    pub(crate) fn of(numbers: Numbers) -> Self {
        Self { numbers, noise: None }
    }
}
