//! Images as comma-separated values: a header, and a line an image with its label and a number 0…255 for each pixel.

use super::reader::{DataError, dataset, read_file};
use super::{Dataset, Split};
use std::path::Path;

/// Names a label's column may have, whatever the case.
const LABELS: [&str; 3] = ["label", "class", "target"];

/// Reads `train.csv` and `test.csv` from a folder; `None` if the first is not there.
pub(super) fn read_folder(folder: &Path, name: &str) -> Option<Result<Dataset, DataError>> {
    let path = folder.join("train.csv");
    path.is_file().then(|| {
        let test = folder.join("test.csv");
        let split = |path: &Path| {
            let file = path.display().to_string();
            let bytes = read_file(path)?;
            let text = std::str::from_utf8(&bytes).map_err(|error| malformed(&file, error.to_string()))?;
            read_split(&file, text)
        };
        let (train, tested) = (split(&path)?, split(&test)?);
        dataset(
            name,
            image_shape(train.features()),
            (&path.display().to_string(), train),
            (&test.display().to_string(), tested),
        )
    })
}

fn malformed(file: &str, problem: String) -> DataError {
    DataError::Malformed { file: file.to_owned(), problem }
}

/// A square, if there are so many pixels; otherwise a line.
fn image_shape(features: usize) -> [usize; 3] {
    let side = features.isqrt();
    if side * side == features { [1, side, side] } else { [1, 1, features] }
}

fn read_split(file: &str, text: &str) -> Result<Split, DataError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let columns: Vec<&str> =
        lines.next().map_or(Vec::new(), |(_, header)| header.split(',').map(str::trim).collect());
    let is_label = |column: &&str| LABELS.iter().any(|label| column.eq_ignore_ascii_case(label));
    let label_column = columns.iter().position(is_label).ok_or_else(|| {
        malformed(file, format!("no column is called {}; the first line must name the columns", LABELS.join(" or ")))
    })?;
    if columns.len() < 2 {
        return Err(malformed(file, "there are no columns of pixels".to_owned()));
    }
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        let before = pixels.len();
        for (column, value) in line.split(',').enumerate() {
            let value: u8 = value.trim().parse().map_err(|_| {
                let name = columns.get(column).copied().unwrap_or("beyond the header");
                malformed(file, format!("line {}, column {name}: \"{value}\" is no whole number 0…255", number + 1))
            })?;
            if column == label_column { labels.push(value) } else { pixels.push(value) }
        }
        let found = pixels.len() - before + 1;
        if found != columns.len() {
            let problem = format!("line {} has {found} values for {} columns", number + 1, columns.len());
            return Err(malformed(file, problem));
        }
    }
    if labels.is_empty() {
        return Err(malformed(file, "there are no images below the header".to_owned()));
    }
    Ok(Split::new(columns.len() - 1, pixels, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_and_pixels_are_read_wherever_the_label_stands() {
        let split = read_split("f", "p0,Label,p1\n1,0,255\n\n3, 1 ,4\n").unwrap();
        assert_eq!((split.pixels(), split.labels()), (&[1, 255, 3, 4][..], &[0, 1][..]));
        assert_eq!((image_shape(784), image_shape(13)), ([1, 28, 28], [1, 1, 13]));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, part) in [
            ("", "no column is called label"),
            ("a,b\n1,2\n", "no column is called label"),
            ("label\n1\n", "no columns of pixels"),
            ("label,a\n", "no images"),
            ("label,a\n1,256\n", "line 2, column a: \"256\""),
            ("label,a\n-1,2\n", "line 2, column label: \"-1\""),
            ("label,a\n1,2\n1\n", "line 3 has 1 values for 2 columns"),
            ("label,a\n1,2,3\n", "line 2 has 3 values for 2 columns"),
        ] {
            let message = read_split("f.csv", text).unwrap_err().to_string();
            assert!(message.starts_with("f.csv: ") && message.contains(part), "{message} should say {part}");
        }
    }
}
