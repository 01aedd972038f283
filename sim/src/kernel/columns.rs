//! Look-up of any table: sixteen outputs' products of one activation code lie side by side and are added as a vector.
//!
//! For a few k and a vector of outputs the products of all activation codes are gathered into a small table that stays
//! in the first-level cache; then each row of activations adds one vector of it per k. Gathering is a transposition of
//! table columns and costs less the more rows follow.

use super::instructions::InstructionSet;
use super::look_up::{AddProducts, add_eight, add_sixteen};

/// Activation rows for which one gathered table is used: enough to make gathering cheap, few enough that their sums
/// stay in the second-level cache.
pub(super) const BLOCK_ROWS: usize = 2048;

/// Products summed from one gathered table: as many as keep it, of 16 outputs, in 32 KiB of first-level cache.
pub(super) const fn depth(codes: usize) -> usize {
    1024 / codes
}

/// The table column of a weight that is not there.
static ZERO_COLUMN: [i16; 256] = [0; 256];

/// A product table prepared for look-ups of activations below `codes`.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    codes: usize,
    planes: Vec<Plane>,
}

/// `product[a][b] = Σ over planes (residual[b][a] + centre[b]) · 2^shift`, modulo 2^32.
#[derive(Clone, Debug)]
struct Plane {
    /// `[weight][activation]`.
    residual: Vec<i16>,
    centre: Vec<i32>,
    shift: u32,
    /// Residuals whose sum always fits 16 bits: 4, 2 or 1.
    group: usize,
}

impl Plane {
    /// `None` if some weight's products spread over more than 16 bits.
    fn new(columns: &[Vec<i32>], shift: u32) -> Option<Self> {
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
        Some(Self { residual, centre: centres, shift, group })
    }

    /// The residuals of a weight's products with all `codes` activations.
    fn column(&self, weight: Option<u8>, codes: usize) -> &[i16] {
        weight.map_or(&ZERO_COLUMN[..codes], |weight| &self.residual[usize::from(weight) * codes..][..codes])
    }
}

impl Columns {
    /// From products `[activation][weight]` of 128 or 256 activation codes and all 256 weight codes.
    pub(super) fn new(products: &[i32]) -> Self {
        let codes = products.len() / 256;
        let columns = |part: fn(i32) -> i32| -> Vec<Vec<i32>> {
            (0..256)
                .map(|weight| products[weight..].iter().step_by(256).map(|&product| part(product)).collect())
                .collect()
        };
        let halves = || {
            let low = Plane::new(&columns(|product| product & 0xffff), 0);
            let high = Plane::new(&columns(|product| product >> 16), 16);
            [low, high].map(|half| half.expect("half a product spreads over no more than 16 bits")).to_vec()
        };
        let planes = Plane::new(&columns(|product| product), 0).map_or_else(halves, |plane| vec![plane]);
        Self { codes, planes }
    }

    /// For each plane the products that are added in 16 bits.
    pub(super) fn groups(&self) -> Vec<usize> {
        self.planes.iter().map(|plane| plane.group).collect()
    }

    /// `out[row][column] = Σ product[activations[row][k]][weights[column][k]]`, activations below the number of codes.
    pub(super) fn multiply(
        &self,
        instructions: InstructionSet,
        activations: &[u8],
        weights: &[u8],
        k: usize,
        out: &mut [i32],
    ) {
        let columns = weights.len() / k;
        let biases: Vec<i32> = weights.chunks_exact(k).map(|weights| self.bias(weights)).collect();
        for row in out.chunks_exact_mut(columns) {
            row.copy_from_slice(&biases);
        }
        for plane in &self.planes {
            let outputs = Outputs { plane, instructions, weights, k, columns };
            match self.codes {
                128 => outputs.add::<128, { depth(128) }>(activations, out),
                _ => outputs.add::<256, { depth(256) }>(activations, out),
            }
        }
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
        for (activations, out) in blocks {
            let codes = interleave::<DEPTH>(activations, self.k);
            for first in (0..self.columns).step_by(16) {
                if self.columns - first > 8 {
                    self.add_columns(add_sixteen::<CODES, DEPTH>, &codes, first, out);
                } else {
                    self.add_columns(add_eight::<CODES, DEPTH>, &codes, first, out);
                }
            }
        }
    }

    /// Adds to up to `OUTPUTS` columns of `out`, from column `first`, by the look-up for so many.
    fn add_columns<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize>(
        &self,
        add_products: AddProducts<CODES, DEPTH, OUTPUTS>,
        codes: &[[u8; DEPTH]],
        first: usize,
        out: &mut [i32],
    ) {
        let rows = out.len() / self.columns;
        let count = OUTPUTS.min(self.columns - first);
        let mut sums = vec![[0; OUTPUTS]; rows];
        let mut table = vec![[[0; OUTPUTS]; CODES]; DEPTH];
        let table: &mut [_; DEPTH] = table.first_chunk_mut().expect("a table for each depth");
        for (group, codes) in codes.chunks_exact(rows).enumerate() {
            for (depth, products) in table.iter_mut().enumerate() {
                let k = group * DEPTH + depth;
                gather(products, |output| {
                    let weight = (output < count && k < self.k).then(|| self.weights[(first + output) * self.k + k]);
                    self.plane.column(weight, CODES)
                });
            }
            add_products(self.instructions, self.plane.group, table, codes, &mut sums);
        }
        for (out, sums) in out.chunks_exact_mut(self.columns).zip(&sums) {
            for (out, &sum) in out[first..][..count].iter_mut().zip(sums) {
                *out = out.wrapping_add(sum << self.plane.shift);
            }
        }
    }
}

/// Activations `[k / DEPTH][row][DEPTH]`, the last group filled up with code 0.
fn interleave<const DEPTH: usize>(activations: &[u8], k: usize) -> Vec<[u8; DEPTH]> {
    let rows = activations.len() / k;
    let mut codes = vec![[0; DEPTH]; k.div_ceil(DEPTH) * rows];
    for (row, activations) in activations.chunks_exact(k).enumerate() {
        let (chunks, rest) = activations.as_chunks();
        for (group, chunk) in chunks.iter().enumerate() {
            codes[group * rows + row] = *chunk;
        }
        if !rest.is_empty() {
            codes[chunks.len() * rows + row][..rest.len()].copy_from_slice(rest);
        }
    }
    codes
}

/// Transposes one table column an output into the products of each code.
fn gather<'a, const CODES: usize, const OUTPUTS: usize>(
    table: &mut [[i16; OUTPUTS]; CODES],
    column: impl Fn(usize) -> &'a [i16],
) {
    for first in (0..OUTPUTS).step_by(8) {
        let columns: [&[[i16; 8]]; 8] =
            std::array::from_fn(|output| &column(first + output).as_chunks().0[..CODES / 8]);
        for (block, rows) in table.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let square = std::array::from_fn(|output| columns[output][block]);
            for (row, products) in rows.iter_mut().zip(transpose(square)) {
                row[first..first + 8].copy_from_slice(&products);
            }
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
