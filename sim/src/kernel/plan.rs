//! Which method a matrix product is computed by: the fastest by a small model of measured costs.

use super::Shape;
use super::gemm::Packing;
use super::instructions::InstructionSet;
use std::fmt;

/// A way to compute a matrix product over a product table. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// One look-up in the whole table a product.
    Scalar,
    /// Integer matrix products, one for each term of the table's exact low-rank form.
    Terms,
    /// Vectors of products from small tables gathered for a few weights at a time.
    Columns,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar look-ups",
            Self::Terms => "integer matrix products",
            Self::Columns => "vector look-ups",
        })
    }
}

/// The choice of a method for a shape, with what it was chosen from.
///
/// Invariant: the candidates are sorted by time and there is at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    shape: Shape,
    activation_codes: usize,
    instructions: InstructionSet,
    structure: Structure,
    candidates: Vec<(Method, f64)>,
}

/// What the costs depend on besides the shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Structure {
    /// Packing of each term's matrix product, or `None` if the table has no low-rank form.
    pub(super) terms: Option<Vec<Packing>>,
    /// Tables gathered for vector look-ups.
    pub(super) planes: usize,
}

/// Picoseconds of one core for each step.
///
/// AVX2: measured on a 2.5 GHz AMD EPYC of the first generation by `cargo bench -p axtrain-sim --bench table_gemm`.
/// Its 256-bit instructions are two micro-operations and its only integer multiplier takes one a cycle: at most 16
/// multiply-accumulates a cycle (25 ps each) of packed bytes and 8 (51 ps) of halves.
struct Costs {
    /// A look-up in the whole table.
    scalar: f64,
    /// A multiply-accumulate of packed bytes.
    bytes: f64,
    /// A multiply-accumulate of packed halves.
    halves: f64,
    /// Packing an operand.
    pack: f64,
    /// Adding a finished sum to its output.
    store: f64,
    /// A multiply-accumulate by vector look-up.
    column: f64,
    /// One product of a gathered table.
    gather: f64,
}

impl Costs {
    fn of(instructions: InstructionSet) -> Self {
        match instructions {
            InstructionSet::Portable => Self {
                scalar: 1_000.0,
                bytes: 400.0,
                halves: 200.0,
                pack: 500.0,
                store: 1_000.0,
                column: 80.0,
                gather: 150.0,
            },
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => Self {
                scalar: 1_000.0,
                bytes: 43.0,
                halves: 54.0,
                pack: 500.0,
                store: 1_000.0,
                column: 60.0,
                gather: 150.0,
            },
        }
    }
}

impl Plan {
    pub(super) fn new(
        shape: Shape,
        activation_codes: usize,
        instructions: InstructionSet,
        structure: Structure,
    ) -> Self {
        let costs = Costs::of(instructions);
        let mut candidates = vec![
            (Method::Scalar, costs.scalar * shape.multiply_accumulates() as f64),
            (Method::Columns, costs.columns(shape, activation_codes, structure.planes)),
        ];
        if let Some(terms) = &structure.terms {
            candidates.push((Method::Terms, costs.terms(shape, terms, instructions.lanes())));
        }
        candidates.sort_by(|left, right| left.1.total_cmp(&right.1));
        Self { shape, activation_codes, instructions, structure, candidates }
    }

    /// The method chosen.
    pub fn method(&self) -> Method {
        self.candidates[0].0
    }

    /// Seconds of one core that the method is expected to take on the machine its costs were measured on.
    pub fn seconds(&self) -> f64 {
        self.candidates[0].1 * 1e-12
    }
}

impl Costs {
    fn terms(&self, shape: Shape, terms: &[Packing], lanes: usize) -> f64 {
        let Shape { m, k, n } = shape;
        let outputs = (m * n.next_multiple_of(lanes)) as f64;
        let term = |packing: &Packing| {
            let multiply = match packing {
                Packing::Bytes => self.bytes,
                Packing::Halves => self.halves,
            };
            outputs * (k as f64 * multiply + self.store) + ((m + n) * k) as f64 * self.pack
        };
        terms.iter().map(term).sum::<f64>() + outputs * self.store
    }

    fn columns(&self, shape: Shape, activation_codes: usize, planes: usize) -> f64 {
        let Shape { m, k, n } = shape;
        let blocks = m.div_ceil(super::columns::BLOCK_ROWS) * n.next_multiple_of(8) * k;
        let gather = (blocks * activation_codes) as f64 * self.gather;
        let add = (m * n.next_multiple_of(8)) as f64 * (k as f64 * self.column + self.store);
        planes as f64 * (gather + add + (m * k) as f64 * self.pack)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { m, k, n } = self.shape;
        writeln!(f, "{m}×{k} activations below {} by {k}×{n} weights, {}", self.activation_codes, self.instructions)?;
        match self.structure.terms.as_deref() {
            None => writeln!(f, "table: no exact form of low rank")?,
            Some([]) => writeln!(f, "table: no term depends on both operands")?,
            Some(terms) => {
                let bytes = terms.iter().filter(|&&packing| packing == Packing::Bytes).count();
                writeln!(f, "table: rank {}, {bytes} of its terms in bytes", terms.len())?;
            }
        }
        for (index, (method, picoseconds)) in self.candidates.iter().enumerate() {
            let mark = if index == 0 { "→" } else { " " };
            writeln!(f, "{mark} {method}: {:.3} ms", picoseconds * 1e-9)?;
        }
        Ok(())
    }
}
