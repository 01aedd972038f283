//! SCALE-Sim 3.0.0's own reports (run on small lists of matrix products with unlimited bandwidth), reproduced.

use axtrain_sim::array::{Gemm, Layer, SramTraffic, SystolicArray};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The array a report's name ends with, as in `mlp_ws_32x32.csv`.
fn array_of(report: &Path) -> SystolicArray {
    let name = report.file_stem().unwrap().to_str().unwrap();
    let mut parts = name.rsplit('_');
    let (rows, columns) = parts.next().unwrap().split_once('x').unwrap();
    let dataflow = parts.next().unwrap().parse().unwrap();
    SystolicArray::new(rows.parse().unwrap(), columns.parse().unwrap(), dataflow).unwrap()
}

#[test]
fn every_report_is_reproduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scalesim");
    let mut reports: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    reports.sort();
    let mut layers = 0;
    for report in &reports {
        let array = array_of(report);
        let text = fs::read_to_string(report).unwrap();
        let mut lines = text.lines();
        let header: Vec<_> = lines.next().unwrap().split(',').collect();
        for line in lines {
            let row: HashMap<_, _> = header.iter().copied().zip(line.split(',')).collect();
            let count = |column: &str| row[column].parse::<u64>().unwrap();
            let percent = |column: &str| row[column].parse::<f64>().unwrap();
            let layer = Layer::new(row["name"], Gemm::new(count("M"), count("N"), count("K")).unwrap());
            let ours = array.scale_sim_cycles(&layer).unwrap();
            let place = format!("{}, {}", report.display(), layer.name());
            assert_eq!((ours.cycles, ours.stall_cycles), (count("total_cycles"), count("stall_cycles")), "{place}");
            let sram = SramTraffic {
                input_reads: count("sram_ifmap_reads"),
                weight_reads: count("sram_filter_reads"),
                output_writes: count("sram_ofmap_writes"),
                partial_sum_reads: 0,
            };
            assert_eq!(ours.sram, sram, "{place}");
            assert!((ours.utilization * 100.0 - percent("overall_util_pct")).abs() < 1e-9, "{place}");
            assert!((ours.mapping_efficiency * 100.0 - percent("mapping_eff_pct")).abs() < 1e-9, "{place}");
            layers += 1;
        }
    }
    assert_eq!((reports.len(), layers), (7, 4 * 9 + 3), "all reports were found");
}
