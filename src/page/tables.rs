//! The page's tables, and where its numbers come from.

use super::Contents;
use super::answer::{percent, signed_percent};
use super::html::{Cell, escaped, table};
use crate::summary::{nanojoules, percentage};
use axtrain_sim::report::{Standing, standings};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Records shown; a page with more would be slow to open.
const SHOWN_RECORDS: usize = 2000;

impl Contents<'_> {
    /// Means over seeds.
    pub(super) fn operating_points(&self) -> String {
        let head = [
            "design",
            "training",
            "supply",
            "accuracy",
            "products wrong",
            "energy an image",
            "against reference",
            "unbeaten",
        ];
        let rows = self.points.iter().zip(standings(&self.points)).map(|(point, standing)| {
            let saving = self.saving(point).map(|saving| saving * 100.0);
            let unbeaten = match standing {
                Standing::Front => "yes",
                Standing::WithinNoise => "within noise",
                Standing::Dominated => "",
            };
            vec![
                Cell::text(&point.design),
                Cell::text(&point.method),
                Cell::number(format!("{:.3} V", point.supply_v), point.supply_v),
                Cell::number(percent(point), point.accuracy.mean),
                Cell::number(percentage(point.product_error_rate), point.product_error_rate),
                Cell::number(nanojoules(point.energy_uj.total), point.energy_uj.total),
                saving.map_or(Cell::text("–"), |saving| Cell::number(signed_percent(saving, 1), saving)),
                Cell::text(unbeaten),
            ]
        });
        let note = "<p class=\"note\">Unbeaten: no other point is at least as accurate for at most the energy. Within noise: \
                    some is, but not beyond the upper end of this point’s interval.</p>\n";
        table(&head, rows, true) + note
    }

    pub(super) fn designs(&self) -> String {
        let head = [
            "design",
            "family",
            "area",
            "critical path",
            "mean error distance",
            "worst error",
            "wrong products",
            "settles down to",
        ];
        let rows = self.run.characterizations.iter().map(|report| {
            let error = &report.approximation.error;
            let area = report.structure.map_or(Cell::text("–"), |structure| {
                Cell::number(format!("{:.0} µm²", structure.area_um2), structure.area_um2)
            });
            let path = report.structure.map_or(Cell::text("–"), |structure| {
                Cell::number(format!("{:.0} ps", structure.critical_path_ps), structure.critical_path_ps)
            });
            let critical = report.critical_supply_v;
            vec![
                Cell::text(&report.design.name),
                Cell::text(&report.design.family),
                area,
                path,
                Cell::number(format!("{:.2}", error.mae), error.mae),
                Cell::number(error.wce.to_string(), error.wce as f64),
                Cell::number(format!("{:.2} %", error.ep_percent), error.ep_percent),
                critical.map_or(Cell::text("–"), |supply| Cell::number(format!("{supply:.3} V"), supply)),
            ]
        });
        let note = "<p class=\"note\">Errors of settled products against exact ones, in units of the product’s last place, over all \
                    operands. Down to the supply given, static timing holds at this clock.</p>\n";
        table(&head, rows, false) + note
    }

    /// Every simulated point with its line in `records.jsonl`.
    pub(super) fn records(&self) -> String {
        let head =
            ["line", "design", "training", "seed", "supply", "accuracy", "95 % of images", "energy", "latency"];
        let records = &self.run.records;
        let rows = records.iter().enumerate().take(SHOWN_RECORDS).map(|(index, record)| {
            let [low, high] = record.accuracy_ci95.map(|end| format!("{:.1}", end * 100.0));
            vec![
                Cell::number((index + 1).to_string(), index as f64),
                Cell::text(&record.point.design),
                Cell::text(&record.point.method),
                Cell::number(record.point.seed.to_string(), record.point.seed as f64),
                Cell::number(format!("{:.3} V", record.point.supply_v), record.point.supply_v),
                Cell::number(format!("{:.2} %", record.accuracy * 100.0), record.accuracy),
                Cell::text(format!("{low}–{high} %")),
                Cell::number(nanojoules(record.energy_uj.total), record.energy_uj.total),
                Cell::number(format!("{:.2} µs", record.latency_us), record.latency_us),
            ]
        });
        let mut html = table(&head, rows, true);
        let shown = records.len().min(SHOWN_RECORDS);
        let _ = writeln!(
            html,
            "<p class=\"note\">{} of {} records, with their lines in <code>records.jsonl</code>, which has every component of \
             the energy.</p>",
            if shown == records.len() { "All".to_owned() } else { format!("The first {shown}") },
            records.len()
        );
        html
    }

    pub(super) fn provenance(&self, experiment: &str) -> String {
        let mut warnings: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut versions, mut tables) = (BTreeMap::new(), BTreeMap::new());
        for record in &self.run.records {
            let origin = &record.provenance;
            origin.warnings.iter().for_each(|warning| *warnings.entry(warning).or_default() += 1);
            versions.insert((&origin.version, &origin.experiment_sha256), ());
            tables.insert((&record.point.design, &origin.table_sha256), ());
        }
        let mut html = String::from("<ul>\n");
        for (version, experiment) in versions.keys() {
            let _ = writeln!(
                html,
                "<li>axtrain {}, experiment <code>{}</code></li>",
                escaped(version),
                escaped(experiment)
            );
        }
        for (design, table) in tables.keys() {
            let _ = writeln!(html, "<li>product table of {}: <code>{}</code></li>", escaped(design), escaped(table));
        }
        for (warning, count) in warnings {
            let _ = writeln!(html, "<li><b>Warning</b> ({count} records): {}</li>", escaped(warning));
        }
        html += "</ul>\n";
        if !experiment.is_empty() {
            let _ = writeln!(
                html,
                "<details><summary>The experiment’s file</summary><pre>{}</pre></details>",
                escaped(experiment)
            );
        }
        html
    }
}
