//! The IDX format of MNIST and its relatives, gzipped or not.

use super::reader::{DataError, read_file};
use super::{Dataset, Split};
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;

/// What a data set needs besides pixels and labels.
pub(super) struct Description {
    pub(super) name: String,
    pub(super) classes: Vec<String>,
}

/// A stem and the bytes of its file, for the four files of a data set.
const STEMS: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Largest decompressed file accepted, 1 GiB: a damaged header must not exhaust memory.
const LARGEST: u64 = 1 << 30;

/// Reads the four IDX files of an MNIST-like data set (`train-images-idx3-ubyte[.gz]` and so on) from a folder. Classes are
/// named by their number.
pub(super) fn read_folder(folder: &Path, name: &str) -> Result<Dataset, DataError> {
    let mut files = Vec::new();
    for stem in STEMS {
        let candidates = [folder.join(format!("{stem}.gz")), folder.join(stem)];
        let path = candidates.into_iter().find(|path| path.is_file());
        let path = path.ok_or_else(|| DataError::Missing { folder: folder.to_owned(), stem })?;
        files.push((path.display().to_string(), read_file(&path)?));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).collect();
    read([files[0], files[1], files[2], files[3]], Description { name: name.to_owned(), classes: Vec::new() })
}

/// Reads training images and labels, then test images and labels; each is a file's name and content.
pub(super) fn read(files: [(&str, &[u8]); 4], description: Description) -> Result<Dataset, DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    let (train_shape, train) = read_split(train_images, train_labels)?;
    let (test_shape, test) = read_split(test_images, test_labels)?;
    if train_shape != test_shape {
        let problem = format!("images of {test_shape:?}, but those of {} are {train_shape:?}", train_images.0);
        return Err(DataError::Malformed { file: test_images.0.into(), problem });
    }
    let highest = |split: &Split| split.labels().iter().copied().max().unwrap_or(0);
    let labels = usize::from(highest(&train)) + 1;
    let classes = match description.classes {
        given if given.is_empty() => (0..labels).map(|class| class.to_string()).collect(),
        given => given,
    };
    for (file, split) in [(train_labels.0, &train), (test_labels.0, &test)] {
        let label = usize::from(highest(split));
        if label >= classes.len() {
            let problem = format!("label {label}, but there are only {} classes", classes.len());
            return Err(DataError::Malformed { file: file.into(), problem });
        }
    }
    Ok(Dataset { name: description.name, shape: [1, train_shape[0], train_shape[1]], classes, train, test })
}

fn read_split(images: (&str, &[u8]), labels: (&str, &[u8])) -> Result<([usize; 2], Split), DataError> {
    let (dimensions, pixels) = read_array::<3>(images)?;
    let ([count], labels_read) = read_array::<1>(labels)?;
    if dimensions[0] != count || count == 0 {
        let problem =
            format!("{count} labels for {} images; both need the same number, and one at least", dimensions[0]);
        return Err(DataError::Malformed { file: labels.0.into(), problem });
    }
    Ok(([dimensions[1], dimensions[2]], Split::new(dimensions[1] * dimensions[2], pixels, labels_read)))
}

/// Reads an IDX array of bytes with `D` dimensions.
fn read_array<const D: usize>((file, bytes): (&str, &[u8])) -> Result<([usize; D], Vec<u8>), DataError> {
    let malformed = |problem: String| DataError::Malformed { file: file.into(), problem };
    let mut content = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let decoded = GzDecoder::new(bytes).take(LARGEST).read_to_end(&mut content);
        decoded.map_err(|source| DataError::Read { file: file.into(), source })?;
    } else {
        content.extend_from_slice(bytes);
    }
    let header = 4 + 4 * D;
    if content.len() < header || content[..4] != [0, 0, 8, D as u8] {
        return Err(malformed(format!(
            "not an IDX file of bytes with {D} dimensions (it should begin 00 00 08 {D:02x})"
        )));
    }
    let dimensions: [usize; D] = std::array::from_fn(|dimension| {
        let bytes = &content[4 + 4 * dimension..][..4];
        bytes.iter().fold(0, |value, &byte| value << 8 | usize::from(byte))
    });
    let size = dimensions.iter().try_fold(1usize, |size, &dimension| size.checked_mul(dimension));
    let found = content.len() - header;
    if size != Some(found) {
        return Err(malformed(format!(
            "its header announces {dimensions:?} bytes, but {found} follow; is it whole?"
        )));
    }
    content.drain(..header);
    Ok((dimensions, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(dimensions: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
        bytes.extend(dimensions.iter().flat_map(|dimension| dimension.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn tiny(images: &[u8], labels: &[u8]) -> Result<Dataset, DataError> {
        let (good_images, good_labels) = (idx(&[2, 1, 2], &[1, 2, 3, 4]), idx(&[2], &[0, 1]));
        let files = [("a", images), ("b", labels), ("c", &good_images[..]), ("d", &good_labels[..])];
        read(files, Description { name: "tiny".into(), classes: Vec::new() })
    }

    #[test]
    fn good_files_are_read() {
        let data = tiny(&idx(&[1, 1, 2], &[7, 8]), &idx(&[1], &[1])).unwrap();
        assert_eq!((data.shape, data.train.sample(0), data.test.labels()), ([1, 1, 2], &[7, 8][..], &[0, 1][..]));
        assert_eq!(data.classes, ["0", "1"]);
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        let (images, labels) = (idx(&[1, 1, 2], &[7, 8]), idx(&[1], &[1]));
        let cases: [(&[u8], &[u8], &str); 7] = [
            (&images[..images.len() - 1], &labels, "a: its header announces [1, 1, 2]"),
            (b"", &labels, "a: not an IDX file"),
            (&[0x1f, 0x8b, 8, 0], &labels, "a: "),
            (&images, &images, "b: not an IDX file"),
            (&images, &idx(&[2], &[1, 1]), "b: 2 labels for 1 images"),
            (&idx(&[0, 1, 2], &[]), &idx(&[0], &[]), "b: 0 labels for 0 images"),
            (&idx(&[1, 2, 1], &[7, 8]), &labels, "c: images of [1, 2]"),
        ];
        for (images, labels, expected) in cases {
            let message = tiny(images, labels).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message} should start with {expected}");
        }
        let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[1]);
        assert!(tiny(&huge, &labels).unwrap_err().to_string().contains("its header announces"));
    }
}
