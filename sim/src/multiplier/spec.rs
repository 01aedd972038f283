//! A multiplier design: a family, its parameters and the operands it takes.

use super::{Family, FinalAdder, ProductTable, operand_value};
use crate::netlist::{Netlist, NetlistBuilder};
use thiserror::Error;

/// Widths and number format of a multiplier's operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operands {
    pub(super) width_a: u32,
    pub(super) width_b: u32,
    /// Two's complement, product included.
    pub(super) signed: bool,
}

impl Operands {
    /// Bits of the product.
    pub(super) fn product_width(self) -> u32 {
        self.width_a + self.width_b
    }
}

/// A multiplier design.
///
/// Invariant: the family is defined for these widths and its parameters are in range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiplierSpec {
    name: String,
    family: Family,
    operands: Operands,
    final_adder: FinalAdder,
}

impl MultiplierSpec {
    /// Widest operand, bits.
    pub const MAX_WIDTH: u32 = 16;

    /// A design with a ripple final adder, if the family is defined for it.
    pub fn new(
        name: impl Into<String>,
        family: Family,
        width_a: u32,
        width_b: u32,
        signed: bool,
    ) -> Result<Self, SpecError> {
        for (operand, width) in [("a", width_a), ("b", width_b)] {
            if !(1..=Self::MAX_WIDTH).contains(&width) {
                return Err(SpecError::Width { operand, width });
            }
        }
        let operands = Operands { width_a, width_b, signed };
        let spec = Self { name: name.into(), family, operands, final_adder: FinalAdder::default() };
        spec.family.multiplier(spec.final_adder).validate(operands).map_err(|violation| spec.refused(violation))?;
        Ok(spec)
    }

    /// The same design with another final adder, if the family has one and it is in range.
    pub fn with_final_adder(mut self, adder: FinalAdder) -> Result<Self, SpecError> {
        if adder != FinalAdder::default() && !self.family.has_final_adder() {
            return Err(SpecError::NoFinalAdder { family: self.family.name(), adder });
        }
        if let FinalAdder::Loa { lower } = adder {
            let range = 0..=self.operands.product_width();
            require("final_adder.loa.lower", lower, range).map_err(|violation| self.refused(violation))?;
        }
        self.final_adder = adder;
        Ok(self)
    }

    fn refused(&self, violation: Violation) -> SpecError {
        let Operands { width_a, width_b, .. } = self.operands;
        SpecError::Refused { family: self.family.name(), width_a, width_b, violation }
    }

    /// Name of the design and of its netlist.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The family with its parameters.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Bits of the first operand.
    pub fn width_a(&self) -> u32 {
        self.operands.width_a
    }

    /// Bits of the second operand.
    pub fn width_b(&self) -> u32 {
        self.operands.width_b
    }

    /// Whether operands and product are two's complement.
    pub fn signed(&self) -> bool {
        self.operands.signed
    }

    /// The adder of the last two rows, in families that reduce to two rows.
    pub fn final_adder(&self) -> FinalAdder {
        self.final_adder
    }

    /// The circuit: inputs `a` and `b`, output `p` of width_a + width_b bits, two's complement when signed.
    pub fn netlist(&self) -> Netlist {
        let mut circuit = NetlistBuilder::new(self.name.clone());
        let a = circuit.input("a", self.width_a() as usize);
        let b = circuit.input("b", self.width_b() as usize);
        let product = self.family.multiplier(self.final_adder).generate(&mut circuit, self.operands, &a, &b);
        debug_assert_eq!(product.len(), a.len() + b.len());
        circuit.output("p", product);
        circuit.finish().simplified()
    }

    /// The product of two operand codes by the family's published arithmetic, not by its gates. Bits above the
    /// operands' widths are ignored.
    pub fn product(&self, a_code: u32, b_code: u32) -> i64 {
        self.reference()(a_code, b_code)
    }

    /// All products, computed pair by pair, or `None` if the operands are wider than [`ProductTable::MAX_INPUT_BITS`] together.
    pub fn table(&self) -> Option<ProductTable> {
        let Operands { width_a, width_b, signed } = self.operands;
        let product = self.reference();
        // Products of so few input bits fit: they have as many bits as the operands together.
        let tabulate = || ProductTable::from_fn(width_a, width_b, signed, |a, b| product(a, b) as i32);
        (self.operands.product_width() <= ProductTable::MAX_INPUT_BITS).then(tabulate)
    }

    fn reference(&self) -> impl Fn(u32, u32) -> i64 {
        let operands @ Operands { width_a, width_b, signed } = self.operands;
        let multiplier = self.family.multiplier(self.final_adder);
        let mask = |width: u32| (1u32 << width) - 1;
        move |a_code, b_code| {
            let a = operand_value(a_code & mask(width_a), width_a, signed);
            let b = operand_value(b_code & mask(width_b), width_b, signed);
            wrapped(multiplier.product(operands, a, b), operands)
        }
    }
}

/// `product` modulo 2^(width_a + width_b), as the number its code stands for.
fn wrapped(product: i64, operands: Operands) -> i64 {
    let unused = i64::BITS - operands.product_width();
    let shifted = product << unused;
    if operands.signed { shifted >> unused } else { (shifted as u64 >> unused) as i64 }
}

/// Why a multiplier cannot be built as specified.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// An operand of no bits or of too many.
    #[error("operand {operand} has {width} bits; choose 1 to {max}", max = MultiplierSpec::MAX_WIDTH)]
    Width {
        /// `a` or `b`.
        operand: &'static str,
        /// Its width in bits.
        width: u32,
    },
    /// The family is not defined for these widths or parameters.
    #[error("{family} {width_a}×{width_b}: {violation}")]
    Refused {
        /// Name of the family.
        family: &'static str,
        /// Bits of the first operand.
        width_a: u32,
        /// Bits of the second operand.
        width_b: u32,
        /// What is wrong and what would be right.
        violation: Violation,
    },
    /// A final adder was chosen for a family that has none.
    #[error("{family} has no final adder to replace by {adder:?}; leave it at ripple")]
    NoFinalAdder {
        /// Name of the family.
        family: &'static str,
        /// The adder asked for.
        adder: FinalAdder,
    },
}

/// A condition of a family that a design breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// Widths for which the family has no definition.
    #[error("the family is defined for {requirement}")]
    Widths {
        /// The widths it is defined for.
        requirement: &'static str,
    },
    /// A parameter outside what the family or the widths allow.
    #[error("{parameter} = {value} is out of range; {}", choices(allowed))]
    Parameter {
        /// Name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: u32,
        /// The values allowed at these widths, ascending.
        allowed: Vec<u32>,
    },
}

/// Checks that a parameter has one of the allowed values, given in ascending order.
pub(super) fn require(
    parameter: &'static str,
    value: u32,
    allowed: impl IntoIterator<Item = u32>,
) -> Result<(), Violation> {
    let allowed: Vec<u32> = allowed.into_iter().collect();
    if allowed.contains(&value) { Ok(()) } else { Err(Violation::Parameter { parameter, value, allowed }) }
}

/// What to choose instead, for an error message.
fn choices(allowed: &[u32]) -> String {
    match allowed {
        [] => "no value is possible at these widths".to_owned(),
        [only] => format!("choose {only}"),
        [first, .., last] if (last - first) as usize == allowed.len() - 1 => format!("choose {first} to {last}"),
        _ => format!("choose one of {}", allowed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_equal_arithmetic() {
        for (width_a, width_b) in [(1, 1), (1, 4), (4, 1), (3, 5), (6, 4), (5, 5)] {
            for signed in [false, true] {
                for family in [Family::Array, Family::OperandTruncated { a: width_a / 2, b: width_b / 3 }] {
                    let spec = MultiplierSpec::new("m", family, width_a, width_b, signed).unwrap();
                    let netlist = spec.netlist();
                    for (a, b) in (0..1u32 << width_a).flat_map(|a| (0..1u32 << width_b).map(move |b| (a, b))) {
                        let code = spec.product(a, b) as u64 & ((1 << (width_a + width_b)) - 1);
                        assert_eq!(netlist.evaluate(&[a.into(), b.into()]), [code], "{spec:?} {a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn refusals_name_the_remedy() {
        let refused = |family, width_a, width_b| {
            MultiplierSpec::new("m", family, width_a, width_b, false).unwrap_err().to_string()
        };
        assert_eq!(refused(Family::Array, 0, 8), "operand a has 0 bits; choose 1 to 16");
        assert_eq!(refused(Family::Array, 8, 17), "operand b has 17 bits; choose 1 to 16");
        let truncated = Family::OperandTruncated { a: 0, b: 8 };
        assert_eq!(refused(truncated, 8, 8), "operand-truncated 8×8: b = 8 is out of range; choose 0 to 7");
        let array = MultiplierSpec::new("m", Family::Array, 8, 8, false).unwrap();
        let error = array.with_final_adder(FinalAdder::KoggeStone).unwrap_err();
        assert_eq!(error.to_string(), "array has no final adder to replace by KoggeStone; leave it at ripple");
    }
}
