//! An inference whose operands have been looked at.

use super::{Bytes, EnergyComponents, EnergyModel, Events, Memories, Supplies};
use crate::array::dataflow::{Operand, Sums};
use crate::array::element::ElementMeans;
use crate::array::{ArrayError, Gemm, Layer};
use crate::workload::{Convolution, Wiring};

/// A layer's work per batch and what its operands did.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWork {
    /// Name.
    pub name: String,
    /// Its matrix products.
    pub convolution: Convolution,
    /// Which other layers it is joined to.
    pub wiring: Wiring,
    /// Switching energy of the layer's multipliers an image, fJ at nominal supply, loading aside.
    pub multiplier_fj: f64,
    /// Switching energy of a multiplier when an operand on its way to another element passes it, fJ at nominal supply: a weight,
    /// or, on an array that holds them, an activation.
    pub loading_fj: f64,
    /// Means over multiply-accumulates.
    pub means: ElementMeans,
}

/// Cycles and energy of one inference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InferenceCost {
    /// Cycles an image (those of a batch over its images).
    pub cycles: f64,
    /// Time an image, µs.
    pub latency_us: f64,
    /// Energy an image.
    pub energy: EnergyComponents,
}

/// How codes come to the input memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// From outside.
    Filled,
    /// From the layer that made them.
    Written,
    /// Not: an earlier layer has taken them, too.
    There,
}

/// How what a layer takes comes to the input memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrivals {
    input: Arrival,
    residual: Option<Arrival>,
}

impl Arrivals {
    /// Of each layer of a network.
    pub fn of(layers: impl IntoIterator<Item = Wiring>) -> Vec<Self> {
        let mut written: Vec<bool> = Vec::new();
        let of_layer = |(index, wiring): (usize, Wiring)| {
            written.push(false);
            let mut arrival = |number: usize| match std::mem::replace(&mut written[number], true) {
                false => Arrival::Written,
                true => Arrival::There,
            };
            let input = wiring.source.or(index.checked_sub(1)).map_or(Arrival::Filled, &mut arrival);
            Self { input, residual: wiring.residual.map(&mut arrival) }
        };
        layers.into_iter().enumerate().map(of_layer).collect()
    }
}

impl EnergyModel<'_> {
    /// Cost of an image when `batch` images stream through each fold.
    ///
    /// Outputs of a layer are written to the input memory once, however many layers take them, and residuals are read from
    /// there. Adders for them, like what requantises, are left out.
    pub fn inference(
        &self,
        layers: &[LayerWork],
        batch: u64,
        supplies: Supplies,
    ) -> Result<InferenceCost, ArrayError> {
        let arrivals = Arrivals::of(layers.iter().map(|layer| layer.wiring));
        let layer = |(layer, arrivals)| self.layer(layer, arrivals, batch, supplies);
        let costs: Vec<InferenceCost> = layers.iter().zip(arrivals).map(layer).collect::<Result<_, _>>()?;
        let weights = layers.iter().map(|layer| layer.convolution.weights() as u64).sum();
        Ok(self.memories.whole_inference(&costs, weights, batch))
    }

    /// Cost of one layer for an image, without what it takes to fetch its weights from outside.
    pub fn layer(
        &self,
        work: &LayerWork,
        Arrivals { input, residual }: Arrivals,
        batch: u64,
        supplies: Supplies,
    ) -> Result<InferenceCost, ArrayError> {
        let (inputs, outputs) = (work.convolution.inputs() as u64, work.convolution.outputs() as u64);
        let layer = layer(work, batch)?;
        let cycles = self.array.layer_cycles(&layer)?;
        let activity = self.array.activity(&layer)?;
        let images = batch as f64;
        let mapping = self.array.dataflow().mapping();
        let writes = activity.register_writes;
        let passes = match (mapping.sums(), mapping.row_operand()) {
            // Weights go on past rows without work.
            (Sums::Stationary, _) => writes.weight - activity.active,
            // With double buffering operands pass through the register that is not in use.
            (Sums::Moving, _) if self.array.double_buffering() => 0,
            (Sums::Moving, Operand::Input) => writes.weight,
            (Sums::Moving, Operand::Weight) => writes.input,
        };
        let [activation_bytes, weight_bytes] =
            self.accumulator.coding().code_bits().map(|bits| f64::from(bits) / 8.0);
        let sum_bytes = f64::from(self.array.accumulator_bits().div_ceil(8));
        let arriving = (batch * inputs) as f64 * activation_bytes;
        let when = |is: bool, bytes: f64| if is { bytes } else { 0.0 };
        let added = (batch * outputs) as f64 * activation_bytes;
        let written = when(input == Arrival::Written, arriving) + when(residual == Some(Arrival::Written), added);
        let filled = when(input == Arrival::Filled, arriving);
        let residual_reads = when(residual.is_some(), added);
        let traffic = cycles.sram;
        let results = (batch * outputs) as f64;
        let events = Events {
            activity,
            cycles: cycles.cycles,
            stall_cycles: 0,
            multiplier_fj: work.multiplier_fj * images + passes as f64 * work.loading_fj,
            input: Bytes {
                read: traffic.input_reads as f64 * activation_bytes + residual_reads,
                written,
                filled,
                spilled: 0.0,
            },
            weight: Bytes { read: traffic.weight_reads as f64 * weight_bytes, ..Bytes::default() },
            partial_sum: Bytes {
                // Complete sums are read once more, to become the next layer's activations.
                read: (traffic.partial_sum_reads as f64 + results) * sum_bytes,
                written: traffic.output_writes as f64 * sum_bytes,
                ..Bytes::default()
            },
            dram_bits: 0.0,
        };
        let energy = self.energy(&events, &work.means, supplies).scaled(1.0 / images).summed();
        let latency_us = self.latency_us(cycles.cycles) / images;
        Ok(InferenceCost { cycles: cycles.cycles as f64 / images, latency_us, energy })
    }
}

impl Memories {
    /// Cost of an image whose layers cost these and have so many weights together, each on whatever multiplies there.
    pub fn whole_inference(&self, layers: &[InferenceCost], weights: u64, batch: u64) -> InferenceCost {
        let mut cost = InferenceCost::default();
        for layer in layers {
            cost.cycles += layer.cycles;
            cost.latency_us += layer.latency_us;
            cost.energy = cost.energy.plus(&layer.energy);
        }
        if weights > self.weight.bytes {
            // Fetched anew for every batch.
            cost.energy.dram = weights as f64 * 8.0 * self.technology.dram_pj_per_bit() * 1e-6 / batch as f64;
        }
        cost.energy = cost.energy.summed();
        cost
    }
}

/// What the array runs for `batch` images: a row an image or output pixel, group after group.
fn layer(work: &LayerWork, batch: u64) -> Result<Layer, ArrayError> {
    let shape = work.convolution.shape(1);
    let rows = batch.saturating_mul(shape.m as u64);
    let layer = Layer::new(work.name.clone(), Gemm::new(rows, shape.n as u64, shape.k as u64)?);
    let distinct = batch.saturating_mul(work.convolution.inputs() as u64);
    Ok(layer.grouped(work.convolution.groups() as u64)?.with_distinct_inputs(distinct))
}
