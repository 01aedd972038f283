//! Images as NumPy arrays in one NPZ file: `x_train`, `y_train`, `x_test` and `y_test`, as Keras keeps its data sets.

use super::reader::{DataError, dataset, read_file};
use super::{Dataset, Split};
use crate::npy::{self, NpyFile};
use std::io::{Cursor, Read, Seek};
use std::path::Path;

/// Most elements of an array: a damaged header must not exhaust memory.
const MOST_ELEMENTS: u64 = 1 << 30;

/// Reads an NPZ file.
pub(super) fn read_path(path: &Path, name: &str) -> Result<Dataset, DataError> {
    read(&path.display().to_string(), read_file(path)?, name)
}

fn read(file: &str, bytes: Vec<u8>, name: &str) -> Result<Dataset, DataError> {
    let malformed = |problem: String| DataError::Malformed { file: file.to_owned(), problem };
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| malformed(error.to_string()))?;
    let mut split = |images: &str, labels: &str| {
        let (shape, pixels) = bytes_of(&mut zip, images).map_err(malformed)?;
        let (_, labels) = bytes_of(&mut zip, labels).map_err(malformed)?;
        let count = shape.first().map_or(0, |&count| count as usize);
        if count == 0 || count != labels.len() {
            return Err(malformed(format!("{} labels for {count} images of {images}", labels.len())));
        }
        let size = |axis: usize| shape[axis] as usize;
        let (image, pixels) = match shape.len() {
            2 => ([1, 1, size(1)], pixels),
            3 => ([1, size(1), size(2)], pixels),
            4 if matches!(shape[3], 1 | 3) => {
                let image = [size(3), size(1), size(2)];
                (image, channels_first(&pixels, image))
            }
            4 => ([size(1), size(2), size(3)], pixels),
            axes => return Err(malformed(format!("{images} has {axes} dimensions; images need 2 to 4"))),
        };
        if image.contains(&0) {
            return Err(malformed(format!("{images} has empty images: {shape:?}")));
        }
        Ok((image, Split::new(image.iter().product(), pixels, labels)))
    };
    let ((shape, train), (test_shape, test)) = (split("x_train", "y_train")?, split("x_test", "y_test")?);
    if shape != test_shape {
        return Err(malformed(format!("training images of {shape:?}, test images of {test_shape:?}")));
    }
    dataset(name, shape, (file, train), (file, test))
}

/// From `[image][row][column][channel]` to `[image][channel][row][column]`.
fn channels_first(pixels: &[u8], [channels, rows, columns]: [usize; 3]) -> Vec<u8> {
    if rows * columns == 0 {
        return Vec::new();
    }
    let planes = |image| {
        (0..channels).flat_map(move |channel| {
            let image: &[u8] = image;
            image[channel..].iter().step_by(channels).copied()
        })
    };
    pixels.chunks_exact(channels * rows * columns).flat_map(planes).collect()
}

/// Shape and elements of an array of whole numbers 0…255.
fn bytes_of(zip: &mut zip::ZipArchive<impl Read + Seek>, key: &str) -> Result<(Vec<u64>, Vec<u8>), String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{key}: {error}");
    let entry = zip.by_name(&npy::file_name(key)).map_err(|error| unreadable(&error))?;
    let array = NpyFile::new(entry).map_err(|error| unreadable(&error))?;
    if array.len() > MOST_ELEMENTS {
        return Err(format!("{key}: {} elements are too many", array.len()));
    }
    if array.fortran_order() {
        return Err(format!("{key}: save it in C order"));
    }
    let (shape, kind) = (array.shape().to_vec(), array.code().to_owned());
    let narrow = |values: Vec<i64>| -> Result<Vec<u8>, String> {
        let byte = |value: i64| u8::try_from(value).map_err(|_| format!("{key}: {value} is not 0…255"));
        values.into_iter().map(byte).collect()
    };
    let values = match &*kind {
        "|u1" => array.into_vec::<u8>().map_err(|error| unreadable(&error))?,
        "<i8" => narrow(array.into_vec::<i64>().map_err(|error| unreadable(&error))?)?,
        "<i4" => {
            let values = array.into_vec::<i32>().map_err(|error| unreadable(&error))?;
            narrow(values.into_iter().map(i64::from).collect())?
        }
        other => return Err(format!("{key}: elements of type {other}; uint8, int32 and int64 are read")),
    };
    Ok((shape, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use std::io::Write;

    fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn archive(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn data(images: Vec<u8>, labels: Vec<u8>) -> Result<Dataset, DataError> {
        let test = [("x_test", npy(&[1, 1, 2, 3], &[9u8; 6])), ("y_test", npy(&[1], &[1i64]))];
        let entries = [("x_train", images), ("y_train", labels)];
        read("f.npz", archive(&[entries, test].concat()), "n")
    }

    #[test]
    fn channels_come_first_and_labels_may_be_wide() {
        // One row of two pixels of three channels.
        let pixels = [1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let data = data(npy(&[2, 1, 2, 3], &pixels), npy(&[2], &[0i64, 1])).unwrap();
        assert_eq!((data.shape, data.train.labels()), ([3, 1, 2], &[0, 1][..]));
        assert_eq!(data.train.sample(0), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn mistakes_are_named_with_their_array() {
        let (images, labels) = (npy(&[1, 1, 2, 3], &[1u8; 6]), npy(&[1], &[0i64]));
        for (images, labels, part) in [
            (npy(&[1, 6], &[0.5f64; 6]), labels.clone(), "x_train: elements of type"),
            (images.clone(), npy(&[1], &[256i64]), "y_train: 256 is not 0…255"),
            (images.clone(), npy(&[2], &[0i64, 1]), "2 labels for 1 images"),
            (npy(&[1, 1, 3, 2], &[1u8; 6]), labels.clone(), "training images of [1, 3, 2]"),
            (vec![1, 2, 3], labels, "x_train"),
        ] {
            let message = data(images, labels).unwrap_err().to_string();
            assert!(message.starts_with("f.npz: ") && message.contains(part), "{message} should say {part}");
        }
        let message = read("f.npz", archive(&[]), "n").unwrap_err().to_string();
        assert!(message.contains("x_train"), "{message}");
        assert!(read("f.npz", vec![0; 40], "n").is_err());
    }
}
