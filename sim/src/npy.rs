//! Arrays as NumPy's NPY files hold them: plain numbers of one type, versions 1 to 3 of the format.
//!
//! The format is that of `numpy.lib.format`: a magic string, the length of a header, the header as a Python dictionary, and the
//! elements. Structures, strings, objects and complex numbers are not read.

use std::io::{Error, ErrorKind, Read, Result, Write};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header that is read: more than any array of numbers needs.
const LONGEST_HEADER: u32 = 1 << 16;
/// What the data of a written file are aligned to.
const ALIGNMENT: usize = 64;

/// A type of numbers that arrays have.
pub(crate) trait Element: Copy {
    /// NumPy's code for it, little-endian.
    const CODE: &'static str;
    /// Bytes of a number.
    const SIZE: usize;
    /// From so many bytes, little-endian.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Appends its bytes, little-endian.
    fn append_to(self, bytes: &mut Vec<u8>);
}

macro_rules! element {
    ($($type:ty: $code:literal),*) => {$(
        impl Element for $type {
            const CODE: &'static str = $code;
            const SIZE: usize = size_of::<$type>();

            fn from_bytes(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("an element's bytes"))
            }

            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

element!(u8: "|u1", i8: "|i1", u16: "<u2", i16: "<i2", u32: "<u4", i32: "<i4", u64: "<u8", i64: "<i8", f32: "<f4", f64: "<f8");

/// An NPY file whose header has been read.
#[derive(Debug)]
pub(crate) struct NpyFile<R> {
    code: String,
    fortran_order: bool,
    shape: Vec<u64>,
    data: R,
}

impl<R: Read> NpyFile<R> {
    /// Reads the header.
    pub(crate) fn new(mut source: R) -> Result<Self> {
        let mut start = [0; 8];
        source.read_exact(&mut start)?;
        if start[..6] != *MAGIC {
            return Err(invalid("not an NPY file: its first bytes are others"));
        }
        let mut length = [0; 4];
        let width = match start[6] {
            1 => 2,
            2 | 3 => 4,
            other => return Err(invalid(format!("version {other} of the NPY format; 1 to 3 are read"))),
        };
        source.read_exact(&mut length[..width])?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Err(invalid(format!("a header of {length} bytes")));
        }
        let mut header = vec![0; length as usize];
        source.read_exact(&mut header)?;
        let header = str::from_utf8(&header).map_err(|_| invalid("a header that is no text"))?;
        let Header { code, fortran_order, shape } = Header::parse(header)?;
        Ok(Self { code, fortran_order, shape, data: source })
    }

    /// NumPy's code for the elements' type, such as `<i4`.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Elements along each axis.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Whether the first axis changes fastest; otherwise it is the last.
    pub(crate) fn fortran_order(&self) -> bool {
        self.fortran_order
    }

    /// All elements; as many as 64 bits count if they are more.
    pub(crate) fn len(&self) -> u64 {
        self.shape.iter().fold(1, |len: u64, side| len.saturating_mul(*side))
    }

    /// The elements in the order of the file.
    pub(crate) fn into_vec<T: Element>(self) -> Result<Vec<T>> {
        let big_endian = self.code.starts_with('>');
        if self.code.trim_start_matches(['<', '>', '|', '=']) != &T::CODE[1..] {
            return Err(invalid(format!("elements of type '{}' where {} is expected", self.code, T::CODE)));
        }
        let expected = self.len().checked_mul(T::SIZE as u64).ok_or_else(|| invalid("more elements than can be"))?;
        // What a header promises is not reserved: the data may be shorter.
        let mut bytes = Vec::new();
        self.data.take(expected).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != expected {
            let message = format!("{} bytes of data where {expected} are expected", bytes.len());
            return Err(Error::new(ErrorKind::UnexpectedEof, message));
        }
        if big_endian {
            bytes.chunks_exact_mut(T::SIZE).for_each(<[u8]>::reverse);
        }
        Ok(bytes.chunks_exact(T::SIZE).map(T::from_bytes).collect())
    }
}

/// Writes an array in C order.
pub(crate) fn write<T: Element>(mut sink: impl Write, shape: &[u64], values: &[T]) -> Result<()> {
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    // A tuple of one element needs its comma.
    let sides = if shape.len() == 1 { sides.trim_end() } else { sides.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({sides}), }}", T::CODE);
    let before = MAGIC.len() + 2 + 2;
    let length = (before + header.len() + 1).next_multiple_of(ALIGNMENT) - before;
    header += &" ".repeat(length - 1 - header.len());
    header.push('\n');
    sink.write_all(MAGIC)?;
    sink.write_all(&[1, 0])?;
    let length = u16::try_from(length).map_err(|_| invalid("more axes than the format has room for"))?;
    sink.write_all(&length.to_le_bytes())?;
    sink.write_all(header.as_bytes())?;
    let mut bytes = Vec::new();
    for values in values.chunks(1 << 13) {
        bytes.clear();
        values.iter().for_each(|value| value.append_to(&mut bytes));
        sink.write_all(&bytes)?;
    }
    sink.flush()
}

/// Name of an array's file in an NPZ archive.
pub(crate) fn file_name(array: &str) -> String {
    format!("{array}.npy")
}

fn invalid(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, problem.into())
}

struct Header {
    code: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

impl Header {
    /// Reads a dictionary with the keys `descr`, `fortran_order` and `shape`, in any order.
    fn parse(text: &str) -> Result<Self> {
        let mut rest = Rest(text);
        let (mut code, mut fortran_order, mut shape) = (None, None, None);
        rest.expect('{')?;
        while !rest.take('}') {
            let key = rest.string()?;
            rest.expect(':')?;
            match key {
                "descr" => code = Some(rest.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(rest.boolean()?),
                "shape" => shape = Some(rest.tuple()?),
                other => return Err(invalid(format!("an unknown key '{other}' in the header"))),
            }
            if !rest.take(',') {
                rest.expect('}')?;
                break;
            }
        }
        if !rest.0.trim().is_empty() {
            return Err(invalid("something behind the header's dictionary"));
        }
        match (code, fortran_order, shape) {
            (Some(code), Some(fortran_order), Some(shape)) => Ok(Self { code, fortran_order, shape }),
            _ => Err(invalid("a header without descr, fortran_order or shape")),
        }
    }
}

/// What of a header has not been read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, token: char) -> bool {
        self.0 = self.0.trim_start();
        let found = self.0.strip_prefix(token);
        self.0 = found.unwrap_or(self.0);
        found.is_some()
    }

    fn expect(&mut self, token: char) -> Result<()> {
        if self.take(token) { Ok(()) } else { Err(invalid(format!("a header without '{token}' where it should be"))) }
    }

    fn string(&mut self) -> Result<&'a str> {
        self.0 = self.0.trim_start();
        let quote = self.0.chars().next().filter(|quote| "'\"".contains(*quote));
        let quote = quote.ok_or_else(|| invalid("elements that are not plain numbers, or a damaged header"))?;
        let (string, rest) =
            self.0[1..].split_once(quote).ok_or_else(|| invalid("a string in the header that does not end"))?;
        self.0 = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<bool> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(invalid("fortran_order is neither True nor False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>> {
        self.expect('(')?;
        let mut sides = Vec::new();
        while !self.take(')') {
            self.0 = self.0.trim_start();
            let digits = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (side, rest) = self.0.split_at(digits);
            sides.push(side.parse().map_err(|_| invalid("a shape that is no tuple of numbers"))?);
            // Python 2 marked long integers.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    /// Another implementation writes what is read here, and reads what is written here.
    fn agree<T: Element + npyz::AutoSerialize + npyz::Deserialize + PartialEq + std::fmt::Debug>(values: &[T]) {
        let all = values.len() as u64;
        for shape in [vec![all], vec![all / 2, 2], vec![1, all, 1], vec![all / 4, 1, 2, 2]] {
            let mut theirs = Vec::new();
            let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
            let mut writer = options.writer(&mut theirs).begin_nd().unwrap();
            writer.extend(values.iter().copied()).unwrap();
            writer.finish().unwrap();
            let file = NpyFile::new(&theirs[..]).unwrap();
            assert_eq!((file.code(), file.shape(), file.fortran_order()), (T::CODE, &shape[..], false));
            assert_eq!(file.into_vec::<T>().unwrap(), values);

            let mut ours = Vec::new();
            write(&mut ours, &shape, values).unwrap();
            assert!((ours.len() - values.len() * T::SIZE).is_multiple_of(ALIGNMENT));
            let file = npyz::NpyFile::new(&ours[..]).unwrap();
            assert_eq!((file.shape(), file.order()), (&shape[..], npyz::Order::C));
            assert_eq!(file.into_vec::<T>().unwrap(), values);
        }
    }

    #[test]
    fn files_are_those_of_another_implementation() {
        agree(&[0u8, 1, 200, 255]);
        agree(&[-128i8, -1, 0, 127]);
        agree(&[1u16, 500, 65_535, 0]);
        agree(&[1i16, -500, 32_767, 0]);
        agree(&[1u32, 70_000, u32::MAX, 0]);
        agree(&[1i32, -70_000, i32::MIN, 0]);
        agree(&[1u64, 1 << 40, u64::MAX, 0]);
        agree(&[1i64, -(1 << 40), i64::MIN, 0]);
        agree(&[1.5f32, -0.25, f32::MAX, 0.0]);
        agree(&[1.5f64, -0.1, f64::MIN_POSITIVE, 0.0]);
    }

    fn with_header(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend([version, 0]);
        match version {
            1 => file.extend((header.len() as u16).to_le_bytes()),
            _ => file.extend((header.len() as u32).to_le_bytes()),
        }
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn headers_are_read_as_python_writes_them() {
        // Big-endian; keys in another order, other quotes, no comma at the end; version 2; an array without axes is one number.
        let read = |version, header: &str| {
            let file = with_header(version, header, &[0, 1, 0, 2]);
            NpyFile::new(&file[..]).and_then(NpyFile::into_vec::<i16>)
        };
        assert_eq!(read(1, "{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n").unwrap(), [1, 2]);
        assert_eq!(read(2, "{\"shape\": (1L, 2), 'fortran_order':True,'descr':'<i2'}").unwrap(), [256, 512]);
        assert_eq!(read(3, "{'descr': '>i2', 'fortran_order': False, 'shape': ()}").unwrap(), [1]);
        for (header, problem) in [
            ("{'descr': '>i2', 'fortran_order': False, 'shape': (3,)}", "4 bytes of data where 6"),
            ("{'descr': '>i4', 'fortran_order': False, 'shape': (1,)}", "'>i4' where <i2 is expected"),
            ("{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (1,)}", "not plain numbers"),
            ("{'descr': '>i2', 'fortran_order': 0, 'shape': (1,)}", "neither True nor False"),
            ("{'descr': '>i2', 'shape': (1,)}", "without descr, fortran_order"),
            ("{'descr': '>i2', 'fortran_order': False, 'shape': (-1,)}", "no tuple of numbers"),
            ("{'descr': '>i2', 'fortran_order': False, 'shape': (99999999999999999999,)}", "no tuple of numbers"),
            ("{'descr': '>i2', 'fortran_order': False, 'shape': (9999999999, 9999999999)}", "more elements"),
            ("{'descr': '>i2', 'fortran_order': False, 'shape': (1,), 'x': 1}", "unknown key 'x'"),
            ("{'descr': '>i2', 'fortran_order': False, 'shape': (1,)} x", "behind the header"),
            ("{'descr: 1", "does not end"),
        ] {
            let error = read(1, header).unwrap_err().to_string();
            assert!(error.contains(problem), "{header}: {error}");
        }
        assert!(NpyFile::new(&b"PK\x03\x04 and so on"[..]).unwrap_err().to_string().contains("not an NPY file"));
        assert!(NpyFile::new(&with_header(4, "", &[])[..]).unwrap_err().to_string().contains("version 4"));
    }
}
