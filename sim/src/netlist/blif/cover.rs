//! Truth tables as BLIF writes them, and the cells they become.

use crate::netlist::CellKind;
use crate::netlist::draft::{Draft, Wire};
use crate::netlist::library::{Gate, join};
use crate::netlist::read_error::Span;
use crate::netlist::recognise::Recognised;

/// Product terms of a function or of its complement. Without any, the function is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover {
    rows: Vec<Vec<Literal>>,
    /// Whether the rows list where the function is zero.
    complemented: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    Zero,
    One,
    Either,
}

impl Cover {
    /// Adds a row; false if it is malformed or lists ones among zeros.
    pub(super) fn push_row(&mut self, pattern: &str, value: &str) -> bool {
        let literal = |byte| match byte {
            b'0' => Some(Literal::Zero),
            b'1' => Some(Literal::One),
            b'-' => Some(Literal::Either),
            _ => None,
        };
        let row: Option<Vec<Literal>> = pattern.bytes().map(literal).collect();
        let complemented = value == "0";
        let consistent = self.rows.is_empty() || complemented == self.complemented;
        match row {
            Some(row) if consistent && (complemented || value == "1") => {
                self.rows.push(row);
                self.complemented = complemented;
                true
            }
            _ => false,
        }
    }

    /// The function as a truth table of up to four inputs.
    fn table(&self, inputs: usize) -> u16 {
        let covers = |row: &Vec<Literal>, code: u32| {
            row.iter().enumerate().all(|(input, literal)| match literal {
                Literal::Zero => code >> input & 1 == 0,
                Literal::One => code >> input & 1 == 1,
                Literal::Either => true,
            })
        };
        let one = |code: &u32| self.rows.iter().any(|row| covers(row, *code)) != self.complemented;
        (0..1u32 << inputs).filter(one).map(|code| 1 << code).sum()
    }

    /// A wire that carries the function of `inputs`.
    pub(super) fn build(&self, draft: &mut Draft, inputs: &[Wire], at: Span) -> Wire {
        if inputs.len() <= Recognised::MAX_INPUTS {
            let table = self.table(inputs.len());
            let all = ((1u32 << (1 << inputs.len())) - 1) as u16;
            if table == 0 || table == all {
                return Wire::constant(table == all);
            }
            if let Some(Recognised { kind, inputs: order, .. }) = Recognised::from_tables(inputs.len(), &[table]) {
                let pins: Vec<Wire> = order.into_iter().map(|input| inputs[input]).collect();
                return if kind == CellKind::Buf { pins[0] } else { draft.cell(kind, &pins, at) };
            }
            let parity: u16 = (0..1u32 << inputs.len()).map(|code| ((code.count_ones() & 1) as u16) << code).sum();
            if table == parity || table == all & !parity {
                let last = inputs.len() - 1;
                let xor = |sum, &wire: &Wire| draft.cell(CellKind::Xor2, &[sum, wire], at);
                let rest = inputs[1..last].iter().fold(inputs[0], xor);
                let kind = if table == parity { CellKind::Xor2 } else { CellKind::Xnor2 };
                return draft.cell(kind, &[rest, inputs[last]], at);
            }
        }
        self.sum_of_products(draft, inputs, at)
    }

    fn sum_of_products(&self, draft: &mut Draft, inputs: &[Wire], at: Span) -> Wire {
        let mut complements: Vec<Option<Wire>> = vec![None; inputs.len()];
        let mut products = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            draft.spend(row.len());
            let mut factors = Vec::new();
            for (input, literal) in row.iter().enumerate() {
                match literal {
                    Literal::Either => {}
                    Literal::One => factors.push(inputs[input]),
                    Literal::Zero => {
                        let complement = &mut complements[input];
                        let wire = *complement.get_or_insert_with(|| draft.cell(CellKind::Inv, &[inputs[input]], at));
                        factors.push(wire);
                    }
                }
            }
            products.push(join(draft, Gate::And, false, &factors, at));
        }
        join(draft, Gate::Or, self.complemented, &products, at)
    }
}
