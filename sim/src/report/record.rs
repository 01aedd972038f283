//! One simulated point: what ran, how accurate it was, and what it cost.

use crate::array::{EnergyComponents, GateLayer, PointRun, StageErrors};
use crate::profile::TimingErrors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Multiplier.
    pub design: String,
    /// Technology.
    pub technology: String,
    /// Array.
    pub array: String,
    /// Data set.
    pub dataset: String,
    /// Network.
    pub model: String,
    /// Training method.
    pub method: String,
    /// Seed the network was trained with.
    pub seed: u64,
    /// Supply of the logic, V.
    pub supply_v: f64,
    /// Supply of the weight memory, V.
    pub sram_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// How true to the gates the products are.
    pub fidelity: String,
    /// Chip, if memory cells fail.
    pub chip: Option<u64>,
    /// How weights are stored and protected, if the network was trained for it or memory cells fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Share of memory cells that fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_error_rate: Option<f64>,
    /// Value of each axis of a sweep, by its key in the experiment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl Point {
    /// Everything but design, method, logic's supply, seed and chip, as `name value`.
    pub fn conditions(&self) -> Vec<String> {
        let always = [
            format!("array {}", self.array),
            format!("data {}", self.dataset),
            format!("model {}", self.model),
            format!("fidelity {}", self.fidelity),
            format!("sram {} V", self.sram_v),
            format!("clock {} ps", self.clock_ps),
        ];
        let memory = self.memory.as_ref().map(|memory| format!("memory {memory}"));
        let rate = self.bit_error_rate.map(|rate| format!("bit errors {rate}"));
        let settings = self.settings.iter().map(|(key, value)| format!("{key} {value}"));
        // An axis of a sweep may say again what stands there already.
        let settings = settings.filter(|setting| !always.contains(setting)).collect::<Vec<_>>();
        always.iter().cloned().chain(memory).chain(rate).chain(settings).collect()
    }
}

/// Where a result comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// SHA-256 of the experiment file.
    pub experiment_sha256: String,
    /// SHA-256 of the design's product table.
    pub table_sha256: String,
    /// Hash of everything that determined the weights.
    pub weights_fingerprint: String,
    /// Conditions under which the numbers mean less than they seem to; empty if there are none.
    pub warnings: Vec<String>,
}

/// Captured less settled results of the pipeline stages of all elements, over all layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageErrorAverages {
    /// Products.
    pub multiplier: TimingErrors,
    /// Their additions, given the operands that the adder got.
    pub accumulator: TimingErrors,
    /// Additions of sums in rows without work, and below the columns to what memory holds.
    pub passing: TimingErrors,
}

impl StageErrorAverages {
    /// Of an inference, if it went through the gates.
    pub fn of(run: &PointRun) -> Option<Self> {
        let (first, rest) = run.gates.split_first()?;
        let total = |of: fn(&GateLayer) -> &StageErrors| {
            let mut total = of(first).clone();
            rest.iter().for_each(|layer| total.merge(of(layer)));
            total.averages()
        };
        Some(Self {
            multiplier: total(|layer| &layer.multiplier),
            accumulator: total(|layer| &layer.accumulator),
            passing: total(|layer| &layer.passing),
        })
    }
}

/// Result at one point. Energy, cycles and latency are per image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub schema: String,
    /// What was simulated.
    pub point: Point,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// 95 % confidence interval of the accuracy (Wilson score), from the finite number of images.
    pub accuracy_ci95: [f64; 2],
    /// Test images.
    pub images: usize,
    /// Clock cycles.
    pub cycles: f64,
    /// Time, µs.
    pub latency_us: f64,
    /// Energy, µJ.
    pub energy_uj: EnergyComponents,
    /// Share of multiplications that sampled a wrong product.
    pub product_error_rate: f64,
    /// Timing errors of both stages of the elements, if they were simulated gate by gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_errors: Option<StageErrorAverages>,
    /// Where the result comes from.
    pub provenance: Provenance,
}

impl Record {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/record/1";

    /// Records as comma-separated values, a line each under a header (RFC 4180). Names are those of the JSON; energies have
    /// `_uj` behind them. Without provenance.
    pub fn to_csv(records: &[Record]) -> String {
        let mut text = String::from(
            "design,technology,array,dataset,model,method,seed,supply_v,sram_v,clock_ps,fidelity,chip,\
             memory,bit_error_rate,settings,accuracy,accuracy_low95,accuracy_high95,images,cycles,latency_us,product_error_rate,total_uj",
        );
        for (name, _) in EnergyComponents::default().parts() {
            text += &format!(",{name}_uj");
        }
        text.push('\n');
        for record in records {
            let Point { design, technology, array, dataset, model, method, fidelity, .. } = &record.point;
            let Point { seed, supply_v, sram_v, clock_ps, chip, bit_error_rate, .. } = record.point;
            let names = [design, technology, array, dataset, model, method].map(|name| quoted(name)).join(",");
            let chip = chip.map_or(String::new(), |chip| chip.to_string());
            let memory = record.point.memory.as_deref().map_or(String::new(), quoted);
            let rate = bit_error_rate.map_or(String::new(), |rate| rate.to_string());
            let [low, high] = record.accuracy_ci95;
            let Record { accuracy, images, cycles, latency_us, product_error_rate, energy_uj, .. } = record;
            text += &format!("{names},{seed},{supply_v},{sram_v},{clock_ps},{},{chip},", quoted(fidelity));
            let settings = record.point.settings.iter().map(|(key, value)| format!("{key}={value}"));
            let settings = quoted(&settings.collect::<Vec<_>>().join("; "));
            text += &format!("{memory},{rate},{settings},");
            text += &format!("{accuracy},{low},{high},{images},{cycles},{latency_us},{product_error_rate},");
            text += &energy_uj.total.to_string();
            for (_, energy) in energy_uj.parts() {
                text += &format!(",{energy}");
            }
            text.push('\n');
        }
        text
    }
}

/// A field in quotes if it needs them.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_field_for_each_name() {
        let mut record = crate::report::difference::tests::record(3, 0.9, 0.5, 2.5);
        record.point.dataset = "folder, \"mine\"".into();
        record.energy_uj.dram = 0.25;
        let text = Record::to_csv(&[record]);
        let (header, line) = text.trim_end().split_once('\n').unwrap();
        assert!(line.contains(",\"folder, \"\"mine\"\"\","));
        let plain = line.replace("\"folder, \"\"mine\"\"\"", "x");
        let fields: Vec<&str> = plain.split(',').collect();
        let names: Vec<&str> = header.split(',').collect();
        assert_eq!(names.len(), fields.len());
        let field = |name: &str| fields[names.iter().position(|other| *other == name).unwrap()];
        assert_eq!((field("seed"), field("chip"), field("accuracy")), ("3", "", "0.5"));
        assert_eq!((field("total_uj"), field("dram_uj"), field("idle_uj")), ("2.5", "0.25", "0"));
    }
}
