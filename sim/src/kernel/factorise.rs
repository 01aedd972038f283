//! Exact low-rank form of a product table: `product[a][b] = Σ 2^shift · f(a) · g(b)` in small integers.
//!
//! The rows of the table span a lattice. A reduced basis of that lattice gives the functions `g`, the coordinates of
//! each row in it the functions `f`; both are integers by construction and small because the basis is short.

/// One term of the sum, `2^shift · f(a) · g(b)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Factor {
    /// Binary logarithm of the term's common factor.
    pub(super) shift: u32,
    /// Function of the activation code.
    pub(super) f: Vec<i32>,
    /// Function of the weight code.
    pub(super) g: Vec<i32>,
}

/// The table `[a][b]` of `columns` columns as at most `max_rank` terms, or `None` if its rank is higher or rounding
/// errors hide its form. An all-zero table has no terms.
pub(super) fn factorise(table: &[i32], columns: usize, max_rank: usize) -> Option<Vec<Factor>> {
    let rows: Vec<Vec<i64>> =
        table.chunks_exact(columns).map(|row| row.iter().copied().map(i64::from).collect()).collect();
    let mut basis = Basis::default();
    for row in &rows {
        basis.include(row)?;
        if basis.vectors.len() > max_rank {
            return None;
        }
    }
    let coordinates: Vec<Vec<i64>> = rows.iter().map(|row| basis.coordinates(row)).collect::<Option<_>>()?;
    let term = |(index, g)| factor(coordinates.iter().map(|row| row[index]).collect(), g);
    basis.vectors.into_iter().enumerate().map(term).collect()
}

/// A reduced basis of the lattice of all integer combinations of the vectors included so far.
///
/// The steps on vectors are exact; rounding errors of the orthogonalisation cost shortness only, or are noticed.
#[derive(Default)]
struct Basis {
    vectors: Vec<Vec<i64>>,
    /// The vectors made orthogonal to all earlier ones, with their squared lengths.
    orthogonal: Vec<(Vec<f64>, f64)>,
}

impl Basis {
    /// Adds a vector to the lattice.
    fn include(&mut self, vector: &[i64]) -> Option<()> {
        let (_, rest) = self.divide(vector)?;
        if rest.iter().all(|&entry| entry == 0) {
            return Some(());
        }
        self.vectors.push(rest);
        self.reduce()
    }

    /// Coordinates of a vector of the lattice.
    fn coordinates(&self, vector: &[i64]) -> Option<Vec<i64>> {
        let (coordinates, rest) = self.divide(vector)?;
        rest.iter().all(|&entry| entry == 0).then_some(coordinates)
    }

    /// Coordinates of a lattice vector near `vector`, and the rest (Babai, Combinatorica 6, 1986).
    fn divide(&self, vector: &[i64]) -> Option<(Vec<i64>, Vec<i64>)> {
        let mut rest = vector.to_vec();
        let mut coordinates = vec![0; self.vectors.len()];
        for index in (0..self.vectors.len()).rev() {
            let multiple = component(&rest, &self.orthogonal[index]).round() as i64;
            subtract_multiple(&mut rest, &self.vectors[index], multiple)?;
            coordinates[index] = multiple;
        }
        Some((coordinates, rest))
    }

    /// Shortens the basis by the algorithm of Lenstra, Lenstra and Lovász (Math. Ann. 261, 1982), δ = 3/4.
    ///
    /// If the vectors are dependent, the exchanges are Euclid's algorithm and end in a zero vector at the front
    /// (Pohst, J. Symb. Comp. 4, 1987), which is dropped.
    fn reduce(&mut self) -> Option<()> {
        const MAX_STEPS: usize = 10_000;
        let mut position = 1;
        for _ in 0..MAX_STEPS {
            if self.vectors[0].iter().all(|&entry| entry == 0) {
                self.vectors.remove(0);
                position = 1;
            }
            self.orthogonal = orthogonalise(&self.vectors[..self.vectors.len().min(position + 1)]);
            if position >= self.vectors.len() {
                return Some(());
            }
            for earlier in (0..position).rev() {
                let (head, tail) = self.vectors.split_at_mut(position);
                let multiple = component(&tail[0], &self.orthogonal[earlier]).round() as i64;
                subtract_multiple(&mut tail[0], &head[earlier], multiple)?;
            }
            let previous = &self.orthogonal[position - 1];
            let along = component(&self.vectors[position], previous);
            if self.orthogonal[position].1 >= (0.75 - along * along) * previous.1 {
                position += 1;
            } else {
                self.vectors.swap(position - 1, position);
                position = position.max(2) - 1;
            }
        }
        None
    }
}

/// Gram–Schmidt: each vector made orthogonal to all before it, with its squared length.
fn orthogonalise(vectors: &[Vec<i64>]) -> Vec<(Vec<f64>, f64)> {
    let mut orthogonal: Vec<(Vec<f64>, f64)> = Vec::new();
    for vector in vectors {
        let mut rest: Vec<f64> = vector.iter().map(|&entry| entry as f64).collect();
        for (direction, square) in &orthogonal {
            let along = dot(&rest, direction) / square;
            rest.iter_mut().zip(direction).for_each(|(entry, step)| *entry -= along * step);
        }
        let square = dot(&rest, &rest);
        orthogonal.push((rest, square));
    }
    orthogonal
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}

/// Length of `vector` along an orthogonalised basis vector, in units of that vector.
fn component(vector: &[i64], (direction, square): &(Vec<f64>, f64)) -> f64 {
    vector.iter().zip(direction).map(|(&entry, step)| entry as f64 * step).sum::<f64>() / square
}

/// `vector −= multiple · other`; `None` on overflow.
fn subtract_multiple(vector: &mut [i64], other: &[i64], multiple: i64) -> Option<()> {
    for (entry, &step) in vector.iter_mut().zip(other) {
        *entry = entry.checked_sub(step.checked_mul(multiple)?)?;
    }
    Some(())
}

/// Common factors move into the shift (powers of two) and into `g` (the odd part). The sign is chosen so that `f` fits
/// two's complement or no sign at all where it can.
fn factor(mut f: Vec<i64>, mut g: Vec<i64>) -> Option<Factor> {
    let gcd_f = f.iter().fold(0, |gcd, &entry| greatest_common_divisor(gcd, entry)).max(1);
    let gcd_g = g.iter().fold(0, |gcd, &entry| greatest_common_divisor(gcd, entry)).max(1);
    let scale = gcd_f.checked_mul(gcd_g)?;
    let shift = scale.trailing_zeros();
    let positive = f.iter().max()? + 1 >= -*f.iter().min()?;
    let sign = if positive { 1 } else { -1 };
    let odd = scale >> shift;
    f.iter_mut().for_each(|entry| *entry = sign * (*entry / gcd_f));
    g.iter_mut().for_each(|entry| *entry = sign * odd * (*entry / gcd_g));
    let narrow = |values: Vec<i64>| values.into_iter().map(|value| i32::try_from(value).ok()).collect::<Option<_>>();
    Some(Factor { shift: (shift < 32).then_some(shift)?, f: narrow(f)?, g: narrow(g)? })
}

fn greatest_common_divisor(mut left: i64, mut right: i64) -> i64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn assert_reconstructs(table: &[i32], columns: usize, factors: &[Factor]) {
        for (a, row) in table.chunks_exact(columns).enumerate() {
            for (b, &product) in row.iter().enumerate() {
                let sum: i64 = factors.iter().map(|t| (i64::from(t.f[a]) * i64::from(t.g[b])) << t.shift).sum();
                assert_eq!(sum, i64::from(product), "at {a}, {b}");
            }
        }
    }

    fn signed(code: usize) -> i32 {
        i32::from(code as u8 as i8)
    }

    fn table_of(product: impl Fn(usize, usize) -> i32) -> Vec<i32> {
        (0..1 << 16).map(|code: usize| product(code >> 8, code & 255)).collect()
    }

    #[test]
    fn the_exact_table_is_the_product_of_the_operands() {
        let factors = factorise(&table_of(|a, b| signed(a) * signed(b)), 256, 6).unwrap();
        let values: Vec<i32> = (0..256).map(signed).collect();
        assert_eq!(factors, [Factor { shift: 0, f: values.clone(), g: values }]);
    }

    /// Dropping the lowest `columns` columns of a signed multiplier leaves `columns` + 1 different truncations of `b`.
    #[test]
    fn dropped_columns_raise_the_rank_one_by_one() {
        for columns in 1..5 {
            let dropped = |a: usize, b: usize| -> i32 {
                (0..columns).map(|i| ((a >> i & 1) << i) as i32 * (b & ((1 << (columns - i)) - 1)) as i32).sum()
            };
            let table = table_of(|a, b| signed(a) * signed(b) - dropped(a, b));
            let factors = factorise(&table, 256, 6).unwrap();
            assert_eq!(factors.len(), columns + 1);
            assert_reconstructs(&table, 256, &factors);
        }
    }

    #[test]
    fn random_low_rank_tables_are_recovered_and_others_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for rank in 0..=5 {
            let mut vector = || -> Vec<i32> { (0..256).map(|_| rng.random_range(-60..=60)).collect() };
            let terms: Vec<_> = (0..rank).map(|_| (vector(), vector())).collect();
            let table = table_of(|a, b| terms.iter().map(|(f, g)| f[a] * g[b]).sum());
            let factors = factorise(&table, 256, 5).unwrap();
            assert_eq!(factors.len(), rank);
            assert_reconstructs(&table, 256, &factors);
            assert!(factorise(&table, 256, rank.saturating_sub(1)).is_none() || rank == 0);
        }
        let noise: Vec<i32> = (0..1 << 16).map(|_| rng.random()).collect();
        assert_eq!(factorise(&noise, 256, 6), None);
    }
}
