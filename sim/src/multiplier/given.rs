//! A multiplier as gates, wherever the gates came from.

use super::{MultiplierSpec, ProductTable};
use crate::netlist::Netlist;

/// A circuit of two operands and their product.
///
/// Invariant: two input ports of 1 to [`MultiplierSpec::MAX_WIDTH`] bits, the activation first, and one output port of as many bits
/// as both together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiplier {
    name: String,
    origin: String,
    width_a: u32,
    width_b: u32,
    signed: bool,
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

impl From<MultiplierSpec> for Multiplier {
    fn from(spec: MultiplierSpec) -> Self {
        Self {
            name: spec.name().to_owned(),
            origin: spec.family().name().to_owned(),
            width_a: spec.width_a(),
            width_b: spec.width_b(),
            signed: spec.signed(),
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
        Ok(Self { name, origin: origin.into(), width_a, width_b, signed, netlist })
    }

    /// Name of the design.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the family, or kind of the file it was read from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Bits of the first operand, the activation.
    pub fn width_a(&self) -> u32 {
        self.width_a
    }

    /// Bits of the second operand, the weight.
    pub fn width_b(&self) -> u32 {
        self.width_b
    }

    /// Bits of the product.
    pub fn product_width(&self) -> u32 {
        self.width_a + self.width_b
    }

    /// Whether operands and product are two's complement.
    pub fn signed(&self) -> bool {
        self.signed
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
