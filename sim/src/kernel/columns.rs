//! Look-up of any table: sixteen outputs' products of one activation code lie side by side and are added as a vector.
//!
//! For a few k and a vector of outputs the products of all activation codes are gathered into a small table that stays
//! in the first-level cache; then each row of activations adds one vector of it per k. Gathering is a transposition of
//! table columns and costs less the more rows follow.

use super::aligned::Aligned;
use super::instructions::InstructionSet;
use super::look_up::{AddProducts, Code, add_eight, add_sixteen, add_thirty_two};
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

/// A product table prepared for look-ups of activations below `codes`.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    codes: usize,
    planes: Vec<Plane>,
}

/// `product[a][b] = Σ over planes (residual[b][a] + centre[b]) · 2^shift`, modulo 2^32.
#[derive(Clone, Debug)]
struct Plane {
    /// `[weight][activation]`, and zeros for [`NO_WEIGHT`].
    residual: Vec<i16>,
    centre: Vec<i32>,
    shift: u32,
    /// Residuals whose sum always fits 16 bits: 4, 2 or 1.
    group: usize,
    /// The residuals as bytes, where the CPU looks them up in registers.
    bytes: Option<BytePlanes>,
}

impl Plane {
    /// `None` if some weight's products spread over more than 16 bits.
    fn new(columns: &[Vec<i32>], shift: u32, instructions: InstructionSet) -> Option<Self> {
        let mut residual = Vec::with_capacity(columns.len() * columns[0].len());
        let mut centres = Vec::with_capacity(columns.len());
        for column in columns {
            let (low, high) = column.iter().fold((i64::MAX, i64::MIN), |(low, high), &product| {
                (low.min(product.into()), high.max(product.into()))
            });
            let centre = (low + high + 1).div_euclid(2);
            for &product in column {
                residual.push(i16::try_from(i64::from(product) - centre).ok()?);
            }
            centres.push(centre as i32);
        }
        let largest = residual.iter().map(|value| value.unsigned_abs()).max()?;
        let group = [4, 2].into_iter().find(|group| group * u32::from(largest) <= 32767).unwrap_or(1) as usize;
        let bytes = instructions.permutes_bytes().then(|| BytePlanes::new(&residual, columns[0].len()));
        residual.resize(residual.len() + columns[0].len(), 0);
        Some(Self { residual, centre: centres, shift, group, bytes })
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

    /// For each plane the products that are added in 16 bits.
    pub(super) fn groups(&self) -> Vec<usize> {
        self.planes.iter().map(|plane| plane.group).collect()
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
        for (activations, out) in blocks {
            interleave(activations, self.k, &mut memory.codes);
            for first in (0..self.columns).step_by(most) {
                let left = self.columns - first;
                // Even outputs are summed before odd ones.
                let halves = |place: usize| place % 2 * 16 + place / 2;
                if left > 16 && most == 32 {
                    self.add_columns(add_thirty_two::<CODES, DEPTH>, halves, first, &mut memory, out);
                } else if left > 8 {
                    self.add_columns(add_sixteen::<CODES, DEPTH>, |place| place, first, &mut memory, out);
                } else {
                    self.add_columns(add_eight::<CODES, DEPTH>, |place| place, first, &mut memory, out);
                }
            }
        }
    }

    /// Adds to up to `OUTPUTS` columns of `out`, from column `first`, by the look-up for so many; `output` says which output
    /// stands at a place of the gathered tables.
    fn add_columns<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize>(
        &self,
        add_products: AddProducts<CODES, DEPTH, OUTPUTS>,
        output: impl Fn(usize) -> usize,
        first: usize,
        memory: &mut Memory<CODES, DEPTH>,
        out: &mut [i32],
    ) {
        let rows = out.len() / self.columns;
        let count = OUTPUTS.min(self.columns - first);
        let groups = self.k.div_ceil(DEPTH);
        let sums: &mut [[i32; OUTPUTS]] = memory.sums.first(rows * OUTPUTS).as_chunks_mut().0;
        sums.as_flattened_mut().fill(0);
        let table = memory.table.first(DEPTH * CODES * OUTPUTS).as_chunks_mut().0;
        let table: &mut [[[i16; OUTPUTS]; CODES]] = table.as_chunks_mut().0;
        let table: &mut [_; DEPTH] = table.first_chunk_mut().expect("a table for each depth");
        memory.columns.clear();
        memory.columns.resize(groups * DEPTH * OUTPUTS, NO_WEIGHT);
        let places: &mut [[u16; OUTPUTS]] = memory.columns.as_chunks_mut().0;
        for place in (0..OUTPUTS).filter(|&place| output(place) < count) {
            let weights = &self.weights[(first + output(place)) * self.k..][..self.k];
            for (columns, &weight) in places.iter_mut().zip(weights) {
                columns[place] = weight.into();
            }
        }
        for (places, codes) in places.chunks_exact(DEPTH).zip(memory.codes.chunks_exact(rows)) {
            for (products, places) in table.iter_mut().zip(places) {
                gather(self.instructions, products, &self.plane.residual, places);
            }
            add_products(self.instructions, self.plane.group, table, codes, sums);
        }
        for (out, sums) in out.chunks_exact_mut(self.columns).zip(sums.iter()) {
            for (out, &sum) in out[first..][..count].iter_mut().zip(sums) {
                *out = out.wrapping_add(sum << self.plane.shift);
            }
        }
    }
}

/// What additions to a block of rows work in.
struct Memory<const CODES: usize, const DEPTH: usize> {
    /// `[row][output]`.
    sums: Aligned<i32>,
    /// `[depth][code][output]`.
    table: Aligned<i16>,
    /// Table column of each output's weight, `[k][output]`.
    columns: Vec<u16>,
    /// `[k / DEPTH][row][DEPTH]`.
    codes: Vec<[Code<CODES>; DEPTH]>,
}

/// Activations as `[k / DEPTH][row][DEPTH]`, the last group filled up with code 0.
fn interleave<const CODES: usize, const DEPTH: usize>(
    activations: &[u8],
    k: usize,
    codes: &mut Vec<[Code<CODES>; DEPTH]>,
) {
    /// Rows written side by side, a cache line of codes.
    const ROWS: usize = 8;
    let rows = activations.len() / k;
    codes.clear();
    codes.resize(k.div_ceil(DEPTH) * rows, [Code::ZERO; DEPTH]);
    for (block, activations) in Code::all(activations).chunks(ROWS * k).enumerate() {
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

/// Transposes the table column at each place into the products of each code; columns are numbered in `residual`.
fn gather<const CODES: usize, const OUTPUTS: usize>(
    instructions: InstructionSet,
    table: &mut [[i16; OUTPUTS]; CODES],
    residual: &[i16],
    columns: &[u16; OUTPUTS],
) {
    let residual: &[[i16; CODES]] = residual.as_chunks().0;
    let columns: [&[i16; CODES]; OUTPUTS] = columns.map(|column| &residual[usize::from(column)]);
    #[cfg(target_arch = "x86_64")]
    if let (Ok(columns), 32) = (<&[&[i16; CODES]; 32]>::try_from(&columns[..]), instructions.looked_up()) {
        let rows: &mut [[i16; 32]] = table.as_flattened_mut().as_chunks_mut().0;
        // SAFETY: thirty-two outputs are looked up by AVX-512 only, and the instruction set exists on CPUs that have it.
        return unsafe { gather_avx512(rows, columns) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = instructions;
    for (first, columns) in columns.chunks_exact(8).enumerate() {
        for (block, rows) in table.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let square = std::array::from_fn(|output| columns[output].as_chunks().0[block]);
            for (row, products) in rows.iter_mut().zip(transpose(square)) {
                row[8 * first..][..8].copy_from_slice(&products);
            }
        }
    }
}

/// [`gather`] of thirty-two outputs: four squares of eight are transposed side by side.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn gather_avx512<const CODES: usize>(table: &mut [[i16; 32]], columns: &[&[i16; CODES]; 32]) {
    use std::arch::x86_64::*;
    assert!(CODES.is_multiple_of(8) && table.len() == CODES, "a row for each code");
    for (block, rows) in table.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // Lane l holds eight products of output 8·l + place.
        let mut r = [_mm512_setzero_si512(); 8];
        for (place, row) in r.iter_mut().enumerate() {
            // SAFETY: each column has eight products of this block, which are read whole; that needs no alignment.
            unsafe {
                let load = |place: usize| _mm_loadu_si128(columns[place].as_ptr().add(8 * block).cast());
                *row = _mm512_castsi128_si512(load(place));
                *row = _mm512_inserti32x4::<1>(*row, load(place + 8));
                *row = _mm512_inserti32x4::<2>(*row, load(place + 16));
                *row = _mm512_inserti32x4::<3>(*row, load(place + 24));
            }
        }
        // Interleave neighbours three times: pairs, quadruples, whole columns.
        let pairs = |i: usize| (_mm512_unpacklo_epi16(r[i], r[i + 1]), _mm512_unpackhi_epi16(r[i], r[i + 1]));
        let ((a0, a4), (b0, b4), (c0, c4), (d0, d4)) = (pairs(0), pairs(2), pairs(4), pairs(6));
        let quads = |l, h| (_mm512_unpacklo_epi32(l, h), _mm512_unpackhi_epi32(l, h));
        let ((ab0, ab2), (ab4, ab6)) = (quads(a0, b0), quads(a4, b4));
        let ((cd0, cd2), (cd4, cd6)) = (quads(c0, d0), quads(c4, d4));
        let whole = |l, h| [_mm512_unpacklo_epi64(l, h), _mm512_unpackhi_epi64(l, h)];
        let codes = [whole(ab0, cd0), whole(ab2, cd2), whole(ab4, cd4), whole(ab6, cd6)];
        for (row, code) in rows.iter_mut().zip(codes.as_flattened()) {
            // SAFETY: the row is written whole, which needs no alignment.
            unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), *code) };
        }
    }
}

/// Rows become columns.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose(square: [[i16; 8]; 8]) -> [[i16; 8]; 8] {
    use std::arch::x86_64::*;
    // SAFETY: SSE2 is part of x86-64; arrays of eight 16-bit integers and vectors are plain bytes of equal size.
    unsafe {
        let r: [__m128i; 8] = std::mem::transmute(square);
        // Interleave neighbours three times: pairs, quadruples, whole columns.
        let pairs = |i: usize| (_mm_unpacklo_epi16(r[i], r[i + 1]), _mm_unpackhi_epi16(r[i], r[i + 1]));
        let ((a0, a4), (b0, b4), (c0, c4), (d0, d4)) = (pairs(0), pairs(2), pairs(4), pairs(6));
        let quads = |l, h| (_mm_unpacklo_epi32(l, h), _mm_unpackhi_epi32(l, h));
        let ((ab0, ab2), (ab4, ab6)) = (quads(a0, b0), quads(a4, b4));
        let ((cd0, cd2), (cd4, cd6)) = (quads(c0, d0), quads(c4, d4));
        let whole = |l, h| [_mm_unpacklo_epi64(l, h), _mm_unpackhi_epi64(l, h)];
        std::mem::transmute([whole(ab0, cd0), whole(ab2, cd2), whole(ab4, cd4), whole(ab6, cd6)])
    }
}

/// Rows become columns.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transpose(square: [[i16; 8]; 8]) -> [[i16; 8]; 8] {
    std::array::from_fn(|row| square.map(|column| column[row]))
}
