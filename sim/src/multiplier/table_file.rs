//! Product tables in files: NPY, or comma-separated values.

use super::{MultiplierSpec, ProductTable};
use crate::npy::NpyFile;
use thiserror::Error;

/// A file that holds no product table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableFileError {
    /// More bytes than any table needs.
    #[error("a file of more than {most} bytes")]
    TooLarge {
        /// Most that is read.
        most: u64,
    },
    /// Neither an NPY file nor text.
    #[error("neither an NPY file nor text: {problem}")]
    Unreadable {
        /// Why not.
        problem: String,
    },
    /// An NPY file of other numbers.
    #[error("an NPY file of type '{found}' where <i4 is expected")]
    Type {
        /// Its type.
        found: String,
    },
    /// An NPY file whose first index is the fast one.
    #[error("an NPY file in Fortran order")]
    FortranOrder,
    /// Not a product for every pair of operand codes.
    #[error("a table of {}, which is not 2^n × 2^m products of operands of 1 to {} bits, {} together", by(.found), MultiplierSpec::MAX_WIDTH, ProductTable::MAX_INPUT_BITS)]
    Shape {
        /// Numbers along each axis.
        found: Vec<u64>,
    },
    /// Text that is not a number.
    #[error("line {line}: \"{text}\" is not a whole number")]
    Number {
        /// Line, from 1.
        line: usize,
        /// What stands there, at most 40 characters of it.
        text: String,
    },
    /// A line of another length than the first.
    #[error("line {line} has {found} products, the first has {expected}")]
    Row {
        /// Line, from 1.
        line: usize,
        /// Products in the first line.
        expected: usize,
        /// Products in this line.
        found: usize,
    },
    /// A product that needs more bits than both operands have.
    #[error("product[{a}][{b}] = {product} is outside {lowest}…{highest}")]
    Range {
        /// Code of the first operand.
        a: usize,
        /// Code of the second operand.
        b: usize,
        /// The product.
        product: i64,
        /// Least product of as many bits as the operands have.
        lowest: i64,
        /// Largest.
        highest: i64,
    },
}

fn by(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

impl TableFileError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Shape { .. } | Self::Row { .. } => {
                "write product[a][b] for all raw operand codes: 256 lines of 256 numbers for 8×8 bits"
            }
            Self::Unreadable { .. } | Self::Number { .. } => {
                "write it with numpy.save, or as whole numbers separated by commas, a line for each first operand"
            }
            Self::Type { .. } => "convert it: numpy.save(path, table.astype('<i4'))",
            Self::FortranOrder => "convert it: numpy.save(path, numpy.ascontiguousarray(table))",
            Self::Range { .. } => {
                "set signed = true for two's complement; products have as many bits as both operands together"
            }
        }
    }
}

impl ProductTable {
    /// Longest file read as a table: eleven characters a product.
    pub const MAX_FILE_BYTES: u64 = 11 << Self::MAX_INPUT_BITS;

    /// Reads a table from the bytes of a file: an NPY array `[a][b]` of `<i4` in C order, or text with a line of
    /// comma-separated products for each code of the first operand; empty lines and what follows `#` are ignored.
    pub fn read(bytes: &[u8], signed: bool) -> Result<Self, TableFileError> {
        if bytes.len() as u64 > Self::MAX_FILE_BYTES {
            return Err(TableFileError::TooLarge { most: Self::MAX_FILE_BYTES });
        }
        let (shape, products) = if bytes.starts_with(b"\x93NUMPY") { read_npy(bytes)? } else { read_text(bytes)? };
        let [width_a, width_b] = widths(&shape).ok_or(TableFileError::Shape { found: shape })?;
        let bits = width_a + width_b;
        let (lowest, highest) = if signed { (-1 << (bits - 1), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
        if let Some(place) = products.iter().position(|product| !(lowest..=highest).contains(product)) {
            let (a, b) = (place >> width_b, place & ((1 << width_b) - 1));
            return Err(TableFileError::Range { a, b, product: products[place], lowest, highest });
        }
        let product = |a: u32, b: u32| products[(a << width_b | b) as usize] as i32;
        Ok(Self::from_fn(width_a, width_b, signed, product))
    }
}

/// Bits of the operands of a table of this shape.
fn widths(shape: &[u64]) -> Option<[u32; 2]> {
    let width = |codes: u64| (codes.is_power_of_two()).then(|| codes.trailing_zeros());
    let &[a, b] = shape else { return None };
    let widths = [width(a)?, width(b)?];
    let allowed = 1..=MultiplierSpec::MAX_WIDTH;
    let fits = widths.iter().all(|width| allowed.contains(width));
    (fits && widths[0] + widths[1] <= ProductTable::MAX_INPUT_BITS).then_some(widths)
}

fn read_npy(bytes: &[u8]) -> Result<(Vec<u64>, Vec<i64>), TableFileError> {
    let unreadable = |error: std::io::Error| TableFileError::Unreadable { problem: error.to_string() };
    let file = NpyFile::new(bytes).map_err(unreadable)?;
    if file.code() != "<i4" {
        return Err(TableFileError::Type { found: file.code().to_owned() });
    }
    if file.fortran_order() {
        return Err(TableFileError::FortranOrder);
    }
    let shape = file.shape().to_vec();
    if widths(&shape).is_none() {
        // Before anything is reserved for what the header promises.
        return Err(TableFileError::Shape { found: shape });
    }
    let products = file.into_vec::<i32>().map_err(unreadable)?;
    Ok((shape, products.into_iter().map(i64::from).collect()))
}

fn read_text(bytes: &[u8]) -> Result<(Vec<u64>, Vec<i64>), TableFileError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| TableFileError::Unreadable { problem: error.to_string() })?;
    let mut products: Vec<i64> = Vec::new();
    let (mut rows, mut columns) = (0, None);
    for (index, line) in text.lines().enumerate() {
        let (content, line) = (line.split('#').next().unwrap_or("").trim(), index + 1);
        if content.is_empty() {
            continue;
        }
        let before = products.len();
        for number in content.split(',').map(str::trim) {
            let wrong = |_| TableFileError::Number { line, text: number.chars().take(40).collect() };
            products.push(number.parse().map_err(wrong)?);
        }
        let found = products.len() - before;
        let expected = *columns.get_or_insert(found);
        if found != expected {
            return Err(TableFileError::Row { line, expected, found });
        }
        rows += 1;
    }
    Ok((vec![rows, columns.unwrap_or(0) as u64], products))
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: npyz::Order, values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn csv(table: &ProductTable) -> String {
        let line = |row: &[i32]| row.iter().map(i32::to_string).collect::<Vec<_>>().join(", ") + "\n";
        table.products().chunks(1 << table.width_b()).map(line).collect()
    }

    #[test]
    fn both_formats_give_the_table_that_was_written() {
        for (width_a, width_b, signed) in [(1, 1, false), (8, 8, true), (3, 6, true), (6, 3, false)] {
            let table = ProductTable::exact(width_a, width_b, signed);
            let bytes = npy(&[1 << width_a, 1 << width_b], npyz::Order::C, table.products());
            assert_eq!(ProductTable::read(&bytes, signed).as_ref(), Ok(&table));
            let text = format!("# a comment\n\n{}# the end", csv(&table));
            assert_eq!(ProductTable::read(text.as_bytes(), signed), Ok(table));
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let table = ProductTable::exact(2, 2, true);
        let refused = |bytes: &[u8], signed| ProductTable::read(bytes, signed).unwrap_err();
        let text = |text: &str| refused(text.as_bytes(), true);
        assert_eq!(text(""), TableFileError::Shape { found: vec![0, 0] });
        assert_eq!(text("1,2,3\n4,5,6\n").to_string().split(',').next(), Some("a table of 2 × 3"));
        assert_eq!(text("0,0\n0,x\n"), TableFileError::Number { line: 2, text: "x".into() });
        assert_eq!(text("0,1.5\n"), TableFileError::Number { line: 1, text: "1.5".into() });
        assert_eq!(text("0,0\n\n0\n"), TableFileError::Row { line: 3, expected: 2, found: 1 });
        let found = text("0,0\n0,2\n");
        assert_eq!(found, TableFileError::Range { a: 1, b: 1, product: 2, lowest: -2, highest: 1 });
        // A signed table that is taken for an unsigned one.
        let found = refused(csv(&table).as_bytes(), false);
        assert!(matches!(found, TableFileError::Range { product: -2, lowest: 0, .. }), "{found}");
        let bytes = npy(&[4, 4], npyz::Order::C, &[0i16; 16]);
        assert_eq!(refused(&bytes, true).to_string(), "an NPY file of type '<i2' where <i4 is expected");
        let bytes = npy(&[4, 4], npyz::Order::Fortran, table.products());
        assert_eq!(refused(&bytes, true), TableFileError::FortranOrder);
        let bytes = npy(&[16], npyz::Order::C, table.products());
        assert_eq!(refused(&bytes, true), TableFileError::Shape { found: vec![16] });
        let sound = npy(&[4, 4], npyz::Order::C, table.products());
        assert!(matches!(refused(&sound[..sound.len() - 1], true), TableFileError::Unreadable { .. }));
        assert!(matches!(refused(&[0xff, 0xfe, 0, 1], true), TableFileError::Unreadable { .. }));
        // The header of a file of terabytes.
        let mut huge = sound.clone();
        let at = huge.windows(4).position(|window| window == b"(4, ").unwrap();
        huge.splice(at + 1..at + 2, *b"4294967296");
        assert!(ProductTable::read(&huge, true).is_err());
    }

    /// Damaged files are read or refused, never a panic.
    #[test]
    fn damaged_files_never_panic() {
        let table = ProductTable::exact(3, 3, true);
        let sound = [npy(&[8, 8], npyz::Order::C, table.products()), csv(&table).into_bytes()];
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut read = [0, 0];
        for round in 0..4000 {
            let mut bytes = sound[round % 2].clone();
            for _ in 0..1 + round % 3 {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..4) {
                    0 => bytes[at] = random.random(),
                    1 if bytes.len() > 1 => drop(bytes.remove(at)),
                    2 => bytes.truncate(at.max(1)),
                    _ => bytes[at] = b"0123456789,-#\n '<>(){}"[random.random_range(0..22)],
                }
            }
            read[usize::from(ProductTable::read(&bytes, true).is_ok())] += 1;
        }
        assert!(read.iter().all(|&count| count > 100), "{read:?}: damage is too heavy or too light");
    }
}
