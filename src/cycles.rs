//! Time, traffic and energy of layers on an array.

use crate::arguments::CyclesOptions;
use crate::catalogue::{ARRAYS, Source};
use crate::failure::Failure;
use crate::layer_energy::{Conditions, NetworkEnergy, network_energy};
use crate::layer_figures::LayerFigures;
use crate::output::{print_json, print_line, print_wrapped};
use crate::summary::plain_table;
use axtrain_sim::array::{
    ArrayConfig, ArrayError, ArrayFile, Convention, Dataflow, EnergyComponents, Layer, LayerCycles, MemorySystem,
    SystolicArray, topology,
};
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;

/// Counts every layer and prints the counts.
pub(crate) fn run(options: &CyclesOptions, seed: u64) -> Result<(), Failure> {
    let (array, mut memory) = array(options)?;
    if options.convention == Convention::ScaleSim {
        refuse_beyond_counts(options)?;
        ideal_only(memory.take())?;
    }
    let layers = layers(options)?;
    let counted = count(&array, memory.as_ref(), &layers, options.convention)
        .and_then(|counted| Ok((LayerCycles::total(&counted)?, counted)));
    let (total, counted) = counted
        .map_err(|error| Failure::request(error, "`axtrain cycles --help` says what arrays and layers may be"))?;
    let energy = match options.energy.wanted() {
        true => Some(network_energy(&options.energy, (&array, memory.as_ref()), (&layers, &counted), seed)?),
        false => None,
    };
    let title = title(&array, memory.is_some(), options.convention);
    if let Some(folder) = &options.figures {
        let figures = LayerFigures {
            array: &array,
            memory: memory.as_ref(),
            layers: &layers,
            counted: &counted,
            total: &total,
            energy: energy.as_ref(),
            conditions: &match &options.topology {
                Some(path) => format!("{}; {title}", path.file_stem().unwrap_or_default().to_string_lossy()),
                None => title.clone(),
            },
        };
        figures.draw(folder)?;
    }
    let report = Report::new(&layers, &counted, total, energy);
    if options.json {
        print_json(&report);
    } else if options.csv {
        report.print_csv();
    } else {
        print_line(&title);
        print_line(&report.table().to_string());
        if let (Some(conditions), Some(table)) = (&report.energy_conditions, report.energy_table()) {
            print_line("");
            print_wrapped(&format!("Energy: {}", conditions.describe()), 0);
            print_line(&table.to_string());
        }
    }
    Ok(())
}

/// The array and, unless they are ideal, its memories.
fn array(options: &CyclesOptions) -> Result<(SystolicArray, Option<MemorySystem>), Failure> {
    let mut source = None;
    let mut file = match (&options.array, &options.config) {
        (Some(wanted), _) => source.insert(Source::find("array", ARRAYS, wanted, Path::new("."))?).array()?,
        (None, Some(path)) => {
            let source = source.insert(Source::read(path)?);
            topology::read_architecture(&source.text).map_err(|error| at_line(source, error.line(), &error))?
        }
        (None, None) => {
            let rows = options.rows.expect("clap asks for rows where no file is named");
            let columns = options.columns.expect("clap asks for columns with rows");
            ArrayFile { array: ArrayConfig::plain(rows, columns, Dataflow::WeightStationary), memory: None }
        }
    };
    if let Some(dataflow) = options.dataflow {
        file.array.dataflow = dataflow;
    }
    let array = file.array.build().map_err(|error| match &source {
        Some(source) => Failure::in_file(source.parts(), None, error, None),
        None => Failure::request(error, "--rows and --cols take integers from 1 to 2^32 − 1"),
    })?;
    Ok((array, file.memory))
}

/// SCALE-Sim's counts are not what registers do, so nothing else is derived from them.
fn refuse_beyond_counts(options: &CyclesOptions) -> Result<(), Failure> {
    let help = "leave it out, or count by --convention rtl";
    if options.energy.wanted() {
        return Err(Failure::request("energy is not found from SCALE-Sim's counts", help));
    }
    match options.figures {
        Some(_) => Err(Failure::request("figures are not drawn from SCALE-Sim's counts", help)),
        None => Ok(()),
    }
}

/// SCALE-Sim's stalls are not reproduced; without a limit on DRAM it has none.
fn ideal_only(memory: Option<MemorySystem>) -> Result<(), Failure> {
    match memory.and_then(|memory| memory.dram_bits_per_cycle) {
        Some(bits) => Err(Failure::request(
            format!("the scale-sim convention does not count waiting for a DRAM of {bits} bits a cycle"),
            "leave dram_bits_per_cycle out (in a .cfg: InterfaceBandwidth: CALC), or count by --convention rtl",
        )),
        None => Ok(()),
    }
}

fn layers(options: &CyclesOptions) -> Result<Vec<Layer>, Failure> {
    let Some(path) = &options.topology else {
        let layers = (1..).zip(&options.gemm).map(|(number, gemm)| Layer::new(format!("gemm{number}"), *gemm));
        return Ok(layers.collect());
    };
    let source = Source::read(path)?;
    topology::read_layers(&source.text, options.convention).map_err(|error| at_line(&source, error.line(), &error))
}

/// A file is wrong in a line, counted from 1.
fn at_line(source: &Source, line: Option<usize>, error: &dyn std::error::Error) -> Failure {
    let span = line.and_then(|line| line_span(&source.text, line));
    Failure::in_file(source.parts(), span, error, None)
}

/// Where a line lies in a text, without its end.
fn line_span(text: &str, line: usize) -> Option<Range<usize>> {
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let length = text[start..].lines().next()?.len();
    Some(start..start + length)
}

fn count(
    array: &SystolicArray,
    memory: Option<&MemorySystem>,
    layers: &[Layer],
    convention: Convention,
) -> Result<Vec<LayerCycles>, ArrayError> {
    match (convention, memory) {
        (Convention::ScaleSim, _) => layers.iter().map(|layer| array.scale_sim_cycles(layer)).collect(),
        (Convention::Rtl, Some(memory)) => array.network_cycles(layers, memory),
        (Convention::Rtl, None) => layers.iter().map(|layer| array.layer_cycles(layer)).collect(),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    layers: Vec<LayerReport>,
    total: Total,
    /// What the energies hold for, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_conditions: Option<Conditions>,
}

#[derive(Serialize)]
struct Total {
    #[serde(flatten)]
    counted: LayerCycles,
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_uj: Option<EnergyComponents>,
}

#[derive(Serialize)]
struct LayerReport {
    name: String,
    m: u64,
    n: u64,
    k: u64,
    /// Products of that shape, where there is more than one.
    #[serde(skip_serializing_if = "is_one")]
    groups: u64,
    #[serde(flatten)]
    counted: LayerCycles,
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_uj: Option<EnergyComponents>,
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

impl LayerReport {
    fn new(layer: &Layer, counted: LayerCycles, energy_uj: Option<EnergyComponents>) -> Self {
        let gemm = layer.gemm();
        let (m, n, k) = (gemm.m(), gemm.n(), gemm.k());
        Self { name: layer.name().to_owned(), m, n, k, groups: layer.groups(), counted, energy_uj }
    }
}

fn title(array: &SystolicArray, memory: bool, convention: Convention) -> String {
    let (rows, columns, dataflow) = (array.rows(), array.columns(), array.dataflow());
    let mut title = format!("{rows}×{columns} elements, {dataflow}");
    for (present, feature) in [
        (array.double_buffering(), "double buffering"),
        (array.product_register(), "product registers"),
        (!memory, "ideal memory"),
        (convention == Convention::ScaleSim, "counted as SCALE-Sim does"),
    ] {
        if present {
            title += ", ";
            title += feature;
        }
    }
    title
}

impl Report {
    fn new(layers: &[Layer], counted: &[LayerCycles], total: LayerCycles, energy: Option<NetworkEnergy>) -> Self {
        let of_layer = |index: usize| energy.as_ref().map(|energy| energy.layers[index]);
        Self {
            layers: (0..layers.len())
                .map(|index| LayerReport::new(&layers[index], counted[index], of_layer(index)))
                .collect(),
            total: Total { counted: total, energy_uj: energy.as_ref().map(|energy| energy.total) },
            energy_conditions: energy.map(|energy| energy.conditions),
        }
    }

    /// A line a layer: its energy and the share of each component.
    fn energy_table(&self) -> Option<Table> {
        let mut table = plain_table();
        table.set_header([
            "layer",
            "energy\nµJ",
            "MAC\n%",
            "MAC\nleak",
            "regis-\nters",
            "clock",
            "idle",
            "SRAM",
            "SRAM\nleak",
            "DRAM",
            "level\nshift",
        ]);
        let row = |name: &str, energy: &EnergyComponents| {
            let share = |(_, part): (&str, f64)| format!("{:.1}", part / energy.total * 100.0);
            let total = if energy.total < 1e5 { three_digits(energy.total) } else { format!("{:.3e}", energy.total) };
            [name.to_owned(), total].into_iter().chain(energy.parts().map(share)).collect::<Vec<_>>()
        };
        for layer in &self.layers {
            table.add_row(row(&layer.name, layer.energy_uj.as_ref()?));
        }
        if self.layers.len() > 1 {
            table.add_row(row("total", self.total.energy_uj.as_ref()?));
        }
        right_align(&mut table);
        Some(table)
    }

    /// A line a layer and one for all, in 80 columns unless names or counts are very long.
    fn table(&self) -> Table {
        let mut table = plain_table();
        table.set_header([
            "layer",
            "M×N×K",
            "folds",
            "cycles",
            "stalls",
            "busy\n%",
            "mapped\n%",
            "SRAM\nwords",
            "DRAM\nwords",
        ]);
        for layer in &self.layers {
            let LayerReport { name, m, n, k, groups, counted, .. } = layer;
            let groups = if *groups == 1 { String::new() } else { format!("{groups}·") };
            table.add_row(cells(name.clone(), format!("{groups}{m}×{n}×{k}"), counted));
        }
        if self.layers.len() > 1 {
            table.add_row(cells("total".to_owned(), String::new(), &self.total.counted));
        }
        right_align(&mut table);
        table
    }

    fn print_csv(&self) {
        let energy = self.total.energy_uj.map_or(String::new(), |energy| {
            let components = energy.parts().map(|(name, _)| format!(",energy_uj_{name}"));
            format!(",energy_uj_total{}", components.concat())
        });
        print_line(&format!(
            "name,m,n,k,groups,folds,cycles,stall_cycles,utilization,mapping_efficiency,sram_input_reads,\
             sram_weight_reads,sram_output_writes,sram_partial_sum_reads,dram_input_reads,dram_weight_reads,\
             dram_output_writes,dram_partial_sum_writes,dram_partial_sum_reads{energy}",
        ));
        for layer in &self.layers {
            let LayerReport { name, m, n, k, groups, counted, energy_uj } = layer;
            let LayerCycles { folds, cycles, stall_cycles, utilization, mapping_efficiency, sram, dram } = counted;
            let name = if name.contains('"') { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() };
            let words = [
                sram.input_reads,
                sram.weight_reads,
                sram.output_writes,
                sram.partial_sum_reads,
                dram.input_reads,
                dram.weight_reads,
                dram.output_writes,
                dram.partial_sum_writes,
                dram.partial_sum_reads,
            ];
            let words = words.map(|count| count.to_string()).join(",");
            let energy = energy_uj.map_or(String::new(), |energy| {
                format!(",{}{}", energy.total, energy.parts().map(|(_, part)| format!(",{part}")).concat())
            });
            print_line(&format!(
                "{name},{m},{n},{k},{groups},{folds},{cycles},{stall_cycles},{utilization},{mapping_efficiency},{words}{energy}"
            ));
        }
    }
}

/// Numbers to the right, names to the left.
fn right_align(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
        if column.index > 0 {
            column.set_padding((1, 0)).set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Three significant digits without an exponent.
pub(crate) fn three_digits(value: f64) -> String {
    let magnitude = if value > 0.0 { value.log10().floor() } else { 0.0 };
    let decimals = (2.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

fn cells(name: String, shape: String, counted: &LayerCycles) -> [String; 9] {
    let LayerCycles { folds, cycles, stall_cycles, utilization, mapping_efficiency, sram, dram } = counted;
    let percent = |share: &f64| format!("{:.1}", share * 100.0);
    [
        name,
        shape,
        folds.to_string(),
        cycles.to_string(),
        stall_cycles.to_string(),
        percent(utilization),
        percent(mapping_efficiency),
        words(&[sram.input_reads, sram.weight_reads, sram.output_writes, sram.partial_sum_reads]),
        words(&[
            dram.input_reads,
            dram.weight_reads,
            dram.output_writes,
            dram.partial_sum_writes,
            dram.partial_sum_reads,
        ]),
    ]
}

/// Words in all, three digits of them.
fn words(counts: &[u64]) -> String {
    let mut count = counts.iter().map(|&count| count as f64).sum::<f64>();
    let mut prefix = "";
    for larger in ["k", "M", "G", "T", "P", "E"] {
        if count < 999.5 {
            break;
        }
        count /= 1000.0;
        prefix = larger;
    }
    match prefix {
        "" => count.to_string(),
        _ if count < 9.995 => format!("{count:.2} {prefix}"),
        _ if count < 99.95 => format!("{count:.1} {prefix}"),
        _ => format!("{count:.0} {prefix}"),
    }
}
