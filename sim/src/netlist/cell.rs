//! Cell kinds: what each computes, how many pins it has and what they are called.

use serde::{Deserialize, Serialize};

/// A combinational standard cell, by function.
///
/// The set is that of small standard-cell libraries. Adders are cells of their own: dissolving a full adder into
/// two-input gates would change area, delay and glitches. A technology gives each kind its physical numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// y = a
    Buf,
    /// y = ¬a
    Inv,
    /// y = a ∧ b
    And2,
    /// y = a ∨ b
    Or2,
    /// y = ¬(a ∧ b)
    Nand2,
    /// y = ¬(a ∧ b ∧ c)
    Nand3,
    /// y = ¬(a ∨ b)
    Nor2,
    /// y = ¬(a ∨ b ∨ c)
    Nor3,
    /// y = a ⊕ b
    Xor2,
    /// y = ¬(a ⊕ b)
    Xnor2,
    /// y = ¬((a ∧ b) ∨ c)
    Aoi21,
    /// y = ¬((a ∧ b) ∨ (c ∧ d))
    Aoi22,
    /// y = ¬((a ∨ b) ∧ c)
    Oai21,
    /// y = ¬((a ∨ b) ∧ (c ∨ d))
    Oai22,
    /// y = c ? a : b
    Mux2,
    /// y = ¬(c ? a : b)
    MuxInv2,
    /// sum = a ⊕ b, carry = a ∧ b
    HalfAdder,
    /// sum = a ⊕ b ⊕ c, carry = majority(a, b, c)
    FullAdder,
}

impl CellKind {
    /// Every kind, in declaration order.
    pub const ALL: [CellKind; 18] = {
        use CellKind::*;
        [
            Buf, Inv, And2, Or2, Nand2, Nand3, Nor2, Nor3, Xor2, Xnor2, Aoi21, Aoi22, Oai21, Oai22, Mux2, MuxInv2,
            HalfAdder, FullAdder,
        ]
    };

    /// Number of input pins, 1 to 4.
    pub const fn inputs(self) -> usize {
        use CellKind::*;
        match self {
            Buf | Inv => 1,
            And2 | Or2 | Nand2 | Nor2 | Xor2 | Xnor2 | HalfAdder => 2,
            Nand3 | Nor3 | Aoi21 | Oai21 | Mux2 | MuxInv2 | FullAdder => 3,
            Aoi22 | Oai22 => 4,
        }
    }

    /// Number of output pins: 2 for the adders (sum, carry), else 1.
    pub const fn outputs(self) -> usize {
        match self {
            CellKind::HalfAdder | CellKind::FullAdder => 2,
            _ => 1,
        }
    }

    /// Name in configuration files and exported netlists.
    pub const fn name(self) -> &'static str {
        use CellKind::*;
        match self {
            Buf => "buf",
            Inv => "inv",
            And2 => "and2",
            Or2 => "or2",
            Nand2 => "nand2",
            Nand3 => "nand3",
            Nor2 => "nor2",
            Nor3 => "nor3",
            Xor2 => "xor2",
            Xnor2 => "xnor2",
            Aoi21 => "aoi21",
            Aoi22 => "aoi22",
            Oai21 => "oai21",
            Oai22 => "oai22",
            Mux2 => "mux2",
            MuxInv2 => "mux-inv2",
            HalfAdder => "half-adder",
            FullAdder => "full-adder",
        }
    }

    /// Output pin names: `sum` and `carry` for adders, else `y`. Inputs are `a`, `b`, `c`, `d`.
    pub const fn output_names(self) -> &'static [&'static str] {
        match self {
            CellKind::HalfAdder | CellKind::FullAdder => &["sum", "carry"],
            _ => &["y"],
        }
    }

    /// Truth table of output `pin`: bit `i` is the output when input `j` carries bit `j` of `i`.
    /// Only the low 2^inputs bits are meaningful; the others are zero.
    pub const fn truth_table(self, pin: usize) -> u16 {
        use CellKind::*;
        const A: u16 = 0xaaaa;
        const B: u16 = 0xcccc;
        const C: u16 = 0xf0f0;
        const D: u16 = 0xff00;
        let table = match (self, pin) {
            (Buf, _) => A,
            (Inv, _) => !A,
            (And2, _) | (HalfAdder, 1) => A & B,
            (Or2, _) => A | B,
            (Nand2, _) => !(A & B),
            (Nand3, _) => !(A & B & C),
            (Nor2, _) => !(A | B),
            (Nor3, _) => !(A | B | C),
            (Xor2, _) | (HalfAdder, _) => A ^ B,
            (Xnor2, _) => !(A ^ B),
            (Aoi21, _) => !((A & B) | C),
            (Aoi22, _) => !((A & B) | (C & D)),
            (Oai21, _) => !((A | B) & C),
            (Oai22, _) => !((A | B) & (C | D)),
            (Mux2, _) => (C & A) | (!C & B),
            (MuxInv2, _) => !((C & A) | (!C & B)),
            (FullAdder, 1) => (A & B) | (C & (A | B)),
            (FullAdder, _) => A ^ B ^ C,
        };
        let rows = 1u32 << self.inputs();
        if rows == 16 { table } else { table & ((1u16 << rows) - 1) }
    }

    /// Outputs (bit `pin`) for the inputs packed in `code` (bit `j` is input `j`).
    pub fn evaluate(self, code: u8) -> u8 {
        (0..self.outputs()).map(|pin| ((self.truth_table(pin) >> code & 1) as u8) << pin).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adders_add() {
        for code in 0u8..8 {
            let ones = code.count_ones() as u8;
            assert_eq!(CellKind::FullAdder.evaluate(code), ones);
            if code < 4 {
                assert_eq!(CellKind::HalfAdder.evaluate(code), ones);
            }
        }
    }

    #[test]
    fn inverting_kinds_are_complements() {
        use CellKind::*;
        for (plain, inverted) in [(And2, Nand2), (Or2, Nor2), (Xor2, Xnor2), (Mux2, MuxInv2), (Buf, Inv)] {
            for code in 0..1u8 << plain.inputs() {
                assert_eq!(plain.evaluate(code) ^ 1, inverted.evaluate(code), "{}", plain.name());
            }
        }
    }

    #[test]
    fn names_are_unique_and_serialise_as_themselves() {
        for kind in CellKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
