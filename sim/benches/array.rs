//! How fast the array's models are: `cargo bench -p axtrain-sim --bench array`.
//!
//! The stepped model in element-cycles a second (all elements, busy or not), with a product table as the multiplier;
//! the closed form in time for a whole network (cycles, traffic on and off chip, stalls, and the energy of each layer by
//! component), and in time for such a network on every point of a design space, on all cores. Best of several runs;
//! SCALE-Sim 3 on some of the same layers, if the Python named by `AXTRAIN_SCALE_SIM_PYTHON` (or else `python3`) has it;
//! set-up is not timed, except what measuring the operations on the gates takes, which is shown apart.

use axtrain_sim::array::stepped::{self, Operands};
use axtrain_sim::array::{
    Accumulator, ArrayFile, BUILT_IN_ARRAYS, Dataflow, EnergyModel, Gemm, Layer, LayerCycles, Memories, MemorySystem,
    OperandStatistics, OperationMeans, Supplies, SystolicArray,
};
use axtrain_sim::memory::MemoryTechnology;
use axtrain_sim::multiplier::{Coding, Family, MultiplierSpec, ProductTable};
use axtrain_sim::technology::Technology;
use rayon::prelude::*;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const LSTP: &str = include_str!("../../hwconfigs/memory/cacti7-45nm-lstp.toml");

fn main() {
    stepped_throughput();
    closed_form_of_a_network();
    sweep();
    against_scale_sim();
}

/// The shortest of `runs` runs.
fn best_of<R>(runs: u32, mut work: impl FnMut() -> R) -> Duration {
    let timed = || {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    std::iter::repeat_with(timed).take(runs as usize).min().expect("at least one run")
}

fn stepped_throughput() {
    let table = ProductTable::exact(8, 8, true);
    for dataflow in Dataflow::ALL {
        for (side, gemm) in [(16, "64x64x64"), (128, "128x128x128")] {
            let array = SystolicArray::new(side, side, dataflow).expect("a valid array").with_product_register(true);
            let gemm: Gemm = gemm.parse().expect("a valid product");
            let codes = |count: u64, step: u64| (0..count).map(|i| (i * step % 251) as i32 - 125).collect::<Vec<_>>();
            let (inputs, weights) = (codes(gemm.m() * gemm.k(), 7), codes(gemm.k() * gemm.n(), 13));
            let operands = Operands { gemm, groups: 1, inputs: &inputs, weights: &weights };
            let step = || stepped::run(&array, &operands, |a, b| table.product(a as u32, b as u32)).expect("it fits");
            let element_cycles = (step().cycles * array.elements()) as f64;
            let rate = element_cycles / best_of(5, step).as_secs_f64() / 1e6;
            println!("stepped {side}x{side} {dataflow}, {gemm}: {rate:.0} M element-cycles/s");
        }
    }
}

/// The convolutions of a residual network of 50 layers at 224×224 pixels, as matrix products.
fn network() -> Vec<Layer> {
    let stages = [(56 * 56, 64, 3), (28 * 28, 128, 4), (14 * 14, 256, 6), (7 * 7, 512, 3)];
    let mut products = vec![[112 * 112, 64, 3 * 7 * 7]];
    for (pixels, width, blocks) in stages {
        for block in 0..blocks {
            let inputs = if block > 0 { 4 * width } else { (2 * width).max(64) };
            products.extend([[pixels, width, inputs], [pixels, width, 9 * width], [pixels, 4 * width, width]]);
        }
    }
    products.push([1, 1000, 2048]);
    let layer =
        |(i, &[m, n, k]): (usize, &[u64; 3])| Layer::new(format!("layer{i}"), Gemm::new(m, n, k).expect("no zero"));
    products.iter().enumerate().map(layer).collect()
}

/// The memories of a built-in array.
fn memories() -> MemorySystem {
    let (_, text) = BUILT_IN_ARRAYS.into_iter().find(|(name, _)| *name == "tpu-128x128").expect("it is built in");
    toml::from_str::<ArrayFile>(text).expect("it is valid").memory.expect("it has one")
}

fn closed_form_of_a_network() {
    let (layers, memory) = (network(), memories());
    let technology = Technology::from_toml(FREEPDK45).expect("it is valid");
    let multiplier = MultiplierSpec::new("exact", Family::Array, 8, 8, true).expect("a valid width");
    let (netlist, product) = (multiplier.netlist(), multiplier.table().expect("a small multiplier"));
    let physical = technology.weigh(&netlist).expect("all cells are there");
    let coding = Coding::plain(8, 8, true);
    let accumulator = Accumulator::new(32, coding, &technology).expect("all cells are there");
    let sram = MemoryTechnology::from_toml(LSTP).expect("it is valid");
    let supplies = Supplies::new(technology.nominal_supply(), technology.nominal_supply());
    let memories = Memories::new(&memory, sram).expect("large enough");
    let uniform = [1.0 / 256.0; 256];
    let probabilities = [&uniform[..], &uniform];
    let statistics =
        OperandStatistics { netlist: &netlist, physical: &physical, coding, product: &product, probabilities };
    for dataflow in Dataflow::ALL {
        let array = SystolicArray::new(128, 128, dataflow).expect("a valid array");
        let measure = || {
            let additions = OperationMeans::additions(&array, &layers).min(1024.0) as u64;
            OperationMeans::measure(&array, &statistics, &accumulator, additions, (2048, 1))
        };
        let operations = measure();
        let model = EnergyModel {
            array: &array,
            technology: &technology,
            multiplier: &physical,
            accumulator: &accumulator,
            memories: &memories,
            clock_ps: 1572.0,
        };
        let count = || array.network_cycles(black_box(&layers), &memory).expect("it fits");
        let whole = || {
            let counted = count();
            model.network(&layers, &counted, &memory, &operations, supplies).expect("it fits")
        };
        let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
        let (counts, energy) = (microseconds(best_of(1000, count)), microseconds(best_of(1000, whole)));
        let set_up = microseconds(best_of(5, measure)) / 1000.0;
        println!(
            "{} layers, 128x128 {dataflow}: {counts:.1} µs cycles, traffic and stalls; {energy:.1} µs with energy; operations \
             measured once in {set_up:.1} ms",
            layers.len()
        );
    }
}

/// The network on 10 × 10 sizes, three dataflows, 7 capacities and 5 widths of the DRAM port.
fn sweep() {
    let (layers, memory) = (network(), memories());
    let not_zero = |number| NonZeroU64::new(number).expect("not zero");
    let of_size = |kib, bits| MemorySystem {
        input_sram_kib: not_zero(kib),
        weight_sram_kib: not_zero(kib),
        output_sram_kib: not_zero(kib),
        dram_bits_per_cycle: Some(not_zero(bits)),
        ..memory
    };
    let widths = [32, 64, 128, 256, 512];
    let capacities = [64, 128, 256, 512, 1024, 2048, 4096];
    let memories: Vec<_> = capacities.iter().flat_map(|kib| widths.map(|bits| of_size(*kib, bits))).collect();
    let sides = (1..=10).map(|step| 16 * step);
    let sizes = sides.clone().flat_map(|rows| sides.clone().map(move |columns| (rows, columns)));
    let arrays = sizes.flat_map(|(rows, columns)| {
        Dataflow::ALL.map(|dataflow| SystolicArray::new(rows, columns, dataflow).expect("a valid array"))
    });
    let points: Vec<_> = arrays.flat_map(|array| memories.iter().map(move |memory| (array, memory))).collect();
    let count = |(array, memory): &(SystolicArray, &MemorySystem)| {
        let counted = array.network_cycles(&layers, memory).expect("it fits");
        LayerCycles::total(&counted).expect("it fits").cycles
    };
    let all = || points.par_iter().map(count).min();
    let time = best_of(3, all).as_secs_f64();
    let (points, threads) = (points.len(), rayon::current_num_threads());
    println!("sweep of {points} points of {} layers, {threads} threads: {time:.3} s", layers.len());
}

/// Both tools on five layers of the network, with the same counts.
fn against_scale_sim() {
    let all = network();
    let layers: Vec<Layer> = [1, 4, 20, 40, 49].map(|index| all[index].clone()).into();
    let array = SystolicArray::new(128, 128, Dataflow::WeightStationary).expect("a valid array");
    let folder = std::env::temp_dir().join(format!("axtrain-scale-sim-{}", std::process::id()));
    let Some(theirs) = scale_sim_seconds(&layers, &folder) else {
        println!("SCALE-Sim is not installed: no comparison");
        return;
    };
    let count = || -> Vec<LayerCycles> {
        black_box(&layers).iter().map(|layer| array.scale_sim_cycles(layer).expect("it fits")).collect()
    };
    let ours = best_of(1000, count).as_secs_f64();
    println!(
        "SCALE-Sim on {} of the layers: {theirs:.2} s, ours {:.2} µs: {:.0} times as fast",
        layers.len(),
        ours * 1e6,
        theirs / ours
    );
    let _ = std::fs::remove_dir_all(&folder);
}

/// CPU time SCALE-Sim takes, `None` if it cannot be run.
fn scale_sim_seconds(layers: &[Layer], folder: &Path) -> Option<f64> {
    let mut topology = "Layer,M,N,K,\n".to_owned();
    let mut layout = "Layer,\n".to_owned();
    for layer in layers {
        let gemm = layer.gemm();
        topology += &format!("{},{},{},{},\n", layer.name(), gemm.m(), gemm.n(), gemm.k());
        layout += &format!("{},{}\n", layer.name(), "1,".repeat(20));
    }
    std::fs::create_dir_all(folder).ok()?;
    for (name, text) in
        [("layers.csv", &topology), ("layout.csv", &layout), ("array.cfg", &SCALE_SIM_ARRAY.to_owned())]
    {
        std::fs::write(folder.join(name), text).ok()?;
    }
    let python = std::env::var("AXTRAIN_SCALE_SIM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(python).args(["-c", SCALE_SIM_RUN]).arg(folder).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

const SCALE_SIM_RUN: &str = include_str!("scale_sim.py");
const SCALE_SIM_ARRAY: &str = "\
[general]
run_name = bench
[architecture_presets]
ArrayHeight: 128
ArrayWidth: 128
IfmapSramSzkB: 4096
FilterSramSzkB: 4096
OfmapSramSzkB: 8192
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow : ws
Bandwidth : 60
ReadRequestBuffer: 64
WriteRequestBuffer: 64
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
";
