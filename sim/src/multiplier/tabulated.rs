//! A multiplier by its products alone, and one that may be gates or products.

use super::{Coding, Multiplier, NotMagnitudes, ProductTable};
use thiserror::Error;

/// A multiplier of which only the products are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabulatedMultiplier {
    name: String,
    table: ProductTable,
}

impl TabulatedMultiplier {
    /// A table with a name.
    pub fn new(name: impl Into<String>, table: ProductTable) -> Self {
        Self { name: name.into(), table }
    }

    /// Name of the design.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The products.
    pub fn table(&self) -> &ProductTable {
        &self.table
    }
}

/// What a design file describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyMultiplier {
    /// A circuit.
    Gates(Multiplier),
    /// Products without a circuit.
    Table(TabulatedMultiplier),
}

/// Gates were asked for of a multiplier that has none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name} is a table of products: without gates it has no delay, energy or operating points")]
pub struct NoGates {
    name: String,
}

impl AnyMultiplier {
    /// Name of the design.
    pub fn name(&self) -> &str {
        match self {
            Self::Gates(multiplier) => multiplier.name(),
            Self::Table(multiplier) => multiplier.name(),
        }
    }

    /// The same around signed numbers, as [`Multiplier::sign_magnitude`] says.
    pub fn sign_magnitude(self, name: String) -> Result<Self, NotMagnitudes> {
        match self {
            Self::Gates(multiplier) => multiplier.sign_magnitude(name).map(Self::Gates),
            Self::Table(TabulatedMultiplier { name: own, table }) => match table.sign_magnitude() {
                Some(table) => Ok(Self::Table(TabulatedMultiplier { name, table })),
                None => Err(NotMagnitudes::new(own, Coding::plain(table.width_a(), table.width_b(), table.signed()))),
            },
        }
    }

    /// The circuit, if it is one.
    pub fn gates(self) -> Result<Multiplier, NoGates> {
        match self {
            Self::Gates(multiplier) => Ok(multiplier),
            Self::Table(TabulatedMultiplier { name, .. }) => Err(NoGates { name }),
        }
    }
}
