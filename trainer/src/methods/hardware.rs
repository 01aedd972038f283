//! The multiplier that a method trains for, late products included.

use super::{Arithmetic, Batch, Step};
use crate::calibration::Calibration;
use crate::network::{RoundedNetwork, to_vec};
use crate::pass::{Late, Pass, Products};
use crate::quantizer::activation_codes;
use crate::table_slopes::TableSlopes;
use crate::timing::{Samplers, TimingErrors};
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::profile::sampler::Draws;
use rand::Rng;
use std::sync::Arc;

/// The hardware's products in the forward pass.
pub(crate) struct Hardware {
    settled: Arc<TableGemm>,
    /// Its own derivatives, if the method takes them.
    slopes: Option<Arc<TableSlopes>>,
    /// Late products, if there are any.
    late: Option<LateErrors>,
}

struct LateErrors {
    errors: Arc<TimingErrors>,
    /// Of the network as it was when the epoch began.
    samplers: Option<Samplers>,
}

impl Hardware {
    /// The multiplier of `arithmetic`, derivatives straight through.
    pub(crate) fn new(arithmetic: &Arithmetic) -> Self {
        let late = arithmetic.timing.clone().filter(|errors| !errors.is_empty());
        let late = late.map(|errors| LateErrors { errors, samplers: None });
        Self { settled: arithmetic.deployed.clone(), slopes: None, late }
    }

    /// The same with the table's own derivatives; those of an exact table need no look-up.
    pub(crate) fn with_slopes(self, slopes: TableSlopes) -> Self {
        Self { slopes: (!slopes.are_exact()).then(|| Arc::new(slopes)), ..self }
    }

    /// Settled products alone.
    pub(crate) fn settled(&self) -> Pass {
        Pass::on(Products { gemm: self.settled.clone(), slopes: self.slopes.clone(), late: None })
    }

    /// One step's products. Errors of late ones reach a share of the images that grows with the step's strength.
    pub(crate) fn pass(&self, batch: &Batch, step: &mut Step) -> Pass {
        let late = self.late.as_ref().map(|late| Late {
            samplers: late.samplers.clone().expect("an epoch has begun"),
            draws: Draws::new(step.rng.next_u64()),
            images: (batch.images.dims()[0] as f32 * step.strength).round() as usize,
        });
        Pass::on(Products { gemm: self.settled.clone(), slopes: self.slopes.clone(), late })
    }

    /// Finds the distributions of late products' errors for the operands that the network has now.
    pub(crate) fn begin_epoch(&mut self, network: &RoundedNetwork, batch: &Batch, calibration: &Calibration) {
        let settled = self.settled();
        let Some(late) = &mut self.late else { return };
        let mut calibration = calibration.frozen();
        let trace = network.forward(batch.images.clone(), &settled, &mut calibration);
        let scales = network.input_scales(&calibration.scales());
        let codes = network.codes();
        let samplers = trace.iter().zip(scales).zip(network.layers().iter().zip(&codes));
        let samplers = samplers.map(|((pass, scale), (layer, weights))| {
            let activations = activation_codes(&to_vec(pass.input.clone()), scale);
            late.errors.sampler(&layer.geometry.convolution, &activations, weights)
        });
        late.samplers = Some(samplers.collect());
    }
}
