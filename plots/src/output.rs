//! A scene as SVG and PNG files.
//!
//! Both are drawn by plotters on a grid finer than a pixel: its coordinates are whole numbers. The SVG keeps the fine
//! grid as its coordinate system, the PNG is averaged down from it and written by the `png` crate, so that plotters need
//! not bring a library for every image format.

use crate::error::PlotError;
use crate::font::{self, Weight};
use crate::scene::{Align, Point, Scene, Shape, Text};
use crate::style::WHITE;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::{Circle, PathElement, Polygon};
use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, FontTransform, TextStyle};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::{fs, io, process};

/// Grid steps a point.
const GRID: f64 = 4.0;
/// Grid steps a pixel of the PNG, along each axis: two pixels a point.
const GRID_PER_PIXEL: usize = 2;

type DrawError<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// Writes `stem.svg` and `stem.png`, each complete or not at all.
pub(crate) fn write(scene: &Scene, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    let svg = Staged::beside(stem, "svg")?;
    let png = Staged::beside(stem, "png")?;
    let document = svg_document(scene).map_err(|reason| svg.encode_error(reason))?;
    fs::write(&svg.temporary, document).map_err(|source| svg.write_error(source))?;
    write_png(scene, &png)?;
    Ok([svg.publish()?, png.publish()?])
}

/// A file under a temporary name in its final directory; removed again unless published.
struct Staged {
    temporary: PathBuf,
    target: PathBuf,
}

impl Staged {
    fn beside(stem: &Path, extension: &str) -> Result<Self, PlotError> {
        let Some(name) = stem.file_name() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name");
            return Err(PlotError::Write { path: stem.into(), source });
        };
        // Appended, not set: the stem may hold a dot, as in `bam8@0.85V`.
        let named = |prefix: &str, suffix: &str| {
            let mut full = std::ffi::OsString::from(prefix);
            full.push(name);
            full.push(suffix);
            stem.with_file_name(full)
        };
        let temporary = named(".", &format!(".{extension}.{}.tmp", process::id()));
        Ok(Self { temporary, target: named("", &format!(".{extension}")) })
    }

    fn publish(self) -> Result<PathBuf, PlotError> {
        fs::rename(&self.temporary, &self.target).map_err(|source| self.write_error(source))?;
        Ok(self.target.clone())
    }

    fn write_error(&self, source: io::Error) -> PlotError {
        PlotError::Write { path: self.target.clone(), source }
    }

    fn encode_error(&self, reason: impl Display) -> PlotError {
        PlotError::Encode { path: self.target.clone(), reason: reason.to_string() }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nothing is there after publishing, or if nothing was written.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn on_grid((x, y): Point) -> (i32, i32) {
    ((x * GRID).round() as i32, (y * GRID).round() as i32)
}

fn grid_size(scene: &Scene) -> (u32, u32) {
    ((scene.width * GRID) as u32, (scene.height * GRID) as u32)
}

fn svg_document(scene: &Scene) -> Result<String, DrawError<SVGBackend<'static>>> {
    let (width, height) = grid_size(scene);
    let mut document = String::new();
    let drawn = draw_svg(scene, SVGBackend::with_string(&mut document, (width, height)));
    let fine = format!("width=\"{width}\" height=\"{height}\" viewBox");
    let shown = format!("width=\"{}\" height=\"{}\" viewBox", scene.width, scene.height);
    drawn.map(|()| document.replacen(&fine, &shown, 1))
}

fn draw_svg<B: DrawingBackend>(scene: &Scene, backend: B) -> Result<(), DrawError<B>> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    for shape in &scene.shapes {
        match shape {
            Shape::Fill { outline, colour } => {
                let corners: Vec<_> = outline.iter().copied().map(on_grid).collect();
                area.draw(&Polygon::new(corners, colour.filled()))?;
            }
            Shape::Line { path, colour, width } => {
                let style = colour.stroke_width((width * GRID).round().max(1.0) as u32);
                area.draw(&PathElement::new(path.iter().copied().map(on_grid).collect::<Vec<_>>(), style))?;
            }
            Shape::Text(text) => {
                let (style, at) = svg_text(text);
                area.draw_text(&text.content, &style, at)?;
            }
        }
    }
    area.present()
}

/// The SVG backend's style and position for a text. It takes sizes 1.24 times the em and, for an anchor at the top,
/// puts the baseline 0.76 em further down.
fn svg_text(text: &Text) -> (TextStyle<'_>, (i32, i32)) {
    let em = text.size * GRID;
    let font_style = match text.weight {
        Weight::Regular => FontStyle::Normal,
        Weight::Bold => FontStyle::Bold,
    };
    let anchor = match text.align {
        Align::Start => HPos::Left,
        Align::Middle => HPos::Center,
        Align::End => HPos::Right,
    };
    let (x, y) = on_grid(text.at);
    let down = (0.76 * em).round() as i32;
    let style = TextStyle::from((FontFamily::Name(font::FAMILIES), em * 1.24, font_style))
        .color(&text.colour)
        .pos(Pos::new(anchor, VPos::Top));
    if text.upwards { (style.transform(FontTransform::Rotate270), (x - down, y)) } else { (style, (x, y - down)) }
}

fn write_png(scene: &Scene, file: &Staged) -> Result<(), PlotError> {
    let (width, height) = grid_size(scene);
    let mut fine = vec![0; width as usize * height as usize * 3];
    draw_bitmap(scene, BitMapBackend::with_buffer(&mut fine, (width, height)))
        .map_err(|reason| file.encode_error(reason))?;
    let pixels = averaged(&fine, width as usize);
    let size = (width / GRID_PER_PIXEL as u32, height / GRID_PER_PIXEL as u32);
    let sink = fs::File::create(&file.temporary).map_err(|source| file.write_error(source))?;
    let mut encoder = png::Encoder::new(io::BufWriter::new(sink), size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&pixels)?;
        writer.finish()
    });
    written.map_err(|error| match error {
        png::EncodingError::IoError(source) => file.write_error(source),
        other => file.encode_error(other),
    })
}

fn draw_bitmap<B: DrawingBackend>(scene: &Scene, backend: B) -> Result<(), DrawError<B>> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    for shape in &scene.shapes {
        match shape {
            Shape::Fill { outline, colour } => {
                let corners: Vec<_> = outline.iter().copied().map(on_grid).collect();
                area.draw(&Polygon::new(corners, colour.filled()))?;
            }
            Shape::Line { path, colour, width } => {
                for outline in stroke_outlines(path, *width) {
                    area.draw(&Polygon::new(outline, colour.filled()))?;
                }
                // Round joins.
                for &joint in path.iter().skip(1).take(path.len().saturating_sub(2)) {
                    area.draw(&Circle::new(on_grid(joint), (width * GRID / 2.0) as i32, colour.filled()))?;
                }
            }
            Shape::Text(text) => {
                for ((x, y), coverage) in glyph_pixels(text) {
                    area.draw_pixel((x, y), &text.colour.mix(f64::from(coverage)))?;
                }
            }
        }
    }
    area.present()
}

/// A quadrilateral around each segment: plotters' own outline of a bent thick line crosses itself and leaves holes.
fn stroke_outlines(path: &[Point], width: f64) -> impl Iterator<Item = Vec<(i32, i32)>> {
    path.windows(2).map(move |pair| {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let half = width / 2.0 / dx.hypot(dy).max(f64::MIN_POSITIVE);
        let (nx, ny) = (-dy * half, dx * half);
        let corners = [(pair[0], 1.0), (pair[1], 1.0), (pair[1], -1.0), (pair[0], -1.0)];
        corners.map(|((x, y), side)| on_grid((x + side * nx, y + side * ny))).into()
    })
}

/// The grid steps a text covers, and how much of each.
fn glyph_pixels(text: &Text) -> Vec<((i32, i32), f32)> {
    let (x, y) = on_grid(text.start());
    let mut covered = Vec::new();
    font::rasterise(&text.content, text.size * GRID, text.weight, |right, down, coverage| {
        let at = if text.upwards { (x + down, y - right - 1) } else { (x + right, y + down) };
        covered.push((at, coverage));
    });
    covered
}

/// Mean of each block of grid steps that is one pixel; rows of `width` steps, three bytes each.
fn averaged(fine: &[u8], width: usize) -> Vec<u8> {
    const BLOCK: u16 = (GRID_PER_PIXEL * GRID_PER_PIXEL) as u16;
    let row_bytes = width * 3;
    let mut pixels = Vec::with_capacity(fine.len() / usize::from(BLOCK));
    for rows in fine.chunks_exact(row_bytes * GRID_PER_PIXEL) {
        for column in 0..width / GRID_PER_PIXEL {
            for channel in 0..3 {
                let first = column * GRID_PER_PIXEL * 3 + channel;
                let block = (0..GRID_PER_PIXEL).flat_map(|down| (0..GRID_PER_PIXEL).map(move |right| (down, right)));
                let sum: u16 = block.map(|(down, right)| u16::from(rows[first + down * row_bytes + right * 3])).sum();
                pixels.push(((sum + BLOCK / 2) / BLOCK) as u8);
            }
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::style::RGBColor;

    #[test]
    fn averaging_is_exact_on_a_small_picture() {
        // Two pixels side by side: one black-and-white chequered, one plain.
        let row = |left: [u8; 2], right: u8| {
            let bytes = [left[0], left[1], right, right];
            bytes.into_iter().flat_map(|byte| [byte; 3]).collect::<Vec<u8>>()
        };
        let fine = [row([0, 255], 10), row([255, 0], 10)].concat();
        assert_eq!(averaged(&fine, 4), [128, 128, 128, 10, 10, 10]);
    }

    #[test]
    fn a_thick_line_covers_its_area() {
        let mut scene = Scene::new(10.0, 10.0);
        scene.line(vec![(1.0, 5.0), (9.0, 5.0)], RGBColor(0, 0, 0), 2.0);
        let (width, height) = grid_size(&scene);
        let mut fine = vec![0; (width * height * 3) as usize];
        assert!(draw_bitmap(&scene, BitMapBackend::with_buffer(&mut fine, (width, height))).is_ok());
        let ink: f64 = fine.iter().map(|byte| 1.0 - f64::from(*byte) / 255.0).sum::<f64>() / 3.0;
        // 8 × 2 points, give or take the rim that plotters draws on both sides of an edge.
        let expected = 16.0 * GRID * GRID;
        assert!((expected..expected * 1.2).contains(&ink), "{ink} of {expected}");
    }
}
