//! Fault maps as files: NPZ archives of our own, and measured maps as NPY or CSV.

use super::{CellGeometry, FaultMap};
use crate::npy::{self, NpyFile};
use crate::profile::Archive;
use bitvec::vec::BitVec;
use serde::{Deserialize, Serialize};
use std::io::{Read, Seek, Write};

/// A fault map that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FaultMapError {
    /// The file system refused, or the file is of another kind.
    #[error("not readable as a fault map: {0}")]
    Unreadable(String),
    /// The map is of another memory.
    #[error("the map is of {found}; this memory has {expected}: measure or draw one of that geometry")]
    Geometry {
        /// Of the file.
        found: String,
        /// Of the memory.
        expected: String,
    },
    /// Content that means nothing.
    #[error("{place}: {problem}")]
    Invalid {
        /// Line or array.
        place: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    schema: String,
    banks: usize,
    rows: usize,
    words_per_row: usize,
    cells_per_word: usize,
    seed: u64,
}

const SCHEMA: &str = "axtrain/fault-map/1";
const PLANES: [&str; 3] = ["up", "down", "transient"];

fn unreadable(error: impl std::fmt::Display) -> FaultMapError {
    FaultMapError::Unreadable(error.to_string())
}

impl FaultMap {
    /// Writes an NPZ archive: `up`, `down` and `transient` as 64-bit words of 64 cells, lowest bit first, `[row][piece]`, and
    /// `metadata`. Equal maps make equal bytes.
    pub fn write(&self, sink: impl Write + Seek) -> std::io::Result<()> {
        let geometry = self.geometry;
        let mut archive = Archive::new(sink);
        let shape = [geometry.all_rows() as u64, geometry.pieces() as u64];
        for (name, plane) in PLANES.into_iter().zip([self.up.as_raw_slice(), self.down(), &self.transient()]) {
            archive.array(name, &shape, plane)?;
        }
        let metadata = Metadata {
            schema: SCHEMA.to_owned(),
            banks: geometry.banks(),
            rows: geometry.rows(),
            words_per_row: geometry.words_per_row(),
            cells_per_word: geometry.cells_per_word(),
            seed: self.seed,
        };
        archive.vector("metadata", &serde_json::to_vec(&metadata).expect("metadata serialise"))?;
        archive.finish()
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(source: impl Read + Seek) -> Result<Self, FaultMapError> {
        let mut zip = zip::ZipArchive::new(source).map_err(unreadable)?;
        let metadata: Vec<u8> = array(&mut zip, "metadata", None)?;
        let metadata: Metadata = serde_json::from_slice(&metadata).map_err(unreadable)?;
        if metadata.schema != SCHEMA {
            return Err(invalid(
                "metadata",
                format!("the file follows {}; this program reads {SCHEMA}", metadata.schema),
            ));
        }
        let Metadata { banks, rows, words_per_row, cells_per_word, seed, .. } = metadata;
        let geometry = CellGeometry::new(banks, rows, words_per_row, cells_per_word)
            .ok_or_else(|| invalid("metadata", "sizes that no memory has".to_owned()))?;
        let pieces = geometry.pieces();
        let mut plane = |name: &str| {
            let words: Vec<u64> = array(&mut zip, name, Some(&[geometry.all_rows() as u64, pieces as u64]))?;
            for (index, &word) in words.iter().enumerate() {
                if word & !geometry.existing(index % pieces) != 0 {
                    return Err(invalid(name, format!("row {} has a fault beyond its columns", index / pieces)));
                }
            }
            Ok(words)
        };
        let (up, down, transient) = (plane(PLANES[0])?, plane(PLANES[1])?, plane(PLANES[2])?);
        let planes = transient.iter().zip(&up).zip(&down);
        if planes.into_iter().any(|((transient, up), down)| transient & !(up | down) != 0) {
            return Err(invalid("transient", "marks cells that do not fail".to_owned()));
        }
        let down = (down != up).then(|| BitVec::from_vec(down));
        let transient = transient.iter().any(|piece| *piece != 0).then(|| BitVec::from_vec(transient));
        Ok(FaultMap { geometry, up: BitVec::from_vec(up), down, transient, seed })
    }

    /// A measured map as NPY: an unsigned byte a cell, `[row][column]` with the rows of all banks; 0 for a sound cell, else the
    /// sum of 1 if it reads 1 for 0, 2 if it reads 0 for 1, and 4 if not at every read.
    pub fn from_npy(source: impl Read, geometry: CellGeometry) -> Result<Self, FaultMapError> {
        let file = NpyFile::new(source).map_err(unreadable)?;
        check_shape(file.shape(), geometry)?;
        if file.fortran_order() {
            return Err(unreadable("the array is in Fortran order; save it in C order"));
        }
        let cells: Vec<u8> =
            file.into_vec().map_err(|error| unreadable(format!("{error}; cells are unsigned bytes")))?;
        let mut map = FaultMap::sound(geometry);
        for (index, &code) in cells.iter().enumerate() {
            let (row, column) = (index / geometry.columns(), index % geometry.columns());
            if code > 7 || code == 4 {
                let problem = format!(
                    "{code} is no fault; 0 is a sound cell, 1, 2 and 3 pull to 1, to 0 and flip, 4 is added to them"
                );
                return Err(invalid(format!("row {row}, column {column}"), problem));
            }
            map.mark(row, column, [code & 1 != 0, code & 2 != 0], code & 4 != 0);
        }
        Ok(map)
    }

    /// A measured map as text: lines `row,column,fault`, `fault` being `0->1`, `1->0` or `flip`, with `~` before it if not at
    /// every read. The header is optional; `#` begins a comment. Cells that are not listed are sound.
    pub fn from_csv(text: &str, geometry: CellGeometry) -> Result<Self, FaultMapError> {
        let mut map = FaultMap::sound(geometry);
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() || line == "row,column,fault" {
                continue;
            }
            let place = || format!("line {}", number + 1);
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let &[row, column, fault] = &fields[..] else {
                return Err(invalid(place(), format!("\"{line}\" is not row,column,fault")));
            };
            let index = |text: &str, limit: usize, what: &str| {
                let index = text.parse::<usize>().ok().filter(|index| *index < limit);
                index.ok_or_else(|| invalid(place(), format!("{what} \"{text}\"; the memory has 0 to {}", limit - 1)))
            };
            let (row, column) =
                (index(row, geometry.all_rows(), "row")?, index(column, geometry.columns(), "column")?);
            let (kind, transient) = fault.strip_prefix('~').map_or((fault, false), |kind| (kind, true));
            let directions = match kind {
                "0->1" => [true, false],
                "1->0" => [false, true],
                "flip" => [true, true],
                other => {
                    return Err(invalid(place(), format!("\"{other}\" is no fault; write 0->1, 1->0 or flip")));
                }
            };
            if map.fault(row, column) != [false; 3] {
                return Err(invalid(place(), format!("cell {row},{column} is listed twice")));
            }
            map.mark(row, column, directions, transient);
        }
        Ok(map)
    }

    /// `Err` unless the map is of this geometry.
    pub fn require(self, geometry: CellGeometry) -> Result<Self, FaultMapError> {
        if self.geometry == geometry {
            return Ok(self);
        }
        Err(FaultMapError::Geometry { found: self.geometry.to_string(), expected: geometry.to_string() })
    }
}

fn invalid(place: impl Into<String>, problem: String) -> FaultMapError {
    FaultMapError::Invalid { place: place.into(), problem }
}

fn check_shape(found: &[u64], geometry: CellGeometry) -> Result<(), FaultMapError> {
    if found == [geometry.all_rows() as u64, geometry.columns() as u64] {
        return Ok(());
    }
    let (rows, columns) = (geometry.all_rows(), geometry.columns());
    let expected = format!("{geometry}, {rows} × {columns} in all");
    Err(FaultMapError::Geometry { found: format!("shape {found:?}"), expected })
}

fn array<T: npy::Element>(
    zip: &mut zip::ZipArchive<impl Read + Seek>,
    name: &str,
    shape: Option<&[u64]>,
) -> Result<Vec<T>, FaultMapError> {
    let entry = zip.by_name(&npy::file_name(name)).map_err(unreadable)?;
    let file = NpyFile::new(entry).map_err(unreadable)?;
    if let Some(shape) = shape.filter(|shape| file.shape() != *shape) {
        return Err(invalid(name, format!("shape {:?}, not {shape:?}", file.shape())));
    }
    // An archive may claim any shape; one that is longer than its data ends early.
    file.into_vec().map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{FailureLaw, FaultModel};
    use crate::units::Volts;
    use npyz::WriterBuilder;
    use std::io::Cursor;

    fn geometry() -> CellGeometry {
        CellGeometry::new(2, 10, 2, 39).unwrap()
    }

    fn map() -> FaultMap {
        let law = FailureLaw::Probit { v50: 0.7056, sigma: 0.0552 };
        let model = FaultModel::new("test", law, Volts(0.7)).unwrap();
        let model = model.with_up_share(Some(0.3)).unwrap().with_persistent_share(0.5).unwrap();
        model.chip(geometry(), 1, 7).faults(0.1)
    }

    fn bytes(map: &FaultMap) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        map.write(&mut file).unwrap();
        file.into_inner()
    }

    #[test]
    fn a_map_survives_its_file_and_equal_maps_are_equal_files() {
        let written = bytes(&map());
        assert_eq!(FaultMap::read(Cursor::new(&written)).unwrap(), map());
        assert_eq!(written, bytes(&map()));
    }

    #[test]
    fn damaged_files_and_maps_of_other_memories_are_refused() {
        let written = bytes(&map());
        for length in [0, 10, written.len() / 2, written.len() - 5] {
            assert!(FaultMap::read(Cursor::new(&written[..length])).is_err(), "cut to {length}");
        }
        let other = CellGeometry::new(2, 10, 2, 40).unwrap();
        let error = map().require(other).unwrap_err().to_string();
        assert!(error.contains("2 × 39 cells") && error.contains("2 × 40 cells"), "{error}");
        assert_eq!(map().require(geometry()).unwrap(), map());
    }

    /// The same cells by all three ways.
    #[test]
    fn measured_maps_are_read_cell_by_cell() {
        let (map, geometry) = (map(), geometry());
        let mut csv = String::from("# chip 7\nrow,column,fault\n");
        let mut npy = Vec::new();
        let shape = [20u64, 78];
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut npy).begin_nd().unwrap();
        for row in 0..20 {
            for column in 0..78 {
                let [up, down, transient] = map.fault(row, column);
                writer.push(&(u8::from(up) + 2 * u8::from(down) + 4 * u8::from(transient))).unwrap();
                if up || down {
                    let (sign, kind) = (if transient { "~" } else { "" }, if up { "0->1" } else { "1->0" });
                    csv += &format!("{row}, {column}, {sign}{kind}\n");
                }
            }
        }
        writer.finish().unwrap();
        let seedless = FaultMap { seed: 0, ..map };
        assert_eq!(FaultMap::from_npy(&npy[..], geometry).unwrap(), seedless);
        assert_eq!(FaultMap::from_csv(&csv, geometry).unwrap(), seedless);

        let other = CellGeometry::new(1, 10, 2, 39).unwrap();
        assert!(matches!(FaultMap::from_npy(&npy[..], other), Err(FaultMapError::Geometry { .. })));
        let at = npy.len() - 1;
        npy[at] = 9;
        assert!(FaultMap::from_npy(&npy[..], geometry).unwrap_err().to_string().contains("row 19, column 77"));
        for (line, complaint) in [
            ("1,2", "line 1"),
            ("20,2,flip", "0 to 19"),
            ("1,78,flip", "0 to 77"),
            ("1,2,flop", "flop"),
            ("-1,2,flip", "-1"),
            ("1,2,flip\n1,2,0->1", "line 2: cell 1,2 is listed twice"),
        ] {
            let error = FaultMap::from_csv(line, geometry).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
