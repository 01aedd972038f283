//! What the page says of failing memories.

use super::answer::signed_percent;
use super::html::{Cell, escaped, table};
use crate::summary::{nanojoules, percentage};
use axtrain_sim::memory::Content;
use axtrain_sim::report::{MemoryPoint, MemoryReport};
use std::fmt::Write;

/// The cheapest good pair of supplies, and every pair.
pub(super) fn section(report: &MemoryReport) -> String {
    let [target, wanted] = [report.target, report.yield_wanted].map(|share| share * 100.0);
    let saving = |point: &MemoryPoint| (point.energy_uj.total / report.reference_uj - 1.0) * 100.0;
    let contents = Content::list(&report.memories);
    let mut html = String::from("<ul class=\"answer\">");
    let goal = format!("at least {target:.1} % accuracy on {wanted:.0} % of chips");
    let _ = match report.cheapest(|_| true) {
        Some(best) => write!(
            html,
            "<li><b>{} energy</b> with {goal}: {}, {} training, {contents} in {}, logic at {:.2} V, memory at {:.3} V.</li>",
            signed_percent(saving(best), 0),
            escaped(&best.design),
            escaped(&best.method),
            escaped(&best.memory),
            best.supply_v,
            best.sram_v
        ),
        None => write!(html, "<li class=\"none\">No pair of supplies gives {goal}.</li>"),
    };
    html += "</ul>\n";
    let head = [
        "design",
        "training",
        "scheme",
        "logic",
        "memory",
        "cells fail",
        "accuracy",
        "worst chip",
        "yield",
        "energy an image",
        "change",
    ];
    let rows = report.points.iter().map(|point| {
        let percent = |share: f64| Cell::number(format!("{:.1} %", share * 100.0), share);
        vec![
            Cell::text(&point.design),
            Cell::text(&point.method),
            Cell::text(&point.memory),
            Cell::number(format!("{:.2} V", point.supply_v), point.supply_v),
            Cell::number(format!("{:.3} V", point.sram_v), point.sram_v),
            Cell::number(percentage(point.bit_error_rate), point.bit_error_rate),
            percent(point.accuracy),
            percent(point.worst),
            percent(point.yield_share),
            Cell::number(nanojoules(point.energy_uj.total), point.energy_uj.total),
            Cell::number(signed_percent(saving(point), 1), saving(point)),
        ]
    });
    html += &table(&head, rows, true);
    let _ = writeln!(
        html,
        "<p class=\"note\">Fault model {}, Vmin {} V, in the memory of {contents}; means over chips and seeds. Change: against all \
         memories at their nominal {} V with the logic at its highest supply.</p>",
        escaped(&report.model),
        report.vmin_v,
        report.nominal_v
    );
    for warning in &report.warnings {
        let _ = writeln!(html, "<p class=\"note\"><b>Warning</b>: {}</p>", escaped(warning));
    }
    html
}
