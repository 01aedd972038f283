//! How fast waveforms are: `cargo bench -p axtrain-sim --bench timed`.
//!
//! Exact signed 8×8 array in FreePDK45, one core, medians of CPU time. Random pairs are sampled at 8 times and their
//! toggles counted a net; the transition table is every (previous, current, weight) triple with errors at 8 windows and
//! the energy of each. Icarus Verilog, where installed, simulates the same netlist with the same delays and samples in
//! the same run; its time includes reading the compiled circuit.

mod cpu_clock;

use axtrain_sim::energy::SwitchingActivity;
use axtrain_sim::engine::{DelayMode, LANES, Lanes, StaticTiming, TimedEngine, timed_verilog};
use axtrain_sim::multiplier::{Coding, Family, MultiplierSpec};
use axtrain_sim::netlist::{Delays, Netlist};
use axtrain_sim::profile::{TransitionSpec, TransitionTable};
use axtrain_sim::technology::{DelayModel, Physical, Technology};
use axtrain_sim::units::Picoseconds;
use cpu_clock::cpu_seconds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

const FREEPDK45: &str = include_str!("../../hwconfigs/technology/freepdk45.toml");
const PAIRS: usize = 1 << 20;
const ICARUS_PAIRS: usize = 4096;
const MODES: [DelayMode; 2] = [DelayMode::Transport, DelayMode::Inertial];

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first pool");
    let technology = Technology::from_toml(FREEPDK45).expect("the built-in technology reads");
    let netlist = MultiplierSpec::new("exact", Family::Array, 8, 8, true).expect("a valid design").netlist();
    let physical = technology.weigh(&netlist).expect("all cells are there");
    let critical = StaticTiming::with_delays(&netlist, &physical.delay).critical_delay().0;
    let windows: Vec<Picoseconds> = (9..17).map(|part| Picoseconds(critical * part / 16 + 1)).collect();
    let pairs = random_pairs(PAIRS);
    let choices = [
        ("one delay an output", physical.delays(DelayModel::Averaged)),
        ("rise and fall", physical.delays(DelayModel::RiseFall)),
        ("rise and fall by pin", physical.delays(DelayModel::ByPin)),
    ];
    for mode in MODES {
        for (name, delays) in &choices {
            let pairs_of = |engine: TimedEngine<'_>| time_of_pairs(engine, &netlist, &pairs, &windows) / PAIRS as f64;
            let ours = median(5, || pairs_of(TimedEngine::with_delays(&netlist, delays, mode)));
            print!("random pairs, {mode:?}, {name}: {:.1} ns a pair", ours * 1e9);
            match time_of_icarus(&netlist, delays, mode, &pairs[..ICARUS_PAIRS / LANES], &windows) {
                Some(theirs) => {
                    let theirs = theirs / ICARUS_PAIRS as f64;
                    println!(", Icarus {:.1} µs: {:.0} times as fast", theirs * 1e6, theirs / ours);
                }
                None => println!(),
            }
            if matches!(delays, Delays::Arc(_)) {
                let events = median(3, || pairs_of(TimedEngine::by_events(&netlist, delays, mode)));
                println!("  by lists of events: {:.1} ns a pair", events * 1e9);
            }
        }
    }
    for mode in MODES {
        let time = median(3, || time_of_table(&netlist, &physical, mode, &windows));
        println!("all 2^24 transitions, {mode:?}: {time:.2} s, {:.1} ns a transition", time / (1 << 24) as f64 * 1e9);
    }
}

/// Blocks of operands, previous and next, as lanes.
type Block = [[Lanes; 16]; 2];

fn random_pairs(count: usize) -> Vec<Block> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut lanes = || std::array::from_fn(|_| Lanes(std::array::from_fn(|_| rng.random())));
    (0..count / LANES).map(|_| [lanes(), lanes()]).collect()
}

fn median(runs: usize, mut work: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..runs).map(|_| work()).collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn time_of_pairs(mut engine: TimedEngine<'_>, netlist: &Netlist, blocks: &[Block], windows: &[Picoseconds]) -> f64 {
    let mut activity = SwitchingActivity::new(netlist);
    let mut samples = vec![Lanes::ZERO; windows.len()];
    let start = cpu_seconds();
    for [from, to] in blocks {
        for bit in 0..16 {
            engine.set_input(bit / 8, bit % 8, from[bit], to[bit]);
        }
        engine.run();
        activity.record(netlist, &engine, Lanes::ONES);
        for &net in netlist.outputs()[0].nets() {
            engine.sample_all(net, windows, &mut samples);
            black_box(&samples);
        }
    }
    let time = cpu_seconds() - start;
    black_box(activity);
    time
}

fn time_of_table(netlist: &Netlist, physical: &Physical, mode: DelayMode, windows: &[Picoseconds]) -> f64 {
    let spec =
        TransitionSpec { netlist, physical, coding: Coding::plain(8, 8, true), activation_bits: 8, mode, windows };
    // The pool has one thread, but it is not this one.
    let timed = || {
        let start = cpu_seconds();
        black_box(TransitionTable::build(spec, &|| ()).expect("it fits"));
        cpu_seconds() - start
    };
    rayon::scope(|_| timed())
}

/// CPU time of Icarus on the same pairs and sampling times, if it is there and Verilog can say these delays; that the
/// products are the same is for `tests/icarus.rs` to show.
fn time_of_icarus(
    netlist: &Netlist,
    delays: &Delays,
    mode: DelayMode,
    blocks: &[Block],
    windows: &[Picoseconds],
) -> Option<f64> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("icarus-bench");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    let circuit = timed_verilog(netlist, delays, mode).ok()?;
    std::fs::write(folder.join("circuit.v"), circuit).expect("a writable folder");
    let mut operands = [String::new(), String::new()];
    for block in blocks {
        for (side, text) in block.iter().zip(&mut operands) {
            for code in axtrain_sim::engine::lane_values(side) {
                *text += &format!("{code:04x}\n");
            }
        }
    }
    for (name, text) in ["from.hex", "to.hex"].into_iter().zip(operands) {
        std::fs::write(folder.join(name), text).expect("a writable folder");
    }
    let period = 2 * windows.last().expect("windows").0;
    let mut now = 0;
    let mut steps = String::new();
    for window in windows {
        steps += &format!("#{} sampled = sampled ^ p; ", window.0 - now);
        now = window.0;
    }
    let count = blocks.len() * LANES;
    let bench = format!(
        "`timescale 1ps/1ps
module bench;
  reg [15:0] from [0:{count}-1], to [0:{count}-1];
  reg [7:0] a, b;
  wire [15:0] p;
  reg [15:0] sampled;
  integer pair;
  {module} dut(.a(a), .b(b), .p(p));
  initial begin
    sampled = 0;
    $readmemh(\"from.hex\", from);
    $readmemh(\"to.hex\", to);
    for (pair = 0; pair < {count}; pair = pair + 1) begin
      {{b, a}} = from[pair];
      #{period} {{b, a}} = to[pair];
      {steps}
      #{rest};
    end
    $display(\"%h\", sampled);
    $finish(0);
  end
endmodule\n",
        module = netlist.name(),
        rest = period - now,
    );
    std::fs::write(folder.join("bench.v"), bench).expect("a writable folder");
    let mut compile = Command::new("iverilog");
    compile.current_dir(&folder).args(["-o", "bench.vvp", "bench.v", "circuit.v"]);
    compile.status().ok().filter(|status| status.success())?;
    let start = children_time();
    let run = Command::new("vvp").current_dir(&folder).args(["-n", "bench.vvp"]).output().ok()?;
    assert!(run.status.success() && !run.stdout.contains(&b'x'), "Icarus computes the products");
    Some(children_time() - start)
}

/// CPU time of finished child processes, s.
fn children_time() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // Fields 16 and 17, counted from the state after the name in parentheses.
    let fields: Vec<&str> = text.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().expect("ticks");
    (ticks(13) + ticks(14)) / TICKS_PER_SECOND
}
