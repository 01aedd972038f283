//! Operators on words as cells. Constants fold away, so an expression of constants is a constant.

use crate::netlist::CellKind;
use crate::netlist::draft::{Draft, Wire};
use crate::netlist::read_error::{Problem, Span};

/// The three associative bit operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BitOperation {
    And,
    Or,
    Xor,
}

/// Adds cells for operators found at one place. Words are least significant bit first.
pub(super) struct Operators<'d> {
    pub(super) draft: &'d mut Draft,
    pub(super) at: Span,
}

impl Operators<'_> {
    fn cell(&mut self, kind: CellKind, inputs: &[Wire]) -> Wire {
        self.draft.cell(kind, inputs, self.at)
    }

    pub(super) fn not(&mut self, a: Wire) -> Wire {
        match a.value() {
            Some(value) => Wire::constant(!value),
            None => self.cell(CellKind::Inv, &[a]),
        }
    }

    /// One bit operation, complemented if `inverted`.
    pub(super) fn bit(&mut self, operation: BitOperation, inverted: bool, a: Wire, b: Wire) -> Wire {
        use BitOperation::*;
        self.draft.spend(1);
        let (constant, other) = match (a.value(), b.value()) {
            (Some(value), _) => (value, b),
            (_, Some(value)) => (value, a),
            _ => {
                let kind = match (operation, inverted) {
                    (And, false) => CellKind::And2,
                    (And, true) => CellKind::Nand2,
                    (Or, false) => CellKind::Or2,
                    (Or, true) => CellKind::Nor2,
                    (Xor, false) => CellKind::Xor2,
                    (Xor, true) => CellKind::Xnor2,
                };
                return self.cell(kind, &[a, b]);
            }
        };
        match (operation, constant) {
            (And, false) => Wire::constant(inverted),
            (Or, true) => Wire::constant(!inverted),
            (Xor, _) if inverted != constant => self.not(other),
            (And | Or, _) if inverted => self.not(other),
            _ => other,
        }
    }

    /// select ? when_one : when_zero
    pub(super) fn mux(&mut self, select: Wire, when_one: Wire, when_zero: Wire) -> Wire {
        self.draft.spend(1);
        match (select.value(), when_one.value(), when_zero.value()) {
            (Some(true), ..) => when_one,
            (Some(false), ..) => when_zero,
            _ if when_one == when_zero => when_one,
            (_, Some(true), Some(false)) => select,
            (_, Some(false), Some(true)) => self.not(select),
            (_, Some(true), None) => self.bit(BitOperation::Or, false, select, when_zero),
            (_, None, Some(false)) => self.bit(BitOperation::And, false, select, when_one),
            _ => self.cell(CellKind::Mux2, &[when_one, when_zero, select]),
        }
    }

    /// Sum and carry of three bits: an adder cell, or what constants leave of it.
    fn add_bits(&mut self, bits: [Wire; 3]) -> (Wire, Wire) {
        self.draft.spend(1);
        let ones = bits.iter().filter(|wire| **wire == Wire::ONE).count();
        let variables: Vec<Wire> = bits.into_iter().filter(|wire| wire.value().is_none()).collect();
        match (ones, &variables[..]) {
            (0, [a, b, c]) => {
                let sum = self.cell(CellKind::FullAdder, &[*a, *b, *c]);
                (sum, sum.offset(1))
            }
            (0, [a, b]) => {
                let sum = self.cell(CellKind::HalfAdder, &[*a, *b]);
                (sum, sum.offset(1))
            }
            (1, [a, b]) => {
                let sum = self.bit(BitOperation::Xor, true, *a, *b);
                (sum, self.bit(BitOperation::Or, false, *a, *b))
            }
            (0, [a]) => (*a, Wire::ZERO),
            (1, [a]) => (self.not(*a), *a),
            (_, [a]) => (*a, Wire::ONE),
            _ => (Wire::constant(ones % 2 == 1), Wire::constant(ones >= 2)),
        }
    }

    /// a + b + carry modulo 2^n, and the carry out. Both words have n bits.
    pub(super) fn add(&mut self, a: &[Wire], b: &[Wire], carry: Wire) -> (Vec<Wire>, Wire) {
        let mut carry = carry;
        let bits = a.iter().zip(b).map(|(&a, &b)| {
            let (sum, next) = self.add_bits([a, b, carry]);
            carry = next;
            sum
        });
        let sum = bits.collect();
        (sum, carry)
    }

    /// a − b modulo 2^n, and whether a ≥ b as unsigned numbers.
    pub(super) fn subtract(&mut self, a: &[Wire], b: &[Wire]) -> (Vec<Wire>, Wire) {
        let complement: Vec<Wire> = b.iter().map(|&bit| self.not(bit)).collect();
        self.add(a, &complement, Wire::ONE)
    }

    /// The reduction of a word, in a tree.
    pub(super) fn reduce(&mut self, operation: BitOperation, inverted: bool, word: &[Wire]) -> Wire {
        let mut level = word.to_vec();
        while level.len() > 2 {
            let mut next = Vec::with_capacity(level.len().div_ceil(2));
            for pair in level.chunks(2) {
                next.push(if let [a, b] = pair { self.bit(operation, false, *a, *b) } else { pair[0] });
            }
            level = next;
        }
        match level[..] {
            [] => Wire::constant((operation == BitOperation::And) != inverted),
            [only] if inverted => self.not(only),
            [only] => only,
            [a, b, ..] => self.bit(operation, inverted, a, b),
        }
    }

    /// Whether a word has a one.
    pub(super) fn any(&mut self, word: &[Wire]) -> Wire {
        self.reduce(BitOperation::Or, false, word)
    }

    /// a = b, or a ≠ b if `inverted`.
    pub(super) fn equal(&mut self, inverted: bool, a: &[Wire], b: &[Wire]) -> Wire {
        let pairs = a.iter().zip(b);
        let bits: Vec<Wire> = pairs.map(|(&a, &b)| self.bit(BitOperation::Xor, !inverted, a, b)).collect();
        self.reduce(if inverted { BitOperation::Or } else { BitOperation::And }, false, &bits)
    }

    /// a ≥ b.
    pub(super) fn at_least(&mut self, signed: bool, a: &[Wire], b: &[Wire]) -> Wire {
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        // Complementing the sign bits turns signed order into unsigned order; so does exchanging them.
        if signed && let (Some(sign_a), Some(sign_b)) = (a.last_mut(), b.last_mut()) {
            std::mem::swap(sign_a, sign_b);
        }
        self.subtract(&a, &b).1
    }

    /// a · b modulo 2^width: an array of AND gates, one ripple row of adders for each further row.
    ///
    /// Operands are extended to `width` already; extension bits are taken off again first, so that an n×m product
    /// takes n·m gates. Signed products use the Baugh–Wooley form (IEEE Trans. Computers C-22, 1973).
    pub(super) fn multiply(
        &mut self,
        signed: bool,
        a: &[Wire],
        b: &[Wire],
        width: usize,
    ) -> Result<Vec<Wire>, Problem> {
        let trim = if signed { without_sign_extension } else { without_leading_zeros };
        let (a, b) = (trim(a), trim(b));
        let (n, m) = (a.len(), b.len());
        let product_width = width.min(n + m);
        let mut sum = vec![Wire::ZERO; product_width];
        if signed {
            // Products of one sign bit and one other bit count negatively, and −x·2^k = (¬x)·2^k − 2^k. The −2^k sum
            // to 2^(n−1) + 2^(m−1) − 2^(n+m−1), and −2^(n+m−1) is 2^(n+m−1) modulo 2^(n+m).
            for column in [n - 1, m - 1, n + m - 1] {
                let one: Vec<Wire> = (0..product_width).map(|bit| Wire::constant(bit == column)).collect();
                sum = self.add(&sum, &one, Wire::ZERO).0;
            }
        }
        for (row, &b_bit) in b.iter().enumerate().take(product_width) {
            let mut products = Vec::with_capacity(product_width - row);
            for (column, &a_bit) in a.iter().enumerate().take(product_width - row) {
                let inverted = signed && (column == n - 1) != (row == m - 1);
                products.push(self.bit(BitOperation::And, inverted, a_bit, b_bit));
            }
            products.resize(product_width - row, Wire::ZERO);
            let (partial, _) = self.add(&sum[row..], &products, Wire::ZERO);
            sum[row..].copy_from_slice(&partial);
            self.draft.within_limits()?;
        }
        let extension = if signed { sum.last().copied().unwrap_or(Wire::ZERO) } else { Wire::ZERO };
        sum.resize(width, extension);
        Ok(sum)
    }

    /// `word` shifted by `amount`; bits shifted in are `fill`. Left is towards the most significant bit.
    pub(super) fn shift(&mut self, word: &[Wire], amount: &[Wire], left: bool, fill: Wire) -> Vec<Wire> {
        let width = word.len();
        // Amount bits that shift everything out are one select.
        let stages = (usize::BITS - width.leading_zeros()) as usize;
        let (fine, coarse) = amount.split_at(stages.min(amount.len()));
        let mut word = word.to_vec();
        for (stage, &select) in fine.iter().enumerate() {
            let distance = width.min(1 << stage);
            let vacated = std::iter::repeat_n(fill, distance);
            let shifted: Vec<Wire> = match left {
                true => vacated.chain(word[..width - distance].iter().copied()).collect(),
                false => word[distance..].iter().copied().chain(vacated).collect(),
            };
            word = shifted.iter().zip(&word).map(|(&moved, &kept)| self.mux(select, moved, kept)).collect();
        }
        let all = self.any(coarse);
        word.into_iter().map(|kept| self.mux(all, fill, kept)).collect()
    }
}

fn without_leading_zeros(word: &[Wire]) -> &[Wire] {
    let used = word.iter().rposition(|&bit| bit != Wire::ZERO).map_or(0, |highest| highest + 1);
    &word[..used]
}

/// Drops bits equal to the one below them from the top; at least one bit stays.
fn without_sign_extension(word: &[Wire]) -> &[Wire] {
    let mut used = word.len();
    while used > 1 && word[used - 1] == word[used - 2] {
        used -= 1;
    }
    &word[..used]
}
