//! What travels through the array in step with the data: the sequencer's words.

use crate::array::tiling::Fold;
use std::ops::Deref;

/// What the sequencer says of one diagonal in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wave {
    /// The fold the diagonal's elements belong to.
    pub(super) fold: Fold,
    /// The step that passes, if any.
    pub(super) step: Option<u64>,
}

/// A shift register, seen as a slice: word 0 is the newest.
#[derive(Clone, Debug)]
pub(super) struct Pipeline<T> {
    /// The contents lie at `start..start + length` and wander towards the front.
    words: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy> Pipeline<T> {
    /// `length` words, all alike.
    pub(super) fn new(word: T, length: usize) -> Self {
        Self { words: vec![word; 2 * length], start: length, length }
    }

    /// A word enters, the oldest leaves.
    pub(super) fn shift(&mut self, word: T) {
        if self.start == 0 {
            self.words.copy_within(0..self.length, self.length);
            self.start = self.length;
        }
        self.start -= 1;
        self.words[self.start] = word;
    }

    /// All words become `word`.
    pub(super) fn broadcast(&mut self, word: T) {
        self.words.fill(word);
    }
}

impl<T> Deref for Pipeline<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.words[self.start..][..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_leave_in_the_order_they_came() {
        for length in 1..5 {
            let mut pipeline = Pipeline::new(0, length);
            for cycle in 1..20 {
                pipeline.shift(cycle);
                let expected: Vec<_> = (0..length).map(|age| (cycle - age as i32).max(0)).collect();
                assert_eq!(*pipeline, expected);
            }
        }
    }
}
