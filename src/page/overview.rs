//! `report.html` of a sweep: which variation saves how much, each with a link to its own page.

use super::answer::{percent, signed_percent};
use super::figures;
use super::html::{Cell, Html, escaped, table};
use crate::failure::Failure;
use crate::output::write_atomically;
use crate::summary::{ACCEPTED_LOSSES, loss_in_points, nanojoules};
use crate::sweep::{Line, Unbeaten, cheapest};
use axtrain_sim::config::Axis;
use std::path::{Path, PathBuf};

/// Writes the page of the sweep in `root`.
pub(crate) fn write_overview(
    root: &Path,
    axes: &[Axis],
    lines: &[Line],
    front: &[Unbeaten<'_>],
) -> Result<PathBuf, Failure> {
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut page = Html::default();
    page.element("h1", &format!("Energy against accuracy: {}", escaped(&name)));
    let swept: Vec<String> = axes.iter().map(|axis| format!("{} ({})", axis.key, axis.values.len())).collect();
    page.paragraph(&escaped(&format!("{} variations over {}", lines.len(), swept.join(", "))));
    page.section("answer", "Answer", &answer(lines));
    for (_, svg) in figures(&root.join("figures"))? {
        page.figure(&svg);
    }
    if !front.is_empty() {
        page.section("front", "Unbeaten in all variations", &unbeaten(front));
    }
    page.section("variations", "Variations", &variations(lines));
    let path = root.join("report.html");
    write_atomically(&path, page.document(&name).as_bytes())?;
    Ok(path)
}

fn answer(lines: &[Line]) -> String {
    let mut html = String::from("<ul class=\"answer\">\n");
    let mut compared_with =
        "Each variation is compared with its own baseline at full supply, trained the first way".to_owned();
    for (index, loss) in ACCEPTED_LOSSES.into_iter().enumerate() {
        let within = loss_in_points(loss);
        let found = match cheapest(lines, loss) {
            Some(cheapest) => {
                let (best, saved) = (cheapest.best, cheapest.saved());
                let (accuracy, energy) = (percent(&best.reference), nanojoules(best.reference.energy_uj.total));
                let place = link(best);
                compared_with = format!(
                    "Compared with the most accurate baseline at full supply: {accuracy}, {energy} an image, in {place}"
                );
                Some((cheapest.found.line, cheapest.found.point, saved))
            }
            None => {
                let most = lines.iter().max_by(|a, b| a.saved[index].total_cmp(&b.saved[index]));
                most.and_then(|line| Some((line, line.best[index].as_ref()?, line.saved[index])))
            }
        };
        html += &match found {
            Some((line, point, saved)) if saved > 0.0 => format!(
                "<li><b>{:.0} % less energy</b> within {within} of accuracy: {}, {} training, {:.2} V in {}. {}, {} an image.</li>\n",
                100.0 * saved,
                escaped(&point.design),
                escaped(&point.method),
                point.supply_v,
                link(line),
                percent(point),
                nanojoules(point.energy_uj.total)
            ),
            _ => format!("<li class=\"none\">Nothing saves energy within {within} of accuracy.</li>\n"),
        };
    }
    html + &format!("</ul>\n<p class=\"note\">{compared_with}.</p>\n")
}

/// Points that no other of any variation beats.
fn unbeaten(front: &[Unbeaten<'_>]) -> String {
    let head = ["energy an image", "accuracy", "design", "training", "supply", "variation"];
    let rows = front.iter().map(|Unbeaten { line, point }| {
        vec![
            Cell::number(nanojoules(point.energy_uj.total), point.energy_uj.total),
            Cell::number(percent(point), point.accuracy.mean),
            Cell::text(&point.design),
            Cell::text(&point.method),
            Cell::number(format!("{:.3} V", point.supply_v), point.supply_v),
            folder(line),
        ]
    });
    table(&head, rows, true)
        + "<p class=\"note\">No other point of any variation is at least as accurate for at most the energy.</p>\n"
}

/// A variation's name, with a link to its own page if it has one.
fn link(line: &Line) -> String {
    let name = escaped(&line.folder);
    if line.has_report { format!("<a href=\"{name}/report.html\">{name}</a>") } else { name }
}

fn folder(line: &Line) -> Cell {
    match line.has_report {
        true => Cell::link(&line.folder, &format!("{}/report.html", line.folder)),
        false => Cell::text(&line.folder),
    }
}

fn variations(lines: &[Line]) -> String {
    let keys: Vec<String> =
        lines.first().map(|line| line.settings.iter().map(|(key, _)| key.clone()).collect()).unwrap_or_default();
    let losses = ACCEPTED_LOSSES.map(|loss| format!("within {}", loss_in_points(loss)));
    let mut head = vec!["variation"];
    head.extend(keys.iter().map(String::as_str));
    head.extend(["baseline", "its energy"]);
    head.extend(losses.iter().map(String::as_str));
    let rows = lines.iter().map(|line| {
        let mut row = vec![folder(line)];
        row.extend(keys.iter().map(|key| {
            let value = line.settings.iter().find(|(own, _)| own == key).map_or("–", |(_, value)| value);
            value.parse::<f64>().map_or_else(|_| Cell::text(value), |number| Cell::number(value, number))
        }));
        row.push(Cell::number(percent(&line.reference), line.reference.accuracy.mean));
        row.push(Cell::number(nanojoules(line.reference.energy_uj.total), line.reference.energy_uj.total));
        row.extend((0..losses.len()).map(|loss| match (line.saved[loss], &line.best[loss]) {
            (saved, Some(best)) if saved > 0.0 => Cell::number(
                format!(
                    "{} {} {} {:.2} V",
                    signed_percent(-100.0 * saved, 0),
                    best.design,
                    best.method,
                    best.supply_v
                ),
                saved,
            ),
            _ => Cell::text("none"),
        }));
        row
    });
    table(&head, rows, true)
}
