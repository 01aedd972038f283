//! The bundled typeface: widths for layout, coverage for bitmaps.

use ab_glyph::{Font, FontRef, Glyph, PxScale, point};
use std::sync::LazyLock;

/// Families an SVG viewer should try, all about equally wide.
pub(crate) const FAMILIES: &str = "Roboto, Helvetica, Arial, sans-serif";

/// Height of capitals and digits above the baseline, in ems (`sCapHeight` / `unitsPerEm`).
pub(crate) const CAP_HEIGHT: f64 = 1456.0 / 2048.0;

/// How far letters reach below the baseline, in ems.
pub(crate) const DESCENT: f64 = 0.21;

static REGULAR: LazyLock<FontRef> = LazyLock::new(|| parsed(include_bytes!("../fonts/Roboto-Regular.ttf")));
static BOLD: LazyLock<FontRef> = LazyLock::new(|| parsed(include_bytes!("../fonts/Roboto-Bold.ttf")));

fn parsed(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("a bundled font is a valid font")
}

/// Thickness of the strokes of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

impl Weight {
    fn font(self) -> &'static FontRef<'static> {
        match self {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }
}

/// Width of `text` with an em of `size`, in the unit of `size`.
pub(crate) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let font = weight.font();
    let advances = text.chars().map(|character| f64::from(font.h_advance_unscaled(font.glyph_id(character))));
    advances.sum::<f64>() * size / units_per_em(font)
}

/// `text` itself, or as much of it as fits `available` and an ellipsis.
pub(crate) fn fitted(text: &str, size: f64, weight: Weight, available: f64) -> String {
    if width(text, size, weight) <= available {
        return text.into();
    }
    let mut kept: String = text.into();
    while kept.pop().is_some() {
        let shortened = format!("{}…", kept.trim_end());
        if width(&shortened, size, weight) <= available {
            return shortened;
        }
    }
    "…".into()
}

/// `text` broken at spaces into lines that fit `available`, words longer than a line shortened.
pub(crate) fn wrapped(text: &str, size: f64, weight: Weight, available: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer.filter(|line| width(line, size, weight) <= available) {
            Some(line) => *lines.last_mut().expect("a line was extended") = line,
            None => lines.push(fitted(word, size, weight, available)),
        }
    }
    lines
}

/// Calls `pixel(x, y, coverage)` for every pixel that `text` touches, relative to the start of its baseline, y down.
pub(crate) fn rasterise(text: &str, size: f64, weight: Weight, mut pixel: impl FnMut(i32, i32, f32)) {
    let font = weight.font();
    // The library scales by the height of a line, figures by the em.
    let scale = PxScale::from((size * f64::from(font.height_unscaled()) / units_per_em(font)) as f32);
    let mut x = 0.0;
    for character in text.chars() {
        let id = font.glyph_id(character);
        let glyph = Glyph { id, scale, position: point(x as f32, 0.0) };
        if let Some(outline) = font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|column, row, coverage| {
                pixel(corner.x as i32 + column as i32, corner.y as i32 + row as i32, coverage.min(1.0));
            });
        }
        x += f64::from(font.h_advance_unscaled(id)) * size / units_per_em(font);
    }
}

fn units_per_em(font: &FontRef) -> f64 {
    f64::from(font.units_per_em().expect("a bundled font has an em"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_the_figures_use_is_in_both_weights() {
        for weight in [Weight::Regular, Weight::Bold] {
            for character in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻µ×−±≤≥–…·%".chars() {
                assert_ne!(weight.font().glyph_id(character).0, 0, "{character} in {weight:?}");
            }
        }
    }

    #[test]
    fn ink_stays_within_the_width_and_the_cap_height() {
        // No side of H has ink outside its advance, and H is as tall as capitals are.
        let (mut left, mut right, mut top, mut bottom) = (i32::MAX, i32::MIN, i32::MAX, i32::MIN);
        rasterise("HH", 100.0, Weight::Regular, |x, y, coverage| {
            if coverage > 0.5 {
                (left, right) = (left.min(x), right.max(x + 1));
                (top, bottom) = (top.min(y), bottom.max(y + 1));
            }
        });
        assert!(left > 0 && f64::from(right) < width("HH", 100.0, Weight::Regular));
        assert!((f64::from(-top) - 100.0 * CAP_HEIGHT).abs() <= 1.0 && bottom == 0);
    }

    #[test]
    fn long_text_is_shortened_to_fit() {
        let available = width("a broken-arr…", 12.0, Weight::Regular);
        assert_eq!(fitted("a broken-array multiplier", 12.0, Weight::Regular, available), "a broken-arr…");
        assert_eq!(fitted("short", 12.0, Weight::Regular, 500.0), "short");
    }

    #[test]
    fn wrapping_keeps_every_word() {
        let text = "one two three four five six seven";
        let lines = wrapped(text, 12.0, Weight::Regular, 80.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 12.0, Weight::Regular) <= 80.0));
        assert_eq!(lines.join(" "), text);
    }
}
