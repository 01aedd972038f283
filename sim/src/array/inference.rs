//! A network on a weight-stationary array, with exactly the products its multipliers sample.
//!
//! On such an array the element that holds weight (k, n) sees the activations x\[0\]\[k\], x\[1\]\[k\], … of a batch one
//! after the other, between zeros. Error and switching energy of every multiplication are therefore a look-up of
//! (previous activation, activation, weight) in the multiplier's [`TransitionTable`]: fidelity `transition`.
//!
//! Left out: transitions of the multiplier while weights pass through it (the activation is zero then), and
//! accumulators that fail themselves (their slack is checked by the caller).

use crate::kernel::TableGemm;
use crate::profile::{SampledErrors, TransitionTable};
use crate::workload::{Accuracy, Dense, Network, classify};

/// Inference of one network over one set of images, ready to be repeated at every operating point.
///
/// The first layer sees the same pixels whatever the supply, so its settled sums and energy are computed once.
pub struct TransitionInference<'a> {
    network: &'a Network,
    table: &'a TransitionTable,
    gemm: &'a TableGemm,
    labels: &'a [u8],
    batch: usize,
    accumulator_bits: u32,
    first: LayerInput,
    layouts: Vec<WeightLayout>,
}

/// A layer's activations with what does not depend on sampling.
struct LayerInput {
    codes: Vec<u8>,
    settled: Vec<i32>,
    energy_units: u64,
}

/// A layer's weights arranged by input.
pub(super) struct WeightLayout {
    outputs: usize,
    /// Weight codes `[input][output]`.
    codes: Vec<u8>,
    /// Outputs of each input grouped by weight code, `[input][output]`, and where each group starts, `[input][257]`.
    grouped: Vec<u32>,
    starts: Vec<u32>,
}

/// What came of running all images at one operating point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRun {
    /// Images classified as labelled.
    pub accuracy: Accuracy,
    /// Class chosen for each image; the lowest wins a tie.
    pub predictions: Vec<u8>,
    /// Switching energy of each layer's multipliers over all images, fJ at nominal supply.
    pub multiplier_fj: Vec<f64>,
    /// Share of multiplications of each layer that sampled a wrong product.
    pub error_rate: Vec<f64>,
    /// Activation codes each layer received, `[image][input]`.
    pub activations: Vec<Vec<u8>>,
}

impl<'a> TransitionInference<'a> {
    /// Prepares `codes` (`[image][input]`, one label each), `gemm` giving the settled products, in batches of `batch` consecutive images.
    ///
    /// # Panics
    /// If the codes are not `labels.len()` images of the network's inputs, or `batch` is zero.
    pub fn new(
        network: &'a Network,
        table: &'a TransitionTable,
        gemm: &'a TableGemm,
        (codes, labels): (Vec<u8>, &'a [u8]),
        batch: usize,
        accumulator_bits: u32,
    ) -> Self {
        assert_eq!(codes.len(), labels.len() * network.inputs(), "images of the network's size");
        assert!(batch > 0, "a batch holds at least one image");
        let layouts: Vec<WeightLayout> = network.layers().iter().map(WeightLayout::new).collect();
        let first = LayerInput::new(table, gemm, &network.layers()[0], &layouts[0], codes, batch);
        Self { network, table, gemm, labels, batch, accumulator_bits, first, layouts }
    }

    /// Runs all images with the products sampled as in `errors`, one of the table's points.
    pub fn run(&self, errors: &SampledErrors) -> PointRun {
        let (mut multiplier_fj, mut error_rate, mut activations) = (Vec::new(), Vec::new(), Vec::new());
        let mut predictions = Vec::new();
        let mut later;
        let mut input = &self.first;
        for (index, (layer, layout)) in self.network.layers().iter().zip(&self.layouts).enumerate() {
            let mut sums = input.settled.clone();
            let wrong = layout.add_errors(self.table, errors, &input.codes, self.batch, &mut sums);
            let multiplications = (input.codes.len() * layer.outputs) as f64;
            multiplier_fj.push(input.energy_units as f64 * self.table.energy_quantum());
            error_rate.push(wrong as f64 / multiplications);
            activations.push(input.codes.clone());
            for row in sums.chunks_exact_mut(layer.outputs) {
                for (sum, bias) in row.iter_mut().zip(&layer.bias) {
                    *sum = wrapped(*sum, self.accumulator_bits).wrapping_add(*bias);
                }
            }
            if let Some(requantize) = layer.requantize {
                let codes = sums.iter().map(|&sum| requantize.apply(sum)).collect();
                let next = &self.network.layers()[index + 1];
                later = LayerInput::new(self.table, self.gemm, next, &self.layouts[index + 1], codes, self.batch);
                input = &later;
            } else {
                predictions = classify(&sums, layer.outputs);
            }
        }
        let accuracy = Accuracy::of(&predictions, self.labels);
        PointRun { accuracy, predictions, multiplier_fj, error_rate, activations }
    }
}

/// `sum` modulo 2^bits in two's complement.
fn wrapped(sum: i32, bits: u32) -> i32 {
    let unused = 32 - bits.min(32);
    sum << unused >> unused
}

impl LayerInput {
    fn new(
        table: &TransitionTable,
        gemm: &TableGemm,
        layer: &Dense,
        layout: &WeightLayout,
        codes: Vec<u8>,
        batch: usize,
    ) -> Self {
        let shape = layer.shape(codes.len() / layer.inputs);
        let mut settled = vec![0; shape.m * shape.n];
        gemm.run(&codes, &layer.weights, shape, &mut settled);
        let mut energy_units = 0;
        for_each_transition(&codes, layer.inputs, batch, |_, input, previous, activation| {
            if previous != activation {
                let row = table.energy_row(table.pair(previous, activation));
                let weights = &layout.codes[input * layer.outputs..][..layer.outputs];
                energy_units += weights.iter().map(|&weight| u64::from(row[usize::from(weight)])).sum::<u64>();
            }
        });
        Self { codes, settled, energy_units }
    }
}

/// Calls `visit(row, input, previous, activation)` for every transition of a batch, the last one being to zero with
/// `row` `None`.
pub(super) fn for_each_transition(
    codes: &[u8],
    inputs: usize,
    batch: usize,
    mut visit: impl FnMut(Option<usize>, usize, u8, u8),
) {
    for (number, rows) in codes.chunks(batch * inputs).enumerate() {
        let zeros = vec![0; inputs];
        let mut previous = &zeros[..];
        for (row, activations) in rows.chunks_exact(inputs).enumerate() {
            for (input, (&before, &after)) in previous.iter().zip(activations).enumerate() {
                visit(Some(number * batch + row), input, before, after);
            }
            previous = activations;
        }
        for (input, &before) in previous.iter().enumerate() {
            visit(None, input, before, 0);
        }
    }
}

impl WeightLayout {
    /// Going through all outputs is cheaper than finding those of each wrong weight if there are more than one in this many.
    const DENSE: usize = 8;

    pub(super) fn new(layer: &Dense) -> Self {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let mut codes = vec![0u8; inputs * outputs];
        for (output, row) in layer.weights.chunks_exact(inputs).enumerate() {
            for (input, &weight) in row.iter().enumerate() {
                codes[input * outputs + output] = weight as u8;
            }
        }
        let mut grouped = Vec::with_capacity(codes.len());
        let mut starts = Vec::with_capacity(inputs * 257);
        for row in codes.chunks_exact(outputs) {
            let mut order: Vec<u32> = (0..outputs as u32).collect();
            order.sort_by_key(|&output| (row[output as usize], output));
            let base = grouped.len() as u32;
            for code in 0..=256u32 {
                let before = order.partition_point(|&output| u32::from(row[output as usize]) < code);
                starts.push(base + before as u32);
            }
            grouped.extend(order);
        }
        Self { outputs, codes, grouped, starts }
    }

    /// Adds sampled − settled of every multiplication to `sums`; returns how many were wrong.
    pub(super) fn add_errors(
        &self,
        table: &TransitionTable,
        errors: &SampledErrors,
        codes: &[u8],
        batch: usize,
        sums: &mut [i32],
    ) -> u64 {
        if errors.is_empty() {
            return 0;
        }
        let mut wrong = 0;
        let mut by_code = [0i32; 256];
        for_each_transition(codes, self.codes.len() / self.outputs, batch, |row, input, previous, activation| {
            // A product that arrives with the bubble belongs to no sum.
            let Some(row) = row else { return };
            let (weights, deltas) = errors.row(table.pair(previous, activation));
            let sums = &mut sums[row * self.outputs..][..self.outputs];
            if weights.len() > self.outputs / Self::DENSE {
                for (&weight, &delta) in weights.iter().zip(deltas) {
                    by_code[usize::from(weight)] = delta;
                }
                let codes = &self.codes[input * self.outputs..][..self.outputs];
                for (sum, &weight) in sums.iter_mut().zip(codes) {
                    let delta = by_code[usize::from(weight)];
                    wrong += u64::from(delta != 0);
                    *sum = sum.wrapping_add(delta);
                }
                for &weight in weights {
                    by_code[usize::from(weight)] = 0;
                }
            } else {
                let starts = &self.starts[input * 257..][..257];
                for (&weight, &delta) in weights.iter().zip(deltas) {
                    let group = starts[usize::from(weight)] as usize..starts[usize::from(weight) + 1] as usize;
                    wrong += group.len() as u64;
                    for &output in &self.grouped[group] {
                        sums[output as usize] = sums[output as usize].wrapping_add(delta);
                    }
                }
            }
        });
        wrong
    }
}
