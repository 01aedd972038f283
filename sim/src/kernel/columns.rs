//! Look-up of any table: sixteen outputs' products of one activation code lie side by side and are added as a vector.
//!
//! For a few k and a vector of outputs the products of all activation codes are gathered into a small table that stays
//! in the first-level cache; then each row of activations adds one vector of it per k. Gathering is a transposition of
//! table columns and costs less the more rows follow.

use super::aligned::Aligned;
use super::gather::{gather_bytes, gather_words};
use super::instructions::InstructionSet;
use super::look_up::{AddProducts, Summing, add_eight, add_sixteen, add_thirty_two, halves_mut};
use super::planes::BytePlanes;

/// Activation rows for which one gathered table is used: enough to make gathering cheap, few enough that their sums
/// stay in the second-level cache.
pub(super) const BLOCK_ROWS: usize = 2048;

/// Products summed from one gathered table: as many as keep it, of 16 outputs, in 32 KiB of first-level cache. AVX-512 loads
/// from the second level fast enough, and stores sums half as often for half as many codes.
pub(super) const fn depth(codes: usize, outputs: usize) -> usize {
    if outputs > 16 { 8 } else { 1024 / codes }
}

/// Number of the table column of a weight that is not there: one behind those of all weights.
const NO_WEIGHT: u16 = 256;

/// Bytes whose sum fits 16 bits.
const MOST_BYTES: usize = 256;

/// A product table prepared for look-ups of activations below `codes`.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    codes: usize,
    planes: Vec<Plane>,
}

/// `product[a][b] = Σ over planes (residual[b][a] + centre[b]) · 2^shift`, modulo 2^32.
#[derive(Clone, Debug)]
struct Plane {
    residual: Residual,
    centre: Vec<i32>,
    shift: u32,
    /// The residuals as bytes, where the CPU looks them up in registers.
    bytes: Option<BytePlanes>,
}

/// Numbers `[weight][activation]`, and zeros for [`NO_WEIGHT`].
#[derive(Clone, Debug)]
enum Residual {
    Words {
        numbers: Vec<i16>,
        /// Numbers whose sum always fits 16 bits: 4, 2 or 1.
        group: usize,
    },
    Bytes(Vec<u8>),
}

impl Plane {
    /// `None` if some weight's products spread over more than 16 bits.
    fn new(columns: &[Vec<i32>], shift: u32, instructions: InstructionSet) -> Option<Self> {
        let mut numbers = Vec::with_capacity(columns.len() * columns[0].len());
        let mut centres = Vec::with_capacity(columns.len());
        for column in columns {
            let (low, high) = column.iter().fold((i64::MAX, i64::MIN), |(low, high), &product| {
                (low.min(product.into()), high.max(product.into()))
            });
            let centre = (low + high + 1).div_euclid(2);
            for &product in column {
                numbers.push(i16::try_from(i64::from(product) - centre).ok()?);
            }
            centres.push(centre as i32);
        }
        let largest = numbers.iter().map(|value| value.unsigned_abs()).max()?;
        let group = [4, 2].into_iter().find(|group| group * u32::from(largest) <= 32767).unwrap_or(1) as usize;
        let bytes = instructions.permutes_bytes().then(|| BytePlanes::new(&numbers, columns[0].len()));
        numbers.resize(numbers.len() + columns[0].len(), 0);
        Some(Self { residual: Residual::Words { numbers, group }, centre: centres, shift, bytes })
    }

    fn summing(&self) -> Summing {
        match self.residual {
            Residual::Words { group, .. } => Summing::Words(group),
            Residual::Bytes(_) => Summing::Bytes,
        }
    }

    /// Outputs at a place of a gathered table.
    fn outputs_a_place(&self) -> usize {
        match self.residual {
            Residual::Words { .. } => 1,
            Residual::Bytes(_) => 2,
        }
    }
}

impl Columns {
    /// From products `[activation][weight]` of 128 or 256 activation codes and all 256 weight codes.
    pub(super) fn new(products: &[i32], instructions: InstructionSet) -> Self {
        let codes = products.len() / 256;
        let columns = |part: fn(i32) -> i32| -> Vec<Vec<i32>> {
            (0..256)
                .map(|weight| products[weight..].iter().step_by(256).map(|&product| part(product)).collect())
                .collect()
        };
        let halves = || {
            let low = Plane::new(&columns(|product| product & 0xffff), 0, instructions);
            let high = Plane::new(&columns(|product| product >> 16), 16, instructions);
            [low, high].map(|half| half.expect("half a product spreads over no more than 16 bits")).to_vec()
        };
        let planes =
            Plane::new(&columns(|product| product), 0, instructions).map_or_else(halves, |plane| vec![plane]);
        Self { codes, planes }
    }

    /// From `(number[weight][activation] + centre[weight]) · 2^shift` of 256 weights and 128 or 256 activation codes.
    pub(super) fn of_bytes(mut numbers: Vec<u8>, centre: Vec<i32>, shift: u32, instructions: InstructionSet) -> Self {
        let codes = numbers.len() / centre.len();
        let bytes = instructions.permutes_bytes().then(|| BytePlanes::of_bytes(&numbers, codes));
        numbers.resize(numbers.len() + codes, 0);
        Self { codes, planes: vec![Plane { residual: Residual::Bytes(numbers), centre, shift, bytes }] }
    }

    /// How each plane's numbers are summed.
    pub(super) fn summings(&self) -> Vec<Summing> {
        self.planes.iter().map(Plane::summing).collect()
    }

    /// `out[row][column] = Σ product[activations[row][k]][weights[column][k]]`, activations below the number of codes, by
    /// look-ups in gathered tables.
    pub(super) fn multiply(
        &self,
        instructions: InstructionSet,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        let columns = self.start(weights, k, out);
        for plane in &self.planes {
            let outputs = Outputs { plane, instructions, weights, k, columns };
            match (self.codes, instructions.looked_up()) {
                (128, 32) => outputs.add::<128, { depth(128, 32) }>(activations, out),
                (128, _) => outputs.add::<128, { depth(128, 16) }>(activations, out),
                (_, 32) => outputs.add::<256, { depth(256, 32) }>(activations, out),
                (_, _) => outputs.add::<256, { depth(256, 16) }>(activations, out),
            }
        }
    }

    /// The same by look-ups in registers, where the CPU has them.
    pub(super) fn multiply_in_registers(
        &self,
        instructions: InstructionSet,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        if self.planes.iter().any(|plane| plane.bytes.is_none()) {
            return self.multiply(instructions, activations, weights, k, out);
        }
        self.start(weights, k, out);
        for plane in &self.planes {
            let bytes = plane.bytes.as_ref().expect("there are bytes of every plane");
            bytes.add(activations, weights, k, plane.shift, out);
        }
    }

    /// Whether [`Self::multiply_in_registers`] does so.
    pub(super) fn has_bytes(&self) -> bool {
        self.planes.iter().all(|plane| plane.bytes.is_some())
    }

    /// Sets every output to what the centres of its weights add up to; the number of outputs in a row.
    fn start(&self, weights: &[u8], k: usize, out: &mut [i32]) -> usize {
        let biases: Vec<i32> = weights.chunks_exact(k).map(|weights| self.bias(weights)).collect();
        for row in out.chunks_exact_mut(biases.len()) {
            row.copy_from_slice(&biases);
        }
        biases.len()
    }

    /// What the centres of an output's weights add up to.
    fn bias(&self, weights: &[u8]) -> i32 {
        let of_plane = |plane: &Plane| {
            weights.iter().fold(0, |sum: i32, &weight| sum.wrapping_add(plane.centre[usize::from(weight)]))
                << plane.shift
        };
        self.planes.iter().fold(0, |sum, plane| sum.wrapping_add(of_plane(plane)))
    }
}

/// One plane's part of a multiplication.
struct Outputs<'a> {
    plane: &'a Plane,
    instructions: InstructionSet,
    weights: &'a [u8],
    k: usize,
    columns: usize,
}

impl Outputs<'_> {
    /// Adds to all of `out`, for `CODES` activation codes with tables of `DEPTH` k.
    fn add<const CODES: usize, const DEPTH: usize>(&self, activations: &[u8], out: &mut [i32]) {
        let blocks = activations.chunks(BLOCK_ROWS * self.k).zip(out.chunks_mut(BLOCK_ROWS * self.columns));
        let most = self.instructions.looked_up();
        let rows = BLOCK_ROWS.min(activations.len() / self.k);
        let mut memory = Memory {
            sums: Aligned::new(rows * most),
            table: Aligned::new(DEPTH * CODES * most),
            columns: Vec::new(),
            codes: Vec::new(),
        };
        let a_place = self.plane.outputs_a_place();
        for (activations, out) in blocks {
            interleave(activations, self.k, &mut memory.codes);
            for first in (0..self.columns).step_by(most * a_place) {
                let places = (self.columns - first).div_ceil(a_place);
                if places > 16 && most == 32 {
                    self.add_columns(add_thirty_two::<CODES, DEPTH>, first, &mut memory, out);
                } else if places > 8 {
                    self.add_columns(add_sixteen::<CODES, DEPTH>, first, &mut memory, out);
                } else {
                    self.add_columns(add_eight::<CODES, DEPTH>, first, &mut memory, out);
                }
            }
        }
    }

    /// Adds to the columns of `out` from `first` on that `PLACES` places of a gathered table hold, by the look-up for so many.
    fn add_columns<const CODES: usize, const DEPTH: usize, const PLACES: usize>(
        &self,
        add_products: AddProducts<CODES, DEPTH, PLACES>,
        first: usize,
        memory: &mut Memory<DEPTH>,
        out: &mut [i32],
    ) {
        let rows = out.len() / self.columns;
        let width = PLACES * self.plane.outputs_a_place();
        let count = width.min(self.columns - first);
        let sums: &mut [[i32; PLACES]] = memory.sums.first(rows * PLACES).as_chunks_mut().0;
        let table = memory.table.first(DEPTH * CODES * PLACES).as_chunks_mut().0;
        let table: &mut [[[i16; PLACES]; CODES]] = table.as_chunks_mut().0;
        let table: &mut [_; DEPTH] = table.first_chunk_mut().expect("a table for each depth");
        memory.columns.clear();
        memory.columns.resize(self.k.div_ceil(DEPTH) * DEPTH * width, NO_WEIGHT);
        // Sums of words lie in the order of the outputs then.
        let even_first = self.instructions.sums_even_places_first(PLACES) && self.plane.outputs_a_place() == 1;
        for output in 0..count {
            let place = if even_first { output % (PLACES / 2) * 2 + output / (PLACES / 2) } else { output };
            let weights = &self.weights[(first + output) * self.k..][..self.k];
            for (columns, &weight) in memory.columns.chunks_exact_mut(width).zip(weights) {
                columns[place] = weight.into();
            }
        }
        let groups = memory.columns.chunks_exact(DEPTH * width).zip(memory.codes.chunks_exact(rows));
        let mut groups = groups.peekable();
        let at_once = match self.plane.residual {
            Residual::Words { .. } => usize::MAX,
            Residual::Bytes(_) => MOST_BYTES / DEPTH,
        };
        while groups.peek().is_some() {
            sums.as_flattened_mut().fill(0);
            for (columns, codes) in groups.by_ref().take(at_once) {
                for (products, columns) in table.iter_mut().zip(columns.chunks_exact(width)) {
                    self.gather(products, columns);
                }
                add_products(self.instructions, self.plane.summing(), table, codes, sums);
            }
            for (out, sums) in out.chunks_exact_mut(self.columns).zip(sums.iter_mut()) {
                self.finish(sums, &mut out[first..][..count]);
            }
        }
    }

    /// A table of the products of each code at each place, of weights whose table columns are given.
    fn gather<const CODES: usize, const PLACES: usize>(&self, table: &mut [[i16; PLACES]; CODES], columns: &[u16]) {
        match &self.plane.residual {
            Residual::Words { numbers, .. } => {
                let numbers: &[[i16; CODES]] = numbers.as_chunks().0;
                gather_words(self.instructions, table, |place| &numbers[usize::from(columns[place])]);
            }
            Residual::Bytes(numbers) => {
                let numbers: &[[u8; CODES]] = numbers.as_chunks().0;
                gather_bytes(self.instructions, table, |output| &numbers[usize::from(columns[output])]);
            }
        }
    }

    /// Adds a row's sums to its outputs.
    fn finish<const PLACES: usize>(&self, sums: &mut [i32; PLACES], out: &mut [i32]) {
        let shift = self.plane.shift;
        match self.plane.residual {
            Residual::Words { .. } => {
                for (out, &sum) in out.iter_mut().zip(&*sums) {
                    *out = out.wrapping_add(sum << shift);
                }
            }
            Residual::Bytes(_) => {
                let (whole, second) = halves_mut(sums).split_at(PLACES);
                for (out, (whole, second)) in out.chunks_mut(2).zip(whole.iter().zip(second)) {
                    // A sum of whole pairs, modulo 2¹⁶, less the second bytes' part.
                    let first = i32::from(whole.wrapping_sub(second << 8));
                    for (out, sum) in out.iter_mut().zip([first, i32::from(*second)]) {
                        *out = out.wrapping_add(sum << shift);
                    }
                }
            }
        }
    }
}

/// What additions to a block of rows work in.
struct Memory<const DEPTH: usize> {
    /// `[row][place]`.
    sums: Aligned<i32>,
    /// `[depth][code][place]`.
    table: Aligned<i16>,
    /// Table column of each output's weight, `[k][output]`.
    columns: Vec<u16>,
    /// `[k / DEPTH][row][DEPTH]`.
    codes: Vec<[u8; DEPTH]>,
}

/// Activations as `[k / DEPTH][row][DEPTH]`, the last group filled up with code 0.
fn interleave<const DEPTH: usize>(activations: &[u8], k: usize, codes: &mut Vec<[u8; DEPTH]>) {
    /// Rows written side by side, a cache line of codes.
    const ROWS: usize = 8;
    let rows = activations.len() / k;
    codes.clear();
    codes.resize(k.div_ceil(DEPTH) * rows, [0; DEPTH]);
    for (block, activations) in activations.chunks(ROWS * k).enumerate() {
        for (group, codes) in codes.chunks_exact_mut(rows).enumerate() {
            for (codes, activations) in codes[block * ROWS..].iter_mut().zip(activations.chunks_exact(k)) {
                let rest = &activations[group * DEPTH..];
                match rest.first_chunk() {
                    Some(chunk) => *codes = *chunk,
                    None => codes[..rest.len()].copy_from_slice(rest),
                }
            }
        }
    }
}
