//! Look-up of any table: sixteen outputs' products of one activation code lie side by side and are added as a vector.
//!
//! For a few k and a vector of outputs the products of all activation codes are gathered into a small table that stays
//! in the first-level cache; then each row of activations adds one vector of it per k. Gathering is a transposition of
//! table columns and costs less the more rows follow.

use super::instructions::InstructionSet;

/// Activation rows for which one gathered table is used: enough to make gathering cheap, few enough that their sums
/// stay in the second-level cache.
pub(super) const BLOCK_ROWS: usize = 2048;

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

    fn column(&self, weight: Option<&u8>, codes: usize) -> &[i16] {
        weight.map_or(&ZERO_COLUMN[..codes], |&weight| &self.residual[usize::from(weight) * codes..][..codes])
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
        let planes = match Plane::new(&columns(|product| product), 0) {
            Some(plane) => vec![plane],
            None => {
                let halves = [
                    Plane::new(&columns(|product| product & 0xffff), 0),
                    Plane::new(&columns(|product| product >> 16), 16),
                ];
                halves.into_iter().map(|plane| plane.expect("half a product spreads over 16 bits")).collect()
            }
        };
        Self { codes, planes }
    }

    /// Table passes that a multiplication takes: 2 if products spread over more than 16 bits.
    pub(super) fn planes(&self) -> usize {
        self.planes.len()
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
            match (instructions, self.codes) {
                (InstructionSet::Portable, 128) => add_plane::<128, 8>(plane, activations, weights, k, out),
                (InstructionSet::Portable, _) => add_plane::<256, 4>(plane, activations, weights, k, out),
                // SAFETY: the instruction set was detected.
                #[cfg(target_arch = "x86_64")]
                (InstructionSet::Avx2, 128) => unsafe {
                    add_plane_avx2::<128, 8>(plane, activations, weights, k, out)
                },
                // SAFETY: the instruction set was detected.
                #[cfg(target_arch = "x86_64")]
                (InstructionSet::Avx2, _) => unsafe { add_plane_avx2::<256, 4>(plane, activations, weights, k, out) },
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_plane_avx2<const CODES: usize, const DEPTH: usize>(
    plane: &Plane,
    activations: &[u8],
    weights: &[u8],
    k: usize,
    out: &mut [i32],
) {
    add_plane::<CODES, DEPTH>(plane, activations, weights, k, out);
}

/// `CODES` activation codes, `DEPTH` (a multiple of 4) k in a gathered table.
#[inline(always)]
fn add_plane<const CODES: usize, const DEPTH: usize>(
    plane: &Plane,
    activations: &[u8],
    weights: &[u8],
    k: usize,
    out: &mut [i32],
) {
    let columns = weights.len() / k;
    let blocks = activations.chunks(BLOCK_ROWS * k).zip(out.chunks_mut(BLOCK_ROWS * columns));
    for (activations, out) in blocks {
        let codes = interleave::<DEPTH>(activations, k);
        for first in (0..columns).step_by(16) {
            let weights = &weights[first * k..];
            match (columns - first > 8, plane.group) {
                (true, 4) => {
                    add_outputs::<CODES, DEPTH, 16, 4>(plane, &codes, weights, k, &mut out[first..], columns)
                }
                (true, 2) => {
                    add_outputs::<CODES, DEPTH, 16, 2>(plane, &codes, weights, k, &mut out[first..], columns)
                }
                (true, _) => {
                    add_outputs::<CODES, DEPTH, 16, 1>(plane, &codes, weights, k, &mut out[first..], columns)
                }
                (false, 4) => {
                    add_outputs::<CODES, DEPTH, 8, 4>(plane, &codes, weights, k, &mut out[first..], columns)
                }
                (false, 2) => {
                    add_outputs::<CODES, DEPTH, 8, 2>(plane, &codes, weights, k, &mut out[first..], columns)
                }
                (false, _) => {
                    add_outputs::<CODES, DEPTH, 8, 1>(plane, &codes, weights, k, &mut out[first..], columns)
                }
            }
        }
    }
}

/// Activations `[k / DEPTH][row][DEPTH]`, the last group filled up with code 0.
fn interleave<const DEPTH: usize>(activations: &[u8], k: usize) -> Vec<[u8; DEPTH]> {
    let rows = activations.len() / k;
    let mut codes = vec![[0; DEPTH]; k.div_ceil(DEPTH) * rows];
    for (row, activations) in activations.chunks_exact(k).enumerate() {
        for (group, chunk) in activations.chunks(DEPTH).enumerate() {
            codes[group * rows + row][..chunk.len()].copy_from_slice(chunk);
        }
    }
    codes
}

/// Adds the first up to `OUTPUTS` outputs of `weights` (`[output][k]`) to the rows of `out`, `stride` apart.
#[inline(always)]
fn add_outputs<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize, const GROUP: usize>(
    plane: &Plane,
    codes: &[[u8; DEPTH]],
    weights: &[u8],
    k: usize,
    out: &mut [i32],
    stride: usize,
) {
    let rows = out.len().div_ceil(stride);
    let count = (weights.len() / k).min(OUTPUTS);
    let mut sums = vec![[0i32; OUTPUTS]; rows];
    let mut table = vec![[0i16; OUTPUTS]; CODES * DEPTH];
    for (group, codes) in codes.chunks_exact(rows).enumerate() {
        for (depth, table) in table.chunks_exact_mut(CODES).enumerate() {
            let weight = |output: usize| {
                let index = group * DEPTH + depth;
                (output < count && index < k).then(|| &weights[output * k + index])
            };
            gather(table, |output| plane.column(weight(output), CODES));
        }
        look_up::<CODES, DEPTH, OUTPUTS, GROUP>(&table, codes, &mut sums);
    }
    for (out, sums) in out.chunks_mut(stride).zip(&sums) {
        for (out, &sum) in out[..count].iter_mut().zip(sums) {
            *out = out.wrapping_add(sum << plane.shift);
        }
    }
}

/// `sums[row][output] += Σ over depth of table[depth][codes[row][depth]][output]`.
#[inline(always)]
fn look_up<const CODES: usize, const DEPTH: usize, const OUTPUTS: usize, const GROUP: usize>(
    table: &[[i16; OUTPUTS]],
    codes: &[[u8; DEPTH]],
    sums: &mut [[i32; OUTPUTS]],
) {
    let (table, _) = table.as_chunks::<CODES>();
    let table: &[[[i16; OUTPUTS]; CODES]; DEPTH] = table.first_chunk().expect("a table for each depth");
    for (sums, codes) in sums.iter_mut().zip(codes) {
        let mut total = *sums;
        for first in (0..DEPTH).step_by(GROUP) {
            let mut partial = [0i16; OUTPUTS];
            for depth in first..first + GROUP {
                // The remainder tells the compiler what the caller promised.
                let products = &table[depth][usize::from(codes[depth]) % CODES];
                for (partial, &product) in partial.iter_mut().zip(products) {
                    *partial = partial.wrapping_add(product);
                }
            }
            for (total, partial) in total.iter_mut().zip(partial) {
                *total = total.wrapping_add(partial.into());
            }
        }
        *sums = total;
    }
}

/// Transposes one table column an output into `table[code][output]`.
#[inline(always)]
fn gather<'a, const OUTPUTS: usize>(table: &mut [[i16; OUTPUTS]], column: impl Fn(usize) -> &'a [i16]) {
    for first in (0..OUTPUTS).step_by(8) {
        let columns: [&[i16]; 8] = std::array::from_fn(|output| column(first + output));
        for code in (0..table.len()).step_by(8) {
            let square = columns.map(|column| *column[code..].first_chunk::<8>().expect("eight codes"));
            for (row, products) in table[code..].iter_mut().zip(transpose(square)) {
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
