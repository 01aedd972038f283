//! Which method a matrix product is computed by: the fastest by a small model of measured costs.

use super::Shape;
use super::columns;
use super::error_plane::Slopes;
use super::gemm::Packing;
use super::instructions::InstructionSet;
use super::look_up::Summing;
use std::fmt;

/// A way to compute a matrix product over a product table. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// One look-up in the whole table a product.
    Scalar,
    /// Integer matrix products, one for each term of the table's exact low-rank form.
    Terms,
    /// One integer matrix product, and vectors of its errors, a byte each, from small tables gathered for a few weights at a
    /// time.
    ErrorColumns,
    /// The same with a weight's errors held in registers.
    ErrorRegisters,
    /// Look-ups of many activations in a weight's row of a table too wide for vectors.
    Rows,
    /// Vectors of products from small tables gathered for a few weights at a time.
    Columns,
    /// Vectors of rows' products from a weight's part of the table held in registers.
    Registers,
    /// Vectors of outputs' products from an activation's part of the table held in registers: for a few rows.
    ExchangedRegisters,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar look-ups",
            Self::Terms => "integer matrix products",
            Self::ErrorColumns => "matrix product plus looked-up errors",
            Self::ErrorRegisters => "matrix product plus errors in registers",
            Self::Rows => "row look-ups",
            Self::Columns => "vector look-ups",
            Self::Registers => "register look-ups",
            Self::ExchangedRegisters => "exchanged register look-ups",
        })
    }
}

/// A method and the time it is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// How the product would be computed.
    pub method: Method,
    /// Seconds of one core, by the cost model.
    pub seconds: f64,
}

/// The choice of a method for a shape, with what it was chosen from.
///
/// Invariant: the candidates are sorted by time and there is at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    shape: Shape,
    activation_codes: usize,
    instructions: InstructionSet,
    table: Table,
    candidates: Vec<Candidate>,
}

/// What a plan is for.
#[derive(Clone, Debug, PartialEq)]
enum Table {
    /// Operands of at most 8 bits.
    Narrow(Structure),
    /// Wider ones, bits of the activation and of the weight.
    Wide([u32; 2]),
}

/// What the costs depend on besides the shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Structure {
    /// Each term's matrix product, or `None` if the table has no low-rank form.
    pub(super) terms: Option<Vec<TermStructure>>,
    /// A plain product beside errors of a byte, if the table has that form.
    pub(super) errors: Option<ErrorStructure>,
    /// How each plane of the vector look-ups is summed.
    pub(super) planes: Vec<Summing>,
    /// Whether the CPU looks bytes up in registers.
    pub(super) registers: bool,
    /// Planes of the same with operands exchanged, if it does.
    pub(super) exchanged: Option<usize>,
}

/// What the costs of a plane of errors depend on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ErrorStructure {
    /// What activations are multiplied by.
    pub(super) slopes: Slopes,
    /// Binary logarithm of what the errors are multiples of, but for a constant a weight.
    pub(super) shift: u32,
    /// The matrix product.
    pub(super) product: Vec<TermStructure>,
    /// Whether the CPU looks the errors up in registers.
    pub(super) registers: bool,
}

/// What a term's costs depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TermStructure {
    /// Packing of its operands.
    pub(super) packing: Packing,
    /// Operands (0, 1 or 2) of which each is looked up as it is packed; others are masked.
    pub(super) looked_up: usize,
}

/// Picoseconds of one core for each step.
///
/// Measured by `cargo bench -p axtrain-sim --bench table_gemm`: portable code on an AMD EPYC of the first generation at 2.46 GHz,
/// AVX2 on one of the third, AVX-512 on an Intel Xeon of the fourth generation at 2.6 GHz nominal.
struct Costs {
    /// A look-up in the whole table.
    scalar: f64,
    /// A multiply-accumulate of packed bytes.
    bytes: f64,
    /// A multiply-accumulate of packed halves.
    halves: f64,
    /// Packing an operand by a mask.
    mask: f64,
    /// Packing an operand by look-up, into bytes and into halves.
    map: [f64; 2],
    /// Starting on a row of operands.
    row: f64,
    /// Adding a finished sum of a term to its output.
    store: f64,
    /// A multiply-accumulate by vector look-up, where 4, 2 and 1 products are added in 16 bits.
    columns: [f64; 3],
    /// One by a look-up of a byte.
    column_bytes: f64,
    /// One product of a gathered table, of 16 bits and of a byte.
    gather: [f64; 2],
    /// Sorting an activation code for look-up.
    interleave: f64,
    /// Adding a finished sum of looked-up products to its output, by vector and by register look-ups.
    finish: [f64; 2],
    /// A register look-up of 64 rows, their activations below 128 and below 256.
    registers: [f64; 2],
    /// Fetching the products of a weight for register look-ups, likewise.
    fetch: [f64; 2],
}

impl Costs {
    fn of(instructions: InstructionSet) -> Self {
        let portable = Self {
            scalar: 1_350.0,
            bytes: 190.0,
            halves: 200.0,
            mask: 100.0,
            map: [600.0; 2],
            row: 5_000.0,
            store: 700.0,
            columns: [155.0, 180.0, 230.0],
            column_bytes: 110.0,
            gather: [150.0, 100.0],
            interleave: 300.0,
            finish: [700.0, 1_800.0],
            // Not without byte permutations.
            registers: [f64::INFINITY; 2],
            fetch: [f64::INFINITY; 2],
        };
        match instructions {
            InstructionSet::Portable => portable,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => Self {
                scalar: 560.0,
                bytes: 13.0,
                halves: 28.0,
                columns: [29.0, 33.0, 42.0],
                column_bytes: 17.0,
                gather: [75.0, 70.0],
                ..portable
            },
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 | InstructionSet::Avx512Vbmi => Self {
                scalar: 740.0,
                bytes: 3.6,
                halves: 7.2,
                mask: 130.0,
                map: [if instructions.permutes_bytes() { 220.0 } else { 600.0 }, 600.0],
                store: 170.0,
                columns: [20.0, 23.0, 30.0],
                // Not measured: three in four of the instructions for twice as many outputs.
                column_bytes: 15.0,
                gather: [55.0, 40.0],
                interleave: 200.0,
                registers: [1_800.0, 3_200.0],
                fetch: [1_000.0, 1_500.0],
                ..portable
            },
        }
    }

    /// All terms' matrix products.
    fn terms(&self, shape: Shape, terms: &[TermStructure], lanes: usize) -> f64 {
        let Shape { m, k, n } = shape;
        let outputs = (m * n.next_multiple_of(lanes)) as f64;
        let term = |term: &TermStructure| {
            let (multiply, map) = match term.packing {
                Packing::Bytes => (self.bytes, self.map[0]),
                Packing::Halves => (self.halves, self.map[1]),
            };
            let words = k.div_ceil(term.packing.per_word());
            let multiply = (words * term.packing.per_word()) as f64 * multiply;
            let pack = if term.looked_up > 0 { map } else { self.mask };
            outputs * (multiply + self.store) + (m + n) as f64 * (k as f64 * pack + self.row)
        };
        terms.iter().map(term).sum()
    }

    /// Vector look-ups in all planes.
    fn columns(&self, shape: Shape, activation_codes: usize, planes: &[Summing], outputs: usize) -> f64 {
        let Shape { m, k, n } = shape;
        let depth = k.next_multiple_of(columns::depth(activation_codes, outputs));
        let plane = |summing: &Summing| {
            let (add, gather, places) = match summing {
                Summing::Words(4) => (self.columns[0], self.gather[0], 8),
                Summing::Words(2) => (self.columns[1], self.gather[0], 8),
                Summing::Words(_) => (self.columns[2], self.gather[0], 8),
                Summing::Bytes => (self.column_bytes, self.gather[1], 16),
            };
            let n = n.next_multiple_of(places);
            let gathered = (m.div_ceil(columns::BLOCK_ROWS) * n * depth * activation_codes) as f64;
            let row = n as f64 * (depth as f64 * add + self.finish[0]) + k as f64 * self.interleave;
            gathered * gather + m as f64 * row
        };
        planes.iter().map(plane).sum()
    }

    /// Register look-ups in all planes.
    fn registers(&self, shape: Shape, activation_codes: usize, planes: f64) -> f64 {
        let Shape { m, k, n } = shape;
        let range = usize::from(activation_codes > 128);
        let (vectors, blocks) = (m.div_ceil(64) as f64, m.div_ceil(256) as f64);
        let look_ups = (k * n) as f64 * (vectors * self.registers[range] + blocks * self.fetch[range]);
        planes * (look_ups + (m * n) as f64 * self.finish[1] + (m * k) as f64 * self.interleave)
    }
}

/// Picoseconds of one core for the steps of row look-ups, measured on an AMD EPYC of the third generation.
struct RowCosts {
    /// A look-up in the whole table.
    scalar: f64,
    /// A look-up in a row that is in a cache.
    look_up: f64,
    /// Bringing a cache line of a row there.
    line: f64,
    /// Starting on a weight's row.
    row: f64,
    /// Cache lines of a row.
    lines: usize,
}

impl RowCosts {
    fn of([activation, weight]: [u32; 2]) -> Self {
        const KIB: u64 = 1 << 10;
        let (row, table) = (4u64 << activation, 4u64 << (activation + weight));
        // Tables in the second-level cache, in the third, in memory.
        let (scalar, line, start) = match table {
            _ if table <= 1024 * KIB => (2_900.0, 1_200.0, 7_000.0),
            _ if table <= 16 * 1024 * KIB => (5_000.0, 2_500.0, 7_000.0),
            _ => (34_000.0, 14_000.0, 45_000.0),
        };
        let fits = super::rows::WEIGHTS as u64 * row <= 32 * KIB;
        let look_up = if fits { 1_200.0 } else { 2_000.0 };
        Self { scalar, look_up, line, row: start, lines: row.div_ceil(64) as usize }
    }

    fn scalar(&self, shape: Shape) -> f64 {
        shape.multiply_accumulates() as f64 * self.scalar
    }

    fn rows(&self, shape: Shape) -> f64 {
        let fetched = (shape.m.min(self.lines)) as f64 * self.line;
        shape.multiply_accumulates() as f64 * self.look_up + (shape.k * shape.n) as f64 * (fetched + self.row)
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
        let scalar = costs.scalar * shape.multiply_accumulates() as f64;
        let columns = costs.columns(shape, activation_codes, &structure.planes, instructions.looked_up());
        let mut picoseconds = vec![(Method::Scalar, scalar), (Method::Columns, columns)];
        if let Some(terms) = &structure.terms {
            picoseconds.push((Method::Terms, costs.terms(shape, terms, instructions.lanes())));
        }
        if let Some(errors) = &structure.errors {
            let product = costs.terms(shape, &errors.product, instructions.lanes());
            let columns = costs.columns(shape, activation_codes, &[Summing::Bytes], instructions.looked_up());
            picoseconds.push((Method::ErrorColumns, product + columns));
            if errors.registers {
                // One of the two bytes.
                let registers = costs.registers(shape, activation_codes, 0.5);
                picoseconds.push((Method::ErrorRegisters, product + registers));
            }
        }
        if structure.registers {
            let registers = costs.registers(shape, activation_codes, structure.planes.len() as f64);
            picoseconds.push((Method::Registers, registers));
        }
        if let Some(planes) = structure.exchanged {
            let Shape { m, k, n } = shape;
            picoseconds
                .push((Method::ExchangedRegisters, costs.registers(Shape { m: n, k, n: m }, 256, planes as f64)));
        }
        let candidate = |(method, picoseconds)| Candidate { method, seconds: picoseconds * 1e-12 };
        let mut candidates: Vec<Candidate> = picoseconds.into_iter().map(candidate).collect();
        candidates.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
        Self { shape, activation_codes, instructions, table: Table::Narrow(structure), candidates }
    }

    /// For a table of wider operands, the activation's and the weight's bits given.
    pub(super) fn of_rows(shape: Shape, widths: [u32; 2]) -> Self {
        let costs = RowCosts::of(widths);
        let picoseconds = [(Method::Scalar, costs.scalar(shape)), (Method::Rows, costs.rows(shape))];
        let mut candidates = picoseconds.map(|(method, time)| Candidate { method, seconds: time * 1e-12 }).to_vec();
        candidates.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
        Self {
            shape,
            activation_codes: 1 << widths[0],
            instructions: InstructionSet::Portable,
            table: Table::Wide(widths),
            candidates,
        }
    }

    /// The method chosen.
    pub fn method(&self) -> Method {
        self.candidates[0].method
    }

    /// Rows, products of an output, and outputs.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Activation codes are below this.
    pub fn activation_codes(&self) -> usize {
        self.activation_codes
    }

    /// Vector instructions the times are for.
    pub fn instructions(&self) -> String {
        self.instructions.to_string()
    }

    /// Integer matrix products that the table is the sum of, if it is one of few.
    pub fn rank(&self) -> Option<usize> {
        match &self.table {
            Table::Narrow(structure) => structure.terms.as_ref().map(Vec::len),
            Table::Wide(_) => None,
        }
    }

    /// The methods that the table allows, the fastest first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { m, k, n } = self.shape;
        writeln!(f, "{m}×{k} activations below {} by {k}×{n} weights, {}", self.activation_codes, self.instructions)?;
        match &self.table {
            Table::Narrow(structure) => write!(f, "{structure}")?,
            Table::Wide([activation, weight]) => {
                writeln!(f, "table: {activation}×{weight} bits, too wide for vectors; one product after the other")?;
            }
        }
        for (index, Candidate { method, seconds }) in self.candidates.iter().enumerate() {
            let mark = if index == 0 { "→" } else { " " };
            writeln!(f, "{mark} {method}: {:.3} ms", seconds * 1e3)?;
        }
        Ok(())
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.terms.as_deref() {
            None => writeln!(f, "table: no exact form of low rank")?,
            Some([]) => writeln!(f, "table: no term depends on both operands")?,
            Some(terms) => {
                let bytes = terms.iter().filter(|term| term.packing == Packing::Bytes).count();
                writeln!(f, "table: rank {}, {bytes} of its terms in bytes", terms.len())?;
            }
        }
        if let Some(ErrorStructure { slopes, shift, .. }) = &self.errors {
            let product = match slopes {
                Slopes::Weights => "product of the operands",
                Slopes::Fitted => "multiple of the activation for each weight",
            };
            writeln!(f, "table: {product} plus errors of one byte, times {}", 1u64 << shift)?;
        }
        Ok(())
    }
}
