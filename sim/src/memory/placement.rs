//! Which cells a network's weights meet.

/// Weights of one layer as a matrix: `[outputs][inputs]` codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Weights of an output, K.
    pub inputs: usize,
    /// Outputs, N.
    pub outputs: usize,
}

/// Rows and columns of the array that the memory feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayShape {
    /// Rows, along K.
    pub rows: usize,
    /// Columns, along N.
    pub columns: usize,
}

/// Where each weight of a layer lies: the layer's first word, and the weights in the order of their bytes.
///
/// A run is what one row of the array takes of a tile: weights of neighbouring outputs, `inputs` apart. All runs are as wide as
/// the array but those of the last outputs, if there are fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerPlacement {
    pub(super) first_word: usize,
    weights: usize,
    inputs: u32,
    /// Width of all runs but the last tiles', and of those.
    widths: [u32; 2],
    /// Weights in runs of the first width.
    in_wide: u32,
    /// First weight of each run.
    runs: Vec<u32>,
}

impl LayerPlacement {
    fn new(first_word: usize, layer: &LayerShape, array: ArrayShape) -> Self {
        let LayerShape { inputs, outputs } = *layer;
        let mut runs = Vec::with_capacity(inputs * outputs.div_ceil(array.columns));
        for column in (0..outputs).step_by(array.columns) {
            for row in (0..inputs).step_by(array.rows) {
                let of_tile = row..inputs.min(row + array.rows);
                runs.extend(of_tile.rev().map(|input| (column * inputs + input) as u32));
            }
        }
        let whole = outputs / array.columns * array.columns;
        Self {
            first_word,
            weights: inputs * outputs,
            inputs: inputs as u32,
            widths: [array.columns as u32, (outputs - whole).max(1) as u32],
            in_wide: (whole * inputs) as u32,
            runs,
        }
    }

    /// Weights of the layer.
    pub(super) fn weights(&self) -> usize {
        self.weights
    }

    /// The weight in byte `position` of the layer's words.
    #[inline(always)]
    pub(super) fn weight(&self, position: u32) -> u32 {
        let (run, place) = match position.checked_sub(self.in_wide) {
            None => (position / self.widths[0], position % self.widths[0]),
            Some(beyond) => (self.in_wide / self.widths[0] + beyond / self.widths[1], beyond % self.widths[1]),
        };
        self.runs[run as usize] + place * self.inputs
    }
}

/// The layers one after the other, each from a new word on, in the order in which a weight-stationary array takes them: tile by
/// tile, those of one range of outputs in order of inputs; of a tile the bottom row first, of a row from left to right.
///
/// Layers beyond the memory's `words` begin again at its start, as tiles do that pass through a double buffer: word i of the
/// stream is in word i mod `words`.
pub(super) fn place(layers: &[LayerShape], array: ArrayShape, weights_per_word: usize) -> Vec<LayerPlacement> {
    let mut first_word = 0;
    let placed = |layer: &LayerShape| {
        let placement = LayerPlacement::new(first_word, layer, array);
        first_word += placement.weights.div_ceil(weights_per_word);
        placement
    };
    layers.iter().map(placed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_has_one_place_in_the_order_of_tiles() {
        let layers = [LayerShape { inputs: 5, outputs: 4 }, LayerShape { inputs: 3, outputs: 2 }];
        let placed = place(&layers, ArrayShape { rows: 2, columns: 3 }, 8);
        let order = |placed: &LayerPlacement| (0..placed.weights() as u32).map(|at| placed.weight(at)).collect();
        let mut orders: Vec<Vec<u32>> = placed.iter().map(order).collect();
        // Outputs 0…2 first; of inputs 0 and 1 the bottom row, 1, comes first. Weight (output, input) has index 5·output + input.
        assert_eq!(orders[0][..6], [1, 6, 11, 0, 5, 10]);
        assert_eq!(orders[0][6..12], [3, 8, 13, 2, 7, 12]);
        // Input 4 alone, then output 3 alone.
        assert_eq!(orders[0][12..], [4, 9, 14, 16, 15, 18, 17, 19]);
        for (layer, order) in layers.iter().zip(&mut orders) {
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..(layer.inputs * layer.outputs) as u32));
        }
        // 20 weights fill two and a half words.
        assert_eq!((placed[0].first_word, placed[1].first_word), (0, 3));
    }
}
