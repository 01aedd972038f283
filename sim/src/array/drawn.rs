//! A network on an array with settled products, and timing errors drawn from what is known of them: fidelities `table`,
//! `profile` and `profile-by-product`.
//!
//! What switches is known from a sample of the operands: multipliers are charged the mean of some transitions drawn from
//! those that the array would make.

use super::Dataflow;
use super::drawn_transitions::{OperandTransition, SimulatedMultiplier, draw};
use super::layer_operands::LayerOperands;
use super::layers::{LayerSums, PointRun, through_layers, wrapped};
use crate::kernel::{AccumulatedMoments, Shape, TableGemm};
use crate::multiplier::ProductTable;
use crate::profile::sampler::{Draws, MassFunctions, WeightCodes};
use crate::profile::{ErrorSample, OperandErrors, SampledErrors, Stimulus, StimulusError, TransitionTable};
use crate::workload::{Network, Products, QuantizedLayer};
use rayon::prelude::*;

/// Operations a layer whose switching is looked up or simulated.
const ENERGY_SAMPLES: usize = 4096;

/// Where it is known what multipliers switch.
#[derive(Clone, Copy, Debug)]
pub enum Switching<'a> {
    /// On a weight-stationary array.
    Tabulated(&'a TransitionTable),
    /// On any array.
    Simulated(SimulatedMultiplier<'a>, Dataflow),
}

/// Inference of networks with settled products.
#[derive(Clone, Copy, Debug)]
pub struct DrawnInference<'a> {
    /// Settled products.
    pub gemm: &'a TableGemm,
    /// What transitions cost.
    pub switching: Switching<'a>,
    /// Images that stream through each fold.
    pub batch: usize,
    /// Bits of sums, which wrap.
    pub accumulator_bits: u32,
    /// Decides all draws, with layer, output and product.
    pub seed: u64,
}

/// Timing errors of a layer's sums, to be drawn.
#[derive(Clone, Debug)]
pub struct DrawnErrors {
    rate: f64,
    law: Law,
}

#[derive(Clone, Debug)]
enum Law {
    Moments(Box<AccumulatedMoments>),
    /// Weights by group.
    Products {
        functions: MassFunctions,
        weights: Vec<WeightCodes>,
    },
}

impl DrawnErrors {
    /// The operands that each layer of a network makes its multipliers see, for images given as activation codes; errors of
    /// one layer do not reach the next here.
    ///
    /// # Panics
    /// If the activations are not of whole images, or `batch` is zero.
    pub fn stimuli(
        network: &Network,
        gemm: &TableGemm,
        images: &[u8],
        batch: usize,
    ) -> Result<Vec<Stimulus>, StimulusError> {
        let operands = LayerOperands::of(network, gemm, images, batch);
        operands.iter().map(|operands| operands.stimulus(operands.layer().name.clone())).collect()
    }

    /// Normal errors of whole sums, with the means and variances of their products under `stimulus`; `product` is what
    /// settles.
    pub fn of_sums(
        layer: &QuantizedLayer,
        table: &TransitionTable,
        errors: &SampledErrors,
        stimulus: &Stimulus,
        product: &ProductTable,
    ) -> Self {
        Self::of_moments(layer, &OperandErrors::new(table, errors, stimulus), product)
    }

    /// The same with the means and variances of a sample of the layer's products.
    pub fn of_sampled_sums(layer: &QuantizedLayer, sample: &ErrorSample, product: &ProductTable) -> Self {
        Self::of_moments(layer, &OperandErrors::sampled(sample), product)
    }

    fn of_moments(layer: &QuantizedLayer, errors: &OperandErrors, product: &ProductTable) -> Self {
        let moments = AccumulatedMoments::of_operands(errors, product, layer.convolution.shape(1).k);
        Self { rate: errors.rate(), law: Law::Moments(Box::new(moments)) }
    }

    /// Errors product by product, with the distribution of each pair of operands under `stimulus`.
    pub fn of_products(
        layer: &QuantizedLayer,
        table: &TransitionTable,
        errors: &SampledErrors,
        stimulus: &Stimulus,
    ) -> Self {
        let rate = OperandErrors::new(table, errors, stimulus).rate();
        Self::of_functions(layer, MassFunctions::new(table, errors, stimulus), rate)
    }

    /// The same with the distributions of a sample of the layer's products.
    pub fn of_sampled_products(layer: &QuantizedLayer, sample: &ErrorSample) -> Self {
        Self::of_functions(layer, MassFunctions::sampled(sample), sample.rate())
    }

    fn of_functions(layer: &QuantizedLayer, functions: MassFunctions, rate: f64) -> Self {
        let Shape { k, n, .. } = layer.convolution.shape(1);
        let groups = 0..layer.convolution.groups();
        let weights = groups.map(|group| WeightCodes::new(layer.group_weights(group), k, n)).collect();
        Self { rate, law: Law::Products { functions, weights } }
    }

    /// Adds errors to a block of a layer's sums; `first` is the number of its first row among all of its group.
    fn add(&self, (index, layer): (usize, &QuantizedLayer), products: &mut Products<'_>, first: usize, draws: Draws) {
        let shape = layer.convolution.shape(1);
        let rows = products.sums.len() / shape.n;
        // Groups are far enough apart for outputs to have numbers of their own.
        let output = (products.group as u64) << 40 | (first * shape.n) as u64;
        let place = (index as u64, output);
        match &self.law {
            Law::Moments(moments) => {
                let weights = layer.group_weights(products.group);
                let shape = Shape { m: rows, ..shape };
                moments.add_errors(products.activations, weights, shape, draws, place, products.sums);
            }
            Law::Products { functions, weights } => {
                let weights = &weights[products.group];
                functions.add_errors(products.activations, weights, draws, place, products.sums);
            }
        }
    }
}

impl DrawnInference<'_> {
    /// Runs images (`[image][channel][row][column]`, a label an image) with errors drawn for each layer, or with none.
    ///
    /// The share of wrong products is that of the errors' law, not counted.
    ///
    /// # Panics
    /// If the codes are not `labels.len()` images of the network's inputs, or errors are not given for each layer.
    pub fn run(&self, network: &Network, codes: &[u8], labels: &[u8], errors: Option<&[DrawnErrors]>) -> PointRun {
        if let Some(errors) = errors {
            assert_eq!(errors.len(), network.layers().len(), "errors of each layer");
        }
        through_layers(network, codes, labels, |index, layer, codes| {
            let errors = errors.map(|errors| &errors[index]);
            LayerSums {
                sums: self.sums((index, layer), codes, errors),
                multiplier_fj: self.multiplier_fj((index, layer), codes),
                error_rate: errors.map_or(0.0, |errors| errors.rate),
            }
        })
    }

    /// A layer's sums with what is drawn for them; images are shared out over threads.
    fn sums(&self, (index, layer): (usize, &QuantizedLayer), codes: &[u8], errors: Option<&DrawnErrors>) -> Vec<i32> {
        let images = codes.len() / layer.inputs();
        let mut sums = vec![0; images * layer.outputs()];
        let share = images.div_ceil(rayon::current_num_threads()).max(1);
        let draws = Draws::new(self.seed);
        let shares = codes.par_chunks(share * layer.inputs()).zip(sums.par_chunks_mut(share * layer.outputs()));
        shares.enumerate().for_each(|(number, (codes, sums))| {
            layer.for_each_product(self.gemm, codes, layer.convolution.block_images(), |mut products| {
                if let Some(errors) = errors {
                    let first = (number * share + products.image) * layer.convolution.positions();
                    errors.add((index, layer), &mut products, first, draws);
                }
                let to = &mut sums[products.image * layer.outputs()..];
                layer.scatter(products.group, products.sums, to, |channel, sum| {
                    wrapped(sum, self.accumulator_bits).wrapping_add(layer.bias[channel])
                });
            });
        });
        sums
    }

    /// Switching energy of a layer's multipliers over all images, from a sample of its transitions.
    fn multiplier_fj(&self, (index, layer): (usize, &QuantizedLayer), codes: &[u8]) -> f64 {
        let seed = self.seed.wrapping_add(index as u64);
        let shape = layer.convolution.shape(codes.len() / layer.inputs());
        let dataflow = match self.switching {
            Switching::Tabulated(_) => Dataflow::WeightStationary,
            Switching::Simulated(_, dataflow) => dataflow,
        };
        let transitions = draw(dataflow, (layer, codes), self.batch, ENERGY_SAMPLES, seed);
        let mean = match self.switching {
            Switching::Tabulated(table) => {
                let units = transitions.iter().map(|OperandTransition { before, after, .. }| {
                    u64::from(table.energy_row(table.pair(before[0], after[0]))[usize::from(after[1])])
                });
                units.sum::<u64>() as f64 / transitions.len().max(1) as f64 * table.energy_quantum()
            }
            Switching::Simulated(multiplier, _) => multiplier.mean_switching(&transitions),
        };
        mean * self.steps(dataflow, layer, shape) * layer.convolution.groups() as f64
    }

    /// Transitions of a group's multipliers.
    fn steps(&self, dataflow: Dataflow, layer: &QuantizedLayer, Shape { m, k, n }: Shape) -> f64 {
        let batch = self.batch.saturating_mul(layer.convolution.positions());
        let [m, n, k] = match dataflow {
            Dataflow::WeightStationary => [m + m.div_ceil(batch), n, k],
            Dataflow::InputStationary => [m, n + 1, k],
            Dataflow::OutputStationary => [m, n, k + 1],
        };
        m as f64 * n as f64 * k as f64
    }
}
