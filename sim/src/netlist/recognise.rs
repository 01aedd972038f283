//! Finding the one cell that computes given functions.

use super::simplify::permutations;
use super::{CellKind, Netlist};

/// A cell kind that computes a block, and how its pins correspond to the block's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recognised {
    pub(crate) kind: CellKind,
    /// Block input at each cell input pin.
    pub(crate) inputs: Vec<usize>,
    /// Cell output pin of each block output.
    pub(crate) outputs: Vec<usize>,
}

impl Recognised {
    /// Most inputs a cell has.
    pub(crate) const MAX_INPUTS: usize = 4;

    /// The kind with exactly `inputs` inputs whose outputs are `tables` (bit `i` of a table: the output when input
    /// `j` carries bit `j` of `i`).
    pub(crate) fn from_tables(inputs: usize, tables: &[u16]) -> Option<Recognised> {
        let pins: Vec<usize> = (0..inputs).collect();
        let fitting = |kind: &CellKind| kind.inputs() == inputs && kind.outputs() == tables.len();
        for kind in CellKind::ALL.into_iter().filter(fitting) {
            for order in permutations(&pins) {
                // Row of the block's table -> row of the cell's.
                let code =
                    |row: u16| order.iter().enumerate().map(|(pin, &input)| (row >> input & 1) << pin).sum::<u16>();
                let permuted =
                    |pin| (0..1u32 << inputs).map(|row| (kind.truth_table(pin) >> code(row as u16) & 1) << row).sum();
                let cell: Vec<u16> = (0..kind.outputs()).map(permuted).collect();
                let position = |table| cell.iter().position(|candidate| candidate == table);
                if let Some(outputs) = tables.iter().map(position).collect::<Option<Vec<usize>>>()
                    && (outputs.len() < 2 || outputs[0] != outputs[1])
                {
                    return Some(Recognised { kind, inputs: order, outputs });
                }
            }
        }
        None
    }

    /// The kind that computes all of `block`, whose ports are single bits.
    pub(crate) fn from_block(block: &Netlist) -> Option<Recognised> {
        let scalar = block.inputs().iter().chain(block.outputs()).all(|port| port.width() == 1);
        let inputs = block.inputs().len();
        if !scalar || inputs == 0 || inputs > Self::MAX_INPUTS {
            return None;
        }
        let mut tables = vec![0; block.outputs().len()];
        for row in 0..1u16 << inputs {
            let values: Vec<u64> = (0..inputs).map(|input| u64::from(row >> input & 1)).collect();
            for (table, value) in tables.iter_mut().zip(block.evaluate(&values)) {
                *table |= (value as u16) << row;
            }
        }
        Self::from_tables(inputs, &tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_recognised_as_itself_pin_for_pin() {
        for kind in CellKind::ALL {
            let tables: Vec<u16> = (0..kind.outputs()).map(|pin| kind.truth_table(pin)).collect();
            let found = Recognised::from_tables(kind.inputs(), &tables).unwrap();
            assert_eq!(found.kind, kind);
            assert_eq!(found.inputs, (0..kind.inputs()).collect::<Vec<_>>(), "{}", kind.name());
            assert_eq!(found.outputs, (0..kind.outputs()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn permuted_pins_are_found() {
        // Carry first, and a multiplexer whose select is the first input: s ? b : a.
        let adder = Recognised::from_tables(2, &[0b1000, 0b0110]).unwrap();
        assert_eq!((adder.kind, adder.outputs), (CellKind::HalfAdder, vec![1, 0]));
        let table = (0..8)
            .filter(|row| if row & 1 == 1 { row >> 2 & 1 } else { row >> 1 & 1 } == 1)
            .map(|row| 1 << row)
            .sum();
        let multiplexer = Recognised::from_tables(3, &[table]).unwrap();
        assert_eq!((multiplexer.kind, multiplexer.inputs), (CellKind::Mux2, vec![2, 1, 0]));
        assert_eq!(Recognised::from_tables(3, &[0b1110_1000]), None, "a majority alone is no cell");
    }
}
