//! How well images are classified.

use statrs::distribution::{ContinuousCDF, Normal};

/// How many images were classified as labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy {
    /// Images classified as labelled.
    pub correct: usize,
    /// Images judged.
    pub images: usize,
}

impl Accuracy {
    /// Compares classes with labels.
    ///
    /// # Panics
    /// If their numbers differ.
    pub fn of(classes: &[u8], labels: &[u8]) -> Self {
        assert_eq!(classes.len(), labels.len(), "a label for each image");
        let correct = classes.iter().zip(labels).filter(|(class, label)| class == label).count();
        Self { correct, images: labels.len() }
    }

    /// Share of images classified as labelled; not a number without images.
    pub fn fraction(self) -> f64 {
        self.correct as f64 / self.images as f64
    }

    /// Bounds between which the true share lies at the given confidence (0.95 for 95 %), from sampling of the images
    /// alone: the score interval of Wilson (J. Am. Stat. Assoc. 22, 1927). 0…1 without images.
    ///
    /// # Panics
    /// Unless 0 < confidence < 1.
    pub fn interval(self, confidence: f64) -> [f64; 2] {
        assert!(0.0 < confidence && confidence < 1.0, "a confidence of {confidence}");
        if self.images == 0 {
            return [0.0, 1.0];
        }
        let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
        let (n, p) = (self.images as f64, self.fraction());
        let centre = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [centre - half, centre + half].map(|bound| (bound / (1.0 + z * z / n)).clamp(0.0, 1.0))
    }
}

/// Mean cross-entropy in nats between labels and the softmax of class scores, `[image][class]`, of which one unit is `scale`; not
/// a number without images.
///
/// # Panics
/// If there is not a row of scores for each label, or a label is no class.
pub fn cross_entropy(scores: &[i32], scale: f64, labels: &[u8]) -> f64 {
    let classes = scores.len().checked_div(labels.len()).unwrap_or(0);
    assert_eq!(scores.len(), classes * labels.len(), "scores of each image");
    let of_image = |(scores, &label): (&[i32], &u8)| {
        let right = scores[usize::from(label)];
        // Relative to the right score, of which the largest is taken out so that no power overflows.
        let over = |score: i32| scale * (f64::from(score) - f64::from(right));
        let largest = scores.iter().map(|&score| over(score)).fold(f64::MIN, f64::max);
        largest + scores.iter().map(|&score| (over(score) - largest).exp()).sum::<f64>().ln()
    };
    scores.chunks_exact(classes.max(1)).zip(labels).map(of_image).sum::<f64>() / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_that_of_the_softmax() {
        // Shares 1/6, 2/6, 3/6 and 1/2, 1/4, 1/4: logarithms of 2 and 3 in units of 10⁻⁶.
        let (two, three) = (693_147, 1_098_612);
        let scores = [0, two, three, 5 + two, 5, 5];
        let expected = (3f64.ln() + 4f64.ln()) / 2.0;
        assert!((cross_entropy(&scores, 1e-6, &[1, 2]) - expected).abs() < 1e-5);
        // Nothing overflows, however far apart scores are.
        assert_eq!(cross_entropy(&[i32::MAX, i32::MIN], 1.0, &[0]), 0.0);
        assert_eq!(cross_entropy(&[i32::MAX, i32::MIN], 1.0, &[1]), f64::from(i32::MAX) - f64::from(i32::MIN));
    }

    #[test]
    fn accuracy_counts_agreement() {
        let accuracy = Accuracy::of(&[1, 2, 3, 4], &[1, 2, 0, 0]);
        assert_eq!(accuracy, Accuracy { correct: 2, images: 4 });
        assert_eq!(accuracy.fraction(), 0.5);
    }

    /// The bounds are the shares p for which the observed share lies z standard deviations of p away.
    #[test]
    fn interval_bounds_solve_the_score_equation() {
        let z = 1.959_963_984_540_054; // The 97.5 % point of the standard normal distribution.
        for (correct, images) in [(1, 10), (50, 100), (1730, 2000), (1999, 2000)] {
            let accuracy = Accuracy { correct, images };
            for bound in accuracy.interval(0.95) {
                let deviation = (bound * (1.0 - bound) / images as f64).sqrt();
                assert!(((accuracy.fraction() - bound).abs() - z * deviation).abs() < 1e-9, "{accuracy:?}");
            }
        }
        assert_eq!(Accuracy { correct: 0, images: 50 }.interval(0.95)[0], 0.0);
        assert_eq!(Accuracy { correct: 50, images: 50 }.interval(0.95)[1], 1.0);
        assert_eq!(Accuracy { correct: 0, images: 0 }.interval(0.95), [0.0, 1.0]);
    }
}
