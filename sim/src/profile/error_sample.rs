//! Timing errors of products of which a sample is known.

/// Errors of sampled products with their operands.
///
/// Invariant: sorted by operands and then by error, so that errors of a pair of operands stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorSample {
    pub(super) activation_bits: u32,
    pub(super) weight_bits: u32,
    errors: Vec<([u8; 2], i32)>,
}

impl ErrorSample {
    /// Codes of activation and weight, of so many bits, with sampled − settled of their product: one entry a product.
    ///
    /// # Panics
    /// If a code has more bits.
    pub fn new([activation_bits, weight_bits]: [u32; 2], mut errors: Vec<([u8; 2], i32)>) -> Self {
        let fits = |&([activation, weight], _): &([u8; 2], i32)| {
            u32::from(activation) >> activation_bits == 0 && u32::from(weight) >> weight_bits == 0
        };
        assert!(errors.iter().all(fits), "codes of {activation_bits} and {weight_bits} bits");
        errors.sort_unstable();
        Self { activation_bits, weight_bits, errors }
    }

    /// The same with activation codes of fewer bits.
    ///
    /// # Panics
    /// If there is an activation that has more.
    pub fn with_activation_bits(self, bits: u32) -> Self {
        Self::new([bits, self.weight_bits], self.errors)
    }

    /// Products that were sampled.
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Share of them that are wrong.
    pub fn rate(&self) -> f64 {
        let wrong = self.errors.iter().filter(|(_, error)| *error != 0).count();
        wrong as f64 / self.errors.len().max(1) as f64
    }

    /// Pairs of operands that occur, ascending, each with its entries.
    pub(super) fn of_operands(&self) -> impl Iterator<Item = ([u8; 2], &[([u8; 2], i32)])> {
        self.errors.chunk_by(|one, other| one.0 == other.0).map(|entries| (entries[0].0, entries))
    }
}
