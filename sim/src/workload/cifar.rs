//! The binary format of CIFAR-10 and CIFAR-100: records of labels and 3×32×32 bytes (Krizhevsky, *Learning Multiple Layers of
//! Features from Tiny Images*, 2009).

use super::reader::{DataError, read_file};
use super::{Dataset, Split};
use std::path::Path;

const SHAPE: [usize; 3] = [3, 32, 32];

/// Training and test files, labels before each image (the last one counts), and where classes are named.
struct Variant {
    train: &'static [&'static str],
    test: &'static str,
    labels: usize,
    classes: usize,
    names: &'static str,
}

const CIFAR_10: Variant = Variant {
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    labels: 1,
    classes: 10,
    names: "batches.meta.txt",
};

/// The fine label follows the coarse one.
const CIFAR_100: Variant =
    Variant { train: &["train.bin"], test: "test.bin", labels: 2, classes: 100, names: "fine_label_names.txt" };

/// Reads a folder that holds CIFAR-10 or CIFAR-100; `None` if it holds neither.
pub(super) fn read_folder(folder: &Path, name: &str) -> Option<Result<Dataset, DataError>> {
    let variant = [CIFAR_10, CIFAR_100].into_iter().find(|variant| folder.join(variant.train[0]).is_file())?;
    Some(variant.read(folder, name))
}

impl Variant {
    fn read(&self, folder: &Path, name: &str) -> Result<Dataset, DataError> {
        let split = |files: &[&str]| {
            let (mut pixels, mut labels) = (Vec::new(), Vec::new());
            for file in files {
                let path = folder.join(file);
                self.append((&path.display().to_string(), &read_file(&path)?), &mut pixels, &mut labels)?;
            }
            Ok(Split::new(SHAPE.iter().product(), pixels, labels))
        };
        let (train, test) = (split(self.train)?, split(&[self.test])?);
        let named = std::fs::read_to_string(folder.join(self.names)).unwrap_or_default();
        let named: Vec<String> =
            named.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let numbered = || (0..self.classes).map(|class| class.to_string()).collect();
        let classes = if named.len() == self.classes { named } else { numbered() };
        Ok(Dataset { name: name.to_owned(), shape: SHAPE, classes, train, test })
    }

    fn append(
        &self,
        (file, bytes): (&str, &[u8]),
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        let malformed = |problem: String| DataError::Malformed { file: file.to_owned(), problem };
        let record = self.labels + SHAPE.iter().product::<usize>();
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let problem = format!("{} bytes are not whole records of {record}; is the file whole?", bytes.len());
            return Err(malformed(problem));
        }
        for (number, record) in bytes.chunks_exact(record).enumerate() {
            let (label, image) = record.split_at(self.labels);
            let label = label[self.labels - 1];
            if usize::from(label) >= self.classes {
                return Err(malformed(format!("label {label} of image {number}, of {} classes", self.classes)));
            }
            labels.push(label);
            pixels.extend_from_slice(image);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_labels_and_images() {
        let mut record = vec![7u8];
        record.extend((0..3072).map(|place| (place % 251) as u8));
        let read = |variant: &Variant, bytes: &[u8]| {
            let (mut pixels, mut labels) = (Vec::new(), Vec::new());
            variant.append(("f", bytes), &mut pixels, &mut labels).map(|()| (pixels, labels))
        };
        let (pixels, labels) = read(&CIFAR_10, &record.repeat(2)).unwrap();
        assert_eq!((labels, pixels.len()), (vec![7, 7], 2 * 3072));
        assert_eq!(pixels[..3072], record[1..]);
        // Of a coarse and a fine label the fine one counts.
        let hundred = [&[3, 99][..], &record[1..]].concat();
        assert_eq!(read(&CIFAR_100, &hundred).unwrap().1, [99]);

        let message = |bytes: &[u8]| read(&CIFAR_10, bytes).unwrap_err().to_string();
        assert!(message(&record[1..]).contains("whole records of 3073"), "{}", message(&record[1..]));
        assert!(message(&[]).contains("whole records"));
        record[0] = 10;
        assert!(message(&record).contains("label 10 of image 0, of 10 classes"), "{}", message(&record));
    }

    #[test]
    fn a_folder_is_recognised_by_its_files() {
        let folder = std::env::temp_dir().join(format!("axtrain-cifar-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(read_folder(&folder, "none").is_none());
        let record = |label: u8| [vec![label], vec![label; 3072]].concat();
        for (number, file) in CIFAR_10.train.iter().enumerate() {
            std::fs::write(folder.join(file), record(number as u8)).unwrap();
        }
        assert!(read_folder(&folder, "c").unwrap().unwrap_err().to_string().contains("test_batch.bin"));
        std::fs::write(folder.join(CIFAR_10.test), record(9)).unwrap();
        let data = read_folder(&folder, "c").unwrap().unwrap();
        assert_eq!((data.train.labels(), data.test.labels()), (&[0, 1, 2, 3, 4][..], &[9][..]));
        assert_eq!((data.shape, data.classes.len(), data.name.as_str()), ([3, 32, 32], 10, "c"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
