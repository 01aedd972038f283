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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerPlacement {
    pub(super) first_word: usize,
    pub(super) order: Vec<u32>,
}

/// The layers one after the other, each from a new word on, in the order in which a weight-stationary array takes them: tile by
/// tile, those of one range of outputs in order of inputs; of a tile the bottom row first, of a row from left to right.
///
/// Layers beyond the memory's `words` begin again at its start, as tiles do that pass through a double buffer: word i of the
/// stream is in word i mod `words`.
pub(super) fn place(layers: &[LayerShape], array: ArrayShape, weights_per_word: usize) -> Vec<LayerPlacement> {
    let mut first_word = 0;
    let placed = |layer: &LayerShape| {
        let LayerShape { inputs, outputs } = *layer;
        let mut order = Vec::with_capacity(inputs * outputs);
        for column in (0..outputs).step_by(array.columns) {
            let columns = column..outputs.min(column + array.columns);
            for row in (0..inputs).step_by(array.rows) {
                for input in (row..inputs.min(row + array.rows)).rev() {
                    order.extend(columns.clone().map(|output| (output * inputs + input) as u32));
                }
            }
        }
        let placement = LayerPlacement { first_word, order };
        first_word += (inputs * outputs).div_ceil(weights_per_word);
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
        // Outputs 0…2 first; of inputs 0 and 1 the bottom row, 1, comes first. Weight (output, input) has index 5·output + input.
        assert_eq!(placed[0].order[..6], [1, 6, 11, 0, 5, 10]);
        assert_eq!(placed[0].order[6..12], [3, 8, 13, 2, 7, 12]);
        // Input 4 alone, then output 3 alone.
        assert_eq!(placed[0].order[12..], [4, 9, 14, 16, 15, 18, 17, 19]);
        for (layer, placed) in layers.iter().zip(&placed) {
            let mut order = placed.order.clone();
            order.sort_unstable();
            assert!(order.into_iter().eq(0..(layer.inputs * layer.outputs) as u32));
        }
        // 20 weights fill two and a half words.
        assert_eq!((placed[0].first_word, placed[1].first_word), (0, 3));
    }
}
