//! Data sets inside the program, so that a fresh clone runs without downloads. Sources and licences: `data/README.md`.

use super::Dataset;
use super::idx::{Description, read};

macro_rules! file {
    ($path:literal) => {
        ($path, include_bytes!(concat!("../../data/", $path)) as &[u8])
    };
}

const DIGITS: [(&str, &[u8]); 4] = [
    file!("digits/train-images-idx3-ubyte.gz"),
    file!("digits/train-labels-idx1-ubyte.gz"),
    file!("digits/t10k-images-idx3-ubyte.gz"),
    file!("digits/t10k-labels-idx1-ubyte.gz"),
];

const FASHION_MNIST: [(&str, &[u8]); 4] = [
    file!("fashion-mnist/train-images-idx3-ubyte.gz"),
    file!("fashion-mnist/train-labels-idx1-ubyte.gz"),
    file!("fashion-mnist/t10k-images-idx3-ubyte.gz"),
    file!("fashion-mnist/t10k-labels-idx1-ubyte.gz"),
];

const BREAST_CANCER: [(&str, &[u8]); 4] = [
    file!("breast-cancer/train-images-idx3-ubyte.gz"),
    file!("breast-cancer/train-labels-idx1-ubyte.gz"),
    file!("breast-cancer/t10k-images-idx3-ubyte.gz"),
    file!("breast-cancer/t10k-labels-idx1-ubyte.gz"),
];

const CLOTHES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

impl Dataset {
    /// Names [`Self::embedded`] knows.
    pub const EMBEDDED: [&str; 3] = ["digits", "fashion-mnist", "breast-cancer"];

    /// A data set by name: `digits` (1,438 + 359 images of 8×8), `fashion-mnist` (8,000 + 2,000 of 28×28) or `breast-cancer` (456 + 113
    /// samples of 30 features).
    pub fn embedded(name: &str) -> Option<Dataset> {
        let (files, classes) = match name {
            "digits" => (DIGITS, Vec::new()),
            "fashion-mnist" => (FASHION_MNIST, CLOTHES.map(str::to_owned).to_vec()),
            "breast-cancer" => (BREAST_CANCER, ["malignant", "benign"].map(str::to_owned).to_vec()),
            _ => return None,
        };
        Some(read(files, Description { name: name.to_owned(), classes }).expect("embedded data are whole"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_data_have_their_published_sizes_and_every_class() {
        for (name, shape, train, test) in
            [("digits", [1, 8, 8], 1438, 359), ("fashion-mnist", [1, 28, 28], 8000, 2000)]
        {
            let data = Dataset::embedded(name).unwrap();
            assert_eq!((data.shape, data.train.len(), data.test.len()), (shape, train, test));
            for split in [&data.train, &data.test] {
                for class in 0..10 {
                    // Both sets are balanced as a whole; a split of some hundred images strays by a few percent.
                    let share = split.labels().iter().filter(|&&label| label == class).count() as f64;
                    assert!((0.05..0.15).contains(&(share / split.len() as f64)), "{name}: class {class}");
                }
            }
            assert_eq!(data.classes.len(), 10);
        }
        let cancer = Dataset::embedded("breast-cancer").unwrap();
        assert_eq!((cancer.shape, cancer.train.len(), cancer.test.len()), ([1, 1, 30], 456, 113));
        // 212 of the 569 are malignant, and each feature takes its whole range in training.
        let malignant = cancer.train.labels().iter().chain(cancer.test.labels()).filter(|&&label| label == 0).count();
        assert_eq!(malignant, 212);
        for feature in 0..30 {
            let column: Vec<u8> = cancer.train.pixels().iter().skip(feature).step_by(30).copied().collect();
            assert_eq!((column.iter().min(), column.iter().max()), (Some(&0), Some(&255)), "feature {feature}");
        }
        assert_eq!(Dataset::embedded("imagenet"), None);
    }
}
