//! Memory in which no vector lies in two cache lines.

/// Numbers of which the first lies at the start of a cache line, so that no vector of them lies in two.
pub(super) struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros.
    pub(super) fn new(len: usize) -> Self {
        const LINE: usize = 64;
        let spare = LINE / size_of::<T>();
        let memory = vec![T::default(); len + spare];
        // Alignment is for speed only: without it nothing else changes.
        let start = memory.as_ptr().align_offset(LINE).min(spare);
        Self { memory, start }
    }

    /// The first `len`.
    pub(super) fn first(&mut self, len: usize) -> &mut [T] {
        &mut self.memory[self.start..][..len]
    }

    /// All of them from `first` on.
    pub(super) fn from(&self, first: usize) -> &[T] {
        &self.memory[self.start..][first..]
    }
}
