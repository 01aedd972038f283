//! A network on a weight-stationary array, with exactly the products its multipliers sample.
//!
//! On such an array the element that holds weight (k, n) sees the activations x\[0\]\[k\], x\[1\]\[k\], … of a batch one
//! after the other, between zeros: a row an image, or, in a convolution, a row an output pixel of each image, group after
//! group. Error and switching energy of every multiplication are therefore a look-up of (previous activation, activation,
//! weight) in the multiplier's [`TransitionTable`]: fidelity `transition`.
//!
//! Left out: transitions of the multiplier while weights pass through it (the activation is zero then), and
//! accumulators that fail themselves (their slack is checked by the caller).

use super::layers::{LayerSums, PointRun, through_layers, wrapped};
use crate::engine::multiversion;
use crate::kernel::TableGemm;
use crate::profile::{SampledErrors, TransitionTable};
use crate::workload::{Network, QuantizedLayer};
use std::cell::LazyCell;
use std::ops::Deref;

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
    codes: Vec<u8>,
    first: LayerInput,
    /// Of each layer's groups.
    layouts: Vec<Vec<WeightColumns>>,
}

/// What does not depend on sampling in a layer with its activations.
struct LayerInput {
    /// Settled sums in the order of [`QuantizedLayer::for_each_product`].
    settled: Vec<i32>,
    energy_units: u64,
}

/// Weight codes of one group, `[input][output]`: what an activation meets.
pub(super) struct WeightColumns {
    outputs: usize,
    codes: Vec<u8>,
}

impl<'a> TransitionInference<'a> {
    /// Prepares `codes` (`[image][channel][row][column]`, a label an image), `gemm` giving the settled products, in batches of
    /// `batch` consecutive images.
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
        let layouts: Vec<_> = network.layers().iter().map(WeightColumns::of).collect();
        let first = LayerInput::new(table, gemm, (&network.layers()[0], &layouts[0]), &codes, batch);
        Self { network, table, gemm, labels, batch, accumulator_bits, codes, first, layouts }
    }

    /// Runs all images with the products sampled as in `errors`, one of the table's points.
    pub fn run(&self, errors: &SampledErrors) -> PointRun {
        // Only if a layer is large enough for it.
        let by_weight = LazyCell::new(|| errors.by_weight(self.table));
        through_layers(self.network, &self.codes, self.labels, |index, layer, codes| {
            let layout = &self.layouts[index];
            let later;
            let input = match index {
                0 => &self.first,
                _ => {
                    later = LayerInput::new(self.table, self.gemm, (layer, layout), codes, self.batch);
                    &later
                }
            };
            self.streams().sampled((errors, &by_weight), (layer, layout), (codes, input))
        })
    }

    fn streams(&self) -> Streams<'a> {
        Streams { table: self.table, batch: self.batch, accumulator_bits: self.accumulator_bits }
    }
}

/// How images stream through the elements.
#[derive(Clone, Copy)]
pub(super) struct Streams<'a> {
    pub(super) table: &'a TransitionTable,
    pub(super) batch: usize,
    pub(super) accumulator_bits: u32,
}

impl Streams<'_> {
    /// What one layer makes of the activations that it receives; `by_weight` is [`SampledErrors::by_weight`], asked for if the
    /// layer is large enough for it.
    pub(super) fn layer(
        &self,
        gemm: &TableGemm,
        (errors, by_weight): (&SampledErrors, &impl Deref<Target = Vec<i32>>),
        layer: &QuantizedLayer,
        codes: &[u8],
    ) -> LayerSums {
        let columns = WeightColumns::of(layer);
        let input = LayerInput::new(self.table, gemm, (layer, &columns), codes, self.batch);
        self.sampled((errors, by_weight), (layer, &columns), (codes, &input))
    }

    /// The same without asking what it costs: `multiplier_fj` is 0.
    pub(super) fn layer_without_energy(
        &self,
        gemm: &TableGemm,
        errors: (&SampledErrors, &impl Deref<Target = Vec<i32>>),
        layer: &QuantizedLayer,
        codes: &[u8],
    ) -> LayerSums {
        let mut input = LayerInput { settled: Vec::new(), energy_units: 0 };
        layer.for_each_product(gemm, codes, block_images(layer, self.batch), |products| {
            input.settled.extend_from_slice(products.sums);
        });
        self.sampled(errors, (layer, &WeightColumns::of(layer)), (codes, &input))
    }

    /// Switching energy of a layer's multipliers for the activations that it receives, fJ at nominal supply.
    pub(super) fn layer_energy(&self, layer: &QuantizedLayer, codes: &[u8]) -> f64 {
        let columns = WeightColumns::of(layer);
        let rows = self.batch.saturating_mul(layer.convolution.positions());
        let mut units = 0;
        for_each_block(layer, codes, self.batch, |_, group, activations| {
            units += columns[group].energy_units(self.table, activations, rows);
        });
        units as f64 * self.table.energy_quantum()
    }

    /// The same with what does not depend on sampling at hand.
    fn sampled(
        &self,
        errors: (&SampledErrors, &impl Deref<Target = Vec<i32>>),
        (layer, columns): (&QuantizedLayer, &[WeightColumns]),
        (codes, input): (&[u8], &LayerInput),
    ) -> LayerSums {
        let (sums, wrong) = self.sampled_sums(errors, (layer, columns), (codes, input));
        let multiplications = (codes.len() / layer.inputs()) as u64 * layer.convolution.multiply_accumulates();
        LayerSums {
            sums,
            multiplier_fj: input.energy_units as f64 * self.table.energy_quantum(),
            error_rate: wrong as f64 / multiplications as f64,
        }
    }

    /// A layer's accumulators `[image][channel][position]`, bias included, and how many products were sampled wrong.
    fn sampled_sums(
        &self,
        (errors, by_weight): (&SampledErrors, &impl Deref<Target = Vec<i32>>),
        (layer, columns): (&QuantizedLayer, &[WeightColumns]),
        (codes, input): (&[u8], &LayerInput),
    ) -> (Vec<i32>, u64) {
        let mut sums = vec![0; codes.len() / layer.inputs() * layer.outputs()];
        let mut wrong = 0;
        let mut settled = &input.settled[..];
        for_each_block(layer, codes, self.batch, |image, group, activations| {
            let rows = activations.len() / layer.convolution.shape(1).k;
            let (block, rest) = settled.split_at(rows * columns[group].outputs);
            settled = rest;
            let mut block = block.to_vec();
            let batch = self.batch.saturating_mul(layer.convolution.positions());
            wrong += if !errors.is_empty() && rows > pairs(self.table) {
                add_errors_by_weight(&columns[group], self.table, by_weight, activations, batch, &mut block)
            } else {
                columns[group].add_errors(self.table, errors, activations, batch, &mut block)
            };
            layer.scatter(group, &block, &mut sums[image * layer.outputs()..], |channel, sum| {
                wrapped(sum, self.accumulator_bits).wrapping_add(layer.bias[channel])
            });
        });
        (sums, wrong)
    }
}

/// Rows of activations looked at together, at least: as many as make what is found out about a pair of activations worth
/// remembering.
const BLOCK_ROWS: usize = 1 << 15;

/// As many whole batches of images as make a block.
fn block_images(layer: &QuantizedLayer, batch: usize) -> usize {
    batch.saturating_mul(BLOCK_ROWS.div_ceil(batch.saturating_mul(layer.convolution.positions())))
}

/// Calls `visit(first image, group, activations)` for blocks of whole batches and each group, activations `[row][input]`.
pub(super) fn for_each_block(
    layer: &QuantizedLayer,
    codes: &[u8],
    batch: usize,
    mut visit: impl FnMut(usize, usize, &[u8]),
) {
    let images = block_images(layer, batch);
    for (block, codes) in codes.chunks(images.saturating_mul(layer.inputs())).enumerate() {
        for group in 0..layer.convolution.groups() {
            visit(block * images, group, &layer.convolution.lower(codes, group));
        }
    }
}

impl LayerInput {
    fn new(
        table: &TransitionTable,
        gemm: &TableGemm,
        (layer, columns): (&QuantizedLayer, &[WeightColumns]),
        codes: &[u8],
        batch: usize,
    ) -> Self {
        let mut settled = Vec::with_capacity(codes.len() / layer.inputs() * layer.outputs());
        let mut energy_units = 0;
        let rows = batch.saturating_mul(layer.convolution.positions());
        layer.for_each_product(gemm, codes, block_images(layer, batch), |products| {
            energy_units += columns[products.group].energy_units(table, products.activations, rows);
            settled.extend_from_slice(products.sums);
        });
        Self { settled, energy_units }
    }
}

/// Calls `visit(row, previous, activation)` for every transition of one input, the last of each batch of `batch` rows being
/// to zero with `row` `None`.
pub(super) fn for_each_transition(
    activations: &[u8],
    (input, inputs): (usize, usize),
    batch: usize,
    mut visit: impl FnMut(Option<usize>, u8, u8),
) {
    for (number, rows) in activations.chunks(batch.saturating_mul(inputs)).enumerate() {
        let mut previous = 0;
        for (row, &activation) in rows[input..].iter().step_by(inputs).enumerate() {
            visit(Some(number * batch + row), previous, activation);
            previous = activation;
        }
        visit(None, previous, 0);
    }
}

/// Number of pairs of activations.
fn pairs(table: &TransitionTable) -> usize {
    1 << (2 * table.activation_bits())
}

/// What is remembered of a pair of activations at one input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Unknown,
    /// No product is wrong.
    Right,
    /// Number of the pair among those with errors.
    Wrong(u32),
}

impl WeightColumns {
    /// Of each group of a layer.
    pub(super) fn of(layer: &QuantizedLayer) -> Vec<Self> {
        (0..layer.convolution.groups()).map(|group| Self::of_group(layer, group)).collect()
    }

    fn of_group(layer: &QuantizedLayer, group: usize) -> Self {
        let (inputs, outputs) = (layer.convolution.shape(1).k, layer.convolution.shape(1).n);
        let mut codes = vec![0u8; inputs * outputs];
        for (output, row) in layer.group_weights(group).chunks_exact(inputs).enumerate() {
            for (input, &weight) in row.iter().enumerate() {
                codes[input * outputs + output] = weight as u8;
            }
        }
        Self { outputs, codes }
    }

    fn inputs(&self) -> usize {
        self.codes.len() / self.outputs
    }

    /// Switching energy of all transitions of `activations` (`[row][input]`, batches of `batch` rows), in quanta.
    fn energy_units(&self, table: &TransitionTable, activations: &[u8], batch: usize) -> u64 {
        let mut counts = vec![0u32; pairs(table)];
        let mut met = Vec::new();
        let mut units = 0;
        for (input, weights) in self.codes.chunks_exact(self.outputs).enumerate() {
            for_each_transition(activations, (input, self.inputs()), batch, |_, previous, activation| {
                if previous != activation {
                    let pair = table.pair(previous, activation);
                    if counts[pair] == 0 {
                        met.push(pair);
                    }
                    counts[pair] += 1;
                }
            });
            if met.len() > counts.len() / DENSE {
                for &weight in weights {
                    units += weighted_sum(&counts, table.energy_column(weight));
                }
            } else {
                for &pair in &met {
                    let row = table.energy_row(pair);
                    let of_outputs = weights.iter().map(|&weight| u64::from(row[usize::from(weight)])).sum::<u64>();
                    units += of_outputs * u64::from(counts[pair]);
                }
            }
            met.drain(..).for_each(|pair: usize| counts[pair] = 0);
        }
        units
    }

    /// Adds sampled − settled of every multiplication to `sums` (`[row][output]`); returns how many were wrong.
    pub(super) fn add_errors(
        &self,
        table: &TransitionTable,
        errors: &SampledErrors,
        activations: &[u8],
        batch: usize,
        sums: &mut [i32],
    ) -> u64 {
        if errors.is_empty() { 0 } else { add_errors(self, table, errors, activations, batch, sums) }
    }
}

/// Where more than one pair of so many occurs, all of them are gone through in order.
const DENSE: usize = 8;

multiversion! {
    fn weighted_sum(counts: &[u32], energies: &[u16]) -> u64 = sum_of_products
}

#[inline(always)]
fn sum_of_products(counts: &[u32], energies: &[u16]) -> u64 {
    counts.iter().zip(energies).map(|(&count, &energy)| u64::from(count) * u64::from(energy)).sum()
}

multiversion! {
    /// As `add_errors`, from the errors of all pairs `[weight][pair]`: for more rows than there are pairs.
    fn add_errors_by_weight(
        columns: &WeightColumns,
        table: &TransitionTable,
        errors: &[i32],
        activations: &[u8],
        batch: usize,
        sums: &mut [i32],
    ) -> u64 = look_up_errors_by_weight
}

#[inline(always)]
fn look_up_errors_by_weight(
    columns: &WeightColumns,
    table: &TransitionTable,
    errors: &[i32],
    activations: &[u8],
    batch: usize,
    sums: &mut [i32],
) -> u64 {
    let (outputs, inputs, all) = (columns.outputs, columns.inputs(), pairs(table));
    let rows = sums.len() / outputs;
    let mut of_rows = vec![0u32; rows];
    let mut added = vec![0i32; sums.len()];
    let mut wrong = 0;
    for (input, weights) in columns.codes.chunks_exact(outputs).enumerate() {
        let mut pairs = of_rows.iter_mut();
        for rows in activations.chunks(batch.saturating_mul(inputs)) {
            let mut previous = 0;
            for (&activation, pair) in rows[input..].iter().step_by(inputs).zip(&mut pairs) {
                *pair = table.pair(previous, activation) as u32;
                previous = activation;
            }
        }
        for (&weight, added) in weights.iter().zip(added.chunks_exact_mut(rows)) {
            let errors = &errors[usize::from(weight) * all..][..all];
            for (added, &pair) in added.iter_mut().zip(&of_rows) {
                let error = errors[pair as usize];
                *added = added.wrapping_add(error);
                wrong += u64::from(error != 0);
            }
        }
    }
    for (row, sums) in sums.chunks_exact_mut(outputs).enumerate() {
        for (output, sum) in sums.iter_mut().enumerate() {
            *sum = sum.wrapping_add(added[output * rows + row]);
        }
    }
    wrong
}

multiversion! {
    fn add_errors(
        columns: &WeightColumns,
        table: &TransitionTable,
        errors: &SampledErrors,
        activations: &[u8],
        batch: usize,
        sums: &mut [i32],
    ) -> u64 = look_up_errors
}

#[inline(always)]
fn look_up_errors(
    columns: &WeightColumns,
    table: &TransitionTable,
    errors: &SampledErrors,
    activations: &[u8],
    batch: usize,
    sums: &mut [i32],
) -> u64 {
    let (outputs, inputs) = (columns.outputs, columns.inputs());
    let mut slots = vec![Slot::Unknown; pairs(table)];
    let (mut met, mut deltas, mut wrongs) = (Vec::new(), Vec::new(), Vec::new());
    let mut wrong = 0;
    for (input, weights) in columns.codes.chunks_exact(outputs).enumerate() {
        // As `for_each_transition` without the bubbles, whose products belong to no sum. A closure would not be compiled for
        // the processor.
        let mut sums = sums.chunks_exact_mut(outputs);
        for rows in activations.chunks(batch.saturating_mul(inputs)) {
            let mut previous = 0;
            for (&activation, sums) in rows[input..].iter().step_by(inputs).zip(&mut sums) {
                let pair = table.pair(previous, activation);
                previous = activation;
                if slots[pair] == Slot::Unknown {
                    met.push(pair);
                    slots[pair] = Slot::Right;
                    if let Some(of_pair) = errors.of_pair(pair) {
                        let (first, mut count) = (deltas.len(), 0);
                        deltas.resize(first + outputs, 0);
                        for (delta, &code) in deltas[first..].iter_mut().zip(weights) {
                            *delta = of_pair.delta(code);
                            count += u64::from(*delta != 0);
                        }
                        if count > 0 {
                            slots[pair] = Slot::Wrong(wrongs.len() as u32);
                            wrongs.push(count);
                        } else {
                            deltas.truncate(first);
                        }
                    }
                }
                if let Slot::Wrong(number) = slots[pair] {
                    let number = number as usize;
                    wrong += wrongs[number];
                    let deltas = &deltas[number * outputs..][..outputs];
                    sums.iter_mut().zip(deltas).for_each(|(sum, delta)| *sum = sum.wrapping_add(*delta));
                }
            }
        }
        met.drain(..).for_each(|pair: usize| slots[pair] = Slot::Unknown);
        deltas.clear();
        wrongs.clear();
    }
    wrong
}
