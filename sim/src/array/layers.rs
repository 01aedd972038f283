//! What every inference on the array has in common: layer after layer, each on what the one before made.

use super::gate::GateLayer;
use crate::workload::{Accuracy, Flow, Network, QuantizedLayer, classify};

/// What came of running all images at one operating point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRun {
    /// Images classified as labelled.
    pub accuracy: Accuracy,
    /// Class chosen for each image; the lowest wins a tie.
    pub predictions: Vec<u8>,
    /// Sums of the last layer, `[image][class]`, bias included.
    pub scores: Vec<i32>,
    /// Switching energy of each layer's multipliers over all images, fJ at nominal supply.
    pub multiplier_fj: Vec<f64>,
    /// Share of multiplications of each layer that sampled a wrong product.
    pub error_rate: Vec<f64>,
    /// Activation codes each layer received, `[image][channel][row][column]`.
    pub activations: Vec<Vec<u8>>,
    /// What each layer's elements did, if they were simulated gate by gate; else empty.
    pub gates: Vec<GateLayer>,
}

/// What came of one layer.
#[derive(Clone)]
pub(super) struct LayerSums {
    /// `[image][channel][position]`, bias included.
    pub(super) sums: Vec<i32>,
    pub(super) multiplier_fj: f64,
    pub(super) error_rate: f64,
}

/// Runs images (`[image][channel][row][column]`, a label an image) through all layers; `of_layer` makes the sums of a layer
/// from its number and the activations it receives.
///
/// # Panics
/// If the codes are not `labels.len()` images of the network's inputs.
pub(super) fn through_layers(
    network: &Network,
    codes: &[u8],
    labels: &[u8],
    mut of_layer: impl FnMut(usize, &QuantizedLayer, &[u8]) -> LayerSums,
) -> PointRun {
    assert_eq!(codes.len(), labels.len() * network.inputs(), "images of the network's size");
    let (mut multiplier_fj, mut error_rate, mut activations) = (Vec::new(), Vec::new(), Vec::new());
    let mut scores = Vec::new();
    let mut flow = Flow::new(network, codes);
    for (index, layer) in network.layers().iter().enumerate() {
        let found = of_layer(index, layer, flow.input());
        multiplier_fj.push(found.multiplier_fj);
        error_rate.push(found.error_rate);
        activations.push(flow.input().to_vec());
        scores = flow.finish(layer, found.sums).unwrap_or_default();
    }
    let predictions = classify(&scores, network.outputs());
    let accuracy = Accuracy::of(&predictions, labels);
    PointRun { accuracy, predictions, scores, multiplier_fj, error_rate, activations, gates: Vec::new() }
}

/// `sum` modulo 2^bits in two's complement.
pub(super) fn wrapped(sum: i32, bits: u32) -> i32 {
    let unused = 32 - bits.min(32);
    sum << unused >> unused
}
