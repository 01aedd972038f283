//! The product of every operand pair of a small multiplier.

use super::Coding;
use sha2::{Digest, Sha256};

/// `product[a][b]` for all raw two's-complement operand codes, `a` (the activation) slow, `b` (the weight) fast.
///
/// Invariant: exactly 2^(width_a + width_b) products, and width_a + width_b ≤ [`ProductTable::MAX_INPUT_BITS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductTable {
    width_a: u32,
    width_b: u32,
    signed: bool,
    products: Vec<i32>,
}

impl ProductTable {
    /// Widest table kept in memory: 2^24 products, 64 MiB.
    pub const MAX_INPUT_BITS: u32 = 24;

    /// Tabulates `product(a_code, b_code)`.
    ///
    /// # Panics
    /// If the widths exceed [`Self::MAX_INPUT_BITS`] together.
    pub fn from_fn(width_a: u32, width_b: u32, signed: bool, product: impl Fn(u32, u32) -> i32) -> Self {
        assert!(width_a + width_b <= Self::MAX_INPUT_BITS, "a table of {width_a}×{width_b} bits is too large");
        let products = (0..1u32 << (width_a + width_b)).map(|code| product(code >> width_b, code & mask(width_b)));
        Self { width_a, width_b, signed, products: products.collect() }
    }

    /// The exact multiplier's table.
    pub fn exact(width_a: u32, width_b: u32, signed: bool) -> Self {
        let value = |code, width| operand_value(code, width, signed) as i32;
        Self::from_fn(width_a, width_b, signed, |a, b| value(a, width_a) * value(b, width_b))
    }

    /// The products of signed numbers around these of magnitudes, as [`Multiplier::sign_magnitude`] multiplies them; `None` unless
    /// operands are unsigned and of at most [`Coding::MAX_SIGNED_CODE`] bits.
    ///
    /// [`Multiplier::sign_magnitude`]: super::Multiplier::sign_magnitude
    pub fn sign_magnitude(&self) -> Option<Self> {
        if self.signed || self.width_a.max(self.width_b) > Coding::MAX_SIGNED_CODE {
            return None;
        }
        let coding = Coding::sign_magnitude([self.width_a, self.width_b]);
        let [width_a, width_b] = coding.code_bits();
        let product = |a: u32, b: u32| {
            let [a, b] = coding.operands([a, b]);
            let magnitude = self.product(a, b);
            if (a >> self.width_a) ^ (b >> self.width_b) == 1 { -magnitude } else { magnitude }
        };
        Some(Self::from_fn(width_a, width_b, true, product))
    }

    /// Bits of the first operand.
    pub fn width_a(&self) -> u32 {
        self.width_a
    }

    /// Bits of the second operand.
    pub fn width_b(&self) -> u32 {
        self.width_b
    }

    /// Whether operands and product are two's complement.
    pub fn signed(&self) -> bool {
        self.signed
    }

    /// All products, `[a][b]`, 2^(width_a + width_b) of them.
    pub fn products(&self) -> &[i32] {
        &self.products
    }

    /// The product of two operand codes; bits above the operand's width are ignored.
    pub fn product(&self, a_code: u32, b_code: u32) -> i32 {
        self.products[((a_code & mask(self.width_a)) << self.width_b | b_code & mask(self.width_b)) as usize]
    }

    /// SHA-256 of the products as little-endian 32-bit integers, in hexadecimal: the table's identity.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for product in &self.products {
            hasher.update(product.to_le_bytes());
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A mask of `width` ones, `width` ≤ 31.
fn mask(width: u32) -> u32 {
    (1 << width) - 1
}

/// The number an operand code of `width` bits stands for.
pub fn operand_value(code: u32, width: u32, signed: bool) -> i64 {
    let code = i64::from(code);
    if signed && code >> (width - 1) & 1 == 1 { code - (1 << width) } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes computed independently of this program (NumPy) over `a * b`.
    #[test]
    fn exact_tables_have_their_published_hashes() {
        let unsigned = ProductTable::exact(8, 8, false).sha256();
        assert_eq!(unsigned, "f8085fc34b4305c0ded5ce102ee273302045b00677f0504933593571822db644");
        let signed = ProductTable::exact(8, 8, true).sha256();
        assert_eq!(signed, "47e856b8ceafe828f7d79e212834f94243c83055ec574b4a879425e39d98c0fe");
    }
}
