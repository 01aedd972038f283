//! What elements have to do: a matrix product, and where its operands lie in lanes.

use super::GateSpec;
use super::stationary_sums::Folds;
use super::stream::Layout;
use crate::array::Dataflow;
use crate::engine::Lanes;
use crate::multiplier::Coding;

/// A matrix product in the terms of lanes: rows follow each other in them, or are elements of a column, and columns share them as
/// far as rows leave room.
pub(super) struct Work {
    /// Codes of what every row of a column meets, `[column][input]`: what elements hold, or, where sums stay, what comes down the
    /// column.
    of_columns: Vec<u8>,
    inputs: usize,
    columns: usize,
    rows: usize,
    coding: Coding,
    ports: Ports,
    pub(super) layout: Layout,
    /// Bit planes of what rows bring, `[input][bit][block]`.
    planes: Vec<Vec<Vec<Lanes>>>,
    /// Where sums stay: which rows make a fold.
    pub(super) folds: Option<Folds>,
}

/// Ports of the multiplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// For what rows bring.
    pub(super) row: usize,
    /// For what a column has for all of them.
    pub(super) column: usize,
}

impl Ports {
    /// Activations come at the first port, weights at the second.
    pub(super) fn of(dataflow: Dataflow) -> Self {
        match dataflow {
            Dataflow::WeightStationary | Dataflow::OutputStationary => Self { row: 0, column: 1 },
            Dataflow::InputStationary => Self { row: 1, column: 0 },
        }
    }
}

impl Work {
    /// Activations `[m][input]` times weights `[n][input]`; images come in batches of `batch` m.
    pub(super) fn new(
        GateSpec { dataflow, rows: array_rows, coding, .. }: GateSpec<'_>,
        activations: &[u8],
        weights: &[i8],
        inputs: usize,
        batch: usize,
    ) -> Self {
        let weights: Vec<u8> = weights.iter().map(|weight| weight.cast_unsigned()).collect();
        let (m, n) = (activations.len() / inputs, weights.len() / inputs);
        let ports = Ports::of(dataflow);
        let of_rows = if ports.row == 0 { activations } else { &weights };
        let of_columns = if ports.column == 0 { activations } else { &weights };
        let (rows, columns) = (of_rows.len() / inputs, of_columns.len() / inputs);
        let layout = match dataflow {
            Dataflow::WeightStationary => Layout::with_bubbles(m, batch, n),
            Dataflow::InputStationary => Layout::with_bubbles(n, n, m),
            Dataflow::OutputStationary => Layout::without_bubbles(m, n),
        };
        let bits = coding.operand_bits()[ports.row] as usize;
        let code = |row: usize, input: usize| coding.operand(ports.row, of_rows[row * inputs + input].into());
        let planes = (0..inputs).map(|input| layout.planes(|row| code(row, input), bits)).collect();
        let folds = (dataflow == Dataflow::OutputStationary).then(|| Folds::new(&layout, rows, batch, array_rows));
        Self { of_columns: of_columns.to_vec(), inputs, columns, rows, coding, ports, layout, planes, folds }
    }

    /// First column of each set of columns that are simulated together.
    pub(super) fn sets(&self) -> Vec<usize> {
        (0..self.columns).step_by(self.layout.columns()).collect()
    }

    /// Products of a sum.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns in lanes.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Rows in lanes.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// At which ports rows and columns come.
    pub(super) fn ports(&self) -> Ports {
        self.ports
    }

    /// What rows bring for an input, `[bit][block]`.
    pub(super) fn planes(&self, input: usize) -> &[Vec<Lanes>] {
        &self.planes[input]
    }

    /// What a column has for an input.
    pub(super) fn code(&self, column: usize, input: usize) -> u8 {
        self.of_columns[column * self.inputs + input]
    }

    /// The lanes of a block whose column, `first` being that of the first, puts a 1 on bit `bit` of its port.
    pub(super) fn column_bit(&self, block: usize, first: usize, input: usize, bit: usize) -> Lanes {
        self.layout.of_columns(block, |column| {
            let column = first + column;
            column < self.columns
                && self.coding.operand(self.ports.column, self.code(column, input).into()) >> bit & 1 == 1
        })
    }
}

/// Columns simulated together.
pub(super) struct Set {
    /// The first of them.
    pub(super) first: usize,
    /// Lanes of columns that there are, a block after the other as far as there are any.
    pub(super) present: Vec<Lanes>,
    /// Those without bubbles.
    pub(super) counted: Vec<Lanes>,
}

impl Set {
    pub(super) fn new(work: &Work, first: usize) -> Self {
        let present = |block: usize| work.layout.of_columns(block, |column| first + column < work.columns);
        let present = (0..work.layout.blocks()).map(present).take_while(|lanes| !lanes.is_zero());
        let present: Vec<Lanes> = present.collect();
        let counted = present.iter().zip(work.layout.valid()).map(|(&present, &valid)| present & valid).collect();
        Self { first, present, counted }
    }
}
