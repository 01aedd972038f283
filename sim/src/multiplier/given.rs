//! A multiplier as gates, wherever the gates came from.

use super::{Coding, Family, MultiplierSpec, NumberFormat, ProductTable, SpecError};
use crate::netlist::{Netlist, NetlistBuilder};

/// A circuit of two operands and their product.
///
/// Invariant: two input ports, the activation first, and one output port, of the widths that its [`Coding`] says: operands of 1 to
/// [`MultiplierSpec::MAX_WIDTH`] bits, and a product of as many as both together but for the second sign of sign–magnitude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiplier {
    name: String,
    origin: String,
    coding: Coding,
    netlist: Netlist,
}

/// A circuit that is no multiplier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operands of {width_a} and {width_b} bits and a product of {product} are no multiplier: operands have 1 to {max} bits, and the product as many as both together", max = MultiplierSpec::MAX_WIDTH)]
pub struct NotMultiplier {
    width_a: usize,
    width_b: usize,
    product: usize,
}

/// A circuit that cannot multiply magnitudes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: sign-magnitude is made of an unsigned multiplier of operands of at most {max} bits, not of a {format} one of {width_a}×{width_b}", format = format.name(), max = Coding::MAX_SIGNED_CODE)]
pub struct NotMagnitudes {
    name: String,
    format: NumberFormat,
    width_a: u32,
    width_b: u32,
}

impl NotMagnitudes {
    pub(super) fn new(name: String, coding: Coding) -> Self {
        let [width_a, width_b] = coding.code_bits();
        Self { name, format: coding.format(), width_a, width_b }
    }
}

impl From<MultiplierSpec> for Multiplier {
    fn from(spec: MultiplierSpec) -> Self {
        Self {
            name: spec.name().to_owned(),
            origin: spec.family().name().to_owned(),
            coding: Coding::plain(spec.width_a(), spec.width_b(), spec.signed()),
            netlist: spec.netlist(),
        }
    }
}

impl Multiplier {
    /// A circuit read from a file; `origin` says from what kind of file.
    pub fn from_netlist(
        name: impl Into<String>,
        origin: impl Into<String>,
        netlist: Netlist,
        signed: bool,
    ) -> Result<Self, NotMultiplier> {
        let widths: Vec<usize> = netlist.inputs().iter().chain(netlist.outputs()).map(|port| port.width()).collect();
        let allowed = 1..=MultiplierSpec::MAX_WIDTH as usize;
        let (width_a, width_b, product) = match widths[..] {
            [a, b, product] if netlist.outputs().len() == 1 => (a, b, product),
            _ => (0, 0, widths.len()),
        };
        if !(allowed.contains(&width_a) && allowed.contains(&width_b) && product == width_a + width_b) {
            return Err(NotMultiplier { width_a, width_b, product });
        }
        let (width_a, width_b) = (width_a as u32, width_b as u32);
        let name = name.into();
        let netlist = netlist.simplified().renamed(name.clone());
        Ok(Self { name, origin: origin.into(), coding: Coding::plain(width_a, width_b, signed), netlist })
    }

    /// A multiplier of signed numbers around this one of magnitudes: ports carry a sign above each magnitude, the product's sign
    /// being the exclusive or of the operands'. Nothing is converted between two's complement and magnitudes in it.
    pub fn sign_magnitude(self, name: impl Into<String>) -> Result<Self, NotMagnitudes> {
        let [width_a, width_b] = self.coding.code_bits();
        if self.signed() || width_a.max(width_b) > Coding::MAX_SIGNED_CODE {
            return Err(NotMagnitudes::new(self.name, self.coding));
        }
        let coding = Coding::sign_magnitude([width_a, width_b]);
        let name = name.into();
        let mut circuit = NetlistBuilder::new(name.clone());
        let operands =
            ["a", "b"].into_iter().zip(coding.operand_bits()).map(|(name, bits)| circuit.input(name, bits as usize));
        let operands: Vec<_> = operands.collect();
        let magnitudes: Vec<_> = operands.iter().map(|operand| &operand[..operand.len() - 1]).collect();
        let mut product = circuit.embed(&self.netlist, &magnitudes).remove(0);
        let [sign_a, sign_b] = [&operands[0], &operands[1]].map(|operand| operand[operand.len() - 1]);
        product.push(circuit.xor(sign_a, sign_b));
        circuit.output("p", product);
        Ok(Self { name, coding, netlist: circuit.finish(), ..self })
    }

    /// The exact array multiplier with the same ports.
    pub fn exact(&self) -> Result<Self, SpecError> {
        let coding = self.coding;
        let sign_magnitude = coding.format() == NumberFormat::SignMagnitude;
        let [a, b] = coding.operand_bits().map(|bits| bits - u32::from(sign_magnitude));
        let signed = coding.format() == NumberFormat::TwosComplement;
        let exact = Self::from(MultiplierSpec::new("exact", Family::Array, a, b, signed)?);
        Ok(if sign_magnitude {
            exact.sign_magnitude("exact").expect("magnitudes of a sign–magnitude design")
        } else {
            exact
        })
    }

    /// Name of the design.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the family, or kind of the file it was read from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Bits of the first operand's codes, the activation's.
    pub fn width_a(&self) -> u32 {
        self.coding.code_bits()[0]
    }

    /// Bits of the second operand's codes, the weight's.
    pub fn width_b(&self) -> u32 {
        self.coding.code_bits()[1]
    }

    /// Bits of both operands' codes together, as many as a product's code has.
    pub fn product_width(&self) -> u32 {
        self.width_a() + self.width_b()
    }

    /// Whether operand codes and products are signed numbers, in two's complement.
    pub fn signed(&self) -> bool {
        self.coding.signed()
    }

    /// What the ports carry.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// The gates.
    pub fn netlist(&self) -> &Netlist {
        &self.netlist
    }

    /// Whether its products fit in a [`ProductTable`].
    pub fn is_tabulable(&self) -> bool {
        self.product_width() <= ProductTable::MAX_INPUT_BITS
    }
}
