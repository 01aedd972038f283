//! Operands as they follow each other in elements, a bit plane a bit.

use crate::engine::{LANES, Lanes};

/// Steps of a column from which on it has lanes of its own; shorter columns share theirs.
const LONG: usize = LANES / 2;
/// Lanes that short columns fill together, at most.
const SHARED: usize = 4 * LANES;

/// What an element saw before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Lanes are its steps: it is in the lane before, and for the first in the last one of the block before.
    Lanes,
    /// Lanes are elements, each with a block after the other.
    Blocks,
}

impl Order {
    /// What stood where `lanes` stand now; `last` is the block before.
    #[inline(always)]
    pub(super) fn before(self, lanes: Lanes, last: Lanes) -> Lanes {
        match self {
            Order::Lanes => delayed(lanes, last),
            Order::Blocks => last,
        }
    }
}

/// Where the steps of several columns lie in lanes: one column after the other, step by step.
///
/// Where sums move, a column's steps are the rows of its batches, each batch followed by one step of a bubble, in which all
/// operands are zero. So the lane before a lane always holds what the element saw before, and a zero before the first. Where
/// sums stay, there are no bubbles: each lane is an element.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    steps: usize,
    columns: usize,
    /// Row of each step, `None` for bubbles.
    rows: Vec<Option<usize>>,
    /// Lanes that are not bubbles, a block of [`LANES`] after the other.
    valid: Vec<Lanes>,
}

impl Layout {
    /// Columns of `rows` rows in batches of `batch` with bubbles, side by side as far as they fill lanes together.
    pub(super) fn with_bubbles(rows: usize, batch: usize, columns: usize) -> Self {
        Self::of_steps(batches(rows, batch), columns)
    }

    /// The same without batches and bubbles.
    pub(super) fn without_bubbles(rows: usize, columns: usize) -> Self {
        Self::of_steps((0..rows).map(Some).collect(), columns)
    }

    fn of_steps(rows: Vec<Option<usize>>, columns: usize) -> Self {
        let steps = rows.len();
        let columns = if steps >= LONG { 1 } else { (SHARED / steps).clamp(1, columns) };
        Self::new(rows, columns)
    }

    fn new(rows: Vec<Option<usize>>, columns: usize) -> Self {
        let mut layout = Self { steps: rows.len(), columns, rows, valid: Vec::new() };
        let mut bits = vec![0u64; layout.steps.div_ceil(64)];
        for (step, row) in layout.rows.iter().enumerate() {
            bits[step / 64] |= u64::from(row.is_some()) << (step % 64);
        }
        layout.valid = layout.repeated(&bits);
        layout
    }

    /// Blocks of [`LANES`] lanes.
    pub(super) fn blocks(&self) -> usize {
        (self.steps * self.columns).div_ceil(LANES)
    }

    /// Columns side by side.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Lanes with operands, a block after the other.
    pub(super) fn valid(&self) -> &[Lanes] {
        &self.valid
    }

    /// Column and row of every lane of a block that is not a bubble.
    pub(super) fn places(&self, block: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let end = (self.steps * self.columns).min((block + 1) * LANES);
        (block * LANES..end).filter_map(move |place| {
            let row = self.rows[place % self.steps]?;
            Some((place - block * LANES, place / self.steps, row))
        })
    }

    /// The bits of one column, step by step in 64-bit words, in every column.
    pub(super) fn repeated(&self, bits: &[u64]) -> Vec<Lanes> {
        let mut words = vec![0u64; self.blocks() * 8];
        for column in 0..self.columns {
            append(&mut words, column * self.steps, bits);
        }
        words.as_chunks().0.iter().map(|&words| Lanes(words)).collect()
    }

    /// Lanes of block `block` whose column has its bit set.
    pub(super) fn of_columns(&self, block: usize, bit: impl Fn(usize) -> bool) -> Lanes {
        let mut lanes = Lanes::ZERO;
        let first = block * LANES / self.steps;
        let last = ((block + 1) * LANES).div_ceil(self.steps).min(self.columns);
        for column in (first..last).filter(|&column| bit(column)) {
            let start = (column * self.steps).saturating_sub(block * LANES);
            let end = ((column + 1) * self.steps - block * LANES).min(LANES);
            lanes |= Lanes::first(end) ^ Lanes::first(start);
        }
        lanes
    }

    /// Bit planes of what a port of `bits` bits carries row by row, `[bit][block]`.
    pub(super) fn planes(&self, port: impl Fn(usize) -> u32, bits: usize) -> Vec<Vec<Lanes>> {
        let mut planes = vec![vec![0u64; self.steps.div_ceil(64)]; bits];
        for (step, row) in self.rows.iter().enumerate() {
            let code = row.map_or(0, &port);
            for (bit, plane) in planes.iter_mut().enumerate() {
                plane[step / 64] |= u64::from(code >> bit & 1) << (step % 64);
            }
        }
        planes.iter().map(|plane| self.repeated(plane)).collect()
    }
}

/// The rows of each batch and a bubble behind it.
fn batches(rows: usize, batch: usize) -> Vec<Option<usize>> {
    let mut steps = Vec::with_capacity(rows + rows.div_ceil(batch));
    for first in (0..rows).step_by(batch) {
        steps.extend((first..rows.min(first.saturating_add(batch))).map(Some));
        steps.push(None);
    }
    steps
}

/// Sets bits from `start` on; what lies beyond the end of `words` is dropped.
fn append(words: &mut [u64], start: usize, bits: &[u64]) {
    let (first, shift) = (start / 64, start % 64);
    for (index, &bits) in bits.iter().enumerate() {
        words[first + index] |= bits << shift;
        if shift > 0
            && let Some(next) = words.get_mut(first + index + 1)
        {
            *next |= bits >> (64 - shift);
        }
    }
}

/// What each lane's element saw before: the lane before, and for the first the last of the block before.
#[inline(always)]
fn delayed(lanes: Lanes, before: Lanes) -> Lanes {
    let mut carry = before.0[7] >> 63;
    Lanes(lanes.0.map(|word| {
        let delayed = word << 1 | carry;
        carry = word >> 63;
        delayed
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(blocks: &[Lanes], lane: usize) -> bool {
        blocks[lane / LANES].0[lane % LANES / 64] >> (lane % 64) & 1 == 1
    }

    /// Every lane against the definition, for columns that fill blocks and columns that share them.
    #[test]
    fn lanes_hold_the_steps_of_their_column() {
        for (rows, batch, columns) in
            [(1, 1, 1), (7, 3, 5), (64, 64, 20), (513, 200, 3), (1030, 1030, 1), (90, 7, 11)]
        {
            let layout = Layout::new(batches(rows, batch), columns);
            let inputs = 3;
            let codes: Vec<u8> = (0..rows * inputs).map(|place| (place * 89 % 251) as u8).collect();
            let planes = layout.planes(|row| codes[row * inputs + 1].into(), 8);
            let steps = rows + rows.div_ceil(batch);
            assert_eq!(layout.blocks(), (steps * columns).div_ceil(LANES));
            let mut met = 0;
            for block in 0..layout.blocks() {
                let odd = layout.of_columns(block, |column| column % 2 == 1);
                for (lane, column, row) in layout.places(block) {
                    let place = block * LANES + lane;
                    assert_eq!((place / steps, bit(&layout.valid, place)), (column, true));
                    assert_eq!(place % steps, row + row / batch);
                    let code = (0..8).map(|plane| u8::from(bit(&planes[plane], place)) << plane).sum::<u8>();
                    assert_eq!(code, codes[row * inputs + 1]);
                    assert_eq!(odd.0[lane / 64] >> (lane % 64) & 1 == 1, column % 2 == 1);
                    met += 1;
                }
            }
            assert_eq!(met, rows * columns);
            let valid: u32 = layout.valid().iter().map(|lanes| lanes.count_ones()).sum();
            assert_eq!(valid as usize, met, "bubbles and what lies behind the columns hold nothing");
            for plane in &planes {
                assert!(plane.iter().zip(layout.valid()).all(|(&plane, &valid)| (plane & !valid).is_zero()));
                for block in 0..layout.blocks() {
                    let before = if block > 0 { plane[block - 1] } else { Lanes::ZERO };
                    let late = delayed(plane[block], before);
                    for lane in 0..LANES {
                        let place = block * LANES + lane;
                        assert_eq!(late.0[lane / 64] >> (lane % 64) & 1 == 1, place > 0 && bit(plane, place - 1));
                    }
                }
            }
        }
    }
}
